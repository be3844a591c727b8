//! The cases of spec/import.md, sections 9 and 9.1, that concern the reader, each read whole, in
//! pieces of every size, with and without vectors, and exactly.

use super::fast::Vectors;
use super::{Dialect, Reader, RecordError, RecordFault, Records, strip_bom};

/// Returns `delimiter`, no comment, lazy quotes.
fn delimited(delimiter: char) -> Dialect {
    Dialect { delimiter: delimiter.into(), ..Dialect::default() }
}

fn strict() -> Dialect {
    Dialect { strict_quotes: true, ..Dialect::default() }
}

/// What a file holds: its rows, and the message of the error that ends it.
type Contents = (Vec<Vec<String>>, Option<String>);

/// Reads a whole file from pieces of at first `size` bytes.
fn read(mut reader: Reader, text: &[u8], size: usize) -> Contents {
    let mut records = Records::new();
    let mut rows = Vec::new();
    let (mut from, mut length) = (0_usize, size);
    loop {
        let to = from.saturating_add(length).min(text.len());
        let piece = &text[from..to];
        let at_end = to == text.len();
        let result = reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records);
        for record in 0..records.count {
            let cell = |field| String::from_utf8(records.field(piece, record, field).to_vec());
            rows.push((0..records.fields).map(|field| cell(field).unwrap()).collect());
        }
        match result {
            Err(error) => {
                let line = 1 + super::count_lines_to(text, from + error.start);
                return (rows, Some(error.message(line)));
            }
            Ok(consumed) if at_end && consumed == piece.len() => return (rows, None),
            Ok(consumed) => {
                length = if consumed == 0 { length * 2 } else { size };
                from += consumed;
            }
        }
    }
}

fn check_all(dialect: &Dialect, text: &str, fields: usize, expected: &Contents) {
    let reader = || Reader::new(dialect.clone(), fields);
    for size in (1..=text.len()).chain([usize::MAX]) {
        for reader in [
            reader(),
            reader().with_vectors(Vectors::Avx2),
            reader().with_vectors(Vectors::None),
            reader().exactly(),
        ] {
            assert_eq!(read(reader, text.as_bytes(), size), *expected, "{text:?} by {size}");
        }
    }
}

/// Demands that `text` holds `rows` and no error.
fn check(dialect: &Dialect, text: &str, rows: &[&[&str]]) {
    let fields = rows.first().map_or(1, |row| row.len());
    let rows = rows.iter().map(|row| row.iter().copied().map(str::to_owned).collect()).collect();
    check_all(dialect, text, fields, &(rows, None));
}

/// Demands that `text` holds `good` rows of `fields` fields, and then an error.
fn check_error(dialect: &Dialect, text: &str, fields: usize, good: usize, message: &str) {
    let whole = read(Reader::new(dialect.clone(), fields), text.as_bytes(), usize::MAX);
    assert_eq!((whole.0.len(), whole.1.as_deref()), (good, Some(message)), "{text:?}");
    check_all(dialect, text, fields, &whole);
}

#[test]
fn d1_the_options_file_of_cockroachdb() {
    let dialect = Dialect { delimiter: '|'.into(), comment: Some('#'), ..Dialect::default() };
    let text = "1|2\n# second value should be null\n2|N\n# delimiter at EOL is allowed\n3|blah|\n\
                4|\"quoted \"\" line\"\n5|\"quoted \"\" line\n\"\n6|\"quoted \"\" line\n\"|\n\
                7|\"quoted \"\" line\n# with comment\n\"\n8|lazy \" quotes|\n9|\"lazy \"quotes\"|\n\
                N|N\n10|\"|\"|\n";
    check(
        &dialect,
        text,
        &[
            &["1", "2"],
            &["2", "N"],
            &["3", "blah"],
            &["4", "quoted \" line"],
            &["5", "quoted \" line\n"],
            &["6", "quoted \" line\n"],
            &["7", "quoted \" line\n# with comment\n"],
            &["8", "lazy \" quotes"],
            &["9", "lazy \"quotes"],
            &["N", "N"],
            &["10", "|"],
        ],
    );
}

#[test]
fn d3_a_space_before_a_quote_makes_the_field_plain() {
    check(&delimited(','), " \"a\",b\n", &[&[" \"a\"", "b"]]);
}

#[test]
fn d4_blank_lines_are_no_records_but_spaces_are() {
    check_error(&delimited(','), "1,2\n\n\r\n  \n3,4", 2, 1, "expected 2 fields, got 1");
    check(&delimited(','), "1\n\n\r\n  \n3", &[&["1"], &["  "], &["3"]]);
}

#[test]
fn d6_a_lone_carriage_return_is_data_but_for_the_last_byte_of_the_file() {
    check(&delimited(','), "1\r2\n3\r", &[&["1\r2"], &["3"]]);
    check(&delimited(','), "1\n\r", &[&["1"]]);
    check(&delimited(','), "1\r\r\n2\r\r", &[&["1\r"], &["2\r"]]);
    check(&delimited(','), "\"1\"\r\n\"2\"\r", &[&["1"], &["2"]]);
}

#[test]
fn d7_an_unterminated_quote_takes_the_rest_of_the_file() {
    check(&delimited(','), "a,\"unterminated\nrow2,x\n", &[&["a", "unterminated\nrow2,x\n"]]);
}

#[test]
fn d9_d12_delimiters_of_any_length_count_outside_quotes() {
    check(
        &delimited('\u{2713}'),
        "1\u{2713}a\u{2713}\"b\u{2713}c\"\n",
        &[&["1", "a", "b\u{2713}c"]],
    );
    check(&delimited('\t'), "a\tb c\t\"d\te\"\n", &[&["a", "b c", "d\te"]]);
}

#[test]
fn d10_a_byte_order_mark_is_passed_over_by_the_caller() {
    let text = "\u{feff}\"a\",2\n".as_bytes();
    let mut records = Records::new();
    let mut reader = Reader::new(Dialect::default(), 2);
    let start = strip_bom(text);
    reader.read(text, start, usize::MAX, usize::MAX, true, &mut records).unwrap();
    assert_eq!(records.field(text, 0, 0), b"a");
    assert_eq!(records.starts, [3]);
    check(&delimited(','), "1,\u{feff}2\n", &[&["1", "\u{feff}2"]]);
}

#[test]
fn d13_a_doubled_quote_may_stand_last() {
    check(&delimited(','), "\"x\"\"\"\n", &[&["x\""]]);
    check(&delimited(','), "\"\"\"\"\n\"\"\n", &[&["\""], &[""]]);
}

#[test]
fn n37_line_ends_inside_quotes_stay_as_they_are() {
    check(
        &delimited(','),
        "\"hello\r\nworld\"\n\"friend\nfoe\"\n\"mr\rmrs\"",
        &[&["hello\r\nworld"], &["friend\nfoe"], &["mr\rmrs"]],
    );
}

#[test]
fn n38_line_ends_may_differ_in_one_file() {
    check(&delimited(','), "1,2\r\n3,4\n5,6", &[&["1", "2"], &["3", "4"], &["5", "6"]]);
}

#[test]
fn n41_to_n44_lazy_quotes_are_text() {
    check(&delimited(','), "\"abc\"\"de\"", &[&["abc\"de"]]);
    check(&strict(), "\"abc\"\"de\"", &[&["abc\"de"]]);
    check(&delimited(','), "abc\"de", &[&["abc\"de"]]);
    check(&delimited(','), "\"abc\"de", &[&["abc\"de"]]);
}

#[test]
fn n45_strict_quotes_are_refused_with_line_and_column() {
    let stray = "extraneous or missing \" in quoted-field";
    let message = format!("parse error on line 1, column 4: {stray}");
    check_error(&strict(), "\"abc\"de", 1, 0, &message);
    let bare = "parse error on line 2, column 3: bare \" in non-quoted-field";
    check_error(&strict(), "a\n\u{e9}bc\"d\n", 1, 1, bare);
    let message = format!("record on line 2; parse error on line 3, column 1: {stray}");
    check_error(&strict(), "a,b\nc,\"d\ne\"f\"\n", 2, 1, &message);
    let message = format!("record on line 2; parse error on line 4, column 0: {stray}");
    check_error(&strict(), "a\n\"b\nc\n", 1, 1, &message);
}

#[test]
fn n46_a_wrong_number_of_fields_is_refused() {
    check_error(&delimited(','), "1,2\n3\n11,22", 1, 0, "expected 1 fields, got 2");
    check_error(&delimited(','), "1,2\n\"a\nb\",,3,\n", 2, 1, "expected 2 fields, got 4");
    check_error(&delimited(','), "1,,\n", 1, 0, "expected 1 fields, got 3");
}

#[test]
fn n122_a_lazy_quote_glues_rows_and_is_told() {
    let text = "1a,one b,one c\n2a,\"two b\" is the string,two c\n3a,three b,three c\n\
                4a,\"four b\",four c\n5a,five \"b\",five c\n6a,six b,six c";
    let glued = "two b\" is the string,two c\n3a,three b,three c\n4a,\"four b";
    check(
        &delimited(','),
        text,
        &[
            &["1a", "one b", "one c"],
            &["2a", glued, "four c"],
            &["5a", "five \"b\"", "five c"],
            &["6a", "six b", "six c"],
        ],
    );
    let mut records = Records::new();
    let mut reader = Reader::new(Dialect::default(), 3);
    reader.read(text.as_bytes(), 0, usize::MAX, usize::MAX, true, &mut records).unwrap();
    assert_eq!(records.swallowed, [1]);
    let message = "parse error on line 2, column 9: extraneous or missing \" in quoted-field";
    check_error(&strict(), text, 3, 1, message);
}

#[test]
fn only_breaks_after_the_lazy_quote_count_as_swallowed() {
    let check = |text: &str, expected: &[u32]| {
        let mut records = Records::new();
        let mut reader = Reader::new(Dialect::default(), 1);
        reader.read(text.as_bytes(), 0, usize::MAX, usize::MAX, true, &mut records).unwrap();
        assert_eq!(records.swallowed, expected, "{text:?}");
    };
    check("\"a\nb\"\n", &[]);
    check("\"a\nb\"c\"\n", &[]);
    check("x\n\"a\"b\nc\"\n", &[1]);
    check("\"a\nb", &[0]);
    check("\"a", &[]);
}

#[test]
fn an_escape_makes_a_quote_or_itself_text_inside_quotes_alone() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    let text = "\"a\\\"b\",c\\\"\n\"d\\\\\",\"e\\n\"\n\"f\"\"g\",\"h\\\",\ni\"\n";
    check(&dialect, text, &[&["a\"b", "c\\\""], &["d\\", "e\\n"], &["f\"g", "h\",\ni"]]);
    let dialect = Dialect { quote: Some(b'\''), escape: Some(b'"'), ..Dialect::default() };
    check(&dialect, "'a \"\"b\"\" c','it\"'s'\n", &[&["a \"b\" c", "it's"]]);
}

#[test]
fn without_a_quote_quotes_are_text() {
    let dialect = Dialect { quote: None, strict_quotes: true, ..Dialect::default() };
    check(&dialect, "\"a,b\"\n'c',\"\"\n", &[&["\"a", "b\""], &["'c'", "\"\""]]);
}

#[test]
fn comments_count_only_where_a_record_could_start() {
    let dialect = Dialect { comment: Some('#'), ..Dialect::default() };
    check(
        &dialect,
        "# \"one\n1\n #2\n\"#3\"\n\"a\n#4\"\n#",
        &[&["1"], &[" #2"], &["#3"], &["a\n#4"]],
    );
    let dialect = Dialect { comment: Some('\u{a7}'), ..Dialect::default() };
    check(&dialect, "\u{a7} one\n1\n\u{a7}", &[&["1"]]);
}

#[test]
fn an_empty_file_has_no_records_and_no_error() {
    check(&delimited(','), "", &[]);
    check(&delimited('\n'), "", &[]);
    check_error(&delimited('\n'), "a", 1, 0, "csv: invalid field or comment delimiter");
}

#[test]
fn an_extra_field_is_dropped_by_whether_quotes_matter() {
    let read = |quoted: bool, text: &str| {
        let mut reader = Reader::new(Dialect::default(), 1).with_quoted(quoted);
        let mut records = Records::new();
        reader.read(text.as_bytes(), 0, usize::MAX, usize::MAX, true, &mut records).is_ok()
    };
    assert!(read(false, "a,\n"));
    assert!(read(false, "a,\"\"\n"));
    assert!(read(true, "a,\n"));
    assert!(!read(true, "a,\"\"\n"));
}

#[test]
fn an_error_says_where_and_how_to_go_on() {
    let text = b"# c\n1,2\n\n3,4,5\n6,7\n";
    let dialect = Dialect { comment: Some('#'), ..Dialect::default() };
    let mut reader = Reader::new(dialect, 2);
    let mut records = Records::new();
    let error = reader.read(text, 0, usize::MAX, usize::MAX, true, &mut records).unwrap_err();
    let fault = RecordFault::FieldCount { expected: 2, got: 3 };
    let next = Some(15);
    assert_eq!(error, RecordError { record: 1, start: 9, offset: 13, next, fault });
    assert_eq!(error.code().as_str(), "22P04");
    assert_eq!((records.count, records.field(text, 0, 1)), (1, b"2".as_slice()));
    let end = reader.read(text, 15, usize::MAX, usize::MAX, true, &mut records);
    assert_eq!((end, records.count, &records.starts[..]), (Ok(19), 1, [15].as_slice()));
}

#[test]
fn a_header_is_read_with_any_number_of_fields() {
    let mut reader = Reader::new(Dialect::default(), 9);
    let text = b"\n\"a \"\"x\"\"\",\"b\nc\"\r\n1,2\n";
    let (fields, next) = reader.read_loose(text, 0, false).unwrap().unwrap();
    assert_eq!((fields, next), (vec![b"a \"x\"".to_vec(), b"b\nc".to_vec()], 18));
    assert_eq!(reader.read_loose(b"a,\"b", 0, false), Ok(None));
    assert_eq!(reader.read_loose(b"\n\n", 0, true), Ok(None));
}

#[test]
fn a_giant_field_costs_no_more_than_its_length_a_few_times() {
    // Were each piece read again from the start of the field byte by byte, this would take hours.
    let mut text = b"a,\"".to_vec();
    text.resize(1 << 20, b'\n');
    text.extend_from_slice(b"\"\nb,c\n");
    for reader in [Reader::new(Dialect::default(), 2), Reader::new(Dialect::default(), 2).exactly()]
    {
        let (rows, error) = read(reader, &text, 1 << 10);
        assert_eq!((rows.len(), rows[0][1].len(), error), (2, (1 << 20) - 3, None));
    }
}
