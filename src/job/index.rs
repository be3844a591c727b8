//! Secondary indexes: segments sorted by (index key, primary key), made from a table's segments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;

use super::JobContext;
use super::key::KeyEncoder;
use super::merge::{Target, merge_runs};
use super::packed_index::PackedIndex;
use super::run::{Run, RunSpace};
use super::sort::Sorter;
use crate::catalog::{ColumnId, IndexDescriptor, ROWID, TableDescriptor};
use crate::error::{Error, Result};
use crate::store::{ScanRequest, Segment, SegmentColumn};
use crate::types::SqlType;

/// The id under which index segments hold the hidden `rowid`.
pub const ROWID_COLUMN: ColumnId = ColumnId(0x7fff_ffff);

/// The shape of an index's segments.
pub(crate) struct IndexLayout {
    /// Their columns: the key, then what is left of the primary key (or `rowid`), then stored ones.
    pub(crate) columns: Vec<SegmentColumn>,
    /// What they are sorted by, as positions in `columns`.
    pub(crate) key: Vec<(usize, bool)>,
    /// Encodes `key`.
    pub(crate) encoder: Arc<KeyEncoder>,
    /// Encodes the index's own key, if it is unique.
    pub(crate) unique: Option<KeyEncoder>,
}

impl IndexLayout {
    /// Returns the shape of `index` of `table`.
    pub(crate) fn new(table: &TableDescriptor, index: &IndexDescriptor) -> Result<Self> {
        let mut columns: Vec<SegmentColumn> = Vec::new();
        let mut key = Vec::new();
        for part in &index.key {
            key.push((columns.len(), part.descending));
            columns.push(segment_column(table, part.column)?);
        }
        match &table.primary_key {
            None => {
                key.push((columns.len(), false));
                columns.push(rowid_column());
            }
            Some(primary) => {
                for part in &primary.key {
                    if columns.iter().all(|column| column.id != part.column) {
                        key.push((columns.len(), part.descending));
                        columns.push(segment_column(table, part.column)?);
                    }
                }
            }
        }
        for &stored in &index.storing {
            if columns.iter().all(|column| column.id != stored) {
                columns.push(segment_column(table, stored)?);
            }
        }
        let encoder = Arc::new(KeyEncoder::new(&columns, &key)?);
        let own = &key[..index.key.len()];
        let unique = index.unique.then(|| KeyEncoder::new(&columns, own)).transpose()?;
        Ok(Self { columns, key, encoder, unique })
    }

    /// Returns whether the segments hold the hidden `rowid`.
    fn has_rowid(&self) -> bool {
        self.columns.iter().any(|column| column.id == ROWID_COLUMN)
    }
}

/// Returns the columns of the segments of `index`, in their order, for those who read them.
pub fn index_columns(
    table: &TableDescriptor,
    index: &IndexDescriptor,
) -> Result<Vec<SegmentColumn>> {
    Ok(IndexLayout::new(table, index)?.columns)
}

fn rowid_column() -> SegmentColumn {
    SegmentColumn {
        id: ROWID_COLUMN,
        name: ROWID.to_owned(),
        sql_type: SqlType::Int8,
        nullable: false,
    }
}

fn segment_column(table: &TableDescriptor, id: ColumnId) -> Result<SegmentColumn> {
    let column = table
        .column_by_id(id)
        .ok_or_else(|| Error::internal("an index names a column that the table lacks"))?;
    Ok(SegmentColumn {
        id,
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: column.nullable,
    })
}

/// Builds the segments of an index over `segments` of `table`; returns keys that occur twice in a
/// unique one besides.
pub(crate) fn build_index(
    context: &JobContext,
    table: &TableDescriptor,
    layout: &IndexLayout,
    segments: &[Arc<Segment>],
    space: &Arc<RunSpace>,
) -> Result<(Vec<Segment>, Vec<Vec<u8>>)> {
    IndexBuild { context, table, layout, space, rows_done: &|_| {} }.run(segments)
}

/// The building of an index.
pub(crate) struct IndexBuild<'a> {
    /// Where segments, cancellation and threads come from.
    pub(crate) context: &'a JobContext,
    /// The table.
    pub(crate) table: &'a TableDescriptor,
    /// The shape of the index's segments.
    pub(crate) layout: &'a IndexLayout,
    /// Where sorted runs stay.
    pub(crate) space: &'a Arc<RunSpace>,
    /// Is told of rows, each when it is read and when it is written.
    pub(crate) rows_done: &'a (dyn Fn(u64) + Sync),
}

impl IndexBuild<'_> {
    /// Builds the segments of the index over `segments`; returns keys that occur twice in a unique one
    /// besides.
    pub(crate) fn run(&self, segments: &[Arc<Segment>]) -> Result<(Vec<Segment>, Vec<Vec<u8>>)> {
        let Self { context, table, layout, .. } = *self;
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let segment_rows = index_segment_rows(rows, context.threads);
        if let Some(packed) = PackedIndex::new(context, table, layout, segments)? {
            let (segments, watch) = packed.build(segments, segment_rows, self.rows_done)?;
            return Ok((segments, watch.into_duplicates()));
        }
        let runs = self.sorted_runs(segments)?;
        self.space.release();
        if runs.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let target = Target {
            context,
            table: table.id,
            columns: &layout.columns,
            key: &layout.key,
            encoder: &layout.encoder,
            unique: layout.unique.as_ref(),
            segment_rows,
        };
        let (segments, watch) = merge_runs(&target, &runs, self.rows_done)?;
        Ok((segments, watch.into_duplicates()))
    }

    /// Reads the index's columns from the table's segments on all threads and sorts them.
    fn sorted_runs(&self, segments: &[Arc<Segment>]) -> Result<Vec<Run>> {
        let next = AtomicUsize::new(0);
        let runs: Mutex<Vec<Run>> = Mutex::new(Vec::new());
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.context.threads.min(segments.len()) {
                scope.spawn(|| match self.sort_segments(segments, &next) {
                    Ok(sorted) => {
                        runs.lock().expect("no thread panics with the lock").extend(sorted);
                    }
                    Err(error) => {
                        next.store(segments.len(), Ordering::Relaxed);
                        *failure.lock().expect("no thread panics with the lock") = Some(error);
                    }
                });
            }
        });
        match failure.into_inner().expect("no thread panics with the lock") {
            Some(error) => Err(error),
            None => Ok(runs.into_inner().expect("no thread panics with the lock")),
        }
    }

    fn sort_segments(&self, segments: &[Arc<Segment>], next: &AtomicUsize) -> Result<Vec<Run>> {
        let Self { context, table, layout, space, .. } = *self;
        let share = usize::try_from(context.memory / 2).unwrap_or(usize::MAX) / context.threads;
        let mut sorter =
            Sorter::new(Arc::clone(&layout.encoder), Arc::clone(space), share.max(1 << 20));
        while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
            for batch in index_rows(context, table, layout, segment)? {
                context.cancellation.check()?;
                let batch = batch?;
                sorter.push(&batch)?;
                (self.rows_done)(batch.num_rows() as u64);
            }
        }
        sorter.finish()
    }
}

/// Returns how many rows a segment of an index gets: some millions, but work for every thread.
fn index_segment_rows(rows: u64, threads: usize) -> usize {
    let share = rows.div_ceil(threads as u64).clamp(1 << 16, 4 << 20);
    usize::try_from(share).unwrap_or(usize::MAX)
}

/// Returns the index's columns of a segment of the table, in the order of the index's columns.
pub(crate) fn index_rows(
    context: &JobContext,
    table: &TableDescriptor,
    layout: &IndexLayout,
    segment: &Arc<Segment>,
) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let columns: Vec<SegmentColumn> =
        layout.columns.iter().filter(|column| column.id != ROWID_COLUMN).cloned().collect();
    let request = ScanRequest {
        columns: columns.iter().map(|column| column.id).collect(),
        batch_rows: 8192,
        rowid: layout.has_rowid(),
        ..ScanRequest::default()
    };
    let rowid = layout.columns.iter().position(|column| column.id == ROWID_COLUMN);
    let scan = context.store.scan(table.id, segment, &columns, &request)?;
    Ok(scan.map(move |batch| {
        let batch = batch?;
        let Some(rowid) = rowid else { return Ok(batch) };
        // The scan gives `rowid` last; the index may store columns behind it.
        let last = batch.num_columns() - 1;
        let mut order: Vec<usize> = (0..last).collect();
        order.insert(rowid, last);
        batch.project(&order).map_err(super::key::arrow_error)
    }))
}
