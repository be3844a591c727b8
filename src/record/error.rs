//! What can be wrong with a record, and the words for it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::SqlState;

/// A record that cannot be read, with its place in the piece that was given to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The number of good records before it in the same call.
    pub record: usize,
    /// The offset of the record's first byte.
    pub start: usize,
    /// The offset of the faulty byte.
    pub offset: usize,
    /// The offset after the record, where reading can go on if the record is left out; `None`
    /// where nothing can be said about what follows.
    pub next: Option<usize>,
    /// What is wrong.
    pub fault: RecordFault,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordFault {
    /// The delimiter or the comment character is not usable.
    Dialect,
    /// The record has too few or too many fields.
    FieldCount {
        /// The fields that the table wants.
        expected: usize,
        /// The fields that the record has.
        got: usize,
    },
    /// Strict quotes: a quote inside a field that does not start with one.
    BareQuote {
        /// The line breaks between the start of the record and the quote.
        lines: u64,
        /// The characters between the start of the line and the quote.
        column: usize,
        /// The quote.
        quote: char,
    },
    /// Strict quotes: a quote inside a quoted field that neither ends it nor is doubled, or the
    /// end of the file inside a quoted field.
    StrayQuote {
        /// The line breaks between the start of the record and the quote.
        lines: u64,
        /// The characters between the start of the line and the quote.
        column: usize,
        /// The quote.
        quote: char,
    },
    /// A quoted field is not closed for longer than is looked for.
    Endless,
    /// The piece is too large for 32-bit offsets.
    TooLong,
    /// The record breaks the rules of a format other than CSV.
    #[serde(skip)]
    Format(Box<FormatFault>),
}

/// How a record breaks the rules of its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatFault {
    /// The class of the problem.
    pub code: SqlState,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Whether one byte is at fault rather than the record as a whole.
    pub of_byte: bool,
}

impl FormatFault {
    /// Returns the fault of a record that is malformed.
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        let code = SqlState::BAD_COPY_FILE_FORMAT;
        Self { code, message: message.into(), hint: None, of_byte: false }
    }

    /// Returns the fault of a value that nests too deeply.
    pub(super) fn too_deep() -> Self {
        let fault = Self::new("value nests deeper than 128 levels");
        Self { code: SqlState::STATEMENT_TOO_COMPLEX, ..fault }
    }

    /// Says that one byte is at fault.
    pub(super) fn of_byte(self) -> Self {
        Self { of_byte: true, ..self }
    }

    /// Says what to do about it.
    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl RecordError {
    /// Returns the error of a record that nothing can be read after.
    pub(super) fn at(record: usize, start: usize, offset: usize, fault: RecordFault) -> Self {
        Self { record, start, offset, next: None, fault }
    }

    /// Returns the class of the problem.
    pub fn code(&self) -> SqlState {
        match &self.fault {
            RecordFault::Format(fault) => fault.code,
            RecordFault::Dialect => SqlState::INVALID_PARAMETER_VALUE,
            RecordFault::TooLong => SqlState::PROGRAM_LIMIT_EXCEEDED,
            _ => SqlState::BAD_COPY_FILE_FORMAT,
        }
    }

    /// Returns what to do about it, if there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.fault {
            RecordFault::Format(fault) => fault.hint,
            _ => None,
        }
    }

    /// Returns the number of line breaks between the start of the record and the faulty byte.
    pub fn lines(&self) -> u64 {
        match self.fault {
            RecordFault::BareQuote { lines, .. } | RecordFault::StrayQuote { lines, .. } => lines,
            _ => 0,
        }
    }

    /// Returns the message, given the physical line on which the record starts.
    pub fn message(&self, first_line: u64) -> String {
        self.fault.message(first_line)
    }
}

impl RecordFault {
    /// Returns the message, given the physical line on which the record starts.
    pub fn message(&self, first_line: u64) -> String {
        let place = |lines: u64, column: usize| {
            let record = match lines {
                0 => String::new(),
                _ => format!("record on line {first_line}; "),
            };
            format!("{record}parse error on line {}, column {column}", first_line + lines)
        };
        match self {
            Self::Format(fault) => fault.message.clone().into_owned(),
            Self::Dialect => "csv: invalid field or comment delimiter".to_owned(),
            Self::FieldCount { expected, got } => {
                format!("expected {expected} fields, got {got}")
            }
            Self::BareQuote { lines, column, quote } => {
                format!("{}: bare {quote} in non-quoted-field", place(*lines, *column))
            }
            Self::StrayQuote { lines, column, quote } => {
                format!("{}: extraneous or missing {quote} in quoted-field", place(*lines, *column))
            }
            Self::Endless => {
                format!("quoted field is not closed within {} bytes", super::reader::LONGEST_RECORD)
            }
            Self::TooLong => {
                format!("record is longer than {} bytes", super::reader::LONGEST_PIECE)
            }
        }
    }
}

impl fmt::Display for RecordError {
    /// Prints the message with lines counted from the start of the record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(1))
    }
}

impl std::error::Error for RecordError {}
