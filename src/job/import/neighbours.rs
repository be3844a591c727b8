//! The tables around one that gets rows: those that it refers to, and those that refer to it.

use std::sync::Arc;

use super::into::{Filling, Joined};
use super::key_text;
use crate::catalog::{Catalog, ColumnId, ForeignKey, TableDescriptor};
use crate::error::Result;
use crate::job::foreign_key::Reference;
use crate::job::hold::{changed, require_parents};
use crate::plan::ImportMode;
use crate::store::{Changes, Segment, View};

impl Filling<'_> {
    /// Checks the keys by which new rows refer to others, and others to rows that are gone. Returns false
    /// if new rows are left out.
    pub(super) fn check_references(&self, joined: &Joined, rows: &[Arc<Segment>]) -> Result<bool> {
        let (context, table) = (self.context(), self.table());
        for constraint in &table.foreign_keys {
            let reference = Reference::within(context, table, constraint, rows)?;
            if !self.work.check_reference(constraint, &reference, &joined.new)? {
                return Ok(false);
            }
        }
        let view = &context.query.view;
        for (child, constraint) in self.referring(joined) {
            let of_child = view.manifest(child.id)?;
            let referring = if child.id == table.id { rows } else { &of_child.segments };
            let reference = Reference::to(child, constraint, table, rows)?;
            let missing = reference.missing(context, referring)?;
            if let Some(key) = missing.iter().min() {
                let key = key_text(child, &constraint.columns, &reference.row_encoder()?, key)?;
                return Err(reference.still_referenced(constraint, &key));
            }
        }
        Ok(true)
    }

    /// Returns the foreign keys, with their tables, that rows may miss that are gone.
    fn referring(&self, joined: &Joined) -> Vec<(&TableDescriptor, &ForeignKey)> {
        let table = self.table();
        let replaced = self.base.mode == ImportMode::Replace;
        if !replaced && joined.gone.is_empty() {
            return Vec::new();
        }
        // A row that is replaced by one of the same primary key leaves that key behind.
        let stays = |key: &ForeignKey| {
            let primary = table.primary_key.iter().flat_map(|index| &index.key);
            let primary: Vec<ColumnId> = primary.map(|part| part.column).collect();
            key.referenced_columns.iter().all(|column| primary.contains(column))
        };
        let tables = self.context().query.view.catalog.tables.values();
        tables
            .flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)))
            .filter(|(_, key)| key.references == table.id && (replaced || !stays(key)))
            .collect()
    }

    /// Fails if another statement changed a table on which the checks of this import rest.
    pub(super) fn require_same(&self, changes: &Changes<'_>, newest: &View) -> Result {
        let (table, began) = (self.table(), &self.context().query.view);
        if changes.catalog.table_by_id(table.id) != Some(table) {
            return Err(changed(table));
        }
        require_parents(table, changes, (newest, began))?;
        if matches!(self.base.mode, ImportMode::Insert | ImportMode::Skip) {
            return Ok(());
        }
        for child in changes.catalog.tables.values() {
            let refers = child.foreign_keys.iter().any(|key| key.references == table.id);
            if !refers || child.id == table.id {
                continue;
            }
            let (newest, began) = (newest.manifest(child.id)?, began.manifest(child.id)?);
            if !newest.files().eq(began.files()) {
                return Err(changed(child));
            }
        }
        Ok(())
    }
}
