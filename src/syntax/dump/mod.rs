//! Statements of SQL dumps: what `pg_dump` and `mysqldump` write, put into our own dialect.
//!
//! A statement is cut into tokens, its tokens are rewritten - types, casts, clauses that have no
//! meaning here - and the result goes through `parse` like anything that a user types. So a dump can
//! say nothing that CREATE TABLE could not.

mod mysql;
mod mysql_column;
mod postgres;
mod rewrite;
mod sequence;
#[cfg(test)]
mod tests;
mod tokens;

use super::ast::{Expr, SequenceOption, TableElement};
use crate::error::Result;

pub use postgres::Enums;

/// What a statement of a dump means for its import.
#[derive(Clone, Debug, PartialEq)]
pub enum DumpStatement {
    /// Nothing: a setting, a comment, an owner, rights.
    PassedOver,
    /// Something about a sequence.
    Sequence(DumpSequence),
    /// Something that is left out and told, such as MySQL's views: what it is.
    LeftOut(&'static str),
    /// Whether backslashes escape in plain strings from here on.
    Backslash(bool),
    /// The encoding of what follows.
    Encoding(String),
    /// A type whose values are these texts.
    Enum {
        /// Its name.
        name: String,
        /// The texts.
        labels: Vec<String>,
    },
    /// `CREATE TABLE`.
    Table(DumpTable),
    /// A key, an index or another constraint of a table.
    Element {
        /// The table.
        table: String,
        /// The constraint.
        element: DumpElement,
    },
    /// The default of a column.
    Default {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its default.
        default: Expr,
    },
    /// A column may not be NULL.
    NotNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A statement that an import cannot do: why, if there is more to say.
    Unsupported(Option<String>),
}

/// What a dump says of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum DumpSequence {
    /// `CREATE SEQUENCE`.
    Create {
        /// Its name.
        name: String,
        /// Its options.
        options: Vec<SequenceOption>,
    },
    /// `ALTER SEQUENCE`.
    Change {
        /// Its name.
        name: String,
        /// The options that change.
        options: Vec<SequenceOption>,
    },
    /// `setval`.
    Value {
        /// Its name.
        name: String,
        /// Its value.
        value: i64,
        /// Whether the value was given.
        called: bool,
    },
    /// A column takes its values from a sequence of its own: an identity column, or one with
    /// `AUTO_INCREMENT`.
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The sequence's name, if it is told.
        name: Option<String>,
        /// Its options.
        options: Vec<SequenceOption>,
    },
    /// `ALTER TABLE ... AUTO_INCREMENT = n`: the value that such a column of the table gives next.
    Next {
        /// The table.
        table: String,
        /// The value.
        value: i64,
    },
}

/// A table of a dump.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpTable {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<TableElement>,
    /// The other elements.
    pub elements: Vec<DumpElement>,
    /// Columns of MySQL's type BIT.
    pub bits: Vec<String>,
    /// The column with `AUTO_INCREMENT`.
    pub numbered: Option<String>,
    /// The value that it gives next, if it is told.
    pub next_number: Option<i64>,
}

impl DumpTable {
    /// Returns a table without columns.
    fn new(name: String) -> Self {
        Self {
            name,
            columns: Vec::new(),
            elements: Vec::new(),
            bits: Vec::new(),
            numbered: None,
            next_number: None,
        }
    }
}

/// An element of a table besides its columns.
#[derive(Clone, Debug, PartialEq)]
pub enum DumpElement {
    /// A constraint or index.
    Known(TableElement),
    /// One that we have not, such as a full-text index: its text and what is wrong with it.
    Unknown {
        /// Its beginning.
        text: String,
        /// Why it cannot be.
        reason: String,
    },
}

/// The table and columns that a block of rows is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsHead {
    /// The table; nothing if it is in another schema than `public`.
    pub table: Option<String>,
    /// The columns, if they are listed.
    pub columns: Option<Vec<String>>,
}

/// Reads a statement of `pg_dump`, given without its semicolon. The error says why it could not be
/// parsed.
pub fn read_postgres(text: &str, enums: &Enums) -> Result<Vec<DumpStatement>> {
    postgres::read(text, enums)
}

/// Reads a statement of `mysqldump`, given without its semicolon.
pub fn read_mysql(text: &str) -> Result<Vec<DumpStatement>> {
    mysql::read(text)
}

/// Reads the head of COPY or INSERT, up to FROM or VALUES.
pub fn read_rows_head(text: &str, mysql: bool) -> Result<RowsHead> {
    let text = if mysql { tokens::ansi(text) } else { text.to_owned() };
    rewrite::rows_head(&tokens::Tokens::new(&text))
}
