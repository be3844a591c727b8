//! Reading temporary files of another machine: each reader has a window of bytes at hand and the next
//! one on its way, and all of them together keep to the memory of their job.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::pieces;
use super::remote::{RemoteDirectory, StoredFile, unknown};
use crate::error::{Error, Result};
use crate::source::answer::Failure;
use crate::source::network::spawn;

/// The fewest bytes that are read at once, and of a piece.
pub(super) const FEWEST_BYTES: u64 = 128 << 10;

/// The most bytes of a piece, and of what is read at once.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// The memory of a job for reading unless it says more.
const MEMORY: u64 = 16 << 20;

/// How many windows are on their way at once: the connection of each takes memory, too.
const DOWNLOADS: usize = 16;

/// Those who read the files of a directory.
pub(super) struct Readers {
    count: AtomicU64,
    /// What all windows may take together.
    memory: AtomicU64,
    /// What they take.
    taken: AtomicU64,
    /// Buffers that wait to be used again.
    idle: Mutex<Vec<Vec<u8>>>,
    downloads: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            memory: AtomicU64::new(MEMORY),
            taken: AtomicU64::new(0),
            idle: Mutex::default(),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
        }
    }

    pub(super) fn limit_memory(&self, bytes: u64) {
        self.memory.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Returns how many bytes the windows take now.
    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns how many bytes a window may have: a share of what is left, and never too few to go on. It
    /// is a power of two, so that few sizes are in use.
    fn share(&self) -> u64 {
        let share = self.memory() / (2 * self.count.load(Ordering::Relaxed).max(1));
        let most = share.min(self.left()).clamp(FEWEST_BYTES, MOST_BYTES);
        1 << most.ilog2()
    }

    fn left(&self) -> u64 {
        self.memory().saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// Memory of a window. It is used again by the next one: it was taken by one thread and would be freed
/// by another, which allocators are slow to give back.
struct Buffer {
    bytes: Vec<u8>,
    /// What is booked for it.
    size: u64,
    readers: Arc<Readers>,
}

impl Buffer {
    /// Returns an empty buffer for `size` bytes; one that waits may have more room.
    fn new(readers: &Arc<Readers>, size: u64) -> Self {
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        let mut idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &(usize, &Vec<u8>)| buffer.1.capacity() >= wanted;
        let best = idle.iter().enumerate().filter(fits).min_by_key(|(_, idle)| idle.capacity());
        let bytes = if let Some((place, _)) = best {
            idle.swap_remove(place)
        } else {
            // Those that are too small would only add to it.
            idle.clear();
            Vec::with_capacity(wanted)
        };
        drop(idle);
        let size = bytes.capacity() as u64;
        readers.taken.fetch_add(size, Ordering::Relaxed);
        Self { bytes, size, readers: Arc::clone(readers) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.readers.taken.fetch_sub(self.size, Ordering::Relaxed);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if self.readers.count.load(Ordering::Relaxed) > 0 {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

/// Bytes of a file.
struct Window {
    start: u64,
    buffer: Buffer,
}

/// Bytes that are being fetched.
struct Ahead {
    start: u64,
    buffer: oneshot::Receiver<Result<Buffer, Failure>>,
    task: JoinHandle<()>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a file from some offset on. What follows is fetched while a part is used.
pub(super) struct RemoteReader {
    directory: Arc<RemoteDirectory>,
    file: StoredFile,
    /// Nothing is read from here on.
    end: u64,
    window: Option<Window>,
    ahead: Option<Ahead>,
}

impl RemoteReader {
    /// Returns a reader of a file up to `end`.
    pub(super) fn new(directory: &Arc<RemoteDirectory>, file: StoredFile, end: u64) -> Self {
        directory.readers.count.fetch_add(1, Ordering::Relaxed);
        let end = end.min(file.size);
        Self { directory: Arc::clone(directory), file, end, window: None, ahead: None }
    }

    /// Reads bytes from `offset` on, at least one unless the file or what is wanted of it ends there.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if offset >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        if self.at_hand(offset).is_empty() {
            self.load(offset)?;
        }
        let found = self.at_hand(offset);
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
        Ok(count)
    }

    /// Returns the bytes of the window from `offset` on.
    fn at_hand(&self, offset: u64) -> &[u8] {
        let found = self.window.as_ref().and_then(|window| {
            let from = usize::try_from(offset.checked_sub(window.start)?).ok()?;
            window.buffer.bytes.get(from..)
        });
        found.unwrap_or_default()
    }

    /// Gets the bytes at `offset`, and has those behind them fetched.
    fn load(&mut self, offset: u64) -> Result {
        self.window = None;
        let ahead = self.ahead.take().filter(|ahead| ahead.start == offset);
        let mut ahead = match ahead {
            Some(ahead) => ahead,
            None => self.fetch(offset, self.directory.readers.share())?,
        };
        let (sender, nothing) = oneshot::channel();
        drop(sender);
        let buffer = std::mem::replace(&mut ahead.buffer, nothing);
        let pieces = &self.directory.pieces;
        let fetched = pieces
            .network
            .wait(buffer)?
            .map_err(|_| Error::internal("a request over the network ended early"))?;
        let buffer = fetched.map_err(|failure| pieces.error("read", failure))?;
        let next = offset + buffer.bytes.len() as u64;
        self.window = Some(Window { start: offset, buffer });
        let readers = &self.directory.readers;
        if next < self.end && next > offset && readers.left() >= FEWEST_BYTES {
            self.ahead = Some(self.fetch(next, readers.share())?);
        }
        Ok(())
    }

    /// Starts to fetch the bytes at `offset`, `most` at the most.
    fn fetch(&self, offset: u64, most: u64) -> Result<Ahead> {
        let (number, range) = self.range(offset, most)?;
        let pieces = Arc::clone(&self.directory.pieces);
        let readers = &self.directory.readers;
        let mut buffer = Buffer::new(readers, most);
        let downloads = Arc::clone(&readers.downloads);
        let (sender, receiver) = oneshot::channel();
        let task = spawn(async move {
            // It is never closed.
            let _permit = downloads.acquire().await;
            let file = pieces.folder.file(&pieces::name(number));
            let patience = pieces.network.patience();
            let fetched = pieces::fetch(&*file, range, &mut buffer.bytes, patience).await;
            // Nobody may listen any more.
            sender.send(fetched.map(|()| buffer)).ok();
        })?;
        Ok(Ahead { start: offset, buffer: receiver, task })
    }

    /// Returns the piece that holds the bytes at `offset`, and `most` of them as a range of it.
    fn range(&self, offset: u64, most: u64) -> Result<(u64, Range<u64>)> {
        let StoredFile { numbers, piece, .. } = &self.file;
        let (place, from) = (offset / piece, offset % piece);
        let number = usize::try_from(place).ok().and_then(|place| numbers.get(place));
        let number = *number.ok_or_else(|| unknown("piece"))?;
        let to = (from + most).min(*piece).min(self.end - place * piece);
        Ok((number, from..to))
    }
}

impl Drop for RemoteReader {
    fn drop(&mut self) {
        let readers = &self.directory.readers;
        (self.window, self.ahead) = (None, None);
        if readers.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
