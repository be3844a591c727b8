//! Records to typed rows: one column after the other, with the first faulty row found exactly.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::filter;
use arrow::compute::kernels::zip::zip;

use super::fault::Fault;
use super::input::{ColumnSource, InputFile};
use crate::error::{Error, Result};
use crate::job::constraint::{BrokenRule, RowRules};
use crate::job::key::arrow_error;
use crate::job::table::Layout;
use crate::plan::{FormatKind, Import, ImportTarget};
use crate::record::Records;
use crate::types::{self, Cells, SqlType};

/// Turns the records of a file into rows of the table.
pub(crate) struct Converter<'a> {
    /// The table.
    pub(crate) layout: &'a Layout,
    /// Its expressions.
    pub(crate) rules: &'a RowRules,
    /// Which fields are NULL.
    pub(crate) nulls: NullRule<'a>,
    /// The words before the name of a column in which a value is wrong.
    pub(crate) parse_words: &'static str,
    /// Whether cells of BYTES columns are taken as they are, without a form of their own.
    pub(crate) plain_bytes: bool,
}

/// Which fields are NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NullRule<'a> {
    /// Those with this text, quoted or not, if any; the rule of IMPORT TABLE.
    Text(Option<&'a str>),
    /// Those with this text that are not quoted; the rule of IMPORT INTO.
    Unquoted(&'a str),
}

impl<'a> NullRule<'a> {
    /// Returns the rule of an import.
    pub(crate) fn of(import: &'a Import) -> Self {
        let text = match &import.format.kind {
            // Their readers look for NULL themselves, or know it without a text.
            FormatKind::PgCopy(_) | FormatKind::Parquet(_) | FormatKind::Avro(_) => None,
            _ => import.format.nullif.as_deref(),
        };
        if !matches!(import.format.kind, FormatKind::Csv(_)) {
            return Self::Text(text);
        }
        match &import.target {
            ImportTarget::New(_) => Self::Text(text),
            ImportTarget::Into(_) if import.format.allows_quoted_null() => {
                Self::Text(Some(text.unwrap_or_default()))
            }
            ImportTarget::Into(_) => Self::Unquoted(text.unwrap_or_default()),
        }
    }

    /// Returns whether it matters which fields are quoted.
    pub(crate) fn needs_quotes(self) -> bool {
        matches!(self, Self::Unquoted(_))
    }

    /// Returns what is almost NULL about a field (spec/import.md section 2.2, the hints of 22.2).
    fn near_miss(self, text: &str, quoted: bool) -> Option<&'static str> {
        let Self::Unquoted(null) = self else { return None };
        match text {
            _ if text == null && quoted => {
                Some("null value is quoted but allow_quoted_null option is not set")
            }
            _ if !quoted && text.trim() == null => {
                Some("null value must not have extra whitespace")
            }
            _ => None,
        }
    }
}

/// Records and the bytes that they stand in.
pub(crate) struct Piece<'a> {
    /// The bytes.
    pub(crate) raw: &'a Buffer,
    /// Where the bytes start in the file.
    pub(crate) base: u64,
    /// The records.
    pub(crate) records: &'a Records,
    /// The text of fields whose quotes were taken out.
    pub(crate) unescaped: &'a Buffer,
    /// Whether all bytes are valid UTF-8 without NUL.
    pub(crate) utf8: bool,
    /// Records that are not to be converted, with what is wrong with them, if anything is.
    pub(crate) left_out: BTreeMap<usize, Option<Fault>>,
}

/// The rows of a piece.
pub(crate) struct Converted {
    /// The rows.
    pub(crate) batch: RecordBatch,
    /// The record of each row, unless every record became one.
    pub(crate) kept: Option<Vec<u32>>,
    /// What is wrong with other records, in their order. The `rows_before` of each counts within the
    /// piece.
    pub(crate) faults: Vec<(usize, Fault)>,
}

impl<'a> Piece<'a> {
    /// Returns where a record is: where the bytes start in the file, the bytes, cut behind the record if
    /// its end is known, and its start in them.
    fn place(&self, row: usize) -> (u64, &'a [u8], usize) {
        let bytes = self.raw.as_slice();
        let end = self.records.ends.get(row).map_or(bytes.len(), |end| *end as usize);
        (self.base, &bytes[..end], self.records.starts[row] as usize)
    }
}

impl Converter<'_> {
    /// Returns the rows of `piece`, or those before the first faulty one and its fault.
    pub(crate) fn convert(&self, file: &InputFile, mut piece: Piece<'_>) -> Result<Converted> {
        let known = piece.left_out.pop_first().and_then(|(row, fault)| Some((row, fault?)));
        let rows = known.as_ref().map_or(piece.records.count, |(row, _)| *row);
        let (mut row, mut fault) = match (self.convert_first(file, &piece, rows)?, known) {
            (Ok(batch), None) => return Ok(Converted { batch, kept: None, faults: Vec::new() }),
            (Ok(batch), Some((row, mut fault))) => {
                fault.rows_before = row as u64;
                return Ok(Converted { batch, kept: None, faults: vec![(row, fault)] });
            }
            (Err(found), _) => found,
        };
        loop {
            // Rows before a faulty one may break a rule that was not looked at yet.
            match self.convert_first(file, &piece, row)? {
                Ok(batch) => {
                    fault.rows_before = row as u64;
                    return Ok(Converted { batch, kept: None, faults: vec![(row, fault)] });
                }
                Err((earlier, found)) => (row, fault) = (earlier, found),
            }
        }
    }

    /// Returns the rows of `piece` that can be imported, and the faults of all others.
    pub(crate) fn convert_sound(&self, file: &InputFile, piece: Piece<'_>) -> Result<Converted> {
        let rows = piece.records.count;
        if piece.left_out.is_empty()
            && let Ok(columns) = self.parse_columns(file, &piece, rows)?
            && let Some(batch) = self.rules.complete_sound(&columns, rows)
        {
            return Ok(Converted { batch, kept: None, faults: Vec::new() });
        }
        let mut piece = piece;
        let mut left_out = std::mem::take(&mut piece.left_out);
        let mut columns = self.parse_sound(file, &piece, &mut left_out)?;
        let mut kept: Vec<u32> = (0..).take(rows).collect();
        leave_out(&mut columns, &mut kept, |record| left_out.contains_key(&(record as usize)))?;
        let broken = self.rules.broken_rows(&columns, kept.len())?;
        for rule in broken {
            let record = kept[rule.row] as usize;
            left_out.insert(record, Some(self.rule_fault(rule, &piece, record)));
        }
        leave_out(&mut columns, &mut kept, |record| left_out.contains_key(&(record as usize)))?;
        let batch = self
            .rules
            .complete_sound(&columns, kept.len())
            .ok_or_else(|| Error::internal("rows break a rule together but not one by one"))?;
        let faults = left_out
            .into_iter()
            .filter_map(|(record, fault)| {
                let mut fault = fault?;
                fault.rows_before = record as u64;
                Some((record, fault))
            })
            .collect();
        Ok(Converted { batch, kept: Some(kept), faults })
    }

    /// Returns the columns of all records; in a record with a faulty cell that cell is NULL, and the
    /// record is added to `left_out`.
    fn parse_sound(
        &self,
        file: &InputFile,
        piece: &Piece<'_>,
        left_out: &mut BTreeMap<usize, Option<Fault>>,
    ) -> Result<Vec<Option<ArrayRef>>> {
        let rows = piece.records.count;
        let mut columns = Vec::with_capacity(file.columns.len());
        for (position, source) in file.columns.iter().enumerate() {
            columns.push(match source {
                ColumnSource::Computed => None,
                ColumnSource::Default => Some(self.rules.default_values(position, rows)?),
                ColumnSource::Field(field) => {
                    let nulls = self.nulls(piece, *field, rows);
                    let mut wrong = Vec::new();
                    let mut from = 0;
                    let mut values = None;
                    while from < rows || rows == 0 {
                        let behind = nulls.as_ref().map(|nulls| nulls.slice(from, rows - from));
                        let cells = cells(piece, *field, from..rows, behind.as_ref());
                        match self.parse_cells(position, &cells) {
                            Ok(parsed) => {
                                values = Some(parsed);
                                break;
                            }
                            Err(mut error) => {
                                error.row += from;
                                let row = error.row;
                                let fault = || self.cell_fault(error, piece, (position, *field));
                                left_out.entry(row).or_insert_with(|| Some(fault()));
                                wrong.push(row);
                                from = row + 1;
                            }
                        }
                    }
                    let values = match values {
                        Some(values) if wrong.is_empty() => values,
                        _ => {
                            let nulls = without(nulls.as_ref(), &wrong, rows);
                            let cells = cells(piece, *field, 0..rows, Some(&nulls));
                            self.parse_cells(position, &cells).map_err(|error| error.error)?
                        }
                    };
                    Some(self.fill_missing(values, piece, (position, *field), rows)?)
                }
            });
        }
        Ok(columns)
    }

    /// Returns the first `rows` rows, or a faulty one among them.
    fn convert_first(
        &self,
        file: &InputFile,
        piece: &Piece<'_>,
        rows: usize,
    ) -> Result<Result<RecordBatch, (usize, Fault)>> {
        let columns = match self.parse_columns(file, piece, rows)? {
            Ok(columns) => columns,
            Err(found) => return Ok(Err(found)),
        };
        Ok(self.rules.complete(columns, rows)?.map_err(|broken| {
            let row = broken.row;
            (row, self.rule_fault(broken, piece, row))
        }))
    }

    /// Returns the columns of the first `rows` records, those with expressions left open, or the first
    /// faulty row among them.
    #[expect(
        clippy::type_complexity,
        reason = "the columns as rules take them, or a row and its fault"
    )]
    fn parse_columns(
        &self,
        file: &InputFile,
        piece: &Piece<'_>,
        rows: usize,
    ) -> Result<Result<Vec<Option<ArrayRef>>, (usize, Fault)>> {
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(file.columns.len());
        let mut first: Option<(usize, Fault)> = None;
        for (position, source) in file.columns.iter().enumerate() {
            let values = match source {
                ColumnSource::Computed => None,
                ColumnSource::Default => Some(self.rules.default_values(position, rows)?),
                ColumnSource::Field(field) => {
                    let nulls = self.nulls(piece, *field, rows);
                    let cells = cells(piece, *field, 0..rows, nulls.as_ref());
                    match self.parse_cells(position, &cells) {
                        Ok(values) => {
                            Some(self.fill_missing(values, piece, (position, *field), rows)?)
                        }
                        Err(error) => {
                            let row = error.row;
                            if first.as_ref().is_none_or(|(first, _)| row < *first) {
                                first =
                                    Some((row, self.cell_fault(error, piece, (position, *field))));
                            }
                            None
                        }
                    }
                }
            };
            columns.push(values);
        }
        Ok(first.map_or(Ok(columns), Err))
    }

    /// Returns the cells of a column as values.
    fn parse_cells(
        &self,
        position: usize,
        cells: &Cells<'_>,
    ) -> Result<ArrayRef, types::CellError> {
        match &self.layout.columns[position].sql_type {
            SqlType::Bytes if self.plain_bytes => Ok(bytes_as_they_are(cells)),
            sql_type => types::parse_column(sql_type, cells),
        }
    }

    fn rule_fault(&self, broken: BrokenRule, piece: &Piece<'_>, record: usize) -> Fault {
        let column = broken.column.map(|position| self.layout.columns[position].name.clone());
        Fault::of_rule(broken.error, piece.place(record), column)
    }

    fn cell_fault(
        &self,
        error: types::CellError,
        piece: &Piece<'_>,
        (position, field): (usize, usize),
    ) -> Fault {
        let column = &self.layout.columns[position];
        let value = String::from_utf8_lossy(cell(piece, field, error.row)).into_owned();
        let place = piece.place(error.row);
        let mut told = error.error.map_message(|message| {
            format!("{} \"{}\" as {}: {message}", self.parse_words, column.name, column.sql_type)
        });
        let quoted = piece.records.is_quoted(error.row, field);
        if let Some(hint) = self.nulls.near_miss(&value, quoted) {
            told = told.hint(hint);
        }
        Fault::of_cell(told, place, (column.name.clone(), value))
    }

    /// Returns the values of a column, with its DEFAULT for rows whose records lack the field.
    fn fill_missing(
        &self,
        values: ArrayRef,
        piece: &Piece<'_>,
        (position, field): (usize, usize),
        rows: usize,
    ) -> Result<ArrayRef> {
        let records = piece.records;
        if records.missing.is_none() || self.layout.table.columns[position].default.is_none() {
            return Ok(values);
        }
        let missing = BooleanBuffer::collect_bool(rows, |row| records.is_missing(row, field));
        if missing.count_set_bits() == 0 {
            return Ok(values);
        }
        let defaults = self.rules.default_values(position, rows)?;
        zip(&BooleanArray::new(missing, None), &defaults, &values).map_err(arrow_error)
    }

    /// Returns which cells of a field are NULL; nothing if none is.
    fn nulls(&self, piece: &Piece<'_>, field: usize, rows: usize) -> Option<NullBuffer> {
        let records = piece.records;
        let told = records.nulls.as_ref().map(|_| {
            NullBuffer::new(BooleanBuffer::collect_bool(rows, |row| !records.is_null(row, field)))
        });
        let told = told.filter(|nulls| nulls.null_count() > 0);
        NullBuffer::union(told.as_ref(), self.equal_to_nullif(piece, field, rows).as_ref())
    }

    /// Returns which cells of a field are the text that means NULL; nothing if none is.
    fn equal_to_nullif(&self, piece: &Piece<'_>, field: usize, rows: usize) -> Option<NullBuffer> {
        let (nullif, unquoted) = match self.nulls {
            NullRule::Text(text) => (text?, false),
            NullRule::Unquoted(text) => (text, true),
        };
        let spans = &piece.records.spans;
        let stride = piece.records.fields;
        let quoted = |row: usize| unquoted && piece.records.is_quoted(row, field);
        let valid = if nullif.is_empty() && unquoted {
            BooleanBuffer::collect_bool(rows, |row| {
                let [start, end] = spans[row * stride + field];
                start != end || quoted(row)
            })
        } else if nullif.is_empty() {
            BooleanBuffer::collect_bool(rows, |row| {
                let [start, end] = spans[row * stride + field];
                start != end
            })
        } else {
            let mut valid = BooleanBufferBuilder::new(rows);
            for row in 0..rows {
                let [start, end] = spans[row * stride + field];
                let equal = (end - start) as usize == nullif.len()
                    && cell(piece, field, row) == nullif.as_bytes();
                valid.append(!equal || quoted(row));
            }
            valid.finish()
        };
        let nulls = NullBuffer::new(valid);
        (nulls.null_count() > 0).then_some(nulls)
    }
}

/// Returns the cells of a column of BYTES.
fn bytes_as_they_are(cells: &Cells<'_>) -> ArrayRef {
    let value = |row| {
        let null = cells.nulls.is_some_and(|nulls| nulls.is_null(row));
        (!null).then(|| cells.bytes(row))
    };
    Arc::new((0..cells.rows).map(value).collect::<BinaryArray>())
}

/// Returns the bytes of one cell.
fn cell<'a>(piece: &'a Piece<'_>, field: usize, row: usize) -> &'a [u8] {
    let [start, end] = piece.records.spans[row * piece.records.fields + field];
    let (start, end) = (start as usize, end as usize);
    match start.checked_sub(piece.raw.len()) {
        None => &piece.raw[start..end],
        Some(start) => &piece.unescaped[start..end - piece.raw.len()],
    }
}

/// Returns `nulls` with the cells of these rows NULL too.
fn without(nulls: Option<&NullBuffer>, rows: &[usize], count: usize) -> NullBuffer {
    let mut valid = BooleanBufferBuilder::new(count);
    match nulls {
        Some(nulls) => valid.append_buffer(nulls.inner()),
        None => valid.append_n(count, true),
    }
    for row in rows {
        valid.set_bit(*row, false);
    }
    NullBuffer::new(valid.finish())
}

/// Removes the rows of records that are left out.
fn leave_out(
    columns: &mut [Option<ArrayRef>],
    kept: &mut Vec<u32>,
    left_out: impl Fn(u32) -> bool,
) -> Result {
    let mask: BooleanArray = kept.iter().map(|record| Some(!left_out(*record))).collect();
    if mask.false_count() == 0 {
        return Ok(());
    }
    for values in columns.iter_mut().flatten() {
        *values = filter(values, &mask).map_err(arrow_error)?;
    }
    kept.retain(|record| !left_out(*record));
    Ok(())
}

fn cells<'a>(
    piece: &'a Piece<'_>,
    field: usize,
    rows: Range<usize>,
    nulls: Option<&'a NullBuffer>,
) -> Cells<'a> {
    Cells {
        raw: piece.raw,
        unescaped: piece.unescaped,
        spans: &piece.records.spans[rows.start * piece.records.fields..],
        stride: piece.records.fields,
        column: field,
        rows: rows.len(),
        nulls,
        utf8: piece.utf8,
    }
}

/// Returns whether `bytes` are UTF-8 without NUL.
pub(crate) fn is_clean_text(bytes: &[u8]) -> bool {
    // Without an early end per byte the search for NUL is vectors throughout.
    let (chunks, rest) = bytes.as_chunks::<1024>();
    let has_nul =
        |bytes: &[u8]| bytes.iter().fold(0, |zeros, byte| zeros | u8::from(*byte == 0)) != 0;
    simdutf8::basic::from_utf8(bytes).is_ok()
        && !chunks.iter().any(|chunk| has_nul(chunk))
        && !has_nul(rest)
}

/// Returns the unescaped text of `records` as a buffer.
pub(crate) fn unescaped_buffer(records: &mut Records) -> Buffer {
    if records.unescaped.is_empty() {
        return Buffer::from_vec(Vec::<u8>::new());
    }
    Buffer::from_vec(std::mem::take(&mut records.unescaped))
}
