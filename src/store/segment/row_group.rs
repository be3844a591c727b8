//! The row group in hand: every column as it is encoded, page by page.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};

use super::checksum::ChecksumWriter;
use super::column_chunk::{ColumnChunk, PageEncoder, Scratch};
use super::encoding::{Choice, Form};
use super::integer_pages::IntegerPages;
use super::text_pages::TextPages;

/// Starts the row groups of a file, all encoded alike.
pub(super) struct RowGroupFactory {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    parquet: SchemaDescPtr,
    choices: Vec<Choice>,
    /// Row groups started so far.
    started: usize,
}

impl RowGroupFactory {
    /// Returns the factory for a file; `choices` has one entry per column.
    pub(super) fn new(
        file: &SerializedFileWriter<ChecksumWriter>,
        factory: ArrowRowGroupWriterFactory,
        schema: SchemaRef,
        choices: Vec<Choice>,
    ) -> Self {
        let parquet = Arc::new(file.schema_descr().clone());
        Self { factory, schema, parquet, choices, started: 0 }
    }

    /// Returns a new row group without rows.
    pub(super) fn start(&mut self) -> Result<RowGroup> {
        let mut library = Vec::new();
        if self.choices.iter().any(|choice| choice.form == Form::Library) {
            library = self.factory.create_column_writers(self.started)?;
        }
        self.started += 1;
        let mut library = library.into_iter();
        let mut columns = Vec::with_capacity(self.choices.len());
        for leaf in 0..self.parquet.num_columns() {
            // Every column has one leaf: lists are the deepest that a type goes.
            let choice = self.choices[self.parquet.get_column_root_idx(leaf)];
            let writer = library.next();
            columns.push(match encoder(self.parquet.column(leaf), choice) {
                Some(chunk) => Column::Ours(Box::new(chunk)),
                None => {
                    Column::Library(Box::new(writer.ok_or_else(|| {
                        ParquetError::General("a column has no writer".to_owned())
                    })?))
                }
            });
        }
        let schema = Arc::clone(&self.schema);
        Ok(RowGroup { schema, columns, rows: 0, scratch: Scratch::default() })
    }
}

/// Returns the chunk that encodes a column, or nothing if `parquet` does it.
fn encoder(column: ColumnDescPtr, choice: Choice) -> Option<ColumnChunk> {
    let encoder: Box<dyn PageEncoder> = match choice.form {
        Form::Int32(form) => Box::new(IntegerPages::<i32>::new(form)),
        Form::Int64(form) => Box::new(IntegerPages::<i64>::new(form)),
        Form::Texts { dictionary } => Box::new(TextPages::new(dictionary)),
        Form::Library => return None,
    };
    Some(ColumnChunk::new(column, encoder, choice.statistics))
}

/// A row group that is being written into memory.
pub(super) struct RowGroup {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    scratch: Scratch,
}

enum Column {
    /// Encoded by us.
    Ours(Box<ColumnChunk>),
    /// Encoded by `parquet`: rarer types.
    Library(Box<ArrowColumnWriter>),
}

impl RowGroup {
    /// Returns the rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the bytes in memory, about.
    pub(super) fn size(&self) -> usize {
        let size = |column: &Column| match column {
            Column::Ours(chunk) => chunk.size(),
            Column::Library(writer) => writer.memory_size(),
        };
        self.columns.iter().map(size).sum()
    }

    /// Appends the rows of `batches` as one page of every column.
    pub(super) fn append_page(&mut self, batches: &[RecordBatch]) -> Result<()> {
        self.rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        for (index, column) in self.columns.iter_mut().enumerate() {
            match column {
                Column::Ours(chunk) => {
                    let pieces: Vec<ArrayRef> =
                        batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
                    chunk.append_page(&pieces, &mut self.scratch)?;
                }
                Column::Library(writer) => {
                    let field = self.schema.field(index);
                    for batch in batches {
                        for leaf in compute_leaves(field, batch.column(index))? {
                            writer.write(&leaf)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the row group to its file.
    pub(super) fn close(mut self, file: &mut SerializedFileWriter<ChecksumWriter>) -> Result<()> {
        let mut group = file.next_row_group()?;
        for column in self.columns {
            match column {
                Column::Ours(chunk) => {
                    let (bytes, close) = chunk.close(&mut self.scratch)?;
                    group.append_column(&bytes, close)?;
                }
                Column::Library(writer) => writer.close()?.append_to_row_group(&mut group)?,
            }
        }
        group.close()?;
        Ok(())
    }
}
