//! Reads one segment file: as few blocks as the request allows, each compared with its check sum.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, RecordBatchOptions,
    new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, cast};
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelectionPolicy,
};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::checksum::read_ranges;
use super::filter::{ColumnFilter, narrowed, select, within};
use super::prune::{rows_to_read, subtract};
use super::{ColumnRange, PAGE_ROWS, SegmentColumn};
use crate::catalog::{ColumnId, ROWID, TableId};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::error::{damaged, io_error, read_error};
use crate::store::garbage::SegmentFile;
use crate::store::manifest::{RowIds, Segment};

/// The most segment files that are kept open between scans, with their metadata.
const OPEN_FILES: usize = 256;

/// The rows of a batch unless the request says otherwise.
const BATCH_ROWS: usize = 8192;

/// The rows of a part, about, when a segment is read by several threads.
const PART_ROWS: u64 = 160_000;

/// The most rows whose conditions are tried before any other column is decoded.
const FEW_ROWS: u64 = 2 * PAGE_ROWS as u64;

/// The most digits of decimals that Parquet holds in 64 bits.
const NARROW_DIGITS: u8 = 18;

/// How much of a file's end is read to find its footer.
const FOOTER_GUESS: u64 = 64 << 10;

/// What to read of a segment.
#[derive(Clone, Debug, Default)]
pub struct ScanRequest {
    /// The columns wanted, in the order wanted. An empty list reads row counts only.
    pub columns: Vec<ColumnId>,
    /// Conditions that all hold for wanted rows; used to skip, never to filter exactly.
    pub ranges: Vec<ColumnRange>,
    /// Conditions that exactly the rows of the batches meet.
    pub filters: Vec<ColumnFilter>,
    /// Rows per batch before filters; 0 is 8,192.
    pub batch_rows: usize,
    /// Whether to add a last column `rowid` (Int64).
    pub rowid: bool,
    /// Which part to read, counted from 0, and of how many; nothing reads everything.
    pub part: Option<(usize, usize)>,
}

/// A segment file that is open, with its Parquet metadata.
#[derive(Debug)]
pub(in crate::store) struct OpenSegment {
    file: File,
    metadata: ArrowReaderMetadata,
    /// The same for decoding: decimals that Parquet holds in 64 bits come in as many.
    narrow: ArrowReaderMetadata,
    /// The Parquet leaf and the position of each column, by its id.
    columns: HashMap<ColumnId, (usize, usize)>,
}

/// The files that are kept open between scans; the one opened first is closed first.
#[derive(Debug, Default)]
pub(in crate::store) struct OpenFiles {
    order: Mutex<VecDeque<Weak<SegmentFile>>>,
}

impl OpenFiles {
    fn open(&self, segment: &Segment) -> Result<Arc<OpenSegment>> {
        let cached = segment.data.cached();
        if let Some(open) = &*cached.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(OpenSegment::open(segment)?);
        *cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&open));
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push_back(Arc::downgrade(&segment.data));
        let oldest = if order.len() > OPEN_FILES { order.pop_front() } else { None };
        drop(order);
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            oldest.cached().lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        Ok(open)
    }
}

impl OpenSegment {
    fn open(segment: &Segment) -> Result<Self> {
        let path = segment.data.path();
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(path, "It is missing.").caused_by(error),
            _ => io_error("open", path, error),
        })?;
        let length = file.metadata().map_err(|error| io_error("read", path, error))?.len();
        if length != segment.bytes {
            return Err(damaged(
                path,
                format!("It has {length} bytes instead of {}.", segment.bytes),
            ));
        }
        let metadata = Arc::new(read_metadata(&file, segment)?);
        let failed = |error| read_error(path, error);
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::try_new(metadata, options).map_err(failed)?;
        let options = ArrowReaderOptions::new().with_schema(narrow_schema(metadata.schema()));
        let narrow = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
            .map_err(failed)?;
        let parquet = metadata.parquet_schema();
        let mut columns = HashMap::new();
        for leaf in 0..parquet.num_columns() {
            let root = parquet.get_column_root_idx(leaf);
            let info = parquet.get_column_root(leaf).get_basic_info();
            if let Some(id) = info.has_id().then(|| u32::try_from(info.id()).ok()).flatten() {
                columns.insert(ColumnId(id), (leaf, root));
            }
        }
        Ok(Self { file, metadata, narrow, columns })
    }
}

/// Returns the schema in which decimals of few digits have 64 bits.
fn narrow_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Decimal128(precision, scale) if *precision <= NARROW_DIGITS => {
            let narrow = DataType::Decimal64(*precision, *scale);
            Arc::new(field.as_ref().clone().with_data_type(narrow))
        }
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn read_metadata(file: &File, segment: &Segment) -> Result<ParquetMetaData> {
    let failed = |error| read_error(segment.data.path(), error);
    let mut decoder = ParquetMetaDataPushDecoder::try_new(segment.bytes)
        .map_err(failed)?
        .with_page_index_policy(PageIndexPolicy::Optional);
    let end = segment.bytes.saturating_sub(FOOTER_GUESS)..segment.bytes;
    let mut wanted: Vec<Range<u64>> = std::iter::once(end).collect();
    loop {
        let bytes = read_ranges(file, &segment.data, segment.bytes, &wanted)?;
        decoder.push_ranges(wanted, bytes).map_err(failed)?;
        match decoder.try_decode().map_err(failed)? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => wanted = ranges,
            DecodeResult::Finished => return Err(Error::internal("metadata of a segment ended")),
        }
    }
}

impl Store {
    /// Returns the rows of a segment. `columns` are the table's (or index's) columns today: a column
    /// that the segment lacks reads as NULL, one of another type is cast.
    ///
    /// Every field of the batches allows NULL, whatever the columns say.
    pub fn scan(
        &self,
        _table: TableId,
        segment: &Arc<Segment>,
        columns: &[SegmentColumn],
        request: &ScanRequest,
    ) -> Result<SegmentScan> {
        let mut scan = SegmentScan::new(segment, columns, request)?;
        if !segment.may_match(&request.ranges) {
            return Ok(scan);
        }
        if request.columns.is_empty() && request.ranges.is_empty() && request.filters.is_empty() {
            let all = std::iter::once(0..segment.rows).collect();
            scan.rows = part_of(all, segment.rows, request.part).into();
            return Ok(scan);
        }
        let open = self.open_files.open(segment)?;
        let rows = rows_to_read(segment, &open.metadata, &request.ranges, |column| {
            open.columns.get(&column).map(|(leaf, _)| *leaf)
        })
        .map_err(|error| read_error(segment.data.path(), error))?;
        scan.rows = part_of(rows, segment.rows, request.part).into();
        let left: u64 = scan.rows.iter().map(|range| range.end - range.start).sum();
        if !request.filters.is_empty() && left <= FEW_ROWS {
            let tried = ScanRequest { filters: request.filters.clone(), ..ScanRequest::default() };
            let mut trial = SegmentScan::new(segment, columns, &tried)?;
            trial.rows = scan.rows;
            trial.start(Arc::clone(&open), &tried)?;
            scan.rows = trial.select()?.into();
            scan.conditions.clear();
            let untried = ScanRequest { filters: Vec::new(), ..request.clone() };
            scan.start(open, &untried)?;
        } else {
            scan.start(open, request)?;
        }
        Ok(scan)
    }

    /// Returns into how many parts a scan of `segment` is best divided.
    pub fn scan_parts(&self, segment: &Segment) -> usize {
        usize::try_from(segment.rows.div_ceil(PART_ROWS)).unwrap_or(usize::MAX).max(1)
    }
}

/// Returns the schema of the batches of a scan.
fn scan_schema(columns: &[SegmentColumn], request: &ScanRequest) -> Result<SchemaRef> {
    let mut fields = Vec::with_capacity(request.columns.len() + 1);
    for id in &request.columns {
        let column = columns
            .iter()
            .find(|column| column.id == *id)
            .ok_or_else(|| Error::internal(format!("column {id} is not one of the table")))?;
        fields.push(Field::new(&column.name, column.sql_type.storage(), true));
    }
    if request.rowid {
        fields.push(Field::new(ROWID, DataType::Int64, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Returns those of `rows` that belong to the part; parts are cut between pages where possible.
fn part_of(rows: Vec<Range<u64>>, total: u64, part: Option<(usize, usize)>) -> Vec<Range<u64>> {
    let Some((index, count)) = part.filter(|(_, count)| *count > 1) else { return rows };
    let pages = total.div_ceil(PAGE_ROWS as u64);
    let cut = |index: usize| {
        let page = u128::from(pages) * index as u128 / count as u128;
        u64::try_from(page).unwrap_or(u64::MAX).saturating_mul(PAGE_ROWS as u64).min(total)
    };
    let others = [0..cut(index), cut(index + 1)..u64::MAX];
    subtract(&rows, &others)
}

/// The rows of one segment, in order, as batches in storage form.
pub struct SegmentScan {
    /// Keeps the file on disk.
    segment: Arc<Segment>,
    open: Option<Arc<OpenSegment>>,
    schema: SchemaRef,
    /// Where each column comes from: a position in decoded batches, or nowhere.
    sources: Vec<Option<usize>>,
    /// What rows must meet.
    conditions: Vec<Condition>,
    /// Decodes the columns, if any are read.
    decoder: Option<ParquetPushDecoder>,
    /// The rows that are still to come.
    rows: VecDeque<Range<u64>>,
    batch_rows: usize,
    rowids: Option<RowIds>,
    rowid: bool,
    failed: bool,
}

/// A filter, and where its column is in decoded batches; nowhere if the file lacks it.
struct Condition {
    filter: ColumnFilter,
    storage: DataType,
    position: Option<usize>,
}

impl std::fmt::Debug for SegmentScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentScan").field("segment", &self.segment.file).finish_non_exhaustive()
    }
}

impl SegmentScan {
    /// Returns a scan of no rows.
    fn new(
        segment: &Arc<Segment>,
        columns: &[SegmentColumn],
        request: &ScanRequest,
    ) -> Result<Self> {
        let condition = |filter: &ColumnFilter| {
            let column = columns.iter().find(|column| column.id == filter.column);
            let column = column
                .ok_or_else(|| Error::internal(format!("no column {} to filter", filter.column)))?;
            let storage = column.sql_type.storage();
            Ok(Condition { filter: *filter, storage, position: None })
        };
        Ok(Self {
            segment: Arc::clone(segment),
            open: None,
            schema: scan_schema(columns, request)?,
            sources: Vec::new(),
            conditions: request.filters.iter().map(condition).collect::<Result<_>>()?,
            decoder: None,
            rows: VecDeque::new(),
            batch_rows: if request.batch_rows == 0 { BATCH_ROWS } else { request.batch_rows },
            rowids: request.rowid.then_some(segment.rowids).flatten(),
            rowid: request.rowid,
            failed: false,
        })
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Prepares decoding of the columns that the file has.
    fn start(&mut self, open: Arc<OpenSegment>, request: &ScanRequest) -> Result<()> {
        let found = |id: &ColumnId| open.columns.get(id).copied();
        let filtered = request.filters.iter().map(|filter| &filter.column);
        let wanted = request.columns.iter().chain(filtered);
        let mut positions: Vec<usize> =
            wanted.filter_map(found).map(|(_, position)| position).collect();
        positions.sort_unstable();
        positions.dedup();
        self.sources = request
            .columns
            .iter()
            .map(|id| found(id).and_then(|(_, root)| positions.binary_search(&root).ok()))
            .collect();
        for condition in &mut self.conditions {
            let root = found(&condition.filter.column).map(|(_, root)| root);
            condition.position = root.and_then(|root| positions.binary_search(&root).ok());
        }
        if self.conditions.iter().any(|condition| condition.position.is_none()) {
            // Every row has NULL there.
            self.rows.clear();
        }
        if positions.is_empty() || self.rows.is_empty() {
            return Ok(());
        }
        let path = self.segment.data.path();
        let parquet = open.metadata.parquet_schema();
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(open.narrow.clone())
            .with_batch_size(self.batch_rows)
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_projection(ProjectionMask::roots(parquet, positions));
        let (groups, selection) = selection(open.metadata.metadata(), &self.rows);
        builder = builder.with_row_groups(groups);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        self.decoder = Some(builder.build().map_err(|error| read_error(path, error))?);
        self.open = Some(open);
        Ok(())
    }

    /// Returns the next rows.
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        match self.decode()? {
            Some(decoded) => {
                let rows = self.take_rows(decoded.num_rows());
                let kept = self.kept(&decoded)?;
                self.assemble(Some(&decoded), &rows, kept.as_ref()).map(Some)
            }
            None if self.decoder.is_some() || self.rows.is_empty() => {
                if self.rows.is_empty() {
                    return Ok(None);
                }
                Err(damaged(self.segment.data.path(), "It has fewer rows than it should have."))
            }
            None => {
                let rows = self.take_rows(self.batch_rows);
                self.assemble(None, &rows, None).map(Some)
            }
        }
    }

    /// Returns the next decoded batch, reading what it needs.
    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        let (Some(decoder), Some(open)) = (&mut self.decoder, &self.open) else { return Ok(None) };
        let segment = &self.segment;
        let failed = |error| read_error(segment.data.path(), error);
        loop {
            match decoder.try_decode().map_err(failed)? {
                DecodeResult::Data(batch) if batch.num_rows() == 0 => {}
                DecodeResult::Data(batch) => return Ok(Some(batch)),
                DecodeResult::Finished => return Ok(None),
                DecodeResult::NeedsData(ranges) => {
                    let bytes = read_ranges(&open.file, &segment.data, segment.bytes, &ranges)?;
                    decoder.push_ranges(ranges, bytes).map_err(failed)?;
                }
            }
        }
    }

    /// Takes the next `count` rows (or as many as are left) off those still to come.
    fn take_rows(&mut self, count: usize) -> Vec<Range<u64>> {
        let mut left = count as u64;
        let mut out = Vec::new();
        while left > 0 {
            let Some(range) = self.rows.front_mut() else { break };
            let taken = left.min(range.end - range.start);
            out.push(range.start..range.start + taken);
            range.start += taken;
            left -= taken;
            if range.start == range.end {
                self.rows.pop_front();
            }
        }
        out
    }

    /// Returns the rows that meet all conditions, without reading other columns than theirs.
    fn select(&mut self) -> Result<Vec<Range<u64>>> {
        let mut selected = Vec::new();
        while let Some(decoded) = self.decode()? {
            let rows = self.take_rows(decoded.num_rows());
            match self.kept(&decoded)? {
                Some(kept) => select(&rows, &kept, &mut selected),
                None => selected.extend(rows),
            }
        }
        if !self.rows.is_empty() {
            return Err(damaged(
                self.segment.data.path(),
                "It has fewer rows than it should have.",
            ));
        }
        Ok(selected)
    }

    /// Returns which rows of a decoded batch meet the conditions; nothing if all do.
    fn kept(&self, decoded: &RecordBatch) -> Result<Option<BooleanBuffer>> {
        let mut kept: Option<BooleanBuffer> = None;
        for Condition { filter, storage, position } in &self.conditions {
            let Some(position) = position else { continue };
            let found = within(decoded.column(*position), storage, filter.low, filter.high)
                .map_err(|error| read_error(self.segment.data.path(), error))?;
            kept = Some(match kept {
                Some(kept) => &kept & &found,
                None => found,
            });
        }
        Ok(kept.filter(|kept| kept.count_set_bits() < decoded.num_rows()))
    }

    /// Puts a batch together of the rows that are kept: decoded columns in the order wanted, NULLs,
    /// row ids.
    fn assemble(
        &self,
        decoded: Option<&RecordBatch>,
        rows: &[Range<u64>],
        kept: Option<&BooleanBuffer>,
    ) -> Result<RecordBatch> {
        let count: u64 = rows.iter().map(|range| range.end - range.start).sum();
        let count = usize::try_from(count).expect("rows of a batch");
        if decoded.is_some_and(|decoded| decoded.num_rows() != count) {
            return Err(damaged(self.segment.data.path(), "It has more rows than it should have."));
        }
        let failed = |error| read_error(self.segment.data.path(), error);
        let count = kept.map_or(count, BooleanBuffer::count_set_bits);
        if count == 0 {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let slices: Option<Vec<_>> = kept.map(|kept| kept.set_slices().collect());
        let kept = kept.map(|kept| FilterBuilder::new(&kept.clone().into()).optimize().build());
        let filtered = |values: &ArrayRef| match &kept {
            Some(kept) => kept.filter(values),
            None => Ok(Arc::clone(values)),
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (index, field) in self.schema.fields().iter().enumerate() {
            let source = self.sources.get(index).copied().flatten();
            columns.push(match source.zip(decoded) {
                _ if self.rowid && index + 1 == self.schema.fields().len() => {
                    filtered(&self.rowids(rows)).map_err(failed)?
                }
                Some((position, decoded)) => {
                    let values = decoded.column(position);
                    match widened(values, field.data_type(), slices.as_deref().unwrap_or(&[])) {
                        Some(wide) => Ok(wide),
                        None => filtered(values)
                            .and_then(|values| in_storage_form(values, field.data_type())),
                    }
                    .map_err(failed)?
                }
                None => new_null_array(field.data_type(), count),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(failed)
    }

    fn rowids(&self, rows: &[Range<u64>]) -> ArrayRef {
        let positions = rows.iter().cloned().flatten();
        match self.rowids {
            Some(rowids) => Arc::new(Int64Array::from_iter_values(positions.map(|p| rowids.at(p)))),
            None => new_null_array(&DataType::Int64, positions.count()),
        }
    }
}

/// Returns decimals in their storage form, those in `slices` alone; nothing unless they were decoded
/// as narrower ones, without NULL. To copy and to widen at once is a pass over memory less.
fn widened(values: &ArrayRef, storage: &DataType, slices: &[(usize, usize)]) -> Option<ArrayRef> {
    let DataType::Decimal128(precision, scale) = storage else { return None };
    if slices.is_empty() || values.null_count() > 0 || !narrowed(values.data_type(), storage) {
        return None;
    }
    let values = values.as_primitive::<Decimal64Type>().values();
    let mut wide = Vec::with_capacity(values.len());
    for (from, to) in slices {
        wide.extend(values[*from..*to].iter().map(|value| i128::from(*value)));
    }
    let wide = Decimal128Array::new(wide.into(), None);
    wide.with_precision_and_scale(*precision, *scale).ok().map(|wide| Arc::new(wide) as ArrayRef)
}

/// Returns decoded values as the storage form of the column's type.
fn in_storage_form(
    values: ArrayRef,
    storage: &DataType,
) -> std::result::Result<ArrayRef, ArrowError> {
    match storage {
        _ if values.data_type() == storage => Ok(values),
        DataType::Decimal128(precision, scale) if narrowed(values.data_type(), storage) => {
            let values = values.as_primitive::<Decimal64Type>();
            let wide = values.unary::<_, Decimal128Type>(i128::from);
            Ok(Arc::new(wide.with_precision_and_scale(*precision, *scale)?))
        }
        _ => cast(&values, storage),
    }
}

/// Returns the row groups that hold any of `rows`, and which of their rows to read unless all.
fn selection(
    metadata: &ParquetMetaData,
    rows: &VecDeque<Range<u64>>,
) -> (Vec<usize>, Option<RowSelection>) {
    let mut groups = Vec::new();
    let mut wanted = Vec::new();
    let (mut start, mut offset) = (0u64, 0u64);
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let count = u64::try_from(group.num_rows()).unwrap_or(0);
        let before = wanted.len();
        for range in rows.iter().filter(|r| r.start < start + count && r.end > start) {
            let from = range.start.max(start) - start + offset;
            let to = range.end.min(start + count) - start + offset;
            wanted.push(as_index(from)..as_index(to));
        }
        if wanted.len() > before {
            groups.push(index);
            offset += count;
        }
        start += count;
    }
    let selected: usize = wanted.iter().map(|range| range.end - range.start).sum();
    let total = as_index(offset);
    let all = selected == total;
    let selection = RowSelection::from_consecutive_ranges(wanted.into_iter(), total);
    (groups, (!all).then_some(selection))
}

fn as_index(number: u64) -> usize {
    usize::try_from(number).expect("rows are addressed with 64 bits")
}

impl Iterator for SegmentScan {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}
