//! URLs of objects in clouds: `s3:`, `gs:` and `azure:` with their parameters.
//!
//! A URL says everything that is needed to reach the object, credentials included. What it does not say
//! is not looked for elsewhere, unless it says `AUTH=implicit`.

use std::fmt;

use url::Url;

use super::location::{Location, decode, encode, fragment, malformed, require_clean};
use super::redact::redact;
use crate::error::{Error, Result, SqlState};

/// An object in the bucket or container of a cloud.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectPlace {
    pub(super) provider: Provider,
    /// The bucket, or the container.
    pub(super) bucket: String,
    /// The object's name, decoded, without a slash before it.
    pub(super) key: String,
    pub(super) text: String,
}

/// Whose cloud it is, and how to get in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Provider {
    S3(S3Parameters),
    Gs(GsParameters),
    Azure(AzureParameters),
}

/// The parameters of `s3:`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct S3Parameters {
    pub(super) implicit: bool,
    pub(super) key_id: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) session_token: Option<String>,
    pub(super) region: Option<String>,
    /// The service, if it is not Amazon's.
    pub(super) endpoint: Option<Url>,
    /// Whether the bucket stands in the path; otherwise in the host.
    pub(super) path_style: bool,
    /// The class that objects are written with.
    pub(super) storage_class: Option<String>,
}

/// The parameters of `gs:`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GsParameters {
    pub(super) implicit: bool,
    /// The key of a service account, as JSON.
    pub(super) credentials: Option<String>,
    /// Whether the key says by `disable_oauth` that it is for an emulator, which takes any token.
    pub(super) for_tests: bool,
    pub(super) billing_project: Option<String>,
    /// The service, if it is not Google's. Without credentials requests to it are not signed.
    pub(super) endpoint: Option<Url>,
}

/// The parameters of `azure:`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct AzureParameters {
    pub(super) implicit: bool,
    pub(super) account: String,
    pub(super) key: Option<String>,
    /// The id, secret and tenant of a client.
    pub(super) client: Option<[String; 3]>,
    /// The service of the account, if it is not in Azure's public cloud.
    pub(super) endpoint: Option<Url>,
    /// The domain of one of Azure's national clouds.
    pub(super) domain: Option<&'static str>,
}

impl ObjectPlace {
    /// Returns the name's part behind the last slash.
    pub(super) fn last_element(&self) -> &str {
        self.key.rsplit_once('/').map_or(&self.key, |(_, last)| last)
    }

    /// Returns the name's part up to the last slash, slash included.
    pub(super) fn directory(&self) -> &str {
        &self.key[..self.key.len() - self.last_element().len()]
    }

    /// Returns the object of another name beside this one.
    pub(super) fn with_last_element(&self, name: &str) -> Self {
        let key = format!("{}{name}", self.directory());
        let query = self.text.find('?').map_or("", |at| &self.text[at..]);
        let scheme = self.text.split(':').next().unwrap_or_default();
        let text = format!("{scheme}://{}/{}{query}", self.bucket, encode(key.as_bytes()));
        Self { key, text, ..self.clone() }
    }

    /// Returns whether the URL itself holds the credentials and no say in who gets them.
    pub(super) fn is_explicit(&self) -> bool {
        match &self.provider {
            Provider::S3(s3) => !s3.implicit && s3.key_id.is_some() && s3.endpoint.is_none(),
            Provider::Gs(gs) => !gs.implicit && gs.credentials.is_some() && gs.endpoint.is_none(),
            Provider::Azure(azure) => !azure.implicit && azure.endpoint.is_none(),
        }
    }

    /// Returns the service that the URL names.
    pub(super) fn endpoint(&self) -> Option<&Url> {
        match &self.provider {
            Provider::S3(s3) => s3.endpoint.as_ref(),
            Provider::Gs(gs) => gs.endpoint.as_ref(),
            Provider::Azure(azure) => azure.endpoint.as_ref(),
        }
    }
}

impl fmt::Debug for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.text))
    }
}

/// Parses a URL of a cloud: `scheme://bucket/name?parameters`.
pub(super) fn parse_object(text: &str, scheme: &str, rest: &str) -> Result<Location> {
    require_clean(text)?;
    let scheme = scheme.to_ascii_lowercase();
    if rest.contains('#') {
        return Err(fragment(text, &scheme));
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let holder = if scheme.starts_with("azure") { "container" } else { "bucket" };
    let form = format!("Write it as {scheme}://{holder}/name?parameters.");
    let Some(path) = path.strip_prefix("//") else {
        return Err(malformed(text, "two slashes must follow the scheme").hint(form));
    };
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() {
        return Err(malformed(text, &format!("it names no {holder}")).hint(form));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte);
    if !bucket.bytes().all(plain) || bucket.starts_with('.') {
        let reason = format!("the name of the {holder} is not usable");
        return Err(malformed(text, &reason).hint(form));
    }
    let key = String::from_utf8(decode(text, key)?)
        .map_err(|_| malformed(text, "the name of the object is not UTF-8"))?;
    require_usable(text, &key)?;
    let parameters = Parameters::parse(&scheme, query)?;
    let provider = match scheme.as_str() {
        "s3" => Provider::S3(parameters.s3()?),
        "gs" => Provider::Gs(parameters.gs()?),
        _ => Provider::Azure(parameters.azure()?),
    };
    Ok(Location::Object(ObjectPlace {
        provider,
        bucket: bucket.to_owned(),
        key,
        text: text.to_owned(),
    }))
}

/// Fails for names of objects that servers and clients would not agree on.
fn require_usable(text: &str, key: &str) -> Result {
    let directory = key.strip_suffix('/').unwrap_or(key);
    let odd = |element: &str| matches!(element, "" | "." | "..");
    if !directory.is_empty() && directory.split('/').any(odd) {
        return Err(malformed(
            text,
            "the name of the object holds an empty element, \".\" or \"..\"",
        )
        .hint("Write the name in full, with one slash between two elements."));
    }
    if key.chars().any(char::is_control) {
        return Err(malformed(text, "the name of the object holds a control character"));
    }
    Ok(())
}

/// Parameters of `s3:`.
const S3: &[&str] = &[
    "AUTH",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT",
    "AWS_USE_PATH_STYLE",
    "S3_STORAGE_CLASS",
];

/// Parameters of `gs:`.
const GS: &[&str] = &["AUTH", "CREDENTIALS", "GOOGLE_BILLING_PROJECT", "GOOGLE_ENDPOINT"];

/// Parameters of `azure:`.
const AZURE: &[&str] = &[
    "AUTH",
    "AZURE_ACCOUNT_NAME",
    "AZURE_ACCOUNT_KEY",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_ENVIRONMENT",
    "AZURE_ENDPOINT",
];

/// Parameters of the originals that are understood and not served.
const LATER: &[&str] = &["ASSUME_ROLE"];

/// The parameters of a URL, decoded.
struct Parameters<'a> {
    scheme: &'a str,
    values: Vec<(&'static str, String)>,
}

impl<'a> Parameters<'a> {
    fn parse(scheme: &'a str, query: &str) -> Result<Self> {
        let known = match scheme {
            "s3" => S3,
            "gs" => GS,
            _ => AZURE,
        };
        let mut values: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(refused_name(scheme, &name, known, !values.is_empty()));
            };
            if values.iter().any(|(other, _)| other == known) {
                let twice = format!("{scheme} URL names the parameter \"{known}\" twice");
                return Err(invalid(twice).hint("Leave one out. In a value \"&\" is written %26."));
            }
            values.push((known, value.into_owned()));
        }
        Ok(Self { scheme, values })
    }

    /// Returns a value that is not empty.
    fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.values.iter().find(|(other, _)| *other == name)?;
        (!value.is_empty()).then(|| value.clone())
    }

    /// Returns a secret. A `+` that was not encoded has become a space, which no secret holds.
    fn secret(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.replace(' ', "+"))
    }

    fn require(&self, name: &str) -> Result<String> {
        self.secret(name).ok_or_else(|| {
            let cloud = self.scheme.split('-').next().unwrap_or(self.scheme);
            invalid(format!("{cloud} uri missing \"{name}\" parameter")).hint(
                "Add it to the URL, percent-encoded, or AUTH=implicit to use the credentials of this \
                 machine.",
            )
        })
    }

    /// Returns whether the credentials of the machine are to be used.
    fn is_implicit(&self) -> Result<bool> {
        match self.get("AUTH").as_deref() {
            None | Some("specified") => Ok(false),
            Some("implicit") => Ok(true),
            Some("default") => {
                Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, "AUTH=default is not supported")
                    .hint("Say AUTH=implicit to use the credentials of this machine."))
            }
            Some(_) => Err(invalid("AUTH must be \"specified\" or \"implicit\"".to_owned()).hint(
                "specified: the URL holds the credentials; implicit: those of this machine are used.",
            )),
        }
    }

    /// Returns the URL of a service.
    fn endpoint(&self, name: &str) -> Result<Option<Url>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let url = Url::parse(&value).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        match url {
            Some(url) => Ok(Some(url)),
            None => Err(invalid(format!("{name} must be an http: or https: URL of a service"))
                .hint("Write it as http://host:port, percent-encoded, without a user.")),
        }
    }

    fn s3(&self) -> Result<S3Parameters> {
        let implicit = self.is_implicit()?;
        let path_style = match self.get("AWS_USE_PATH_STYLE").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => {
                let message = "AWS_USE_PATH_STYLE must be \"true\" or \"false\"";
                return Err(invalid(message.to_owned())
                    .hint("true: the bucket stands in the path of requests; false: in the host."));
            }
        };
        let pair = |name: &str| {
            if implicit { Ok(self.secret(name)) } else { self.require(name).map(Some) }
        };
        let (key_id, secret_key) = (pair("AWS_ACCESS_KEY_ID")?, pair("AWS_SECRET_ACCESS_KEY")?);
        if key_id.is_some() != secret_key.is_some() {
            return Err(invalid(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be given together".to_owned(),
            )
            .hint("Add the other one, or leave both out to use those of this machine."));
        }
        Ok(S3Parameters {
            implicit,
            key_id,
            secret_key,
            session_token: self.secret("AWS_SESSION_TOKEN"),
            region: self.get("AWS_REGION"),
            endpoint: self.endpoint("AWS_ENDPOINT")?,
            path_style,
            storage_class: self.get("S3_STORAGE_CLASS"),
        })
    }

    fn gs(&self) -> Result<GsParameters> {
        let implicit = self.is_implicit()?;
        let endpoint = self.endpoint("GOOGLE_ENDPOINT")?;
        let credentials = match self.secret("CREDENTIALS") {
            Some(text) => Some(service_account(&text)?),
            None if implicit || endpoint.is_some() => None,
            None => return Err(self.require("CREDENTIALS").expect_err("it was not found")),
        };
        let billing_project = self.get("GOOGLE_BILLING_PROJECT");
        let for_tests = credentials.as_ref().is_some_and(|key| is_for_tests(key));
        Ok(GsParameters { implicit, credentials, for_tests, billing_project, endpoint })
    }

    fn azure(&self) -> Result<AzureParameters> {
        let implicit = self.is_implicit()?;
        let account = self.require("AZURE_ACCOUNT_NAME")?;
        if !account.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(invalid("AZURE_ACCOUNT_NAME is not usable as a name".to_owned())
                .hint("Names of accounts consist of letters, digits and hyphens."));
        }
        let client = match self.get("AZURE_CLIENT_ID") {
            Some(id) if !implicit => {
                Some([id, self.require("AZURE_CLIENT_SECRET")?, self.require("AZURE_TENANT_ID")?])
            }
            _ => None,
        };
        let key = match self.secret("AZURE_ACCOUNT_KEY") {
            None if !implicit && client.is_none() => Some(self.require("AZURE_ACCOUNT_KEY")?),
            key => key,
        };
        if key.as_ref().is_some_and(|key| decode_base64(key).is_none()) {
            return Err(invalid("AZURE_ACCOUNT_KEY is not base64".to_owned())
                .hint("Write \"+\" in a key as %2B, \"/\" as %2F and \"=\" as %3D."));
        }
        let endpoint = self.endpoint("AZURE_ENDPOINT")?.map(|url| of_account(url, &account));
        let domain = self.domain()?;
        Ok(AzureParameters { implicit, account, key, client, endpoint, domain })
    }

    /// Returns the domain of one of Azure's national clouds.
    fn domain(&self) -> Result<Option<&'static str>> {
        let environment = self.get("AZURE_ENVIRONMENT").unwrap_or_default().to_ascii_lowercase();
        match environment.as_str() {
            "" | "azurepubliccloud" | "azurecloud" => Ok(None),
            "azureusgovernmentcloud" | "azureusgovernment" => Ok(Some("usgovcloudapi.net")),
            "azurechinacloud" => Ok(Some("chinacloudapi.cn")),
            _ => Err(invalid(
                "AZURE_ENVIRONMENT must be \"AzurePublicCloud\", \"AzureUSGovernmentCloud\" or \
                 \"AzureChinaCloud\""
                    .to_owned(),
            )
            .hint("Leave it out for the public cloud, or name another service in AZURE_ENDPOINT.")),
        }
    }
}

/// Returns the URL of an account's service: the account stands in the host, or else in the path.
fn of_account(mut url: Url, account: &str) -> Url {
    let in_host = url.host_str().is_some_and(|host| {
        host.get(..account.len()).is_some_and(|start| start.eq_ignore_ascii_case(account))
            && host[account.len()..].starts_with('.')
    });
    if !in_host && url.path().trim_matches('/').is_empty() {
        url.set_path(account);
    }
    url
}

/// Returns the JSON of a service account's key.
fn service_account(text: &str) -> Result<String> {
    let problem = |what: &str| {
        invalid(format!("CREDENTIALS {what}"))
            .hint("Encode the key file of a service account by base64, and that by percent.")
    };
    let json = decode_base64(text)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| problem("is not base64"))?;
    let value: serde_json::Value =
        serde_json::from_str(&json).map_err(|_| problem("is not the JSON of a key"))?;
    if value.get("client_email").is_none() || value.get("private_key").is_none() {
        return Err(problem("is not the key of a service account"));
    }
    if value.get("gcs_base_url").is_some() {
        return Err(problem("must not name a service: name it in GOOGLE_ENDPOINT"));
    }
    Ok(json)
}

/// Returns whether a key of a service account says that no token is to be fetched for it.
fn is_for_tests(json: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    value.is_some_and(|value| value.get("disable_oauth") == Some(&serde_json::Value::Bool(true)))
}

/// Decodes base64, of either alphabet, padded or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    (held < 6 && !bytes.is_empty()).then_some(bytes)
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// Refuses a parameter that a scheme does not have. What follows a secret with a raw `&` in it looks
/// like a name, so that only names that can be no such rest are printed.
fn refused_name(scheme: &str, name: &str, known: &[&str], later: bool) -> Error {
    if LATER.contains(&name) {
        return Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("parameter \"{name}\" of {scheme} URLs is not supported"),
        )
        .hint("Name the keys of a user who may do what the role may, or AUTH=implicit.");
    }
    let upper = name.to_ascii_uppercase();
    let near = known.iter().find(|known| strsim::damerau_levenshtein(known, &upper) <= 3);
    let plain = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let named = name.split('_').next().is_some_and(|first| {
        ["AWS", "AZURE", "GOOGLE", "S3", "AUTH", "CREDENTIALS"].contains(&first)
    });
    let shown = if plain && (!later || named || near.is_some()) { name } else { "redacted" };
    let error = invalid(format!("{scheme} URL has no parameter \"{shown}\""));
    match near {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error.hint(format!(
            "It has {}. Write \"&\" in a value as %26, and \"?\" in a name as %3F.",
            known.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=secret";

    fn object(text: &str) -> ObjectPlace {
        match Location::parse(text).unwrap() {
            Location::Object(object) => object,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn s3(query: &str) -> S3Parameters {
        match object(&format!("s3://b/k?{query}")).provider {
            Provider::S3(s3) => s3,
            _ => panic!("{query}"),
        }
    }

    fn azure(query: &str) -> AzureParameters {
        match object(&format!("azure-blob://c/k?AZURE_ACCOUNT_NAME=me&{query}")).provider {
            Provider::Azure(azure) => azure,
            _ => panic!("{query}"),
        }
    }

    fn refused(text: &str, message: &str) {
        let error = Location::parse(text).unwrap_err();
        assert_eq!(error.message(), message, "{text}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn takes_urls_apart() {
        let object = object(&format!("S3://My-Bucket/d/a%20b%2a?{KEYS}"));
        assert_eq!((object.bucket.as_str(), object.key.as_str()), ("My-Bucket", "d/a b*"));
        assert_eq!((object.directory(), object.last_element()), ("d/", "a b*"));
        let other = object.with_last_element("c?");
        assert_eq!(other.key, "d/c?");
        assert_eq!(other.text, format!("S3://My-Bucket/d/c%3F?{KEYS}"));
        assert!(object.is_explicit());
    }

    #[test]
    fn decodes_parameters() {
        let parameters =
            s3("AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=a+b%2Bc%2F&AWS_REGION=eu-1\
                             &AWS_ENDPOINT=http%3A%2F%2Flocalhost%3A9000");
        assert_eq!(parameters.secret_key.as_deref(), Some("a+b+c/"));
        assert_eq!(parameters.region.as_deref(), Some("eu-1"));
        assert_eq!(parameters.endpoint.unwrap().as_str(), "http://localhost:9000/");
        assert!(s3("AUTH=implicit").implicit);
        let key = azure("AZURE_ACCOUNT_KEY=aGFzaA==").key;
        assert_eq!(key.as_deref(), Some("aGFzaA=="));
    }

    #[test]
    fn finds_the_service_of_an_account() {
        let check = |query: &str, expected: Option<&str>| {
            let azure = azure(&format!("AZURE_ACCOUNT_KEY=aGFzaA&{query}"));
            assert_eq!(azure.endpoint.as_ref().map(Url::as_str), expected, "{query}");
        };
        check("", None);
        check("AZURE_ENDPOINT=http://127.0.0.1:10000", Some("http://127.0.0.1:10000/me"));
        check("AZURE_ENDPOINT=http://127.0.0.1:10000/me", Some("http://127.0.0.1:10000/me"));
        check("AZURE_ENDPOINT=https://ME.blob.local/", Some("https://me.blob.local/"));
        let china = azure("AZURE_ACCOUNT_KEY=aGFzaA&AZURE_ENVIRONMENT=AzureChinaCloud");
        assert_eq!((china.endpoint, china.domain), (None, Some("chinacloudapi.cn")));
    }

    #[test]
    fn refuses_what_is_missing_or_too_much() {
        refused("s3://b/k", "s3 uri missing \"AWS_ACCESS_KEY_ID\" parameter");
        refused(
            "s3://b/k?AWS_ACCESS_KEY_ID=canary&AWS_SECRET_ACCESS_KEY=",
            "s3 uri missing \"AWS_SECRET_ACCESS_KEY\" parameter",
        );
        refused("azure://c/k", "azure uri missing \"AZURE_ACCOUNT_NAME\" parameter");
        refused(
            "azure-blob://c/k?AZURE_ACCOUNT_NAME=me",
            "azure uri missing \"AZURE_ACCOUNT_KEY\" parameter",
        );
        refused("gs://b/k", "gs uri missing \"CREDENTIALS\" parameter");
        refused(&format!("s3://b/k?{KEYS}&COLOUR=canary"), "s3 URL has no parameter \"redacted\"");
        refused("s3://b/k?COLOUR=canary", "s3 URL has no parameter \"COLOUR\"");
        refused(&format!("s3://b/k?{KEYS}canary&canary=1"), "s3 URL has no parameter \"redacted\"");
        refused(&format!("s3://b/k?{KEYS}&aws_region=x"), "s3 URL has no parameter \"aws_region\"");
        refused(
            &format!("s3://b/k?{KEYS}&AWS_REGION=a&AWS_REGION=b"),
            "s3 URL names the parameter \"AWS_REGION\" twice",
        );
        refused(
            &format!("s3://b/k?{KEYS}&ASSUME_ROLE=x"),
            "parameter \"ASSUME_ROLE\" of s3 URLs is not supported",
        );
        refused("s3://b/k?AUTH=canary", "AUTH must be \"specified\" or \"implicit\"");
        refused("gs://b/k?AUTH=default", "AUTH=default is not supported");
        refused("gs://b/k?CREDENTIALS=canary!", "CREDENTIALS is not base64");
        refused("gs://b/k?CREDENTIALS=canary00", "CREDENTIALS is not base64");
        refused(
            "azure://c/k?AZURE_ACCOUNT_NAME=me&AZURE_ACCOUNT_KEY=canary!",
            "AZURE_ACCOUNT_KEY is not base64",
        );
        for endpoint in ["localhost:9000", "ftp://h", "http://u:canary@h", "http://h?x=canary"] {
            refused(
                &format!("s3://b/k?{KEYS}&AWS_ENDPOINT={endpoint}"),
                "AWS_ENDPOINT must be an http: or https: URL of a service",
            );
        }
    }

    #[test]
    fn refuses_malformed_places() {
        let check = |text: &str, reason: &str| {
            refused(text, &format!("malformed URL \"{}\": {reason}", redact(text)));
        };
        check("s3:b/k", "two slashes must follow the scheme");
        check("s3:///k", "it names no bucket");
        check("azure://", "it names no container");
        check("s3://u:canary@b/k", "the name of the bucket is not usable");
        check("s3://b:80/k", "the name of the bucket is not usable");
        check("s3://b/a//k", "the name of the object holds an empty element, \".\" or \"..\"");
        check("s3://b/../k", "the name of the object holds an empty element, \".\" or \"..\"");
        check(
            "s3://b/%2e%2e%2fk",
            "the name of the object holds an empty element, \".\" or \"..\"",
        );
        check("s3://b/a%0ab", "the name of the object holds a control character");
        check("s3://b/%ff", "the name of the object is not UTF-8");
        refused("s3://b/k#x", "s3 URL must not have a fragment: \"s3://b/k#redacted\"");
    }

    #[test]
    fn knows_what_is_authenticated_by_the_url_alone() {
        let check = |text: &str, expected: bool| {
            assert_eq!(object(text).is_explicit(), expected, "{text}");
        };
        check(&format!("s3://b/k?{KEYS}"), true);
        check("s3://b/k?AUTH=implicit", false);
        check(&format!("s3://b/k?{KEYS}&AWS_ENDPOINT=http://h"), false);
        check("gs://b/k?AUTH=implicit", false);
        check("gs://b/k?GOOGLE_ENDPOINT=http://h", false);
        check("azure://c/k?AZURE_ACCOUNT_NAME=me&AZURE_ACCOUNT_KEY=aGFzaA==", true);
        check("azure://c/k?AZURE_ACCOUNT_NAME=me&AUTH=implicit", false);
    }
}
