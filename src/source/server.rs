//! A web server for tests, on loopback, that answers as a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request: its line, its headers with names in lower case, and its body.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the method, such as `GET`.
    pub(super) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Returns the path without parameters.
    pub(super) fn path(&self) -> &str {
        let target = self.line.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    /// Returns the range that is asked for, as offsets of its first byte and behind its last.
    pub(super) fn range(&self) -> Option<(usize, usize)> {
        let (start, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse().ok()?, last.parse::<usize>().ok()? + 1))
    }
}

/// What is answered: the bytes of the whole answer, and whether the connection then stays as it is
/// without a further byte.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) stall: bool,
}

impl Reply {
    /// Returns an answer with its length told.
    pub(super) fn new(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "Connection: close\r\n\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        Self { bytes, stall: false }
    }

    /// Returns what a server that knows ranges answers.
    pub(super) fn of_file(request: &Request, content: &[u8], etag: &str) -> Self {
        match request.range() {
            None => Self::new("200 OK", &[("ETag", etag)], content),
            Some((start, _)) if start >= content.len() => {
                let range = format!("bytes */{}", content.len());
                Self::new("416 Range Not Satisfiable", &[("Content-Range", &range)], b"")
            }
            Some((start, end)) => {
                let end = end.min(content.len());
                let range = format!("bytes {start}-{}/{}", end - 1, content.len());
                let headers = [("ETag", etag), ("Content-Range", &range)];
                Self::new("206 Partial Content", &headers, &content[start..end])
            }
        }
    }

    /// Returns the answer cut short by `count` bytes.
    pub(super) fn cut(mut self, count: usize) -> Self {
        let length = self.bytes.len().saturating_sub(count);
        self.bytes.truncate(length);
        self
    }

    /// Returns the answer, after which nothing happens any more.
    pub(super) fn stalled(self) -> Self {
        Self { stall: true, ..self }
    }
}

/// Files of a server that can be written to.
#[derive(Clone, Default)]
pub(super) struct Files(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Files {
    /// Starts a server that takes files; `fail` may answer in its place.
    pub(super) fn serve(
        fail: impl Fn(usize, &Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> (Server, Self) {
        let files = Self::default();
        let held = files.clone();
        let server = Server::start(move |number, request| {
            fail(number, request).unwrap_or_else(|| held.answer(request))
        });
        (server, files)
    }

    /// Answers as a server does that takes PUT, GET and DELETE.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let mut files = self.0.lock().unwrap();
        let path = request.path().to_owned();
        match request.method() {
            "PUT" => {
                files.insert(path, request.body.clone());
                Reply::new("201 Created", &[], b"")
            }
            "DELETE" if files.remove(&path).is_some() => Reply::new("204 No Content", &[], b""),
            "GET" if files.contains_key(&path) => Reply::of_file(request, &files[&path], "\"1\""),
            _ => Reply::new("404 Not Found", &[], b""),
        }
    }

    /// Returns the paths of all files.
    pub(super) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    /// Puts a file there.
    pub(super) fn put(&self, path: &str, content: &[u8]) {
        self.0.lock().unwrap().insert(path.to_owned(), content.to_vec());
    }
}

type Handler = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A server. It ends with the process.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server; `handler` gets each request with its number, from 0.
    pub(super) fn start(
        handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::clone(&requests);
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, handler) = (Arc::clone(&seen), Arc::clone(&handler));
                std::thread::spawn(move || serve(stream, &seen, &*handler));
            }
        });
        Self { port, requests }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, handler: &Handler) {
    let Some(request) = read_request(&stream) else { return };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let reply = handler(number, &request);
    // The client may have gone.
    stream.write_all(&reply.bytes).ok();
    if reply.stall {
        // It ends with the process.
        std::thread::sleep(std::time::Duration::from_hours(1));
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().map(|_| line.trim_end().to_owned())
    };
    let line = next()?;
    let mut headers = Vec::new();
    while let Some((name, value)) = next()?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { line, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    request.body.resize(length.unwrap_or(0), 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
