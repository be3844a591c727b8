//! SELECT and expressions: tables as DataFusion providers, its errors into ours.
//!
//! A query goes: text, syntax tree (`rewrite`, `names`), logical plan (`planner`, `operator`), meaning
//! (`analyze`), DataFusion's optimizer, physical plan over scans of segments (`provider`, `prune`,
//! `scan`), rows (`rows`). An expression of a table goes the same way to `compile`.

mod analyze;
mod cast;
mod checked;
mod choice;
mod common_query;
mod compile;
mod decimal;
mod dialect;
mod engine;
mod error;
mod exists;
mod explain;
mod file;
mod float;
mod function;
mod group;
mod in_order;
mod known;
mod names;
mod narrow;
mod nullable;
mod operator;
mod planner;
mod planning;
mod provider;
mod prune;
mod quantified;
mod rewrite;
mod rows;
mod scan;
mod set_operation;
mod sql_types;
mod temporal;
#[cfg(test)]
mod tests;
mod uuid_text;

use std::sync::Arc;

pub use compile::CompiledExpr;
pub use engine::Engine;
pub use file::{FileSource, FileTable};
pub use function::SequenceMemory;
pub use rows::Rows;
pub use sql_types::sql_type_of_field;

use crate::catalog::TableId;
use crate::store::{Store, View};

/// What a query may see, and as whom and when it runs.
#[derive(Clone, Debug)]
pub struct QueryContext {
    /// Where segments are read.
    pub store: Arc<Store>,
    /// The catalog and manifests, at one commit.
    pub view: Arc<View>,
    /// The current database.
    pub database: String,
    /// The session's user.
    pub user: String,
    /// The statement's time, in microseconds since 1970 in UTC.
    pub now: i64,
    /// The session's time zone name.
    pub time_zone: String,
    /// The files that the query names in place of tables.
    pub files: Arc<[FileTable]>,
    /// What the session remembers of its sequences.
    pub sequences: Arc<SequenceMemory>,
    /// The table whose expression is evaluated.
    pub home: Option<Home>,
}

/// A table whose expression is evaluated.
#[derive(Clone, Debug)]
pub struct Home {
    /// The name of its database.
    database: String,
    /// The table.
    table: TableId,
}

/// What EXPLAIN shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainOptions {
    /// Run the query and show what happened.
    pub analyze: bool,
    /// Show every plan.
    pub verbose: bool,
}
