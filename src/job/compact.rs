//! Merging the small segments that INSERTs leave behind, so that scans open few files.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::JobContext;
use super::index::IndexLayout;
use super::key::KeyEncoder;
use super::sort::{RowBuffer, sorted_batches};
use super::table::{Layout, scan_all};
use crate::catalog::TableId;
use crate::error::Result;
use crate::store::{RowIds, Segment, SegmentColumn};

/// A segment with fewer rows is small.
const SMALL_ROWS: u64 = 1 << 16;

/// So many small segments are merged into one.
const MOST_SMALL: usize = 16;

/// Merges small segments of a table if many have gathered; returns those that it made.
pub(crate) fn compact_rows(
    context: &JobContext,
    layout: &Layout,
    segments: &mut Vec<Arc<Segment>>,
) -> Result<Option<Segment>> {
    if layout.is_sorted() {
        let shape = Shape {
            table: layout.table.id,
            columns: &layout.columns,
            key: &layout.key,
            encoder: Some(&layout.encoder),
        };
        return compact(context, &shape, segments, None);
    }
    let shape = Shape { table: layout.table.id, columns: &layout.columns, key: &[], encoder: None };
    // Row ids count on within a segment, so only neighbours whose ids follow each other can join.
    let Some(first) = sequence_start(segments) else { return Ok(None) };
    compact(context, &shape, segments, Some(first))
}

/// Merges small segments of an index if many have gathered; returns those that it made.
pub(crate) fn compact_index(
    context: &JobContext,
    table: TableId,
    layout: &IndexLayout,
    segments: &mut Vec<Arc<Segment>>,
) -> Result<Option<Segment>> {
    let shape =
        Shape { table, columns: &layout.columns, key: &layout.key, encoder: Some(&layout.encoder) };
    compact(context, &shape, segments, None)
}

struct Shape<'a> {
    table: TableId,
    columns: &'a [SegmentColumn],
    key: &'a [(usize, bool)],
    encoder: Option<&'a KeyEncoder>,
}

/// Returns the first row id of the trailing small segments whose ids follow each other.
fn sequence_start(segments: &[Arc<Segment>]) -> Option<i64> {
    let mut start = None;
    for segment in segments.iter().rev() {
        let Some(RowIds::Sequence { first }) = segment.rowids else { break };
        let follows = start.is_none_or(|next| first + segment.rows.cast_signed() == next);
        if segment.rows >= SMALL_ROWS || !follows {
            break;
        }
        start = Some(first);
    }
    start
}

fn compact(
    context: &JobContext,
    shape: &Shape<'_>,
    segments: &mut Vec<Arc<Segment>>,
    first_rowid: Option<i64>,
) -> Result<Option<Segment>> {
    let joins = |segment: &Segment| {
        let in_sequence = match (first_rowid, segment.rowids) {
            (None, _) => true,
            (Some(start), Some(RowIds::Sequence { first })) => first >= start,
            (Some(_), _) => false,
        };
        segment.rows < SMALL_ROWS && in_sequence
    };
    if segments.iter().filter(|segment| joins(segment)).count() < MOST_SMALL {
        return Ok(None);
    }
    let (small, large): (Vec<_>, Vec<_>) = segments.drain(..).partition(|segment| joins(segment));
    let mut batches = Vec::new();
    for segment in &small {
        for batch in scan_all(context, shape.table, segment, shape.columns)? {
            batches.push(batch?);
        }
    }
    let mut writer = context.store.create_segment(shape.table, shape.columns, shape.key)?;
    match shape.encoder {
        None => batches.iter().try_for_each(|batch| writer.write(batch))?,
        Some(encoder) => write_in_order(encoder, &batches, &mut writer)?,
    }
    let mut merged = writer.finish()?;
    merged.rowids = first_rowid.map(|first| RowIds::Sequence { first });
    *segments = large;
    segments.push(Arc::new(merged.clone()));
    Ok(Some(merged))
}

fn write_in_order(
    encoder: &KeyEncoder,
    batches: &[RecordBatch],
    writer: &mut crate::store::SegmentWriter,
) -> Result {
    let Some(first) = batches.first() else { return Ok(()) };
    let mut buffer = RowBuffer::new(&first.schema())?;
    batches.iter().try_for_each(|batch| buffer.append(batch))?;
    sorted_batches(&mut buffer, encoder)?.iter().try_for_each(|batch| writer.write(batch))
}
