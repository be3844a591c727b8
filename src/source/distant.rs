//! Reading files of other machines whose servers and connections fail in every way that comes to mind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Reply, Request, Server};
use super::*;
use crate::error::{Error, Result, SqlState};

/// A wrong answer.
type Fault = fn(&Request, &[u8]) -> Reply;

/// Bytes that repeat at no power of two.
fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 251).unwrap()).collect()
}

fn access_with(options: NetworkOptions) -> Access {
    Access::new(AccessOptions { external_io_directory: None, working_directory: "/".into() })
        .with_network(options)
        .unwrap()
}

/// What gives up soon, for servers that never answer well.
fn quick() -> NetworkOptions {
    NetworkOptions {
        silence: Duration::from_millis(500),
        patience: Duration::from_secs(4),
        ..NetworkOptions::default()
    }
}

/// What gives up late: the machine may be too busy to answer soon.
fn patient() -> NetworkOptions {
    NetworkOptions {
        silence: Duration::from_secs(20),
        patience: Duration::from_mins(1),
        ..NetworkOptions::default()
    }
}

fn open(url: &str) -> Result<Arc<SourceFile>> {
    open_with(patient(), url)
}

fn open_with(options: NetworkOptions, url: &str) -> Result<Arc<SourceFile>> {
    access_with(options).open(&Location::parse(url)?).map(Arc::new)
}

fn read(url: &str) -> Result<Vec<u8>> {
    read_with(patient(), url)
}

/// Reads a file as an import does: in pieces, from its first byte to its last.
fn read_with(options: NetworkOptions, url: &str) -> Result<Vec<u8>> {
    let file = open_with(options, url)?;
    let mut content = Vec::new();
    let mut buffer = vec![0; 300_000];
    loop {
        let count = file.read_at(&mut buffer, content.len() as u64)?;
        if count == 0 {
            return Ok(content);
        }
        content.extend_from_slice(&buffer[..count]);
    }
}

fn check(server: &Server, expected: &[u8]) {
    let content = read(&server.url("f")).unwrap();
    assert!(content == expected, "{} bytes of {}", content.len(), expected.len());
}

fn refused(server: &Server, code: SqlState, reason: &str) -> Error {
    let error = read_with(quick(), &server.url("f?sig=canary")).expect_err(reason);
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.message().contains(reason), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    error
}

fn whole(content: &[u8]) -> Reply {
    Reply::new("200 OK", &[], content)
}

#[test]
fn reads_in_ranges() {
    let content = sample(20_000_000);
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::of_file(request, &served, "\"1\""));
    check(&server, &content);
    let file = open(&server.url("f")).unwrap();
    assert!(file.supports_ranges());
    assert_eq!(file.known_size(), Some(20_000_000));
    let mut buffer = [0; 100];
    assert_eq!(file.read_at(&mut buffer, 19_999_950).unwrap(), 50);
    assert_eq!(buffer[..50], content[19_999_950..]);
    assert_eq!(file.read_at(&mut buffer, 8_388_600).unwrap(), 100, "over the border of blocks");
    assert_eq!(buffer[..], content[8_388_600..8_388_700]);
    assert_eq!(file.read_at(&mut buffer, 20_000_000).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, u64::MAX).unwrap(), 0);
    assert!(server.requests().iter().all(|request| request.range().is_some()));
    assert!(server.requests().iter().all(|r| r.header("accept-encoding") == Some("identity")));
    let conditional = server.requests().iter().filter(|r| r.header("if-match").is_some()).count();
    assert!(conditional >= 5, "{conditional}");
}

#[test]
fn reads_streams_where_there_are_no_ranges() {
    let content = sample(3_000_000);
    let served = content.clone();
    let server = Server::start(move |_, _| whole(&served));
    check(&server, &content);
    assert_eq!(server.requests().len(), 1, "the first answer is used");
    let file = open(&server.url("f")).unwrap();
    assert!(!file.supports_ranges());
    assert_eq!(file.known_size(), Some(3_000_000));
    let mut buffer = vec![0; 100];
    for offset in [0, 10, 64, 70_000, 2_000_000, 100, 2_999_999, 69_999] {
        let count = file.read_at(&mut buffer, offset).unwrap();
        let start = usize::try_from(offset).unwrap();
        assert_eq!(buffer[..count], content[start..(start + 100).min(content.len())], "{offset}");
    }
    assert!(server.requests().len() <= 5, "{}", server.requests().len());
}

#[test]
fn reads_chunks_of_unknown_length() {
    let server = Server::start(|_, _| Reply {
        bytes:
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                .to_vec(),
        stall: false,
    });
    check(&server, b"abcde");
    assert_eq!(open(&server.url("f")).unwrap().known_size(), None);
    let cut = Server::start(|_, _| Reply {
        bytes: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd".to_vec(),
        stall: false,
    });
    refused(&cut, SqlState::CONNECTION_FAILURE, "the connection broke");
    let endless =
        Server::start(|_, _| Reply { bytes: b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec(), stall: false });
    refused(&endless, SqlState::CONNECTION_FAILURE, "does not tell how long the file is");
}

#[test]
fn reads_empty_files() {
    let ranges = Server::start(|_, request| Reply::of_file(request, b"", "\"1\""));
    check(&ranges, b"");
    let plain = Server::start(|_, _| whole(b""));
    check(&plain, b"");
}

#[test]
fn goes_on_where_a_connection_broke() {
    const BLOCK: usize = 4 << 20;
    let content = sample(9_000_000);
    let served = content.clone();
    // Blocks are asked for side by side, in any order: what fails is the second one, four times.
    let failures = AtomicUsize::new(0);
    let server = Server::start(move |_, request| {
        let reply = Reply::of_file(request, &served, "\"1\"");
        let start = request.range().unwrap().0;
        if !(BLOCK..2 * BLOCK).contains(&start) {
            return reply;
        }
        match failures.fetch_add(1, Ordering::Relaxed) {
            0 => reply.cut(1_000_000),
            1 => Reply::new("503 Service Unavailable", &[("Retry-After", "0")], b"later"),
            2 => reply.cut(usize::MAX),
            3 => reply.cut(500_000),
            _ => reply,
        }
    });
    check(&server, &content);
    let requests = server.requests();
    let starts = requests.iter().map(|request| request.range().unwrap().0);
    let starts: Vec<usize> = starts.filter(|start| (BLOCK..2 * BLOCK).contains(start)).collect();
    let (broken, again) = (2 * BLOCK - 1_000_000, 2 * BLOCK - 500_000);
    assert_eq!(starts, [BLOCK, broken, broken, broken, again]);
}

#[test]
fn begins_broken_streams_anew_and_compares() {
    let content = sample(3_000_000);
    let served = content.clone();
    let server = Server::start(move |number, _| match number {
        0 => whole(&served).cut(2_000_000),
        1 => whole(&served).cut(2_500_000),
        2 => Reply::new("500 Internal Server Error", &[], b""),
        _ => whole(&served),
    });
    check(&server, &content);
    let mut other = content.clone();
    other[500_000] ^= 1;
    let server =
        Server::start(
            move |number, _| {
                if number == 0 { whole(&content).cut(2_000_000) } else { whole(&other) }
            },
        );
    refused(&server, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "file changed while it was read");
}

#[test]
fn notices_that_a_server_falls_silent() {
    let content = sample(5_000_000);
    let served = content.clone();
    let server = Server::start(move |number, request| {
        let reply = Reply::of_file(request, &served, "\"1\"");
        if number == 1 { reply.cut(10).stalled() } else { reply }
    });
    let read =
        read_with(NetworkOptions { silence: quick().silence, ..patient() }, &server.url("f"));
    assert!(read.unwrap() == content);
    let dead = Server::start(|_, _| Reply { bytes: Vec::new(), stall: true });
    let started = Instant::now();
    refused(&dead, SqlState::CONNECTION_FAILURE, "the server sent nothing for 0.5 seconds");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn notices_that_a_file_changes() {
    let content = sample(9_000_000);
    let changed = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    let served = content.clone();
    let tag = Server::start(move |number, request| {
        Reply::of_file(request, &served, if number < 2 { "\"1\"" } else { "\"2\"" })
    });
    refused(&tag, changed, "file changed while it was read");
    let served = content.clone();
    let size = Server::start(move |number, request| {
        let end = if number < 2 { served.len() } else { served.len() - 1 };
        Reply::of_file(request, &served[..end], "W/\"1\"")
    });
    refused(&size, changed, "file changed while it was read");
    let matching = Server::start(move |number, request| {
        if number < 2 {
            Reply::of_file(request, &content, "\"1\"")
        } else {
            Reply::new("412 Precondition Failed", &[], b"")
        }
    });
    refused(&matching, changed, "file changed while it was read");
}

#[test]
fn takes_no_other_bytes_than_it_asked_for() {
    let content = sample(5_000_000);
    let faults: [Fault; 6] = [
        // Another range.
        |_, content| {
            let range = format!("bytes 0-99/{}", content.len());
            Reply::new("206 Partial Content", &[("Content-Range", &range)], &content[..100])
        },
        // None is named.
        |request, content| {
            let (start, _) = request.range().unwrap();
            Reply::new("206 Partial Content", &[], &content[start..])
        },
        // One that is none.
        |_, content| {
            Reply::new("206 Partial Content", &[("Content-Range", "bytes 9-3/1")], &content[..9])
        },
        // The whole file where a part was asked for.
        |_, content| whole(content),
        // Fewer bytes than told.
        |request, content| {
            let (start, end) = request.range().unwrap();
            let range = format!("bytes {start}-{}/{}", end.min(content.len()) - 1, content.len());
            Reply::new(
                "206 Partial Content",
                &[("Content-Range", &range)],
                &content[start..start + 9],
            )
        },
        // No answer at all.
        |_, _| Reply { bytes: b"ICY 200 OK\r\n\r\n".to_vec(), stall: false },
    ];
    for fault in faults {
        let served = content.clone();
        let server = Server::start(move |number, request| {
            if number > 0 && number % 3 != 0 {
                fault(request, &served)
            } else {
                Reply::of_file(request, &served, "\"1\"")
            }
        });
        check(&server, &content);
        let served = content.clone();
        let server = Server::start(move |number, request| {
            if number > 0 {
                fault(request, &served)
            } else {
                Reply::of_file(request, &served, "\"1\"")
            }
        });
        let hasty = NetworkOptions { patience: Duration::from_millis(600), ..quick() };
        let place = Location::parse(&server.url("f")).unwrap();
        let file = access_with(hasty).open(&place).unwrap();
        let error = file.read_at(&mut [0; 10], 4_500_000).unwrap_err();
        assert_eq!(error.code(), SqlState::CONNECTION_FAILURE, "{error:?}");
    }
}

#[test]
fn tries_no_final_failure_again() {
    let check = |status: &'static str, code: SqlState, reason: &str| {
        let server = Server::start(move |_, _| Reply::new(status, &[], b"canary"));
        refused(&server, code, reason);
        assert_eq!(server.requests().len(), 1, "{status}");
    };
    check("404 Not Found", SqlState::UNDEFINED_FILE, "does not exist");
    check("403 Forbidden", SqlState::INSUFFICIENT_PRIVILEGE, "access denied (403 Forbidden)");
    check("401 Unauthorized", SqlState::INSUFFICIENT_PRIVILEGE, "the server asks for credentials");
    check("400 Bad Request", SqlState::IO_ERROR, "the server answered 400 Bad Request");
    check("204 No Content", SqlState::IO_ERROR, "the server answered 204 No Content");
}

#[test]
fn gives_up_in_time() {
    let server = Server::start(|_, _| Reply::new("503 Service Unavailable", &[], b""));
    let started = Instant::now();
    refused(&server, SqlState::IO_ERROR, "the server answered 503 Service Unavailable");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(server.requests().len() > 3);
}

#[test]
fn says_that_nobody_is_there() {
    let connect = SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = Instant::now();
    let error = read(&format!("http://{closed}/f")).unwrap_err();
    assert_eq!(error.code(), connect, "{error:?}");
    assert!(
        error.message().ends_with("no connection to the server: Connection refused"),
        "{error}"
    );
    let error = read("http://nowhere.invalid/f").unwrap_err();
    assert_eq!(error.code(), connect, "{error:?}");
    assert!(error.message().ends_with("host \"nowhere.invalid\" could not be found"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "such mistakes show soon");
    let plain = Server::start(|_, _| whole(b"no TLS"));
    let error = read(&plain.url("f").replace("http:", "https:")).unwrap_err();
    assert!([connect, SqlState::CONNECTION_FAILURE].contains(&error.code()), "{error:?}");
}

#[test]
fn stops_when_the_statement_is_cancelled() {
    let server = Server::start(|_, _| Reply { bytes: Vec::new(), stall: true });
    let stopped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stopped);
    let stop: StopCheck = Arc::new(move || {
        if seen.load(Ordering::Relaxed) {
            return Err(Error::new(SqlState::QUERY_CANCELED, "stopped"));
        }
        Ok(())
    });
    let access = access_with(NetworkOptions { stop, ..NetworkOptions::default() });
    let location = Location::parse(&server.url("f")).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| access.open(&location).map(drop));
        std::thread::sleep(Duration::from_millis(200));
        stopped.store(true, Ordering::Relaxed);
        let error = opened.join().unwrap().unwrap_err();
        assert_eq!(error.code(), SqlState::QUERY_CANCELED);
    });
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn follows_redirects_under_the_rules() {
    let target = Server::start(|_, request| Reply::of_file(request, b"content", "\"1\""));
    let url = target.url("there");
    let to = move |target: &str| {
        let target = target.to_owned();
        Server::start(move |_, request| match request.path() {
            "/f" | "/loop" => Reply::new("302 Found", &[("Location", &target)], b""),
            _ => Reply::of_file(request, b"content", "\"1\""),
        })
    };
    check(&to(&url), b"content");
    let same = to("/other");
    let with_user = same.url("f").replace("http://", "http://u:p@");
    assert_eq!(read(&with_user).unwrap(), b"content");
    let sent: Vec<bool> =
        same.requests().iter().map(|r| r.header("authorization").is_some()).collect();
    assert_eq!(sent, [true, true], "to its own host the password goes");
    let other = to(&url).url("f").replace("http://", "http://u:p@");
    let before = target.requests().len();
    assert_eq!(read(&other).unwrap(), b"content");
    assert_eq!(target.requests()[before].header("authorization"), None);
    refused(&to("/loop"), SqlState::CONNECTION_FAILURE, "redirects more than 5 times");
    let denied = SqlState::INSUFFICIENT_PRIVILEGE;
    refused(&to("http://169.254.169.254/latest"), denied, "must not be reached");
    refused(&to("http://[::ffff:a9fe:a9fe]/"), denied, "must not be reached");
    refused(&to("http://metadata.google.internal/"), denied, "must not be reached");
    refused(&to("file:///etc/passwd"), denied, "another scheme");
    refused(&to("gopher://127.0.0.1/"), denied, "another scheme");
    refused(&to("/f/"), SqlState::INVALID_PARAMETER_VALUE, "it is a directory");
    refused(&to("http://"), SqlState::CONNECTION_FAILURE, "no URL");
}

#[test]
fn reaches_no_host_that_is_not_listed() {
    let server = Server::start(|_, request| Reply::of_file(request, b"content", "\"1\""));
    let other = Server::start(|_, request| Reply::of_file(request, b"secret", "\"1\""));
    let host = server.url("").replace("http://", "").replace('/', "");
    let access = access_with(NetworkOptions { allow_hosts: vec![host], ..quick() });
    let read = |url: &str| access.read_text(&Location::parse(url).unwrap(), 100);
    assert_eq!(read(&server.url("f")).unwrap(), "content");
    let keys = "AWS_ACCESS_KEY_ID=i&AWS_SECRET_ACCESS_KEY=s";
    for url in [
        other.url("f"),
        other.url("f").replace("127.0.0.1", "localhost"),
        "http://example.com/x".to_owned(),
        format!("s3://b/k?{keys}"),
        format!("s3://b/k?{keys}&AWS_ENDPOINT={}", other.url("")),
        format!("gs://b/k?GOOGLE_ENDPOINT={}", other.url("")),
    ] {
        let error = read(&url).expect_err(&url);
        assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE, "{url}: {error:?}");
        assert!(error.message().contains("not among the hosts of --allow-host"), "{error}");
    }
    assert_eq!(other.requests().len(), 0, "it was not even asked");
}

#[test]
fn lets_users_use_what_they_hold_the_keys_of() {
    let server = Server::start(|_, request| Reply::of_file(request, b"content", "\"1\""));
    let access = access_with(quick()).with_explicit_only(true);
    let keys = "AWS_ACCESS_KEY_ID=i&AWS_SECRET_ACCESS_KEY=s";
    for url in [
        server.url("f"),
        "s3://b/k?AUTH=implicit".to_owned(),
        format!("s3://b/k?{keys}&AWS_ENDPOINT={}", server.url("")),
        format!("gs://b/*?GOOGLE_ENDPOINT={}", server.url("")),
    ] {
        let location = Location::parse(&url).unwrap();
        let refused = |result: Result<()>| {
            let error = result.expect_err(&url);
            assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE, "{url}");
            assert!(error.message().starts_with("only root is allowed to use"), "{error}");
        };
        refused(access.open(&location).map(drop));
        refused(access.temp_directory(&location, 1).map(drop));
        refused(access.remove_temp_leftover(&location, "s3://b/wharf-1-1/").map(drop));
        if url.contains('*') {
            refused(access.expand(&location).map(drop));
        }
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn refuses_texts_that_a_server_compresses() {
    let server = Server::start(|_, _| Reply::new("200 OK", &[("Content-Encoding", "gzip")], b"x"));
    let location = Location::parse(&server.url("f")).unwrap();
    let error = access_with(quick()).read_text(&location, 100).unwrap_err();
    assert_eq!(error.code(), SqlState::BAD_COPY_FILE_FORMAT);
    let file = open(&server.url("f")).unwrap();
    assert_eq!(file.content_encoding(), Some("gzip"));
}

#[test]
fn reads_texts_of_unknown_length_up_to_the_limit() {
    let server = Server::start(|_, _| Reply {
        bytes: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
            .to_vec(),
        stall: false,
    });
    let location = Location::parse(&server.url("f")).unwrap();
    assert_eq!(access_with(quick()).read_text(&location, 5).unwrap(), "abcde");
    let error = access_with(quick()).read_text(&location, 4).unwrap_err();
    assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn bounds_the_memory_of_many_readers() {
    let content = sample(40_000_000);
    let served = content.clone();
    let server = Server::start(move |_, request| Reply::of_file(request, &served, "\"1\""));
    let file = open(&server.url("f")).unwrap();
    std::thread::scope(|scope| {
        for start in 0..8 {
            let (file, content) = (&file, &content);
            scope.spawn(move || {
                let mut buffer = vec![0; 500_000];
                for piece in 0..10 {
                    let offset = start * 5_000_000 + piece * 500_000;
                    file.read_at(&mut buffer, offset as u64).unwrap();
                    assert!(buffer == content[offset..offset + 500_000], "at {offset}");
                }
            });
        }
    });
    // Neighbours share blocks, and a block may be fetched once more by one who comes late.
    assert!(server.requests().len() < 25, "{}", server.requests().len());
}
