//! EXPORT and COPY TO: the job writes the rows of a query while the session waits, or goes on if it is
//! detached.

use tokio::task::JoinHandle;

use super::execute::done;
use super::launch::Controls;
use super::show::{Cell, Table};
use super::{Events, Outcome, RowFormatter, Session};
use crate::error::Result;
use crate::job::export::{self, Exported, Started};
use crate::job::import::Origin;
use crate::job::registry::JobStatement;
use crate::plan::{self, ExportFormat, ExportResult, Query};
use crate::query::QueryContext;

/// An export that has begun and waits for a thread.
pub(super) struct WaitingExport {
    started: Started,
    export: Box<plan::Export>,
    controls: Controls,
}

impl Session {
    pub(super) async fn run_export(
        &mut self,
        export: Box<plan::Export>,
        events: &Events,
    ) -> Result<Outcome> {
        let (result_of, detached) = (export.result, export.detached);
        let origin = Origin::Statement { secrets: self.secrets, pending: false };
        let asked = (self.query_context(), events, detached);
        let waiting = self.begin_export(export, origin, asked).await?;
        if detached {
            let mut table = Table::new(&["job_id"]);
            table.row([Cell::Int(waiting.started.job().0.cast_signed())]);
            self.launch_export(waiting, true);
            return Ok(Outcome::Rows { rows: table.into_rows()?, tag: "" });
        }
        let exported = self.wait_for_outcome(self.launch_export(waiting, false)).await?;
        if result_of == ExportResult::Count {
            let rows: u64 = exported.files.iter().map(|file| file.rows).sum();
            return Ok(done(format!("COPY {rows}")));
        }
        Ok(Outcome::Rows { rows: result(&exported).into_rows()?, tag: "" })
    }

    /// Starts a query whose rows are printed as text.
    pub(super) async fn run_copy_out(
        &mut self,
        query: &Query,
        format: &ExportFormat,
    ) -> Result<Outcome> {
        let rows = self.run_query(query).await?;
        let formatter = RowFormatter::new(format, rows.schema())?;
        Ok(Outcome::Copy { rows, formatter })
    }

    /// Starts the query of an export, opens its place and records it as a job.
    pub(super) async fn begin_export(
        &self,
        export: Box<plan::Export>,
        origin: Origin,
        asked: (QueryContext, &Events, bool),
    ) -> Result<WaitingExport> {
        let (context, controls) = self.controlled(asked)?;
        let again = plan::Export::clone(&export);
        let begin = move || export::start(context, again, origin);
        let started = self.begin_job(&controls, begin).await?;
        Ok(WaitingExport { started, export, controls })
    }

    /// Runs an export on a thread of its own. If it is `detached`, its error is kept for whoever asks.
    pub(super) fn launch_export(
        &self,
        waiting: WaitingExport,
        detached: bool,
    ) -> JoinHandle<Option<Result<Exported>>> {
        let WaitingExport { started, export, controls } = waiting;
        let job = (started.job(), JobStatement::Export(export));
        self.run_job(job, controls, detached, move || started.run())
    }
}

/// Returns the result rows (spec/import.md section 2.6).
fn result(exported: &Exported) -> Table {
    let mut table = Table::new(&["filename", "rows", "bytes"]);
    for file in &exported.files {
        table.row([
            file.name.as_str().into(),
            Cell::Int(file.rows.cast_signed()),
            Cell::Int(file.bytes.cast_signed()),
        ]);
    }
    table
}
