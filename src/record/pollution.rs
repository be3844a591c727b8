//! What lenient reading makes of well-formed files that were spoilt in one place each: every other record
//! is what it was.

use super::{Dialect, Reader, Records, ends_lines_with_carriage_returns};

/// A table with what makes files hard: quotes, delimiters, line breaks, empty cells.
const TABLE: [[&str; 5]; 9] = [
    ["id", "name", "city", "note", ""],
    ["1", "Ada", "London", "first", ""],
    ["2", "Grace, H.", "New York", "\"Amazing\" she said", ""],
    ["3", "Alan", "", "it's", ""],
    ["4", "Edsger", "Rotterdam, Austin", "two, commas, here", ""],
    ["5", "Barbara", "Boston", "plain", ""],
    ["6", "Donald \"D.\" K.", "Stanford", "a, \"b\", c", ""],
    ["7", "", "Lyon", "none", ""],
    ["8", "Tim", "Geneva", "last", ""],
];

/// Writes one cell, in quotes if it must or `always`.
fn cell(text: &str, always: bool) -> String {
    if always || text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn line(row: &[&str], always: bool) -> Vec<String> {
    row.iter().map(|text| cell(text, always)).collect()
}

/// Writes the table; `spoil` may change the line of a row, given as cells.
fn write(always: bool, end: &str, spoil: impl Fn(usize, Vec<String>) -> String) -> String {
    TABLE.iter().enumerate().map(|(number, row)| spoil(number, line(row, always)) + end).collect()
}

/// Reads a file leniently, in pieces of `size` bytes at first.
fn read(text: &str, size: usize) -> Vec<Vec<String>> {
    let carriage_returns = ends_lines_with_carriage_returns(text.as_bytes());
    let dialect = Dialect { lenient: true, carriage_returns, ..Dialect::default() };
    let mut reader = Reader::new(dialect, 5);
    let mut records = Records::new();
    let mut rows = Vec::new();
    let (mut from, mut length) = (0_usize, size);
    let text = text.as_bytes();
    loop {
        let to = from.saturating_add(length).min(text.len());
        let (piece, at_end) = (&text[from..to], to == text.len());
        let used = reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records).unwrap();
        for record in 0..records.count {
            let field =
                |field| String::from_utf8_lossy(records.field(piece, record, field)).into_owned();
            rows.push((0..5).map(field).collect());
        }
        if at_end && used == piece.len() {
            return rows;
        }
        length = if used == 0 { length * 2 } else { size };
        from += used;
    }
}

/// Demands that all records of the table but `spoilt` are read as they are, and no others.
fn check(text: &str, spoilt: Option<usize>) {
    let whole = read(text, usize::MAX);
    for size in [1, 7, 64, 150] {
        assert_eq!(read(text, size), whole, "{text:?} by {size}");
    }
    assert_eq!(whole.len(), TABLE.len(), "{text:?}: {whole:?}");
    for (number, row) in whole.iter().enumerate() {
        if Some(number) != spoilt {
            assert_eq!(row, &TABLE[number], "{text:?}");
        }
    }
}

#[test]
fn a_delimiter_too_few_or_too_many_costs_one_record() {
    for (row, column, always) in places() {
        let spoil = |extra: bool| {
            write(always, "\n", |number, cells| {
                let mut text = String::new();
                for (position, cell) in cells.iter().enumerate() {
                    let here = number == row && position == column;
                    let first = position == 0;
                    text += match (here, extra, first) {
                        (true, true, false) => ",,",
                        (true, true, true) => ",",
                        (true, false, _) | (false, _, true) => "",
                        (false, _, false) => ",",
                    };
                    text += cell;
                }
                text
            })
        };
        check(&spoil(true), Some(row));
        check(&spoil(false), Some(row));
    }
}

#[test]
fn quotes_in_order_stay_quotes_in_a_record_that_is_short() {
    for (line, fields) in [
        ("1,\"a, b\",c,", ["1", "a, b", "c", "", ""]),
        ("1,\"a, b\",\"c \"\"d\"\", e\"", ["1", "a, b", "c \"d\", e", "", ""]),
        ("1,\"a, b, c, d, e\"", ["1", "a, b, c, d, e", "", "", ""]),
    ] {
        let text = write(false, "\n", |number, cells| match number {
            4 => line.to_owned(),
            _ => cells.join(","),
        });
        check(&text, Some(4));
        assert_eq!(read(&text, usize::MAX)[4], fields);
    }
}

#[test]
fn a_stray_quote_costs_one_record() {
    for (row, column, always) in places() {
        for end in ["\n", "\r\n"] {
            let text = write(always, end, |number, mut cells| {
                if number == row {
                    cells[column].insert(0, '"');
                }
                cells.join(",")
            });
            check(&text, Some(row));
        }
    }
}

#[test]
fn an_open_quote_at_any_byte_costs_one_record() {
    let text = write(false, "\n", |_, cells| cells.join(","));
    for (at, _) in text.char_indices() {
        let row = text[..at].matches('\n').count();
        let spoilt = format!("{}\"{}", &text[..at], &text[at..]);
        check(&spoilt, Some(row));
    }
}

#[test]
fn a_row_with_other_delimiters_costs_itself() {
    for row in 0..TABLE.len() {
        for delimiter in [" ", ";", "\t"] {
            let text = write(false, "\n", |number, cells| {
                cells.join(if number == row { delimiter } else { "," })
            });
            check(&text, Some(row));
        }
    }
}

#[test]
fn line_ends_and_what_lies_around_the_table_cost_nothing() {
    let join = |_, cells: Vec<String>| cells.join(",");
    for always in [false, true] {
        for end in ["\n", "\r\n", "\r"] {
            let text = write(always, end, join);
            check(&text, None);
            check(&format!("{text}{end}"), None);
            check(text.trim_end(), None);
        }
    }
    assert_eq!(read("", 1), Vec::<Vec<String>>::new());
}

/// Returns every row and column, with and without quotes around every cell.
fn places() -> impl Iterator<Item = (usize, usize, bool)> {
    (0..TABLE.len())
        .flat_map(|row| (0..5).flat_map(move |column| [(row, column, false), (row, column, true)]))
}
