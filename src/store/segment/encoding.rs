//! How a column is encoded: decided from a sample of its values, for speed first and size second.
//!
//! Parquet's writer is the bottleneck of an import. A dictionary pays only where values are few; a
//! number that is sorted, a key or of many values is packed as differences; statistics of text cost
//! a comparison per value and prune only where the text is a key or stands in order.

use std::cmp::Ordering;
use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use parquet::basic::Encoding;

use crate::types::SqlType;

/// How many values of a column are looked at.
pub(super) const SAMPLE: usize = 4096;

/// The most different values in a sample for which a dictionary is made.
const FEW_VALUES: usize = 1024;

/// A text that is longer on average is not compared for statistics.
const SHORT_TEXT: usize = 32;

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Whether a dictionary of the values is kept.
    pub(super) dictionary: bool,
    /// The encoding of values outside a dictionary.
    pub(super) encoding: Encoding,
    /// Whether smallest and largest values of chunks and pages are kept.
    pub(super) statistics: bool,
}

/// Decides how a column is written, from `sample` (at most `SAMPLE` values in order) and whether it
/// is part of the key that rows are sorted by.
pub(super) fn choose(sql_type: &SqlType, sample: &ArrayRef, key: bool) -> Choice {
    let sorted = is_sorted(sample);
    let text = matches!(sample.data_type(), DataType::Utf8View | DataType::Binary);
    let nested = matches!(sample.data_type(), DataType::List(_));
    let comparable = !nested && !matches!(sql_type, SqlType::Interval);
    let distinct = if nested { usize::MAX } else { distinct_values(sample) };
    let present = sample.len() - sample.null_count();
    // A key that stands in order has runs of equal values at most: differences beat a dictionary.
    let few = distinct <= FEW_VALUES && distinct.saturating_mul(4) <= present;
    let dictionary = few && !(sorted && packs(sample)) && *sample.data_type() != DataType::Boolean;
    let statistics = comparable
        && (!text || key || (sorted && average_length(sample) <= SHORT_TEXT) || {
            !few && average_length(sample) <= SHORT_TEXT && *sql_type != SqlType::Jsonb
        });
    Choice { dictionary, encoding: plain_or_packed(sample), statistics }
}

/// Returns the encoding of values outside a dictionary.
fn plain_or_packed(sample: &ArrayRef) -> Encoding {
    match sample.data_type() {
        DataType::Utf8View | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        _ if packs(sample) && !is_scattered(sample) => Encoding::DELTA_BINARY_PACKED,
        _ => Encoding::PLAIN,
    }
}

/// Returns whether Parquet holds the type as 32- or 64-bit integers.
fn packs(sample: &ArrayRef) -> bool {
    match sample.data_type() {
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 => true,
        DataType::Time64(_) | DataType::Timestamp(_, _) => true,
        DataType::Decimal128(precision, _) => *precision <= 18,
        _ => false,
    }
}

/// Returns whether differences between neighbours are too wide for packing to gain anything, as in
/// hashes.
fn is_scattered(sample: &ArrayRef) -> bool {
    let wide = match sample.data_type() {
        DataType::Decimal128(_, _) => sample
            .as_primitive::<Decimal128Type>()
            .iter()
            .flatten()
            .any(|value| value.unsigned_abs() >= 1 << 56),
        DataType::Int64 => sample
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .any(|value| value.unsigned_abs() >= 1 << 56),
        _ => false,
    };
    wide && !is_sorted(sample)
}

/// Returns whether the values that are not NULL stand in ascending or descending order.
fn is_sorted(sample: &ArrayRef) -> bool {
    let Ok(compare) = make_comparator(sample, sample, SortOptions::default()) else { return false };
    let rows: Vec<usize> = (0..sample.len()).filter(|row| sample.is_valid(*row)).collect();
    let never = |order| !rows.windows(2).any(|pair| compare(pair[0], pair[1]) == order);
    rows.len() > 1 && (never(Ordering::Greater) || never(Ordering::Less))
}

/// Returns how many different values a sample has, NULL aside.
fn distinct_values(sample: &ArrayRef) -> usize {
    let rows = (0..sample.len()).filter(|row| sample.is_valid(*row));
    match sample.data_type() {
        DataType::Utf8View => {
            let values = sample.as_string_view();
            rows.map(|row| values.value(row)).collect::<HashSet<_>>().len()
        }
        DataType::Binary => {
            let values = sample.as_binary::<i32>();
            rows.map(|row| values.value(row)).collect::<HashSet<_>>().len()
        }
        DataType::FixedSizeBinary(_) => {
            let values = sample.as_fixed_size_binary();
            rows.map(|row| values.value(row)).collect::<HashSet<_>>().len()
        }
        data_type => match (data_type.primitive_width(), sample.to_data().buffers().first()) {
            (Some(width), Some(buffer)) => {
                let start = sample.to_data().offset() * width;
                let bytes = &buffer.as_slice()[start..];
                let value = |row: usize| &bytes[row * width..(row + 1) * width];
                rows.map(value).collect::<HashSet<_>>().len()
            }
            _ => 2,
        },
    }
}

/// Returns the average length in bytes of texts.
fn average_length(sample: &ArrayRef) -> usize {
    let present = (sample.len() - sample.null_count()).max(1);
    let bytes: usize = match sample.data_type() {
        DataType::Utf8View => sample.as_string_view().iter().flatten().map(str::len).sum(),
        DataType::Binary => sample.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum(),
        _ => 0,
    };
    bytes / present
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};

    use super::*;

    fn check(sql_type: SqlType, sample: ArrayRef, key: bool, expected: (bool, Encoding, bool)) {
        let choice = choose(&sql_type, &sample, key);
        assert_eq!((choice.dictionary, choice.encoding, choice.statistics), expected);
    }

    fn texts(make: impl Fn(usize) -> String) -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values((0..SAMPLE).map(make)))
    }

    /// Returns numbers in no order.
    fn shuffled(i: usize) -> u64 {
        (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn few_texts_get_a_dictionary_and_no_statistics() {
        let sample = texts(|i| ["MAIL", "SHIP", "AIR"][i % 3].to_owned());
        check(SqlType::STRING, sample, false, (true, Encoding::DELTA_LENGTH_BYTE_ARRAY, false));
    }

    #[test]
    fn long_texts_get_neither() {
        let sample = texts(|i| format!("{:050}", shuffled(i)));
        check(SqlType::STRING, sample, false, (false, Encoding::DELTA_LENGTH_BYTE_ARRAY, false));
    }

    #[test]
    fn short_texts_and_keys_get_statistics() {
        let short = texts(|i| format!("{:x}", shuffled(i)));
        check(SqlType::STRING, short, false, (false, Encoding::DELTA_LENGTH_BYTE_ARRAY, true));
        let key = texts(|i| format!("{i:050}"));
        check(SqlType::STRING, key, true, (false, Encoding::DELTA_LENGTH_BYTE_ARRAY, true));
    }

    #[test]
    fn keys_and_many_numbers_are_packed() {
        let key: ArrayRef = Arc::new(Int64Array::from_iter_values((0..4096).map(|i| i / 4)));
        check(SqlType::Int8, key, true, (false, Encoding::DELTA_BINARY_PACKED, true));
        let many = (0..4096).map(|i| (shuffled(i) >> 40) as i32);
        let many: ArrayRef = Arc::new(Int32Array::from_iter_values(many));
        check(SqlType::Int4, many, false, (false, Encoding::DELTA_BINARY_PACKED, true));
    }

    #[test]
    fn few_numbers_in_no_order_get_a_dictionary() {
        let few = (0..4096).map(|i| (shuffled(i) >> 59) as i32);
        let few: ArrayRef = Arc::new(Int32Array::from_iter_values(few));
        check(SqlType::Int4, few, false, (true, Encoding::DELTA_BINARY_PACKED, true));
    }

    #[test]
    fn hashes_and_floats_stay_plain() {
        let hashes = Int64Array::from_iter_values((0..4096).map(|i| shuffled(i).cast_signed()));
        check(SqlType::Int8, Arc::new(hashes), false, (false, Encoding::PLAIN, true));
        let floats = (0..4096).map(|i| f64::from((shuffled(i) >> 40) as i32));
        let floats = Float64Array::from_iter_values(floats);
        check(SqlType::Float8, Arc::new(floats), false, (false, Encoding::PLAIN, true));
    }

    #[test]
    fn an_empty_sample_is_no_harm() {
        let sample: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        assert_eq!(choose(&SqlType::Int8, &sample, true).encoding, Encoding::DELTA_BINARY_PACKED);
    }
}
