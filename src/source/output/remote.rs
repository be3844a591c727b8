//! Files that are written to another machine.
//!
//! A cloud takes a long file in parts, of which nothing is seen before the last request. What cannot be
//! sent so waits on this machine until all files are whole. Short files wait in memory.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::future::join_all;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::upload::RemoteFile;
use super::waiting::Waiting;
use super::{exists, no_file};
use crate::error::{Error, Result};
use crate::source::access::Access;
use crate::source::answer::{Failure, Worth};
use crate::source::cloud::ObjectPlace;
use crate::source::folder::{Folder, ObjectFolder, WebFolder};
use crate::source::host::Reach;
use crate::source::location::{Location, encode};
use crate::source::network::{Network, spawn};
use crate::source::redact::redact;
use crate::source::remote::{Patience, Retry};
use crate::source::temp::{TempDirectory, TempFile, delete};

/// How many parts are on their way at once.
const UPLOADS: usize = 4;

/// How many files are completed at once.
const COMPLETED_AT_ONCE: usize = 4;

/// How many bytes of short files may wait in memory.
const MEMORY: u64 = 32 << 20;

/// A directory of another machine that files are written to.
pub(super) struct RemoteOutput {
    pub(super) network: Arc<Network>,
    pub(super) folder: Arc<dyn Folder>,
    pub(super) names: Names,
    spool: Spool,
    pub(super) uploads: Arc<Semaphore>,
    /// How many more bytes may wait in memory.
    memory: AtomicU64,
    state: Mutex<State>,
}

/// How files are called.
pub(super) struct Names {
    /// What stands before and behind the name of a file in its URL.
    around: [String; 2],
    /// Whether a name is encoded in requests.
    encoded: bool,
}

impl Names {
    /// Returns what a file is called in requests.
    pub(super) fn key(&self, name: &str) -> String {
        if self.encoded { encode(name.as_bytes()) } else { name.to_owned() }
    }

    /// Returns a file's name with its place, secrets redacted.
    pub(super) fn shown(&self, name: &str) -> String {
        let [before, after] = &self.around;
        redact(&format!("{before}{}{after}", encode(name.as_bytes())))
    }
}

/// Where files wait on this machine, made when the first has to.
struct Spool {
    access: Access,
    path: PathBuf,
    job: u64,
}

/// What is known of the files.
#[derive(Default)]
pub(super) struct State {
    /// Files that are whole, by name.
    pub(super) whole: HashMap<String, Waiting>,
    /// Files in parts that are neither completed nor given up: the key of each, and its id.
    pub(super) begun: Vec<(String, String)>,
    /// The keys of files that are there, or may be.
    there: Vec<String>,
    /// Parts on their way of files that were given up.
    pub(super) given_up: Vec<JoinHandle<()>>,
    spool: Option<Arc<TempDirectory>>,
    spooled: u64,
}

impl fmt::Debug for RemoteOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteOutput").field("place", &self.names.shown("")).finish_non_exhaustive()
    }
}

impl RemoteOutput {
    /// Returns the directory `location`, of which nothing is asked so far.
    pub(super) fn directory(
        access: &Access,
        location: &Location,
        (job, spool): (u64, &std::path::Path),
    ) -> Result<Self> {
        let network = access.network();
        let text = location.text();
        let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        let around = [format!("{}/", path.trim_end_matches('/')), query.to_owned()];
        let folder: Arc<dyn Folder> = match location {
            Location::Object(place) => Arc::new(object_folder(network, place)?),
            Location::Http(place) => {
                check(network, &place.url, text)?;
                Arc::new(WebFolder::new(network, place, ""))
            }
            Location::Local(_) | Location::Nodelocal(_) => return Err(not_remote()),
        };
        let encoded = matches!(location, Location::Http(_));
        Ok(Self::new(access, folder, Names { around, encoded }, (job, spool)))
    }

    /// Returns the directory of the file `location`, and the name of the file in it.
    pub(super) fn file(
        access: &Access,
        location: &Location,
        (job, spool): (u64, &std::path::Path),
    ) -> Result<(Self, String)> {
        let network = access.network();
        let text = location.text();
        let end = text.find('?').unwrap_or(text.len());
        let start = text[..end].rfind('/').map_or(0, |at| at + 1);
        let around = [text[..start].to_owned(), text[end..].to_owned()];
        let (folder, name): (Arc<dyn Folder>, _) = match location {
            Location::Object(place) if !place.last_element().is_empty() => {
                let parent = ObjectPlace { key: place.directory().to_owned(), ..place.clone() };
                (Arc::new(object_folder(network, &parent)?), place.last_element().to_owned())
            }
            Location::Http(place) if !place.url.path().ends_with('/') => {
                check(network, &place.url, text)?;
                let (parent, name) = WebFolder::of_file(network, place);
                (Arc::new(parent), name)
            }
            Location::Object(_) | Location::Http(_) => return Err(no_file(location)),
            Location::Local(_) | Location::Nodelocal(_) => return Err(not_remote()),
        };
        Ok((Self::new(access, folder, Names { around, encoded: false }, (job, spool)), name))
    }

    fn new(
        access: &Access,
        folder: Arc<dyn Folder>,
        names: Names,
        (job, spool): (u64, &std::path::Path),
    ) -> Self {
        Self {
            network: Arc::clone(access.network()),
            folder,
            names,
            spool: Spool { access: access.clone(), path: spool.to_owned(), job },
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            memory: AtomicU64::new(MEMORY),
            state: Mutex::default(),
        }
    }

    /// Held only for moments, also by the threads that make requests.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, name: &str, failure: Failure) -> Error {
        failure.into_write_error(&self.names.shown(name))
    }

    /// Starts a file.
    pub(super) fn create(self: &Arc<Self>, name: &str) -> RemoteFile {
        RemoteFile::new(self, name)
    }

    /// Fails if there is a file of this name.
    pub(super) fn require_absent(self: &Arc<Self>, name: &str) -> Result {
        let (output, key) = (Arc::clone(self), self.names.key(name));
        let patience = self.network.patience();
        let found = self.network.wait(async move { output.size_of(&key, patience).await })?;
        match found {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(exists(&self.names.shown(name))),
            Err(failure) => Err(self.error(name, failure)),
        }
    }

    /// Returns the size of a file if there is one, as far as the server tells it.
    async fn size_of(&self, key: &str, patience: Patience) -> Result<Option<Option<u64>>, Failure> {
        let file = self.folder.file(key);
        let mut retry = Retry::new(patience, false);
        loop {
            match patience.wait(file.get(Some(0..1), None)).await.and_then(|answer| answer) {
                Ok(answer) => return Ok(Some(answer.version.size)),
                // An empty file has no first byte.
                Err(failure) if failure.status == Some(416) => return Ok(Some(Some(0))),
                Err(failure) if failure.is_missing_file() => return Ok(None),
                Err(failure) => retry.pause(failure).await?,
            }
        }
    }

    /// Lets the files appear; none if one cannot.
    pub(super) fn publish(self: &Arc<Self>, names: &[String], overwrite: bool) -> Result {
        let (sender, receiver) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (output, stopped) = (Arc::clone(self), Arc::clone(&stop));
        let names = names.to_vec();
        let task = spawn(async move {
            // Nobody may listen any more.
            sender.send(output.complete_all(names, overwrite, &stopped).await).ok();
        })?;
        let published = match self.network.wait(receiver) {
            Ok(result) => result.unwrap_or_else(|_| Err(Error::internal("a task ended early"))),
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                // What reaches the server after it was deleted would stay.
                self.state().given_up.push(task);
                self.settle();
                Err(error)
            }
        };
        published.map_err(|error| {
            let keys = std::mem::take(&mut self.state().there);
            if self.remove(keys) {
                return error;
            }
            error.detail("Files that had been written could not be deleted again.")
        })
    }

    /// Completes files, several at once, up to the first that cannot be.
    async fn complete_all(
        self: Arc<Self>,
        names: Vec<String>,
        overwrite: bool,
        stop: &AtomicBool,
    ) -> Result {
        let each = |name: String| {
            let output = Arc::clone(&self);
            async move {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let completed = output.complete(&name, overwrite).await;
                completed.inspect_err(|_| stop.store(true, Ordering::Relaxed))
            }
        };
        let results: Vec<Result> =
            futures::stream::iter(names).map(each).buffered(COMPLETED_AT_ONCE).collect().await;
        results.into_iter().collect()
    }

    /// Lets one file appear.
    async fn complete(&self, name: &str, overwrite: bool) -> Result {
        let (key, patience) = (self.names.key(name), self.network.patience());
        let Some(waiting) = self.state().whole.remove(name) else {
            return Err(Error::internal(format!("file \"{name}\" was not written")));
        };
        if !overwrite {
            let found = self.size_of(&key, patience).await;
            if found.map_err(|failure| self.error(name, failure))?.is_some() {
                return Err(exists(&self.names.shown(name)));
            }
            self.state().there.push(key.clone());
        }
        let mut retry = Retry::new(patience, true);
        let mut tries = 0;
        loop {
            let sent = waiting.send(&*self.folder, &key, patience).await;
            let Err(failure) = sent else { break };
            tries += 1;
            // An answer was lost: what was completed cannot be completed again.
            if tries > 1
                && failure.status == Some(404)
                && self.size_of(&key, patience).await.ok().flatten() == Some(Some(waiting.size()))
            {
                break;
            }
            let certain = failure.worth == Worth::Nothing;
            if let Err(failure) = retry.pause(failure).await {
                let mut state = self.state();
                if certain && tries == 1 {
                    // Nothing of ours is there.
                    state.there.retain(|there| *there != key);
                }
                drop(state);
                return Err(self.error(name, failure));
            }
        }
        let mut state = self.state();
        if let Waiting::Parts { id, .. } = &waiting {
            state.begun.retain(|begun| *begun != (key.clone(), id.clone()));
        }
        if overwrite {
            state.there.push(key);
        }
        Ok(())
    }

    /// Removes files that were published.
    pub(super) fn retract(&self, names: &[String]) {
        self.remove(names.iter().map(|name| self.names.key(name)).collect());
    }

    /// Deletes files, also if the statement shall stop, but does not try for long; returns whether it
    /// went well.
    fn remove(&self, keys: Vec<String>) -> bool {
        if keys.is_empty() {
            return true;
        }
        let folder = Arc::clone(&self.folder);
        let patience = self.network.patience().for_cleaning();
        let deleted =
            Network::finish(async move { delete(&*folder, &keys, patience).await.is_ok() });
        deleted.unwrap_or(false)
    }

    /// Waits, not for long, for what is on its way and not wanted any more.
    fn settle(&self) {
        let tasks = std::mem::take(&mut self.state().given_up);
        if tasks.is_empty() {
            return;
        }
        let patience = self.network.patience().for_cleaning();
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        Network::finish(async move { patience.wait(join_all(tasks)).await.is_ok() }).ok();
        aborts.iter().for_each(tokio::task::AbortHandle::abort);
    }

    /// Gives up what was begun and not completed.
    pub(super) fn clean_up(&self) {
        self.settle();
        let begun = std::mem::take(&mut self.state().begun);
        if begun.is_empty() {
            return;
        }
        let folder = Arc::clone(&self.folder);
        let patience = self.network.patience().for_cleaning();
        // What is left nobody sees, and the server forgets it by its own rules.
        Network::finish(async move {
            let aborts = begun.iter().map(|(key, id)| folder.abort(key, id));
            patience.wait(join_all(aborts)).await.is_ok()
        })
        .ok();
    }

    /// Lets some bytes wait in memory, if there is room.
    pub(super) fn take_memory(&self, bytes: u64) -> bool {
        let less = |room: u64| room.checked_sub(bytes);
        self.memory.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Makes a file that waits on this machine.
    pub(super) fn spool(&self) -> Result<(Arc<TempDirectory>, String, TempFile)> {
        let mut state = self.state();
        let directory = if let Some(directory) = &state.spool {
            Arc::clone(directory)
        } else {
            let Spool { access, path, job } = &self.spool;
            let directory = Arc::new(access.own_temp_directory(path, *job)?);
            state.spool = Some(Arc::clone(&directory));
            directory
        };
        state.spooled += 1;
        let name = format!("file-{}", state.spooled);
        drop(state);
        let file = directory.create(&name)?;
        Ok((directory, name, file))
    }
}

/// Returns a folder in a cloud, whose service the rules permit.
fn object_folder(network: &Arc<Network>, place: &ObjectPlace) -> Result<ObjectFolder> {
    if let Some(endpoint) = place.endpoint() {
        check(network, endpoint, &place.text)?;
    }
    ObjectFolder::new(network, place, "")
}

/// Fails if the rules do not permit a service.
fn check(network: &Network, url: &url::Url, text: &str) -> Result {
    let checked = network.rules.check(url, Reach::Any);
    checked.map_err(|failure| failure.into_write_error(&redact(text)))
}

fn not_remote() -> Error {
    Error::internal("a place of this machine was taken for another's")
}
