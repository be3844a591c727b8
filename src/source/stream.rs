//! Files whose server gives them from the first byte on only: they are read as streams.
//!
//! A stream that broke is asked for anew. What came before is passed over, and must be the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::answer::Failure;
use super::block::HEAD;
use super::network::{Network, spawn};
use super::remote::{Answer, Patience, Remote, Retry, Version, require_same};
use crate::error::Result;

/// How many pieces of a stream wait to be read.
const WAITING: usize = 16;

/// How many streams of a file are open at once.
const MOST_STREAMS: usize = 2;

/// How many files keep the stream that they were opened by, until they are read.
const MOST_KEPT: usize = 16;

/// The streams that were kept open and not read so far, of the whole process.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A file that is read from the first byte on.
pub(super) struct StreamFile {
    network: Arc<Network>,
    remote: Arc<dyn Remote>,
    version: Version,
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first bytes, which are read more than once.
    head: Vec<u8>,
    /// Open streams, the one used last behind the others.
    streams: Vec<Stream>,
}

/// A stream and where it stands.
struct Stream {
    position: u64,
    piece: Bytes,
    pieces: Arc<tokio::sync::Mutex<Receiver<Result<Bytes, Failure>>>>,
    task: JoinHandle<()>,
    /// Whether it is counted among those that were kept open.
    kept: bool,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
        self.set_used();
    }
}

impl StreamFile {
    /// Takes a file by the answer to its first request.
    pub(super) fn new(
        network: &Arc<Network>,
        remote: Arc<dyn Remote>,
        name: &str,
        answer: Answer,
    ) -> Result<Self> {
        let file = Self {
            network: Arc::clone(network),
            remote,
            version: answer.version.clone(),
            name: name.to_owned(),
            state: Mutex::default(),
        };
        let whole = !answer.partial;
        if whole && KEPT.fetch_add(1, Ordering::Relaxed) < MOST_KEPT {
            let mut stream = file.start(Some(answer))?;
            stream.kept = true;
            file.state.lock().expect("no thread panics with the lock").streams.push(stream);
        } else if whole {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(file)
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.version.size
    }

    /// Reads bytes from `offset` on, at least one unless the file ends before.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if buffer.is_empty() || self.version.size.is_some_and(|size| offset >= size) {
            return Ok(0);
        }
        let mut state = self.state.lock().expect("no thread panics with the lock");
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(head) = state.head.get(from..).filter(|head| !head.is_empty()) {
            let count = head.len().min(buffer.len());
            buffer[..count].copy_from_slice(&head[..count]);
            return Ok(count);
        }
        let mut stream = match state.take_stream(offset) {
            Some(stream) => stream,
            None => self.start(None)?,
        };
        stream.set_used();
        let count = loop {
            if stream.piece.is_empty() && !self.receive(&mut stream)? {
                break 0;
            }
            let ahead = usize::try_from(offset - stream.position).unwrap_or(usize::MAX);
            let passed = ahead.min(stream.piece.len());
            state.keep_head(stream.position, &stream.piece[..passed]);
            stream.advance(passed);
            if !stream.piece.is_empty() {
                let count = stream.piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&stream.piece[..count]);
                state.keep_head(stream.position, &stream.piece[..count]);
                stream.advance(count);
                break count;
            }
        };
        if state.streams.len() >= MOST_STREAMS {
            state.streams.remove(0);
        }
        state.streams.push(stream);
        Ok(count)
    }

    /// Receives the next piece; returns false at the end.
    fn receive(&self, stream: &mut Stream) -> Result<bool> {
        let ready = stream.pieces.try_lock().ok().and_then(|mut pieces| pieces.try_recv().ok());
        let piece = if ready.is_some() {
            ready
        } else {
            let pieces = Arc::clone(&stream.pieces);
            self.network.wait(async move { pieces.lock().await.recv().await })?
        };
        match piece {
            None => Ok(false),
            Some(Ok(piece)) => {
                stream.piece = piece;
                Ok(true)
            }
            Some(Err(failure)) => Err(failure.into_error(&self.name)),
        }
    }

    fn start(&self, answer: Option<Answer>) -> Result<Stream> {
        let (sender, receiver) = channel(WAITING);
        let pump = Pump {
            remote: Arc::clone(&self.remote),
            version: self.version.clone(),
            patience: self.network.patience(),
            sender,
            sent: 0,
            checksum: 0,
        };
        Ok(Stream {
            position: 0,
            piece: Bytes::new(),
            pieces: Arc::new(tokio::sync::Mutex::new(receiver)),
            task: spawn(pump.run(answer))?,
            kept: false,
        })
    }
}

impl State {
    /// Takes out the stream that is nearest to `offset` without being behind it.
    fn take_stream(&mut self, offset: u64) -> Option<Stream> {
        let nearest = (0..self.streams.len())
            .filter(|number| self.streams[*number].position <= offset)
            .max_by_key(|number| self.streams[*number].position)?;
        Some(self.streams.remove(nearest))
    }

    /// Keeps bytes at `position` if they belong to the first ones.
    fn keep_head(&mut self, position: u64, bytes: &[u8]) {
        let room = usize::try_from(HEAD).unwrap_or(0).saturating_sub(self.head.len());
        if position == self.head.len() as u64 {
            self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

impl Stream {
    fn advance(&mut self, count: usize) {
        self.position += count as u64;
        self.piece = self.piece.split_off(count);
    }

    fn set_used(&mut self) {
        if std::mem::take(&mut self.kept) {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Sends the bytes of a file, in order and each once, however often the connection breaks.
struct Pump {
    remote: Arc<dyn Remote>,
    version: Version,
    patience: Patience,
    sender: Sender<Result<Bytes, Failure>>,
    sent: u64,
    /// The CRC-32C of what was sent.
    checksum: u32,
}

impl Pump {
    async fn run(mut self, mut answer: Option<Answer>) {
        let mut retry = Retry::new(self.patience, true);
        loop {
            let before = self.sent;
            let Err(failure) = self.run_once(answer.take()).await else { return };
            if self.sent > before {
                retry.progress();
            }
            if let Err(failure) = retry.pause(failure).await {
                // Nobody may listen any more.
                self.sender.send(Err(failure)).await.ok();
                return;
            }
        }
    }

    async fn run_once(&mut self, answer: Option<Answer>) -> Result<(), Failure> {
        let patience = self.patience;
        let answer = match answer {
            Some(answer) => answer,
            None => patience.wait(self.remote.get(None, Some(&self.version))).await??,
        };
        require_same(&self.version, &answer.version)?;
        if answer.partial {
            return Err(Failure::broken("the server sent a part where it was asked for the whole"));
        }
        let (mut skip, mut checksum) = (self.sent, 0);
        let mut body = answer.body;
        while let Some(chunk) = patience.wait(body.next()).await? {
            let mut chunk = chunk?;
            let passed =
                chunk.split_to(usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len()));
            checksum = crc32c::crc32c_append(checksum, &passed);
            skip -= passed.len() as u64;
            if chunk.is_empty() {
                continue;
            }
            if checksum != self.checksum {
                return Err(Failure::changed());
            }
            checksum = crc32c::crc32c_append(checksum, &chunk);
            self.checksum = checksum;
            self.sent += chunk.len() as u64;
            if self.version.size.is_some_and(|size| self.sent > size) {
                return Err(Failure::broken("the server sent more bytes than the file has"));
            }
            if self.sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
        if skip == 0 && checksum != self.checksum {
            return Err(Failure::changed());
        }
        if skip > 0 || self.version.size.is_some_and(|size| self.sent < size) {
            return Err(Failure::broken("the server sent fewer bytes than the file has"));
        }
        Ok(())
    }
}
