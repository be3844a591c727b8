//! A Parquet file in place of a table: its columns have the types that it says.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};

use super::DataFile;
use super::guess::column_names;
use crate::error::{Error, Result, SqlState};
use crate::query::{FileSource, FileTable};
use crate::source::{Compression, io_error};
use crate::store::ParquetFile;
use crate::types::SqlType;

/// The largest file that is read into memory because it cannot be read in parts.
const MOST_BYTES: u64 = 256 << 20;

/// Files of the same columns.
pub(super) struct ParquetTable {
    files: Vec<ParquetFile>,
    columns: Vec<(String, SqlType)>,
}

impl fmt::Debug for ParquetTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetTable").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl ParquetTable {
    /// Opens files, which must have the same columns.
    pub(super) fn open(files: Vec<DataFile>) -> Result<Self> {
        let mut opened: Vec<ParquetFile> = Vec::with_capacity(files.len());
        let mut columns: Option<Vec<(String, SqlType)>> = None;
        for file in &files {
            let parquet = open(file)?;
            let own = columns_of(&parquet, file.name())?;
            match &columns {
                None => columns = Some(own),
                Some(known) if *known == own => {}
                Some(_) => {
                    return Err(Error::new(
                        SqlState::BAD_COPY_FILE_FORMAT,
                        format!(
                            "file \"{}\" has other columns than \"{}\"",
                            file.name(),
                            files[0].name()
                        ),
                    ));
                }
            }
            opened.push(parquet);
        }
        Ok(Self { files: opened, columns: columns.unwrap_or_default() })
    }

    /// Returns the table that a query calls `name`.
    pub(super) fn into_table(self, name: &str) -> FileTable {
        let rows = |file: &ParquetFile| {
            let bytes: u64 = (0..file.groups()).map(|group| file.group_size(group)).sum();
            // Compressed values take about a quarter of what they take as text.
            bytes * 4 / file.row_size().max(1)
        };
        let rows = self.files.iter().map(rows).sum();
        let columns = self.columns.clone();
        FileTable { name: name.to_owned(), columns, rows, source: Arc::new(self) }
    }
}

fn open(file: &DataFile) -> Result<ParquetFile> {
    if file.compression == Compression::None && file.source.supports_ranges() {
        return ParquetFile::open(Arc::clone(&file.source));
    }
    let mut bytes = Vec::new();
    let mut stream = std::io::Read::take(file.bytes()?, MOST_BYTES + 1);
    std::io::Read::read_to_end(&mut stream, &mut bytes)
        .map_err(|error| io_error("read", file.name(), &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("file \"{}\" exceeds the limit of {MOST_BYTES} bytes", file.name()),
        )
        .hint("Decompress it first."));
    }
    ParquetFile::in_memory(file.name(), bytes)
}

fn columns_of(file: &ParquetFile, name: &str) -> Result<Vec<(String, SqlType)>> {
    let column = |field: &Arc<Field>| {
        let sql_type = SqlType::from_arrow(field.data_type()).ok_or_else(|| {
            Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("column \"{}\" has a type that queries cannot read", field.name()),
            )
            .detail(format!("It is {} in \"{name}\".", field.data_type()))
        })?;
        Ok(sql_type)
    };
    let fields = file.schema().fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let types = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(column_names(&names).into_iter().zip(types).collect())
}

impl FileSource for ParquetTable {
    fn read(&self, columns: &[usize], take: &mut dyn FnMut(RecordBatch) -> bool) -> Result {
        let mut wanted = columns.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let fields: Vec<Field> = columns
            .iter()
            .map(|at| &self.columns[*at])
            .map(|(name, sql_type)| Field::new(name, sql_type.arrow(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        for file in &self.files {
            let mut rows = file.read(0..file.groups(), &wanted)?;
            while let Some(batch) = rows.next_batch()? {
                let arrays = columns
                    .iter()
                    .map(|at| {
                        let place = wanted.iter().position(|each| each == at).unwrap_or(0);
                        in_query_form(batch.column(place), &self.columns[*at].1)
                    })
                    .collect::<Result<Vec<_>>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let batch =
                    RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
                        .map_err(Error::internal)?;
                if !take(batch) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn in_query_form(values: &ArrayRef, sql_type: &SqlType) -> Result<ArrayRef> {
    let wanted = sql_type.arrow();
    if *values.data_type() == wanted {
        return Ok(Arc::clone(values));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, &wanted, &options).map_err(|error| {
        Error::new(SqlState::DATA_EXCEPTION, format!("could not read a value as {sql_type}"))
            .caused_by(error)
    })
}
