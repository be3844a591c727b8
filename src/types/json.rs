//! JSON documents: checked against RFC 8259 and held as the text that PostgreSQL prints for JSONB.
//!
//! Keys stand by length and then bytes, the last of equal ones wins, numbers lose their exponent but no
//! digit, and strings keep only the escapes that they need.

use std::fmt::Write as _;

use arrow::array::ArrayRef;

use crate::error::{Error, Result, SqlState};

use super::fault::{self, Fault};
use super::{CellError, Cells, text};

/// How deep arrays and objects may nest.
const DEEPEST: usize = 128;

/// The largest exponent of a number, which becomes as many digits.
const LARGEST_EXPONENT: i64 = 1000;

/// Parses a column of documents.
pub(super) fn column(cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    text::canonical(cells, append)
}

/// Appends the canonical text of a document.
fn append(bytes: &[u8], out: &mut String) -> Result {
    let text = fault::utf8(bytes)?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.document(out).map_err(|fault| told(fault, bytes))
}

#[cold]
fn told(fault: Fault, bytes: &[u8]) -> Error {
    fault.of("jsonb", bytes)
}

/// Reads JSON and writes it in canonical form.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn document(&mut self, out: &mut String) -> Result<(), Fault> {
        self.value(out)?;
        self.blank();
        if self.at < self.text.len() { Err(self.unexpected()) } else { Ok(()) }
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes a byte if it is next behind blanks.
    fn take(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, out: &mut String) -> Result<(), Fault> {
        self.blank();
        match self.next() {
            Some(b'{') => self.nested(out, Self::object),
            Some(b'[') => self.nested(out, Self::array),
            Some(b'"') => {
                let text = self.string()?;
                write_string(&text, out);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(out),
            _ => self.word(out),
        }
    }

    fn word(&mut self, out: &mut String) -> Result<(), Fault> {
        for word in ["true", "false", "null"] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                out.push_str(word);
                return Ok(());
            }
        }
        Err(self.unexpected())
    }

    fn nested(
        &mut self,
        out: &mut String,
        read: impl Fn(&mut Self, &mut String) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("it nests deeper than {DEEPEST} levels"),
            ));
        }
        self.at += 1;
        read(self, out)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, out: &mut String) -> Result<(), Fault> {
        out.push('[');
        if !self.take(b']') {
            loop {
                self.value(out)?;
                if self.take(b']') {
                    break;
                }
                self.require(b',')?;
                out.push_str(", ");
            }
        }
        out.push(']');
        Ok(())
    }

    fn object(&mut self, out: &mut String) -> Result<(), Fault> {
        let mut members: Vec<(String, std::ops::Range<usize>)> = Vec::new();
        let mut values = String::new();
        if !self.take(b'}') {
            loop {
                self.blank();
                if self.next() != Some(b'"') {
                    return Err(self.unexpected());
                }
                let key = self.string()?;
                self.require(b':')?;
                let start = values.len();
                self.value(&mut values)?;
                members.push((key, start..values.len()));
                if self.take(b'}') {
                    break;
                }
                self.require(b',')?;
            }
        }
        members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        out.push('{');
        let mut separator = "";
        for (at, (key, value)) in members.iter().enumerate() {
            // The sort is stable: the last of equal keys is the last one written.
            if members.get(at + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            out.push_str(separator);
            write_string(key, out);
            out.push_str(": ");
            out.push_str(&values[value.clone()]);
            separator = ", ";
        }
        out.push('}');
        Ok(())
    }

    fn require(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Reads a string and takes its escapes out.
    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let plain = self.text.as_bytes()[self.at..]
                .iter()
                .take_while(|byte| **byte >= 0x20 && **byte != b'"' && **byte != b'\\')
                .count();
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.wrong("a control character must be escaped")),
                None => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let Some(escape) = self.next() else { return Err(self.unexpected()) };
        let plain = match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.wrong("invalid escape sequence")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads `uXXXX`, or the two of a surrogate pair.
    fn unicode(&mut self) -> Result<char, Fault> {
        let mut code = self.four_digits()?;
        if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with("\\u") {
            self.at += 1;
            let low = self.four_digits()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.wrong("invalid surrogate pair"));
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        match char::from_u32(code) {
            Some('\0') => Err(Fault::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                format!("\\u0000 at byte {} cannot be held as text", self.at.saturating_sub(6)),
            )),
            Some(c) => Ok(c),
            None => Err(self.wrong("invalid surrogate pair")),
        }
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        let valid = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match valid.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 5;
                Ok(code)
            }
            None => Err(self.wrong("\\u must be followed by four hexadecimal digits")),
        }
    }

    fn digits(&mut self) -> &str {
        let start = self.at;
        while matches!(self.next(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn number(&mut self, out: &mut String) -> Result<(), Fault> {
        let start = self.at;
        self.at += usize::from(self.next() == Some(b'-'));
        let whole = self.digits();
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero {
            return Err(self.wrong("invalid number"));
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            if self.digits().is_empty() {
                return Err(self.wrong("invalid number"));
            }
        }
        let end = self.at;
        let mut exponent = 0;
        if matches!(self.next(), Some(b'e' | b'E')) {
            self.at += 1;
            let negative = self.next() == Some(b'-');
            self.at += usize::from(matches!(self.next(), Some(b'-' | b'+')));
            let digits = self.digits();
            if digits.is_empty() {
                return Err(self.wrong("invalid number"));
            }
            let size = digits.parse().unwrap_or(i64::MAX).min(LARGEST_EXPONENT + 1);
            exponent = if negative { -size } else { size };
        }
        if exponent.abs() > LARGEST_EXPONENT {
            return Err(Fault::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("the exponent of a number is beyond {LARGEST_EXPONENT}"),
            ));
        }
        write_number(&self.text[start..end], exponent, out);
        Ok(())
    }

    #[cold]
    fn unexpected(&self) -> Fault {
        match self.text[self.at..].chars().next() {
            Some(c) => self.wrong(&format!("unexpected {c:?}")),
            None => self.wrong("unexpected end"),
        }
    }

    #[cold]
    fn wrong(&self, why: &str) -> Fault {
        Fault::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("{why} at byte {}", self.at))
    }
}

/// Writes a number without its exponent: the point moves instead.
fn write_number(text: &str, exponent: i64, out: &mut String) {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let zero = unsigned.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    out.push_str(if zero { "" } else { sign });
    if exponent == 0 {
        out.push_str(unsigned);
        return;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    let (whole, fraction) = if exponent > 0 {
        let point = whole.len() + shift;
        let padded = format!("{digits:0<point$}");
        let (whole, fraction) = padded.split_at(point);
        (whole.to_owned(), fraction.to_owned())
    } else {
        let places = fraction.len() + shift;
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        (whole.to_owned(), fraction.to_owned())
    };
    let significant = whole.trim_start_matches('0');
    out.push_str(if significant.is_empty() { "0" } else { significant });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
}

/// Writes a string with the escapes that it needs.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            other => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{other:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Result<String> {
        let mut out = String::new();
        append(text.as_bytes(), &mut out).map(|()| out)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(expected).unwrap(), expected);
    }

    #[test]
    fn prints_as_jsonb() {
        check("{\"b\":[1,2],\"a\":1}", "{\"a\": 1, \"b\": [1, 2]}");
        check("{\"bb\":1,\"c\":2,\"a\":3}", "{\"a\": 3, \"c\": 2, \"bb\": 1}");
        check("{\"a\":1,\"a\":{\"x\":[]},\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2}");
        check(" [ ] ", "[]");
        check("{ }", "{}");
        check("\t\"a\\u00e9\\ud83d\\ude00\\/\"\n", "\"a\u{e9}\u{1f600}/\"");
        check("\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\"");
        check("true", "true");
        check("null", "null");
    }

    #[test]
    fn numbers_keep_their_digits() {
        check("1.10", "1.10");
        check("-0", "0");
        check("-0.0", "0.0");
        check("123456789012345678901234567890.5", "123456789012345678901234567890.5");
        check("1e2", "100");
        check("1.50e1", "15.0");
        check("1.5E-1", "0.15");
        check("-12.5e+3", "-12500");
        check("0e5", "0");
        check("0.001e2", "0.1");
        assert_eq!(read("1e400").unwrap().len(), 401);
        assert_eq!(read("1e1001").unwrap_err().code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(
            read("1e99999999999999999999").unwrap_err().code(),
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE
        );
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "tru",
            "nul",
            "True",
            "\"abc",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"a\nb\"",
            "1 2",
            "'a'",
            "{\"a\":1,}",
            "NaN",
            "\"\\u+123\"",
            "\"\\",
            "[1",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), SqlState::INVALID_TEXT_REPRESENTATION, "{text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert_eq!(
            read("{\"a\": nope}").unwrap_err().message(),
            "could not parse \"{\"a\": nope}\" as type jsonb: unexpected 'n' at byte 6"
        );
        assert_eq!(read("\"\\u0000\"").unwrap_err().code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    }

    #[test]
    fn limits_the_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEEPEST)).is_ok());
        assert_eq!(read(&nested(DEEPEST + 1)).unwrap_err().code(), SqlState::STATEMENT_TOO_COMPLEX);
        assert!(read(&"[".repeat(1_000_000)).is_err());
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[^\\x00]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\"\\\\]{0,3}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn means_the_same_as_serde_json(value in document()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let canonical = read(&text).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Value>(&canonical).unwrap(), &value);
                prop_assert_eq!(read(&canonical).unwrap(), canonical);
            }
        }

        #[test]
        fn accepts_what_serde_json_accepts(text in "[\\[\\]{}:,\"0-9a-c\\\\ .eEu-]{0,12}") {
            let oracle = serde_json::from_str::<Value>(&text).is_ok();
            match read(&text) {
                Ok(_) => prop_assert!(oracle, "{}", text),
                Err(error) => prop_assert!(
                    !oracle || error.code() != SqlState::INVALID_TEXT_REPRESENTATION, "{}", text
                ),
            }
        }
    }
}
