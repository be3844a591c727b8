//! One line per value, as psql's expanded display.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::sample::Sample;
use super::{Look, Renderer, cell};

/// Draws each row as a block of `name | value` lines.
pub(crate) struct Vertical {
    sample: Sample,
    look: Look,
    name_width: usize,
    value_width: usize,
    drawn: u64,
}

impl Vertical {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef, look: Look) -> Self {
        let mut sample = Sample::new(schema, &look.null);
        for name in &mut sample.names {
            *name = name.replace('\n', "\\n");
        }
        let name_width = sample.names.iter().map(|name| cell::width(name)).max().unwrap_or(0);
        Self { sample, look, name_width, value_width: 0, drawn: 0 }
    }

    /// Draws rows whose columns are `widths` wide.
    pub(crate) fn rows(&mut self, rows: &[Vec<String>], widths: &[usize], out: &mut String) {
        if self.drawn == 0 {
            self.value_width = widths.iter().copied().max().unwrap_or(0);
            if let Some(title) = &self.look.title {
                out.push_str(title);
                out.push('\n');
            }
        }
        for row in rows {
            self.drawn += 1;
            self.record(row, out);
        }
    }

    /// Ends the result.
    pub(crate) fn end(&self, out: &mut String) {
        if self.drawn == 0 && self.look.footer && !self.look.tuples_only {
            out.push_str("(0 rows)\n");
        }
    }

    fn record(&self, row: &[String], out: &mut String) {
        if !self.look.tuples_only {
            let mut head = format!("-[ RECORD {} ]", self.drawn);
            let columns = self.name_width + 1;
            head.extend(std::iter::repeat_n('-', columns.saturating_sub(head.len())));
            // The plus stands over the bar, unless the record's number reaches past it.
            if head.len() == columns {
                head.push('+');
            }
            let all = columns + 2 + self.value_width;
            head.extend(std::iter::repeat_n('-', all.saturating_sub(head.len())));
            out.push_str(&head);
            out.push('\n');
        } else if self.drawn > 1 {
            out.push('\n');
        }
        for (name, value) in self.sample.names.iter().zip(row) {
            for (at, line) in value.split('\n').enumerate() {
                let name = if at == 0 { name.as_str() } else { "" };
                cell::pad(name, self.name_width, false, out);
                out.push_str(if at == 0 { " | " } else { "+| " });
                out.push_str(line);
                cell::end_line(out);
            }
        }
    }

    fn draw(&mut self, rows: Option<(bool, Vec<Vec<String>>)>, out: &mut String) {
        if let Some((_, rows)) = rows {
            let widths = self.sample.widths.clone();
            self.rows(&rows, &widths, out);
        }
    }
}

impl Renderer for Vertical {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        let rows = self.sample.take(batch, cell::escape_controls);
        self.draw(rows, out);
    }

    fn finish(&mut self, out: &mut String) {
        let rows = self.sample.settle();
        self.draw(rows, out);
        self.end(out);
    }
}
