//! IMPORT INTO against a model: random rows in every mode, onto tables that earlier imports left, must
//! give what a map of rows gives, through the rows and through each index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::import::no_events;
use super::{Event, Options, Outcome, Session};
use crate::error::{Result, SqlState};
use crate::store::{Manifest, TableUse};

/// A row: what stands in the columns `u` and `s`; the key is the map's.
type Row = (Option<i64>, String);

/// Rows by primary key.
type Model = BTreeMap<i64, Row>;

/// Numbers that depend on a seed alone.
struct Numbers(u64);

impl Numbers {
    /// Returns a number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Returns one of some values.
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Returns rows whose keys and `u` differ among themselves.
    fn rows(&mut self, count: u64, keys: u64) -> Vec<(i64, Row)> {
        let (mut seen, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let mut rows = Vec::new();
        for _ in 0..count {
            let key = self.below(keys).cast_signed();
            let u = Some(self.below(keys * keys * 8).cast_signed());
            let u = u.filter(|u| taken.insert(*u) && u % 5 != 0);
            if seen.insert(key) {
                rows.push((key, (u, format!("s{}", self.below(7)))));
            }
        }
        if self.below(2) == 0 {
            rows.sort();
        }
        rows
    }
}

fn open(directory: &Path) -> Session {
    Session::open(Options::for_tests(directory, 8 << 20)).unwrap()
}

/// Runs a statement; returns the rows, if it has any.
async fn run(session: &mut Session, sql: &str) -> Result<Vec<RecordBatch>> {
    match session.execute(sql, no_events()).await? {
        Outcome::Rows { rows, .. } => rows.collect().await,
        Outcome::Done { .. } | Outcome::Copy { .. } => Ok(Vec::new()),
    }
}

/// Returns the rows of the table.
async fn table(session: &mut Session) -> Model {
    let mut rows = Model::new();
    for batch in run(session, "SELECT k, u, s FROM t").await.unwrap() {
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        let texts = batch.column(2).as_string_view();
        for at in 0..batch.num_rows() {
            let u = numbers.is_valid(at).then(|| numbers.value(at));
            let before = rows.insert(keys.value(at), (u, texts.value(at).to_owned()));
            assert_eq!(before, None, "a key occurs twice");
        }
    }
    rows
}

async fn count(session: &mut Session, sql: &str) -> i64 {
    let batches = run(session, sql).await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Returns what the table is after the import, or nothing if a key is taken.
fn expected(model: &Model, mode: &str, rows: &[(i64, Row)]) -> Option<Model> {
    let mut after = model.clone();
    let mut added = rows.to_vec();
    match mode {
        "insert" if rows.iter().any(|(key, _)| model.contains_key(key)) => return None,
        "skip" => added.retain(|(key, _)| !model.contains_key(key)),
        "upsert" => rows.iter().for_each(|(key, _)| drop(after.remove(key))),
        "replace" => after.clear(),
        _ => {}
    }
    let taken: BTreeSet<i64> = after.values().filter_map(|(u, _)| *u).collect();
    if added.iter().any(|(_, (u, _))| u.is_some_and(|u| taken.contains(&u))) {
        return None;
    }
    after.extend(added);
    Some(after)
}

fn write_files(directory: &Path, rows: &[(i64, Row)], files: usize) -> String {
    let mut names = Vec::new();
    for (number, part) in rows.chunks(rows.len().div_ceil(files).max(1)).enumerate() {
        let mut text = String::new();
        for (key, (u, s)) in part {
            let u = u.map_or_else(String::new, |u| u.to_string());
            writeln!(text, "{s},{key},{u}").unwrap();
        }
        fs::write(directory.join(format!("f{number}.csv")), text).unwrap();
        names.push(format!("'f{number}.csv'"));
    }
    names.join(", ")
}

/// Checks that the table holds what the model holds, by its rows and by each index.
async fn check(session: &mut Session, model: &Model, seed: u64) {
    assert!(table(session).await == *model, "seed {seed}: the rows differ");
    for s in 0..7 {
        let wanted = model.values().filter(|(_, text)| *text == format!("s{s}")).count();
        let found = count(session, &format!("SELECT count(*) FROM t WHERE s = 's{s}'")).await;
        assert_eq!(found, i64::try_from(wanted).unwrap(), "seed {seed}, s{s}");
    }
    for (key, (u, _)) in model.iter().step_by(model.len() / 5 + 1) {
        let Some(u) = u else { continue };
        let found = count(session, &format!("SELECT sum(k)::INT8 FROM t WHERE u = {u}")).await;
        assert_eq!(found, *key, "seed {seed}, u = {u}");
    }
}

/// Some imports one after the other, onto a new table.
async fn scenario(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    let mut numbers = Numbers(seed * 7919 + 1);
    let made = "CREATE TABLE t (k INT PRIMARY KEY, u INT UNIQUE, s STRING, INDEX (s))";
    run(&mut session, made).await.unwrap();
    let mut model = Model::new();
    let large = seed.is_multiple_of(4);
    for _ in 0..8 {
        let keys = if large { 24_000 } else { numbers.pick(&[12, 60, 400]) };
        let count = numbers.below(keys / 2);
        let rows = numbers.rows(count, keys);
        let mode = numbers.pick(&["insert", "upsert", "skip", "replace", "upsert", "skip"]);
        let parts = numbers.pick(&[1, 2, 3]);
        if rows.is_empty() {
            continue;
        }
        let files = write_files(directory.path(), &rows, parts);
        let sql = format!("IMPORT INTO t (s, k, u) CSV DATA ({files}) WITH mode = '{mode}'");
        match (expected(&model, mode, &rows), run(&mut session, &sql).await) {
            (Some(after), Ok(_)) => model = after,
            (None, Err(error)) => {
                assert_eq!(error.code(), SqlState::UNIQUE_VIOLATION, "seed {seed}: {error}");
                assert!(error.message().contains("ingested key collides"), "{error}");
            }
            (Some(_), Err(error)) => panic!("seed {seed}, {mode}: {error}"),
            (None, Ok(_)) => panic!("seed {seed}, {mode}: a taken key was not noticed"),
        }
        check(&mut session, &model, seed).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn agrees_with_a_model() {
    let runtime = runtime();
    for seed in 1..=8 {
        runtime.block_on(scenario(seed));
    }
}

/// While rows come in, the table is what it was, and nobody else may change it.
#[test]
fn readers_see_old_rows_and_writers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut session = open(directory.path());
    let files = write_files(directory.path(), &Numbers(5).rows(20, 90), 1);
    let import = format!("IMPORT INTO t (s, k, u) CSV DATA ({files}) WITH mode = 'upsert'");
    let looks = Arc::new(AtomicUsize::new(0));
    let (store, seen) = (Arc::clone(&session.store), Arc::clone(&looks));
    let look = move |event| {
        let Event::Progress(progress) = event else { return };
        let view = store.view();
        let Some(table) = view.catalog.tables.values().next().cloned() else { return };
        assert_eq!(view.manifest(table.id).unwrap().rows(), 2, "{}", progress.phase);
        let refused = |result: Result<()>| {
            assert_eq!(result.unwrap_err().code(), SqlState::OBJECT_IN_USE, "{}", progress.phase);
        };
        refused(store.claim_table(table.id, "t", TableUse::Import).map(drop));
        refused(store.update(|changes| changes.remove_table(table.id)));
        refused(store.update(|changes| changes.put_manifest(table.id, Manifest::default())));
        seen.fetch_add(1, Ordering::Relaxed);
    };
    runtime().block_on(async {
        run(&mut session, "CREATE TABLE t (k INT PRIMARY KEY, u INT, s STRING)").await.unwrap();
        run(&mut session, "INSERT INTO t VALUES (-1, 1, 'a'), (-2, 2, 'b')").await.unwrap();
        drop(session.execute(&import, Arc::new(look)).await.unwrap());
        assert!(table(&mut session).await.len() > 2);
        // The table is free again, also after an import that failed.
        run(&mut session, "INSERT INTO t VALUES (-3, 3, 'c')").await.unwrap();
        let again = run(&mut session, &import.replace("upsert", "insert")).await;
        assert_eq!(again.unwrap_err().code(), SqlState::UNIQUE_VIOLATION);
        run(&mut session, "DROP TABLE t").await.unwrap();
    });
    assert!(looks.load(Ordering::Relaxed) > 1);
}
