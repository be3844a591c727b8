//! Files that are written on this machine: made under a temporary directory beside their place, and
//! moved there when all are whole.
//!
//! The temporary directory is `wharf-<job>`, as those of imports are, so that the next open of the
//! database removes what a crash left of it. A file that exists is replaced only on request.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{exists, no_file};
use crate::error::{Error, Result, SqlState};
use crate::source::access::{Access, directory_failure};
use crate::source::beneath::{self, Root};
use crate::source::failure::io_error;
use crate::source::location::Location;
use crate::source::temp::create_directory;

/// Where the files of one statement go. Unless they were published they are gone when it is dropped,
/// and so are the directories that were made for them.
#[derive(Debug)]
pub(super) struct LocalOutput {
    destination: OwnedFd,
    directory: OwnedFd,
    name: String,
    /// The absolute path of the destination.
    path: PathBuf,
    /// The destination as the user wrote it, secrets redacted, with a slash behind it if it is not
    /// empty.
    shown: String,
    /// The directories that were made for the files, the outermost first.
    made: Vec<PathBuf>,
    kept: AtomicBool,
    /// Whether the temporary directory has been removed.
    closed: AtomicBool,
}

impl LocalOutput {
    /// Makes a place for files in the directory `location`, which is made if it is missing. `job` tells
    /// it from those of other statements.
    pub(super) fn directory(access: &Access, location: &Location, job: u64) -> Result<Self> {
        let root = access.require_local()?;
        let (path, first) = match location {
            Location::Nodelocal(nodelocal) => (root.join(&nodelocal.path), root),
            _ => (access.resolve(location.path()), Path::new("/")),
        };
        let made = missing_directories(&path, first);
        let opened = match location {
            Location::Nodelocal(nodelocal) => std::fs::create_dir_all(root)
                .and_then(|()| Root::open(root))
                .and_then(|root| root.create_directory(&nodelocal.path)),
            _ => std::fs::create_dir_all(&path)
                .and_then(|()| beneath::open_directory_anywhere(&path)),
        };
        let shown = location.to_string();
        let shown = match shown.as_str() {
            "." => String::new(),
            text if text.ends_with('/') => shown,
            _ => shown + "/",
        };
        let opened = opened
            .map_err(|error| directory_failure(location, &error))
            .and_then(|opened| Self::new(opened, path, shown, job));
        match opened {
            Ok(mut output) => {
                output.made = made;
                Ok(output)
            }
            Err(error) => {
                remove_directories(&made);
                Err(error)
            }
        }
    }

    /// Makes a place for the one file `location`, whose directory must exist, and returns it with the
    /// file's name.
    pub(super) fn file(access: &Access, location: &Location, job: u64) -> Result<(Self, String)> {
        let root = access.require_local()?;
        let name = String::from_utf8_lossy(location.last_element()).into_owned();
        if name.is_empty() || location.to_string().ends_with('/') {
            return Err(no_file(location));
        }
        let path = match location {
            Location::Nodelocal(nodelocal) => root.join(&nodelocal.path),
            _ => access.resolve(location.path()),
        };
        let path = path.parent().map(Path::to_owned).unwrap_or_default();
        let opened =
            access.open_directory_of(location).map_err(|error| {
                match Errno::from_io_error(&error) {
                    Some(Errno::NOENT) => Error::new(
                        SqlState::UNDEFINED_FILE,
                        format!("directory of \"{location}\" does not exist"),
                    ),
                    _ => directory_failure(location, &error),
                }
            })?;
        let shown = location.to_string();
        let shown = shown.rfind('/').map_or("", |at| &shown[..=at]).to_owned();
        Ok((Self::new(opened, path, shown, job)?, name))
    }

    fn new(destination: OwnedFd, path: PathBuf, shown: String, job: u64) -> Result<Self> {
        let (name, directory) = create_directory(&destination, job)
            .map_err(|error| io_error("create a directory in", &path.to_string_lossy(), &error))?;
        let (kept, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { destination, directory, name, path, shown, made: Vec::new(), kept, closed })
    }

    /// Returns the absolute path of the temporary directory, for job records.
    pub(super) fn temporary_path(&self) -> PathBuf {
        self.path.join(&self.name)
    }

    /// Makes a file, to be written to. Nobody buffers: wrap it.
    pub(super) fn create(&self, name: &str) -> Result<LocalFile> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The directory lets nobody in; once moved, the file has the rights of any that the user makes.
        let descriptor = rustix::fs::openat(&self.directory, name, flags, Mode::from(0o666))
            .map_err(|errno| self.failure("create", name, errno))?;
        Ok(LocalFile { file: File::from(descriptor), name: self.shown(name) })
    }

    /// Fails if the destination has a file of this name.
    pub(super) fn require_absent(&self, name: &str) -> Result {
        match rustix::fs::statat(&self.destination, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failure("create", name, errno)),
            Ok(_) => Err(exists(&self.shown(name))),
        }
    }

    /// Moves the files to the destination; none if one cannot be. Files that exist are replaced if
    /// `overwrite`, else an error.
    pub(super) fn publish(&self, names: &[String], overwrite: bool) -> Result {
        for (count, name) in names.iter().enumerate() {
            if let Err(errno) = self.move_file(name, overwrite) {
                self.retract(&names[..count]);
                return Err(match errno {
                    Errno::EXIST if !overwrite => exists(&self.shown(name)),
                    errno => self.failure("create", name, errno),
                });
            }
        }
        self.kept.store(true, Ordering::Relaxed);
        // The names last from here on; a file system that cannot say so is no reason to fail.
        let _ = rustix::fs::fsync(&self.destination);
        Ok(())
    }

    /// Removes files that were published; those that they replaced come back.
    pub(super) fn retract(&self, names: &[String]) {
        let (from, to) = (&self.directory, &self.destination);
        for name in names {
            if rustix::fs::renameat(from, name, to, name).is_err() {
                let _ = rustix::fs::unlinkat(to, name.as_str(), AtFlags::empty());
            }
        }
        self.kept.store(false, Ordering::Relaxed);
    }

    /// Removes the temporary directory if nothing is in it; returns whether it is gone.
    pub(super) fn close_if_empty(&self) -> bool {
        let removed = rustix::fs::unlinkat(&self.destination, &self.name, AtFlags::REMOVEDIR);
        self.closed.fetch_or(removed.is_ok(), Ordering::Relaxed) || removed.is_ok()
    }

    fn move_file(&self, name: &str, overwrite: bool) -> rustix::io::Result<()> {
        let (from, to) = (&self.directory, &self.destination);
        if overwrite {
            if self.is_directory(name) {
                return Err(Errno::ISDIR);
            }
            // What is replaced waits in the temporary directory, so that it can come back.
            return match rustix::fs::renameat_with(from, name, to, name, RenameFlags::EXCHANGE) {
                // There is nothing to replace, or the file system cannot do that.
                Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    rustix::fs::renameat(from, name, to, name)
                }
                moved => moved,
            };
        }
        match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
            // Some file systems cannot do that; a second name never replaces anything.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                rustix::fs::linkat(from, name, to, name, AtFlags::empty())?;
                rustix::fs::unlinkat(from, name, AtFlags::empty())
            }
            moved => moved,
        }
    }

    fn is_directory(&self, name: &str) -> bool {
        rustix::fs::statat(&self.destination, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
    }

    fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.shown)
    }

    fn failure(&self, action: &str, name: &str, errno: Errno) -> Error {
        io_error(action, &self.shown(name), &errno.into())
    }

    /// Removes the temporary directory with what is in it. Nothing is followed.
    fn remove_temporary(&self) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                rustix::fs::unlinkat(&self.directory, entry.file_name(), AtFlags::empty())?;
            }
        }
        rustix::fs::unlinkat(&self.destination, &self.name, AtFlags::REMOVEDIR)?;
        Ok(())
    }
}

impl Drop for LocalOutput {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::Relaxed) {
            // What cannot be removed now is found by the job record later.
            let _ = self.remove_temporary();
        }
        if !self.kept.load(Ordering::Relaxed) {
            remove_directories(&self.made);
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct LocalFile {
    file: File,
    name: String,
}

impl LocalFile {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut self.file, bytes)
    }

    /// Ends writing: all bytes are on the disk when it returns how many there are.
    pub(super) fn finish(self) -> Result<u64> {
        let done = self.file.sync_data().and_then(|()| self.file.metadata());
        Ok(done.map_err(|error| io_error("write", &self.name, &error))?.len())
    }
}

/// Returns the directories above and at `path`, down from `first`, that do not exist, the outermost
/// first.
fn missing_directories(path: &Path, first: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .take_while(|each| *each != first && !each.as_os_str().is_empty())
        .take_while(|each| each.symlink_metadata().is_err())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

/// Removes directories that are empty.
fn remove_directories(made: &[PathBuf]) {
    for path in made.iter().rev() {
        let _ = std::fs::remove_dir(path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::AccessOptions;

    fn access(base: &Path) -> Access {
        Access::new(AccessOptions {
            external_io_directory: Some(base.join("extern")),
            working_directory: base.to_owned(),
        })
    }

    fn open(base: &Path, url: &str) -> Result<LocalOutput> {
        LocalOutput::directory(&access(base), &Location::parse(url).unwrap(), 7)
    }

    fn write(output: &LocalOutput, name: &str, text: &str) {
        let mut file = output.create(name).unwrap();
        io::Write::write_all(&mut file.file, text.as_bytes()).unwrap();
        assert_eq!(file.finish().unwrap(), text.len() as u64);
    }

    #[test]
    fn shows_files_when_all_are_whole() {
        let base = tempfile::tempdir().unwrap();
        for url in ["a/b", "nodelocal://1/c", "file:d/"] {
            let output = open(base.path(), url).unwrap();
            write(&output, "x.csv", "1");
            write(&output, "y.csv", "2");
            let at = output.path.clone();
            assert!(!at.join("x.csv").exists() && output.temporary_path().is_dir());
            output.publish(&["x.csv".to_owned(), "y.csv".to_owned()], false).unwrap();
            drop(output);
            let names: Vec<_> = fs::read_dir(&at).unwrap().flatten().collect();
            assert_eq!(names.len(), 2, "{url}");
        }
    }

    #[test]
    fn leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        let output = open(base.path(), "a/b/c").unwrap();
        write(&output, "x.csv", "1");
        drop(output);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        fs::create_dir(base.path().join("a")).unwrap();
        drop(open(base.path(), "a/b").unwrap());
        assert_eq!(fs::read_dir(base.path().join("a")).unwrap().count(), 0);
    }

    #[test]
    fn never_replaces_a_file_unless_asked() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("y.csv"), "old").unwrap();
        let names = ["x.csv".to_owned(), "y.csv".to_owned()];
        let output = open(base.path(), ".").unwrap();
        output.require_absent("x.csv").unwrap();
        let error = output.require_absent("y.csv").unwrap_err();
        assert_eq!(error.message(), "file \"y.csv\" already exists");
        write(&output, "x.csv", "1");
        write(&output, "y.csv", "2");
        assert_eq!(output.publish(&names, false).unwrap_err().code(), SqlState::DUPLICATE_FILE);
        assert!(!base.path().join("x.csv").exists());
        drop(output);
        let output = open(base.path(), ".").unwrap();
        write(&output, "x.csv", "1");
        write(&output, "y.csv", "2");
        output.publish(&names, true).unwrap();
        output.retract(&names);
        assert!(!base.path().join("x.csv").exists());
        assert_eq!(fs::read(base.path().join("y.csv")).unwrap(), b"old", "it did not come back");
        drop(output);
        let output = open(base.path(), ".").unwrap();
        write(&output, "x.csv", "1");
        write(&output, "y.csv", "2");
        output.publish(&names, true).unwrap();
        assert!(!output.close_if_empty(), "what was replaced is in it");
        drop(output);
        assert_eq!(fs::read(base.path().join("y.csv")).unwrap(), b"2");
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 2);
    }

    #[test]
    fn never_replaces_a_directory() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("x.csv")).unwrap();
        let output = open(base.path(), ".").unwrap();
        write(&output, "x.csv", "1");
        output.publish(&["x.csv".to_owned()], true).unwrap_err();
        drop(output);
        assert!(base.path().join("x.csv").is_dir());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }

    #[test]
    fn writes_one_file_into_a_directory_that_exists() {
        let base = tempfile::tempdir().unwrap();
        let access = access(base.path());
        let file = |text: &str| LocalOutput::file(&access, &Location::parse(text).unwrap(), 1);
        let (output, name) = file("x.csv").unwrap();
        write(&output, &name, "1");
        output.publish(&[name], false).unwrap();
        assert_eq!(fs::read(base.path().join("x.csv")).unwrap(), b"1");
        assert_eq!(file("none/x.csv").unwrap_err().code(), SqlState::UNDEFINED_FILE);
        assert_eq!(file("d/").unwrap_err().code(), SqlState::INVALID_PARAMETER_VALUE);
    }
}
