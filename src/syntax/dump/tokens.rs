//! The tokens of one statement of a dump, and MySQL's spelling turned into the standard's.

use super::super::literal::{always_quote, quote_literal};
use super::super::token::{Lexer, TokenKind};
use crate::error::{Error, Result, SqlState, shorten};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: TokenKind,
    pub(super) text: String,
}

impl Item {
    /// Returns whether this is the word, in any case.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.kind, TokenKind::Keyword | TokenKind::Identifier)
            && self.text.eq_ignore_ascii_case(word)
            || self.kind == TokenKind::Punctuation && self.text == word
    }

    /// Returns the name that a word or quoted name stands for.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Keyword | TokenKind::Identifier => Some(self.text.to_lowercase()),
            TokenKind::QuotedIdentifier => {
                let inner = self.text.get(1..self.text.len() - 1)?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    }

    /// Returns what a plain string literal holds.
    pub(super) fn string(&self) -> Option<String> {
        let inner = self.text.strip_prefix('\'')?.strip_suffix('\'')?;
        (self.kind == TokenKind::String).then(|| inner.replace("''", "'"))
    }
}

/// The tokens of a statement.
#[derive(Clone, Debug)]
pub(super) struct Tokens(pub(super) Vec<Item>);

impl Tokens {
    /// Returns the tokens of `text` without comments.
    pub(super) fn new(text: &str) -> Self {
        let items = Lexer::new(text)
            .map(|lexeme| lexeme.token)
            .filter(|token| token.kind != TokenKind::Comment)
            .map(|token| Item { kind: token.kind, text: token.text(text).to_owned() });
        Self(items.collect())
    }

    /// Returns whether the token at `at` is the word.
    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        is(&self.0, at, word)
    }

    /// Returns whether these words, with one blank between them, stand at `at`.
    pub(super) fn starts(&self, at: usize, words: &str) -> bool {
        words.split(' ').enumerate().all(|(index, word)| self.is(at + index, word))
    }

    /// Returns the dotted name at `at` and the index behind it.
    pub(super) fn dotted(&self, at: usize) -> Result<(Vec<String>, usize)> {
        dotted(&self.0, at).ok_or_else(|| self.unexpected(at))
    }

    /// Returns the table named at `at`, if it is in the schema that we have, and the index behind it.
    pub(super) fn table(&self, at: usize) -> Result<(Option<String>, usize)> {
        let (mut parts, next) = self.dotted(at)?;
        let name = parts.pop();
        let public = parts.last().is_none_or(|schema| schema == "public");
        Ok((name.filter(|_| public), next))
    }

    /// Returns the index of the bracket that closes the one at `at`.
    pub(super) fn closing(&self, at: usize) -> Result<usize> {
        closing(&self.0, at).ok_or_else(|| self.unexpected(self.0.len()))
    }

    /// Returns the error of a token that does not belong where it stands.
    pub(super) fn unexpected(&self, at: usize) -> Error {
        unexpected(self.0.get(at))
    }
}

/// Returns the error of a token that does not belong where it stands.
pub(super) fn unexpected(item: Option<&Item>) -> Error {
    let near = match item {
        Some(item) => format!("at or near \"{}\": syntax error", shorten(&item.text)),
        None => "at the end of the statement: syntax error".to_owned(),
    };
    Error::new(SqlState::SYNTAX_ERROR, near)
}

/// Returns whether the token at `at` is the word.
pub(super) fn is(items: &[Item], at: usize, word: &str) -> bool {
    items.get(at).is_some_and(|item| item.is(word))
}

/// Returns the dotted name at `at` and the index behind it.
pub(super) fn dotted(items: &[Item], mut at: usize) -> Option<(Vec<String>, usize)> {
    let mut parts = vec![items.get(at)?.name()?];
    at += 1;
    while is(items, at, ".") {
        parts.push(items.get(at + 1)?.name()?);
        at += 2;
    }
    Some((parts, at))
}

/// Returns the index of the bracket that closes the one at `at`.
pub(super) fn closing(items: &[Item], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, item) in items.iter().enumerate().skip(at) {
        if item.is("(") || item.is("[") {
            depth += 1;
        } else if item.is(")") || item.is("]") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

/// Cuts tokens at the commas outside brackets.
pub(super) fn elements(items: &[Item]) -> Vec<&[Item]> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (index, item) in items.iter().enumerate() {
        if item.is("(") || item.is("[") {
            depth += 1;
        } else if item.is(")") || item.is("]") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && item.is(",") {
            found.push(&items[start..index]);
            start = index + 1;
        }
    }
    if start < items.len() {
        found.push(&items[start..]);
    }
    found
}

/// Returns the tokens as text.
pub(super) fn join(items: &[Item]) -> String {
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    texts.join(" ")
}

/// Returns a statement of MySQL with names and strings quoted as the standard wants it; what stands in
/// comments that MySQL runs becomes part of the text.
pub(super) fn ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '`' => quoted(rest, '`', false, &mut |name| out.push_str(&always_quote(name))),
            '\'' | '"' => {
                quoted(rest, first, true, &mut |value| out.push_str(&quote_literal(value)))
            }
            '#' => line_comment(rest),
            '-' if is_line_comment(rest) => line_comment(rest),
            '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
                let mark = rest.find('!').map_or(rest.len(), |mark| mark + 1);
                let digits = rest[mark..].bytes().take_while(u8::is_ascii_digit).count();
                out.push(' ');
                mark + digits
            }
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '*' if rest.starts_with("*/") => {
                out.push(' ');
                2
            }
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

fn is_line_comment(rest: &str) -> bool {
    rest.strip_prefix("--").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

fn line_comment(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Gives the text of the quoted token that `rest` starts with; returns its length.
fn quoted(rest: &str, quote: char, backslash: bool, give: &mut dyn FnMut(&str)) -> usize {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslash {
            let escaped = chars.next().map_or('\\', |(_, c)| c);
            value.push(match escaped {
                '0' => '\0',
                'b' => '\u{8}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'Z' => '\u{1a}',
                other => other,
            });
        } else if c != quote {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            value.push(quote);
        } else {
            give(&value);
            return at + quote.len_utf8();
        }
    }
    give(&value);
    rest.len()
}
