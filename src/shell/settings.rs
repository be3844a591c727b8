//! The shell's own settings: those of `\pset`, `\x`, `\timing`, and of the command line.

use clap::ValueEnum;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// Tab-separated values with a header line
    Tsv,
    /// One array of objects
    Json,
    /// One object per line
    Ndjson,
    /// A Markdown table
    Markdown,
    /// One line per value
    Vertical,
}

impl Format {
    /// The formats in the order of the help, with their names.
    pub(crate) const NAMES: &'static [(&'static str, Self)] = &[
        ("table", Self::Table),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("markdown", Self::Markdown),
        ("vertical", Self::Vertical),
    ];

    /// Returns the format of that name. psql's, DuckDB's and SQLite's names are understood too.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let own = Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        own.or(match name.as_str() {
            "aligned" | "box" | "column" | "duckbox" => Some(Self::Table),
            "jsonlines" | "jsonl" => Some(Self::Ndjson),
            "line" | "records" | "expanded" => Some(Self::Vertical),
            "tabs" | "unaligned" => Some(Self::Tsv),
            _ => None,
        })
    }

    /// Returns the format's name.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, format)| *format == self).map_or("table", |(name, _)| name)
    }
}

/// Whether rows are shown one value per line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expanded {
    /// Never.
    #[default]
    Off,
    /// Always.
    On,
    /// When a row is wider than the terminal.
    Auto,
}

/// What a person may set.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Settings {
    /// How results are printed.
    pub(crate) format: Format,
    /// The text for NULL, if it was set; formats have their own.
    pub(crate) null: Option<String>,
    /// Whether rows are shown one value per line (`table` only).
    pub(crate) expanded: Expanded,
    /// Whether headers and footers are left out.
    pub(crate) tuples_only: bool,
    /// Whether `(N rows)` is printed.
    pub(crate) footer: bool,
    /// Whether long results go through the pager.
    pub(crate) pager: bool,
    /// Whether each statement's time is printed.
    pub(crate) timing: bool,
    /// Whether statements are printed before they run.
    pub(crate) echo: bool,
    /// Whether the first error ends the run.
    pub(crate) errexit: bool,
    /// Whether command tags and the banner are left out.
    pub(crate) quiet: bool,
    /// Whether a person types the statements.
    pub(crate) interactive: bool,
    /// The terminal's columns and lines, if rows go to one.
    pub(crate) screen: Option<(usize, usize)>,
}

impl Default for Settings {
    /// Returns the settings of a run that is not interactive.
    fn default() -> Self {
        Self {
            format: Format::Table,
            null: None,
            expanded: Expanded::Off,
            tuples_only: false,
            footer: true,
            pager: true,
            timing: false,
            echo: false,
            errexit: true,
            quiet: false,
            interactive: false,
            screen: None,
        }
    }
}

/// Parses `on` and `off` in their spellings.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}
