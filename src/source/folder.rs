//! Directories of other machines that can be written to: files are put whole, read and deleted.
//!
//! Nothing is listed, since web servers list nothing: who writes must know the names.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Attribute, Attributes, PutOptions, PutPayload};
use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::Failure;
use super::cloud::{ObjectPlace, Provider};
use super::host::Reach;
use super::location::HttpPlace;
use super::network::Network;
use super::object::{ObjectFile, Store, failure, object_path, open_store};
use super::remote::Remote;
use super::web::{WebFile, read_failure};
use crate::error::{Result, SqlState};

/// What web servers take in one request unless they are told otherwise: nginx's default.
const WEB_BYTES: usize = 1 << 20;

/// How many files of a web server are deleted at once.
const DELETED_AT_ONCE: usize = 8;

/// A directory of another machine. Names are words of letters, digits and hyphens.
#[async_trait]
pub(super) trait Folder: Send + Sync {
    /// Writes a file whole, in the place of one of that name.
    async fn put(&self, name: &str, content: Bytes) -> Result<(), Failure>;

    /// Deletes files. One that is not there is no failure.
    async fn delete(&self, names: &[String]) -> Result<(), Failure>;

    /// Returns what makes the requests to read a file.
    fn file(&self, name: &str) -> Arc<dyn Remote>;

    /// Removes the directory itself, if the server keeps empty ones.
    async fn remove_itself(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Returns how long a file the server may not take, if there may be a limit below what is written.
    fn doubtful_size(&self) -> Option<usize> {
        None
    }
}

/// A directory in a bucket or container.
pub(super) struct ObjectFolder {
    store: Arc<Store>,
    directory: Path,
    attributes: Attributes,
}

impl ObjectFolder {
    /// Returns the directory `name` in the directory that `place` names.
    pub(super) fn new(network: &Arc<Network>, place: &ObjectPlace, name: &str) -> Result<Self> {
        let mut attributes = Attributes::new();
        if let Provider::S3(s3) = &place.provider
            && let Some(class) = &s3.storage_class
        {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        if let Some(endpoint) = place.endpoint() {
            let checked = network.rules.check(endpoint, Reach::Any);
            checked.map_err(|failure| failure.into_temp_error("write", &place.text))?;
        }
        let directory = object_path(place, &format!("{}{name}", key_directory(place)))?;
        Ok(Self { store: open_store(network, place)?, directory, attributes })
    }
}

#[async_trait]
impl Folder for ObjectFolder {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), Failure> {
        let options = PutOptions { attributes: self.attributes.clone(), ..PutOptions::default() };
        let path = self.directory.clone().join(name);
        let payload = PutPayload::from_bytes(content);
        self.store.objects.put_opts(&path, payload, options).await.map_err(failure)?;
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<(), Failure> {
        let paths: Vec<_> =
            names.iter().map(|name| Ok(self.directory.clone().join(name.as_str()))).collect();
        let mut deleted = self.store.objects.delete_stream(futures::stream::iter(paths).boxed());
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                // Amazon's answer to the deletion of several files is a success that tells of failures.
                Err(error) if format!("{error:?}").contains("AccessDenied") => {
                    return Err(Failure::denied("AccessDenied"));
                }
                Err(error) => {
                    let failure = failure(error);
                    if failure.status != Some(404) {
                        return Err(failure);
                    }
                }
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Arc<dyn Remote> {
        Arc::new(ObjectFile {
            store: Arc::clone(&self.store),
            path: self.directory.clone().join(name),
        })
    }
}

/// Returns the name of the directory that an object's place means, with a slash behind it unless it is
/// the bucket.
pub(super) fn key_directory(place: &ObjectPlace) -> String {
    match place.key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    }
}

/// A directory of a web server.
pub(super) struct WebFolder {
    network: Arc<Network>,
    /// The directory, with a slash behind it and the parameters that go with every request.
    url: Url,
}

impl WebFolder {
    /// Returns the directory `name` in the directory that `place` names.
    pub(super) fn new(network: &Arc<Network>, place: &HttpPlace, name: &str) -> Self {
        let mut url = place.url.clone();
        url.set_path(&format!("{}{name}/", web_directory(place)));
        Self { network: Arc::clone(network), url }
    }

    fn url_of(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{name}", self.url.path()));
        url
    }

    /// Deletes a file, if it is there.
    async fn delete_one(&self, name: &str) -> Result<(), Failure> {
        match self.send(Method::DELETE, name, None).await {
            Err(failure) if !matches!(failure.status, Some(404 | 410)) => Err(failure),
            _ => Ok(()),
        }
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        content: Option<Bytes>,
    ) -> Result<(), Failure> {
        let url = self.url_of(name);
        self.network.rules.check(&url, Reach::Any)?;
        let mut request = self.network.client(Reach::Any)?.request(method, url);
        if let Some(content) = content {
            request = request.body(content);
        }
        let response = request.send().await.map_err(|error| Failure::of_cause(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(refused(read_failure(response).await))
    }
}

#[async_trait]
impl Folder for WebFolder {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), Failure> {
        self.send(Method::PUT, name, Some(content)).await
    }

    async fn delete(&self, names: &[String]) -> Result<(), Failure> {
        let deletions: Vec<_> = names.iter().map(|name| self.delete_one(name)).collect();
        let mut deleted = futures::stream::iter(deletions).buffer_unordered(DELETED_AT_ONCE);
        let mut all = Ok(());
        while let Some(result) = deleted.next().await {
            all = all.and(result);
        }
        all
    }

    fn file(&self, name: &str) -> Arc<dyn Remote> {
        Arc::new(WebFile { network: Arc::clone(&self.network), url: self.url_of(name) })
    }

    async fn remove_itself(&self) -> Result<(), Failure> {
        self.send(Method::DELETE, "", None).await
    }

    fn doubtful_size(&self) -> Option<usize> {
        Some(WEB_BYTES)
    }
}

/// Returns the path of the directory that a URL means, with a slash behind it.
pub(super) fn web_directory(place: &HttpPlace) -> String {
    format!("{}/", place.url.path().trim_end_matches('/'))
}

/// Says what a web server means that does not take what is written to it, or does not delete it.
fn refused(failure: Failure) -> Failure {
    let Some(status) = failure.status else { return failure };
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let told = format!("{status} {}", reason.unwrap_or_default());
    let told = told.trim_end();
    let made = match status {
        300..=399 => Failure::new(
            SqlState::CONNECTION_FAILURE,
            format!("the server redirects what is written there ({told})"),
        )
        .with_hint("Name the place that it redirects to."),
        405 | 501 => Failure::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("the server does not let files be written and deleted there ({told})"),
        )
        .with_hint("Let it take PUT and DELETE: in nginx by \"dav_methods PUT DELETE\"."),
        409 => Failure::new(
            SqlState::UNDEFINED_FILE,
            format!("the server does not make directories there ({told})"),
        )
        .with_hint("Let it make them: in nginx by \"create_full_put_path on\"."),
        413 => Failure::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the server does not take files of {WEB_BYTES} bytes ({told})"),
        )
        .with_hint("Let it take larger ones: in nginx by \"client_max_body_size 0\"."),
        507 => Failure::new(SqlState::DISK_FULL, format!("the server's disk is full ({told})"))
            .with_hint("Free some space there, or name a place on another disk."),
        _ => return failure,
    };
    made.with_status(status)
}
