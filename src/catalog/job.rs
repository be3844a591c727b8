//! Records of jobs, as SHOW JOBS lists them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{JobId, TableId};

/// The state of a job (spec/import.md section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobStatus {
    /// Not started.
    Pending,
    /// At work.
    Running,
    /// Stopped at a checkpoint.
    Paused,
    /// Ended by an error.
    Failed,
    /// Done.
    Succeeded,
    /// Ended by the user.
    Canceled,
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        })
    }
}

/// A job and what became of it. Times are microseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// `IMPORT`, `EXPORT` or `CREATE INDEX`.
    pub job_type: String,
    /// The statement, printed canonically with secrets redacted.
    pub description: String,
    /// Who started it.
    pub user: String,
    /// Its state.
    pub status: JobStatus,
    /// What it is doing, if it runs.
    pub running_status: Option<String>,
    /// When it was made.
    pub created: i64,
    /// When it began.
    pub started: Option<i64>,
    /// When it ended.
    pub finished: Option<i64>,
    /// When this record changed.
    pub modified: i64,
    /// 0 to 1.
    pub fraction_completed: f64,
    /// Why it failed.
    pub error: Option<String>,
    /// The directories under `temp` that it writes: absolute paths, and URLs without credentials. They
    /// are removed when it ends; otherwise paths at the next open, and what URLs name by the next import
    /// that uses the same `temp`.
    pub temp_directories: Vec<String>,
    /// What resuming it needs besides its description; jobs that cannot be resumed have none.
    #[serde(default)]
    pub resume: Option<JobResume>,
    /// How many checkpoints are kept of it.
    #[serde(default)]
    pub checkpoints: u32,
    /// How many rows it left out; they stand in a file of its own.
    #[serde(default)]
    pub rejected: u64,
    /// Files that it was about to let appear for the user: they go if it stops there.
    #[serde(default)]
    pub outputs: Vec<JobOutput>,
}

impl JobRecord {
    /// Returns the record of a job that `user` starts, and that runs from `now` on.
    pub fn begun(id: JobId, (job_type, description): (&str, &str), user: &str, now: i64) -> Self {
        Self {
            id,
            job_type: job_type.to_owned(),
            description: description.to_owned(),
            user: user.to_owned(),
            status: JobStatus::Running,
            running_status: None,
            created: now,
            started: Some(now),
            finished: None,
            modified: now,
            fraction_completed: 0.0,
            error: None,
            temp_directories: Vec::new(),
            resume: None,
            checkpoints: 0,
            rejected: 0,
            outputs: Vec::new(),
        }
    }

    /// Notes that the job ended in this state, at `now`; no files of it wait to appear any more.
    pub fn end(&mut self, status: JobStatus, now: i64) {
        self.status = status;
        self.running_status = None;
        self.finished = Some(now);
        self.modified = now;
        self.outputs.clear();
    }
}

/// Files of a job that are whole and wait to appear with its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOutput {
    /// The directory in which they wait.
    pub directory: String,
    /// The files.
    pub files: Vec<OutputIdentity>,
}

/// What tells a file of a job from any other of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputIdentity {
    /// Where it is to appear, as an absolute path.
    pub path: String,
    /// The number of its device.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// What resuming a job needs besides its description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResume {
    /// The current database of its session.
    pub database: String,
    /// The time zone of its session.
    pub time_zone: String,
    /// The table whose directory holds its segments; 0 of a job that makes none.
    pub table: TableId,
    /// Whether the description lacks secrets that the statement held.
    pub secrets: bool,
    /// Where relative names of files in its query start.
    #[serde(default)]
    pub directory: Option<String>,
}

impl JobRecord {
    /// Returns whether the job has ended for good.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, JobStatus::Failed | JobStatus::Succeeded | JobStatus::Canceled)
    }
}
