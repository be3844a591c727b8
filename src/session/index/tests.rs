//! Index builds that are looked at, paused, canceled and resumed at each point of their progress.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::util::display::array_value_to_string;

use crate::catalog::{JobId, JobStatus};
use crate::error::{Result, SqlState};
use crate::job::Event;
use crate::job::registry::Registry;
use crate::session::{Options, Outcome, Session};
use crate::store::{Manifest, TableUse};

/// How many times a build tells its progress here: at its start, for each part of the rows that it reads
/// or writes, and before it publishes.
const POINTS: u64 = 4;

const CREATE: &str = "CREATE UNIQUE INDEX i ON t (s) STORING (n)";

fn open(directory: &Path) -> Session {
    Session::open(Options::for_tests(directory, 64 << 20)).unwrap()
}

/// Runs a statement and returns its rows as text.
async fn run(session: &mut Session, sql: &str) -> Result<String> {
    run_until(session, sql, u64::MAX, |_| {}).await
}

/// Runs a statement, and calls `act` when it has told its progress `count` times.
async fn run_until(
    session: &mut Session,
    sql: &str,
    count: u64,
    act: impl Fn(&Registry) + Send + Sync + 'static,
) -> Result<String> {
    let (seen, registry) = (AtomicU64::new(0), Arc::clone(&session.jobs));
    let events = Arc::new(move |event| {
        if matches!(event, Event::Progress(_)) && seen.fetch_add(1, Ordering::Relaxed) == count {
            act(&registry);
        }
    });
    let outcome = session.execute(sql, events).await?;
    let Outcome::Rows { mut rows, .. } = outcome else { return Ok(String::new()) };
    let mut text = String::new();
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                text += &array_value_to_string(column, row).unwrap();
                text.push('|');
            }
            text.push('\n');
        }
    }
    Ok(text)
}

/// Makes a table with some rows.
async fn fill(session: &mut Session) {
    run(session, "CREATE TABLE t (id INT PRIMARY KEY, s STRING, n INT)").await.unwrap();
    let rows = "INSERT INTO t SELECT i, 'x' || (i * 7919 % 500), i % 7 FROM generate_series(1, 500) AS g (i)";
    run(session, rows).await.unwrap();
}

/// Checks that the index answers as the table does, and returns how many rows there are.
async fn require_index(session: &mut Session) -> String {
    let query = "SELECT count(*), sum(n), min(s), max(s) FROM t";
    let all = run(session, query).await.unwrap();
    let through = format!("{query} WHERE s >= 'x'");
    let plan = run(session, &format!("EXPLAIN {through}")).await.unwrap();
    assert!(plan.contains("using i"), "{plan}");
    assert_eq!(run(session, &through).await.unwrap(), all);
    all
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let all = paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    let mut all: Vec<PathBuf> = all.collect();
    all.sort();
    all
}

fn pause_all(registry: &Registry) {
    registry.all().iter().for_each(|job| job.pause("paused"));
}

/// Returns the state of a job.
fn status(session: &Session, job: u64) -> String {
    session.store.job(JobId(job)).unwrap().unwrap().status.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_the_table_and_writers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    fill(&mut session).await;
    let (looks, store) = (Arc::new(AtomicU64::new(0)), Arc::clone(&session.store));
    let seen = Arc::clone(&looks);
    let look = move |event| {
        let Event::Progress(_) = event else { return };
        let view = store.view();
        let table = view.catalog.tables.values().next().cloned().unwrap();
        assert!(table.indexes.is_empty());
        assert_eq!(view.manifest(table.id).unwrap().rows(), 500);
        let refused = |result: Result<()>| {
            let error = result.unwrap_err();
            assert_eq!(error.code(), SqlState::OBJECT_IN_USE);
            let message = "table \"t\" cannot be changed: an index of it is being built";
            assert_eq!(error.message(), message);
            assert_eq!(
                error.hint_text(),
                Some("Wait until the index is built. SHOW JOBS lists it.")
            );
        };
        refused(store.claim_table(table.id, "t", TableUse::Import).map(drop));
        refused(store.claim_table(table.id, "t", TableUse::Index).map(drop));
        refused(store.require_unclaimed(table.id, "t"));
        refused(store.update(|changes| changes.remove_table(table.id)));
        refused(store.update(|changes| changes.put_manifest(table.id, Manifest::default())));
        seen.fetch_add(1, Ordering::Relaxed);
    };
    session.execute(CREATE, Arc::new(look)).await.map(drop).unwrap();
    assert_eq!(looks.load(Ordering::Relaxed), POINTS);
    // The table is free again, also after a build that failed.
    run(&mut session, "INSERT INTO t VALUES (1000, 'y', 1)").await.unwrap();
    let failed = run(&mut session, "CREATE UNIQUE INDEX ON t (n)").await;
    assert_eq!(failed.unwrap_err().code(), SqlState::UNIQUE_VIOLATION);
    run(&mut session, "INSERT INTO t VALUES (1001, 'z', 1)").await.unwrap();
    require_index(&mut session).await;
    run(&mut session, "DROP TABLE t").await.unwrap();
    assert!(files_below(&directory.path().join("shop/data")).is_empty());
}

/// A paused build holds nothing and keeps nothing; it goes on with the rows that the table has then.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_build_begins_anew() {
    for point in 0..POINTS {
        let directory = tempfile::tempdir().unwrap();
        let mut session = open(directory.path());
        fill(&mut session).await;
        let before = files_below(&directory.path().join("shop"));
        let error = run_until(&mut session, CREATE, point, pause_all).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (SqlState::QUERY_CANCELED, "job paused"));
        assert_eq!(error.hint_text(), Some("RESUME JOB 1 lets it go on."));
        assert_eq!(status(&session, 1), "paused", "{point}");
        assert_eq!(files_below(&directory.path().join("shop")), before, "{point}");
        run(&mut session, "INSERT INTO t VALUES (1000, 'y', 1)").await.unwrap();
        run(&mut session, "CREATE INDEX other ON t (n)").await.unwrap();
        if point % 2 == 1 {
            drop(session);
            session = open(directory.path());
            assert!(session.opening_notices().is_empty());
        }
        run(&mut session, "RESUME JOB 1").await.unwrap();
        run(&mut session, "SHOW JOB WHEN COMPLETE 1").await.unwrap();
        assert!(require_index(&mut session).await.starts_with("501|"));
        let temporary = files_below(&directory.path().join("shop/tmp"));
        assert!(temporary.is_empty(), "{temporary:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_build_leaves_nothing() {
    for point in 0..POINTS {
        let directory = tempfile::tempdir().unwrap();
        let mut session = open(directory.path());
        fill(&mut session).await;
        let before = files_below(&directory.path().join("shop"));
        let cancel = |registry: &Registry| registry.all().iter().for_each(|job| job.cancel());
        let error = run_until(&mut session, CREATE, point, cancel).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (SqlState::QUERY_CANCELED, "job canceled"));
        assert_eq!(status(&session, 1), "canceled", "{point}");
        // Ctrl-C cancels the statement, and the job with it.
        let handle = session.cancel_handle();
        let interrupt = move |_: &Registry| handle.cancel();
        let error = run_until(&mut session, CREATE, point, interrupt).await.unwrap_err();
        assert_eq!(error.message(), "statement cancelled by the user");
        assert_eq!(status(&session, 2), "canceled", "{point}");
        // One that is paused can be canceled too.
        run_until(&mut session, CREATE, point, pause_all).await.unwrap_err();
        run(&mut session, "CANCEL JOB 3").await.unwrap();
        assert_eq!(status(&session, 3), "canceled", "{point}");
        assert_eq!(files_below(&directory.path().join("shop")), before, "{point}");
        run(&mut session, CREATE).await.unwrap();
        require_index(&mut session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_table_is_another_is_not_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    fill(&mut session).await;
    run_until(&mut session, CREATE, 0, pause_all).await.unwrap_err();
    let resumed = async |session: &mut Session, sql: &str| {
        run(session, sql).await.unwrap();
        let error = run(session, "RESUME JOB 1").await.unwrap_err();
        assert_eq!(status(session, 1), "paused", "{sql}");
        format!("{} {}", error.code().as_str(), error.message())
    };
    let taken = resumed(&mut session, "CREATE INDEX i ON t (n)").await;
    assert_eq!(taken, "42P07 index with name \"i\" already exists");
    let gone = resumed(&mut session, "DROP TABLE t").await;
    assert_eq!(gone, "42P01 relation \"defaultdb.public.t\" does not exist");
    let narrow = resumed(&mut session, "CREATE TABLE t (id INT PRIMARY KEY)").await;
    assert_eq!(narrow, "42703 column \"s\" does not exist");
    run(&mut session, "DROP TABLE t").await.unwrap();
    let other = resumed(&mut session, "CREATE TABLE t (id INT, s STRING, n INT)").await;
    assert_eq!(other, "55000 table \"t\" is not the one that the job began with");
    run(&mut session, "CANCEL JOB 1").await.unwrap();
    assert_eq!(status(&session, 1), "canceled");
}

/// A job's record says that it runs until its end is recorded: the next open finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_a_crash_stopped_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    fill(&mut session).await;
    run_until(&mut session, CREATE, 1, pause_all).await.unwrap_err();
    let mut record = session.store.jobs().unwrap().remove(0);
    record.status = JobStatus::Running;
    session.store.update(|changes| changes.put_job(&record)).unwrap();
    drop(session);
    let mut session = open(directory.path());
    let told = session.opening_notices();
    assert_eq!(told[0].message, "job 1 was interrupted and is paused");
    let found = session.store.jobs().unwrap().remove(0);
    let why = "the process that built this index ended; RESUME JOB 1 lets it go on";
    assert_eq!(
        (found.status.to_string().as_str(), found.running_status.as_deref()),
        ("paused", Some(why))
    );
    run(&mut session, "RESUME ALL CREATE INDEX JOBS").await.unwrap();
    run(&mut session, "SHOW JOB WHEN COMPLETE 1").await.unwrap();
    require_index(&mut session).await;
}

/// A key on which foreign keys of a new table rest must be there when the table appears.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_needs_the_key_that_it_references_until_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    fill(&mut session).await;
    run(&mut session, CREATE).await.unwrap();
    run(&mut session, "SET CLUSTER SETTING experimental.importcsv.enabled = true").await.unwrap();
    fs::write(directory.path().join("child.csv"), "x1\n").unwrap();
    let import =
        "IMPORT TABLE child (s STRING REFERENCES t (s)) CSV DATA ('child.csv') WITH temp = 'tmp'";
    let store = Arc::clone(&session.store);
    let drop_index = move |_: &Registry| {
        let mut table = store.view().catalog.tables.values().next().cloned().unwrap();
        table.indexes.clear();
        store.update(|changes| changes.put_table(&table)).unwrap();
    };
    let error = run_until(&mut session, import, 0, drop_index).await.unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_IN_USE);
    assert_eq!(error.message(), "table \"t\" was changed by another statement");
}
