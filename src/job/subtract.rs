//! Sorted segments without the rows whose keys stand in others: those without such rows stay as they
//! are, the others are written anew.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::{filter_record_batch, not};

use super::JobContext;
use super::key::{KeyEncoder, arrow_error};
use super::matching::KeyShape;
use super::packed_index::in_parallel;
use super::table::scan_all;
use crate::catalog::TableId;
use crate::error::Result;
use crate::store::{Segment, SegmentColumn, SegmentWriter};

/// How segments are written anew.
pub(crate) struct Subtraction<'a> {
    /// Where segments, cancellation and threads come from.
    pub(crate) context: &'a JobContext,
    /// The table.
    pub(crate) table: TableId,
    /// The columns of the segments.
    pub(crate) columns: &'a [SegmentColumn],
    /// What they are sorted by.
    pub(crate) key: &'a [(usize, bool)],
    /// Encodes `key`.
    pub(crate) encoder: &'a KeyEncoder,
    /// Where segments are noted that are written: they are removed if the job fails.
    pub(crate) written: &'a Mutex<Vec<Segment>>,
}

/// What is left of segments, and what is not.
#[derive(Default)]
pub(crate) struct Subtracted {
    /// What is left.
    pub(crate) left: Vec<Arc<Segment>>,
    /// The rows that were taken away, if they were asked for.
    pub(crate) taken: Vec<Arc<Segment>>,
    /// How many these are.
    pub(crate) rows: u64,
}

impl Subtraction<'_> {
    /// Returns `segments` without the rows whose keys stand in `others`; keeps those rows if `keep`.
    pub(crate) fn subtract(
        &self,
        segments: &[Arc<Segment>],
        others: &[Arc<Segment>],
        keep: bool,
    ) -> Result<Subtracted> {
        let shape =
            KeyShape::new(self.context, self.table, self.columns, (self.key, self.key.len()))?;
        let each = in_parallel(self.context.threads, segments.len(), |number| {
            let segment = &segments[number];
            if shape.meets(segment, others)? {
                self.rewrite(&shape, segment, (others, keep))
            } else {
                Ok(Subtracted { left: vec![Arc::clone(segment)], ..Subtracted::default() })
            }
        })?;
        Ok(each.into_iter().fold(Subtracted::default(), |mut all, one| {
            all.left.extend(one.left);
            all.taken.extend(one.taken);
            all.rows += one.rows;
            all
        }))
    }

    /// Writes what is left of a segment, and what is not.
    fn rewrite(
        &self,
        shape: &KeyShape<'_>,
        segment: &Arc<Segment>,
        (others, keep): (&[Arc<Segment>], bool),
    ) -> Result<Subtracted> {
        let mut matcher = shape.matcher(segment, others)?;
        let (mut left, mut taken) = (None, None);
        let mut rows = 0;
        for batch in scan_all(self.context, self.table, segment, self.columns)? {
            self.context.cancellation.check()?;
            let batch = batch?;
            let found = matcher.matches(&self.encoder.encode(&batch)?)?;
            rows += found.len() as u64;
            if found.is_empty() {
                self.write(&mut left, &batch)?;
                continue;
            }
            let found = mask(&found, batch.num_rows());
            if keep {
                self.write(&mut taken, &filter_record_batch(&batch, &found).map_err(arrow_error)?)?;
            }
            let rest = not(&found).map_err(arrow_error)?;
            self.write(&mut left, &filter_record_batch(&batch, &rest).map_err(arrow_error)?)?;
        }
        Ok(Subtracted { left: self.finish(left)?, taken: self.finish(taken)?, rows })
    }

    fn write(&self, writer: &mut Option<SegmentWriter>, batch: &RecordBatch) -> Result {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let open = if let Some(open) = writer {
            open
        } else {
            let store = &self.context.store;
            writer.insert(store.create_segment(self.table, self.columns, self.key)?)
        };
        open.write(batch)
    }

    fn finish(&self, writer: Option<SegmentWriter>) -> Result<Vec<Arc<Segment>>> {
        let Some(writer) = writer else { return Ok(Vec::new()) };
        let segment = writer.finish()?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(segment.clone());
        Ok(vec![Arc::new(segment)])
    }
}

/// Returns a mask of `count` rows that is true at `rows`.
fn mask(rows: &[usize], count: usize) -> BooleanArray {
    let mut bits = BooleanBufferBuilder::new(count);
    bits.append_n(count, false);
    for row in rows {
        bits.set_bit(*row, true);
    }
    BooleanArray::new(bits.finish(), None)
}
