//! Values of Avro in its JSON, where a union names the branch and bytes are characters of their numbers.

use serde_json::Value;

use super::avro_schema::{AvroSchema, AvroType};
use super::avro_value::{Wrong, date, decimal, moment, time};
use super::json::{JsonForm, write_element};

/// Appends a value of a type as the text of a column; returns whether it is NULL.
pub(super) fn write_json_cell(
    schema: &AvroSchema,
    index: usize,
    value: &Value,
    form: JsonForm,
    out: &mut Vec<u8>,
) -> Result<bool, Wrong> {
    let wrong = || Wrong::Value(format!("{} is no value of its type", shorten(value)));
    let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
    match (schema.get(index), value) {
        (AvroType::Union(branches), Value::Null) => {
            let null = branches.iter().any(|it| *schema.get(*it) == AvroType::Null);
            return if null { Ok(true) } else { Err(wrong()) };
        }
        (AvroType::Union(branches), Value::Object(members)) if members.len() == 1 => {
            let (name, member) = members.iter().next().ok_or_else(wrong)?;
            let branch = branches.iter().find(|it| schema.is_named(**it, name));
            let branch = branch.ok_or_else(wrong)?;
            return write_json_cell(schema, *branch, member, form, out);
        }
        (AvroType::Null, Value::Null) => return Ok(true),
        (AvroType::Boolean, Value::Bool(value)) => put(if *value { "true" } else { "false" }),
        (AvroType::Int | AvroType::Long, Value::Number(number)) => put(&number.to_string()),
        (AvroType::Float | AvroType::Double, Value::Number(number)) => put(&number.to_string()),
        (AvroType::Float | AvroType::Double, Value::String(text)) => put(text),
        (AvroType::String | AvroType::Enum(_), Value::String(text)) => put(text),
        (AvroType::Bytes | AvroType::Fixed(_), Value::String(text)) => {
            out.extend(bytes_of(text).ok_or_else(wrong)?);
        }
        (AvroType::Decimal(scale, _), Value::String(text)) => {
            put(&decimal(&bytes_of(text).ok_or_else(wrong)?, *scale)?);
        }
        (AvroType::Date, Value::Number(_)) => put(&date(value.as_i64().ok_or_else(wrong)?)),
        (AvroType::Time(unit), Value::Number(_)) => {
            put(&time(value.as_i64().ok_or_else(wrong)?, *unit));
        }
        (AvroType::Moment(unit), Value::Number(_)) => {
            put(&format!("{}+00", moment(value.as_i64().ok_or_else(wrong)?, *unit)));
        }
        (AvroType::LocalMoment(unit), Value::Number(_)) => {
            put(&moment(value.as_i64().ok_or_else(wrong)?, *unit));
        }
        (AvroType::Array(items), Value::Array(values))
            if matches!(form, JsonForm::Array | JsonForm::Documents) =>
        {
            let inner = if form == JsonForm::Array { JsonForm::Text } else { JsonForm::Document };
            out.push(b'{');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                let mut text = Vec::new();
                if write_json_cell(schema, *items, value, inner, &mut text)? {
                    out.extend_from_slice(b"NULL");
                } else {
                    write_element(&text, out);
                }
            }
            out.push(b'}');
        }
        // As it stands: unions within keep the names of their branches.
        (AvroType::Array(_), Value::Array(_))
        | (AvroType::Map(_) | AvroType::Record(_), Value::Object(_)) => put(&value.to_string()),
        _ => return Err(wrong()),
    }
    Ok(false)
}

/// Returns the bytes that the characters of a text are.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
