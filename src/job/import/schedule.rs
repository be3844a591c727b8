//! Reading all files on all threads: the work is cut into tasks, guessed record starts are verified
//! in file order, and the first fault in file order wins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::checkpoint::{Position, Saver, Verified};
use super::input::{Content, InputFile};
use super::reject::{self, PartRejects};
use super::task::{Part, PartRead, Shared, Task, TaskRead, run_task};
use crate::catalog::JobId;
use crate::error::{DataPlace, Error, Notice, Result};
use crate::job::JobContext;
use crate::job::event::{Event, Progress};
use crate::job::run::Run;
use crate::job::table::{SEGMENT_BYTES, SortedSegment};
use crate::plan::cluster_setting;
use crate::record::Repairs;
use crate::store::{ParquetFile, Segment};

/// The smallest range that a file is cut into, in bytes.
const SMALLEST_RANGE: u64 = 4 << 20;

/// The setting that says how large ranges are.
const SPLIT_SIZE: &str = "import.split_size";

/// How many warnings about swallowed line breaks are shown one by one.
const MOST_WARNINGS: usize = 3;

/// All rows, read.
#[derive(Default)]
pub(crate) struct AllRead {
    /// Segments in key order, each by itself.
    pub(crate) sorted: Vec<SortedSegment>,
    /// Segments in file order with their row ids, of a table without primary key.
    pub(crate) ordered: Vec<Segment>,
    /// Sorted runs.
    pub(crate) runs: Vec<Run>,
    /// Keys found twice.
    pub(crate) duplicates: Vec<Vec<u8>>,
    /// Rows in all.
    pub(crate) rows: u64,
    /// Rows left out of each part, with the file and the records of it before the part.
    pub(crate) rejects: Vec<PartRejects>,
    /// What lenient reading has repaired.
    pub(crate) repairs: Repairs,
    /// Warnings about the files.
    pub(crate) notices: Vec<Notice>,
}

/// Returns how many bytes of text are read before what they gave is taken in: what the setting says,
/// or what a segment should hold.
pub(crate) fn split_size(context: &JobContext) -> u64 {
    let catalog = &*context.query.view.catalog;
    match cluster_setting(catalog, SPLIT_SIZE).and_then(|text| text.parse().ok()) {
        None | Some(0) => SEGMENT_BYTES,
        Some(bytes) => bytes,
    }
}

/// Returns how many bytes of a file a task should read.
fn range_size(shared: &Shared<'_>) -> u64 {
    let total: u64 = shared.files.iter().map(InputFile::size).sum();
    let smallest = SMALLEST_RANGE.min(shared.split);
    (total / (2 * shared.context.threads as u64)).clamp(smallest, shared.split)
}

/// Cuts what is behind `position` of the files into tasks of about `range` bytes.
fn cut_tasks(
    files: &[InputFile],
    range: u64,
    row_limit: Option<u64>,
    position: Option<Position>,
) -> Vec<Task> {
    let mut parts: Vec<Vec<Part>> = Vec::new();
    let mut small: Vec<Part> = Vec::new();
    let mut small_bytes = 0;
    for (number, file) in files.iter().enumerate() {
        let start = match position {
            Some(position) if number < position.file => continue,
            Some(position) if number == position.file && position.done => continue,
            Some(position) if number == position.file => position.next,
            _ => file.data_start,
        };
        let whole = Part { file: number, start, end: u64::MAX, exact: true };
        let size = file.size();
        if let Content::Parquet(parquet, _) = &file.content
            && row_limit.is_none()
        {
            if !small.is_empty() {
                parts.push(std::mem::take(&mut small));
                small_bytes = 0;
            }
            parts.extend(cut_groups(&whole, parquet, range).into_iter().map(|part| vec![part]));
            continue;
        }
        if !file.cuts().is_empty() {
            if !small.is_empty() {
                parts.push(std::mem::take(&mut small));
                small_bytes = 0;
            }
            parts.extend(cut_at(&whole, file.cuts()));
            continue;
        }
        if !file.is_seekable() || row_limit.is_some() || size < range + range / 2 {
            if small_bytes + size > range && !small.is_empty() {
                parts.push(std::mem::take(&mut small));
                small_bytes = 0;
            }
            small.push(whole);
            small_bytes += size;
            continue;
        }
        if !small.is_empty() {
            parts.push(std::mem::take(&mut small));
            small_bytes = 0;
        }
        parts.extend(cut_file(&whole, size, range).into_iter().map(|part| vec![part]));
    }
    if !small.is_empty() {
        parts.push(small);
    }
    parts.into_iter().enumerate().map(|(number, parts)| Task { number, parts }).collect()
}

/// Cuts the rest of a Parquet file into ranges of row groups of about `range` bytes.
fn cut_groups(whole: &Part, parquet: &ParquetFile, range: u64) -> Vec<Part> {
    let (file, mut start) = (whole.file, whole.start);
    let (mut parts, mut bytes) = (Vec::new(), 0);
    let count = parquet.groups();
    let first = usize::try_from(start).unwrap_or(count).min(count);
    for group in first..count {
        bytes += parquet.group_size(group);
        let next = group as u64 + 1;
        if bytes >= range && group + 1 < count {
            parts.push(Part { file, start, end: next, exact: true });
            (start, bytes) = (next, 0);
        }
    }
    parts.push(Part { file, start, end: u64::MAX, exact: true });
    parts
}

/// Cuts a file where records are known to start.
fn cut_at(whole: &Part, cuts: &[u64]) -> impl Iterator<Item = Vec<Part>> {
    let starts = std::iter::once(whole.start).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([u64::MAX]);
    let file = whole.file;
    starts.zip(ends).map(move |(start, end)| vec![Part { file, start, end, exact: true }])
}

/// Cuts a file of `size` bytes into ranges of about `range` bytes.
fn cut_file(whole: &Part, size: u64, range: u64) -> Vec<Part> {
    let count = (size.saturating_sub(whole.start)).div_ceil(range).max(1);
    let step = (size.saturating_sub(whole.start)).div_ceil(count).max(1);
    (0..count)
        .map(|number| Part {
            file: whole.file,
            start: whole.start + number * step,
            end: if number + 1 == count { u64::MAX } else { whole.start + (number + 1) * step },
            exact: number == 0,
        })
        .collect()
}

/// Tasks that wait for a thread.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    tasks: VecDeque<Task>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().expect("no thread panics with the lock")
    }

    fn put_first(&self, task: Task) {
        self.lock().tasks.push_front(task);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            state = self.changed.wait(state).expect("no thread panics with the lock");
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// What a thread tells of a task.
struct Report {
    task: Task,
    read: Result<Option<TaskRead>>,
    /// Whether more of the task follows.
    more: bool,
}

/// Reads all files.
pub(crate) fn read_all(
    shared: &Shared<'_>,
    job: JobId,
    verified: Verified,
) -> Result<AllRead, (Error, Vec<PartRejects>)> {
    let range = range_size(shared);
    let tasks = cut_tasks(shared.files, range, shared.row_limit, verified.position);
    let count = tasks.len();
    let threads = shared.context.threads.min(count);
    shared.unsorted.store(!verified.all.runs.is_empty(), Ordering::Relaxed);
    let queue = Queue {
        state: Mutex::new(QueueState { tasks: tasks.into(), closed: false }),
        changed: Condvar::new(),
    };
    let (sender, receiver) = channel::<Report>();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || work(shared, queue, &sender));
        }
        drop(sender);
        let mut verifier = Verifier::new(shared, &queue, job, verified);
        let result = verifier.gather(&receiver, count);
        queue.close();
        // Threads that are still at work stop at their next piece.
        shared.stop_after.store(0, Ordering::Relaxed);
        for report in receiver {
            if let Ok(Some(read)) = report.read {
                read.discard(shared);
            }
        }
        match result {
            Ok(()) => Ok(std::mem::take(&mut verifier.verified.all)),
            Err(error) => {
                // What cannot be saved now is read again later.
                if shared.context.cancellation.pause_reason().is_some() {
                    let _ = verifier.saver.save(&mut verifier.verified);
                }
                let rejects = std::mem::take(&mut verifier.verified.all.rejects);
                verifier.discard();
                Err((error, rejects))
            }
        }
    })
}

fn work(shared: &Shared<'_>, queue: &Queue, sender: &Sender<Report>) {
    while let Some(task) = queue.take() {
        let emit = |read| {
            // Whoever does not listen any more has discarded the job.
            let _ = sender.send(Report { task: task.clone(), read: Ok(Some(read)), more: true });
        };
        let read = run_task(shared, &task, &emit);
        if let Ok(Some(read)) = &read
            && read
                .parts
                .iter()
                .any(|part| part.fault.is_some() || shared.are_too_many(part.rejects.count))
        {
            shared.stop_after.fetch_min(task.number, Ordering::Relaxed);
        }
        if sender.send(Report { task, read, more: false }).is_err() {
            break;
        }
    }
}

/// What a task gave so far, until all before it is verified.
struct Waiting {
    task: Task,
    reads: VecDeque<TaskRead>,
    done: bool,
}

/// Joins what the tasks gave, in file order.
struct Verifier<'a> {
    shared: &'a Shared<'a>,
    queue: &'a Queue,
    job: JobId,
    verified: Verified,
    saver: Saver<'a>,
    /// Tasks that are done but not yet verified.
    waiting: BTreeMap<usize, Waiting>,
    /// Tasks given up because of an earlier fault.
    given_up: Vec<Task>,
    /// The first task that is not yet verified.
    next: usize,
    /// Rows left out so far, if only those of one file count, of the last file.
    rejected: u64,
}

/// Returns how many rows were left out before that count against the limit.
fn rejected_before(shared: &Shared<'_>, verified: &Verified) -> u64 {
    let per_file = shared.tolerated.is_some_and(|tolerated| tolerated.per_file);
    let file = verified.position.map(|position| position.file);
    let counts = |part: &&PartRejects| !per_file || Some(part.file) == file;
    verified.all.rejects.iter().filter(counts).map(|part| part.rejects.count).sum()
}

impl<'a> Verifier<'a> {
    fn new(shared: &'a Shared<'a>, queue: &'a Queue, job: JobId, verified: Verified) -> Self {
        Self {
            shared,
            queue,
            job,
            saver: Saver::new(shared, &verified),
            rejected: rejected_before(shared, &verified),
            verified,
            waiting: BTreeMap::new(),
            given_up: Vec::new(),
            next: 0,
        }
    }

    /// Receives reports until all `count` tasks are verified or one has failed.
    fn gather(&mut self, receiver: &Receiver<Report>, count: usize) -> Result {
        while self.next < count {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(report) => {
                    self.receive(report)?;
                    self.verify_waiting()?;
                }
                Err(RecvTimeoutError::Timeout) => self.shared.context.cancellation.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a thread of the import ended early"));
                }
            }
            self.tell_progress();
        }
        // Merging takes long too, and runs are gone behind it.
        self.saver.save_before_merge(&mut self.verified)?;
        self.warn()
    }

    fn receive(&mut self, report: Report) -> Result {
        let Report { task, read, more } = report;
        let Some(read) = read? else {
            if let Some(waiting) = self.waiting.remove(&task.number) {
                waiting.reads.into_iter().for_each(|read| read.discard(self.shared));
            }
            self.given_up.push(task);
            return Ok(());
        };
        let number = task.number;
        let new = || Waiting { task, reads: VecDeque::new(), done: false };
        let waiting = self.waiting.entry(number).or_insert_with(new);
        waiting.reads.push_back(read);
        waiting.done = !more;
        Ok(())
    }

    /// Takes in whatever can be taken in, in file order.
    fn verify_waiting(&mut self) -> Result {
        while let Some(mut waiting) = self.waiting.remove(&self.next) {
            while let Some(read) = waiting.reads.pop_front() {
                if !self.verify(&mut waiting.task, read)? {
                    return Ok(());
                }
                self.saver.save_if_due(&mut self.verified)?;
            }
            if !waiting.done {
                self.waiting.insert(self.next, waiting);
                return Ok(());
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Takes in what a task gave, or lets it be read again if it starts at the wrong place.
    fn verify(&mut self, task: &mut Task, read: TaskRead) -> Result<bool> {
        let expected = match (self.verified.position, read.parts.first()) {
            (Some(position), Some(part)) if position.file == part.file => {
                Some((position.next, part.start))
            }
            _ => None,
        };
        match expected {
            Some((next, start)) if next != start => {
                read.discard(self.shared);
                task.parts[0].start = next;
                task.parts[0].exact = true;
                self.read_again(task.clone());
                Ok(false)
            }
            _ => self.take(read).map(|()| true),
        }
    }

    /// Puts back a task whose guessed start was wrong; a fault that it reported means nothing.
    fn read_again(&mut self, task: Task) {
        self.shared.stop_after.store(usize::MAX, Ordering::Relaxed);
        self.given_up.drain(..).for_each(|task| self.queue.put_first(task));
        self.queue.put_first(task);
    }

    /// Takes in a verified task.
    fn take(&mut self, mut read: TaskRead) -> Result {
        let mut rows_before = Vec::with_capacity(read.parts.len());
        let mut fault = None;
        let mut too_many = None;
        for part in &mut read.parts {
            let same = self.verified.position.filter(|position| position.file == part.file);
            let before = same.unwrap_or(Position::start(part.file));
            if same.is_none() && self.shared.tolerated.is_some_and(|tolerated| tolerated.per_file) {
                self.rejected = 0;
            }
            rows_before.push(before.rows);
            self.verified.position = Some(Position {
                file: part.file,
                rows: before.rows + part.rows,
                records: before.records + part.records,
                next: part.next.max(before.next),
                done: part.to_end,
            });
            let all = &mut self.verified.all;
            all.rows += part.rows;
            all.repairs.add(part.repairs);
            self.note_swallowed(part, before.records);
            self.note_rejects(part, before.records);
            if let Some(found) = part.fault.take() {
                fault = Some((part.file, before.records, found));
            }
            if self.shared.are_too_many(self.rejected) {
                too_many.get_or_insert(part.file);
            }
        }
        let parts = std::mem::take(&mut read.parts);
        for ordered in std::mem::take(&mut read.ordered) {
            let part = ordered.part;
            let file = &self.shared.files[parts[part].file];
            self.verified.all.ordered.push(ordered.numbered(file.index, rows_before[part]));
        }
        let all = &mut self.verified.all;
        all.sorted.append(&mut read.sorted);
        all.runs.append(&mut read.runs);
        all.duplicates.append(&mut read.duplicates);
        if let Some(file) = too_many
            && let Some(most) = self.shared.tolerated.and_then(|tolerated| tolerated.max_errors)
        {
            return Err(reject::too_many(most, self.shared.files[file].name()));
        }
        match fault {
            None => Ok(()),
            Some((file, before, fault)) => {
                let file = &self.shared.files[file];
                file.require_unchanged()?;
                Err(fault.with_place(file, before)?)
            }
        }
    }

    fn note_swallowed(&mut self, part: &PartRead, before: u64) {
        let rows = part.swallowed.iter();
        self.verified
            .swallowed
            .extend(rows.map(|&(row, offset)| (part.file, before + row + 1, offset)));
    }

    fn note_rejects(&mut self, part: &mut PartRead, before: u64) {
        if part.rejects.count == 0 {
            return;
        }
        let rejects = std::mem::take(&mut part.rejects);
        self.rejected += rejects.count;
        let all = &mut self.verified.all;
        all.rejects.push(PartRejects { file: part.file, records_before: before, rejects });
    }

    fn warn(&mut self) -> Result {
        for &(file, row, offset) in self.verified.swallowed.iter().take(MOST_WARNINGS) {
            let file = &self.shared.files[file];
            let place = DataPlace { file: file.name().to_owned(), row, ..DataPlace::default() };
            let line = file.line_of(offset)?;
            let notice = Notice::warning(format!(
                "a quoted field of row {row} runs on over a line break, because its closing quote is not \
                 followed by a delimiter"
            ))
            .detail(format!("file {}, row {row}, line {line}, byte {offset}", place.file))
            .hint("With strict_quotes such a row is an error.");
            self.verified.all.notices.push(notice);
        }
        if self.verified.swallowed.len() > MOST_WARNINGS {
            let more = self.verified.swallowed.len() - MOST_WARNINGS;
            self.verified
                .all
                .notices
                .push(Notice::warning(format!("{more} more rows have such fields")));
        }
        Ok(())
    }

    fn tell_progress(&self) {
        let (bytes, total_bytes) = self.shared.stored.of(self.shared.files);
        (self.shared.context.events)(Event::Progress(Progress {
            job: self.job,
            phase: "reading",
            rows: self.shared.rows.load(Ordering::Relaxed),
            bytes,
            total_bytes,
        }));
    }

    /// Removes the files of everything read so far that no checkpoint names.
    fn discard(self) {
        let AllRead { sorted, ordered, .. } = self.verified.all;
        let mut segments: Vec<Segment> = sorted.into_iter().map(|sorted| sorted.segment).collect();
        segments.extend(ordered);
        let garbage = self.shared.space.not_held(segments);
        self.shared.context.store.discard_segments(self.shared.layout.table.id, &garbage);
        for read in self.waiting.into_values().flat_map(|waiting| waiting.reads) {
            read.discard(self.shared);
        }
    }
}
