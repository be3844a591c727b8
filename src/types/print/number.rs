//! Decimals and floating point numbers as text.

use std::fmt::Write as _;

/// Appends digits with a point before the last `scale` of them; a negative scale appends zeros.
pub(super) fn decimal(digits: &str, scale: i8, out: &mut String) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    out.push_str(sign);
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        out.push_str(digits);
        if digits != "0" {
            out.extend(std::iter::repeat_n('0', places));
        }
        return;
    }
    if let Some(point @ 1..) = digits.len().checked_sub(places) {
        out.push_str(&digits[..point]);
        out.push('.');
        out.push_str(&digits[point..]);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', places - digits.len()));
        out.push_str(digits);
    }
}

/// Cuts zeros behind the point, and a bare point, off the number that starts at `start`.
pub(super) fn trim_zeros(out: &mut String, start: usize) {
    if out[start..].contains('.') {
        let length = out.trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(length);
    }
}

/// Appends a FLOAT8.
pub(super) fn float8(value: f64, out: &mut String) {
    if !special(value, out) {
        shortest(&format!("{value:e}"), 15, out);
    }
}

/// Appends a FLOAT4.
pub(super) fn float4(value: f32, out: &mut String) {
    if !special(value.into(), out) {
        shortest(&format!("{value:e}"), 6, out);
    }
}

fn special(value: f64, out: &mut String) -> bool {
    let name = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "Infinity"
    } else if value == f64::NEG_INFINITY {
        "-Infinity"
    } else {
        return false;
    };
    out.push_str(name);
    true
}

/// Appends the shortest digits that read back as the number, given as `-1.25e-7`.
///
/// As in PostgreSQL the point moves by the exponent if that is at least -4 and below `widest`.
fn shortest(scientific: &str, widest: i32, out: &mut String) {
    let (number, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..widest).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String does not fail.
        let _ = write!(out, "{number}e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number),
    };
    out.push_str(sign);
    let digits = unsigned.replacen('.', "", 1);
    let Ok(exponent) = usize::try_from(exponent) else {
        out.push_str("0.");
        out.extend((1..exponent.unsigned_abs()).map(|_| '0'));
        out.push_str(&digits);
        return;
    };
    if digits.len() <= exponent + 1 {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', exponent + 1 - digits.len()));
    } else {
        out.push_str(&digits[..=exponent]);
        out.push('.');
        out.push_str(&digits[exponent + 1..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: f64, expected: &str) {
        let mut printed = String::new();
        float8(value, &mut printed);
        assert_eq!(printed, expected);
    }

    #[track_caller]
    fn check_float4(value: f32, expected: &str) {
        let mut printed = String::new();
        float4(value, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn prints_as_postgresql_does() {
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(1234.5, "1234.5");
        check(100.0, "100");
        check(1e14, "100000000000000");
        check(1e15, "1e+15");
        check(1e20, "1e+20");
        check(1.25e100, "1.25e+100");
        check(0.0001, "0.0001");
        check(0.00012, "0.00012");
        check(1e-5, "1e-05");
        check(-1.5e-7, "-1.5e-07");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "Infinity");
        check(f64::NEG_INFINITY, "-Infinity");
        check(5e-324, "5e-324");
        check(f64::MAX, "1.7976931348623157e+308");
        check_float4(0.1, "0.1");
        check_float4(100_000.0, "100000");
        check_float4(1_000_000.0, "1e+06");
    }

    proptest! {
        #[test]
        fn reads_back(value: f64, single: f32) {
            let mut printed = String::new();
            float8(value, &mut printed);
            let read: f64 = printed.parse().unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || value.is_nan());
            printed.clear();
            float4(single, &mut printed);
            let read: f32 = printed.parse().unwrap();
            prop_assert!(read.to_bits() == single.to_bits() || single.is_nan());
        }
    }
}
