//! Rows while they are sorted, column by column.

use std::ops::Range;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::column::Column;
use super::order::{KeyColumns, Keys};
use super::pack::{Packing, Span, spans};
use crate::error::{Error, Result};
use crate::job::key::{KeyEncoder, arrow_error};

/// Rows of one schema, each with 4 GiB of text at most between them.
pub(crate) struct RowBuffer {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl RowBuffer {
    /// Returns an empty buffer for rows of `schema`.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| Column::new(field.data_type()));
        let columns = columns.collect::<Result<_>>()?;
        Ok(Self { schema: schema.clone(), columns, rows: 0 })
    }

    /// Returns the schema.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns how many rows it holds.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the bytes that its rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// Returns the most bytes of text that one column holds.
    pub(crate) fn text_bytes(&self) -> usize {
        self.columns.iter().map(Column::text_bytes).max().unwrap_or(0)
    }

    /// Removes all rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.columns.iter_mut().for_each(Column::clear);
    }

    /// Makes room for as many more rows like those that it holds as fill `bytes` in all.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        let Some(per_row) = self.bytes().checked_div(self.rows) else { return };
        let rows = (bytes / per_row.max(1)).saturating_sub(self.rows);
        for column in &mut self.columns {
            let text = column.text_bytes().div_ceil(self.rows);
            column.reserve(rows, text);
        }
    }

    /// Appends rows.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result {
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.append(values)?;
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Appends rows that are nothing but their key, as packed into eight bytes by `packing`; the key's
    /// columns stand in its order.
    pub(crate) fn append_keys(&mut self, packing: &Packing, keys: &[u64]) {
        packing.unpack(keys, &mut self.columns);
        self.rows += keys.len();
    }

    /// Makes ready to be gathered: nothing is appended until `clear`.
    pub(crate) fn freeze(&mut self) {
        self.columns.iter_mut().for_each(Column::freeze);
    }

    /// Returns the rows `order`.
    pub(crate) fn gather(&self, order: &[u32]) -> Result<RecordBatch> {
        let columns =
            self.columns.iter().map(|column| column.gather(order)).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(order.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(arrow_error)
    }

    /// Returns the key of one row as bytes.
    pub(crate) fn encoded_key(&self, encoder: &KeyEncoder, row: u32) -> Result<Vec<u8>> {
        let columns =
            encoder.columns().iter().map(|position| self.columns[*position].gather(&[row]));
        let keys = encoder.encode_columns(&columns.collect::<Result<Vec<_>>>()?)?;
        Ok(keys.row(0).as_ref().to_vec())
    }

    /// Returns what the columns of the key hold.
    pub(crate) fn key_spans(&self, encoder: &KeyEncoder) -> Vec<Span> {
        spans(&self.key_columns(encoder))
    }

    /// Returns the key's columns, to be packed by `packing`.
    pub(crate) fn key<'a>(&'a self, encoder: &KeyEncoder, packing: &'a Packing) -> KeyColumns<'a> {
        KeyColumns { columns: self.key_columns(encoder), packing }
    }

    /// Returns the rows in key order, rows of equal keys as they stand, and the places in that order
    /// whose key is that of the place before.
    pub(crate) fn order(&self, encoder: &KeyEncoder) -> (Vec<u32>, Vec<usize>) {
        let packing = Packing::new(&self.key_spans(encoder), encoder.descending());
        let key = self.key(encoder, &packing);
        Keys::of(&key).order(&key)
    }

    fn key_columns(&self, encoder: &KeyEncoder) -> Vec<&Column> {
        encoder.columns().iter().map(|position| &self.columns[*position]).collect()
    }

    /// Appends the form of the rows `order` as a block: where each column ends, then the columns.
    pub(crate) fn put(&self, order: &[u32], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + 4 * self.columns.len(), 0);
        for (number, column) in self.columns.iter().enumerate() {
            column.put(order, out);
            let end = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
            out[start + 4 * number..][..4].copy_from_slice(&end.to_le_bytes());
        }
    }

    /// Appends the rows `rows` of a block of `count` rows.
    pub(crate) fn take(&mut self, block: &[u8], count: usize, rows: Range<usize>) -> Result {
        let taken = rows.len();
        let columns = self.columns.len();
        for (number, column) in self.columns.iter_mut().enumerate() {
            column.take(part(block, columns, number)?, count, rows.clone())?;
        }
        self.rows += taken;
        Ok(())
    }

    /// Appends all rows of a block of `count` rows, but the columns of the key alone.
    pub(crate) fn take_key(&mut self, encoder: &KeyEncoder, block: &[u8], count: usize) -> Result {
        for &number in encoder.columns() {
            let bytes = part(block, self.columns.len(), number)?;
            self.columns[number].take(bytes, count, 0..count)?;
        }
        Ok(())
    }
}

/// Returns the bytes of a column in a block of `columns` columns.
fn part(block: &[u8], columns: usize, number: usize) -> Result<&[u8]> {
    let end = |number: usize| {
        let bytes = block.get(4 * number..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let range = match number.checked_sub(1) {
        None => Some(4 * columns).zip(end(number)),
        Some(before) => end(before).zip(end(number)),
    };
    range
        .and_then(|(start, end)| block.get(start..end))
        .ok_or_else(|| Error::internal("a block of a run ends early"))
}
