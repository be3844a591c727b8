//! Prepares the syntax tree of a query for DataFusion.
//!
//! PostgreSQL spellings that DataFusion lacks are put into ones that it has, result columns get their
//! names, `*` is kept clear of hidden columns, and long chains of AND and OR become balanced trees, so
//! that depth stands for nesting alone and can be limited.

use std::collections::HashSet;
use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExcludeSelectItem, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, LimitClause, ObjectName,
    ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement,
    TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::common_query::name_apart;
use super::dialect::BoundedDialect;
use super::error::{Origin, from_parser, too_deep};
use super::exists::count_existing;
use super::file::mark_file;
use super::names::{mark_twins, name_items, normal};
use super::quantified::quantify;
use crate::catalog::ROWID;
use crate::error::{Error, Result, SqlState};

/// How deep expressions and queries may nest after chains were balanced.
const DEEPEST: usize = 300;

/// How deep the parser may go; it counts parentheses, which `DEEPEST` does not.
const PARSER_DEPTH: usize = 20_000;

/// How many quantified comparisons there may be, counting copies of nested ones.
const MOST_QUANTIFIED: usize = 100;

/// A query, ready to be planned.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The query.
    pub(super) statement: Statement,
    /// Whether the text names a hidden row id.
    pub(super) rowid: bool,
}

/// Tells whether a table of this name has a hidden row id.
pub(super) type HasRowid<'a> = &'a dyn Fn(&[String]) -> bool;

/// Parses and prepares a query.
pub(super) fn parse_query(origin: Origin<'_>, has_rowid: HasRowid<'_>) -> Result<Prepared> {
    let dialect = BoundedDialect::new(origin.sql);
    let mut parser = parser(&dialect, origin)?;
    let statements = parser.parse_statements().map_err(|error| from_parser(&error, origin))?;
    let mut statements = statements.into_iter();
    let (Some(mut statement), None) = (statements.next(), statements.next()) else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "expected one query"));
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, "only queries can be run here"));
    }
    let rowid = mentions_rowid(origin.sql);
    prepare(&mut statement, rowid.then_some(has_rowid))?;
    Ok(Prepared { statement, rowid })
}

/// Parses and prepares an expression.
pub(super) fn parse_expression(origin: Origin<'_>) -> Result<Expr> {
    use datafusion::sql::sqlparser::tokenizer::Token;

    let dialect = BoundedDialect::new(origin.sql);
    let mut parser = parser(&dialect, origin)?;
    let mut expr = parser.parse_expr().map_err(|error| from_parser(&error, origin))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let place = (rest.span.start.line, rest.span.start.column);
        let error = Error::new(
            SqlState::SYNTAX_ERROR,
            format!("syntax error at or near \"{}\"", rest.token),
        );
        return Err(match origin.span(place, place) {
            Some(span) => error.at(span),
            None => error,
        });
    }
    prepare(&mut expr, None)?;
    Ok(expr)
}

fn parser<'d>(dialect: &'d BoundedDialect, origin: Origin<'_>) -> Result<Parser<'d>> {
    Parser::new(dialect)
        .with_recursion_limit(PARSER_DEPTH)
        .try_with_sql(origin.sql)
        .map_err(|error| from_parser(&error, origin))
}

/// Returns whether the text may name a hidden row id. A text that only looks so is planned a little
/// slower, to the same result.
fn mentions_rowid(sql: &str) -> bool {
    sql.as_bytes().windows(ROWID.len()).any(|window| window.eq_ignore_ascii_case(ROWID.as_bytes()))
}

fn prepare(tree: &mut impl VisitMut, has_rowid: Option<HasRowid<'_>>) -> Result<()> {
    let mut preparation =
        Preparation { depth: 0, has_rowid, common: HashSet::new(), renamed: 0, quantified: 0 };
    match tree.visit(&mut preparation) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Preparation<'a> {
    depth: usize,
    has_rowid: Option<HasRowid<'a>>,
    /// The names of WITH queries, which hide tables.
    common: HashSet<String>,
    /// The WITH queries that got a name of their own.
    renamed: usize,
    /// The quantified comparisons that made copies of their subqueries.
    quantified: usize,
}

impl Preparation<'_> {
    fn enter(&mut self) -> ControlFlow<Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            ControlFlow::Break(too_deep())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl VisitorMut for Preparation<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(with) = &mut query.with {
            for table in with.cte_tables.iter_mut().filter(|table| table.alias.columns.is_empty()) {
                mark_twins_of(&mut table.query.body);
            }
            self.common.extend(with.cte_tables.iter().map(|table| normal(&table.alias.name)));
        }
        if let Err(error) = fetch_to_limit(query) {
            return ControlFlow::Break(error);
        }
        query.locks.clear();
        self.enter()
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        if self.depth > 0 {
            name_apart(query, &mut self.renamed);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return ControlFlow::Break(unsupported("SELECT INTO"));
        }
        name_items(&mut select.projection);
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                count_existing(expr);
                rows_of_series(expr);
            }
        }
        if let Some(has_rowid) = self.has_rowid {
            hide_rowids(select, &|name| {
                !(name.len() == 1 && self.common.contains(&name[0])) && has_rowid(name)
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { sample: Some(_), .. } = factor {
            return ControlFlow::Break(unsupported("TABLESAMPLE"));
        }
        name_function_columns(factor);
        mark_file(factor);
        if let TableFactor::Derived { subquery, alias, .. } = factor
            && alias.as_ref().is_none_or(|alias| alias.columns.is_empty())
        {
            mark_twins_of(&mut subquery.body);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        while let Expr::Nested(inner) = expr {
            *expr = mem::replace(inner, Expr::Tuple(Vec::new()));
        }
        if let Err(error) = refuse_chained(expr) {
            return ControlFlow::Break(error);
        }
        if quantify(expr) {
            self.quantified += 1;
            if self.quantified > MOST_QUANTIFIED {
                return ControlFlow::Break(too_deep());
            }
        }
        bind_minus(expr);
        balance(expr);
        self.enter()?;
        match respell(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Returns the error of what is not supported.
pub(super) fn unsupported(what: &str) -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
}

/// Turns `FETCH FIRST n ROWS` into `LIMIT n`.
fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        return Err(unsupported("FETCH with PERCENT or WITH TIES"));
    }
    let count = fetch.quantity.unwrap_or_else(|| number("1"));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = Some(count),
        Some(_) => return Err(Error::new(SqlState::SYNTAX_ERROR, "multiple LIMIT clauses")),
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(count),
                offset: None,
                limit_by: Vec::new(),
            });
        }
    }
    Ok(())
}

fn number(text: &str) -> Expr {
    Expr::value(Value::Number(text.to_owned(), false))
}

/// Names the column of a set-returning function in FROM after its alias or the function.
fn name_function_columns(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: Some(_), .. } = factor else { return };
    let column = match alias {
        Some(alias) => alias.name.clone(),
        None => match name.0.last().and_then(|part| part.as_ident()) {
            Some(last) => last.clone(),
            None => return,
        },
    };
    let definition = TableAliasColumnDef { name: column.clone(), data_type: None };
    match alias {
        Some(alias) if alias.columns.is_empty() => alias.columns.push(definition),
        Some(_) => {}
        None => {
            *alias = Some(TableAlias {
                explicit: true,
                name: column,
                columns: vec![definition],
                at: None,
            });
        }
    }
}

/// Takes hidden row ids out of `*` and `t.*`.
fn hide_rowids(select: &mut Select, has_rowid: HasRowid<'_>) {
    let tables: Vec<(String, bool)> = select
        .from
        .iter()
        .flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        })
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts = parts(name);
                let known = alias.as_ref().map(|alias| normal(&alias.name));
                let shown = known.or_else(|| parts.last().cloned())?;
                Some((shown, has_rowid(&parts)))
            }
            _ => None,
        })
        .collect();
    for item in &mut select.projection {
        match item {
            SelectItem::Wildcard(options) if tables.iter().any(|(_, hidden)| *hidden) => {
                exclude_rowid(options);
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                let last = parts(name).pop();
                if tables.iter().any(|(table, hidden)| *hidden && Some(table) == last.as_ref()) {
                    exclude_rowid(options);
                }
            }
            _ => {}
        }
    }
}

fn exclude_rowid(options: &mut WildcardAdditionalOptions) {
    let name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(ROWID))]);
    options.opt_exclude = Some(ExcludeSelectItem::Single(name));
}

/// Returns the parts of a name as they name things.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(normal).collect()
}

/// Makes a chain of one associative operator a tree of least depth.
fn balance(expr: &mut Expr) {
    let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr else {
        return;
    };
    let op = op.clone();
    let mut terms = Vec::new();
    let mut rest = vec![mem::replace(expr, Expr::Tuple(Vec::new()))];
    while let Some(next) = rest.pop() {
        match next {
            Expr::BinaryOp { left, op: inner, right } if inner == op => {
                rest.push(*right);
                rest.push(*left);
            }
            other => terms.push(other),
        }
    }
    *expr = join(terms, &op);
}

fn join(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    if terms.len() == 1 {
        return terms.swap_remove(0);
    }
    let right = terms.split_off(terms.len() / 2);
    Expr::BinaryOp {
        left: Box::new(join(terms, op)),
        op: op.clone(),
        right: Box::new(join(right, op)),
    }
}

fn mark_twins_of(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => mark_twins(&mut select.projection),
        SetExpr::SetOperation { left, .. } => mark_twins_of(left),
        SetExpr::Query(query) => mark_twins_of(&mut query.body),
        _ => {}
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// Refuses `a < b = c`: comparisons do not associate.
fn refuse_chained(expr: &Expr) -> Result<()> {
    if let Expr::BinaryOp { left, op, .. } = expr
        && is_comparison(op)
        && let Expr::BinaryOp { op: inner, .. } = left.as_ref()
        && is_comparison(inner)
    {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            format!("syntax error at or near \"{op}\""),
        )
        .hint("Put parentheses around one of the comparisons."));
    }
    Ok(())
}

/// Makes `-a ^ b` what it is in PostgreSQL, `(-a) ^ b`; the parser reads `-(a ^ b)`.
fn bind_minus(expr: &mut Expr) {
    let Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } = expr else { return };
    if is_power(inner) {
        let mut power = take(inner);
        negate_base(&mut power);
        *expr = power;
    }
}

fn is_power(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::PGExp | BinaryOperator::BitwiseXor, .. })
}

fn negate_base(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, .. } if is_power(left) => negate_base(left),
        Expr::BinaryOp { left, .. } => {
            let value = Box::new(take(left));
            **left = Expr::UnaryOp { op: UnaryOperator::Minus, expr: value };
        }
        _ => {}
    }
}

/// Puts spellings of PostgreSQL into ones that DataFusion knows.
fn respell(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::AtTimeZone { timestamp, time_zone } => {
            *expr = call("timezone", vec![take(time_zone), take(timestamp)]);
        }
        Expr::Interval(interval)
            if interval.leading_field.is_none() || interval.last_field.is_some() =>
        {
            let value = take(&mut interval.value);
            *expr = cast(value, DataType::Interval { fields: None, precision: None });
        }
        Expr::Collate { expr: inner, collation } => {
            let name = parts(collation).pop().unwrap_or_default();
            if !matches!(name.as_str(), "C" | "c" | "default" | "POSIX") {
                return Err(unsupported(&format!("collation \"{name}\"")));
            }
            *expr = take(inner);
        }
        Expr::SimilarTo { negated, expr: value, pattern, escape_char } => {
            let mut arguments = vec![take(pattern)];
            arguments.extend(escape_char.take().map(Expr::Value));
            let op = if *negated {
                BinaryOperator::PGRegexNotMatch
            } else {
                BinaryOperator::PGRegexMatch
            };
            *expr = Expr::BinaryOp {
                left: Box::new(take(value)),
                op,
                right: Box::new(call("similar_to_escape", arguments)),
            };
        }
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escape_by_backslash(pattern, escape_char)?;
        }
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
            *expr = complement(take(inner));
        }
        Expr::UnaryOp { op, expr: inner } => {
            let name = match op {
                UnaryOperator::PGAbs => "abs",
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                _ => return Ok(()),
            };
            *expr = call(name, vec![take(inner)]);
        }
        Expr::Value(value) => {
            if let Value::Number(digits, _) = &value.value
                && let Some(plain) = without_exponent(digits)
            {
                *expr = plain;
            }
        }
        Expr::Function(function) => unqualify(function),
        Expr::Subquery(query) => return refuse_writes(&query.body),
        _ => {}
    }
    Ok(())
}

/// Returns `~value`, which is `-1 - value`.
fn complement(value: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(number("-1")),
        op: BinaryOperator::Minus,
        right: Box::new(value),
    }
}

/// Makes the backslash the escape character of a LIKE pattern.
fn escape_by_backslash(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) -> Result<()> {
    let character = match escape.as_ref().map(|escape| &escape.value) {
        None => Some('\\'),
        Some(Value::SingleQuotedString(written)) => {
            let mut characters = written.chars();
            let (character, None) = (characters.next(), characters.next()) else {
                return Err(invalid_escape("invalid escape string")
                    .hint("Escape string must be empty or one character."));
            };
            character
        }
        Some(_) => return Ok(()),
    };
    let mut inner = &mut *pattern;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let text = match inner {
        Expr::Value(value) => match &mut value.value {
            Value::SingleQuotedString(text) => text,
            _ => return Ok(()),
        },
        _ if character == Some('\\') => {
            *escape = None;
            return Ok(());
        }
        _ => return Err(unsupported("LIKE with ESCAPE and a pattern that is no literal")),
    };
    *text = escaped_by_backslash(text, character)?;
    *escape = None;
    Ok(())
}

/// Returns a LIKE pattern with the backslash in place of its escape character.
fn escaped_by_backslash(pattern: &str, character: Option<char>) -> Result<String> {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(each) = rest.next() {
        if Some(each) == character {
            let escaped = rest
                .next()
                .ok_or_else(|| invalid_escape("LIKE pattern must not end with escape character"))?;
            translated.push('\\');
            translated.push(escaped);
        } else {
            if each == '\\' {
                translated.push('\\');
            }
            translated.push(each);
        }
    }
    Ok(translated)
}

fn invalid_escape(message: &str) -> Error {
    Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, message)
}

/// Returns a number written with an exponent as one without, or as a floating point number if that
/// would have more digits than a decimal.
fn without_exponent(text: &str) -> Option<Expr> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let mut digits = mantissa.replace(['.', '_'], "");
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let place = exponent.parse::<i64>().ok()?.checked_add(i64::try_from(point).ok()?)?;
    if !(-38..=38).contains(&place) || digits.len() > 38 {
        let text = Expr::value(Value::SingleQuotedString(text.to_owned()));
        return Some(cast(text, DataType::Float8));
    }
    let place = usize::try_from(place).unwrap_or_else(|_| {
        digits.insert_str(0, &"0".repeat(usize::try_from(-place).unwrap_or_default()));
        0
    });
    while digits.len() < place {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at(place);
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(number(&format!("{whole}{point}{fraction}")))
}

fn refuse_writes(body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(unsupported("a statement that writes inside a query"))
        }
        _ => Ok(()),
    }
}

/// Turns `generate_series(...)` in a select list into its rows; DataFusion makes an array of them.
fn rows_of_series(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if parts(&function.name).last().is_some_and(|name| name == "generate_series") {
        *expr = call("unnest", vec![take(expr)]);
    }
}

/// Takes `pg_catalog.` off a function's name.
fn unqualify(function: &mut Function) {
    let catalog = function.name.0.first().and_then(|part| part.as_ident());
    if function.name.0.len() == 2 && catalog.is_some_and(|ident| normal(ident) == "pg_catalog") {
        function.name.0.remove(0);
    }
}

fn take(expr: &mut Expr) -> Expr {
    mem::replace(expr, Expr::Tuple(Vec::new()))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(sql: &str) -> Result<String> {
        let table = |name: &[String]| name.last().is_some_and(|last| last == "t");
        parse_query(Origin { sql, offset: 0 }, &table).map(|ready| ready.statement.to_string())
    }

    fn check(sql: &str, expected: &str) {
        assert_eq!(prepared(sql).unwrap(), expected);
    }

    #[test]
    fn names_every_column_and_tells_twins_apart() {
        check(
            "SELECT a, 1, 1 FROM t",
            "SELECT a, 1 AS \"?column?\", 1 AS \"?column?\u{1}2\" FROM t",
        );
        check("SELECT a, a FROM t", "SELECT a, a AS \"a\u{1}1\" FROM t");
    }

    #[test]
    fn keeps_hidden_row_ids_out_of_wildcards() {
        check("SELECT *, rowid FROM t", "SELECT * EXCLUDE rowid, rowid AS \"rowid\u{1}1\" FROM t");
        check(
            "SELECT x.* FROM t AS x WHERE rowid > 1",
            "SELECT x.* EXCLUDE rowid FROM t AS x WHERE rowid > 1",
        );
        check("SELECT * FROM u WHERE rowid > 1", "SELECT * FROM u WHERE rowid > 1");
        check("SELECT * FROM t", "SELECT * FROM t");
    }

    #[test]
    fn refuses_statements_that_are_no_query() {
        assert_eq!(prepared("DELETE FROM t").unwrap_err().code(), SqlState::FEATURE_NOT_SUPPORTED);
        assert_eq!(prepared("SELECT 1; SELECT 2").unwrap_err().code(), SqlState::SYNTAX_ERROR);
        assert_eq!(
            prepared("SELECT 1 INTO x").unwrap_err().code(),
            SqlState::FEATURE_NOT_SUPPORTED
        );
    }

    #[test]
    fn names_the_column_of_a_table_function() {
        check(
            "SELECT g FROM generate_series(1, 3) AS g",
            "SELECT g FROM generate_series(1, 3) AS g (g)",
        );
    }
}
