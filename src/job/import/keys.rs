//! Rows that are left out because of their keys: they repeat a key of an earlier row, or refer to a row
//! that does not exist. They are found when all rows are in, so the files are read once more to find
//! them, and the import begins again without them.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrow::row::Rows;

use super::input::Content;
use super::key_text::key_text;
use super::reject::{self, PartRejects, Reject, Rejects, Tolerated};
use super::task::{Part, RowSink, RowsRead, Shared, read_part};
use super::{Work, row_key_encoder};
use crate::catalog::{ColumnId, ForeignKey};
use crate::error::{Error, Result, SqlState};
use crate::job::foreign_key::{MissingKeys, Reference};
use crate::job::key::KeyEncoder;
use crate::record::TextReader;

/// What a key takes in memory while repeated ones are looked for, about, in bytes.
const KEY_BYTES: u64 = 72;

/// A key that no two rows may share.
struct Unique {
    /// What a message calls it.
    name: String,
    columns: Vec<ColumnId>,
    encoder: Arc<KeyEncoder>,
}

impl Work<'_> {
    /// Leaves out every row that repeats a key of an earlier row that is not left out itself, and whose
    /// primary key is not `ignored`.
    pub(super) fn leave_out_duplicates(&self, ignored: &HashSet<Vec<u8>>) -> Result {
        let table = &self.shared.layout.table;
        let indexes = table.indexes.iter().filter(|index| index.unique);
        let uniques = table
            .primary_key
            .iter()
            .map(|key| ("primary index".to_owned(), key))
            .chain(indexes.map(|index| (format!("index \"{}\"", index.name), index)))
            .map(|(name, index)| {
                let columns = index.key.iter().map(|part| part.column).collect();
                Ok(Unique { name, columns, encoder: Arc::new(row_key_encoder(table, index)?) })
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = self.shared.rows.load(Ordering::Relaxed) * uniques.len() as u64;
        let passes = (rows * KEY_BYTES).div_ceil((self.shared.context.memory / 2).max(1)).max(1);
        let mut repeated = HashSet::new();
        if passes > 1 {
            for pass in 0..u128::from(passes) {
                let mut seen = HashSet::new();
                self.visit_keys(&uniques, &mut |_, _, hashes| {
                    for hash in hashes.iter().flatten() {
                        if hash % u128::from(passes) == pass && !seen.insert(*hash) {
                            repeated.insert(*hash);
                        }
                    }
                    Ok(())
                })?;
            }
        }
        let mut seen: HashMap<u128, (usize, u64)> = HashMap::new();
        let mut out = LeftOut::new(self.shared)?;
        self.visit_keys(&uniques, &mut |file, row, hashes| {
            if !ignored.is_empty() && ignored.contains(row.keys[0].row(row.row).as_ref()) {
                return Ok(());
            }
            let matter = |hash: &&u128| passes == 1 || repeated.contains(*hash);
            let first = hashes.iter().enumerate().find_map(|(number, hash)| {
                Some((number, *seen.get(hash.as_ref().filter(matter)?)?))
            });
            let Some((number, first)) = first else {
                let place = (file, row.rows.record_of(row.row).0 + 1);
                seen.extend(hashes.iter().flatten().filter(matter).map(|hash| (*hash, place)));
                return Ok(());
            };
            let unique = &uniques[number];
            let key = row.keys[number].row(row.row);
            let key = key_text(table, &unique.columns, &unique.encoder, key.as_ref())?;
            let other = match first.0 {
                other if other == file => String::new(),
                other => format!(" of file {}", self.shared.files[other].name()),
            };
            let second = row.rows.record_of(row.row).0 + 1;
            let message = format!(
                "duplicate key in {}: row {second} has the key {key} of row {}{other}",
                unique.name, first.1
            );
            out.add(file, row, SqlState::UNIQUE_VIOLATION, message)
        })?;
        self.begin_again(out)
    }

    /// Leaves out every row that refers to one of the keys that are `missing`.
    pub(super) fn leave_out_missing(
        &self,
        constraint: &ForeignKey,
        reference: &Reference<'_>,
        missing: &MissingKeys,
    ) -> Result {
        let encoder = Arc::new(reference.row_encoder()?);
        let is_wrong = |key: &[u8]| missing.contains(key);
        self.leave_out_keys((&constraint.columns, encoder), &is_wrong, &|_, key| {
            let error = reference.violation(constraint, key);
            (error.code(), error.message().to_owned())
        })
    }

    /// Leaves out every row with a key that `is_wrong`; `why` says so of a row's number and key.
    pub(super) fn leave_out_keys(
        &self,
        (columns, encoder): (&[ColumnId], Arc<KeyEncoder>),
        is_wrong: &dyn Fn(&[u8]) -> bool,
        why: &dyn Fn(u64, &str) -> (SqlState, String),
    ) -> Result {
        let table = &self.shared.layout.table;
        let keys = [Unique { name: String::new(), columns: columns.to_vec(), encoder }];
        let mut out = LeftOut::new(self.shared)?;
        self.visit_keys(&keys, &mut |file, row, hashes| {
            let key = row.keys[0].row(row.row);
            if hashes[0].is_none() || !is_wrong(key.as_ref()) {
                return Ok(());
            }
            let key = key_text(table, columns, &keys[0].encoder, key.as_ref())?;
            let (code, message) = why(row.rows.record_of(row.row).0 + 1, &key);
            out.add(file, row, code, message)
        })?;
        self.begin_again(out)
    }

    /// Shows every row to `visit`, in file order, with a hash of each of its keys that has no NULL.
    fn visit_keys(&self, uniques: &[Unique], visit: Visit<'_>) -> Result {
        let mut keys = Keys { uniques, visit, file: 0 };
        for (number, file) in self.shared.files.iter().enumerate() {
            keys.file = number;
            let part = Part { file: number, start: file.data_start, end: u64::MAX, exact: true };
            read_part(self.shared, 0, &part, &mut keys)?;
        }
        Ok(())
    }

    /// Takes in the rows left out, and makes ready to read the others.
    fn begin_again(&self, out: LeftOut<'_>) -> Result {
        if out.rejects.iter().all(|rejects| rejects.count == 0) {
            return Err(self.changed());
        }
        {
            let mut excluded = self.shared.excluded.lock().unwrap_or_else(PoisonError::into_inner);
            excluded.resize(self.shared.files.len(), Arc::default());
            for (all, more) in excluded.iter_mut().zip(out.offsets) {
                let all = Arc::make_mut(all);
                all.extend(more);
                all.sort_unstable();
            }
        }
        let mut kept = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, rejects) in out.rejects.into_iter().enumerate() {
            if rejects.count > 0 {
                kept.keys.push(PartRejects { file, records_before: 0, rejects });
            }
        }
        if let Some(file) = kept.has_too_many(out.tolerated) {
            let most = out.tolerated.max_errors.unwrap_or_default();
            return Err(reject::too_many(most, self.shared.files[file].name()));
        }
        self.shared.rows.store(0, Ordering::Relaxed);
        self.shared.bytes.store(0, Ordering::Relaxed);
        self.shared.unsorted.store(false, Ordering::Relaxed);
        self.shared.stop_after.store(usize::MAX, Ordering::Relaxed);
        Ok(())
    }
}

/// A row with its keys.
struct KeyedRow<'a> {
    rows: &'a RowsRead<'a>,
    row: usize,
    /// The keys of all rows, one sequence per constraint.
    keys: &'a [Rows],
}

type Visit<'a> = &'a mut dyn FnMut(usize, &KeyedRow<'_>, &[Option<u128>]) -> Result;

/// Shows the keys of rows to a visitor.
struct Keys<'a, 'b> {
    uniques: &'a [Unique],
    visit: Visit<'b>,
    file: usize,
}

impl RowSink for Keys<'_, '_> {
    fn take(&mut self, rows: &RowsRead<'_>) -> Result<ControlFlow<()>> {
        let encode = |unique: &Unique| unique.encoder.encode(rows.batch);
        let keys = self.uniques.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let mut hashes = vec![None; keys.len()];
        for row in 0..rows.batch.num_rows() {
            for (number, unique) in self.uniques.iter().enumerate() {
                // A key with NULL equals no other and refers to nothing.
                let null = unique.encoder.has_null(rows.batch, row);
                hashes[number] = (!null).then(|| hash(number, keys[number].row(row).as_ref()));
            }
            (self.visit)(self.file, &KeyedRow { rows, row, keys: &keys }, &hashes)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns a hash of a key that stands for the key itself: two keys share one of 128 bits never.
fn hash(number: usize, key: &[u8]) -> u128 {
    let half = |seed: usize| {
        let mut hasher = DefaultHasher::new();
        (seed, number, key).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Rows to leave out, of each file.
struct LeftOut<'a> {
    shared: &'a Shared<'a>,
    tolerated: Tolerated,
    readers: Vec<Option<TextReader>>,
    offsets: Vec<Vec<u64>>,
    rejects: Vec<Rejects>,
}

impl<'a> LeftOut<'a> {
    fn new(shared: &'a Shared<'a>) -> Result<Self> {
        let tolerated = shared
            .tolerated
            .ok_or_else(|| Error::internal("rows are left out of an import that wants all"))?;
        let count = shared.files.len();
        let reader = |file: &super::InputFile| match &file.content {
            Content::Text(format) => Some(format.reader(file.fields)),
            Content::Parquet(..) => None,
        };
        Ok(Self {
            shared,
            tolerated,
            readers: shared.files.iter().map(reader).collect(),
            offsets: vec![Vec::new(); count],
            rejects: (0..count).map(|_| Rejects::default()).collect(),
        })
    }

    fn add(&mut self, file: usize, row: &KeyedRow<'_>, code: SqlState, message: String) -> Result {
        let (number, offset) = row.rows.record_of(row.row);
        self.offsets[file].push(offset);
        let reject = Reject {
            row: number,
            record: offset,
            byte: None,
            column: None,
            code: code.as_str().to_owned(),
            message,
            fault: None,
            raw: self.readers[file]
                .as_mut()
                .map(|reader| row.rows.raw_of(row.row, reader).to_vec())
                .unwrap_or_default(),
        };
        self.rejects[file].push(reject, self.tolerated, self.shared.temp)
    }
}
