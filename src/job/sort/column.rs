//! The values of one column while rows are sorted: plain vectors that grow by copying, are read in any
//! order, and go to Arrow arrays or to blocks of runs.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BinaryBuilder, BooleanArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::SortOptions;
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::row::{RowConverter, SortField};

use super::pack::{ordered_f32, ordered_f64};
use super::text::Texts;
use super::word::{self, Word};
use crate::error::{Error, Result};
use crate::job::key::arrow_error;

/// Decimals of so many digits fit eight bytes.
const LONG_DIGITS: u8 = 18;

/// The values of one column.
pub(crate) struct Column {
    data_type: DataType,
    /// Whether each row has a value; empty while all have.
    valid: Vec<bool>,
    values: Values,
    rows: usize,
}

/// The values by themselves; those of NULL mean nothing.
pub(super) enum Values {
    Byte(Vec<i8>),
    Short(Vec<i16>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Wide(Vec<i128>),
    Text(Texts),
    /// Any other type, as the bytes of `arrow::row`.
    Other(RowConverter, Texts),
}

macro_rules! each {
    ($values:expr, $words:ident => $body:expr, $texts:ident => $text_body:expr) => {
        match $values {
            Values::Byte($words) => $body,
            Values::Short($words) => $body,
            Values::Int($words) => $body,
            Values::Long($words) => $body,
            Values::Wide($words) => $body,
            Values::Text($texts) | Values::Other(_, $texts) => $text_body,
        }
    };
}

impl Column {
    /// Returns an empty column of a type of segments.
    pub(crate) fn new(data_type: &DataType) -> Result<Self> {
        let values = match data_type {
            DataType::Boolean => Values::Byte(Vec::new()),
            DataType::Int16 => Values::Short(Vec::new()),
            DataType::Int32 | DataType::Date32 | DataType::Float32 => Values::Int(Vec::new()),
            DataType::Int64 | DataType::Float64 | DataType::Time64(_) | DataType::Timestamp(..) => {
                Values::Long(Vec::new())
            }
            DataType::Decimal128(digits, _) if *digits <= LONG_DIGITS => Values::Long(Vec::new()),
            DataType::Decimal128(..) | DataType::FixedSizeBinary(16) => Values::Wide(Vec::new()),
            DataType::Utf8View | DataType::Binary => Values::Text(Texts::default()),
            other => {
                // NULL within a value comes last, as in keys.
                let options = SortOptions { descending: false, nulls_first: false };
                let field = SortField::new_with_options(other.clone(), options);
                let converter = RowConverter::new(vec![field]).map_err(arrow_error)?;
                Values::Other(converter, Texts::default())
            }
        };
        Ok(Self { data_type: data_type.clone(), valid: Vec::new(), values, rows: 0 })
    }

    /// Returns the type of the column.
    pub(crate) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Returns how many rows it holds.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the values.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Returns the texts of a column of texts.
    pub(super) fn texts(&self) -> Option<&Texts> {
        match &self.values {
            Values::Text(texts) | Values::Other(_, texts) => Some(texts),
            _ => None,
        }
    }

    /// Returns whether each row has a value; empty if all have.
    pub(super) fn valid(&self) -> &[bool] {
        &self.valid
    }

    /// Makes ready to be gathered: nothing is appended until `clear`.
    pub(crate) fn freeze(&mut self) {
        each!(&mut self.values, _words => {}, texts => texts.freeze());
    }

    /// Removes all rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.valid.clear();
        each!(&mut self.values, words => words.clear(), texts => texts.clear());
    }

    /// Makes room for rows of about `text` bytes of long text each.
    pub(crate) fn reserve(&mut self, rows: usize, text: usize) {
        each!(&mut self.values, words => words.reserve(rows), texts => texts.reserve(rows, text));
    }

    /// Returns the bytes that its rows take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let values =
            each!(&self.values, words => size_of_val(words.as_slice()), texts => texts.bytes());
        values + self.valid.len()
    }

    /// Returns the bytes of long text that it holds.
    pub(crate) fn text_bytes(&self) -> usize {
        each!(&self.values, _words => 0, texts => texts.heap_bytes())
    }

    /// Appends the rows of an array of the column's type.
    pub(crate) fn append(&mut self, array: &ArrayRef) -> Result {
        self.append_valid(array.nulls(), array.len());
        match &mut self.values {
            Values::Byte(values) => {
                values.extend(array.as_boolean().values().iter().map(i8::from));
            }
            Values::Short(values) => append_native(array, values),
            Values::Int(values) => append_native(array, values),
            Values::Long(values) if matches!(self.data_type, DataType::Decimal128(..)) => {
                let wide = array.as_primitive::<arrow::datatypes::Decimal128Type>();
                values.extend(wide.values().iter().map(|value| i64::cut(*value)));
            }
            Values::Long(values) => append_native(array, values),
            Values::Wide(values) => match array.as_fixed_size_binary_opt() {
                Some(binary) => {
                    let chunks = binary.value_data()[..16 * binary.len()].as_chunks::<16>().0;
                    values.extend(chunks.iter().map(|bytes| i128::from_le_bytes(*bytes)));
                }
                None => append_native(array, values),
            },
            Values::Text(texts) => match array.as_binary_opt::<i32>() {
                Some(binary) => {
                    let bytes = |row| if binary.is_null(row) { b"" } else { binary.value(row) };
                    (0..array.len()).for_each(|row| texts.push(bytes(row)));
                }
                None => texts.append_views(array.as_string_view()),
            },
            Values::Other(converter, texts) => {
                let rows =
                    converter.convert_columns(std::slice::from_ref(array)).map_err(arrow_error)?;
                rows.iter().for_each(|row| texts.push(row.data()));
            }
        }
        self.rows += array.len();
        Ok(())
    }

    /// Appends numbers, as their distances from the lowest; none is NULL.
    pub(super) fn extend_numbers(
        &mut self,
        low: i128,
        distances: impl ExactSizeIterator<Item = u64>,
    ) {
        let count = distances.len();
        match &mut self.values {
            Values::Byte(values) => values.extend(distances.map(|far| i8::cut(low).plus(far))),
            Values::Short(values) => values.extend(distances.map(|far| i16::cut(low).plus(far))),
            Values::Int(values) => values.extend(distances.map(|far| i32::cut(low).plus(far))),
            Values::Long(values) => values.extend(distances.map(|far| i64::cut(low).plus(far))),
            Values::Wide(values) => values.extend(distances.map(|far| low.plus(far))),
            Values::Text(_) | Values::Other(..) => debug_assert!(false, "a column of numbers"),
        }
        self.append_valid(None, count);
        self.rows += count;
    }

    /// Says which of the rows appended last have values.
    pub(super) fn set_valid(&mut self, valid: impl ExactSizeIterator<Item = bool>) {
        self.valid.resize(self.rows - valid.len(), true);
        self.valid.extend(valid);
    }

    fn append_valid(&mut self, nulls: Option<&NullBuffer>, count: usize) {
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => {
                self.valid.resize(self.rows, true);
                self.valid.extend(nulls.iter());
            }
            None if !self.valid.is_empty() => self.valid.resize(self.rows + count, true),
            None => {}
        }
    }

    /// Appends the form of the rows `order`, for a block of a run.
    pub(super) fn put(&self, order: &[u32], out: &mut Vec<u8>) {
        let has_null = !self.valid.is_empty() && order.iter().any(|row| self.is_null(*row));
        out.push(u8::from(has_null));
        if has_null {
            out.extend(order.iter().map(|row| u8::from(self.is_null(*row))));
        }
        each!(&self.values, words => word::put(&gathered(words, order), out),
            texts => texts.put(order, out));
    }

    /// Appends the rows `rows` of a form that holds `count`.
    pub(super) fn take(&mut self, bytes: &[u8], count: usize, rows: Range<usize>) -> Result {
        let taken = rows.len();
        let utf8 = self.data_type == DataType::Utf8View;
        let bytes = match bytes.split_first() {
            Some((0, bytes)) => {
                if !self.valid.is_empty() {
                    self.valid.resize(self.rows + taken, true);
                }
                bytes
            }
            Some((_, bytes)) => {
                let (nulls, bytes) = bytes.split_at(count);
                self.valid.resize(self.rows, true);
                self.valid.extend(nulls[rows.clone()].iter().map(|null| *null == 0));
                bytes
            }
            None => return Err(Error::internal("a block of a run ends early")),
        };
        each!(&mut self.values, words => { word::take(bytes, count, rows, words); },
            texts => texts.take(bytes, count, rows, utf8)?);
        self.rows += taken;
        Ok(())
    }

    /// Returns whether a row is NULL.
    pub(super) fn is_null(&self, row: u32) -> bool {
        !self.valid.is_empty() && !self.valid[row as usize]
    }

    /// Compares a value with one of another column of the type, NULL behind all.
    pub(super) fn compare(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        match (self.is_null(row), other.is_null(other_row)) {
            (false, false) => {}
            (left, right) => return left.cmp(&right),
        }
        let (row, other_row) = (row as usize, other_row as usize);
        match (&self.values, &other.values) {
            (Values::Byte(left), Values::Byte(right)) => left[row].cmp(&right[other_row]),
            (Values::Short(left), Values::Short(right)) => left[row].cmp(&right[other_row]),
            (Values::Int(left), Values::Int(right)) => {
                let (left, right) = (left[row], right[other_row]);
                match self.data_type {
                    DataType::Float32 => ordered_f32(left).cmp(&ordered_f32(right)),
                    _ => left.cmp(&right),
                }
            }
            (Values::Long(left), Values::Long(right)) => {
                let (left, right) = (left[row], right[other_row]);
                match self.data_type {
                    DataType::Float64 => ordered_f64(left).cmp(&ordered_f64(right)),
                    _ => left.cmp(&right),
                }
            }
            (Values::Wide(left), Values::Wide(right)) => {
                let (left, right) = (left[row], right[other_row]);
                match self.data_type {
                    DataType::Decimal128(..) => left.cmp(&right),
                    _ => left.to_le_bytes().cmp(&right.to_le_bytes()),
                }
            }
            (
                Values::Text(left) | Values::Other(_, left),
                Values::Text(right) | Values::Other(_, right),
            ) => left.get(row).cmp(right.get(other_row)),
            _ => Ordering::Equal,
        }
    }

    /// Returns the rows `order` as an array.
    pub(crate) fn gather(&self, order: &[u32]) -> Result<ArrayRef> {
        let nulls = (!self.valid.is_empty())
            .then(|| NullBuffer::new(gathered(&self.valid, order).into()))
            .filter(|nulls| nulls.null_count() > 0);
        let buffer = match &self.values {
            Values::Byte(values) => {
                let bits =
                    BooleanBuffer::collect_bool(order.len(), |at| values[order[at] as usize] != 0);
                return Ok(Arc::new(BooleanArray::new(bits, nulls)));
            }
            Values::Short(values) => Buffer::from_vec(gathered(values, order)),
            Values::Int(values) => Buffer::from_vec(gathered(values, order)),
            Values::Long(values) if matches!(self.data_type, DataType::Decimal128(..)) => {
                let wide: Vec<i128> =
                    order.iter().map(|row| i128::from(values[*row as usize])).collect();
                Buffer::from_vec(wide)
            }
            Values::Long(values) => Buffer::from_vec(gathered(values, order)),
            Values::Wide(values) => Buffer::from_vec(gathered(values, order)),
            Values::Text(texts) if self.data_type == DataType::Binary => {
                let mut builder = BinaryBuilder::with_capacity(order.len(), 0);
                for row in order {
                    let null = !self.valid.is_empty() && !self.valid[*row as usize];
                    builder.append_option((!null).then(|| texts.get(*row as usize)));
                }
                return Ok(Arc::new(builder.finish()));
            }
            Values::Text(texts) => return Ok(texts.gather(order, nulls)),
            Values::Other(converter, texts) => {
                let parser = converter.parser();
                let rows = order.iter().map(|row| parser.parse(texts.get(*row as usize)));
                let mut columns = converter.convert_rows(rows).map_err(arrow_error)?;
                return columns.pop().ok_or_else(|| Error::internal("a column was not decoded"));
            }
        };
        let data = ArrayData::builder(self.data_type.clone())
            .len(order.len())
            .add_buffer(buffer)
            .nulls(nulls)
            .build()
            .map_err(arrow_error)?;
        Ok(make_array(data))
    }
}

/// Appends the values of an array of numbers.
fn append_native<T: ArrowNativeType>(array: &ArrayRef, values: &mut Vec<T>) {
    values.extend_from_slice(&array.to_data().buffer::<T>(0)[..array.len()]);
}

/// Returns the values `order`.
fn gathered<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|row| values[*row as usize]).collect()
}
