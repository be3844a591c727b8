//! INSERT: target columns, the counts of VALUES cells, privileges.
//!
//! Without a column list the targets are the columns that are not computed, in table order; a row
//! of VALUES may then be shorter, or hold DEFAULT at each computed column too. For a query without a
//! column list `session` cuts the targets to the query's width.

use std::collections::BTreeSet;

use super::{Insert, InsertSource, Plan, Planner, query};
use crate::catalog::{ColumnDescriptor, ColumnId, Privilege, TableDescriptor};
use crate::error::{Error, Result, Span, SqlState};
use crate::plan::suggestion::did_you_mean;
use crate::syntax::ast::{self, Ident, InsertValue};

/// Plans an INSERT.
pub(super) fn plan_insert(planner: &Planner<'_>, insert: &ast::Insert) -> Result<Plan> {
    let table = planner.require_table(&insert.table)?;
    planner.require_on_table(Privilege::Insert, table, insert.table.span)?;
    let listed = !insert.columns.is_empty();
    let mut targets =
        if listed { listed_columns(table, &insert.columns)? } else { writable_columns(table) };
    let source = match &insert.source {
        None => {
            targets.clear();
            InsertSource::Defaults
        }
        Some(source) => {
            let checked = query::plan_query(planner, source)?;
            match &source.values {
                None => InsertSource::Query(checked),
                Some(rows) => {
                    let rows = checked_rows(table, &mut targets, rows, listed)?;
                    InsertSource::Values(rows)
                }
            }
        }
    };
    let columns = targets.iter().map(|column| column.id).collect::<Vec<ColumnId>>();
    Ok(Plan::Insert(Box::new(Insert { table: table.id, columns, source })))
}

/// Returns the columns that may be written.
pub(super) fn writable_columns(table: &TableDescriptor) -> Vec<&ColumnDescriptor> {
    table.columns.iter().filter(|column| column.computed.is_none()).collect()
}

/// Returns the columns of a list: each exists, is not computed, and stands there once.
pub(super) fn listed_columns<'t>(
    table: &'t TableDescriptor,
    names: &[Ident],
) -> Result<Vec<&'t ColumnDescriptor>> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = table.column(&name.value) else {
            let error = Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{}\" of relation \"{}\" does not exist", name.value, table.name),
            );
            let known = table.columns.iter().map(|column| column.name.as_str());
            return Err(did_you_mean(error.at(name.span), &name.value, known));
        };
        if !seen.insert(column.id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", name.value),
            )
            .at(name.span));
        }
        if column.computed.is_some() {
            return Err(computed_column(column, name.span));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Returns the error that a value is given to a computed column.
fn computed_column(column: &ColumnDescriptor, span: Span) -> Error {
    Error::new(
        SqlState::INVALID_COLUMN_REFERENCE,
        format!("cannot write directly to computed column \"{}\"", column.name),
    )
    .at(span)
}

/// The cells of VALUES, each as its text and place, or `None` for DEFAULT.
type Cells = Vec<Vec<Option<(String, usize)>>>;

/// Checks rows of VALUES against the targets; cuts the targets where rows may be shorter.
fn checked_rows(
    table: &TableDescriptor,
    targets: &mut Vec<&ColumnDescriptor>,
    rows: &[Vec<InsertValue>],
    listed: bool,
) -> Result<Cells> {
    let width = rows.first().map_or(0, Vec::len);
    for row in rows {
        if row.len() != width {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "VALUES lists must all be the same length",
            )
            .at(row.first().map_or(Span::default(), place)));
        }
    }
    let mut kept: Vec<usize> = (0..width).collect();
    if width > targets.len() {
        let first_row = rows.first().map_or(&[][..], Vec::as_slice);
        if listed || width != table.columns.len() {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "INSERT has more expressions than target columns",
            )
            .at(first_row.get(targets.len()).map_or(Span::default(), place)));
        }
        kept.retain(|at| table.columns[*at].computed.is_none());
        require_defaults(table, rows)?;
    } else if width < targets.len() {
        if listed {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "INSERT has more target columns than expressions",
            )
            .at(rows.first().and_then(|row| row.last()).map_or(Span::default(), place)));
        }
        targets.truncate(width);
    }
    rows.iter().map(|row| kept.iter().map(|at| cell(&row[*at])).collect()).collect()
}

/// Requires DEFAULT at each computed column of rows that are as wide as the table.
fn require_defaults(table: &TableDescriptor, rows: &[Vec<InsertValue>]) -> Result {
    for row in rows {
        for (column, value) in table.columns.iter().zip(row) {
            if let (Some(_), InsertValue::Expr(expr)) = (&column.computed, value) {
                return Err(computed_column(column, expr.span));
            }
        }
    }
    Ok(())
}

/// Returns a cell's text and place; a cell outside a subquery cannot name columns.
fn cell(value: &InsertValue) -> Result<Option<(String, usize)>> {
    let InsertValue::Expr(expr) = value else { return Ok(None) };
    if let (Some(column), false) = (expr.columns.first(), expr.has_subquery) {
        return Err(Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{}\" does not exist", column.value),
        )
        .at(column.span)
        .hint("VALUES cannot name columns. Text stands in single quotes."));
    }
    Ok(Some((expr.text.clone(), expr.span.start)))
}

fn place(value: &InsertValue) -> Span {
    match value {
        InsertValue::Default(span) => *span,
        InsertValue::Expr(expr) => expr.span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    fn insert(sql: &str) -> Insert {
        match planned(sql).plan {
            Plan::Insert(insert) => *insert,
            other => panic!("{other:?}"),
        }
    }

    fn numbers(insert: &Insert) -> Vec<u32> {
        insert.columns.iter().map(|id| id.0).collect()
    }

    #[test]
    fn targets_the_listed_columns_in_their_order() {
        let insert = insert("INSERT INTO customers (name, id) VALUES ('a', 1), (DEFAULT, 2)");
        assert_eq!(numbers(&insert), [2, 1]);
        let InsertSource::Values(rows) = insert.source else { panic!("values") };
        assert_eq!(rows[0], [Some(("'a'".into(), 41)), Some(("1".into(), 46))]);
        assert_eq!(rows[1][0], None);
    }

    #[test]
    fn targets_all_columns_that_are_not_computed_without_a_list() {
        // orders: id, customer, total, tax (computed), note
        assert_eq!(numbers(&insert("INSERT INTO orders SELECT 1, 2, 3, 'x'")), [1, 2, 3, 5]);
        assert_eq!(numbers(&insert("INSERT INTO orders VALUES (1, 2, 3, 'x')")), [1, 2, 3, 5]);
        assert_eq!(numbers(&insert("INSERT INTO orders VALUES (1, 2)")), [1, 2]);
        let wide = insert("INSERT INTO orders VALUES (1, 2, 3, DEFAULT, 'x')");
        assert_eq!(numbers(&wide), [1, 2, 3, 5]);
        let InsertSource::Values(rows) = wide.source else { panic!("values") };
        assert_eq!(rows[0].len(), 4);
    }

    #[test]
    fn takes_default_values() {
        let insert = insert("INSERT INTO orders DEFAULT VALUES");
        assert!(matches!(insert.source, InsertSource::Defaults));
        assert!(insert.columns.is_empty());
    }

    #[test]
    fn refuses_wrong_columns() {
        fails(
            "INSERT INTO customers (nam) VALUES (1)",
            "42703",
            "column \"nam\" of relation \"customers\" does not exist",
        );
        fails("INSERT INTO customers (id, id) VALUES (1, 2)", "42701", "specified more than once");
        let text = "cannot write directly to computed column \"tax\"";
        fails("INSERT INTO orders (tax) VALUES (1)", "42P10", text);
        fails("INSERT INTO orders VALUES (1, 2, 3, 4, 'x')", "42P10", text);
    }

    #[test]
    fn refuses_wrong_counts() {
        let more = "INSERT has more expressions than target columns";
        fails("INSERT INTO customers (id) VALUES (1, 2)", "42601", more);
        fails("INSERT INTO customers VALUES (1, 2, 3, 4, 5)", "42601", more);
        fails(
            "INSERT INTO customers (id, name) VALUES (1)",
            "42601",
            "INSERT has more target columns than expressions",
        );
        fails("INSERT INTO customers VALUES (1), (1, 2)", "42601", "must all be the same length");
    }

    #[test]
    fn refuses_column_names_in_values() {
        fails("INSERT INTO customers VALUES (id)", "42703", "column \"id\" does not exist");
    }

    #[test]
    fn requires_insert_and_select() {
        let testuser = Session::default().user("testuser");
        testuser.fails(
            "INSERT INTO customers VALUES (1)",
            "42501",
            "user testuser does not have INSERT privilege on relation customers",
        );
        let alice = Session::default().user("alice");
        alice.planned("INSERT INTO customers VALUES (1)");
        alice.fails(
            "INSERT INTO customers SELECT id FROM orders",
            "42501",
            "user alice does not have SELECT privilege on relation orders",
        );
    }
}
