//! The reader of PGCOPY files: the text format of PostgreSQL's COPY.
//!
//! A line is a record, and a line of `\.` ends the data. Fields are compared with the text that means
//! NULL before their escapes are taken out.

use memchr::{memchr, memchr2};

use super::dialect::Mark;
use super::error::{FormatFault, RecordError, RecordFault};
use super::reader::{LONGEST_PIECE, LONGEST_RECORD, LooseRecord};
use super::records::{Records, offset, set_bit};
use crate::error::SqlState;

/// How a PGCOPY file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgCopyFormat {
    /// The character between fields.
    pub delimiter: char,
    /// The text that means NULL, escapes and all.
    pub null: String,
    /// The most bytes that a line may have.
    pub max_row_size: usize,
}

/// Reads the lines of one file, piece by piece.
pub struct PgCopyReader {
    format: PgCopyFormat,
    delimiter: Mark,
    fields: usize,
    /// Whether lines that cannot be read are left out and told in `Records::faults`.
    leave_out: bool,
}

/// What is wrong with a line, and the offset in it.
type Wrong = (usize, FormatFault);

impl PgCopyReader {
    /// Returns a reader of records that have `fields` fields.
    pub(super) fn new(format: PgCopyFormat, fields: usize) -> Self {
        let delimiter = Mark::new(Some(format.delimiter));
        Self { delimiter, format, fields, leave_out: false }
    }

    /// Chooses whether lines that cannot be read are left out, as `Reader::leaving_out` does.
    pub(super) fn leaving_out(self, leave_out: bool) -> Self {
        Self { leave_out, ..self }
    }

    /// Reads whole lines, as `Reader::read` reads records.
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
        records.restart_empty(self.fields);
        let text = simdutf8::basic::from_utf8(bytes).is_ok();
        let mut at = start;
        while at < bytes.len() && at < limit && records.count + records.faults.len() < max_records {
            let (end, next) = match self.line_end(bytes, at, at_end, records.count) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(at),
                Err(error) if self.leave_out => {
                    let next = match error.next {
                        None if at_end => bytes.len(),
                        None if bytes.len() - at <= LONGEST_RECORD => return Ok(at),
                        None => return Err(error),
                        Some(next) => next,
                    };
                    records.faults.push(RecordError { next: Some(next), ..error });
                    at = next;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let line = &bytes[at..end];
            if line == b"\\." {
                records.ended = true;
                return Ok(next);
            }
            let read = match line {
                line if !text && std::str::from_utf8(line).is_err() => Err(not_utf8(line)),
                _ => self.push_line(bytes, (at, end), records),
            };
            if let Err((byte, fault)) = read {
                records.forget_unfinished();
                let fault = RecordFault::Format(Box::new(fault));
                let error = RecordError::at(records.count, at, at + byte, fault);
                let error = RecordError { next: Some(next), ..error };
                if !self.leave_out {
                    return Err(error);
                }
                records.faults.push(error);
                at = next;
                continue;
            }
            records.complete(at, end);
            at = next;
        }
        Ok(at)
    }

    /// Reads one line whatever the number of its fields, as `Reader::read_loose` does.
    pub(super) fn read_loose(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) -> Result<Option<LooseRecord>, RecordError> {
        let line = self.line_end(bytes, start, at_end, 0)?;
        Ok(line.map(|(end, next)| (vec![bytes[start..end].to_vec()], next)))
    }

    /// Returns where the line at `start` ends and the next one starts; `None` if it is not whole.
    fn line_end(
        &self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
        record: usize,
    ) -> Result<Option<(usize, usize)>, RecordError> {
        let found = memchr(b'\n', &bytes[start..]);
        let length = found.unwrap_or(bytes.len() - start);
        if length > self.format.max_row_size {
            let fault = FormatFault::new("line too long")
                .hint("A larger max_row_size allows longer lines.");
            let fault = RecordFault::Format(Box::new(fault));
            let next = found.map(|length| start + length + 1);
            return Err(RecordError { next, ..RecordError::at(record, start, start, fault) });
        }
        if found.is_none() && !at_end {
            return Ok(None);
        }
        let end = start + length;
        let next = end + usize::from(found.is_some());
        let carriage_return = bytes[start..end].ends_with(b"\r");
        Ok(Some((end - usize::from(carriage_return), next)))
    }

    /// Adds the fields of the line at `start..end` to `records`.
    fn push_line(
        &self,
        bytes: &[u8],
        (start, end): (usize, usize),
        records: &mut Records,
    ) -> Result<(), Wrong> {
        let line = &bytes[..end];
        let mut count = 0;
        let mut field = start;
        loop {
            let (stop, escaped) = self.field_end(line, field);
            count += 1;
            if count <= self.fields {
                let raw = &line[field..stop];
                if raw == self.format.null.as_bytes() {
                    set_bit(records.nulls.get_or_insert_default(), records.spans.len());
                    records.spans.push([0; 2]);
                } else if escaped {
                    let copied = bytes.len() + records.unescaped.len();
                    unescape(raw, &mut records.unescaped)
                        .map_err(|(at, fault)| (field - start + at, fault))?;
                    let copied_end = bytes.len() + records.unescaped.len();
                    records.spans.push([offset(copied), offset(copied_end)]);
                } else {
                    records.spans.push([offset(field), offset(stop)]);
                }
            }
            if stop >= end {
                break;
            }
            field = stop + self.delimiter.len();
        }
        if count != self.fields {
            let wanted = self.fields;
            let message =
                format!("unexpected number of columns, expected {wanted} values, got {count}");
            return Err((0, FormatFault::new(message)));
        }
        Ok(())
    }

    /// Returns where the field at `at` ends, and whether escapes stand in it.
    fn field_end(&self, line: &[u8], mut at: usize) -> (usize, bool) {
        let delimiter = self.delimiter.first().unwrap_or(b'\t');
        let mut escaped = false;
        while let Some(length) = memchr2(delimiter, b'\\', &line[at..]) {
            at += length;
            if line[at] == b'\\' {
                escaped = true;
                at = (at + 2).min(line.len());
            } else if self.delimiter.stands_at(line, at) {
                return (at, escaped);
            } else {
                at += 1;
            }
        }
        (line.len(), escaped)
    }
}

fn not_utf8(line: &[u8]) -> Wrong {
    let at = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
    let fault = FormatFault::new("error decoding UTF-8 Rune").of_byte();
    (at, FormatFault { code: SqlState::CHARACTER_NOT_IN_REPERTOIRE, ..fault })
}

/// Appends the text of a field without its escapes.
fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let mut at = 0;
    while let Some(length) = memchr(b'\\', &raw[at..]) {
        out.extend_from_slice(&raw[at..at + length]);
        at += length;
        let Some(escaped) = raw.get(at + 1) else {
            return Err((at, FormatFault::new("unmatched escape").of_byte()));
        };
        let (byte, used) = match escaped {
            b'b' => (0x08, 2),
            b'f' => (0x0c, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'v' => (0x0b, 2),
            b'0'..=b'7' => {
                let (byte, count) = number(&raw[at + 1..], 8, 3);
                (byte, 1 + count)
            }
            b'x' => match number(&raw[at + 2..], 16, 2) {
                (_, 0) => {
                    let fault = FormatFault::new("unsupported escape sequence: \\x");
                    return Err((at, fault.of_byte()));
                }
                (byte, count) => (byte, 2 + count),
            },
            itself => (*itself, 2),
        };
        out.push(byte);
        at += used;
    }
    out.extend_from_slice(&raw[at..]);
    Ok(())
}

/// Returns the number that up to `most` digits make, as a byte, and how many digits it has.
fn number(digits: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let (mut value, mut count) = (0_u32, 0);
    for digit in digits.iter().take(most).map_while(|byte| char::from(*byte).to_digit(radix)) {
        value = value * radix + digit;
        count += 1;
    }
    // As PostgreSQL does: of three octal digits above a byte the low bits are kept.
    (value.to_le_bytes()[0], count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(delimiter: char) -> PgCopyFormat {
        PgCopyFormat { delimiter, null: "\\N".to_owned(), max_row_size: 1 << 20 }
    }

    type Rows = Vec<Vec<Option<String>>>;

    fn read_by(
        format: &PgCopyFormat,
        fields: usize,
        text: &str,
        step: usize,
    ) -> Result<Rows, RecordError> {
        let mut reader = PgCopyReader::new(format.clone(), fields);
        let (bytes, mut rows) = (text.as_bytes(), Vec::new());
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
            if at_end || records.ended {
                return Ok(rows);
            }
            at += next;
            end = (end + step).min(bytes.len());
        }
    }

    #[track_caller]
    fn check(format: &PgCopyFormat, text: &str, expected: &[&[Option<&str>]]) {
        let fields = expected.first().map_or(1, |row| row.len());
        for step in [usize::MAX, 1, 2, 5] {
            let rows = read_by(format, fields, text, step).unwrap();
            let rows: Vec<Vec<Option<&str>>> =
                rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
            assert_eq!(rows, expected, "{text:?} by {step}");
        }
    }

    #[track_caller]
    fn refuses(fields: usize, text: &str, message: &str) {
        for step in [usize::MAX, 1, 3] {
            let error = read_by(&format('\t'), fields, text, step).unwrap_err();
            assert_eq!(error.message(1), message, "{text:?}");
        }
    }

    #[test]
    fn reads_lines_up_to_the_end_of_data() {
        let rows: &[&[Option<&str>]] =
            &[&[Some("1"), Some("STR")], &[Some("2"), None], &[None, Some("\t")]];
        check(&format('\t'), "1\tSTR\n2\t\\N\n\\N\t\\t", rows);
        check(&format('\t'), "1\tSTR\r\n2\t\\N\n\\N\t\\\t\n\\.\nnot\tread\tat all\n", rows);
        check(
            &format(','),
            "1,STR\n2,\\N\n\\N,\\,\n",
            &[&[Some("1"), Some("STR")], &[Some("2"), None], &[None, Some(",")]],
        );
        check(&format('\t'), "", &[]);
        check(&format('\t'), "\\.", &[]);
        check(&format('\t'), "\n", &[&[Some("")]]);
    }

    #[test]
    fn leaves_out_lines_that_cannot_be_read() {
        let format = PgCopyFormat { max_row_size: 8, ..format('\t') };
        let text = b"1\t2\n3\n\\x\ta\n4\t5\t6\nlonger than that\n\t\xff\n7\t\\N\n8";
        for step in [usize::MAX, 1, 2, 5] {
            let mut reader = PgCopyReader::new(format.clone(), 2).leaving_out(true);
            let (mut at, mut end) = (0, step.min(text.len()));
            let (mut sound, mut faulty) = (Vec::new(), Vec::new());
            while at < text.len() {
                let (piece, at_end) = (&text[at..end], end == text.len());
                let mut records = Records::new();
                let next =
                    reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records).unwrap();
                let cell = |row| records.field(piece, row, 0).to_vec();
                sound.extend((0..records.count).map(cell));
                let line = |error: &RecordError| piece[error.start..error.next.unwrap()].to_vec();
                faulty.extend(records.faults.iter().map(line));
                at += next;
                end = end.saturating_add(step).min(text.len());
            }
            assert_eq!(sound, [b"1", b"7"], "by {step}");
            let expected: [&[u8]; 6] =
                [b"3\n", b"\\x\ta\n", b"4\t5\t6\n", b"longer than that\n", b"\t\xff\n", b"8"];
            assert_eq!(faulty, expected, "by {step}");
        }
    }

    #[test]
    fn reads_escapes() {
        let control = "\x08\x0c\n\r\t\x0b";
        check(&format('\t'), "\\b\\f\\n\\r\\t\\v", &[&[Some(control)]]);
        check(&format('\t'), "\\101\\7x\\x41\\x4z\\\\N\\q", &[&[Some("A\x07xA\x04z\\Nq")]]);
        let null = PgCopyFormat { null: String::new(), ..format('\t') };
        check(&null, "\t\\\\N\n", &[&[None, Some("\\N")]]);
        let marks = format('\u{2713}');
        check(&marks, "a\u{2713}\\\u{2713}\u{2717}", &[&[Some("a"), Some("\u{2713}\u{2717}")]]);
        refuses(1, "a\\", "unmatched escape");
        refuses(1, "a\\xg", "unsupported escape sequence: \\x");
        refuses(1, "a\\x", "unsupported escape sequence: \\x");
    }

    #[test]
    fn counts_fields_and_bytes() {
        refuses(2, "1", "unexpected number of columns, expected 2 values, got 1");
        refuses(2, "1\t2\t3\n", "unexpected number of columns, expected 2 values, got 3");
        let short = PgCopyFormat { max_row_size: 5, ..format('\t') };
        for step in [1, 100] {
            assert_eq!(read_by(&short, 1, "12345\n", step).unwrap().len(), 1);
            let error = read_by(&short, 1, "123456", step).unwrap_err();
            assert_eq!(error.message(1), "line too long");
        }
    }

    #[test]
    fn refuses_bytes_that_are_not_utf8() {
        let mut reader = PgCopyReader::new(format('\t'), 1);
        let mut records = Records::new();
        let error = reader.read(b"a\nb\xff\n", 0, 99, 99, true, &mut records).unwrap_err();
        assert_eq!((error.record, error.start, error.offset, error.next), (1, 2, 3, Some(5)));
        assert_eq!(error.message(1), "error decoding UTF-8 Rune");
        assert_eq!(error.code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    }

    proptest! {
        #[test]
        fn reads_back_what_is_written(
            rows in prop::collection::vec(
                prop::collection::vec(prop::option::of("[a\\t\\n\\r\\\\N.x0\u{e9}]{0,6}"), 2), 0..6),
            step in 1_usize..60,
        ) {
            let mut text = String::new();
            for row in &rows {
                let cells: Vec<String> = row.iter().map(|cell| match cell {
                    None => "\\N".to_owned(),
                    Some(cell) => cell.replace('\\', "\\\\").replace('\t', "\\t")
                        .replace('\n', "\\n").replace('\r', "\\r"),
                }).collect();
                text += &format!("{}\n", cells.join("\t"));
            }
            prop_assert_eq!(read_by(&format('\t'), 2, &text, step).unwrap(), rows);
        }
    }
}
