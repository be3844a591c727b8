//! A stored table as DataFusion sees it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{
    ColumnStatistics, Constraint, Constraints, Result as QueryResult, ScalarValue, Statistics,
};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::prune::{self, is_less};
use super::scan::{Key, Piece, ScanExec, ScanSource};
use super::sql_types::field;
use crate::catalog::{ColumnId, IndexDescriptor, IndexKey, ROWID, TableDescriptor};
use crate::error::Result;
use crate::store::{ColumnRange, Manifest, ScanRequest, Segment, SegmentColumn, Store, View};
use crate::types::{self, SqlType};

/// A table at one commit.
#[derive(Debug)]
pub(super) struct StoredTable {
    store: Arc<Store>,
    /// Keeps the segment files on disk while the query runs.
    view: Arc<View>,
    table: TableDescriptor,
    manifest: Arc<Manifest>,
    schema: SchemaRef,
    constraints: Constraints,
}

/// Where a scan reads: the table itself or one of its indexes.
struct Access<'a> {
    index: &'a IndexDescriptor,
    segments: &'a [Arc<Segment>],
    columns: Vec<SegmentColumn>,
}

impl StoredTable {
    /// Returns the table; with its hidden row id, if it has one and `rowid` says that it is wanted.
    pub(super) fn new(
        store: &Arc<Store>,
        view: &Arc<View>,
        table: &TableDescriptor,
        rowid: bool,
    ) -> Result<Self> {
        // All may be NULL to DataFusion: it takes a subquery without rows for one that has some.
        let mut fields: Vec<Field> = table
            .columns
            .iter()
            .map(|column| field(&column.name, &column.sql_type, true))
            .collect();
        if rowid && table.primary_key.is_none() && table.column(ROWID).is_none() {
            fields.push(Field::new(ROWID, DataType::Int64, true));
        }
        Ok(Self {
            store: Arc::clone(store),
            view: Arc::clone(view),
            manifest: view.manifest(table.id)?,
            table: table.clone(),
            schema: Arc::new(Schema::new(fields)),
            constraints: constraints(table),
        })
    }

    /// Returns the least and greatest value of a column, if they are known without reading.
    pub(super) fn extremes(&self, name: &str) -> Option<(ScalarValue, ScalarValue)> {
        let column = self.table.column(name)?;
        let statistics = self.column_statistics(column.id, &self.manifest.segments);
        match (statistics.min_value, statistics.max_value) {
            (Precision::Exact(low), Precision::Exact(high)) => Some((low, high)),
            _ => None,
        }
    }

    /// Returns whether a column never is NULL.
    pub(super) fn is_never_null(&self, name: &str) -> bool {
        self.table.column(name).is_some_and(|column| !column.nullable)
    }

    /// Returns how many rows the table has.
    pub(super) fn rows(&self) -> u64 {
        self.manifest.rows()
    }

    /// Returns the ids of the wanted columns, and whether the row id is wanted, which comes last.
    fn wanted(&self, projection: Option<&Vec<usize>>) -> (Vec<ColumnId>, bool) {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let positions = projection.unwrap_or(&all);
        let columns = positions
            .iter()
            .filter_map(|position| self.table.columns.get(*position))
            .map(|column| column.id)
            .collect();
        (columns, positions.contains(&self.table.columns.len()))
    }

    /// Returns whether the first column of the primary key is limited.
    fn limited_by_key(&self, ranges: &[ColumnRange]) -> bool {
        self.table.primary_key.as_ref().is_some_and(|primary| limited(&primary.key, ranges))
    }

    fn segment_columns(&self, ids: impl Iterator<Item = ColumnId>) -> Vec<SegmentColumn> {
        ids.filter_map(|id| self.table.column_by_id(id))
            .map(|column| SegmentColumn {
                id: column.id,
                name: column.name.clone(),
                sql_type: column.sql_type.clone(),
                nullable: column.nullable,
            })
            .collect()
    }

    /// Returns the secondary index that answers the query alone and whose first key column is
    /// limited, if the primary key's is not.
    fn choose(
        &self,
        wanted: &[ColumnId],
        rowid: bool,
        ranges: &[ColumnRange],
    ) -> Option<Access<'_>> {
        if rowid || self.limited_by_key(ranges) {
            return None;
        }
        let primary = self.table.primary_key.as_ref();
        let primary_columns: Vec<ColumnId> = primary
            .map(|primary| primary.key.iter().map(|part| part.column).collect())
            .unwrap_or_default();
        self.table.indexes.iter().find_map(|index| {
            let segments = self.manifest.indexes.get(&index.id)?;
            let mut held: Vec<ColumnId> = Vec::new();
            let keys = index.key.iter().map(|part| part.column);
            for id in
                keys.chain(primary_columns.iter().copied()).chain(index.storing.iter().copied())
            {
                if !held.contains(&id) {
                    held.push(id);
                }
            }
            let covers = wanted.iter().all(|id| held.contains(id))
                && ranges.iter().all(|range| held.contains(&range.column));
            (limited(&index.key, ranges) && covers).then(|| Access {
                index,
                segments,
                columns: self.segment_columns(held.into_iter()),
            })
        })
    }

    /// Returns the key by which the rows of the segments, read one after the other, are sorted: the
    /// positions of its wanted columns up to the first that is not wanted.
    fn order(&self, wanted: &[ColumnId], segments: &[Arc<Segment>]) -> Vec<Key> {
        let Some(primary) = &self.table.primary_key else { return Vec::new() };
        let sorted = segments.windows(2).all(|pair| follows(primary, &pair[0], &pair[1]));
        if !sorted {
            return Vec::new();
        }
        let mut keys = Vec::new();
        for part in &primary.key {
            let Some(position) = wanted.iter().position(|id| *id == part.column) else { break };
            // The order of floating point numbers on disk and in queries may differ.
            let float = self
                .table
                .column_by_id(part.column)
                .is_none_or(|column| matches!(column.sql_type, SqlType::Float4 | SqlType::Float8));
            if float {
                break;
            }
            keys.push(Key { position, descending: part.descending });
        }
        keys
    }

    fn statistics_of(
        &self,
        wanted: &[ColumnId],
        rowid: bool,
        segments: &[Arc<Segment>],
    ) -> Statistics {
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut columns: Vec<ColumnStatistics> =
            wanted.iter().map(|id| self.column_statistics(*id, segments)).collect();
        if rowid {
            columns.push(ColumnStatistics::new_unknown());
        }
        Statistics {
            num_rows: exact(rows),
            total_byte_size: exact(bytes).to_inexact(),
            column_statistics: columns,
        }
    }

    fn column_statistics(&self, id: ColumnId, segments: &[Arc<Segment>]) -> ColumnStatistics {
        let mut found = ColumnStatistics::new_unknown();
        let Some(column) = self.table.column_by_id(id) else { return found };
        let mut nulls = 0;
        let mut range: Option<(ScalarValue, ScalarValue)> = None;
        for segment in segments {
            let Some(each) = segment.statistics.iter().find(|each| each.column == id) else {
                return found;
            };
            nulls += each.nulls;
            if each.nulls >= segment.rows {
                continue;
            }
            let Some((low, high)) =
                each.range.as_ref().and_then(|range| bounds(&column.sql_type, range))
            else {
                return found;
            };
            range = Some(match range {
                None => (low, high),
                Some((least, most)) => {
                    (if low < least { low } else { least }, if high > most { high } else { most })
                }
            });
        }
        found.null_count = exact(nulls);
        if let Some((low, high)) = range {
            // Bounds of text may have been cut; those of floating point numbers leave out NaN.
            let sure = !matches!(
                column.sql_type.arrow(),
                DataType::Utf8View | DataType::Binary | DataType::Float32 | DataType::Float64
            );
            let precision = if sure { Precision::Exact } else { Precision::Inexact };
            found.min_value = precision(low);
            found.max_value = precision(high);
        }
        found
    }
}

/// Returns the primary key, on which all columns depend in GROUP BY.
fn constraints(table: &TableDescriptor) -> Constraints {
    let positions = table.primary_key.as_ref().and_then(|primary| {
        let place = |id| table.columns.iter().position(|column| column.id == id);
        primary.key.iter().map(|part| place(part.column)).collect::<Option<Vec<_>>>()
    });
    Constraints::new_unverified(positions.map(Constraint::PrimaryKey).into_iter().collect())
}

fn limited(key: &[IndexKey], ranges: &[ColumnRange]) -> bool {
    key.first().is_some_and(|first| ranges.iter().any(|range| range.column == first.column))
}

/// Divides segments for so many threads, where there are too few to share out whole.
fn pieces(store: &Store, segments: &[Arc<Segment>], threads: usize) -> Vec<Piece> {
    let few = segments.len() < threads * 4;
    segments
        .iter()
        .flat_map(|segment| {
            let parts = if few { store.scan_parts(segment).min(threads) } else { 1 };
            (0..parts).map(move |part| Piece {
                segment: Arc::clone(segment),
                part: (parts > 1).then_some((part, parts)),
            })
        })
        .collect()
}

fn exact(number: u64) -> Precision<usize> {
    usize::try_from(number).map_or(Precision::Absent, Precision::Exact)
}

/// Returns the least and greatest value in query form.
fn bounds(
    sql_type: &SqlType,
    range: &datafusion::arrow::array::ArrayRef,
) -> Option<(ScalarValue, ScalarValue)> {
    let range = if sql_type.arrow() == *range.data_type() {
        Arc::clone(range)
    } else {
        types::to_query(sql_type, range).ok()?
    };
    if range.len() != 2 || range.data_type() != &sql_type.arrow() {
        return None;
    }
    let value = |row| ScalarValue::try_from_array(&range, row).ok();
    Some((value(0)?, value(1)?))
}

/// Returns whether all rows of `next` surely come after those of `before` in the index.
fn follows(index: &IndexDescriptor, before: &Segment, next: &Segment) -> bool {
    let Some(first) = index.key.first() else { return false };
    let range = |segment: &Segment| {
        segment
            .statistics
            .iter()
            .find(|each| each.column == first.column)
            .and_then(|each| each.range.clone())
            .filter(|range| range.len() == 2)
    };
    let (Some(before), Some(next)) = (range(before), range(next)) else { return false };
    if first.descending {
        is_less(&next.slice(1, 1), &before.slice(0, 1))
    } else {
        is_less(&before.slice(1, 1), &next.slice(0, 1))
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> QueryResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if prune::exact(filter, &self.table).is_some() {
                    TableProviderFilterPushDown::Exact
                } else if prune::ranges([*filter], &self.table).is_empty() {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let (wanted, rowid) = self.wanted(projection);
        let ranges = prune::ranges(filters, &self.table);
        let index = self.choose(&wanted, rowid, &ranges);
        let (all, columns) = if let Some(access) = &index {
            (access.segments, access.columns.clone())
        } else {
            let ids = self.table.columns.iter().map(|column| column.id);
            (self.manifest.segments.as_slice(), self.segment_columns(ids))
        };
        let segments = prune::segments(all, &ranges);
        let mut statistics = self.statistics_of(&wanted, rowid, &segments);
        if !ranges.is_empty() || limit.is_some() {
            statistics = statistics.to_inexact();
        }
        let order = if index.is_some() { Vec::new() } else { self.order(&wanted, &segments) };
        let primary = self.table.primary_key.as_ref().map(|primary| primary.name.clone());
        let source = ScanSource {
            store: Arc::clone(&self.store),
            _view: Arc::clone(&self.view),
            table: self.table.id,
            columns,
            name: self.table.name.clone(),
            index: index.as_ref().map(|access| access.index.name.clone()).or(primary),
            all_segments: all.len(),
        };
        let request = ScanRequest {
            columns: wanted,
            ranges,
            filters: filters
                .iter()
                .filter_map(|filter| prune::exact(filter, &self.table))
                .flatten()
                .collect(),
            batch_rows: state.config().batch_size(),
            rowid,
            part: None,
        };
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        // The first rows are the same every time if one thread reads them.
        let partitions = if limit.is_some() { 1 } else { state.config().target_partitions() };
        // A key that is limited leaves too little to share out.
        let keyed = index.is_some() || self.limited_by_key(&request.ranges);
        let pieces = pieces(&self.store, &segments, if keyed { 1 } else { partitions });
        let exec = ScanExec::new(source, request, &pieces, schema, partitions)
            .sorted_by(&order)
            .with_statistics(statistics)
            .with_limit(limit);
        Ok(Arc::new(exec))
    }
}
