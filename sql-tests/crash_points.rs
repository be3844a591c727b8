//! Every write and sync of a small import, and of a small index build, as a point to crash at, by
//! strace: the program is killed there, or the call fails with EIO or ENOSPC. The work has then been
//! done or not, never in part; the next open is clean, and the work can be done again.
//!
//! Without strace the tests say so and do nothing. `WHARF_TEST_ALL_POINTS=1` tries every point; otherwise
//! one of several, a different one for each call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The rows of the import.
const ROWS: u64 = 300;

/// The calls that change files.
const CALLS: [&str; 12] = [
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
];

/// For how long a disturbed import may run.
const PATIENCE: Duration = Duration::from_mins(1);

const IMPORT: &str = "IMPORT TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n)) \
                      CSV DATA ('data.csv') WITH temp = 'tmp'";

/// An import that leaves rows out, and writes them and why to files of their own.
const REJECTING: &str = "IMPORT TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n)) \
                         CSV DATA ('faulty.csv') WITH temp = 'tmp', on_error = 'skip', \
                         reject = 'rejected.csv'";

/// How many rows it leaves out.
const REJECTED: u64 = 6;

/// An import that is only tried: it keeps no record.
const TRIAL: &str = "IMPORT TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n)) \
                     CSV DATA ('data.csv') WITH temp = 'tmp', dry_run";

/// What makes the table whose index is built.
const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, name STRING, n INT)";

const FILL: &str = "IMPORT INTO t CSV DATA ('data.csv')";

const INDEX: &str = "CREATE UNIQUE INDEX i ON t (n, id) STORING (name)";

/// A directory with a data file and a database, copied afresh for each point.
struct Scene {
    directory: tempfile::TempDir,
    /// What is disturbed.
    statement: &'static str,
}

impl Scene {
    /// Returns an import into an empty database.
    fn import() -> Self {
        Self::new(IMPORT, &[])
    }

    /// Returns an import that leaves rows out.
    fn rejecting() -> Self {
        Self::new(REJECTING, &[])
    }

    /// Returns an import that is only tried.
    fn trial() -> Self {
        Self::new(TRIAL, &[])
    }

    /// Returns an index build over a table.
    fn index() -> Self {
        Self::new(INDEX, &[TABLE, FILL])
    }

    fn new(statement: &'static str, before: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let scene = Self { directory, statement };
        let mut text = String::new();
        for row in 0..ROWS {
            let key = row * 7919 % ROWS;
            text += &format!("{key},name {key},{}\n", key % 7);
        }
        fs::create_dir(scene.base()).expect("a directory");
        fs::write(scene.base().join("data.csv"), &text).expect("a data file");
        for row in 0..REJECTED {
            text += &format!("x{row},bad,1\n");
        }
        fs::write(scene.base().join("faulty.csv"), text).expect("a data file");
        let gate = "SET CLUSTER SETTING experimental.importcsv.enabled = true";
        // A job with a checkpoint would leave what it needs to go on.
        let none = "SET CLUSTER SETTING import.checkpoint_interval = '1000d'";
        for statement in [gate, none].iter().chain(before) {
            let made = run(&mut wharf(&scene.base(), &["-e", statement]));
            assert!(made.status.success(), "{}", text_of(&made.stderr));
        }
        scene
    }

    fn base(&self) -> PathBuf {
        self.directory.path().join("base")
    }

    /// Returns a fresh copy of the directory.
    fn copy(&self) -> PathBuf {
        let copy = self.directory.path().join("copy");
        if copy.exists() {
            fs::remove_dir_all(&copy).expect("the last copy can be removed");
        }
        copy_directory(&self.base(), &copy);
        copy
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

fn wharf(directory: &Path, arguments: &[&str]) -> Command {
    with_program(Command::new(env!("CARGO_BIN_EXE_wharf")), directory, arguments)
}

fn with_program(mut command: Command, directory: &Path, arguments: &[&str]) -> Command {
    command.current_dir(directory).args(["--no-init", "--threads", "1", "--format", "csv", "shop"]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the program under strace, with a fault at the `point`-th time that a thread calls `call`.
fn disturbed(
    (directory, statement): (&Path, &str),
    call: &str,
    fault: &str,
    point: usize,
) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:{fault}:when={point}")]);
    strace.arg(env!("CARGO_BIN_EXE_wharf"));
    with_program(strace, directory, &["-e", statement])
}

/// Returns the numbers of the calls of one kind that a thread of undisturbed work makes, without
/// those that go to no file: a runtime that cannot wake its threads waits for ever.
fn points(scene: &Scene, call: &str) -> BTreeSet<usize> {
    let directory = scene.copy();
    let log = scene.directory.path().join("calls");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(&log).args(["-e", &format!("trace={call}")]);
    strace.arg(env!("CARGO_BIN_EXE_wharf"));
    let done = run(&mut with_program(strace, &directory, &["-e", scene.statement]));
    assert!(done.status.success(), "{}", text_of(&done.stderr));
    let log = text_of(&fs::read(&log).expect("strace writes its log"));
    let mut threads = BTreeMap::<&str, usize>::new();
    let (mut all, mut others) = (BTreeSet::new(), BTreeSet::new());
    for line in log.lines() {
        let Some(thread) = line.split_whitespace().next() else { continue };
        let number = threads.entry(thread).or_default();
        *number += 1;
        all.insert(*number);
        if ["<anon_inode:", "<pipe:", "<socket:"].iter().any(|kind| line.contains(kind)) {
            others.insert(*number);
        }
    }
    all.difference(&others).copied().collect()
}

/// Runs a program to its end; one that hangs is killed, like any program that a user gives up on.
fn run_or_kill(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().expect("the program starts");
    let group = format!("-{}", child.id());
    let (sender, receiver) = channel();
    let waiter = std::thread::spawn(move || {
        let output = child.wait_with_output().expect("the program ends");
        sender.send(()).ok();
        output
    });
    if receiver.recv_timeout(PATIENCE).is_err() {
        Command::new("kill").args(["-KILL", "--", &group]).status().expect("kill runs");
    }
    waiter.join().expect("the program was waited for")
}

/// Checks that the table is whole or absent, that nothing else is left, and that it can be imported.
fn require_before_or_after(directory: &Path, import: &str, ended: &Output, context: &str) {
    let told = text_of(&ended.stderr);
    assert!(!told.contains("XX000") && !told.contains("panicked"), "{context}: {told}");
    let tables = run(&mut wharf(directory, &["-e", "SHOW TABLES"]));
    assert!(tables.status.success(), "{context}: next open: {}", text_of(&tables.stderr));
    let published = text_of(&tables.stdout).lines().count() > 1;
    if ended.status.success() {
        assert!(published, "{context}: success was told, but there is no table");
    }
    if published {
        require_rows(directory, context);
    } else {
        let left = files_below(&directory.join("shop/data"));
        assert!(left.is_empty(), "{context}: orphans: {left:?}");
        let again = run(&mut wharf(directory, &["-e", import]));
        assert!(again.status.success(), "{context}: again: {}", text_of(&again.stderr));
        require_rows(directory, context);
    }
    let left = files_below(&directory.join("tmp"));
    assert!(left.is_empty(), "{context}: temp holds {left:?}");
}

/// Checks of an import that leaves rows out that its files are there with its table, or not at all.
fn require_rejects(directory: &Path, ended: &Output, context: &str) {
    let tables = run(&mut wharf(directory, &["-e", "SHOW TABLES"]));
    assert!(tables.status.success(), "{context}: next open: {}", text_of(&tables.stderr));
    let lines = || {
        ["rejected.csv", "rejected.csv.reasons.csv"].map(|name| {
            let text = fs::read(directory.join(name)).unwrap_or_default();
            text_of(&text).lines().count() as u64
        })
    };
    let (all, none) = ([REJECTED, REJECTED + 1], [0, 0]);
    let published = text_of(&tables.stdout).lines().count() > 1;
    assert_eq!(lines(), if published { all } else { none }, "{context}");
    require_before_or_after(directory, REJECTING, ended, context);
    assert_eq!(lines(), all, "{context}: afterwards");
    // The directory itself may stay, if it was made and not noted, or if it could not be removed.
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("wharf-"));
    let left: Vec<PathBuf> = ours.flat_map(|entry| files_below(&entry.path())).collect();
    assert!(left.is_empty(), "{context}: left beside the rejects: {left:?}");
}

/// Checks that an import which was only tried left nothing.
fn require_nothing(directory: &Path, context: &str) {
    let tables = run(&mut wharf(directory, &["-e", "SHOW TABLES"]));
    assert!(tables.status.success(), "{context}: next open: {}", text_of(&tables.stderr));
    assert_eq!(text_of(&tables.stdout).lines().count(), 1, "{context}: a table was made");
    for place in ["tmp", "shop/tmp"] {
        let left = files_below(&directory.join(place));
        assert!(left.is_empty(), "{context}: {place} holds {left:?}");
    }
    assert_eq!(files_below(&directory.join("shop/data")), Vec::<PathBuf>::new(), "{context}");
}

/// Checks that the index is whole or absent, that nothing else is left, and that it can be built: by the
/// job, if it is paused and the `point` is an odd one, else by another.
fn require_index(directory: &Path, (ended, point): (&Output, usize), context: &str) {
    let told = text_of(&ended.stderr);
    assert!(!told.contains("XX000") && !told.contains("panicked"), "{context}: {told}");
    let has_index = || {
        let shown = run(&mut wharf(directory, &["-e", "SHOW INDEXES FROM t"]));
        assert!(shown.status.success(), "{context}: next open: {}", text_of(&shown.stderr));
        text_of(&shown.stdout).contains(",i,")
    };
    if ended.status.success() {
        assert!(has_index(), "{context}: success was told, but there is no index");
    }
    let order = if point % 2 == 1 { "RESUME" } else { "CANCEL" };
    let order = run(&mut wharf(directory, &["-e", &format!("{order} ALL CREATE INDEX JOBS")]));
    assert!(order.status.success(), "{context}: {}", text_of(&order.stderr));
    let left = files_below(&directory.join("shop/data"));
    if !has_index() {
        assert_eq!(left.len(), 1, "{context}: orphans: {left:?}");
        let again = run(&mut wharf(directory, &["-e", INDEX]));
        assert!(again.status.success(), "{context}: again: {}", text_of(&again.stderr));
    }
    assert_eq!(files_below(&directory.join("shop/data")).len(), 2, "{context}");
    let left = files_below(&directory.join("shop/tmp"));
    assert!(left.is_empty(), "{context}: temporary files: {left:?}");
    let query = "SELECT count(*), sum(id), count(name) FROM t WHERE n >= 0";
    let plan = run(&mut wharf(directory, &["-e", &format!("EXPLAIN {query}")]));
    assert!(text_of(&plan.stdout).contains("using i"), "{context}: {}", text_of(&plan.stdout));
    let counted = text_of(&run(&mut wharf(directory, &["-e", query])).stdout);
    let expected = format!("{ROWS},{},{ROWS}", ROWS * (ROWS - 1) / 2);
    assert_eq!(counted.lines().nth(1), Some(expected.as_str()), "{context}");
}

fn require_rows(directory: &Path, context: &str) {
    let query = "SELECT count(*), sum(id), count(n) FROM t";
    let counted = run(&mut wharf(directory, &["-e", query]));
    let rows = text_of(&counted.stdout);
    let expected = format!("{ROWS},{},{ROWS}", ROWS * (ROWS - 1) / 2);
    assert_eq!(rows.lines().nth(1), Some(expected.as_str()), "{context}");
}

/// Returns the files below `directory`; none if it is missing.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// Returns whether programs can be traced here.
#[expect(clippy::print_stdout, reason = "it tells a person why nothing was tried")]
fn can_trace() -> bool {
    let probe = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=write", "true"])
        .output();
    let able = probe.is_ok_and(|probe| probe.status.success());
    if !able {
        println!("skipped: strace is not installed, or may not trace");
    }
    able
}

/// Disturbs an import by `fault` at one of `step` points.
fn try_import(fault: &str, step: usize) {
    try_points(Scene::import, fault, step, &|directory, (ended, _), context| {
        require_before_or_after(directory, IMPORT, ended, context);
    });
}

/// Disturbs an import that leaves rows out by `fault` at one of `step` points.
fn try_rejecting(fault: &str, step: usize) {
    try_points(Scene::rejecting, fault, step, &|directory, (ended, _), context| {
        require_rejects(directory, ended, context);
    });
}

/// Disturbs an index build by `fault` at one of `step` points.
fn try_index(fault: &str, step: usize) {
    try_points(Scene::index, fault, step, &require_index);
}

/// Checks what a disturbance at a point left, in the words of the last argument.
type Check<'a> = &'a dyn Fn(&Path, (&Output, usize), &str);

/// Disturbs what `scene` does by `fault` at one of `step` points.
fn try_points(scene: fn() -> Scene, fault: &str, step: usize, check: Check<'_>) {
    if !can_trace() {
        return;
    }
    let all = std::env::var_os("WHARF_TEST_ALL_POINTS").is_some_and(|value| value != "0");
    let step = if all { 1 } else { step };
    let scene = scene();
    // Rejects are written by the call by which the runtime wakes its threads: one that fails is none of
    // ours, and the runtime then waits for ever.
    let shared = scene.statement == REJECTING && fault.starts_with("error");
    for (number, call) in CALLS.iter().enumerate().filter(|(_, call)| !shared || **call != "write")
    {
        for point in points(&scene, call).into_iter().skip(number % step).step_by(step) {
            let directory = scene.copy();
            let place = (directory.as_path(), scene.statement);
            let ended = run_or_kill(&mut disturbed(place, call, fault, point));
            check(&directory, (&ended, point), &format!("{fault} at {call} {point}"));
        }
    }
}

#[test]
fn a_kill_at_any_write_or_sync_leaves_all_or_nothing() {
    try_import("signal=SIGKILL", 6);
}

#[test]
fn an_input_or_output_error_leaves_all_or_nothing() {
    try_import("error=EIO", 9);
}

#[test]
fn a_full_disk_leaves_all_or_nothing() {
    try_import("error=ENOSPC", 9);
}

#[test]
fn a_kill_at_any_write_or_sync_leaves_a_whole_index_or_none() {
    try_index("signal=SIGKILL", 6);
}

#[test]
fn an_input_or_output_error_leaves_a_whole_index_or_none() {
    try_index("error=EIO", 9);
}

#[test]
fn a_full_disk_leaves_a_whole_index_or_none() {
    try_index("error=ENOSPC", 9);
}

#[test]
fn a_kill_leaves_all_rejects_or_none() {
    try_rejecting("signal=SIGKILL", 24);
}

#[test]
fn an_input_or_output_error_leaves_all_rejects_or_none() {
    try_rejecting("error=EIO", 36);
}

#[test]
fn a_full_disk_leaves_all_rejects_or_none() {
    try_rejecting("error=ENOSPC", 36);
}

#[test]
fn a_killed_trial_leaves_nothing() {
    try_points(Scene::trial, "signal=SIGKILL", 9, &|directory, _, context| {
        require_nothing(directory, context);
    });
}
