//! How data files are written: what all formats share, and what each format adds.

/// A format that IMPORT reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// Fields between delimiters, in quotes where needed.
    Csv,
}

impl FormatName {
    /// Every format by the word that a statement names it with.
    pub const ALL: &'static [(&'static str, Self)] = &[("CSV", Self::Csv)];

    /// Returns the format that a word in upper case names.
    pub fn parse(word: &str) -> Option<Self> {
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
        }
    }

    /// Returns what the first record of each file is.
    pub fn header(&self) -> Header {
        match &self.kind {
            FormatKind::Csv(csv) => csv.header,
        }
    }
}

/// A format, with what it alone needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// `CSV DATA`.
    Csv(CsvFormat),
}

impl FormatKind {
    /// Returns the name of the format.
    pub fn name(&self) -> FormatName {
        match self {
            Self::Csv(_) => FormatName::Csv,
        }
    }
}

/// How CSV files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormat {
    /// The character between fields.
    pub delimiter: char,
    /// The character that starts a comment line.
    pub comment: Option<char>,
    /// Whether a quote where none may be is an error.
    pub strict_quotes: bool,
    /// Whether a quoted field can be NULL too, in IMPORT INTO.
    pub allow_quoted_null: bool,
    /// What the first record of each file is.
    pub header: Header,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: ',',
            comment: None,
            strict_quotes: false,
            allow_quoted_null: false,
            header: Header::None,
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
