//! Arithmetic that never wraps: `+ - * / %` and unary minus as functions of our own.
//!
//! DataFusion's operators wrap integers and decimals on overflow, also when it folds constants. The
//! planner turns every arithmetic operator into one of these functions, whose result types are
//! PostgreSQL's and which report overflow (22003, 22008) and division by zero (22012).

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result as QueryResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::error::{IntoOurs, external, no_operator};
use super::sql_types::{sql_type_of_arrow, title_of_field, title_of_type};
use super::{decimal, float, temporal};
use crate::error::{Error, Result, SqlState};

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// Addition.
    Add,
    /// Subtraction.
    Subtract,
    /// Multiplication.
    Multiply,
    /// Division; of integers it truncates.
    Divide,
    /// The remainder, with the sign of the dividend.
    Modulo,
}

impl Op {
    /// Returns the operator's sign.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

/// Returns the type of `left op right`, if the operator exists for these types.
pub(super) fn result_type(op: Op, left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Float32, Null};
    if let (Null, other) | (other, Null) = (left, right) {
        return match other {
            Null => Some(DataType::Int64),
            other => result_type(op, other, other)
                .or_else(|| temporal::result_type(op, left, right).or(Some(DataType::Int64))),
        };
    }
    if let (Some(left), Some(right)) = (integer_rank(left), integer_rank(right)) {
        return Some(integer_of_rank(left.max(right)));
    }
    if is_number(left) && is_number(right) {
        if left == &Float32 && right == &Float32 {
            return Some(Float32);
        }
        if left.is_floating() || right.is_floating() {
            return Some(DataType::Float64);
        }
        return Some(decimal::result_type(op, decimal::shape(left)?, decimal::shape(right)?));
    }
    temporal::result_type(op, left, right)
}

fn is_number(data_type: &DataType) -> bool {
    integer_rank(data_type).is_some() || data_type.is_floating() || data_type.is_decimal()
}

/// Returns the order of an integer type by width. DataFusion's unsigned results count as INT8.
fn integer_rank(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => 0,
        DataType::Int32 | DataType::UInt16 => 1,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => 2,
        _ => return None,
    })
}

fn integer_of_rank(rank: u8) -> DataType {
    match rank {
        0 => DataType::Int16,
        1 => DataType::Int32,
        _ => DataType::Int64,
    }
}

/// Returns `left op right` as an expression.
pub(super) fn arithmetic(op: Op, left: Expr, right: Expr) -> Expr {
    function(op).call(vec![left, right])
}

/// Returns `left op right` as an expression of a type that is known.
///
/// A long chain becomes one function of many arguments: DataFusion asks for the type of each
/// expression at each level again, and evaluates level by level.
pub(super) fn typed_arithmetic(op: Op, left: Expr, right: Expr, known: DataType) -> Expr {
    let levels = 1 + known_levels(&left).max(known_levels(&right));
    let (mut steps, mut args) = (Vec::new(), Vec::new());
    for side in [left, right] {
        append(side, &mut steps, &mut args);
    }
    steps.push(Step::Apply(op));
    let signature = Signature::any(args.len(), Volatility::Immutable);
    let function = Arithmetic { steps, levels, known: Some(known), signature };
    ScalarUDF::new_from_impl(function).call(args)
}

/// Appends one side of an operator: its own steps if it is a long chain, else an argument.
fn append(side: Expr, steps: &mut Vec<Step>, args: &mut Vec<Expr>) {
    let start = args.len();
    match (of_arithmetic(&side).cloned(), side) {
        (Some(chain), Expr::ScalarFunction(call)) if chain.levels >= LONG_CHAIN => {
            args.extend(call.args);
            steps.extend(chain.steps.into_iter().map(|step| match step {
                Step::Argument(position) => Step::Argument(start + position),
                apply @ Step::Apply(_) => apply,
            }));
        }
        (_, other) => {
            steps.push(Step::Argument(start));
            args.push(other);
        }
    }
}

fn of_arithmetic(expr: &Expr) -> Option<&Arithmetic> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let function: &dyn Any = call.func.inner().as_ref();
    function.downcast_ref::<Arithmetic>()
}

fn known_levels(expr: &Expr) -> usize {
    of_arithmetic(expr).map_or(0, |chain| chain.levels)
}

/// Returns the type of an expression that `typed_arithmetic` made.
pub(super) fn known_type(expr: &Expr) -> Option<&DataType> {
    of_arithmetic(expr)?.known.as_ref()
}

/// Returns the function behind an operator, for calls by name.
pub(super) fn function(op: Op) -> ScalarUDF {
    ScalarUDF::new_from_impl(Arithmetic::new(op))
}

/// Returns `-value` as an expression.
pub(super) fn negative(value: Expr) -> Expr {
    ScalarUDF::new_from_impl(Negative::new()).call(vec![value])
}

/// Levels of operators from which a chain becomes one function.
const LONG_CHAIN: usize = 12;

/// A step of a computation with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// Push an argument.
    Argument(usize),
    /// Replace the two values on top by their result.
    Apply(Op),
}

/// The function behind arithmetic operators.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    steps: Vec<Step>,
    /// The operators on the longest way down.
    levels: usize,
    /// The result's type when the operator was planned.
    known: Option<DataType>,
    signature: Signature,
}

impl Arithmetic {
    fn new(op: Op) -> Self {
        let steps = vec![Step::Argument(0), Step::Argument(1), Step::Apply(op)];
        let signature = Signature::any(2, Volatility::Immutable);
        Self { steps, levels: 1, known: None, signature }
    }

    /// Runs the steps over values of any kind.
    fn fold<T: Clone>(
        &self,
        arguments: &[T],
        mut apply: impl FnMut(Op, &T, &T) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let wrong = || external(Error::internal("an operator takes two values"));
        let mut stack: Vec<T> = Vec::new();
        for step in &self.steps {
            let value = match step {
                Step::Argument(position) => arguments.get(*position).ok_or_else(wrong)?.clone(),
                Step::Apply(op) => {
                    let right = stack.pop().ok_or_else(wrong)?;
                    let left = stack.pop().ok_or_else(wrong)?;
                    apply(*op, &left, &right)?
                }
            };
            stack.push(value);
        }
        stack.pop().ok_or_else(wrong)
    }
}

/// Returns the type of `left op right`, or the error that there is no such operator.
fn require_type(op: Op, left: &DataType, right: &DataType) -> QueryResult<DataType> {
    result_type(op, left, right).ok_or_else(|| {
        let side = |data_type: &DataType| title_of_field(&Field::new("", data_type.clone(), true));
        external(no_operator(&format!("{} {} {}", side(left), op.sign(), side(right))))
    })
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match self.steps.last() {
            Some(Step::Apply(op)) => op.sign(),
            _ => "+",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> QueryResult<String> {
        let names: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        self.fold(&names, |op, left, right| Ok(format!("({left} {} {right})", op.sign())))
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        self.fold(types, require_type)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        // The last step gives the type that was promised when the query was planned.
        let mut steps = self.steps.iter().filter(|step| matches!(step, Step::Apply(_))).count();
        self.fold(&args.args, |op, left, right| {
            steps -= 1;
            let target = if steps == 0 {
                args.return_field.data_type().clone()
            } else {
                require_type(op, &left.data_type(), &right.data_type())?
            };
            compute(op, left, right, &target).map_err(external)
        })
    }
}

/// Computes `left op right` as values of type `target`.
pub(super) fn compute(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    target: &DataType,
) -> Result<ColumnarValue> {
    if left.data_type().is_null() || right.data_type().is_null() {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from(target).ours()?));
    }
    match target {
        DataType::Int16 | DataType::Int32 | DataType::Int64 if is_number(&left.data_type()) => {
            let (left, right) = (widen(left, target)?, widen(right, target)?);
            apply(&left, &right, |left, right| kernel(op, left, right))
                .ours()
                .map_err(|error| out_of_range(error, target))
        }
        DataType::Float32 | DataType::Float64 => {
            let (left, right) = (widen(left, target)?, widen(right, target)?);
            let result = apply(&left, &right, |left, right| kernel(op, left, right)).ours()?;
            float::check(op, [&left, &right, &result])?;
            Ok(result)
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            decimal::compute(op, left, right, target)
        }
        _ => {
            let value = temporal::compute(op, left, right, target)?;
            refuse_far(&value)?;
            Ok(value)
        }
    }
}

/// Refuses dates and timestamps that their types do not hold.
fn refuse_far(value: &ColumnarValue) -> Result {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    /// The first day of the year 4713 BC.
    const FIRST: i64 = -2_440_550;
    /// The day after the last one of the year 262141.
    const END: i64 = 95_025_872;
    let fits = |day: i64| (FIRST..END).contains(&day);
    let array = match value {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(scalar) => scalar.to_array().ours()?,
    };
    let (all, title) = match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            (days.iter().flatten().all(|day| fits(day.into())), "date")
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>();
            let day = |micros: i64| micros.div_euclid(MICROS_PER_DAY);
            (moments.iter().flatten().all(|micros| fits(day(micros))), "timestamp")
        }
        _ => return Ok(()),
    };
    if all {
        Ok(())
    } else {
        Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{title} out of range")))
    }
}

fn kernel(
    op: Op,
    left: &dyn Datum,
    right: &dyn Datum,
) -> std::result::Result<ArrayRef, ArrowError> {
    match op {
        Op::Add => numeric::add(left, right),
        Op::Subtract => numeric::sub(left, right),
        Op::Multiply => numeric::mul(left, right),
        Op::Divide => numeric::div(left, right),
        Op::Modulo => numeric::rem(left, right),
    }
}

/// Gives an overflow the message that names its type.
pub(super) fn out_of_range(error: Error, data_type: &DataType) -> Error {
    if error.code() != SqlState::NUMERIC_VALUE_OUT_OF_RANGE {
        return error;
    }
    match sql_type_of_arrow(data_type) {
        Some(sql_type) => overflow(&title_of_type(&sql_type)),
        None => error,
    }
}

/// Returns the error of a result that its type cannot hold.
pub(super) fn overflow(title: &str) -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{title} out of range"))
}

/// Returns the error of a division by zero.
pub(super) fn division_by_zero() -> Error {
    Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

/// Returns `value` in a wider type of its kind.
pub(super) fn widen(value: &ColumnarValue, target: &DataType) -> Result<ColumnarValue> {
    if &value.data_type() == target {
        return Ok(value.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    match value {
        ColumnarValue::Array(array) => {
            Ok(ColumnarValue::Array(cast_with_options(array, target, &options).ours()?))
        }
        ColumnarValue::Scalar(scalar) => {
            let array = cast_with_options(&scalar.to_array().ours()?, target, &options).ours()?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0).ours()?))
        }
    }
}

/// The function behind unary minus.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Negative {
    signature: Signature,
}

impl Negative {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Negative {
    fn name(&self) -> &'static str {
        "negative"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> QueryResult<String> {
        Ok(format!("(- {})", args[0].schema_name()))
    }

    fn return_type(&self, types: &[DataType]) -> QueryResult<DataType> {
        match &types[0] {
            DataType::Null => Ok(DataType::Int64),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                Ok(DataType::Int64)
            }
            other if is_number(other) || matches!(other, DataType::Interval(_)) => {
                Ok(other.clone())
            }
            other => {
                let title = title_of_field(&Field::new("", other.clone(), true));
                Err(external(no_operator(&format!("- {title}"))))
            }
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let target = args.return_field.data_type();
        if args.args[0].data_type().is_null() {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(target)?));
        }
        let value = widen(&args.args[0], target).map_err(external)?;
        let negated = |array: &ArrayRef| {
            numeric::neg(array).ours().map_err(|error| external(out_of_range(error, target)))
        };
        match &value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(negated(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = negated(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}
