//! What all requests over the network share: the threads that make them, the rules of the session, the
//! clients, and how long to wait.
//!
//! Callers block. Futures run on threads of their own, so that it does not matter where a caller runs.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::answer::Failure;
use super::block::BlockCache;
use super::cloud::Provider;
use super::host::{HostRules, Lookup, Reach, Resolver, system_lookup};
use super::object::Store;
use super::remote::Patience;
use crate::error::{Error, Result, SqlState};

/// The threads that make requests. They wait most of the time.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).thread_name("wharf-network").enable_all().build()
});

/// How many connections to a host wait for the next request: each holds on to memory.
const MOST_IDLE: usize = 16;

/// How often a waiting caller looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(50);

/// Tells whether the statement shall stop, by its error.
pub type StopCheck = Arc<dyn Fn() -> Result + Send + Sync>;

/// How a session uses the network.
#[derive(Clone)]
pub struct NetworkOptions {
    /// Hosts that may be reached, each as `HOST` or `HOST:PORT`; empty: any but those of metadata.
    pub allow_hosts: Vec<String>,
    /// How long a server may send nothing.
    pub silence: Duration,
    /// For how long failed requests are tried again while no byte comes.
    pub patience: Duration,
    /// Asked again and again while a request runs.
    pub stop: StopCheck,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            silence: Duration::from_secs(30),
            patience: Duration::from_mins(1),
            stop: Arc::new(|| Ok(())),
        }
    }
}

impl fmt::Debug for NetworkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkOptions")
            .field("allow_hosts", &self.allow_hosts)
            .finish_non_exhaustive()
    }
}

/// The network as a session sees it.
pub(super) struct Network {
    pub(super) options: NetworkOptions,
    pub(super) rules: Arc<HostRules>,
    /// How the addresses of hosts are found.
    pub(super) lookup: Lookup,
    clients: [OnceLock<Client>; 3],
    /// Clients of clouds, which hold on to tokens.
    stores: Mutex<HashMap<(Provider, String), Arc<Store>>>,
    /// What has been read ahead.
    pub(super) cache: Arc<BlockCache>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Network {
    pub(super) fn new(options: NetworkOptions) -> Result<Self> {
        Ok(Self {
            rules: Arc::new(HostRules::parse(&options.allow_hosts)?),
            options,
            lookup: system_lookup(),
            clients: [const { OnceLock::new() }; 3],
            stores: Mutex::default(),
            cache: Arc::default(),
        })
    }

    /// Returns the client whose connections lead as far as `reach` says.
    pub(super) fn client(&self, reach: Reach) -> Result<&Client, Failure> {
        let place = &self.clients[reach as usize];
        if let Some(client) = place.get() {
            return Ok(client);
        }
        // Proxies and redirects would lead past the rules, and bodies are passed on as they come.
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .dns_resolver(Arc::new(self.resolver(reach)))
            .pool_max_idle_per_host(MOST_IDLE)
            .connect_timeout(self.options.silence.min(Duration::from_secs(10)))
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::of_cause(&error))?;
        Ok(place.get_or_init(|| client))
    }

    fn resolver(&self, reach: Reach) -> Resolver {
        Resolver { rules: Arc::clone(&self.rules), reach, lookup: Arc::clone(&self.lookup) }
    }

    /// Returns how long to wait and to try.
    pub(super) fn patience(&self) -> Patience {
        Patience { silence: self.options.silence, whole: self.options.patience }
    }

    /// Returns the client of a bucket, made by `make` if there is none.
    pub(super) fn store(
        &self,
        provider: &Provider,
        bucket: &str,
        make: impl FnOnce() -> Result<Store>,
    ) -> Result<Arc<Store>> {
        let key = (provider.clone(), bucket.to_owned());
        let mut stores = self.stores.lock().expect("no thread panics with the lock");
        if let Some(store) = stores.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(make()?);
        stores.insert(key, Arc::clone(&store));
        Ok(store)
    }

    /// Runs a future to its end and returns what it gives. It is dropped if the statement shall stop.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = sync_channel(1);
        let task = spawn(async move {
            // Nobody may listen any more.
            sender.send(future.await).ok();
        })?;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(stopped) = (self.options.stop)() {
                        task.abort();
                        return Err(stopped);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a request over the network ended early"));
                }
            }
        }
    }

    /// Runs a future to its end, also if the statement shall stop: to clean up. It must end by itself.
    pub(super) fn finish<T: Send + 'static>(
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = sync_channel(1);
        spawn(async move {
            sender.send(future.await).ok();
        })?;
        receiver.recv().map_err(|_| Error::internal("a request over the network ended early"))
    }

    /// Runs a future to its end, to clean up; once the statement shall stop, for `grace` at most. Returns
    /// nothing if it did not end by then.
    pub(super) fn finish_within<T: Send + 'static>(
        &self,
        grace: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<Option<T>> {
        let (sender, receiver) = sync_channel(1);
        let task = spawn(async move {
            sender.send(future.await).ok();
        })?;
        let mut stopped: Option<Instant> = None;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a request over the network ended early"));
                }
            }
            if stopped.is_none() && (self.options.stop)().is_err() {
                stopped = Some(Instant::now());
            }
            if stopped.is_some_and(|stopped| stopped.elapsed() >= grace) {
                task.abort();
                return Ok(None);
            }
        }
    }
}

/// Starts a future on the threads of the network.
pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.spawn(future)),
        Err(error) => Err(Error::new(
            SqlState::OUT_OF_MEMORY,
            format!("could not start the threads of the network: {error}"),
        )),
    }
}
