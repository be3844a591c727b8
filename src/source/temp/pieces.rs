//! The pieces that temporary files of another machine consist of: numbers, names, and requests for them
//! that are tried again.
//!
//! All pieces of a directory are numbered in one sequence, and a file beside them says how far the
//! numbers may go. So whatever a job left can be deleted without listing anything.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;

use crate::error::{Error, Result, SqlState};
use crate::source::answer::{Failure, Worth};
use crate::source::folder::Folder;
use crate::source::network::Network;
use crate::source::remote::{Patience, Remote, Retry};

/// The file that says how far the numbers of pieces may go.
const BOUND: &str = "pieces";

/// The file that probes whether a directory can be written to.
const PROBE: &str = "probe";

/// How far the numbers may go at first; whenever they get there, four times as far.
const FIRST_BOUND: u64 = 64;

/// No job makes more pieces.
const MOST_PIECES: u64 = 1 << 40;

/// How many pieces are deleted by one request, where the server can.
const DELETED_TOGETHER: usize = 100;

/// A directory of another machine and what has been written there.
pub(super) struct Pieces {
    pub(super) network: Arc<Network>,
    pub(super) folder: Arc<dyn Folder>,
    /// Its place as the user wrote it, with secrets redacted.
    pub(super) place: String,
    /// Held only for moments, also by the threads that make requests.
    numbers: Mutex<Numbers>,
    /// Held by who moves the bound.
    extending: Mutex<()>,
    /// Whether anything may have been written.
    touched: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    /// How far the numbers may go.
    bound: u64,
    /// Those that were not deleted so far.
    live: BTreeSet<u64>,
}

impl Numbers {
    /// Returns the next number, if the bound permits.
    fn next(&mut self) -> Option<u64> {
        if self.last >= self.bound {
            return None;
        }
        self.last += 1;
        self.live.insert(self.last);
        Some(self.last)
    }
}

impl Pieces {
    pub(super) fn new(network: &Arc<Network>, folder: Arc<dyn Folder>, place: String) -> Self {
        Self {
            network: Arc::clone(network),
            folder,
            place,
            numbers: Mutex::default(),
            extending: Mutex::default(),
            touched: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the error of a failure.
    pub(super) fn error(&self, action: &str, failure: Failure) -> Error {
        failure.into_temp_error(action, &self.place)
    }

    /// Returns the number of the next piece, and makes sure that it will be found if the job is killed.
    pub(super) fn reserve(&self) -> Result<u64> {
        loop {
            let next = self.lock().next();
            match next {
                Some(number) => return Ok(number),
                None => self.extend()?,
            }
        }
    }

    /// Lets the numbers go further.
    fn extend(&self) -> Result {
        let _alone = self.extending.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = {
            let numbers = self.lock();
            if numbers.last < numbers.bound {
                return Ok(());
            }
            (numbers.bound * 4).max(FIRST_BOUND)
        };
        let (folder, patience) = (Arc::clone(&self.folder), self.network.patience());
        let content = Bytes::from(format!("{bound}\n"));
        self.touched.store(true, Ordering::Relaxed);
        let written = self.network.wait(async move {
            put(&*folder, BOUND, content, Retry::new(patience, true), patience).await
        })?;
        written.map_err(|failure| self.error("write", failure))?;
        self.lock().bound = bound;
        Ok(())
    }

    /// Checks that files can be written, read and deleted, by doing so.
    pub(super) fn probe(&self) -> Result {
        let (folder, patience) = (Arc::clone(&self.folder), self.network.patience());
        let touched = Arc::clone(&self.touched);
        touched.store(true, Ordering::Relaxed);
        let probed = self.network.wait(async move {
            let token = Bytes::from(uuid::Uuid::new_v4().to_string());
            let retry = || Retry::new(patience, false);
            put(&*folder, PROBE, token.clone(), retry(), patience).await.map_err(|failure| {
                // What was refused is not there.
                touched.store(failure.worth == Worth::Much, Ordering::Relaxed);
                ("write", failure)
            })?;
            let mut read = Vec::new();
            fetch(&*folder.file(PROBE), 0..token.len() as u64, &mut read, patience)
                .await
                .map_err(|failure| ("read", failure))?;
            if read != token {
                let failure = Failure::new(
                    SqlState::IO_ERROR,
                    "the server gives back something else than was written",
                );
                return Err(("read", failure));
            }
            if let Some(size) = folder.doubtful_size() {
                let content = Bytes::from(vec![0; size]);
                let written = put(&*folder, PROBE, content, retry(), patience).await;
                written.map_err(|failure| ("write", failure))?;
            }
            delete(&*folder, &[PROBE.to_owned()], patience).await.map_err(|f| ("delete", f))
        })?;
        probed.map_err(|(action, failure)| self.error(action, failure))
    }

    /// Deletes pieces, one request after the other.
    pub(super) async fn delete(&self, numbers: &[u64], patience: Patience) -> Result<(), Failure> {
        for together in numbers.chunks(DELETED_TOGETHER) {
            let names: Vec<String> = together.iter().copied().map(name).collect();
            delete(&*self.folder, &names, patience).await?;
            let mut known = self.lock();
            for number in together {
                known.live.remove(number);
            }
        }
        Ok(())
    }

    /// Deletes everything that was written and not deleted. Unless `all_arrived`, there may still come
    /// something, which can be found again by the bound: that stays, and the failure says so.
    pub(super) async fn delete_all(
        &self,
        all_arrived: bool,
        patience: Patience,
    ) -> Result<(), Failure> {
        if !self.touched.load(Ordering::Relaxed) {
            return Ok(());
        }
        let live: Vec<u64> = self.lock().live.iter().copied().collect();
        self.delete(&live, patience).await?;
        if !all_arrived {
            return Err(Failure::broken("the server did not answer in time"));
        }
        delete(&*self.folder, &[PROBE, BOUND].map(str::to_owned), patience).await?;
        // Whether the empty directory stays matters to nobody.
        patience.wait(self.folder.remove_itself()).await.and_then(|result| result).ok();
        Ok(())
    }

    /// Deletes everything that an earlier job left in this directory.
    pub(super) async fn delete_leftover(&self, patience: Patience) -> Result<(), Failure> {
        let mut text = Vec::new();
        let read = fetch(&*self.folder.file(BOUND), 0..u64::MAX, &mut text, patience).await;
        if let Err(failure) = read
            && failure.code() != SqlState::UNDEFINED_FILE
        {
            return Err(failure);
        }
        let bound: Option<u64> =
            std::str::from_utf8(&text).ok().and_then(|t| t.trim().parse().ok());
        let bound = bound.unwrap_or(0).min(MOST_PIECES);
        let mut first = 1;
        while first <= bound {
            let last = bound.min(first + DELETED_TOGETHER as u64 - 1);
            let names: Vec<String> = (first..=last).map(name).collect();
            delete(&*self.folder, &names, patience).await?;
            first = last + 1;
        }
        let rest = [PROBE, BOUND].map(str::to_owned);
        delete(&*self.folder, &rest, patience).await?;
        patience.wait(self.folder.remove_itself()).await.and_then(|result| result).ok();
        Ok(())
    }
}

/// Returns the name of a piece.
pub(super) fn name(number: u64) -> String {
    format!("piece-{number}")
}

/// Writes a file; tries again while it is worth it.
pub(super) async fn put(
    folder: &dyn Folder,
    name: &str,
    content: Bytes,
    mut retry: Retry,
    patience: Patience,
) -> Result<(), Failure> {
    let patience = patience.for_sending(content.len());
    loop {
        let request = folder.put(name, content.clone());
        match patience.wait(request).await.and_then(|result| result) {
            Ok(()) => return Ok(()),
            Err(failure) => retry.pause(failure).await?,
        }
    }
}

/// Deletes files; tries again while it is worth it.
pub(in crate::source) async fn delete(
    folder: &dyn Folder,
    names: &[String],
    patience: Patience,
) -> Result<(), Failure> {
    let mut retry = Retry::new(patience, true);
    loop {
        match patience.wait(folder.delete(names)).await.and_then(|result| result) {
            Ok(()) => return Ok(()),
            Err(failure) => retry.pause(failure).await?,
        }
    }
}

/// Puts the bytes of a range into `bytes`, which is empty, fewer if the file ends before; goes on where a
/// connection broke. The server may give the whole file instead of the range.
pub(super) async fn fetch(
    remote: &dyn Remote,
    range: std::ops::Range<u64>,
    bytes: &mut Vec<u8>,
    patience: Patience,
) -> Result<(), Failure> {
    let mut retry = Retry::new(patience, true);
    loop {
        let before = bytes.len();
        let failure = match fetch_once(remote, &range, patience, bytes).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if bytes.len() > before {
            retry.progress();
        }
        retry.pause(failure).await?;
    }
}

/// Appends the bytes of a range that `bytes` lacks, as far as they come.
async fn fetch_once(
    remote: &dyn Remote,
    range: &std::ops::Range<u64>,
    patience: Patience,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    let at = range.start + bytes.len() as u64;
    let asked = (range.end < u64::MAX).then_some(at..range.end);
    let answer = patience.wait(remote.get(asked, None)).await??;
    let (start, end) = answer.range;
    if answer.encoding.is_some() || start > at || (answer.partial && start != at) {
        return Err(Failure::broken("the server sent other bytes than it was asked for"));
    }
    let mut skip = at - start;
    let mut left = range.end - at;
    let mut body = answer.body;
    while left > 0
        && let Some(chunk) = patience.wait(body.next()).await?
    {
        let mut chunk = chunk?;
        let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        skip -= passed as u64;
        let kept = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len() - passed);
        bytes.extend_from_slice(&chunk.split_off(passed)[..kept]);
        left -= kept as u64;
    }
    let reached = range.start + bytes.len() as u64;
    match end.map(|end| end.min(range.end)) {
        Some(end) if reached < end => {
            Err(Failure::broken("the server sent fewer bytes than it was asked for"))
        }
        _ => Ok(()),
    }
}
