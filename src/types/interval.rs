//! Intervals: months, days and nanoseconds.
//!
//! In storage an interval is 16 bytes, little endian: months (i32), days (i32), nanoseconds (i64).
//! Text is read to the microsecond, PostgreSQL's precision.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, IntervalMonthDayNanoArray};
use arrow::buffer::Buffer;
use arrow::datatypes::IntervalMonthDayNano;

use crate::error::{Error, Result, SqlState};

use super::column::fill;
use super::fault::{self, Fault};
use super::{CellError, Cells};

/// Nanoseconds in a day.
const DAY: i128 = 86_400_000_000_000;

/// A number of units is held in parts of a billion.
const BILLION: i128 = 1_000_000_000;

/// Returns the key by which PostgreSQL compares intervals: nanoseconds, in months of 30 days and days
/// of 24 hours.
pub fn interval_order(months: i32, days: i32, nanos: i64) -> i128 {
    (i128::from(months) * 30 + i128::from(days)) * DAY + i128::from(nanos)
}

/// Parses a column of intervals.
pub(super) fn column(cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    let values = fill(cells, |field| parse(field.bytes()).map(to_bytes))?;
    stored(values, cells.nulls.cloned()).map_err(|error| CellError { row: 0, error })
}

/// Returns intervals in query form as they are stored.
pub(super) fn to_storage(values: &IntervalMonthDayNanoArray) -> Result<ArrayRef> {
    let bytes = values.values().iter().map(|value| to_bytes(*value)).collect();
    stored(bytes, values.nulls().cloned())
}

/// Returns stored intervals in query form.
pub(super) fn to_query(values: &FixedSizeBinaryArray) -> ArrayRef {
    let (chunks, _) = values.value_data().as_chunks::<16>();
    let intervals = chunks.iter().map(|bytes| from_bytes(*bytes)).collect::<Vec<_>>();
    Arc::new(IntervalMonthDayNanoArray::new(intervals.into(), values.nulls().cloned()))
}

fn stored(values: Vec<[u8; 16]>, nulls: Option<arrow::buffer::NullBuffer>) -> Result<ArrayRef> {
    FixedSizeBinaryArray::try_new(16, Buffer::from_vec(values.into_flattened()), nulls)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(Error::internal)
}

fn to_bytes(value: IntervalMonthDayNano) -> [u8; 16] {
    let months = u32::from_le_bytes(value.months.to_le_bytes());
    let days = u32::from_le_bytes(value.days.to_le_bytes());
    let nanos = u64::from_le_bytes(value.nanoseconds.to_le_bytes());
    (u128::from(months) | u128::from(days) << 32 | u128::from(nanos) << 64).to_le_bytes()
}

fn from_bytes(bytes: [u8; 16]) -> IntervalMonthDayNano {
    let [first @ .., _, _, _, _, _, _, _, _] = bytes;
    let [_, _, _, _, _, _, _, _, nanos @ ..] = bytes;
    let [months @ .., _, _, _, _] = first;
    let [_, _, _, _, days @ ..] = first;
    IntervalMonthDayNano::new(
        i32::from_le_bytes(months),
        i32::from_le_bytes(days),
        i64::from_le_bytes(nanos),
    )
}

/// Parses the forms of PostgreSQL, SQL, ISO 8601 and Go.
fn parse(bytes: &[u8]) -> Result<IntervalMonthDayNano> {
    let text = fault::utf8(bytes)?;
    let trimmed = text.trim();
    let sum = match trimmed.strip_prefix(['P', 'p']) {
        Some(rest) => read_iso(rest),
        None => Reader { rest: trimmed, ..Reader::default() }.read(),
    };
    sum.and_then(Sum::finish).map_err(|fault| fault.of("interval", bytes))
}

/// What has been added up so far, before it is known to fit.
#[derive(Default)]
struct Sum {
    months: i128,
    days: i128,
    nanos: i128,
}

impl Sum {
    /// Adds `amount` billionths of a unit; what a unit leaves over goes to the next smaller one.
    fn add(&mut self, amount: i128, unit: Unit) {
        match unit {
            Unit::Months(months) => {
                let amount = amount * months;
                self.months += amount / BILLION;
                // Parts of a year are rounded to months, parts of a month become days.
                if months == 1 {
                    self.add(amount % BILLION * 30, Unit::Days(1));
                } else if (amount % BILLION).abs() * 2 >= BILLION {
                    self.months += amount.signum();
                }
            }
            Unit::Days(days) => {
                let amount = amount * days;
                self.days += amount / BILLION;
                self.nanos += amount % BILLION * (DAY / BILLION);
            }
            Unit::Seconds(seconds) => self.nanos += amount * seconds,
            Unit::PartsOfSecond(parts) => self.nanos += amount / parts,
        }
    }

    /// Rounds to microseconds and checks the ranges.
    fn finish(self) -> Result<IntervalMonthDayNano, Fault> {
        let micros = (self.nanos.abs() + 500) / 1000 * self.nanos.signum();
        let range =
            || Fault::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval field value out of range");
        Ok(IntervalMonthDayNano::new(
            i32::try_from(self.months).map_err(|_| range())?,
            i32::try_from(self.days).map_err(|_| range())?,
            i64::try_from(micros * 1000).map_err(|_| range())?,
        ))
    }
}

/// A unit of time, as a number of the field that it is added to.
#[derive(Clone, Copy)]
enum Unit {
    Months(i128),
    Days(i128),
    Seconds(i128),
    PartsOfSecond(i128),
}

impl Unit {
    /// Finds a unit by a word of PostgreSQL or Go.
    fn find(word: &str) -> Option<Self> {
        let lower = word.to_lowercase();
        Some(match lower.as_str() {
            "millennium" | "millennia" | "mil" | "mils" => Self::Months(12_000),
            "century" | "centuries" | "cent" | "c" => Self::Months(1200),
            "decade" | "decades" | "dec" | "decs" => Self::Months(120),
            "year" | "years" | "yr" | "yrs" | "y" => Self::Months(12),
            "month" | "months" | "mon" | "mons" => Self::Months(1),
            "week" | "weeks" | "w" => Self::Days(7),
            "day" | "days" | "d" => Self::Days(1),
            "hour" | "hours" | "hr" | "hrs" | "h" => Self::Seconds(3600),
            "minute" | "minutes" | "min" | "mins" | "m" => Self::Seconds(60),
            "second" | "seconds" | "sec" | "secs" | "s" => Self::Seconds(1),
            "millisecond" | "milliseconds" | "msec" | "msecs" | "mseconds" | "ms" => {
                Self::PartsOfSecond(1000)
            }
            "microsecond" | "microseconds" | "usec" | "usecs" | "useconds" | "us" | "\u{b5}s"
            | "\u{3bc}s" => Self::PartsOfSecond(1_000_000),
            "nanosecond" | "nanoseconds" | "ns" => Self::PartsOfSecond(BILLION),
            _ => return None,
        })
    }
}

/// Reads `1 year 2 mons -3 days 04:05:06`, `1-2 3 4:5:6` and `1h2m3s`.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    sum: Sum,
    /// A number that waits for its unit: a time behind it makes it days, the end seconds.
    pending: Option<i128>,
    any: bool,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Sum, Fault> {
        let mut ago = false;
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
            match self.rest.bytes().next() {
                None => break,
                Some(b'@') if !self.any => self.rest = &self.rest[1..],
                Some(b'0'..=b'9' | b'.' | b'+' | b'-') if !ago => self.number()?,
                Some(_) => ago = self.word()?,
            }
        }
        if let Some(seconds) = self.pending.take() {
            self.sum.add(seconds, Unit::Seconds(1));
        }
        if !self.any {
            return Err(Fault::datetime());
        }
        if ago {
            let Sum { months, days, nanos } = self.sum;
            self.sum = Sum { months: -months, days: -days, nanos: -nanos };
        }
        Ok(self.sum)
    }

    /// Reads a unit behind a number, or `ago`; returns whether it was the latter.
    fn word(&mut self) -> Result<bool, Fault> {
        let end = self.rest.find(|c: char| !c.is_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match (self.pending.take(), Unit::find(word)) {
            (Some(amount), Some(unit)) => {
                self.sum.add(amount, unit);
                Ok(false)
            }
            (None, None) if word.eq_ignore_ascii_case("ago") && self.any => Ok(true),
            _ => Err(Fault::datetime()),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.any = true;
        let (sign, unsigned) = signed(self.rest);
        let unsigned = unsigned.trim_start();
        let end = unsigned
            .find(|c: char| !matches!(c, '0'..='9' | '.' | ':' | '-'))
            .unwrap_or(unsigned.len());
        // A hyphen that leads to no digit, or follows a time, starts the next field.
        let end = match unsigned[..end].find('-') {
            Some(at) if !year_month(&unsigned[..end]) => at,
            _ => end,
        };
        let (text, rest) = unsigned.split_at(end);
        self.rest = rest;
        let waiting = self.pending.take();
        if text.contains(':') {
            self.sum.add(waiting.unwrap_or(0), Unit::Days(1));
            let time = clock(text)?;
            self.sum.nanos += sign * time;
        } else if waiting.is_some() {
            return Err(Fault::datetime());
        } else if let Some((years, months)) = text.split_once('-') {
            let months = amount(months)?;
            if months >= 12 * BILLION {
                return Err(Fault::field_range());
            }
            self.sum.add(sign * amount(years)?, Unit::Months(12));
            self.sum.add(sign * months, Unit::Months(1));
        } else {
            self.pending = Some(sign * amount(text)?);
        }
        Ok(())
    }
}

/// Whether a text is `years-months`.
fn year_month(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(years, months)| digits(years) && digits(months))
}

/// Takes a sign from the left.
fn signed(text: &str) -> (i128, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

/// Reads a number of up to 18 digits before the point as billionths.
fn amount(text: &str) -> Result<i128, Fault> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(Fault::datetime());
    }
    let significant = whole.trim_start_matches('0');
    if significant.len() > 18 {
        return Err(Fault::new(
            SqlState::DATETIME_FIELD_OVERFLOW,
            "interval field value out of range",
        ));
    }
    let billionths = format!("{:0<9}", &fraction[..fraction.len().min(9)]);
    let number = |text: &str| text.parse::<i128>().unwrap_or(0);
    Ok(number(significant) * BILLION + number(&billionths))
}

/// Reads `H:M`, `H:M:S` or `H:M:S.f`, with any number of hours, as nanoseconds.
fn clock(text: &str) -> Result<i128, Fault> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes] => (hours, minutes, "0"),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return Err(Fault::datetime()),
    };
    if hours.contains('.') || minutes.contains('.') {
        return Err(Fault::datetime());
    }
    let (hours, minutes, seconds) = (amount(hours)?, amount(minutes)?, amount(seconds)?);
    if minutes >= 60 * BILLION || seconds >= 61 * BILLION {
        return Err(Fault::field_range());
    }
    Ok(hours * 3600 + minutes * 60 + seconds)
}

/// Reads what follows the `P` of ISO 8601: `1Y2M3W4DT5H6M7.5S`, each number with its own sign.
fn read_iso(text: &str) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let (mut rest, mut timed, mut any) = (text, false, false);
    while let Some(next) = rest.chars().next() {
        if matches!(next, 'T' | 't') && !timed {
            timed = true;
            rest = &rest[1..];
            continue;
        }
        let (sign, unsigned) = signed(rest);
        let end =
            unsigned.find(|c: char| !matches!(c, '0'..='9' | '.')).ok_or_else(Fault::datetime)?;
        let unit = match (unsigned.as_bytes()[end].to_ascii_uppercase(), timed) {
            (b'Y', false) => Unit::Months(12),
            (b'M', false) => Unit::Months(1),
            (b'W', false) => Unit::Days(7),
            (b'D', false) => Unit::Days(1),
            (b'H', true) => Unit::Seconds(3600),
            (b'M', true) => Unit::Seconds(60),
            (b'S', true) => Unit::Seconds(1),
            _ => return Err(Fault::datetime()),
        };
        sum.add(sign * amount(&unsigned[..end])?, unit);
        rest = &unsigned[end + 1..];
        any = true;
    }
    if any { Ok(sum) } else { Err(Fault::datetime()) }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SECOND;

    #[track_caller]
    fn check(text: &str, months: i32, days: i32, nanos: i64) {
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!((value.months, value.days, value.nanoseconds), (months, days, nanos), "{text}");
    }

    #[test]
    fn reads_postgresql() {
        check("1 year 2 mons 3 days 04:05:06.5", 14, 3, 4 * HOUR + 306_500_000_000);
        check("1 year 2 months -3 days", 14, -3, 0);
        check("@ 1 minute ago", 0, 0, -60 * SECOND);
        check("1 day ago", 0, -1, 0);
        check("-04:05:06", 0, 0, -4 * HOUR - 306 * SECOND);
        check("100:00", 0, 0, 100 * HOUR);
        check("3", 0, 0, 3 * SECOND);
        check("1.5 seconds", 0, 0, 1_500_000_000);
        check("5 MS", 0, 0, 5_000_000);
        check("2 weeks", 0, 14, 0);
        check("1 decade 1 century", 1320, 0, 0);
        check("1.5 years", 18, 0, 0);
        check("1.5 months", 1, 15, 0);
        check("0.5 day", 0, 0, 12 * HOUR);
        check("1.5 weeks", 0, 10, 12 * HOUR);
        check("1day2hours", 0, 1, 2 * HOUR);
        check("-1 mons +3 days -00:00:01", -1, 3, -SECOND);
        check("00:00:00", 0, 0, 0);
    }

    #[test]
    fn reads_sql_iso_and_go() {
        check("1-2", 14, 0, 0);
        check("-1-2", -14, 0, 0);
        check("1-2 3 4:5:6", 14, 3, 4 * HOUR + 306 * SECOND);
        check("-1-2 +3 -4:05:06", -14, 3, -4 * HOUR - 306 * SECOND);
        check("3 4:05", 0, 3, 4 * HOUR + 300 * SECOND);
        check("P1Y2M3DT4H5M6S", 14, 3, 4 * HOUR + 306 * SECOND);
        check("P3W", 0, 21, 0);
        check("PT0.000001S", 0, 0, 1000);
        check("P-1DT-2H", 0, -1, -2 * HOUR);
        check("P0.5Y", 6, 0, 0);
        check("1h2m3s", 0, 0, HOUR + 123 * SECOND);
        check("1m30.5s", 0, 0, 90_500_000_000);
        check("250\u{b5}s", 0, 0, 250_000);
        check("1500ns", 0, 0, 2000);
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            " ",
            "abc",
            "1 fortnight",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "1 2",
            "1:2:3:4",
            "day",
            "ago",
            "1 day ago 2 days",
            "1-2-3",
            "1.5-2",
            "--1 day",
            "1..5 s",
            "@",
            "-",
            "1.5:00",
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_DATETIME_FORMAT, "{text}");
        }
        for text in [
            "1-12",
            "00:60",
            "3000000 hours",
            "200000000 years",
            "3000000000 days",
            "9999999999999999999 s",
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), SqlState::DATETIME_FIELD_OVERFLOW, "{text}");
        }
    }

    #[test]
    fn compares_months_of_thirty_days() {
        assert_eq!(interval_order(1, 0, 0), interval_order(0, 30, 0));
        assert_eq!(interval_order(0, 1, 0), interval_order(0, 0, 24 * HOUR));
        assert!(interval_order(0, 29, i64::MAX) > interval_order(1, 0, 0));
        assert!(interval_order(i32::MIN, i32::MIN, i64::MIN) < 0);
    }

    proptest! {
        #[test]
        fn storage_keeps_every_value(months: i32, days: i32, nanos: i64) {
            let value = IntervalMonthDayNano::new(months, days, nanos);
            prop_assert_eq!(from_bytes(to_bytes(value)), value);
            let stored = to_storage(&vec![Some(value), None].into()).unwrap();
            prop_assert_eq!(&stored.as_fixed_size_binary().value(0)[..4], months.to_le_bytes());
            let back = to_query(stored.as_fixed_size_binary());
            let back = back.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>();
            prop_assert_eq!((back.value(0), back.is_null(1)), (value, true));
            let sliced = to_storage(&vec![IntervalMonthDayNano::ZERO, value].into()).unwrap();
            let back = to_query(sliced.slice(1, 1).as_fixed_size_binary());
            let back = back.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>();
            prop_assert_eq!(back.values().to_vec(), vec![value]);
        }

        #[test]
        fn never_panics(text in "[-+0-9:.a-z P T]{0,24}", odd in "\\PC{0,20}") {
            let _ = parse(text.as_bytes());
            let _ = parse(odd.as_bytes());
        }
    }
}
