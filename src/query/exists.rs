//! EXISTS and IN (SELECT ...) in a select list, where DataFusion lacks them, as counts.

use std::mem::swap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut,
    visit_expressions,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::BoundedDialect;
use super::quantified::{membership, quantify};

/// Turns `EXISTS (SELECT ...)` into `(SELECT count(*) > 0 ...)`, and IN likewise.
pub(super) fn count_existing(expr: &mut Expr) {
    let _: ControlFlow<()> = expr.visit(&mut Counting { depth: 0 });
}

/// Changes the expressions of a select list, but not those of subqueries in it.
struct Counting {
    depth: usize,
}

impl VisitorMut for Counting {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        quantify(expr);
        let counts = match expr {
            Expr::Exists { subquery, negated } => counted(subquery, *negated).map(Expr::Subquery),
            Expr::InSubquery { expr, subquery, negated } => membership(expr, subquery, *negated),
            _ => None,
        };
        if let Some(counts) = counts {
            *expr = counts;
        }
        ControlFlow::Continue(())
    }
}

fn counted(subquery: &mut Box<Query>, negated: bool) -> Option<Box<Query>> {
    let sign = if negated { "=" } else { ">" };
    let text = format!("(SELECT count(*) {sign} 0 FROM (SELECT 1) AS e)");
    let parsed = Parser::new(&BoundedDialect::new(&text)).try_with_sql(&text).ok()?.parse_expr();
    let Ok(Expr::Subquery(mut count)) = parsed else { return None };
    let SetExpr::Select(outer) = count.body.as_mut() else { return None };
    if let Some(inner) = plain(subquery) {
        // Without a subquery in FROM, so that what refers to the outer query still can.
        swap(&mut inner.projection, &mut outer.projection);
        swap(inner, outer.as_mut());
        return Some(count);
    }
    match &mut outer.from.first_mut()?.relation {
        TableFactor::Derived { subquery: inner, .. } => swap(inner, subquery),
        _ => return None,
    }
    Some(count)
}

/// Returns the SELECT of a query whose rows are just those of its FROM and WHERE.
pub(super) fn plain(query: &mut Query) -> Option<&mut Select> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let calls = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            visit_expressions(expr, |each| match each {
                Expr::Function(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .is_break()
        }
        _ => false,
    });
    (!grouped && !calls && select.having.is_none()).then_some(select)
}
