//! Values that hold values: arrays in braces, records in parentheses, and encoded columns.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use super::{fallback, print_value};

/// Appends a value of a nested or encoded type.
pub(super) fn print(data_type: &DataType, values: &dyn Array, row: usize, out: &mut String) {
    match data_type {
        DataType::List(_) => list(&values.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => list(&values.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(..) => list(&values.as_fixed_size_list().value(row), out),
        DataType::ListView(_) => list(&values.as_list_view::<i32>().value(row), out),
        DataType::LargeListView(_) => list(&values.as_list_view::<i64>().value(row), out),
        DataType::Struct(_) => record(values, row, out),
        DataType::Dictionary(..) => {
            let dictionary = values.as_any_dictionary();
            // Looking one key up costs less than making all of them plain numbers.
            let mut key = String::new();
            print_value(dictionary.keys(), row, &mut key);
            if let Ok(key) = key.parse() {
                print_value(dictionary.values(), key, out);
            }
        }
        _ => fallback(values, row, out),
    }
}

/// Appends `{1,2,NULL,"a b"}`.
fn list(elements: &ArrayRef, out: &mut String) {
    let mut text = String::new();
    out.push('{');
    for row in 0..elements.len() {
        if row > 0 {
            out.push(',');
        }
        if elements.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        text.clear();
        print_value(elements, row, &mut text);
        let special = |c: char| {
            c.is_ascii_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\' | '\u{b}')
        };
        let quoted = !is_list(elements.data_type())
            && (text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special));
        if quoted {
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push('}');
}

fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
    )
}

/// Appends `(1,"a b",)`: a field that is NULL is nothing at all.
fn record(values: &dyn Array, row: usize, out: &mut String) {
    let mut text = String::new();
    out.push('(');
    for (at, field) in values.as_struct().columns().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if field.is_null(row) {
            continue;
        }
        text.clear();
        print_value(field, row, &mut text);
        let special = |c: char| {
            c.is_ascii_whitespace() || matches!(c, '(' | ')' | ',' | '"' | '\\' | '\u{b}')
        };
        if text.is_empty() || text.contains(special) {
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push(c);
                }
                out.push(c);
            }
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{FixedSizeListArray, Int32Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    #[track_caller]
    fn check(values: &dyn Array, expected: &str) {
        let mut printed = String::new();
        print_value(values, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn prints_lists() {
        let numbers = [Some(vec![Some(1), None])];
        check(&ListArray::from_iter_primitive::<Int32Type, _, _>(numbers.clone()), "{1,NULL}");
        let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(numbers, 2);
        check(&fixed, "{1,NULL}");
    }

    #[test]
    fn prints_records() {
        let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
        let text = |value: Option<&str>| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let record = StructArray::from(vec![
            (field("a", DataType::Int32), Arc::new(Int32Array::from(vec![1])) as ArrayRef),
            (field("b", DataType::Utf8), text(Some("a \"b\""))),
            (field("c", DataType::Utf8), text(None)),
            (field("d", DataType::Utf8), text(Some(""))),
        ]);
        check(&record, "(1,\"a \"\"b\"\"\",,\"\")");
    }
}
