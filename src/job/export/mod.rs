//! EXPORT and COPY TO: the rows of a query to files, whole or not at all.
//!
//! An export that was paused, or that a crash stopped, begins again: its query sees what is there then.
//!
//! The caller's thread fetches batches of rows; threads make text of them, in turn; one thread cuts
//! the text into files, in the order of the rows; and each file has a thread that compresses and
//! writes it. All queues between them are short, so that memory stays bounded. Files are made where
//! nobody sees them and appear together at the end.

mod cut;
mod file;
mod format;
mod record;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use tokio::runtime::Handle;

use self::cut::{Cutter, Names};
use self::format::Piece;
use self::record::ExportLog;
use super::JobContext;
use super::event::{Event, Progress};
use super::file_table::open_file_table;
use super::import::Origin;
use crate::catalog::JobId;
use crate::error::{Error, Result};
use crate::plan::{self, ExportTarget};
use crate::query::{QueryContext, Rows};
use crate::source::{Location, OutputDirectory};

pub use self::format::Formatter;
pub use self::record::abandon;

/// About how many bytes of rows are made text at once.
const SLICE_BYTES: usize = 4 << 20;

/// What an export wrote, as its result tells it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The files, in the order of the rows.
    pub files: Vec<ExportedFile>,
}

/// A file that an export wrote.
#[derive(Clone, Debug)]
pub struct ExportedFile {
    /// Its name.
    pub name: String,
    /// Its rows, without header.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// An export that is recorded as a job, and has its place and the first of its rows.
pub struct Started {
    context: JobContext,
    export: plan::Export,
    job: JobId,
    rows: Rows,
    /// How many rows there are, if that is known.
    count: Option<u64>,
    formatter: Formatter,
    output: OutputDirectory,
    names: Names,
    log: ExportLog,
}

/// Starts the query of an export, opens its place and records it as a job; it blocks. A database that
/// is open read-only keeps no record.
pub fn start(mut context: JobContext, export: plan::Export, origin: Origin) -> Result<Started> {
    let again = match &origin {
        Origin::Record(record) => Some(record),
        Origin::Statement { .. } => None,
    };
    if let Some(directory) = again.and_then(|record| record.resume.as_ref()?.directory.clone()) {
        context.access = Arc::new(context.access.with_working_directory(directory.into()));
    }
    let (rows, count) = start_query(&context, &export.query)?;
    let formatter = Formatter::new(&export.format, rows.schema())?;
    let job = match again {
        Some(record) => record.id,
        None if context.store.is_read_only() => JobId(0),
        None => context.store.reserve_job()?,
    };
    let (output, names) = open(&context, &export, job)?;
    let log = ExportLog::start(&context, job, (&export, &output), origin)?;
    Ok(Started { context, export, job, rows, count, formatter, output, names, log })
}

/// Starts a query; its rows end when the job is to stop.
fn start_query(context: &JobContext, query: &plan::Query) -> Result<(Rows, Option<u64>)> {
    let files = query.files.iter().map(|name| open_file_table(&context.access, name));
    let files = files.collect::<Result<Vec<_>>>()?;
    let seen = QueryContext { files: files.into(), ..context.query.clone() };
    // The caller's thread may belong to a runtime, whose tasks compute the rows.
    let runtime = Handle::try_current().map_err(Error::internal)?;
    let stopped = || context.cancellation.clone().stopped();
    let (rows, count) = runtime.block_on(async {
        tokio::select! {
            started = context.engine.run_counted(&seen, &query.text, query.offset) => started,
            error = stopped() => Err(error),
        }
    })?;
    Ok((rows.until(Box::pin(stopped())), count))
}

impl Started {
    /// Returns the job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Writes the files; blocks until they are in their place, or the job has stopped and nothing is.
    pub fn run(self) -> Result<Exported> {
        let Self { context, export, job, rows, count, formatter, output, names, mut log } = self;
        let work = Work {
            context: &context,
            export: &export,
            formatter: &formatter,
            output: &output,
            names,
            job,
            count,
        };
        let ended = work.run(rows).and_then(|files| {
            work.publish(&files, &mut log)?;
            Ok(files)
        });
        match ended {
            Ok(files) => {
                drop(output);
                log.tidy(&context);
                Ok(Exported { files })
            }
            Err(error) => {
                // What a record no longer tells of must be gone.
                drop(output);
                Err(log.stop(&context, error))
            }
        }
    }
}

/// Opens the place of the files, and returns how they are called.
fn open(
    context: &JobContext,
    export: &plan::Export,
    job: JobId,
) -> Result<(OutputDirectory, Names)> {
    let (access, spool) = (&context.access, context.store.path().join("tmp"));
    match &export.target {
        ExportTarget::Directory { url, filename, suffix } => {
            let output = access.output_directory(&Location::parse(url)?, job.0, &spool)?;
            let moment = context.query.now.cast_unsigned();
            let default = || format!("export{moment:016x}{:08x}-%part%{suffix}", job.0);
            let pattern = filename.clone().unwrap_or_else(default);
            Ok((output, Names::of_pattern(&pattern)))
        }
        ExportTarget::File { url } => {
            let (output, name) = access.output_file(&Location::parse(url)?, job.0, &spool)?;
            Ok((output, Names::one(&name)))
        }
    }
}

/// What all threads of an export share.
struct Work<'a> {
    context: &'a JobContext,
    export: &'a plan::Export,
    formatter: &'a Formatter,
    output: &'a OutputDirectory,
    names: Names,
    job: JobId,
    /// How many rows there are, if that is known.
    count: Option<u64>,
}

impl Work<'_> {
    /// Lets the files appear and records it, or does neither.
    fn publish(&self, files: &[ExportedFile], log: &mut ExportLog) -> Result {
        self.context.cancellation.check()?;
        let rows = files.iter().map(|file| file.rows).sum();
        self.tell("publishing", (rows, files.iter().map(|file| file.bytes).sum()));
        let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
        log.note_outputs(self.context, self.output, &names)?;
        self.output.publish(&names, self.export.overwrite)?;
        let left = !self.output.close_if_empty();
        log.succeed(self.context, left).inspect_err(|_| self.output.retract(&names))
    }

    /// Tells how far the export is, by its rows and bytes so far.
    fn tell(&self, phase: &'static str, (rows, bytes): (u64, u64)) {
        let share = |count: u64| u128::from(bytes) * u128::from(count.max(rows)) / u128::from(rows);
        let about = self.count.filter(|_| rows > 0).map(share);
        let total_bytes = about.and_then(|bytes| u64::try_from(bytes).ok());
        let progress = Progress { job: self.job, phase, rows, bytes, total_bytes };
        (self.context.events)(Event::Progress(progress));
    }

    /// Writes all rows; returns the files.
    fn run(&self, rows: Rows) -> Result<Vec<ExportedFile>> {
        let runtime = Handle::try_current().map_err(Error::internal)?;
        thread::scope(|scope| {
            let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
            for _ in 0..self.context.threads.max(1) {
                let (input, batches) = sync_channel(1);
                let (pieces, output) = sync_channel(1);
                scope.spawn(move || self.format(&batches, &pieces));
                inputs.push(input);
                outputs.push(output);
            }
            let cutting = scope.spawn(move || Cutter::new(self, scope).run(&outputs));
            let fetched = fetch(rows, &runtime, inputs);
            let files = cutting
                .join()
                .unwrap_or_else(|_| Err(Error::internal("a panic while files were written")));
            fetched.and(files)
        })
    }

    /// Makes text of batches, one piece each.
    fn format(&self, batches: &Receiver<RecordBatch>, pieces: &SyncSender<Result<Piece>>) {
        for batch in batches {
            let piece = self.formatter.format(&batch);
            let failed = piece.is_err();
            if pieces.send(piece).is_err() || failed {
                return;
            }
        }
    }
}

/// Hands the rows to the threads in turn.
fn fetch(mut rows: Rows, runtime: &Handle, inputs: Vec<SyncSender<RecordBatch>>) -> Result {
    let mut turn = 0;
    while let Some(batch) = runtime.block_on(rows.next())? {
        let step = slice_rows(&batch);
        for start in (0..batch.num_rows()).step_by(step) {
            let slice = batch.slice(start, step.min(batch.num_rows() - start));
            if inputs[turn].send(slice).is_err() {
                // Something went wrong further on, which tells it.
                return Ok(());
            }
            turn = (turn + 1) % inputs.len();
        }
    }
    Ok(())
}

/// Returns how many rows of a batch are made text at once.
fn slice_rows(batch: &RecordBatch) -> usize {
    (batch.num_rows() * SLICE_BYTES).checked_div(value_bytes(batch)).unwrap_or(usize::MAX).max(1)
}

/// Returns about how many bytes the values of a batch have.
fn value_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(values: &arrow::array::ArrayRef) -> usize {
    match values.data_type() {
        DataType::Utf8View => {
            // The lower half of a view is the length of its text.
            let length = |view: &u128| usize::try_from(*view & 0xffff_ffff).unwrap_or(0);
            values.as_string_view().views().iter().map(length).sum()
        }
        DataType::List(_) => {
            let list = values.as_list::<i32>();
            let [first, .., last] = list.value_offsets() else { return 0 };
            let start = usize::try_from(*first).unwrap_or(0);
            let length = usize::try_from(*last - *first).unwrap_or(0);
            array_bytes(&list.values().slice(start, length))
        }
        DataType::Binary => {
            let offsets = values.as_binary::<i32>().value_offsets();
            usize::try_from(offsets[values.len()] - offsets[0]).unwrap_or(0)
        }
        data_type => data_type.primitive_width().unwrap_or(16) * values.len(),
    }
}
