//! Explicit casts, as PostgreSQL carries them out.
//!
//! Text becomes a value by the type's own parser (22P02, 22007, 22003), a value becomes text by its
//! printer; numbers round instead of being cut, and what does not fit is refused.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, StringViewArray,
    StringViewBuilder, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options, concat};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::checked::out_of_range;
use super::error::{IntoOurs, external};
use super::operator::{is_unknown, parsed_literal};
use super::sql_types::{marked, sql_type_of_arrow, sql_type_of_field, title_of_type};
use super::uuid_text;
use crate::error::{Error, Result, SqlState};
use crate::types::{self, SqlType, StringKind};

/// Returns `expr` cast to a type.
pub(super) fn cast_to(expr: Expr, target: &SqlType) -> Expr {
    ScalarUDF::new_from_impl(CastTo::new(target.clone(), false)).call(vec![expr])
}

/// Returns `expr` cast to a type, with NULL for what cannot be.
pub(super) fn try_cast_to(expr: Expr, target: &SqlType) -> Expr {
    ScalarUDF::new_from_impl(CastTo::new(target.clone(), true)).call(vec![expr])
}

/// Returns `expr` cast to a type; a string literal is parsed at once.
pub(super) fn fold_cast(expr: Expr, target: &SqlType) -> QueryResult<Expr> {
    if is_unknown(&expr)
        && !matches!(target, SqlType::String { .. })
        && let Expr::Literal(scalar, _) = &expr
        && let Some(Some(text)) = scalar.try_as_str()
    {
        return parsed_literal(target, text).map_err(external);
    }
    Ok(cast_to(expr, target))
}

/// The function behind a cast.
#[derive(Debug, Eq)]
struct CastTo {
    target: SqlType,
    attempt: bool,
    signature: Signature,
}

impl PartialEq for CastTo {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.attempt == other.attempt
    }
}

impl Hash for CastTo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
        self.attempt.hash(state);
    }
}

impl CastTo {
    fn new(target: SqlType, attempt: bool) -> Self {
        Self { target, attempt, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CastTo {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> QueryResult<String> {
        Ok(format!("CAST({} AS {})", args[0].schema_name(), self.target))
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(self.target.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        if let Some(source) = sql_type_of_field(&args.arg_fields[0])
            && !castable(&source, &self.target)
        {
            return Err(external(Error::new(
                SqlState::CANNOT_COERCE,
                format!(
                    "cannot cast type {} to {}",
                    title_of_type(&source),
                    title_of_type(&self.target)
                ),
            )));
        }
        let nullable = self.attempt || args.arg_fields[0].is_nullable();
        let field = Field::new("cast", self.target.arrow(), nullable);
        Ok(Arc::new(marked(field, &self.target)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let source = sql_type_of_field(&args.arg_fields[0]);
        let run = |array: &ArrayRef| {
            if self.attempt {
                attempt(array, source.as_ref(), &self.target)
            } else {
                cast_array(array, source.as_ref(), &self.target)
            }
            .map_err(external)
        };
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(run(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = run(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

/// Returns whether PostgreSQL has a cast between these types.
fn castable(source: &SqlType, target: &SqlType) -> bool {
    use SqlType::{
        Array, Bool, Bytes, Date, Decimal, Float4, Float8, Inet, Int2, Int4, Int8, Interval, Jsonb,
        String, Time, Timestamp, TimestampTz, Uuid,
    };
    match (source, target) {
        (String { .. }, _) | (_, String { .. }) => true,
        (Array(source), Array(target)) => castable(source, target),
        (
            Int2 | Int4 | Int8 | Float4 | Float8 | Decimal(_),
            Int2 | Int4 | Int8 | Float4 | Float8 | Decimal(_),
        ) => true,
        (Bool, Int2 | Int4 | Int8) | (Int2 | Int4 | Int8, Bool) => true,
        (Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) => true,
        (Timestamp | TimestampTz | Interval, Time) | (Time, Interval) => true,
        (Jsonb, Bool | Int2 | Int4 | Int8 | Float4 | Float8 | Decimal(_)) => true,
        (Int8 | Float8 | Decimal(_), Timestamp | TimestampTz | Interval) => false,
        (Uuid, Bytes) | (Bytes, Uuid) => true,
        (Inet, Inet) => true,
        (source, target) => source == target,
    }
}

/// Returns `array` cast row by row, with NULL for what cannot be.
fn attempt(array: &ArrayRef, source: Option<&SqlType>, target: &SqlType) -> Result<ArrayRef> {
    if let Ok(cast) = cast_array(array, source, target) {
        return Ok(cast);
    }
    let null = new_null_array(&target.arrow(), 1);
    let rows: Vec<ArrayRef> = (0..array.len())
        .map(|row| {
            cast_array(&array.slice(row, 1), source, target).unwrap_or_else(|_| Arc::clone(&null))
        })
        .collect();
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    concat(&rows).ours()
}

/// Returns `array`, of a SQL type if that is known, as an array of the target's query form.
pub(super) fn cast_array(
    array: &ArrayRef,
    source: Option<&SqlType>,
    target: &SqlType,
) -> Result<ArrayRef> {
    let array = &unified(array)?;
    if array.data_type().is_null() {
        return Ok(new_null_array(&target.arrow(), array.len()));
    }
    let text = array.data_type() == &DataType::Utf8View;
    match (source, target) {
        (Some(SqlType::Uuid), SqlType::Uuid)
        | (Some(SqlType::Inet), SqlType::Inet)
        | (Some(SqlType::Jsonb), SqlType::Jsonb) => Ok(Arc::clone(array)),
        (Some(SqlType::Inet), SqlType::String { kind, length, .. }) if text => {
            Ok(shortened(&masked(array), *kind, *length))
        }
        (_, SqlType::String { kind, length, .. }) if text => Ok(shortened(array, *kind, *length)),
        (_, SqlType::String { kind, length, .. }) => {
            Ok(shortened(&printed(array)?, *kind, *length))
        }
        _ if text => parsed(array, target),
        (_, SqlType::Array(element)) => cast_list(array, element),
        (_, SqlType::Uuid) => uuid_text::uuid_from_bytes(array),
        _ if array.data_type() == &target.arrow() => Ok(Arc::clone(array)),
        _ => converted(array, target),
    }
}

/// Returns text and bytes of any layout in the layout of the query form.
fn unified(array: &ArrayRef) -> Result<ArrayRef> {
    let wanted = match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => super::sql_types::result_type(value),
        DataType::Duration(_) => {
            DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano)
        }
        _ => return Ok(Arc::clone(array)),
    };
    strict(array, &wanted)
}

/// Casts by Arrow's kernel, refusing what does not fit.
pub(super) fn strict(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, target, &options).ours()
}

/// Returns addresses with their masks, also those of single hosts.
fn masked(array: &ArrayRef) -> ArrayRef {
    let full = array.as_string_view().iter().map(|text| {
        text.map(|text| match text {
            text if text.contains('/') => text.to_owned(),
            text if text.contains(':') => format!("{text}/128"),
            text => format!("{text}/32"),
        })
    });
    Arc::new(full.collect::<StringViewArray>())
}

/// Cuts text to a declared length, as an explicit cast does.
fn shortened(array: &ArrayRef, kind: StringKind, length: Option<u32>) -> ArrayRef {
    let Some(length) = length else { return Arc::clone(array) };
    let length = length as usize;
    let texts = array.as_string_view();
    let cut = texts.iter().map(|text| {
        text.map(|text| {
            let end = text.char_indices().nth(length).map_or(text.len(), |(at, _)| at);
            match kind {
                StringKind::Char => text[..end].trim_end_matches(' '),
                _ => &text[..end],
            }
        })
    });
    Arc::new(cut.collect::<StringViewArray>())
}

/// Returns the text of each value.
fn printed(array: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Boolean = array.data_type() {
        let words = array.as_boolean().iter();
        let words = words.map(|value| value.map(|value| if value { "true" } else { "false" }));
        return Ok(Arc::new(words.collect::<StringViewArray>()));
    }
    if array.data_type().is_integer() {
        return strict(array, &DataType::Utf8View);
    }
    let mut texts = StringViewBuilder::with_capacity(array.len());
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
        } else {
            text.clear();
            types::print_value(array, row, &mut text);
            texts.append_value(&text);
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// Parses each text.
fn parsed(array: &ArrayRef, target: &SqlType) -> Result<ArrayRef> {
    let texts = array.as_string_view();
    let null = new_null_array(&target.arrow(), 1);
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        values.push(match text {
            Some(text) => types::parse_value(target, text)?,
            None => Arc::clone(&null),
        });
    }
    if values.is_empty() {
        return Ok(new_null_array(&target.arrow(), 0));
    }
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    concat(&values).ours()
}

fn cast_list(array: &ArrayRef, element: &SqlType) -> Result<ArrayRef> {
    let as_list = strict(
        array,
        &DataType::List(Arc::new(Field::new_list_field(
            match array.data_type() {
                DataType::List(field)
                | DataType::LargeList(field)
                | DataType::FixedSizeList(field, _) => field.data_type().clone(),
                other => other.clone(),
            },
            true,
        ))),
    )?;
    let (_, offsets, values, nulls) = as_list.as_list::<i32>().clone().into_parts();
    let source = sql_type_of_arrow(values.data_type());
    let values = cast_array(&values, source.as_ref(), element)?;
    let field = Arc::new(Field::new_list_field(element.arrow(), true));
    Ok(Arc::new(
        datafusion::arrow::array::ListArray::try_new(field, offsets, values, nulls).ours()?,
    ))
}

/// Casts between types that are neither text nor lists.
fn converted(array: &ArrayRef, target: &SqlType) -> Result<ArrayRef> {
    let data_type = target.arrow();
    let source = array.data_type();
    let rounded = if data_type.is_integer() && source.is_floating() {
        round(array)
    } else if data_type.is_integer() && source.is_decimal() {
        whole(array)?
    } else if data_type == DataType::Boolean && source.is_integer() {
        let zero = strict(array, &DataType::Int64)?;
        let zero = zero.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
        let values: BooleanArray = zero.iter().map(|value| value.map(|value| value != 0)).collect();
        return Ok(Arc::new(values));
    } else if data_type.is_decimal() && source.is_floating() {
        refuse_not_finite(array, target)?;
        Arc::clone(array)
    } else {
        Arc::clone(array)
    };
    if data_type == DataType::Float32 {
        return to_float4(array);
    }
    strict(&rounded, &data_type)
        .map_err(|error| match error.code() {
            SqlState::INVALID_TEXT_REPRESENTATION | SqlState::DATA_EXCEPTION => {
                Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, error.message().to_owned())
            }
            _ => out_of_range(error, &data_type),
        })
        .map_err(|error| named(error, target))
}

/// Names the type in the error of a value that it cannot hold.
fn named(error: Error, target: &SqlType) -> Error {
    match error.code() {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            match target {
                SqlType::Decimal(Some(_)) => "numeric field overflow".to_owned(),
                other => format!("{} out of range", title_of_type(other)),
            },
        ),
        _ => error,
    }
}

/// Casts numbers to FLOAT4, refusing those beyond its range.
fn to_float4(array: &ArrayRef) -> Result<ArrayRef> {
    let wide = strict(array, &DataType::Float64)?;
    let narrow = strict(array, &DataType::Float32)?;
    let values = wide.as_primitive::<Float64Type>().iter().flatten();
    let cast = narrow.as_primitive::<Float32Type>().iter().flatten();
    if values.zip(cast).any(|(wide, narrow)| wide.is_finite() && narrow.is_infinite()) {
        return Err(super::checked::overflow("real"));
    }
    Ok(narrow)
}

fn refuse_not_finite(array: &ArrayRef, target: &SqlType) -> Result {
    let wide = strict(array, &DataType::Float64)?;
    if wide.as_primitive::<Float64Type>().iter().flatten().any(|value| !value.is_finite()) {
        return Err(Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("cannot convert NaN or infinity to {}", title_of_type(target)),
        ));
    }
    Ok(())
}

/// Rounds floating point numbers half to even, as PostgreSQL does on the way to an integer.
fn round(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            let rounded: Float32Array = values.unary(f32::round_ties_even);
            Arc::new(rounded)
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            let rounded: Float64Array = values.unary(f64::round_ties_even);
            Arc::new(rounded)
        }
        _ => Arc::clone(array),
    }
}

/// Rounds decimals half away from zero to scale 0.
fn whole(array: &ArrayRef) -> Result<ArrayRef> {
    let target = match array.data_type() {
        DataType::Decimal256(..) => DataType::Decimal256(76, 0),
        _ => DataType::Decimal128(38, 0),
    };
    strict(array, &target)
}
