//! Jobs that are paused at some point and go on: in the same session, or in a new one.

mod exports;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Result, SqlState};
use crate::job::Event;
use crate::session::{Options, Outcome, Session};

/// Rows of the file that is imported.
const ROWS: u64 = 6_000;

/// How much of a file is read at once here: many splits.
const SPLIT: u64 = 4_000;

struct Scene {
    directory: tempfile::TempDir,
    session: Session,
}

fn options(directory: &Path) -> Options {
    Options::for_tests(directory, 64 << 20)
}

/// Returns rows out of key order, with a record over two lines now and then.
fn data() -> String {
    let mut text = String::new();
    for row in 0..ROWS {
        let key = row * 7919 % ROWS;
        let name = if row % 50 == 0 { format!("\"two\nlines {key}\"") } else { format!("n{key}") };
        writeln!(text, "{key},{name},{}", key % 97).unwrap();
    }
    text
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("data.csv"), data()).unwrap();
        let session = Session::open(options(directory.path())).unwrap();
        let mut scene = Self { directory, session };
        for (name, value) in [
            ("experimental.importcsv.enabled", "true"),
            ("import.checkpoint_interval", "'0'"),
            ("import.split_size", &format!("'{SPLIT}'")),
        ] {
            scene.rows(&format!("SET CLUSTER SETTING {name} = {value}")).await.unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Opens the database again.
    async fn restart(self) -> Self {
        let Self { directory, session } = self;
        drop(session);
        for _ in 0..3000 {
            match Session::open(options(directory.path())) {
                Ok(session) => return Self { directory, session },
                Err(error) => assert_eq!(error.code(), SqlState::OBJECT_IN_USE),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the database stays in use");
    }

    /// Runs a statement and returns its rows as text.
    async fn rows(&mut self, sql: &str) -> Result<String> {
        self.rows_until(sql, u64::MAX, |_| {}).await
    }

    /// Runs a statement, and calls `act` when it has told its progress `count` times.
    async fn rows_until(
        &mut self,
        sql: &str,
        count: u64,
        act: impl Fn(&crate::job::registry::Registry) + Send + Sync + 'static,
    ) -> Result<String> {
        let (seen, registry) = (AtomicU64::new(0), Arc::clone(&self.session.jobs));
        let events = Arc::new(move |event| {
            if matches!(event, Event::Progress(_)) && seen.fetch_add(1, Ordering::Relaxed) == count
            {
                act(&registry);
            }
        });
        let outcome = self.session.execute(sql, events).await?;
        let Outcome::Rows { mut rows, .. } = outcome else { return Ok(String::new()) };
        let mut text = String::new();
        while let Some(batch) = rows.next().await? {
            let options = FormatOptions::default();
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                for column in &columns {
                    write!(text, "{}|", column.value(row)).unwrap();
                }
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Returns everything that queries can tell of a table.
    async fn content(&mut self, table: &str) -> String {
        let key = if table.ends_with("rowid") { "rowid" } else { "id" };
        let all = self.rows(&format!("SELECT {key}, * FROM {table} ORDER BY {key}")).await.unwrap();
        let index = format!("SELECT id, n FROM {table} WHERE n = 5 ORDER BY id");
        all + &self.rows(&index).await.unwrap()
    }

    /// Checks that no file is left but those of tables.
    async fn require_clean(&mut self) {
        assert_eq!(files_below(&self.path("tmp")), Vec::<PathBuf>::new());
        assert_eq!(files_below(&self.path("shop/tmp")), Vec::<PathBuf>::new());
        let view = self.session.store.view();
        let mut named = 0;
        for table in view.catalog.tables.values() {
            named += view.manifest(table.id).unwrap().all_segments().count();
        }
        drop(view);
        // The last reader of a file that went may be a moment late.
        for _ in 0..3000 {
            if files_below(&self.path("shop/data")).len() == named {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{named} files are named: {:?}", files_below(&self.path("shop/data")));
    }
}

fn import(table: &str, file: &str) -> String {
    let key = if table.ends_with("rowid") { "" } else { " PRIMARY KEY" };
    format!(
        "IMPORT TABLE {table} (id INT{key}, name STRING, n INT, INDEX (n)) CSV DATA ('{file}') \
         WITH temp = 'tmp'"
    )
}

fn pause_all(registry: &crate::job::registry::Registry) {
    registry.all().iter().for_each(|job| job.pause("paused by a test"));
}

/// Imports `file` into a new table undisturbed, then with a pause after each of `pauses` reports, and
/// compares.
async fn check(scene: Scene, (table, file): (&str, &str), pauses: &[u64]) -> Scene {
    check_statement(scene, (table, &[], &import(table, file)), pauses).await
}

/// Runs an import behind `setup`, as `check` does.
async fn check_statement(
    mut scene: Scene,
    (table, setup, import): (&str, &[&str], &str),
    pauses: &[u64],
) -> Scene {
    for statement in setup {
        scene.rows(statement).await.unwrap();
    }
    scene.rows(import).await.unwrap();
    let expected = scene.content(table).await;
    for &pause in pauses {
        scene.rows(&format!("DROP TABLE {table}")).await.unwrap();
        for statement in setup {
            scene.rows(statement).await.unwrap();
        }
        let paused = scene.rows_until(import, pause, pause_all).await;
        if let Err(error) = paused {
            assert_eq!((error.code(), error.message()), (SqlState::QUERY_CANCELED, "job paused"));
            if pause % 2 == 1 {
                scene = scene.restart().await;
            }
            if setup.is_empty() {
                let absent = scene.rows(&format!("SELECT 1 FROM {table}")).await.unwrap_err();
                assert_eq!(absent.code(), SqlState::UNDEFINED_TABLE);
            }
            scene.rows("RESUME ALL IMPORT JOBS").await.unwrap();
            let id = scene.session.store.jobs().unwrap()[0].id;
            scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
        }
        let record = scene.session.store.jobs().unwrap().remove(0);
        assert_eq!(record.status.to_string(), "succeeded", "{pause}: {record:?}");
        assert!(scene.content(table).await == expected, "{table} after a pause at {pause}");
        scene.require_clean().await;
    }
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_gives_the_same_table() {
    let scene = Scene::new().await;
    check(scene, ("t", "data.csv"), &[0, 1, 4, 9, 16, 25, 40]).await;
}

/// Case 92 of the suite's: a hundred files, of which each is a split at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_paused_import_of_many_files_gives_all_their_rows() {
    let mut scene = Scene::new().await;
    fs::create_dir(scene.path("files")).unwrap();
    for row in 0..100 {
        let name = scene.path(&format!("files/{row:02}.csv"));
        fs::write(name, format!("{row},n{row},{}\n", row % 7)).unwrap();
    }
    let import = import("t", "files/*.csv").replace("'tmp'", "'tmp', sstsize = '50B'");
    for pause in [0, 1, 20, 60, 99] {
        let paused = scene.rows_until(&import, pause, pause_all).await;
        if let Err(error) = paused {
            assert_eq!((error.code(), error.message()), (SqlState::QUERY_CANCELED, "job paused"));
            scene.rows("RESUME ALL IMPORT JOBS").await.unwrap();
            let id = scene.session.store.jobs().unwrap()[0].id;
            scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
        }
        let rows = scene.rows("SELECT id FROM t ORDER BY id").await.unwrap();
        let expected: Vec<String> = (0..100).map(|row| format!("{row}|")).collect();
        assert_eq!(rows.lines().collect::<Vec<_>>(), expected, "{pause}");
        scene.rows("DROP TABLE t").await.unwrap();
        scene.require_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_gives_the_same_row_ids() {
    let scene = Scene::new().await;
    fs::copy(scene.path("data.csv"), scene.path("data2.csv")).unwrap();
    check(scene, ("t_rowid", "data*.csv"), &[1, 6, 23, 36]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_goes_on_inside_a_compressed_file() {
    let scene = Scene::new().await;
    // It is read in pieces of a mebibyte, each of which can be a checkpoint.
    let text = data().replace(",n", &format!(",{}", "n".repeat(1000)));
    fs::write(scene.path("long.csv"), text).unwrap();
    let gzip = std::process::Command::new("gzip").arg(scene.path("long.csv")).status();
    assert!(gzip.unwrap().success());
    let scene = check(scene, ("t", "long.csv.gz"), &[2, 3]).await;
    check(scene, ("u_rowid", "long.csv.gz"), &[2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_into_a_table_gives_the_same_rows() {
    let scene = Scene::new().await;
    let setup = [
        "CREATE TABLE t (id INT PRIMARY KEY, name STRING, n INT, INDEX (n))",
        "INSERT INTO t VALUES (100000, 'old', 5), (-1, 'old', 5)",
    ];
    let import = "IMPORT INTO t CSV DATA ('data.csv')";
    check_statement(scene, ("t", &setup, import), &[2, 11, 22, 30]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_of_faulty_input_fails_alike() {
    let mut scene = Scene::new().await;
    let mut text = data();
    text += "x,y,z\n7,again,1\n";
    fs::write(scene.path("data.csv"), text).unwrap();
    let expected = scene.rows(&import("t", "data.csv")).await.unwrap_err();
    for pause in [1, 5, 12] {
        let error = scene.rows_until(&import("t", "data.csv"), pause, pause_all).await.unwrap_err();
        let mut message = error.message().to_owned();
        if message == "job paused" {
            scene.rows("RESUME ALL IMPORT JOBS").await.unwrap();
            let id = scene.session.store.jobs().unwrap()[0].id;
            scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
            message = scene.session.store.job(id).unwrap().unwrap().error.unwrap();
        }
        assert_eq!(message, expected.message());
        scene.require_clean().await;
    }
}

/// Returns rows of which every third has a fault or repeats a key.
fn faulty_data(name: &str) -> String {
    let mut text = String::new();
    for row in 0..ROWS {
        let key = row * 7919 % ROWS;
        match row % 9 {
            2 => writeln!(text, "x{key},{name},1").unwrap(),
            5 => writeln!(text, "{key},\"{name}").unwrap(),
            8 => writeln!(text, "{},{name},1", (row - 1) * 7919 % ROWS).unwrap(),
            _ => writeln!(text, "{key},{name},{}", key % 97).unwrap(),
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_import_leaves_out_the_same_rows() {
    let mut scene = Scene::new().await;
    fs::write(scene.path("data.csv"), faulty_data("n").replace(",\"n\n", "\n")).unwrap();
    // Rows left out of a piece of a mebibyte are more than memory takes.
    fs::write(scene.path("long.csv"), faulty_data(&"n".repeat(1000)).replace(",\"n", ",n"))
        .unwrap();
    let gzip = std::process::Command::new("gzip").arg(scene.path("long.csv")).status();
    assert!(gzip.unwrap().success());
    for (file, pauses) in [("data.csv", [1, 8, 23, 40]), ("long.csv.gz", [1, 2, 3, 4])] {
        let import = format!("{}, on_error = 'skip'", import("t", file));
        scene.rows(&import).await.unwrap();
        let expected = scene.content("t").await;
        let id = scene.session.store.jobs().unwrap()[0].id;
        let rejects = scene.rows(&format!("SHOW REJECTS FOR JOB {id}")).await.unwrap();
        assert!(rejects.lines().count() as u64 > ROWS / 5);
        for pause in pauses {
            scene.rows("DROP TABLE t").await.unwrap();
            if scene.rows_until(&import, pause, pause_all).await.is_err() {
                if pause % 2 == 1 {
                    scene = scene.restart().await;
                }
                scene.rows("RESUME ALL IMPORT JOBS").await.unwrap();
            }
            let id = scene.session.store.jobs().unwrap()[0].id;
            scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
            assert!(scene.content("t").await == expected, "{file} after a pause at {pause}");
            let again = scene.rows(&format!("SHOW REJECTS FOR JOB {id}")).await.unwrap();
            // What goes on in another process knows files by their absolute names.
            let directory = format!("{}/", scene.directory.path().display());
            assert!(
                again.replace(&directory, "") == rejects,
                "rejects of {file} after a pause at {pause}"
            );
            scene.require_clean().await;
        }
        scene.rows("DROP TABLE t").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_canceled_import_leaves_nothing() {
    let mut scene = Scene::new().await;
    for (pause, restart) in [(3, false), (9, false), (9, true), (20, true)] {
        let ended = scene.rows_until(&import("t", "data.csv"), pause, pause_all).await;
        if restart {
            scene = scene.restart().await;
        }
        if ended.is_ok() {
            scene.rows("DROP TABLE t").await.unwrap();
        } else {
            scene.rows("CANCEL ALL IMPORT JOBS").await.unwrap();
            let record = scene.session.store.jobs().unwrap().remove(0);
            assert_eq!(record.status.to_string(), "canceled");
        }
        scene.require_clean().await;
    }
    let cancel = |registry: &crate::job::registry::Registry| {
        registry.all().iter().for_each(|job| job.cancel());
    };
    let canceled = scene.rows_until(&import("t", "data.csv"), 5, cancel).await.unwrap_err();
    assert_eq!((canceled.code(), canceled.message()), (SqlState::QUERY_CANCELED, "job canceled"));
    scene.require_clean().await;
    assert_eq!(scene.rows(&import("t", "data.csv")).await.unwrap().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_changed_file_is_refused() {
    let mut scene = Scene::new().await;
    let paused = scene.rows_until(&import("t", "data.csv"), 6, pause_all).await;
    assert_eq!(paused.unwrap_err().message(), "job paused");
    fs::write(scene.path("data.csv"), data() + "999999,late,1\n").unwrap();
    for _ in 0..2 {
        let error = scene.rows("RESUME ALL IMPORT JOBS").await.unwrap_err();
        assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        let changed = error.message().starts_with("file changed since the job was paused: ");
        assert!(changed && error.message().ends_with("data.csv\""), "{}", error.message());
        scene = scene.restart().await;
        fs::rename(scene.path("data.csv"), scene.path("moved.csv")).unwrap();
        let error = scene.rows("RESUME ALL IMPORT JOBS").await.unwrap_err();
        assert_eq!(error.code(), SqlState::UNDEFINED_FILE);
        fs::rename(scene.path("moved.csv"), scene.path("data.csv")).unwrap();
    }
    scene.rows("CANCEL ALL IMPORT JOBS").await.unwrap();
    scene.require_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_statement_with_secrets_is_resumed_in_its_process_only() {
    let mut scene = Scene::new().await;
    let name = "data.csv?AWS_SECRET_ACCESS_KEY=hush";
    fs::copy(scene.path("data.csv"), scene.path(name)).unwrap();
    let paused = scene.rows_until(&import("t", name), 6, pause_all).await;
    assert_eq!(paused.unwrap_err().message(), "job paused");
    scene.rows("RESUME ALL IMPORT JOBS").await.unwrap();
    scene.rows("PAUSE ALL IMPORT JOBS").await.unwrap();
    let ended = scene.rows("SHOW JOBS").await.unwrap().contains("succeeded");
    let mut scene = scene.restart().await;
    if !ended {
        let error = scene.rows("RESUME JOB 1").await.unwrap_err();
        assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        let expected = "job 1 cannot be resumed: its statement held secrets, which are not stored";
        assert_eq!(error.message(), expected);
        scene.rows("CANCEL JOB 1").await.unwrap();
    }
    scene.require_clean().await;
    let catalog = fs::read(scene.path("shop/catalog.redb")).unwrap();
    assert!(!catalog.windows(4).any(|part| part == b"hush"), "the secret is on disk");
}
