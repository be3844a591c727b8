//! The job record of an import: written when it starts, when it is published (in the same commit),
//! and when it fails.

use crate::catalog::{JobId, JobRecord, JobStatus};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::source::TempDirectory;

/// Keeps the job record of one import.
pub(crate) struct JobLog {
    record: JobRecord,
}

impl JobLog {
    /// Records that the import runs.
    pub(crate) fn start(
        context: &JobContext,
        job: JobId,
        description: &str,
        temp: &TempDirectory,
    ) -> Result<Self> {
        let now = context.query.now;
        let record = JobRecord {
            id: job,
            job_type: "IMPORT".to_owned(),
            description: description.to_owned(),
            user: context.query.user.clone(),
            status: JobStatus::Running,
            running_status: Some("reading".to_owned()),
            created: now,
            started: Some(now),
            finished: None,
            modified: now,
            fraction_completed: 0.0,
            error: None,
            temp_directories: vec![temp.record()],
        };
        context.store.update(|changes| changes.put_job(&record))?;
        Ok(Self { record })
    }

    /// Returns the record of success, for the publishing commit; `left` says that temporary files were
    /// left, of which the record then goes on to tell.
    pub(crate) fn succeeded(&mut self, context: &JobContext, left: bool) -> JobRecord {
        self.end(context, JobStatus::Succeeded, left);
        self.record.fraction_completed = 1.0;
        self.record.clone()
    }

    /// Records that the import failed; what cannot be recorded is found at the next open.
    pub(crate) fn fail(mut self, context: &JobContext, error: &Error, left: bool) {
        let cancelled = error.code() == SqlState::QUERY_CANCELED;
        let status = if cancelled { JobStatus::Canceled } else { JobStatus::Failed };
        self.end(context, status, left);
        self.record.error = Some(error.message().to_owned());
        self.record.fraction_completed = 0.0;
        let _ = context.store.update(|changes| changes.put_job(&self.record));
    }

    fn end(&mut self, context: &JobContext, status: JobStatus, left: bool) {
        let now = context.clock.now();
        self.record.status = status;
        self.record.running_status = None;
        self.record.finished = Some(now);
        self.record.modified = now;
        if !left {
            self.record.temp_directories.clear();
        }
    }
}
