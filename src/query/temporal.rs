//! Arithmetic on dates, times, timestamps and intervals, with PostgreSQL's result types.
//!
//! What leaves the range of its type is 22008. Months and days of an interval are added on the
//! calendar in UTC.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, IntervalMonthDayNanoArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

use super::checked::{Op, division_by_zero, widen};
use super::error::IntoOurs;
use crate::error::{Error, Result, SqlState};

const MICROS_PER_DAY: i64 = 86_400_000_000;
const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// The last day that PostgreSQL's DATE holds, counted from 1970: 5874897-12-31.
const LAST_DAY: i64 = 2_145_031_948;
/// The first one: 4713-11-24 BC.
const FIRST_DAY: i64 = -2_440_588;

/// The kinds of values that arithmetic here tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Integer,
    Number,
}

fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Date32 | DataType::Date64 => Kind::Date,
        DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
        DataType::Timestamp(_, None) => Kind::Timestamp,
        DataType::Timestamp(_, Some(_)) => Kind::TimestampTz,
        DataType::Interval(_) | DataType::Duration(_) => Kind::Interval,
        integer if integer.is_integer() => Kind::Integer,
        number if number.is_numeric() => Kind::Number,
        _ => return None,
    })
}

fn arrow(kind: Kind) -> DataType {
    match kind {
        Kind::Date => DataType::Date32,
        Kind::Time => DataType::Time64(TimeUnit::Microsecond),
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
    }
}

/// Returns the type of `left op right`, if one side is temporal and the operator exists.
pub(super) fn result_type(op: Op, left: &DataType, right: &DataType) -> Option<DataType> {
    let (left, right) = match (kind(left), kind(right)) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) if right.is_null() => (left, Kind::Interval),
        (None, Some(right)) if left.is_null() => (Kind::Interval, right),
        _ => return None,
    };
    result_kind(op, left, right).map(arrow)
}

fn result_kind(op: Op, left: Kind, right: Kind) -> Option<Kind> {
    use Kind::{Date, Integer, Interval, Number, Time, Timestamp, TimestampTz};
    Some(match (op, left, right) {
        (Op::Add | Op::Subtract, Date, Integer) | (Op::Add, Integer, Date) => Date,
        (Op::Subtract, Date, Date) => Integer,
        (Op::Add, Date, Time) | (Op::Add, Time, Date) => Timestamp,
        (Op::Add | Op::Subtract, Date, Interval) | (Op::Add, Interval, Date) => Timestamp,
        (Op::Add | Op::Subtract, Timestamp, Interval) | (Op::Add, Interval, Timestamp) => Timestamp,
        (Op::Add | Op::Subtract, TimestampTz, Interval) | (Op::Add, Interval, TimestampTz) => {
            TimestampTz
        }
        (Op::Add | Op::Subtract, Time, Interval) | (Op::Add, Interval, Time) => Time,
        (Op::Subtract, Time, Time) => Interval,
        (Op::Subtract, Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) => Interval,
        (Op::Add | Op::Subtract, Interval, Interval) => Interval,
        (Op::Multiply, Interval, Integer | Number) | (Op::Multiply, Integer | Number, Interval) => {
            Interval
        }
        (Op::Divide, Interval, Integer | Number) => Interval,
        _ => return None,
    })
}

/// Computes `left op right`, one of them temporal.
pub(super) fn compute(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    target: &DataType,
) -> Result<ColumnarValue> {
    let rows = match (left, right) {
        (ColumnarValue::Array(array), _) | (_, ColumnarValue::Array(array)) => Some(array.len()),
        _ => None,
    };
    let (Some(left_kind), Some(right_kind)) = (kind(&left.data_type()), kind(&right.data_type()))
    else {
        return Err(Error::internal("an operator on values of these types"));
    };
    // The operators that commute are computed with the interval, the integer or the time behind.
    let swap = matches!(op, Op::Add | Op::Multiply)
        && (matches!(left_kind, Kind::Integer | Kind::Number)
            || left_kind == Kind::Interval
                && right_kind != Kind::Interval
                && !matches!(right_kind, Kind::Integer | Kind::Number)
            || left_kind == Kind::Time && right_kind == Kind::Date);
    let (left, right, left_kind, right_kind) = if swap {
        (right, left, right_kind, left_kind)
    } else {
        (left, right, left_kind, right_kind)
    };
    let left = whole(left, left_kind, rows)?;
    let right = whole(right, right_kind, rows)?;
    let array = pair(op, (&left, left_kind), (&right, right_kind))?;
    let array = widen(&ColumnarValue::Array(array), target)?.into_array(1).ours()?;
    if rows.is_none() {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0).ours()?));
    }
    Ok(ColumnarValue::Array(array))
}

/// Returns a value as an array of its kind's one Arrow type.
fn whole(value: &ColumnarValue, kind: Kind, rows: Option<usize>) -> Result<ArrayRef> {
    widen(value, &arrow(kind))?.to_array(rows.unwrap_or(1)).ours()
}

fn pair(op: Op, left: (&ArrayRef, Kind), right: (&ArrayRef, Kind)) -> Result<ArrayRef> {
    let ((left, left_kind), (right, right_kind)) = (left, right);
    let back = op == Op::Subtract;
    Ok(match (left_kind, right_kind) {
        (Kind::Date, Kind::Integer) => Arc::new(add_days(left, right, back)?),
        (Kind::Date, Kind::Date) if back => Arc::new(days_between(left, right)),
        (Kind::Date, Kind::Time) => Arc::new(add_time(left, right)?),
        (Kind::Time, Kind::Time) => Arc::new(times_between(left, right)),
        (Kind::Time, Kind::Interval) => Arc::new(shift_time(left, right, back)),
        (Kind::Date | Kind::Timestamp | Kind::TimestampTz, Kind::Interval) => {
            Arc::new(add_interval(&timestamps(left)?, right, back)?)
        }
        (Kind::Interval, Kind::Interval) => Arc::new(add_intervals(left, right, back)?),
        (Kind::Interval, Kind::Integer | Kind::Number) => {
            Arc::new(scale_interval(left, right, op == Op::Divide)?)
        }
        _ => Arc::new(between(&timestamps(left)?, &timestamps(right)?)?),
    })
}

fn date_error(what: &str) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{what} out of range"))
}

/// Returns dates and timestamps as timestamps in microseconds.
fn timestamps(array: &ArrayRef) -> Result<ArrayRef> {
    if array.data_type() == &DataType::Date32 {
        let dates = array.as_primitive::<Date32Type>();
        let micros: Vec<Option<i64>> = dates
            .iter()
            .map(|day| {
                day.map(|day| {
                    i64::from(day)
                        .checked_mul(MICROS_PER_DAY)
                        .ok_or_else(|| date_error("timestamp"))
                })
                .transpose()
            })
            .collect::<Result<_>>()?;
        return Ok(Arc::new(TimestampMicrosecondArray::from(micros)));
    }
    let array = array.as_primitive::<TimestampMicrosecondType>().clone();
    Ok(Arc::new(array.with_timezone_opt(None::<Arc<str>>)))
}

/// Applies a fallible function to each pair of values that are not NULL.
macro_rules! each {
    ($left:expr => $left_type:ty, $right:expr => $right_type:ty, $function:expr) => {
        $left
            .as_primitive::<$left_type>()
            .iter()
            .zip($right.as_primitive::<$right_type>().iter())
            .map(|pair| match pair {
                (Some(left), Some(right)) => $function(left, right).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<_>>()
    };
}

fn add_days(left: &ArrayRef, right: &ArrayRef, back: bool) -> Result<Date32Array> {
    each!(left => Date32Type, right => Int64Type, |day: i32, days: i64| {
        let days = if back { days.checked_neg() } else { Some(days) };
        days.and_then(|days| i64::from(day).checked_add(days))
            .filter(|day| (FIRST_DAY..=LAST_DAY).contains(day))
            .and_then(|day| i32::try_from(day).ok())
            .ok_or_else(|| date_error("date"))
    })
}

fn days_between(left: &ArrayRef, right: &ArrayRef) -> Int64Array {
    let (left, right) = (left.as_primitive::<Date32Type>(), right.as_primitive::<Date32Type>());
    left.iter()
        .zip(right.iter())
        .map(|(left, right)| Some(i64::from(left?) - i64::from(right?)))
        .collect()
}

fn add_time(left: &ArrayRef, right: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    each!(left => Date32Type, right => Time64MicrosecondType, |day: i32, time: i64| {
        i64::from(day)
            .checked_mul(MICROS_PER_DAY)
            .and_then(|start| start.checked_add(time))
            .ok_or_else(|| date_error("timestamp"))
    })
}

fn times_between(left: &ArrayRef, right: &ArrayRef) -> IntervalMonthDayNanoArray {
    let left = left.as_primitive::<Time64MicrosecondType>();
    let right = right.as_primitive::<Time64MicrosecondType>();
    left.iter()
        .zip(right.iter())
        .map(|(left, right)| Some(IntervalMonthDayNano::new(0, 0, (left? - right?) * 1000)))
        .collect()
}

/// Moves a time of day; days and months have no effect and the clock goes round.
fn shift_time(left: &ArrayRef, right: &ArrayRef, back: bool) -> Time64MicrosecondArray {
    let left = left.as_primitive::<Time64MicrosecondType>();
    let right = right.as_primitive::<IntervalMonthDayNanoType>();
    left.iter()
        .zip(right.iter())
        .map(|(time, by)| {
            let micros = by?.nanoseconds % NANOS_PER_DAY / 1000;
            let moved = if back { time? - micros } else { time? + micros };
            Some(moved.rem_euclid(MICROS_PER_DAY))
        })
        .collect()
}

fn add_interval(
    left: &ArrayRef,
    right: &ArrayRef,
    back: bool,
) -> Result<TimestampMicrosecondArray> {
    let utc: Tz = "+00:00".parse::<Tz>().ours()?;
    each!(left => TimestampMicrosecondType, right => IntervalMonthDayNanoType,
    |at: i64, by: IntervalMonthDayNano| {
        if back {
            TimestampMicrosecondType::subtract_month_day_nano(at, by, utc)
        } else {
            TimestampMicrosecondType::add_month_day_nano(at, by, utc)
        }
        .ok_or_else(|| date_error("timestamp"))
    })
}

/// Returns the days and the time between two timestamps.
fn between(left: &ArrayRef, right: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    each!(left => TimestampMicrosecondType, right => TimestampMicrosecondType,
    |left: i64, right: i64| {
        let micros = left.checked_sub(right).ok_or_else(|| date_error("interval"))?;
        let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| date_error("interval"))?;
        Ok(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1000))
    })
}

fn add_intervals(
    left: &ArrayRef,
    right: &ArrayRef,
    back: bool,
) -> Result<IntervalMonthDayNanoArray> {
    each!(left => IntervalMonthDayNanoType, right => IntervalMonthDayNanoType,
    |left: IntervalMonthDayNano, right: IntervalMonthDayNano| {
        let parts = if back {
            (
                left.months.checked_sub(right.months),
                left.days.checked_sub(right.days),
                left.nanoseconds.checked_sub(right.nanoseconds),
            )
        } else {
            (
                left.months.checked_add(right.months),
                left.days.checked_add(right.days),
                left.nanoseconds.checked_add(right.nanoseconds),
            )
        };
        match parts {
            (Some(months), Some(days), Some(nanos)) => {
                Ok(IntervalMonthDayNano::new(months, days, nanos))
            }
            _ => Err(date_error("interval")),
        }
    })
}

/// Multiplies or divides an interval; fractions of months become days, fractions of days time.
fn scale_interval(
    left: &ArrayRef,
    right: &ArrayRef,
    divide: bool,
) -> Result<IntervalMonthDayNanoArray> {
    let factors = widen(&ColumnarValue::Array(Arc::clone(right)), &DataType::Float64)?;
    let factors = factors.into_array(1).ours()?;
    each!(left => IntervalMonthDayNanoType, factors => Float64Type,
    |value: IntervalMonthDayNano, factor: f64| {
        if divide && factor == 0.0 {
            return Err(division_by_zero());
        }
        scaled(value, if divide { 1.0 / factor } else { factor })
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked before")]
fn scaled(value: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let tidy = |number: f64| (number * 1e6).round() / 1e6;
    let months = f64::from(value.months) * factor;
    let days = f64::from(value.days) * factor + tidy(months.fract() * 30.0);
    let nanos = value.nanoseconds as f64 * factor + tidy(days.fract()) * NANOS_PER_DAY as f64;
    let limit = f64::from(i32::MAX);
    if !(months.abs() <= limit && days.abs() <= limit && nanos.abs() < i64::MAX as f64) {
        return Err(date_error("interval"));
    }
    let micros = (nanos / 1000.0).round() as i64;
    let nanos = micros.checked_mul(1000).ok_or_else(|| date_error("interval"))?;
    Ok(IntervalMonthDayNano::new(months.trunc() as i32, days.trunc() as i32, nanos))
}
