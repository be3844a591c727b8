//! What each format draws.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;

fn column(name: &str, values: ArrayRef) -> (Field, ArrayRef) {
    (Field::new(name, values.data_type().clone(), true), values)
}

fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn people() -> RecordBatch {
    batch(vec![
        column("id", Arc::new(Int64Array::from(vec![Some(1), Some(20), None]))),
        column("name", Arc::new(StringArray::from(vec![Some("Ann, \"A\""), None, Some("")]))),
        column("note", Arc::new(StringArray::from(vec![Some("two\nlines"), Some("a|b"), None]))),
    ])
}

fn draw(batch: &RecordBatch, change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings::default();
    change(&mut settings);
    let mut renderer = renderer(&settings, &batch.schema(), Look::of(&settings));
    let mut out = String::new();
    renderer.batch(batch, &mut out);
    renderer.finish(&mut out);
    out
}

#[test]
fn aligns_a_table() {
    assert_eq!(
        draw(&people(), |_| {}),
        "   id  |   name   | note
-------+----------+-------
     1 | Ann, \"A\" | two  +
       |          | lines
    20 | NULL     | a|b
  NULL |          | NULL
(3 rows)
"
    );
}

#[test]
fn leaves_headers_and_footers_out() {
    let drawn = draw(&people(), |settings| settings.tuples_only = true);
    assert!(drawn.starts_with("     1 | Ann"), "{drawn}");
    assert!(drawn.ends_with("| NULL\n"), "{drawn}");
}

#[test]
fn draws_an_empty_table() {
    assert_eq!(
        draw(&people().slice(0, 0), |_| {}),
        "  id | name | note\n-----+------+------\n(0 rows)\n"
    );
}

#[test]
fn measures_wide_characters_and_escapes_controls() {
    let text = vec!["\u{4f60}\u{597d}", "a\x1b[2J\tb", "\u{202e}x"];
    let drawn = draw(&batch(vec![column("t", Arc::new(StringArray::from(text)))]), |_| {});
    assert_eq!(
        drawn,
        "       t\n--------------\n  \u{4f60}\u{597d}\n  a\\x1b[2J\\tb\n  \\u202ex\n(3 rows)\n"
    );
}

#[test]
fn expands_rows() {
    assert_eq!(
        draw(&people(), |settings| settings.format = Format::Vertical),
        "-[ RECORD 1 ]--
id   | 1
name | Ann, \"A\"
note | two
    +| lines
-[ RECORD 2 ]--
id   | 20
name | NULL
note | a|b
-[ RECORD 3 ]--
id   | NULL
name |
note | NULL
"
    );
}

#[test]
fn expands_only_what_is_too_wide_on_auto() {
    let wide = |settings: &mut Settings| {
        settings.expanded = Expanded::Auto;
        settings.screen = Some((20, 10));
    };
    assert!(draw(&people(), wide).starts_with("-[ RECORD 1 ]"));
    let drawn = draw(&people(), |settings| {
        settings.expanded = Expanded::Auto;
        settings.screen = Some((80, 10));
    });
    assert!(drawn.starts_with("   id  |"), "{drawn}");
}

#[test]
fn tells_null_from_empty_in_csv() {
    assert_eq!(
        draw(&people(), |settings| settings.format = Format::Csv),
        "id,name,note\n1,\"Ann, \"\"A\"\"\",\"two\nlines\"\n20,,a|b\n,\"\",\n"
    );
}

#[test]
fn keeps_a_row_on_a_line_in_tsv() {
    assert_eq!(
        draw(&people(), |settings| settings.format = Format::Tsv),
        "id\tname\tnote\n1\tAnn, \"A\"\ttwo\\nlines\n20\tNULL\ta|b\nNULL\t\tNULL\n"
    );
}

#[test]
fn aligns_markdown() {
    assert_eq!(
        draw(&people(), |settings| settings.format = Format::Markdown),
        "|   id | name     | note         |
| ---: | -------- | ------------ |
|    1 | Ann, \"A\" | two<br>lines |
|   20 | NULL     | a\\|b         |
| NULL |          | NULL         |
"
    );
}

#[test]
fn writes_json_values() {
    let list =
        ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    let mut document = column("d", Arc::new(StringArray::from(vec!["{\"a\": 1}", "broken"])));
    document.0 = Field::new("d", DataType::Utf8, true).with_metadata(
        [("ARROW:extension:name".to_owned(), JSON_EXTENSION_NAME.to_owned())].into(),
    );
    let rows = batch(vec![
        column("b", Arc::new(BooleanArray::from(vec![true, false]))),
        column("f", Arc::new(Float64Array::from(vec![1.5, f64::NAN]))),
        column("l", Arc::new(list)),
        document,
    ]);
    assert_eq!(
        draw(&rows, |settings| settings.format = Format::Json),
        "[\n{\"b\":true,\"f\":1.5,\"l\":[1,null],\"d\":{\"a\": 1}},\n\
         {\"b\":false,\"f\":\"NaN\",\"l\":null,\"d\":\"broken\"}\n]\n"
    );
    assert_eq!(
        draw(&people().slice(1, 1), |settings| settings.format = Format::Ndjson),
        "{\"id\":20,\"name\":null,\"note\":\"a|b\"}\n"
    );
    assert_eq!(draw(&rows.slice(0, 0), |settings| settings.format = Format::Json), "[]\n");
}

const JSON_EXTENSION_NAME: &str = "arrow.json";
