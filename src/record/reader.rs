//! The reader of CSV records: what callers see, and the choice between the fast and exact ways.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::blocks::Signs;
use super::dialect::{Dialect, Mark};
use super::error::{RecordError, RecordFault};
use super::exact::{Exact, Field, Line, Outcome};
use super::fast::{Run, Settings, Stop, Vectors, vectors};
use super::lines::{count_characters, count_line_ends};
use super::records::{Records, Spans, offset, push_bits, truncate_bits};

/// The longest piece that can be read: offsets into it and behind it must fit 32 bits.
pub(super) const LONGEST_PIECE: usize = (u32::MAX / 2) as usize;

/// The longest record that is waited for where a faulty one does not end the reading: a quote that is
/// not closed must not take the rest of the file.
pub(super) const LONGEST_RECORD: usize = 16 << 20;

/// What stands for the quote in text without quotes: no byte of UTF-8.
const NO_QUOTE: u8 = 0xff;

/// The decoded fields of a record, and where the next line starts.
pub(super) type LooseRecord = (Vec<Vec<u8>>, usize);

/// Reads the records of one file, piece by piece.
///
/// A piece is any stretch of the file that starts where a record may start (after a byte order
/// mark, see `strip_bom`). The caller moves what was not consumed to the front of the next piece,
/// and makes the piece larger, doubling it, if nothing was consumed.
pub struct Reader {
    pub(super) dialect: Dialect,
    pub(super) fields: usize,
    comment: Mark,
    pub(super) exact: Exact,
    /// Whether the dialect is one for bit masks.
    fast: bool,
    /// A byte that no piece may hold to be read by bit masks: what escapes quotes, or stands for them.
    forbidden: Option<u8>,
    /// The instructions for faster bit masks that the processor has.
    vectors: Vectors,
    pub(super) keep_quoted: bool,
    /// Whether faulty records are left out and told in `Records::faults`.
    leave_out: bool,
}

/// A stretch of bytes with what is known about its end.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    /// Where reading starts.
    start: usize,
    /// Where the text ends: before a lone carriage return at the end of the file.
    pub(super) end: usize,
    pub(super) at_end: bool,
}

impl<'a> Piece<'a> {
    fn new(bytes: &'a [u8], start: usize, at_end: bool) -> Self {
        let end = bytes.len() - usize::from(at_end && bytes.ends_with(b"\r"));
        Self { bytes, start, end, at_end }
    }

    pub(super) fn text(self) -> &'a [u8] {
        &self.bytes[..self.end]
    }

    /// Returns the bytes that decide what a record at `at` is, of which at most `LONGEST_RECORD` are its
    /// own, and whether the file ends with them; `None` if more are needed to be sure. So it does not
    /// depend on where pieces end.
    pub(super) fn deciding(self, at: usize) -> Option<(&'a [u8], bool)> {
        if self.end - at > LONGEST_RECORD {
            Some((&self.bytes[..at + LONGEST_RECORD], false))
        } else {
            self.at_end.then_some((self.text(), true))
        }
    }

    /// Returns `at`, or the end of the bytes if nothing but the lone carriage return is left.
    pub(super) fn consumed(self, at: usize) -> usize {
        if at >= self.end { self.bytes.len() } else { at }
    }
}

impl Reader {
    /// Returns a reader of records that have `fields` fields.
    pub fn new(dialect: Dialect, fields: usize) -> Self {
        let one_byte =
            dialect.delimiter.single_byte().is_some_and(|byte| dialect.quote != Some(byte));
        let forbidden = match dialect.quote {
            None => Some(NO_QUOTE),
            Some(quote) => dialect.escape.filter(|escape| *escape != quote),
        };
        Self {
            fields,
            comment: Mark::new(dialect.comment),
            exact: Exact::new(&dialect),
            fast: one_byte && fields > 0,
            forbidden,
            vectors: vectors(),
            dialect,
            keep_quoted: false,
            leave_out: false,
        }
    }

    /// Chooses whether `Records::quoted` is filled. If it is, an extra field at the end of a record
    /// is dropped only if it was not quoted, as CockroachDB does since quoting matters.
    #[must_use]
    pub fn with_quoted(mut self, quoted: bool) -> Self {
        self.keep_quoted = quoted;
        self
    }

    /// Chooses whether a record that cannot be read ends the reading, or is left out and told in
    /// `Records::faults`. In the second case reading goes on behind it; where a quote is at fault, with
    /// the next line.
    #[must_use]
    pub fn leaving_out(mut self, leave_out: bool) -> Self {
        self.leave_out = leave_out;
        self
    }

    /// Returns the dialect that is read.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Makes the reader use the exact way only.
    #[cfg(any(test, fuzzing))]
    #[doc(hidden)]
    pub fn exactly(mut self) -> Self {
        self.fast = false;
        self
    }

    /// Makes the reader use no better vector instructions than `best`.
    #[cfg(test)]
    pub(super) fn with_vectors(mut self, best: Vectors) -> Self {
        if best < self.vectors {
            self.vectors = best;
        }
        self
    }

    /// Reads whole records from `bytes[start..]` into `records`, which is cleared first.
    ///
    /// Records that start at or after `limit` are left, and those beyond `max_records`. No bytes
    /// follow if `at_end`. Returns where the next line starts that was not read, or the record that
    /// is not whole: everything before it is consumed, comments and blank lines included. One extra
    /// empty field at the end of a record is dropped; any other difference from the wanted number
    /// is an error, unless the dialect is lenient. On an error `records` holds the good records before
    /// the wrong one.
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
        let piece = self.open_piece(bytes, start, at_end)?;
        records.quoted = self.keep_quoted.then(|| records.quoted.take().unwrap_or_default());
        let mut spans = records.restart(self.fields);
        let settings = Settings {
            signs: Signs {
                quote: self.dialect.quote.unwrap_or(NO_QUOTE),
                delimiter: self.dialect.delimiter.single_byte().unwrap_or_default(),
                line_end: self.dialect.line_end(),
            },
            comment: self.comment.first(),
            limit,
            max_records,
            vectors: self.vectors,
        };
        let result = self.read_piece(piece, settings, records, &mut spans);
        if let Some(quoted) = &mut records.quoted {
            truncate_bits(quoted, spans.len());
        }
        records.spans = spans.finish();
        result
    }

    /// Reads whole records of the piece into `records`, whose spans are in `spans`.
    fn read_piece(
        &mut self,
        piece: Piece<'_>,
        settings: Settings,
        records: &mut Records,
        spans: &mut Spans,
    ) -> Result<usize, RecordError> {
        let forbidden = |byte| memchr(byte, &piece.bytes[piece.start..]).is_some();
        let fast = self.fast && !self.forbidden.is_some_and(forbidden);
        self.exact.endless = usize::MAX;
        // After fruitless runs a growing number of records is read exactly before the next try.
        let (mut exactly, mut patience) = (0_u32, 1);
        let mut at = piece.start;
        loop {
            let max_records = settings.max_records.saturating_sub(records.faults.len());
            if records.count >= max_records {
                return Ok(at);
            }
            let settings = Settings { max_records, ..settings };
            at = match self.skip_lines(piece, at, settings.limit) {
                Ok(at) => at,
                Err(at) => return Ok(at),
            };
            if fast && exactly == 0 {
                let before = records.count;
                let (stop, next) = Run::new(piece.bytes, at, settings, records, spans).read();
                at = next;
                patience = if records.count == before { (patience * 2).min(32) } else { 1 };
                match stop {
                    Stop::Done => return Ok(at),
                    Stop::Comment => continue,
                    Stop::Partial if !piece.at_end => return Ok(at),
                    Stop::Partial if at >= piece.end => continue,
                    Stop::Partial | Stop::Unusual => exactly = patience,
                }
            }
            match self.take_exactly(piece, at, records, spans)? {
                None => return Ok(at),
                Some(next) => {
                    at = next;
                    exactly = exactly.saturating_sub(1);
                }
            }
        }
    }

    /// Reads the record at `at` into `records`, or notes its fault; returns where the next line starts,
    /// or `None` if more bytes are needed.
    fn take_exactly(
        &mut self,
        piece: Piece<'_>,
        at: usize,
        records: &mut Records,
        spans: &mut Spans,
    ) -> Result<Option<usize>, RecordError> {
        if self.dialect.lenient {
            return Ok(self.take_leniently(piece, at, records, spans));
        }
        let within = if self.leave_out { piece.deciding(at) } else { None };
        let (text, at_end) = within.unwrap_or((piece.text(), piece.at_end));
        let error = match self.read_exactly((text, at_end), at, records.count) {
            Ok(None) if within.is_some() => {
                RecordError::at(records.count, at, at, RecordFault::Endless)
            }
            Ok(None) => return Ok(None),
            Ok(Some(next)) => match self.push_record(piece, at..next, records, spans) {
                Ok(()) => return Ok(Some(next)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !self.leave_out {
            return Err(error);
        }
        let next = match error.next {
            Some(next) if !self.exact.swallows_lines(piece.text(), at, next) => Some(next),
            _ => {
                // Behind a quote at fault nobody knows where a record starts: most probably in the next
                // line, since few records have several.
                let next = self.exact.next_line(piece.text(), at, piece.at_end);
                next.map(|next| piece.consumed(next))
            }
        };
        if let Some(behind) = next {
            let offset = error.offset.min(behind);
            records.faults.push(RecordError { offset, next, ..error });
        }
        Ok(next)
    }

    /// Reads the record that starts at `start`, or after the comments and blank lines there,
    /// whatever the number of its fields. Returns its decoded fields and where the next line
    /// starts; `None` if no record is left (`at_end`) or more bytes are needed (not `at_end`).
    pub fn read_loose(
        &mut self,
        bytes: &[u8],
        start: usize,
        at_end: bool,
    ) -> Result<Option<LooseRecord>, RecordError> {
        let piece = self.open_piece(bytes, start, at_end)?;
        self.exact.endless = usize::MAX;
        let Ok(at) = self.skip_lines(piece, start, usize::MAX) else {
            return Ok(None);
        };
        let Some(next) = self.read_exactly((piece.text(), at_end), at, 0)? else {
            return Ok(None);
        };
        let exact = &self.exact;
        let text = |field: &Field| {
            let from = if field.unescaped { &exact.unescaped } else { bytes };
            from[field.start..field.end].to_vec()
        };
        Ok(Some((exact.fields.iter().map(text).collect(), piece.consumed(next))))
    }

    /// Returns where the line after the record starts that starts at `start`, so that
    /// `bytes[start..end]` is the record as it was written, line end included. For a record that
    /// is not whole that is the end of the bytes.
    pub fn record_end(&mut self, bytes: &[u8], start: usize, at_end: bool) -> usize {
        let piece = Piece::new(bytes, start, at_end);
        self.exact.endless = usize::MAX;
        match self.exact.read(piece.text(), start, at_end) {
            Outcome::Record(next) => piece.consumed(next),
            Outcome::Incomplete | Outcome::Fault { .. } => bytes.len(),
        }
    }

    /// Checks that the piece can be read, and with its first record the dialect.
    fn open_piece<'a>(
        &self,
        bytes: &'a [u8],
        start: usize,
        at_end: bool,
    ) -> Result<Piece<'a>, RecordError> {
        if bytes.len() > LONGEST_PIECE {
            return Err(RecordError::at(0, start, start, RecordFault::TooLong));
        }
        if start < bytes.len() {
            self.dialect.check().map_err(|error| RecordError { start, offset: start, ..error })?;
        }
        Ok(Piece::new(bytes, start, at_end))
    }

    /// Passes over the comments and blank lines from `at` on that start before `limit`; returns
    /// where a record starts, or else where the first line starts that was not passed over.
    fn skip_lines(&self, piece: Piece<'_>, mut at: usize, limit: usize) -> Result<usize, usize> {
        loop {
            if at >= limit {
                return Err(at);
            }
            if at >= piece.end {
                return Err(piece.bytes.len());
            }
            match self.exact.look_at_line(piece.text(), at, piece.at_end) {
                Line::Skipped(next) => at = next,
                Line::Record => return Ok(at),
                Line::Incomplete => return Err(at),
            }
        }
    }

    /// Reads the record at `at` of a text, which the file ends with or not, into `self.exact`; returns
    /// where the next line starts, or `None` if the record is not whole.
    pub(super) fn read_exactly(
        &mut self,
        (text, at_end): (&[u8], bool),
        at: usize,
        record: usize,
    ) -> Result<Option<usize>, RecordError> {
        let (offset, bare) = match self.exact.read(text, at, at_end) {
            Outcome::Record(next) => return Ok(Some(next)),
            Outcome::Incomplete => return Ok(None),
            Outcome::Fault { offset, bare } => (offset, bare),
        };
        let before = &text[at..offset];
        let lines = count_line_ends(before, self.dialect.line_end());
        let line = memrchr(self.dialect.line_end(), before).map_or(0, |newline| newline + 1);
        let column = count_characters(&before[line..]);
        let quote = char::from(self.dialect.quote.unwrap_or_default());
        Err(RecordError::at(
            record,
            at,
            offset,
            if bare {
                RecordFault::BareQuote { lines, column, quote }
            } else {
                RecordFault::StrayQuote { lines, column, quote }
            },
        ))
    }

    /// Adds the record in `self.exact`, which lies at `range`, if it has the wanted number of fields.
    fn push_record(
        &self,
        piece: Piece<'_>,
        range: Range<usize>,
        records: &mut Records,
        spans: &mut Spans,
    ) -> Result<(), RecordError> {
        let exact = &self.exact;
        let mut fields = exact.fields.as_slice();
        if let [wanted @ .., last] = fields
            && wanted.len() == self.fields
            && last.start == last.end
            && !(self.keep_quoted && last.quoted)
        {
            fields = wanted;
        }
        if fields.len() != self.fields {
            let fault = RecordFault::FieldCount { expected: self.fields, got: fields.len() };
            let extra = fields.get(self.fields).filter(|field| !field.unescaped);
            let offset = extra.map_or(range.end, |field| field.start);
            let next = Some(piece.consumed(range.end));
            let (record, start) = (records.count, range.start);
            return Err(RecordError { record, start, offset, next, fault });
        }
        let fields = fields.len();
        self.push_fields(piece, (range.start, fields), records, spans);
        Ok(())
    }

    /// Adds the first `count` fields of the record in `self.exact`, which starts at `start`.
    pub(super) fn push_fields(
        &self,
        piece: Piece<'_>,
        (start, count): (usize, usize),
        records: &mut Records,
        spans: &mut Spans,
    ) {
        let exact = &self.exact;
        let fields = &exact.fields[..count];
        let copied = piece.bytes.len() + records.unescaped.len();
        for field in fields {
            if let Some(quoted) = &mut records.quoted {
                push_bits(quoted, spans.len(), u64::from(field.quoted));
            }
            let base = if field.unescaped { copied } else { 0 };
            spans.push([offset(base + field.start), offset(base + field.end)]);
        }
        records.unescaped.extend_from_slice(&exact.unescaped);
        for _ in count..self.fields {
            if let Some(quoted) = &mut records.quoted {
                push_bits(quoted, spans.len(), 0);
            }
            spans.push([offset(start); 2]);
        }
        records.starts.push(offset(start));
        if exact.swallowed {
            records.swallowed.push(offset(records.count));
        }
        records.count += 1;
    }
}
