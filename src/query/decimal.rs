//! Decimal arithmetic: the precision and scale of results, and kernels that refuse what overflows.
//!
//! Results stay in 128 bits while at least 20 digits before the point are left, because that is much
//! faster; else they go to 256 bits. Quotients are rounded half away from zero, to 20 digits behind the
//! point or more.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal256Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, i256};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr_common::datum::apply;

use super::checked::{Op, division_by_zero, out_of_range, overflow, widen};
use super::error::IntoOurs;
use super::narrow;
use crate::error::Result;

/// The digits behind the point that a quotient has at least.
const QUOTIENT_SCALE: i16 = 20;

/// The digits before the point that a product in 128 bits must be able to hold.
const ROOM: i16 = 20;

/// The scale to which a product falls back that would not fit 76 digits.
const PRODUCT_SCALE: i16 = 20;

/// The form of a decimal type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// All digits.
    precision: i16,
    /// The digits behind the point.
    scale: i16,
    /// Whether the type has 256 bits.
    wide: bool,
}

impl Shape {
    /// Returns the digits before the point.
    fn whole(self) -> i16 {
        self.precision - self.scale
    }
}

/// Returns the decimal form that holds all values of a numeric type.
pub(super) fn shape(data_type: &DataType) -> Option<Shape> {
    let integer = |precision| Some(Shape { precision, scale: 0, wide: false });
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => integer(5),
        DataType::Int32 | DataType::UInt16 => integer(10),
        DataType::Int64 | DataType::UInt32 => integer(19),
        DataType::UInt64 => integer(20),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            Some(Shape { precision: (*precision).into(), scale: (*scale).into(), wide: false })
        }
        DataType::Decimal256(precision, scale) => {
            Some(Shape { precision: (*precision).into(), scale: (*scale).into(), wide: true })
        }
        _ => None,
    }
}

fn narrow_type(precision: i16, scale: i16) -> DataType {
    DataType::Decimal128(clamp(precision, 38), clamp_scale(scale, 38))
}

fn wide_type(precision: i16, scale: i16) -> DataType {
    DataType::Decimal256(clamp(precision, 76), clamp_scale(scale, 76))
}

fn clamp(precision: i16, most: i16) -> u8 {
    u8::try_from(precision.clamp(1, most)).unwrap_or(u8::MAX)
}

fn clamp_scale(scale: i16, most: i16) -> i8 {
    i8::try_from(scale.clamp(0, most)).unwrap_or(i8::MAX)
}

/// Returns the type of `left op right`.
pub(super) fn result_type(op: Op, left: Shape, right: Shape) -> DataType {
    let wide = left.wide || right.wide;
    let scale = left.scale.max(right.scale);
    let whole = left.whole().max(right.whole());
    match op {
        Op::Add | Op::Subtract => {
            if !wide && whole + scale < 38 {
                narrow_type(whole + scale + 1, scale)
            } else {
                wide_type(whole + scale + 1, scale)
            }
        }
        Op::Modulo => {
            if !wide && whole + scale <= 38 {
                narrow_type(whole + scale, scale)
            } else {
                wide_type(whole + scale, scale)
            }
        }
        Op::Multiply => {
            let scale = left.scale + right.scale;
            let precision = left.precision + right.precision + 1;
            // Two wide factors, or one that leaves no room for another, need more than 38 digits.
            let roomy = scale + ROOM <= 38
                && left.whole().min(right.whole()) < ROOM - 1
                && scale + whole + 2 <= 38;
            if !wide && (precision <= 38 || roomy) {
                narrow_type(precision, scale)
            } else if precision <= 76 {
                wide_type(precision, scale)
            } else {
                wide_type(76, scale.min(PRODUCT_SCALE.max(left.scale).max(right.scale)))
            }
        }
        Op::Divide => {
            let scale = scale.max(QUOTIENT_SCALE);
            wide_type(left.whole() + right.scale + scale, scale)
        }
    }
}

/// Computes `left op right` as decimals of type `target`.
pub(super) fn compute(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    target: &DataType,
) -> Result<ColumnarValue> {
    if let Some(value) = narrow::compute(op, left, right, target) {
        return Ok(value);
    }
    let (Some(left_shape), Some(right_shape)) =
        (shape(&left.data_type()), shape(&right.data_type()))
    else {
        return Err(overflow("numeric"));
    };
    let wide = matches!(target, DataType::Decimal256(..));
    let as_decimal = |value: &ColumnarValue, shape: Shape, scale: i16| {
        let precision = shape.whole() + scale;
        let data_type =
            if wide { wide_type(precision, scale) } else { narrow_type(precision, scale) };
        widen(value, &data_type).map_err(|error| out_of_range(error, target))
    };
    match op {
        Op::Add | Op::Subtract | Op::Modulo => {
            let scale = left_shape.scale.max(right_shape.scale);
            let left = as_decimal(left, left_shape, scale)?;
            let right = as_decimal(right, right_shape, scale)?;
            apply(&left, &right, |left, right| match op {
                Op::Add => numeric::add(left, right),
                Op::Subtract => numeric::sub(left, right),
                _ => numeric::rem(left, right),
            })
            .ours()
            .and_then(|value| fitted(value, target))
            .map_err(|error| out_of_range(error, target))
        }
        Op::Multiply => {
            let left = as_decimal(left, left_shape, left_shape.scale)?;
            let right = as_decimal(right, right_shape, right_shape.scale)?;
            let cut = left_shape.scale + right_shape.scale - scale_of(target);
            if cut > 0 {
                return each(&left, &right, target, |left, right| product(left, right, cut));
            }
            apply(&left, &right, numeric::mul)
                .ours()
                .and_then(|value| fitted(value, target))
                .map_err(|error| out_of_range(error, target))
        }
        Op::Divide => {
            let shift = scale_of(target) - left_shape.scale + right_shape.scale;
            let left = as_decimal(left, left_shape, left_shape.scale)?;
            let right = as_decimal(right, right_shape, right_shape.scale)?;
            each(&left, &right, target, |left, right| match (left.to_i128(), right.to_i128()) {
                (Some(left), Some(right)) => narrow_quotient(left, right, shift),
                _ => quotient(left, right, shift),
            })
        }
    }
}

fn scale_of(data_type: &DataType) -> i16 {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => (*scale).into(),
        _ => 0,
    }
}

/// Gives a decimal result its declared type, and refuses digits beyond it.
fn fitted(value: ColumnarValue, target: &DataType) -> Result<ColumnarValue> {
    let scalar = matches!(value, ColumnarValue::Scalar(_));
    let array = value.into_array(1).ours()?;
    let array = fitted_array(&array, target)?;
    if scalar {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0).ours()?));
    }
    Ok(ColumnarValue::Array(array))
}

/// Gives an array of decimals its declared type, and refuses digits beyond it.
pub(super) fn fitted_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    match target {
        DataType::Decimal128(precision, scale) => {
            let array = array.as_primitive::<Decimal128Type>();
            let array = array.clone().with_precision_and_scale(*precision, *scale).ours()?;
            let limit = 10_i128.pow(u32::from(*precision)) - 1;
            // A short loop without branches; the values under NULL are checked only if one is large.
            if array.values().iter().any(|value| *value > limit || *value < -limit)
                && array.iter().flatten().any(|value| value > limit || value < -limit)
            {
                return Err(overflow("numeric"));
            }
            Ok(Arc::new(array))
        }
        DataType::Decimal256(precision, scale) => {
            let array = array.as_primitive::<Decimal256Type>();
            let array = array.clone().with_precision_and_scale(*precision, *scale).ours()?;
            let limit = power(i16::from(*precision)).unwrap_or(i256::MAX);
            if array.iter().flatten().any(|value| value >= limit || value <= limit.wrapping_neg()) {
                return Err(overflow("numeric"));
            }
            Ok(Arc::new(array))
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// Returns `10 ^ exponent`, if it fits.
fn power(exponent: i16) -> Option<i256> {
    i256::from(10).checked_pow(u32::try_from(exponent).ok()?)
}

/// Applies a function to each pair of values in 256 bits.
fn each(
    left: &ColumnarValue,
    right: &ColumnarValue,
    target: &DataType,
    function: impl Fn(i256, i256) -> Result<i256>,
) -> Result<ColumnarValue> {
    let rows = match (left, right) {
        (ColumnarValue::Array(array), _) | (_, ColumnarValue::Array(array)) => Some(array.len()),
        _ => None,
    };
    let left = left.to_array(rows.unwrap_or(1)).ours()?;
    let right = right.to_array(rows.unwrap_or(1)).ours()?;
    let pairs =
        left.as_primitive::<Decimal256Type>().iter().zip(right.as_primitive::<Decimal256Type>());
    let values: Vec<Option<i256>> = pairs
        .map(|pair| match pair {
            (Some(left), Some(right)) => function(left, right).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    let array: ArrayRef = Arc::new(Decimal256Array::from(values));
    let array = fitted_array(&array, target)?;
    if rows.is_none() {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0).ours()?));
    }
    Ok(ColumnarValue::Array(array))
}

/// Returns `left * right / 10^cut`, rounded half away from zero.
fn product(left: i256, right: i256, cut: i16) -> Result<i256> {
    let ten = i256::from(10);
    let (mut left, mut right, mut cut) = (left, right, cut);
    // Digits that are zero go first, so that what fits the result also fits on the way.
    while cut > 0 && left.checked_mul(right).is_none() {
        if left.wrapping_rem(ten) == i256::ZERO {
            left = left.wrapping_div(ten);
        } else if right.wrapping_rem(ten) == i256::ZERO {
            right = right.wrapping_div(ten);
        } else {
            break;
        }
        cut -= 1;
    }
    let product = left.checked_mul(right).ok_or_else(|| overflow("numeric"))?;
    let unit = power(cut).ok_or_else(|| overflow("numeric"))?;
    Ok(rounded(product, unit))
}

/// Returns `value / unit`, rounded half away from zero.
fn rounded(value: i256, unit: i256) -> i256 {
    let quotient = value.wrapping_div(unit);
    let rest = value.wrapping_rem(unit).wrapping_abs();
    if rest >= unit.wrapping_sub(rest) && unit > i256::ONE {
        let step = if value.is_negative() { i256::MINUS_ONE } else { i256::ONE };
        return quotient.wrapping_add(step);
    }
    quotient
}

/// Returns `left * 10^shift / right`, rounded half away from zero.
fn quotient(left: i256, right: i256, shift: i16) -> Result<i256> {
    if right == i256::ZERO {
        return Err(division_by_zero());
    }
    let negative = left.is_negative() != right.is_negative();
    let (left, right) = (left.wrapping_abs(), right.wrapping_abs());
    let scaled = power(shift.max(0)).and_then(|factor| left.checked_mul(factor));
    let magnitude = match scaled {
        Some(scaled) => rounded(scaled, right),
        None => long_quotient(left, right, shift)?,
    };
    Ok(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Divides digit by digit, for a dividend that would not fit after scaling.
fn long_quotient(left: i256, right: i256, shift: i16) -> Result<i256> {
    let ten = i256::from(10);
    let wrong = || overflow("numeric");
    let mut quotient = left.wrapping_div(right);
    let mut rest = left.wrapping_rem(right);
    for _ in 0..shift {
        rest = rest.checked_mul(ten).ok_or_else(wrong)?;
        quotient = quotient.checked_mul(ten).ok_or_else(wrong)?;
        quotient = quotient.checked_add(rest.wrapping_div(right)).ok_or_else(wrong)?;
        rest = rest.wrapping_rem(right);
    }
    if rest >= right.wrapping_sub(rest) {
        quotient = quotient.checked_add(i256::ONE).ok_or_else(wrong)?;
    }
    Ok(quotient)
}

/// Returns `left * 10^shift / right` by way of 128 bits where that fits, which is much faster.
fn narrow_quotient(left: i128, right: i128, shift: i16) -> Result<i256> {
    if right == 0 {
        return Err(division_by_zero());
    }
    let factor = u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
    let Some(scaled) =
        factor.and_then(|factor| left.checked_mul(factor)).filter(|scaled| *scaled != i128::MIN)
    else {
        return quotient(i256::from_i128(left), i256::from_i128(right), shift);
    };
    let (quotient, rest) = (scaled / right, (scaled % right).unsigned_abs());
    let step = if rest < right.unsigned_abs() - rest {
        0
    } else if (scaled < 0) == (right < 0) {
        1
    } else {
        -1
    };
    Ok(i256::from_i128(quotient + step))
}
