//! Jobs on threads of their own: they begin there, run while the session waits, or go on if they are
//! detached.

use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::clock::SYSTEM;
use super::{Events, Session};
use crate::catalog::{JobId, JobStatus};
use crate::error::{Error, Result};
use crate::job::registry::{Gauge, JobStatement, Registry, RunningJob, gauged};
use crate::job::{Cancellation, Event, JobContext};
use crate::query::QueryContext;
use crate::source::Access;
use crate::store::Store;

/// How a job is told to stop, and asked how far it is.
pub(super) type Controls = (Cancellation, Gauge);

impl Session {
    /// Returns what a job of this statement works with.
    pub(super) fn job_context(&self, events: &Events) -> JobContext {
        JobContext {
            store: Arc::clone(&self.store),
            engine: Arc::clone(&self.engine),
            query: self.query_context(),
            access: Arc::clone(&self.access),
            memory: self.options.memory,
            threads: self.threads,
            max_temp: self.options.max_disk_temp_storage,
            clock: SYSTEM,
            cancellation: self.cancel.cancellation.clone(),
            events: Arc::clone(events),
        }
    }

    /// Returns what a job works with that can be controlled by itself.
    pub(super) fn controlled(
        &self,
        (query, events, detached): (QueryContext, &Events, bool),
    ) -> Result<(JobContext, Controls)> {
        let above = (!detached).then_some(&self.cancel.cancellation);
        let cancellation = Cancellation::of_job(above);
        let gauge = Gauge::default();
        let next = Arc::clone(events);
        let events = gauged(&gauge, move |event| match event {
            // Nobody watches a bar when the statement is over.
            Event::Progress(_) if detached => {}
            event => next(event),
        });
        let context = JobContext {
            access: Arc::new(job_access(&self.access, &query.user, &cancellation)?),
            query,
            cancellation: cancellation.clone(),
            ..self.job_context(&events)
        };
        Ok((context, (cancellation, gauge)))
    }

    /// Does on a thread that may block what begins a job; the job is told to stop if the statement is
    /// cancelled meanwhile.
    pub(super) async fn begin_job<T: Send + 'static>(
        &self,
        (cancellation, _): &Controls,
        begin: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut beginning = spawn_blocking(begin);
        let begun = tokio::select! {
            begun = &mut beginning => begun,
            () = self.cancel.cancelled() => {
                cancellation.cancel();
                beginning.await
            }
        };
        begun.map_err(|error| Error::internal("a job ended early").caused_by(error))?
    }

    /// Runs a job on a thread of its own. If it is `detached`, its error is kept for whoever asks.
    pub(super) fn run_job<T: Send + 'static>(
        &self,
        (id, statement): (JobId, JobStatement),
        controls: Controls,
        detached: bool,
        run: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> JoinHandle<Option<Result<T>>> {
        let job = self.jobs.add(id, controls, statement, detached);
        let (registry, store) = (Arc::clone(&self.jobs), Arc::clone(&self.store));
        let leaving = Leaving { registry, job, store: Some(store), error: None };
        spawn_blocking(move || {
            let outcome = run();
            if !detached {
                drop(leaving);
                return Some(outcome);
            }
            leaving.note(outcome.err());
            None
        })
    }

    /// Waits for a job that somebody waits for.
    pub(super) async fn wait_for_outcome<T>(
        &self,
        running: JoinHandle<Option<Result<T>>>,
    ) -> Result<T> {
        let ended = running.await;
        let ended = ended.map_err(|error| Error::internal("a job ended early").caused_by(error));
        ended?.ok_or_else(|| Error::internal("a job told nothing"))?
    }
}

/// Takes a job out of the registry when it stops, however it does.
struct Leaving {
    registry: Arc<Registry>,
    job: Arc<RunningJob>,
    store: Option<Arc<Store>>,
    error: Option<Error>,
}

impl Leaving {
    /// Keeps the error of a job that was not asked to stop, and takes the job out.
    fn note(mut self, error: Option<Error>) {
        self.error = error.filter(|_| !self.job.is_stopping());
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let record = self.store.take().and_then(|store| store.job(self.job.id).ok().flatten());
        let paused = record.is_some_and(|record| record.status == JobStatus::Paused);
        self.registry.remove(&self.job, paused, self.error.take());
    }
}

/// Returns access to places as a job of `user` has it: its requests end when the job is stopped.
fn job_access(access: &Access, user: &str, cancellation: &Cancellation) -> Result<Access> {
    let cancellation = cancellation.clone();
    let access = access.with_explicit_only(user != crate::catalog::ROOT);
    access.with_stop(Arc::new(move || cancellation.check()))
}
