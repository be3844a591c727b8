//! EXPLAIN: of a query, whose plan the engine prints, or of another statement, as lines.

use super::{
    CreateIndex, Decompress, Dropped, Export, ExportFormat, ExportTarget, FormatKind, Header,
    Import, ImportDump, ImportInto, ImportMode, ImportTarget, Insert, InsertSource, Plan, Planner,
    Show,
};
use crate::catalog::{Catalog, IndexDescriptor, Object, PUBLIC_SCHEMA, TableDescriptor, TableId};
use crate::error::{Error, Result, SqlState};
use crate::source::{redact, redact_text};
use crate::syntax::ast::{JobAction, Statement};

/// Plans an EXPLAIN. The statement beneath is checked as if it ran.
pub(super) fn plan_explain(
    planner: &mut Planner<'_>,
    analyze: bool,
    verbose: bool,
    statement: &Statement,
) -> Result<Plan> {
    if matches!(statement, Statement::Explain { .. }) {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "EXPLAIN of an EXPLAIN is not possible"));
    }
    if analyze && !matches!(statement, Statement::Query(_)) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "EXPLAIN ANALYZE of a statement that is no query is not supported",
        )
        .hint("Leave out ANALYZE."));
    }
    Ok(match planner.plan(statement)? {
        Plan::NeedsFile(url) => Plan::NeedsFile(url),
        Plan::Query(query) => Plan::Explain { analyze, verbose, query },
        plan => Plan::ExplainLines(lines(&plan, planner.catalog)),
    })
}

/// Returns what a plan that is no query does, as lines.
fn lines(plan: &Plan, catalog: &dyn Catalog) -> Vec<String> {
    match plan {
        Plan::ImportDump(import) => dump_lines(import),
        Plan::Import(import) | Plan::CopyFrom(import) => import_lines(import, catalog),
        Plan::Export(export) => export_lines(export),
        Plan::CopyOut { query, .. } => {
            let text = redact_text(&query.text);
            vec!["copy to standard output".to_owned(), format!("  rows of: {text}")]
        }
        Plan::CreateTable(table) => {
            let mut lines = vec![format!("create table {}", full_name(table, catalog))];
            lines.extend(table_lines(table));
            lines
        }
        Plan::CreateTableAs { name, query, .. } => {
            vec![format!("create table {name}"), format!("  rows of: {}", query.text)]
        }
        Plan::DropTables(dropped) | Plan::DropSequences(dropped) => drop_lines(dropped, catalog),
        Plan::CreateIndex(create) => index_lines(create, catalog),
        Plan::DropIndexes { indexes, foreign_keys } => {
            let mut lines: Vec<String> = indexes
                .iter()
                .map(|(table, index)| {
                    let named = catalog
                        .table_by_id(*table)
                        .and_then(|table| table.all_indexes().find(|each| each.id == *index));
                    let name = named.map_or("", |index| index.name.as_str());
                    format!("drop index {name} of table {}", table_name(*table, catalog))
                })
                .collect();
            lines.extend(dropped_keys(foreign_keys, catalog));
            lines
        }
        Plan::Insert(insert) => insert_lines(insert, catalog),
        Plan::SetGrants { grants, tag } => grants
            .iter()
            .map(|(object, user, _)| {
                format!("{} on {} for {user}", tag.to_lowercase(), object_name(*object, catalog))
            })
            .collect(),
        Plan::Nothing { .. } => vec!["nothing to do".to_owned()],
        other => vec![one_line(other, catalog)],
    }
}

/// Returns which foreign keys fall with what they depend on.
fn dropped_keys(
    foreign_keys: &[(TableId, String)],
    catalog: &dyn Catalog,
) -> impl Iterator<Item = String> {
    foreign_keys
        .iter()
        .map(|(id, name)| format!("drop constraint {name} of table {}", table_name(*id, catalog)))
}

/// Returns the steps of building an index.
fn index_lines(create: &CreateIndex, catalog: &dyn Catalog) -> Vec<String> {
    let CreateIndex { table, index, .. } = create;
    let mut lines = vec![
        format!("create {} {}", index_kind(index), index.name),
        format!("  table: {}", full_name(table, catalog)),
        format!("  key: {}", table.key_names(&index.key).join(", ")),
    ];
    let stored: Vec<&str> = index
        .storing
        .iter()
        .filter_map(|id| table.column_by_id(*id))
        .map(|column| column.name.as_str())
        .collect();
    if !stored.is_empty() {
        lines.push(format!("  stored: {}", stored.join(", ")));
    }
    lines.push("  1. read and sort the rows of the table".to_owned());
    let check = if index.unique { "check unique keys, " } else { "" };
    lines.push(format!("  2. {check}publish in one commit"));
    lines
}

fn index_kind(index: &IndexDescriptor) -> &'static str {
    if index.unique { "unique index" } else { "index" }
}

fn drop_lines(dropped: &Dropped, catalog: &dyn Catalog) -> Vec<String> {
    let table = |id: &TableId| table_name(*id, catalog);
    let mut lines: Vec<String> =
        dropped.tables.iter().map(|id| format!("drop table {}", table(id))).collect();
    lines.extend(dropped.sequences.iter().map(|id| {
        let name = catalog.sequence_by_id(*id).map_or("", |sequence| &sequence.name);
        format!("drop sequence {name}")
    }));
    lines.extend(dropped_keys(&dropped.foreign_keys, catalog));
    lines.extend(dropped.defaults.iter().map(|(id, column)| {
        let column = catalog.table_by_id(*id).and_then(|table| table.column_by_id(*column));
        let column = column.map_or("", |column| &column.name);
        format!("drop the default of column {column} of table {}", table(id))
    }));
    lines
}

/// Returns a plan that is one step.
fn one_line(plan: &Plan, catalog: &dyn Catalog) -> String {
    match plan {
        Plan::CreateDatabase { name } => format!("create database {name}"),
        Plan::DropDatabase { database, dropped } => {
            let tables = &dropped.tables;
            let name = catalog.database_by_id(*database).map_or("", |database| &database.name);
            format!("drop database {name} and its tables ({})", tables.len())
        }
        Plan::CreateSequence(sequence) => format!("create sequence {}", sequence.name),
        Plan::AlterSequence(change) => format!("change sequence {}", change.sequence.name),
        Plan::Use { name } => format!("use database {name}"),
        Plan::CreateUser { name } => format!("create user {name}"),
        Plan::DropUsers { names } => format!("drop user {}", names.join(", ")),
        Plan::ControlJobs { action, .. } => match action {
            JobAction::Pause => "pause jobs".to_owned(),
            JobAction::Resume => "resume jobs".to_owned(),
            JobAction::Cancel => "cancel jobs".to_owned(),
        },
        Plan::Begin => "begin a transaction".to_owned(),
        Plan::Commit => "commit the transaction".to_owned(),
        Plan::Rollback => "roll the transaction back".to_owned(),
        Plan::SetClusterSetting { name, value: Some(value) } => {
            format!("set cluster setting {name} to '{}'", redact(value))
        }
        Plan::SetClusterSetting { name, value: None } => format!("reset cluster setting {name}"),
        Plan::SetVariables { values, .. } => {
            let values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name} to '{value}'")).collect();
            format!("set {}", values.join(", "))
        }
        Plan::Show(show) => match show {
            Show::Tables(_) | Show::Sequences(_) | Show::Databases | Show::Schemas => {
                "list names".to_owned()
            }
            _ => "show from the catalog".to_owned(),
        },
        _ => "nothing to do".to_owned(),
    }
}

fn insert_lines(insert: &Insert, catalog: &dyn Catalog) -> Vec<String> {
    let Some(table) = catalog.table_by_id(insert.table) else { return Vec::new() };
    let columns: Vec<&str> = insert
        .columns
        .iter()
        .filter_map(|id| table.column_by_id(*id))
        .map(|column| column.name.as_str())
        .collect();
    let source = match &insert.source {
        InsertSource::Query(query) => format!("  rows of: {}", query.text),
        InsertSource::Values(rows) => format!("  rows given: {}", rows.len()),
        InsertSource::Defaults => "  one row of defaults".to_owned(),
        InsertSource::Data(_) => "  rows that follow the statement".to_owned(),
    };
    let name = full_name(table, catalog);
    vec![format!("insert into {name} ({})", columns.join(", ")), source]
}

fn import_lines(import: &Import, catalog: &dyn Catalog) -> Vec<String> {
    let format = &import.format;
    let table = import.table();
    let mut lines = match &import.target {
        ImportTarget::New(_) => {
            vec![format!("import into new table {}", full_name(table, catalog))]
        }
        ImportTarget::Into(into) => into_lines(into, catalog),
    };
    lines.extend(table_lines(table));
    let temp = import.temp.as_ref().map_or_else(|| "in the database".to_owned(), |it| redact(it));
    lines.push(format!("  temporary files: {temp}"));
    lines.push("  1. list and split files".to_owned());
    lines.extend(import.files.iter().map(|file| format!("     {}", redact(file))));
    let how = match format_line(format) {
        how if how.is_empty() => how,
        how => format!(": {how}"),
    };
    lines.push(format!("  2. convert {}{how}", format.kind.name().word()));
    let sorted = table.primary_key.is_some() || !table.indexes.is_empty();
    let third = if sorted { "sort into runs by each key" } else { "write runs in file order" };
    lines.push(format!("  3. {third}"));
    let mut checks: Vec<String> = Vec::new();
    let unique = table.all_indexes().filter(|index| index.unique).count();
    if unique > 0 {
        checks.push(format!("unique keys ({unique})"));
    }
    if !table.foreign_keys.is_empty() {
        checks.push(format!("foreign keys ({})", table.foreign_keys.len()));
    }
    let checking =
        if checks.is_empty() { String::new() } else { format!("check {}, ", checks.join(" and ")) };
    lines.push(format!("  4. {checking}publish in one commit"));
    lines
}

/// Returns what the import of a dump does.
fn dump_lines(import: &ImportDump) -> Vec<String> {
    let what = match &import.table {
        Some(table) => format!("table {table}"),
        None => "tables".to_owned(),
    };
    let mut lines = vec![
        format!("import {what} of a dump into database {}", import.database_name),
        format!("  {} {}", import.word(), redact(&import.file)),
    ];
    if import.skip_foreign_keys {
        lines.push("  without foreign keys".to_owned());
    }
    if let Some(rows) = import.row_limit {
        lines.push(format!("  at most {rows} rows of each table"));
    }
    if import.ignore_unsupported {
        lines.push("  statements that are not supported are passed over".to_owned());
    }
    lines
}

/// Returns which table gets rows, in which columns, and what happens to keys that exist.
fn into_lines(into: &ImportInto, catalog: &dyn Catalog) -> Vec<String> {
    let table = &into.table;
    let mut lines = vec![format!("import into table {}", full_name(table, catalog))];
    if let Some(columns) = &into.columns {
        let names: Vec<&str> = columns
            .iter()
            .filter_map(|id| table.column_by_id(*id))
            .map(|column| column.name.as_str())
            .collect();
        lines.push(format!("  columns of the files: {}", names.join(", ")));
    }
    lines.push(match into.mode {
        ImportMode::Insert => "  keys that exist: an error".to_owned(),
        ImportMode::Upsert => "  keys that exist: the new row replaces the old one".to_owned(),
        ImportMode::Skip => "  keys that exist: the old row stays".to_owned(),
        ImportMode::Replace => "  all rows of the table: replaced".to_owned(),
    });
    lines
}

fn export_lines(export: &Export) -> Vec<String> {
    let place = match &export.target {
        ExportTarget::Directory { url, .. } => format!("export into directory {}", redact(url)),
        ExportTarget::File { url } => format!("export into file {}", redact(url)),
    };
    let format = match &export.format {
        ExportFormat::Rows { layout, header, .. } => {
            let header = if *header { ", header" } else { "" };
            let null = layout.null.as_ref().map(|null| format!(", null {null:?}"));
            format!("delimiter {:?}{}{header}", layout.delimiter, null.unwrap_or_default())
        }
        ExportFormat::Json => "JSON".to_owned(),
        ExportFormat::NdJson => "NDJSON".to_owned(),
        ExportFormat::Parquet => "Parquet".to_owned(),
    };
    vec![
        place,
        format!("  rows of: {}", redact_text(&export.query.text)),
        format!("  format: {format}"),
    ]
}

/// Returns how files of a format are read, as far as that format goes.
fn kind_parts(kind: &FormatKind) -> Vec<String> {
    let mut parts = Vec::new();
    match kind {
        FormatKind::Csv(csv) => {
            parts.push(format!("delimiter {:?}", csv.delimiter));
            parts.extend(csv.comment.map(|comment| format!("comment {comment:?}")));
        }
        FormatKind::Delimited(format) => {
            parts.push(format!("fields_terminated_by {:?}", format.fields_terminated_by));
            parts.push(format!("rows_terminated_by {:?}", format.rows_terminated_by));
            let enclosed = format.fields_enclosed_by;
            parts.extend(enclosed.map(|character| format!("fields_enclosed_by {character:?}")));
            let escaped = format.fields_escaped_by;
            parts.extend(escaped.map(|character| format!("fields_escaped_by {character:?}")));
        }
        FormatKind::PgCopy(format) => parts.push(format!("delimiter {:?}", format.delimiter)),
        FormatKind::Avro(format) => {
            let flags = [
                (format.data_as_binary_records, "data_as_binary_records"),
                (format.data_as_json_records, "data_as_json_records"),
                (format.strict_validation, "strict_validation"),
            ];
            let given = flags.into_iter().filter(|(given, _)| *given);
            parts.extend(given.map(|(_, name)| name.to_owned()));
        }
        FormatKind::Json(_) | FormatKind::NdJson(_) | FormatKind::Parquet(_) => {}
    }
    parts
}

/// Returns how files are read, default values left out but the delimiter.
fn format_line(format: &super::DataFormat) -> String {
    let mut parts = kind_parts(&format.kind);
    if let Some(nullif) = &format.nullif {
        parts.push(format!("nullif {nullif:?}"));
    }
    if format.allows_quoted_null() {
        parts.push("allow_quoted_null".to_owned());
    }
    if format.skip > 0 {
        parts.push(format!("skip {}", format.skip));
    }
    if let Some(limit) = format.row_limit {
        parts.push(format!("row_limit {limit}"));
    }
    match format.header() {
        Header::None => {}
        Header::Skip => parts.push("header skip".to_owned()),
        Header::Match => parts.push("header match".to_owned()),
    }
    match &format.kind {
        FormatKind::Csv(csv) if csv.strict_quotes => parts.push("strict_quotes".to_owned()),
        FormatKind::Json(named) | FormatKind::NdJson(named) | FormatKind::Parquet(named)
            if named.ignore_unknown_fields =>
        {
            parts.push("ignore_unknown_fields".to_owned());
        }
        _ => {}
    }
    let decompress = match format.decompress {
        Decompress::Auto => "",
        Decompress::None => "none",
        Decompress::Gzip => "gzip",
        Decompress::Bzip => "bzip",
        Decompress::Zstd => "zstd",
        Decompress::Xz => "xz",
    };
    if !decompress.is_empty() {
        parts.push(format!("decompress {decompress}"));
    }
    parts.join(", ")
}

/// Returns a table's columns, keys and constraints.
fn table_lines(table: &TableDescriptor) -> Vec<String> {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
    let key = |index: &IndexDescriptor| table.key_names(&index.key).join(", ");
    let primary = table.primary_key.as_ref().map_or_else(|| "none, file order".to_owned(), key);
    let mut lines =
        vec![format!("  columns: {}", columns.join(", ")), format!("  primary key: {primary}")];
    for index in &table.indexes {
        lines.push(format!("  {} {}: {}", index_kind(index), index.name, key(index)));
    }
    lines
        .extend(table.checks.iter().map(|check| format!("  check {}: {}", check.name, check.expr)));
    lines
}

fn full_name(table: &TableDescriptor, catalog: &dyn Catalog) -> String {
    let database = catalog.database_by_id(table.database).map_or("", |database| &database.name);
    format!("{database}.{PUBLIC_SCHEMA}.{}", table.name)
}

fn table_name(id: TableId, catalog: &dyn Catalog) -> String {
    catalog.table_by_id(id).map_or_else(String::new, |table| full_name(table, catalog))
}

fn object_name(object: Object, catalog: &dyn Catalog) -> String {
    match object {
        Object::Table(id) => format!("table {}", table_name(id, catalog)),
        Object::Database(id) => {
            let name = catalog.database_by_id(id).map_or("", |database| &database.name);
            format!("database {name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{IMPORT, Session, fails, planned};

    fn check(sql: &str, expected: &[&str]) {
        let session = Session::importing();
        let Plan::ExplainLines(lines) = session.planned(sql).plan else { panic!("{sql}") };
        assert_eq!(lines, expected, "{sql}");
    }

    #[test]
    fn leaves_queries_to_the_engine() {
        let Plan::Explain { analyze, query, .. } = planned("EXPLAIN SELECT * FROM customers").plan
        else {
            panic!("explain");
        };
        assert!(!analyze);
        assert_eq!((query.text.as_str(), query.offset), ("SELECT * FROM customers", 8));
        fails("EXPLAIN SELECT * FROM nope", "42P01", "relation \"nope\"");
    }

    #[test]
    fn shows_the_steps_of_an_import() {
        check(
            &format!("EXPLAIN {IMPORT} WITH temp = 'tmp', skip = '1', nullif = ''"),
            &[
                "import into new table defaultdb.public.t",
                "  columns: a INT8, b STRING",
                "  primary key: a",
                "  temporary files: tmp",
                "  1. list and split files",
                "     f.csv",
                "  2. convert CSV: delimiter ',', nullif \"\", skip 1",
                "  3. sort into runs by each key",
                "  4. check unique keys (1), publish in one commit",
            ],
        );
        let session = Session::importing();
        session.fails(&format!("EXPLAIN {IMPORT}"), "22023", "must provide a temporary storage");
    }

    #[test]
    fn shows_other_statements_in_lines() {
        check(
            "EXPLAIN DROP TABLE customers CASCADE",
            &[
                "drop table defaultdb.public.customers",
                "drop constraint fk_customer_ref_customers of table defaultdb.public.orders",
            ],
        );
        check(
            "EXPLAIN INSERT INTO customers (id, name) VALUES (1, 'a')",
            &["insert into defaultdb.public.customers (id, name)", "  rows given: 1"],
        );
        check("EXPLAIN CREATE DATABASE d", &["create database d"]);
    }

    #[test]
    fn refuses_to_analyze_what_is_no_query() {
        fails("EXPLAIN ANALYZE DROP TABLE customers", "0A000", "EXPLAIN ANALYZE of a statement");
    }
}
