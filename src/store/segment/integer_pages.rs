//! Pages of integers, and of what Parquet holds as integers: dates, moments, decimals of up to 18
//! digits.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;

use super::column_chunk::{EncodedPage, PageEncoder};
use super::dictionary::IntegerDictionary;
use super::packing::{Integer, append_differences, append_hybrid, width_of};

/// An integer that Parquet has a physical type for.
pub(super) trait Physical: Integer + Send + 'static {
    /// Appends the values of an array that are not NULL.
    fn gather(values: &ArrayRef, out: &mut Vec<Self>);
    /// Returns the statistics of a chunk.
    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics;
}

impl Physical for i32 {
    fn gather(values: &ArrayRef, out: &mut Vec<Self>) {
        let nulls = values.nulls();
        match values.data_type() {
            DataType::Int16 => {
                append(values.as_primitive::<Int16Type>().values(), nulls, out, i32::from);
            }
            DataType::Date32 => {
                append(values.as_primitive::<Date32Type>().values(), nulls, out, |value| value);
            }
            DataType::Decimal128(_, _) => {
                append(values.as_primitive::<Decimal128Type>().values(), nulls, out, |value| {
                    i32::try_from(value).unwrap_or(i32::MAX)
                });
            }
            _ => append(values.as_primitive::<Int32Type>().values(), nulls, out, |value| value),
        }
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        Statistics::int32(bounds.map(|b| b.0), bounds.map(|b| b.1), None, Some(nulls), false)
    }
}

impl Physical for i64 {
    fn gather(values: &ArrayRef, out: &mut Vec<Self>) {
        let nulls = values.nulls();
        match values.data_type() {
            DataType::Time64(_) => {
                let values = values.as_primitive::<Time64MicrosecondType>().values();
                append(values, nulls, out, |value| value);
            }
            DataType::Timestamp(_, _) => {
                let values = values.as_primitive::<TimestampMicrosecondType>().values();
                append(values, nulls, out, |value| value);
            }
            DataType::Decimal128(_, _) => {
                append(values.as_primitive::<Decimal128Type>().values(), nulls, out, |value| {
                    i64::try_from(value).unwrap_or(i64::MAX)
                });
            }
            _ => append(values.as_primitive::<Int64Type>().values(), nulls, out, |value| value),
        }
    }

    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
        Statistics::int64(bounds.map(|b| b.0), bounds.map(|b| b.1), None, Some(nulls), false)
    }
}

fn append<V: Copy, T>(
    values: &[V],
    nulls: Option<&NullBuffer>,
    out: &mut Vec<T>,
    convert: impl Fn(V) -> T,
) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => out.extend(nulls.valid_indices().map(|index| convert(values[index]))),
        None => out.extend(values.iter().map(|value| convert(*value))),
    }
}

/// How integers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerForm {
    /// By their place in a dictionary, as long as there are few.
    Dictionary,
    /// As differences.
    Differences,
    /// As they are.
    Plain,
}

/// Encodes pages of integers.
pub(super) struct IntegerPages<T> {
    form: IntegerForm,
    dictionary: IntegerDictionary<T>,
    bounds: Option<(T, T)>,
    /// The values of the page in hand.
    values: Vec<T>,
    codes: Vec<u32>,
}

impl<T: Physical> IntegerPages<T> {
    pub(super) fn new(form: IntegerForm) -> Self {
        let dictionary = IntegerDictionary::new();
        Self { form, dictionary, bounds: None, values: Vec::new(), codes: Vec::new() }
    }

    /// Appends the page by the dictionary; returns `false` if its values are too many.
    fn append_codes(&mut self, bounds: (T, T), body: &mut Vec<u8>) -> bool {
        self.codes.clear();
        if !self.dictionary.encode(&self.values, bounds, &mut self.codes) {
            return false;
        }
        append_codes(&mut self.codes, self.dictionary.values.len(), body);
        true
    }
}

/// Appends codes with their width before them, as data pages have them; `count` is the size of the
/// dictionary.
pub(super) fn append_codes(codes: &mut Vec<u32>, count: usize, body: &mut Vec<u8>) {
    let width = width_of(count.saturating_sub(1) as u64);
    body.push(u8::try_from(width).unwrap_or(u8::MAX));
    append_hybrid(codes, width, body);
}

impl<T: Physical> PageEncoder for IntegerPages<T> {
    fn encode(&mut self, pieces: &[ArrayRef], _bounds: bool, body: &mut Vec<u8>) -> EncodedPage {
        self.values.clear();
        for piece in pieces {
            T::gather(piece, &mut self.values);
        }
        let low = self.values.iter().copied().min();
        let bounds = low.zip(self.values.iter().copied().max());
        if let Some((low, high)) = bounds {
            let all = self.bounds.get_or_insert((low, high));
            *all = (all.0.min(low), all.1.max(high));
        }
        let by_dictionary = match bounds {
            Some(bounds) if self.form == IntegerForm::Dictionary => {
                let encoded = self.append_codes(bounds, body);
                if !encoded {
                    self.form = IntegerForm::Differences;
                }
                encoded
            }
            // A page of NULLs alone needs no dictionary, and there may be none.
            _ => false,
        };
        let encoding = match self.form {
            IntegerForm::Dictionary if by_dictionary => Encoding::RLE_DICTIONARY,
            IntegerForm::Dictionary | IntegerForm::Differences => {
                append_differences(&self.values, body);
                Encoding::DELTA_BINARY_PACKED
            }
            IntegerForm::Plain => {
                for value in &self.values {
                    value.append(body);
                }
                Encoding::PLAIN
            }
        };
        let bytes = |value: T| {
            let mut out = Vec::with_capacity(size_of::<T>());
            value.append(&mut out);
            out
        };
        EncodedPage { encoding, bounds: bounds.map(|(low, high)| (bytes(low), bytes(high))) }
    }

    fn dictionary(&self) -> Option<(Vec<u8>, usize)> {
        let values = &self.dictionary.values;
        let mut bytes = Vec::with_capacity(size_of_val(values.as_slice()));
        for value in values {
            value.append(&mut bytes);
        }
        (!values.is_empty()).then_some((bytes, values.len()))
    }

    fn statistics(&self, nulls: u64) -> Option<Statistics> {
        Some(T::statistics(self.bounds, nulls))
    }
}
