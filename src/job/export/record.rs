//! The job record of an export: written when it starts and when it ends.

use crate::catalog::{JobId, JobRecord, JobStatus};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::plan;
use crate::source::OutputDirectory;

/// Keeps the job record of one export, unless the database is open read-only.
pub(super) struct ExportLog(Option<JobRecord>);

impl ExportLog {
    /// Records that the export runs.
    pub(super) fn start(
        context: &JobContext,
        job: JobId,
        export: &plan::Export,
        output: &OutputDirectory,
    ) -> Result<Self> {
        if context.store.is_read_only() {
            return Ok(Self(None));
        }
        let now = context.query.now;
        let record = JobRecord {
            id: job,
            job_type: "EXPORT".to_owned(),
            description: export.description.clone(),
            user: context.query.user.clone(),
            status: JobStatus::Running,
            running_status: Some("exporting".to_owned()),
            created: now,
            started: Some(now),
            finished: None,
            modified: now,
            fraction_completed: 0.0,
            error: None,
            temp_directories: output
                .temporary_path()
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect(),
            resume: None,
            checkpoints: 0,
            rejected: 0,
            outputs: Vec::new(),
        };
        context.store.update(|changes| changes.put_job(&record))?;
        Ok(Self(Some(record)))
    }

    /// Records success.
    pub(super) fn succeed(&mut self, context: &JobContext) -> Result {
        let Some(record) = &mut self.0 else { return Ok(()) };
        end(record, context, JobStatus::Succeeded);
        record.fraction_completed = 1.0;
        context.store.update(|changes| changes.put_job(record))
    }

    /// Records that the export failed; what cannot be recorded is found at the next open.
    pub(super) fn fail(self, context: &JobContext, error: &Error) {
        let Some(mut record) = self.0 else { return };
        let cancelled = error.code() == SqlState::QUERY_CANCELED;
        end(&mut record, context, if cancelled { JobStatus::Canceled } else { JobStatus::Failed });
        record.error = Some(error.message().to_owned());
        record.fraction_completed = 0.0;
        let _ = context.store.update(|changes| changes.put_job(&record));
    }
}

fn end(record: &mut JobRecord, context: &JobContext, status: JobStatus) {
    let now = context.clock.now();
    record.status = status;
    record.running_status = None;
    record.finished = Some(now);
    record.modified = now;
    record.temp_directories.clear();
}
