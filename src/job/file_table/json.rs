//! The fields of JSON files, guessed from their head.
//!
//! A field is of the type that all its values have: BOOL; INT8, DECIMAL or FLOAT8 as in CSV; strings that
//! are all dates, times or timestamps of these types; JSONB if one is an object or an array; else
//! STRING. NULL says nothing.

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use super::guess::{Guess, Sample, column_names, malformed_first};
use super::text::TEXT;
use crate::error::{Error, Result, SqlState};
use crate::record::{JsonField, JsonForm, JsonFormat, Records, TextFormat, strip_bom};
use crate::types::SqlType;

/// How many objects are looked at, at most.
const MOST_OBJECTS: usize = 20_480;

/// The most fields that objects may have together.
const MOST_FIELDS: usize = 1600;

/// Guesses the fields of the file `name` from the bytes at its start; `at_end` if these are all.
/// `lines` says that each line is an object.
pub(super) fn guess_json(sample: &[u8], at_end: bool, lines: bool, name: &str) -> Result<Guess> {
    let start = strip_bom(sample);
    let mut found = Fields::default();
    found.look(&sample[start..], lines);
    if found.known.is_empty() {
        look_for_error(sample, at_end, lines, name)?;
        return Err(Error::new(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!("file \"{name}\" holds no objects to guess columns from"),
        )
        .hint("Import the file into a table whose columns are known."));
    }
    if found.known.len() > MOST_FIELDS {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("the objects of file \"{name}\" have more than {MOST_FIELDS} fields"),
        )
        .hint(
            "Import the file into a table of the fields that matter, with ignore_unknown_fields.",
        ));
    }
    let form = |kind: &Option<Kind>| match kind {
        Some(Kind::Nested) => JsonForm::Document,
        _ => JsonForm::Text,
    };
    let fields = found.known.iter();
    let fields = fields.map(|(name, kind)| JsonField { name: name.clone(), form: form(kind) });
    let fields = fields.collect();
    let format = TextFormat::Json(JsonFormat { fields, lines, ignore_unknown: false });
    let mut records = Records::default();
    // An object that is malformed is told when it is read; those before it tell the types.
    let mut reader = format.reader(found.known.len());
    let _ = reader.read(sample, start, usize::MAX, MOST_OBJECTS, at_end, &mut records);
    let sampled = Sample::new(sample, records);
    let names: Vec<String> = found.known.iter().map(|(name, _)| name.clone()).collect();
    let types = found.known.iter().enumerate().map(|(at, (_, kind))| match kind {
        Some(Kind::Nested) => SqlType::Jsonb,
        Some(Kind::Truth) => SqlType::Bool,
        Some(Kind::Number) => sampled.type_of(at, 0),
        Some(Kind::Text) => match sampled.type_of(at, 0) {
            found @ (SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz) => {
                found
            }
            _ => TEXT,
        },
        Some(Kind::Mixed) | None => TEXT,
    });
    let columns = column_names(&names).into_iter().zip(types).collect();
    Ok(Guess { format, header: false, columns, null: String::new(), sampled: sampled.count() })
}

/// Refuses a sample whose first object is malformed, or cut off.
fn look_for_error(sample: &[u8], at_end: bool, lines: bool, name: &str) -> Result {
    let format = JsonFormat { fields: [].into(), lines, ignore_unknown: true };
    let mut reader = TextFormat::Json(format).reader(0);
    let read =
        reader.read(sample, strip_bom(sample), usize::MAX, 1, at_end, &mut Records::default());
    read.map(|_| ()).map_err(|error| malformed_first(&error, sample, name))
}

/// What kind of values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Truth,
    Number,
    Text,
    /// Several of the above.
    Mixed,
    /// Objects or arrays, perhaps beside others.
    Nested,
}

/// The fields that were met, in their order; of those that were NULL alone the kind is open.
#[derive(Default)]
struct Fields {
    known: Vec<(String, Option<Kind>)>,
    places: std::collections::HashMap<String, usize>,
    objects: usize,
}

impl Fields {
    /// Looks at objects up to the first thing that is none, which is told when it is read.
    fn look(&mut self, text: &[u8], lines: bool) {
        if lines {
            for line in text.split(|byte| *byte == b'\n') {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let Ok(value) = serde_json::from_slice(line) else { return };
                if !self.add(&value) {
                    return;
                }
            }
        } else if text.trim_ascii_start().starts_with(b"[") {
            // What was met before an error is kept.
            let _ = Deserializer::from_slice(text).deserialize_seq(Elements(self));
        } else {
            for value in Deserializer::from_slice(text).into_iter() {
                let Ok(value) = value else { return };
                if !self.add(&value) {
                    return;
                }
            }
        }
    }

    /// Adds the fields of an object; returns whether more are looked at.
    fn add(&mut self, object: &Value) -> bool {
        let Some(object) = object.as_object() else { return false };
        for (name, value) in object {
            let kind = match value {
                Value::Null => None,
                Value::Bool(_) => Some(Kind::Truth),
                Value::Number(_) => Some(Kind::Number),
                Value::String(_) => Some(Kind::Text),
                Value::Array(_) | Value::Object(_) => Some(Kind::Nested),
            };
            if let Some(&place) = self.places.get(name) {
                let known = &mut self.known[place].1;
                *known = join(*known, kind);
            } else {
                self.places.insert(name.clone(), self.known.len());
                self.known.push((name.clone(), kind));
            }
        }
        self.objects += 1;
        self.objects < MOST_OBJECTS && self.known.len() <= MOST_FIELDS
    }
}

fn join(one: Option<Kind>, other: Option<Kind>) -> Option<Kind> {
    match (one, other) {
        (one, None) => one,
        (None, other) => other,
        (Some(one), Some(other)) if one == other => Some(one),
        (Some(Kind::Nested), _) | (_, Some(Kind::Nested)) => Some(Kind::Nested),
        _ => Some(Kind::Mixed),
    }
}

/// Looks at the elements of an array.
struct Elements<'a>(&'a mut Fields);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<(), A::Error> {
        while let Some(value) = elements.next_element::<Value>()? {
            if !self.0.add(&value) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: bool, expected: &str) {
        let guess = guess_json(text.as_bytes(), true, lines, "x.json").unwrap();
        let columns: Vec<String> =
            guess.columns.iter().map(|(name, sql_type)| format!("{name} {sql_type}")).collect();
        assert_eq!(columns.join(", "), expected, "{text}");
    }

    #[test]
    fn finds_fields_and_types() {
        check(
            r#"[{"Id":1,"name":"Ada"},{"Id":2,"x":null}]"#,
            false,
            "id INT8, name STRING, x STRING",
        );
        check(r#"{"a":1}{"a":2.5}"#, false, "a FLOAT8");
        check("{\"a\":12345678901234567890}\n\n{\"a\":null}\n", true, "a DECIMAL");
        check("{\"a\":true}\r\n{\"a\":false}", true, "a BOOL");
        check(r#"[{"a":"true","b":"1","c":"007"}]"#, false, "a STRING, b STRING, c STRING");
        check(r#"[{"a":"2020-01-02","b":"2020-01-02T03:04:05Z"}]"#, false, "a DATE, b TIMESTAMPTZ");
        check(r#"[{"a":"2020-01-02 03:04","b":"03:04"}]"#, false, "a TIMESTAMP, b TIME");
        check(r#"[{"a":"2020-13-02"},{"a":"x"}]"#, false, "a STRING");
        check(r#"[{"a":1},{"a":"x"}]"#, false, "a STRING");
        check(r#"[{"a":1},{"a":[1]},{"a":{}}]"#, false, "a JSONB");
        check(r#"[{"a":1,"A":2}]"#, false, "a INT8, a_2 INT8");
        // What is wrong behind them does not keep the first from being looked at.
        check("{\"a\":1}\n{\"a\":", true, "a INT8");
        check(r#"[{"a":1},{"a""#, false, "a INT8");
    }

    #[test]
    fn refuses_what_holds_nothing() {
        for text in ["", "[]", "[{}]", "1", "\u{feff}\n"] {
            let error = guess_json(text.as_bytes(), true, false, "x.json").unwrap_err();
            assert_eq!(error.code().as_str(), "22P04", "{text}");
        }
        let many: Vec<String> = (0..1601).map(|number| format!("\"f{number}\":1")).collect();
        let error = guess_json(format!("{{{}}}", many.join(",")).as_bytes(), true, true, "x.json");
        assert_eq!(error.unwrap_err().code().as_str(), "54011");
    }
}
