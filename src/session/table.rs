//! CREATE and DROP of tables and databases.

use std::sync::Arc;

use super::execute::done;
use super::{Outcome, Session};
use crate::catalog::{
    Catalog, ColumnDescriptor, ColumnId, DatabaseDescriptor, DatabaseId, IndexId, Object,
    Privilege, PrivilegeSet, ROOT, TableDescriptor, TableId,
};
use crate::error::{Error, Result, SqlState};
use crate::job::check_expressions;
use crate::job::insert::Inserter;
use crate::plan::Query;
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

    pub(super) fn run_drop_tables(
        &mut self,
        tables: &[TableId],
        foreign_keys: &[(TableId, String)],
    ) -> Result<Outcome> {
        self.store.update(|changes| drop_tables(changes, tables, foreign_keys))?;
        Ok(done("DROP TABLE"))
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
        tables: &[TableId],
        foreign_keys: &[(TableId, String)],
    ) -> Result<Outcome> {
        self.store.update(|changes| {
            drop_tables(changes, tables, foreign_keys)?;
            changes.remove_database(database)
        })?;
        Ok(done("DROP DATABASE"))
    }
}

/// Adds a table that is not there yet, with all privileges for its creator.
fn create_table(changes: &mut Changes<'_>, table: &TableDescriptor, user: &str) -> Result {
    if changes.catalog.table(table.database, &table.name).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{}\" already exists", table.name),
        ));
    }
    changes.put_table(table)?;
    grant_all(changes, Object::Table(table.id), user)
}

fn grant_all(changes: &mut Changes<'_>, object: Object, user: &str) -> Result {
    if user == ROOT {
        return Ok(());
    }
    let mut set = PrivilegeSet::default();
    set.grant(Privilege::All);
    changes.put_grant(object, user, set)
}

fn drop_tables(
    changes: &mut Changes<'_>,
    tables: &[TableId],
    foreign_keys: &[(TableId, String)],
) -> Result {
    let others = foreign_keys.iter().filter(|(id, _)| !tables.contains(id));
    drop_foreign_keys(changes, others)?;
    tables.iter().try_for_each(|id| changes.remove_table(*id))
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
