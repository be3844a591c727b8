//! Rows to text in any dialect: what EXPORT and COPY write.
//!
//! A `RowLayout` says how, a `RowWriter` does it, field by field, into bytes. What it writes in quotes
//! the readers beside it read back as it was.

/// How rows are written as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLayout {
    /// The character between fields.
    pub delimiter: char,
    /// What stands for NULL; without it NULL cannot be written.
    pub null: Option<String>,
    /// How fields are kept apart from what surrounds them.
    pub style: RowStyle,
}

/// How fields are kept apart from what surrounds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStyle {
    /// By quotes around those that need them; `escape` stands before a quote inside.
    Quoted {
        /// The quote.
        quote: char,
        /// What stands before a quote, or before itself, inside quotes.
        escape: char,
    },
    /// By backslashes, as in the text format of PostgreSQL's COPY.
    Escaped,
}

impl Default for RowLayout {
    fn default() -> Self {
        let style = RowStyle::Quoted { quote: '"', escape: '"' };
        Self { delimiter: ',', null: None, style }
    }
}

/// Writes rows of one layout.
#[derive(Clone, Debug)]
pub struct RowWriter {
    delimiter: String,
    null: Option<String>,
    style: RowStyle,
    /// The bytes that a field cannot hold as it is, one bit each.
    special: [u64; 4],
}

impl RowWriter {
    /// Returns a writer of rows in `layout`.
    pub fn new(layout: &RowLayout) -> Self {
        let mut special = [0; 4];
        let mut mark = |c: char| {
            let byte = c.to_string().as_bytes()[0];
            special[usize::from(byte / 64)] |= 1 << (byte % 64);
        };
        ['\n', '\r', layout.delimiter].into_iter().for_each(&mut mark);
        match layout.style {
            RowStyle::Quoted { quote, .. } => mark(quote),
            RowStyle::Escaped => {
                ['\\', '\t', '\u{8}', '\u{b}', '\u{c}'].into_iter().for_each(&mut mark);
            }
        }
        Self {
            delimiter: layout.delimiter.to_string(),
            null: layout.null.clone(),
            style: layout.style,
            special,
        }
    }

    /// Writes a field that starts a row (`first`) or follows another; quotes it whatever it holds if
    /// `forced`.
    #[inline]
    pub fn push_field(&self, text: &str, first: bool, forced: bool, out: &mut Vec<u8>) {
        if !first {
            out.extend_from_slice(self.delimiter.as_bytes());
        }
        let special = text.bytes().any(|byte| self.is_special(byte));
        match self.style {
            RowStyle::Quoted { quote, escape } => {
                // A mark of byte order would be taken off, and PostgreSQL ends a file at `\.`.
                let quoted = special
                    || forced
                    || text.is_empty()
                    || self.null.as_deref() == Some(text)
                    || first && (text.starts_with('\u{feff}') || text == "\\.");
                if quoted {
                    push_quoted(text, quote, escape, out);
                } else {
                    out.extend_from_slice(text.as_bytes());
                }
            }
            RowStyle::Escaped if special => self.push_escaped(text, out),
            RowStyle::Escaped => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Writes NULL; returns false, and writes nothing, if nothing stands for it.
    pub fn push_null(&self, first: bool, out: &mut Vec<u8>) -> bool {
        let Some(null) = &self.null else { return false };
        if !first {
            out.extend_from_slice(self.delimiter.as_bytes());
        }
        out.extend_from_slice(null.as_bytes());
        true
    }

    /// Ends a row.
    pub fn end_row(out: &mut Vec<u8>) {
        out.push(b'\n');
    }

    #[inline]
    fn is_special(&self, byte: u8) -> bool {
        self.special[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }

    fn push_escaped(&self, text: &str, out: &mut Vec<u8>) {
        for c in text.chars() {
            let letter = match c {
                '\\' => b'\\',
                '\n' => b'n',
                '\r' => b'r',
                '\t' => b't',
                '\u{8}' => b'b',
                '\u{b}' => b'v',
                '\u{c}' => b'f',
                c => {
                    let mut bytes = [0; 4];
                    let encoded = c.encode_utf8(&mut bytes);
                    if *encoded == *self.delimiter {
                        out.push(b'\\');
                    }
                    out.extend_from_slice(encoded.as_bytes());
                    continue;
                }
            };
            out.extend_from_slice(&[b'\\', letter]);
        }
    }
}

fn push_quoted(text: &str, quote: char, escape: char, out: &mut Vec<u8>) {
    let mut bytes = [0; 4];
    let mut push = |c: char, out: &mut Vec<u8>| {
        out.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
    };
    push(quote, out);
    let mut written = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| *c == quote || *c == escape) {
        out.extend_from_slice(&text.as_bytes()[written..at]);
        push(escape, out);
        push(c, out);
        written = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    push(quote, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Dialect, Reader};

    fn written(layout: &RowLayout, fields: &[Option<&str>]) -> String {
        let writer = RowWriter::new(layout);
        let mut out = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            match field {
                Some(text) => writer.push_field(text, at == 0, false, &mut out),
                None => assert!(writer.push_null(at == 0, &mut out)),
            }
        }
        RowWriter::end_row(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check(layout: &RowLayout, fields: &[Option<&str>], expected: &str) {
        assert_eq!(written(layout, fields), expected);
    }

    #[test]
    fn quotes_what_needs_it() {
        let layout = RowLayout { null: Some("NULL".to_owned()), ..RowLayout::default() };
        check(&layout, &[Some("a"), None, Some("")], "a,NULL,\"\"\n");
        check(&layout, &[Some("NULL"), Some("null")], "\"NULL\",null\n");
        check(
            &layout,
            &[Some("a,b"), Some("a\"b"), Some("a\nb\r")],
            "\"a,b\",\"a\"\"b\",\"a\nb\r\"\n",
        );
        check(&layout, &[Some("\\."), Some("\\.")], "\"\\.\",\\.\n");
        let layout = RowLayout { delimiter: '\u{2713}', ..RowLayout::default() };
        check(&layout, &[Some("a\u{2713}"), Some(",")], "\"a\u{2713}\"\u{2713},\n");
        let style = RowStyle::Quoted { quote: '\'', escape: '\\' };
        let layout = RowLayout { style, ..RowLayout::default() };
        check(&layout, &[Some("it's \\ \"x\""), Some("\\")], "'it\\'s \\\\ \"x\"',\\\n");
    }

    #[test]
    fn escapes_what_needs_it() {
        let layout =
            RowLayout { delimiter: '\t', null: Some("\\N".to_owned()), style: RowStyle::Escaped };
        check(&layout, &[Some(""), None, Some("\\N")], "\t\\N\t\\\\N\n");
        check(&layout, &[Some("a\tb\nc\rd\u{8}\u{b}\u{c}")], "a\\tb\\nc\\rd\\b\\v\\f\n");
        let layout = RowLayout { delimiter: '|', ..layout };
        check(&layout, &[Some("a|b"), Some("\u{e9}")], "a\\|b|\u{e9}\n");
    }

    #[test]
    fn says_that_null_cannot_be_written() {
        let mut out = Vec::new();
        assert!(!RowWriter::new(&RowLayout::default()).push_null(false, &mut out));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn is_read_back(
            rows in prop::collection::vec(prop::array::uniform3("[a,\"\n\r|\u{feff}\\\\.# ]{0,6}"), 1..6),
            delimiter in prop::sample::select(vec![',', '|', '\t', '\u{2713}']),
        ) {
            let layout = RowLayout { delimiter, null: Some("\\N".to_owned()), ..RowLayout::default() };
            let text: String = rows
                .iter()
                .map(|row| written(&layout, &[Some(&row[0]), Some(&row[1]), Some(&row[2])]))
                .collect();
            let dialect = Dialect { delimiter: delimiter.into(), strict_quotes: true, ..Dialect::default() };
            let mut reader = Reader::new(dialect, 3);
            let mut at = crate::record::strip_bom(text.as_bytes());
            let mut read = Vec::new();
            while let Some((fields, next)) = reader.read_loose(text.as_bytes(), at, true).unwrap() {
                read.push(fields);
                at = next;
            }
            let expected: Vec<Vec<Vec<u8>>> =
                rows.iter().map(|row| row.iter().map(|f| f.clone().into_bytes()).collect()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
