//! Functions on JSONB: `->`, `->>`, `#>`, `#>>`, `@>` and a few by name.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array};
use datafusion::logical_expr::Expr;
use serde_json::Value;

use super::{Simple, map_text, map_texts, wrong_argument};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[
    pair("json_get", SqlType::Jsonb, |arrays| {
        map_texts(arrays, |text, key| member(&parse(text)?, key).map(printed).transpose())
    }),
    pair("json_get_text", SqlType::STRING, |arrays| {
        map_texts(arrays, |text, key| Ok(member(&parse(text)?, key).and_then(as_text)))
    }),
    pair("json_get_path", SqlType::Jsonb, |arrays| {
        map_texts(arrays, |text, path| at_path(&parse(text)?, path).map(printed).transpose())
    }),
    pair("json_get_path_text", SqlType::STRING, |arrays| {
        map_texts(arrays, |text, path| Ok(at_path(&parse(text)?, path).and_then(as_text)))
    }),
    Simple {
        name: "json_concat",
        takes: &[SqlType::Jsonb, SqlType::Jsonb],
        optional: 0,
        returns: SqlType::Jsonb,
        run: |arrays| {
            map_texts(arrays, |left, right| printed(&joined(parse(left)?, parse(right)?)).map(Some))
        },
    },
    pair("json_contains", SqlType::Bool, contained),
    pair("json_has", SqlType::Bool, has),
    pair("json_remove", SqlType::Jsonb, |arrays| {
        map_texts(arrays, |text, key| printed(&without(parse(text)?, key)?).map(Some))
    }),
    single("jsonb_typeof", SqlType::STRING, |arrays| {
        map_text(arrays, |text| Ok(Some(kind(&parse(text)?).to_owned())))
    }),
    single("json_typeof", SqlType::STRING, |arrays| {
        map_text(arrays, |text| Ok(Some(kind(&parse(text)?).to_owned())))
    }),
    single("jsonb_array_length", SqlType::Int8, array_length),
    single("json_array_length", SqlType::Int8, array_length),
    single("jsonb_pretty", SqlType::STRING, |arrays| {
        map_text(arrays, |text| Ok(serde_json::to_string_pretty(&parse(text)?).ok()))
    }),
];

const fn single(
    name: &'static str,
    returns: SqlType,
    run: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Simple {
    Simple { name, takes: &[SqlType::Jsonb], optional: 0, returns, run }
}

const fn pair(
    name: &'static str,
    returns: SqlType,
    run: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Simple {
    Simple { name, takes: &[SqlType::Jsonb, SqlType::STRING], optional: 0, returns, run }
}

/// Returns a document as JSONB prints it.
fn printed(value: &Value) -> Result<String> {
    let array = crate::types::parse_value(&SqlType::Jsonb, &value.to_string())?;
    Ok(array.as_string_view().value(0).to_owned())
}

/// Returns `left || right`: objects become one, and anything else the elements of an array.
fn joined(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            left.extend(right);
            Value::Object(left)
        }
        (left, right) => {
            let elements = |value| match value {
                Value::Array(elements) => elements,
                other => vec![other],
            };
            let mut all = elements(left);
            all.extend(elements(right));
            Value::Array(all)
        }
    }
}

/// Returns which documents have a text as a member's name, or as an element.
fn has(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut answers = Vec::with_capacity(arrays[0].len());
    for (text, key) in arrays[0].as_string_view().iter().zip(arrays[1].as_string_view()) {
        answers.push(match (text, key) {
            (Some(text), Some(key)) => Some(match parse(text)? {
                Value::Object(members) => members.contains_key(key),
                Value::Array(elements) => elements.iter().any(|each| each.as_str() == Some(key)),
                Value::String(text) => text == key,
                _ => false,
            }),
            _ => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(answers)))
}

/// Returns a document without the member of this name, or without the elements that are this text.
fn without(mut value: Value, key: &str) -> Result<Value> {
    match &mut value {
        Value::Object(members) => {
            members.remove(key);
        }
        Value::Array(elements) => elements.retain(|each| each.as_str() != Some(key)),
        _ => {
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "cannot delete from scalar"));
        }
    }
    Ok(value)
}

/// Returns a call of one of the functions.
pub(in crate::query) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let function = FUNCTIONS.iter().find(|function| function.name == name);
    function.unwrap_or(&FUNCTIONS[0]).call(arguments)
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonb")
            .detail(format!("{error}."))
    })
}

/// Returns the member of an object, or the element of an array by its number, negative from the end.
fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(key),
        Value::Array(elements) => {
            let index: i64 = key.parse().ok()?;
            let length = i64::try_from(elements.len()).ok()?;
            let index = if index < 0 { length + index } else { index };
            elements.get(usize::try_from(index).ok()?)
        }
        _ => None,
    }
}

/// Follows a path in array notation: `{a,0,b}`.
fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let inner = path.trim().strip_prefix(['{', '['])?.strip_suffix(['}', ']'])?;
    if inner.is_empty() {
        return Some(value);
    }
    inner.split(',').try_fold(value, |value, key| member(value, key.trim().trim_matches('"')))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn array_length(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut lengths = Vec::with_capacity(arrays[0].len());
    for text in arrays[0].as_string_view() {
        lengths.push(match text {
            None => None,
            Some(text) => match parse(text)? {
                Value::Array(elements) => i64::try_from(elements.len()).ok(),
                _ => return Err(wrong_argument("cannot get array length of a non-array")),
            },
        });
    }
    Ok(Arc::new(Int64Array::from(lengths)))
}

fn contained(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut answers = Vec::with_capacity(arrays[0].len());
    for (whole, part) in arrays[0].as_string_view().iter().zip(arrays[1].as_string_view()) {
        answers.push(match (whole, part) {
            (Some(whole), Some(part)) => Some(contains(&parse(whole)?, &parse(part)?, true)),
            _ => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(answers)))
}

/// Returns whether `whole` contains `part`. At the top, an array contains a scalar that it holds.
fn contains(whole: &Value, part: &Value, top: bool) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value, false))),
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|found| contains(found, value, false)))
        }
        (Value::Array(whole), part) if top => whole.contains(part),
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (whole, part) => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_and_paths() {
        let value = parse("{\"a\": [1, {\"b\": \"x\"}]}").unwrap();
        assert_eq!(at_path(&value, "{a,1,b}").and_then(as_text).as_deref(), Some("x"));
        assert_eq!(at_path(&value, "{a,-1,b}").and_then(as_text).as_deref(), Some("x"));
        assert_eq!(at_path(&value, "{b}"), None);
    }

    #[test]
    fn knows_what_a_document_contains() {
        let check =
            |whole: &str, part: &str| contains(&parse(whole).unwrap(), &parse(part).unwrap(), true);
        assert!(check("{\"a\": 1, \"b\": [1, 2]}", "{\"b\": [2]}"));
        assert!(check("[1, 2]", "1"));
        assert!(!check("{\"a\": 1}", "{\"a\": 2}"));
    }
}
