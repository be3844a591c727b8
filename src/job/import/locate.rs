//! Finding rows again by their keys: a duplicate or a missing reference is noticed when keys are
//! merged, far from the file, and the files are read once more to name file, row and line.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::task::{Part, RowSink, RowsRead, Shared, read_part};
use crate::error::{DataPlace, Result};
use crate::job::key::KeyEncoder;
use crate::job::sort::MOST_DUPLICATES;

/// Where a row stands.
#[derive(Clone, Debug)]
pub(crate) struct RowPlace {
    file: usize,
    /// The data row, from 1.
    pub(crate) row: u64,
    offset: u64,
}

impl RowPlace {
    /// Returns the place with its physical line.
    pub(crate) fn data_place(&self, shared: &Shared<'_>) -> Result<DataPlace> {
        let file = &shared.files[self.file];
        Ok(DataPlace {
            file: file.name().to_owned(),
            row: self.row,
            line: file.line_of(self.offset)?,
            byte: self.offset,
            column: None,
            value: None,
        })
    }
}

/// What a key takes in memory while repeated ones are looked for, about, in bytes.
const KEY_BYTES: u64 = 160;

/// Two rows of one key: the first, the one that repeats it, and the key.
type Repeated = (RowPlace, RowPlace, Vec<u8>);

/// Returns the first row in file order whose key was met before, and the row where it was met, with
/// the key. `keys` are keys that occur more than once: all of them, or as many as were kept.
pub(crate) fn find_repeated(
    shared: &Shared<'_>,
    encoder: &KeyEncoder,
    keys: &[Vec<u8>],
) -> Result<Option<Repeated>> {
    let rows = shared.rows.load(Ordering::Relaxed);
    let wanted: HashSet<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut found = first_repeated(shared, encoder, None, &|key| wanted.contains(key))?;
    if keys.len() < MOST_DUPLICATES {
        return Ok(found);
    }
    // Other keys may repeat before: those of all rows up to there are compared, a part of them at a
    // time.
    let passes = (rows * KEY_BYTES).div_ceil((shared.context.memory / 2).max(1)).max(1);
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for pass in 0..passes {
        let end = found.as_ref().map(|(_, place, _)| (place.file, place.row));
        let belongs = |key: &[u8]| hasher.hash_one(key) % passes == pass;
        found = first_repeated(shared, encoder, end, &belongs)?.or(found);
    }
    Ok(found)
}

/// Returns the first repeated key among those that are `wanted`, in rows before `end` (file and row).
fn first_repeated(
    shared: &Shared<'_>,
    encoder: &KeyEncoder,
    end: Option<(usize, u64)>,
    wanted: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<Repeated>> {
    let mut seen: HashMap<Vec<u8>, RowPlace> = HashMap::new();
    let mut found = None;
    search(shared, encoder, &mut |key, place| {
        if end.is_some_and(|end| (place.file, place.row) >= end) {
            return ControlFlow::Break(());
        }
        if !wanted(key) {
            return ControlFlow::Continue(());
        }
        match seen.get(key) {
            None => {
                seen.insert(key.to_vec(), place);
                ControlFlow::Continue(())
            }
            Some(first) => {
                found = Some((first.clone(), place, key.to_vec()));
                ControlFlow::Break(())
            }
        }
    })?;
    Ok(found)
}

/// Returns the first row in file order whose key is one of `keys`, with the key.
pub(crate) fn find_first(
    shared: &Shared<'_>,
    encoder: &KeyEncoder,
    keys: &HashSet<Vec<u8>>,
) -> Result<Option<(RowPlace, Vec<u8>)>> {
    let mut found = None;
    search(shared, encoder, &mut |key, place| {
        if keys.contains(key) {
            found = Some((place, key.to_vec()));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

type Visit<'a> = &'a mut dyn FnMut(&[u8], RowPlace) -> ControlFlow<()>;

struct Search<'a, 'b> {
    encoder: &'a KeyEncoder,
    visit: Visit<'b>,
    file: usize,
    ended: bool,
}

impl RowSink for Search<'_, '_> {
    fn take(&mut self, rows: &RowsRead<'_>) -> Result<ControlFlow<()>> {
        let keys = self.encoder.encode(rows.batch)?;
        let nulls = self.encoder.may_have_null(rows.batch);
        for (number, key) in keys.iter().enumerate() {
            // A key with NULL equals no other and refers to nothing.
            if nulls && self.encoder.has_null(rows.batch, number) {
                continue;
            }
            let (record, offset) = rows.record_of(number);
            let place = RowPlace { file: self.file, row: record + 1, offset };
            if (self.visit)(key.as_ref(), place).is_break() {
                self.ended = true;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Shows every row of every file to `visit`, in file order, until it breaks off.
fn search(shared: &Shared<'_>, encoder: &KeyEncoder, visit: Visit<'_>) -> Result {
    let mut search = Search { encoder, visit, file: 0, ended: false };
    for (number, file) in shared.files.iter().enumerate() {
        search.file = number;
        let part = Part { file: number, start: file.data_start, end: u64::MAX, exact: true };
        read_part(shared, 0, &part, &mut search)?;
        if search.ended {
            break;
        }
    }
    Ok(())
}
