//! Secondary indexes whose entries are a few numbers, or texts of which there are few: each entry is
//! one number of eight bytes, all are sorted at once in memory, and the columns are read back from the
//! numbers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::JobContext;
use super::index::{IndexLayout, index_rows};
use super::key::{KeyEncoder, arrow_error};
use super::merge::DuplicateWatch;
use super::ranks::{Distinct, Ranks};
use super::sort::{Column, Packing, RowBuffer, join, sort_numbers, spans};
use crate::catalog::TableDescriptor;
use crate::error::{Error, Result};
use crate::store::{ScanRequest, Segment, SegmentColumn};
use crate::types::SqlType;

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
    /// What texts are replaced by, for each column.
    ranks: Vec<Option<Ranks>>,
    /// Encodes the key of entries.
    encoder: KeyEncoder,
    packing: Packing,
    /// The columns of entries.
    entry: SchemaRef,
    /// The columns of the index.
    schema: SchemaRef,
}

impl<'a> PackedIndex<'a> {
    /// Returns how the index is built, if its entries over `segments` can be packed and fit memory.
    pub(crate) fn new(
        context: &'a JobContext,
        table: &'a TableDescriptor,
        layout: &'a IndexLayout,
        segments: &[Arc<Segment>],
    ) -> Result<Option<Self>> {
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        // The key of an index has every column once; what it stores besides is no number of a key.
        let all_key = layout.key.iter().enumerate().all(|(at, (position, _))| at == *position)
            && layout.key.len() == layout.columns.len();
        if !all_key || rows * ENTRY_BYTES > context.memory / 8 * 5 {
            return Ok(None);
        }
        let mut ranks = Vec::with_capacity(layout.columns.len());
        let mut columns = layout.columns.clone();
        for column in &mut columns {
            let text = column.sql_type.storage() == DataType::Utf8View;
            let ranked = if text { rank(context, table, column, segments)? } else { None };
            if ranked.is_some() {
                column.sql_type = SqlType::Int4;
            }
            ranks.push(ranked);
        }
        let mut all = None;
        for segment in segments {
            let ends = columns.iter().zip(&ranks).map(|(column, ranks)| {
                let ranks = ranks.as_ref().map(Ranks::ends);
                range_of(segment, column, ranks.as_ref())
            });
            let Some(ends) = ends.collect::<Option<Vec<Column>>>() else { return Ok(None) };
            let spans = spans(&ends.iter().collect::<Vec<_>>());
            all = Some(all.map_or_else(|| spans.clone(), |all: Vec<_>| join(&all, &spans)));
        }
        let Some(all) = all else { return Ok(None) };
        let encoder = KeyEncoder::new(&columns, &layout.key)?;
        let packing = Packing::new(&all, encoder.descending());
        let (entry, schema) = (schema_of(&columns), schema_of(&layout.columns));
        let index = Self { context, table, layout, ranks, encoder, packing, entry, schema };
        Ok(index.packing.is_reversible().then_some(index))
    }

    /// Returns the segments of the index, of about `part_rows` rows, and keys that occur twice in a
    /// unique one. Tells `rows_done` of rows that are read, and again of those that are written.
    pub(crate) fn build(
        &self,
        segments: &[Arc<Segment>],
        part_rows: usize,
        rows_done: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<Segment>, DuplicateWatch)> {
        let entries = in_parallel(self.context.threads, segments.len(), |number| {
            self.read(&segments[number], rows_done)
        })?;
        let shift = self.packing.bits().saturating_sub(COUNTED_BITS);
        let bounds = cut(&entries, shift, part_rows);
        let done: Mutex<Vec<Segment>> = Mutex::default();
        let made = in_parallel(self.context.threads, bounds.len(), |part| {
            let made = self.write_part((&entries, shift), bounds[part], rows_done)?;
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
    fn read(&self, segment: &Arc<Segment>, rows_done: &(dyn Fn(u64) + Sync)) -> Result<Vec<u64>> {
        let mut entries = Vec::with_capacity(usize::try_from(segment.rows).unwrap_or(0));
        let mut buffer = RowBuffer::new(&self.entry)?;
        for batch in index_rows(self.context, self.table, self.layout, segment)? {
            self.context.cancellation.check()?;
            let entry =
                self.replace(&batch?, &self.entry, |ranks, texts| Ok(ranks.encode(texts)))?;
            buffer.append(&entry)?;
            rows_done(entry.num_rows() as u64);
            entries.extend(
                self.packing.pack::<u64>(&buffer.key(&self.encoder, &self.packing).columns),
            );
            buffer.clear();
        }
        Ok(entries)
    }

    /// Returns a batch with the columns that have ranks replaced.
    fn replace(
        &self,
        batch: &RecordBatch,
        schema: &SchemaRef,
        by: impl Fn(&Ranks, &ArrayRef) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&self.ranks).map(|(values, ranks)| match ranks {
            Some(ranks) => by(ranks, values),
            None => Ok(Arc::clone(values)),
        });
        RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)
            .map_err(arrow_error)
    }

    /// Writes the entries whose high bits are in `range` to a segment, in order.
    fn write_part(
        &self,
        (entries, shift): (&[Vec<u64>], u32),
        (low, high): (u64, u64),
        rows_done: &(dyn Fn(u64) + Sync),
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
        let mut buffer = RowBuffer::new(&self.entry)?;
        let all: Vec<u32> = (0..).take(OUTPUT_ROWS).collect();
        for entries in sorted.chunks(OUTPUT_ROWS) {
            self.context.cancellation.check()?;
            buffer.append_keys(&self.packing, entries);
            let batch = buffer.gather(&all[..entries.len()])?;
            let batch = self.replace(&batch, &self.schema, Ranks::decode)?;
            if let Some(unique) = &self.layout.unique {
                watch.look(unique, &batch)?;
            }
            writer.write(&batch)?;
            rows_done(batch.num_rows() as u64);
            buffer.clear();
        }
        Ok((writer.finish()?, watch))
    }
}

fn schema_of(columns: &[SegmentColumn]) -> SchemaRef {
    let field = |column: &SegmentColumn| Field::new(&column.name, column.sql_type.storage(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Returns the ranks of the texts of a column, if they are few.
fn rank(
    context: &JobContext,
    table: &TableDescriptor,
    column: &SegmentColumn,
    segments: &[Arc<Segment>],
) -> Result<Option<Ranks>> {
    let request = ScanRequest { columns: vec![column.id], ..ScanRequest::default() };
    let parts = in_parallel(context.threads, segments.len(), |number| {
        let mut distinct = Distinct::default();
        let columns = std::slice::from_ref(column);
        for batch in context.store.scan(table.id, &segments[number], columns, &request)? {
            context.cancellation.check()?;
            if !distinct.add(batch?.column(0)) {
                return Ok(None);
            }
        }
        Ok(Some(distinct))
    })?;
    Ok(parts.into_iter().collect::<Option<Vec<_>>>().and_then(Ranks::new))
}

/// Returns a column of the smallest and the largest value in a segment, or of `ranks`, and NULL if it
/// has any; nothing if they are not known.
fn range_of(segment: &Segment, column: &SegmentColumn, ranks: Option<&ArrayRef>) -> Option<Column> {
    let statistics = segment.column_statistics(column.id)?;
    let range = ranks.or(statistics.range.as_ref())?;
    if *range.data_type() != column.sql_type.storage() {
        return None;
    }
    let mut ends = Column::new(range.data_type()).ok()?;
    ends.append(range).ok()?;
    if statistics.nulls > 0 {
        ends.append(&new_null_array(&column.sql_type.storage(), 1)).ok()?;
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
pub(crate) fn in_parallel<T: Send>(
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
