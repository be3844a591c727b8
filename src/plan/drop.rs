//! DROP TABLE: what exists, who may, and which foreign keys and defaults stand in the way or fall too.

use super::resolve::written;
use super::{Dropped, Plan, Planner};
use crate::catalog::{
    Catalog, ColumnDescriptor, ColumnId, ForeignKey, Privilege, SequenceDescriptor,
    TableDescriptor, TableId, named_sequence,
};
use crate::error::{Error, Notice, Result, SqlState};
use crate::syntax;
use crate::syntax::ast::{self, DropBehavior, ObjectName};

/// Plans a DROP TABLE.
pub(super) fn plan_drop_table(planner: &mut Planner<'_>, drop: &ast::DropTable) -> Result<Plan> {
    let mut tables: Vec<&TableDescriptor> = Vec::new();
    for name in &drop.names {
        let table = if drop.if_exists {
            match existing(planner, name)? {
                Some(table) => table,
                None => continue,
            }
        } else {
            planner.require_table(name)?
        };
        planner.require_on_table(Privilege::Drop, table, name.span)?;
        if !tables.iter().any(|each| each.id == table.id) {
            tables.push(table);
        }
    }
    if tables.is_empty() {
        return Ok(Plan::Nothing { tag: "DROP TABLE" });
    }
    let ids: Vec<TableId> = tables.iter().map(|table| table.id).collect();
    let sequences = owned_sequences(planner, &ids);
    let keys = dependents(planner, &ids);
    let defaults = defaults_of(planner, &sequences, &ids);
    let first = keys.first().map(|(_, key)| key.references);
    let first = first.or_else(|| defaults.first()?.sequence.owner.map(|owner| owner.table));
    if let Some(first) = first {
        let first = planner.catalog.table_by_id(first).map_or("", |table| &table.name);
        allow(planner, drop.behavior, &format!("table \"{first}\""), (&keys, &defaults))?;
    }
    Ok(Plan::DropTables(Dropped {
        tables: ids,
        sequences,
        foreign_keys: keys.into_iter().map(|(table, key)| (table.id, key.name.clone())).collect(),
        defaults: defaults.iter().map(UsedSequence::column).collect(),
    }))
}

/// A foreign key with its table.
pub(super) type Referencing<'a> = (&'a TableDescriptor, &'a ForeignKey);

/// A column whose default takes values of a sequence.
pub(super) struct UsedSequence<'a> {
    table: &'a TableDescriptor,
    used_by: &'a ColumnDescriptor,
    /// The sequence.
    pub(super) sequence: &'a SequenceDescriptor,
}

impl UsedSequence<'_> {
    /// Returns the column.
    pub(super) fn column(&self) -> (TableId, ColumnId) {
        (self.table.id, self.used_by.id)
    }
}

/// Tells what falls too, or refuses to drop `what` because of it.
pub(super) fn allow(
    planner: &mut Planner<'_>,
    behavior: DropBehavior,
    what: &str,
    (keys, defaults): (&[Referencing<'_>], &[UsedSequence<'_>]),
) -> Result {
    let default_of = |used: &UsedSequence<'_>| {
        format!("default value for column {} of table {}", used.used_by.name, used.table.name)
    };
    if behavior == DropBehavior::Cascade {
        let keys = keys
            .iter()
            .map(|(table, key)| format!("constraint {} on table {}", key.name, table.name));
        for fallen in keys.chain(defaults.iter().map(default_of)) {
            planner.notice(Notice::notice(format!("drop cascades to {fallen}")));
        }
        return Ok(());
    }
    let mut details = describe(planner, keys);
    details.extend(defaults.iter().map(|used| {
        let (column, table) = (&used.used_by.name, &used.table.name);
        let sequence = &used.sequence.name;
        format!(
            "The default of column \"{column}\" of table \"{table}\" uses sequence \"{sequence}\"."
        )
    }));
    let hint = match (what.starts_with("table"), keys.is_empty()) {
        (true, false) => "Use DROP TABLE ... CASCADE to drop the foreign keys too.",
        (true, true) => "Use DROP TABLE ... CASCADE to drop the defaults too.",
        (false, _) => "Use DROP SEQUENCE ... CASCADE to drop the defaults too.",
    };
    Err(Error::new(
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .detail(details.join("\n"))
    .hint(hint))
}

/// Returns the sequences that columns of these tables own.
fn owned_sequences(planner: &Planner<'_>, tables: &[TableId]) -> Vec<TableId> {
    let databases = planner.catalog.databases().into_iter();
    let sequences = databases.flat_map(|database| planner.catalog.sequences(database.id));
    let owned = sequences.filter(|one| one.owner.is_some_and(|it| tables.contains(&it.table)));
    owned.map(|sequence| sequence.id).collect()
}

/// Returns the defaults by which tables outside `dropped` take values of these sequences.
pub(super) fn defaults_of<'a>(
    planner: &Planner<'a>,
    sequences: &[TableId],
    dropped: &[TableId],
) -> Vec<UsedSequence<'a>> {
    let mut found = Vec::new();
    if sequences.is_empty() {
        return found;
    }
    for database in planner.catalog.databases() {
        for table in planner.catalog.tables(database.id) {
            if dropped.contains(&table.id) {
                continue;
            }
            for column in &table.columns {
                let used = used_sequences(planner.catalog, &database.name, column);
                let used = used.into_iter().find(|one| sequences.contains(&one.id));
                found.extend(used.map(|sequence| UsedSequence {
                    table,
                    used_by: column,
                    sequence,
                }));
            }
        }
    }
    found
}

/// Returns the sequences that the default of a column takes values of.
pub(super) fn used_sequences<'a>(
    catalog: &'a dyn Catalog,
    database: &str,
    column: &ColumnDescriptor,
) -> Vec<&'a SequenceDescriptor> {
    let Some(default) = &column.default else { return Vec::new() };
    if !default.to_ascii_lowercase().contains("val") {
        return Vec::new();
    }
    let Ok(expr) = syntax::parse_expr(default) else { return Vec::new() };
    let names = expr.sequences.iter();
    names.filter_map(|name| named_sequence(catalog, database, &name.value).ok()).collect()
}

/// Returns the table, or nothing and a notice if it or its database does not exist.
fn existing<'a>(
    planner: &mut Planner<'a>,
    name: &ObjectName,
) -> Result<Option<&'a TableDescriptor>> {
    let found = match planner.find_table(name) {
        Err(error) if error.code() == SqlState::INVALID_CATALOG_NAME => None,
        found => found?,
    };
    if found.is_none() {
        let name = written(name);
        planner.notice(Notice::notice(format!("relation \"{name}\" does not exist, skipping")));
    }
    Ok(found)
}

/// Returns the foreign keys by which tables outside `dropped` reference tables in it.
pub(super) fn dependents<'a>(
    planner: &Planner<'a>,
    dropped: &[TableId],
) -> Vec<(&'a TableDescriptor, &'a ForeignKey)> {
    let mut found = Vec::new();
    for database in planner.catalog.databases() {
        for table in planner.catalog.tables(database.id) {
            if dropped.contains(&table.id) {
                continue;
            }
            let keys = table.foreign_keys.iter();
            found.extend(
                keys.filter(|key| dropped.contains(&key.references)).map(|key| (table, key)),
            );
        }
    }
    found
}

fn describe(planner: &Planner<'_>, dependents: &[Referencing<'_>]) -> Vec<String> {
    dependents
        .iter()
        .map(|(table, key)| {
            let dropped = planner.catalog.table_by_id(key.references);
            format!(
                "Constraint \"{}\" of table \"{}\" references table \"{}\".",
                key.name,
                table.name,
                dropped.map_or("", |table| &table.name)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn drops_tables_once_each() {
        let Plan::DropTables(Dropped { tables, foreign_keys, .. }) =
            planned("DROP TABLE orders, public.orders, customers").plan
        else {
            panic!("drop");
        };
        assert_eq!(tables, [TableId(2), TableId(1)]);
        assert!(foreign_keys.is_empty());
    }

    #[test]
    fn refuses_to_leave_foreign_keys_dangling() {
        for sql in ["DROP TABLE customers", "DROP TABLE customers RESTRICT"] {
            let error = fails(
                sql,
                "2BP01",
                "cannot drop table \"customers\" because other objects depend on it",
            );
            assert_eq!(
                error.detail_text(),
                Some(
                    "Constraint \"fk_customer_ref_customers\" of table \"orders\" references table \"customers\"."
                )
            );
        }
    }

    #[test]
    fn drops_foreign_keys_of_others_with_cascade() {
        let planned = planned("DROP TABLE customers CASCADE");
        let Plan::DropTables(Dropped { foreign_keys, .. }) = planned.plan else { panic!("drop") };
        assert_eq!(foreign_keys, [(TableId(2), "fk_customer_ref_customers".to_owned())]);
        assert_eq!(
            planned.notices[0].message,
            "drop cascades to constraint fk_customer_ref_customers on table orders"
        );
    }

    #[test]
    fn skips_missing_tables_if_told() {
        fails("DROP TABLE nope", "42P01", "relation \"nope\" does not exist");
        let skipped = planned("DROP TABLE IF EXISTS nope, gone.t");
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "DROP TABLE" }));
        assert_eq!(skipped.notices[0].message, "relation \"nope\" does not exist, skipping");
        assert_eq!(skipped.notices[1].message, "relation \"gone.t\" does not exist, skipping");
        let both = planned("DROP TABLE IF EXISTS nope, orders");
        assert!(matches!(both.plan, Plan::DropTables(_)));
    }

    #[test]
    fn requires_drop() {
        Session::default().user("alice").fails(
            "DROP TABLE customers",
            "42501",
            "user alice does not have DROP privilege on relation customers",
        );
    }
}
