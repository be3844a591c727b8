//! SHOW REJECTS FOR JOB: the rows that an import left out, read from their file as they are shown.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema};

use super::{Rows, Session};
use crate::catalog::{JobId, ROOT};
use crate::error::{Error, Result, SqlState};
use crate::record::{Dialect, Reader, Records};

/// The columns, and whether each is a number.
const COLUMNS: [(&str, bool); 8] = [
    ("file", false),
    ("row", true),
    ("line", true),
    ("byte", true),
    ("column", false),
    ("sqlstate", false),
    ("message", false),
    ("raw", false),
];

/// How much of the file is read at once.
const PIECE: usize = 256 << 10;

impl Session {
    /// Returns the rows that a job left out.
    pub(super) fn rejects(&self, id: u64) -> Result<Rows> {
        let job = self.store.job(JobId(id))?.ok_or_else(|| {
            Error::new(SqlState::UNDEFINED_OBJECT, format!("job with ID {id} does not exist"))
                .hint("SHOW JOBS lists the jobs.")
        })?;
        if self.user != ROOT && self.user != job.user {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("the rejects of job {id} are for root and for who started it"),
            ));
        }
        let fields: Vec<Field> = COLUMNS
            .iter()
            .map(|(name, number)| {
                let data_type = if *number { DataType::Int64 } else { DataType::Utf8View };
                Field::new(*name, data_type, true)
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let file = match job.rejected {
            0 => None,
            _ => Some(self.store.open_rejects(job.id)?),
        };
        let batches = Batches {
            schema: Arc::clone(&schema),
            file,
            reader: Reader::new(Dialect::default(), COLUMNS.len()),
            bytes: Vec::new(),
        };
        Ok(Rows::from_batches(schema, Box::new(batches)))
    }
}

/// The file as batches.
struct Batches {
    schema: Arc<Schema>,
    file: Option<File>,
    reader: Reader,
    bytes: Vec<u8>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.read().transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.file = None;
        }
        batch
    }
}

impl Batches {
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        let mut records = Records::new();
        while let Some(file) = &mut self.file {
            let want = PIECE.max(self.bytes.len()) as u64;
            let count = file
                .take(want)
                .read_to_end(&mut self.bytes)
                .map_err(|error| crate::source::io_error("read", "rejects", &error))?;
            let at_end = (count as u64) < want;
            let used = self
                .reader
                .read(&self.bytes, 0, usize::MAX, usize::MAX, at_end, &mut records)
                .map_err(|error| {
                    Error::new(SqlState::DATA_CORRUPTED, "file of rejects is damaged")
                        .caused_by(error)
                })?;
            if at_end {
                self.file = None;
            }
            let batch = self.batch(&records)?;
            self.bytes.drain(..used);
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn batch(&self, records: &Records) -> Result<RecordBatch> {
        let columns = COLUMNS.iter().enumerate().map(|(field, (_, number))| -> ArrayRef {
            let texts = (0..records.count).map(|record| {
                let text = String::from_utf8_lossy(records.field(&self.bytes, record, field));
                (!text.is_empty()).then(|| text.into_owned())
            });
            if *number {
                let mut values = Int64Builder::with_capacity(records.count);
                texts
                    .for_each(|text| values.append_option(text.and_then(|text| text.parse().ok())));
                Arc::new(values.finish())
            } else {
                let mut values = StringViewBuilder::with_capacity(records.count);
                texts.for_each(|text| values.append_option(text));
                Arc::new(values.finish())
            }
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect())
            .map_err(|error| Error::internal(&error).caused_by(error))
    }
}
