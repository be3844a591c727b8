//! The servers that the tests talk to: nginx, Python's server, moto for S3 and for Google's XML API, and
//! azurite; each on a free port of the loopback, started when it is first asked for and ended with
//! the tests.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::data;
use crate::http::{encode, send};
use crate::scene::Scene;

/// How long a server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the program that follows, and kills it when standard input ends: however the tests end,
/// no server outlives them.
const KEEPER: &str = "log=$1; shift; \"$@\" </dev/null >\"$log\" 2>&1 & server=$!; \
                      read -r end; kill -KILL $server; wait $server 2>/dev/null";

/// The policy of a bucket that anybody may use.
const OPEN_POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": "*", "Action": "s3:*",
    "Resource": ["arn:aws:s3:::harbour", "arn:aws:s3:::harbour/*"]}]}"#;

/// The policy of a user that may do everything with buckets.
const USER_POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Action": "s3:*", "Resource": "*"}]}"#;

/// The name of the bucket, or container, and of the account of Azure: those of the documentation's
/// examples.
pub(crate) const BUCKET: &str = "acme-co";

/// The name of the bucket of Google's. The client writes a hyphen as `%2D`, which moto does not read.
pub(crate) const GOOGLE_BUCKET: &str = "harbour";

/// The key of the accounts of Azure's emulator, in base64: that of the documentation's examples.
pub(crate) const AZURE_KEY: &str = "hash";

/// Another key of the same account, long enough to be searched for.
pub(crate) const AZURE_CANARY: &str = "Y2FuYXJ5IGluIHRoZSBkYXJr";

/// Another account.
pub(crate) const COMMENTS: &str = "comments-co";

/// The user of the page behind a password, and the password.
pub(crate) const WEB_USER: (&str, &str) = ("ada", "love");

/// A program that tests need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The web server.
    Nginx,
    /// The language, for its web server and for filling buckets.
    Python,
    /// The emulator of Amazon's services.
    Moto,
    /// The emulator of Azure's storage.
    Azurite,
    /// The maker of certificates.
    Openssl,
}

impl Program {
    /// Returns the path of the program: as an environment variable says, else as `.ci/servers` installed
    /// it, else from `PATH`.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let (variable, installed, name) = match self {
            Self::Nginx => ("WHARF_TEST_NGINX", "/usr/sbin/nginx", "nginx"),
            Self::Python => ("WHARF_TEST_PYTHON", "/usr/bin/python3", "python3"),
            Self::Moto => ("WHARF_TEST_MOTO", "moto/bin/moto_server", "moto_server"),
            Self::Azurite => {
                ("WHARF_TEST_AZURITE", "azurite/node_modules/.bin/azurite-blob", "azurite-blob")
            }
            Self::Openssl => ("WHARF_TEST_OPENSSL", "/usr/bin/openssl", "openssl"),
        };
        if let Some(given) = std::env::var_os(variable) {
            return Some(PathBuf::from(given)).filter(|path| path.is_file());
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let named = std::env::split_paths(&paths).map(|directory| directory.join(name));
        std::iter::once(installed_servers().join(installed)).chain(named).find(|p| p.is_file())
    }

    /// Returns how to install it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Nginx => "nginx is not installed: apt-get install nginx",
            Self::Python => "python3 is not installed: apt-get install python3",
            Self::Moto => {
                "moto_server is not installed: .ci/servers, or pip install 'moto[server]'"
            }
            Self::Azurite => {
                "azurite-blob is not installed: .ci/servers, or npm install -g azurite"
            }
            Self::Openssl => "openssl is not installed: apt-get install openssl",
        }
    }
}

/// Returns where `.ci/servers` installs what no package of the system brings.
fn installed_servers() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_wharf"));
    program.ancestors().nth(2).unwrap_or(Path::new("target")).join("test-servers")
}

/// A running server. It is killed when this value is dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its own directory.
    pub(crate) directory: PathBuf,
    keeper: Child,
    input: Option<ChildStdin>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // An error means that it has ended already.
        drop(self.keeper.wait());
    }
}

impl Server {
    /// Starts a program on a free port; `words` returns its arguments for one.
    fn start(
        directory: &Path,
        program: &Path,
        variables: &[(&str, &str)],
        words: impl Fn(SocketAddr) -> Vec<OsString>,
    ) -> Self {
        fs::create_dir_all(directory).expect("a directory for a server");
        let log = directory.join("server.log");
        // Between finding a port free and listening on it somebody else may take it.
        for _ in 0..5 {
            let address = free_address();
            let mut keeper = Command::new("sh")
                .args([OsStr::new("-c"), OsStr::new(KEEPER), OsStr::new("keeper")])
                .args([log.as_os_str(), program.as_os_str()])
                .args(words(address))
                .envs(variables.iter().copied())
                .current_dir(directory)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a shell starts");
            let input = keeper.stdin.take();
            let server = Self { address, directory: directory.to_owned(), keeper, input };
            if server.answers() {
                return server;
            }
        }
        let said = fs::read(&log).unwrap_or_default();
        panic!("{} does not answer: {}", program.display(), String::from_utf8_lossy(&said));
    }

    /// Waits until the server takes connections.
    fn answers(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            let said = fs::read(self.directory.join("server.log")).unwrap_or_default();
            if String::from_utf8_lossy(&said).contains("in use") {
                return false;
            }
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// Sends a request that must succeed, and returns the body of the answer.
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let answer = send(self.address, method, target, headers, body).expect("an answer");
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
        answer.body
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// All servers, and the directory of what they serve.
pub(crate) struct Servers {
    directory: PathBuf,
    data: PathBuf,
    web: OnceLock<Server>,
    secure: OnceLock<Server>,
    plain: OnceLock<Server>,
    amazon: OnceLock<(Server, AmazonKeys)>,
    google: OnceLock<Server>,
    azure: OnceLock<Server>,
    checksum: OnceLock<String>,
}

/// The keys of Amazon's emulator: lasting ones, and some for a session with its token.
pub(crate) struct AmazonKeys {
    /// The key's name and secret.
    pub(crate) lasting: (String, String),
    /// Name and secret of a key that is good with the token behind it.
    pub(crate) session: (String, String, String),
}

impl Servers {
    /// Returns servers that serve the files of `data` when they are asked for; what they write lies
    /// in `directory`.
    pub(crate) fn new(directory: &Path, data: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            data: data.to_owned(),
            web: OnceLock::new(),
            secure: OnceLock::new(),
            plain: OnceLock::new(),
            amazon: OnceLock::new(),
            google: OnceLock::new(),
            azure: OnceLock::new(),
            checksum: OnceLock::new(),
        }
    }

    /// Returns the directory of the files that are served.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the checksum of the table that the local file gives.
    pub(crate) fn checksum(&self) -> &str {
        self.checksum.get_or_init(|| {
            let path = self.data.join("rows.csv");
            Scene::new().checksum_of(&[&path.to_string_lossy()])
        })
    }

    /// Returns nginx: data at its root, PUT and DELETE under `/temp/`, and places that refuse.
    pub(crate) fn web(&self) -> &Server {
        self.web.get_or_init(|| self.start_nginx("nginx", ""))
    }

    /// Returns nginx over TLS, with a certificate whose authority is `authority.pem` in its directory.
    pub(crate) fn secure(&self) -> &Server {
        self.secure.get_or_init(|| {
            let directory = self.directory.join("nginx-tls");
            fs::create_dir_all(&directory).expect("a directory");
            make_certificate(&directory);
            let lines = format!(
                " ssl; ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.key",
                directory.display()
            );
            self.start_nginx("nginx-tls", &lines)
        })
    }

    fn start_nginx(&self, name: &str, secure: &str) -> Server {
        let directory = self.directory.join(name);
        fs::create_dir_all(directory.join("root/temp")).expect("a directory");
        copy_all(&self.data, &directory.join("root"));
        let (user, password) = WEB_USER;
        fs::write(directory.join("users"), format!("{user}:{{PLAIN}}{password}\n"))
            .expect("a file of users");
        let own = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let program = Program::Nginx.find().expect("nginx is there");
        Server::start(&directory, &program, &[], |address| {
            let settings = include_str!("nginx.conf")
                .replace("LISTEN", &format!("listen {address}{secure};"))
                .replace("USER", own)
                .replace("DIRECTORY", &directory.to_string_lossy());
            let path = directory.join("nginx.conf");
            fs::write(&path, settings).expect("the settings of nginx");
            ["-p".into(), directory.clone().into(), "-c".into(), path.into()].into()
        })
    }

    /// Returns Python's server, which knows no ranges and only reads.
    pub(crate) fn plain(&self) -> &Server {
        self.plain.get_or_init(|| {
            let program = Program::Python.find().expect("python3 is there");
            Server::start(&self.directory.join("python"), &program, &[], |address| {
                let mut words: Vec<OsString> =
                    ["-m", "http.server", "--bind", "127.0.0.1"].map(OsString::from).into();
                words.extend(["--directory".into(), self.data.clone().into()]);
                words.push(address.port().to_string().into());
                words
            })
        })
    }

    /// Returns moto as S3, which checks signatures, and its keys.
    pub(crate) fn amazon(&self) -> &(Server, AmazonKeys) {
        self.amazon.get_or_init(|| {
            let server = self.start_moto("moto-s3");
            let keys = make_amazon_keys(&server);
            let (name, secret) = &keys.lasting;
            let place = ["s3", &format!("http://{}", server.address), BUCKET, name, secret];
            self.fill(&place);
            (server, keys)
        })
    }

    /// Returns moto as Google's XML API, with a bucket that is open to all.
    pub(crate) fn google(&self) -> &Server {
        self.google.get_or_init(|| {
            let server = self.start_moto("moto-gs");
            let place = ["open", &format!("http://{}", server.address), GOOGLE_BUCKET, "", ""];
            self.fill(&place);
            let json = [("Content-Type", "application/json")];
            server.ask("PUT", &format!("/{GOOGLE_BUCKET}?policy"), &json, OPEN_POLICY);
            server
        })
    }

    fn start_moto(&self, name: &str) -> Server {
        let program = Program::Moto.find().expect("moto_server is there");
        Server::start(&self.directory.join(name), &program, &[], |address| {
            ["-H", "127.0.0.1", "-p", &address.port().to_string()].map(OsString::from).into()
        })
    }

    /// Returns azurite, whose account and container are called [`BUCKET`].
    pub(crate) fn azure(&self) -> &Server {
        self.azure.get_or_init(|| {
            let program = Program::Azurite.find().expect("azurite is there");
            let directory = self.directory.join("azurite");
            let accounts = format!("{BUCKET}:{AZURE_KEY}:{AZURE_CANARY};{COMMENTS}:{AZURE_KEY}");
            let variables = [("AZURITE_ACCOUNTS", accounts.as_str())];
            let server = Server::start(&directory, &program, &variables, |address| {
                let mut words: Vec<OsString> =
                    ["--blobHost", "127.0.0.1", "--blobPort", &address.port().to_string()]
                        .map(OsString::from)
                        .into();
                words.extend(["--silent", "--disableTelemetry", "--location"].map(OsString::from));
                words.push(directory.clone().into());
                words
            });
            self.fill(&["azure", &azure_endpoint(&server), BUCKET, BUCKET, AZURE_KEY]);
            let files = self.directory.join("comments");
            data::write_comments(&files);
            let endpoint = format!("http://{}/{COMMENTS}", server.address);
            let place = ["azure", &endpoint, BUCKET, COMMENTS, AZURE_KEY];
            run_bucket(&place, &["make"]);
            run_bucket(&place, &["put", &files.to_string_lossy()]);
            server
        })
    }

    /// Makes a bucket and puts all data into it.
    fn fill(&self, place: &[&str; 5]) {
        run_bucket(place, &["make"]);
        run_bucket(place, &["put", &self.data.to_string_lossy()]);
    }

    /// Returns the names of the objects of a store (`s3`, `gs` or `azure`) that begin with `prefix`.
    pub(crate) fn names(&self, store: &str, prefix: &str) -> Vec<String> {
        let listed = match store {
            "s3" => {
                let (server, keys) = self.amazon();
                let endpoint = format!("http://{}", server.address);
                let (name, secret) = &keys.lasting;
                run_bucket(&["s3", &endpoint, BUCKET, name, secret], &["list", prefix])
            }
            "gs" => {
                let endpoint = format!("http://{}", self.google().address);
                run_bucket(&["open", &endpoint, GOOGLE_BUCKET, "", ""], &["list", prefix])
            }
            _ => {
                let endpoint = azure_endpoint(self.azure());
                run_bucket(&["azure", &endpoint, BUCKET, BUCKET, AZURE_KEY], &["list", prefix])
            }
        };
        listed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// Returns the endpoint of azurite as AZURE_ENDPOINT takes it: it ends in the account.
pub(crate) fn azure_endpoint(server: &Server) -> String {
    format!("http://{}/{BUCKET}", server.address)
}

/// Makes a user with keys, a role with keys for a session, and turns the checks on.
fn make_amazon_keys(server: &Server) -> AmazonKeys {
    let form = "application/x-www-form-urlencoded";
    let ask = |service: &str, version: &str, parameters: &str| {
        let scope = format!("Credential=x/20260101/us-east-1/{service}/aws4_request");
        let signed = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x");
        let headers = [("Authorization", signed.as_str()), ("Content-Type", form)];
        server.ask("POST", "/", &headers, &format!("Version={version}&{parameters}"))
    };
    let manage = |parameters: &str| ask("iam", "2010-05-08", parameters);
    let policy = encode(USER_POLICY);
    manage("Action=CreateUser&UserName=wharf");
    manage(&format!("Action=PutUserPolicy&UserName=wharf&PolicyName=all&PolicyDocument={policy}"));
    manage(&format!("Action=CreateRole&RoleName=dock&AssumeRolePolicyDocument={policy}"));
    manage(&format!("Action=PutRolePolicy&RoleName=dock&PolicyName=all&PolicyDocument={policy}"));
    let made = manage("Action=CreateAccessKey&UserName=wharf");
    let role = encode("arn:aws:iam::123456789012:role/dock");
    let lent =
        ask("sts", "2011-06-15", &format!("Action=AssumeRole&RoleSessionName=test&RoleArn={role}"));
    let key = |text: &str| (element(text, "AccessKeyId"), element(text, "SecretAccessKey"));
    let (name, secret) = key(&lent);
    let token = element(&lent, "SessionToken");
    server.ask("POST", "/moto-api/reset-auth", &[("Content-Type", "text/plain")], "0");
    AmazonKeys { lasting: key(&made), session: (name, secret, token) }
}

/// Returns the text of the first element of that name.
fn element(text: &str, name: &str) -> String {
    let after = text.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once("</").map_or("", |(inner, _)| inner).to_owned()
}

/// Runs the script that fills and lists buckets.
fn run_bucket(place: &[&str; 5], verb: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sql-tests/locations/bucket.py");
    let python = Program::Python.find().expect("python3 is there");
    let output =
        Command::new(python).arg(script).args(place).args(verb).output().expect("the script runs");
    assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes an authority and a certificate for this machine in a directory.
fn make_certificate(directory: &Path) {
    let program = Program::Openssl.find().expect("openssl is there");
    let make = |name: &str, words: &[&str]| {
        let output = Command::new(&program)
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")])
            .args(["-out", &format!("{name}.pem")])
            .args(words)
            .current_dir(directory)
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    make("authority", &[]);
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    let signed = ["-CA", "authority.pem", "-CAkey", "authority.key", "-addext", names];
    make("server", &[&signed[..], &["-addext", "basicConstraints=critical,CA:FALSE"]].concat());
}

/// Copies all files below one directory to another.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            let copied: io::Result<u64> = fs::copy(&path, &target);
            copied.expect("a copy");
        }
    }
}
