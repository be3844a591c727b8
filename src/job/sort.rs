//! Sorting rows within a memory budget: batches gather, are sorted by key and leave as runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::row::Rows;

use super::key::{KeyEncoder, arrow_error};
use super::run::{Run, RunWriter, compacted, row_bytes, write_sorted};
use crate::error::Result;
use crate::source::TempDirectory;

/// Numbers runs within a process, so that their names differ.
static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

/// Returns a name for a new run.
pub(crate) fn run_name() -> String {
    format!("run-{}.arrow", NEXT_RUN.fetch_add(1, Ordering::Relaxed))
}

/// Rows per batch of rows that were sorted in memory.
const OUTPUT_ROWS: usize = 8192;

/// Rows in key order.
pub(crate) enum Sorted {
    /// In memory.
    Batches(Vec<RecordBatch>),
    /// In temporary files.
    Runs(Vec<Run>),
}

/// Gathers batches and turns them into sorted runs of at most `budget` bytes in memory.
pub(crate) struct Sorter {
    encoder: Arc<KeyEncoder>,
    temp: Arc<TempDirectory>,
    budget: usize,
    batches: Vec<RecordBatch>,
    keys: Vec<Rows>,
    bytes: usize,
    runs: Vec<Run>,
}

impl Sorter {
    /// Returns an empty sorter that writes its runs to `temp`.
    pub(crate) fn new(encoder: Arc<KeyEncoder>, temp: Arc<TempDirectory>, budget: usize) -> Self {
        Self {
            encoder,
            temp,
            budget,
            batches: Vec::new(),
            keys: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    /// Adds rows; writes a run if the budget is used up.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = compacted(batch)?;
        let keys = self.encoder.encode(&batch)?;
        // Sorting needs, besides rows and keys, an index entry per row.
        self.bytes += row_bytes(&batch) + keys.size() + batch.num_rows() * size_of::<Entry>();
        self.batches.push(batch);
        self.keys.push(keys);
        if self.bytes >= self.budget { self.spill() } else { Ok(()) }
    }

    /// Returns the runs of all rows added.
    pub(crate) fn finish(mut self) -> Result<Vec<Run>> {
        self.spill()?;
        Ok(self.runs)
    }

    /// Returns the rows in key order: in memory if they all fit, else as runs.
    pub(crate) fn finish_in_memory(mut self) -> Result<Sorted> {
        if !self.runs.is_empty() {
            return self.finish().map(Sorted::Runs);
        }
        let order = sorted_order(&self.keys);
        let batches = std::mem::take(&mut self.batches);
        let references: Vec<&RecordBatch> = batches.iter().collect();
        order
            .chunks(OUTPUT_ROWS)
            .map(|part| interleave_record_batch(&references, part).map_err(arrow_error))
            .collect::<Result<_>>()
            .map(Sorted::Batches)
    }

    fn spill(&mut self) -> Result {
        let (batches, keys) = (std::mem::take(&mut self.batches), std::mem::take(&mut self.keys));
        self.bytes = 0;
        let Some(first) = batches.first() else { return Ok(()) };
        let order = sorted_order(&keys);
        drop(keys);
        let mut writer = RunWriter::create(&self.temp, &run_name(), &first.schema())?;
        let references: Vec<&RecordBatch> = batches.iter().collect();
        write_sorted(&mut writer, &references, &order, &self.encoder)?;
        self.runs.push(writer.finish()?);
        Ok(())
    }
}

/// A row to sort: the first eight bytes of its key decide most comparisons without a second look.
type Entry = (u64, u32, u32);

/// Returns batch and row of every row in key order; rows of equal keys keep their order.
pub(crate) fn sorted_order(keys: &[Rows]) -> Vec<(usize, usize)> {
    let mut entries: Vec<Entry> = Vec::with_capacity(keys.iter().map(Rows::num_rows).sum());
    for (batch, rows) in keys.iter().enumerate() {
        for (row, key) in rows.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "a budget of memory bounds both")]
            entries.push((prefix(key.as_ref()), batch as u32, row as u32));
        }
    }
    entries.sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| {
                let left = keys[left.1 as usize].row(left.2 as usize);
                left.cmp(&keys[right.1 as usize].row(right.2 as usize))
            })
            .then_with(|| (left.1, left.2).cmp(&(right.1, right.2)))
    });
    entries.into_iter().map(|(_, batch, row)| (batch as usize, row as usize)).collect()
}

/// Returns the first eight bytes of a key as a number that compares as they do.
pub(crate) fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}
