//! What an open transaction has written: rows that its own statements see, and nobody else before
//! COMMIT.
//!
//! The segments of those rows are on the disk, and no manifest in the catalog names them: ROLLBACK
//! removes them, and after a crash the next open does. COMMIT names them in one commit, unless somebody
//! else has changed one of the tables since BEGIN.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Session;
use crate::catalog::{TableDescriptor, TableId};
use crate::error::{Error, Result, SqlState};
use crate::job::insert::{Prepared, require_same};
use crate::store::{Manifest, Segment, View};

/// What a transaction has written.
#[derive(Default)]
pub(super) struct Written {
    /// What the transaction saw when it began.
    base: Option<Arc<View>>,
    /// Each table that has new rows, with all that it then holds.
    tables: BTreeMap<TableId, (Arc<TableDescriptor>, Manifest)>,
    /// Every segment that was made, also those that were merged into others since.
    segments: Vec<(TableId, Segment)>,
}

impl Session {
    /// Lets the statements of the open transaction see rows that one of them has written.
    pub(super) fn keep_written(&mut self, prepared: Prepared) -> u64 {
        let view = self.view();
        let Prepared { table, manifest, segments, rows } = prepared;
        self.snapshot = Some(Arc::new(view.with_manifest(table.id, manifest.clone())));
        let written = &mut self.written;
        written.base.get_or_insert(view);
        written.segments.extend(segments.into_iter().map(|segment| (table.id, segment)));
        written.tables.insert(table.id, (table, manifest));
        rows
    }

    /// Fails if the open transaction has written rows, which `verb` would not see.
    pub(super) fn require_nothing_written(&self, verb: &str) -> Result {
        if self.written.tables.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("{verb} cannot follow rows that the same transaction has written"),
        )
        .hint("COMMIT them first."))
    }

    /// Commits what the transaction has written, all or nothing.
    pub(super) fn commit_written(&mut self) -> Result {
        let Written { base, tables, segments } = std::mem::take(&mut self.written);
        let Some(base) = base else { return Ok(()) };
        let store = Arc::clone(&self.store);
        let synced = tables.keys().try_for_each(|table| store.sync_table_directory(*table));
        let committed = synced.and_then(|()| {
            store.update(|changes| {
                let newest = store.view();
                tables.iter().try_for_each(|(id, (table, manifest))| {
                    require_same(changes, &newest, table, &base)?;
                    changes.put_manifest(*id, manifest.clone())
                })
            })
        });
        let mut kept = HashSet::new();
        if committed.is_ok() {
            for (id, (_, manifest)) in &tables {
                kept.extend(manifest.all_segments().map(|each| (*id, each.file.as_str())));
            }
        }
        let left = segments.iter().filter(|(id, each)| !kept.contains(&(*id, each.file.as_str())));
        self.discard(left);
        committed
    }

    /// Removes what the transaction has written.
    pub(super) fn forget_written(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.discard(written.segments.iter());
    }

    fn discard<'a>(&self, segments: impl Iterator<Item = &'a (TableId, Segment)>) {
        for (table, segment) in segments {
            self.store.discard_segments(*table, std::slice::from_ref(segment));
        }
    }
}
