//! SQL dumps as bytes: where statements lie, the rows of COPY, and the rows of INSERT.
//!
//! Nothing here knows what a statement means. `DumpScanner` cuts a dump into statements and blocks
//! of rows without holding either in memory as a whole; `ValuesReader` gives the rows of INSERT as
//! [`Records`](super::Records), like every other reader of this module.

mod lexer;
mod scan;
#[cfg(test)]
mod tests;
mod values;

pub use lexer::{DumpFlavor, Quoting};
pub use scan::{DumpError, DumpPart, DumpScanner, Scanned};
pub use values::{FieldKind, ValuesFormat, ValuesReader};
