//! The job record of an index build: written when it starts, when the index is published (in the same
//! commit), and when it fails, is canceled or paused.

use crate::catalog::{JobId, JobRecord, JobResume, JobStatus};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::job::import::Origin;
use crate::plan;
use crate::source::TempDirectory;
use crate::store::Changes;

/// What the job does.
const BUILDING: &str = "indexing";

/// Keeps the job record of one index build.
pub(super) struct IndexLog {
    record: JobRecord,
}

impl IndexLog {
    /// Records that the build runs.
    pub(super) fn start(
        context: &JobContext,
        job: JobId,
        create: &plan::CreateIndex,
        temp: &TempDirectory,
        origin: Origin,
    ) -> Result<Self> {
        let mut record = match origin {
            Origin::Statement { .. } => new_record(context, job, create),
            Origin::Record(record) => JobRecord {
                status: JobStatus::Running,
                running_status: Some(BUILDING.to_owned()),
                modified: context.clock.now(),
                ..*record
            },
        };
        record.temp_directories = vec![temp.record()];
        context.store.update(|changes| changes.put_job(&record))?;
        Ok(Self { record })
    }

    /// Returns the job.
    pub(super) fn job(&self) -> JobId {
        self.record.id
    }

    /// Writes the record of success with the publishing commit; `left` says that temporary files were
    /// left.
    pub(super) fn succeed(
        &self,
        context: &JobContext,
        changes: &mut Changes<'_>,
        left: bool,
    ) -> Result {
        let mut ended = self.ended(context, JobStatus::Succeeded, left);
        ended.fraction_completed = 1.0;
        changes.put_job(&ended)
    }

    /// Records that the build failed or was canceled; what cannot be recorded is found at the next open.
    pub(super) fn fail(&self, context: &JobContext, error: &Error, left: bool) {
        let cancelled = error.code() == SqlState::QUERY_CANCELED;
        let status = if cancelled { JobStatus::Canceled } else { JobStatus::Failed };
        let mut ended = self.ended(context, status, left);
        ended.error = Some(match error.detail_text() {
            Some(detail) => format!("{} ({detail})", error.message()),
            None => error.message().to_owned(),
        });
        let _ = context.store.update(|changes| changes.put_job(&ended));
    }

    /// Records that the build is paused, and why.
    pub(super) fn pause(&self, context: &JobContext, reason: &str, left: bool) -> Result {
        let mut paused = self.record.clone();
        paused.status = JobStatus::Paused;
        paused.running_status = Some(reason.to_owned());
        paused.modified = context.clock.now();
        paused.temp_directories.retain(|_| left);
        context.store.update(|changes| changes.put_job(&paused))
    }

    fn ended(&self, context: &JobContext, status: JobStatus, left: bool) -> JobRecord {
        let mut record = self.record.clone();
        record.end(status, context.clock.now());
        record.temp_directories.retain(|_| left);
        record
    }
}

fn new_record(context: &JobContext, id: JobId, create: &plan::CreateIndex) -> JobRecord {
    let told = ("CREATE INDEX", create.description.as_str());
    JobRecord {
        running_status: Some(BUILDING.to_owned()),
        resume: Some(JobResume {
            database: context.query.database.clone(),
            time_zone: context.query.time_zone.clone(),
            table: create.table.id,
            secrets: false,
            directory: None,
        }),
        ..JobRecord::begun(id, told, &context.query.user, context.query.now)
    }
}
