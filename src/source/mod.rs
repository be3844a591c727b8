//! URL to bytes: parse, redact, glob, list, open, decompress, and temporary files.
//!
//! In goes the text of a URL or path as a user wrote it; out come a `Location`, then a `SourceFile`
//! whose bytes can be read at any offset, or a `TempDirectory` that can be written to.
//!
//! Calls block: run them on threads that may block. Requests over the network run on threads of their
//! own.

mod access;
mod answer;
#[cfg(test)]
mod attack;
mod beneath;
mod block;
mod cloud;
mod compression;
#[cfg(test)]
mod distant;
mod encoding;
mod failure;
mod file;
mod folder;
mod glob;
mod host;
mod location;
mod network;
mod object;
mod output;
#[cfg(test)]
mod rebound;
mod redact;
mod remote;
#[cfg(test)]
mod server;
mod stream;
mod temp;
mod web;

pub use access::{Access, AccessOptions};
pub use cloud::ObjectPlace;
pub use compression::{Compression, DecompressLimits, decompress};
pub use encoding::{DecodedText, Malformed, TextEncoding, announced_encoding};
pub use failure::{io_error, wrap_error};
pub use file::{Identity, SourceFile, SourceReader};
pub use location::{HttpPlace, LocalPath, Location, NodelocalPath};
pub use network::{NetworkOptions, StopCheck};
pub use output::{OutputDirectory, OutputFile};
pub use redact::{redact, redact_text};
pub use temp::{TempDirectory, TempFile, TempReader, remove_temp_leftover};
