//! Lenient reading: every record is read somehow, and a quote at fault costs no more than its record.
//!
//! A record is read by the rules first. Where that gives the wanted number of fields, it is taken. Where
//! it does not, or where a quote swallows lines, the quotes that look wrong are taken for text, one after
//! the other, and last of all every quote of the line that does not lie around a field; what gives the
//! wanted number of fields is taken. Otherwise the record is filled up or cut.

use super::exact::Outcome;
use super::reader::{Piece, Reader};
use super::records::{Records, Spans, set_bit};

/// How many quotes of a record are taken for text, one after the other.
const MOST_LITERAL: usize = 4;

/// The bytes end where it cannot be told what a quote means.
struct Unclear;

impl Reader {
    /// Reads the record at `at` into `records`; returns where the next line starts, or `None` if more
    /// bytes are needed.
    pub(super) fn take_leniently(
        &mut self,
        piece: Piece<'_>,
        at: usize,
        records: &mut Records,
        spans: &mut Spans,
    ) -> Option<usize> {
        let deciding = piece.deciding(at);
        let (text, at_end) = deciding.unwrap_or((piece.text(), piece.at_end));
        let Outcome::Record(next) = self.exact.read(text, at, at_end) else {
            // Nothing closes the quote: the line is all there is of the record, however long it is.
            deciding?;
            let line = self.exact.next_line(piece.text(), at, piece.at_end)?;
            let text = &piece.text()[..line.max(text.len())];
            let found = self.read_with_literal_quotes((text, false), at, true);
            let next = found.ok().flatten().unwrap_or_else(|| self.exact.read_line(text, at));
            return Some(self.take(piece, (at, next, true), records, spans));
        };
        let swallowed = self.exact.swallows_lines(text, at, next);
        let fits = self.has_wanted_fields();
        // Quotes that are in order and swallow nothing are what they look like: the record is short.
        if fits && !swallowed || self.exact.odd.is_none() && !(swallowed && self.may_be_split()) {
            return Some(self.take(piece, (at, next, false), records, spans));
        }
        let found = self.read_with_literal_quotes((text, at_end), at, deciding.is_some()).ok()?;
        if let Some(next) = found {
            return Some(self.take(piece, (at, next, true), records, spans));
        }
        let line = self.exact.read_line(text, at);
        if self.has_wanted_fields() || swallowed && !fits {
            return Some(self.take(piece, (at, line, true), records, spans));
        }
        // What is taken is read in full; a quote that nothing closes takes all there is.
        let endless = std::mem::replace(&mut self.exact.endless, usize::MAX);
        self.exact.read(text, at, at_end);
        self.exact.endless = endless.min(self.exact.endless);
        Some(self.take(piece, (at, next, false), records, spans))
    }

    /// Reads the record at `at` of a text, which the file ends with or not, with the quotes that look
    /// wrong as text; returns where the next line starts if that gives the wanted number of fields. More
    /// bytes of the text are waited for unless these are all that decide.
    fn read_with_literal_quotes(
        &mut self,
        (text, at_end): (&[u8], bool),
        at: usize,
        all: bool,
    ) -> Result<Option<usize>, Unclear> {
        let mut found = Ok(None);
        while let Some(odd) = self.exact.odd.filter(|_| self.exact.literal.len() < MOST_LITERAL) {
            self.exact.literal.push(odd);
            let outcome = self.exact.read(text, at, at_end);
            if let Outcome::Record(next) = outcome
                && !self.exact.swallows_lines(text, at, next)
                && self.has_wanted_fields()
            {
                found = Ok(Some(next));
                break;
            }
            if outcome == Outcome::Incomplete && !all {
                found = Err(Unclear);
                break;
            }
        }
        self.exact.literal.clear();
        found
    }

    /// Returns whether a record of too few fields may have more of them, were its quotes text.
    fn may_be_split(&self) -> bool {
        let fields = &self.exact.fields;
        fields.len() < self.fields && fields.iter().any(|field| field.quoted)
    }

    fn has_wanted_fields(&self) -> bool {
        self.cut_fields() == self.fields
    }

    /// Returns the number of fields of the record read, without one empty field too many.
    fn cut_fields(&self) -> usize {
        match self.exact.fields.as_slice() {
            [wanted @ .., last]
                if wanted.len() == self.fields
                    && last.start == last.end
                    && !(self.keep_quoted && last.quoted) =>
            {
                wanted.len()
            }
            fields => fields.len(),
        }
    }

    /// Adds the record read, which lies from `start` to `next` and whose quotes may be
    /// `literal`, filled up or cut; returns where the next
    /// line starts.
    fn take(
        &self,
        piece: Piece<'_>,
        (start, next, literal): (usize, usize, bool),
        records: &mut Records,
        spans: &mut Spans,
    ) -> usize {
        let fields = self.cut_fields();
        if fields < self.fields {
            for field in fields..self.fields {
                let bit = records.count * self.fields + field;
                for bits in [&mut records.nulls, &mut records.missing] {
                    set_bit(bits.get_or_insert_default(), bit);
                }
            }
            records.repairs.filled += 1;
        }
        records.repairs.cut += u64::from(fields > self.fields);
        records.repairs.quotes += u64::from(literal);
        self.push_fields(piece, (start, fields.min(self.fields)), records, spans);
        piece.consumed(next)
    }
}
