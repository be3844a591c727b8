//! Text: views into the buffers of the file, without copying, and the limits of VARCHAR(n).

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray, StringViewBuilder};
use arrow::buffer::{Buffer, NullBuffer};

use crate::error::{Error, Result, SqlState};

use super::column::Field;
use super::fault;
use super::{CellError, Cells, SqlType};

/// The longest text that a view holds in itself.
const INLINE: usize = 12;

/// Makes a column of texts that `append` writes from the bytes of each cell.
pub(super) fn canonical(
    cells: &Cells<'_>,
    append: impl Fn(&[u8], &mut String) -> Result,
) -> Result<ArrayRef, CellError> {
    let nulls = cells.some_nulls();
    let mut builder = StringViewBuilder::with_capacity(cells.rows);
    let mut text = String::new();
    for (row, span) in cells.column_spans().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            builder.append_null();
            continue;
        }
        text.clear();
        append(cells.field(span).bytes(), &mut text).map_err(|error| CellError { row, error })?;
        builder.append_value(&text);
    }
    Ok(Arc::new(builder.finish()))
}

/// Makes the views of a column of text.
pub(super) fn column(
    sql_type: &SqlType,
    length: Option<u32>,
    cells: &Cells<'_>,
) -> Result<ArrayRef, CellError> {
    let limit = length.map_or(usize::MAX, |length| length as usize);
    let mut views = Vec::with_capacity(cells.rows);
    let (mut raw_used, mut unescaped_used) = (false, false);
    let mut cut = false;
    let raw_end = cells.raw.len();
    let nulls = cells.some_nulls();
    for (row, span) in cells.column_spans().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            views.push(0);
            continue;
        }
        let field = cells.field(span);
        let mut size = field.bytes().len();
        cut |= starts_within_character(field.bytes()) | cells.is_cut_behind(span);
        if size > limit || !cells.utf8 {
            size = checked(field.bytes(), sql_type, limit, cells.utf8)
                .map_err(|error| CellError { row, error })?;
        }
        views.push(if size <= INLINE {
            inline(field, size)
        } else if (span[0] as usize) < raw_end {
            raw_used = true;
            outside(field.bytes(), size, 0, span[0])
        } else {
            // The start was found to be at or above the length of `raw`, which is below 4 GiB.
            let start = u32::try_from(span[0] as usize - raw_end).unwrap_or(u32::MAX);
            unescaped_used = true;
            outside(field.bytes(), size, 1, start)
        });
    }
    let buffers: Vec<Buffer> = match (raw_used, unescaped_used) {
        (false, false) => Vec::new(),
        (true, false) => vec![cells.raw.clone()],
        // The views count the buffers, so `raw` stays first.
        (_, true) => vec![cells.raw.clone(), cells.unescaped.clone()],
    };
    if cells.utf8 && !cut {
        return Ok(Arc::new(unchecked(views, buffers, cells.nulls.cloned())));
    }
    StringViewArray::try_new(views.into(), buffers, cells.nulls.cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|_| first_broken(cells))
}

/// Returns whether a text begins with a byte that continues a character.
#[inline]
fn starts_within_character(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| byte & 0xc0 == 0x80)
}

impl Cells<'_> {
    /// Returns whether a byte that continues a character follows the cell.
    #[inline]
    fn is_cut_behind(&self, [start, end]: [u32; 2]) -> bool {
        let (start, end, length) = (start as usize, end as usize, self.raw.len());
        if start < length || end <= length {
            starts_within_character(&self.raw.as_slice()[end..])
        } else {
            starts_within_character(&self.unescaped.as_slice()[end - length..])
        }
    }
}

/// Returns the array of views whose texts were found to be whole characters of valid UTF-8.
#[expect(
    unsafe_code,
    reason = "checking each view again takes 6 to 9 % of an import; the file was checked as a whole"
)]
fn unchecked(views: Vec<u128>, buffers: Vec<Buffer>, nulls: Option<NullBuffer>) -> StringViewArray {
    assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == views.len()), "a bit per row");
    // SAFETY: Each view was made by `inline` or `outside` from a slice of the buffer that it names, so
    // that length, first bytes, offset and padding fit. The buffers are valid UTF-8, and no text
    // begins or ends within a character, so each is valid UTF-8.
    unsafe { StringViewArray::new_unchecked(views.into(), buffers, nulls) }
}

/// Returns the view of a text of up to 12 bytes.
#[inline]
fn inline(field: Field<'_>, size: usize) -> u128 {
    let bytes = &field.bytes()[..size];
    let text = match field.head().last_chunk::<16>() {
        // The cell ends with the buffer's head: bytes before it are shifted out. A cell that was cut
        // behind its last character does not, and is rare.
        Some(word) if size > 0 && field.bytes().len() == size => {
            u128::from_le_bytes(*word) >> (128 - 8 * size)
        }
        _ => {
            let mut word = [0; 16];
            word[..size].copy_from_slice(bytes);
            u128::from_le_bytes(word)
        }
    };
    size as u128 | text << 32
}

/// Returns the view of a longer text: length, four bytes, buffer and offset.
#[inline]
fn outside(bytes: &[u8], size: usize, buffer: u128, start: u32) -> u128 {
    let prefix = bytes.first_chunk::<4>().map_or(0, |prefix| u32::from_le_bytes(*prefix));
    size as u128 | u128::from(prefix) << 32 | buffer << 64 | u128::from(start) << 96
}

/// Checks a text that is longer than its type in bytes, or not known to be UTF-8; returns how many
/// of its bytes are kept.
///
/// As in PostgreSQL, spaces beyond the limit are cut and anything else is refused.
#[cold]
fn checked(bytes: &[u8], sql_type: &SqlType, limit: usize, valid: bool) -> Result<usize> {
    let text = fault::utf8(bytes)?;
    if !valid && let Some(at) = memchr::memchr(0, bytes) {
        return Err(fault::holds_nul(at));
    }
    if bytes.len() <= limit {
        return Ok(bytes.len());
    }
    match text.char_indices().nth(limit) {
        None => Ok(bytes.len()),
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => Ok(end),
        Some(_) => Err(too_long(sql_type)),
    }
}

/// Returns the error of a text longer than its type.
pub(super) fn too_long(sql_type: &SqlType) -> Error {
    let name = match sql_type {
        SqlType::String { kind, length, .. } => {
            SqlType::String { kind: *kind, length: *length, collation: None }.to_string()
        }
        other => other.to_string(),
    };
    Error::new(SqlState::STRING_DATA_RIGHT_TRUNCATION, format!("value too long for type {name}"))
}

/// Returns the first cell that is not UTF-8, though all were said to be.
#[cold]
fn first_broken(cells: &Cells<'_>) -> CellError {
    let broken = (0..cells.rows).find_map(|row| {
        let valid = cells.nulls.is_none_or(|nulls| nulls.is_valid(row));
        valid.then(|| fault::utf8(cells.bytes(row)).err().map(|error| (row, error))).flatten()
    });
    match broken {
        Some((row, error)) => CellError { row, error },
        None => {
            CellError { row: 0, error: Error::internal("a view of text does not fit its bytes") }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::buffer::NullBuffer;
    use proptest::prelude::*;

    use crate::types::column::{OwnedCells, parse};

    use super::*;

    fn read(name: &str, text: &str) -> Result<String> {
        let cells = OwnedCells::new([Some("padding to shift by"), Some(text)].into_iter()).unwrap();
        let cells = Cells { rows: 1, spans: &cells.cells().spans[1..], ..cells.cells() };
        let sql_type = SqlType::parse(name).unwrap();
        let array = parse(&sql_type, &cells).map_err(|fault| fault.error)?;
        Ok(array.as_string_view().value(0).to_owned())
    }

    #[track_caller]
    fn check(name: &str, text: &str, expected: &str) {
        assert_eq!(read(name, text).unwrap(), expected);
    }

    #[test]
    fn keeps_text_as_it_is() {
        for text in
            ["", " ", "a", "twelve bytes", "thirteen byte", "\u{e9}t\u{e9}", "NULL", "\\x00"]
        {
            check("text", text, text);
        }
    }

    #[test]
    fn counts_characters() {
        check("varchar(3)", "\u{e9}t\u{e9}", "\u{e9}t\u{e9}");
        check("varchar(3)", "abc", "abc");
        check("varchar(3)", "abc   ", "abc");
        check("char", "x ", "x");
        check("varchar(20)", "a text of 20 bytes..    ", "a text of 20 bytes..");
        for (name, text) in [("varchar(3)", "abcd"), ("varchar(3)", "abc d"), ("char", "xy")] {
            let error = read(name, text).unwrap_err();
            assert_eq!(error.code(), SqlState::STRING_DATA_RIGHT_TRUNCATION);
        }
        assert_eq!(
            read("varchar(5) collate \"C\"", "abcdef").unwrap_err().message(),
            "value too long for type VARCHAR(5)"
        );
    }

    #[test]
    fn refuses_nul_bytes() {
        let error = read("text", "ab\0c").unwrap_err();
        assert_eq!(error.code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        assert!(error.message().contains("0x00 at byte 2"));
    }

    fn over(bytes: &[u8], utf8: bool) -> Result<ArrayRef, CellError> {
        let raw = Buffer::from_slice_ref(b"ok");
        let unescaped = Buffer::from_slice_ref(bytes);
        let end = u32::try_from(bytes.len()).unwrap();
        let nulls = NullBuffer::from(vec![true, false, true]);
        let cells = Cells {
            raw: &raw,
            unescaped: &unescaped,
            spans: &[[0, 2], [0, 1], [2, 2 + end]],
            stride: 1,
            column: 0,
            rows: 3,
            nulls: Some(&nulls),
            utf8,
        };
        parse(&SqlType::STRING, &cells)
    }

    #[test]
    fn names_the_row_and_byte_that_is_not_utf8() {
        for bytes in [b"abc\xff".as_slice(), b"a text longer than a view \xc3("] {
            let error = over(bytes, false).unwrap_err();
            assert_eq!(error.row, 2);
            assert_eq!(error.error.code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        }
        // The buffer is valid, but the cell ends within its first character.
        let cells = OwnedCells::new([Some("\u{e9}")].into_iter()).unwrap();
        let cut = Cells { spans: &[[0, 1]], utf8: true, ..cells.cells() };
        let error = parse(&SqlType::STRING, &cut).unwrap_err();
        assert_eq!(error.error.code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    }

    #[test]
    fn keeps_only_the_buffers_it_needs() {
        let short = over(b"short", true).unwrap();
        assert_eq!(short.as_string_view().data_buffers().len(), 0);
        let long = over(b"long enough to be held outside", true).unwrap();
        assert_eq!(long.as_string_view().data_buffers().len(), 2);
        assert_eq!(long.as_string_view().value(2), "long enough to be held outside");
        assert!(long.is_null(1));
    }

    proptest! {
        #[test]
        fn views_hold_any_text(texts in proptest::collection::vec("[^\\x00]{0,20}", 0..20)) {
            let cells = OwnedCells::new(texts.iter().map(|text| Some(text.as_str()))).unwrap();
            let array = parse(&SqlType::STRING, &Cells { utf8: true, ..cells.cells() }).unwrap();
            let array = array.as_string_view();
            prop_assert_eq!(array.iter().flatten().collect::<Vec<_>>(), texts);
        }
    }
}
