//! Cutting secrets out of URLs, and out of texts that contain URLs, before anybody can read them.
//!
//! What may stay is listed; everything else in a query goes. Nothing is ever shown because it was
//! malformed: where it is unclear how far a secret reaches, more is cut.

/// What stands in the place of a secret.
const REDACTED: &str = "redacted";

/// Parameters whose values are no secrets (upper case).
const HARMLESS: &[&str] = &[
    "AUTH",
    "AWS_ENDPOINT",
    "AWS_REGION",
    "AWS_USE_PATH_STYLE",
    "AZURE_ACCOUNT_NAME",
    "AZURE_ENDPOINT",
    "AZURE_ENVIRONMENT",
    "GOOGLE_BILLING_PROJECT",
    "GOOGLE_ENDPOINT",
    "S3_STORAGE_CLASS",
];

/// Schemes that are taken for a URL even without `//` behind them.
const REMOTE: &[&str] = &["s3", "gs", "azure", "azure-blob", "http", "https", "ftp"];

/// Returns the URL with userinfo and secret parameters replaced by `redacted`. A path without any
/// stays as it is.
pub fn redact(url: &str) -> String {
    let redacted = match scheme_at_start(url) {
        Some(colon) => redact_url(url, colon),
        None => url.to_owned(),
    };
    redact_assignments(&redacted)
}

/// Returns a text (a statement, a message, a line of history) with the secrets of all URLs in it
/// replaced by `redacted`.
pub fn redact_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut search = 0;
    while let Some(found) = text[search..].find(':') {
        let colon = search + found;
        search = colon + 1;
        let Some(start) = scheme_before(text, colon).filter(|start| *start >= done) else {
            continue;
        };
        let end = url_end(text, start, colon);
        out.push_str(&text[done..start]);
        out.push_str(&redact_url(&text[start..end], colon - start));
        done = end;
        search = end.max(search);
    }
    out.push_str(&text[done..]);
    redact_assignments(&out)
}

/// Returns where the colon is, if `text` begins with the scheme of a URL.
fn scheme_at_start(text: &str) -> Option<usize> {
    let colon = text.find(':')?;
    (scheme_before(text, colon) == Some(0)).then_some(colon)
}

/// Returns where the scheme in front of `colon` begins, if a URL follows.
fn scheme_before(text: &str, colon: usize) -> Option<usize> {
    let scheme_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let length = text.as_bytes()[..colon].iter().rev().take_while(|b| scheme_byte(b)).count();
    let scheme = &text[colon - length..colon];
    let rest = &text[colon + 1..];
    let remote = REMOTE.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && rest.starts_with(|c: char| !c.is_whitespace() && !":,;)'\"".contains(c));
    let hierarchical = rest.starts_with("//") && scheme.bytes().any(|b| b.is_ascii_alphabetic());
    (remote || hierarchical).then_some(colon - length)
}

/// Returns where the URL that begins at `start` ends: at the quote that closes the string it begins,
/// else at white space or a quote.
fn url_end(text: &str, start: usize, colon: usize) -> usize {
    let before = text[..start].trim_end();
    match before.chars().next_back() {
        Some(quote @ ('\'' | '"' | '`')) => {
            let escapes = before.ends_with("E'") || before.ends_with("e'");
            closing_quote(text, colon, quote, escapes)
        }
        Some('$') => {
            let tag = before[..before.len() - 1].rfind('$').map(|at| &before[at..]);
            tag.and_then(|tag| text[colon..].find(tag)).map_or(text.len(), |at| colon + at)
        }
        _ => unquoted_end(text, colon),
    }
}

fn closing_quote(text: &str, from: usize, quote: char, escapes: bool) -> usize {
    let mut characters = text[from..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            if characters.peek().is_none_or(|(_, next)| *next != quote) {
                return from + at;
            }
            characters.next();
        }
    }
    text.len()
}

fn unquoted_end(text: &str, colon: usize) -> usize {
    let rest = &text[colon..];
    let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let quote = rest.find(['\'', '"', '`']).unwrap_or(rest.len()).min(blank);
    // A quote in a password is malformed and yet part of it.
    let end = if rest[quote..blank].contains('@') { blank } else { quote };
    colon + rest[..end].trim_end_matches(['.', ',', ';', ':', ')']).len().max(1)
}

/// Redacts a URL whose scheme ends at `colon`.
fn redact_url(url: &str, colon: usize) -> String {
    let local = ["file", "nodelocal"].iter().any(|s| url[..colon].eq_ignore_ascii_case(s));
    let slashes = url[colon + 1..].bytes().take_while(|byte| b"/\\".contains(byte)).count();
    let (head, mut rest) = url.split_at(colon + 1 + slashes);
    let mut out = head.to_owned();
    if !local || slashes == 2 {
        let (shown, after) = redact_authority(rest);
        out.push_str(shown);
        rest = after;
    }
    let Some(at) = rest.find(['?', '#']) else {
        out.push_str(rest);
        return out;
    };
    out.push_str(&rest[..at]);
    let (query, fragment) = match rest[at..].find('#') {
        Some(hash) => (&rest[at..at + hash], Some(&rest[at + hash + 1..])),
        None => (&rest[at..], None),
    };
    if let Some(query) = query.strip_prefix('?') {
        out.push('?');
        out.push_str(&redact_query(query));
    }
    match fragment {
        None => {}
        Some("") => out.push('#'),
        Some(_) => out.push_str("#redacted"),
    }
    out
}

/// Returns what to show of userinfo, and the rest of the URL from its `@` on.
fn redact_authority(rest: &str) -> (&'static str, &str) {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    if let Some(at) = authority.rfind('@') {
        return (REDACTED, &rest[at..]);
    }
    // "user:pa" in front of a slash is no host with a port: the password holds a slash.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let odd = !port.bytes().all(|byte| byte.is_ascii_digit()) && !authority.ends_with(']');
    match (odd, rest.rfind('@')) {
        (false, _) => ("", rest),
        (true, Some(at)) => (REDACTED, &rest[at..]),
        (true, None) => (REDACTED, &rest[end..]),
    }
}

fn redact_query(query: &str) -> String {
    let mut shown = Vec::new();
    let mut after_secret = false;
    for parameter in query.split('&') {
        if parameter.is_empty() {
            shown.push(String::new());
            continue;
        }
        let (name, value) = parameter.split_once('=').unwrap_or(("", parameter));
        let decoded = decode(name).to_ascii_uppercase();
        if HARMLESS.contains(&decoded.as_str()) && is_plain(value) {
            shown.push(parameter.to_owned());
            continue;
        }
        let plain_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        // After a secret, a name that means nothing may be the rest of it behind a raw "&".
        if plain_name && (!after_secret || is_secret(&decoded) || decoded.starts_with("X-")) {
            shown.push(format!("{name}={REDACTED}"));
        } else {
            shown.push(REDACTED.to_owned());
        }
        after_secret |= is_secret(&decoded);
    }
    shown.join("&")
}

/// Returns whether a parameter of this name (upper case) holds a secret.
fn is_secret(name: &str) -> bool {
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"].iter().any(|part| name.contains(part))
        || name == "SIG"
        || name.starts_with("X-AMZ-")
        || name.starts_with("X-GOOG-")
}

/// Returns whether a value is so plain that nothing can hide in it: a word, a region, a host.
fn is_plain(value: &str) -> bool {
    decode(value).bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte))
}

/// Decodes `%41` to `A` and leaves what is malformed.
fn decode(text: &str) -> String {
    let decoded = url::form_urlencoded::parse(text.as_bytes()).next();
    decoded.map_or_else(String::new, |(name, value)| {
        if value.is_empty() { name.into_owned() } else { format!("{name}={value}") }
    })
}

/// Redacts `NAME=value` outside of well-formed URLs: secret parameters behind `?` and `&`, and those of
/// the clouds anywhere, also as `NAME = 'value'`.
fn redact_assignments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(found) = text[done..].find('=') {
        let equals = done + found;
        let name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.%".contains(byte);
        let before = text[done..equals].trim_end();
        let length = before.bytes().rev().take_while(name_byte).count();
        let name = before[before.len() - length..].to_ascii_uppercase();
        let parameter = before[..before.len() - length].ends_with(['?', '&']);
        let cloud = ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.contains(prefix));
        out.push_str(&text[done..=equals]);
        done = equals + 1;
        if !is_secret(&name) || !(parameter || cloud) {
            continue;
        }
        let rest = &text[done..];
        let blank = rest.len() - rest.trim_start().len();
        let (start, end) = match rest[blank..].chars().next() {
            Some(quote @ ('\'' | '"')) => (blank + 1, closing_quote(rest, blank + 1, quote, false)),
            _ if cloud => (blank, blank + value_length(&rest[blank..])),
            _ => (0, value_length(rest)),
        };
        out.push_str(&rest[..start]);
        if end > start {
            out.push_str(REDACTED);
        }
        done += end;
    }
    out.push_str(&text[done..]);
    out
}

fn value_length(text: &str) -> usize {
    let stops = |c: char| c.is_whitespace() || "&'\"`#".contains(c);
    text.find(stops).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        assert_eq!(redact(url), expected);
        assert_eq!(redact(expected), expected, "redacting twice changes nothing");
        assert_eq!(redact_text(&format!("at '{url}' and")), format!("at '{expected}' and"));
    }

    #[test]
    fn leaves_paths_alone() {
        for path in [
            "a.csv",
            "/d/50% off?.csv",
            "nodelocal://1/x.csv",
            "nodelocal:///d/x.csv",
            "file:///home/a@b/x.csv",
            "s3://bucket/key.csv",
            "http://minio:9000/bucket/a@b.csv",
            "https://[::1]:80/x",
            "C:\\x",
            "",
        ] {
            assert_eq!(redact(path), path);
            assert_eq!(redact_text(path), path);
        }
    }

    #[test]
    fn cuts_secret_parameters() {
        check(
            "s3://b/k?AWS_ACCESS_KEY_ID=canary&AWS_SECRET_ACCESS_KEY=canary%2B/&AWS_REGION=eu-1",
            "s3://b/k?AWS_ACCESS_KEY_ID=redacted&AWS_SECRET_ACCESS_KEY=redacted&AWS_REGION=eu-1",
        );
        check(
            "gs://b/k?AUTH=specified&CREDENTIALS=eyJ==",
            "gs://b/k?AUTH=specified&CREDENTIALS=redacted",
        );
        check(
            "azure://c/k?AZURE_ACCOUNT_NAME=me&AZURE_ACCOUNT_KEY=canary",
            "azure://c/k?AZURE_ACCOUNT_NAME=me&AZURE_ACCOUNT_KEY=redacted",
        );
        check("https://h/x?sig=canary&color=red", "https://h/x?sig=redacted&redacted");
        check("https://h/x?color=red&sig=canary", "https://h/x?color=redacted&sig=redacted");
        check("https://h/x?canary", "https://h/x?redacted");
        check("https://h/x#canary", "https://h/x#redacted");
        check("https://h/x?X-Amz-Signature=canary", "https://h/x?X-Amz-Signature=redacted");
        check("s3://b/k?aws%5fsecret_access_key=canary", "s3://b/k?redacted");
        check(
            "s3://b/k?AWS_ENDPOINT=http%3A%2F%2Flocalhost%3A9000&AWS_ENDPOINT=http://u:canary@h",
            "s3://b/k?AWS_ENDPOINT=http%3A%2F%2Flocalhost%3A9000&AWS_ENDPOINT=redacted",
        );
        check("s3://b/k?AUTH=x;AWS_SECRET_ACCESS_KEY=canary", "s3://b/k?AUTH=redacted");
        check(
            "s3://b/k?AWS_SECRET_ACCESS_KEY=can&ary=1",
            "s3://b/k?AWS_SECRET_ACCESS_KEY=redacted&redacted",
        );
    }

    #[test]
    fn cuts_userinfo() {
        check("https://user:canary@h/x", "https://redacted@h/x");
        check("HTTPS://canary@h", "HTTPS://redacted@h");
        check("https:user:canary@h/x", "https:redacted@h/x");
        check("https:/user:canary@h/x", "https:/redacted@h/x");
        check("https://user:can/ary@h/x", "https://redacted@h/x");
        check("https://user:can?ary@h/x", "https://redacted@h/x");
        check("https://user:can#ary@h/x", "https://redacted@h/x");
        check("https://user:canary", "https://redacted");
        check("weird+v1://user:canary@h", "weird+v1://redacted@h");
    }

    /// Every way to write a secret that comes to mind; none may show it.
    #[test]
    fn hides_canaries_in_any_text() {
        for text in [
            "IMPORT TABLE t CREATE USING 's3://b/k?AWS_SECRET_ACCESS_KEY=canary' CSV DATA ('x')",
            "IMPORT ... ('S3://b/k?AWS_SECRET_ACCESS_KEY=it''s canary', 'x') WITH a",
            "e's3://b/k?AWS_SECRET_ACCESS_KEY=it\\'s canary'",
            "$$s3://b/k?AWS_SECRET_ACCESS_KEY=a canary$$",
            "$t$s3://b/k?AWS_SECRET_ACCESS_KEY=a$$canary$t$",
            "'s3://b/k?AWS_SECRET_ACCESS_KEY=never closed canary",
            "'s3:/b/k?AWS_SECRET_ACCESS_KEY=canary'",
            "'s3//b/k?AWS_SECRET_ACCESS_KEY=canary'",
            "s3:b/k?AWS_SESSION_TOKEN=canary;",
            "'b/k%3FAWS_SECRET_ACCESS_KEY=canary'",
            "AWS_SECRET_ACCESS_KEY=canary aws s3 ls",
            "WITH aws_secret_access_key = 'a canary'",
            "'x?password=canary'",
            "' https://u:canary@h/x'",
            "error: https://u:can'ary@h/x failed",
            "Get \"https://u:p canary@h/x\": EOF",
            "https://h/x?token=canary: not found",
            "(see https://canary@h/x)",
            "'https://h/a' || 'https://h/b?sig=canary'",
            "'https://h/a?x=1,https://h/b?sig=canary'",
        ] {
            let redacted = redact_text(text);
            assert!(!redacted.contains("canary") && !redacted.contains("ary"), "{redacted}");
            assert!(redacted.contains(REDACTED), "{redacted}");
        }
    }

    #[test]
    fn leaves_the_rest_of_a_text_alone() {
        for text in [
            "UPDATE t SET key = 5, token='x' WHERE a::string = 'b'",
            "SELECT 'http: error', a:b, x::http FROM t",
            "a // b :// c",
        ] {
            assert_eq!(redact_text(text), text);
        }
        assert_eq!(
            redact_text("x ('s3://b/k?sig=1', 'nodelocal://1/y') WITH z = '|'; SELECT 1"),
            "x ('s3://b/k?sig=redacted', 'nodelocal://1/y') WITH z = '|'; SELECT 1"
        );
        assert_eq!(redact_text("(see https://h/x?a=b)."), "(see https://h/x?a=redacted).");
    }
}
