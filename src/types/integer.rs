//! Integers: decimal digits eight at a time, and a slow path for the rarer forms.

use crate::error::{Error, Result};

use super::column::Field;
use super::fault::{self, Fault};

/// An integer type of SQL.
pub(super) trait Integer: TryFrom<i64> + Copy + Default {
    /// Its name in range errors.
    const NAME: &'static str;
}

impl Integer for i16 {
    const NAME: &'static str = "int2";
}

impl Integer for i32 {
    const NAME: &'static str = "int4";
}

impl Integer for i64 {
    const NAME: &'static str = "int8";
}

/// Parses an integer: an optional sign and digits, or `0x1F`, `0o17`, `0b11`, with `_` between digits.
#[inline]
pub(super) fn parse<T: Integer>(field: Field<'_>) -> Result<T> {
    match fast(field).and_then(|value| T::try_from(value).ok()) {
        Some(value) => Ok(value),
        None => slow(field.bytes()),
    }
}

/// Parses an optional minus and 1 to 16 digits.
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "sixteen digits fit")]
fn fast(field: Field<'_>) -> Option<i64> {
    let bytes = field.bytes();
    let negative = bytes.first() == Some(&b'-');
    let count = bytes.len() - usize::from(negative);
    let magnitude = match field.head().last_chunk() {
        Some(word) if (1..=8).contains(&count) => eight(*word, count)?,
        _ => digits(field.head(), count)?,
    } as i64;
    Some(if negative { -magnitude } else { magnitude })
}

/// Returns the value of the last `count` bytes of `head`, 1 to 16 digits; `None` if they are not that.
#[inline]
pub(super) fn digits(head: &[u8], count: usize) -> Option<u64> {
    match count {
        1..=8 => match head.last_chunk() {
            Some(word) => eight(*word, count),
            None => few(&head[head.len() - count..]),
        },
        9..=16 => {
            let (rest, low) = head.split_last_chunk()?;
            let low = eight(*low, 8)?;
            let high = match rest.last_chunk() {
                Some(word) => eight(*word, count - 8)?,
                None => few(&rest[rest.len() - (count - 8)..])?,
            };
            Some(high * 100_000_000 + low)
        }
        _ => None,
    }
}

/// Returns the value of the last `count` of eight bytes, 1 to 8 digits.
///
/// Bytes before the digits become zeros; then all eight are checked at once, and added up as pairs,
/// fours and eights.
#[inline]
pub(super) fn eight(word: [u8; 8], count: usize) -> Option<u64> {
    let unused = 64 - 8 * count;
    let word = ((u64::from_le_bytes(word) ^ 0x3030_3030_3030_3030) >> unused) << unused;
    // A byte above 9 carries into its top bit, or has it set.
    if (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// Returns the value of fewer than eight digits at the start of a buffer.
fn few(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

/// Parses every form, and finds out what is wrong with the others.
#[cold]
fn slow<T: Integer>(bytes: &[u8]) -> Result<T> {
    let text = fault::utf8(bytes)?;
    match general(text) {
        Some(Number::Value(value)) => match T::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => Err(fault::integer_range(T::NAME, text.trim())),
        },
        Some(Number::Huge) => Err(fault::integer_range(T::NAME, text.trim())),
        None => Err(syntax(bytes)),
    }
}

fn syntax(bytes: &[u8]) -> Error {
    Fault::syntax().of("int", bytes)
}

/// A number that is formed well.
enum Number {
    Value(i64),
    /// Beyond 64 bits.
    Huge,
}

fn general(text: &str) -> Option<Number> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let mut value = Some(0_i64);
    let mut after_digit = radix != 10;
    for c in digits.chars() {
        match c.to_digit(radix) {
            Some(digit) => {
                // Adding up downward reaches the lowest integer too.
                value = value
                    .and_then(|value| value.checked_mul(i64::from(radix)))
                    .and_then(|value| value.checked_sub(i64::from(digit)));
                after_digit = true;
            }
            None if c == '_' && after_digit => after_digit = false,
            None => return None,
        }
    }
    if digits.is_empty() || !after_digit {
        return None;
    }
    let value = value.and_then(|value| if negative { Some(value) } else { value.checked_neg() });
    Some(value.map_or(Number::Huge, Number::Value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::error::SqlState;

    use super::*;

    fn read<T: Integer>(text: &str) -> Result<T> {
        // The same text at the start of a buffer and inside one.
        let alone = parse(Field::new(text.as_bytes(), 0));
        let inside = format!("9999999999999999,{text}");
        let behind = parse::<T>(Field::new(inside.as_bytes(), 17));
        assert_eq!(alone.is_ok(), behind.is_ok());
        alone
    }

    #[track_caller]
    fn check(text: &str, expected: i64) {
        assert_eq!(read::<i64>(text).unwrap(), expected);
    }

    #[test]
    fn reads_every_form() {
        check("0", 0);
        check("-0", 0);
        check("010", 10);
        check("08", 8);
        check("+5", 5);
        check(" 7\t", 7);
        check("0x1F", 31);
        check("-0x1f", -31);
        check("0o17", 15);
        check("0b101", 5);
        check("1_000", 1000);
        check("12345678", 12_345_678);
        check("123456789", 123_456_789);
        check("1234567890123456", 1_234_567_890_123_456);
        check("9223372036854775807", i64::MAX);
        check("-9223372036854775808", i64::MIN);
        check("000000000000000000000000000012", 12);
    }

    #[test]
    fn refuses_what_is_no_integer() {
        for text in [
            "", " ", "-", "+", "abc", "1.0", "1e3", "1 2", "--1", "0x", "1_", "_1", "1__0",
            "12a45678", "-:", "1/",
        ] {
            let error = read::<i64>(text).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
        }
        let error = read::<i64>("abc").unwrap_err();
        assert_eq!(error.message(), "could not parse \"abc\" as type int: invalid syntax");
    }

    #[test]
    fn names_the_width_that_overflows() {
        let check = |error: Error, message| {
            assert_eq!(error.code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
            assert_eq!(error.message(), message);
        };
        check(
            read::<i32>("3000000000").unwrap_err(),
            "integer out of range for type int4: \"3000000000\"",
        );
        check(read::<i16>("-32769").unwrap_err(), "integer out of range for type int2: \"-32769\"");
        check(
            read::<i64>("9223372036854775808").unwrap_err(),
            "integer out of range for type int8: \"9223372036854775808\"",
        );
        assert_eq!(read::<i16>("-32768").unwrap(), i16::MIN);
    }

    proptest! {
        #[test]
        fn agrees_with_std(value: i64, narrow: i16) {
            prop_assert_eq!(read::<i64>(&value.to_string()).unwrap(), value);
            prop_assert_eq!(read::<i64>(&narrow.to_string()).unwrap(), i64::from(narrow));
            prop_assert_eq!(read::<i32>(&value.to_string()).ok(), i32::try_from(value).ok());
        }

        #[test]
        fn never_takes_garbage(text in "[-+0-9a-f:/ .]{0,20}") {
            let std = text.trim().parse::<i64>();
            prop_assert_eq!(read::<i64>(&text).ok(), std.ok());
        }

        #[test]
        fn checks_every_byte(mut text in "[0-9]{1,16}", at in 0usize..16, byte in 0u8..128) {
            let at = at % text.len();
            text.replace_range(at..=at, &char::from(byte).to_string());
            let field = Field::new(text.as_bytes(), 0);
            let std = if text.starts_with('+') { None } else { text.parse::<i64>().ok() };
            prop_assert_eq!(fast(field), std);
        }
    }
}
