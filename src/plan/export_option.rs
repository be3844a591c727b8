//! The options of EXPORT: one table of names, values, meanings and setters, and the checks that come
//! from it.

use super::option::{OptionHelp, placeholder};
use super::suggestion::did_you_mean;
use crate::error::{Error, Result, SqlState};
use crate::syntax::ast::{OptionPair, Value, ValueKind};

/// The rows of a file unless told otherwise, as in CockroachDB.
const CHUNK_ROWS: u64 = 100_000;

/// The bytes of a file unless told otherwise, as in CockroachDB.
const CHUNK_SIZE: u64 = 32 << 20;

/// What stands for the number of a file in its name.
pub(super) const PART: &str = "%part%";

/// How the files of an export are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputCompression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy, inside Parquet.
    Snappy,
}

/// The kinds of files that EXPORT writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Json,
    NdJson,
    Parquet,
}

impl Kind {
    /// Returns the kind that a format's word means.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "CSV" => Self::Csv,
            "JSON" => Self::Json,
            "NDJSON" => Self::NdJson,
            "PARQUET" => Self::Parquet,
            _ => return None,
        })
    }

    /// Returns the word.
    fn word(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::NdJson => "NDJSON",
            Self::Parquet => "PARQUET",
        }
    }

    /// Returns the suffix of the files.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Csv => ".csv",
            Self::Json => ".json",
            Self::NdJson => ".ndjson",
            Self::Parquet => ".parquet",
        }
    }
}

/// What the options of an EXPORT say.
pub(super) struct Options {
    kind: Kind,
    pub(super) delimiter: char,
    pub(super) nullas: Option<String>,
    pub(super) header: bool,
    pub(super) chunk_rows: Option<u64>,
    pub(super) chunk_size: Option<u64>,
    pub(super) compression: Option<OutputCompression>,
    pub(super) filename: Option<String>,
    pub(super) overwrite: bool,
    pub(super) detached: bool,
}

impl Options {
    /// Returns the most rows and bytes of a file that is one of several.
    pub(super) fn chunks(&self) -> (u64, u64) {
        (self.chunk_rows.unwrap_or(CHUNK_ROWS), self.chunk_size.unwrap_or(CHUNK_SIZE))
    }
}

/// An option.
struct Spec {
    name: &'static str,
    /// What it takes; nothing for a flag.
    takes: &'static str,
    default: &'static str,
    doc: &'static str,
    /// Whether it is for CSV alone.
    csv: bool,
    set: fn(&mut Options, &Value) -> Result,
}

/// The options of `EXPORT INTO ... WITH`, in the order in which values are checked.
const EXPORT: &[Spec] = &[
    Spec {
        name: "delimiter",
        takes: "one character",
        default: "','",
        doc: "the character between fields; CSV alone",
        csv: true,
        set: set_delimiter,
    },
    Spec {
        name: "nullas",
        takes: "text",
        default: "none",
        doc: "the text that stands for NULL, without which NULL is an error; CSV alone",
        csv: true,
        set: set_nullas,
    },
    Spec {
        name: "header",
        takes: "",
        default: "off",
        doc: "start each file with the names of the columns; CSV alone",
        csv: true,
        set: |options, _| {
            options.header = true;
            Ok(())
        },
    },
    Spec {
        name: "chunk_rows",
        takes: "a whole number in quotes",
        default: "'100000'",
        doc: "the most rows of a file",
        csv: false,
        set: |options, value| {
            options.chunk_rows = Some(count(value)?);
            Ok(())
        },
    },
    Spec {
        name: "chunk_size",
        takes: "a size such as '64MB'",
        default: "'32MiB'",
        doc: "a file ends with the row that reaches this size, before compression",
        csv: false,
        set: |options, value| {
            options.chunk_size = Some(size(value)?);
            Ok(())
        },
    },
    Spec {
        name: "compression",
        takes: "'none', 'gzip', 'zstd' or 'snappy'",
        default: "'none', for PARQUET 'snappy'",
        doc: "how the files are compressed: text by gzip or zstd, PARQUET by snappy or zstd; a \
              filename that ends in .gz or .zst says so too",
        csv: false,
        set: set_compression,
    },
    Spec {
        name: "filename",
        takes: "text",
        default: "'export<hex>-%part%' and a suffix",
        doc: "the names of the files, in which %part% becomes n1.0, n1.1 and so on; without \
              %part% there is one file",
        csv: false,
        set: set_filename,
    },
    Spec {
        name: "overwrite",
        takes: "",
        default: "off",
        doc: "replace files that exist; otherwise they are an error",
        csv: false,
        set: |options, _| {
            options.overwrite = true;
            Ok(())
        },
    },
    Spec {
        name: "detached",
        takes: "",
        default: "off",
        doc: "return when the job has begun, with its number",
        csv: false,
        set: |options, _| {
            options.detached = true;
            Ok(())
        },
    },
];

/// Returns what the reference says of each option of EXPORT, in the order of the table.
pub fn export_option_help() -> Vec<OptionHelp> {
    EXPORT
        .iter()
        .map(|spec| OptionHelp {
            name: spec.name,
            formats: &[],
            takes: if spec.takes.is_empty() { "no value" } else { spec.takes },
            default: spec.default,
            doc: spec.doc,
        })
        .collect()
}

/// Checks the keys in the order written, then the values in the order of the table.
pub(super) fn read(pairs: &[OptionPair], kind: Kind) -> Result<Options> {
    let mut given: Vec<(&'static Spec, &OptionPair)> = Vec::new();
    for pair in pairs {
        let spec = spec_of(pair, kind)?;
        if given.iter().any(|(each, _)| each.name == spec.name) {
            return Err(syntax(format!("option \"{}\" given twice", spec.name)).at(pair.key.span));
        }
        given.push((spec, pair));
    }
    let mut options = Options {
        kind,
        delimiter: ',',
        nullas: None,
        header: false,
        chunk_rows: None,
        chunk_size: None,
        compression: None,
        filename: None,
        overwrite: false,
        detached: false,
    };
    for spec in EXPORT {
        let Some((_, pair)) = given.iter().find(|(each, _)| each.name == spec.name) else {
            continue;
        };
        let empty = Value { text: String::new(), kind: ValueKind::String, span: pair.key.span };
        (spec.set)(&mut options, pair.value.as_ref().unwrap_or(&empty))?;
    }
    Ok(options)
}

/// Returns the option of this key, if it is one of this kind of file and has a value if it takes one.
fn spec_of(pair: &OptionPair, kind: Kind) -> Result<&'static Spec> {
    let key = &pair.key;
    let Some(spec) = EXPORT.iter().find(|spec| spec.name == key.value) else {
        let error = syntax(format!("invalid option \"{}\"", key.value)).at(key.span);
        return Err(did_you_mean(error, &key.value, EXPORT.iter().map(|spec| spec.name)));
    };
    let name = spec.name;
    if spec.csv && kind != Kind::Csv {
        let word = kind.word();
        return Err(syntax(format!(
            "invalid option \"{name}\" specified for {word} export format"
        ))
        .at(key.span));
    }
    match &pair.value {
        None if !spec.takes.is_empty() => {
            Err(syntax(format!("option \"{name}\" requires a value")).at(key.span))
        }
        Some(value) if spec.takes.is_empty() => {
            Err(syntax(format!("option \"{name}\" does not take a value")).at(value.span))
        }
        Some(value) if value.kind == ValueKind::Placeholder => Err(placeholder(value)),
        _ => Ok(spec),
    }
}

fn syntax(message: String) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message)
}

fn invalid(message: impl Into<String>, value: &Value) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(value.span)
}

fn set_delimiter(options: &mut Options, value: &Value) -> Result {
    let mut characters = value.text.chars();
    options.delimiter = match (characters.next(), characters.next()) {
        (None, _) => ',',
        (Some('\n' | '\r' | '\0' | '"'), None) => {
            return Err(invalid("csv: invalid field or comment delimiter", value)
                .detail("A line break, a NUL or a quote cannot separate fields."));
        }
        (Some(delimiter), None) => delimiter,
        (Some(_), Some(_)) => {
            let error = invalid("invalid delimiter value: must be only one character", value);
            return Err(match value.text.as_str() {
                "\\t" => error.hint("Write a tab as e'\\t'."),
                _ => error,
            });
        }
    };
    Ok(())
}

fn set_nullas(options: &mut Options, value: &Value) -> Result {
    if value.text.contains(['\n', '\r', '"', options.delimiter]) {
        return Err(invalid("nullas must not hold the delimiter, a quote or a line break", value));
    }
    options.nullas = Some(value.text.clone());
    Ok(())
}

fn count(value: &Value) -> Result<u64> {
    match value.text.parse::<i128>() {
        Ok(number) if number > 0 => Ok(u64::try_from(number).unwrap_or(u64::MAX)),
        Ok(_) => Err(invalid("chunk_rows must be > 0", value)),
        Err(_) => Err(invalid(
            format!("invalid chunk_rows value: parsing \"{}\": invalid syntax", value.text),
            value,
        )),
    }
}

fn size(value: &Value) -> Result<u64> {
    match parse_size(&value.text) {
        Some(0) => Err(invalid("chunk_size must be > 0", value)),
        Some(size) => Ok(size),
        None => Err(invalid(format!("invalid chunk_size value: \"{}\"", value.text), value)
            .hint("Use bytes, such as 1000000, or text such as '64MB' or '64MiB'.")),
    }
}

/// Returns the bytes of a size as people write it: `10`, `10B`, `10K`, `1.5 GiB`.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_lowercase();
    let (prefix, base) = match unit.strip_suffix("ib") {
        Some(prefix) => (prefix, 1024_f64),
        None => (unit.strip_suffix('b').unwrap_or(&unit), 1000_f64),
    };
    let power = match prefix {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * base.powi(power);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size has no sign, and what is too large is the largest"
    )]
    let bytes = bytes as u64;
    Some(bytes)
}

fn set_compression(options: &mut Options, value: &Value) -> Result {
    options.compression = Some(compression(value, options.kind == Kind::Parquet)?);
    Ok(())
}

/// Returns the compression that a word means, of Parquet or of text.
pub(super) fn compression(value: &Value, parquet: bool) -> Result<OutputCompression> {
    let known = match value.text.to_lowercase().as_str() {
        "none" => Some(OutputCompression::None),
        "gzip" if !parquet => Some(OutputCompression::Gzip),
        "zstd" => Some(OutputCompression::Zstd),
        "snappy" if parquet => Some(OutputCompression::Snappy),
        _ => None,
    };
    known.ok_or_else(|| {
        let message = format!("unsupported compression value: \"{}\"", value.text);
        invalid(message, value).hint(if parquet {
            "For PARQUET use 'none', 'snappy' or 'zstd'."
        } else {
            "For text use 'none', 'gzip' or 'zstd'."
        })
    })
}

fn set_filename(options: &mut Options, value: &Value) -> Result {
    let name = value.text.as_str();
    if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
        return Err(invalid(format!("invalid filename value: \"{name}\""), value)
            .hint("A filename has no slash in it: name the directory behind INTO."));
    }
    if !name.contains(PART) && (options.chunk_rows.is_some() || options.chunk_size.is_some()) {
        return Err(invalid(format!("filename \"{name}\" has no %part%"), value)
            .detail("With chunk_rows or chunk_size there may be several files.")
            .hint("Write %part% where the number of each file belongs."));
    }
    options.filename = Some(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_words() {
        for help in export_option_help() {
            assert!(!help.takes.is_empty() && !help.doc.is_empty() && !help.default.is_empty());
            assert!(!help.doc.ends_with('.'), "{}", help.name);
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("10", 10),
            ("10B", 10),
            ("10K", 10_000),
            ("10 KB", 10_000),
            ("10kib", 10_240),
            ("1.5MB", 1_500_000),
            ("32MiB", 32 << 20),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "B", "x", "10X", "1.2.3", "-1", "10ib"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
