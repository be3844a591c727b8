//! Running sums that never wrap: of one group, of the different values of one, of many groups.
//!
//! Integers and decimals of up to 38 digits are added up in 128 bits batch by batch, without a check
//! per value where the values of a batch are too small to overflow; the sums of batches are added
//! with one.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, ToByteSlice, i256,
};
use datafusion::common::{DataFusionError, Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::super::checked::overflow;
use super::super::decimal::fitted_array;
use super::super::error::external;
use crate::error::{Error, SqlState};

/// The most groups whose sums of a batch are kept apart from their totals.
const FEW_GROUPS: usize = 64;

/// The digits of decimals of which `SURE_ROWS` never add up to more than 128 bits hold.
const SURE_DIGITS: u8 = 33;

/// The rows of a batch that is never looked through before it is added up.
const SURE_ROWS: usize = 1 << 16;

/// How many sums a group has within a batch, so that an addition need not wait for the last one.
const LANES: usize = 4;

/// A type whose values add up.
pub(super) trait Total: ArrowPrimitiveType + Debug + Send {
    /// Returns the sum, unless it overflows.
    fn plus(left: Self::Native, right: Self::Native) -> Option<Self::Native>;
    /// Returns the difference, unless it overflows.
    fn minus(left: Self::Native, right: Self::Native) -> Option<Self::Native>;
    /// Returns a sum of integers or decimals as a value of this type, if it is one.
    fn of(sum: i128) -> Option<Self::Native>;
}

macro_rules! totals {
    ($($name:ident $of:expr;)+) => {$(
        impl Total for $name {
            #[inline]
            fn plus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
                left.checked_add(right)
            }

            #[inline]
            fn minus(left: Self::Native, right: Self::Native) -> Option<Self::Native> {
                left.checked_sub(right)
            }

            #[inline]
            fn of(sum: i128) -> Option<Self::Native> {
                $of(sum)
            }
        }
    )+};
}

totals! {
    Int64Type |sum| i64::try_from(sum).ok();
    Decimal128Type Some;
    Decimal256Type |sum| Some(i256::from_i128(sum));
}

impl Total for Float64Type {
    #[inline]
    fn plus(left: f64, right: f64) -> Option<f64> {
        Some(left + right)
    }

    #[inline]
    fn minus(left: f64, right: f64) -> Option<f64> {
        Some(left - right)
    }

    fn of(_: i128) -> Option<f64> {
        None
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

    fn of(_: i128) -> Option<Self::Native> {
        None
    }
}

fn too_large(target: &DataType) -> DataFusionError {
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

/// Returns values in the type of their sum.
fn widened<T: Total>(values: &ArrayRef, target: &DataType) -> QueryResult<PrimitiveArray<T>> {
    match values.as_primitive_opt::<T>() {
        Some(values) => Ok(values.clone()),
        None => Ok(cast(values, target)?.as_primitive::<T>().clone()),
    }
}

/// The values of a batch, of which no sum overflows 128 bits.
enum Addends<'a> {
    Short(&'a [i16]),
    Int(&'a [i32]),
    Long(&'a [i64]),
    Wide(&'a [i128]),
}

impl<'a> Addends<'a> {
    /// Returns the values (those under NULL too), if they are small enough.
    fn of(values: &'a ArrayRef) -> Option<Self> {
        Some(match values.data_type() {
            DataType::Int16 => Self::Short(values.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::Int(values.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Self::Long(values.as_primitive::<Int64Type>().values()),
            // Values of so few digits cannot overflow together: no need to look at each.
            DataType::Decimal128(..=SURE_DIGITS, _) if values.len() <= SURE_ROWS => {
                Self::Wide(values.as_primitive::<Decimal128Type>().values())
            }
            DataType::Decimal128(..) => {
                let values = values.as_primitive::<Decimal128Type>().values();
                let bits = values.iter().fold(0, |bits, value| bits | (value ^ (value >> 127)));
                let rows = usize::BITS - values.len().leading_zeros();
                (rows < bits.leading_zeros()).then_some(Self::Wide(values))?
            }
            _ => return None,
        })
    }

    /// Adds the values that are valid to the sums of their groups.
    fn add(&self, nulls: Option<&NullBuffer>, groups: &[usize], sums: &mut [[i128; LANES]]) {
        match self {
            Self::Short(values) => add(values, nulls, groups, sums),
            Self::Int(values) => add(values, nulls, groups, sums),
            Self::Long(values) => add(values, nulls, groups, sums),
            Self::Wide(values) => add(values, nulls, groups, sums),
        }
    }

    /// Returns the sum of the values that are valid.
    fn sum(&self, nulls: Option<&NullBuffer>) -> i128 {
        match self {
            Self::Short(values) => sum(values, nulls),
            Self::Int(values) => sum(values, nulls),
            Self::Long(values) => sum(values, nulls),
            Self::Wide(values) => sum(values, nulls),
        }
    }
}

fn add<V: Copy + Into<i128>>(
    values: &[V],
    nulls: Option<&NullBuffer>,
    groups: &[usize],
    sums: &mut [[i128; LANES]],
) {
    let mut one = |group: usize, value: V, lane: usize| {
        let sum = &mut sums[group][lane];
        *sum = sum.wrapping_add(value.into());
    };
    if let Some(nulls) = nulls {
        for row in nulls.valid_indices() {
            one(groups[row], values[row], row % LANES);
        }
        return;
    }
    let (values, values_left) = values.as_chunks::<LANES>();
    let (groups, groups_left) = groups.as_chunks::<LANES>();
    for (groups, values) in groups.iter().zip(values) {
        for lane in 0..LANES {
            one(groups[lane], values[lane], lane);
        }
    }
    for (group, value) in groups_left.iter().zip(values_left) {
        one(*group, *value, 0);
    }
}

fn sum<V: Copy + Into<i128>>(values: &[V], nulls: Option<&NullBuffer>) -> i128 {
    let plus = |sum: i128, value: V| sum.wrapping_add(value.into());
    match nulls {
        None => values.iter().copied().fold(0, plus),
        Some(nulls) => nulls.valid_indices().map(|row| values[row]).fold(0, plus),
    }
}

/// Returns which rows have a value that is wanted; nothing if all have.
fn wanted(values: &ArrayRef, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let filter = filter.map(|filter| match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(values.nulls(), filter.as_ref()).filter(|rows| rows.null_count() > 0)
}

/// The sum of one group, or of a window that moves.
#[derive(Debug)]
pub(super) struct RunningTotal<T: Total> {
    total: T::Native,
    count: u64,
    target: DataType,
}

impl<T: Total> RunningTotal<T> {
    /// Returns a sum of nothing, of type `target`.
    pub(super) fn new(target: DataType) -> Self {
        Self { total: T::Native::default(), count: 0, target }
    }

    fn fold(
        &mut self,
        array: &ArrayRef,
        step: fn(T::Native, T::Native) -> Option<T::Native>,
    ) -> QueryResult<u64> {
        let count = (array.len() - array.null_count()) as u64;
        let failed = || too_large(&self.target);
        if let Some(addends) = Addends::of(array) {
            let sum = T::of(addends.sum(array.nulls().filter(|nulls| nulls.null_count() > 0)));
            self.total = sum.and_then(|sum| step(self.total, sum)).ok_or_else(failed)?;
            return Ok(count);
        }
        let values = widened::<T>(array, &self.target)?;
        let mut total = self.total;
        for value in values.iter().flatten() {
            total = step(total, value).ok_or_else(failed)?;
        }
        self.total = total;
        Ok(count)
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
pub(super) struct DistinctTotal<T: Total> {
    seen: HashSet<Box<[u8]>>,
    values: Vec<T::Native>,
    target: DataType,
}

impl<T: Total> DistinctTotal<T> {
    /// Returns a sum of nothing, of type `target`.
    pub(super) fn new(target: DataType) -> Self {
        Self { seen: HashSet::new(), values: Vec::new(), target }
    }
}

impl<T: Total> Accumulator for DistinctTotal<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> QueryResult<()> {
        for value in widened::<T>(&values[0], &self.target)?.iter().flatten() {
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
pub(super) struct GroupTotals<T: Total> {
    totals: Vec<T::Native>,
    /// Which groups had a value.
    seen: Vec<bool>,
    target: DataType,
}

impl<T: Total> GroupTotals<T> {
    /// Returns a sum of nothing, of type `target`.
    pub(super) fn new(target: DataType) -> Self {
        Self { totals: Vec::new(), seen: Vec::new(), target }
    }

    /// Adds the sums of a batch.
    fn add_sums(
        &mut self,
        addends: &Addends<'_>,
        nulls: Option<&NullBuffer>,
        groups: &[usize],
    ) -> QueryResult<()> {
        let mut sums = [[0; LANES]; FEW_GROUPS];
        addends.add(nulls, groups, &mut sums);
        if self.seen.contains(&false) {
            match nulls {
                None => groups.iter().for_each(|group| self.seen[*group] = true),
                Some(nulls) => {
                    nulls.valid_indices().for_each(|row| self.seen[groups[row]] = true);
                }
            }
        }
        for (total, sums) in self.totals.iter_mut().zip(sums) {
            let sum = T::of(sums.into_iter().fold(0, i128::wrapping_add));
            *total =
                sum.and_then(|sum| T::plus(*total, sum)).ok_or_else(|| too_large(&self.target))?;
        }
        Ok(())
    }

    #[inline]
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
        let nulls = wanted(&values[0], opt_filter);
        let addends = (total_num_groups <= FEW_GROUPS).then(|| Addends::of(&values[0])).flatten();
        if let Some(addends) = addends {
            return self.add_sums(&addends, nulls.as_ref(), group_indices);
        }
        let values = widened::<T>(&values[0], &self.target)?;
        match nulls {
            None => {
                for (group, value) in group_indices.iter().zip(values.values()) {
                    self.add(*group, *value)?;
                }
            }
            Some(nulls) => {
                for row in nulls.valid_indices() {
                    self.add(group_indices[row], values.value(row))?;
                }
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
        let nulls = wanted(&values[0], opt_filter);
        let values = widened::<T>(&values[0], &self.target)?;
        let array = PrimitiveArray::<T>::new(values.values().clone(), nulls);
        Ok(vec![Arc::new(array.with_data_type(self.target.clone()))])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<T::Native>() + self.seen.capacity()
    }
}
