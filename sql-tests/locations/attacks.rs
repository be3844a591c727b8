//! The attack list: URLs that try to reach what they must not, with one host that may be reached. Each
//! stands in `attacks.tsv` with the SQLSTATE and the message that refuses it; `--rewrite` writes them.
//!
//! In the list, `ALLOWED` is the host that may be reached and `TRAP` one of this machine that may not
//! and counts who comes; `DIR` is the directory above that of external files.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::data::COLUMNS;
use crate::scene::{GATE, Scene, import};
use crate::servers::Servers;

/// Where the list is.
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sql-tests/locations/attacks.tsv");

/// What lies where nobody may read it, as a row.
const SECRET: &str = "424242,canary,1,1\n";

/// Tries all attacks in one run of the program.
pub(crate) fn check(servers: &Servers, rewrite: bool) {
    let scene = Scene::new();
    let list = fs::read(LIST).expect("the list of attacks");
    let list = String::from_utf8(list).expect("the list is text");
    let (trap, visits) = set_trap();
    lay_out(&scene);
    let allowed = servers.web().address;
    let directory = scene.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let fill = |text: &str| {
        text.replace("ALLOWED", &allowed.to_string())
            .replace("TRAP", &trap.port().to_string())
            .replace("DIR", &directory)
    };
    let hide = |text: &str| {
        text.replace(&allowed.to_string(), "ALLOWED")
            .replace(&format!(":{}", trap.port()), ":TRAP")
            .replace(&format!("%3A{}", trap.port()), "%3ATRAP")
            .replace(&directory, "DIR")
    };
    let attacks: Vec<&str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').next().unwrap_or_default())
        .collect();
    write_script(&scene, attacks.iter().map(|attack| fill(attack)));
    let root = scene.path("extern").to_string_lossy().into_owned();
    let host = allowed.to_string();
    let scene = scene.with_options(&["--external-io-dir", &root, "--allow-host", &host]);
    let ended = scene.run_words(&["--no-errexit", "-f", "attacks.sql"]);
    assert_eq!(ended.code, Some(3), "{}{}", ended.out, ended.err);
    let said = hide(&ended.err);
    let mut seen = String::new();
    for line in list.lines() {
        if line.is_empty() || line.starts_with('#') {
            seen += line;
        } else {
            let attack = line.split('\t').next().unwrap_or_default();
            // The first statement of the script is no attack.
            let number = seen.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).count() + 2;
            let (code, message) = answer(&said, number);
            write!(seen, "{attack}\t{code}\t{message}").expect("text grows");
        }
        seen += "\n";
    }
    if rewrite {
        fs::write(LIST, &seen).expect("the list can be written");
    }
    let differ = list.lines().zip(seen.lines()).filter(|(before, after)| before != after);
    let differ: Vec<String> =
        differ.map(|(before, after)| format!("-{before}\n+{after}")).collect();
    assert!(differ.is_empty(), "--rewrite writes these answers:\n{}", differ.join("\n"));
    assert!(attacks.len() >= 200, "only {} attacks are listed", attacks.len());
    let open = seen.lines().filter(|line| line.ends_with("\tnone\tnot refused"));
    assert_eq!(open.collect::<Vec<_>>(), Vec::<&str>::new(), "attacks get through");
    assert_eq!(visits.load(Ordering::Relaxed), 0, "somebody came to the trap");
    assert!(!format!("{}{}", ended.out, ended.err).contains("canary"), "a secret is shown");
    scene.require_nothing_left();
    check_allowed(&scene, allowed, servers);
    // A hard link is the file itself, wherever else it has a name.
    let linked = import(&["nodelocal://1/linked.csv"], "tmp");
    scene.run(&[GATE, &linked]).require_success();
}

/// Checks that the host that may be reached is reached, also by way of a redirect, and by no other name.
fn check_allowed(scene: &Scene, allowed: SocketAddr, servers: &Servers) {
    for name in ["rows.csv", "moved/rows.csv"] {
        let statement = import(&[&format!("http://{allowed}/{name}")], "tmp");
        assert_eq!(scene.checksum_after(&statement), servers.checksum(), "another table");
        scene.run(&["DROP TABLE t"]).require_success();
    }
    let other = format!("http://localhost:{}/rows.csv", allowed.port());
    scene.refused(&import(&[&other], "tmp"), "42501", &["--allow-host"]);
}

/// Writes a script that tries to read all these URLs.
fn write_script(scene: &Scene, urls: impl Iterator<Item = String>) {
    let mut script = format!("{GATE};\n");
    for url in urls {
        let url = url.replace('\'', "''");
        writeln!(script, "IMPORT TABLE t ({COLUMNS}) CSV DATA (e'{url}') WITH temp = 'tmp';")
            .expect("text grows");
    }
    fs::write(scene.path("attacks.sql"), script).expect("a script");
}

/// Returns the code and the message with which the statement on a line was refused.
fn answer(said: &str, line: usize) -> (String, String) {
    let start = format!("attacks.sql:{line}: ERROR: ");
    let Some((_, rest)) = said.split_once(&start) else {
        return ("none".to_owned(), "not refused".to_owned());
    };
    let message = rest.lines().next().unwrap_or_default().replace('\t', " ");
    let code = rest.split_once("SQLSTATE: ").map_or("", |(_, code)| code);
    (code.chars().take(5).collect(), message)
}

/// Listens on the loopback, and counts who comes.
fn set_trap() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let visits = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&visits);
    thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, visits)
}

/// Lays out files that may be read, files that may not, and ways to them.
fn lay_out(scene: &Scene) {
    for directory in ["extern/d", "extern-evil"] {
        fs::create_dir_all(scene.path(directory)).expect("a directory");
    }
    for secret in ["secret.csv", "extern-evil/x.csv"] {
        fs::write(scene.path(secret), SECRET).expect("a secret");
    }
    let link = |target: &Path, name: &str| {
        symlink(target, scene.path("extern").join(name)).expect("a link");
    };
    link(&scene.path("secret.csv"), "absolute");
    link(Path::new("../secret.csv"), "relative");
    link(Path::new(".."), "up");
    link(Path::new("/"), "root");
    link(Path::new("/proc/self/environ"), "environ");
    link(Path::new("/proc/self/cwd"), "cwd");
    link(Path::new("/dev/zero"), "zero");
    link(Path::new("loop"), "loop");
    link(Path::new("relative"), "chain");
    link(Path::new("../extern-evil"), "sibling");
    fs::write(scene.path("outside.csv"), "1,a,1,1\n").expect("a data file");
    fs::hard_link(scene.path("outside.csv"), scene.path("extern/linked.csv")).expect("a hard link");
    let made = std::process::Command::new("mkfifo").arg(scene.path("extern/fifo")).status();
    assert!(made.expect("mkfifo runs").success());
}
