//! Directories of other machines that can be written to: files are put whole, read and deleted.
//!
//! Nothing is listed, since web servers list nothing: who writes must know the names.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Attribute, Attributes, PutOptions, PutPayload};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, StatusCode};
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

/// The longest file that is written with a storage class, which goes there by one request.
const MOST_OF_CLASS: usize = 256 << 20;

/// How many files of a web server are deleted at once.
const DELETED_AT_ONCE: usize = 8;

/// The bytes of a long file.
pub(super) type Content = BoxStream<'static, std::io::Result<Bytes>>;

/// A directory of another machine. Names are elements of its path, as requests hold them.
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

    /// Writes a file of `size` bytes whole, in the place of one of that name.
    async fn put_long(&self, name: &str, size: u64, content: Content) -> Result<(), Failure>;

    /// Returns whether a file can be written in parts, which appears when they are completed.
    fn takes_parts(&self) -> bool {
        false
    }

    /// Starts a file in parts; returns its id.
    async fn begin(&self, _name: &str) -> Result<String, Failure> {
        Err(no_parts())
    }

    /// Writes a part of the file with a name and id; returns what the server calls it.
    async fn put_part(
        &self,
        _file: (&str, &str),
        _number: usize,
        _content: Bytes,
    ) -> Result<String, Failure> {
        Err(no_parts())
    }

    /// Lets a file in parts appear, in the place of one of that name.
    async fn complete(&self, _name: &str, _id: &str, _parts: Vec<String>) -> Result<(), Failure> {
        Err(no_parts())
    }

    /// Gives up a file in parts.
    async fn abort(&self, _name: &str, _id: &str) -> Result<(), Failure> {
        Err(no_parts())
    }

    /// Returns how long a file the server may not take, if there may be a limit below what is written.
    fn doubtful_size(&self) -> Option<usize> {
        None
    }
}

/// Says that files are written whole.
fn no_parts() -> Failure {
    Failure::new(SqlState::FEATURE_NOT_SUPPORTED, "files cannot be written there in parts")
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

    fn path_of(&self, name: &str) -> Path {
        // A name is taken as it is, as it is when files are read.
        let path = match self.directory.as_ref() {
            "" => Path::parse(name),
            directory => Path::parse(format!("{directory}/{name}")),
        };
        path.unwrap_or_else(|_| self.directory.clone().join(name))
    }
}

#[async_trait]
impl Folder for ObjectFolder {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), Failure> {
        let options = PutOptions { attributes: self.attributes.clone(), ..PutOptions::default() };
        let path = self.path_of(name);
        let payload = PutPayload::from_bytes(content);
        self.store.objects.put_opts(&path, payload, options).await.map_err(failure)?;
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<(), Failure> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path_of(name))).collect();
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
        Arc::new(ObjectFile { store: Arc::clone(&self.store), path: self.path_of(name) })
    }

    async fn put_long(&self, name: &str, _: u64, mut content: Content) -> Result<(), Failure> {
        let mut whole = Vec::new();
        while let Some(piece) = content.next().await {
            whole.extend_from_slice(&piece.map_err(|error| Failure::of_cause(&error))?);
            if whole.len() > MOST_OF_CLASS {
                return Err(Failure::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    "files of more than 256 MiB cannot be written with S3_STORAGE_CLASS",
                )
                .with_hint("Leave it out, or let the files be smaller."));
            }
        }
        self.put(name, Bytes::from(whole)).await
    }

    /// The class cannot be told where a file in parts begins.
    fn takes_parts(&self) -> bool {
        self.attributes.is_empty()
    }

    async fn begin(&self, name: &str) -> Result<String, Failure> {
        self.store.multipart.create_multipart(&self.path_of(name)).await.map_err(failure)
    }

    async fn put_part(
        &self,
        (name, id): (&str, &str),
        number: usize,
        content: Bytes,
    ) -> Result<String, Failure> {
        let payload = PutPayload::from_bytes(content);
        let (path, id) = (self.path_of(name), id.to_owned());
        let part = self.store.multipart.put_part(&path, &id, number, payload).await;
        Ok(part.map_err(failure)?.content_id)
    }

    async fn complete(&self, name: &str, id: &str, parts: Vec<String>) -> Result<(), Failure> {
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        let (path, id) = (self.path_of(name), id.to_owned());
        self.store.multipart.complete_multipart(&path, &id, parts).await.map_err(failure)?;
        Ok(())
    }

    async fn abort(&self, name: &str, id: &str) -> Result<(), Failure> {
        let (path, id) = (self.path_of(name), id.to_owned());
        self.store.multipart.abort_multipart(&path, &id).await.map_err(failure)
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
    /// Returns the directory `name` in the directory that `place` names, or that one itself.
    pub(super) fn new(network: &Arc<Network>, place: &HttpPlace, name: &str) -> Self {
        let mut url = place.url.clone();
        let slash = if name.is_empty() { "" } else { "/" };
        url.set_path(&format!("{}{name}{slash}", web_directory(place)));
        Self { network: Arc::clone(network), url }
    }

    /// Returns the directory of the file `place`, and the name of the file.
    pub(super) fn of_file(network: &Arc<Network>, place: &HttpPlace) -> (Self, String) {
        let mut url = place.url.clone();
        let path = place.url.path();
        let (directory, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        url.set_path(directory);
        (Self { network: Arc::clone(network), url }, name.to_owned())
    }

    fn url_of(&self, name: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{name}", self.url.path()));
        url
    }

    /// Deletes a file, if it is there.
    async fn delete_one(&self, name: &str) -> Result<(), Failure> {
        match self.send(Method::DELETE, name, None, 0).await {
            Err(failure) if !matches!(failure.status, Some(404 | 410)) => Err(failure),
            _ => Ok(()),
        }
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        content: Option<Body>,
        size: u64,
    ) -> Result<(), Failure> {
        let url = self.url_of(name);
        self.network.rules.check(&url, Reach::Any)?;
        let mut request = self.network.client(Reach::Any)?.request(method, url);
        if let Some(content) = content {
            request = request.header(CONTENT_LENGTH, size).body(content);
        }
        let response = request.send().await.map_err(|error| Failure::of_cause(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(refused(read_failure(response).await, size))
    }
}

#[async_trait]
impl Folder for WebFolder {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), Failure> {
        let size = content.len() as u64;
        self.send(Method::PUT, name, Some(content.into()), size).await
    }

    async fn put_long(&self, name: &str, size: u64, content: Content) -> Result<(), Failure> {
        self.send(Method::PUT, name, Some(Body::wrap_stream(content)), size).await
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
        self.send(Method::DELETE, "", None, 0).await
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
fn refused(failure: Failure, size: u64) -> Failure {
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
            format!("the server does not take files of {size} bytes ({told})"),
        )
        .with_hint("Let it take larger ones: in nginx by \"client_max_body_size 0\"."),
        507 => Failure::new(SqlState::DISK_FULL, format!("the server's disk is full ({told})"))
            .with_hint("Free some space there, or name a place on another disk."),
        _ => return failure,
    };
    made.with_status(status)
}
