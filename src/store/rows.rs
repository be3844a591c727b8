//! Keys and bodies of the catalog's rows: descriptors to bytes and back.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::catalog_file::{Area, Batch, FORMAT_VERSION, Rows, meta};
use super::error::damaged;
use crate::catalog::{
    DEFAULT_DATABASE, DatabaseDescriptor, DatabaseId, JobId, JobRecord, Object, PrivilegeSet,
    SequenceDescriptor, SequenceValue, Snapshot, TableDescriptor, TableId,
};
use crate::error::{Error, Result};

/// Counters and commit number of the catalog.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    pub(super) commit: u64,
    pub(super) next_database: u64,
    pub(super) next_table: u64,
    pub(super) next_job: u64,
}

/// Returns the rows of a new store: one database, nothing else.
pub(super) fn initial() -> Result<Batch> {
    let mut batch = Batch::new();
    let mut put = |key: &[u8], body: Vec<u8>| {
        batch.insert((Area::Meta, key.to_vec()), Some(body));
    };
    put(meta::FORMAT, FORMAT_VERSION.to_le_bytes().to_vec());
    put(meta::COMMIT, 0u64.to_le_bytes().to_vec());
    put(meta::NEXT_DATABASE, 2u64.to_le_bytes().to_vec());
    put(meta::NEXT_TABLE, 1u64.to_le_bytes().to_vec());
    put(meta::NEXT_JOB, 1u64.to_le_bytes().to_vec());
    let database = DatabaseDescriptor { id: DatabaseId(1), name: DEFAULT_DATABASE.to_owned() };
    batch.insert((Area::Databases, database_key(database.id)), Some(json(&database)?));
    Ok(batch)
}

/// Returns the key of a database.
pub(super) fn database_key(id: DatabaseId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// Returns the body of a sequence's value.
pub(super) fn sequence_value(value: SequenceValue) -> Vec<u8> {
    let mut body = value.last.to_le_bytes().to_vec();
    body.push(u8::from(value.called));
    body
}

/// Returns the value that `sequence_value` wrote.
pub(super) fn parse_sequence_value(body: &[u8]) -> Option<SequenceValue> {
    let (last, called) = body.split_first_chunk::<8>()?;
    let called = match called {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    Some(SequenceValue { last: i64::from_le_bytes(*last), called })
}

/// Returns the key of a table or sequence, of its manifest or value, and the start of those of its
/// segments.
pub(super) fn table_key(id: TableId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// Returns the key of a segment.
pub(super) fn segment_key(table: TableId, number: u64) -> Vec<u8> {
    let mut key = table_key(table);
    key.extend(number.to_be_bytes());
    key
}

/// Returns the key of a job.
pub(super) fn job_key(id: JobId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// Returns the key of a job's checkpoint.
pub(super) fn checkpoint_key(id: JobId, number: u32) -> Vec<u8> {
    let mut key = job_key(id);
    key.extend(number.to_be_bytes());
    key
}

/// Returns the key of a grant: `d` or `t`, the object's id, the user's name.
pub(super) fn grant_key(object: Object, user: &str) -> Vec<u8> {
    let (kind, id) = match object {
        Object::Database(id) => (b'd', id.0),
        Object::Table(id) => (b't', id.0),
    };
    let mut key = vec![kind];
    key.extend(id.to_be_bytes());
    key.extend(user.as_bytes());
    key
}

fn parse_grant_key(key: &[u8]) -> Option<(Object, String)> {
    let (kind, rest) = key.split_first()?;
    let (id, user) = rest.split_first_chunk::<4>()?;
    let id = u32::from_be_bytes(*id);
    let object = match kind {
        b'd' => Object::Database(DatabaseId(id)),
        b't' => Object::Table(TableId(id)),
        _ => return None,
    };
    Some((object, String::from_utf8(user.to_vec()).ok()?))
}

/// Returns the table id and number that a segment's key holds.
pub(super) fn parse_segment_key(key: &[u8]) -> Option<(TableId, u64)> {
    let (table, number) = key.split_first_chunk::<4>()?;
    Some((TableId(u32::from_be_bytes(*table)), u64::from_be_bytes(number.try_into().ok()?)))
}

/// Returns a descriptor as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::internal(format!("descriptor: {error}")))
}

/// Returns the descriptor that `json` wrote.
pub(super) fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| damaged(path, format!("A descriptor in it cannot be read: {error}.")))
}

/// Returns the counters in `rows`.
pub(super) fn counters(path: &Path, rows: &Rows) -> Result<Counters> {
    let number = |key: &[u8]| {
        rows.get(&(Area::Meta, key.to_vec()))
            .and_then(|bytes| Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?)))
            .ok_or_else(|| damaged(path, "A counter is missing."))
    };
    Ok(Counters {
        commit: number(meta::COMMIT)?,
        next_database: number(meta::NEXT_DATABASE)?,
        next_table: number(meta::NEXT_TABLE)?,
        next_job: number(meta::NEXT_JOB)?,
    })
}

/// Returns the catalog that `rows` make.
pub(super) fn snapshot(path: &Path, rows: &Rows) -> Result<Snapshot> {
    let mut catalog = Snapshot::default();
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| damaged(path, "A name is not UTF-8."))
    };
    for ((area, key), body) in rows {
        match area {
            Area::Databases => {
                catalog.put_database(parse_json::<DatabaseDescriptor>(path, body)?);
            }
            Area::Tables => catalog.put_table(parse_json::<TableDescriptor>(path, body)?),
            Area::Sequences => {
                catalog.put_sequence(parse_json::<SequenceDescriptor>(path, body)?);
            }
            Area::Users => {
                catalog.users.insert(text(key)?);
            }
            Area::Grants => {
                let (object, user) = parse_grant_key(key)
                    .ok_or_else(|| damaged(path, "A grant has no object or user."))?;
                catalog.put_grant(object, &user, parse_json::<PrivilegeSet>(path, body)?);
            }
            Area::Settings => {
                catalog.settings.insert(text(key)?, text(body)?);
            }
            Area::Meta
            | Area::Jobs
            | Area::Manifests
            | Area::Segments
            | Area::Checkpoints
            | Area::SequenceValues => {}
        }
    }
    Ok(catalog)
}

/// Returns the jobs in `rows`, oldest first.
pub(super) fn jobs(path: &Path, rows: &Rows) -> Result<Vec<JobRecord>> {
    rows.iter()
        .filter(|((area, _), _)| *area == Area::Jobs)
        .map(|(_, body)| parse_json(path, body))
        .collect()
}
