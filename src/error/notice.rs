//! Messages beside a result that are no errors: notices and warnings.

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Notice,
    /// Something the user most likely did not mean.
    Warning,
}

/// A message that accompanies the result of a statement; the shell prints it to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud it is.
    pub severity: Severity,
    /// One line, lower case, no full stop.
    pub message: String,
    /// Sentences: the facts behind it.
    pub detail: Option<String>,
    /// Sentences: what to do about it.
    pub hint: Option<String>,
}

impl Notice {
    /// Returns a notice that says `message`.
    #[expect(clippy::self_named_constructors, reason = "a notice is one of severity notice")]
    pub fn notice(message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, message: message.into(), detail: None, hint: None }
    }

    /// Returns a warning that says `message`.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::notice(message) }
    }

    /// Adds the facts behind the message, as sentences.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what to do about it, as sentences.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Notice {
    /// Prints the notice as the shell shows it: `NOTICE: message`, then DETAIL and HINT lines.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        };
        write!(f, "{severity}: {}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}
