//! Values of queries as text: what PostgreSQL prints, for every Arrow type that a result can have.

mod column;
mod json;
mod moment;
mod nested;
mod number;

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

pub use column::{ColumnTexts, column_texts};
pub use json::{print_json, print_json_text};
pub(super) use moment::split_days;

/// Appends the text of a value in query form, as PostgreSQL prints it; NULL appends nothing.
pub fn print_value(values: &dyn Array, row: usize, out: &mut String) {
    if values.is_null(row) {
        return;
    }
    match values.data_type() {
        DataType::Null => {}
        DataType::Boolean => out.push(if values.as_boolean().value(row) { 't' } else { 'f' }),
        DataType::Utf8 => out.push_str(values.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => out.push_str(values.as_string::<i64>().value(row)),
        DataType::Utf8View => out.push_str(values.as_string_view().value(row)),
        DataType::Binary => hex(values.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => hex(values.as_binary::<i64>().value(row), out),
        DataType::BinaryView => hex(values.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => hex(values.as_fixed_size_binary().value(row), out),
        numeric if numeric.is_numeric() => print_number(values, row, out),
        temporal if temporal.is_temporal() => moment::print(values, row, out),
        nested => nested::print(nested, values, row, out),
    }
}

/// Appends an integer, a decimal or a floating point number.
fn print_number(values: &dyn Array, row: usize, out: &mut String) {
    match values.data_type() {
        DataType::Int8 => integer::<Int8Type>(values, row, out),
        DataType::Int16 => integer::<Int16Type>(values, row, out),
        DataType::Int32 => integer::<Int32Type>(values, row, out),
        DataType::Int64 => integer::<Int64Type>(values, row, out),
        DataType::UInt8 => integer::<UInt8Type>(values, row, out),
        DataType::UInt16 => integer::<UInt16Type>(values, row, out),
        DataType::UInt32 => integer::<UInt32Type>(values, row, out),
        DataType::UInt64 => integer::<UInt64Type>(values, row, out),
        DataType::Float16 => {
            number::float4(values.as_primitive::<Float16Type>().value(row).to_f32(), out);
        }
        DataType::Float32 => number::float4(values.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => number::float8(values.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal32(_, scale) => {
            let value = values.as_primitive::<Decimal32Type>().value(row);
            number::decimal(&value.to_string(), *scale, out);
        }
        DataType::Decimal64(_, scale) => {
            let value = values.as_primitive::<Decimal64Type>().value(row);
            number::decimal(&value.to_string(), *scale, out);
        }
        DataType::Decimal128(_, scale) => {
            let value = values.as_primitive::<Decimal128Type>().value(row);
            number::decimal(&value.to_string(), *scale, out);
        }
        DataType::Decimal256(_, scale) => {
            let value = values.as_primitive::<Decimal256Type>().value(row);
            let start = out.len();
            number::decimal(&value.to_string(), *scale, out);
            number::trim_zeros(out, start);
        }
        _ => fallback(values, row, out),
    }
}

fn integer<T: ArrowPrimitiveType>(values: &dyn Array, row: usize, out: &mut String)
where
    T::Native: std::fmt::Display,
{
    // Writing to a String does not fail.
    let _ = write!(out, "{}", values.as_primitive::<T>().value(row));
}

fn hex(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// Appends a value of a type that has no form in PostgreSQL as Arrow shows it.
fn fallback(values: &dyn Array, row: usize, out: &mut String) {
    if let Ok(formatter) = ArrayFormatter::try_new(values, &FormatOptions::default()) {
        let _ = formatter.value(row).write(out);
    }
}

/// Returns PostgreSQL's name of the type of a value, for headers and messages.
pub fn postgres_type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::UInt64 => "numeric",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "numeric",
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => {
            let element = postgres_type_name(field.data_type());
            return if element.ends_with("[]") { element } else { format!("{element}[]") };
        }
        DataType::Dictionary(_, value) => return postgres_type_name(value),
        DataType::RunEndEncoded(_, value) => return postgres_type_name(value.data_type()),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => "record",
    };
    name.to_owned()
}

/// Returns how many of a unit are in a second.
fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, DictionaryArray,
        Int32Array, NullArray, UInt64Array,
    };
    use arrow::datatypes::{Field, IntervalUnit, i256};

    use super::*;

    #[track_caller]
    fn check(values: impl Array + 'static, expected: &str) {
        let values: ArrayRef = Arc::new(values);
        let mut printed = String::new();
        print_value(&values, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn prints_simple_values() {
        check(BooleanArray::from(vec![true]), "t");
        check(BooleanArray::from(vec![false]), "f");
        check(BinaryArray::from(vec![b"ab".as_slice()]), "\\x6162");
        check(UInt64Array::from(vec![u64::MAX]), "18446744073709551615");
        check(NullArray::new(1), "");
        check(Int32Array::from(vec![None]), "");
        check(vec![Some("b"), None].into_iter().collect::<DictionaryArray<Int32Type>>(), "b");
        check(vec![None, Some("b")].into_iter().collect::<DictionaryArray<Int32Type>>(), "");
    }

    #[test]
    fn prints_decimals_with_their_scale() {
        let short = |value: i128, scale| {
            Decimal128Array::from(vec![value]).with_precision_and_scale(20, scale).unwrap()
        };
        check(short(150, 2), "1.50");
        check(short(-5, 3), "-0.005");
        check(short(7, 0), "7");
        check(short(7, -2), "700");
        check(short(0, -2), "0");
        let long = |value: i128, scale| {
            Decimal256Array::from(vec![i256::from_i128(value)])
                .with_precision_and_scale(76, scale)
                .unwrap()
        };
        check(long(150, 2), "1.5");
        check(long(-100, 2), "-1");
        check(long(0, 20), "0");
        check(long(100, 0), "100");
    }

    #[test]
    fn names_types() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
        for (data_type, name) in [
            (DataType::Int64, "bigint"),
            (DataType::Utf8View, "text"),
            (list, "bigint[]"),
            (DataType::Interval(IntervalUnit::MonthDayNano), "interval"),
            (DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()), "text"),
        ] {
            assert_eq!(postgres_type_name(&data_type), name);
        }
    }
}
