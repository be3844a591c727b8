//! JSON: one array of objects, or one object per line, drawn as the rows come.
//!
//! Numbers and booleans are themselves, except NaN and the infinities, which JSON lacks and which are
//! strings; lists are arrays, structs are objects; everything else is a string.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::{Renderer, cell};

/// The name of Arrow's extension type for columns that hold JSON text.
const JSON_EXTENSION: &str = "arrow.json";

/// Draws one array of objects.
pub(crate) struct Json {
    rows: Objects,
    started: bool,
}

/// Draws one object per line.
pub(crate) struct Ndjson(Objects);

/// The columns of a result as keys.
struct Objects {
    keys: Vec<String>,
    documents: Vec<bool>,
}

impl Json {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        Self { rows: Objects::new(schema), started: false }
    }
}

impl Ndjson {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        Self(Objects::new(schema))
    }
}

impl Objects {
    fn new(schema: &SchemaRef) -> Self {
        let fields = schema.fields();
        Self {
            keys: fields.iter().map(|field| quoted(field.name())).collect(),
            documents: fields.iter().map(|field| is_document(field)).collect(),
        }
    }

    fn push(&self, batch: &RecordBatch, row: usize, out: &mut String) {
        out.push('{');
        for (at, values) in batch.columns().iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&self.keys[at]);
            out.push(':');
            push_value(values, row, self.documents[at], out);
        }
        out.push('}');
    }
}

impl Renderer for Json {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        for row in 0..batch.num_rows() {
            out.push_str(if self.started { ",\n" } else { "[\n" });
            self.started = true;
            self.rows.push(batch, row, out);
        }
    }

    fn finish(&mut self, out: &mut String) {
        out.push_str(if self.started { "\n]\n" } else { "[]\n" });
    }
}

impl Renderer for Ndjson {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        for row in 0..batch.num_rows() {
            self.0.push(batch, row, out);
            out.push('\n');
        }
    }

    fn finish(&mut self, _out: &mut String) {}
}

fn is_document(field: &Field) -> bool {
    field.extension_type_name() == Some(JSON_EXTENSION)
}

fn push_value(values: &ArrayRef, row: usize, document: bool, out: &mut String) {
    if cell::is_null(values.as_ref(), row) {
        return out.push_str("null");
    }
    match values.data_type() {
        DataType::Boolean => {
            out.push_str(if values.as_boolean().value(row) { "true" } else { "false" });
        }
        DataType::List(_) => push_list(&values.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => push_list(&values.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(_, _) => {
            push_list(&values.as_fixed_size_list().value(row), out);
        }
        DataType::Struct(fields) => {
            let columns = values.as_struct().columns();
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(columns).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(field.name()));
                out.push(':');
                push_value(column, row, is_document(field), out);
            }
            out.push('}');
        }
        data_type => {
            let mut text = String::new();
            cell::push(values.as_ref(), row, "", &mut text);
            let number = data_type.is_numeric() && !text.contains(['N', 'I', 'i', 'n']);
            let plain = number
                || (document && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            if plain { out.push_str(&text) } else { out.push_str(&quoted(&text)) }
        }
    }
}

fn push_list(elements: &ArrayRef, out: &mut String) {
    out.push('[');
    for row in 0..elements.len() {
        if row > 0 {
            out.push(',');
        }
        push_value(elements, row, false, out);
    }
    out.push(']');
}

fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
