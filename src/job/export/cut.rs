//! Cuts the rows of an export into files, in their order, by number and size.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::file::write_file;
use super::format::Piece;
use super::{ExportedFile, Work};
use crate::error::{Error, Result};

/// How many pieces wait for the thread of a file.
const WAITING: usize = 16;

/// What stands for the number of a file in its name.
const PART: &str = "%part%";

/// The names of the files of an export.
#[derive(Debug)]
pub(super) struct Names {
    before: String,
    /// What follows the number; without it there is one file.
    after: Option<String>,
}

impl Names {
    /// Returns the names that a pattern gives: `%part%` becomes `n1.0`, `n1.1` and so on.
    pub(super) fn of_pattern(pattern: &str) -> Self {
        match pattern.split_once(PART) {
            Some((before, after)) => {
                Self { before: before.to_owned(), after: Some(after.to_owned()) }
            }
            None => Self::one(pattern),
        }
    }

    /// Returns the name of one file.
    pub(super) fn one(name: &str) -> Self {
        Self { before: name.to_owned(), after: None }
    }

    fn name(&self, number: usize) -> String {
        match &self.after {
            None => self.before.clone(),
            Some(after) => {
                let part = format!("n1.{number}");
                format!("{}{part}{}", self.before, after.replace(PART, &part))
            }
        }
    }
}

/// Cuts pieces into files, and starts a thread for each.
pub(super) struct Cutter<'scope, 'env> {
    work: &'env Work<'env>,
    scope: &'scope Scope<'scope, 'env>,
    open: Option<OpenFile<'scope>>,
    /// Files that have all their rows and may still be written.
    ended: VecDeque<OpenFile<'scope>>,
    files: Vec<ExportedFile>,
    /// How many files were started.
    started: usize,
    rows: u64,
    bytes: u64,
}

/// A file that is being written.
struct OpenFile<'scope> {
    name: String,
    /// Gone when the file has all its rows.
    pieces: Option<SyncSender<Piece>>,
    thread: ScopedJoinHandle<'scope, Result<u64>>,
    rows: u64,
    /// Before compression.
    bytes: u64,
}

impl<'scope, 'env> Cutter<'scope, 'env> {
    pub(super) fn new(work: &'env Work<'env>, scope: &'scope Scope<'scope, 'env>) -> Self {
        Self {
            work,
            scope,
            open: None,
            ended: VecDeque::new(),
            files: Vec::new(),
            started: 0,
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes pieces from the threads in turn until there are no more; returns the files.
    pub(super) fn run(mut self, outputs: &[Receiver<Result<Piece>>]) -> Result<Vec<ExportedFile>> {
        for output in outputs.iter().cycle() {
            let Ok(piece) = output.recv() else { break };
            self.work.context.cancellation.check()?;
            self.push(piece?)?;
            self.work.tell("exporting", (self.rows, self.bytes));
        }
        if self.started == 0 {
            self.open()?;
        }
        self.end_file();
        while let Some(file) = self.ended.pop_front() {
            self.join(file)?;
        }
        Ok(self.files)
    }

    /// Cuts one piece.
    fn push(&mut self, mut piece: Piece) -> Result {
        while piece.rows() > 0 {
            let (rows, bytes) = match &self.open {
                Some(file) => (file.rows, file.bytes),
                None => self.open()?,
            };
            let export = self.work.export;
            let most = export.chunk_rows - rows;
            let (count, full) = piece.fitting(most, export.chunk_size.saturating_sub(bytes));
            let rest = piece.split_off(count);
            self.send(piece)?;
            if full {
                self.end_file();
            }
            piece = rest;
        }
        Ok(())
    }

    /// Starts the next file; returns its rows and bytes, which is its header.
    fn open(&mut self) -> Result<(u64, u64)> {
        let work = self.work;
        let name = work.names.name(self.started);
        if !work.export.overwrite {
            work.output.require_absent(&name)?;
        }
        if self.ended.len() >= work.context.threads.max(1)
            && let Some(file) = self.ended.pop_front()
        {
            self.join(file)?;
        }
        let (pieces, received) = sync_channel(WAITING);
        let given = name.clone();
        let thread = self.scope.spawn(move || write_file(work, &given, &received));
        let bytes = work.formatter.header().len() as u64;
        self.open = Some(OpenFile { name, pieces: Some(pieces), thread, rows: 0, bytes });
        self.started += 1;
        Ok((0, bytes))
    }

    fn send(&mut self, piece: Piece) -> Result {
        let Some(file) = &mut self.open else { return Err(Error::internal("no file is open")) };
        let (rows, bytes) = (piece.rows() as u64, piece.bytes());
        file.rows += rows;
        file.bytes += bytes;
        self.rows += rows;
        self.bytes += bytes;
        let sent = file.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        if !sent && let Some(file) = self.open.take() {
            // The thread has ended, with an error.
            return self.join(file);
        }
        Ok(())
    }

    /// Ends the open file: no more rows go into it.
    fn end_file(&mut self) {
        if let Some(mut file) = self.open.take() {
            file.pieces = None;
            self.ended.push_back(file);
        }
    }

    /// Waits for a file.
    fn join(&mut self, file: OpenFile<'scope>) -> Result {
        let OpenFile { name, pieces, thread, rows, .. } = file;
        drop(pieces);
        let bytes = thread
            .join()
            .unwrap_or_else(|_| Err(Error::internal("a panic while a file was written")))?;
        self.files.push(ExportedFile { name, rows, bytes });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_files_where_the_pattern_says() {
        let names = Names::of_pattern("a-%part%.csv");
        assert_eq!(names.name(0), "a-n1.0.csv");
        assert_eq!(names.name(12), "a-n1.12.csv");
        assert_eq!(Names::of_pattern("%part%/%part%").name(1), "n1.1/n1.1");
        assert_eq!(Names::of_pattern("a.csv").name(0), "a.csv");
        assert_eq!(Names::one("a-%part%").name(3), "a-%part%");
    }
}
