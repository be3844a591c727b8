//! Sorted runs: rows in key order as blocks, in memory while a job's share of it lasts and in
//! temporary files beyond, with the first key of every block at hand.

mod kept;

use std::collections::{BTreeSet, HashSet};
use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;

use super::key::KeyEncoder;
use super::sort::{MOST_DUPLICATES, RowBuffer, Span, join};
use crate::error::{Error, Result, SqlState};
use crate::source::{TempDirectory, TempFile, TempReader, io_error};
use crate::store::Segment;

/// The bytes that a block should have: small enough that many runs can be open.
const BLOCK_BYTES: usize = 96 << 10;

/// The most rows of a block.
const BLOCK_ROWS: usize = 1024;

/// The bytes that are written to a run's file at once.
const WRITE_BYTES: usize = 256 << 10;

/// Numbers runs within a process, so that their names differ.
static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

/// Where the runs of a job stay: memory first, then its temporary directory.
pub(crate) struct RunSpace {
    temp: Arc<TempDirectory>,
    /// The bytes of memory that no run has taken.
    free: AtomicU64,
    /// Buffers that wait to be used again, since fresh memory costs as much as filling it.
    idle: Mutex<Vec<RowBuffer>>,
    /// Files of segments that a checkpoint names: they stay until the job ends.
    held: Mutex<HashSet<String>>,
}

impl RunSpace {
    /// Returns a space of `memory` bytes and all of `temp`.
    pub(crate) fn new(temp: Arc<TempDirectory>, memory: u64) -> Arc<Self> {
        // When runs are read, what sorting takes is free.
        temp.limit_memory(memory);
        Arc::new(Self {
            temp,
            free: AtomicU64::new(memory),
            idle: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// Returns an empty buffer for rows of `schema`.
    pub(crate) fn buffer(&self, schema: &SchemaRef) -> Result<RowBuffer> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.iter().position(|buffer| buffer.schema() == schema) {
            Some(position) => Ok(idle.swap_remove(position)),
            None => RowBuffer::new(schema),
        }
    }

    /// Takes back a buffer that is not needed for now.
    pub(crate) fn give_back(&self, mut buffer: RowBuffer) {
        buffer.clear();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    /// Frees the buffers that wait.
    pub(crate) fn release(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets a segment stay that a checkpoint names.
    pub(crate) fn hold_segment(&self, segment: &Segment) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(segment.file.clone());
    }

    /// Returns the segments that no checkpoint names.
    pub(crate) fn not_held(&self, mut segments: Vec<Segment>) -> Vec<Segment> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        segments.retain(|segment| !held.contains(&segment.file));
        segments
    }

    /// Returns the temporary directory.
    pub(crate) fn temp(&self) -> &Arc<TempDirectory> {
        &self.temp
    }

    /// Returns whether what is here can be used by another process.
    pub(crate) fn can_be_reopened(&self) -> bool {
        self.temp.can_be_reopened()
    }

    /// Makes files of runs outlast a crash of the machine.
    pub(crate) fn sync(&self, names: &[String]) -> Result {
        self.temp.sync(names)
    }

    /// Removes the files of runs but those named, all of which must be there.
    pub(crate) fn keep_only(&self, names: &BTreeSet<&str>) -> Result {
        self.temp.keep_only(names)
    }

    /// Lets the directory of the runs stay, or go, when the job stops.
    pub(crate) fn keep(&self, kept: bool) {
        if kept { self.temp.keep() } else { self.temp.release() }
    }

    /// Books memory, if there is enough; what is to be kept goes to the directory.
    fn take(&self, bytes: u64) -> bool {
        if self.temp.is_kept() {
            return false;
        }
        let taken = |free: u64| free.checked_sub(bytes);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn give(&self, bytes: u64) {
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A block of a run.
struct Block {
    /// Its first key.
    first: Vec<u8>,
    rows: usize,
    /// Where it ends in the file.
    end: u64,
    checksum: u32,
}

/// Rows in key order.
pub(crate) struct Run {
    space: Arc<RunSpace>,
    schema: SchemaRef,
    blocks: Vec<Block>,
    /// The blocks themselves, unless they are in a file.
    memory: Vec<Vec<u8>>,
    /// The name of the file.
    file: Option<String>,
    /// Whether the file stays when this value goes.
    held: bool,
    /// The last key.
    last: Vec<u8>,
    /// What the key columns hold.
    spans: Vec<Span>,
    /// Keys that occurred more than once; of each there is one row.
    duplicates: Vec<Vec<u8>>,
}

impl Run {
    /// Returns the smallest key.
    pub(crate) fn first(&self) -> &[u8] {
        &self.blocks[0].first
    }

    /// Returns the largest key.
    pub(crate) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Returns the first key and the row count of each block.
    pub(crate) fn index(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.blocks.iter().map(|block| (block.first.as_slice(), block.rows))
    }

    /// Returns the schema of its rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns what the key columns hold.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Returns keys that occurred more than once in the run.
    pub(crate) fn duplicates(&self) -> &[Vec<u8>] {
        &self.duplicates
    }

    /// Returns a reader that starts with the block that may hold `low`, or with the first, and goes up to
    /// the last one that may hold keys below `high`.
    pub(crate) fn read_from(
        &self,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
    ) -> Result<RunReader<'_>> {
        let next = low.map_or(0, |low| {
            self.blocks.partition_point(|block| block.first.as_slice() < low).saturating_sub(1)
        });
        let behind = high.map_or(self.blocks.len(), |high| {
            self.blocks.partition_point(|block| block.first.as_slice() < high)
        });
        let end_of = |behind: usize| behind.checked_sub(1).map_or(0, |last| self.blocks[last].end);
        let range = end_of(next)..end_of(behind);
        let open = |name: &String| self.space.temp.open(name, range.clone());
        let file = self.file.as_ref().map(open).transpose()?;
        Ok(RunReader { run: self, file, next, behind, bytes: Vec::new() })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.space.give(self.memory.iter().map(|block| block.len() as u64).sum());
        if let Some(name) = &self.file
            && !self.held
            && !self.space.temp.is_kept()
        {
            // What cannot be removed goes with the directory.
            let _ = self.space.temp.remove(name);
        }
    }
}

/// Reads the blocks of a run in order.
pub(crate) struct RunReader<'a> {
    run: &'a Run,
    file: Option<TempReader>,
    /// The block behind the last one read.
    next: usize,
    /// The block behind the last one to read.
    behind: usize,
    bytes: Vec<u8>,
}

impl RunReader<'_> {
    /// Moves to the next block; returns its row count, or nothing at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<usize>> {
        let Some(block) = self.run.blocks[..self.behind].get(self.next) else { return Ok(None) };
        let before = self.next.checked_sub(1).map_or(0, |before| self.run.blocks[before].end);
        self.next += 1;
        let Some(file) = &mut self.file else { return Ok(Some(block.rows)) };
        self.bytes.resize(usize::try_from(block.end - before).unwrap_or(usize::MAX), 0);
        let mut done = 0;
        while done < self.bytes.len() {
            match file.read_at(&mut self.bytes[done..], before + done as u64)? {
                0 => return Err(damaged()),
                count => done += count,
            }
        }
        if crc32c::crc32c(&self.bytes) != block.checksum {
            return Err(damaged());
        }
        Ok(Some(block.rows))
    }

    /// Returns the block read last.
    pub(crate) fn block(&self) -> &[u8] {
        match &self.file {
            Some(_) => &self.bytes,
            None => &self.run.memory[self.next.saturating_sub(1)],
        }
    }
}

/// Returns the error of a run's file that does not hold what was written.
fn damaged() -> Error {
    Error::new(SqlState::IO_ERROR, "temporary file is damaged")
        .detail("A block of it does not match its check sum.")
}

/// Writes a run block by block.
pub(crate) struct RunWriter<'a> {
    encoder: &'a KeyEncoder,
    run: Run,
    file: Option<BufWriter<TempFile>>,
    end: u64,
}

impl<'a> RunWriter<'a> {
    /// Starts a run of rows like those of `buffer`.
    pub(crate) fn create(
        space: &Arc<RunSpace>,
        encoder: &'a KeyEncoder,
        buffer: &RowBuffer,
    ) -> Self {
        let run = Run {
            space: Arc::clone(space),
            schema: buffer.schema().clone(),
            blocks: Vec::new(),
            memory: Vec::new(),
            file: None,
            held: false,
            last: Vec::new(),
            spans: Vec::new(),
            duplicates: Vec::new(),
        };
        Self { encoder, run, file: None, end: 0 }
    }

    /// Sorts the rows of `buffer` and appends one of each key; keys follow those of all rows before.
    ///
    /// Rows of one key are an error in the end, which needs the key alone; without them no key takes
    /// more than a row of each run in a merge.
    pub(crate) fn write_distinct(&mut self, buffer: &RowBuffer) -> Result {
        let (mut order, ties) = buffer.order(self.encoder);
        for &place in &ties {
            if self.run.duplicates.len() == MOST_DUPLICATES {
                break;
            }
            let key = buffer.encoded_key(self.encoder, order[place])?;
            if self.run.duplicates.last() != Some(&key) {
                self.run.duplicates.push(key);
            }
        }
        remove(&mut order, &ties);
        self.write(buffer, &order)
    }

    /// Appends the rows `order` of `buffer`, whose keys follow those of all rows before.
    fn write(&mut self, buffer: &RowBuffer, order: &[u32]) -> Result {
        let spans = buffer.key_spans(self.encoder);
        self.run.spans =
            if self.run.blocks.is_empty() { spans } else { join(&self.run.spans, &spans) };
        let per_row = buffer.bytes() / buffer.rows().max(1);
        let step = (BLOCK_BYTES / per_row.max(1)).clamp(16, BLOCK_ROWS);
        let mut block = Vec::new();
        for rows in order.chunks(step) {
            block.clear();
            buffer.put(rows, &mut block);
            self.end += block.len() as u64;
            self.run.blocks.push(Block {
                first: buffer.encoded_key(self.encoder, rows[0])?,
                rows: rows.len(),
                end: self.end,
                checksum: crc32c::crc32c(&block),
            });
            self.keep(&block)?;
        }
        if let Some(last) = order.last() {
            self.run.last = buffer.encoded_key(self.encoder, *last)?;
        }
        Ok(())
    }

    /// Keeps a block in memory, or moves the run to a file if there is no room.
    fn keep(&mut self, block: &[u8]) -> Result {
        if self.file.is_none() && self.run.space.take(block.len() as u64) {
            self.run.memory.push(block.to_vec());
            return Ok(());
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let name = format!("run-{}", NEXT_RUN.fetch_add(1, Ordering::Relaxed));
            let file = self.run.space.temp.create(&name)?;
            self.run.file = Some(name);
            let file = self.file.insert(BufWriter::with_capacity(WRITE_BYTES, file));
            for block in self.run.memory.drain(..) {
                self.run.space.give(block.len() as u64);
                file.write_all(&block).map_err(|error| write_error(&error))?;
            }
            file
        };
        file.write_all(block).map_err(|error| write_error(&error))
    }

    /// Completes the run.
    pub(crate) fn finish(self) -> Result<Run> {
        if let Some(file) = self.file {
            let file = file.into_inner().map_err(|error| write_error(error.error()))?;
            file.finish()?;
        }
        Ok(self.run)
    }
}

/// Returns our error for a failure to write a temporary file.
fn write_error(error: &std::io::Error) -> Error {
    io_error("use", "a temporary file", error)
}

/// Removes what stands at `places`, which ascend.
fn remove(order: &mut Vec<u32>, places: &[usize]) {
    if places.is_empty() {
        return;
    }
    let (mut place, mut next) = (0, places.iter().peekable());
    order.retain(|_| {
        let removed = next.next_if(|removed| **removed == place).is_some();
        place += 1;
        !removed
    });
}
