//! One type for values of which one is chosen: CASE, coalesce and its kin.
//!
//! String literals take the type of the others, and decimals beside floating point numbers become
//! floating point numbers, as PostgreSQL resolves them; DataFusion would make text and decimals of
//! them. It also asks for the type of a call before the analyzer has seen its arguments, so that calls
//! are planned as a stand-in that takes arguments of any type.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result as QueryResult};
use datafusion::logical_expr::{
    Case, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, binary_expr,
};

use super::error::external;
use super::function::order::order_key;
use super::operator::{cast_of, field_of, is_unknown, literal_as, plain_number};
use super::set_operation::{common_type, needs_cast, no_common_type};
use super::sql_types::sql_type_of_field;
use crate::error::Error;
use crate::types::SqlType;

/// The functions whose arguments share a type.
const NAMES: &[&str] = &["coalesce", "nullif", "greatest", "least", "nvl", "ifnull"];

/// Returns whether the arguments of the function share a type.
pub(super) fn shares_type(name: &str) -> bool {
    name == "make_array" || NAMES.contains(&name)
}

/// Returns a function as a stand-in for it that takes any types, if its arguments share a type.
pub(super) fn loose(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    if !NAMES.contains(&function.name()) {
        return function;
    }
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Loose { function, signature }))
}

/// Returns the function that a stand-in stands for.
pub(super) fn strict(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let inner: &dyn Any = function.inner().as_ref();
    inner
        .downcast_ref::<Loose>()
        .map_or_else(|| Arc::clone(&function), |loose| Arc::clone(&loose.function))
}

/// Stands for a function while a query is planned.
#[derive(Debug)]
struct Loose {
    function: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for Loose {
    fn eq(&self, other: &Self) -> bool {
        self.function.name() == other.function.name()
    }
}

impl Eq for Loose {}

impl Hash for Loose {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
    }
}

impl ScalarUDFImpl for Loose {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        types.first().cloned().ok_or_else(|| external(Error::internal("a call without arguments")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        let literal = |position: usize| {
            let scalar = args.scalar_arguments.get(position).copied().flatten();
            scalar.is_some_and(|scalar| scalar.is_null() || scalar.try_as_str().is_some())
        };
        let known = (0..args.arg_fields.len()).find(|position| !literal(*position));
        let field = args
            .arg_fields
            .get(known.unwrap_or(0))
            .ok_or_else(|| external(super::error::no_call(self.name())))?;
        let chosen = Field::new(self.name(), field.data_type().clone(), true);
        Ok(Arc::new(chosen.with_metadata(field.metadata().clone())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        Err(external(Error::internal("a stand-in was not replaced by its function")))
    }
}

/// Gives values of which one is chosen the type that they share, string literals among them.
pub(super) fn unify(name: &str, values: Vec<Expr>, schema: &DFSchema) -> QueryResult<Vec<Expr>> {
    let mut target: Option<SqlType> = None;
    for value in &values {
        if is_unknown(value) {
            continue;
        }
        let field = field_of(value, schema)?;
        let Some(own) = sql_type_of_field(&field) else { continue };
        target = Some(match target {
            None => own,
            Some(before) => common_type(&before, &own)
                .ok_or_else(|| external(no_common_type(&title(name), &before, &own)))?,
        });
    }
    let Some(target) = target else { return Ok(values) };
    values
        .into_iter()
        .map(|value| {
            let value = plain_number(value);
            if is_unknown(&value) {
                return literal_as(value, &target);
            }
            let field = field_of(&value, schema)?;
            Ok(match sql_type_of_field(&field) {
                Some(own) if needs_cast(&field, &own, &target) => cast_of(value, &target),
                _ => value,
            })
        })
        .collect()
}

/// Returns `greatest(...)` or `least(...)` of values whose text or fields do not sort as they do.
pub(super) fn extreme(name: &str, values: &[Expr], schema: &DFSchema) -> QueryResult<Option<Expr>> {
    let op = match name {
        "greatest" => Operator::GtEq,
        "least" => Operator::LtEq,
        _ => return Ok(None),
    };
    let Some(first) = values.first() else { return Ok(None) };
    let own = sql_type_of_field(field_of(first, schema)?.as_ref());
    if !matches!(own, Some(SqlType::Interval | SqlType::Inet | SqlType::Jsonb)) {
        return Ok(None);
    }
    let keys: Vec<Expr> =
        values.iter().map(|value| order_key(value.clone(), own.as_ref())).collect();
    let choices = keys.iter().zip(values).map(|(key, value)| {
        let wins = keys.iter().filter(|other| *other != key).fold(
            key.clone().is_not_null(),
            |wins, other| {
                wins.and(other.clone().is_null().or(binary_expr(key.clone(), op, other.clone())))
            },
        );
        (Box::new(wins), Box::new(value.clone()))
    });
    Ok(Some(Expr::Case(Case::new(None, choices.collect(), None))))
}

/// Returns what PostgreSQL calls a choice in an error.
fn title(name: &str) -> String {
    if name == "make_array" { "ARRAY".to_owned() } else { name.to_uppercase() }
}
