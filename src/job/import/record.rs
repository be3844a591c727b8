//! The job record of an import: written when it starts, when it is published (in the same commit),
//! and when it fails, is canceled or paused.

use std::path::Path;

use super::temp::close_temp;
use crate::catalog::{JobId, JobOutput, JobRecord, JobResume, JobStatus, TableId};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::plan;
use crate::source::{TempDirectory, remove_temp_leftover};
use crate::store::{Changes, Segment};

/// Where an import comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A statement.
    Statement {
        /// Whether it held secrets, which its record lacks.
        secrets: bool,
        /// Whether the job waits for the end of a transaction.
        pending: bool,
    },
    /// The record of a job that was paused.
    Record(Box<JobRecord>),
}

/// Keeps the job record of one import.
pub(crate) struct JobLog {
    record: JobRecord,
    /// The name of its temporary directory.
    temp: String,
    /// Whether nobody is to know of the job.
    dry: bool,
}

impl JobLog {
    /// Records that the import runs, unless it is only tried.
    pub(crate) fn start(
        context: &JobContext,
        (job, table): (JobId, TableId),
        import: &plan::Import,
        temp: &TempDirectory,
        origin: Origin,
    ) -> Result<Self> {
        let mut record = match origin {
            Origin::Statement { secrets, pending } => JobRecord {
                resume: Some(JobResume {
                    database: context.query.database.clone(),
                    time_zone: context.query.time_zone.clone(),
                    table,
                    secrets,
                    directory: None,
                }),
                ..new_record(context, job, &import.description, pending)
            },
            Origin::Record(mut record) => {
                record.status = JobStatus::Running;
                record.modified = context.clock.now();
                record.started = record.started.or(Some(record.modified));
                *record
            }
        };
        if record.status == JobStatus::Running {
            record.running_status = Some("reading".to_owned());
        }
        // What it left on another machine when it ran before is removed by a later import.
        let temp = temp.record();
        record.temp_directories.retain(|path| !is_local(path) && *path != temp);
        record.temp_directories.push(temp.clone());
        let log = Self { record, temp, dry: import.tolerance.dry_run };
        log.put(context)?;
        Ok(log)
    }

    /// Records that the import of a dump runs, which cannot be resumed.
    pub(crate) fn start_dump(
        context: &JobContext,
        job: JobId,
        description: &str,
        temp: &TempDirectory,
    ) -> Result<Self> {
        let mut record = new_record(context, job, description, false);
        record.running_status = Some("reading".to_owned());
        let temp = temp.record();
        record.temp_directories.push(temp.clone());
        let log = Self { record, temp, dry: false };
        log.put(context)?;
        Ok(log)
    }

    /// Writes the record, unless nobody is to know of the job.
    fn put(&self, context: &JobContext) -> Result {
        if self.dry {
            return Ok(());
        }
        context.store.update(|changes| changes.put_job(&self.record))
    }

    /// Notes how many rows were left out.
    pub(crate) fn note_rejected(&mut self, rows: u64) {
        self.record.rejected = rows;
    }

    /// Returns whether the job can go on from a checkpoint.
    pub(crate) fn can_be_resumed(&self) -> bool {
        self.record.resume.is_some() && !self.dry
    }

    /// Notes files that are about to appear.
    pub(crate) fn note_outputs(&mut self, context: &JobContext, outputs: Vec<JobOutput>) -> Result {
        if outputs.is_empty() {
            return Ok(());
        }
        self.record.outputs = outputs;
        self.put(context)
    }

    /// Returns whether nobody is to know of the job.
    pub(crate) fn is_dry(&self) -> bool {
        self.dry
    }

    /// Returns the job.
    pub(crate) fn job(&self) -> JobId {
        self.record.id
    }

    /// Returns the record as it was written last.
    pub(crate) fn record(&self) -> &JobRecord {
        &self.record
    }

    /// Records that an import runs which waited for the end of a transaction.
    pub(crate) fn begin(&mut self, context: &JobContext) -> Result {
        let now = context.clock.now();
        self.record.status = JobStatus::Running;
        self.record.running_status = Some("reading".to_owned());
        self.record.started = Some(now);
        self.record.modified = now;
        self.put(context)
    }

    /// Writes the record of success with the publishing commit; `left` says that temporary files were
    /// left, of which the record then goes on to tell.
    pub(crate) fn succeed(
        &mut self,
        context: &JobContext,
        changes: &mut Changes<'_>,
        left: bool,
    ) -> Result {
        let mut ended = self.ended(context, JobStatus::Succeeded, left);
        ended.fraction_completed = 1.0;
        changes.remove_checkpoints(ended.id, self.record.checkpoints);
        changes.put_job(&ended)
    }

    /// Adds a checkpoint: segments, whatever the import needs besides, and how much of it is done.
    pub(crate) fn checkpoint(
        &mut self,
        context: &JobContext,
        segments: (TableId, &[&Segment]),
        body: &[u8],
        fraction: f64,
    ) -> Result {
        let number = self.record.checkpoints;
        let mut record = self.record.clone();
        record.checkpoints += 1;
        record.fraction_completed = fraction;
        record.modified = context.clock.now();
        context.store.update(|changes| {
            changes.put_checkpoint((record.id, number), segments, body);
            changes.put_job(&record)
        })?;
        self.record = record;
        Ok(())
    }

    /// Removes the temporary files and records that the import failed or was canceled; what cannot be
    /// recorded is found at the next open.
    pub(crate) fn fail(&mut self, context: &JobContext, error: &Error, temp: &TempDirectory) {
        let cancelled = error.code() == SqlState::QUERY_CANCELED;
        let status = if cancelled { JobStatus::Canceled } else { JobStatus::Failed };
        let needed = self.needs(temp);
        let left = needed || close_temp(context, temp);
        let recorded = self.give_up(context, (status, error.message()), left).is_ok();
        if needed && recorded {
            self.remove_temp(context, temp);
        } else if needed {
            // The next open finds a job that can go on.
            temp.keep();
        }
    }

    /// Returns whether checkpoints name files in the temporary directory, which must be there until the
    /// job's end is recorded.
    pub(crate) fn needs(&self, temp: &TempDirectory) -> bool {
        self.record.checkpoints > 0 && !temp.is_kept()
    }

    /// Removes the temporary directory of a job whose end is recorded, and then its name from the
    /// record. After a crash before that, the next open does it.
    pub(crate) fn remove_temp(&self, context: &JobContext, temp: &TempDirectory) {
        if !close_temp(context, temp) {
            forget_directories(context, self.record.id, |path| path == self.temp);
        }
    }

    /// Records that the import has ended without a table, and removes what its checkpoints name.
    fn give_up(
        &mut self,
        context: &JobContext,
        (status, error): (JobStatus, &str),
        left: bool,
    ) -> Result {
        if self.dry {
            return Ok(());
        }
        let saved = saved_segments(context, &self.record)?;
        let mut ended = self.ended(context, status, left);
        ended.error = Some(error.to_owned());
        ended.fraction_completed = 0.0;
        context.store.update(|changes| {
            changes.remove_checkpoints(ended.id, self.record.checkpoints);
            changes.put_job(&ended)
        })?;
        if let Some(resume) = &self.record.resume {
            context.store.discard_segments(resume.table, &saved);
        }
        self.record = ended;
        Ok(())
    }

    /// Records that the import is paused, and why.
    pub(crate) fn pause(&mut self, context: &JobContext, reason: &str, left: bool) -> Result {
        self.record.status = JobStatus::Paused;
        self.record.running_status = Some(reason.to_owned());
        self.record.outputs.clear();
        self.record.modified = context.clock.now();
        if self.record.checkpoints == 0 && !left {
            self.record.temp_directories.retain(|path| *path != self.temp);
        }
        self.put(context)
    }

    /// Returns the record of a job that has ended; `left` says that temporary files were left.
    fn ended(&self, context: &JobContext, status: JobStatus, left: bool) -> JobRecord {
        let mut record = self.record.clone();
        record.end(status, context.clock.now());
        record.temp_directories.retain(|path| left || *path != self.temp);
        record.checkpoints = 0;
        record
    }
}

/// Returns whether a temporary directory in a record is one of this machine.
fn is_local(directory: &str) -> bool {
    directory.starts_with('/')
}

/// Returns the segments that the checkpoints of a job name.
pub(crate) fn saved_segments(context: &JobContext, record: &JobRecord) -> Result<Vec<Segment>> {
    if record.checkpoints == 0 {
        return Ok(Vec::new());
    }
    let checkpoints = context.store.checkpoints(record.id)?;
    Ok(checkpoints.into_iter().flat_map(|checkpoint| checkpoint.segments).collect())
}

fn new_record(context: &JobContext, id: JobId, description: &str, pending: bool) -> JobRecord {
    let now = context.query.now;
    let begun = JobRecord::begun(id, ("IMPORT", description), &context.query.user, now);
    match pending {
        true => JobRecord { status: JobStatus::Pending, started: None, ..begun },
        false => begun,
    }
}

/// Cancels an import that is paused: removes what it left and records it as canceled.
pub fn abandon(context: &JobContext, record: JobRecord) -> Result {
    let id = record.id;
    let local: Vec<String> =
        record.temp_directories.iter().filter(|path| is_local(path)).cloned().collect();
    // A crash must not leave a job that seems to be able to go on, and has no files: those go last.
    let mut log = JobLog { record, temp: String::new(), dry: false };
    log.give_up(context, (JobStatus::Canceled, "job canceled"), true)?;
    for directory in &local {
        remove_temp_leftover(Path::new(directory)).map_err(|error| {
            error.map_message(|cause| {
                format!(
                    "job {id}: cannot be reverted, manual cleanup may be required: rolling back \
                     partially completed IMPORT: {cause}"
                )
            })
        })?;
    }
    forget_directories(context, id, is_local);
    Ok(())
}

/// Takes directories that are gone out of the record of a job that has ended. What cannot be recorded
/// is done at the next open.
fn forget_directories(context: &JobContext, job: JobId, gone: impl Fn(&str) -> bool) {
    let Ok(Some(mut record)) = context.store.job(job) else { return };
    let before = record.temp_directories.len();
    record.temp_directories.retain(|path| !gone(path));
    if record.temp_directories.len() < before {
        let _ = context.store.update(|changes| changes.put_job(&record));
    }
}
