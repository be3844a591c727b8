//! Numbers assigned to columns of numbers: ranges checked, decimals rounded as PostgreSQL rounds.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Decimal256Array, PrimitiveArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, i256,
};

use crate::error::{Error, Result, SqlState};
use crate::types::decimal::{Form, rescale};
use crate::types::fault::integer_range;
use crate::types::integer::Integer;
use crate::types::print::print_value;
use crate::types::{BARE_DECIMAL, SqlType};

use super::{cast, from_printed, mismatch};

/// The widest precision that Arrow has.
const WIDEST: u8 = 76;

/// Assigns numbers to a column of integers, floating point numbers or decimals.
pub(super) fn to_storage(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    match sql_type {
        SqlType::Int2 => to_integers::<Int16Type>(values),
        SqlType::Int4 => to_integers::<Int32Type>(values),
        SqlType::Int8 => to_integers::<Int64Type>(values),
        SqlType::Float4 | SqlType::Float8 if is_decimal(values.data_type()) => {
            from_printed(sql_type, values)
        }
        SqlType::Float4 if values.data_type() == &DataType::Float64 => to_float4(values),
        SqlType::Float4 => cast(values, &DataType::Float32),
        SqlType::Float8 => cast(values, &DataType::Float64),
        SqlType::Decimal(_) if values.data_type().is_floating() => from_printed(sql_type, values),
        SqlType::Decimal(declared) => to_decimals(*declared, values),
        other => Err(mismatch(other, values.data_type())),
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

/// Converts each value that is not NULL; the others keep the default value.
fn convert<S: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    values: &PrimitiveArray<S>,
    change: impl Fn(S::Native) -> Result<T::Native>,
) -> Result<PrimitiveArray<T>> {
    let mut converted = vec![T::Native::default(); values.len()];
    for (row, (slot, value)) in converted.iter_mut().zip(values.values()).enumerate() {
        if values.is_valid(row) {
            *slot = change(*value)?;
        }
    }
    Ok(PrimitiveArray::new(converted.into(), values.nulls().cloned()))
}

fn to_integers<T: ArrowPrimitiveType>(values: &ArrayRef) -> Result<ArrayRef>
where
    T::Native: Integer,
{
    let narrow = |value: i64| {
        T::Native::try_from(value).map_err(|_| integer_range(T::Native::NAME, &value.to_string()))
    };
    let converted: PrimitiveArray<T> = match values.data_type() {
        own if *own == T::DATA_TYPE => return Ok(Arc::clone(values)),
        data_type if data_type.is_floating() => {
            let values = cast(values, &DataType::Float64)?;
            convert(values.as_primitive::<Float64Type>(), |value| {
                let whole = whole(value)
                    .ok_or_else(|| integer_range(T::Native::NAME, &float_text(value)))?;
                narrow(whole)
            })?
        }
        data_type if is_decimal(data_type) || data_type == &DataType::UInt64 => {
            let (values, scale) = widest(values)?;
            let form = Form { precision: usize::from(WIDEST), scale: 0, rounds: true };
            convert(&values, |value| {
                let text = || decimal_text(value, scale);
                let whole = rescale(value, scale, form, text)?;
                let whole = whole.to_i128().and_then(|whole| i64::try_from(whole).ok());
                narrow(whole.ok_or_else(|| integer_range(T::Native::NAME, &text()))?)
            })?
        }
        _ => {
            let values = cast(values, &DataType::Int64)?;
            convert(values.as_primitive::<Int64Type>(), narrow)?
        }
    };
    Ok(Arc::new(converted))
}

/// Rounds to the nearest integer, halves to the even one, if it fits 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn whole(value: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round_ties_even();
    (-END..END).contains(&rounded).then_some(rounded as i64)
}

fn float_text(value: f64) -> String {
    let mut text = String::new();
    print_value(&PrimitiveArray::<Float64Type>::from(vec![value]), 0, &mut text);
    text
}

fn decimal_text(value: i256, scale: i32) -> String {
    let mut text = String::new();
    let scale = i8::try_from(scale).unwrap_or(0);
    if let Ok(array) = Decimal256Array::from(vec![value]).with_precision_and_scale(WIDEST, scale) {
        print_value(&array, 0, &mut text);
    }
    text
}

#[expect(clippy::cast_possible_truncation, reason = "a value that does not fit becomes infinite")]
fn to_float4(values: &ArrayRef) -> Result<ArrayRef> {
    let converted: PrimitiveArray<Float32Type> =
        convert(values.as_primitive::<Float64Type>(), |value| {
            let narrow = value as f32;
            if narrow.is_infinite() && value.is_finite() {
                return Err(Error::new(
                    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    format!("value out of range for type FLOAT4: \"{}\"", float_text(value)),
                ));
            }
            Ok(narrow)
        })?;
    Ok(Arc::new(converted))
}

/// Returns integers or decimals in the widest decimal type, with their scale.
fn widest(values: &ArrayRef) -> Result<(Decimal256Array, i32)> {
    let scale = match values.data_type() {
        DataType::Decimal256(_, scale) => {
            return Ok((values.as_primitive::<Decimal256Type>().clone(), i32::from(*scale)));
        }
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let wide = cast(values, &DataType::Decimal256(WIDEST, scale))?;
    Ok((wide.as_primitive::<Decimal256Type>().clone(), i32::from(scale)))
}

fn to_decimals(declared: Option<(u8, i8)>, values: &ArrayRef) -> Result<ArrayRef> {
    let (precision, scale) = declared.unwrap_or(BARE_DECIMAL);
    let form = Form::new(declared);
    if values.data_type() == &DataType::Decimal128(precision, scale) && fits(values, precision) {
        return Ok(Arc::clone(values));
    }
    let (wide, from) = widest(values)?;
    let moved: Decimal256Array =
        convert(&wide, |value| rescale(value, from, form, || decimal_text(value, from)))?;
    let array = if precision <= 38 {
        // Every value was found to have at most 38 digits.
        let narrow: Decimal128Array = convert(&moved, |value| Ok(value.as_i128()))?;
        narrow.with_precision_and_scale(precision, scale).map(|it| Arc::new(it) as ArrayRef)
    } else {
        moved.with_precision_and_scale(precision, scale).map(|it| Arc::new(it) as ArrayRef)
    };
    array.map_err(Error::internal)
}

/// Whether all values have at most so many digits: arithmetic on decimals does not see to that.
fn fits(values: &ArrayRef, precision: u8) -> bool {
    values.as_primitive::<Decimal128Type>().validate_decimal_precision(precision).is_ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal64Array, Float32Array, Float64Array, Int64Array, UInt64Array};

    use super::*;

    fn assign(name: &str, values: impl Array + 'static) -> Result<ArrayRef> {
        let sql_type = SqlType::parse(name).unwrap();
        let stored = crate::types::to_storage(&sql_type, &(Arc::new(values) as ArrayRef))?;
        assert_eq!(stored.data_type(), &sql_type.storage());
        Ok(stored)
    }

    #[track_caller]
    fn check(name: &str, values: impl Array + 'static, expected: &str) {
        let stored = assign(name, values).unwrap();
        let mut printed = String::new();
        print_value(&stored, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[track_caller]
    fn refuses(name: &str, values: impl Array + 'static, message: &str) {
        let error = assign(name, values).unwrap_err();
        assert_eq!(error.code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "{error}");
        assert_eq!(error.message(), message);
    }

    fn decimal(value: i128, scale: i8) -> Decimal128Array {
        Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap()
    }

    #[test]
    fn integers_keep_their_range() {
        check("int2", Int64Array::from(vec![-32_768]), "-32768");
        check("int8", UInt64Array::from(vec![7]), "7");
        refuses(
            "int2",
            Int64Array::from(vec![40_000]),
            "integer out of range for type int2: \"40000\"",
        );
        refuses(
            "int8",
            UInt64Array::from(vec![u64::MAX]),
            "integer out of range for type int8: \"18446744073709551615\"",
        );
    }

    #[test]
    fn fractions_are_rounded_to_integers() {
        check("int", Float64Array::from(vec![2.5]), "2");
        check("int", Float64Array::from(vec![-3.5]), "-4");
        check("int", decimal(25, 1), "3");
        check("int", decimal(-25, 1), "-3");
        check("int", Decimal64Array::from(vec![149]).with_precision_and_scale(10, 2).unwrap(), "1");
        refuses(
            "int4",
            Float64Array::from(vec![1e300]),
            "integer out of range for type int4: \"1e+300\"",
        );
        refuses(
            "int8",
            Float64Array::from(vec![f64::NAN]),
            "integer out of range for type int8: \"NaN\"",
        );
        refuses(
            "int8",
            Float64Array::from(vec![9.3e18]),
            "integer out of range for type int8: \"9.3e+18\"",
        );
    }

    #[test]
    fn decimals_round_to_their_scale() {
        check("decimal(5,2)", decimal(12_345, 3), "12.35");
        check("decimal(5,2)", Int64Array::from(vec![999]), "999.00");
        check("decimal(5,2)", Float32Array::from(vec![0.1]), "0.10");
        check("decimal(5,2)", Float64Array::from(vec![2.675]), "2.68");
        check("decimal(50,2)", decimal(-12_345, 3), "-12.35");
        check("decimal", decimal(12_345, 3), "12.345");
        check("decimal", Int64Array::from(vec![i64::MIN]), "-9223372036854775808");
        refuses(
            "decimal(5,2)",
            Int64Array::from(vec![1000]),
            "value out of range for type DECIMAL(5,2): \"1000\"",
        );
        refuses(
            "decimal",
            decimal(1, 21),
            "value has too many digits for type DECIMAL: \"0.000000000000000000001\"",
        );
        let beyond = Decimal128Array::from(vec![100_000]).with_precision_and_scale(5, 2).unwrap();
        refuses("decimal(5,2)", beyond, "value out of range for type DECIMAL(5,2): \"1000\"");
    }

    #[test]
    fn floats_take_any_number() {
        check("float8", Int64Array::from(vec![3]), "3");
        check("float8", decimal(1, 1), "0.1");
        check("float4", Float64Array::from(vec![0.1]), "0.1");
        check("float4", Float64Array::from(vec![f64::INFINITY]), "Infinity");
        refuses(
            "float4",
            Float64Array::from(vec![1e300]),
            "value out of range for type FLOAT4: \"1e+300\"",
        );
    }
}
