//! Writes one segment file: Parquet, with statistics and check sums taken on the way.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::{ArrowSchemaConverter, PARQUET_FIELD_ID_META_KEY};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use super::checksum::ChecksumWriter;
use super::encoding::{self, Choice, SAMPLE};
use super::row_group::{RowGroup, RowGroupFactory};
use super::{GROUP_BYTES, GROUP_ROWS, PAGE_BYTES, PAGE_ROWS, SegmentColumn};
use crate::catalog::TableId;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::bounds::{self, FloatBounds};
use crate::store::error::{io_error, write_error};
use crate::store::garbage::file_name;
use crate::store::manifest::{ColumnStatistics, Segment};
use crate::store::view::Loader;

/// The longest text or bytes that statistics keep; longer ones have none.
const LONGEST_BOUND: usize = 1024;

/// The longest text or bytes that the page index keeps; it may hold rounded ones.
const LONGEST_PAGE_BOUND: usize = 64;

/// Writes one segment file.
pub struct SegmentWriter {
    loader: Arc<Loader>,
    table: TableId,
    number: u64,
    path: PathBuf,
    columns: Vec<SegmentColumn>,
    schema: SchemaRef,
    /// Whether a column is part of the key that rows are sorted by.
    keys: Vec<bool>,
    rows: u64,
    nulls: Vec<u64>,
    floats: Vec<FloatBounds>,
    /// Rows that are not in a page yet.
    waiting: VecDeque<RecordBatch>,
    /// How many rows that are.
    waiting_rows: usize,
    /// How many bytes they keep in memory, about.
    waiting_bytes: usize,
    output: Output,
}

/// Where rows go.
enum Output {
    /// Into memory, until there are enough to choose encodings by.
    Waiting(File),
    /// Into the file.
    Open(Box<OpenFile>),
    /// Nowhere: the file is complete, or given up.
    Closed,
}

/// A file that is being written.
struct OpenFile {
    file: SerializedFileWriter<ChecksumWriter>,
    factory: RowGroupFactory,
    group: Option<RowGroup>,
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !matches!(self.output, Output::Closed) {
            let _ = fs::remove_file(&self.path);
            if let Some(directory) = self.path.parent() {
                let _ = fs::remove_dir(directory);
            }
        }
    }
}

impl Store {
    /// Starts a segment file of `table`. Rows come sorted by `sorted_by` (positions in `columns`), or in
    /// file order if that is empty.
    pub fn create_segment(
        &self,
        table: TableId,
        columns: &[SegmentColumn],
        sorted_by: &[(usize, bool)],
    ) -> Result<SegmentWriter> {
        self.require_writable()?;
        let (number, path, file) = self.create_file(table)?;
        let mut keys = vec![false; columns.len()];
        for (position, _) in sorted_by {
            keys[*position] = true;
        }
        Ok(SegmentWriter {
            loader: Arc::clone(self.loader()),
            table,
            number,
            path,
            schema: Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())),
            keys,
            rows: 0,
            nulls: vec![0; columns.len()],
            floats: vec![FloatBounds::default(); columns.len()],
            waiting: VecDeque::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            output: Output::Waiting(file),
            columns: columns.to_vec(),
        })
    }

    fn create_file(&self, table: TableId) -> Result<(u64, PathBuf, File)> {
        let mut attempts = 0;
        loop {
            let number = self.next_segment_number();
            let path = self.make_table_directory(table)?.join(file_name(number));
            match File::create_new(&path) {
                Ok(file) => return Ok((number, path, file)),
                // The last file of the table may have gone meanwhile, and the directory with it; or
                // another process wrote here while the catalog was given up after an error.
                Err(error) if is_passing(&error) && attempts < 1000 => attempts += 1,
                Err(error) => return Err(io_error("create", &path, error)),
            }
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::AlreadyExists)
}

fn field(column: &SegmentColumn) -> Field {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), column.id.to_string());
    Field::new(&column.name, column.sql_type.storage(), column.nullable)
        .with_metadata(HashMap::from([id]))
}

impl SegmentWriter {
    /// Appends rows, in storage form, columns in the order given at creation.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            batch.columns().to_vec(),
            &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )
        .map_err(|error| Error::internal(format!("rows for a segment: {error}")))?;
        self.rows += batch.num_rows() as u64;
        for (index, values) in batch.columns().iter().enumerate() {
            self.nulls[index] += values.null_count() as u64;
            self.floats[index].add(values);
        }
        self.waiting_rows += batch.num_rows();
        // Text columns keep the same bytes of the file.
        let bytes = batch.columns().iter().map(Array::get_buffer_memory_size).max();
        self.waiting_bytes += bytes.unwrap_or(0);
        self.waiting.push_back(batch);
        while self.waiting_rows >= PAGE_ROWS || self.waiting_bytes >= PAGE_BYTES {
            self.append_page(PAGE_ROWS)?;
        }
        Ok(())
    }

    /// Encodes up to `most` of the rows that wait, as one page of every column.
    fn append_page(&mut self, most: usize) -> Result<()> {
        let mut batches = Vec::new();
        let mut left = most;
        while left > 0
            && let Some(batch) = self.waiting.pop_front()
        {
            let rows = batch.num_rows().min(left);
            if rows < batch.num_rows() {
                self.waiting.push_front(batch.slice(rows, batch.num_rows() - rows));
            }
            batches.push(batch.slice(0, rows));
            left -= rows;
        }
        self.waiting_rows -= most - left;
        self.waiting_bytes = 0;
        if matches!(self.output, Output::Waiting(_)) {
            self.start(&batches)?;
        }
        let Output::Open(open) = &mut self.output else {
            return Err(Error::internal("a segment is written after an error"));
        };
        open.append_page(&batches).map_err(|error| write_error(&self.path, error))
    }

    /// Returns the bytes written so far, about.
    pub fn bytes(&self) -> u64 {
        let waiting = self.waiting.iter().map(RecordBatch::get_array_memory_size).sum::<usize>();
        let encoded = match &self.output {
            Output::Open(open) => {
                open.file.bytes_written() + open.group.as_ref().map_or(0, RowGroup::size)
            }
            Output::Waiting(_) | Output::Closed => 0,
        };
        (waiting + encoded) as u64
    }

    /// Returns the rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes and syncs the file. It stays an orphan until a manifest names it.
    pub fn finish(mut self) -> Result<Segment> {
        if self.waiting_rows > 0 {
            self.append_page(self.waiting_rows)?;
        }
        if matches!(self.output, Output::Waiting(_)) {
            self.start(&[])?;
        }
        let (bytes, checksums, statistics) = self.close()?;
        let directory = self.loader.directory();
        let data = self.loader.files.register(directory, self.table, self.number, checksums);
        self.output = Output::Closed;
        Ok(Segment {
            file: file_name(self.number),
            rows: self.rows,
            bytes,
            statistics,
            rowids: None,
            commit: 0,
            data,
        })
    }

    /// Writes the footer and syncs; the file is still removed if that fails.
    fn close(&mut self) -> Result<(u64, Vec<u32>, Vec<ColumnStatistics>)> {
        let failed = |error| write_error(&self.path, error);
        let Output::Open(open) = &mut self.output else {
            return Err(Error::internal("a segment is finished twice"));
        };
        open.end_group().map_err(failed)?;
        let statistics = self.statistics()?;
        let Output::Open(open) = std::mem::replace(&mut self.output, Output::Closed) else {
            return Err(Error::internal("a segment is finished twice"));
        };
        // `into_inner` would hide what the system said of the last write.
        let mut file = open.file;
        let closed = file.finish().map_err(|error| write_error(&self.path, error));
        let synced = closed.and_then(|_| {
            let (file, bytes, checksums) = file.inner_mut().finish();
            file.sync_data().map_err(|error| io_error("sync", &self.path, error))?;
            Ok((bytes, checksums))
        });
        if synced.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        let (bytes, checksums) = synced?;
        Ok((bytes, checksums, statistics))
    }

    /// Chooses encodings by the first rows and writes the head of the file.
    fn start(&mut self, batches: &[RecordBatch]) -> Result<()> {
        let choices = self.choices(batches)?;
        let properties = self.properties(&choices)?;
        let Output::Waiting(file) = std::mem::replace(&mut self.output, Output::Closed) else {
            return Ok(());
        };
        let options = ArrowWriterOptions::new().with_properties(properties);
        let schema = Arc::clone(&self.schema);
        let sink = ChecksumWriter::new(file);
        let started = ArrowWriter::try_new_with_options(sink, Arc::clone(&schema), options)
            .and_then(ArrowWriter::into_serialized_writer);
        let (file, factory) = started.map_err(|error| {
            let _ = fs::remove_file(&self.path);
            write_error(&self.path, error)
        })?;
        let factory = RowGroupFactory::new(&file, factory, schema, choices);
        self.output = Output::Open(Box::new(OpenFile { file, factory, group: None }));
        Ok(())
    }

    fn choices(&self, batches: &[RecordBatch]) -> Result<Vec<Choice>> {
        let choose = |(index, column): (usize, &SegmentColumn)| {
            let mut left = SAMPLE;
            let mut pieces: Vec<ArrayRef> = Vec::new();
            for batch in batches {
                let rows = batch.num_rows().min(left);
                pieces.push(batch.column(index).slice(0, rows));
                left -= rows;
            }
            let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
            let sample = match pieces.as_slice() {
                [] => arrow::array::new_empty_array(&column.sql_type.storage()),
                pieces => concat(pieces)
                    .map_err(|error| Error::internal(format!("rows for a segment: {error}")))?,
            };
            Ok(encoding::choose(&column.sql_type, &sample, self.keys[index]))
        };
        self.columns.iter().enumerate().map(choose).collect()
    }

    /// Returns what `parquet` needs to know; it encodes the columns that we do not.
    fn properties(&self, choices: &[Choice]) -> Result<WriterProperties> {
        let parquet = ArrowSchemaConverter::new()
            .convert(&self.schema)
            .map_err(|error| write_error(&self.path, error))?;
        let mut builder = WriterProperties::builder()
            .set_created_by(format!("wharf {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::LZ4_RAW)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_statistics_truncate_length(Some(LONGEST_BOUND))
            .set_column_index_truncate_length(Some(LONGEST_PAGE_BOUND));
        for leaf in 0..parquet.num_columns() {
            let choice = choices[parquet.get_column_root_idx(leaf)];
            let path = parquet.column(leaf).path().clone();
            let statistics =
                if choice.statistics { EnabledStatistics::Page } else { EnabledStatistics::None };
            builder = builder
                .set_column_dictionary_enabled(path.clone(), choice.dictionary)
                .set_column_encoding(path.clone(), Encoding::PLAIN)
                .set_column_statistics_enabled(path, statistics);
        }
        Ok(builder.build())
    }

    /// Returns the statistics of every column, from those of the row groups written.
    fn statistics(&self) -> Result<Vec<ColumnStatistics>> {
        let Output::Open(open) = &self.output else { return Ok(Vec::new()) };
        let groups = open.file.flushed_row_groups();
        let Some(first) = groups.first() else { return Ok(self.without_ranges()) };
        let parquet = first.schema_descr();
        let mut statistics = self.without_ranges();
        for leaf in 0..parquet.num_columns() {
            let root = parquet.get_column_root_idx(leaf);
            let data_type = self.schema.field(root).data_type();
            statistics[root].range = match data_type {
                DataType::Float32 | DataType::Float64 => self.floats[root].finish(data_type),
                DataType::List(_) => None,
                _ => self.range(leaf, root, parquet, groups)?,
            };
        }
        Ok(statistics)
    }

    fn without_ranges(&self) -> Vec<ColumnStatistics> {
        let columns = self.columns.iter().zip(&self.nulls);
        columns
            .map(|(column, nulls)| ColumnStatistics {
                column: column.id,
                range: None,
                nulls: *nulls,
            })
            .collect()
    }

    fn range(
        &self,
        leaf: usize,
        root: usize,
        parquet: &SchemaDescriptor,
        groups: &[RowGroupMetaData],
    ) -> Result<Option<ArrayRef>> {
        let failed = |error| write_error(&self.path, error);
        // Where a row group has values but no bounds, or bounds that were cut, the pair is unknown.
        let known = groups.iter().all(|group| {
            group.column(leaf).statistics().is_some_and(|statistics| {
                let nothing = statistics.null_count_opt() == u64::try_from(group.num_rows()).ok();
                nothing
                    || (statistics.min_is_exact()
                        && statistics.max_is_exact()
                        && statistics.min_bytes_opt().is_some()
                        && statistics.max_bytes_opt().is_some())
            })
        });
        if !known {
            return Ok(None);
        }
        let field = self.schema.field(root);
        let converter =
            StatisticsConverter::from_column_index(leaf, field, parquet).map_err(failed)?;
        let low = converter.row_group_mins(groups).map_err(failed)?;
        let high = converter.row_group_maxes(groups).map_err(failed)?;
        let both = concat(&[&low, &high])
            .map_err(|error| Error::internal(format!("statistics: {error}")))?;
        Ok(bounds::of_array(&both).filter(|pair| pair.data_type() == field.data_type()))
    }
}

impl OpenFile {
    fn append_page(&mut self, batches: &[RecordBatch]) -> parquet::errors::Result<()> {
        let group = match &mut self.group {
            Some(group) => group,
            None => self.group.insert(self.factory.start()?),
        };
        group.append_page(batches)?;
        if group.rows() >= GROUP_ROWS || group.size() >= GROUP_BYTES {
            self.end_group()
        } else {
            Ok(())
        }
    }

    fn end_group(&mut self) -> parquet::errors::Result<()> {
        match self.group.take() {
            Some(group) => group.close(&mut self.file),
            None => Ok(()),
        }
    }
}
