//! Where rows and messages go: standard output and standard error, a file, or a golden test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::color;

/// The two streams of a run. Clones write to the same streams.
#[derive(Clone)]
pub(crate) struct Output {
    streams: Arc<Mutex<Streams>>,
    /// Whether messages are colored.
    color: bool,
    /// Whether everything is kept in memory.
    captured: bool,
}

struct Streams {
    rows: Box<dyn Write + Send>,
    messages: Box<dyn Write + Send>,
    /// `\o FILE`: takes the rows' place.
    redirect: Option<Box<dyn Write + Send>>,
}

/// What was written, both streams in the order of writing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Returns standard output and standard error.
    pub(crate) fn standard(color: bool) -> Self {
        Self { color, ..Self::new(Box::new(io::stdout()), Box::new(io::stderr())) }
    }

    /// Returns an output that is kept in memory.
    pub(crate) fn captured() -> (Self, Capture) {
        let capture = Capture::default();
        let output = Self::new(Box::new(capture.clone()), Box::new(capture.clone()));
        (Self { captured: true, ..output }, capture)
    }

    fn new(rows: Box<dyn Write + Send>, messages: Box<dyn Write + Send>) -> Self {
        let streams = Streams { rows, messages, redirect: None };
        Self { streams: Arc::new(Mutex::new(streams)), color: false, captured: false }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes rows as they are.
    pub(crate) fn rows(&self, text: &str) -> io::Result<()> {
        let mut streams = self.lock();
        let streams = &mut *streams;
        streams.redirect.as_mut().unwrap_or(&mut streams.rows).write_all(text.as_bytes())
    }

    /// Hands written rows on to their reader.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let mut streams = self.lock();
        if let Some(redirect) = &mut streams.redirect {
            redirect.flush()?;
        }
        streams.rows.flush()
    }

    /// Writes text to standard output whatever `\o` says.
    pub(crate) fn standard_rows(&self, text: &str) -> io::Result<()> {
        let mut streams = self.lock();
        streams.rows.write_all(text.as_bytes())?;
        streams.rows.flush()
    }

    /// Writes a message and a line break. A reader of messages that went away is no error.
    pub(crate) fn message(&self, text: &str) {
        let mut streams = self.lock();
        // Rows first, so that both streams on one terminal keep their order.
        let _ = streams.rows.flush();
        let _ = writeln!(streams.messages, "{text}").and_then(|()| streams.messages.flush());
    }

    /// Writes a report or notice, its first word colored.
    pub(crate) fn report(&self, text: &str) {
        if !self.color {
            return self.message(text);
        }
        for (word, style) in [("ERROR:", color::ERROR), ("WARNING:", color::WARNING)] {
            if let Some(at) = text.lines().next().and_then(|line| line.find(word)) {
                let (before, rest) = text.split_at(at);
                return self.message(&format!(
                    "{before}{}{}",
                    style.paint(word),
                    &rest[word.len()..]
                ));
            }
        }
        self.message(text);
    }

    /// Sends rows to `target`, or back to standard output.
    pub(crate) fn redirect(&self, target: Option<Box<dyn Write + Send>>) -> io::Result<()> {
        let mut streams = self.lock();
        let previous = std::mem::replace(&mut streams.redirect, target);
        previous.map_or(Ok(()), |mut previous| previous.flush())
    }

    /// Puts another target in the place of `\o`'s for a while; returns the one it replaced.
    pub(crate) fn swap(
        &self,
        target: Option<Box<dyn Write + Send>>,
    ) -> Option<Box<dyn Write + Send>> {
        std::mem::replace(&mut self.lock().redirect, target)
    }

    /// Returns whether everything is kept in memory.
    pub(crate) fn is_captured(&self) -> bool {
        self.captured
    }

    /// Returns whether rows go to a file.
    pub(crate) fn is_redirected(&self) -> bool {
        self.lock().redirect.is_some()
    }
}

impl Capture {
    /// Returns what was written, and forgets it.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
