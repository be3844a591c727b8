//! Merging sorted runs into segments: key ranges of about one segment each, side by side on all
//! threads, with equal keys found on the way.
//!
//! A range is merged window by window: the rows of all runs up to some key are brought together and
//! sorted, which costs less than comparing runs row by row.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::row::Rows;

use super::JobContext;
use super::key::{KeyEncoder, KeyEnds};
use super::run::{Run, RunReader};
use super::sort::{Bound, Keys, MOST_DUPLICATES, Packing, RowBuffer, join};
use crate::catalog::TableId;
use crate::error::{Error, Result};
use crate::store::{Segment, SegmentColumn, SegmentWriter};

/// Rows of a window, about.
const WINDOW_ROWS: usize = 16 << 10;

/// The most rows of a batch that leaves the merge.
const OUTPUT_ROWS: usize = 32 << 10;

/// A merge does not make segments of fewer rows for the sake of all threads.
const FEWEST_ROWS: usize = 1 << 16;

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
    /// Encodes the columns of a secondary index that must differ between rows, if any; no two rows have
    /// one `key` in any case.
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

    /// Looks at the next batch of the sequence, whose ends are known and whose keys hold no NULL.
    pub(crate) fn pass(
        &mut self,
        encoder: &KeyEncoder,
        batch: &RecordBatch,
        ends: &KeyEnds,
    ) -> Result {
        if ends.repeats {
            return self.look(encoder, batch);
        }
        if self.last.as_ref() == Some(&ends.first) {
            self.keep(&ends.first);
        }
        if !self.started {
            self.started = true;
            self.first = Some(ends.first.clone());
        }
        self.last = Some(ends.last.clone());
        Ok(())
    }

    /// Looks at the keys of the next batch of the sequence.
    fn look_at(&mut self, keys: &Rows, has_null: impl Fn(usize) -> bool) {
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
            self.duplicates.extend(next.duplicates);
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
    pub(crate) fn into_duplicates(mut self) -> Vec<Vec<u8>> {
        self.duplicates.sort_unstable();
        self.duplicates.dedup();
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

/// A range of keys that becomes a segment.
struct Part<'a> {
    /// The smallest key, unless the range starts with the first.
    low: Option<&'a [u8]>,
    /// The key that each window ends before; the last window may have none.
    bounds: Vec<Option<&'a [u8]>>,
}

/// What merging a part gave.
type PartMerged = Result<(Segment, DuplicateWatch)>;

/// Merges `runs` into segments in key order.
pub(crate) fn merge_runs(
    target: &Target<'_>,
    runs: &[Run],
    rows_done: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<Segment>, DuplicateWatch)> {
    let merge = Merge { target, runs, packing: common_packing(target, runs), rows_done };
    let parts = cut(runs, target.segment_rows, target.context.threads);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<PartMerged>>> = Mutex::new((0..parts.len()).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..target.context.threads.min(parts.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(number) else { break };
                    let result = merge.merge_part(part);
                    let failed = result.is_err();
                    done.lock().expect("no thread panics with the lock")[number] = Some(result);
                    if failed {
                        next.store(parts.len(), Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
    let done = done.into_inner().expect("no thread panics with the lock");
    let (segments, mut watch) = gather(target, done)?;
    watch.duplicates.extend(runs.iter().flat_map(|run| run.duplicates().iter().cloned()));
    Ok((segments, watch))
}

/// Returns how the keys of all runs are packed.
fn common_packing(target: &Target<'_>, runs: &[Run]) -> Packing {
    let spans = |run: &Run| run.spans().to_vec();
    let all = runs.iter().map(spans).reduce(|all, spans| join(&all, &spans));
    Packing::new(&all.unwrap_or_default(), target.encoder.descending())
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

/// Cuts the rows of all runs into parts of about `segment_rows` rows, and those into windows, at first
/// keys of blocks.
fn cut(runs: &[Run], segment_rows: usize, threads: usize) -> Vec<Part<'_>> {
    let mut marks: Vec<(&[u8], usize)> = runs.iter().flat_map(Run::index).collect();
    marks.sort_unstable();
    let total: usize = marks.iter().map(|(_, rows)| rows).sum();
    let part_rows = segment_rows.min(total.div_ceil(threads.max(1)).max(FEWEST_ROWS));
    let mut parts = vec![Part { low: None, bounds: Vec::new() }];
    let (mut in_part, mut in_window, mut last) = (0, 0, None);
    for (key, rows) in marks {
        if in_window >= WINDOW_ROWS && last != Some(key) {
            parts.last_mut().expect("there is a part").bounds.push(Some(key));
            (in_window, last) = (0, Some(key));
            if in_part >= part_rows {
                parts.push(Part { low: Some(key), bounds: Vec::new() });
                in_part = 0;
            }
        }
        (in_part, in_window) = (in_part + rows, in_window + rows);
    }
    parts.last_mut().expect("there is a part").bounds.push(None);
    parts
}

/// A merge of runs.
struct Merge<'a> {
    target: &'a Target<'a>,
    runs: &'a [Run],
    packing: Packing,
    rows_done: &'a (dyn Fn(u64) + Sync),
}

impl Merge<'_> {
    /// Merges the rows of a part into a segment.
    fn merge_part(&self, part: &Part<'_>) -> PartMerged {
        let target = self.target;
        let Some(schema) = self.runs.first().map(Run::schema) else {
            return Err(Error::internal("a merge of no runs"));
        };
        let mut output = Output {
            target,
            writer: target.context.store.create_segment(
                target.table,
                target.columns,
                target.key,
            )?,
            watch: DuplicateWatch::default(),
            rows: RowBuffer::new(schema)?,
            keys: Keys::none(&self.packing),
        };
        let low = part.low.map(|low| self.bound(low)).transpose()?;
        let high = part.bounds.last().copied().flatten();
        let mut cursors = Vec::new();
        for run in self.runs {
            if high.is_none_or(|high| run.first() < high)
                && part.low.is_none_or(|low| run.last() >= low)
            {
                cursors.extend(self.open(run, (part.low, high), low.as_ref())?);
            }
        }
        for bound in &part.bounds {
            target.context.cancellation.check()?;
            let bound = bound.map(|bound| self.bound(bound)).transpose()?;
            let mut left = Vec::with_capacity(cursors.len());
            for mut cursor in cursors {
                if self.take_up_to(&mut cursor, bound.as_ref(), &mut output)? {
                    left.push(cursor);
                }
            }
            cursors = left;
            (self.rows_done)(output.flush(&self.packing)?);
        }
        Ok((output.writer.finish()?, output.watch))
    }

    /// Returns an encoded key in the form of this merge.
    fn bound(&self, key: &[u8]) -> Result<Bound> {
        Bound::new(&self.target.encoder.decode(key)?, &self.packing)
    }

    /// Returns a cursor at the first row of `run` whose key is at least `low`, for rows before `high`.
    fn open<'r>(
        &self,
        run: &'r Run,
        (low, high): (Option<&[u8]>, Option<&[u8]>),
        bound: Option<&Bound>,
    ) -> Result<Option<Cursor<'r>>> {
        let mut cursor = Cursor {
            reader: run.read_from(low, high)?,
            buffer: RowBuffer::new(run.schema())?,
            keys: Keys::none(&self.packing),
            rows: 0,
            row: 0,
        };
        while self.load(&mut cursor)? {
            cursor.row = bound.map_or(0, |bound| self.first_at_least(&cursor, bound));
            if cursor.row < cursor.rows {
                return Ok(Some(cursor));
            }
        }
        Ok(None)
    }

    /// Moves `cursor` to the next block; returns whether there is one.
    fn load(&self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let Some(rows) = cursor.reader.advance()? else { return Ok(false) };
        let encoder = self.target.encoder;
        cursor.buffer.clear();
        cursor.buffer.take_key(encoder, cursor.reader.block(), rows)?;
        cursor.keys = Keys::of(&cursor.buffer.key(encoder, &self.packing));
        (cursor.rows, cursor.row) = (rows, 0);
        Ok(true)
    }

    /// Returns the first row of a cursor's block, from where it stands, that is at least `bound`.
    fn first_at_least(&self, cursor: &Cursor<'_>, bound: &Bound) -> usize {
        let key = cursor.buffer.key(self.target.encoder, &self.packing);
        cursor.keys.first_at_least(&key, cursor.row, bound)
    }

    /// Gives `output` the rows before `bound`; returns whether `cursor` has more.
    fn take_up_to(
        &self,
        cursor: &mut Cursor<'_>,
        bound: Option<&Bound>,
        output: &mut Output<'_>,
    ) -> Result<bool> {
        loop {
            let end = bound.map_or(cursor.rows, |bound| self.first_at_least(cursor, bound));
            if end > cursor.row {
                output.rows.take(cursor.reader.block(), cursor.rows, cursor.row..end)?;
                output.keys.extend(&cursor.keys, cursor.row..end);
            }
            cursor.row = end;
            if end < cursor.rows {
                return Ok(true);
            }
            if !self.load(cursor)? {
                return Ok(false);
            }
        }
    }
}

/// One run in a merge: its current block and where it stands in it.
struct Cursor<'a> {
    reader: RunReader<'a>,
    /// The key columns of the block.
    buffer: RowBuffer,
    keys: Keys,
    rows: usize,
    row: usize,
}

/// The segment in the making, and the window.
struct Output<'a> {
    target: &'a Target<'a>,
    writer: SegmentWriter,
    watch: DuplicateWatch,
    rows: RowBuffer,
    keys: Keys,
}

impl Output<'_> {
    /// Sorts and writes the rows of the window; returns how many they were.
    fn flush(&mut self, packing: &Packing) -> Result<u64> {
        let (order, ties) = self.keys.order(&self.rows.key(self.target.encoder, packing));
        for place in ties {
            let key = self.rows.encoded_key(self.target.encoder, order[place])?;
            self.watch.keep(&key);
        }
        self.rows.freeze();
        for part in order.chunks(OUTPUT_ROWS) {
            let batch = self.rows.gather(part)?;
            if let Some(unique) = self.target.unique {
                self.watch.look(unique, &batch)?;
            }
            self.writer.write(&batch)?;
        }
        self.rows.clear();
        self.keys.clear();
        Ok(order.len() as u64)
    }
}
