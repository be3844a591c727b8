//! How a CSV file is written: its delimiter, its comment character, its quote and what escapes it.

use super::error::{RecordError, RecordFault};

/// The quote unless another is given.
const QUOTE: u8 = b'"';

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The character between fields.
    pub delimiter: char,
    /// A line that starts with this character where a record could start is passed over.
    pub comment: Option<char>,
    /// Refuses a quote that is neither around a field nor doubled inside one.
    pub strict_quotes: bool,
    /// The byte around fields that hold delimiters, line ends or quotes; without one no field is
    /// quoted. ASCII, and neither the delimiter nor the comment.
    pub quote: Option<u8>,
    /// The byte that, inside quotes, takes the meaning from a quote or itself that follows; before
    /// anything else it is text. Doubled quotes are one quote with it or without. ASCII.
    pub escape: Option<u8>,
    /// Reads what breaks the rules as well as can be: short records are filled up, long ones cut, and a
    /// quote that is not closed is text. Not together with strict quotes.
    pub lenient: bool,
    /// Lines end with a carriage return instead of a line feed.
    pub carriage_returns: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: ',',
            comment: None,
            strict_quotes: false,
            quote: Some(QUOTE),
            escape: None,
            lenient: false,
            carriage_returns: false,
        }
    }
}

impl Dialect {
    /// Returns the byte that ends lines.
    pub fn line_end(&self) -> u8 {
        if self.carriage_returns { b'\r' } else { b'\n' }
    }

    /// Checks that delimiter and comment can be told apart from each other and from line ends.
    ///
    /// A reader checks by itself when it meets the first record, so that a file without records is
    /// no error (spec: `delimiter` passes planning and fails on the first record). A comment of NUL
    /// means none.
    pub fn check(&self) -> Result<(), RecordError> {
        let line_end = |c: char| matches!(c, '\n' | '\r');
        let clash = self.delimiter == '\0'
            || line_end(self.delimiter)
            || self.comment.is_some_and(|comment| line_end(comment) || comment == self.delimiter);
        if clash { Err(RecordError::at(0, 0, 0, RecordFault::Dialect)) } else { Ok(()) }
    }
}

/// A character as the bytes that stand for it in a file; empty if there is none.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    bytes: [u8; 4],
    length: usize,
}

impl Mark {
    /// Returns the bytes of `character`; NUL and nothing are the empty mark.
    pub(super) fn new(character: Option<char>) -> Self {
        let mut bytes = [0; 4];
        let length = match character {
            None | Some('\0') => 0,
            Some(character) => character.encode_utf8(&mut bytes).len(),
        };
        Self { bytes, length }
    }

    /// Returns how many bytes the character has.
    pub(super) fn len(self) -> usize {
        self.length
    }

    /// Returns the first byte of the character, if there is one.
    pub(super) fn first(self) -> Option<u8> {
        (self.length > 0).then_some(self.bytes[0])
    }

    /// Returns whether the character stands at `at` in `bytes`.
    #[inline]
    pub(super) fn stands_at(self, bytes: &[u8], at: usize) -> bool {
        match self.length {
            0 => false,
            // Spares the usual delimiter a call that compares slices.
            1 => bytes.get(at) == Some(&self.bytes[0]),
            length => bytes.get(at..at + length) == Some(&self.bytes[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(delimiter: char, comment: Option<char>, usable: bool) {
        let dialect = Dialect { delimiter, comment, ..Dialect::default() };
        assert_eq!(dialect.check().is_ok(), usable, "{dialect:?}");
    }

    #[test]
    fn refuses_line_ends_nul_and_equal_characters() {
        check('\n', None, false);
        check('\r', None, false);
        check('\0', None, false);
        check(',', Some('\n'), false);
        check(',', Some('\r'), false);
        check('#', Some('#'), false);
    }

    #[test]
    fn accepts_anything_else() {
        check(',', None, true);
        check('\t', Some('#'), true);
        check('\u{2713}', Some('\u{a7}'), true);
        check('"', None, true);
        check(',', Some('\0'), true);
    }

    #[test]
    fn says_what_cockroachdb_says() {
        let dialect = Dialect { delimiter: '\n', ..Dialect::default() };
        let error = dialect.check().unwrap_err();
        assert_eq!(error.message(1), "csv: invalid field or comment delimiter");
        assert_eq!(error.code().as_str(), "22023");
    }
}
