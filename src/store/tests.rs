//! Tests of the store as a whole: opening, committing, crashing, locking.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::catalog::{
    Catalog, ColumnDescriptor, ColumnId, DatabaseDescriptor, DatabaseId, IndexId, JobId, JobRecord,
    JobStatus, Object, Privilege, PrivilegeSet, TableDescriptor, TableId,
};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop");
    (directory, path)
}

fn open(path: &Path) -> Result<Store> {
    Store::open(path, &OpenOptions::default())
}

fn open_read_only(path: &Path) -> Result<Store> {
    Store::open(path, &OpenOptions { read_only: true })
}

fn code(result: Result<Store>) -> SqlState {
    result.map(|_| ()).unwrap_err().code()
}

fn column() -> SegmentColumn {
    SegmentColumn { id: ColumnId(1), name: "a".into(), sql_type: SqlType::Int8, nullable: false }
}

fn table(id: TableId) -> TableDescriptor {
    TableDescriptor {
        id,
        database: DatabaseId(1),
        name: format!("t{id}"),
        columns: vec![ColumnDescriptor {
            id: ColumnId(1),
            name: "a".into(),
            sql_type: SqlType::Int8,
            nullable: false,
            default: None,
            computed: None,
        }],
        primary_key: None,
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        next_column: ColumnId(2),
        next_index: IndexId(2),
        families: Vec::new(),
    }
}

fn segment(store: &Store, table: TableId, values: &[i64]) -> Segment {
    let mut writer = store.create_segment(table, &[column()], &[(0, false)]).unwrap();
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
    let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    writer.write(&RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()).unwrap();
    writer.finish().unwrap()
}

fn manifest(segments: Vec<Segment>) -> Manifest {
    let segments = segments.into_iter().map(Arc::new).collect();
    Manifest { segments, next_rowid: 5, ..Manifest::default() }
}

/// Makes a table of one segment.
fn import(store: &Store, values: &[i64]) -> TableId {
    let id = store.reserve_table().unwrap();
    let segment = segment(store, id, values);
    store.sync_table_directory(id).unwrap();
    store
        .update(|changes| {
            changes.put_table(&table(id))?;
            changes.put_manifest(id, manifest(vec![segment]))
        })
        .unwrap();
    id
}

fn rows(store: &Store, view: &View, table: TableId) -> Result<usize> {
    let request = ScanRequest { columns: vec![ColumnId(1)], ..ScanRequest::default() };
    let mut rows = 0;
    for segment in &view.manifest(table)?.segments {
        for batch in store.scan(table, segment, &[column()], &request)? {
            rows += batch?.num_rows();
        }
    }
    Ok(rows)
}

fn files(path: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for table in fs::read_dir(path.join("data")).unwrap() {
        for file in fs::read_dir(table.unwrap().path()).unwrap() {
            out.push(file.unwrap().file_name().into_string().unwrap());
        }
    }
    out.sort();
    out
}

/// Leaves a database as a crash does: closes nothing, drops nothing, but frees the lock.
fn crash(store: Store, path: &Path) -> PathBuf {
    let copy = path.with_extension("crashed");
    copy_directory(path, &copy);
    drop(store);
    copy
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn makes_a_database_of_an_absent_or_empty_directory() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    assert!(path.join("catalog.redb").exists() && path.join("extern").is_dir());
    assert_eq!(store.view().catalog.database("defaultdb").unwrap().id, DatabaseId(1));
    assert!(store.view().catalog.user_exists("root"));
    assert!(store.path().is_absolute());
    drop(store);
    assert!(!path.join("lock").exists());
    let empty = path.with_extension("empty");
    fs::create_dir(&empty).unwrap();
    open(&empty).unwrap();
}

#[test]
fn finishes_a_creation_that_crashed() {
    let (_directory, path) = directory();
    fs::create_dir_all(path.join("data")).unwrap();
    fs::write(path.join("catalog.redb.new"), "half").unwrap();
    open(&path).unwrap();
    assert!(!path.join("catalog.redb.new").exists());
}

#[test]
fn refuses_what_is_no_database() {
    let (directory, path) = directory();
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "x").unwrap();
    let error = open(&other).unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(error.message().ends_with("other\" is not a Wharf database"));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    let state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    assert_eq!(code(open(&other.join("notes.txt"))), state);
    assert_eq!(code(open(&path.join("deep"))), SqlState::UNDEFINED_FILE);
    assert_eq!(code(open_read_only(&path)), SqlState::UNDEFINED_FILE);
    assert!(!path.exists());
    assert_eq!(code(open_read_only(&other)), state);
    fs::write(other.join("catalog.redb"), vec![7; 5000]).unwrap();
    assert_eq!(code(open(&other)), SqlState::DATA_CORRUPTED);
    fs::write(other.join("catalog.redb"), "").unwrap();
    assert_eq!(code(open(&other)), SqlState::DATA_CORRUPTED);
}

#[test]
fn everything_is_there_after_opening_again() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1, 2, 3]);
    let mut set = PrivilegeSet::default();
    set.grant(Privilege::Select);
    store
        .update(|changes| {
            let database =
                DatabaseDescriptor { id: changes.next_database()?, name: "other".into() };
            changes.put_database(&database)?;
            changes.put_user("ann")?;
            changes.put_user("bob")?;
            changes.put_grant(Object::Table(id), "ann", set.clone())?;
            changes.put_grant(Object::Database(database.id), "bob", set.clone())?;
            changes.put_setting("x.y", Some("on"))?;
            changes.put_setting("gone", Some("on"))
        })
        .unwrap();
    store
        .update(|changes| {
            changes.remove_user("bob")?;
            changes.put_setting("gone", None)
        })
        .unwrap();
    let before = store.view();
    drop(store);
    let store = open(&path).unwrap();
    let view = store.view();
    assert_eq!(format!("{:?}", view.catalog), format!("{:?}", before.catalog));
    assert_eq!(view.catalog.grants.len(), 1);
    assert_eq!(rows(&store, &view, id).unwrap(), 3);
    let manifest = view.manifest(id).unwrap();
    assert_eq!((manifest.next_rowid, manifest.rows()), (5, 3));
    assert_eq!(manifest.segments[0].commit, 2);
    let range = manifest.segments[0].statistics[0].range.clone().unwrap();
    assert_eq!(range.as_ref(), &Int64Array::from(vec![1, 3]) as &dyn arrow::array::Array);
    assert_eq!(view.manifest(TableId(99)).unwrap().segments.len(), 0);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1]);
    let before = store.view();
    let failed: Result<()> = store.update(|changes| {
        changes.next_table()?;
        changes.put_user("ann")?;
        changes.remove_table(id)?;
        Err(Error::new(SqlState::CHECK_VIOLATION, "no"))
    });
    assert_eq!(failed.unwrap_err().code(), SqlState::CHECK_VIOLATION);
    assert!(Arc::ptr_eq(&before, &store.view()));
    assert_eq!(rows(&store, &before, id).unwrap(), 1);
    assert_eq!(store.reserve_table().unwrap(), TableId(id.0 + 1));
}

#[test]
fn ids_are_never_given_again() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    assert_eq!((store.reserve_job().unwrap(), store.reserve_job().unwrap()), (JobId(1), JobId(2)));
    assert_eq!(store.reserve_table().unwrap(), TableId(1));
    let crashed = crash(store, &path);
    let store = open(&crashed).unwrap();
    assert_eq!(store.reserve_job().unwrap(), JobId(3));
    assert_eq!(store.reserve_table().unwrap(), TableId(2));
}

#[test]
fn a_view_keeps_its_files() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1, 2, 3]);
    // The manifest is read late, after its replacement.
    drop(store);
    let store = open(&path).unwrap();
    let old = store.view();
    let new = segment(&store, id, &[4]);
    store.update(|changes| changes.put_manifest(id, manifest(vec![new]))).unwrap();
    assert_eq!(rows(&store, &old, id).unwrap(), 3);
    assert_eq!(rows(&store, &store.view(), id).unwrap(), 1);
    assert_eq!(files(&path).len(), 2);
    let one = Arc::clone(&old.manifest(id).unwrap().segments[0]);
    let request = ScanRequest { columns: vec![ColumnId(1)], ..ScanRequest::default() };
    let scan = store.scan(id, &one, &[column()], &request).unwrap();
    drop((old, one));
    assert_eq!(files(&path).len(), 2);
    assert_eq!(scan.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
    assert_eq!(files(&path).len(), 1);
    store.update(|changes| changes.remove_table(id)).unwrap();
    assert_eq!(files(&path).len(), 0);
    assert!(!path.join("data").join(id.to_string()).exists());
}

#[test]
fn segments_that_stay_are_shared_and_indexes_come_back() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1]);
    let added = [segment(&store, id, &[2]), segment(&store, id, &[3])].map(Arc::new);
    store
        .update(|changes| {
            let mut next = Manifest::clone(&*store.view().manifest(id)?);
            next.segments.push(Arc::clone(&added[0]));
            next.indexes.insert(IndexId(2), vec![Arc::clone(&added[1])]);
            changes.put_manifest(id, next)
        })
        .unwrap();
    assert_eq!(files(&path).len(), 3);
    drop(store);
    let store = open(&path).unwrap();
    let manifest = store.view().manifest(id).unwrap();
    assert_eq!(manifest.indexes[&IndexId(2)][0].file, added[1].file);
    assert_eq!(manifest.segments.iter().map(|s| s.commit).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn orphans_and_temporary_files_go_at_the_next_open() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1]);
    let orphan = segment(&store, id, &[2]);
    let lost = store.reserve_table().unwrap();
    let orphan_table = segment(&store, lost, &[2]);
    fs::create_dir_all(path.join("tmp/7")).unwrap();
    fs::write(path.join("tmp/7/run"), "x").unwrap();
    drop((orphan, orphan_table));
    let crashed = crash(store, &path);
    assert_eq!(files(&crashed).len(), 3);
    let reader = open_read_only(&crashed).unwrap();
    assert_eq!(files(&crashed).len(), 3);
    drop(reader);
    let store = open(&crashed).unwrap();
    assert_eq!(files(&crashed).len(), 1);
    assert!(!crashed.join("data").join(lost.to_string()).exists());
    assert_eq!(fs::read_dir(crashed.join("tmp")).unwrap().count(), 0);
    assert_eq!(rows(&store, &store.view(), id).unwrap(), 1);
    let next = segment(&store, id, &[5]);
    assert_eq!(next.file, "4.parquet");
}

#[test]
fn discarded_segments_go_at_once() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = store.reserve_table().unwrap();
    let segments = [segment(&store, id, &[1]), segment(&store, id, &[2])];
    store.discard_segments(id, &segments);
    assert!(!path.join("data").join(id.to_string()).exists());
}

fn job(id: JobId, status: JobStatus, temp: &Path) -> JobRecord {
    JobRecord {
        id,
        job_type: "IMPORT".into(),
        description: "IMPORT".into(),
        user: "root".into(),
        status,
        running_status: Some("reading".into()),
        created: 1,
        started: Some(2),
        finished: None,
        modified: 3,
        fraction_completed: 0.5,
        error: None,
        temp_directories: vec![temp.to_str().unwrap().to_owned()],
        resume: None,
        checkpoints: 0,
        rejected: 0,
        outputs: Vec::new(),
    }
}

#[test]
fn jobs_that_a_crash_stopped_are_failed() {
    let (directory, path) = directory();
    let store = open(&path).unwrap();
    let temp: Vec<PathBuf> = (1..=3).map(|i| directory.path().join(format!("wharf-{i}"))).collect();
    for path in &temp {
        fs::create_dir(path).unwrap();
    }
    let states = [JobStatus::Running, JobStatus::Paused, JobStatus::Succeeded];
    for (status, temp) in states.into_iter().zip(&temp) {
        let id = store.reserve_job().unwrap();
        store.update(|changes| changes.put_job(&job(id, status, temp))).unwrap();
    }
    assert_eq!(store.jobs().unwrap().iter().map(|job| job.id.0).collect::<Vec<_>>(), [3, 2, 1]);
    drop(store);
    let store = open(&path).unwrap();
    let failed = store.job(JobId(1)).unwrap().unwrap();
    assert_eq!(failed.status, JobStatus::Failed);
    assert_eq!(failed.error.as_deref(), Some("the process that ran this import ended"));
    assert_eq!(store.job(JobId(2)).unwrap().unwrap().status, JobStatus::Paused);
    assert_eq!(store.job(JobId(4)).unwrap(), None);
    // What a job left that has ended is removed too, and then no longer named.
    assert_eq!(temp.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, true, false]);
    let named = [1, 2, 3].map(|id| store.job(JobId(id)).unwrap().unwrap().temp_directories.len());
    assert_eq!(named, [0, 1, 0]);
}

#[test]
fn one_writer_or_many_readers() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_IN_USE);
    let start = format!("database \"shop\" is in use by process {} (", std::process::id());
    assert!(error.message().starts_with(&start), "{}", error.message());
    assert_eq!(code(open_read_only(&path)), SqlState::OBJECT_IN_USE);
    drop(store);
    let readers = [open_read_only(&path).unwrap(), open_read_only(&path).unwrap()];
    assert_eq!(code(open(&path)), SqlState::OBJECT_IN_USE);
    let refused = readers[0].update(|changes| changes.put_user("ann")).unwrap_err();
    assert_eq!(refused.code(), SqlState::READ_ONLY_SQL_TRANSACTION);
    let refused = readers[0].create_segment(TableId(1), &[column()], &[]).err().unwrap();
    assert_eq!(refused.code(), SqlState::READ_ONLY_SQL_TRANSACTION);
    drop(readers);
    open(&path).unwrap();
}

#[test]
fn a_view_that_outlives_the_store_does_not_hold_the_lock() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let view = store.view();
    drop(store);
    open(&path).unwrap();
    drop(view);
}

#[test]
fn opens_read_only_after_a_crash() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = import(&store, &[1, 2]);
    let crashed = crash(store, &path);
    let before = fs::read(crashed.join("catalog.redb")).unwrap();
    let reader = open_read_only(&crashed).unwrap();
    assert_eq!(rows(&reader, &reader.view(), id).unwrap(), 2);
    drop(reader);
    assert!(before == fs::read(crashed.join("catalog.redb")).unwrap());
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    store
        .update(|changes| {
            let key = (catalog_file::Area::Meta, catalog_file::meta::FORMAT.to_vec());
            changes.batch.insert(key, Some(2u32.to_le_bytes().to_vec()));
            Ok(())
        })
        .unwrap();
    drop(store);
    fs::create_dir(path.join("data/5")).unwrap();
    let error = open(&path).unwrap_err();
    assert_eq!(error.code(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert_eq!(error.message(), "database has format version 2, this Wharf reads up to 1");
    assert!(path.join("data/5").exists());
}

/// What the child process of the next tests does; without the variable it does nothing.
#[test]
fn child_imports_until_it_is_killed() {
    let Some(path) = std::env::var_os("WHARF_TEST_CHILD") else { return };
    let store = open(Path::new(&path)).unwrap();
    let started = Path::new(&path).with_extension("started");
    fs::write(started, "x").unwrap();
    let mut last: Option<TableId> = None;
    loop {
        let id = import(&store, &[1, 2, 3]);
        let more = segment(&store, id, &[4]);
        store
            .update(|changes| {
                let mut manifest = Manifest::clone(&*store.view().manifest(id)?);
                manifest.segments.push(Arc::new(more));
                changes.put_manifest(id, manifest)
            })
            .unwrap();
        if let Some(last) = last.replace(id).filter(|last| last.0 % 3 == 0) {
            store.update(|changes| changes.remove_table(last)).unwrap();
        }
    }
}

/// Starts the child and returns it when it has the database open.
fn child(path: &Path) -> std::process::Child {
    let started = path.with_extension("started");
    let _ = fs::remove_file(&started);
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::child_imports_until_it_is_killed"])
        .env("WHARF_TEST_CHILD", path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !started.exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child
}

/// Returns the ids of the tables after checking that each is whole and nothing else is there.
fn whole_tables(store: &Store, path: &Path) -> Vec<TableId> {
    let view = store.view();
    let mut named = 0;
    for id in view.catalog.tables.keys() {
        named += view.manifest(*id).unwrap().segments.len();
        assert!([3, 4].contains(&rows(store, &view, *id).unwrap()), "table {id}");
    }
    assert_eq!(view.manifests.len(), view.catalog.tables.len());
    if !store.is_read_only() {
        assert_eq!(files(path).len(), named);
    }
    view.catalog.tables.keys().copied().collect()
}

#[test]
fn survives_being_killed_at_any_time() {
    let (_directory, path) = directory();
    for round in 0..6u64 {
        let mut child = child(&path);
        let error = open(&path).unwrap_err();
        assert_eq!(error.code(), SqlState::OBJECT_IN_USE);
        let holder = format!("process {} (", child.id());
        assert!(error.message().contains(&holder), "{}", error.message());
        std::thread::sleep(std::time::Duration::from_millis(20 + round * 37 % 100));
        child.kill().unwrap();
        child.wait().unwrap();
        let reader = open_read_only(&path).unwrap();
        let seen = whole_tables(&reader, &path);
        drop(reader);
        let store = open(&path).unwrap();
        assert_eq!(whole_tables(&store, &path), seen);
    }
}

#[test]
fn goes_on_after_the_catalog_was_given_up() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let first = import(&store, &[1]);
    let view = store.view();
    store.loader().catalog.close();
    assert_eq!(store.jobs().unwrap_err().code(), SqlState::IO_ERROR);
    let kept = segment(&store, first, &[2]);
    store.discard_segments(first, std::slice::from_ref(&kept));
    assert_eq!(files(&path).len(), 2);
    // Another process may write meanwhile; then what is on disk counts.
    let other = open(&path).unwrap();
    let second = import(&other, &[1, 2]);
    drop(other);
    let third = import(&store, &[1, 2, 3]);
    assert_ne!(second, third);
    let tables: Vec<TableId> = store.view().catalog.tables.keys().copied().collect();
    assert_eq!(tables, [first, second, third]);
    assert_eq!(rows(&store, &store.view(), second).unwrap(), 2);
    assert_eq!(rows(&store, &view, first).unwrap(), 1);
}

#[test]
fn a_table_without_segments_needs_no_directory() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = store.reserve_table().unwrap();
    store.sync_table_directory(id).unwrap();
    store
        .update(|changes| {
            changes.put_table(&table(id))?;
            changes.put_manifest(id, Manifest::default())
        })
        .unwrap();
    assert_eq!(store.view().manifest(id).unwrap().rows(), 0);
}

/// What is run under a tool that makes system calls fail; without the variable it does nothing.
#[test]
fn child_imports_and_goes_on_after_errors() {
    let Some(path) = std::env::var_os("WHARF_TEST_FAULTS") else { return };
    let path = Path::new(&path);
    let Ok(store) = open(path) else { return };
    let attempt = |round: i64| -> Result<()> {
        let id = store.reserve_table()?;
        let mut writer = store.create_segment(id, &[column()], &[(0, false)])?;
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![round, 1, 2]));
        writer.write(&RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap())?;
        let segment = writer.finish()?;
        store.sync_table_directory(id)?;
        store.update(|changes| {
            changes.put_table(&table(id))?;
            changes.put_manifest(id, manifest(vec![segment]))
        })
    };
    let mut failures = 0;
    for round in 0..20 {
        if let Err(error) = attempt(round) {
            failures += 1;
            print(&format!("{error:?}"));
            assert!(error.code().as_str().starts_with('5'), "{error:?}");
        }
        let view = store.view();
        for id in view.catalog.tables.keys() {
            assert_eq!(rows(&store, &view, *id).unwrap(), 3);
        }
    }
    let made = store.view().catalog.tables.len();
    print(&format!("{failures} failures, {made} tables"));
    drop(store);
    let again = open(path).unwrap();
    assert_eq!(again.view().catalog.tables.len(), made);
    assert_eq!(files(path).len(), made);
}

#[test]
fn free_space_is_told() {
    let (_directory, path) = directory();
    assert!(open(&path).unwrap().free_space().unwrap() > 0);
}

#[test]
fn flipped_bits_in_the_catalog_give_an_error_or_the_same_rows() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let ids: Vec<TableId> = (0..5).map(|i| import(&store, &[i, i + 1])).collect();
    let expected = format!("{:?}", store.view().catalog);
    drop(store);
    let file = path.join("catalog.redb");
    let whole = fs::read(&file).unwrap();
    let mut seed = 99u64;
    let mut found = 0;
    for round in 0..200 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(seed >> 20).unwrap() % (whole.len() * 8);
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &flipped).unwrap();
        let opened = if round % 2 == 0 { open_read_only(&path) } else { open(&path) };
        let result = opened.and_then(|store| {
            let view = store.view();
            assert_eq!(format!("{:?}", view.catalog), expected, "bit {bit}");
            ids.iter().map(|id| rows(&store, &view, *id)).collect::<Result<Vec<_>>>()
        });
        match result {
            Ok(counts) => assert_eq!(counts, [2; 5], "bit {bit}"),
            Err(error) => {
                found += 1;
                assert_eq!(error.code(), SqlState::DATA_CORRUPTED, "bit {bit}: {error}");
            }
        }
    }
    assert!(found > 0);
}

/// Prints how long a store of 1,000 segments takes to open; run with `--nocapture` to see it.
#[test]
fn a_thousand_segments_open() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let id = store.reserve_table().unwrap();
    let mut first = segment(&store, id, &[1]);
    let statistics = vec![first.statistics[0].clone(); 16];
    first.statistics = statistics;
    let copies = (0..1000u64).map(|i| {
        let number = i + 2;
        fs::write(path.join(format!("data/{id}/{number}.parquet")), "").unwrap();
        let checksums = vec![0; 240];
        let file = garbage::SegmentFile::unregistered(store.path(), id, number, checksums);
        Segment { data: Arc::new(file), file: format!("{number}.parquet"), ..first.clone() }
    });
    let manifest = manifest(copies.collect());
    store.discard_segments(id, &[first.clone()]);
    store
        .update(|changes| {
            changes.put_table(&table(id))?;
            changes.put_manifest(id, manifest)
        })
        .unwrap();
    drop(store);
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let store = open(&path).unwrap();
        let opened = start.elapsed();
        let start = std::time::Instant::now();
        let segments = store.view().manifest(id).unwrap().segments.len();
        print(&format!("open {opened:?}, manifest of {segments} {:?}", start.elapsed()));
    }
}

/// Prints what a commit of one row costs; run with `--nocapture` to see it.
#[test]
fn a_small_commit_is_quick() {
    let (_directory, path) = directory();
    let store = open(&path).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..50 {
        store.reserve_job().unwrap();
    }
    print(&format!("commit {:?}", start.elapsed() / 50));
}

#[expect(clippy::print_stderr, reason = "a measurement, shown on demand")]
fn print(text: &str) {
    eprintln!("{text}");
}
