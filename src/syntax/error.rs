//! Syntax errors: what pest and sqlparser say, told in our words with a place in the statement.

use pest::error::{Error as PestError, ErrorVariant, InputLocation};
use sqlparser::parser::ParserError;

use super::dialect::Rule;
use super::scan::{Scanned, too_deep};
use super::token::TokenKind;
use crate::error::{Error, Span, SqlState};

/// The longest token that a message repeats, in characters.
const LONGEST_TOKEN: usize = 64;

/// What SHOW expects, for a list of all its words would be of no help.
const SOMETHING_TO_SHOW: &str = "what to show";

/// Returns `at or near "token"`.
pub(super) fn near(token: &str) -> String {
    let mut shown: String = token.chars().take(LONGEST_TOKEN).collect();
    if shown.len() < token.len() {
        shown.push_str("...");
    }
    format!("at or near \"{shown}\"")
}

/// Returns the syntax error at byte `at` of the statement, where `expected` should stand; an empty
/// one is left out.
pub(super) fn syntax_error(scanned: &Scanned<'_>, at: usize, expected: &str) -> Error {
    let token = scanned.tokens.get(scanned.index_at(at));
    let (place, span) = match token {
        Some(token) => (near(token.text(scanned.text)), token.span()),
        None => (near("EOF"), Span::new(scanned.end(), scanned.end())),
    };
    let message = if expected.is_empty() {
        format!("{place}: syntax error")
    } else {
        format!("{place}: syntax error: expected {expected}")
    };
    Error::new(SqlState::SYNTAX_ERROR, message).at(span)
}

/// Returns the word of `candidates` that `word` most likely stands for.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Measuring takes time in proportion to the length, and no keyword is near a long word.
    if word.len() > 24 {
        return None;
    }
    let word = word.to_ascii_uppercase();
    let most = if word.chars().count() > 4 { 2 } else { 1 };
    candidates
        .map(|candidate| (strsim::osa_distance(&word, candidate), candidate))
        .filter(|(distance, _)| (1..=most).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the error for what pest did not match in the text that begins at byte `base`.
pub(super) fn pest_error(scanned: &Scanned<'_>, error: &PestError<Rule>, base: usize) -> Error {
    let at = base
        + match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
    let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
        return too_deep(Span::new(at, at));
    };
    let mut expected: Vec<String> = Vec::new();
    for words in positives.iter().filter_map(|rule| words(*rule)) {
        if !expected.contains(&words) {
            expected.push(words);
        }
    }
    if expected.iter().any(|words| words == SOMETHING_TO_SHOW) {
        expected.retain(|words| words == SOMETHING_TO_SHOW);
    }
    // The end is always possible somewhere; it says something only where nothing else is.
    if expected.len() > 1 {
        expected.retain(|words| words != "end of statement");
    }
    let keywords: Vec<&str> = expected.iter().map(String::as_str).collect();
    let index = scanned.index_at(at);
    let found = scanned.word(index);
    let is_word = scanned
        .tokens
        .get(index)
        .is_some_and(|token| matches!(token.kind, TokenKind::Keyword | TokenKind::Identifier));
    let error = syntax_error(scanned, at, &alternatives(&expected));
    match nearest(found, keywords.into_iter()).filter(|_| is_word) {
        Some(word) => error.hint(format!("Did you mean {word}?")),
        None => error,
    }
}

/// Returns `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Returns what a rule is called in a message; nothing for rules that only steer the parser.
fn words(rule: Rule) -> Option<String> {
    let name = format!("{rule:?}");
    if rule == Rule::kw_create_using {
        return Some("CREATE USING".into());
    }
    if rule == Rule::kw_analyse {
        return None;
    }
    if let Some(keyword) = name.strip_prefix("kw_") {
        return Some(keyword.to_ascii_uppercase());
    }
    let words = match rule {
        Rule::EOI => "end of statement",
        Rule::lparen => "\"(\"",
        Rule::rparen => "\")\"",
        Rule::comma => "\",\"",
        Rule::equals => "\"=\"",
        Rule::star => "\"*\"",
        Rule::name | Rule::any_name | Rule::plain_name | Rule::quoted_name | Rule::word => "a name",
        Rule::table_name | Rule::grant_table => "a table name",
        Rule::index_name => "an index name",
        Rule::index_part => "a column",
        Rule::at => "\"@\"",
        Rule::sequence_type => "SMALLINT, INTEGER or BIGINT",
        Rule::sequence_number => "a number",
        Rule::sequence_owner => "a table and its column",
        Rule::sequence_option => "an option of sequences",
        Rule::user => "a user name",
        Rule::setting_name => "a setting's name",
        Rule::string | Rule::plain_string | Rule::escape_string | Rule::dollar_string => "a string",
        Rule::value | Rule::setting_value | Rule::zone_value => "a value",
        Rule::job_id => "a job's number",
        Rule::job_query => "a query of job numbers",
        Rule::job_type => "a type of job",
        Rule::option_key | Rule::copy_option => "an option",
        Rule::copy_place => "a file in quotes, STDIN or STDOUT",
        Rule::import_format => "CSV",
        Rule::column_type => "a type",
        Rule::column_clause => "a column constraint",
        Rule::element => "a column, constraint or index",
        Rule::action => "CASCADE, RESTRICT, NO ACTION or SET NULL",
        Rule::reference_clause => "ON DELETE, ON UPDATE",
        Rule::inner_expression | Rule::default_expression => "an expression",
        Rule::privilege | Rule::privilege_list => "a privilege",
        Rule::query_start | Rule::rest => "a query",
        Rule::transaction_mode => "ISOLATION LEVEL, READ WRITE",
        Rule::isolation_level => "an isolation level",
        Rule::number => "a number",
        Rule::show_variable => SOMETHING_TO_SHOW,
        _ => return None,
    };
    Some(words.to_owned())
}

/// Tells of an error of sqlparser in `text`, whose offsets `place` turns into the statement's.
pub(super) fn sqlparser_error(
    scanned: &Scanned<'_>,
    error: &ParserError,
    text: &str,
    place: &dyn Fn(usize) -> usize,
) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return too_deep(Span::new(place(0), place(text.trim_end().len())));
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    if scanned.has_open_bracket() {
        // Where a bracket is missing, sqlparser tells of the last form that it tried.
        return syntax_error(scanned, scanned.end(), "\")\"");
    }
    let (what, at) = match message.rsplit_once(" at Line: ") {
        Some((what, location)) => (what, offset_of(text, location).map(place)),
        None => (message.as_str(), None),
    };
    let what = what.trim();
    let end = place(text.trim_end().len());
    if what.starts_with("Expected an expression, found: ") {
        // sqlparser places this error behind the word that it tells of.
        let index = at.map_or(scanned.tokens.len(), |at| scanned.index_at(at)).saturating_sub(1);
        return syntax_error(scanned, scanned.start_of(index), "an expression");
    }
    let Some((expected, _)) =
        what.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found:"))
    else {
        let mut said = what.to_owned();
        if let Some(first) = said.get_mut(..1).filter(|_| !starts_with_keyword(what)) {
            first.make_ascii_lowercase();
        }
        let error = syntax_error(scanned, at.unwrap_or(end), "");
        return error.map_message(|message| format!("{message}: {said}"));
    };
    let expected = match expected.trim() {
        // Trailing words; many things may be possible there besides the end.
        "end of statement" => String::new(),
        sign if !sign.contains(|c: char| c.is_alphanumeric()) => format!("\"{sign}\""),
        words => words.to_owned(),
    };
    syntax_error(scanned, at.unwrap_or(end), &expected)
}

fn starts_with_keyword(text: &str) -> bool {
    text.chars().take_while(|c| c.is_alphabetic()).filter(|c| c.is_uppercase()).count() > 1
}

/// Returns the offset in `text` of `L, Column: C`.
fn offset_of(text: &str, place: &str) -> Option<usize> {
    let (line, column) = place.split_once(", Column: ")?;
    let (line, column): (u64, u64) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
    Some(Locator::new(text).offset(line, column))
}

/// Turns sqlparser's lines and columns, which count characters from 1, into byte offsets.
pub(super) struct Locator<'a> {
    text: &'a str,
    /// The offset of each line, and whether it is ASCII.
    lines: Vec<(usize, bool)>,
    /// The offsets of the characters of the line that was asked for last, if it is not ASCII.
    cached: std::cell::RefCell<(usize, Vec<usize>)>,
}

impl<'a> Locator<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            lines.push((at, line.is_ascii()));
            at += line.len();
        }
        lines.push((at, true));
        Self { text, lines, cached: std::cell::RefCell::new((usize::MAX, Vec::new())) }
    }

    /// Returns the offset of a line and column, or the end if there is none.
    pub(super) fn offset(&self, line: u64, column: u64) -> usize {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some((start, ascii)) = self.lines.get(line).copied() else { return self.text.len() };
        if ascii {
            return start.saturating_add(column).min(self.text.len());
        }
        let mut cached = self.cached.borrow_mut();
        if cached.0 != line {
            let end = self.lines.get(line + 1).map_or(self.text.len(), |(at, _)| *at);
            let offsets = self.text[start..end].char_indices().map(|(at, _)| start + at);
            *cached = (line, offsets.collect());
        }
        cached.1.get(column).copied().unwrap_or(self.text.len())
    }

    /// Returns the byte range of a span of sqlparser.
    pub(super) fn span(&self, span: sqlparser::tokenizer::Span) -> Span {
        Span::new(
            self.offset(span.start.line, span.start.column),
            self.offset(span.end.line, span.end.column),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_characters_of_any_width() {
        let locator = Locator::new("ab\nc\u{e4}d\n");
        assert_eq!(locator.offset(1, 2), 1);
        assert_eq!(locator.offset(2, 3), 6);
        assert_eq!(locator.offset(3, 1), 8);
        assert_eq!(locator.offset(9, 9), 8);
    }

    #[test]
    fn finds_the_word_that_was_meant() {
        let words = ["SELECT", "SET"];
        assert_eq!(nearest("selcet", words.into_iter()), Some("SELECT"));
        assert_eq!(nearest("sst", words.into_iter()), Some("SET"));
        assert_eq!(nearest("foo", words.into_iter()), None);
    }

    #[test]
    fn cuts_long_tokens() {
        assert_eq!(near(&"x".repeat(100)).len(), 64 + 3 + near("").len());
    }
}
