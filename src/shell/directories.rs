//! Where the shell keeps its own files: the init file and the history, by the XDG rules.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

/// Returns the init file: `WHARF_CONFIG`, else `$XDG_CONFIG_HOME/wharf/rc.sql`.
pub(crate) fn init_file() -> Option<PathBuf> {
    from_environment("WHARF_CONFIG")
        .or_else(|| Xdg::new().ok().map(|xdg| xdg.config_dir().join("wharf").join("rc.sql")))
}

/// Returns the history file: `WHARF_HISTORY`, else `$XDG_STATE_HOME/wharf/history`.
pub(crate) fn history_file() -> Option<PathBuf> {
    from_environment("WHARF_HISTORY").or_else(|| {
        let xdg = Xdg::new().ok()?;
        Some(xdg.state_dir()?.join("wharf").join("history"))
    })
}

/// Returns the home directory.
pub(crate) fn home() -> Option<PathBuf> {
    etcetera::home_dir().ok()
}

fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
