//! What can go wrong on the network, told by its cause: the answer of a server, or none.
//!
//! Texts of servers are not passed on: they may repeat the request, secrets included. The short code
//! that clouds give beside the status is.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::redact::redact;
use crate::error::{Error, SqlState};

/// Why a request failed. It travels through the libraries as their cause.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: SqlState,
    reason: String,
    hint: Option<String>,
    /// Whether it may go well another time.
    pub(super) worth: Worth,
    /// The status of the server's answer, if there was one.
    pub(super) status: Option<u16>,
    /// When the server wants to be asked again.
    pub(super) after: Option<Duration>,
}

/// Whether a failed request is worth to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// No: it would fail in the same way.
    Nothing,
    /// Yes, but not for long unless the server was there before.
    Little,
    /// Yes.
    Much,
}

impl Failure {
    /// Returns a failure that is final.
    pub(super) fn new(code: SqlState, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            hint: None,
            worth: Worth::Nothing,
            status: None,
            after: None,
        }
    }

    /// Returns the failure of a connection that broke, or of an answer that makes no sense.
    pub(super) fn broken(reason: impl Into<String>) -> Self {
        Self { worth: Worth::Much, ..Self::new(SqlState::CONNECTION_FAILURE, reason) }
    }

    /// Returns the failure that the file is another one than it was.
    pub(super) fn changed() -> Self {
        Self::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "")
            .with_hint("Let the program that writes the file finish, then start again.")
    }

    /// Adds a sentence to the advice.
    pub(super) fn with_more_hint(self, sentence: &str) -> Self {
        let hint = match &self.hint {
            Some(hint) => format!("{hint} {sentence}"),
            None => sentence.to_owned(),
        };
        self.with_hint(hint)
    }

    /// Adds advice.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Notes the status of the server's answer.
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Lets it be tried again, but not for long.
    pub(super) fn worth_little(mut self) -> Self {
        self.worth = Worth::Little;
        self
    }

    /// Returns its class.
    pub(super) fn code(&self) -> SqlState {
        self.code
    }

    /// Returns the failure of a request that the server refuses by the code `name`.
    pub(super) fn denied(name: &str) -> Self {
        Self::of_status(StatusCode::FORBIDDEN, name, None)
    }

    /// Returns the error for temporary files, where `action` ("write") on them failed.
    pub(super) fn into_temp_error(self, action: &str, place: &str) -> Error {
        let reason = match (self.code, self.reason.as_str()) {
            (SqlState::UNDEFINED_FILE, "") => "there is no such place",
            (SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "") => "they were changed meanwhile",
            (_, reason) => reason,
        };
        let place = redact(place);
        let message = format!("could not {action} temporary files at \"{place}\": {reason}");
        let error = Error::new(self.code, message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Returns whether it tells that there is no such file, while its place may be there.
    pub(super) fn is_missing_file(&self) -> bool {
        self.code == SqlState::UNDEFINED_FILE && self.reason.is_empty()
    }

    /// Returns the error for a file that could not be written.
    pub(super) fn into_write_error(self, name: &str) -> Error {
        let reason = match (self.code, self.reason.as_str()) {
            (SqlState::UNDEFINED_FILE, "") => "there is no such place",
            (SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "") => "it was changed meanwhile",
            (_, reason) => reason,
        };
        let error =
            Error::new(self.code, format!("could not write \"{}\": {reason}", redact(name)));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Returns the error for a file.
    pub(super) fn into_error(self, name: &str) -> Error {
        let name = redact(name);
        let message = match (self.code, self.reason.as_str()) {
            (SqlState::UNDEFINED_FILE, "") => format!("file \"{name}\" does not exist"),
            (SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "") => {
                format!("file changed while it was read: \"{name}\"")
            }
            (SqlState::QUERY_CANCELED, reason) => reason.to_owned(),
            (_, reason) => format!("could not read \"{name}\": {reason}"),
        };
        let error = Error::new(self.code, message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Returns the failure of a request that got no answer, or only part of one: ours if it is the cause
    /// beneath.
    pub(super) fn of_cause(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut connect = false;
        let mut texts = Vec::new();
        while let Some(error) = cause {
            if let Some(ours) = error.downcast_ref::<Self>() {
                return ours.clone();
            }
            if let Some(web) = error.downcast_ref::<reqwest::Error>() {
                connect |= web.is_connect();
            }
            if let Some(found) = error.downcast_ref::<std::io::Error>() {
                // An error in another's clothes goes on beneath; its own source would pass it over.
                if let Some(inner) = found.get_ref() {
                    cause = Some(inner);
                    continue;
                }
                texts.push(describe(found));
            } else {
                texts.push(error.to_string());
            }
            cause = error.source();
        }
        let text = texts.pop().unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        if lower.contains("certificate") || lower.contains("tls") || lower.contains("handshake") {
            return Self::new(
                SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
                format!("the server could not prove who it is: {}", plain(&text)),
            )
            .with_hint("Check the host, and whether its certificate is known to this machine.");
        }
        if connect {
            let reason = format!("no connection to the server: {}", plain(&text));
            return Self::new(SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, reason)
                .with_hint("Check the host and port, and that the server runs.")
                .worth_little();
        }
        Self::broken(format!("the connection broke: {}", plain(&text)))
    }

    /// Returns the failure that a server's answer tells of.
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let name = headers
            .get("x-ms-error-code")
            .and_then(|code| code.to_str().ok())
            .or_else(|| element(body, "Code"))
            .filter(|code| code.len() <= 60 && code.bytes().all(|b| b.is_ascii_alphanumeric()))
            .unwrap_or_default();
        let region = headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        let failure = Self::of_status(status, name, region);
        let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self { status: Some(status.as_u16()), after: after.map(Duration::from_secs), ..failure }
    }

    fn of_status(status: StatusCode, name: &str, region: Option<&str>) -> Self {
        let told = match (name, status.canonical_reason()) {
            ("", Some(reason)) => format!("{} {reason}", status.as_u16()),
            ("", None) => status.as_u16().to_string(),
            (name, _) => format!("{} {name}", status.as_u16()),
        };
        match (status.as_u16(), name) {
            (_, "NoSuchBucket" | "ContainerNotFound") => {
                let holder = if name == "NoSuchBucket" { "bucket" } else { "container" };
                Self::new(SqlState::UNDEFINED_FILE, format!("the {holder} does not exist"))
                    .with_hint(format!("Check the name of the {holder} and the account."))
            }
            (301 | 307 | 308, _) | (400, "AuthorizationHeaderMalformed") => {
                let error = Self::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "the bucket lies in another region",
                );
                match region {
                    Some(region) => error.with_hint(format!("Add AWS_REGION={region} to the URL.")),
                    None => error.with_hint("Name its region in AWS_REGION."),
                }
            }
            (404 | 410, _) => Self::new(SqlState::UNDEFINED_FILE, "").with_hint(format!(
                "Check the host or bucket, the directories and the name, in which upper and lower case \
                 differ. The server answered {told}."
            )),
            (412, _) => Self::changed(),
            (401, _) => Self::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("the server asks for credentials ({told})"),
            )
            .with_hint("Name them in the URL."),
            (403, _) | (400, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                Self::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("access denied ({told})"))
                    .with_hint(
                        "Check the credentials and what they permit; a \"+\" in a key is written %2B.",
                    )
            }
            (408 | 425 | 429 | 500..=599, _) => Self {
                worth: Worth::Much,
                ..Self::new(SqlState::IO_ERROR, format!("the server answered {told}"))
            }
            .with_hint("It was asked several times. Ask later, or whoever runs it."),
            _ => Self::new(SqlState::IO_ERROR, format!("the server answered {told}"))
                .with_hint("Check the scheme, the host and port, and the parameters of the URL."),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// Returns the text of an XML element.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let length = xml[start..].find('<')?;
    Some(&xml[start..start + length])
}

/// Returns the words of an operating system's error without its number.
fn describe(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error ").map_or(text.clone(), |at| text[..at].to_owned())
}

/// Returns a foreign text as it may stand behind a colon in a message.
fn plain(text: &str) -> String {
    let text: String = redact(text.trim_end_matches('.')).chars().take(200).collect();
    if text.is_empty() { "it ended early".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, code: SqlState, message: &str, worth: Worth) {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::of_answer(status, &HeaderMap::new(), body);
        assert_eq!(failure.worth, worth, "{status}");
        let error = failure.into_error("s3://b/k?sig=canary");
        assert_eq!((error.code(), error.message()), (code, message), "{status}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn tells_what_the_answers_of_servers_mean() {
        let denied = SqlState::INSUFFICIENT_PRIVILEGE;
        let name = "s3://b/k?sig=redacted";
        check(
            404,
            "",
            SqlState::UNDEFINED_FILE,
            &format!("file \"{name}\" does not exist"),
            Worth::Nothing,
        );
        check(
            404,
            "<Error><Code>NoSuchBucket</Code><Message>canary</Message></Error>",
            SqlState::UNDEFINED_FILE,
            &format!("could not read \"{name}\": the bucket does not exist"),
            Worth::Nothing,
        );
        check(
            403,
            "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>canary</StringToSign></Error>",
            denied,
            &format!("could not read \"{name}\": access denied (403 SignatureDoesNotMatch)"),
            Worth::Nothing,
        );
        check(
            403,
            "<Code>canary is \"here\"</Code>",
            denied,
            &format!("could not read \"{name}\": access denied (403 Forbidden)"),
            Worth::Nothing,
        );
        check(
            401,
            "",
            denied,
            &format!(
                "could not read \"{name}\": the server asks for credentials (401 Unauthorized)"
            ),
            Worth::Nothing,
        );
        for status in [429, 500, 503] {
            let reason = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
            let message =
                format!("could not read \"{name}\": the server answered {status} {reason}");
            check(status, "", SqlState::IO_ERROR, &message, Worth::Much);
        }
        check(
            412,
            "",
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            &format!("file changed while it was read: \"{name}\""),
            Worth::Nothing,
        );
    }

    #[test]
    fn takes_our_own_failure_out_again() {
        let ours = Failure::new(SqlState::INSUFFICIENT_PRIVILEGE, "no");
        let wrapped = std::io::Error::other(std::io::Error::other(ours));
        assert_eq!(Failure::of_cause(&wrapped).code(), SqlState::INSUFFICIENT_PRIVILEGE);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let failure = Failure::of_cause(&reset);
        assert_eq!((failure.code(), failure.worth), (SqlState::CONNECTION_FAILURE, Worth::Much));
    }
}
