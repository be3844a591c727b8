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

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;

    use super::*;
    use crate::session::import::no_events;
    use crate::session::{Options, Outcome};

    async fn run(session: &mut Session, statements: &[&str]) -> Result<Vec<usize>> {
        let mut counts = Vec::new();
        for sql in statements {
            if let Outcome::Rows { rows, .. } = session.execute(sql, no_events()).await? {
                counts.push(rows.collect().await?.iter().map(RecordBatch::num_rows).sum());
            }
        }
        Ok(counts)
    }

    /// Takes all rows from a table, as a job does that others have started.
    fn empty(session: &Session, name: &str) {
        let tables = &session.store.view().catalog.tables;
        let table = tables.values().find(|table| table.name == name).unwrap().id;
        session.store.update(|changes| changes.put_manifest(table, Manifest::default())).unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn commits_nothing_if_others_changed_a_table_or_one_that_it_refers_to() {
        for changed in ["parent", "child"] {
            let directory = tempfile::tempdir().unwrap();
            let mut session = Session::open(Options::for_tests(directory.path(), 8 << 20)).unwrap();
            let made = [
                "CREATE TABLE parent (a INT8 PRIMARY KEY)",
                "CREATE TABLE child (a INT8 PRIMARY KEY REFERENCES parent)",
                "CREATE TABLE other (a INT8)",
                "INSERT INTO parent VALUES (1), (2)",
                "INSERT INTO child VALUES (2)",
                "BEGIN",
                "INSERT INTO other VALUES (1)",
                "INSERT INTO child VALUES (1)",
            ];
            run(&mut session, &made).await.unwrap();
            empty(&session, changed);
            let error = run(&mut session, &["COMMIT"]).await.unwrap_err();
            assert_eq!(error.code(), SqlState::OBJECT_IN_USE);
            let told = format!("table \"{changed}\" was changed by another statement");
            assert_eq!(error.message(), told);
            let rows = ["SELECT * FROM other", "SELECT * FROM child WHERE a = 1"];
            assert_eq!(run(&mut session, &rows).await.unwrap(), [0, 0], "{changed}");
            let again = ["INSERT INTO other VALUES (2)", "SELECT * FROM other"];
            assert_eq!(run(&mut session, &again).await.unwrap(), [1], "{changed}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_of_a_parent_in_the_same_transaction_count() {
        let directory = tempfile::tempdir().unwrap();
        let mut session = Session::open(Options::for_tests(directory.path(), 8 << 20)).unwrap();
        let done = [
            "CREATE SEQUENCE s",
            "CREATE TABLE parent (a INT8 PRIMARY KEY DEFAULT nextval('s'), b STRING)",
            "CREATE TABLE child (a INT8 PRIMARY KEY REFERENCES parent)",
            "BEGIN",
            "INSERT INTO parent (b) VALUES ('x'), ('y')",
            "ROLLBACK",
            "BEGIN",
            "INSERT INTO parent (b) VALUES ('x'), ('y')",
            "INSERT INTO child SELECT a FROM parent",
            "COMMIT",
            "SELECT * FROM child WHERE a IN (3, 4)",
        ];
        assert_eq!(run(&mut session, &done).await.unwrap(), [2]);
    }
}
