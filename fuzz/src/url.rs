//! Names of files: any text parses or is refused, and whatever stands around a secret, it is not shown.

use wharf::error::Report;
use wharf::source::{Location, redact, redact_text};

use super::choices::Choices;

/// What no text holds by chance.
const SECRET: &str = "canary7Secret";

/// Parameters that hold secrets.
const SECRETS: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_ACCOUNT_KEY",
    "CREDENTIALS",
    "sig",
    "X-Amz-Signature",
];

/// Checks the text by itself, and with secrets at places where URLs hold them.
pub fn url(data: &[u8]) {
    let mut choices = Choices::new(data);
    let shape = choices.below(6);
    let scheme = choices.one_of(&["s3", "gs", "azure", "azure-blob", "https", "HTTP", "ftp"]);
    let name = choices.one_of(SECRETS);
    let Ok(text) = std::str::from_utf8(choices.rest()) else { return };
    look_at(text);
    let (before, after) = text.split_once('\0').unwrap_or((text, ""));
    let word: String = before.chars().filter(char::is_ascii_alphanumeric).collect();
    let url = match shape {
        0 => format!("{scheme}://{word}:{SECRET}@host/{after}"),
        1 => format!("{scheme}://{word}:{SECRET}{word}@{after}"),
        2 => format!("{before}?{name}={SECRET}{after}"),
        3 => format!("{before}&{name}={SECRET}{after}"),
        4 => format!("{scheme}://host/{before}?{name}={SECRET}{after}"),
        _ => format!("{scheme}://host/{word}#{SECRET}{after}"),
    };
    if url.matches(SECRET).count() > 1 {
        // libFuzzer finds out what is looked for.
        return;
    }
    for shown in look_at(&url) {
        assert!(!shown.contains(SECRET), "{url:?} is shown as {shown:?}");
    }
}

/// Returns all that anybody sees of a URL.
fn look_at(url: &str) -> Vec<String> {
    let quoted = format!("IMPORT TABLE t CSV DATA ('{}') WITH a", url.replace('\'', "''"));
    let mut shown = vec![redact(url), redact_text(url), redact_text(&quoted)];
    match Location::parse(url) {
        Ok(location) => {
            shown.extend([location.to_string(), format!("{location:?}")]);
            assert!(location.is_remote() || !location.is_explicit());
        }
        Err(error) => shown.extend([Report::new(&error).to_string(), format!("{error:?}")]),
    }
    shown
}
