//! Descriptors of databases and tables, as the catalog stores them.

use serde::{Deserialize, Serialize};

use super::{ColumnId, DatabaseId, IndexId, TableId};
use crate::types::SqlType;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseDescriptor {
    /// Its id.
    pub id: DatabaseId,
    /// Its name.
    pub name: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDescriptor {
    /// Its id.
    pub id: TableId,
    /// The database it is in.
    pub database: DatabaseId,
    /// Its name.
    pub name: String,
    /// Its visible columns in order. A table without primary key has a hidden `rowid` besides,
    /// which is not listed here.
    pub columns: Vec<ColumnDescriptor>,
    /// The primary key, if it has one.
    pub primary_key: Option<IndexDescriptor>,
    /// Secondary indexes, unique ones (also from UNIQUE constraints) included.
    pub indexes: Vec<IndexDescriptor>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// FOREIGN KEY constraints.
    pub foreign_keys: Vec<ForeignKey>,
    /// The id that the next new column gets.
    pub next_column: ColumnId,
    /// The id that the next new index gets.
    pub next_index: IndexId,
    /// Families as written, `(name, columns)`: shown by SHOW CREATE TABLE, without effect.
    pub families: Vec<(String, Vec<String>)>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDescriptor {
    /// Its id.
    pub id: ColumnId,
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// DEFAULT, as SQL text.
    pub default: Option<String>,
    /// `AS (...) STORED`, as SQL text.
    pub computed: Option<String>,
}

/// An index or the primary key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDescriptor {
    /// Its id.
    pub id: IndexId,
    /// Its name; `primary` for a primary key unless its constraint was named.
    pub name: String,
    /// Whether keys must differ. NULLs differ from each other.
    pub unique: bool,
    /// Whether it was written as a constraint (`UNIQUE (...)`, `PRIMARY KEY`), not as an index.
    pub constraint: bool,
    /// The key.
    pub key: Vec<IndexKey>,
    /// Columns stored beside the key.
    pub storing: Vec<ColumnId>,
}

/// A column of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexKey {
    /// The column.
    pub column: ColumnId,
    /// Whether it is sorted downwards.
    pub descending: bool,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The condition, as SQL text.
    pub expr: String,
}

/// A FOREIGN KEY constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<ColumnId>,
    /// The referenced table.
    pub references: TableId,
    /// The referenced columns: a primary or unique key of that table, in this constraint's order.
    pub referenced_columns: Vec<ColumnId>,
    /// `ON DELETE` action as written, upper case.
    pub on_delete: Option<String>,
    /// `ON UPDATE` action as written, upper case.
    pub on_update: Option<String>,
}

impl IndexDescriptor {
    /// Returns whether the index makes sure that rows differ in `columns`, which stand in any order.
    pub fn is_key_of(&self, columns: &[ColumnId]) -> bool {
        self.unique
            && self.key.len() == columns.len()
            && self.key.iter().all(|part| columns.contains(&part.column))
    }
}

impl TableDescriptor {
    /// Returns the column called `name`.
    pub fn column(&self, name: &str) -> Option<&ColumnDescriptor> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the column with this id.
    pub fn column_by_id(&self, id: ColumnId) -> Option<&ColumnDescriptor> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Returns the position among the visible columns of the column with this id.
    pub fn position(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }

    /// Returns the primary key, if any, and the secondary indexes.
    pub fn all_indexes(&self) -> impl Iterator<Item = &IndexDescriptor> {
        self.primary_key.iter().chain(&self.indexes)
    }

    /// Returns the names of the columns of `key`, in its order.
    pub fn key_names(&self, key: &[IndexKey]) -> Vec<&str> {
        key.iter()
            .filter_map(|part| self.column_by_id(part.column))
            .map(|column| column.name.as_str())
            .collect()
    }
}
