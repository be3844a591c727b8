//! Objects in clouds: requests are signed by `object_store` and sent by our own client, under the rules
//! of the session.
//!
//! Answers other than success leave the client as failures of ours, so that `object_store` neither tries
//! again nor puts what the server wrote into a text.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    Attribute, ClientOptions, GetOptions, GetRange, HeaderValue, ObjectStore, RetryConfig,
};
use url::Url;

use super::answer::Failure;
use super::cloud::{AzureParameters, GsParameters, ObjectPlace, Provider, S3Parameters};
use super::glob::Pattern;
use super::host::{Reach, is_credential_host};
use super::network::Network;
use super::remote::{Answer, Remote, Retry, Version};
use super::web::FAILURE_BYTES;
use crate::error::{Error, Result, SqlState};

/// The client of a bucket or container.
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) multipart: Arc<dyn MultipartStore>,
    lister: Arc<dyn PaginatedListStore>,
}

/// An object of a bucket or container.
pub(super) struct ObjectFile {
    pub(super) store: Arc<Store>,
    pub(super) path: Path,
}

impl ObjectFile {
    pub(super) fn new(network: &Arc<Network>, place: &ObjectPlace) -> Result<Self> {
        if place.key.is_empty() || place.key.ends_with('/') {
            return Err(directory().into_error(&place.text));
        }
        Ok(Self { store: open_store(network, place)?, path: object_path(place, &place.key)? })
    }
}

#[async_trait]
impl Remote for ObjectFile {
    async fn get(
        &self,
        range: Option<Range<u64>>,
        version: Option<&Version>,
    ) -> Result<Answer, Failure> {
        let partial = range.is_some();
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            if_match: version.and_then(Version::strong_etag).map(str::to_owned),
            ..GetOptions::default()
        };
        let result = self.store.objects.get_opts(&self.path, options).await.map_err(failure)?;
        let version = Version {
            etag: result.meta.e_tag.clone(),
            modified: Some(result.meta.last_modified.to_rfc3339()),
            size: Some(result.meta.size),
        };
        let encoding = result.attributes.get(&Attribute::ContentEncoding);
        let encoding = encoding.map(|encoding| encoding.to_ascii_lowercase());
        let plain = ["", "identity", "aws-chunked"];
        Ok(Answer {
            version,
            range: (result.range.start, Some(result.range.end)),
            partial,
            encoding: encoding.filter(|encoding| !plain.contains(&encoding.as_str())),
            body: result.into_stream().map(|chunk| chunk.map_err(failure)).boxed(),
        })
    }

    async fn explain_missing(&self, missing: Failure) -> Failure {
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = format!("{}/", self.path);
        match self.store.lister.list_paginated(Some(&prefix), options).await {
            Ok(page) if !page.result.objects.is_empty() => directory(),
            _ if Pattern::parse(self.path.filename().unwrap_or_default()).is_some() => {
                missing.with_more_hint("Its name was taken as it is, wildcards included.")
            }
            _ => missing,
        }
    }
}

fn no_credentials() -> Failure {
    Failure::new(SqlState::INSUFFICIENT_PRIVILEGE, "this machine has no credentials for it").with_hint(
        "With AUTH=implicit they come from the environment or from the cloud that the machine runs in.",
    )
}

fn directory() -> Failure {
    Failure::new(SqlState::INVALID_PARAMETER_VALUE, "it is a directory")
        .with_hint("Name a file in it, or several with a wildcard such as \"*.csv\".")
}

/// Returns the names of the objects directly in the directory of `place` that begin with `start`.
pub(super) fn list(
    network: &Arc<Network>,
    place: &ObjectPlace,
    start: &str,
) -> Result<Vec<String>> {
    let store = open_store(network, place)?;
    let directory = place.directory().to_owned();
    let prefix = format!("{directory}{start}");
    let patience = network.patience();
    let listed = network.wait(async move {
        let mut names = Vec::new();
        let mut token = None;
        let mut retry = Retry::new(patience, false);
        loop {
            let options = PaginatedListOptions {
                delimiter: Some("/".into()),
                page_token: token.clone(),
                ..PaginatedListOptions::default()
            };
            let prefix = (!prefix.is_empty()).then_some(prefix.as_str());
            let page = patience.wait(store.lister.list_paginated(prefix, options)).await;
            let page = match page.and_then(|page| page.map_err(failure)) {
                Ok(page) => page,
                Err(failure) => {
                    retry.pause(failure).await?;
                    continue;
                }
            };
            retry.progress();
            names.extend(page.result.objects.into_iter().map(|object| object.location.to_string()));
            token = page.page_token;
            if token.is_none() {
                return Ok(names);
            }
        }
    })?;
    let names: Vec<String> = listed.map_err(|failure: Failure| failure.into_error(&place.text))?;
    let names = names.iter().filter_map(|name| name.strip_prefix(directory.as_str()));
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Returns the name of an object as `object_store` takes it.
pub(super) fn object_path(place: &ObjectPlace, key: &str) -> Result<Path> {
    Path::parse(key).map_err(|_| {
        Failure::new(SqlState::INVALID_PARAMETER_VALUE, "the name of the object is not usable")
            .into_error(&place.text)
    })
}

/// Returns the client of the place's bucket, made under the rules of the session.
pub(super) fn open_store(network: &Arc<Network>, place: &ObjectPlace) -> Result<Arc<Store>> {
    if let Some(endpoint) = place.endpoint() {
        network
            .rules
            .check(endpoint, Reach::Any)
            .map_err(|failure| failure.into_error(&place.text))?;
    }
    network.store(&place.provider, &place.bucket, || {
        let built = match &place.provider {
            Provider::S3(s3) => build_s3(network, s3, &place.bucket),
            Provider::Gs(gs) => build_gs(network, gs, &place.bucket),
            Provider::Azure(azure) => build_azure(network, azure, &place.bucket),
        };
        // What the library says may hold the parameters.
        built.map_err(|_| {
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("the credentials for \"{}\" are not usable", Hidden(place)),
            )
            .hint("Check the parameters of the URL, or those of this machine with AUTH=implicit.")
        })
    })
}

/// Prints a place with its secrets redacted.
struct Hidden<'a>(&'a ObjectPlace);

impl fmt::Display for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::redact(&self.0.text))
    }
}

fn build_s3(
    network: &Arc<Network>,
    s3: &S3Parameters,
    bucket: &str,
) -> object_store::Result<Store> {
    let mut builder =
        if s3.implicit { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() }
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(!s3.path_style)
            .with_allow_http(true)
            .with_retry(no_retry())
            .with_http_connector(Connector::new(network, s3.implicit));
    if let (Some(id), Some(key)) = (&s3.key_id, &s3.secret_key) {
        builder = builder.with_access_key_id(id).with_secret_access_key(key);
    }
    if let Some(token) = &s3.session_token {
        builder = builder.with_token(token);
    }
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &s3.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    let store = Arc::new(builder.build()?);
    Ok(Store {
        objects: Arc::clone(&store) as _,
        multipart: Arc::clone(&store) as _,
        lister: store,
    })
}

fn build_gs(
    network: &Arc<Network>,
    gs: &GsParameters,
    bucket: &str,
) -> object_store::Result<Store> {
    let mut connector = Connector::new(network, gs.implicit);
    // Without it compressed objects are decompressed on the way, and have no ranges.
    connector.headers.push(("accept-encoding", "gzip".to_owned()));
    if gs.endpoint.is_some() && gs.for_tests {
        connector.headers.push(("authorization", "Bearer none".to_owned()));
    }
    if let Some(project) = &gs.billing_project {
        connector.headers.push(("x-goog-user-project", project.clone()));
    }
    let mut builder = if gs.implicit {
        GoogleCloudStorageBuilder::from_env()
    } else {
        GoogleCloudStorageBuilder::new()
    }
    .with_bucket_name(bucket)
    .with_retry(no_retry())
    .with_http_connector(connector);
    match &gs.credentials {
        Some(json) => builder = builder.with_service_account_key(json),
        None if gs.implicit => {}
        None => builder = builder.with_skip_signature(true).with_service_account_key(NOBODY),
    }
    if let Some(endpoint) = &gs.endpoint {
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    let store = Arc::new(builder.build()?);
    Ok(Store {
        objects: Arc::clone(&store) as _,
        multipart: Arc::clone(&store) as _,
        lister: store,
    })
}

/// The key of no account: without one the library would look for the machine's.
const NOBODY: &str =
    r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#;

fn build_azure(
    network: &Arc<Network>,
    azure: &AzureParameters,
    container: &str,
) -> object_store::Result<Store> {
    let mut builder = if azure.implicit {
        MicrosoftAzureBuilder::from_env()
    } else {
        MicrosoftAzureBuilder::new()
    }
    .with_account(&azure.account)
    .with_container_name(container)
    .with_allow_http(true)
    .with_retry(no_retry())
    .with_http_connector(Connector::new(network, azure.implicit));
    if let Some(key) = &azure.key {
        builder = builder.with_access_key(key);
    }
    if let Some([id, secret, tenant]) = &azure.client {
        builder = builder.with_client_secret_authorization(id, secret, tenant);
    }
    if let Some(domain) = azure.domain {
        builder = builder.with_endpoint(format!("https://{}.blob.core.{domain}", azure.account));
    }
    if let Some(endpoint) = &azure.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
    }
    let store = Arc::new(builder.build()?);
    Ok(Store {
        objects: Arc::clone(&store) as _,
        multipart: Arc::clone(&store) as _,
        lister: store,
    })
}

/// Requests are tried again in one place, which is not there.
fn no_retry() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Takes our failure out of an error of the library.
pub(super) fn failure(error: object_store::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if found.is::<HttpError>() || found.is::<Failure>() {
            return Failure::of_cause(found);
        }
        cause = found.source();
    }
    match error {
        object_store::Error::Generic { ref source, .. } if source.source().is_none() => {
            // Headers that do not fit what was asked for.
            Failure::broken("the server sent an answer that does not fit")
        }
        _ => Failure::broken("the server sent an answer that cannot be read"),
    }
}

/// Makes the clients that `object_store` sends requests by.
#[derive(Debug)]
struct Connector {
    network: Arc<Network>,
    reach: Reach,
    headers: Vec<(&'static str, String)>,
}

impl Connector {
    fn new(network: &Arc<Network>, implicit: bool) -> Self {
        let reach = if implicit { Reach::Credentials } else { Reach::Any };
        Self { network: Arc::clone(network), reach, headers: Vec::new() }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service {
            network: Arc::clone(&self.network),
            reach: self.reach,
            headers: self.headers.clone(),
        }))
    }
}

/// Sends requests under the rules of the session.
#[derive(Debug)]
struct Service {
    network: Arc<Network>,
    reach: Reach,
    headers: Vec<(&'static str, String)>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ours = |failure: Failure| HttpError::new(HttpErrorKind::Unknown, failure);
        let url = Url::parse(&request.uri().to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        self.network.rules.check(&url, self.reach).map_err(ours)?;
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                request.headers_mut().insert(*name, value);
            }
        }
        let client = self.network.client(self.reach).map_err(ours)?;
        let response = client.call(request).await;
        let own =
            self.reach == Reach::Credentials && url.host_str().is_some_and(is_credential_host);
        if own && !response.as_ref().is_ok_and(|response| response.status().is_success()) {
            return Err(ours(no_credentials()));
        }
        let response = response?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let mut stream = body.bytes_stream();
        let mut text = Vec::new();
        while text.len() < FAILURE_BYTES
            && let Some(Ok(chunk)) = stream.next().await
        {
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&text);
        Err(ours(Failure::of_answer(parts.status, &parts.headers, &text)))
    }
}
