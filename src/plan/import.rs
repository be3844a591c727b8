//! IMPORT TABLE: who may, the options, the places, and the table that the rows go to.
//!
//! Order of checks (CockroachDB 1.1's, with the checks of later versions where they belong):
//!
//! 1. the state of the session: no failed transaction, not read-only (`transaction::check_state`)
//! 2. the flag `feature.import.enabled`, then the gate, `experimental.importcsv.enabled`
//! 3. the user is root
//! 4. no transaction is open, unless the import is detached
//! 5. option keys: known, once each, with a value if they take one
//! 6. the format, and that it takes the options
//! 7. the table's name, up to its database
//! 8. option values, in the order of the table of options
//! 9. a temporary location is given, here or by `import.default_temp`
//! 10. the form of every URL
//! 11. the table's definition: inline, or the file of CREATE USING, its statement and its name
//! 12. the rules of CREATE TABLE
//! 13. the table does not exist yet

use std::sync::Arc;

use super::create_table::describe;
use super::option::{self, ImportKind, Options};
use super::resolve::{Target, relation_exists, written};
use super::{FormatName, Import, ImportTarget, Plan, Planner, cluster_setting};
use crate::catalog::{PUBLIC_SCHEMA, TableDescriptor};
use crate::error::{Error, Result, Span, SqlState};
use crate::plan::Absolute;
use crate::source::redact;
use crate::syntax::ast::{
    self, Ident, ImportSchema, ImportTable, ObjectName, OptionPair, Statement, TableElement, Value,
    ValueKind,
};
use crate::syntax::{self, PieceKind};

/// The cluster setting that allows IMPORT TABLE.
const GATE: &str = "experimental.importcsv.enabled";

/// The cluster setting that names a temporary location.
const DEFAULT_TEMP: &str = "import.default_temp";

/// The cluster setting that allows imports at all.
const FEATURE: &str = "feature.import.enabled";

/// Plans an IMPORT TABLE.
pub(super) fn plan_import(planner: &mut Planner<'_>, import: &ImportTable) -> Result<Plan> {
    check_feature(planner)?;
    check_gate(planner)?;
    planner.require_root("IMPORT")?;
    check_transaction(planner, &import.options)?;
    let given = option::check_keys(&import.options, ImportKind::Table)?;
    let format = find_format(&import.format)?;
    given.check_format(format)?;
    let target = resolve_target(planner, &import.table)?;
    let options = given.read(format)?;
    let temp = temporary_location(planner, &options).ok_or_else(|| no_temp(&options))?;
    check_places(import, &options)?;
    let (table, elements) = match &import.schema {
        ImportSchema::Elements(elements) => {
            let table = describe(planner, target.database.id, target.name, elements)?;
            (table, elements.clone())
        }
        ImportSchema::File(url) => match planner.context.file {
            None => return Ok(Plan::NeedsFile(url.text.clone())),
            Some(text) => {
                let file = SchemaFile { url: &url.text, text };
                file.describe(planner, &import.table, &target)?
            }
        },
    };
    if planner.catalog.is_relation(target.database.id, &target.name.value) {
        let error = relation_exists(&target.name.value, import.table.span);
        return Err(error.hint("IMPORT TABLE makes a new table. Drop this one first."));
    }
    let description = description(import, &target, elements, planner.context.absolute);
    for notice in options.notices {
        planner.notice(notice);
    }
    Ok(Plan::Import(Box::new(Import {
        target: ImportTarget::New(table),
        files: import.files.iter().map(|file| file.text.clone()).collect(),
        temp: Some(temp),
        format: options.format,
        tolerance: options.tolerance,
        description,
        detached: options.detached,
    })))
}

/// Refuses an import where the administrator has switched them off (spec/import.md E44).
pub(super) fn check_feature(planner: &Planner<'_>) -> Result {
    if cluster_setting(planner.catalog, FEATURE) == Some("true") {
        return Ok(());
    }
    Err(Error::new(
        SqlState::OPERATOR_INTERVENTION,
        "feature IMPORT was disabled by the database administrator",
    )
    .hint(format!("Run, as root: SET CLUSTER SETTING {FEATURE} = true;")))
}

fn check_gate(planner: &Planner<'_>) -> Result {
    if cluster_setting(planner.catalog, GATE) == Some("true") {
        return Ok(());
    }
    Err(Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "IMPORT is an experimental feature and is disabled by default; enable by executing: \
             SET CLUSTER SETTING {GATE} = true"
        ),
    )
    .hint(format!("Run, as root: SET CLUSTER SETTING {GATE} = true;")))
}

/// Refuses an import inside a transaction, unless it is a detached one, which begins at its end.
pub(super) fn check_transaction(planner: &Planner<'_>, options: &[OptionPair]) -> Result {
    let detached = options.iter().any(|option| option.key.value == "detached");
    if !planner.context.in_transaction || detached {
        return Ok(());
    }
    Err(Error::new(SqlState::ACTIVE_SQL_TRANSACTION, "IMPORT cannot be used inside a transaction")
        .hint("COMMIT or ROLLBACK first."))
}

/// Returns the format that a statement names.
pub(super) fn find_format(format: &Ident) -> Result<FormatName> {
    if matches!(format.value.as_str(), "PGDUMP" | "MYSQLDUMP") {
        let word = &format.value;
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("{word} file format is currently unsupported by IMPORT INTO"),
        )
        .at(format.span)
        .hint(format!("IMPORT {word} 'url' makes the tables of a dump.")));
    }
    let known = || FormatName::ALL.iter().map(|(word, _)| *word);
    FormatName::parse(&format.value).ok_or_else(|| {
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported import format: \"{}\"", format.value),
        )
        .at(format.span)
        .hint(format!("The formats are {}.", known().collect::<Vec<_>>().join(", ")))
    })
}

/// Resolves the table's name; a missing database is told in CockroachDB's words.
fn resolve_target<'a, 'n>(planner: &Planner<'a>, name: &'n ObjectName) -> Result<Target<'a, 'n>> {
    planner.resolve(name).map_err(|error| {
        if error.code() != SqlState::INVALID_CATALOG_NAME {
            return error;
        }
        error
            .map_message(|_| format!("database does not exist: \"{}\"", written(name)))
            .at(name.span)
    })
}

/// Returns where temporary files go, if the statement or the cluster setting says so.
pub(super) fn temporary_location(planner: &Planner<'_>, options: &Options) -> Option<String> {
    let given = options.temp.as_ref().map(|temp| temp.text.clone());
    given.or_else(|| default_temp(planner)).filter(|temp| !temp.is_empty())
}

/// Returns where temporary files go if the statement does not say, and the cluster setting does.
pub(super) fn default_temp(planner: &Planner<'_>) -> Option<String> {
    let default = cluster_setting(planner.catalog, DEFAULT_TEMP);
    default.filter(|temp| !temp.is_empty()).map(str::to_owned)
}

fn no_temp(options: &Options) -> Error {
    let error =
        Error::new(SqlState::INVALID_PARAMETER_VALUE, "must provide a temporary storage location")
            .hint(format!(
                "Add WITH temp = 'url' to the statement, or set the cluster setting {DEFAULT_TEMP}."
            ));
    match &options.temp {
        Some(temp) => error.at(temp.span),
        None => error,
    }
}

/// Checks the form of every URL of the statement.
fn check_places(import: &ImportTable, options: &Options) -> Result {
    if let Some(temp) = &options.temp {
        option::location(temp)?;
    }
    options.schema_uri.iter().chain(&options.reject).try_for_each(option::location)?;
    if let ImportSchema::File(url) = &import.schema {
        option::location(url)?;
    }
    import.files.iter().try_for_each(option::location)
}

/// The file of CREATE USING.
struct SchemaFile<'f> {
    /// Its URL.
    url: &'f str,
    /// What it holds.
    text: &'f str,
}

impl SchemaFile<'_> {
    /// Returns the table that the file's statement describes, and its elements.
    fn describe(
        &self,
        planner: &Planner<'_>,
        name: &ObjectName,
        target: &Target<'_, '_>,
    ) -> Result<(TableDescriptor, Vec<TableElement>)> {
        let text: Arc<str> = self.statement()?.into();
        let inner = || {
            let Statement::CreateTable(create) = syntax::parse(&text)? else {
                return Err(no_create_table().at(Span::new(0, text.len())));
            };
            check_create(&create)?;
            check_name(planner, name, target, &create.name)?;
            let table = describe(planner, target.database.id, target.name, &create.elements)?;
            Ok((table, create.elements))
        };
        inner().map_err(|error| self.locate(error).with_text(&text))
    }

    /// Returns the file's one statement.
    fn statement(&self) -> Result<&str> {
        let text = self.text.trim_start_matches('\u{feff}');
        let pieces = syntax::split(text);
        match pieces.as_slice() {
            [piece] if piece.kind != PieceKind::Command => Ok(piece.text),
            [] => Err(self.locate(no_create_table()).hint("The file holds no statement.")),
            pieces => Err(self
                .locate(no_create_table())
                .hint(format!("The file must hold one statement; it holds {}.", pieces.len()))),
        }
    }

    /// Says which file the error is about.
    fn locate(&self, error: Error) -> Error {
        let place = format!("The file of CREATE USING is \"{}\".", redact(self.url));
        match error.detail_text() {
            Some(detail) => {
                let detail = format!("{detail}\n{place}");
                error.detail(detail)
            }
            None => error.detail(place),
        }
    }
}

/// Requires the file's statement to be about the table to import, in the same database if it
/// names one.
fn check_name(
    planner: &Planner<'_>,
    name: &ObjectName,
    target: &Target<'_, '_>,
    described: &ObjectName,
) -> Result {
    let same = described.parts.last().is_some_and(|part| part.value == target.name.value)
        && (described.parts.len() == 1
            || planner
                .resolve(described)
                .is_ok_and(|other| other.database.id == target.database.id));
    if same {
        return Ok(());
    }
    Err(Error::new(
        SqlState::INVALID_TABLE_DEFINITION,
        format!(
            "importing table {}, but file specifies a schema for table {}",
            written(name),
            written(described)
        ),
    )
    .at(described.span))
}

fn no_create_table() -> Error {
    Error::new(SqlState::SYNTAX_ERROR, "expected CREATE TABLE statement in table file")
}

/// Refuses forms of CREATE TABLE that say nothing about a table's definition.
fn check_create(create: &ast::CreateTable) -> Result {
    let refused =
        |message: &str| Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(create.name.span);
    if create.if_not_exists {
        return Err(refused("unsupported IF NOT EXISTS"));
    }
    if create.query.is_some() {
        return Err(refused("CREATE AS not supported"));
    }
    Ok(())
}

/// Prints the statement for the job record: the table's full name, its elements inlined, options
/// sorted by key, places absolute, secrets redacted.
fn description(
    import: &ImportTable,
    target: &Target<'_, '_>,
    elements: Vec<TableElement>,
    absolute: Absolute<'_>,
) -> String {
    let statement = Statement::ImportTable(ImportTable {
        table: full_name(&target.database.name, &target.name.value),
        schema: ImportSchema::Elements(elements),
        format: import.format.clone(),
        files: described_files(&import.files, absolute),
        options: described_options(&import.options, absolute),
    });
    syntax::print(&statement, &redact)
}

/// Returns a table's name with database and schema.
pub(super) fn full_name(database: &str, table: &str) -> ObjectName {
    let part = |value: &str| Ident { value: value.to_owned(), span: Span::default() };
    ObjectName {
        parts: vec![part(database), part(PUBLIC_SCHEMA), part(table)],
        span: Span::default(),
    }
}

/// Returns files as the job record names them: absolute.
pub(super) fn described_files(files: &[Value], absolute: Absolute<'_>) -> Vec<Value> {
    let url = |value: &Value| Value {
        text: (absolute.0)(&value.text),
        kind: ValueKind::String,
        span: value.span,
    };
    files.iter().map(url).collect()
}

/// Returns options as the job record shows them: sorted by key, places absolute.
pub(super) fn described_options(options: &[OptionPair], absolute: Absolute<'_>) -> Vec<OptionPair> {
    let mut options = options.to_vec();
    options.sort_by(|one, other| one.key.value.cmp(&other.key.value));
    for option in &mut options {
        if let Some(value) = &mut option.value {
            value.kind = ValueKind::String;
            if matches!(option.key.value.as_str(), "temp" | "schema_uri" | "reject") {
                value.text = (absolute.0)(&value.text);
            }
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FormatKind;
    use crate::plan::fixture::{IMPORT, Session, import_fails, import_with};

    /// Plans an IMPORT with a schema file that holds `text`.
    fn with_file(text: &str) -> Result<Plan> {
        let sql = "IMPORT TABLE t CREATE USING 'table.sql' CSV DATA ('f.csv') WITH temp = 'tmp'";
        Session::importing().file(text).plan(sql).map(|planned| planned.plan)
    }

    fn file_fails(text: &str, code: &str, message: &str) -> Error {
        let error = with_file(text).expect_err(text);
        assert!(error.message().contains(message), "{}", error.message());
        assert_eq!(error.code().as_str(), code, "{error}");
        assert!(error.detail_text().is_some_and(|detail| detail.contains("\"table.sql\"")));
        error
    }

    #[test]
    fn plans_the_table_files_and_options() {
        let import = import_with("delimiter = '|'");
        assert_eq!(import.table().name, "t");
        assert_eq!(import.files, ["f.csv"]);
        assert_eq!(import.temp.as_deref(), Some("tmp"));
        let FormatKind::Csv(csv) = &import.format.kind else { panic!("no CSV") };
        assert_eq!(csv.delimiter, '|'.into());
        assert_eq!(import.format.nullif, None);
    }

    #[test]
    fn describes_itself_with_sorted_options_and_without_secrets() {
        let sql = "IMPORT TABLE t (id INT8 PRIMARY KEY) CSV DATA ('f.csv?AWS_SECRET_ACCESS_KEY=abc') \
                   WITH temp = 'tmp', delimiter = '|', comment = '#'";
        let Plan::Import(import) = Session::importing().planned(sql).plan else { panic!() };
        assert_eq!(
            import.description,
            "IMPORT TABLE defaultdb.public.t (id INT8 PRIMARY KEY) CSV DATA \
             ('f.csv?AWS_SECRET_ACCESS_KEY=redacted') WITH comment = '#', delimiter = '|', \
             temp = 'tmp'"
        );
    }

    #[test]
    fn takes_temp_from_the_setting() {
        let sql = format!("{IMPORT} WITH skip = '1'");
        let session = Session::importing();
        session.fails(&sql, "22023", "must provide a temporary storage location");
        session.fails(IMPORT, "22023", "must provide a temporary storage location");
        let session = session.setting(DEFAULT_TEMP, "nodelocal:///tmp");
        let Plan::Import(import) = session.planned(&sql).plan else { panic!("import") };
        assert_eq!(import.temp.as_deref(), Some("nodelocal:///tmp"));
        import_fails("temp = ''", "22023", "must provide a temporary storage location");
    }

    /// Each statement has the mistake of its line and of every line below it.
    #[test]
    fn checks_in_order() {
        let all =
            "IMPORT TABLE nope.customers (a NOTYPE) NOPE DATA ('ftp://h/f') WITH foo, skip = 'x'";
        let keyed = all.replace("foo, ", "");
        let formatted = keyed.replace("NOPE DATA", "CSV DATA");
        let named = formatted.replace("nope.customers", "customers");
        let valued = named.replace("'x'", "'1'");
        let tempted = valued.replace("skip = '1'", "temp = 'ftp://h/t'");
        let local_temp = tempted.replace("ftp://h/t", "tmp");
        let placed = local_temp.replace("ftp://h/f", "f.csv");
        let typed = placed.replace("NOTYPE", "INT8");
        let open = || Session::default().in_transaction();
        let gate = "IMPORT is an experimental feature and is disabled by default; enable by \
                    executing: SET CLUSTER SETTING experimental.importcsv.enabled = true";
        open().user("alice").read_only().failed().fails(all, "25P02", "transaction is aborted");
        open().user("alice").read_only().fails(all, "25006", "the database is open read-only");
        open().user("alice").fails(all, "55000", gate);
        let importing = || Session::importing().in_transaction();
        importing().user("alice").fails(all, "42501", "only root is allowed to IMPORT");
        importing().fails(all, "25001", "IMPORT cannot be used inside a transaction");
        let session = Session::importing();
        session.fails(all, "42601", "invalid option \"foo\"");
        session.fails(&keyed, "0A000", "unsupported import format: \"NOPE\"");
        session.fails(&formatted, "3D000", "database does not exist: \"nope.customers\"");
        session.fails(&named, "22023", "invalid skip value");
        session.fails(&valued, "22023", "must provide a temporary storage location");
        session.fails(&tempted, "22023", "unsupported storage scheme: \"ftp\"");
        let error = session.fails(&local_temp, "22023", "unsupported storage scheme: \"ftp\"");
        let at = local_temp.find("'ftp").expect("the file");
        assert_eq!(error.place(), Some(&crate::error::Place::Sql(Span::new(at, at + 11))));
        session.fails(&placed, "42704", "type \"notype\" does not exist");
        session.fails(&typed, "42P07", "relation \"customers\" already exists");
    }

    #[test]
    fn asks_for_the_schema_file_only_when_all_else_is_right() {
        let sql = "IMPORT TABLE t CREATE USING 'table.sql' CSV DATA ('f.csv')";
        let session = Session::importing();
        session.fails(sql, "22023", "must provide a temporary storage location");
        let sql = format!("{sql} WITH temp = 'tmp'");
        assert!(matches!(session.planned(&sql).plan, Plan::NeedsFile(url) if url == "table.sql"));
        session.fails(
            &sql.replace("'table.sql'", "'ftp://h/t.sql'"),
            "22023",
            "unsupported storage scheme: \"ftp\"",
        );
    }

    #[test]
    fn reads_the_schema_file() {
        for text in [
            "CREATE TABLE t (a int primary key, b string, index (b), index (a, b))",
            "\u{feff}-- the table\nCREATE TABLE public.t (a int primary key, b string, \
             index (b), index (a, b));\n",
        ] {
            let Plan::Import(import) = with_file(text).expect(text) else { panic!("{text}") };
            assert_eq!(import.table().columns.len(), 2);
            assert_eq!(import.table().indexes.len(), 2);
            assert!(import.description.starts_with("IMPORT TABLE defaultdb.public.t (a "));
            assert!(!import.description.contains("table.sql"));
        }
    }

    #[test]
    fn refuses_a_file_about_another_table() {
        let error = file_fails(
            "CREATE TABLE foo (a INT8)",
            "42P16",
            "importing table t, but file specifies a schema for table foo",
        );
        assert_eq!(error.text(), Some("CREATE TABLE foo (a INT8)"));
        file_fails("CREATE TABLE shop.t (a INT8)", "42P16", "a schema for table shop.t");
    }

    #[test]
    fn refuses_a_file_with_anything_but_one_create_table() {
        let message = "expected CREATE TABLE statement in table file";
        for text in [
            "",
            "-- nothing\n",
            "SELECT 1",
            "CREATE TABLE t (a INT8); CREATE TABLE u (a INT8);",
            "\\d t\n",
        ] {
            file_fails(text, "42601", message);
        }
        file_fails("CREATE TABLE IF NOT EXISTS t (a INT8)", "0A000", "unsupported IF NOT EXISTS");
        file_fails("CREATE TABLE t AS SELECT 1", "0A000", "CREATE AS not supported");
    }

    #[test]
    fn shows_the_text_of_the_file_in_its_errors() {
        let error = file_fails("CREATE TABLE t (a INT8, a INT8);", "42701", "specified more than");
        assert_eq!(error.text(), Some("CREATE TABLE t (a INT8, a INT8)"));
        assert_eq!(error.place(), Some(&crate::error::Place::Sql(Span::new(24, 25))));
        let error = file_fails("CREATE TABLE t (a", "42601", "");
        assert!(error.text().is_some());
    }

    #[test]
    fn takes_keys_to_tables_that_exist() {
        let sql = format!(
            "{} WITH temp = 'tmp'",
            IMPORT.replace("b STRING", "b INT8 REFERENCES customers")
        );
        assert!(matches!(Session::importing().planned(&sql).plan, Plan::Import(_)));
        let sql = sql.replace("REFERENCES customers", "REFERENCES nope");
        Session::importing().fails(&sql, "42P01", "relation \"nope\" does not exist");
    }

    #[test]
    fn refuses_placeholders_in_places() {
        let session = Session::importing();
        let sql = "IMPORT TABLE t (a INT8) CSV DATA ($1) WITH temp = 'tmp'";
        session.fails(sql, "42P02", "there is no parameter $1");
    }
}
