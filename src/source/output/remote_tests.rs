//! Files that are written to a web server, which fails as a test wants.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::source::server::{Files, Reply};
use crate::source::{AccessOptions, NetworkOptions};

/// Options of one who does not wait long.
fn quick() -> NetworkOptions {
    NetworkOptions {
        silence: Duration::from_secs(30),
        patience: Duration::from_millis(300),
        ..NetworkOptions::default()
    }
}

fn access(options: NetworkOptions) -> Access {
    Access::new(AccessOptions { external_io_directory: None, working_directory: "/".into() })
        .with_network(options)
        .unwrap()
}

fn directory(options: NetworkOptions, url: &str, spool: &Path) -> OutputDirectory {
    access(options).output_directory(&Location::parse(url).unwrap(), 7, spool).unwrap()
}

fn write(output: &OutputDirectory, name: &str, content: &[u8]) {
    let mut file = output.create(name).unwrap();
    file.write_all(content).unwrap();
    assert_eq!(file.finish().unwrap(), content.len() as u64);
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn writes_files_when_all_are_whole() {
    let (server, files) = Files::serve(|_, _| None);
    let spool = tempfile::tempdir().unwrap();
    let output = directory(quick(), &server.url("out?sig=canary"), spool.path());
    let long: Vec<u8> =
        (0..12_000_000_usize).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect();
    write(&output, "a b%.csv", b"1\n");
    write(&output, "empty.csv", b"");
    write(&output, "long.csv", &long);
    write(&output, "middle.csv", &long[..6_000_000]);
    assert_eq!(files.paths(), Vec::<String>::new());
    assert!(std::fs::read_dir(spool.path()).unwrap().count() > 0, "long files wait here");
    output.publish(&names(&["a b%.csv", "empty.csv", "long.csv", "middle.csv"]), false).unwrap();
    drop(output);
    assert_eq!(
        files.paths(),
        ["/out/a%20b%25.csv", "/out/empty.csv", "/out/long.csv", "/out/middle.csv"]
    );
    let requests = server.requests();
    let put = |path: &str| {
        let mut found =
            requests.iter().filter(|each| each.method() == "PUT" && each.path() == path);
        found.next().unwrap().clone()
    };
    assert!(put("/out/long.csv").body == long, "another content");
    assert!(put("/out/middle.csv").body == long[..6_000_000], "another content");
    assert!(put("/out/empty.csv").line.contains("?sig=canary"), "the parameters are lost");
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "something waits for ever");
}

#[test]
fn writes_one_file() {
    let (server, files) = Files::serve(|_, _| None);
    let spool = tempfile::tempdir().unwrap();
    let file =
        |url: &str| access(quick()).output_file(&Location::parse(url).unwrap(), 7, spool.path());
    let (output, name) = file(&server.url("d/a%2Bb%20.csv?x=1")).unwrap();
    output.require_absent(&name).unwrap();
    write(&output, &name, b"1\n");
    output.publish(&[name], false).unwrap();
    assert_eq!(files.paths(), ["/d/a%2Bb%20.csv"]);
    for url in ["d/", "d/?x=1", ""] {
        let error = file(&server.url(url)).unwrap_err();
        assert_eq!(error.code(), SqlState::INVALID_PARAMETER_VALUE, "{error}");
    }
}

#[test]
fn never_replaces_a_file_unless_asked() {
    let (server, files) = Files::serve(|_, _| None);
    let spool = tempfile::tempdir().unwrap();
    files.put("/out/y.csv", b"old");
    let output = directory(quick(), &server.url("out?sig=canary"), spool.path());
    output.require_absent("x.csv").unwrap();
    let error = output.require_absent("y.csv").unwrap_err();
    assert_eq!(error.code(), SqlState::DUPLICATE_FILE);
    assert!(error.message().ends_with("/out/y.csv?sig=redacted\" already exists"), "{error}");
    write(&output, "x.csv", b"1");
    write(&output, "y.csv", b"2");
    let both = names(&["x.csv", "y.csv"]);
    assert_eq!(output.publish(&both, false).unwrap_err().code(), SqlState::DUPLICATE_FILE);
    assert_eq!(files.paths(), ["/out/y.csv"]);
    drop(output);
    let output = directory(quick(), &server.url("out"), spool.path());
    write(&output, "x.csv", b"1");
    write(&output, "y.csv", b"2");
    output.publish(&both, true).unwrap();
    let put = server.requests().into_iter().rfind(|request| request.path() == "/out/y.csv");
    assert_eq!(put.unwrap().body, b"2");
    output.retract(&both);
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn removes_what_was_written_when_one_file_fails() {
    let check = |status: &'static str, code: SqlState, words: &str| {
        let (server, files) = Files::serve(move |_, request| {
            (request.method() == "PUT" && request.path() == "/out/y.csv")
                .then(|| Reply::new(status, &[], b"<canary>"))
        });
        let spool = tempfile::tempdir().unwrap();
        let output = directory(quick(), &server.url("out?sig=canary"), spool.path());
        write(&output, "x.csv", b"1");
        write(&output, "y.csv", b"2");
        let error = output.publish(&names(&["x.csv", "y.csv"]), false).unwrap_err();
        assert_eq!(error.code(), code, "{status}: {error}");
        assert!(error.message().starts_with("could not write \"http://"), "{error}");
        assert!(error.message().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(files.paths(), Vec::<String>::new(), "{status}");
    };
    check("403 Forbidden", SqlState::INSUFFICIENT_PRIVILEGE, "access denied");
    check("404 Not Found", SqlState::UNDEFINED_FILE, "there is no such place");
    check("405 Not Allowed", SqlState::INSUFFICIENT_PRIVILEGE, "does not let files be written");
    check("413 Too Large", SqlState::PROGRAM_LIMIT_EXCEEDED, "does not take files of 1 bytes");
    check("507 Insufficient Storage", SqlState::DISK_FULL, "disk is full");
    check("503 Service Unavailable", SqlState::IO_ERROR, "answered 503");
}

#[test]
fn tries_again_what_fails_for_a_passing_reason() {
    let failed = AtomicBool::new(false);
    let (server, files) = Files::serve(move |_, request| {
        (request.method() == "PUT" && !failed.swap(true, Ordering::Relaxed))
            .then(|| Reply::new("503 Service Unavailable", &[("Retry-After", "0")], b""))
    });
    let spool = tempfile::tempdir().unwrap();
    let options = NetworkOptions { patience: Duration::from_secs(30), ..quick() };
    let output = directory(options, &server.url("out"), spool.path());
    write(&output, "x.csv", b"1");
    output.publish(&names(&["x.csv"]), false).unwrap();
    assert_eq!(files.paths(), ["/out/x.csv"]);
}

#[test]
fn leaves_nothing_when_it_is_stopped() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let (server, files) = Files::serve(move |_, request| {
        (request.method() == "PUT" && request.path() == "/out/y.csv").then(|| {
            seen.store(true, Ordering::Relaxed);
            Reply { bytes: Vec::new(), stall: true }
        })
    });
    let stop: crate::source::StopCheck = Arc::new(move || {
        if asked.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::QUERY_CANCELED, "stopped"));
        }
        Ok(())
    });
    let spool = tempfile::tempdir().unwrap();
    let output = directory(NetworkOptions { stop, ..quick() }, &server.url("out"), spool.path());
    write(&output, "x.csv", b"1");
    write(&output, "y.csv", b"2");
    let error = output.publish(&names(&["x.csv", "y.csv"]), false).unwrap_err();
    assert_eq!(error.code(), SqlState::QUERY_CANCELED);
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn obeys_the_rules_of_the_session() {
    let (server, _) = Files::serve(|_, _| None);
    let spool = tempfile::tempdir().unwrap();
    let options = NetworkOptions { allow_hosts: vec!["example.com".to_owned()], ..quick() };
    let listed = access(options);
    let users = access(quick()).with_explicit_only(true);
    let keys = "AWS_ACCESS_KEY_ID=i&AWS_SECRET_ACCESS_KEY=canary";
    for url in [
        server.url("out"),
        format!("s3://b/out?{keys}&AWS_ENDPOINT={}", server.url("")),
        format!("gs://b/out?GOOGLE_ENDPOINT={}", server.url("")),
    ] {
        let location = Location::parse(&url).unwrap();
        for (access, words) in
            [(&listed, "not among the hosts of --allow-host"), (&users, "only root is allowed")]
        {
            let refused = [
                access.output_directory(&location, 7, spool.path()).map(drop),
                access.output_file(&location, 7, spool.path()).map(drop),
            ];
            for error in refused.map(Result::unwrap_err) {
                assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE, "{url}: {error}");
                assert!(error.message().contains(words), "{error}");
                assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            }
        }
    }
    assert_eq!(server.requests().len(), 0, "it was asked");
}
