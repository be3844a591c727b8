//! Bytes to records with positions: every format of text, and Avro, whose values become text.
//!
//! In come pieces of a decompressed file and a [`TextFormat`]; out go [`Records`]: where each decoded
//! field lies, where each record starts, and what was odd about it. Each format has a reader of
//! its own behind [`TextReader`]. For CSV two share the work and are proven equal by the tests: bit masks over blocks of 64 bytes (`fast`) for what well-formed
//! files hold, and an exact state machine (`exact`) for everything else. The module knows neither
//! types nor files: cells are bytes, and physical lines are counted by the caller from offsets.

mod avro;
mod avro_json;
mod avro_schema;
mod avro_value;
mod blocks;
mod cut;
mod delimited;
mod dialect;
mod dump;
mod error;
mod exact;
mod fast;
mod format;
mod json;
mod json_scan;
mod lenient;
mod lines;
mod pgcopy;
mod reader;
mod records;
mod row;
mod write;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod pollution;
#[cfg(test)]
mod properties;

pub use avro::{AvroFormat, AvroLayout};
pub use avro_schema::AvroSchema;
pub use cut::guess_record_start;
pub use delimited::DelimitedFormat;
pub use dialect::{Delimiter, Dialect};
pub use dump::{
    DumpError, DumpFlavor, DumpPart, DumpScanner, FieldKind, Quoting, Scanned, ValuesFormat,
    ValuesReader,
};
pub use error::{FormatFault, RecordError, RecordFault};
pub use format::{TextFormat, TextReader};
pub use json::{JsonField, JsonForm, JsonFormat};
pub use lines::{
    count_line_ends, count_lines, count_lines_to, ends_lines_with_carriage_returns, strip_bom,
};
pub use pgcopy::PgCopyFormat;
pub use reader::Reader;
pub use records::{Records, Repairs};
pub use row::{RowLayout, RowStyle, RowWriter};
pub use write::CsvWriter;
