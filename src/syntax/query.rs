//! Queries: checked by sqlparser, with the tables they name and the cells of a VALUES list.

use std::ops::Range;

use sqlparser::ast as sql;

use super::ast::{Ident, InsertValue, ObjectName, Query, Value, ValueKind};
use super::dialect::{not_supported, object_name};
use super::error::{Locator, sqlparser_error, syntax_error};
use super::expr::{describe, normalise, read_query};
use super::literal::decode_string;
use super::scan::Scanned;
use super::tables::{Refused, fold, tables};
use super::token::{TokenKind, is_blank};
use crate::error::{Error, Result, Span};

/// What stands for the word TABLE of `TABLE t`.
const SELECT_FROM: &str = "SELECT * FROM";

/// Parses the query in this range of the statement.
pub(super) fn parse_query(scanned: &Scanned<'_>, range: Range<usize>) -> Result<Query> {
    parse(scanned, range).map(|parsed| parsed.query)
}

/// Parses the source of an INSERT in this range of the statement: for a plain VALUES list, the
/// query's `values` are its cells.
pub(super) fn parse_insert_source(scanned: &Scanned<'_>, range: Range<usize>) -> Result<Query> {
    let Parsed { mut query, tree, rewritten } = parse(scanned, range.clone())?;
    if let sql::SetExpr::Values(values) = &*tree.body
        && tree.with.is_none()
        && let Some(cells) = cells(scanned, &range)
        && cells.len() == values.rows.len()
        && cells.iter().zip(&values.rows).all(|(cells, row)| cells.len() == row.content.len())
    {
        let locator = Locator::new(&rewritten.text);
        let locate = |span| rewritten.original(locator.span(span)).shifted(range.start);
        let rows = cells.into_iter().zip(&values.rows).map(|(cells, row)| {
            cells
                .into_iter()
                .zip(&row.content)
                .map(|(cell, expr)| value(scanned, cell, expr, &locate))
                .collect()
        });
        query.values = Some(rows.collect());
    }
    Ok(query)
}

fn value(
    scanned: &Scanned<'_>,
    cell: Range<usize>,
    expr: &sql::Expr,
    locate: &dyn Fn(sqlparser::tokenizer::Span) -> Span,
) -> InsertValue {
    if scanned.text[cell.clone()].eq_ignore_ascii_case("default") {
        return InsertValue::Default(Span::new(cell.start, cell.end));
    }
    let written = match expr {
        sql::Expr::Value(_) => String::new(),
        _ => normalise(scanned, cell.clone()),
    };
    InsertValue::Expr(describe(expr, written, cell, locate))
}

/// A query with the tree that sqlparser made of it.
struct Parsed {
    query: Query,
    tree: Box<sql::Query>,
    rewritten: Rewritten,
}

fn parse(scanned: &Scanned<'_>, range: Range<usize>) -> Result<Parsed> {
    let rewritten = Rewritten::new(scanned, &range);
    let text = rewritten.text.as_str();
    let tree = read_query(text).map_err(|error| {
        let place = |at| range.start + rewritten.original_offset(at);
        sqlparser_error(scanned, &error, text, &place)
    })?;
    let locator = Locator::new(text);
    let locate = |span| rewritten.original(locator.span(span)).shifted(range.start);
    let sources = tables(&tree).map_err(|refused| refusal(scanned, &range, refused, &locate))?;
    let mut found: Vec<ObjectName> =
        sources.tables.iter().map(|name| table(name, &locate)).collect::<Result<_>>()?;
    found.sort_by_key(|name| name.span.start);
    let mut names: Vec<ObjectName> = Vec::new();
    for name in found {
        let same = |known: &ObjectName| {
            known.parts.iter().map(|part| &part.value).eq(name.parts.iter().map(|part| &part.value))
        };
        if !names.iter().any(same) {
            names.push(name);
        }
    }
    let query = Query {
        text: rewritten.shown(scanned, &range),
        span: Span::new(range.start, range.end),
        tables: names,
        files: files(scanned, &range, sources.files),
        values: None,
    };
    Ok(Parsed { query, tree, rewritten })
}

fn table(
    name: &sql::ObjectName,
    locate: &dyn Fn(sqlparser::tokenizer::Span) -> Span,
) -> Result<ObjectName> {
    let parts: Vec<Ident> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(|ident| Ident { value: fold(ident), span: locate(ident.span) })
        .collect();
    // sqlparser does not say where a part stands that is written like a string.
    let placed = || parts.iter().map(|part| part.span).filter(|span| span.start < span.end);
    let start = placed().map(|span| span.start).min().unwrap_or_default();
    let span = Span::new(start, placed().map(|span| span.end).max().unwrap_or(start));
    object_name(parts, span)
}

fn refusal(
    scanned: &Scanned<'_>,
    range: &Range<usize>,
    refused: Refused,
    locate: &dyn Fn(sqlparser::tokenizer::Span) -> Span,
) -> Error {
    let whole = Span::new(range.start, range.end);
    match refused {
        Refused::Into(span) => not_supported("SELECT INTO", locate(span))
            .hint("Use CREATE TABLE t AS SELECT ... or INSERT INTO t SELECT ..."),
        Refused::Reserved(span, expected) => syntax_error(scanned, locate(span).start, expected),
        Refused::Write => {
            let words = ["INSERT", "UPDATE", "DELETE", "MERGE"];
            let first = scanned.index_at(range.start);
            let at = (first..scanned.tokens.len())
                .find(|index| words.iter().any(|word| scanned.is_word(*index, word)))
                .and_then(|index| scanned.tokens.get(index))
                .map_or(whole, |token| token.span());
            not_supported("a statement that writes inside a query", at)
        }
        Refused::NestedWith => {
            not_supported("WITH inside a recursive common table expression", whole)
        }
    }
}

/// Returns the files in place of tables, each once, in the order of the text.
fn files(scanned: &Scanned<'_>, range: &Range<usize>, names: Vec<String>) -> Vec<Value> {
    let whole = Span::new(range.start, range.end);
    let mut files: Vec<Value> = Vec::new();
    for text in names {
        if files.iter().all(|known| known.text != text) {
            let span = file(scanned, &text, whole);
            files.push(Value { text, kind: ValueKind::String, span });
        }
    }
    files.sort_by_key(|file| file.span.start);
    files
}

/// Returns where the string `name` stands in place of a table.
fn file(scanned: &Scanned<'_>, name: &str, whole: Span) -> Span {
    let index = (scanned.index_at(whole.start) + 1..scanned.tokens.len()).find(|index| {
        let token = scanned.tokens[*index];
        let before = scanned.word(index - 1);
        token.kind == TokenKind::String
            && (matches!(before, "," | "(")
                || ["FROM", "JOIN"].iter().any(|word| before.eq_ignore_ascii_case(word)))
            && decode_string(token.text(scanned.text), 0).is_ok_and(|text| text == name)
    });
    index.map_or(whole, |index| scanned.tokens[index].span())
}

/// A query's text made ready for sqlparser and the query engine.
struct Rewritten {
    /// The text.
    text: String,
    /// The offsets, in the text, behind each `SELECT * FROM` that stands for `TABLE`.
    inserted: Vec<usize>,
    /// Whether anything differs from what was written, besides comments.
    changed: bool,
}

impl Rewritten {
    /// Puts `SELECT * FROM` for `TABLE`, and blanks for FOR UPDATE and its kin.
    fn new(scanned: &Scanned<'_>, range: &Range<usize>) -> Self {
        let mut out = Self { text: String::new(), inserted: Vec::new(), changed: false };
        let mut copied = range.start;
        let first = scanned.index_at(range.start);
        let mut index = first;
        while index < scanned.tokens.len() && scanned.start_of(index) < range.end {
            let token = scanned.tokens[index];
            let before = if index == first { "" } else { scanned.word(index - 1) };
            let locking = locking_length(scanned, index);
            if locking > 0 {
                let end = scanned.tokens[index + locking - 1].end;
                out.text.push_str(&scanned.clean[copied..token.start]);
                out.text.extend(std::iter::repeat_n(' ', end - token.start));
                copied = end;
                index += locking;
                out.changed = true;
                continue;
            }
            if scanned.is_word(index, "TABLE") && starts_query(before) {
                out.text.push_str(&scanned.clean[copied..token.start]);
                out.text.push_str(SELECT_FROM);
                out.inserted.push(out.text.len());
                copied = token.end;
                out.changed = true;
            }
            index += 1;
        }
        out.text.push_str(&scanned.clean[copied..range.end]);
        out
    }

    /// Returns where a span of the text lies in what was written.
    fn original(&self, span: Span) -> Span {
        Span::new(self.original_offset(span.start), self.original_offset(span.end))
    }

    fn original_offset(&self, at: usize) -> usize {
        let before = self.inserted.iter().take_while(|end| **end <= at).count();
        at.saturating_sub(before * (SELECT_FROM.len() - "TABLE".len()))
    }

    /// Returns the text that the tree keeps: as written if nothing had to change.
    fn shown(&self, scanned: &Scanned<'_>, range: &Range<usize>) -> String {
        let written = &scanned.text[range.clone()];
        let unusual = |c: char| is_blank(c) && !c.is_ascii();
        if self.changed || written.contains(unusual) {
            self.text.trim_end().to_owned()
        } else {
            written.to_owned()
        }
    }
}

/// Tells whether a query can start behind the word or sign `before`.
fn starts_query(before: &str) -> bool {
    let words = ["", "(", ")", "UNION", "INTERSECT", "EXCEPT", "ALL", "DISTINCT"];
    words.iter().any(|word| before.eq_ignore_ascii_case(word))
}

/// Returns how many tokens from `index` on are a locking clause, such as `FOR UPDATE OF t NOWAIT`.
fn locking_length(scanned: &Scanned<'_>, index: usize) -> usize {
    if !scanned.is_word(index, "FOR") {
        return 0;
    }
    let forms: [&[&str]; 4] =
        [&["UPDATE"], &["SHARE"], &["NO", "KEY", "UPDATE"], &["KEY", "SHARE"]];
    let matches = |form: &&&[&str]| {
        form.iter().enumerate().all(|(at, word)| scanned.is_word(index + 1 + at, word))
    };
    let Some(form) = forms.iter().find(matches) else { return 0 };
    let mut length = 1 + form.len();
    if scanned.is_word(index + length, "OF") {
        length += 2;
        while matches!(scanned.word(index + length), "." | ",") {
            length += 2;
        }
    }
    if scanned.is_word(index + length, "NOWAIT") {
        length += 1;
    } else if scanned.is_word(index + length, "SKIP")
        && scanned.is_word(index + length + 1, "LOCKED")
    {
        length += 2;
    }
    length.min(scanned.tokens.len() - index)
}

/// Returns the ranges of the cells of the VALUES list in this range of the statement.
fn cells(scanned: &Scanned<'_>, range: &Range<usize>) -> Option<Vec<Vec<Range<usize>>>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut depth = 0_usize;
    let mut start = None;
    let first = scanned.index_at(range.start) + 1;
    let mut end = 0;
    for token in scanned.tokens[first..].iter().take_while(|token| token.start < range.end) {
        match (token.text(scanned.text), depth) {
            ("(", 0) => depth = 1,
            (",", 0) => {}
            (_, 0) => return None,
            (",", 1) => row.push(start.take()?..end),
            (")", 1) => {
                row.push(start.take()?..end);
                rows.push(std::mem::take(&mut row));
                depth = 0;
            }
            (text, _) => {
                start.get_or_insert(token.start);
                depth += usize::from(matches!(text, "(" | "["));
                depth -= usize::from(matches!(text, ")" | "]"));
            }
        }
        end = token.end;
    }
    Some(rows)
}
