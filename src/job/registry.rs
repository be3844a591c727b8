//! The jobs that run in this process: how far they are, how to stop them, and when they have ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Cancellation, Event, Progress};
use crate::catalog::JobId;
use crate::error::Error;
use crate::plan;

/// The jobs that run in this process.
#[derive(Default)]
pub struct Registry {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<JobId, Arc<RunningJob>>,
    /// What to do again when a job is resumed whose record lacks secrets.
    statements: HashMap<JobId, JobStatement>,
    /// Detached jobs that nobody has waited for, and the error if one stopped with one.
    unseen: BTreeMap<JobId, Option<Error>>,
}

/// What a job does: its statement, planned.
#[derive(Clone, Debug)]
pub enum JobStatement {
    /// An import.
    Import(Box<plan::Import>),
    /// An export.
    Export(Box<plan::Export>),
    /// An index build.
    CreateIndex(Box<plan::CreateIndex>),
}

/// A job that runs.
#[derive(Debug)]
pub struct RunningJob {
    /// Its id.
    pub id: JobId,
    cancellation: Cancellation,
    progress: Gauge,
    done: watch::Sender<bool>,
}

/// How far a job is; shared by the job and those who look at it.
pub type Gauge = Arc<Mutex<Option<Progress>>>;

/// Returns a place for events that keeps progress in `gauge` and passes on to `next` what it wants.
pub fn gauged(
    gauge: &Gauge,
    next: impl Fn(Event) + Send + Sync + 'static,
) -> Arc<dyn Fn(Event) + Send + Sync> {
    let gauge = Arc::clone(gauge);
    Arc::new(move |event| {
        if let Event::Progress(progress) = &event {
            *gauge.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
        }
        next(event);
    })
}

impl Registry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job that begins to run; `statement` is what it does, `detached` whether nobody waits.
    pub fn add(
        &self,
        id: JobId,
        (cancellation, progress): (Cancellation, Gauge),
        statement: JobStatement,
        detached: bool,
    ) -> Arc<RunningJob> {
        let job =
            Arc::new(RunningJob { id, cancellation, progress, done: watch::channel(false).0 });
        let mut state = self.state();
        state.statements.insert(id, statement);
        state.running.insert(id, Arc::clone(&job));
        if detached {
            state.unseen.insert(id, None);
        }
        job
    }

    /// Takes out a job that has stopped; `paused` if it can go on, `error` if that is news to whoever
    /// started it.
    pub fn remove(&self, job: &RunningJob, paused: bool, error: Option<Error>) {
        let mut state = self.state();
        state.running.remove(&job.id);
        if !paused {
            state.statements.remove(&job.id);
        }
        if let Some(seen) = state.unseen.get_mut(&job.id) {
            *seen = error;
        }
        drop(state);
        job.done.send_replace(true);
    }

    /// Returns the job with this id, if it runs.
    pub fn running(&self, id: JobId) -> Option<Arc<RunningJob>> {
        self.state().running.get(&id).cloned()
    }

    /// Returns all jobs that run.
    pub fn all(&self) -> Vec<Arc<RunningJob>> {
        self.state().running.values().cloned().collect()
    }

    /// Returns what a job does, secrets included, if it has run in this process and has not ended.
    pub fn statement(&self, id: JobId) -> Option<JobStatement> {
        self.state().statements.get(&id).cloned()
    }

    /// Forgets what a job does, when it has ended.
    pub fn forget(&self, id: JobId) {
        self.state().statements.remove(&id);
    }

    /// Returns the detached jobs that nobody has waited for so far.
    pub fn detached(&self) -> Vec<JobId> {
        self.state().unseen.keys().copied().collect()
    }

    /// Returns the error that a detached job stopped with, and forgets the job.
    pub fn take_error(&self, id: JobId) -> Option<Error> {
        self.state().unseen.remove(&id).flatten()
    }
}

impl RunningJob {
    /// Asks the job to stop for good.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }

    /// Asks the job to stop where it can go on later.
    pub fn pause(&self, reason: &str) {
        self.cancellation.pause(reason);
    }

    /// Returns whether the job was asked to stop, by a pause or for good.
    pub fn is_stopping(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Returns whether the job was asked to pause.
    pub fn is_pausing(&self) -> bool {
        self.cancellation.pause_reason().is_some()
    }

    /// Returns how far it is, if it has told.
    pub fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the job has stopped.
    pub fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Completes when the job has stopped.
    pub async fn stopped(&self) {
        let mut done = self.done.subscribe();
        // The sender is this value: it cannot be gone.
        let _ = done.wait_for(|done| *done).await;
    }
}
