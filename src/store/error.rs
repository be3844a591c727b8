//! The fence: errors of the operating system, redb and Parquet become ours here, once.

use std::io;
use std::path::Path;

use parquet::errors::ParquetError;

use crate::error::{Error, SqlState};

/// Returns the error for a failed `action` ("write", "open") on `path`.
pub(super) fn io_error(action: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("cannot {action} \"{}\": {}", path.display(), reason(&error));
    let made = Error::new(io_state(&error), message);
    let made = match io_state(&error) {
        SqlState::DISK_FULL => made.hint("Free some space and try again."),
        _ => made,
    };
    made.caused_by(error)
}

/// Returns the class of an error of the operating system.
fn io_state(error: &io::Error) -> SqlState {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => SqlState::UNDEFINED_FILE,
        Kind::PermissionDenied => SqlState::INSUFFICIENT_PRIVILEGE,
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => SqlState::DISK_FULL,
        Kind::OutOfMemory => SqlState::OUT_OF_MEMORY,
        _ => SqlState::IO_ERROR,
    }
}

/// Returns what the operating system says, in lower case and without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::from("input/output error"),
    }
}

/// Returns the error for a file of the database that is not what it was when it was written.
pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Error {
    Error::new(SqlState::DATA_CORRUPTED, format!("file \"{}\" is damaged", path.display()))
        .detail(detail)
        .hint("Restore the database directory from a copy, or import the data again.")
}

/// Returns whether an I/O error of redb means that the file is not what it should be.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Returns the error for a failure of redb on the catalog file `path`.
pub(super) fn catalog_error(path: &Path, error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    match error {
        redb::Error::Io(error) if is_damage(&error) => {
            damaged(path, "It is no catalog of a Wharf database, or cut short.").caused_by(error)
        }
        redb::Error::Io(error) => io_error("write", path, error),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => closed(path).caused_by(error),
        redb::Error::Corrupted(ref text) => {
            damaged(path, format!("Its checks say: {text}.")).caused_by(error)
        }
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => {
            damaged(path, format!("A table in it is not as it should be: {error}."))
                .caused_by(error)
        }
        redb::Error::RepairAborted => Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("catalog \"{}\" was not closed cleanly", path.display()),
        )
        .hint("Open the database once for writing.")
        .caused_by(error),
        redb::Error::UpgradeRequired(version) => Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("catalog \"{}\" has file format {version}, which is too old", path.display()),
        ),
        error => Error::internal(format!("catalog: {error}")).caused_by(error),
    }
}

/// Returns the error for a catalog that was given up after an error.
pub(super) fn closed(path: &Path) -> Error {
    Error::new(
        SqlState::IO_ERROR,
        format!("catalog \"{}\" is closed after an error", path.display()),
    )
    .hint("Open the database again.")
}

/// Returns the error for a failure to write the Parquet file `path`.
pub(super) fn write_error(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => io_error("write", path, *error),
            Err(source) => Error::internal(format!("segment writer: {source}")).caused_by(source),
        },
        error => Error::internal(format!("segment writer: {error}")).caused_by(error),
    }
}

/// Returns the error for bytes of a segment file that Parquet cannot decode.
pub(super) fn read_error(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    damaged(path, format!("It cannot be decoded: {error}.")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_failure_its_class() {
        let check = |errno: i32, state: SqlState, message: &str| {
            let error = io_error("write", Path::new("x"), io::Error::from_raw_os_error(errno));
            assert_eq!((error.code(), error.message()), (state, message));
        };
        check(28, SqlState::DISK_FULL, "cannot write \"x\": no space left on device");
        check(27, SqlState::DISK_FULL, "cannot write \"x\": file too large");
        check(13, SqlState::INSUFFICIENT_PRIVILEGE, "cannot write \"x\": permission denied");
        check(2, SqlState::UNDEFINED_FILE, "cannot write \"x\": no such file or directory");
        check(5, SqlState::IO_ERROR, "cannot write \"x\": input/output error");
    }

    #[test]
    fn sees_a_full_disk_through_parquet() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = write_error(Path::new("x"), ParquetError::External(Box::new(full)));
        assert_eq!(error.code(), SqlState::DISK_FULL);
    }

    #[test]
    fn calls_a_corrupted_catalog_damaged() {
        let error = catalog_error(Path::new("x"), redb::StorageError::Corrupted("y".into()));
        assert_eq!(error.code(), SqlState::DATA_CORRUPTED);
    }
}
