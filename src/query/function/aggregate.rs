//! `sum` and `avg` that never wrap, and other aggregates under the names that users expect.
//!
//! The sum of INT2 and INT4 is INT8, that of INT8 a decimal of 38 digits; a decimal's sum has more
//! digits before the point. What does not fit is 22003. An average is its sum divided by its count.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, ToByteSlice,
};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, NullTreatment, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{PlannerResult, RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility, WindowFunctionDefinition,
};

use super::super::checked::{Op, arithmetic, overflow};
use super::super::decimal::fitted_array;
use super::super::error::external;
use super::super::sql_types::title_of_field;
use crate::error::{Error, SqlState};

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

/// A type whose values add up.
trait Total: ArrowPrimitiveType + Debug + Send {
    /// Returns the sum, unless it overflows.
    fn plus(left: Self::Native, right: Self::Native) -> Option<Self::Native>;
    /// Returns the difference, unless it overflows.
    fn minus(left: Self::Native, right: Self::Native) -> Option<Self::Native>;
}

macro_rules! totals {
    ($($name:ident)+) => {$(
        impl Total for $name {
            fn plus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
                left.checked_add(right)
            }

            fn minus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
                left.checked_sub(right)
            }
        }
    )+};
}

totals! { Int64Type Decimal128Type Decimal256Type }

impl Total for Float64Type {
    fn plus(left: f64, right: f64) -> Option<f64> {
        Some(left + right)
    }

    fn minus(left: f64, right: f64) -> Option<f64> {
        Some(left - right)
    }
}

impl Total for IntervalMonthDayNanoType {
    fn plus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
        Some(IntervalMonthDayNano::new(
            left.months.checked_add(right.months)?,
            left.days.checked_add(right.days)?,
            left.nanoseconds.checked_add(right.nanoseconds)?,
        ))
    }

    fn minus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
        Some(IntervalMonthDayNano::new(
            left.months.checked_sub(right.months)?,
            left.days.checked_sub(right.days)?,
            left.nanoseconds.checked_sub(right.nanoseconds)?,
        ))
    }
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
        if self.wide { "avg_sum" } else { "sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> QueryResult<Vec<DataType>> {
        let [data_type] = types else {
            return Err(no_sum(types));
        };
        Ok(vec![match data_type {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
                if self.wide =>
            {
                DataType::Decimal128(20, 0)
            }
            DataType::Null
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16 => DataType::Int64,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            // The sum of values that fill 38 digits needs more.
            DataType::Decimal128(precision, scale) if *precision > 34 && !self.wide => {
                DataType::Decimal256(*precision, *scale)
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

fn too_large(target: &DataType) -> datafusion::common::DataFusionError {
    external(match target {
        DataType::Interval(_) => {
            Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range")
        }
        DataType::Int64 => overflow("bigint"),
        _ => overflow("numeric"),
    })
}

/// Returns a sum as a scalar of its declared type, or the error that it does not fit.
fn finished<T: Total>(value: Option<T::Native>, target: &DataType) -> QueryResult<ScalarValue> {
    let array = PrimitiveArray::<T>::from_iter([value]);
    let array: ArrayRef = Arc::new(array.with_data_type(target.clone()));
    ScalarValue::try_from_array(&fitted_array(&array, target).map_err(external)?, 0)
}

/// The sum of one group, or of a window that moves.
#[derive(Debug)]
struct RunningTotal<T: Total> {
    total: T::Native,
    count: u64,
    target: DataType,
}

impl<T: Total> RunningTotal<T> {
    fn new(target: DataType) -> Self {
        Self { total: T::Native::default(), count: 0, target }
    }

    fn fold(
        &mut self,
        array: &ArrayRef,
        step: fn(T::Native, T::Native) -> Option<T::Native>,
    ) -> QueryResult<u64> {
        let values = array.as_primitive::<T>();
        let mut total = self.total;
        for value in values.iter().flatten() {
            total = step(total, value).ok_or_else(|| too_large(&self.target))?;
        }
        self.total = total;
        Ok((values.len() - values.null_count()) as u64)
    }
}

impl<T: Total> Accumulator for RunningTotal<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> QueryResult<()> {
        self.count += self.fold(&values[0], T::plus)?;
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> QueryResult<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> QueryResult<()> {
        self.count -= self.fold(&values[0], T::minus)?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> QueryResult<ScalarValue> {
        finished::<T>((self.count > 0).then_some(self.total), &self.target)
    }

    fn state(&mut self) -> QueryResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of the different values of one group.
#[derive(Debug)]
struct DistinctTotal<T: Total> {
    seen: HashSet<Box<[u8]>>,
    values: Vec<T::Native>,
    target: DataType,
}

impl<T: Total> DistinctTotal<T> {
    fn new(target: DataType) -> Self {
        Self { seen: HashSet::new(), values: Vec::new(), target }
    }
}

impl<T: Total> Accumulator for DistinctTotal<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> QueryResult<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            if self.seen.insert(value.to_byte_slice().into()) {
                self.values.push(value);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> QueryResult<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> QueryResult<ScalarValue> {
        let mut total = None;
        for value in &self.values {
            total = Some(match total {
                None => *value,
                Some(total) => T::plus(total, *value).ok_or_else(|| too_large(&self.target))?,
            });
        }
        finished::<T>(total, &self.target)
    }

    fn state(&mut self) -> QueryResult<Vec<ScalarValue>> {
        let values = PrimitiveArray::<T>::from_iter_values(self.values.iter().copied());
        let values: ArrayRef = Arc::new(values.with_data_type(self.target.clone()));
        let list = datafusion::common::utils::SingleRowListArrayBuilder::new(values);
        Ok(vec![list.build_list_scalar()])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<T::Native>() * 2 + 32)
    }
}

/// The sums of many groups.
struct GroupTotals<T: Total> {
    totals: Vec<T::Native>,
    /// Which groups had a value.
    seen: Vec<bool>,
    target: DataType,
}

impl<T: Total> GroupTotals<T> {
    fn new(target: DataType) -> Self {
        Self { totals: Vec::new(), seen: Vec::new(), target }
    }

    fn add(&mut self, group: usize, value: T::Native) -> QueryResult<()> {
        match T::plus(self.totals[group], value) {
            Some(total) => self.totals[group] = total,
            None => return Err(too_large(&self.target)),
        }
        self.seen[group] = true;
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> ArrayRef {
        let totals = emit_to.take_needed(&mut self.totals);
        let seen = emit_to.take_needed(&mut self.seen);
        let nulls = NullBuffer::from(seen);
        let array = PrimitiveArray::<T>::new(totals.into(), Some(nulls));
        Arc::new(array.with_data_type(self.target.clone()))
    }
}

impl<T: Total> GroupsAccumulator for GroupTotals<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> QueryResult<()> {
        self.totals.resize(total_num_groups, T::Native::default());
        self.seen.resize(total_num_groups, false);
        let values = values[0].as_primitive::<T>();
        if values.null_count() == 0 && opt_filter.is_none() {
            for (group, value) in group_indices.iter().zip(values.values()) {
                self.add(*group, *value)?;
            }
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            let wanted = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if wanted && values.is_valid(row) {
                self.add(*group, values.value(row))?;
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> QueryResult<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> QueryResult<ArrayRef> {
        let totals = self.emit(emit_to);
        fitted_array(&totals, &self.target).map_err(external)
    }

    fn state(&mut self, emit_to: EmitTo) -> QueryResult<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> QueryResult<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<T>();
        let array: PrimitiveArray<T> = (0..values.len())
            .map(|row| {
                let wanted =
                    opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
                (wanted && values.is_valid(row)).then(|| values.value(row))
            })
            .collect();
        Ok(vec![Arc::new(array.with_data_type(self.target.clone()))])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<T::Native>() + self.seen.capacity()
    }
}
