//! Markdown tables, aligned so that they read well as text too.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::sample::Sample;
use super::{Look, Renderer, cell};

/// Draws a Markdown table.
pub(crate) struct Markdown {
    sample: Sample,
    tuples_only: bool,
}

impl Markdown {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef, look: Look) -> Self {
        let mut sample = Sample::new(schema, &look.null);
        for name in &mut sample.names {
            *name = escape(name);
        }
        Self { sample, tuples_only: look.tuples_only }
    }

    fn draw(&mut self, rows: Option<(bool, Vec<Vec<String>>)>, out: &mut String) {
        let Some((first, rows)) = rows else { return };
        if first {
            // Three dashes are the least that makes a column.
            for (width, name) in self.sample.widths.iter_mut().zip(&self.sample.names) {
                *width = (*width).max(cell::width(name)).max(3);
            }
            if !self.tuples_only {
                self.header(out);
            }
        }
        for row in &rows {
            self.line(row, out);
        }
    }

    fn header(&self, out: &mut String) {
        self.line(&self.sample.names, out);
        for (width, number) in self.sample.widths.iter().zip(&self.sample.numbers) {
            out.push_str("| ");
            out.extend(std::iter::repeat_n('-', width - 1));
            out.push_str(if *number { ": " } else { "- " });
        }
        out.push_str("|\n");
    }

    fn line(&self, row: &[String], out: &mut String) {
        for (at, text) in row.iter().enumerate() {
            out.push_str("| ");
            cell::pad(text, self.sample.widths[at], self.sample.numbers[at], out);
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

impl Renderer for Markdown {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        let rows = self.sample.take(batch, escape);
        self.draw(rows, out);
    }

    fn finish(&mut self, out: &mut String) {
        let rows = self.sample.settle();
        self.draw(rows, out);
    }
}

fn escape(text: &str) -> String {
    cell::escape_controls(text).replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>")
}
