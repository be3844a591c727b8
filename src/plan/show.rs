//! SHOW: names resolved, and whether the user may look.

use super::{Planner, Show, grant, job, setting, user, variable};
use crate::catalog::TableId;
use crate::error::{Result, SqlState};
use crate::syntax::ast::{self, ObjectName};

/// Plans a SHOW.
pub(super) fn plan_show(planner: &mut Planner<'_>, show: &ast::Show) -> Result<Show> {
    Ok(match show {
        ast::Show::Databases => Show::Databases,
        ast::Show::Schemas => {
            planner.current_database()?;
            Show::Schemas
        }
        ast::Show::Tables { database: None } => Show::Tables(planner.current_database()?.id),
        ast::Show::Tables { database: Some(name) } => {
            Show::Tables(planner.require_database(name)?.id)
        }
        ast::Show::Columns(name) => Show::Columns(table(planner, name)?),
        ast::Show::Indexes(Some(name)) => Show::Indexes(vec![table(planner, name)?]),
        ast::Show::Indexes(None) => Show::Indexes(visible_tables(planner)?),
        ast::Show::Constraints(name) => Show::Constraints(table(planner, name)?),
        ast::Show::CreateTable(name) => match table(planner, name) {
            Err(error) if error.code() == SqlState::WRONG_OBJECT_TYPE => {
                Show::CreateSequence(sequence(planner, name)?)
            }
            found => Show::CreateTable(found?),
        },
        ast::Show::Sequences { database: None } => Show::Sequences(planner.current_database()?.id),
        ast::Show::Sequences { database: Some(name) } => {
            Show::Sequences(planner.require_database(name)?.id)
        }
        ast::Show::CreateSequence(name) => Show::CreateSequence(sequence(planner, name)?),
        ast::Show::Jobs { jobs, when_complete } => {
            Show::Jobs { jobs: job::select(planner, jobs)?, when_complete: *when_complete }
        }
        ast::Show::Rejects(id) => Show::Rejects(job::job_id(id)?),
        ast::Show::Users => Show::Users,
        ast::Show::Grants { target, users } => {
            let objects = match target {
                Some(target) => grant::target_objects(planner, target)?,
                None => Vec::new(),
            };
            let users: Result<Vec<String>> =
                users.iter().map(|name| user::require_user(planner, name)).collect();
            Show::Grants { objects, users: users? }
        }
        ast::Show::ClusterSetting(name) => {
            Show::ClusterSetting(setting::require(name)?.name.to_owned())
        }
        ast::Show::AllClusterSettings => Show::AllClusterSettings,
        ast::Show::Variable(name) if name.value == "all" => Show::AllVariables,
        ast::Show::Variable(name) => Show::Variable(variable::require(name)?.name.to_owned()),
    })
}

/// Returns a table that the user may look at.
fn table(planner: &Planner<'_>, name: &ObjectName) -> Result<TableId> {
    let table = planner.require_table(name)?;
    planner.require_any(table, name.span)?;
    Ok(table.id)
}

/// Returns a sequence that the user may look at.
fn sequence(planner: &Planner<'_>, name: &ObjectName) -> Result<TableId> {
    let sequence = planner.require_sequence(name)?;
    planner.require_any_on((sequence.id, &sequence.name), name.span)?;
    Ok(sequence.id)
}

/// Returns the tables of the current database that the user may look at.
fn visible_tables(planner: &Planner<'_>) -> Result<Vec<TableId>> {
    let database = planner.current_database()?;
    let tables = planner.catalog.tables(database.id);
    Ok(tables.into_iter().filter(|table| planner.sees(table)).map(|table| table.id).collect())
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::plan::fixture::{Session, fails, planned};

    fn check(sql: &str, expected: &str) {
        let Plan::Show(show) = planned(sql).plan else { panic!("{sql} is no SHOW") };
        assert_eq!(format!("{show:?}"), expected, "{sql}");
    }

    #[test]
    fn resolves_what_is_shown() {
        check("SHOW DATABASES", "Databases");
        check("SHOW TABLES", "Tables(DatabaseId(1))");
        check("SHOW TABLES FROM shop", "Tables(DatabaseId(2))");
        check("SHOW COLUMNS FROM shop.items", "Columns(TableId(3))");
        check("SHOW INDEXES FROM customers", "Indexes([TableId(1)])");
        check("SHOW CONSTRAINTS FROM orders", "Constraints(TableId(2))");
        check("SHOW CREATE TABLE orders", "CreateTable(TableId(2))");
        check("SHOW JOBS", "Jobs { jobs: All, when_complete: false }");
        check("SHOW JOB 7", "Jobs { jobs: One(7), when_complete: false }");
        check("SHOW JOB WHEN COMPLETE 7", "Jobs { jobs: One(7), when_complete: true }");
        check("SHOW REJECTS FOR JOB 7", "Rejects(7)");
        check("SHOW USERS", "Users");
        check("SHOW GRANTS", "Grants { objects: [], users: [] }");
        check(
            "SHOW GRANTS ON customers FOR alice",
            "Grants { objects: [Table(TableId(1))], users: [\"alice\"] }",
        );
        check("SHOW CLUSTER SETTING gc.ttl", "ClusterSetting(\"gc.ttl\")");
        check("SHOW ALL CLUSTER SETTINGS", "AllClusterSettings");
        check("SHOW timezone", "Variable(\"timezone\")");
        check("SHOW ALL", "AllVariables");
    }

    #[test]
    fn refuses_what_does_not_exist() {
        fails("SHOW TABLES FROM nope", "3D000", "database \"nope\" does not exist");
        fails("SHOW COLUMNS FROM nope", "42P01", "relation \"nope\" does not exist");
        fails("SHOW CLUSTER SETTING gc.tt", "42704", "cluster setting \"gc.tt\" does not exist");
        fails("SHOW nope", "42704", "unrecognized configuration parameter \"nope\"");
        fails("SHOW GRANTS FOR nobody", "42704", "user \"nobody\" does not exist");
    }

    #[test]
    fn shows_a_table_only_to_who_has_a_privilege_on_it() {
        let testuser = Session::default().user("testuser");
        testuser.planned("SHOW COLUMNS FROM customers");
        for what in ["COLUMNS", "INDEXES", "CONSTRAINTS"] {
            testuser.fails(
                &format!("SHOW {what} FROM orders"),
                "42501",
                "user testuser does not have any privilege on relation orders",
            );
        }
        testuser.fails("SHOW CREATE TABLE orders", "42501", "does not have any privilege");
    }
}
