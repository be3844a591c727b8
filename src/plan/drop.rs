//! DROP TABLE: what exists, who may, and which foreign keys stand in the way or fall too.

use super::resolve::written;
use super::{Plan, Planner};
use crate::catalog::{ForeignKey, Privilege, TableDescriptor, TableId};
use crate::error::{Error, Notice, Result, SqlState};
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
    let dependents = dependents(planner, &ids);
    if drop.behavior == DropBehavior::Cascade {
        for (table, key) in &dependents {
            planner.notice(Notice::notice(format!(
                "drop cascades to constraint {} on table {}",
                key.name, table.name
            )));
        }
    } else if let Some((_, first)) = dependents.first() {
        let dropped = planner.catalog.table_by_id(first.references).map_or("", |table| &table.name);
        return Err(Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop table \"{dropped}\" because other objects depend on it"),
        )
        .detail(describe(planner, &dependents))
        .hint("Use DROP TABLE ... CASCADE to drop the foreign keys too."));
    }
    let foreign_keys =
        dependents.into_iter().map(|(table, key)| (table.id, key.name.clone())).collect();
    Ok(Plan::DropTables { tables: ids, foreign_keys })
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

fn describe(planner: &Planner<'_>, dependents: &[(&TableDescriptor, &ForeignKey)]) -> String {
    let lines: Vec<String> = dependents
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
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn drops_tables_once_each() {
        let Plan::DropTables { tables, foreign_keys } =
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
        let Plan::DropTables { foreign_keys, .. } = planned.plan else { panic!("drop") };
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
        assert!(matches!(both.plan, Plan::DropTables { .. }));
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
