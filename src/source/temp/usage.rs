//! What temporary files take, counted against one limit for the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, SqlState};

/// What all temporary files of a process take together.
#[derive(Debug, Default)]
pub(in crate::source) struct Usage {
    bytes: AtomicU64,
    limit: Option<u64>,
}

impl Usage {
    pub(in crate::source) fn new(limit: Option<u64>) -> Self {
        Self { bytes: AtomicU64::new(0), limit }
    }

    /// Books `bytes` more, unless they go over the limit.
    fn take(&self, bytes: u64) -> Result {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.limit {
            Some(limit) if before + bytes > limit => {
                self.give(bytes);
                Err(Error::new(
                    SqlState::DISK_FULL,
                    format!("temporary files exceed the limit of {limit} bytes"),
                )
                .hint("Raise --max-disk-temp-storage, or import less at once."))
            }
            _ => Ok(()),
        }
    }

    fn give(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What the files of one directory take, booked there and for the process.
#[derive(Debug)]
pub(super) struct Ledger {
    own: AtomicU64,
    all: Arc<Usage>,
}

impl Ledger {
    pub(super) fn new(all: &Arc<Usage>) -> Self {
        Self { own: AtomicU64::new(0), all: Arc::clone(all) }
    }

    /// Books `bytes` more, unless they go over the limit.
    pub(super) fn take(&self, bytes: u64) -> Result {
        self.all.take(bytes)?;
        self.own.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Books `bytes` more that are there already.
    pub(super) fn book(&self, bytes: u64) {
        self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.own.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give(&self, bytes: u64) {
        self.all.give(bytes);
        self.own.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.all.give(self.own.load(Ordering::Relaxed));
    }
}
