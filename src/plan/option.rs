//! The options of IMPORT: one table of names, formats, values, meanings and setters, and the checks
//! that come from it.
//!
//! Which keys there are and whether each has a value is checked first, in the order written, then
//! whether the format takes them; the values follow, in the order of the table (spec of IMPORT,
//! "Order of checks").

use super::option_format;
use super::suggestion::did_you_mean;
use super::{
    AvroFormat, CsvFormat, DataFormat, Decompress, DelimitedFormat, FormatKind, FormatName, Header,
    ImportMode, NamedFormat, OnError, PgCopyFormat, RejectTarget, Tolerance,
};
use crate::error::{Error, Notice, Result, SqlState};
use crate::record::Delimiter;
use crate::source::{Location, TextEncoding};
use crate::syntax::ast::{OptionPair, Value, ValueKind};

/// What the options of an IMPORT say.
pub(super) struct Options {
    /// Where temporary files go, with the place of the literal.
    pub temp: Option<Value>,
    /// Where the schema of Avro is, with the place of the literal.
    pub schema_uri: Option<Value>,
    /// Where rows go that are left out, with the place of the literal.
    pub reject: Option<Value>,
    /// A delimiter that only lenient reading takes, with the place of the literal.
    wide_delimiter: Option<Value>,
    /// How the files are written.
    pub format: DataFormat,
    /// What CSV alone needs to know.
    csv: CsvFormat,
    /// What DELIMITED alone needs to know.
    pub(super) delimited: DelimitedFormat,
    /// What PGCOPY alone needs to know.
    pub(super) pgcopy: PgCopyFormat,
    /// What AVRO alone needs to know.
    pub(super) avro: AvroFormat,
    /// What the formats with named fields need to know.
    pub(super) named: NamedFormat,
    /// What becomes of rows that cannot be imported.
    pub tolerance: Tolerance,
    /// What to tell the user about options.
    pub notices: Vec<Notice>,
    /// What IMPORT INTO does with keys that exist.
    pub mode: ImportMode,
    /// Whether the statement returns when the job has begun.
    pub detached: bool,
}

/// Which statement the options belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportKind {
    /// IMPORT TABLE.
    Table,
    /// IMPORT INTO.
    Into,
}

/// The options that IMPORT TABLE does not take: it fills an empty table, and by the rules of
/// CockroachDB 1.1 quotes mean nothing for NULL.
const INTO_ONLY: &[&str] = &["allow_quoted_null", "mode"];

/// The options that say of rows to be left out that they are.
const TOLERANT: &[&str] = &["reject", "max_errors", "experimental_save_rejected"];

/// The most rejects of a file that CockroachDB saves.
const MOST_SAVED: u64 = 1000;

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// No value.
    Flag,
    /// The URL or path of a directory.
    Location,
    /// One character, or nothing.
    Char,
    /// Any text.
    Text,
    /// A whole number.
    Count,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A size in bytes, such as `64MB`.
    Size,
}

/// An option.
pub(super) struct Spec {
    /// Its key.
    pub(super) name: &'static str,
    /// The formats that take it.
    pub(super) of: &'static [FormatName],
    /// What it takes.
    pub(super) takes: Takes,
    /// The value that it has if it is not given, as the reference shows it.
    pub(super) default: &'static str,
    /// What it means.
    pub(super) doc: &'static str,
    /// Checks a value, and keeps it. A flag gets an empty text.
    pub(super) set: fn(&mut Options, &Value) -> Result,
}

/// What the reference and `\h` say of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionHelp {
    /// Its key.
    pub name: &'static str,
    /// The formats that take it; empty if all do.
    pub formats: &'static [FormatName],
    /// What it takes, such as `one character`.
    pub takes: &'static str,
    /// The value that it has if it is not given.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// Every format.
const ALL: &[FormatName] = &[
    FormatName::Csv,
    FormatName::Delimited,
    FormatName::PgCopy,
    FormatName::Json,
    FormatName::NdJson,
    FormatName::Parquet,
    FormatName::Avro,
];

/// The formats of records that follow one another without names.
const LINES: &[FormatName] = &[FormatName::Csv, FormatName::Delimited, FormatName::PgCopy];

/// CSV alone.
const CSV: &[FormatName] = &[FormatName::Csv];

/// The options of IMPORT, in the order in which values are checked. An option whose meaning differs
/// between formats stands once for each.
const OPTIONS: &[Spec] = &[
    Spec {
        name: "temp",
        of: ALL,
        takes: Takes::Location,
        default: "the cluster setting import.default_temp",
        doc: "where temporary files go; IMPORT TABLE must be told, here or by the setting",
        set: |options, value| {
            options.temp = Some(value.clone());
            Ok(())
        },
    },
    Spec {
        name: "delimiter",
        of: CSV,
        takes: Takes::Char,
        default: "','",
        doc: "the character between fields; with lenient up to four bytes",
        set: set_delimiter,
    },
    Spec {
        name: "comment",
        of: CSV,
        takes: Takes::Char,
        default: "none",
        doc: "the character that starts a line to pass over",
        set: |options, value| {
            options.csv.comment = single_character("comment", value)?;
            differ(&options.csv, value)
        },
    },
    Spec {
        name: "quote",
        of: CSV,
        takes: Takes::Char,
        default: "'\"'",
        doc: "the one-byte character around fields that hold delimiters, line ends or quotes; \
              with '' no field is quoted",
        set: set_quote,
    },
    Spec {
        name: "escape",
        of: CSV,
        takes: Takes::Char,
        default: "none",
        doc: "the one-byte character that makes a quote or itself text inside quotes; doubled \
              quotes are one quote always",
        set: set_escape,
    },
    Spec {
        name: "nullif",
        of: CSV,
        takes: Takes::Text,
        default: "none",
        doc: "the text that means NULL: in IMPORT TABLE quoted or not, and without it nothing is \
              NULL; in IMPORT INTO unquoted, and without it an empty field",
        set: |options, value| {
            options.format.nullif = Some(value.text.clone());
            Ok(())
        },
    },
    Spec {
        name: "allow_quoted_null",
        of: CSV,
        takes: Takes::Flag,
        default: "off",
        doc: "IMPORT INTO: a quoted field can be NULL too",
        set: |options, _| {
            options.csv.allow_quoted_null = true;
            Ok(())
        },
    },
    Spec {
        name: "mode",
        of: ALL,
        takes: Takes::Word(&["insert", "upsert", "skip", "replace"]),
        default: "'insert'",
        doc: "IMPORT INTO, for rows whose primary key exists: fail, let the new row replace the old \
              one, or leave the new row out; 'replace' takes away all old rows",
        set: set_mode,
    },
    Spec {
        name: "skip",
        of: LINES,
        takes: Takes::Count,
        default: "'0'",
        doc: "how many records to pass over at the head of each file",
        set: |options, value| {
            options.format.skip = match count("skip", value)? {
                Count::Negative => return Err(invalid("skip must be >= 0", value)),
                Count::Number(number) => number,
            };
            Ok(())
        },
    },
    Spec {
        name: "row_limit",
        of: ALL,
        takes: Takes::Count,
        default: "none",
        doc: "the most records to read of each file, after those passed over",
        set: |options, value| {
            options.format.row_limit = Some(row_limit(value)?);
            Ok(())
        },
    },
    Spec {
        name: "header",
        of: CSV,
        takes: Takes::Word(&["none", "skip", "match"]),
        default: "'none'",
        doc: "what the first record of each file is: data, names to pass over, or names that say \
              which column each field is for; 'match' does not go with skip",
        set: set_header,
    },
    Spec {
        name: "strict_quotes",
        of: CSV,
        takes: Takes::Flag,
        default: "off",
        doc: "refuse a quote that stands where none may be",
        set: |options, _| {
            options.csv.strict_quotes = true;
            Ok(())
        },
    },
    Spec {
        name: "lenient",
        of: CSV,
        takes: Takes::Flag,
        default: "off",
        doc: "read what breaks the rules as well as can be: short records are filled up, long ones \
              cut, quotes that nothing closes are text, lines may end with carriage returns; does \
              not go with strict_quotes",
        set: |options, value| {
            options.csv.lenient = true;
            options.wide_delimiter = None;
            if options.csv.strict_quotes {
                return Err(invalid("lenient cannot be combined with strict_quotes", value)
                    .hint("Leave out one of them."));
            }
            Ok(())
        },
    },
    Spec {
        name: "on_error",
        of: LINES,
        takes: Takes::Word(&["fail", "skip"]),
        default: "'fail', or 'skip' with one of the next three",
        doc: "what becomes of a row that cannot be imported: the import fails, or the row is left \
              out and listed by SHOW REJECTS FOR JOB",
        set: set_on_error,
    },
    Spec {
        name: "reject",
        of: LINES,
        takes: Takes::Location,
        default: "none",
        doc: "the file for the rows that are left out, as they stand in the data files; why is told in \
              a second one, with .reasons.csv behind its name",
        set: set_reject,
    },
    Spec {
        name: "max_errors",
        of: LINES,
        takes: Takes::Count,
        default: "none, or '1000' of each file with experimental_save_rejected",
        doc: "the most rows that may be left out; one more, and the import fails",
        set: set_max_errors,
    },
    Spec {
        name: "experimental_save_rejected",
        of: LINES,
        takes: Takes::Flag,
        default: "off",
        doc: "leave rows out and write those of each file beside it, with .rejected behind its name",
        set: set_save_rejected,
    },
    Spec {
        name: "dry_run",
        of: LINES,
        takes: Takes::Flag,
        default: "off",
        doc: "read and check everything, tell what would happen, with the first errors, and change \
              nothing",
        set: |options, _| {
            options.tolerance.dry_run = true;
            Ok(())
        },
    },
    Spec {
        name: "encoding",
        of: CSV,
        takes: Takes::Text,
        default: "'utf-8'",
        doc: "how the text of the files is encoded: a name of the WHATWG's Encoding Standard, such as \
              'utf-16le', 'latin1' or 'windows-1252'; a byte order mark decides over it",
        set: set_encoding,
    },
    Spec {
        name: "decompress",
        of: ALL,
        takes: Takes::Word(&["auto", "none", "gzip", "bzip", "zstd", "xz"]),
        default: "'auto'",
        doc: "how the files are compressed; auto looks at the suffix (.gz, .bz2, .zst, .xz)",
        set: set_decompress,
    },
    Spec {
        name: "sstsize",
        of: ALL,
        takes: Takes::Size,
        default: "none",
        doc: "accepted for CockroachDB's scripts; no effect",
        set: |options, value| {
            if size(&value.text).is_none() {
                return Err(invalid(&format!("invalid sstsize value: \"{}\"", value.text), value)
                    .hint("Use bytes, such as 1000000, or text such as '64MB'."));
            }
            options.notices.push(Notice::notice("option \"sstsize\" has no effect"));
            Ok(())
        },
    },
    Spec {
        name: "keep_temp",
        of: ALL,
        takes: Takes::Flag,
        default: "off",
        doc: "keep the temporary files when the import ends",
        set: |options, _| {
            options.format.keep_temp = true;
            Ok(())
        },
    },
    Spec {
        name: "disable_glob_matching",
        of: ALL,
        takes: Takes::Flag,
        default: "off",
        doc: "take *, ? and [ in the names of files for themselves",
        set: |options, _| {
            options.format.match_globs = false;
            Ok(())
        },
    },
    Spec {
        name: "detached",
        of: ALL,
        takes: Takes::Flag,
        default: "off",
        doc: "return when the job has begun, with its number",
        set: set_detached,
    },
];

/// Returns the options of all formats.
fn specs() -> impl Iterator<Item = &'static Spec> {
    OPTIONS.iter().chain(option_format::OPTIONS)
}

/// Returns what the reference says of each option of IMPORT, in the order of the table.
pub fn option_help() -> Vec<OptionHelp> {
    specs()
        .map(|spec| OptionHelp {
            name: spec.name,
            formats: if spec.of.len() == ALL.len() { &[] } else { spec.of },
            takes: spec.takes.words(),
            default: spec.default,
            doc: spec.doc,
        })
        .collect()
}

impl Takes {
    /// Returns what the reference says of the value.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Flag => "no value",
            Self::Location => "a URL or path",
            Self::Char => "one character",
            Self::Text => "text",
            Self::Count => "a whole number in quotes",
            Self::Word(words) => match words {
                ["none", "skip", "match"] => "'none', 'skip' or 'match'",
                ["insert", ..] => "'insert', 'upsert', 'skip' or 'replace'",
                ["fail", "skip"] => "'fail' or 'skip'",
                _ => "'auto', 'none', 'gzip', 'bzip', 'zstd' or 'xz'",
            },
            Self::Size => "a size such as '64MB'",
        }
    }
}

/// Options whose keys have been checked.
pub(super) struct Given<'a>(Vec<(&'static Spec, &'a OptionPair)>);

/// Checks the keys: each is known, stands there once, and has a value if and only if it takes one.
pub(super) fn check_keys(pairs: &[OptionPair], kind: ImportKind) -> Result<Given<'_>> {
    let mut given: Vec<(&'static Spec, &OptionPair)> = Vec::new();
    for pair in pairs {
        let key = &pair.key;
        let Some(spec) = specs().find(|spec| spec.name == key.value) else {
            let error =
                Error::new(SqlState::SYNTAX_ERROR, format!("invalid option \"{}\"", key.value));
            let known = specs().map(|spec| spec.name);
            return Err(did_you_mean(error.at(key.span), &key.value, known));
        };
        let name = spec.name;
        if kind == ImportKind::Table && INTO_ONLY.contains(&name) {
            return Err(Error::new(SqlState::SYNTAX_ERROR, format!("invalid option \"{name}\""))
                .at(key.span)
                .hint(format!("{name} is an option of IMPORT INTO.")));
        }
        if given.iter().any(|(each, _)| each.name == name) {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("option \"{name}\" given twice"),
            )
            .at(key.span));
        }
        match (&pair.value, spec.takes) {
            (None, Takes::Flag) => {}
            (None, _) => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("option \"{name}\" requires a value"),
                )
                .at(key.span));
            }
            (Some(value), Takes::Flag) => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("option \"{name}\" does not take a value"),
                )
                .at(value.span));
            }
            (Some(value), _) if value.kind == ValueKind::Placeholder => {
                return Err(placeholder(value));
            }
            (Some(_), _) => {}
        }
        given.push((spec, pair));
    }
    Ok(Given(given))
}

impl Given<'_> {
    /// Requires the format to take each option.
    pub(super) fn check_format(&self, format: FormatName) -> Result {
        for (spec, pair) in &self.0 {
            let name = spec.name;
            if specs().any(|spec| spec.name == name && spec.of.contains(&format)) {
                continue;
            }
            let word = format.word();
            let message = format!("invalid option \"{name}\" specified for {word} import format");
            let takers: Vec<&str> = specs()
                .filter(|spec| spec.name == name)
                .flat_map(|spec| spec.of.iter().map(|format| format.word()))
                .collect();
            return Err(Error::new(SqlState::SYNTAX_ERROR, message)
                .at(pair.key.span)
                .hint(format!("It is an option of {}.", takers.join(", "))));
        }
        Ok(())
    }

    /// Checks the values, in the order of the table.
    pub(super) fn read(&self, format: FormatName) -> Result<Options> {
        let mut options = Options::new(format);
        let mentions = |name: &str| self.0.iter().any(|(spec, _)| spec.name == name);
        let tolerant = TOLERANT.iter().any(|name| mentions(name));
        if tolerant && !mentions("on_error") {
            options.tolerance.on_error = OnError::Skip;
        }
        for spec in specs().filter(|spec| spec.of.contains(&format)) {
            let Some((_, pair)) = self.0.iter().find(|(each, _)| each.name == spec.name) else {
                continue;
            };
            let flag = Value { text: String::new(), kind: ValueKind::Word, span: pair.key.span };
            (spec.set)(&mut options, pair.value.as_ref().unwrap_or(&flag))?;
        }
        if !options.delimited.is_clear() {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "separators, enclosure and escape of DELIMITED files must differ",
            ));
        }
        if let Some(problem) = options.avro.problem() {
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, problem));
        }
        single_delimiter(options.wide_delimiter.as_ref())?;
        options.finish(format);
        Ok(options)
    }
}

impl Options {
    /// Returns the options of a statement that gives none.
    fn new(format: FormatName) -> Self {
        let mut options = Self {
            temp: None,
            schema_uri: None,
            reject: None,
            wide_delimiter: None,
            format: DataFormat {
                nullif: None,
                decompress: Decompress::Auto,
                skip: 0,
                row_limit: None,
                keep_temp: false,
                match_globs: true,
                kind: FormatKind::Csv(CsvFormat::default()),
            },
            csv: CsvFormat::default(),
            delimited: DelimitedFormat::default(),
            pgcopy: PgCopyFormat::default(),
            avro: AvroFormat::default(),
            named: NamedFormat::default(),
            tolerance: Tolerance::default(),
            notices: Vec::new(),
            mode: ImportMode::Insert,
            detached: false,
        };
        options.finish(format);
        options
    }

    /// Puts what the format alone needs to know into `format`.
    fn finish(&mut self, format: FormatName) {
        self.format.kind = match format {
            FormatName::Csv => FormatKind::Csv(self.csv.clone()),
            FormatName::Delimited => FormatKind::Delimited(self.delimited.clone()),
            FormatName::PgCopy => FormatKind::PgCopy(self.pgcopy.clone()),
            FormatName::Json => FormatKind::Json(self.named.clone()),
            FormatName::Avro => FormatKind::Avro(self.avro.clone()),
            FormatName::Parquet => FormatKind::Parquet(self.named.clone()),
            FormatName::NdJson => FormatKind::NdJson(self.named.clone()),
        };
    }
}

/// Returns the error that a placeholder stands for nothing.
pub(super) fn placeholder(value: &Value) -> Error {
    Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${}", value.text))
        .at(value.span)
}

/// Checks the form of a URL or path, without looking at what it names.
pub(super) fn location(value: &Value) -> Result {
    if value.kind == ValueKind::Placeholder {
        return Err(placeholder(value));
    }
    Location::parse(&value.text).map(|_| ()).map_err(|error| error.at(value.span))
}

pub(super) fn invalid(message: &str, value: &Value) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(value.span)
}

/// Returns the one character that a value is, or nothing if it is empty.
fn single_character(name: &str, value: &Value) -> Result<Option<char>> {
    let mut characters = value.text.chars();
    let Some(first) = characters.next() else { return Ok(None) };
    if first == char::REPLACEMENT_CHARACTER {
        let message = format!("invalid {name} value: invalid character: \"{first}\"");
        return Err(invalid(&message, value));
    }
    if characters.next().is_some() {
        let error = invalid(&format!("invalid {name} value: must be only one character"), value);
        return Err(match value.text.as_str() {
            "\\t" => error.hint("Write a tab as e'\\t'."),
            text if name == "comma" && Delimiter::new(text).is_some() => {
                error.hint("With the option lenient, a delimiter may have several characters.")
            }
            _ => error,
        });
    }
    if unusable_in_csv(first) {
        return Err(invalid_in_csv(value)
            .detail("A line break, a NUL or a quote cannot separate fields or start a comment."));
    }
    Ok(Some(first))
}

/// Sets the delimiter; several characters are one for lenient reading alone.
fn set_delimiter(options: &mut Options, value: &Value) -> Result {
    let several = value.text.chars().count() > 1;
    options.csv.delimiter = match Delimiter::new(&value.text) {
        Some(delimiter) if several && !value.text.contains(unusable_in_csv) => {
            options.wide_delimiter = Some(value.clone());
            delimiter
        }
        _ => single_character("comma", value)?.unwrap_or(',').into(),
    };
    Ok(())
}

/// Refuses a delimiter of several characters.
fn single_delimiter(wide: Option<&Value>) -> Result {
    wide.map_or(Ok(()), |value| single_character("comma", value).map(|_| ()))
}

/// Refuses a comment character that the delimiter starts with.
fn differ(format: &CsvFormat, value: &Value) -> Result {
    if format.comment.is_some_and(|comment| format.delimiter.as_str().starts_with(comment)) {
        return Err(invalid_in_csv(value).detail("The delimiter and the comment must differ."));
    }
    Ok(())
}

/// Returns whether a character can neither separate fields nor start a comment.
fn unusable_in_csv(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\0' | '"')
}

fn invalid_in_csv(value: &Value) -> Error {
    invalid("csv: invalid field or comment delimiter", value)
}

/// A count that someone wrote.
enum Count {
    /// Below zero.
    Negative,
    /// Zero or more.
    Number(u64),
}

fn count(name: &str, value: &Value) -> Result<Count> {
    let text = value.text.as_str();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let why = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match digits.parse::<u64>() {
            Ok(0) => return Ok(Count::Number(0)),
            Ok(_) if negative => return Ok(Count::Negative),
            Ok(number) => return Ok(Count::Number(number)),
            Err(_) => "value out of range",
        }
    };
    Err(invalid(&format!("invalid {name} value: parsing \"{text}\": {why}"), value))
}

fn set_on_error(options: &mut Options, value: &Value) -> Result {
    options.tolerance.on_error = match value.text.to_lowercase().as_str() {
        "fail" => OnError::Fail,
        "skip" => OnError::Skip,
        _ => {
            let message = format!("invalid on_error value: \"{}\"", value.text);
            return Err(invalid(&message, value).hint("Use 'fail' or 'skip'."));
        }
    };
    Ok(())
}

fn set_max_errors(options: &mut Options, value: &Value) -> Result {
    options.tolerance.max_errors = match count("max_errors", value)? {
        Count::Negative => return Err(invalid("max_errors must be >= 0", value)),
        Count::Number(number) => Some(number),
    };
    require_skip("max_errors", options, value)
}

fn set_reject(options: &mut Options, value: &Value) -> Result {
    if value.text.is_empty() {
        return Err(invalid("reject must name a file", value));
    }
    options.reject = Some(value.clone());
    options.tolerance.reject = RejectTarget::File(value.text.clone());
    require_skip("reject", options, value)
}

fn set_save_rejected(options: &mut Options, value: &Value) -> Result {
    if options.reject.is_some() {
        return Err(invalid("experimental_save_rejected cannot be combined with reject", value)
            .hint("Leave out one of them."));
    }
    options.tolerance.reject = RejectTarget::BesideFiles;
    options.tolerance.max_errors.get_or_insert(MOST_SAVED);
    require_skip("experimental_save_rejected", options, value)
}

/// Refuses what is said of rows to be left out if none are.
fn require_skip(name: &str, options: &Options, value: &Value) -> Result {
    if options.tolerance.on_error == OnError::Skip {
        return Ok(());
    }
    Err(invalid(&format!("{name} cannot be combined with on_error = 'fail'"), value)
        .hint(format!("Use on_error = 'skip', or leave out {name}.")))
}

fn set_detached(options: &mut Options, value: &Value) -> Result {
    if options.tolerance.dry_run {
        return Err(invalid("detached cannot be combined with dry_run", value)
            .hint("Leave out detached: what is only tried is no job."));
    }
    options.detached = true;
    Ok(())
}

fn set_encoding(options: &mut Options, value: &Value) -> Result {
    let encoding = TextEncoding::of_label(&value.text).ok_or_else(|| {
        invalid(&format!("invalid encoding value: \"{}\"", value.text), value).hint(
            "Use a name of the WHATWG's Encoding Standard, such as 'utf-8', 'utf-16le' or \
             'windows-1252'.",
        )
    })?;
    options.csv.encoding = Some(encoding);
    Ok(())
}

fn set_quote(options: &mut Options, value: &Value) -> Result {
    options.csv.quote = single_byte("quote", value)?;
    match options.csv.quote {
        Some(quote) => apart_from_others("quote", quote, &options.csv, value),
        None => Ok(()),
    }
}

fn set_escape(options: &mut Options, value: &Value) -> Result {
    options.csv.escape = single_byte("escape", value)?;
    let Some(escape) = options.csv.escape else { return Ok(()) };
    if options.csv.quote.is_none() {
        return Err(invalid("escape cannot be combined with quote = ''", value)
            .hint("Leave out escape: without quotes there is nothing to escape."));
    }
    apart_from_others("escape", escape, &options.csv, value)
}

/// Returns the one-byte character that a value is, or nothing if it is empty.
fn single_byte(name: &str, value: &Value) -> Result<Option<u8>> {
    let refused = |why: &str| Err(invalid(&format!("invalid {name} value: {why}"), value));
    match value.text.as_bytes() {
        [] => Ok(None),
        [b'\n' | b'\r' | 0] => refused("must not be a line break or NUL"),
        [byte] => Ok(Some(*byte)),
        _ if value.text.chars().count() > 1 => refused("must be only one character"),
        _ => refused("must be a one-byte character"),
    }
}

/// Refuses a quote or an escape that is the delimiter or the comment too.
fn apart_from_others(name: &str, byte: u8, format: &CsvFormat, value: &Value) -> Result {
    let other = if format.delimiter.as_str().as_bytes().contains(&byte) {
        "delimiter"
    } else if format.comment == Some(char::from(byte)) {
        "comment"
    } else {
        return Ok(());
    };
    Err(invalid(&format!("{name} and {other} must differ"), value))
}

fn set_header(options: &mut Options, value: &Value) -> Result {
    options.csv.header = match value.text.to_lowercase().as_str() {
        "none" => Header::None,
        "skip" => Header::Skip,
        "match" => Header::Match,
        _ => {
            let message = format!("invalid header value: \"{}\"", value.text);
            return Err(invalid(&message, value).hint("Use 'none', 'skip' or 'match'."));
        }
    };
    if options.csv.header == Header::Match && options.format.skip > 0 {
        return Err(invalid("header = 'match' cannot be combined with skip", value)
            .hint("Leave out skip: the first record is the header."));
    }
    Ok(())
}

fn set_mode(options: &mut Options, value: &Value) -> Result {
    options.mode = match value.text.to_lowercase().as_str() {
        "insert" => ImportMode::Insert,
        "upsert" => ImportMode::Upsert,
        "skip" => ImportMode::Skip,
        "replace" => ImportMode::Replace,
        _ => {
            let message = format!("invalid mode value: \"{}\"", value.text);
            return Err(
                invalid(&message, value).hint("Use 'insert', 'upsert', 'skip' or 'replace'.")
            );
        }
    };
    Ok(())
}

/// Reads a `row_limit`.
pub(super) fn row_limit(value: &Value) -> Result<u64> {
    match count("numeric row_limit", value)? {
        Count::Negative | Count::Number(0) => Err(invalid("row_limit must be > 0", value)),
        Count::Number(number) => Ok(number),
    }
}

fn set_decompress(options: &mut Options, value: &Value) -> Result {
    options.format.decompress = decompress(value)?;
    Ok(())
}

/// Reads a `decompress`.
pub(super) fn decompress(value: &Value) -> Result<Decompress> {
    Ok(match value.text.to_lowercase().as_str() {
        "auto" => Decompress::Auto,
        "none" => Decompress::None,
        "gzip" => Decompress::Gzip,
        "bzip" => Decompress::Bzip,
        "zstd" => Decompress::Zstd,
        "xz" => Decompress::Xz,
        _ => {
            let message = format!("unsupported compression value: \"{}\"", value.text);
            return Err(invalid(&message, value)
                .hint("Use 'auto', 'none', 'gzip', 'bzip', 'zstd' or 'xz'."));
        }
    })
}

/// Returns how many bytes a size means as people write it: `10`, `10B`, `10K`, `1.5 GiB`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no size is below zero, and one above the largest number becomes that"
)]
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_lowercase();
    let thousand = if unit.ends_with("ib") { 1024.0_f64 } else { 1000.0 };
    let prefix = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match prefix {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * thousand.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{import_fails, import_with};

    fn check(with: &str, expected: impl Fn(&DataFormat) -> bool) {
        assert!(expected(&import_with(with).format), "{with}");
    }

    fn check_csv(with: &str, expected: impl Fn(&CsvFormat) -> bool) {
        let FormatKind::Csv(csv) = import_with(with).format.kind else { panic!("{with}") };
        assert!(expected(&csv), "{with}");
    }

    #[test]
    fn every_option_has_words() {
        for help in option_help() {
            assert!(!help.takes.is_empty() && !help.doc.is_empty() && !help.default.is_empty());
            assert!(!help.doc.ends_with('.'), "{}", help.name);
        }
    }

    #[test]
    fn reads_each_option() {
        check_csv("delimiter = '|'", |format| format.delimiter == '|'.into());
        check_csv("delimiter = e'\\t'", |format| format.delimiter == '\t'.into());
        check_csv("delimiter = ''", |format| format.delimiter == ','.into());
        check_csv("delimiter = '\u{2713}'", |format| format.delimiter == '\u{2713}'.into());
        check_csv("comment = '#'", |format| format.comment == Some('#'));
        check_csv("comment = ''", |format| format.comment.is_none());
        check_csv("quote = ''''", |format| format.quote == Some(b'\''));
        check_csv("quote = ''", |format| format.quote.is_none());
        check_csv("escape = '\\'", |format| format.escape == Some(b'\\'));
        check_csv("escape = ''", |format| format.escape.is_none());
        check_csv("escape = '|', quote = '|'", |format| format.escape == Some(b'|'));
        check("nullif = ''", |format| format.nullif.as_deref() == Some(""));
        check("\"nullif\" = 'N'", |format| format.nullif.as_deref() == Some("N"));
        check("skip = '2'", |format| format.skip == 2);
        check("row_limit = '3'", |format| format.row_limit == Some(3));
        check_csv("header = 'skip'", |format| format.header == Header::Skip);
        check_csv("header = 'MATCH'", |format| format.header == Header::Match);
        check_csv("header = 'match', skip = '0'", |format| format.header == Header::Match);
        check_csv("strict_quotes", |format| format.strict_quotes);
        assert!(import_with("dry_run").tolerance.dry_run);
        check_csv("lenient", |format| format.lenient);
        check_csv("encoding = 'UTF_16'", |format| {
            format.encoding.is_some_and(|encoding| encoding.name() == "UTF-16LE")
        });
        check("decompress = gzip", |format| format.decompress == Decompress::Gzip);
        check("decompress = 'XZ'", |format| format.decompress == Decompress::Xz);
        check("sstsize = '10B'", |format| !format.keep_temp);
        check("KEEP_TEMP", |format| format.keep_temp);
    }

    #[test]
    fn refuses_wrong_keys() {
        let error = import_fails("foo = 'bar'", "42601", "invalid option \"foo\"");
        assert_eq!(error.hint_text(), None);
        let error = import_fails("delimeter = '|'", "42601", "invalid option \"delimeter\"");
        assert_eq!(error.hint_text(), Some("Did you mean \"delimiter\"?"));
        for key in ["into_db", "transform", "distributed", "local"] {
            let message = format!("invalid option \"{key}\"");
            import_fails(&format!("{key} = 'x'"), "42601", &message);
        }
        import_fails("skip", "42601", "option \"skip\" requires a value");
        import_fails(
            "strict_quotes = 'x'",
            "42601",
            "option \"strict_quotes\" does not take a value",
        );
        import_fails("skip = '1', skip = '2'", "42601", "option \"skip\" given twice");
        import_fails("skip = $1", "42P02", "there is no parameter $1");
    }

    #[test]
    fn refuses_delimiters_that_are_not_one_character() {
        let message = "invalid comma value: must be only one character";
        import_fails("delimiter = 'ab'", "22023", message);
        let error = import_fails("delimiter = '\\t'", "22023", message);
        assert_eq!(error.hint_text(), Some("Write a tab as e'\\t'."));
        import_fails("delimiter = '\u{fffd}'", "22023", "invalid comma value: invalid character");
        import_fails("comment = '//'", "22023", "invalid comment value: must be only one");
        let message = "csv: invalid field or comment delimiter";
        import_fails("delimiter = e'\\n'", "22023", message);
        import_fails("delimiter = '#', comment = '#'", "22023", message);
        import_fails("comment = ','", "22023", message);
    }

    #[test]
    fn reads_what_becomes_of_faulty_rows() {
        let check = |with: &str, on_error, max_errors| {
            let expected = Tolerance { on_error, max_errors, ..Tolerance::default() };
            assert_eq!(import_with(with).tolerance, expected, "{with}");
        };
        check("skip = '0'", OnError::Fail, None);
        check("on_error = 'fail'", OnError::Fail, None);
        check("on_error = SKIP", OnError::Skip, None);
        check("max_errors = '3', on_error = 'skip'", OnError::Skip, Some(3));
        check("max_errors = '0'", OnError::Skip, Some(0));
        let place = |with: &str| import_with(with).tolerance;
        let expected = Tolerance {
            on_error: OnError::Skip,
            reject: RejectTarget::File("bad.csv".to_owned()),
            ..Tolerance::default()
        };
        assert_eq!(place("reject = 'bad.csv'"), expected);
        let expected = Tolerance {
            reject: RejectTarget::BesideFiles,
            max_errors: Some(MOST_SAVED),
            ..expected
        };
        assert_eq!(place("experimental_save_rejected"), expected);
        let expected = Tolerance { max_errors: Some(7), ..expected };
        assert_eq!(place("experimental_save_rejected, max_errors = '7'"), expected);
        import_fails("reject = ''", "22023", "reject must name a file");
        import_fails("reject = 'ftp://h/f'", "22023", "unsupported storage scheme: \"ftp\"");
        let both = "experimental_save_rejected cannot be combined with reject";
        import_fails("experimental_save_rejected, reject = 'bad.csv'", "22023", both);
        for option in ["reject = 'bad.csv'", "experimental_save_rejected"] {
            import_fails(
                &format!("on_error = 'fail', {option}"),
                "22023",
                "cannot be combined with on_error = 'fail'",
            );
        }
        import_fails("on_error = 'stop'", "22023", "invalid on_error value: \"stop\"");
        import_fails("max_errors = '-1'", "22023", "max_errors must be >= 0");
        let message = "detached cannot be combined with dry_run";
        import_fails("detached, dry_run", "22023", message);
        import_fails("max_errors = 'x'", "22023", "invalid max_errors value: parsing \"x\"");
        let message = "max_errors cannot be combined with on_error = 'fail'";
        import_fails("max_errors = '1', on_error = 'fail'", "22023", message);
        import_fails("lenient, strict_quotes", "22023", "lenient cannot be combined with");
        import_fails("encoding = 'klingon'", "22023", "invalid encoding value: \"klingon\"");
    }

    #[test]
    fn refuses_quotes_and_escapes_that_are_not_one_byte() {
        import_fails("quote = 'ab'", "22023", "invalid quote value: must be only one character");
        import_fails("quote = '\u{2713}'", "22023", "quote value: must be a one-byte character");
        import_fails("quote = e'\\n'", "22023", "quote value: must not be a line break or NUL");
        import_fails("quote = ','", "22023", "quote and delimiter must differ");
        import_fails("quote = '#', comment = '#'", "22023", "quote and comment must differ");
        import_fails("escape = '\\\\'", "22023", "escape value: must be only one character");
        import_fails("escape = ','", "22023", "escape and delimiter must differ");
        import_fails("escape = '\\', quote = ''", "22023", "cannot be combined with quote = ''");
    }

    #[test]
    fn refuses_wrong_values() {
        import_fails("skip = '-1'", "22023", "skip must be >= 0");
        import_fails(
            "skip = 'abc'",
            "22023",
            "invalid skip value: parsing \"abc\": invalid syntax",
        );
        import_fails("skip = ''", "22023", "invalid skip value");
        import_fails("skip = '99999999999999999999'", "22023", "value out of range");
        import_fails("row_limit = '0'", "22023", "row_limit must be > 0");
        import_fails("row_limit = '-5'", "22023", "row_limit must be > 0");
        import_fails(
            "row_limit = 'abc'",
            "22023",
            "invalid numeric row_limit value: parsing \"abc\"",
        );
        import_fails("header = 'yes'", "22023", "invalid header value: \"yes\"");
        import_fails("decompress = 'zip'", "22023", "unsupported compression value: \"zip\"");
        import_fails("sstsize = 'big'", "22023", "invalid sstsize value: \"big\"");
        import_fails("header = 'match', skip = '1'", "22023", "cannot be combined with skip");
    }

    #[test]
    fn knows_sizes() {
        assert_eq!(size("10GB"), Some(10_000_000_000));
        assert_eq!(size("1.5 KiB"), Some(1536));
        for size in ["10", "10B", "10K", "10KB", "64MB", "1.5 GiB", "10k"] {
            assert!(super::size(size).is_some(), "{size}");
        }
        for size in ["", "B", "x", "10X", "1.2.3", "-1", "10 KBB"] {
            assert!(super::size(size).is_none(), "{size}");
        }
    }
}
