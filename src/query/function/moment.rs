//! Functions on moments and time zones: `timezone` (AT TIME ZONE), `to_char`, `age` of days.

use std::hash::Hash;
use std::sync::Arc;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::arrow::array::{ArrayRef, AsArray, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use super::session::Session;
use super::{to_char, wrong_argument};
use crate::error::{Error, Result};
use crate::query::cast::cast_array;
use crate::query::error::external;
use crate::query::sql_types::sql_type_of_field;
use crate::types::SqlType;

/// The names of the functions here.
pub(super) const NAMES: &[&str] = &["timezone", "to_char"];

/// Returns the function with this name.
pub(super) fn scalar(name: &str, session: &Session) -> Option<Arc<ScalarUDF>> {
    let kind = match name {
        "timezone" => Kind::Timezone,
        "to_char" => Kind::ToChar,
        _ => return None,
    };
    let zone = session.time_zone.clone();
    let signature = Signature::any(2, Volatility::Immutable);
    Some(Arc::new(ScalarUDF::new_from_impl(Moment { kind, zone, signature })))
}

/// Returns `expr AT TIME ZONE zone`.
pub(in crate::query) fn at_time_zone(zone: &str, expr: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    let function = Moment { kind: Kind::Timezone, zone: zone.to_owned(), signature };
    ScalarUDF::new_from_impl(function).call(vec![lit(zone), expr])
}

/// Returns the time zone with this name.
pub(super) fn zone_of(name: &str) -> Result<Tz> {
    let known = match name.to_ascii_lowercase().as_str() {
        "utc" | "z" | "gmt" | "zulu" => Some(Tz::UTC),
        _ => name.parse().ok().or_else(|| {
            chrono_tz::TZ_VARIANTS
                .iter()
                .copied()
                .find(|zone| zone.name().eq_ignore_ascii_case(name))
        }),
    };
    known.ok_or_else(|| wrong_argument(format!("time zone \"{name}\" not recognized")))
}

/// Returns the local time of a moment, in microseconds as if in UTC.
pub(super) fn local_micros(micros: i64, zone: Tz) -> i64 {
    DateTime::from_timestamp_micros(micros).map_or(micros, |moment| {
        let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc();
        micros.saturating_add(i64::from(offset) * 1_000_000)
    })
}

/// Returns the moment of a local time. A time that a change of clocks skips counts as before the
/// change, one that comes twice as the later one, like PostgreSQL's.
fn moment_micros(local: i64, zone: Tz) -> Option<i64> {
    let naive: NaiveDateTime = DateTime::from_timestamp_micros(local)?.naive_utc();
    let offset = match zone.offset_from_local_datetime(&naive) {
        LocalResult::Single(offset) => offset.fix(),
        LocalResult::Ambiguous(_, later) => later.fix(),
        LocalResult::None => {
            let before = naive.checked_sub_signed(chrono::TimeDelta::hours(3))?;
            zone.offset_from_local_datetime(&before).earliest()?.fix()
        }
    };
    local.checked_sub(i64::from(offset.local_minus_utc()) * 1_000_000)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Timezone,
    ToChar,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    kind: Kind,
    zone: String,
    signature: Signature,
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Timezone => "timezone",
            Kind::ToChar => "to_char",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        Ok(match (self.kind, &types[1]) {
            (Kind::ToChar, _) => DataType::Utf8View,
            (Kind::Timezone, DataType::Timestamp(_, Some(_))) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            (Kind::Timezone, _) => SqlType::TimestampTz.arrow(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<QueryResult<_>>()?;
        let array = match self.kind {
            Kind::Timezone => timezone(&arrays),
            Kind::ToChar => {
                let source = sql_type_of_field(&args.arg_fields[0]);
                to_text(&arrays, source.as_ref(), &self.zone)
            }
        }
        .map_err(external)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// Moves between moments and local times: `timezone(zone, value)`.
fn timezone(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let zones = cast_array(&arrays[0], None, &SqlType::STRING)?;
    let zoned = matches!(arrays[1].data_type(), DataType::Timestamp(_, Some(_)));
    let target = if zoned { SqlType::TimestampTz } else { SqlType::Timestamp };
    let values = cast_array(&arrays[1], None, &target)?;
    let mut moved = Vec::with_capacity(values.len());
    let values = values.as_primitive::<TimestampMicrosecondType>();
    for (zone, value) in zones.as_string_view().iter().zip(values) {
        moved.push(match (zone, value) {
            (Some(zone), Some(value)) => {
                let zone = zone_of(zone)?;
                let micros = if zoned {
                    Some(local_micros(value, zone))
                } else {
                    moment_micros(value, zone)
                };
                Some(micros.ok_or_else(out_of_range)?)
            }
            _ => None,
        });
    }
    let moved = TimestampMicrosecondArray::from(moved);
    Ok(Arc::new(if zoned { moved } else { moved.with_timezone("UTC") }))
}

fn out_of_range() -> Error {
    Error::new(crate::error::SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// Formats moments by a picture of PostgreSQL: `to_char(value, picture)`.
fn to_text(arrays: &[ArrayRef], source: Option<&SqlType>, zone: &str) -> Result<ArrayRef> {
    let zone = zone_of(zone)?;
    let zoned = source == Some(&SqlType::TimestampTz);
    if !matches!(source, Some(SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz)) {
        return Err(Error::new(
            crate::error::SqlState::FEATURE_NOT_SUPPORTED,
            "to_char is supported for dates and timestamps only",
        ));
    }
    let values = cast_array(&arrays[0], source, &SqlType::Timestamp)?;
    let pictures = cast_array(&arrays[1], None, &SqlType::STRING)?;
    let values = values.as_primitive::<TimestampMicrosecondType>();
    let texts = values.iter().zip(pictures.as_string_view()).map(|(value, picture)| {
        let value = if zoned { local_micros(value?, zone) } else { value? };
        let moment = DateTime::from_timestamp_micros(value)?.naive_utc();
        Some(to_char::format(&moment, picture?))
    });
    Ok(Arc::new(texts.collect::<StringViewArray>()))
}
