//! IMPORT INTO: the rows of the files beside those that a table has, or in their place.
//!
//! While it runs, the table is held: readers see the old rows, other writers fail. New rows become
//! segments as in IMPORT TABLE; their keys are compared with those of old segments as far as the ranges
//! of both overlap. Old segments stay as they are unless rows of them go: those are written anew.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::saved_segments;
use super::{Imported, Work, find_first, index_name, key_text, lock, row_key_encoder};
use crate::catalog::{ColumnId, IndexDescriptor, IndexId, TableDescriptor};
use crate::error::{Error, Notice, Result, SqlState};
use crate::job::JobContext;
use crate::job::compact::{compact_index, compact_rows};
use crate::job::event::Event;
use crate::job::hold::hold;
use crate::job::index::{IndexLayout, build_index};
use crate::job::key::KeyEncoder;
use crate::job::matching::KeyShape;
use crate::job::subtract::{Subtracted, Subtraction};
use crate::job::table::segment_columns;
use crate::plan::{ImportInto, ImportMode, Tolerance};
use crate::store::{Manifest, RowIds, Segment, TableClaim, TableUse};

/// A table that gets rows, as it was when it was taken hold of.
pub(super) struct Base {
    claim: TableClaim,
    manifest: Arc<Manifest>,
    /// What happens to rows whose key exists.
    pub(super) mode: ImportMode,
}

impl Base {
    /// Takes hold of the table; returns it with a context that sees it as it is now.
    pub(super) fn claim(context: &JobContext, into: &ImportInto) -> Result<(Self, JobContext)> {
        let (held, context) = hold(context, &into.table, TableUse::Import)?;
        Ok((Self { claim: held.claim, manifest: held.manifest, mode: into.mode }, context))
    }

    /// Reads the files and publishes their rows.
    pub(super) fn fill(&self, work: &Work<'_>, tolerance: &Tolerance) -> Result<Imported> {
        let filling = Filling { work, base: self, written: Mutex::default() };
        let imported = filling.fill().and_then(|filled| match tolerance.dry_run {
            true => filling.report(&filled, tolerance),
            false => filling.publish(filled),
        });
        if imported.is_err() {
            filling.discard(|_| true);
        }
        imported
    }
}

/// What the table will be.
struct Filled {
    manifest: Manifest,
    rows: u64,
    index_entries: u64,
}

/// New rows, and what becomes of the old ones.
#[derive(Default)]
pub(super) struct Joined {
    /// Rows of the files.
    pub(super) new: Vec<Arc<Segment>>,
    /// Old rows that stay.
    old: Vec<Arc<Segment>>,
    /// Old rows that go.
    pub(super) gone: Vec<Arc<Segment>>,
    /// All rows of the files, if only those with new keys are taken.
    read: Vec<Arc<Segment>>,
    /// What to tell of it.
    notice: Option<String>,
}

/// Entries of an index, and keys that occur twice in a unique one.
type Entries = (Vec<Arc<Segment>>, Vec<Vec<u8>>);

/// An import into a table while it runs.
pub(super) struct Filling<'a> {
    /// The work of the job.
    pub(super) work: &'a Work<'a>,
    /// The table as it was.
    pub(super) base: &'a Base,
    /// Segments that were written: they are removed if the import fails.
    written: Mutex<Vec<Segment>>,
}

impl Filling<'_> {
    /// Returns what the job works with.
    pub(super) fn context(&self) -> &JobContext {
        self.work.shared.context
    }

    /// Returns the table.
    pub(super) fn table(&self) -> &Arc<TableDescriptor> {
        &self.work.shared.layout.table
    }

    /// Reads and checks, again and again while rows are left out because of their keys.
    fn fill(&self) -> Result<Filled> {
        loop {
            if let Some(filled) = self.attempt()? {
                return Ok(filled);
            }
            self.discard(|_| true);
        }
    }

    /// Reads and checks; returns nothing if the keys of rows are no good and the import is to go on
    /// without them.
    fn attempt(&self) -> Result<Option<Filled>> {
        let new = self.number_rows(self.note(self.work.read()?));
        let Some(joined) = self.join(new)? else { return Ok(None) };
        let mut manifest = Manifest {
            segments: joined.old.iter().chain(&joined.new).cloned().collect(),
            indexes: BTreeMap::new(),
            next_rowid: self.next_rowid(&joined.new),
        };
        let mut index_entries = 0;
        for index in &self.table().indexes {
            let Some((entries, count)) = self.join_index(index, &joined)? else { return Ok(None) };
            manifest.indexes.insert(index.id, entries);
            index_entries += count;
        }
        if !self.check_references(&joined, &manifest.segments)? {
            return Ok(None);
        }
        self.compact(&mut manifest)?;
        joined.notice.iter().for_each(|notice| self.tell(notice));
        Ok(Some(Filled { manifest, rows: rows_of(&joined.new), index_entries }))
    }

    /// Tells what the import would do, and removes what it made.
    fn report(&self, filled: &Filled, tolerance: &Tolerance) -> Result<Imported> {
        let bytes = self.written_bytes();
        self.discard(|_| true);
        self.work.tell_trial(tolerance, (filled.rows, filled.index_entries, bytes))
    }

    fn written_bytes(&self) -> u64 {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.iter().map(|segment| segment.bytes).sum()
    }

    /// Notes segments as written by this import.
    fn note(&self, segments: Vec<Arc<Segment>>) -> Vec<Arc<Segment>> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend(segments.iter().map(|segment| (**segment).clone()));
        segments
    }

    /// Gives the rows of a table without primary key ids above all that it has had.
    fn number_rows(&self, segments: Vec<Arc<Segment>>) -> Vec<Arc<Segment>> {
        if self.work.shared.layout.is_sorted() {
            return segments;
        }
        let mut first = self.base.manifest.next_rowid.max(1);
        segments
            .into_iter()
            .map(|segment| {
                let mut numbered = (*segment).clone();
                numbered.rowids = Some(RowIds::Sequence { first });
                first += numbered.rows.cast_signed();
                Arc::new(numbered)
            })
            .collect()
    }

    fn next_rowid(&self, new: &[Arc<Segment>]) -> i64 {
        let next = self.base.manifest.next_rowid.max(1);
        if self.work.shared.layout.is_sorted() {
            return next;
        }
        next + rows_of(new).cast_signed()
    }

    /// Brings new and old rows together, as the mode says; returns nothing if new rows are left out.
    fn join(&self, new: Vec<Arc<Segment>>) -> Result<Option<Joined>> {
        let old = self.base.manifest.segments.clone();
        let sorted = self.work.shared.layout.is_sorted();
        self.tell_progress("comparing");
        Ok(Some(match self.base.mode {
            ImportMode::Replace => Joined { new, ..Joined::default() },
            ImportMode::Insert if sorted => {
                if !self.require_new_keys(&new, &old)? {
                    return Ok(None);
                }
                Joined { new, old, ..Joined::default() }
            }
            ImportMode::Upsert if sorted => {
                let Subtracted { left, taken, rows } =
                    self.subtraction().subtract(&old, &new, true)?;
                let told = || format!("rows of the table that were replaced: {rows}");
                let notice = (rows > 0).then(told);
                Joined { new, old: left, gone: taken, notice, ..Joined::default() }
            }
            ImportMode::Skip if sorted => {
                let Subtracted { left, rows, .. } =
                    self.subtraction().subtract(&new, &old, false)?;
                let told = || format!("rows that were left out because their keys exist: {rows}");
                let notice = (rows > 0).then(told);
                Joined { new: left, old, read: new, notice, ..Joined::default() }
            }
            _ => Joined { new, old, ..Joined::default() },
        }))
    }

    /// Returns how segments of rows are written anew.
    fn subtraction(&self) -> Subtraction<'_> {
        let layout = self.work.shared.layout;
        Subtraction {
            context: self.context(),
            table: layout.table.id,
            columns: &layout.columns,
            key: &layout.key,
            encoder: &layout.encoder,
            written: &self.written,
        }
    }

    /// Fails if a primary key of `new` stands in `old`, or leaves out such rows and returns false.
    fn require_new_keys(&self, new: &[Arc<Segment>], old: &[Arc<Segment>]) -> Result<bool> {
        let common = self.common_keys(new, old)?;
        match (&self.table().primary_key, common.is_empty()) {
            (Some(index), false) => self.collided(index, &self.work.shared.layout.encoder, common),
            _ => Ok(true),
        }
    }

    /// Returns the primary keys that stand in both.
    fn common_keys(&self, new: &[Arc<Segment>], old: &[Arc<Segment>]) -> Result<HashSet<Vec<u8>>> {
        let layout = self.work.shared.layout;
        let key = (layout.key.as_slice(), layout.key.len());
        let shape = KeyShape::new(self.context(), layout.table.id, &layout.columns, key)?;
        Ok(shape.common(new, old)?.into_iter().collect())
    }

    /// Returns the entries of an index, and how many of them are new; nothing if new rows are left out.
    fn join_index(
        &self,
        index: &IndexDescriptor,
        joined: &Joined,
    ) -> Result<Option<(Vec<Arc<Segment>>, u64)>> {
        self.tell_progress("indexing");
        let table = self.table();
        let layout = IndexLayout::new(table, index)?;
        let (new, duplicates) = self.entries(&layout, &joined.new)?;
        if !duplicates.is_empty() && self.work.shared.tolerated.is_some() {
            // Rows that the table has anyway stand in nobody's way.
            let ignored = self.common_keys(&joined.read, &joined.old)?;
            return self.work.leave_out_duplicates(&ignored).map(|()| None);
        }
        if !duplicates.is_empty() {
            let encoder = row_key_encoder(table, index)?;
            return Err(self.work.duplicate(Some(index), &encoder, &duplicates));
        }
        let mut all = match self.base.mode {
            ImportMode::Replace => Vec::new(),
            _ => self.base.manifest.indexes.get(&index.id).cloned().unwrap_or_default(),
        };
        if !joined.gone.is_empty() {
            let (gone, _) = self.entries(&layout, &joined.gone)?;
            let subtraction = Subtraction {
                columns: &layout.columns,
                key: &layout.key,
                encoder: &layout.encoder,
                ..self.subtraction()
            };
            all = subtraction.subtract(&all, &gone, false)?.left;
        }
        if layout.unique.is_some() && !self.require_new_entries(index, &layout, (&new, &all))? {
            return Ok(None);
        }
        let count = rows_of(&new);
        all.extend(new);
        Ok(Some((all, count)))
    }

    fn entries(&self, layout: &IndexLayout, rows: &[Arc<Segment>]) -> Result<Entries> {
        let space = self.work.shared.space;
        let (entries, duplicates) = build_index(self.context(), self.table(), layout, rows, space)?;
        Ok((self.note(entries.into_iter().map(Arc::new).collect()), duplicates))
    }

    /// Fails if a key of the entries `new` of a unique index stands in the entries `old`, or leaves out
    /// such rows and returns false.
    fn require_new_entries(
        &self,
        index: &IndexDescriptor,
        layout: &IndexLayout,
        (new, old): (&[Arc<Segment>], &[Arc<Segment>]),
    ) -> Result<bool> {
        let table = self.table();
        // A row is found again by all of its entry, since one that is left out may have the same key;
        // row ids are not known when files are read once more.
        let named = match &table.primary_key {
            Some(_) => layout.key.as_slice(),
            None => &layout.key[..index.key.len()],
        };
        let context = self.context();
        let shape = KeyShape::new(context, table.id, &layout.columns, (named, index.key.len()))?;
        let common = shape.common(new, old)?;
        if common.is_empty() {
            return Ok(true);
        }
        let columns = segment_columns(table);
        let positions: Vec<(usize, bool)> = named
            .iter()
            .filter_map(|(at, descending)| {
                Some((table.position(layout.columns[*at].id)?, *descending))
            })
            .collect();
        let encoder = KeyEncoder::new(&columns, &positions)?;
        self.collided(index, &Arc::new(encoder), common.into_iter().collect())
    }

    /// Fails with the first row in file order whose key the table has, or leaves out all such rows and
    /// returns false.
    fn collided(
        &self,
        index: &IndexDescriptor,
        encoder: &Arc<KeyEncoder>,
        keys: HashSet<Vec<u8>>,
    ) -> Result<bool> {
        if self.work.shared.tolerated.is_none() {
            return Err(self.collision(index, encoder, keys));
        }
        let columns: Vec<ColumnId> = index.key.iter().map(|part| part.column).collect();
        let key = (columns.as_slice(), Arc::clone(encoder));
        let left_out = self.work.leave_out_keys(key, &|key| keys.contains(key), &|row, key| {
            (SqlState::UNIQUE_VIOLATION, collision(index, row, key))
        });
        left_out.map(|()| false)
    }

    /// Returns the error of keys that the table has, with the place of the first row in file order.
    fn collision(
        &self,
        index: &IndexDescriptor,
        encoder: &KeyEncoder,
        keys: HashSet<Vec<u8>>,
    ) -> Error {
        let told = || -> Result<Error> {
            let found = find_first(self.work.shared, encoder, &keys)?;
            let columns: Vec<ColumnId> = index.key.iter().map(|part| part.column).collect();
            let Some((place, key)) = found else {
                let Some(key) = keys.iter().min().filter(|_| self.work.is_drawn(&columns)) else {
                    return Ok(self.work.changed());
                };
                let key = key_text(self.table(), &columns, encoder, key)?;
                let message = format!(
                    "ingested key collides with an existing one: a row has the key {key} of an existing row in {}",
                    index_name(index)
                );
                return Ok(Error::new(SqlState::UNIQUE_VIOLATION, message)
                    .detail("The key is not in the files: it comes from a DEFAULT."));
            };
            let key = key_text(self.table(), &columns, encoder, &key)?;
            let error = Error::new(SqlState::UNIQUE_VIOLATION, collision(index, place.row, &key))
                .detail(format!("The existing row was in table \"{}\" before.", self.table().name))
                .in_data(place.data_place(self.work.shared)?);
            Ok(match self.base.mode {
                ImportMode::Insert if index.id == IndexId::PRIMARY => error.hint(
                    "With mode = 'upsert' the new row replaces it, with mode = 'skip' it stays.",
                ),
                _ => error,
            })
        };
        told().unwrap_or_else(|error| error)
    }

    /// Merges small segments as they gather, and removes what the table will not name.
    fn compact(&self, manifest: &mut Manifest) -> Result {
        let (context, table) = (self.context(), self.table());
        let rows = compact_rows(context, self.work.shared.layout, &mut manifest.segments)?;
        self.note(rows.into_iter().map(Arc::new).collect());
        for index in &table.indexes {
            if let Some(segments) = manifest.indexes.get_mut(&index.id) {
                let layout = IndexLayout::new(table, index)?;
                let made = compact_index(context, table.id, &layout, segments)?;
                self.note(made.into_iter().map(Arc::new).collect());
            }
        }
        let named: HashSet<&str> =
            manifest.all_segments().map(|segment| segment.file.as_str()).collect();
        self.discard(|segment| !named.contains(segment.file.as_str()));
        Ok(())
    }

    /// Removes segments that were written.
    fn discard(&self, unwanted: impl Fn(&Segment) -> bool) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *written).into_iter();
        let (gone, left): (Vec<Segment>, Vec<Segment>) = all.partition(unwanted);
        *written = left;
        let gone = self.work.shared.space.not_held(gone);
        self.context().store.discard_segments(self.table().id, &gone);
    }

    /// Publishes the rows in one commit.
    fn publish(&self, filled: Filled) -> Result<Imported> {
        self.tell_progress("publishing");
        let (rejected, files) = self.work.write_rejects()?;
        let (context, table) = (self.context(), self.table());
        self.work.shared.files.iter().try_for_each(super::InputFile::require_unchanged)?;
        context.store.sync_table_directory(table.id)?;
        context.cancellation.check()?;
        let bytes = self.written_bytes();
        let Filled { manifest, rows, index_entries } = filled;
        let named: HashSet<String> =
            manifest.all_segments().map(|segment| segment.file.clone()).collect();
        let mut log = lock(self.work.shared.log);
        let mut saved = saved_segments(context, log.record())?;
        // All rows are in segments now.
        let left = self.work.close_temp(&log);
        log.note_rejected(rejected);
        self.work.with_files(&files, &mut log, |log| {
            context.store.update(|changes| {
                changes.use_claim(&self.base.claim);
                self.require_same(changes, &context.store.view())?;
                changes.put_manifest(table.id, manifest)?;
                log.succeed(context, changes, left)
            })
        })?;
        self.work.remove_temp(&log);
        saved.retain(|segment| !named.contains(&segment.file));
        context.store.discard_segments(table.id, &saved);
        self.work.tell_skipped(rejected);
        Ok(Imported { job: self.work.job, rows, index_entries, bytes, trial: None })
    }

    fn tell(&self, message: &str) {
        self.work.tell(Event::Notice(Notice::notice(message)));
    }

    fn tell_progress(&self, phase: &'static str) {
        self.work.tell_progress(phase, self.work.shared.rows.load(super::Ordering::Relaxed));
    }
}

/// Says that the table has the key of a row.
fn collision(index: &IndexDescriptor, row: u64, key: &str) -> String {
    format!(
        "ingested key collides with an existing one: row {row} has the key {key} of an existing row in {}",
        index_name(index)
    )
}

fn rows_of(segments: &[Arc<Segment>]) -> u64 {
    segments.iter().map(|segment| segment.rows).sum()
}
