//! A file on another machine as requests see it, and how requests are tried again.
//!
//! Every answer tells which version of the file it is of. An answer that is of another version, of other
//! bytes than asked for, or that ends early is never taken for what was asked for.

use std::ops::Range;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::time::{sleep, timeout};

use super::answer::{Failure, Worth};
use crate::error::SqlState;

/// How often a request is tried at most while no byte comes.
const TRIES: u32 = 10;

/// How often a request is tried if it is worth little.
const FEW_TRIES: u32 = 3;

/// The pause before the second try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How many bytes per second a server must take at least.
const SLOWEST: u64 = 64 << 10;

/// What tells one version of a file from another, as far as the server tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
    pub(super) size: Option<u64>,
}

impl Version {
    /// Returns the tag if it stands for the very same bytes.
    pub(super) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }
}

/// The answer to a request for bytes.
pub(super) struct Answer {
    pub(super) version: Version,
    /// The bytes that are coming; the end is open if the server does not tell the size.
    pub(super) range: (u64, Option<u64>),
    /// Whether these are a part of the file because a part was asked for.
    pub(super) partial: bool,
    /// How the server says that the bytes are compressed.
    pub(super) encoding: Option<String>,
    pub(super) body: BoxStream<'static, Result<Bytes, Failure>>,
}

/// A file on another machine.
#[async_trait]
pub(super) trait Remote: Send + Sync {
    /// Asks for a range, or for the whole file. If `version` is known and the server can tell, it gives
    /// nothing of another one.
    async fn get(
        &self,
        range: Option<Range<u64>>,
        version: Option<&Version>,
    ) -> Result<Answer, Failure>;

    /// Finds out more about a file that does not exist.
    async fn explain_missing(&self, failure: Failure) -> Failure {
        failure
    }
}

/// How long to wait and to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long a server may send nothing.
    pub(super) silence: Duration,
    /// How long to try while no byte comes.
    pub(super) whole: Duration,
}

impl Patience {
    /// Returns the patience for a request that sends `bytes`, of which nothing is heard meanwhile.
    pub(super) fn for_sending(self, bytes: usize) -> Self {
        Self { silence: self.silence + Duration::from_secs(bytes as u64 / SLOWEST), ..self }
    }

    /// Returns the patience for what is done when the statement has ended: a little.
    pub(super) fn for_cleaning(self) -> Self {
        let most = Duration::from_secs(8);
        Self { silence: self.silence.min(most), whole: self.whole.min(most) }
    }

    /// Waits for something that the server is to send.
    pub(super) async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        timeout(self.silence, future).await.map_err(|_| {
            let seconds = self.silence.as_secs_f64();
            Failure::broken(format!("the server sent nothing for {seconds} seconds"))
        })
    }
}

/// Counts tries since bytes came last.
pub(super) struct Retry {
    patience: Patience,
    tries: u32,
    since: Instant,
    /// Whether the server has answered before.
    answered: bool,
}

impl Retry {
    pub(super) fn new(patience: Patience, answered: bool) -> Self {
        Self { patience, tries: 0, since: Instant::now(), answered }
    }

    /// Notes that bytes came.
    pub(super) fn progress(&mut self) {
        self.tries = 0;
        self.since = Instant::now();
        self.answered = true;
    }

    /// Waits before the next try, or fails if there shall be none.
    pub(super) async fn pause(&mut self, failure: Failure) -> Result<(), Failure> {
        self.tries += 1;
        let most = match failure.worth {
            Worth::Nothing => 0,
            Worth::Little if !self.answered => FEW_TRIES,
            Worth::Little | Worth::Much => TRIES,
        };
        let exponential = FIRST_PAUSE * 2_u32.pow(self.tries.min(16) - 1);
        let pause = match failure.after {
            Some(after) => after.max(FIRST_PAUSE),
            None => jittered(exponential.min(LONGEST_PAUSE)),
        };
        let end = self.since.elapsed() + pause;
        if self.tries >= most || end > self.patience.whole {
            return Err(failure);
        }
        sleep(pause).await;
        Ok(())
    }
}

/// Returns between half and the whole of a pause, so that many that failed together do not come back
/// together.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 1000;
    pause / 2 + pause / 2 * u32::try_from(random).unwrap_or(0) / 1000
}

/// Asks for the first bytes of a file, `most` at the most.
pub(super) async fn open(
    remote: &dyn Remote,
    most: u64,
    patience: Patience,
) -> Result<Answer, Failure> {
    let mut retry = Retry::new(patience, false);
    let mut range = Some(0..most);
    loop {
        match patience.wait(remote.get(range.clone(), None)).await.and_then(|answer| answer) {
            Ok(answer) => return Ok(answer),
            // An empty file has no first byte.
            Err(failure) if failure.status == Some(416) && range.is_some() => range = None,
            Err(failure) if failure.code() == SqlState::UNDEFINED_FILE => {
                return Err(remote.explain_missing(failure).await);
            }
            Err(failure) => retry.pause(failure).await?,
        }
    }
}

/// Returns the bytes of a range that lies within the file; goes on where a connection broke.
pub(super) async fn fetch(
    remote: &dyn Remote,
    range: Range<u64>,
    version: &Version,
    patience: Patience,
) -> Result<Vec<Bytes>, Failure> {
    let mut retry = Retry::new(patience, true);
    let mut parts = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let failure = match fetch_once(remote, at..range.end, version, patience, &mut parts).await {
            Ok(()) => return Ok(parts),
            Err(failure) => failure,
        };
        let reached = range.start + parts.iter().map(|part: &Bytes| part.len() as u64).sum::<u64>();
        if reached > at {
            at = reached;
            retry.progress();
        }
        retry.pause(failure).await?;
    }
    Ok(parts)
}

/// Appends the bytes of a range to `parts`, as far as they come.
async fn fetch_once(
    remote: &dyn Remote,
    range: Range<u64>,
    version: &Version,
    patience: Patience,
    parts: &mut Vec<Bytes>,
) -> Result<(), Failure> {
    let answer = patience.wait(remote.get(Some(range.clone()), Some(version))).await??;
    require_same(version, &answer.version)?;
    if !answer.partial || answer.range != (range.start, Some(range.end)) {
        return Err(Failure::broken("the server sent other bytes than it was asked for"));
    }
    let mut left = range.end - range.start;
    let mut body = answer.body;
    while let Some(chunk) = patience.wait(body.next()).await? {
        let chunk = chunk?;
        let length = chunk.len() as u64;
        if length > left {
            return Err(Failure::broken("the server sent more bytes than it was asked for"));
        }
        left -= length;
        if length > 0 {
            parts.push(chunk);
        }
    }
    if left > 0 {
        return Err(Failure::broken("the server sent fewer bytes than it was asked for"));
    }
    Ok(())
}

/// Fails if an answer is of another version of a file. What the server tells only once in a while is not
/// compared.
pub(super) fn require_same(first: &Version, other: &Version) -> Result<(), Failure> {
    let sizes = first.size.is_some() && other.size.is_some() && first.size != other.size;
    let versions = match (&first.etag, &other.etag) {
        (Some(first), Some(other)) => first != other,
        _ => {
            first.modified.is_some() && other.modified.is_some() && first.modified != other.modified
        }
    };
    if sizes || versions { Err(Failure::changed()) } else { Ok(()) }
}
