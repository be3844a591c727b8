//! How job records name temporary directories of other machines, and how those that a job left are found
//! again.
//!
//! A record holds no credentials, so that only somebody who has them, and says so by using the same
//! place once more, can have the directory removed.

use std::sync::Arc;

use url::Url;

use super::pieces::Pieces;
use super::{PREFIX, is_ours};
use crate::error::{Error, Result};
use crate::source::cloud::{ObjectPlace, Provider};
use crate::source::folder::{Folder, ObjectFolder, WebFolder, key_directory, web_directory};
use crate::source::location::{HttpPlace, Location, encode};
use crate::source::network::Network;
use crate::source::redact::redact;

/// Returns the directory `name` in the directory `location`.
pub(super) fn folder(
    network: &Arc<Network>,
    location: &Location,
    name: &str,
) -> Result<Arc<dyn Folder>> {
    match location {
        Location::Object(place) => Ok(Arc::new(ObjectFolder::new(network, place, name)?)),
        Location::Http(place) => Ok(Arc::new(WebFolder::new(network, place, name))),
        Location::Local(_) | Location::Nodelocal(_) => Err(not_remote()),
    }
}

/// Returns how job records name the directory `name` in the directory `location`: the service, the
/// bucket and the path, which tell it from all others, and no credentials.
pub(super) fn record(location: &Location, name: &str) -> Result<String> {
    match location {
        Location::Object(place) => Ok(redact(&object_record(place, name))),
        Location::Http(place) => Ok(redact(&web_record(place, name))),
        Location::Local(_) | Location::Nodelocal(_) => Err(not_remote()),
    }
}

fn object_record(place: &ObjectPlace, name: &str) -> String {
    let (scheme, parameters) = match &place.provider {
        Provider::S3(s3) => ("s3", service("AWS_ENDPOINT", s3.endpoint.as_ref())),
        Provider::Gs(gs) => ("gs", service("GOOGLE_ENDPOINT", gs.endpoint.as_ref())),
        Provider::Azure(azure) => {
            let mut parameters = vec![("AZURE_ACCOUNT_NAME", azure.account.clone())];
            parameters.extend(service("AZURE_ENDPOINT", azure.endpoint.as_ref()));
            parameters.extend(azure.domain.map(|domain| ("AZURE_ENVIRONMENT", domain.to_owned())));
            ("azure", parameters)
        }
    };
    let mut text =
        format!("{scheme}://{}/{}{name}/", place.bucket, encode(key_directory(place).as_bytes()));
    for (number, (parameter, value)) in parameters.iter().enumerate() {
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        text += &format!("{}{parameter}={value}", if number == 0 { '?' } else { '&' });
    }
    text
}

fn service(parameter: &'static str, endpoint: Option<&Url>) -> Vec<(&'static str, String)> {
    endpoint.iter().map(|url| (parameter, url.to_string())).collect()
}

fn web_record(place: &HttpPlace, name: &str) -> String {
    format!("{}{}{name}/", place.url.origin().ascii_serialization(), web_directory(place))
}

/// Removes the directory that a job record names, if it lies in `location`; returns whether it does.
pub(in crate::source) fn remove_leftover(
    network: &Arc<Network>,
    location: &Location,
    recorded: &str,
) -> Result<bool> {
    let name =
        recorded.match_indices(PREFIX).filter_map(|(at, _)| recorded[at..].split('/').next()).find(
            |name| is_ours(name) && record(location, name).is_ok_and(|record| record == recorded),
        );
    let Some(name) = name else { return Ok(false) };
    let folder = folder(network, location, name)?;
    let pieces = Arc::new(Pieces::new(network, folder, location.to_string()));
    let (deleting, patience) = (Arc::clone(&pieces), network.patience());
    let deleted = network.wait(async move { deleting.delete_leftover(patience).await })?;
    deleted.map_err(|failure| pieces.error("delete", failure))?;
    Ok(true)
}

fn not_remote() -> Error {
    Error::internal("a place of this machine was taken for another's")
}
