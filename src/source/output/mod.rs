//! Files that are written for the user, here or on another machine, whole or not at all.
//!
//! Here they are made beside their place and moved there when all are whole. To clouds they are sent in
//! parts, which nobody sees before the last request; to web servers, which know no such thing, they are
//! sent at the end. A file that exists is replaced only on request.

mod local;
mod remote;
#[cfg(test)]
mod remote_tests;
mod upload;
mod waiting;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::local::{LocalFile, LocalOutput};
use self::remote::RemoteOutput;
use self::upload::RemoteFile;
use super::access::Access;
use super::failure::{io_error, wrap_error};
use super::location::Location;
use crate::error::{Error, Result, SqlState};

/// Where the files of one statement go. Unless they were published nothing is there when it is dropped.
#[derive(Debug)]
pub struct OutputDirectory(Place);

#[derive(Debug)]
enum Place {
    Local(LocalOutput),
    Remote(Arc<RemoteOutput>),
}

impl Access {
    /// Makes a place for files in the directory `location`, which is made if it is missing. `job` tells
    /// it from those of other statements; `spool` is a directory of the database for what must wait
    /// until another machine takes it.
    pub fn output_directory(
        &self,
        location: &Location,
        job: u64,
        spool: &Path,
    ) -> Result<OutputDirectory> {
        Ok(OutputDirectory(if location.is_remote() {
            self.require_remote(location)?;
            Place::Remote(Arc::new(RemoteOutput::directory(self, location, (job, spool))?))
        } else {
            Place::Local(LocalOutput::directory(self, location, job)?)
        }))
    }

    /// Makes a place for the one file `location`, whose directory must exist, and returns it with the
    /// file's name. See `output_directory` for `job` and `spool`.
    pub fn output_file(
        &self,
        location: &Location,
        job: u64,
        spool: &Path,
    ) -> Result<(OutputDirectory, String)> {
        if location.is_remote() {
            self.require_remote(location)?;
            let (output, name) = RemoteOutput::file(self, location, (job, spool))?;
            return Ok((OutputDirectory(Place::Remote(Arc::new(output))), name));
        }
        let (output, name) = LocalOutput::file(self, location, job)?;
        Ok((OutputDirectory(Place::Local(output)), name))
    }
}

impl OutputDirectory {
    /// Returns the absolute path of the temporary directory, for job records, if it has one.
    pub fn temporary_path(&self) -> Option<PathBuf> {
        match &self.0 {
            Place::Local(output) => Some(output.temporary_path()),
            Place::Remote(_) => None,
        }
    }

    /// Makes a file, to be written to. Nobody buffers: wrap it.
    pub fn create(&self, name: &str) -> Result<OutputFile> {
        Ok(OutputFile(match &self.0 {
            Place::Local(output) => Content::Local(output.create(name)?),
            Place::Remote(output) => Content::Remote(Box::new(output.create(name))),
        }))
    }

    /// Fails if the destination has a file of this name.
    pub fn require_absent(&self, name: &str) -> Result {
        match &self.0 {
            Place::Local(output) => output.require_absent(name),
            Place::Remote(output) => output.require_absent(name),
        }
    }

    /// Lets the files appear; none if one cannot. Files that exist are replaced if `overwrite`, else an
    /// error.
    pub fn publish(&self, names: &[String], overwrite: bool) -> Result {
        match &self.0 {
            Place::Local(output) => output.publish(names, overwrite),
            Place::Remote(output) => output.publish(names, overwrite),
        }
    }

    /// Removes the temporary directory if nothing is in it any more; returns whether there is none.
    pub fn close_if_empty(&self) -> bool {
        match &self.0 {
            Place::Local(output) => output.close_if_empty(),
            Place::Remote(_) => true,
        }
    }

    /// Removes files that were published; those that they replaced come back, if they are still here.
    pub fn retract(&self, names: &[String]) {
        match &self.0 {
            Place::Local(output) => output.retract(names),
            Place::Remote(output) => output.retract(names),
        }
    }
}

impl Drop for OutputDirectory {
    fn drop(&mut self) {
        if let Place::Remote(output) = &self.0 {
            output.clean_up();
        }
    }
}

/// A file that is being written. Errors are ours, wrapped: take them out by `io_error`.
#[derive(Debug)]
pub struct OutputFile(Content);

#[derive(Debug)]
enum Content {
    Local(LocalFile),
    Remote(Box<RemoteFile>),
}

impl OutputFile {
    /// Returns the file's name with its place, secrets redacted.
    pub fn name(&self) -> &str {
        match &self.0 {
            Content::Local(file) => file.name(),
            Content::Remote(file) => file.shown(),
        }
    }

    /// Ends writing: all bytes are in a safe place when it returns how many there are.
    pub fn finish(self) -> Result<u64> {
        match self.0 {
            Content::Local(file) => file.finish(),
            Content::Remote(file) => file.finish(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Content::Local(file) => file.write(bytes).map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => error,
                _ => wrap_error(io_error("write", file.name(), &error)),
            }),
            Content::Remote(file) => file.write(bytes).map_err(wrap_error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says that a place is no name for a file.
fn no_file(location: &Location) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("\"{location}\" is the name of a directory"),
    )
    .hint("Name a file.")
}

/// Says that a file is there.
fn exists(shown: &str) -> Error {
    Error::new(SqlState::DUPLICATE_FILE, format!("file \"{shown}\" already exists"))
        .hint("Name another file, remove this one, or add the option overwrite.")
}
