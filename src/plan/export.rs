//! EXPORT: who may, the options, where the files go, and the rows that go there.
//!
//! Order of checks: the state of the session (`transaction::check_state`), the cluster setting
//! `feature.export.enabled`, no open transaction, the format, the options, the place, the privileges
//! on the tables.

use super::export_option::{self, Kind, Options, OutputCompression, PART};
use super::query::plan_query;
use super::{Planner, Query, cluster_setting, option};
use crate::error::{Error, Result, Span, SqlState};
use crate::record::{RowLayout, RowStyle};
use crate::source::{Location, redact, redact_text};
use crate::syntax;
use crate::syntax::ast::{self, Ident, Statement, Value, ValueKind};

/// The cluster setting that allows EXPORT.
const GATE: &str = "feature.export.enabled";

/// Rows to write to files.
#[derive(Clone, Debug)]
pub struct Export {
    /// The rows.
    pub query: Query,
    /// Where the files go.
    pub target: ExportTarget,
    /// How they are written.
    pub format: ExportFormat,
    /// How they are compressed.
    pub compression: OutputCompression,
    /// The most rows of a file.
    pub chunk_rows: u64,
    /// The size of a file, before compression, with which it ends.
    pub chunk_size: u64,
    /// Whether files that exist are replaced.
    pub overwrite: bool,
    /// What the statement gives.
    pub result: ExportResult,
    /// Whether to return when the job has begun.
    pub detached: bool,
    /// The statement, printed canonically with secrets redacted, options sorted: for the job record.
    pub description: String,
}

/// What an export gives besides its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportResult {
    /// A row for each file.
    Files,
    /// The number of rows, as a command tag.
    Count,
}

/// Where the files of an export go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportTarget {
    /// Into a directory, which is made if it is missing.
    Directory {
        /// Its URL or path.
        url: String,
        /// The name of each file, in which `%part%` stands for its number; without it there is one
        /// file. `None`: a name that no other export gives.
        filename: Option<String>,
        /// What follows such a name.
        suffix: String,
    },
    /// One file, whose directory must exist.
    File {
        /// Its URL or path.
        url: String,
    },
}

/// How the files of an export are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Rows of text.
    Rows {
        /// How they are written.
        layout: RowLayout,
        /// Whether the names of the columns come first.
        header: bool,
        /// Which columns are quoted whatever they hold.
        force_quote: ForceQuote,
    },
    /// An array of objects.
    Json,
    /// An object per line.
    NdJson,
    /// Parquet.
    Parquet,
}

/// Which columns are quoted whatever they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForceQuote {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those of these names.
    Columns(Vec<String>),
}

/// Plans an EXPORT.
pub(super) fn plan_export(planner: &Planner<'_>, export: &ast::Export) -> Result<Export> {
    check_allowed(planner, "EXPORT")?;
    let kind = check_format(&export.format)?;
    let mut options = export_option::read(&export.options, kind)?;
    require_record(planner, export, options.detached)?;
    let directory = directory(&export.destination, &mut options)?;
    check_place(planner, &directory, export.destination.span)?;
    let query = plan_query(planner, &export.query)?;
    let compression = compression(&options, kind);
    let (chunk_rows, chunk_size) = match &options.filename {
        Some(name) if !name.contains(PART) => (u64::MAX, u64::MAX),
        _ => options.chunks(),
    };
    let suffix = format!("{}{}", kind.suffix(), compressed_suffix(compression));
    let filename = options.filename.take().map(|mut name| {
        if !name.ends_with(compressed_suffix(compression)) {
            name += compressed_suffix(compression);
        }
        name
    });
    let format = match kind {
        Kind::Csv => ExportFormat::Rows {
            layout: RowLayout {
                delimiter: options.delimiter,
                null: options.nullas,
                style: RowStyle::Quoted { quote: '"', escape: '"' },
            },
            header: options.header,
            force_quote: ForceQuote::None,
        },
        Kind::Json => ExportFormat::Json,
        Kind::NdJson => ExportFormat::NdJson,
        Kind::Parquet => ExportFormat::Parquet,
    };
    Ok(Export {
        query,
        target: ExportTarget::Directory { url: directory, filename, suffix },
        format,
        compression,
        chunk_rows,
        chunk_size,
        overwrite: options.overwrite,
        result: ExportResult::Files,
        detached: options.detached,
        description: description(planner, export),
    })
}

/// Refuses an export that the administrator or a transaction forbids.
pub(super) fn check_allowed(planner: &Planner<'_>, verb: &str) -> Result {
    if cluster_setting(planner.catalog, GATE) != Some("true") {
        return Err(Error::new(
            SqlState::OPERATOR_INTERVENTION,
            format!("feature {verb} was disabled by the database administrator"),
        )
        .hint(format!("Root may run SET CLUSTER SETTING {GATE} = true.")));
    }
    if planner.context.in_transaction {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{verb} cannot be used inside a transaction"),
        )
        .hint("COMMIT or ROLLBACK first."));
    }
    Ok(())
}

fn check_format(format: &Ident) -> Result<Kind> {
    Kind::of(&format.value).ok_or_else(|| {
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported export format: \"{}\"", format.value),
        )
        .at(format.span)
        .hint("The formats are CSV, PARQUET, JSON and NDJSON.")
    })
}

/// Refuses an export that nobody waits for where no job record is kept.
fn require_record(planner: &Planner<'_>, export: &ast::Export, detached: bool) -> Result {
    if !detached || !planner.context.read_only {
        return Ok(());
    }
    let option = export.options.iter().find(|option| option.key.value == "detached");
    Err(Error::new(
        SqlState::READ_ONLY_SQL_TRANSACTION,
        "cannot execute EXPORT with detached: the database is open read-only",
    )
    .at(option.map_or(export.format.span, |option| option.key.span))
    .hint("Leave out detached, or open the database without --read-only."))
}

/// Returns the directory of the files; a last element with `%part%` in it is their name.
fn directory(destination: &Value, options: &mut Options) -> Result<String> {
    if destination.kind == ValueKind::Placeholder {
        return Err(option::placeholder(destination));
    }
    let text = destination.text.as_str();
    let end = text.find('?').filter(|_| text.contains("://")).unwrap_or(text.len());
    let (path, parameters) = text.split_at(end);
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    if !name.contains(PART) {
        option::location(destination)?;
        return Ok(text.to_owned());
    }
    if options.filename.is_some() {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "the names of the files are given twice",
        )
        .at(destination.span)
        .hint("Leave out filename, or %part% in the place."));
    }
    options.filename = Some(name.to_owned());
    let parent = if parent.is_empty() { "/" } else { parent };
    let text = format!("{parent}{parameters}");
    option::location(&Value { text: text.clone(), ..destination.clone() })?;
    Ok(text)
}

/// Lets only root write to places of this machine.
pub(super) fn check_place(planner: &Planner<'_>, url: &str, span: Span) -> Result {
    if planner.is_root() || Location::parse(url)?.is_remote() {
        return Ok(());
    }
    let place = redact(url);
    planner.require_root(&format!("write to \"{place}\"")).map_err(|error| error.at(span))
}

fn compression(options: &Options, kind: Kind) -> OutputCompression {
    let by_name = options.filename.as_deref().map_or(OutputCompression::None, compression_of_name);
    match (options.compression, kind) {
        (Some(given), _) => given,
        (None, Kind::Parquet) => OutputCompression::Snappy,
        (None, _) => by_name,
    }
}

/// Returns the compression that the name of a file promises.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "the name is in lower case")]
pub(super) fn compression_of_name(name: &str) -> OutputCompression {
    let name = name.to_ascii_lowercase();
    if name.ends_with(".gz") {
        OutputCompression::Gzip
    } else if name.ends_with(".zst") {
        OutputCompression::Zstd
    } else {
        OutputCompression::None
    }
}

/// Returns the suffix of compressed text; Parquet is compressed inside.
fn compressed_suffix(compression: OutputCompression) -> &'static str {
    match compression {
        OutputCompression::Gzip => ".gz",
        OutputCompression::Zstd => ".zst",
        OutputCompression::None | OutputCompression::Snappy => "",
    }
}

/// Prints the statement for the job record.
fn description(planner: &Planner<'_>, export: &ast::Export) -> String {
    let mut export = export.clone();
    export.options.sort_by(|one, other| one.key.value.cmp(&other.key.value));
    export.destination.text = (planner.context.absolute.0)(&export.destination.text);
    export.destination.kind = ValueKind::String;
    export.query.text = redact_text(&export.query.text);
    syntax::print(&Statement::Export(export), &redact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::fixture::{Session, fails, planned};

    fn export(sql: &str) -> Export {
        match planned(sql).plan {
            Plan::Export(export) => *export,
            other => panic!("{other:?}"),
        }
    }

    fn export_with(format: &str, options: &str) -> Export {
        export(&format!("EXPORT INTO {format} 'out' WITH {options} FROM TABLE customers"))
    }

    fn export_fails(format: &str, options: &str, code: &str, message: &str) -> Error {
        let sql = format!("EXPORT INTO {format} 'out' WITH {options} FROM TABLE customers");
        fails(&sql, code, message)
    }

    fn filename(export: &Export) -> &str {
        match &export.target {
            ExportTarget::Directory { filename: Some(name), .. } => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plans_rows_place_and_options() {
        let plain = export("EXPORT INTO CSV 'out' FROM SELECT id FROM customers");
        assert_eq!((plain.chunk_rows, plain.chunk_size), (100_000, 32 << 20));
        assert_eq!(
            plain.target,
            ExportTarget::Directory { url: "out".into(), filename: None, suffix: ".csv".into() }
        );
        assert_eq!(plain.description, "EXPORT INTO CSV 'out' FROM SELECT id FROM customers");
        let other = export_with(
            "csv",
            "nullas = 'None', delimiter = '|', header, chunk_rows = '13', chunk_size = '10KB'",
        );
        assert_eq!((other.chunk_rows, other.chunk_size), (13, 10_000));
        let ExportFormat::Rows { layout, header: true, .. } = &other.format else { panic!() };
        assert_eq!((layout.delimiter, layout.null.as_deref()), ('|', Some("None")));
        assert!(other.description.starts_with("EXPORT INTO CSV 'out' WITH chunk_rows = '13', "));
    }

    #[test]
    fn names_files() {
        let one = export_with("csv", "filename = 'c.csv', compression = 'gzip'");
        assert_eq!((filename(&one), one.chunk_rows), ("c.csv.gz", u64::MAX));
        let one = export_with("csv", "filename = 'c.csv.zst'");
        assert_eq!((filename(&one), one.compression), ("c.csv.zst", OutputCompression::Zstd));
        let several = export("EXPORT INTO CSV 'nodelocal://1/d/c-%part%.csv' FROM TABLE customers");
        assert_eq!(filename(&several), "c-%part%.csv");
        let ExportTarget::Directory { url, .. } = &several.target else { panic!() };
        assert_eq!(url, "nodelocal://1/d");
        let twice = "EXPORT INTO CSV 'c-%part%' WITH filename = 'x' FROM TABLE customers";
        fails(twice, "22023", "the names of the files are given twice");
        export_fails("CSV", "filename = 'a/b'", "22023", "invalid filename value: \"a/b\"");
        export_fails("CSV", "filename = 'a', chunk_rows = '5'", "22023", "has no %part%");
    }

    #[test]
    fn compresses_by_format() {
        assert_eq!(export_with("parquet", "overwrite").compression, OutputCompression::Snappy);
    }

    #[test]
    fn refuses_wrong_options() {
        let error = export_fails("CSV", "nulls = ''", "42601", "invalid option \"nulls\"");
        assert_eq!(error.hint_text(), Some("Did you mean \"nullas\"?"));
        export_fails("CSV", "nullas", "42601", "option \"nullas\" requires a value");
        export_fails("CSV", "header = 'x'", "42601", "option \"header\" does not take a value");
        export_fails("CSV", "header, header", "42601", "option \"header\" given twice");
        export_fails("CSV", "nullas = $1", "42P02", "there is no parameter $1");
        export_fails(
            "PARQUET",
            "nullas = ''",
            "42601",
            "invalid option \"nullas\" specified for PARQUET export format",
        );
        export_fails("CSV", "delimiter = 'ab'", "22023", "must be only one character");
        export_fails("CSV", "delimiter = '\"'", "22023", "csv: invalid field or comment delimiter");
        export_fails("CSV", "nullas = 'a,b'", "22023", "nullas must not hold the delimiter");
        export_fails("CSV", "chunk_rows = '0'", "22023", "chunk_rows must be > 0");
        export_fails("CSV", "chunk_rows = 'x'", "22023", "invalid chunk_rows value");
        export_fails("CSV", "chunk_size = '0B'", "22023", "chunk_size must be > 0");
        export_fails("CSV", "chunk_size = 'big'", "22023", "invalid chunk_size value: \"big\"");
        export_fails("CSV", "compression = 'snappy'", "22023", "unsupported compression value");
        export_fails("PARQUET", "compression = 'gzip'", "22023", "unsupported compression value");
        fails(
            "EXPORT INTO XML 'x' FROM TABLE customers",
            "0A000",
            "unsupported export format: \"XML\"",
        );
        fails(
            "EXPORT INTO CSV 'ftp://x/y' FROM TABLE customers",
            "22023",
            "unsupported storage scheme",
        );
        fails("EXPORT INTO CSV $1 FROM TABLE customers", "42P02", "there is no parameter $1");
    }

    #[test]
    fn checks_who_and_when() {
        let sql = "EXPORT INTO CSV 'out' FROM TABLE customers";
        Session::default().in_transaction().fails(
            sql,
            "25001",
            "EXPORT cannot be used inside a transaction",
        );
        Session::default().setting("feature.export.enabled", "false").fails(
            sql,
            "57000",
            "feature EXPORT was disabled by the database administrator",
        );
        let testuser = Session::default().user("testuser");
        testuser.fails(sql, "42501", "only root is allowed to write to \"out\"");
        testuser.fails(
            "EXPORT INTO CSV 's3://b/d?AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY=b' FROM TABLE orders",
            "42501",
            "user testuser does not have SELECT privilege on relation orders",
        );
        Session::default().read_only().planned(sql);
        let detached = "EXPORT INTO CSV 'out' WITH detached FROM TABLE customers";
        let message = "cannot execute EXPORT with detached: the database is open read-only";
        Session::default().read_only().fails(detached, "25006", message);
    }
}
