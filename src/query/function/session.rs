//! Functions that tell about the session, the statement and values: `now`, `current_user`,
//! `gen_random_uuid`, `unique_rowid`, `pg_typeof`.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use datafusion::arrow::array::{Int64Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::Sequences;
use super::moment::{local_micros, zone_of};
use crate::catalog::PUBLIC_SCHEMA;
use crate::query::sql_types::{marked, title_of_field};
use crate::types::SqlType;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The names of the functions here.
pub(super) const NAMES: &[&str] = &[
    "current_user",
    "session_user",
    "current_role",
    "user",
    "current_database",
    "current_catalog",
    "current_schema",
    "version",
    "now",
    "current_timestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "localtimestamp",
    "current_date",
    "current_time",
    "localtime",
    "gen_random_uuid",
    "uuid_generate_v4",
    "unique_rowid",
    "pg_typeof",
];

/// What functions may know of the session.
#[derive(Clone, Debug)]
pub(in crate::query) struct Session {
    /// The current database.
    pub(in crate::query) database: String,
    /// The user.
    pub(in crate::query) user: String,
    /// The statement's time in microseconds since 1970 in UTC.
    pub(in crate::query) now: i64,
    /// The session's time zone.
    pub(in crate::query) time_zone: String,
    /// The sequences that it may use.
    pub(in crate::query) sequences: Option<Sequences>,
}

/// Returns the function with this name.
pub(super) fn scalar(name: &str, session: &Session) -> Option<Arc<ScalarUDF>> {
    let text = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
    let (value, sql_type) = match name {
        "current_user" | "session_user" | "current_role" | "user" => {
            (text(&session.user), SqlType::STRING)
        }
        "current_database" | "current_catalog" => (text(&session.database), SqlType::STRING),
        "current_schema" => (text(PUBLIC_SCHEMA), SqlType::STRING),
        "version" => (text(concat!("Wharf ", env!("CARGO_PKG_VERSION"))), SqlType::STRING),
        "now"
        | "current_timestamp"
        | "transaction_timestamp"
        | "statement_timestamp"
        | "clock_timestamp" => {
            let utc = Some(Arc::from("UTC"));
            (ScalarValue::TimestampMicrosecond(Some(session.now), utc), SqlType::TimestampTz)
        }
        "localtimestamp" => {
            (ScalarValue::TimestampMicrosecond(Some(local(session)), None), SqlType::Timestamp)
        }
        "current_date" => {
            let day = i32::try_from(local(session).div_euclid(MICROS_PER_DAY)).ok();
            (ScalarValue::Date32(day), SqlType::Date)
        }
        "current_time" | "localtime" => {
            let time = local(session).rem_euclid(MICROS_PER_DAY);
            (ScalarValue::Time64Microsecond(Some(time)), SqlType::Time)
        }
        "gen_random_uuid" | "uuid_generate_v4" => {
            return Some(Arc::new(Generated::udf(name, None)));
        }
        "unique_rowid" => return Some(Arc::new(Generated::udf(name, Some(session.now)))),
        "pg_typeof" => return Some(Arc::new(ScalarUDF::new_from_impl(TypeOf::new()))),
        _ => return None,
    };
    Some(Arc::new(ScalarUDF::new_from_impl(Constant::new(name, value, sql_type))))
}

fn local(session: &Session) -> i64 {
    zone_of(&session.time_zone).map_or(session.now, |zone| local_micros(session.now, zone))
}

/// A function that gives the same value during a statement.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: String,
    value: ScalarValue,
    sql_type: SqlType,
    signature: Signature,
}

impl Constant {
    fn new(name: &str, value: ScalarValue, sql_type: SqlType) -> Self {
        // A precision, as in current_timestamp(3), has no effect.
        let counts = vec![TypeSignature::Nullary, TypeSignature::Any(1)];
        let signature = match name {
            "current_timestamp" | "localtimestamp" | "current_time" | "localtime" => {
                Signature::one_of(counts, Volatility::Immutable)
            }
            _ => Signature::nullary(Volatility::Immutable),
        };
        Self { name: name.to_owned(), value, sql_type, signature }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(self.sql_type.arrow())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        Ok(Arc::new(Field::new(&self.name, self.sql_type.arrow(), false)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// The last value that `unique_rowid` gave in this process.
static LAST_ROWID: AtomicI64 = AtomicI64::new(0);

/// A function that gives a fresh value for each row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Generated {
    name: String,
    /// The statement's time for `unique_rowid`; nothing for random UUIDs.
    now: Option<i64>,
    signature: Signature,
}

impl Generated {
    fn udf(name: &str, now: Option<i64>) -> ScalarUDF {
        let signature = Signature::nullary(Volatility::Volatile);
        ScalarUDF::new_from_impl(Self { name: name.to_owned(), now, signature })
    }
}

impl ScalarUDFImpl for Generated {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(if self.now.is_some() { DataType::Int64 } else { DataType::Utf8View })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        let field = Field::new(&self.name, self.return_type(&[])?, false);
        let sql_type = if self.now.is_some() { SqlType::Int8 } else { SqlType::Uuid };
        Ok(Arc::new(marked(field, &sql_type)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let rows = args.number_rows;
        let Some(now) = self.now else {
            let values = (0..rows).map(|_| Some(uuid::Uuid::new_v4().to_string()));
            return Ok(ColumnarValue::Array(Arc::new(values.collect::<StringViewArray>())));
        };
        let count = i64::try_from(rows).unwrap_or(i64::MAX);
        // Units of ten microseconds above 15 bits of a count: about a million ids a second fit
        // before the ids run ahead of the clock, and they stay unique also then.
        let floor = (now / 10) << 15;
        let reserve = |last: i64| Some(last.max(floor).saturating_add(count));
        let last = LAST_ROWID
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .unwrap_or_default();
        let first = last.max(floor) + 1;
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from_iter_values(first..first + count))))
    }
}

/// `pg_typeof(value)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl TypeOf {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &'static str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let title = title_of_field(&args.arg_fields[0]);
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(Some(title))))
    }
}
