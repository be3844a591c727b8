//! What an operator means for the types at its sides, as PostgreSQL decides it.
//!
//! A string literal takes the type of the other side. UUID, INET and JSONB compare in their canonical
//! text. Intervals compare by their length. Types that have nothing in common are refused (42883)
//! instead of being compared as text.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result as QueryResult, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Cast, FieldMetadata};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::cast::{cast_to, fold_cast};
use super::checked::{Op, arithmetic, compute, known_type, result_type, typed_arithmetic};
use super::error::{external, no_operator};
use super::function::{aggregate, bytes, json, math, order, part};
use super::set_operation::{common_type, needs_cast};
use super::sql_types::{cast_target, marked, sql_type_of_field, target_of_cast, title_of_field};
use super::{analyze, decimal};
use crate::error::{Error, Result, SqlState};
use crate::types::{self, SqlType};

/// Plans operators while SQL becomes a plan, where the types of both sides are known.
#[derive(Debug)]
pub(super) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> QueryResult<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        let Some(known) = planned(&op) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        let left = analyze::adapt_expr(left, schema)?;
        let right = analyze::adapt_expr(right, schema)?;
        let original = |left, right| Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        let planned = match known {
            Planned::Arithmetic(Op::Subtract) if removes(&left, &right, schema)? => {
                json::call("json_remove", vec![left, right])
            }
            Planned::Arithmetic(op) => plan_arithmetic(op, left, right, schema)?,
            Planned::Comparison(op) => plan_comparison(op, left, right, schema)?,
            Planned::Power => math::power(left, right),
            Planned::Concat if is_bytes(&left, schema)? || is_bytes(&right, schema)? => {
                bytes::concat(left, right)
            }
            Planned::Concat if is_document(&left, &right, schema)? => {
                json::call("json_concat", vec![left, right])
            }
            Planned::Concat => {
                let (left, right) = plan_concat(left, right, schema)?;
                return original(left, right);
            }
            Planned::Json(name) => json::call(name, vec![left, right]),
            Planned::Overlap => {
                let (left, right) = arrays(left, right, schema)?;
                datafusion::functions_nested::expr_fn::array_has_any(left, right)
            }
            Planned::Contains | Planned::Contained => {
                let json = sql_type_of_field(field_of(&left, schema)?.as_ref())
                    == Some(SqlType::Jsonb)
                    || sql_type_of_field(field_of(&right, schema)?.as_ref())
                        == Some(SqlType::Jsonb);
                match (json, known) {
                    (false, _) => {
                        let (left, right) = arrays(left, right, schema)?;
                        return original(left, right);
                    }
                    (true, Planned::Contained) => json::call("json_contains", vec![right, left]),
                    (true, _) => json::call("json_contains", vec![left, right]),
                }
            }
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> QueryResult<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(part::extract(args)))
    }

    fn plan_substring(&self, args: Vec<Expr>) -> QueryResult<PlannerResult<Vec<Expr>>> {
        Ok(match bytes::scalar("substr") {
            Some(function) => PlannerResult::Planned(function.call(args)),
            None => PlannerResult::Original(args),
        })
    }

    fn plan_window(&self, raw: RawWindowExpr) -> QueryResult<PlannerResult<RawWindowExpr>> {
        Ok(aggregate::plan_window(raw))
    }

    fn plan_aggregate(
        &self,
        raw: RawAggregateExpr,
    ) -> QueryResult<PlannerResult<RawAggregateExpr>> {
        if raw.func.name() == "count" && raw.args.len() > 1 {
            return Err(external(Error::new(
                SqlState::UNDEFINED_FUNCTION,
                "function count takes one argument",
            )));
        }
        Ok(aggregate::plan(raw))
    }
}

/// What the planner does with an operator.
#[derive(Clone, Copy)]
enum Planned {
    Arithmetic(Op),
    Comparison(Operator),
    Power,
    Concat,
    Json(&'static str),
    Contains,
    Contained,
    Overlap,
}

/// Returns how an operator is planned, if not by DataFusion.
fn planned(op: &BinaryOperator) -> Option<Planned> {
    Some(match op {
        BinaryOperator::Plus => Planned::Arithmetic(Op::Add),
        BinaryOperator::Minus => Planned::Arithmetic(Op::Subtract),
        BinaryOperator::Multiply => Planned::Arithmetic(Op::Multiply),
        BinaryOperator::Divide => Planned::Arithmetic(Op::Divide),
        BinaryOperator::Modulo => Planned::Arithmetic(Op::Modulo),
        BinaryOperator::Eq => Planned::Comparison(Operator::Eq),
        BinaryOperator::NotEq => Planned::Comparison(Operator::NotEq),
        BinaryOperator::Lt => Planned::Comparison(Operator::Lt),
        BinaryOperator::LtEq => Planned::Comparison(Operator::LtEq),
        BinaryOperator::Gt => Planned::Comparison(Operator::Gt),
        BinaryOperator::GtEq => Planned::Comparison(Operator::GtEq),
        BinaryOperator::StringConcat => Planned::Concat,
        BinaryOperator::PGExp | BinaryOperator::BitwiseXor if is_power(op) => Planned::Power,
        BinaryOperator::Arrow => Planned::Json("json_get"),
        BinaryOperator::LongArrow => Planned::Json("json_get_text"),
        BinaryOperator::HashArrow => Planned::Json("json_get_path"),
        BinaryOperator::HashLongArrow => Planned::Json("json_get_path_text"),
        BinaryOperator::Question => Planned::Json("json_has"),
        BinaryOperator::AtArrow => Planned::Contains,
        BinaryOperator::ArrowAt => Planned::Contained,
        BinaryOperator::PGOverlap => Planned::Overlap,
        _ => return None,
    })
}

/// `^` is power; the parser names it by the dialect.
fn is_power(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::PGExp | BinaryOperator::BitwiseXor)
}

/// Plans `left op right` of numbers, dates and intervals.
pub(super) fn plan_arithmetic(
    op: Op,
    left: Expr,
    right: Expr,
    schema: &DFSchema,
) -> QueryResult<Expr> {
    let (left, right) = (plain_number(left), plain_number(right));
    let left_field = field_of(&left, schema)?;
    let right_field = field_of(&right, schema)?;
    let left = operand(op, left, &right_field)?;
    let right = operand(op, right, &left_field)?;
    let (left_type, right_type) = (type_of(&left, schema)?, type_of(&right, schema)?);
    let left = exact_literal(left, &right_type);
    let right = exact_literal(right, &left_type);
    let known = result_type(op, &type_of(&left, schema)?, &type_of(&right, schema)?);
    if known.is_none()
        || sql_type_of_field(&left_field).is_some_and(|left| is_text(&left)) && !is_unknown(&left)
    {
        return Err(external(no_operator(&format!(
            "{} {} {}",
            title_of_field(&left_field),
            op.sign(),
            title_of_field(&right_field)
        ))));
    }
    Ok(match known {
        Some(known) if known.is_temporal() => moment(op, left, right, known),
        Some(known) => typed_arithmetic(op, left, right, known),
        None => arithmetic(op, left, right),
    })
}

/// Computes `date '2020-01-01' - interval '90 days'` at once, so that a comparison with it can skip
/// segments. What fails is left to fail when the query runs.
fn moment(op: Op, left: Expr, right: Expr, known: DataType) -> Expr {
    if let (Some(left), Some(right)) = (constant(&left), constant(&right))
        && let Ok(ColumnarValue::Scalar(value)) = compute(op, &left, &right, &known)
    {
        return Expr::Literal(value, None);
    }
    typed_arithmetic(op, left, right, known)
}

/// Returns the value of a literal.
fn constant(expr: &Expr) -> Option<ColumnarValue> {
    match expr {
        Expr::Literal(value, None) => Some(ColumnarValue::Scalar(value.clone())),
        Expr::Cast(cast) => {
            let target = target_of_cast(&cast.field)?;
            match fold_cast((*cast.expr).clone(), &target).ok()? {
                Expr::Literal(value, _) => Some(ColumnarValue::Scalar(value)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns a timestamp literal at midnight as a date, beside a date.
fn day_of(expr: Expr) -> Expr {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    match &expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), None), _)
            if micros % MICROS_PER_DAY == 0 =>
        {
            match i32::try_from(micros / MICROS_PER_DAY) {
                Ok(day) => Expr::Literal(ScalarValue::Date32(Some(day)), None),
                Err(_) => expr,
            }
        }
        _ => expr,
    }
}

/// Returns the field of an expression.
pub(super) fn field_of(expr: &Expr, schema: &DFSchema) -> QueryResult<FieldRef> {
    match known_type(expr) {
        Some(known) => Ok(Arc::new(Field::new("", known.clone(), true))),
        None => Ok(expr.to_field(schema)?.1),
    }
}

/// Returns the type of an expression.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> QueryResult<DataType> {
    match known_type(expr) {
        Some(known) => Ok(known.clone()),
        None => expr.get_type(schema),
    }
}

fn is_bytes(expr: &Expr, schema: &DFSchema) -> QueryResult<bool> {
    Ok(sql_type_of_field(field_of(expr, schema)?.as_ref()) == Some(SqlType::Bytes))
}

/// Returns whether the sides of `||` are JSONB, or one is and the other may become it.
/// Returns whether `left - right` takes a member out of a document.
fn removes(left: &Expr, right: &Expr, schema: &DFSchema) -> QueryResult<bool> {
    let is = |expr: &Expr, wanted: fn(&SqlType) -> bool| -> QueryResult<bool> {
        Ok(sql_type_of_field(field_of(expr, schema)?.as_ref()).is_some_and(|own| wanted(&own)))
    };
    Ok(is(left, |own| *own == SqlType::Jsonb)? && is(right, is_text)?)
}

fn is_document(left: &Expr, right: &Expr, schema: &DFSchema) -> QueryResult<bool> {
    let json = |expr: &Expr| -> QueryResult<bool> {
        Ok(sql_type_of_field(field_of(expr, schema)?.as_ref()) == Some(SqlType::Jsonb))
    };
    let (left_json, right_json) = (json(left)?, json(right)?);
    Ok(match (left_json, right_json) {
        (true, true) => true,
        (true, false) => is_unknown(right),
        (false, true) => is_unknown(left),
        (false, false) => false,
    })
}

/// Gives string literals beside an array its type.
fn arrays(left: Expr, right: Expr, schema: &DFSchema) -> QueryResult<(Expr, Expr)> {
    let left_type = sql_type_of_field(field_of(&left, schema)?.as_ref());
    let right_type = sql_type_of_field(field_of(&right, schema)?.as_ref());
    Ok(match (left_type, right_type) {
        (Some(known @ SqlType::Array(_)), _) if is_unknown(&right) => {
            (left, literal_as(right, &known)?)
        }
        (_, Some(known @ SqlType::Array(_))) if is_unknown(&left) => {
            (literal_as(left, &known)?, right)
        }
        _ => (left, right),
    })
}

fn is_text(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::String { .. } | SqlType::Uuid | SqlType::Inet | SqlType::Jsonb)
}

/// Gives a string literal in arithmetic the type that the other side asks for.
fn operand(op: Op, expr: Expr, other: &Field) -> QueryResult<Expr> {
    if !is_unknown(&expr) {
        return Ok(expr);
    }
    let Some(other) = sql_type_of_field(other) else { return Ok(expr) };
    let target = match (&other, op) {
        (SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz | SqlType::Time, Op::Add) => {
            SqlType::Interval
        }
        (
            SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz | SqlType::Time,
            Op::Subtract,
        ) => {
            return first_that_parses(expr, &[other, SqlType::Interval]);
        }
        (SqlType::Interval, Op::Multiply | Op::Divide) => SqlType::Float8,
        (other, _) if is_text(other) => return Ok(expr),
        (other, _) => other.clone(),
    };
    literal_as(expr, &target)
}

fn first_that_parses(expr: Expr, types: &[SqlType]) -> QueryResult<Expr> {
    let Some((last, rest)) = types.split_last() else { return Ok(expr) };
    for sql_type in rest {
        if let Ok(found) = literal_as(expr.clone(), sql_type) {
            return Ok(found);
        }
    }
    literal_as(expr, last)
}

/// Returns an integer literal as a decimal of just its digits, beside a decimal.
fn exact_literal(expr: Expr, other: &DataType) -> Expr {
    match &expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), None)
            if other.is_decimal() && decimal::shape(other).is_some() =>
        {
            let digits = value.unsigned_abs().max(1).ilog10() + 1;
            let precision = u8::try_from(digits).unwrap_or(19);
            Expr::Literal(ScalarValue::Decimal128(Some((*value).into()), precision, 0), None)
        }
        _ => expr,
    }
}

/// Returns a literal that DataFusion made unsigned, because it is beyond INT8, as a decimal.
pub(super) fn plain_number(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::UInt64(Some(value)), None) => {
            Expr::Literal(ScalarValue::Decimal128(Some(value.into()), 20, 0), None)
        }
        other => other,
    }
}

/// Returns whether an expression is a string literal, whose type its surroundings decide.
pub(super) fn is_unknown(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Literal(
            ScalarValue::Utf8(Some(_))
                | ScalarValue::LargeUtf8(Some(_))
                | ScalarValue::Utf8View(Some(_)),
            None
        )
    )
}

/// Returns a string literal as a literal of another type.
pub(super) fn literal_as(expr: Expr, target: &SqlType) -> QueryResult<Expr> {
    match (&expr, target) {
        (_, SqlType::String { .. }) => Ok(expr),
        (Expr::Literal(ScalarValue::Utf8(Some(text)), None), SqlType::Decimal(_)) => {
            match decimal_literal(text) {
                Some(value) => Ok(Expr::Literal(value, None)),
                None => fold_cast(expr, target),
            }
        }
        _ => fold_cast(expr, target),
    }
}

/// Returns the decimal that a plain number spells, in just its precision and scale.
fn decimal_literal(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let digits = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let count = whole.len() + fraction.len();
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if count == 0 || count > 38 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let value = if text.starts_with('-') { -value } else { value };
    let scale = i8::try_from(fraction.len()).ok()?;
    Some(ScalarValue::Decimal128(Some(value), u8::try_from(count).ok()?, scale))
}

/// Plans a comparison.
pub(super) fn plan_comparison(
    op: Operator,
    left: Expr,
    right: Expr,
    schema: &DFSchema,
) -> QueryResult<Expr> {
    let shown = op.to_string();
    let (left, right) = comparable(left, right, &shown, schema)?;
    Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
}

/// Returns two expressions in a form in which DataFusion compares them as PostgreSQL would.
pub(super) fn comparable(
    left: Expr,
    right: Expr,
    shown: &str,
    schema: &DFSchema,
) -> QueryResult<(Expr, Expr)> {
    let (left, right) = (plain_number(left), plain_number(right));
    let left_field = field_of(&left, schema)?;
    let right_field = field_of(&right, schema)?;
    let (Some(left_type), Some(right_type)) =
        (sql_type_of_field(&left_field), sql_type_of_field(&right_field))
    else {
        return Ok((left, right));
    };
    let (left, left_type) = adopt(left, left_type, &right_type, is_unknown(&right))?;
    let (right, right_type) = adopt(right, right_type, &left_type, false)?;
    if !comparable_types(&left_type, &right_type) {
        return Err(external(no_operator(&format!(
            "{} {shown} {}",
            title_of_field(&left_field),
            title_of_field(&right_field)
        ))));
    }
    let (left, right) = match (&left_type, &right_type) {
        (SqlType::Date, SqlType::Timestamp) => (left, day_of(right)),
        (SqlType::Timestamp, SqlType::Date) => (day_of(left), right),
        _ => (left, right),
    };
    Ok(match (&left_type, &right_type) {
        (left_type, right_type) if is_moment(left_type) && is_moment(right_type) => {
            let (left_field, right_field) = (field_of(&left, schema)?, field_of(&right, schema)?);
            let own = |field: &Field, known: &SqlType| {
                sql_type_of_field(field).unwrap_or_else(|| known.clone())
            };
            let (left_type, right_type) =
                (own(&left_field, left_type), own(&right_field, right_type));
            moments((left, &left_field, &left_type), (right, &right_field, &right_type))
        }
        (SqlType::Interval, SqlType::Interval) | (SqlType::Jsonb, SqlType::Jsonb) => {
            (order::order_key(left, Some(&left_type)), order::order_key(right, Some(&right_type)))
        }
        (SqlType::Inet, SqlType::Inet) if matches!(shown, "<" | "<=" | ">" | ">=") => {
            (order::order_key(left, Some(&left_type)), order::order_key(right, Some(&right_type)))
        }
        (SqlType::Float4 | SqlType::Float8, SqlType::Decimal(_)) => {
            (left, cast_to(right, &SqlType::Float8))
        }
        (SqlType::Decimal(_), SqlType::Float4 | SqlType::Float8) => {
            (cast_to(left, &SqlType::Float8), right)
        }
        (SqlType::Decimal(_), _) if is_integer(&right_type) => {
            let data_type = type_of(&left, schema)?;
            (left, exact_literal(right, &data_type))
        }
        (_, SqlType::Decimal(_)) if is_integer(&left_type) => {
            let data_type = type_of(&right, schema)?;
            (exact_literal(left, &data_type), right)
        }
        _ => (left, right),
    })
}

/// Returns a cast that is given its meaning, with the session's time zone, when the plan is analyzed.
pub(super) fn cast_of(expr: Expr, target: &SqlType) -> Expr {
    Expr::Cast(Cast { expr: Box::new(expr), field: cast_target(target) })
}

/// Casts moments of two kinds to the wider kind, in microseconds: DataFusion would compare in
/// nanoseconds, which do not reach all dates.
fn moments(
    (left, left_field, left_type): (Expr, &Field, &SqlType),
    (right, right_field, right_type): (Expr, &Field, &SqlType),
) -> (Expr, Expr) {
    let Some(target) = common_type(left_type, right_type) else { return (left, right) };
    let side = |expr: Expr, field: &Field, own: &SqlType| {
        if !is_literal(&expr) && !needs_cast(field, own, &target)
            || is_literal(&expr) && *own == target
        {
            expr
        } else {
            cast_of(expr, &target)
        }
    };
    (side(left, left_field, left_type), side(right, right_field, right_type))
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

/// Gives a string literal the other side's type, and text beside UUID, INET or JSONB its canonical
/// form.
fn adopt(
    expr: Expr,
    own: SqlType,
    other: &SqlType,
    other_unknown: bool,
) -> QueryResult<(Expr, SqlType)> {
    let special = matches!(other, SqlType::Uuid | SqlType::Inet | SqlType::Jsonb);
    if is_unknown(&expr) && !other_unknown && !matches!(other, SqlType::String { .. }) {
        return Ok((literal_as(expr, other)?, other.clone()));
    }
    if special && matches!(own, SqlType::String { .. }) {
        return Ok((cast_to(expr, other), other.clone()));
    }
    Ok((expr, own))
}

fn is_integer(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8)
}

fn is_numeric(sql_type: &SqlType) -> bool {
    is_integer(sql_type)
        || matches!(sql_type, SqlType::Float4 | SqlType::Float8 | SqlType::Decimal(_))
}

fn is_moment(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz)
}

fn comparable_types(left: &SqlType, right: &SqlType) -> bool {
    match (left, right) {
        (SqlType::String { .. }, SqlType::String { .. }) => true,
        (SqlType::Array(left), SqlType::Array(right)) => comparable_types(left, right),
        (SqlType::Decimal(_), SqlType::Decimal(_)) => true,
        (left, right) if is_numeric(left) && is_numeric(right) => true,
        (left, right) if is_moment(left) && is_moment(right) => true,
        (left, right) => left == right,
    }
}

/// Casts what is not text at the sides of `||` to text, if the other side is text.
fn plan_concat(left: Expr, right: Expr, schema: &DFSchema) -> QueryResult<(Expr, Expr)> {
    let left_type = sql_type_of_field(field_of(&left, schema)?.as_ref());
    let right_type = sql_type_of_field(field_of(&right, schema)?.as_ref());
    let list = |each: &Option<SqlType>| matches!(each, Some(SqlType::Array(_) | SqlType::Bytes));
    if list(&left_type) || list(&right_type) {
        return Ok((left, right));
    }
    let text = |each: &Option<SqlType>| each.as_ref().is_some_and(is_text);
    if left_type.is_some() && right_type.is_some() && !text(&left_type) && !text(&right_type) {
        return Err(external(no_operator(&format!(
            "{} || {}",
            title_of_field(field_of(&left, schema)?.as_ref()),
            title_of_field(field_of(&right, schema)?.as_ref())
        ))));
    }
    let as_text = |expr: Expr, own: &Option<SqlType>| match own {
        Some(own) if !is_text(own) => cast_to(expr, &SqlType::STRING),
        _ => expr,
    };
    Ok((as_text(left, &left_type), as_text(right, &right_type)))
}

/// Returns the metadata of a literal of this type, where Arrow cannot tell it.
pub(super) fn literal_metadata(sql_type: &SqlType) -> Option<FieldMetadata> {
    let field = marked(Field::new("", sql_type.arrow(), true), sql_type);
    if field.metadata().is_empty() { None } else { Some(FieldMetadata::from(field.metadata())) }
}

/// Returns a value parsed from text as a literal.
pub(super) fn parsed_literal(sql_type: &SqlType, text: &str) -> Result<Expr> {
    use super::error::IntoOurs;

    let array = types::parse_value(sql_type, text)?;
    let scalar = ScalarValue::try_from_array(&array, 0).ours()?;
    Ok(Expr::Literal(scalar, literal_metadata(sql_type)))
}
