//! Gives expressions PostgreSQL's meaning before DataFusion coerces their types.
//!
//! Casts become ours, string literals take the type of their surroundings, intervals are compared and
//! sorted by length, and minus is checked. What the planner hooks of `operator` did is left as it is.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result as QueryResult, ScalarValue};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, Case, Cast, InList, InSubquery, ScalarFunction,
    Sort as SortExpr, TryCast, WindowFunction,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Distinct, Projection, Union};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::cast::{cast_to, fold_cast, try_cast_to};
use super::checked::{Op, negative};
use super::choice::{extreme, shares_type, strict, unify};
use super::error::external;
use super::function::{at_time_zone, bytes, math, order};
use super::group::{distinct_twins, grouped_twins};
use super::known::unified;
use super::nullable::{anchored, nullable_subquery};
use super::operator::{
    comparable, field_of, is_unknown, literal_as, plain_number, plan_arithmetic, type_of,
};
use super::set_operation::{counted_rows, typed_union};
use super::sql_types::{sql_type_of_field, target_of_cast, title_of_field};
use crate::error::{Error, SqlState};
use crate::types::SqlType;

/// The rule that runs before DataFusion's type coercion.
#[derive(Debug)]
pub(super) struct Meaning {
    /// The session's time zone.
    pub(super) time_zone: String,
}

impl AnalyzerRule for Meaning {
    fn name(&self) -> &'static str {
        "postgresql_meaning"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> QueryResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| rewrite_plan(plan, &self.time_zone)).data()
    }
}

fn rewrite_plan(plan: LogicalPlan, zone: &str) -> QueryResult<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(
            scan.table_name.clone(),
            &scan.source.schema(),
        )?);
    }
    let plan = match plan {
        LogicalPlan::Union(union) => typed_union(union)?,
        LogicalPlan::Join(join) => counted_rows(join)?,
        LogicalPlan::Aggregate(aggregate) => grouped_twins(unified(aggregate)?)?,
        LogicalPlan::Distinct(Distinct::All(input)) => distinct_twins(input)?,
        other => other,
    };
    if matches!(plan, LogicalPlan::Union(_)) {
        // The casts are in the parts, which were visited before.
        let plan = plan.map_children(|part| {
            let schema = merge_schema(&part.inputs());
            rewrite_exprs(part, &schema, zone)
        })?;
        // Not `recompute_schema`, which leaves that of a UNION as it was.
        return plan.map_data(|plan| match plan {
            LogicalPlan::Union(union) => {
                Union::try_new_with_loose_types(union.inputs).map(LogicalPlan::Union)
            }
            other => Ok(other),
        });
    }
    rewrite_exprs(plan, &schema, zone)
}

fn rewrite_exprs(
    plan: LogicalPlan,
    schema: &DFSchema,
    zone: &str,
) -> QueryResult<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let sorts = matches!(plan, LogicalPlan::Sort(_));
    let filters = matches!(plan, LogicalPlan::Filter(_));
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = rewrite(expr, schema, zone)?;
        if sorts {
            return Ok(Transformed::yes(sort_key(expr, schema)?));
        }
        if filters {
            require_boolean(&expr, schema)?;
            if let Some((qualifier, field)) = schema.iter().next() {
                let column = Expr::Column((qualifier, field).into());
                return Ok(Transformed::yes(anchored(expr, column)?));
            }
        }
        Ok(Transformed::yes(name.restore(expr)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

/// Rewrites one expression over `schema`.
pub(super) fn rewrite(expr: Expr, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    expr.transform_up(|expr| rewrite_node(expr, schema, zone).map(Transformed::yes)).data()
}

/// Rewrites what decides the type of an operand, while operators are still being planned.
pub(super) fn adapt_expr(expr: Expr, schema: &DFSchema) -> QueryResult<Expr> {
    if !matches!(expr, Expr::Case(_) | Expr::ScalarFunction(_)) {
        return Ok(expr);
    }
    adapt_node(expr, schema)
}

fn require_boolean(expr: &Expr, schema: &DFSchema) -> QueryResult<()> {
    let field = field_of(expr, schema)?;
    if matches!(field.data_type(), DataType::Boolean | DataType::Null) || is_unknown(expr) {
        return Ok(());
    }
    Err(external(Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!("condition must be type boolean, not type {}", title_of_field(&field)),
    )))
}

fn sort_key(expr: Expr, schema: &DFSchema) -> QueryResult<Expr> {
    let sql_type = sql_type_of_field(field_of(&expr, schema)?.as_ref());
    Ok(order::order_key(expr, sql_type.as_ref()))
}

/// Returns what stands for a value where equal ones come together.
fn twin_key(expr: Expr, schema: &DFSchema) -> QueryResult<Expr> {
    let sql_type = sql_type_of_field(field_of(&expr, schema)?.as_ref());
    Ok(if order::has_twins(sql_type.as_ref()) {
        order::order_key(expr, sql_type.as_ref())
    } else {
        expr
    })
}

fn sort_keys(sorts: Vec<SortExpr>, schema: &DFSchema) -> QueryResult<Vec<SortExpr>> {
    sorts
        .into_iter()
        .map(|sort| Ok(SortExpr { expr: sort_key(sort.expr, schema)?, ..sort }))
        .collect()
}

fn rewrite_window(mut window: WindowFunction, schema: &DFSchema) -> QueryResult<Expr> {
    let by = std::mem::take(&mut window.params.partition_by);
    window.params.partition_by =
        by.into_iter().map(|expr| twin_key(expr, schema)).collect::<QueryResult<_>>()?;
    let order_by = std::mem::take(&mut window.params.order_by);
    window.params.order_by = sort_keys(order_by, schema)?;
    Ok(Expr::WindowFunction(Box::new(window)))
}

fn rewrite_node(expr: Expr, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    match expr {
        Expr::Cast(cast) => rewrite_cast(cast, schema, zone),
        Expr::TryCast(TryCast { expr, field }) => Ok(match target_of_cast(&field) {
            Some(target) => try_cast_to(*expr, &target),
            None => Expr::TryCast(TryCast { expr, field }),
        }),
        Expr::Negative(inner) => Ok(rewrite_negative(*inner)),
        Expr::Literal(..) => Ok(plain_number(expr)),
        Expr::BinaryExpr(binary) => rewrite_binary(binary, schema, zone),
        Expr::Between(Between { expr, negated, low, high }) => {
            let (low_side, low) = compared(*expr.clone(), *low, ">=", (schema, zone))?;
            let (high_side, high) = compared(*expr, *high, "<=", (schema, zone))?;
            if low_side == high_side {
                return Ok(Expr::Between(Between::new(
                    Box::new(low_side),
                    negated,
                    Box::new(low),
                    Box::new(high),
                )));
            }
            let within = low_side.gt_eq(low).and(high_side.lt_eq(high));
            Ok(if negated { Expr::Not(Box::new(within)) } else { within })
        }
        Expr::InList(list) => rewrite_in_list(list, schema, zone),
        Expr::InSubquery(subquery) => rewrite_in_subquery(subquery, schema),
        Expr::ScalarSubquery(subquery) => Ok(Expr::ScalarSubquery(nullable_subquery(subquery)?)),
        Expr::AggregateFunction(function) => rewrite_aggregate(function, schema),
        Expr::WindowFunction(window) => rewrite_window(*window, schema),
        Expr::Case(_) | Expr::ScalarFunction(_) => {
            let expr = adapt_node(expr, schema)?;
            let expr = expr.map_children(|child| Ok(Transformed::yes(meant(child, schema, zone)?)));
            zoned(expr.data()?, schema, zone)
        }
        other => Ok(other),
    }
}

/// Returns two expressions in a form in which they compare as in PostgreSQL, ready for DataFusion.
fn compared(
    left: Expr,
    right: Expr,
    shown: &str,
    (schema, zone): (&DFSchema, &str),
) -> QueryResult<(Expr, Expr)> {
    let (left, right) = comparable(left, right, shown, schema)?;
    Ok((meant(left, schema, zone)?, meant(right, schema, zone)?))
}

/// Gives a cast that was just made its meaning.
fn meant(expr: Expr, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    match expr {
        Expr::Cast(cast) => rewrite_cast(cast, schema, zone),
        other => Ok(other),
    }
}

fn rewrite_cast(cast: Cast, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    let Some(target) = target_of_cast(&cast.field) else { return Ok(Expr::Cast(cast)) };
    let expr = plain_number(*cast.expr);
    let source = sql_type_of_field(field_of(&expr, schema)?.as_ref());
    if zone.eq_ignore_ascii_case("utc") || is_unknown(&expr) && target != SqlType::TimestampTz {
        return fold_cast(expr, &target);
    }
    // Moments and local times meet in the session's time zone.
    let local = |expr: Expr| at_time_zone(zone, expr);
    Ok(match (source, &target) {
        (Some(SqlType::Timestamp), SqlType::TimestampTz) => local(expr),
        (Some(SqlType::Date), SqlType::TimestampTz) => local(cast_to(expr, &SqlType::Timestamp)),
        (Some(SqlType::TimestampTz), SqlType::Timestamp | SqlType::Date | SqlType::Time) => {
            cast_to(local(expr), &target)
        }
        _ => return fold_cast(expr, &target),
    })
}

fn rewrite_negative(inner: Expr) -> Expr {
    if let Expr::Literal(ScalarValue::UInt64(Some(value)), None) = &inner
        && *value == i64::MIN.unsigned_abs()
    {
        return Expr::Literal(ScalarValue::Int64(Some(i64::MIN)), None);
    }
    negative(plain_number(inner))
}

/// Rewrites operators that did not come through the planner's hook.
fn rewrite_binary(binary: BinaryExpr, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    let BinaryExpr { left, op, right } = binary;
    let arithmetic = match op {
        Operator::Plus => Some(Op::Add),
        Operator::Minus => Some(Op::Subtract),
        Operator::Multiply => Some(Op::Multiply),
        Operator::Divide => Some(Op::Divide),
        Operator::Modulo => Some(Op::Modulo),
        _ => None,
    };
    if let Some(op) = arithmetic {
        return plan_arithmetic(op, *left, *right, schema);
    }
    let (left, right) = match op {
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => compared(*left, *right, &op.to_string(), (schema, zone))?,
        _ => (*left, *right),
    };
    Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
}

/// Compares a value with the column of a subquery; the types must fit.
fn rewrite_in_subquery(in_subquery: InSubquery, schema: &DFSchema) -> QueryResult<Expr> {
    let InSubquery { expr, subquery, negated } = in_subquery;
    let mut expr = *expr;
    let mut subquery = subquery;
    if subquery.subquery.schema().fields().len() == 1 {
        let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
        let column = Expr::Column((qualifier, field).into());
        let own = field_of(&expr, schema)?;
        let other = sql_type_of_field(field);
        if order::has_twins(other.as_ref()) {
            if let (true, Some(other)) = (is_unknown(&expr), &other) {
                expr = literal_as(expr, other)?;
            }
            let name = field.name().clone();
            let keys = order::order_key(column, other.as_ref()).alias(name);
            let plan = Projection::try_new(vec![keys], Arc::clone(&subquery.subquery))?;
            subquery = subquery.with_plan(Arc::new(LogicalPlan::Projection(plan)));
            expr = twin_key(expr, schema)?;
        } else if is_unknown(&expr) {
            if let Some(other) = &other {
                expr = literal_as(expr, other)?;
            }
        } else {
            let place = DFSchema::try_from(datafusion::arrow::datatypes::Schema::new(vec![
                own.as_ref().clone().with_name("\u{1}left"),
            ]))?
            .join(subquery.subquery.schema())?;
            let left = Expr::Column(datafusion::common::Column::from_name("\u{1}left"));
            comparable(left, column, "=", &place)?;
        }
    }
    Ok(Expr::InSubquery(InSubquery::new(Box::new(expr), subquery, negated)))
}

fn rewrite_in_list(in_list: InList, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    let InList { expr, list, negated } = in_list;
    let mut side = *expr.clone();
    let mut items = Vec::with_capacity(list.len());
    for item in list {
        let (left, item) = compared(*expr.clone(), item, "=", (schema, zone))?;
        side = left;
        items.push(item);
    }
    Ok(Expr::InList(InList::new(Box::new(side), items, negated)))
}

/// Takes the least or greatest value by its order, and counts equal ones once.
fn rewrite_aggregate(mut function: AggregateFunction, schema: &DFSchema) -> QueryResult<Expr> {
    let order_by = std::mem::take(&mut function.params.order_by);
    function.params.order_by = sort_keys(order_by, schema)?;
    let Some(argument) = function.params.args.first() else {
        return Ok(Expr::AggregateFunction(function));
    };
    let field = field_of(argument, schema)?;
    let sql_type = sql_type_of_field(&field);
    if function.func.name() == "count" && function.params.distinct {
        let argument = function.params.args.remove(0);
        let key = if field.data_type().is_floating() {
            // Makes zeros of both signs one.
            let zero = Expr::Literal(ScalarValue::Float64(Some(0.0)), None);
            plan_arithmetic(Op::Add, argument, zero, schema)?
        } else {
            twin_key(argument, schema)?
        };
        function.params.args.insert(0, key);
        return Ok(Expr::AggregateFunction(function));
    }
    let ascending = match function.func.name() {
        "min" => true,
        "max" => false,
        _ => return Ok(Expr::AggregateFunction(function)),
    };
    if !matches!(sql_type, Some(SqlType::Interval | SqlType::Inet | SqlType::Jsonb)) {
        return Ok(Expr::AggregateFunction(function));
    }
    let key = order::order_key(argument.clone(), sql_type.as_ref());
    let order = SortExpr::new(key, ascending, false);
    Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
        first_value_udaf(),
        vec![argument.clone()],
        false,
        function.params.filter,
        vec![order],
        None,
    )))
}

/// Gives string literals among values that share a type the type of the others.
fn adapt_node(expr: Expr, schema: &DFSchema) -> QueryResult<Expr> {
    match expr {
        Expr::Case(case) => adapt_case(case, schema),
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let func = strict(func);
            let args = match func.name() {
                name if shares_type(name) => unify(name, args, schema)?,
                "concat" | "concat_ws" => texts(args, schema)?,
                "date_trunc"
                    if args.len() == 2 && type_of(&args[1], schema)? == DataType::Date32 =>
                {
                    // In microseconds: DataFusion's nanoseconds do not reach all dates.
                    let moment = cast_to(args[1].clone(), &SqlType::Timestamp);
                    vec![args[0].clone(), moment]
                }
                _ => args,
            };
            if let Some(extreme) = extreme(func.name(), &args, schema)? {
                return Ok(extreme);
            }
            let func = match args.first() {
                Some(first) if func.name() == "substr" => {
                    bytes::on_text(func.name(), &type_of(first, schema)?).unwrap_or(func)
                }
                _ => func,
            };
            let places = rounding(func.name(), &args, schema)?;
            match places {
                Some(Rounding::Even) => Ok(math::round_even(args[0].clone())),
                Some(Rounding::Scale(data_type)) => {
                    let call = Expr::ScalarFunction(ScalarFunction { func, args });
                    Ok(Expr::Cast(Cast::new(Box::new(call), data_type)))
                }
                None => Ok(Expr::ScalarFunction(ScalarFunction { func, args })),
            }
        }
        other => Ok(other),
    }
}

/// What a function that rounds needs to give PostgreSQL's result.
enum Rounding {
    /// Another function, for floating point numbers.
    Even,
    /// A decimal type with the digits that are left.
    Scale(DataType),
}

fn rounding(name: &str, args: &[Expr], schema: &DFSchema) -> QueryResult<Option<Rounding>> {
    if !matches!(name, "ceil" | "floor" | "round" | "trunc") || args.is_empty() {
        return Ok(None);
    }
    let data_type = type_of(&args[0], schema)?;
    if name == "round" && args.len() == 1 && data_type.is_floating() {
        return Ok(Some(Rounding::Even));
    }
    let places = match args.get(1) {
        None => 0,
        Some(Expr::Literal(ScalarValue::Int64(Some(places)), _)) => *places,
        Some(_) => return Ok(None),
    };
    let Ok(places) = i8::try_from(places.max(0)) else { return Ok(None) };
    Ok(match data_type {
        DataType::Decimal128(precision, scale) if places < scale => {
            let whole = precision.saturating_sub(scale.unsigned_abs()) + 1;
            let precision = (whole + places.unsigned_abs()).min(38);
            Some(Rounding::Scale(DataType::Decimal128(precision, places)))
        }
        DataType::Decimal256(precision, scale) if places < scale => {
            let whole = precision.saturating_sub(scale.unsigned_abs()) + 1;
            let precision = whole + places.unsigned_abs();
            Some(Rounding::Scale(if precision <= 38 {
                DataType::Decimal128(precision, places)
            } else {
                DataType::Decimal256(precision.min(76), places)
            }))
        }
        _ => None,
    })
}

fn adapt_case(case: Case, schema: &DFSchema) -> QueryResult<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let (whens, thens): (Vec<_>, Vec<_>) =
        when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
    let (operand, whens) = if let Some(operand) = expr {
        let mut side = *operand.clone();
        let mut compared = Vec::with_capacity(whens.len());
        for when in whens {
            let (left, when) = comparable(*operand.clone(), when, "=", schema)?;
            side = left;
            compared.push(when);
        }
        (Some(Box::new(side)), compared)
    } else {
        for when in &whens {
            require_boolean(when, schema)?;
        }
        (None, whens)
    };
    let count = thens.len();
    let mut results =
        unify("CASE", thens.into_iter().chain(else_expr.map(|expr| *expr)).collect(), schema)?;
    let rest = results.split_off(count);
    let pairs = whens.into_iter().zip(results);
    let pairs = pairs.map(|(when, then)| (Box::new(when), Box::new(then))).collect();
    Ok(Expr::Case(Case::new(operand, pairs, rest.into_iter().next().map(Box::new))))
}

/// Casts values that are no text to text, as PostgreSQL prints them.
fn texts(values: Vec<Expr>, schema: &DFSchema) -> QueryResult<Vec<Expr>> {
    values
        .into_iter()
        .map(|value| {
            let text = match sql_type_of_field(field_of(&value, schema)?.as_ref()) {
                Some(SqlType::String { .. } | SqlType::Uuid | SqlType::Inet | SqlType::Jsonb)
                | None => value,
                Some(_) => cast_to(value, &SqlType::STRING),
            };
            Ok(text)
        })
        .collect()
}

/// Makes functions on parts of moments see them in the session's time zone.
fn zoned(expr: Expr, schema: &DFSchema, zone: &str) -> QueryResult<Expr> {
    let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr else { return Ok(expr) };
    let (position, truncates) = match func.name() {
        "date_part" | "extract" => (1, false),
        "date_trunc" => (1, true),
        _ => return Ok(Expr::ScalarFunction(ScalarFunction { func, args })),
    };
    if zone.eq_ignore_ascii_case("utc") || args.len() <= position {
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
    }
    let moment = type_of(&args[position], schema)?;
    if !matches!(&moment, DataType::Timestamp(_, Some(name)) if &**name == "UTC") {
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
    }
    let local = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(zone)));
    let argument = args.remove(position);
    args.insert(position, Expr::Cast(Cast::new(Box::new(argument), local)));
    let call = Expr::ScalarFunction(ScalarFunction { func, args });
    Ok(if truncates { Expr::Cast(Cast::new(Box::new(call), moment)) } else { call })
}
