//! Panics of redb become errors: it asserts what a damaged file can break.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use super::error::damaged;
use crate::error::Result;

thread_local! {
    /// Whether a panic of this thread is expected and not to be printed.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on the catalog file `path`; a panic in it is the error of a damaged file.
///
/// The panic is not printed. `work` must leave nothing half done that is used afterwards.
pub(super) fn caught<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                print(panic);
            }
        }));
    });
    let outer = EXPECTED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(outer);
    result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(damaged(path, format!("Reading it failed an assertion: {text}.")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    #[test]
    fn a_panic_is_an_error() {
        let error = caught::<()>(Path::new("x"), || panic!("broken page")).unwrap_err();
        assert_eq!(error.code(), SqlState::DATA_CORRUPTED);
        assert!(error.detail_text().unwrap().contains("broken page"));
        assert_eq!(caught(Path::new("x"), || Ok(1)).unwrap(), 1);
    }
}
