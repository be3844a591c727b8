//! A temporary directory of this machine. Its files are reached through its descriptor, so that nobody
//! can lead them elsewhere while the job runs.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{PREFIX, is_ours};
use crate::error::{Error, Result, SqlState};
use crate::source::failure::io_error;
use crate::source::file::SourceFile;

/// How many directories of one job number may lie beside each other: those of other databases.
const MOST_BESIDE: u32 = 1000;

/// A directory of this machine.
#[derive(Debug)]
pub(super) struct LocalDirectory {
    parent: OwnedFd,
    directory: OwnedFd,
    name: String,
    path: PathBuf,
}

impl LocalDirectory {
    /// Makes the directory of `job` in the directory `parent`, whose path is `path`.
    pub(super) fn new(parent: OwnedFd, path: &Path, job: u64) -> Result<Self> {
        let (name, directory) = create_directory(&parent, job)
            .map_err(|error| io_error("create a directory in", &path.to_string_lossy(), &error))?;
        let path = path.join(&name);
        Ok(Self { parent, directory, name, path })
    }

    /// Opens the directory `name` again that a job has left in the directory `parent`, whose path is
    /// `path`.
    pub(super) fn reopen(parent: OwnedFd, path: &Path, name: &str) -> Result<Self> {
        if !is_ours(name) {
            return Err(Error::internal(format!("\"{name}\" is no directory of a job")));
        }
        let path = path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&parent, name, flags, Mode::empty())
            .map_err(|errno| io_error("open", &path.to_string_lossy(), &errno.into()))?;
        Ok(Self { parent, directory, name: name.to_owned(), path })
    }

    /// Returns the names and sizes of the files.
    pub(super) fn files(&self) -> Result<Vec<(String, u64)>> {
        let failure =
            |errno: Errno| io_error("list", &self.path.to_string_lossy(), &io::Error::from(errno));
        let mut files = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.directory).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failure)?;
            files.push((name.to_owned(), u64::try_from(stat.st_size).unwrap_or(0)));
        }
        Ok(files)
    }

    /// Returns the error that a file is not there.
    pub(super) fn missing(&self, name: &str) -> Error {
        self.failure("open", name, Errno::NOENT.into())
    }

    /// Makes files, and their names, outlast a crash of the machine.
    pub(super) fn sync(&self, names: &[String]) -> Result {
        for name in names {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            rustix::fs::openat(&self.directory, element(name)?, flags, Mode::empty())
                .and_then(rustix::fs::fdatasync)
                .map_err(|errno| self.failure("sync", name, errno.into()))?;
        }
        for directory in [&self.directory, &self.parent] {
            rustix::fs::fsync(directory).map_err(|errno| self.failure("sync", "", errno.into()))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file; returns it and its name for messages.
    pub(super) fn create(&self, name: &str) -> Result<(File, String)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor =
            rustix::fs::openat(&self.directory, element(name)?, flags, Mode::from(0o600))
                .map_err(|errno| self.failure("create", name, errno.into()))?;
        Ok((File::from(descriptor), self.file_name(name)))
    }

    pub(super) fn open(&self, name: &str) -> Result<SourceFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let descriptor = rustix::fs::openat(&self.directory, element(name)?, flags, Mode::empty())
            .map_err(|errno| self.failure("open", name, errno.into()))?;
        SourceFile::new(descriptor, self.file_name(name))
    }

    /// Removes a file; returns its size.
    pub(super) fn remove(&self, name: &str) -> Result<u64> {
        let name_element = element(name)?;
        let size = rustix::fs::statat(&self.directory, name_element, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failure("remove", name, errno.into()))?
            .st_size;
        rustix::fs::unlinkat(&self.directory, name_element, AtFlags::empty())
            .map_err(|errno| self.failure("remove", name, errno.into()))?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    pub(super) fn free_space(&self) -> Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.directory).map_err(|errno| {
            io_error("read the free space of", &self.path.to_string_lossy(), &errno.into())
        })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes the files and the directory. Nothing is followed and nothing else is touched.
    pub(super) fn remove_all(&self) -> Result {
        self.try_remove_all()
            .map_err(|error| io_error("remove", &self.path.to_string_lossy(), &error))
    }

    fn try_remove_all(&self) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                rustix::fs::unlinkat(&self.directory, entry.file_name(), AtFlags::empty())?;
            }
        }
        rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR)?;
        Ok(())
    }

    pub(super) fn file_name(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    fn failure(&self, action: &str, name: &str, error: io::Error) -> Error {
        io_error(action, &self.file_name(name), &error)
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

/// Makes `wharf-<job>`, or `wharf-<job>-2` and so on beside one that another database left or uses.
pub(in crate::source) fn create_directory(
    parent: &OwnedFd,
    job: u64,
) -> io::Result<(String, OwnedFd)> {
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
