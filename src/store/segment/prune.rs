//! Which rows of a segment can be left out: by the statistics of the segment, of its row groups and
//! of its pages. What stays is a superset of the rows wanted.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, UInt64Array};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;

use crate::catalog::ColumnId;
use crate::store::bounds;
use crate::store::manifest::Segment;

/// A condition `low <= column <= high`; bounds are arrays of one value in storage form.
#[derive(Clone, Debug)]
pub struct ColumnRange {
    /// The column.
    pub column: ColumnId,
    /// The lower bound, included.
    pub low: Option<ArrayRef>,
    /// The upper bound, included.
    pub high: Option<ArrayRef>,
}

impl ColumnRange {
    /// Returns whether the condition says anything; one that does leaves NULL out.
    fn limits(&self) -> bool {
        self.low.is_some() || self.high.is_some()
    }

    /// Returns whether no value between row `row` of `lows` and of `highs` meets the condition.
    fn excludes(&self, lows: &ArrayRef, highs: &ArrayRef, row: usize) -> bool {
        let below = self.low.as_ref().and_then(|low| bounds::compare(highs, row, low));
        let above = self.high.as_ref().and_then(|high| bounds::compare(lows, row, high));
        below == Some(Ordering::Less) || above == Some(Ordering::Greater)
    }
}

impl Segment {
    /// Returns whether rows of this segment may meet all of `ranges`.
    pub fn may_match(&self, ranges: &[ColumnRange]) -> bool {
        ranges.iter().filter(|range| range.limits()).all(|range| {
            let Some(statistics) = self.column_statistics(range.column) else { return true };
            let all_null = statistics.nulls == self.rows;
            let excluded = statistics
                .range
                .as_ref()
                .is_some_and(|pair| range.excludes(&pair.slice(0, 1), &pair.slice(1, 1), 0));
            !all_null && !excluded
        })
    }

    /// Returns whether the statistics of Parquet can be trusted for a column: they leave NaN out.
    fn has_nan(&self, column: ColumnId) -> bool {
        let pair = self.column_statistics(column).and_then(|column| column.range.as_ref());
        pair.is_some_and(bounds::has_nan)
    }
}

/// Returns the rows (counted from 0 over the whole file) that may meet all of `ranges`, as ascending
/// ranges that do not touch. `leaf` gives the Parquet column of a column, if the file has it.
pub(super) fn rows_to_read(
    segment: &Segment,
    metadata: &ArrowReaderMetadata,
    ranges: &[ColumnRange],
    leaf: impl Fn(ColumnId) -> Option<usize>,
) -> Result<Vec<Range<u64>>, ParquetError> {
    let mut kept = Vec::new();
    let mut start = 0u64;
    for group in metadata.metadata().row_groups() {
        let end = start + u64::try_from(group.num_rows()).unwrap_or(0);
        kept.push(start..end);
        start = end;
    }
    for range in ranges.iter().filter(|range| range.limits()) {
        let Some(leaf) = leaf(range.column) else { continue };
        if !segment.has_nan(range.column) {
            let left_out = excluded_rows(metadata, range, leaf)?;
            kept = subtract(&kept, &left_out);
        }
    }
    Ok(merge(kept))
}

/// Returns the rows that cannot meet `range`, in ascending order.
fn excluded_rows(
    metadata: &ArrowReaderMetadata,
    range: &ColumnRange,
    leaf: usize,
) -> Result<Vec<Range<u64>>, ParquetError> {
    let file = metadata.metadata();
    let descriptor = file.file_metadata().schema_descr();
    let root = descriptor.get_column_root_idx(leaf);
    let field = metadata.schema().field(root);
    let converter = StatisticsConverter::from_column_index(leaf, field, descriptor)?
        .with_missing_null_counts_as_zero(false);
    let lows = converter.row_group_mins(file.row_groups())?;
    let highs = converter.row_group_maxes(file.row_groups())?;
    let nulls = converter.row_group_null_counts(file.row_groups())?;
    let mut out = Vec::new();
    let mut start = 0u64;
    for (index, group) in file.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        if range.excludes(&lows, &highs, index) || all_null(&nulls, index, rows) {
            out.push(start..start + rows);
        } else if let (Some(columns), Some(offsets)) = (file.column_index(), file.offset_index()) {
            let lows = converter.data_page_mins(columns, offsets, [&index])?;
            let highs = converter.data_page_maxes(columns, offsets, [&index])?;
            let nulls = converter.data_page_null_counts(columns, offsets, [&index])?;
            let pages = page_starts(&offsets[index][leaf], rows);
            if pages.len() == lows.len() + 1
                && lows.len() == highs.len()
                && nulls.len() == lows.len()
            {
                for (page, ends) in pages.windows(2).enumerate() {
                    let rows = ends[1] - ends[0];
                    if range.excludes(&lows, &highs, page) || all_null(&nulls, page, rows) {
                        out.push(start + ends[0]..start + ends[1]);
                    }
                }
            }
        }
        start += rows;
    }
    Ok(out)
}

fn all_null(nulls: &UInt64Array, index: usize, rows: u64) -> bool {
    index < nulls.len() && nulls.is_valid(index) && nulls.value(index) == rows
}

/// Returns the first row of each page in its row group, and the row after the last.
fn page_starts(
    offsets: &parquet::file::page_index::offset_index::OffsetIndexMetaData,
    rows: u64,
) -> Vec<u64> {
    offsets
        .page_locations()
        .iter()
        .filter_map(|page| u64::try_from(page.first_row_index).ok())
        .chain([rows])
        .collect()
}

/// Returns what `ranges` cover without what `others` cover; both ascend.
pub(super) fn subtract(ranges: &[Range<u64>], others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out = Vec::new();
    for range in ranges {
        let mut start = range.start;
        for other in others.iter().filter(|o| o.start < range.end && o.end > range.start) {
            if other.start > start {
                out.push(start..other.start);
            }
            start = start.max(other.end);
        }
        if start < range.end {
            out.push(start..range.end);
        }
    }
    out
}

/// Returns the same rows in ranges that do not touch.
fn merge(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in ranges.into_iter().filter(|range| range.start < range.end) {
        match out.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => out.push(range),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtracts_ranges() {
        let check = |others: &[Range<u64>], expected: &[Range<u64>]| {
            assert_eq!(subtract(&[0..10, 10..20], others), expected);
        };
        check(&[], &[0..10, 10..20]);
        check(&[0..5, 8..12], &[5..8, 12..20]);
        check(&[0..5, 5..20], &[]);
        check(&[3..4, 4..5, 19..20], &[0..3, 5..10, 10..19]);
    }

    #[test]
    fn merges_ranges_that_touch() {
        assert_eq!(merge(vec![0..3, 3..5, 7..7, 8..9]), [0..5, 8..9]);
    }
}
