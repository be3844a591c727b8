//! Quantified comparisons: `x > ALL (SELECT ...)` and its kin, as counts and extremes of the subquery.
//!
//! DataFusion's own rewriting of them gives wrong rows. An ordered comparison needs only the least or
//! greatest value; whether there are rows, and NULLs among them, decides the rest. `= ANY` and
//! `<> ALL` are IN and NOT IN, which DataFusion has in conditions but not in a select list.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Query, Select, SelectItem, SetExpr, TableFactor,
    visit_expressions_mut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::BoundedDialect;
use super::exists::plain;

/// Turns a quantified comparison into one that DataFusion plans rightly. Returns whether it was one
/// that makes copies of its subquery.
pub(super) fn quantify(expr: &mut Expr) -> bool {
    let (left, op, right, all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return false,
    };
    let Expr::Subquery(query) = right.as_ref() else { return false };
    let member = match (&op, all) {
        (BinaryOperator::Eq, false) => Some(false),
        (BinaryOperator::NotEq, true) => Some(true),
        _ => None,
    };
    if let Some(negated) = member {
        *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated };
        return false;
    }
    let (sign, extreme) = match op {
        BinaryOperator::Gt => (">", if all { "most" } else { "least" }),
        BinaryOperator::GtEq => (">=", if all { "most" } else { "least" }),
        BinaryOperator::Lt => ("<", if all { "least" } else { "most" }),
        BinaryOperator::LtEq => ("<=", if all { "least" } else { "most" }),
        BinaryOperator::Eq => ("=", ""),
        BinaryOperator::NotEq => ("<>", ""),
        _ => return false,
    };
    let holds = match sign {
        "=" => "(\"?x\" = \"?least\" AND \"?x\" = \"?most\")".to_owned(),
        "<>" => "(\"?x\" <> \"?least\" OR \"?x\" <> \"?most\")".to_owned(),
        _ => format!("(\"?x\" {sign} \"?{extreme}\")"),
    };
    let decisive = if all { format!("NOT {holds}") } else { holds.clone() };
    let text = format!(
        "CASE WHEN \"?rows\" = 0 THEN {all} WHEN {decisive} THEN {} \
         WHEN \"?known\" < \"?rows\" THEN NULL ELSE {holds} END",
        !all
    );
    match filled(&text, left, query) {
        Some(case) => {
            *expr = case;
            true
        }
        None => false,
    }
}

/// Returns `x IN (SELECT ...)` as an expression that can stand in a select list.
pub(super) fn membership(value: &Expr, query: &Query, negated: bool) -> Option<Expr> {
    let (yes, no) = (!negated, negated);
    let text = format!(
        "CASE WHEN \"?same\" > 0 THEN {yes} WHEN \"?rows\" = 0 THEN {no} \
         WHEN \"?x\" IS NULL OR \"?known\" < \"?rows\" THEN NULL ELSE {no} END"
    );
    filled(&text, value, query)
}

/// Parses `text` and puts the value and measures of the query where it names them.
fn filled(text: &str, value: &Expr, query: &Query) -> Option<Expr> {
    let mut expr = parsed(text)?;
    let mut complete = true;
    replace(&mut expr, &mut |name| {
        let measure = match name {
            "?x" => return Some(Expr::Nested(Box::new(value.clone()))),
            "?rows" => "count(*)",
            "?known" => "count(\"?v\")",
            "?least" => "min(\"?v\")",
            "?most" => "max(\"?v\")",
            "?same" => {
                let same = same(value, query);
                complete &= same.is_some();
                return same;
            }
            _ => return None,
        };
        let measured = measured(measure, query);
        complete &= measured.is_some();
        measured
    });
    complete.then_some(expr)
}

fn parsed(text: &str) -> Option<Expr> {
    Parser::new(&BoundedDialect::new(text)).try_with_sql(text).ok()?.parse_expr().ok()
}

/// Replaces identifiers by expressions.
fn replace(expr: &mut Expr, by: &mut impl FnMut(&str) -> Option<Expr>) {
    let _: ControlFlow<()> = visit_expressions_mut(expr, |each| {
        if let Expr::Identifier(ident) = each
            && ident.quote_style.is_some()
            && let Some(other) = by(&ident.value)
        {
            *each = other;
        }
        ControlFlow::Continue(())
    });
}

/// Returns the number of rows of the query that equal a value. The value may name columns of the
/// outer query alone, so that the query stands for itself in FROM.
fn same(value: &Expr, query: &Query) -> Option<Expr> {
    let mut expr = parsed(
        "(SELECT count(*) FROM (SELECT 1) AS \"?q\" (\"?v\") WHERE \"?q\".\"?v\" = \"?x\")",
    )?;
    replace(&mut expr, &mut |name| (name == "?x").then(|| Expr::Nested(Box::new(value.clone()))));
    let Expr::Subquery(outer) = &mut expr else { return None };
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    put_in_from(select, query)?;
    Some(expr)
}

/// Returns `(SELECT measure FROM (query) AS q (v))`.
fn measured(measure: &str, query: &Query) -> Option<Expr> {
    let mut expr = parsed(&format!("(SELECT {measure} FROM (SELECT 1) AS \"?q\" (\"?v\"))"))?;
    let Expr::Subquery(outer) = &mut expr else { return None };
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    // Without a subquery in FROM, so that what refers to the outer query still can.
    let mut inner = query.clone();
    if let Some(plain) = plain(&mut inner)
        && !matches!(plain.distinct, Some(Distinct::On(_)))
        && let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
            plain.projection.as_slice()
    {
        let item = item.clone();
        for each in &mut select.projection {
            if let SelectItem::UnnamedExpr(each) = each {
                replace(each, &mut |name| (name == "?v").then(|| item.clone()));
            }
        }
        plain.distinct = None;
        plain.projection = std::mem::take(&mut select.projection);
        inner.order_by = None;
        return Some(Expr::Subquery(Box::new(inner)));
    }
    put_in_from(select, query)?;
    Some(expr)
}

fn put_in_from(select: &mut Select, query: &Query) -> Option<()> {
    match &mut select.from.first_mut()?.relation {
        TableFactor::Derived { subquery, .. } => **subquery = query.clone(),
        _ => return None,
    }
    Some(())
}
