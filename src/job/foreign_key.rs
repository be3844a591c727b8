//! FOREIGN KEY: every key of new segments must stand in the referenced table.
//!
//! The referenced keys are held as a set, in as many passes as the memory limit asks for.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};

use super::JobContext;
use super::key::{KeyEncoder, arrow_error};
use super::table::segment_columns;
use crate::catalog::{Catalog, ColumnId, ForeignKey, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::store::{ScanRequest, Segment, SegmentColumn};

/// What a referenced key takes in memory, about, in bytes.
const KEY_BYTES: u64 = 96;

/// The most missing keys that are kept to find the first row in file order.
const MOST_MISSING: usize = 100_000;

/// Keys, encoded as the referencing table's own columns are.
pub(crate) type MissingKeys = HashSet<Vec<u8>>;

/// A foreign key of a table, ready to be checked.
pub(crate) struct Reference<'a> {
    table: &'a TableDescriptor,
    referenced: Arc<TableDescriptor>,
    referenced_segments: Vec<Arc<Segment>>,
    columns: Vec<SegmentColumn>,
    referenced_columns: Vec<SegmentColumn>,
}

impl<'a> Reference<'a> {
    /// Returns the reference `key` of `table`, whose own `segments` are not yet published.
    pub(crate) fn new(
        context: &JobContext,
        table: &'a TableDescriptor,
        key: &ForeignKey,
        segments: &[Arc<Segment>],
    ) -> Result<Self> {
        let mut all = Vec::new();
        if key.references == table.id {
            all.clone_from(&context.query.view.manifest(table.id)?.segments);
            let known: HashSet<&str> = segments.iter().map(|one| one.file.as_str()).collect();
            all.retain(|segment| !known.contains(segment.file.as_str()));
            all.extend(segments.iter().cloned());
        }
        Self::within(context, table, key, &all)
    }

    /// Returns the reference `key` of `table`, which will have the rows `own`.
    pub(crate) fn within(
        context: &JobContext,
        table: &'a TableDescriptor,
        key: &ForeignKey,
        own: &[Arc<Segment>],
    ) -> Result<Self> {
        if key.references == table.id {
            return Self::to(table, key, table, own);
        }
        let view = &context.query.view;
        let referenced = view.catalog.table_by_id(key.references).ok_or_else(|| {
            Error::new(SqlState::UNDEFINED_TABLE, "referenced table does not exist")
        })?;
        Self::to(table, key, referenced, &view.manifest(key.references)?.segments)
    }

    /// Returns the reference `key` of `table` to the rows `segments` of `referenced`.
    pub(crate) fn to(
        table: &'a TableDescriptor,
        key: &ForeignKey,
        referenced: &TableDescriptor,
        segments: &[Arc<Segment>],
    ) -> Result<Self> {
        Ok(Self {
            table,
            columns: pick(table, &key.columns)?,
            referenced_columns: pick(referenced, &key.referenced_columns)?,
            referenced: Arc::new(referenced.clone()),
            referenced_segments: segments.to_vec(),
        })
    }

    /// Returns an encoder of this key for rows of the whole referencing table.
    pub(crate) fn row_encoder(&self) -> Result<KeyEncoder> {
        let all = segment_columns(self.table);
        let key: Vec<(usize, bool)> = self
            .columns
            .iter()
            .filter_map(|column| all.iter().position(|each| each.id == column.id))
            .map(|position| (position, false))
            .collect();
        KeyEncoder::new(&all, &key)
    }

    /// Returns the error of a row whose key, printed as `key`, is missing.
    pub(crate) fn violation(&self, constraint: &ForeignKey, key: &str) -> Error {
        Error::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "insert on table \"{}\" violates foreign key constraint \"{}\": key {key} is not present \
                 in table \"{}\"",
                self.table.name, constraint.name, self.referenced.name
            ),
        )
    }

    /// Returns the error that a row is gone to which rows of this table still refer by `key`.
    pub(crate) fn still_referenced(&self, constraint: &ForeignKey, key: &str) -> Error {
        Error::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "import into table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                self.referenced.name, constraint.name, self.table.name
            ),
        )
        .detail(format!("Key {key} is still referenced from table \"{}\".", self.table.name))
    }

    /// Returns keys in `segments` that the referenced table lacks.
    pub(crate) fn missing(
        &self,
        context: &JobContext,
        segments: &[Arc<Segment>],
    ) -> Result<MissingKeys> {
        let rows: u64 = self.referenced_segments.iter().map(|segment| segment.rows).sum();
        let passes = (rows * KEY_BYTES).div_ceil((context.memory / 2).max(1)).max(1);
        let mut missing = MissingKeys::new();
        for pass in 0..passes {
            let present = self.present_keys(context, (pass, passes))?;
            missing.extend(self.missing_in_pass(context, segments, &present, (pass, passes))?);
        }
        Ok(missing)
    }

    fn present_keys(&self, context: &JobContext, pass: (u64, u64)) -> Result<KeySet> {
        let encoder =
            KeyEncoder::new(&self.referenced_columns, &ascending(&self.referenced_columns))?;
        let mut present = KeySet::default();
        for segment in &self.referenced_segments {
            context.cancellation.check()?;
            for batch in scan_keys(context, &self.referenced, segment, &self.referenced_columns)? {
                for key in &encoder.encode(&batch?)? {
                    if belongs(key.as_ref(), pass) {
                        present.insert(key.as_ref().into());
                    }
                }
            }
        }
        Ok(present)
    }

    fn missing_in_pass(
        &self,
        context: &JobContext,
        segments: &[Arc<Segment>],
        present: &KeySet,
        pass: (u64, u64),
    ) -> Result<MissingKeys> {
        let next = AtomicUsize::new(0);
        let result: Mutex<Result<MissingKeys>> = Mutex::new(Ok(MissingKeys::new()));
        std::thread::scope(|scope| {
            for _ in 0..context.threads.min(segments.len()) {
                scope.spawn(|| {
                    while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let found = self.missing_in_segment(context, segment, present, pass);
                        let mut result = result.lock().expect("no thread panics with the lock");
                        match (&mut *result, found) {
                            (Ok(all), Ok(found)) => all.extend(found),
                            (Ok(_), Err(error)) => *result = Err(error),
                            (Err(_), _) => break,
                        }
                    }
                });
            }
        });
        result.into_inner().expect("no thread panics with the lock")
    }

    fn missing_in_segment(
        &self,
        context: &JobContext,
        segment: &Arc<Segment>,
        present: &KeySet,
        pass: (u64, u64),
    ) -> Result<MissingKeys> {
        let own = KeyEncoder::new(&self.columns, &ascending(&self.columns))?;
        let lookup =
            KeyEncoder::new(&self.referenced_columns, &ascending(&self.referenced_columns))?;
        let mut missing = MissingKeys::new();
        for batch in scan_keys(context, self.table, segment, &self.columns)? {
            context.cancellation.check()?;
            let batch = batch?;
            let keys = lookup.encode(&self.as_referenced(&batch)?)?;
            let mut own_keys = None;
            let nulls = lookup.may_have_null(&batch);
            for row in 0..batch.num_rows() {
                let key = keys.row(row);
                let again = row > 0 && keys.row(row - 1) == key;
                if again || !belongs(key.as_ref(), pass) || present.contains(key.as_ref()) {
                    continue;
                }
                if (nulls && lookup.has_null(&batch, row)) || missing.len() >= MOST_MISSING {
                    continue;
                }
                let own_keys = match &own_keys {
                    Some(keys) => keys,
                    None => own_keys.insert(own.encode(&batch)?),
                };
                missing.insert(own_keys.row(row).as_ref().to_vec());
            }
        }
        Ok(missing)
    }

    /// Returns the key columns with the referenced columns' types.
    fn as_referenced(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(&self.referenced_columns)
            .map(|(values, column)| {
                cast_with_options(values, &column.sql_type.storage(), &options).map_err(arrow_error)
            })
            .collect::<Result<_>>()?;
        let fields: Vec<Field> = columns
            .iter()
            .zip(&self.referenced_columns)
            .map(|(values, column)| Field::new(&column.name, values.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(arrow_error)
    }
}

type KeySet = HashSet<Box<[u8]>, BuildHasherDefault<DefaultHasher>>;

/// Returns whether a key belongs to a pass.
fn belongs(key: &[u8], (pass, passes): (u64, u64)) -> bool {
    passes == 1 || BuildHasherDefault::<DefaultHasher>::default().hash_one(key) % passes == pass
}

fn ascending(columns: &[SegmentColumn]) -> Vec<(usize, bool)> {
    (0..columns.len()).map(|position| (position, false)).collect()
}

fn pick(table: &TableDescriptor, ids: &[ColumnId]) -> Result<Vec<SegmentColumn>> {
    let all = segment_columns(table);
    ids.iter()
        .map(|id| {
            all.iter()
                .find(|column| column.id == *id)
                .cloned()
                .ok_or_else(|| Error::internal("a foreign key names a column that the table lacks"))
        })
        .collect()
}

fn scan_keys(
    context: &JobContext,
    table: &TableDescriptor,
    segment: &Arc<Segment>,
    columns: &[SegmentColumn],
) -> Result<crate::store::SegmentScan> {
    let request = ScanRequest {
        columns: columns.iter().map(|column| column.id).collect(),
        batch_rows: 8192,
        ..ScanRequest::default()
    };
    context.store.scan(table.id, segment, columns, &request)
}
