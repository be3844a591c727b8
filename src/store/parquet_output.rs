//! Parquet files for others to read: what EXPORT writes. Segments are written elsewhere.

use std::io::Write;

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
    writer: ArrowWriter<W>,
    name: String,
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
        let writer = ArrowWriter::try_new(output, schema, Some(properties))
            .map_err(|error| failure(name, error))?;
        Ok(Self { writer, name: name.to_owned() })
    }

    /// Writes rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result {
        self.writer.write(batch).map_err(|error| failure(&self.name, error))
    }

    /// Ends the file and returns the output.
    pub fn finish(self) -> Result<W> {
        let Self { writer, name } = self;
        writer.into_inner().map_err(|error| failure(&name, error))
    }
}

/// Turns an error of the writer into ours; what the output said passes through it.
fn failure(name: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => io_error("write", name, &error),
            Err(error) => Error::internal(error),
        },
        error => Error::internal(error),
    }
}
