//! The text of SQL: it parses or is refused, and what parses prints as text that parses to the same.

use std::sync::Arc;

use wharf::error::{Error, Place, Report, SqlState};
use wharf::syntax::ast::Statement;
use wharf::syntax::{parse, parse_expr, print, split, substitute, tokens};

/// Checks a text as a script, as one statement and as an expression.
pub fn sql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut end = 0;
    for token in tokens(text) {
        assert!(token.start >= end && token.end > token.start, "{token:?}");
        assert!(text.is_char_boundary(token.start) && text.is_char_boundary(token.end));
        end = token.end;
    }
    assert!(end <= text.len());
    if let Ok(substituted) = substitute(text, &|_| None) {
        assert_eq!(substituted, text, "no variable is set");
    }
    for piece in split(text) {
        assert_eq!(text.get(piece.start..piece.start + piece.text.len()), Some(piece.text));
        round_trip(piece.text);
    }
    round_trip(text);
    if let Err(error) = parse_expr(text) {
        require_sound(error, text);
    }
}

/// Checks that a statement prints as SQL that gives the same tree.
fn round_trip(text: &str) {
    let statement = match parse(text) {
        Ok(statement) => statement,
        Err(error) => return require_sound(error, text),
    };
    let sql = print(&statement, &str::to_owned);
    let again = parse(&sql).unwrap_or_else(|error| panic!("{text}\nprints {sql}\n{error:?}"));
    assert_eq!(without_spans(&again), without_spans(&statement), "{text}\nprints {sql}");
    assert_eq!(print(&again, &str::to_owned), sql, "{text}");
}

/// Checks that an error is the user's, points into the text and can be shown.
pub(crate) fn require_sound(error: Error, text: &str) {
    assert_ne!(error.code(), SqlState::INTERNAL_ERROR, "{text}\n{error:?}");
    if let Some(Place::Sql(span)) = error.place() {
        assert!(text.get(span.start..span.end).is_some(), "{text}\n{error:?}");
    }
    let shown = error.with_text(&Arc::from(text));
    assert!(!Report::new(&shown).to_string().is_empty());
}

/// Returns the statement's tree with all places taken out.
fn without_spans(statement: &Statement) -> String {
    let tree = format!("{statement:?}");
    let mut pieces = tree.split("Span { start: ");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out += piece.split_once('}').map_or(piece, |(_, rest)| rest);
    }
    out
}
