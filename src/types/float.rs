//! Floating point numbers: the correctly rounded value of the text.
//!
//! Short plain numbers take Clinger's fast path: an exact integer over an exact power of ten, one
//! correctly rounded division. All else is the standard library's.

use crate::error::{Error, Result, SqlState};

use super::column::Field;
use super::decimal::plain;
use super::fault::{self, Fault};

/// A floating point type of SQL.
pub(super) trait Float: Copy + Default + std::str::FromStr {
    /// Returns `whole` over ten to `scale` if both are exact in this type.
    fn ratio(whole: u64, scale: usize, negative: bool) -> Option<Self>;
    /// Whether the value is infinite.
    fn infinite(self) -> bool;
}

impl Float for f64 {
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "the number is below 2 to the 53rd")]
    fn ratio(whole: u64, scale: usize, negative: bool) -> Option<Self> {
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        let divisor = POWERS.get(scale)?;
        if whole >= 1 << 53 {
            return None;
        }
        let value = whole as f64 / divisor;
        Some(if negative { -value } else { value })
    }

    fn infinite(self) -> bool {
        self.is_infinite()
    }
}

impl Float for f32 {
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "the number is below 2 to the 24th")]
    fn ratio(whole: u64, scale: usize, negative: bool) -> Option<Self> {
        const POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
        let divisor = POWERS.get(scale)?;
        if whole >= 1 << 24 {
            return None;
        }
        let value = whole as f32 / divisor;
        Some(if negative { -value } else { value })
    }

    fn infinite(self) -> bool {
        self.is_infinite()
    }
}

/// Parses a number, `inf`, `infinity` or `nan`.
#[inline]
pub(super) fn parse<T: Float>(field: Field<'_>) -> Result<T> {
    match fast(field) {
        Some(value) => Ok(value),
        None => slow(field.bytes()),
    }
}

#[inline]
fn fast<T: Float>(field: Field<'_>) -> Option<T> {
    const POWERS: [u64; 17] = {
        let mut powers = [1; 17];
        let mut at = 1;
        while at < 17 {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    let number = plain(field, 2)?;
    let whole = number.whole.checked_mul(POWERS[number.scale])?.checked_add(number.fraction)?;
    T::ratio(whole, number.scale, number.negative)
}

/// Parses every form; outlined, because exponents are rare in files.
#[inline(never)]
fn slow<T: Float>(bytes: &[u8]) -> Result<T> {
    let text = fault::utf8(bytes)?;
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    match trimmed.parse::<T>() {
        Ok(value) if value.infinite() && trimmed.bytes().any(|byte| byte.is_ascii_digit()) => {
            Err(out_of_range(bytes))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(Fault::syntax().of("float", bytes)),
    }
}

#[cold]
fn out_of_range(bytes: &[u8]) -> Error {
    Fault::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range").of("float", bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<T: Float>(text: &str) -> Result<T> {
        parse(Field::new(text.as_bytes(), 0))
    }

    #[track_caller]
    fn check(text: &str, expected: f64) {
        let value = read::<f64>(text).unwrap();
        assert_eq!(value.to_bits(), expected.to_bits(), "{text} gave {value}");
    }

    #[test]
    fn reads_every_form() {
        check("1.5", 1.5);
        check("-0", -0.0);
        check("-0.0", -0.0);
        check("1e5", 1e5);
        check("12.34e56", 12.34e56);
        check(".5", 0.5);
        check("5.", 5.0);
        check("+7", 7.0);
        check(" 2.5 ", 2.5);
        check("inf", f64::INFINITY);
        check("-Infinity", f64::NEG_INFINITY);
        check("+INFINITY", f64::INFINITY);
        check("9007199254740993", 9_007_199_254_740_992.0);
        check("1e-400", 0.0);
        assert!(read::<f64>("NaN").unwrap().is_nan());
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", " ", ".", "1e", "abc", "0x1p4", "1_0", "1,5", "--1"] {
            let error = read::<f64>(text).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
        }
        assert_eq!(read::<f64>("1e400").unwrap_err().code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(read::<f32>("1e39").unwrap_err().code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    }

    proptest! {
        #[test]
        fn agrees_with_std(text in "-?[0-9]{1,17}(\\.[0-9]{1,17})?(e-?[0-9]{1,2})?") {
            let double: f64 = text.parse().unwrap();
            let single: f32 = text.parse().unwrap();
            prop_assert_eq!(read::<f64>(&text).unwrap().to_bits(), double.to_bits());
            match read::<f32>(&text) {
                Ok(value) => prop_assert_eq!(value.to_bits(), single.to_bits()),
                Err(_) => prop_assert!(single.is_infinite()),
            }
        }

        #[test]
        fn reads_back_what_std_prints(value: f64) {
            let read = read::<f64>(&value.to_string()).unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || value.is_nan());
        }
    }
}
