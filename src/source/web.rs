//! Files of web servers: requests for ranges, and redirects followed by hand.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, LAST_MODIFIED, LOCATION, RANGE,
    TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode, Version as HttpVersion};
use url::Url;

use super::answer::Failure;
use super::glob::Pattern;
use super::host::{Reach, is_public};
use super::network::Network;
use super::remote::{Answer, Remote, Version};
use crate::error::SqlState;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// How much of the body of a failure is looked at.
pub(super) const FAILURE_BYTES: usize = 64 << 10;

/// A file of a web server.
pub(super) struct WebFile {
    pub(super) network: Arc<Network>,
    pub(super) url: Url,
}

#[async_trait]
impl Remote for WebFile {
    async fn get(
        &self,
        range: Option<Range<u64>>,
        version: Option<&Version>,
    ) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = &range {
            let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            insert(&mut headers, RANGE, &value);
        }
        if let Some(etag) = version.and_then(Version::strong_etag) {
            insert(&mut headers, IF_MATCH, etag);
        }
        let response = self.send(&headers).await?;
        if !self.url.path().ends_with('/') {
            return read_answer(response, range.is_some()).await;
        }
        if is_page(&response) {
            return Err(directory());
        }
        read_answer(response, range.is_some()).await.map_err(|failure| match failure.status {
            Some(403 | 404) => failure.with_more_hint("A \"/\" at the end tells of a directory."),
            _ => failure,
        })
    }

    async fn explain_missing(&self, missing: Failure) -> Failure {
        let name = self.url.path().rsplit('/').next().unwrap_or_default();
        if Pattern::parse(name).is_none() {
            return missing;
        }
        missing.with_more_hint("Web servers list no files: a wildcard there means itself.")
    }
}

/// Returns whether an answer is a page to look at, as servers make them of directories.
fn is_page(response: &Response) -> bool {
    let kind = header(response.headers(), &CONTENT_TYPE).unwrap_or_default();
    response.status().is_success() && kind.to_ascii_lowercase().starts_with("text/html")
}

fn directory() -> Failure {
    Failure::new(SqlState::INVALID_PARAMETER_VALUE, "it is a directory")
        .with_hint("Name a file in it.")
}

impl WebFile {
    /// Asks, and follows redirects under the rules.
    async fn send(&self, headers: &HeaderMap) -> Result<Response, Failure> {
        let mut url = self.url.clone();
        let mut reach = Reach::Any;
        for _ in 0..=MOST_REDIRECTS {
            self.network.rules.check(&url, reach)?;
            let client = self.network.client(reach)?;
            let request = client.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| Failure::of_cause(&error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            if response.remote_addr().is_some_and(|address| is_public(address.ip())) {
                reach = Reach::Public;
            }
            url = redirected(&self.url, &url, &response)?;
        }
        Err(Failure::new(
            SqlState::CONNECTION_FAILURE,
            format!("the server redirects more than {MOST_REDIRECTS} times"),
        )
        .with_hint("Name the place that it leads to, if it leads anywhere."))
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Returns where a redirect leads. The user and password of the first URL go to its own host only.
fn redirected(first: &Url, from: &Url, response: &Response) -> Result<Url, Failure> {
    let wrong = |what: &str| Failure::new(SqlState::CONNECTION_FAILURE, what);
    let target = header(response.headers(), &LOCATION)
        .ok_or_else(|| wrong("the server redirects without saying where to"))?;
    let mut url =
        from.join(target).map_err(|_| wrong("the server redirects to something that is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "the server redirects to another scheme than http: and https:",
        ));
    }
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(Failure::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "the server redirects from https: to http:, where anybody could read along",
        ));
    }
    let slashed = format!("{}/", from.path());
    if url.origin() == from.origin() && url.path() == slashed {
        return Err(directory());
    }
    // These fail only for URLs that can have no user, which those of web servers can.
    let same = url.origin() == first.origin();
    let (user, password) = if same { (first.username(), first.password()) } else { ("", None) };
    let (user, password) = (user.to_owned(), password.map(str::to_owned));
    url.set_username(&user).ok();
    url.set_password(password.as_deref()).ok();
    Ok(url)
}

/// Reads the head of a response.
async fn read_answer(response: Response, asked_range: bool) -> Result<Answer, Failure> {
    let status = response.status();
    let headers = response.headers().clone();
    if status != StatusCode::OK && status != StatusCode::PARTIAL_CONTENT {
        return Err(read_failure(response).await);
    }
    let length = match header(&headers, &CONTENT_LENGTH) {
        None => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| senseless("Content-Length"))?),
    };
    let (range, size) = if status == StatusCode::PARTIAL_CONTENT {
        let (start, end, size) = header(&headers, &CONTENT_RANGE)
            .and_then(content_range)
            .filter(|_| asked_range)
            .ok_or_else(|| senseless("Content-Range"))?;
        if length.is_some_and(|length| length != end - start) {
            return Err(senseless("Content-Length"));
        }
        ((start, Some(end)), size)
    } else {
        require_told_length(&response, length)?;
        ((0, length), length)
    };
    let version = Version {
        etag: header(&headers, &ETAG).map(str::to_owned),
        modified: header(&headers, &LAST_MODIFIED).map(str::to_owned),
        size,
    };
    let encoding = header(&headers, &CONTENT_ENCODING).map(str::to_ascii_lowercase);
    let body = response.bytes_stream();
    Ok(Answer {
        version,
        range,
        partial: status == StatusCode::PARTIAL_CONTENT,
        encoding: encoding.filter(|encoding| !encoding.is_empty() && encoding != "identity"),
        body: body.map(|chunk| chunk.map_err(|error| Failure::of_cause(&error))).boxed(),
    })
}

/// Reads what a server says about a failure.
pub(super) async fn read_failure(mut response: Response) -> Failure {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while body.len() < FAILURE_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    Failure::of_answer(status, &headers, &String::from_utf8_lossy(&body))
}

/// Fails if the end of a body could not be told from a broken connection.
fn require_told_length(response: &Response, length: Option<u64>) -> Result<(), Failure> {
    let chunked = header(response.headers(), &TRANSFER_ENCODING)
        .is_some_and(|encoding| encoding.to_ascii_lowercase().contains("chunked"));
    if length.is_some() || chunked || response.version() >= HttpVersion::HTTP_2 {
        return Ok(());
    }
    Err(Failure::new(SqlState::CONNECTION_FAILURE, "the server does not tell how long the file is")
        .with_hint(
            "A broken transfer would look like a whole one: download the file, then import it.",
        ))
}

fn senseless(header: &str) -> Failure {
    Failure::broken(format!("the server sent a {header} that does not fit"))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Parses `bytes 0-9/100` to 0, 10 and 100; the size may be unknown.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last) = (start.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    let end = last.checked_add(1)?;
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    (start < end && size.is_none_or(|size| end <= size)).then_some((start, end, size))
}
