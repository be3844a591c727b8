//! Tables that one statement holds for itself: while it does, no other commit may change them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::Store;
use crate::catalog::TableId;
use crate::error::{Error, Result, SqlState};

/// What a table is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableUse {
    /// An import into it.
    Import,
    /// The building of an index.
    Index,
}

/// The tables that are held, and what for.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<TableId, TableUse>>>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, HashMap<TableId, TableUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tables that are held now, and what for.
    pub(super) fn held(&self) -> HashMap<TableId, TableUse> {
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
    pub fn claim_table(&self, table: TableId, name: &str, wanted: TableUse) -> Result<TableClaim> {
        let claims = self.claims();
        match claims.lock().entry(table) {
            Entry::Occupied(held) => return Err(in_use(name, *held.get())),
            Entry::Vacant(free) => free.insert(wanted),
        };
        Ok(TableClaim { table, claims: claims.clone() })
    }

    /// Fails if somebody holds a table.
    pub fn require_unclaimed(&self, table: TableId, name: &str) -> Result<()> {
        match self.claims().lock().get(&table) {
            Some(held) => Err(in_use(name, *held)),
            None => Ok(()),
        }
    }
}

/// Returns the error that a table is held by somebody else.
pub(super) fn in_use(name: &str, held: TableUse) -> Error {
    let (what, end) = match held {
        TableUse::Import => ("rows are being imported into it", "the import has ended"),
        TableUse::Index => ("an index of it is being built", "the index is built"),
    };
    Error::new(SqlState::OBJECT_IN_USE, format!("table \"{name}\" cannot be changed: {what}"))
        .hint(format!("Wait until {end}. SHOW JOBS lists it."))
}
