//! Expressions: checked by sqlparser, with the columns and functions they name.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{self as sql, Visit, Visitor};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::ast::{Expr, Ident};
use super::error::{Locator, sqlparser_error, syntax_error};
use super::scan::Scanned;
use super::sql_dialect::SqlDialect;
use super::tables::{fold, is_reserved};
use crate::error::{Result, Span};

/// How deep sqlparser may recurse; its default.
const MOST_RECURSION: usize = 50;

/// Reads all of `text` as an expression.
fn read_expr(text: &str) -> Result<sql::Expr, ParserError> {
    let dialect = SqlDialect::new(text);
    let mut parser = parser(&dialect, text)?;
    let expr = parser.parse_expr()?;
    expect_end(&parser).map(|()| expr)
}

/// Reads all of `text` as a query.
pub(super) fn read_query(text: &str) -> Result<Box<sql::Query>, ParserError> {
    let dialect = SqlDialect::new(text);
    let mut parser = parser(&dialect, text)?;
    let query = parser.parse_query()?;
    expect_end(&parser).map(|()| query)
}

fn parser<'d>(dialect: &'d SqlDialect, text: &str) -> Result<Parser<'d>, ParserError> {
    Parser::new(dialect).with_recursion_limit(MOST_RECURSION).try_with_sql(text)
}

fn expect_end(parser: &Parser<'_>) -> Result<(), ParserError> {
    match parser.peek_token_ref() {
        token if token.token == Token::EOF => Ok(()),
        token => parser.expected_ref("end of statement", token),
    }
}

/// Parses the expression in this range of the statement.
pub(super) fn parse_expr(scanned: &Scanned<'_>, range: Range<usize>) -> Result<Expr> {
    let text = &scanned.clean[range.clone()];
    let parsed = read_expr(text)
        .map_err(|error| sqlparser_error(scanned, &error, text, &|at| range.start + at))?;
    let locator = Locator::new(text);
    let start = range.start;
    if let ControlFlow::Break(span) = sql::visit_expressions(&parsed, reserved) {
        return Err(syntax_error(scanned, start + locator.span(span).start, "an expression"));
    }
    let locate = |span| locator.span(span).shifted(start);
    Ok(describe(&parsed, normalise(scanned, range.clone()), range, &locate))
}

/// Stops at a column whose name is a reserved word.
fn reserved(expr: &sql::Expr) -> ControlFlow<sqlparser::tokenizer::Span> {
    match expr {
        sql::Expr::Identifier(ident) if is_reserved(ident) => ControlFlow::Break(ident.span),
        _ => ControlFlow::Continue(()),
    }
}

/// Returns what the tree needs to know of an expression.
///
/// `written` is its text as written, but with single blanks; `locate` gives places in the
/// statement.
pub(super) fn describe(
    expr: &sql::Expr,
    written: String,
    range: Range<usize>,
    locate: &dyn Fn(sqlparser::tokenizer::Span) -> Span,
) -> Expr {
    let span = Span::new(range.start, range.end);
    if let sql::Expr::Value(value) = expr
        && let Some(text) = print_literal(&value.value)
    {
        return Expr {
            text,
            span,
            columns: vec![],
            functions: vec![],
            sequences: vec![],
            has_subquery: false,
        };
    }
    let mut names = Names::default();
    let _ = expr.visit(&mut names);
    let located = |names: Vec<(String, sqlparser::tokenizer::Span)>| {
        names.into_iter().map(|(value, span)| Ident { value, span: locate(span) }).collect()
    };
    Expr {
        text: print(expr).unwrap_or(written),
        span,
        columns: located(names.columns),
        functions: names.functions,
        sequences: located(names.sequences),
        has_subquery: names.has_subquery,
    }
}

/// Returns a literal of the common kinds, which need not be read again. Strings are ours to print:
/// sqlparser leaves a quote alone that stands behind a backslash or before another quote.
fn print_literal(value: &sql::Value) -> Option<String> {
    match value {
        sql::Value::SingleQuotedString(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        sql::Value::Number(..) | sql::Value::Boolean(_) | sql::Value::Null => {
            Some(value.to_string())
        }
        _ => None,
    }
}

/// Returns the expression as sqlparser prints it, unless that would be read as another one: it
/// prints `- -1` as `--1`, which is a comment.
fn print(expr: &sql::Expr) -> Option<String> {
    let text = expr.to_string();
    let same = read_expr(&text).is_ok_and(|again| again == *expr);
    (same && !text.contains("--") && !text.contains('\n')).then_some(text)
}

/// Returns the tokens in this range of the statement with at most one blank between them.
pub(super) fn normalise(scanned: &Scanned<'_>, range: Range<usize>) -> String {
    let mut out = String::new();
    let mut end = range.start;
    for token in &scanned.tokens[scanned.index_at(range.start)..] {
        if token.start >= range.end {
            break;
        }
        if token.start > end && !out.is_empty() {
            out.push(' ');
        }
        out.push_str(token.text(scanned.text));
        end = token.end;
    }
    out
}

/// The names in an expression, each once, in the order of their appearance.
#[derive(Default)]
struct Names {
    columns: Vec<(String, sqlparser::tokenizer::Span)>,
    functions: Vec<String>,
    sequences: Vec<(String, sqlparser::tokenizer::Span)>,
    has_subquery: bool,
}

impl Names {
    fn function(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.functions.contains(&name) {
            self.functions.push(name);
        }
    }
}

/// Returns the text that names the sequence of a call of `nextval` and the like.
fn sequence_of(function: &sql::Function) -> Option<(String, sqlparser::tokenizer::Span)> {
    let name = function.name.0.last()?.as_ident()?.value.to_ascii_lowercase();
    if !["nextval", "currval", "setval"].contains(&name.as_str()) {
        return None;
    }
    let sql::FunctionArguments::List(list) = &function.args else { return None };
    let sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(first)) = list.args.first()? else {
        return None;
    };
    let mut first = first;
    // `'s'::regclass`
    while let sql::Expr::Cast { expr, .. } | sql::Expr::Nested(expr) = first {
        first = expr;
    }
    match first {
        sql::Expr::Value(value) => match &value.value {
            sql::Value::SingleQuotedString(text) => Some((text.clone(), value.span)),
            _ => None,
        },
        _ => None,
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &sql::Query) -> ControlFlow<()> {
        self.has_subquery = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &sql::Expr) -> ControlFlow<()> {
        let ident = match expr {
            sql::Expr::Identifier(ident) => Some(ident),
            sql::Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        if let Some(ident) = ident {
            let name = fold(ident);
            if !self.columns.iter().any(|(known, _)| *known == name) {
                self.columns.push((name, ident.span));
            }
        }
        match expr {
            sql::Expr::Function(function) => {
                let parts = function.name.0.iter().filter_map(|part| part.as_ident());
                let parts: Vec<&str> = parts.map(|ident| ident.value.as_str()).collect();
                self.function(&parts.join("."));
                self.sequences.extend(sequence_of(function));
            }
            sql::Expr::Extract { .. } => self.function("extract"),
            sql::Expr::Ceil { .. } => self.function("ceil"),
            sql::Expr::Floor { .. } => self.function("floor"),
            sql::Expr::Position { .. } => self.function("position"),
            sql::Expr::Substring { .. } => self.function("substring"),
            sql::Expr::Trim { .. } => self.function("trim"),
            sql::Expr::Overlay { .. } => self.function("overlay"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::parse_expr;

    fn check(text: &str, printed: &str, columns: &str, functions: &str) {
        let expr = parse_expr(text).unwrap();
        let names: Vec<&str> = expr.columns.iter().map(|column| column.value.as_str()).collect();
        assert_eq!(
            (expr.text.as_str(), names.join(" ").as_str(), expr.functions.join(" ").as_str()),
            (printed, columns, functions),
            "{text}"
        );
        let again = parse_expr(&expr.text).unwrap();
        assert_eq!(again.text, expr.text, "{text}");
    }

    fn same(text: &str) {
        let expr = parse_expr(text).unwrap();
        assert_eq!(expr.text, text);
        assert_eq!(parse_expr(&expr.text).unwrap().text, text);
    }

    #[test]
    fn names_columns_and_functions_once() {
        check(
            "Lower( A )||'b' || t.c  ||a || \"D\"",
            "Lower(A) || 'b' || t.c || a || \"D\"",
            "a c D",
            "lower",
        );
        check(
            "now() > current_timestamp",
            "now() > current_timestamp",
            "",
            "now current_timestamp",
        );
        check("extract(year FROM d)", "EXTRACT(YEAR FROM d)", "d", "extract");
        let expr = parse_expr("x > \u{e4} AND y IN (SELECT 1)").unwrap();
        assert_eq!(expr.columns[1].span, Span::new(4, 6));
        assert_eq!(expr.columns[2].span, Span::new(11, 12));
        assert!(expr.has_subquery);
    }

    #[test]
    fn prints_what_it_read() {
        for text in [
            "a -> 'b' ->> 'c'",
            "a ~ 'x' AND b !~* 'y'",
            "a ILIKE '%x'",
            "a IS DISTINCT FROM b",
            "DATE '2020-01-01'",
            "TIMESTAMP '2020-01-01 00:00:00'",
            "INTERVAL '1 day'",
            "ARRAY[1, 2]",
            "x::STRING",
            "x::INT8",
            "x::BYTES",
            "x::INT[]",
            "x::TIMESTAMPTZ",
            "x::DECIMAL(10,2)",
            "CAST(x AS STRING)",
            "'x' COLLATE en",
            "CASE WHEN a THEN 1 ELSE 2 END",
            "a BETWEEN 1 AND 2",
            "a IN (1, 2)",
            "NOT a",
            "-1",
            "(1, 2)",
            "a[1]",
            "x AT TIME ZONE 'UTC'",
            "coalesce(a, DEFAULT)",
            "count(*)",
            "U&'\\00E4'",
            "X'0f'",
            "'it''s'",
            "$$it's$$",
        ] {
            same(text);
        }
    }

    #[test]
    fn keeps_the_text_where_printing_would_change_it() {
        check("- -1", "- -1", "", "");
        check("-  /* c */ -  a", "- - a", "a", "");
        check(r"'a''''b' ||  x", r"'a''''b' || x", "x", "");
        check(r"'it\''s' ||  x", r"'it\''s' || x", "x", "");
    }

    #[test]
    fn prints_literals_that_mean_the_same() {
        let strings = [r"'a''''b'", r"'it\''s'", r"'\'", "''''", "'a\nb'", "$$it's$$"];
        for text in strings.into_iter().chain(["12", "true", "null"]) {
            let expr = parse_expr(text).unwrap();
            assert_eq!(read_expr(text).unwrap(), read_expr(&expr.text).unwrap(), "{text}");
        }
    }

    #[test]
    fn prints_escapes_that_mean_the_same() {
        for text in [r"e'\t'", r"e'a\\b\'c\n'", r"e'\x41' || e'\u00e4'"] {
            let expr = parse_expr(text).unwrap();
            let again = parse_expr(&expr.text).unwrap();
            let tree = |text: &str| read_expr(text).unwrap();
            assert_eq!(tree(text), tree(&again.text), "{text}");
        }
    }
}
