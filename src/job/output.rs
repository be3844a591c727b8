//! Files of a job that are about to appear: what its record tells of them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::catalog::{JobOutput, OutputIdentity};

/// Returns what job records tell of files that wait in `directory` to appear beside it, so that those
/// are found again if a crash comes between.
pub(crate) fn describe_outputs(directory: &Path, names: &[String]) -> JobOutput {
    let parent = directory.parent().unwrap_or(directory);
    let identity = |name: &String| {
        let metadata = std::fs::symlink_metadata(directory.join(name)).ok()?;
        Some(OutputIdentity {
            path: parent.join(name).to_string_lossy().into_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    };
    let files = names.iter().filter_map(identity).collect();
    JobOutput { directory: directory.to_string_lossy().into_owned(), files }
}
