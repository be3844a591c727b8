//! The leaf of physical plans: reads the segments of a table or index, partition by partition.
//!
//! Segments come in order and each partition takes a run of neighbours, so that what is sorted by key
//! stays sorted within a partition. Values turn from storage form to query form here.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{BatchCoalescer, SortOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as QueryResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::error::external;
use crate::catalog::TableId;
use crate::error::{Error, Result};
use crate::store::{ScanRequest, Segment, SegmentColumn, SegmentScan, Store, View};
use crate::types::{self, SqlType};

/// What is scanned.
#[derive(Clone, Debug)]
pub(super) struct ScanSource {
    /// Where the segments are.
    pub(super) store: Arc<Store>,
    /// Keeps the segment files on disk.
    pub(super) _view: Arc<View>,
    /// The table.
    pub(super) table: TableId,
    /// The columns of the table or index.
    pub(super) columns: Vec<SegmentColumn>,
    /// The table's name.
    pub(super) name: String,
    /// The name of the index read; nothing for a table in file order.
    pub(super) index: Option<String>,
    /// How many segments there are before pruning.
    pub(super) all_segments: usize,
}

/// A segment or a part of it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The segment.
    pub(super) segment: Arc<Segment>,
    /// Which part, and of how many; nothing is all of it.
    pub(super) part: Option<(usize, usize)>,
}

impl Piece {
    fn rows(&self) -> u64 {
        self.segment.rows / self.part.map_or(1, |(_, parts)| parts.max(1) as u64)
    }
}

/// A column of the output by which it is sorted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its position in the output.
    pub(super) position: usize,
    /// Whether it is sorted downwards.
    pub(super) descending: bool,
}

/// The physical plan of a scan.
#[derive(Clone, Debug)]
pub(super) struct ScanExec {
    source: Arc<ScanSource>,
    request: Arc<ScanRequest>,
    groups: Arc<Vec<Vec<Piece>>>,
    segments: usize,
    statistics: Arc<Statistics>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ScanExec {
    /// Returns a scan of `pieces` in at most `partitions` partitions.
    pub(super) fn new(
        source: ScanSource,
        request: ScanRequest,
        pieces: &[Piece],
        schema: SchemaRef,
        partitions: usize,
    ) -> Self {
        let rows: Vec<u64> = pieces.iter().map(Piece::rows).collect();
        let groups: Vec<Vec<Piece>> =
            runs(&rows, partitions).into_iter().map(|run| pieces[run].to_vec()).collect();
        let firsts = pieces.iter().filter(|piece| piece.part.is_none_or(|(part, _)| part == 0));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            source: Arc::new(source),
            request: Arc::new(request),
            segments: firsts.count(),
            groups: Arc::new(groups),
            statistics: Arc::new(Statistics::new_unknown(&schema)),
            limit: None,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// Declares that each partition is sorted.
    pub(super) fn sorted_by(mut self, keys: &[Key]) -> Self {
        let schema = self.schema();
        let order: Vec<PhysicalSortExpr> = keys
            .iter()
            .map(|key| {
                let name = schema.field(key.position).name();
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, key.position));
                // A primary key has no NULL, so that both orders of NULL hold.
                let options =
                    SortOptions { descending: key.descending, nulls_first: key.descending };
                PhysicalSortExpr::new(column, options)
            })
            .collect();
        if order.is_empty() {
            return self;
        }
        let mut properties = self.properties.as_ref().clone();
        properties.set_eq_properties(EquivalenceProperties::new_with_orderings(schema, [order]));
        self.properties = Arc::new(properties);
        self
    }

    /// Sets what is known of the rows.
    pub(super) fn with_statistics(mut self, statistics: Statistics) -> Self {
        self.statistics = Arc::new(statistics);
        self
    }

    /// Sets the number of rows after which each partition may stop.
    pub(super) fn with_limit(mut self, limit: Option<usize>) -> Self {
        self.limit = limit;
        self
    }
}

/// Cuts segments of so many rows into runs of about as many rows each, without changing their order.
/// There is always a run, if only an empty one.
fn runs(rows: &[u64], partitions: usize) -> Vec<Range<usize>> {
    let partitions = partitions.min(rows.len()).max(1);
    let total: u128 = rows.iter().map(|rows| u128::from(*rows)).sum();
    let mut runs = Vec::with_capacity(partitions);
    let (mut start, mut before) = (0, 0_u128);
    for (position, rows) in rows.iter().enumerate() {
        // A run ends where its share of all rows does.
        let share = total * (runs.len() as u128 + 1) / partitions as u128;
        if before >= share && position > start && runs.len() + 1 < partitions {
            runs.push(start..position);
            start = position;
        }
        before += u128::from(*rows);
    }
    runs.push(start..rows.len());
    runs
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.source;
        match &source.index {
            Some(index) => write!(f, "Scan {} using {index}", source.name)?,
            None => write!(f, "Scan {}", source.name)?,
        }
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ": columns=[{}]", names.join(", "))?;
        write!(f, ", segments={}/{}", self.segments, source.all_segments)?;
        if !self.request.ranges.is_empty() {
            let limited: Vec<&str> = self
                .request
                .ranges
                .iter()
                .filter_map(|range| source.columns.iter().find(|each| each.id == range.column))
                .map(|column| column.name.as_str())
                .collect();
            write!(f, ", ranges=[{}]", limited.join(", "))?;
        }
        if !self.request.filters.is_empty() {
            write!(f, ", filtered")?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> QueryResult<TreeNodeRecursion>,
    ) -> QueryResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> QueryResult<SendableRecordBatchStream> {
        let Some(group) = self.groups.get(partition) else {
            return Err(external(Error::internal(format!("no partition {partition}"))));
        };
        let schema = self.schema();
        // What filters leave of batches is put together, unless there is nothing in it to copy.
        let gathers = !self.request.filters.is_empty() && !schema.fields().is_empty();
        let gathered = gathers.then(|| {
            let rows = self.request.batch_rows.max(1);
            BatchCoalescer::new(Arc::clone(&schema), rows)
                .with_biggest_coalesce_batch_size(Some(rows / 2))
        });
        let batches = Batches {
            source: Arc::clone(&self.source),
            request: Arc::clone(&self.request),
            schema,
            gathered,
            waiting: group.iter().cloned().collect(),
            current: None,
            left: self.limit,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let stream = futures::stream::iter(batches.map(|batch| batch.map_err(external)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> QueryResult<Arc<Statistics>> {
        if args.partition().is_some() && self.groups.len() > 1 {
            return Ok(Arc::new(Statistics::new_unknown(&self.schema())));
        }
        Ok(Arc::clone(&self.statistics))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let mut scan = self.clone();
        scan.limit = limit;
        scan.statistics = Arc::new(self.statistics.as_ref().clone().to_inexact());
        Some(Arc::new(scan))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}

/// The batches of one partition.
struct Batches {
    source: Arc<ScanSource>,
    request: Arc<ScanRequest>,
    schema: SchemaRef,
    /// Puts small batches together, if they are.
    gathered: Option<BatchCoalescer>,
    waiting: VecDeque<Piece>,
    current: Option<SegmentScan>,
    left: Option<usize>,
    metrics: BaselineMetrics,
}

impl Batches {
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        if self.gathered.is_none() {
            return Ok(self.read_piece()?.map(|batch| self.cut(batch)));
        }
        loop {
            let gathered = self.gathered.as_mut().and_then(BatchCoalescer::next_completed_batch);
            if let Some(batch) = gathered {
                return Ok(Some(self.cut(batch)));
            }
            let batch = self.read_piece()?;
            let Some(gathered) = &mut self.gathered else { return Ok(None) };
            let over = batch.is_none();
            if let Some(batch) = batch {
                gathered.push_batch(batch).map_err(Error::internal)?;
            }
            let enough = self.left.is_some_and(|left| gathered.get_buffered_rows() >= left);
            if over || enough {
                gathered.finish_buffered_batch().map_err(Error::internal)?;
            }
            if over && gathered.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Returns the next rows as the segments give them.
    fn read_piece(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(scan) = &mut self.current {
                if let Some(batch) = scan.next() {
                    let batch = batch?;
                    if batch.num_rows() > 0 {
                        return self.convert(&batch).map(Some);
                    }
                    continue;
                }
                self.current = None;
            }
            let Some(piece) = self.waiting.pop_front() else { return Ok(None) };
            let request = ScanRequest { part: piece.part, ..self.request.as_ref().clone() };
            let source = &self.source;
            let scan =
                source.store.scan(source.table, &piece.segment, &source.columns, &request)?;
            self.current = Some(scan);
        }
    }

    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let Some(left) = &mut self.left else { return batch };
        let rows = batch.num_rows().min(*left);
        *left -= rows;
        batch.slice(0, rows)
    }

    /// Returns a stored batch in query form.
    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(batch.num_columns());
        for (position, array) in batch.columns().iter().enumerate() {
            let sql_type = self
                .request
                .columns
                .get(position)
                .and_then(|id| self.source.columns.iter().find(|column| column.id == *id))
                .map_or(&SqlType::Int8, |column| &column.sql_type);
            arrays.push(types::to_query(sql_type, array)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(Error::internal)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let time = self.metrics.elapsed_compute().clone();
        let timer = time.timer();
        let next = self.read().transpose();
        timer.done();
        if let Some(Ok(batch)) = &next {
            self.metrics.record_output(batch.num_rows());
        }
        if matches!(next, Some(Err(_))) {
            // After an error the scan is over.
            self.left = Some(0);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[u64], partitions: usize, expected: &[&[u64]]) {
        let found: Vec<&[u64]> = runs(rows, partitions).into_iter().map(|run| &rows[run]).collect();
        assert_eq!(found, expected, "{rows:?} in {partitions}");
    }

    #[test]
    fn cuts_segments_into_runs_of_equal_work() {
        check(&[], 4, &[&[]]);
        check(&[10], 4, &[&[10]]);
        check(&[10, 10, 10, 10], 2, &[&[10, 10], &[10, 10]]);
        check(&[30, 10, 10, 10], 2, &[&[30], &[10, 10, 10]]);
        check(&[1, 1, 1], 8, &[&[1], &[1], &[1]]);
    }
}
