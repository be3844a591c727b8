//! Sorted runs: rows in key order in a temporary file, with the first key of every batch in memory.

use std::io::{self, BufWriter, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use super::key::{KeyEncoder, arrow_error};
use crate::error::{Error, Result, SqlState};
use crate::source::{SourceFile, TempDirectory, TempFile};

/// The bytes that a batch of a run should have in memory: small enough that many runs can be open.
const BATCH_BYTES: usize = 256 << 10;

/// The bytes that are written to a run's file at once.
const WRITE_BYTES: usize = 256 << 10;

/// Rows in key order in a file of the temporary directory.
pub(crate) struct Run {
    name: String,
    temp: Arc<TempDirectory>,
    /// The first key and the row count of each batch.
    index: Vec<(Vec<u8>, usize)>,
    /// The last key.
    last: Vec<u8>,
    /// Rows in all.
    pub(crate) rows: u64,
}

impl Run {
    /// Returns the smallest key.
    pub(crate) fn first(&self) -> &[u8] {
        &self.index[0].0
    }

    /// Returns the largest key.
    pub(crate) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Returns the first key and the row count of each batch.
    pub(crate) fn index(&self) -> &[(Vec<u8>, usize)] {
        &self.index
    }

    /// Returns a reader that starts with the batch that may hold `low`, or with the first.
    pub(crate) fn read_from(&self, low: Option<&[u8]>) -> Result<RunReader> {
        let start = low.map_or(0, |low| {
            self.index.partition_point(|(first, _)| first.as_slice() < low).saturating_sub(1)
        });
        let file = RunFile { file: self.temp.open(&self.name)?, offset: 0 };
        let mut reader = FileReader::try_new(file, None).map_err(temp_error)?;
        reader.set_index(start).map_err(temp_error)?;
        Ok(RunReader { reader })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.temp.is_kept() {
            // What cannot be removed goes with the directory.
            let _ = self.temp.remove(&self.name);
        }
    }
}

/// A run's file as Arrow's reader wants it: with a position.
struct RunFile {
    file: SourceFile,
    offset: u64,
}

impl Read for RunFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset).map_err(io::Error::other)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Seek for RunFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.file.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.offset.checked_add_signed(offset),
        };
        self.offset = offset.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

/// Reads the batches of a run in order.
pub(crate) struct RunReader {
    reader: FileReader<RunFile>,
}

impl Iterator for RunReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next().map(|batch| batch.map_err(temp_error))
    }
}

/// Writes a run batch by batch.
pub(crate) struct RunWriter {
    writer: FileWriter<BufWriter<TempFile>>,
    run: Run,
}

impl RunWriter {
    /// Starts the run `name` for batches of `schema`.
    pub(crate) fn create(
        temp: &Arc<TempDirectory>,
        name: &str,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .map_err(arrow_error)?;
        let file = BufWriter::with_capacity(WRITE_BYTES, temp.create(name)?);
        let writer = FileWriter::try_new_with_options(file, schema, options).map_err(temp_error)?;
        let run = Run {
            name: name.to_owned(),
            temp: Arc::clone(temp),
            index: Vec::new(),
            last: Vec::new(),
            rows: 0,
        };
        Ok(Self { writer, run })
    }

    /// Appends a batch whose first and last keys are given.
    pub(crate) fn write(&mut self, batch: &RecordBatch, first: &[u8], last: &[u8]) -> Result {
        self.writer.write(&compacted(batch)?).map_err(temp_error)?;
        self.run.index.push((first.to_vec(), batch.num_rows()));
        last.clone_into(&mut self.run.last);
        self.run.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Completes the run.
    pub(crate) fn finish(mut self) -> Result<Run> {
        self.writer.finish().map_err(temp_error)?;
        let file = self.writer.into_inner().map_err(temp_error)?;
        file.into_inner().map_err(|error| temp_error(error.into_error().into()))?;
        Ok(self.run)
    }
}

/// Writes the rows `order` (batch and row) of `batches` as a run of batches of about 256 KiB.
pub(crate) fn write_sorted(
    writer: &mut RunWriter,
    batches: &[&RecordBatch],
    order: &[(usize, usize)],
    encoder: &KeyEncoder,
) -> Result {
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    let bytes: usize = batches.iter().map(|batch| row_bytes(batch)).sum();
    let step = (BATCH_BYTES * rows.max(1) / bytes.max(1)).clamp(64, 8192);
    for part in order.chunks(step) {
        let batch = interleave_record_batch(batches, part).map_err(arrow_error)?;
        let keys = encoder.encode(&batch)?;
        writer.write(&batch, keys.row(0).as_ref(), keys.row(part.len() - 1).as_ref())?;
    }
    Ok(())
}

/// Returns the bytes that the rows of `batch` themselves take, without shared buffers.
pub(crate) fn row_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            16 * views.len() + views.total_buffer_bytes_used()
        }
        _ => array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

/// Returns the batch with text copied out of shared buffers, so that it holds its own rows only.
pub(crate) fn compacted(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
            _ => Arc::clone(column),
        })
        .collect();
    RecordBatch::try_new(batch.schema(), columns).map_err(arrow_error)
}

/// Returns our error for a failure to write or read a temporary file.
fn temp_error(error: arrow::error::ArrowError) -> Error {
    use arrow::error::ArrowError;
    match error {
        ArrowError::IoError(_, io) => crate::source::io_error("use", "a temporary file", &io),
        other => Error::new(SqlState::IO_ERROR, format!("temporary file is damaged: {other}"))
            .caused_by(other),
    }
}
