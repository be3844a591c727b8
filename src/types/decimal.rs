//! Exact numbers: digits to an integer scaled by a power of ten, never through floating point.
//!
//! A declared scale rounds half away from zero, as PostgreSQL does. DECIMAL without one refuses what
//! it cannot hold exactly.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array};
use arrow::datatypes::i256;

use crate::error::{Error, Result, SqlState, shorten};

use super::column::{Field, fill};
use super::fault::{self, Fault};
use super::integer::{digits, eight};
use super::sql_type::BARE_DECIMAL;
use super::{CellError, Cells, SqlType};

/// Powers of ten that fit 128 bits.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < 39 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// An exponent beyond which a number is out of range, or zero, whatever its digits are.
const LARGEST_EXPONENT: i64 = 100_000;

/// The precision and scale of a DECIMAL type.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Digits in all.
    pub(super) precision: usize,
    /// Digits behind the point.
    pub(super) scale: usize,
    /// Whether more digits behind the point are rounded away.
    pub(super) rounds: bool,
}

impl Form {
    /// Returns the form of a type: precision and scale, or neither.
    pub(super) fn new(declared: Option<(u8, i8)>) -> Self {
        let (precision, scale) = declared.unwrap_or(BARE_DECIMAL);
        Self {
            precision: usize::from(precision),
            scale: usize::try_from(scale).unwrap_or(0),
            rounds: declared.is_some(),
        }
    }

    /// Returns the name of the type.
    fn name(self) -> String {
        if !self.rounds {
            return "DECIMAL".to_owned();
        }
        let number = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let scale = i8::try_from(self.scale).unwrap_or(0);
        SqlType::Decimal(Some((number(self.precision), scale))).to_string()
    }

    /// Returns the error of a number with too many digits.
    #[cold]
    pub(super) fn overflow(self, text: &str) -> Error {
        let whole = self.precision - self.scale;
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value out of range for type {}: \"{}\"", self.name(), shorten(text)),
        )
        .detail(format!("The type holds {whole} digits before the point."))
    }

    /// Returns the error of a number that DECIMAL would have to round.
    #[cold]
    pub(super) fn inexact(self, text: &str) -> Error {
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value has too many digits for type DECIMAL: \"{}\"", shorten(text)),
        )
        .detail(format!("DECIMAL holds {} digits behind the point and does not round.", self.scale))
        .hint("Declare the column as DECIMAL(precision,scale), which rounds.")
    }
}

/// Parses a column of decimals.
pub(super) fn column(declared: Option<(u8, i8)>, cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    let form = Form::new(declared);
    let (precision, scale) = declared.unwrap_or(BARE_DECIMAL);
    let nulls = cells.nulls.cloned();
    let array: Result<ArrayRef, _> = if precision <= 38 {
        let limit = 10_u64.pow(u32::from(precision.min(18)));
        let values = fill(cells, |field| match short(field, form.scale) {
            Some((negative, value)) if value < limit => {
                Ok(if negative { -i128::from(value) } else { i128::from(value) })
            }
            _ => match fast(field, form) {
                Some(value) => Ok(value),
                None => slow(field.bytes(), form).map(i256::as_i128),
            },
        })?;
        Decimal128Array::new(values.into(), nulls)
            .with_precision_and_scale(precision, scale)
            .map(|array| Arc::new(array) as ArrayRef)
    } else {
        let values = fill(cells, |field| match fast(field, form) {
            Some(value) => Ok(i256::from_i128(value)),
            None => slow(field.bytes(), form),
        })?;
        Decimal256Array::new(values.into(), nulls)
            .with_precision_and_scale(precision, scale)
            .map(|array| Arc::new(array) as ArrayRef)
    };
    array.map_err(|error| CellError { row: 0, error: Error::internal(error) })
}

/// An optional minus, digits, and perhaps a point and more digits, in plain form.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    /// Whether a minus stands before it.
    pub(super) negative: bool,
    /// The digits before the point, at most 16 of them.
    pub(super) whole: u64,
    /// The digits behind the point, at most 16 of them.
    pub(super) fraction: u64,
    /// How many digits stand behind the point.
    pub(super) scale: usize,
}

/// Reads a number in plain form, looking for the point first where `scale` says it is.
#[inline]
pub(super) fn plain(field: Field<'_>, scale: usize) -> Option<Plain> {
    let (bytes, head) = (field.bytes(), field.head());
    let negative = bytes.first() == Some(&b'-');
    let sign = usize::from(negative);
    let guess = bytes.len().wrapping_sub(scale + 1);
    let point = if bytes.get(guess) == Some(&b'.') {
        Some(guess)
    } else {
        bytes.iter().position(|byte| *byte == b'.')
    };
    match point {
        None => {
            let whole = digits(head, bytes.len() - sign)?;
            Some(Plain { negative, whole, fraction: 0, scale: 0 })
        }
        Some(point) => {
            let scale = bytes.len() - point - 1;
            let fraction = digits(head, scale)?;
            let whole = digits(&head[..head.len() - scale - 1], point.checked_sub(sign)?)?;
            Some(Plain { negative, whole, fraction, scale })
        }
    }
}

/// Parses a cell of up to eight bytes that has no point, or exactly `scale` digits behind it; returns
/// the number in units of the last digit and whether a minus stands before it.
#[inline]
fn short(field: Field<'_>, scale: usize) -> Option<(bool, u64)> {
    let bytes = field.bytes();
    let word = u64::from_le_bytes(*field.head().last_chunk()?);
    let negative = bytes.first() == Some(&b'-');
    let count = bytes.len().wrapping_sub(usize::from(negative));
    if !(1..=8).contains(&count) || bytes.len() > 8 || scale > 6 {
        return None;
    }
    let point = (word >> (56 - 8 * scale)) & 0xff == u64::from(b'.');
    let value = if point && scale > 0 && count > scale + 1 {
        let fraction = u64::MAX << (64 - 8 * scale);
        let digits = (word & fraction) | ((word << 8) & !fraction);
        eight(digits.to_le_bytes(), count - 1)?
    } else {
        eight(word.to_le_bytes(), count)? * TENS[scale]
    };
    Some((negative, value))
}

/// The powers of ten that `short` multiplies by.
const TENS: [u64; 7] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/// Parses up to 15 digits of which exactly `scale` stand behind a point; returns them as one number
/// and whether a minus stands before it.
///
/// The cell's last 16 bytes are one word: what stands before the point moves over it.
#[inline]
fn fixed(field: Field<'_>, scale: usize) -> Option<(bool, u64)> {
    let bytes = field.bytes();
    let word = u128::from_le_bytes(*field.head().last_chunk()?);
    let negative = bytes.first() == Some(&b'-');
    let count = bytes.len().wrapping_sub(usize::from(negative) + 1);
    if !(1..=14).contains(&scale) || count <= scale || count > 15 {
        return None;
    }
    let fraction = u128::MAX << (128 - 8 * scale);
    if (word >> (120 - 8 * scale)) & 0xff != u128::from(b'.') {
        return None;
    }
    let digits = ((word & fraction) | ((word << 8) & !fraction)).to_le_bytes();
    let ([low, high], _) = digits.as_chunks::<8>() else { return None };
    let value = eight(*high, count.min(8))?;
    let value = if count > 8 { value + eight(*low, count - 8)? * 100_000_000 } else { value };
    Some((negative, value))
}

/// Parses plain numbers whose digits behind the point fit the scale.
#[inline]
fn fast(field: Field<'_>, form: Form) -> Option<i128> {
    if let Some((negative, value)) = fixed(field, form.scale) {
        let value = i128::from(value);
        let value = if negative { -value } else { value };
        return (value.abs() < POWERS[form.precision.min(38)]).then_some(value);
    }
    let number = plain(field, form.scale)?;
    let missing = form.scale.checked_sub(number.scale)?;
    // Sixteen digits before the point and the scale behind it stay below 38 digits.
    if form.scale > 20 {
        return None;
    }
    let value = i128::from(number.whole) * POWERS[number.scale] + i128::from(number.fraction);
    let value = value * POWERS[missing];
    if value >= POWERS[form.precision.min(38)] {
        return None;
    }
    Some(if number.negative { -value } else { value })
}

/// Parses every form, and finds out what is wrong with the others.
#[cold]
fn slow(bytes: &[u8], form: Form) -> Result<i256> {
    let text = fault::utf8(bytes)?;
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let number = Long::read(trimmed).map_err(|fault| fault.of("decimal", bytes))?;
    number.scaled(form, trimmed)
}

/// A number of any length: `0.digits` times ten to `point`, without leading zeros.
struct Long {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Long {
    fn read(text: &str) -> Result<Self, Fault> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(no_number(unsigned));
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Self {
            negative,
            point: length(whole.len()) + exponent - length(zeros),
            digits: digits[zeros..].iter().map(|digit| digit - b'0').collect(),
        })
    }

    /// Returns the number times ten to the scale, rounded or refused as the form says.
    fn scaled(mut self, form: Form, text: &str) -> Result<i256> {
        let scale = i64::try_from(form.scale).unwrap_or(0);
        if self.digits.is_empty() {
            return Ok(i256::ZERO);
        }
        let wanted = self.point + scale;
        if wanted > i64::try_from(form.precision).unwrap_or(0) {
            return Err(form.overflow(text));
        }
        let kept = usize::try_from(wanted.max(0)).unwrap_or(0);
        if kept < self.digits.len() {
            let dropped = &self.digits[kept..];
            if !form.rounds && dropped.iter().any(|digit| *digit != 0) {
                return Err(form.inexact(text));
            }
            // Below zero places the first digit stands further right than the half.
            let up = wanted >= 0 && dropped[0] >= 5;
            self.digits.truncate(kept);
            if up {
                self.increment();
            }
            if self.digits.len() > form.precision {
                return Err(form.overflow(text));
            }
        } else {
            self.digits.resize(kept, 0);
        }
        let value = self.digits.chunks(18).fold(i256::ZERO, |value, chunk| {
            let number =
                chunk.iter().fold(0_i128, |number, digit| number * 10 + i128::from(*digit));
            value
                .wrapping_mul(i256::from_i128(POWERS[chunk.len()]))
                .wrapping_add(i256::from_i128(number))
        });
        Ok(if self.negative { value.wrapping_neg() } else { value })
    }

    /// Adds one to the last digit.
    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
    }
}

fn read_exponent(text: &str) -> Result<i64, Fault> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::syntax());
    }
    let size = digits.parse().unwrap_or(LARGEST_EXPONENT).min(LARGEST_EXPONENT);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// Returns the fault of a text that is no finite number.
fn no_number(unsigned: &str) -> Fault {
    let special = ["nan", "inf", "infinity"];
    if special.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Fault::new(SqlState::INVALID_TEXT_REPRESENTATION, "decimals are finite")
            .hint("Declare the column as FLOAT8, which holds NaN and Infinity.");
    }
    Fault::syntax()
}

/// Returns `value` moved from one scale to the form's, rounded or refused as the form says.
pub(super) fn rescale(
    value: i256,
    scale: i32,
    form: Form,
    text: impl Fn() -> String,
) -> Result<i256> {
    let target = i32::try_from(form.scale).unwrap_or(0);
    let ten = |power: i32| {
        u32::try_from(power).ok().and_then(|power| i256::from_i128(10).checked_pow(power))
    };
    let moved = if target >= scale {
        match ten(target - scale) {
            _ if value == i256::ZERO => Some(value),
            Some(factor) => value.checked_mul(factor),
            None => None,
        }
    } else {
        match ten(scale - target) {
            None if !form.rounds && value != i256::ZERO => return Err(form.inexact(&text())),
            None => Some(i256::ZERO),
            Some(divisor) => {
                let (whole, rest) = (value.wrapping_div(divisor), value.wrapping_rem(divisor));
                if !form.rounds && rest != i256::ZERO {
                    return Err(form.inexact(&text()));
                }
                let half = divisor.wrapping_div(i256::from_i128(2));
                let up = rest.wrapping_abs() >= half && rest != i256::ZERO;
                let step = if up { value.signum() } else { i256::ZERO };
                whole.checked_add(step)
            }
        }
    };
    let limit = u32::try_from(form.precision)
        .ok()
        .and_then(|precision| i256::from_i128(10).checked_pow(precision));
    match (moved, limit) {
        (Some(moved), Some(limit)) if moved.wrapping_abs() < limit => Ok(moved),
        _ => Err(form.overflow(&text())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, declared: Option<(u8, i8)>) -> Result<i256> {
        let form = Form::new(declared);
        let general = slow(text.as_bytes(), form);
        if let Some(value) = fast(Field::new(text.as_bytes(), 0), form) {
            assert_eq!(i256::from_i128(value), *general.as_ref().unwrap(), "{text}");
        }
        let inside = format!("99999999999999999,{text}");
        if let Some(value) = fast(Field::new(inside.as_bytes(), 18), form) {
            assert_eq!(i256::from_i128(value), *general.as_ref().unwrap(), "{text}");
        }
        general
    }

    #[track_caller]
    fn check(text: &str, declared: (u8, i8), expected: i128) {
        assert_eq!(read(text, Some(declared)).unwrap(), i256::from_i128(expected));
    }

    #[track_caller]
    fn refuses(text: &str, declared: Option<(u8, i8)>, code: SqlState) {
        assert_eq!(read(text, declared).unwrap_err().code(), code, "{text}");
    }

    #[test]
    fn reads_every_form() {
        check("12.34", (5, 2), 1234);
        check("-12.34", (5, 2), -1234);
        check("12", (5, 2), 1200);
        check("12.3", (5, 2), 1230);
        check(".5", (5, 2), 50);
        check("5.", (5, 2), 500);
        check("+1.5", (5, 2), 150);
        check(" 1.5 ", (5, 2), 150);
        check("1e2", (5, 2), 10_000);
        check("1.25E-1", (5, 2), 13);
        check("-0.00", (5, 2), 0);
        check("0e999999999999999999999", (5, 2), 0);
        check("1e-999999999999999999999", (5, 2), 0);
        check("0000000000000000000000000000000000000000012.34", (5, 2), 1234);
        check("99999999999999999999999999999999999999", (38, 0), POWERS[38 - 1] * 10 - 1);
    }

    #[test]
    fn rounds_half_away_from_zero() {
        check("0.005", (5, 2), 1);
        check("-0.005", (5, 2), -1);
        check("0.0049999", (5, 2), 0);
        check("0.0005", (5, 2), 0);
        check("0.0095", (5, 2), 1);
        check("9.995", (5, 2), 1000);
        check("99.5", (3, 0), 100);
        check("0.5", (3, 0), 1);
        check("0.4", (3, 0), 0);
    }

    #[test]
    fn refuses_too_many_digits() {
        let range = SqlState::NUMERIC_VALUE_OUT_OF_RANGE;
        refuses("1000", Some((5, 2)), range);
        refuses("999.995", Some((5, 2)), range);
        refuses("1e400", Some((5, 2)), range);
        refuses("0.123456789012345678901", None, range);
        refuses("1e56", None, range);
        let error = read("1000", Some((5, 2))).unwrap_err();
        assert_eq!(error.message(), "value out of range for type DECIMAL(5,2): \"1000\"");
    }

    #[test]
    fn bare_decimal_is_exact() {
        let ten = |power| i256::from_i128(10).checked_pow(power).unwrap();
        assert_eq!(read("1", None).unwrap(), ten(20));
        assert_eq!(read("1e55", None).unwrap(), ten(75));
        assert_eq!(read("0.00000000000000000001000", None).unwrap(), i256::ONE);
    }

    #[test]
    fn refuses_what_is_no_finite_number() {
        for text in [
            "", "-", ".", "abc", "1.2.3", "1e", "e5", "NaN", "Infinity", "-inf", "1,5", "0x10",
            "1_0", "- 1",
        ] {
            refuses(text, Some((5, 2)), SqlState::INVALID_TEXT_REPRESENTATION);
            refuses(text, None, SqlState::INVALID_TEXT_REPRESENTATION);
        }
    }

    #[test]
    fn rescales_with_rounding() {
        let form = Form::new(Some((5, 2)));
        let moved = |value: i128, scale| {
            rescale(i256::from_i128(value), scale, form, String::new).map(i256::as_i128)
        };
        assert_eq!(moved(12_345, 3).unwrap(), 1235);
        assert_eq!(moved(-12_345, 3).unwrap(), -1235);
        assert_eq!(moved(12_344, 3).unwrap(), 1234);
        assert_eq!(moved(5, 0).unwrap(), 500);
        assert_eq!(moved(4, 100).unwrap(), 0);
        assert_eq!(moved(1, -2).unwrap(), 10_000);
        assert!(moved(1000, 0).is_err());
        assert!(rescale(i256::ONE, 21, Form::new(None), String::new).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_text_arithmetic(whole in 0u64..=9_999_999_999_999, fraction in "[0-9]{0,9}", negative: bool) {
            let text = format!("{}{whole}.{fraction}", if negative { "-" } else { "" });
            let padded = format!("{fraction:0<20}");
            let magnitude: i128 = format!("{whole}{padded}").parse().unwrap();
            let expected = i256::from_i128(if negative { -magnitude } else { magnitude });
            prop_assert_eq!(read(&text, None).unwrap(), expected);
            let rounded = (magnitude / POWERS[17] + 5) / 10;
            let rounded = i256::from_i128(if negative { -rounded } else { rounded });
            prop_assert_eq!(read(&text, Some((15, 2))).unwrap(), rounded);
        }

        #[test]
        fn never_takes_garbage(text in "[-+0-9.eE ]{0,12}") {
            let std = text.trim().parse::<f64>().is_ok();
            match read(&text, Some((76, 20))) {
                Ok(_) => prop_assert!(std, "{}", text),
                Err(error) => prop_assert!(
                    !std || error.code() == SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "{}", text
                ),
            }
        }
    }
}
