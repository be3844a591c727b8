//! An import that is only tried: everything is read and checked, and nothing is published.

use std::sync::PoisonError;

use super::left_out::{Placed, visit_rejects};
use super::reject::Tolerated;
use super::{Imported, Made, Trial, Work, sizes};
use crate::error::{Notice, Result};
use crate::job::event::Event;
use crate::plan::{OnError, RejectTarget, Tolerance};

/// How many of the rows that cannot be imported are told.
const MOST_TOLD: u64 = 10;

impl Work<'_> {
    /// Tells what the import would do, and removes what it made.
    pub(super) fn report(&self, made: Made, tolerance: &Tolerance) -> Result<Imported> {
        let (rows, row_bytes) = sizes(&mut made.segments.iter());
        let (index_entries, index_bytes) = sizes(&mut made.indexes.values().flatten());
        self.discard(&made);
        self.tell_trial(tolerance, (rows, index_entries, row_bytes + index_bytes))
    }

    /// Tells what an import would do that makes this many rows, index entries and bytes.
    pub(super) fn tell_trial(
        &self,
        tolerance: &Tolerance,
        (rows, index_entries, bytes): (u64, u64, u64),
    ) -> Result<Imported> {
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        let count = rejects.count();
        let mut told = 0;
        visit_rejects(self.shared, &mut rejects, &mut |placed| {
            if told < MOST_TOLD {
                self.tell(Event::Notice(warning(placed)));
            }
            told += 1;
            Ok(())
        })?;
        if count > MOST_TOLD {
            let more = count - MOST_TOLD;
            self.tell(Event::Notice(Notice::warning(format!("{more} more rows are faulty"))));
        }
        let would_fail = match tolerance.on_error {
            OnError::Fail => count > 0,
            OnError::Skip => {
                let per_file = tolerance.reject == RejectTarget::BesideFiles;
                let max_errors = tolerance.max_errors;
                let tolerated = Tolerated { max_errors, per_file, keep_bytes: false };
                rejects.has_too_many(tolerated).is_some()
            }
        };
        if !would_fail && count > 0 {
            let rows = if count == 1 { "row" } else { "rows" };
            self.tell(Event::Notice(Notice::notice(format!("would skip {count} {rows}"))));
        }
        self.tell(Event::Notice(Notice::notice("dry run: nothing was changed")));
        let trial = Some(Trial { would_fail });
        Ok(Imported { job: self.job, rows, index_entries, bytes, trial })
    }
}

/// Returns what is said of a row that cannot be imported.
fn warning(placed: &Placed<'_>) -> Notice {
    let column = placed.reject.column.as_ref();
    let column = column.map(|column| format!(", column \"{column}\"")).unwrap_or_default();
    let Placed { file, row, line, byte, message, reject, .. } = placed;
    Notice::warning(format!("row {row}: {message} (row: {})", reject.shown())).detail(format!(
        "SQLSTATE {}, file {file}, row {row}, line {line}, byte {byte}{column}",
        reject.code
    ))
}
