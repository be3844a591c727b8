//! String literals and quoted names: decoding what was written, quoting what is printed.

use super::keyword;
use super::token::{is_word_part, is_word_start};
use crate::error::{Error, Result, Span, SqlState};

/// Returns `name` as an identifier, in double quotes only if it needs them.
pub fn quote_ident(name: &str) -> String {
    let mut chars = name.chars();
    let simple = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if simple && !keyword::needs_quotes(name) { name.to_owned() } else { always_quote(name) }
}

/// Returns `name` in double quotes.
pub(super) fn always_quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns `text` as a string literal; as `e'...'` if it holds a backslash or a control character.
pub fn quote_literal(text: &str) -> String {
    if !text.contains(|c: char| c == '\\' || c.is_control()) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("e'");
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Returns the name that `written` stands for: folded to lower case, or unquoted.
///
/// Only ASCII letters fold, as they do where names in queries are resolved.
pub(super) fn decode_name(written: &str) -> String {
    match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => written.to_ascii_lowercase(),
    }
}

/// Returns the text of a string literal `'...'`, `e'...'` or `$tag$...$tag$` that stands at
/// `start`.
pub(super) fn decode_string(written: &str, start: usize) -> Result<String> {
    if let Some(inner) = written.strip_prefix('\'') {
        return Ok(inner[..inner.len() - 1].replace("''", "'"));
    }
    if let Some(tagged) = written.strip_prefix('$') {
        let delimiter = tagged.find('$').map_or(0, |at| at + 2);
        return Ok(written[delimiter..written.len() - delimiter].to_owned());
    }
    decode_escapes(&written[2..written.len() - 1], start + 2)
}

/// Returns the text of the inside of `e'...'`, which stands at `start`.
fn decode_escapes(inner: &str, start: usize) -> Result<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        if c == '\'' {
            // Only a doubled quote can stand inside.
            length += 1;
            out.push(b'\'');
        } else if c == '\\' {
            let at = start + inner.len() - rest.len();
            length = decode_escape(rest, at, &mut out)?;
        } else {
            out.extend_from_slice(&rest.as_bytes()[..length]);
        }
        rest = &rest[length..];
    }
    let span = Span::new(start - 2, start + inner.len() + 1);
    String::from_utf8(out).map_err(|_| {
        Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "escapes in the string give invalid UTF-8",
        )
        .at(span)
    })
}

/// Decodes the escape at the head of `rest` into `out` and returns its length.
fn decode_escape(rest: &str, at: usize, out: &mut Vec<u8>) -> Result<usize> {
    let c = rest[1..].chars().next().unwrap_or('\\');
    let simple = |out: &mut Vec<u8>, byte| {
        out.push(byte);
        Ok(2)
    };
    match c {
        'b' => simple(out, 8),
        'f' => simple(out, 12),
        'n' => simple(out, b'\n'),
        'r' => simple(out, b'\r'),
        't' => simple(out, b'\t'),
        'v' => simple(out, 11),
        'a' => simple(out, 7),
        'x' if rest[2..].starts_with(|c: char| c.is_ascii_hexdigit()) => {
            push_code(rest, at, (2, 2, 16), out)
        }
        '0'..='7' => push_code(rest, at, (1, 3, 8), out),
        'u' => push_char(rest, at, 4, out),
        'U' => push_char(rest, at, 8, out),
        c => {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(1 + c.len_utf8())
        }
    }
}

/// Decodes a byte: `\x41` or `\101`. `form` is where its digits start, how many there may be, and
/// their radix.
fn push_code(
    rest: &str,
    at: usize,
    (start, most, radix): (usize, usize, u32),
    out: &mut Vec<u8>,
) -> Result<usize> {
    let digits = rest[start..].chars().take(most).take_while(|c| c.is_digit(radix)).count();
    let end = start + digits;
    let code = u32::from_str_radix(&rest[start..end], radix).unwrap_or(0);
    match u8::try_from(code) {
        Ok(0) | Err(_) => Err(invalid_escape(&rest[..end], at)),
        Ok(byte) => {
            out.push(byte);
            Ok(end)
        }
    }
}

/// Decodes a character: `\u00e4` or `\U0001f600`.
fn push_char(rest: &str, at: usize, digits: usize, out: &mut Vec<u8>) -> Result<usize> {
    let found = rest[2..].chars().take(digits).take_while(char::is_ascii_hexdigit).count();
    let written = &rest[..2 + found];
    let code = u32::from_str_radix(&written[2..], 16).unwrap_or(0);
    match char::from_u32(code) {
        Some(c) if found == digits && c != '\0' => {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(written.len())
        }
        _ => Err(invalid_escape(written, at)),
    }
}

fn invalid_escape(written: &str, at: usize) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, format!("invalid escape \"{written}\" in a string"))
        .at(Span::new(at, at + written.len()))
        .hint("A backslash stands for itself when it is doubled.")
}

/// Tells whether `name` can stand after a colon as a variable's name.
pub(super) fn variable_length(text: &str) -> usize {
    match text.chars().next() {
        Some(c) if is_word_start(c) => {
            text.find(|c| !is_word_part(c) || c == '$').unwrap_or(text.len())
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_only_names_that_need_it() {
        for (name, expected) in [
            ("a_1", "a_1"),
            ("nullif", "\"nullif\""),
            ("primary", "\"primary\""),
            ("Ab", "\"Ab\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
            ("temp", "temp"),
        ] {
            assert_eq!(quote_ident(name), expected);
        }
    }

    #[test]
    fn decodes_every_form_of_string() {
        for (written, expected) in [
            ("'it''s'", "it's"),
            (r"'\t'", r"\t"),
            (r"e'\t'", "\t"),
            (r"E'a\\b\'c''d\x41\101\u00e4\q'", "a\\b'c'dAA\u{e4}q"),
            (r"e'\xc3\xa4'", "\u{e4}"),
            ("$$a'b$$", "a'b"),
            ("$x$a$$b$x$", "a$$b"),
        ] {
            assert_eq!(decode_string(written, 0).unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn refuses_escapes_that_mean_nothing() {
        for (written, code) in [
            (r"e'\xff'", SqlState::CHARACTER_NOT_IN_REPERTOIRE),
            (r"e'\u12'", SqlState::SYNTAX_ERROR),
            (r"e'\ud800'", SqlState::SYNTAX_ERROR),
            (r"e'\0'", SqlState::SYNTAX_ERROR),
            (r"e'\777'", SqlState::SYNTAX_ERROR),
        ] {
            assert_eq!(decode_string(written, 0).unwrap_err().code(), code, "{written}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn quoted_literals_decode_to_themselves(text in "[^\0]{0,20}") {
            prop_assert_eq!(decode_string(&quote_literal(&text), 0).unwrap(), text);
        }

        #[test]
        fn quoted_names_decode_to_themselves(name in any::<String>()) {
            prop_assert_eq!(decode_name(&quote_ident(&name)), name);
        }
    }
}
