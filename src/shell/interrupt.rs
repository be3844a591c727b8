//! Ctrl-C and SIGTERM while something runs: the first cancels the statement, a second one within a
//! second ends the program.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::flow::{Flow, Stop};
use crate::session::CancelHandle;

/// How soon a second Ctrl-C must come to end the program.
const TWICE: Duration = Duration::from_secs(1);

/// The signal of a write beyond the limit on file sizes; its number on every system that has it.
const SIGXFSZ: i32 = 25;

/// Watches for the signals that end or cancel something.
pub(crate) struct Interrupts {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    /// Keeps a write beyond the limit on file sizes from ending the process: it fails instead.
    _file_size: Option<Signal>,
}

/// What came of something that could be interrupted.
pub(crate) struct Guarded<T> {
    /// Its result.
    pub(crate) value: T,
    /// Why it was asked to end early, if it was.
    pub(crate) stopped: Option<Stop>,
}

impl Interrupts {
    /// Takes over SIGINT, and SIGTERM unless the shell is `interactive`: at its prompt nobody could
    /// obey it, while the system's own way ends the program at once.
    pub(crate) fn watch(runtime: &Handle, interactive: bool) -> io::Result<Self> {
        let _context = runtime.enter();
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = if interactive { None } else { Some(signal(SignalKind::terminate())?) };
        let file_size = signal(SignalKind::from_raw(SIGXFSZ))?;
        Ok(Self { interrupt: Some(interrupt), terminate, _file_size: Some(file_size) })
    }

    /// Watches nothing.
    pub(crate) fn none() -> Self {
        Self { interrupt: None, terminate: None, _file_size: None }
    }

    /// Waits for the next signal, forever if none is watched.
    async fn next(&mut self) -> Stop {
        tokio::select! {
            () = arrival(&mut self.interrupt) => Stop::Interrupted,
            () = arrival(&mut self.terminate) => Stop::Terminated,
        }
    }

    /// Runs `work`. A signal cancels it through `cancel` and waits for it to end; a second one within
    /// a second, or SIGTERM after it, gives it up.
    pub(crate) async fn guard<T>(
        &mut self,
        cancel: &CancelHandle,
        work: impl Future<Output = T>,
    ) -> Flow<Guarded<T>> {
        let mut work = std::pin::pin!(work);
        let mut stopped: Option<(Stop, Instant)> = None;
        loop {
            let signal = tokio::select! {
                biased;
                value = &mut work => {
                    return Ok(Guarded { value, stopped: stopped.map(|(stop, _)| stop) });
                }
                signal = self.next() => signal,
            };
            if stopped.as_ref().is_some_and(|(_, since)| since.elapsed() <= TWICE) {
                return Err(signal);
            }
            cancel.cancel();
            stopped = Some((signal, Instant::now()));
        }
    }

    /// Waits for `work`, which cannot be canceled; a signal gives it up.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Flow<T> {
        tokio::select! {
            value = work => Ok(value),
            stop = self.next() => Err(stop),
        }
    }
}

async fn arrival(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
