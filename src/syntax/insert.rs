//! INSERT: its target, its columns, and the rows or query that it adds.

use super::ast::{Insert, Statement};
use super::dialect::{Node, Rule, not_supported};
use super::query::parse_insert_source;
use super::scan::Scanned;
use crate::error::{Result, Span};

/// Reads an INSERT.
pub(super) fn insert(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let columns =
        node.find(Rule::opt_insert_columns).map(|list| list.name_list()).unwrap_or_default();
    let source = match node.find(Rule::rest) {
        Some(rest) => {
            let span = rest.span();
            refuse_clauses(scanned, span)?;
            Some(parse_insert_source(scanned, span.start..span.end)?)
        }
        None => None,
    };
    Ok(Statement::Insert(Insert { table: node.table_name()?, columns, source }))
}

/// Refuses ON CONFLICT and RETURNING behind the rows.
fn refuse_clauses(scanned: &Scanned<'_>, source: Span) -> Result {
    let mut depth = 0_usize;
    for index in scanned.index_at(source.start)..scanned.tokens.len() {
        let start = scanned.start_of(index);
        match scanned.word(index) {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            word if word.eq_ignore_ascii_case("returning") => {
                return Err(not_supported("INSERT ... RETURNING", Span::new(start, start + 9)));
            }
            word if word.eq_ignore_ascii_case("on") && scanned.is_word(index + 1, "CONFLICT") => {
                let end = scanned.tokens[index + 1].end;
                return Err(not_supported("INSERT ... ON CONFLICT", Span::new(start, end)));
            }
            _ => {}
        }
    }
    Ok(())
}
