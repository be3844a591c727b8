//! Reading all files on all threads: the work is cut into tasks, guessed record starts are verified
//! in file order, and the first fault in file order wins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::input::{Content, InputFile};
use super::task::{Part, PartRead, Shared, Task, TaskRead, run_task};
use crate::catalog::JobId;
use crate::error::{DataPlace, Error, Notice, Result};
use crate::job::event::{Event, Progress};
use crate::job::run::Run;
use crate::job::table::{SEGMENT_BYTES, SortedSegment};
use crate::store::{ParquetFile, Segment};

/// The smallest range that a file is cut into, in bytes.
const SMALLEST_RANGE: u64 = 4 << 20;

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
    /// Warnings about the files.
    pub(crate) notices: Vec<Notice>,
}

/// Cuts the files into tasks.
pub(crate) fn cut_tasks(files: &[InputFile], threads: usize, row_limit: Option<u64>) -> Vec<Task> {
    let total: u64 = files.iter().map(InputFile::size).sum();
    let range = (total / (2 * threads as u64)).clamp(SMALLEST_RANGE, SEGMENT_BYTES);
    let mut parts: Vec<Vec<Part>> = Vec::new();
    let mut small: Vec<Part> = Vec::new();
    let mut small_bytes = 0;
    for (number, file) in files.iter().enumerate() {
        let whole = Part { file: number, start: file.data_start, end: u64::MAX, exact: true };
        let size = file.size();
        if let Content::Parquet(parquet, _) = &file.content
            && row_limit.is_none()
        {
            if !small.is_empty() {
                parts.push(std::mem::take(&mut small));
                small_bytes = 0;
            }
            parts.extend(cut_groups(number, parquet, range).into_iter().map(|part| vec![part]));
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

/// Cuts a Parquet file into ranges of row groups of about `range` bytes.
fn cut_groups(file: usize, parquet: &ParquetFile, range: u64) -> Vec<Part> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    let count = parquet.groups();
    for group in 0..count {
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

type Report = (Task, Result<Option<TaskRead>>);

/// Reads all files.
pub(crate) fn read_all(shared: &Shared<'_>, job: JobId) -> Result<AllRead> {
    let tasks = cut_tasks(shared.files, shared.context.threads, shared.row_limit);
    let count = tasks.len();
    let threads = shared.context.threads.min(count);
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
        let mut verifier = Verifier::new(shared, &queue, job);
        let result = verifier.gather(&receiver, count);
        queue.close();
        // Threads that are still at work stop at their next piece.
        shared.stop_after.store(0, Ordering::Relaxed);
        for (_, report) in receiver {
            if let Ok(Some(read)) = report {
                read.discard(shared);
            }
        }
        match result {
            Ok(()) => Ok(std::mem::take(&mut verifier.all)),
            Err(error) => {
                verifier.discard();
                Err(error)
            }
        }
    })
}

fn work(shared: &Shared<'_>, queue: &Queue, sender: &Sender<Report>) {
    while let Some(task) = queue.take() {
        let read = run_task(shared, &task);
        if let Ok(Some(read)) = &read
            && read.parts.iter().any(|part| part.fault.is_some())
        {
            shared.stop_after.fetch_min(task.number, Ordering::Relaxed);
        }
        if sender.send((task, read)).is_err() {
            break;
        }
    }
}

/// Joins what the tasks gave, in file order.
struct Verifier<'a> {
    shared: &'a Shared<'a>,
    queue: &'a Queue,
    job: JobId,
    all: AllRead,
    /// Tasks that are done but not yet verified.
    waiting: BTreeMap<usize, (Task, TaskRead)>,
    /// Tasks given up because of an earlier fault.
    given_up: Vec<Task>,
    /// The first task that is not yet verified.
    next: usize,
    /// The file of the last verified part, its rows and where its next record starts.
    file: Option<(usize, u64, u64)>,
    swallowed: Vec<(usize, u64, u64)>,
}

impl<'a> Verifier<'a> {
    fn new(shared: &'a Shared<'a>, queue: &'a Queue, job: JobId) -> Self {
        Self {
            shared,
            queue,
            job,
            all: AllRead::default(),
            waiting: BTreeMap::new(),
            given_up: Vec::new(),
            next: 0,
            file: None,
            swallowed: Vec::new(),
        }
    }

    /// Receives reports until all `count` tasks are verified or one has failed.
    fn gather(&mut self, receiver: &Receiver<Report>, count: usize) -> Result {
        while self.next < count {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((task, report)) => {
                    match report? {
                        Some(read) => {
                            self.waiting.insert(task.number, (task, read));
                        }
                        None => self.given_up.push(task),
                    }
                    self.verify_waiting()?;
                }
                Err(RecvTimeoutError::Timeout) => self.shared.context.cancellation.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a thread of the import ended early"));
                }
            }
            self.tell_progress();
        }
        self.warn()
    }

    fn verify_waiting(&mut self) -> Result {
        while let Some((mut task, read)) = self.waiting.remove(&self.next) {
            let expected = match (self.file, read.parts.first()) {
                (Some((file, _, next)), Some(part)) if file == part.file => {
                    Some((next, part.start))
                }
                _ => None,
            };
            match expected {
                Some((next, start)) if next != start => {
                    read.discard(self.shared);
                    task.parts[0].start = next;
                    task.parts[0].exact = true;
                    self.read_again(task);
                    return Ok(());
                }
                _ => self.take(read)?,
            }
            self.next += 1;
        }
        Ok(())
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
        for part in &mut read.parts {
            let before = match self.file {
                Some((file, rows, _)) if file == part.file => rows,
                _ => 0,
            };
            rows_before.push(before);
            let next = part.next.max(self.file.map_or(
                0,
                |(file, _, next)| {
                    if file == part.file { next } else { 0 }
                },
            ));
            self.file = Some((part.file, before + part.rows, next));
            self.all.rows += part.rows;
            self.note_swallowed(part, before);
            if let Some(found) = part.fault.take() {
                fault = Some((part.file, before, found));
            }
        }
        let parts = std::mem::take(&mut read.parts);
        for ordered in std::mem::take(&mut read.ordered) {
            let part = ordered.part;
            let file = &self.shared.files[parts[part].file];
            self.all.ordered.push(ordered.numbered(file.index, rows_before[part]));
        }
        self.all.sorted.append(&mut read.sorted);
        self.all.runs.append(&mut read.runs);
        self.all.duplicates.append(&mut read.duplicates);
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
        self.swallowed.extend(rows.map(|&(row, offset)| (part.file, before + row + 1, offset)));
    }

    fn warn(&mut self) -> Result {
        for &(file, row, offset) in self.swallowed.iter().take(MOST_WARNINGS) {
            let file = &self.shared.files[file];
            let place = DataPlace { file: file.name().to_owned(), row, ..DataPlace::default() };
            let line = file.line_of(offset)?;
            let notice = Notice::warning(format!(
                "a quoted field of row {row} runs on over a line break, because its closing quote is not \
                 followed by a delimiter"
            ))
            .detail(format!("file {}, row {row}, line {line}, byte {offset}", place.file))
            .hint("With strict_quotes such a row is an error.");
            self.all.notices.push(notice);
        }
        if self.swallowed.len() > MOST_WARNINGS {
            let more = self.swallowed.len() - MOST_WARNINGS;
            self.all.notices.push(Notice::warning(format!("{more} more rows have such fields")));
        }
        Ok(())
    }

    fn tell_progress(&self) {
        let total = self.shared.files.iter().map(InputFile::size).sum();
        let plain = self.shared.files.iter().all(InputFile::is_plain);
        (self.shared.context.events)(Event::Progress(Progress {
            job: self.job,
            phase: "reading",
            rows: self.shared.rows.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            total_bytes: plain.then_some(total),
        }));
    }

    /// Removes the files of everything read so far.
    fn discard(self) {
        let mut segments: Vec<Segment> =
            self.all.sorted.into_iter().map(|sorted| sorted.segment).collect();
        segments.extend(self.all.ordered);
        self.shared.context.store.discard_segments(self.shared.layout.table.id, &segments);
        for (_, (_, read)) in self.waiting {
            read.discard(self.shared);
        }
    }
}
