//! Columns of a new table: names, types, NULL, DEFAULT and computed columns.

use super::create_table::Draft;
use super::suggestion::did_you_mean;
use crate::catalog::{ColumnDescriptor, ColumnId, TableDescriptor, named_sequence};
use crate::error::{Error, Result, Span, SqlState};
use crate::syntax::ast::{ColumnConstraintKind, ColumnElement, Expr, Ident, TableElement};
use crate::types::SqlType;

/// The default of SERIAL and IDENTITY columns.
const UNIQUE_ROWID: &str = "unique_rowid()";

/// Functions of sequences.
const OF_SEQUENCES: [&str; 4] = ["currval", "lastval", "nextval", "setval"];

/// Functions whose value depends on more than their arguments: no computed column may call them.
const VOLATILE: [&str; 20] = [
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "currval",
    "gen_random_uuid",
    "lastval",
    "localtime",
    "localtimestamp",
    "nextval",
    "now",
    "random",
    "session_user",
    "setval",
    "statement_timestamp",
    "transaction_timestamp",
    "unique_rowid",
    "uuid",
    "uuid_generate_v4",
];

/// Returns the column of `table` called `name`.
pub(super) fn require_column<'t>(
    table: &'t TableDescriptor,
    name: &Ident,
) -> Result<&'t ColumnDescriptor> {
    table.column(&name.value).ok_or_else(|| {
        let error = Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{}\" does not exist", name.value),
        );
        let known = table.columns.iter().map(|column| column.name.as_str());
        did_you_mean(error.at(name.span), &name.value, known)
    })
}

/// What the clauses of a column say.
#[derive(Default)]
struct Clauses<'e> {
    /// `NULL` (true) or `NOT NULL` (false).
    nullable: Option<bool>,
    default: Option<&'e Expr>,
    computed: Option<&'e Expr>,
    identity: bool,
    primary_key: bool,
}

/// Adds a column; its constraints on the table come later.
pub(super) fn add_column(draft: &mut Draft<'_>, element: &ColumnElement) -> Result {
    let name = &element.name;
    if draft.table.column(&name.value).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{}\" specified more than once", name.value),
        )
        .at(name.span));
    }
    let (sql_type, serial) = column_type(element)?;
    let clauses = read_clauses(element, serial)?;
    if clauses.identity && !matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "identity column type must be INT2, INT4 or INT8",
        )
        .at(element.type_span));
    }
    let generated = serial || clauses.identity;
    let default = match clauses.default {
        Some(expr) => {
            check_sequences(draft, expr)?;
            Some(default_text(expr)?)
        }
        None => generated.then(|| UNIQUE_ROWID.to_owned()),
    };
    let id = draft.table.next_column;
    draft.table.next_column = ColumnId(id.0 + 1);
    draft.table.columns.push(ColumnDescriptor {
        id,
        name: name.value.clone(),
        sql_type,
        nullable: clauses.nullable.unwrap_or(!generated),
        default,
        computed: clauses.computed.map(|expr| expr.text.clone()),
    });
    Ok(())
}

/// Returns a column's type and whether it is SERIAL.
fn column_type(element: &ColumnElement) -> Result<(SqlType, bool)> {
    if let Some(sql_type) = SqlType::is_serial(&element.type_name) {
        return Ok((sql_type, true));
    }
    let sql_type =
        SqlType::parse(&element.type_name).map_err(|error| error.at(element.type_span))?;
    match &element.collation {
        None => Ok((sql_type, false)),
        Some(name) => {
            let collated = sql_type.with_collation(&name.value);
            Ok((collated.map_err(|error| error.at(name.span))?, false))
        }
    }
}

/// Reads a column's clauses, and refuses those that contradict each other.
fn read_clauses(element: &ColumnElement, serial: bool) -> Result<Clauses<'_>> {
    let column = &element.name.value;
    let mut clauses = Clauses::default();
    for constraint in &element.constraints {
        let span = constraint.span;
        match &constraint.kind {
            ColumnConstraintKind::Null => set_nullable(&mut clauses, true, column, span)?,
            ColumnConstraintKind::NotNull => set_nullable(&mut clauses, false, column, span)?,
            ColumnConstraintKind::PrimaryKey => clauses.primary_key = true,
            ColumnConstraintKind::Default(expr) => {
                if clauses.default.replace(expr).is_some() {
                    return Err(clash("multiple default values specified", column, span));
                }
            }
            ColumnConstraintKind::Computed(expr) => {
                if clauses.computed.replace(expr).is_some() {
                    return Err(clash("multiple generation expressions specified", column, span));
                }
            }
            ColumnConstraintKind::Identity => {
                if clauses.identity {
                    return Err(clash("multiple identity specifications", column, span));
                }
                clauses.identity = true;
            }
            ColumnConstraintKind::Unique
            | ColumnConstraintKind::Check(_)
            | ColumnConstraintKind::References(_)
            | ColumnConstraintKind::Family(_) => {}
        }
    }
    let generated = serial || clauses.identity;
    if clauses.nullable == Some(true) && (generated || clauses.primary_key) {
        return Err(clash("conflicting NULL/NOT NULL declarations", column, element.span));
    }
    let values = [clauses.default.is_some(), clauses.computed.is_some(), clauses.identity, serial];
    if values.into_iter().filter(|given| *given).count() > 1 {
        let what = match (clauses.computed, serial || clauses.identity) {
            (Some(_), false) => "both default and generation expression specified",
            (Some(_), true) => "both generated value and generation expression specified",
            (None, _) => "multiple default values specified",
        };
        return Err(clash(what, column, element.span));
    }
    Ok(clauses)
}

fn set_nullable(clauses: &mut Clauses<'_>, nullable: bool, column: &str, span: Span) -> Result {
    if clauses.nullable.is_some_and(|other| other != nullable) {
        return Err(clash("conflicting NULL/NOT NULL declarations", column, span));
    }
    clauses.nullable = Some(nullable);
    Ok(())
}

fn clash(what: &str, column: &str, span: Span) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, format!("{what} for column \"{column}\"")).at(span)
}

/// Requires the sequences of a DEFAULT to exist; their names are seen from the table's database.
fn check_sequences(draft: &Draft<'_>, expr: &Expr) -> Result {
    let catalog = draft.planner.catalog;
    let database = catalog.database_by_id(draft.table.database);
    let database = database.map_or("", |database| &database.name);
    for name in &expr.sequences {
        named_sequence(catalog, database, &name.value).map_err(|error| error.at(name.span))?;
    }
    Ok(())
}

/// Refuses functions of sequences where an expression may be evaluated more than once for a row.
pub(super) fn refuse_sequences(expr: &Expr, place: &str) -> Result {
    match expr.functions.iter().find(|name| OF_SEQUENCES.contains(&name.as_str())) {
        None => Ok(()),
        Some(function) => Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("{place} cannot call {function}()"),
        )
        .at(expr.span)
        .hint("Use DEFAULT for a value that is computed once.")),
    }
}

/// Returns the text of a DEFAULT, which names no columns.
fn default_text(expr: &Expr) -> Result<String> {
    if let Some(column) = expr.columns.first() {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "cannot use column reference in DEFAULT expression",
        )
        .at(column.span));
    }
    refuse_subquery(expr, "DEFAULT expression")?;
    Ok(expr.text.clone())
}

/// Refuses subqueries where an expression must not hold one.
pub(super) fn refuse_subquery(expr: &Expr, place: &str) -> Result {
    if expr.has_subquery {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("cannot use subquery in {place}"),
        )
        .at(expr.span));
    }
    Ok(())
}

/// Checks what computed columns refer to: plain columns of the table, and functions that depend on
/// their arguments alone.
pub(super) fn check_computed(draft: &Draft<'_>, elements: &[TableElement]) -> Result {
    for element in elements {
        let TableElement::Column(element) = element else { continue };
        for constraint in &element.constraints {
            if let ColumnConstraintKind::Computed(expr) = &constraint.kind {
                check_computed_expr(draft, &element.name, expr)?;
            }
        }
    }
    Ok(())
}

fn check_computed_expr(draft: &Draft<'_>, name: &Ident, expr: &Expr) -> Result {
    refuse_subquery(expr, "computed column")?;
    for reference in &expr.columns {
        let column = draft.require_column(reference)?;
        if column.computed.is_some() {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!(
                    "computed column \"{}\" cannot reference computed column \"{}\"",
                    name.value, column.name
                ),
            )
            .at(reference.span));
        }
    }
    for function in &expr.functions {
        if VOLATILE.contains(&function.as_str()) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("computed column \"{}\" cannot call {function}()", name.value),
            )
            .at(expr.span)
            .detail("Its value depends on more than its arguments.")
            .hint("Use DEFAULT for a value that is computed once."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{fails, table};

    fn column(definition: &str) -> ColumnDescriptor {
        table(&format!("CREATE TABLE t ({definition}, z INT8)")).columns[0].clone()
    }

    #[test]
    fn columns_are_nullable_unless_told() {
        assert!(column("a INT8").nullable);
        assert!(column("a INT8 NULL").nullable);
        assert!(!column("a INT8 NOT NULL").nullable);
        assert!(!column("a INT8 PRIMARY KEY").nullable);
    }

    #[test]
    fn serial_and_identity_number_rows() {
        for definition in ["a SERIAL", "a INT8 GENERATED BY DEFAULT AS IDENTITY"] {
            let column = column(definition);
            assert_eq!(column.sql_type, SqlType::Int8, "{definition}");
            assert_eq!(column.default.as_deref(), Some("unique_rowid()"));
            assert!(!column.nullable);
        }
        fails(
            "CREATE TABLE t (a STRING GENERATED ALWAYS AS IDENTITY)",
            "22023",
            "identity column type must be",
        );
    }

    #[test]
    fn keeps_defaults_and_computed_columns_as_text() {
        assert_eq!(column("a INT8 DEFAULT 1 + 2").default.as_deref(), Some("1 + 2"));
        assert_eq!(column("a INT8 AS (z + 1) STORED").computed.as_deref(), Some("z + 1"));
    }

    #[test]
    fn refuses_contradictions() {
        let null = "conflicting NULL/NOT NULL declarations for column \"a\"";
        fails("CREATE TABLE t (a INT8 NULL NOT NULL)", "42601", null);
        fails("CREATE TABLE t (a INT8 NULL PRIMARY KEY)", "42601", null);
        fails("CREATE TABLE t (a SERIAL NULL)", "42601", null);
        let default = "multiple default values specified for column \"a\"";
        fails("CREATE TABLE t (a INT8 DEFAULT 1 DEFAULT 2)", "42601", default);
        fails("CREATE TABLE t (a SERIAL DEFAULT 2)", "42601", default);
        fails(
            "CREATE TABLE t (a INT8 DEFAULT 1 AS (2) STORED)",
            "42601",
            "both default and generation expression specified for column \"a\"",
        );
    }

    #[test]
    fn refuses_wrong_types_and_names() {
        fails("CREATE TABLE t (a INT8, a INT8)", "42701", "column \"a\" specified more than once");
        let error = fails("CREATE TABLE t (a STRNG)", "42704", "type \"strng\" does not exist");
        assert!(error.place().is_some());
    }

    #[test]
    fn refuses_columns_and_subqueries_in_defaults() {
        fails(
            "CREATE TABLE t (a INT8, b INT8 DEFAULT a)",
            "0A000",
            "cannot use column reference in DEFAULT expression",
        );
        fails(
            "CREATE TABLE t (a INT8 DEFAULT (SELECT 1))",
            "0A000",
            "cannot use subquery in DEFAULT expression",
        );
    }

    #[test]
    fn computed_columns_stand_on_plain_columns() {
        fails("CREATE TABLE t (a INT8 AS (b + 1) STORED)", "42703", "column \"b\" does not exist");
        fails(
            "CREATE TABLE t (a INT8, b INT8 AS (a) STORED, c INT8 AS (b) STORED)",
            "42P16",
            "computed column \"c\" cannot reference computed column \"b\"",
        );
        fails(
            "CREATE TABLE t (a INT8, b TIMESTAMPTZ AS (now()) STORED)",
            "42P16",
            "computed column \"b\" cannot call now()",
        );
    }
}
