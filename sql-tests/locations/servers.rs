//! The servers that the tests talk to: nginx, Python's server, moto for S3 and for Google's XML API, and
//! azurite; each is started when it is first asked for, and filled with the data of the tests.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::data;
use crate::http::encode;
use crate::program::Program;
use crate::scene::Scene;
use crate::scratch;
use crate::server::Server;

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

/// All servers, and the directory of the files that they serve.
pub(crate) struct Servers {
    data: OnceLock<PathBuf>,
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
    /// Returns servers that are started, and whose data is written, when they are asked for.
    pub(crate) fn new() -> Self {
        Self {
            data: OnceLock::new(),
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
        self.data.get_or_init(|| {
            let directory = scratch::directory().join("data");
            data::write(&directory);
            directory
        })
    }

    /// Returns the checksum of the table that the local file gives.
    pub(crate) fn checksum(&self) -> &str {
        self.checksum.get_or_init(|| {
            let path = self.data().join("rows.csv");
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
            let directory = scratch::directory().join("nginx-tls");
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
        let directory = scratch::directory().join(name);
        fs::create_dir_all(directory.join("root/temp")).expect("a directory");
        copy_all(self.data(), &directory.join("root"));
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
            Server::start(&scratch::directory().join("python"), &program, &[], |address| {
                let mut words: Vec<OsString> =
                    ["-m", "http.server", "--bind", "127.0.0.1"].map(OsString::from).into();
                words.extend(["--directory".into(), self.data().into()]);
                words.push(address.port().to_string().into());
                words
            })
        })
    }

    /// Returns moto as S3, which checks signatures, and its keys.
    pub(crate) fn amazon(&self) -> &(Server, AmazonKeys) {
        self.amazon.get_or_init(|| {
            let server = Self::start_moto("moto-s3");
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
            let server = Self::start_moto("moto-gs");
            let place = ["open", &format!("http://{}", server.address), GOOGLE_BUCKET, "", ""];
            self.fill(&place);
            let json = [("Content-Type", "application/json")];
            server.ask("PUT", &format!("/{GOOGLE_BUCKET}?policy"), &json, OPEN_POLICY);
            server
        })
    }

    fn start_moto(name: &str) -> Server {
        let program = Program::Moto.find().expect("moto_server is there");
        Server::start(&scratch::directory().join(name), &program, &[], |address| {
            ["-H", "127.0.0.1", "-p", &address.port().to_string()].map(OsString::from).into()
        })
    }

    /// Returns azurite, whose account and container are called [`BUCKET`].
    pub(crate) fn azure(&self) -> &Server {
        self.azure.get_or_init(|| {
            let program = Program::Azurite.find().expect("azurite is there");
            let directory = scratch::directory().join("azurite");
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
            let files = scratch::directory().join("comments");
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
        run_bucket(place, &["put", &self.data().to_string_lossy()]);
    }

    /// Returns the names of the objects of Amazon's of which parts were sent, and not all.
    pub(crate) fn uploads(&self) -> Vec<String> {
        let (server, keys) = self.amazon();
        let endpoint = format!("http://{}", server.address);
        let (name, secret) = &keys.lasting;
        let listed = run_bucket(&["s3", &endpoint, BUCKET, name, secret], &["uploads"]);
        listed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
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

/// Returns the endpoint of azurite as `AZURE_ENDPOINT` takes it: it ends in the account.
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
