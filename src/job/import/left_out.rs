//! The rows that an import left out, told at its end: their places in the files, the file that SHOW
//! REJECTS reads, and how many they are.

use std::collections::BTreeMap;

use super::reject::{PartRejects, Reject, Tolerated};
use super::reject_file::RejectFiles;
use super::task::Shared;
use crate::catalog::JobId;
use crate::error::{Notice, Result};
use crate::record::{CsvWriter, Repairs};
use crate::source::io_error;

/// The rows that an import leaves out.
#[derive(Default)]
pub(crate) struct AllRejects {
    /// Those found while files were read, each reading anew.
    pub(crate) parts: Vec<PartRejects>,
    /// Those whose keys are no good.
    pub(crate) keys: Vec<PartRejects>,
}

impl AllRejects {
    /// Returns how many they are.
    pub(crate) fn count(&self) -> u64 {
        self.parts.iter().chain(&self.keys).map(|part| part.rejects.count).sum()
    }

    /// Returns the last file that has more of them than may be; without a limit none.
    pub(crate) fn has_too_many(&self, tolerated: Tolerated) -> Option<usize> {
        let most = tolerated.max_errors?;
        let mut counts = BTreeMap::new();
        for part in self.parts.iter().chain(&self.keys).filter(|part| part.rejects.count > 0) {
            *counts.entry(part.file).or_insert(0) += part.rejects.count;
        }
        if tolerated.per_file {
            return counts.into_iter().rfind(|(_, count)| *count > most).map(|(file, _)| file);
        }
        let last = counts.keys().next_back().copied();
        last.filter(|_| counts.values().sum::<u64>() > most)
    }
}

/// A row that was left out, with its place.
pub(crate) struct Placed<'a> {
    /// The position of the file in the import.
    pub(crate) number: usize,
    /// The file's name, with secrets redacted.
    pub(crate) file: &'a str,
    /// The row, from 1, among the data records of its file.
    pub(crate) row: u64,
    /// The physical line of the row or of the faulty byte.
    pub(crate) line: u64,
    /// The offset of the row or of the faulty byte.
    pub(crate) byte: u64,
    /// What is wrong.
    pub(crate) message: String,
    /// The rest.
    pub(crate) reject: Reject,
}

/// Shows every row that was left out to `visit`, in file order.
pub(crate) fn visit_rejects(
    shared: &Shared<'_>,
    rejects: &mut AllRejects,
    visit: &mut dyn FnMut(&Placed<'_>) -> Result,
) -> Result {
    for (number, file) in shared.files.iter().enumerate() {
        // The parts of a file, and what their keys left out, are in order each; they are merged.
        let mut streams = Vec::new();
        let parts = rejects.parts.iter_mut().chain(&mut rejects.keys);
        for part in parts.filter(|part| part.file == number) {
            let mut reader = part.rejects.read(shared.temp)?;
            let next = reader.next()?;
            streams.push((part.records_before, reader, next));
        }
        if streams.is_empty() {
            continue;
        }
        let mut lines = file.lines()?;
        while let Some((before, reader, next)) = streams
            .iter_mut()
            .filter(|(.., next)| next.is_some())
            .min_by_key(|(before, _, next)| next.as_ref().map(|next| before + next.row))
        {
            let Some(reject) = next.take() else { break };
            *next = reader.next()?;
            shared.context.cancellation.check()?;
            let first_line = lines.line_of(reject.record)?;
            let message = reject.message(first_line);
            let line = reject.byte.map_or(Ok(first_line), |byte| lines.line_of(byte))?;
            visit(&Placed {
                number,
                file: file.name(),
                row: *before + reject.row + 1,
                line,
                byte: reject.byte.unwrap_or(reject.record),
                message,
                reject,
            })?;
        }
    }
    Ok(())
}

/// Writes the file that SHOW REJECTS reads, and those for the user; returns how many rows they hold.
pub(crate) fn write_rejects(
    shared: &Shared<'_>,
    job: JobId,
    rejects: &mut AllRejects,
    mut files: Option<&mut RejectFiles<'_>>,
) -> Result<u64> {
    if rejects.count() == 0 {
        return Ok(0);
    }
    // Of an import that failed for too many of them those are told that made it fail.
    let most = shared.tolerated.and_then(|tolerated| tolerated.max_errors);
    let most = most.map_or(u64::MAX, |most| most.saturating_add(1));
    let per_file = shared.tolerated.is_some_and(|tolerated| tolerated.per_file);
    let (mut count, mut limited, mut file) = (0, 0, 0);
    let mut writer =
        CsvWriter::comma_separated(shared.context.store.create_rejects(job)?, String::new());
    visit_rejects(shared, rejects, &mut |placed| {
        if per_file && file != placed.number {
            (file, limited) = (placed.number, 0);
        }
        if limited == most {
            return Ok(());
        }
        limited += 1;
        count += 1;
        if let Some(files) = &mut files {
            files.write(&shared.files[placed.number], placed)?;
        }
        let numbers = [placed.row, placed.line, placed.byte].map(|number| number.to_string());
        let raw = placed.reject.shown();
        writer
            .write_row(&[
                Some(placed.file),
                Some(&numbers[0]),
                Some(&numbers[1]),
                Some(&numbers[2]),
                placed.reject.column.as_deref(),
                Some(&placed.reject.code),
                Some(&placed.message),
                Some(&raw),
            ])
            .map_err(|error| io_error("write", "rejects", &error))
    })?;
    writer.finish().map_err(|error| io_error("write", "rejects", &error))?.finish()?;
    files.map_or(Ok(()), RejectFiles::close)?;
    Ok(count)
}

/// Returns what is said of rows that were left out.
pub(crate) fn skipped(count: u64, job: JobId) -> Option<Notice> {
    let rows = if count == 1 { "row" } else { "rows" };
    (count > 0).then(|| {
        Notice::notice(format!("skipped {count} {rows}"))
            .hint(format!("SHOW REJECTS FOR JOB {} lists them.", job.0))
    })
}

/// Returns what is said of records that lenient reading repaired.
pub(crate) fn repaired(repairs: Repairs) -> Option<Notice> {
    let told: Vec<String> = [
        (repairs.filled, "filled up"),
        (repairs.cut, "cut"),
        (repairs.quotes, "read with quotes as text"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!told.is_empty()).then(|| Notice::notice(format!("repaired rows: {}", told.join(", "))))
}
