//! INSERT: the source's rows go to the job's inserter, batch by batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{Field, Schema};

use super::execute::done;
use super::import::no_events;
use super::{Outcome, Session, TransactionState};
use crate::catalog::{Catalog, ColumnDescriptor, ColumnId, TableDescriptor};
use crate::error::{Error, Result, Span, SqlState};
use crate::job::JobContext;
use crate::job::file_table::read_data;
use crate::job::insert::Inserter;
use crate::plan::{Insert, InsertSource, Query};
use crate::query::{CompiledExpr, QueryContext};
use crate::types::{self, SqlType};

/// Rows of a VALUES list that go to the inserter at once.
const VALUES_ROWS: usize = 1024;

impl Session {
    pub(super) async fn run_insert(&mut self, insert: Insert) -> Result<Outcome> {
        let context = self.job_context(&no_events());
        let table = context
            .query
            .view
            .catalog
            .table_by_id(insert.table)
            .cloned()
            .ok_or_else(|| Error::new(SqlState::UNDEFINED_TABLE, "relation does not exist"))?;
        let defaults = context.query.for_table(&table);
        let mut columns = insert.columns.clone();
        let targets: Vec<&ColumnDescriptor> =
            columns.iter().filter_map(|id| table.column_by_id(*id)).collect();
        let mut inserter;
        match &insert.source {
            InsertSource::Defaults => {
                inserter = Inserter::new(&context, &table, &columns)?;
                inserter.push(&one_row()?)?;
            }
            InsertSource::Values(rows) => {
                inserter = Inserter::new(&context, &table, &columns)?;
                for rows in rows.chunks(VALUES_ROWS) {
                    let values = self.values((&context, &defaults), &targets, rows);
                    inserter.push(&values.await?)?;
                }
            }
            InsertSource::Data(data) => {
                let input = self.copy_input.take().ok_or_else(no_rows)?;
                let fields = targets.iter().map(|it| (it.name.clone(), it.sql_type.clone()));
                let fields = fields.collect();
                inserter = Inserter::new(&context, &table, &columns)?;
                let mut take = |batch| inserter.push(&batch);
                tokio::task::block_in_place(|| read_data(input, data, fields, &mut take))?;
            }
            InsertSource::Query(query) => {
                let mut rows = self.run_query(query).await?;
                let given = rows.schema().fields().len();
                if given < columns.len() && is_every_column(&table, &columns) {
                    // Without a list of columns, those behind the last one given take their defaults.
                    columns.truncate(given);
                }
                require_columns(given, columns.len())?;
                inserter = Inserter::new(&context, &table, &columns)?;
                while let Some(batch) = rows.next().await? {
                    tokio::task::block_in_place(|| inserter.push(&batch))?;
                }
            }
        }
        let count = if self.transaction == TransactionState::Idle {
            tokio::task::block_in_place(|| inserter.finish())?
        } else {
            let prepared = tokio::task::block_in_place(|| inserter.prepare())?;
            self.keep_written(prepared)
        };
        let copied = matches!(insert.source, InsertSource::Data(_));
        Ok(done(if copied { format!("COPY {count}") } else { format!("INSERT 0 {count}") }))
    }

    /// Returns the cells of a VALUES list, each as its column's type.
    async fn values(
        &self,
        (context, defaults): (&JobContext, &QueryContext),
        targets: &[&ColumnDescriptor],
        rows: &[Vec<Option<(String, usize)>>],
    ) -> Result<RecordBatch> {
        let width = rows.first().map_or(0, Vec::len);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(width);
        let mut fields = Vec::with_capacity(width);
        for position in 0..width {
            let Some(target) = targets.get(position) else { break };
            let mut default: Option<CompiledExpr> = None;
            let mut cells: Vec<ArrayRef> = Vec::with_capacity(rows.len());
            for row in rows {
                let cell = match &row[position] {
                    Some((text, offset)) => self.cell(context, target, text, *offset).await?,
                    None => self.default_cell(defaults, target, &mut default)?,
                };
                cells.push(cell);
            }
            let cells: Vec<&dyn arrow::array::Array> = cells.iter().map(AsRef::as_ref).collect();
            let column =
                concat(&cells).map_err(|error| Error::internal(&error).caused_by(error))?;
            fields.push(Field::new(&target.name, column.data_type().clone(), true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|error| Error::internal(&error).caused_by(error))
    }

    /// Returns the value of one cell in the query form of its column's type.
    async fn cell(
        &self,
        context: &JobContext,
        target: &ColumnDescriptor,
        text: &str,
        offset: usize,
    ) -> Result<ArrayRef> {
        let place = Span::new(offset, offset + text.len());
        if text.eq_ignore_ascii_case("null") {
            return Ok(arrow::array::new_null_array(&target.sql_type.arrow(), 1));
        }
        if let Some(literal) = plain_literal(text, &target.sql_type) {
            return types::parse_value(&target.sql_type, &literal).map_err(|error| {
                let column = &target.name;
                error.map_message(|message| format!("{message} (column \"{column}\")")).at(place)
            });
        }
        let compiled = self.engine.compile(&context.query, text, &[], Some(&target.sql_type));
        let value = match compiled {
            Err(error) if error.code() == SqlState::FEATURE_NOT_SUPPORTED => {
                self.queried_cell(target, text, offset).await
            }
            compiled => compiled.and_then(|expr| expr.evaluate(&one_row()?)),
        };
        value.map_err(|error| error.at(place))
    }

    /// Returns the value of a cell that holds a subquery.
    async fn queried_cell(
        &self,
        target: &ColumnDescriptor,
        text: &str,
        offset: usize,
    ) -> Result<ArrayRef> {
        let select = "SELECT ";
        let offset = offset.saturating_sub(select.len());
        let query = Query { text: format!("{select}{text}"), offset, files: Vec::new() };
        let mut rows = self.run_query(&query).await?;
        while let Some(batch) = rows.next().await? {
            if batch.num_rows() == 1 {
                let stored = types::to_storage(&target.sql_type, batch.column(0))?;
                return types::to_query(&target.sql_type, &stored);
            }
        }
        Err(Error::internal("a scalar query without a row"))
    }

    fn default_cell(
        &self,
        context: &QueryContext,
        target: &ColumnDescriptor,
        compiled: &mut Option<CompiledExpr>,
    ) -> Result<ArrayRef> {
        let Some(default) = &target.default else {
            return Ok(arrow::array::new_null_array(&target.sql_type.arrow(), 1));
        };
        if compiled.is_none() {
            let sql_type = Some(&target.sql_type);
            *compiled = Some(self.engine.compile(context, default, &[], sql_type)?);
        }
        match compiled {
            Some(expr) => expr.evaluate(&one_row()?),
            None => Err(Error::internal("a default was not compiled")),
        }
    }
}

fn no_rows() -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, "no rows follow COPY FROM STDIN here")
        .hint("Write the rows to a file, and name the file.")
}

/// Returns the value that a plain literal stands for; nothing for other expressions. A literal takes
/// its column's type, so that no expression needs to be compiled.
fn plain_literal(text: &str, sql_type: &SqlType) -> Option<String> {
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let plain = inner.replace("''", "");
        return (!plain.contains('\'')).then(|| inner.replace("''", "'"));
    }
    let number = matches!(
        sql_type,
        SqlType::Int2
            | SqlType::Int4
            | SqlType::Int8
            | SqlType::Float4
            | SqlType::Float8
            | SqlType::Decimal(_)
    );
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let exact = matches!(sql_type, SqlType::Float8 | SqlType::Decimal(_))
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    (number && (integer || exact)).then(|| text.to_owned())
}

/// Returns whether `columns` are all that can be given values, in the table's order.
fn is_every_column(table: &TableDescriptor, columns: &[ColumnId]) -> bool {
    let all = table.columns.iter().filter(|column| column.computed.is_none());
    all.map(|column| column.id).eq(columns.iter().copied())
}

fn require_columns(given: usize, wanted: usize) -> Result {
    let problem = match given.cmp(&wanted) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Greater => "INSERT has more expressions than target columns",
        std::cmp::Ordering::Less => "INSERT has more target columns than expressions",
    };
    Err(Error::new(SqlState::SYNTAX_ERROR, problem))
}

/// Returns a batch of one row without columns.
fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(|error| Error::internal(&error).caused_by(error))
}
