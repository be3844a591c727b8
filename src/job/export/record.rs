//! The job record of an export: written when it starts, before its files appear, and when it ends or is
//! paused.

use std::path::Path;

use crate::catalog::{JobId, JobRecord, JobResume, JobStatus, TableId};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::job::import::Origin;
use crate::job::output::describe_outputs;
use crate::plan;
use crate::source::{OutputDirectory, remove_temp_leftover};

/// What an export does before its files are whole.
const EXPORTING: &str = "exporting";

/// Keeps the job record of one export, unless the database is open read-only.
pub(super) struct ExportLog(Option<JobRecord>);

impl ExportLog {
    /// Records that the export runs.
    pub(super) fn start(
        context: &JobContext,
        job: JobId,
        (export, output): (&plan::Export, &OutputDirectory),
        origin: Origin,
    ) -> Result<Self> {
        if context.store.is_read_only() {
            return Ok(Self(None));
        }
        let mut record = match origin {
            Origin::Statement { secrets, .. } => new_record(context, job, export, secrets),
            Origin::Record(mut record) => {
                record.status = JobStatus::Running;
                record.running_status = Some(EXPORTING.to_owned());
                record.modified = context.clock.now();
                *record
            }
        };
        let temporary = output.temporary_path();
        let temporary = temporary.iter().map(|path| path.to_string_lossy().into_owned());
        record.temp_directories.extend(temporary);
        context.store.update(|changes| changes.put_job(&record))?;
        Ok(Self(Some(record)))
    }

    /// Notes the files that are about to appear, so that a crash does not leave some of them. What lies
    /// on another machine needs credentials to be removed.
    pub(super) fn note_outputs(
        &mut self,
        context: &JobContext,
        output: &OutputDirectory,
        names: &[String],
    ) -> Result {
        let (Some(record), Some(directory)) = (&mut self.0, output.temporary_path()) else {
            return Ok(());
        };
        record.outputs = vec![describe_outputs(&directory, names)];
        record.modified = context.clock.now();
        context.store.update(|changes| changes.put_job(record))
    }

    /// Records success; `left` says that the temporary directory is still there.
    pub(super) fn succeed(&mut self, context: &JobContext, left: bool) -> Result {
        let Some(record) = &mut self.0 else { return Ok(()) };
        let mut ended = record.clone();
        ended.end(JobStatus::Succeeded, context.clock.now());
        ended.fraction_completed = 1.0;
        if !left {
            ended.temp_directories.clear();
        }
        context.store.update(|changes| changes.put_job(&ended))?;
        *record = ended;
        Ok(())
    }

    /// Takes temporary directories that are gone out of the record of an export that has succeeded. What
    /// cannot be recorded is done at the next open.
    pub(super) fn tidy(self, context: &JobContext) {
        let Some(mut record) = self.0 else { return };
        if forget_directories(&mut record) {
            let _ = context.store.update(|changes| changes.put_job(&record));
        }
    }

    /// Records that the export was paused, was canceled or has failed, and that nothing is left of it;
    /// returns what to tell whoever waits for it. What cannot be recorded is found at the next open.
    pub(super) fn stop(self, context: &JobContext, error: Error) -> Error {
        let Some(mut record) = self.0 else { return error };
        forget_directories(&mut record);
        let cancelled = error.code() == SqlState::QUERY_CANCELED;
        let reason = context.cancellation.pause_reason().filter(|_| cancelled);
        if let Some(reason) = reason {
            record.status = JobStatus::Paused;
            record.running_status = Some(reason);
            record.outputs.clear();
            record.modified = context.clock.now();
            let job = record.id;
            return match context.store.update(|changes| changes.put_job(&record)) {
                Ok(()) => error.hint(format!("RESUME JOB {job} lets it begin again.")),
                Err(failed) => failed,
            };
        }
        let status = if cancelled { JobStatus::Canceled } else { JobStatus::Failed };
        record.end(status, context.clock.now());
        record.error = Some(error.message().to_owned());
        let _ = context.store.update(|changes| changes.put_job(&record));
        error
    }
}

/// Cancels an export that is paused.
pub fn abandon(context: &JobContext, mut record: JobRecord) -> Result {
    for directory in &record.temp_directories {
        remove_temp_leftover(Path::new(directory)).map_err(|error| {
            let job = record.id;
            error.map_message(|cause| {
                format!(
                    "job {job}: cannot be reverted, manual cleanup may be required: rolling back \
                     partially completed EXPORT: {cause}"
                )
            })
        })?;
    }
    record.temp_directories.clear();
    record.end(JobStatus::Canceled, context.clock.now());
    record.error = Some("job canceled".to_owned());
    context.store.update(|changes| changes.put_job(&record))
}

/// Returns the record of an export that begins.
fn new_record(context: &JobContext, id: JobId, export: &plan::Export, secrets: bool) -> JobRecord {
    let directory = context.access.working_directory().to_string_lossy();
    let told = ("EXPORT", export.description.as_str());
    JobRecord {
        running_status: Some(EXPORTING.to_owned()),
        resume: Some(JobResume {
            database: context.query.database.clone(),
            time_zone: context.query.time_zone.clone(),
            table: TableId(0),
            secrets,
            directory: (!export.query.files.is_empty()).then(|| directory.into_owned()),
        }),
        ..JobRecord::begun(id, told, &context.query.user, context.query.now)
    }
}

/// Takes temporary directories that are gone out of a record; returns whether there were any.
fn forget_directories(record: &mut JobRecord) -> bool {
    let before = record.temp_directories.len();
    record.temp_directories.retain(|path| Path::new(path).symlink_metadata().is_ok());
    record.temp_directories.len() < before
}
