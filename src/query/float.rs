//! What PostgreSQL refuses in arithmetic with floating point numbers: results beyond the range, and
//! divisions by zero.

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::logical_expr::ColumnarValue;

use super::checked::{Op, division_by_zero, overflow};
use super::error::IntoOurs;
use crate::error::Result;

/// Refuses values of `left op right` that PostgreSQL would not give; `values` are both sides and the
/// result.
pub(super) fn check(op: Op, values: [&ColumnarValue; 3]) -> Result {
    let arrays = ColumnarValue::values_to_arrays(&values.map(Clone::clone)).ours()?;
    match arrays.as_slice() {
        [left, right, result] if *result.data_type() == DataType::Float32 => {
            check_rows::<Float32Type>(op, [left, right, result], "real")
        }
        [left, right, result] => {
            check_rows::<Float64Type>(op, [left, right, result], "double precision")
        }
        _ => Ok(()),
    }
}

fn check_rows<T>(op: Op, arrays: [&ArrayRef; 3], title: &str) -> Result
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    let [left, right, result] = arrays.map(AsArray::as_primitive::<T>);
    let divides = matches!(op, Op::Divide | Op::Modulo);
    for row in 0..result.len() {
        let value: f64 = result.value(row).into();
        // Whatever is refused is not finite.
        if value.is_finite() || result.is_null(row) {
            continue;
        }
        let (left, right): (f64, f64) = (left.value(row).into(), right.value(row).into());
        if divides && right == 0.0 && !left.is_nan() {
            return Err(division_by_zero());
        }
        if value.is_infinite() && left.is_finite() && right.is_finite() {
            return Err(overflow(title));
        }
    }
    Ok(())
}
