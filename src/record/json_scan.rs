//! The tokens of JSON: where strings, numbers and nested values end, and the text that strings stand for.
//!
//! Everything that is passed over is checked against RFC 8259, but for UTF-8, which whoever uses the
//! text checks.

use std::borrow::Cow;

/// How deep arrays and objects may nest: as many levels as a stack of bits has.
const DEEPEST: u32 = u128::BITS;

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the value does.
    End,
    /// Something is wrong at this offset.
    Fault(usize, Cow<'static, str>),
    /// The value nests too deeply at this offset.
    Deep(usize),
}

impl Stop {
    /// Returns the stop at something that is wrong.
    pub(super) fn fault(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Fault(at, message.into())
    }
}

/// Returns where the first byte stands from `at` on that is no blank.
#[inline]
pub(super) fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Returns the stop at a byte that cannot stand where it does.
#[cold]
pub(super) fn unexpected(bytes: &[u8], at: usize, wanted: &str) -> Stop {
    let Some(byte) = bytes.get(at) else { return Stop::End };
    let rest = &bytes[at..bytes.len().min(at + 4)];
    let text = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    match text.chars().next() {
        Some(found) => Stop::fault(at, format!("expected {wanted}, found {found:?}")),
        None => Stop::fault(at, format!("expected {wanted}, found byte {byte:#04x}")),
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Returns the high bit of each byte that ends or interrupts a string: a quote, a backslash or a control
/// character. Bits above the lowest one may be wrong.
#[inline]
fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGH
}

/// Returns where the first byte from `at` on stands that ends or interrupts a string.
#[inline]
fn next_special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// Returns where the string ends whose text starts at `start`: the offset of its closing quote, and
/// whether escapes stand in it.
#[inline]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Stop> {
    let at = next_special(bytes, start);
    if bytes.get(at) == Some(&b'"') {
        return Ok((at, false));
    }
    escaped_end(bytes, at)
}

/// Returns where a string ends, from the first byte on that is no plain text.
fn escaped_end(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Stop> {
    let mut escaped = false;
    loop {
        match bytes.get(at) {
            None => return Err(Stop::End),
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape_end(bytes, at)?;
            }
            Some(control) => {
                let message = format!("control character {control:#04x} in a string");
                return Err(Stop::fault(at, message));
            }
        }
        at = next_special(bytes, at);
    }
}

/// Returns where the escape ends that starts with the backslash at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at + 1) {
        None => Err(Stop::End),
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match bytes.get(at + 2..at + 6) {
            None => Err(Stop::End),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            Some(_) => Err(Stop::fault(at, "escape \\u without four hexadecimal digits")),
        },
        Some(_) => Err(Stop::fault(at, "invalid escape in a string")),
    }
}

/// Appends the text of the string between `start` and `end`, whose escapes `string_end` has seen.
pub(super) fn unescape(
    bytes: &[u8],
    (start, end): (usize, usize),
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let mut at = start;
    while let Some(length) = memchr::memchr(b'\\', &bytes[at..end]) {
        out.extend_from_slice(&bytes[at..at + length]);
        at += length;
        let plain = match bytes[at + 1] {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, next) = unicode(&bytes[..end], at)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at = next;
                continue;
            }
            itself => itself,
        };
        out.push(plain);
        at += 2;
    }
    out.extend_from_slice(&bytes[at..end]);
    Ok(())
}

/// Returns the character of the escape `\uXXXX`, or of two that are a pair of surrogates, and where
/// the text goes on.
fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Stop> {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        u32::from_str_radix(std::str::from_utf8(&digits[2..]).ok()?, 16).ok()
    };
    let first = unit(at).unwrap_or_default();
    if let Some(character) = char::from_u32(first) {
        return Ok((character, at + 6));
    }
    let pair = unit(at + 6)
        .filter(|second| (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(second))
        .and_then(|second| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)));
    match pair {
        Some(character) => Ok((character, at + 12)),
        None => Err(Stop::fault(at, "half of a surrogate pair in a string")),
    }
}

/// Returns where the number ends that starts at `at`.
#[inline]
pub(super) fn number_end(bytes: &[u8], start: usize) -> Result<usize, Stop> {
    let digits = |mut at: usize| {
        let start = at;
        while let Some(b'0'..=b'9') = bytes.get(at) {
            at += 1;
        }
        if at == start { Err(unexpected(bytes, at, "a digit")) } else { Ok(at) }
    };
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(signed))?;
    }
    match bytes.get(at) {
        // Outside arrays and objects there are no numbers: something must follow.
        None => Err(Stop::End),
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_') => {
            Err(Stop::fault(start, "malformed number"))
        }
        Some(_) => Ok(at),
    }
}

/// Returns where the word `true`, `false` or `null` ends that starts at `at`.
#[inline]
pub(super) fn word_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let word: &[u8] = match bytes.get(at) {
        Some(b't') => b"true",
        Some(b'f') => b"false",
        Some(b'n') => b"null",
        _ => return Err(unexpected(bytes, at, "a value")),
    };
    let rest = &bytes[at..];
    if rest.starts_with(word) {
        Ok(at + word.len())
    } else if word.starts_with(rest) {
        Err(Stop::End)
    } else {
        Err(unexpected(bytes, at, "a value"))
    }
}

/// Returns where the value ends that starts at `at`, whatever it is.
pub(super) fn value_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at) {
        Some(b'"') => Ok(string_end(bytes, at + 1)?.0 + 1),
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at),
        Some(b'{' | b'[') => nested_end(bytes, at),
        _ => word_end(bytes, at),
    }
}

/// Returns where the array or object ends that starts at `at`.
pub(super) fn nested_end(bytes: &[u8], mut at: usize) -> Result<usize, Stop> {
    // A bit per level that is open: whether it is an object.
    let (mut objects, mut depth) = (0_u128, 0_u32);
    loop {
        // A value starts here.
        match bytes.get(at) {
            Some(open @ (b'{' | b'[')) => {
                if depth == DEEPEST {
                    return Err(Stop::Deep(at));
                }
                let object = *open == b'{';
                objects = objects << 1 | u128::from(object);
                depth += 1;
                at = blank(bytes, at + 1);
                let close = if object { b'}' } else { b']' };
                if bytes.get(at) != Some(&close) {
                    if object {
                        at = name_end(bytes, at)?;
                    }
                    continue;
                }
                // Nothing is in it: it ends below.
            }
            _ => at = blank(bytes, value_end(bytes, at)?),
        }
        // A value ended: so may those around it.
        loop {
            let object = objects & 1 == 1;
            match bytes.get(at) {
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                Some(b',') => {
                    at = blank(bytes, at + 1);
                    if object {
                        at = name_end(bytes, at)?;
                    }
                    break;
                }
                _ => {
                    let wanted = if object { "\",\" or \"}\"" } else { "\",\" or \"]\"" };
                    return Err(unexpected(bytes, at, wanted));
                }
            }
            objects >>= 1;
            depth -= 1;
            if depth == 0 {
                return Ok(at + 1);
            }
            at = blank(bytes, at + 1);
        }
    }
}

/// Returns where the value starts whose name starts at `at`.
fn name_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    if bytes.get(at) != Some(&b'"') {
        return Err(unexpected(bytes, at, "a name in quotes"));
    }
    colon(bytes, string_end(bytes, at + 1)?.0 + 1)
}

/// Returns where the value starts whose name ends before `at`.
#[inline]
pub(super) fn colon(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let at = blank(bytes, at);
    if bytes.get(at) != Some(&b':') {
        return Err(unexpected(bytes, at, "\":\""));
    }
    Ok(blank(bytes, at + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks one value against `serde_json`, whole and cut at every offset.
    fn check(text: &str) {
        let bytes = text.as_bytes();
        let ended = [bytes, b" "].concat();
        let found = value_end(&ended, 0);
        let nested = text.starts_with(['{', '[']);
        let expected = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(found == Ok(bytes.len()), expected, "{text}: {found:?}");
        if expected && nested {
            for cut in 0..bytes.len() {
                assert_eq!(value_end(&bytes[..cut], 0), Err(Stop::End), "{text} up to {cut}");
            }
        }
    }

    #[test]
    fn knows_values_from_others() {
        for text in [
            "{}",
            "[]",
            "[1,2]",
            "[[[]],{}]",
            "{\"a\":1,\"b\":[true,false,null]}",
            "0",
            "-0",
            "1.5e+10",
            "1E5",
            "-12.75",
            "\"\"",
            "\"a\\n\\u00e9\\\"\"",
            "{ \"a\" : { } }",
            "tru",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "NaN",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"a\nb\"",
            "[\"a\tb\"]",
            "'a'",
            "truex",
            "1x",
            "[1x]",
            "nul",
            "[nul]",
        ] {
            check(text);
        }
    }

    #[test]
    fn stops_before_the_stack_is_full() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(nested_end(nest(128).as_bytes(), 0), Ok(256));
        assert_eq!(nested_end(nest(129).as_bytes(), 0), Err(Stop::Deep(128)));
        assert_eq!(nested_end(nest(1_000_000).as_bytes(), 0), Err(Stop::Deep(128)));
    }

    fn text_of(quoted: &str) -> Result<Vec<u8>, Stop> {
        let bytes = quoted.as_bytes();
        let (end, _) = string_end(bytes, 1)?;
        let mut out = Vec::new();
        unescape(bytes, (1, end), &mut out)?;
        Ok(out)
    }

    #[test]
    fn refuses_halves_of_pairs() {
        assert_eq!(text_of("\"\\ud83d\\ude00\"").unwrap(), "\u{1f600}".as_bytes());
        for text in ["\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\ud83d\\u0041\""] {
            assert!(text_of(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_strings_as_serde_json_does(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(text_of(&quoted).unwrap(), text.as_bytes());
        }

        #[test]
        fn agrees_with_serde_json_on_any_text(
            text in "[\\[\\]{}:, \"a0-9.e\\\\tn-]{0,12}"
        ) {
            let wrapped = format!("[{text}]");
            let expected = serde_json::from_str::<serde_json::Value>(&wrapped).is_ok();
            let found = value_end(wrapped.as_bytes(), 0) == Ok(wrapped.len());
            prop_assert_eq!(found, expected, "{}", wrapped);
        }

        #[test]
        fn finds_specials_like_a_loop(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b'a'), Just(b'\\'), Just(b'"'), Just(0x1f)], 0..40)
        ) {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let expected = bytes.iter().position(special).unwrap_or(bytes.len());
            prop_assert_eq!(next_special(&bytes, 0), expected);
        }
    }
}
