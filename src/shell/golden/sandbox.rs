//! What one golden file runs in: an empty directory for its files, and an empty database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::error::{Error, SqlState};
use crate::session::{ExternalIo, Options, Session};

/// What a golden file's queries may hold.
const MEMORY: u64 = 256 << 20;
/// How many threads a golden file uses; files run side by side.
const THREADS: usize = 2;

/// How long a server may send nothing, and for how long requests are tried again.
const NETWORK_WAIT: Duration = Duration::from_secs(2);
/// How long a database may stay in use after its session was closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directories of one golden file; removed when dropped.
pub(super) struct Sandbox {
    /// The directory that holds the others; kept for its removal.
    _root: TempDir,
    files: PathBuf,
    database: PathBuf,
}

impl Sandbox {
    /// Makes the directories.
    pub(super) fn new() -> Result<Self, String> {
        let told = |error: std::io::Error| format!("could not make a scratch directory: {error}");
        let root = TempDir::with_prefix("wharf-test-").map_err(told)?;
        let path = root.path().canonicalize().map_err(told)?;
        let files = path.join("files");
        std::fs::create_dir(&files).map_err(told)?;
        Ok(Self { _root: root, files, database: path.join("database") })
    }

    /// Returns the directory of the file's own files, in which its sessions work.
    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    /// Opens a session of root on the database.
    pub(super) fn open(&self, runtime: &Handle, restart: &Restart) -> Result<Session, Error> {
        let _context = runtime.enter();
        let external_io = match &restart.external_io {
            ExternalIo::Directory(directory) => ExternalIo::Directory(self.files.join(directory)),
            other => other.clone(),
        };
        let options = Options {
            database: Some(self.database.clone()),
            user: "root".to_owned(),
            read_only: restart.read_only,
            memory: MEMORY,
            threads: Some(THREADS),
            external_io,
            allow_hosts: restart.allow_hosts.clone(),
            max_disk_temp_storage: restart.max_disk_temp_storage,
            network_timeout: NETWORK_WAIT,
            network_patience: NETWORK_WAIT,
            working_directory: self.files.clone(),
        };
        let started = Instant::now();
        loop {
            match Session::open(options.clone()) {
                // What a closed session left running may hold the database a moment longer.
                Err(error)
                    if error.code() == SqlState::OBJECT_IN_USE && started.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                opened => return opened,
            }
        }
    }

    /// Replaces the sandbox's paths in what was seen, which must not depend on them.
    pub(super) fn neutral(&self, text: &str) -> String {
        text.replace(&self.database.display().to_string(), "<database>")
            .replace(&self.files.display().to_string(), "<scratch>")
    }
}

/// How a session is opened differently.
#[derive(Clone, Debug, Default)]
pub(super) struct Restart {
    /// Whether writing is refused.
    pub(super) read_only: bool,
    /// Where `nodelocal:` points.
    pub(super) external_io: ExternalIo,
    /// The most that temporary files may take.
    pub(super) max_disk_temp_storage: Option<u64>,
    /// Hosts that may be reached, if limited.
    pub(super) allow_hosts: Vec<String>,
}
