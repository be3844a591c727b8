//! Where to cut a file into ranges for parallel reading: a guess at a record's start.

use std::cmp::Ordering;

use memchr::memchr2;

use super::dialect::{Dialect, Mark};

/// Returns the offset in `window`, which starts anywhere in a file, at which most probably a record
/// (or a comment or blank line) starts: the first one after a line end outside quotes.
///
/// Whether the window starts inside quotes is found by reading all of it both ways: the wrong way
/// soon meets quotes that no well-formed file has, or else records of all widths. Where both ways
/// are as good, it starts outside. This is a guess: the caller reads the range before it up to this
/// offset and, if a record does not end there, reads again from where it does. `None` if no line
/// ends outside quotes.
pub fn guess_record_start(window: &[u8], dialect: &Dialect) -> Option<usize> {
    let outside = Walk::new(dialect).walk(window, false);
    if (outside.oddities, outside.uneven) == (0, 0) || dialect.quote.is_none() {
        return outside.start;
    }
    let inside = Walk::new(dialect).walk(window, true);
    let better = match inside.oddities.cmp(&outside.oddities) {
        Ordering::Less => true,
        Ordering::Equal => inside.start.is_some() && inside.uneven < outside.uneven,
        Ordering::Greater => false,
    };
    if better { inside.start } else { outside.start }
}

/// One reading of a window.
struct Walk {
    delimiter: Mark,
    comment: Mark,
    quote: Option<u8>,
    escape: Option<u8>,
    line_end: u8,
    /// The quotes met that a well-formed file does not have.
    oddities: usize,
    /// The whole records met that are wider or narrower than the one before.
    uneven: usize,
    /// The delimiters of the record in hand, and of the one before if that was whole.
    width: usize,
    last_width: Option<usize>,
    /// Where the first record starts.
    start: Option<usize>,
}

impl Walk {
    fn new(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter.mark(),
            comment: Mark::new(dialect.comment),
            quote: dialect.quote,
            escape: dialect.escape.filter(|escape| Some(*escape) != dialect.quote),
            line_end: dialect.line_end(),
            oddities: 0,
            uneven: 0,
            width: 0,
            last_width: None,
            start: None,
        }
    }

    /// Reads the window, which starts inside quotes or not.
    fn walk(mut self, window: &[u8], inside: bool) -> Self {
        let mut at = match self.quote {
            Some(quote) if inside => self.pass_quoted(window, 0, quote),
            _ => 0,
        };
        while at < window.len() {
            at = match self.quote {
                Some(quote) if window[at] == quote => self.pass_quoted(window, at + 1, quote),
                _ => self.pass_plain(window, at),
            };
        }
        self
    }

    /// Passes over a quoted field from inside its quotes; returns where the next field starts.
    fn pass_quoted(&mut self, window: &[u8], mut at: usize, quote: u8) -> usize {
        let escape = self.escape.unwrap_or(quote);
        while let Some(length) = memchr2(quote, escape, &window[at..]) {
            at += length + 1;
            if window[at - 1] != quote {
                let escaped = window.get(at).is_some_and(|byte| [quote, escape].contains(byte));
                at += usize::from(escaped);
                continue;
            }
            if let Some(next) = self.pass_separator(window, at) {
                return next;
            }
            match window.get(at) {
                None => break,
                Some(byte) if *byte == quote => at += 1,
                Some(_) => self.oddities += 1,
            }
        }
        window.len()
    }

    /// Passes over the rest of a field without quotes; returns where the next one starts.
    fn pass_plain(&mut self, window: &[u8], mut at: usize) -> usize {
        let delimiter = self.delimiter.first().unwrap_or(self.line_end);
        let from = at;
        while let Some(length) = memchr2(self.line_end, delimiter, &window[at..]) {
            at += length;
            if let Some(next) = self.pass_separator(window, at) {
                self.count_oddities(&window[from..at]);
                return next;
            }
            at += 1;
        }
        self.count_oddities(&window[from..]);
        window.len()
    }

    /// Counts the quotes of a field that does not start with one.
    fn count_oddities(&mut self, field: &[u8]) {
        let quotes = self.quote.map_or(0, |quote| memchr::memchr_iter(quote, field).count());
        self.oddities += quotes;
    }

    /// Passes over the delimiter or line end at `at`, if there is one, and over comments after it.
    fn pass_separator(&mut self, window: &[u8], at: usize) -> Option<usize> {
        if self.delimiter.stands_at(window, at) {
            self.width += 1;
            return Some(at + self.delimiter.len());
        }
        let mut next = match (window.get(at), window.get(at + 1)) {
            (Some(byte), _) if *byte == self.line_end => at + 1,
            (Some(b'\r'), Some(b'\n')) => at + 2,
            _ => return None,
        };
        self.end_record(next);
        while self.comment.stands_at(window, next) {
            let rest = &window[next..];
            next += memchr::memchr(self.line_end, rest).map_or(rest.len(), |length| length + 1);
        }
        Some(next)
    }

    /// Notes that a record ended before `next`.
    fn end_record(&mut self, next: usize) {
        let width = std::mem::take(&mut self.width);
        if self.start.is_some() {
            self.uneven += usize::from(self.last_width.is_some_and(|last| last != width));
            self.last_width = Some(width);
        }
        self.start.get_or_insert(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Reader, Records};

    /// Numbers that look random and are the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            usize::try_from(self.0 >> 33).unwrap() % limit
        }
    }

    /// Writes records of four cells, made of `words`, `quoted` in ten of which stand in quotes.
    fn write_file(words: &[&str], quoted: usize, longest: usize) -> Vec<u8> {
        let mut numbers = Numbers(7);
        let mut text = String::new();
        while text.len() < 1 << 20 {
            for column in 0..4 {
                let quotes = numbers.below(10) < quoted;
                let mut cell = String::new();
                for _ in 0..numbers.below(longest) {
                    let word = words[numbers.below(words.len())];
                    if quotes || !word.contains(['"', ',', '\n']) {
                        cell += word;
                    }
                }
                text += &if quotes { format!("\"{cell}\"") } else { cell };
                text += if column == 3 { "\n" } else { "," };
            }
        }
        text.into_bytes()
    }

    /// Returns how many of 200 random cuts are guessed wrongly.
    fn count_wrong(text: &[u8], window: usize) -> usize {
        let mut records = Records::new();
        let mut reader = Reader::new(Dialect::default(), 4);
        reader.read(text, 0, usize::MAX, usize::MAX, true, &mut records).unwrap();
        let mut numbers = Numbers(1);
        let wrong = |numbers: &mut Numbers| {
            let cut = 1 + numbers.below(text.len() - window);
            let guess = guess_record_start(&text[cut..cut + window], &Dialect::default());
            let next = records.starts.partition_point(|start| (*start as usize) <= cut);
            guess.map(|guess| cut + guess) != records.starts.get(next).map(|start| *start as usize)
        };
        (0..200).filter(|_| wrong(&mut numbers)).count()
    }

    #[test]
    fn is_never_wrong_in_ordinary_files() {
        let text = write_file(&["carefully ", "final", "dep, ", "osits\n", "5\"\" "], 5, 12);
        assert_eq!(count_wrong(&text, 64 << 10), 0);
        assert_eq!(count_wrong(&text, 4 << 10), 0);
        let text = write_file(&["1", "22", "\n", ",\n", "a,b\nc,d", "\"\""], 10, 8);
        assert_eq!(count_wrong(&text, 64 << 10), 0);
        assert_eq!(count_wrong(&text, 4 << 10), 0);
    }

    #[test]
    fn is_rarely_wrong_where_text_in_quotes_looks_like_records() {
        // CSV in CSV: cells hold rows whose own quotes are doubled, with few plain words between.
        let text = write_file(&["\n", ",", "\"\",\"\"", "\"\"\n\"\"", "\n\"\"x\"\","], 9, 10);
        assert_eq!(count_wrong(&text, 64 << 10), 0);
        assert!(count_wrong(&text, 1 << 10) < 5, "{}", count_wrong(&text, 1 << 10));
    }

    #[test]
    fn is_never_wrong_where_cells_hold_nothing_but_separators() {
        let text = write_file(&["\n", ",", "\"\""], 9, 4);
        assert_eq!(count_wrong(&text, 4 << 10), 0);
    }

    fn check(window: &str, expected: Option<usize>) {
        let dialect = Dialect { comment: Some('#'), ..Dialect::default() };
        assert_eq!(guess_record_start(window.as_bytes(), &dialect), expected, "{window:?}");
    }

    #[test]
    fn takes_the_next_line_where_nothing_speaks_against_it() {
        check("b,c\n1,2,3\n", Some(4));
        check("b\r\n1,2,3\n", Some(3));
        check("\"a\nb\"\nc\n", Some(6));
        check("5\" x\n6\" x\n", Some(5));
        check("b,c", None);
        check("", None);
    }

    #[test]
    fn notices_that_it_starts_inside_quotes() {
        check("text\nmore\",1\n\"a\",2\n", Some(13));
        check("\",\"x\"\n1,\"y\"\n", Some(6));
        check("x\n\"\"y\"\"\nz\"\n1,2\n", Some(11));
    }

    #[test]
    fn knows_other_quotes_and_escapes() {
        let check = |window: &str, dialect: Dialect, expected| {
            assert_eq!(guess_record_start(window.as_bytes(), &dialect), expected, "{window:?}");
        };
        let single = Dialect { quote: Some(b'\''), ..Dialect::default() };
        check("text\nmore',1\n'a',2\n", single, Some(13));
        let none = Dialect { quote: None, ..Dialect::default() };
        check("text\nmore\",1\n\"a\",2\n", none, Some(5));
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::default() };
        check("\"x\\\",\n\\\"y\"\n1,2\n", escaped, Some(11));
    }

    #[test]
    fn is_not_misled_by_a_quote_in_a_comment() {
        check("1\n# it is 5\" long\n\"a\nb\",2\n", Some(2));
    }
}
