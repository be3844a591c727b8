//! Aligned columns, as `psql` and `cockroach sql` draw them.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::sample::Sample;
use super::vertical::Vertical;
use super::{Look, Renderer, cell};

/// Draws aligned columns with a header, a line of dashes and a count.
pub(crate) struct Table {
    sample: Sample,
    look: Look,
    /// Takes over if the rows are wider than the terminal and `\x auto` is on.
    vertical: Vertical,
    expanded: bool,
}

impl Table {
    /// Returns a renderer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef, look: Look) -> Self {
        let vertical = Vertical::new(schema, look.clone());
        Self { sample: Sample::new(schema, &look.null), look, vertical, expanded: false }
    }

    fn draw(&mut self, rows: Option<(bool, Vec<Vec<String>>)>, out: &mut String) {
        let Some((first, rows)) = rows else { return };
        if first {
            self.settle_widths();
            if !self.expanded {
                self.header(out);
            }
        }
        if self.expanded {
            return self.vertical.rows(&rows, &self.sample.widths, out);
        }
        for row in &rows {
            self.row(row, out);
        }
    }

    /// Widens columns to their names, and turns to one value per line if that is too wide.
    fn settle_widths(&mut self) {
        let names = self.sample.names.iter().map(|name| cell::widest_line(name));
        let wide: Vec<usize> =
            names.zip(&self.sample.widths).map(|(name, values)| name.max(*values)).collect();
        let total = wide.iter().map(|width| width + 3).sum::<usize>() + 1;
        self.expanded = self.look.widest.is_some_and(|widest| total > widest);
        if !self.expanded {
            self.sample.widths = wide;
        }
    }

    fn header(&self, out: &mut String) {
        if let Some(title) = &self.look.title {
            let total: usize = self.sample.widths.iter().map(|width| width + 3).sum();
            let indent = total.saturating_sub(cell::width(title)) / 2;
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(title);
            out.push('\n');
        }
        if self.look.tuples_only || self.sample.names.is_empty() {
            return;
        }
        out.push_str("  ");
        for (at, (name, width)) in self.sample.names.iter().zip(&self.sample.widths).enumerate() {
            if at > 0 {
                out.push_str(" | ");
            }
            let name = name.replace('\n', "\\n");
            let before = width.saturating_sub(cell::width(&name)) / 2;
            out.extend(std::iter::repeat_n(' ', before));
            cell::pad(&name, width - before, false, out);
        }
        cell::end_line(out);
        for (at, width) in self.sample.widths.iter().enumerate() {
            out.push_str(if at > 0 { "+" } else { "-" });
            out.extend(std::iter::repeat_n('-', width + 2));
        }
        out.push('\n');
    }

    /// Draws one row; a value of several lines goes on below itself, marked by `+` as psql does.
    fn row(&self, row: &[String], out: &mut String) {
        let cells: Vec<Vec<&str>> = row.iter().map(|text| text.split('\n').collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            out.push_str("  ");
            for (at, cell) in cells.iter().enumerate() {
                let text = cell.get(line).copied().unwrap_or_default();
                cell::pad(text, self.sample.widths[at], self.sample.numbers[at], out);
                out.push(if line + 1 < cell.len() { '+' } else { ' ' });
                if at + 1 < cells.len() {
                    out.push_str("| ");
                }
            }
            cell::end_line(out);
        }
    }
}

impl Renderer for Table {
    fn batch(&mut self, batch: &RecordBatch, out: &mut String) {
        let rows = self.sample.take(batch, cell::escape_controls);
        self.draw(rows, out);
    }

    fn finish(&mut self, out: &mut String) {
        let rows = self.sample.settle();
        self.draw(rows, out);
        if self.expanded {
            return self.vertical.end(out);
        }
        if self.look.footer && !self.look.tuples_only {
            out.push_str(&count_footer(self.sample.rows));
            out.push('\n');
        }
    }
}

/// Returns `(1 row)`, `(2 rows)`.
pub(super) fn count_footer(rows: u64) -> String {
    format!("({rows} row{})", if rows == 1 { "" } else { "s" })
}
