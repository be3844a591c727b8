//! How a column is encoded: decided from a sample of its values, for speed first and size second.
//!
//! Parquet's writer is the bottleneck of an import. A dictionary pays only where values are few; a
//! number that is sorted, a key or of many values is packed as differences; statistics of text cost
//! a comparison per value and prune only where the text is a key or stands in order.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use super::dictionary::WIDEST_RANGE;
use super::integer_pages::{IntegerForm, Physical};
use super::texts::Texts;
use crate::types::SqlType;

/// How many values of a column are looked at.
pub(super) const SAMPLE: usize = 4096;

/// The most different values in a sample for which a dictionary is made.
const FEW_VALUES: usize = 1024;

/// The range of integers from which on differences are no narrower than the values, as in hashes.
const SCATTERED: u64 = 1 << 56;

/// A text that is longer on average is not compared for statistics.
const SHORT_TEXT: usize = 32;

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// What encodes it.
    pub(super) form: Form,
    /// Whether `parquet` keeps a dictionary of the values, where it encodes them.
    pub(super) dictionary: bool,
    /// Whether smallest and largest values of pages are kept.
    pub(super) statistics: bool,
}

/// What encodes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `IntegerPages` of 32 bits.
    Int32(IntegerForm),
    /// `IntegerPages` of 64 bits.
    Int64(IntegerForm),
    /// `TextPages`.
    Texts {
        /// Whether they are few.
        dictionary: bool,
    },
    /// The writer of `parquet`.
    Library,
}
/// Decides how a column is written, from its first rows and whether it is part of the key that rows
/// are sorted by.
pub(super) fn choose(sql_type: &SqlType, sample: &ArrayRef, key: bool) -> Choice {
    match sample.data_type() {
        DataType::Int16 | DataType::Int32 | DataType::Date32 => of_integers::<i32>(sample),
        DataType::Decimal128(..=9, _) => of_integers::<i32>(sample),
        DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(_, _) => {
            of_integers::<i64>(sample)
        }
        DataType::Decimal128(..=18, _) => of_integers::<i64>(sample),
        DataType::Utf8View | DataType::Binary => of_texts(sql_type, sample, key),
        data_type => {
            let nested = matches!(data_type, DataType::List(_));
            Choice {
                form: Form::Library,
                dictionary: !nested && *data_type != DataType::Boolean && are_few(sample),
                statistics: !nested && *sql_type != SqlType::Interval,
            }
        }
    }
}

fn of_integers<T: FormOf>(sample: &ArrayRef) -> Choice {
    let mut values = Vec::with_capacity(sample.len());
    T::gather(sample, &mut values);
    // A key that stands in order has runs of equal values at most: differences beat a dictionary.
    let sorted = values.len() > 1 && (values.is_sorted() || values.iter().rev().is_sorted());
    let total = values.len();
    values.sort_unstable();
    let range = match (values.first(), values.last()) {
        (Some(low), Some(high)) => high.above(*low),
        _ => 0,
    };
    values.dedup();
    let few = !sorted && total > 0 && values.len() <= FEW_VALUES && values.len() * 4 <= total;
    let form = if few && range < WIDEST_RANGE {
        T::form(IntegerForm::Dictionary)
    } else if few {
        Form::Library
    } else if range >= SCATTERED && !sorted {
        T::form(IntegerForm::Plain)
    } else {
        T::form(IntegerForm::Differences)
    };
    Choice { form, dictionary: few, statistics: true }
}

/// An integer whose pages have a form.
trait FormOf: Physical {
    fn form(form: IntegerForm) -> Form;
}

impl FormOf for i32 {
    fn form(form: IntegerForm) -> Form {
        Form::Int32(form)
    }
}

impl FormOf for i64 {
    fn form(form: IntegerForm) -> Form {
        Form::Int64(form)
    }
}

fn of_texts(sql_type: &SqlType, sample: &ArrayRef, key: bool) -> Choice {
    let texts = Texts::of(sample);
    let count = texts.views().len();
    let all = || (0..count).map(|index| texts.bytes(index));
    let distinct = all().collect::<HashSet<_>>().len();
    let few = distinct <= FEW_VALUES && distinct * 4 <= count;
    let short = all().map(<[u8]>::len).sum::<usize>() <= SHORT_TEXT * count;
    let ordered = count > 1 && (all().is_sorted() || all().rev().is_sorted());
    let statistics = key || (short && (ordered || (!few && *sql_type != SqlType::Jsonb)));
    Choice { form: Form::Texts { dictionary: few }, dictionary: few, statistics }
}

/// Returns whether a sample of another type has few values.
fn are_few(sample: &ArrayRef) -> bool {
    let data = sample.to_data();
    let width = match sample.data_type() {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        data_type => data_type.primitive_width(),
    };
    let (Some(width), Some(buffer)) = (width, data.buffers().first()) else { return false };
    let bytes = &buffer.as_slice()[data.offset() * width..];
    let rows = (0..sample.len()).filter(|row| sample.is_valid(*row));
    let distinct = rows.map(|row| &bytes[row * width..(row + 1) * width]).collect::<HashSet<_>>();
    let present = sample.len() - sample.null_count();
    distinct.len() <= FEW_VALUES && distinct.len() * 4 <= present
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};

    use super::*;

    #[track_caller]
    fn check(sql_type: SqlType, sample: ArrayRef, key: bool, expected: (Form, bool)) {
        let choice = choose(&sql_type, &sample, key);
        assert_eq!((choice.form, choice.statistics), expected);
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
        check(SqlType::STRING, sample, false, (Form::Texts { dictionary: true }, false));
    }

    #[test]
    fn long_texts_get_neither() {
        let sample = texts(|i| format!("{:050}", shuffled(i)));
        check(SqlType::STRING, sample, false, (Form::Texts { dictionary: false }, false));
    }

    #[test]
    fn short_texts_and_keys_get_statistics() {
        let short = texts(|i| format!("{:x}", shuffled(i)));
        check(SqlType::STRING, short, false, (Form::Texts { dictionary: false }, true));
        let key = texts(|i| format!("{i:050}"));
        check(SqlType::STRING, key, true, (Form::Texts { dictionary: false }, true));
    }

    #[test]
    fn keys_and_many_numbers_are_differences() {
        let key: ArrayRef = Arc::new(Int64Array::from_iter_values((0..4096).map(|i| i / 4)));
        check(SqlType::Int8, key, true, (Form::Int64(IntegerForm::Differences), true));
        let many = (0..4096).map(|i| (shuffled(i) >> 40) as i32);
        let many: ArrayRef = Arc::new(Int32Array::from_iter_values(many));
        check(SqlType::Int4, many, false, (Form::Int32(IntegerForm::Differences), true));
    }

    #[test]
    fn few_numbers_in_no_order_get_a_dictionary() {
        let few = |by: i32| -> ArrayRef {
            let values = (0..4096).map(move |i| (shuffled(i) >> 59) as i32 * by);
            Arc::new(Int32Array::from_iter_values(values))
        };
        check(SqlType::Int4, few(1), false, (Form::Int32(IntegerForm::Dictionary), true));
        check(SqlType::Int4, few(1 << 24), false, (Form::Library, true));
    }

    #[test]
    fn hashes_and_floats_stay_plain() {
        let hashes = Int64Array::from_iter_values((0..4096).map(|i| shuffled(i).cast_signed()));
        check(SqlType::Int8, Arc::new(hashes), false, (Form::Int64(IntegerForm::Plain), true));
        let floats = (0..4096).map(|i| f64::from((shuffled(i) >> 40) as i32));
        let floats = Float64Array::from_iter_values(floats);
        check(SqlType::Float8, Arc::new(floats), false, (Form::Library, true));
    }

    #[test]
    fn an_empty_sample_is_no_harm() {
        let sample: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        let form = Form::Int64(IntegerForm::Differences);
        check(SqlType::Int8, sample, true, (form, true));
    }
}
