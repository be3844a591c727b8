//! Values as JSON: what EXPORT writes.
//!
//! Numbers and booleans are themselves, except NaN and the infinities, which JSON lacks and which are
//! strings; lists are arrays, structs are objects, documents are what they hold; everything else is a
//! string.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::print_value;

/// Appends a value in query form as JSON; a text is taken for a JSON document if `document`.
pub fn print_json(values: &dyn Array, row: usize, document: bool, out: &mut String) {
    if values.is_null(row) || values.data_type().is_null() {
        return out.push_str("null");
    }
    match values.data_type() {
        DataType::Boolean => {
            out.push_str(if values.as_boolean().value(row) { "true" } else { "false" });
        }
        DataType::Utf8View => {
            let text = values.as_string_view().value(row);
            // What an expression makes of a document may be marked as one and be none.
            if document && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
                out.push_str(text);
            } else {
                print_json_text(text, out);
            }
        }
        DataType::List(_) => list(&values.as_list::<i32>().value(row), document, out),
        DataType::LargeList(_) => list(&values.as_list::<i64>().value(row), document, out),
        DataType::FixedSizeList(..) => {
            list(&values.as_fixed_size_list().value(row), document, out);
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(values.as_struct().columns()).enumerate()
            {
                if at > 0 {
                    out.push(',');
                }
                print_json_text(field.name(), out);
                out.push(':');
                print_json(column, row, false, out);
            }
            out.push('}');
        }
        data_type => {
            let start = out.len();
            print_value(values, row, out);
            let number = data_type.is_numeric() && !out[start..].contains(['N', 'I']);
            if !number {
                let text = out.split_off(start);
                print_json_text(&text, out);
            }
        }
    }
}

fn list(elements: &ArrayRef, document: bool, out: &mut String) {
    out.push('[');
    for row in 0..elements.len() {
        if row > 0 {
            out.push(',');
        }
        print_json(elements, row, document, out);
    }
    out.push(']');
}

/// Appends a text as a JSON string.
pub fn print_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x20.. => continue,
            _ => "",
        };
        out.push_str(&text[written..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, ListArray, NullArray,
        StringViewArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    #[track_caller]
    fn check(values: &dyn Array, expected: &str) {
        let mut printed = String::new();
        print_json(values, 0, false, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn prints_plain_values() {
        check(&BooleanArray::from(vec![true]), "true");
        check(&Int32Array::from(vec![-5]), "-5");
        check(&Int32Array::from(vec![None]), "null");
        check(&NullArray::new(1), "null");
        check(&Float64Array::from(vec![1e300]), "1e+300");
        check(&Float64Array::from(vec![f64::NAN]), "\"NaN\"");
        check(&Float64Array::from(vec![f64::NEG_INFINITY]), "\"-Infinity\"");
        let decimal = Decimal128Array::from(vec![150]).with_precision_and_scale(9, 2).unwrap();
        check(&decimal, "1.50");
        check(&Date32Array::from(vec![0]), "\"1970-01-01\"");
        check(
            &ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]),
            "[1,null]",
        );
    }

    #[test]
    fn escapes_text_and_keeps_documents() {
        let values = StringViewArray::from(vec!["a\"\\\n\u{1}\u{e9}"]);
        check(&values, "\"a\\\"\\\\\\n\\u0001\u{e9}\"");
        let mut printed = String::new();
        print_json(&StringViewArray::from(vec!["{\"a\": 1}"]), 0, true, &mut printed);
        assert_eq!(printed, "{\"a\": 1}");
    }
}
