//! `Store`: opening a database directory, looking at it, and changing it in one commit.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::catalog_file::{
    Area, Batch, CATALOG_FILE, CatalogFile, Rows, UNFINISHED_FILE, meta, sync_directory,
};
use super::changes::Changes;
use super::claim::Claims;
use super::error::{damaged, io_error};
use super::garbage::table_directory;
use super::garbage::{
    DATA, DirectoryNote, Files, SegmentFile, remove_orphans, remove_outputs, remove_temporary_files,
};
use super::lock::NameTag;
use super::manifest::{Manifest, ManifestRow, Segment, encode_segment};
use super::rejects::remove_orphaned_rejects;
use super::rows::{self, Counters};
use super::segment::OpenFiles;
use super::sequence::Sequences;
use super::view::{Loader, Slot, View};
use crate::catalog::{JobId, JobRecord, JobStatus, Snapshot, TableId};
use crate::error::{Error, Result, SqlState};

/// The default root of `nodelocal:` URLs in a database directory.
const EXTERN: &str = "extern";

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Take a shared lock, create and remove nothing.
    pub read_only: bool,
}

/// An open database directory.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    read_only: bool,
    loader: Arc<Loader>,
    /// The last commit.
    current: RwLock<Arc<View>>,
    /// Held while a commit is made.
    writing: Mutex<Counters>,
    /// The number of the next segment file.
    next_segment: AtomicU64,
    /// Tables whose directories have names that a crash could lose.
    unsynced: Mutex<HashSet<TableId>>,
    /// Jobs that were found to have been interrupted when the store was opened.
    interrupted: Vec<JobId>,
    pub(super) open_files: OpenFiles,
    /// Tables that one statement alone may change.
    claims: Claims,
    pub(super) sequences: Sequences,
    /// Gone after the catalog file is closed.
    _name_tag: Option<NameTag>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.return_values();
        // Views may outlive the store, but must not keep the database locked.
        self.loader.catalog.close();
    }
}

impl Store {
    /// Opens the database directory `path`, creating it if it is absent or empty (not when read-only).
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        if !options.read_only {
            create_if_empty(path)?;
        }
        let directory = existing_database(path)?;
        let catalog = CatalogFile::open(&directory, options.read_only)?;
        let name_tag = (!options.read_only).then(|| NameTag::put(&directory));
        let rows = catalog.read_all()?;
        let loader = Loader { directory: directory.clone(), catalog, files: Files::default() };
        let view = view_of(Arc::new(loader), &rows)?;
        let counters = rows::counters(view.loader.catalog.path(), &rows)?;
        let mut store = Self {
            path: directory,
            read_only: options.read_only,
            loader: Arc::clone(&view.loader),
            writing: Mutex::new(counters),
            next_segment: AtomicU64::new(0),
            unsynced: Mutex::default(),
            interrupted: Vec::new(),
            open_files: OpenFiles::default(),
            claims: Claims::default(),
            sequences: Sequences::default(),
            current: RwLock::new(Arc::new(view)),
            _name_tag: name_tag,
        };
        if !options.read_only {
            store.interrupted = store.clean_up(&rows)?;
        }
        Ok(store)
    }

    /// Removes what a crash left: orphan files and temporary files. Jobs that seem to run are paused,
    /// or failed if they cannot be resumed; returns the paused ones.
    fn clean_up(&self, rows: &Rows) -> Result<Vec<JobId>> {
        let view = self.view();
        let mut named = self.checkpointed()?;
        named.extend(
            view.manifests
                .iter()
                .flat_map(|(table, slot)| slot.row.numbers().map(|number| (*table, number))),
        );
        let highest = remove_orphans(&self.path, &named)?;
        self.next_segment.store(highest + 1, Ordering::Relaxed);
        let (mut stopped, mut ended, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let mut untidy = Vec::new();
        let mut with_rejects = HashSet::new();
        for job in rows::jobs(self.loader.catalog.path(), rows)? {
            if job.rejected > 0 {
                with_rejects.insert(job.id.0);
            }
            match job.status {
                // What checkpoints name is needed when the job goes on.
                JobStatus::Running if job.checkpoints > 0 => {
                    stopped.push(job.clone());
                    kept.push(job);
                }
                JobStatus::Running | JobStatus::Pending => {
                    stopped.push(job.clone());
                    ended.push(job);
                }
                JobStatus::Paused => kept.push(job),
                // The crash came before its files were gone.
                JobStatus::Failed | JobStatus::Succeeded | JobStatus::Canceled
                    if job.temp_directories.iter().any(|path| path.starts_with('/')) =>
                {
                    untidy.push(job.clone());
                    ended.push(job);
                }
                JobStatus::Failed | JobStatus::Succeeded | JobStatus::Canceled => {}
            }
        }
        remove_orphaned_rejects(&self.path, &with_rejects);
        // Files that were replaced lie among the temporary ones.
        for job in &stopped {
            remove_outputs(&job.outputs);
        }
        remove_temporary_files(&self.path, &ended, &kept);
        if stopped.is_empty() && untidy.is_empty() {
            return Ok(Vec::new());
        }
        stopped.iter_mut().for_each(interrupt);
        for job in &mut untidy {
            job.temp_directories.retain(|path| is_there(path));
        }
        self.update(|changes| {
            stopped.iter().chain(&untidy).try_for_each(|job| changes.put_job(job))
        })?;
        let paused = stopped.iter().filter(|job| job.status == JobStatus::Paused);
        Ok(paused.map(|job| job.id).collect())
    }

    /// Returns the jobs that were found to have been interrupted when the store was opened, and are
    /// paused now.
    pub fn interrupted_jobs(&self) -> &[JobId] {
        &self.interrupted
    }

    /// Returns the database directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the store was opened read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns the store as of the last commit.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `change` and commits what it changed, in one redb transaction, or nothing if it fails.
    ///
    /// Updates wait for each other; `change` sees the newest catalog. It must not call `update`.
    pub fn update<T>(&self, change: impl FnOnce(&mut Changes<'_>) -> Result<T>) -> Result<T> {
        self.require_writable()?;
        let mut counters = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.loader.catalog.is_open() {
            *counters = self.recover()?;
        }
        let view = self.view();
        let mut catalog = Snapshot::clone(&view.catalog);
        let mut changes = Changes::new(&mut catalog, *counters, self.claims.held());
        let value = change(&mut changes)?;
        let Changes { counters: new_counters, batch, manifests, sequences, .. } = changes;
        if batch.is_empty() && manifests.is_empty() {
            return Ok(value);
        }
        let commit = Commit::prepare(self, &view, batch, manifests, counters.commit + 1)?;
        self.write(&commit)?;
        *counters = Counters { commit: commit.number, ..new_counters };
        let next = View {
            catalog: Arc::new(catalog),
            commit: commit.number,
            manifests: commit.manifests,
            loader: Arc::clone(&self.loader),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.sequences.apply(sequences);
        commit.obsolete.iter().for_each(|segment| segment.doom());
        Ok(value)
    }

    /// Refuses to write when the store is read-only.
    pub(super) fn require_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Error::new(
                SqlState::READ_ONLY_SQL_TRANSACTION,
                "cannot write: the database is open read-only",
            )
            .hint("Open it without --read-only."));
        }
        Ok(())
    }

    /// Writes a commit. After an I/O error the catalog file is opened again, since redb refuses to
    /// go on, and the commit number on disk tells whether the commit was made after all.
    fn write(&self, commit: &Commit) -> Result<()> {
        let Err(error) = self.loader.catalog.write(&commit.batch) else { return Ok(()) };
        if self.loader.catalog.reopen().is_err() {
            return Err(error.hint("Open the database again when the cause is removed."));
        }
        match self.loader.catalog.read(Area::Meta, meta::COMMIT) {
            Ok(Some(number)) if number == commit.number.to_le_bytes() => Ok(()),
            _ => Err(error),
        }
    }

    /// Opens the catalog file again after it was given up, and takes what is in it for the truth.
    fn recover(&self) -> Result<Counters> {
        self.loader.catalog.reopen()?;
        let rows = self.loader.catalog.read_all()?;
        let counters = rows::counters(self.loader.catalog.path(), &rows)?;
        if counters.commit != self.view().commit {
            let view = view_of(Arc::clone(&self.loader), &rows)?;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        }
        Ok(counters)
    }

    /// Returns a fresh id for a table whose segments are written before its descriptor is committed.
    /// It is never given again, also not after a crash.
    pub fn reserve_table(&self) -> Result<TableId> {
        self.update(|changes| {
            let id = changes.next_table()?;
            Ok(id)
        })
    }

    /// Returns a fresh job id.
    pub fn reserve_job(&self) -> Result<JobId> {
        self.update(|changes| Ok(changes.next_job()))
    }

    /// Returns the job records, newest first.
    pub fn jobs(&self) -> Result<Vec<JobRecord>> {
        let mut jobs = Vec::new();
        self.loader.catalog.scan(Area::Jobs, &[], |_, body| {
            jobs.push(rows::parse_json(self.loader.catalog.path(), body)?);
            Ok(())
        })?;
        jobs.reverse();
        Ok(jobs)
    }

    /// Returns the job with this id.
    pub fn job(&self, id: JobId) -> Result<Option<JobRecord>> {
        let body = self.loader.catalog.read(Area::Jobs, &rows::job_key(id))?;
        body.map(|body| rows::parse_json(self.loader.catalog.path(), &body)).transpose()
    }

    /// Notes a directory of a job without a record, which the next open removes if a crash leaves it.
    pub fn note_directory(&self, directory: &str) -> Result<DirectoryNote> {
        DirectoryNote::put(&self.path, directory)
    }

    /// Returns the free bytes on the disk that holds the database.
    pub fn free_space(&self) -> Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)
            .map_err(|error| io_error("look at the disk of", &self.path, error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Returns a number for a segment file that no file has.
    pub(super) fn next_segment_number(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the tables that one statement alone may change.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the one `SegmentFile` for a file that was just written.
    pub(super) fn loader(&self) -> &Arc<Loader> {
        &self.loader
    }

    /// Makes the directory of a table if it is missing, and remembers that it is not synced.
    pub(super) fn make_table_directory(&self, table: TableId) -> Result<PathBuf> {
        let directory = table_directory(&self.path, table);
        fs::create_dir_all(&directory).map_err(|error| io_error("create", &directory, error))?;
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(table);
        Ok(directory)
    }

    /// Removes segment files that no manifest will name: after a failed or cancelled import.
    pub fn discard_segments(&self, table: TableId, segments: &[Segment]) {
        // A catalog given up in the middle of a commit may name them: the next open decides.
        if self.read_only || !self.loader.catalog.is_open() {
            return;
        }
        for segment in segments {
            segment.data.doom();
            let _ = fs::remove_file(segment.data.path());
        }
        let _ = fs::remove_dir(table_directory(&self.path, table));
    }

    /// Syncs the directory of a table, so that its files' names survive a crash. Call before the
    /// commit that publishes them.
    pub fn sync_table_directory(&self, table: TableId) -> Result<()> {
        let directory = table_directory(&self.path, table);
        // A table without segments has no directory.
        if directory.exists() {
            sync_directory(&directory)?;
            sync_directory(&self.path.join(DATA))?;
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).remove(&table);
        Ok(())
    }

    fn sync_if_needed(&self, table: TableId) -> Result<()> {
        let needed = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).contains(&table);
        if needed { self.sync_table_directory(table) } else { Ok(()) }
    }
}

/// Returns whether a directory in a record is on another machine, or is still there.
fn is_there(directory: &str) -> bool {
    !directory.starts_with('/') || Path::new(directory).symlink_metadata().is_ok()
}

/// Makes a job that a crash stopped a paused one, or a failed one if it cannot be resumed.
fn interrupt(job: &mut JobRecord) {
    job.outputs.clear();
    if job.checkpoints == 0 {
        // What lies on another machine needs credentials to be removed.
        job.temp_directories.retain(|directory| !directory.starts_with('/'));
    }
    let crashed = match job.job_type.as_str() {
        "CREATE INDEX" => "the process that built this index ended",
        _ => "the process that ran this import ended",
    };
    if job.resume.is_some() {
        job.status = JobStatus::Paused;
        job.running_status = Some(format!("{crashed}; RESUME JOB {} lets it go on", job.id));
        return;
    }
    job.status = JobStatus::Failed;
    job.running_status = None;
    job.finished = Some(job.modified);
    job.error = Some(crashed.to_owned());
}

/// Everything that a commit writes and leaves behind.
struct Commit {
    number: u64,
    batch: Batch,
    manifests: BTreeMap<TableId, Arc<Slot>>,
    /// Files that no manifest names any more.
    obsolete: Vec<Arc<SegmentFile>>,
}

impl Commit {
    fn prepare(
        store: &Store,
        view: &View,
        batch: Batch,
        changed: BTreeMap<TableId, Option<Manifest>>,
        number: u64,
    ) -> Result<Self> {
        let manifests = view.manifests.clone();
        let mut commit = Self { number, batch, manifests, obsolete: Vec::new() };
        for (table, manifest) in changed {
            let old = view.manifest(table)?;
            if manifest.is_some() {
                store.sync_if_needed(table)?;
            }
            commit.put(table, &old, manifest)?;
        }
        let body = number.to_le_bytes().to_vec();
        commit.batch.insert((Area::Meta, meta::COMMIT.to_vec()), Some(body));
        Ok(commit)
    }

    /// Writes the segments that are new in a manifest, and removes those that it lacks.
    fn put(&mut self, table: TableId, old: &Manifest, new: Option<Manifest>) -> Result<()> {
        let mut gone: BTreeMap<u64, &Arc<Segment>> =
            old.all_segments().map(|segment| (segment.data.number(), segment)).collect();
        let key = (Area::Manifests, rows::table_key(table));
        if let Some(mut manifest) = new {
            let lists = manifest.indexes.values_mut();
            for segment in lists.chain([&mut manifest.segments]).flatten() {
                let number = segment.data.number();
                let known = gone.remove(&number);
                if known.is_some_and(|known| Arc::ptr_eq(known, segment)) {
                    continue;
                }
                if segment.data.is_doomed() {
                    return Err(Error::internal("a removed segment is published"));
                }
                if segment.commit == 0 {
                    *segment = Arc::new(Segment { commit: self.number, ..Segment::clone(segment) });
                }
                let body = encode_segment(segment, segment.commit);
                self.batch.insert((Area::Segments, rows::segment_key(table, number)), Some(body));
            }
            self.batch.insert(key, Some(ManifestRow::of(&manifest).encode()));
            self.manifests.insert(table, Slot::known(manifest));
        } else {
            self.batch.insert(key, None);
            self.manifests.remove(&table);
        }
        for (number, segment) in gone {
            self.batch.insert((Area::Segments, rows::segment_key(table, number)), None);
            self.obsolete.push(Arc::clone(&segment.data));
        }
        Ok(())
    }
}

/// Returns the view that the rows of the catalog file make.
fn view_of(loader: Arc<Loader>, rows: &Rows) -> Result<View> {
    let path = loader.catalog.path();
    let catalog = Arc::new(rows::snapshot(path, rows)?);
    let commit = rows::counters(path, rows)?.commit;
    let mut manifests = BTreeMap::new();
    for ((_, key), body) in rows.iter().filter(|((area, _), _)| *area == Area::Manifests) {
        let table = key.as_slice().try_into().map(u32::from_be_bytes).ok();
        let (Some(table), Some(row)) = (table, ManifestRow::decode(body)) else {
            return Err(damaged(path, "A manifest in it cannot be read."));
        };
        manifests.insert(TableId(table), Slot::unread(row));
    }
    Ok(View { catalog, commit, manifests, loader })
}

/// Makes a database of a directory that is absent or empty.
fn create_if_empty(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync_directory(parent.unwrap_or(Path::new(".")))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error("create", path, error)),
    }
    if !path.is_dir() || path.join(CATALOG_FILE).exists() || !is_empty(path)? {
        return Ok(());
    }
    let path = fs::canonicalize(path).map_err(|error| io_error("open", path, error))?;
    CatalogFile::create(&path, &rows::initial()?, || {
        for name in [DATA, EXTERN] {
            let directory = path.join(name);
            fs::create_dir_all(&directory)
                .map_err(|error| io_error("create", &directory, error))?;
        }
        Ok(())
    })
}

/// Returns whether a directory holds nothing, or a database whose creation did not finish.
fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(path).map_err(|error| io_error("read", path, error))?;
    Ok(entries.next().is_none() || path.join(UNFINISHED_FILE).exists())
}

/// Returns the absolute path of a database directory, or says why it is none.
fn existing_database(path: &Path) -> Result<PathBuf> {
    let not_database = |hint: &str| {
        Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("\"{}\" is not a Wharf database", path.display()),
        )
        .hint(hint)
    };
    let directory = fs::canonicalize(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(
            SqlState::UNDEFINED_FILE,
            format!("database \"{}\" does not exist", path.display()),
        )
        .caused_by(error),
        _ => io_error("open", path, error),
    })?;
    if !directory.is_dir() {
        return Err(not_database("A database is a directory; this is a file."));
    }
    match fs::symlink_metadata(directory.join(CATALOG_FILE)) {
        Ok(_) => Ok(directory),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(not_database(
            "Name a database, an empty directory, or one that does not exist yet.",
        )),
        Err(error) => Err(io_error("open", &directory.join(CATALOG_FILE), error)),
    }
}
