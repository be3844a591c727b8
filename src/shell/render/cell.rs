//! One value as text, safe to show on a terminal.

use arrow::array::Array;
use arrow::datatypes::DataType;
use unicode_width::UnicodeWidthStr;

use crate::types;

/// Returns whether a value is NULL.
pub(crate) fn is_null(values: &dyn Array, row: usize) -> bool {
    values.data_type() == &DataType::Null || values.is_null(row)
}

/// Appends a value's text, or `null` for NULL.
pub(crate) fn push(values: &dyn Array, row: usize, null: &str, out: &mut String) {
    if is_null(values, row) {
        out.push_str(null);
    } else {
        types::print_value(values, row, out);
    }
}

/// Returns whether values of the type stand at the right of their column.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Returns `text` with its control characters written as escapes, so that data cannot steer the
/// terminal; line breaks stay.
pub(crate) fn escape_controls(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !is_unsafe(c) => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out
}

/// Returns whether a character moves the cursor or changes the order of others.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the columns that a line takes on a terminal.
pub(crate) fn width(line: &str) -> usize {
    line.width()
}

/// Returns the columns that the widest line of a text takes.
pub(crate) fn widest_line(text: &str) -> usize {
    text.split('\n').map(width).max().unwrap_or(0)
}

/// Appends `text` and blanks up to `columns`, before it if `right`.
pub(crate) fn pad(text: &str, columns: usize, right: bool, out: &mut String) {
    let blanks = columns.saturating_sub(width(text));
    if right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
    out.push_str(text);
    if !right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
}

/// Takes the blanks off the end of the line that is being written.
pub(crate) fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}
