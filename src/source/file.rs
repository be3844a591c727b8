//! A file that is open for reading: bytes at any offset, and whether it changed meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::{io_error, wrap_error};
use crate::error::{Error, Result, SqlState};

/// What tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device that holds the file.
    pub device: u64,
    /// The file's number on the device.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change, in nanoseconds since 1970.
    pub modified: i128,
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }
}

/// A regular file, open for reading. Threads may share it.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    name: String,
    identity: Identity,
    read: AtomicU64,
}

impl SourceFile {
    /// Takes an open descriptor, which must be of a regular file.
    pub(super) fn new(descriptor: OwnedFd, name: String) -> Result<Self> {
        let file = File::from(descriptor);
        let metadata = file.metadata().map_err(|error| io_error("open", &name, &error))?;
        if let Some(kind) = irregular(&file, &metadata) {
            return Err(irregular_file(&name, kind));
        }
        Ok(Self { identity: Identity::of(&metadata), file, name, read: AtomicU64::new(0) })
    }

    /// Returns the name as the user wrote it, with secrets redacted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the size in bytes at the time of opening.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Returns what the file was at the time of opening.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns how many bytes have been read in all.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Reads bytes from `offset` on until `buffer` is full or the file ends; returns how many.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read", &self.name, &error)),
            }
        }
        self.read.fetch_add(filled as u64, Ordering::Relaxed);
        Ok(filled)
    }

    /// Checks that the file is still what it was when it was opened.
    pub fn unchanged(&self) -> Result {
        let metadata =
            self.file.metadata().map_err(|error| io_error("read", &self.name, &error))?;
        if Identity::of(&metadata) == self.identity {
            return Ok(());
        }
        Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("file changed while it was read: \"{}\"", self.name),
        )
        .detail(format!("It had {} bytes and has {}.", self.size(), metadata.size()))
        .hint("Let the program that writes the file finish, then start again."))
    }

    /// Returns a reader that goes from the first byte to the last.
    pub fn reader(self: &Arc<Self>) -> SourceReader {
        SourceReader { file: Arc::clone(self), offset: 0 }
    }
}

/// Reads a `SourceFile` from its start to its end.
#[derive(Debug)]
pub struct SourceReader {
    file: Arc<SourceFile>,
    offset: u64,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset).map_err(wrap_error)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Returns what the file is, if it is no regular file with stored content.
fn irregular(file: &File, metadata: &std::fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Some("directory")
    } else if kind.is_fifo() {
        Some("FIFO")
    } else if kind.is_socket() {
        Some("socket")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("device")
    } else if !kind.is_file() {
        Some("special file")
    } else if on_kernel_file_system(file) {
        Some("file that the kernel makes up, such as those in /proc")
    } else {
        None
    }
}

/// Returns whether the file lies on a file system that stores nothing: what such files say depends on
/// who reads them, and their sizes are made up.
#[cfg(target_os = "linux")]
fn on_kernel_file_system(file: &File) -> bool {
    /// procfs, sysfs, debugfs, tracefs, cgroup, cgroup2, securityfs, configfs, bpf (magic.h).
    const KERNEL: [i128; 9] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x0027_e0eb,
        0x6367_7270,
        0x7363_6673,
        0x6265_6570,
        0xcafe_4a11,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|stat| KERNEL.contains(&i128::from(stat.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn on_kernel_file_system(_: &File) -> bool {
    false
}

fn irregular_file(name: &str, kind: &str) -> Error {
    if kind == "directory" {
        return Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("\"{name}\" is a directory"))
            .hint("Name a file in it, or several with a wildcard such as \"*.csv\".");
    }
    Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("\"{name}\" is not a regular file"))
        .detail(format!("It is a {kind}."))
        .hint("Copy its content to a file first.")
}
