//! BEGIN, COMMIT, ROLLBACK, and which statements a transaction or a read-only database refuses.
//!
//! A transaction takes INSERT and COPY FROM STDIN, whose rows it holds back until it ends.

use super::{Plan, Planner};
use crate::error::{Error, Notice, Result, SqlState};
use crate::syntax::ast::{CopyPlace, JobAction, Statement};

/// Refuses a statement that the session's state does not allow: any but the end of a transaction
/// that has failed; a write to a read-only database or inside a transaction.
///
/// IMPORT and CREATE INDEX check the transaction themselves, later in their own order of checks.
pub(super) fn check_state(planner: &Planner<'_>, statement: &Statement) -> Result {
    let context = planner.context;
    if context.transaction_failed && !matches!(statement, Statement::Commit | Statement::Rollback) {
        return Err(Error::new(
            SqlState::IN_FAILED_SQL_TRANSACTION,
            "current transaction is aborted, commands ignored until end of transaction block",
        )
        .hint("End it with ROLLBACK."));
    }
    let Some(verb) = write_verb(statement) else { return Ok(()) };
    if context.read_only {
        return Err(Error::new(
            SqlState::READ_ONLY_SQL_TRANSACTION,
            format!("cannot execute {verb}: the database is open read-only"),
        ));
    }
    let import = matches!(
        statement,
        Statement::ImportTable(_) | Statement::ImportInto(_) | Statement::ImportDump(_)
    );
    // A job each, which says so itself.
    let job = import || matches!(statement, Statement::CreateIndex(_));
    if context.in_transaction && !job && !adds_rows(statement) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "writes inside a transaction are not supported yet",
        )
        .hint("COMMIT or ROLLBACK first. Outside, each statement is a transaction of its own."));
    }
    Ok(())
}

/// Returns whether a statement adds rows, which its transaction holds back until it ends.
fn adds_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(_) => true,
        Statement::Copy(copy) => copy.from && matches!(copy.place, CopyPlace::Stdin(_)),
        _ => false,
    }
}

/// Returns the first words of a statement that writes to the database.
fn write_verb(statement: &Statement) -> Option<&'static str> {
    Some(match statement {
        Statement::ImportTable(_) | Statement::ImportInto(_) | Statement::ImportDump(_) => "IMPORT",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::DropTable(_) => "DROP TABLE",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::DropIndex(_) => "DROP INDEX",
        Statement::CreateSequence(_) => "CREATE SEQUENCE",
        Statement::AlterSequence(_) => "ALTER SEQUENCE",
        Statement::DropSequence(_) => "DROP SEQUENCE",
        Statement::CreateDatabase { .. } => "CREATE DATABASE",
        Statement::DropDatabase { .. } => "DROP DATABASE",
        Statement::Insert(_) => "INSERT",
        Statement::CreateUser { .. } => "CREATE USER",
        Statement::DropUser { .. } => "DROP USER",
        Statement::Grant(_) => "GRANT",
        Statement::Revoke(_) => "REVOKE",
        Statement::ControlJobs { action, .. } => match action {
            JobAction::Pause => "PAUSE JOB",
            JobAction::Resume => "RESUME JOB",
            JobAction::Cancel => "CANCEL JOB",
        },
        Statement::SetClusterSetting { .. } => "SET CLUSTER SETTING",
        Statement::ResetClusterSetting { .. } => "RESET CLUSTER SETTING",
        Statement::Copy(copy) if copy.from => "COPY FROM",
        Statement::Use { .. }
        | Statement::Copy(_)
        | Statement::Export(_)
        | Statement::Query(_)
        | Statement::Explain { .. }
        | Statement::Begin
        | Statement::Commit
        | Statement::Rollback
        | Statement::SetVariable { .. }
        | Statement::ResetVariable { .. }
        | Statement::Show(_)
        | Statement::Unsupported { .. } => return None,
    })
}

/// Plans BEGIN; inside a transaction it is a warning.
pub(super) fn plan_begin(planner: &mut Planner<'_>) -> Plan {
    if planner.context.in_transaction {
        planner.notice(Notice::warning("there is already a transaction in progress"));
        return Plan::Nothing { tag: "BEGIN" };
    }
    Plan::Begin
}

/// Plans COMMIT; a transaction that has failed is rolled back.
pub(super) fn plan_commit(planner: &mut Planner<'_>) -> Plan {
    if planner.context.transaction_failed {
        return Plan::Rollback;
    }
    end(planner, Plan::Commit, "COMMIT")
}

/// Plans ROLLBACK.
pub(super) fn plan_rollback(planner: &mut Planner<'_>) -> Plan {
    end(planner, Plan::Rollback, "ROLLBACK")
}

fn end(planner: &mut Planner<'_>, plan: Plan, tag: &'static str) -> Plan {
    if planner.context.in_transaction || planner.context.transaction_failed {
        return plan;
    }
    planner.notice(Notice::warning("there is no transaction in progress"));
    Plan::Nothing { tag }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn begins_once() {
        assert!(matches!(planned("BEGIN").plan, Plan::Begin));
        let again = Session::default().in_transaction().planned("BEGIN");
        assert!(matches!(again.plan, Plan::Nothing { tag: "BEGIN" }));
        assert_eq!(again.notices[0].message, "there is already a transaction in progress");
    }

    #[test]
    fn warns_when_there_is_nothing_to_end() {
        for tag in ["COMMIT", "ROLLBACK"] {
            let planned = planned(tag);
            assert!(matches!(planned.plan, Plan::Nothing { .. }));
            assert_eq!(planned.notices[0].message, "there is no transaction in progress");
        }
        let open = Session::default().in_transaction();
        assert!(matches!(open.planned("COMMIT").plan, Plan::Commit));
        assert!(matches!(open.planned("ROLLBACK").plan, Plan::Rollback));
    }

    #[test]
    fn ignores_commands_in_a_failed_transaction() {
        let failed = Session::default().failed();
        failed.fails("SELECT 1", "25P02", "current transaction is aborted, commands ignored");
        failed.fails("BEGIN", "25P02", "until end of transaction block");
        assert!(matches!(failed.planned("COMMIT").plan, Plan::Rollback));
        assert!(matches!(failed.planned("ROLLBACK").plan, Plan::Rollback));
    }

    #[test]
    fn refuses_writes_inside_a_transaction() {
        let open = Session::default().in_transaction();
        for sql in [
            "CREATE TABLE x (a INT)",
            "DROP TABLE customers",
            "COPY customers FROM 'x.csv'",
            "CREATE USER u",
            "GRANT SELECT ON customers TO alice",
            "SET CLUSTER SETTING gc.ttl = 1",
        ] {
            open.fails(sql, "0A000", "writes inside a transaction are not supported yet");
        }
        open.planned("INSERT INTO customers (id, name) VALUES (1, 'x')");
        open.planned("COPY customers FROM STDIN");
        open.planned("SELECT * FROM customers");
        open.planned("SET application_name = 'x'");
    }

    #[test]
    fn refuses_writes_to_a_read_only_database() {
        let session = Session::default().read_only();
        session.fails(
            "CREATE TABLE x (a INT)",
            "25006",
            "cannot execute CREATE TABLE: the database is open read-only",
        );
        session.planned("SELECT * FROM customers");
    }

    #[test]
    fn refuses_statements_of_later_versions() {
        fails("ALTER TABLE customers ADD COLUMN x INT", "0A000", "ALTER TABLE is not supported");
    }
}
