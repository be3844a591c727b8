//! Parquet files that others wrote, as data files of an import: opened, and read by row groups.
//!
//! A file that is cut short or damaged is an error, never fewer rows. Text comes as views into the pages.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::panic::caught_or;
use crate::error::{Error, Result, SqlState};
use crate::source::SourceFile;

/// The rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A Parquet file, open for reading. Threads may share it.
pub struct ParquetFile {
    input: Input,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Opens a file whose ranges can be read.
    pub fn open(source: Arc<SourceFile>) -> Result<Self> {
        let name = source.name().to_owned();
        Self::of(Input { content: Content::File(source), name, failed: Arc::default() })
    }

    /// Opens a file that was read into memory.
    pub fn in_memory(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let content = Content::Memory(bytes.into());
        Self::of(Input { content, name: name.to_owned(), failed: Arc::default() })
    }

    fn of(input: Input) -> Result<Self> {
        let load = || {
            let options = ArrowReaderOptions::new();
            let metadata = ArrowReaderMetadata::load(&input, options)
                .map_err(|error| input.error(&error.to_string()))?;
            let options = ArrowReaderOptions::new().with_schema(with_views(metadata.schema()));
            ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
                .map_err(|error| input.error(&error.to_string()))
        };
        let metadata = caught_or(load, |why| input.error(why))?;
        Ok(Self { input, metadata })
    }

    /// Returns the columns.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Returns how many row groups there are.
    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Returns the size of a row group in the file, in bytes.
    pub fn group_size(&self, group: usize) -> u64 {
        let size = self.metadata.metadata().row_group(group).compressed_size();
        u64::try_from(size).unwrap_or(0)
    }

    /// Returns how many bytes a row has as text, about.
    pub fn row_size(&self) -> u64 {
        let groups = self.metadata.metadata().row_groups();
        let sum = |of: &dyn Fn(&RowGroupMetaData) -> i64| -> u64 {
            groups.iter().map(|group| u64::try_from(of(group)).unwrap_or(0)).sum()
        };
        let rows = sum(&RowGroupMetaData::num_rows).max(1);
        // Values take about half of what they take as text.
        (2 * sum(&RowGroupMetaData::total_byte_size)).div_ceil(rows)
    }

    /// Returns the rows of some row groups. `columns` are positions in the schema, in ascending order.
    pub fn read(&self, groups: Range<usize>, columns: &[usize]) -> Result<ParquetRows> {
        let input = self.input.clone();
        let build = || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                input.clone(),
                self.metadata.clone(),
            );
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder
                .with_batch_size(BATCH_ROWS)
                .with_row_groups(groups.collect())
                .with_projection(mask)
                .build()
                .map_err(|error| input.error(&error.to_string()))
        };
        let reader = caught_or(build, |why| input.error(why))?;
        Ok(ParquetRows { reader, input })
    }
}

/// Rows of a Parquet file, batch by batch.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    input: Input,
}

impl ParquetRows {
    /// Returns the next rows; nothing at the end.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let (reader, input) = (&mut self.reader, &self.input);
        let next = || {
            let batch = reader.next().transpose();
            batch.map_err(|error| input.error(&error.to_string()))
        };
        caught_or(next, |why| input.error(why))
    }
}

/// Returns the columns with those of text as views.
fn with_views(schema: &SchemaRef) -> SchemaRef {
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8);
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Dictionary(_, values) if text(values) => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        }
        data_type if text(data_type) => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Where the bytes of a file come from.
#[derive(Clone)]
enum Content {
    File(Arc<SourceFile>),
    Memory(Bytes),
}

/// The bytes of a file, as Parquet reads them.
#[derive(Clone)]
struct Input {
    content: Content,
    name: String,
    /// Why reading failed, if it did: Parquet passes on no more than the words.
    failed: Arc<Mutex<Option<Error>>>,
}

impl Input {
    /// Returns the error of a file that cannot be read.
    fn error(&self, why: &str) -> Error {
        if let Some(error) = self.failed.lock().ok().and_then(|mut failed| failed.take()) {
            return error;
        }
        // LZO: its library has a licence that asks for the source of what uses it.
        if let Some((_, codec)) = why.split_once("The codec type ") {
            let codec = codec.split(' ').next().unwrap_or_default().to_lowercase();
            return Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("pages compressed by {codec} are not supported: \"{}\"", self.name),
            )
            .hint("Write the file with snappy, gzip, zstd, lz4, brotli or no compression.");
        }
        Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("file \"{}\" is no Parquet file, or damaged", self.name),
        )
        .detail(format!("The reader says: {}.", why.trim_end_matches('.')))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.content {
            Content::File(file) => file.read_at(buffer, offset).map_err(|error| {
                let text = error.message().to_owned();
                if let Ok(mut failed) = self.failed.lock() {
                    failed.get_or_insert(error);
                }
                io::Error::other(text)
            }),
            Content::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)
            }
        }
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        match &self.content {
            Content::File(file) => file.size(),
            Content::Memory(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Input {
    type T = BufReader<InputReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(InputReader { input: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF("a part lies behind the end of the file".to_owned()));
        }
        if let Content::Memory(bytes) = &self.content {
            let start =
                usize::try_from(start).map_err(|error| ParquetError::External(error.into()))?;
            return Ok(bytes.slice(start..start + length));
        }
        let mut buffer = vec![0; length];
        let filled = self.read_at(&mut buffer, start)?;
        if filled < length {
            return Err(ParquetError::EOF("the file ends early".to_owned()));
        }
        Ok(buffer.into())
    }
}

/// Reads a file from an offset on.
struct InputReader {
    input: Input,
    offset: u64,
}

impl Read for InputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Returns a file of three row groups of ten rows.
    fn file() -> Vec<u8> {
        let texts: Vec<String> = (0..30).map(|n| format!("text {n} that is not short")).collect();
        let columns: [(&str, ArrayRef); 2] = [
            ("n", Arc::new(Int64Array::from_iter_values(0..30))),
            ("t", Arc::new(StringArray::from(texts))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn reads_row_groups_and_columns() {
        let file = ParquetFile::in_memory("f", file()).unwrap();
        assert_eq!((file.groups(), file.schema().fields().len()), (3, 2));
        assert_eq!(file.schema().field(1).data_type(), &DataType::Utf8View);
        assert!(file.group_size(0) > 0);
        let mut rows = file.read(1..3, &[0]).unwrap();
        let mut numbers = Vec::new();
        while let Some(batch) = rows.next_batch().unwrap() {
            assert_eq!(batch.num_columns(), 1);
            numbers.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
        }
        assert_eq!(numbers, (10..30).collect::<Vec<_>>());
        let mut rows = file.read(0..1, &[1]).unwrap();
        let batch = rows.next_batch().unwrap().unwrap();
        assert_eq!(batch.column(0).as_string_view().value(9), "text 9 that is not short");
        assert_eq!(batch.column(0).len(), 10);
    }

    /// Reads all rows of all groups.
    fn count(bytes: Vec<u8>) -> Result<usize> {
        let file = ParquetFile::in_memory("f", bytes)?;
        let mut rows = file.read(0..file.groups(), &[0, 1])?;
        let mut count = 0;
        while let Some(batch) = rows.next_batch()? {
            count += batch.num_rows();
        }
        Ok(count)
    }

    #[test]
    fn a_cut_file_is_an_error_wherever_it_is_cut() {
        let whole = file();
        for length in 0..whole.len() {
            let error = count(whole[..length].to_vec()).unwrap_err();
            assert_eq!(error.code(), SqlState::BAD_COPY_FILE_FORMAT, "{length}");
        }
        assert_eq!(count(whole).unwrap(), 30);
    }

    #[test]
    fn a_damaged_file_is_no_panic() {
        let whole = file();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(rows) = count(bytes) {
                assert!(rows <= 30, "byte {at}");
            }
        }
    }
}
