//! CSV and TSV, drawn as the rows come.
//!
//! In CSV, NULL is empty and the empty string is `""`. In TSV, values are escaped by backslashes as in
//! PostgreSQL's COPY text format, so that a line is always a row.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Look, Renderer, cell};

/// Draws comma-separated values.
pub(crate) struct Csv(Delimited);

/// Draws tab-separated values.
pub(crate) struct Tsv(Delimited);

struct Delimited {
    header: Option<Vec<String>>,
    null: String,
    delimiter: char,
    escape: fn(&str, &mut String),
}

impl Csv {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef, look: Look) -> Self {
        Self(Delimited::new(schema, look, ',', push_csv))
    }
}

impl Tsv {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef, look: Look) -> Self {
        Self(Delimited::new(schema, look, '\t', push_tsv))
    }
}

impl Delimited {
    fn new(schema: &SchemaRef, look: Look, delimiter: char, escape: fn(&str, &mut String)) -> Self {
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        let header = (!look.tuples_only).then_some(names);
        Self { header, null: look.null, delimiter, escape }
    }

    fn start(&mut self, out: &mut String) {
        let Some(names) = self.header.take().filter(|names| !names.is_empty()) else { return };
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            (self.escape)(name, out);
        }
        out.push('\n');
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut String) {
        self.start(out);
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (at, values) in batch.columns().iter().enumerate() {
                if at > 0 {
                    out.push(self.delimiter);
                }
                if cell::is_null(values.as_ref(), row) {
                    out.push_str(&self.null);
                } else {
                    text.clear();
                    cell::push(values.as_ref(), row, "", &mut text);
                    (self.escape)(&text, out);
                }
            }
            out.push('\n');
        }
    }
}

fn push_csv(text: &str, out: &mut String) {
    let quote = text.is_empty()
        || text.contains([',', '"', '\n', '\r'])
        || text.starts_with(' ')
        || text.ends_with(' ');
    if quote {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}

fn push_tsv(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

impl Renderer for Csv {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        self.0.rows(batch, out);
    }

    fn finish(&mut self, out: &mut String) {
        self.0.start(out);
    }
}

impl Renderer for Tsv {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        self.0.rows(batch, out);
    }

    fn finish(&mut self, out: &mut String) {
        self.0.start(out);
    }
}
