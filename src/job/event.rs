//! What a job tells while it runs, and how it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::catalog::JobId;
use crate::error::{Error, Notice, Result, SqlState};

/// What happens while a statement runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message for the user.
    Notice(Notice),
    /// How far an import is.
    Progress(Progress),
}

/// How far an import is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The job.
    pub job: JobId,
    /// What it does: `reading`, `merging`, `indexing`, `checking`, `publishing`.
    pub phase: &'static str,
    /// Rows converted.
    pub rows: u64,
    /// Bytes of input read; of compressed files the compressed ones.
    pub bytes: u64,
    /// Bytes of input in all, if known.
    pub total_bytes: Option<u64>,
}

/// Tells a running statement to stop.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Asks the statement to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Forgets an earlier request, before the next statement.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Returns whether the statement shall stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails with 57014 if the statement shall stop.
    pub fn check(&self) -> Result {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

/// Returns the error of a cancelled statement.
pub fn cancelled() -> Error {
    Error::new(SqlState::QUERY_CANCELED, "statement cancelled by the user")
}
