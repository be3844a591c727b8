//! What a row must satisfy by itself: DEFAULT and computed values, NOT NULL and CHECK.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::key::arrow_error;
use crate::catalog::{Check, TableDescriptor};
use crate::error::{Error, Result, SqlState};
use crate::query::{CompiledExpr, Engine, QueryContext};
use crate::types::{self, SqlType};

/// The compiled expressions of a table.
pub(crate) struct RowRules {
    table: Arc<TableDescriptor>,
    /// The schema of rows in storage form.
    pub(crate) schema: SchemaRef,
    query_schema: SchemaRef,
    defaults: Vec<Option<CompiledExpr>>,
    computed: Vec<Option<CompiledExpr>>,
    checks: Vec<CompiledExpr>,
}

/// A row that breaks a rule.
pub(crate) struct BrokenRule {
    /// The row in the batch, from 0.
    pub(crate) row: usize,
    /// The position of the column, if the rule is about one.
    pub(crate) column: Option<usize>,
    /// What is wrong, without a place.
    pub(crate) error: Error,
}

impl RowRules {
    /// Compiles the expressions of `table`; they are checked by this too.
    pub(crate) fn compile(
        table: &Arc<TableDescriptor>,
        engine: &Engine,
        context: &QueryContext,
    ) -> Result<Self> {
        let context = &context.for_table(table);
        let columns: Vec<(String, SqlType)> = table
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect();
        let (mut defaults, mut computed) = (Vec::new(), Vec::new());
        for column in &table.columns {
            let compile = |expr: &Option<String>, columns: &[(String, SqlType)]| {
                expr.as_ref()
                    .map(|expr| engine.compile(context, expr, columns, Some(&column.sql_type)))
                    .transpose()
            };
            defaults.push(compile(&column.default, &[])?);
            computed.push(compile(&column.computed, &columns)?);
        }
        let checks = table
            .checks
            .iter()
            .map(|check| engine.compile(context, &check.expr, &columns, Some(&SqlType::Bool)))
            .collect::<Result<_>>()?;
        let schema = schema_of(table, SqlType::storage);
        let query_schema = schema_of(table, SqlType::arrow);
        Ok(Self { table: Arc::clone(table), schema, query_schema, defaults, computed, checks })
    }

    /// Returns the DEFAULT of the column at `position` for `rows` rows, in storage form; NULL if it has
    /// none.
    pub(crate) fn default_values(&self, position: usize, rows: usize) -> Result<ArrayRef> {
        let sql_type = &self.table.columns[position].sql_type;
        match &self.defaults[position] {
            None => Ok(arrow::array::new_null_array(&sql_type.storage(), rows)),
            Some(expr) => types::to_storage(sql_type, &expr.evaluate(&rows_only(rows)?)?),
        }
    }

    /// Returns whether CHECK or computed expressions must be evaluated.
    fn has_expressions(&self) -> bool {
        !self.checks.is_empty() || self.computed.iter().any(Option::is_some)
    }

    /// Completes a batch: fills computed columns (whose entry in `columns` is `None`) and checks
    /// NOT NULL and CHECK. The first row that breaks a rule, or for which an expression fails, is
    /// reported.
    pub(crate) fn complete(
        &self,
        columns: Vec<Option<ArrayRef>>,
        rows: usize,
    ) -> Result<Result<RecordBatch, BrokenRule>> {
        if !self.has_expressions() {
            return self.complete_all(columns, rows);
        }
        match self.complete_all(columns.clone(), rows) {
            Err(_) if rows > 0 => self.complete_each(&columns, rows),
            completed => completed,
        }
    }

    /// Finds the first row that cannot be completed, one row at a time.
    fn complete_each(
        &self,
        columns: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<Result<RecordBatch, BrokenRule>> {
        for row in 0..rows {
            let one = columns.iter().map(|values| Some(values.as_ref()?.slice(row, 1))).collect();
            match self.complete_all(one, 1) {
                Ok(Ok(_)) => {}
                Ok(Err(broken)) => return Ok(Err(BrokenRule { row, ..broken })),
                Err(error) => return Ok(Err(BrokenRule { row, column: None, error })),
            }
        }
        Err(Error::internal("rows fail together but not one by one"))
    }

    /// Completes a batch in which no row breaks a rule; `None` if one does.
    pub(crate) fn complete_sound(
        &self,
        columns: &[Option<ArrayRef>],
        rows: usize,
    ) -> Option<RecordBatch> {
        self.complete_all(columns.to_vec(), rows).ok()?.ok()
    }

    /// Returns every row that breaks a rule or for which an expression fails, in order, each with the
    /// rule that `complete` would name.
    pub(crate) fn broken_rows(
        &self,
        columns: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<Vec<BrokenRule>> {
        let mut broken = Vec::new();
        // Ranges of rows that are not yet looked at, the first one last.
        let mut ranges = vec![(0, rows)];
        while let Some((start, count)) = ranges.pop() {
            let part: Vec<_> =
                columns.iter().map(|values| Some(values.as_ref()?.slice(start, count))).collect();
            match self.all_broken(part, count) {
                Ok(found) => {
                    broken.extend(
                        found.into_iter().map(|one| BrokenRule { row: start + one.row, ..one }),
                    );
                }
                Err(error) if count <= 1 => {
                    broken.push(BrokenRule { row: start, column: None, error });
                }
                Err(error) if error.code() == SqlState::QUERY_CANCELED => return Err(error),
                Err(_) => {
                    let half = count / 2;
                    ranges.extend([(start + half, count - half), (start, half)]);
                }
            }
        }
        Ok(broken)
    }

    /// Returns the rows that break a rule; fails if an expression fails for one.
    fn all_broken(&self, columns: Vec<Option<ArrayRef>>, rows: usize) -> Result<Vec<BrokenRule>> {
        let mut broken = BTreeMap::new();
        if !self.has_expressions() {
            let columns: Vec<ArrayRef> = columns.into_iter().flatten().collect();
            self.note_nulls(&columns, &mut broken);
            return Ok(broken.into_values().collect());
        }
        let (stored, queried) = self.computed_columns(columns, rows)?;
        self.note_nulls(&stored, &mut broken);
        let batch = self.query_batch(queried, rows)?;
        for (check, expr) in self.table.checks.iter().zip(&self.checks) {
            let values = expr.evaluate(&batch)?;
            let values = values.as_boolean();
            for row in (0..rows).filter(|&row| values.is_valid(row) && !values.value(row)) {
                broken.entry(row).or_insert_with(|| check_violation(row, check));
            }
        }
        Ok(broken.into_values().collect())
    }

    /// Notes every row with NULL in a column that is NOT NULL.
    fn note_nulls(&self, columns: &[ArrayRef], broken: &mut BTreeMap<usize, BrokenRule>) {
        for (position, values) in columns.iter().enumerate() {
            let column = &self.table.columns[position];
            if column.nullable || values.null_count() == 0 {
                continue;
            }
            for row in (0..values.len()).filter(|&row| values.is_null(row)) {
                broken.entry(row).or_insert_with(|| BrokenRule {
                    row,
                    column: Some(position),
                    error: null_violation(&column.name),
                });
            }
        }
    }

    fn complete_all(
        &self,
        columns: Vec<Option<ArrayRef>>,
        rows: usize,
    ) -> Result<Result<RecordBatch, BrokenRule>> {
        if !self.has_expressions() {
            let columns: Vec<ArrayRef> = columns.into_iter().flatten().collect();
            return Ok(match self.first_null(&columns) {
                Some(broken) => Err(broken),
                None => Ok(self.batch(columns, rows)?),
            });
        }
        let (stored, queried) = self.computed_columns(columns, rows)?;
        let null = self.first_null(&stored);
        let failed = self.first_failed_check(&self.query_batch(queried, rows)?)?;
        match [null, failed].into_iter().flatten().min_by_key(|broken| broken.row) {
            Some(broken) => Ok(Err(broken)),
            None => Ok(Ok(self.batch(stored, rows)?)),
        }
    }

    /// Returns all columns, the computed ones filled, in storage form and in that of queries.
    fn computed_columns(
        &self,
        columns: Vec<Option<ArrayRef>>,
        rows: usize,
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        let (mut stored, mut queried) = (Vec::new(), Vec::new());
        for (column, values) in self.table.columns.iter().zip(columns) {
            let values = values
                .unwrap_or_else(|| arrow::array::new_null_array(&column.sql_type.storage(), rows));
            queried.push(types::to_query(&column.sql_type, &values)?);
            stored.push(values);
        }
        for (position, expr) in self.computed.iter().enumerate() {
            let Some(expr) = expr else { continue };
            let values = expr.evaluate(&self.query_batch(queried.clone(), rows)?)?;
            let sql_type = &self.table.columns[position].sql_type;
            stored[position] = types::to_storage(sql_type, &values)?;
            queried[position] = types::to_query(sql_type, &stored[position])?;
        }
        Ok((stored, queried))
    }

    /// Returns the schema of rows in storage form.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(arrow_error)
    }

    fn query_batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.query_schema), columns, &options)
            .map_err(arrow_error)
    }

    fn first_null(&self, columns: &[ArrayRef]) -> Option<BrokenRule> {
        columns
            .iter()
            .enumerate()
            .filter(|(position, values)| {
                !self.table.columns[*position].nullable && values.null_count() > 0
            })
            .filter_map(|(position, values)| {
                let row = (0..values.len()).find(|&row| values.is_null(row))?;
                Some((row, position))
            })
            .min()
            .map(|(row, position)| BrokenRule {
                row,
                column: Some(position),
                error: null_violation(&self.table.columns[position].name),
            })
    }

    fn first_failed_check(&self, batch: &RecordBatch) -> Result<Option<BrokenRule>> {
        let mut first: Option<BrokenRule> = None;
        for (check, expr) in self.table.checks.iter().zip(&self.checks) {
            let values = expr.evaluate(batch)?;
            let row = first_false(values.as_boolean());
            if let Some(row) = row
                && first.as_ref().is_none_or(|first| row < first.row)
            {
                first = Some(check_violation(row, check));
            }
        }
        Ok(first)
    }
}

/// Returns the first row that is false; NULL satisfies a CHECK.
fn first_false(values: &BooleanArray) -> Option<usize> {
    (0..values.len()).find(|&row| values.is_valid(row) && !values.value(row))
}

fn check_violation(row: usize, check: &Check) -> BrokenRule {
    let error = Error::new(
        SqlState::CHECK_VIOLATION,
        format!("failed to satisfy CHECK constraint \"{}\" ({})", check.name, check.expr),
    );
    BrokenRule { row, column: None, error }
}

/// Returns the error of NULL in a column that is NOT NULL (spec/import.md E29).
pub(crate) fn null_violation(column: &str) -> Error {
    Error::new(
        SqlState::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" violates not-null constraint"),
    )
}

/// Returns a batch of `rows` rows without columns.
pub(crate) fn rows_only(rows: usize) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(arrow_error)
}

fn schema_of(
    table: &TableDescriptor,
    data_type: impl Fn(&SqlType) -> arrow::datatypes::DataType,
) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|column| Field::new(&column.name, data_type(&column.sql_type), true))
        .collect();
    Arc::new(Schema::new(fields))
}
