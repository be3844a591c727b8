//! Places that an error can point at: a span of SQL text, or a cell of a data file.

/// A range of bytes in the text of one statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// Returns the span of the bytes from `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Returns the span moved `offset` bytes to the right.
    #[must_use]
    pub fn shifted(self, offset: usize) -> Self {
        Self { start: self.start + offset, end: self.end + offset }
    }
}

/// A place in a data file. Rows and lines count from 1, bytes from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataPlace {
    /// The file as the user named it, with secrets redacted.
    pub file: String,
    /// The data record, without skipped, header, comment and blank ones; 0 if no record is meant.
    pub row: u64,
    /// The physical line on which the record (or the faulty byte) stands.
    pub line: u64,
    /// The offset of the record's (or the faulty) byte in the decompressed file.
    pub byte: u64,
    /// The name of the column, if one cell is at fault.
    pub column: Option<String>,
    /// The decoded value of the cell, if one cell is at fault.
    pub value: Option<String>,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the text of the statement.
    Sql(Span),
    /// In a data file.
    Data(Box<DataPlace>),
}
