//! `catalog.redb`: its tables, the check sums of its rows, and the one way to change it.
//!
//! Every row is a CRC-32C of table, key and body, then the body. The row `digest` of the table
//! `meta` holds the sum of those numbers over all rows but segments, checkpoints and the values of
//! sequences, so that a row that a damaged page hides is missed; a missing segment is missed by the
//! manifest that names it, a missing value by the sequence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Builder, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};

use super::error::{catalog_error, closed, damaged, io_error, is_damage};
use super::lock;
use super::panic::caught;
use super::recovery::{Overlay, write_again};
use crate::error::{Error, Result, SqlState};

/// The file's name in the database directory.
pub(super) const CATALOG_FILE: &str = "catalog.redb";

/// The name it has until it is complete for the first time.
pub(super) const UNFINISHED_FILE: &str = "catalog.redb.new";

/// The version of the format that this program writes, and the highest that it reads.
pub(super) const FORMAT_VERSION: u32 = 1;

/// How much of the file redb keeps in memory.
const CACHE_BYTES: usize = 32 << 20;

/// A table of the catalog file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Area {
    /// Format version, counters, commit number, digest.
    Meta,
    /// Database descriptors by id.
    Databases,
    /// Table descriptors by id.
    Tables,
    /// Sequence descriptors by id; databases of earlier versions lack it until they are written.
    Sequences,
    /// Users by name.
    Users,
    /// Privileges by object and user.
    Grants,
    /// Cluster settings by name.
    Settings,
    /// Job records by id.
    Jobs,
    /// Lists of segments by table id.
    Manifests,
    /// Segments by table id and number.
    Segments,
    /// Checkpoints by job id and number; databases of earlier versions lack it until they are written.
    Checkpoints,
    /// The values of sequences by id; databases of earlier versions lack it until they are written.
    SequenceValues,
}

impl Area {
    const EACH: [Self; 12] = [
        Self::Meta,
        Self::Databases,
        Self::Tables,
        Self::Sequences,
        Self::Users,
        Self::Grants,
        Self::Settings,
        Self::Jobs,
        Self::Manifests,
        Self::Segments,
        Self::Checkpoints,
        Self::SequenceValues,
    ];

    /// Returns whether its rows are read when they are asked for, and not when the file is opened.
    fn is_lazy(self) -> bool {
        matches!(self, Self::Segments | Self::Checkpoints | Self::SequenceValues)
    }

    /// Returns whether a database of an earlier version may lack the table.
    fn may_be_absent(self) -> bool {
        matches!(self, Self::Checkpoints | Self::Sequences | Self::SequenceValues)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Databases => "databases",
            Self::Tables => "tables",
            Self::Sequences => "sequences",
            Self::Users => "users",
            Self::Grants => "grants",
            Self::Settings => "settings",
            Self::Jobs => "jobs",
            Self::Manifests => "manifests",
            Self::Segments => "segments",
            Self::Checkpoints => "checkpoints",
            Self::SequenceValues => "sequence_values",
        }
    }

    fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }

    /// Returns the CRC-32C of a row.
    fn checksum(self, key: &[u8], body: &[u8]) -> u32 {
        let sum = crc32c::crc32c(self.name().as_bytes());
        let sum = crc32c::crc32c_append(sum, &[0]);
        crc32c::crc32c_append(crc32c::crc32c_append(sum, key), body)
    }
}

/// Rows to be written (`Some`) or removed in one transaction.
pub(super) type Batch = BTreeMap<(Area, Vec<u8>), Option<Vec<u8>>>;

/// Keys of the table `meta`.
pub(super) mod meta {
    /// The format version (u32).
    pub(in crate::store) const FORMAT: &[u8] = b"format_version";
    /// The number of the last commit (u64).
    pub(in crate::store) const COMMIT: &[u8] = b"commit";
    /// The next database id (u64).
    pub(in crate::store) const NEXT_DATABASE: &[u8] = b"next_database";
    /// The next table id (u64).
    pub(in crate::store) const NEXT_TABLE: &[u8] = b"next_table";
    /// The next job id (u64).
    pub(in crate::store) const NEXT_JOB: &[u8] = b"next_job";
    /// The sum of the check sums of all rows but segments, checkpoints, values and this one (u64).
    pub(in crate::store) const DIGEST: &[u8] = b"digest";
}

/// Every row of every table that is read when the file is opened.
pub(super) type Rows = BTreeMap<(Area, Vec<u8>), Vec<u8>>;

/// A table that is open for reading.
type OpenTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The open catalog file.
#[derive(Debug)]
pub(super) struct CatalogFile {
    directory: PathBuf,
    path: PathBuf,
    handle: RwLock<Option<Handle>>,
}

enum Handle {
    Writer(Database),
    Reader(ReadOnlyDatabase),
    /// Repaired in memory, for reading.
    Repaired(Database),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Writer(_) => "Writer",
            Self::Reader(_) => "Reader",
            Self::Repaired(_) => "Repaired",
        })
    }
}

impl Drop for CatalogFile {
    fn drop(&mut self) {
        self.close();
    }
}

impl CatalogFile {
    /// Creates the catalog file with the rows of `batch`, unless one is there by now; `prepare` makes
    /// what must be there before. It gets its name when it is complete, so that a crash leaves no
    /// half of one.
    pub(super) fn create(
        directory: &Path,
        batch: &Batch,
        prepare: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let (unfinished, path) = (directory.join(UNFINISHED_FILE), directory.join(CATALOG_FILE));
        let failed = |error| io_error("create", &unfinished, error);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&unfinished)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(lock::in_use(directory)),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        if path.exists() {
            return Ok(());
        }
        file.set_len(0).map_err(failed)?;
        prepare()?;
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_file(file)
            .map_err(|error| open_error(directory, &path, error))?;
        let catalog = Self {
            directory: directory.to_owned(),
            path,
            handle: RwLock::new(Some(Handle::Writer(database))),
        };
        catalog.write(batch)?;
        fs::rename(&unfinished, &catalog.path).map_err(failed)?;
        sync_directory(directory)
    }

    /// Opens the catalog file of a database directory and checks its format version.
    pub(super) fn open(directory: &Path, read_only: bool) -> Result<Self> {
        let path = directory.join(CATALOG_FILE);
        let handle = open_handle(directory, &path, read_only)?;
        let file =
            Self { directory: directory.to_owned(), path, handle: RwLock::new(Some(handle)) };
        file.check_version()?;
        Ok(file)
    }

    fn check_version(&self) -> Result<()> {
        let version = self.read(Area::Meta, meta::FORMAT)?;
        let version = version.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        match version {
            Some(FORMAT_VERSION) => Ok(()),
            Some(version) => Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "database has format version {version}, this Wharf reads up to {FORMAT_VERSION}"
                ),
            )
            .hint("Open it with the Wharf that wrote it, or a newer one. Nothing was changed.")),
            None => Err(damaged(&self.path, "It has no format version.")),
        }
    }

    /// Returns where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file; whatever is read later fails.
    pub(super) fn close(&self) {
        let handle = self.handle.write().unwrap_or_else(PoisonError::into_inner).take();
        // What is wrong with the file is told when it is opened next.
        let _ = caught(&self.path, || {
            drop(handle);
            Ok(())
        });
    }

    /// Closes the file and opens it again for writing: after an I/O error redb refuses to go on. What
    /// is in the file is made durable first, in case a sync failed.
    pub(super) fn reopen(&self) -> Result<()> {
        // The lock must be released before it can be taken again.
        self.close();
        let file = fs::OpenOptions::new().read(true).write(true).open(&self.path);
        let file = file.map_err(|error| io_error("open", &self.path, error))?;
        if !write_again(file).map_err(|error| self.error(error))? {
            return Err(lock::in_use(&self.directory));
        }
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        *handle = Some(open_handle(&self.directory, &self.path, false)?);
        Ok(())
    }

    /// Returns whether the file is open.
    pub(super) fn is_open(&self) -> bool {
        self.handle.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns every row of the tables that are not read later, checked against the digest.
    pub(super) fn read_all(&self) -> Result<Rows> {
        self.with_reader(|reader| {
            let mut rows = Rows::new();
            let mut sum = 0u64;
            for area in Area::EACH.into_iter().filter(|area| !area.is_lazy()) {
                let Some(table) = self.table(reader, area)? else { continue };
                for row in table.iter().map_err(|e| self.error(e))? {
                    let (key, value) = row.map_err(|e| self.error(e))?;
                    let body = self.check(area, key.value(), value.value())?;
                    if (area, key.value()) != (Area::Meta, meta::DIGEST) {
                        sum = sum.wrapping_add(u64::from(area.checksum(key.value(), body)));
                    }
                    rows.insert((area, key.value().to_vec()), body.to_vec());
                }
            }
            let digest = rows.get(&(Area::Meta, meta::DIGEST.to_vec()));
            if digest.map(Vec::as_slice) != Some(&sum.to_le_bytes()[..]) {
                return Err(damaged(&self.path, "Its rows do not add up to their digest."));
            }
            Ok(rows)
        })
    }

    /// Returns the body of a row.
    pub(super) fn read(&self, area: Area, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.with_reader(|reader| {
            let Some(table) = self.table(reader, area)? else { return Ok(None) };
            let value = table.get(key).map_err(|e| self.error(e))?;
            value.map(|value| Ok(self.check(area, key, value.value())?.to_vec())).transpose()
        })
    }

    /// Gives `visit` each row of `area` whose key starts with `prefix`, in key order.
    pub(super) fn scan(
        &self,
        area: Area,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.with_reader(|reader| {
            let Some(table) = self.table(reader, area)? else { return Ok(()) };
            for row in table.range(prefix..).map_err(|e| self.error(e))? {
                let (key, value) = row.map_err(|e| self.error(e))?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                visit(key.value(), self.check(area, key.value(), value.value())?)?;
            }
            Ok(())
        })
    }

    /// Opens a table; nothing if the database is of an earlier version, which has none.
    fn table(&self, reader: &ReadTransaction, area: Area) -> Result<Option<OpenTable>> {
        match reader.open_table(area.definition()) {
            Err(redb::TableError::TableDoesNotExist(_)) if area.may_be_absent() => Ok(None),
            table => table.map(Some).map_err(|e| self.error(e)),
        }
    }

    /// Writes the rows of `batch` in one transaction that is on disk when this returns.
    pub(super) fn write(&self, batch: &Batch) -> Result<()> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Handle::Writer(database)) = &*handle else {
            return Err(closed(&self.path));
        };
        caught(&self.path, || {
            let mut writer = database.begin_write().map_err(|e| self.error(e))?;
            // The allocator state goes with each commit, so that opening after a crash is quick.
            writer.set_quick_repair(true);
            let change = self.apply(&writer, batch)?;
            self.add_to_digest(&writer, change)?;
            writer.commit().map_err(|e| self.error(e))
        })
    }

    /// Applies `batch` and returns what to add to the digest.
    fn apply(&self, writer: &WriteTransaction, batch: &Batch) -> Result<u64> {
        let mut change = 0u64;
        for area in Area::EACH {
            // Every table is opened, so that a new file has them all.
            let mut table = writer.open_table(area.definition()).map_err(|e| self.error(e))?;
            let first = (area, Vec::new());
            for ((_, key), body) in batch.range(first..).take_while(|((each, _), _)| *each == area)
            {
                let key = key.as_slice();
                let old = match body {
                    Some(body) => {
                        let sum = area.checksum(key, body);
                        change = change.wrapping_add(u64::from(sum) * digested(area));
                        let mut value = sum.to_le_bytes().to_vec();
                        value.extend(body);
                        table.insert(key, value.as_slice()).map_err(|e| self.error(e))?
                    }
                    None => table.remove(key).map_err(|e| self.error(e))?,
                };
                if let Some(old) = old {
                    let sum = self.check(area, key, old.value()).map(|b| area.checksum(key, b))?;
                    change = change.wrapping_sub(u64::from(sum) * digested(area));
                }
            }
        }
        Ok(change)
    }

    fn add_to_digest(&self, writer: &WriteTransaction, change: u64) -> Result<()> {
        let mut table = writer.open_table(Area::Meta.definition()).map_err(|e| self.error(e))?;
        let old = match table.get(meta::DIGEST).map_err(|e| self.error(e))? {
            Some(value) => {
                let body = self.check(Area::Meta, meta::DIGEST, value.value())?;
                body.try_into().map(u64::from_le_bytes).unwrap_or_default()
            }
            None => 0,
        };
        let body = old.wrapping_add(change).to_le_bytes();
        let mut value = Area::Meta.checksum(meta::DIGEST, &body).to_le_bytes().to_vec();
        value.extend(body);
        table.insert(meta::DIGEST, value.as_slice()).map_err(|e| self.error(e))?;
        Ok(())
    }

    /// Returns the body of a stored value after checking it.
    fn check<'v>(&self, area: Area, key: &[u8], value: &'v [u8]) -> Result<&'v [u8]> {
        let checked = value
            .split_first_chunk::<4>()
            .filter(|(sum, body)| u32::from_le_bytes(**sum) == area.checksum(key, body));
        checked.map(|(_, body)| body).ok_or_else(|| {
            damaged(&self.path, format!("A row of \"{}\" differs from its check sum.", area.name()))
        })
    }

    fn with_reader<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T>) -> Result<T> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        caught(&self.path, || {
            let reader = match &*handle {
                Some(Handle::Writer(database) | Handle::Repaired(database)) => {
                    database.begin_read()
                }
                Some(Handle::Reader(database)) => database.begin_read(),
                None => return Err(closed(&self.path)),
            };
            read(&reader.map_err(|e| self.error(e))?)
        })
    }

    fn error(&self, error: impl Into<redb::Error>) -> Error {
        catalog_error(&self.path, error)
    }
}

/// Returns 1 for tables whose rows the digest adds up, else 0.
fn digested(area: Area) -> u64 {
    u64::from(!area.is_lazy())
}

/// Opens the file. Opening it for writing compares every page with its check sum: to write by a
/// damaged list of free pages would destroy what is still good.
fn open_handle(directory: &Path, path: &Path, read_only: bool) -> Result<Handle> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    caught(path, || {
        let handle = if read_only {
            match builder.open_read_only(path) {
                Err(redb::DatabaseError::RepairAborted) => open_repaired(&builder, path),
                opened => opened.map(Handle::Reader),
            }
        } else {
            builder.open(path).and_then(|mut database| {
                database.check_integrity()?;
                Ok(Handle::Writer(database))
            })
        };
        handle.map_err(|error| open_error(directory, path, error))
    })
}

/// Opens a catalog file read-only that a crash left.
fn open_repaired(builder: &Builder, path: &Path) -> Result<Handle, redb::DatabaseError> {
    let file = Overlay::new(fs::File::open(path)?)?;
    builder.create_with_backend(file).map(Handle::Repaired)
}

fn open_error(directory: &Path, path: &Path, error: redb::DatabaseError) -> Error {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => lock::in_use(directory),
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) if !is_damage(&error) => {
            io_error("open", path, error)
        }
        error => catalog_error(path, error),
    }
}

/// Syncs a directory, so that the names in it survive a crash.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    fs::File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error("sync", path, error))
}
