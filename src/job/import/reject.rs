//! Rows that are left out of an import: gathered part by part while it reads, in memory while they are
//! few and in the temporary directory beyond, and given back in file order.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState, shorten};
use crate::job::bytes::{Input, Output};
use crate::record::RecordFault;
use crate::source::{TempDirectory, TempFile, TempReader, io_error, wrap_error};

/// The bytes of rejects that a part keeps in memory.
const MOST_IN_MEMORY: usize = 64 << 10;

/// The longest row that is kept whole where it is only to be shown, in bytes.
const LONGEST_SHOWN: usize = 4 * 1025;

/// How the names of files of rejects begin.
const PREFIX: &str = "rejects-";

/// Numbers the files of rejects within a process, so that their names differ.
static NEXT_FILE: AtomicU64 = AtomicU64::new(1);

/// What becomes of rows that cannot be imported, if the import goes on without them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerated {
    /// The most of them.
    pub(crate) max_errors: Option<u64>,
    /// Whether that is the most of each file.
    pub(crate) per_file: bool,
    /// Whether their bytes are kept whole.
    pub(crate) keep_bytes: bool,
}

/// A row that is left out. Offsets count from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reject {
    /// The number of the row among the records of its part, from 0; of the file, once they are joined.
    pub(crate) row: u64,
    /// Where it starts.
    pub(crate) record: u64,
    /// The faulty byte, if one is at fault.
    pub(crate) byte: Option<u64>,
    /// The column, if one is at fault.
    pub(crate) column: Option<String>,
    /// The SQLSTATE.
    pub(crate) code: String,
    /// What is wrong, unless `fault` says it.
    pub(crate) message: String,
    /// What is wrong with the record as such.
    pub(crate) fault: Option<RecordFault>,
    /// The row as it stands in the file.
    #[serde(skip)]
    pub(crate) raw: Vec<u8>,
}

impl Reject {
    /// Returns what is wrong, given the physical line on which the row starts.
    pub(crate) fn message(&self, line: u64) -> String {
        match &self.fault {
            Some(fault) => fault.message(line),
            None => self.message.clone(),
        }
    }

    /// Returns the row as it is shown: as text, without its line end, cut.
    pub(crate) fn shown(&self) -> String {
        let raw = self.raw.strip_suffix(b"\n").unwrap_or(&self.raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        shorten(&String::from_utf8_lossy(raw))
    }
}

/// The rejects of one part, in file order.
#[derive(Default)]
pub(crate) struct Rejects {
    /// How many they are.
    pub(crate) count: u64,
    memory: Vec<u8>,
    file: Option<Spilled>,
}

/// The rows left out of a part.
pub(crate) struct PartRejects {
    /// The file.
    pub(crate) file: usize,
    /// Data records of the file before the part.
    pub(crate) records_before: u64,
    /// The rows.
    pub(crate) rejects: Rejects,
}

impl PartRejects {
    /// Writes down rejects that are held.
    pub(crate) fn save(&self, out: &mut Output) {
        out.count(self.file);
        out.u64(self.records_before);
        out.u64(self.rejects.count);
        out.bytes(&self.rejects.memory);
        out.bool(self.rejects.file.is_some());
        if let Some(spilled) = &self.rejects.file {
            out.bytes(spilled.name.as_bytes());
            out.u64(spilled.bytes);
        }
    }

    /// Returns the rejects that were written down, with what is of them in `temp`.
    pub(crate) fn restore(temp: &Arc<TempDirectory>, input: &mut Input<'_>) -> Option<Self> {
        let (file, records_before) = (input.count()?, input.u64()?);
        let (count, memory) = (input.u64()?, input.bytes()?.to_vec());
        let spilled = if input.bool()? { Some(Spilled::restore(temp, input)?) } else { None };
        let rejects = Rejects { count, memory, file: spilled };
        Some(Self { file, records_before, rejects })
    }
}

/// A temporary file of rejects; it is removed with them, unless it is held.
struct Spilled {
    name: String,
    /// Whether the file stays when this value goes.
    held: bool,
    /// The file, until it is read.
    file: Option<BufWriter<TempFile>>,
    bytes: u64,
    temp: Arc<TempDirectory>,
}

impl Spilled {
    /// Completes the file; nothing can be added to it from then on.
    fn close(&mut self) -> Result {
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.map_err(|error| io_error("write", &self.name, &error))?.finish()
    }

    fn restore(temp: &Arc<TempDirectory>, input: &mut Input<'_>) -> Option<Self> {
        let name = input.text()?;
        let number: u64 = name.strip_prefix(PREFIX)?.parse().ok()?;
        NEXT_FILE.fetch_max(number.checked_add(1)?, Ordering::Relaxed);
        let bytes = input.u64()?;
        Some(Self { name, held: true, file: None, bytes, temp: Arc::clone(temp) })
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        if !self.held && !self.temp.is_kept() {
            // What cannot be removed now goes with the directory.
            let _ = self.temp.remove(&self.name);
        }
    }
}

impl Rejects {
    /// Adds a reject behind the others.
    pub(crate) fn push(
        &mut self,
        mut reject: Reject,
        tolerated: Tolerated,
        temp: &Arc<TempDirectory>,
    ) -> Result {
        if !tolerated.keep_bytes {
            reject.raw.truncate(LONGEST_SHOWN);
        }
        let head = serde_json::to_vec(&reject)
            .map_err(|error| Error::internal("a reject has no JSON").caused_by(error))?;
        for bytes in [&head, &reject.raw] {
            self.memory.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            self.memory.extend_from_slice(bytes);
        }
        self.count += 1;
        if self.memory.len() >= MOST_IN_MEMORY { self.spill(temp) } else { Ok(()) }
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self, temp: &Arc<TempDirectory>) -> Result {
        let spilled = if let Some(spilled) = &mut self.file {
            spilled
        } else {
            let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{number}");
            let file = Some(BufWriter::new(temp.create(&name)?));
            let temp = Arc::clone(temp);
            self.file.insert(Spilled { name, held: false, file, bytes: 0, temp })
        };
        let Some(file) = &mut spilled.file else {
            return Err(Error::internal("rejects are added to a file that was read"));
        };
        let written = file.write_all(&self.memory);
        written.map_err(|error| io_error("write", &spilled.name, &error))?;
        spilled.bytes += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Lets what is in a file stay when this value goes; returns the file's name. It is not synced.
    pub(crate) fn hold(&mut self) -> Result<Option<&str>> {
        let Some(spilled) = &mut self.file else { return Ok(None) };
        spilled.close()?;
        spilled.held = true;
        Ok(Some(&spilled.name))
    }

    /// Returns the name of the file, if there is one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_ref().map(|spilled| spilled.name.as_str())
    }

    /// Returns a reader of the rejects.
    pub(crate) fn read(&mut self, temp: &Arc<TempDirectory>) -> Result<RejectReader<'_>> {
        let Some(spilled) = &mut self.file else {
            return Ok(RejectReader { file: None, memory: &self.memory, left: self.count });
        };
        spilled.close()?;
        let reader = temp.open(&spilled.name, 0..spilled.bytes)?;
        let file = Some(BufReader::new(Spool { reader, offset: 0 }));
        Ok(RejectReader { file, memory: &self.memory, left: self.count })
    }
}

/// A temporary file from its start to its end.
struct Spool {
    reader: TempReader,
    offset: u64,
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read_at(buffer, self.offset).map_err(wrap_error)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Reads rejects back, first those of the file, then those in memory.
pub(crate) struct RejectReader<'a> {
    file: Option<BufReader<Spool>>,
    memory: &'a [u8],
    left: u64,
}

impl RejectReader<'_> {
    /// Returns the next reject.
    pub(crate) fn next(&mut self) -> Result<Option<Reject>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let head = self.bytes()?;
        let mut reject: Reject = serde_json::from_slice(&head).map_err(|error| {
            Error::new(SqlState::DATA_CORRUPTED, "temporary file of rejects is damaged")
                .caused_by(error)
        })?;
        reject.raw = self.bytes()?;
        Ok(Some(reject))
    }

    /// Returns the next bytes, before which their number stands.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 8];
        self.fill(&mut length)?;
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(u32::MAX as usize)];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result {
        let mut filled = 0;
        let failure = |error| io_error("read", "rejects", &error);
        while filled < buffer.len() {
            let count = match &mut self.file {
                Some(file) => file.read(&mut buffer[filled..]).map_err(failure)?,
                None => self.memory.read(&mut buffer[filled..]).map_err(failure)?,
            };
            match (count, self.file.is_some()) {
                (0, true) => self.file = None,
                (0, false) => {
                    return Err(Error::internal("a temporary file of rejects ends early"));
                }
                _ => filled += count,
            }
        }
        Ok(())
    }
}

/// Returns the error of more rejects than may be (spec/import.md E51).
pub(crate) fn too_many(limit: u64, file: &str) -> Error {
    Error::new(
        SqlState::BAD_COPY_FILE_FORMAT,
        format!(
            "too many parsing errors ({}) encountered for file {file}",
            limit.saturating_add(1)
        ),
    )
    .hint("SHOW REJECTS FOR JOB lists the rows; a larger max_errors lets more of them go.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Access, AccessOptions, Location};

    fn reject(row: u64, length: usize) -> Reject {
        Reject {
            row,
            record: row * 10,
            byte: row.is_multiple_of(2).then_some(row),
            column: Some(format!("c{row}")),
            code: "22P02".to_owned(),
            message: "could not".to_owned(),
            fault: row.is_multiple_of(3).then_some(RecordFault::StrayQuote {
                lines: 1,
                column: 2,
                quote: '"',
            }),
            raw: vec![b'x'; length],
        }
    }

    #[test]
    fn gives_back_what_it_took_from_memory_and_file() {
        let base = tempfile::tempdir().unwrap();
        let access = Access::new(AccessOptions {
            external_io_directory: Some(base.path().join("extern")),
            working_directory: base.path().to_owned(),
        });
        let temp = access.temp_directory(&Location::parse("tmp").unwrap(), 1).unwrap();
        let temp = Arc::new(temp);
        for keep_bytes in [true, false] {
            let tolerated = Tolerated { max_errors: None, per_file: false, keep_bytes };
            let mut rejects = Rejects::default();
            let all: Vec<Reject> = (0..40).map(|row| reject(row, 5000)).collect();
            for reject in &all {
                rejects.push(reject.clone(), tolerated, &temp).unwrap();
            }
            assert!(rejects.file.is_some() && rejects.memory.len() < MOST_IN_MEMORY);
            let mut reader = rejects.read(&temp).unwrap();
            for mut expected in all {
                expected.raw.truncate(if keep_bytes { 5000 } else { LONGEST_SHOWN });
                assert_eq!(reader.next().unwrap(), Some(expected));
            }
            assert_eq!(reader.next().unwrap(), None);
        }
    }

    #[test]
    fn words_the_fault_by_its_line() {
        let message = "record on line 7; parse error on line 8, column 2: extraneous or missing \" in \
                       quoted-field";
        assert_eq!(reject(3, 0).message(7), message);
        assert_eq!(reject(4, 0).message(7), "could not");
        let shown = Reject { raw: b"a\xff,b\r\n".to_vec(), ..reject(1, 0) };
        assert_eq!(shown.shown(), "a\u{fffd},b");
    }
}
