//! One user's run: settings, transaction, parse, plan, do, `Outcome`.
//!
//! A session takes the text of one statement and gives its outcome; errors leave it with the text
//! attached. It draws nothing and knows no terminal.

mod clock;
mod execute;
mod export;
#[cfg(test)]
mod export_properties;
mod import;
#[cfg(test)]
mod import_properties;
mod index;
mod insert;
mod jobs;
mod launch;
mod names;
mod rejects;
mod show;
mod table;
mod timer;
mod transaction;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::catalog::{Catalog, DEFAULT_DATABASE, ROOT};
use crate::error::{Error, Result, SqlState};
use crate::job::registry::Registry;
use crate::job::{Cancellation, cancelled};
use crate::plan::{Variables, default_variables};
use crate::query::{Engine, QueryContext, SequenceMemory};
use crate::source::{Access, AccessOptions, NetworkOptions, io_error};
use crate::store::{OpenOptions, Store, View};

use self::import::Waiting;
use self::timer::Timer;
use self::transaction::Written;

pub use self::names::Names;
pub use crate::job::export::Formatter as RowFormatter;
pub use crate::job::{Event, Progress};
pub use crate::query::Rows;
pub use crate::source::redact_text;
pub use arrow::array::RecordBatch;

/// How a session is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database directory; `None` is a temporary one, removed at the end.
    pub database: Option<PathBuf>,
    /// The user.
    pub user: String,
    /// Whether writing is refused.
    pub read_only: bool,
    /// What batches, runs, caches and queries may hold, in bytes.
    pub memory: u64,
    /// How many threads convert, sort and query; `None`: one per core.
    pub threads: Option<usize>,
    /// Where `nodelocal:` points.
    pub external_io: ExternalIo,
    /// Hosts that may be reached, if limited.
    pub allow_hosts: Vec<String>,
    /// The most that temporary files may take, in bytes; `None`: unlimited.
    pub max_disk_temp_storage: Option<u64>,
    /// How long a server may send nothing.
    pub network_timeout: Duration,
    /// For how long a failed request is tried again while no byte comes.
    pub network_patience: Duration,
    /// Where relative paths start.
    pub working_directory: PathBuf,
}

#[cfg(test)]
impl Options {
    /// Returns the options of root's session with a database in `directory`, on two threads.
    fn for_tests(directory: &Path, memory: u64) -> Self {
        Self {
            database: Some(directory.join("shop")),
            user: "root".to_owned(),
            read_only: false,
            memory,
            threads: Some(2),
            external_io: ExternalIo::Default,
            allow_hosts: Vec::new(),
            max_disk_temp_storage: None,
            network_timeout: Duration::from_secs(30),
            network_patience: Duration::from_secs(30),
            working_directory: directory.to_owned(),
        }
    }
}

/// The root of `nodelocal:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExternalIo {
    /// `extern/` in the database directory.
    #[default]
    Default,
    /// Another directory.
    Directory(PathBuf),
    /// No local files at all: neither `nodelocal:` nor `file:` nor plain paths.
    Disabled,
}

/// What a statement gave.
pub enum Outcome {
    /// Rows, to be fetched from the stream.
    Rows {
        /// The rows.
        rows: Rows,
        /// The word before the count in the command tag: `SELECT`, or empty for no tag.
        tag: &'static str,
    },
    /// Rows to print as text, and then how many they were.
    Copy {
        /// The rows.
        rows: Rows,
        /// Makes text of them.
        formatter: RowFormatter,
    },
    /// Nothing but a command tag, such as `CREATE TABLE` or `INSERT 0 5`.
    Done {
        /// The tag.
        tag: String,
    },
}

/// Where events of a statement go while it runs.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// Cancels the running statement from another thread or task.
#[derive(Clone, Debug, Default)]
pub struct CancelHandle {
    cancellation: Cancellation,
    notify: Arc<Notify>,
    timed_out: Arc<AtomicBool>,
}

impl CancelHandle {
    /// Cancels the statement that runs; it fails with 57014.
    pub fn cancel(&self) {
        self.cancellation.cancel();
        self.notify.notify_waiters();
    }

    /// Cancels the statement because it takes longer than it may.
    fn time_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
        self.cancel();
    }

    /// Forgets that a statement was cancelled, before the next one.
    fn reset(&self) {
        self.timed_out.store(false, Ordering::Relaxed);
        self.cancellation.reset();
    }

    /// Returns whether the statement that runs was cancelled.
    fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Returns the error of the statement that was cancelled.
    pub fn error(&self) -> Error {
        if self.timed_out.load(Ordering::Relaxed) {
            return Error::new(
                SqlState::QUERY_CANCELED,
                "canceling statement due to statement timeout",
            )
            .hint("SET statement_timeout = 0 takes the limit away.");
        }
        cancelled()
    }

    /// Completes when the statement is cancelled.
    pub async fn cancelled(&self) {
        let notified = self.notify.notified();
        if !self.cancellation.is_cancelled() {
            notified.await;
        }
    }
}

/// Whether a transaction is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// None is open.
    Idle,
    /// One is open.
    Open,
    /// One is open and has failed.
    Failed,
}

/// One user's run.
pub struct Session {
    options: Options,
    store: Arc<Store>,
    engine: Arc<Engine>,
    access: Arc<Access>,
    user: String,
    database: String,
    variables: Variables,
    transaction: TransactionState,
    /// What the transaction sees: the store when it began, and what it has written since.
    snapshot: Option<Arc<View>>,
    /// What the transaction has written.
    written: Written,
    /// Whether the rows of a query broke off while they were fetched, which fails the transaction.
    rows_failed: Arc<AtomicBool>,
    /// Counts down the time of the statement that runs.
    timer: Timer,
    cancel: CancelHandle,
    threads: usize,
    /// The jobs that run.
    jobs: Arc<Registry>,
    /// Jobs that begin when the transaction is committed.
    pending: Vec<Waiting>,
    /// The rows of the COPY FROM STDIN that runs next.
    copy_input: Option<File>,
    /// Whether the text of the statement that runs holds secrets.
    secrets: bool,
    /// What is remembered of sequences.
    sequences: Arc<SequenceMemory>,
    /// Keeps a temporary database directory until the session ends; after `store`, which it holds.
    temporary: Option<tempfile::TempDir>,
}

impl Session {
    /// Opens a session, and the database with it.
    pub fn open(options: Options) -> Result<Self> {
        let temporary = match options.database {
            Some(_) => None,
            None => Some(temporary_directory()?),
        };
        let directory = match (&options.database, &temporary) {
            (Some(path), _) => options.working_directory.join(path),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(Error::internal("a session without a database directory")),
        };
        let open = OpenOptions { read_only: options.read_only };
        let store = Arc::new(Store::open(&directory, &open)?);
        let threads = options.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        let memory = usize::try_from(options.memory).unwrap_or(usize::MAX);
        let engine = Arc::new(Engine::new(memory, threads.max(1))?);
        let cancel = CancelHandle::default();
        let access = Arc::new(open_access(&options, store.path(), &cancel)?);
        let mut session = Self {
            store,
            engine,
            access,
            user: ROOT.to_owned(),
            database: DEFAULT_DATABASE.to_owned(),
            variables: default_variables(),
            transaction: TransactionState::Idle,
            snapshot: None,
            written: Written::default(),
            rows_failed: Arc::default(),
            timer: Timer::default(),
            cancel,
            threads: threads.max(1),
            jobs: Arc::default(),
            pending: Vec::new(),
            copy_input: None,
            secrets: false,
            sequences: Arc::default(),
            temporary,
            options,
        };
        let user = session.options.user.clone();
        session.set_user(&user)?;
        session.use_database(DEFAULT_DATABASE);
        Ok(session)
    }

    /// Makes a file for the rows of a COPY FROM STDIN; it is gone when it is closed.
    pub fn copy_input(&self) -> Result<File> {
        let directory = self.store.path().join("tmp");
        let made =
            std::fs::create_dir_all(&directory).and_then(|()| tempfile::tempfile_in(&directory));
        made.map_err(|error| io_error("create a file in", &directory.to_string_lossy(), &error))
    }

    /// Gives the rows to the COPY FROM STDIN that runs next.
    pub fn set_copy_input(&mut self, rows: File) {
        self.copy_input = Some(rows);
    }

    /// Returns a handle that cancels what this session runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Returns the user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the current database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the database directory.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Returns whether the database directory is a temporary one.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Returns whether a transaction is open.
    pub fn transaction(&self) -> TransactionState {
        match self.transaction {
            TransactionState::Open if self.rows_failed.load(Ordering::Relaxed) => {
                TransactionState::Failed
            }
            state => state,
        }
    }

    /// Returns what a statement sees of the store.
    fn view(&self) -> Arc<View> {
        self.snapshot.clone().unwrap_or_else(|| self.store.view())
    }

    /// Changes the user (42704 if it does not exist).
    pub fn set_user(&mut self, user: &str) -> Result<()> {
        if !self.store.view().catalog.user_exists(user) {
            return Err(Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("user \"{user}\" does not exist"),
            )
            .hint("Start as root and run CREATE USER first."));
        }
        self.access = Arc::new(self.access.with_explicit_only(user != ROOT));
        user.clone_into(&mut self.user);
        Ok(())
    }

    /// Changes where relative paths start.
    pub fn set_working_directory(&mut self, directory: &Path) {
        directory.clone_into(&mut self.options.working_directory);
        self.access = Arc::new(self.access.with_working_directory(directory.to_owned()));
    }

    /// Returns where relative paths start.
    pub fn working_directory(&self) -> &Path {
        &self.options.working_directory
    }

    /// Returns the value of a session variable, such as `timezone`.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn use_database(&mut self, name: &str) {
        name.clone_into(&mut self.database);
        self.variables.insert("database".to_owned(), name.to_owned());
    }

    /// Returns what a query of this statement may see.
    fn query_context(&self) -> QueryContext {
        QueryContext {
            store: Arc::clone(&self.store),
            view: self.view(),
            database: self.database.clone(),
            user: self.user.clone(),
            now: clock::now(),
            time_zone: self.variable("timezone").unwrap_or_else(|| "UTC".to_owned()),
            files: Arc::default(),
            sequences: Arc::clone(&self.sequences),
            home: None,
        }
    }
}

impl Drop for Session {
    /// Waits for what queries still hold of the store, so that the database is free when the session
    /// is gone; not for long, and without harm if it is in vain. Jobs that still run are paused.
    fn drop(&mut self) {
        self.snapshot = None;
        self.forget_written();
        self.pause_jobs();
        for _ in 0..400 {
            if Arc::strong_count(&self.store) == 1 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn temporary_directory() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("wharf-database-").tempdir().map_err(|error| {
        crate::source::io_error("create", "a temporary database directory", &error)
    })
}

fn open_access(options: &Options, database: &Path, cancel: &CancelHandle) -> Result<Access> {
    let external_io_directory = match &options.external_io {
        ExternalIo::Default => Some(database.join("extern")),
        ExternalIo::Directory(directory) => Some(options.working_directory.join(directory)),
        ExternalIo::Disabled => None,
    };
    let cancellation = cancel.cancellation.clone();
    let network = NetworkOptions {
        allow_hosts: options.allow_hosts.clone(),
        silence: options.network_timeout,
        patience: options.network_patience,
        stop: Arc::new(move || cancellation.check()),
    };
    Access::new(AccessOptions {
        external_io_directory,
        working_directory: options.working_directory.clone(),
    })
    .with_temp_limit(options.max_disk_temp_storage)
    .with_network(network)
}
