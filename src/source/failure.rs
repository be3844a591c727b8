//! Errors of the operating system turned into ours, with the SQLSTATE that says who must act.

use std::io;

use rustix::io::Errno;

use super::redact;
use crate::error::{Error, SqlState};

/// Returns the error for a failed `action` ("open", "write") on the file `name`.
///
/// An error of ours that travelled through `std::io` (see `wrap_error`) comes out as it went in.
pub fn io_error(action: &str, name: &str, error: &io::Error) -> Error {
    if let Some(ours) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return copy(ours);
    }
    let errno = Errno::from_io_error(error);
    let (code, hint) = classify(errno, error.kind());
    let text = error.to_string();
    let reason = strip_number(&text);
    let message = format!("could not {action} \"{}\": {reason}", redact(name));
    // The foreign error is rebuilt, because `io::Error` cannot be cloned.
    let cause = match errno {
        Some(errno) => io::Error::from(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    };
    let error = Error::new(code, message).caused_by(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Wraps an error of ours so that it passes through `std::io::Read` and `Write`; `io_error` takes it
/// out again.
pub fn wrap_error(error: Error) -> io::Error {
    io::Error::other(error)
}

/// Returns the code and the advice for an error of the operating system.
fn classify(errno: Option<Errno>, kind: io::ErrorKind) -> (SqlState, Option<&'static str>) {
    match errno {
        Some(Errno::NOENT | Errno::NOTDIR) => (SqlState::UNDEFINED_FILE, None),
        Some(Errno::ACCESS | Errno::PERM) => (
            SqlState::INSUFFICIENT_PRIVILEGE,
            Some("Check the permissions of the file and of its directories."),
        ),
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
            (SqlState::DISK_FULL, Some("Free some space, or name a place on another disk."))
        }
        Some(Errno::NAMETOOLONG) => (SqlState::INVALID_NAME, None),
        Some(Errno::ROFS) => (SqlState::IO_ERROR, Some("The file system is read-only.")),
        Some(Errno::MFILE | Errno::NFILE) => {
            (SqlState::IO_ERROR, Some("Raise the limit of open files (ulimit -n)."))
        }
        Some(_) => (SqlState::IO_ERROR, None),
        None => match kind {
            io::ErrorKind::NotFound => (SqlState::UNDEFINED_FILE, None),
            io::ErrorKind::PermissionDenied => (SqlState::INSUFFICIENT_PRIVILEGE, None),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (SqlState::DISK_FULL, None)
            }
            _ => (SqlState::IO_ERROR, None),
        },
    }
}

/// Returns the words of an operating system's error without ` (os error 2)`.
fn strip_number(text: &str) -> &str {
    text.find(" (os error ").map_or(text, |at| &text[..at])
}

fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.code(), error.message());
    if let Some(detail) = error.detail_text() {
        copy = copy.detail(detail);
    }
    if let Some(hint) = error.hint_text() {
        copy = copy.hint(hint);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: Errno, code: SqlState) {
        assert_eq!(io_error("open", "f", &errno.into()).code(), code, "{errno:?}");
    }

    #[test]
    fn names_who_must_act() {
        check(Errno::NOENT, SqlState::UNDEFINED_FILE);
        check(Errno::ACCESS, SqlState::INSUFFICIENT_PRIVILEGE);
        check(Errno::NOSPC, SqlState::DISK_FULL);
        check(Errno::DQUOT, SqlState::DISK_FULL);
        check(Errno::FBIG, SqlState::DISK_FULL);
        check(Errno::IO, SqlState::IO_ERROR);
        check(Errno::NAMETOOLONG, SqlState::INVALID_NAME);
    }

    #[test]
    fn tells_what_failed_without_secrets() {
        let error = io_error("read", "https://u:p@h/f?sig=S", &Errno::IO.into());
        assert_eq!(
            error.message(),
            "could not read \"https://redacted@h/f?sig=redacted\": Input/output error"
        );
    }

    #[test]
    fn takes_our_own_error_out_again() {
        let ours = Error::new(SqlState::BAD_COPY_FILE_FORMAT, "gzip: invalid header").hint("Look.");
        let error = io_error("read", "f", &wrap_error(ours));
        assert_eq!(error.code(), SqlState::BAD_COPY_FILE_FORMAT);
        assert_eq!(error.message(), "gzip: invalid header");
        assert_eq!(error.hint_text(), Some("Look."));
    }
}
