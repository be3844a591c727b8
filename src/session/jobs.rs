//! SHOW JOBS, and PAUSE, RESUME and CANCEL: the records of jobs, with what is known of those that run.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::execute::{done, with_safe_text};
use super::import::no_events;
use super::show::{Cell, Table};
use super::{Outcome, Session, clock};
use crate::catalog::{JobId, JobRecord, JobStatus, ROOT};
use crate::error::{Error, Notice, Result, SqlState};
use crate::job::export;
use crate::job::import::{self, Origin};
use crate::job::registry::{JobStatement, RunningJob};
use crate::plan::{JobSelection, Plan, Query};
use crate::query::QueryContext;
use crate::syntax::{self, ast::JobAction};

/// The columns of SHOW JOBS.
const COLUMNS: &[&str] = &[
    "job_id",
    "job_type",
    "description",
    "statement",
    "user_name",
    "status",
    "running_status",
    "created",
    "started",
    "finished",
    "modified",
    "fraction_completed",
    "error",
    "coordinator_id",
];

/// The most that a job which runs has completed.
const NEARLY_ALL: f64 = 0.99;

impl Session {
    pub(super) async fn show_jobs(
        &self,
        selection: &JobSelection,
        when_complete: bool,
    ) -> Result<Outcome> {
        let mut records = self.select_jobs(selection).await?;
        records.retain(|record| self.may_control(record));
        if let (JobSelection::One(id), true) = (selection, records.is_empty()) {
            return Err(no_job(JobId(*id)));
        }
        if when_complete {
            for record in &mut records {
                if let Some(job) = self.jobs.running(record.id) {
                    self.wait_for(&job).await?;
                    *record = self.require_job(record.id)?;
                }
            }
        }
        let mut table = Table::new(COLUMNS);
        for record in records {
            self.put_row(&mut table, record);
        }
        Ok(Outcome::Rows { rows: table.into_rows()?, tag: "SHOW" })
    }

    /// Returns the records of jobs: those that have not ended first, then the newest.
    async fn select_jobs(&self, selection: &JobSelection) -> Result<Vec<JobRecord>> {
        let ids = match selection {
            JobSelection::One(id) => vec![JobId(*id)],
            JobSelection::Query(query) => self.ids_of(query).await?,
            JobSelection::All | JobSelection::Type(_) => {
                let mut records = self.store.jobs()?;
                records.retain(|record| match selection {
                    JobSelection::Type(name) => record.job_type == *name,
                    _ => true,
                });
                records.sort_by_key(JobRecord::has_ended);
                return Ok(records);
            }
        };
        ids.into_iter().map(|id| self.require_job(id)).collect()
    }

    /// Returns the ids that a query gives in its first column.
    async fn ids_of(&self, query: &Query) -> Result<Vec<JobId>> {
        let mut rows = self.run_query(query).await?;
        let mut ids = Vec::new();
        while let Some(batch) = rows.next().await? {
            let column = batch.column(0);
            if !column.data_type().is_integer() && column.data_type() != &DataType::Null {
                return Err(Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    "a query of jobs must give their ids, whole numbers, in its first column",
                ));
            }
            let column = cast(column, &DataType::Int64).map_err(Error::internal)?;
            let numbers = column.as_primitive::<Int64Type>();
            ids.extend(numbers.iter().flatten().map(|id| JobId(id.cast_unsigned())));
        }
        Ok(ids)
    }

    fn require_job(&self, id: JobId) -> Result<JobRecord> {
        self.store.job(id)?.ok_or_else(|| no_job(id))
    }

    fn may_control(&self, record: &JobRecord) -> bool {
        self.user == ROOT || self.user == record.user
    }

    fn put_row(&self, table: &mut Table, mut job: JobRecord) {
        let mut status = job.status.to_string();
        if let Some(running) = self.jobs.running(job.id) {
            tell_progress(&mut job, &running);
            if running.is_stopping() {
                let asked = if running.is_pausing() { "pause" } else { "cancel" };
                status = format!("{asked}-requested");
            }
        } else if self.is_stale(&job) {
            status = JobStatus::Paused.to_string();
        }
        table.row([
            Cell::Int(job.id.0.cast_signed()),
            job.job_type.into(),
            job.description.as_str().into(),
            job.description.into(),
            job.user.into(),
            status.into(),
            job.running_status.into(),
            Cell::Time(job.created),
            job.started.map_or(Cell::Null, Cell::Time),
            job.finished.map_or(Cell::Null, Cell::Time),
            Cell::Time(job.modified),
            Cell::Float(job.fraction_completed),
            job.error.into(),
            Cell::Int(1),
        ]);
    }

    /// Returns whether a record says that a job runs which does not: its end could not be recorded.
    fn is_stale(&self, record: &JobRecord) -> bool {
        record.status == JobStatus::Running
            && !self.options.read_only
            && self.jobs.running(record.id).is_none()
    }

    /// Waits until a job has stopped, or the statement is canceled.
    async fn wait_for(&self, job: &RunningJob) -> Result {
        tokio::select! {
            () = job.stopped() => Ok(()),
            () = self.cancel.cancelled() => Err(self.cancel.error()),
        }
    }

    pub(super) async fn run_control_jobs(
        &mut self,
        action: JobAction,
        selection: &JobSelection,
        reason: Option<&str>,
    ) -> Result<Outcome> {
        let mut records = self.select_jobs(selection).await?;
        if matches!(selection, JobSelection::Type(_)) {
            records.retain(|record| self.may_control(record) && self.fits(action, record));
        }
        // Nothing is done if something cannot be done.
        for record in &records {
            self.require_control(record)?;
            require_fit(action, record)?;
        }
        let count = records.len();
        for record in records {
            match action {
                JobAction::Pause => self.pause_job(&record, reason).await?,
                JobAction::Resume => self.resume_job(record).await?,
                JobAction::Cancel => self.cancel_job(&record).await?,
            }
        }
        Ok(done(format!("{} JOBS {count}", verb(action))))
    }

    /// Refuses who may not control a job.
    fn require_control(&self, record: &JobRecord) -> Result {
        if self.may_control(record) {
            return Ok(());
        }
        let message = if record.user == ROOT {
            "only admins can control jobs owned by other admins".to_owned()
        } else {
            format!("user {} does not have privileges for job {}", self.user, record.id)
        };
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
            .hint("Run it as root, or as the user who started the job."))
    }

    /// Returns whether an action changes a job.
    fn fits(&self, action: JobAction, record: &JobRecord) -> bool {
        let runs = self.jobs.running(record.id).is_some();
        match action {
            JobAction::Pause => runs,
            JobAction::Resume => !runs && !record.has_ended(),
            JobAction::Cancel => !record.has_ended(),
        }
    }

    async fn pause_job(&self, record: &JobRecord, reason: Option<&str>) -> Result {
        let Some(job) = self.jobs.running(record.id) else { return Ok(()) };
        job.pause(
            &reason.map_or_else(|| "paused".to_owned(), |reason| format!("paused: {reason}")),
        );
        self.wait_for(&job).await?;
        // It may have ended before it was told, or failed.
        let record = self.require_job(record.id)?;
        require_fit(JobAction::Pause, &record)
    }

    async fn cancel_job(&self, record: &JobRecord) -> Result {
        if let Some(job) = self.jobs.running(record.id) {
            job.cancel();
            self.wait_for(&job).await?;
        }
        let record = self.require_job(record.id)?;
        if record.status == JobStatus::Canceled {
            return Ok(());
        }
        require_fit(JobAction::Cancel, &record)?;
        let (id, context) = (record.id, self.job_context(&no_events()));
        match record.job_type.as_str() {
            "EXPORT" => export::abandon(&context, record)?,
            _ => import::abandon(&context, record)?,
        }
        self.jobs.forget(id);
        Ok(())
    }

    async fn resume_job(&mut self, record: JobRecord) -> Result {
        if self.jobs.running(record.id).is_some() {
            return Ok(());
        }
        let Some(resume) = record.resume.clone() else {
            return Err(refusal(JobAction::Resume, &record));
        };
        let statement = match self.jobs.statement(record.id) {
            // The record's text lacks the secrets of the place, so that it may not be planned.
            Some(JobStatement::Export(known)) if resume.secrets => {
                self.require_readable(&record, &known.query.text)?;
                JobStatement::Export(known)
            }
            // Its table may be another one by now, or its user may read it no more.
            Some(JobStatement::Export(_) | JobStatement::CreateIndex(_)) | None => {
                self.plan_again(&record)?
            }
            Some(statement) => statement,
        };
        let query = QueryContext {
            view: self.store.view(),
            database: resume.database,
            user: record.user.clone(),
            now: record.created,
            time_zone: resume.time_zone,
            ..self.query_context()
        };
        let (asked, record) = ((query, &no_events(), true), Box::new(record));
        match statement {
            JobStatement::Import(import) => {
                let waiting = self.begin(*import, Origin::Record(record), asked).await?;
                self.launch(waiting, true);
            }
            JobStatement::CreateIndex(create) => {
                let building = self.begin_index(*create, Origin::Record(record), asked).await?;
                self.launch_index(building, true);
            }
            JobStatement::Export(export) => {
                let text = Arc::from(record.description.as_str());
                let begun = self.begin_export(export, Origin::Record(record), asked).await;
                let waiting = begun.map_err(|error| error.with_text(&text))?;
                self.launch_export(waiting, true);
            }
        }
        Ok(())
    }

    /// Plans the statement of a job again, from its record, unless that lacks what the statement held.
    fn plan_again(&self, record: &JobRecord) -> Result<JobStatement> {
        let id = record.id;
        let resume = record.resume.as_ref();
        if resume.is_some_and(|resume| resume.secrets) {
            return Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "job {id} cannot be resumed: its statement held secrets, which are not stored"
                ),
            )
            .hint(format!("CANCEL JOB {id}, and run the statement again.")));
        }
        match self.plan_of_job(record, &record.description)? {
            Plan::Import(import) | Plan::CopyFrom(import) => Ok(JobStatement::Import(import)),
            Plan::CreateIndex(create) => Ok(JobStatement::CreateIndex(create)),
            Plan::Export(export) => Ok(JobStatement::Export(export)),
            _ => Err(Error::internal(format!("job {id} is none that can go on"))),
        }
    }

    /// Fails if the user of a job cannot, or may not, run a query any more.
    fn require_readable(&self, record: &JobRecord, query: &str) -> Result {
        self.plan_of_job(record, query).map(|_| ())
    }

    /// Plans a text as the user of a job does, in its database.
    fn plan_of_job(&self, record: &JobRecord, text: &str) -> Result<Plan> {
        let resume = record.resume.as_ref();
        let database = resume.map_or(self.database.as_str(), |resume| resume.database.as_str());
        let planned = syntax::parse(text)
            .and_then(|statement| self.plan_for((&record.user, database), &statement));
        Ok(planned.map_err(|error| with_safe_text(error, text))?.plan)
    }

    /// Returns what to tell the user when the database has been opened.
    pub fn opening_notices(&self) -> Vec<Notice> {
        let told = |id: &JobId| {
            Notice::notice(format!("job {id} was interrupted and is paused")).hint(format!(
                "RESUME JOB {id} lets it go on, CANCEL JOB {id} removes what it left."
            ))
        };
        self.store.interrupted_jobs().iter().map(told).collect()
    }

    /// Returns the detached jobs whose end nobody has asked for.
    pub fn detached_jobs(&self) -> Vec<u64> {
        self.jobs.detached().into_iter().map(|id| id.0).collect()
    }

    /// Waits until a detached job has stopped, and fails with its error if it failed.
    pub async fn wait_for_job(&self, id: u64) -> Result {
        self.cancel.reset();
        if let Some(job) = self.jobs.running(JobId(id)) {
            self.wait_for(&job).await?;
        }
        self.jobs.take_error(JobId(id)).map_or(Ok(()), Err)
    }

    /// Pauses every job that runs, and returns those that are paused now.
    pub fn pause_jobs(&mut self) -> Vec<u64> {
        self.pending.drain(..).for_each(super::import::Waiting::forget);
        let running = self.jobs.all();
        for job in &running {
            job.pause("paused: its session ended");
        }
        for job in &running {
            while !job.is_done() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        let paused = running.iter().filter(|job| {
            let record = self.store.job(job.id).ok().flatten();
            record.is_some_and(|record| record.status == JobStatus::Paused)
        });
        paused.map(|job| job.id.0).collect()
    }
}

fn no_job(id: JobId) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("job with ID {id} does not exist"))
        .hint("SHOW JOBS lists the jobs.")
}

/// Refuses what a job's state does not allow; what is done already is no error.
fn require_fit(action: JobAction, record: &JobRecord) -> Result {
    if !record.has_ended() {
        return Ok(());
    }
    Err(refusal(action, record))
}

fn verb(action: JobAction) -> &'static str {
    match action {
        JobAction::Pause => "PAUSE",
        JobAction::Resume => "RESUME",
        JobAction::Cancel => "CANCEL",
    }
}

/// Returns the error of an action that a job's state does not allow.
fn refusal(action: JobAction, record: &JobRecord) -> Error {
    let what = match action {
        JobAction::Pause => "requested to be paused",
        JobAction::Resume => "resumed",
        JobAction::Cancel => "requested to be canceled",
    };
    Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("job with status {} cannot be {what}", record.status),
    )
    .hint(format!("SHOW JOB {} tells what became of it.", record.id))
}

/// Puts into a record what a job tells while it runs.
fn tell_progress(record: &mut JobRecord, running: &RunningJob) {
    let Some(progress) = running.progress() else { return };
    record.running_status = Some(progress.phase.to_owned());
    if let Some(total) = progress.total_bytes.filter(|total| *total > 0) {
        #[expect(clippy::cast_precision_loss, reason = "a fraction for people to read")]
        let fraction = progress.bytes as f64 / total as f64;
        record.fraction_completed = fraction.clamp(0.0, NEARLY_ALL);
    }
    record.modified = clock::now();
}

#[cfg(test)]
mod tests;
