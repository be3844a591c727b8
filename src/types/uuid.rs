//! UUIDs: 16 bytes in storage, canonical text in queries.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, StringViewArray};
use arrow::buffer::Buffer;

use crate::error::{Error, Result};

use super::column::{fill, place};
use super::fault::Fault;
use super::{CellError, Cells};

/// The value of each hex digit; others are 255.
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0_u8;
    while value < 16 {
        table[digits[value as usize] as usize] = value;
        table[digits[value as usize].to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
};

/// Where the 16 pairs of digits stand in the canonical text.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The length of the canonical text.
const LENGTH: usize = 36;

/// Parses a column of UUIDs.
pub(super) fn column(cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    let values = fill(cells, |field| parse(field.bytes()))?;
    let buffer = Buffer::from_vec(values.into_flattened());
    FixedSizeBinaryArray::try_new(16, buffer, cells.nulls.cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| CellError { row: 0, error: Error::internal(error) })
}

/// Parses the canonical form, also in braces or behind `urn:uuid:`, or 32 hex digits.
#[inline]
fn parse(bytes: &[u8]) -> Result<[u8; 16]> {
    match canonical(bytes) {
        Some(value) => Ok(value),
        None => slow(bytes),
    }
}

/// Parses digits in groups of 8, 4, 4, 4 and 12.
#[inline]
fn canonical(bytes: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; LENGTH] = bytes.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let mut value = [0; 16];
    let mut wrong = 0;
    for (byte, at) in value.iter_mut().zip(PAIRS) {
        let (high, low) = (NIBBLES[text[at] as usize], NIBBLES[text[at + 1] as usize]);
        wrong |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (wrong < 16).then_some(value)
}

#[cold]
fn slow(bytes: &[u8]) -> Result<[u8; 16]> {
    let fault = || Fault::syntax().of("uuid", bytes);
    let mut text = bytes.trim_ascii();
    if let Some((prefix, rest)) = text.split_at_checked(9)
        && prefix.eq_ignore_ascii_case(b"urn:uuid:")
    {
        text = rest;
    }
    if let [b'{', inner @ .., b'}'] = text {
        text = inner;
    }
    if let Some(value) = canonical(text) {
        return Ok(value);
    }
    // As in PostgreSQL, a hyphen may stand behind any group of four digits.
    let (mut value, mut count) = ([0_u8; 16], 0_usize);
    let mut after_hyphen = true;
    for byte in text {
        let nibble = NIBBLES[*byte as usize];
        if *byte == b'-' && count % 4 == 0 && !after_hyphen {
            after_hyphen = true;
        } else if nibble < 16 && count < 32 {
            value[count / 2] |= if count % 2 == 0 { nibble << 4 } else { nibble };
            count += 1;
            after_hyphen = false;
        } else {
            return Err(fault());
        }
    }
    if count == 32 && !after_hyphen { Ok(value) } else { Err(fault()) }
}

/// Returns stored UUIDs as canonical text.
pub(super) fn to_query(values: &FixedSizeBinaryArray) -> Result<ArrayRef> {
    let mut text = vec![b'-'; values.len() * LENGTH];
    let mut views = vec![0_u128; values.len()];
    place(text.len())?;
    let slots = text.as_chunks_mut::<LENGTH>().0.iter_mut().zip(&mut views).enumerate();
    for (row, (slot, view)) in slots {
        if values.is_valid(row) {
            write(values.value(row), slot);
            let prefix = u32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]]);
            *view = LENGTH as u128 | u128::from(prefix) << 32 | ((row * LENGTH) as u128) << 96;
        }
    }
    StringViewArray::try_new(views.into(), [Buffer::from_vec(text)], values.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(Error::internal)
}

/// Writes the digits of 16 bytes between the hyphens of the canonical text.
fn write(value: &[u8], text: &mut [u8; LENGTH]) {
    let digits = b"0123456789abcdef";
    for (byte, at) in value.iter().zip(PAIRS) {
        text[at] = digits[usize::from(byte >> 4)];
        text[at + 1] = digits[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use proptest::prelude::*;

    use crate::error::SqlState;

    use super::*;

    const TEXT: &str = "63616665-6630-3064-6465-616462656566";

    #[test]
    fn reads_every_form() {
        for text in [
            TEXT,
            "63616665-6630-3064-6465-61646265656F",
            "{63616665-6630-3064-6465-616462656566}",
            "urn:uuid:63616665-6630-3064-6465-616462656566",
            "URN:UUID:{63616665663030646465616462656566}",
            "63616665663030646465616462656566",
            "6361-6665-6630-3064-6465-6164-6265-6566",
            " 63616665-6630-3064-6465-616462656566 ",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap()[..15], *b"cafef00ddeadbee");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "abc",
            "63616665-6630-3064-6465-61646265656",
            "63616665-6630-3064-6465-61646265656g",
            "63616665--6630-3064-6465-616462656566",
            "{63616665-6630-3064-6465-616462656566",
            "-63616665663030646465616462656566",
            "63616665663030646465616462656566-",
            "636166656630306464656164626565660",
            "636-16665663030646465616462656566",
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_uuid_crate(bytes: [u8; 16]) {
            let oracle = ::uuid::Uuid::from_bytes(bytes);
            prop_assert_eq!(parse(oracle.to_string().as_bytes()).unwrap(), bytes);
            prop_assert_eq!(parse(oracle.simple().to_string().as_bytes()).unwrap(), bytes);
            let stored = FixedSizeBinaryArray::new(16, Buffer::from_slice_ref(bytes), None);
            let text = to_query(&stored).unwrap();
            prop_assert_eq!(text.as_string_view().value(0), oracle.to_string());
        }
    }
}
