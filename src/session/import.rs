//! IMPORT, IMPORT INTO and COPY FROM: the job runs on a thread of its own while the session waits, or
//! goes on if it is detached.

use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::clock::SYSTEM;
use super::execute::done;
use super::show::{Cell, Table};
use super::{Events, Outcome, Session, TransactionState};
use crate::catalog::JobStatus;
use crate::error::{Error, Result};
use crate::job::import::{self, Imported, Origin, Started};
use crate::job::registry::{Gauge, Registry, RunningJob, gauged};
use crate::job::{Cancellation, Event, JobContext};
use crate::plan;
use crate::query::QueryContext;
use crate::source::Access;
use crate::store::Store;

/// A job that has begun and waits for a thread, or for the end of a transaction.
pub(super) struct Waiting {
    started: Started,
    import: plan::Import,
    controls: (Cancellation, Gauge),
}

impl Waiting {
    /// Forgets the job.
    pub(super) fn forget(self) {
        self.started.forget();
    }
}

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

    pub(super) async fn run_import(
        &mut self,
        import: plan::Import,
        events: &Events,
    ) -> Result<Outcome> {
        if import.detached {
            return self.import_detached(import, events).await;
        }
        let imported = self.import(import, events).await?;
        Ok(Outcome::Rows { rows: result(&imported).into_rows()?, tag: "" })
    }

    pub(super) async fn run_copy_from(
        &mut self,
        import: plan::Import,
        events: &Events,
    ) -> Result<Outcome> {
        let imported = self.import(import, events).await?;
        Ok(done(format!("COPY {}", imported.rows)))
    }

    /// Runs an import and waits for it.
    async fn import(&mut self, import: plan::Import, events: &Events) -> Result<Imported> {
        let origin = Origin::Statement { secrets: self.secrets, pending: false };
        let query = self.query_context();
        let waiting = self.begin(import, origin, (query, events, false)).await?;
        let ran = self.launch(waiting, false).await;
        let ran = ran.map_err(|error| Error::internal("an import ended early").caused_by(error));
        ran?.ok_or_else(|| Error::internal("an import told nothing"))?
    }

    /// Starts an import that nobody waits for, at the end of the transaction if one is open.
    async fn import_detached(&mut self, import: plan::Import, events: &Events) -> Result<Outcome> {
        let pending = self.transaction != TransactionState::Idle;
        let origin = Origin::Statement { secrets: self.secrets, pending };
        let query = self.query_context();
        let waiting = self.begin(import, origin, (query, events, true)).await?;
        let mut table = Table::new(&["job_id"]);
        table.row([Cell::Int(waiting.started.job().0.cast_signed())]);
        if pending {
            self.pending.push(waiting);
        } else {
            self.launch(waiting, true);
        }
        Ok(Outcome::Rows { rows: table.into_rows()?, tag: "" })
    }

    pub(super) async fn run_import_dump(
        &mut self,
        import: plan::ImportDump,
        events: &Events,
    ) -> Result<Outcome> {
        let mut context = self.job_context(events);
        context.query.database.clone_from(&import.database_name);
        let imported = spawn_blocking(move || import::run_dump(&context, &import))
            .await
            .map_err(|error| Error::internal("an import ended early").caused_by(error))??;
        Ok(Outcome::Rows { rows: result(&imported).into_rows()?, tag: "" })
    }

    /// Opens the files of an import and records it as a job.
    pub(super) async fn begin(
        &self,
        import: plan::Import,
        origin: Origin,
        (query, events, detached): (QueryContext, &Events, bool),
    ) -> Result<Waiting> {
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
        let again = import.clone();
        let mut starting = spawn_blocking(move || import::start(context, again, origin));
        let started = tokio::select! {
            started = &mut starting => started,
            () = self.cancel.cancelled() => {
                cancellation.cancel();
                starting.await
            }
        };
        let started = started
            .map_err(|error| Error::internal("an import ended early").caused_by(error))??;
        Ok(Waiting { started, import, controls: (cancellation, gauge) })
    }

    /// Runs a job on a thread of its own. If it is `detached`, its error is kept for whoever asks.
    pub(super) fn launch(
        &self,
        waiting: Waiting,
        detached: bool,
    ) -> JoinHandle<Option<Result<Imported>>> {
        let Waiting { started, import, controls } = waiting;
        let job = self.jobs.add(started.job(), controls, &import, detached);
        let (registry, store) = (Arc::clone(&self.jobs), Arc::clone(&self.store));
        let leaving = Leaving { registry, job, store: Some(store), error: None };
        spawn_blocking(move || {
            let outcome = started.run();
            if !detached {
                drop(leaving);
                return Some(outcome);
            }
            leaving.note(outcome.err());
            None
        })
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

/// Returns the result row (spec/import.md section 4, "Result row").
fn result(imported: &Imported) -> Table {
    let mut table = Table::new(&[
        "job_id",
        "status",
        "fraction_completed",
        "rows",
        "index_entries",
        "system_records",
        "bytes",
    ]);
    let status = match imported.trial {
        None => "succeeded",
        Some(trial) if trial.would_fail => "would fail",
        Some(_) => "would succeed",
    };
    let job = Cell::Int(imported.job.0.cast_signed());
    table.row([
        if imported.trial.is_some() { Cell::Null } else { job },
        status.into(),
        Cell::Float(1.0),
        Cell::Int(imported.rows.cast_signed()),
        Cell::Int(imported.index_entries.cast_signed()),
        Cell::Int(0),
        Cell::Int(imported.bytes.cast_signed()),
    ]);
    table
}

/// Returns a place for events that nobody looks at.
pub(super) fn no_events() -> Events {
    Arc::new(|_| {})
}
