//! Which keys of a sorted segment stand in other sorted segments: a merge of key columns alone, range
//! by range, that holds a batch of each segment open and passes over what cannot match.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::row::Rows;

use super::JobContext;
use super::key::KeyEncoder;
use super::packed_index::in_parallel;
use crate::catalog::TableId;
use crate::error::Result;
use crate::store::{ColumnRange, ScanRequest, Segment, SegmentColumn, SegmentScan};

/// The most keys that are kept to find the first row in file order.
pub(crate) const MOST_MATCHES: usize = 100_000;

/// Rows of key columns that are read at once.
const KEY_ROWS: usize = 8192;

/// Whether two keys with NULL can be equal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// They are, if all else is: the entry of one row.
    Equal,
    /// Never: the keys of a unique index.
    Differ,
}

/// Sorted segments of one table or index, as far as their keys go.
pub(crate) struct KeyShape<'a> {
    context: &'a JobContext,
    table: TableId,
    /// The columns of the key, in key order.
    columns: Vec<SegmentColumn>,
    /// Encodes rows of `columns`: the whole key.
    encoder: KeyEncoder,
    /// Encodes the part of the key that is compared: all of it, or its first columns.
    compared: KeyEncoder,
    /// Encodes the first column alone: a prefix of the others.
    first: KeyEncoder,
}

impl<'a> KeyShape<'a> {
    /// Returns the shape of segments of `columns` sorted by `key`, of which the first `compared` columns
    /// are compared.
    pub(crate) fn new(
        context: &'a JobContext,
        table: TableId,
        columns: &[SegmentColumn],
        (key, compared): (&[(usize, bool)], usize),
    ) -> Result<Self> {
        let columns: Vec<SegmentColumn> =
            key.iter().map(|(position, _)| columns[*position].clone()).collect();
        let own: Vec<(usize, bool)> =
            key.iter().enumerate().map(|(at, (_, descending))| (at, *descending)).collect();
        Ok(Self {
            context,
            table,
            encoder: KeyEncoder::new(&columns, &own)?,
            compared: KeyEncoder::new(&columns, &own[..compared])?,
            first: KeyEncoder::new(&columns, &own[..1])?,
            columns,
        })
    }

    /// Returns whole keys of `segments` whose compared part stands in `others`, at most `MOST_MATCHES`.
    /// Keys with NULL in the compared part equal no others.
    pub(crate) fn common(
        &self,
        segments: &[Arc<Segment>],
        others: &[Arc<Segment>],
    ) -> Result<Vec<Vec<u8>>> {
        let found = in_parallel(self.context.threads, segments.len(), |number| {
            self.common_of(&segments[number], others)
        })?;
        Ok(found.into_iter().flatten().take(MOST_MATCHES).collect())
    }

    fn common_of(&self, segment: &Arc<Segment>, others: &[Arc<Segment>]) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        let statistics = segment.column_statistics(self.columns[0].id);
        if statistics.is_some_and(|statistics| statistics.nulls == segment.rows) {
            return Ok(found);
        }
        let mut matcher = self.matcher_within(segment, others, Nulls::Differ)?;
        if matcher.is_done() {
            return Ok(found);
        }
        for batch in self.scan(segment, self.columns.len(), &[])? {
            self.context.cancellation.check()?;
            let batch = batch?;
            let matches = matcher.matches(&self.compared.encode(&batch)?)?;
            let nulls = self.compared.may_have_null(&batch);
            let equal = |row: &usize| !(nulls && self.compared.has_null(&batch, *row));
            let rows: Vec<usize> = matches.into_iter().filter(equal).collect();
            if !rows.is_empty() {
                let keys = self.encoder.encode(&batch)?;
                found.extend(rows.iter().map(|row| keys.row(*row).as_ref().to_vec()));
            }
            if found.len() >= MOST_MATCHES || matcher.is_done() {
                break;
            }
        }
        Ok(found)
    }

    /// Returns whether a key of `segment` stands in `others`; NULL equals NULL here.
    pub(crate) fn meets(&self, segment: &Arc<Segment>, others: &[Arc<Segment>]) -> Result<bool> {
        let mut matcher = self.matcher(segment, others)?;
        if matcher.is_done() {
            return Ok(false);
        }
        for batch in self.scan(segment, self.compared.columns().len(), &[])? {
            self.context.cancellation.check()?;
            if !matcher.matches(&self.compared.encode(&batch?)?)?.is_empty() {
                return Ok(true);
            }
            if matcher.is_done() {
                break;
            }
        }
        Ok(false)
    }

    /// Returns what finds keys of `segment`, shown in order, in `others`; NULL equals NULL.
    pub(crate) fn matcher<'b>(
        &'b self,
        segment: &Segment,
        others: &[Arc<Segment>],
    ) -> Result<Matcher<'b>> {
        self.matcher_within(segment, others, Nulls::Equal)
    }

    fn matcher_within<'b>(
        &'b self,
        segment: &Segment,
        others: &[Arc<Segment>],
        nulls: Nulls,
    ) -> Result<Matcher<'b>> {
        let column = self.columns[0].id;
        let mut ranges = Vec::new();
        if let Some(statistics) = segment.column_statistics(column)
            && let Some(range) = &statistics.range
            && (statistics.nulls == 0 || nulls == Nulls::Differ)
        {
            // Rows with NULL are left out by a range.
            let (low, high) = (Some(range.slice(0, 1)), Some(range.slice(1, 1)));
            ranges.push(ColumnRange { column, low, high });
        }
        let mut waiting: Vec<(Vec<u8>, Arc<Segment>)> = others
            .iter()
            .filter(|other| other.may_match(&ranges))
            .map(|other| Ok((self.lowest(other)?, Arc::clone(other))))
            .collect::<Result<_>>()?;
        waiting.sort_by(|one, other| other.0.cmp(&one.0));
        Ok(Matcher { shape: self, ranges, waiting, open: Vec::new() })
    }

    /// Returns a text of bytes that no key of a segment is below; nothing is below the empty one.
    fn lowest(&self, segment: &Segment) -> Result<Vec<u8>> {
        let Some(statistics) = segment.column_statistics(self.columns[0].id) else {
            return Ok(Vec::new());
        };
        let Some(range) = &statistics.range else { return Ok(Vec::new()) };
        if *range.data_type() != self.columns[0].sql_type.storage() {
            return Ok(Vec::new());
        }
        // NULL stands before all others where the order descends.
        let descending = self.first.descending()[0];
        if descending && statistics.nulls > 0 {
            return Ok(Vec::new());
        }
        let keys = self.first.encode_columns(std::slice::from_ref(range))?;
        Ok(keys.row(usize::from(descending)).as_ref().to_vec())
    }

    /// Returns the first `count` columns of the key of a segment's rows.
    fn scan(
        &self,
        segment: &Arc<Segment>,
        count: usize,
        ranges: &[ColumnRange],
    ) -> Result<SegmentScan> {
        let columns = &self.columns[..count];
        let request = ScanRequest {
            columns: columns.iter().map(|column| column.id).collect(),
            ranges: ranges.to_vec(),
            batch_rows: KEY_ROWS,
            ..ScanRequest::default()
        };
        self.context.store.scan(self.table, segment, columns, &request)
    }
}

/// Finds keys, shown in ascending order, in segments.
pub(crate) struct Matcher<'a> {
    shape: &'a KeyShape<'a>,
    /// What all keys shown lie between.
    ranges: Vec<ColumnRange>,
    /// Segments that keys have not reached, the lowest last.
    waiting: Vec<(Vec<u8>, Arc<Segment>)>,
    open: Vec<KeyStream>,
}

impl Matcher<'_> {
    /// Returns whether no more keys can be found.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.open.is_empty()
    }

    /// Returns which of the next keys stand in a segment, ascending.
    pub(crate) fn matches(&mut self, keys: &Rows) -> Result<Vec<usize>> {
        let Some(last) = keys.num_rows().checked_sub(1) else { return Ok(Vec::new()) };
        let last = keys.row(last);
        while let Some((_, segment)) =
            self.waiting.pop_if(|(lowest, _)| lowest.as_slice() <= last.as_ref())
        {
            let shape = self.shape;
            let scan = shape.scan(&segment, shape.compared.columns().len(), &self.ranges)?;
            self.open.push(KeyStream { scan, keys: None, row: 0 });
        }
        let mut matches = Vec::new();
        let mut left = Vec::with_capacity(self.open.len());
        for mut stream in self.open.drain(..) {
            if stream.find(&self.shape.compared, keys, &mut matches)? {
                left.push(stream);
            }
        }
        self.open = left;
        matches.sort_unstable();
        matches.dedup();
        Ok(matches)
    }
}

/// The keys of one segment, from where the last ones shown ended.
struct KeyStream {
    scan: SegmentScan,
    keys: Option<Rows>,
    row: usize,
}

impl KeyStream {
    /// Adds the rows of `wanted` that this segment holds to `matches`; returns whether keys are left.
    fn find(
        &mut self,
        encoder: &KeyEncoder,
        wanted: &Rows,
        matches: &mut Vec<usize>,
    ) -> Result<bool> {
        let mut at = 0;
        while at < wanted.num_rows() {
            let keys = match &self.keys {
                Some(keys) if self.row < keys.num_rows() => keys,
                _ => {
                    let Some(batch) = self.scan.next() else { return Ok(false) };
                    self.row = 0;
                    self.keys.insert(encoder.encode(&batch?)?)
                }
            };
            if keys.num_rows() == 0 {
                continue;
            }
            match keys.row(self.row).cmp(&wanted.row(at)) {
                Ordering::Less => self.row = seek(keys, self.row, wanted.row(at).as_ref()),
                Ordering::Greater => at = seek(wanted, at, keys.row(self.row).as_ref()),
                Ordering::Equal => {
                    matches.push(at);
                    at += 1;
                }
            }
        }
        Ok(true)
    }
}

/// Returns the first row behind `row` whose key is at least `key`, by steps that double.
fn seek(keys: &Rows, row: usize, key: &[u8]) -> usize {
    let count = keys.num_rows();
    let (mut low, mut step) = (row, 1);
    while low + step < count && keys.row(low + step).as_ref() < key {
        low += step;
        step *= 2;
    }
    // What is sought lies behind `low` and not behind `high`.
    let mut high = (low + step).min(count);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if keys.row(middle).as_ref() < key { low = middle } else { high = middle }
    }
    high
}
