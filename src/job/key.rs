//! Keys as bytes: the key columns of a batch encoded so that byte order is key order.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
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
