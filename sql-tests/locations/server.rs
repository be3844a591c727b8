//! A server that runs: started on a port that nobody else is given, and ended with the tests.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::http::send;
use crate::scratch::{end_with_the_tests, has_ended};

/// How long a server may take to answer for the first time, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often a server is started; a port may be taken.
const STARTS: usize = 6;

/// A running server. It ends with the tests.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its own directory.
    pub(crate) directory: PathBuf,
    /// Keeps the port from being given to anybody else.
    _port: Option<TcpSocket>,
}

impl Server {
    /// Starts a program on a free port; `words` returns its arguments for one.
    pub(crate) fn start(
        directory: &Path,
        program: &Path,
        variables: &[(&str, &str)],
        words: impl Fn(SocketAddr) -> Vec<OsString>,
    ) -> Self {
        fs::create_dir_all(directory).expect("a directory for a server");
        let log = directory.join("server.log");
        for number in 0..STARTS {
            let (address, mut port) = reserve_port().expect("a free port");
            // A system that does not let a server listen on a port that is kept has the last tries.
            if number >= STARTS / 2 {
                drop(port.take());
            }
            let output = fs::File::create(&log).expect("a log");
            let mut running = Command::new(program)
                .args(words(address))
                .envs(variables.iter().copied())
                .current_dir(directory)
                .stdin(Stdio::null())
                .stdout(output.try_clone().expect("a log"))
                .stderr(output)
                .spawn()
                .expect("a server starts");
            end_with_the_tests(&running);
            if answers(address, &mut running) {
                return Self { address, directory: directory.to_owned(), _port: port };
            }
            // An error means that it has ended already.
            drop(running.kill());
            drop(running.wait());
            has_ended(&running);
        }
        let said = fs::read(&log).unwrap_or_default();
        panic!("{} does not answer: {}", program.display(), String::from_utf8_lossy(&said));
    }

    /// Sends a request that must succeed, and returns the body of the answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let answer = send(self.address, method, target, headers, body).expect("an answer");
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
        answer.body
    }
}

/// Waits until the server takes connections; returns false if it ends instead.
fn answers(address: SocketAddr, running: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if running.try_wait().expect("it can be waited for").is_some() {
            return false;
        }
        sleep(Duration::from_millis(50));
    }
    false
}

/// Returns a free port of the loopback. While the socket is there the system gives the port to nobody who
/// asks for any, neither to listen on nor to connect from; a server that names it may listen on it.
fn reserve_port() -> io::Result<(SocketAddr, Option<TcpSocket>)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = socket.local_addr()?;
    Ok((address, cfg!(target_os = "linux").then_some(socket)))
}
