//! One column of a row group on its way into the file: pages, their index, statistics.
//!
//! The encoders are our own, because Parquet's writer was two thirds of an import: it hashes,
//! compares and copies value by value. Headers, footers and indexes are written by `parquet`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::packing::{append_hybrid, append_run};

/// Encodes the values of one column, page by page.
pub(super) trait PageEncoder: Send {
    /// Appends the values of `pieces` that are not NULL to `body`; looks for the smallest and the
    /// largest if `bounds` says so, or if that costs nothing.
    fn encode(&mut self, pieces: &[ArrayRef], bounds: bool, body: &mut Vec<u8>) -> EncodedPage;

    /// Returns the dictionary, PLAIN encoded, and its size, if there is one.
    fn dictionary(&self) -> Option<(Vec<u8>, usize)>;

    /// Returns the statistics of all pages so far, which held `nulls` NULLs.
    fn statistics(&self, nulls: u64) -> Option<Statistics>;
}

/// What encoding a page gave.
pub(super) struct EncodedPage {
    /// How its values are encoded.
    pub(super) encoding: Encoding,
    /// The smallest and the largest value, PLAIN encoded, if known.
    pub(super) bounds: Option<(Vec<u8>, Vec<u8>)>,
}

/// Memory that pages share, one after the other.
#[derive(Default)]
pub(super) struct Scratch {
    levels: Vec<u32>,
    packed: Vec<u8>,
    body: Arc<Vec<u8>>,
    compressed: Arc<Vec<u8>>,
    table: CompressTable,
}

/// A column chunk that is being written into memory.
pub(super) struct ColumnChunk {
    column: ColumnDescPtr,
    encoder: Box<dyn PageEncoder>,
    /// Whether bounds of pages are wanted.
    bounds: bool,
    /// Chosen by the first page.
    compression: Option<Compression>,
    pages: TrackedWrite<Vec<u8>>,
    /// The size of all pages before compression, with headers.
    uncompressed: usize,
    rows: u64,
    nulls: u64,
    encodings: Vec<Encoding>,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
}

impl ColumnChunk {
    /// Returns an empty chunk of a column without repetition. `bounds` says whether pages keep their
    /// smallest and largest value.
    pub(super) fn new(column: ColumnDescPtr, encoder: Box<dyn PageEncoder>, bounds: bool) -> Self {
        Self {
            index: ColumnIndexBuilder::new(column.physical_type()),
            column,
            encoder,
            bounds,
            compression: None,
            pages: TrackedWrite::new(Vec::new()),
            uncompressed: 0,
            rows: 0,
            nulls: 0,
            encodings: vec![Encoding::RLE],
            offsets: OffsetIndexBuilder::new(),
        }
    }

    /// Returns the bytes in memory, about.
    pub(super) fn size(&self) -> usize {
        self.pages.bytes_written()
    }

    /// Appends the rows of `pieces` as one page.
    pub(super) fn append_page(&mut self, pieces: &[ArrayRef], scratch: &mut Scratch) -> Result<()> {
        let rows: usize = pieces.iter().map(Array::len).sum();
        let nulls: usize = pieces.iter().map(Array::null_count).sum();
        let body = cleared(&mut scratch.body);
        if self.column.max_def_level() > 0 {
            scratch.packed.clear();
            append_levels(pieces, nulls, &mut scratch.levels, &mut scratch.packed);
            let length = u32::try_from(scratch.packed.len()).unwrap_or(u32::MAX);
            body.extend_from_slice(&length.to_le_bytes());
            body.extend_from_slice(&scratch.packed);
        }
        let encoded = self.encoder.encode(pieces, self.bounds, body);
        if !self.encodings.contains(&encoded.encoding) {
            self.encodings.push(encoded.encoding);
        }
        let size = body.len();
        let buf = compress(&mut self.compression, scratch)?;
        let page = Page::DataPage {
            buf,
            num_values: count(rows)?,
            encoding: encoded.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = write_page(&mut self.pages, page, size)?;
        self.uncompressed += written.uncompressed_size;
        self.rows += rows as u64;
        self.nulls += nulls as u64;
        let (rows, nulls) = (signed(rows)?, signed(nulls)?);
        self.offsets.append_row_count(rows);
        let size = i32::try_from(written.compressed_size).map_err(too_large)?;
        self.offsets.append_offset_and_size(signed(written.offset)?, size);
        match encoded.bounds {
            Some((low, high)) => self.index.append(false, low, high, nulls),
            None if nulls == rows => self.index.append(true, Vec::new(), Vec::new(), nulls),
            None => self.index.to_invalid(),
        }
        Ok(())
    }

    /// Returns the bytes of the chunk, the dictionary first, and what the footer says of it.
    pub(super) fn close(mut self, scratch: &mut Scratch) -> Result<(Bytes, ColumnCloseResult)> {
        let mut bytes = Vec::new();
        if let Some((dictionary, values)) = self.encoder.dictionary() {
            let size = dictionary.len();
            cleared(&mut scratch.body).extend_from_slice(&dictionary);
            let page = Page::DictionaryPage {
                buf: compress(&mut self.compression, scratch)?,
                num_values: count(values)?,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let mut sink = TrackedWrite::new(Vec::new());
            self.uncompressed += write_page(&mut sink, page, size)?.uncompressed_size;
            self.encodings.push(Encoding::PLAIN);
            bytes = sink.into_inner()?;
        }
        let before = signed(bytes.len())?;
        let pages = self.pages.into_inner()?;
        let bytes = if bytes.is_empty() { pages } else { [bytes, pages].concat() };
        let mut offsets = self.offsets.build();
        offsets.page_locations.iter_mut().for_each(|page| page.offset += before);
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.compression.unwrap_or(Compression::UNCOMPRESSED))
            .set_encodings(self.encodings)
            .set_total_compressed_size(signed(bytes.len())?)
            .set_total_uncompressed_size(signed(self.uncompressed)?)
            .set_num_values(signed(self.rows)?)
            .set_data_page_offset(before)
            .set_dictionary_page_offset((before > 0).then_some(0));
        if let Some(statistics) = self.encoder.statistics(self.nulls) {
            metadata = metadata.set_statistics(statistics);
        }
        let index = if self.index.valid() { Some(self.index.build()?) } else { None };
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: index,
            offset_index: Some(offsets),
        };
        Ok((Bytes::from(bytes), close))
    }
}

/// Returns a buffer that is used again and again, empty; nobody else holds it between pages.
fn cleared(buffer: &mut Arc<Vec<u8>>) -> &mut Vec<u8> {
    let bytes = Arc::make_mut(buffer);
    bytes.clear();
    bytes
}

/// Appends the definition levels of a column that may hold NULL: 1 for a value, 0 for NULL.
fn append_levels(pieces: &[ArrayRef], nulls: usize, levels: &mut Vec<u32>, out: &mut Vec<u8>) {
    if nulls == 0 {
        return append_run(1, pieces.iter().map(Array::len).sum(), 1, out);
    }
    levels.clear();
    for piece in pieces {
        match piece.nulls() {
            Some(nulls) => levels.extend(nulls.iter().map(u32::from)),
            None => levels.resize(levels.len() + piece.len(), 1),
        }
    }
    append_hybrid(levels, 1, out);
}

/// Returns the body in `scratch` as it is written. The first page of a chunk decides whether LZ4 pays:
/// packed numbers are dense already, and reading them as they are is quicker.
fn compress(compression: &mut Option<Compression>, scratch: &mut Scratch) -> Result<Bytes> {
    let plain = |body: &Arc<Vec<u8>>| Bytes::from_owner(SharedBytes(Arc::clone(body)));
    if *compression == Some(Compression::UNCOMPRESSED) {
        return Ok(plain(&scratch.body));
    }
    let output = Arc::make_mut(&mut scratch.compressed);
    let most = get_maximum_output_size(scratch.body.len());
    if output.len() < most {
        output.resize(most, 0);
    }
    let size = compress_into_with_table(&scratch.body, output, &mut scratch.table)
        .map_err(|error| ParquetError::External(Box::new(error)))?;
    let pays = size <= scratch.body.len() / 4 * 3;
    if compression.is_none() && !pays {
        *compression = Some(Compression::UNCOMPRESSED);
        return Ok(plain(&scratch.body));
    }
    *compression = Some(Compression::LZ4_RAW);
    Ok(plain(&scratch.compressed).slice(..size))
}

/// Bytes that go back to their owner when they were written.
struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn write_page(
    sink: &mut TrackedWrite<Vec<u8>>,
    page: Page,
    size: usize,
) -> Result<parquet::column::page::PageWriteSpec> {
    SerializedPageWriter::new(sink).write_page(CompressedPage::new(page, size))
}

fn count(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(too_large)
}

fn signed(number: impl TryInto<i64>) -> Result<i64> {
    number.try_into().map_err(|_| too_large(()))
}

fn too_large<E>(_: E) -> ParquetError {
    ParquetError::General("a page is larger than Parquet can say".to_owned())
}
