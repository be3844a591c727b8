//! The values of a column as text, all at once: what EXPORT and COPY write.
//!
//! The text is that of `print_value`, but for BOOL, which is `true` or `false`. The kinds of columns
//! that tables are mostly made of have a loop of their own.

use arrow::array::{Array, AsArray, StringViewArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};

use super::{number, print_value};
use crate::types::civil::{DAY_MICROS, civil_from_days};

/// The texts of a column's values. The text of NULL is empty.
pub struct ColumnTexts<'a>(Texts<'a>);

enum Texts<'a> {
    /// The column itself.
    Own(&'a StringViewArray),
    /// All texts, one behind the other, and where each ends.
    Printed { text: String, ends: Vec<usize> },
}

impl ColumnTexts<'_> {
    /// Returns the text of a row's value.
    #[inline]
    pub fn get(&self, row: usize) -> &str {
        match &self.0 {
            Texts::Own(values) if values.is_null(row) => "",
            Texts::Own(values) => values.value(row),
            Texts::Printed { text, ends } => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &text[start..ends[row]]
            }
        }
    }
}

/// Returns the texts of the values of a column in query form.
pub fn column_texts(values: &dyn Array) -> ColumnTexts<'_> {
    match values.data_type() {
        DataType::Utf8View => ColumnTexts(Texts::Own(values.as_string_view())),
        DataType::Boolean => {
            let values = values.as_boolean();
            printed(values, |row, out| {
                out.push_str(if values.value(row) { "true" } else { "false" });
            })
        }
        DataType::Int16 => integers::<Int16Type>(values),
        DataType::Int32 => integers::<Int32Type>(values),
        DataType::Int64 => integers::<Int64Type>(values),
        DataType::Decimal128(_, scale) => {
            let (decimals, scale) = (values.as_primitive::<Decimal128Type>(), *scale);
            printed(values, |row, out| decimal(decimals.value(row), scale, out))
        }
        DataType::Date32 => {
            let days = values.as_primitive::<Date32Type>();
            printed(values, |row, out| {
                if !date(days.value(row).into(), out) {
                    print_value(values, row, out);
                }
            })
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone)
            if zone.as_deref().is_none_or(|zone| zone == "UTC") =>
        {
            let zoned = zone.is_some();
            let moments = values.as_primitive::<TimestampMicrosecondType>();
            printed(values, |row, out| {
                if !moment(moments.value(row), zoned, out) {
                    print_value(values, row, out);
                }
            })
        }
        _ => printed(values, |row, out| print_value(values, row, out)),
    }
}

fn printed<'a>(values: &dyn Array, mut print: impl FnMut(usize, &mut String)) -> ColumnTexts<'a> {
    let mut text = String::with_capacity(values.len() * 8);
    let mut ends = Vec::with_capacity(values.len());
    let nulls = values.logical_nulls();
    for row in 0..values.len() {
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            print(row, &mut text);
        }
        ends.push(text.len());
    }
    ColumnTexts(Texts::Printed { text, ends })
}

fn integers<'a, T: ArrowPrimitiveType>(values: &dyn Array) -> ColumnTexts<'a>
where
    T::Native: Into<i64>,
{
    let integers = values.as_primitive::<T>();
    printed(values, |row, out| {
        let value: i64 = integers.value(row).into();
        if value < 0 {
            out.push('-');
        }
        let mut digits = Digits::default();
        out.push_str(digits.of(value.unsigned_abs()));
    })
}

/// Room for the digits of a number.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn of(&mut self, mut value: u64) -> &str {
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        std::str::from_utf8(&self.0[at..]).unwrap_or_default()
    }
}

fn decimal(value: i128, scale: i8, out: &mut String) {
    let Ok(unsigned) = u64::try_from(value.unsigned_abs()) else {
        return number::decimal(&value.to_string(), scale, out);
    };
    if value < 0 {
        out.push('-');
    }
    let mut digits = Digits::default();
    number::decimal(digits.of(unsigned), scale, out);
}

fn two_digits(value: u64, out: &mut String) {
    let digit = |value: u64| char::from(b'0' + u8::try_from(value % 10).unwrap_or(0));
    out.push(digit(value / 10));
    out.push(digit(value));
}

/// Appends a date of a year in four digits; returns false for any other.
fn date(days: i64, out: &mut String) -> bool {
    let (year, month, day) = civil_from_days(days);
    let Some(year) = u64::try_from(year).ok().filter(|year| (1..10_000).contains(year)) else {
        return false;
    };
    two_digits(year / 100, out);
    two_digits(year, out);
    out.push('-');
    two_digits(month.into(), out);
    out.push('-');
    two_digits(day.into(), out);
    true
}

/// Appends a timestamp in UTC of a year in four digits; returns false for any other.
fn moment(micros: i64, zoned: bool, out: &mut String) -> bool {
    if !date(micros.div_euclid(DAY_MICROS), out) {
        return false;
    }
    let time = micros.rem_euclid(DAY_MICROS).unsigned_abs();
    let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
    for (lead, value) in [(' ', seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)] {
        out.push(lead);
        two_digits(value, out);
    }
    if micros > 0 {
        out.push('.');
        for power in [10_000, 100, 1] {
            two_digits(micros / power, out);
        }
        let length = out.trim_end_matches('0').len();
        out.truncate(length);
    }
    if zoned {
        out.push_str("+00");
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int16Array, Int64Array,
        IntervalMonthDayNanoArray, TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;

    /// Checks every text against `print_value`.
    fn check(values: impl Array + 'static) {
        let values: ArrayRef = Arc::new(values);
        let texts = column_texts(&values);
        for row in 0..values.len() {
            let mut expected = String::new();
            print_value(&values, row, &mut expected);
            assert_eq!(texts.get(row), expected);
        }
    }

    #[test]
    fn prints_truth_in_words_and_null_as_nothing() {
        let values = BooleanArray::from(vec![Some(true), None, Some(false)]);
        let texts = column_texts(&values);
        assert_eq!([texts.get(0), texts.get(1), texts.get(2)], ["true", "", "false"]);
        check(StringViewArray::from(vec![Some("a"), None, Some("")]));
        check(IntervalMonthDayNanoArray::from(vec![None, None]));
    }

    proptest! {
        #[test]
        fn prints_what_single_values_are(
            numbers in prop::collection::vec(any::<Option<i64>>(), 0..9),
            small in prop::collection::vec(any::<i16>(), 1..5),
            wide in prop::collection::vec(-(10_i128.pow(37))..10_i128.pow(37), 1..5),
            days in prop::collection::vec(-1_000_000..5_000_000, 1..9),
            moments in prop::collection::vec(-90_000_000_000_000_000_i64..300_000_000_000_000_000, 1..9),
            scale in -3_i8..38,
        ) {
            check(Int64Array::from(numbers.clone()));
            check(Int16Array::from(small));
            check(Date32Array::from(days));
            check(TimestampMicrosecondArray::from(moments.clone()));
            check(TimestampMicrosecondArray::from(moments).with_timezone("UTC"));
            let decimals: Vec<Option<i128>> = numbers.iter().map(|number| number.map(i128::from)).collect();
            check(Decimal128Array::from(decimals).with_precision_and_scale(38, scale).unwrap());
            check(Decimal128Array::from(wide).with_precision_and_scale(38, scale).unwrap());
        }
    }
}
