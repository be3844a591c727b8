//! What both kinds of dumps share: heads of rows, and rewritten text back through the parser.

use super::super::ast::{Expr, Statement, TableElement};
use super::super::{parse, parse_expr};
use super::tokens::{Item, Tokens, elements, join};
use super::{DumpElement, RowsHead};
use crate::error::{Error, Result, shorten};

/// Reads `COPY t (a, b)` or `INSERT INTO t (a, b)`.
pub(super) fn rows_head(tokens: &Tokens) -> Result<RowsHead> {
    let words = ["COPY", "INSERT", "REPLACE", "IGNORE", "INTO", "ONLY"];
    let mut at = 0;
    while words.iter().any(|word| tokens.is(at, word)) {
        at += 1;
    }
    let (table, next) = tokens.table(at)?;
    if !tokens.is(next, "(") {
        return Ok(RowsHead { table, columns: None });
    }
    let end = tokens.closing(next)?;
    let columns = elements(&tokens.0[next + 1..end])
        .into_iter()
        .map(|names| match names {
            [name] => name.name().ok_or_else(|| super::tokens::unexpected(Some(name))),
            other => Err(super::tokens::unexpected(other.get(1))),
        })
        .collect::<Result<_>>()?;
    Ok(RowsHead { table, columns: Some(columns) })
}

/// Parses one element of a table, written in our dialect.
pub(super) fn element(text: &str) -> Result<TableElement> {
    match parse(&format!("CREATE TABLE t ({text})")).map_err(without_place)? {
        Statement::CreateTable(mut create) if create.elements.len() == 1 => {
            create.elements.pop().ok_or_else(|| Error::internal("an element was lost"))
        }
        _ => Err(Error::internal("an element of a table is none")),
    }
}

/// Parses one element besides the columns; what cannot be parsed is kept as unknown.
pub(super) fn known_element(items: &[Item], text: &str) -> DumpElement {
    match element(text) {
        Ok(element) => DumpElement::Known(element),
        Err(error) => unknown_element(items, error.message()),
    }
}

/// Returns an element that cannot be.
pub(super) fn unknown_element(items: &[Item], reason: impl Into<String>) -> DumpElement {
    DumpElement::Unknown { text: shorten(&join(items)), reason: reason.into() }
}

/// Parses a statement, written in our dialect.
pub(super) fn statement(text: &str) -> Result<Statement> {
    parse(text).map_err(without_place)
}

/// Parses an expression, written in our dialect.
pub(super) fn expression(text: &str) -> Result<Expr> {
    parse_expr(text).map_err(without_place)
}

/// Returns the error without its place, which is one in rewritten text.
fn without_place(error: Error) -> Error {
    let mut plain = Error::new(error.code(), error.message());
    if let Some(detail) = error.detail_text() {
        plain = plain.detail(detail);
    }
    plain
}
