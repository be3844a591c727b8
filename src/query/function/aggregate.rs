//! `sum` and `avg` that never wrap, and other aggregates under the names that users expect.
//!
//! The sum of INT2 and INT4 is INT8, that of INT8 a decimal of 38 digits; a decimal's sum has more
//! digits before the point. What does not fit is 22003. An average is its sum divided by its count.

use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::Result as QueryResult;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility, WindowFunctionDefinition,
};

use super::super::checked::{Op, arithmetic};
use super::super::error::external;
use super::super::sql_types::title_of_field;
use super::total::{DistinctTotal, GroupTotals, RunningTotal};
use crate::error::{Error, SqlState};

/// The name of the sum that an average is made of.
const AVERAGE_SUM: &str = "avg_sum";

/// The most digits of decimals whose sum has 128 bits: that of longer ones needs more.
const LONGEST_NARROW: u8 = 34;

/// Returns the aggregate of ours with this name.
pub(in crate::query) fn named(name: &str) -> Option<Arc<AggregateUDF>> {
    match name {
        "sum" => Some(sum(false)),
        "variance" => Some(datafusion::functions_aggregate::variance::var_samp_udaf()),
        "every" => Some(datafusion::functions_aggregate::bool_and_or::bool_and_udaf()),
        _ => None,
    }
}

fn sum(wide: bool) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum {
        wide,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

fn is_average(name: &str) -> bool {
    matches!(name, "avg" | "mean")
}

/// Returns whether the aggregate of this name is the sum of an average.
pub(in crate::query) fn is_average_sum(name: &str) -> bool {
    name == AVERAGE_SUM
}

/// Returns the `sum` that is the sum of an average of such values too, if it is.
pub(in crate::query) fn sum_like_average(data_type: &DataType) -> Option<Arc<AggregateUDF>> {
    let alike = match data_type {
        DataType::Decimal128(precision, _) => *precision <= LONGEST_NARROW,
        DataType::Int64 | DataType::Float32 | DataType::Float64 => true,
        _ => false,
    };
    alike.then(|| sum(false))
}

/// Plans `avg(x)` as `sum(x) / count(x)`.
pub(in crate::query) fn plan(raw: RawAggregateExpr) -> PlannerResult<RawAggregateExpr> {
    if !is_average(raw.func.name()) {
        return PlannerResult::Original(raw);
    }
    let params = AggregateFunctionParams {
        args: raw.args,
        distinct: raw.distinct,
        filter: raw.filter,
        order_by: Vec::new(),
        null_treatment: None::<NullTreatment>,
    };
    let of = |func| Expr::AggregateFunction(AggregateFunction { func, params: params.clone() });
    PlannerResult::Planned(arithmetic(Op::Divide, of(sum(true)), of(count_udaf())))
}

/// Plans `avg(x) OVER ...` as `sum(x) OVER ... / count(x) OVER ...`.
pub(in crate::query) fn plan_window(raw: RawWindowExpr) -> PlannerResult<RawWindowExpr> {
    let average = matches!(
        &raw.func_def,
        WindowFunctionDefinition::AggregateUDF(function) if is_average(function.name())
    );
    if !average {
        return PlannerResult::Original(raw);
    }
    let params = WindowFunctionParams {
        args: raw.args,
        partition_by: raw.partition_by,
        order_by: raw.order_by,
        window_frame: raw.window_frame,
        filter: raw.filter,
        null_treatment: None,
        distinct: raw.distinct,
    };
    let of = |function| {
        Expr::WindowFunction(Box::new(WindowFunction {
            fun: WindowFunctionDefinition::AggregateUDF(function),
            params: params.clone(),
        }))
    };
    PlannerResult::Planned(arithmetic(Op::Divide, of(sum(true)), of(count_udaf())))
}

/// Calls a macro with the primitive type of a sum.
macro_rules! by_type {
    ($data_type:expr, $make:ident) => {
        match $data_type {
            DataType::Int64 => $make!(Int64Type),
            DataType::Float64 => $make!(Float64Type),
            DataType::Decimal128(..) => $make!(Decimal128Type),
            DataType::Decimal256(..) => $make!(Decimal256Type),
            DataType::Interval(_) => $make!(IntervalMonthDayNanoType),
            other => Err(external(Error::internal(format!("sum of {other}")))),
        }
    };
}

/// `sum`, checked.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    /// Whether integers add up to a decimal, as an average needs it.
    wide: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        if self.wide { AVERAGE_SUM } else { "sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> QueryResult<Vec<DataType>> {
        let [data_type] = types else {
            return Err(no_sum(types));
        };
        Ok(vec![match data_type {
            // The values are added up as they are: no pass over them to widen them first.
            DataType::Int16 | DataType::Int32 | DataType::Int64 => data_type.clone(),
            DataType::Null | DataType::Int8 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Int64,
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) => data_type.clone(),
            DataType::Interval(_) | DataType::Duration(_) => {
                DataType::Interval(IntervalUnit::MonthDayNano)
            }
            _ => return Err(no_sum(types)),
        }])
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        Ok(match &types[0] {
            DataType::Int16 | DataType::Int32 if !self.wide => DataType::Int64,
            DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Decimal128(38, 0),
            DataType::Decimal128(precision, scale) if *precision > LONGEST_NARROW && !self.wide => {
                DataType::Decimal256(76, *scale)
            }
            DataType::Decimal128(precision, scale) => {
                DataType::Decimal128(precision.saturating_add(19).min(38), *scale)
            }
            DataType::Decimal256(_, scale) => DataType::Decimal256(76, *scale),
            other => other.clone(),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> QueryResult<Vec<FieldRef>> {
        let data_type = args.return_type().clone();
        let field = if args.is_distinct {
            let name = format_state_name(args.name, "sum distinct");
            Field::new_list(name, Field::new_list_field(data_type, true), false)
        } else {
            Field::new(format_state_name(args.name, "sum"), data_type, true)
        };
        Ok(vec![Arc::new(field)])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> QueryResult<Box<dyn Accumulator>> {
        let target = args.return_field.data_type().clone();
        if args.is_distinct {
            macro_rules! make {
                ($total:ty) => {
                    Ok(Box::new(DistinctTotal::<$total>::new(target)) as Box<dyn Accumulator>)
                };
            }
            return by_type!(args.return_field.data_type(), make);
        }
        macro_rules! make {
            ($total:ty) => {
                Ok(Box::new(RunningTotal::<$total>::new(target)) as Box<dyn Accumulator>)
            };
        }
        by_type!(args.return_field.data_type(), make)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> QueryResult<Box<dyn GroupsAccumulator>> {
        let target = args.return_field.data_type().clone();
        macro_rules! make {
            ($total:ty) => {
                Ok(Box::new(GroupTotals::<$total>::new(target)) as Box<dyn GroupsAccumulator>)
            };
        }
        by_type!(args.return_field.data_type(), make)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

fn no_sum(types: &[DataType]) -> datafusion::common::DataFusionError {
    let titles: Vec<String> = types
        .iter()
        .map(|data_type| title_of_field(&Field::new("", data_type.clone(), true)))
        .collect();
    external(Error::new(
        SqlState::UNDEFINED_FUNCTION,
        format!("function sum({}) does not exist", titles.join(", ")),
    ))
}
