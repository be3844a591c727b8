//! COPY: PostgreSQL's spelling of IMPORT INTO and EXPORT.
//!
//! COPY FROM is planned as the IMPORT INTO that it means, with options by their names there; COPY FROM
//! STDIN as an INSERT. COPY TO checks what EXPORT checks, in the same order. Its options are PostgreSQL's
//! (`copy_option`); besides, a file whose name ends in `.parquet`, `.json` or `.ndjson` is of that
//! format, and one that ends in `.gz` or `.zst` is compressed.

use super::copy_option::{self, CopyHeader, CopyOptions, Format};
use super::export::{
    Export, ExportFormat, ExportResult, ExportTarget, check_allowed, check_place,
    compression_of_name,
};
use super::import_into::plan_import_into;
use super::insert::{listed_columns, writable_columns};
use super::query::plan_query;
use super::{Insert, InsertSource, OutputCompression, Plan, Planner, Query, option};
use crate::catalog::{PUBLIC_SCHEMA, Privilege};
use crate::error::{Error, Notice, Result, Span, SqlState};
use crate::source::{redact, redact_text};
use crate::syntax::ast::{self, Copy, CopyPlace, CopySource, Ident, Statement};
use crate::syntax::{self, quote_ident};

/// Plans a COPY.
pub(super) fn plan_copy(planner: &mut Planner<'_>, copy: &Copy) -> Result<Plan> {
    if let CopyPlace::Program(span) = &copy.place {
        return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, "COPY PROGRAM is not supported")
            .at(*span)
            .hint("Run the program with \\! and copy from or to a file."));
    }
    if copy.from { plan_from(planner, copy) } else { plan_to(planner, copy) }
}

/// Plans COPY FROM as IMPORT INTO.
fn plan_from(planner: &mut Planner<'_>, copy: &Copy) -> Result<Plan> {
    let options = copy_option::read(&copy.options, true)?;
    let file = match &copy.place {
        CopyPlace::File(file) => file,
        CopyPlace::Stdout(span) => {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "COPY FROM cannot read from STDOUT")
                .at(*span)
                .hint("Name a file."));
        }
        CopyPlace::Stdin(span) => return plan_data(planner, copy, &options, *span),
        CopyPlace::Program(_) => return Err(Error::internal("COPY PROGRAM was not refused")),
    };
    let CopySource::Table { name, columns } = &copy.source else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "COPY cannot read into a query")
            .at(file.span)
            .hint("Name a table, or write TO."));
    };
    let format = format(&options, file_name(&file.text));
    options.check_tolerance(format)?;
    let word = match format {
        Format::Text => "PGCOPY",
        Format::Csv => "CSV",
        Format::Json => "JSON",
        Format::NdJson => "NDJSON",
        Format::Parquet => "PARQUET",
    };
    let import = ast::ImportInto {
        table: name.clone(),
        columns: columns.clone(),
        format: Ident { value: word.to_owned(), span: file.span },
        files: vec![file.clone()],
        options: options.of_import()?,
    };
    match plan_import_into(planner, &import)? {
        Plan::Import(import) => Ok(Plan::CopyFrom(import)),
        _ => Err(Error::internal("COPY FROM is no import")),
    }
}

/// Plans COPY FROM STDIN as an INSERT of the rows that follow.
fn plan_data(
    planner: &Planner<'_>,
    copy: &Copy,
    options: &CopyOptions<'_>,
    span: Span,
) -> Result<Plan> {
    let CopySource::Table { name, columns } = &copy.source else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "COPY cannot read into a query")
            .at(span)
            .hint("Name a table, or write TO."));
    };
    let table = planner.require_table(name)?;
    planner.require_on_table(Privilege::Insert, table, name.span)?;
    let columns = match columns.as_slice() {
        [] => writable_columns(table),
        columns => listed_columns(table, columns)?,
    };
    let columns = columns.iter().map(|column| column.id).collect();
    let source = InsertSource::Data(options.of_data(span)?);
    Ok(Plan::Insert(Box::new(Insert { table: table.id, columns, source })))
}

fn plan_to(planner: &mut Planner<'_>, copy: &Copy) -> Result<Plan> {
    check_allowed(planner, "COPY TO")?;
    let options = copy_option::read(&copy.options, false)?;
    let file = match &copy.place {
        CopyPlace::File(file) => Some(file),
        CopyPlace::Stdin(span) => {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "COPY TO cannot write to STDIN")
                .at(*span)
                .hint("Did you mean STDOUT?"));
        }
        CopyPlace::Program(_) | CopyPlace::Stdout(_) => None,
    };
    if let Some(file) = file {
        option::location(file)?;
        check_place(planner, &file.text, file.span)?;
    }
    let query = query(planner, &copy.source)?;
    let name = file.map_or("", |file| file_name(&file.text));
    let format = format(&options, name);
    if let Some(file) = file
        && format == Format::Text
        && options.format.is_none()
        && has_csv_suffix(name)
    {
        let place = redact(&file.text);
        planner.notice(
            Notice::notice(format!("\"{place}\" is written in the text format of PostgreSQL"))
                .hint("Add WITH (FORMAT csv) for CSV."),
        );
    }
    let header = options.header == CopyHeader::Names;
    let compression = compression(&options, format, name)?;
    let layout = options.layout(format);
    let format = match format {
        Format::Text | Format::Csv => {
            ExportFormat::Rows { layout, header, force_quote: options.force_quote }
        }
        Format::Json => ExportFormat::Json,
        Format::NdJson => ExportFormat::NdJson,
        Format::Parquet => ExportFormat::Parquet,
    };
    let Some(file) = file else { return out(query, format, &copy.place) };
    Ok(Plan::Export(Box::new(Export {
        query,
        target: ExportTarget::File { url: file.text.clone() },
        format,
        compression,
        chunk_rows: u64::MAX,
        chunk_size: u64::MAX,
        overwrite: options.overwrite,
        result: ExportResult::Count,
        detached: false,
        description: description(planner, copy),
    })))
}

/// Plans rows that go to standard output.
fn out(query: Query, format: ExportFormat, place: &CopyPlace) -> Result<Plan> {
    if let (ExportFormat::Parquet | ExportFormat::Json, CopyPlace::Stdout(span)) = (&format, place)
    {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "COPY TO STDOUT writes lines of text alone",
        )
        .at(*span)
        .hint("Use text, csv or ndjson, or name a file."));
    }
    Ok(Plan::CopyOut { query, format })
}

/// Returns the rows to copy.
fn query(planner: &Planner<'_>, source: &CopySource) -> Result<Query> {
    let (name, columns) = match source {
        CopySource::Query(query) => return plan_query(planner, query),
        CopySource::Table { name, columns } => (name, columns),
    };
    let table = planner.require_table(name)?;
    planner.require_on_table(Privilege::Select, table, name.span)?;
    // As in PostgreSQL, computed columns are not copied: they could not be copied back.
    let columns: Vec<String> = if columns.is_empty() {
        let plain = table.columns.iter().filter(|column| column.computed.is_none());
        plain.map(|column| quote_ident(&column.name)).collect()
    } else {
        let computed = |name: &&Ident| {
            table.column(&name.value).is_some_and(|column| column.computed.is_some())
        };
        if let Some(name) = columns.iter().find(computed) {
            return Err(Error::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("column \"{}\" is a generated column", name.value),
            )
            .at(name.span)
            .detail("Generated columns cannot be used in COPY.")
            .hint("Copy a query: COPY (SELECT ...) TO ..."));
        }
        let listed = listed_columns(table, columns)?;
        listed.iter().map(|column| quote_ident(&column.name)).collect()
    };
    let database = planner.catalog.database_by_id(table.database);
    let database = database.map_or("", |database| database.name.as_str());
    let text = format!(
        "SELECT {} FROM {}.{}.{}",
        columns.join(", "),
        quote_ident(database),
        quote_ident(PUBLIC_SCHEMA),
        quote_ident(&table.name)
    );
    Ok(Query { text, offset: name.span.start, files: Vec::new() })
}

/// Returns the last element of a path or URL.
fn file_name(url: &str) -> &str {
    let path = if url.contains("://") { url.split('?').next().unwrap_or(url) } else { url };
    path.rsplit('/').next().unwrap_or(path)
}

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "the name is in lower case")]
fn has_csv_suffix(name: &str) -> bool {
    plain_name(name).ends_with(".csv")
}

/// Returns a name in lower case without the suffix of its compression.
fn plain_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    plain.unwrap_or(&name).to_owned()
}

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "the name is in lower case")]
fn format(options: &CopyOptions<'_>, name: &str) -> Format {
    let name = plain_name(name);
    let by_name = if name.ends_with(".parquet") {
        Format::Parquet
    } else if name.ends_with(".ndjson") || name.ends_with(".jsonl") {
        Format::NdJson
    } else if name.ends_with(".json") {
        Format::Json
    } else {
        Format::Text
    };
    options.format.unwrap_or(by_name)
}

fn compression(options: &CopyOptions<'_>, format: Format, name: &str) -> Result<OutputCompression> {
    let parquet = format == Format::Parquet;
    let Some(given) = options.compression else {
        return Ok(if parquet { OutputCompression::Snappy } else { compression_of_name(name) });
    };
    super::export_option::compression(given, parquet)
}

/// Prints the statement for the job record.
fn description(planner: &Planner<'_>, copy: &Copy) -> String {
    let mut copy = copy.clone();
    if let CopyPlace::File(file) = &mut copy.place {
        file.text = (planner.context.absolute.0)(&file.text);
    }
    if let CopySource::Query(query) = &mut copy.source {
        query.text = redact_text(&query.text);
    }
    syntax::print(&Statement::Copy(copy), &redact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ForceQuote;
    use crate::plan::fixture::{Session, fails, planned};
    use crate::record::{RowLayout, RowStyle};

    fn to(sql: &str) -> Export {
        match planned(sql).plan {
            Plan::Export(export) => *export,
            other => panic!("{other:?}"),
        }
    }

    fn layout(export: &Export) -> &RowLayout {
        match &export.format {
            ExportFormat::Rows { layout, .. } => layout,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn writes_text_unless_told_otherwise() {
        let text = to("COPY customers TO 'x.txt'");
        assert_eq!(layout(&text).style, RowStyle::Escaped);
        assert_eq!((layout(&text).delimiter, layout(&text).null.as_deref()), ('\t', Some("\\N")));
        assert_eq!(text.query.text, "SELECT id, name, email, age FROM defaultdb.public.customers");
        let csv = to("COPY customers (age) TO 'x.csv.gz' CSV HEADER DELIMITER ';' FORCE QUOTE *");
        assert_eq!(layout(&csv).null.as_deref(), Some(""));
        assert_eq!(csv.compression, OutputCompression::Gzip);
        assert!(matches!(
            csv.format,
            ExportFormat::Rows { header: true, force_quote: ForceQuote::All, .. }
        ));
        assert_eq!(to("COPY customers TO 'x.parquet'").format, ExportFormat::Parquet);
        assert_eq!(to("COPY customers TO 'x.ndjson.gz'").format, ExportFormat::NdJson);
        let notices = planned("COPY customers TO 'x.csv'").notices;
        assert_eq!(notices[0].hint.as_deref(), Some("Add WITH (FORMAT csv) for CSV."));
    }

    #[test]
    fn leaves_computed_columns_out() {
        let orders = to("COPY orders TO 'x.txt'");
        assert!(!orders.query.text.contains("tax"), "{}", orders.query.text);
        fails("COPY orders (tax) TO 'x.txt'", "42P10", "column \"tax\" is a generated column");
    }

    #[test]
    fn prints_to_standard_output() {
        let sql = "COPY (SELECT 1) TO STDOUT (FORMAT csv)";
        assert!(matches!(planned(sql).plan, Plan::CopyOut { .. }));
        fails("COPY customers TO STDOUT (FORMAT parquet)", "0A000", "lines of text alone");
        fails("COPY customers TO STDIN", "42601", "COPY TO cannot write to STDIN");
    }

    #[test]
    fn hides_secrets_of_its_query() {
        let copy = "COPY (SELECT * FROM 's3://b/a.csv?AWS_ACCESS_KEY_ID=x&AWS_SECRET_ACCESS_KEY=canary') \
                    TO 'x.csv'";
        let description = to(copy).description;
        assert!(!description.contains("canary") && description.contains("s3://b/a.csv"));
    }

    #[test]
    fn checks_who_and_what() {
        Session::default().user("testuser").fails(
            "COPY customers TO 'x'",
            "42501",
            "only root is allowed to write to \"x\"",
        );
        Session::default().user("testuser").planned("COPY customers TO STDOUT");
        fails("COPY nothing TO 'x'", "42P01", "relation \"nothing\" does not exist");
        fails("COPY customers (nobody) TO 'x'", "42703", "column \"nobody\"");
        fails("COPY customers TO PROGRAM 'cat'", "0A000", "COPY PROGRAM is not supported");
        let json = "COPY customers FROM STDIN (FORMAT json)";
        fails(json, "0A000", "COPY FORMAT json is not supported with COPY FROM STDIN");
        Session::default().in_transaction().fails(
            "COPY customers TO 'x'",
            "25001",
            "COPY TO cannot be used inside a transaction",
        );
    }

    #[test]
    fn reads_a_file_as_an_import() {
        let from = |sql: &str| match planned(sql).plan {
            Plan::CopyFrom(import) => import.description.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            from("COPY customers (id, name) FROM 'x.csv' WITH (FORMAT csv, HEADER, NULL '-')"),
            "IMPORT INTO defaultdb.public.customers(id, name) CSV DATA ('x.csv') \
             WITH header = 'skip', \"nullif\" = '-'"
        );
        assert_eq!(
            from("COPY customers FROM 'x' (FORMAT csv, FORCE_NULL *, HEADER match)"),
            "IMPORT INTO defaultdb.public.customers CSV DATA ('x') \
             WITH allow_quoted_null, header = 'match'"
        );
        fails("COPY customers FROM 'x' (FORMAT csv, FORCE_NULL (id))", "0A000", "FORCE_NULL");
        fails("COPY customers FROM 'x' (FORMAT csv, FORCE_NOT_NULL *)", "0A000", "FORCE_NOT_NULL");
        fails("COPY customers FROM 'x' (FORMAT csv, ON_ERROR maybe)", "22023", "ON_ERROR");
        fails("COPY customers FROM 'x' (FORMAT csv, OVERWRITE)", "22023", "cannot be used with");
        let limit = "COPY customers FROM 'x' (FORMAT csv, REJECT_LIMIT 1)";
        fails(limit, "22023", "COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE");
        let quoted =
            "COPY customers FROM 'x' (FORMAT csv, QUOTE '''', ESCAPE '\"', ON_ERROR ignore)";
        assert!(from(quoted).ends_with("WITH escape = '\"', on_error = 'skip', quote = ''''"));
        let same = "COPY customers FROM 'x' (FORMAT csv, QUOTE '|', ESCAPE '|', ENCODING latin1)";
        assert!(from(same).ends_with("WITH encoding = 'latin1', quote = '|'"));
        assert!(from("COPY customers FROM 'x' (ON_ERROR ignore)").ends_with("on_error = 'skip'"));
        let json = "COPY ON_ERROR requires text or CSV mode";
        fails("COPY customers FROM 'x.json' (ON_ERROR ignore)", "22023", json);
        fails("COPY (SELECT 1) FROM 'x' CSV", "42601", "COPY cannot read into a query");
        fails("COPY customers FROM STDOUT", "42601", "COPY FROM cannot read from STDOUT");
        Session::default().user("testuser").fails(
            "COPY customers FROM 'x' CSV",
            "42501",
            "user testuser does not have INSERT privilege on relation customers",
        );
    }

    #[track_caller]
    fn refuses(options: &str, code: &str, message: &str) {
        fails(&format!("COPY customers TO 'x' WITH ({options})"), code, message);
    }

    #[test]
    fn refuses_wrong_options() {
        refuses("FORMT csv", "42601", "option \"formt\" not recognized");
        refuses("FORMAT csv, FORMAT text", "42601", "conflicting or redundant options");
        refuses("FORMAT xml", "22023", "COPY format \"xml\" not recognized");
        refuses("FORMAT binary", "0A000", "COPY format \"binary\" is not supported");
        refuses("DELIMITER", "42601", "delimiter requires a parameter");
        refuses("DELIMITER 'ab'", "22023", "COPY delimiter must be a single character");
        refuses("DELIMITER E'\\n'", "22023", "COPY delimiter cannot be newline");
        refuses("DELIMITER 'a'", "22023", "COPY delimiter cannot be \"a\"");
        refuses("NULL E'\\n'", "22023", "COPY null representation cannot use newline");
        refuses("NULL E'a\\tb'", "22023", "COPY delimiter character must not appear");
        refuses("FORMAT csv, NULL '\"'", "22023", "CSV quote character must not appear");
        refuses("FORMAT csv, QUOTE ','", "22023", "COPY delimiter and quote must be different");
        refuses("QUOTE '\"'", "22023", "COPY QUOTE requires CSV mode");
        refuses("ESCAPE '\"'", "22023", "COPY ESCAPE requires CSV mode");
        refuses("FORCE_QUOTE *", "22023", "COPY FORCE_QUOTE requires CSV mode");
        refuses("FORMAT csv, FORCE_QUOTE", "42601", "must be a list of column names");
        refuses("FORMAT json, HEADER", "22023", "COPY HEADER requires text or CSV mode");
        refuses("HEADER match", "22023", "cannot use \"match\" with HEADER in COPY TO");
        refuses("HEADER maybe", "42601", "header requires a Boolean value or \"match\"");
        refuses("FORCE_NULL *", "22023", "COPY FORCE_NULL cannot be used with COPY TO");
        refuses("FORCE_NOT_NULL *", "22023", "COPY FORCE_NOT_NULL cannot be used with COPY TO");
        refuses("ON_ERROR ignore", "22023", "COPY ON_ERROR cannot be used with COPY TO");
        refuses("FREEZE", "0A000", "COPY FREEZE is not supported");
        refuses("DEFAULT 'x'", "0A000", "option \"default\" of COPY is not supported");
        refuses("ENCODING 'latin1'", "0A000", "encoding \"latin1\" is not supported");
        refuses("OVERWRITE maybe", "42601", "overwrite requires a Boolean value");
        refuses("COMPRESSION snappy", "22023", "unsupported compression value: \"snappy\"");
        to("COPY customers TO 'x' WITH (ENCODING 'UTF-8', OVERWRITE, COMPRESSION gzip)");
    }
}
