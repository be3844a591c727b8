//! Checkpoints of jobs: segments that no manifest names yet and that must outlast a crash, with what
//! the job itself wants to know of them.
//!
//! A checkpoint adds to those before it. All of a job go with the commit that ends it.

use std::collections::HashSet;

use super::catalog_file::Area;
use super::changes::Changes;
use super::error::damaged;
use super::manifest::{Segment, encode_segment};
use super::rows;
use super::store::Store;
use crate::catalog::{JobId, TableId};
use crate::error::Result;

/// A checkpoint of a job.
#[derive(Debug)]
pub struct Checkpoint {
    /// The segments that it adds.
    pub segments: Vec<Segment>,
    /// What the job wrote beside them.
    pub body: Vec<u8>,
}

impl Changes<'_> {
    /// Adds checkpoint `number` of a job, counted from 0: finished segments of a table, whose directory
    /// is synced, and whatever the job needs.
    pub fn put_checkpoint(
        &mut self,
        (job, number): (JobId, u32),
        (table, segments): (TableId, &[&Segment]),
        body: &[u8],
    ) {
        let mut bytes = table.0.to_le_bytes().to_vec();
        bytes.extend((segments.len() as u64).to_le_bytes());
        for segment in segments {
            let encoded = encode_segment(segment, 0);
            bytes.extend(segment.data.number().to_le_bytes());
            bytes.extend((encoded.len() as u64).to_le_bytes());
            bytes.extend(encoded);
        }
        bytes.extend(body);
        self.batch.insert((Area::Checkpoints, rows::checkpoint_key(job, number)), Some(bytes));
    }

    /// Removes the first `count` checkpoints of a job: all that it has.
    pub fn remove_checkpoints(&mut self, job: JobId, count: u32) {
        for number in 0..count {
            self.batch.insert((Area::Checkpoints, rows::checkpoint_key(job, number)), None);
        }
    }
}

impl Store {
    /// Returns the checkpoints of a job in their order.
    pub fn checkpoints(&self, job: JobId) -> Result<Vec<Checkpoint>> {
        let loader = self.loader();
        let mut checkpoints = Vec::new();
        loader.catalog.scan(Area::Checkpoints, &rows::job_key(job), |_, bytes| {
            let read = || -> Option<Checkpoint> {
                let (table, parts, body) = parse(bytes)?;
                let segments = parts
                    .iter()
                    .map(|(number, row)| loader.segment(&rows::segment_key(table, *number), row))
                    .collect::<Option<_>>()?;
                Some(Checkpoint { segments, body: body.to_vec() })
            };
            let broken = || damaged(loader.catalog.path(), "A checkpoint in it cannot be read.");
            checkpoints.push(read().ok_or_else(broken)?);
            Ok(())
        })?;
        Ok(checkpoints)
    }

    /// Returns table and number of each segment that a checkpoint names.
    pub(super) fn checkpointed(&self) -> Result<HashSet<(TableId, u64)>> {
        let mut named = HashSet::new();
        let catalog = &self.loader().catalog;
        catalog.scan(Area::Checkpoints, &[], |_, bytes| {
            let (table, parts, _) = parse(bytes)
                .ok_or_else(|| damaged(catalog.path(), "A checkpoint in it cannot be read."))?;
            named.extend(parts.iter().map(|(number, _)| (table, *number)));
            Ok(())
        })?;
        Ok(named)
    }
}

/// The table, number and row of each segment, and what follows them.
type Parsed<'a> = (TableId, Vec<(u64, &'a [u8])>, &'a [u8]);

fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (table, rest) = bytes.split_first_chunk::<4>()?;
    let (count, mut rest) = rest.split_first_chunk::<8>()?;
    let mut parts = Vec::new();
    for _ in 0..u64::from_le_bytes(*count) {
        let (number, after) = rest.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (row, after) = after.split_at_checked(length)?;
        parts.push((u64::from_le_bytes(*number), row));
        rest = after;
    }
    Some((TableId(u32::from_le_bytes(*table)), parts, rest))
}
