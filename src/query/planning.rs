//! Threads that plan: their stacks are large enough for deep queries, and they stay for the next one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

/// The stack of a thread that plans. Only what is used of it becomes memory.
pub(super) const STACK: usize = 256 << 20;

/// What a thread is to do, and the way to give it more.
struct Task {
    work: Box<dyn FnOnce() + Send>,
    next: Sender<Task>,
}

/// The threads that wait for work.
type Idle = Mutex<Vec<Sender<Task>>>;

/// Runs work on threads of its own, which end with it.
#[derive(Debug, Default)]
pub(super) struct Planning {
    idle: Arc<Idle>,
}

impl Planning {
    /// Starts `work` on a thread that waits, or on a new one.
    pub(super) fn start(&self, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut work: Box<dyn FnOnce() + Send> = Box::new(work);
        while let Some(next) = take(&self.idle) {
            match next.send(Task { work, next: next.clone() }) {
                Ok(()) => return Ok(()),
                // That thread is gone.
                Err(unsent) => work = unsent.0.work,
            }
        }
        let (next, tasks) = channel();
        let idle = Arc::downgrade(&self.idle);
        // This cannot fail: the receiver is here.
        let _ = next.send(Task { work, next: next.clone() });
        thread::Builder::new()
            .name("wharf-plan".to_owned())
            .stack_size(STACK)
            .spawn(move || serve(&tasks, &idle))
            .map(drop)
    }
}

fn take(idle: &Idle) -> Option<Sender<Task>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Does work until nobody can give more: a thread that works has no way to itself, and one that
/// waits is known to `idle` alone.
fn serve(tasks: &Receiver<Task>, idle: &Weak<Idle>) {
    while let Ok(Task { work, next }) = tasks.recv() {
        work();
        let Some(idle) = idle.upgrade() else { return };
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(next);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_are_used_again_and_end_with_their_owner() {
        let planning = Planning::default();
        let (sender, names) = channel();
        for _ in 0..3 {
            let sender = sender.clone();
            planning.start(move || sender.send(thread::current().id()).unwrap()).unwrap();
            let waits = || planning.idle.lock().unwrap().is_empty();
            while waits() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let ids: Vec<_> = (0..3).map(|_| names.recv().unwrap()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
        let idle = Arc::downgrade(&planning.idle);
        drop(planning);
        assert!(idle.upgrade().is_none());
    }
}
