//! A function that returns its argument as a value that may be NULL.
//!
//! A scalar subquery without rows is NULL even if its column never is. DataFusion takes the column's
//! word and folds `IS NULL` away, so that such columns pass through this function.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as QueryResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::{Projection, Subquery};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

/// Makes the column of a scalar subquery one that may be NULL.
pub(super) fn nullable_subquery(subquery: Subquery) -> QueryResult<Subquery> {
    let schema = subquery.subquery.schema();
    if schema.fields().len() != 1
        || schema.field(0).is_nullable()
        || has_one_row(&subquery.subquery)
    {
        return Ok(subquery);
    }
    let (qualifier, field) = schema.qualified_field(0);
    let name = field.name().clone();
    let column = Expr::Column((qualifier, field).into());
    let function = Arc::new(ScalarUDF::new_from_impl(Nullable {
        signature: Signature::variadic_any(Volatility::Volatile),
    }));
    let call = Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![column])).alias(name);
    let plan = Projection::try_new(vec![call], Arc::clone(&subquery.subquery))?;
    Ok(subquery.with_plan(Arc::new(LogicalPlan::Projection(plan))))
}

/// Returns whether a query has a row whatever the data are.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// Makes a condition that names no column one that seems to name `column`. DataFusion moves a
/// projection past a filter whose condition names none, and then takes the wrong columns.
pub(super) fn anchored(condition: Expr, column: Expr) -> QueryResult<Expr> {
    let mut anchors = false;
    let mut keeps = false;
    condition.apply(|expr| {
        match expr {
            Expr::Column(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_) => keeps = true,
            Expr::ScalarSubquery(subquery) => {
                keeps |= !subquery.outer_ref_columns.is_empty();
                anchors = true;
            }
            Expr::ScalarFunction(call) => {
                anchors |= call.func.signature().volatility == Volatility::Volatile;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if keeps || !anchors {
        return Ok(condition);
    }
    let function = Arc::new(ScalarUDF::new_from_impl(Nullable {
        signature: Signature::variadic_any(Volatility::Volatile),
    }));
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![condition, column])))
}

/// The function; volatile, so that it stays where it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &'static str {
        "nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        Ok(Arc::new(args.arg_fields[0].as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        Ok(args.args[0].clone())
    }
}
