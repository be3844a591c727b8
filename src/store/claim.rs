//! Tables that one statement holds for itself: while it does, no other commit may change them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::Store;
use crate::catalog::TableId;
use crate::error::{Error, Result, SqlState};

/// The tables that are held.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<TableId>>>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, HashSet<TableId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tables that are held now.
    pub(super) fn held(&self) -> HashSet<TableId> {
        self.lock().clone()
    }
}

/// A table that is held until this value is dropped.
#[derive(Debug)]
pub struct TableClaim {
    pub(super) table: TableId,
    claims: Claims,
}

impl Drop for TableClaim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.table);
    }
}

impl Store {
    /// Holds a table: readers see it as it is, and other writers fail with 55006 until the claim is
    /// dropped. `name` is what the error of somebody who holds it already calls it.
    pub fn claim_table(&self, table: TableId, name: &str) -> Result<TableClaim> {
        let claims = self.claims();
        if !claims.lock().insert(table) {
            return Err(in_use(name));
        }
        Ok(TableClaim { table, claims: claims.clone() })
    }

    /// Fails if somebody holds a table.
    pub fn require_unclaimed(&self, table: TableId, name: &str) -> Result<()> {
        if self.claims().lock().contains(&table) { Err(in_use(name)) } else { Ok(()) }
    }
}

/// Returns the error that a table is held by somebody else.
pub(super) fn in_use(name: &str) -> Error {
    Error::new(
        SqlState::OBJECT_IN_USE,
        format!("table \"{name}\" cannot be changed: rows are being imported into it"),
    )
    .hint("Wait until the import has ended. SHOW JOBS lists it.")
}
