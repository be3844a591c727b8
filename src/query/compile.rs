//! Expressions of tables: DEFAULT, CHECK and computed columns, compiled once and evaluated on batches.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::sql::planner::{PlannerContext, SqlToRel};

use super::analyze;
use super::cast::cast_to;
use super::engine::guarded;
use super::error::{IntoOurs, Origin, from_query};
use super::function::Session;
use super::operator::{is_unknown, literal_as};
use super::planner::{Names, Tables, parser_options};
use super::rewrite::parse_expression;
use super::sql_types::{field, sql_type_of_field, title_of_type};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// An expression over the columns of a table, ready to be evaluated on batches.
#[derive(Clone, Debug)]
pub struct CompiledExpr {
    expr: Arc<dyn PhysicalExpr>,
}

impl CompiledExpr {
    /// Returns the expression's value for each row of `batch`, whose columns are those that it was
    /// compiled for, in query form.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        guarded(|| self.expr.evaluate(batch).ours()?.into_array(batch.num_rows()).ours())
    }
}

/// The tables of an expression: none.
struct NoTables;

impl Tables for NoTables {
    fn table(&self, _: &TableReference, _: bool) -> Result<Arc<dyn TableProvider>> {
        Err(subquery())
    }

    fn has_rowid(&self, _: &TableReference) -> bool {
        false
    }
}

fn subquery() -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, "subqueries are not supported in this expression")
}

/// Compiles an expression.
pub(super) fn compile(
    state: &SessionState,
    session: &Session,
    text: &str,
    columns: &[(String, SqlType)],
    target: Option<&SqlType>,
) -> Result<CompiledExpr> {
    let origin = Origin { sql: text, offset: 0 };
    let ours = |error| from_query(error, origin);
    let tree = parse_expression(origin)?;
    let fields: Vec<Field> =
        columns.iter().map(|(name, sql_type)| field(name, sql_type, true)).collect();
    let schema = DFSchema::try_from(Schema::new(fields)).map_err(ours)?;
    let names = Names::new(state, &NoTables, session, false);
    let planner = SqlToRel::new_with_options(&names, parser_options());
    let expr = planner.sql_to_expr(tree, &schema, &mut PlannerContext::new()).map_err(ours)?;
    refuse_more_than_a_row(&expr)?;
    let expr = analyze::rewrite(expr, &schema, &session.time_zone).map_err(ours)?;
    let expr = match target {
        Some(target) => assigned(expr, target, &schema)?,
        None => expr,
    };
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.coerce(expr, &schema).map_err(ours)?;
    let expr = simplifier.simplify(expr).map_err(ours)?;
    let expr = state.create_physical_expr(expr, &schema).map_err(ours)?;
    Ok(CompiledExpr { expr })
}

/// Refuses what needs other rows than the one at hand.
fn refuse_more_than_a_row(expr: &Expr) -> Result {
    let mut refused = None;
    expr.apply(|each| {
        refused = match each {
            Expr::AggregateFunction(_) => Some(Error::new(
                SqlState::GROUPING_ERROR,
                "aggregate functions are not allowed in this expression",
            )),
            Expr::WindowFunction(_) => Some(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "window functions are not supported in this expression",
            )),
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::SetComparison(_) => Some(subquery()),
            Expr::Unnest(_) => Some(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "set-returning functions are not supported in this expression",
            )),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })
    .ours()?;
    refused.map_or(Ok(()), Err)
}

/// Returns the expression cast to the type of the column that it is assigned to.
fn assigned(expr: Expr, target: &SqlType, schema: &DFSchema) -> Result<Expr> {
    // Lengths are checked when the value is stored, where too long a text is an error.
    let target = match target {
        SqlType::String { .. } => &SqlType::STRING,
        other => other,
    };
    if is_unknown(&expr) {
        return literal_as(expr, target).ours().map(|literal| match target {
            SqlType::String { .. } | SqlType::Decimal(_) => cast_to(literal, target),
            _ => literal,
        });
    }
    let source = sql_type_of_field(&expr.to_field(schema).ours()?.1);
    if let Some(source) = &source
        && !assignable(source, target)
    {
        return Err(Error::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "expression is of type {} but type {} is needed",
                title_of_type(source),
                title_of_type(target)
            ),
        )
        .hint("Cast the expression."));
    }
    Ok(cast_to(expr, target))
}

/// Returns whether PostgreSQL casts between these types in an assignment.
fn assignable(source: &SqlType, target: &SqlType) -> bool {
    use SqlType::{
        Array, Date, Decimal, Float4, Float8, Int2, Int4, Int8, Interval, String, Time, Timestamp,
        TimestampTz,
    };
    match (source, target) {
        (_, String { .. }) => true,
        (Array(source), Array(target)) => assignable(source, target),
        (
            Int2 | Int4 | Int8 | Float4 | Float8 | Decimal(_),
            Int2 | Int4 | Int8 | Float4 | Float8 | Decimal(_),
        ) => true,
        (Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) => true,
        (Timestamp | TimestampTz | Interval, Time) | (Time, Interval) => true,
        (source, target) => source == target,
    }
}
