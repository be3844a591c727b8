//! `Stop`: why running text ends before its end.

use std::io;

use crate::error::{Error, SqlState};

/// The result of running something in the shell.
pub(crate) type Flow<T = ()> = Result<T, Stop>;

/// Why running text ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A statement or command failed; nobody has been told yet.
    Error(Error),
    /// A statement failed, it was reported, and the run ends at the first error.
    Failed,
    /// The user asked to leave the script or the shell.
    Quit,
    /// The reader of standard output went away.
    Pipe,
    /// SIGINT ended the run.
    Interrupted,
    /// SIGTERM ended the run.
    Terminated,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Pipe
        } else {
            Self::Error(io_error("could not write the output", error))
        }
    }
}

/// Returns the error of a failed operation on a file or stream, `what: reason`.
pub(crate) fn io_error(what: impl AsRef<str>, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound => SqlState::UNDEFINED_FILE,
        _ => SqlState::IO_ERROR,
    };
    // Rust prints `No such file or directory (os error 2)`; the number helps nobody.
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
    Error::new(code, format!("{}: {reason}", what.as_ref())).caused_by(error)
}
