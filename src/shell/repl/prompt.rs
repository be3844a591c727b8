//! The prompt: who, where, and what is open.

use crate::session::TransactionState;
use crate::shell::color;
use crate::shell::console::Console;
use crate::syntax::Open;

/// Returns the prompt of the rows of COPY FROM STDIN.
pub(super) fn rows() -> String {
    ">> ".to_owned()
}

/// Returns the prompt of a new statement: `root@shop/defaultdb> `, with `*` in an open transaction
/// and `!` in a failed one.
pub(super) fn first(console: &Console) -> String {
    let session = &console.session;
    let directory = if session.is_temporary() {
        "temporary".into()
    } else {
        let path = session.path();
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
    };
    let mark = match session.transaction() {
        TransactionState::Idle => "",
        TransactionState::Open => "*",
        TransactionState::Failed => "!",
    };
    format!("{}@{directory}/{}{mark}> ", session.user(), session.database())
}

/// Returns the prompt of a following line, its arrow below the end of `first`.
pub(super) fn continuation(first: &str, open: &Open) -> String {
    let arrow = format!("{}> ", open.mark());
    let width = unicode_width::UnicodeWidthStr::width(first);
    format!("{arrow:>width$}")
}

/// Returns the prompt in its color.
pub(super) fn styled(prompt: &str) -> String {
    let text = prompt.trim_end();
    format!("{}{}", color::PROMPT.paint(text), &prompt[text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_the_arrow_below_the_end() {
        let first = "root@shop/defaultdb> ";
        assert_eq!(continuation(first, &Open::Statement), "                  -> ");
        assert_eq!(continuation(first, &Open::String), "                  '> ");
        assert_eq!(continuation("> ", &Open::Parenthesis), "(> ");
    }
}
