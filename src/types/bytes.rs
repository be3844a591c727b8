//! Bytes: `\x` and hex digits, else PostgreSQL's escape format, in which plain text stands for itself.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Result, SqlState};

use super::fault::Fault;
use super::{CellError, Cells};

/// Parses a column of bytes.
pub(super) fn column(cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    let nulls = cells.some_nulls();
    let total = cells.column_spans().map(|[start, end]| (end - start) as usize).sum();
    let mut values = Vec::with_capacity(total);
    let mut offsets = Vec::with_capacity(cells.rows + 1);
    offsets.push(0_i32);
    for (row, span) in cells.column_spans().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            append(cells.field(span).bytes(), &mut values)
                .map_err(|error| CellError { row, error })?;
        }
        let end =
            i32::try_from(values.len()).map_err(|_| CellError { row, error: too_many_bytes() })?;
        offsets.push(end);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    BinaryArray::try_new(offsets, values.into(), cells.nulls.cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| CellError { row: 0, error: Error::internal(error) })
}

fn too_many_bytes() -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a batch of values is longer than 2 GiB")
        .hint("Insert the rows in several statements.")
}

/// Appends the bytes that a text stands for.
fn append(text: &[u8], out: &mut Vec<u8>) -> Result {
    let decoded = match text {
        [b'\\', b'x' | b'X', digits @ ..] => append_hex(digits, out),
        _ => append_escaped(text, out),
    };
    decoded.map_err(|why| Fault::new(SqlState::INVALID_TEXT_REPRESENTATION, why).of("bytes", text))
}

fn append_hex(digits: &[u8], out: &mut Vec<u8>) -> Result<(), Cow<'static, str>> {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| Cow::from(invalid_byte(byte)))
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    for [high, low] in pairs {
        out.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    match rest {
        [] => Ok(()),
        [odd, ..] => nibble(*odd).and(Err("encoding/hex: odd length hex string".into())),
    }
}

fn invalid_byte(byte: u8) -> String {
    let c = char::from(byte);
    if c.is_control() {
        format!("encoding/hex: invalid byte: U+{byte:04X}")
    } else {
        format!("encoding/hex: invalid byte: U+{byte:04X} '{c}'")
    }
}

fn append_escaped(text: &[u8], out: &mut Vec<u8>) -> Result<(), Cow<'static, str>> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = match &rest[at + 1..] {
            [b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [] => return Err("bytea encoded value ends with incomplete escape sequence".into()),
            rest if rest.len() < 3 && rest.iter().all(|byte| matches!(byte, b'0'..=b'7')) => {
                return Err("bytea encoded value ends with incomplete escape sequence".into());
            }
            _ => return Err("invalid bytea escape sequence".into()),
        };
    }
    out.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        append(text.as_bytes(), &mut out).map(|()| out)
    }

    #[track_caller]
    fn check(text: &str, expected: &[u8]) {
        assert_eq!(read(text).unwrap(), expected);
    }

    #[track_caller]
    fn refuses(text: &str, why: &str) {
        let error = read(text).unwrap_err();
        assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION);
        assert_eq!(error.message(), format!("could not parse \"{text}\" as type bytes: {why}"));
    }

    #[test]
    fn reads_hex_escapes_and_plain_text() {
        check("\\x0143", &[1, 0x43]);
        check("\\XfF", &[255]);
        check("\\x", &[]);
        check("", &[]);
        check("0143", b"0143");
        check("a\\\\b\\001\\377", b"a\\b\x01\xff");
        check("caf\u{e9}", "caf\u{e9}".as_bytes());
    }

    #[test]
    fn says_what_is_wrong() {
        refuses("\\x0g", "encoding/hex: invalid byte: U+0067 'g'");
        refuses("\\x012", "encoding/hex: odd length hex string");
        refuses("\\x0 1", "encoding/hex: invalid byte: U+0020 ' '");
        refuses("a\\", "bytea encoded value ends with incomplete escape sequence");
        refuses("a\\01", "bytea encoded value ends with incomplete escape sequence");
        refuses("a\\q", "invalid bytea escape sequence");
        refuses("\\400", "invalid bytea escape sequence");
    }
}
