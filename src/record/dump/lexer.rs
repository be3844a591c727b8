//! The tokens of a dump: strings, names, comments, words, as far as a piece of the file shows them.

use memchr::{memchr, memchr2, memmem};

/// Which program wrote a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFlavor {
    /// `pg_dump`.
    Postgres,
    /// `mysqldump` or `mariadb-dump`.
    MySql,
}

/// How strings, names and comments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoting {
    /// The program's SQL.
    pub flavor: DumpFlavor,
    /// Whether a backslash escapes in plain strings.
    pub backslash: bool,
}

impl Quoting {
    /// Returns what a dump starts with.
    pub fn new(flavor: DumpFlavor) -> Self {
        Self { flavor, backslash: flavor == DumpFlavor::MySql }
    }

    fn is_mysql(self) -> bool {
        self.flavor == DumpFlavor::MySql
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blank space or a comment.
    Blank,
    /// A comment that MySQL runs: `/*!40101 SET ... */`.
    Conditional,
    /// A string literal.
    String,
    /// A quoted name.
    Name,
    /// A word or number.
    Word,
    /// Any other byte.
    Other(u8),
    /// A string, name or comment that the dump ends in.
    Open,
}

/// A token and the offset behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) end: usize,
}

/// A piece of a dump.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether the dump ends with the piece.
    pub(super) at_end: bool,
    pub(super) quoting: Quoting,
}

impl Piece<'_> {
    /// Returns the token at `at`; `None` if the piece ends before the token surely does.
    pub(super) fn token(self, at: usize) -> Option<Token> {
        let first = *self.bytes.get(at)?;
        let mysql = self.quoting.is_mysql();
        let token = |kind, end| Some(Token { kind, end });
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => token(Kind::Blank, self.blanks(at)),
            b'-' if self.is_line_comment(at)? => self.line_comment(at),
            b'#' if mysql => self.line_comment(at),
            b'/' if self.next(at)? == b'*' => self.block_comment(at),
            b'\'' => self.quoted(at, self.quoting.backslash, Kind::String),
            b'"' if mysql => self.quoted(at, self.quoting.backslash, Kind::String),
            b'"' => self.quoted(at, false, Kind::Name),
            b'`' if mysql => self.quoted(at, false, Kind::Name),
            b'e' | b'E' if !mysql && self.next(at)? == b'\'' => {
                self.quoted(at + 1, true, Kind::String)
            }
            b'$' if !mysql => self.dollar(at),
            _ if is_word_byte(first) && first != b'$' => {
                let end = self.word_end(at);
                if end == self.bytes.len() && !self.at_end { None } else { token(Kind::Word, end) }
            }
            other => token(Kind::Other(other), at + 1),
        }
    }

    /// Returns the offset behind blank space and comments from `at` on, or behind as much of them as
    /// is whole.
    pub(super) fn skip_blank(self, mut at: usize) -> usize {
        while let Some(Token { kind: Kind::Blank, end }) = self.token(at) {
            at = end;
        }
        at
    }

    /// Returns the byte behind `at`, NUL at the end of the dump; `None` if it is not known yet.
    fn next(self, at: usize) -> Option<u8> {
        match self.bytes.get(at + 1) {
            Some(byte) => Some(*byte),
            None => self.at_end.then_some(0),
        }
    }

    fn blanks(self, at: usize) -> usize {
        let rest = &self.bytes[at..];
        at + rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len())
    }

    fn word_end(self, at: usize) -> usize {
        let rest = &self.bytes[at..];
        at + rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len())
    }

    /// Returns whether `--` stands here; MySQL wants blank space behind it.
    fn is_line_comment(self, at: usize) -> Option<bool> {
        if self.next(at)? != b'-' {
            return Some(false);
        }
        if !self.quoting.is_mysql() {
            return Some(true);
        }
        self.next(at + 1).map(|byte| byte == 0 || is_blank(byte))
    }

    fn line_comment(self, at: usize) -> Option<Token> {
        match memchr(b'\n', &self.bytes[at..]) {
            Some(length) => Some(Token { kind: Kind::Blank, end: at + length + 1 }),
            None => self.at_end.then_some(Token { kind: Kind::Blank, end: self.bytes.len() }),
        }
    }

    /// Returns the comment `/* */` at `at`; PostgreSQL's nest.
    fn block_comment(self, at: usize) -> Option<Token> {
        let mysql = self.quoting.is_mysql();
        let mut depth = 1;
        let mut end = at + 2;
        while depth > 0 {
            let Some(found) = memchr2(b'*', b'/', &self.bytes[end..]) else {
                return self.open();
            };
            end += found;
            match (self.bytes[end], self.bytes.get(end + 1)) {
                (b'*', Some(b'/')) => (depth, end) = (depth - 1, end + 2),
                (b'/', Some(b'*')) if !mysql => (depth, end) = (depth + 1, end + 2),
                _ => end += 1,
            }
        }
        let inner = &self.bytes[at + 2..end];
        let conditional = mysql && (inner.starts_with(b"!") || inner.starts_with(b"M!"));
        // MariaDB's sandbox mark stands at the head of its dumps and ends in no semicolon.
        let sandbox = memmem::find(&inner[..inner.len().min(16)], b"\\-").is_some();
        let kind = if conditional && !sandbox { Kind::Conditional } else { Kind::Blank };
        Some(Token { kind, end })
    }

    /// Returns the quoted token whose opening quote stands at `at`.
    fn quoted(self, at: usize, backslash: bool, kind: Kind) -> Option<Token> {
        match end_of_quoted(self.bytes, at, backslash) {
            // A quote may be doubled beyond the end of the piece.
            Some(end) if end == self.bytes.len() && !self.at_end => None,
            Some(end) => Some(Token { kind, end }),
            None => self.open(),
        }
    }

    /// Returns `$tag$ ... $tag$`, or the dollar sign alone.
    fn dollar(self, at: usize) -> Option<Token> {
        let rest = &self.bytes[at + 1..];
        let tag = rest.iter().position(|byte| *byte == b'$' || !is_word_byte(*byte));
        let Some(length) = tag else {
            return if self.at_end {
                Some(Token { kind: Kind::Other(b'$'), end: at + 1 })
            } else {
                None
            };
        };
        if rest[length] != b'$' || rest.first().is_some_and(u8::is_ascii_digit) {
            return Some(Token { kind: Kind::Other(b'$'), end: at + 1 });
        }
        let mark = &self.bytes[at..at + length + 2];
        let inner = at + mark.len();
        match memmem::find(&self.bytes[inner..], mark) {
            Some(found) => Some(Token { kind: Kind::String, end: inner + found + mark.len() }),
            None => self.open(),
        }
    }

    /// Returns the token that has no end: more bytes are wanted, unless there are none.
    fn open(self) -> Option<Token> {
        self.at_end.then_some(Token { kind: Kind::Open, end: self.bytes.len() })
    }
}

/// Returns the offset behind the quoted text whose opening quote stands at `at`; `None` if it has no
/// end.
pub(super) fn end_of_quoted(bytes: &[u8], at: usize, backslash: bool) -> Option<usize> {
    let quote = bytes[at];
    let mut end = at + 1;
    loop {
        let rest = bytes.get(end..)?;
        let found = if backslash { memchr2(quote, b'\\', rest)? } else { memchr(quote, rest)? };
        end += found;
        let escaped = backslash && bytes[end] == b'\\';
        if !escaped && bytes.get(end + 1) != Some(&quote) {
            return Some(end + 1);
        }
        end += 2;
    }
}

/// Tells whether a byte separates tokens.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Tells whether a byte can stand in a word or number.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}
