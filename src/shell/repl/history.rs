//! The history file: whole statements, secrets taken out, readable by its owner only.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use rustyline::Editor;
use rustyline::history::DefaultHistory;

use super::assistant::Assistant;
use crate::session::redact_text;

/// Where the history is kept; nowhere if that is not known.
pub(super) struct HistoryFile(Option<PathBuf>);

impl HistoryFile {
    /// Returns the history in `path`.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Reads the history. A missing or damaged one is an empty one.
    pub(super) fn load(&self, editor: &mut Editor<Assistant, DefaultHistory>) {
        let Some(path) = &self.0 else { return };
        if let Some(directory) = path.parent() {
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        }
        // The file is made before anything is written, so that it is never readable by others.
        let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let _ = editor.load_history(path);
    }

    /// Adds a statement or command.
    pub(super) fn add(&self, editor: &mut Editor<Assistant, DefaultHistory>, entry: &str) {
        if entry.trim().is_empty() || entry.starts_with(' ') {
            return;
        }
        let entry = redact_text(entry.trim_end());
        let added = editor.add_history_entry(entry).unwrap_or(false);
        if let (true, Some(path)) = (added, &self.0) {
            // A history that cannot be written is no reason to disturb the conversation.
            let _ = editor.append_history(path);
        }
    }
}
