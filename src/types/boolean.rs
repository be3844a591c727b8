//! Booleans: the words of CockroachDB since 2.1.

use crate::error::{Result, SqlState};

use super::fault::Fault;

/// Parses a prefix of true, false, yes or no, `on`, `of`, `off`, `1` or `0`, in any case.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<bool> {
    match bytes {
        b"t" | b"true" | b"1" => Ok(true),
        b"f" | b"false" | b"0" => Ok(false),
        _ => slow(bytes),
    }
}

fn slow(bytes: &[u8]) -> Result<bool> {
    let word = bytes.trim_ascii();
    let prefix_of = |whole: &str, shortest: usize| {
        word.len() >= shortest
            && whole
                .as_bytes()
                .get(..word.len())
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case(word))
    };
    if prefix_of("true", 1) || prefix_of("yes", 1) || prefix_of("on", 2) || word == b"1" {
        Ok(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(Fault::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid bool value")
            .of("bool", bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_prefixes_in_any_case() {
        for text in ["t", "T", "tr", "TRUE", "True", "y", "yes", "on", "ON", "1", " true "] {
            assert!(parse(text.as_bytes()).unwrap(), "{text}");
        }
        for text in ["f", "F", "fal", "FALSE", "n", "no", "of", "off", "0", "\tno"] {
            assert!(!parse(text.as_bytes()).unwrap(), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", " ", "o", "2", "maybe", "truee", "00", "-1", "offf"] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
        }
        let error = parse(b"maybe").unwrap_err();
        assert_eq!(error.message(), "could not parse \"maybe\" as type bool: invalid bool value");
    }
}
