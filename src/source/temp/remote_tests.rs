//! Temporary directories of another machine, against a server that fails as a test wants.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::error::{Error, SqlState};
use crate::source::server::{Files, Reply, Request, Server};
use crate::source::{Access, AccessOptions, NetworkOptions};

/// Options of one who does not wait long.
fn quick() -> NetworkOptions {
    NetworkOptions {
        silence: Duration::from_secs(30),
        patience: Duration::from_millis(300),
        ..NetworkOptions::default()
    }
}

fn access(options: NetworkOptions, limit: Option<u64>) -> Access {
    Access::new(AccessOptions { external_io_directory: None, working_directory: "/".into() })
        .with_temp_limit(limit)
        .with_network(options)
        .unwrap()
}

fn directory(options: NetworkOptions, url: &str) -> TempDirectory {
    access(options, None).temp_directory(&Location::parse(url).unwrap(), 7).unwrap()
}

/// Bytes that differ from place to place.
fn sample(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from((place * 7 + place / 251) % 251).unwrap()).collect()
}

fn write(temp: &TempDirectory, name: &str, content: &[u8]) -> Result {
    let mut file = temp.create(name)?;
    file.write_all(content).map_err(|error| io_error("write", name, &error))?;
    file.finish()
}

fn read(temp: &TempDirectory, name: &str, range: Range<usize>) -> Result<Vec<u8>> {
    let mut reader = temp.open(name, range.start as u64..range.end as u64)?;
    let mut bytes = vec![0; range.len()];
    let mut done = 0;
    while done < bytes.len() {
        match reader.read_at(&mut bytes[done..], (range.start + done) as u64)? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[test]
fn writes_reads_and_removes() {
    let (server, files) = Files::serve(|_, _| None);
    for place in ["tmp", "tmp/deep/", ""] {
        let temp = directory(quick(), &server.url(place));
        temp.probe_writable().unwrap();
        assert_eq!(files.paths(), Vec::<String>::new());
        temp.limit_memory(1 << 20);
        let content = sample(1_000_000);
        write(&temp, "run-1", &content).unwrap();
        write(&temp, "run-2", b"").unwrap();
        assert_eq!(temp.used_bytes(), 1_000_000);
        assert_eq!(temp.free_space().unwrap(), None);
        let name = temp.record().rsplit('/').nth(1).unwrap().to_owned();
        assert!(is_ours(&name) && name.starts_with("wharf-7-"), "{name}");
        let base = if place.is_empty() { "/" } else { &format!("/{}/", place.trim_matches('/')) };
        let paths = files.paths();
        assert!(paths.len() > 4, "{paths:?}");
        assert!(paths.iter().all(|path| path.starts_with(&format!("{base}{name}/p"))), "{paths:?}");
        for range in [0..1_000_000, 0..1, 131_071..131_073, 999_999..1_000_000, 5..700_000] {
            assert!(read(&temp, "run-1", range.clone()).unwrap() == content[range.clone()]);
        }
        assert_eq!(read(&temp, "run-2", 0..10).unwrap(), b"");
        // Two that read at once share the memory.
        let mut one = temp.open("run-1", 0..u64::MAX).unwrap();
        let mut other = temp.open("run-1", 0..u64::MAX).unwrap();
        let (mut buffer, mut again) = ([0; 1000], [0; 1000]);
        for start in (0..1_000_000_u64).step_by(1000) {
            assert_eq!(one.read_at(&mut buffer[..500], start).unwrap().min(1), 1);
            assert!(other.read_at(&mut again, start).unwrap() > 0);
        }
        drop((one, other));
        temp.remove("run-1").unwrap();
        assert_eq!(temp.used_bytes(), 0);
        assert_eq!(temp.open("run-1", 0..1).err().unwrap().code(), SqlState::INTERNAL_ERROR);
        temp.close().unwrap();
        assert_eq!(files.paths(), Vec::<String>::new());
    }
}

#[test]
fn keeps_what_is_to_be_kept() {
    let (server, files) = Files::serve(|_, _| None);
    let temp = directory(quick(), &server.url("tmp"));
    temp.keep();
    write(&temp, "run-1", b"hello").unwrap();
    drop(temp);
    let names: Vec<String> =
        files.paths().iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["piece-1", "pieces"]);
}

#[test]
fn sends_parameters_and_password_with_every_request() {
    let (server, files) = Files::serve(|_, _| None);
    let url = server.url("tmp?sig=canary").replace("//", "//ada:love@");
    let temp = directory(quick(), &url);
    temp.probe_writable().unwrap();
    write(&temp, "run-1", b"hello").unwrap();
    assert_eq!(read(&temp, "run-1", 0..5).unwrap(), b"hello");
    assert_eq!(temp.record().matches("canary").count() + temp.record().matches("love").count(), 0);
    drop(temp);
    assert_eq!(files.paths(), Vec::<String>::new());
    for request in server.requests() {
        assert!(request.line.contains("?sig=canary"), "{}", request.line);
        assert_eq!(request.header("authorization"), Some("Basic YWRhOmxvdmU="));
    }
}

#[test]
fn tries_again_what_failed_for_a_passing_reason() {
    for reply in [
        || Reply::new("503 Service Unavailable", &[], b""),
        || Reply { bytes: Vec::new(), stall: false },
    ] {
        // The first request of its kind fails, whatever it is.
        let seen = Mutex::new(BTreeSet::new());
        let (server, files) = Files::serve(move |_, request| {
            let range = request.header("range").unwrap_or_default();
            seen.lock().unwrap().insert(format!("{}{range}", request.line)).then(reply)
        });
        let options = NetworkOptions { patience: Duration::from_mins(1), ..quick() };
        let temp = directory(options, &server.url("tmp"));
        temp.limit_memory(1);
        temp.probe_writable().unwrap();
        let content = sample(400_000);
        write(&temp, "run-1", &content).unwrap();
        assert!(read(&temp, "run-1", 0..400_000).unwrap() == content);
        temp.close().unwrap();
        assert_eq!(files.paths(), Vec::<String>::new());
    }
}

#[test]
fn goes_on_where_a_connection_broke() {
    let held = Files::default();
    let server = Server::start(move |_, request| {
        let reply = held.answer(request);
        match request.range() {
            Some((start, end)) if end - start > 50_000 => {
                let missing = (end - start) / 2;
                reply.cut(missing)
            }
            _ => reply,
        }
    });
    let options = NetworkOptions { patience: Duration::from_mins(1), ..quick() };
    let temp = directory(options, &server.url("tmp"));
    let content = sample(300_000);
    write(&temp, "run-1", &content).unwrap();
    assert!(read(&temp, "run-1", 0..300_000).unwrap() == content);
}

#[test]
fn reads_from_a_server_that_gives_whole_files() {
    let held = Files::default();
    let server = Server::start(move |_, request| {
        let headers = request.headers.iter().filter(|(name, _)| name != "range").cloned().collect();
        held.answer(&Request { headers, ..request.clone() })
    });
    let temp = directory(quick(), &server.url("tmp"));
    temp.limit_memory(1 << 20);
    temp.probe_writable().unwrap();
    let content = sample(500_000);
    write(&temp, "run-1", &content).unwrap();
    assert!(read(&temp, "run-1", 100..499_000).unwrap() == content[100..499_000]);
}

/// Fails to write by the answer `status`, and returns the error.
fn refusal(method: &'static str, status: &'static str, body: usize) -> Error {
    let (server, _) = Files::serve(move |_, request| {
        (request.method() == method && request.body.len() >= body)
            .then(|| Reply::new(status, &[], b"<canary>"))
    });
    let url = server.url("tmp?sig=canary");
    let error = directory(quick(), &url).probe_writable().unwrap_err();
    let place = server.url("tmp?sig=redacted");
    assert!(error.message().contains(&format!("temporary files at \"{place}\": ")), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    error
}

#[test]
fn says_why_a_place_cannot_be_used() {
    let check = |method, status, code: SqlState, words: &str| {
        let error = refusal(method, status, 0);
        assert_eq!(error.code(), code, "{method} {status}: {error}");
        assert!(error.message().contains(words), "{error}");
        assert!(error.hint_text().is_some() || status.starts_with('5'), "{error}");
    };
    let denied = SqlState::INSUFFICIENT_PRIVILEGE;
    check("PUT", "403 Forbidden", denied, "could not write temporary files");
    check("PUT", "401 Unauthorized", denied, "asks for credentials");
    check("PUT", "405 Method Not Allowed", denied, "does not let files be written");
    check("PUT", "501 Not Implemented", denied, "does not let files be written");
    check("PUT", "404 Not Found", SqlState::UNDEFINED_FILE, "there is no such place");
    check("PUT", "409 Conflict", SqlState::UNDEFINED_FILE, "does not make directories");
    check("PUT", "302 Found", SqlState::CONNECTION_FAILURE, "redirects");
    check("PUT", "507 Insufficient Storage", SqlState::DISK_FULL, "disk is full");
    check("PUT", "500 Internal Server Error", SqlState::IO_ERROR, "answered 500");
    check("GET", "403 Forbidden", denied, "could not read temporary files");
    check("DELETE", "405 Method Not Allowed", denied, "could not delete temporary files");
    let error = refusal("PUT", "413 Content Too Large", 1 << 20);
    assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED, "{error}");
}

#[test]
fn refuses_a_place_that_gives_back_something_else() {
    let (server, _) = Files::serve(|_, request| {
        (request.method() == "GET").then(|| Reply::of_file(request, &[b'x'; 36], "\"1\""))
    });
    let error = directory(quick(), &server.url("tmp")).probe_writable().unwrap_err();
    assert_eq!(error.code(), SqlState::IO_ERROR);
    assert!(error.message().contains("something else"), "{error}");
}

#[test]
fn tells_of_a_failure_while_writing_and_removes_the_rest() {
    let (server, files) = Files::serve(|_, request| {
        (request.method() == "PUT" && request.path().ends_with("piece-3"))
            .then(|| Reply::new("403 Forbidden", &[], b""))
    });
    let temp = directory(quick(), &server.url("tmp"));
    temp.limit_memory(1);
    let error = write(&temp, "run-1", &sample(2_000_000)).unwrap_err();
    assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE);
    assert!(error.message().starts_with("could not write temporary files at"), "{error}");
    temp.close().unwrap();
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn stops_writing_and_reading_but_cleans_up() {
    let stopped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stopped);
    let (server, files) = Files::serve(move |_, request| {
        let silent = request.method() == "PUT" && request.path().ends_with("piece-9");
        silent.then(|| {
            seen.store(true, Ordering::Relaxed);
            Reply { bytes: Vec::new(), stall: true }
        })
    });
    let stop = Arc::new(move || {
        if stopped.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::QUERY_CANCELED, "stopped"));
        }
        Ok(())
    });
    let temp = directory(NetworkOptions { stop, ..quick() }, &server.url("tmp"));
    temp.limit_memory(1);
    write(&temp, "run-1", b"hello").unwrap();
    let error = write(&temp, "run-2", &sample(20 << 20)).unwrap_err();
    assert_eq!(error.code(), SqlState::QUERY_CANCELED);
    // What is on its way may still come: all that came is gone, and it can be found again.
    let error = temp.close().unwrap_err();
    assert!(error.message().ends_with("the server did not answer in time"), "{error}");
    let left = files.paths();
    assert!(left.len() == 1 && left[0].ends_with("/pieces"), "{left:?}");
    let access = access(quick(), None);
    let location = Location::parse(&server.url("tmp")).unwrap();
    assert!(access.remove_temp_leftover(&location, &temp.record()).unwrap());
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn gives_up_to_clean_up_where_a_server_is_silent() {
    let stopped = Arc::new(AtomicBool::new(false));
    let (seen, silent) = (Arc::clone(&stopped), Arc::new(AtomicBool::new(false)));
    let falls = Arc::clone(&silent);
    let (server, files) = Files::serve(move |_, _| {
        falls.load(Ordering::Relaxed).then(|| Reply { bytes: Vec::new(), stall: true })
    });
    let stop = Arc::new(move || {
        if seen.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::QUERY_CANCELED, "stopped"));
        }
        Ok(())
    });
    // It would wait for an hour otherwise.
    let hour = Duration::from_hours(1);
    let options =
        NetworkOptions { silence: hour, patience: hour, stop, ..NetworkOptions::default() };
    let temp = directory(options, &server.url("tmp"));
    temp.limit_memory(1);
    write(&temp, "run-1", &sample(1_000_000)).unwrap();
    stopped.store(true, Ordering::Relaxed);
    silent.store(true, Ordering::Relaxed);
    assert_eq!(temp.close().unwrap_err().code(), SqlState::CONNECTION_FAILURE);
    assert!(files.paths().len() > 1);
    // The next import finds the server well, and has the credentials.
    silent.store(false, Ordering::Relaxed);
    let access = access(quick(), None);
    let location = Location::parse(&server.url("tmp")).unwrap();
    assert!(access.remove_temp_leftover(&location, &temp.record()).unwrap());
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn many_that_read_at_once_keep_to_the_memory() {
    let (server, _) = Files::serve(|_, _| None);
    let temp = directory(quick(), &server.url("tmp"));
    temp.limit_memory(4 << 20);
    let content = sample(3_000_000);
    write(&temp, "run-1", &content).unwrap();
    let Place::Remote(directory) = &temp.place else { panic!("it is on another machine") };
    let mut readers: Vec<_> = (0..12).map(|_| temp.open("run-1", 0..u64::MAX).unwrap()).collect();
    let mut buffer = [0; 10_000];
    for start in (0..3_000_000_u64).step_by(buffer.len()) {
        for reader in &mut readers {
            let mut done = 0;
            while done < buffer.len() {
                done += reader.read_at(&mut buffer[done..], start + done as u64).unwrap();
            }
            let from = usize::try_from(start).unwrap();
            assert!(buffer[..] == content[from..from + buffer.len()]);
            assert!(directory.readers.taken() <= 4 << 20, "{}", directory.readers.taken());
        }
    }
    drop(readers);
    assert_eq!(directory.readers.taken(), 0);
}

#[test]
fn counts_against_the_limit() {
    let (server, files) = Files::serve(|_, _| None);
    let access = access(quick(), Some(300_000));
    let location = Location::parse(&server.url("tmp")).unwrap();
    let temp = access.temp_directory(&location, 7).unwrap();
    let error = write(&temp, "run-1", &sample(300_001)).unwrap_err();
    assert_eq!(error.code(), SqlState::DISK_FULL);
    drop(temp);
    assert_eq!(files.paths(), Vec::<String>::new());
}

#[test]
fn asks_only_hosts_that_may_be_reached() {
    let (server, _) = Files::serve(|_, _| None);
    let allow_hosts = vec!["files.example.com".to_owned()];
    let options = NetworkOptions { allow_hosts, ..quick() };
    let error = directory(options, &server.url("tmp")).probe_writable().unwrap_err();
    assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE);
    assert!(error.message().contains("must not be reached"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn finds_what_a_killed_job_left() {
    let (server, files) = Files::serve(|_, _| None);
    let access = access(quick(), None);
    let location = Location::parse(&server.url("tmp?sig=canary")).unwrap();
    let temp = access.temp_directory(&location, 7).unwrap();
    temp.limit_memory(1);
    temp.keep();
    write(&temp, "run-1", &sample(100 * (128 << 10))).unwrap();
    temp.remove("run-1").unwrap();
    write(&temp, "run-2", b"hello").unwrap();
    let record = temp.record();
    drop(temp);
    files.put("/tmp/wharf-7-1/piece-1", b"another's");
    files.put("/tmp/mine", b"the user's");
    for (other, path) in [("tmpx", ""), ("", ""), ("tmp/wharf-7-1", ""), ("other", "")] {
        let other = Location::parse(&server.url(&format!("{other}{path}"))).unwrap();
        assert!(!access.remove_temp_leftover(&other, &record).unwrap(), "{other}");
    }
    assert!(files.paths().len() > 2);
    let again = Location::parse(&server.url("tmp/?sig=new")).unwrap();
    assert!(access.remove_temp_leftover(&again, &record).unwrap());
    assert_eq!(files.paths(), ["/tmp/mine", "/tmp/wharf-7-1/piece-1"]);
    // What is gone is no failure.
    assert!(access.remove_temp_leftover(&again, &record).unwrap());
    for odd in ["/tmp/wharf-1", "tmp", "", &record.replace("wharf-", "wharf-x")] {
        assert!(!access.remove_temp_leftover(&again, odd).unwrap(), "{odd}");
    }
}

#[test]
fn names_places_of_clouds_without_credentials() {
    let keys = "AWS_ACCESS_KEY_ID=canary&AWS_SECRET_ACCESS_KEY=canary";
    // The key of a service account for tests.
    let json = "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIsICJwcml2YXRlX2tleSI6ICJjYW5hcnktb2YtZ29vZ2xlIiw\
                gInByaXZhdGVfa2V5X2lkIjogImtleSIsICJjbGllbnRfZW1haWwiOiAid2hhcmZAZXhhbXBsZS5jb20iLC\
                AiZGlzYWJsZV9vYXV0aCI6IHRydWV9";
    for (url, record) in [
        (format!("s3://b/tmp?{keys}"), "s3://b/tmp/wharf-7-N/"),
        (format!("s3://b?{keys}&AWS_REGION=eu"), "s3://b/wharf-7-N/"),
        (
            format!("s3://b/a%20b/?{keys}&AWS_ENDPOINT=http://127.0.0.1:9"),
            "s3://b/a%20b/wharf-7-N/?AWS_ENDPOINT=http%3A%2F%2F127.0.0.1%3A9%2F",
        ),
        (format!("gs://b/tmp?CREDENTIALS={json}"), "gs://b/tmp/wharf-7-N/"),
        (
            "azure-blob://c/tmp/?AZURE_ACCOUNT_NAME=me&AZURE_ACCOUNT_KEY=aGFzaA%3D%3D".to_owned(),
            "azure://c/tmp/wharf-7-N/?AZURE_ACCOUNT_NAME=me",
        ),
        ("https://u:canary@h:8/tmp?x=canary".to_owned(), "https://h:8/tmp/wharf-7-N/"),
    ] {
        let temp = directory(quick(), &url);
        let found = temp.record();
        let start = found.find("wharf-7-").unwrap();
        let end = start + found[start..].find('/').unwrap();
        assert_eq!(found.replace(&found[start..end], "wharf-7-N"), record);
        // Nothing was written, so that nothing is asked of the server.
        temp.keep();
    }
}
