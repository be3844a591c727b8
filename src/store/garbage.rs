//! Segment files and when they go: a file that no manifest names any more is removed when the last
//! view or scan that may read it is dropped, and what a crash left is removed when the store is
//! opened.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::error::io_error;
use super::segment::OpenSegment;
use crate::catalog::{JobOutput, JobRecord, TableId};
use crate::error::Result;

/// The directory of segment files in a database directory.
pub(super) const DATA: &str = "data";

/// The directory of temporary files in a database directory.
const TEMPORARY: &str = "tmp";

/// A segment file on disk. It is removed when the last reference to it goes, if it was doomed.
#[derive(Debug)]
pub(super) struct SegmentFile {
    path: PathBuf,
    number: u64,
    /// CRC-32C of each 64 KiB block.
    checksums: Vec<u32>,
    doomed: AtomicBool,
    /// The open file with its Parquet metadata, if a scan left it here.
    open: Mutex<Option<Arc<OpenSegment>>>,
}

impl SegmentFile {
    /// Returns the file `number` of `table`, known to nobody else.
    pub(super) fn unregistered(
        directory: &Path,
        table: TableId,
        number: u64,
        checksums: Vec<u32>,
    ) -> Self {
        let path = table_directory(directory, table).join(file_name(number));
        Self { path, number, checksums, doomed: AtomicBool::new(false), open: Mutex::default() }
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its number, unique in its table.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the CRC-32C of each 64 KiB block.
    pub(super) fn checksums(&self) -> &[u32] {
        &self.checksums
    }

    /// Marks the file for removal when nobody can read it any more.
    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    /// Returns whether the file was marked for removal.
    pub(super) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }

    /// Returns the place where the open file is kept between scans.
    pub(super) fn cached(&self) -> &Mutex<Option<Arc<OpenSegment>>> {
        &self.open
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // A failure leaves an orphan, which the next open removes.
            let _ = fs::remove_file(&self.path);
            if let Some(directory) = self.path.parent() {
                let _ = fs::remove_dir(directory);
            }
        }
    }
}

/// The segment files that are referred to now, so that two readings of a manifest share them.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Mutex<HashMap<(TableId, u64), Weak<SegmentFile>>>,
}

impl Files {
    /// Returns the one `SegmentFile` of this table and number.
    pub(super) fn register(
        &self,
        directory: &Path,
        table: TableId,
        number: u64,
        checksums: Vec<u32>,
    ) -> Arc<SegmentFile> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = known.get(&(table, number)).and_then(Weak::upgrade) {
            return file;
        }
        if known.len() >= 64 && known.len() == known.capacity() {
            known.retain(|_, file| file.strong_count() > 0);
        }
        let file = Arc::new(SegmentFile::unregistered(directory, table, number, checksums));
        known.insert((table, number), Arc::downgrade(&file));
        file
    }
}

/// Returns the directory of a table's segment files.
pub(super) fn table_directory(directory: &Path, table: TableId) -> PathBuf {
    directory.join(DATA).join(table.to_string())
}

/// Returns the name of the segment file `number`.
pub(super) fn file_name(number: u64) -> String {
    format!("{number}.parquet")
}

/// Removes every file in `data/` that is not in `named`, and table directories that this leaves
/// empty. Returns the highest segment number seen.
pub(super) fn remove_orphans(directory: &Path, named: &HashSet<(TableId, u64)>) -> Result<u64> {
    let data = directory.join(DATA);
    let mut highest = named.iter().map(|(_, number)| *number).max().unwrap_or(0);
    for entry in read_directory(&data)? {
        let table = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(TableId);
        let Some(table) = table else { continue };
        let mut kept = false;
        for file in read_directory(&entry.path())? {
            let name = file.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_suffix(".parquet"))
                .and_then(|number| number.parse().ok());
            highest = highest.max(number.unwrap_or(0));
            if number.is_some_and(|number| named.contains(&(table, number))) {
                kept = true;
            } else {
                let _ = fs::remove_file(file.path());
            }
        }
        if !kept {
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(highest)
}

fn read_directory(path: &Path) -> Result<Vec<fs::DirEntry>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", path, error)),
    };
    entries.collect::<std::io::Result<_>>().map_err(|error| io_error("read", path, error))
}

/// How the names of files begin that name a directory of a job without a record.
const NOTE: &str = "note-";

/// A file that names a directory of a job without a record, so that the next open removes it after a
/// crash. It goes when this value is dropped.
#[derive(Debug)]
pub struct DirectoryNote(PathBuf);

impl DirectoryNote {
    /// Notes the directory `noted` in the database `directory`.
    pub(super) fn put(directory: &Path, noted: &str) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let parent = directory.join(TEMPORARY);
        let path = parent.join(format!("{NOTE}{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let written = fs::create_dir_all(&parent).and_then(|()| fs::write(&path, noted));
        written.map_err(|error| io_error("write", &path, error))?;
        Ok(Self(path))
    }
}

impl Drop for DirectoryNote {
    fn drop(&mut self) {
        // What stays is removed by the next open.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what jobs that ended left in their temporary directories, and everything in `tmp/` that
/// no job in `kept` still needs.
pub(super) fn remove_temporary_files(directory: &Path, ended: &[JobRecord], kept: &[JobRecord]) {
    for path in ended.iter().flat_map(|job| &job.temp_directories) {
        remove_job_directory(Path::new(path));
    }
    let needed: HashSet<&Path> =
        kept.iter().flat_map(|job| &job.temp_directories).map(Path::new).collect();
    for entry in read_directory(&directory.join(TEMPORARY)).unwrap_or_default() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(NOTE)
            && let Ok(noted) = fs::read(&path)
        {
            remove_job_directory(Path::new(&*String::from_utf8_lossy(&noted)));
        }
        if needed.contains(path.as_path()) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Removes files that a job was about to let appear, and the directories in which they waited. A file of
/// the same name that somebody else made stays; one that was replaced comes back.
pub(super) fn remove_outputs(outputs: &[JobOutput]) {
    for output in outputs {
        let directory = Path::new(&output.directory);
        for file in &output.files {
            let path = Path::new(&file.path);
            let ours = |path: &Path| {
                fs::symlink_metadata(path).is_ok_and(|metadata| {
                    let identity = (metadata.dev(), metadata.ino());
                    metadata.is_file() && identity == (file.device, file.inode)
                })
            };
            if !path.is_absolute() || !ours(path) {
                continue;
            }
            let replaced = path.file_name().map(|name| directory.join(name));
            let held = |replaced: &PathBuf| is_job_directory(directory) && !ours(replaced);
            if replaced.filter(held).is_none_or(|replaced| fs::rename(replaced, path).is_err()) {
                let _ = fs::remove_file(path);
            }
        }
        remove_job_directory(directory);
    }
}

/// Removes a directory that a job made.
fn remove_job_directory(path: &Path) {
    if is_job_directory(path) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Returns whether a job made this directory. Its name must be `wharf-<digits>` or
/// `wharf-<digits>-<digits>`: nothing else in a user's `temp` is ours.
fn is_job_directory(path: &Path) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix("wharf-"));
    let ours = numbers.is_some_and(|numbers| {
        let (job, beside) = numbers.split_once('-').unwrap_or((numbers, "1"));
        digits(job) && digits(beside)
    });
    let directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    ours && path.is_absolute() && directory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::OutputIdentity;

    #[test]
    fn outputs_go_unless_somebody_else_made_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let identity = |name: &str| {
            fs::write(path(name), name).unwrap();
            let metadata = fs::metadata(path(name)).unwrap();
            let path = path(name).to_string_lossy().into_owned();
            OutputIdentity { path, device: metadata.dev(), inode: metadata.ino() }
        };
        let files =
            vec![identity("ours"), identity("theirs"), identity("gone"), identity("replacing")];
        fs::write(path("other"), "other").unwrap();
        fs::rename(path("other"), path("theirs")).unwrap();
        fs::remove_file(path("gone")).unwrap();
        fs::create_dir(path("wharf-7")).unwrap();
        fs::write(path("wharf-7/waits"), "").unwrap();
        fs::write(path("wharf-7/replacing"), "before").unwrap();
        let waiting = path("wharf-7").to_string_lossy().into_owned();
        remove_outputs(&[JobOutput { directory: waiting, files }]);
        let left = read_directory(directory.path()).unwrap();
        let mut left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
        left.sort();
        assert_eq!(left, ["replacing", "theirs"]);
        assert_eq!(fs::read(path("replacing")).unwrap(), b"before");
    }

    #[test]
    fn a_doomed_file_goes_with_its_last_reference() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::default();
        let file = files.register(directory.path(), TableId(3), 9, Vec::new());
        fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        fs::write(file.path(), "x").unwrap();
        let again = files.register(directory.path(), TableId(3), 9, Vec::new());
        assert!(Arc::ptr_eq(&file, &again));
        let path = file.path().to_owned();
        file.doom();
        drop(file);
        assert!(path.exists());
        drop(again);
        assert!(!path.exists() && !path.parent().unwrap().exists());
    }

    #[test]
    fn removes_only_directories_named_by_us() {
        let directory = tempfile::tempdir().unwrap();
        for (name, removed) in
            [("wharf-12", true), ("wharf-", false), ("wharf-1x", false), ("a", false)]
        {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            remove_job_directory(&path);
            assert_eq!(!path.exists(), removed, "{name}");
        }
    }
}
