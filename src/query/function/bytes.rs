//! Functions that take BYTES as well as text, where DataFusion has them for text alone.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, StringViewArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::functions::unicode;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::{Simple, wrong_argument};
use crate::error::{Error, Result, SqlState};
use crate::query::cast::cast_array;
use crate::query::error::external;
use crate::query::sql_types::{sql_type_of_field, title_of_field};
use crate::types::SqlType;

/// The functions here that take BYTES alone.
pub(super) static FUNCTIONS: &[Simple] = &[
    Simple {
        name: "bytes_concat",
        takes: &[SqlType::Bytes, SqlType::Bytes],
        optional: 0,
        returns: SqlType::Bytes,
        run: |arrays| Ok(joined(arrays)),
    },
    Simple {
        name: "encode",
        takes: &[SqlType::Bytes, SqlType::STRING],
        optional: 0,
        returns: SqlType::STRING,
        run: encoded,
    },
];

/// Returns `left || right` of BYTES.
pub(in crate::query) fn concat(left: Expr, right: Expr) -> Expr {
    FUNCTIONS[0].call(vec![left, right])
}

/// Returns the function with this name that takes text or BYTES.
pub(in crate::query) fn scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    let kind = match name {
        "length" => Kind::Length,
        "octet_length" => Kind::OctetLength,
        "substr" | "substring" => Kind::Substr,
        _ => return None,
    };
    let signature = match kind {
        Kind::Substr => Signature::one_of(
            vec![TypeSignature::Any(2), TypeSignature::Any(3)],
            Volatility::Immutable,
        ),
        _ => Signature::any(1, Volatility::Immutable),
    };
    Some(Arc::new(ScalarUDF::new_from_impl(Measure { kind, signature })))
}

/// Returns DataFusion's function on text for one of these, if the argument is no BYTES.
pub(in crate::query) fn on_text(name: &str, argument: &DataType) -> Option<Arc<ScalarUDF>> {
    (name == "substr" && !is_bytes(argument)).then(unicode::substr)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Length,
    OctetLength,
    Substr,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Measure {
    kind: Kind,
    signature: Signature,
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

impl ScalarUDFImpl for Measure {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Length => "length",
            Kind::OctetLength => "octet_length",
            Kind::Substr => "substr",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        let text = matches!(
            types[0],
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
        );
        if !text && !is_bytes(&types[0]) {
            let title = title_of_field(&Field::new("", types[0].clone(), true));
            return Err(external(
                Error::new(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("function {}({title}) does not exist", self.name()),
                )
                .hint("No function matches this type. An explicit cast may help."),
            ));
        }
        Ok(match self.kind {
            Kind::Substr if text => DataType::Utf8View,
            Kind::Substr => DataType::Binary,
            _ => DataType::Int32,
        })
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut arrays = Vec::with_capacity(args.args.len());
        for (position, value) in args.args.iter().enumerate() {
            let source = sql_type_of_field(&args.arg_fields[position]);
            let target = match position {
                0 if is_bytes(args.arg_fields[0].data_type()) => SqlType::Bytes,
                0 => SqlType::STRING,
                _ => SqlType::Int8,
            };
            let array = value.to_array(rows)?;
            arrays.push(cast_array(&array, source.as_ref(), &target).map_err(external)?);
        }
        let array = match self.kind {
            Kind::Substr => cut(&arrays).map_err(external)?,
            kind => Arc::new(lengths(&arrays[0], kind)),
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn lengths(array: &ArrayRef, kind: Kind) -> Int32Array {
    let number = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
    if is_bytes(array.data_type()) {
        let values = array.as_binary::<i32>();
        return values.iter().map(|value| value.map(|value| number(value.len()))).collect();
    }
    let texts = array.as_string_view();
    let length = |text: &str| match kind {
        Kind::Length => number(text.chars().count()),
        _ => number(text.len()),
    };
    texts.iter().map(|text| text.map(length)).collect()
}

/// Returns a part of BYTES: from a place, counted from 1, and of a length.
fn cut(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let values = arrays[0].as_binary::<i32>();
    let starts = arrays[1].as_primitive::<Int64Type>();
    let counts = arrays.get(2).map(AsArray::as_primitive::<Int64Type>);
    let mut parts: Vec<Option<&[u8]>> = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let null_count = counts.is_some_and(|counts| counts.is_null(row));
        if values.is_null(row) || starts.is_null(row) || null_count {
            parts.push(None);
            continue;
        }
        let value = values.value(row);
        let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
        let start = starts.value(row).saturating_sub(1);
        let end = match counts.map(|counts| counts.value(row)) {
            Some(count) if count < 0 => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "negative substring length not allowed",
                ));
            }
            Some(count) => start.saturating_add(count).clamp(0, length),
            None => length,
        };
        let start = start.clamp(0, end);
        let place = |at: i64| usize::try_from(at).unwrap_or_default();
        parts.push(Some(&value[place(start)..place(end)]));
    }
    Ok(Arc::new(BinaryArray::from_opt_vec(parts)))
}

fn joined(arrays: &[ArrayRef]) -> ArrayRef {
    let (left, right) = (arrays[0].as_binary::<i32>(), arrays[1].as_binary::<i32>());
    let values = left.iter().zip(right).map(|(left, right)| Some([left?, right?].concat()));
    Arc::new(values.collect::<BinaryArray>())
}

fn encoded(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let values = arrays[0].as_binary::<i32>();
    let mut texts = Vec::with_capacity(values.len());
    for (value, format) in values.iter().zip(arrays[1].as_string_view()) {
        texts.push(match (value, format) {
            (Some(value), Some(format)) => Some(encode(value, format)?),
            _ => None,
        });
    }
    Ok(Arc::new(StringViewArray::from_iter(texts)))
}

fn encode(value: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(value.iter().fold(String::new(), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
            text
        })),
        "base64" => Ok(base64(value)),
        "escape" => Ok(value
            .iter()
            .map(|byte| match byte {
                b'\\' => "\\\\".to_owned(),
                0 | 0x80.. => format!("\\{byte:03o}"),
                byte => char::from(*byte).to_string(),
            })
            .collect()),
        _ => Err(wrong_argument(format!("unrecognized encoding: \"{format}\""))),
    }
}

/// Returns base64 with padding, in lines of 76 characters like PostgreSQL's.
fn base64(value: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(value.len() * 4 / 3 + 4);
    for (group, bytes) in value.chunks(3).enumerate() {
        if group > 0 && group % 19 == 0 {
            text.push('\n');
        }
        let at = |position: usize| u32::from(bytes.get(position).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit > bytes.len() {
                text.push('=');
            } else {
                let index = (bits >> (18 - 6 * digit) & 63) as usize;
                text.push(char::from(DIGITS[index]));
            }
        }
    }
    text
}
