//! The exact reader: one record at a time by the rules, for every dialect and every oddity.
//!
//! It knows no field count and no limits. The rules are those of CockroachDB's reader: a field is
//! quoted if its first byte is a quote; inside, a quote followed by a quote is one quote, by a
//! delimiter or a line end it closes the field, and by anything else it is text (a lazy quote).
//! An escape character, if the dialect has one, makes a quote or itself text.
//!
//! For lenient reading single quotes can be taken for text: those that open fields named in `literal`,
//! or all that do not lie around a field (`read_line`).

use memchr::{memchr, memchr2};

use super::dialect::{Dialect, Mark};

/// What follows a place in a record.
enum Step {
    /// A field ended at a delimiter; the next one starts here.
    Field(usize),
    /// The record ended; the next line starts here.
    Record(usize),
    /// The bytes end before it can be told.
    Incomplete,
    /// A quote stands where strict quotes allow none.
    Fault { offset: usize, bare: bool },
}

/// What stands where a line starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A comment or nothing; the next line starts here.
    Skipped(usize),
    /// A record.
    Record,
    /// The bytes end before it can be told.
    Incomplete,
}

/// How the reading of a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The record is whole; the next line starts here.
    Record(usize),
    /// The record goes on after the bytes given.
    Incomplete,
    /// A quote stands where strict quotes allow none.
    Fault {
        /// Where the quote stands, or the end of the file that lacks one.
        offset: usize,
        /// Whether the field does not start with a quote.
        bare: bool,
    },
}

/// One decoded field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Where its text starts.
    pub(super) start: usize,
    /// Where its text ends.
    pub(super) end: usize,
    /// Whether the offsets point into `Exact::unescaped` instead of the bytes read.
    pub(super) unescaped: bool,
    /// Whether it was quoted.
    pub(super) quoted: bool,
}

/// Reads single records and keeps the fields of the last one.
pub(super) struct Exact {
    delimiter: Mark,
    comment: Mark,
    strict: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    line_end: u8,
    /// Fields whose opening quote is text.
    pub(super) literal: Vec<usize>,
    /// The first field of the last record with a lazy quote, or with one that nothing closes.
    pub(super) odd: Option<usize>,
    /// A quoted field that starts here or later is not closed in the bytes read: so it was when an
    /// earlier one was looked for.
    pub(super) endless: usize,
    /// Where the bytes ended that were looked at for it.
    endless_until: usize,
    /// The fields of the last record.
    pub(super) fields: Vec<Field>,
    /// The text of its fields that held doubled quotes.
    pub(super) unescaped: Vec<u8>,
    /// Whether a lazy quote of it swallowed a line break.
    pub(super) swallowed: bool,
}

impl Exact {
    /// Returns a reader of records in `dialect`.
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter.mark(),
            comment: Mark::new(dialect.comment),
            strict: dialect.strict_quotes,
            quote: dialect.quote,
            escape: dialect.escape.filter(|escape| Some(*escape) != dialect.quote),
            line_end: dialect.line_end(),
            literal: Vec::new(),
            odd: None,
            endless: usize::MAX,
            endless_until: 0,
            fields: Vec::new(),
            unescaped: Vec::new(),
            swallowed: false,
        }
    }

    /// Looks at the line that starts at `at`.
    pub(super) fn look_at_line(&self, bytes: &[u8], at: usize, at_end: bool) -> Line {
        if self.comment.stands_at(bytes, at) {
            return match memchr(self.line_end, &bytes[at..]) {
                Some(length) => Line::Skipped(at + length + 1),
                None if at_end => Line::Skipped(bytes.len()),
                None => Line::Incomplete,
            };
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(byte), _) if *byte == self.line_end => Line::Skipped(at + 1),
            (Some(b'\r'), Some(b'\n')) => Line::Skipped(at + 2),
            (Some(b'\r'), None) if !at_end => Line::Incomplete,
            _ => Line::Record,
        }
    }

    /// Reads the record that starts at `at`, which is neither a comment nor blank. The bytes end
    /// where the file does if `at_end`; a carriage return before its end is gone already.
    pub(super) fn read(&mut self, bytes: &[u8], mut at: usize, at_end: bool) -> Outcome {
        self.fields.clear();
        self.unescaped.clear();
        self.swallowed = false;
        self.odd = None;
        self.look_further(bytes, at_end);
        loop {
            let step = match self.quote {
                Some(quote)
                    if bytes.get(at) == Some(&quote)
                        && !self.literal.contains(&self.fields.len()) =>
                {
                    self.read_quoted(bytes, at, quote, at_end)
                }
                _ => self.read_plain(bytes, at, at_end),
            };
            match step {
                Step::Field(next) => at = next,
                Step::Record(next) => return Outcome::Record(next),
                Step::Incomplete => return Outcome::Incomplete,
                Step::Fault { offset, bare } => return Outcome::Fault { offset, bare },
            }
        }
    }

    /// Reads a field that does not start with a quote.
    fn read_plain(&mut self, bytes: &[u8], start: usize, at_end: bool) -> Step {
        let delimiter = self.delimiter.first().unwrap_or(self.line_end);
        let mut from = start;
        let (end, step) = loop {
            let Some(length) = find_end([delimiter, self.line_end], &bytes[from..]) else {
                if !at_end {
                    return Step::Incomplete;
                }
                break (bytes.len(), Step::Record(bytes.len()));
            };
            let at = from + length;
            if bytes[at] == self.line_end {
                let carriage_return = at > start && bytes[at - 1] == b'\r';
                break (at - usize::from(carriage_return), Step::Record(at + 1));
            }
            if self.delimiter.stands_at(bytes, at) {
                break (at, Step::Field(at + self.delimiter.len()));
            }
            from = at + 1;
        };
        if self.strict
            && let Some(quote) = self.quote
            && let Some(length) = memchr(quote, &bytes[start..end])
        {
            return Step::Fault { offset: start + length, bare: true };
        }
        self.fields.push(Field { start, end, unescaped: false, quoted: false });
        step
    }

    /// Reads a field that starts with a quote at `open`.
    fn read_quoted(&mut self, bytes: &[u8], open: usize, quote: u8, at_end: bool) -> Step {
        let mut copied = None;
        let mut lazy = None;
        // The bytes from `kept` on are not yet copied, those from `from` on not yet looked at.
        let mut kept = open + 1;
        let mut from = kept;
        let mut short = open > self.endless;
        let (end, step) = loop {
            let Some(length) = self.find_quote(quote, &mut short, &bytes[from..]) else {
                self.endless = self.endless.min(open);
                self.endless_until = bytes.len();
                self.odd.get_or_insert(self.fields.len());
                if !at_end {
                    return Step::Incomplete;
                }
                if self.strict {
                    return Step::Fault { offset: bytes.len(), bare: false };
                }
                lazy = Some(open);
                break (bytes.len(), Step::Record(bytes.len()));
            };
            let found = from + length;
            from = found + 1;
            if bytes[found] != quote {
                if bytes.get(from).is_some_and(|byte| *byte == quote || *byte == bytes[found]) {
                    copied.get_or_insert(self.unescaped.len());
                    self.unescaped.extend_from_slice(&bytes[kept..found]);
                    kept = from;
                    from += 1;
                }
            } else if bytes.get(from) == Some(&quote) {
                copied.get_or_insert(self.unescaped.len());
                self.unescaped.extend_from_slice(&bytes[kept..from]);
                from += 1;
                kept = from;
            } else if let Some(step) = self.after_quote(bytes, from, at_end) {
                break (found, step);
            } else if self.strict {
                return Step::Fault { offset: found, bare: false };
            } else {
                lazy.get_or_insert(found);
                self.odd.get_or_insert(self.fields.len());
            }
        };
        if matches!(step, Step::Incomplete) {
            return step;
        }
        let line_end = self.line_end;
        self.swallowed |= lazy.is_some_and(|lazy| memchr(line_end, &bytes[lazy..end]).is_some());
        self.fields.push(match copied {
            None => Field { start: open + 1, end, unescaped: false, quoted: true },
            Some(start) => {
                self.unescaped.extend_from_slice(&bytes[kept..end]);
                Field { start, end: self.unescaped.len(), unescaped: true, quoted: true }
            }
        });
        step
    }

    /// Forgets that quoted fields are not closed if one may be in the bytes that are new.
    fn look_further(&mut self, bytes: &[u8], at_end: bool) {
        let Some(quote) = self.quote.filter(|_| self.endless < usize::MAX) else { return };
        if bytes.len() <= self.endless_until {
            return;
        }
        // What a quote before their end means could hang on the new bytes.
        let mut from = self.endless_until.saturating_sub(self.delimiter.len().max(2));
        while let Some(length) = memchr(quote, &bytes[from..]) {
            from += length + 1;
            if self.after_quote(bytes, from, at_end).is_some() {
                self.endless = usize::MAX;
                return;
            }
        }
        self.endless_until = bytes.len();
    }

    /// Returns where in `bytes`, which lie inside quotes, the first quote or escape stands. What is
    /// known to lead nowhere is looked at no further than an empty field goes (`short`), unless it is
    /// the last line, which is taken as it is.
    fn find_quote(&self, quote: u8, short: &mut bool, bytes: &[u8]) -> Option<usize> {
        if *short {
            if bytes.first() == Some(&quote) {
                return Some(0);
            }
            if memchr(self.line_end, bytes).is_some() {
                return None;
            }
            *short = false;
        }
        match self.escape {
            None => memchr(quote, bytes),
            Some(escape) => memchr2(quote, escape, bytes),
        }
    }

    /// Returns what a quote ends that is followed by the bytes from `at` on; `None` if it ends
    /// nothing.
    fn after_quote(&self, bytes: &[u8], at: usize, at_end: bool) -> Option<Step> {
        if self.delimiter.stands_at(bytes, at) {
            return Some(Step::Field(at + self.delimiter.len()));
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(byte), _) if *byte == self.line_end => Some(Step::Record(at + 1)),
            (Some(b'\r'), Some(b'\n')) => Some(Step::Record(at + 2)),
            (None, _) if at_end => Some(Step::Record(at)),
            // Too few bytes for a line end or the delimiter.
            _ if !at_end && bytes.len() - at < self.delimiter.len().max(2) => {
                Some(Step::Incomplete)
            }
            _ => None,
        }
    }
}

impl Exact {
    /// Reads the line that starts at `at` as a record whose fields end at every delimiter, and are quoted
    /// if they begin and end with a quote; returns where the next line starts.
    pub(super) fn read_line(&mut self, bytes: &[u8], at: usize) -> usize {
        self.fields.clear();
        self.unescaped.clear();
        self.swallowed = false;
        let end = memchr(self.line_end, &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let next = (end + 1).min(bytes.len());
        let end = end - usize::from(end > at && bytes[end - 1] == b'\r');
        let line = &bytes[..end];
        let mut start = at;
        for place in at..=end {
            if place < start || place < end && !self.delimiter.stands_at(line, place) {
                continue;
            }
            self.push_bare(line, start, place);
            start = place + self.delimiter.len().max(1);
        }
        next
    }

    /// Adds the field from `start` to `end`, without the quotes around it.
    fn push_bare(&mut self, bytes: &[u8], start: usize, end: usize) {
        let around =
            |quote: u8| end - start >= 2 && bytes[start] == quote && bytes[end - 1] == quote;
        let Some(quote) = self.quote.filter(|quote| around(*quote)) else {
            self.fields.push(Field { start, end, unescaped: false, quoted: false });
            return;
        };
        let (mut start, end) = (start + 1, end - 1);
        let copied = self.unescaped.len();
        while let Some(length) = memchr(quote, &bytes[start..end]) {
            let found = start + length;
            let doubled = found + 1 < end && bytes[found + 1] == quote;
            self.unescaped.extend_from_slice(&bytes[start..=found]);
            start = found + 1 + usize::from(doubled);
        }
        self.unescaped.extend_from_slice(&bytes[start..end]);
        let end = self.unescaped.len();
        self.fields.push(Field { start: copied, end, unescaped: true, quoted: true });
    }

    /// Returns whether the record read, from `at` to `next`, holds line ends because of a quote that looks
    /// wrong.
    pub(super) fn swallows_lines(&self, bytes: &[u8], at: usize, next: usize) -> bool {
        let line = || self.next_line(bytes, at, true).unwrap_or(next);
        self.swallowed || self.odd.is_some() && line() < next
    }

    /// Returns where the line after the one of `at` starts, if it is known.
    pub(super) fn next_line(&self, bytes: &[u8], at: usize, at_end: bool) -> Option<usize> {
        match memchr(self.line_end, bytes.get(at..).unwrap_or_default()) {
            Some(length) => Some(at + length + 1),
            None => at_end.then_some(bytes.len()),
        }
    }
}

/// The length up to which a loop finds the end of a field sooner than a call of memchr.
const SHORT: usize = 24;

/// Returns where in `bytes` the first of two bytes stands.
fn find_end([one, other]: [u8; 2], bytes: &[u8]) -> Option<usize> {
    let short = &bytes[..bytes.len().min(SHORT)];
    match short.iter().position(|byte| *byte == one || *byte == other) {
        Some(length) => Some(length),
        None => memchr2(one, other, &bytes[short.len()..]).map(|at| short.len() + at),
    }
}
