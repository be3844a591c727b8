//! Statements of a dump that cannot be done: refused, or passed over and told.

use crate::error::{DataPlace, Error, Notice, Result, SqlState};
use crate::plan::ImportDump;

/// How many statements a notice names.
const MOST_NAMED: usize = 3;

/// How many characters of a statement are shown.
const SHOWN: usize = 60;

/// Why a statement is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was not understood.
    NotParsed,
    /// Wharf has nothing like it.
    Unsupported,
    /// The head of rows was not understood.
    NotParsedRows,
    /// Rows that have no table.
    UnsupportedRows,
}

impl Reason {
    fn is_data(self) -> bool {
        matches!(self, Self::NotParsedRows | Self::UnsupportedRows)
    }

    fn is_parsed(self) -> bool {
        matches!(self, Self::Unsupported | Self::UnsupportedRows)
    }
}

/// A statement that was passed over.
#[derive(Clone, Debug)]
struct Statement {
    text: String,
    reason: Reason,
    line: u64,
}

/// The statements that were passed over, in the order of the dump.
#[derive(Debug, Default)]
pub(super) struct Ignored(Vec<Statement>);

impl Ignored {
    /// Passes over a statement, or refuses it.
    pub(super) fn take(
        &mut self,
        import: &ImportDump,
        (text, reason, why): (&str, Reason, &str),
        place: DataPlace,
    ) -> Result {
        if !import.ignore_unsupported {
            return Err(refused(text, reason, why).in_data(place));
        }
        self.0.push(Statement { text: text.to_owned(), reason, line: place.line });
        Ok(())
    }

    /// Passes over a statement that a check of ours has refused, or returns the check's error.
    pub(super) fn take_error(
        &mut self,
        import: &ImportDump,
        (text, error): (String, Error),
        place: DataPlace,
    ) -> Result {
        if import.ignore_unsupported {
            self.0.push(Statement { text, reason: Reason::Unsupported, line: place.line });
            return Ok(());
        }
        let hint = match error.hint_text() {
            Some(hint) => format!("{hint} {HINT}"),
            None => HINT.to_owned(),
        };
        Err(error.hint(hint).in_data(place))
    }

    /// Returns how many statements there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the notice that tells of the statements, if there are any.
    pub(super) fn notice(&self) -> Option<Notice> {
        let count = self.0.len();
        if count == 0 {
            return None;
        }
        let plural = if count == 1 { "statement was" } else { "statements were" };
        let mut lines: Vec<String> = self.0.iter().take(MOST_NAMED).map(Statement::line).collect();
        if count > MOST_NAMED {
            lines.push(format!("and {} more.", count - MOST_NAMED));
        }
        let message = format!("{count} {plural} passed over");
        Some(Notice::warning(message).detail(lines.join("\n")))
    }

    /// Returns the lines of the log of statements that define things, or of those that hold rows.
    pub(super) fn log(&self, data: bool) -> Vec<String> {
        let wanted = self.0.iter().filter(|statement| statement.reason.is_data() == data);
        wanted
            .map(|statement| {
                let why = match statement.reason.is_parsed() {
                    true => "unsupported by IMPORT",
                    false => "could not be parsed",
                };
                format!("{}: {why}\n", statement.text)
            })
            .collect()
    }
}

impl Statement {
    fn line(&self) -> String {
        format!("line {}: {}", self.line, beginning(&self.text))
    }
}

/// What to do about a statement that cannot be done.
const HINT: &str = "Import WITH ignore_unsupported_statements to pass over such statements.";

fn refused(text: &str, reason: Reason, why: &str) -> Error {
    let shown = beginning(text);
    let error = match reason.is_parsed() {
        true => Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported statement in the dump: {shown}"),
        ),
        false => Error::new(
            SqlState::SYNTAX_ERROR,
            format!("statement of the dump could not be parsed: {shown}"),
        ),
    };
    let error = match why {
        "" => error,
        why => error.detail(sentence(why)),
    };
    error.hint(HINT)
}

/// Returns a message as a sentence.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// Returns the beginning of a statement in one line.
pub(super) fn beginning(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.chars().count() > SHOWN {
            let cut: String = line.chars().take(SHOWN).collect();
            return format!("{cut} ...");
        }
    }
    line
}
