//! The options of imports of dumps: one table of names, values, meanings and setters.

use super::dump::ImportDump;
use super::option::{Takes, decompress, invalid, location, placeholder, row_limit, size};
use super::suggestion::did_you_mean;
use super::{OptionHelp, option_help};
use crate::error::{Error, Result, SqlState};
use crate::syntax::ast::{OptionPair, Value, ValueKind};

/// An option.
struct Spec {
    name: &'static str,
    takes: Takes,
    default: &'static str,
    doc: &'static str,
    /// Checks a value, and keeps it. A flag gets an empty text.
    set: fn(&mut ImportDump, &Value) -> Result,
}

/// The options of imports of dumps, in the order in which values are checked.
const OPTIONS: &[Spec] = &[
    Spec {
        name: "temp",
        takes: Takes::Location,
        default: "the cluster setting import.default_temp, or else the database directory",
        doc: "where temporary files go",
        set: |import, value| {
            import.temp = Some(value.text.clone()).filter(|temp| !temp.is_empty());
            location(value)
        },
    },
    Spec {
        name: "decompress",
        takes: Takes::Word(&["auto", "none", "gzip", "bzip", "zstd", "xz"]),
        default: "'auto'",
        doc: "how the dump is compressed; auto looks at the suffix (.gz, .bz2, .zst, .xz)",
        set: |import, value| {
            import.decompress = decompress(value)?;
            Ok(())
        },
    },
    Spec {
        name: "row_limit",
        takes: Takes::Count,
        default: "none",
        doc: "the most rows to take of each table",
        set: |import, value| {
            import.row_limit = Some(row_limit(value)?);
            Ok(())
        },
    },
    Spec {
        name: "max_row_size",
        takes: Takes::Size,
        default: "none",
        doc: "the most bytes that a row or a statement may have",
        set: set_max_row_size,
    },
    Spec {
        name: "skip_foreign_keys",
        takes: Takes::Flag,
        default: "off",
        doc: "make the tables without their foreign keys",
        set: |import, _| {
            import.skip_foreign_keys = true;
            Ok(())
        },
    },
    Spec {
        name: "ignore_unsupported_statements",
        takes: Takes::Flag,
        default: "off",
        doc: "pass over statements that Wharf cannot do, and tell which",
        set: |import, _| {
            import.ignore_unsupported = true;
            Ok(())
        },
    },
    Spec {
        name: "log_ignored_statements",
        takes: Takes::Location,
        default: "none",
        doc: "the directory where statements that were passed over are written; needs \
              ignore_unsupported_statements",
        set: |import, value| {
            if !import.ignore_unsupported {
                let message = format!(
                    "cannot log unsupported {} stmts without `ignore_unsupported_statements` option",
                    import.word()
                );
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(value.span));
            }
            import.log_ignored = Some(value.text.clone());
            location(value)
        },
    },
];

/// Returns what the reference says of each option of imports of dumps.
pub fn dump_option_help() -> Vec<OptionHelp> {
    OPTIONS
        .iter()
        .map(|spec| OptionHelp {
            name: spec.name,
            formats: &[],
            takes: spec.takes.words(),
            default: spec.default,
            doc: spec.doc,
        })
        .collect()
}

fn set_max_row_size(import: &mut ImportDump, value: &Value) -> Result {
    let Some(bytes) = size(&value.text) else {
        let message = format!("invalid max_row_size value: \"{}\"", value.text);
        return Err(
            invalid(&message, value).hint("Use bytes, such as 1000000, or text such as '64MB'.")
        );
    };
    if bytes == 0 || bytes > i32::MAX as u64 {
        return Err(invalid(&format!("max_row_size out of range: {bytes}"), value));
    }
    import.max_row_size = Some(bytes);
    Ok(())
}

/// Checks the keys: each is known, stands there once, and has a value if and only if it takes one.
pub(super) fn check_keys(pairs: &[OptionPair], word: &str) -> Result {
    for (index, pair) in pairs.iter().enumerate() {
        let name = &pair.key.value;
        let wrong = |message: String| Error::new(SqlState::SYNTAX_ERROR, message);
        let Some(spec) = OPTIONS.iter().find(|spec| spec.name == name) else {
            if option_help().iter().any(|help| help.name == name) {
                let message =
                    format!("invalid option \"{name}\" specified for {word} import format");
                return Err(wrong(message).at(pair.key.span));
            }
            let error = wrong(format!("invalid option \"{name}\"")).at(pair.key.span);
            return Err(did_you_mean(error, name, OPTIONS.iter().map(|spec| spec.name)));
        };
        if pairs[..index].iter().any(|other| other.key.value == *name) {
            return Err(wrong(format!("option \"{name}\" given twice")).at(pair.key.span));
        }
        match (&pair.value, spec.takes == Takes::Flag) {
            (None, false) => {
                let message = format!("option \"{name}\" requires a value");
                return Err(wrong(message).at(pair.key.span));
            }
            (Some(value), true) => {
                let message = format!("option \"{name}\" does not take a value");
                return Err(wrong(message).at(value.span));
            }
            (Some(value), false) if value.kind == ValueKind::Placeholder => {
                return Err(placeholder(value));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks the values, in the order of the table, and keeps them.
pub(super) fn read(pairs: &[OptionPair], import: &mut ImportDump) -> Result {
    for spec in OPTIONS {
        let Some(pair) = pairs.iter().find(|pair| pair.key.value == spec.name) else { continue };
        let flag = Value { text: String::new(), kind: ValueKind::Word, span: pair.key.span };
        (spec.set)(import, pair.value.as_ref().unwrap_or(&flag))?;
    }
    Ok(())
}
