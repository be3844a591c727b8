//! What a type prints it reads back, for random values of every type.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{IntervalMonthDayNano, i256};
use proptest::prelude::*;

use super::civil::DAY_MICROS;
use super::{SqlType, parse_value, print_value, to_query, to_storage};

/// Prints a value in query form, parses the text, and compares; also through storage.
#[track_caller]
fn check(name: &str, values: impl Array + 'static) {
    let values: ArrayRef = Arc::new(values);
    let sql_type = SqlType::parse(name).unwrap();
    let mut printed = String::new();
    print_value(&values, 0, &mut printed);
    let parsed = parse_value(&sql_type, &printed).unwrap();
    assert_eq!(&parsed, &values, "{printed}");
    let stored = to_storage(&sql_type, &values).unwrap();
    assert_eq!(stored.data_type(), &sql_type.storage());
    assert_eq!(&to_query(&sql_type, &stored).unwrap(), &values);
}

fn texts(value: &str) -> StringViewArray {
    StringViewArray::from(vec![value])
}

/// The range of dates that text can name.
const DAYS: std::ops::Range<i32> = -2_440_000..95_000_000;

proptest! {
    #[test]
    fn numbers(a: i16, b: i32, c: i64, d: f32, e: f64, f: bool) {
        check("int2", Int16Array::from(vec![a]));
        check("int4", Int32Array::from(vec![b]));
        check("int8", Int64Array::from(vec![c]));
        check("float4", Float32Array::from(vec![if d.is_nan() { 0.0 } else { d }]));
        check("float8", Float64Array::from(vec![if e.is_nan() { 0.0 } else { e }]));
        check("bool", BooleanArray::from(vec![f]));
    }

    #[test]
    fn decimals(value in -999_999_999_999_999_i128..=999_999_999_999_999, wide: i128) {
        let short = Decimal128Array::from(vec![value]);
        check("decimal(15,2)", short.with_precision_and_scale(15, 2).unwrap());
        let wide = Decimal256Array::from(vec![i256::from_i128(wide)]);
        check("decimal", wide.clone().with_precision_and_scale(76, 20).unwrap());
        check("decimal(50,7)", wide.with_precision_and_scale(50, 7).unwrap());
    }

    #[test]
    fn moments(days in DAYS, time in 0..DAY_MICROS, moment in -210_000_000_000_000_000_i64..8_000_000_000_000_000_000) {
        check("date", Date32Array::from(vec![days]));
        check("time", Time64MicrosecondArray::from(vec![time]));
        check("timestamp", TimestampMicrosecondArray::from(vec![moment]));
        check("timestamptz", TimestampMicrosecondArray::from(vec![moment]).with_timezone("UTC"));
    }

    #[test]
    fn intervals(months: i32, days: i32, micros in -9_223_372_036_854_775_i64..9_223_372_036_854_775) {
        let value = IntervalMonthDayNano::new(months, days, micros * 1000);
        check("interval", IntervalMonthDayNanoArray::from(vec![value]));
    }

    #[test]
    fn texts_and_bytes(text in "[^\\x00]{0,40}", bytes: Vec<u8>, id: [u8; 16]) {
        check("text", texts(&text));
        check("bytes", BinaryArray::from(vec![bytes.as_slice()]));
        check("uuid", texts(&::uuid::Uuid::from_bytes(id).to_string()));
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,24}", terse in "[-+0-9a-fxT:.,/{}\\\\\" ]{0,24}") {
        for name in [
            "bool", "int2", "int8", "float4", "float8", "decimal", "decimal(9,3)", "text", "char(3)", "bytes",
            "date", "time", "timestamp", "timestamptz", "interval", "uuid", "inet", "jsonb",
            "int[]", "text[]", "date[]",
        ] {
            let sql_type = SqlType::parse(name).unwrap();
            for text in [&text, &terse] {
                if let Err(error) = parse_value(&sql_type, text) {
                    assert!(!error.code().as_str().starts_with("XX"), "{name} {text}: {error}");
                }
            }
        }
    }
}
