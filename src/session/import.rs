//! IMPORT, IMPORT INTO and COPY FROM: the job runs on a thread of its own while the session waits, or
//! goes on if it is detached.

use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::execute::done;
use super::launch::Controls;
use super::show::{Cell, Table};
use super::{Events, Outcome, Session, TransactionState};
use crate::error::{Error, Result};
use crate::job::import::{self, Imported, Origin, Started};
use crate::job::registry::JobStatement;
use crate::plan;
use crate::query::QueryContext;

/// A job that has begun and waits for a thread, or for the end of a transaction.
pub(super) struct Waiting {
    started: Started,
    import: plan::Import,
    controls: Controls,
}

impl Waiting {
    /// Forgets the job.
    pub(super) fn forget(self) {
        self.started.forget();
    }
}

impl Session {
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
        self.wait_for_outcome(self.launch(waiting, false)).await
    }

    /// Starts an import that nobody waits for, at the end of the transaction if one is open.
    async fn import_detached(&mut self, import: plan::Import, events: &Events) -> Result<Outcome> {
        let pending = self.transaction != TransactionState::Idle;
        self.require_nothing_written("IMPORT")?;
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
        asked: (QueryContext, &Events, bool),
    ) -> Result<Waiting> {
        let (context, controls) = self.controlled(asked)?;
        let again = import.clone();
        let begin = move || import::start(context, again, origin);
        let started = self.begin_job(&controls, begin).await?;
        Ok(Waiting { started, import, controls })
    }

    /// Runs an import on a thread of its own. If it is `detached`, its error is kept for whoever asks.
    pub(super) fn launch(
        &self,
        waiting: Waiting,
        detached: bool,
    ) -> JoinHandle<Option<Result<Imported>>> {
        let Waiting { started, import, controls } = waiting;
        let job = (started.job(), JobStatement::Import(Box::new(import)));
        self.run_job(job, controls, detached, move || started.run())
    }
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
