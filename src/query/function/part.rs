//! `extract` and `date_part`: the parts of dates, times, moments and intervals.
//!
//! `extract` gives exact numbers with as many digits as the part has; `date_part` gives FLOAT8.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::moment::{local_micros, zone_of};
use super::wrong_argument;
use crate::error::{Error, Result, SqlState};
use crate::query::cast::cast_array;
use crate::query::error::{external, no_operator};
use crate::query::sql_types::{sql_type_of_field, title_of_field, title_of_type};
use crate::types::SqlType;

const MICROS: i128 = 1_000_000;

/// Returns `extract(part FROM value)`.
pub(in crate::query) fn extract(args: Vec<Expr>) -> Expr {
    udf("extract").call(args)
}

/// Returns `date_part`.
pub(super) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    match name {
        "date_part" | "datepart" => Some(Arc::new(udf("date_part"))),
        _ => None,
    }
}

fn udf(name: &'static str) -> ScalarUDF {
    ScalarUDF::new_from_impl(Part { name, signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    name: &'static str,
    signature: Signature,
}

/// Returns the digits behind the point of a part.
fn scale_of(part: &str, date: bool) -> i8 {
    match part {
        "second" | "seconds" => 6,
        "epoch" if !date => 6,
        "millisecond" | "milliseconds" => 3,
        _ => 0,
    }
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        let field = &args.arg_fields[1];
        let source = sql_type_of_field(field);
        let known = matches!(
            source,
            None | Some(
                SqlType::Date
                    | SqlType::Time
                    | SqlType::Timestamp
                    | SqlType::TimestampTz
                    | SqlType::Interval
            )
        );
        if !known {
            let title = title_of_field(field);
            return Err(external(no_operator(&format!("{}(text, {title})", self.name))));
        }
        let data_type = if self.name == "extract" {
            let part = args.scalar_arguments[0].and_then(|value| value.try_as_str().flatten());
            let date = source == Some(SqlType::Date);
            let scale = part.map_or(6, |part| scale_of(&part.to_ascii_lowercase(), date));
            DataType::Decimal128(30, scale)
        } else {
            DataType::Float64
        };
        Ok(Arc::new(Field::new(self.name, data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let parts = args.args[0].to_array(rows)?;
        let parts = cast_array(&parts, None, &SqlType::STRING).map_err(external)?;
        let values = args.args[1].to_array(rows)?;
        let source = sql_type_of_field(&args.arg_fields[1]);
        let found = found(&parts, &values, source.as_ref()).map_err(external)?;
        let array: ArrayRef =
            if let DataType::Decimal128(precision, scale) = args.return_field.data_type() {
                let divisor = 10_i128.pow(u32::from(6 - scale.unsigned_abs()));
                let numbers = found.into_iter().map(|number| Some(number? / divisor));
                let numbers: Decimal128Array = numbers.collect();
                Arc::new(numbers.with_precision_and_scale(*precision, *scale)?)
            } else {
                #[expect(clippy::cast_precision_loss, reason = "date_part gives FLOAT8")]
                let numbers = found.into_iter().map(|number| Some(number? as f64 / 1e6));
                Arc::new(numbers.collect::<Float64Array>())
            };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// Returns the parts in millionths.
fn found(
    parts: &ArrayRef,
    values: &ArrayRef,
    source: Option<&SqlType>,
) -> Result<Vec<Option<i128>>> {
    let zone = match values.data_type() {
        DataType::Timestamp(_, Some(name)) if &**name != "UTC" => Some(zone_of(name)?),
        _ => None,
    };
    let Some(source) = source else { return Ok(vec![None; values.len()]) };
    let target = match source {
        SqlType::Date => &SqlType::Timestamp,
        other => other,
    };
    let values = cast_array(values, Some(source), target)?;
    let mut numbers = Vec::with_capacity(values.len());
    for (row, part) in parts.as_string_view().iter().enumerate() {
        let Some(part) = part else {
            numbers.push(None);
            continue;
        };
        let part = part.to_ascii_lowercase();
        if values.is_null(row) {
            numbers.push(None);
            continue;
        }
        let number = match source {
            SqlType::Time => {
                of_time(&part, values.as_primitive::<Time64MicrosecondType>().value(row).into())
            }
            SqlType::Interval => {
                of_interval(&part, values.as_primitive::<IntervalMonthDayNanoType>().value(row))
            }
            _ => {
                let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
                of_moment(&part, micros, zone.map_or(micros, |zone| local_micros(micros, zone)))
                    .filter(|_| source != &SqlType::Date || !is_of_day(&part))
            }
        };
        numbers.push(Some(number.ok_or_else(|| missing(&part, source))?));
    }
    Ok(numbers)
}

fn is_of_day(part: &str) -> bool {
    of_time(part, 0).is_some() && part != "epoch"
}

fn missing(part: &str, source: &SqlType) -> Error {
    let title = title_of_type(source);
    if of_moment(part, 0, 0).is_some() || part.starts_with("timezone") {
        return Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unit \"{part}\" not supported for type {title}"),
        );
    }
    wrong_argument(format!("unit \"{part}\" not recognized for type {title}"))
}

fn of_time(part: &str, micros: i128) -> Option<i128> {
    Some(match part {
        "hour" | "hours" => micros / (3600 * MICROS) * MICROS,
        "minute" | "minutes" => micros / (60 * MICROS) % 60 * MICROS,
        "second" | "seconds" => micros % (60 * MICROS),
        "millisecond" | "milliseconds" => micros % (60 * MICROS) * 1000,
        "microsecond" | "microseconds" => micros % (60 * MICROS) * MICROS,
        "epoch" => micros,
        _ => return None,
    })
}

fn of_interval(part: &str, value: IntervalMonthDayNano) -> Option<i128> {
    let months = i128::from(value.months);
    let micros = i128::from(value.nanoseconds / 1000);
    Some(match part {
        "millennium" | "millenniums" => months / 12_000 * MICROS,
        "century" | "centuries" => months / 1200 * MICROS,
        "decade" | "decades" => months / 120 * MICROS,
        "year" | "years" => months / 12 * MICROS,
        "quarter" => (months % 12 / 3 + 1) * MICROS,
        "month" | "months" => months % 12 * MICROS,
        "day" | "days" => i128::from(value.days) * MICROS,
        "epoch" => {
            let days = months % 12 * 30 + i128::from(value.days);
            // A year counts as 365.25 days.
            months / 12 * 31_557_600 * MICROS + days * 86_400 * MICROS + micros
        }
        other => return of_time(other, micros),
    })
}

fn of_moment(part: &str, moment: i64, local: i64) -> Option<i128> {
    let time: NaiveDateTime = DateTime::from_timestamp_micros(local)?.naive_utc();
    let year = i128::from(time.year());
    // There is no year 0: the year before 1 is -1.
    let counted = if year > 0 { year } else { year - 1 };
    let age = |length: i128| {
        if year > 0 { (year + length - 1) / length } else { -((length - year) / length) }
    };
    let number: i128 = match part {
        "year" | "years" => counted,
        "month" | "months" => time.month().into(),
        "day" | "days" => time.day().into(),
        "quarter" => i128::from(time.month0()) / 3 + 1,
        "week" | "weeks" => time.iso_week().week().into(),
        "isoyear" => {
            let year = i128::from(time.iso_week().year());
            if year > 0 { year } else { year - 1 }
        }
        "dow" => time.weekday().num_days_from_sunday().into(),
        "isodow" => time.weekday().number_from_monday().into(),
        "doy" => time.ordinal().into(),
        "decade" | "decades" => year.div_euclid(10),
        "century" | "centuries" => age(100),
        "millennium" | "millenniums" => age(1000),
        "epoch" => return Some(moment.into()),
        other => {
            let seconds = i128::from(time.num_seconds_from_midnight());
            let micros = seconds * MICROS + i128::from(local.rem_euclid(1_000_000));
            return of_time(other, micros);
        }
    };
    Some(number * MICROS)
}
