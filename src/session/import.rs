//! IMPORT and IMPORT INTO: the job runs on a thread of its own while the session waits.

use std::sync::Arc;

use super::clock::SYSTEM;
use super::execute::done;
use super::show::{Cell, Table};
use super::{Events, Outcome, Session};
use crate::error::{Error, Result};
use crate::job::JobContext;
use crate::job::import::{self, Imported};
use crate::plan;

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

    /// Runs an import on a thread that may block.
    async fn import(&mut self, import: plan::Import, events: &Events) -> Result<Imported> {
        let context = self.job_context(events);
        tokio::task::spawn_blocking(move || import::run(&context, &import))
            .await
            .map_err(|error| Error::internal("an import ended early").caused_by(error))?
    }
}

impl Session {
    pub(super) async fn run_import_dump(
        &mut self,
        import: plan::ImportDump,
        events: &Events,
    ) -> Result<Outcome> {
        let mut context = self.job_context(events);
        context.query.database.clone_from(&import.database_name);
        let imported = tokio::task::spawn_blocking(move || import::run_dump(&context, &import))
            .await
            .map_err(|error| Error::internal("an import ended early").caused_by(error))??;
        Ok(Outcome::Rows { rows: result(&imported).into_rows()?, tag: "" })
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
    table.row([
        Cell::Int(imported.job.0.cast_signed()),
        "succeeded".into(),
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
