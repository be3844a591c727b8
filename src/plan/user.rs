//! CREATE USER and DROP USER. Users' names have no upper-case letters.

use super::{Plan, Planner};
use crate::catalog::{Object, ROOT};
use crate::error::{Error, Notice, Result, SqlState};
use crate::syntax::ast::Ident;

/// The longest name of a user, in characters.
const LONGEST_NAME: usize = 63;

/// Returns the name of a user as it is kept.
pub(super) fn user_name(name: &Ident) -> String {
    name.value.to_lowercase()
}

/// Returns the user's name if the user exists.
pub(super) fn require_user(planner: &Planner<'_>, name: &Ident) -> Result<String> {
    let user = user_name(name);
    if planner.catalog.user_exists(&user) {
        return Ok(user);
    }
    let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("user \"{user}\" does not exist"));
    Err(super::suggestion::did_you_mean(error.at(name.span), &user, planner.catalog.users()))
}

/// Plans a CREATE USER.
pub(super) fn plan_create_user(
    planner: &mut Planner<'_>,
    name: &Ident,
    if_not_exists: bool,
) -> Result<Plan> {
    planner.require_root("CREATE USER")?;
    let user = user_name(name);
    check_name(&user, name)?;
    if !planner.catalog.user_exists(&user) {
        return Ok(Plan::CreateUser { name: user });
    }
    if if_not_exists {
        planner.notice(Notice::notice(format!("user \"{user}\" already exists, skipping")));
        return Ok(Plan::Nothing { tag: "CREATE USER" });
    }
    Err(Error::new(SqlState::DUPLICATE_OBJECT, format!("user \"{user}\" already exists"))
        .at(name.span))
}

/// Refuses names that CockroachDB refuses, and `public`, which means everyone elsewhere.
fn check_name(user: &str, name: &Ident) -> Result {
    if user == "public" {
        return Err(
            Error::new(SqlState::RESERVED_NAME, "user name \"public\" is reserved").at(name.span)
        );
    }
    let starts = user.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let holds = user.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if starts && holds && user.chars().count() <= LONGEST_NAME {
        return Ok(());
    }
    Err(Error::new(SqlState::INVALID_NAME, format!("user name \"{user}\" is invalid"))
        .at(name.span)
        .detail(format!(
            "A user's name starts with a letter, digit or underscore, holds letters, digits, \
             dashes, periods and underscores, and has at most {LONGEST_NAME} characters."
        )))
}

/// Plans a DROP USER.
pub(super) fn plan_drop_user(
    planner: &mut Planner<'_>,
    names: &[Ident],
    if_exists: bool,
) -> Result<Plan> {
    planner.require_root("DROP USER")?;
    let mut dropped: Vec<String> = Vec::new();
    for name in names {
        let user = user_name(name);
        if user == ROOT {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                "user \"root\" cannot be dropped",
            )
            .at(name.span));
        }
        if if_exists && !planner.catalog.user_exists(&user) {
            planner.notice(Notice::notice(format!("user \"{user}\" does not exist, skipping")));
            continue;
        }
        let user = require_user(planner, name)?;
        require_no_grants(planner, &user, name)?;
        if !dropped.contains(&user) {
            dropped.push(user);
        }
    }
    if dropped.is_empty() {
        return Ok(Plan::Nothing { tag: "DROP USER" });
    }
    Ok(Plan::DropUsers { names: dropped })
}

/// Refuses to drop a user who has privileges.
fn require_no_grants(planner: &Planner<'_>, user: &str, name: &Ident) -> Result {
    let catalog = planner.catalog;
    let mut lines = Vec::new();
    for database in catalog.databases() {
        if catalog.privileges(Object::Database(database.id), user).is_some() {
            lines.push(format!("The user has privileges on database \"{}\".", database.name));
        }
        for table in catalog.tables(database.id) {
            if catalog.privileges(Object::Table(table.id), user).is_some() {
                lines.push(format!(
                    "The user has privileges on table \"{}.{}\".",
                    database.name, table.name
                ));
            }
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("user \"{user}\" cannot be dropped because some objects depend on it"),
    )
    .at(name.span)
    .detail(lines.join("\n"))
    .hint(format!("Take the privileges away first: REVOKE ALL ON ... FROM {user}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn creates_users_in_lower_case() {
        assert!(
            matches!(planned("CREATE USER \"Bob\"").plan, Plan::CreateUser { name } if name == "bob")
        );
        fails("CREATE USER alice", "42710", "user \"alice\" already exists");
        fails("CREATE USER root", "42710", "user \"root\" already exists");
        let skipped = planned("CREATE USER IF NOT EXISTS alice");
        assert_eq!(skipped.notices[0].message, "user \"alice\" already exists, skipping");
    }

    #[test]
    fn refuses_odd_names() {
        fails("CREATE USER \"a b\"", "42602", "user name \"a b\" is invalid");
        fails("CREATE USER \"-a\"", "42602", "user name \"-a\" is invalid");
        fails("CREATE USER public", "42939", "user name \"public\" is reserved");
        fails(&format!("CREATE USER {}", "a".repeat(64)), "42602", "is invalid");
    }

    #[test]
    fn drops_users_without_privileges() {
        assert!(
            matches!(planned("DROP USER idle").plan, Plan::DropUsers { names } if names == ["idle"])
        );
        fails("DROP USER root", "42501", "user \"root\" cannot be dropped");
        fails("DROP USER nobody", "42704", "user \"nobody\" does not exist");
        let error = fails("DROP USER testuser", "2BP01", "cannot be dropped because some objects");
        assert_eq!(
            error.detail_text(),
            Some("The user has privileges on table \"defaultdb.customers\".")
        );
        let skipped = planned("DROP USER IF EXISTS nobody");
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "DROP USER" }));
    }

    #[test]
    fn is_for_root_alone() {
        let alice = Session::default().user("alice");
        alice.fails("CREATE USER bob", "42501", "only root is allowed to CREATE USER");
        alice.fails("DROP USER idle", "42501", "only root is allowed to DROP USER");
    }
}
