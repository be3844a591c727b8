//! From filters to ranges of columns, and from ranges to the segments that can be skipped.
//!
//! A range is only ever wider than its filter: rows are filtered again above the scan, unless the
//! scan can try the very condition on the integers that stand for the values.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::{Expr, Operator};

use super::cast::strict;
use crate::catalog::{ColumnDescriptor, TableDescriptor};
use crate::store::{ColumnFilter, ColumnRange, ColumnStatistics, Segment};
use crate::types::{self, SqlType};

/// The longest list of IN that is looked through for its least and greatest value.
const LONGEST_LIST: usize = 1000;

/// The values that a filter allows for one column, in query form.
#[derive(Clone, Debug)]
struct Allowed {
    column: String,
    low: Option<ScalarValue>,
    high: Option<ScalarValue>,
}

/// Returns the ranges that filters, which all hold, imply.
pub(super) fn ranges<'a>(
    filters: impl IntoIterator<Item = &'a Expr>,
    table: &TableDescriptor,
) -> Vec<ColumnRange> {
    let mut allowed = Vec::new();
    for filter in filters {
        conjuncts(filter, &mut allowed);
    }
    allowed.into_iter().filter_map(|each| to_range(&each, table)).collect()
}

fn conjuncts(filter: &Expr, into: &mut Vec<Allowed>) {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            conjuncts(left, into);
            conjuncts(right, into);
        }
        Expr::Between(between) if !between.negated => {
            if let (Some(column), Some(low), Some(high)) =
                (column_of(&between.expr), literal_of(&between.low), literal_of(&between.high))
            {
                let (low, high) = (Some(low.clone()), Some(high.clone()));
                into.push(Allowed { column: column.name.clone(), low, high });
            }
        }
        other => into.extend(allowed(other)),
    }
}

fn allowed(filter: &Expr) -> Option<Allowed> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            hull(allowed(left)?, allowed(right)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (column_of(left), literal_of(right)) {
                (Some(column), Some(value)) => (column, *op, value),
                _ => (column_of(right)?, op.swap()?, literal_of(left)?),
            };
            let bound = Some(value.clone());
            let (low, high) = match op {
                Operator::Eq => (bound.clone(), bound),
                Operator::Lt | Operator::LtEq => (None, bound),
                Operator::Gt | Operator::GtEq => (bound, None),
                _ => return None,
            };
            Some(Allowed { column: column.name.clone(), low, high })
        }
        Expr::InList(InList { expr, list, negated: false }) if list.len() <= LONGEST_LIST => {
            let column = column_of(expr)?.name.clone();
            list.iter()
                .map(|item| {
                    let value = literal_of(item)?.clone();
                    Some(Allowed {
                        column: column.clone(),
                        low: Some(value.clone()),
                        high: Some(value),
                    })
                })
                .reduce(|left, right| hull(left?, right?))?
        }
        _ => None,
    }
}

/// Returns the range that covers two ranges of one column.
fn hull(left: Allowed, right: Allowed) -> Option<Allowed> {
    if left.column != right.column {
        return None;
    }
    let pick = |left: Option<ScalarValue>, right: Option<ScalarValue>, greater: bool| {
        let (left, right) = (left?, right?);
        let order = left.partial_cmp(&right)?;
        Some(if order.is_gt() == greater { left } else { right })
    };
    Some(Allowed {
        low: pick(left.low, right.low, false),
        high: pick(left.high, right.high, true),
        column: left.column,
    })
}

fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}

fn literal_of(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value),
        _ => None,
    }
}

fn to_range(allowed: &Allowed, table: &TableDescriptor) -> Option<ColumnRange> {
    let column = table.column(&allowed.column)?;
    let bound =
        |value: &Option<ScalarValue>| value.as_ref().and_then(|value| stored(column, value));
    let (low, high) = (bound(&allowed.low), bound(&allowed.high));
    if low.is_none() && high.is_none() {
        return None;
    }
    Some(ColumnRange { column: column.id, low, high })
}

/// Returns a bound in storage form, or nothing for types whose order on disk may differ.
fn stored(column: &ColumnDescriptor, value: &ScalarValue) -> Option<ArrayRef> {
    let array = value.to_array().ok()?;
    let array = strict(&array, &column.sql_type.arrow()).ok()?;
    match column.sql_type {
        // NaN stands outside the statistics; lists and intervals have none.
        SqlType::Float4 | SqlType::Float8 | SqlType::Array(_) | SqlType::Interval => None,
        SqlType::Uuid => types::to_storage(&column.sql_type, &array).ok(),
        _ => Some(array),
    }
}

/// Returns conditions on single columns that together are exactly `filter`, if there are.
pub(super) fn exact(filter: &Expr, table: &TableDescriptor) -> Option<Vec<ColumnFilter>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let mut found = exact(left, table)?;
            found.extend(exact(right, table)?);
            Some(found)
        }
        Expr::Between(between) if !between.negated => {
            let column = table.column(&column_of(&between.expr)?.name)?;
            let low = whole(column, literal_of(&between.low)?)?;
            let high = whole(column, literal_of(&between.high)?)?;
            Some(vec![ColumnFilter { column: column.id, low, high }])
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (column_of(left), literal_of(right)) {
                (Some(column), Some(value)) => (column, *op, value),
                _ => (column_of(right)?, op.swap()?, literal_of(left)?),
            };
            let column = table.column(&column.name)?;
            let value = whole(column, value)?;
            let (low, high) = match op {
                Operator::Eq => (value, value),
                Operator::Lt => (i128::MIN, value.checked_sub(1)?),
                Operator::LtEq => (i128::MIN, value),
                Operator::Gt => (value.checked_add(1)?, i128::MAX),
                Operator::GtEq => (value, i128::MAX),
                _ => return None,
            };
            Some(vec![ColumnFilter { column: column.id, low, high }])
        }
        _ => None,
    }
}

/// Returns the integer that stands for a value of just the column's type.
fn whole(column: &ColumnDescriptor, value: &ScalarValue) -> Option<i128> {
    if value.data_type() != column.sql_type.storage() {
        return None;
    }
    Some(match value {
        ScalarValue::Int16(Some(value)) => (*value).into(),
        ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => (*value).into(),
        ScalarValue::Int64(Some(value))
        | ScalarValue::Time64Microsecond(Some(value))
        | ScalarValue::TimestampMicrosecond(Some(value), _) => (*value).into(),
        ScalarValue::Decimal128(Some(value), _, _) => *value,
        _ => return None,
    })
}

/// Returns the segments that may hold wanted rows.
pub(super) fn segments(all: &[Arc<Segment>], ranges: &[ColumnRange]) -> Vec<Arc<Segment>> {
    all.iter()
        .filter(|segment| {
            ranges.iter().all(|range| {
                let statistics = segment.column_statistics(range.column);
                statistics.is_none_or(|statistics| may_hold(statistics, segment.rows, range))
            })
        })
        .map(Arc::clone)
        .collect()
}

fn may_hold(statistics: &ColumnStatistics, rows: u64, range: &ColumnRange) -> bool {
    let Some(held) = &statistics.range else {
        return statistics.nulls < rows;
    };
    if held.len() != 2 {
        return true;
    }
    let below = range.high.as_ref().is_some_and(|high| is_less(high, &held.slice(0, 1)));
    let above = range.low.as_ref().is_some_and(|low| is_less(&held.slice(1, 1), low));
    !below && !above
}

/// Returns whether the one value of `left` is surely less than that of `right`.
pub(super) fn is_less(left: &ArrayRef, right: &ArrayRef) -> bool {
    let sure = |answer: BooleanArray| answer.len() == 1 && answer.is_valid(0) && answer.value(0);
    left.data_type() == right.data_type() && cmp::lt(left, right).is_ok_and(sure)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array};
    use datafusion::arrow::datatypes::Int64Type;
    use datafusion::logical_expr::{col, lit};

    use super::*;
    use crate::catalog::{ColumnId, DatabaseId, IndexId, TableId};

    fn table() -> TableDescriptor {
        TableDescriptor {
            id: TableId(1),
            database: DatabaseId(1),
            name: "t".into(),
            columns: vec![ColumnDescriptor {
                id: ColumnId(1),
                name: "a".into(),
                sql_type: SqlType::Int8,
                nullable: true,
                default: None,
                computed: None,
            }],
            primary_key: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            next_column: ColumnId(2),
            next_index: IndexId(2),
            families: Vec::new(),
        }
    }

    fn check(filter: &Expr, expected: Option<(Option<i64>, Option<i64>)>) {
        let found = ranges([filter], &table());
        let value = |bound: &Option<ArrayRef>| {
            bound.as_ref().map(|array| array.as_primitive::<Int64Type>().value(0))
        };
        let found = found.first().map(|range| (value(&range.low), value(&range.high)));
        assert_eq!(found, expected, "{filter}");
    }

    #[test]
    fn finds_the_range_of_a_filter() {
        check(&col("a").eq(lit(5_i64)), Some((Some(5), Some(5))));
        check(&lit(5_i64).lt(col("a")), Some((Some(5), None)));
        check(&col("a").in_list(vec![lit(7_i64), lit(3_i64)], false), Some((Some(3), Some(7))));
        check(&col("a").between(lit(1_i64), lit(2_i64)), Some((Some(1), Some(2))));
        check(&col("a").eq(lit(9_i64)).or(col("a").lt(lit(4_i64))), Some((None, Some(9))));
        check(&col("a").not_eq(lit(5_i64)), None);
        check(&col("b").eq(lit(5_i64)), None);
    }

    #[test]
    fn finds_exact_conditions() {
        let check = |filter: &Expr, expected: Option<&[(i128, i128)]>| {
            let found = exact(filter, &table());
            let found: Option<Vec<_>> =
                found.map(|all| all.iter().map(|each| (each.low, each.high)).collect());
            assert_eq!(found.as_deref(), expected, "{filter}");
        };
        check(&col("a").eq(lit(5_i64)), Some(&[(5, 5)]));
        check(&lit(5_i64).lt(col("a")), Some(&[(6, i128::MAX)]));
        check(&col("a").lt(lit(5_i64)), Some(&[(i128::MIN, 4)]));
        check(&col("a").between(lit(1_i64), lit(2_i64)), Some(&[(1, 2)]));
        check(
            &col("a").gt_eq(lit(1_i64)).and(col("a").lt_eq(lit(2_i64))),
            Some(&[(1, i128::MAX), (i128::MIN, 2)]),
        );
        check(&col("a").eq(lit(9_i64)).or(col("a").lt(lit(4_i64))), None);
        check(&col("a").not_eq(lit(5_i64)), None);
        check(&col("a").eq(lit(5_i32)), None);
    }

    #[test]
    fn skips_segments_outside_the_range() {
        let ranges = ranges([&col("a").between(lit(9_i64), lit(10_i64))], &table());
        let kept = |low: i64, high: i64| {
            let range: ArrayRef = Arc::new(Int64Array::from(vec![low, high]));
            let statistics = ColumnStatistics { column: ColumnId(1), range: Some(range), nulls: 0 };
            may_hold(&statistics, 10, &ranges[0])
        };
        assert_eq!(
            [kept(0, 8), kept(0, 9), kept(10, 19), kept(11, 29)],
            [false, true, true, false]
        );
        let empty = ColumnStatistics { column: ColumnId(1), range: None, nulls: 10 };
        assert!(!may_hold(&empty, 10, &ranges[0]));
    }
}
