//! The store at one commit: catalog and manifests that belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::catalog_file::{Area, CatalogFile};
use super::error::damaged;
use super::garbage::{Files, file_name};
use super::manifest::{Manifest, ManifestRow, Segment, decode_segment};
use super::rows;
use crate::catalog::{Snapshot, TableId};
use crate::error::Result;

/// The store at one commit: catalog and manifests that belong together. While it lives, the files
/// that its manifests name stay on disk.
#[derive(Debug)]
pub struct View {
    /// The catalog.
    pub catalog: Arc<Snapshot>,
    /// The number of the commit.
    pub commit: u64,
    pub(super) manifests: BTreeMap<TableId, Arc<Slot>>,
    pub(super) loader: Arc<Loader>,
}

impl View {
    /// Returns this view with another catalog, for work on tables and sequences that are not there yet.
    pub fn with_catalog(&self, catalog: Snapshot) -> Self {
        Self {
            catalog: Arc::new(catalog),
            commit: self.commit,
            manifests: self.manifests.clone(),
            loader: Arc::clone(&self.loader),
        }
    }

    /// Returns the manifest of a table; an empty one if it has no rows.
    pub fn manifest(&self, table: TableId) -> Result<Arc<Manifest>> {
        match self.manifests.get(&table) {
            Some(slot) => slot.manifest(table, &self.loader),
            None => Ok(Arc::default()),
        }
    }

    /// Returns this view with another manifest of a table, such as one that is not committed so far.
    #[must_use]
    pub fn with_manifest(&self, table: TableId, manifest: Manifest) -> Self {
        let mut manifests = self.manifests.clone();
        manifests.insert(table, Slot::known(manifest));
        Self {
            catalog: Arc::clone(&self.catalog),
            commit: self.commit,
            manifests,
            loader: Arc::clone(&self.loader),
        }
    }
}

/// A manifest that is read when it is asked for first, and shared by all views that have it.
///
/// A commit that replaces a manifest reads the old one before, so that a slot that is read late
/// still finds its own manifest in the catalog.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) row: ManifestRow,
    manifest: OnceLock<Arc<Manifest>>,
}

impl Slot {
    /// Returns the slot of a manifest that is not read yet.
    pub(super) fn unread(row: ManifestRow) -> Arc<Self> {
        Arc::new(Self { row, manifest: OnceLock::new() })
    }

    /// Returns the slot of a manifest that is known.
    pub(super) fn known(manifest: Manifest) -> Arc<Self> {
        let row = ManifestRow::of(&manifest);
        Arc::new(Self { row, manifest: OnceLock::from(Arc::new(manifest)) })
    }

    fn manifest(&self, table: TableId, loader: &Loader) -> Result<Arc<Manifest>> {
        if let Some(manifest) = self.manifest.get() {
            return Ok(Arc::clone(manifest));
        }
        let read = loader.read(table, &self.row);
        // A commit may have read it and replaced its rows meanwhile: what it read counts.
        match (self.manifest.get(), read) {
            (Some(manifest), _) => Ok(Arc::clone(manifest)),
            (None, Ok(manifest)) => {
                Ok(Arc::clone(self.manifest.get_or_init(|| Arc::new(manifest))))
            }
            (None, Err(error)) => Err(error),
        }
    }
}

/// Reads manifests.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) directory: PathBuf,
    pub(super) catalog: CatalogFile,
    pub(super) files: Files,
}

impl Loader {
    fn read(&self, table: TableId, row: &ManifestRow) -> Result<Manifest> {
        let mut segments = BTreeMap::new();
        self.catalog.scan(Area::Segments, &rows::table_key(table), |key, body| {
            let segment = self.segment(key, body).ok_or_else(|| {
                damaged(self.catalog.path(), format!("A segment of table {table} cannot be read."))
            })?;
            segments.insert(segment.data.number(), Arc::new(segment));
            Ok(())
        })?;
        row.resolve(&segments).ok_or_else(|| {
            damaged(self.catalog.path(), format!("A segment of table {table} is missing."))
        })
    }

    /// Returns the segment of a row.
    pub(super) fn segment(&self, key: &[u8], body: &[u8]) -> Option<Segment> {
        let (table, number) = rows::parse_segment_key(key)?;
        let row = decode_segment(body)?;
        Some(Segment {
            file: file_name(number),
            rows: row.rows,
            bytes: row.bytes,
            statistics: row.statistics,
            rowids: row.rowids,
            commit: row.commit,
            data: self.files.register(&self.directory, table, number, row.checksums),
        })
    }

    /// Returns the database directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}
