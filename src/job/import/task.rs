//! One task of reading: a range of a large file, or several whole small files, from bytes to sorted
//! segments or runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;

use super::convert::{Converted, Converter, Piece, is_clean_text, unescaped_buffer};
use super::fault::Fault;
use super::input::{ByteStream, Content, InputFile, PIECE_BYTES};
use super::record::JobLog;
use super::reject::{Rejects, Tolerated};
use super::stored::Stored;
use super::typed::read_groups;
use crate::error::Result;
use crate::job::JobContext;
use crate::job::merge::DuplicateWatch;
use crate::job::run::{Run, RunSpace};
use crate::job::sort::Sorter;
use crate::job::table::{Layout, SEGMENT_BYTES, SortedSegment};
use crate::record::{RecordError, Records, Repairs, TextFormat, TextReader};
use crate::source::{Malformed, TempDirectory};
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
pub(crate) struct PartRead {
    /// The file.
    pub(crate) file: usize,
    /// Where the first record started.
    pub(crate) start: u64,
    /// Where the next record starts.
    pub(crate) next: u64,
    /// Its rows.
    pub(crate) rows: u64,
    /// Its data records: the rows and those left out.
    pub(crate) records: u64,
    /// Those left out, with what is wrong with them.
    pub(crate) rejects: Rejects,
    /// What lenient reading has repaired.
    pub(crate) repairs: Repairs,
    /// Records, from 0 in this part, with offset, in which a lazy quote swallowed a line break.
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
            records: 0,
            rejects: Rejects::default(),
            repairs: Repairs::default(),
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
    /// Bytes of content read so far.
    pub(crate) bytes: AtomicU64,
    /// How much of the files that is.
    pub(crate) stored: Stored,
    /// Whether rows out of key order were met: then tasks begin by sorting.
    pub(crate) unsorted: AtomicBool,
    /// Tasks behind this one need not go on: an earlier one has a fault.
    pub(crate) stop_after: AtomicUsize,
    /// The job's record.
    pub(crate) log: &'a Mutex<JobLog>,
    /// What becomes of rows that cannot be imported, unless they end the import.
    pub(crate) tolerated: Option<Tolerated>,
    /// Where rejects go that are too many for memory.
    pub(crate) temp: &'a Arc<TempDirectory>,
    /// The records of each file, by their offsets in order, that are left out because of their keys.
    pub(crate) excluded: Mutex<Vec<Arc<Vec<u64>>>>,
}

impl Shared<'_> {
    /// Returns whether rows are left out because of their keys.
    pub(crate) fn leaves_out_keys(&self) -> bool {
        let excluded = self.excluded.lock().unwrap_or_else(PoisonError::into_inner);
        excluded.iter().any(|records| !records.is_empty())
    }

    /// Returns whether this many rejects are more than may be.
    pub(crate) fn are_too_many(&self, rejects: u64) -> bool {
        let most = self.tolerated.and_then(|tolerated| tolerated.max_errors);
        most.is_some_and(|most| rejects > most)
    }
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

/// The bytes of a piece that were read.
#[derive(Clone, Copy)]
struct Window<'a> {
    /// The bytes, and some more.
    raw: &'a Buffer,
    /// Where they start in the file.
    base: u64,
    /// How many were read.
    used: usize,
}

/// Rows on their way from a part.
pub(crate) struct RowsRead<'a> {
    /// The rows.
    pub(crate) batch: &'a RecordBatch,
    /// How many bytes of text they were made from, comments and blank lines included.
    pub(crate) bytes: u64,
    /// Rows of the part before them.
    pub(crate) rows_before: u64,
    /// Records of the part before them.
    records_before: u64,
    /// What they were made from; nothing in files that are no text.
    text: Option<(Window<'a>, &'a Records)>,
    /// The record of each row, unless they are all of them.
    kept: Option<&'a [u32]>,
}

impl<'a> RowsRead<'a> {
    /// Returns rows of a file that is no text, behind `rows_before` others.
    pub(crate) fn typed(batch: &'a RecordBatch, bytes: u64, rows_before: u64) -> Self {
        Self { batch, bytes, rows_before, records_before: rows_before, text: None, kept: None }
    }

    /// Returns the number among the records of the part, from 0, of the record that became a row, and
    /// its offset in the file; rows of files that are no text have none.
    pub(crate) fn record_of(&self, row: usize) -> (u64, u64) {
        let record = self.record(row);
        let Some((window, records)) = self.text else {
            return (self.records_before + record as u64, 0);
        };
        let number = self.records_before + number_in_piece(records, record);
        let start = records.starts.get(record).copied().unwrap_or_default();
        (number, window.base + u64::from(start))
    }

    /// Returns the record that became a row as it stands in the file.
    pub(crate) fn raw_of(&self, row: usize, reader: &mut TextReader) -> &'a [u8] {
        let Some((Window { raw, used, .. }, records)) = self.text else { return &[] };
        raw_record(records, raw, self.record(row), used, reader)
    }

    fn record(&self, row: usize) -> usize {
        self.kept.map_or(row, |kept| kept[row] as usize)
    }
}

/// Returns the number of a record among those of its piece, the ones left out counted.
fn number_in_piece(records: &Records, record: usize) -> u64 {
    let before = records.faults.partition_point(|fault| fault.record <= record);
    (record + before) as u64
}

/// Returns a record as it stands in the piece `raw`, of which `used` bytes were read: up to the next line,
/// without comments and blank lines behind it.
fn raw_record<'a>(
    records: &Records,
    raw: &'a [u8],
    record: usize,
    used: usize,
    reader: &mut TextReader,
) -> &'a [u8] {
    let start = records.starts[record] as usize;
    let next = records.starts.get(record + 1).map_or(used, |next| *next as usize);
    let first_behind = records.faults.partition_point(|fault| fault.record <= record);
    let fault = records.faults.get(first_behind).map_or(next, |fault| fault.start);
    let most = next.min(fault).max(start);
    &raw[start..reader.record_end(&raw[..most], start)]
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
        reader: format
            .reader(file.fields)
            .with_quoted(shared.converter.nulls.needs_quotes())
            .leaving_out(shared.tolerated.is_some()),
        records: Records::default(),
        carried: Vec::new(),
        used: Vec::new(),
        malformed: Vec::new(),
        excluded: excluded(shared, part.file),
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

fn excluded(shared: &Shared<'_>, file: usize) -> Option<Arc<Vec<u64>>> {
    let excluded = shared.excluded.lock().unwrap_or_else(PoisonError::into_inner);
    excluded.get(file).filter(|records| !records.is_empty()).cloned()
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
    /// What is malformed in the text that is not yet read.
    malformed: Vec<Malformed>,
    /// Where records start that are left out because of their keys.
    excluded: Option<Arc<Vec<u64>>>,
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
        let (raw, at_end) = self.fill(shared, &shared.files[part.file])?;
        let limit = usize::try_from(part.end.saturating_sub(base)).unwrap_or(usize::MAX);
        let most = shared.row_limit.map_or(u64::MAX, |most| most - read.records);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let records = &mut self.records;
        let outcome = self.reader.read(&raw, 0, limit.min(raw.len()), most, at_end, records);
        let used = match &outcome {
            Ok(next) => *next,
            Err(error) => error.start,
        };
        let window = Window { raw: &raw, base, used };
        let converted = self.convert(shared, &shared.files[part.file], window)?;
        let records = &self.records;
        read.swallowed.extend(records.swallowed.iter().map(|&record| {
            let number = read.records + number_in_piece(records, record as usize);
            (number, base + u64::from(records.starts[record as usize]))
        }));
        read.repairs.add(records.repairs);
        let rows_read = RowsRead {
            batch: &converted.batch,
            bytes: used as u64,
            rows_before: read.rows,
            records_before: read.records,
            text: Some((window, records)),
            kept: converted.kept.as_deref(),
        };
        if sink.take(&rows_read)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.note_faults(shared, read, window, (converted, outcome.err()))?;
        let records = &self.records;
        let count = records.count + records.faults.len();
        read.records += count as u64;
        if read.fault.is_some() || shared.are_too_many(read.rejects.count) {
            return Ok(ControlFlow::Break(()));
        }
        if records.ended {
            // Ranges behind this one hold no records.
            read.next = u64::MAX;
            return Ok(ControlFlow::Break(()));
        }
        read.next = base + used as u64;
        let limited = shared.row_limit == Some(read.records);
        // At the end of the file comments and blank lines may be all that is left.
        let ended = at_end && (used >= raw.len() || count == 0);
        if limited || ended || read.next >= part.end {
            return Ok(ControlFlow::Break(()));
        }
        self.carried = raw[used..].to_vec();
        self.used.push(raw);
        Ok(ControlFlow::Continue(()))
    }

    /// Converts the records of the piece.
    fn convert(
        &mut self,
        shared: &Shared<'_>,
        file: &InputFile,
        window: Window<'_>,
    ) -> Result<Converted> {
        let unescaped = unescaped_buffer(&mut self.records);
        let utf8 = is_clean_text(window.raw) && is_clean_text(&unescaped);
        let left_out = self.left_out(file, window);
        let Window { raw, base, .. } = window;
        let piece =
            Piece { raw, base, records: &self.records, unescaped: &unescaped, utf8, left_out };
        match shared.tolerated {
            None => shared.converter.convert(file, piece),
            Some(_) => shared.converter.convert_sound(file, piece),
        }
    }

    /// Counts the rows of the piece, and notes what is wrong with other records of it.
    fn note_faults(
        &mut self,
        shared: &Shared<'_>,
        read: &mut PartRead,
        window: Window<'_>,
        (converted, fatal): (Converted, Option<RecordError>),
    ) -> Result {
        let rows = converted.batch.num_rows() as u64;
        shared.rows.fetch_add(rows, Ordering::Relaxed);
        read.rows += rows;
        let of_record = |error| Fault::of_record(error, window.base, window.raw);
        if shared.tolerated.is_some() {
            self.reject(shared, read, window, converted.faults)?;
            let number = number_in_piece(&self.records, self.records.count);
            read.fault = fatal.map(|error| of_record(error).after(read.records + number));
        } else {
            let first = converted.faults.into_iter().next().map(|(_, fault)| fault);
            let fault = first.or_else(|| Some(of_record(fatal?).after(rows)));
            read.fault = fault.map(|fault| fault.after(read.records));
        }
        Ok(())
    }

    /// Returns the records that are not to be converted: with a fault those whose text is malformed,
    /// without one those whose keys are no good.
    fn left_out(
        &mut self,
        file: &InputFile,
        Window { raw, base, used }: Window<'_>,
    ) -> BTreeMap<usize, Option<Fault>> {
        let mut left_out = BTreeMap::new();
        let records = &self.records;
        let end = base + used as u64;
        if let Some(excluded) = &self.excluded {
            let from = excluded.partition_point(|offset| *offset < base);
            let to = excluded.partition_point(|offset| *offset < end);
            for offset in &excluded[from..to] {
                let start = |start: &u32| base + u64::from(*start);
                if let Ok(record) = records.starts.binary_search_by_key(offset, start) {
                    left_out.insert(record, None);
                }
            }
        }
        let read = self.malformed.partition_point(|one| one.text < end);
        for malformed in self.malformed.drain(..read) {
            // What was passed over at the head of the file matters to nobody either.
            if malformed.text < base {
                continue;
            }
            let offset = usize::try_from(malformed.text.saturating_sub(base)).unwrap_or(usize::MAX);
            let behind = records.starts.partition_point(|start| (*start as usize) <= offset);
            let Some(record) = behind.checked_sub(1) else { continue };
            let start = records.starts[record] as usize;
            // What is malformed in a comment or in a record that is left out anyway matters to nobody.
            let length = raw_record(records, raw, record, used, &mut self.reader).len();
            if offset < start + length {
                let fault = || {
                    let error = file.encoding_error(&malformed);
                    Fault::of_encoding(error, (base, raw, start), malformed.text)
                };
                left_out.entry(record).or_insert_with(|| Some(fault()));
            }
        }
        left_out
    }

    /// Notes the records of the piece that are left out, in their order.
    fn reject(
        &mut self,
        shared: &Shared<'_>,
        read: &mut PartRead,
        Window { raw, base, used }: Window<'_>,
        faults: Vec<(usize, Fault)>,
    ) -> Result {
        let Some(tolerated) = shared.tolerated else { return Ok(()) };
        let (records, reader) = (&self.records, &mut self.reader);
        let before = read.records;
        let mut sound = faults.into_iter().peekable();
        let mut unreadable = records.faults.iter().enumerate().peekable();
        loop {
            let next = unreadable.peek().map_or(usize::MAX, |(_, error)| error.record);
            let reject = if let Some((record, fault)) = sound.next_if(|(record, _)| *record < next)
            {
                let row = before + number_in_piece(records, record);
                fault.numbered(row).into_reject(raw_record(records, raw, record, used, reader))
            } else if let Some((count, error)) = unreadable.next() {
                let row = before + (error.record + count) as u64;
                let fault = Fault::of_record(error.clone(), base, raw).numbered(row);
                fault.into_reject(&raw[error.start..error.next.unwrap_or(raw.len())])
            } else {
                return Ok(());
            };
            read.rejects.push(reject, tolerated, shared.temp)?;
        }
    }

    /// Returns what was carried over with the bytes that follow, twice as many if a record did not
    /// fit, and whether the file ends there.
    fn fill(&mut self, shared: &Shared<'_>, file: &InputFile) -> Result<(Buffer, bool)> {
        let before = self.carried.len();
        let want = PIECE_BYTES.max(before);
        let mut bytes = self.take_memory();
        bytes.resize(bytes.len().max(before), 0);
        bytes[..before].copy_from_slice(&self.carried);
        let at_end = self.stream.fill_behind(&mut bytes, before, want)?;
        self.malformed.extend(self.stream.take_malformed());
        let filled = (bytes.len() - before) as u64;
        shared.bytes.fetch_add(filled, Ordering::Relaxed);
        shared.stored.add(file, filled);
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
        let next = PartRead {
            start: read.next,
            rows: 0,
            records: 0,
            rejects: Rejects::default(),
            repairs: Repairs::default(),
            swallowed: Vec::new(),
            fault: None,
            ..*read
        };
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
