//! The order of intervals: a function that maps an interval to its length.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::logical_expr::Expr;

use super::Simple;
use crate::error::Result;
use crate::query::error::IntoOurs;
use crate::types::{SqlType, interval_order};

/// The functions here.
pub(super) static FUNCTIONS: &[Simple] = &[Simple {
    name: "interval_key",
    takes: &[SqlType::Interval],
    optional: 0,
    returns: SqlType::Decimal(Some((38, 0))),
    run: keys,
}];

/// Returns what stands for an interval in comparisons and sorting.
pub(in crate::query) fn key(value: Expr) -> Expr {
    FUNCTIONS[0].call(vec![value])
}

fn keys(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let values = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
    let keys: Decimal128Array = values
        .iter()
        .map(|value| value.map(|value| interval_order(value.months, value.days, value.nanoseconds)))
        .collect();
    Ok(Arc::new(keys.with_precision_and_scale(38, 0).ours()?))
}
