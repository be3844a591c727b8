//! SQL types: their names, their Arrow types, one text parser and one printer per type.
//!
//! Two Arrow forms exist. The *query* form is what expressions and results see; the *storage* form
//! is what segments and keys hold. They differ for UUID and INTERVAL only (architecture, section 3).

mod assign;
mod boolean;
mod bytes;
mod civil;
mod column;
mod date;
mod datetime;
mod decimal;
mod fault;
mod float;
mod inet;
mod integer;
mod interval;
mod json;
mod list;
mod name;
mod print;
mod sql_type;
mod text;
mod time;
mod timestamp;
mod uuid;
mod zone;

pub use assign::{to_query, to_storage};
pub use interval::interval_order;
pub use print::{
    ColumnTexts, column_texts, postgres_type_name, print_json, print_json_text, print_value,
};
pub use sql_type::{BARE_DECIMAL, SqlType, StringKind};

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};

use crate::error::{Error, Result};

/// The cells of one column of a batch of records, as bytes.
///
/// Cell `i` is `spans[i * stride + column]`, a pair of start and end: in `raw` if the start is below
/// `raw.len()`, else in `unescaped` with `raw.len()` taken off both. Text columns may keep both buffers
/// instead of copying.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    /// The bytes of the file.
    pub raw: &'a Buffer,
    /// Cells whose escapes were taken out.
    pub unescaped: &'a Buffer,
    /// Start and end of each cell, row by row.
    pub spans: &'a [[u32; 2]],
    /// Cells per row in `spans`.
    pub stride: usize,
    /// This column's position in a row.
    pub column: usize,
    /// Rows.
    pub rows: usize,
    /// Which rows are NULL, whatever their bytes are.
    pub nulls: Option<&'a NullBuffer>,
    /// Whether `raw` and `unescaped`, each as a whole, are known to be valid UTF-8 without NUL.
    pub utf8: bool,
}

/// The first cell of a column that is no value of its type.
#[derive(Debug)]
pub struct CellError {
    /// Its row in the batch, from 0.
    pub row: usize,
    /// Why: `could not parse "x" as type int: ...`, without a place.
    pub error: Error,
}

/// Parses the cells of a column into its storage form.
pub fn parse_column(sql_type: &SqlType, cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    column::parse(sql_type, cells)
}

/// Parses one value into query form, by the same parser as a column's cells.
pub fn parse_value(sql_type: &SqlType, text: &str) -> Result<ArrayRef> {
    let cells = column::OwnedCells::new(std::iter::once(Some(text)))?;
    let stored = column::parse(sql_type, &cells.cells()).map_err(|fault| fault.error)?;
    to_query(sql_type, &stored)
}

#[cfg(test)]
mod round_trips;
