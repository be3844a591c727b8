//! The smallest and largest value of a column: found, compared, and written into manifests.
//!
//! A pair is a tag (one byte), for decimals precision and scale (one byte each), then two values:
//! numbers little-endian in their width, booleans one byte, texts and bytes with their length (u32)
//! before them. docs/storage.md lists the tags.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float32Array,
    Float64Array, PrimitiveArray, StringViewArray, UInt32Array, make_comparator,
};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type,
    Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};

#[cfg(target_endian = "big")]
compile_error!("the files of Wharf are little-endian, and so must the machine be");

/// Width of UUIDs and intervals in bytes.
const FIXED_WIDTH: usize = 16;

/// Returns the smallest and largest value of `values` (length 2), or nothing if all are NULL or the
/// type has no order. Floating point NaN counts as largest.
pub(super) fn of_array(values: &ArrayRef) -> Option<ArrayRef> {
    let compare = make_comparator(values, values, SortOptions::default()).ok()?;
    let mut rows = (0..values.len()).filter(|row| values.is_valid(*row));
    let first = rows.next()?;
    let (mut low, mut high) = (first, first);
    for row in rows {
        if compare(row, low) == Ordering::Less {
            low = row;
        }
        if compare(row, high) == Ordering::Greater {
            high = row;
        }
    }
    let rows = UInt32Array::from(vec![u32::try_from(low).ok()?, u32::try_from(high).ok()?]);
    take(values, &rows, None).ok()
}

/// Returns how two single values compare, or nothing if they cannot be compared or one is NULL.
pub(super) fn compare(left: &ArrayRef, row: usize, right: &ArrayRef) -> Option<Ordering> {
    let right = if left.data_type() == right.data_type() {
        Arc::clone(right)
    } else {
        arrow::compute::cast(right, left.data_type()).ok()?
    };
    if row >= left.len() || right.is_empty() || left.is_null(row) || right.is_null(0) {
        return None;
    }
    let compare = make_comparator(left, &right, SortOptions::default()).ok()?;
    Some(compare(row, 0))
}

/// The running smallest and largest value of a floating point column: Parquet's own statistics
/// leave NaN out, which would prune rows that are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FloatBounds {
    range: Option<(f64, f64)>,
}

impl FloatBounds {
    /// Takes the values of a batch in.
    pub(super) fn add(&mut self, values: &ArrayRef) {
        if let Some(values) = values.as_primitive_opt::<Float64Type>() {
            values.iter().flatten().for_each(|value| self.add_value(value));
        } else if let Some(values) = values.as_primitive_opt::<Float32Type>() {
            values.iter().flatten().for_each(|value| self.add_value(f64::from(value)));
        }
    }

    fn add_value(&mut self, value: f64) {
        let (low, high) = self.range.get_or_insert((value, value));
        if value.total_cmp(low) == Ordering::Less {
            *low = value;
        }
        if value.total_cmp(high) == Ordering::Greater {
            *high = value;
        }
    }

    /// Returns the pair in the column's type. A zero bound takes the sign that includes both zeros.
    pub(super) fn finish(self, data_type: &DataType) -> Option<ArrayRef> {
        let (low, high) = self.range?;
        let low = if low == 0.0 { -0.0 } else { low };
        let high = if high == 0.0 { 0.0 } else { high };
        match data_type {
            #[expect(clippy::cast_possible_truncation, reason = "the values were f32 before")]
            DataType::Float32 => Some(Arc::new(Float32Array::from(vec![low as f32, high as f32]))),
            _ => Some(Arc::new(Float64Array::from(vec![low, high]))),
        }
    }
}

/// Returns whether a pair has a NaN in it.
pub(super) fn has_nan(range: &ArrayRef) -> bool {
    let mut bounds = FloatBounds::default();
    bounds.add(range);
    bounds.range.is_some_and(|(low, high)| low.is_nan() || high.is_nan())
}

/// Appends a pair to `out`; one of a type without tag appends nothing.
pub(super) fn encode(range: &ArrayRef, out: &mut Vec<u8>) {
    match range.data_type() {
        DataType::Boolean => {
            out.push(1);
            out.extend((0..2).map(|row| u8::from(range.as_boolean().value(row))));
        }
        DataType::Int16 => encode_numbers::<Int16Type>(2, &[], range, out),
        DataType::Int32 => encode_numbers::<Int32Type>(3, &[], range, out),
        DataType::Int64 => encode_numbers::<Int64Type>(4, &[], range, out),
        DataType::Float32 => encode_numbers::<Float32Type>(5, &[], range, out),
        DataType::Float64 => encode_numbers::<Float64Type>(6, &[], range, out),
        DataType::Decimal128(precision, scale) => {
            encode_numbers::<Decimal128Type>(7, &[*precision, scale.cast_unsigned()], range, out);
        }
        DataType::Decimal256(precision, scale) => {
            encode_numbers::<Decimal256Type>(8, &[*precision, scale.cast_unsigned()], range, out);
        }
        DataType::Utf8View => {
            out.push(9);
            for row in 0..2 {
                encode_bytes(range.as_string_view().value(row).as_bytes(), out);
            }
        }
        DataType::Binary => {
            out.push(10);
            for row in 0..2 {
                encode_bytes(range.as_binary::<i32>().value(row), out);
            }
        }
        DataType::FixedSizeBinary(16) => {
            out.push(11);
            for row in 0..2 {
                out.extend(range.as_fixed_size_binary().value(row));
            }
        }
        DataType::Date32 => encode_numbers::<Date32Type>(12, &[], range, out),
        DataType::Time64(TimeUnit::Microsecond) => {
            encode_numbers::<Time64MicrosecondType>(13, &[], range, out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            encode_numbers::<TimestampMicrosecondType>(14, &[], range, out);
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            encode_numbers::<TimestampMicrosecondType>(15, &[], range, out);
        }
        _ => {}
    }
}

fn encode_numbers<T: ArrowPrimitiveType>(
    tag: u8,
    scale: &[u8],
    range: &ArrayRef,
    out: &mut Vec<u8>,
) {
    out.push(tag);
    out.extend(scale);
    out.extend(range.as_primitive::<T>().values().inner().as_slice());
}

fn encode_bytes(value: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(value.len()).expect("statistics are short");
    out.extend(length.to_le_bytes());
    out.extend(value);
}

/// Returns the pair that `encode` wrote; nothing if the bytes are no pair.
pub(super) fn decode(bytes: &[u8]) -> Option<ArrayRef> {
    let (tag, rest) = bytes.split_first()?;
    Some(match tag {
        1 => Arc::new(BooleanArray::from(vec![*rest.first()? != 0, *rest.get(1)? != 0])),
        2 => decode_numbers::<Int16Type>(rest, None)?,
        3 => decode_numbers::<Int32Type>(rest, None)?,
        4 => decode_numbers::<Int64Type>(rest, None)?,
        5 => decode_numbers::<Float32Type>(rest, None)?,
        6 => decode_numbers::<Float64Type>(rest, None)?,
        7 | 8 => {
            let (precision, scale) = (*rest.first()?, rest.get(1)?.cast_signed());
            if *tag == 7 {
                let data_type = DataType::Decimal128(precision, scale);
                decode_numbers::<Decimal128Type>(&rest[2..], Some(data_type))?
            } else {
                let data_type = DataType::Decimal256(precision, scale);
                decode_numbers::<Decimal256Type>(&rest[2..], Some(data_type))?
            }
        }
        9 => {
            let (low, high) = decode_bytes(rest)?;
            let values = [std::str::from_utf8(low).ok()?, std::str::from_utf8(high).ok()?];
            Arc::new(StringViewArray::from_iter_values(values))
        }
        10 => {
            let (low, high) = decode_bytes(rest)?;
            Arc::new(BinaryArray::from_iter_values([low, high]))
        }
        11 => {
            let values = rest.chunks_exact(FIXED_WIDTH);
            Arc::new(FixedSizeBinaryArray::try_from_iter(values).ok().filter(|a| a.len() == 2)?)
        }
        12 => decode_numbers::<Date32Type>(rest, None)?,
        13 => decode_numbers::<Time64MicrosecondType>(rest, None)?,
        14 => decode_numbers::<TimestampMicrosecondType>(rest, None)?,
        15 => {
            let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            decode_numbers::<TimestampMicrosecondType>(rest, Some(data_type))?
        }
        _ => return None,
    })
}

fn decode_numbers<T: ArrowPrimitiveType>(
    bytes: &[u8],
    data_type: Option<DataType>,
) -> Option<ArrayRef> {
    if bytes.len() != 2 * size_of::<T::Native>() {
        return None;
    }
    let values = ScalarBuffer::<T::Native>::new(Buffer::from(bytes), 0, 2);
    let array = PrimitiveArray::<T>::new(values, None);
    Some(match data_type {
        Some(data_type) => Arc::new(array.with_data_type(data_type)),
        None => Arc::new(array),
    })
}

fn decode_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (low, rest) = decode_one(bytes)?;
    let (high, rest) = decode_one(rest)?;
    rest.is_empty().then_some((low, high))
}

fn decode_one(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Decimal256Array, Int64Array, TimestampMicrosecondArray};
    use arrow::datatypes::i256;

    use super::*;

    fn check(values: ArrayRef) {
        let range = of_array(&values).unwrap();
        let mut bytes = Vec::new();
        encode(&range, &mut bytes);
        let read = decode(&bytes).unwrap();
        assert_eq!(&read, &range);
        assert_eq!(compare(&read, 0, &read.slice(1, 1)), Some(Ordering::Less));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn pairs_of_every_type_are_read_back() {
        check(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
        check(Arc::new(PrimitiveArray::<Int16Type>::from(vec![3, -4])));
        check(Arc::new(PrimitiveArray::<Int32Type>::from(vec![3, -4])));
        check(Arc::new(Int64Array::from(vec![3, 9, -4])));
        check(Arc::new(Float32Array::from(vec![3.5, f32::NAN])));
        check(Arc::new(Float64Array::from(vec![3.5, -1.0])));
        let decimals = Decimal128Array::from(vec![5, 7]).with_precision_and_scale(9, 2).unwrap();
        check(Arc::new(decimals));
        let decimals = Decimal256Array::from(vec![i256::MINUS_ONE, i256::ONE]);
        check(Arc::new(decimals.with_precision_and_scale(76, 20).unwrap()));
        check(Arc::new(StringViewArray::from_iter_values(["", "a long text, above twelve"])));
        check(Arc::new(BinaryArray::from_iter_values([b"b", b"a"])));
        let fixed = [[1u8; 16], [0u8; 16]];
        check(Arc::new(FixedSizeBinaryArray::try_from_iter(fixed.iter()).unwrap()));
        check(Arc::new(PrimitiveArray::<Date32Type>::from(vec![3, -4])));
        check(Arc::new(PrimitiveArray::<Time64MicrosecondType>::from(vec![3, 4])));
        check(Arc::new(TimestampMicrosecondArray::from(vec![3, 4])));
        check(Arc::new(TimestampMicrosecondArray::from(vec![3, 4]).with_timezone("UTC")));
    }

    #[test]
    fn nothing_but_nulls_has_no_range() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
        assert!(of_array(&values).is_none());
    }

    #[test]
    fn nan_and_zeros_stay_inside_float_bounds() {
        let mut bounds = FloatBounds::default();
        let values: ArrayRef = Arc::new(Float64Array::from(vec![0.0, f64::NAN]));
        bounds.add(&values);
        let range = bounds.finish(&DataType::Float64).unwrap();
        assert!(has_nan(&range));
        assert!(range.as_primitive::<Float64Type>().value(0).is_sign_negative());
    }
}
