//! A file that is open for reading: bytes at any offset, and whether it changed meanwhile.
//!
//! Files on other machines are read in blocks where their server gives ranges, and as streams where it
//! does not. Readers see no difference but that streams are read well only from the first byte on.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;

use super::answer::Failure;
use super::block::{BlockFile, HEAD};
use super::failure::{io_error, wrap_error};
use super::network::Network;
use super::remote::{Answer, Patience, Remote, Version, fetch, open};
use super::stream::StreamFile;
use crate::error::{Error, Result, SqlState};

/// What tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// What the file system says.
    Local {
        /// The device that holds the file.
        device: u64,
        /// The file's number on the device.
        inode: u64,
        /// The size in bytes.
        size: u64,
        /// The time of the last change, in nanoseconds since 1970.
        modified: i128,
    },
    /// What a server says.
    Remote {
        /// The server's tag of the version.
        etag: Option<String>,
        /// The time of the last change, as the server writes it.
        modified: Option<String>,
        /// The size in bytes.
        size: Option<u64>,
    },
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self::Local {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }
}

/// A file, open for reading. Threads may share it.
pub struct SourceFile {
    content: Content,
    name: String,
    identity: Identity,
    encoding: Option<String>,
    read: AtomicU64,
    reached: AtomicU64,
}

/// Where the bytes come from.
enum Content {
    /// A regular file of this machine.
    Local(File),
    /// A file whose server gives any range.
    Blocks(BlockFile),
    /// A file whose server gives it from its first byte on only.
    Stream(StreamFile),
}

impl SourceFile {
    /// Takes an open descriptor, which must be of a regular file.
    pub(super) fn new(descriptor: OwnedFd, name: String) -> Result<Self> {
        let file = File::from(descriptor);
        let metadata = file.metadata().map_err(|error| io_error("open", &name, &error))?;
        if let Some(kind) = irregular(&file, &metadata) {
            return Err(irregular_file(&name, kind));
        }
        Ok(Self {
            identity: Identity::of(&metadata),
            content: Content::Local(file),
            name,
            encoding: None,
            read: AtomicU64::new(0),
            reached: AtomicU64::new(0),
        })
    }

    /// Takes an open file, which must be a regular one, by a name for messages.
    pub fn of_file(file: File, name: &str) -> Result<Self> {
        Self::new(file.into(), name.to_owned())
    }

    /// Opens files of other machines, each with its name: asks for their first bytes, side by side.
    pub(super) fn open_remote(
        network: &Arc<Network>,
        files: Vec<(Arc<dyn Remote>, String)>,
    ) -> Result<Vec<Self>> {
        let patience = network.patience();
        let requests: Vec<_> = files
            .iter()
            .map(|(remote, _)| {
                let remote = Arc::clone(remote);
                async move { request_head(&*remote, patience).await }
            })
            .collect();
        let answers = network.wait(futures::future::join_all(requests))?;
        let opened = files.into_iter().zip(answers);
        opened
            .map(|((remote, name), answer)| Self::of_answer(network, remote, name, answer))
            .collect()
    }

    fn of_answer(
        network: &Arc<Network>,
        remote: Arc<dyn Remote>,
        name: String,
        opened: Result<Opened, Failure>,
    ) -> Result<Self> {
        let (version, encoding, content) = match opened.map_err(|f| f.into_error(&name))? {
            Opened::Blocks(version, size, encoding, head) => {
                let file = BlockFile::new(network, remote, version.clone(), size, head);
                (version, encoding, Content::Blocks(file.named(&name)))
            }
            Opened::Stream(answer) => {
                let (version, encoding) = (answer.version.clone(), answer.encoding.clone());
                let file = StreamFile::new(network, remote, &name, answer)?;
                (version, encoding, Content::Stream(file))
            }
        };
        let Version { etag, modified, size } = version;
        let identity = Identity::Remote { etag, modified, size };
        let (read, reached) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { content, name, identity, encoding, read, reached })
    }

    /// Returns the name as the user wrote it, with secrets redacted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the size in bytes at the time of opening; 0 if it is not known.
    pub fn size(&self) -> u64 {
        self.known_size().unwrap_or(0)
    }

    /// Returns the size in bytes at the time of opening, if a server tells it.
    pub fn known_size(&self) -> Option<u64> {
        match (&self.content, &self.identity) {
            (Content::Blocks(file), _) => Some(file.size()),
            (Content::Stream(file), _) => file.size(),
            (_, Identity::Local { size, .. }) => Some(*size),
            (_, Identity::Remote { size, .. }) => *size,
        }
    }

    /// Returns whether any part can be read without what comes before it.
    pub fn supports_ranges(&self) -> bool {
        !matches!(self.content, Content::Stream(_))
    }

    /// Returns how the server says that the bytes are compressed. They are passed on as they are.
    pub fn content_encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// Returns what the file was at the time of opening.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns how many bytes have been read in all.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns where the last byte ends that has been read.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// Reads bytes from `offset` on until `buffer` is full or the file ends; returns how many.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let (rest, at) = (&mut buffer[filled..], offset + filled as u64);
            let count = match &self.content {
                Content::Local(file) => match file.read_at(rest, at) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(io_error("read", &self.name, &error)),
                },
                Content::Blocks(file) => file.read_at(rest, at)?,
                Content::Stream(file) => file.read_at(rest, at)?,
            };
            if count == 0 {
                break;
            }
            filled += count;
        }
        self.read.fetch_add(filled as u64, Ordering::Relaxed);
        self.reached.fetch_max(offset + filled as u64, Ordering::Relaxed);
        Ok(filled)
    }

    /// Checks that the file is still what it was when it was opened.
    ///
    /// Nothing is asked of a server: each of its answers was checked when it came, so that all bytes
    /// that were read are of one version.
    pub fn unchanged(&self) -> Result {
        let Content::Local(file) = &self.content else { return Ok(()) };
        let metadata = file.metadata().map_err(|error| io_error("read", &self.name, &error))?;
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

impl std::fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A file of another machine by the answer to its first request.
enum Opened {
    Blocks(Version, u64, Option<String>, Vec<bytes::Bytes>),
    Stream(Answer),
}

/// Asks for the head of a file.
async fn request_head(remote: &dyn Remote, patience: Patience) -> Result<Opened, Failure> {
    let answer = open(remote, HEAD, patience).await?;
    let (version, range) = (answer.version.clone(), answer.range);
    let (Some(size), true) = (version.size, answer.partial) else {
        return Ok(Opened::Stream(answer));
    };
    let encoding = answer.encoding.clone();
    let wanted = HEAD.min(size);
    let (mut head, mut got) = (Vec::new(), 0);
    let mut body = answer.body;
    while let Ok(Some(Ok(chunk))) = patience.wait(body.next()).await {
        got += chunk.len() as u64;
        head.push(chunk);
    }
    if range != (0, Some(wanted)) || got != wanted {
        head = fetch(remote, 0..wanted, &version, patience).await?;
    }
    Ok(Opened::Blocks(version, size, encoding, head))
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
