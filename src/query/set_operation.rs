//! UNION, EXCEPT ALL and INTERSECT ALL as PostgreSQL has them, and the type that values share.

use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::{JoinType, NullEquality, Result as QueryResult};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::unalias;
use datafusion::logical_expr::logical_plan::{Distinct, Projection, Union, Window};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Join, LogicalPlan, WindowFunctionDefinition,
};

use super::error::external;
use super::operator::{cast_of, is_unknown, literal_as};
use super::sql_types::{sql_type_of_field, title_of_type};
use crate::error::{Error, SqlState};
use crate::types::SqlType;

/// Returns the type that values of two types take where one type is needed, if PostgreSQL has one.
pub(super) fn common_type(left: &SqlType, right: &SqlType) -> Option<SqlType> {
    use SqlType::{Array, Date, Decimal, Float4, Float8, Int2, Int4, Int8, Timestamp, TimestampTz};
    let of_moment = |each: &SqlType| match each {
        Date => Some(0),
        Timestamp => Some(1),
        TimestampTz => Some(2),
        _ => None,
    };
    let of_number = |each: &SqlType| match each {
        Int2 => Some(0),
        Int4 => Some(1),
        Int8 => Some(2),
        Decimal(_) => Some(3),
        Float4 => Some(4),
        Float8 => Some(5),
        _ => None,
    };
    let wider = |left_rank: u8, right_rank: u8| {
        Some(if right_rank > left_rank { right.clone() } else { left.clone() })
    };
    if let (Some(left), Some(right)) = (of_moment(left), of_moment(right)) {
        return wider(left, right);
    }
    if let (Some(left), Some(right)) = (of_number(left), of_number(right)) {
        return wider(left, right);
    }
    match (left, right) {
        (SqlType::String { .. }, SqlType::String { .. }) => Some(left.clone()),
        // Some of DataFusion's functions forget that their text is one of these.
        (special @ (SqlType::Uuid | SqlType::Inet | SqlType::Jsonb), SqlType::String { .. })
        | (SqlType::String { .. }, special @ (SqlType::Uuid | SqlType::Inet | SqlType::Jsonb)) => {
            Some(special.clone())
        }
        (Array(left), Array(right)) => Some(Array(Box::new(common_type(left, right)?))),
        (left, right) => (left == right).then(|| left.clone()),
    }
}

/// Returns the error of types that have none in common.
pub(super) fn no_common_type(what: &str, left: &SqlType, right: &SqlType) -> Error {
    Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!(
            "{what} types {} and {} cannot be matched",
            title_of_type(left),
            title_of_type(right)
        ),
    )
}

/// Returns whether a value must be cast to the type that it shares with others; DataFusion does the
/// rest.
pub(super) fn needs_cast(field: &Field, own: &SqlType, target: &SqlType) -> bool {
    match (own, target) {
        (_, SqlType::Decimal(_)) | (SqlType::String { .. }, SqlType::String { .. }) => false,
        // Decimals in an array leave nothing for a cast to be exact with.
        (SqlType::Array(_), SqlType::Array(element)) => {
            own != target && !matches!(**element, SqlType::Decimal(_))
        }
        (own, target) => {
            own != target
                || (field.data_type().is_temporal() && field.data_type() != &target.arrow())
        }
    }
}

/// Gives the columns of the parts of a UNION their common type.
pub(super) fn typed_union(union: Union) -> QueryResult<LogicalPlan> {
    let columns = union.schema.fields().len();
    let inputs = &union.inputs;
    if inputs.iter().any(|input| input.schema().fields().len() != columns) {
        return Ok(LogicalPlan::Union(union));
    }
    let mut targets = Vec::with_capacity(columns);
    for column in 0..columns {
        targets.push(target_of(inputs, column)?);
    }
    let inputs =
        inputs.iter().map(|input| typed_input(input, &targets)).collect::<QueryResult<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

fn target_of(inputs: &[Arc<LogicalPlan>], column: usize) -> QueryResult<Option<SqlType>> {
    let mut target: Option<SqlType> = None;
    for input in inputs {
        if literal(input, column).is_some() {
            continue;
        }
        let Some(own) = sql_type_of_field(input.schema().field(column)) else { continue };
        target = Some(match target {
            None => own,
            Some(before) => common_type(&before, &own)
                .ok_or_else(|| external(no_common_type("UNION", &before, &own)))?,
        });
    }
    Ok(target)
}

/// Returns the string literal that a column of a plan is.
fn literal(plan: &LogicalPlan, column: usize) -> Option<Expr> {
    let LogicalPlan::Projection(projection) = plan else { return None };
    let expr = unalias(projection.expr.get(column)?.clone());
    is_unknown(&expr).then_some(expr)
}

fn typed_input(
    input: &Arc<LogicalPlan>,
    targets: &[Option<SqlType>],
) -> QueryResult<Arc<LogicalPlan>> {
    let mut changed = false;
    let mut exprs = Vec::with_capacity(targets.len());
    for (column, target) in targets.iter().enumerate() {
        let (qualifier, field) = input.schema().qualified_field(column);
        let own = Expr::Column((qualifier, field).into());
        let Some(target) = target else {
            exprs.push(own);
            continue;
        };
        let typed = match (literal(input, column), sql_type_of_field(field)) {
            (Some(_), _) if matches!(target, SqlType::String { .. }) => None,
            (Some(literal), _) => Some(literal_as(literal, target)?),
            (None, Some(known)) if needs_cast(field, &known, target) => {
                Some(cast_of(own.clone(), target))
            }
            _ => None,
        };
        exprs.push(match typed {
            Some(typed) => {
                changed = true;
                typed.alias_qualified(qualifier.cloned(), field.name())
            }
            None => own,
        });
    }
    if !changed {
        return Ok(Arc::clone(input));
    }
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(input))?)))
}

/// Counts equal rows in EXCEPT ALL and INTERSECT ALL. DataFusion plans them as a plain join, which
/// drops or keeps all rows of a kind.
pub(super) fn counted_rows(join: Join) -> QueryResult<LogicalPlan> {
    let applies = matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && !join.null_aware
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
    if !applies {
        return Ok(LogicalPlan::Join(join));
    }
    let columns: Vec<Expr> = columns_of(&join.left);
    let (left, left_number) = numbered(&join.left, "\u{1}left")?;
    let (right, right_number) = numbered(&join.right, "\u{1}right")?;
    let mut on = join.on.clone();
    on.push((left_number, right_number));
    let join = Join::try_new(
        left,
        right,
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    let plan = Projection::try_new(columns, Arc::new(LogicalPlan::Join(join)))?;
    Ok(LogicalPlan::Projection(plan))
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().iter().map(|(qualifier, field)| Expr::Column((qualifier, field).into())).collect()
}

/// Numbers the rows that are equal. Returns the plan and the number's column.
fn numbered(plan: &Arc<LogicalPlan>, name: &str) -> QueryResult<(Arc<LogicalPlan>, Expr)> {
    let function =
        WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), Vec::new());
    let mut exprs = columns_of(plan);
    let number = Expr::from(function).partition_by(exprs.clone()).build()?;
    let shown = number.schema_name().to_string();
    let window = Window::try_new(vec![number], Arc::clone(plan))?;
    exprs.push(Expr::Column(datafusion::common::Column::from_name(shown)).alias(name));
    let plan = Projection::try_new(exprs, Arc::new(LogicalPlan::Window(window)))?;
    let column = Expr::Column(datafusion::common::Column::from_name(name));
    Ok((Arc::new(LogicalPlan::Projection(plan)), column))
}
