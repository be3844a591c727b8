//! The readers of JSON: objects to records, their members found by name.
//!
//! NDJSON has an object per line; JSON has one array of objects, or objects one after the other. The
//! members of an object mostly come in the order of the object before: each name is compared with the
//! one that stood at the same position, and looked up only if it differs. Fields are spans into the
//! piece; only strings with escapes and arrays are copied.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{FormatFault, RecordError, RecordFault};
use super::json_scan::{
    Stop, blank, colon, nested_end, number_end, string_end, unescape, unexpected, value_end,
    word_end,
};
use super::reader::LONGEST_PIECE;
use super::records::{Records, offset, set_bit};

/// What is wanted of JSON files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFormat {
    /// The fields, in the order of records.
    pub fields: Arc<[JsonField]>,
    /// Whether each line is an object of its own.
    pub lines: bool,
    /// Whether members that are no field are passed over; otherwise they are errors.
    pub ignore_unknown: bool,
}

/// A field that members of objects are read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonField {
    /// The name of the member.
    pub name: String,
    /// What becomes of its value.
    pub form: JsonForm,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    /// The text of a string, or the JSON text of anything else.
    Text,
    /// The JSON text of any value.
    Document,
    /// As `Text`, but an array becomes an array literal of SQL, whose elements are `Text`.
    Array,
    /// As `Document`, but an array becomes an array literal of SQL, whose elements are `Document`.
    Documents,
}

/// The most names that are remembered; more are looked up anew each time.
const MOST_NAMES: usize = 4096;

/// A name that was met.
struct Name {
    /// Its text, as it stands between the quotes.
    text: Vec<u8>,
    /// Its field; none if it is to be passed over.
    field: Option<usize>,
}

/// Where in a file of JSON the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was read.
    Start,
    /// Among objects that follow one another.
    Sequence,
    /// Behind the opening bracket.
    Opened,
    /// Behind an object in the array.
    BehindObject,
    /// Behind a comma in the array.
    BehindComma,
    /// Behind the closing bracket.
    Closed,
}

/// Reads the objects of one file, piece by piece.
pub struct JsonReader {
    format: JsonFormat,
    /// The names met, and where each one is in `names`.
    names: Vec<Name>,
    index: HashMap<Vec<u8>, usize>,
    /// The name at each position of the last object.
    order: Vec<usize>,
    /// For each field the number of the last object that had it.
    seen: Vec<u64>,
    object: u64,
    state: State,
}

impl JsonReader {
    /// Returns a reader of one file.
    pub(super) fn new(format: JsonFormat) -> Self {
        Self {
            seen: vec![0; format.fields.len()],
            format,
            names: Vec::new(),
            index: HashMap::new(),
            order: Vec::new(),
            object: 0,
            state: State::Start,
        }
    }

    /// Reads whole objects, as `Reader::read` reads records.
    #[expect(clippy::too_many_arguments, reason = "as `Reader::read`")]
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        start: usize,
        limit: usize,
        max_records: usize,
        at_end: bool,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        if bytes.len() > LONGEST_PIECE {
            return Err(RecordError::at(0, start, start, RecordFault::TooLong));
        }
        records.restart_empty(self.format.fields.len());
        let piece = Piece { bytes, at_end };
        let read = if self.format.lines {
            self.read_lines(piece, (start, limit), max_records, records)
        } else {
            self.read_objects(piece, start, max_records, records)
        };
        records.forget_unfinished();
        read
    }

    /// Reads an object from each line that starts before `limit`.
    fn read_lines(
        &mut self,
        piece: Piece<'_>,
        (mut at, limit): (usize, usize),
        max_records: usize,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        while at < piece.bytes.len() && at < limit && records.count < max_records {
            let (end, next) = match memchr::memchr(b'\n', &piece.bytes[at..]) {
                Some(length) => (at + length, at + length + 1),
                None if piece.at_end => (piece.bytes.len(), piece.bytes.len()),
                None => return Ok(at),
            };
            let line = &piece.bytes[..end];
            let open = blank(line, at);
            if open < end {
                let read = self.read_line(line, open, piece.bytes.len(), records);
                read.map_err(|stop| self.told(stop, (open, end), Some(next), records.count))?;
                records.complete(open, end);
            }
            at = next;
        }
        Ok(at)
    }

    /// Reads the object that starts at `open` and must end with the line.
    fn read_line(
        &mut self,
        line: &[u8],
        open: usize,
        length: usize,
        records: &mut Records,
    ) -> Result<(), Stop> {
        if line[open] != b'{' {
            return Err(unexpected(line, open, "an object"));
        }
        let at = blank(line, self.read_object(line, open, length, records)?);
        if at < line.len() { Err(unexpected(line, at, "the end of the line")) } else { Ok(()) }
    }

    /// Reads the objects of an array, or that follow one another.
    fn read_objects(
        &mut self,
        piece: Piece<'_>,
        mut at: usize,
        max_records: usize,
        records: &mut Records,
    ) -> Result<usize, RecordError> {
        let bytes = piece.bytes;
        while records.count < max_records {
            at = match self.find_object(bytes, at) {
                Ok(Some(open)) => open,
                Ok(None) => return self.end_of_bytes(piece, records.count),
                Err(stop) => return Err(self.told(stop, (at, at), None, records.count)),
            };
            match self.read_object(bytes, at, bytes.len(), records) {
                Ok(next) => {
                    records.complete(at, next);
                    at = next;
                    self.state = match self.state {
                        State::Start | State::Sequence => State::Sequence,
                        _ => State::BehindObject,
                    };
                }
                Err(Stop::End) if !piece.at_end => return Ok(at),
                Err(stop) => {
                    return Err(self.told(stop, (at, bytes.len()), None, records.count));
                }
            }
        }
        Ok(at)
    }

    /// Returns where the next object starts; `None` where the bytes end before.
    fn find_object(&mut self, bytes: &[u8], mut at: usize) -> Result<Option<usize>, Stop> {
        loop {
            at = blank(bytes, at);
            let Some(byte) = bytes.get(at) else { return Ok(None) };
            self.state = match (self.state, byte) {
                (State::Start, b'[') => State::Opened,
                (State::Opened | State::BehindObject, b']') => State::Closed,
                (State::BehindObject, b',') => State::BehindComma,
                (State::BehindObject, _) => return Err(unexpected(bytes, at, "\",\" or \"]\"")),
                (State::Closed, _) => {
                    return Err(unexpected(bytes, at, "nothing behind the array"));
                }
                (_, b'{') => return Ok(Some(at)),
                (State::Start, _) => return Err(unexpected(bytes, at, "an array or an object")),
                _ => return Err(unexpected(bytes, at, "an object")),
            };
            at += 1;
        }
    }

    /// Returns the end of the bytes, at which nothing may be open if the file ends there.
    fn end_of_bytes(&self, piece: Piece<'_>, count: usize) -> Result<usize, RecordError> {
        let end = piece.bytes.len();
        if piece.at_end && !matches!(self.state, State::Start | State::Sequence | State::Closed) {
            return Err(self.told(Stop::End, (end, end), None, count));
        }
        Ok(end)
    }

    /// Returns the error of the record that lies at `range`.
    #[cold]
    fn told(
        &self,
        stop: Stop,
        (start, end): (usize, usize),
        next: Option<usize>,
        record: usize,
    ) -> RecordError {
        let (offset, fault) = match stop {
            Stop::Fault(at, message) => (at, FormatFault::new(message).of_byte()),
            Stop::Deep(at) => (at, FormatFault::too_deep().of_byte()),
            Stop::End => {
                let what = if self.format.lines { "line" } else { "file" };
                (end, FormatFault::new(format!("unexpected end of {what}")).of_byte())
            }
        };
        let fault = if self.format.lines && start == 0 && offset == 0 {
            fault.hint("Each line must be an object; read an array by JSON DATA.")
        } else {
            fault
        };
        RecordError { record, start, offset, next, fault: RecordFault::Format(Box::new(fault)) }
    }

    /// Reads the object that starts at `open` into a row of `records`; returns where it ends. Copied
    /// texts have offsets from `length` on.
    fn read_object(
        &mut self,
        bytes: &[u8],
        open: usize,
        length: usize,
        records: &mut Records,
    ) -> Result<usize, Stop> {
        let first = records.spans.len();
        let fields = records.fields;
        records.spans.resize(first + fields, [0; 2]);
        self.object += 1;
        let mut filled = 0;
        let mut position = 0;
        let mut at = blank(bytes, open + 1);
        if bytes.get(at) == Some(&b'}') {
            self.note_missing(records, first);
            return Ok(at + 1);
        }
        loop {
            let (field, next) = self.read_name(bytes, at, position)?;
            let value = colon(bytes, next)?;
            at = match field {
                None => value_end(bytes, value)?,
                Some(field) if self.seen[field] == self.object => {
                    let name = &self.format.fields[field].name;
                    let message = format!("the object names the field \"{name}\" twice");
                    return Err(Stop::fault(at, message));
                }
                Some(field) => {
                    self.seen[field] = self.object;
                    filled += 1;
                    let form = self.format.fields[field].form;
                    read_value(bytes, value, form, (first + field, length), records)?
                }
            };
            at = blank(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = blank(bytes, at + 1),
                Some(b'}') => break,
                _ => return Err(unexpected(bytes, at, "\",\" or \"}\"")),
            }
            position += 1;
        }
        if filled < fields {
            self.note_missing(records, first);
        }
        Ok(at + 1)
    }

    /// Notes the fields that the last object lacks.
    fn note_missing(&self, records: &mut Records, first: usize) {
        for (field, object) in self.seen.iter().enumerate() {
            if *object != self.object {
                set_bit(records.missing.get_or_insert_default(), first + field);
                set_bit(records.nulls.get_or_insert_default(), first + field);
            }
        }
    }

    /// Reads the name at `at`, the one at `position` of its object; returns its field and where the
    /// name ends.
    #[inline]
    fn read_name(
        &mut self,
        bytes: &[u8],
        at: usize,
        position: usize,
    ) -> Result<(Option<usize>, usize), Stop> {
        if let Some(name) = self.order.get(position).and_then(|name| self.names.get(*name)) {
            let end = at + 1 + name.text.len();
            if bytes.get(end) == Some(&b'"')
                && bytes[at] == b'"'
                && bytes[at + 1..end] == *name.text
            {
                return Ok((name.field, end + 1));
            }
        }
        self.look_up(bytes, at, position)
    }

    /// Looks up the name at `at`, and expects it at `position` of the next object.
    #[cold]
    fn look_up(
        &mut self,
        bytes: &[u8],
        at: usize,
        position: usize,
    ) -> Result<(Option<usize>, usize), Stop> {
        if bytes.get(at) != Some(&b'"') {
            return Err(unexpected(bytes, at, "a name in quotes"));
        }
        let (end, escaped) = string_end(bytes, at + 1)?;
        let text = &bytes[at + 1..end];
        if let Some(&name) = self.index.get(text) {
            self.expect(position, name);
            return Ok((self.names[name].field, end + 1));
        }
        let mut decoded = Vec::new();
        unescape(bytes, (at + 1, end), &mut decoded)?;
        let wanted = String::from_utf8_lossy(&decoded);
        let fields = &self.format.fields;
        let field = fields
            .iter()
            .position(|field| field.name == wanted)
            .or_else(|| fields.iter().position(|field| field.name.eq_ignore_ascii_case(&wanted)));
        if field.is_none() && !self.format.ignore_unknown {
            let message = format!("the object names the field \"{wanted}\", which the table lacks");
            return Err(Stop::fault(at, message));
        }
        if !escaped && self.names.len() < MOST_NAMES {
            let name = self.names.len();
            self.index.insert(text.to_vec(), name);
            self.names.push(Name { text: text.to_vec(), field });
            self.expect(position, name);
        }
        Ok((field, end + 1))
    }

    fn expect(&mut self, position: usize, name: usize) {
        if let Some(expected) = self.order.get_mut(position) {
            *expected = name;
        } else if self.order.len() < MOST_NAMES {
            self.order.push(name);
        }
    }
}

/// A stretch of bytes, and whether the file ends with it.
#[derive(Clone, Copy)]
struct Piece<'a> {
    bytes: &'a [u8],
    at_end: bool,
}

/// Reads the value at `at` into the cell at index `cell` of `records`; returns where it ends. Copied
/// texts have offsets from `length` on.
#[inline]
fn read_value(
    bytes: &[u8],
    at: usize,
    form: JsonForm,
    (cell, length): (usize, usize),
    records: &mut Records,
) -> Result<usize, Stop> {
    let end = match bytes.get(at) {
        Some(b'"') => {
            let (end, escaped) = string_end(bytes, at + 1)?;
            let document = matches!(form, JsonForm::Document | JsonForm::Documents);
            records.spans[cell] = if document {
                [offset(at), offset(end + 1)]
            } else if escaped {
                let start = records.unescaped.len();
                unescape(bytes, (at + 1, end), &mut records.unescaped)?;
                [offset(length + start), offset(length + records.unescaped.len())]
            } else {
                [offset(at + 1), offset(end)]
            };
            return Ok(end + 1);
        }
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at)?,
        Some(b'n') => {
            let end = word_end(bytes, at)?;
            set_bit(records.nulls.get_or_insert_default(), cell);
            return Ok(end);
        }
        Some(b'[') if matches!(form, JsonForm::Array | JsonForm::Documents) => {
            let end = nested_end(bytes, at)?;
            let start = records.unescaped.len();
            write_array(&bytes[..end], at, form == JsonForm::Documents, &mut records.unescaped)?;
            records.spans[cell] =
                [offset(length + start), offset(length + records.unescaped.len())];
            return Ok(end);
        }
        Some(b'{' | b'[') => nested_end(bytes, at)?,
        _ => word_end(bytes, at)?,
    };
    records.spans[cell] = [offset(at), offset(end)];
    Ok(end)
}

/// Appends the array at `at`, which is well formed, as an array literal of SQL.
fn write_array(bytes: &[u8], at: usize, documents: bool, out: &mut Vec<u8>) -> Result<(), Stop> {
    out.push(b'{');
    let mut at = blank(bytes, at + 1);
    while bytes.get(at) != Some(&b']') {
        let end = value_end(bytes, at)?;
        match bytes[at] {
            b'n' => out.extend_from_slice(b"NULL"),
            b'"' if !documents => {
                let mut text = Vec::new();
                unescape(bytes, (at + 1, end - 1), &mut text)?;
                write_element(&text, out);
            }
            _ => write_element(&bytes[at..end], out),
        }
        at = blank(bytes, end);
        if bytes.get(at) == Some(&b',') {
            out.push(b',');
            at = blank(bytes, at + 1);
        }
    }
    out.push(b'}');
    Ok(())
}

/// Appends an element of an array literal in quotes.
pub(super) fn write_element(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn format(lines: bool, names: &[&str]) -> JsonFormat {
        let form = |name: &str| match name {
            "doc" => JsonForm::Document,
            "list" => JsonForm::Array,
            "docs" => JsonForm::Documents,
            _ => JsonForm::Text,
        };
        let field = |name: &&str| JsonField { name: (*name).to_owned(), form: form(name) };
        JsonFormat { fields: names.iter().map(field).collect(), lines, ignore_unknown: false }
    }

    type Rows = Vec<Vec<Option<String>>>;

    /// Reads a text in pieces of `step` more bytes each.
    fn read_by(format: &JsonFormat, text: &str, step: usize) -> Result<Rows, RecordError> {
        let mut reader = JsonReader::new(format.clone());
        let (bytes, mut rows) = (text.as_bytes(), Vec::new());
        let (mut at, mut end) = (0, step.min(bytes.len()));
        loop {
            let piece = &bytes[at..end];
            let at_end = end == bytes.len();
            let mut records = Records::new();
            let next = reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records)?;
            assert_eq!(records.starts.len(), records.count);
            for row in 0..records.count {
                let cell = |field| {
                    (!records.is_null(row, field)).then(|| {
                        String::from_utf8(records.field(piece, row, field).to_vec()).unwrap()
                    })
                };
                rows.push((0..records.fields).map(cell).collect());
            }
            if at_end {
                return Ok(rows);
            }
            at += next;
            end = (end + step).min(bytes.len());
        }
    }

    /// Checks the rows of a text, read whole and in small steps.
    #[track_caller]
    fn check(format: &JsonFormat, text: &str, expected: &[&[Option<&str>]]) {
        for step in [usize::MAX, 1, 2, 7] {
            let rows = read_by(format, text, step).unwrap();
            let rows: Vec<Vec<Option<&str>>> =
                rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect();
            assert_eq!(rows, expected, "{text} by {step}");
        }
    }

    #[track_caller]
    fn refuses(format: &JsonFormat, text: &str, message: &str, offset: usize) {
        let error = read_by(format, text, usize::MAX).unwrap_err();
        assert_eq!(error.message(1), message, "{text}");
        assert_eq!(error.offset, offset, "{text}");
        assert!(read_by(format, text, 3).is_err(), "{text}");
    }

    #[test]
    fn reads_lines() {
        let format = format(true, &["a", "b"]);
        check(&format, "", &[]);
        check(&format, "\n \r\n", &[]);
        let rows: &[&[Option<&str>]] = &[&[Some("1"), Some("x")], &[Some("2.50"), None]];
        check(&format, "{\"a\":1,\"b\":\"x\"}\n{\"b\":null,\"a\":2.50}\n", rows);
        check(&format, "{\"a\": 1, \"b\": \"x\"}\r\n\n { \"a\" : 2.50 } ", rows);
        check(&format, "{}\n{\"A\":true}", &[&[None, None], &[Some("true"), None]]);
        check(
            &format,
            "{\"\\u0061\":\"\\\"\\n\",\"b\":{\"a\":[1]}}\n{\"a\":\"\",\"b\":[]}\n",
            &[&[Some("\"\n"), Some("{\"a\":[1]}")], &[Some(""), Some("[]")]],
        );
    }

    #[test]
    fn reads_arrays_and_sequences() {
        let format = format(false, &["a"]);
        let rows: &[&[Option<&str>]] = &[&[Some("1")], &[Some("2")]];
        check(&format, "", &[]);
        check(&format, "[]", &[]);
        check(&format, " [ ] \n", &[]);
        check(&format, "[{\"a\":1},{\"a\":2}]", rows);
        check(&format, "\n[\n  {\n    \"a\": 1\n  } ,\n  { \"a\":\n2 }\n]\n", rows);
        check(&format, "{\"a\":1}{\"a\":2}", rows);
        check(&format, "{\"a\":1}\n{\"a\":2}\n", rows);
    }

    #[test]
    fn keeps_documents_and_turns_arrays_into_literals() {
        check(
            &format(true, &["doc", "list", "docs"]),
            "{\"doc\":\"x\",\"list\":[1, \"a \\\"b\\\\\", null],\"docs\":[\"x\",{\"a\":1}]}\n\
             {\"doc\":[1],\"list\":\"{1}\",\"docs\":[]}",
            &[
                &[Some("\"x\""), Some(r#"{"1","a \"b\\",NULL}"#), Some(r#"{"\"x\"","{\"a\":1}"}"#)],
                &[Some("[1]"), Some("{1}"), Some("{}")],
            ],
        );
    }

    #[test]
    fn refuses_what_is_no_object() {
        let lines = format(true, &["a"]);
        refuses(&lines, "{\"a\":1}{\"a\":2}\n", "expected the end of the line, found '{'", 7);
        refuses(&lines, "[{\"a\":1}]\n", "expected an object, found '['", 0);
        refuses(&lines, "{\"a\":1\n}\n", "unexpected end of line", 6);
        refuses(&lines, "{\"a\":\"x\n", "unexpected end of line", 7);
        refuses(&lines, "{\"a\":1}\n{\"a\":2", "unexpected end of line", 14);
        refuses(&lines, "{\"a\":1,\"a\":2}", "the object names the field \"a\" twice", 7);
        let message = "the object names the field \"x\", which the table lacks";
        refuses(&lines, "{\"x\":1}", message, 1);
        refuses(&lines, "{\"a\":nul}", "expected a value, found 'n'", 5);
        refuses(&lines, "{\"a\":01}", "malformed number", 5);
        refuses(&lines, "{\"a\":1,}", "expected a name in quotes, found '}'", 7);
        let array = format(false, &["a"]);
        refuses(&array, "[{\"a\":1}", "unexpected end of file", 8);
        refuses(&array, "[{\"a\":1},", "unexpected end of file", 9);
        refuses(&array, "[{\"a\":1},]", "expected an object, found ']'", 9);
        refuses(&array, "[{\"a\":1} {\"a\":2}]", "expected \",\" or \"]\", found '{'", 9);
        refuses(&array, "[{\"a\":1}]x", "expected nothing behind the array, found 'x'", 9);
        refuses(&array, "7", "expected an array or an object, found '7'", 0);
        refuses(&array, "{\"a\":1", "unexpected end of file", 6);
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        refuses(&array, &deep, "value nests deeper than 128 levels", 133);
    }

    #[test]
    fn passes_over_what_the_table_lacks_if_told_to() {
        let format = JsonFormat { ignore_unknown: true, ..format(true, &["a"]) };
        let text = "{\"x\":{\"a\":[1,\"]\"]},\"a\":1}\n{\"a\":2,\"y\":null}\n";
        check(&format, text, &[&[Some("1")], &[Some("2")]]);
    }

    #[test]
    fn leaves_lines_behind_the_limit() {
        let mut reader = JsonReader::new(format(true, &["a"]));
        let (text, mut records) = (b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", Records::new());
        assert_eq!(reader.read(text, 0, 9, usize::MAX, true, &mut records), Ok(16));
        assert_eq!(records.count, 2);
        assert_eq!(reader.read(text, 0, 99, 1, true, &mut records), Ok(8));
        assert_eq!(records.count, 1);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Returns what a value of a `Text` field becomes.
    fn text_of(value: &Value) -> Option<String> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_wrote(
            objects in prop::collection::vec(
                prop::collection::hash_map("[abc]", any_value(), 0..4), 0..6),
            pretty in any::<bool>(),
            step in 1_usize..60,
        ) {
            let names = ["a", "b", "c"];
            let values: Vec<Value> = objects
                .iter()
                .map(|members| Value::Object(members.clone().into_iter().collect::<Map<_, _>>()))
                .collect();
            let expected: Rows = objects
                .iter()
                .map(|members| names.map(|name| members.get(name).and_then(text_of)).to_vec())
                .collect();
            let lines: String = values.iter().flat_map(|value| [value.to_string(), "\n".into()]).collect();
            prop_assert_eq!(&read_by(&format(true, &names), &lines, step).unwrap(), &expected);
            prop_assert_eq!(&read_by(&format(false, &names), &lines, step).unwrap(), &expected);
            let array = Value::Array(values);
            let text = if pretty { format!("{array:#}") } else { array.to_string() };
            let read = read_by(&format(false, &names), &text, step).unwrap();
            if !pretty {
                prop_assert_eq!(&read, &expected);
            }
            prop_assert_eq!(read.len(), expected.len());
        }

        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:a1\\un \n".to_vec())], 0..80)
        ) {
            for lines in [true, false] {
                let mut reader = JsonReader::new(format(lines, &["a"]));
                let mut records = Records::new();
                let read = reader.read(&bytes, 0, usize::MAX, usize::MAX, true, &mut records);
                prop_assert!(read.unwrap_or_else(|error| error.offset) <= bytes.len());
                prop_assert_eq!(records.spans.len(), records.count);
            }
        }
    }
}
