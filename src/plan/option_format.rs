//! The options of formats other than CSV, behind those that all formats share.

use super::FormatName;
use super::option::{Options, Spec, Takes, invalid, size};
use crate::error::Result;
use crate::record::AvroSchema;
use crate::syntax::ast::Value;

/// Objects in text.
const JSON: &[FormatName] = &[FormatName::Json, FormatName::NdJson];

/// Fields that have names.
const NAMED: &[FormatName] = &[FormatName::Json, FormatName::NdJson, FormatName::Parquet];

/// As MySQL writes files.
const DELIMITED: &[FormatName] = &[FormatName::Delimited];

/// As PostgreSQL's COPY writes files.
const PGCOPY: &[FormatName] = &[FormatName::PgCopy];

/// Records with their schema.
const AVRO: &[FormatName] = &[FormatName::Avro];

/// Records whose length is limited.
const SIZED: &[FormatName] = &[FormatName::PgCopy, FormatName::Avro];

/// The options, in the order in which values are checked.
pub(super) const OPTIONS: &[Spec] = &[
    Spec {
        name: "fields_terminated_by",
        of: DELIMITED,
        takes: Takes::Char,
        default: "a tab",
        doc: "the character between fields",
        set: |options, value| {
            let character = one_character("fields_terminated_by", value)?;
            options.delimited.fields_terminated_by = character.unwrap_or('\t');
            Ok(())
        },
    },
    Spec {
        name: "rows_terminated_by",
        of: DELIMITED,
        takes: Takes::Char,
        default: "a line feed",
        doc: "the character behind each row",
        set: |options, value| {
            let character = one_character("rows_terminated_by", value)?;
            options.delimited.rows_terminated_by = character.unwrap_or('\n');
            Ok(())
        },
    },
    Spec {
        name: "fields_enclosed_by",
        of: DELIMITED,
        takes: Takes::Char,
        default: "none",
        doc: "the character that fields may stand between",
        set: |options, value| {
            options.delimited.fields_enclosed_by = one_character("fields_enclosed_by", value)?;
            Ok(())
        },
    },
    Spec {
        name: "fields_escaped_by",
        of: DELIMITED,
        takes: Takes::Char,
        default: "none",
        doc: "the character that takes the meaning from the next one; followed by N it means NULL",
        set: |options, value| {
            options.delimited.fields_escaped_by = one_character("fields_escaped_by", value)?;
            Ok(())
        },
    },
    Spec {
        name: "nullif",
        of: DELIMITED,
        takes: Takes::Text,
        default: "the word NULL, unless fields_escaped_by is given",
        doc: "the text that means NULL",
        set: set_nullif,
    },
    Spec {
        name: "delimiter",
        of: PGCOPY,
        takes: Takes::Char,
        default: "a tab",
        doc: "the character between fields",
        set: |options, value| {
            let character = one_character("delimiter", value)?.unwrap_or('\t');
            if matches!(character, '\n' | '\r' | '\\' | '.') {
                let message = format!("invalid \"delimiter\" value: {character:?}");
                return Err(invalid(&message, value).detail(
                    "A line break, a backslash or a full stop cannot separate fields of PGCOPY.",
                ));
            }
            options.pgcopy.delimiter = character;
            Ok(())
        },
    },
    Spec {
        name: "nullif",
        of: PGCOPY,
        takes: Takes::Text,
        default: "'\\N'",
        doc: "the text that means NULL, before escapes are taken out",
        set: set_nullif,
    },
    Spec {
        name: "max_row_size",
        of: SIZED,
        takes: Takes::Size,
        default: "'4MiB'",
        doc: "the most bytes that a line, or a record outside a container, may have",
        set: |options, value| {
            let text = &value.text;
            let Some(bytes) = size(text) else {
                let message = format!("invalid max_row_size value: \"{text}\"");
                return Err(invalid(&message, value)
                    .hint("Use bytes, such as 1000000, or text such as '64MB'."));
            };
            match usize::try_from(bytes) {
                Ok(bytes) if (1..=LARGEST_ROW).contains(&bytes) => {
                    options.pgcopy.max_row_size = bytes;
                    options.avro.max_row_size = bytes;
                    Ok(())
                }
                _ => Err(invalid(&format!("max_row_size out of range: {bytes}"), value)),
            }
        },
    },
    Spec {
        name: "nullif",
        of: JSON,
        takes: Takes::Text,
        default: "none",
        doc: "the text that means NULL, as null does",
        set: set_nullif,
    },
    Spec {
        name: "ignore_unknown_fields",
        of: NAMED,
        takes: Takes::Flag,
        default: "off",
        doc: "pass over fields that the table lacks; otherwise they are errors",
        set: |options, _| {
            options.named.ignore_unknown_fields = true;
            Ok(())
        },
    },
    Spec {
        name: "strict_validation",
        of: AVRO,
        takes: Takes::Flag,
        default: "off",
        doc: "refuse fields that the table lacks, and files that lack a column",
        set: |options, _| {
            options.avro.strict_validation = true;
            Ok(())
        },
    },
    Spec {
        name: "data_as_binary_records",
        of: AVRO,
        takes: Takes::Flag,
        default: "off",
        doc: "the files hold records in Avro's binary form, without a container",
        set: |options, _| {
            options.avro.data_as_binary_records = true;
            Ok(())
        },
    },
    Spec {
        name: "data_as_json_records",
        of: AVRO,
        takes: Takes::Flag,
        default: "off",
        doc: "the files hold records in Avro's JSON, without a container",
        set: |options, _| {
            options.avro.data_as_json_records = true;
            Ok(())
        },
    },
    Spec {
        name: "records_terminated_by",
        of: AVRO,
        takes: Takes::Char,
        default: "a line feed",
        doc: "the character behind each record outside a container",
        set: |options, value| {
            let character = one_character("records_terminated_by", value)?;
            options.avro.records_terminated_by = character.unwrap_or('\n');
            Ok(())
        },
    },
    Spec {
        name: "schema",
        of: AVRO,
        takes: Takes::Text,
        default: "none",
        doc: "the schema of records outside a container, as JSON",
        set: |options, value| {
            AvroSchema::parse(&value.text)
                .map_err(|why| invalid(&format!("invalid schema value: {why}"), value))?;
            options.avro.schema = Some(value.text.clone());
            Ok(())
        },
    },
    Spec {
        name: "schema_uri",
        of: AVRO,
        takes: Takes::Location,
        default: "none",
        doc: "a file that holds the schema of records outside a container",
        set: |options, value| {
            options.schema_uri = Some(value.clone());
            options.avro.schema_uri = Some(value.text.clone());
            Ok(())
        },
    },
];

/// The longest line that can be allowed, in bytes.
const LARGEST_ROW: usize = 0x7fff_ffff;

#[expect(clippy::unnecessary_wraps, reason = "one setter of a table whose others can fail")]
fn set_nullif(options: &mut Options, value: &Value) -> Result {
    options.format.nullif = Some(value.text.clone());
    Ok(())
}

/// Returns the one character that a value is, or nothing if it is empty.
fn one_character(name: &str, value: &Value) -> Result<Option<char>> {
    let mut characters = value.text.chars();
    let first = characters.next();
    let why = match first {
        Some(char::REPLACEMENT_CHARACTER) => "invalid character",
        Some(_) if characters.next().is_some() => "must be only one character",
        _ => return Ok(first),
    };
    let error = invalid(&format!("invalid \"{name}\" value: {why}"), value);
    Err(match value.text.as_str() {
        "\\t" => error.hint("Write a tab as e'\\t'."),
        "\\n" => error.hint("Write a line feed as e'\\n'."),
        _ => error,
    })
}
