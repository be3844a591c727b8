//! One file of an export: from pieces to bytes on the disk, compressed if asked for.

use std::io::{BufWriter, Write};
use std::sync::mpsc::Receiver;

use flate2::write::GzEncoder;

use super::Work;
use super::format::{Framing, Piece};
use crate::error::{Error, Result};
use crate::plan::{ExportFormat, OutputCompression};
use crate::source::{OutputFile, io_error};
use crate::store::{PageCompression, ParquetWriter};

/// How much is written at once.
const BUFFER: usize = 256 << 10;

type Buffered = BufWriter<OutputFile>;

/// Where the pieces of a file go.
enum Sink {
    Plain(Buffered),
    Gzip(GzEncoder<Buffered>),
    Zstd(zstd::Encoder<'static, Buffered>),
    Parquet(Box<ParquetWriter<Buffered>>),
}

/// Writes the file `name` from the pieces that come; returns its size in bytes.
pub(super) fn write_file(work: &Work<'_>, name: &str, pieces: &Receiver<Piece>) -> Result<u64> {
    let file = work.output.create(name)?;
    let shown = file.name().to_owned();
    let failed = |error: &std::io::Error| io_error("write", &shown, error);
    let mut sink = Sink::new(work, BufWriter::with_capacity(BUFFER, file), &shown)?;
    let framing = work.formatter.framing();
    let mut empty = true;
    sink.write(work.formatter.header()).map_err(|error| failed(&error))?;
    for piece in pieces {
        work.context.cancellation.check()?;
        match piece {
            Piece::Batch { batch, .. } => sink.write_batch(&batch)?,
            Piece::Text { bytes, .. } => {
                let bytes = match framing {
                    // The first row has no comma before it.
                    Framing::Array if empty => {
                        sink.write(b"[").map_err(|error| failed(&error))?;
                        &bytes[1..]
                    }
                    _ => bytes.as_slice(),
                };
                sink.write(bytes).map_err(|error| failed(&error))?;
            }
        }
        empty = false;
    }
    if framing == Framing::Array {
        let end: &[u8] = if empty { b"[]\n" } else { b"\n]\n" };
        sink.write(end).map_err(|error| failed(&error))?;
    }
    let mut output = sink.finish(&shown)?;
    output.flush().map_err(|error| failed(&error))?;
    let file = output.into_inner().map_err(|error| failed(error.error()))?;
    file.finish()
}

impl Sink {
    fn new(work: &Work<'_>, output: Buffered, name: &str) -> Result<Self> {
        let compression = work.export.compression;
        if work.export.format == ExportFormat::Parquet {
            let compression = match compression {
                OutputCompression::Snappy => PageCompression::Snappy,
                OutputCompression::Zstd => PageCompression::Zstd,
                OutputCompression::None | OutputCompression::Gzip => PageCompression::None,
            };
            let schema = work.formatter.schema().clone();
            let writer = ParquetWriter::new(output, name, schema, compression)?;
            return Ok(Self::Parquet(Box::new(writer)));
        }
        Ok(match compression {
            OutputCompression::None | OutputCompression::Snappy => Self::Plain(output),
            OutputCompression::Gzip => {
                Self::Gzip(GzEncoder::new(output, flate2::Compression::default()))
            }
            OutputCompression::Zstd => {
                let encoder = zstd::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL);
                Self::Zstd(encoder.map_err(|error| io_error("write", name, &error))?)
            }
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(output) => output.write_all(bytes),
            Self::Gzip(output) => output.write_all(bytes),
            Self::Zstd(output) => output.write_all(bytes),
            Self::Parquet(_) => Ok(()),
        }
    }

    fn write_batch(&mut self, batch: &arrow::array::RecordBatch) -> Result {
        match self {
            Self::Parquet(output) => output.write(batch),
            _ => Err(Error::internal("a batch for a file of text")),
        }
    }

    fn finish(self, name: &str) -> Result<Buffered> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Gzip(output) => output.finish().map_err(|error| io_error("write", name, &error)),
            Self::Zstd(output) => output.finish().map_err(|error| io_error("write", name, &error)),
            Self::Parquet(output) => output.finish(),
        }
    }
}
