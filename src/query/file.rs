//! A file in place of a table: `SELECT ... FROM 'file.csv'`.
//!
//! DataFusion's own reading of files is switched off. Whoever runs a query opens its files by the
//! rules of the session and hands them over as `FileTable`s; here they are tables like any other.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as QueryResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, TableAlias, TableFactor};

use super::error::external;
use super::sql_types::field;
use crate::error::Result;
use crate::types::SqlType;

/// Stands before the name of a file where a table's name stands; no table can be called so.
const MARK: &str = "\u{1}file\u{1}";

/// How many batches are read ahead.
const AHEAD: usize = 2;

/// A file that a query names in place of a table.
#[derive(Clone, Debug)]
pub struct FileTable {
    /// The name, as the query writes it.
    pub name: String,
    /// The names and types of its columns.
    pub columns: Vec<(String, SqlType)>,
    /// About how many rows it has.
    pub rows: u64,
    /// Reads it.
    pub source: Arc<dyn FileSource>,
}

/// What reads the rows of a file.
pub trait FileSource: Debug + Send + Sync {
    /// Reads the rows in their order and gives batches of the columns at these positions, in query
    /// form, to `take`; ends when that returns false. It blocks.
    fn read(&self, columns: &[usize], take: &mut dyn FnMut(RecordBatch) -> bool) -> Result;
}

impl FileTable {
    /// Returns the file that a table's name stands for, if it stands for one.
    pub(super) fn named<'a>(files: &'a [Self], name: &str) -> Option<&'a Self> {
        let file = name.strip_prefix(MARK)?;
        files.iter().find(|each| each.name == file)
    }

    /// Returns the table.
    pub(super) fn provider(&self) -> FileProvider {
        let fields: Vec<Field> =
            self.columns.iter().map(|(name, sql_type)| field(name, sql_type, true)).collect();
        FileProvider {
            schema: Arc::new(Schema::new(fields)),
            rows: self.rows,
            source: Arc::clone(&self.source),
        }
    }
}

/// Marks the name of a file, and gives it the name of the file without suffix as alias if it has none.
pub(super) fn mark_file(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return };
    let [part] = name.0.as_slice() else { return };
    let Some(ident) = part.as_ident().filter(|ident| ident.quote_style == Some('\'')) else {
        return;
    };
    let file = ident.value.clone();
    if alias.is_none() {
        *alias = Some(TableAlias {
            explicit: true,
            name: Ident::with_quote('"', stem(&file)),
            columns: Vec::new(),
            at: None,
        });
    }
    *name = ObjectName::from(vec![Ident::with_quote('"', format!("{MARK}{file}"))]);
}

/// Returns the name of a file without its directory and suffixes, in lower case.
fn stem(file: &str) -> String {
    let path = if file.contains("://") { file.split('?').next().unwrap_or(file) } else { file };
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("file");
    stem.to_lowercase()
}

/// A file as DataFusion sees it.
#[derive(Debug)]
pub(super) struct FileProvider {
    schema: SchemaRef,
    rows: u64,
    source: Arc<dyn FileSource>,
}

impl FileProvider {
    /// Returns about how many rows the file has.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}

#[async_trait]
impl TableProvider for FileProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let columns =
            projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let rows =
            FileRows { schema: Arc::clone(&schema), source: Arc::clone(&self.source), columns };
        let exec =
            StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// Some columns of a file, to be read.
#[derive(Debug)]
struct FileRows {
    schema: SchemaRef,
    source: Arc<dyn FileSource>,
    columns: Vec<usize>,
}

impl PartitionStream for FileRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), AHEAD);
        let (batches, source) = (builder.tx(), Arc::clone(&self.source));
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        builder.spawn_blocking(move || {
            let mut take = |batch: RecordBatch| {
                // The fields carry what tells their SQL types.
                let batch = batch.with_schema(Arc::clone(&schema)).map_err(Into::into);
                batches.blocking_send(batch).is_ok()
            };
            source.read(&columns, &mut take).map_err(external)
        });
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_files_by_their_stems() {
        for (file, expected) in [
            ("people.csv", "people"),
            ("a/b/People.csv.gz", "people"),
            ("s3://b/x/t.parquet?AWS_REGION=a/b.c", "t"),
            ("nodelocal:///d/.hidden", "hidden"),
            ("data-*.csv", "data-*"),
            ("a/", "file"),
        ] {
            assert_eq!(stem(file), expected);
        }
    }
}
