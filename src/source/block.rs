//! Blocks of files on other machines: fetched several at a time, ahead of those who read, and kept in
//! memory that is bounded for a session as a whole.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::answer::Failure;
use super::network::{Network, spawn};
use super::remote::{Remote, Version, fetch};
use crate::error::{Error, Result};

/// The size of a block.
const BLOCK: u64 = 4 << 20;

/// What all blocks may take together.
const CAPACITY: u64 = 64 << 20;

/// How many blocks are fetched ahead of one who reads.
const AHEAD: u64 = 3;

/// How much is asked for when a file is opened: enough to find the first row.
pub(super) const HEAD: u64 = 64 << 10;

/// The number under which the head of a file is kept.
const HEAD_NUMBER: u64 = u64::MAX;

/// After this time it is not believed that the one who read a part of a block reads the rest.
const STALE: Duration = Duration::from_secs(2);

/// How often one who waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

type Parts = Arc<Vec<Bytes>>;

/// The blocks of all files of a session.
#[derive(Default)]
pub(super) struct BlockCache {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    slots: HashMap<(u64, u64), Slot>,
    bytes: u64,
    next_file: u64,
}

struct Slot {
    content: Content,
    bytes: u64,
    touched: Instant,
    /// Whether it was read to its end.
    consumed: bool,
}

enum Content {
    Loading(AbortHandle),
    Ready(Parts),
    Failed(Failure),
}

impl BlockCache {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }

    fn finish(&self, key: (u64, u64), result: Result<Vec<Bytes>, Failure>) {
        let mut state = self.lock();
        // A file that was closed meanwhile has no slots.
        if let Some(slot) = state.slots.get_mut(&key) {
            slot.content = match result {
                Ok(parts) => Content::Ready(Arc::new(parts)),
                Err(failure) => Content::Failed(failure),
            };
            slot.touched = Instant::now();
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// Gives up blocks until `bytes` more fit, best those that were read to their ends; returns whether
    /// they fit. Blocks that are being read stay.
    fn make_room(&mut self, bytes: u64, consumed_only: bool) -> bool {
        while self.bytes + bytes > CAPACITY {
            let now = Instant::now();
            let free = |slot: &Slot| {
                let stale = !consumed_only && now.duration_since(slot.touched) > STALE;
                !matches!(slot.content, Content::Loading(_)) && (slot.consumed || stale)
            };
            let oldest = self
                .slots
                .iter()
                .filter(|(_, slot)| free(slot))
                .min_by_key(|(_, slot)| (!slot.consumed, slot.touched))
                .map(|(key, _)| *key);
            let Some(slot) = oldest.and_then(|key| self.slots.remove(&key)) else { return false };
            self.bytes -= slot.bytes;
        }
        true
    }

    fn put(&mut self, key: (u64, u64), content: Content, bytes: u64) {
        let slot = Slot { content, bytes, touched: Instant::now(), consumed: false };
        self.bytes += bytes;
        if let Some(before) = self.slots.insert(key, slot) {
            self.bytes -= before.bytes;
        }
    }
}

/// A file whose server gives any range of it.
pub(super) struct BlockFile {
    network: Arc<Network>,
    remote: Arc<dyn Remote>,
    version: Version,
    size: u64,
    name: String,
    /// Its number among the files of the session.
    number: u64,
}

impl BlockFile {
    /// Takes a file whose first bytes are `head`.
    pub(super) fn new(
        network: &Arc<Network>,
        remote: Arc<dyn Remote>,
        version: Version,
        size: u64,
        head: Vec<Bytes>,
    ) -> Self {
        let mut state = network.cache.lock();
        let number = state.next_file;
        state.next_file += 1;
        let bytes = head.iter().map(|part| part.len() as u64).sum();
        let whole = bytes == size;
        let key = (number, if whole { 0 } else { HEAD_NUMBER });
        state.make_room(bytes, true);
        state.put(key, Content::Ready(Arc::new(head)), bytes);
        if let Some(slot) = state.slots.get_mut(&key) {
            // Whoever opens very many files loses the heads of the first ones.
            slot.consumed = true;
        }
        drop(state);
        Self { network: Arc::clone(network), remote, version, size, name: String::new(), number }
    }

    /// Gives the file its name for messages.
    pub(super) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Reads bytes from `offset` on, at least one unless the file ends there.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if offset < HEAD
            && let Some(parts) = self.ready(HEAD_NUMBER)
        {
            let count = copy(&parts, offset, buffer);
            if count > 0 {
                return Ok(count);
            }
        }
        let number = offset / BLOCK;
        let parts = self.block(number)?;
        let count = copy(&parts, offset - number * BLOCK, buffer);
        if count == 0 {
            return Err(Error::internal("a block is shorter than it should be"));
        }
        if offset + count as u64 >= self.end_of(number) {
            let mut state = self.network.cache.lock();
            if let Some(slot) = state.slots.get_mut(&(self.number, number)) {
                slot.consumed = true;
            }
        }
        Ok(count)
    }

    fn end_of(&self, number: u64) -> u64 {
        ((number + 1) * BLOCK).min(self.size)
    }

    fn ready(&self, number: u64) -> Option<Parts> {
        match &self.network.cache.lock().slots.get(&(self.number, number))?.content {
            Content::Ready(parts) => Some(Arc::clone(parts)),
            _ => None,
        }
    }

    /// Returns a block, and has those behind it fetched.
    fn block(&self, number: u64) -> Result<Parts> {
        let cache = &self.network.cache;
        let mut state = cache.lock();
        loop {
            match state.slots.get_mut(&(self.number, number)) {
                None => {
                    state.make_room(self.end_of(number) - number * BLOCK, false);
                    self.start(&mut state, number)?;
                    self.start_ahead(&mut state, number)?;
                }
                Some(slot) => {
                    slot.touched = Instant::now();
                    match &slot.content {
                        Content::Ready(parts) => {
                            let parts = Arc::clone(parts);
                            self.start_ahead(&mut state, number)?;
                            return Ok(parts);
                        }
                        Content::Failed(failure) => {
                            return Err(failure.clone().into_error(&self.name));
                        }
                        Content::Loading(task) if task.is_finished() => {
                            return Err(Error::internal("a request over the network ended early"));
                        }
                        Content::Loading(_) => {}
                    }
                }
            }
            let waited = cache.changed.wait_timeout(state, LOOK);
            state = waited.expect("no thread panics with the lock").0;
            (self.network.options.stop)()?;
        }
    }

    /// Has the blocks behind a block fetched, as far as they fit.
    fn start_ahead(&self, state: &mut State, number: u64) -> Result {
        for next in number + 1..=number + AHEAD {
            if next * BLOCK >= self.size {
                break;
            }
            if state.slots.contains_key(&(self.number, next)) {
                continue;
            }
            if !state.make_room(self.end_of(next) - next * BLOCK, true) {
                break;
            }
            self.start(state, next)?;
        }
        Ok(())
    }

    /// Has a block fetched.
    fn start(&self, state: &mut State, number: u64) -> Result {
        let key = (self.number, number);
        let range = number * BLOCK..self.end_of(number);
        let bytes = range.end - range.start;
        let (remote, version) = (Arc::clone(&self.remote), self.version.clone());
        let (cache, patience) = (Arc::clone(&self.network.cache), self.network.patience());
        let task = spawn(async move {
            cache.finish(key, fetch(&*remote, range, &version, patience).await);
        })?;
        state.put(key, Content::Loading(task.abort_handle()), bytes);
        Ok(())
    }
}

impl Drop for BlockFile {
    fn drop(&mut self) {
        let mut state = self.network.cache.lock();
        let freed: Vec<Slot> = state
            .slots
            .extract_if(|(file, _), _| *file == self.number)
            .map(|(_, slot)| slot)
            .collect();
        for slot in freed {
            state.bytes -= slot.bytes;
            if let Content::Loading(task) = slot.content {
                task.abort();
            }
        }
    }
}

/// Copies bytes from `offset` on into `buffer`; returns how many.
fn copy(parts: &[Bytes], offset: u64, buffer: &mut [u8]) -> usize {
    let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut copied = 0;
    for part in parts {
        if skip >= part.len() {
            skip -= part.len();
            continue;
        }
        let count = (part.len() - skip).min(buffer.len() - copied);
        buffer[copied..copied + count].copy_from_slice(&part[skip..skip + count]);
        copied += count;
        skip = 0;
        if copied == buffer.len() {
            break;
        }
    }
    copied
}
