//! The changes of one commit, gathered before anything is written.

use std::collections::{BTreeMap, HashMap};

use super::catalog_file::{Area, Batch, meta};
use super::claim::{TableClaim, TableUse, in_use};
use super::manifest::Manifest;
use super::rows::{self, Counters};
use super::sequence::Live;
use crate::catalog::{
    DatabaseDescriptor, DatabaseId, JobId, JobRecord, Object, PrivilegeSet, SequenceDescriptor,
    SequenceValue, Snapshot, TableDescriptor, TableId,
};
use crate::error::{Error, Result, SqlState};

/// The changes of one commit.
#[derive(Debug)]
pub struct Changes<'a> {
    /// The catalog with the changes made so far.
    pub catalog: &'a mut Snapshot,
    pub(super) counters: Counters,
    pub(super) batch: Batch,
    /// Manifests that are set, or removed with their tables.
    pub(super) manifests: BTreeMap<TableId, Option<Manifest>>,
    /// Where sequences stand that were set or removed.
    pub(super) sequences: BTreeMap<TableId, Option<Live>>,
    /// Tables that others hold, and what for.
    held: HashMap<TableId, TableUse>,
}

impl<'a> Changes<'a> {
    /// Returns no changes to `catalog`.
    pub(super) fn new(
        catalog: &'a mut Snapshot,
        counters: Counters,
        held: HashMap<TableId, TableUse>,
    ) -> Self {
        let (manifests, sequences) = (BTreeMap::new(), BTreeMap::new());
        Self { catalog, counters, batch: Batch::new(), manifests, sequences, held }
    }

    /// Lets these changes be made to a table that the caller holds.
    pub fn use_claim(&mut self, claim: &TableClaim) {
        self.held.remove(&claim.table);
    }

    /// Fails if somebody else holds a table.
    fn require_free(&self, table: TableId) -> Result<()> {
        let Some(held) = self.held.get(&table) else { return Ok(()) };
        let name = self.catalog.tables.get(&table).map_or("", |table| &table.name);
        Err(in_use(name, *held))
    }

    /// Returns a fresh id of a table or sequence.
    pub fn next_table(&mut self) -> Result<TableId> {
        let id = small("tables", self.counters.next_table)?;
        self.counters.next_table += 1;
        self.put_counter(meta::NEXT_TABLE, self.counters.next_table);
        Ok(TableId(id))
    }

    /// Returns a fresh database id.
    pub fn next_database(&mut self) -> Result<DatabaseId> {
        let id = small("databases", self.counters.next_database)?;
        self.counters.next_database += 1;
        self.put_counter(meta::NEXT_DATABASE, self.counters.next_database);
        Ok(DatabaseId(id))
    }

    /// Returns a fresh job id.
    pub fn next_job(&mut self) -> JobId {
        let id = JobId(self.counters.next_job);
        self.counters.next_job += 1;
        self.put_counter(meta::NEXT_JOB, self.counters.next_job);
        id
    }

    fn put_counter(&mut self, key: &[u8], value: u64) {
        self.batch.insert((Area::Meta, key.to_vec()), Some(value.to_le_bytes().to_vec()));
    }

    /// Adds or replaces a database.
    pub fn put_database(&mut self, database: &DatabaseDescriptor) -> Result<()> {
        let body = rows::json(database)?;
        self.batch.insert((Area::Databases, rows::database_key(database.id)), Some(body));
        self.catalog.put_database(database.clone());
        Ok(())
    }

    /// Removes a database and its grants; its tables and sequences must be gone.
    pub fn remove_database(&mut self, id: DatabaseId) -> Result<()> {
        let holds_table = self.catalog.tables.values().any(|table| table.database == id);
        if holds_table || self.catalog.sequences.values().any(|one| one.database == id) {
            return Err(Error::internal("a database is removed before its tables"));
        }
        self.batch.insert((Area::Databases, rows::database_key(id)), None);
        self.catalog.remove_database(id);
        self.remove_grants(Object::Database(id));
        Ok(())
    }

    /// Adds or replaces a table descriptor.
    pub fn put_table(&mut self, table: &TableDescriptor) -> Result<()> {
        self.require_free(table.id)?;
        let body = rows::json(table)?;
        self.batch.insert((Area::Tables, rows::table_key(table.id)), Some(body));
        self.catalog.put_table(table.clone());
        Ok(())
    }

    /// Removes a table, its manifest and its grants; its files go when no view names them.
    pub fn remove_table(&mut self, id: TableId) -> Result<()> {
        self.require_free(id)?;
        self.batch.insert((Area::Tables, rows::table_key(id)), None);
        self.catalog.remove_table(id);
        self.remove_grants(Object::Table(id));
        self.manifests.insert(id, None);
        Ok(())
    }

    /// Adds or replaces a sequence descriptor; a new one needs a value too.
    pub fn put_sequence(&mut self, sequence: &SequenceDescriptor) -> Result<()> {
        let body = rows::json(sequence)?;
        self.batch.insert((Area::Sequences, rows::table_key(sequence.id)), Some(body));
        self.catalog.put_sequence(sequence.clone());
        Ok(())
    }

    /// Sets where a sequence stands.
    pub fn put_sequence_value(&mut self, id: TableId, value: SequenceValue) {
        self.put_sequence_live(id, value, Live::at(value));
    }

    /// Sets what the file says of where a sequence stands, and what is known of it in memory.
    pub(super) fn put_sequence_live(&mut self, id: TableId, value: SequenceValue, live: Live) {
        let key = (Area::SequenceValues, rows::table_key(id));
        self.batch.insert(key, Some(rows::sequence_value(value)));
        self.sequences.insert(id, Some(live));
    }

    /// Removes a sequence, its value and its grants.
    pub fn remove_sequence(&mut self, id: TableId) {
        for area in [Area::Sequences, Area::SequenceValues] {
            self.batch.insert((area, rows::table_key(id)), None);
        }
        self.catalog.remove_sequence(id);
        self.remove_grants(Object::Table(id));
        self.sequences.insert(id, None);
    }

    /// Sets the manifest of a table; segment files that it no longer names go when no view names them.
    pub fn put_manifest(&mut self, table: TableId, manifest: Manifest) -> Result<()> {
        self.require_free(table)?;
        self.manifests.insert(table, Some(manifest));
        Ok(())
    }

    /// Adds a user.
    pub fn put_user(&mut self, name: &str) -> Result<()> {
        self.batch.insert((Area::Users, name.as_bytes().to_vec()), Some(Vec::new()));
        self.catalog.users.insert(name.to_owned());
        Ok(())
    }

    /// Removes a user and its grants.
    pub fn remove_user(&mut self, name: &str) -> Result<()> {
        self.batch.insert((Area::Users, name.as_bytes().to_vec()), None);
        self.catalog.users.remove(name);
        self.remove_grants_where(|_, user| user == name);
        Ok(())
    }

    /// Sets what `user` may do to `object`; an empty set removes the entry.
    pub fn put_grant(&mut self, object: Object, user: &str, set: PrivilegeSet) -> Result<()> {
        let body = if set.is_empty() { None } else { Some(rows::json(&set)?) };
        self.batch.insert((Area::Grants, rows::grant_key(object, user)), body);
        self.catalog.put_grant(object, user, set);
        Ok(())
    }

    fn remove_grants(&mut self, object: Object) {
        self.remove_grants_where(|each, _| each == object);
    }

    fn remove_grants_where(&mut self, gone: impl Fn(Object, &str) -> bool) {
        for (object, user) in self.catalog.grants.keys().filter(|(o, user)| gone(*o, user)) {
            self.batch.insert((Area::Grants, rows::grant_key(*object, user)), None);
        }
        self.catalog.grants.retain(|(object, user), _| !gone(*object, user));
    }

    /// Sets (`Some`) or resets (`None`) a cluster setting.
    pub fn put_setting(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let body = value.map(|value| value.as_bytes().to_vec());
        self.batch.insert((Area::Settings, name.as_bytes().to_vec()), body);
        match value {
            Some(value) => self.catalog.settings.insert(name.to_owned(), value.to_owned()),
            None => self.catalog.settings.remove(name),
        };
        Ok(())
    }

    /// Adds or replaces a job record.
    pub fn put_job(&mut self, job: &JobRecord) -> Result<()> {
        self.batch.insert((Area::Jobs, rows::job_key(job.id)), Some(rows::json(job)?));
        Ok(())
    }

    /// Removes a job record.
    pub fn remove_job(&mut self, id: JobId) {
        self.batch.insert((Area::Jobs, rows::job_key(id)), None);
    }
}

/// Returns a counter as a 32-bit id.
fn small(what: &str, counter: u64) -> Result<u32> {
    u32::try_from(counter).map_err(|_| {
        Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("more than {} {what} were made in this database", u32::MAX),
        )
    })
}
