//! Mathematical functions with PostgreSQL's types and errors.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal256Array, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{Decimal256Type, Float64Type, Int64Type, i256};
use datafusion::logical_expr::Expr;

use super::{Simple, wrong_argument};
use crate::error::{Error, Result, SqlState};
use crate::query::checked::{division_by_zero, overflow};
use crate::query::error::IntoOurs;
use crate::types::{BARE_DECIMAL, SqlType};

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[
    Simple {
        name: "power",
        takes: &[SqlType::Float8, SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: power_of,
    },
    Simple {
        name: "pow",
        takes: &[SqlType::Float8, SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: power_of,
    },
    Simple {
        name: "sqrt",
        takes: &[SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: square_root,
    },
    Simple {
        name: "exp",
        takes: &[SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: |arrays| each(arrays, |value| finite(value.exp(), value.is_finite())),
    },
    Simple {
        name: "ln",
        takes: &[SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: |arrays| each(arrays, |value| logarithm(value).map(f64::ln)),
    },
    Simple {
        name: "log10",
        takes: &[SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: |arrays| each(arrays, |value| logarithm(value).map(f64::log10)),
    },
    Simple {
        name: "round_even",
        takes: &[SqlType::Float8],
        optional: 0,
        returns: SqlType::Float8,
        run: |arrays| each(arrays, |value| Ok(value.round_ties_even())),
    },
    Simple {
        name: "div",
        takes: &[SqlType::Decimal(None), SqlType::Decimal(None)],
        optional: 0,
        returns: SqlType::Decimal(None),
        run: whole_quotient,
    },
    Simple {
        name: "factorial",
        takes: &[SqlType::Int8],
        optional: 0,
        returns: SqlType::Int8,
        run: factorial,
    },
];

/// Returns `left ^ right`.
pub(in crate::query) fn power(left: Expr, right: Expr) -> Expr {
    FUNCTIONS[0].call(vec![left, right])
}

/// Returns a number rounded half to even, as PostgreSQL rounds floating point numbers.
pub(in crate::query) fn round_even(value: Expr) -> Expr {
    let function = FUNCTIONS.iter().find(|function| function.name == "round_even");
    function.unwrap_or(&FUNCTIONS[0]).call(vec![value])
}

fn whole_quotient(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let (precision, scale) = BARE_DECIMAL;
    let unit = i256::from(10).wrapping_pow(u32::from(scale.unsigned_abs()));
    let pairs = arrays[0]
        .as_primitive::<Decimal256Type>()
        .iter()
        .zip(arrays[1].as_primitive::<Decimal256Type>());
    let values: Vec<Option<i256>> = pairs
        .map(|pair| match pair {
            (Some(_), Some(right)) if right == i256::ZERO => Err(division_by_zero()),
            (Some(left), Some(right)) => left
                .wrapping_div(right)
                .checked_mul(unit)
                .map(Some)
                .ok_or_else(|| overflow("numeric")),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    let array = Decimal256Array::from(values).with_precision_and_scale(precision, scale).ours()?;
    Ok(Arc::new(array))
}

fn each(arrays: &[ArrayRef], function: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let values = arrays[0].as_primitive::<Float64Type>();
    let values: Vec<Option<f64>> =
        values.iter().map(|value| value.map(&function).transpose()).collect::<Result<_>>()?;
    Ok(Arc::new(Float64Array::from(values)))
}

/// Refuses an infinite result of finite arguments.
fn finite(value: f64, arguments: bool) -> Result<f64> {
    if arguments && value.is_infinite() { Err(overflow("double precision")) } else { Ok(value) }
}

fn power_of(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let (base, exponent) =
        (arrays[0].as_primitive::<Float64Type>(), arrays[1].as_primitive::<Float64Type>());
    let values: Vec<Option<f64>> = base
        .iter()
        .zip(exponent)
        .map(|pair| match pair {
            (Some(base), Some(exponent)) if base == 0.0 && exponent < 0.0 => {
                Err(Error::new(SqlState::DIVISION_BY_ZERO, "zero raised to a negative power"))
            }
            (Some(base), Some(exponent)) => {
                finite(base.powf(exponent), base.is_finite() && exponent.is_finite()).map(Some)
            }
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(Float64Array::from(values)))
}

fn square_root(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    each(arrays, |value| {
        if value < 0.0 {
            return Err(wrong_argument("cannot take square root of a negative number"));
        }
        Ok(value.sqrt())
    })
}

fn logarithm(value: f64) -> Result<f64> {
    if value == 0.0 {
        return Err(wrong_argument("cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(wrong_argument("cannot take logarithm of a negative number"));
    }
    Ok(value)
}

fn factorial(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let values = arrays[0].as_primitive::<Int64Type>();
    let values: Vec<Option<i64>> = values
        .iter()
        .map(|value| match value {
            None => Ok(None),
            Some(value) if value < 0 => {
                Err(wrong_argument("factorial of a negative number is undefined"))
            }
            Some(value) => (1..=value)
                .try_fold(1_i64, i64::checked_mul)
                .map(Some)
                .ok_or_else(|| overflow("bigint")),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(Int64Array::from(values)))
}
