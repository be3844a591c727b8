//! How a CSV file is written, guessed from its head: delimiter, header, names and types.
//!
//! - The delimiter is the one of `,`, `;`, `|` and tab that cuts every record of the sample into the
//!   same number of fields, the more the better; a comma if none does.
//! - A column is of the first of these types that every value in it has: BOOL (`true`, `false`), INT8,
//!   DECIMAL (whole numbers too long for INT8), FLOAT8, DATE, TIME, TIMESTAMP, TIMESTAMPTZ; else it is
//!   STRING. Numbers that start with a zero, such as postal codes, stay text. Empty fields without
//!   quotes are NULL and say nothing.
//! - The first record is a header if one of its fields is no value of its column's type; where all
//!   columns are text, if its fields look like names: each begins with a letter, none comes twice,
//!   and no other record is equal to it.

use std::collections::HashSet;

use arrow::buffer::Buffer;

use super::text::{TEXT, is_clean, is_null, nulls};
use crate::error::{DataPlace, Error, Result, SqlState};
use crate::record::{Dialect, Reader, RecordError, Records, TextFormat, count_lines, strip_bom};
use crate::types::{self, Cells, SqlType};

/// How many records are looked at, at most.
const MOST_RECORDS: usize = 20_480;

/// How many records tell the delimiter.
const FEW_RECORDS: usize = 100;

/// The longest name of a column.
const LONGEST_NAME: usize = 63;

/// What was guessed.
#[derive(Debug)]
pub(super) struct Guess {
    pub(super) format: TextFormat,
    /// Whether the first record names the columns.
    pub(super) header: bool,
    pub(super) columns: Vec<(String, SqlType)>,
    /// The text that means NULL where it is not in quotes, in CSV; nothing unless it is told.
    pub(super) null: String,
    /// From how many rows; 0 if it was told.
    pub(super) sampled: u64,
}

/// Guesses how the file `name` is written from the bytes at its start; `at_end` if these are all.
pub(super) fn guess(
    sample: &[u8],
    at_end: bool,
    delimiter: Option<char>,
    name: &str,
) -> Result<Guess> {
    let start = strip_bom(sample);
    let delimiter = delimiter.unwrap_or_else(|| guess_delimiter(sample, start, at_end));
    let first = records_of(sample, start, delimiter, 1, at_end)
        .map_err(|error| malformed_first(&error, sample, name))?;
    let Some(first) = first.into_iter().next() else {
        return Err(Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("file \"{name}\" holds no rows to guess columns from"),
        )
        .hint("Import the file into a table whose columns are known."));
    };
    let fields = first.len();
    let dialect = Dialect { delimiter: delimiter.into(), ..Dialect::default() };
    let format = TextFormat::Csv(dialect);
    let mut reader = format.reader(fields).with_quoted(true);
    let mut records = Records::default();
    // A record that is malformed is told when it is read; those before it tell the types.
    let _ = reader.read(sample, start, usize::MAX, MOST_RECORDS, at_end, &mut records);
    let sampled = Sample::new(sample, records);
    let all: Vec<SqlType> = (0..fields).map(|field| sampled.type_of(field, 0)).collect();
    let rest: Vec<SqlType> = (0..fields).map(|field| sampled.type_of(field, 1)).collect();
    let names: Vec<String> =
        first.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
    let header = if all == rest || sampled.records.count == 1 {
        rest.iter().all(|sql_type| *sql_type == TEXT) && sampled.starts_with_names(&names)
    } else {
        true
    };
    let types = if header { rest } else { all };
    let names =
        if header { column_names(&names) } else { column_names(&vec![String::new(); fields]) };
    Ok(Guess {
        format,
        header,
        null: String::new(),
        columns: names.into_iter().zip(types).collect(),
        sampled: (sampled.records.count as u64).saturating_sub(u64::from(header)),
    })
}

/// Returns the error of a file whose first record cannot be read.
pub(super) fn malformed_first(error: &RecordError, sample: &[u8], name: &str) -> Error {
    let at = error.start.min(sample.len());
    let place = DataPlace {
        file: name.to_owned(),
        row: 1,
        line: 1 + count_lines(&sample[..at]),
        byte: at as u64,
        ..DataPlace::default()
    };
    Error::new(error.code(), format!("error parsing row 1: {}", error.message(1))).in_data(place)
}

/// Returns the decoded fields of at most `most` records from `start` on.
fn records_of(
    sample: &[u8],
    start: usize,
    delimiter: char,
    most: usize,
    at_end: bool,
) -> Result<Vec<Vec<Vec<u8>>>, RecordError> {
    let mut reader = Reader::new(Dialect { delimiter: delimiter.into(), ..Dialect::default() }, 1);
    let mut at = start;
    let mut found = Vec::new();
    while found.len() < most {
        let Some((fields, next)) = reader.read_loose(sample, at, at_end)? else { break };
        found.push(fields);
        at = next;
    }
    Ok(found)
}

fn guess_delimiter(sample: &[u8], start: usize, at_end: bool) -> char {
    let width = |delimiter: char| {
        let records = records_of(sample, start, delimiter, FEW_RECORDS, at_end).ok()?;
        let width = records.first()?.len();
        (width > 1 && records.iter().all(|record| record.len() == width)).then_some(width)
    };
    // Of equal ones the first wins.
    let mut best = (1, ',');
    for delimiter in [',', '\t', ';', '|'] {
        if let Some(width) = width(delimiter).filter(|width| *width > best.0) {
            best = (width, delimiter);
        }
    }
    best.1
}

/// The records of the head of a file.
pub(super) struct Sample {
    raw: Buffer,
    unescaped: Buffer,
    records: Records,
    utf8: bool,
}

impl Sample {
    pub(super) fn new(sample: &[u8], mut records: Records) -> Self {
        let raw = Buffer::from_vec(sample.to_vec());
        let unescaped = Buffer::from_vec(std::mem::take(&mut records.unescaped));
        let utf8 = is_clean(&raw) && is_clean(&unescaped);
        Self { raw, unescaped, records, utf8 }
    }

    /// Returns how many records there are.
    pub(super) fn count(&self) -> u64 {
        self.records.count as u64
    }

    fn text(&self, record: usize, field: usize) -> &[u8] {
        let [start, end] = self.records.spans[record * self.records.fields + field];
        let (start, end) = (start as usize, end as usize);
        match start.checked_sub(self.raw.len()) {
            None => &self.raw[start..end],
            Some(start) => &self.unescaped[start..end - self.raw.len()],
        }
    }

    /// Returns the type of a column from record `first` on.
    pub(super) fn type_of(&self, field: usize, first: usize) -> SqlType {
        let mut shape: Option<Shape> = None;
        for record in first..self.records.count {
            let text = self.text(record, field);
            if is_null(&self.records, record, field) {
                continue;
            }
            let own = Shape::of(text);
            let joined = shape.map_or(Some(own), |known| known.join(own));
            match joined {
                Some(joined) if joined != Shape::Text => shape = Some(joined),
                _ => return TEXT,
            }
        }
        let Some(shape) = shape else { return TEXT };
        let found = shape.types().iter().find(|sql_type| self.holds(field, first, sql_type));
        found.cloned().unwrap_or(TEXT)
    }

    /// Returns whether all values of a column from record `first` on are of a type.
    fn holds(&self, field: usize, first: usize, sql_type: &SqlType) -> bool {
        let nulls = nulls(&self.records, field);
        let rows = self.records.count - first;
        let nulls = nulls.map(|nulls| nulls.slice(first, rows));
        let cells = Cells {
            raw: &self.raw,
            unescaped: &self.unescaped,
            spans: &self.records.spans[first * self.records.fields..],
            stride: self.records.fields,
            column: field,
            rows,
            nulls: nulls.as_ref(),
            utf8: self.utf8,
        };
        types::parse_column(sql_type, &cells).is_ok()
    }

    /// Returns whether the first record looks like names, where all columns are text.
    fn starts_with_names(&self, names: &[String]) -> bool {
        let mut seen = HashSet::new();
        let name = |name: &String| {
            name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && name.len() <= LONGEST_NAME
                && !name.contains(['\n', '\r'])
        };
        let distinct = names.iter().all(|name| seen.insert(name.to_lowercase()));
        let repeated = (1..self.records.count).any(|record| {
            (0..names.len()).all(|field| self.text(record, field) == names[field].as_bytes())
        });
        self.records.count > 1 && distinct && !repeated && names.iter().all(name)
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Truth,
    Whole,
    Fraction,
    Date,
    Time,
    Moment,
    ZonedMoment,
    Text,
}

impl Shape {
    fn of(text: &[u8]) -> Self {
        if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false") {
            return Self::Truth;
        }
        let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let Some(first) = unsigned.first() else { return Self::Text };
        if !first.is_ascii_digit() && *first != b'.' {
            return Self::Text;
        }
        let padded = matches!(unsigned, [b'0', b'0'..=b'9', ..]);
        if unsigned.iter().all(u8::is_ascii_digit) {
            return if padded { Self::Text } else { Self::Whole };
        }
        let number = |byte: &u8| byte.is_ascii_digit() || b".eE+-".contains(byte);
        let dates = matches!(unsigned, [_, _, _, _, b'-', ..]);
        if unsigned.iter().all(number) && !dates {
            return if padded { Self::Text } else { Self::Fraction };
        }
        Self::of_moment(text)
    }

    fn of_moment(text: &[u8]) -> Self {
        let time = |text: &[u8]| matches!(text, [a, b, b':', ..] if a.is_ascii_digit() && b.is_ascii_digit());
        match text {
            [_, _, _, _, b'-', _, _, b'-', _, _] => Self::Date,
            [_, _, _, _, b'-', _, _, b'-', _, _, b' ' | b'T', rest @ ..] if time(rest) => {
                let zoned = rest.iter().any(|byte| b"Zz+-".contains(byte));
                if zoned { Self::ZonedMoment } else { Self::Moment }
            }
            text if time(text)
                && text.iter().all(|byte| byte.is_ascii_digit() || b":.".contains(byte)) =>
            {
                Self::Time
            }
            _ => Self::Text,
        }
    }

    /// Returns what values of both shapes look like together.
    fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one),
            (Self::Whole | Self::Fraction, Self::Whole | Self::Fraction) => Some(Self::Fraction),
            (Self::Date | Self::Moment, Self::Date | Self::Moment) => Some(Self::Moment),
            _ => None,
        }
    }

    /// Returns the types that such values may have, the best first.
    fn types(self) -> &'static [SqlType] {
        match self {
            Self::Truth => &[SqlType::Bool],
            Self::Whole => &[SqlType::Int8, SqlType::Decimal(None)],
            Self::Fraction => &[SqlType::Float8],
            Self::Date => &[SqlType::Date],
            Self::Time => &[SqlType::Time],
            Self::Moment => &[SqlType::Timestamp],
            Self::ZonedMoment => &[SqlType::TimestampTz],
            Self::Text => &[],
        }
    }
}

/// Returns the names of columns: lower case, numbered where they are missing or come twice.
pub(super) fn column_names(header: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(header.len());
    for (at, given) in header.iter().enumerate() {
        let base = match given.trim() {
            "" => format!("column{}", at + 1),
            given => given.to_lowercase(),
        };
        let mut name = base.clone();
        let mut number = 1;
        while !seen.insert(name.clone()) {
            number += 1;
            name = format!("{base}_{number}");
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let guess = guess(text.as_bytes(), true, None, "x.csv").unwrap();
        let columns: Vec<String> =
            guess.columns.iter().map(|(name, sql_type)| format!("{name} {sql_type}")).collect();
        let header = if guess.header { "header, " } else { "" };
        let TextFormat::Csv(dialect) = &guess.format else { panic!("no CSV") };
        assert_eq!(format!("{:?} {header}{}", dialect.delimiter, columns.join(", ")), expected);
    }

    #[test]
    fn finds_headers_by_types() {
        check("id,name\n1,Ada\n", "',' header, id INT8, name STRING");
        check("1,Ada\n2,Grace\n", "',' column1 INT8, column2 STRING");
        check("Name,Town\nAda,London\n", "',' header, name STRING, town STRING");
        check("Ada,London\nAda,London\n", "',' column1 STRING, column2 STRING");
        check("Ada,1 Street\nBob,2 Street\n", "',' column1 STRING, column2 STRING");
        check("Ada\n", "',' column1 STRING");
        check("1,Ada\n", "',' column1 INT8, column2 STRING");
        check("a,A,,a\n1,2,3,4\n", "',' header, a INT8, a_2 INT8, column3 INT8, a_3 INT8");
        check("\u{feff}id\r\n1\r\n", "',' header, id INT8");
    }

    #[test]
    fn finds_delimiters() {
        check("a;b\n1;2,5\n", "';' header, a INT8, b STRING");
        check("a|b|c\n1|2|3\n", "'|' header, a INT8, b INT8, c INT8");
        check("a\tb\n1\t2\n", "'\\t' header, a INT8, b INT8");
        check("a,\"b;c\"\n1,\"2;3\"\n", "',' header, a INT8, b;c STRING");
    }

    #[test]
    fn finds_types() {
        check("x\n1\n\n-2\n", "',' header, x INT8");
        check("x\n1\n2.5\n1e3\n", "',' header, x FLOAT8");
        check("x\n12345678901234567890\n", "',' header, x DECIMAL");
        check("x\n007\n", "',' header, x STRING");
        check("x\n0\n0.5\n-0.5\n", "',' header, x FLOAT8");
        check("x\nTRUE\nfalse\n", "',' header, x BOOL");
        check("x\n2020-01-02\n", "',' header, x DATE");
        check("x\n2020-01-02\n2020-01-02 03:04:05\n", "',' header, x TIMESTAMP");
        check("x\n2020-01-02T03:04:05Z\n", "',' header, x TIMESTAMPTZ");
        check("x\n03:04\n03:04:05.5\n", "',' header, x TIME");
        check("x\n2020-13-02\n", "',' header, x STRING");
        check("x,y\n1,\n2,\"\"\n", "',' header, x INT8, y STRING");
        check("x,y\n1,\n2,3\n", "',' header, x INT8, y INT8");
        check("x\n1\ntwo\n", "',' header, x STRING");
    }

    #[test]
    fn refuses_what_holds_nothing() {
        for text in ["", "\n\n", "\u{feff}"] {
            let error = guess(text.as_bytes(), true, None, "x.csv").unwrap_err();
            assert_eq!(error.code().as_str(), "22P04");
        }
    }
}
