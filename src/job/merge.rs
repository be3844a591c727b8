//! Merging sorted runs into segments: key ranges of about one segment each, side by side on all
//! threads, with equal keys found on the way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::row::Rows;

use super::JobContext;
use super::key::{KeyEncoder, arrow_error};
use super::run::{Run, RunReader};
use super::sort::prefix;
use crate::catalog::TableId;
use crate::error::Result;
use crate::store::{Segment, SegmentColumn, SegmentWriter};

/// Rows per batch that leaves the merge.
const OUTPUT_ROWS: usize = 8192;

/// The most duplicate keys that are kept to find the first one in file order.
const MOST_DUPLICATES: usize = 1000;

/// What a merge makes.
pub(crate) struct Target<'a> {
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
    /// Encodes the columns that must differ between rows, if any.
    pub(crate) unique: Option<&'a KeyEncoder>,
    /// About how many rows a segment gets.
    pub(crate) segment_rows: usize,
}

/// Watches a sorted sequence of batches for rows with equal keys.
#[derive(Default)]
pub(crate) struct DuplicateWatch {
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    started: bool,
    duplicates: Vec<Vec<u8>>,
}

impl DuplicateWatch {
    /// Looks at the next batch of the sequence. Keys with NULL never equal others.
    pub(crate) fn look(&mut self, encoder: &KeyEncoder, batch: &RecordBatch) -> Result {
        let keys = encoder.encode(batch)?;
        let nulls = encoder.may_have_null(batch);
        self.look_at(&keys, |row| nulls && encoder.has_null(batch, row));
        Ok(())
    }

    /// Looks at the keys of the next batch of the sequence.
    pub(crate) fn look_at(&mut self, keys: &Rows, has_null: impl Fn(usize) -> bool) {
        let count = keys.num_rows();
        if count == 0 {
            return;
        }
        let key = |row: usize| (!has_null(row)).then(|| keys.row(row).as_ref().to_vec());
        if self.last.as_deref() == Some(keys.row(0).as_ref()) {
            self.keep(keys.row(0).as_ref());
        }
        for row in 1..count {
            if keys.row(row - 1) == keys.row(row) && !has_null(row) {
                self.keep(keys.row(row).as_ref());
            }
        }
        if !self.started {
            self.started = true;
            self.first = key(0);
        }
        self.last = key(count - 1);
    }

    /// Joins the watch of the sequence that follows this one.
    pub(crate) fn append(&mut self, next: Self) {
        if !next.started {
            return;
        }
        if let (Some(last), Some(first)) = (&self.last, &next.first)
            && last == first
        {
            self.keep(&first.clone());
        }
        next.duplicates.iter().for_each(|key| self.keep(key));
        if !self.started {
            self.first = next.first;
            self.started = true;
        }
        self.last = next.last;
    }

    /// Returns keys that occur more than once, each once, in key order.
    pub(crate) fn into_duplicates(self) -> Vec<Vec<u8>> {
        self.duplicates
    }

    fn keep(&mut self, key: &[u8]) {
        if self.duplicates.len() < MOST_DUPLICATES
            && self.duplicates.last().is_none_or(|last| last != key)
        {
            self.duplicates.push(key.to_vec());
        }
    }
}

/// What merging a part gave.
type PartMerged = Result<(Segment, DuplicateWatch)>;

/// Merges `runs` into segments in key order.
pub(crate) fn merge_runs(
    target: &Target<'_>,
    runs: &[Run],
    rows_done: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<Segment>, DuplicateWatch)> {
    let bounds = part_bounds(runs, target.segment_rows);
    let parts = bounds.len() + 1;
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<PartMerged>>> = Mutex::new((0..parts).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..target.context.threads.min(parts) {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= parts {
                        break;
                    }
                    let low = part.checked_sub(1).map(|before| bounds[before].as_slice());
                    let high = bounds.get(part).map(Vec::as_slice);
                    let result = merge_part(target, runs, (low, high), rows_done);
                    let failed = result.is_err();
                    done.lock().expect("no thread panics with the lock")[part] = Some(result);
                    if failed {
                        next.store(parts, Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
    let done = done.into_inner().expect("no thread panics with the lock");
    gather(target, done)
}

/// Returns the segments of all parts in order, or discards them and returns the first error.
fn gather(
    target: &Target<'_>,
    done: Vec<Option<PartMerged>>,
) -> Result<(Vec<Segment>, DuplicateWatch)> {
    let mut segments = Vec::with_capacity(done.len());
    let mut watch = DuplicateWatch::default();
    let mut failure = None;
    for part in done.into_iter().flatten() {
        match part {
            Ok((segment, part_watch)) => {
                watch.append(part_watch);
                segments.push(segment);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        None => Ok((segments.into_iter().filter(|segment| segment.rows > 0).collect(), watch)),
        Some(error) => {
            target.context.store.discard_segments(target.table, &segments);
            Err(error)
        }
    }
}

/// Returns the keys at which the merged rows are cut into parts of about `segment_rows` rows.
fn part_bounds(runs: &[Run], segment_rows: usize) -> Vec<Vec<u8>> {
    let mut marks: Vec<(&[u8], usize)> = runs
        .iter()
        .flat_map(|run| run.index().iter().map(|(first, rows)| (first.as_slice(), *rows)))
        .collect();
    marks.sort_unstable();
    let mut bounds: Vec<Vec<u8>> = Vec::new();
    let mut rows = 0;
    for (key, count) in marks {
        if rows >= segment_rows && bounds.last().is_none_or(|last| last.as_slice() < key) {
            bounds.push(key.to_vec());
            rows = 0;
        }
        rows += count;
    }
    bounds
}

/// One run in a merge: its current batch and where it stands in it.
struct Cursor {
    reader: RunReader,
    batch: RecordBatch,
    keys: Rows,
    row: usize,
    /// The position of `batch` among the batches of the output in the making.
    slot: usize,
}

impl Cursor {
    /// Returns whether it stands behind the last row of its batch.
    fn is_at_end(&self) -> bool {
        self.row == self.batch.num_rows()
    }

    /// Returns the key that it stands at, its first bytes as a number before it.
    fn key(&self) -> (u64, &[u8]) {
        let key = self.keys.row(self.row).data();
        (prefix(key), key)
    }
}

/// Where a merged row comes from, ordered by key and then by run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head(u64, Vec<u8>, usize);

/// Merges the rows whose keys are in `range` (from the first up to before the second) into one
/// segment.
fn merge_part(
    target: &Target<'_>,
    runs: &[Run],
    range: (Option<&[u8]>, Option<&[u8]>),
    rows_done: &(dyn Fn(u64) + Sync),
) -> Result<(Segment, DuplicateWatch)> {
    let writer = target.context.store.create_segment(target.table, target.columns, target.key)?;
    let mut output = Output {
        target,
        writer,
        watch: DuplicateWatch::default(),
        batches: Vec::new(),
        order: Vec::with_capacity(OUTPUT_ROWS),
        rows_done,
    };
    let mut cursors = Vec::new();
    for run in runs {
        if range.1.is_none_or(|high| run.first() < high)
            && range.0.is_none_or(|low| run.last() >= low)
        {
            cursors.extend(open_cursor(target.encoder, run, range.0)?);
        }
    }
    let mut heap = BinaryHeap::with_capacity(cursors.len());
    for (number, cursor) in cursors.iter_mut().enumerate() {
        cursor.slot = output.add_batch(&cursor.batch);
        let (prefix, key) = cursor.key();
        heap.push(Reverse(Head(prefix, key.to_vec(), number)));
    }
    while let Some(mut head) = heap.peek_mut() {
        if range.1.is_some_and(|high| head.0.1.as_slice() >= high) {
            break;
        }
        let cursor = &mut cursors[head.0.2];
        output.order.push((cursor.slot, cursor.row));
        if advance(target.encoder, cursor, &mut output)? {
            let (prefix, key) = cursor.key();
            head.0.0 = prefix;
            head.0.1.clear();
            head.0.1.extend_from_slice(key);
        } else {
            PeekMut::pop(head);
        }
        if output.order.len() == OUTPUT_ROWS {
            target.context.cancellation.check()?;
            output.flush()?;
            for cursor in cursors.iter_mut().filter(|cursor| !cursor.is_at_end()) {
                cursor.slot = output.add_batch(&cursor.batch);
            }
        }
    }
    output.finish()
}

/// Moves `cursor` to its next row; returns whether there is one.
fn advance(encoder: &KeyEncoder, cursor: &mut Cursor, output: &mut Output<'_>) -> Result<bool> {
    cursor.row += 1;
    if cursor.is_at_end() {
        let Some((batch, keys)) = next_batch(encoder, &mut cursor.reader)? else {
            return Ok(false);
        };
        (cursor.batch, cursor.keys, cursor.row) = (batch, keys, 0);
        cursor.slot = output.add_batch(&cursor.batch);
    }
    Ok(true)
}

/// Returns a cursor at the first row of `run` whose key is at least `low`.
fn open_cursor(encoder: &KeyEncoder, run: &Run, low: Option<&[u8]>) -> Result<Option<Cursor>> {
    let mut reader = run.read_from(low)?;
    while let Some((batch, keys)) = next_batch(encoder, &mut reader)? {
        let row = low.map_or(0, |low| first_at_least(&keys, low));
        if row < batch.num_rows() {
            return Ok(Some(Cursor { reader, batch, keys, row, slot: usize::MAX }));
        }
    }
    Ok(None)
}

/// Returns the first row of sorted `keys` that is at least `low`.
fn first_at_least(keys: &Rows, low: &[u8]) -> usize {
    let (mut start, mut end) = (0, keys.num_rows());
    while start < end {
        let middle = usize::midpoint(start, end);
        if keys.row(middle).as_ref() < low {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}

fn next_batch(encoder: &KeyEncoder, reader: &mut RunReader) -> Result<Option<(RecordBatch, Rows)>> {
    let Some(batch) = reader.next().transpose()? else { return Ok(None) };
    let keys = encoder.encode(&batch)?;
    Ok(Some((batch, keys)))
}

/// The segment in the making.
struct Output<'a> {
    target: &'a Target<'a>,
    writer: SegmentWriter,
    watch: DuplicateWatch,
    batches: Vec<RecordBatch>,
    order: Vec<(usize, usize)>,
    rows_done: &'a (dyn Fn(u64) + Sync),
}

impl Output<'_> {
    fn add_batch(&mut self, batch: &RecordBatch) -> usize {
        self.batches.push(batch.clone());
        self.batches.len() - 1
    }

    fn flush(&mut self) -> Result {
        if self.order.is_empty() {
            return Ok(());
        }
        let references: Vec<&RecordBatch> = self.batches.iter().collect();
        let batch = interleave_record_batch(&references, &self.order).map_err(arrow_error)?;
        if let Some(unique) = self.target.unique {
            self.watch.look(unique, &batch)?;
        }
        self.writer.write(&batch)?;
        (self.rows_done)(batch.num_rows() as u64);
        self.order.clear();
        self.batches.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(Segment, DuplicateWatch)> {
        self.flush()?;
        Ok((self.writer.finish()?, self.watch))
    }
}
