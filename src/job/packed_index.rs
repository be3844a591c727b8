//! Secondary indexes whose entries are a few numbers: each entry is one number of eight bytes, all are
//! sorted at once in memory, and the columns are read back from the numbers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::JobContext;
use super::index::{IndexLayout, index_rows};
use super::merge::DuplicateWatch;
use super::sort::{Column, Packing, RowBuffer, join, sort_numbers, spans};
use crate::catalog::TableDescriptor;
use crate::error::{Error, Result};
use crate::store::{Segment, SegmentColumn};

/// What an entry takes in memory: itself, its place in a part and one to sort it to.
const ENTRY_BYTES: u64 = 24;

/// Rows of a batch that goes to a segment.
const OUTPUT_ROWS: usize = 16 << 10;

/// The bits by which entries are counted before they are cut into parts.
const COUNTED_BITS: u32 = 12;

/// How an index is built of packed entries.
pub(crate) struct PackedIndex<'a> {
    context: &'a JobContext,
    table: &'a TableDescriptor,
    layout: &'a IndexLayout,
    packing: Packing,
    schema: SchemaRef,
}

impl<'a> PackedIndex<'a> {
    /// Returns how the index is built, if its entries over `segments` can be packed and fit memory.
    pub(crate) fn new(
        context: &'a JobContext,
        table: &'a TableDescriptor,
        layout: &'a IndexLayout,
        segments: &[Arc<Segment>],
    ) -> Option<Self> {
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        // The key of an index has every column once; what it stores besides is no number of a key.
        let all_key = layout.key.iter().enumerate().all(|(at, (position, _))| at == *position)
            && layout.key.len() == layout.columns.len();
        if !all_key || rows * ENTRY_BYTES > context.memory / 8 * 5 {
            return None;
        }
        let mut all = None;
        for segment in segments {
            let columns: Vec<Column> = layout
                .columns
                .iter()
                .map(|column| range_of(segment, column))
                .collect::<Option<_>>()?;
            let spans = spans(&columns.iter().collect::<Vec<_>>());
            all = Some(all.map_or_else(|| spans.clone(), |all: Vec<_>| join(&all, &spans)));
        }
        let packing = Packing::new(&all?, layout.encoder.descending());
        let fields: Vec<Field> = layout
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.sql_type.storage(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        packing.is_reversible().then_some(Self { context, table, layout, packing, schema })
    }

    /// Returns the segments of the index, of about `part_rows` rows, and keys that occur twice in a
    /// unique one.
    pub(crate) fn build(
        &self,
        segments: &[Arc<Segment>],
        part_rows: usize,
    ) -> Result<(Vec<Segment>, DuplicateWatch)> {
        let entries = in_parallel(self.context.threads, segments.len(), |number| {
            self.read(&segments[number])
        })?;
        let shift = self.packing.bits().saturating_sub(COUNTED_BITS);
        let bounds = cut(&entries, shift, part_rows);
        let done: Mutex<Vec<Segment>> = Mutex::default();
        let made = in_parallel(self.context.threads, bounds.len(), |part| {
            let made = self.write_part(&entries, shift, bounds[part])?;
            done.lock().expect("no thread panics with the lock").push(made.0.clone());
            Ok(made)
        });
        let made = made.inspect_err(|_| {
            let done = done.into_inner().expect("no thread panics with the lock");
            self.context.store.discard_segments(self.table.id, &done);
        })?;
        let mut watch = DuplicateWatch::default();
        let mut segments = Vec::with_capacity(made.len());
        for (segment, part) in made {
            watch.append(part);
            segments.push(segment);
        }
        Ok((segments, watch))
    }

    /// Returns the entries of the rows of a segment.
    fn read(&self, segment: &Arc<Segment>) -> Result<Vec<u64>> {
        let mut entries = Vec::with_capacity(usize::try_from(segment.rows).unwrap_or(0));
        let mut buffer = RowBuffer::new(&self.schema)?;
        for batch in index_rows(self.context, self.table, self.layout, segment)? {
            self.context.cancellation.check()?;
            buffer.append(&batch?)?;
            entries.extend(
                self.packing.pack::<u64>(&buffer.key(&self.layout.encoder, &self.packing).columns),
            );
            buffer.clear();
        }
        Ok(entries)
    }

    /// Writes the entries whose high bits are in `range` to a segment, in order.
    fn write_part(
        &self,
        entries: &[Vec<u64>],
        shift: u32,
        (low, high): (u64, u64),
    ) -> Result<(Segment, DuplicateWatch)> {
        let inside = |entry: &u64| (low..high).contains(&(entry >> shift));
        let count = entries.iter().flatten().filter(|entry| inside(entry)).count();
        let mut sorted: Vec<u64> = Vec::with_capacity(count);
        for entries in entries {
            sorted.extend(entries.iter().filter(|entry| inside(entry)));
        }
        sort_numbers(&mut sorted, self.packing.bits());
        let store = &self.context.store;
        let (columns, key) = (&self.layout.columns, &self.layout.key);
        let mut writer = store.create_segment(self.table.id, columns, key)?;
        let mut watch = DuplicateWatch::default();
        let mut buffer = RowBuffer::new(&self.schema)?;
        let all: Vec<u32> = (0..).take(OUTPUT_ROWS).collect();
        for entries in sorted.chunks(OUTPUT_ROWS) {
            self.context.cancellation.check()?;
            buffer.append_keys(&self.packing, entries);
            let batch = buffer.gather(&all[..entries.len()])?;
            if let Some(unique) = &self.layout.unique {
                watch.look(unique, &batch)?;
            }
            writer.write(&batch)?;
            buffer.clear();
        }
        Ok((writer.finish()?, watch))
    }
}

/// Returns a column of the smallest and the largest value in a segment, and NULL if it has any;
/// nothing if they are not known.
fn range_of(segment: &Segment, column: &SegmentColumn) -> Option<Column> {
    let statistics = segment.column_statistics(column.id)?;
    let range = statistics.range.as_ref()?;
    if *range.data_type() != column.sql_type.storage() {
        return None;
    }
    let mut ends = Column::new(range.data_type()).ok()?;
    ends.append(range).ok()?;
    if statistics.nulls > 0 {
        ends.append(&arrow::array::new_null_array(&column.sql_type.storage(), 1)).ok()?;
    }
    Some(ends)
}

/// Cuts the entries into ranges of their high bits, of about `part_rows` entries each.
fn cut(entries: &[Vec<u64>], shift: u32, part_rows: usize) -> Vec<(u64, u64)> {
    let mut counts = vec![0_usize; 1 << COUNTED_BITS];
    #[expect(clippy::cast_possible_truncation, reason = "the high bits are few")]
    entries.iter().flatten().for_each(|entry| counts[(entry >> shift) as usize] += 1);
    let (mut ranges, mut start, mut rows) = (Vec::new(), 0, 0);
    for (end, count) in (1..).zip(counts) {
        rows += count;
        if rows >= part_rows {
            ranges.push((start, end));
            (start, rows) = (end, 0);
        }
    }
    if rows > 0 {
        ranges.push((start, 1 << COUNTED_BITS));
    }
    ranges
}

/// Does `count` pieces of work on all threads; returns what they gave in order, or an error.
fn in_parallel<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let given = work(number);
                    if given.is_err() {
                        next.store(count, Ordering::Relaxed);
                    }
                    done.lock().expect("no thread panics with the lock").push((number, given));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics with the lock");
    done.sort_unstable_by_key(|(number, _)| *number);
    let given: Vec<T> = done.into_iter().map(|(_, given)| given).collect::<Result<_>>()?;
    if given.len() == count { Ok(given) } else { Err(Error::internal("a piece of work was left")) }
}
