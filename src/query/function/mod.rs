//! Functions that PostgreSQL and CockroachDB users expect and DataFusion lacks, or means otherwise.
//!
//! `scalar` and `aggregate::named` are asked before DataFusion's own functions.

pub(super) mod aggregate;
pub(super) mod bytes;
pub(super) mod interval;
pub(super) mod json;
pub(super) mod math;
mod moment;
pub(super) mod order;
pub(super) mod part;
mod pattern;
mod sequence;
mod session;
mod text;
mod to_char;
mod total;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use super::cast::cast_array;
use super::error::external;
use super::sql_types::{marked, sql_type_of_field};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

pub(super) use moment::at_time_zone;
pub use sequence::SequenceMemory;
pub(super) use sequence::Sequences;
pub(super) use session::Session;

/// Returns the function of ours with this name.
pub(super) fn scalar(name: &str, session: &Session) -> Option<Arc<ScalarUDF>> {
    let simple = math::FUNCTIONS
        .iter()
        .chain(json::FUNCTIONS)
        .chain(text::FUNCTIONS)
        .chain(pattern::FUNCTIONS)
        .chain(interval::FUNCTIONS)
        .chain(bytes::FUNCTIONS)
        .find(|function| function.name == name);
    if let Some(function) = simple {
        return Some(Arc::new(function.udf()));
    }
    bytes::scalar(name)
        .or_else(|| part::scalar(name))
        .or_else(|| session::scalar(name, session))
        .or_else(|| sequence::scalar(name, session.sequences.as_ref()))
        .or_else(|| moment::scalar(name, session))
}

/// Returns the names of all scalar functions of ours that users call.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    math::FUNCTIONS
        .iter()
        .chain(json::FUNCTIONS)
        .chain(text::FUNCTIONS)
        .chain(pattern::FUNCTIONS)
        .map(|function| function.name)
        .chain(session::NAMES.iter().copied())
        .chain(sequence::NAMES.iter().copied())
        .chain(moment::NAMES.iter().copied())
}

/// A function whose arguments all have one declared type and which maps arrays to an array.
pub(super) struct Simple {
    /// Its name.
    pub(super) name: &'static str,
    /// The types to which its arguments are cast.
    pub(super) takes: &'static [SqlType],
    /// How many of them may be left out, from the last.
    pub(super) optional: usize,
    /// The type that it returns.
    pub(super) returns: SqlType,
    /// Its body; the arrays have the same length.
    pub(super) run: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

impl Simple {
    /// Returns the function as DataFusion knows functions.
    pub(super) fn udf(&'static self) -> ScalarUDF {
        let least = self.takes.len() - self.optional;
        let counts = (least..=self.takes.len()).map(TypeSignature::Any).collect();
        ScalarUDF::new_from_impl(SimpleFunction {
            function: self,
            signature: Signature::one_of(counts, Volatility::Immutable),
        })
    }

    /// Returns a call of the function.
    pub(super) fn call(&'static self, arguments: Vec<Expr>) -> Expr {
        self.udf().call(arguments)
    }
}

struct SimpleFunction {
    function: &'static Simple,
    signature: Signature,
}

impl std::fmt::Debug for SimpleFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for SimpleFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for SimpleFunction {}

impl Hash for SimpleFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for SimpleFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(self.function.returns.arrow())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        let field = Field::new(self.function.name, self.function.returns.arrow(), true);
        Ok(Arc::new(marked(field, &self.function.returns)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut arrays = Vec::with_capacity(args.args.len());
        for (position, value) in args.args.iter().enumerate() {
            let source = sql_type_of_field(&args.arg_fields[position]);
            let array = value.to_array(rows)?;
            let target = &self.function.takes[position];
            arrays.push(cast_array(&array, source.as_ref(), target).map_err(external)?);
        }
        let array = (self.function.run)(&arrays).map_err(external)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// Applies a function to the texts of one argument.
fn map_text(
    arrays: &[ArrayRef],
    function: impl Fn(&str) -> Result<Option<String>>,
) -> Result<ArrayRef> {
    let texts = arrays[0].as_string_view();
    let mut mapped = Vec::with_capacity(texts.len());
    for text in texts {
        mapped.push(match text {
            Some(text) => function(text)?,
            None => None,
        });
    }
    Ok(Arc::new(StringViewArray::from_iter(mapped)))
}

/// Applies a function to the texts of two arguments.
fn map_texts(
    arrays: &[ArrayRef],
    function: impl Fn(&str, &str) -> Result<Option<String>>,
) -> Result<ArrayRef> {
    let (left, right) = (arrays[0].as_string_view(), arrays[1].as_string_view());
    let mut mapped = Vec::with_capacity(left.len());
    for (left, right) in left.iter().zip(right) {
        mapped.push(match (left, right) {
            (Some(left), Some(right)) => function(left, right)?,
            _ => None,
        });
    }
    Ok(Arc::new(StringViewArray::from_iter(mapped)))
}

/// Returns the error of an argument that a function cannot take.
fn wrong_argument(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
