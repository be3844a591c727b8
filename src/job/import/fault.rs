//! A row that cannot be imported: what is wrong, found early with a place inside a piece, and told
//! late with file, row, line, byte, column and value.

use super::input::InputFile;
use super::reject::Reject;
use crate::error::{DataPlace, Error, Result, shorten};
use crate::record::{RecordError, RecordFault};

/// What is wrong with a row, and where in its file.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Rows of the same range before this one.
    pub(crate) rows_before: u64,
    /// The offset of the record in the file.
    pub(crate) record: u64,
    /// The offset of the faulty byte in the file, if one byte is at fault.
    byte: Option<u64>,
    column: Option<String>,
    value: Option<String>,
    /// The record as it stands in the file.
    raw: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The value of a cell or its use; the text is shown with the row.
    Cell(Error),
    /// The row breaks a constraint.
    Rule(Error),
    /// The record itself is malformed.
    Record(RecordError),
}

impl Fault {
    /// Returns the fault of a malformed record in `bytes`, which start at `base` in the file.
    pub(crate) fn of_record(error: RecordError, base: u64, bytes: &[u8]) -> Self {
        // A field too few has no byte of its own: the record is at fault.
        let of_byte = match &error.fault {
            RecordFault::Format(fault) => fault.of_byte,
            RecordFault::BareQuote { .. } | RecordFault::StrayQuote { .. } => true,
            RecordFault::FieldCount { expected, got } => got > expected,
            RecordFault::Dialect | RecordFault::Endless | RecordFault::TooLong => false,
        };
        let end = match (&error.fault, error.next) {
            (RecordFault::Format(_), Some(next)) => next.min(bytes.len()),
            _ => bytes.len(),
        };
        Self {
            rows_before: 0,
            record: base + error.start as u64,
            byte: of_byte.then_some(base + error.offset as u64),
            column: None,
            value: None,
            raw: raw_record(&bytes[..end], error.start),
            cause: Cause::Record(error),
        }
    }

    /// Returns the fault of a cell whose record starts at `start` of `bytes`.
    pub(crate) fn of_cell(
        error: Error,
        (base, bytes, start): (u64, &[u8], usize),
        (column, value): (String, String),
    ) -> Self {
        Self {
            rows_before: 0,
            record: base + start as u64,
            byte: None,
            column: Some(column),
            value: Some(value),
            raw: raw_record(bytes, start),
            cause: Cause::Cell(error),
        }
    }

    /// Returns the fault of a row that breaks a constraint.
    pub(crate) fn of_rule(
        error: Error,
        (base, bytes, start): (u64, &[u8], usize),
        column: Option<String>,
    ) -> Self {
        Self {
            rows_before: 0,
            record: base + start as u64,
            byte: None,
            column,
            value: None,
            raw: raw_record(bytes, start),
            cause: Cause::Rule(error),
        }
    }

    /// Returns the fault of a record that starts at `start` of `bytes` and holds, at `byte` of the text of
    /// the file, bytes that mean nothing in its encoding.
    pub(crate) fn of_encoding(
        error: Error,
        (base, bytes, start): (u64, &[u8], usize),
        byte: u64,
    ) -> Self {
        Self { byte: Some(byte), ..Self::of_rule(error, (base, bytes, start), None) }
    }

    /// Returns the fault as a row that is left out, which stands in its file as `raw`.
    pub(crate) fn into_reject(self, raw: &[u8]) -> Reject {
        let (code, message, fault) = match self.cause {
            Cause::Cell(error) | Cause::Rule(error) => {
                (error.code(), error.message().to_owned(), None)
            }
            Cause::Record(error) if matches!(error.fault, RecordFault::Format(_)) => {
                (error.code(), error.message(1), None)
            }
            Cause::Record(error) => (error.code(), String::new(), Some(error.fault)),
        };
        Reject {
            row: self.rows_before,
            record: self.record,
            byte: self.byte,
            column: self.column,
            code: code.as_str().to_owned(),
            message,
            fault,
            raw: raw.to_vec(),
        }
    }

    /// Returns the fault with this many rows before it.
    pub(crate) fn numbered(self, rows: u64) -> Self {
        Self { rows_before: rows, ..self }
    }

    /// Returns the fault with `rows` more rows before it.
    pub(crate) fn after(mut self, rows: u64) -> Self {
        self.rows_before += rows;
        self
    }

    /// Returns the error of this fault in `file`, before whose range `rows` rows stand. The inner error
    /// is one of finding the place.
    pub(crate) fn with_place(self, file: &InputFile, rows: u64) -> Result<Error> {
        let row = rows + self.rows_before + 1;
        let line = file.line_of(self.record)?;
        // A row of a file that is no text has no text to show.
        let raw = if file.content.is_text() {
            format!(" (row: {})", shorten(&self.raw))
        } else {
            String::new()
        };
        let error = match self.cause {
            Cause::Cell(error) | Cause::Rule(error) => {
                error.map_message(|message| format!("error parsing row {row}: {message}{raw}"))
            }
            Cause::Record(record) => {
                let message = record.message(line);
                let error =
                    Error::new(record.code(), format!("error parsing row {row}: {message}{raw}"));
                match record.hint() {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
        };
        Ok(error.in_data(DataPlace {
            file: file.name().to_owned(),
            row,
            line: self.byte.map_or(Ok(line), |byte| file.line_of(byte))?,
            byte: self.byte.unwrap_or(self.record),
            column: self.column,
            value: self.value,
        }))
    }
}

/// Returns the record that starts at `start`, up to the line's end, as text.
fn raw_record(bytes: &[u8], start: usize) -> String {
    let rest = &bytes[start.min(bytes.len())..];
    let mut quoted = false;
    let end = rest
        .iter()
        .position(|&byte| {
            quoted ^= byte == b'"';
            byte == b'\n' && !quoted
        })
        .unwrap_or(rest.len());
    let record = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    // Four bytes per character at most: what is cut off here would be cut off by `shorten` too.
    let shown = &record[..record.len().min(4 * 1025)];
    String::from_utf8_lossy(shown).into_owned()
}
