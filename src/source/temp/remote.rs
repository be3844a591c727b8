//! A temporary directory of another machine: its files are written and read as pieces, several at a
//! time, within a share of the job's memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::PREFIX;
use super::pieces::{self, Pieces};
use super::record::{folder, record};
use crate::error::{Error, Result};
use crate::source::answer::Failure;
use crate::source::location::Location;
use crate::source::network::{Network, spawn};
use crate::source::remote::Retry;

/// The most bytes of a piece.
const MOST_BYTES: u64 = 1 << 20;

/// The fewest bytes of a piece, and of what is read at once.
const FEWEST_BYTES: u64 = 128 << 10;

/// How many pieces are on their way to the server at once.
const UPLOADS: u64 = 4;

/// How many pieces a job's share of memory should hold when they are written.
const SHARE: u64 = 16;

/// The memory for reading unless the job says more.
const MEMORY: u64 = 16 << 20;

/// A directory of another machine.
pub(super) struct RemoteDirectory {
    pieces: Arc<Pieces>,
    record: String,
    files: Mutex<HashMap<String, StoredFile>>,
    uploads: Arc<Semaphore>,
    /// How many files are being read.
    readers: Arc<AtomicU64>,
    memory: AtomicU64,
    removals: Mutex<Vec<JoinHandle<()>>>,
    /// What is on its way of files that were given up.
    given_up: Mutex<Vec<JoinHandle<()>>>,
}

/// A file that was written.
#[derive(Clone)]
struct StoredFile {
    numbers: Arc<[u64]>,
    /// The bytes of each piece but the last.
    piece: u64,
    size: u64,
}

impl RemoteDirectory {
    /// Returns the directory of `job` in the directory `location`; nothing is asked of the server. A
    /// number that no other database has stands in its name.
    pub(super) fn new(network: &Arc<Network>, location: &Location, job: u64) -> Result<Self> {
        let random = uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000;
        let name = format!("{PREFIX}{job}-{random}");
        let folder = folder(network, location, &name)?;
        Ok(Self {
            pieces: Arc::new(Pieces::new(network, folder, location.to_string())),
            record: record(location, &name)?,
            files: Mutex::default(),
            uploads: Arc::new(Semaphore::new(usize::try_from(UPLOADS).unwrap_or(1))),
            readers: Arc::default(),
            memory: AtomicU64::new(MEMORY),
            removals: Mutex::default(),
            given_up: Mutex::default(),
        })
    }

    /// Returns how the job record names the directory.
    pub(super) fn record(&self) -> &str {
        &self.record
    }

    pub(super) fn limit_memory(&self, bytes: u64) {
        self.memory.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn probe(&self) -> Result {
        self.pieces.probe()
    }

    /// Starts a file.
    pub(super) fn create(self: &Arc<Self>, name: &str) -> Upload {
        let share = self.memory.load(Ordering::Relaxed) / SHARE;
        Upload {
            directory: Arc::clone(self),
            name: name.to_owned(),
            piece: share.clamp(FEWEST_BYTES, MOST_BYTES),
            buffer: Vec::new(),
            size: 0,
            numbers: Vec::new(),
            tasks: Vec::new(),
            failure: Arc::default(),
        }
    }

    /// Opens a file; bytes outside of `range` are not read.
    pub(super) fn open(self: &Arc<Self>, name: &str, range: Range<u64>) -> Result<RemoteReader> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = files.get(name).cloned() else { return Err(unknown(name)) };
        self.readers.fetch_add(1, Ordering::Relaxed);
        Ok(RemoteReader {
            directory: Arc::clone(self),
            end: range.end.min(file.size),
            file,
            window: Vec::new(),
            start: 0,
            ahead: None,
        })
    }

    /// Removes a file; returns its size. It is deleted in the background.
    pub(super) fn remove(&self, name: &str) -> Result<u64> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = files.remove(name) else { return Err(unknown(name)) };
        drop(files);
        let pieces = Arc::clone(&self.pieces);
        let patience = pieces.network.patience();
        let task = spawn(async move {
            // What cannot be deleted now is tried again when the directory goes.
            pieces.delete(&file.numbers, patience).await.ok();
        })?;
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.retain(|task| !task.is_finished());
        removals.push(task);
        Ok(file.size)
    }

    /// Deletes everything, also if the statement shall stop, but does not try for long.
    pub(super) fn remove_all(&self) -> Result {
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.drain(..).for_each(|task| task.abort());
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let uploads = std::mem::take(&mut *given_up);
        drop(given_up);
        let pieces = Arc::clone(&self.pieces);
        let patience = pieces.network.patience().for_cleaning();
        let deleted = Network::finish(async move {
            // What reaches the server after it was deleted would stay.
            let aborts: Vec<_> = uploads.iter().map(JoinHandle::abort_handle).collect();
            patience.wait(join_all(uploads)).await.ok();
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
            pieces.delete_all(patience).await
        })?;
        deleted.map_err(|failure| self.pieces.error("delete", failure))
    }
}

fn unknown(name: &str) -> Error {
    Error::internal(format!("there is no temporary file \"{name}\""))
}

/// A file that is being written. Its pieces are sent while the next one gathers.
pub(super) struct Upload {
    directory: Arc<RemoteDirectory>,
    name: String,
    /// The bytes of each piece but the last.
    piece: u64,
    /// The piece that gathers.
    buffer: Vec<u8>,
    size: u64,
    numbers: Vec<u64>,
    tasks: Vec<JoinHandle<()>>,
    failure: Arc<Mutex<Option<Failure>>>,
}

impl Upload {
    /// Takes bytes; returns how many.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let room = usize::try_from(self.piece).unwrap_or(usize::MAX) - self.buffer.len();
        let count = bytes.len().min(room);
        self.buffer.reserve_exact(room);
        self.buffer.extend_from_slice(&bytes[..count]);
        if count == room {
            self.send()?;
        }
        Ok(count)
    }

    /// Sends what has gathered.
    fn send(&mut self) -> Result {
        self.check()?;
        let number = self.directory.pieces.reserve()?;
        self.numbers.push(number);
        self.size += self.buffer.len() as u64;
        let content = Bytes::from(std::mem::take(&mut self.buffer));
        let pieces = Arc::clone(&self.directory.pieces);
        let permits = Arc::clone(&self.directory.uploads);
        let permit = pieces
            .network
            .wait(permits.acquire_owned())?
            .map_err(|_| Error::internal("the uploads of a job ended early"))?;
        let failure = Arc::clone(&self.failure);
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(spawn(async move {
            let patience = pieces.network.patience();
            let retry = Retry::new(patience, true);
            let name = pieces::name(number);
            let sent = pieces::put(&*pieces.folder, &name, content, retry, patience).await;
            if let Err(found) = sent {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
            }
            drop(permit);
        })?);
        Ok(())
    }

    /// Fails if a piece could not be sent.
    fn check(&self) -> Result {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(self.directory.pieces.error("write", failure)),
            None => Ok(()),
        }
    }

    /// Completes the file: all of it has reached the server.
    pub(super) fn finish(mut self) -> Result {
        if !self.buffer.is_empty() {
            self.send()?;
        }
        let tasks = std::mem::take(&mut self.tasks);
        let network = &self.directory.pieces.network;
        network.wait(async move { join_all(tasks).await })?;
        self.check()?;
        let numbers = std::mem::take(&mut self.numbers).into();
        let file = StoredFile { numbers, piece: self.piece, size: self.size };
        let mut files = self.directory.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(self.name.clone(), file);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let directory = &self.directory;
        let mut given_up = directory.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        given_up.append(&mut self.tasks);
    }
}

/// Reads a file from some offset on. What follows is fetched while a part is used.
pub(super) struct RemoteReader {
    directory: Arc<RemoteDirectory>,
    file: StoredFile,
    /// Nothing is read from here on.
    end: u64,
    /// The bytes at hand, and where they start.
    window: Vec<u8>,
    start: u64,
    ahead: Option<Ahead>,
}

/// Bytes that are being fetched.
struct Ahead {
    start: u64,
    bytes: oneshot::Receiver<Result<Vec<u8>, Failure>>,
    task: JoinHandle<()>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RemoteReader {
    /// Reads bytes from `offset` on, at least one unless the file or what is wanted of it ends there.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if offset >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        if offset < self.start || offset >= self.start + self.window.len() as u64 {
            self.load(offset)?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let found = self.window.get(from..).unwrap_or_default();
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
        Ok(count)
    }

    /// Gets the bytes at `offset`, and has those behind them fetched.
    fn load(&mut self, offset: u64) -> Result {
        self.window = Vec::new();
        let mut ahead = match self.ahead.take().filter(|ahead| ahead.start == offset) {
            Some(ahead) => ahead,
            None => self.fetch(offset)?,
        };
        let (sender, nothing) = oneshot::channel();
        drop(sender);
        let bytes = std::mem::replace(&mut ahead.bytes, nothing);
        let pieces = &self.directory.pieces;
        let fetched = pieces
            .network
            .wait(bytes)?
            .map_err(|_| Error::internal("a request over the network ended early"))?;
        self.window = fetched.map_err(|failure| pieces.error("read", failure))?;
        self.start = offset;
        let next = offset + self.window.len() as u64;
        if next < self.end && next > offset {
            self.ahead = Some(self.fetch(next)?);
        }
        Ok(())
    }

    /// Starts to fetch the bytes at `offset`, as many as this reader may hold.
    fn fetch(&self, offset: u64) -> Result<Ahead> {
        let readers = self.directory.readers.load(Ordering::Relaxed).max(1);
        let share = self.directory.memory.load(Ordering::Relaxed) / (2 * readers);
        let (place, from) = (offset / self.file.piece, offset % self.file.piece);
        let number = usize::try_from(place).ok().and_then(|place| self.file.numbers.get(place));
        let number = *number.ok_or_else(|| unknown("piece"))?;
        let to = (from + share.max(FEWEST_BYTES))
            .min(self.file.piece)
            .min(self.end - place * self.file.piece);
        let pieces = Arc::clone(&self.directory.pieces);
        let (sender, bytes) = oneshot::channel();
        let task = spawn(async move {
            let file = pieces.folder.file(&pieces::name(number));
            let patience = pieces.network.patience();
            // Nobody may listen any more.
            sender.send(pieces::fetch(&*file, from..to, patience).await).ok();
        })?;
        Ok(Ahead { start: offset, bytes, task })
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        self.directory.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
