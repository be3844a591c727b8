//! EXPORT and COPY TO: the job writes the rows of a query while the session waits.

use super::execute::done;
use super::show::{Cell, Table};
use super::{Events, Outcome, RowFormatter, Session};
use crate::error::{Error, Result};
use crate::job::export::{self, Exported};
use crate::plan::{self, ExportFormat, ExportResult, Query};

impl Session {
    pub(super) async fn run_export(
        &mut self,
        export: plan::Export,
        events: &Events,
    ) -> Result<Outcome> {
        let result_of = export.result;
        let exported = self.export(export, events).await?;
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

    /// Runs an export on a thread that may block.
    async fn export(&mut self, export: plan::Export, events: &Events) -> Result<Exported> {
        let context = self.job_context(events);
        let rows = self.run_query(&export.query).await?;
        tokio::task::spawn_blocking(move || export::run(&context, &export, rows))
            .await
            .map_err(|error| Error::internal("an export ended early").caused_by(error))?
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
