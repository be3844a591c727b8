//! Names whose addresses change between two looks: what a name means is looked up once for a connection,
//! and the address that was looked at is the one that is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::dns::Resolve;

use super::answer::Failure;
use super::host::{HostRules, Lookup, Reach, Resolver};
use super::location::Location;
use super::network::{Network, NetworkOptions};
use super::object::ObjectFile;
use super::remote::Remote;
use super::server::{Reply, Server};
use super::web::WebFile;
use crate::error::SqlState;

/// The address that gives out credentials.
const METADATA: &str = "169.254.169.254";

/// A name server that answers each question by the next of its answers, and goes on with the last.
struct Names {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
    questions: Mutex<Vec<String>>,
}

impl Names {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0), questions: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn lookup(self: &Arc<Self>) -> Lookup {
        let names = Arc::clone(self);
        Arc::new(move |name| {
            let number = names.asked.fetch_add(1, Ordering::Relaxed).min(names.answers.len() - 1);
            names.questions.lock().unwrap().push(name);
            let addresses: Vec<SocketAddr> = names.answers[number]
                .iter()
                .map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0))
                .collect();
            Box::pin(async move { Ok(addresses) })
        })
    }
}

/// Returns a network where names mean what `names` says.
fn network(names: &Arc<Names>, allow_hosts: &[&str]) -> Arc<Network> {
    let allow_hosts = allow_hosts.iter().map(|&host| host.to_owned()).collect();
    let mut network =
        Network::new(NetworkOptions { allow_hosts, ..NetworkOptions::default() }).unwrap();
    network.lookup = names.lookup();
    Arc::new(network)
}

/// A server whose every connection takes one request.
fn server() -> Server {
    Server::start(|_, request| Reply::of_file(request, b"1,a\n", "\"1\""))
}

/// Asks once, and returns the class of the failure if there is one.
fn ask(network: &Arc<Network>, file: impl Remote + 'static) -> Result<(), SqlState> {
    let asked = network.wait(async move { file.get(Some(0..4), None).await.map(drop) }).unwrap();
    asked.map_err(|failure: Failure| failure.code())
}

fn web(network: &Arc<Network>, server: &Server) -> WebFile {
    let url = server.url("x.csv").replace("127.0.0.1", "files.example.com");
    WebFile { network: Arc::clone(network), url: url.parse().unwrap() }
}

fn object(network: &Arc<Network>, server: &Server) -> ObjectFile {
    let endpoint = server.url("").replace("127.0.0.1", "files.example.com");
    let text = format!(
        "s3://b/x.csv?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=key&AWS_ENDPOINT={endpoint}"
    );
    let Location::Object(place) = Location::parse(&text).unwrap() else { panic!("{text}") };
    ObjectFile::new(network, &place).unwrap()
}

#[test]
fn refuses_a_name_once_it_means_an_address_of_metadata() {
    for rules in [&[][..], &["files.example.com"]] {
        let server = server();
        let names = Names::new(&[&["127.0.0.1"], &[METADATA]]);
        let network = network(&names, rules);
        assert_eq!(ask(&network, web(&network, &server)), Ok(()));
        for _ in 0..3 {
            let refused = ask(&network, web(&network, &server));
            assert_eq!(refused, Err(SqlState::INSUFFICIENT_PRIVILEGE));
        }
        assert_eq!(server.requests().len(), 1);
    }
    for first in [&["127.0.0.1"], &[METADATA]] {
        let server = server();
        let names = Names::new(&[first, &[METADATA]]);
        let network = network(&names, &[]);
        let asked = ask(&network, object(&network, &server));
        let good = first != &[METADATA];
        // What the server says is not what S3 says, but it was reached.
        assert_eq!(asked == Err(SqlState::INSUFFICIENT_PRIVILEGE), !good, "{asked:?}");
        assert_eq!(server.requests().len(), usize::from(good));
        assert_eq!(ask(&network, object(&network, &server)), Err(SqlState::INSUFFICIENT_PRIVILEGE));
        assert_eq!(server.requests().len(), usize::from(good));
    }
}

#[test]
fn looks_once_for_each_connection() {
    let server = server();
    // A second look would lead elsewhere each time.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.1"], &[METADATA]]);
    let network = network(&names, &[]);
    for count in 1..=3 {
        assert_eq!(ask(&network, web(&network, &server)), Ok(()));
        assert_eq!((names.asked(), server.requests().len()), (count, count));
    }
    assert!(names.questions.lock().unwrap().iter().all(|name| name == "files.example.com"));
}

#[test]
fn connects_to_the_admitted_addresses_of_a_name_alone() {
    let server = server();
    let names = Names::new(&[&[METADATA, "fe80::1", "127.0.0.1", "fd00:ec2::254"]]);
    let network = network(&names, &[]);
    assert_eq!(ask(&network, web(&network, &server)), Ok(()));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn takes_no_private_address_behind_a_redirect_from_a_public_one() {
    let check = |answer: &[&'static str], expected: Result<&[&str], SqlState>| {
        let names = Names::new(&[answer]);
        let resolver = Resolver {
            rules: Arc::new(HostRules::default()),
            reach: Reach::Public,
            lookup: names.lookup(),
        };
        let network = Network::new(NetworkOptions::default()).unwrap();
        let found = network.wait(async move {
            let found = resolver.resolve("files.example.com".parse().unwrap()).await;
            found
                .map(|found| found.map(|address| address.ip().to_string()).collect::<Vec<_>>())
                .map_err(|error| Failure::of_cause(&*error).code())
        });
        let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect());
        assert_eq!(found.unwrap(), expected, "{answer:?}");
    };
    let refused = Err(SqlState::INSUFFICIENT_PRIVILEGE);
    check(&["10.0.0.1"], refused);
    check(&["127.0.0.1", "::1", METADATA], refused);
    check(&["8.8.8.8", "127.0.0.1", "192.168.1.1"], Ok(&["8.8.8.8"]));
}
