//! Values as sqllogictest writes them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use sqllogictest::DefaultColumnType;

use crate::shell::render::is_null;
use crate::types;

/// Returns the column type of an Arrow type: `I`, `R` or `T`.
pub(super) fn column_type(data_type: &DataType) -> DefaultColumnType {
    // A sum of integers is a decimal without a fraction.
    let whole = matches!(data_type, DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0));
    if whole || data_type.is_integer() {
        DefaultColumnType::Integer
    } else if data_type.is_numeric() {
        DefaultColumnType::FloatingPoint
    } else {
        DefaultColumnType::Text
    }
}

/// Returns the rows of a batch. With `wanted`, values are converted to the types that the test asks
/// for, as SQLite's own runner does.
pub(super) fn rows(batch: &RecordBatch, wanted: Option<&[DefaultColumnType]>) -> Vec<Vec<String>> {
    let cell = |row: usize, column: usize| {
        let values = batch.column(column).as_ref();
        if is_null(values, row) {
            return "NULL".to_owned();
        }
        match wanted.and_then(|types| types.get(column)) {
            Some(wanted) => sqlite_text(values, row, wanted),
            None => shown(&text(values, row)),
        }
    };
    (0..batch.num_rows())
        .map(|row| (0..batch.num_columns()).map(|column| cell(row, column)).collect())
        .collect()
}

fn text(values: &dyn Array, row: usize) -> String {
    let mut text = String::new();
    types::print_value(values, row, &mut text);
    text
}

/// A row is a line: the empty string and line breaks need a form of their own.
fn shown(text: &str) -> String {
    if text.is_empty() { "(empty)".to_owned() } else { text.replace('\n', "\\n") }
}

/// Returns a value in the type that SQLite's runner would read it as.
fn sqlite_text(values: &dyn Array, row: usize, wanted: &DefaultColumnType) -> String {
    let boolean = values.data_type() == &DataType::Boolean;
    let text = if boolean {
        i32::from(values.as_boolean().value(row)).to_string()
    } else {
        text(values, row)
    };
    match wanted {
        DefaultColumnType::Integer => match text.parse::<i128>() {
            Ok(number) => number.to_string(),
            Err(_) => format!("{:.0}", text.parse::<f64>().unwrap_or(0.0).trunc()),
        },
        DefaultColumnType::FloatingPoint => {
            format!("{:.3}", text.parse::<f64>().unwrap_or(0.0))
        }
        _ if text.is_empty() => "(empty)".to_owned(),
        _ => text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '@' }).collect(),
    }
}
