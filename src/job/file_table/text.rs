//! A file of text in place of a table: read piece by piece, each column by the parser of its type.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{Field, Schema};

use super::DataFile;
use super::guess::{Guess, guess};
use super::json::guess_json;
use crate::error::{DataPlace, Error, Result, shorten};
use crate::query::{FileSource, FileTable};
use crate::record::{RecordError, Records, TextFormat, TextReader, count_lines, strip_bom};
use crate::source::io_error;
use crate::types::{self, Cells, SqlType};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// How many bytes the types are guessed from, at most.
const SAMPLE: usize = 4 << 20;

/// How a file of text is written, as far as its name tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// Fields between delimiters.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// An array of objects, or objects one after the other.
    Json,
    /// An object per line.
    NdJson,
}

/// Files of one format and types.
#[derive(Debug)]
pub(super) struct TextTable {
    files: Vec<DataFile>,
    guess: Guess,
    rows: u64,
}

impl TextTable {
    /// Looks at the head of the first file that has one, to tell how all are written.
    pub(super) fn open(files: Vec<DataFile>, kind: TextKind) -> Result<Self> {
        let mut sample = Vec::new();
        let mut name = String::new();
        let mut at_end = true;
        for file in &files {
            file.name().clone_into(&mut name);
            at_end = fill(file.bytes()?.as_mut(), &mut sample, SAMPLE, file.name())?;
            if sample.len() > strip_bom(&sample) {
                break;
            }
        }
        let guess = match kind {
            TextKind::Csv => guess(&sample, at_end, None, &name),
            TextKind::Tsv => guess(&sample, at_end, Some('\t'), &name),
            TextKind::Json => guess_json(&sample, at_end, false, &name),
            TextKind::NdJson => guess_json(&sample, at_end, true, &name),
        }?;
        let size: u64 = files.iter().map(|file| file.source.size()).sum();
        let each = (sample.len() as u64 / guess.sampled.max(1)).max(1);
        Ok(Self { rows: size / each, files, guess })
    }

    /// Returns the table of a file that is written as it is told.
    pub(super) fn told(file: DataFile, guess: Guess) -> Self {
        Self { files: vec![file], guess, rows: 0 }
    }

    /// Returns the table that a query calls `name`.
    pub(super) fn into_table(self, name: &str) -> FileTable {
        let columns = self.guess.columns.clone();
        let rows = self.rows;
        FileTable { name: name.to_owned(), columns, rows, source: Arc::new(self) }
    }
}

impl FileSource for TextTable {
    fn read(&self, columns: &[usize], take: &mut dyn FnMut(RecordBatch) -> bool) -> Result {
        for file in &self.files {
            let mut reading = Reading::new(self, file, columns)?;
            while let Some(batch) = reading.next()? {
                if !take(batch) {
                    return Ok(());
                }
            }
            file.source.unchanged()?;
        }
        Ok(())
    }
}

/// One file that is being read.
struct Reading<'a> {
    table: &'a TextTable,
    file: &'a DataFile,
    columns: &'a [usize],
    schema: Arc<Schema>,
    stream: Box<dyn Read + Send>,
    reader: TextReader,
    records: Records,
    /// The bytes that were read and not consumed.
    carried: Vec<u8>,
    /// Where they start in the file.
    base: u64,
    /// Rows before them.
    rows: u64,
    at_end: bool,
    /// Whether the head of the file is behind.
    started: bool,
}

/// What is wrong with a row of a piece.
struct Fault {
    row: usize,
    start: usize,
    byte: usize,
    column: Option<(String, String)>,
    error: Error,
}

impl<'a> Reading<'a> {
    fn new(table: &'a TextTable, file: &'a DataFile, columns: &'a [usize]) -> Result<Self> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|at| &table.guess.columns[*at])
            .map(|(name, sql_type)| Field::new(name, sql_type.arrow(), true))
            .collect();
        Ok(Self {
            table,
            file,
            columns,
            schema: Arc::new(Schema::new(fields)),
            stream: file.bytes()?,
            reader: table.guess.format.reader(table.guess.columns.len()).with_quoted(true),
            records: Records::default(),
            carried: Vec::new(),
            base: 0,
            rows: 0,
            at_end: false,
            started: false,
        })
    }

    /// Returns the next rows; nothing at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.at_end && self.carried.is_empty() {
                return Ok(None);
            }
            let want = PIECE.max(self.carried.len());
            let mut bytes = std::mem::take(&mut self.carried);
            if !self.at_end {
                self.at_end = fill(self.stream.as_mut(), &mut bytes, want, self.file.name())?;
            }
            let Some(start) = self.pass_over_head(&bytes)? else {
                self.carried = bytes;
                continue;
            };
            let raw = Buffer::from_vec(bytes);
            let read = self.reader.read(
                &raw,
                start,
                usize::MAX,
                usize::MAX,
                self.at_end,
                &mut self.records,
            );
            let batch = self.convert(&raw);
            let batch = match (batch, read) {
                (Err(fault), _) => return Err(self.told(&fault, &raw)),
                (Ok(_), Err(error)) => return Err(self.told(&Fault::of(error), &raw)),
                (Ok(batch), Ok(used)) => {
                    self.rows += self.records.count as u64;
                    self.base += used as u64;
                    self.carried = raw[used..].to_vec();
                    if self.at_end && self.records.count == 0 {
                        self.carried.clear();
                    }
                    batch
                }
            };
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }

    /// Returns where the first row starts; nothing if more bytes are needed to tell.
    fn pass_over_head(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        if self.started {
            return Ok(Some(0));
        }
        let start = strip_bom(bytes);
        if !self.table.guess.header {
            self.started = true;
            return Ok(Some(start));
        }
        let header = self.reader.read_loose(bytes, start, self.at_end);
        match header.map_err(|error| self.told(&Fault::of(error), bytes))? {
            Some((_, next)) => {
                self.started = true;
                Ok(Some(next))
            }
            None if self.at_end => {
                self.started = true;
                Ok(Some(bytes.len()))
            }
            None => Ok(None),
        }
    }

    /// Returns the wanted columns of the records of a piece, or the first faulty row.
    fn convert(&mut self, raw: &Buffer) -> Result<RecordBatch, Fault> {
        let unescaped = Buffer::from_vec(std::mem::take(&mut self.records.unescaped));
        let records = &self.records;
        let utf8 = is_clean(raw) && is_clean(&unescaped);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        let mut first: Option<Fault> = None;
        for at in self.columns {
            let (name, sql_type) = &self.table.guess.columns[*at];
            let text = |span: [u32; 2]| match (span[0] as usize).checked_sub(raw.len()) {
                None => &raw[span[0] as usize..span[1] as usize],
                Some(start) => &unescaped[start..span[1] as usize - raw.len()],
            };
            let nulls = match self.table.guess.null.as_bytes() {
                b"" => nulls(records, *at),
                null => nulls_among(records.count, |row| {
                    !records.is_quoted(row, *at)
                        && text(records.spans[row * records.fields + at]) == null
                }),
            };
            let cells = Cells {
                raw,
                unescaped: &unescaped,
                spans: &records.spans,
                stride: records.fields,
                column: *at,
                rows: records.count,
                nulls: nulls.as_ref(),
                utf8,
            };
            let parsed = types::parse_column(sql_type, &cells);
            match parsed {
                Ok(stored) => match types::to_query(sql_type, &stored) {
                    Ok(values) => arrays.push(values),
                    Err(error) => first = first.or(Some(Fault::whole(error))),
                },
                Err(fault) if first.as_ref().is_none_or(|first| fault.row < first.row) => {
                    let value = text(records.spans[fault.row * records.fields + at]);
                    let value = String::from_utf8_lossy(value).into_owned();
                    let start = records.starts[fault.row] as usize;
                    let error = fault.error.map_message(|message| {
                        format!("parse \"{name}\" as {sql_type}: {message}")
                    });
                    let column = Some((name.clone(), value));
                    first = Some(Fault { row: fault.row, start, byte: start, column, error });
                }
                Err(_) => {}
            }
        }
        if let Some(fault) = first {
            return Err(fault);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(records.count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| Fault::whole(Error::internal(error)))
    }

    /// Returns the error of a fault in `bytes`, with its place.
    fn told(&self, fault: &Fault, bytes: &[u8]) -> Error {
        let row = self.rows + fault.row as u64 + 1;
        let at = self.base + fault.byte as u64;
        let line = match line_of(self.file, at) {
            Ok(line) => line,
            Err(error) => return error,
        };
        let rest = &bytes[fault.start.min(bytes.len())..];
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let raw = String::from_utf8_lossy(&rest[..end.min(4 * 1025)]).into_owned();
        let raw = shorten(raw.trim_end_matches('\r'));
        let message = format!("error parsing row {row}: {} (row: {raw})", fault.error.message());
        let error = Error::new(fault.error.code(), message).in_data(DataPlace {
            file: self.file.name().to_owned(),
            row,
            line,
            byte: at,
            column: fault.column.as_ref().map(|(name, _)| name.clone()),
            value: fault.column.as_ref().map(|(_, value)| value.clone()),
        });
        if self.table.guess.sampled == 0 {
            return error;
        }
        if fault.column.is_none() {
            let hint = "Import the file into a table, with options that fit it.";
            if !matches!(self.table.guess.format, TextFormat::Json(_)) {
                return error.hint(hint);
            }
            let sampled = self.table.guess.sampled;
            return error.hint(format!("Fields are guessed from the first {sampled} rows. {hint}"));
        }
        error.hint(format!(
            "Types are guessed from the first {} rows. Import the file into a table whose types fit.",
            self.table.guess.sampled
        ))
    }
}

impl Fault {
    /// Returns the fault of a malformed record.
    fn of(error: RecordError) -> Self {
        // The line is that of the fault itself, which is told beside.
        let told = Error::new(error.code(), error.message(1));
        Self { row: error.record, start: error.start, byte: error.start, column: None, error: told }
    }

    /// Returns a fault of no row in particular.
    fn whole(error: Error) -> Self {
        Self { row: 0, start: 0, byte: 0, column: None, error }
    }
}

/// Returns which cells of a field are NULL.
pub(super) fn nulls(records: &Records, field: usize) -> Option<NullBuffer> {
    nulls_among(records.count, |record| is_null(records, record, field))
}

/// Returns the NULLs among `count` cells.
fn nulls_among(count: usize, is_null: impl Fn(usize) -> bool) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(count, |record| !is_null(record)));
    (nulls.null_count() > 0).then_some(nulls)
}

/// Returns whether a cell is NULL: if the record says so; in CSV, which can say no such thing, if it is
/// empty and not in quotes.
pub(super) fn is_null(records: &Records, record: usize, field: usize) -> bool {
    if records.quoted.is_none() {
        return records.is_null(record, field);
    }
    let [start, end] = records.spans[record * records.fields + field];
    start == end && !records.is_quoted(record, field)
}

pub(super) fn is_clean(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok() && memchr::memchr(0, bytes).is_none()
}

/// Appends up to `want` bytes; returns whether the file ends there.
fn fill(stream: &mut dyn Read, bytes: &mut Vec<u8>, want: usize, name: &str) -> Result<bool> {
    let read = stream.take(want as u64).read_to_end(bytes);
    Ok(read.map_err(|error| io_error("read", name, &error))? < want)
}

/// Returns the physical line, from 1, on which the byte at `offset` stands.
fn line_of(file: &DataFile, offset: u64) -> Result<u64> {
    let mut stream = file.bytes()?;
    let (mut left, mut lines) = (offset, 1);
    let mut buffer = Vec::with_capacity(PIECE);
    while left > 0 {
        buffer.clear();
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        if fill(stream.as_mut(), &mut buffer, want, file.name())? {
            left = buffer.len() as u64;
        }
        lines += count_lines(&buffer);
        left -= (buffer.len() as u64).min(left);
    }
    Ok(lines)
}

/// Returns a type's column as text, for rows of which nothing is known.
pub(super) const TEXT: SqlType = SqlType::STRING;
