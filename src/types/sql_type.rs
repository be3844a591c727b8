//! `SqlType`: the types a column can have, with their SQL names and Arrow forms.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

/// The precision and scale in which a DECIMAL without either is held: 56 digits before the point
/// and 20 behind it; a value that needs more is refused, never rounded.
pub const BARE_DECIMAL: (u8, i8) = (76, 20);

/// How a string type was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StringKind {
    /// STRING or TEXT.
    String,
    /// VARCHAR, with or without a length.
    Varchar,
    /// CHAR; its length is 1 unless given.
    Char,
}

/// The type of a column or value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// True or false.
    Bool,
    /// A 16-bit integer.
    Int2,
    /// A 32-bit integer.
    Int4,
    /// A 64-bit integer.
    Int8,
    /// A 32-bit floating point number.
    Float4,
    /// A 64-bit floating point number.
    Float8,
    /// An exact number: precision and scale, or neither (see `BARE_DECIMAL`).
    Decimal(Option<(u8, i8)>),
    /// UTF-8 text.
    String {
        /// The declared name.
        kind: StringKind,
        /// The longest value in characters, if limited.
        length: Option<u32>,
        /// The collation, if one was named: `C`, `POSIX` or `default`.
        collation: Option<String>,
    },
    /// Bytes.
    Bytes,
    /// A day.
    Date,
    /// A time of day in microseconds.
    Time,
    /// A date and time in microseconds, of no zone.
    Timestamp,
    /// A moment in microseconds.
    TimestampTz,
    /// Months, days and nanoseconds.
    Interval,
    /// 128 bits, shown as canonical text.
    Uuid,
    /// An IPv4 or IPv6 address with an optional mask, held as canonical text.
    Inet,
    /// A JSON document, held as its canonical text.
    Jsonb,
    /// A one-dimensional array of a scalar type.
    Array(Box<SqlType>),
}

impl SqlType {
    /// The type of unlimited text.
    pub const STRING: Self =
        Self::String { kind: StringKind::String, length: None, collation: None };

    /// Returns the Arrow type of values in queries.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal(None) => DataType::Decimal256(BARE_DECIMAL.0, BARE_DECIMAL.1),
            Self::Decimal(Some((precision, scale))) if *precision <= 38 => {
                DataType::Decimal128(*precision, *scale)
            }
            Self::Decimal(Some((precision, scale))) => DataType::Decimal256(*precision, *scale),
            Self::String { .. } | Self::Uuid | Self::Inet | Self::Jsonb => DataType::Utf8View,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new_list_field(element.arrow(), true)))
            }
        }
    }

    /// Returns the Arrow type of values in segments, runs and keys.
    pub fn storage(&self) -> DataType {
        match self {
            Self::Uuid | Self::Interval => DataType::FixedSizeBinary(16),
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new_list_field(element.storage(), true)))
            }
            other => other.arrow(),
        }
    }

    /// Returns the word for the type in messages: `int`, `string`, `timestamptz`, `int[]`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 | Self::Int4 | Self::Int8 => "int",
            Self::Float4 | Self::Float8 => "float",
            Self::Decimal(_) => "decimal",
            Self::String { .. } => "string",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Inet => "inet",
            Self::Jsonb => "jsonb",
            Self::Array(element) => match element.family() {
                "bool" => "bool[]",
                "int" => "int[]",
                "float" => "float[]",
                "decimal" => "decimal[]",
                "string" => "string[]",
                "bytes" => "bytes[]",
                "date" => "date[]",
                "time" => "time[]",
                "timestamp" => "timestamp[]",
                "timestamptz" => "timestamptz[]",
                "interval" => "interval[]",
                "uuid" => "uuid[]",
                "inet" => "inet[]",
                "jsonb" => "jsonb[]",
                _ => "array",
            },
        }
    }

    /// Returns the type of a column that holds values of an Arrow type; `None` if there is none.
    ///
    /// NULL alone makes a column of text, as in PostgreSQL.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::Int2,
            DataType::Int32 | DataType::UInt16 => Self::Int4,
            DataType::Int64 | DataType::UInt32 => Self::Int8,
            DataType::UInt64 => Self::Decimal(Some((20, 0))),
            DataType::Float16 | DataType::Float32 => Self::Float4,
            DataType::Float64 => Self::Float8,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::from_decimal(*precision, *scale),
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::STRING
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Bytes,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Dictionary(_, value) => Self::from_arrow(value)?,
            DataType::RunEndEncoded(_, value) => Self::from_arrow(value.data_type())?,
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::ListView(field)
            | DataType::LargeListView(field)
            | DataType::FixedSizeList(field, _) => match Self::from_arrow(field.data_type())? {
                Self::Array(_) => return None,
                element => Self::Array(Box::new(element)),
            },
            DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => return None,
        })
    }

    /// Returns the decimal type of an Arrow precision and scale.
    fn from_decimal(precision: u8, scale: i8) -> Self {
        match (precision, scale) {
            BARE_DECIMAL => Self::Decimal(None),
            (precision, 0..) if i16::from(scale) <= i16::from(precision) => {
                Self::Decimal(Some((precision, scale)))
            }
            // A scale below zero means zeros before the point.
            (precision, ..0) if u16::from(precision) + u16::from(scale.unsigned_abs()) <= 76 => {
                Self::Decimal(Some((precision + scale.unsigned_abs(), 0)))
            }
            _ => Self::Decimal(None),
        }
    }
}

impl fmt::Display for SqlType {
    /// Prints the canonical SQL name: `INT8`, `STRING`, `VARCHAR(20)`, `DECIMAL(10,2)`, `INT8[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("BOOL"),
            Self::Int2 => f.write_str("INT2"),
            Self::Int4 => f.write_str("INT4"),
            Self::Int8 => f.write_str("INT8"),
            Self::Float4 => f.write_str("FLOAT4"),
            Self::Float8 => f.write_str("FLOAT8"),
            Self::Decimal(None) => f.write_str("DECIMAL"),
            Self::Decimal(Some((precision, 0))) => write!(f, "DECIMAL({precision})"),
            Self::Decimal(Some((precision, scale))) => write!(f, "DECIMAL({precision},{scale})"),
            Self::String { kind, length, collation } => {
                f.write_str(match kind {
                    StringKind::String => "STRING",
                    StringKind::Varchar => "VARCHAR",
                    StringKind::Char => "CHAR",
                })?;
                match (kind, length) {
                    (_, None) | (StringKind::Char, Some(1)) => {}
                    (_, Some(length)) => write!(f, "({length})")?,
                }
                collation.as_ref().map_or(Ok(()), |name| write!(f, " COLLATE \"{name}\""))
            }
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Interval => f.write_str("INTERVAL"),
            Self::Uuid => f.write_str("UUID"),
            Self::Inet => f.write_str("INET"),
            Self::Jsonb => f.write_str("JSONB"),
            Self::Array(element) => write!(f, "{element}[]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One type of each kind.
    fn every() -> impl Iterator<Item = SqlType> {
        [
            "bool",
            "int2",
            "int4",
            "int8",
            "float4",
            "float8",
            "decimal",
            "decimal(10,2)",
            "decimal(50,2)",
            "text",
            "bytes",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "interval",
            "uuid",
            "inet",
            "jsonb",
        ]
        .into_iter()
        .map(|name| SqlType::parse(name).unwrap())
    }

    #[test]
    fn arrow_types_lead_back() {
        for sql_type in every() {
            let expected = match sql_type {
                SqlType::Uuid | SqlType::Inet | SqlType::Jsonb => SqlType::STRING,
                ref other => other.clone(),
            };
            assert_eq!(SqlType::from_arrow(&sql_type.arrow()), Some(expected.clone()));
            let array = SqlType::Array(Box::new(sql_type));
            let expected = SqlType::Array(Box::new(expected));
            assert_eq!(SqlType::from_arrow(&array.arrow()), Some(expected));
        }
    }

    #[test]
    fn results_have_types_too() {
        let check = |data_type, name: &str| {
            assert_eq!(SqlType::from_arrow(&data_type).unwrap().to_string(), name);
        };
        check(DataType::UInt64, "DECIMAL(20)");
        check(DataType::Decimal128(5, -2), "DECIMAL(7)");
        check(DataType::Decimal256(76, -2), "DECIMAL");
        check(DataType::Null, "STRING");
        check(DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()), "STRING");
        assert_eq!(SqlType::from_arrow(&DataType::Struct(arrow::datatypes::Fields::empty())), None);
    }

    #[test]
    fn every_family_has_an_array() {
        for sql_type in every() {
            let array = SqlType::Array(Box::new(sql_type.clone()));
            assert_eq!(array.family(), format!("{}[]", sql_type.family()));
        }
    }
}
