//! CREATE INDEX: the index of a table that exists, built from its segments, whole or not at all.
//!
//! While it is built, the table is held: readers see it as it is, other writers fail. One commit
//! publishes the index; until then its segments are orphans, which a failure here or the next open
//! removes. A build that stops keeps nothing and begins anew when it is resumed.

mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::record::IndexLog;
use super::JobContext;
use super::event::{Event, Progress};
use super::hold::{Held, changed, hold};
use super::import::{Origin, close_temp, key_text, make_temp};
use super::index::{IndexBuild, IndexLayout};
use super::run::RunSpace;
use crate::catalog::{Catalog, ColumnId, JobId};
use crate::error::{Error, Result, SqlState};
use crate::plan;
use crate::source::TempDirectory;
use crate::store::{Manifest, Segment, TableUse};

/// An index build that is recorded as a job.
pub struct Started {
    context: JobContext,
    create: plan::CreateIndex,
    held: Held,
    temp: Arc<TempDirectory>,
    log: IndexLog,
}

/// Takes hold of the table and records the build as a job.
pub fn start(context: JobContext, create: plan::CreateIndex, origin: Origin) -> Result<Started> {
    let (held, context) = hold(&context, &create.table, TableUse::Index)?;
    let job = match &origin {
        Origin::Record(record) => {
            // A table of the same name is another one.
            if record.resume.as_ref().is_some_and(|resume| resume.table != create.table.id) {
                return Err(replaced(&create));
            }
            record.id
        }
        Origin::Statement { .. } => context.store.reserve_job()?,
    };
    let temp = make_temp(&context, (None, false), job)?;
    let log = IndexLog::start(&context, job, &create, &temp, origin)?;
    Ok(Started { context, create, held, temp, log })
}

fn replaced(create: &plan::CreateIndex) -> Error {
    Error::new(
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("table \"{}\" is not the one that the job began with", create.table.name),
    )
    .hint("Cancel the job, and run CREATE INDEX again.")
}

impl Started {
    /// Returns the job.
    pub fn job(&self) -> JobId {
        self.log.job()
    }

    /// Builds the index; blocks until it is published or the job has stopped.
    pub fn run(self) -> Result<()> {
        self.build().map_err(|error| self.stop(error))
    }

    fn build(&self) -> Result {
        let Self { context, create, held, .. } = self;
        let layout = IndexLayout::new(&create.table, &create.index)?;
        let space = RunSpace::new(Arc::clone(&self.temp), context.memory / 4);
        let meter = Meter::new(self);
        meter.tell("indexing");
        let rows_done = |rows| meter.add(rows);
        let table = &create.table;
        let build =
            IndexBuild { context, table, layout: &layout, space: &space, rows_done: &rows_done };
        let (segments, duplicates) = build.run(&held.manifest.segments)?;
        let published = if let Some(key) = duplicates.first() {
            Err(self.duplicate(&layout, key))
        } else {
            meter.tell("publishing");
            self.publish(&segments)
        };
        if published.is_err() {
            context.store.discard_segments(table.id, &segments);
        }
        published
    }

    /// Publishes the index in one commit.
    fn publish(&self, segments: &[Segment]) -> Result {
        let Self { context, create, held, .. } = self;
        let table = create.table.id;
        context.store.sync_table_directory(table)?;
        context.cancellation.check()?;
        let mut manifest = Manifest::clone(&held.manifest);
        let entries = segments.iter().cloned().map(Arc::new).collect();
        manifest.indexes.insert(create.index.id, entries);
        let left = close_temp(context, &self.temp);
        context.store.update(|changes| {
            changes.use_claim(&held.claim);
            if changes.catalog.table_by_id(table) != Some(&create.table) {
                return Err(changed(&create.table));
            }
            changes.put_table(&create.with_index())?;
            changes.put_manifest(table, manifest)?;
            self.log.succeed(context, changes, left)
        })
    }

    /// Returns the error of rows that have one key, which shall differ.
    fn duplicate(&self, layout: &IndexLayout, key: &[u8]) -> Error {
        let plan::CreateIndex { table, index, .. } = &self.create;
        let columns: Vec<ColumnId> = index.key.iter().map(|part| part.column).collect();
        let Some(encoder) = &layout.unique else {
            return Error::internal("an index that is not unique has a duplicate");
        };
        match key_text(table, &columns, encoder, key) {
            Err(error) => error,
            Ok(key) => Error::new(
                SqlState::UNIQUE_VIOLATION,
                format!("could not create unique index \"{}\"", index.name),
            )
            .detail(format!("Key {key} is duplicated.")),
        }
    }

    /// Records that the build stopped; returns what to tell whoever waits for it.
    fn stop(&self, error: Error) -> Error {
        let (context, job) = (&self.context, self.job());
        let reason = match error.code() {
            SqlState::QUERY_CANCELED => context.cancellation.pause_reason(),
            SqlState::DISK_FULL => {
                Some(format!("{}; RESUME JOB {job} when there is room", error.message()))
            }
            _ => None,
        };
        let left = close_temp(context, &self.temp);
        let Some(reason) = reason else {
            self.log.fail(context, &error, left);
            return error;
        };
        // A pause that cannot be recorded is found at the next open, like a crash.
        if let Err(failed) = self.log.pause(context, &reason, left)
            && error.code() == SqlState::QUERY_CANCELED
        {
            return failed;
        }
        match error.code() {
            SqlState::DISK_FULL => error.hint(format!(
                "The job is paused. Make room, then RESUME JOB {job}; CANCEL JOB {job} gives it up."
            )),
            _ => error.hint(format!("RESUME JOB {job} lets it go on.")),
        }
    }
}

/// Tells how far the build is: half of it is reading rows, half is writing entries.
struct Meter<'a> {
    started: &'a Started,
    rows: u64,
    bytes: u64,
    done: AtomicU64,
}

impl<'a> Meter<'a> {
    fn new(started: &'a Started) -> Self {
        let segments = &started.held.manifest.segments;
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        Self { started, rows: started.held.manifest.rows(), bytes, done: AtomicU64::new(0) }
    }

    fn add(&self, rows: u64) {
        self.done.fetch_add(rows, Ordering::Relaxed);
        self.tell("indexing");
    }

    fn tell(&self, phase: &'static str) {
        let done = self.done.load(Ordering::Relaxed);
        let share = u128::from(self.bytes) * u128::from(done) / u128::from(self.rows.max(1) * 2);
        let progress = Progress {
            job: self.started.job(),
            phase,
            rows: done / 2,
            bytes: u64::try_from(share).unwrap_or(self.bytes).min(self.bytes),
            total_bytes: Some(self.bytes),
        };
        (self.started.context.events)(Event::Progress(progress));
    }
}
