//! Runs scripts: files, standard input and the text of `-e`, with where their errors come from.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::console::Console;
use super::flow::{Flow, Stop, io_error};
use crate::error::{Error, SqlState};

/// How deep scripts may include each other.
const DEEPEST: usize = 64;
/// How much of standard input is read at once.
const CHUNK: usize = 64 << 10;

/// Where running text comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The name that errors are prefixed with.
    name: Option<String>,
}

impl Origin {
    /// Returns an origin without a name: a terminal, `-e`, a golden test.
    pub(crate) fn unnamed() -> Self {
        Self::default()
    }

    /// Returns the origin of that name.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()) }
    }

    /// Returns `name:line`, if the origin has a name.
    pub(crate) fn place(&self, line: usize) -> Option<String> {
        self.name.as_ref().map(|name| format!("{name}:{line}"))
    }
}

impl Console {
    /// Runs all of a text.
    pub(crate) fn run_whole(&mut self, text: &str, origin: &Origin) -> Flow {
        let ran = self.run_text(text, origin, 1).and_then(|()| self.finish(origin));
        self.leave(ran)
    }

    /// Runs the script in a file, `-` being standard input. A relative path starts at the console's
    /// directory.
    pub(crate) fn run_file(&mut self, path: &Path) -> Flow {
        if path == Path::new("-") {
            return self.run_input();
        }
        if self.directories.len() >= DEEPEST {
            return Err(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("scripts include each other more than {DEEPEST} deep"),
            )
            .hint("A script that includes itself never ends.")
            .into());
        }
        let text = read_script(&self.directory.join(path), path)?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        self.directories.push(directory);
        let outer = std::mem::take(&mut self.buffer);
        let ran = self.run_whole(&text, &Origin::named(path.display().to_string()));
        self.buffer = outer;
        self.directories.pop();
        ran
    }

    /// Runs standard input, each statement as soon as it is complete.
    pub(crate) fn run_input(&mut self) -> Flow {
        let origin = Origin::named("<stdin>");
        let ran = self.run_chunks(&origin).and_then(|()| self.finish(&origin));
        self.leave(ran)
    }

    fn run_chunks(&mut self, origin: &Origin) -> Flow {
        let mut rest: Vec<u8> = Vec::new();
        let mut line = 1;
        loop {
            let read = tokio::task::spawn_blocking;
            let _context = self.runtime.enter();
            let chunk = read(read_chunk);
            let chunk = self
                .runtime
                .block_on(self.interrupts.wait(chunk))?
                .map_err(Error::internal)?
                .map_err(|error| io_error("could not read standard input", error))?;
            let ended = chunk.is_empty();
            rest.extend_from_slice(&chunk);
            // A command ends with its line, so only whole lines can be cut.
            let end = match rest.iter().rposition(|byte| *byte == b'\n') {
                _ if ended => rest.len(),
                Some(at) => at + 1,
                None => continue,
            };
            let lines = utf8(rest.drain(..end).collect(), "standard input")?;
            self.run_text(&lines, origin, line)?;
            line += lines.matches('\n').count();
            if ended {
                return Ok(());
            }
        }
    }

    /// Ends a text: what asked to leave it has been obeyed.
    fn leave(&mut self, ran: Flow) -> Flow {
        self.buffer.clear();
        self.copying = None;
        match ran {
            Err(Stop::Quit) => Ok(()),
            ran => ran,
        }
    }
}

/// Reads some of standard input; nothing at its end.
pub(super) fn read_chunk() -> std::io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match std::io::stdin().lock().read(&mut chunk) {
            Ok(length) => {
                chunk.truncate(length);
                return Ok(chunk);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads the script in the file `path`, which the user knows as `name`.
fn read_script(path: &Path, name: &Path) -> Flow<String> {
    let bytes = fs::read(path)
        .map_err(|error| io_error(format!("could not read \"{}\"", name.display()), error))?;
    utf8(bytes, &name.display().to_string())
}

/// Returns the text of a script, its byte order mark taken off.
pub(super) fn utf8(bytes: Vec<u8>, name: &str) -> Flow<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let line = before.matches('\n').count() + 1;
        Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            format!("\"{name}\" is not valid UTF-8 at line {line}"),
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Returns a path as a user wrote it, `~/` being the home directory.
pub(crate) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), super::directories::home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
