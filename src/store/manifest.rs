//! Manifests and segments: which files make a table, and what is known of them without reading them.
//!
//! In redb a manifest is the list of segment numbers; each segment has a row of its own, so that a
//! commit writes what it adds and no more. This file turns both into bytes and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::bounds;
use super::garbage::SegmentFile;
use crate::catalog::{ColumnId, IndexId};

/// The segments of a table.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The rows, in primary key order, or in file order if there is no primary key.
    pub segments: Vec<Arc<Segment>>,
    /// The secondary indexes: each a sorted list of segments.
    pub indexes: BTreeMap<IndexId, Vec<Arc<Segment>>>,
    /// The lowest rowid that is free for INSERT.
    pub next_rowid: i64,
}

impl Manifest {
    /// Returns every segment, those of the rows first.
    pub fn all_segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.iter().chain(self.indexes.values().flatten())
    }

    /// Returns the files of the rows, in their order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|segment| segment.file.as_str())
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Returns the size of all files in bytes, those of indexes included.
    pub fn bytes(&self) -> u64 {
        self.all_segments().map(|segment| segment.bytes).sum()
    }
}

/// An immutable file of rows, and what the manifest knows of it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The file's name in `data/<table>/`.
    pub file: String,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The smallest and largest value of each column that has statistics, in storage form (arrays of
    /// two values), and its NULLs.
    pub statistics: Vec<ColumnStatistics>,
    /// How hidden row ids are computed, in a table without primary key.
    pub rowids: Option<RowIds>,
    /// The number of the commit that published it; 0 before.
    pub commit: u64,
    /// The file itself: kept while any view or scan may read it.
    pub(super) data: Arc<SegmentFile>,
}

impl Segment {
    /// Returns what is known of a column: nothing if the segment lacks it.
    pub fn column_statistics(&self, column: ColumnId) -> Option<&ColumnStatistics> {
        self.statistics.iter().find(|statistics| statistics.column == column)
    }
}

/// Statistics of a column in a segment.
#[derive(Clone, Debug)]
pub struct ColumnStatistics {
    /// The column.
    pub column: ColumnId,
    /// Smallest and largest value (length 2, storage form), unless all are NULL or none are kept.
    pub range: Option<ArrayRef>,
    /// How many are NULL.
    pub nulls: u64,
}

/// How the rowid of the i-th row (from 0) of a segment is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowIds {
    /// `(first_row + i) << 15 XOR file_index`, rows counted from 1.
    Import {
        /// The position of the file in the IMPORT, from 0.
        file_index: u32,
        /// The row number of the segment's first row.
        first_row: u64,
    },
    /// `first + i`.
    Sequence {
        /// The first row's id.
        first: i64,
    },
}

impl RowIds {
    /// Returns the rowid of the row at `position` (from 0) in the segment.
    pub fn at(self, position: u64) -> i64 {
        match self {
            Self::Import { file_index, first_row } => {
                (((first_row + position) << 15) ^ u64::from(file_index)).cast_signed()
            }
            Self::Sequence { first } => first.wrapping_add(position.cast_signed()),
        }
    }
}

/// A manifest as its row in redb holds it: numbers of segments instead of segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ManifestRow {
    pub(super) next_rowid: i64,
    /// Segment numbers by index; the rows stand under `IndexId(0)`.
    pub(super) lists: BTreeMap<IndexId, Vec<u64>>,
}

/// The list of the rows themselves in a `ManifestRow`.
const ROWS: IndexId = IndexId(0);

impl ManifestRow {
    /// Returns the row that stands for `manifest`.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let numbers = |list: &Vec<Arc<Segment>>| list.iter().map(|s| s.data.number()).collect();
        let mut lists: BTreeMap<_, _> =
            manifest.indexes.iter().map(|(index, list)| (*index, numbers(list))).collect();
        lists.insert(ROWS, numbers(&manifest.segments));
        Self { next_rowid: manifest.next_rowid, lists }
    }

    /// Returns the manifest, given each segment; nothing if one is missing.
    pub(super) fn resolve(&self, segments: &BTreeMap<u64, Arc<Segment>>) -> Option<Manifest> {
        let list = |numbers: &Vec<u64>| -> Option<Vec<Arc<Segment>>> {
            numbers.iter().map(|number| segments.get(number).cloned()).collect()
        };
        let mut manifest = Manifest { next_rowid: self.next_rowid, ..Manifest::default() };
        for (index, numbers) in &self.lists {
            if *index == ROWS {
                manifest.segments = list(numbers)?;
            } else {
                manifest.indexes.insert(*index, list(numbers)?);
            }
        }
        Some(manifest)
    }

    /// Returns every segment number.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.lists.values().flatten().copied()
    }

    /// Returns the bytes: next rowid (i64), count of lists (u32), then for each index (u32), count
    /// (u32) and numbers (u64).
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.next_rowid.to_le_bytes());
        put_count(&mut out, self.lists.len());
        for (index, numbers) in &self.lists {
            out.extend(index.0.to_le_bytes());
            put_count(&mut out, numbers.len());
            for number in numbers {
                out.extend(number.to_le_bytes());
            }
        }
        out
    }

    /// Returns the row that `encode` wrote; nothing if the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Cursor(bytes);
        let mut row = Self { next_rowid: bytes.i64()?, ..Self::default() };
        for _ in 0..bytes.u32()? {
            let index = IndexId(bytes.u32()?);
            let count = bytes.u32()?;
            let numbers = (0..count).map(|_| bytes.u64()).collect::<Option<_>>()?;
            row.lists.insert(index, numbers);
        }
        bytes.0.is_empty().then_some(row)
    }
}

/// What the row of a segment in redb holds, besides its number.
#[derive(Debug)]
pub(super) struct SegmentRow {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) commit: u64,
    pub(super) rowids: Option<RowIds>,
    pub(super) statistics: Vec<ColumnStatistics>,
    pub(super) checksums: Vec<u32>,
}

/// Returns the bytes of a segment's row; docs/storage.md lists them.
pub(super) fn encode_segment(segment: &Segment, commit: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for number in [segment.rows, segment.bytes, commit] {
        out.extend(number.to_le_bytes());
    }
    match segment.rowids {
        None => out.push(0),
        Some(RowIds::Import { file_index, first_row }) => {
            out.push(1);
            out.extend(file_index.to_le_bytes());
            out.extend(first_row.to_le_bytes());
        }
        Some(RowIds::Sequence { first }) => {
            out.push(2);
            out.extend(first.to_le_bytes());
        }
    }
    put_count(&mut out, segment.statistics.len());
    let mut range = Vec::new();
    for column in &segment.statistics {
        range.clear();
        if let Some(pair) = &column.range {
            bounds::encode(pair, &mut range);
        }
        out.extend(column.column.0.to_le_bytes());
        out.extend(column.nulls.to_le_bytes());
        put_count(&mut out, range.len());
        out.extend(&range);
    }
    put_count(&mut out, segment.data.checksums().len());
    segment.data.checksums().iter().for_each(|checksum| out.extend(checksum.to_le_bytes()));
    out
}

/// Returns the row that `encode_segment` wrote; nothing if the bytes are none.
pub(super) fn decode_segment(bytes: &[u8]) -> Option<SegmentRow> {
    let mut bytes = Cursor(bytes);
    let (rows, size, commit) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
    let rowids = match bytes.take(1)?[0] {
        0 => None,
        1 => Some(RowIds::Import { file_index: bytes.u32()?, first_row: bytes.u64()? }),
        2 => Some(RowIds::Sequence { first: bytes.i64()? }),
        _ => return None,
    };
    let mut statistics = Vec::new();
    for _ in 0..bytes.u32()? {
        let (column, nulls) = (ColumnId(bytes.u32()?), bytes.u64()?);
        let length = usize::try_from(bytes.u32()?).ok()?;
        let range = match bytes.take(length)? {
            [] => None,
            pair => Some(bounds::decode(pair)?),
        };
        statistics.push(ColumnStatistics { column, range, nulls });
    }
    let count = usize::try_from(bytes.u32()?).ok()?;
    let raw = bytes.take(count.checked_mul(4)?)?;
    let checksums =
        raw.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
    let row = SegmentRow { rows, bytes: size, commit, rowids, statistics, checksums };
    bytes.0.is_empty().then_some(row)
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).expect("a count of things in memory").to_le_bytes());
}

/// Reads numbers off the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        self.u64().map(u64::cast_signed)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;
    use crate::catalog::TableId;

    fn segment(rowids: Option<RowIds>) -> Segment {
        let data = SegmentFile::unregistered("x".as_ref(), TableId(1), 7, vec![1, 2, u32::MAX]);
        let range: ArrayRef = Arc::new(Int64Array::from(vec![-1, 9]));
        Segment {
            file: "7.parquet".into(),
            rows: 10,
            bytes: 150_000,
            statistics: vec![
                ColumnStatistics { column: ColumnId(1), range: Some(range), nulls: 0 },
                ColumnStatistics { column: ColumnId(4), range: None, nulls: 10 },
            ],
            rowids,
            commit: 0,
            data: Arc::new(data),
        }
    }

    #[test]
    fn segments_are_read_back_and_cut_bytes_are_refused() {
        for rowids in [
            None,
            Some(RowIds::Import { file_index: 3, first_row: 1 << 40 }),
            Some(RowIds::Sequence { first: -5 }),
        ] {
            let written = segment(rowids);
            let bytes = encode_segment(&written, 12);
            let read = decode_segment(&bytes).unwrap();
            assert_eq!((read.rows, read.bytes, read.commit), (10, 150_000, 12));
            assert_eq!(read.rowids, rowids);
            assert_eq!(read.checksums, [1, 2, u32::MAX]);
            assert_eq!(read.statistics[0].range, written.statistics[0].range);
            assert_eq!(read.statistics[1].nulls, 10);
            assert!((0..bytes.len()).all(|cut| decode_segment(&bytes[..cut]).is_none()));
        }
    }

    #[test]
    fn manifest_rows_are_read_back_and_cut_bytes_are_refused() {
        let mut row = ManifestRow { next_rowid: -3, ..ManifestRow::default() };
        row.lists.insert(IndexId(0), vec![1, 5]);
        row.lists.insert(IndexId(2), vec![]);
        let bytes = row.encode();
        assert_eq!(ManifestRow::decode(&bytes), Some(row));
        assert!((0..bytes.len()).all(|cut| ManifestRow::decode(&bytes[..cut]).is_none()));
    }

    #[test]
    fn computes_rowids() {
        assert_eq!(RowIds::Import { file_index: 2, first_row: 1 }.at(0), (1 << 15) ^ 2);
        assert_eq!(RowIds::Import { file_index: 2, first_row: 1 }.at(9), (10 << 15) ^ 2);
        assert_eq!(RowIds::Sequence { first: 7 }.at(3), 10);
    }
}
