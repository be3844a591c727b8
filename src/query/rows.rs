//! `Rows`: the result of a query, batch by batch.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::future::{BoxFuture, Either, select};
use futures::{FutureExt, StreamExt};

use super::cast::strict;
use super::checked::out_of_range;
use super::engine::panicked;
use super::error::convert;
use super::names::visible_name;
use super::sql_types::result_type;
use crate::error::{Error, Result};

/// The rows of a result, batch by batch, in query form. Dropping it stops the query.
pub struct Rows {
    schema: SchemaRef,
    source: Source,
    stop: Option<BoxFuture<'static, Error>>,
    failed: Option<Arc<AtomicBool>>,
}

enum Source {
    Batches(VecDeque<RecordBatch>),
    Iterator(Box<dyn Iterator<Item = Result<RecordBatch>> + Send>),
    Stream(SendableRecordBatchStream),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Rows {
    /// Returns the rows of one batch.
    pub fn from_batch(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            source: Source::Batches([batch].into()),
            stop: None,
            failed: None,
        }
    }

    /// Returns the rows of batches of `schema` that are made as they are asked for.
    pub fn from_batches(
        schema: SchemaRef,
        batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
    ) -> Self {
        Self { schema, source: Source::Iterator(batches), stop: None, failed: None }
    }

    /// Returns the rows of a running query.
    pub(super) fn from_stream(stream: SendableRecordBatchStream) -> Self {
        let fields: Vec<Field> = stream
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let name = visible_name(field.name());
                let data_type = result_type(field.data_type());
                Field::new(name, data_type, field.is_nullable())
                    .with_metadata(field.metadata().clone())
            })
            .collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            source: Source::Stream(stream),
            stop: None,
            failed: None,
        }
    }

    /// Ends the rows with the error of `stop` as soon as that completes.
    pub fn until(mut self, stop: BoxFuture<'static, Error>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets `failed` when the rows break off with an error.
    pub fn noting_failure(mut self, failed: Arc<AtomicBool>) -> Self {
        self.failed = Some(failed);
        self
    }

    /// Gives the columns other names.
    pub fn renamed(mut self, names: &[String]) -> Self {
        let fields: Vec<Field> = self
            .schema
            .fields()
            .iter()
            .zip(names)
            .map(|(field, name)| field.as_ref().clone().with_name(name))
            .collect();
        self.schema = Arc::new(Schema::new(fields));
        self
    }

    /// Returns the names and Arrow types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the next batch, or nothing at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = self.fetch().await;
        if let (Err(_), Some(failed)) = (&next, &self.failed) {
            failed.store(true, Ordering::Relaxed);
        }
        next
    }

    async fn fetch(&mut self) -> Result<Option<RecordBatch>> {
        let stream = match &mut self.source {
            Source::Batches(batches) => return Ok(batches.pop_front()),
            Source::Iterator(batches) => return batches.next().transpose(),
            Source::Stream(stream) => stream,
        };
        let next = AssertUnwindSafe(stream.next()).catch_unwind();
        let next = match &mut self.stop {
            None => next.await,
            Some(stop) => match select(stop, next).await {
                Either::Left((error, _)) => {
                    self.source = Source::Batches(VecDeque::new());
                    return Err(error);
                }
                Either::Right((next, _)) => next,
            },
        };
        let next = match next {
            Ok(next) => next.transpose().map_err(convert),
            Err(panic) => Err(panicked(&*panic)),
        };
        match next {
            Ok(Some(batch)) => self.shown(&batch).map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                // The query is over; what runs of it stops here.
                self.source = Source::Batches(VecDeque::new());
                Err(error)
            }
        }
    }

    /// Returns all batches that are left.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// Returns a batch with the names and types that the result shows.
    fn shown(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let arrays = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(array, field)| shown_array(array, field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(Error::internal)
    }
}

fn shown_array(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    strict(array, data_type).map_err(|error| out_of_range(error, data_type))
}
