//! Exports that are paused, resumed, canceled and killed at any point: their files are whole or absent.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Disturber, Scene, files_below, number, program, sorted, stderr};

/// What stands where an export is to replace a file.
const OLDER: &str = "older\n";

/// A table of some rows, to be exported in several ways.
struct Exports {
    scene: Scene,
    /// All files while nothing is exported.
    kept: Vec<PathBuf>,
}

/// Ways to export: into several files, into one, replacing one, into the directory of the database.
const WAYS: [&str; 4] = [
    "EXPORT INTO CSV 'out' WITH filename = 'f-%part%.csv', chunk_rows = '20000', detached \
     FROM SELECT * FROM t ORDER BY b, a",
    "EXPORT INTO PARQUET 'out' WITH filename = 'f.parquet', detached FROM TABLE t",
    "EXPORT INTO CSV 'out' WITH filename = 'replaced.csv', overwrite, detached FROM TABLE t",
    "EXPORT INTO NDJSON 'nodelocal://1/out' WITH filename = 'f.ndjson.gz', detached FROM TABLE t",
];

impl Exports {
    fn new(rows: u64) -> Self {
        let scene = Scene { directory: tempfile::tempdir().expect("a scratch directory") };
        let made = format!(
            "CREATE TABLE t AS SELECT a, a % 97 AS b, concat('name ', a) AS c \
             FROM generate_series(1, {rows}) AS g (a)"
        );
        let made = scene.run(&["-e", &made]);
        assert!(made.status.success(), "{}", stderr(&made));
        fs::create_dir_all(scene.path("out")).expect("a directory");
        let mut this = Self { scene, kept: Vec::new() };
        this.clean();
        this.kept = this.files();
        this
    }

    fn files(&self) -> Vec<PathBuf> {
        sorted(files_below(self.scene.directory.path()))
    }

    /// Returns what the files hold that are not the database's.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = files_below(&self.scene.path("out"));
        files.extend(files_below(&self.scene.path("shop/extern")));
        let read = |path: PathBuf| (path.clone(), fs::read(path).expect("a file"));
        files.into_iter().map(read).collect()
    }

    /// Makes everything as it was before an export.
    fn clean(&self) {
        for path in self.content().into_keys() {
            fs::remove_file(path).expect("a file");
        }
        fs::write(self.scene.path("out/replaced.csv"), OLDER).expect("a file");
    }
}

#[test]
fn a_disturbed_export_is_whole_or_absent() {
    let exports = Exports::new(number("WHARF_FAULT_ROWS", 60_000));
    let before = exports.content();
    let mut disturber = Disturber::new(number("WHARF_FAULT_SEED", 1), "EXPORT");
    let mut expected = Vec::new();
    for way in WAYS {
        let begun = Instant::now();
        let done = exports.scene.run(&["-e", way]);
        assert!(done.status.success(), "{way}: {}", stderr(&done));
        disturber.whole = disturber.whole.max(begun.elapsed());
        expected.push(exports.content());
        exports.clean();
    }
    let points = number("WHARF_FAULT_POINTS", 8);
    for point in 0..points {
        let way = usize::try_from(point).expect("a small number") % WAYS.len();
        let context = format!("{point}: {}", WAYS[way]);
        let (begun, status) = disturber.run(&exports.scene, WAYS[way], &context);
        if begun && status == "succeeded" {
            assert!(exports.content() == expected[way], "{context}: the files differ");
        } else {
            assert!(!begun || status == "canceled", "{context}: the job is {status}");
            assert!(exports.content() == before, "{context}: files were left");
        }
        exports.clean();
        assert_eq!(exports.files(), exports.kept, "{context}: files were left");
        disturber.tell(point, points);
    }
}

#[test]
fn an_export_onto_a_full_disk_fails_and_leaves_nothing() {
    let exports = Exports::new(200_000);
    let before = exports.content();
    let mut failures = 0;
    // The catalog fits under the last limit, the file does not.
    for blocks in [1000, 3000, 6000] {
        let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let limited = Command::new("sh")
            .args(["-c", &script])
            .arg(program())
            .args(["--no-init", "shop", "-e", &WAYS[2].replace(", detached", "")])
            .current_dir(exports.scene.directory.path())
            .output()
            .expect("a shell runs");
        assert!(stderr(&limited).contains("SQLSTATE: 53100"), "{blocks}: {}", stderr(&limited));
        let (_, status) = exports.scene.state();
        assert!(["failed", ""].contains(&status.as_str()), "{blocks} blocks: {status}");
        failures += u64::from(status == "failed");
        assert!(exports.content() == before, "{blocks} blocks: files were left");
        assert_eq!(exports.files(), exports.kept, "{blocks} blocks: files were left");
    }
    assert!(failures > 0);
}

#[test]
fn the_next_open_tells_of_an_export_that_was_killed() {
    let exports = Exports::new(100);
    let endless = "EXPORT INTO CSV 'out' WITH filename = 'f.csv' FROM \
                   SELECT sum(a) FROM generate_series(1, 1000000000000) AS g (a)";
    let mut running = exports.scene.command().args(["-e", endless]).spawn().expect("it starts");
    let entries = || fs::read_dir(exports.scene.path("out")).expect("a directory").count();
    while entries() < 2 && running.try_wait().expect("it can be asked").is_none() {
        sleep(Duration::from_millis(20));
    }
    running.kill().expect("it can be killed");
    running.wait().expect("it ends");
    // Twice: the first start may be killed too.
    let mut again = exports.scene.command().args(["-e", "SELECT 1"]).spawn().expect("it starts");
    again.kill().expect("it can be killed");
    again.wait().expect("it ends");
    let (job, status) = exports.scene.state();
    assert_eq!(status, "paused");
    assert_eq!(exports.files(), exports.kept);
    let told = exports.scene.run(&["-e", "SHOW JOBS"]);
    let shown = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(shown.contains(&format!("RESUME JOB {job}")), "{shown}");
    // It would not end before long.
    let canceled = exports.scene.run(&["-e", &format!("CANCEL JOB {job}")]);
    assert!(canceled.status.success(), "{}", stderr(&canceled));
    assert_eq!(exports.scene.state().1, "canceled");
    assert_eq!(exports.files(), exports.kept);
}
