//! The database directory: redb catalog and manifests, segment files, locks, garbage.
//!
//! A table is what its manifest says: writers make segment files that nobody sees, and one redb
//! commit publishes them. docs/storage.md describes every byte.

mod bounds;
mod catalog_file;
mod changes;
mod checkpoint;
mod claim;
mod error;
mod garbage;
mod lock;
mod manifest;
mod panic;
mod parquet_file;
mod parquet_output;
mod recovery;
mod rejects;
mod rows;
mod segment;
mod sequence;
#[expect(clippy::module_inception, reason = "the folder is named for what this file holds")]
mod store;
mod view;

#[cfg(test)]
mod tests;

pub use changes::Changes;
pub use checkpoint::Checkpoint;
pub use claim::{TableClaim, TableUse};
pub use garbage::DirectoryNote;
pub use manifest::{ColumnStatistics, Manifest, RowIds, Segment};
pub use parquet_file::{ParquetFile, ParquetRows};
pub use parquet_output::{PageCompression, ParquetWriter};
pub use rejects::RejectsFile;
pub use segment::{
    ColumnFilter, ColumnRange, ScanRequest, SegmentColumn, SegmentScan, SegmentWriter,
};
pub use store::{OpenOptions, Store};
pub use view::View;
