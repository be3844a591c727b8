//! PostgreSQL's dialect of sqlparser, but bounded in time.
//!
//! sqlparser goes back and reads text a second time where a form does not fit, which doubles the time
//! with each level of nesting. PostgreSQL's dialect does so for each argument of a function; here that
//! switch is off. For all other forms the attempts to read an operand are counted and limited.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// The dialect for one text.
#[derive(Debug)]
pub(super) struct BoundedDialect {
    /// The operands that may still be tried.
    left: Cell<usize>,
}

impl BoundedDialect {
    /// Returns the dialect for reading `text`.
    pub(super) fn new(text: &str) -> Self {
        Self { left: Cell::new(20_000 + 16 * text.len()) }
    }
}

impl BoundedDialect {
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

/// Forwards switches to PostgreSQL's dialect.
macro_rules! forward {
    ($($switch:ident)+) => {
        $(fn $switch(&self) -> bool {
            BASE.$switch()
        })+
    };
}

impl Dialect for BoundedDialect {
    fn dialect(&self) -> TypeId {
        BASE.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        BASE.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        BASE.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        BASE.is_identifier_part(c)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        BASE.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, c: char) -> bool {
        BASE.is_custom_operator_part(c)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        BASE.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        // sqlparser passes this error on instead of trying another form.
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
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

    forward! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        allow_extract_custom
        allow_extract_single_quotes
        supports_factorial_operator
        supports_bitwise_shift_operators
        supports_named_fn_args_with_colon_operator
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
