//! Where a file is: the text of a path or URL, taken apart and checked without touching any file.
//!
//! A plain path means the file of that name, byte for byte. In a URL the path is percent-decoded. A
//! `nodelocal:` path is kept relative to its root and never holds `..`. URLs of clouds are taken apart
//! in `cloud`.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use url::Url;

use super::cloud::{ObjectPlace, parse_object};
use super::redact::redact;
use crate::error::{Error, Result, SqlState};

/// The schemes that Wharf reads from, for hints.
const SUPPORTED: &str =
    "Supported are s3:, gs:, azure:, http:, https:, nodelocal:, file: and plain paths.";

/// The schemes that mean a place on another machine.
const REMOTE: &[&str] = &["s3", "gs", "azure", "azure-blob", "http", "https"];

/// A place that can hold a file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// A path of the machine: plain, or in a `file:` URL.
    Local(LocalPath),
    /// A path beneath the directory of external files.
    Nodelocal(NodelocalPath),
    /// An object in the bucket or container of a cloud.
    Object(ObjectPlace),
    /// A file of a web server.
    Http(HttpPlace),
}

/// A path of the machine; a relative one starts at the session's working directory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPath {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A path beneath the directory of external files. It is relative and holds no `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodelocalPath {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A URL of a web server. Its parameters go to the server as they are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpPlace {
    pub(super) url: Url,
    pub(super) text: String,
}

impl Location {
    /// Takes a path or URL apart.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "the name of a file must not be empty",
            )
            .hint("Name a file by its path or URL."));
        }
        if text.contains('\0') {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("file name {:?} contains a NUL character", redact(text)),
            ));
        }
        let Some((scheme, rest)) = split_scheme(text) else {
            return Ok(Self::Local(LocalPath { path: PathBuf::from(text), text: text.to_owned() }));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => parse_file(text, rest),
            "nodelocal" => parse_nodelocal(text, rest),
            "http" | "https" => parse_http(text, scheme),
            "s3" | "gs" | "azure" | "azure-blob" => parse_object(text, scheme, rest),
            other => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unsupported storage scheme: \"{other}\""),
            )
            .hint(SUPPORTED)),
        }
    }

    /// Returns whether the place is a cloud's, and its URL holds the credentials and no say in who gets
    /// them.
    pub fn is_explicit(&self) -> bool {
        matches!(self, Self::Object(place) if place.is_explicit())
    }

    /// Returns whether the place is on another machine.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Http(_))
    }

    /// Returns the last element of the path as bytes, decoded; empty if the path ends in `..` or is a
    /// root.
    pub(super) fn last_element(&self) -> &[u8] {
        match self {
            Self::Object(object) => object.last_element().as_bytes(),
            _ => self.path().file_name().map_or(&[], OsStrExt::as_bytes),
        }
    }

    /// Returns the directory part of the path, as messages print it: with a slash behind it.
    pub(super) fn prefix(&self) -> String {
        let parent = self.path().parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
        match self {
            Self::Object(object) => format!("/{}", object.directory()),
            Self::Local(_) if parent.is_empty() || parent == "/" => parent,
            Self::Local(_) => format!("{parent}/"),
            _ if parent.is_empty() => "/".to_owned(),
            _ => format!("/{}/", parent.trim_start_matches('/')),
        }
    }

    /// Returns the place whose name has `suffix` behind it, written in the same manner.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self> {
        if let Self::Http(http) = self {
            let end = http.text.find('?').unwrap_or(http.text.len());
            let (path, parameters) = http.text.split_at(end);
            return Self::parse(&format!("{path}{suffix}{parameters}"));
        }
        Ok(self.with_last_element(&[self.last_element(), suffix.as_bytes()].concat()))
    }

    /// Returns the place with another last element, written in the same manner.
    pub(super) fn with_last_element(&self, name: &[u8]) -> Self {
        let file = OsString::from_vec(name.to_vec());
        let path = self.path().with_file_name(&file);
        match self {
            Self::Local(local) if split_scheme(&local.text).is_none() => {
                let start = local.text.rfind('/').map_or(0, |at| at + 1);
                let text = format!("{}{}", &local.text[..start], file.to_string_lossy());
                Self::Local(LocalPath { path, text })
            }
            Self::Local(local) => {
                let text = rewrite(&local.text, name).unwrap_or_else(|| file_url(&path));
                Self::Local(LocalPath { path, text })
            }
            Self::Nodelocal(nodelocal) => {
                let text = rewrite(&nodelocal.text, name).unwrap_or_else(|| nodelocal_url(&path));
                Self::Nodelocal(NodelocalPath { path, text })
            }
            Self::Object(object) => {
                Self::Object(object.with_last_element(&String::from_utf8_lossy(name)))
            }
            // A web server lists nothing, so that nothing in its URLs is a wildcard.
            Self::Http(_) => self.clone(),
        }
    }

    /// Returns the path: relative to the root of `nodelocal:` or to a bucket, or to the working
    /// directory unless it is absolute.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Local(local) => &local.path,
            Self::Nodelocal(nodelocal) => &nodelocal.path,
            Self::Object(object) => Path::new(&object.key),
            Self::Http(http) => Path::new(http.url.path()),
        }
    }

    /// Returns the place as the user wrote it, secrets included.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Local(local) => &local.text,
            Self::Nodelocal(nodelocal) => &nodelocal.text,
            Self::Object(object) => &object.text,
            Self::Http(http) => &http.text,
        }
    }
}

impl fmt::Display for Location {
    /// Prints the place as the user wrote it, with secrets redacted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(self.text()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Local(_) => "Local",
            Self::Nodelocal(_) => "Nodelocal",
            Self::Object(_) => "Object",
            Self::Http(_) => "Http",
        };
        write!(f, "{kind}({:?})", redact(self.text()))
    }
}

impl fmt::Debug for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.text))
    }
}

impl fmt::Debug for NodelocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.text))
    }
}

impl fmt::Debug for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.text))
    }
}

/// Returns the URL of a path relative to the root of `nodelocal:`.
pub(super) fn nodelocal_url(path: &Path) -> String {
    format!("nodelocal:///{}", encode(path.as_os_str().as_bytes()))
}

fn file_url(path: &Path) -> String {
    if path.is_absolute() {
        format!("file://{}", encode(path.as_os_str().as_bytes()))
    } else {
        format!("file:{}", encode(path.as_os_str().as_bytes()))
    }
}

/// Returns the scheme and what follows its colon, if `text` is a URL: a scheme and `://`, or one of
/// ours and a colon. Other colons may stand in the name of a file.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let ours =
        ["file", "nodelocal"].iter().chain(REMOTE).any(|known| scheme.eq_ignore_ascii_case(known));
    (well_formed && (ours || rest.starts_with("//"))).then_some((scheme, rest))
}

/// Parses `file:///path`, `file:/path` and `file:path`.
fn parse_file(text: &str, rest: &str) -> Result<Location> {
    let path = url_path(text, rest, "file")?;
    let path = match path.strip_prefix("//") {
        None => path,
        Some(after) => {
            let (host, _) = after.split_once('/').unwrap_or((after, ""));
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("file URL must not name a host: \"{}\"", redact(text)),
                )
                .hint("Write file:///directory/name for an absolute path, or a plain path."));
            }
            &after[host.len()..]
        }
    };
    if path.is_empty() {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("file URL has no path: \"{}\"", redact(text)),
        )
        .hint("Write file:///directory/name for an absolute path, or a plain path."));
    }
    let path = PathBuf::from(OsString::from_vec(decode(text, path)?));
    Ok(Location::Local(LocalPath { path, text: text.to_owned() }))
}

/// Parses the forms of `nodelocal:`. An empty host, `self` and a node's number are passed over; any
/// other host is the first element of the path.
fn parse_nodelocal(text: &str, rest: &str) -> Result<Location> {
    let path = url_path(text, rest, "nodelocal")?;
    let path = match path.strip_prefix("//") {
        None => path,
        Some(after) => {
            let (host, _) = after.split_once('/').unwrap_or((after, ""));
            let node =
                host.eq_ignore_ascii_case("self") || host.bytes().all(|byte| byte.is_ascii_digit());
            if host.contains('@') {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("nodelocal URL must not name a user: \"{}\"", redact(text)),
                )
                .hint("Write nodelocal://self/directory/name, and \"@\" in a name as %40."));
            }
            if node { &after[host.len()..] } else { after }
        }
    };
    let decoded = decode(text, path)?;
    // A backslash separates nothing here, but "..\" is never meant well.
    if decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|element| element == b"..") {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("nodelocal path must not contain \"..\": \"{}\"", redact(text)),
        )
        .hint("A nodelocal path starts at the directory of external files and stays in it."));
    }
    let path = decoded
        .split(|byte| *byte == b'/')
        .filter(|element| !element.is_empty() && *element != b".")
        .map(|element| OsString::from_vec(element.to_vec()))
        .collect();
    Ok(Location::Nodelocal(NodelocalPath { path, text: text.to_owned() }))
}

/// Parses a URL of a web server.
fn parse_http(text: &str, scheme: &str) -> Result<Location> {
    require_clean(text)?;
    let url = Url::parse(text).map_err(|error| malformed(text, &error.to_string()))?;
    if url.fragment().is_some() {
        return Err(fragment(text, &scheme.to_ascii_lowercase()));
    }
    Ok(Location::Http(HttpPlace { url, text: text.to_owned() }))
}

/// Says that a text is no URL.
pub(super) fn malformed(text: &str, reason: &str) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("malformed URL \"{}\": {reason}", redact(text)),
    )
    .hint(
        "Write it as scheme://host/path?parameters, and what else there is percent-encoded, such as %20 \
         for a space.",
    )
}

/// Says that a URL has a fragment.
pub(super) fn fragment(text: &str, scheme: &str) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("{scheme} URL must not have a fragment: \"{}\"", redact(text)),
    )
    .hint("Write %23 for \"#\" in the name of a file.")
}

/// Fails if a URL holds a control character.
pub(super) fn require_clean(text: &str) -> Result {
    if !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("URL contains a control character: {:?}", redact(text)),
    )
    .hint("Write it percent-encoded, such as %0A for a line break."))
}

/// Returns the part of a URL that names a host and path, after checking that nothing else is there.
fn url_path<'a>(text: &str, rest: &'a str, scheme: &str) -> Result<&'a str> {
    require_clean(text)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.contains('#') || query.contains('#') {
        return Err(fragment(text, scheme));
    }
    match url::form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(path),
        Some((name, _)) => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("{scheme} URL has no parameter \"{name}\""),
        )
        .hint("Write %3F for \"?\" in the name of a file.")),
    }
}

/// Decodes `%41` to `A`. The result is any sequence of bytes without NUL.
pub(super) fn decode(text: &str, path: &str) -> Result<Vec<u8>> {
    let malformed = |what: &str| {
        Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("{what} in URL \"{}\"", redact(text)))
            .hint("Write %25 for \"%\".")
    };
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = (bytes.next().and_then(hex), bytes.next().and_then(hex));
        match digits {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(malformed("incomplete percent-encoding")),
        }
    }
    if decoded.contains(&0) {
        return Err(malformed("NUL character"));
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// Encodes what has a meaning in a URL or in an SQL string.
pub(super) fn encode(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&()+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Returns the URL `text` with another last element, unless its last slash is an encoded one.
fn rewrite(text: &str, name: &[u8]) -> Option<String> {
    let end = text.find('?').unwrap_or(text.len());
    let start = text[..end].rfind('/')? + 1;
    let last = &text[start..end];
    let encoded_slash = last.to_ascii_lowercase().contains("%2f");
    (!last.is_empty() && !encoded_slash).then(|| format!("{}{}", &text[..start], encode(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str, path: &str) {
        match Location::parse(text).unwrap() {
            Location::Local(local) => assert_eq!(local.path, Path::new(path), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn nodelocal(text: &str, path: &str) {
        match Location::parse(text).unwrap() {
            Location::Nodelocal(nodelocal) => {
                assert_eq!(nodelocal.path, Path::new(path), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str, code: SqlState, message: &str) {
        let error = Location::parse(text).unwrap_err();
        assert_eq!(error.message(), message, "{text}");
        assert_eq!(error.code(), code, "{text}");
    }

    #[test]
    fn takes_plain_paths_as_they_are() {
        local("a.csv", "a.csv");
        local("./d/a.csv", "./d/a.csv");
        local("../a.csv", "../a.csv");
        local("/abs/50%25 off?.csv", "/abs/50%25 off?.csv");
        local("12:30.csv", "12:30.csv");
        local("a:b.csv", "a:b.csv");
        local("C:\\data\\x.csv", "C:\\data\\x.csv");
        local("//host/x", "/host/x");
        local("caf\u{e9}.csv", "caf\u{e9}.csv");
    }

    #[test]
    fn decodes_the_path_of_a_file_url() {
        local("file:///a/b.csv", "/a/b.csv");
        local("FILE:///a/b%20c.csv", "/a/b c.csv");
        local("file:/a/b.csv", "/a/b.csv");
        local("file:b.csv", "b.csv");
        local("file://localhost/a", "/a");
        local("file:///a%3Fb?", "/a?b");
    }

    #[test]
    fn reads_every_form_of_nodelocal() {
        nodelocal("nodelocal:///d/x.csv", "d/x.csv");
        nodelocal("nodelocal://self/x.csv", "x.csv");
        nodelocal("NODELOCAL://Self/x.csv", "x.csv");
        nodelocal("nodelocal://1/x.csv", "x.csv");
        nodelocal("nodelocal://backup.csv", "backup.csv");
        nodelocal("nodelocal://dir/backup.csv", "dir/backup.csv");
        nodelocal("nodelocal:/x.csv", "x.csv");
        nodelocal("nodelocal:x.csv", "x.csv");
        nodelocal("nodelocal:////etc/./passwd", "etc/passwd");
        nodelocal("nodelocal://1/%2Fetc%2Fpasswd", "etc/passwd");
        nodelocal("nodelocal://1/%252e%252e/x", "%2e%2e/x");
        nodelocal("nodelocal://1", "");
        nodelocal("nodelocal://1/..a/b..", "..a/b..");
    }

    #[test]
    fn refuses_to_climb() {
        for climbing in [
            "nodelocal://1/../x",
            "nodelocal://self/a/../../x",
            "nodelocal:///..",
            "nodelocal://..",
            "nodelocal://../x",
            "nodelocal:../x",
            "nodelocal:/../x",
            "nodelocal://1/..%2fx",
            "nodelocal://1/..%2Fx",
            "nodelocal://1/%2e%2e/x",
            "nodelocal://1/%2E%2E%2fx",
            "nodelocal://%2e%2e/x",
            "nodelocal://1/.%2e/x",
            "nodelocal://1/..\\x",
            "nodelocal://1/..%5cx",
            "nodelocal://1/a\\..\\..\\x",
            "nodelocal://1/../extern-evil/x",
            "nodelocal://1/*/../../x",
        ] {
            let error = Location::parse(climbing).unwrap_err();
            assert_eq!(error.code(), SqlState::INSUFFICIENT_PRIVILEGE, "{climbing}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_serve() {
        let value = SqlState::INVALID_PARAMETER_VALUE;
        refused("ftp://h/x", value, "unsupported storage scheme: \"ftp\"");
        refused("gopher://127.0.0.1/x", value, "unsupported storage scheme: \"gopher\"");
        refused("userfile:///x", value, "unsupported storage scheme: \"userfile\"");
        refused("file://host/x", value, "file URL must not name a host: \"file://host/x\"");
        refused("file://x.csv", value, "file URL must not name a host: \"file://x.csv\"");
        refused("file:", value, "file URL has no path: \"file:\"");
        refused("", value, "the name of a file must not be empty");
        refused("a\0b", value, "file name \"a\\0b\" contains a NUL character");
        refused("file:///a%00b", value, "NUL character in URL \"file:///a%00b\"");
        refused("file:///a%4", value, "incomplete percent-encoding in URL \"file:///a%4\"");
        refused("file:///a%zz", value, "incomplete percent-encoding in URL \"file:///a%zz\"");
        refused("nodelocal://1/x?COLOUR=red", value, "nodelocal URL has no parameter \"COLOUR\"");
        refused("file:///x?a", value, "file URL has no parameter \"a\"");
        refused("file:///x#y", value, "file URL must not have a fragment: \"file:///x#redacted\"");
        refused(
            "nodelocal://me:pw@1/x",
            value,
            "nodelocal URL must not name a user: \"nodelocal://redacted@1/x\"",
        );
        refused(
            "file:///x\r\nHost: h",
            value,
            "URL contains a control character: \"file:///x\\r\\nHost: h\"",
        );
    }

    #[test]
    fn takes_urls_of_web_servers_as_they_are() {
        let check = |text: &str, url: &str| match Location::parse(text).unwrap() {
            Location::Http(http) => assert_eq!(http.url.as_str(), url, "{text}"),
            other => panic!("{text}: {other:?}"),
        };
        check("http://h/d/a*.csv?x=1&y=%2F", "http://h/d/a*.csv?x=1&y=%2F");
        check("HTTPS://H:8443/a%20b", "https://h:8443/a%20b");
        check("http://127.1/x", "http://127.0.0.1/x");
        check("http://2130706433/x", "http://127.0.0.1/x");
        let value = SqlState::INVALID_PARAMETER_VALUE;
        refused("http:///", value, "malformed URL \"http:///\": empty host");
        refused(
            "http://h/x#y",
            value,
            "http URL must not have a fragment: \"http://h/x#redacted\"",
        );
        let crlf = "URL contains a control character: \"http://h/x\\r\\nHost: h\"";
        refused("http://h/x\r\nHost: h", value, crlf);
        refused(
            "https://h:99999/",
            value,
            "malformed URL \"https://h:99999/\": invalid port number",
        );
    }

    #[test]
    fn prints_no_secrets() {
        let location = Location::parse("nodelocal:/d/p*?").unwrap();
        assert_eq!(location.to_string(), "nodelocal:/d/p*?");
        assert_eq!(format!("{location:?}"), "Nodelocal(\"nodelocal:/d/p*?\")");
        let error = Location::parse("https://u:canary@h h/x?sig=canary").unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn replaces_the_last_element_as_it_was_written() {
        let check = |text: &str, expected: &str| {
            let changed = Location::parse(text).unwrap().with_last_element(b"a b.csv");
            assert_eq!(changed.to_string(), expected);
            assert_eq!(changed.last_element(), b"a b.csv");
        };
        check("d/*.csv", "d/a b.csv");
        check("*.csv", "a b.csv");
        check("file:///d/*.csv", "file:///d/a%20b.csv");
        check("file:*.csv", "file:a%20b.csv");
        check("nodelocal://1/*", "nodelocal://1/a%20b.csv");
        check("nodelocal://*", "nodelocal://a%20b.csv");
        check("nodelocal:*", "nodelocal:///a%20b.csv");
        check("nodelocal:///d%2F*", "nodelocal:///d/a%20b.csv");
    }

    #[test]
    fn splits_the_prefix_off() {
        let check = |text: &str, prefix: &str| {
            assert_eq!(Location::parse(text).unwrap().prefix(), prefix, "{text}");
        };
        check("nodelocal://1/d/p*", "/d/");
        check("nodelocal://1/p*", "/");
        check("/p*", "/");
        check("/d/p*", "/d/");
        check("d/p*", "d/");
        check("p*", "");
    }
}
