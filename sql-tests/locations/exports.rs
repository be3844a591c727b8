//! Every scheme takes what EXPORT and COPY TO write, whole or not at all, and gives it back.

use crate::scene::{GATE, Scene, import, import_with, quoted};
use crate::servers::Servers;
use crate::store::Store;

/// Returns the URL of a file in a directory for what is written.
fn file(store: Store, servers: &Servers, directory: &str, name: &str) -> String {
    store.url(servers, &format!("temp/{directory}/{name}"))
}

/// Makes a scene whose table `t` has all rows.
fn filled(store: Store, servers: &Servers) -> Scene {
    let scene = store.scene(servers);
    let rows = Store::Path.url(servers, "rows.csv");
    assert_eq!(scene.checksum_of(&[&rows]), servers.checksum(), "another table");
    scene
}

/// Runs a statement that writes files, which must succeed; returns the names in the first column.
fn written(scene: &Scene, statement: &str) -> Vec<String> {
    let ended = scene.run(&[statement]);
    ended.require_success();
    let name = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    ended.out.lines().skip(1).map(name).collect()
}

/// What EXPORT writes, IMPORT reads: several files of CSV, and one of Parquet.
pub(crate) fn export(store: Store, servers: &Servers) {
    let directory = format!("{}-export", store.name());
    let place = quoted(&store.temp(servers, &directory));
    let scene = filled(store, servers);
    let csv = format!("EXPORT INTO CSV {place} WITH chunk_rows = '9000', header FROM TABLE t");
    if !store.writes() {
        let ended = scene.run(&[&csv]);
        ended.require_refused("42501", &["could not write", "does not let files be written"]);
        return;
    }
    let names = written(&scene, &csv);
    assert_eq!(names.len(), 3, "{names:?}");
    let urls: Vec<String> =
        names.iter().map(|name| file(store, servers, &directory, name)).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    scene.run(&["DROP TABLE t"]).require_success();
    let again = import_with(&urls, "temp = 'tmp', skip = '1'");
    assert_eq!(scene.checksum_after(&again), servers.checksum(), "another table");
    let parquet =
        format!("EXPORT INTO PARQUET {place} WITH filename = {} FROM TABLE t", quoted(ODD_NAME));
    assert_eq!(written(&scene, &parquet).len(), 1);
    scene.run(&["DROP TABLE t"]).require_success();
    let url = file(store, servers, &directory, ODD_NAME);
    let again = import(&[&url], "tmp").replace(" CSV ", " PARQUET ");
    assert_eq!(scene.checksum_after(&again), servers.checksum(), "another table");
    let ended = scene.run(&[&format!("SELECT count(*), sum(id) FROM {} AS f", quoted(&url))]);
    ended.require_success();
    assert_eq!(ended.out.lines().last(), Some("24000,287988000"), "{}", ended.out);
    assert_eq!(store.temp_names(servers, &directory).len(), 4);
    scene.require_no_temp();
}

/// A name that must be encoded.
const ODD_NAME: &str = "a b%41,(1)&=.parquet";

/// A file that exists is replaced only on request.
pub(crate) fn export_beside(store: Store, servers: &Servers) {
    if !store.writes() {
        return;
    }
    let directory = format!("{}-beside", store.name());
    let place = store.temp(servers, &directory);
    let scene = store.scene(servers);
    let write = |option: &str, value: &str| {
        let options = format!("chunk_rows = '1', header{option}");
        format!(
            "EXPORT INTO CSV {} WITH {options} FROM SELECT {value} AS a FROM generate_series(1, 2)",
            quoted(&place.replacen(&directory, &format!("{directory}/x-%part%.csv"), 1))
        )
    };
    assert_eq!(written(&scene, &write("", "1")).len(), 2);
    let ended = scene.run(&[&write("", "2")]);
    ended.require_refused("58P02", &["x-n1.0.csv", "already exists"]);
    let read =
        format!("SELECT sum(a) FROM {}", quoted(&file(store, servers, &directory, "x-n1.1.csv")));
    let sum = |scene: &Scene| {
        let ended = scene.run(&[&read]);
        ended.require_success();
        ended.out.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(sum(&scene), "1");
    assert_eq!(written(&scene, &write(", overwrite", "2")).len(), 2);
    assert_eq!(sum(&scene), "2");
    assert_eq!(store.temp_names(servers, &directory).len(), 2);
}

/// Rows that an import leaves out go to a file that is named, and beside the data.
pub(crate) fn rejects(store: Store, servers: &Servers) {
    if !store.writes() {
        return;
    }
    let directory = format!("{}-rejects", store.name());
    let scene = store.scene(servers);
    let url = |name: &str| quoted(&file(store, servers, &directory, name));
    let place = quoted(&store.temp(servers, &directory));
    let rows = "SELECT CASE g % 3 WHEN 0 THEN 'x' ELSE g::STRING END AS a FROM generate_series(1, 9) AS s(g)";
    let data = format!("EXPORT INTO CSV {place} WITH filename = 'data.csv' FROM {rows}");
    assert_eq!(written(&scene, &data).len(), 1);
    let import = |table: &str, option: &str| {
        let data = url("data.csv");
        let import =
            format!("IMPORT TABLE {table} (a INT) CSV DATA ({data}) WITH temp = 'tmp', {option}");
        scene.run(&[GATE, &import])
    };
    let named = format!("reject = {}", url("bad.csv"));
    import("one", &named).require_success();
    import("two", "experimental_save_rejected").require_success();
    for name in ["bad.csv.reasons.csv", "data.csv.rejected.reasons.csv"] {
        let read = format!("SELECT count(*), sum(f.\"row\") FROM {} AS f", url(name));
        let ended = scene.run(&[&read]);
        ended.require_success();
        assert_eq!(ended.out.lines().last(), Some("3,18"), "{}", ended.out);
    }
    import("three", &named).require_refused("58P02", &["bad.csv", "already exists"]);
    assert_eq!(store.temp_names(servers, &directory).len(), 5);
}

/// A file that is longer than what is sent at once.
pub(crate) fn copy_of_a_long_file(store: Store, servers: &Servers) {
    if !store.writes() {
        return;
    }
    let directory = format!("{}-long", store.name());
    let scene = store.scene(servers);
    if store.is_local() {
        // COPY makes no directory.
        let place = quoted(&store.temp(servers, &directory));
        let made = format!("EXPORT INTO CSV {place} WITH filename = 'first' FROM SELECT 1");
        assert_eq!(written(&scene, &made).len(), 1);
    }
    let url = quoted(&file(store, servers, &directory, "long.csv"));
    let copy = format!(
        "COPY (SELECT g AS a, repeat(chr(97 + g % 26), 60) AS b FROM generate_series(1, 200000) \
         AS s(g)) TO {url} WITH (FORMAT csv, HEADER)"
    );
    scene.run(&[&copy]).require_success();
    let ended = scene.run(&[&format!("SELECT count(*), sum(a), sum(length(b)) FROM {url} AS f")]);
    ended.require_success();
    assert_eq!(ended.out.lines().last(), Some("200000,20000100000,12000000"), "{}", ended.out);
}

/// What fails on the way leaves nothing, however much was sent.
pub(crate) fn export_of_a_failure(store: Store, servers: &Servers) {
    if !store.writes() {
        return;
    }
    let directory = format!("{}-failed", store.name());
    let scene = store.scene(servers);
    let export = format!(
        "EXPORT INTO CSV {} WITH chunk_rows = '50000' FROM SELECT repeat('x', 150), \
         1 / (199999 - g) FROM generate_series(1, 200000) AS s(g)",
        quoted(&store.temp(servers, &directory))
    );
    scene.run(&[&export]).require_refused("22012", &["division by zero"]);
    assert_eq!(store.temp_names(servers, &directory), Vec::<String>::new(), "files were left");
    scene.require_no_temp();
    let shown = scene.run(&["SHOW JOBS"]);
    assert!(shown.out.contains(",failed,"), "{}", shown.out);
}

/// An export that is paused or canceled on the way leaves nothing there, and what is resumed is whole.
pub(crate) fn export_that_is_stopped(store: Store, servers: &Servers) {
    if !store.writes() {
        return;
    }
    let directory = format!("{}-stopped", store.name());
    let scene = store.scene(servers);
    let place = quoted(&store.temp(servers, &directory));
    let export = |rows: u64| {
        format!(
            "EXPORT INTO CSV {place} WITH chunk_rows = '100000', filename = 'f-%part%.csv', detached \
             FROM SELECT g, repeat('x', 150) FROM generate_series(1, {rows}) AS s(g)"
        )
    };
    // How far it comes meanwhile does not matter.
    let a_while = "SELECT sum(a) FROM generate_series(1, 2000000) AS g (a)";
    for stop in ["PAUSE", "CANCEL"] {
        let stopped = format!("{stop} ALL EXPORT JOBS");
        scene.run(&[&export(100_000_000), a_while, &stopped]).require_success();
        assert_eq!(store.temp_names(servers, &directory), Vec::<String>::new(), "{stop}");
        if matches!(store, Store::S3) {
            let ours = |name: &String| name.contains(&directory);
            assert_eq!(servers.uploads().into_iter().filter(ours).count(), 0, "{stop}");
        }
        scene.run(&["CANCEL ALL EXPORT JOBS"]).require_success();
    }
    let (export, pause, resume) =
        (export(250_000), "PAUSE ALL EXPORT JOBS", "RESUME ALL EXPORT JOBS");
    scene.run(&[&export, pause, resume]).require_success();
    assert_eq!(store.temp_names(servers, &directory).len(), 3);
    let shown = scene.run(&["SHOW JOBS"]);
    assert!(shown.out.contains(",succeeded,"), "{}", shown.out);
    scene.require_no_temp();
}
