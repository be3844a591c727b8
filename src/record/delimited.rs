//! The reader of DELIMITED files, as MySQL's `SELECT ... INTO OUTFILE` writes them.
//!
//! A field may be enclosed: then its first character is the enclosure, and the next one that stands
//! before a separator or the end of the file closes it; any other is text. An escape makes the
//! character after it text, or a control character, or with N the whole field NULL. An empty row is
//! one empty field.

use std::sync::Arc;

use memchr::{memchr2, memchr3};

use super::dialect::Mark;
use super::error::{FormatFault, RecordError, RecordFault};
use super::reader::{LONGEST_PIECE, LONGEST_RECORD, LooseRecord};
use super::records::{Records, offset, set_bit};

/// How a DELIMITED file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelimitedFormat {
    /// The character between fields.
    pub field_end: char,
    /// The character behind each row but the last.
    pub row_end: char,
    /// The character around fields.
    pub enclosure: Option<char>,
    /// The character that takes the meaning from the next.
    pub escape: Option<char>,
    /// Whether the word NULL, not enclosed, means NULL.
    pub null_word: bool,
    /// For each field whether bytes that are not UTF-8 stay as they are; in the others each of them
    /// becomes the character of its number.
    pub binary: Arc<[bool]>,
}

/// One decoded field.
#[derive(Clone, Copy, Debug)]
struct Cell {
    start: usize,
    end: usize,
    /// Whether the offsets point into `DelimitedReader::copied`.
    copied: bool,
    null: bool,
}

/// What follows a place in a row.
enum Step {
    /// A field ended; the next one starts here.
    Field(usize),
    /// The row ended at the first offset; the next one starts at the second.
    Row(usize, usize),
    /// The bytes end before it can be told.
    Incomplete,
    /// Something is wrong at this offset.
    Fault(usize, String),
}

/// Reads the rows of one file, piece by piece.
pub struct DelimitedReader {
    format: DelimitedFormat,
    field_end: Mark,
    row_end: Mark,
    enclosure: Mark,
    escape: Mark,
    /// The fields of the row in hand, and the text of those that were copied.
    cells: Vec<Cell>,
    copied: Vec<u8>,
    /// Whether rows that cannot be read are left out and told in `Records::faults`.
    leave_out: bool,
}

impl DelimitedReader {
    /// Returns a reader of one file.
    pub(super) fn new(format: DelimitedFormat) -> Self {
        Self {
            field_end: Mark::new(Some(format.field_end)),
            row_end: Mark::new(Some(format.row_end)),
            enclosure: Mark::new(format.enclosure),
            escape: Mark::new(format.escape),
            format,
            cells: Vec::new(),
            copied: Vec::new(),
            leave_out: false,
        }
    }

    /// Chooses whether rows that cannot be read are left out, as `Reader::leaving_out` does.
    pub(super) fn leaving_out(self, leave_out: bool) -> Self {
        Self { leave_out, ..self }
    }

    /// Reads whole rows, as `Reader::read` reads records.
    #[expect(clippy::too_many_arguments, reason = "as `Reader::read`")]
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        max_records: usize,
        at_end: bool,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        if bytes.len() > LONGEST_PIECE {
            return Err(RecordError::at(0, start, start, RecordFault::TooLong));
        }
        let fields = self.format.binary.len();
        records.restart_empty(fields);
        let text = simdutf8::basic::from_utf8(bytes).is_ok();
        let mut at = start;
        while at < bytes.len() && at < limit && records.count + records.faults.len() < max_records {
            let error = match self.read_row(bytes, (at, records.count), at_end) {
                Ok(Some(row)) => Ok(row),
                Ok(None) if self.leave_out && bytes.len() - at > LONGEST_RECORD => {
                    Err(RecordError::at(records.count, at, at, RecordFault::Endless))
                }
                Ok(None) => return Ok(at),
                Err(error) => Err(error),
            };
            let (end, next) = match error {
                Ok(row) => row,
                Err(error) if self.leave_out => {
                    // Behind such a row nobody knows where one starts: most probably where the next line
                    // does.
                    let Some(next) = self.next_line(bytes, at, at_end) else {
                        return if bytes.len() - at > LONGEST_RECORD { Err(error) } else { Ok(at) };
                    };
                    let offset = error.offset.min(next);
                    records.faults.push(RecordError { offset, next: Some(next), ..error });
                    at = next;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let message = match self.cells.len() {
                got if got > fields => format!("too many columns, got {got} expected {fields}"),
                got if got < fields => {
                    format!("unexpected number of columns, expected {fields} got {got}")
                }
                _ => String::new(),
            };
            if !message.is_empty() {
                let fault = RecordFault::Format(Box::new(FormatFault::new(message)));
                let error = RecordError::at(records.count, at, at, fault);
                let error = RecordError { next: Some(next), ..error };
                if !self.leave_out {
                    return Err(error);
                }
                records.faults.push(error);
                at = next;
                continue;
            }
            if !text {
                self.decode_bytes(bytes);
            }
            self.push_row(records, bytes.len());
            records.complete(at, end);
            at = next;
        }
        Ok(at)
    }

    /// Reads one row whatever the number of its fields, as `Reader::read_loose` does.
    pub(super) fn read_loose(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) -> Result<Option<LooseRecord>, RecordError> {
        let row = self.read_row(bytes, (start, 0), at_end)?;
        Ok(row.map(|(_, next)| {
            let texts = self.cells.iter().map(|cell| self.text(bytes, cell).to_vec());
            (texts.collect(), next)
        }))
    }

    /// Returns what follows the next end of a row, wherever it stands; `None` if more bytes are needed.
    fn next_line(&self, bytes: &[u8], at: usize, at_end: bool) -> Option<usize> {
        let mut end = [0; 4];
        let end = self.format.row_end.encode_utf8(&mut end).as_bytes();
        let found = memchr::memmem::find(&bytes[at..], end).map(|length| at + length + end.len());
        found.or_else(|| at_end.then_some(bytes.len()))
    }

    fn text<'a>(&'a self, bytes: &'a [u8], cell: &Cell) -> &'a [u8] {
        let from = if cell.copied { &self.copied } else { bytes };
        &from[cell.start..cell.end]
    }

    /// Reads the row at `start` into `cells`; returns where it ends and the next one starts, or `None`
    /// if it is not whole.
    fn read_row(
        &mut self,
        bytes: &[u8],
        (start, row): (usize, usize),
        at_end: bool,
    ) -> Result<Option<(usize, usize)>, RecordError> {
        self.cells.clear();
        self.copied.clear();
        let mut at = start;
        loop {
            match self.read_field(bytes, at, at_end) {
                Step::Field(next) => at = next,
                Step::Row(end, next) => return Ok(Some((end, next))),
                Step::Incomplete => return Ok(None),
                Step::Fault(at, message) => {
                    let fault = FormatFault::new(message).of_byte();
                    let fault = RecordFault::Format(Box::new(fault));
                    return Err(RecordError::at(row, start, at, fault));
                }
            }
        }
    }

    /// Reads the field at `start` and adds it to `cells`.
    fn read_field(&mut self, bytes: &[u8], start: usize, at_end: bool) -> Step {
        let enclosed = self.enclosure.stands_at(bytes, start);
        let open = start + if enclosed { self.enclosure.len() } else { 0 };
        let mut field = Field { start: open, kept: open, copied: None, null: false };
        let mut at = open;
        let (end, step) = loop {
            let Some(length) = self.find(bytes, at, enclosed) else {
                if !at_end {
                    return Step::Incomplete;
                }
                if enclosed {
                    return Step::Fault(
                        start,
                        "unmatched field enclosure at start of field".into(),
                    );
                }
                break (bytes.len(), Step::Row(bytes.len(), bytes.len()));
            };
            at += length;
            if self.escape.stands_at(bytes, at) {
                let escaped = at + self.escape.len();
                match bytes.get(escaped) {
                    None if at_end => return Step::Fault(at, "unmatched literal".into()),
                    None => return Step::Incomplete,
                    Some(byte) => {
                        if !field.take_escaped(&mut self.copied, bytes, at, *byte) {
                            return Step::Fault(at, "unexpected null encoding".into());
                        }
                        field.kept = escaped + 1;
                        at = field.kept;
                    }
                }
            } else if enclosed && self.enclosure.stands_at(bytes, at) {
                match self.separator(bytes, at + self.enclosure.len(), at_end) {
                    Some(Step::Incomplete) => return Step::Incomplete,
                    Some(step) => break (at, step),
                    None => at += self.enclosure.len(),
                }
            } else if !enclosed && let Some(step) = self.separator(bytes, at, at_end) {
                if matches!(step, Step::Incomplete) {
                    return step;
                }
                break (at, step);
            } else {
                at += 1;
            }
        };
        self.push_field(bytes, field, (end, enclosed), step)
    }

    /// Returns how far from `at` the next byte stands that may mean something.
    fn find(&self, bytes: &[u8], at: usize, enclosed: bool) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let row_end = self.row_end.first()?;
        let escape = self.escape.first();
        if enclosed {
            let enclosure = self.enclosure.first()?;
            return memchr2(enclosure, escape.unwrap_or(enclosure), rest);
        }
        memchr3(self.field_end.first()?, row_end, escape.unwrap_or(row_end), rest)
    }

    /// Returns what ends at `at`, where a separator or the end of the file must stand.
    fn separator(&self, bytes: &[u8], at: usize, at_end: bool) -> Option<Step> {
        if self.field_end.stands_at(bytes, at) {
            return Some(Step::Field(at + self.field_end.len()));
        }
        if self.row_end.stands_at(bytes, at) {
            return Some(Step::Row(at, at + self.row_end.len()));
        }
        match bytes.get(at) {
            None if at_end => Some(Step::Row(at, at)),
            _ if !at_end && bytes.len() - at < self.field_end.len().max(self.row_end.len()) => {
                Some(Step::Incomplete)
            }
            _ => None,
        }
    }

    /// Adds the field that ends at `end` to `cells`.
    fn push_field(
        &mut self,
        bytes: &[u8],
        field: Field,
        (end, enclosed): (usize, bool),
        step: Step,
    ) -> Step {
        let rest = &bytes[field.kept..end];
        let mark = self.enclosure.len();
        let closes = mark > 0 && end - field.kept >= mark;
        if !enclosed && closes && self.enclosure.stands_at(bytes, end - mark) {
            let message = "unmatched field enclosure at end of field";
            return Step::Fault(end - mark, message.into());
        }
        let cell = match field.copied {
            None => Cell { start: field.start, end, copied: false, null: false },
            Some(start) => {
                self.copied.extend_from_slice(rest);
                Cell { start, end: self.copied.len(), copied: true, null: field.null }
            }
        };
        let text = self.text(bytes, &cell);
        if field.null && !text.is_empty() {
            let text = String::from_utf8_lossy(text);
            let message = format!("unexpected data after null encoding: {text:?}");
            return Step::Fault(field.kept, message);
        }
        let word = self.format.null_word && !enclosed && text == b"NULL";
        self.cells.push(Cell { null: field.null || word, ..cell });
        step
    }

    /// Turns bytes that are not UTF-8 into the characters of their numbers.
    fn decode_bytes(&mut self, bytes: &[u8]) {
        for index in 0..self.cells.len() {
            let cell = self.cells[index];
            let text = self.text(bytes, &cell);
            if self.format.binary[index] || std::str::from_utf8(text).is_ok() {
                continue;
            }
            let mut decoded = String::new();
            for chunk in text.utf8_chunks() {
                decoded.push_str(chunk.valid());
                decoded.extend(chunk.invalid().iter().map(|byte| char::from(*byte)));
            }
            let start = self.copied.len();
            self.copied.extend_from_slice(decoded.as_bytes());
            self.cells[index] = Cell { start, end: self.copied.len(), copied: true, ..cell };
        }
    }

    /// Adds the row in `cells` to `records`; the piece has `length` bytes.
    fn push_row(&self, records: &mut Records, length: usize) {
        let base = length + records.unescaped.len();
        for cell in &self.cells {
            if cell.null {
                let index = records.spans.len();
                set_bit(records.nulls.get_or_insert_default(), index);
            }
            let base = if cell.copied { base } else { 0 };
            records.spans.push([offset(base + cell.start), offset(base + cell.end)]);
        }
        records.unescaped.extend_from_slice(&self.copied);
    }
}

/// A field that is being read.
struct Field {
    /// Where its text starts.
    start: usize,
    /// Where the text starts that is not yet copied.
    kept: usize,
    /// Where its copied text starts, if it was copied.
    copied: Option<usize>,
    /// Whether it said that it is NULL.
    null: bool,
}

impl Field {
    /// Copies the text up to the escape at `at` and what the escaped byte means; false if that is a
    /// NULL behind something else.
    fn take_escaped(&mut self, copied: &mut Vec<u8>, bytes: &[u8], at: usize, byte: u8) -> bool {
        let start = *self.copied.get_or_insert(copied.len());
        copied.extend_from_slice(&bytes[self.kept..at]);
        let plain = match byte {
            b'0' => 0,
            b'b' => 0x08,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'Z' => 0x1a,
            b'N' => {
                let first = !self.null && copied.len() == start;
                self.null = true;
                return first;
            }
            itself => itself,
        };
        copied.push(plain);
        true
    }
}

/// Returns where in `window` a row starts most probably: behind the first separator of rows that is not
/// escaped. Whether it is enclosed cannot be seen; the caller makes sure.
pub(super) fn guess_row_start(window: &[u8], format: &DelimitedFormat) -> Option<usize> {
    let (row_end, escape) = (Mark::new(Some(format.row_end)), Mark::new(format.escape));
    let first = row_end.first()?;
    let mut at = 0;
    while let Some(length) = memchr2(first, escape.first().unwrap_or(first), &window[at..]) {
        at += length;
        if escape.stands_at(window, at) {
            at += escape.len() + 1;
        } else if row_end.stands_at(window, at) {
            return Some(at + row_end.len());
        } else {
            at += 1;
        }
        if at >= window.len() {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(fields: usize, enclosure: Option<char>, escape: Option<char>) -> DelimitedFormat {
        let binary = vec![false; fields].into();
        let (field_end, row_end, null_word) = ('\t', '\n', escape.is_none());
        DelimitedFormat { field_end, row_end, enclosure, escape, null_word, binary }
    }

    type Rows = Vec<Vec<Option<String>>>;

    fn read_by(format: &DelimitedFormat, bytes: &[u8], step: usize) -> Result<Rows, RecordError> {
        let mut reader = DelimitedReader::new(format.clone());
        let mut rows = Vec::new();
        let (mut at, mut end) = (0, step.min(bytes.len()));
        loop {
            let (piece, at_end) = (&bytes[at..end], end == bytes.len());
            let mut records = Records::new();
            let next = reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records)?;
            for row in 0..records.count {
                let cell = |field| {
                    let text = records.field(piece, row, field).to_vec();
                    (!records.is_null(row, field)).then(|| String::from_utf8(text).unwrap())
                };
                rows.push((0..records.fields).map(cell).collect());
            }
            if at_end {
                return Ok(rows);
            }
            at += next;
            end = (end + step).min(bytes.len());
        }
    }

    #[track_caller]
    fn check(format: &DelimitedFormat, text: &str, expected: &[&[Option<&str>]]) {
        for step in [usize::MAX, 1, 2, 5] {
            let rows = read_by(format, text.as_bytes(), step).unwrap();
            let rows: Vec<Vec<Option<&str>>> =
                rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
            assert_eq!(rows, expected, "{text:?} by {step}");
        }
    }

    #[track_caller]
    fn refuses(format: &DelimitedFormat, text: &str, message: &str) {
        for step in [usize::MAX, 1, 3] {
            let error = read_by(format, text.as_bytes(), step).unwrap_err();
            assert_eq!(error.message(1), message, "{text:?}");
        }
    }

    #[test]
    fn reads_empty_files_fields_and_rows() {
        check(&format(1, None, None), "", &[]);
        check(&format(2, None, None), "\t", &[&[Some(""), Some("")]]);
        check(&format(1, None, None), "\n", &[&[Some("")]]);
        check(&format(1, None, None), "a\n\nb", &[&[Some("a")], &[Some("")], &[Some("b")]]);
    }

    #[test]
    fn reads_enclosed_fields() {
        let format = format(2, Some('$'), None);
        check(&format, "$foo$\tnormal", &[&[Some("foo"), Some("normal")]]);
        check(&format, "fo$o\tb$a$z", &[&[Some("fo$o"), Some("b$a$z")]]);
        check(&format, "$fo$o$\t$b$a$z$\n", &[&[Some("fo$o"), Some("b$a$z")]]);
        check(&format, "$a\tb\nc$\t$$", &[&[Some("a\tb\nc"), Some("")]]);
        check(&format, "$NULL$\tNULL", &[&[Some("NULL"), None]]);
        refuses(&format, "$foo\tbar", "unmatched field enclosure at start of field");
        refuses(&format, "foo$\tbar", "unmatched field enclosure at end of field");
        refuses(&format, "foo\tbar$", "unmatched field enclosure at end of field");
    }

    #[test]
    fn reads_escapes() {
        let at = format(1, None, Some('@'));
        check(&at, "@N\nN@@@\n\nNULL", &[&[None], &[Some("N@\n")], &[Some("NULL")]]);
        let back = format(1, None, Some('\\'));
        check(&back, "\\0\\b\\n\\r\\t\\Z\\x\\\\", &[&[Some("\0\x08\n\r\t\x1ax\\")]]);
        check(&back, "a\\\tb\\\u{e9}", &[&[Some("a\tb\u{e9}")]]);
        refuses(&back, "\\N1\nfoo", "unexpected data after null encoding: \"1\"");
        refuses(&back, "\\N\\N", "unexpected null encoding");
        refuses(&back, "1\\N", "unexpected null encoding");
        refuses(&back, "a\\", "unmatched literal");
        let both = format(2, Some('"'), Some('\\'));
        check(&both, "\"a\\\"\tb\"\t\\\"", &[&[Some("a\"\tb"), Some("\"")]]);
        let plain = format(1, None, None);
        check(&plain, "\\N\n\\\\N\nNULL", &[&[Some("\\N")], &[Some("\\\\N")], &[None]]);
    }

    #[test]
    fn counts_fields() {
        refuses(&format(1, None, None), "1\t2\n3", "too many columns, got 2 expected 1");
        let message = "unexpected number of columns, expected 2 got 1";
        refuses(&format(2, None, None), "1,2\n3\t4", message);
    }

    #[test]
    fn takes_characters_of_several_bytes() {
        let format = DelimitedFormat {
            field_end: '\u{2713}',
            row_end: '\u{2192}',
            ..format(2, Some('\u{a7}'), Some('\u{b6}'))
        };
        check(
            &format,
            "a\u{2713}\u{a7}b\u{2713}c\u{a7}\u{2192}\u{b6}\u{2713}\u{2713}\u{2717}",
            &[&[Some("a"), Some("b\u{2713}c")], &[Some("\u{2713}"), Some("\u{2717}")]],
        );
    }

    #[test]
    fn reads_wrong_bytes_by_their_numbers() {
        let rows = read_by(&format(1, None, None), b"caf\xe9\n\xc3\xa9", usize::MAX).unwrap();
        assert_eq!(rows, [[Some("caf\u{e9}".to_owned())], [Some("\u{e9}".to_owned())]]);
    }

    #[test]
    fn guesses_where_rows_start() {
        let format = format(1, None, Some('\\'));
        assert_eq!(guess_row_start(b"a\\\nb\nc", &format), Some(5));
        assert_eq!(guess_row_start(b"a\\\nb", &format), None);
        assert_eq!(guess_row_start(b"a\\", &format), None);
        assert_eq!(guess_row_start(b"", &format), None);
    }

    proptest! {
        #[test]
        fn reads_the_same_whole_and_in_pieces(
            text in "[a\\t\\n$\\\\N]{0,40}", step in 1_usize..9,
            enclosed in any::<bool>(), escaped in any::<bool>(),
        ) {
            let format = format(2, enclosed.then_some('$'), escaped.then_some('\\'));
            let whole = read_by(&format, text.as_bytes(), usize::MAX);
            let pieces = read_by(&format, text.as_bytes(), step);
            match (whole, pieces) {
                (Ok(whole), Ok(pieces)) => prop_assert_eq!(whole, pieces),
                (whole, pieces) => prop_assert_eq!(
                    whole.unwrap_err().message(1), pieces.unwrap_err().message(1)),
            }
        }

        #[test]
        fn reads_back_what_is_written(
            rows in prop::collection::vec(
                prop::collection::vec(prop::option::of("[a\\t\\n$\\\\N0\u{e9}]{0,6}"), 2), 0..6),
            enclosed in any::<bool>(), step in 1_usize..60,
        ) {
            let mut text = String::new();
            for row in &rows {
                for (index, cell) in row.iter().enumerate() {
                    let cell = cell.as_ref().map(|cell| {
                        cell.replace('\\', "\\\\").replace('\t', "\\\t").replace('\n', "\\n")
                            .replace('$', "\\$")
                    });
                    match cell {
                        None => text += "\\N",
                        Some(cell) if enclosed => text += &format!("${cell}$"),
                        Some(cell) => text += &cell,
                    }
                    text.push(if index == 0 { '\t' } else { '\n' });
                }
            }
            let format = format(2, Some('$'), Some('\\'));
            prop_assert_eq!(read_by(&format, text.as_bytes(), step).unwrap(), rows);
        }
    }
}
