//! A web server that takes temporary files, and answers some requests for their pieces badly on purpose.
//! Each case has a directory of its own. It listens on the loopback only, and each of its connections
//! takes one request.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a silent connection lives at most.
const LIFE: Duration = Duration::from_mins(10);

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TempFault {
    /// The connection is reset; of an answer with a body half has come by then.
    Reset,
    /// Nothing comes.
    Stall,
    /// 503.
    ServerError,
    /// The body ends before its announced length; nothing at all comes if there is none.
    Short,
    /// It is done, but the connection ends without an answer.
    LostAnswer,
    /// 403.
    Forbidden,
    /// 507: the disk is full.
    Full,
    /// The bytes are others than those that were written.
    OtherBytes,
}

/// Which requests for pieces of a directory fail, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TempPlan {
    /// The method of the requests.
    pub(crate) method: &'static str,
    /// How they fail.
    pub(crate) fault: TempFault,
    /// How many of that method go well before.
    pub(crate) first: u64,
    /// How many fail.
    pub(crate) count: u64,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The plan of each directory, and how many requests of its method there were.
    plans: Mutex<HashMap<String, (TempPlan, u64)>>,
}

/// The running server. It ends with the tests.
pub(crate) struct TempServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl TempServer {
    /// Starts a server without files.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // An error means that the other side has gone, which ends the connection.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns the URL of a directory where requests fail as planned.
    pub(crate) fn place(&self, directory: &str, plan: TempPlan) -> String {
        let mut plans = self.shared.plans.lock().expect("no thread panics with it");
        plans.insert(directory.to_owned(), (plan, 0));
        format!("http://{}/{directory}?key=canary", self.address)
    }

    /// Lets all requests for a directory go well from now on.
    pub(crate) fn heal(&self, directory: &str) {
        self.shared.plans.lock().expect("no thread panics with it").remove(directory);
    }

    /// Returns how many requests for pieces of a directory its plan has seen.
    pub(crate) fn seen(&self, directory: &str) -> u64 {
        let plans = self.shared.plans.lock().expect("no thread panics with it");
        plans.get(directory).map_or(0, |(_, seen)| *seen)
    }

    /// Returns the names of the files in a directory.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let files = self.shared.files.lock().expect("no thread panics with it");
        let start = format!("/{directory}/");
        files.keys().filter(|name| name.starts_with(&start)).cloned().collect()
    }
}

/// The head of a request.
struct Request {
    method: String,
    path: String,
    /// How many bytes the head has, and the body.
    length: (usize, usize),
    /// The range that is asked for.
    range: Option<(usize, usize)>,
}

impl Request {
    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let method = words.next()?.to_owned();
        let path = words.next()?.split('?').next()?.to_owned();
        let mut request = Self { method, path, length: (head.len() + 4, 0), range: None };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => request.length.1 = value.parse().ok()?,
                "range" => {
                    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
                    request.range = Some((from.parse().ok()?, to.parse().ok()?));
                }
                _ => {}
            }
        }
        Some(request)
    }
}

impl Shared {
    /// Serves one request.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(LIFE))?;
        stream.set_write_timeout(Some(LIFE))?;
        let Some(request) = peek(&stream)? else { return Ok(()) };
        let fault = self.befalls(&request);
        if fault == Some(TempFault::Reset) {
            // A socket that is closed with unread bytes resets its connection.
            if request.method == "GET" {
                let answer = self.answer(&request, &[]);
                stream.write_all(&answer[..answer.len() / 2])?;
            }
            return Ok(());
        }
        let (head, body) = request.length;
        let mut bytes = vec![0; head + body];
        stream.read_exact(&mut bytes)?;
        let body = &bytes[head..];
        match fault {
            None => stream.write_all(&self.answer(&request, body)),
            Some(TempFault::Stall) => wait_for_the_end(&stream),
            Some(TempFault::ServerError) => stream.write_all(&refusal("503 Service Unavailable")),
            Some(TempFault::Forbidden) => stream.write_all(&refusal("403 Forbidden")),
            Some(TempFault::Full) => stream.write_all(&refusal("507 Insufficient Storage")),
            Some(TempFault::Short) if request.method != "GET" => Ok(()),
            Some(TempFault::Short) => {
                let answer = self.answer(&request, body);
                stream.write_all(&answer[..answer.len() - answer.len() / 3])
            }
            Some(TempFault::OtherBytes) => {
                let mut answer = self.answer(&request, body);
                if let Some(last) = answer.last_mut() {
                    *last ^= 1;
                }
                stream.write_all(&answer)
            }
            Some(TempFault::LostAnswer | TempFault::Reset) => {
                self.answer(&request, body);
                Ok(())
            }
        }
    }

    /// Returns what befalls a request.
    fn befalls(&self, request: &Request) -> Option<TempFault> {
        let (directory, name) = request.path.strip_prefix('/')?.split_once('/')?;
        let mut plans = self.plans.lock().expect("no thread panics with it");
        let (plan, seen) = plans.get_mut(directory)?;
        if plan.method != request.method || !name.contains("/piece-") {
            return None;
        }
        *seen += 1;
        let number = *seen - 1;
        (number >= plan.first && number - plan.first < plan.count).then_some(plan.fault)
    }

    /// Does what is asked, and returns the answer.
    fn answer(&self, request: &Request, body: &[u8]) -> Vec<u8> {
        let mut files = self.files.lock().expect("no thread panics with it");
        match request.method.as_str() {
            "PUT" => {
                files.insert(request.path.clone(), body.to_vec());
                refusal("201 Created")
            }
            "DELETE" if files.remove(&request.path).is_some() => refusal("204 No Content"),
            "GET" => match files.get(&request.path) {
                Some(content) => found(content, request.range),
                None => refusal("404 Not Found"),
            },
            _ => refusal("404 Not Found"),
        }
    }
}

/// Returns the head of the request on a connection without taking it from there.
fn peek(stream: &TcpStream) -> io::Result<Option<Request>> {
    let begun = Instant::now();
    let mut bytes = vec![0; 16 << 10];
    while begun.elapsed() < LIFE {
        let count = stream.peek(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes[..count]);
        match text.find("\r\n\r\n") {
            Some(end) => return Ok(Request::parse(&text[..end])),
            None if count == 0 => return Ok(None),
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    Ok(None)
}

/// Says nothing until the other side gives up.
fn wait_for_the_end(mut stream: &TcpStream) -> io::Result<()> {
    stream.read_exact(&mut [0])
}

/// Returns an answer without a body.
fn refusal(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Returns the answer that holds a file, or a range of it.
fn found(content: &[u8], range: Option<(usize, usize)>) -> Vec<u8> {
    let (status, from, to) = match range {
        Some((from, last)) if from < content.len() => {
            ("206 Partial Content", from, content.len().min(last + 1))
        }
        Some(_) => return refusal("416 Range Not Satisfiable"),
        None => ("200 OK", 0, content.len()),
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nConnection: close\r\n",
        to - from
    );
    if range.is_some() {
        head += &format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, content.len());
    }
    let mut answer = (head + "\r\n").into_bytes();
    answer.extend_from_slice(&content[from..to]);
    answer
}
