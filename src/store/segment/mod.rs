//! Segment files: Parquet with check sums of its blocks, written once, read in parts.

mod checksum;
mod column_chunk;
mod dictionary;
mod encoding;
mod filter;
mod integer_pages;
mod packing;
mod prune;
mod reader;
mod row_group;
mod text_pages;
mod texts;
mod writer;

#[cfg(test)]
mod tests;

pub use filter::ColumnFilter;
pub use prune::ColumnRange;
pub(super) use reader::{OpenFiles, OpenSegment};
pub use reader::{ScanRequest, SegmentScan};
pub use writer::SegmentWriter;

use crate::catalog::ColumnId;
use crate::types::SqlType;

/// A column of a segment.
#[derive(Clone, Debug)]
pub struct SegmentColumn {
    /// Its id, written as the Parquet field id.
    pub id: ColumnId,
    /// Its name at the time of writing.
    pub name: String,
    /// Its type; values are in storage form.
    pub sql_type: SqlType,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// The most rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

/// The most bytes of a row group, about.
const GROUP_BYTES: usize = 64 << 20;

/// The most rows of a data page; parts of a segment are cut at multiples of it.
const PAGE_ROWS: usize = 16_384;

/// The bytes in memory behind the rows of a page from which on it has fewer rows.
const PAGE_BYTES: usize = 8 << 20;
