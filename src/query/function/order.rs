//! The order of values whose text does not sort as they do: INET and JSONB, as bytes that do.

use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray};
use datafusion::logical_expr::Expr;
use serde_json::Value;

use super::{Simple, interval};
use crate::types::SqlType;

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[
    Simple {
        name: "inet_key",
        takes: &[SqlType::Inet],
        optional: 0,
        returns: SqlType::Bytes,
        run: |arrays| Ok(keys(arrays, inet_key)),
    },
    Simple {
        name: "jsonb_key",
        takes: &[SqlType::Jsonb],
        optional: 0,
        returns: SqlType::Bytes,
        run: |arrays| Ok(keys(arrays, jsonb_key)),
    },
];

/// Returns what stands for a value of a type when values are put in order.
pub(in crate::query) fn order_key(value: Expr, sql_type: Option<&SqlType>) -> Expr {
    match sql_type {
        Some(SqlType::Interval) => interval::key(value),
        Some(SqlType::Inet) => FUNCTIONS[0].call(vec![value]),
        Some(SqlType::Jsonb) => FUNCTIONS[1].call(vec![value]),
        _ => value,
    }
}

/// Returns whether values of a type may be equal without being the same.
pub(in crate::query) fn has_twins(sql_type: Option<&SqlType>) -> bool {
    matches!(sql_type, Some(SqlType::Interval | SqlType::Jsonb))
}

fn keys(arrays: &[ArrayRef], key: fn(&str) -> Vec<u8>) -> ArrayRef {
    let texts = arrays[0].as_string_view();
    let keys: BinaryArray = texts.iter().map(|text| text.map(key)).collect();
    Arc::new(keys)
}

/// Returns the family, the network, the length of the mask and the address.
fn inet_key(text: &str) -> Vec<u8> {
    let (address, mask) = text.split_once('/').map_or((text, None), |(a, m)| (a, Some(m)));
    let Ok(address) = address.parse::<IpAddr>() else { return text.as_bytes().to_vec() };
    let (family, octets) = match address {
        IpAddr::V4(address) => (4, address.octets().to_vec()),
        IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    let most = octets.len() * 8;
    let mask = mask.and_then(|mask| mask.parse::<usize>().ok()).map_or(most, |m| m.min(most));
    let mut key = vec![family];
    for (position, octet) in octets.iter().enumerate() {
        let kept = mask.saturating_sub(position * 8).min(8);
        let bits = u8::try_from(0xff00_u16 >> kept & 0xff).unwrap_or_default();
        key.push(octet & bits);
    }
    key.push(u8::try_from(mask).unwrap_or(u8::MAX));
    key.extend(octets);
    key
}

/// Returns bytes that sort as PostgreSQL sorts JSONB: an empty array, null, texts, numbers, false,
/// true, arrays and objects by their number of elements.
fn jsonb_key(text: &str) -> Vec<u8> {
    let mut key = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(elements)) if elements.is_empty() => key.push(0),
        Ok(value) => append(&value, &mut key),
        Err(_) => key.extend(text.as_bytes()),
    }
    key
}

fn append(value: &Value, key: &mut Vec<u8>) {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match value {
        Value::Null => key.push(1),
        Value::String(text) => {
            key.push(2);
            append_text(text, key);
        }
        Value::Number(number) => {
            key.push(3);
            append_number(&number.to_string(), key);
        }
        Value::Bool(value) => key.push(4 + u8::from(*value)),
        Value::Array(elements) => {
            key.push(6);
            key.extend(count(elements.len()));
            for element in elements {
                append(element, key);
            }
        }
        Value::Object(members) => {
            key.push(7);
            key.extend(count(members.len()));
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by(|(left, _), (right, _)| {
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            });
            for (name, value) in members {
                append_text(name, key);
                append(value, key);
            }
        }
    }
}

fn append_text(text: &str, key: &mut Vec<u8>) {
    key.extend(text.bytes().filter(|byte| *byte != 0));
    key.push(0);
}

/// Appends a sign, the place of the first digit and the digits; all inverted if it is negative.
fn append_number(text: &str, key: &mut Vec<u8>) {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let digits = digits.trim_matches('0');
    if digits.is_empty() {
        key.push(1);
        return;
    }
    let shift =
        i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(zeros).unwrap_or_default();
    let place = exponent.trim_start_matches('+').parse::<i64>().unwrap_or_default() + shift;
    let mut bytes = place.wrapping_add(1 << 62).to_be_bytes().to_vec();
    bytes.extend(digits.bytes());
    bytes.push(0);
    if negative {
        key.push(0);
        key.extend(bytes.iter().map(|byte| !byte));
    } else {
        key.push(2);
        key.extend(bytes);
    }
}
