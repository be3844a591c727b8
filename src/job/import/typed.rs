//! Data files whose values have types of their own: their columns found by name, their batches made
//! rows of the table.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::{DataType, Schema};

use super::convert::Converter;
use super::fault::Fault;
use super::input::{ColumnSource, InputFile};
use super::task::{Part, PartRead, RowSink, RowsRead, Shared};
use crate::catalog::{ColumnId, TableDescriptor};
use crate::error::{DataPlace, Error, Result, SqlState};
use crate::store::ParquetFile;
use crate::types::{self, SqlType};

/// Which columns of a file go where.
pub(crate) struct ColumnMap {
    /// Where each column of the table comes from; a field is a position in `read`.
    pub(crate) columns: Vec<ColumnSource>,
    /// The columns of the file to read, by their positions in it, in ascending order.
    pub(crate) read: Vec<usize>,
}

/// Finds the columns of the table, or those that are listed, among those of a file.
pub(crate) fn map_columns(
    (table, listed): (&TableDescriptor, Option<&[ColumnId]>),
    schema: &Schema,
    ignore_unknown: bool,
    file: &str,
) -> Result<ColumnMap> {
    let place = || DataPlace { file: file.to_owned(), ..DataPlace::default() };
    let mut columns: Vec<ColumnSource> = table
        .columns
        .iter()
        .map(|column| match column.computed {
            Some(_) => ColumnSource::Computed,
            None => ColumnSource::Default,
        })
        .collect();
    let mut read = Vec::new();
    for (position, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        let found = table.columns.iter().position(|column| column.name == *name).or_else(|| {
            table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
        });
        let left_out = found.is_some_and(|found| {
            listed.is_some_and(|listed| !listed.contains(&table.columns[found].id))
        });
        let problem = match found.map(|found| (found, &columns[found])) {
            _ if left_out && ignore_unknown => continue,
            _ if left_out => (
                SqlState::UNDEFINED_COLUMN,
                format!("the file has the column \"{name}\", which the statement does not list"),
            ),
            Some((found, ColumnSource::Default)) => {
                let column = &table.columns[found];
                check_type(&column.name, &column.sql_type, field.data_type())
                    .map_err(|error| error.in_data(place()))?;
                columns[found] = ColumnSource::Field(read.len());
                read.push(position);
                continue;
            }
            _ if ignore_unknown => continue,
            Some((_, ColumnSource::Computed)) => (
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("the file has the computed column \"{name}\""),
            ),
            Some((_, ColumnSource::Field(_))) => {
                (SqlState::DUPLICATE_COLUMN, format!("the file has the column \"{name}\" twice"))
            }
            None => (
                SqlState::UNDEFINED_COLUMN,
                format!("the file has the column \"{name}\", which the table lacks"),
            ),
        };
        let error = Error::new(problem.0, problem.1).in_data(place());
        return Err(error.hint("With ignore_unknown_fields such a column is passed over."));
    }
    Ok(ColumnMap { columns, read })
}

/// Fails if no value of a type can be imported into a column.
fn check_type(name: &str, sql_type: &SqlType, data_type: &DataType) -> Result {
    assign(sql_type, &new_empty_array(data_type)).map(|_| ()).map_err(|error| {
        error.map_message(|_| {
            let given = types::postgres_type_name(data_type);
            format!("column \"{name}\" of type {sql_type} cannot be imported from {given}")
        })
    })
}

/// Returns values of a file as the column stores them.
fn assign(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let bytes = matches!(values.data_type(), DataType::Binary | DataType::LargeBinary);
    match sql_type {
        // Older programs write text without saying so.
        SqlType::String { .. } if bytes => {
            let text = arrow::compute::cast_with_options(
                values,
                &DataType::Utf8View,
                &arrow::compute::CastOptions { safe: false, ..Default::default() },
            );
            let text = text.map_err(|error| {
                Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, "value is not UTF-8")
                    .caused_by(error)
            })?;
            types::to_storage(sql_type, &text)
        }
        _ => types::to_storage(sql_type, values),
    }
}

impl Converter<'_> {
    /// Returns the rows that `arrays` hold, or those before the first faulty one and its fault, whose
    /// `rows_before` counts within them.
    pub(crate) fn convert_arrays(
        &self,
        file: &InputFile,
        arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<(RecordBatch, Option<Fault>)> {
        let (mut end, mut fault) = (rows, None);
        loop {
            match self.convert_first_arrays(file, arrays, end)? {
                Ok(batch) => return Ok((batch, fault)),
                // Rows before a faulty one may break a rule that was not looked at yet.
                Err((row, found)) => (end, fault) = (row, Some(found.after(row as u64))),
            }
        }
    }

    fn convert_first_arrays(
        &self,
        file: &InputFile,
        arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<Result<RecordBatch, (usize, Fault)>> {
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(file.columns.len());
        let mut first: Option<(usize, Fault)> = None;
        for (position, source) in file.columns.iter().enumerate() {
            columns.push(match source {
                ColumnSource::Computed => None,
                ColumnSource::Default => Some(self.rules.default_values(position, rows)?),
                ColumnSource::Field(field) => {
                    let column = &self.layout.columns[position];
                    let values = arrays[*field].slice(0, rows);
                    match assign(&column.sql_type, &values) {
                        Ok(values) => Some(values),
                        Err(error) => {
                            let (row, error) = first_faulty(&column.sql_type, &values, error);
                            if first.as_ref().is_none_or(|(first, _)| row < *first) {
                                let error = error.map_message(|message| {
                                    let name = &column.name;
                                    format!("parse \"{name}\" as {}: {message}", column.sql_type)
                                });
                                let mut value = String::new();
                                types::print_value(&values, row, &mut value);
                                let cell = (column.name.clone(), value);
                                first = Some((row, Fault::of_cell(error, (0, &[], 0), cell)));
                            }
                            None
                        }
                    }
                }
            });
        }
        if let Some(found) = first {
            return Ok(Err(found));
        }
        Ok(self.rules.complete(columns, rows)?.map_err(|broken| {
            let column = broken.column.map(|position| self.layout.columns[position].name.clone());
            (broken.row, Fault::of_rule(broken.error, (0, &[], 0), column))
        }))
    }
}

/// Returns the first row whose value cannot be assigned, and why; `error` is that of some row.
fn first_faulty(sql_type: &SqlType, values: &ArrayRef, error: Error) -> (usize, Error) {
    let (mut good, mut faulty) = (0, values.len());
    while faulty - good > 1 {
        let middle = usize::midpoint(good, faulty);
        if assign(sql_type, &values.slice(0, middle)).is_ok() {
            good = middle;
        } else {
            faulty = middle;
        }
    }
    let row = faulty.saturating_sub(1);
    (row, assign(sql_type, &values.slice(row, 1)).err().unwrap_or(error))
}

/// Reads the row groups `start..end` of a Parquet file; `None` if that was given up.
pub(crate) fn read_groups(
    shared: &Shared<'_>,
    task: usize,
    part: &Part,
    (parquet, columns): (&ParquetFile, &[usize]),
    sink: &mut dyn RowSink,
) -> Result<Option<PartRead>> {
    let all = parquet.groups() as u64;
    let (start, end) = (part.start.min(all), part.end.min(all));
    let mut read = PartRead::new(part, start);
    for group in start..end {
        let group = usize::try_from(group).map_err(Error::internal)?;
        let mut rows = parquet.read(group..group + 1, columns)?;
        while let Some(batch) = rows.next_batch()? {
            shared.context.cancellation.check()?;
            if shared.stop_after.load(Ordering::Relaxed) < task {
                return Ok(None);
            }
            if take_batch(shared, &batch, parquet.row_size(), &mut read, sink)?.is_break() {
                return Ok(Some(read));
            }
        }
        shared.bytes.fetch_add(parquet.group_size(group), Ordering::Relaxed);
        shared.stored.add(&shared.files[part.file], parquet.group_size(group));
        read.next = group as u64 + 1;
    }
    Ok(Some(read))
}

/// Makes a batch rows of the table and gives them to `sink`; breaks at a faulty row, or when no more
/// are wanted. A row has about `row_bytes` bytes as text.
pub(crate) fn take_batch(
    shared: &Shared<'_>,
    batch: &RecordBatch,
    row_bytes: u64,
    read: &mut PartRead,
    sink: &mut dyn RowSink,
) -> Result<ControlFlow<()>> {
    let most = shared.row_limit.map_or(u64::MAX, |most| most - read.rows);
    let rows = batch.num_rows().min(usize::try_from(most).unwrap_or(usize::MAX));
    let file = &shared.files[read.file];
    let (batch, fault) = shared.converter.convert_arrays(file, batch.columns(), rows)?;
    let bytes = row_bytes * batch.num_rows() as u64;
    let rows_read = RowsRead::typed(&batch, bytes, read.rows);
    let rows = batch.num_rows() as u64;
    if sink.take(&rows_read)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    shared.rows.fetch_add(rows, Ordering::Relaxed);
    read.fault = fault.map(|fault| fault.after(read.rows));
    read.rows += rows;
    read.records += rows;
    if read.fault.is_some() || shared.row_limit == Some(read.rows) {
        return Ok(ControlFlow::Break(()));
    }
    Ok(ControlFlow::Continue(()))
}
