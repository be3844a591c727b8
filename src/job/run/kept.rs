//! Runs that outlast their job: moved to files that stay, written down, and made again from that.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::SchemaRef;

use super::{Block, NEXT_RUN, Run, RunSpace, write_error};
use crate::error::Result;
use crate::job::bytes::{Input, Output};
use crate::job::sort::Span;

impl Run {
    /// Lets the run stay when this value goes, in a file, whose name is returned. The file is not synced.
    pub(crate) fn hold(&mut self) -> Result<&str> {
        if self.file.is_none() {
            let name = format!("run-{}", NEXT_RUN.fetch_add(1, Ordering::Relaxed));
            let mut file = self.space.temp.create(&name)?;
            self.file = Some(name);
            for block in &self.memory {
                file.write_all(block).map_err(|error| write_error(&error))?;
            }
            file.finish()?;
            self.space.give(self.memory.drain(..).map(|block| block.len() as u64).sum());
        }
        self.held = true;
        Ok(self.file.as_deref().unwrap_or_default())
    }

    /// Writes down what is known of a run that is held.
    pub(crate) fn save(&self, out: &mut Output) {
        out.bytes(self.file.as_deref().unwrap_or_default().as_bytes());
        out.count(self.blocks.len());
        for block in &self.blocks {
            out.bytes(&block.first);
            out.count(block.rows);
            out.u64(block.end);
            out.u64(u64::from(block.checksum));
        }
        out.bytes(&self.last);
        out.count(self.spans.len());
        self.spans.iter().for_each(|span| span.save(out));
        out.count(self.duplicates.len());
        self.duplicates.iter().for_each(|key| out.bytes(key));
    }

    /// Returns the run of `schema` in `space` that was written down.
    pub(crate) fn restore(
        space: &Arc<RunSpace>,
        schema: &SchemaRef,
        input: &mut Input<'_>,
    ) -> Option<Self> {
        let name = input.text()?;
        let number: u64 = name.strip_prefix("run-")?.parse().ok()?;
        NEXT_RUN.fetch_max(number.checked_add(1)?, Ordering::Relaxed);
        let blocks = input.list(|input| {
            Some(Block {
                first: input.bytes()?.to_vec(),
                rows: input.count()?,
                end: input.u64()?,
                checksum: u32::try_from(input.u64()?).ok()?,
            })
        })?;
        if blocks.is_empty() {
            return None;
        }
        Some(Self {
            space: Arc::clone(space),
            schema: Arc::clone(schema),
            blocks,
            memory: Vec::new(),
            file: Some(name),
            held: true,
            last: input.bytes()?.to_vec(),
            spans: input.list(Span::restore)?,
            duplicates: input.list(|input| Some(input.bytes()?.to_vec()))?,
        })
    }

    /// Returns the name of the run's file, if it is in one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}
