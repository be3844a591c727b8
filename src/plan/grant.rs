//! GRANT and REVOKE: privileges, objects and users to the sets that each user has afterwards.

use super::resolve::{require_public, written};
use super::suggestion::did_you_mean;
use super::{Plan, Planner, user};
use crate::catalog::{Object, PUBLIC_SCHEMA, Privilege, PrivilegeSet, ROOT, TableId};
use crate::error::{Error, Notice, Result, Span, SqlState};
use crate::syntax::ast::{self, GrantTarget, Ident, ObjectName};

/// Which way privileges go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// To users.
    Grant,
    /// From users.
    Revoke,
}

/// The privileges that mean something for a database.
const OF_DATABASE: [Privilege; 4] =
    [Privilege::All, Privilege::Create, Privilege::Drop, Privilege::Grant];

/// Plans a GRANT or a REVOKE.
pub(super) fn plan_grant(
    planner: &mut Planner<'_>,
    grant: &ast::Grant,
    change: Change,
) -> Result<Plan> {
    let privileges = parse_privileges(grant)?;
    let objects = objects(planner, &grant.target)?;
    for (object, span) in &objects {
        for privilege in [Privilege::Grant].into_iter().chain(privileges.iter().copied()) {
            require(planner, privilege, *object, *span)?;
        }
    }
    let users = grantees(planner, &grant.users, change)?;
    let mut grants: Vec<(Object, String, PrivilegeSet)> = Vec::new();
    for (object, _) in &objects {
        for user in &users {
            let mut set = planner.catalog.privileges(*object, user).cloned().unwrap_or_default();
            for privilege in &privileges {
                match change {
                    Change::Grant => set.grant(*privilege),
                    Change::Revoke => set.revoke(*privilege),
                }
            }
            grants.push((*object, user.clone(), set));
        }
    }
    let tag = if change == Change::Grant { "GRANT" } else { "REVOKE" };
    Ok(Plan::SetGrants { grants, tag })
}

/// Returns the privileges named, each of which must fit the kind of object.
fn parse_privileges(grant: &ast::Grant) -> Result<Vec<Privilege>> {
    let mut privileges = Vec::new();
    for word in &grant.privileges {
        let Ok(privilege) = word.value.to_uppercase().parse::<Privilege>() else {
            let error = Error::new(
                SqlState::SYNTAX_ERROR,
                format!("invalid privilege type \"{}\"", word.value),
            );
            let known = Privilege::EACH.map(|privilege| privilege.to_string());
            let known = known.iter().map(String::as_str);
            return Err(did_you_mean(error.at(word.span), &word.value, known));
        };
        let databases = matches!(grant.target, GrantTarget::Databases(_));
        if databases && !OF_DATABASE.contains(&privilege) {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("invalid privilege type {privilege} for database"),
            )
            .at(word.span)
            .hint(format!(
                "Name the tables: ON TABLE database.* instead of {privilege} ON DATABASE."
            )));
        }
        privileges.push(privilege);
    }
    Ok(privileges)
}

/// Returns the objects of a target, each once, with the place of its name.
fn objects(planner: &mut Planner<'_>, target: &GrantTarget) -> Result<Vec<(Object, Span)>> {
    let mut objects: Vec<(Object, Span)> = Vec::new();
    let mut add = |object, span| {
        if !objects.iter().any(|(each, _)| *each == object) {
            objects.push((object, span));
        }
    };
    match target {
        GrantTarget::Databases(names) => {
            for name in names {
                add(Object::Database(planner.require_database(name)?.id), name.span);
            }
        }
        GrantTarget::Tables(names) => {
            for name in names {
                for relation in relations(planner, name)? {
                    add(Object::Table(relation), name.span);
                }
            }
        }
    }
    Ok(objects)
}

/// Returns the objects of a target without their places.
pub(super) fn target_objects(
    planner: &mut Planner<'_>,
    target: &GrantTarget,
) -> Result<Vec<Object>> {
    Ok(objects(planner, target)?.into_iter().map(|(object, _)| object).collect())
}

/// Returns the table or sequence that `name` names, or every one if its last part is `*`.
fn relations(planner: &mut Planner<'_>, name: &ObjectName) -> Result<Vec<TableId>> {
    let database = match name.parts.as_slice() {
        [star] if star.value == "*" => planner.current_database()?,
        [schema, star] if star.value == "*" && schema.value == PUBLIC_SCHEMA => {
            planner.current_database()?
        }
        [database, star] if star.value == "*" => planner.require_database(database)?,
        [database, schema, star] if star.value == "*" => {
            let database = planner.require_database(database)?;
            require_public(schema)?;
            database
        }
        _ => return Ok(vec![relation(planner, name)?]),
    };
    let tables = planner.catalog.tables(database.id).into_iter().map(|table| table.id);
    let sequences = planner.catalog.sequences(database.id).into_iter().map(|one| one.id);
    let found: Vec<TableId> = tables.chain(sequences).collect();
    if found.is_empty() {
        planner.notice(Notice::notice(format!("no tables match \"{}\"", written(name))));
    }
    Ok(found)
}

fn relation(planner: &Planner<'_>, name: &ObjectName) -> Result<TableId> {
    match planner.require_table(name) {
        Err(error) if error.code() == SqlState::WRONG_OBJECT_TYPE => {
            Ok(planner.require_sequence(name)?.id)
        }
        found => Ok(found?.id),
    }
}

/// Requires the user to hold a privilege on the object, as passing it on does.
fn require(planner: &Planner<'_>, privilege: Privilege, object: Object, span: Span) -> Result {
    match object {
        Object::Database(id) => match planner.catalog.database_by_id(id) {
            Some(database) => planner.require_on_database(privilege, database, span),
            None => Ok(()),
        },
        Object::Table(id) => {
            let catalog = planner.catalog;
            match (catalog.table_by_id(id), catalog.sequence_by_id(id)) {
                (Some(table), _) => planner.require_on_table(privilege, table, span),
                (None, Some(one)) => planner.require_on_sequence(privilege, one, span),
                (None, None) => Ok(()),
            }
        }
    }
}

/// Returns the users, each once, without root, who always may do everything.
fn grantees(planner: &mut Planner<'_>, names: &[Ident], change: Change) -> Result<Vec<String>> {
    let mut users: Vec<String> = Vec::new();
    for name in names {
        let user = user::require_user(planner, name)?;
        if user == ROOT {
            if change == Change::Revoke {
                planner.notice(Notice::notice("root always has all privileges"));
            }
        } else if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DatabaseId, TableId};
    use crate::plan::fixture::{Session, fails, planned};

    fn check(sql: &str, expected: &[(Object, &str, &str)]) {
        let Plan::SetGrants { grants, .. } = planned(sql).plan else { panic!("grants") };
        let shown: Vec<(Object, String, String)> = grants
            .into_iter()
            .map(|(object, user, set)| {
                let words: Vec<String> = set.0.iter().map(ToString::to_string).collect();
                (object, user, words.join(","))
            })
            .collect();
        let expected: Vec<(Object, String, String)> = expected
            .iter()
            .map(|(object, user, set)| (*object, (*user).to_owned(), (*set).to_owned()))
            .collect();
        assert_eq!(shown, expected, "{sql}");
    }

    const CUSTOMERS: Object = Object::Table(TableId(1));
    const ORDERS: Object = Object::Table(TableId(2));
    const ITEMS: Object = Object::Table(TableId(3));

    #[test]
    fn adds_to_what_a_user_has() {
        check("GRANT INSERT ON customers TO testuser", &[(CUSTOMERS, "testuser", "SELECT,INSERT")]);
        check("GRANT ALL ON TABLE customers TO testuser", &[(CUSTOMERS, "testuser", "ALL")]);
        check(
            "GRANT SELECT, DROP ON orders TO testuser, idle",
            &[(ORDERS, "testuser", "DROP,SELECT"), (ORDERS, "idle", "DROP,SELECT")],
        );
        check(
            "GRANT CREATE ON DATABASE shop TO idle",
            &[(Object::Database(DatabaseId(2)), "idle", "CREATE")],
        );
    }

    #[test]
    fn takes_away_from_what_a_user_has() {
        check("REVOKE SELECT ON customers FROM testuser", &[(CUSTOMERS, "testuser", "")]);
        check("REVOKE ALL ON customers FROM alice", &[(CUSTOMERS, "alice", "")]);
        check("REVOKE UPDATE ON customers FROM idle", &[(CUSTOMERS, "idle", "")]);
    }

    #[test]
    fn takes_every_table_for_a_star() {
        check(
            "GRANT SELECT ON * TO idle",
            &[(CUSTOMERS, "idle", "SELECT"), (ORDERS, "idle", "SELECT")],
        );
        check("GRANT SELECT ON shop.* TO idle", &[(ITEMS, "idle", "SELECT")]);
        check("GRANT SELECT ON shop.public.* TO idle", &[(ITEMS, "idle", "SELECT")]);
        check(
            "GRANT SELECT ON customers, public.* TO idle",
            &[(CUSTOMERS, "idle", "SELECT"), (ORDERS, "idle", "SELECT")],
        );
        let none = planned("GRANT SELECT ON hollow.* TO idle");
        assert_eq!(none.notices[0].message, "no tables match \"hollow.*\"");
    }

    #[test]
    fn leaves_root_alone() {
        check("GRANT SELECT ON customers TO root", &[]);
        let planned = planned("REVOKE ALL ON customers FROM root");
        assert_eq!(planned.notices[0].message, "root always has all privileges");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let error = fails("GRANT SELCT ON customers TO idle", "42601", "invalid privilege type");
        assert_eq!(error.hint_text(), Some("Did you mean \"SELECT\"?"));
        fails("GRANT SELECT ON customers TO nobody", "42704", "user \"nobody\" does not exist");
        fails("GRANT SELECT ON nope TO idle", "42P01", "relation \"nope\" does not exist");
        fails("GRANT SELECT ON DATABASE shop TO idle", "42601", "invalid privilege type SELECT");
        fails("GRANT CREATE ON DATABASE nope TO idle", "3D000", "database \"nope\"");
    }

    #[test]
    fn lets_users_pass_on_only_what_they_have() {
        let alice = Session::default().user("alice");
        alice.planned("GRANT SELECT ON customers TO idle");
        alice.fails(
            "GRANT DROP ON customers TO idle",
            "42501",
            "user alice does not have DROP privilege on relation customers",
        );
        Session::default().user("testuser").fails(
            "GRANT SELECT ON customers TO idle",
            "42501",
            "user testuser does not have GRANT privilege on relation customers",
        );
    }
}
