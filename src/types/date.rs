//! Dates: `YYYY-MM-DD` at once as a word, other forms through the general reader.

use crate::error::Result;

use super::civil::{civil_from_days, days_from_civil, days_in_month};
use super::datetime;
use super::fault::{self, Fault};

/// Parses a date into days from 1970-01-01.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<i32> {
    let iso: Option<&[u8; 10]> = bytes.try_into().ok();
    match iso.and_then(fast) {
        Some(days) => Ok(days),
        None => slow(bytes),
    }
}

/// The months that dates were in lately: most dates of a column are in a few hundred months.
pub(super) struct Months([Month; SLOTS]);

/// A month as it is written.
#[derive(Clone, Copy, Default)]
struct Month {
    /// `YYYY-MM-`, or zero for none.
    text: u64,
    /// The day before its first one, from 1970-01-01.
    before: i32,
    /// The number of its days.
    days: u8,
}

/// How many months are kept: those of twenty years have a slot each.
const SLOTS: usize = 1024;

/// Returns the slot of a month `YYYY-MM-`: the last digits of year and month, whether it is a month from
/// October on, and whether the decade is odd.
#[inline]
fn slot_of(text: u64) -> usize {
    let [_, _, decade, year, _, ten, month, _] = text.to_le_bytes().map(usize::from);
    (year & 15) | (month & 15) << 4 | (ten & 1) << 8 | (decade & 1) << 9
}

impl Default for Months {
    fn default() -> Self {
        Self([Month::default(); SLOTS])
    }
}

impl Months {
    /// Parses a date into days from 1970-01-01, as `parse` does.
    #[inline]
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Result<i32> {
        let Some(([head @ .., tens, ones], [])) = bytes.split_first_chunk::<10>() else {
            return parse(bytes);
        };
        let text = u64::from_le_bytes(*head);
        let slot = slot_of(text);
        let month = self.0[slot];
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        let day = tens.wrapping_mul(10).wrapping_add(ones);
        if month.text == text && tens <= 3 && ones <= 9 && day.wrapping_sub(1) < month.days {
            return Ok(month.before + i32::from(day));
        }
        self.parse_new(bytes, slot)
    }

    /// Parses a date of a month that is not kept, and keeps it.
    #[cold]
    fn parse_new(&mut self, bytes: &[u8], slot: usize) -> Result<i32> {
        let first = [bytes.get(..8).unwrap_or_default(), b"01"].concat();
        if let Some(first) = first.as_slice().try_into().ok().and_then(fast) {
            let (year, month, _) = civil_from_days(i64::from(first));
            let text = first_word(bytes);
            let year = i32::try_from(year).unwrap_or(0);
            let days = u8::try_from(days_in_month(year, month)).unwrap_or(0);
            self.0[slot] = Month { text, before: first - 1, days };
        }
        parse(bytes)
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Parses `YYYY-MM-DD` of the years 1 to 9999.
///
/// The first eight bytes are compared with `0000-00-` as one word: digits leave at most 9, hyphens 0.
#[inline]
pub(super) fn fast(text: &[u8; 10]) -> Option<i32> {
    let [head @ .., tens, ones] = *text;
    let word = u64::from_le_bytes(head) ^ u64::from_le_bytes(*b"0000-00-");
    // Each byte's limit is what is missing to its top bit: 0x76 for digits, 0x7f for hyphens.
    if (word.wrapping_add(0x7f76_767f_7676_7676) | word) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 3 || ones > 9 {
        return None;
    }
    let digits = word.to_le_bytes();
    let year = i32::from(digits[0]) * 1000
        + i32::from(digits[1]) * 100
        + i32::from(digits[2]) * 10
        + i32::from(digits[3]);
    let month = u32::from(digits[5]) * 10 + u32::from(digits[6]);
    let day = u32::from(tens) * 10 + u32::from(ones);
    if year == 0 || month.wrapping_sub(1) > 11 || day == 0 {
        return None;
    }
    (day <= 28 || day <= days_in_month(year, month)).then(|| days_from_civil(year, month, day))
}

/// Parses every form; a time of day beside the date is left out, as PostgreSQL does.
#[cold]
fn slow(bytes: &[u8]) -> Result<i32> {
    let text = fault::utf8(bytes)?;
    let date =
        datetime::read(text, false).and_then(|moment| moment.date.ok_or_else(Fault::datetime));
    date.map(datetime::Civil::days).map_err(|fault| fault.of("date", bytes))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use crate::error::SqlState;

    use super::*;

    #[track_caller]
    fn check(text: &str, year: i32, month: u32, day: u32) {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap(), date.to_epoch_days(), "{text}");
    }

    #[track_caller]
    fn refuses(text: &str, code: SqlState) {
        assert_eq!(parse(text.as_bytes()).unwrap_err().code(), code, "{text}");
    }

    #[test]
    fn reads_the_forms_of_postgresql() {
        for text in [
            "1999-01-08",
            " 1999-01-08 ",
            "1999-1-8",
            "1999/01/08",
            "01/08/1999",
            "1/8/1999",
            "01-08-1999",
            "1/8/99",
            "19990108",
            "990108",
            "Jan 8 1999",
            "January 8, 1999",
            "Fri Jan 8 1999",
            "8 Jan 1999",
            "1999 Jan 8",
            "8-Jan-1999",
            "1999-Jan-08",
            "Jan-08-1999",
            "08-jan-99",
            "1999-01-08 10:00:00",
            "1999-01-08T10:00:00Z",
            "1999-01-08 AD",
        ] {
            check(text, 1999, 1, 8);
        }
        check("2024-02-29", 2024, 2, 29);
        check("0001-01-01", 1, 1, 1);
        check("12345-01-01", 12_345, 1, 1);
        check("0001-01-01 BC", 0, 1, 1);
        check("Jan 8, 99 BC", -98, 1, 8);
        check("4713-01-01 BC", -4712, 1, 1);
        check("1/8/69", 2069, 1, 8);
        check("epoch", 1970, 1, 1);
    }

    #[test]
    fn refuses_days_that_do_not_exist() {
        for text in [
            "2023-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-00",
            "2020-01-32",
            "0000-01-01",
            "300000-01-01",
            "4714-01-01 BC",
            "13/13/2020",
        ] {
            refuses(text, SqlState::DATETIME_FIELD_OVERFLOW);
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            " ",
            "abc",
            "2020",
            "2020-01",
            "2020-01-01-05",
            "2020-01-01x",
            "10:00",
            "infinity",
            "-infinity",
            "today",
            "1 2 3 4",
            "2020--01-01",
            "Jan",
            "Jan Feb 1 2020",
            "\u{e9}",
            "2020-01-01 am",
            "BC",
            "2020-01-",
            "2020/01-01",
            "1999-01-08 8 Jan",
        ] {
            refuses(text, SqlState::INVALID_DATETIME_FORMAT);
        }
        assert_eq!(
            parse(b"2020-13-01").unwrap_err().message(),
            "could not parse \"2020-13-01\" as type date: field value out of range"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(days in -719_162i32..2_932_897) {
            let date = NaiveDate::from_epoch_days(days).unwrap();
            let text = date.format("%Y-%m-%d").to_string();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), days);
            prop_assert_eq!(slow(text.as_bytes()).unwrap(), days);
            let mut months = Months::default();
            for _ in 0..2 {
                prop_assert_eq!(months.parse(text.as_bytes()).unwrap(), days);
            }
            let text = date.format("%d-%b-%Y").to_string();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), days);
        }

        #[test]
        fn fast_and_general_reader_agree(text in "[0-9]{4}[-/0-9][0-9]{2}[-:0-9][0-9]{2}") {
            if let Some(days) = fast(text.as_bytes().try_into().unwrap()) {
                prop_assert_eq!(slow(text.as_bytes()).unwrap(), days);
            }
        }

        #[test]
        fn kept_months_change_nothing(
            texts in prop::collection::vec("199[0-3]-[01][0-9]-[0-3:/][0-9:/]", 1..40),
        ) {
            let mut months = Months::default();
            for text in texts {
                let kept = months.parse(text.as_bytes());
                let parsed = parse(text.as_bytes());
                prop_assert_eq!(kept.map_err(|e| e.code()), parsed.map_err(|e| e.code()), "{}", text);
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,30}", dateish in "[0-9 :/.TZ+a-f-]{0,24}") {
            let _ = parse(text.as_bytes());
            let _ = parse(dateish.as_bytes());
        }
    }
}
