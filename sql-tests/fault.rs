//! Faults from outside: the program is killed, interrupted, starved of disk space or denied a file in
//! the middle of an import, an export or an index build, and the database and the places of files must
//! be as they were before.

#[path = "fault/exports.rs"]
mod exports;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The rows of the import that is disturbed.
const ROWS: u64 = 200_000;

/// Returns the program: the one that was built with the tests, or another for runs by hand.
fn program() -> std::ffi::OsString {
    std::env::var_os("WHARF_FAULT_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into())
}

/// Turns the gate on.
const GATE: &str = "SET CLUSTER SETTING experimental.importcsv.enabled = true";

/// A scratch directory with a database and a data file whose rows are out of key order, so that an
/// import uses every stage.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { directory: tempfile::tempdir().expect("a scratch directory") };
        let mut file = fs::File::create(scene.path("data.csv")).expect("a data file");
        let mut text = String::new();
        for row in 0..ROWS {
            // A prime step visits every key once, far from in order.
            let key = row * 7919 % ROWS;
            text += &format!("{key},name {key},{}\n", key % 97);
        }
        file.write_all(text.as_bytes()).expect("a data file");
        let made = scene.run(&["-e", GATE]);
        assert!(made.status.success(), "{}", stderr(&made));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.directory.path()).arg("--no-init").arg("shop");
        // What would be left in the system's place for temporary files is seen too.
        command.env("TMPDIR", self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("the program runs")
    }

    /// Returns the state of the newest job; nothing if there is none yet.
    fn state(&self) -> (u64, String) {
        let shown = self.run(&["--format", "tsv", "-e", "SHOW JOBS"]);
        assert!(shown.status.success(), "the next open fails: {}", stderr(&shown));
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        let jobs = text.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            (cells[0].parse().expect("a job's number"), cells[5].to_owned())
        });
        jobs.max_by_key(|(id, _)| *id).unwrap_or_default()
    }

    /// Checks that the disturbed import left nothing but perhaps a job that can go on, and that it
    /// succeeds when it is run again.
    fn require_clean_and_importable(&self) {
        let canceled = self.run(&["-e", "CANCEL ALL IMPORT JOBS"]);
        assert!(canceled.status.success(), "{}", stderr(&canceled));
        let shown = self.run(&["--format", "csv", "-e", "SHOW TABLES"]);
        assert!(shown.status.success(), "the next open fails: {}", stderr(&shown));
        assert_eq!(String::from_utf8_lossy(&shown.stdout).lines().count(), 1, "a table was left");
        assert_eq!(files_below(&self.path("tmp")), Vec::<PathBuf>::new(), "temp holds files");
        assert_eq!(
            files_below(&self.path("shop/data")),
            Vec::<PathBuf>::new(),
            "orphans were left"
        );
        let again = self.run(&["-e", &import("data.csv")]);
        assert!(again.status.success(), "the import fails afterwards: {}", stderr(&again));
        let counted = self.run(&[
            "--format",
            "csv",
            "-e",
            "SELECT count(*) AS c, sum(id) AS s FROM t",
            "-e",
            "DROP TABLE t",
        ]);
        let expected = format!("c,s\n{ROWS},{}\n", ROWS * (ROWS - 1) / 2);
        assert_eq!(String::from_utf8_lossy(&counted.stdout), expected, "{}", stderr(&counted));
    }
}

fn import(file: &str) -> String {
    format!(
        "IMPORT TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n)) CSV DATA ('{file}') \
         WITH temp = 'tmp'"
    )
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the files, not directories, below `directory`; none if it is missing.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// Case 93 of the suite's, where we differ: there is no lease to lose. The process that ran the import
/// is gone, and the next one finds its job.
#[test]
fn a_killed_import_leaves_a_clean_database() {
    let scene = Scene::new();
    for delay in [20, 60, 120, 200, 300, 450, 600] {
        let mut running =
            scene.command().args(["-e", &import("data.csv")]).spawn().expect("it starts");
        sleep(Duration::from_millis(delay));
        running.kill().expect("it can be killed");
        let ended = running.wait().expect("it ends");
        if ended.success() {
            // It was faster than the delay: there is nothing to clean up but the table.
            assert!(scene.run(&["-e", "DROP TABLE t"]).status.success());
        }
        scene.require_clean_and_importable();
    }
}

#[test]
fn a_killed_import_into_leaves_the_old_rows() {
    let scene = Scene::new();
    let mut text = String::new();
    for row in 0..1000 {
        text += &format!("{},old {row},{row}\n", row * 150);
    }
    fs::write(scene.path("old.csv"), text).expect("a data file");
    let into =
        |file: &str, mode: &str| format!("IMPORT INTO t CSV DATA ('{file}') WITH mode = '{mode}'");
    let made = "CREATE TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n))";
    let filled = scene.run(&["-e", made, "-e", &into("old.csv", "insert")]);
    assert!(filled.status.success(), "{}", stderr(&filled));
    let shown = |query: &str| {
        let shown = scene.run(&["--format", "csv", "-e", query]);
        assert!(shown.status.success(), "{query}: {}", stderr(&shown));
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };
    let rows = "SELECT count(*), sum(id), max(name) FROM t";
    let indexed = "SELECT count(*) FROM t WHERE n = 96";
    let old = (shown(rows), shown(indexed));
    for (mode, delay) in [
        ("upsert", 60),
        ("upsert", 250),
        ("upsert", 600),
        ("skip", 150),
        ("skip", 450),
        ("replace", 100),
        ("replace", 400),
    ] {
        let files = files_below(&scene.path("shop/data"));
        let running = scene.command().args(["-e", &into("data.csv", mode)]).spawn();
        let mut running = running.expect("it starts");
        sleep(Duration::from_millis(delay));
        running.kill().expect("it can be killed");
        let ended = running.wait().expect("it ends");
        if ended.success() || shown(rows) != old.0 {
            // It was faster than the delay: then all of it must be there.
            let expected = format!("{ROWS},{}", ROWS * (ROWS - 1) / 2);
            assert!(shown(rows).contains(&expected), "{mode}: {}", shown(rows));
            let restored = scene.run(&["-e", &into("old.csv", "replace")]);
            assert!(restored.status.success(), "{}", stderr(&restored));
        } else {
            let left = files_below(&scene.path("shop/data"));
            assert_eq!(sorted(left), sorted(files), "{mode}: files were left");
        }
        assert_eq!((shown(rows), shown(indexed)), old, "{mode} after {delay} ms");
        assert_eq!(files_below(&scene.path("shop/tmp")), Vec::<PathBuf>::new());
    }
}

fn sorted(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort();
    files
}

#[test]
fn an_interrupted_import_is_cancelled() {
    let scene = Scene::new();
    let running = scene.command().args(["-e", &import("data.csv")]).spawn().expect("it starts");
    sleep(Duration::from_millis(150));
    let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let ended = running.wait_with_output().expect("it ends");
    if ended.status.success() {
        assert!(scene.run(&["-e", "DROP TABLE t"]).status.success());
    } else {
        assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
        assert!(stderr(&ended).contains("57014"), "{}", stderr(&ended));
    }
    scene.require_clean_and_importable();
}

#[test]
fn a_full_disk_is_a_clean_error() {
    let scene = Scene::new();
    // A limit on the size of files makes writes fail like a full disk, at another place each time.
    for blocks in [8, 64, 300, 1000, 3000] {
        let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let limited = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_wharf"), "--no-init", "shop"])
            .args(["-e", &import("data.csv")])
            .current_dir(scene.directory.path())
            .output()
            .expect("a shell runs");
        if limited.status.success() {
            assert!(scene.run(&["-e", "DROP TABLE t"]).status.success());
        } else {
            assert_eq!(limited.status.code(), Some(1), "{blocks}: {}", stderr(&limited));
            assert!(stderr(&limited).contains("SQLSTATE: 53100"), "{}", stderr(&limited));
        }
        scene.require_clean_and_importable();
    }
}

#[test]
fn too_little_temporary_space_is_refused_before_data_is_read() {
    let scene = Scene::new();
    let refused = scene.run(&["--max-disk-temp-storage", "10KiB", "-e", &import("data.csv")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("SQLSTATE: 53100"), "{}", stderr(&refused));
    scene.require_clean_and_importable();
}

/// Runs an import of `file` with a file system of `size` mounted at `place`, which nobody else sees;
/// `None` if that is not permitted here.
fn run_on_small_disk(scene: &Scene, place: &str, size: &str, file: &str) -> Option<Output> {
    let script = format!(
        "mkdir -p {place} && mount -t tmpfs -o size={size} none {place} || exit 99; exec \"$0\" \"$@\""
    );
    let database = if place == "other" { "other/shop" } else { "shop" };
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_wharf"), "--no-init", database])
        .args(["--memory", "1MiB", "-e", GATE, "-e", &import(file)])
        .args(["--format", "csv"])
        .current_dir(scene.directory.path())
        .output()
        .ok()?;
    (!output.stdout.is_empty()).then_some(output)
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_data_is_read() {
    let scene = Scene::new();
    for (place, words) in [("tmp", "\"tmp\" has "), ("other", "database directory has ")] {
        let Some(output) = run_on_small_disk(&scene, place, "2m", "data.csv") else { return };
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("SQLSTATE: 53100"), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        scene.require_clean_and_importable();
    }
}

#[test]
fn a_disk_that_fills_up_is_a_clean_error() {
    let scene = Scene::new();
    let packed = Command::new("gzip").arg("data.csv").current_dir(scene.directory.path()).status();
    assert!(packed.expect("gzip runs").success());
    for place in ["tmp", "other"] {
        // The compressed file is smaller than the disk, its rows are not.
        let Some(output) = run_on_small_disk(&scene, place, "2500k", "data.csv.gz") else { return };
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("SQLSTATE: 53100"), "{}", stderr(&output));
        assert!(!stderr(&output).contains(" bytes free"), "{}", stderr(&output));
        assert_eq!(files_below(&scene.path("tmp")), Vec::<PathBuf>::new(), "temp holds files");
        let orphans = files_below(&scene.path("shop/data"));
        assert_eq!(orphans, Vec::<PathBuf>::new(), "orphans were left");
    }
}

#[test]
fn a_query_beyond_its_memory_is_refused() {
    let scene = Scene::new();
    let query = "SELECT array_length(array_agg(x), 1) FROM generate_series(1, 3000000) AS t (x)";
    let refused = scene.run(&["--memory", "1MiB", "-e", query]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("SQLSTATE: 53200"), "{}", stderr(&refused));
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let scene = Scene::new();
    fs::copy(scene.path("data.csv"), scene.path("secret.csv")).expect("a copy");
    let locked = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(scene.path("secret.csv"), locked).expect("permissions");
    // Permissions do not bind the superuser: then the program runs as nobody.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    let mut command = if fs::File::open(scene.path("secret.csv")).is_ok() {
        for path in [scene.directory.path().to_owned(), scene.path("shop"), scene.path("shop/data")]
        {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(path, open).expect("permissions");
        }
        for entry in fs::read_dir(scene.path("shop")).expect("a database").flatten() {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(entry.path(), open).expect("permissions");
        }
        let program = scene.path("wharf-copy");
        fs::copy(env!("CARGO_BIN_EXE_wharf"), &program).expect("a copy");
        fs::set_permissions(&program, open).expect("permissions");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(env!("CARGO_BIN_EXE_wharf"))
    };
    let refused = command
        .args(["--no-init", "shop", "-e", &import("secret.csv")])
        .current_dir(scene.directory.path())
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("SQLSTATE: 42501"), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("secret.csv"), "{}", stderr(&refused));
}

#[test]
fn a_second_process_is_told_who_holds_the_database() {
    let scene = Scene::new();
    let mut first = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["--no-init", "shop"])
        .current_dir(scene.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let holder = first.id().to_string();
    let holds = || {
        let lock = fs::read(scene.path("shop/lock")).unwrap_or_default();
        String::from_utf8_lossy(&lock).contains(&holder)
    };
    for _ in 0..600 {
        if holds() {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    let second = scene.run(&["-e", "SELECT 1"]);
    assert!(stderr(&second).contains("SQLSTATE: 55006"), "{}", stderr(&second));
    assert!(stderr(&second).contains(&first.id().to_string()), "{}", stderr(&second));
    drop(first.stdin.take());
    assert!(first.wait().expect("it ends").success());
    assert!(scene.run(&["-e", "SELECT 1"]).status.success());
}

/// A number of an environment variable, for runs by hand.
#[expect(clippy::disallowed_methods, reason = "a run by hand may be larger")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// The import that is disturbed.
const IMPORT: Work = Work {
    kind: "IMPORT",
    query: "SELECT * FROM t ORDER BY id; SELECT id, n FROM t WHERE n = 0 ORDER BY id",
    undo: "DROP TABLE IF EXISTS t",
};

/// The index build that is disturbed.
const INDEX: Work = Work {
    kind: "CREATE INDEX",
    query: "EXPLAIN SELECT sum(id) FROM t WHERE n >= 0;
            SELECT n, count(*), sum(id), min(name), max(name) FROM t WHERE n >= 0 GROUP BY n ORDER BY n;
            SELECT id, name FROM t WHERE n = 0 ORDER BY id",
    undo: "DROP INDEX IF EXISTS t@i",
};

/// A kind of job.
struct Work {
    /// Its type.
    kind: &'static str,
    /// What tells whether it was done as it should.
    query: &'static str,
    /// What takes back what it made.
    undo: &'static str,
}

/// Disturbs jobs, at whatever point they then have reached.
struct Disturber {
    dice: Dice,
    /// How long a job takes undisturbed, about: after that there is nothing to disturb.
    whole: Duration,
    /// The type of the jobs.
    kind: &'static str,
    /// How often each thing was done.
    done: BTreeMap<String, u64>,
}

impl Disturber {
    fn new(seed: u64, kind: &'static str) -> Self {
        Self { dice: Dice(seed), whole: Duration::ZERO, kind, done: BTreeMap::new() }
    }

    fn count(&mut self, what: &str) {
        *self.done.entry(what.to_owned()).or_default() += 1;
    }

    /// Runs `statement` in a shell that is then told `orders`, each after a while, or is killed.
    fn disturb(&mut self, scene: &Scene, statement: &str) {
        let mut shell = scene.command();
        let mut shell = shell.arg("--no-errexit").stdin(Stdio::piped()).spawn().expect("it starts");
        let mut input = shell.stdin.take().expect("a pipe");
        // A shell that was killed reads nothing, and one that ended neither.
        let mut tell = |text: &str| drop(writeln!(input, "{text};"));
        tell(statement);
        let end = u64::try_from(self.whole.as_micros()).unwrap_or(u64::MAX);
        for _ in 0..=self.dice.below(3) {
            sleep(Duration::from_micros(self.dice.below(end)));
            let order = match self.dice.below(8) {
                0..3 => "PAUSE",
                3..5 => "RESUME",
                5 => "CANCEL",
                _ => "kill -9",
            };
            self.count(order);
            if order == "kill -9" {
                shell.kill().expect("it can be killed");
                break;
            }
            tell(&format!("{order} ALL {} JOBS", self.kind));
        }
        drop(input);
        shell.wait().expect("it ends");
    }

    /// Disturbs the job of `statement`, and then its going on, and lets it go on to its end; returns the
    /// newest job and its state, and whether it is one of this statement.
    fn run(&mut self, scene: &Scene, statement: &str, context: &str) -> (bool, String) {
        let (before, _) = scene.state();
        self.disturb(scene, statement);
        let resume = format!("RESUME ALL {} JOBS", self.kind);
        for _ in 0..3 {
            if scene.state().1 != "paused" {
                break;
            }
            self.disturb(scene, &resume);
        }
        if scene.state().1 == "paused" {
            let resumed = scene.run(&["-e", &resume]);
            assert!(resumed.status.success(), "{context}: {}", stderr(&resumed));
        }
        let (job, status) = scene.state();
        let begun = job > before;
        self.count(if begun { &status } else { "not begun" });
        (begun, status)
    }

    /// Tells a run by hand how far it is.
    fn tell(&self, point: u64, points: u64) {
        if points > 6 {
            drop(writeln!(std::io::stderr(), "{} of {points}: {:?}", point + 1, self.done));
        }
    }
}

/// A job that is disturbed again and again.
struct Disturbed {
    scene: Scene,
    disturber: Disturber,
    work: Work,
    statement: String,
    expected: String,
    /// All files while there is nothing of the job.
    kept: Vec<PathBuf>,
}

impl Disturbed {
    fn new(rows: u64, seed: u64) -> Self {
        let this = Self::prepared(rows, seed, (IMPORT, &import("data.csv")), &[]);
        assert_eq!(this.expected.lines().count() as u64, 2 + rows + rows.div_ceil(97));
        this
    }

    /// Returns an index build over a table of `rows` rows.
    fn index(rows: u64, seed: u64) -> Self {
        let table = "CREATE TABLE t (id INT PRIMARY KEY, name STRING, n INT)";
        let fill = "IMPORT INTO t CSV DATA ('data.csv')";
        let create = "CREATE INDEX i ON t (n) STORING (name) WITH detached";
        let this = Self::prepared(rows, seed, (INDEX, create), &[table, fill]);
        assert!(this.expected.contains("using i"), "{}", this.expected);
        this
    }

    fn prepared(rows: u64, seed: u64, (work, statement): (Work, &str), before: &[&str]) -> Self {
        let scene = Scene { directory: tempfile::tempdir().expect("a scratch directory") };
        let mut text = String::new();
        for row in 0..rows {
            let key = row * 7919 % rows;
            text += &format!("{key},name {key},{}\n", key % 97);
        }
        fs::write(scene.path("data.csv"), text).expect("a data file");
        for set in [
            GATE.to_owned(),
            "SET CLUSTER SETTING import.checkpoint_interval = '0'".to_owned(),
            // Each split is synced: there are enough of them, and not too many.
            format!("SET CLUSTER SETTING import.split_size = '{}'", rows / 3),
        ] {
            let made = scene.run(&["-e", &set]);
            assert!(made.status.success(), "{}", stderr(&made));
        }
        for statement in before {
            let made = scene.run(&["-e", statement]);
            assert!(made.status.success(), "{}", stderr(&made));
        }
        let mut this = Self {
            scene,
            disturber: Disturber::new(seed, work.kind),
            work,
            statement: statement.to_owned(),
            expected: String::new(),
            kept: Vec::new(),
        };
        this.kept = sorted(files_below(this.scene.directory.path()));
        let begun = std::time::Instant::now();
        let made = this.scene.run(&["-e", &this.statement]);
        assert!(made.status.success(), "{}", stderr(&made));
        this.disturber.whole = begun.elapsed();
        this.expected = this.content();
        this.clean();
        this
    }

    /// Returns what tells whether the job was done as it should.
    fn content(&self) -> String {
        let shown = self.scene.run(&["--format", "csv", "-e", self.work.query]);
        assert!(shown.status.success(), "{}", stderr(&shown));
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }

    /// Lets a paused job go on.
    fn resume(&self) -> String {
        format!("RESUME ALL {} JOBS", self.work.kind)
    }

    /// Drops what was made and checks that no file is left, neither in the database nor elsewhere.
    fn clean(&self) {
        let dropped = self.scene.run(&["-e", self.work.undo]);
        assert!(dropped.status.success(), "{}", stderr(&dropped));
        assert_eq!(sorted(files_below(self.scene.directory.path())), self.kept, "files were left");
    }
}

#[test]
fn a_disturbed_import_is_whole_or_absent() {
    let rows = number("WHARF_FAULT_ROWS", 20_000);
    let disturbed = Disturbed::new(rows, number("WHARF_FAULT_SEED", 1));
    let statement = format!("{}, detached", disturbed.statement);
    disturb_often(disturbed, &statement, &|disturbed| {
        let query = disturbed.scene.run(&["-e", "SELECT 1 FROM t"]);
        assert!(stderr(&query).contains("42P01"), "{}", stderr(&query));
    });
}

#[test]
fn a_disturbed_index_build_is_whole_or_absent() {
    let rows = number("WHARF_FAULT_ROWS", 50_000);
    let disturbed = Disturbed::index(rows, number("WHARF_FAULT_SEED", 1));
    let statement = disturbed.statement.clone();
    disturb_often(disturbed, &statement, &|disturbed| {
        let indexes = disturbed.scene.run(&["--format", "csv", "-e", "SHOW INDEXES FROM t"]);
        let indexes = String::from_utf8_lossy(&indexes.stdout);
        assert!(indexes.contains("primary") && !indexes.contains(",i,"), "{indexes}");
    });
}

/// Disturbs a job at several points; `require_absent` checks that nothing came of one that was canceled.
fn disturb_often(mut disturbed: Disturbed, statement: &str, require_absent: &dyn Fn(&Disturbed)) {
    let points = number("WHARF_FAULT_POINTS", 6);
    for point in 0..points {
        let Disturbed { disturber, scene, .. } = &mut disturbed;
        let (begun, status) = disturber.run(scene, statement, &point.to_string());
        if begun && status == "succeeded" {
            assert!(disturbed.content() == disturbed.expected, "{point}: the content differs");
        } else {
            assert!(!begun || status == "canceled", "{point}: the job is {status}");
            require_absent(&disturbed);
        }
        disturbed.clean();
        disturbed.disturber.tell(point, points);
    }
}

/// Checks that a job which a full disk has paused says so, and that it ends with the whole table when
/// there is room; returns whether it was paused.
fn resumes_when_there_is_room(disturbed: &Disturbed, failed: &Output, what: &str) -> bool {
    let (_, status) = disturbed.scene.state();
    let told = stderr(failed);
    if !failed.status.success() {
        assert!(told.contains("SQLSTATE: 53100"), "{what}: {told}");
        assert_eq!(told.contains("The job is paused"), status == "paused", "{what}: {told}");
    }
    if status == "paused" {
        let resumed = disturbed.scene.run(&["-e", &disturbed.resume()]);
        assert!(resumed.status.success(), "{what}: {}", stderr(&resumed));
        assert_eq!(disturbed.scene.state().1, "succeeded", "{what}");
    }
    if failed.status.success() || status == "paused" {
        assert!(disturbed.content() == disturbed.expected, "{what}: the table differs");
    }
    disturbed.clean();
    status == "paused"
}

#[test]
fn a_full_disk_pauses_a_job_that_has_a_checkpoint() {
    let disturbed = Disturbed::new(ROWS, 1);
    // With the last limit, the first segment fits and the second does not.
    let limits = [400, 480, 560, 700, 1000];
    let paused = limits.map(|blocks| {
        let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let failed = Command::new("sh")
            .args(["-c", &script])
            .arg(program())
            .args(["--no-init", "shop", "--memory", "1MiB", "-e", &disturbed.statement])
            .current_dir(disturbed.scene.directory.path())
            .output()
            .expect("a shell runs");
        resumes_when_there_is_room(&disturbed, &failed, &format!("{blocks} blocks"))
    });
    assert!(paused[limits.len() - 1], "{paused:?}");
}

#[test]
fn a_full_disk_pauses_an_index_build() {
    let disturbed = Disturbed::index(ROWS, 1);
    let limits = [400, 700, 1000, 2000];
    let paused = limits.map(|blocks| {
        let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let failed = Command::new("sh")
            .args(["-c", &script])
            .arg(program())
            .args(["--no-init", "shop", "--memory", "1MiB", "-e", &disturbed.statement])
            .current_dir(disturbed.scene.directory.path())
            .output()
            .expect("a shell runs");
        resumes_when_there_is_room(&disturbed, &failed, &format!("{blocks} blocks"))
    });
    assert!(paused.contains(&true), "{paused:?}");
}

#[test]
fn a_job_goes_on_when_a_disk_that_filled_up_was_made_larger() {
    let mut disturbed = Disturbed::new(ROWS, 1);
    let scene = &disturbed.scene;
    // The compressed file is smaller than the disk, so that nothing is refused before it is read.
    let packed = Command::new("gzip").arg("data.csv").current_dir(scene.directory.path()).status();
    assert!(packed.expect("gzip runs").success());
    disturbed.kept = sorted(files_below(scene.directory.path()));
    // A file system that nobody else sees, and that is gone with the shell that made it.
    let script = format!(
        "mkdir -p tmp && mount -t tmpfs -o size=$SIZE none tmp || exit 99
         \"$0\" --no-init shop --memory 1MiB -e \"{}\" 2>first
         mount -o remount,size=100m tmp
         \"$0\" --no-init shop -e 'RESUME ALL IMPORT JOBS' 2>second",
        import("data.csv.gz")
    );
    let mut paused = 0;
    for size in ["1300k", "1600k", "2m", "2500k"] {
        Command::new("unshare")
            .args(["-m", "sh", "-c", &script])
            .arg(program())
            .env("SIZE", size)
            .current_dir(scene.directory.path())
            .status()
            .expect("a shell runs");
        if !scene.path("first").exists() {
            // Mounting is not permitted here.
            return;
        }
        let read = |name| fs::read(scene.path(name)).expect("the shell wrote it");
        let read = |name| String::from_utf8(read(name)).expect("the program writes UTF-8");
        let (first, second) = (read("first"), read("second"));
        let (_, status) = disturbed.scene.state();
        let told = format!("{size}: {status}\n{first}\n{second}");
        assert!(["succeeded", "failed"].contains(&status.as_str()), "{told}");
        assert_eq!(first.contains("The job is paused"), second.contains("RESUME JOBS 1"), "{told}");
        paused += u64::from(first.contains("The job is paused"));
        if status == "succeeded" {
            assert!(disturbed.content() == disturbed.expected, "{told}\nthe table differs");
        } else {
            assert!(first.contains("SQLSTATE: 53100"), "{told}");
        }
        for name in ["first", "second"] {
            fs::remove_file(scene.path(name)).expect("it was written");
        }
        disturbed.clean();
    }
    assert!(paused > 0);
}

#[test]
fn the_shell_waits_for_detached_jobs() {
    let scene = Scene::new();
    fs::write(scene.path("wrong.csv"), "x,y,z\n").expect("a data file");
    let good = format!("{}, detached", import("data.csv"));
    let done = scene.run(&["-e", &good]);
    assert!(done.status.success(), "{}", stderr(&done));
    let counted = scene.run(&["--format", "csv", "-e", "SELECT count(*) AS c FROM t"]);
    assert_eq!(String::from_utf8_lossy(&counted.stdout), format!("c\n{ROWS}\n"));
    assert!(scene.run(&["-e", "DROP TABLE t"]).status.success());
    let wrong = format!("{}, detached;\n", import("wrong.csv"));
    fs::write(scene.path("wrong.sql"), &wrong).expect("a script");
    for (arguments, code) in [(["-e", &wrong], 1), (["-f", "wrong.sql"], 3)] {
        let failed = scene.run(&arguments);
        assert_eq!(failed.status.code(), Some(code), "{}", stderr(&failed));
        assert!(stderr(&failed).contains("SQLSTATE: 22P02"), "{}", stderr(&failed));
    }
}

#[test]
fn a_killed_program_gives_no_value_of_a_sequence_again() {
    use std::io::{BufRead, BufReader};

    let directory = tempfile::tempdir().expect("a scratch directory");
    let scene = Scene { directory };
    let made = scene.run(&["-e", "CREATE SEQUENCE s"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let script = "SELECT nextval('s');\n".repeat(5000);
    fs::write(scene.path("values.sql"), script).expect("a script");
    let mut given: Vec<i64> = Vec::new();
    for round in 1..=6 {
        let mut command = scene.command();
        let mut child = command
            .args(["--format", "csv", "-f", "values.sql"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let output = child.stdout.take().expect("the program writes");
        let mut seen = 0;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(value) = line.parse() else { continue };
            given.push(value);
            seen += 1;
            if seen == round * 29 {
                // What is written until it is dead counts as given too.
                child.kill().expect("the program is killed");
            }
        }
        child.wait().expect("the program ends");
        assert!(seen >= round * 29, "round {round} gave {seen} values");
    }
    // Each value is above all that were given before.
    for pair in given.windows(2) {
        assert!(pair[0] < pair[1], "{} was given after {}", pair[1], pair[0]);
    }
}
