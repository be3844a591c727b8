//! COPY FROM STDIN: the lines behind the statement are its rows, up to a line of `\.`.
//!
//! The rows are gathered before the statement runs, so that none of them is ever taken for a
//! statement, whatever becomes of it.

use std::fs::File;
use std::io::Write;

use super::console::Console;
use super::flow::{Flow, io_error};
use super::script::{Origin, read_chunk};
use crate::error::{Error, Result};
use crate::syntax::ast::{Copy, CopyPlace, Statement};
use crate::syntax::{self, TokenKind};

/// The line that ends the rows.
const END: &str = "\\.";

/// What is said to a person before rows are typed.
const ADVICE: &str =
    "Enter the rows, each on a line, and end with a line of \"\\.\" or with Ctrl-D.";

/// A COPY FROM STDIN whose rows are being gathered.
pub(crate) struct CopyIn {
    text: String,
    /// The line of the script on which it stands.
    line: usize,
    /// What stands behind it on its line, to be run after it.
    behind: String,
    /// The rows so far; the error if they cannot be kept.
    rows: Option<Result<File>>,
}

impl CopyIn {
    /// Returns the statement, if it is one that reads rows from standard input.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut words = syntax::tokens(text).into_iter();
        let first = words.find(|token| token.kind != TokenKind::Comment)?;
        if !first.text(text).eq_ignore_ascii_case("copy") {
            return None;
        }
        match syntax::parse(text) {
            Ok(Statement::Copy(Copy { from: true, place: CopyPlace::Stdin(_), .. })) => {
                Some(Self { text: text.to_owned(), line: 0, behind: String::new(), rows: None })
            }
            _ => None,
        }
    }

    /// Keeps a line of rows, if they can be kept.
    fn keep(&mut self, console: &Console, lines: &str) {
        let rows = self.rows.get_or_insert_with(|| console.session.copy_input());
        if let Ok(file) = rows
            && let Err(error) = file.write_all(lines.as_bytes())
        {
            *rows = Err(io_error("could not keep the rows of COPY", error));
        }
    }
}

impl Console {
    /// Starts to gather rows.
    pub(crate) fn start_copy(&mut self, copy: CopyIn) {
        if self.settings.interactive && !self.settings.quiet {
            self.output.message(ADVICE);
        }
        self.copying = Some(copy);
    }

    /// Notes on which line the statement stands whose rows are gathered, and what follows it there.
    pub(crate) fn place_copy(&mut self, line: usize, behind: &str) {
        if let Some(copy) = &mut self.copying {
            copy.line = line;
            behind.trim().trim_start_matches(';').trim().clone_into(&mut copy.behind);
        }
    }

    /// Takes rows from the start of `text` while a COPY reads them, and runs it at their end; returns
    /// how many bytes were taken, or nothing if all are rows.
    pub(crate) fn take_rows(&mut self, text: &str, origin: &Origin) -> Flow<Option<usize>> {
        let Some(mut copy) = self.copying.take() else { return Ok(Some(0)) };
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if line.trim_end_matches(['\n', '\r']) == END {
                copy.keep(self, &text[..at]);
                self.run_copy(copy, origin)?;
                return Ok(Some(at + line.len()));
            }
            at += line.len();
        }
        copy.keep(self, text);
        self.copying = Some(copy);
        Ok(None)
    }

    /// Ends the rows because the text does. Those of a statement on the command line come from standard
    /// input.
    pub(crate) fn end_copy(&mut self, origin: &Origin) -> Flow {
        while self.reads_rows && self.copying.is_some() && origin.place(1).is_none() {
            let chunk = self.next_lines()?;
            if chunk.is_empty() {
                break;
            }
            // What follows the rows there is nobody's.
            self.take_rows(&chunk, origin)?;
        }
        match self.copying.take() {
            None => Ok(()),
            Some(copy) => self.run_copy(copy, origin),
        }
    }

    /// Returns the next whole lines of standard input; none at its end.
    fn next_lines(&mut self) -> Flow<String> {
        let mut lines: Vec<u8> = Vec::new();
        loop {
            let _context = self.runtime.enter();
            let chunk = tokio::task::spawn_blocking(read_chunk);
            let chunk = self
                .runtime
                .block_on(self.interrupts.wait(chunk))?
                .map_err(Error::internal)?
                .map_err(|error| io_error("could not read standard input", error))?;
            lines.extend_from_slice(&chunk);
            if chunk.is_empty() || lines.ends_with(b"\n") {
                return super::script::utf8(lines, "standard input");
            }
        }
    }

    /// Runs a COPY whose rows are gathered, and what stands behind it on its line.
    fn run_copy(&mut self, copy: CopyIn, origin: &Origin) -> Flow {
        let rows = copy.rows.unwrap_or_else(|| self.session.copy_input());
        let ran = match rows {
            Ok(file) => {
                self.session.set_copy_input(file);
                self.run_timed(&copy.text)
            }
            Err(error) => Err(error.into()),
        };
        self.settle(ran, origin, copy.line)?;
        if copy.behind.is_empty() {
            return Ok(());
        }
        self.run_text(&format!("{};\n", copy.behind), origin, copy.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_statements_that_read_rows() {
        for text in ["COPY t FROM STDIN", "copy t (a, b) from stdin csv", "-- x\nCOPY t FROM stdin"]
        {
            assert!(CopyIn::of(text).is_some(), "{text}");
        }
        for text in ["COPY t TO STDOUT", "COPY t FROM 'x'", "COPY", "SELECT 'COPY t FROM STDIN'"] {
            assert!(CopyIn::of(text).is_none(), "{text}");
        }
    }
}
