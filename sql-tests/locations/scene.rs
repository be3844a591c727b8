//! A scratch directory with a database, and what is checked about it after each import.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::data::COLUMNS;
use crate::http::encode;
use crate::scratch::{end_with_the_tests, has_ended, new_directory};

/// Turns the gate on.
pub(crate) const GATE: &str = "SET CLUSTER SETTING experimental.importcsv.enabled = true";

/// One row that tells two tables apart: what the columns hold, in the order of the key.
const CHECKSUM: &str = "SELECT count(*), sum(id), count(name), md5(string_agg(concat(id::string, \
     '|', coalesce(name, 'NULL'), '|', n::string, '|', x::string), ',' ORDER BY id)) FROM t";

/// How long one run of the program may take before it counts as hanging.
const LIMIT: Duration = Duration::from_mins(5);

/// What a run of the program did.
pub(crate) struct Ended {
    /// The exit code; `None` if it was killed because it took too long.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ended {
    /// Fails the test unless the run succeeded.
    pub(crate) fn require_success(&self) {
        assert_eq!(self.code, Some(0), "after {:?}: {}{}", self.took, self.out, self.err);
    }

    /// Fails the test unless the run was refused with this SQLSTATE and all of `words` in its report.
    pub(crate) fn require_refused(&self, code: &str, words: &[&str]) {
        assert_eq!(self.code, Some(1), "not refused: {}{}", self.out, self.err);
        assert!(self.err.contains(&format!("SQLSTATE: {code}")), "no {code}: {}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in: {}", self.err);
        }
    }
}

/// A scratch directory with a database in it.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
    options: Vec<String>,
    variables: Vec<(String, String)>,
    limit: Duration,
    secrets: Vec<String>,
}

impl Scene {
    /// Makes a directory; the database is made by the first run.
    pub(crate) fn new() -> Self {
        Self {
            directory: new_directory(),
            options: Vec::new(),
            variables: Vec::new(),
            limit: LIMIT,
            secrets: Vec::new(),
        }
    }

    /// Gives every run these options too.
    pub(crate) fn with_options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Gives every run this environment variable.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets no run take longer.
    pub(crate) fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Fails the test if a run shows one of these, as it is or encoded.
    pub(crate) fn with_secrets(mut self, secrets: &[&str]) -> Self {
        self.secrets
            .extend(secrets.iter().flat_map(|secret| [(*secret).to_owned(), encode(secret)]));
        self
    }

    /// Returns a path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs statements one after the other, up to the first that fails.
    pub(crate) fn run(&self, statements: &[&str]) -> Ended {
        let mut words: Vec<&str> = Vec::new();
        for statement in statements {
            words.extend(["-e", statement]);
        }
        self.run_words(&words)
    }

    /// Runs the program with these arguments.
    pub(crate) fn run_words(&self, words: &[&str]) -> Ended {
        let begun = Instant::now();
        let mut running = self.start(words);
        let mut ended = false;
        while !ended && begun.elapsed() < self.limit {
            sleep(Duration::from_millis(5));
            ended = running.try_wait().expect("it can be waited for").is_some();
        }
        if !ended {
            running.kill().expect("it can be killed");
        }
        let status = running.wait().expect("it ends");
        has_ended(&running);
        let code = ended.then(|| status.code().unwrap_or(-1));
        let text = |name: &str| {
            let bytes = fs::read(self.path(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (out, err) = (text("out.txt"), text("err.txt"));
        for secret in &self.secrets {
            assert!(
                !out.contains(secret) && !err.contains(secret),
                "{secret} is shown: {out}{err}"
            );
        }
        Ended { code, out, err, took: begun.elapsed() }
    }

    /// Starts the program with these arguments; what it says goes to `out.txt` and `err.txt`. Who has seen
    /// it end calls [`has_ended`].
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        let output =
            |name: &str| fs::File::create(self.path(name)).expect("a file for what is said");
        let running = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .current_dir(self.directory.path())
            .args(["--no-init", "--format", "csv", "shop"])
            .args(&self.options)
            .args(words)
            // Nothing of the machine may help: no credentials, no proxies.
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_BACKTRACE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("out.txt"))
            .stderr(output("err.txt"))
            .spawn()
            .expect("the program starts");
        end_with_the_tests(&running);
        running
    }

    /// Imports files into the table `t` with `temp` here, and returns how it ended.
    pub(crate) fn import(&self, urls: &[&str]) -> Ended {
        self.run(&[GATE, &import(urls, "tmp")])
    }

    /// Imports files, which must succeed, and returns the checksum of the table.
    pub(crate) fn checksum_of(&self, urls: &[&str]) -> String {
        self.checksum_after(&import(urls, "tmp"))
    }

    /// Runs an import, which must succeed, and returns the checksum of the table `t`.
    pub(crate) fn checksum_after(&self, import: &str) -> String {
        let ended = self.run(&[GATE, import, CHECKSUM]);
        ended.require_success();
        assert!(!ended.err.contains("ERROR"), "{}", ended.err);
        let sum = ended.out.lines().last().unwrap_or_default().to_owned();
        assert!(sum.contains(','), "no checksum: {}", ended.out);
        sum
    }

    /// Returns the checksum of the table `t`.
    pub(crate) fn checksum(&self) -> String {
        let ended = self.run(&[CHECKSUM]);
        ended.require_success();
        ended.out.lines().last().unwrap_or_default().to_owned()
    }

    /// Runs statements of which the last must be refused.
    pub(crate) fn refused(&self, statement: &str, code: &str, words: &[&str]) -> Ended {
        let ended = self.run(&[GATE, statement]);
        ended.require_refused(code, words);
        self.require_nothing_left();
        ended
    }

    /// Fails the test if a table, a data file or a temporary file is there.
    pub(crate) fn require_nothing_left(&self) {
        let shown = self.run(&["SHOW TABLES"]);
        shown.require_success();
        assert_eq!(shown.out.lines().count(), 1, "a table was left: {}", shown.out);
        let none = Vec::<PathBuf>::new();
        assert_eq!(files_below(&self.path("shop/data")), none, "data files were left");
        self.require_no_temp();
    }

    /// Fails the test if a temporary file is here.
    pub(crate) fn require_no_temp(&self) {
        let none = Vec::<PathBuf>::new();
        assert_eq!(files_below(&self.path("tmp")), none, "temporary files were left");
        assert_eq!(files_below(&self.path("shop/tmp")), none, "temporary files were left");
    }
}

/// Returns the statement that imports files into the table `t`.
pub(crate) fn import(urls: &[&str], temp: &str) -> String {
    import_with(urls, &format!("temp = {}", quoted(temp)))
}

/// Returns the statement that imports files into the table `t` with these options.
pub(crate) fn import_with(urls: &[&str], options: &str) -> String {
    let urls: Vec<String> = urls.iter().map(|url| quoted(url)).collect();
    format!("IMPORT TABLE t ({COLUMNS}) CSV DATA ({}) WITH {options}", urls.join(", "))
}

/// Returns a text as a string of SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the files, not directories, below `directory`; none if it is missing.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
