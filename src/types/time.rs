//! Times of day: microseconds from midnight, below 24:00.

use crate::error::{Result, SqlState};

use super::civil::DAY_MICROS;
use super::datetime;
use super::fault::{self, Fault};

/// Parses a time of day; a date or zone beside it is left out, as PostgreSQL does.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<i64> {
    let time = bytes.split_first_chunk::<8>().and_then(|(clock, rest)| {
        let (fraction, rest) = fast_fraction(rest)?;
        rest.is_empty().then_some(fast(*clock)? + fraction)
    });
    match time {
        Some(time) => Ok(time),
        None => slow(bytes),
    }
}

/// Parses `HH:MM:SS` below 24:00:00.
#[inline]
pub(super) fn fast(text: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b"00:00:00");
    if (word.wrapping_add(0x7676_7f76_767f_7676) | word) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let digits = word.to_le_bytes().map(i64::from);
    let hours = digits[0] * 10 + digits[1];
    let minutes = digits[3] * 10 + digits[4];
    let seconds = digits[6] * 10 + digits[7];
    (hours < 24 && minutes < 60 && seconds < 60)
        .then_some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000)
}

/// Parses a point and one to six digits, if a point is next; returns microseconds and what follows.
#[inline]
pub(super) fn fast_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else { return Some((0, text)) };
    let (mut micros, mut unit, mut taken) = (0, 1_000_000, 0);
    for byte in digits.iter().take_while(|byte| byte.is_ascii_digit()).take(7) {
        unit /= 10;
        micros += i64::from(byte - b'0') * unit;
        taken += 1;
    }
    (1..=6).contains(&taken).then_some((micros, &digits[taken..]))
}

#[cold]
fn slow(bytes: &[u8]) -> Result<i64> {
    let text = fault::utf8(bytes)?;
    let time = datetime::read(text, true)
        .and_then(|moment| moment.time.ok_or_else(Fault::datetime))
        .and_then(|time| if time < DAY_MICROS { Ok(time) } else { Err(midnight()) });
    time.map_err(|fault| fault.of("time", bytes))
}

fn midnight() -> Fault {
    Fault::new(SqlState::DATETIME_FIELD_OVERFLOW, "field value out of range")
        .hint("A TIME is before 24:00.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: i64) {
        assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
    }

    #[test]
    fn reads_the_forms_of_postgresql() {
        const HOUR: i64 = 3_600_000_000;
        check("10:00:00", 10 * HOUR);
        check("10:00", 10 * HOUR);
        check(" 4:05 ", 4 * HOUR + 300_000_000);
        check("04:05:06.789", 4 * HOUR + 306_789_000);
        check("04:05:06.7891234", 4 * HOUR + 306_789_123);
        check("04:05:06.7891235", 4 * HOUR + 306_789_124);
        check("040506", 4 * HOUR + 306_000_000);
        check("0405", 4 * HOUR + 300_000_000);
        check("04:05 PM", 16 * HOUR + 300_000_000);
        check("12:00 am", 0);
        check("12:00pm", 12 * HOUR);
        check("10:00:00+05", 10 * HOUR);
        check("10:00:00 PST", 10 * HOUR);
        check("2020-01-01 10:00:00", 10 * HOUR);
    }

    #[test]
    fn refuses_the_rest() {
        for (text, code) in [
            ("", SqlState::INVALID_DATETIME_FORMAT),
            ("10", SqlState::INVALID_DATETIME_FORMAT),
            ("10:", SqlState::INVALID_DATETIME_FORMAT),
            ("2020-01-01", SqlState::INVALID_DATETIME_FORMAT),
            ("10:00:00:00", SqlState::INVALID_DATETIME_FORMAT),
            ("24:00", SqlState::DATETIME_FIELD_OVERFLOW),
            ("23:59:59.9999999", SqlState::DATETIME_FIELD_OVERFLOW),
            ("24:00:01", SqlState::DATETIME_FIELD_OVERFLOW),
            ("25:00", SqlState::DATETIME_FIELD_OVERFLOW),
            ("10:60", SqlState::DATETIME_FIELD_OVERFLOW),
            ("10:00:61", SqlState::DATETIME_FIELD_OVERFLOW),
            ("13:00 pm", SqlState::DATETIME_FIELD_OVERFLOW),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().code(), code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn fast_and_general_reader_agree(time in 0i64..DAY_MICROS, places in 0usize..=6) {
            let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
            let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            let text = format!("{clock}.{micros:06}");
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), time);
            prop_assert_eq!(slow(text.as_bytes()).unwrap(), time);
            let cut = if places == 0 { &clock } else { &text[..9 + places] };
            prop_assert_eq!(parse(cut.as_bytes()).unwrap(), slow(cut.as_bytes()).unwrap());
        }

        #[test]
        fn never_panics(text in "[0-9:. apm+Z-]{0,20}") {
            let _ = parse(text.as_bytes());
        }
    }
}
