//! Draws results: batches of rows come in, text goes out.
//!
//! Formats that need widths (table, markdown, vertical) look at the first rows before they draw
//! anything and keep the widths for the rest, so that a result of any length takes little memory.

mod cell;
mod delimited;
mod json;
mod markdown;
mod sample;
mod table;
mod vertical;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub(crate) use cell::is_null;

use super::settings::{Expanded, Format, Settings};

/// Draws one result.
pub(crate) trait Renderer: Send {
    /// Takes rows; appends to `out` what can be drawn.
    fn batch(&mut self, batch: &RecordBatch, out: &mut String);

    /// Ends the result; appends the rest.
    fn finish(&mut self, out: &mut String);
}

/// How to draw, taken from the settings.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The text for NULL.
    pub(crate) null: String,
    /// Whether headers and footers are left out.
    pub(crate) tuples_only: bool,
    /// Whether `(N rows)` is printed.
    pub(crate) footer: bool,
    /// A row wider than this is drawn one value per line.
    pub(crate) widest: Option<usize>,
    /// A line above the table.
    pub(crate) title: Option<String>,
}

impl Look {
    /// Returns the look that the settings ask for.
    pub(crate) fn of(settings: &Settings) -> Self {
        let usual = match settings.format {
            Format::Csv => "",
            _ => "NULL",
        };
        Self {
            null: settings.null.clone().unwrap_or_else(|| usual.to_owned()),
            tuples_only: settings.tuples_only,
            footer: settings.footer,
            widest: match settings.expanded {
                Expanded::Auto => settings.screen.map(|(columns, _)| columns),
                _ => None,
            },
            title: None,
        }
    }
}

/// Returns the renderer that the settings ask for.
pub(crate) fn renderer(settings: &Settings, schema: &SchemaRef, look: Look) -> Box<dyn Renderer> {
    match settings.format {
        Format::Table if settings.expanded == Expanded::On => {
            Box::new(vertical::Vertical::new(schema, look))
        }
        Format::Table => Box::new(table::Table::new(schema, look)),
        Format::Vertical => Box::new(vertical::Vertical::new(schema, look)),
        Format::Csv => Box::new(delimited::Csv::new(schema, look)),
        Format::Tsv => Box::new(delimited::Tsv::new(schema, look)),
        Format::Json => Box::new(json::Json::new(schema)),
        Format::Ndjson => Box::new(json::Ndjson::new(schema)),
        Format::Markdown => Box::new(markdown::Markdown::new(schema, look)),
    }
}

#[cfg(test)]
mod tests;
