//! Proofs of the reader: the fast way, the exact way, a reference written for clarity alone and,
//! for well-formed text, the csv crate give the same records, however the bytes are cut.

use proptest::prelude::*;

use super::fast::Vectors;
use super::{Delimiter, Dialect, Reader, Records, count_lines};

/// A record with all that a reader says of it; offsets count from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    start: usize,
    cells: Vec<Vec<u8>>,
    quoted: Vec<bool>,
    swallowed: bool,
}

/// The rows read, and the message that ended the reading early.
type Reading = (Vec<Row>, Option<(usize, String)>);

/// How a text is handed to a reader.
#[derive(Clone, Copy, Debug)]
struct Feeding {
    /// The bytes that a piece has at first.
    size: usize,
    /// The records wanted of each call.
    max_records: usize,
}

const WHOLE: Feeding = Feeding { size: usize::MAX, max_records: usize::MAX };

/// Reads `text` piece by piece, as an import does; every error but a wrong field count ends it.
fn feed(reader: &mut Reader, text: &[u8], feeding: Feeding) -> Reading {
    let mut records = Records::new();
    let mut rows = Vec::new();
    let (mut from, mut size) = (0_usize, feeding.size);
    loop {
        let to = from.saturating_add(size).min(text.len());
        let piece = &text[from..to];
        let at_end = to == text.len();
        let result = reader.read(piece, 0, usize::MAX, feeding.max_records, at_end, &mut records);
        push_rows(&mut rows, &records, piece, from);
        let consumed = match result {
            Ok(consumed) => consumed,
            Err(error) => {
                assert_eq!(error.record, records.count);
                let line = 1 + count_lines(&text[..from + error.start]);
                return (rows, Some((from + error.start, error.message(line))));
            }
        };
        if at_end && consumed == piece.len() {
            return (rows, None);
        }
        size = if consumed == 0 { size * 2 } else { feeding.size };
        from += consumed;
    }
}

fn push_rows(rows: &mut Vec<Row>, records: &Records, piece: &[u8], from: usize) {
    assert_eq!(records.spans.len(), records.count * records.fields);
    assert_eq!(records.starts.len(), records.count);
    for record in 0..records.count {
        let fields = 0..records.fields;
        rows.push(Row {
            start: from + records.starts[record] as usize,
            cells: fields
                .clone()
                .map(|field| records.field(piece, record, field).to_vec())
                .collect(),
            quoted: fields.map(|field| records.is_quoted(record, field)).collect(),
            swallowed: records.swallowed.contains(&u32::try_from(record).unwrap()),
        });
    }
}

/// The rules once more, without regard to speed: reads a whole text, any number of fields.
fn reference(text: &[u8], dialect: &Dialect) -> Reading {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let delimiter = dialect.delimiter.as_str().as_bytes().to_vec();
    let comment = dialect.comment.map(|comment| comment.to_string().into_bytes());
    let Dialect { quote, escape, strict_quotes: strict, .. } = *dialect;
    let mut reference = Reference { text, delimiter, strict, quote, escape, at: 0 };
    let mut rows = Vec::new();
    while reference.at < text.len() {
        let rest = &text[reference.at..];
        if comment.as_ref().is_some_and(|comment| rest.starts_with(comment)) {
            reference.at += rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |n| n + 1);
        } else if !reference.take_line_end() {
            let start = reference.at;
            match reference.row() {
                Ok(row) => rows.push(row),
                Err(what) => return (rows, Some((start, reference.message(start, &what)))),
            }
        }
    }
    (rows, None)
}

struct Reference<'a> {
    text: &'a [u8],
    delimiter: Vec<u8>,
    strict: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    at: usize,
}

impl Reference<'_> {
    fn row(&mut self) -> Result<Row, String> {
        let mut row =
            Row { start: self.at, cells: Vec::new(), quoted: Vec::new(), swallowed: false };
        loop {
            let quote = self.quote.filter(|quote| self.take(&[*quote]));
            let quoted = quote.is_some();
            let (cell, swallowed) = match quote {
                Some(quote) => self.quoted(quote)?,
                None => (self.plain()?, false),
            };
            row.cells.push(cell);
            row.quoted.push(quoted);
            row.swallowed |= swallowed;
            let delimiter = self.delimiter.clone();
            if !self.take(&delimiter) {
                self.take_line_end();
                return Ok(row);
            }
        }
    }

    fn plain(&mut self) -> Result<Vec<u8>, String> {
        let start = self.at;
        let mut fault = None;
        while !self.ends_field(self.at) {
            if self.strict && Some(self.text[self.at]) == self.quote {
                fault.get_or_insert(self.at);
            }
            self.at += 1;
        }
        match fault {
            None => Ok(self.text[start..self.at].to_vec()),
            Some(at) => {
                self.at = at;
                Err(format!("bare {} in non-quoted-field", char::from(self.text[at])))
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<(Vec<u8>, bool), String> {
        let stray = format!("extraneous or missing {} in quoted-field", char::from(quote));
        let escape = self.escape.unwrap_or(quote);
        let mut cell = Vec::new();
        let mut after_lazy = None;
        while let Some(byte) = self.text.get(self.at).copied() {
            if self.take(&[quote, quote]) || self.take(&[escape, quote]) {
                cell.push(quote);
            } else if escape != quote && self.take(&[escape, escape]) {
                cell.push(escape);
            } else if byte != quote {
                cell.push(byte);
                self.at += 1;
            } else if self.ends_field(self.at + 1) {
                self.at += 1;
                let after: &[u8] = after_lazy.map_or(&[], |length| &cell[length..]);
                let swallowed = after.contains(&b'\n');
                return Ok((cell, swallowed));
            } else if self.strict {
                return Err(stray);
            } else {
                after_lazy.get_or_insert(cell.len());
                cell.push(byte);
                self.at += 1;
            }
        }
        let swallowed = cell.contains(&b'\n');
        if self.strict { Err(stray) } else { Ok((cell, swallowed)) }
    }

    fn ends_field(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        rest.is_empty()
            || rest.starts_with(&self.delimiter)
            || rest.starts_with(b"\n")
            || rest.starts_with(b"\r\n")
    }

    fn take(&mut self, what: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn take_line_end(&mut self) -> bool {
        self.take(b"\n") || self.take(b"\r\n")
    }

    fn message(&self, start: usize, what: &str) -> String {
        let before = &self.text[..self.at];
        let first = 1 + count_lines(&self.text[..start]);
        let line = 1 + count_lines(before);
        let from = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[from..]).chars().count();
        let record =
            if first == line { String::new() } else { format!("record on line {first}; ") };
        format!("{record}parse error on line {line}, column {column}: {what}")
    }
}

/// Applies the rule about the number of fields to what `reference` gives.
fn counted((rows, error): Reading, fields: usize, keep_quoted: bool) -> Reading {
    let mut good = Vec::new();
    for mut row in rows {
        let got = row.cells.len();
        if got == fields + 1 && row.cells[fields].is_empty() && !(keep_quoted && row.quoted[fields])
        {
            row.cells.pop();
            row.quoted.pop();
        }
        if row.cells.len() != fields {
            return (good, Some((row.start, format!("expected {fields} fields, got {got}"))));
        }
        if !keep_quoted {
            row.quoted.fill(false);
        }
        good.push(row);
    }
    (good, error)
}

/// Bytes of which oddities are made, ASCII only apart from whole characters.
fn nasty_text() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => Just("\""), 4 => Just(","), 4 => Just("\n"), 2 => Just("\r\n"), 2 => Just("\r"),
        2 => Just("#"), 3 => Just("'"), 2 => Just("\\"), 1 => Just("\\\""), 1 => Just("\u{2713}"), 1 => Just("\u{2714}"), 1 => Just("\u{a7}"),
        1 => Just("\u{feff}"), 1 => Just("\0"), 3 => Just("a"), 2 => Just("bc"), 1 => Just(" "),
        1 => Just("\"\""), 1 => Just("\","), 1 => Just("\"\n"),
        1 => Just("0123456789012345678901234567890123456789012345678901234567890123456789"),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat().into_bytes())
}

/// Text that is mostly rows of three fields, with now and then something odd between them.
fn mostly_good_text() -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        6 => "[a-z]{0,12}".boxed(),
        3 => "\"[a-z,\n ]{0,20}\"".boxed(),
        2 => "\"[a-z,\n]{0,5}\"\"[a-z\r\n]{0,70}\"".boxed(),
        1 => "[a-z]{1,5}\"[a-z]".boxed(),
        1 => "\"[a-z]{0,4}\"[a-z]{1,5}\"".boxed(),
    ];
    let end = prop_oneof![8 => Just("\n"), 4 => Just("\r\n"), 1 => Just(",\n"), 1 => Just(",\"\"\n"),
        1 => Just("\n\n"), 1 => Just("\n\r\n"), 1 => Just("\n# \"comment\n"), 1 => Just(",x\n")];
    let row = (cell.clone(), cell.clone(), cell, end);
    prop::collection::vec(row, 0..30).prop_map(|rows| {
        let rows: Vec<String> =
            rows.iter().map(|(a, b, c, end)| format!("{a},{b},{c}{end}")).collect();
        rows.concat().into_bytes()
    })
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    let delimiter = prop_oneof![
        5 => Just(","), 1 => Just("\u{2713}"), 1 => Just("\""), 1 => Just("a"), 1 => Just(",a"),
        1 => Just(",,")];
    let delimiter = delimiter.prop_map(|text| Delimiter::new(text).unwrap_or(','.into()));
    let comment = prop_oneof![
        3 => Just(None), 3 => Just(Some('#')), 1 => Just(Some('\u{a7}')), 1 => Just(Some('"'))];
    let quote = prop_oneof![4 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    let escape = prop_oneof![3 => Just(None), 1 => Just(Some(b'\\')), 1 => Just(Some(b'"')), 1 => Just(Some(b'\''))];
    (delimiter, comment, any::<bool>(), quote, escape)
        .prop_map(|(delimiter, comment, strict_quotes, quote, escape)| Dialect {
            delimiter,
            comment,
            strict_quotes,
            quote,
            escape: escape.filter(|_| quote.is_some()),
            ..Dialect::default()
        })
        .prop_filter("usable", |dialect| dialect.check().is_ok())
}

/// Demands the same of all readers, for a text, a dialect and a way of feeding.
fn agree(text: &[u8], dialect: &Dialect, fields: usize, keep_quoted: bool, feeding: Feeding) {
    let expected = counted(reference(text, dialect), fields, keep_quoted);
    let reader = || Reader::new(dialect.clone(), fields).with_quoted(keep_quoted);
    for (name, mut reader) in [
        ("fast", reader()),
        ("narrow vectors", reader().with_vectors(Vectors::Avx2)),
        ("without vectors", reader().with_vectors(Vectors::None)),
        ("exact", reader().exactly()),
    ] {
        for feeding in [WHOLE, feeding] {
            let got = feed(&mut reader, text, feeding);
            assert_eq!(got, expected, "{name} {feeding:?} {dialect:?}");
        }
    }
}

/// Runs `count` cases; what fails is printed whole, so no file needs to keep it.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn all_readers_agree_on_nasty_text(
        text in nasty_text(), dialect in any_dialect(), fields in 1_usize..4,
        keep_quoted in any::<bool>(), size in 1_usize..200, max_records in 1_usize..5,
    ) {
        agree(&text, &dialect, fields, keep_quoted, Feeding { size, max_records });
    }

    #[test]
    fn all_readers_agree_on_mostly_good_text(
        text in mostly_good_text(), strict_quotes in any::<bool>(),
        keep_quoted in any::<bool>(), size in 1_usize..500, max_records in 1_usize..30,
    ) {
        let dialect = Dialect { comment: Some('#'), strict_quotes, ..Dialect::default() };
        agree(&text, &dialect, 3, keep_quoted, Feeding { size, max_records });
    }

    #[test]
    fn loose_records_have_all_their_fields(text in nasty_text(), dialect in any_dialect()) {
        let (rows, error) = reference(&text, &dialect);
        let mut reader = Reader::new(dialect, 1);
        let mut at = 0;
        for row in rows {
            let (cells, next) = reader.read_loose(&text, at, true).unwrap().unwrap();
            prop_assert_eq!(cells, row.cells);
            prop_assert_eq!(reader.record_end(&text, row.start, true), next);
            at = next;
        }
        let last = reader.read_loose(&text, at, true);
        match error {
            None => prop_assert_eq!(last, Ok(None)),
            Some((start, _)) => prop_assert_eq!(last.unwrap_err().start, start),
        }
    }

    #[test]
    fn reading_stops_at_a_limit_and_goes_on_from_there(
        text in mostly_good_text(), limit in 0_usize..400,
    ) {
        let dialect = Dialect { comment: Some('#'), ..Dialect::default() };
        let limit = limit.min(text.len());
        let exact = Reader::new(dialect.clone(), 3).exactly();
        for mut reader in [Reader::new(dialect, 3), exact] {
            let (whole, error) = feed(&mut reader, &text, WHOLE);
            let mut records = Records::new();
            let Ok(next) = reader.read(&text, 0, limit, usize::MAX, true, &mut records) else {
                prop_assert!(error.is_some());
                continue;
            };
            prop_assert!(next >= limit || next == text.len());
            let mut rows = Vec::new();
            push_rows(&mut rows, &records, &text, 0);
            prop_assert!(rows.iter().all(|row| row.start < limit));
            let end = reader.read(&text, next, usize::MAX, usize::MAX, true, &mut records);
            prop_assert_eq!(end.is_err(), error.is_some());
            push_rows(&mut rows, &records, &text, 0);
            prop_assert_eq!(rows, whole);
        }
    }
}

/// What a well-formed file holds, for the csv crate as judge.
fn well_formed() -> impl Strategy<Value = (Vec<Vec<String>>, bool, bool)> {
    let cell = prop_oneof![
        "[a-z0-9.-]{0,12}".boxed(),
        "[a-z ,\"\r\n\u{2713}]{0,30}".boxed(),
        "[a-z\n\"]{60,140}".boxed(),
    ];
    let row = prop::collection::vec(cell, 3..=3);
    (prop::collection::vec(row, 0..25), any::<bool>(), any::<bool>())
}

fn print(rows: &[Vec<String>], crlf: bool, always: bool) -> Vec<u8> {
    let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
    let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer =
        csv::WriterBuilder::new().quote_style(style).terminator(end).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

proptest! {
    #![proptest_config(cases(10))]

    #[test]
    fn the_csv_crate_agrees_for_every_size_of_piece((rows, crlf, always) in well_formed()) {
        let text = print(&rows, crlf, always);
        let mut judge = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
        let expected: Vec<Vec<Vec<u8>>> = judge
            .byte_records()
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
            .collect();
        for strict_quotes in [false, true] {
            let dialect = Dialect { strict_quotes, ..Dialect::default() };
            for reader in [Reader::new(dialect.clone(), 3), Reader::new(dialect, 3).exactly()] {
                check_sizes(reader, &text, &expected)?;
            }
        }
    }
}

/// Prints rows with every cell in quotes, quotes and escapes escaped.
fn print_escaped(rows: &[Vec<String>], quote: char, escape: char, always: bool) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        for (position, cell) in row.iter().enumerate() {
            text += if position > 0 { "," } else { "" };
            if !always && !cell.is_empty() && !cell.contains([',', '\r', '\n', quote]) {
                text += cell;
                continue;
            }
            text.push(quote);
            for character in cell.chars() {
                if character == quote || character == escape {
                    text.push(escape);
                }
                text.push(character);
            }
            text.push(quote);
        }
        text.push('\n');
    }
    text.into_bytes()
}

proptest! {
    #![proptest_config(cases(10))]

    #[test]
    fn the_csv_crate_agrees_about_other_quotes_and_escapes(
        (mut rows, _, always) in well_formed(), quote in prop_oneof![Just(b'"'), Just(b'\''), Just(b'|')],
        escape in prop_oneof![Just(b'\\'), Just(b'^')], doubled in any::<bool>(),
    ) {
        let escape = if doubled { quote } else { escape };
        for cell in rows.iter_mut().flatten().filter(|cell| cell.contains('a')) {
            *cell = cell.replace('a', &format!("{}{}", char::from(escape), char::from(quote)));
        }
        let text = print_escaped(&rows, char::from(quote), char::from(escape), always);
        let mut judge = csv::ReaderBuilder::new();
        judge.has_headers(false).quote(quote).double_quote(doubled).escape(
            if doubled { None } else { Some(escape) });
        let expected: Vec<Vec<Vec<u8>>> = judge
            .from_reader(text.as_slice())
            .byte_records()
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
            .collect();
        let dialect = Dialect {
            quote: Some(quote), escape: (!doubled).then_some(escape), ..Dialect::default()
        };
        for strict_quotes in [false, true] {
            let dialect = Dialect { strict_quotes, ..dialect.clone() };
            for reader in [Reader::new(dialect.clone(), 3), Reader::new(dialect, 3).exactly()] {
                check_sizes(reader, &text, &expected)?;
            }
        }
    }

    #[test]
    fn the_csv_crate_agrees_where_nothing_is_quoted(
        rows in prop::collection::vec(prop::collection::vec("[a-z\"'\u{2713}\u{ff}]{1,40}", 3..=3), 0..25),
        broken in any::<bool>(),
    ) {
        let mut text: Vec<u8> =
            rows.iter().flat_map(|row| (row.join(",") + "\n").into_bytes()).collect();
        if broken && let Some(byte) = text.first_mut() {
            *byte = 0xff;
        }
        let expected: Vec<Vec<Vec<u8>>> = csv::ReaderBuilder::new()
            .has_headers(false).quoting(false).from_reader(text.as_slice()).byte_records()
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect();
        let dialect = Dialect { quote: None, ..Dialect::default() };
        for reader in [Reader::new(dialect.clone(), 3), Reader::new(dialect, 3).exactly()] {
            check_sizes(reader, &text, &expected)?;
        }
    }
}

/// Reads `text` in pieces of each size, and once for each place at which it can be cut in two.
fn check_sizes(
    mut reader: Reader,
    text: &[u8],
    expected: &[Vec<Vec<u8>>],
) -> Result<(), TestCaseError> {
    let (whole, error) = feed(&mut reader, text, WHOLE);
    prop_assert_eq!(error, None);
    let cells: Vec<_> = whole.iter().map(|row| row.cells.clone()).collect();
    prop_assert_eq!(&cells, expected);
    prop_assert!(whole.iter().all(|row| !row.swallowed));
    let step = text.len() / 100 + 1;
    for size in (1..=text.len()).step_by(step) {
        let feeding = Feeding { size, max_records: usize::MAX };
        prop_assert_eq!(&feed(&mut reader, text, feeding).0, &whole);
        let mut records = Records::new();
        let mut rows = Vec::new();
        let next = reader.read(&text[..size], 0, size, usize::MAX, false, &mut records).unwrap();
        push_rows(&mut rows, &records, &text[..size], 0);
        let end = reader.read(text, next, usize::MAX, usize::MAX, true, &mut records);
        prop_assert_eq!(end, Ok(text.len()));
        push_rows(&mut rows, &records, text, 0);
        prop_assert_eq!(&rows, &whole);
    }
    Ok(())
}
