//! Parquet files for others to read: what EXPORT writes. Segments are written elsewhere.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::source::io_error;

/// How the pages of a Parquet file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageCompression {
    /// Not at all.
    None,
    /// Snappy, which every reader knows.
    Snappy,
    /// Zstandard.
    Zstd,
}

/// Writes one Parquet file.
pub struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<Output<W>>,
    name: String,
    failed: Failed,
}

/// Why writing failed, if it did: of the last write Parquet passes on no more than the words.
type Failed = Arc<Mutex<Option<io::Error>>>;

/// An output that keeps its first error.
struct Output<W> {
    inner: W,
    failed: Failed,
}

impl<W> Output<W> {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            // An interrupted write is tried again.
            if error.kind() != io::ErrorKind::Interrupted {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
            }
            told
        })
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.keep(flushed)
    }
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts the file `name` of rows of `schema`.
    pub fn new(
        output: W,
        name: &str,
        schema: SchemaRef,
        compression: PageCompression,
    ) -> Result<Self> {
        let compression = match compression {
            PageCompression::None => Compression::UNCOMPRESSED,
            PageCompression::Snappy => Compression::SNAPPY,
            PageCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(concat!("wharf ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let failed = Failed::default();
        let output = Output { inner: output, failed: Arc::clone(&failed) };
        let writer = ArrowWriter::try_new(output, schema, Some(properties))
            .map_err(|error| failure(name, &failed, error))?;
        Ok(Self { writer, name: name.to_owned(), failed })
    }

    /// Writes rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result {
        self.writer.write(batch).map_err(|error| failure(&self.name, &self.failed, error))
    }

    /// Ends the file and returns the output.
    pub fn finish(self) -> Result<W> {
        let Self { writer, name, failed } = self;
        let output = writer.into_inner().map_err(|error| failure(&name, &failed, error))?;
        Ok(output.inner)
    }
}

/// Turns an error of the writer into ours: into what the output said, if it did.
fn failure(name: &str, failed: &Failed, error: ParquetError) -> Error {
    match failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => io_error("write", name, &error),
        None => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::error::SqlState;

    /// Takes some bytes, then says that the disk is full.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_wherever_it_is_met() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let write = |room| {
            let output = Full(room);
            let mut writer =
                ParquetWriter::new(output, "f", batch.schema(), PageCompression::None)?;
            writer.write(&batch)?;
            writer.finish().map(|output| room - output.0)
        };
        let size = write(1 << 20).unwrap();
        for room in [0, 1, 4, size / 2, size - 9, size - 1] {
            assert_eq!(write(room).err().map(|error| error.code()), Some(SqlState::DISK_FULL));
        }
        assert_eq!(write(size).unwrap(), size);
    }
}
