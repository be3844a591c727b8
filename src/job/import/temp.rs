//! The temporary directory of an import: made and tried out before any data is read, and gone when the
//! import has ended.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{JobId, JobRecord, JobStatus};
use crate::error::{Error, Notice, Result, SqlState};
use crate::job::JobContext;
use crate::job::event::Event;
use crate::source::{Location, TempDirectory};

/// Makes the directory: where the statement says, or in the database. Nothing is asked of another machine so far.
pub(crate) fn make_temp(
    context: &JobContext,
    (place, keep): (Option<&str>, bool),
    job: JobId,
) -> Result<Arc<TempDirectory>> {
    let temp = match place {
        Some(temp) => context.access.temp_directory(&Location::parse(temp)?, job.0)?,
        None => context.access.own_temp_directory(&context.store.path().join("tmp"), job.0)?,
    };
    if keep {
        temp.keep();
    }
    Ok(Arc::new(temp))
}

/// Opens the directory of a job that was paused.
pub(crate) fn reopen_temp(
    context: &JobContext,
    place: Option<&str>,
    record: &JobRecord,
) -> Result<Arc<TempDirectory>> {
    let access = &context.access;
    let local = record.temp_directories.iter().find(|directory| directory.starts_with('/'));
    let name = local.and_then(|path| Path::new(path).file_name()).and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::internal("a job with checkpoints has no directory"))?;
    let temp = match place {
        Some(temp) => access.temp_directory_again(&Location::parse(temp)?, name)?,
        None => access.own_temp_directory_again(&context.store.path().join("tmp"), name)?,
    };
    Ok(Arc::new(temp))
}

/// Checks that the directory can be written to and has room for files of `size` bytes. What earlier jobs
/// of this database left in the same place is removed.
pub(crate) fn try_temp(
    context: &JobContext,
    place: Option<&str>,
    temp: &TempDirectory,
    size: u64,
) -> Result {
    temp.probe_writable()?;
    // The disk of the database has been looked at.
    let Some(location) = place else { return Ok(()) };
    let location = Location::parse(location)?;
    if let Some(free) = temp.free_space()?
        && free < size
    {
        return Err(Error::new(
            SqlState::DISK_FULL,
            format!("\"{location}\" has {free} bytes free, but the files to import have {size}"),
        )
        .hint("Free some space, or name a place on another disk in \"temp\"."));
    }
    remove_leftovers(context, &location)
}

/// Removes the directory; returns whether something was left, of which the user is told.
pub(crate) fn close_temp(context: &JobContext, temp: &TempDirectory) -> bool {
    let Err(error) = temp.close() else { return false };
    let notice = Notice::warning("temporary files were left").detail(format!(
        "{} They are in \"{}\".",
        sentence(error.message()),
        temp.record()
    ));
    (context.events)(Event::Notice(notice.hint(
        "The next import with the same temp removes them, if they are not of this machine.",
    )));
    true
}

/// Returns a message as a sentence.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

/// Removes what jobs of this database that have ended left on another machine, in the place of this
/// import: by its credentials, since records hold none.
fn remove_leftovers(context: &JobContext, location: &Location) -> Result {
    if !location.is_remote() {
        return Ok(());
    }
    for mut job in context.store.jobs()? {
        let runs = matches!(job.status, JobStatus::Running | JobStatus::Pending);
        if runs || job.checkpoints > 0 || job.temp_directories.is_empty() {
            continue;
        }
        let before = job.temp_directories.len();
        let mut left = Vec::new();
        for directory in std::mem::take(&mut job.temp_directories) {
            // A failure to remove what is old is no failure of this import: the next one tries again.
            let removed = context.access.remove_temp_leftover(location, &directory);
            context.cancellation.check()?;
            if !removed.unwrap_or(false) {
                left.push(directory);
            }
        }
        job.temp_directories = left;
        if job.temp_directories.len() < before {
            context.store.update(|changes| changes.put_job(&job))?;
        }
    }
    Ok(())
}
