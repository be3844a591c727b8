//! The reader of CSV: whatever the bytes, the dialect and the pieces, it gives what the exact reader
//! gives for the whole.

use wharf::record::{Delimiter, Dialect, Reader, Records, count_lines};

use super::choices::Choices;

/// A record with all that a reader says of it; offsets count from the start of the text.
#[derive(Debug, PartialEq, Eq)]
enum Row {
    Good { start: usize, cells: Vec<Vec<u8>>, quoted: Vec<bool>, swallowed: bool },
    Wrong { start: usize, offset: usize, message: String },
}

/// How a text is handed to a reader.
#[derive(Clone, Copy, Debug)]
struct Feeding {
    /// The bytes that a piece has at first.
    size: usize,
    /// The records wanted of each call.
    max_records: usize,
}

/// Checks that fast and exact reading agree, in pieces and as a whole.
pub fn csv(data: &[u8]) {
    let mut choices = Choices::new(data);
    let dialect = Dialect {
        delimiter: Delimiter::new(
            choices
                .one_of(&[",", "\t", "|", ";", "a", "\"", " ", "\u{2713}", "\0", "\n", ", ", "aa"]),
        )
        .unwrap_or(','.into()),
        comment: choices.one_of(&[
            None,
            Some('#'),
            Some('"'),
            Some('\u{a7}'),
            Some(','),
            Some('b'),
        ]),
        strict_quotes: choices.below(2) == 1,
        quote: choices.one_of(&[Some(b'"'), Some(b'"'), Some(b'\''), None]),
        escape: choices.one_of(&[None, None, Some(b'\\'), Some(b'"')]),
        lenient: choices.below(4) == 1,
        carriage_returns: choices.below(4) == 1,
    };
    let dialect = Dialect {
        strict_quotes: dialect.strict_quotes && !dialect.lenient,
        escape: dialect.escape.filter(|_| dialect.quote.is_some()),
        ..dialect
    };
    let fields = 1 + choices.below(4);
    let quoted = choices.below(2) == 1;
    let feeding = Feeding { size: choices.size(), max_records: choices.size() };
    let whole = Feeding { size: usize::MAX, max_records: usize::MAX };
    let text = choices.rest();
    let reader = || Reader::new(dialect.clone(), fields).with_quoted(quoted);
    let expected = feed(&mut reader().exactly(), text, whole);
    assert_eq!(feed(&mut reader(), text, whole), expected, "fast, whole");
    assert_eq!(feed(&mut reader(), text, feeding), expected, "fast, in pieces");
    assert_eq!(feed(&mut reader().exactly(), text, feeding), expected, "exact, in pieces");
}

/// Reads `text` piece by piece, as an import does, and goes on behind records that are wrong.
fn feed(reader: &mut Reader, text: &[u8], feeding: Feeding) -> Vec<Row> {
    let mut records = Records::new();
    let mut rows = Vec::new();
    let (mut from, mut size) = (0_usize, feeding.size);
    loop {
        let to = from.saturating_add(size).min(text.len());
        let (piece, at_end) = (&text[from..to], to == text.len());
        let result = reader.read(piece, 0, usize::MAX, feeding.max_records, at_end, &mut records);
        push_rows(&mut rows, &records, piece, from);
        let consumed = match result {
            Ok(consumed) => consumed,
            Err(error) => {
                assert_eq!(error.record, records.count);
                let line = 1 + count_lines(&text[..from + error.start]);
                rows.push(Row::Wrong {
                    start: from + error.start,
                    offset: from + error.offset,
                    message: error.message(line),
                });
                match error.next {
                    Some(next) => next,
                    None => return rows,
                }
            }
        };
        if at_end && consumed == piece.len() {
            return rows;
        }
        assert!(consumed > 0 || !at_end, "no way on from {from}");
        size = if consumed == 0 { size * 2 } else { feeding.size };
        from += consumed;
    }
}

fn push_rows(rows: &mut Vec<Row>, records: &Records, piece: &[u8], from: usize) {
    assert_eq!(records.spans.len(), records.count * records.fields);
    assert_eq!(records.starts.len(), records.count);
    for record in 0..records.count {
        let fields = 0..records.fields;
        let cell = |field| records.field(piece, record, field).to_vec();
        rows.push(Row::Good {
            start: from + records.starts[record] as usize,
            cells: fields.clone().map(cell).collect(),
            quoted: fields.map(|field| records.is_quoted(record, field)).collect(),
            swallowed: records.swallowed.iter().any(|swallowed| *swallowed as usize == record),
        });
    }
}
