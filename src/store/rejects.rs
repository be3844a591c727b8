//! What jobs left out: one file per job in `rejects/`, written before the commit that names it and
//! removed by the next open if that commit never came.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::io_error;
use super::store::Store;
use crate::catalog::JobId;
use crate::error::Result;

/// The directory of these files in a database directory.
const REJECTS: &str = "rejects";

/// The file of one job that is being written.
pub struct RejectsFile {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl RejectsFile {
    /// Syncs the file and its directory: a commit may name it now.
    pub fn finish(mut self) -> Result {
        let failure = |error| io_error("write", &self.path, error);
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = file.into_inner().map_err(|error| failure(error.into_error()))?;
        file.sync_all().map_err(failure)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failure)
    }
}

impl Write for RejectsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Store {
    /// Makes the file of what `job` leaves out.
    pub fn create_rejects(&self, job: JobId) -> Result<RejectsFile> {
        let directory = self.path().join(REJECTS);
        fs::create_dir_all(&directory).map_err(|error| io_error("make", &directory, error))?;
        let path = rejects_path(self.path(), job);
        let file = File::create(&path).map_err(|error| io_error("create", &path, error))?;
        Ok(RejectsFile { path, file: Some(BufWriter::new(file)) })
    }

    /// Opens the file of what `job` left out.
    pub fn open_rejects(&self, job: JobId) -> Result<File> {
        let path = rejects_path(self.path(), job);
        File::open(&path).map_err(|error| io_error("open", &path, error))
    }

    /// Removes the file of what `job` left out, if there is one.
    pub fn discard_rejects(&self, job: JobId) {
        // A failure leaves an orphan, which the next open removes.
        let _ = fs::remove_file(rejects_path(self.path(), job));
        let _ = fs::remove_dir(self.path().join(REJECTS));
    }
}

fn rejects_path(directory: &Path, job: JobId) -> PathBuf {
    directory.join(REJECTS).join(format!("{}.csv", job.0))
}

/// Removes the files in `rejects/` that no job in `named` has.
pub(super) fn remove_orphaned_rejects(directory: &Path, named: &HashSet<u64>) {
    let Ok(entries) = fs::read_dir(directory.join(REJECTS)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let job = name.to_str().and_then(|name| name.strip_suffix(".csv"));
        let job = job.and_then(|job| job.parse::<u64>().ok());
        if !job.is_some_and(|job| named.contains(&job)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(directory.join(REJECTS));
}
