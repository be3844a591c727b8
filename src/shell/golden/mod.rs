//! Golden SQL tests: files of statements with what is expected of them, run in this process, each
//! with a database and a directory of its own.
//!
//! `.slt` files are sqllogictest (rows and codes), `.txt` files are blocks (exact bytes), `.test`
//! files are sqllogictest as SQLite writes it. `sql-tests/README.md` describes both formats.

mod block;
mod diff;
mod fixture;
mod logic;
mod sandbox;
mod transcript;
mod values;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io};

use libtest_mimic::{Arguments, ColorSetting, Failed, Trial};
use tokio::runtime::Handle;

use super::run;

/// The exit code when something differs from what is expected.
const DIFFERS: u8 = 4;
/// The exit code when there is nothing to run.
const USAGE: u8 = 2;

/// What a golden file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// sqllogictest.
    Logic,
    /// sqllogictest by SQLite's rules on types and layout.
    Sqlite,
    /// Blocks.
    Transcript,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "slt" => Some(Self::Logic),
            "test" => Some(Self::Sqlite),
            "txt" => Some(Self::Transcript),
            _ => None,
        }
    }
}

/// Runs `wharf test [--rewrite] PATH...`; returns its exit code.
pub(crate) fn run_paths(paths: &[PathBuf], rewrite: bool, color: bool) -> ExitCode {
    let color = if color { ColorSetting::Always } else { ColorSetting::Never };
    let arguments = Arguments { color: Some(color), ..Arguments::default() };
    run_trials(paths, None, rewrite, &arguments)
}

/// Runs the golden tests below `root` for `cargo test`; `arguments` are those of the test program,
/// `--rewrite` among them if expected parts shall be rewritten.
pub fn run_tests(root: &Path, arguments: impl Iterator<Item = String>) -> ExitCode {
    let (own, rest): (Vec<_>, Vec<_>) = arguments.partition(|word| word == "--rewrite");
    let arguments = Arguments::from_iter(rest);
    run_trials(&[root.to_path_buf()], Some(root), !own.is_empty(), &arguments)
}

fn run_trials(
    paths: &[PathBuf],
    root: Option<&Path>,
    rewrite: bool,
    arguments: &Arguments,
) -> ExitCode {
    let files = match find_files(paths) {
        Ok(files) => files,
        Err(error) => return refuse(&error),
    };
    let runtime = match run::runtime(None) {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let trials = files.into_iter().map(|file| {
        let shown = root.and_then(|root| file.strip_prefix(root).ok()).unwrap_or(&file);
        let (name, handle) = (shown.display().to_string(), runtime.handle().clone());
        Trial::test(name, move || run_apart(file, rewrite, handle).map_err(Failed::from))
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    runtime.shutdown_background();
    if conclusion.has_failed() { ExitCode::from(DIFFERS) } else { ExitCode::SUCCESS }
}

fn refuse(error: &io::Error) -> ExitCode {
    let text = format!("error: {error}\n");
    let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
    ExitCode::from(USAGE)
}

/// Returns the golden files among and below `paths`, sorted.
fn find_files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let named = |error| io::Error::other(format!("{}: {error}", path.display()));
        if fs::metadata(path).map_err(named)?.is_dir() {
            add_directory(path, &mut files).map_err(named)?;
        } else if Kind::of(path).is_some() {
            files.push(path.clone());
        } else {
            return Err(named(io::Error::other("the name must end in .slt, .txt or .test")));
        }
    }
    files.sort();
    Ok(files)
}

fn add_directory(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // Fixtures may be called .txt too.
        if path.is_dir() && path.file_name().is_some_and(|name| name != "data") {
            add_directory(&path, files)?;
        } else if path.is_file() && Kind::of(&path).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

/// Runs one golden file on a thread of its own, whose stack is deep enough for nested queries.
fn run_apart(path: PathBuf, rewrite: bool, runtime: Handle) -> Result<(), String> {
    let thread = std::thread::Builder::new()
        .stack_size(run::STACK)
        .spawn(move || run_file(&path, rewrite, &runtime))
        .map_err(|error| format!("could not start a thread: {error}"))?;
    thread.join().map_err(|_| "the test panicked".to_owned())?
}

/// Runs one golden file. What differs is returned as text, or written into the file if `rewrite`.
fn run_file(path: &Path, rewrite: bool, runtime: &Handle) -> Result<(), String> {
    let kind = Kind::of(path).ok_or("the name must end in .slt, .txt or .test")?;
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("{}: the file is not valid UTF-8", path.display()))?;
    let source: Arc<Path> = Arc::from(path);
    let rewritten = match kind {
        Kind::Transcript => transcript::run(&source, &text, rewrite, runtime)?,
        Kind::Logic | Kind::Sqlite => {
            logic::run(&source, &text, rewrite, kind == Kind::Sqlite, runtime)?
        }
    };
    match rewritten {
        Some(changed) if changed != text => {
            fs::write(path, changed).map_err(|error| format!("{}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}
