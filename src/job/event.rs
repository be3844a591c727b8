//! What a job tells while it runs, and how it is told to stop.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::catalog::JobId;
use crate::error::{Error, Notice, Result, SqlState};

/// What happens while a statement runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message for the user.
    Notice(Notice),
    /// How far a job is.
    Progress(Progress),
}

/// How far a job is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The job.
    pub job: JobId,
    /// What it does: `reading`, `merging`, `indexing`, `checking`, `exporting`, `publishing`.
    pub phase: &'static str,
    /// Rows converted.
    pub rows: u64,
    /// Bytes of input read, as the files lie: of compressed ones the compressed bytes; of the tables of
    /// a dump the bytes of their texts. Of an export bytes written, before they are compressed.
    pub bytes: u64,
    /// Bytes in all, counted likewise, if known; of an export about, by its rows so far.
    pub total_bytes: Option<u64>,
}

/// Tells a running statement or job to stop.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    own: Arc<Request>,
    /// That of the statement that waits for the job.
    above: Option<Arc<Request>>,
    of_job: bool,
}

/// What is asked of a statement or job.
#[derive(Debug, Default)]
struct Request {
    kind: AtomicU8,
    reason: Mutex<Option<String>>,
}

/// Nothing is asked.
const GO_ON: u8 = 0;
/// To stop for good.
const CANCEL: u8 = 1;
/// To stop and to go on later.
const PAUSE: u8 = 2;

impl Request {
    fn kind(&self) -> u8 {
        self.kind.load(Ordering::Relaxed)
    }
}

/// How often is looked whether something was asked, where nobody says so.
const LOOK: Duration = Duration::from_millis(10);

impl Cancellation {
    /// Returns that of a job. One that a statement waits for ends with the statement, `above`.
    pub fn of_job(above: Option<&Self>) -> Self {
        let above = above.map(|above| Arc::clone(&above.own));
        Self { own: Arc::default(), above, of_job: true }
    }

    /// Asks the statement or job to stop for good.
    pub fn cancel(&self) {
        self.own.kind.store(CANCEL, Ordering::Relaxed);
    }

    /// Asks a job to stop where it can go on later; `reason` is told of it.
    pub fn pause(&self, reason: &str) {
        *self.own.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        // A job that is to be canceled stays so.
        let order = Ordering::Relaxed;
        let _ = self.own.kind.compare_exchange(GO_ON, PAUSE, order, order);
    }

    /// Forgets an earlier request, before the next statement.
    pub fn reset(&self) {
        self.own.kind.store(GO_ON, Ordering::Relaxed);
    }

    /// Returns whether the statement or job shall stop, for whatever reason.
    pub fn is_cancelled(&self) -> bool {
        self.own.kind() != GO_ON || self.above.as_ref().is_some_and(|above| above.kind() != GO_ON)
    }

    /// Returns why a job shall be paused, if that is what is asked of it.
    pub fn pause_reason(&self) -> Option<String> {
        if self.own.kind() != PAUSE {
            return None;
        }
        let reason = self.own.reason.lock().unwrap_or_else(PoisonError::into_inner);
        Some(reason.clone().unwrap_or_default())
    }

    /// Fails with 57014 if the statement or job shall stop.
    pub fn check(&self) -> Result {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(match self.own.kind() {
            PAUSE => Error::new(SqlState::QUERY_CANCELED, "job paused"),
            CANCEL if self.of_job => Error::new(SqlState::QUERY_CANCELED, "job canceled"),
            _ => cancelled(),
        })
    }

    /// Completes when the statement or job shall stop, with the error.
    pub async fn stopped(self) -> Error {
        loop {
            if let Err(error) = self.check() {
                return error;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Returns the error of a cancelled statement.
pub fn cancelled() -> Error {
    Error::new(SqlState::QUERY_CANCELED, "statement cancelled by the user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_with_its_statement_and_by_its_own_requests() {
        let statement = Cancellation::default();
        let job = Cancellation::of_job(Some(&statement));
        let detached = Cancellation::of_job(None);
        job.check().unwrap();
        statement.cancel();
        assert_eq!(job.check().unwrap_err().message(), "statement cancelled by the user");
        assert!(detached.check().is_ok() && job.pause_reason().is_none());
        statement.reset();
        job.pause("dinner");
        assert_eq!(job.check().unwrap_err().message(), "job paused");
        assert_eq!(job.pause_reason().as_deref(), Some("dinner"));
        job.cancel();
        job.pause("again");
        assert_eq!(job.check().unwrap_err().message(), "job canceled");
        assert_eq!(job.pause_reason(), None);
        assert!(statement.check().is_ok());
    }
}
