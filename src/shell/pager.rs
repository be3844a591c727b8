//! Sends results that are longer than the screen through a pager.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use super::output::Output;

/// Takes the rows of one result: holds them back until the screen is full, then starts the pager.
pub(crate) struct Paging {
    output: Output,
    /// The lines of the screen; nothing if the pager is off.
    lines: Option<usize>,
    held: String,
    pager: Option<Child>,
}

impl Paging {
    /// Returns a sink for one result.
    pub(crate) fn new(output: Output, lines: Option<usize>) -> Self {
        Self { output, lines, held: String::new(), pager: None }
    }

    /// Takes rows. A pager that the user left early gives `BrokenPipe`.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(lines) = self.lines else { return self.output.rows(text) };
        if let Some(input) = self.pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
            return input.write_all(text.as_bytes());
        }
        self.held.push_str(text);
        if self.held.lines().count() < lines {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        if let Ok(pager) = start() {
            self.pager = Some(pager);
            return self.write(&held);
        }
        // Without a pager the rows are better seen than lost.
        self.lines = None;
        self.output.rows(&held)
    }

    /// Ends the result; waits for the user to leave the pager.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Some(mut pager) = self.pager.take() {
            drop(pager.stdin.take());
            return pager.wait().map(drop);
        }
        self.output.rows(&self.held)?;
        self.output.flush()
    }

    /// Returns whether the pager runs.
    pub(crate) fn is_started(&self) -> bool {
        self.pager.is_some()
    }
}

impl Drop for Paging {
    fn drop(&mut self) {
        if let Some(mut pager) = self.pager.take() {
            drop(pager.stdin.take());
            let _ = pager.wait();
        }
    }
}

fn start() -> io::Result<Child> {
    let program = std::env::var_os("PAGER").filter(|program| !program.is_empty());
    let mut command = Command::new("sh");
    command.arg("-c").arg(program.unwrap_or_else(|| "less".into())).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Chop long lines, keep colors, leave short results on the screen.
        command.env("LESS", "-SRXF");
    }
    command.spawn()
}
