//! What jobs need to know of a table, and how sorted pieces become its segments: pieces that do not
//! overlap are adopted as they are, the others are merged.

use std::sync::Arc;

use super::JobContext;
use super::key::KeyEncoder;
use super::merge::{DuplicateWatch, Target, merge_runs};
use super::run::{Run, RunSpace, RunWriter};
use super::sort::RowBuffer;
use crate::catalog::{IndexDescriptor, TableDescriptor, TableId};
use crate::error::{Error, Result};
use crate::store::{ScanRequest, Segment, SegmentColumn};

/// How much CSV text a segment should hold, in bytes.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 20;

/// Rows that are copied from a segment to a run at once.
const COPIED_ROWS: usize = 8192;

/// The columns and key of a table's segments.
#[derive(Clone)]
pub(crate) struct Layout {
    /// The table; its id is set.
    pub(crate) table: Arc<TableDescriptor>,
    /// Its visible columns.
    pub(crate) columns: Arc<[SegmentColumn]>,
    /// Positions of the primary key's columns, `true` for descending; empty without one.
    pub(crate) key: Vec<(usize, bool)>,
    /// Encodes the primary key.
    pub(crate) encoder: Arc<KeyEncoder>,
}

impl Layout {
    /// Returns the layout of `table`.
    pub(crate) fn new(table: Arc<TableDescriptor>) -> Result<Self> {
        let columns: Arc<[SegmentColumn]> = segment_columns(&table).into();
        let key = match &table.primary_key {
            Some(index) => key_positions(&table, index)?,
            None => Vec::new(),
        };
        let encoder = Arc::new(KeyEncoder::new(&columns, &key)?);
        Ok(Self { table, columns, key, encoder })
    }

    /// Returns whether the rows are sorted by a primary key.
    pub(crate) fn is_sorted(&self) -> bool {
        !self.key.is_empty()
    }
}

/// Returns the visible columns of a table as segments hold them.
pub(crate) fn segment_columns(table: &TableDescriptor) -> Vec<SegmentColumn> {
    table
        .columns
        .iter()
        .map(|column| SegmentColumn {
            id: column.id,
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
        })
        .collect()
}

/// Returns the positions of an index's key columns in the table, `true` for descending.
pub(crate) fn key_positions(
    table: &TableDescriptor,
    index: &IndexDescriptor,
) -> Result<Vec<(usize, bool)>> {
    index
        .key
        .iter()
        .map(|part| {
            let position = table
                .position(part.column)
                .ok_or_else(|| Error::internal("an index names a column that the table lacks"))?;
            Ok((position, part.descending))
        })
        .collect()
}

/// A segment in key order, with its smallest and largest key.
pub(crate) struct SortedSegment {
    /// The segment.
    pub(crate) segment: Segment,
    /// Its smallest key.
    pub(crate) first: Vec<u8>,
    /// Its largest key.
    pub(crate) last: Vec<u8>,
}

enum Piece {
    Segment(SortedSegment),
    Run(Run),
}

impl Piece {
    fn first(&self) -> &[u8] {
        match self {
            Self::Segment(segment) => &segment.first,
            Self::Run(run) => run.first(),
        }
    }

    fn last(&self) -> &[u8] {
        match self {
            Self::Segment(segment) => &segment.last,
            Self::Run(run) => run.last(),
        }
    }
}

/// Returns segments in key order that do not overlap, made of sorted segments and runs, and keys that
/// the merge found twice.
pub(crate) fn settle(
    target: &Target<'_>,
    segments: Vec<SortedSegment>,
    runs: Vec<Run>,
    space: &Arc<RunSpace>,
    rows_done: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<Segment>, Vec<Vec<u8>>)> {
    let mut pieces: Vec<Piece> =
        segments.into_iter().map(Piece::Segment).chain(runs.into_iter().map(Piece::Run)).collect();
    pieces.sort_by(|left, right| left.first().cmp(right.first()));
    let (mut settled, mut duplicates) = (Vec::new(), Vec::new());
    match settle_pieces(target, pieces, (space, rows_done), (&mut settled, &mut duplicates)) {
        Ok(()) => Ok((settled, duplicates)),
        Err(error) => {
            target.context.store.discard_segments(target.table, &space.not_held(settled));
            Err(error)
        }
    }
}

/// Adds the segments of pieces, which are in the order of their first keys, and keys found twice.
fn settle_pieces(
    target: &Target<'_>,
    pieces: Vec<Piece>,
    (space, rows_done): (&Arc<RunSpace>, &(dyn Fn(u64) + Sync)),
    (settled, duplicates): (&mut Vec<Segment>, &mut Vec<Vec<u8>>),
) -> Result {
    let mut group: Vec<Piece> = Vec::new();
    let mut group_last: Vec<u8> = Vec::new();
    for piece in pieces {
        if !group.is_empty() && piece.first() > group_last.as_slice() {
            settle_group(target, std::mem::take(&mut group), space, rows_done)?
                .move_to(settled, duplicates);
            group_last.clear();
        }
        if piece.last() > group_last.as_slice() {
            piece.last().clone_into(&mut group_last);
        }
        group.push(piece);
    }
    settle_group(target, group, space, rows_done)?.move_to(settled, duplicates);
    Ok(())
}

struct Settled(Vec<Segment>, DuplicateWatch);

impl Settled {
    fn move_to(self, segments: &mut Vec<Segment>, duplicates: &mut Vec<Vec<u8>>) {
        segments.extend(self.0);
        duplicates.extend(self.1.into_duplicates());
    }
}

/// Returns the segments of pieces that overlap each other.
fn settle_group(
    target: &Target<'_>,
    mut group: Vec<Piece>,
    space: &Arc<RunSpace>,
    rows_done: &(dyn Fn(u64) + Sync),
) -> Result<Settled> {
    if group.len() <= 1 && !matches!(group.first(), Some(Piece::Run(_))) {
        let adopted = group.pop().into_iter().filter_map(|piece| match piece {
            Piece::Segment(segment) => Some(segment.segment),
            Piece::Run(_) => None,
        });
        return Ok(Settled(adopted.collect(), DuplicateWatch::default()));
    }
    let mut runs = Vec::with_capacity(group.len());
    for piece in group {
        match piece {
            Piece::Run(run) => runs.push(run),
            Piece::Segment(segment) => {
                runs.push(run_of_segment(target, segment.segment, space)?);
            }
        }
    }
    let (segments, watch) = merge_runs(target, &runs, rows_done)?;
    Ok(Settled(segments, watch))
}

/// Copies a segment into a run, so that it can be read from any key, and discards the segment.
fn run_of_segment(target: &Target<'_>, segment: Segment, space: &Arc<RunSpace>) -> Result<Run> {
    let segment = Arc::new(segment);
    let mut scan = scan_all(target.context, target.table, &segment, target.columns)?;
    let empty = || Error::internal("a segment without rows was kept");
    let mut batch = Some(scan.next().ok_or_else(empty)??);
    let mut buffer = RowBuffer::new(&batch.as_ref().ok_or_else(empty)?.schema())?;
    let mut writer = RunWriter::create(space, target.encoder, &buffer);
    while let Some(rows) = batch {
        buffer.append(&rows)?;
        batch = scan.next().transpose()?;
        if batch.is_none() || buffer.rows() >= COPIED_ROWS {
            writer.write_distinct(&buffer)?;
            buffer.clear();
        }
    }
    let garbage = space.not_held(vec![Segment::clone(&segment)]);
    target.context.store.discard_segments(target.table, &garbage);
    writer.finish()
}

/// Returns the rows of a segment, all `columns`, in batches of a few thousand.
pub(crate) fn scan_all(
    context: &JobContext,
    table: TableId,
    segment: &Arc<Segment>,
    columns: &[SegmentColumn],
) -> Result<crate::store::SegmentScan> {
    let request = ScanRequest {
        columns: columns.iter().map(|column| column.id).collect(),
        batch_rows: 2048,
        ..ScanRequest::default()
    };
    context.store.scan(table, segment, columns, &request)
}
