//! Dates, times, timestamps and intervals as text.

use std::fmt::Write as _;

use arrow::array::timezone::Tz;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    ArrowTemporalType, DataType, Date32Type, Date64Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use chrono::{DateTime, Offset, TimeZone};

use super::{fallback, per_second};
use crate::types::civil::civil_from_days;

const DAY_SECONDS: i64 = 86_400;

/// Appends a value of a temporal type.
pub(super) fn print(values: &dyn Array, row: usize, out: &mut String) {
    match values.data_type() {
        DataType::Date32 => date(values.as_primitive::<Date32Type>().value(row).into(), out),
        DataType::Date64 => {
            let millis = values.as_primitive::<Date64Type>().value(row);
            date(millis.div_euclid(DAY_SECONDS * 1000), out);
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let (seconds, nanos) = split(time_value(values, *unit, row), *unit);
            clock(seconds, nanos, out);
        }
        DataType::Timestamp(unit, zone) => {
            let (seconds, nanos) = split(timestamp_value(values, *unit, row), *unit);
            timestamp(seconds, nanos, zone.as_deref(), out);
        }
        DataType::Duration(unit) => {
            let value = duration_value(values, *unit, row);
            let nanos = i128::from(value) * i128::from(1_000_000_000 / per_second(*unit));
            let (days, nanos) = split_days(nanos);
            interval(0, days, nanos, out);
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            interval(values.as_primitive::<IntervalYearMonthType>().value(row).into(), 0, 0, out);
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = values.as_primitive::<IntervalDayTimeType>().value(row);
            let nanos = i64::from(value.milliseconds) * 1_000_000;
            interval(0, value.days.into(), nanos, out);
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = values.as_primitive::<IntervalMonthDayNanoType>().value(row);
            interval(value.months.into(), value.days.into(), value.nanoseconds, out);
        }
        _ => fallback(values, row, out),
    }
}

fn value<T: ArrowTemporalType>(values: &dyn Array, row: usize) -> i64
where
    T::Native: Into<i64>,
{
    values.as_primitive::<T>().value(row).into()
}

fn time_value(values: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => value::<Time32SecondType>(values, row),
        TimeUnit::Millisecond => value::<Time32MillisecondType>(values, row),
        TimeUnit::Microsecond => value::<Time64MicrosecondType>(values, row),
        TimeUnit::Nanosecond => value::<Time64NanosecondType>(values, row),
    }
}

fn timestamp_value(values: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => value::<TimestampSecondType>(values, row),
        TimeUnit::Millisecond => value::<TimestampMillisecondType>(values, row),
        TimeUnit::Microsecond => value::<TimestampMicrosecondType>(values, row),
        TimeUnit::Nanosecond => value::<TimestampNanosecondType>(values, row),
    }
}

fn duration_value(values: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => value::<DurationSecondType>(values, row),
        TimeUnit::Millisecond => value::<DurationMillisecondType>(values, row),
        TimeUnit::Microsecond => value::<DurationMicrosecondType>(values, row),
        TimeUnit::Nanosecond => value::<DurationNanosecondType>(values, row),
    }
}

/// Returns whole seconds, rounded down, and the nanoseconds above them.
fn split(value: i64, unit: TimeUnit) -> (i64, i64) {
    let unit = per_second(unit);
    (value.div_euclid(unit), value.rem_euclid(unit) * (1_000_000_000 / unit))
}

/// Returns whole days and the nanoseconds left over, both with the sign of the whole.
pub(in crate::types) fn split_days(nanos: i128) -> (i64, i64) {
    const DAY: i128 = 86_400_000_000_000;
    let days = i64::try_from(nanos / DAY).unwrap_or(i64::MAX);
    (days, i64::try_from(nanos % DAY).unwrap_or(0))
}

fn date(days: i64, out: &mut String) {
    let (year, month, day) = civil_from_days(days);
    let shown = if year > 0 { year } else { 1 - year };
    // Writing to a String does not fail, here and below.
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    if year <= 0 {
        out.push_str(" BC");
    }
}

fn clock(seconds: i64, nanos: i64, out: &mut String) {
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(nanos.unsigned_abs(), out);
}

/// Appends a point and the digits of a part of a second, without zeros behind the last one.
fn fraction(nanos: u64, out: &mut String) {
    if nanos > 0 {
        let digits = format!(".{nanos:09}");
        out.push_str(digits.trim_end_matches('0'));
    }
}

fn timestamp(seconds: i64, nanos: i64, zone: Option<&str>, out: &mut String) {
    let offset = zone.map(|zone| offset_at(zone, seconds));
    let local = seconds.saturating_add(offset.unwrap_or(0));
    let start = out.len();
    date(local.div_euclid(DAY_SECONDS), out);
    let before_christ = out[start..].ends_with(" BC");
    if before_christ {
        out.truncate(out.len() - 3);
    }
    out.push(' ');
    clock(local.rem_euclid(DAY_SECONDS), nanos, out);
    if let Some(offset) = offset {
        print_offset(offset, out);
    }
    if before_christ {
        out.push_str(" BC");
    }
}

/// Returns the seconds east of UTC at a moment; 0 where the zone or the calendar does not reach.
fn offset_at(zone: &str, seconds: i64) -> i64 {
    if matches!(zone, "UTC" | "+00:00" | "Z") {
        return 0;
    }
    match (zone.parse::<Tz>(), DateTime::from_timestamp(seconds, 0)) {
        (Ok(zone), Some(moment)) => {
            let offset = zone.offset_from_utc_datetime(&moment.naive_utc());
            offset.fix().local_minus_utc().into()
        }
        _ => 0,
    }
}

fn print_offset(seconds: i64, out: &mut String) {
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.abs();
    let _ = write!(out, "{sign}{:02}", size / 3600);
    if size % 3600 != 0 {
        let _ = write!(out, ":{:02}", size / 60 % 60);
    }
    if size % 60 != 0 {
        let _ = write!(out, ":{:02}", size % 60);
    }
}

/// Appends `1 year 2 mons 3 days 04:05:06.5`; a positive part behind a negative one gets a plus.
fn interval(months: i64, days: i64, nanos: i64, out: &mut String) {
    let start = out.len();
    let mut negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let plus = if negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        let _ = write!(out, "{space}{plus}{value} {unit}{plural}");
        negative = value < 0;
    }
    if nanos == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.push(' ');
    }
    if nanos < 0 {
        out.push('-');
    } else if negative {
        out.push('+');
    }
    let size = nanos.unsigned_abs();
    let seconds = size / 1_000_000_000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(size % 1_000_000_000, out);
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Date32Array, Date64Array, DurationMillisecondArray, IntervalDayTimeArray,
        IntervalMonthDayNanoArray, IntervalYearMonthArray, Time32SecondArray,
        Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
        TimestampSecondArray,
    };
    use arrow::datatypes::{IntervalDayTime, IntervalMonthDayNano};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(values: &dyn Array, expected: &str) {
        let mut printed = String::new();
        print(values, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn prints_dates_and_times() {
        check(&Date32Array::from(vec![0]), "1970-01-01");
        check(&Date32Array::from(vec![-719_162]), "0001-01-01");
        check(&Date32Array::from(vec![-719_163]), "0001-12-31 BC");
        check(&Date32Array::from(vec![2_932_897]), "10000-01-01");
        check(&Date64Array::from(vec![-1]), "1969-12-31");
        check(&Time64MicrosecondArray::from(vec![3_600_500_000]), "01:00:00.5");
        check(&Time32SecondArray::from(vec![61]), "00:01:01");
    }

    #[test]
    fn prints_timestamps() {
        check(
            &TimestampMicrosecondArray::from(vec![1_577_872_800_500_000]),
            "2020-01-01 10:00:00.5",
        );
        check(&TimestampMicrosecondArray::from(vec![-1]), "1969-12-31 23:59:59.999999");
        check(&TimestampNanosecondArray::from(vec![1]), "1970-01-01 00:00:00.000000001");
        let moment =
            |zone: &str| TimestampSecondArray::from(vec![1_577_872_800]).with_timezone(zone);
        check(&moment("UTC"), "2020-01-01 10:00:00+00");
        check(&moment("+05:30"), "2020-01-01 15:30:00+05:30");
        check(&moment("America/New_York"), "2020-01-01 05:00:00-05");
        let ancient = TimestampSecondArray::from(vec![-62_135_596_801]).with_timezone("UTC");
        check(&ancient, "0001-12-31 23:59:59+00 BC");
    }

    #[test]
    fn prints_intervals() {
        let check = |months, days, nanos, expected| {
            let value = IntervalMonthDayNano::new(months, days, nanos);
            check(&IntervalMonthDayNanoArray::from(vec![value]), expected);
        };
        check(14, 3, 14_706_500_000_000, "1 year 2 mons 3 days 04:05:06.5");
        check(0, 0, 0, "00:00:00");
        check(1, 1, 0, "1 mon 1 day");
        check(-1, 3, -1_000_000_000, "-1 mons +3 days -00:00:01");
        check(-12, 0, 1, "-1 years +00:00:00.000000001");
        check(0, 0, -14_706_000_000_000, "-04:05:06");
        check(0, 0, i64::MIN, "-2562047:47:16.854775808");
        check(i32::MIN, i32::MIN, 0, "-178956970 years -8 mons -2147483648 days");
        super::tests::check(&IntervalYearMonthArray::from(vec![25]), "2 years 1 mon");
        let day_time = IntervalDayTime::new(2, 1500);
        super::tests::check(&IntervalDayTimeArray::from(vec![day_time]), "2 days 00:00:01.5");
        let duration = DurationMillisecondArray::from(vec![90_000_500]);
        super::tests::check(&duration, "1 day 01:00:00.5");
    }

    proptest! {
        #[test]
        fn never_panics(days: i32, value: i64) {
            let mut out = String::new();
            print(&Date32Array::from(vec![days]), 0, &mut out);
            print(&Date64Array::from(vec![value]), 0, &mut out);
            print(&TimestampSecondArray::from(vec![value]).with_timezone("+01:00"), 0, &mut out);
            print(&TimestampNanosecondArray::from(vec![value]), 0, &mut out);
            print(&Time64MicrosecondArray::from(vec![value]), 0, &mut out);
            print(&arrow::array::DurationSecondArray::from(vec![value]), 0, &mut out);
        }
    }
}
