//! Text in other encodings as a stream of UTF-8, with the places of what is malformed.
//!
//! Which encodings there are and what they are called is the WHATWG's Encoding Standard, as on the web.
//! A byte order mark decides over the name that was given, and is taken away.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

/// Encoded bytes read at once.
const INPUT: usize = 64 << 10;

/// What stands in the text where the bytes mean nothing.
const REPLACEMENT: &str = "\u{fffd}";

/// How the text of a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding(&'static Encoding);

impl TextEncoding {
    /// Returns the encoding that a label names, in any case; besides the labels of the standard,
    /// spellings that differ from one in hyphens and underscores alone.
    pub fn of_label(label: &str) -> Option<Self> {
        let hyphenated = label.trim().to_ascii_lowercase().replace('_', "-");
        let joined = hyphenated.replace('-', "");
        [hyphenated.as_str(), &joined, &hyphenated.replace("utf-16-", "utf-16")]
            .into_iter()
            .find_map(|label| Encoding::for_label_no_replacement(label.as_bytes()))
            .map(Self)
    }

    /// Returns whether the text is UTF-8, so that there is nothing to decode.
    pub fn is_utf8(self) -> bool {
        self.0 == encoding_rs::UTF_8
    }

    /// Returns the encoding's name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// Returns the label of the encoding that a file's first bytes announce, if it is not UTF-8.
pub fn announced_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, ..] => Some("utf-16le"),
        [0xfe, 0xff, ..] => Some("utf-16be"),
        _ => None,
    }
}

/// Bytes that mean nothing in the encoding of their file. In the text U+FFFD stands for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where the replacement stands in the decoded text.
    pub text: u64,
    /// Where the bytes stand in the file, after decompression.
    pub source: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The text of a file as UTF-8, decoded as it is read.
pub struct DecodedText {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    encoded: Vec<u8>,
    /// How many of the encoded bytes were read.
    read: usize,
    /// How many of those the decoder has taken.
    taken: usize,
    /// Where the encoded bytes start in the file.
    source: u64,
    ended: bool,
    /// Whether the decoder has seen the end.
    finished: bool,
    text: Vec<u8>,
    /// How much of the text was handed out.
    given: usize,
    /// Where the text starts in the whole of it.
    base: u64,
    /// The last bytes before the encoded ones: a malformed sequence may begin in them.
    before: Vec<u8>,
    malformed: Vec<Malformed>,
}

impl DecodedText {
    /// Returns the text of `input`.
    pub fn new(input: Box<dyn Read + Send>, encoding: TextEncoding) -> Self {
        Self {
            input,
            decoder: encoding.0.new_decoder(),
            encoded: vec![0; INPUT],
            read: 0,
            taken: 0,
            source: 0,
            ended: false,
            finished: false,
            text: Vec::new(),
            given: 0,
            base: 0,
            before: Vec::new(),
            malformed: Vec::new(),
        }
    }

    /// Returns what is malformed in the text read so far, in order, each once.
    pub fn take_malformed(&mut self) -> Vec<Malformed> {
        std::mem::take(&mut self.malformed)
    }

    /// Reads more bytes if all were decoded.
    fn read_encoded(&mut self) -> io::Result<()> {
        if self.taken < self.read || self.ended {
            return Ok(());
        }
        self.source += self.read as u64;
        let tail = self.read.saturating_sub(LONGEST_SEQUENCE);
        self.before.extend_from_slice(&self.encoded[tail..self.read]);
        let surplus = self.before.len().saturating_sub(LONGEST_SEQUENCE);
        self.before.drain(..surplus);
        (self.read, self.taken) = (0, 0);
        self.read = loop {
            match self.input.read(&mut self.encoded) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.ended = self.read == 0;
        Ok(())
    }

    /// Decodes what was read; the text may stay empty.
    fn decode(&mut self) {
        self.base += self.text.len() as u64;
        self.given = 0;
        let encoded = &self.encoded[self.taken..self.read];
        let most = self.decoder.max_utf8_buffer_length_without_replacement(encoded.len());
        self.text.resize(most.unwrap_or(4 * INPUT).max(16), 0);
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(encoded, &mut self.text, self.ended);
        self.taken += read;
        self.text.truncate(written);
        match result {
            DecoderResult::Malformed(length, behind) => {
                self.note_malformed(usize::from(length), usize::from(behind));
            }
            DecoderResult::InputEmpty => self.finished = self.ended,
            DecoderResult::OutputFull => {}
        }
    }

    /// Notes a malformed sequence of `length` bytes that ended `behind` bytes before the last one taken.
    fn note_malformed(&mut self, length: usize, behind: usize) {
        let all = [self.before.as_slice(), &self.encoded[..self.taken]].concat();
        let end = all.len().saturating_sub(behind);
        let start = end.saturating_sub(length);
        let source = (self.source + self.taken as u64).saturating_sub((all.len() - start) as u64);
        let text = self.base + self.text.len() as u64;
        self.malformed.push(Malformed { text, source, bytes: all[start..end].to_vec() });
        self.text.extend_from_slice(REPLACEMENT.as_bytes());
    }
}

/// The bytes of the longest sequence that a decoder calls malformed, with what it took behind it.
const LONGEST_SEQUENCE: usize = 8;

impl Read for DecodedText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !buffer.is_empty() {
            if self.finished {
                return Ok(0);
            }
            self.read_encoded()?;
            self.decode();
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time.
    struct Slow(Vec<u8>, usize, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.2.min(buffer.len()).min(self.0.len() - self.1);
            buffer[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
            self.1 += count;
            Ok(count)
        }
    }

    /// Decodes `bytes` in pieces of every small size; they must all give the same.
    fn decode(label: &str, bytes: &[u8]) -> (String, Vec<Malformed>) {
        let encoding = TextEncoding::of_label(label).expect(label);
        let mut all = [1, 2, 3, 7, 1 << 20].into_iter().map(|size| {
            let input = Box::new(Slow(bytes.to_vec(), 0, size));
            let mut decoded = DecodedText::new(input, encoding);
            let mut text = Vec::new();
            decoded.read_to_end(&mut text).unwrap();
            (String::from_utf8(text).unwrap(), decoded.take_malformed())
        });
        let first = all.next().unwrap();
        assert!(all.all(|other| other == first), "{label} {bytes:?}");
        first
    }

    fn check(label: &str, bytes: &[u8], expected: &str) {
        assert_eq!(decode(label, bytes), (expected.to_owned(), Vec::new()));
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn knows_labels_and_their_spellings() {
        for (label, name) in [
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("latin1", "windows-1252"),
            ("Latin-1", "windows-1252"),
            ("iso_8859_15", "ISO-8859-15"),
            ("cp1252", "windows-1252"),
            ("utf-16", "UTF-16LE"),
            ("UTF-16-BE", "UTF-16BE"),
            ("shift_jis", "Shift_JIS"),
            ("gb18030", "gb18030"),
        ] {
            assert_eq!(TextEncoding::of_label(label).map(TextEncoding::name), Some(name));
        }
        for label in ["", "utf-32", "klingon", "iso-2022-kr"] {
            assert_eq!(TextEncoding::of_label(label), None, "{label}");
        }
        assert!(TextEncoding::of_label("utf8").is_some_and(TextEncoding::is_utf8));
    }

    #[test]
    fn decodes_whatever_the_pieces() {
        let text = "a\u{e9}\u{2713}\u{1f6a2},\"b\"\r\n";
        check("utf-16le", &utf16(text, true), text);
        check("utf-16be", &utf16(text, false), text);
        check("latin1", b"caf\xe9 \x80", "caf\u{e9} \u{20ac}");
        check("windows-1251", b"\xcf\xf0", "\u{41f}\u{440}");
        check("shift_jis", b"\x93\xfa\x96{,x", "\u{65e5}\u{672c},x");
        check("latin1", b"", "");
        let long = "\u{e9}x".repeat(100_000);
        check("latin1", &b"\xe9x".repeat(100_000), &long);
        check("utf-16le", &utf16(&long, true), &long);
    }

    #[test]
    fn takes_a_mark_for_what_it_says() {
        check("utf-16", b"\xfe\xff\0a", "a");
        check("utf-16le", b"\xff\xfea\0", "a");
        check("latin1", b"\xef\xbb\xbf\xc3\xa9", "\u{e9}");
        assert_eq!(announced_encoding(b"\xff\xfea\0"), Some("utf-16le"));
        assert_eq!(announced_encoding(b"\xfe\xff"), Some("utf-16be"));
        assert_eq!(announced_encoding(b"\xef\xbb\xbfa"), None);
        assert_eq!(announced_encoding(b"\xff"), None);
    }

    fn check_malformed(label: &str, bytes: &[u8], text: &str, expected: &[(u64, u64, &[u8])]) {
        let (decoded, malformed) = decode(label, bytes);
        let malformed: Vec<_> =
            malformed.iter().map(|one| (one.text, one.source, one.bytes.as_slice())).collect();
        assert_eq!((decoded.as_str(), malformed.as_slice()), (text, expected), "{label}");
    }

    #[test]
    fn tells_where_the_bytes_mean_nothing() {
        check_malformed("shift_jis", b"a,\x80\xff\nb", "a,\u{80}\u{fffd}\nb", &[(4, 3, b"\xff")]);
        check_malformed("utf-16le", b"a\0\x00\xdcb\0", "a\u{fffd}b", &[(1, 2, b"\x00\xdc")]);
        check_malformed("utf-16le", b"a\0b", "a\u{fffd}", &[(1, 2, b"b")]);
        check_malformed("euc-jp", b"\xc6\xfc\xc6\n", "\u{65e5}\u{fffd}\n", &[(3, 2, b"\xc6")]);
        check_malformed("koi8-r", b"\xc1\xff", "\u{430}\u{42a}", &[]);
        let (_, malformed) = decode("big5", &b"\xffx".repeat(70_000));
        assert_eq!(malformed.len(), 70_000);
        assert!((0..).zip(&malformed).all(|(at, one)| one.source == 2 * at && one.text == 4 * at));
    }
}
