//! Wharf: an embedded SQL shell that lands data.
//!
//! The life of a statement:
//!
//! 1. `shell` reads text from a terminal, a script or a golden test.
//! 2. `syntax` cuts it into statements and turns each into a `Statement`.
//! 3. `plan` checks the statement against the catalog and gives a `Plan`; it touches no file.
//! 4. `session` carries the plan out: a query by `query`, an import by `job`, the rest by `store`.
//! 5. A `job` reads bytes through `source`, cuts them into records with `record`, turns cells into
//!    Arrow arrays with `types`, and hands sorted segments to `store`, which publishes them in one
//!    commit.
//! 6. `shell` prints the outcome.
//!
//! Modules import downward only; `tidy` keeps it so.

pub mod catalog;
pub mod error;
pub mod job;
pub mod plan;
pub mod query;
pub mod record;
pub mod session;
pub mod shell;
pub mod source;
pub mod store;
pub mod syntax;
pub mod types;

#[cfg(test)]
#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate where it is fuzzed")]
mod fuzz;
#[cfg(test)]
mod tidy;

// By this name `fuzz` knows the crate.
#[cfg(test)]
extern crate self as wharf;
