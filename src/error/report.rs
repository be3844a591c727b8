//! The report of an error as a person sees it: ERROR, SQLSTATE, DETAIL with a caret, HINT.

use std::borrow::Cow;
use std::fmt;

use super::{DataPlace, Error, Place, Span};

/// The longest piece of a user's row that a message repeats, in characters.
const LONGEST_ROW: usize = 1024;

/// Returns `text` cut to 1,024 characters, with ` -- TRUNCATED` behind it if it was longer
/// (spec/import.md section 3).
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_ROW) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{} -- TRUNCATED", &text[..cut]),
    }
}

/// Prints an error in full; ends without a line break.
pub struct Report<'a> {
    error: &'a Error,
    origin: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// Returns the report of `error`.
    pub fn new(error: &'a Error) -> Self {
        Self { error, origin: None }
    }

    /// Puts `origin: ` before the first line, such as `load.sql:12`.
    #[must_use]
    pub fn from_origin(mut self, origin: &'a str) -> Self {
        self.origin = Some(origin);
        self
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error;
        if let Some(origin) = self.origin {
            write!(f, "{origin}: ")?;
        }
        write!(f, "ERROR: {}\nSQLSTATE: {}", visible(error.message()), error.code())?;
        if let Some(detail) = error.detail_text() {
            write!(f, "\nDETAIL: {}", visible(detail))?;
        }
        match (error.place(), error.text()) {
            (Some(Place::Data(place)), _) => {
                write!(f, "\nDETAIL: {}", visible(&data_place(place)))?;
            }
            (Some(Place::Sql(span)), Some(text)) => {
                write!(f, "\nDETAIL: source SQL:\n{}", visible(&caret(text, *span)))?;
            }
            _ => {}
        }
        if let Some(hint) = error.hint_text() {
            write!(f, "\nHINT: {}", visible(hint))?;
        }
        Ok(())
    }
}

/// Returns `text` with control characters but line breaks and tabs escaped: what a data file holds
/// must not steer a terminal.
fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) { out += &format!("\\x{:02x}", u32::from(c)) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Returns the place as `file f.csv, row 2, line 3, byte 10, column "a", value "x"`.
fn data_place(place: &DataPlace) -> String {
    let mut out = format!("file {}", place.file);
    if place.row > 0 {
        out += &format!(", row {}", place.row);
    }
    if place.line > 0 {
        out += &format!(", line {}, byte {}", place.line, place.byte);
    }
    if let Some(column) = &place.column {
        out += &format!(", column \"{column}\"");
    }
    if let Some(value) = &place.value {
        out += &format!(", value \"{}\"", shorten(value));
    }
    out
}

/// Returns the line of `text` in which `span` starts and, below it, a caret under the first
/// character, after the lines that lead to it.
fn caret(text: &str, span: Span) -> String {
    let start = floor_char(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    // A tab keeps its place so that the caret stands under the character in any terminal.
    let pad: String = text[line_start..start]
        .chars()
        .flat_map(|c| {
            let width = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            std::iter::repeat_n(
                if c == '\t' { '\t' } else { ' ' },
                if c == '\t' { 1 } else { width },
            )
        })
        .collect();
    let lines = text[..line_end].trim_start_matches('\n');
    format!("{lines}\n{pad}^")
}

/// Returns the largest character boundary of `text` that is at most `at`.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::SqlState;

    #[test]
    fn puts_a_caret_under_the_token() {
        let text: Arc<str> = "SELECT 1,\n\twrong FROM t\nWHERE x".into();
        let error = Error::new(SqlState::UNDEFINED_COLUMN, "column \"wrong\" does not exist")
            .at(Span::new(11, 16))
            .hint("Look again.")
            .with_text(&text);
        assert_eq!(
            Report::new(&error).from_origin("a.sql:3").to_string(),
            "a.sql:3: ERROR: column \"wrong\" does not exist\nSQLSTATE: 42703\n\
             DETAIL: source SQL:\nSELECT 1,\n\twrong FROM t\n\t^\nHINT: Look again."
        );
    }

    #[test]
    fn names_file_row_line_column_and_value() {
        let place = DataPlace {
            file: "f.csv".into(),
            row: 2,
            line: 3,
            byte: 10,
            column: Some("a".into()),
            value: Some("x".into()),
        };
        let error = Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "wrong").in_data(place);
        assert_eq!(
            Report::new(&error).to_string(),
            "ERROR: wrong\nSQLSTATE: 22P02\n\
             DETAIL: file f.csv, row 2, line 3, byte 10, column \"a\", value \"x\""
        );
    }

    #[test]
    fn cuts_long_rows() {
        assert_eq!(shorten(&"x".repeat(1024)).len(), 1024);
        assert!(shorten(&"x".repeat(1025)).ends_with("x -- TRUNCATED"));
    }
}
