//! The programs that tests need, and where they are: those that `.ci/servers` installed at a fixed version,
//! and those of the system that can do what is asked of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The script that installs the servers; it tells their versions.
const INSTALLER: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/servers"));

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
    /// Returns the path of the program, if it is there: what an environment variable names, else what
    /// `.ci/servers` installed. Only what comes with systems is looked for in `PATH`.
    pub(crate) fn find(self) -> Option<PathBuf> {
        static FOUND: [OnceLock<Option<PathBuf>>; 5] = [const { OnceLock::new() }; 5];
        FOUND[self as usize].get_or_init(|| self.look()).clone()
    }

    fn look(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Nginx => "WHARF_TEST_NGINX",
            Self::Python => "WHARF_TEST_PYTHON",
            Self::Moto => "WHARF_TEST_MOTO",
            Self::Azurite => "WHARF_TEST_AZURITE",
            Self::Openssl => "WHARF_TEST_OPENSSL",
        };
        if let Some(given) = std::env::var_os(variable) {
            return Some(PathBuf::from(given)).filter(|path| path.is_file());
        }
        match self {
            Self::Nginx => of_the_system("/usr/sbin/nginx", |nginx| {
                let modules = said(nginx, &["-V"])?;
                let wanted = ["http_ssl_module", "http_dav_module"];
                wanted.iter().all(|module| modules.contains(module)).then_some(())
            }),
            Self::Python => of_the_system("/usr/bin/python3", |python| {
                let asked = "import http.server, sys; print(sys.version_info >= (3, 8))";
                said(python, &["-c", asked])?.contains("True").then_some(())
            }),
            // Certificates are signed by an authority in one step since version 3.
            Self::Openssl => of_the_system("/usr/bin/openssl", |openssl| {
                let version = said(openssl, &["version"])?;
                let major = version.strip_prefix("OpenSSL ")?.split('.').next()?;
                (major.parse::<u32>().ok()? >= 3).then_some(())
            }),
            Self::Moto => installed("moto", "bin/moto_server"),
            Self::Azurite => installed("azurite", "node_modules/.bin/azurite-blob"),
        }
    }

    /// Returns what is missing, and how to install it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Nginx => "nginx with TLS and WebDAV is not installed: apt-get install nginx",
            Self::Python => "python3 is not installed: apt-get install python3",
            Self::Moto => "moto_server is not installed at the version of .ci/servers: run that",
            Self::Azurite => "azurite is not installed at the version of .ci/servers: run that",
            Self::Openssl => "openssl 3 is not installed: apt-get install openssl",
        }
    }
}

/// Returns the first program of that name that passes a check: the usual one, or one of `PATH`.
fn of_the_system(usual: &str, check: impl Fn(&Path) -> Option<()>) -> Option<PathBuf> {
    let usual = PathBuf::from(usual);
    let name = usual.file_name()?.to_owned();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&paths).map(|directory| directory.join(&name));
    let known: Vec<PathBuf> = named.collect();
    let mut all = std::iter::once(usual).chain(known);
    all.find(|path| path.is_file() && check(path).is_some())
}

/// Returns what a program says, if it succeeds.
fn said(program: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Returns a program that `.ci/servers` installed, if it is of the version that the script names now.
fn installed(name: &str, program: &str) -> Option<PathBuf> {
    // They lie beside what cargo builds.
    let built = Path::new(env!("CARGO_BIN_EXE_wharf")).ancestors().nth(2)?;
    let directory = built.join("test-servers").join(name);
    let version = std::fs::read(directory.join("version")).ok()?;
    let line = format!("{name}={}", String::from_utf8_lossy(&version).trim());
    let wanted = INSTALLER.lines().any(|wanted| wanted == line);
    Some(directory.join(program)).filter(|path| wanted && path.is_file())
}
