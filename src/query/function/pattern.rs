//! SQL regular expressions: `SIMILAR TO` by way of `similar_to_escape`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};

use super::{Simple, wrong_argument};
use crate::error::Result;
use crate::types::SqlType;

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[Simple {
    name: "similar_to_escape",
    takes: &[SqlType::STRING, SqlType::STRING],
    optional: 1,
    returns: SqlType::STRING,
    run: similar_to_escape,
}];

fn similar_to_escape(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let patterns = arrays[0].as_string_view();
    let mut translated = Vec::with_capacity(patterns.len());
    for row in 0..patterns.len() {
        let escape = match arrays.get(1).map(AsArray::as_string_view) {
            Some(escapes) => escapes.value(row),
            None => "\\",
        };
        let mut chars = escape.chars();
        let (escape, None) = (chars.next(), chars.next()) else {
            return Err(wrong_argument("an escape is one character or none"));
        };
        let pattern = patterns.is_valid(row).then(|| patterns.value(row));
        translated.push(pattern.map(|pattern| translate(pattern, escape)));
    }
    Ok(Arc::new(StringViewArray::from_iter(translated)))
}

/// Returns the regular expression that means what a SQL pattern does.
fn translate(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?s:");
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                if let Some(next) = chars.next() {
                    push_literal(&mut out, next);
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            c if in_class => {
                if c == '\\' {
                    out.push('\\');
                }
                out.push(c);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' => out.push(c),
            '(' => out.push_str("(?:"),
            ')' => out.push(')'),
            other => push_literal(&mut out, other),
        }
    }
    out.push_str(")$");
    out
}

fn push_literal(out: &mut String, c: char) {
    if !c.is_alphanumeric() && c.is_ascii() && c != '_' && c != ' ' {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_sql_patterns() {
        assert_eq!(translate("a%(b|c)_", Some('\\')), "^(?s:a.*(?:b|c).)$");
        assert_eq!(translate("a.b\\%", Some('\\')), "^(?s:a\\.b\\%)$");
        assert_eq!(translate("[a-c]+", Some('\\')), "^(?s:[a-c]+)$");
    }
}
