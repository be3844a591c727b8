//! CREATE and DROP of tables, sequences and databases.

use std::sync::Arc;

use super::execute::done;
use super::{Outcome, Session};
use crate::catalog::{
    Catalog, ColumnDescriptor, ColumnId, DatabaseDescriptor, DatabaseId, IndexId, Object,
    Privilege, PrivilegeSet, ROOT, SequenceDescriptor, SequenceValue, TableDescriptor, TableId,
};
use crate::error::{Error, Result, SqlState};
use crate::job::check_expressions;
use crate::job::insert::Inserter;
use crate::plan::{Dropped, Query, SequenceChange};
use crate::store::Changes;
use crate::types::SqlType;

impl Session {
    pub(super) fn run_create_table(&mut self, mut table: TableDescriptor) -> Result<Outcome> {
        check_expressions(&Arc::new(table.clone()), &self.engine, &self.query_context())?;
        let user = self.user.clone();
        self.store.update(|changes| {
            table.id = changes.next_table()?;
            table.foreign_keys.iter_mut().filter(|key| key.references == TableId(0)).for_each(
                |key| {
                    key.references = table.id;
                },
            );
            create_table(changes, &table, &user)
        })?;
        Ok(done("CREATE TABLE"))
    }

    pub(super) async fn run_create_table_as(
        &mut self,
        database: DatabaseId,
        name: &str,
        query: &Query,
    ) -> Result<Outcome> {
        let mut rows = self.run_query(query).await?;
        let mut columns: Vec<ColumnDescriptor> = Vec::new();
        for (position, field) in rows.schema().fields().iter().enumerate() {
            if columns.iter().any(|column| column.name == *field.name()) {
                return Err(Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", field.name()),
                )
                .hint("Name the columns of the query by AS."));
            }
            let sql_type = SqlType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("column \"{}\" has a type that tables cannot hold", field.name()),
                )
            })?;
            columns.push(ColumnDescriptor {
                id: ColumnId(u32::try_from(position).unwrap_or(u32::MAX) + 1),
                name: field.name().clone(),
                sql_type,
                nullable: true,
                default: None,
                computed: None,
            });
        }
        let table = TableDescriptor {
            id: self.store.reserve_table()?,
            database,
            name: name.to_owned(),
            next_column: ColumnId(u32::try_from(columns.len()).unwrap_or(u32::MAX) + 1),
            columns,
            primary_key: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            next_index: IndexId(2),
            families: Vec::new(),
        };
        let context = self.job_context(&super::import::no_events());
        let ids: Vec<ColumnId> = table.columns.iter().map(|column| column.id).collect();
        let mut inserter = Inserter::new(&context, &table, &ids)?;
        while let Some(batch) = rows.next().await? {
            tokio::task::block_in_place(|| inserter.push(&batch))?;
        }
        let user = self.user.clone();
        let count = tokio::task::block_in_place(|| {
            inserter.finish_creating(&|changes| create_table(changes, &table, &user))
        })?;
        Ok(done(format!("SELECT {count}")))
    }

    pub(super) fn run_drop(&mut self, dropped: &Dropped, tag: &str) -> Result<Outcome> {
        self.store.update(|changes| drop_all(changes, dropped))?;
        Ok(done(tag))
    }

    pub(super) fn run_create_sequence(
        &mut self,
        mut sequence: SequenceDescriptor,
    ) -> Result<Outcome> {
        let user = self.user.clone();
        self.store.update(|changes| {
            sequence.id = changes.next_table()?;
            require_free_name(changes, sequence.database, &sequence.name)?;
            changes.put_sequence(&sequence)?;
            changes.put_sequence_value(sequence.id, sequence.initial());
            grant_all(changes, Object::Table(sequence.id), &user)
        })?;
        Ok(done("CREATE SEQUENCE"))
    }

    pub(super) fn run_alter_sequence(&mut self, change: &SequenceChange) -> Result<Outcome> {
        let SequenceChange { sequence, restart } = change;
        self.store.update(|changes| {
            if changes.catalog.sequence_by_id(sequence.id).is_none() {
                return Err(Error::new(SqlState::UNDEFINED_TABLE, "relation does not exist"));
            }
            let value = self.store.stop_sequence(sequence.id)?;
            let value = match restart {
                Some(first) => SequenceValue { last: *first, called: false },
                None => value,
            };
            if !(sequence.minimum..=sequence.maximum).contains(&value.last) {
                let (last, name) = (value.last, &sequence.name);
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("value {last} of sequence \"{name}\" is out of its new bounds"),
                )
                .hint("RESTART WITH sets it to another value."));
            }
            changes.put_sequence(sequence)?;
            changes.put_sequence_value(sequence.id, value);
            Ok(())
        })?;
        Ok(done("ALTER SEQUENCE"))
    }

    pub(super) fn run_create_database(&mut self, name: &str) -> Result<Outcome> {
        let user = self.user.clone();
        self.store.update(|changes| {
            if changes.catalog.database(name).is_some() {
                return Err(Error::new(
                    SqlState::DUPLICATE_DATABASE,
                    format!("database \"{name}\" already exists"),
                ));
            }
            let id = changes.next_database()?;
            changes.put_database(&DatabaseDescriptor { id, name: name.to_owned() })?;
            grant_all(changes, Object::Database(id), &user)
        })?;
        Ok(done("CREATE DATABASE"))
    }

    pub(super) fn run_drop_database(
        &mut self,
        database: DatabaseId,
        dropped: &Dropped,
    ) -> Result<Outcome> {
        self.store.update(|changes| {
            drop_all(changes, dropped)?;
            changes.remove_database(database)
        })?;
        Ok(done("DROP DATABASE"))
    }
}

/// Adds a table that is not there yet, with all privileges for its creator.
fn create_table(changes: &mut Changes<'_>, table: &TableDescriptor, user: &str) -> Result {
    require_free_name(changes, table.database, &table.name)?;
    changes.put_table(table)?;
    grant_all(changes, Object::Table(table.id), user)
}

fn require_free_name(changes: &Changes<'_>, database: DatabaseId, name: &str) -> Result {
    if changes.catalog.is_relation(database, name) {
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        ));
    }
    Ok(())
}

fn grant_all(changes: &mut Changes<'_>, object: Object, user: &str) -> Result {
    if user == ROOT {
        return Ok(());
    }
    let mut set = PrivilegeSet::default();
    set.grant(Privilege::All);
    changes.put_grant(object, user, set)
}

fn drop_all(changes: &mut Changes<'_>, dropped: &Dropped) -> Result {
    let others = dropped.foreign_keys.iter().filter(|(id, _)| !dropped.tables.contains(id));
    drop_foreign_keys(changes, others)?;
    for (id, column) in &dropped.defaults {
        if let Some(mut table) = changes.catalog.table_by_id(*id).cloned() {
            let columns = table.columns.iter_mut().filter(|one| one.id == *column);
            columns.for_each(|column| column.default = None);
            changes.put_table(&table)?;
        }
    }
    dropped.tables.iter().try_for_each(|id| changes.remove_table(*id))?;
    dropped.sequences.iter().for_each(|id| changes.remove_sequence(*id));
    Ok(())
}

/// Takes foreign keys, of which table and name are given, out of their tables.
pub(super) fn drop_foreign_keys<'k>(
    changes: &mut Changes<'_>,
    foreign_keys: impl IntoIterator<Item = &'k (TableId, String)>,
) -> Result {
    for (id, name) in foreign_keys {
        let table = changes.catalog.table_by_id(*id).cloned();
        if let Some(mut table) = table {
            table.foreign_keys.retain(|key| key.name != *name);
            changes.put_table(&table)?;
        }
    }
    Ok(())
}
