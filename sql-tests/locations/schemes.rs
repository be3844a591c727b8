//! Every scheme gives the table that the local file gives: alone, as twenty files, by a pattern,
//! compressed, and with a definition from there; and it takes temporary files.

use std::time::Duration;

use crate::data::{COMPRESSED, PARTS};
use crate::exports;
use crate::http::encode;
use crate::progress;
use crate::scene::{Ended, GATE, Scene, import, import_with, quoted};
use crate::servers::{AZURE_KEY, Servers};
use crate::store::Store;

/// Something to check of a store.
pub(crate) type Check = fn(Store, &Servers);

/// Returns what is checked of a store, by name.
pub(crate) fn checks(store: Store) -> impl Iterator<Item = &'static (&'static str, Check)> {
    let chosen = ["one_file", "twenty_files", "pattern", "directory", "temp", "export"];
    CHECKS.iter().filter(move |(name, _)| !store.is_other_form() || chosen.contains(name))
}

/// What is checked of every store, by name.
const CHECKS: &[(&str, Check)] = &[
    ("one_file", one_file),
    ("twenty_files", twenty_files),
    ("pattern", pattern),
    ("pattern_without_match", pattern_without_match),
    ("compressed", compressed),
    ("create_using", create_using),
    ("odd_name", odd_name),
    ("beside_an_empty_file", beside_an_empty_file),
    ("last_file_missing", last_file_missing),
    ("directory", directory),
    ("too_little_space", too_little_space),
    ("progress", progress::check),
    ("keys_of_the_machine", keys_of_the_machine),
    ("temp", temp),
    ("temp_of_import_into", temp_of_import_into),
    ("temp_is_kept", temp_is_kept),
    ("temp_of_a_failure", temp_of_a_failure),
    ("temp_of_a_kill", temp_of_a_kill),
    ("export", exports::export),
    ("export_beside", exports::export_beside),
    ("export_of_a_failure", exports::export_of_a_failure),
    ("export_that_is_stopped", exports::export_that_is_stopped),
    ("copy_of_a_long_file", exports::copy_of_a_long_file),
    ("rejects", exports::rejects),
];

fn one_file(store: Store, servers: &Servers) {
    let scene = store.scene(servers);
    let sum = scene.checksum_of(&[&store.url(servers, "rows.csv")]);
    assert_eq!(sum, servers.checksum(), "another table");
    scene.require_no_temp();
}

fn twenty_files(store: Store, servers: &Servers) {
    let urls = store.parts(servers);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    assert_eq!(urls.len(), usize::try_from(PARTS).expect("a small number"));
    let scene = store.scene(servers);
    assert_eq!(scene.checksum_of(&urls), servers.checksum(), "another table");
    scene.require_no_temp();
}

fn pattern(store: Store, servers: &Servers) {
    let scene = store.scene(servers);
    let urls = ["parts/part-0[0-9].csv", "parts/part-1*.csv"].map(|name| store.url(servers, name));
    let urls = urls.each_ref().map(String::as_str);
    if !store.lists() {
        // A web server lists nothing: the name is looked for as it is.
        scene.refused(&import(&urls, "tmp"), "58P01", &["part-0[0-9].csv"]);
        return;
    }
    assert_eq!(scene.checksum_of(&urls), servers.checksum(), "another table");
}

fn pattern_without_match(store: Store, servers: &Servers) {
    let scene = store.scene(servers);
    let url = store.url(servers, "parts/none-*.csv");
    let words: &[&str] = if store.lists() {
        &["no files matched \"none-*.csv\" in prefix", "parts/"]
    } else {
        &["none-*.csv"]
    };
    scene.refused(&import(&[&url], "tmp"), "58P01", words);
    let url = store.url(servers, "parts/part-0*.csv");
    let literal = import_with(&[&url], "temp = 'tmp', disable_glob_matching");
    let ended = scene.refused(&literal, "58P01", &["part-0*.csv"]);
    assert!(!ended.err.contains("matched"), "{}", ended.err);
}

fn compressed(store: Store, servers: &Servers) {
    // Local files and one store of each kind of reading: one by ranges, one whole, one of a cloud.
    let all = matches!(store, Store::Path | Store::Http | Store::HttpWhole | Store::S3);
    let endings = if all { COMPRESSED } else { &COMPRESSED[..1] };
    for ending in endings {
        let scene = store.scene(servers);
        let sum = scene.checksum_of(&[&store.url(servers, &format!("rows.csv.{ending}"))]);
        assert_eq!(sum, servers.checksum(), "another table from {ending}");
    }
}

fn create_using(store: Store, servers: &Servers) {
    let statement = format!(
        "IMPORT TABLE t CREATE USING {} CSV DATA ({}) WITH temp = 'tmp'",
        quoted(&store.url(servers, "table.sql")),
        quoted(&store.url(servers, "rows.csv"))
    );
    let scene = store.scene(servers);
    assert_eq!(scene.checksum_after(&statement), servers.checksum(), "another table");
}

fn odd_name(store: Store, servers: &Servers) {
    let expected =
        Store::Path.scene(servers).checksum_of(&[&Store::Path.url(servers, "parts/part-00.csv")]);
    let name = if store == Store::Path { "odd names/a b+c%41,(1)&=.csv" } else { ODD_NAME };
    let sum = store.scene(servers).checksum_of(&[&store.url(servers, name)]);
    assert_eq!(sum, expected, "another table");
}

/// A name that must be encoded.
const ODD_NAME: &str = "odd names/a b+c%41,(1)&=.csv";

fn beside_an_empty_file(store: Store, servers: &Servers) {
    let urls = ["empty.csv", "rows.csv", "empty.csv"].map(|name| store.url(servers, name));
    let urls = urls.each_ref().map(String::as_str);
    assert_eq!(store.scene(servers).checksum_of(&urls), servers.checksum(), "another table");
}

/// Every file is opened before the work starts, so that a typo in the last one fails first.
fn last_file_missing(store: Store, servers: &Servers) {
    let scene = store.scene(servers);
    let urls = ["rows.csv", "absent.csv"].map(|name| store.url(servers, name));
    let ended = scene.refused(
        &import(&urls.each_ref().map(String::as_str), "tmp"),
        "58P01",
        &["absent.csv", "does not exist"],
    );
    assert!(!ended.err.contains("rows.csv"), "{}", ended.err);
}

fn directory(store: Store, servers: &Servers) {
    let scene = store.scene(servers);
    let statement = import(&[&store.url(servers, "folder")], "tmp");
    let ended = scene.refused(&statement, "22023", &["folder", "is a directory"]);
    assert!(ended.err.contains("\nHINT: Name a file in it"), "{}", ended.err);
}

/// The size of a file is known before it is read, and must fit into what temporary files may take.
fn too_little_space(store: Store, servers: &Servers) {
    let scene = store.scene(servers).with_options(&["--max-disk-temp-storage", "10KiB"]);
    let urls = ["rows.csv", "parts/part-00.csv"].map(|name| store.url(servers, name));
    let import = import(&urls.each_ref().map(String::as_str), "tmp");
    scene.refused(&import, "53100", &["--max-disk-temp-storage is 10240 bytes"]);
}

/// Keys in the environment are used where the URL says so, and nowhere else.
fn keys_of_the_machine(store: Store, servers: &Servers) {
    let (keys, variables) = match store {
        Store::S3 => {
            let (id, secret) = &servers.amazon().1.lasting;
            let keys = format!("AWS_ACCESS_KEY_ID={id}&AWS_SECRET_ACCESS_KEY={}", encode(secret));
            (keys, vec![("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret)])
        }
        Store::Azure => (
            format!("AZURE_ACCOUNT_KEY={AZURE_KEY}"),
            vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)],
        ),
        _ => return,
    };
    let scene = || {
        let with = |scene: Scene, (name, value): &(&str, &str)| scene.with_variable(name, value);
        variables.iter().fold(Scene::new(), with)
    };
    let url = store.url(servers, "rows.csv");
    assert!(url.contains(&keys), "{url}");
    let implicit = url.replace(&keys, "AUTH=implicit");
    assert_eq!(scene().checksum_of(&[&implicit]), servers.checksum(), "another table");
    let name = keys.split('=').next().unwrap_or_default();
    let without = url.replace(&keys, "AUTH=specified");
    scene().refused(&import(&[&without], "tmp"), "22023", &["uri missing", name]);
    let wrong = url.replace(&keys, &format!("{keys}0000"));
    scene().refused(&import(&[&wrong], "tmp"), "42501", &["access denied (403 "]);
}

/// Returns a name for a directory of temporary files that nobody else uses.
fn temp_name(store: Store, check: &str) -> String {
    format!("{}-{check}", store.name())
}

/// Returns the URL of a new directory for temporary files, or checks that the store takes none.
fn temp_url(store: Store, servers: &Servers, name: &str) -> Option<String> {
    let url = store.temp(servers, name);
    if store.writes() {
        return Some(url);
    }
    let scene = store.scene(servers);
    let data = Store::Path.url(servers, "rows.csv");
    let ended = scene.run(&[GATE, &import(&[&data], &url)]);
    assert_eq!(ended.code, Some(1), "temp is taken: {}", ended.err);
    scene.require_nothing_left();
    None
}

fn temp(store: Store, servers: &Servers) {
    let name = temp_name(store, "temp");
    let Some(url) = temp_url(store, servers, &name) else { return };
    // With little memory the rows go there, in more than one run.
    for memory in ["1GiB", "1MiB"] {
        let scene = store.scene(servers);
        let import = import(&[&store.url(servers, "rows.csv")], &url);
        run_within(memory, &scene, &import).require_success();
        assert_eq!(scene.checksum(), servers.checksum(), "another table");
        assert_eq!(store.temp_names(servers, &name), Vec::<String>::new(), "temp holds files");
    }
}

/// Rows that go into a table that has some take the same way, whether all of them are new or not.
fn temp_of_import_into(store: Store, servers: &Servers) {
    let name = temp_name(store, "into");
    let Some(url) = temp_url(store, servers, &name) else { return };
    let scene = store.scene(servers);
    let first = store.url(servers, "parts/part-0[0-4].csv");
    let first =
        if store.lists() { first } else { Store::Path.url(servers, "parts/part-0[0-4].csv") };
    run_within("1MiB", &scene, &import(&[&first], &url)).require_success();
    let file = store.url(servers, "rows.csv");
    let into = |mode: &str| {
        let (file, url) = (quoted(&file), quoted(&url));
        format!("IMPORT INTO t CSV DATA ({file}) WITH temp = {url}, mode = '{mode}'")
    };
    // Their keys are there: nothing changes, and nothing is left.
    let ended = run_within("1MiB", &scene, &into("insert"));
    ended.require_refused("23505", &["rows.csv"]);
    assert_eq!(store.temp_names(servers, &name), Vec::<String>::new(), "temp holds files");
    for mode in ["skip", "upsert", "replace"] {
        run_within("1MiB", &scene, &into(mode)).require_success();
        assert_eq!(scene.checksum(), servers.checksum(), "another table");
        assert_eq!(store.temp_names(servers, &name), Vec::<String>::new(), "temp holds files");
    }
}

/// Runs an import within some memory.
fn run_within(memory: &str, scene: &Scene, import: &str) -> Ended {
    scene.run_words(&["--memory", memory, "-e", GATE, "-e", import])
}

/// The files are really there, and nowhere else, while a job runs.
fn temp_is_kept(store: Store, servers: &Servers) {
    let name = temp_name(store, "kept");
    let Some(url) = temp_url(store, servers, &name) else { return };
    let scene = store.scene(servers);
    let options = format!("temp = {}, keep_temp", quoted(&url));
    let import = import_with(&[&store.url(servers, "rows.csv")], &options);
    assert_eq!(scene.checksum_after(&import), servers.checksum(), "another table");
    let names = store.temp_names(servers, &name);
    assert!(!names.is_empty(), "temp holds nothing");
    assert!(names.iter().all(|name| name.contains("/wharf-")), "{names:?}");
}

fn temp_of_a_failure(store: Store, servers: &Servers) {
    let name = temp_name(store, "failure");
    let Some(url) = temp_url(store, servers, &name) else { return };
    let scene = store.scene(servers);
    let urls = ["rows.csv", "parts/deeper/part-99.csv"].map(|name| store.url(servers, name));
    let import = import(&urls.each_ref().map(String::as_str), &url);
    scene.refused(&import, "22P04", &["part-99.csv"]);
    assert_eq!(store.temp_names(servers, &name), Vec::<String>::new(), "temp holds files");
}

/// What a killed import left is removed: on this machine when the database is opened again, elsewhere
/// by the next import with the same place, which has the credentials.
fn temp_of_a_kill(store: Store, servers: &Servers) {
    let name = temp_name(store, "kill");
    let Some(url) = temp_url(store, servers, &name) else { return };
    let import = import(&[&store.url(servers, "rows.csv")], &url);
    let none = Vec::<String>::new();
    for delay in [150, 400, 700] {
        let scene: Scene = store.scene(servers).with_limit(Duration::from_millis(delay));
        let ended = run_within("1MiB", &scene, &import);
        let scene = scene.with_limit(Duration::from_mins(5));
        // It is all there or nothing is; the next run opens the database.
        let shown = scene.run(&["SHOW TABLES"]);
        if ended.code.is_none() && shown.out.lines().count() == 1 {
            scene.require_nothing_left();
        } else {
            assert_eq!(scene.checksum(), servers.checksum(), "a part of the table");
            scene.run(&["DROP TABLE t"]).require_success();
        }
        if store.is_local() {
            assert_eq!(store.temp_names(servers, &name), none, "temp holds files");
        }
        assert_eq!(scene.checksum_after(&import), servers.checksum(), "another table");
        assert_eq!(store.temp_names(servers, &name), none, "temp holds files");
    }
}
