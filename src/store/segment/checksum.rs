//! CRC-32C of each 64 KiB block of a file: taken while it is written, compared while it is read.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use crate::error::Result;
use crate::store::error::{damaged, io_error};
use crate::store::garbage::SegmentFile;

/// The bytes of a block; the last one of a file may be shorter.
const BLOCK: usize = 64 << 10;

/// The most bytes that are read at once for ranges that lie close together.
const LONGEST_RUN: u64 = 4 << 20;

/// Writes through to a file and takes the check sums.
#[derive(Debug)]
pub(super) struct ChecksumWriter {
    file: File,
    checksums: Vec<u32>,
    current: u32,
    /// Bytes of the block in hand.
    filled: usize,
    written: u64,
}

impl ChecksumWriter {
    pub(super) fn new(file: File) -> Self {
        Self { file, checksums: Vec::new(), current: 0, filled: 0, written: 0 }
    }

    /// Returns the file, its size and its check sums.
    pub(super) fn finish(&mut self) -> (&File, u64, Vec<u32>) {
        if self.filled > 0 {
            self.checksums.push(self.current);
            self.filled = 0;
        }
        (&self.file, self.written, std::mem::take(&mut self.checksums))
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.current = crc32c::crc32c_append(self.current, now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.checksums.push(self.current);
                self.current = 0;
                self.filled = 0;
            }
            bytes = rest;
        }
    }
}

impl Write for ChecksumWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Returns the bytes of each of `ranges` of a file, after comparing the blocks they are in.
///
/// Ranges that lie close together are read at once, so that a block is compared once for all of
/// them.
pub(super) fn read_ranges(
    file: &File,
    segment: &SegmentFile,
    length: u64,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|index| ranges[*index].start);
    let mut out: Vec<Bytes> = vec![Bytes::new(); ranges.len()];
    let mut blocks = Bytes::new();
    let mut loaded = 0..0u64;
    for (place, index) in order.iter().enumerate() {
        let range = &ranges[*index];
        if range.start > range.end || range.end > length {
            return Err(damaged(segment.path(), "It refers to bytes behind its end."));
        }
        if range.start < loaded.start || range.end > loaded.end {
            let run = order[place..].iter().map(|index| &ranges[*index]);
            (loaded, blocks) = read_blocks(file, segment, length, &joined(run, length))?;
        }
        let from = as_index(range.start - loaded.start);
        let to = as_index(range.end - loaded.start);
        // What is small must not keep all of it in memory.
        out[*index] = if (to - from) * 2 >= blocks.len() {
            blocks.slice(from..to)
        } else {
            Bytes::copy_from_slice(&blocks[from..to])
        };
    }
    Ok(out)
}

/// Returns the first of ascending ranges, made longer by those that follow in the same or the next
/// block.
fn joined<'r>(mut ranges: impl Iterator<Item = &'r Range<u64>>, length: u64) -> Range<u64> {
    let mut all = ranges.next().cloned().unwrap_or_default();
    for next in ranges {
        let near = next.start <= all.end.next_multiple_of(BLOCK as u64);
        if !near || next.end > length || next.end > all.start + LONGEST_RUN.max(all.end - all.start)
        {
            break;
        }
        all.end = all.end.max(next.end);
    }
    all
}

/// Reads the blocks that hold `range`, compares them, and returns them and which bytes they are.
fn read_blocks(
    file: &File,
    segment: &SegmentFile,
    length: u64,
    range: &Range<u64>,
) -> Result<(Range<u64>, Bytes)> {
    let block = BLOCK as u64;
    let first = range.start / block;
    let end = range.end.div_ceil(block).max(first);
    let loaded = first * block..(end * block).min(length);
    let mut blocks = vec![0; as_index(loaded.end.saturating_sub(loaded.start))];
    file.read_exact_at(&mut blocks, loaded.start).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            damaged(segment.path(), "It is shorter than it was when it was written.")
        } else {
            io_error("read", segment.path(), error)
        }
    })?;
    for (number, bytes) in (as_index(first)..).zip(blocks.chunks(BLOCK)) {
        if segment.checksums().get(number) != Some(&crc32c::crc32c(bytes)) {
            return Err(damaged(
                segment.path(),
                format!("Block {number} (of 64 KiB, from 0) differs from its check sum."),
            ));
        }
    }
    Ok((loaded.start..loaded.end.max(loaded.start), Bytes::from(blocks)))
}

fn as_index(number: u64) -> usize {
    usize::try_from(number).expect("files are addressed with 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::TableId;
    use crate::error::SqlState;

    fn written(length: usize) -> (tempfile::TempDir, SegmentFile, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        let path = directory.path().join("data/1/1.parquet");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ChecksumWriter::new(File::create(&path).unwrap());
        for piece in bytes.chunks(1000) {
            writer.write_all(piece).unwrap();
        }
        let (_, size, checksums) = writer.finish();
        assert_eq!(size, length as u64);
        assert_eq!(checksums.len(), length.div_ceil(BLOCK));
        let segment = SegmentFile::unregistered(directory.path(), TableId(1), 1, checksums);
        (directory, segment, bytes)
    }

    #[test]
    fn reads_any_ranges() {
        for length in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 17] {
            let (_directory, segment, bytes) = written(length);
            let file = File::open(segment.path()).unwrap();
            let end = length as u64;
            let ranges = [end / 2..end, 0..end, 0..end.min(5), end..end];
            let read = read_ranges(&file, &segment, end, &ranges).unwrap();
            for (range, read) in ranges.iter().zip(read) {
                assert_eq!(read, bytes[as_index(range.start)..as_index(range.end)]);
            }
        }
    }

    #[test]
    fn names_the_block_that_differs() {
        let (_directory, segment, mut bytes) = written(3 * BLOCK);
        bytes[2 * BLOCK + 5] ^= 1;
        std::fs::write(segment.path(), &bytes).unwrap();
        let file = File::open(segment.path()).unwrap();
        let length = bytes.len() as u64;
        let whole: Vec<Range<u64>> = std::iter::once(0..length).collect();
        let head: Vec<Range<u64>> = std::iter::once(0..100).collect();
        assert!(read_ranges(&file, &segment, length, &head).is_ok());
        let error = read_ranges(&file, &segment, length, &whole).unwrap_err();
        assert_eq!(error.code(), SqlState::DATA_CORRUPTED);
        assert!(error.detail_text().unwrap().starts_with("Block 2 "));
    }
}
