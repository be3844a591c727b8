//! How a value that cannot be read is told: the class, the words and the text at fault.
//!
//! Parsers return a small `Fault`; it becomes an `Error` only where the text and the type are known,
//! off the hot path.

use crate::error::{Error, Result, SqlState, shorten};

/// Why a text is no value of a type.
#[derive(Debug)]
pub(super) struct Fault {
    code: SqlState,
    why: String,
    hint: Option<&'static str>,
}

impl Fault {
    /// Returns a fault of class `code`.
    pub(super) fn new(code: SqlState, why: impl Into<String>) -> Self {
        Self { code, why: why.into(), hint: None }
    }

    /// Returns the fault of a text that has not the form of the type.
    pub(super) fn syntax() -> Self {
        Self::new(SqlState::INVALID_TEXT_REPRESENTATION, "invalid syntax")
    }

    /// Returns the fault of a text that is no date or time.
    pub(super) fn datetime() -> Self {
        Self::new(SqlState::INVALID_DATETIME_FORMAT, "invalid syntax")
    }

    /// Returns the fault of a date or time whose parts leave their range.
    pub(super) fn field_range() -> Self {
        Self::new(SqlState::DATETIME_FIELD_OVERFLOW, "field value out of range")
    }

    /// Adds advice, a full sentence.
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Returns the error `could not parse "text" as type family: why`.
    #[cold]
    pub(super) fn of(self, family: &str, text: &[u8]) -> Error {
        let error = Error::new(
            self.code,
            format!("could not parse \"{}\" as type {family}: {}", shown(text), self.why),
        );
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Returns the bytes as a message shows them.
pub(super) fn shown(bytes: &[u8]) -> String {
    shorten(&String::from_utf8_lossy(bytes))
}

/// Returns the bytes as text, or says which byte is not UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(not_utf8(bytes)),
    }
}

/// Returns the error of bytes that are not UTF-8.
#[cold]
pub(super) fn not_utf8(bytes: &[u8]) -> Error {
    let at = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let byte = bytes.get(at).copied().unwrap_or_default();
    Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!(
            "invalid byte sequence for encoding \"UTF8\": 0x{byte:02x} at byte {at} of the value"
        ),
    )
    .hint("Convert the file to UTF-8.")
}

/// Returns the error of a text that holds a NUL byte.
#[cold]
pub(super) fn holds_nul(at: usize) -> Error {
    Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": 0x00 at byte {at} of the value"),
    )
}

/// Returns the error of a value beyond its numeric type: `integer out of range for type int4: "70000"`.
#[cold]
pub(super) fn integer_range(name: &str, text: &str) -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("integer out of range for type {name}: \"{}\"", shorten(text)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_wrong_byte() {
        let error = not_utf8(b"ab\xffc");
        assert_eq!(error.code(), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
        assert!(error.message().contains("0xff at byte 2"), "{error}");
    }

    #[test]
    fn shortens_the_value() {
        let error = Fault::syntax().of("int", "x".repeat(5000).as_bytes());
        assert!(error.message().len() < 1200);
        assert!(error.message().ends_with("-- TRUNCATED\" as type int: invalid syntax"));
    }
}
