//! Column definitions: name, type as text, and clauses in any order.

use super::ast::{ColumnConstraint, ColumnConstraintKind, ColumnElement, Ident};
use super::dialect::{Node, Rule, not_supported};
use super::element::{check_expr, references};
use super::expr::parse_expr;
use super::scan::Scanned;
use crate::error::{Error, Result, SqlState};

/// Reads a column definition.
pub(super) fn column(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<ColumnElement> {
    let type_node = node.require(Rule::column_type)?;
    let mut column = ColumnElement {
        name: node.inner_ident(Rule::name)?,
        type_name: type_name(scanned, &type_node),
        type_span: type_node.span(),
        collation: None,
        constraints: Vec::new(),
        span: node.span(),
    };
    for clause in node.all(Rule::column_clause) {
        let name = clause.opt_ident(Rule::opt_constraint_name);
        let span = clause.span();
        let inner = clause
            .children()
            .find(|child| child.rule() != Rule::opt_constraint_name)
            .ok_or_else(|| Error::internal("a column clause holds nothing"))?;
        if inner.rule() == Rule::collate {
            set_collation(&mut column.collation, &inner)?;
        } else {
            let kind = kind(scanned, &inner)?;
            column.constraints.push(ColumnConstraint { name, kind, span });
        }
    }
    Ok(column)
}

fn set_collation(collation: &mut Option<Ident>, clause: &Node<'_>) -> Result {
    let name = clause.inner_ident(Rule::any_name)?;
    let twice = || Error::new(SqlState::SYNTAX_ERROR, "multiple COLLATE clauses for a column");
    match collation.replace(name) {
        Some(_) => Err(twice().at(clause.span())),
        None => Ok(()),
    }
}

/// Returns the type as written, with single blanks between words and none around signs.
fn type_name(scanned: &Scanned<'_>, node: &Node<'_>) -> String {
    let span = node.span();
    let mut out = String::new();
    for token in &scanned.tokens[scanned.index_at(span.start)..] {
        if token.start >= span.end {
            break;
        }
        let text = token.text(scanned.text);
        let is_sign = |c: char| "()[],.+-".contains(c);
        // A word behind a closing bracket, as in `TIMESTAMP(3) WITH TIME ZONE`, keeps its blank.
        let glued = text.starts_with(is_sign) || out.ends_with(['(', '[', ',', '.', '-', '+']);
        if !out.is_empty() && !glued {
            out.push(' ');
        }
        out.push_str(text);
    }
    out
}

fn kind(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<ColumnConstraintKind> {
    Ok(match node.rule() {
        Rule::null => ColumnConstraintKind::Null,
        Rule::not_null => ColumnConstraintKind::NotNull,
        Rule::column_key => ColumnConstraintKind::PrimaryKey,
        Rule::column_unique => ColumnConstraintKind::Unique,
        Rule::default => {
            let span = node.require(Rule::default_expression)?.span();
            ColumnConstraintKind::Default(parse_expr(scanned, span.start..span.end)?)
        }
        Rule::check => ColumnConstraintKind::Check(check_expr(scanned, node)?),
        Rule::references => ColumnConstraintKind::References(references(node)?),
        Rule::generated | Rule::computed => match node.find(Rule::computed_expression) {
            Some(expression) => computed(scanned, &expression)?,
            None => ColumnConstraintKind::Identity,
        },
        Rule::column_family => ColumnConstraintKind::Family(
            node.find(Rule::name)
                .map(|name| name.ident())
                .or_else(|| node.opt_ident(Rule::opt_index_name)),
        ),
        _ => return Err(not_supported("ON UPDATE of a column", node.span())),
    })
}

fn computed(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<ColumnConstraintKind> {
    if let Some(word) = node.find(Rule::kw_virtual) {
        return Err(not_supported("a virtual computed column", word.span())
            .hint("Write STORED in place of VIRTUAL."));
    }
    let span = node.require(Rule::inner_expression)?.span();
    Ok(ColumnConstraintKind::Computed(parse_expr(scanned, span.start..span.end)?))
}
