//! Files in place of tables: opened by the rules of the session, with the types of their columns
//! guessed, and read as a query asks for rows.

mod guess;
mod json;
mod parquet;
mod text;

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;

use self::guess::Guess;
use self::parquet::ParquetTable;
use self::text::{TextKind, TextTable};
use crate::error::{Error, Result, SqlState};
use crate::plan::CopyData;
use crate::query::{FileSource, FileTable};
use crate::record::TextFormat;
use crate::source::{
    Access, Compression, DecompressLimits, Location, SourceFile, decompress, redact,
};
use crate::types::SqlType;

/// Opens the file, or the files that a wildcard matches, that a query calls `name`. It blocks.
pub fn open_file_table(access: &Access, name: &str) -> Result<FileTable> {
    let location = Location::parse(name)?;
    let locations = access.expand(&location)?;
    let mut kinds = Vec::with_capacity(locations.len());
    for location in &locations {
        kinds.push(Kind::of(&location.to_string())?);
    }
    let kind = kinds[0];
    if kinds.iter().any(|each| *each != kind) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("files of different formats match \"{}\"", redact(name)),
        ));
    }
    let sources = access.open_all(&locations)?;
    let files: Vec<DataFile> = sources
        .into_iter()
        .zip(&locations)
        .map(|(source, location)| DataFile {
            source: Arc::new(source),
            compression: Compression::of_location(location),
        })
        .collect();
    Ok(match kind {
        Kind::Text(kind) => TextTable::open(files, kind)?.into_table(name),
        Kind::Parquet => ParquetTable::open(files)?.into_table(name),
    })
}

/// Reads the rows of a COPY FROM STDIN from a file, and gives batches of these columns to `take`. It
/// blocks.
pub fn read_data(
    rows: File,
    data: &CopyData,
    columns: Vec<(String, SqlType)>,
    take: &mut dyn FnMut(RecordBatch) -> Result,
) -> Result {
    let source = Arc::new(SourceFile::of_file(rows, "STDIN")?);
    let wanted: Vec<usize> = (0..columns.len()).collect();
    let guess = Guess {
        format: data.format.clone(),
        header: data.header,
        columns,
        null: if matches!(data.format, TextFormat::Csv(_)) {
            data.null.clone()
        } else {
            String::new()
        },
        sampled: 0,
    };
    let table = TextTable::told(DataFile { source, compression: Compression::None }, guess);
    let mut taken = Ok(());
    let read = table.read(&wanted, &mut |batch| {
        taken = take(batch);
        taken.is_ok()
    });
    taken.and(read)
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text(TextKind),
    Parquet,
}

impl Kind {
    /// Returns the format that the name of a file tells.
    fn of(name: &str) -> Result<Self> {
        let path = if name.contains("://") { name.split('?').next().unwrap_or(name) } else { name };
        let lower = path.to_ascii_lowercase();
        let plain = [".gz", ".bz2", ".bz", ".zst", ".xz"]
            .iter()
            .find_map(|suffix| lower.strip_suffix(suffix))
            .unwrap_or(&lower);
        Ok(match plain.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("csv") => Self::Text(TextKind::Csv),
            Some("tsv" | "tab") => Self::Text(TextKind::Tsv),
            Some("json") => Self::Text(TextKind::Json),
            Some("ndjson" | "jsonl") => Self::Text(TextKind::NdJson),
            Some("parquet") => Self::Parquet,
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("format of file \"{}\" cannot be told by its name", redact(name)),
                )
                .hint(
                    "A file in place of a table is called .csv, .tsv, .parquet, .json or .ndjson, \
                     and .gz, .bz2, .zst or .xz behind that if it is compressed.",
                ));
            }
        })
    }
}

/// A file that is open.
#[derive(Debug)]
struct DataFile {
    source: Arc<SourceFile>,
    compression: Compression,
}

impl DataFile {
    fn name(&self) -> &str {
        self.source.name()
    }

    /// Returns the decompressed bytes from the first to the last.
    fn bytes(&self) -> Result<Box<dyn Read + Send>> {
        match self.compression {
            Compression::None => Ok(Box::new(self.source.reader())),
            compression => {
                decompress(Arc::clone(&self.source), compression, DecompressLimits::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_formats_by_suffix() {
        for (name, kind) in [
            ("a.csv", Kind::Text(TextKind::Csv)),
            ("A.CSV.GZ", Kind::Text(TextKind::Csv)),
            ("s3://b/a.tsv?x=y.csv", Kind::Text(TextKind::Tsv)),
            ("a.json.gz", Kind::Text(TextKind::Json)),
            ("a.ndjson.zst", Kind::Text(TextKind::NdJson)),
            ("a.b.parquet", Kind::Parquet),
        ] {
            assert_eq!(Kind::of(name).unwrap(), kind, "{name}");
        }
        assert_eq!(Kind::of("a.xls").unwrap_err().code(), SqlState::INVALID_PARAMETER_VALUE);
        assert!(Kind::of("csv").is_err());
    }
}
