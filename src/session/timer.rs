//! The variable `statement_timeout`: cancels a statement that takes longer.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::CancelHandle;

/// Counts down the time of one statement, up to its last row.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<AbortHandle>);

impl Timer {
    /// Starts to count the milliseconds that a statement may take; 0 is no limit.
    pub(super) fn start(&mut self, milliseconds: Option<&str>, cancel: &CancelHandle) {
        self.stop();
        let limit = milliseconds.and_then(|text| text.parse().ok()).unwrap_or(0);
        if limit == 0 {
            return;
        }
        let cancel = cancel.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(limit)).await;
            cancel.time_out();
        });
        self.0 = Some(task.abort_handle());
    }

    /// Stops counting.
    pub(super) fn stop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop();
    }
}
