//! The options of COPY, as PostgreSQL has them: which go together, and what their values are.

use super::CopyData;
use super::export::ForceQuote;
use super::option::option_help;
use super::setting::parse_bool;
use super::suggestion::did_you_mean;
use crate::error::{Error, Result, Span, SqlState};
use crate::record::{Dialect, PgCopyFormat, RowLayout, RowStyle, TextFormat};
use crate::syntax::ast::{CopyOption, CopyValue, Ident, OptionPair, Value, ValueKind};

/// Every option, lower case, in the order of the reference.
pub const COPY_OPTIONS: &[&str] = &[
    "format",
    "delimiter",
    "null",
    "header",
    "quote",
    "escape",
    "force_quote",
    "force_not_null",
    "force_null",
    "on_error",
    "reject_limit",
    "encoding",
    "log_verbosity",
    "freeze",
    "default",
    "compression",
    "overwrite",
];

/// The most bytes of a row of COPY FROM STDIN, as PostgreSQL has it.
const LONGEST_ROW: usize = 1 << 30;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Csv,
    Json,
    NdJson,
    Parquet,
}

/// What the first row of a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CopyHeader {
    #[default]
    None,
    Names,
    Match,
}

/// The options of a COPY.
#[derive(Clone, Debug, Default)]
pub(super) struct CopyOptions<'a> {
    given: Vec<&'a CopyOption>,
    pub(super) from: bool,
    pub(super) format: Option<Format>,
    pub(super) delimiter: Option<char>,
    pub(super) null: Option<String>,
    pub(super) header: CopyHeader,
    pub(super) quote: Option<char>,
    pub(super) escape: Option<char>,
    pub(super) force_quote: ForceQuote,
    pub(super) compression: Option<&'a Value>,
    pub(super) overwrite: bool,
}

/// Reads the options of a COPY in either direction.
pub(super) fn read(options: &[CopyOption], from: bool) -> Result<CopyOptions<'_>> {
    let mut read = CopyOptions { from, ..CopyOptions::default() };
    for option in options {
        let name = option.name.value.as_str();
        if !COPY_OPTIONS.contains(&name) {
            let error = syntax(format!("option \"{name}\" not recognized"), option);
            return Err(did_you_mean(error, name, COPY_OPTIONS.iter().copied()));
        }
        if read.is_given(name) {
            return Err(syntax("conflicting or redundant options".to_owned(), option));
        }
        read.set(option)?;
        read.given.push(option);
    }
    read.check_together()?;
    Ok(read)
}

impl<'a> CopyOptions<'a> {
    fn set(&mut self, option: &'a CopyOption) -> Result {
        match option.name.value.as_str() {
            "format" => self.format = Some(format(option)?),
            "delimiter" => self.delimiter = Some(delimiter(option)?),
            "null" => self.null = Some(null(option)?),
            "header" => self.header = header(option, self.from)?,
            "quote" => self.quote = Some(single_character("quote", option)?),
            "escape" => self.escape = Some(single_character("escape", option)?),
            "force_quote" => self.force_quote = force_quote(option)?,
            "encoding" if !self.from => encoding(option)?,
            "freeze" => refuse_if(boolean(option)?, "COPY FREEZE", option)?,
            "default" => refuse_if(true, "option \"default\" of COPY", option)?,
            "compression" => self.compression = Some(parameter(option)?),
            "overwrite" => self.overwrite = boolean(option)?,
            // What reading alone has is read where rows are read.
            _ => {}
        }
        Ok(())
    }

    fn option(&self, name: &str) -> Option<&'a CopyOption> {
        self.given.iter().copied().find(|option| option.name.value == name)
    }

    fn is_given(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    /// Returns the options of the IMPORT INTO that a COPY FROM means.
    pub(super) fn of_import(&self) -> Result<Vec<OptionPair>> {
        let mut pairs = Vec::new();
        for option in &self.given {
            let Some((name, value)) = of_import(option)? else { continue };
            // Doubled quotes are one quote always.
            if name == "escape" && self.escape == Some(self.quote.unwrap_or('"')) {
                continue;
            }
            if option_help().iter().all(|help| help.name != name) {
                let given = option.name.value.to_ascii_uppercase();
                return Err(Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("COPY {given} is not supported with COPY FROM yet"),
                )
                .at(option.name.span));
            }
            let key = Ident { value: name.to_owned(), span: option.name.span };
            let value = value.map(|text| {
                let span = place(option);
                Value { text, kind: ValueKind::String, span }
            });
            pairs.push(OptionPair { key, value });
        }
        Ok(pairs)
    }

    /// Returns how the rows of COPY FROM STDIN, which stands at `place`, are written.
    pub(super) fn of_data(&self, place: Span) -> Result<CopyData> {
        let refused = |what: String, span: Span| {
            Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("COPY {what} is not supported with COPY FROM STDIN"),
            )
            .at(span)
            .hint("Write the rows to a file, and name the file.")
        };
        for option in &self.given {
            let meant = of_import(option)?;
            let known = match &meant {
                None | Some(("delimiter" | "nullif", _)) => true,
                Some(("quote" | "escape", value)) => value.as_ref().is_some_and(|it| it.is_ascii()),
                Some((name, value)) => *name == "header" && value.as_deref() == Some("skip"),
            };
            if !known {
                return Err(refused(option.name.value.to_ascii_uppercase(), option.name.span));
            }
        }
        let format = self.format.unwrap_or(Format::Text);
        let layout = self.layout(format);
        let null = layout.null.unwrap_or_default();
        let text = match format {
            Format::Csv => {
                let quote = self.quote.unwrap_or('"');
                let escape = self.escape.filter(|escape| *escape != quote);
                TextFormat::Csv(Dialect {
                    delimiter: layout.delimiter.into(),
                    quote: u8::try_from(quote).ok(),
                    escape: escape.and_then(|escape| u8::try_from(escape).ok()),
                    ..Dialect::default()
                })
            }
            Format::Text => TextFormat::PgCopy(PgCopyFormat {
                delimiter: layout.delimiter,
                null: null.clone(),
                max_row_size: LONGEST_ROW,
            }),
            Format::Json => return Err(refused("FORMAT json".to_owned(), place)),
            Format::NdJson => return Err(refused("FORMAT ndjson".to_owned(), place)),
            Format::Parquet => return Err(refused("FORMAT parquet".to_owned(), place)),
        };
        Ok(CopyData { format: text, null, header: self.header == CopyHeader::Names })
    }

    /// Refuses options that the direction or the format does not have.
    fn check_together(&self) -> Result {
        let (only_to, only_from): (&[&str], &[&str]) = (
            &["force_quote", "compression", "overwrite"],
            &[
                "force_not_null",
                "force_null",
                "on_error",
                "reject_limit",
                "log_verbosity",
                "freeze",
            ],
        );
        let (wrong, direction) =
            if self.from { (only_to, "COPY FROM") } else { (only_from, "COPY TO") };
        if let Some(option) = wrong.iter().find_map(|name| self.option(name)) {
            let name = option.name.value.to_ascii_uppercase();
            return Err(invalid(format!("COPY {name} cannot be used with {direction}"), option));
        }
        let ignores = |option: &CopyOption| match &option.value {
            CopyValue::Value(value) => value.text.eq_ignore_ascii_case("ignore"),
            _ => false,
        };
        if let Some(option) = self.option("reject_limit")
            && !self.option("on_error").is_some_and(ignores)
        {
            let message = "COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE";
            return Err(invalid(message, option));
        }
        let format = self.format.unwrap_or(Format::Text);
        if format != Format::Csv {
            let csv = ["quote", "escape", "force_quote", "force_not_null", "force_null"];
            if let Some(option) = csv.iter().find_map(|name| self.option(name)) {
                let name = option.name.value.to_ascii_uppercase();
                return Err(invalid(format!("COPY {name} requires CSV mode"), option));
            }
        }
        if !matches!(format, Format::Text | Format::Csv) {
            let text = ["delimiter", "null", "header"];
            if let Some(option) = text.iter().find_map(|name| self.option(name)) {
                let name = option.name.value.to_ascii_uppercase();
                return Err(invalid(format!("COPY {name} requires text or CSV mode"), option));
            }
        }
        self.check_characters(format)
    }

    /// Refuses what is said of faulty rows if the format of the file has none of its own.
    pub(super) fn check_tolerance(&self, format: Format) -> Result {
        let option = ["on_error", "reject_limit"].iter().find_map(|name| self.option(name));
        match option.filter(|_| !matches!(format, Format::Text | Format::Csv)) {
            Some(option) => {
                let name = option.name.value.to_ascii_uppercase();
                Err(invalid(format!("COPY {name} requires text or CSV mode"), option))
            }
            None => Ok(()),
        }
    }

    /// Refuses characters that cannot be told from each other.
    fn check_characters(&self, format: Format) -> Result {
        let at = |name: &str, message: &str| match self.option(name) {
            Some(option) => invalid(message, option),
            None => Error::new(SqlState::INVALID_PARAMETER_VALUE, message),
        };
        let layout = self.layout(format);
        let null = layout.null.as_deref().unwrap_or_default();
        match layout.style {
            RowStyle::Escaped => {
                if "\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(layout.delimiter) {
                    let message = format!("COPY delimiter cannot be \"{}\"", layout.delimiter);
                    return Err(at("delimiter", &message));
                }
            }
            RowStyle::Quoted { quote, .. } => {
                if quote == layout.delimiter {
                    return Err(at("delimiter", "COPY delimiter and quote must be different"));
                }
                if null.contains(quote) {
                    let message = "CSV quote character must not appear in the NULL specification";
                    return Err(at("null", message));
                }
            }
        }
        if null.contains(layout.delimiter) {
            let message = "COPY delimiter character must not appear in the NULL specification";
            return Err(at("null", message));
        }
        Ok(())
    }

    /// Returns how rows of text are written.
    pub(super) fn layout(&self, format: Format) -> RowLayout {
        if format == Format::Csv {
            let quote = self.quote.unwrap_or('"');
            return RowLayout {
                delimiter: self.delimiter.unwrap_or(','),
                null: Some(self.null.clone().unwrap_or_default()),
                style: RowStyle::Quoted { quote, escape: self.escape.unwrap_or(quote) },
            };
        }
        RowLayout {
            delimiter: self.delimiter.unwrap_or('\t'),
            null: Some(self.null.clone().unwrap_or_else(|| "\\N".to_owned())),
            style: RowStyle::Escaped,
        }
    }
}

fn place(option: &CopyOption) -> Span {
    match &option.value {
        CopyValue::Value(value) => value.span,
        _ => option.name.span,
    }
}

fn syntax(message: String, option: &CopyOption) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message).at(option.name.span)
}

fn invalid(message: impl Into<String>, option: &CopyOption) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(place(option))
}

fn refuse_if(refused: bool, what: &str, option: &CopyOption) -> Result {
    if !refused {
        return Ok(());
    }
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
        .at(option.name.span))
}

/// Returns the value of an option that needs one.
fn parameter(option: &CopyOption) -> Result<&Value> {
    match &option.value {
        CopyValue::Value(value) if value.kind == ValueKind::Placeholder => {
            Err(super::option::placeholder(value))
        }
        CopyValue::Value(value) => Ok(value),
        _ => Err(syntax(format!("{} requires a parameter", option.name.value), option)),
    }
}

fn boolean(option: &CopyOption) -> Result<bool> {
    if option.value == CopyValue::None {
        return Ok(true);
    }
    let value = parameter(option)?;
    parse_bool(&value.text)
        .ok_or_else(|| syntax(format!("{} requires a Boolean value", option.name.value), option))
}

fn format(option: &CopyOption) -> Result<Format> {
    let value = parameter(option)?;
    Ok(match value.text.to_lowercase().as_str() {
        "text" => Format::Text,
        "csv" => Format::Csv,
        "json" => Format::Json,
        "ndjson" => Format::NdJson,
        "parquet" => Format::Parquet,
        "binary" => {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "COPY format \"binary\" is not supported",
            )
            .at(value.span)
            .hint("Use csv, text or parquet."));
        }
        _ => {
            return Err(invalid(format!("COPY format \"{}\" not recognized", value.text), option)
                .hint("The formats are text, csv, json, ndjson and parquet."));
        }
    })
}

fn single_character(name: &str, option: &CopyOption) -> Result<char> {
    let value = parameter(option)?;
    let mut characters = value.text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if !matches!(character, '\n' | '\r' | '\0') => Ok(character),
        (Some('\n' | '\r'), None) if name == "delimiter" => {
            Err(invalid("COPY delimiter cannot be newline or carriage return", option))
        }
        _ => {
            let error = invalid(format!("COPY {name} must be a single character"), option);
            Err(if value.text == "\\t" { error.hint("Write a tab as E'\\t'.") } else { error })
        }
    }
}

fn delimiter(option: &CopyOption) -> Result<char> {
    single_character("delimiter", option)
}

fn null(option: &CopyOption) -> Result<String> {
    let value = parameter(option)?;
    if value.text.contains(['\n', '\r']) {
        return Err(invalid(
            "COPY null representation cannot use newline or carriage return",
            option,
        ));
    }
    Ok(value.text.clone())
}

fn header(option: &CopyOption, from: bool) -> Result<CopyHeader> {
    if let CopyValue::Value(value) = &option.value {
        if value.text.eq_ignore_ascii_case("match") {
            if from {
                return Ok(CopyHeader::Match);
            }
            return Err(invalid("cannot use \"match\" with HEADER in COPY TO", option));
        }
        if parse_bool(&value.text).is_none() {
            let message = "header requires a Boolean value or \"match\"".to_owned();
            return Err(syntax(message, option));
        }
    }
    Ok(if boolean(option)? { CopyHeader::Names } else { CopyHeader::None })
}

fn force_quote(option: &CopyOption) -> Result<ForceQuote> {
    match &option.value {
        CopyValue::All => Ok(ForceQuote::All),
        CopyValue::Columns(columns) => Ok(ForceQuote::Columns(names(columns))),
        _ => Err(syntax(
            "argument to option \"force_quote\" must be a list of column names".to_owned(),
            option,
        )),
    }
}

fn names(columns: &[Ident]) -> Vec<String> {
    columns.iter().map(|column| column.value.clone()).collect()
}

/// Returns the name and value that an option of COPY FROM has in IMPORT INTO; nothing for those that
/// say what is so anyway.
fn of_import(option: &CopyOption) -> Result<Option<(&'static str, Option<String>)>> {
    let text = |name: &'static str| parameter(option).map(|it| Some((name, Some(it.text.clone()))));
    let quote = Some("\"".to_owned());
    match option.name.value.as_str() {
        "delimiter" => text("delimiter"),
        "null" => text("nullif"),
        "quote" => Ok(text("quote")?.filter(|(_, value)| *value != quote)),
        "escape" => text("escape"),
        "encoding" if is_utf8(parameter(option)?) => Ok(None),
        "encoding" => text("encoding"),
        "header" => Ok(match header(option, true)? {
            CopyHeader::None => None,
            CopyHeader::Names => Some(("header", Some("skip".to_owned()))),
            CopyHeader::Match => Some(("header", Some("match".to_owned()))),
        }),
        "force_null" if option.value == CopyValue::All => Ok(Some(("allow_quoted_null", None))),
        "force_null" => refuse_if(true, "COPY FORCE_NULL of single columns", option).map(|()| None),
        "force_not_null" => refuse_if(true, "COPY FORCE_NOT_NULL", option).map(|()| None),
        "on_error" => match parameter(option)?.text.to_lowercase().as_str() {
            "stop" => Ok(None),
            "ignore" => Ok(Some(("on_error", Some("skip".to_owned())))),
            other => Err(invalid(format!("COPY ON_ERROR \"{other}\" not recognized"), option)
                .hint("Use stop or ignore.")),
        },
        "reject_limit" => text("max_errors"),
        "log_verbosity" => match parameter(option)?.text.to_lowercase().as_str() {
            "default" | "verbose" | "silent" => Ok(None),
            other => Err(invalid(format!("COPY LOG_VERBOSITY \"{other}\" not recognized"), option)),
        },
        _ => Ok(None),
    }
}

fn is_utf8(value: &Value) -> bool {
    let plain: String = value.text.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.eq_ignore_ascii_case("utf8") || plain.eq_ignore_ascii_case("unicode")
}

/// Refuses to write in any encoding but UTF-8.
fn encoding(option: &CopyOption) -> Result {
    let value = parameter(option)?;
    if is_utf8(value) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("encoding \"{}\" is not supported by COPY", value.text),
    )
    .at(value.span)
    .hint("Files are written as UTF-8."))
}
