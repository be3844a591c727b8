//! How a CSV file is written: its delimiter, its comment character, its quote and what escapes it.

use std::fmt;

use super::error::{RecordError, RecordFault};

/// The quote unless another is given.
const QUOTE: u8 = b'"';

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between fields.
    pub delimiter: Delimiter,
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
            delimiter: Delimiter::from(','),
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
        let delimiter = self.delimiter.as_str();
        let clash = delimiter.contains(|c| c == '\0' || line_end(c))
            || self.comment.is_some_and(|comment| {
                line_end(comment) || comment != '\0' && delimiter.starts_with(comment)
            });
        if clash { Err(RecordError::at(0, 0, 0, RecordFault::Dialect)) } else { Ok(()) }
    }
}

/// What stands between the fields of a CSV file: one to four bytes of text, in most files one
/// character.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Delimiter(Mark);

impl Delimiter {
    /// The most bytes that a delimiter has.
    pub const MOST_BYTES: usize = 4;

    /// Returns a delimiter of these characters, if they are not too many or none.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::MOST_BYTES];
        bytes
            .get_mut(..text.len())
            .filter(|part| !part.is_empty())?
            .copy_from_slice(text.as_bytes());
        Some(Self(Mark { bytes, length: text.len() }))
    }

    /// Returns the characters.
    pub fn as_str(&self) -> &str {
        // The bytes were those of a text.
        std::str::from_utf8(&self.0.bytes[..self.0.length]).unwrap_or_default()
    }

    /// Returns the byte that it is, if it is one.
    pub fn single_byte(&self) -> Option<u8> {
        self.0.first().filter(|_| self.0.length == 1)
    }

    /// Returns its bytes as a mark; NUL is the empty one.
    pub(super) fn mark(self) -> Mark {
        if self.0.bytes == [0; Self::MOST_BYTES] { Mark::new(None) } else { self.0 }
    }
}

impl From<char> for Delimiter {
    fn from(character: char) -> Self {
        let mut bytes = [0; Self::MOST_BYTES];
        let length = character.encode_utf8(&mut bytes).len();
        Self(Mark { bytes, length })
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.as_str().chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => character.fmt(formatter),
            _ => self.as_str().fmt(formatter),
        }
    }
}

/// A character, or a few of them, as the bytes that stand for it in a file; empty if there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
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
        let dialect = Dialect { delimiter: delimiter.into(), comment, ..Dialect::default() };
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
    fn delimiters_have_one_to_four_bytes() {
        for text in [",", ", ", "||", "::::", "\u{2713}", "\u{2713}|", "\u{1f600}"] {
            let delimiter = Delimiter::new(text).unwrap();
            assert_eq!(delimiter.as_str(), text);
            assert_eq!(delimiter.single_byte(), (text.len() == 1).then(|| text.as_bytes()[0]));
        }
        assert_eq!(Delimiter::new("\u{2713}"), Some('\u{2713}'.into()));
        assert_eq!(Delimiter::new(""), None);
        assert_eq!(Delimiter::new("12345"), None);
        assert_eq!(
            format!("{:?} {:?}", Delimiter::from('\t'), Delimiter::new("||").unwrap()),
            "'\\t' \"||\""
        );
        let dialect = Dialect {
            delimiter: Delimiter::new("#|").unwrap(),
            comment: Some('#'),
            ..Dialect::default()
        };
        assert!(dialect.check().is_err(), "a line that starts with a delimiter is no comment");
    }

    #[test]
    fn says_what_cockroachdb_says() {
        let dialect = Dialect { delimiter: '\n'.into(), ..Dialect::default() };
        let error = dialect.check().unwrap_err();
        assert_eq!(error.message(1), "csv: invalid field or comment delimiter");
        assert_eq!(error.code().as_str(), "22023");
    }
}
