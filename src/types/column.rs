//! A column of cells to an array: the loop that every type shares, and the choice of its parser.
//!
//! One monomorphic loop per type writes into a buffer made before it starts; a NULL is never parsed.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use crate::error::{Error, Result, SqlState};

use super::{CellError, Cells, SqlType};
use super::{
    boolean, bytes, date, decimal, float, inet, integer, interval, json, list, text, time,
    timestamp, uuid,
};

/// One cell with the bytes before it, so that a parser may load a whole word that ends with it.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// The buffer up to the cell's last byte.
    head: &'a [u8],
    /// Where the cell starts in it.
    start: usize,
}

impl<'a> Field<'a> {
    /// Returns the field that starts at `start` and ends with `head`.
    #[inline]
    pub(super) fn new(head: &'a [u8], start: usize) -> Self {
        Self { head, start }
    }

    /// Returns the bytes of the cell.
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        &self.head[self.start..]
    }

    /// Returns the buffer up to the cell's last byte.
    #[inline]
    pub(super) fn head(self) -> &'a [u8] {
        self.head
    }
}

impl<'a> Cells<'a> {
    /// Returns the bytes of the cell in a row; those of a NULL mean nothing.
    #[inline]
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        self.field(self.spans[row * self.stride + self.column]).bytes()
    }

    /// Returns the field of a span.
    #[inline]
    pub(super) fn field(&self, [start, end]: [u32; 2]) -> Field<'a> {
        let (start, end, length) = (start as usize, end as usize, self.raw.len());
        if start < length || end <= length {
            Field::new(&self.raw.as_slice()[..end], start)
        } else {
            Field::new(&self.unescaped.as_slice()[..end - length], start - length)
        }
    }

    /// Returns the spans of the column, row by row.
    #[inline]
    pub(super) fn column_spans(&self) -> impl Iterator<Item = [u32; 2]> + 'a {
        debug_assert!(
            self.rows == 0 || (self.rows - 1) * self.stride + self.column < self.spans.len()
        );
        let spans = self.spans.get(self.column..).unwrap_or_default();
        spans.iter().step_by(self.stride.max(1)).take(self.rows).copied()
    }

    /// Returns the NULLs, if there is any.
    #[inline]
    pub(super) fn some_nulls(&self) -> Option<&'a NullBuffer> {
        self.nulls.filter(|nulls| nulls.null_count() > 0)
    }
}

/// Cells of one column that own their bytes.
pub(super) struct OwnedCells {
    bytes: Buffer,
    none: Buffer,
    spans: Vec<[u32; 2]>,
    nulls: Option<NullBuffer>,
}

impl OwnedCells {
    /// Returns the cells that hold these texts, NULL where there is none.
    pub(super) fn new<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Result<Self> {
        let (mut bytes, mut spans, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            let start = place(bytes.len())?;
            bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
            spans.push([start, place(bytes.len())?]);
            valid.push(text.is_some());
        }
        let nulls = NullBuffer::from(valid);
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(Self { bytes: bytes.into(), none: Buffer::from_vec(Vec::<u8>::new()), spans, nulls })
    }

    /// Returns the view that parsers take.
    ///
    /// It never says that the text is known to be valid, so that NUL bytes are looked for.
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells {
            raw: &self.bytes,
            unescaped: &self.none,
            spans: &self.spans,
            stride: 1,
            column: 0,
            rows: self.spans.len(),
            nulls: self.nulls.as_ref(),
            utf8: false,
        }
    }
}

/// Returns a length as cells and views hold it.
pub(super) fn place(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| {
        Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a batch of values is longer than 4 GiB")
            .hint("Insert the rows in several statements.")
    })
}

/// Parses the cells of a column into its storage form.
pub(super) fn parse(sql_type: &SqlType, cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    match sql_type {
        SqlType::Bool => {
            let values = fill(cells, |field| boolean::parse(field.bytes()))?;
            Ok(Arc::new(BooleanArray::new(BooleanBuffer::from(values), cells.nulls.cloned())))
        }
        SqlType::Int2 => primitive::<Int16Type>(cells, integer::parse),
        SqlType::Int4 => primitive::<Int32Type>(cells, integer::parse),
        SqlType::Int8 => primitive::<Int64Type>(cells, integer::parse),
        SqlType::Float4 => primitive::<Float32Type>(cells, float::parse),
        SqlType::Float8 => primitive::<Float64Type>(cells, float::parse),
        SqlType::Decimal(form) => decimal::column(*form, cells),
        SqlType::String { length, .. } => text::column(sql_type, *length, cells),
        SqlType::Bytes => bytes::column(cells),
        SqlType::Date => {
            let mut months = date::Months::default();
            primitive::<Date32Type>(cells, |field| months.parse(field.bytes()))
        }
        SqlType::Time => {
            primitive::<Time64MicrosecondType>(cells, |field| time::parse(field.bytes()))
        }
        SqlType::Timestamp => primitive::<TimestampMicrosecondType>(cells, |field| {
            timestamp::parse(field.bytes(), timestamp::Kind::Local)
        }),
        SqlType::TimestampTz => {
            let values =
                fill(cells, |field| timestamp::parse(field.bytes(), timestamp::Kind::Moment))?;
            let array = PrimitiveArray::<TimestampMicrosecondType>::new(
                values.into(),
                cells.nulls.cloned(),
            );
            Ok(Arc::new(array.with_timezone("UTC")))
        }
        SqlType::Interval => interval::column(cells),
        SqlType::Uuid => uuid::column(cells),
        SqlType::Inet => inet::column(cells),
        SqlType::Jsonb => json::column(cells),
        SqlType::Array(element) => list::column(element, cells),
    }
}

/// Parses each cell that is not NULL; the others keep the default value.
#[inline]
pub(super) fn fill<T: Default>(
    cells: &Cells<'_>,
    mut parse: impl FnMut(Field<'_>) -> Result<T>,
) -> Result<Vec<T>, CellError> {
    let mut values = Vec::with_capacity(cells.rows);
    let spans = cells.column_spans().enumerate();
    if let Some(nulls) = cells.some_nulls() {
        for (row, span) in spans {
            if nulls.is_null(row) {
                values.push(T::default());
                continue;
            }
            match parse(cells.field(span)) {
                Ok(value) => values.push(value),
                Err(error) => return Err(CellError { row, error }),
            }
        }
    } else {
        for (row, span) in spans {
            match parse(cells.field(span)) {
                Ok(value) => values.push(value),
                Err(error) => return Err(CellError { row, error }),
            }
        }
    }
    Ok(values)
}

/// Parses a column of a type that Arrow holds as plain numbers.
fn primitive<T: ArrowPrimitiveType>(
    cells: &Cells<'_>,
    parse: impl FnMut(Field<'_>) -> Result<T::Native>,
) -> Result<ArrayRef, CellError> {
    let values = fill(cells, parse)?;
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), cells.nulls.cloned())))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn reads_from_both_buffers_and_skips_nulls() {
        let raw = Buffer::from_slice_ref(b"12,x,34567890123456789,-7");
        let unescaped = Buffer::from_slice_ref(b"0099");
        let spans =
            [[0, 2], [0, 0], [3, 4], [0, 0], [5, 22], [0, 0], [27, 29], [0, 0], [23, 25], [0, 0]];
        let nulls = NullBuffer::from(vec![true, false, true, true, true]);
        let cells = Cells {
            raw: &raw,
            unescaped: &unescaped,
            spans: &spans,
            stride: 2,
            column: 0,
            rows: 5,
            nulls: Some(&nulls),
            utf8: true,
        };
        let array = parse(&SqlType::Int8, &cells).unwrap();
        let array = array.as_primitive::<Int64Type>();
        assert_eq!(array.values().to_vec(), [12, 0, 34_567_890_123_456_789, 99, -7]);
        assert!(array.is_null(1));
        let error = parse(&SqlType::Int8, &Cells { nulls: None, ..cells }).unwrap_err();
        assert_eq!((error.row, error.error.code()), (1, SqlState::INVALID_TEXT_REPRESENTATION));
    }

    #[test]
    fn no_rows_give_an_empty_array() {
        let cells = OwnedCells::new(std::iter::empty()).unwrap();
        for name in
            ["int", "text", "uuid", "interval", "inet", "jsonb", "int[]", "bytes", "decimal"]
        {
            let sql_type = SqlType::parse(name).unwrap();
            let array = parse(&sql_type, &cells.cells()).unwrap();
            assert_eq!((array.len(), array.data_type()), (0, &sql_type.storage()));
        }
    }
}
