//! The progress bar of an import, on standard error, where that is a terminal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use crate::session::{Event, Progress};

/// How often the bar is drawn, per second.
const FRAMES: u8 = 8;

/// Shows what happens while one statement runs.
pub(crate) struct Watcher {
    output: Output,
    /// Whether a bar may be drawn.
    visible: bool,
    bar: Mutex<Option<Bar>>,
}

struct Bar {
    bar: ProgressBar,
    started: Instant,
}

impl Watcher {
    /// Returns a watcher that writes notices to `output`, and draws a bar if `visible`.
    pub(crate) fn new(output: Output, visible: bool) -> Arc<Self> {
        Arc::new(Self { output, visible, bar: Mutex::new(None) })
    }

    /// Returns the function to hand to the session.
    pub(crate) fn events(self: &Arc<Self>) -> Arc<dyn Fn(Event) + Send + Sync> {
        let watcher = Arc::clone(self);
        Arc::new(move |event| watcher.show(event))
    }

    fn show(&self, event: Event) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Notice(notice) => {
                let text = notice.to_string();
                match &*bar {
                    Some(Bar { bar, .. }) => bar.suspend(|| self.output.report(&text)),
                    None => self.output.report(&text),
                }
            }
            Event::Progress(progress) if self.visible => {
                bar.get_or_insert_with(Bar::new).draw(&progress);
            }
            Event::Progress(_) => {}
        }
    }

    /// Takes the bar off the terminal.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.bar.finish_and_clear();
        }
    }
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(FRAMES));
        Self { bar, started: Instant::now() }
    }

    fn draw(&self, progress: &Progress) {
        let template = if progress.total_bytes.is_some() {
            "{prefix} [{bar:24}] {percent:>3}%  {msg}"
        } else {
            "{prefix} {spinner}  {msg}"
        };
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        if let Some(total) = progress.total_bytes {
            self.bar.set_length(total);
        }
        self.bar.set_prefix(progress.phase);
        self.bar.set_message(message(progress, self.started.elapsed()));
        self.bar.set_position(progress.bytes);
    }
}

/// Returns `1,200,000 rows  400,000 rows/s  52.1 MB/s  ETA 4s`.
fn message(progress: &Progress, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let (rows, bytes) = (progress.rows as f64 / seconds, progress.bytes as f64 / seconds);
    let mut text = format!(
        "{} rows  {rows:.0} rows/s  {:.1} MB/s",
        group_thousands(progress.rows),
        bytes / 1e6
    );
    if let Some(total) = progress.total_bytes.filter(|_| progress.bytes > 0) {
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people to read")]
        let left = total.saturating_sub(progress.bytes) as f64 / bytes;
        text += &format!("  ETA {left:.0}s");
    }
    text
}

/// Returns `number` with commas between thousands.
pub(crate) fn group_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(group_thousands(number), text);
        }
    }

    #[test]
    fn says_rows_rates_and_the_time_left() {
        let progress = Progress {
            phase: "reading",
            rows: 2_000,
            bytes: 4_000_000,
            total_bytes: Some(10_000_000),
            ..Progress::default()
        };
        assert_eq!(
            message(&progress, Duration::from_secs(2)),
            "2,000 rows  1000 rows/s  2.0 MB/s  ETA 3s"
        );
    }
}
