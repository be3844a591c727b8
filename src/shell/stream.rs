//! The rows of a result, computed on the runtime while the shell waits, draws or hears Ctrl-C.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::AbortHandle;

use super::flow::Flow;
use super::interrupt::{Guarded, Interrupts};
use crate::error::Result;
use crate::session::{CancelHandle, Rows};

/// How many batches are computed ahead.
const AHEAD: usize = 2;
/// How long a canceled query may take to notice.
const GRACE: Duration = Duration::from_secs(2);

/// Rows that a task computes. Dropped, it ends the task.
pub(crate) struct RowStream {
    schema: SchemaRef,
    batches: Receiver<Result<RecordBatch>>,
    task: AbortHandle,
}

impl RowStream {
    /// Starts computing `rows`. An operator may compute for long without giving way; on a task of its
    /// own it keeps nobody from hearing signals.
    pub(crate) fn start(mut rows: Rows, runtime: &Handle) -> Self {
        let schema = rows.schema().clone();
        let (sender, batches) = channel(AHEAD);
        let work = async move {
            while let Some(next) = rows.next().await.transpose() {
                let failed = next.is_err();
                if sender.send(next).await.is_err() || failed {
                    return;
                }
            }
        };
        Self { schema, batches, task: runtime.spawn(work).abort_handle() }
    }

    /// Returns the names and types of the columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Waits for the next batch, or nothing at the end. A signal cancels the query, which is given up
    /// if it does not notice.
    pub(crate) async fn next(
        &mut self,
        interrupts: &mut Interrupts,
        cancel: &CancelHandle,
    ) -> Flow<Guarded<Result<Option<RecordBatch>>>> {
        let work = async {
            tokio::select! {
                biased;
                batch = self.batches.recv() => batch.transpose(),
                () = given_up(cancel) => Err(cancel.error()),
            }
        };
        interrupts.guard(cancel, work).await
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn given_up(cancel: &CancelHandle) {
    cancel.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
