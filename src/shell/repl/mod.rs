//! The interactive shell: prompt, line editing, history, and what Ctrl-C and Ctrl-D do.
//!
//! Lines are read one by one, each under a prompt that says what is open; the history keeps whole
//! statements. While a statement runs, Ctrl-C cancels it; at the prompt, it clears what was typed.

mod assistant;
mod complete;
mod highlight;
mod history;
mod prompt;

use std::time::{Duration, Instant};

use rustyline::config::{BellStyle, CompletionType};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Cmd, ColorMode, Config, Editor, KeyEvent};

use self::assistant::Assistant;
use self::history::HistoryFile;
use super::console::Console;
use super::directories;
use super::flow::{Flow, Stop, io_error};
use super::script::Origin;
use super::splitter;
use crate::syntax::{Open, PieceKind};

/// How many statements the history keeps.
const HISTORY: usize = 10_000;

/// Talks with a person until they leave. `init`: the init file is run first.
pub(crate) fn run(console: &mut Console, color: bool, init: bool) -> Flow {
    let mut repl = Repl::new(color)?;
    repl.measure(console);
    if !console.settings.quiet {
        console.output.message(&banner(console));
    }
    if init {
        run_init_file(console)?;
    }
    repl.history.load(&mut repl.editor);
    loop {
        match repl.turn(console) {
            Ok(()) => {}
            Err(Stop::Quit) => return Ok(()),
            Err(stop) => return Err(stop),
        }
    }
}

fn banner(console: &Console) -> String {
    let mut text = format!(r"Wharf {}. Type \? for help.", env!("CARGO_PKG_VERSION"));
    if console.session.is_temporary() {
        text += "\nThis database is temporary: it is removed when you leave. \
                 \"wharf DIR\" keeps one in a directory.";
    }
    text
}

fn run_init_file(console: &mut Console) -> Flow {
    let Some(path) = directories::init_file().filter(|path| path.is_file()) else { return Ok(()) };
    let quiet = std::mem::replace(&mut console.settings.quiet, true);
    let ran = console.run_file(&path);
    console.settings.quiet = quiet;
    console.settle(ran, &Origin::unnamed(), 1)
}

/// The line editor and what it remembers.
struct Repl {
    editor: Editor<Assistant, DefaultHistory>,
    history: HistoryFile,
    color: bool,
    /// What was typed for the statement or command that is not complete.
    entry: String,
    interrupted: Option<Instant>,
}

impl Repl {
    fn new(color: bool) -> Flow<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(readline_error)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled })
            .tab_stop(4)
            .build();
        let mut editor = Editor::with_config(config).map_err(readline_error)?;
        editor.set_helper(Some(Assistant::new(color)));
        // Alt-Enter breaks the line without ending it.
        editor.bind_sequence(KeyEvent::alt('\r'), Cmd::Newline);
        let history = HistoryFile::new(directories::history_file());
        Ok(Self { editor, history, color, entry: String::new(), interrupted: None })
    }

    /// Tells the console how large the screen is.
    fn measure(&mut self, console: &mut Console) {
        let size = self.editor.dimensions();
        console.settings.screen =
            size.map(|(columns, lines)| (usize::from(columns), usize::from(lines)));
    }

    /// Reads one line and runs what it completes.
    fn turn(&mut self, console: &mut Console) -> Flow {
        let open = open_construct(&console.buffer);
        let text = match open {
            None if console.copying.is_some() => prompt::rows(),
            None => prompt::first(console),
            Some(open) => prompt::continuation(&prompt::first(console), &open),
        };
        let styled = if self.color { prompt::styled(&text) } else { text.clone() };
        if let Some(helper) = self.editor.helper_mut() {
            helper.prepare(console);
        }
        match self.editor.readline(&(text, styled)) {
            Ok(line) => self.run_line(console, &line),
            Err(ReadlineError::Interrupted) => self.interrupt(console),
            Err(ReadlineError::Eof) if console.copying.is_some() => {
                self.entry.clear();
                let ran = console.end_copy(&Origin::unnamed());
                or_go_on(console, ran)
            }
            Err(ReadlineError::Eof) => Err(Stop::Quit),
            Err(ReadlineError::Io(error)) => {
                Err(io_error("could not read the terminal", error).into())
            }
            Err(error) => Err(readline_error(error)),
        }
    }

    fn run_line(&mut self, console: &mut Console, line: &str) -> Flow {
        if console.copying.is_some() {
            let ran = console.run_text(&format!("{line}\n"), &Origin::unnamed(), 1);
            return or_go_on(console, ran);
        }
        if console.buffer.is_empty() && line.trim().is_empty() {
            return Ok(());
        }
        if !self.entry.is_empty() {
            self.entry.push('\n');
        }
        self.entry.push_str(line);
        self.measure(console);
        let ran = if console.buffer.is_empty() && is_word_to_leave(line) {
            Err(Stop::Quit)
        } else if console.buffer.is_empty() && line.trim().eq_ignore_ascii_case("help") {
            console.run_text("\\?\n", &Origin::unnamed(), 1)
        } else {
            console.run_text(&format!("{line}\n"), &Origin::unnamed(), 1)
        };
        if open_construct(&console.buffer).is_none() {
            console.buffer.clear();
            let entry = std::mem::take(&mut self.entry);
            self.history.add(&mut self.editor, &entry);
        }
        or_go_on(console, ran)
    }

    /// Ctrl-C at the prompt: clears what was typed, or says how to leave.
    fn interrupt(&mut self, console: &mut Console) -> Flow {
        let typed = self.editor.helper().is_some_and(Assistant::has_text);
        let recent = |since: Instant| since.elapsed() <= Duration::from_secs(1);
        if typed || !console.buffer.is_empty() || console.copying.is_some() {
            console.buffer.clear();
            console.copying = None;
            self.entry.clear();
            self.interrupted = None;
        } else if self.interrupted.is_some_and(recent) {
            return Err(Stop::Interrupted);
        } else {
            console.output.message(r"Type \q or press Ctrl-D to leave.");
            self.interrupted = Some(Instant::now());
        }
        Ok(())
    }
}

/// An interactive shell goes on unless it was told to end at the first error.
fn or_go_on(console: &Console, ran: Flow) -> Flow {
    match ran {
        Err(Stop::Failed) if !console.settings.errexit => Ok(()),
        ran => ran,
    }
}

fn is_word_to_leave(line: &str) -> bool {
    let word = line.trim().trim_end_matches(';').trim_end();
    word.eq_ignore_ascii_case("exit") || word.eq_ignore_ascii_case("quit")
}

/// Returns what is open at the end of the statement that is being typed, if one is.
fn open_construct(buffer: &str) -> Option<Open> {
    splitter::split(buffer).into_iter().next_back().and_then(|piece| match piece.kind {
        PieceKind::Incomplete(open) => Some(open),
        _ => None,
    })
}

fn readline_error(error: ReadlineError) -> Stop {
    let text = format!("could not use the terminal: {error}");
    Stop::Error(crate::error::Error::new(crate::error::SqlState::IO_ERROR, text))
}
