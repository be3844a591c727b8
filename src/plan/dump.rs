//! IMPORT PGDUMP and MYSQLDUMP: who may, the options, the places; and the tables that a dump defines.
//!
//! Order of checks:
//!
//! 1. the state of the session: no failed transaction, not read-only (`transaction::check_state`)
//! 2. the flag `feature.import.enabled`
//! 3. the user is root
//! 4. no transaction is open
//! 5. option keys: known, once each, with a value if they take one
//! 6. the database, and the name of the one table if there is one
//! 7. option values, in the order of the table of options
//! 8. there is one file
//! 9. the form of every URL
//! 10. the one table does not exist yet
//!
//! What the dump holds is read by the job, which describes its tables with `describe_dumped`.

use super::create_table::describe;
use super::import::{
    check_feature, check_transaction, default_temp, described_files, described_options, full_name,
};
use super::option::location;
use super::resolve::relation_exists;
use super::{Decompress, Plan, PlanContext, Planner, option_dump};
use crate::catalog::{Catalog, DatabaseId, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::record::DumpFlavor;
use crate::source::redact;
use crate::syntax;
use crate::syntax::ast::{self, Ident, Statement, TableElement, Value};

/// Tables to make from a dump.
#[derive(Clone, Debug)]
pub struct ImportDump {
    /// Which program wrote the dump.
    pub flavor: DumpFlavor,
    /// The database that the tables go to.
    pub database: DatabaseId,
    /// Its name.
    pub database_name: String,
    /// The one table to take, if not all.
    pub table: Option<String>,
    /// The dump, as a URL or path.
    pub file: String,
    /// Where temporary files go; in the database directory if nothing is said.
    pub temp: Option<String>,
    /// How the dump is compressed.
    pub decompress: Decompress,
    /// Leave foreign keys out.
    pub skip_foreign_keys: bool,
    /// The most rows to take of each table.
    pub row_limit: Option<u64>,
    /// The most bytes that a row or statement may have.
    pub max_row_size: Option<u64>,
    /// Pass over statements that cannot be done.
    pub ignore_unsupported: bool,
    /// The directory for logs of statements that were passed over.
    pub log_ignored: Option<String>,
    /// The statement, printed canonically with secrets redacted: for the job record.
    pub description: String,
}

impl ImportDump {
    /// Returns the word for the kind of dump.
    pub fn word(&self) -> &'static str {
        word(self.flavor)
    }
}

fn word(flavor: DumpFlavor) -> &'static str {
    match flavor {
        DumpFlavor::Postgres => "PGDUMP",
        DumpFlavor::MySql => "MYSQLDUMP",
    }
}

/// Plans the import of a dump.
pub(super) fn plan_import_dump(
    planner: &mut Planner<'_>,
    import: &ast::ImportDump,
) -> Result<Plan> {
    check_feature(planner)?;
    planner.require_root("IMPORT")?;
    check_transaction(planner, &[])?;
    let flavor = match import.bundle.value.as_str() {
        "MYSQLDUMP" => DumpFlavor::MySql,
        _ => DumpFlavor::Postgres,
    };
    option_dump::check_keys(&import.options, word(flavor))?;
    let (database, table) = match &import.table {
        Some(name) => {
            let target = planner.resolve(name)?;
            (target.database, Some(target.name.value.clone()))
        }
        None => (planner.current_database()?, None),
    };
    let mut plan = ImportDump {
        flavor,
        database: database.id,
        database_name: database.name.clone(),
        table,
        file: String::new(),
        temp: default_temp(planner),
        decompress: Decompress::Auto,
        skip_foreign_keys: false,
        row_limit: None,
        max_row_size: None,
        ignore_unsupported: false,
        log_ignored: None,
        description: description(planner, import, &database.name),
    };
    option_dump::read(&import.options, &mut plan)?;
    plan.file.clone_from(&one_file(&import.files)?.text);
    if let (Some(name), Some(written)) = (&plan.table, &import.table)
        && planner.catalog.is_relation(database.id, name)
    {
        let hint = format!("IMPORT {} makes new tables. Drop this one first.", plan.word());
        return Err(relation_exists(name, written.span).hint(hint));
    }
    Ok(Plan::ImportDump(Box::new(plan)))
}

/// Returns the dump, which is one file (spec/import.md E54).
fn one_file(files: &[Value]) -> Result<&Value> {
    let (Some(file), []) = (files.first(), files.get(1..).unwrap_or_default()) else {
        let error = Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "SQL dump files must be imported individually",
        );
        return Err(match files.get(1) {
            Some(second) => error.at(second.span),
            None => error,
        });
    };
    location(file)?;
    Ok(file)
}

/// Prints the statement for the job record.
fn description(planner: &Planner<'_>, import: &ast::ImportDump, database: &str) -> String {
    let absolute = planner.context.absolute;
    let mut options = described_options(&import.options, absolute);
    for pair in &mut options {
        if let Some(value) = &mut pair.value
            && pair.key.value == "log_ignored_statements"
        {
            value.text = (absolute.0)(&value.text);
        }
    }
    let table = import.table.as_ref().and_then(|name| name.parts.last());
    let statement = Statement::ImportDump(ast::ImportDump {
        table: table.map(|table| full_name(database, &table.value)),
        bundle: import.bundle.clone(),
        files: described_files(&import.files, absolute),
        options,
    });
    syntax::print(&statement, &redact)
}

/// Returns the descriptor of a table that a dump defines, as CREATE TABLE would make it: its own id is
/// 0, and so is the table that a foreign key to itself references.
pub fn describe_dumped(
    catalog: &dyn Catalog,
    context: &PlanContext<'_>,
    (database, name): (DatabaseId, &str),
    elements: &[TableElement],
) -> Result<TableDescriptor> {
    let planner = Planner { catalog, context, notices: Vec::new() };
    let name = Ident { value: name.to_owned(), span: crate::error::Span::default() };
    describe(&planner, database, &name, elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::Session;

    fn dump(sql: &str) -> ImportDump {
        match Session::default().planned(sql).plan {
            Plan::ImportDump(import) => *import,
            other => panic!("{other:?}"),
        }
    }

    fn fails(with: &str, code: &str, message: &str) {
        let sql = format!("IMPORT PGDUMP 'd.sql' WITH {with}");
        Session::default().fails(&sql, code, message);
    }

    #[test]
    fn plans_a_dump_and_its_options() {
        let import = dump("IMPORT PGDUMP ('d.sql') WITH row_limit = '3', SKIP_FOREIGN_KEYS");
        assert_eq!((import.flavor, import.file.as_str()), (DumpFlavor::Postgres, "d.sql"));
        assert_eq!((import.table, import.row_limit), (None, Some(3)));
        assert!(import.skip_foreign_keys && !import.ignore_unsupported);
        assert_eq!(
            import.description,
            "IMPORT PGDUMP 'd.sql' WITH row_limit = '3', skip_foreign_keys"
        );
        let import = dump(
            "IMPORT TABLE shop.t FROM MYSQLDUMP 'd.gz' WITH log_ignored_statements = 'logs', \
             ignore_unsupported_statements, max_row_size = '1KB', temp = 'tmp'",
        );
        assert_eq!((import.flavor, import.database), (DumpFlavor::MySql, DatabaseId(2)));
        assert_eq!(import.table.as_deref(), Some("t"));
        assert_eq!(import.max_row_size, Some(1000));
        assert_eq!(import.log_ignored.as_deref(), Some("logs"));
        assert_eq!(import.temp.as_deref(), Some("tmp"));
    }

    #[test]
    fn refuses_wrong_options() {
        fails("foo", "42601", "invalid option \"foo\"");
        fails("delimiter = ','", "42601", "invalid option \"delimiter\" specified for PGDUMP");
        fails("row_limit = '0'", "22023", "row_limit must be > 0");
        fails("row_limit", "42601", "option \"row_limit\" requires a value");
        fails("skip_foreign_keys = 'x'", "42601", "does not take a value");
        fails("temp = 'a', temp = 'b'", "42601", "option \"temp\" given twice");
        fails("max_row_size = 'big'", "22023", "invalid max_row_size value: \"big\"");
        fails("max_row_size = '10GB'", "22023", "max_row_size out of range: 10000000000");
        fails("temp = $1", "42P02", "there is no parameter $1");
        fails(
            "log_ignored_statements = 'x'",
            "42601",
            "cannot log unsupported PGDUMP stmts without `ignore_unsupported_statements` option",
        );
    }

    #[test]
    fn refuses_what_no_dump_can_do() {
        let session = Session::default();
        session.fails("IMPORT PGDUMP ('a', 'b')", "0A000", "SQL dump files must be imported");
        session.fails("IMPORT PGDUMP 'ftp://h/d'", "22023", "unsupported storage scheme");
        session.fails("IMPORT TABLE customers FROM PGDUMP 'd'", "42P07", "already exists");
        let alice = Session::default().user("alice");
        alice.fails("IMPORT PGDUMP 'd'", "42501", "only root is allowed to IMPORT");
        let open = Session::default().in_transaction();
        open.fails("IMPORT PGDUMP 'd'", "25001", "IMPORT cannot be used inside a transaction");
    }
}
