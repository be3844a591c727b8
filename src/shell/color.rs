//! Whether to use colors, and which.

use clap::ValueEnum;

/// When to use colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What of the environment decides on colors.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Surroundings {
    /// The stream is a terminal.
    pub(crate) terminal: bool,
    /// `NO_COLOR` is set and not empty.
    pub(crate) no_color: bool,
    /// `CLICOLOR_FORCE` or `FORCE_COLOR` is set to something other than `0`.
    pub(crate) force: bool,
    /// `TERM` is `dumb`.
    pub(crate) dumb: bool,
}

impl Surroundings {
    /// Reads the environment for a stream that is or is not a terminal.
    pub(crate) fn of_stream(terminal: bool) -> Self {
        let set = |name: &str| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
        };
        Self {
            terminal,
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            force: set("CLICOLOR_FORCE") || set("FORCE_COLOR"),
            dumb: std::env::var_os("TERM").is_some_and(|value| value == "dumb"),
        }
    }
}

impl ColorWhen {
    /// Returns whether to use colors.
    pub(crate) fn decide(self, around: Surroundings) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if around.no_color => false,
            Self::Auto => around.force || (around.terminal && !around.dumb),
        }
    }
}

/// A terminal style: the codes that start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style(&'static str);

/// Keywords.
pub(crate) const KEYWORD: Style = Style("\x1b[1;34m");
/// String literals.
pub(crate) const STRING: Style = Style("\x1b[32m");
/// Numbers.
pub(crate) const NUMBER: Style = Style("\x1b[36m");
/// Comments.
pub(crate) const COMMENT: Style = Style("\x1b[90m");
/// Backslash commands.
pub(crate) const COMMAND: Style = Style("\x1b[33m");
/// The prompt.
pub(crate) const PROMPT: Style = Style("\x1b[1m");
/// The word `ERROR:`.
pub(crate) const ERROR: Style = Style("\x1b[1;31m");
/// The word `WARNING:`.
pub(crate) const WARNING: Style = Style("\x1b[1;33m");

impl Style {
    /// Returns `text` in this style.
    pub(crate) fn paint(self, text: &str) -> String {
        format!("{}{text}\x1b[0m", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_environment_unless_told() {
        let terminal = Surroundings { terminal: true, ..Default::default() };
        let pipe = Surroundings::default();
        assert!(ColorWhen::Auto.decide(terminal));
        assert!(!ColorWhen::Auto.decide(pipe));
        assert!(!ColorWhen::Auto.decide(Surroundings { no_color: true, ..terminal }));
        assert!(!ColorWhen::Auto.decide(Surroundings { dumb: true, ..terminal }));
        assert!(ColorWhen::Auto.decide(Surroundings { force: true, ..pipe }));
        assert!(ColorWhen::Always.decide(Surroundings { no_color: true, ..pipe }));
        assert!(!ColorWhen::Never.decide(Surroundings { force: true, ..terminal }));
    }
}
