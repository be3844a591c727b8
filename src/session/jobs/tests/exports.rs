//! Exports that are paused, canceled, or overtaken by the end of their session.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Scene, files_below, pause_all};
use crate::catalog::JobStatus;
use crate::error::SqlState;
use crate::job::registry::Registry;

/// Rows of the table that is exported: many pieces, and several files.
const ROWS: u64 = 120_000;

/// Exports as they are disturbed, each into the directory `out`.
const EXPORTS: [&str; 5] = [
    "EXPORT INTO CSV 'out' WITH chunk_rows = '50000', filename = 'f-%part%.csv' FROM TABLE t",
    "EXPORT INTO CSV 'out' WITH filename = 'f.csv.gz' FROM SELECT * FROM t ORDER BY b, a",
    "EXPORT INTO PARQUET 'nodelocal://1/out' WITH filename = 'f.parquet' FROM TABLE t",
    "EXPORT INTO JSON 'out' WITH filename = 'f.json', overwrite FROM SELECT a FROM t",
    "COPY t TO 'f.txt'",
];

async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    let made = format!(
        "CREATE TABLE t AS SELECT a, a % 7 AS b, concat('name ', a) AS c \
         FROM generate_series(1, {ROWS}) AS g (a)"
    );
    scene.rows(&made).await.unwrap();
    fs::remove_file(scene.path("data.csv")).unwrap();
    scene
}

/// Returns what files there are outside of the database's own, and what they hold.
fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let outside = |path: &Path| !path.starts_with(directory.join("shop")) || is_external(path);
    let files = files_below(directory).into_iter().filter(|path| outside(path));
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

fn is_external(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "extern")
}

/// Removes what an export wrote.
fn clean(scene: &Scene) {
    for path in content(scene.directory.path()).into_keys() {
        fs::remove_file(path).unwrap();
    }
}

/// Checks that nothing is left but the database: no file, and no directory that a job made.
fn require_nothing(scene: &Scene, context: &str) {
    assert_eq!(
        content(scene.directory.path()).into_keys().collect::<Vec<_>>(),
        [""; 0],
        "{context}"
    );
    assert_eq!(files_below(&scene.path("shop/tmp")), [""; 0].map(std::path::PathBuf::from));
    let entries = fs::read_dir(scene.directory.path()).unwrap().flatten();
    let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["shop"], "{context}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_export_gives_the_same_files() {
    let mut scene = scene().await;
    for (number, export) in EXPORTS.iter().enumerate() {
        scene.rows(export).await.unwrap();
        let expected = content(scene.directory.path());
        assert!(!expected.is_empty(), "{export}");
        for pause in [0, 1, 5, 9] {
            clean(&scene);
            drop(fs::remove_dir(scene.path("out")));
            if let Err(error) = scene.rows_until(export, pause, pause_all).await {
                assert_eq!(
                    (error.code(), error.message()),
                    (SqlState::QUERY_CANCELED, "job paused")
                );
                require_nothing(&scene, export);
                if (pause + number as u64) % 2 == 1 {
                    scene = scene.restart().await;
                }
                scene.rows("RESUME ALL EXPORT JOBS").await.unwrap();
                let id = scene.session.store.jobs().unwrap()[0].id;
                scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
            }
            let record = scene.session.store.jobs().unwrap().remove(0);
            assert_eq!(record.status, JobStatus::Succeeded, "{export}: {record:?}");
            assert!(record.temp_directories.is_empty() && record.outputs.is_empty());
            assert!(content(scene.directory.path()) == expected, "{export} after {pause}");
            assert_eq!(files_below(&scene.path("shop/tmp")), Vec::<std::path::PathBuf>::new());
        }
        clean(&scene);
        drop(fs::remove_dir(scene.path("out")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_canceled_export_leaves_nothing() {
    fn cancel_all(registry: &Registry) {
        registry.all().iter().for_each(|job| job.cancel());
    }
    let mut scene = scene().await;
    for export in EXPORTS {
        for point in [0, 3, 8] {
            let canceled = scene.rows_until(export, point, cancel_all).await;
            let record = scene.session.store.jobs().unwrap().remove(0);
            match canceled {
                Err(error) => {
                    assert_eq!(error.message(), "job canceled");
                    assert_eq!(record.status, JobStatus::Canceled, "{export}: {record:?}");
                    require_nothing(&scene, export);
                }
                // It came too late.
                Ok(_) => assert_eq!(record.status, JobStatus::Succeeded, "{export}: {record:?}"),
            }
            clean(&scene);
            drop(fs::remove_dir(scene.path("out")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_detached_export_is_paused_with_its_session() {
    let mut scene = scene().await;
    let export = "EXPORT INTO CSV 'out' WITH detached FROM \
                  SELECT sum(a) FROM generate_series(1, 1000000000000) AS g (a)";
    let id = scene.rows(export).await.unwrap().replace("|\n", "");
    assert!(scene.path(&format!("out/wharf-{id}")).is_dir());
    let mut scene = scene.restart().await;
    require_nothing(&scene, "after the session");
    assert_eq!(scene.session.opening_notices().len(), 0, "it was no crash");
    let shown = scene.rows(&format!("SHOW JOB {id}")).await.unwrap();
    assert!(shown.contains("|paused|paused: its session ended|"), "{shown}");
    scene.rows(&format!("CANCEL JOB {id}")).await.unwrap();
    let record = scene.session.store.jobs().unwrap().remove(0);
    assert_eq!(
        (record.status, record.error.as_deref()),
        (JobStatus::Canceled, Some("job canceled"))
    );
}

/// A crash between the first file that appears and the record of the end, made by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crash_while_files_appear_takes_them_back() {
    let mut scene = scene().await;
    let export = "EXPORT INTO CSV 'out' WITH filename = 'f.csv', overwrite FROM TABLE t";
    scene.rows(export).await.unwrap();
    let expected = content(scene.directory.path());
    fs::write(scene.path("out/f.csv"), "older").unwrap();
    let paused = scene.rows_until(export, 3, pause_all).await.unwrap_err();
    assert_eq!(paused.message(), "job paused");
    // What the disk holds when the file has appeared and the end is not recorded.
    let mut record = scene.session.store.jobs().unwrap().remove(0);
    let waiting = scene.path(&format!("out/wharf-{}", record.id));
    fs::create_dir(&waiting).unwrap();
    fs::write(waiting.join("f.csv"), "whole").unwrap();
    record.outputs = vec![crate::job::describe_outputs(&waiting, &["f.csv".to_owned()])];
    fs::rename(scene.path("out/f.csv"), waiting.join("older")).unwrap();
    fs::rename(waiting.join("f.csv"), scene.path("out/f.csv")).unwrap();
    fs::rename(waiting.join("older"), waiting.join("f.csv")).unwrap();
    record.status = JobStatus::Running;
    record.temp_directories = vec![waiting.display().to_string()];
    scene.session.store.update(|changes| changes.put_job(&record)).unwrap();
    let mut scene = scene.restart().await;
    assert_eq!(scene.session.opening_notices().len(), 1);
    assert_eq!(fs::read(scene.path("out/f.csv")).unwrap(), b"older");
    assert!(!waiting.exists());
    scene.rows(&format!("RESUME JOB {}", record.id)).await.unwrap();
    scene.rows(&format!("SHOW JOB WHEN COMPLETE {}", record.id)).await.unwrap();
    assert!(content(scene.directory.path()) == expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_exports_to_one_place_do_not_mix() {
    let mut scene = scene().await;
    let export = "EXPORT INTO CSV 'out' WITH detached, filename = 'f.csv' FROM TABLE t";
    scene.rows(export).await.unwrap();
    // The other one may have ended by now.
    let second = scene.rows(export).await;
    for record in scene.session.store.jobs().unwrap() {
        scene.rows(&format!("SHOW JOB WHEN COMPLETE {}", record.id)).await.unwrap();
    }
    let records = scene.session.store.jobs().unwrap();
    let exports = records.iter().filter(|record| record.job_type == "EXPORT");
    let (ended, failed): (Vec<_>, Vec<_>) =
        exports.partition(|record| record.status == JobStatus::Succeeded);
    assert_eq!(ended.len(), 1, "{records:?}");
    assert_eq!(failed.len(), usize::from(second.is_ok()));
    for record in failed {
        assert_eq!(record.error.as_deref(), Some("file \"out/f.csv\" already exists"));
    }
    let text = String::from_utf8(fs::read(scene.path("out/f.csv")).unwrap()).unwrap();
    assert_eq!(text.lines().count() as u64, ROWS);
    assert_eq!(fs::read_dir(scene.path("out")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_query_of_files_is_resumed_where_its_session_was() {
    let mut scene = Scene::new().await;
    fs::create_dir(scene.path("in")).unwrap();
    let rows = (1..=ROWS).map(|row| format!("{row}\n")).collect::<Vec<_>>().concat();
    fs::write(scene.path("in/a.csv"), format!("a\n{rows}")).unwrap();
    scene.session.set_working_directory(&scene.path("in"));
    let export = "EXPORT INTO CSV '../out' WITH filename = 'f.csv' FROM SELECT * FROM 'a.csv'";
    let paused = scene.rows_until(export, 0, pause_all).await.unwrap_err();
    assert_eq!(paused.message(), "job paused");
    let mut scene = scene.restart().await;
    let id = scene.session.store.jobs().unwrap()[0].id;
    scene.rows(&format!("RESUME JOB {id}")).await.unwrap();
    let shown = scene.rows(&format!("SHOW JOB WHEN COMPLETE {id}")).await.unwrap();
    assert!(shown.contains("|succeeded|"), "{shown}");
    assert!(fs::read(scene.path("out/f.csv")).unwrap() == rows.into_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resumed_export_reads_what_is_there_then() {
    let mut scene = scene().await;
    let export = "EXPORT INTO CSV 'out' WITH filename = 'f.csv' FROM SELECT a, now() FROM t";
    let paused = scene.rows_until(export, 1, pause_all).await.unwrap_err();
    assert_eq!(paused.hint_text(), Some("RESUME JOB 1 lets it begin again."));
    scene.rows("DROP TABLE t").await.unwrap();
    let error = scene.rows("RESUME JOB 1").await.unwrap_err();
    assert_eq!(error.code(), SqlState::UNDEFINED_TABLE);
    let shown = scene.rows("SHOW JOB 1").await.unwrap();
    assert!(shown.contains("|paused|paused by a test|"), "{shown}");
    scene.rows("CREATE TABLE t (b INT, a STRING)").await.unwrap();
    scene.rows("INSERT INTO t VALUES (1, 'another')").await.unwrap();
    scene.rows("RESUME JOB 1").await.unwrap();
    scene.rows("SHOW JOB WHEN COMPLETE 1").await.unwrap();
    let text = String::from_utf8(fs::read(scene.path("out/f.csv")).unwrap()).unwrap();
    assert!(text.starts_with("another,") && text.lines().count() == 1, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_session_does_not_have_the_secrets() {
    let mut scene = Scene::new().await;
    let export = "EXPORT INTO CSV 's3://b/d?AWS_ACCESS_KEY_ID=a&AWS_SECRET_ACCESS_KEY=b' \
                  WITH detached FROM SELECT sum(a) FROM generate_series(1, 1000000000000) AS g (a)";
    let id = scene.rows(export).await.unwrap().replace("|\n", "");
    let mut scene = scene.restart().await;
    let error = scene.rows(&format!("RESUME JOB {id}")).await.unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(error.message().contains("its statement held secrets"), "{error}");
    scene.rows(&format!("CANCEL JOB {id}")).await.unwrap();
}
