//! The formats of text files behind one reader: what a task needs of each, and nothing more.

use super::avro::{AvroFormat, AvroLayout, AvroReader, Stretch};
use super::cut::guess_record_start;
use super::delimited::{DelimitedFormat, DelimitedReader, guess_row_start};
use super::dialect::Dialect;
use super::dump::{ValuesFormat, ValuesReader};
use super::error::RecordError;
use super::json::{JsonFormat, JsonReader};
use super::pgcopy::{PgCopyFormat, PgCopyReader};
use super::reader::{LooseRecord, Reader};
use super::records::Records;

/// How the records of a text file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Fields between delimiters, in quotes where needed.
    Csv(Dialect),
    /// Fields between separators, with escapes, as MySQL writes them.
    Delimited(DelimitedFormat),
    /// Lines of fields with escapes, as PostgreSQL's COPY writes them.
    PgCopy(PgCopyFormat),
    /// Objects, whose members are found by name.
    Json(JsonFormat),
    /// Records of Avro, whose values become text.
    Avro(AvroFormat),
    /// The rows of INSERT in a dump.
    Values(ValuesFormat),
}

impl TextFormat {
    /// Returns whether the files are text, so that records have lines and can be shown.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Avro(format) => matches!(format.layout, AvroLayout::Json(..)),
            _ => true,
        }
    }

    /// Returns the byte that ends lines.
    pub fn line_end(&self) -> u8 {
        match self {
            Self::Csv(dialect) => dialect.line_end(),
            _ => b'\n',
        }
    }

    /// Returns the character that ends records.
    pub fn record_end(&self) -> char {
        match self {
            Self::Delimited(format) => format.row_end,
            _ => char::from(self.line_end()),
        }
    }

    /// Returns a reader of records that have `fields` fields.
    pub fn reader(&self, fields: usize) -> TextReader {
        match self {
            Self::Csv(dialect) => TextReader::Csv(Reader::new(dialect.clone(), fields)),
            Self::Delimited(format) => {
                TextReader::Delimited(Box::new(DelimitedReader::new(format.clone())))
            }
            Self::PgCopy(format) => {
                TextReader::PgCopy(Box::new(PgCopyReader::new(format.clone(), fields)))
            }
            Self::Json(format) => TextReader::Json(Box::new(JsonReader::new(format.clone()))),
            Self::Avro(format) => TextReader::Avro(Box::new(AvroReader::new(format.clone()))),
            Self::Values(format) => TextReader::Values(ValuesReader::new(format.clone())),
        }
    }

    /// Returns whether a record can be found from the middle of a file.
    pub fn can_be_cut(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Delimited(_) | Self::PgCopy(_) => true,
            Self::Json(format) => format.lines,
            Self::Avro(_) | Self::Values(_) => false,
        }
    }

    /// Returns where in `window`, which starts anywhere in a file, a record starts most probably;
    /// `None` if that cannot be told.
    pub fn guess_record_start(&self, window: &[u8]) -> Option<usize> {
        match self {
            Self::Csv(dialect) => guess_record_start(window, dialect),
            Self::Delimited(format) => guess_row_start(window, format),
            // No line end stands inside a line of PGCOPY or an object of NDJSON.
            Self::Avro(_) | Self::Values(_) => None,
            Self::PgCopy(_) | Self::Json(_) => memchr::memchr(b'\n', window).map(|end| end + 1),
        }
    }
}

/// Reads the records of one file, piece by piece. `Reader` says what a piece is and what is asked of
/// the caller; each format keeps to that.
pub enum TextReader {
    /// The reader of CSV.
    Csv(Reader),
    /// The reader of DELIMITED.
    Delimited(Box<DelimitedReader>),
    /// The reader of PGCOPY.
    PgCopy(Box<PgCopyReader>),
    /// The readers of JSON.
    Json(Box<JsonReader>),
    /// The reader of Avro.
    Avro(Box<AvroReader>),
    /// The reader of INSERT.
    Values(ValuesReader),
}

impl TextReader {
    /// Chooses whether `Records::quoted` is filled, as `Reader::with_quoted` does.
    #[must_use]
    pub fn with_quoted(self, quoted: bool) -> Self {
        match self {
            Self::Csv(reader) => Self::Csv(reader.with_quoted(quoted)),
            // The quotes of other formats mean nothing for NULL, or their readers know it.
            other => other,
        }
    }

    /// Chooses whether records that cannot be read are left out, as `Reader::leaving_out` does.
    #[must_use]
    pub fn leaving_out(self, leave_out: bool) -> Self {
        match self {
            Self::Csv(reader) => Self::Csv(reader.leaving_out(leave_out)),
            Self::Delimited(reader) => Self::Delimited(Box::new(reader.leaving_out(leave_out))),
            Self::PgCopy(reader) => Self::PgCopy(Box::new(reader.leaving_out(leave_out))),
            other => other,
        }
    }

    /// Returns where the line after the record at `start` starts, as `Reader::record_end` does; the end
    /// of the bytes where records are no lines.
    pub fn record_end(&mut self, bytes: &[u8], start: usize) -> usize {
        match self {
            Self::Csv(reader) => reader.record_end(bytes, start, true),
            // Behind the last line the one may stand that ends the data.
            Self::PgCopy(_) => memchr::memchr(b'\n', &bytes[start..])
                .map_or(bytes.len(), |length| start + length + 1),
            _ => bytes.len(),
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
            Self::Delimited(reader) => {
                reader.read(bytes, start, limit, max_records, at_end, records)
            }
            Self::PgCopy(reader) => reader.read(bytes, start, limit, max_records, at_end, records),
            Self::Json(reader) => reader.read(bytes, start, limit, max_records, at_end, records),
            Self::Avro(reader) => {
                reader.read(Stretch { bytes, start, at_end }, max_records, records)
            }
            Self::Values(reader) => reader.read(bytes, start, limit, max_records, at_end, records),
        }
    }

    /// Reads one record whatever the number of its fields, as `Reader::read_loose` does.
    pub fn read_loose(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) -> Result<Option<LooseRecord>, RecordError> {
        match self {
            Self::Csv(reader) => reader.read_loose(bytes, start, at_end),
            _ if start >= bytes.len() => Ok(None),
            Self::Delimited(reader) => reader.read_loose(bytes, start, at_end),
            Self::PgCopy(reader) => reader.read_loose(bytes, start, at_end),
            // Files whose fields have names have no head to pass over.
            Self::Json(_) | Self::Avro(_) | Self::Values(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{JsonField, JsonForm};

    fn ndjson() -> TextFormat {
        let field = JsonField { name: "a".to_owned(), form: JsonForm::Text };
        TextFormat::Json(JsonFormat { fields: [field].into(), lines: true, ignore_unknown: false })
    }

    fn pgcopy() -> TextFormat {
        let null = "\\N".to_owned();
        TextFormat::PgCopy(PgCopyFormat { delimiter: '\t', null, max_row_size: 1000 })
    }

    fn delimited(escape: Option<char>) -> TextFormat {
        TextFormat::Delimited(DelimitedFormat {
            field_end: '\t',
            row_end: '\n',
            enclosure: None,
            escape,
            null_word: false,
            binary: [false].into(),
        })
    }

    /// Checks that the records before a cut end where a guess behind it says that one starts.
    fn check_cut(format: &TextFormat, text: &[u8], cut: usize) {
        let mut records = Records::new();
        let mut reader = format.reader(1);
        let next = reader.read(text, 0, cut, usize::MAX, true, &mut records).unwrap();
        let guess = format.guess_record_start(&text[cut - 1..]);
        assert_eq!(guess.map_or(text.len(), |guess| cut - 1 + guess), next, "{text:?} at {cut}");
    }

    proptest! {
        #[test]
        fn ranges_meet_where_files_are_cut(
            cells in prop::collection::vec("[a-c \\\\]{0,5}", 1..12), cut in any::<prop::sample::Index>()
        ) {
            let lines: String = cells
                .iter()
                .map(|cell| serde_json::json!({ "a": format!("{cell}\n") }).to_string() + "\n")
                .collect();
            check_cut(&ndjson(), lines.as_bytes(), 1 + cut.index(lines.len()));
            let lines: String =
                cells.iter().map(|cell| cell.replace('\\', "\\\\\\n") + "\n").collect();
            check_cut(&pgcopy(), lines.as_bytes(), 1 + cut.index(lines.len()));
            let lines: String = cells.iter().map(|cell| cell.clone() + "\n").collect();
            check_cut(&delimited(None), lines.as_bytes(), 1 + cut.index(lines.len()));
        }

        #[test]
        fn only_some_formats_are_cut(escaped in any::<bool>()) {
            prop_assert!(delimited(escaped.then_some('\\')).can_be_cut());
            let TextFormat::Json(format) = ndjson() else { return Ok(()) };
            let array = TextFormat::Json(JsonFormat { lines: false, ..format });
            prop_assert!(!array.can_be_cut());
        }
    }
}
