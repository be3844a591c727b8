//! Temporary files of a job: a directory of its own, under a limit, gone at the end.
//!
//! Files are reached through the directory's descriptor, so that nobody can lead them elsewhere while
//! the job runs. Nothing beside the job's own directory is touched.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::failure::{io_error, wrap_error};
use super::file::SourceFile;
use crate::error::{Error, Result, SqlState};

/// How the name of a job's directory begins.
const PREFIX: &str = "wharf-";

/// How many directories of one job number may lie beside each other: those of other databases.
const MOST_BESIDE: u32 = 1000;

/// The name of the file that probes whether a directory can be written to.
const PROBE: &str = "probe";

/// What all temporary files of a process take together.
#[derive(Debug, Default)]
pub(super) struct Usage {
    bytes: AtomicU64,
    limit: Option<u64>,
}

impl Usage {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { bytes: AtomicU64::new(0), limit }
    }

    /// Books `bytes` more, unless they go over the limit.
    fn take(&self, bytes: u64) -> Result {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.limit {
            Some(limit) if before + bytes > limit => {
                self.give(bytes);
                Err(Error::new(
                    SqlState::DISK_FULL,
                    format!("temporary files exceed the limit of {limit} bytes"),
                )
                .hint("Raise --max-disk-temp-storage, or import less at once."))
            }
            _ => Ok(()),
        }
    }

    fn give(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What the files of one directory take, booked there and for the process.
#[derive(Debug)]
struct Ledger {
    own: AtomicU64,
    all: Arc<Usage>,
}

impl Ledger {
    fn take(&self, bytes: u64) -> Result {
        self.all.take(bytes)?;
        self.own.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn give(&self, bytes: u64) {
        self.all.give(bytes);
        self.own.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.all.give(self.own.load(Ordering::Relaxed));
    }
}

/// A directory for one job's temporary files. It is removed with all that it holds when this value is
/// dropped, unless it is to be kept. Threads may share it.
#[derive(Debug)]
pub struct TempDirectory {
    parent: OwnedFd,
    directory: OwnedFd,
    name: String,
    path: PathBuf,
    ledger: Arc<Ledger>,
    kept: AtomicBool,
}

impl TempDirectory {
    /// Makes the directory of `job` in the directory `parent`, whose path is `path`.
    pub(super) fn new(parent: OwnedFd, path: &Path, job: u64, usage: &Arc<Usage>) -> Result<Self> {
        let (name, directory) = create_directory(&parent, job)
            .map_err(|error| io_error("create a directory in", &path.to_string_lossy(), &error))?;
        let ledger = Arc::new(Ledger { own: AtomicU64::new(0), all: Arc::clone(usage) });
        let path = path.join(&name);
        Ok(Self { parent, directory, name, path, ledger, kept: AtomicBool::new(false) })
    }

    /// Returns the absolute path of the directory, for job records.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file and returns it, to be written to. Nobody buffers: wrap it.
    pub fn create(&self, name: &str) -> Result<TempFile> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor =
            rustix::fs::openat(&self.directory, element(name)?, flags, Mode::from(0o600))
                .map_err(|errno| self.failure("create", name, errno.into()))?;
        Ok(TempFile {
            file: File::from(descriptor),
            name: self.file_name(name),
            ledger: Arc::clone(&self.ledger),
        })
    }

    /// Opens a file to be read.
    pub fn open(&self, name: &str) -> Result<SourceFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let descriptor = rustix::fs::openat(&self.directory, element(name)?, flags, Mode::empty())
            .map_err(|errno| self.failure("open", name, errno.into()))?;
        SourceFile::new(descriptor, self.file_name(name))
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result {
        let name_element = element(name)?;
        let size = rustix::fs::statat(&self.directory, name_element, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failure("remove", name, errno.into()))?
            .st_size;
        rustix::fs::unlinkat(&self.directory, name_element, AtFlags::empty())
            .map_err(|errno| self.failure("remove", name, errno.into()))?;
        self.ledger.give(u64::try_from(size).unwrap_or(0));
        Ok(())
    }

    /// Returns how many bytes were written and not removed.
    pub fn used_bytes(&self) -> u64 {
        self.ledger.own.load(Ordering::Relaxed)
    }

    /// Checks that files can be written here, by writing one.
    pub fn probe_writable(&self) -> Result {
        let mut probe = self.create(PROBE)?;
        let written = probe.write_all(b"1");
        self.remove(PROBE)?;
        written.map_err(|error| io_error("write", &self.file_name(PROBE), &error))
    }

    /// Returns how many bytes are free on the disk.
    pub fn free_space(&self) -> Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.directory).map_err(|errno| {
            io_error("read the free space of", &self.path.to_string_lossy(), &errno.into())
        })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Lets the directory stay when this value is dropped.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Returns whether the directory stays when this value is dropped.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    fn file_name(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    fn failure(&self, action: &str, name: &str, error: io::Error) -> Error {
        io_error(action, &self.file_name(name), &error)
    }

    /// Removes the files and the directory. Nothing is followed and nothing else is touched.
    fn remove_all(&self) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                rustix::fs::unlinkat(&self.directory, entry.file_name(), AtFlags::empty())?;
            }
        }
        rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR)?;
        Ok(())
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            // What cannot be removed now is found by the job record later.
            let _ = self.remove_all();
        }
    }
}

/// A temporary file that is being written. Errors are ours, wrapped: take them out by `io_error`.
#[derive(Debug)]
pub struct TempFile {
    file: File,
    name: String,
    ledger: Arc<Ledger>,
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = bytes.len() as u64;
        self.ledger.take(wanted).map_err(wrap_error)?;
        let result = self.file.write(bytes);
        self.ledger.give(wanted - result.as_ref().map_or(0, |count| *count as u64));
        result.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => wrap_error(io_error("write", &self.name, &error)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes the directory of a job that ended without doing so, as its record names it. Any directory
/// of another name stays; one that is gone is no error.
pub fn remove_temp_leftover(path: &Path) -> Result {
    let named = path.file_name().and_then(|name| name.to_str()).is_some_and(is_ours);
    let failure = |error: &io::Error| io_error("remove", &path.to_string_lossy(), error);
    if !named {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("\"{}\" is not the temporary directory of a job", path.display()),
        ));
    }
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        // A link or file of that name was put there by somebody else.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure(&error)),
    }
    std::fs::remove_dir_all(path).map_err(|error| failure(&error))
}

/// Returns whether `name` is `wharf-<digits>` or `wharf-<digits>-<digits>`.
fn is_ours(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix(PREFIX).is_some_and(|rest| match rest.split_once('-') {
        Some((job, beside)) => digits(job) && digits(beside),
        None => digits(rest),
    })
}

/// Makes `wharf-<job>`, or `wharf-<job>-2` and so on beside one that another database left or uses.
fn create_directory(parent: &OwnedFd, job: u64) -> io::Result<(String, OwnedFd)> {
    for beside in 1..=MOST_BESIDE {
        let name =
            if beside == 1 { format!("{PREFIX}{job}") } else { format!("{PREFIX}{job}-{beside}") };
        match rustix::fs::mkdirat(parent, &name, Mode::from(0o700)) {
            Ok(()) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory = rustix::fs::openat(parent, &name, flags, Mode::empty())?;
                return Ok((name, directory));
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::EXIST.into())
}

/// Returns the name if it is one element of a path.
fn element(name: &str) -> Result<&str> {
    if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
        return Err(Error::internal(format!("\"{name}\" is no name for a temporary file")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{Access, AccessOptions, Location};
    use super::*;

    fn access(base: &Path, limit: Option<u64>) -> Access {
        Access::new(AccessOptions {
            external_io_directory: Some(base.join("extern")),
            working_directory: base.to_owned(),
        })
        .with_temp_limit(limit)
    }

    fn directory(access: &Access, text: &str) -> Result<TempDirectory> {
        access.temp_directory(&Location::parse(text).unwrap(), 7)
    }

    #[test]
    fn makes_writes_reads_and_removes() {
        let base = tempfile::tempdir().unwrap();
        let access = access(base.path(), None);
        for (text, path) in [
            ("tmp/deep", "tmp/deep"),
            ("nodelocal://1/a/b", "extern/a/b"),
            ("nodelocal:///", "extern"),
        ] {
            let temp = directory(&access, text).unwrap();
            assert_eq!(temp.path(), base.path().join(path).join("wharf-7"));
            temp.probe_writable().unwrap();
            assert!(temp.free_space().unwrap() > 0);
            temp.create("run-1").unwrap().write_all(b"hello").unwrap();
            assert_eq!(temp.used_bytes(), 5);
            let file = temp.open("run-1").unwrap();
            let mut buffer = [0; 8];
            assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 4);
            assert_eq!(&buffer[..4], b"ello");
            assert_eq!(temp.create("run-1").unwrap_err().code(), SqlState::IO_ERROR);
            temp.remove("run-1").unwrap();
            assert_eq!(temp.used_bytes(), 0);
            assert_eq!(temp.open("run-1").unwrap_err().code(), SqlState::UNDEFINED_FILE);
            temp.create("run-2").unwrap().write_all(b"x").unwrap();
            let path = temp.path().to_owned();
            drop(temp);
            assert!(!path.exists());
            assert!(path.parent().unwrap().exists());
        }
    }

    #[test]
    fn keeps_what_is_to_be_kept_and_steps_aside() {
        let base = tempfile::tempdir().unwrap();
        let access = access(base.path(), None);
        let first = directory(&access, "t").unwrap();
        let second = directory(&access, "t").unwrap();
        assert_eq!(second.path(), base.path().join("t/wharf-7-2"));
        first.keep();
        first.create("f").unwrap();
        drop((first, second));
        assert!(base.path().join("t/wharf-7/f").exists());
        assert!(!base.path().join("t/wharf-7-2").exists());
    }

    #[test]
    fn counts_against_one_limit() {
        let base = tempfile::tempdir().unwrap();
        let access = access(base.path(), Some(10));
        let first = directory(&access, "a").unwrap();
        let moved = access.with_working_directory(base.path().join("elsewhere"));
        let second = directory(&moved, "b").unwrap();
        first.create("f").unwrap().write_all(b"123456").unwrap();
        let mut file = second.create("f").unwrap();
        file.write_all(b"1234").unwrap();
        let error = io_error("write", "f", &file.write_all(b"5").unwrap_err());
        assert_eq!(error.code(), SqlState::DISK_FULL);
        assert_eq!(error.message(), "temporary files exceed the limit of 10 bytes");
        drop(first);
        file.write_all(b"567890").unwrap();
        assert_eq!(second.used_bytes(), 10);
    }

    #[test]
    fn refuses_what_is_no_directory_or_lies_outside() {
        let base = tempfile::tempdir().unwrap();
        let access = access(base.path(), None);
        fs::create_dir_all(base.path().join("extern")).unwrap();
        fs::create_dir_all(base.path().join("outside")).unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        fs::write(base.path().join("extern/file"), "").unwrap();
        symlink("../outside", base.path().join("extern/link")).unwrap();
        let check = |text: &str, code: SqlState| {
            assert_eq!(directory(&access, text).unwrap_err().code(), code, "{text}");
        };
        check("file", SqlState::INVALID_PARAMETER_VALUE);
        check("file/under", SqlState::INVALID_PARAMETER_VALUE);
        check("nodelocal://1/file", SqlState::INVALID_PARAMETER_VALUE);
        check("nodelocal://1/file/under", SqlState::INVALID_PARAMETER_VALUE);
        check("nodelocal://1/link", SqlState::INSUFFICIENT_PRIVILEGE);
        check("nodelocal://1/link/under", SqlState::INSUFFICIENT_PRIVILEGE);
        check("/proc/none", SqlState::UNDEFINED_FILE);
        assert_eq!(fs::read_dir(base.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn takes_no_paths_for_names() {
        let base = tempfile::tempdir().unwrap();
        let temp = directory(&access(base.path(), None), "t").unwrap();
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\0b"] {
            assert!(temp.create(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn writes_into_its_directory_though_another_takes_its_name() {
        let base = tempfile::tempdir().unwrap();
        let temp = directory(&access(base.path(), None), "t").unwrap();
        fs::rename(temp.path(), base.path().join("t/moved")).unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        symlink("../outside", temp.path()).unwrap();
        temp.create("f").unwrap().write_all(b"x").unwrap();
        assert!(base.path().join("t/moved/f").exists());
        drop(temp);
        assert!(base.path().join("t/wharf-7").is_symlink(), "what is not ours stays");
        assert_eq!(fs::read_dir(base.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn removes_leftovers_of_jobs_only() {
        let base = tempfile::tempdir().unwrap();
        for name in ["wharf-12", "wharf-12-3", "wharf-", "wharf-x", "other"] {
            fs::create_dir_all(base.path().join(name).join("sub")).unwrap();
        }
        symlink(base.path().join("other"), base.path().join("wharf-13")).unwrap();
        let check = |name: &str, accepted: bool, stays: bool| {
            let path = base.path().join(name);
            assert_eq!(remove_temp_leftover(&path).is_ok(), accepted, "{name}");
            assert_eq!(path.exists(), stays, "{name}");
        };
        check("wharf-12", true, false);
        check("wharf-12", true, false);
        check("wharf-12-3", true, false);
        check("wharf-", false, true);
        check("wharf-x", false, true);
        check("other", false, true);
        check("wharf-13", true, true);
        assert!(base.path().join("other/sub").exists());
    }
}
