//! Keys as bytes: the key columns of a batch encoded so that byte order is key order.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{SortOptions, concat};
use arrow::datatypes::{ArrowNativeType, DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{Error, Result};
use crate::store::SegmentColumn;

/// Encodes the keys of batches.
pub(crate) struct KeyEncoder {
    converter: RowConverter,
    columns: Vec<usize>,
    descending: Vec<bool>,
}

impl KeyEncoder {
    /// Returns an encoder for batches of `columns`, whose key is `key`: positions with `true` for
    /// descending.
    pub(crate) fn new(columns: &[SegmentColumn], key: &[(usize, bool)]) -> Result<Self> {
        let fields = key
            .iter()
            .map(|&(position, descending)| {
                let options = SortOptions { descending, nulls_first: descending };
                SortField::new_with_options(columns[position].sql_type.storage(), options)
            })
            .collect();
        let converter = RowConverter::new(fields).map_err(arrow_error)?;
        let (columns, descending) = key.iter().copied().unzip();
        Ok(Self { converter, columns, descending })
    }

    /// Returns the keys of `batch`.
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|&position| Arc::clone(batch.column(position))).collect();
        self.encode_columns(&columns)
    }

    /// Returns the ends of a batch that is in key order; nothing if it is not, or has no rows.
    pub(crate) fn ends(&self, batch: &RecordBatch) -> Result<Option<KeyEnds>> {
        let Some(last) = batch.num_rows().checked_sub(1) else { return Ok(None) };
        let columns: Vec<&ArrayRef> =
            self.columns.iter().map(|position| batch.column(*position)).collect();
        let steps = match neighbours(&columns, &self.descending) {
            Some(steps) => steps,
            None => encoded_neighbours(&self.encode(batch)?),
        };
        if steps == Steps::Back {
            return Ok(None);
        }
        let ends: Vec<ArrayRef> =
            columns.iter().map(|column| two_rows(column, last)).collect::<Result<_>>()?;
        let keys = self.encode_columns(&ends)?;
        Ok(Some(KeyEnds {
            first: keys.row(0).as_ref().to_vec(),
            last: keys.row(1).as_ref().to_vec(),
            repeats: steps == Steps::Rest,
        }))
    }

    /// Returns the keys whose columns, in key order, are `columns`.
    pub(crate) fn encode_columns(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalized).collect();
        self.converter.convert_columns(&columns).map_err(arrow_error)
    }

    /// Returns the positions in batches of the key columns.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Returns for each key column whether it descends.
    pub(crate) fn descending(&self) -> &[bool] {
        &self.descending
    }

    /// Returns the position in batches of the first key column.
    pub(crate) fn first_column(&self) -> usize {
        self.columns[0]
    }

    /// Returns the columns of an encoded key, each an array of one value in storage form.
    pub(crate) fn decode(&self, key: &[u8]) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        self.converter.convert_rows([parser.parse(key)]).map_err(arrow_error)
    }

    /// Returns whether a row of `batch` has NULL in its key.
    pub(crate) fn has_null(&self, batch: &RecordBatch, row: usize) -> bool {
        self.columns.iter().any(|&position| batch.column(position).is_null(row))
    }

    /// Returns whether any key of `batch` may hold NULL.
    pub(crate) fn may_have_null(&self, batch: &RecordBatch) -> bool {
        self.columns.iter().any(|&position| batch.column(position).null_count() > 0)
    }
}

/// The keys at the ends of rows that are in key order.
pub(crate) struct KeyEnds {
    /// The first key.
    pub(crate) first: Vec<u8>,
    /// The last key.
    pub(crate) last: Vec<u8>,
    /// Whether two neighbours have one key.
    pub(crate) repeats: bool,
}

/// How keys go from each row to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// Always forward.
    Forward,
    /// Forward or not at all.
    Rest,
    /// Backward somewhere.
    Back,
}

fn encoded_neighbours(keys: &Rows) -> Steps {
    let step = |row: usize| match keys.row(row).cmp(&keys.row(row - 1)) {
        Ordering::Greater => Steps::Forward,
        Ordering::Equal => Steps::Rest,
        Ordering::Less => Steps::Back,
    };
    let mut steps = Steps::Forward;
    for row in 1..keys.num_rows() {
        match step(row) {
            Steps::Forward => {}
            Steps::Rest => steps = Steps::Rest,
            Steps::Back => return Steps::Back,
        }
    }
    steps
}

/// Compares neighbours column by column without encoding them; nothing if a column's type or a NULL
/// in it asks for that.
fn neighbours(columns: &[&ArrayRef], descending: &[bool]) -> Option<Steps> {
    let rows = columns.first()?.len();
    let mut equal: Vec<u32> = (1..u32::try_from(rows).ok()?).collect();
    for (column, &descending) in columns.iter().zip(descending) {
        if column.null_count() > 0 {
            return None;
        }
        let forward = match column.data_type() {
            DataType::Int16 => keep_equal(native::<i16>(column), descending, &mut equal),
            DataType::Int32 | DataType::Date32 => {
                keep_equal(native::<i32>(column), descending, &mut equal)
            }
            DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) => {
                keep_equal(native::<i64>(column), descending, &mut equal)
            }
            DataType::Decimal128(..) => keep_equal(native::<i128>(column), descending, &mut equal),
            _ => return None,
        };
        if !forward {
            return Some(Steps::Back);
        }
        if equal.is_empty() {
            return Some(Steps::Forward);
        }
    }
    Some(Steps::Rest)
}

fn native<T: ArrowNativeType>(column: &ArrayRef) -> ScalarBuffer<T> {
    let data = column.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// Keeps the rows whose value is that of the row before; returns whether no row goes back.
fn keep_equal<T: ArrowNativeType + Ord>(
    values: ScalarBuffer<T>,
    descending: bool,
    rows: &mut Vec<u32>,
) -> bool {
    let (mut kept, mut back) = (0, false);
    for at in 0..rows.len() {
        let row = rows[at] as usize;
        let (before, value) = (values[row - 1], values[row]);
        back |= if descending { value > before } else { value < before };
        rows[kept] = rows[at];
        kept += usize::from(value == before);
    }
    rows.truncate(kept);
    !back
}

/// Returns the first row of a column and the one at `last`.
fn two_rows(column: &ArrayRef, last: usize) -> Result<ArrayRef> {
    let (first, last) = (column.slice(0, 1), column.slice(last, 1));
    concat(&[&first, &last]).map_err(arrow_error)
}

/// Returns the column with negative zeros and odd NaNs made equal to their twins, as SQL compares
/// them.
fn normalized(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let values: Float64Array = column
                .as_primitive::<Float64Type>()
                .unary(|value| if value.is_nan() { f64::NAN } else { value + 0.0 });
            Arc::new(values)
        }
        DataType::Float32 => {
            let values: Float32Array = column
                .as_primitive::<Float32Type>()
                .unary(|value| if value.is_nan() { f32::NAN } else { value + 0.0 });
            Arc::new(values)
        }
        _ => Arc::clone(column),
    }
}

/// Returns our error for one of Arrow's in a place where user input cannot cause it.
pub(crate) fn arrow_error(error: ArrowError) -> Error {
    Error::internal(&error).caused_by(error)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::ColumnId;
    use crate::types::SqlType;

    fn batch(rows: &[(i64, i32, String)]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int32Array>()),
            Arc::new(rows.iter().map(|row| Some(&row.2)).collect::<StringViewArray>()),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new("c", column.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    proptest! {
        #[test]
        fn ends_agree_with_encoded_keys(
            mut rows in proptest::collection::vec((0_i64..4, 0_i32..4, "[ab]?"), 1..9),
            sorted: bool,
            descending: [bool; 3],
            parts in 1_usize..4,
        ) {
            let columns: Vec<SegmentColumn> = ["int8", "int4", "text"]
                .iter()
                .zip(1..)
                .map(|(name, id)| SegmentColumn {
                    id: ColumnId(id),
                    name: (*name).to_owned(),
                    sql_type: SqlType::parse(name).unwrap(),
                    nullable: false,
                })
                .collect();
            let key: Vec<(usize, bool)> = (0..parts).zip(descending).collect();
            let encoder = KeyEncoder::new(&columns, &key).unwrap();
            if sorted {
                let keys = encoder.encode(&batch(&rows)).unwrap();
                let mut order: Vec<usize> = (0..rows.len()).collect();
                order.sort_by(|left, right| keys.row(*left).cmp(&keys.row(*right)));
                rows = order.into_iter().map(|row| rows[row].clone()).collect();
            }
            let batch = batch(&rows).slice(rows.len() / 3, rows.len() - rows.len() / 3);
            let keys = encoder.encode(&batch).unwrap();
            match (encoder.ends(&batch).unwrap(), encoded_neighbours(&keys)) {
                (None, Steps::Back) => {}
                (Some(ends), steps) => {
                    assert_eq!(ends.repeats, steps == Steps::Rest);
                    assert_ne!(steps, Steps::Back);
                    assert_eq!(ends.first, keys.row(0).as_ref());
                    assert_eq!(ends.last, keys.row(keys.num_rows() - 1).as_ref());
                }
                (None, steps) => panic!("{steps:?}"),
            }
        }
    }
}
