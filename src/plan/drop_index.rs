//! DROP INDEX: which indexes are meant, who may, and what depends on them.

use std::collections::BTreeSet;

use super::resolve::written;
use super::suggestion::did_you_mean;
use super::{Plan, Planner};
use crate::catalog::{ForeignKey, IndexDescriptor, IndexId, Privilege, TableDescriptor, TableId};
use crate::error::{Error, Notice, Result, Span, SqlState};
use crate::syntax::ast::{self, DropBehavior, IndexName};

/// An index that was found by its name.
#[derive(Clone, Copy)]
struct Found<'a> {
    table: &'a TableDescriptor,
    index: &'a IndexDescriptor,
    /// Where it is named.
    span: Span,
}

/// Plans a DROP INDEX.
pub(super) fn plan_drop_index(planner: &mut Planner<'_>, drop: &ast::DropIndex) -> Result<Plan> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for name in &drop.names {
        let Some(one) = find(planner, name, drop.if_exists)? else { continue };
        planner.require_on_table(Privilege::Create, one.table, one.span)?;
        let same =
            |each: &Found<'_>| (each.table.id, each.index.id) == (one.table.id, one.index.id);
        if !found.iter().any(same) {
            found.push(one);
        }
    }
    if found.is_empty() {
        return Ok(Plan::Nothing { tag: "DROP INDEX" });
    }
    let cascade = drop.behavior == DropBehavior::Cascade;
    for one in &found {
        require_droppable(one, cascade)?;
    }
    let indexes: Vec<(TableId, IndexId)> =
        found.iter().map(|one| (one.table.id, one.index.id)).collect();
    let dependents = dependents(planner, &found);
    for (one, table, key) in &dependents {
        if !cascade {
            return Err(Error::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "cannot drop index \"{}\" because other objects depend on it",
                    one.index.name
                ),
            )
            .detail(format!(
                "Constraint \"{}\" of table \"{}\" references table \"{}\".",
                key.name, table.name, one.table.name
            ))
            .hint("Use DROP INDEX ... CASCADE to drop the foreign keys too."));
        }
        planner.notice(Notice::notice(format!(
            "drop cascades to constraint {} on table {}",
            key.name, table.name
        )));
    }
    let foreign_keys =
        dependents.into_iter().map(|(_, table, key)| (table.id, key.name.clone())).collect();
    Ok(Plan::DropIndexes { indexes, foreign_keys })
}

/// Returns the index that is named, or nothing and a notice if it, its table or its database does not
/// exist and need not.
fn find<'a>(
    planner: &mut Planner<'a>,
    name: &IndexName,
    if_exists: bool,
) -> Result<Option<Found<'a>>> {
    let found = match &name.table {
        Some(table) => planner.require_table(table).and_then(|table| index_of(table, name)),
        None => search(planner, name),
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if if_exists && is_absence(error.code()) => {
            let told = format!("{}, skipping", error.message());
            planner.notice(Notice::notice(told));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_absence(code: SqlState) -> bool {
    matches!(
        code,
        SqlState::UNDEFINED_OBJECT | SqlState::UNDEFINED_TABLE | SqlState::INVALID_CATALOG_NAME
    )
}

/// Returns the index of a table that is named.
fn index_of<'a>(table: &'a TableDescriptor, name: &IndexName) -> Result<Found<'a>> {
    let last = name.index.parts.last().map_or("", |part| &part.value);
    let span = name.index.span;
    let known = || table.all_indexes().map(|index| index.name.as_str());
    match table.all_indexes().find(|index| index.name == last) {
        Some(index) => Ok(Found { table, index, span }),
        None => Err(did_you_mean(missing(last, span), last, known())),
    }
}

/// Returns the one index of this name in the database.
fn search<'a>(planner: &Planner<'a>, name: &IndexName) -> Result<Found<'a>> {
    let target = planner.resolve(&name.index)?;
    let wanted = &target.name.value;
    let span = name.index.span;
    let tables = planner.catalog.tables(target.database.id);
    let all =
        || tables.iter().flat_map(|table| table.all_indexes().map(move |index| (*table, index)));
    let mut found = all().filter(|(_, index)| index.name == *wanted);
    match (found.next(), found.next()) {
        (Some((table, index)), None) => Ok(Found { table, index, span }),
        (Some((one, _)), Some((other, _))) => Err(Error::new(
            SqlState::AMBIGUOUS_PARAMETER,
            format!(
                "index name \"{wanted}\" is ambiguous (found in {} and {})",
                one.name, other.name
            ),
        )
        .hint("Name the table too: DROP INDEX table@index.")
        .at(span)),
        (None, _) => {
            let known: BTreeSet<&str> = all().map(|(_, index)| index.name.as_str()).collect();
            Err(did_you_mean(missing(&written(&name.index), span), wanted, known))
        }
    }
}

fn missing(name: &str, span: Span) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist")).at(span)
}

/// Refuses primary keys, and UNIQUE constraints unless they are to fall too.
fn require_droppable(found: &Found<'_>, cascade: bool) -> Result {
    let Found { table, index, span } = found;
    if index.id == IndexId::PRIMARY {
        return Err(Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "cannot drop index \"{}\": it is the primary key of table \"{}\"",
                index.name, table.name
            ),
        )
        .at(*span));
    }
    if index.constraint && !cascade {
        return Err(Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("index \"{}\" is in use as unique constraint", index.name),
        )
        .hint("Use DROP INDEX ... CASCADE to drop the constraint too.")
        .at(*span));
    }
    Ok(())
}

/// Returns the foreign keys that lose the key which they reference, with the first index of it that is
/// dropped.
fn dependents<'a, 'f>(
    planner: &Planner<'a>,
    dropped: &'f [Found<'a>],
) -> Vec<(&'f Found<'a>, &'a TableDescriptor, &'a ForeignKey)> {
    let mut all = Vec::new();
    for database in planner.catalog.databases() {
        for child in planner.catalog.tables(database.id) {
            for key in &child.foreign_keys {
                let of_table = |one: &&Found<'_>| one.table.id == key.references;
                let goes = |index: &IndexDescriptor| {
                    dropped.iter().filter(of_table).any(|one| one.index.id == index.id)
                };
                let Some(first) = dropped
                    .iter()
                    .filter(of_table)
                    .find(|one| one.index.is_key_of(&key.referenced_columns))
                else {
                    continue;
                };
                let stays = first
                    .table
                    .all_indexes()
                    .any(|index| !goes(index) && index.is_key_of(&key.referenced_columns));
                if !stays {
                    all.push((first, child, key));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn finds_indexes_with_and_without_their_table() {
        for name in [
            "customers@customers_email_key",
            "customers_email_key",
            "public.customers_email_key",
            "defaultdb.public.customers@customers_email_key",
        ] {
            let Plan::DropIndexes { indexes, foreign_keys } =
                planned(&format!("DROP INDEX {name}, {name} CASCADE")).plan
            else {
                panic!("{name}");
            };
            assert_eq!(indexes, [(TableId(1), IndexId(2))]);
            assert!(foreign_keys.is_empty());
        }
    }

    #[test]
    fn skips_missing_indexes_if_told() {
        let message = "index \"customers_email_ky\" does not exist";
        let error = fails("DROP INDEX customers@customers_email_ky", "42704", message);
        assert_eq!(error.hint_text(), Some("Did you mean \"customers_email_key\"?"));
        fails("DROP INDEX gone", "42704", "index \"gone\" does not exist");
        fails("DROP INDEX nope@i", "42P01", "relation \"nope\" does not exist");
        fails("DROP INDEX nope.t@i", "3D000", "database \"nope\" does not exist");
        let skipped = planned("DROP INDEX IF EXISTS gone, nope@i, nope.t@i, customers@gone");
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "DROP INDEX" }));
        let told: Vec<&str> = skipped.notices.iter().map(|told| told.message.as_str()).collect();
        assert_eq!(told[0], "index \"gone\" does not exist, skipping");
        assert_eq!(told[1], "relation \"nope\" does not exist, skipping");
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn refuses_keys_and_names_of_several_indexes() {
        fails("DROP INDEX \"primary\"", "42P09", "index name \"primary\" is ambiguous");
        let message = "cannot drop index \"primary\": it is the primary key of table \"customers\"";
        fails("DROP INDEX customers@primary CASCADE", "2BP01", message);
        let message = "index \"customers_email_key\" is in use as unique constraint";
        fails("DROP INDEX customers_email_key", "2BP01", message);
    }

    #[test]
    fn requires_create_on_the_table() {
        let message = "user alice does not have CREATE privilege on relation customers";
        let alice = Session::default().user("alice");
        alice.fails("DROP INDEX customers_email_key", "42501", message);
        let open = Session::default().in_transaction();
        open.fails("DROP INDEX customers_email_key", "0A000", "writes inside a transaction");
    }
}
