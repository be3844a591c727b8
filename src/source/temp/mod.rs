//! Temporary files of a job: a directory of its own, here or on another machine, under a limit, gone at
//! the end. Nothing beside the job's own directory is touched.

mod local;
mod pieces;
mod reader;
mod record;
mod remote;
#[cfg(test)]
mod remote_tests;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::local::LocalDirectory;
use self::reader::RemoteReader;
use self::remote::{RemoteDirectory, Upload};
use self::usage::Ledger;
use super::failure::{io_error, wrap_error};
use super::file::SourceFile;
use super::location::Location;
use super::network::Network;
use crate::error::Result;

pub(super) use self::local::create_directory;
pub use self::local::remove_temp_leftover;
pub(super) use self::pieces::delete;
pub(super) use self::record::remove_leftover;
pub(super) use self::usage::Usage;

/// How the name of a job's directory begins.
const PREFIX: &str = "wharf-";

/// The name of the file that probes whether a directory can be written to.
const PROBE: &str = "probe";

/// A directory for one job's temporary files. It is removed with all that it holds when this value is
/// dropped, unless it is to be kept. Threads may share it.
pub struct TempDirectory {
    place: Place,
    ledger: Arc<Ledger>,
    kept: AtomicBool,
    closed: AtomicBool,
}

/// Where the directory is.
enum Place {
    Local(LocalDirectory),
    Remote(Arc<RemoteDirectory>),
}

impl TempDirectory {
    /// Makes the directory of `job` in the directory `parent`, whose path is `path`.
    pub(super) fn local(
        parent: OwnedFd,
        path: &Path,
        job: u64,
        usage: &Arc<Usage>,
    ) -> Result<Self> {
        Ok(Self::new(Place::Local(LocalDirectory::new(parent, path, job)?), usage))
    }

    /// Returns the directory of `job` in the directory `location` of another machine, of which nothing
    /// is asked so far.
    pub(super) fn remote(
        network: &Arc<Network>,
        location: &Location,
        job: u64,
        usage: &Arc<Usage>,
    ) -> Result<Self> {
        let directory = RemoteDirectory::new(network, location, job)?;
        Ok(Self::new(Place::Remote(Arc::new(directory)), usage))
    }

    /// Opens the directory `name` again that a job has left in the directory `parent`, whose path is
    /// `path`. What it holds counts against the limit, but is not refused by it. It is kept until
    /// `release`.
    pub(super) fn reopen(
        parent: OwnedFd,
        path: &Path,
        name: &str,
        usage: &Arc<Usage>,
    ) -> Result<Self> {
        let directory = LocalDirectory::reopen(parent, path, name)?;
        let size = directory.files()?.iter().map(|(_, size)| size).sum();
        let temp = Self::new(Place::Local(directory), usage);
        temp.keep();
        temp.ledger.book(size);
        Ok(temp)
    }

    /// Returns whether another process can open the directory again.
    pub fn can_be_reopened(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// Removes every file but those in `wanted`, all of which must be there.
    pub fn keep_only(&self, wanted: &BTreeSet<&str>) -> Result {
        let Place::Local(directory) = &self.place else { return Ok(()) };
        let files = directory.files()?;
        for name in wanted {
            if files.iter().all(|(there, _)| there != name) {
                return Err(directory.missing(name));
            }
        }
        let unwanted = files.iter().filter(|(name, _)| !wanted.contains(name.as_str()));
        unwanted.into_iter().try_for_each(|(name, _)| self.remove(name))
    }

    /// Makes files, and their names, outlast a crash of the machine.
    pub fn sync(&self, names: &[String]) -> Result {
        match &self.place {
            Place::Local(directory) => directory.sync(names),
            Place::Remote(_) => Ok(()),
        }
    }

    fn new(place: Place, usage: &Arc<Usage>) -> Self {
        let ledger = Arc::new(Ledger::new(usage));
        Self { place, ledger, kept: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }

    /// Returns how job records name the directory: its absolute path, or its URL without credentials.
    pub fn record(&self) -> String {
        match &self.place {
            Place::Local(directory) => directory.path().to_string_lossy().into_owned(),
            Place::Remote(directory) => directory.record().to_owned(),
        }
    }

    /// Sets the memory that reading from another machine may take, in bytes.
    pub fn limit_memory(&self, bytes: u64) {
        if let Place::Remote(directory) = &self.place {
            directory.limit_memory(bytes);
        }
    }

    /// Makes a file and returns it, to be written to and finished. Nobody buffers: wrap it.
    pub fn create(&self, name: &str) -> Result<TempFile> {
        let content = match &self.place {
            Place::Local(directory) => {
                let (file, name) = directory.create(name)?;
                FileContent::Local(file, name)
            }
            Place::Remote(directory) => FileContent::Remote(directory.create(name)),
        };
        Ok(TempFile { content, ledger: Arc::clone(&self.ledger) })
    }

    /// Opens a finished file to be read; bytes outside of `range` need not be at hand.
    pub fn open(&self, name: &str, range: Range<u64>) -> Result<TempReader> {
        Ok(TempReader(match &self.place {
            Place::Local(directory) => ReaderContent::Local(directory.open(name)?),
            Place::Remote(directory) => ReaderContent::Remote(directory.open(name, range)?),
        }))
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result {
        let size = match &self.place {
            Place::Local(directory) => directory.remove(name)?,
            Place::Remote(directory) => directory.remove(name)?,
        };
        self.ledger.give(size);
        Ok(())
    }

    /// Returns how many bytes were written and not removed.
    pub fn used_bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// Checks that files can be written here, by writing one.
    pub fn probe_writable(&self) -> Result {
        let directory = match &self.place {
            Place::Local(directory) => directory,
            Place::Remote(directory) => return directory.probe(),
        };
        let mut probe = self.create(PROBE)?;
        let written = probe.write_all(b"1");
        self.remove(PROBE)?;
        written.map_err(|error| io_error("write", &directory.file_name(PROBE), &error))
    }

    /// Returns how many bytes are free on the disk, if it is known.
    pub fn free_space(&self) -> Result<Option<u64>> {
        match &self.place {
            Place::Local(directory) => directory.free_space().map(Some),
            Place::Remote(_) => Ok(None),
        }
    }

    /// Lets the directory stay when this value is dropped.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Lets the directory go when this value is dropped.
    pub fn release(&self) {
        self.kept.store(false, Ordering::Relaxed);
    }

    /// Returns whether the directory stays when this value is dropped.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Removes the directory with all that it holds, unless it is to be kept. Nothing more can be written.
    pub fn close(&self) -> Result {
        if self.is_kept() || self.closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match &self.place {
            Place::Local(directory) => directory.remove_all(),
            Place::Remote(directory) => directory.remove_all(),
        }
    }
}

impl std::fmt::Debug for TempDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TempDirectory").field("record", &self.record()).finish_non_exhaustive()
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is found by the job record later.
        let _ = self.close();
    }
}

/// A temporary file that is being written. Errors are ours, wrapped: take them out by `io_error`.
pub struct TempFile {
    content: FileContent,
    ledger: Arc<Ledger>,
}

/// Where written bytes go.
enum FileContent {
    /// A file, and its name for messages.
    Local(File, String),
    /// Another machine.
    Remote(Upload),
}

impl TempFile {
    /// Completes the file, which can be opened then.
    pub fn finish(self) -> Result {
        match self.content {
            FileContent::Local(..) => Ok(()),
            FileContent::Remote(upload) => upload.finish(),
        }
    }
}

impl Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = bytes.len() as u64;
        self.ledger.take(wanted).map_err(wrap_error)?;
        let result = match &mut self.content {
            FileContent::Local(file, name) => {
                file.write(bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::Interrupted => error,
                    _ => wrap_error(io_error("write", name, &error)),
                })
            }
            FileContent::Remote(upload) => upload.write(bytes).map_err(wrap_error),
        };
        self.ledger.give(wanted - result.as_ref().map_or(0, |count| *count as u64));
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A temporary file, open for reading.
pub struct TempReader(ReaderContent);

/// Where the bytes come from.
enum ReaderContent {
    Local(SourceFile),
    Remote(RemoteReader),
}

impl TempReader {
    /// Reads bytes from `offset` on, at least one unless the file ends there; returns how many.
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        match &mut self.0 {
            ReaderContent::Local(file) => file.read_at(buffer, offset),
            ReaderContent::Remote(reader) => reader.read_at(buffer, offset),
        }
    }
}

/// Returns whether `name` is `wharf-<digits>` or `wharf-<digits>-<digits>`.
fn is_ours(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix(PREFIX).is_some_and(|rest| match rest.split_once('-') {
        Some((job, beside)) => digits(job) && digits(beside),
        None => digits(rest),
    })
}
