//! Work that takes time: import, export and index builds.
//!
//! A job reads through `source`, `record` and `types`, writes through `store`, and tells what it does
//! by `Event` values; it draws nothing. It runs on threads of its own and blocks its caller.

mod bytes;
mod compact;
mod constraint;
pub mod create_index;
mod event;
pub mod export;
pub mod file_table;
mod foreign_key;
mod hold;
pub mod import;
mod index;
pub mod insert;
mod key;
mod matching;
mod merge;
mod output;
mod packed_index;
mod ranks;
pub mod registry;
mod run;
mod sort;
mod subtract;
mod table;

use std::sync::Arc;

use crate::catalog::TableDescriptor;
use crate::error::Result;
use crate::query::{Engine, QueryContext};
use crate::source::Access;
use crate::store::Store;

pub use event::{Cancellation, Event, Progress, cancelled};
pub use index::{ROWID_COLUMN, index_columns};
#[cfg(test)]
pub(crate) use output::describe_outputs;

/// Tells the time, in microseconds since 1970 in UTC; below `session` nothing reads the clock itself.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub fn() -> i64);

impl Clock {
    /// Returns the time.
    pub fn now(self) -> i64 {
        (self.0)()
    }
}

/// What a job works with.
#[derive(Clone)]
pub struct JobContext {
    /// The database.
    pub store: Arc<Store>,
    /// Evaluates CHECK, DEFAULT and computed expressions.
    pub engine: Arc<Engine>,
    /// As whom, when and on which view expressions are evaluated.
    pub query: QueryContext,
    /// Opens data files and temporary directories.
    pub access: Arc<Access>,
    /// What the job may hold in memory, in bytes.
    pub memory: u64,
    /// How many threads it may use; at least 1.
    pub threads: usize,
    /// The most that its temporary files may take, in bytes.
    pub max_temp: Option<u64>,
    /// Tells the time.
    pub clock: Clock,
    /// Tells when to stop.
    pub cancellation: Cancellation,
    /// Where events go.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

/// Compiles the expressions of `table`, which checks their names and types.
pub fn check_expressions(
    table: &Arc<TableDescriptor>,
    engine: &Engine,
    context: &QueryContext,
) -> Result {
    constraint::RowRules::compile(table, engine, context).map(drop)
}
