//! A file that is whole and waits for the request that lets it appear.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::SqlState;
use crate::source::answer::Failure;
use crate::source::folder::{Content, Folder};
use crate::source::remote::Patience;
use crate::source::temp::{TempDirectory, TempReader};

/// The most bytes that are sent from memory at once.
const WHOLE: u64 = 8 << 20;

/// How much is read at once of what is longer.
const READ: usize = 256 << 10;

/// Where a file waits.
pub(super) enum Waiting {
    Memory(Bytes),
    /// At the server, in parts.
    Parts {
        id: String,
        ids: Vec<String>,
        size: u64,
    },
    /// On this machine.
    Spool {
        directory: Arc<TempDirectory>,
        name: String,
        size: u64,
    },
}

impl Waiting {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Parts { size, .. } | Self::Spool { size, .. } => *size,
        }
    }

    /// Sends the request.
    pub(super) async fn send(
        &self,
        folder: &dyn Folder,
        key: &str,
        patience: Patience,
    ) -> Result<(), Failure> {
        let bytes = usize::try_from(self.size()).unwrap_or(usize::MAX);
        let sending = patience.for_sending(bytes);
        match self {
            Self::Memory(bytes) => sending.wait(folder.put(key, bytes.clone())).await?,
            // Amazon joins many parts for some minutes.
            Self::Parts { id, ids, .. } => {
                sending.wait(folder.complete(key, id, ids.clone())).await?
            }
            Self::Spool { directory, name, size } => {
                let reader = directory.open(name, 0..*size).map_err(|error| told(&error))?;
                if *size <= WHOLE {
                    let content = read(reader, bytes).map_err(|error| told(&error))?;
                    return sending.wait(folder.put(key, content)).await?;
                }
                sending.wait(folder.put_long(key, *size, content(reader))).await?
            }
        }
    }
}

/// Returns all bytes of a file.
fn read(mut reader: TempReader, size: usize) -> crate::error::Result<Bytes> {
    let mut content = vec![0; size];
    let mut at = 0;
    while at < size {
        match reader.read_at(&mut content[at..], at as u64)? {
            0 => break,
            count => at += count,
        }
    }
    content.truncate(at);
    Ok(Bytes::from(content))
}

/// Returns the bytes of a file, one piece after the other.
fn content(reader: TempReader) -> Content {
    Box::pin(futures::stream::unfold((reader, 0), |(mut reader, at)| async move {
        let mut piece = vec![0; READ];
        match reader.read_at(&mut piece, at) {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some((Ok(Bytes::from(piece)), (reader, at + count as u64)))
            }
            Err(error) => Some((Err(io::Error::other(error)), (reader, at))),
        }
    }))
}

/// Says that a file of this machine could not be read again.
fn told(error: &crate::error::Error) -> Failure {
    Failure::new(SqlState::IO_ERROR, error.message().to_owned())
}
