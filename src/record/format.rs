//! The formats of text files behind one reader: what a task needs of each, and nothing more.

use super::cut::guess_record_start;
use super::dialect::Dialect;
use super::error::RecordError;
use super::reader::Reader;
use super::records::Records;

/// How the records of a text file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Fields between delimiters, in quotes where needed.
    Csv(Dialect),
}

impl TextFormat {
    /// Returns a reader of records that have `fields` fields.
    pub fn reader(&self, fields: usize) -> TextReader {
        match self {
            Self::Csv(dialect) => TextReader::Csv(Reader::new(dialect.clone(), fields)),
        }
    }

    /// Returns where in `window`, which starts anywhere in a file, a record starts most probably;
    /// `None` if that cannot be told.
    pub fn guess_record_start(&self, window: &[u8]) -> Option<usize> {
        match self {
            Self::Csv(dialect) => guess_record_start(window, dialect),
        }
    }
}

/// Reads the records of one file, piece by piece. `Reader` says what a piece is and what is asked of
/// the caller; each format keeps to that.
pub enum TextReader {
    /// The reader of CSV.
    Csv(Reader),
}

impl TextReader {
    /// Chooses whether `Records::quoted` is filled, as `Reader::with_quoted` does.
    #[must_use]
    pub fn with_quoted(self, quoted: bool) -> Self {
        match self {
            Self::Csv(reader) => Self::Csv(reader.with_quoted(quoted)),
        }
    }

    /// Reads whole records from `bytes[start..]` into `records`, as `Reader::read` does.
    #[expect(clippy::too_many_arguments, reason = "offsets and counts that change with each call")]
    pub fn read(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        max_records: usize,
        at_end: bool,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        match self {
            Self::Csv(reader) => reader.read(bytes, start, limit, max_records, at_end, records),
        }
    }

    /// Reads one record whatever the number of its fields, as `Reader::read_loose` does.
    #[expect(clippy::type_complexity, reason = "fields and offset, as `Reader` gives them")]
    pub fn read_loose(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) -> Result<Option<(Vec<Vec<u8>>, usize)>, RecordError> {
        match self {
            Self::Csv(reader) => reader.read_loose(bytes, start, at_end),
        }
    }
}
