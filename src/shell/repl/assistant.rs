//! What the line editor asks: completions and colors.

use std::borrow::Cow;
use std::cell::Cell;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Result};

use super::complete::{self, Wanted};
use super::highlight;
use crate::session::Names;
use crate::shell::console::Console;

/// Answers the line editor.
pub(super) struct Assistant {
    names: Names,
    /// What was typed above the line.
    before: String,
    color: bool,
    files: FilenameCompleter,
    /// Whether the line held text when it was last drawn.
    text: Cell<bool>,
}

impl Assistant {
    /// Returns an assistant that knows no names yet.
    pub(super) fn new(color: bool) -> Self {
        Self {
            names: Names::default(),
            before: String::new(),
            color,
            files: FilenameCompleter::new(),
            text: Cell::new(false),
        }
    }

    /// Takes the names and the open statement before a line is read.
    pub(super) fn prepare(&mut self, console: &Console) {
        self.names = console.session.names();
        self.before.clone_from(&console.buffer);
        self.text.set(false);
    }

    /// Returns whether the line held text.
    pub(super) fn has_text(&self) -> bool {
        self.text.get()
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let typed = format!("{}{}", self.before, &line[..at]);
        match complete::wanted(&typed) {
            Wanted::File => self.files.complete_path(line, at),
            wanted => {
                let start = complete::word_start(&line[..at]);
                let found = complete::candidates(wanted, &line[start..at], &typed, &self.names);
                let pair = |word: String| Pair { display: word.clone(), replacement: word };
                Ok((start, found.into_iter().map(pair).collect()))
            }
        }
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// Gives no hint; the editor asks after every key, which is how it learns of text.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.text.set(!line.is_empty());
        None
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.color { Cow::Owned(highlight::paint(&self.before, line)) } else { line.into() }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.color && kind != CmdKind::MoveCursor
    }
}

impl Validator for Assistant {}

impl rustyline::Helper for Assistant {}
