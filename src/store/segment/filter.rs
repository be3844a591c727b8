//! Conditions that rows meet exactly, tried on columns as they are decoded: a row that is not wanted
//! is never widened, copied or, where few are, decoded in its other columns.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal64Type, Decimal128Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use crate::catalog::ColumnId;

/// A condition `low <= column <= high` on a column of integers, decimals, dates or times, by the
/// integers that stand for its values in storage form. No NULL meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnFilter {
    /// The column.
    pub column: ColumnId,
    /// The lower bound, included.
    pub low: i128,
    /// The upper bound, included.
    pub high: i128,
}

/// Returns which of `values` lie between `low` and `high`. `storage` is the column's type today.
pub(super) fn within(
    values: &ArrayRef,
    storage: &DataType,
    low: i128,
    high: i128,
) -> Result<BooleanBuffer, ArrowError> {
    let same = values.data_type() == storage || narrowed(values.data_type(), storage);
    let values = if same { values } else { &cast(values, storage)? };
    Ok(match values.data_type() {
        DataType::Int16 => between(values.as_primitive::<Int16Type>(), low, high),
        DataType::Int32 => between(values.as_primitive::<Int32Type>(), low, high),
        DataType::Int64 => between(values.as_primitive::<Int64Type>(), low, high),
        DataType::Date32 => between(values.as_primitive::<Date32Type>(), low, high),
        DataType::Decimal64(..) => between(values.as_primitive::<Decimal64Type>(), low, high),
        DataType::Decimal128(..) => between(values.as_primitive::<Decimal128Type>(), low, high),
        DataType::Time64(TimeUnit::Microsecond) => {
            between(values.as_primitive::<Time64MicrosecondType>(), low, high)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            between(values.as_primitive::<TimestampMicrosecondType>(), low, high)
        }
        other => {
            return Err(ArrowError::InvalidArgumentError(format!("a condition on {other}")));
        }
    })
}

/// Returns whether values of type `narrow` stand for those of type `wide` in fewer bits.
pub(super) fn narrowed(narrow: &DataType, wide: &DataType) -> bool {
    match (narrow, wide) {
        (DataType::Decimal64(_, narrow), DataType::Decimal128(_, wide)) => narrow == wide,
        _ => false,
    }
}

fn between<T>(values: &PrimitiveArray<T>, low: i128, high: i128) -> BooleanBuffer
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128> + Ord,
{
    let nothing = || BooleanBuffer::new_unset(values.len());
    // A bound that the type does not hold is below or above all of its values.
    let low = match (T::Native::try_from(low), low > 0) {
        (Ok(low), _) => Some(low),
        (Err(_), true) => return nothing(),
        (Err(_), false) => None,
    };
    let high = match (T::Native::try_from(high), high < 0) {
        (Ok(high), _) => Some(high),
        (Err(_), true) => return nothing(),
        (Err(_), false) => None,
    };
    let found = match (low, high) {
        (Some(low), Some(high)) => bits(values.values(), |value| value >= low && value <= high),
        (Some(low), None) => bits(values.values(), |value| value >= low),
        (None, Some(high)) => bits(values.values(), |value| value <= high),
        (None, None) => BooleanBuffer::new_set(values.len()),
    };
    match values.nulls() {
        Some(nulls) => &found & nulls.inner(),
        None => found,
    }
}

/// Returns a bit for each value.
#[inline]
fn bits<V: Copy>(values: &[V], test: impl Fn(V) -> bool) -> BooleanBuffer {
    let word = |chunk: &[V]| {
        let pairs = chunk.iter().enumerate();
        pairs.fold(0, |word, (place, value)| word | u64::from(test(*value)) << place)
    };
    let (chunks, rest) = values.as_chunks::<64>();
    let mut words: Vec<u64> = Vec::with_capacity(chunks.len() + 1);
    words.extend(chunks.iter().map(|chunk| word(chunk)));
    words.push(word(rest));
    BooleanBuffer::new(words.into(), 0, values.len())
}

/// Appends those of `rows` whose bits in `mask` are set to `into`, which ends before them.
pub(super) fn select(rows: &[Range<u64>], mask: &BooleanBuffer, into: &mut Vec<Range<u64>>) {
    let mut slices = mask.set_slices();
    let mut slice = slices.next();
    let mut place = 0;
    for range in rows {
        let end = place + range.end - range.start;
        while let Some((from, to)) = slice {
            let (from, to) = (from as u64, to as u64);
            if from >= end {
                break;
            }
            let start = range.start + from.max(place) - place;
            let stop = range.start + to.min(end) - place;
            match into.last_mut() {
                Some(last) if last.end == start => last.end = stop,
                _ => into.push(start..stop),
            }
            if to > end {
                break;
            }
            slice = slices.next();
        }
        place = end;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal64Array, Decimal128Array, Int16Array};

    use super::*;

    fn check(values: ArrayRef, storage: &DataType, bounds: (i128, i128), expected: &[usize]) {
        let found = within(&values, storage, bounds.0, bounds.1).unwrap();
        assert_eq!(found.set_indices().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn finds_values_between_bounds() {
        let many: ArrayRef = Arc::new((0..100).map(Some).collect::<Int16Array>());
        check(Arc::clone(&many), &DataType::Int16, (62, 65), &[62, 63, 64, 65]);
        check(Arc::clone(&many), &DataType::Int16, (98, i128::MAX), &[98, 99]);
        check(Arc::clone(&many), &DataType::Int16, (1 << 20, i128::MAX), &[]);
        check(Arc::clone(&many), &DataType::Int16, (i128::MIN, -(1 << 20)), &[]);
        check(many, &DataType::Int64, (i128::MIN, 1), &[0, 1]);
        let some: ArrayRef = Arc::new(Int16Array::from(vec![Some(1), None, Some(2)]));
        check(some, &DataType::Int16, (0, 5), &[0, 2]);
    }

    #[test]
    fn compares_narrowed_decimals_as_they_are() {
        let values = Decimal64Array::from(vec![150, 250]).with_precision_and_scale(10, 2).unwrap();
        check(Arc::new(values), &DataType::Decimal128(12, 2), (200, 300), &[1]);
        let values = Decimal128Array::from(vec![15, 25]).with_precision_and_scale(10, 1).unwrap();
        check(Arc::new(values), &DataType::Decimal128(12, 2), (200, 300), &[1]);
    }

    #[test]
    fn selects_rows_by_their_bits() {
        let check = |rows: &[(u64, u64)], bits: &[usize], expected: &[(u64, u64)]| {
            let rows: Vec<Range<u64>> = rows.iter().map(|(start, end)| *start..*end).collect();
            let mask = BooleanBuffer::collect_bool(8, |bit| bits.contains(&bit));
            let mut found = Vec::new();
            select(&rows, &mask, &mut found);
            let found: Vec<_> = found.iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(found, expected, "{bits:?}");
        };
        let expected = [(10, 11), (13, 14), (20, 21), (23, 24)];
        check(&[(10, 14), (20, 24)], &[0, 3, 4, 7], &expected);
        check(&[(10, 14), (14, 18)], &[2, 3, 4, 5], &[(12, 16)]);
        let expected = [(11, 12), (20, 21), (30, 32)];
        check(&[(10, 12), (20, 21), (30, 35)], &[1, 2, 3, 4], &expected);
        check(&[(10, 18)], &[], &[]);
        check(&[(10, 18)], &[0, 1, 2, 3, 4, 5, 6, 7], &[(10, 18)]);
    }
}
