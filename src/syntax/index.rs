//! CREATE INDEX and DROP INDEX.

use super::ast::{
    CreateIndex, DropIndex, IndexColumn, IndexElement, IndexName, ObjectName, Statement,
};
use super::dialect::{Node, Rule, not_supported};
use super::element::{drop_behavior, storing, unsupported_clause};
use super::error::syntax_error;
use super::import::options;
use super::scan::Scanned;
use crate::error::Result;

/// Reads a CREATE INDEX.
pub(super) fn create_index(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let name = node.opt_ident(Rule::opt_index_name);
    let if_not_exists = node.has_clause(Rule::opt_if_not_exists);
    if if_not_exists && name.is_none() {
        let on = node.require(Rule::kw_on)?.span().start;
        return Err(syntax_error(scanned, on, "an index name"));
    }
    if let Some(method) =
        node.find(Rule::opt_index_method).and_then(|method| method.find(Rule::name))
        && method.ident().value != "btree"
    {
        return Err(not_supported(format_args!("an index by {}", method.text()), method.span())
            .hint("Indexes are sorted: leave out USING, or say USING btree."));
    }
    let tail = node.find(Rule::opt_create_index_tail);
    if let Some(word) = tail.and_then(|tail| tail.children().next()) {
        let error = unsupported_clause(&word, "an index definition");
        return Err(match word.rule() {
            Rule::kw_where => error.hint("Leave out WHERE: an index holds all rows."),
            _ => error,
        });
    }
    Ok(Statement::CreateIndex(CreateIndex {
        table: node.table_name()?,
        if_not_exists,
        index: IndexElement {
            name,
            unique: node.has(Rule::kw_unique),
            columns: columns(node)?,
            storing: storing(node),
            span: node.span(),
        },
        options: options(scanned, &node.require(Rule::opt_index_options)?)?,
    }))
}

fn columns(node: &Node<'_>) -> Result<Vec<IndexColumn>> {
    let part = |part: Node<'_>| {
        if let Some(expression) = part.find(Rule::index_expression) {
            return Err(not_supported("an index on an expression", expression.span()).hint(
                "Index a computed column: CREATE TABLE can add one by AS (expression) STORED.",
            ));
        }
        let name = part.inner_ident(Rule::name)?;
        Ok(IndexColumn { name, descending: part.has(Rule::kw_desc) })
    };
    node.require(Rule::index_parts)?.all(Rule::index_part).map(part).collect()
}

/// Reads a DROP INDEX.
pub(super) fn drop_index(node: &Node<'_>) -> Result<Statement> {
    let names = node.all(Rule::index_name).map(|name| index_name(&name));
    Ok(Statement::DropIndex(DropIndex {
        names: names.collect::<Result<_>>()?,
        if_exists: node.has_clause(Rule::opt_if_exists),
        behavior: drop_behavior(node),
    }))
}

fn index_name(node: &Node<'_>) -> Result<IndexName> {
    let first = node.table_name()?;
    let Some(index) = node.find(Rule::any_name) else {
        return Ok(IndexName { table: None, index: first });
    };
    let (part, span) = (index.ident(), index.span());
    Ok(IndexName { table: Some(first), index: ObjectName { parts: vec![part], span } })
}
