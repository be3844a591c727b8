//! A `Snapshot`: the whole catalog at one commit, in memory; and the `Catalog` trait that reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DatabaseDescriptor, DatabaseId, Grantee, Object, Privilege, PrivilegeSet, ROOT,
    SequenceDescriptor, TableDescriptor, TableId,
};

/// What planning may read.
pub trait Catalog {
    /// Returns the database called `name`.
    fn database(&self, name: &str) -> Option<&DatabaseDescriptor>;
    /// Returns the database with this id.
    fn database_by_id(&self, id: DatabaseId) -> Option<&DatabaseDescriptor>;
    /// Returns all databases, by name.
    fn databases(&self) -> Vec<&DatabaseDescriptor>;
    /// Returns the table called `name` in `database`.
    fn table(&self, database: DatabaseId, name: &str) -> Option<&TableDescriptor>;
    /// Returns the table with this id.
    fn table_by_id(&self, id: TableId) -> Option<&TableDescriptor>;
    /// Returns the tables of `database`, by name.
    fn tables(&self, database: DatabaseId) -> Vec<&TableDescriptor>;
    /// Returns the sequence called `name` in `database`.
    fn sequence(&self, database: DatabaseId, name: &str) -> Option<&SequenceDescriptor>;
    /// Returns the sequence with this id.
    fn sequence_by_id(&self, id: TableId) -> Option<&SequenceDescriptor>;
    /// Returns the sequences of `database`, by name.
    fn sequences(&self, database: DatabaseId) -> Vec<&SequenceDescriptor>;
    /// Returns whether the user exists.
    fn user_exists(&self, name: &str) -> bool;
    /// Returns all users, by name.
    fn users(&self) -> Vec<&str>;
    /// Returns what `user` may do to `object`, without what being root brings.
    fn privileges(&self, object: Object, user: &str) -> Option<&PrivilegeSet>;
    /// Returns who has which privileges on `object`, by user.
    fn grants(&self, object: Object) -> Vec<(&str, &PrivilegeSet)>;
    /// Returns the value of a cluster setting that was set.
    fn setting(&self, name: &str) -> Option<&str>;

    /// Returns whether a table or sequence called `name` is in `database`.
    fn is_relation(&self, database: DatabaseId, name: &str) -> bool {
        self.table(database, name).is_some() || self.sequence(database, name).is_some()
    }

    /// Returns whether `user` may do `privilege` to `object`; root may do everything.
    fn allows(&self, user: &str, privilege: Privilege, object: Object) -> bool {
        user == ROOT || self.privileges(object, user).is_some_and(|set| set.allows(privilege))
    }
}

/// The catalog at one commit.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Databases by id.
    pub databases: BTreeMap<DatabaseId, DatabaseDescriptor>,
    /// Tables by id.
    pub tables: BTreeMap<TableId, TableDescriptor>,
    /// Sequences by id.
    pub sequences: BTreeMap<TableId, SequenceDescriptor>,
    /// Users.
    pub users: BTreeSet<String>,
    /// Privileges by object and user; never an empty set.
    pub grants: BTreeMap<(Object, Grantee), PrivilegeSet>,
    /// Cluster settings that were set.
    pub settings: BTreeMap<String, String>,
    /// Ids of databases by name.
    pub database_names: BTreeMap<String, DatabaseId>,
    /// Ids of tables by database and name.
    pub table_names: BTreeMap<(DatabaseId, String), TableId>,
    /// Ids of sequences by database and name.
    pub sequence_names: BTreeMap<(DatabaseId, String), TableId>,
}

impl Snapshot {
    /// Adds or replaces a database.
    pub fn put_database(&mut self, database: DatabaseDescriptor) {
        self.remove_database(database.id);
        self.database_names.insert(database.name.clone(), database.id);
        self.databases.insert(database.id, database);
    }

    /// Removes a database, not its tables and grants.
    pub fn remove_database(&mut self, id: DatabaseId) {
        if let Some(old) = self.databases.remove(&id) {
            self.database_names.remove(&old.name);
        }
    }

    /// Adds or replaces a table.
    pub fn put_table(&mut self, table: TableDescriptor) {
        self.remove_table(table.id);
        self.table_names.insert((table.database, table.name.clone()), table.id);
        self.tables.insert(table.id, table);
    }

    /// Removes a table, not its grants.
    pub fn remove_table(&mut self, id: TableId) {
        if let Some(old) = self.tables.remove(&id) {
            self.table_names.remove(&(old.database, old.name));
        }
    }

    /// Adds or replaces a sequence.
    pub fn put_sequence(&mut self, sequence: SequenceDescriptor) {
        self.remove_sequence(sequence.id);
        self.sequence_names.insert((sequence.database, sequence.name.clone()), sequence.id);
        self.sequences.insert(sequence.id, sequence);
    }

    /// Removes a sequence, not its grants.
    pub fn remove_sequence(&mut self, id: TableId) {
        if let Some(old) = self.sequences.remove(&id) {
            self.sequence_names.remove(&(old.database, old.name));
        }
    }

    /// Sets what `user` may do to `object`; an empty set removes the entry.
    pub fn put_grant(&mut self, object: Object, user: &str, set: PrivilegeSet) {
        if set.is_empty() {
            self.grants.remove(&(object, user.to_owned()));
        } else {
            self.grants.insert((object, user.to_owned()), set);
        }
    }

    /// Removes every grant on `object`.
    pub fn remove_grants(&mut self, object: Object) {
        self.grants.retain(|(each, _), _| *each != object);
    }
}

impl Catalog for Snapshot {
    fn database(&self, name: &str) -> Option<&DatabaseDescriptor> {
        self.databases.get(self.database_names.get(name)?)
    }

    fn database_by_id(&self, id: DatabaseId) -> Option<&DatabaseDescriptor> {
        self.databases.get(&id)
    }

    fn databases(&self) -> Vec<&DatabaseDescriptor> {
        self.database_names.values().filter_map(|id| self.databases.get(id)).collect()
    }

    fn table(&self, database: DatabaseId, name: &str) -> Option<&TableDescriptor> {
        self.tables.get(self.table_names.get(&(database, name.to_owned()))?)
    }

    fn table_by_id(&self, id: TableId) -> Option<&TableDescriptor> {
        self.tables.get(&id)
    }

    fn tables(&self, database: DatabaseId) -> Vec<&TableDescriptor> {
        self.table_names
            .range((database, String::new())..)
            .take_while(|((id, _), _)| *id == database)
            .filter_map(|(_, id)| self.tables.get(id))
            .collect()
    }

    fn sequence(&self, database: DatabaseId, name: &str) -> Option<&SequenceDescriptor> {
        self.sequences.get(self.sequence_names.get(&(database, name.to_owned()))?)
    }

    fn sequence_by_id(&self, id: TableId) -> Option<&SequenceDescriptor> {
        self.sequences.get(&id)
    }

    fn sequences(&self, database: DatabaseId) -> Vec<&SequenceDescriptor> {
        self.sequence_names
            .range((database, String::new())..)
            .take_while(|((id, _), _)| *id == database)
            .filter_map(|(_, id)| self.sequences.get(id))
            .collect()
    }

    fn user_exists(&self, name: &str) -> bool {
        name == ROOT || self.users.contains(name)
    }

    fn users(&self) -> Vec<&str> {
        let mut users: Vec<&str> = self.users.iter().map(String::as_str).collect();
        if !self.users.contains(ROOT) {
            users.push(ROOT);
            users.sort_unstable();
        }
        users
    }

    fn privileges(&self, object: Object, user: &str) -> Option<&PrivilegeSet> {
        self.grants.get(&(object, user.to_owned()))
    }

    fn grants(&self, object: Object) -> Vec<(&str, &PrivilegeSet)> {
        self.grants
            .iter()
            .filter(|((each, _), _)| *each == object)
            .map(|((_, user), set)| (user.as_str(), set))
            .collect()
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ColumnId, IndexId};

    fn database(id: u32, name: &str) -> DatabaseDescriptor {
        DatabaseDescriptor { id: DatabaseId(id), name: name.into() }
    }

    fn table(id: u32, database: u32, name: &str) -> TableDescriptor {
        TableDescriptor {
            id: TableId(id),
            database: DatabaseId(database),
            name: name.into(),
            columns: Vec::new(),
            primary_key: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            next_column: ColumnId(1),
            next_index: IndexId(2),
            families: Vec::new(),
        }
    }

    fn names(tables: &[&TableDescriptor]) -> Vec<String> {
        tables.iter().map(|table| table.name.clone()).collect()
    }

    #[test]
    fn a_renamed_object_has_its_new_name_only() {
        let mut catalog = Snapshot::default();
        catalog.put_database(database(1, "a"));
        catalog.put_database(database(1, "b"));
        assert!(catalog.database("a").is_none());
        assert_eq!(catalog.database("b").map(|found| found.id), Some(DatabaseId(1)));
        catalog.put_table(table(1, 1, "old"));
        catalog.put_table(table(1, 1, "new"));
        assert!(catalog.table(DatabaseId(1), "old").is_none());
        assert!(catalog.table(DatabaseId(1), "new").is_some());
    }

    #[test]
    fn lists_the_tables_of_one_database_by_name() {
        let mut catalog = Snapshot::default();
        for (id, database, name) in [(1, 2, "z"), (2, 1, "b"), (3, 2, "a"), (4, 3, "c")] {
            catalog.put_table(table(id, database, name));
        }
        assert_eq!(names(&catalog.tables(DatabaseId(2))), ["a", "z"]);
        catalog.remove_table(TableId(3));
        assert_eq!(names(&catalog.tables(DatabaseId(2))), ["z"]);
    }

    #[test]
    fn grants_allow_and_root_needs_none() {
        let mut catalog = Snapshot::default();
        let object = Object::Table(TableId(1));
        let mut set = crate::catalog::PrivilegeSet::default();
        set.grant(Privilege::Select);
        catalog.put_grant(object, "ann", set);
        assert!(catalog.allows("ann", Privilege::Select, object));
        assert!(!catalog.allows("ann", Privilege::Insert, object));
        assert!(catalog.allows(ROOT, Privilege::Drop, object));
        assert_eq!(catalog.grants(object).len(), 1);
        catalog.put_grant(object, "ann", crate::catalog::PrivilegeSet::default());
        assert!(catalog.grants.is_empty());
    }

    #[test]
    fn root_is_always_a_user() {
        let mut catalog = Snapshot::default();
        catalog.users.insert("zoe".into());
        catalog.users.insert("ann".into());
        assert_eq!(catalog.users(), ["ann", "root", "zoe"]);
        assert!(catalog.user_exists("root") && !catalog.user_exists("bob"));
    }
}
