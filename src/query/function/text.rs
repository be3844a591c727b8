//! Functions on text that DataFusion lacks.

use super::{Simple, map_text};
use crate::types::SqlType;

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[
    Simple {
        name: "quote_ident",
        takes: &[SqlType::STRING],
        optional: 0,
        returns: SqlType::STRING,
        run: |arrays| map_text(arrays, |text| Ok(Some(quote_ident(text)))),
    },
    Simple {
        name: "quote_literal",
        takes: &[SqlType::STRING],
        optional: 0,
        returns: SqlType::STRING,
        run: |arrays| map_text(arrays, |text| Ok(Some(quote_literal(text)))),
    },
];

fn quote_ident(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
