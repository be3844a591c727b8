//! Sorting rows within a memory budget: rows gather, are sorted by key and leave as runs.

mod buffer;
mod column;
mod order;
mod pack;
mod text;
mod word;

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::key::KeyEncoder;
use super::run::{Run, RunSpace, RunWriter};
use crate::error::Result;

pub(crate) use buffer::RowBuffer;
pub(crate) use column::Column;
pub(crate) use order::{Bound, Keys, sort_numbers};
pub(crate) use pack::{Packing, Span, join, spans};

/// Rows per batch of rows that were sorted in memory.
const OUTPUT_ROWS: usize = 8192;

/// What sorting takes for a row besides the row: key, entry and a place to move entries to.
const ENTRY_BYTES: usize = 32;

/// The most text of one column that is sorted at once: Arrow counts it in 31 bits.
const MOST_TEXT: usize = 1 << 30;

/// The most duplicate keys that are kept to find the first one in file order.
pub(crate) const MOST_DUPLICATES: usize = 1000;

/// Rows in key order.
pub(crate) enum Sorted {
    /// In memory.
    Batches(Vec<RecordBatch>),
    /// As runs.
    Runs(Vec<Run>),
}

/// Gathers batches and turns them into sorted runs of at most `budget` bytes in memory.
pub(crate) struct Sorter {
    encoder: Arc<KeyEncoder>,
    space: Arc<RunSpace>,
    budget: usize,
    buffer: Option<RowBuffer>,
    runs: Vec<Run>,
}

impl Sorter {
    /// Returns an empty sorter that writes its runs to `space`.
    pub(crate) fn new(encoder: Arc<KeyEncoder>, space: Arc<RunSpace>, budget: usize) -> Self {
        Self { encoder, space, budget, buffer: None, runs: Vec::new() }
    }

    /// Adds rows; writes a run if the budget is used up.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let budget = self.budget;
        let buffer = match &mut self.buffer {
            Some(buffer) => buffer,
            None => self.buffer.insert(self.space.buffer(&batch.schema())?),
        };
        let empty = buffer.rows() == 0;
        buffer.append(batch)?;
        if !empty && buffer.rows() < 3 * batch.num_rows() {
            buffer.reserve(budget);
        }
        let bytes = buffer.bytes() + buffer.rows() * ENTRY_BYTES;
        if bytes >= budget || buffer.text_bytes() >= MOST_TEXT { self.spill() } else { Ok(()) }
    }

    /// Returns the runs of all rows added.
    pub(crate) fn finish(mut self) -> Result<Vec<Run>> {
        self.spill()?;
        if let Some(buffer) = self.buffer {
            self.space.give_back(buffer);
        }
        Ok(self.runs)
    }

    /// Returns the rows in key order: in memory if they all fit, else as runs.
    pub(crate) fn finish_in_memory(mut self) -> Result<Sorted> {
        if !self.runs.is_empty() {
            return self.finish().map(Sorted::Runs);
        }
        let Some(mut buffer) = self.buffer.take() else { return Ok(Sorted::Batches(Vec::new())) };
        sorted_batches(&mut buffer, &self.encoder).map(Sorted::Batches)
    }

    fn spill(&mut self) -> Result {
        let Some(buffer) = self.buffer.as_mut().filter(|buffer| buffer.rows() > 0) else {
            return Ok(());
        };
        let mut writer = RunWriter::create(&self.space, &self.encoder, buffer);
        writer.write_distinct(buffer)?;
        self.runs.push(writer.finish()?);
        buffer.clear();
        Ok(())
    }
}

/// Returns the rows of `buffer` in key order.
pub(crate) fn sorted_batches(
    buffer: &mut RowBuffer,
    encoder: &KeyEncoder,
) -> Result<Vec<RecordBatch>> {
    let (order, _) = buffer.order(encoder);
    buffer.freeze();
    order.chunks(OUTPUT_ROWS).map(|part| buffer.gather(part)).collect()
}

#[cfg(test)]
mod tests;
