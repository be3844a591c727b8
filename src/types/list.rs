//! Arrays: PostgreSQL's literal `{1,2,NULL,"a b"}` and the expression `ARRAY[1,2]`.
//!
//! The elements of all rows become cells of one column, which the parser of the element type reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Field;

use crate::error::{Error, Result, SqlState};

use super::column::{self, place};
use super::fault::{Fault, shown};
use super::{CellError, Cells, SqlType};

/// Parses a column of arrays.
pub(super) fn column(element: &SqlType, cells: &Cells<'_>) -> Result<ArrayRef, CellError> {
    let family = SqlType::Array(Box::new(element.clone())).family();
    let nulls = cells.some_nulls();
    let mut elements = Elements::default();
    let mut offsets = vec![0_i32];
    for (row, span) in cells.column_spans().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            let text = cells.field(span).bytes();
            let read = read(text, &mut elements).map_err(|fault| fault.of(family, text));
            read.and_then(|()| place(elements.bytes.len()).map(drop))
                .map_err(|error| CellError { row, error })?;
        }
        let end = i32::try_from(elements.spans.len())
            .map_err(|_| CellError { row, error: too_many_elements() })?;
        offsets.push(end);
    }
    let values = elements.parse(element, cells.utf8).map_err(|CellError { row, error }| {
        // The array of an element is the last one that starts at or before it.
        let row =
            offsets.partition_point(|start| usize::try_from(*start).is_ok_and(|it| it <= row)) - 1;
        let text = shown(cells.bytes(row));
        let wrap = |why: &str| format!("could not parse \"{text}\" as type {family}: {why}");
        CellError { row, error: error.map_message(wrap) }
    })?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let field = Arc::new(Field::new_list_field(element.storage(), true));
    ListArray::try_new(field, offsets, values, cells.nulls.cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| CellError { row: 0, error: Error::internal(error) })
}

fn too_many_elements() -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a batch of arrays has too many elements")
        .hint("Insert the rows in several statements.")
}

/// The elements of all arrays of a column, with quotes and escapes taken out.
#[derive(Default)]
struct Elements {
    bytes: Vec<u8>,
    spans: Vec<[u32; 2]>,
    valid: Vec<bool>,
}

impl Elements {
    fn push(&mut self, start: usize, valid: bool) {
        let bound = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        self.spans.push([bound(start), bound(self.bytes.len())]);
        self.valid.push(valid);
    }

    fn parse(&mut self, element: &SqlType, utf8: bool) -> Result<ArrayRef, CellError> {
        let raw = Buffer::from_vec(std::mem::take(&mut self.bytes));
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        let cells = Cells {
            raw: &raw,
            unescaped: &Buffer::from_vec(Vec::<u8>::new()),
            spans: &self.spans,
            stride: 1,
            column: 0,
            rows: self.spans.len(),
            nulls: Some(&nulls).filter(|nulls| nulls.null_count() > 0),
            utf8,
        };
        column::parse(element, &cells)
    }
}

/// Reads one array in either form.
fn read(text: &[u8], elements: &mut Elements) -> Result<(), Fault> {
    let trimmed = text.trim_ascii();
    if let Some((word, rest)) = trimmed.split_at_checked(5)
        && word.eq_ignore_ascii_case(b"array")
        && let [b'[', rest @ ..] = rest.trim_ascii_start()
    {
        return Reader { rest, elements }.expression();
    }
    match trimmed {
        [b'{', rest @ ..] => Reader { rest, elements }.literal(),
        [b'[', ..] => {
            Err(Fault::new(SqlState::FEATURE_NOT_SUPPORTED, "arrays with bounds are not supported"))
        }
        _ => Err(malformed()),
    }
}

fn malformed() -> Fault {
    Fault::new(SqlState::INVALID_TEXT_REPRESENTATION, "malformed array literal")
        .hint("Write an array as {1,2} or ARRAY[1,2].")
}

struct Reader<'a> {
    rest: &'a [u8],
    elements: &'a mut Elements,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.rest.split_first().ok_or_else(malformed)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Takes a byte if it is next behind blanks.
    fn take(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.rest.first() == Some(&byte);
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    /// Reads what follows the opening brace.
    fn literal(mut self) -> Result<(), Fault> {
        if !self.take(b'}') {
            loop {
                self.blank();
                match self.rest.first() {
                    Some(b'{') => return Err(nested()),
                    Some(b'"') => self.quoted()?,
                    _ => self.plain()?,
                }
                self.blank();
                match self.next()? {
                    b',' => {}
                    b'}' => break,
                    _ => return Err(malformed()),
                }
            }
        }
        if self.rest.trim_ascii().is_empty() { Ok(()) } else { Err(malformed()) }
    }

    fn quoted(&mut self) -> Result<(), Fault> {
        let start = self.elements.bytes.len();
        self.next()?;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => {
                    let escaped = self.next()?;
                    self.elements.bytes.push(escaped);
                }
                byte => self.elements.bytes.push(byte),
            }
        }
        self.elements.push(start, true);
        Ok(())
    }

    /// Reads an element without quotes, up to a comma or brace; blanks around it do not count.
    fn plain(&mut self) -> Result<(), Fault> {
        let start = self.elements.bytes.len();
        let (mut end, mut escaped) = (start, false);
        loop {
            match self.rest.first() {
                None | Some(b'"' | b'{') => return Err(malformed()),
                Some(b',' | b'}') => break,
                Some(_) => {}
            }
            let byte = match self.next()? {
                b'\\' => {
                    escaped = true;
                    end = self.elements.bytes.len() + 1;
                    self.next()?
                }
                byte => byte,
            };
            self.elements.bytes.push(byte);
            if !byte.is_ascii_whitespace() {
                end = self.elements.bytes.len();
            }
        }
        self.elements.bytes.truncate(end);
        let text = &self.elements.bytes[start..];
        if text.is_empty() {
            return Err(malformed());
        }
        let null = !escaped && text.eq_ignore_ascii_case(b"null");
        self.elements.push(start, !null);
        Ok(())
    }

    /// Reads what follows `ARRAY[`.
    fn expression(mut self) -> Result<(), Fault> {
        if !self.take(b']') {
            loop {
                self.blank();
                self.constant()?;
                self.annotation();
                match self.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return Err(malformed()),
                }
            }
        }
        self.annotation();
        if self.rest.trim_ascii().is_empty() { Ok(()) } else { Err(malformed()) }
    }

    /// Skips `::type` or `:::type`.
    fn annotation(&mut self) {
        self.blank();
        if self.rest.starts_with(b"::") {
            let mut depth = 0_i32;
            let ends = |byte: &u8| {
                match byte {
                    b'(' | b'[' => depth += 1,
                    b')' => depth -= 1,
                    b']' if depth > 0 => depth -= 1,
                    b',' | b']' => return depth == 0,
                    _ => {}
                }
                false
            };
            let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
    }

    /// Reads `'text'`, `e'text'`, NULL or a bare word.
    fn constant(&mut self) -> Result<(), Fault> {
        let start = self.elements.bytes.len();
        match self.rest {
            [b'\'', ..] => self.string(false)?,
            [b'e' | b'E', b'\'', ..] => {
                self.next()?;
                self.string(true)?;
            }
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b':' | b'[' | b'\'');
                let end = self.rest.iter().position(ends).ok_or_else(malformed)?;
                let (word, rest) = self.rest.split_at(end);
                if word.eq_ignore_ascii_case(b"array") {
                    return Err(nested());
                }
                let word = word.trim_ascii();
                if word.is_empty() {
                    return Err(malformed());
                }
                self.rest = rest;
                self.elements.bytes.extend_from_slice(word);
                self.elements.push(start, !word.eq_ignore_ascii_case(b"null"));
                return Ok(());
            }
        }
        self.elements.push(start, true);
        Ok(())
    }

    fn string(&mut self, escapes: bool) -> Result<(), Fault> {
        self.next()?;
        loop {
            let byte = match self.next()? {
                b'\'' if self.rest.first() == Some(&b'\'') => self.next()?,
                b'\'' => return Ok(()),
                b'\\' if escapes => match self.next()? {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    byte @ (b'\\' | b'\'' | b'"') => byte,
                    _ => return Err(malformed()),
                },
                byte => byte,
            };
            self.elements.bytes.push(byte);
        }
    }
}

fn nested() -> Fault {
    Fault::new(SqlState::FEATURE_NOT_SUPPORTED, "arrays of arrays are not supported")
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use proptest::prelude::*;

    use crate::types::column::OwnedCells;
    use crate::types::print_value;

    use super::*;

    fn parse(name: &str, texts: &[Option<&str>]) -> Result<ArrayRef, CellError> {
        let cells = OwnedCells::new(texts.iter().copied()).unwrap();
        column::parse(&SqlType::parse(name).unwrap(), &cells.cells())
    }

    #[track_caller]
    fn check(name: &str, text: &str, expected: &str) {
        let array = parse(name, &[Some(text)]).unwrap();
        let mut printed = String::new();
        print_value(&array, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[test]
    fn reads_literals() {
        check("int[]", "{1,2,NULL}", "{1,2,NULL}");
        check("int[]", " { 1 , null } ", "{1,NULL}");
        check("int[]", "{}", "{}");
        check("int[]", "{ }", "{}");
        check(
            "text[]",
            "{a,\"a b\",\"NULL\",\"\", c d ,\\NULL}",
            "{a,\"a b\",\"NULL\",\"\",\"c d\",\"NULL\"}",
        );
        check("text[]", "{\"a\\\"b\",\"c\\\\d\",e\\,f}", "{\"a\\\"b\",\"c\\\\d\",\"e,f\"}");
        check("text[]", "{a\\ }", "{\"a \"}");
        check("decimal(5,2)[]", "{1,2.345}", "{1.00,2.35}");
        check("date[]", "{2020-01-01,\"Jan 8 1999\"}", "{2020-01-01,1999-01-08}");
    }

    #[test]
    fn reads_expressions() {
        check("int[]", "ARRAY[1,2]", "{1,2}");
        check("int[]", "array [ -1 , NULL ]", "{-1,NULL}");
        check("int[]", "ARRAY[]", "{}");
        check("text[]", "ARRAY['a','it''s',e'x\\ty']", "{a,it's,\"x\ty\"}");
        check("text[]", "ARRAY['a':::STRING,NULL::varchar(5)]:::STRING[]", "{a,NULL}");
    }

    #[test]
    fn refuses_the_rest() {
        let malformed = SqlState::INVALID_TEXT_REPRESENTATION;
        for (text, code) in [
            ("", malformed),
            ("1,2", malformed),
            ("{1", malformed),
            ("{1,}", malformed),
            ("{,1}", malformed),
            ("{1}x", malformed),
            ("{\"1\"2}", malformed),
            ("{1\"2\"}", malformed),
            ("{\"1", malformed),
            ("{1\\", malformed),
            ("ARRAY[1", malformed),
            ("ARRAY[1,]", malformed),
            ("ARRAY 1", malformed),
            ("{x}", malformed),
            ("{99999999999999999999}", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ("{{1},{2}}", SqlState::FEATURE_NOT_SUPPORTED),
            ("ARRAY[ARRAY[1]]", SqlState::FEATURE_NOT_SUPPORTED),
            ("[0:1]={1,2}", SqlState::FEATURE_NOT_SUPPORTED),
        ] {
            let error = parse("int[]", &[Some(text)]).unwrap_err();
            assert_eq!(error.error.code(), code, "{text}");
        }
    }

    #[test]
    fn names_the_row_of_a_wrong_element() {
        let error = parse("int[]", &[Some("{1,2}"), None, Some("{}"), Some("{3,x}"), Some("{4}")]);
        let error = error.unwrap_err();
        assert_eq!(error.row, 3);
        assert_eq!(
            error.error.message(),
            "could not parse \"{3,x}\" as type int[]: could not parse \"x\" as type int: invalid syntax"
        );
    }

    #[test]
    fn keeps_null_arrays() {
        let array = parse("uuid[]", &[None, Some("{NULL}")]).unwrap();
        assert!(array.is_null(0));
        assert_eq!(array.as_list::<i32>().value(1).null_count(), 1);
    }

    proptest! {
        #[test]
        fn reads_back_what_is_printed(texts in proptest::collection::vec(proptest::option::of("[^\\x00]{0,6}"), 0..6)) {
            let mut builder = arrow::array::ListBuilder::new(arrow::array::StringViewBuilder::new());
            builder.append_value(texts.iter().map(Option::as_deref));
            let array: ArrayRef = Arc::new(builder.finish());
            let mut printed = String::new();
            print_value(&array, 0, &mut printed);
            let read = parse("text[]", &[Some(printed.as_str())]).unwrap();
            prop_assert_eq!(&read.as_list::<i32>().value(0), &array.as_list::<i32>().value(0));
        }
    }
}
