//! IMPORT TABLE and IMPORT INTO: data files to a new table or into one that exists, whole or not at
//! all (docs/life-of-an-import.md).
//!
//! Files are opened, cut into tasks and read on all threads; what comes out of order is merged;
//! indexes are built and foreign keys checked; one commit publishes everything. Until then the new
//! segments are orphans, which a failure here or the next open removes.

mod checkpoint;
mod convert;
mod dump;
mod dump_file;
mod fault;
mod input;
mod into;
mod key_text;
mod keys;
mod left_out;
mod locate;
mod neighbours;
mod record;
mod reject;
mod reject_file;
mod schedule;
mod stored;
mod task;
mod temp;
mod trial;
mod typed;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::checkpoint::{Restored, Verified, restore};
use self::convert::{Converter, NullRule};
use self::input::{InputFile, open_files};
use self::into::Base;
use self::left_out::{AllRejects, repaired, skipped, write_rejects};
use self::locate::{find_first, find_repeated};
use self::record::{JobLog, saved_segments};
use self::reject::{PartRejects, Tolerated};
use self::reject_file::{RejectFiles, check_places};
use self::schedule::{AllRead, read_all, split_size};
use self::stored::Stored;
use self::task::Shared;
use self::temp::{reopen_temp, try_temp};
use super::constraint::RowRules;
use super::event::{Event, Progress};
use super::foreign_key::{MissingKeys, Reference};
use super::hold::changed;
use super::index::{IndexLayout, build_index};
use super::merge::Target;
use super::run::RunSpace;
use super::table::{Layout, SEGMENT_BYTES, segment_columns, settle};
use super::{JobContext, key::KeyEncoder};
use crate::catalog::{
    Catalog, ColumnId, ForeignKey, IndexDescriptor, IndexId, JobId, JobRecord, JobStatus,
    TableDescriptor, TableId,
};
use crate::error::{DataPlace, Error, Result, SqlState};
use crate::plan::{self, FormatKind, ImportTarget, RejectTarget};
use crate::source::TempDirectory;
use crate::store::{DirectoryNote, Manifest, Segment};

pub use self::dump::run_dump;
pub(crate) use self::key_text::key_text;
pub use self::record::{Origin, abandon};
pub(crate) use self::temp::{close_temp, make_temp};

/// What an import made, as its result row tells it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The job.
    pub job: JobId,
    /// Rows of the table.
    pub rows: u64,
    /// Entries of its secondary indexes.
    pub index_entries: u64,
    /// The size of its segment and index files, in bytes.
    pub bytes: u64,
    /// If nothing was imported, because it was only to be tried: what would have happened.
    pub trial: Option<Trial>,
}

/// What an import would have done.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Whether it would have failed.
    pub would_fail: bool,
}

/// The id of a table that is only tried: no table has it.
const TRIAL_TABLE: TableId = TableId(u32::MAX);

/// The most files that a table without primary key can be imported from: row ids have 15 bits for
/// the file.
const MOST_FILES: usize = 1 << 15;

/// An import that is recorded as a job and has its files open.
pub struct Started {
    context: JobContext,
    import: plan::Import,
    files: Vec<InputFile>,
    layout: Layout,
    rules: RowRules,
    temp: Arc<TempDirectory>,
    space: Arc<RunSpace>,
    /// The table that gets rows, if it exists.
    base: Option<Base>,
    log: Mutex<JobLog>,
    /// What was verified before the job was paused.
    restored: Option<Restored>,
    /// Tells of the temporary directory of an import that is only tried; it goes after that.
    _note: Option<DirectoryNote>,
}

/// Opens the files of an import and records it as a job.
pub fn start(context: JobContext, import: plan::Import, origin: Origin) -> Result<Started> {
    let again = match &origin {
        Origin::Record(record) => Some(JobRecord::clone(record)),
        Origin::Statement { .. } => None,
    };
    let (base, context) = match &import.target {
        ImportTarget::New(_) => (None, context),
        ImportTarget::Into(into) => {
            let (base, context) = Base::claim(&context, into)?;
            (Some(base), context)
        }
    };
    let files = open_files(&context, &import)?;
    let table = match &import.target {
        ImportTarget::New(table) => {
            let resume = again.as_ref().and_then(|record| record.resume.as_ref());
            let trial = import.tolerance.dry_run.then_some(TRIAL_TABLE);
            let id = resume.map(|resume| resume.table).or(trial);
            new_table(&context, table, (files.len(), id))?
        }
        ImportTarget::Into(into) => into.table.clone(),
    };
    require_space(&context, total_size(&files))?;
    let table = Arc::new(table);
    let rules = RowRules::compile(&table, &context.engine, &context.query)?;
    let layout = Layout::new(Arc::clone(&table))?;
    let job = job_id(&context, &import, again.as_ref())?;
    check_places(&context, job, (&import.tolerance.reject, &files))?;
    let saved = again.filter(|record| record.checkpoints > 0);
    let temp = match &saved {
        Some(record) => reopen_temp(&context, import.temp.as_deref(), record)?,
        None => make_temp(&context, (import.temp.as_deref(), import.format.keep_temp), job)?,
    };
    let note = note_trial(&context, &import, &temp)?;
    let space = RunSpace::new(Arc::clone(&temp), context.memory / 4);
    let fresh = saved.is_none();
    let restored =
        saved.map(|record| restore(&context, &record, (&files, &layout), (&space, rules.schema())));
    let restored = restored.transpose()?;
    // From here on a crash leaves a trace of what is in the directory.
    let mut log = JobLog::start(&context, (job, table.id), &import, &temp, origin)?;
    if fresh
        && let Err(error) = try_temp(&context, import.temp.as_deref(), &temp, total_size(&files))
    {
        log.fail(&context, &error, &temp);
        return Err(error);
    }
    // From here on the job's end decides.
    space.keep(import.format.keep_temp);
    let log = Mutex::new(log);
    Ok(Started {
        context,
        import,
        files,
        layout,
        rules,
        temp,
        space,
        base,
        log,
        restored,
        _note: note,
    })
}

/// Returns the id of an import's job: 0 if it is only tried.
fn job_id(context: &JobContext, import: &plan::Import, again: Option<&JobRecord>) -> Result<JobId> {
    match again {
        Some(record) => Ok(record.id),
        None if import.tolerance.dry_run => Ok(JobId(0)),
        None => context.store.reserve_job(),
    }
}

/// Notes the temporary directory of an import that is only tried, of which no record tells.
fn note_trial(
    context: &JobContext,
    import: &plan::Import,
    temp: &TempDirectory,
) -> Result<Option<DirectoryNote>> {
    let directory = temp.record();
    let noted = import.tolerance.dry_run && directory.starts_with('/');
    noted.then(|| context.store.note_directory(&directory)).transpose()
}

/// Returns the table to make, with the id that its segments have.
fn new_table(
    context: &JobContext,
    table: &TableDescriptor,
    (files, id): (usize, Option<TableId>),
) -> Result<TableDescriptor> {
    if table.primary_key.is_none() && files > MOST_FILES {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("a table without primary key cannot be imported from {files} files"),
        )
        .hint("Declare a PRIMARY KEY, or import at most 32,768 files."));
    }
    let mut table = table.clone();
    table.id = match id {
        Some(id) => id,
        None => context.store.reserve_table()?,
    };
    table.foreign_keys.iter_mut().filter(|key| key.references == TableId(0)).for_each(|key| {
        key.references = table.id;
    });
    Ok(table)
}

impl Started {
    /// Returns the job.
    pub fn job(&self) -> JobId {
        lock(&self.log).job()
    }

    /// Imports; blocks until the table is published or the job has stopped.
    pub fn run(mut self) -> Result<Imported> {
        let context = &self.context;
        if lock(&self.log).record().status == JobStatus::Pending {
            lock(&self.log).begin(context)?;
        }
        let restored = self.restored.take();
        let shared = Shared {
            context,
            files: &self.files,
            layout: &self.layout,
            converter: converter(&self.layout, &self.rules, &self.import),
            row_limit: self.import.format.row_limit,
            split: split_size(context).max(1),
            space: &self.space,
            rows: AtomicU64::new(
                restored.as_ref().map_or(0, |restored| restored.verified.all.rows),
            ),
            bytes: AtomicU64::new(restored.as_ref().map_or(0, |restored| restored.bytes)),
            stored: Stored::new(
                &self.files,
                restored.as_ref().and_then(|restored| restored.verified.position),
            ),
            unsorted: AtomicBool::new(false),
            stop_after: AtomicUsize::new(usize::MAX),
            log: &self.log,
            tolerated: tolerated(&self.import),
            temp: &self.temp,
            excluded: Mutex::default(),
        };
        let verified = restored.map(|restored| restored.verified).unwrap_or_default();
        let job = lock(&self.log).job();
        let temp = &*self.temp;
        let work = Work {
            verified: Mutex::new(verified),
            reject: &self.import.tolerance.reject,
            ..Work::new(&shared, temp, job)
        };
        let imported = match &self.base {
            None => work.run().and_then(|made| match &self.import.tolerance {
                tolerance if tolerance.dry_run => work.report(made, tolerance),
                _ => work.publish(made),
            }),
            Some(base) => base.fill(&work, &self.import.tolerance),
        };
        imported.map_err(|error| stop(&work, error))
    }

    /// Forgets an import that never began, and its job.
    pub fn forget(self) {
        let job = self.job();
        let _ = self.context.store.update(|changes| {
            changes.remove_job(job);
            Ok(())
        });
    }
}

/// Records that an import stopped; returns what to tell whoever waits for it.
fn stop(work: &Work<'_>, error: Error) -> Error {
    let (context, temp, job) = (work.shared.context, work.temp, work.job);
    let mut log = lock(work.shared.log);
    let reason = match error.code() {
        SqlState::QUERY_CANCELED => context.cancellation.pause_reason(),
        // What is saved need not be read again when there is room.
        SqlState::DISK_FULL if log.record().checkpoints > 0 => {
            Some(format!("{}; RESUME JOB {job} when there is room", error.message()))
        }
        _ => None,
    };
    let Some(reason) = reason else {
        if !log.is_dry() {
            log.note_rejected(work.keep_rejects());
        }
        log.fail(context, &error, temp);
        return error;
    };
    if log.record().checkpoints > 0 {
        temp.keep();
    }
    let left = close_temp(context, temp);
    // A pause that cannot be recorded is found at the next open, like a crash.
    if let Err(failed) = log.pause(context, &reason, left)
        && error.code() == SqlState::QUERY_CANCELED
    {
        return failed;
    }
    match error.code() {
        SqlState::DISK_FULL => error.hint(format!(
            "The job is paused. Make room, then RESUME JOB {job}; CANCEL JOB {job} removes what it left."
        )),
        _ => error.hint(format!("RESUME JOB {job} lets it go on.")),
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what the files have together, as far as it is known.
fn total_size(files: &[InputFile]) -> u64 {
    files.iter().map(InputFile::size).sum()
}

/// Returns what turns the records of an import's files into rows.
fn converter<'a>(
    layout: &'a Layout,
    rules: &'a RowRules,
    import: &'a plan::Import,
) -> Converter<'a> {
    let (parse_words, plain_bytes) = match import.format.kind {
        FormatKind::Delimited(_) => ("error while parse", true),
        FormatKind::PgCopy(_) => ("encountered error when attempting to parse", false),
        FormatKind::Avro(_) => ("parse", true),
        _ => ("parse", false),
    };
    Converter { layout, rules, nulls: NullRule::of(import), parse_words, plain_bytes }
}

/// Returns what becomes of rows that cannot be imported, unless they end the import.
fn tolerated(import: &plan::Import) -> Option<Tolerated> {
    let tolerance = &import.tolerance;
    let max_errors = tolerance.max_errors.filter(|_| !tolerance.dry_run);
    // An import that is only tried tells of several errors.
    (tolerance.on_error == plan::OnError::Skip || tolerance.dry_run).then_some(Tolerated {
        max_errors,
        per_file: tolerance.reject == RejectTarget::BesideFiles,
        keep_bytes: tolerance.reject != RejectTarget::None && !tolerance.dry_run,
    })
}

/// Fails if the disks cannot hold the import (spec/import.md, "Available Storage Requirements").
fn require_space(context: &JobContext, size: u64) -> Result {
    let free = context.store.free_space()?;
    if free < size {
        return Err(Error::new(
            SqlState::DISK_FULL,
            format!(
                "database directory has {free} bytes free, but the files to import have {size}"
            ),
        )
        .hint("Free some space, or open the database on a larger disk."));
    }
    match context.max_temp {
        Some(most) if most < size => Err(Error::new(
            SqlState::DISK_FULL,
            format!("--max-disk-temp-storage is {most} bytes, but the files to import have {size}"),
        )
        .hint("Give a larger --max-disk-temp-storage.")),
        _ => Ok(()),
    }
}

/// The segments of the new table.
struct Made {
    segments: Vec<Arc<Segment>>,
    indexes: BTreeMap<IndexId, Vec<Arc<Segment>>>,
}

impl Made {
    fn all(&self) -> Vec<Segment> {
        let indexes = self.indexes.values().flatten();
        self.segments.iter().chain(indexes).map(|segment| (**segment).clone()).collect()
    }
}

struct Work<'a> {
    shared: &'a Shared<'a>,
    temp: &'a TempDirectory,
    job: JobId,
    /// What was verified before the job was paused.
    verified: Mutex<Verified>,
    /// The rows left out so far.
    rejects: Mutex<AllRejects>,
    /// Where they are written for the user.
    reject: &'a RejectTarget,
}

impl<'a> Work<'a> {
    /// Returns the work of an import that begins.
    fn new(shared: &'a Shared<'a>, temp: &'a TempDirectory, job: JobId) -> Self {
        let reject = &RejectTarget::None;
        Self { shared, temp, job, verified: Mutex::default(), rejects: Mutex::default(), reject }
    }
}

impl Work<'_> {
    /// Reads, sorts, indexes and checks, again and again while rows are left out because of their keys.
    fn run(&self) -> Result<Made> {
        loop {
            if let Some(made) = self.attempt()? {
                return Ok(made);
            }
        }
    }

    /// Reads, sorts, indexes and checks; removes its segments if that fails. Returns nothing if the
    /// keys of rows are no good and the import is to go on without them.
    fn attempt(&self) -> Result<Option<Made>> {
        let segments = self.read()?;
        let mut made = Made { segments, indexes: BTreeMap::new() };
        let checked = self
            .build_indexes(&mut made)
            .and_then(|unique| if unique { self.check_references(&made) } else { Ok(false) });
        match checked {
            Ok(true) => Ok(Some(made)),
            Ok(false) => {
                self.discard(&made);
                Ok(None)
            }
            Err(error) => {
                self.discard(&made);
                Err(error)
            }
        }
    }

    /// Reads all files; returns their rows as segments in order.
    fn read(&self) -> Result<Vec<Arc<Segment>>> {
        loop {
            if let Some(segments) = self.read_once()? {
                return Ok(segments);
            }
        }
    }

    /// Reads all files; returns nothing if rows repeat a primary key and are left out from now on.
    fn read_once(&self) -> Result<Option<Vec<Arc<Segment>>>> {
        let verified = std::mem::take(&mut *lock(&self.verified));
        let mut read = read_all(self.shared, self.job, verified).map_err(|(error, rejects)| {
            self.note_rejects(rejects);
            error
        })?;
        self.note_rejects(std::mem::take(&mut read.rejects));
        let first = lock(&self.rejects).keys.is_empty();
        let repairs = repaired(read.repairs);
        for notice in read.notices.iter().cloned().chain(repairs).filter(|_| first) {
            self.tell(Event::Notice(notice));
        }
        self.settle(read)
    }

    /// Returns the segments of the rows in order; nothing if rows repeat a key and were left out.
    fn settle(&self, mut read: AllRead) -> Result<Option<Vec<Arc<Segment>>>> {
        let layout = self.shared.layout;
        if !layout.is_sorted() {
            return Ok(Some(std::mem::take(&mut read.ordered).into_iter().map(Arc::new).collect()));
        }
        let bytes = self.shared.bytes.load(Ordering::Relaxed).max(1);
        let segment_rows = read.rows.max(1) * SEGMENT_BYTES / bytes;
        let target = Target {
            context: self.shared.context,
            table: layout.table.id,
            columns: &layout.columns,
            key: &layout.key,
            encoder: &layout.encoder,
            unique: None,
            segment_rows: usize::try_from(segment_rows).unwrap_or(usize::MAX).max(1 << 16),
        };
        self.shared.space.release();
        let done = AtomicU64::new(0);
        let tell = |rows| {
            let rows = done.fetch_add(rows, Ordering::Relaxed) + rows;
            self.tell_progress("merging", rows);
        };
        let before: Vec<Segment> = read.sorted.iter().map(|one| one.segment.clone()).collect();
        let settled = settle(&target, read.sorted, read.runs, self.shared.space, &tell);
        let (segments, found) = settled.inspect_err(|_| {
            let garbage = self.shared.space.not_held(before);
            self.shared.context.store.discard_segments(layout.table.id, &garbage);
        })?;
        read.duplicates.extend(found);
        let segments: Vec<Arc<Segment>> = segments.into_iter().map(Arc::new).collect();
        if read.duplicates.is_empty() {
            return Ok(Some(segments));
        }
        self.discard(&Made { segments, indexes: BTreeMap::new() });
        if self.shared.tolerated.is_some() {
            return self.leave_out_duplicates(&HashSet::new()).map(|()| None);
        }
        Err(self.duplicate(layout.table.primary_key.as_ref(), &layout.encoder, &read.duplicates))
    }

    /// Builds all indexes; returns false if rows repeat a key and were left out.
    fn build_indexes(&self, made: &mut Made) -> Result<bool> {
        let table = &self.shared.layout.table;
        for index in &table.indexes {
            self.tell_progress("indexing", self.shared.rows.load(Ordering::Relaxed));
            let layout = IndexLayout::new(table, index)?;
            let context = self.shared.context;
            let (segments, duplicates) =
                build_index(context, table, &layout, &made.segments, self.shared.space)?;
            made.indexes.insert(index.id, segments.into_iter().map(Arc::new).collect());
            if !duplicates.is_empty() && self.shared.tolerated.is_some() {
                return self.leave_out_duplicates(&HashSet::new()).map(|()| false);
            }
            if !duplicates.is_empty() {
                let encoder = row_key_encoder(table, index)?;
                return Err(self.duplicate(Some(index), &encoder, &duplicates));
            }
        }
        Ok(true)
    }

    /// Checks all references; returns false if rows refer to nothing and were left out.
    fn check_references(&self, made: &Made) -> Result<bool> {
        let table = &self.shared.layout.table;
        for constraint in &table.foreign_keys {
            let context = self.shared.context;
            let reference = Reference::new(context, table, constraint, &made.segments)?;
            if !self.check_reference(constraint, &reference, &made.segments)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fails with the first row in file order of `segments` that refers to nothing, or leaves out all
    /// such rows and returns false.
    fn check_reference(
        &self,
        constraint: &ForeignKey,
        reference: &Reference<'_>,
        segments: &[Arc<Segment>],
    ) -> Result<bool> {
        self.tell_progress("checking", self.shared.rows.load(Ordering::Relaxed));
        let missing = reference.missing(self.shared.context, segments)?;
        if !missing.is_empty() && self.shared.tolerated.is_some() {
            return self.leave_out_missing(constraint, reference, &missing).map(|()| false);
        }
        self.tell_missing(constraint, reference, &missing).map(|()| true)
    }

    /// Fails with the first row in file order whose key is `missing`, if there are such.
    fn tell_missing(
        &self,
        constraint: &ForeignKey,
        reference: &Reference<'_>,
        missing: &MissingKeys,
    ) -> Result {
        if missing.is_empty() {
            return Ok(());
        }
        let encoder = reference.row_encoder()?;
        let found = find_first(self.shared, &encoder, missing)?;
        let Some((place, key)) = found else { return Err(self.changed()) };
        let table = &self.shared.layout.table;
        let key = key_text(table, &constraint.columns, &encoder, &key)?;
        let error = reference.violation(constraint, &key).in_data(place.data_place(self.shared)?);
        Err(error.map_message(|message| format!("row {}: {message}", place.row)))
    }

    /// Returns the error of duplicate keys, with the places of the first two rows in file order.
    fn duplicate(
        &self,
        index: Option<&IndexDescriptor>,
        encoder: &KeyEncoder,
        keys: &[Vec<u8>],
    ) -> Error {
        let name = index.map_or_else(|| "index".to_owned(), index_name);
        let columns: Vec<_> =
            index.iter().flat_map(|index| index.key.iter().map(|part| part.column)).collect();
        let told = || -> Result<Error> {
            let found = find_repeated(self.shared, encoder, keys)?;
            let Some((first, second, key)) = found else { return Ok(self.changed()) };
            let key = key_text(&self.shared.layout.table, &columns, encoder, &key)?;
            let other = first.data_place(self.shared)?;
            let place = second.data_place(self.shared)?;
            Ok(Error::new(
                SqlState::UNIQUE_VIOLATION,
                format!(
                    "duplicate key in {name}: row {} has the key {key} of row {}",
                    second.row, first.row
                ),
            )
            .detail(first_place(&other))
            .in_data(place))
        };
        told().unwrap_or_else(|error| error)
    }

    /// Returns whether one of these columns takes values of a DEFAULT that differ each time.
    fn is_drawn(&self, columns: &[ColumnId]) -> bool {
        let table = &self.shared.layout.table;
        let columns = columns.iter().filter_map(|id| table.column_by_id(*id));
        columns.filter_map(|column| column.default.as_ref()).any(|text| text.contains('('))
    }

    /// Returns the error of files that gave other rows when they were read once more.
    fn changed(&self) -> Error {
        let changed = self.shared.files.iter().find_map(|file| file.require_unchanged().err());
        changed.unwrap_or_else(|| {
            Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "a data file gave different rows when it was read again",
            )
        })
    }

    fn note_rejects(&self, rejects: Vec<PartRejects>) {
        lock(&self.rejects).parts = rejects;
    }

    /// Writes the rows left out; returns how many they are, with the files that wait to be published.
    fn write_rejects(&self) -> Result<(u64, RejectFiles<'_>)> {
        let mut files = RejectFiles::new(self.shared, self.job, self.reject);
        let mut rejects = lock(&self.rejects);
        let count = write_rejects(self.shared, self.job, &mut rejects, Some(&mut files))?;
        Ok((count, files))
    }

    /// Tells how many rows were left out.
    fn tell_skipped(&self, rejected: u64) {
        if let Some(told) = skipped(rejected, self.job) {
            self.tell(Event::Notice(told));
        }
    }

    /// Keeps the rows left out of an import that failed, as far as it came; returns how many they are.
    fn keep_rejects(&self) -> u64 {
        let written = write_rejects(self.shared, self.job, &mut lock(&self.rejects), None);
        written.unwrap_or_else(|_| {
            self.shared.context.store.discard_rejects(self.job);
            0
        })
    }

    /// Publishes the table in one commit.
    fn publish(&self, made: Made) -> Result<Imported> {
        self.tell_progress("publishing", self.shared.rows.load(Ordering::Relaxed));
        let published = self.write_rejects().and_then(|rejected| {
            let imported = self.commit(&made, &rejected)?;
            self.tell_skipped(rejected.0);
            Ok(imported)
        });
        if published.is_err() {
            self.discard(&made);
        }
        published
    }

    fn commit(&self, made: &Made, (rejected, files): &(u64, RejectFiles<'_>)) -> Result<Imported> {
        let context = self.shared.context;
        let table = &self.shared.layout.table;
        self.shared.files.iter().try_for_each(InputFile::require_unchanged)?;
        context.store.sync_table_directory(table.id)?;
        context.cancellation.check()?;
        let (rows, row_bytes) = sizes(&mut made.segments.iter());
        let (index_entries, index_bytes) = sizes(&mut made.indexes.values().flatten());
        let manifest = Manifest {
            segments: made.segments.clone(),
            indexes: made.indexes.clone(),
            next_rowid: next_rowid(&made.segments),
        };
        let mut log = lock(self.shared.log);
        let mut saved = saved_segments(context, log.record())?;
        // All rows are in segments now.
        let left = self.close_temp(&log);
        log.note_rejected(*rejected);
        self.with_files(files, &mut log, |log| {
            context.store.update(|changes| {
                require_new(changes.catalog, table)?;
                changes.put_table(table)?;
                changes.put_manifest(table.id, manifest)?;
                log.succeed(context, changes, left)
            })
        })?;
        self.remove_temp(&log);
        saved.retain(|one| made.segments.iter().all(|segment| segment.file != one.file));
        context.store.discard_segments(table.id, &saved);
        let bytes = row_bytes + index_bytes;
        Ok(Imported { job: self.job, rows, index_entries, bytes, trial: None })
    }

    /// Commits, and lets files of rejects appear with that.
    fn with_files(
        &self,
        files: &RejectFiles<'_>,
        log: &mut JobLog,
        commit: impl FnOnce(&mut JobLog) -> Result,
    ) -> Result {
        log.note_outputs(self.shared.context, files.outputs())?;
        files.publish()?;
        commit(log).inspect_err(|_| files.retract())
    }

    /// Removes the temporary files before the job's end is recorded, unless a checkpoint names them;
    /// returns whether something was left.
    fn close_temp(&self, log: &JobLog) -> bool {
        log.needs(self.temp) || close_temp(self.shared.context, self.temp)
    }

    /// Removes the temporary files that a checkpoint named, when the job's end is recorded.
    fn remove_temp(&self, log: &JobLog) {
        if log.needs(self.temp) {
            log.remove_temp(self.shared.context, self.temp);
        }
    }

    fn discard(&self, made: &Made) {
        let table = self.shared.layout.table.id;
        let garbage = self.shared.space.not_held(made.all());
        self.shared.context.store.discard_segments(table, &garbage);
    }

    fn tell_progress(&self, phase: &'static str, rows: u64) {
        let (bytes, _) = self.shared.stored.of(self.shared.files);
        let progress = Progress { job: self.job, phase, rows, bytes, total_bytes: Some(bytes) };
        self.tell(Event::Progress(progress));
    }

    fn tell(&self, event: Event) {
        (self.shared.context.events)(event);
    }
}

/// Returns the sentence that tells where the first of two rows with one key stands.
fn first_place(place: &DataPlace) -> String {
    let DataPlace { file, row, line, byte, .. } = place;
    // Files that are no text have no lines.
    let line = if *line > 0 { format!(", line {line}, byte {byte}") } else { String::new() };
    format!("The first row with this key is file {file}, row {row}{line}.")
}

/// Returns the rows and bytes of segments.
fn sizes(segments: &mut dyn Iterator<Item = &Arc<Segment>>) -> (u64, u64) {
    segments.fold((0, 0), |(rows, bytes), one| (rows + one.rows, bytes + one.bytes))
}

/// Fails if another statement made a table of this name, or dropped the database or a referenced
/// table, while the import ran.
fn require_new(catalog: &dyn Catalog, table: &TableDescriptor) -> Result {
    require_absent(catalog, table)?;
    for key in table.foreign_keys.iter().filter(|key| key.references != table.id) {
        let Some(parent) = catalog.table_by_id(key.references) else {
            return Err(Error::new(
                SqlState::UNDEFINED_TABLE,
                "a referenced table was dropped meanwhile",
            ));
        };
        if !parent.all_indexes().any(|index| index.is_key_of(&key.referenced_columns)) {
            return Err(changed(parent));
        }
    }
    Ok(())
}

/// Fails if another statement made a table of this name, or dropped the database, while the import ran.
fn require_absent(catalog: &dyn Catalog, table: &TableDescriptor) -> Result {
    if catalog.database_by_id(table.database).is_none() {
        return Err(Error::new(SqlState::INVALID_CATALOG_NAME, "database was dropped meanwhile"));
    }
    if catalog.is_relation(table.database, &table.name) {
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{}\" already exists", table.name),
        ));
    }
    Ok(())
}

/// Returns what messages call an index.
fn index_name(index: &IndexDescriptor) -> String {
    match index.id {
        IndexId::PRIMARY => "primary index".to_owned(),
        _ => format!("index \"{}\"", index.name),
    }
}

/// Returns the lowest row id above all of an import's.
fn next_rowid(segments: &[Arc<Segment>]) -> i64 {
    let last = segments.iter().filter_map(|segment| match segment.rowids {
        Some(crate::store::RowIds::Import { first_row, .. }) => Some(first_row + segment.rows),
        _ => None,
    });
    // A row id's low 15 bits are the file's; the next block of them is free.
    last.max().map_or(1, |rows| (rows.cast_signed() + 1) << 15)
}

/// Returns an encoder of an index's key for whole rows of the table.
fn row_key_encoder(table: &TableDescriptor, index: &IndexDescriptor) -> Result<KeyEncoder> {
    KeyEncoder::new(&segment_columns(table), &super::table::key_positions(table, index)?)
}
