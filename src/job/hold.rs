//! Taking hold of a table: readers see it as it is, and nobody else changes it until the job has ended.

use std::collections::HashSet;
use std::sync::Arc;

use super::JobContext;
use crate::catalog::{Catalog, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::store::{Changes, Manifest, TableClaim, TableUse, View};

/// A table that a job holds.
pub(crate) struct Held {
    /// Lets go of the table when it is dropped.
    pub(crate) claim: TableClaim,
    /// The segments of the table.
    pub(crate) manifest: Arc<Manifest>,
}

/// Takes hold of a table, which must be as it was planned for; returns it with a context that sees it.
pub(crate) fn hold(
    context: &JobContext,
    table: &TableDescriptor,
    wanted: TableUse,
) -> Result<(Held, JobContext)> {
    let claim = context.store.claim_table(table.id, &table.name, wanted)?;
    let view = context.store.view();
    if view.catalog.table_by_id(table.id) != Some(table) {
        return Err(changed(table));
    }
    let manifest = view.manifest(table.id)?;
    let mut context = context.clone();
    context.query.view = view;
    Ok((Held { claim, manifest }, context))
}

/// Fails if a table that `table` refers to has lost rows between two views, or is gone.
pub(crate) fn require_parents(
    table: &TableDescriptor,
    changes: &Changes<'_>,
    (newest, began): (&View, &View),
) -> Result {
    for key in table.foreign_keys.iter().filter(|key| key.references != table.id) {
        let Some(parent) = changes.catalog.table_by_id(key.references) else {
            return Err(Error::new(
                SqlState::UNDEFINED_TABLE,
                "a referenced table was dropped meanwhile",
            ));
        };
        let newest = newest.manifest(parent.id)?;
        let present: HashSet<&str> = newest.files().collect();
        if !began.manifest(parent.id)?.files().all(|file| present.contains(file)) {
            return Err(changed(parent));
        }
    }
    Ok(())
}

/// Returns the error that a table is not what it was when the job began.
pub(crate) fn changed(table: &TableDescriptor) -> Error {
    Error::new(
        SqlState::OBJECT_IN_USE,
        format!("table \"{}\" was changed by another statement", table.name),
    )
    .hint("Run the statement again.")
}
