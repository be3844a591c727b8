//! INSERT: rows of a query, checked and added to a table in one commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};

use super::JobContext;
use super::compact::{compact_index, compact_rows};
use super::constraint::RowRules;
use super::foreign_key::Reference;
use super::hold::{changed, require_parents};
use super::import::key_text;
use super::index::{IndexLayout, build_index};
use super::key::KeyEncoder;
use super::merge::{DuplicateWatch, Target, merge_runs};
use super::run::RunSpace;
use super::sort::{Sorted, Sorter};
use super::table::{Layout, scan_all};
use crate::catalog::{Catalog, ColumnId, IndexDescriptor, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::source::{Access, AccessOptions, Location, TempDirectory};
use crate::store::{Changes, Manifest, RowIds, Segment, SegmentColumn, SegmentWriter, View};
use crate::types;

/// Rows that a segment gets at most.
const SEGMENT_ROWS: usize = 1 << 20;

/// Numbers the temporary directories of inserts within a process.
static NEXT_TEMP: AtomicU64 = AtomicU64::new(1);

/// Rows that are checked and on the disk, but not committed: nothing names their segments.
pub struct Prepared {
    /// The table.
    pub table: Arc<TableDescriptor>,
    /// All that the table holds with them.
    pub manifest: Manifest,
    /// The segments that were made.
    pub segments: Vec<Segment>,
    /// How many rows there are.
    pub rows: u64,
}

/// Gathers the rows of one INSERT.
pub struct Inserter<'a> {
    context: &'a JobContext,
    layout: Layout,
    rules: RowRules,
    /// For each column of the table, the position of its values in the source.
    sources: Vec<Option<usize>>,
    sorter: Option<Sorter>,
    space: Arc<RunSpace>,
    open: Option<SegmentWriter>,
    open_rows: usize,
    segments: Vec<Segment>,
    rows: u64,
}

impl<'a> Inserter<'a> {
    /// Returns an inserter of rows whose columns are `columns` of `table`, in that order.
    pub fn new(
        context: &'a JobContext,
        table: &TableDescriptor,
        columns: &[ColumnId],
    ) -> Result<Self> {
        context.store.require_unclaimed(table.id, &table.name)?;
        let table = Arc::new(table.clone());
        let rules = RowRules::compile(&table, &context.engine, &context.query)?;
        let sources = table
            .columns
            .iter()
            .map(|column| columns.iter().position(|id| *id == column.id))
            .collect();
        let layout = Layout::new(table)?;
        let half = context.memory / 2;
        let space = RunSpace::new(Arc::new(temp_directory(context)?), half / 2);
        let sorter = layout.is_sorted().then(|| {
            let budget = usize::try_from(half).unwrap_or(usize::MAX);
            Sorter::new(Arc::clone(&layout.encoder), Arc::clone(&space), budget)
        });
        Ok(Self {
            context,
            layout,
            rules,
            sources,
            sorter,
            space,
            open: None,
            open_rows: 0,
            segments: Vec::new(),
            rows: 0,
        })
    }

    /// Adds rows, in query form.
    pub fn push(&mut self, batch: &RecordBatch) -> Result {
        self.context.cancellation.check()?;
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let table = Arc::clone(&self.layout.table);
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(table.columns.len());
        for (position, column) in table.columns.iter().enumerate() {
            columns.push(match self.sources[position] {
                _ if column.computed.is_some() => None,
                Some(source) => {
                    let values = types::to_storage(&column.sql_type, batch.column(source))
                        .map_err(|error| in_column(error, &column.name))?;
                    Some(values)
                }
                None => Some(self.rules.default_values(position, rows)?),
            });
        }
        let batch = self.rules.complete(columns, rows)?.map_err(|broken| broken.error)?;
        self.rows += rows as u64;
        match &mut self.sorter {
            Some(sorter) => sorter.push(&batch),
            None => self.append(&batch),
        }
    }

    /// Checks keys and references and commits; returns the number of rows added.
    pub fn finish(self) -> Result<u64> {
        let table = Arc::clone(&self.layout.table);
        if self.rows == 0 {
            return Ok(0);
        }
        let view = Arc::clone(&self.context.query.view);
        let store = Arc::clone(&self.context.store);
        self.finish_with(&|changes| require_same(changes, &store.view(), &table, &view))
    }

    /// Checks keys and references, and leaves it to the caller to commit.
    pub fn prepare(mut self) -> Result<Prepared> {
        let table = Arc::clone(&self.layout.table);
        let built = if self.rows == 0 {
            self.context.query.view.manifest(table.id).map(|old| (*old).clone())
        } else {
            self.build()
        };
        let segments = std::mem::take(&mut self.segments);
        match built {
            Ok(manifest) => Ok(Prepared { table, manifest, segments, rows: self.rows }),
            Err(error) => {
                self.context.store.discard_segments(table.id, &segments);
                Err(error)
            }
        }
    }

    /// Does as `finish` in the commit in which `create` adds the table.
    pub fn finish_creating(self, create: &dyn Fn(&mut Changes<'_>) -> Result) -> Result<u64> {
        self.finish_with(create)
    }

    fn finish_with(mut self, prepare: &dyn Fn(&mut Changes<'_>) -> Result) -> Result<u64> {
        let finished = self.commit(prepare);
        if finished.is_err() {
            self.context.store.discard_segments(self.layout.table.id, &self.segments);
        }
        finished
    }

    fn append(&mut self, batch: &RecordBatch) -> Result {
        if self.open.is_none() {
            let (table, columns) = (self.layout.table.id, &self.layout.columns);
            self.open =
                Some(self.context.store.create_segment(table, columns, &self.layout.key)?);
        }
        let Some(writer) = &mut self.open else { return Ok(()) };
        writer.write(batch)?;
        self.open_rows += batch.num_rows();
        if self.open_rows >= SEGMENT_ROWS { self.close_segment() } else { Ok(()) }
    }

    fn close_segment(&mut self) -> Result {
        self.open_rows = 0;
        if let Some(writer) = self.open.take() {
            self.segments.push(writer.finish()?);
        }
        Ok(())
    }

    /// Turns the gathered rows into segments and makes sure that their own keys differ.
    fn settle(&mut self) -> Result {
        let Some(sorter) = self.sorter.take() else { return self.close_segment() };
        let encoder = Arc::clone(&self.layout.encoder);
        let mut watch = DuplicateWatch::default();
        match sorter.finish_in_memory()? {
            Sorted::Batches(batches) => {
                for batch in &batches {
                    watch.look(&encoder, batch)?;
                    self.append(batch)?;
                }
                self.close_segment()?;
            }
            Sorted::Runs(runs) => {
                let target = Target {
                    context: self.context,
                    table: self.layout.table.id,
                    columns: &self.layout.columns,
                    key: &self.layout.key,
                    encoder: &encoder,
                    unique: None,
                    segment_rows: SEGMENT_ROWS,
                };
                (self.segments, watch) = merge_runs(&target, &runs, &|_| {})?;
            }
        }
        match watch.into_duplicates().first() {
            None => Ok(()),
            Some(key) => {
                let index = self.layout.table.primary_key.clone();
                Err(self.duplicate(index.as_ref(), &encoder, key))
            }
        }
    }

    fn commit(&mut self, prepare: &dyn Fn(&mut Changes<'_>) -> Result) -> Result<u64> {
        let manifest = self.build()?;
        let table = self.layout.table.id;
        self.context.store.sync_table_directory(table)?;
        self.context.store.update(|changes| {
            prepare(changes)?;
            changes.put_manifest(table, manifest)
        })?;
        Ok(self.rows)
    }

    /// Checks keys and references; returns what the table holds with the new rows.
    fn build(&mut self) -> Result<Manifest> {
        self.settle()?;
        let table = Arc::clone(&self.layout.table);
        let old = self.context.query.view.manifest(table.id)?;
        self.number_rows(&old);
        let new: Vec<Arc<Segment>> = self.segments.iter().cloned().map(Arc::new).collect();
        if table.primary_key.is_some() {
            let (columns, encoder) =
                (self.layout.columns.to_vec(), Arc::clone(&self.layout.encoder));
            self.require_new_keys(
                &columns,
                &encoder,
                (&old.segments, &new),
                table.primary_key.as_ref(),
            )?;
        }
        let mut manifest = (*old).clone();
        for index in &table.indexes {
            let added = self.index_segments(index, &old, &new)?;
            manifest.indexes.entry(index.id).or_default().extend(added);
        }
        self.check_references(&new)?;
        manifest.segments.extend(new);
        manifest.next_rowid = old.next_rowid.max(1);
        if table.primary_key.is_none() {
            manifest.next_rowid += self.rows.cast_signed();
        }
        self.compact(&mut manifest)?;
        Ok(manifest)
    }

    /// Gives the new segments of a table without primary key their row ids.
    fn number_rows(&mut self, old: &Manifest) {
        if self.layout.is_sorted() {
            return;
        }
        let mut first = old.next_rowid.max(1);
        for segment in &mut self.segments {
            segment.rowids = Some(RowIds::Sequence { first });
            first += segment.rows.cast_signed();
        }
    }

    /// Returns the entries of `index` for the new rows, keys checked.
    fn index_segments(
        &mut self,
        index: &IndexDescriptor,
        old: &Manifest,
        new: &[Arc<Segment>],
    ) -> Result<Vec<Arc<Segment>>> {
        let table = Arc::clone(&self.layout.table);
        let layout = IndexLayout::new(&table, index)?;
        let (added, duplicates) = build_index(self.context, &table, &layout, new, &self.space)?;
        self.segments.extend(added.iter().cloned());
        let added: Vec<Arc<Segment>> = added.into_iter().map(Arc::new).collect();
        if let Some(unique) = &layout.unique {
            if let Some(key) = duplicates.first() {
                return Err(self.duplicate(Some(index), unique, key));
            }
            let none = Vec::new();
            let present = old.indexes.get(&index.id).unwrap_or(&none);
            self.require_new_keys(&layout.columns, unique, (present, &added), Some(index))?;
        }
        Ok(added)
    }

    /// Fails if a key of the segments `new` stands in the segments `old`.
    fn require_new_keys(
        &self,
        columns: &[SegmentColumn],
        encoder: &KeyEncoder,
        (old, new): (&[Arc<Segment>], &[Arc<Segment>]),
        index: Option<&IndexDescriptor>,
    ) -> Result {
        let mut keys: HashSet<Vec<u8>> = HashSet::new();
        for segment in new {
            for batch in self.scan(columns, segment)? {
                let batch = batch?;
                let nulls = encoder.may_have_null(&batch);
                for (row, key) in encoder.encode(&batch)?.iter().enumerate() {
                    if !(nulls && encoder.has_null(&batch, row)) {
                        keys.insert(key.as_ref().to_vec());
                    }
                }
            }
        }
        for segment in old {
            self.context.cancellation.check()?;
            if !may_overlap(segment, new, columns, encoder) {
                continue;
            }
            for batch in self.scan(columns, segment)? {
                for key in &encoder.encode(&batch?)? {
                    if keys.contains(key.as_ref()) {
                        return Err(self.duplicate(index, encoder, key.as_ref()));
                    }
                }
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        columns: &[SegmentColumn],
        segment: &Arc<Segment>,
    ) -> Result<crate::store::SegmentScan> {
        scan_all(self.context, self.layout.table.id, segment, columns)
    }

    fn check_references(&self, new: &[Arc<Segment>]) -> Result {
        let table = &self.layout.table;
        for constraint in &table.foreign_keys {
            let reference = Reference::new(self.context, table, constraint, new)?;
            let missing = reference.missing(self.context, new)?;
            if let Some(key) = missing.iter().min() {
                let key = key_text(table, &constraint.columns, &reference.row_encoder()?, key)?;
                return Err(reference.violation(constraint, &key));
            }
        }
        Ok(())
    }

    fn duplicate(
        &self,
        index: Option<&IndexDescriptor>,
        encoder: &KeyEncoder,
        key: &[u8],
    ) -> Error {
        let Some(index) = index else {
            return Error::internal("a table without key has a duplicate");
        };
        let columns: Vec<ColumnId> = index.key.iter().map(|part| part.column).collect();
        match key_text(&self.layout.table, &columns, encoder, key) {
            Err(error) => error,
            Ok(key) => Error::new(
                SqlState::UNIQUE_VIOLATION,
                format!("duplicate key value violates unique constraint \"{}\"", index.name),
            )
            .detail(format!("Key {key} already exists.")),
        }
    }

    /// Merges small segments as they gather.
    fn compact(&mut self, manifest: &mut Manifest) -> Result {
        let made = compact_rows(self.context, &self.layout, &mut manifest.segments)?;
        self.segments.extend(made);
        let table = Arc::clone(&self.layout.table);
        for index in &table.indexes {
            if let Some(segments) = manifest.indexes.get_mut(&index.id) {
                let layout = IndexLayout::new(&table, index)?;
                let made = compact_index(self.context, table.id, &layout, segments)?;
                self.segments.extend(made);
            }
        }
        // What was written only to be merged at once is not named by the manifest.
        let named: HashSet<&str> = manifest
            .segments
            .iter()
            .chain(manifest.indexes.values().flatten())
            .map(|segment| segment.file.as_str())
            .collect();
        let (kept, left): (Vec<Segment>, Vec<Segment>) = std::mem::take(&mut self.segments)
            .into_iter()
            .partition(|segment| named.contains(segment.file.as_str()));
        self.segments = kept;
        self.context.store.discard_segments(table.id, &left);
        Ok(())
    }
}

/// Fails if another statement changed the table, or took rows from one that it refers to, since the
/// insert, or its transaction, began.
pub fn require_same(
    changes: &Changes<'_>,
    newest: &View,
    table: &TableDescriptor,
    view: &View,
) -> Result {
    let (now, began) = (newest.manifest(table.id)?, view.manifest(table.id)?);
    let same =
        changes.catalog.table_by_id(table.id) == Some(table) && now.files().eq(began.files());
    if same { require_parents(table, changes, (newest, view)) } else { Err(changed(table)) }
}

/// Adds the column to an error that is about one of its values.
fn in_column(error: Error, column: &str) -> Error {
    error.map_message(|message| format!("{message} (column \"{column}\")"))
}

/// Returns whether the key ranges of `segment` and of one of `others` may overlap, by the first key
/// column's statistics.
fn may_overlap(
    segment: &Segment,
    others: &[Arc<Segment>],
    columns: &[SegmentColumn],
    encoder: &KeyEncoder,
) -> bool {
    let column = &columns[encoder.first_column()];
    let range = |segment: &Segment| -> Option<(Vec<u8>, Vec<u8>)> {
        let statistics = segment.statistics.iter().find(|one| one.column == column.id)?;
        let values = statistics.range.as_ref()?;
        let first = KeyEncoder::new(std::slice::from_ref(column), &[(0, false)]).ok()?;
        let keys = first.encode_columns(std::slice::from_ref(values)).ok()?;
        Some((keys.row(0).as_ref().to_vec(), keys.row(1).as_ref().to_vec()))
    };
    let Some((low, high)) = range(segment) else { return true };
    others.iter().any(|other| match range(other) {
        None => true,
        Some((other_low, other_high)) => low <= other_high && other_low <= high,
    })
}

/// Returns a temporary directory in the database, which needs no access rights of the user.
fn temp_directory(context: &JobContext) -> Result<TempDirectory> {
    let place = context.store.path().join("tmp");
    let access = Access::new(AccessOptions {
        external_io_directory: Some(place.clone()),
        working_directory: place.clone(),
    });
    let number = NEXT_TEMP.fetch_add(1, Ordering::Relaxed);
    access.temp_directory(&Location::parse(&place.to_string_lossy())?, number)
}
