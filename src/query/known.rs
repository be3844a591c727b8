//! What a table's manifest says of its rows, put to use in aggregates.
//!
//! `count(*)`, `min` and `max` over a whole table are answered without reading it and without
//! DataFusion's optimizers, which take longer than the answer. In other aggregates what is the same
//! for columns without NULL becomes the same expression, so that it is computed once.

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Column, Result as QueryResult, ScalarValue};
use datafusion::datasource::{TableProvider, source_as_provider};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;

use super::function::aggregate;
use super::operator::type_of;
use super::provider::StoredTable;

/// Returns a plan that gives the rows of `plan` from what is known of its table, if that is all that
/// it asks for.
pub(super) fn answer(plan: &LogicalPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let (shown, plan_below) = match plan {
        LogicalPlan::Projection(projection) => {
            let columns = projection.expr.iter().map(|expr| match unaliased(expr) {
                Expr::Column(column) => Some(column),
                _ => None,
            });
            (columns.collect::<Option<Vec<_>>>()?, projection.input.as_ref())
        }
        other => (Vec::new(), other),
    };
    let LogicalPlan::Aggregate(aggregate) = plan_below else { return None };
    if !aggregate.group_expr.is_empty() {
        return None;
    }
    let table = whole_table(&aggregate.input)?;
    let table = stored(table.as_ref())?;
    let value_of = |position: usize| {
        let value = known_value(aggregate.aggr_expr.get(position)?, table)?;
        let field = aggregate.schema.field(position);
        (value.data_type() == *field.data_type()).then_some(value)
    };
    let positions: Vec<usize> = match plan {
        LogicalPlan::Aggregate(_) => (0..aggregate.aggr_expr.len()).collect(),
        _ => shown
            .into_iter()
            .map(|column: &Column| aggregate.schema.maybe_index_of_column(column))
            .collect::<Option<_>>()?,
    };
    let values = positions.into_iter().zip(plan.schema().fields()).map(|(position, field)| {
        // A type that Arrow does not know would be lost.
        let value: Arc<dyn PhysicalExpr> =
            field.metadata().is_empty().then(|| value_of(position).map(lit)).flatten()?;
        Some((value, field.name().clone()))
    });
    let values = values.collect::<Option<Vec<_>>>()?;
    let row = PlaceholderRowExec::new(Arc::new(Schema::empty()));
    Some(Arc::new(ProjectionExec::try_new(values, Arc::new(row)).ok()?))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Returns the table of which a plan gives every row.
fn whole_table(plan: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => whole_table(&alias.input),
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            source_as_provider(&scan.source).ok()
        }
        _ => None,
    }
}

fn stored(table: &dyn TableProvider) -> Option<&StoredTable> {
    (table as &dyn Any).downcast_ref::<StoredTable>()
}

/// Returns the value of an aggregate over all rows of a table, if it is known.
fn known_value(expr: &Expr, table: &StoredTable) -> Option<ScalarValue> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = unaliased(expr) else {
        return None;
    };
    if params.distinct || params.filter.is_some() || !params.order_by.is_empty() {
        return None;
    }
    let all_rows = || Some(ScalarValue::Int64(Some(i64::try_from(table.rows()).ok()?)));
    match (func.name(), params.args.as_slice()) {
        ("count", [Expr::Literal(value, _)]) if !value.is_null() => all_rows(),
        ("count", [Expr::Column(column)]) if table.is_never_null(&column.name) => all_rows(),
        ("min", [Expr::Column(column)]) => Some(table.extremes(&column.name)?.0),
        ("max", [Expr::Column(column)]) => Some(table.extremes(&column.name)?.1),
        _ => None,
    }
}

/// Makes aggregates that give the same values the same.
pub(super) fn unified(mut aggregate: Aggregate) -> QueryResult<Aggregate> {
    if aggregate.aggr_expr.len() < 2 {
        return Ok(aggregate);
    }
    let table = rows_of_table(&aggregate.input);
    let table = table.as_ref().and_then(|table| stored(table.as_ref()));
    let schema = Arc::clone(aggregate.input.schema());
    let mut changed = false;
    for expr in &mut aggregate.aggr_expr {
        let Expr::AggregateFunction(call) = expr else { continue };
        if call.params.distinct {
            continue;
        }
        let name = call.func.name();
        let same = match call.params.args.as_slice() {
            [argument] if aggregate::is_average_sum(name) => {
                let sum = aggregate::sum_like_average(&type_of(argument, &schema)?);
                sum.map(|func| AggregateFunction { func, params: call.params.clone() })
            }
            [Expr::Column(column)] if name == "count" => {
                table.is_some_and(|table| table.is_never_null(&column.name)).then(|| {
                    let mut params = call.params.clone();
                    params.args = vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)];
                    AggregateFunction { func: Arc::clone(&call.func), params }
                })
            }
            _ => None,
        };
        if let Some(same) = same {
            let name = expr.schema_name().to_string();
            *expr = Expr::AggregateFunction(same).alias(name);
            changed = true;
        }
    }
    if !changed {
        return Ok(aggregate);
    }
    Aggregate::try_new(aggregate.input, aggregate.group_expr, aggregate.aggr_expr)
}

/// Returns the table some of whose rows a plan gives, as they are.
fn rows_of_table(plan: &LogicalPlan) -> Option<Arc<dyn TableProvider>> {
    match plan {
        LogicalPlan::Filter(filter) => rows_of_table(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => rows_of_table(&alias.input),
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).ok(),
        _ => None,
    }
}
