//! What can go wrong and how it is told: `Error` with its SQLSTATE, message, detail, hint and place.
//!
//! Every fallible function of the crate returns `Result`. Foreign errors become an `Error` once, in
//! the module that owns the foreign crate; this module imports nothing from the rest of the crate.

mod notice;
mod place;
mod report;
mod state;

use std::fmt;
use std::sync::Arc;

pub use notice::{Notice, Severity};
pub use place::{DataPlace, Place, Span};
pub use report::{Report, shorten};
pub use state::SqlState;

/// The result of a fallible operation.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What went wrong, in the parts a person and a program need. One pointer wide.
pub struct Error(Box<Parts>);

struct Parts {
    /// The class of the problem; the only part that code may branch on.
    code: SqlState,
    /// One line, lower case, no full stop: what is wrong.
    message: String,
    /// Sentences: the facts behind it.
    detail: Option<String>,
    /// Sentences: what to do about it.
    hint: Option<String>,
    /// Where: in the SQL text, or in a data file.
    place: Option<Place>,
    /// The SQL text that a `Place::Sql` points into.
    text: Option<Arc<str>>,
    /// The foreign error beneath, for logs.
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Returns an error of class `code` that says `message` (lower case, no full stop).
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            place: None,
            text: None,
            source: None,
        }))
    }

    /// Returns an error for a broken promise of ours: XX000, with a hint that asks for a report.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(SqlState::INTERNAL_ERROR, format!("internal error: {message}"))
            .hint("This is a defect of Wharf. Report it with the statement that caused it.")
    }

    /// Adds the facts behind the message, as sentences.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what to do about it, as sentences.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Points at a place in the SQL text, unless the error already has a place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.0.place.get_or_insert(Place::Sql(span));
        self
    }

    /// Points at a place in a data file.
    #[must_use]
    pub fn in_data(mut self, place: DataPlace) -> Self {
        self.0.place = Some(Place::Data(Box::new(place)));
        self
    }

    /// Attaches the SQL text that the error's span points into, unless it has one.
    #[must_use]
    pub fn with_text(mut self, text: &Arc<str>) -> Self {
        self.0.text.get_or_insert_with(|| Arc::clone(text));
        self
    }

    /// Keeps the foreign error that caused this one.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Replaces the message by what `change` makes of it; the other parts stay.
    #[must_use]
    pub fn map_message(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.message = change(&self.0.message);
        self
    }

    /// Moves the span, if the error points into SQL text.
    #[must_use]
    pub fn map_span(mut self, change: impl FnOnce(Span) -> Span) -> Self {
        if let Some(Place::Sql(span)) = &mut self.0.place {
            *span = change(*span);
        }
        self
    }

    /// Returns the class of the problem.
    pub fn code(&self) -> SqlState {
        self.0.code
    }

    /// Returns the one-line message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the facts behind the message, if any were given.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Returns the advice, if any was given.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns where the problem is, if that is known.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Returns the SQL text that a span of this error points into, if it was attached.
    pub fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("detail", &self.0.detail)
            .field("hint", &self.0.hint)
            .field("place", &self.0.place)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn keeps_the_first_span() {
        let error = Error::new(SqlState::SYNTAX_ERROR, "syntax error")
            .at(Span::new(1, 2))
            .at(Span::new(5, 6));
        assert_eq!(error.place(), Some(&Place::Sql(Span::new(1, 2))));
    }
}
