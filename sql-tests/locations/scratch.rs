//! The directory of everything that the tests write, and the process that removes it and ends the servers,
//! however the tests end: it waits for the end of its input, which comes with the end of the tests.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Notes the processes it is told, and at the end of its input ends them and removes the directory.
/// Signals that ask it to end are not for it. What somebody still writes is removed later.
const SWEEPER: &str = "trap '' INT TERM HUP QUIT; all=' '; \
    while read -r verb process; do case $verb in \
        started) all=\"$all$process \" ;; \
        ended) all=\"${all%% $process *} ${all#* $process }\" ;; \
    esac; done; \
    kill -KILL $all; \
    for again in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$1\" && break; sleep 1; done";

/// The directory, and who sweeps it.
struct Scratch {
    directory: PathBuf,
    sweeper: Mutex<Option<(Child, ChildStdin)>>,
}

static SCRATCH: OnceLock<Scratch> = OnceLock::new();

fn scratch() -> &'static Scratch {
    SCRATCH.get_or_init(|| {
        let made = tempfile::Builder::new().prefix("wharf-locations-").tempdir();
        let directory = made.expect("a scratch directory").keep();
        let mut sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(&directory)
            // What is sent to all processes of the tests is not for it either.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let input = sweeper.stdin.take().expect("its input is a pipe");
        Scratch { directory, sweeper: Mutex::new(Some((sweeper, input))) }
    })
}

/// Returns the directory.
pub(crate) fn directory() -> &'static Path {
    &scratch().directory
}

/// Makes a new directory in it, which is removed with the value.
pub(crate) fn new_directory() -> tempfile::TempDir {
    tempfile::tempdir_in(directory()).expect("a scratch directory")
}

/// Lets a process not outlive the tests.
pub(crate) fn end_with_the_tests(process: &Child) {
    tell(format!("started {}", process.id()));
}

/// Lets a process be that has ended.
pub(crate) fn has_ended(process: &Child) {
    tell(format!("ended {}", process.id()));
}

fn tell(line: String) {
    let mut sweeper = scratch().sweeper.lock().expect("no thread panics with it");
    if let Some((_, input)) = &mut *sweeper {
        writeln!(input, "{line}").expect("the sweeper reads");
    }
}

/// Ends what still runs, removes the directory, and waits until that is done.
pub(crate) fn sweep() {
    let Some(scratch) = SCRATCH.get() else { return };
    let sweeper = scratch.sweeper.lock().expect("no thread panics with it").take();
    if let Some((mut sweeper, input)) = sweeper {
        drop(input);
        // An error means that it has ended already.
        drop(sweeper.wait());
    }
}
