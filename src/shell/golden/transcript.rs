//! Runs files of blocks: what a person sees, byte for byte.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::block::{self, Block};
use super::diff;
use super::fixture::Fixture;
use super::sandbox::{Restart, Sandbox};
use crate::error::{Error, Report};
use crate::session::ExternalIo;
use crate::shell::arguments::parse_size;
use crate::shell::console::Console;
use crate::shell::flow::Stop;
use crate::shell::output::{Capture, Output};
use crate::shell::script::Origin;
use crate::shell::settings::{Format, Settings};
use crate::shell::splitter;
use crate::syntax;

/// Runs a file of blocks. Returns the file with what was seen if `rewrite`; otherwise what differs
/// is an error.
pub(super) fn run(
    path: &Path,
    text: &str,
    rewrite: bool,
    runtime: &Handle,
) -> Result<Option<String>, String> {
    let told = |line: usize, text: String| format!("{}:{line}: {text}", path.display());
    let blocks = block::parse(text).map_err(|text| format!("{}: {text}", path.display()))?;
    let mut stage = Stage::new(runtime)?;
    let mut seen = Vec::with_capacity(blocks.len());
    let mut differences = String::new();
    for block in &blocks {
        let answer = stage.run(block, path).map_err(|text| told(block.line, text))?;
        if let Some(answer) = answer.as_ref().filter(|answer| **answer != block.expected) {
            let difference = diff::lines(&block.expected, answer);
            differences += &told(block.line, format!("(-expected +seen)\n{difference}\n"));
        }
        seen.push(answer);
    }
    if rewrite {
        return Ok(Some(block::rewrite(text, &blocks, &seen)));
    }
    if differences.is_empty() { Ok(None) } else { Err(differences) }
}

/// The database, files and console of one file of blocks.
struct Stage {
    sandbox: Sandbox,
    runtime: Handle,
    console: Option<Console>,
    capture: Capture,
}

impl Stage {
    fn new(runtime: &Handle) -> Result<Self, String> {
        let mut stage = Self {
            sandbox: Sandbox::new()?,
            runtime: runtime.clone(),
            console: None,
            capture: Capture::default(),
        };
        stage.open(&Restart::default())?;
        Ok(stage)
    }

    /// Opens the database, after closing it if it is open.
    fn open(&mut self, restart: &Restart) -> Result<(), String> {
        self.console = None;
        let session = self.sandbox.open(&self.runtime, restart).map_err(|error| report(&error))?;
        let (output, capture) = Output::captured();
        let directory = self.sandbox.files().to_path_buf();
        self.console = Some(Console::new(session, output, self.runtime.clone(), directory));
        self.capture = capture;
        Ok(())
    }

    /// Runs a block; returns what was seen if the block expects something.
    fn run(&mut self, block: &Block<'_>, path: &Path) -> Result<Option<String>, String> {
        let input = block.input.join("\n");
        let seen = match block.directive {
            "file" => {
                let file = Fixture::inline(&block.words, &block.input)?;
                file.place(self.sandbox.files(), path)?;
                return Ok(None);
            }
            "copy" => {
                Fixture::copy(&block.words)?.place(self.sandbox.files(), path)?;
                return Ok(None);
            }
            "restart" => {
                self.open(&parse_restart(&block.words)?)?;
                return Ok(None);
            }
            "parse" => parse(&input),
            "plan" => self.plan(&input)?,
            _ => self.run_shell(&input, &block.words)?,
        };
        let mut seen = self.sandbox.neutral(&seen);
        if !seen.is_empty() && !seen.ends_with('\n') {
            seen.push('\n');
        }
        Ok(Some(seen))
    }

    fn console(&mut self) -> Result<&mut Console, String> {
        self.console.as_mut().ok_or_else(|| "the database is not open".to_owned())
    }

    /// Runs text as the shell does without a terminal.
    fn run_shell(&mut self, input: &str, words: &[&str]) -> Result<String, String> {
        let settings = parse_run(words)?;
        let console = self.console()?;
        console.settings = settings.shell;
        console.hidden = settings.hidden;
        let user = console.session.user().to_owned();
        if let Some(user) = &settings.user {
            console.session.set_user(user).map_err(|error| report(&error))?;
        }
        let origin = Origin::unnamed();
        let ran = console.run_whole(&format!("{input}\n"), &origin);
        let ran = console.settle(ran, &origin, 1);
        if settings.user.is_some() {
            console.session.set_user(&user).map_err(|error| report(&error))?;
        }
        console.output.flush().map_err(|error| error.to_string())?;
        match ran {
            Ok(()) | Err(Stop::Failed | Stop::Quit) => Ok(self.capture.take()),
            Err(stop) => Err(format!("the run ended: {stop:?}")),
        }
    }

    /// Prints the plan of each statement.
    fn plan(&mut self, input: &str) -> Result<String, String> {
        let mut seen = String::new();
        for piece in splitter::split(input) {
            let console = self.console()?;
            match console.fetch(&format!("EXPLAIN {}", piece.text)) {
                Ok(plan) => {
                    for row in &plan.rows {
                        seen += &row.last().cloned().flatten().unwrap_or_default();
                        seen.push('\n');
                    }
                }
                Err(Stop::Error(error)) => seen += &format!("{}\n", report(&error)),
                Err(stop) => return Err(format!("the run ended: {stop:?}")),
            }
            seen = self.capture.take() + &seen;
        }
        Ok(seen)
    }
}

fn report(error: &Error) -> String {
    Report::new(error).to_string()
}

/// Prints a statement as the parser understood it; what is printed must parse to itself.
fn parse(input: &str) -> String {
    let plain = |url: &str| url.to_owned();
    let print = |text: &str| syntax::parse(text).map(|statement| syntax::print(&statement, &plain));
    let printed = match print(input) {
        Ok(printed) => printed,
        Err(error) => return report(&error.with_text(&Arc::from(input))),
    };
    match print(&printed) {
        Ok(again) if again == printed => printed,
        Ok(again) => format!("{printed}\n-- parses to something else:\n{again}"),
        Err(error) => format!("{printed}\n-- does not parse:\n{}", report(&error)),
    }
}

/// How a `run` block is run.
struct RunSettings {
    shell: Settings,
    user: Option<String>,
    hidden: Vec<String>,
}

/// Parses `user=NAME hide=COLUMN,... format=FORMAT continue echo`.
fn parse_run(words: &[&str]) -> Result<RunSettings, String> {
    let mut settings = RunSettings { shell: Settings::default(), user: None, hidden: Vec::new() };
    for word in words {
        match word.split_once('=') {
            Some(("user", name)) => settings.user = Some(name.to_owned()),
            Some(("hide", columns)) => {
                settings.hidden = columns.split(',').map(str::to_owned).collect();
            }
            Some(("format", name)) => {
                let format = Format::named(name);
                settings.shell.format =
                    format.ok_or_else(|| format!("no format is called \"{name}\""))?;
            }
            None if *word == "continue" => settings.shell.errexit = false,
            None if *word == "echo" => settings.shell.echo = true,
            None if *word == "quiet" => settings.shell.quiet = true,
            _ => return Err(format!("\"run\" takes no \"{word}\"")),
        }
    }
    Ok(settings)
}

/// Parses `read-only allow-host=HOST external-io-dir=DIR|disabled max-disk-temp-storage=SIZE`.
fn parse_restart(words: &[&str]) -> Result<Restart, String> {
    let mut restart = Restart::default();
    for word in words {
        match word.split_once('=') {
            None if *word == "read-only" => restart.read_only = true,
            Some(("allow-host", host)) => restart.allow_hosts.push(host.to_owned()),
            Some(("external-io-dir", "disabled")) => restart.external_io = ExternalIo::Disabled,
            Some(("external-io-dir", directory)) => {
                restart.external_io = ExternalIo::Directory(directory.into());
            }
            Some(("max-disk-temp-storage", size)) => {
                restart.max_disk_temp_storage = Some(parse_size(size)?);
            }
            _ => return Err(format!("\"restart\" takes no \"{word}\"")),
        }
    }
    Ok(restart)
}
