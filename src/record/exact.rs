//! The exact reader: one record at a time by the rules, for every dialect and every oddity.
//!
//! It knows no field count and no limits. The rules are those of CockroachDB's reader: a field is
//! quoted if its first byte is a quote; inside, a quote followed by a quote is one quote, by a
//! delimiter or a line end it closes the field, and by anything else it is text (a lazy quote).

use memchr::{memchr, memchr2};

use super::dialect::{Dialect, Mark, QUOTE};

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
            delimiter: Mark::new(Some(dialect.delimiter)),
            comment: Mark::new(dialect.comment),
            strict: dialect.strict_quotes,
            fields: Vec::new(),
            unescaped: Vec::new(),
            swallowed: false,
        }
    }

    /// Looks at the line that starts at `at`.
    pub(super) fn look_at_line(&self, bytes: &[u8], at: usize, at_end: bool) -> Line {
        if self.comment.stands_at(bytes, at) {
            return match memchr(b'\n', &bytes[at..]) {
                Some(length) => Line::Skipped(at + length + 1),
                None if at_end => Line::Skipped(bytes.len()),
                None => Line::Incomplete,
            };
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\n'), _) => Line::Skipped(at + 1),
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
        loop {
            let step = if bytes.get(at) == Some(&QUOTE) {
                self.read_quoted(bytes, at, at_end)
            } else {
                self.read_plain(bytes, at, at_end)
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
        let delimiter = self.delimiter.first().unwrap_or(b'\n');
        let mut from = start;
        let (end, step) = loop {
            let Some(length) = find_end(delimiter, &bytes[from..]) else {
                if !at_end {
                    return Step::Incomplete;
                }
                break (bytes.len(), Step::Record(bytes.len()));
            };
            let at = from + length;
            if bytes[at] == b'\n' {
                let carriage_return = at > start && bytes[at - 1] == b'\r';
                break (at - usize::from(carriage_return), Step::Record(at + 1));
            }
            if self.delimiter.stands_at(bytes, at) {
                break (at, Step::Field(at + self.delimiter.len()));
            }
            from = at + 1;
        };
        if self.strict
            && let Some(length) = memchr(QUOTE, &bytes[start..end])
        {
            return Step::Fault { offset: start + length, bare: true };
        }
        self.fields.push(Field { start, end, unescaped: false, quoted: false });
        step
    }

    /// Reads a field that starts with a quote at `open`.
    fn read_quoted(&mut self, bytes: &[u8], open: usize, at_end: bool) -> Step {
        let mut copied = None;
        let mut lazy = None;
        // The bytes from `kept` on are not yet copied, those from `from` on not yet looked at.
        let mut kept = open + 1;
        let mut from = kept;
        let (end, step) = loop {
            let Some(length) = memchr(QUOTE, &bytes[from..]) else {
                if !at_end {
                    return Step::Incomplete;
                }
                if self.strict {
                    return Step::Fault { offset: bytes.len(), bare: false };
                }
                lazy = Some(open);
                break (bytes.len(), Step::Record(bytes.len()));
            };
            let quote = from + length;
            from = quote + 1;
            if bytes.get(from) == Some(&QUOTE) {
                copied.get_or_insert(self.unescaped.len());
                self.unescaped.extend_from_slice(&bytes[kept..from]);
                from += 1;
                kept = from;
            } else if let Some(step) = self.after_quote(bytes, from, at_end) {
                break (quote, step);
            } else if self.strict {
                return Step::Fault { offset: quote, bare: false };
            } else {
                lazy.get_or_insert(quote);
            }
        };
        if matches!(step, Step::Incomplete) {
            return step;
        }
        self.swallowed |= lazy.is_some_and(|lazy| memchr(b'\n', &bytes[lazy..end]).is_some());
        self.fields.push(match copied {
            None => Field { start: open + 1, end, unescaped: false, quoted: true },
            Some(start) => {
                self.unescaped.extend_from_slice(&bytes[kept..end]);
                Field { start, end: self.unescaped.len(), unescaped: true, quoted: true }
            }
        });
        step
    }

    /// Returns what a quote ends that is followed by the bytes from `at` on; `None` if it ends
    /// nothing.
    fn after_quote(&self, bytes: &[u8], at: usize, at_end: bool) -> Option<Step> {
        if self.delimiter.stands_at(bytes, at) {
            return Some(Step::Field(at + self.delimiter.len()));
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'\n'), _) => Some(Step::Record(at + 1)),
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

/// The length up to which a loop finds the end of a field sooner than a call of memchr.
const SHORT: usize = 24;

/// Returns where in `bytes` the first line feed or `delimiter` stands.
fn find_end(delimiter: u8, bytes: &[u8]) -> Option<usize> {
    let short = &bytes[..bytes.len().min(SHORT)];
    match short.iter().position(|byte| *byte == b'\n' || *byte == delimiter) {
        Some(length) => Some(length),
        None => memchr2(b'\n', delimiter, &bytes[short.len()..]).map(|at| short.len() + at),
    }
}
