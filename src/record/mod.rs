//! Bytes to records with positions: CSV first, then the other formats.
//!
//! In come pieces of a decompressed file and a [`Dialect`]; out go [`Records`]: where each decoded
//! field lies, where each record starts, and what was odd about it. Two readers share the work and
//! are proven equal by the tests: bit masks over blocks of 64 bytes (`fast`) for what well-formed
//! files hold, and an exact state machine (`exact`) for everything else. The module knows neither
//! types nor files: cells are bytes, and physical lines are counted by the caller from offsets.

mod blocks;
mod cut;
mod dialect;
mod error;
mod exact;
mod fast;
mod format;
mod lines;
mod reader;
mod records;
mod write;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod properties;

pub use cut::guess_record_start;
pub use dialect::Dialect;
pub use error::{RecordError, RecordFault};
pub use format::{TextFormat, TextReader};
pub use lines::{count_lines, count_lines_to, strip_bom};
pub use reader::Reader;
pub use records::Records;
pub use write::CsvWriter;
