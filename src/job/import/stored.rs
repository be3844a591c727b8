//! How much of the files of an import is read, in bytes as the files lie: of a compressed file the
//! compressed ones. So it goes up to the sizes that are known before.

use std::sync::atomic::{AtomicU64, Ordering};

use super::checkpoint::Position;
use super::input::{Content, InputFile};

/// Counts the bytes of files that are read.
pub(crate) struct Stored {
    /// Those of files that are read as they are.
    plain: AtomicU64,
    /// The first file that is read now: those before it were read before the job was paused.
    first: usize,
}

impl Stored {
    /// Returns the count for an import of `files`, of which all before `position` is read.
    pub(crate) fn new(files: &[InputFile], position: Option<Position>) -> Self {
        let first = position.map_or(0, |at| at.file + usize::from(at.done)).min(files.len());
        let (done, rest) = files.split_at(first);
        let done: u64 = done.iter().map(InputFile::size).sum();
        let rest = rest.iter().enumerate().filter(|(_, file)| !file.is_decompressed());
        let before = |(number, file): (usize, &InputFile)| match (&file.content, position) {
            (Content::Parquet(parquet, _), Some(at)) if number == 0 && !at.done => {
                let groups = usize::try_from(at.next).unwrap_or(usize::MAX).min(parquet.groups());
                (0..groups).map(|group| parquet.group_size(group)).sum()
            }
            (Content::Parquet(..), _) => 0,
            (Content::Text(_), Some(at)) if number == 0 && !at.done => at.next.min(file.size()),
            // What is above the first record is read already.
            (Content::Text(_), _) if file.section.is_none() => file.data_start,
            (Content::Text(_), _) => 0,
        };
        Self { plain: AtomicU64::new(done + rest.map(before).sum::<u64>()), first }
    }

    /// Adds bytes that `file` gave.
    pub(crate) fn add(&self, file: &InputFile, count: u64) {
        if !file.is_decompressed() {
            self.plain.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Returns how many bytes of `files` are read, and how many they have, if that is known.
    pub(crate) fn of(&self, files: &[InputFile]) -> (u64, Option<u64>) {
        let packed = files[self.first..].iter().filter(|file| file.is_decompressed());
        let packed: u64 = packed.map(InputFile::reached).sum();
        let read = self.plain.load(Ordering::Relaxed) + packed;
        let total: Option<u64> = files.iter().map(InputFile::known_size).sum();
        // What was read with a wrong guess is read again.
        (total.map_or(read, |total| read.min(total)), total)
    }
}
