//! One task of reading: a range of a large file, or several whole small files, from bytes to sorted
//! segments or runs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;

use super::convert::{Converter, Piece, is_clean_text, unescaped_buffer};
use super::fault::Fault;
use super::input::{ByteStream, Content, InputFile, PIECE_BYTES};
use super::record::JobLog;
use super::typed::read_groups;
use crate::error::Result;
use crate::job::JobContext;
use crate::job::merge::DuplicateWatch;
use crate::job::run::{Run, RunSpace};
use crate::job::sort::Sorter;
use crate::job::table::{Layout, SEGMENT_BYTES, SortedSegment};
use crate::record::{Records, TextFormat, TextReader};
use crate::store::{RowIds, Segment, SegmentWriter};

/// A part of a file to read: records that start in `start..end`.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The position of the file in the import.
    pub(crate) file: usize,
    /// The first byte.
    pub(crate) start: u64,
    /// The byte behind the last one; `u64::MAX` for the whole rest.
    pub(crate) end: u64,
    /// Whether `start` is known to be the start of a record; otherwise it is guessed from there.
    pub(crate) exact: bool,
}

/// A piece of work for one thread.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Its position in file order.
    pub(crate) number: usize,
    /// What to read.
    pub(crate) parts: Vec<Part>,
}

/// What reading a part gave.
#[derive(Debug)]
pub(crate) struct PartRead {
    /// The file.
    pub(crate) file: usize,
    /// Where the first record started.
    pub(crate) start: u64,
    /// Where the next record starts.
    pub(crate) next: u64,
    /// Its rows.
    pub(crate) rows: u64,
    /// Rows, from 0 in this part, with offset, in which a lazy quote swallowed a line break.
    pub(crate) swallowed: Vec<(u64, u64)>,
    /// The first faulty row, at which reading stopped.
    pub(crate) fault: Option<Fault>,
    /// Whether it goes to the end of the file.
    pub(crate) to_end: bool,
}

impl PartRead {
    /// Returns the start of reading a part whose first record is at `start`.
    pub(crate) fn new(part: &Part, start: u64) -> Self {
        Self {
            file: part.file,
            start,
            next: start,
            rows: 0,
            swallowed: Vec::new(),
            fault: None,
            to_end: part.end == u64::MAX,
        }
    }
}

/// A segment of a table without primary key, which stays in file order.
pub(crate) struct OrderedSegment {
    /// The segment.
    pub(crate) segment: Segment,
    /// The part of the task that it belongs to.
    pub(crate) part: usize,
    /// Rows of the part before it.
    pub(crate) rows_before: u64,
}

/// What a task gave.
#[derive(Default)]
pub(crate) struct TaskRead {
    /// The parts read; fewer than asked for if one has a fault.
    pub(crate) parts: Vec<PartRead>,
    /// Segments in key order.
    pub(crate) sorted: Vec<SortedSegment>,
    /// Segments in file order.
    pub(crate) ordered: Vec<OrderedSegment>,
    /// Sorted runs.
    pub(crate) runs: Vec<Run>,
    /// Keys found twice.
    pub(crate) duplicates: Vec<Vec<u8>>,
}

/// What all tasks share.
pub(crate) struct Shared<'a> {
    /// The job.
    pub(crate) context: &'a JobContext,
    /// The files.
    pub(crate) files: &'a [InputFile],
    /// The table.
    pub(crate) layout: &'a Layout,
    /// Turns records into rows.
    pub(crate) converter: Converter<'a>,
    /// The most records to read of each file.
    pub(crate) row_limit: Option<u64>,
    /// How many bytes of a file are read before what they gave is taken in, about.
    pub(crate) split: u64,
    /// Where runs go.
    pub(crate) space: &'a Arc<RunSpace>,
    /// Rows converted so far.
    pub(crate) rows: AtomicU64,
    /// Bytes read so far.
    pub(crate) bytes: AtomicU64,
    /// Whether rows out of key order were met: then tasks begin by sorting.
    pub(crate) unsorted: AtomicBool,
    /// Tasks behind this one need not go on: an earlier one has a fault.
    pub(crate) stop_after: AtomicUsize,
    /// The job's record.
    pub(crate) log: &'a Mutex<JobLog>,
}

/// Runs a task; `None` if it was given up because an earlier one has a fault. What is finished of a long
/// task before its end goes to `emit`.
pub(crate) fn run_task(
    shared: &Shared<'_>,
    task: &Task,
    emit: &dyn Fn(TaskRead),
) -> Result<Option<TaskRead>> {
    let mut sink = Sink::new(shared, emit);
    for part in &task.parts {
        // A file that can be read from its start only is one part, however long it is.
        sink.splits = shared.row_limit.is_none() && shared.files[part.file].is_one_long_part();
        let Some(read) = read_part(shared, task.number, part, &mut sink)? else {
            sink.discard();
            return Ok(None);
        };
        sink.end_part()?;
        let faulty = read.fault.is_some();
        sink.done.parts.push(read);
        if faulty {
            break;
        }
    }
    Ok(Some(sink.finish()?))
}

/// Returns the offset of the first record of a part, by a guess if it is not known.
fn first_record(shared: &Shared<'_>, part: &Part, format: &TextFormat) -> Result<u64> {
    if part.exact {
        return Ok(part.start);
    }
    let mut window = Vec::new();
    let mut stream = shared.files[part.file].bytes_from(part.start - 1)?;
    loop {
        let want = window.len().max(64 << 10);
        let at_end = stream.fill(&mut window, want)?;
        if let Some(offset) = format.guess_record_start(&window) {
            return Ok(part.start - 1 + offset as u64);
        }
        if at_end || part.start + window.len() as u64 >= part.end {
            return Ok(part.end);
        }
    }
}

/// Rows on their way from a part.
pub(crate) struct RowsRead<'a> {
    /// The rows.
    pub(crate) batch: &'a RecordBatch,
    /// How many bytes of text they were made from, comments and blank lines included.
    pub(crate) bytes: u64,
    /// Rows of the part before them.
    pub(crate) rows_before: u64,
    /// Where `starts` count from in the file.
    pub(crate) base: u64,
    /// Where the record of each row starts.
    pub(crate) starts: &'a [u32],
}

/// Takes the rows of a part; tells when it has seen enough.
pub(crate) trait RowSink {
    /// Takes rows.
    fn take(&mut self, rows: &RowsRead<'_>) -> Result<ControlFlow<()>>;

    /// Is told how much of a part is read; may take it for a part of its own, behind which `read` starts.
    fn pass(&mut self, _read: &mut PartRead) -> Result {
        Ok(())
    }
}

/// Reads a part; `None` if it was given up.
pub(crate) fn read_part(
    shared: &Shared<'_>,
    task: usize,
    part: &Part,
    sink: &mut dyn RowSink,
) -> Result<Option<PartRead>> {
    let file = &shared.files[part.file];
    let format = match &file.content {
        Content::Text(format) => format,
        Content::Parquet(parquet, columns) => {
            return read_groups(shared, task, part, (parquet, columns), sink);
        }
    };
    let start = first_record(shared, part, format)?;
    let mut read = PartRead::new(part, start);
    if start >= part.end {
        return Ok(Some(read));
    }
    let mut pieces = Pieces {
        stream: file.bytes_from(start)?,
        reader: format.reader(file.fields).with_quoted(shared.converter.nulls.needs_quotes()),
        records: Records::default(),
        carried: Vec::new(),
        used: Vec::new(),
    };
    loop {
        shared.context.cancellation.check()?;
        if shared.stop_after.load(Ordering::Relaxed) < task {
            return Ok(None);
        }
        if pieces.read_next(shared, part, &mut read, sink)?.is_break() {
            return Ok(Some(read));
        }
        sink.pass(&mut read)?;
    }
}

/// The bytes of a part, read piece by piece.
struct Pieces {
    stream: ByteStream,
    reader: TextReader,
    records: Records,
    /// The bytes of the record that the last piece ended in.
    carried: Vec<u8>,
    /// The last pieces. Their memory is used again when no row refers to it any more: new memory would
    /// have to be cleared, by us and by the system.
    used: Vec<Buffer>,
}

/// The most pieces that are kept to be used again.
const KEPT_PIECES: usize = 8;

impl Pieces {
    /// Reads the next piece and gives its rows to `sink`; breaks at the end of the part, at a faulty
    /// row, or when `sink` has seen enough.
    fn read_next(
        &mut self,
        shared: &Shared<'_>,
        part: &Part,
        read: &mut PartRead,
        sink: &mut dyn RowSink,
    ) -> Result<ControlFlow<()>> {
        let base = read.next;
        let (raw, at_end) = self.fill(shared)?;
        let limit = usize::try_from(part.end.saturating_sub(base)).unwrap_or(usize::MAX);
        let most = shared.row_limit.map_or(u64::MAX, |most| most - read.rows);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let records = &mut self.records;
        let outcome = self.reader.read(&raw, 0, limit.min(raw.len()), most, at_end, records);
        let unescaped = unescaped_buffer(records);
        let utf8 = is_clean_text(&raw) && is_clean_text(&unescaped);
        let piece = Piece { raw: &raw, base, records, unescaped: &unescaped, utf8 };
        let (batch, fault) = shared.converter.convert(&shared.files[part.file], &piece)?;
        read.swallowed.extend(records.swallowed.iter().map(|&record| {
            (read.rows + u64::from(record), base + u64::from(records.starts[record as usize]))
        }));
        let rows = batch.num_rows() as u64;
        let used = match &outcome {
            Ok(next) => *next,
            Err(error) => error.start,
        };
        let rows_read = RowsRead {
            batch: &batch,
            bytes: used as u64,
            rows_before: read.rows,
            base,
            starts: &records.starts,
        };
        if sink.take(&rows_read)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        shared.rows.fetch_add(rows, Ordering::Relaxed);
        let fault = fault.or_else(|| {
            let error = outcome.as_ref().err()?.clone();
            Some(Fault::of_record(error, base, &raw).after(rows))
        });
        read.fault = fault.map(|fault| fault.after(read.rows));
        read.rows += rows;
        if read.fault.is_some() {
            return Ok(ControlFlow::Break(()));
        }
        if records.ended {
            // Ranges behind this one hold no records.
            read.next = u64::MAX;
            return Ok(ControlFlow::Break(()));
        }
        read.next = base + used as u64;
        let limited = shared.row_limit == Some(read.rows);
        // At the end of the file comments and blank lines may be all that is left.
        let ended = at_end && (used >= raw.len() || records.count == 0);
        if limited || ended || read.next >= part.end {
            return Ok(ControlFlow::Break(()));
        }
        self.carried = raw[used..].to_vec();
        self.used.push(raw);
        Ok(ControlFlow::Continue(()))
    }

    /// Returns what was carried over with the bytes that follow, twice as many if a record did not
    /// fit, and whether the file ends there.
    fn fill(&mut self, shared: &Shared<'_>) -> Result<(Buffer, bool)> {
        let before = self.carried.len();
        let want = PIECE_BYTES.max(before);
        let mut bytes = self.take_memory();
        bytes.resize(bytes.len().max(before), 0);
        bytes[..before].copy_from_slice(&self.carried);
        let at_end = self.stream.fill_behind(&mut bytes, before, want)?;
        shared.bytes.fetch_add((bytes.len() - before) as u64, Ordering::Relaxed);
        Ok((Buffer::from_vec(bytes), at_end))
    }

    /// Returns the memory of a piece that nobody refers to, with whatever it holds; otherwise new.
    fn take_memory(&mut self) -> Vec<u8> {
        let mut still_used = Vec::with_capacity(KEPT_PIECES);
        let mut free = None;
        for piece in self.used.drain(..) {
            match piece.into_vec() {
                Ok(bytes) => free = Some(bytes),
                Err(piece) => still_used.push(piece),
            }
        }
        let surplus = still_used.len().saturating_sub(KEPT_PIECES);
        self.used.extend(still_used.drain(surplus..));
        free.unwrap_or_default()
    }
}

/// Where a task's rows go: straight into segments while they come in key order, else through sorted
/// runs.
struct Sink<'a> {
    shared: &'a Shared<'a>,
    open: Option<OpenSegment>,
    sorter: Option<Sorter>,
    watch: DuplicateWatch,
    done: TaskRead,
    rows_in_part: u64,
    /// Whether the part is taken in pieces.
    splits: bool,
    emit: &'a dyn Fn(TaskRead),
}

impl RowSink for Sink<'_> {
    fn pass(&mut self, read: &mut PartRead) -> Result {
        if !self.splits || read.next - read.start < self.shared.split {
            return Ok(());
        }
        let next =
            PartRead { start: read.next, rows: 0, swallowed: Vec::new(), fault: None, ..*read };
        let part = PartRead { to_end: false, ..std::mem::replace(read, next) };
        self.close_segment()?;
        self.done.parts.push(part);
        let done = self.take_done()?;
        (self.emit)(done);
        Ok(())
    }

    fn take(&mut self, rows: &RowsRead<'_>) -> Result<ControlFlow<()>> {
        self.rows_in_part = rows.rows_before;
        if rows.batch.num_rows() == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        if self.shared.layout.is_sorted() {
            self.write_by_key(rows.batch, rows.bytes)?;
        } else {
            self.append(rows.batch, rows.bytes, (Vec::new(), Vec::new()))?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A segment that is being written.
struct OpenSegment {
    writer: SegmentWriter,
    first: Vec<u8>,
    last: Vec<u8>,
    /// Bytes of CSV that went into it.
    bytes: u64,
    rows_before: u64,
}

impl<'a> Sink<'a> {
    fn new(shared: &'a Shared<'a>, emit: &'a dyn Fn(TaskRead)) -> Self {
        Self {
            shared,
            splits: false,
            emit,
            open: None,
            sorter: None,
            watch: DuplicateWatch::default(),
            done: TaskRead::default(),
            rows_in_part: 0,
        }
    }

    fn write_by_key(&mut self, batch: &RecordBatch, bytes: u64) -> Result {
        let sorting = self.sorter.is_some()
            || (self.open.is_none() && self.shared.unsorted.load(Ordering::Relaxed));
        if !sorting {
            let encoder = &self.shared.layout.encoder;
            if let Some(ends) = encoder.ends(batch)?.filter(|ends| self.follows(&ends.first)) {
                self.watch.pass(encoder, batch, &ends)?;
                return self.append(batch, bytes, (ends.first, ends.last));
            }
            self.shared.unsorted.store(true, Ordering::Relaxed);
            self.close_segment()?;
        }
        let sorter = self.sorter.get_or_insert_with(|| {
            let context = self.shared.context;
            let share = context.memory / 2 / context.threads as u64;
            Sorter::new(
                Arc::clone(&self.shared.layout.encoder),
                Arc::clone(self.shared.space),
                usize::try_from(share).unwrap_or(usize::MAX).max(1 << 20),
            )
        });
        sorter.push(batch)
    }

    fn follows(&self, key: &[u8]) -> bool {
        self.open.as_ref().is_none_or(|open| open.last.as_slice() <= key)
    }

    fn append(
        &mut self,
        batch: &RecordBatch,
        bytes: u64,
        (first, last): (Vec<u8>, Vec<u8>),
    ) -> Result {
        if self.open.is_none() {
            let layout = self.shared.layout;
            let store = &self.shared.context.store;
            let writer = store.create_segment(layout.table.id, &layout.columns, &layout.key)?;
            let rows_before = self.rows_in_part;
            self.open =
                Some(OpenSegment { writer, first, last: Vec::new(), bytes: 0, rows_before });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.writer.write(batch)?;
        open.last = last;
        open.bytes += bytes;
        if open.bytes >= SEGMENT_BYTES { self.close_segment() } else { Ok(()) }
    }

    /// Ends a part: rows of different files never share a segment if row ids tell files apart.
    fn end_part(&mut self) -> Result {
        if self.shared.layout.is_sorted() { Ok(()) } else { self.close_segment() }
    }

    fn close_segment(&mut self) -> Result {
        let Some(open) = self.open.take() else { return Ok(()) };
        let segment = open.writer.finish()?;
        if self.shared.layout.is_sorted() {
            self.done.sorted.push(SortedSegment { segment, first: open.first, last: open.last });
        } else {
            let (part, rows_before) = (self.done.parts.len(), open.rows_before);
            self.done.ordered.push(OrderedSegment { segment, part, rows_before });
        }
        Ok(())
    }

    fn discard(self) {
        self.done.discard(self.shared);
    }

    fn finish(mut self) -> Result<TaskRead> {
        self.take_done()
    }

    /// Completes what was begun and returns all that is done.
    fn take_done(&mut self) -> Result<TaskRead> {
        self.close_segment()?;
        if let Some(sorter) = self.sorter.take() {
            self.done.runs = sorter.finish()?;
        }
        self.done.duplicates = std::mem::take(&mut self.watch).into_duplicates();
        Ok(std::mem::take(&mut self.done))
    }
}

impl TaskRead {
    /// Removes the files of a task whose rows are not wanted.
    pub(crate) fn discard(self, shared: &Shared<'_>) {
        let segments: Vec<Segment> = self
            .sorted
            .into_iter()
            .map(|sorted| sorted.segment)
            .chain(self.ordered.into_iter().map(|ordered| ordered.segment))
            .collect();
        shared.context.store.discard_segments(shared.layout.table.id, &segments);
    }
}

impl OrderedSegment {
    /// Returns the segment with its row ids set; `rows_before` rows of the file stand before its part.
    pub(crate) fn numbered(mut self, file_index: u32, rows_before: u64) -> Segment {
        let first_row = rows_before + self.rows_before + 1;
        self.segment.rowids = Some(RowIds::Import { file_index, first_row });
        self.segment
    }
}
