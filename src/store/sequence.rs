//! The values of sequences: handed out from memory, and never above what the catalog file says may
//! have been given.
//!
//! The row of a sequence holds the last value that may have been given. Values are set aside by moving
//! it ahead before any of them is given, so that none is given again after a crash; what was set aside
//! and not given is then skipped. A store that is closed moves the row back to what was given.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Store;
use super::catalog_file::Area;
use super::error::damaged;
use super::rows;
use crate::catalog::{SequenceDescriptor, SequenceRun, SequenceValue, TableId};
use crate::error::{Error, Result, SqlState};

/// The fewest values that are set aside at once.
const FEWEST: u64 = 32;

/// The most values that are set aside beyond those that are asked for.
const MOST_AHEAD: u64 = 1 << 16;

/// Where a sequence stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// What was given.
    pub(super) value: SequenceValue,
    /// How many values that follow are set aside.
    left: u64,
    /// How many values were given since the store was opened.
    given: u64,
    /// Whether the sequence is not in the catalog yet.
    lent: bool,
}

impl Live {
    /// Returns a sequence of which nothing is set aside.
    pub(super) fn at(value: SequenceValue) -> Self {
        Self { value, left: 0, given: 0, lent: false }
    }
}

/// Where the sequences of a store stand that were asked for a value.
#[derive(Debug, Default)]
pub(super) struct Sequences(Mutex<BTreeMap<TableId, Live>>);

impl Sequences {
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<TableId, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a commit wrote.
    pub(super) fn apply(&self, changed: BTreeMap<TableId, Option<Live>>) {
        let mut all = self.locked();
        for (id, live) in changed {
            match live {
                Some(live) => all.insert(id, live),
                None => all.remove(&id),
            };
        }
    }

    /// Returns the sequences of which values are set aside that were not given.
    pub(super) fn ahead(&self) -> Vec<(TableId, SequenceValue)> {
        let all = self.locked();
        let ahead = all.iter().filter(|(_, live)| live.left > 0 && !live.lent);
        ahead.map(|(id, live)| (*id, live.value)).collect()
    }

    /// Gives values that are set aside; nothing if there are none.
    fn give(&self, sequence: &SequenceDescriptor, count: u64) -> Result<Option<SequenceRun>> {
        let mut all = self.locked();
        let Some(live) = all.get_mut(&sequence.id).filter(|live| live.left > 0) else {
            return Ok(None);
        };
        let run = sequence.run(live.value, count.min(live.left))?;
        live.value = SequenceValue { last: sequence.value_in(run, run.count - 1), called: true };
        live.left = live.left.saturating_sub(run.count);
        live.given += run.count;
        Ok(Some(run))
    }
}

impl Store {
    /// Returns the next values of a sequence, at most `count`, at least one. They are never given
    /// again, whatever becomes of the statement or the process.
    pub fn next_values(&self, sequence: &SequenceDescriptor, count: u64) -> Result<SequenceRun> {
        self.require_writable()?;
        loop {
            if let Some(run) = self.sequences.give(sequence, count)? {
                return Ok(run);
            }
            self.set_aside(sequence.id, count)?;
        }
    }

    /// Sets values of a sequence aside, in a commit of its own.
    fn set_aside(&self, id: TableId, count: u64) -> Result {
        self.update(|changes| {
            let Some(sequence) = changes.catalog.sequences.get(&id).cloned() else {
                return Err(dropped());
            };
            let live = match self.sequences.locked().get(&id) {
                // Another thread was here before.
                Some(live) if live.left > 0 => return Ok(()),
                Some(live) => *live,
                None => Live::at(self.stored_value(id)?),
            };
            let ahead = live.given.clamp(FEWEST, MOST_AHEAD).max(sequence.cache.unsigned_abs());
            let run = sequence.run(live.value, count.max(ahead))?;
            let last = sequence.value_in(run, run.count - 1);
            let first = SequenceValue { last: run.first, called: false };
            let live = Live { value: first, left: run.count, ..live };
            changes.put_sequence_live(id, SequenceValue { last, called: true }, live);
            Ok(())
        })
    }

    /// Returns where a sequence stands.
    pub fn sequence_value(&self, id: TableId) -> Result<SequenceValue> {
        match self.sequences.locked().get(&id) {
            Some(live) => Ok(live.value),
            None => self.stored_value(id),
        }
    }

    /// Sets where a sequence stands, in a commit of its own.
    pub fn set_sequence_value(&self, id: TableId, value: SequenceValue) -> Result {
        self.update(|changes| {
            let Some(sequence) = changes.catalog.sequences.get(&id) else { return Err(dropped()) };
            sequence.check_value(value.last)?;
            changes.put_sequence_value(id, value);
            Ok(())
        })
    }

    /// Returns where a sequence stands, and gives none of its values until a commit sets it anew: the
    /// commit that is being made changes by which rule it counts.
    pub fn stop_sequence(&self, id: TableId) -> Result<SequenceValue> {
        let stopped = self.sequences.locked().get_mut(&id).map(|live| {
            live.left = 0;
            live.value
        });
        stopped.map_or_else(|| self.stored_value(id), Ok)
    }

    fn stored_value(&self, id: TableId) -> Result<SequenceValue> {
        let catalog = &self.loader().catalog;
        let body = catalog.read(Area::SequenceValues, &rows::table_key(id))?;
        body.as_deref().and_then(rows::parse_sequence_value).ok_or_else(|| {
            damaged(catalog.path(), format!("The value of sequence {id} cannot be read."))
        })
    }

    /// Makes a sequence known whose descriptor is not committed yet, so that rows can take its values.
    pub fn lend_sequence(&self, sequence: &SequenceDescriptor) -> Result {
        let value = sequence.initial();
        let left = sequence.run(value, u64::MAX)?.count;
        let live = Live { value, left, given: 0, lent: true };
        self.sequences.locked().insert(sequence.id, live);
        Ok(())
    }

    /// Forgets a sequence that was made known and will not be committed.
    pub fn forget_sequence(&self, id: TableId) {
        let mut all = self.sequences.locked();
        if all.get(&id).is_some_and(|live| live.lent) {
            all.remove(&id);
        }
    }

    /// Lets go of values that were set aside and not given: the store is being closed.
    pub(super) fn return_values(&self) {
        let ahead = self.sequences.ahead();
        if ahead.is_empty() || self.require_writable().is_err() || !self.loader().catalog.is_open()
        {
            return;
        }
        // What cannot be written is skipped by the next run, as after a crash.
        let _ = self.update(|changes| {
            for (id, value) in ahead {
                if changes.catalog.sequences.contains_key(&id) {
                    changes.put_sequence_value(id, value);
                }
            }
            Ok(())
        });
    }
}

fn dropped() -> Error {
    Error::new(SqlState::UNDEFINED_TABLE, "the sequence was dropped meanwhile")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::catalog::DatabaseId;
    use crate::store::OpenOptions;
    use crate::types::SqlType;

    fn open(path: &Path) -> Store {
        Store::open(path, &OpenOptions::default()).unwrap()
    }

    /// Makes a sequence that counts up from 1.
    fn make(store: &Store, cache: i64) -> SequenceDescriptor {
        let mut sequence = SequenceDescriptor {
            id: TableId(0),
            database: DatabaseId(1),
            name: "s".to_owned(),
            sql_type: SqlType::Int8,
            start: 1,
            increment: 1,
            minimum: 1,
            maximum: i64::MAX,
            cache,
            cycle: false,
            owner: None,
        };
        store
            .update(|changes| {
                sequence.id = changes.next_table()?;
                changes.put_sequence(&sequence)?;
                changes.put_sequence_value(sequence.id, sequence.initial());
                Ok(())
            })
            .unwrap();
        sequence
    }

    fn next(store: &Store, sequence: &SequenceDescriptor) -> i64 {
        store.next_values(sequence, 1).unwrap().first
    }

    #[test]
    fn goes_on_where_it_was_when_the_store_was_closed() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let sequence = make(&store, 1);
        assert_eq!((1..=3).map(|_| next(&store, &sequence)).collect::<Vec<_>>(), [1, 2, 3]);
        drop(store);
        let store = open(directory.path());
        assert_eq!(store.view().catalog.sequences[&sequence.id], sequence);
        assert_eq!(
            store.sequence_value(sequence.id).unwrap(),
            SequenceValue { last: 3, called: true }
        );
        assert_eq!(next(&store, &sequence), 4);
    }

    #[test]
    fn gives_no_value_again_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("a"));
        let sequence = make(&store, 100);
        let mut highest = 0;
        for round in 0..40 {
            highest = store.next_values(&sequence, round + 1).unwrap().first;
        }
        // What a crash leaves is what is on disk now.
        let crashed = directory.path().join("b");
        std::fs::create_dir(&crashed).unwrap();
        std::fs::copy(store.path().join("catalog.redb"), crashed.join("catalog.redb")).unwrap();
        let given = store.sequence_value(sequence.id).unwrap().last;
        assert!(given >= highest);
        let again = next(&open(&crashed), &sequence);
        assert!(again > given, "{again} after {given}");
        assert!(again <= given * 2 + 100, "{again} after {given}");
    }

    #[test]
    fn threads_get_different_values() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let sequence = make(&store, 1);
        let found: Vec<Vec<i64>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|number| {
                    let (store, sequence) = (&store, &sequence);
                    scope.spawn(move || {
                        let mut values = Vec::new();
                        while values.len() < 500 {
                            let run = store.next_values(sequence, number * 7 + 1).unwrap();
                            values.extend((0..run.count).map(|at| sequence.value_in(run, at)));
                        }
                        values
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let all: Vec<i64> = found.into_iter().flatten().collect();
        let distinct: BTreeSet<i64> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(distinct.last().copied(), i64::try_from(all.len()).ok());
    }

    #[test]
    fn is_set_and_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let sequence = make(&store, 1);
        let set =
            |last, called| store.set_sequence_value(sequence.id, SequenceValue { last, called });
        set(10, true).unwrap();
        assert_eq!(next(&store, &sequence), 11);
        set(5, false).unwrap();
        assert_eq!((next(&store, &sequence), next(&store, &sequence)), (5, 6));
        assert_eq!(set(0, true).unwrap_err().code(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
        let dropped = store.update(|changes| {
            changes.remove_sequence(sequence.id);
            Ok(())
        });
        dropped.unwrap();
        let error = store.next_values(&sequence, 1).unwrap_err();
        assert_eq!(error.code(), SqlState::UNDEFINED_TABLE);
        drop(store);
        assert!(open(directory.path()).view().catalog.sequences.is_empty());
    }

    #[test]
    fn lent_sequences_count_in_memory_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let mut sequence = make(&store, 1);
        sequence.id = store.reserve_table().unwrap();
        let commit = store.view().commit;
        store.lend_sequence(&sequence).unwrap();
        assert_eq!((next(&store, &sequence), next(&store, &sequence)), (1, 2));
        assert_eq!(store.view().commit, commit);
        store.forget_sequence(sequence.id);
        assert!(store.next_values(&sequence, 1).is_err());
    }
}
