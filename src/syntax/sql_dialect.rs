//! The dialect in which sqlparser reads expressions and queries: PostgreSQL's, but bounded in time.
//!
//! sqlparser tries a form and, if it does not fit, reads the same text in another way. Nested, that
//! doubles the time with each level. So one switch differs, by which PostgreSQL's own dialect reads
//! each argument of a function twice, and the dialect counts operands: a text that takes far more
//! attempts than it has tokens is refused as one that nests too deeply.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// How many operands may be tried in any text, and how many more per byte of it.
const ATTEMPTS: (usize, usize) = (20_000, 16);

/// PostgreSQL's dialect for the reading of one text.
#[derive(Debug)]
pub(super) struct SqlDialect {
    /// How many more operands may be tried.
    attempts: Cell<usize>,
}

impl SqlDialect {
    /// Returns the dialect for reading `text`.
    pub(super) fn new(text: &str) -> Self {
        let (base, per_byte) = ATTEMPTS;
        Self { attempts: Cell::new(base + per_byte * text.len()) }
    }
}

impl SqlDialect {
    /// Reads the bounds of `expr BETWEEN SYMMETRIC`.
    fn symmetric(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        negated: bool,
    ) -> Result<Expr, ParserError> {
        let low = parser.parse_subexpr(self.prec_value(Precedence::Between))?;
        parser.expect_keyword(Keyword::AND)?;
        let high = parser.parse_subexpr(self.prec_value(Precedence::Between))?;
        let between = |low: &Expr, high: &Expr| {
            Box::new(Expr::Between {
                expr: Box::new(expr.clone()),
                negated,
                low: Box::new(low.clone()),
                high: Box::new(high.clone()),
            })
        };
        Ok(Expr::Nested(Box::new(Expr::BinaryOp {
            left: between(&low, &high),
            op: if negated { BinaryOperator::And } else { BinaryOperator::Or },
            right: between(&high, &low),
        })))
    }
}

macro_rules! as_in_postgres {
    ($($switch:ident)+) => {
        $(fn $switch(&self) -> bool {
            POSTGRES.$switch()
        })+
    };
}

impl Dialect for SqlDialect {
    fn dialect(&self) -> TypeId {
        POSTGRES.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        POSTGRES.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        POSTGRES.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        POSTGRES.is_identifier_part(c)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        // Text that starts with one of these is no name, whatever is wrong with what follows; else
        // sqlparser would report the error of reading `CASE` in `CASE WHEN a` as a column.
        POSTGRES.is_reserved_for_identifier(keyword)
            || matches!(keyword, Keyword::CASE | Keyword::CAST | Keyword::NOT | Keyword::ARRAY)
    }

    fn is_custom_operator_part(&self, c: char) -> bool {
        POSTGRES.is_custom_operator_part(c)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.attempts.get().checked_sub(1) {
            Some(left) => {
                self.attempts.set(left);
                None
            }
            // The one error that sqlparser passes on in place of trying another form.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    /// Reads `BETWEEN SYMMETRIC`, which takes its bounds in any order.
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let negated = parser.peek_keyword(Keyword::NOT);
        let words = [Keyword::NOT, Keyword::BETWEEN, Keyword::SYMMETRIC];
        if !parser.parse_keywords(&words[usize::from(!negated)..]) {
            return None;
        }
        Some(self.symmetric(parser, expr, negated))
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    as_in_postgres! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        allow_extract_custom
        allow_extract_single_quotes
        supports_factorial_operator
        supports_bitwise_shift_operators
        supports_named_fn_args_with_colon_operator
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_numeric_literal_underscores
        supports_array_typedef_with_brackets
        supports_geometric_types
        supports_notnull_operator
        supports_interval_options
        supports_select_wildcard_with_alias
        supports_comma_separated_trim
        supports_xml_expressions
    }
}
