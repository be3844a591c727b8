//! A catalog file that is read after a crash without writing to it: what redb repairs stays in
//! memory, and the lock it asks for is taken shared.
//!
//! redb refuses to open a file read-only that was not closed cleanly, even where quick repair left
//! all it needs in it. Besides: how a file is made durable after a sync that failed.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// The bytes that are kept together when a part of them is written.
const PAGE: u64 = 4096;

/// How much is written again at a time.
const PIECE: u64 = 1 << 20;

/// Writes every byte of a file again and syncs it. Returns whether nobody else has it open.
///
/// After a sync that failed, the system may take pages for written that never reached the disk, and
/// the next sync succeeds without them. What is read then is in memory only, until it is written
/// again.
pub(super) fn write_again(file: File) -> Result<bool, redb::StorageError> {
    let file = FileBackend::new(file).map_err(|error| match error {
        DatabaseError::Storage(error) => error,
        _ => redb::StorageError::Unsupported,
    })?;
    if !file.try_lock_range(Bound::Unbounded, Bound::Unbounded)? {
        return Ok(false);
    }
    let length = file.len()?;
    let mut piece = Vec::new();
    for start in (0..length).step_by(usize::try_from(PIECE).expect("a small number")) {
        piece.resize(usize::try_from(PIECE.min(length - start)).expect("a small number"), 0);
        file.read(start, &mut piece)?;
        file.write(start, &piece)?;
    }
    file.sync_data()?;
    file.unlock_range(Bound::Unbounded, Bound::Unbounded)?;
    Ok(true)
}

/// A file that stays as it is, and the changes to it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    length: u64,
    /// How much of the file still counts; behind it are zeros.
    intact: u64,
    pages: HashMap<u64, Vec<u8>>,
}

impl Overlay {
    /// Returns `file`, open for reading, with no changes.
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        let length = file.len()?;
        let changes = Changes { length, intact: length, pages: HashMap::new() };
        Ok(Self { file, changes: Mutex::new(changes) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the file holds, zeros behind the intact part.
    fn read_file(&self, intact: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(intact.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (head, tail) = out.split_at_mut(there.min(out.len()));
        tail.fill(0);
        if head.is_empty() { Ok(()) } else { self.file.read(offset, head) }
    }
}

/// Returns each page that `offset..offset + length` touches, the part of it, and where that part is.
fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, usize)> {
    let end = offset + length as u64;
    (offset / PAGE..end.div_ceil(PAGE)).map(move |page| {
        let from = offset.max(page * PAGE);
        let to = end.min((page + 1) * PAGE);
        let inside = |at: u64| usize::try_from(at - page * PAGE).expect("within a page");
        let place = usize::try_from(from - offset).expect("within the buffer");
        (page, inside(from)..inside(to), place)
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset + out.len() as u64 > changes.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(changes.intact, offset, out)?;
        for (page, part, place) in pieces(offset, out.len()) {
            if let Some(bytes) = changes.pages.get(&page) {
                out[place..place + part.len()].copy_from_slice(&bytes[part]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if length < changes.length {
            changes.pages.retain(|page, _| page * PAGE < length);
            if let Some(bytes) = changes.pages.get_mut(&(length / PAGE)) {
                bytes[usize::try_from(length % PAGE).expect("within a page")..].fill(0);
            }
            changes.intact = changes.intact.min(length);
        }
        changes.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        let intact = changes.intact;
        for (page, part, place) in pieces(offset, data.len()) {
            let bytes = match changes.pages.entry(page) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let mut bytes = vec![0; usize::try_from(PAGE).expect("a small number")];
                    self.read_file(intact, page * PAGE, &mut bytes)?;
                    entry.insert(bytes)
                }
            };
            let count = part.len();
            bytes[part].copy_from_slice(&data[place..place + count]);
        }
        changes.length = changes.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let mut expected: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &expected).unwrap();
        let before = expected.clone();
        let overlay = Overlay::new(File::open(&path).unwrap()).unwrap();
        overlay.write(4000, &[9; 5000]).unwrap();
        expected[4000..9000].fill(9);
        overlay.set_len(8500).unwrap();
        overlay.set_len(20_000).unwrap();
        expected.truncate(8500);
        expected.resize(20_000, 0);
        overlay.write(19_000, &[7; 1000]).unwrap();
        expected[19_000..].fill(7);
        let mut all = vec![0; 20_000];
        overlay.read(0, &mut all).unwrap();
        assert!(all == expected);
        assert!(overlay.read(1, &mut all).is_err());
        assert!(std::fs::read(&path).unwrap() == before);
    }
}
