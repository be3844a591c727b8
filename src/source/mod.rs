//! URL to bytes: parse, redact, glob, list, open, decompress, and temporary files.
//!
//! In goes the text of a URL or path as a user wrote it; out come a `Location`, then a `SourceFile`
//! whose bytes can be read at any offset, or a `TempDirectory` that can be written to. Only places on
//! the local machine are served; cloud storage and HTTP are recognised and refused.
//!
//! Calls block: run them on threads that may block.

mod access;
#[cfg(test)]
mod attack;
mod beneath;
mod compression;
mod failure;
mod file;
mod glob;
mod location;
mod redact;
mod temp;

pub use access::{Access, AccessOptions};
pub use compression::{Compression, DecompressLimits, decompress};
pub use failure::{io_error, wrap_error};
pub use file::{Identity, SourceFile, SourceReader};
pub use location::{LocalPath, Location, NodelocalPath};
pub use redact::{redact, redact_text};
pub use temp::{TempDirectory, TempFile, remove_temp_leftover};
