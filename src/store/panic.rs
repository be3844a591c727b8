//! Panics of redb and Parquet become errors: they assert what a damaged file can break.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use super::error::damaged;
use crate::error::{Error, Result};

thread_local! {
    /// Whether a panic of this thread is expected and not to be printed.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on the catalog file `path`; a panic in it is the error of a damaged file.
///
/// The panic is not printed. `work` must leave nothing half done that is used afterwards.
pub(super) fn caught<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught_or(work, |why| damaged(path, format!("Reading it failed an assertion: {why}.")))
}

/// Runs `work`; a panic in it is the error that `told` makes of its words. Otherwise as `caught`.
pub(super) fn caught_or<T>(
    work: impl FnOnce() -> Result<T>,
    told: impl FnOnce(&str) -> Error,
) -> Result<T> {
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
        Err(told(text))
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
