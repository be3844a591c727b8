//! Foreign keys of a new table: what they reference exists, is a key, and has fitting types.

use super::column::require_column;
use super::constraint::{WantedKind, free_name};
use super::create_table::Draft;
use crate::catalog::{ColumnDescriptor, ColumnId, ForeignKey, Privilege, TableDescriptor};
use crate::error::{Error, Result, Span, SqlState};
use crate::syntax::ast::{Ident, References};
use crate::types::SqlType;

/// Adds the foreign keys. One that references the table itself keeps the table's id, which is 0
/// until the table is made.
pub(super) fn add_foreign_keys(draft: &mut Draft<'_>) -> Result {
    let table = draft.table.clone();
    for wanted in draft.wanted.clone() {
        let WantedKind::ForeignKey(columns, references) = wanted.kind else { continue };
        check_actions(references, wanted.span)?;
        let referenced = referenced_table(draft, &table, references)?;
        let columns = referencing_columns(&table, &columns)?;
        let targets = referenced_columns(referenced, references, wanted.span)?;
        if columns.len() != targets.len() {
            return Err(Error::new(
                SqlState::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            )
            .at(wanted.span));
        }
        require_key(referenced, &targets, wanted.span)?;
        let name = match (wanted.name, columns.first()) {
            (Some(name), _) => name.value.clone(),
            (None, first) => {
                let column = first.map_or("", |column| column.name.as_str());
                let base = format!("fk_{column}_ref_{}", referenced.name);
                free_name(&mut draft.constraint_names, &base)
            }
        };
        for (column, target) in columns.iter().zip(&targets) {
            require_same_family(&name, column, target, wanted.span)?;
        }
        draft.table.foreign_keys.push(ForeignKey {
            name,
            columns: ids(&columns),
            references: referenced.id,
            referenced_columns: ids(&targets),
            on_delete: references.on_delete.clone(),
            on_update: references.on_update.clone(),
        });
    }
    Ok(())
}

/// Refuses what would change other rows, and matches other than SIMPLE.
fn check_actions(references: &References, span: Span) -> Result {
    let unsupported = |what: String| {
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported yet")).at(span)
    };
    let actions = [("ON DELETE", &references.on_delete), ("ON UPDATE", &references.on_update)];
    for (event, action) in actions {
        if let Some(action) = action
            && !matches!(action.as_str(), "NO ACTION" | "RESTRICT")
        {
            return Err(unsupported(format!("{event} {action}")));
        }
    }
    match references.match_type.as_deref() {
        None | Some("SIMPLE") => Ok(()),
        Some(other) => Err(unsupported(format!("MATCH {other}"))),
    }
}

/// Returns the referenced table: one that exists in the same database, or the new one itself. The
/// user must be able to read it, since a foreign key tells which keys it has.
fn referenced_table<'t>(
    draft: &Draft<'t>,
    own: &'t TableDescriptor,
    references: &References,
) -> Result<&'t TableDescriptor> {
    let planner = draft.planner;
    let target = planner.resolve(&references.table)?;
    if target.database.id != own.database {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "foreign keys to another database are not supported",
        )
        .at(references.table.span));
    }
    if target.name.value == own.name {
        return Ok(own);
    }
    let table = planner.require_table(&references.table)?;
    planner.require_on_table(Privilege::Select, table, references.table.span)?;
    Ok(table)
}

fn referencing_columns<'t>(
    table: &'t TableDescriptor,
    names: &[&Ident],
) -> Result<Vec<&'t ColumnDescriptor>> {
    let mut columns: Vec<&ColumnDescriptor> = Vec::with_capacity(names.len());
    for name in names {
        let column = require_column(table, name)?;
        if columns.iter().any(|each| each.id == column.id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" appears twice in foreign key", name.value),
            )
            .at(name.span));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Returns the referenced columns; if none are named, those of the primary key.
fn referenced_columns<'t>(
    table: &'t TableDescriptor,
    references: &References,
    span: Span,
) -> Result<Vec<&'t ColumnDescriptor>> {
    if references.columns.is_empty() {
        let Some(key) = &table.primary_key else {
            return Err(Error::new(
                SqlState::INVALID_FOREIGN_KEY,
                format!("there is no primary key for referenced table \"{}\"", table.name),
            )
            .at(span));
        };
        return Ok(key.key.iter().filter_map(|part| table.column_by_id(part.column)).collect());
    }
    let mut columns: Vec<&ColumnDescriptor> = Vec::with_capacity(references.columns.len());
    for name in &references.columns {
        let Some(column) = table.column(&name.value) else {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{}\" referenced in foreign key constraint does not exist",
                    name.value
                ),
            )
            .at(name.span));
        };
        if columns.iter().any(|each| each.id == column.id) {
            return Err(Error::new(
                SqlState::INVALID_FOREIGN_KEY,
                "foreign key referenced-columns list must not contain duplicates",
            )
            .at(name.span));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Requires columns to be a primary or unique key of their table, in any order.
fn require_key(table: &TableDescriptor, columns: &[&ColumnDescriptor], span: Span) -> Result {
    let columns = ids(columns);
    if table.all_indexes().any(|index| index.is_key_of(&columns)) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::INVALID_FOREIGN_KEY,
        format!(
            "there is no unique constraint matching given keys for referenced table \"{}\"",
            table.name
        ),
    )
    .at(span))
}

/// Requires two columns to have types whose values compare as they are.
fn require_same_family(
    name: &str,
    column: &ColumnDescriptor,
    target: &ColumnDescriptor,
    span: Span,
) -> Result {
    if family(&column.sql_type) == family(&target.sql_type) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!("foreign key constraint \"{name}\" cannot be implemented"),
    )
    .detail(format!(
        "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
        column.name, target.name, column.sql_type, target.sql_type
    ))
    .at(span))
}

/// Returns a type that stands for all that hold the same kind of value.
fn family(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Int2 | SqlType::Int4 => SqlType::Int8,
        SqlType::Float4 => SqlType::Float8,
        SqlType::Decimal(_) => SqlType::Decimal(None),
        SqlType::String { .. } => SqlType::STRING,
        other => other.clone(),
    }
}

fn ids(columns: &[&ColumnDescriptor]) -> Vec<ColumnId> {
    columns.iter().map(|column| column.id).collect()
}

#[cfg(test)]
mod tests {
    use crate::catalog::{ColumnId, TableId};
    use crate::plan::fixture::{Session, fails, table};

    fn refused(elements: &str, code: &str, message: &str) {
        fails(&format!("CREATE TABLE t ({elements})"), code, message);
    }

    #[test]
    fn references_the_primary_key_unless_told() {
        let table = table("CREATE TABLE t (a INT8, c INT4 REFERENCES customers)");
        let key = &table.foreign_keys[0];
        assert_eq!(key.name, "fk_c_ref_customers");
        assert_eq!(
            (key.columns.as_slice(), key.references),
            ([ColumnId(2)].as_slice(), TableId(1))
        );
        assert_eq!(key.referenced_columns, [ColumnId(1)]);
    }

    #[test]
    fn references_a_unique_key() {
        let table = table(
            "CREATE TABLE t (mail STRING, CONSTRAINT m FOREIGN KEY (mail) REFERENCES customers \
             (email) ON DELETE RESTRICT ON UPDATE NO ACTION)",
        );
        let key = &table.foreign_keys[0];
        assert_eq!(key.name, "m");
        assert_eq!(key.on_delete.as_deref(), Some("RESTRICT"));
        assert_eq!(key.on_update.as_deref(), Some("NO ACTION"));
    }

    #[test]
    fn references_the_table_itself_by_zero() {
        let table = table("CREATE TABLE t (id INT8 PRIMARY KEY, parent INT8 REFERENCES t (id))");
        assert_eq!(table.foreign_keys[0].references, TableId(0));
        assert_eq!(table.foreign_keys[0].name, "fk_parent_ref_t");
    }

    #[test]
    fn takes_the_columns_of_a_key_in_any_order() {
        let table = table(
            "CREATE TABLE t (a INT8, b INT8, c INT8, d INT8, PRIMARY KEY (a, b), \
             FOREIGN KEY (c, d) REFERENCES t (b, a))",
        );
        assert_eq!(table.foreign_keys[0].referenced_columns, [ColumnId(2), ColumnId(1)]);
    }

    #[test]
    fn refuses_what_is_missing_or_no_key() {
        refused("a INT8 REFERENCES nope", "42P01", "relation \"nope\" does not exist");
        refused("a INT8 REFERENCES shop.items", "0A000", "foreign keys to another database");
        refused("a INT8 REFERENCES customers (nope)", "42703", "column \"nope\" referenced in");
        refused("a INT8, FOREIGN KEY (b) REFERENCES customers", "42703", "column \"b\"");
        refused(
            "a INT8 REFERENCES customers (age)",
            "42830",
            "there is no unique constraint matching given keys for referenced table \"customers\"",
        );
        refused("a INT8, b INT8 REFERENCES t", "42830", "there is no primary key for referenced");
        refused(
            "a INT8, b INT8, FOREIGN KEY (a, b) REFERENCES customers (id)",
            "42830",
            "number of referencing and referenced columns for foreign key disagree",
        );
    }

    #[test]
    fn refuses_types_of_another_family() {
        let sql = "CREATE TABLE t (a STRING REFERENCES customers)";
        let error = fails(sql, "42804", "\"fk_a_ref_customers\" cannot be implemented");
        assert_eq!(
            error.detail_text(),
            Some("Key columns \"a\" and \"id\" are of incompatible types: STRING and INT8.")
        );
    }

    #[test]
    fn refuses_actions_that_change_rows() {
        refused(
            "a INT8 REFERENCES customers ON DELETE CASCADE",
            "0A000",
            "ON DELETE CASCADE is not supported yet",
        );
        refused("a INT8 REFERENCES customers ON UPDATE SET NULL", "0A000", "ON UPDATE SET NULL");
        refused("a INT8 REFERENCES customers MATCH FULL", "0A000", "MATCH FULL is not supported");
    }

    #[test]
    fn requires_to_read_the_referenced_table() {
        let alice = Session::default().user("alice");
        alice.planned("CREATE TABLE t (a INT8 REFERENCES customers)");
        alice.fails(
            "CREATE TABLE t (a INT8 REFERENCES orders)",
            "42501",
            "user alice does not have SELECT privilege on relation orders",
        );
    }
}
