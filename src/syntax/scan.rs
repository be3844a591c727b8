//! The first look at a statement: its tokens, a copy without comments, and the checks that keep the
//! parsers behind it safe.
//!
//! Refuses what no statement may hold: an open string or comment, a backslash command, a second
//! statement, and nesting or chains of operators deep enough to endanger the stack of whoever walks
//! the tree.

use super::error::{near, syntax_error};
use super::token::{Lexer, Open, Token, TokenKind, is_blank};
use crate::error::{Error, Result, Span, SqlState};

/// How deep parentheses and brackets may nest.
const MOST_NESTING: usize = 100;

/// How many of the forms may stand in a statement that sqlparser recurses into without a bound.
const MOST_UNBOUNDED: usize = 8;

/// How deep brackets may nest for any thread's stack to do.
const SHALLOW_NESTING: usize = 5;

/// The stack for statements that nest deeper, in bytes; only what is used of it costs memory.
const LARGE_STACK: usize = 64 << 20;

/// How many operators may follow each other at the open levels of a text: each one is a level of
/// the expression's tree, which is walked and dropped recursively here and in the query engine.
const MOST_OPERATORS: usize = 2000;

/// A statement that has been looked at.
pub(super) struct Scanned<'a> {
    /// The text as written.
    pub(super) text: &'a str,
    /// The text with comments and unusual blanks replaced by as many spaces as they had bytes; what
    /// the parsers read.
    pub(super) clean: String,
    /// The tokens, without comments and the final semicolon.
    pub(super) tokens: Vec<Token>,
    /// How deep parentheses and brackets nest.
    nesting: usize,
    /// Whether one of them is not closed.
    open: bool,
}

impl<'a> Scanned<'a> {
    /// Looks at `text`, which should be one statement.
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut tokens = Vec::with_capacity(text.len() / 4);
        for lexeme in Lexer::new(text) {
            if let Some(open) = lexeme.open {
                return Err(unterminated(&open, lexeme.token));
            }
            tokens.push(lexeme.token);
        }
        let clean = clean(text, &tokens);
        tokens.retain(|token| token.kind != TokenKind::Comment);
        while tokens.pop_if(|token| token.text(text) == ";").is_some() {}
        let mut scanned = Self { text, clean, tokens, nesting: 0, open: false };
        scanned.check_tokens()?;
        (scanned.nesting, scanned.open) = Depth::default().check(&scanned)?;
        Ok(scanned)
    }

    /// Runs `parse` on this statement, with a stack of its own if brackets nest: a level of them
    /// can cost sqlparser more than 100 KiB where it was built without optimisation.
    pub(super) fn run<T: Send>(&self, parse: impl FnOnce(&Self) -> Result<T> + Send) -> Result<T> {
        if self.nesting <= SHALLOW_NESTING {
            return parse(self);
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(LARGE_STACK);
            match thread
                .spawn_scoped(scope, || parse(self))
                .map(std::thread::ScopedJoinHandle::join)
            {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::new(
                    SqlState::OUT_OF_MEMORY,
                    "no thread could be started to parse a deeply nested statement",
                )
                .caused_by(error)),
            }
        })
    }

    /// Returns the text of token `index`, or an empty one behind the last.
    pub(super) fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text(self.text))
    }

    /// Tells whether token `index` is the word `word`, in any case and not quoted.
    pub(super) fn is_word(&self, index: usize, word: &str) -> bool {
        self.word(index).eq_ignore_ascii_case(word)
    }

    /// Returns where token `index` starts, or where the last token ends.
    pub(super) fn start_of(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(self.end(), |token| token.start)
    }

    /// Returns where the last token ends.
    pub(super) fn end(&self) -> usize {
        self.tokens.last().map_or(0, |token| token.end)
    }

    /// Returns the index of the first token that ends behind byte `at`.
    pub(super) fn index_at(&self, at: usize) -> usize {
        self.tokens.partition_point(|token| token.end <= at)
    }

    /// Tells whether a parenthesis or bracket is not closed.
    pub(super) fn has_open_bracket(&self) -> bool {
        self.open
    }

    fn check_tokens(&self) -> Result<()> {
        for (index, token) in self.tokens.iter().enumerate() {
            if token.text(self.text) == ";" {
                return Err(syntax_error(self, token.start, "end of statement")
                    .hint("Give one statement at a time."));
            }
            if token.kind == TokenKind::Command {
                let command = Token { end: token.start + 1, ..*token };
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("{}: syntax error", near("\\")),
                )
                .at(command.span()));
            }
            if self.text[token.start..token.end].contains('\0') {
                return Err(syntax_error(self, self.tokens[index].start, ""));
            }
        }
        Ok(())
    }
}

fn unterminated(open: &Open, token: Token) -> Error {
    let what = match open {
        Open::QuotedIdentifier => "quoted name",
        Open::Comment(_) => "comment",
        _ => "string",
    };
    Error::new(SqlState::SYNTAX_ERROR, format!("unterminated {what}"))
        .at(Span::new(token.start, token.start + 1))
}

/// Returns `text` with blanks in place of comments and of blanks that are no ASCII.
fn clean(text: &str, tokens: &[Token]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for token in tokens.iter().filter(|token| token.kind != TokenKind::Comment) {
        // What lies between tokens is blank once comments are gone; line breaks stay, for places.
        push_blank(&text[at..token.start], &mut out);
        out.push_str(token.text(text));
        at = token.end;
    }
    push_blank(&text[at..], &mut out);
    out
}

fn push_blank(between: &str, out: &mut String) {
    if between.chars().all(|c| matches!(c, ' ' | '\n' | '\t' | '\r')) {
        out.push_str(between);
        return;
    }
    for byte in between.bytes() {
        out.push(if byte == b'\n' { '\n' } else { ' ' });
    }
    debug_assert!(between.is_empty() || out.ends_with(is_blank), "a blank ends blank");
}

/// Measures how deep the trees of a statement's expressions can become.
#[derive(Default)]
struct Depth {
    /// Per open bracket and for the statement itself: operators in the expression at hand, and set
    /// operations.
    levels: Vec<(usize, usize)>,
    /// The sum over all levels.
    operators: usize,
    /// How many of the forms that sqlparser recurses into without a bound there are: `INTERVAL`
    /// behind itself, `ARRAY<` and `STRUCT<`.
    unbounded: usize,
}

impl Depth {
    /// Returns how deep brackets nest, if that and the operators stay within the limits, and
    /// whether one stays open.
    fn check(mut self, scanned: &Scanned<'_>) -> Result<(usize, bool)> {
        self.levels.push((0, 0));
        let mut nesting = 0;
        let mut before = "";
        for token in &scanned.tokens {
            let text = token.text(scanned.text);
            match (token.kind, text) {
                (TokenKind::Punctuation, "(" | "[") => self.levels.push((0, 0)),
                (TokenKind::Punctuation, ")" | "]") => self.close(),
                (TokenKind::Punctuation, ",") => self.reset(),
                (TokenKind::Punctuation, ".") => {}
                (TokenKind::Punctuation, _) => self.count(),
                (TokenKind::Keyword | TokenKind::Identifier, word) => self.word(word),
                _ => {}
            }
            self.unbounded += usize::from(is_unbounded(before, text));
            before = text;
            let deep = self.levels.len() > MOST_NESTING || self.unbounded > MOST_UNBOUNDED;
            if deep || self.operators > MOST_OPERATORS {
                return Err(too_deep(token.span()));
            }
            nesting = nesting.max(self.levels.len() - 1);
        }
        Ok((nesting, self.levels.len() > 1))
    }

    fn count(&mut self) {
        self.operators += 1;
        if let Some((operators, _)) = self.levels.last_mut() {
            *operators += 1;
        }
    }

    /// Begins another expression of the level at hand.
    fn reset(&mut self) {
        if let Some((operators, _)) = self.levels.last_mut() {
            self.operators -= std::mem::take(operators);
        }
    }

    fn close(&mut self) {
        if self.levels.len() > 1
            && let Some((operators, sets)) = self.levels.pop()
        {
            self.operators -= operators + sets;
            // A call or a subscript behind another is a level too.
            self.count();
        }
    }

    fn word(&mut self, word: &str) {
        // The longest of these words has nine letters: most words need no look.
        if word.len() > 9 {
            return;
        }
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "AND" | "OR" | "NOT" | "IS" | "IN" | "LIKE" | "ILIKE" | "BETWEEN" | "SIMILAR"
            | "COLLATE" | "AT" | "ISNULL" | "NOTNULL" | "OVERLAPS" => self.count(),
            "UNION" | "INTERSECT" | "EXCEPT" => {
                self.reset();
                self.operators += 1;
                if let Some((_, sets)) = self.levels.last_mut() {
                    *sets += 1;
                }
            }
            "SELECT" | "FROM" | "WHERE" | "ON" | "HAVING" | "BY" | "VALUES" | "LIMIT" | "WHEN"
            | "THEN" | "ELSE" | "JOIN" | "WINDOW" => self.reset(),
            _ => {}
        }
    }
}

/// Tells whether `text` behind `before` makes sqlparser recurse without counting.
fn is_unbounded(before: &str, text: &str) -> bool {
    match text {
        "<" | "<<" => ["array", "struct"].iter().any(|word| before.eq_ignore_ascii_case(word)),
        _ => text.eq_ignore_ascii_case("interval") && before.eq_ignore_ascii_case("interval"),
    }
}

/// Returns the error for a statement that nests too deeply at `span`.
pub(super) fn too_deep(span: Span) -> Error {
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, "the statement nests too deeply")
        .at(span)
        .hint("Split it, or use IN (...) in place of a long chain of OR.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<SqlState> {
        Scanned::new(text).err().map(|error| error.code())
    }

    #[test]
    fn blanks_comments_without_moving_anything() {
        let text = "a -- \u{e4}\n\u{a0}/* x\n*/ 'b--' ; -- end";
        let scanned = Scanned::new(text).unwrap();
        assert_eq!(scanned.clean.len(), text.len());
        assert_eq!(scanned.clean.trim(), "a      \n      \n   'b--' ;");
        assert_eq!(scanned.word(1), "'b--'");
        assert_eq!(scanned.word(2), "");
    }

    #[test]
    fn refuses_what_no_statement_may_hold() {
        for text in ["'a", "\"a", "/*", "$$", "a; b", "a \\d", "a \0"] {
            assert_eq!(code(text), Some(SqlState::SYNTAX_ERROR), "{text}");
        }
    }

    #[test]
    fn refuses_deep_nesting_and_long_chains() {
        let deep = Some(SqlState::STATEMENT_TOO_COMPLEX);
        assert_eq!(code(&"(".repeat(100_000)), deep);
        assert_eq!(code(&"a[".repeat(100_000)), deep);
        assert_eq!(code(&"NOT ".repeat(100_000)), deep);
        assert_eq!(code(&"- ".repeat(100_000)), deep);
        assert_eq!(code(&"a AND ".repeat(10_000)), deep);
        assert_eq!(code(&"SELECT 1 UNION ".repeat(10_000)), deep);
        assert_eq!(code(&"a(b)".repeat(10_000)), deep);
    }

    #[test]
    fn lets_long_lists_pass() {
        for text in ["(a + 1), ", "WHEN a = 1 THEN 2 ", "JOIN t ON a = b ", "('x', -1, a::int),\n"]
        {
            assert_eq!(code(&text.repeat(10_000)), None, "{text}");
        }
    }
}
