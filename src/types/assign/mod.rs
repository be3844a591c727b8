//! Values of queries to values of a column, and back: casts by assignment, with every check.
//!
//! Nothing becomes NULL or wraps on the way. A cast that PostgreSQL allows only when it is written out
//! is 42804, except that text is parsed into any type, because a constant in SQL is text at first.

mod moment;
mod number;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewArray, new_null_array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result, SqlState};

use super::column::{self, OwnedCells};
use super::print::{postgres_type_name, print_value};
use super::{SqlType, interval, uuid};

/// Returns values in query form as they are stored in a column of this type: cast by assignment,
/// lengths and ranges checked.
pub fn to_storage(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    match values.data_type() {
        DataType::Null => return Ok(new_null_array(&sql_type.storage(), values.len())),
        DataType::Dictionary(_, plain) => return to_storage(sql_type, &cast(values, plain)?),
        DataType::RunEndEncoded(_, plain) => {
            return to_storage(sql_type, &cast(values, plain.data_type())?);
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            return from_text(sql_type, values);
        }
        _ => {}
    }
    match sql_type {
        SqlType::String { .. } => from_printed(sql_type, values),
        SqlType::Bool if values.data_type() == &DataType::Boolean => Ok(Arc::clone(values)),
        SqlType::Int2
        | SqlType::Int4
        | SqlType::Int8
        | SqlType::Float4
        | SqlType::Float8
        | SqlType::Decimal(_)
            if values.data_type().is_numeric() =>
        {
            number::to_storage(sql_type, values)
        }
        SqlType::Bytes if is_bytes(values.data_type()) => cast(values, &DataType::Binary),
        SqlType::Uuid if values.data_type() == &sql_type.storage() => Ok(Arc::clone(values)),
        SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Interval => moment::to_storage(sql_type, values),
        SqlType::Array(element) => list_to_storage(sql_type, element, values),
        _ => Err(mismatch(sql_type, values.data_type())),
    }
}

/// Returns stored values in query form.
pub fn to_query(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    if values.data_type() != &sql_type.storage() {
        return Err(Error::internal(format!(
            "a column of type {sql_type} is stored as {}",
            values.data_type()
        )));
    }
    match sql_type {
        SqlType::Uuid => uuid::to_query(values.as_fixed_size_binary()),
        SqlType::Interval => Ok(interval::to_query(values.as_fixed_size_binary())),
        SqlType::Array(element) if element.storage() != element.arrow() => {
            let list = values.as_list::<i32>();
            let elements = to_query(element, list.values())?;
            let field = Arc::new(Field::new_list_field(element.arrow(), true));
            let offsets = list.offsets().clone();
            ListArray::try_new(field, offsets, elements, list.nulls().cloned())
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(Error::internal)
        }
        _ => Ok(Arc::clone(values)),
    }
}

/// Returns the error of a cast that assignment does not make.
pub(super) fn mismatch(sql_type: &SqlType, source: &DataType) -> Error {
    Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!(
            "value of type {} cannot be assigned to type {sql_type}",
            postgres_type_name(source)
        ),
    )
    .hint("Rewrite or cast the expression.")
}

/// Casts between Arrow types that hold the same values; a value that does not fit is an error.
pub(super) fn cast(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, to, &options).map_err(|error| {
        let from = postgres_type_name(values.data_type());
        Error::new(
            SqlState::DATA_EXCEPTION,
            format!("value of type {from} does not fit type {}", postgres_type_name(to)),
        )
        .caused_by(error)
    })
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

/// Parses texts; those that a string column can hold as they are stay where they are.
fn from_text(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let views = cast(values, &DataType::Utf8View)?;
    let texts = views.as_string_view();
    if let SqlType::String { length, .. } = sql_type {
        let limit = length.map_or(usize::MAX, |length| length as usize);
        let fits = |text: &str| text.len() <= limit && !text.as_bytes().contains(&0);
        if texts.iter().flatten().all(fits) {
            return Ok(views);
        }
    }
    parse(sql_type, texts.iter())
}

/// Prints values and reads them back as the column's type.
pub(super) fn from_printed(sql_type: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringViewArray = (0..values.len())
        .map(|row| {
            values.is_valid(row).then(|| {
                let mut text = String::new();
                print_value(values, row, &mut text);
                text
            })
        })
        .collect();
    parse(sql_type, texts.iter())
}

fn parse<'a>(sql_type: &SqlType, texts: impl Iterator<Item = Option<&'a str>>) -> Result<ArrayRef> {
    let cells = OwnedCells::new(texts)?;
    column::parse(sql_type, &cells.cells()).map_err(|fault| fault.error)
}

fn list_to_storage(sql_type: &SqlType, element: &SqlType, values: &ArrayRef) -> Result<ArrayRef> {
    let field = match values.data_type() {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => field,
        other => return Err(mismatch(sql_type, other)),
    };
    if SqlType::from_arrow(values.data_type()).is_none() {
        return Err(mismatch(sql_type, values.data_type()));
    }
    let plain = DataType::List(Arc::new(Field::new_list_field(field.data_type().clone(), true)));
    let lists = cast(values, &plain)?;
    let lists = lists.as_list::<i32>();
    // Elements before the first and behind the last array belong to rows that were sliced off.
    let offsets = lists.offsets();
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let bound = |offset: i32| usize::try_from(offset).map_err(Error::internal);
    let used = lists.values().slice(bound(first)?, bound(last - first)?);
    let elements = to_storage(element, &used)?;
    let moved: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    let field = Arc::new(Field::new_list_field(element.storage(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(moved));
    ListArray::try_new(field, offsets, elements, lists.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BooleanArray, DictionaryArray, FixedSizeListArray, Int32Array, NullArray,
        StringArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn assign(name: &str, values: impl Array + 'static) -> Result<ArrayRef> {
        let sql_type = SqlType::parse(name).unwrap();
        let stored = to_storage(&sql_type, &(Arc::new(values) as ArrayRef))?;
        assert_eq!(stored.data_type(), &sql_type.storage());
        to_query(&sql_type, &stored)
    }

    #[track_caller]
    fn check(name: &str, values: impl Array + 'static, expected: &str) {
        let array = assign(name, values).unwrap();
        let mut printed = String::new();
        print_value(&array, 0, &mut printed);
        assert_eq!(printed, expected);
    }

    #[track_caller]
    fn refuses(name: &str, values: impl Array + 'static, code: SqlState) {
        let error = assign(name, values).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }

    fn text(value: &str) -> StringArray {
        StringArray::from(vec![value])
    }

    #[test]
    fn text_is_parsed() {
        check("date", text("2020-01-01"), "2020-01-01");
        check("int", text("42"), "42");
        check(
            "uuid",
            text("{63616665663030646465616462656566}"),
            "63616665-6630-3064-6465-616462656566",
        );
        check("interval", text("1h"), "01:00:00");
        check("jsonb", text("{\"b\":1,\"a\":2}"), "{\"a\": 2, \"b\": 1}");
        check("inet", text("::1/128"), "::1");
        check("int[]", text("{1,2}"), "{1,2}");
        check("varchar(3)", text("abc  "), "abc");
        let dictionary: DictionaryArray<Int32Type> = vec![Some("7")].into_iter().collect();
        check("int", dictionary, "7");
        refuses("int", text("x"), SqlState::INVALID_TEXT_REPRESENTATION);
        refuses("varchar(3)", text("abcd"), SqlState::STRING_DATA_RIGHT_TRUNCATION);
        refuses("text", text("a\0"), SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    }

    #[test]
    fn anything_can_be_text() {
        check("text", Int32Array::from(vec![7]), "7");
        check("text", BooleanArray::from(vec![true]), "t");
        check("text", BinaryArray::from(vec![b"a".as_slice()]), "\\x61");
        refuses("char", Int32Array::from(vec![12]), SqlState::STRING_DATA_RIGHT_TRUNCATION);
    }

    #[test]
    fn nulls_stay_nulls() {
        for name in
            ["int", "uuid", "interval", "text", "date", "decimal", "uuid[]", "jsonb", "bytes"]
        {
            assert_eq!(assign(name, NullArray::new(3)).unwrap().null_count(), 3);
            let none = StringArray::from(vec![None::<&str>]);
            assert_eq!(assign(name, none).unwrap().null_count(), 1);
        }
        assert_eq!(assign("int2", Int32Array::from(vec![None])).unwrap().null_count(), 1);
    }

    #[test]
    fn lists_are_assigned_by_element() {
        let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
            [Some(vec![Some(1), Some(2)]), Some(vec![Some(3), None])],
            2,
        );
        check("int2[]", fixed.slice(1, 1), "{3,NULL}");
        check("decimal(5,1)[]", fixed, "{1.0,2.0}");
        let outer = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(70_000)]),
            Some(vec![Some(1)]),
        ]);
        check("int2[]", outer.slice(1, 1), "{1}");
        refuses("int2[]", outer, SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    }

    #[test]
    fn refuses_other_casts() {
        for (name, values) in [
            ("bool", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
            ("int", Arc::new(BooleanArray::from(vec![true]))),
            ("uuid", Arc::new(Int32Array::from(vec![1]))),
            ("date", Arc::new(Int32Array::from(vec![1]))),
            ("jsonb", Arc::new(Int32Array::from(vec![1]))),
            ("int[]", Arc::new(Int32Array::from(vec![1]))),
            ("bytes", Arc::new(Int32Array::from(vec![1]))),
        ] {
            let error = to_storage(&SqlType::parse(name).unwrap(), &values).unwrap_err();
            assert_eq!(error.code(), SqlState::DATATYPE_MISMATCH, "{name}");
        }
        let error = assign("bool", Int32Array::from(vec![1])).unwrap_err();
        assert_eq!(error.message(), "value of type integer cannot be assigned to type BOOL");
    }
}
