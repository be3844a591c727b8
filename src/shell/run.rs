//! The life of the program: arguments, runtime, session, actions, and the exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::arguments::{Action, Arguments, CommandLine, SessionArguments, Subcommands};
use super::color::Surroundings;
use super::console::Console;
use super::flow::{Flow, Stop};
use super::interrupt::Interrupts;
use super::output::Output;
use super::script::Origin;
use super::settings::{Format, Settings};
use super::{generate, golden, repl};
use crate::error::{Error, Report};
use crate::session::{ExternalIo, Options, Session};

/// The stack of a thread that plans queries, which nest.
pub(crate) const STACK: usize = 8 << 20;

/// The exit codes (see the help).
mod code {
    pub(super) const FAILED: u8 = 1;
    pub(super) const USAGE: u8 = 2;
    pub(super) const SCRIPT_FAILED: u8 = 3;
    pub(super) const INTERRUPTED: u8 = 130;
    pub(super) const TERMINATED: u8 = 143;
}

/// Runs `wharf` with its arguments, the program's name first; returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::parse(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version are asked for and go to standard output; a closed pipe is no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { code::USAGE } else { 0 });
        }
    };
    match &line.arguments.subcommand {
        None => run_shell(&line),
        Some(subcommand) => run_subcommand(subcommand, &line.arguments),
    }
}

fn run_subcommand(subcommand: &Subcommands, arguments: &Arguments) -> ExitCode {
    let name = match subcommand {
        Subcommands::Test { rewrite, paths } => {
            let color = arguments.color.decide(Surroundings::of_stream(io::stdout().is_terminal()));
            return golden::run_paths(paths, *rewrite, color);
        }
        Subcommands::Completions { shell } => return printed(&generate::completions(*shell)),
        Subcommands::Man => return printed(&generate::manual()),
        Subcommands::Import(_) => "import",
        Subcommands::Export(_) => "export",
        Subcommands::Backup(_) => "backup",
        Subcommands::Ndf(_) => "ndf",
        Subcommands::Airbyte(_) => "airbyte",
        Subcommands::Serve(_) => "serve",
    };
    let text = format!("error: \"wharf {name}\" is not available yet");
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code::USAGE)
}

/// Writes text to standard output; a closed pipe is no failure.
fn printed(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(code::FAILED),
        _ => ExitCode::SUCCESS,
    }
}

fn run_shell(line: &CommandLine) -> ExitCode {
    let arguments = &line.arguments;
    let color = arguments.color.decide(Surroundings::of_stream(io::stderr().is_terminal()));
    let output = Output::standard(color);
    let runtime = match runtime(arguments.session.threads.map(usize::from)) {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&output, &Error::internal(error)),
    };
    let code = match open(line, output.clone(), &runtime) {
        Ok(mut console) => {
            let code = converse(&mut console, line);
            // The session goes first: a temporary database is removed while the runtime still runs.
            drop(console);
            code
        }
        Err(error) => {
            output.report(&Report::new(&error).to_string());
            code::FAILED
        }
    };
    // A read of standard input may be waiting; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Returns the runtime that statements run on.
pub(crate) fn runtime(threads: Option<usize>) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        // One of them must be free to hear signals while another computes.
        builder.worker_threads(threads.max(2));
    }
    builder.thread_name("wharf").thread_stack_size(STACK).enable_all().build()
}

fn refuse(output: &Output, error: &Error) -> ExitCode {
    output.report(&Report::new(error).to_string());
    ExitCode::from(code::FAILED)
}

fn open(line: &CommandLine, output: Output, runtime: &Runtime) -> Result<Console, Error> {
    let arguments = &line.arguments;
    let handle = runtime.handle().clone();
    let options = options(&arguments.session, arguments.database())?;
    let directory = options.working_directory.clone();
    let session = {
        let _context = handle.enter();
        Session::open(options)?
    };
    let mut console = Console::new(session, output, handle, directory);
    console.settings = settings(line);
    console.interrupts = Interrupts::watch(runtime.handle(), console.settings.interactive)
        .map_err(Error::internal)?;
    console.progress = io::stderr().is_terminal() && !arguments.quiet;
    for notice in console.session.opening_notices() {
        console.output.report(&notice.to_string());
    }
    Ok(console)
}

fn options(arguments: &SessionArguments, database: Option<PathBuf>) -> Result<Options, Error> {
    let external_io = match &arguments.external_io_dir {
        None => ExternalIo::Default,
        Some(word) if word.as_os_str() == "disabled" => ExternalIo::Disabled,
        Some(directory) => ExternalIo::Directory(directory.clone()),
    };
    Ok(Options {
        database,
        user: arguments.user.clone(),
        read_only: arguments.read_only,
        memory: arguments.memory,
        threads: arguments.threads.map(usize::from),
        external_io,
        allow_hosts: arguments.allow_host.clone(),
        max_disk_temp_storage: arguments.max_disk_temp_storage,
        network_timeout: Duration::from_millis(arguments.network_timeout),
        network_patience: Duration::from_millis(arguments.network_patience),
        working_directory: working_directory()?,
    })
}

/// Returns the directory in which the program was started.
#[expect(clippy::disallowed_methods, reason = "the session takes its working directory from here")]
pub(crate) fn working_directory() -> Result<PathBuf, Error> {
    std::env::current_dir()
        .map_err(|error| super::flow::io_error("could not find the working directory", error))
}

fn settings(line: &CommandLine) -> Settings {
    let arguments = &line.arguments;
    let interactive = line.actions.is_empty() && io::stdin().is_terminal();
    let usual = if io::stdout().is_terminal() { Format::Table } else { Format::Tsv };
    Settings {
        format: arguments.format.unwrap_or(usual),
        echo: arguments.echo_sql,
        errexit: arguments.errexit().unwrap_or(!interactive),
        quiet: arguments.quiet,
        interactive,
        ..Settings::default()
    }
}

/// Does what the command line asks for; returns the exit code.
fn converse(console: &mut Console, line: &CommandLine) -> u8 {
    if let Err(stop) = set_variables(console, line) {
        return exit_code(Err(stop), console.failed, code::FAILED);
    }
    if console.settings.interactive {
        let color =
            line.arguments.color.decide(Surroundings::of_stream(io::stdout().is_terminal()));
        let init = !line.arguments.no_init;
        let ran = repl::run(console, color, init);
        console.leave_jobs();
        return match ran {
            Err(Stop::Interrupted) => code::INTERRUPTED,
            Err(Stop::Terminated) => code::TERMINATED,
            _ => 0,
        };
    }
    let mut jobs = JobsLeft::default();
    if line.actions.is_empty() {
        let ran = console.run_input();
        let ran = console.settle(ran, &Origin::unnamed(), 1);
        let ran = flush(console, ran);
        let code = exit_code(ran, console.failed, code::SCRIPT_FAILED);
        jobs.note(console, code::SCRIPT_FAILED);
        return jobs.end(console, code);
    }
    console.reads_rows = true;
    let mut first_failure = 0;
    for action in &line.actions {
        let (ran, failure) = perform(console, action);
        jobs.note(console, failure);
        let code = exit_code(ran, console.failed, failure);
        if first_failure == 0 {
            first_failure = code;
        }
        let stop = code != 0 && (console.settings.errexit || code > code::SCRIPT_FAILED);
        if stop {
            break;
        }
        console.failed = false;
    }
    jobs.end(console, first_failure)
}

/// The detached jobs that text started, each with the exit code if it fails.
#[derive(Default)]
struct JobsLeft(Vec<(u64, u8)>);

impl JobsLeft {
    /// Notes the jobs that were started since the last call.
    fn note(&mut self, console: &Console, failure: u8) {
        for job in console.session.detached_jobs() {
            if self.0.iter().all(|(known, _)| *known != job) {
                self.0.push((job, failure));
            }
        }
    }

    /// Waits for the jobs, unless the run was given up; returns the exit code of the whole run.
    fn end(self, console: &mut Console, mut code: u8) -> u8 {
        for (job, failure) in self.0 {
            if code > code::SCRIPT_FAILED {
                break;
            }
            let ended = exit_code(console.wait_for_job(job), false, failure);
            if code == 0 || ended > code::SCRIPT_FAILED {
                code = ended;
            }
        }
        console.leave_jobs();
        code
    }
}

/// Runs one action; returns how it went and the exit code if it failed.
fn perform(console: &mut Console, action: &Action) -> (Flow, u8) {
    let (ran, failure) = match action {
        Action::Execute(text) => (console.run_whole(text, &Origin::unnamed()), code::FAILED),
        Action::File(path) => {
            let ran = console.run_file(path);
            // A script that cannot be read fails as a whole.
            (console.settle(ran, &Origin::unnamed(), 1), code::SCRIPT_FAILED)
        }
    };
    (flush(console, ran), failure)
}

fn flush(console: &Console, ran: Flow) -> Flow {
    ran.and_then(|()| Ok(console.output.flush()?))
}

fn set_variables(console: &mut Console, line: &CommandLine) -> Flow {
    for (name, value) in &line.arguments.set {
        let value = value.replace('\'', "''");
        let quiet = std::mem::replace(&mut console.settings.quiet, true);
        let ran = console.execute(&format!("SET {name} = '{value}'"));
        console.settings.quiet = quiet;
        if let Err(Stop::Error(error)) = ran {
            console.report(&error, &Origin::unnamed(), 1);
            return Err(Stop::Failed);
        }
        ran?;
    }
    Ok(())
}

/// Returns the exit code of a run, which is `failure` if something in it failed.
fn exit_code(ran: Flow, failed: bool, failure: u8) -> u8 {
    match ran {
        Ok(()) | Err(Stop::Quit) if failed => failure,
        Ok(()) | Err(Stop::Quit | Stop::Pipe) => 0,
        Err(Stop::Error(_) | Stop::Failed) => failure,
        Err(Stop::Interrupted) => code::INTERRUPTED,
        Err(Stop::Terminated) => code::TERMINATED,
    }
}
