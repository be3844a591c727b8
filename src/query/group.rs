//! GROUP BY and DISTINCT over values that may be equal without being the same: INTERVAL and JSONB.
//!
//! Rows come together by what stands for such a value in comparisons; the group shows the first value.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result as QueryResult};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::logical_plan::{Aggregate, Distinct, Projection};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::cast::cast_to;
use super::function::order::{has_twins, order_key};
use super::operator::field_of;
use super::sql_types::sql_type_of_field;
use crate::types::SqlType;

fn twin_type(expr: &Expr, schema: &DFSchema) -> QueryResult<Option<SqlType>> {
    let sql_type = sql_type_of_field(field_of(expr, schema)?.as_ref());
    Ok(sql_type.filter(|sql_type| has_twins(Some(sql_type))))
}

/// Groups by what makes values equal.
pub(super) fn grouped_twins(aggregate: Aggregate) -> QueryResult<LogicalPlan> {
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let schema = aggregate.input.schema();
    let types = aggregate
        .group_expr
        .iter()
        .map(|expr| twin_type(expr, schema))
        .collect::<QueryResult<Vec<_>>>()?;
    if types.iter().all(Option::is_none) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let mut groups = Vec::with_capacity(types.len());
    let mut values = aggregate.aggr_expr.clone();
    let mut shown = Vec::with_capacity(aggregate.schema.fields().len());
    for (position, (qualifier, field)) in aggregate.schema.iter().enumerate() {
        let own = Expr::Column((qualifier, field).into());
        let Some(group) = aggregate.group_expr.get(position) else {
            shown.push(own);
            continue;
        };
        let Some(sql_type) = &types[position] else {
            groups.push(group.clone());
            shown.push(own);
            continue;
        };
        let (key, first) = (format!("\u{1}key{position}"), format!("\u{1}first{position}"));
        groups.push(order_key(group.clone(), Some(sql_type)).alias(key));
        let function = AggregateFunction::new_udf(
            first_value_udaf(),
            vec![group.clone()],
            false,
            None,
            Vec::new(),
            None,
        );
        values.push(Expr::AggregateFunction(function).alias(&first));
        let value = cast_to(Expr::Column(Column::from_name(first)), sql_type);
        shown.push(value.alias_qualified(qualifier.cloned(), field.name()));
    }
    let plan = Aggregate::try_new(aggregate.input, groups, values)?;
    let plan = Projection::try_new(shown, Arc::new(LogicalPlan::Aggregate(plan)))?;
    Ok(LogicalPlan::Projection(plan))
}

/// Keeps one of the rows that are equal.
pub(super) fn distinct_twins(input: Arc<LogicalPlan>) -> QueryResult<LogicalPlan> {
    let columns: Vec<Expr> = input
        .schema()
        .iter()
        .map(|(qualifier, field)| Expr::Column((qualifier, field).into()))
        .collect();
    for column in &columns {
        if twin_type(column, input.schema())?.is_some() {
            return grouped_twins(Aggregate::try_new(input, columns, Vec::new())?);
        }
    }
    Ok(LogicalPlan::Distinct(Distinct::All(input)))
}
