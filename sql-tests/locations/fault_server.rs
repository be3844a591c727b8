//! A web server that answers badly on purpose: each case has a place of its own, and what goes wrong
//! there is planned by its seed. It listens on the loopback only, serves a fixed set of files, and no
//! connection lives long.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault_plan::{Fault, Plan};

/// How long a connection may live.
const LIFE: Duration = Duration::from_mins(10);

/// How many connections there may be at once.
const MOST: u64 = 256;

/// The content of a file: as it is at first, and as it is after it changed.
#[derive(Clone)]
pub(crate) struct Content {
    /// What is served at first.
    pub(crate) first: Arc<[u8]>,
    /// What is served by a case in which the file changes.
    pub(crate) second: Arc<[u8]>,
}

/// What the threads share.
struct Shared {
    files: HashMap<String, Content>,
    requests: Mutex<HashMap<u64, u64>>,
    silent: Mutex<HashSet<u64>>,
    open: AtomicU64,
    stop: AtomicBool,
}

/// The running server. Dropping it stops it.
pub(crate) struct FaultServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl FaultServer {
    /// Starts a server of these files; `http://ADDRESS/SEED/NAME` is a file in the case of a seed.
    pub(crate) fn start(files: HashMap<String, Content>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            files,
            requests: Mutex::default(),
            silent: Mutex::default(),
            open: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                if accepting.open.load(Ordering::Relaxed) < MOST {
                    accepting.open.fetch_add(1, Ordering::Relaxed);
                    let shared = Arc::clone(&accepting);
                    thread::spawn(move || {
                        // An error means that the other side has gone, which ends the connection.
                        drop(Connection::new(stream, &shared).serve());
                        shared.open.fetch_sub(1, Ordering::Relaxed);
                    });
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns how many requests the case of a seed has seen.
    pub(crate) fn requests(&self, seed: u64) -> u64 {
        let requests = self.shared.requests.lock().expect("no thread panics with it");
        requests.get(&seed).copied().unwrap_or(0)
    }

    /// Returns whether it has fallen silent in the case of a seed.
    pub(crate) fn has_fallen_silent(&self, seed: u64) -> bool {
        self.shared.silent.lock().expect("no thread panics with it").contains(&seed)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

/// A request, taken apart as far as it matters.
struct Request {
    /// How many bytes it takes; there is no body.
    length: usize,
    head: bool,
    /// Whether the other side wants the connection to end with the answer.
    last: bool,
    seed: u64,
    name: String,
    moved: bool,
    range: Option<(Option<u64>, Option<u64>)>,
    match_tag: Option<String>,
    range_tag: Option<String>,
}

impl Request {
    fn parse(text: &str, length: usize) -> Option<Self> {
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (seed, name) = target.trim_start_matches('/').split_once('/')?;
        let name = name.split('?').next()?;
        let (moved, name) = match name.strip_prefix("moved/") {
            Some(name) => (true, name),
            None => (false, name),
        };
        let mut request = Self {
            length,
            head: method == "HEAD",
            last: words.next() == Some("HTTP/1.0"),
            seed: seed.parse().ok()?,
            name: name.to_owned(),
            moved,
            range: None,
            match_tag: None,
            range_tag: None,
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "range" => {
                    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
                    request.range = Some((from.parse().ok(), to.parse().ok()));
                }
                "if-match" => request.match_tag = Some(value.to_owned()),
                "connection" => request.last |= value.eq_ignore_ascii_case("close"),
                "if-range" => request.range_tag = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(request)
    }
}

/// An answer before it is sent.
struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Range<usize>,
}

impl Answer {
    fn refusal(status: &'static str) -> Self {
        Self { status, headers: vec![("Content-Length", "0".into())], body: 0..0 }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| *known != name);
    }

    fn text(&self) -> String {
        let mut text = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text + "\r\n"
    }
}

/// What becomes of a connection after an answer.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

/// One connection.
struct Connection<'a> {
    stream: TcpStream,
    shared: &'a Shared,
    until: Instant,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> Self {
        Self { stream, shared, until: Instant::now() + LIFE }
    }

    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_write_timeout(Some(LIFE))?;
        self.stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        while let Some(request) = self.peek()? {
            let plan = Plan::new(request.seed);
            let number = {
                let mut requests = self.shared.requests.lock().expect("no thread panics with it");
                let counter = requests.entry(request.seed).or_default();
                *counter += 1;
                *counter - 1
            };
            let Some(content) = self.shared.files.get(&request.name) else {
                self.consume(&request)?;
                self.stream.write_all(Answer::refusal("404 Not Found").text().as_bytes())?;
                continue;
            };
            let then = self.answer(&request, content, &plan, number)?;
            if then == Then::Close || request.last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns the next request without taking it from the socket, so that it can be left there: a socket
    /// that is closed with unread bytes resets its connection.
    fn peek(&self) -> io::Result<Option<Request>> {
        let mut bytes = vec![0; 16 * 1024];
        while Instant::now() < self.until && !self.shared.stop.load(Ordering::Relaxed) {
            let count = match self.stream.peek(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(&bytes[..count]);
            if let Some(end) = text.find("\r\n\r\n") {
                return Ok(Request::parse(&text[..end], end + 4));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(None)
    }

    fn consume(&mut self, request: &Request) -> io::Result<()> {
        io::Read::read_exact(&mut self.stream, &mut vec![0; request.length])
    }

    /// Answers one request, well or badly.
    fn answer(
        &mut self,
        request: &Request,
        content: &Content,
        plan: &Plan,
        number: u64,
    ) -> io::Result<Then> {
        let befallen = plan.befalls(number);
        let changed = befallen && plan.fault == Fault::Changed;
        let bytes = if changed { &content.second } else { &content.first };
        let tag = match plan.fault {
            _ if changed => "\"second\"".to_owned(),
            Fault::RestlessTag => format!("\"{number}\""),
            Fault::WeakTag => "W/\"first\"".to_owned(),
            _ => "\"first\"".to_owned(),
        };
        let mut answer = good_answer(request, bytes.len(), &tag);
        if !befallen {
            self.consume(request)?;
            return self.send(request, &answer, bytes);
        }
        if plan.fault == Fault::Reset {
            let end = answer.body.start + share(answer.body.len(), plan.place);
            self.stream.write_all(answer.text().as_bytes())?;
            if !request.head {
                self.stream.write_all(&bytes[answer.body.start..end])?;
            }
            return Ok(Then::Close);
        }
        self.consume(request)?;
        if alter(&mut answer, request, plan, bytes.len()) {
            return self.send(request, &answer, bytes);
        }
        self.send_broken(request, answer, bytes, plan)
    }

    /// Sends an answer whole.
    fn send(&mut self, request: &Request, answer: &Answer, bytes: &[u8]) -> io::Result<Then> {
        self.stream.write_all(answer.text().as_bytes())?;
        if !request.head {
            self.stream.write_all(&bytes[answer.body.clone()])?;
        }
        Ok(Then::GoOn)
    }

    /// Sends an answer that breaks off, drips, or comes in another shape.
    fn send_broken(
        &mut self,
        request: &Request,
        mut answer: Answer,
        bytes: &[u8],
        plan: &Plan,
    ) -> io::Result<Then> {
        let body = if request.head { &[][..] } else { &bytes[answer.body.clone()] };
        let part = &body[..share(body.len(), plan.place)];
        match plan.fault {
            Fault::NoAnswer => {}
            Fault::Garbage => self.stream.write_all(b"220 mail.example.com ESMTP\r\nHELO\r\n")?,
            Fault::CutHead => {
                let text = answer.text();
                self.stream.write_all(&text.as_bytes()[..share(text.len() - 3, plan.place)])?;
            }
            Fault::CutChunks | Fault::NoLength => {
                answer.remove("Content-Length");
                answer.set("Transfer-Encoding", "chunked");
                self.stream.write_all(answer.text().as_bytes())?;
                let whole = plan.fault == Fault::NoLength;
                self.send_chunks(if whole { body } else { part })?;
                if whole {
                    let last: &[u8] = if request.head { b"" } else { b"0\r\n\r\n" };
                    self.stream.write_all(last)?;
                    return Ok(Then::GoOn);
                }
            }
            Fault::Stall => {
                self.stream.write_all(answer.text().as_bytes())?;
                self.stream.write_all(part)?;
                let mut silent = self.shared.silent.lock().expect("no thread panics with it");
                silent.insert(request.seed);
                drop(silent);
                self.wait_for_the_end();
            }
            Fault::Drip => {
                self.stream.write_all(answer.text().as_bytes())?;
                for piece in body.chunks(body.len() / 25 + 1) {
                    self.stream.write_all(piece)?;
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(Then::GoOn);
            }
            Fault::TooLong => {
                self.send(request, &answer, bytes)?;
                self.stream.write_all(b"9999,too long,1,1\n")?;
            }
            // A part of an eighth of the file at most, so that going on from it needs many answers.
            Fault::EveryAnswerBreaks => {
                self.stream.write_all(answer.text().as_bytes())?;
                let most = part.len().clamp(body.len().min(1), bytes.len() / 8 + 1);
                self.stream.write_all(&body[..most])?;
            }
            _ => {
                self.stream.write_all(answer.text().as_bytes())?;
                self.stream.write_all(part)?;
            }
        }
        Ok(Then::Close)
    }

    fn send_chunks(&mut self, body: &[u8]) -> io::Result<()> {
        for chunk in body.chunks(10_000) {
            self.stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            self.stream.write_all(chunk)?;
            self.stream.write_all(b"\r\n")?;
        }
        Ok(())
    }

    /// Says nothing until the other side gives up.
    fn wait_for_the_end(&self) {
        let mut byte = [0];
        while Instant::now() < self.until && !self.shared.stop.load(Ordering::Relaxed) {
            match self.stream.peek(&mut byte) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Returns so many thousandths of a length.
fn share(length: usize, thousandths: u64) -> usize {
    length * usize::try_from(thousandths).expect("at most a thousand") / 1000
}

/// Returns what a good server answers.
fn good_answer(request: &Request, length: usize, tag: &str) -> Answer {
    let strong = !tag.starts_with("W/");
    if request.match_tag.as_ref().is_some_and(|wanted| wanted != "*" && (wanted != tag || !strong))
    {
        return Answer::refusal("412 Precondition Failed");
    }
    let same = request.range_tag.as_ref().is_none_or(|wanted| wanted == tag && strong);
    let mut answer = Answer { status: "200 OK", headers: Vec::new(), body: 0..length };
    answer.set("Content-Type", "text/csv");
    answer.set("Accept-Ranges", "bytes");
    answer.set("ETag", tag);
    if let Some(range) = request.range.filter(|_| same) {
        let total = u64::try_from(length).expect("lengths fit");
        let (from, to) = match range {
            (Some(from), to) => (from, to.map_or(total, |to| (to + 1).min(total))),
            (None, last) => (total.saturating_sub(last.unwrap_or(0)), total),
        };
        if from >= to {
            answer = Answer::refusal("416 Range Not Satisfiable");
            answer.set("Content-Range", format!("bytes */{length}"));
            return answer;
        }
        answer.status = "206 Partial Content";
        answer.set("Content-Range", format!("bytes {from}-{}/{length}", to - 1));
        answer.body =
            usize::try_from(from).expect("lengths fit")..usize::try_from(to).expect("lengths fit");
    }
    answer.set("Content-Length", answer.body.len().to_string());
    answer
}

/// Makes a good answer a bad one that can be sent whole; returns false if it must be broken in sending.
fn alter(answer: &mut Answer, request: &Request, plan: &Plan, length: usize) -> bool {
    let ranged = answer.status.starts_with("206");
    match plan.fault {
        Fault::ServerError => {
            let statuses = [
                "500 Internal Server Error",
                "502 Bad Gateway",
                "503 Service Unavailable",
                "504 Gateway Timeout",
            ];
            *answer = Answer::refusal(pick(&statuses, plan.variant));
        }
        Fault::TooMany => {
            let statuses = ["429 Too Many Requests", "503 Service Unavailable"];
            *answer = Answer::refusal(pick(&statuses, plan.variant));
            answer.set("Retry-After", (plan.variant / 2 % 2).to_string());
        }
        Fault::RedirectLoop => *answer = redirect(format!("/{}/{}", request.seed, request.name)),
        Fault::RedirectNowhere => *answer = redirect("http:///:nowhere".to_owned()),
        Fault::RedirectOnce if !request.moved => {
            *answer = redirect(format!("/{}/moved/{}", request.seed, request.name));
        }
        Fault::NoHead if request.head => *answer = Answer::refusal("405 Method Not Allowed"),
        Fault::FalseEncoding => answer.set("Content-Encoding", "gzip"),
        Fault::NoLength => {
            answer.status = "200 OK";
            answer.remove("Content-Range");
            answer.remove("Accept-Ranges");
            answer.remove("ETag");
            answer.body = 0..length;
            return false;
        }
        _ if ranged => return alter_range(answer, plan, length),
        Fault::OtherRange
        | Fault::NoContentRange
        | Fault::OtherTotal
        | Fault::LessOfRange
        | Fault::Whole
        | Fault::NotSatisfiable
        | Fault::Multipart
        | Fault::Changed
        | Fault::RestlessTag
        | Fault::WeakTag
        | Fault::RedirectOnce
        | Fault::NoHead => {}
        _ => return false,
    }
    true
}

/// Makes a good answer to a request for a range a bad one.
fn alter_range(answer: &mut Answer, plan: &Plan, length: usize) -> bool {
    let Range { start, end } = answer.body;
    let range = |from: usize, to: usize, total: usize| {
        format!("bytes {from}-{}/{total}", to.max(from + 1) - 1)
    };
    match plan.fault {
        Fault::OtherRange => {
            let shift = 1 + share(length / 4, plan.place);
            let from = if plan.variant.is_multiple_of(2) {
                start.saturating_sub(shift)
            } else {
                start + shift
            };
            let from = from.min(length - 1);
            let to = (from + (end - start)).min(length);
            answer.body = from..to;
            answer.set("Content-Range", range(from, to, length));
        }
        Fault::NoContentRange => answer.remove("Content-Range"),
        Fault::OtherTotal => {
            let total = length + 1 + share(length, plan.place);
            answer.set("Content-Range", range(start, end, total));
        }
        Fault::LessOfRange => {
            let to = start + share(end - start, plan.place).max(1);
            answer.body = start..to;
            answer.set("Content-Range", range(start, to, length));
        }
        Fault::Whole => {
            answer.status = "200 OK";
            answer.remove("Content-Range");
            answer.body = 0..length;
        }
        Fault::NotSatisfiable => {
            *answer = Answer::refusal("416 Range Not Satisfiable");
            answer.set("Content-Range", format!("bytes */{length}"));
        }
        Fault::Multipart => {
            answer.set("Content-Type", "multipart/byteranges; boundary=THIS");
            answer.remove("Content-Range");
        }
        Fault::Changed
        | Fault::RestlessTag
        | Fault::WeakTag
        | Fault::RedirectOnce
        | Fault::NoHead => {}
        _ => return false,
    }
    answer.set("Content-Length", answer.body.len().to_string());
    true
}

fn pick(statuses: &[&'static str], variant: u64) -> &'static str {
    let count = u64::try_from(statuses.len()).expect("a small number");
    statuses[usize::try_from(variant % count).expect("a small number")]
}

fn redirect(place: String) -> Answer {
    let mut answer = Answer::refusal("302 Found");
    answer.set("Location", place);
    answer
}
