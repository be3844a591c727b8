//! Values of Avro, from their bytes to the text that the parsers of columns read.

use std::io::Write as _;

use super::avro_schema::{AvroSchema, AvroType};
use super::json::{JsonForm, write_element};

/// How deep values may nest.
const DEEPEST: usize = 128;

/// The most values that may stand in an array without taking a byte.
const MOST_EMPTY: u64 = 1 << 20;

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The bytes end before the value does.
    End,
    /// The bytes are no value of the type.
    Value(String),
}

impl Wrong {
    fn value(what: &str) -> Self {
        Self::Value(what.to_owned())
    }
}

/// What a value is in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Null,
    /// A number or boolean: its text is its JSON.
    Plain,
    /// A string.
    Quoted,
    /// Bytes, which JSON has as characters of their numbers.
    Bytes,
}

/// Reads values from bytes.
pub(super) struct ValueReader<'a> {
    /// The schema.
    pub(super) schema: &'a AvroSchema,
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// Where the next value starts.
    pub(super) at: usize,
}

impl<'a> ValueReader<'a> {
    /// Reads a whole number.
    pub(super) fn long(&mut self) -> Result<i64, Wrong> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Wrong::End)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
            }
        }
        Err(Wrong::value("a number has more than 64 bits"))
    }

    fn int(&mut self) -> Result<i32, Wrong> {
        i32::try_from(self.long()?).map_err(|_| Wrong::value("an int has more than 32 bits"))
    }

    /// Reads `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let end = self.at.checked_add(count).ok_or(Wrong::End)?;
        let taken = self.bytes.get(self.at..end).ok_or(Wrong::End)?;
        self.at = end;
        Ok(taken)
    }

    /// Reads bytes with their length before them.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Wrong> {
        let length = usize::try_from(self.long()?);
        self.take(length.map_err(|_| Wrong::value("a length is below zero"))?)
    }

    /// Appends the value of a column as text; returns whether it is NULL.
    pub(super) fn cell(
        &mut self,
        index: usize,
        form: JsonForm,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Wrong> {
        let schema = self.schema;
        match schema.get(index) {
            AvroType::Union(branches) => {
                let branch = self.branch(branches)?;
                self.cell(branch, form, deeper(depth)?, out)
            }
            AvroType::Array(items) if matches!(form, JsonForm::Array | JsonForm::Documents) => {
                self.array_literal(*items, form, deeper(depth)?, out)?;
                Ok(false)
            }
            AvroType::Array(_) | AvroType::Map(_) | AvroType::Record(_) => {
                self.json(index, depth, out)?;
                Ok(false)
            }
            // Avro has no type of documents: a string is the text of one.
            AvroType::String | AvroType::Bytes => Ok(self.scalar(index, out)? == Shape::Null),
            _ if matches!(form, JsonForm::Document | JsonForm::Documents) => {
                self.json(index, depth, out)
            }
            _ => Ok(self.scalar(index, out)? == Shape::Null),
        }
    }

    fn branch(&mut self, branches: &[usize]) -> Result<usize, Wrong> {
        let branch = usize::try_from(self.long()?).ok();
        let branch = branch.and_then(|branch| branches.get(branch)).copied();
        branch.ok_or_else(|| Wrong::value("a union has no such branch"))
    }

    /// Appends an array as a literal of SQL.
    fn array_literal(
        &mut self,
        items: usize,
        form: JsonForm,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        let form = if form == JsonForm::Array { JsonForm::Text } else { JsonForm::Document };
        out.push(b'{');
        let mut first = true;
        self.blocks(|reader| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            let mut text = Vec::new();
            if reader.cell(items, form, depth, &mut text)? {
                out.extend_from_slice(b"NULL");
            } else {
                write_element(&text, out);
            }
            Ok(())
        })?;
        out.push(b'}');
        Ok(())
    }

    /// Reads the blocks of an array or map, value by value.
    fn blocks(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
                count = count.checked_neg().ok_or_else(|| Wrong::value("a block is too long"))?;
            }
            let start = self.at;
            for number in 0..count.unsigned_abs() {
                if self.at == start && number >= MOST_EMPTY {
                    return Err(Wrong::value("an array has too many empty values"));
                }
                read(self)?;
            }
        }
    }

    /// Appends a value as JSON; returns whether it is null.
    fn json(&mut self, index: usize, depth: usize, out: &mut Vec<u8>) -> Result<bool, Wrong> {
        let schema = self.schema;
        let depth = deeper(depth)?;
        let mut first = true;
        let mut comma = |out: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
        };
        match schema.get(index) {
            AvroType::Union(branches) => {
                let branch = self.branch(branches)?;
                return self.json(branch, depth, out);
            }
            AvroType::Array(items) => {
                out.push(b'[');
                self.blocks(|reader| {
                    comma(out);
                    reader.json(*items, depth, out).map(|_| ())
                })?;
                out.push(b']');
            }
            AvroType::Map(values) => {
                out.push(b'{');
                self.blocks(|reader| {
                    comma(out);
                    write_string(&String::from_utf8_lossy(reader.sized()?), out);
                    out.push(b':');
                    reader.json(*values, depth, out).map(|_| ())
                })?;
                out.push(b'}');
            }
            AvroType::Record(fields) => {
                out.push(b'{');
                for (name, field) in fields {
                    comma(out);
                    write_string(name, out);
                    out.push(b':');
                    self.json(*field, depth, out)?;
                }
                out.push(b'}');
            }
            _ => return self.json_scalar(index, out),
        }
        Ok(false)
    }

    /// Appends a value that holds no others as JSON; returns whether it is null.
    fn json_scalar(&mut self, index: usize, out: &mut Vec<u8>) -> Result<bool, Wrong> {
        let start = out.len();
        let shape = self.scalar(index, out)?;
        match shape {
            Shape::Null => out.extend_from_slice(b"null"),
            Shape::Plain => {}
            Shape::Quoted => {
                let text = String::from_utf8_lossy(&out.split_off(start)).into_owned();
                write_string(&text, out);
            }
            Shape::Bytes => {
                let text: String = out.split_off(start).into_iter().map(char::from).collect();
                write_string(&text, out);
            }
        }
        Ok(shape == Shape::Null)
    }

    /// Appends the text of a value that holds no others.
    fn scalar(&mut self, index: usize, out: &mut Vec<u8>) -> Result<Shape, Wrong> {
        let schema = self.schema;
        let mut put = |text: String| out.extend_from_slice(text.as_bytes());
        Ok(match schema.get(index) {
            AvroType::Null => Shape::Null,
            AvroType::Boolean => {
                match self.take(1)? {
                    [0] => put("false".to_owned()),
                    [1] => put("true".to_owned()),
                    _ => return Err(Wrong::value("a boolean is neither 0 nor 1")),
                }
                Shape::Plain
            }
            AvroType::Int => {
                put(self.int()?.to_string());
                Shape::Plain
            }
            AvroType::Long => {
                put(self.long()?.to_string());
                Shape::Plain
            }
            AvroType::Float => {
                let bytes = *self.take(4)?.first_chunk().ok_or(Wrong::End)?;
                let value = f32::from_le_bytes(bytes);
                put(value.to_string());
                if value.is_finite() { Shape::Plain } else { Shape::Quoted }
            }
            AvroType::Double => {
                let bytes = *self.take(8)?.first_chunk().ok_or(Wrong::End)?;
                let value = f64::from_le_bytes(bytes);
                put(value.to_string());
                if value.is_finite() { Shape::Plain } else { Shape::Quoted }
            }
            AvroType::Bytes => {
                out.extend_from_slice(self.sized()?);
                Shape::Bytes
            }
            AvroType::String => {
                out.extend_from_slice(self.sized()?);
                Shape::Quoted
            }
            AvroType::Fixed(size) => {
                out.extend_from_slice(self.take(*size)?);
                Shape::Bytes
            }
            AvroType::Enum(symbols) => {
                let symbol = usize::try_from(self.long()?).ok();
                let symbol = symbol.and_then(|symbol| symbols.get(symbol));
                put(symbol.ok_or_else(|| Wrong::value("an enum has no such symbol"))?.clone());
                Shape::Quoted
            }
            _ => return self.logical(index, out),
        })
    }

    /// Appends the text of a value of a logical type.
    fn logical(&mut self, index: usize, out: &mut Vec<u8>) -> Result<Shape, Wrong> {
        let schema = self.schema;
        let text = match schema.get(index) {
            AvroType::Date => date(i64::from(self.int()?)),
            AvroType::Time(1000) => time(i64::from(self.int()?), 1000),
            AvroType::Time(unit) => time(self.long()?, *unit),
            AvroType::Moment(unit) => format!("{}+00", moment(self.long()?, *unit)),
            AvroType::LocalMoment(unit) => moment(self.long()?, *unit),
            AvroType::Decimal(scale, size) => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                out.extend_from_slice(decimal(bytes, *scale)?.as_bytes());
                return Ok(Shape::Plain);
            }
            AvroType::Uuid => {
                let bytes = self.take(16)?;
                format!("{:032x}", u128::from_be_bytes(*bytes.first_chunk().ok_or(Wrong::End)?))
            }
            AvroType::Duration => {
                let bytes = self.take(12)?;
                let part = |at: usize| {
                    let part = bytes[at..].first_chunk().copied().unwrap_or_default();
                    u32::from_le_bytes(part)
                };
                let (months, days, millis) = (part(0), part(4), part(8));
                let (seconds, millis) = (millis / 1000, millis % 1000);
                format!("{months} mons {days} days {seconds}.{millis:03} secs")
            }
            other => return Err(Wrong::Value(format!("{other:?} holds other values"))),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(Shape::Quoted)
    }
}

fn deeper(depth: usize) -> Result<usize, Wrong> {
    if depth >= DEEPEST {
        return Err(Wrong::Value(format!("value nests deeper than {DEEPEST} levels")));
    }
    Ok(depth + 1)
}

/// Appends a string of JSON.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            '\0'..='\u{1f}' => {
                // A vector takes all that is written.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Returns the date that lies `days` days after the first of January 1970.
pub(super) fn date(days: i64) -> String {
    // Years start in March, so that a leap day is the last of its year; eras have 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} BC", 1 - year)
    }
}

/// Returns a time of day.
pub(super) fn time(value: i64, unit: i64) -> String {
    let (seconds, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    let digits = unit.ilog10() as usize;
    format!("{:02}:{:02}:{:02}.{rest:0digits$}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns a date and time of day.
pub(super) fn moment(value: i64, unit: i64) -> String {
    let day = 86_400 * unit;
    let date = date(value.div_euclid(day));
    let time = time(value.rem_euclid(day), unit);
    match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time} BC"),
        None => format!("{date} {time}"),
    }
}

/// Returns the number that bytes are, the highest first, with `scale` digits behind its point.
pub(super) fn decimal(bytes: &[u8], scale: u32) -> Result<String, Wrong> {
    if bytes.len() > 128 {
        return Err(Wrong::value("a decimal has more than 128 bytes"));
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut number: Vec<u8> = bytes.to_vec();
    if negative {
        // The magnitude: all bits turned round, and one more.
        let mut carry = true;
        for byte in number.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
    }
    let mut digits = Vec::new();
    while number.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 10).to_le_bytes()[0];
            rest = value % 10;
        }
        digits.push(b'0' + rest.to_le_bytes()[0]);
    }
    let scale = scale as usize;
    while digits.len() <= scale {
        digits.push(b'0');
    }
    digits.reverse();
    let mut text = String::from_utf8_lossy(&digits).into_owned();
    if scale > 0 {
        text.insert(text.len() - scale, '.');
    }
    Ok(if negative { format!("-{text}") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates_and_times() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-719_163), "0001-12-31 BC");
        assert_eq!(time(3_723_004, 1000), "01:02:03.004");
        assert_eq!(moment(-1, 1_000_000), "1969-12-31 23:59:59.999999");
    }

    #[test]
    fn writes_decimals() {
        let check = |bytes: &[u8], scale, expected: &str| {
            assert_eq!(decimal(bytes, scale).unwrap(), expected);
        };
        check(&[], 2, "0.00");
        check(&[0x04, 0xd2], 2, "12.34");
        check(&[0xff], 0, "-1");
        check(&[0x80, 0], 3, "-32.768");
        check(&[0xff, 0xfe], 4, "-0.0002");
        check(&[0x7f; 20], 0, "727885129180488904360266563744972327436484050815");
        assert!(decimal(&[1; 129], 0).is_err());
    }

    #[test]
    fn reads_numbers_and_refuses_long_ones() {
        let schema = AvroSchema::parse(
            "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}",
        )
        .unwrap();
        let long = |bytes: &[u8]| ValueReader { schema: &schema, bytes, at: 0 }.long();
        assert_eq!(long(&[0x01]), Ok(-1));
        assert_eq!(long(&[0x80, 0x01]), Ok(64));
        let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(long(&least), Ok(i64::MIN));
        assert_eq!(long(&[0x80]), Err(Wrong::End));
        assert!(matches!(long(&[0xff; 11]), Err(Wrong::Value(_))));
    }
}
