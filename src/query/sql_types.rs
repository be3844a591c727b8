//! SQL types where a query meets them: from the syntax tree to `SqlType` to Arrow fields and back.
//!
//! Arrow cannot tell UUID, INET and JSONB from text. Fields of these types carry their SQL type in
//! the metadata key `wharf.type`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, IntervalUnit, TimeUnit,
};
use datafusion::common::Result as QueryResult;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

use super::error::external;
use crate::error::Result;
use crate::types::{SqlType, StringKind};

/// The metadata key under which a field keeps a SQL type that Arrow cannot tell.
const KEY: &str = "wharf.type";

/// Returns the SQL type that a type in the syntax tree names.
pub(super) fn sql_type_of(written: &ast::DataType) -> Result<SqlType> {
    let text = written.to_string();
    SqlType::parse(&text).or_else(|error| match text.to_ascii_lowercase().as_str() {
        "oid" => Ok(SqlType::Int8),
        "regtype" | "regclass" | "bpchar" => Ok(SqlType::STRING),
        _ => Err(error),
    })
}

/// Returns a field of a SQL type in query form.
pub(super) fn field(name: &str, sql_type: &SqlType, nullable: bool) -> Field {
    marked(Field::new(name, sql_type.arrow(), nullable), sql_type)
}

/// Returns `field` with the metadata that tells its SQL type where Arrow cannot.
pub(super) fn marked(field: Field, sql_type: &SqlType) -> Field {
    let base = match sql_type {
        SqlType::Array(element) => element,
        other => other,
    };
    let mark = match base {
        SqlType::Uuid | SqlType::Inet | SqlType::Jsonb => sql_type.to_string(),
        _ => return field,
    };
    let mut metadata = field.metadata().clone();
    metadata.insert(KEY.to_owned(), mark);
    field.with_metadata(metadata)
}

/// Returns the SQL type of a field, from its metadata or else its Arrow type; nothing for types that
/// have no SQL name.
pub fn sql_type_of_field(field: &Field) -> Option<SqlType> {
    let arrow = sql_type_of_arrow(field.data_type())?;
    let mark = match field.metadata().get(KEY).map(String::as_str) {
        Some("UUID") => SqlType::Uuid,
        Some("INET") => SqlType::Inet,
        Some("JSONB") => SqlType::Jsonb,
        Some("UUID[]") => SqlType::Array(Box::new(SqlType::Uuid)),
        Some("INET[]") => SqlType::Array(Box::new(SqlType::Inet)),
        Some("JSONB[]") => SqlType::Array(Box::new(SqlType::Jsonb)),
        _ => return Some(arrow),
    };
    // A mark that does not fit the Arrow type came from another expression.
    let text = match &arrow {
        SqlType::String { .. } => matches!(mark, SqlType::Uuid | SqlType::Inet | SqlType::Jsonb),
        SqlType::Array(element) => {
            matches!(mark, SqlType::Array(_)) && matches!(**element, SqlType::String { .. })
        }
        _ => false,
    };
    Some(if text { mark } else { arrow })
}

/// Returns the SQL type that an Arrow type stands for.
pub(super) fn sql_type_of_arrow(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::Boolean => SqlType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::Int2,
        DataType::Int32 | DataType::UInt16 => SqlType::Int4,
        DataType::Int64 | DataType::UInt32 => SqlType::Int8,
        DataType::UInt64 => SqlType::Int8,
        DataType::Float16 | DataType::Float32 => SqlType::Float4,
        DataType::Float64 => SqlType::Float8,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => SqlType::Decimal(Some((*precision, *scale))),
        DataType::Decimal256(precision, scale) => {
            if (*precision, *scale) == crate::types::BARE_DECIMAL {
                SqlType::Decimal(None)
            } else if *precision <= DECIMAL128_MAX_PRECISION {
                // A precision that would mean Decimal128 as a column; the value itself is wider.
                SqlType::Decimal(Some((DECIMAL128_MAX_PRECISION + 1, *scale)))
            } else {
                SqlType::Decimal(Some((*precision, *scale)))
            }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::STRING,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => SqlType::Bytes,
        DataType::Date32 | DataType::Date64 => SqlType::Date,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
        DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
        DataType::Interval(_) | DataType::Duration(_) => SqlType::Interval,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            SqlType::Array(Box::new(sql_type_of_arrow(element.data_type())?))
        }
        DataType::Dictionary(_, value) => sql_type_of_arrow(value)?,
        _ => return None,
    })
}

/// Returns PostgreSQL's internal name of a type: `int8`, `text`, `timestamptz`.
pub(super) fn name_of_type(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Bool => "bool",
        SqlType::Int2 => "int2",
        SqlType::Int4 => "int4",
        SqlType::Int8 => "int8",
        SqlType::Float4 => "float4",
        SqlType::Float8 => "float8",
        SqlType::Decimal(_) => "numeric",
        SqlType::String { kind: StringKind::String, .. } => "text",
        SqlType::String { kind: StringKind::Varchar, .. } => "varchar",
        SqlType::String { kind: StringKind::Char, .. } => "bpchar",
        SqlType::Bytes => "bytea",
        SqlType::Date => "date",
        SqlType::Time => "time",
        SqlType::Timestamp => "timestamp",
        SqlType::TimestampTz => "timestamptz",
        SqlType::Interval => "interval",
        SqlType::Uuid => "uuid",
        SqlType::Inet => "inet",
        SqlType::Jsonb => "jsonb",
        SqlType::Array(element) => return name_of_type(element),
    }
    .to_owned()
}

/// Returns PostgreSQL's name of a type in messages and `pg_typeof`: `bigint`, `text`.
pub(super) fn title_of_type(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Bool => "boolean",
        SqlType::Int2 => "smallint",
        SqlType::Int4 => "integer",
        SqlType::Int8 => "bigint",
        SqlType::Float4 => "real",
        SqlType::Float8 => "double precision",
        SqlType::Decimal(_) => "numeric",
        SqlType::String { kind: StringKind::String, .. } => "text",
        SqlType::String { kind: StringKind::Varchar, .. } => "character varying",
        SqlType::String { kind: StringKind::Char, .. } => "character",
        SqlType::Bytes => "bytea",
        SqlType::Date => "date",
        SqlType::Time => "time without time zone",
        SqlType::Timestamp => "timestamp without time zone",
        SqlType::TimestampTz => "timestamp with time zone",
        SqlType::Interval => "interval",
        SqlType::Uuid => "uuid",
        SqlType::Inet => "inet",
        SqlType::Jsonb => "jsonb",
        SqlType::Array(element) => return format!("{}[]", title_of_type(element)),
    }
    .to_owned()
}

/// Returns PostgreSQL's name of the type of a field in messages.
pub(super) fn title_of_field(field: &Field) -> String {
    match sql_type_of_field(field) {
        Some(sql_type) => title_of_type(&sql_type),
        None if field.data_type().is_null() => "unknown".to_owned(),
        None => field.data_type().to_string().to_lowercase(),
    }
}

/// Returns the Arrow type in which results of this type leave a query.
pub(super) fn result_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::Dictionary(_, value) => result_type(value),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => {
            DataType::List(Arc::new(Field::new_list_field(result_type(element.data_type()), true)))
        }
        other => other.clone(),
    }
}

/// Maps types in SQL text to fields.
#[derive(Debug)]
pub(super) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, written: &ast::DataType) -> QueryResult<Option<FieldRef>> {
        let sql_type = sql_type_of(written).map_err(external)?;
        Ok(Some(cast_target(&sql_type)))
    }
}

/// The metadata key under which the field of a cast keeps its SQL type with all details.
const CAST_KEY: &str = "wharf.cast";

/// Returns the field that stands for a type in a cast.
pub(super) fn cast_target(sql_type: &SqlType) -> FieldRef {
    let field = marked(Field::new("", sql_type.arrow(), true), sql_type);
    let mut metadata = field.metadata().clone();
    metadata.insert(CAST_KEY.to_owned(), serde_json::to_string(sql_type).unwrap_or_default());
    Arc::new(field.with_metadata(metadata))
}

/// Returns the SQL type of a field that `cast_target` made.
pub(super) fn target_of_cast(field: &Field) -> Option<SqlType> {
    serde_json::from_str(field.metadata().get(CAST_KEY)?).ok()
}
