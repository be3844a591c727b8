//! A small catalog for the tests of this module, and helpers that plan SQL text against it.
//!
//! `defaultdb` holds `customers` (id, name, email, age) and `orders` (id, customer, total, tax,
//! note), `shop` holds `items`, `hollow` nothing. `testuser` may SELECT from customers; `alice` may
//! SELECT, INSERT and GRANT there and CREATE in `defaultdb`; `idle` nothing.

use super::{
    Dropped, Import, ImportTarget, Plan, PlanContext, Planned, Variables, default_variables, plan,
};
use crate::catalog::{
    Catalog, DEFAULT_DATABASE, DatabaseDescriptor, DatabaseId, Object, Privilege, PrivilegeSet,
    ROOT, SequenceDescriptor, Snapshot, TableDescriptor, TableId,
};
use crate::error::{Error, Result};
use crate::syntax;

/// An import into a new table `t`, without options.
pub(super) const IMPORT: &str = "IMPORT TABLE t (a INT8 PRIMARY KEY, b STRING) CSV DATA ('f.csv')";

/// Returns the catalog.
pub(super) fn catalog() -> Snapshot {
    let mut catalog = Snapshot::default();
    for (id, name) in [(1, "defaultdb"), (2, "shop"), (3, "hollow")] {
        catalog.put_database(DatabaseDescriptor { id: DatabaseId(id), name: name.to_owned() });
    }
    for user in ["testuser", "alice", "idle"] {
        catalog.users.insert(user.to_owned());
    }
    for (id, sql) in [
        (
            1,
            "CREATE TABLE customers (id INT8 PRIMARY KEY, name STRING NOT NULL, email STRING UNIQUE, age INT8)",
        ),
        (
            2,
            "CREATE TABLE orders (id INT8 PRIMARY KEY, customer INT8 REFERENCES customers, total DECIMAL(10,2), tax DECIMAL(10,2) AS (total * 0.2) STORED, note STRING)",
        ),
        (3, "CREATE TABLE shop.items (sku STRING PRIMARY KEY, price DECIMAL(10,2))"),
    ] {
        let mut table = made(&catalog, sql);
        table.id = TableId(id);
        catalog.put_table(table);
    }
    grant(&mut catalog, Object::Table(TableId(1)), "testuser", &[Privilege::Select]);
    let of_alice = [Privilege::Select, Privilege::Insert, Privilege::Grant];
    grant(&mut catalog, Object::Table(TableId(1)), "alice", &of_alice);
    grant(&mut catalog, Object::Database(DatabaseId(1)), "alice", &[Privilege::Create]);
    catalog
}

fn grant(catalog: &mut Snapshot, object: Object, user: &str, privileges: &[Privilege]) {
    let mut set = PrivilegeSet::default();
    for privilege in privileges {
        set.grant(*privilege);
    }
    catalog.put_grant(object, user, set);
}

fn made(catalog: &dyn Catalog, sql: &str) -> TableDescriptor {
    let statement = syntax::parse(sql).expect(sql);
    let variables = default_variables();
    let context = PlanContext {
        user: ROOT,
        database: "defaultdb",
        in_transaction: false,
        transaction_failed: false,
        read_only: false,
        variables: &variables,
        file: None,
        absolute: crate::plan::Absolute(&crate::source::redact),
    };
    match plan(&statement, catalog, &context).expect(sql).plan {
        Plan::CreateTable(table) => *table,
        other => panic!("{other:?}"),
    }
}

/// A session's state, for a chain of changes and then a statement.
pub(super) struct Session {
    catalog: Snapshot,
    variables: Variables,
    user: String,
    file: Option<String>,
    in_transaction: bool,
    failed: bool,
    read_only: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            catalog: catalog(),
            variables: default_variables(),
            user: ROOT.to_owned(),
            file: None,
            in_transaction: false,
            failed: false,
            read_only: false,
        }
    }
}

impl Session {
    /// A session in which IMPORT is enabled.
    pub(super) fn importing() -> Self {
        Self::default().setting("experimental.importcsv.enabled", "true")
    }

    pub(super) fn setting(mut self, name: &str, value: &str) -> Self {
        self.catalog.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    pub(super) fn file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    pub(super) fn in_transaction(mut self) -> Self {
        self.in_transaction = true;
        self
    }

    pub(super) fn failed(mut self) -> Self {
        self.in_transaction = true;
        self.failed = true;
        self
    }

    pub(super) fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    pub(super) fn plan(&self, sql: &str) -> Result<Planned> {
        let context = PlanContext {
            user: &self.user,
            database: "defaultdb",
            in_transaction: self.in_transaction,
            transaction_failed: self.failed,
            read_only: self.read_only,
            variables: &self.variables,
            file: self.file.as_deref(),
            absolute: crate::plan::Absolute(&crate::source::redact),
        };
        let statement = match syntax::parse(sql) {
            Ok(statement) => statement,
            Err(error) => panic!("{sql}: {error:?}"),
        };
        plan(&statement, &self.catalog, &context)
    }

    /// Plans a statement that must be right.
    pub(super) fn planned(&self, sql: &str) -> Planned {
        match self.plan(sql) {
            Ok(planned) => planned,
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    /// Plans a statement that must fail with this code and a message that holds these words.
    pub(super) fn fails(&self, sql: &str, code: &str, message: &str) -> Error {
        match self.plan(sql) {
            Ok(planned) => panic!("{sql}: {:?}", planned.plan),
            Err(error) => {
                assert!(error.message().contains(message), "{sql}: {error:?}");
                assert_eq!(error.code().as_str(), code, "{sql}: {error:?}");
                error
            }
        }
    }
}

/// Plans a statement of root's that must be right.
pub(super) fn planned(sql: &str) -> Planned {
    Session::default().planned(sql)
}

/// Checks that root may run a statement.
pub(super) fn plans(sql: &str) {
    planned(sql);
}

/// Plans a statement of root's that must fail.
pub(super) fn fails(sql: &str, code: &str, message: &str) -> Error {
    Session::default().fails(sql, code, message)
}

/// Returns the table that a CREATE TABLE describes.
pub(super) fn table(sql: &str) -> TableDescriptor {
    match planned(sql).plan {
        Plan::CreateTable(table) => *table,
        other => panic!("{sql}: {other:?}"),
    }
}

/// Returns the import that `IMPORT` with `temp` and more options plans.
pub(super) fn import_with(options: &str) -> Import {
    let sql = format!("{IMPORT} WITH temp = 'tmp', {options}");
    match Session::importing().planned(&sql).plan {
        Plan::Import(import) => *import,
        other => panic!("{other:?}"),
    }
}

/// Plans `IMPORT` with options that are wrong; `temp` stands before them unless they give it.
pub(super) fn import_fails(options: &str, code: &str, message: &str) -> Error {
    let temp = if options.starts_with("temp") { "" } else { "temp = 'tmp', " };
    Session::importing().fails(&format!("{IMPORT} WITH {temp}{options}"), code, message)
}

/// A store that is no more than its catalog: it does what plans say, so that a script can be planned.
pub(super) struct Store {
    catalog: Snapshot,
    database: String,
    in_transaction: bool,
    file: String,
}

impl Store {
    /// Returns a new store; `file` is what every file of CREATE USING holds.
    pub(super) fn new(file: &str) -> Self {
        let mut catalog = Snapshot::default();
        catalog.put_database(DatabaseDescriptor {
            id: DatabaseId(1),
            name: DEFAULT_DATABASE.to_owned(),
        });
        Self {
            catalog,
            database: DEFAULT_DATABASE.to_owned(),
            in_transaction: false,
            file: file.to_owned(),
        }
    }

    /// Plans a statement of root's that must be right, and makes its changes to the catalog.
    pub(super) fn run(&mut self, sql: &str) -> Plan {
        let variables = default_variables();
        let context = PlanContext {
            user: ROOT,
            database: &self.database,
            in_transaction: self.in_transaction,
            transaction_failed: false,
            read_only: false,
            variables: &variables,
            file: Some(&self.file),
            absolute: crate::plan::Absolute(&crate::source::redact),
        };
        let planned = syntax::parse(sql).and_then(|it| plan(&it, &self.catalog, &context));
        let plan = match planned {
            Ok(planned) => planned.plan,
            Err(error) => panic!("{sql}: {error:?}"),
        };
        self.apply(&plan);
        plan
    }

    fn apply(&mut self, plan: &Plan) {
        let relations = self.catalog.tables.len() + self.catalog.sequences.len();
        let next = u32::try_from(relations + 100).expect("few tables");
        match plan {
            Plan::CreateTable(table) => self.put_table(TableId(next), table),
            Plan::Import(import) => {
                if let ImportTarget::New(table) = &import.target {
                    self.put_table(TableId(next), table);
                }
            }
            Plan::CreateTableAs { database, name, .. } => {
                let mut table = made(&self.catalog, "CREATE TABLE defaultdb.made (a INT8)");
                table.database = *database;
                table.name.clone_from(name);
                self.put_table(TableId(next), &table);
            }
            Plan::CreateSequence(sequence) => {
                let id = TableId(next);
                self.catalog.put_sequence(SequenceDescriptor { id, ..(**sequence).clone() });
            }
            Plan::AlterSequence(change) => self.catalog.put_sequence(change.sequence.clone()),
            Plan::DropTables(Dropped { tables, sequences, .. })
            | Plan::DropSequences(Dropped { tables, sequences, .. }) => {
                for id in tables {
                    self.catalog.remove_table(*id);
                }
                for id in sequences {
                    self.catalog.remove_sequence(*id);
                }
            }
            Plan::CreateIndex(create) => self.put_table(create.table.id, &create.with_index()),
            Plan::DropIndexes { indexes, .. } => {
                for (id, index) in indexes {
                    if let Some(table) = self.catalog.tables.get_mut(id) {
                        table.indexes.retain(|each| each.id != *index);
                    }
                }
            }
            Plan::CreateDatabase { name } => self
                .catalog
                .put_database(DatabaseDescriptor { id: DatabaseId(next), name: name.clone() }),
            Plan::Use { name } => self.database.clone_from(name),
            Plan::CreateUser { name } => {
                self.catalog.users.insert(name.clone());
            }
            Plan::DropUsers { names } => {
                self.catalog.users.retain(|user| !names.contains(user));
            }
            Plan::SetGrants { grants, .. } => {
                for (object, user, set) in grants {
                    self.catalog.put_grant(*object, user, set.clone());
                }
            }
            Plan::SetClusterSetting { name, value: Some(value) } => {
                self.catalog.settings.insert(name.clone(), value.clone());
            }
            Plan::Begin => self.in_transaction = true,
            Plan::Commit | Plan::Rollback => self.in_transaction = false,
            _ => {}
        }
    }

    fn put_table(&mut self, id: TableId, table: &TableDescriptor) {
        self.catalog.put_table(TableDescriptor { id, ..table.clone() });
    }
}
