//! Dates, times and intervals assigned to one another.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, DurationNanosecondType, Int32Type, Int64Type,
    IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

use crate::error::{Error, Result, SqlState};
use crate::types::civil::DAY_MICROS;
use crate::types::print::split_days;
use crate::types::{SqlType, interval};

use super::{cast, mismatch};

/// Assigns values of temporal types to a column of dates, times, timestamps or intervals.
pub(super) fn to_storage(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    if values.data_type() == &sql_type.storage() {
        return Ok(Arc::clone(values));
    }
    match sql_type {
        SqlType::Date => to_dates(sql_type, values),
        SqlType::Time => to_times(sql_type, values),
        SqlType::Timestamp => Ok(Arc::new(to_timestamps(sql_type, values)?)),
        SqlType::TimestampTz => Ok(Arc::new(to_timestamps(sql_type, values)?.with_timezone("UTC"))),
        _ => to_intervals(sql_type, values),
    }
}

fn out_of_range(sql_type: &SqlType) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{} out of range", sql_type.family()))
}

/// Converts each value that is not NULL; a value without a result is out of range.
fn convert<S, T>(
    sql_type: &SqlType,
    values: &PrimitiveArray<S>,
    change: impl Fn(S::Native) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>>
where
    S: arrow::array::ArrowPrimitiveType,
    T: arrow::array::ArrowPrimitiveType,
{
    let mut converted = vec![T::Native::default(); values.len()];
    for (row, (slot, value)) in converted.iter_mut().zip(values.values()).enumerate() {
        if values.is_valid(row) {
            *slot = change(*value).ok_or_else(|| out_of_range(sql_type))?;
        }
    }
    Ok(PrimitiveArray::new(converted.into(), values.nulls().cloned()))
}

/// Returns values of a type with a unit as plain numbers, with the number of units in a second.
fn counts(values: &ArrayRef, unit: TimeUnit) -> Result<(PrimitiveArray<Int64Type>, i64)> {
    let narrow = matches!(values.data_type(), DataType::Time32(_));
    let wide = if narrow { cast(values, &DataType::Int32)? } else { Arc::clone(values) };
    let numbers = cast(&wide, &DataType::Int64)?;
    let unit = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    Ok((numbers.as_primitive::<Int64Type>().clone(), unit))
}

/// Returns a number of units as microseconds, rounded down.
fn micros(count: i64, unit: i64) -> Option<i64> {
    if unit <= 1_000_000 {
        count.checked_mul(1_000_000 / unit)
    } else {
        Some(count.div_euclid(unit / 1_000_000))
    }
}

fn to_dates(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let days = |micros: i64| i32::try_from(micros.div_euclid(DAY_MICROS)).ok();
    let dates: PrimitiveArray<Date32Type> = match values.data_type() {
        DataType::Date64 => convert(sql_type, values.as_primitive::<Date64Type>(), |millis| {
            i32::try_from(millis.div_euclid(DAY_MICROS / 1000)).ok()
        })?,
        DataType::Timestamp(unit, _) => {
            let (counts, unit) = counts(values, *unit)?;
            convert(sql_type, &counts, |count| days(micros(count, unit)?))?
        }
        other => return Err(mismatch(sql_type, other)),
    };
    Ok(Arc::new(dates))
}

fn to_times(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let times: PrimitiveArray<Time64MicrosecondType> = match values.data_type() {
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let (counts, unit) = counts(values, *unit)?;
            convert(sql_type, &counts, |count| {
                micros(count, unit).filter(|micros| (0..DAY_MICROS).contains(micros))
            })?
        }
        DataType::Timestamp(unit, _) => {
            let (counts, unit) = counts(values, *unit)?;
            convert(sql_type, &counts, |count| Some(micros(count, unit)?.rem_euclid(DAY_MICROS)))?
        }
        other => return Err(mismatch(sql_type, other)),
    };
    Ok(Arc::new(times))
}

fn to_timestamps(
    sql_type: &SqlType,
    values: &ArrayRef,
) -> Result<PrimitiveArray<TimestampMicrosecondType>> {
    match values.data_type() {
        DataType::Date32 => {
            let days = cast(values, &DataType::Int32)?;
            convert(sql_type, days.as_primitive::<Int32Type>(), |days| {
                i64::from(days).checked_mul(DAY_MICROS)
            })
        }
        DataType::Date64 => convert(sql_type, values.as_primitive::<Date64Type>(), |millis| {
            millis.checked_mul(1000)
        }),
        DataType::Timestamp(unit, _) => {
            let (counts, unit) = counts(values, *unit)?;
            convert(sql_type, &counts, |count| micros(count, unit))
        }
        other => Err(mismatch(sql_type, other)),
    }
}

fn to_intervals(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let intervals: IntervalMonthDayNanoArray = match values.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            values.as_primitive::<IntervalMonthDayNanoType>().clone()
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            convert(sql_type, values.as_primitive::<IntervalYearMonthType>(), |months| {
                Some(IntervalMonthDayNano::new(months, 0, 0))
            })?
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            convert(sql_type, values.as_primitive::<IntervalDayTimeType>(), |value| {
                let nanos = i64::from(value.milliseconds) * 1_000_000;
                Some(IntervalMonthDayNano::new(0, value.days, nanos))
            })?
        }
        DataType::Duration(_) => {
            let nanos = cast(values, &DataType::Duration(TimeUnit::Nanosecond))
                .map_err(|_| out_of_range(sql_type))?;
            convert(sql_type, nanos.as_primitive::<DurationNanosecondType>(), |nanos| {
                // As PostgreSQL's difference of timestamps: days, and the time left over.
                let (days, nanos) = split_days(nanos.into());
                Some(IntervalMonthDayNano::new(0, i32::try_from(days).ok()?, nanos))
            })?
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let (counts, unit) = counts(values, *unit)?;
            convert(sql_type, &counts, |count| {
                let nanos = count.checked_mul(1_000_000_000 / unit)?;
                Some(IntervalMonthDayNano::new(0, 0, nanos))
            })?
        }
        other => return Err(mismatch(sql_type, other)),
    };
    interval::to_storage(&intervals)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Date32Array, DurationMicrosecondArray, IntervalYearMonthArray, Time32SecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };

    use crate::types::{print_value, to_query};

    use super::*;

    fn assign(name: &str, values: impl Array + 'static) -> Result<ArrayRef> {
        let sql_type = SqlType::parse(name).unwrap();
        let stored = crate::types::to_storage(&sql_type, &(Arc::new(values) as ArrayRef))?;
        assert_eq!(stored.data_type(), &sql_type.storage());
        to_query(&sql_type, &stored)
    }

    #[track_caller]
    fn check(name: &str, values: impl Array + 'static, expected: &str) {
        let array = assign(name, values).unwrap();
        let mut printed = String::new();
        print_value(&array, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn assigns_between_temporal_types() {
        check("timestamp", Date32Array::from(vec![1]), "1970-01-02 00:00:00");
        check("timestamptz", Date32Array::from(vec![-1]), "1969-12-31 00:00:00+00");
        check("date", TimestampSecondArray::from(vec![-1]), "1969-12-31");
        check("time", TimestampSecondArray::from(vec![-1]), "23:59:59");
        check("time", Time32SecondArray::from(vec![61]), "00:01:01");
        check("timestamp", TimestampNanosecondArray::from(vec![-1]), "1969-12-31 23:59:59.999999");
        let moment = TimestampNanosecondArray::from(vec![1500]).with_timezone("+01:00");
        check("timestamptz", moment, "1970-01-01 00:00:00.000001+00");
        check("interval", IntervalYearMonthArray::from(vec![13]), "1 year 1 mon");
        check(
            "interval",
            DurationMicrosecondArray::from(vec![86_400_000_001]),
            "1 day 00:00:00.000001",
        );
        check("interval", Time32SecondArray::from(vec![61]), "00:01:01");
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for (name, values) in [
            ("timestamp", Arc::new(TimestampSecondArray::from(vec![i64::MAX])) as ArrayRef),
            ("timestamp", Arc::new(Date32Array::from(vec![i32::MAX]))),
            ("date", Arc::new(TimestampSecondArray::from(vec![i64::MAX]))),
            ("interval", Arc::new(DurationMicrosecondArray::from(vec![i64::MAX]))),
        ] {
            let error = to_storage(&SqlType::parse(name).unwrap(), &values).unwrap_err();
            assert_eq!(error.code(), SqlState::DATETIME_FIELD_OVERFLOW, "{name}");
        }
        let date = Arc::new(Date32Array::from(vec![1])) as ArrayRef;
        let error = to_storage(&SqlType::Time, &date).unwrap_err();
        assert_eq!(error.code(), SqlState::DATATYPE_MISMATCH);
    }
}
