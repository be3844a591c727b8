//! How data files are written: what all formats share, and what each format adds.

use crate::record::Delimiter;
use crate::source::TextEncoding;

/// A format that IMPORT reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// Fields between delimiters, in quotes where needed.
    Csv,
    /// Fields between separators, as MySQL's OUTFILE writes them.
    Delimited,
    /// Lines of fields, as PostgreSQL's COPY writes them.
    PgCopy,
    /// An array of objects, or objects one after the other.
    Json,
    /// An object per line.
    NdJson,
    /// Columns of typed values in row groups.
    Parquet,
    /// Records of typed values with their schema.
    Avro,
}

impl FormatName {
    /// Every format by the word that a statement names it with.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("CSV", Self::Csv),
        ("DELIMITED", Self::Delimited),
        ("PGCOPY", Self::PgCopy),
        ("JSON", Self::Json),
        ("NDJSON", Self::NdJson),
        ("PARQUET", Self::Parquet),
        ("AVRO", Self::Avro),
    ];

    /// Returns the format that a word in upper case names.
    pub fn parse(word: &str) -> Option<Self> {
        // CockroachDB's name of DELIMITED up to 19.1.
        let word = if word == "MYSQLOUTFILE" { "DELIMITED" } else { word };
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, format)| *format)
    }

    /// Returns the word that names the format.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// How data files are written, and how much of them to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFormat {
    /// The text that means NULL.
    pub nullif: Option<String>,
    /// How files are compressed.
    pub decompress: Decompress,
    /// Records to pass over at the head of each file.
    pub skip: u64,
    /// The most records to read of each file, after `skip`.
    pub row_limit: Option<u64>,
    /// Keep the files in temp.
    pub keep_temp: bool,
    /// Whether wildcards in the names of files are matched.
    pub match_globs: bool,
    /// The format, with what it alone needs to know.
    pub kind: FormatKind,
}

impl DataFormat {
    /// Returns whether a quoted field can be NULL too.
    pub fn allows_quoted_null(&self) -> bool {
        match &self.kind {
            FormatKind::Csv(csv) => csv.allow_quoted_null,
            _ => false,
        }
    }

    /// Returns how the text of files is encoded, if it was said.
    pub fn encoding(&self) -> Option<TextEncoding> {
        match &self.kind {
            FormatKind::Csv(csv) => csv.encoding,
            _ => None,
        }
    }

    /// Returns whether what breaks the rules is read as well as can be.
    pub fn is_lenient(&self) -> bool {
        matches!(&self.kind, FormatKind::Csv(csv) if csv.lenient)
    }

    /// Returns what the first record of each file is.
    pub fn header(&self) -> Header {
        match &self.kind {
            FormatKind::Csv(csv) => csv.header,
            _ => Header::None,
        }
    }
}

/// A format, with what it alone needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// `CSV DATA`.
    Csv(CsvFormat),
    /// `DELIMITED DATA`.
    Delimited(DelimitedFormat),
    /// `PGCOPY DATA`.
    PgCopy(PgCopyFormat),
    /// `JSON DATA`.
    Json(NamedFormat),
    /// `NDJSON DATA`.
    NdJson(NamedFormat),
    /// `PARQUET DATA`.
    Parquet(NamedFormat),
    /// `AVRO DATA`.
    Avro(AvroFormat),
}

impl FormatKind {
    /// Returns the name of the format.
    pub fn name(&self) -> FormatName {
        match self {
            Self::Csv(_) => FormatName::Csv,
            Self::Delimited(_) => FormatName::Delimited,
            Self::PgCopy(_) => FormatName::PgCopy,
            Self::Json(_) => FormatName::Json,
            Self::NdJson(_) => FormatName::NdJson,
            Self::Parquet(_) => FormatName::Parquet,
            Self::Avro(_) => FormatName::Avro,
        }
    }
}

/// How CSV files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormat {
    /// What stands between fields.
    pub delimiter: Delimiter,
    /// The character that starts a comment line.
    pub comment: Option<char>,
    /// Whether a quote where none may be is an error.
    pub strict_quotes: bool,
    /// The character around fields, which has one byte; without one no field is quoted.
    pub quote: Option<u8>,
    /// The character that escapes quotes besides doubling them, which has one byte.
    pub escape: Option<u8>,
    /// Whether what breaks the rules is read as well as can be.
    pub lenient: bool,
    /// How the text of files is encoded, if it was said; otherwise UTF-8.
    pub encoding: Option<TextEncoding>,
    /// Whether a quoted field can be NULL too, in IMPORT INTO.
    pub allow_quoted_null: bool,
    /// What the first record of each file is.
    pub header: Header,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::from(','),
            comment: None,
            strict_quotes: false,
            quote: Some(b'"'),
            escape: None,
            lenient: false,
            encoding: None,
            allow_quoted_null: false,
            header: Header::None,
        }
    }
}

/// How DELIMITED files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelimitedFormat {
    /// The character between fields.
    pub fields_terminated_by: char,
    /// The character behind each row.
    pub rows_terminated_by: char,
    /// The character around fields.
    pub fields_enclosed_by: Option<char>,
    /// The character that takes the meaning from the next.
    pub fields_escaped_by: Option<char>,
}

impl Default for DelimitedFormat {
    fn default() -> Self {
        Self {
            fields_terminated_by: '\t',
            rows_terminated_by: '\n',
            fields_enclosed_by: None,
            fields_escaped_by: None,
        }
    }
}

impl DelimitedFormat {
    /// Returns whether its characters can be told apart.
    pub(super) fn is_clear(&self) -> bool {
        let optional = [self.fields_enclosed_by, self.fields_escaped_by].into_iter().flatten();
        let mut all: Vec<char> = [self.fields_terminated_by, self.rows_terminated_by]
            .into_iter()
            .chain(optional)
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        all.len() == count
    }
}

/// How PGCOPY files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgCopyFormat {
    /// The character between fields.
    pub delimiter: char,
    /// The most bytes that a line may have.
    pub max_row_size: usize,
}

impl Default for PgCopyFormat {
    fn default() -> Self {
        Self { delimiter: '\t', max_row_size: 4 << 20 }
    }
}

/// What is wanted of files whose fields have names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedFormat {
    /// Whether fields that the table lacks are passed over.
    pub ignore_unknown_fields: bool,
}

/// How Avro files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroFormat {
    /// Whether a field that the table lacks, and a column that the file lacks, is an error.
    pub strict_validation: bool,
    /// Bare records in Avro's binary form instead of containers.
    pub data_as_binary_records: bool,
    /// Bare records in Avro's JSON instead of containers.
    pub data_as_json_records: bool,
    /// The character behind each bare record.
    pub records_terminated_by: char,
    /// The schema of bare records.
    pub schema: Option<String>,
    /// The URL or path of a file with the schema of bare records.
    pub schema_uri: Option<String>,
    /// The most bytes that a bare record may have.
    pub max_row_size: usize,
}

impl Default for AvroFormat {
    fn default() -> Self {
        Self {
            strict_validation: false,
            data_as_binary_records: false,
            data_as_json_records: false,
            records_terminated_by: '\n',
            schema: None,
            schema_uri: None,
            max_row_size: 4 << 20,
        }
    }
}

impl AvroFormat {
    /// Returns whether the files hold bare records.
    pub fn is_bare(&self) -> bool {
        self.data_as_binary_records || self.data_as_json_records
    }

    /// Returns what is wrong with the options as a whole.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.data_as_binary_records && self.data_as_json_records {
            return Some(
                "only one of the data_as_binary_records or data_as_json_records options can be set",
            );
        }
        match (&self.schema, &self.schema_uri) {
            (Some(_), Some(_)) => Some("only one of the schema or schema_uri options can be set"),
            (None, None) if self.is_bare() => Some(
                "either schema or schema_uri option must be set when importing avro record files",
            ),
            _ => None,
        }
    }
}

/// What the first record of a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// Data.
    #[default]
    None,
    /// Names, passed over.
    Skip,
    /// Names, which say which column each field is for.
    Match,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decompress {
    /// As its name's suffix says.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
}
