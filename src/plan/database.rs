//! CREATE DATABASE, DROP DATABASE and USE.

use super::{Dropped, Plan, Planner, drop};
use crate::catalog::{PUBLIC_SCHEMA, Privilege, TableId};
use crate::error::{Error, Notice, Result, SqlState};
use crate::syntax::ast::{DropBehavior, Ident};

/// Names that a database cannot have, since in `name.table` they mean a schema.
const RESERVED: [&str; 3] = [PUBLIC_SCHEMA, "information_schema", "pg_catalog"];

/// Plans a CREATE DATABASE.
pub(super) fn plan_create_database(
    planner: &mut Planner<'_>,
    name: &Ident,
    if_not_exists: bool,
) -> Result<Plan> {
    planner.require_root("CREATE DATABASE")?;
    let shown = &name.value;
    if RESERVED.contains(&shown.as_str()) {
        return Err(Error::new(
            SqlState::RESERVED_NAME,
            format!("database name \"{shown}\" is reserved"),
        )
        .detail(format!("In {shown}.table it means a schema."))
        .at(name.span));
    }
    if planner.catalog.database(shown).is_none() {
        return Ok(Plan::CreateDatabase { name: shown.clone() });
    }
    if if_not_exists {
        planner.notice(Notice::notice(format!("database \"{shown}\" already exists, skipping")));
        return Ok(Plan::Nothing { tag: "CREATE DATABASE" });
    }
    Err(Error::new(SqlState::DUPLICATE_DATABASE, format!("database \"{shown}\" already exists"))
        .at(name.span))
}

/// Plans a DROP DATABASE: not the current one, and without CASCADE only an empty one.
pub(super) fn plan_drop_database(
    planner: &mut Planner<'_>,
    name: &Ident,
    if_exists: bool,
    behavior: DropBehavior,
) -> Result<Plan> {
    if if_exists && planner.catalog.database(&name.value).is_none() {
        planner.notice(Notice::notice(format!(
            "database \"{}\" does not exist, skipping",
            name.value
        )));
        return Ok(Plan::Nothing { tag: "DROP DATABASE" });
    }
    let database = planner.require_database(name)?;
    planner.require_on_database(Privilege::Drop, database, name.span)?;
    if database.name == planner.context.database {
        return Err(Error::new(
            SqlState::OBJECT_IN_USE,
            format!("cannot drop the current database \"{}\"", database.name),
        )
        .at(name.span)
        .hint("Choose another one with USE first."));
    }
    let tables = planner.catalog.tables(database.id);
    let sequences = planner.catalog.sequences(database.id);
    let empty = tables.is_empty() && sequences.is_empty();
    if !empty && behavior != DropBehavior::Cascade {
        let (count, noun) = match (tables.len(), sequences.len()) {
            (0, 1) => (1, "sequence"),
            (0, count) => (count, "sequences"),
            (1, _) => (1, "table"),
            (count, _) => (count, "tables"),
        };
        return Err(Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("database \"{}\" is not empty", database.name),
        )
        .at(name.span)
        .detail(format!("It holds {count} {noun}."))
        .hint("Use DROP DATABASE ... CASCADE to drop its tables too."));
    }
    for table in &tables {
        planner.require_on_table(Privilege::Drop, table, name.span)?;
    }
    for sequence in &sequences {
        planner.require_on_sequence(Privilege::Drop, sequence, name.span)?;
    }
    let tables: Vec<TableId> = tables.iter().map(|table| table.id).collect();
    let sequences: Vec<TableId> = sequences.iter().map(|sequence| sequence.id).collect();
    let foreign_keys = drop::dependents(planner, &tables);
    let foreign_keys =
        foreign_keys.into_iter().map(|(table, key)| (table.id, key.name.clone())).collect();
    let defaults = drop::defaults_of(planner, &sequences, &tables);
    let defaults = defaults.iter().map(drop::UsedSequence::column).collect();
    let dropped = Dropped { tables, sequences, foreign_keys, defaults };
    Ok(Plan::DropDatabase { database: database.id, dropped })
}

/// Plans a USE.
pub(super) fn plan_use(planner: &Planner<'_>, name: &Ident) -> Result<Plan> {
    let database = planner.require_database(name)?;
    Ok(Plan::Use { name: database.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn creates_a_database_once() {
        assert!(
            matches!(planned("CREATE DATABASE d").plan, Plan::CreateDatabase { name } if name == "d")
        );
        fails("CREATE DATABASE shop", "42P04", "database \"shop\" already exists");
        let skipped = planned("CREATE DATABASE IF NOT EXISTS shop");
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "CREATE DATABASE" }));
        assert_eq!(skipped.notices[0].message, "database \"shop\" already exists, skipping");
        fails("CREATE DATABASE public", "42939", "database name \"public\" is reserved");
        Session::default().user("alice").fails(
            "CREATE DATABASE d",
            "42501",
            "only root is allowed to CREATE DATABASE",
        );
    }

    #[test]
    fn drops_a_database_with_its_tables_only_by_cascade() {
        fails("DROP DATABASE shop", "2BP01", "database \"shop\" is not empty");
        fails("DROP DATABASE shop RESTRICT", "2BP01", "database \"shop\" is not empty");
        let Plan::DropDatabase { dropped, .. } = planned("DROP DATABASE shop CASCADE").plan else {
            panic!("drop");
        };
        assert_eq!(dropped.tables, [TableId(3)]);
        assert!(matches!(planned("DROP DATABASE hollow").plan, Plan::DropDatabase { .. }));
    }

    #[test]
    fn refuses_to_drop_a_missing_or_the_current_database() {
        fails("DROP DATABASE nope", "3D000", "database \"nope\" does not exist");
        let skipped = planned("DROP DATABASE IF EXISTS nope");
        assert_eq!(skipped.notices[0].message, "database \"nope\" does not exist, skipping");
        fails("DROP DATABASE defaultdb CASCADE", "55006", "cannot drop the current database");
        Session::default().user("alice").fails(
            "DROP DATABASE shop CASCADE",
            "42501",
            "user alice does not have DROP privilege on database shop",
        );
    }

    #[test]
    fn uses_a_database_that_exists() {
        assert!(matches!(planned("USE shop").plan, Plan::Use { name } if name == "shop"));
        let error = fails("USE shpo", "3D000", "database \"shpo\" does not exist");
        assert_eq!(error.hint_text(), Some("Did you mean \"shop\"?"));
    }
}
