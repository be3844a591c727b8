//! Cutting a dump into statements and blocks of rows.

use std::ops::Range;

use memchr::{memchr, memchr3};

use super::lexer::{DumpFlavor, Kind, Piece, Quoting, end_of_quoted, is_blank};

/// A part of a dump; ranges are offsets in the piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpPart {
    /// A statement, without the semicolon.
    Statement(Range<usize>),
    /// A line for the client: `\connect shop`.
    Command(Range<usize>),
    /// `COPY t (a, b) FROM stdin`; rows follow.
    Copy(Range<usize>),
    /// `INSERT INTO t (a, b)`, up to VALUES; rows follow.
    Insert(Range<usize>),
    /// Rows of a block.
    Rows {
        /// How many.
        count: u64,
        /// The longest of them, in bytes.
        longest: usize,
    },
    /// The end of a block of rows.
    End,
}

/// What was found: a part, if one is whole, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The part; without one, more bytes are wanted, or the dump has ended.
    pub part: Option<DumpPart>,
    /// The offset behind the part, or behind what need not be looked at again.
    pub next: usize,
}

/// A dump that cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpError {
    /// The offset of the faulty byte in the piece.
    pub offset: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// Where the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Between statements.
    Statements,
    /// In the rows of COPY.
    Copy,
    /// In the rows of INSERT; whether a row must follow.
    Values(bool),
}

/// Cuts a dump into parts, piece by piece.
#[derive(Debug)]
pub struct DumpScanner {
    quoting: Quoting,
    /// What ends a statement: `;` unless MySQL's DELIMITER says otherwise.
    delimiter: Vec<u8>,
    mode: Mode,
}

impl DumpScanner {
    /// Returns a scanner that stands at the start of a dump.
    pub fn new(quoting: Quoting) -> Self {
        Self { quoting, delimiter: b";".to_vec(), mode: Mode::Statements }
    }

    /// Says whether backslashes escape in plain strings from here on.
    pub fn set_backslash(&mut self, backslash: bool) {
        self.quoting.backslash = backslash;
    }

    /// Returns how strings are written at this place.
    pub fn quoting(&self) -> Quoting {
        self.quoting
    }

    /// Returns the part that begins at `at`; of rows `most` at most. No bytes follow if `at_end`.
    pub fn next(
        &mut self,
        bytes: &[u8],
        at: usize,
        at_end: bool,
        most: u64,
    ) -> Result<Scanned, DumpError> {
        let piece = Piece { bytes, at_end, quoting: self.quoting };
        match self.mode {
            Mode::Statements => self.statement(piece, at),
            Mode::Copy => Ok(self.copied_rows(piece, at, most)),
            Mode::Values(row_follows) => self.values(piece, at, most, row_follows),
        }
    }

    fn statement(&mut self, piece: Piece<'_>, at: usize) -> Result<Scanned, DumpError> {
        let mut start = piece.skip_blank(at);
        // A semicolon alone is an empty statement.
        while piece.bytes[start..].starts_with(&self.delimiter) {
            start = piece.skip_blank(start + self.delimiter.len());
        }
        if start == piece.bytes.len() {
            return Ok(Scanned { part: None, next: start });
        }
        if piece.bytes[start] == b'\\' {
            return Ok(line(piece, start, DumpPart::Command));
        }
        let mut words = Words::default();
        let mut end = start;
        loop {
            if piece.bytes[end..].starts_with(&self.delimiter) && !words.in_body() {
                return Ok(self.end_statement(piece, start, end, &words));
            }
            let Some(token) = piece.token(end) else {
                if piece.at_end && end == piece.bytes.len() {
                    return Ok(self.end_statement(piece, start, end, &words));
                }
                return Ok(Scanned { part: None, next: start });
            };
            match token.kind {
                Kind::Open => {
                    let message = "unterminated string, name or comment";
                    return Err(DumpError { offset: end, message });
                }
                Kind::Word => {
                    let word = &piece.bytes[end..token.end];
                    if end == start && self.is_delimiter_command(word) {
                        return Ok(self.change_delimiter(piece, start));
                    }
                    if words.values_follow(word) {
                        self.mode = Mode::Values(true);
                        let part = DumpPart::Insert(start..trimmed(piece.bytes, start, end));
                        return Ok(Scanned { part: Some(part), next: token.end });
                    }
                    words.take(word);
                }
                Kind::Other(byte) => words.punctuation(byte),
                Kind::Blank | Kind::Conditional | Kind::String | Kind::Name => {}
            }
            end = token.end;
        }
    }

    fn is_delimiter_command(&self, word: &[u8]) -> bool {
        self.quoting.flavor == DumpFlavor::MySql && word.eq_ignore_ascii_case(b"DELIMITER")
    }

    /// Takes MySQL's `DELIMITER ;;`.
    fn change_delimiter(&mut self, piece: Piece<'_>, start: usize) -> Scanned {
        let scanned = line(piece, start, DumpPart::Command);
        if let Some(DumpPart::Command(range)) = &scanned.part {
            let word = piece.bytes[range.start + "DELIMITER".len()..range.end].trim_ascii();
            self.delimiter = if word.is_empty() { b";".to_vec() } else { word.to_vec() };
        }
        scanned
    }

    /// Returns the statement that ends at `end`, where the delimiter or the end of the dump is.
    fn end_statement(
        &mut self,
        piece: Piece<'_>,
        start: usize,
        end: usize,
        words: &Words,
    ) -> Scanned {
        let range = start..trimmed(piece.bytes, start, end);
        let next = (end + self.delimiter.len()).min(piece.bytes.len());
        if !words.is_copy() {
            return Scanned { part: Some(DumpPart::Statement(range)), next };
        }
        // The rows begin on the next line.
        match memchr(b'\n', &piece.bytes[next..]) {
            Some(rest) => {
                self.mode = Mode::Copy;
                Scanned { part: Some(DumpPart::Copy(range)), next: next + rest + 1 }
            }
            None if piece.at_end => {
                self.mode = Mode::Copy;
                Scanned { part: Some(DumpPart::Copy(range)), next: piece.bytes.len() }
            }
            None => Scanned { part: None, next: start },
        }
    }

    /// Passes over rows of COPY, one line each, up to the line `\.`.
    fn copied_rows(&mut self, piece: Piece<'_>, at: usize, most: u64) -> Scanned {
        let (mut next, mut count, mut longest) = (at, 0, 0);
        while count < most {
            let rest = &piece.bytes[next..];
            let (end, whole) = match memchr(b'\n', rest) {
                Some(length) => (length + 1, length),
                None if piece.at_end && !rest.is_empty() => (rest.len(), rest.len()),
                None => break,
            };
            let text = rest[..whole].strip_suffix(b"\r").unwrap_or(&rest[..whole]);
            if text == b"\\." {
                if count == 0 {
                    self.mode = Mode::Statements;
                    return Scanned { part: Some(DumpPart::End), next: next + end };
                }
                break;
            }
            count += 1;
            longest = longest.max(text.len());
            next += end;
        }
        if count == 0 && piece.at_end && next == piece.bytes.len() {
            self.mode = Mode::Statements;
            return Scanned { part: Some(DumpPart::End), next };
        }
        let part = (count > 0).then_some(DumpPart::Rows { count, longest });
        Scanned { part, next }
    }

    /// Passes over rows of INSERT, up to the end of the statement.
    fn values(
        &mut self,
        piece: Piece<'_>,
        at: usize,
        most: u64,
        mut row_follows: bool,
    ) -> Result<Scanned, DumpError> {
        let (mut next, mut count, mut longest) = (at, 0, 0);
        loop {
            let start = piece.skip_blank(next);
            let rows = (count > 0).then_some(DumpPart::Rows { count, longest });
            self.mode = Mode::Values(row_follows);
            let Some(&first) = piece.bytes.get(start) else {
                if piece.at_end && rows.is_none() {
                    return self.end_values(piece, start, row_follows);
                }
                return Ok(Scanned { part: rows, next });
            };
            if piece.token(start).is_none() && !piece.at_end {
                return Ok(Scanned { part: rows, next });
            }
            match first {
                b'(' if row_follows => {
                    if count == most {
                        return Ok(Scanned { part: rows, next });
                    }
                    let Some(end) = end_of_row(piece, start)? else {
                        return Ok(Scanned { part: rows, next });
                    };
                    longest = longest.max(end - start);
                    count += 1;
                    next = end;
                    row_follows = false;
                }
                b',' if !row_follows => {
                    next = start + 1;
                    row_follows = true;
                }
                _ if rows.is_some() => return Ok(Scanned { part: rows, next }),
                _ => return self.end_values(piece, start, row_follows),
            }
        }
    }

    /// Ends an INSERT, at its semicolon or at `ON CONFLICT DO NOTHING`.
    fn end_values(
        &mut self,
        piece: Piece<'_>,
        start: usize,
        row_follows: bool,
    ) -> Result<Scanned, DumpError> {
        if row_follows {
            return Err(DumpError { offset: start, message: "expected a row of values" });
        }
        let mut words = Vec::new();
        let mut end = start;
        while !piece.bytes[end..].starts_with(&self.delimiter) {
            let Some(token) = piece.token(end) else {
                if piece.at_end && end == piece.bytes.len() {
                    break;
                }
                return Ok(Scanned { part: None, next: start });
            };
            match token.kind {
                Kind::Blank => {}
                Kind::Word => words.push(piece.bytes[end..token.end].to_ascii_uppercase()),
                _ => words.push(Vec::new()),
            }
            if words.len() > 4 {
                break;
            }
            end = token.end;
        }
        if !words.is_empty() && words != [&b"ON"[..], b"CONFLICT", b"DO", b"NOTHING"] {
            let message = "expected a comma or the end of INSERT";
            return Err(DumpError { offset: start, message });
        }
        self.mode = Mode::Statements;
        let next = (end + self.delimiter.len()).min(piece.bytes.len());
        Ok(Scanned { part: Some(DumpPart::End), next })
    }
}

/// Returns the offset behind the row of values that opens at `at`; `None` if the piece ends in it.
pub(super) fn end_of_row(piece: Piece<'_>, at: usize) -> Result<Option<usize>, DumpError> {
    let bytes = piece.bytes;
    let (mut end, mut depth) = (at, 0_usize);
    let open = |offset| match piece.at_end {
        true => Err(DumpError { offset, message: "unterminated row of values" }),
        false => Ok(None),
    };
    loop {
        let Some(found) = next_sign(&bytes[end..]) else { return open(at) };
        end += found;
        match bytes[end] {
            b'(' => depth += 1,
            b')' if depth <= 1 => return Ok(Some(end + 1)),
            b')' => depth -= 1,
            quote => {
                let backslash = match piece.quoting.flavor {
                    DumpFlavor::MySql => piece.quoting.backslash,
                    DumpFlavor::Postgres => {
                        let escapes = end > at && matches!(bytes[end - 1], b'e' | b'E');
                        quote == b'\'' && (escapes || piece.quoting.backslash)
                    }
                };
                match end_of_quoted(bytes, end, backslash) {
                    Some(after) if after < bytes.len() => {
                        end = after;
                        continue;
                    }
                    _ => return open(end),
                }
            }
        }
        end += 1;
    }
}

/// Returns the offset of the first quote or parenthesis.
fn next_sign(bytes: &[u8]) -> Option<usize> {
    let sign = memchr3(b'\'', b'(', b')', bytes)?;
    Some(memchr(b'"', &bytes[..sign]).unwrap_or(sign))
}

/// Returns the line that starts at `start` as a part, without its end.
fn line(piece: Piece<'_>, start: usize, part: impl Fn(Range<usize>) -> DumpPart) -> Scanned {
    let rest = &piece.bytes[start..];
    let length = match memchr(b'\n', rest) {
        Some(length) => length,
        None if piece.at_end => rest.len(),
        None => return Scanned { part: None, next: start },
    };
    let range = start..trimmed(piece.bytes, start, start + length);
    Scanned { part: Some(part(range)), next: (start + length + 1).min(piece.bytes.len()) }
}

/// Returns the end of `start..end` without the blank space at its end.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> usize {
    let text = &bytes[start..end];
    end - text.iter().rev().take_while(|byte| is_blank(**byte)).count()
}

/// The words of a statement, as far as they tell where it ends.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word that was seen or not")]
struct Words {
    count: usize,
    insert: bool,
    copy: bool,
    /// COPY ... FROM STDIN.
    from: bool,
    stdin: bool,
    /// The statement makes a function or procedure.
    create: bool,
    routine: bool,
    begin: bool,
    /// Whether the last word was the SYSTEM of `OVERRIDING SYSTEM VALUE VALUES`.
    overriding: bool,
    /// How deep BEGIN ATOMIC and CASE nest in the body of a routine.
    body: usize,
    depth: usize,
    /// Whether the last word was DEFAULT: `DEFAULT VALUES` is no row.
    default: bool,
    /// Whether a SELECT stands where VALUES might.
    query: bool,
}

impl Words {
    /// Returns whether `word` is the VALUES of an INSERT.
    fn values_follow(&self, word: &[u8]) -> bool {
        self.insert
            && self.depth == 0
            && !self.default
            && !self.query
            && self.count >= 2
            && (word.eq_ignore_ascii_case(b"VALUES")
                || word.eq_ignore_ascii_case(b"VALUE") && !self.overriding)
    }

    fn take(&mut self, word: &[u8]) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        self.count += 1;
        match self.count {
            1 => {
                self.insert = is("INSERT") || is("REPLACE");
                self.copy = is("COPY");
                self.create = is("CREATE");
            }
            2..=4 if self.create => self.routine |= is("FUNCTION") || is("PROCEDURE"),
            _ => {}
        }
        self.default = is("DEFAULT");
        self.query |= self.insert && self.depth == 0 && (is("SELECT") || is("SET"));
        self.stdin |= self.copy && self.from && is("STDIN");
        self.from = self.copy && is("FROM");
        if self.routine {
            if (self.begin && is("ATOMIC")) || (self.body > 0 && is("CASE")) {
                self.body += 1;
            } else if self.body > 0 && is("END") {
                self.body -= 1;
            }
        }
        self.begin = is("BEGIN");
        self.overriding = is("SYSTEM") || is("USER");
    }

    fn punctuation(&mut self, byte: u8) {
        match byte {
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Returns whether semicolons belong to the body of a routine.
    fn in_body(&self) -> bool {
        self.body > 0
    }

    fn is_copy(&self) -> bool {
        self.copy && self.stdin
    }
}
