//! A file on its way to another machine: its bytes gather, and are passed on when there are enough.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::join_all;
use tokio::task::JoinHandle;

use super::remote::RemoteOutput;
use super::waiting::Waiting;
use crate::error::{Error, Result};
use crate::source::answer::Failure;
use crate::source::failure::io_error;
use crate::source::network::spawn;
use crate::source::remote::Retry;
use crate::source::temp::{TempDirectory, TempFile};

/// The bytes of a part: the fewest that Amazon takes.
const PART: usize = 5 << 20;

/// After so many parts they become twice as long, since there must not be more than 10,000.
const LONGER_AFTER: usize = 2000;

/// A file that is being written.
pub(super) struct RemoteFile {
    output: Arc<RemoteOutput>,
    name: String,
    shown: String,
    /// What gathers.
    buffer: Vec<u8>,
    size: u64,
    sink: Sink,
}

/// Where what has gathered goes.
enum Sink {
    /// Nowhere so far.
    Memory,
    Parts(Parts),
    /// A file on this machine, with its directory and name.
    Spool(Arc<TempDirectory>, String, TempFile),
}

/// Parts of a file, on their way or sent.
struct Parts {
    id: String,
    count: usize,
    tasks: Vec<JoinHandle<()>>,
    sent: Arc<Mutex<Sent>>,
}

#[derive(Default)]
struct Sent {
    /// What the server calls each part.
    ids: Vec<String>,
    failure: Option<Failure>,
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile").field("name", &self.shown).finish_non_exhaustive()
    }
}

impl RemoteFile {
    /// Returns a file of `output`, of which nothing is asked so far.
    pub(super) fn new(output: &Arc<RemoteOutput>, name: &str) -> Self {
        Self {
            output: Arc::clone(output),
            name: name.to_owned(),
            shown: output.names.shown(name),
            buffer: Vec::new(),
            size: 0,
            sink: Sink::Memory,
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Takes bytes; returns how many.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let part = match &self.sink {
            Sink::Parts(parts) => PART << (parts.count / LONGER_AFTER),
            Sink::Memory | Sink::Spool(..) => PART,
        };
        let count = bytes.len().min(part.saturating_sub(self.buffer.len()).max(1));
        self.buffer.extend_from_slice(&bytes[..count]);
        self.size += count as u64;
        if self.buffer.len() >= part {
            self.pass_on()?;
        }
        Ok(count)
    }

    /// Passes on what has gathered.
    fn pass_on(&mut self) -> Result {
        if matches!(self.sink, Sink::Memory) {
            self.sink = if self.output.folder.takes_parts() {
                self.begin()?
            } else {
                let (directory, name, file) = self.output.spool()?;
                Sink::Spool(directory, name, file)
            };
        }
        let content = std::mem::take(&mut self.buffer);
        match &mut self.sink {
            Sink::Memory => Ok(()),
            Sink::Spool(_, _, file) => {
                file.write_all(&content).map_err(|error| io_error("write", &self.shown, &error))
            }
            Sink::Parts(parts) => {
                let key = self.output.names.key(&self.name);
                parts.send(&self.output, key, Bytes::from(content))?;
                self.check()
            }
        }
    }

    /// Starts to send parts.
    fn begin(&self) -> Result<Sink> {
        let key = self.output.names.key(&self.name);
        let (output, patience) = (Arc::clone(&self.output), self.output.network.patience());
        let begun = self.output.network.wait(async move {
            let mut retry = Retry::new(patience, false);
            loop {
                match patience.wait(output.folder.begin(&key)).await.and_then(|result| result) {
                    Ok(id) => {
                        output.state().begun.push((key, id.clone()));
                        return Ok(id);
                    }
                    Err(failure) => retry.pause(failure).await?,
                }
            }
        })?;
        let id = begun.map_err(|failure: Failure| failure.into_write_error(&self.shown))?;
        Ok(Sink::Parts(Parts { id, count: 0, tasks: Vec::new(), sent: Arc::default() }))
    }

    /// Fails if a part could not be sent.
    fn check(&self) -> Result {
        let Sink::Parts(parts) = &self.sink else { return Ok(()) };
        match parts.sent.lock().unwrap_or_else(PoisonError::into_inner).failure.take() {
            Some(failure) => Err(failure.into_write_error(&self.shown)),
            None => Ok(()),
        }
    }

    /// Ends writing; returns the size.
    pub(super) fn finish(mut self) -> Result<u64> {
        let short = matches!(self.sink, Sink::Memory);
        let waiting = if short && self.output.take_memory(self.size) {
            Waiting::Memory(Bytes::from(std::mem::take(&mut self.buffer)))
        } else {
            if !self.buffer.is_empty() {
                self.pass_on()?;
            }
            self.end()?
        };
        self.output.state().whole.insert(self.name.clone(), waiting);
        Ok(self.size)
    }

    /// Waits until everything is in its place.
    fn end(&mut self) -> Result<Waiting> {
        match std::mem::replace(&mut self.sink, Sink::Memory) {
            Sink::Memory => Err(Error::internal("a file went nowhere")),
            Sink::Spool(directory, name, file) => {
                file.finish()?;
                Ok(Waiting::Spool { directory, name, size: self.size })
            }
            Sink::Parts(mut parts) => {
                let tasks = std::mem::take(&mut parts.tasks);
                let (id, sent) = (parts.id.clone(), Arc::clone(&parts.sent));
                self.sink = Sink::Parts(parts);
                self.output.network.wait(async move { join_all(tasks).await })?;
                self.check()?;
                let ids =
                    std::mem::take(&mut sent.lock().unwrap_or_else(PoisonError::into_inner).ids);
                Ok(Waiting::Parts { id, ids, size: self.size })
            }
        }
    }
}

impl Parts {
    /// Sends the next part, while the one behind it gathers.
    fn send(&mut self, output: &Arc<RemoteOutput>, key: String, content: Bytes) -> Result {
        let permits = Arc::clone(&output.uploads);
        let permit = output
            .network
            .wait(permits.acquire_owned())?
            .map_err(|_| Error::internal("the uploads of a file ended early"))?;
        let number = self.count;
        self.count += 1;
        self.tasks.retain(|task| !task.is_finished());
        let (sent, id) = (Arc::clone(&self.sent), self.id.clone());
        let (folder, patience) = (Arc::clone(&output.folder), output.network.patience());
        self.tasks.push(spawn(async move {
            let silence = patience.for_sending(content.len());
            let mut retry = Retry::new(patience, true);
            let result = loop {
                let request = folder.put_part((&key, &id), number, content.clone());
                match silence.wait(request).await.and_then(|result| result) {
                    Ok(part) => break Ok(part),
                    Err(failure) => match retry.pause(failure).await {
                        Ok(()) => {}
                        Err(failure) => break Err(failure),
                    },
                }
            };
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(part) => {
                    let most = sent.ids.len().max(number + 1);
                    sent.ids.resize(most, String::new());
                    sent.ids[number] = part;
                }
                Err(failure) => {
                    sent.failure.get_or_insert(failure);
                }
            }
            drop(permit);
        })?);
        Ok(())
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        if let Sink::Parts(parts) = &mut self.sink {
            self.output.state().given_up.append(&mut parts.tasks);
        }
    }
}
