//! A dump as a file to read: from its start at first, then section by section.

use std::sync::{Arc, Mutex, PoisonError};

use super::input::{
    ByteStream, ColumnSource, Content, InputFile, compression, open_stream, refuse_encoded,
};
use crate::error::{DataPlace, Error, Result};
use crate::job::JobContext;
use crate::plan::Decompress;
use crate::record::TextFormat;
use crate::source::{Compression, Location, SourceFile};

/// A part of a file, in decompressed bytes.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// The first byte.
    pub(crate) start: u64,
    /// The byte behind the last one.
    pub(crate) end: u64,
    /// The line of the first byte.
    pub(crate) line: u64,
    /// Where records are known to start.
    pub(crate) cuts: Vec<u64>,
    /// The stream that the last reader of a section has left.
    pub(crate) left: Left,
}

/// A stream that can only go on, with its offset, for whoever reads next: sections are read in the
/// order of the file, and nothing is decompressed twice.
#[derive(Clone, Default)]
pub(crate) struct Left(Arc<Mutex<Option<(u64, ByteStream)>>>);

impl std::fmt::Debug for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Left")
    }
}

impl Left {
    /// Takes the stream, if it is not beyond `offset`.
    fn take(&self, offset: u64) -> Option<(u64, ByteStream)> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.take_if(|(at, _)| *at <= offset)
    }

    /// Leaves a stream that has come further than the one that is there.
    fn leave(&self, at: u64, stream: ByteStream) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if left.as_ref().is_none_or(|(other, _)| *other < at) {
            *left = Some((at, stream));
        }
    }
}

impl Section {
    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Returns the bytes from `offset` of the file to the end of the section.
    pub(crate) fn bytes_from(
        &self,
        offset: u64,
        open: impl FnOnce() -> Result<ByteStream>,
    ) -> Result<ByteStream> {
        let (at, mut stream) = match self.left.take(offset) {
            Some(left) => left,
            None => (0, open()?),
        };
        stream.pass_over(offset - at)?;
        Ok(ByteStream::Section(SectionStream {
            stream: Some(Box::new(stream)),
            at: offset,
            end: self.end,
            left: self.left.clone(),
        }))
    }
}

/// The bytes of a section.
pub(crate) struct SectionStream {
    stream: Option<Box<ByteStream>>,
    at: u64,
    end: u64,
    left: Left,
}

impl SectionStream {
    /// As `ByteStream::fill_behind`; the section's end is the end.
    pub(crate) fn fill_behind(
        &mut self,
        buffer: &mut Vec<u8>,
        start: usize,
        want: usize,
    ) -> Result<bool> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let Some(stream) = &mut self.stream else { return Ok(true) };
        let at_end = stream.fill_behind(buffer, start, want.min(left))?;
        self.at += (buffer.len() - start) as u64;
        Ok(at_end || self.at >= self.end)
    }
}

impl Drop for SectionStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take()
            && matches!(*stream, ByteStream::Decompressed(..))
        {
            self.left.leave(self.at, *stream);
        }
    }
}

/// A dump.
pub(crate) struct DumpFile {
    source: Arc<SourceFile>,
    compression: Compression,
    left: Left,
}

impl DumpFile {
    /// Opens the dump at `url`.
    pub(crate) fn open(context: &JobContext, url: &str, decompress: Decompress) -> Result<Self> {
        let location = Location::parse(url)?;
        let source = Arc::new(context.access.open(&location)?);
        let compression = compression(decompress, &location);
        refuse_encoded(&source, compression)?;
        Ok(Self { source, compression, left: Left::default() })
    }

    /// Returns the bytes from an offset on.
    pub(crate) fn bytes_from(&self, offset: u64) -> Result<ByteStream> {
        let mut stream = open_stream(&self.source, self.compression)?;
        stream.pass_over(offset)?;
        Ok(stream)
    }

    /// Returns the size, if the bytes that are read add up to it.
    pub(crate) fn plain_size(&self) -> Option<u64> {
        self.source.known_size().filter(|_| self.compression == Compression::None)
    }

    /// Returns the size in bytes, as stored.
    pub(crate) fn stored_size(&self) -> u64 {
        self.source.size()
    }

    /// Fails if the file was changed since it was opened.
    pub(crate) fn require_unchanged(&self) -> Result {
        self.source.unchanged()
    }

    /// Returns a place in the dump.
    pub(crate) fn place(&self, line: u64, byte: u64) -> DataPlace {
        DataPlace { file: self.source.name().to_owned(), line, byte, ..DataPlace::default() }
    }

    /// Returns the error with its place in the dump.
    pub(crate) fn error(&self, error: Error, line: u64, byte: u64) -> Error {
        error.in_data(self.place(line, byte))
    }

    /// Returns a section as a file of records.
    pub(crate) fn section(
        &self,
        index: u32,
        mut section: Section,
        (columns, fields): (Vec<ColumnSource>, usize),
        format: TextFormat,
    ) -> InputFile {
        section.left = self.left.clone();
        InputFile {
            location: None,
            index,
            source: Arc::clone(&self.source),
            compression: self.compression,
            data_start: section.start,
            columns,
            fields,
            content: Content::Text(format),
            section: Some(section),
            encoding: None,
        }
    }
}
