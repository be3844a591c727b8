//! The lexer: text to tokens with byte spans, for the splitter, the highlighter and error messages.
//!
//! It never fails. A string, quoted name or comment without an end reaches to the end of the text
//! and says so in `open`. Blank space is no token. Token boundaries are those of sqlparser's
//! PostgreSQL dialect, so that both see the same strings and comments.

use super::keyword;
use crate::error::Span;

/// A token of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Token {
    /// Returns where the token stands.
    pub fn span(self) -> Span {
        Span::new(self.start, self.end)
    }

    /// Returns the token's text out of the text that it was cut from.
    pub fn text(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A word of `keyword::KEYWORDS`.
    Keyword,
    /// Another word.
    Identifier,
    /// A name in double quotes.
    QuotedIdentifier,
    /// A string literal of any form.
    String,
    /// A number.
    Number,
    /// `$1`.
    Placeholder,
    /// A comment of either form.
    Comment,
    /// An operator, comma, semicolon or bracket.
    Punctuation,
    /// A backslash command, to the end of its line.
    Command,
}

/// What stands open where a text ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// A string literal `'...`.
    String,
    /// A string literal with escapes, `e'...`.
    EscapeString,
    /// A name `"...`.
    QuotedIdentifier,
    /// A dollar-quoted string; the tag, empty for `$$`.
    Dollar(String),
    /// Comments `/* ...`, this many deep.
    Comment(usize),
    /// A parenthesis or bracket.
    Parenthesis,
    /// Nothing but the statement, which lacks its semicolon.
    Statement,
}

impl Open {
    /// Returns the mark that a prompt shows for it.
    pub fn mark(&self) -> &'static str {
        match self {
            Self::String | Self::EscapeString => "'",
            Self::QuotedIdentifier => "\"",
            Self::Dollar(_) => "$",
            Self::Comment(_) => "*",
            Self::Parenthesis => "(",
            Self::Statement => "-",
        }
    }
}

/// Returns the tokens of `text`, comments included.
pub fn tokens(text: &str) -> Vec<Token> {
    Lexer::new(text).map(|lexeme| lexeme.token).collect()
}

/// A token and, if the text ends within it, what is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) open: Option<Open>,
}

/// Cuts text into tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Returns the byte `ahead` of the current one, or NUL at the end.
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.rest().chars().next().filter(|c| is_blank(*c)) {
            self.at += c.len_utf8();
        }
    }

    /// Reads one token, which exists, and returns its kind and what is open.
    fn read(&mut self, first: char) -> (TokenKind, Option<Open>) {
        match first {
            '\'' => self.read_quoted(0, '\'', TokenKind::String, Open::String),
            '"' => self.read_quoted(0, '"', TokenKind::QuotedIdentifier, Open::QuotedIdentifier),
            'e' | 'E' if self.byte(1) == b'\'' => self.read_escape_string(),
            'b' | 'B' | 'x' | 'X' | 'n' | 'N' if self.byte(1) == b'\'' => {
                self.read_quoted(1, '\'', TokenKind::String, Open::String)
            }
            'u' | 'U' if self.byte(1) == b'&' && self.byte(2) == b'\'' => {
                self.read_quoted(2, '\'', TokenKind::String, Open::String)
            }
            '-' if self.byte(1) == b'-' => {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                (TokenKind::Comment, None)
            }
            '/' if self.byte(1) == b'*' => self.read_comment(),
            '\\' => {
                self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
                (TokenKind::Command, None)
            }
            '$' => self.read_dollar(),
            '0'..='9' => self.read_number(),
            '.' if self.byte(1).is_ascii_digit() => self.read_number(),
            c if is_word_start(c) => self.read_word(),
            c if is_operator(c) => self.read_operator(),
            ':' if self.byte(1) == b':' => self.take(2, TokenKind::Punctuation),
            c => self.take(c.len_utf8(), TokenKind::Punctuation),
        }
    }

    fn take(&mut self, bytes: usize, kind: TokenKind) -> (TokenKind, Option<Open>) {
        self.at += bytes;
        (kind, None)
    }

    /// Reads up to the closing `quote`, which is doubled inside, past `prefix` bytes.
    fn read_quoted(
        &mut self,
        prefix: usize,
        quote: char,
        kind: TokenKind,
        open: Open,
    ) -> (TokenKind, Option<Open>) {
        self.at += prefix + 1;
        loop {
            let Some(found) = self.rest().find(quote) else {
                self.at = self.text.len();
                return (kind, Some(open));
            };
            self.at += found + 1;
            if !self.rest().starts_with(quote) {
                return (kind, None);
            }
            self.at += 1;
        }
    }

    fn read_escape_string(&mut self) -> (TokenKind, Option<Open>) {
        self.at += 2;
        loop {
            let Some(found) = self.rest().find(['\'', '\\']) else {
                self.at = self.text.len();
                return (TokenKind::String, Some(Open::EscapeString));
            };
            self.at += found;
            if self.byte(0) == b'\\' || self.byte(1) == b'\'' {
                let escaped = self.rest().chars().nth(1).map_or(0, char::len_utf8);
                self.at += 1 + escaped;
            } else {
                self.at += 1;
                return (TokenKind::String, None);
            }
        }
    }

    fn read_comment(&mut self) -> (TokenKind, Option<Open>) {
        let mut depth = 1;
        self.at += 2;
        while depth > 0 {
            let Some(found) = self.rest().find(['*', '/']) else {
                self.at = self.text.len();
                return (TokenKind::Comment, Some(Open::Comment(depth)));
            };
            self.at += found;
            match (self.byte(0), self.byte(1)) {
                (b'*', b'/') => (depth, self.at) = (depth - 1, self.at + 2),
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                _ => self.at += 1,
            }
        }
        (TokenKind::Comment, None)
    }

    /// Reads `$1`, `$tag$...$tag$` or a lone dollar sign.
    fn read_dollar(&mut self) -> (TokenKind, Option<Open>) {
        let digits = self.rest()[1..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            return self.take(1 + digits, TokenKind::Placeholder);
        }
        let tag_length = self.rest()[1..]
            .find(|c: char| !is_word_part(c) || c == '$')
            .unwrap_or(self.rest().len() - 1);
        if self.byte(1 + tag_length) != b'$' {
            return self.take(1, TokenKind::Punctuation);
        }
        let delimiter = &self.rest()[..tag_length + 2];
        self.at += delimiter.len();
        if let Some(found) = self.rest().find(delimiter) {
            self.at += found + delimiter.len();
            (TokenKind::String, None)
        } else {
            self.at = self.text.len();
            let tag = delimiter[1..=tag_length].to_owned();
            (TokenKind::String, Some(Open::Dollar(tag)))
        }
    }

    fn read_number(&mut self) -> (TokenKind, Option<Open>) {
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            self.at += 2;
            self.skip_while(|b| b.is_ascii_hexdigit() || b == b'_');
            return (TokenKind::Number, None);
        }
        self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        if self.byte(0) == b'.' {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        }
        let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
        if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
            self.at += 1 + sign;
            self.skip_while(|b| b.is_ascii_digit());
        }
        (TokenKind::Number, None)
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        self.at += self.rest().bytes().take_while(|byte| wanted(*byte)).count();
    }

    fn read_word(&mut self) -> (TokenKind, Option<Open>) {
        let length = self.rest().find(|c| !is_word_part(c)).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let kind =
            if keyword::is_keyword(word) { TokenKind::Keyword } else { TokenKind::Identifier };
        self.take(length, kind)
    }

    /// Reads a run of operator characters; a comment ends it.
    fn read_operator(&mut self) -> (TokenKind, Option<Open>) {
        let rest = self.rest();
        let run = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
        let comment = ["--", "/*"].iter().filter_map(|mark| rest[..run].find(mark)).min();
        self.take(comment.unwrap_or(run), TokenKind::Punctuation)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Lexeme;

    fn next(&mut self) -> Option<Lexeme> {
        self.skip_blanks();
        let first = self.rest().chars().next()?;
        let start = self.at;
        let (kind, open) = self.read(first);
        Some(Lexeme { token: Token { kind, start, end: self.at }, open })
    }
}

/// Tells whether a character separates tokens; a byte order mark does.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// Tells whether a word may start with the character.
pub(super) fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !is_blank(c))
}

/// Tells whether a word may go on with the character.
pub(super) fn is_word_part(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '$'
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|?`".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(TokenKind, &str)]) {
        let found: Vec<_> =
            tokens(text).into_iter().map(|token| (token.kind, token.text(text))).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn tells_kinds_apart() {
        use TokenKind::{
            Command, Comment, Identifier, Keyword, Number, Placeholder, Punctuation,
            QuotedIdentifier, String,
        };
        check("SELECT a", &[(Keyword, "SELECT"), (Identifier, "a")]);
        check("\"a\"\"b\" 'it''s'", &[(QuotedIdentifier, "\"a\"\"b\""), (String, "'it''s'")]);
        check(r"e'\'' x", &[(String, r"e'\''"), (Identifier, "x")]);
        check("e'''' x'0f'", &[(String, "e''''"), (String, "x'0f'")]);
        check("$1 $$a;$$ $x$'$x$", &[(Placeholder, "$1"), (String, "$$a;$$"), (String, "$x$'$x$")]);
        check(
            "1.5e-3 .5 0x1F 1_0",
            &[(Number, "1.5e-3"), (Number, ".5"), (Number, "0x1F"), (Number, "1_0")],
        );
        check("-- c\n/* /* */ */", &[(Comment, "-- c"), (Comment, "/* /* */ */")]);
        check(
            "a::b<--x",
            &[
                (Identifier, "a"),
                (Punctuation, "::"),
                (Identifier, "b"),
                (Punctuation, "<"),
                (Comment, "--x"),
            ],
        );
        check("\\d t\n;", &[(Command, "\\d t"), (Punctuation, ";")]);
    }

    #[test]
    fn says_what_is_open() {
        let open = |text: &str| Lexer::new(text).last().and_then(|lexeme| lexeme.open);
        assert_eq!(open("'a"), Some(Open::String));
        assert_eq!(open("e'a\\'"), Some(Open::EscapeString));
        assert_eq!(open("e'\\"), Some(Open::EscapeString));
        assert_eq!(open("\"a\"\""), Some(Open::QuotedIdentifier));
        assert_eq!(open("$x$ $$"), Some(Open::Dollar("x".into())));
        assert_eq!(open("/* /* */"), Some(Open::Comment(1)));
        assert_eq!(open("a 'b' $ /* */"), None);
    }

    #[test]
    fn treats_every_blank_alike() {
        let text = "\u{feff}a\u{a0}b\u{3000}c";
        assert_eq!(tokens(text).len(), 3);
    }
}
