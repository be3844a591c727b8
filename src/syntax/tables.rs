//! The tables that a query names, as the query engine will resolve them.
//!
//! A common table expression hides a table of its name from where it is known: behind its own
//! definition, and inside it only in the recursive half of a `WITH RECURSIVE`. The list decides
//! about privileges, so a name is left out only where it certainly is no table.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SetExpr, SetOperator, Spanned, TableFactor, Visit,
    Visitor,
};

use super::keyword::RESERVED;
use super::literal::decode_name;

/// What a query must not hold, and where.
pub(super) enum Refused {
    /// `SELECT ... INTO t`.
    Into(sqlparser::tokenizer::Span),
    /// `FROM WHERE`: a reserved word, in place of what is named.
    Reserved(sqlparser::tokenizer::Span, &'static str),
    /// `WITH x AS (DELETE ...)`.
    Write,
    /// WITH inside the definition of a recursive common table expression.
    NestedWith,
}

/// What a query reads.
#[derive(Default)]
pub(super) struct Sources {
    /// The names of tables, in no particular order.
    pub(super) tables: Vec<ObjectName>,
    /// The names of files in place of tables, for sqlparser does not place them.
    pub(super) files: Vec<String>,
}

/// Returns what `query` reads.
pub(super) fn tables(query: &Query) -> Result<Sources, Refused> {
    let mut collector = Collector::default();
    match query.visit(&mut collector) {
        ControlFlow::Break(refused) => Err(*refused),
        ControlFlow::Continue(()) => Ok(collector.sources),
    }
}

/// Returns the name that an identifier of sqlparser stands for.
pub(super) fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { decode_name(&ident.value) }
}

/// Tells whether an identifier is a word that can be none; DEFAULT is one among an INSERT's values.
pub(super) fn is_reserved(ident: &Ident) -> bool {
    ident.quote_style.is_none()
        && !ident.value.eq_ignore_ascii_case("default")
        && RESERVED.binary_search(&fold(ident).as_str()).is_ok()
}

#[derive(Default)]
struct Collector {
    sources: Sources,
    /// The names of common table expressions that are known at this point, the innermost last.
    known: Vec<String>,
    /// How many names were known where each query around this point began.
    frames: Vec<usize>,
    /// By the address of a query: the name that is known once the query has been passed.
    defined_after: BTreeMap<usize, String>,
    /// By the address of a query or SELECT: the name that is known only within it.
    known_within: BTreeMap<usize, String>,
}

fn address<T>(node: &T) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Collector {
    /// Notes what the WITH clause of `query` makes known, and where.
    fn define(&mut self, query: &Query) -> Result<(), Refused> {
        let Some(with) = &query.with else { return Ok(()) };
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            if with.recursive
                && let SetExpr::SetOperation { op: SetOperator::Union, right, .. } =
                    cte.query.body.as_ref()
            {
                if cte.query.with.is_some() {
                    return Err(Refused::NestedWith);
                }
                self.know_within(right, &name);
            }
            self.defined_after.insert(address(cte.query.as_ref()), name);
        }
        Ok(())
    }

    /// Makes `name` known in the queries that `body` combines.
    fn know_within(&mut self, body: &SetExpr, name: &str) {
        let mut bodies = vec![body];
        while let Some(body) = bodies.pop() {
            let address = match body {
                SetExpr::Select(select) => address(select.as_ref()),
                SetExpr::Query(query) => address(query.as_ref()),
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([left.as_ref(), right.as_ref()]);
                    continue;
                }
                _ => continue,
            };
            self.known_within.insert(address, name.to_owned());
        }
    }
}

impl Visitor for Collector {
    type Break = Box<Refused>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.frames.push(self.known.len());
        if let Some(name) = self.known_within.get(&address(query)) {
            self.known.push(name.clone());
        }
        if matches!(
            *query.body,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        ) {
            return ControlFlow::Break(Box::new(Refused::Write));
        }
        match self.define(query) {
            Err(refused) => ControlFlow::Break(Box::new(refused)),
            Ok(()) => ControlFlow::Continue(()),
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some(frame) = self.frames.pop() {
            self.known.truncate(frame);
        }
        if let Some(name) = self.defined_after.get(&address(query)) {
            self.known.push(name.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if let Some(name) = self.known_within.get(&address(select)) {
            self.known.push(name.clone());
        }
        match &select.into {
            Some(into) => ControlFlow::Break(Box::new(Refused::Into(into.name.span()))),
            None => ControlFlow::Continue(()),
        }
    }

    fn post_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if self.known_within.contains_key(&address(select)) {
            self.known.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Identifier(ident) if is_reserved(ident) => {
                ControlFlow::Break(Box::new(Refused::Reserved(ident.span, "an expression")))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let first = name.0.first().and_then(|part| part.as_ident());
        match (first, name.0.len()) {
            (Some(ident), _) if ident.quote_style == Some('\'') => {
                self.sources.files.push(ident.value.clone());
            }
            (Some(ident), 1) if is_reserved(ident) => {
                return ControlFlow::Break(Box::new(Refused::Reserved(ident.span, "a table")));
            }
            (Some(ident), 1) if self.known.contains(&fold(ident)) => {}
            _ => self.sources.tables.push(name.clone()),
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::syntax::ast::Statement;

    fn check(text: &str, expected: &str) {
        let Statement::Query(query) = crate::syntax::parse(text).unwrap() else {
            panic!("{text} is no query");
        };
        let names: Vec<String> = query
            .tables
            .iter()
            .map(|table| {
                let written = &text[table.span.start..table.span.end];
                let parts: Vec<&str> = table.parts.iter().map(|part| part.value.as_str()).collect();
                assert_eq!(parts.join("."), written.replace(['"', ' '], "").to_ascii_lowercase());
                parts.join(".")
            })
            .collect();
        assert_eq!(names.join(" "), expected, "{text}");
    }

    #[test]
    fn finds_tables_through_joins_and_subqueries() {
        check("SELECT * FROM a, b JOIN c.D USING (x), (SELECT 1 FROM e) AS f", "a b c.d e");
        check("SELECT (SELECT 1 FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c)", "a b c");
        check("SELECT 1 FROM a UNION SELECT 1 FROM b ORDER BY (SELECT 1 FROM d)", "a b d");
        check("VALUES ((SELECT 1 FROM a))", "a");
        check("SELECT * FROM a AS x, a AS y", "a");
        check("SELECT 1 FROM t WHERE a IN (SELECT b FROM u) HAVING (SELECT true FROM v)", "t u v");
        check("SELECT sum(x) FILTER (WHERE x IN (SELECT 1 FROM f)) FROM t", "f t");
        check(
            "SELECT sum(x) OVER (ORDER BY (SELECT 1 FROM o)) FROM t LIMIT (SELECT 1 FROM l)",
            "o t l",
        );
        check("SELECT * FROM a LEFT JOIN (b CROSS JOIN c) ON a.x = (SELECT 1 FROM d)", "a b c d");
        check("SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) AS l", "a b");
        check("SELECT CASE WHEN EXISTS (SELECT 1 FROM a) THEN (SELECT 1 FROM b) END", "a b");
        check(
            "SELECT x = ANY (SELECT 1 FROM a), (SELECT 1 FROM b)::INT, f(g(h => (SELECT 1 FROM c)))",
            "a b c",
        );
        check("SELECT DISTINCT ON ((SELECT 1 FROM a)) 1 GROUP BY (SELECT 1 FROM b)", "a b");
        check("SELECT INTERVAL '1 day' * (SELECT 1 FROM a) BETWEEN (SELECT 1 FROM b) AND 2", "a b");
        check("SELECT sum(x) OVER w FROM a WINDOW w AS (PARTITION BY (SELECT 1 FROM b))", "a b");
        check(
            "SELECT extract(year FROM (SELECT 1 FROM a)), trim(BOTH 'x' FROM (SELECT 1 FROM b))",
            "a b",
        );
        check("SELECT * FROM f((SELECT 1 FROM a)), unnest((SELECT 1 FROM b))", "a b");
        check(
            "SELECT a[(SELECT 1 FROM b)], string_agg(x, ',' ORDER BY (SELECT 1 FROM c)) FROM d",
            "b c d",
        );
    }

    #[test]
    fn leaves_functions_out() {
        check("SELECT * FROM generate_series(1, 2) AS g, unnest(ARRAY[1]), a", "a");
    }

    #[test]
    fn leaves_common_table_expressions_out_where_they_are_known() {
        check("WITH x AS (SELECT 1 FROM a) SELECT * FROM x, b", "a b");
        check("WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM Y", "");
        check("WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y, x", "x");
        check("WITH t AS (SELECT * FROM t) SELECT * FROM t", "t");
        check("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) AS s, x", "x");
        check("WITH x AS (SELECT 1) SELECT * FROM s.x", "s.x");
        check("WITH x AS (SELECT 1) SELECT (SELECT 1 FROM x WHERE EXISTS (TABLE x))", "");
    }

    #[test]
    fn knows_a_recursive_name_in_its_recursive_half_only() {
        check("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", "");
        check("WITH RECURSIVE r AS (SELECT * FROM r UNION ALL SELECT 1) SELECT * FROM r", "r");
        check("WITH RECURSIVE r AS (SELECT * FROM r) SELECT * FROM r", "r");
        check(
            "WITH RECURSIVE r AS (SELECT 1 UNION (SELECT 1 FROM r UNION SELECT 1 FROM r)) SELECT 1",
            "",
        );
    }
}
