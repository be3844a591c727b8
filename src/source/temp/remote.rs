//! A temporary directory of another machine: its files are written and read as pieces, several at a
//! time, within a share of the job's memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};

use super::PREFIX;
use super::pieces::{self, Pieces};
use super::reader::{FEWEST_BYTES, MOST_BYTES, Readers, RemoteReader};
use super::record::{folder, record};
use crate::error::{Error, Result};
use crate::source::answer::Failure;
use crate::source::location::Location;
use crate::source::network::{Network, spawn};
use crate::source::remote::Retry;

/// How many pieces are on their way to the server at once.
const UPLOADS: u32 = 4;

/// How many pieces a job's share of memory should hold when they are written.
const SHARE: u64 = 16;

/// How long to wait for pieces that are on their way when the statement was stopped.
const UPLOAD_GRACE: Duration = Duration::from_secs(2);

/// How long to delete what was written when the statement was stopped.
const DELETE_GRACE: Duration = Duration::from_secs(3);

/// A directory of another machine.
pub(super) struct RemoteDirectory {
    pub(super) pieces: Arc<Pieces>,
    record: String,
    files: Mutex<HashMap<String, StoredFile>>,
    uploads: Arc<Semaphore>,
    /// Those who read, and their memory.
    pub(super) readers: Arc<Readers>,
    removals: Mutex<Vec<JoinHandle<()>>>,
    /// What is on its way, also of files that were given up. Each holds one permit of `uploads`.
    sending: Mutex<Vec<AbortHandle>>,
}

/// A file that was written.
#[derive(Clone)]
pub(super) struct StoredFile {
    pub(super) numbers: Arc<[u64]>,
    /// The bytes of each piece but the last.
    pub(super) piece: u64,
    pub(super) size: u64,
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
            uploads: Arc::new(Semaphore::new(UPLOADS as usize)),
            readers: Arc::new(Readers::new()),
            removals: Mutex::default(),
            sending: Mutex::default(),
        })
    }

    /// Returns how the job record names the directory.
    pub(super) fn record(&self) -> &str {
        &self.record
    }

    pub(super) fn limit_memory(&self, bytes: u64) {
        self.readers.limit_memory(bytes);
    }

    pub(super) fn probe(&self) -> Result {
        self.pieces.probe()
    }

    /// Starts a file.
    pub(super) fn create(self: &Arc<Self>, name: &str) -> Upload {
        let share = self.readers.memory() / SHARE;
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
        Ok(RemoteReader::new(self, file, range.end))
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

    /// Deletes everything, also if the statement shall stop, but does not try for long. What may be left
    /// then can be found again.
    pub(super) fn remove_all(&self) -> Result {
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.drain(..).for_each(|task| task.abort());
        let network = &self.pieces.network;
        let patience = network.patience().for_cleaning();
        let uploads = Arc::clone(&self.uploads);
        let arrived = network.finish_within(UPLOAD_GRACE, async move {
            patience.wait(uploads.acquire_many(UPLOADS)).await.is_ok()
        })?;
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.drain(..).for_each(|task| task.abort());
        drop(sending);
        // What reaches the server after it was deleted would stay.
        let all_arrived = arrived.unwrap_or(false);
        let pieces = Arc::clone(&self.pieces);
        let deleted = network.finish_within(DELETE_GRACE, async move {
            pieces.delete_all(all_arrived, patience).await
        })?;
        let silent = || Failure::broken("the server did not answer in time");
        deleted
            .unwrap_or_else(|| Err(silent()))
            .map_err(|failure| self.pieces.error("delete", failure))
    }
}

pub(super) fn unknown(name: &str) -> Error {
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
        let task = spawn(async move {
            let patience = pieces.network.patience();
            let retry = Retry::new(patience, true);
            let name = pieces::name(number);
            let sent = pieces::put(&*pieces.folder, &name, content, retry, patience).await;
            if let Err(found) = sent {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
            }
            drop(permit);
        })?;
        let mut sending = self.directory.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.retain(|task| !task.is_finished());
        sending.push(task.abort_handle());
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(task);
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
