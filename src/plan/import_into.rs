//! IMPORT INTO: who may, the columns, the options, the places.
//!
//! Order of checks:
//!
//! 1. the state of the session: no failed transaction, not read-only (`transaction::check_state`)
//! 2. the flag `feature.import.enabled`
//! 3. no transaction is open
//! 4. option keys: known, once each, with a value if they take one
//! 5. the format, and that it takes the options
//! 6. the table exists
//! 7. the user has INSERT, then DROP on it
//! 8. the listed columns, then the columns that are left out
//! 9. option values, in the order of the table of options, and that they fit the table
//! 10. the form of every URL, then whether the user may use it

use std::collections::BTreeSet;

use super::import::{
    check_feature, check_transaction, described_files, described_options, find_format, full_name,
    temporary_location,
};
use super::option::{self, ImportKind, Options};
use super::suggestion::did_you_mean;
use super::{Absolute, Header, Import, ImportInto, ImportMode, ImportTarget, Plan, Planner};
use crate::catalog::{ColumnDescriptor, ColumnId, Privilege, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::source::{Location, redact};
use crate::syntax;
use crate::syntax::ast::{self, Ident, ObjectName, Statement, Value};

/// Plans an IMPORT INTO.
pub(super) fn plan_import_into(
    planner: &mut Planner<'_>,
    import: &ast::ImportInto,
) -> Result<Plan> {
    check_feature(planner)?;
    check_transaction(planner, &import.options)?;
    let given = option::check_keys(&import.options, ImportKind::Into)?;
    let format = find_format(&import.format)?;
    given.check_format(format)?;
    let table = require_table(planner, &import.table)?;
    planner.require_on_table(Privilege::Insert, table, import.table.span)?;
    planner.require_on_table(Privilege::Drop, table, import.table.span)?;
    let columns = target_columns(table, &import.columns)?;
    let options = given.read(format)?;
    check_columns(table, columns.as_deref(), &options)?;
    check_mode(table, import, options.mode)?;
    check_places(planner, import, &options)?;
    let description = description(planner, import, table);
    let temp = temporary_location(planner, &options);
    for notice in options.notices {
        planner.notice(notice);
    }
    Ok(Plan::Import(Box::new(Import {
        target: ImportTarget::Into(ImportInto {
            table: table.clone(),
            columns,
            mode: options.mode,
        }),
        files: import.files.iter().map(|file| file.text.clone()).collect(),
        temp,
        format: options.format,
        tolerance: options.tolerance,
        description,
        detached: options.detached,
    })))
}

/// Returns the table; a system schema is refused in CockroachDB's words (spec/import.md E50).
fn require_table<'a>(planner: &Planner<'a>, name: &ObjectName) -> Result<&'a TableDescriptor> {
    planner.require_table(name).map_err(|error| {
        let schema = &name.parts[name.parts.len().saturating_sub(2)].value;
        let system = matches!(schema.as_str(), "pg_catalog" | "information_schema");
        match error.code() {
            SqlState::INVALID_SCHEMA_NAME if system => Error::new(
                SqlState::INVALID_SCHEMA_NAME,
                format!("cannot import into schema \"{schema}\""),
            )
            .at(name.span)
            .hint("Import into a table of your own."),
            _ => error,
        }
    })
}

/// Returns the listed columns: each exists, stands there once and is not computed.
fn target_columns(table: &TableDescriptor, names: &[Ident]) -> Result<Option<Vec<ColumnId>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = table.column(&name.value) else {
            let error = Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("verifying target columns: column \"{}\" does not exist", name.value),
            );
            let known = table.columns.iter().map(|column| column.name.as_str());
            return Err(did_you_mean(error.at(name.span), &name.value, known));
        };
        if columns.contains(&column.id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", name.value),
            )
            .at(name.span));
        }
        if column.computed.is_some() {
            return Err(Error::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("cannot write directly to computed column \"{}\"", column.name),
            )
            .at(name.span)
            .hint("Leave it out: it is computed from the other columns."));
        }
        columns.push(column.id);
    }
    Ok(Some(columns))
}

/// Requires the columns that are not listed to get a value. Which columns a file lacks whose header
/// names them is known when the file is opened.
fn check_columns(
    table: &TableDescriptor,
    listed: Option<&[ColumnId]>,
    options: &Options,
) -> Result {
    let Some(listed) = listed else { return Ok(()) };
    if options.format.header() == Header::Match {
        return Ok(());
    }
    let listed: BTreeSet<ColumnId> = listed.iter().copied().collect();
    require_values(table, |column| listed.contains(&column.id))
}

/// Fails for the first column that is not `given` and has no value else (spec/import.md E37).
pub fn require_values(
    table: &TableDescriptor,
    given: impl Fn(&ColumnDescriptor) -> bool,
) -> Result {
    let missing = table.columns.iter().find(|column| {
        !given(column) && !column.nullable && column.default.is_none() && column.computed.is_none()
    });
    let Some(column) = missing else { return Ok(()) };
    Err(Error::new(
        SqlState::NOT_NULL_VIOLATION,
        format!(
            "all non-target columns in IMPORT INTO must be nullable or have default expressions, or \
             have computed expressions but violated by column \"{}\"",
            column.name
        ),
    )
    .hint("Give the column a value in the files, or a DEFAULT."))
}

/// Requires a primary key where rows are told by it.
fn check_mode(table: &TableDescriptor, import: &ast::ImportInto, mode: ImportMode) -> Result {
    let name = match mode {
        ImportMode::Insert | ImportMode::Replace => return Ok(()),
        ImportMode::Upsert => "upsert",
        ImportMode::Skip => "skip",
    };
    if table.primary_key.is_some() {
        return Ok(());
    }
    let option = import.options.iter().find(|option| option.key.value == "mode");
    let error = Error::new(
        SqlState::INVALID_COLUMN_REFERENCE,
        format!("mode = '{name}' needs a primary key, which table \"{}\" lacks", table.name),
    )
    .hint("Use 'insert' or 'replace'.");
    Err(match option.and_then(|option| option.value.as_ref()) {
        Some(value) => error.at(value.span),
        None => error,
    })
}

/// Checks the form of every URL, and whether the user may use it.
fn check_places(planner: &Planner<'_>, import: &ast::ImportInto, options: &Options) -> Result {
    let temp = options.temp.as_ref().filter(|temp| !temp.text.is_empty());
    let options = temp.into_iter().chain(&options.schema_uri).chain(&options.reject);
    let places = || options.clone().chain(&import.files);
    places().try_for_each(option::location)?;
    if planner.is_root() {
        return Ok(());
    }
    places().try_for_each(require_open_to_all)
}

/// Refuses a place that only root may use: any but a cloud's whose credentials are in the URL
/// (spec/import.md section 4, "Who", case 90).
fn require_open_to_all(value: &Value) -> Result {
    let location = Location::parse(&value.text)?;
    if location.is_explicit() {
        return Ok(());
    }
    let scheme = match location {
        Location::Local(_) => "local",
        Location::Nodelocal(_) => "nodelocal",
        _ => value.text.split(':').next().unwrap_or_default(),
    };
    Err(Error::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!(
            "only users with the admin role are allowed to IMPORT from the specified {scheme} URI"
        ),
    )
    .at(value.span)
    .hint("Run it as root. Other users may import from URLs of clouds that hold their credentials and \
           name no endpoint."))
}

/// Prints the statement for the job record: the table's full name, options sorted by key, places
/// absolute, secrets redacted.
fn description(planner: &Planner<'_>, import: &ast::ImportInto, table: &TableDescriptor) -> String {
    let absolute: Absolute<'_> = planner.context.absolute;
    let database = planner.catalog.database_by_id(table.database);
    let statement = Statement::ImportInto(ast::ImportInto {
        table: full_name(database.map_or("", |database| &database.name), &table.name),
        columns: import.columns.clone(),
        format: import.format.clone(),
        files: described_files(&import.files, absolute),
        options: described_options(&import.options, absolute),
    });
    syntax::print(&statement, &redact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails};

    fn planned(sql: &str) -> (Import, ImportInto) {
        let Plan::Import(import) = Session::default().planned(sql).plan else { panic!("{sql}") };
        let ImportTarget::Into(into) = import.target.clone() else { panic!("{sql}") };
        (*import, into)
    }

    #[test]
    fn plans_columns_mode_and_description() {
        let (import, into) = planned(
            "IMPORT INTO customers (name, id) CSV DATA ('f.csv?AWS_SECRET_ACCESS_KEY=abc') \
             WITH skip = '1', mode = 'Upsert', allow_quoted_null",
        );
        assert_eq!(into.columns, Some(vec![ColumnId(2), ColumnId(1)]));
        assert_eq!((into.mode, import.temp.as_deref()), (ImportMode::Upsert, None));
        assert!(import.format.allows_quoted_null());
        assert_eq!(
            import.description,
            "IMPORT INTO defaultdb.public.customers(name, id) CSV DATA \
             ('f.csv?AWS_SECRET_ACCESS_KEY=redacted') WITH allow_quoted_null, mode = 'Upsert', \
             skip = '1'"
        );
        let (import, into) = planned("IMPORT INTO orders CSV DATA ('a', 'b') WITH temp = 'tmp'");
        assert_eq!((into.columns, into.mode), (None, ImportMode::Insert));
        assert_eq!((import.temp.as_deref(), import.files.len()), (Some("tmp"), 2));
    }

    /// Each statement has the mistake of its line and of every line below it.
    #[test]
    fn checks_in_order() {
        let all = "IMPORT INTO nope (nope) NOPE DATA ('ftp://h/f') WITH foo, mode = 'x'";
        let keyed = all.replace("foo, ", "");
        let formatted = keyed.replace("NOPE DATA", "CSV DATA");
        let named = formatted.replace("INTO nope", "INTO customers");
        let listed = named.replace("(nope)", "(id)");
        let complete = listed.replace("(id)", "(id, name)");
        let valued = complete.replace("'x'", "'skip'");
        let session = || Session::default().setting("feature.import.enabled", "false");
        let flag = "feature IMPORT was disabled by the database administrator";
        session().in_transaction().fails(all, "57000", flag);
        let open = Session::default().in_transaction();
        open.fails(all, "25001", "IMPORT cannot be used inside a transaction");
        fails(all, "42601", "invalid option \"foo\"");
        fails(&keyed, "0A000", "unsupported import format: \"NOPE\"");
        fails(&formatted, "42P01", "relation \"nope\" does not exist");
        let alice = || Session::default().user("alice");
        let user = Session::default().user("testuser");
        user.fails(
            &named,
            "42501",
            "user testuser does not have INSERT privilege on relation customers",
        );
        alice().fails(
            &named,
            "42501",
            "user alice does not have DROP privilege on relation customers",
        );
        fails(&named, "42703", "verifying target columns: column \"nope\" does not exist");
        fails(&complete, "22023", "invalid mode value: \"x\"");
        fails(&listed.replace("'x'", "'skip'"), "23502", "violated by column \"name\"");
        fails(&valued, "22023", "unsupported storage scheme: \"ftp\"");
    }

    #[test]
    fn refuses_wrong_columns_and_tables() {
        fails(
            "IMPORT INTO orders (id, tax) CSV DATA ('f')",
            "42P10",
            "cannot write directly to computed column \"tax\"",
        );
        let twice = "column \"id\" specified more than once";
        fails("IMPORT INTO orders (id, id) CSV DATA ('f')", "42701", twice);
        let system = "cannot import into schema \"pg_catalog\"";
        fails("IMPORT INTO pg_catalog.pg_class CSV DATA ('f')", "3F000", system);
    }

    #[test]
    fn refuses_options_of_the_other_statement() {
        let table = "IMPORT TABLE t (a INT8) CSV DATA ('f') WITH temp = 'tmp', mode = 'skip'";
        let error = Session::importing().fails(table, "42601", "invalid option \"mode\"");
        assert_eq!(error.hint_text(), Some("mode is an option of IMPORT INTO."));
    }
}
