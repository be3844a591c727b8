//! Checkpoints of an import: what has been read and verified is written down, so that a job that was
//! paused, or stopped by a crash or a full disk, need not read it again.
//!
//! A checkpoint names segments and sorted runs, which are synced before, and where the next record
//! starts. Each adds to those before it. docs/jobs.md tells when they are made.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrow::datatypes::SchemaRef;

use super::input::InputFile;
use super::reject::PartRejects;
use super::schedule::AllRead;
use super::task::Shared;
use crate::catalog::{JobRecord, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::job::bytes::{Input, Output};
use crate::job::run::{Run, RunSpace};
use crate::job::table::{Layout, SortedSegment};
use crate::plan::cluster_setting;
use crate::record::Repairs;
use crate::source::Identity;
use crate::store::{Checkpoint, Segment};

/// The setting that says how often checkpoints are made.
const INTERVAL: &str = "import.checkpoint_interval";

/// Making checkpoints may take this part of the time at most: one in so many.
const SHARE: i64 = 20;

/// Where reading stands: everything before is read and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The file.
    pub(crate) file: usize,
    /// Its rows so far.
    pub(crate) rows: u64,
    /// Its data records so far: the rows and those left out.
    pub(crate) records: u64,
    /// Where its next record starts.
    pub(crate) next: u64,
    /// Whether it is read to its end.
    pub(crate) done: bool,
}

impl Position {
    /// Returns the start of a file.
    pub(crate) fn start(file: usize) -> Self {
        Self { file, rows: 0, records: 0, next: 0, done: false }
    }
}

/// A row in which a lazy quote swallowed a line break: its file, its number and its offset.
pub(crate) type Swallowed = (usize, u64, u64);

/// What has been read and verified.
#[derive(Default)]
pub(crate) struct Verified {
    /// Segments, runs and keys.
    pub(crate) all: AllRead,
    /// Rows to warn of.
    pub(crate) swallowed: Vec<Swallowed>,
    /// Where reading stands; nothing before the first task is verified.
    pub(crate) position: Option<Position>,
}

/// How much of everything is in checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Saved {
    sorted: usize,
    ordered: usize,
    runs: usize,
    duplicates: usize,
    swallowed: usize,
    rejects: usize,
    position: Option<Position>,
}

impl Saved {
    fn of(verified: &Verified) -> Self {
        Self {
            sorted: verified.all.sorted.len(),
            ordered: verified.all.ordered.len(),
            runs: verified.all.runs.len(),
            duplicates: verified.all.duplicates.len(),
            swallowed: verified.swallowed.len(),
            rejects: verified.all.rejects.len(),
            position: verified.position,
        }
    }
}

/// Makes the checkpoints of an import.
pub(crate) struct Saver<'a> {
    shared: &'a Shared<'a>,
    /// The time between two checkpoints, in microseconds.
    interval: i64,
    /// When the next one is due.
    due: i64,
    saved: Saved,
    /// Whether checkpoints can be made at all.
    usable: bool,
}

impl<'a> Saver<'a> {
    /// Returns a saver of an import that has read and saved `verified`.
    pub(crate) fn new(shared: &'a Shared<'a>, verified: &Verified) -> Self {
        let catalog = &*shared.context.query.view.catalog;
        let seconds = cluster_setting(catalog, INTERVAL).and_then(|text| text.parse().ok());
        let interval = seconds.unwrap_or(5_i64).saturating_mul(1_000_000);
        let log = shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        let resumable = log.can_be_resumed();
        drop(log);
        Self {
            shared,
            interval,
            due: shared.context.clock.now().saturating_add(interval),
            saved: Saved::of(verified),
            // A file that nothing tells from another version of it must be read again. Runs on another
            // machine are known to their process alone. When the files are read once more without rows
            // whose keys are no good, checkpoints of the first reading stay as they are.
            usable: resumable
                && !shared.leaves_out_keys()
                && shared.space.can_be_reopened()
                && shared.files.iter().all(|file| identity(file.identity()).is_some()),
        }
    }

    /// Makes a checkpoint if it is time for one. If there is no room for it, there are no more.
    pub(crate) fn save_if_due(&mut self, verified: &mut Verified) -> Result {
        let begun = self.shared.context.clock.now();
        if begun < self.due {
            return Ok(());
        }
        match self.save(verified) {
            Err(error) if error.code() == SqlState::DISK_FULL => {
                self.usable = false;
                Ok(())
            }
            saved => {
                let now = self.shared.context.clock.now();
                let pause = self.interval.max((now - begun).saturating_mul(SHARE));
                // Whoever wants a checkpoint at each split gets them however long they take.
                self.due = now + if self.interval == 0 { 0 } else { pause };
                saved
            }
        }
    }

    /// Makes a checkpoint of all that was read, before it is merged, if that took long: merging waits
    /// for it.
    pub(crate) fn save_before_merge(&mut self, verified: &mut Verified) -> Result {
        let late = self.due.saturating_add(self.interval);
        if self.shared.context.clock.now() < late {
            return Ok(());
        }
        self.save_if_due(verified)
    }

    /// Makes a checkpoint of what is not yet in one.
    pub(crate) fn save(&mut self, verified: &mut Verified) -> Result {
        if !self.usable || Saved::of(verified) == self.saved {
            return Ok(());
        }
        let shared = self.shared;
        let mut names = Vec::new();
        for run in &mut verified.all.runs[self.saved.runs..] {
            names.push(run.hold()?.to_owned());
        }
        for part in &mut verified.all.rejects[self.saved.rejects..] {
            names.extend(part.rejects.hold()?.map(str::to_owned));
        }
        shared.space.sync(&names)?;
        let table = shared.layout.table.id;
        shared.context.store.sync_table_directory(table)?;
        let sorted = verified.all.sorted[self.saved.sorted..].iter().map(|one| &one.segment);
        let segments: Vec<&Segment> =
            sorted.chain(&verified.all.ordered[self.saved.ordered..]).collect();
        let mut log = shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Output::default();
        if log.record().checkpoints == 0 {
            put_head(shared, &mut out);
        }
        self.put(verified, &mut out);
        log.checkpoint(shared.context, (table, &segments), &out.0, fraction(shared))?;
        for segment in segments {
            shared.space.hold_segment(segment);
        }
        self.saved = Saved::of(verified);
        Ok(())
    }

    /// Writes down what is not yet in a checkpoint.
    fn put(&self, verified: &Verified, out: &mut Output) {
        let Verified { all, swallowed, position } = verified;
        out.bool(position.is_some());
        if let Some(position) = position {
            out.count(position.file);
            out.u64(position.rows);
            out.u64(position.records);
            out.u64(position.next);
            out.bool(position.done);
        }
        out.u64(all.rows);
        out.u64(self.shared.bytes.load(Ordering::Relaxed));
        out.count(swallowed.len() - self.saved.swallowed);
        for (file, row, offset) in &swallowed[self.saved.swallowed..] {
            out.count(*file);
            out.u64(*row);
            out.u64(*offset);
        }
        out.count(all.duplicates.len() - self.saved.duplicates);
        all.duplicates[self.saved.duplicates..].iter().for_each(|key| out.bytes(key));
        out.count(all.sorted.len() - self.saved.sorted);
        for one in &all.sorted[self.saved.sorted..] {
            out.bytes(&one.first);
            out.bytes(&one.last);
        }
        out.count(all.runs.len() - self.saved.runs);
        all.runs[self.saved.runs..].iter().for_each(|run| run.save(out));
        let Repairs { filled, cut, quotes } = all.repairs;
        for count in [filled, cut, quotes] {
            out.u64(count);
        }
        out.count(all.rejects.len() - self.saved.rejects);
        all.rejects[self.saved.rejects..].iter().for_each(|part| part.save(out));
    }
}

/// Returns how much of the input is read, if its size is known.
fn fraction(shared: &Shared<'_>) -> f64 {
    let (bytes, total) = shared.stored.of(shared.files);
    let Some(total) = total.filter(|total| *total > 0) else { return 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a fraction for people to read")]
    let fraction = bytes as f64 / total as f64;
    fraction.clamp(0.0, 0.99)
}

/// Writes down what must be the same when the job goes on: program, table and files. Names of files are
/// not among that: the record has absolute ones.
fn put_head(shared: &Shared<'_>, out: &mut Output) {
    out.bytes(env!("CARGO_PKG_VERSION").as_bytes());
    out.u64(fingerprint(&shared.layout.table));
    out.count(shared.files.len());
    for file in shared.files {
        out.bytes(identity(file.identity()).unwrap_or_default().as_bytes());
    }
}

fn fingerprint(table: &TableDescriptor) -> u64 {
    u64::from(crc32c::crc32c(format!("{table:?}").as_bytes()))
}

/// Returns what tells a version of a file from others, in words; nothing if nothing does.
fn identity(identity: &Identity) -> Option<String> {
    match identity {
        Identity::Local { size, modified, .. } => {
            Some(format!("{size} bytes, changed at {modified} ns"))
        }
        Identity::Remote { etag: None, modified: None, .. } => None,
        Identity::Remote { etag, modified, size } => {
            let size = size.map_or_else(|| "some".to_owned(), |size| size.to_string());
            let etag = etag.as_deref().unwrap_or("none");
            let modified = modified.as_deref().unwrap_or("no time");
            Some(format!("{size} bytes, ETag {etag}, changed at {modified}"))
        }
    }
}

/// What an import was when it was paused.
pub(crate) struct Restored {
    /// What was verified.
    pub(crate) verified: Verified,
    /// Bytes of input read.
    pub(crate) bytes: u64,
}

/// Returns what the checkpoints of a job hold. Its files and table must be what they were.
pub(crate) fn restore(
    context: &JobContext,
    record: &JobRecord,
    (files, layout): (&[InputFile], &Layout),
    (space, schema): (&Arc<RunSpace>, &SchemaRef),
) -> Result<Restored> {
    let checkpoints = context.store.checkpoints(record.id)?;
    let advice = format!("CANCEL JOB {}, and run the statement again.", record.id);
    let mut restored = Restored { verified: Verified::default(), bytes: 0 };
    for (number, Checkpoint { segments, body }) in checkpoints.into_iter().enumerate() {
        let mut input = Input(&body);
        if number == 0 {
            check_head(&mut input, files, &layout.table)
                .ok_or_else(damaged)?
                .map_err(|error| error.hint(advice.clone()))?;
        }
        for segment in &segments {
            space.hold_segment(segment);
        }
        restored.add(&mut input, segments, (space, schema)).ok_or_else(damaged)?;
    }
    let all = &restored.verified.all;
    let rejects = all.rejects.iter().filter_map(|part| part.rejects.file());
    let names: BTreeSet<&str> = all.runs.iter().filter_map(Run::file).chain(rejects).collect();
    space.keep_only(&names).map_err(|error| error.hint(advice))?;
    Ok(restored)
}

fn damaged() -> Error {
    Error::new(SqlState::DATA_CORRUPTED, "a checkpoint of the job cannot be read")
}

impl Restored {
    /// Adds what a checkpoint holds.
    fn add(
        &mut self,
        input: &mut Input<'_>,
        segments: Vec<Segment>,
        (space, schema): (&Arc<RunSpace>, &SchemaRef),
    ) -> Option<()> {
        let Verified { all, swallowed, position } = &mut self.verified;
        if input.bool()? {
            *position = Some(Position {
                file: input.count()?,
                rows: input.u64()?,
                records: input.u64()?,
                next: input.u64()?,
                done: input.bool()?,
            });
        }
        all.rows = input.u64()?;
        self.bytes = input.u64()?;
        swallowed.extend(input.list(|input| Some((input.count()?, input.u64()?, input.u64()?)))?);
        all.duplicates.extend(input.list(|input| Some(input.bytes()?.to_vec()))?);
        let ends = input.list(|input| Some((input.bytes()?.to_vec(), input.bytes()?.to_vec())))?;
        let mut segments = segments.into_iter();
        for (first, last) in ends {
            all.sorted.push(SortedSegment { segment: segments.next()?, first, last });
        }
        all.ordered.extend(segments);
        all.runs.extend(input.list(|input| Run::restore(space, schema, input))?);
        all.repairs = Repairs { filled: input.u64()?, cut: input.u64()?, quotes: input.u64()? };
        all.rejects.extend(input.list(|input| PartRejects::restore(space.temp(), input))?);
        input.0.is_empty().then_some(())
    }
}

/// Compares program, table and files with what they were; nothing if that cannot be read.
fn check_head(
    input: &mut Input<'_>,
    files: &[InputFile],
    table: &TableDescriptor,
) -> Option<Result> {
    let refused = |message: String| Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message);
    let version = input.text()?;
    let print = input.u64()?;
    let before = input.list(Input::text)?;
    if version != env!("CARGO_PKG_VERSION") {
        return Some(Err(refused(format!("the job was paused by Wharf {version}"))));
    }
    if print != fingerprint(table) {
        return Some(Err(refused(
            "the table's definition changed since the job was paused".to_owned(),
        )));
    }
    if before.len() != files.len() {
        return Some(Err(refused(format!(
            "the job was paused with {} data files, and there are {} now",
            before.len(),
            files.len()
        ))));
    }
    for (file, was) in files.iter().zip(before) {
        let is = identity(file.identity()).unwrap_or_default();
        if is != was {
            let name = file.name();
            return Some(Err(refused(format!(
                "file changed since the job was paused: \"{name}\""
            ))
            .detail(format!("It had {was}, and has {is}."))));
        }
    }
    Some(Ok(()))
}
