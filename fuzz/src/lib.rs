//! What the fuzz targets check: each function takes any bytes and panics if a promise is broken.
//!
//! The crate `wharf` includes this file in its tests, which run every function on its seeds, so
//! that the targets are right even where nobody fuzzes.

mod choices;
mod csv;
mod dump;
mod options;
mod planning;
mod sql;
mod url;

#[cfg(test)]
mod tests;

pub use csv::csv;
pub use dump::dump;
pub use options::options;
pub use sql::sql;
pub use url::url;
