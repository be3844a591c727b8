//! Decimal arithmetic by way of 64 bits: the common case, in which no operand needs more.
//!
//! A kernel computes each row from the low halves of its operands and gathers, without a branch,
//! which bits were left out and how large the results are. A batch that is not narrow is computed
//! again by the general way.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Decimal128Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

use super::checked::Op;

/// The values at one side of an operator.
enum Side<'a> {
    Each(&'a [i128], Option<&'a NullBuffer>),
    Same(i128),
}

/// Computes `left op right` as decimals of type `target`, if all values are narrow.
pub(super) fn compute(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    target: &DataType,
) -> Option<ColumnarValue> {
    let DataType::Decimal128(precision, scale) = target else { return None };
    let wanted = if op == Op::Multiply { None } else { Some(*scale) };
    let (left, left_scale) = side(left, wanted)?;
    let (right, right_scale) = side(right, wanted)?;
    let results = match op {
        Op::Add => Results::of(&left, &right, |left, right| left + right),
        Op::Subtract => Results::of(&left, &right, |left, right| left - right),
        Op::Multiply if left_scale + right_scale == *scale => {
            Results::of(&left, &right, |left, right| left * right)
        }
        _ => None,
    }?;
    // Every number of fewer bits has fewer digits than the type.
    let bits = 128 - (10_i128.pow(u32::from(*precision)) - 1).leading_zeros();
    if 128 - results.magnitude.leading_zeros() >= bits {
        return None;
    }
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let array = Decimal128Array::try_new(results.values.into(), nulls).ok()?;
    let array = array.with_precision_and_scale(*precision, *scale).ok()?;
    Some(ColumnarValue::Array(Arc::new(array)))
}

/// Returns the values of a side and their scale, which is the one that is wanted.
fn side(value: &ColumnarValue, wanted: Option<i8>) -> Option<(Side<'_>, i8)> {
    match value {
        ColumnarValue::Array(array) => {
            let DataType::Decimal128(_, scale) = array.data_type() else { return None };
            if wanted.is_some_and(|wanted| wanted != *scale) {
                return None;
            }
            let array = array.as_primitive::<Decimal128Type>();
            Some((Side::Each(array.values(), array.nulls()), *scale))
        }
        ColumnarValue::Scalar(ScalarValue::Decimal128(Some(value), _, scale)) => {
            let up = wanted.map_or(0, |wanted| wanted - scale);
            let factor = 10_i128.checked_pow(u32::try_from(up).ok()?)?;
            Some((Side::Same(value.checked_mul(factor)?), *scale))
        }
        ColumnarValue::Scalar(_) => None,
    }
}

/// Rows that are computed at once, so that what is on the way stays in the nearest cache.
const CHUNK: usize = 256;

impl Side<'_> {
    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Each(_, nulls) => *nulls,
            Self::Same(_) => None,
        }
    }

    fn rows(&self) -> Option<usize> {
        match self {
            Self::Each(values, _) => Some(values.len()),
            Self::Same(_) => None,
        }
    }

    /// Puts the low halves of the values from row `start` on into `into`. Returns bits that are all
    /// zero if the high halves are no more than signs.
    #[expect(clippy::cast_possible_truncation, reason = "the caller looks at what is left out")]
    fn lows(&self, start: usize, into: &mut [i64]) -> i64 {
        match self {
            Self::Each(values, _) => {
                let mut left_out = 0;
                for (low, value) in into.iter_mut().zip(&values[start..]) {
                    *low = *value as i64;
                    left_out |= (value >> 64) as i64 ^ (*low >> 63);
                }
                left_out
            }
            Self::Same(value) => {
                let low = *value as i64;
                into.fill(low);
                (value >> 64) as i64 ^ (low >> 63)
            }
        }
    }
}

/// The results of a batch.
struct Results {
    values: Vec<i128>,
    /// The bits of the results, those of the complement where one is negative.
    magnitude: i128,
}

impl Results {
    /// Applies `op`, which no two numbers of 64 bits overflow; nothing if there are larger ones.
    fn of(left: &Side<'_>, right: &Side<'_>, op: impl Fn(i128, i128) -> i128) -> Option<Self> {
        let rows = left.rows().or(right.rows())?;
        let mut values = Vec::with_capacity(rows);
        let mut magnitude = 0;
        let (mut lows_left, mut lows_right) = ([0; CHUNK], [0; CHUNK]);
        let mut results = [0; CHUNK];
        for start in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - start);
            let left_out = left.lows(start, &mut lows_left[..count])
                | right.lows(start, &mut lows_right[..count]);
            if left_out != 0 {
                return None;
            }
            let lows = lows_left.iter().zip(&lows_right);
            for (result, (left, right)) in results[..count].iter_mut().zip(lows) {
                *result = op(i128::from(*left), i128::from(*right));
                magnitude |= *result ^ (*result >> 127);
            }
            values.extend_from_slice(&results[..count]);
        }
        Some(Self { values, magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimals(values: &[Option<i128>], precision: u8, scale: i8) -> ColumnarValue {
        let array = Decimal128Array::from(values.to_vec());
        ColumnarValue::Array(Arc::new(array.with_precision_and_scale(precision, scale).unwrap()))
    }

    fn check(
        op: Op,
        left: &ColumnarValue,
        right: &ColumnarValue,
        target: (u8, i8),
    ) -> Option<Vec<Option<i128>>> {
        match compute(op, left, right, &DataType::Decimal128(target.0, target.1))? {
            ColumnarValue::Array(array) => {
                Some(array.as_primitive::<Decimal128Type>().iter().collect())
            }
            ColumnarValue::Scalar(_) => None,
        }
    }

    #[test]
    fn computes_what_is_narrow() {
        let left = decimals(&[Some(1050), None, Some(-7)], 15, 2);
        let right = decimals(&[Some(5), Some(1), Some(i64::MAX.into())], 19, 2);
        let one = ColumnarValue::Scalar(ScalarValue::Decimal128(Some(1), 1, 0));
        assert_eq!(
            check(Op::Subtract, &one, &left, (16, 2)),
            Some(vec![Some(-950), None, Some(107)])
        );
        assert_eq!(
            check(Op::Multiply, &left, &right, (35, 4)),
            Some(vec![Some(5250), None, Some(-7 * i128::from(i64::MAX))])
        );
        assert_eq!(check(Op::Add, &left, &one, (16, 2)), Some(vec![Some(1150), None, Some(93)]));
    }

    #[test]
    fn leaves_the_rest_to_the_general_way() {
        let small = decimals(&[Some(99)], 2, 0);
        let large = decimals(&[Some(1 << 64)], 38, 0);
        let one = ColumnarValue::Scalar(ScalarValue::Decimal128(Some(1), 1, 0));
        assert_eq!(check(Op::Add, &large, &small, (38, 0)), None);
        assert_eq!(check(Op::Multiply, &small, &small, (3, 0)), None);
        assert_eq!(check(Op::Divide, &small, &small, (38, 20)), None);
        assert_eq!(check(Op::Add, &one, &one, (2, 0)), None);
        assert_eq!(check(Op::Add, &decimals(&[Some(1)], 5, 1), &small, (5, 1)), None);
    }
}
