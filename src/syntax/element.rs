//! CREATE TABLE and DROP TABLE, and the elements of a table's definition but its columns.

use super::ast::{
    CreateTable, DropBehavior, DropTable, Ident, IndexColumn, IndexElement, References, Statement,
    TableConstraint, TableElement,
};
use super::column::column;
use super::dialect::{Node, Rule, not_supported};
use super::expr::parse_expr;
use super::query::parse_query;
use super::scan::Scanned;
use crate::error::{Error, Result};

/// Reads a CREATE TABLE.
pub(super) fn create_table(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    if let Some(tail) = node.find(Rule::opt_table_tail).and_then(|tail| tail.children().next()) {
        return Err(unsupported_clause(&tail, "a table definition"));
    }
    let query = match node.find(Rule::as_query) {
        Some(query) => {
            if let Some(names) = node.find(Rule::name_list) {
                return Err(not_supported("naming the columns of CREATE TABLE AS", names.span())
                    .hint("Name them in the query: SELECT a AS b."));
            }
            let span = query.require(Rule::rest)?.span();
            Some(parse_query(scanned, span.start..span.end)?)
        }
        None => None,
    };
    let elements = match node.find(Rule::element_list) {
        Some(list) => elements(scanned, &list)?,
        None => Vec::new(),
    };
    Ok(Statement::CreateTable(CreateTable {
        name: node.table_name()?,
        if_not_exists: node.has_clause(Rule::opt_if_not_exists),
        elements,
        query,
    }))
}

/// Reads a DROP TABLE or DROP SEQUENCE.
pub(super) fn drop_tables(node: &Node<'_>) -> Result<DropTable> {
    let names = node.all(Rule::table_name).map(|name| name.object_name());
    Ok(DropTable {
        names: names.collect::<Result<_>>()?,
        if_exists: node.has_clause(Rule::opt_if_exists),
        behavior: drop_behavior(node),
    })
}

/// Reads the CASCADE or RESTRICT at the end of a DROP.
pub(super) fn drop_behavior(node: &Node<'_>) -> DropBehavior {
    let word = node.find(Rule::opt_drop_behavior).and_then(|behavior| behavior.children().next());
    match word.map(|word| word.rule()) {
        Some(Rule::kw_cascade) => DropBehavior::Cascade,
        Some(Rule::kw_restrict) => DropBehavior::Restrict,
        _ => DropBehavior::Default,
    }
}

/// Reads the elements of a list.
pub(super) fn elements(scanned: &Scanned<'_>, list: &Node<'_>) -> Result<Vec<TableElement>> {
    list.all(Rule::element).map(|node| element(scanned, &node)).collect()
}

fn element(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<TableElement> {
    let node =
        node.children().next().ok_or_else(|| Error::internal("a table element holds nothing"))?;
    match node.rule() {
        Rule::column => column(scanned, &node).map(TableElement::Column),
        Rule::index => index(&node),
        Rule::inverted_index => Ok(TableElement::InvertedIndex {
            name: node.opt_ident(Rule::opt_index_name),
            columns: index_columns(&node)?,
            span: node.span(),
        }),
        Rule::family => Ok(TableElement::Family {
            name: node.opt_ident(Rule::opt_index_name),
            columns: node.name_list(),
        }),
        Rule::table_constraint => table_constraint(scanned, &node),
        Rule::like_table => Err(not_supported("LIKE in a table definition", node.span())),
        _ => Err(not_supported("an exclusion constraint", node.span())),
    }
}

fn index(node: &Node<'_>) -> Result<TableElement> {
    refuse_tail(node)?;
    Ok(TableElement::Index(IndexElement {
        name: node.opt_ident(Rule::opt_index_name),
        unique: node.has(Rule::kw_unique),
        columns: index_columns(node)?,
        storing: storing(node),
        span: node.span(),
    }))
}

fn index_columns(node: &Node<'_>) -> Result<Vec<IndexColumn>> {
    node.require(Rule::index_columns)?
        .all(Rule::index_column)
        .map(|column| {
            let name = column.inner_ident(Rule::name)?;
            Ok(IndexColumn { name, descending: column.has(Rule::kw_desc) })
        })
        .collect()
}

/// Returns the columns that an index stores.
pub(super) fn storing(node: &Node<'_>) -> Vec<Ident> {
    node.find(Rule::opt_storing).map(|storing| storing.name_list()).unwrap_or_default()
}

/// Refuses what follows an index's columns and is not supported, such as a WHERE.
fn refuse_tail(node: &Node<'_>) -> Result {
    match node.find(Rule::opt_index_tail).and_then(|tail| tail.children().next()) {
        Some(tail) => Err(unsupported_clause(&tail, "an index definition")),
        None => Ok(()),
    }
}

/// Returns the error for a clause that begins with `word`.
pub(super) fn unsupported_clause(word: &Node<'_>, place: &str) -> Error {
    not_supported(format_args!("{} in {place}", word.text().to_ascii_uppercase()), word.span())
}

fn table_constraint(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<TableElement> {
    let name = node.opt_ident(Rule::opt_constraint_name);
    let span = node.span();
    let inner = node
        .children()
        .find(|child| child.rule() != Rule::opt_constraint_name)
        .ok_or_else(|| Error::internal("a constraint holds nothing"))?;
    let constraint = match inner.rule() {
        Rule::primary_key => TableConstraint::PrimaryKey(index_columns(&inner)?),
        Rule::unique_columns => {
            refuse_tail(&inner)?;
            let (columns, storing) = (index_columns(&inner)?, storing(&inner));
            if !storing.is_empty() {
                // With STORING the constraint is an index in all but name.
                let index = IndexElement { name, unique: true, columns, storing, span };
                return Ok(TableElement::Index(index));
            }
            TableConstraint::Unique(columns)
        }
        Rule::check => TableConstraint::Check(check_expr(scanned, &inner)?),
        _ => TableConstraint::ForeignKey {
            columns: inner.name_list(),
            references: references(&inner.require(Rule::references)?)?,
        },
    };
    Ok(TableElement::Constraint { name, constraint, span })
}

/// Reads the expression of a CHECK.
pub(super) fn check_expr(scanned: &Scanned<'_>, check: &Node<'_>) -> Result<super::ast::Expr> {
    let span = check.require(Rule::inner_expression)?.span();
    parse_expr(scanned, span.start..span.end)
}

/// Reads a REFERENCES clause.
pub(super) fn references(node: &Node<'_>) -> Result<References> {
    let columns = node.find(Rule::opt_name_list).map(|list| list.name_list()).unwrap_or_default();
    let mut references = References {
        table: node.table_name()?,
        columns,
        on_delete: None,
        on_update: None,
        match_type: None,
    };
    for clause in node.all(Rule::reference_clause) {
        let slot = match () {
            () if clause.has(Rule::kw_delete) => &mut references.on_delete,
            () if clause.has(Rule::kw_update) => &mut references.on_update,
            () => &mut references.match_type,
        };
        let said = clause.children().last().map(|last| upper_words(last.text()));
        if slot.is_some() {
            return Err(Error::new(
                crate::error::SqlState::SYNTAX_ERROR,
                "a foreign key gives the same clause twice",
            )
            .at(clause.span()));
        }
        *slot = said;
    }
    Ok(references)
}

fn upper_words(text: &str) -> String {
    text.split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>().join(" ")
}
