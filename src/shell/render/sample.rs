//! The first rows of a result, held back until widths are known.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cell;

/// How many rows decide on the widths.
const ROWS: usize = 10_000;
/// How many bytes of text may be held back.
const BYTES: usize = 16 << 20;

/// Columns and the texts of the rows that were seen before anything was drawn.
pub(crate) struct Sample {
    /// The columns' names.
    pub(crate) names: Vec<String>,
    /// Which columns hold numbers.
    pub(crate) numbers: Vec<bool>,
    /// The width of each column: of its values seen, not of its name.
    pub(crate) widths: Vec<usize>,
    /// The rows held back.
    held: Vec<Vec<String>>,
    bytes: usize,
    null: String,
    /// Whether widths are settled and rows are no longer held.
    settled: bool,
    /// Rows seen.
    pub(crate) rows: u64,
}

impl Sample {
    /// Returns an empty sample.
    pub(crate) fn new(schema: &SchemaRef, null: &str) -> Self {
        let fields = schema.fields();
        Self {
            names: fields.iter().map(|field| cell::escape_controls(field.name())).collect(),
            numbers: fields.iter().map(|field| cell::is_number(field.data_type())).collect(),
            widths: vec![0; fields.len()],
            held: Vec::new(),
            bytes: 0,
            null: null.to_owned(),
            settled: false,
            rows: 0,
        }
    }

    /// Takes rows. Returns those that can be drawn, with whether they are the first ones.
    pub(crate) fn take(
        &mut self,
        batch: &RecordBatch,
        escape: fn(&str) -> String,
    ) -> Option<(bool, Vec<Vec<String>>)> {
        let rows: Vec<Vec<String>> = (0..batch.num_rows())
            .map(|row| {
                let columns = batch.columns().iter();
                columns.map(|values| text(values.as_ref(), row, &self.null, escape)).collect()
            })
            .collect();
        self.rows += rows.len() as u64;
        if self.settled {
            return Some((false, rows));
        }
        for row in rows {
            for (width, text) in self.widths.iter_mut().zip(&row) {
                *width = (*width).max(cell::widest_line(text));
                self.bytes += text.len();
            }
            self.held.push(row);
        }
        if self.held.len() < ROWS && self.bytes < BYTES {
            return None;
        }
        self.settle()
    }

    /// Ends the sample. Returns the rows held back, if they were not drawn yet.
    pub(crate) fn settle(&mut self) -> Option<(bool, Vec<Vec<String>>)> {
        let first = !std::mem::replace(&mut self.settled, true);
        first.then(|| (true, std::mem::take(&mut self.held)))
    }
}

fn text(
    values: &dyn arrow::array::Array,
    row: usize,
    null: &str,
    escape: fn(&str) -> String,
) -> String {
    let mut text = String::new();
    cell::push(values, row, null, &mut text);
    escape(&text)
}
