//! Who holds the database: the file `lock`, written by the process that has it open for writing.
//!
//! The lock itself is redb's, on `catalog.redb`; this file only gives the holder a name in messages.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, SqlState};

/// The file's name in the database directory.
const LOCK_FILE: &str = "lock";

/// The name tag of this process, removed when dropped.
#[derive(Debug)]
pub(super) struct NameTag {
    path: PathBuf,
}

impl NameTag {
    /// Writes this process's name into the directory. Failure is no harm: messages say less.
    pub(super) fn put(directory: &Path) -> Self {
        let path = directory.join(LOCK_FILE);
        let id = std::process::id();
        let start = process_start(id).unwrap_or_default();
        let _ = fs::write(&path, format!("{id} {start} {}\n", program()));
        Self { path }
    }
}

impl Drop for NameTag {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns the error for a database that another process (or handle) has open.
pub(super) fn in_use(directory: &Path) -> Error {
    let name = directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy();
    let holder = match holder(directory) {
        Some((id, program)) => format!("process {id} ({program})"),
        None => "another process".to_owned(),
    };
    Error::new(SqlState::OBJECT_IN_USE, format!("database \"{name}\" is in use by {holder}"))
        .detail("One process writes at a time, and none while others have it open read-only.")
        .hint("End that process, or open the database read-only while nobody writes.")
}

/// Returns the process that wrote the name tag, if it still lives.
fn holder(directory: &Path) -> Option<(u32, String)> {
    let text = fs::read(directory.join(LOCK_FILE)).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut words = text.trim_end().splitn(3, ' ');
    let id: u32 = words.next()?.parse().ok()?;
    let start = words.next()?;
    let program = words.next()?;
    (process_start(id).unwrap_or_default() == start).then(|| (id, program.to_owned()))
}

/// Returns when a process started, in clock ticks since boot: with it a number that was given
/// again to another process is told apart.
fn process_start(id: u32) -> Option<String> {
    let text = fs::read(format!("/proc/{id}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // The second field is the program in parentheses and may hold anything; the start is field 22.
    let rest = &text[text.rfind(')')? + 1..];
    rest.split_whitespace().nth(19).map(str::to_owned)
}

/// Returns the name of this program's file.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map_or_else(|| "wharf".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_holder_while_it_lives() {
        let directory = tempfile::tempdir().unwrap();
        let tag = NameTag::put(directory.path());
        let message = in_use(directory.path()).message().to_owned();
        assert!(message.contains(&format!("process {} (", std::process::id())), "{message}");
        drop(tag);
        assert!(in_use(directory.path()).message().ends_with("in use by another process"));
    }

    #[test]
    fn does_not_believe_a_stale_tag() {
        let directory = tempfile::tempdir().unwrap();
        let id = std::process::id();
        fs::write(directory.path().join(LOCK_FILE), format!("{id} 1 wharf\n")).unwrap();
        assert!(in_use(directory.path()).message().ends_with("in use by another process"));
    }
}
