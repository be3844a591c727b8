//! Who may do what: the checks of root and of single privileges, with their errors.

use super::Planner;
use crate::catalog::{
    DatabaseDescriptor, Object, Privilege, ROOT, SequenceDescriptor, TableDescriptor, TableId,
};
use crate::error::{Error, Result, Span, SqlState};

impl Planner<'_> {
    /// Returns whether the session's user is root.
    pub(super) fn is_root(&self) -> bool {
        self.context.user == ROOT
    }

    /// Refuses anyone but root to do `action`.
    pub(super) fn require_root(&self, action: &str) -> Result {
        if self.is_root() {
            return Ok(());
        }
        Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("only root is allowed to {action}"),
        )
        .hint("Run it as root, with --user root."))
    }

    /// Requires a privilege on a table.
    pub(super) fn require_on_table(
        &self,
        privilege: Privilege,
        table: &TableDescriptor,
        span: Span,
    ) -> Result {
        self.require_on_relation(privilege, (table.id, &table.name), span)
    }

    /// Requires a privilege on a sequence.
    pub(super) fn require_on_sequence(
        &self,
        privilege: Privilege,
        sequence: &SequenceDescriptor,
        span: Span,
    ) -> Result {
        self.require_on_relation(privilege, (sequence.id, &sequence.name), span)
    }

    /// Requires a privilege on a table or sequence.
    pub(super) fn require_on_relation(
        &self,
        privilege: Privilege,
        (id, name): (TableId, &str),
        span: Span,
    ) -> Result {
        if self.catalog.allows(self.context.user, privilege, Object::Table(id)) {
            return Ok(());
        }
        Err(self.lacks(&format!("{privilege} privilege on relation {name}"), span))
    }

    /// Requires a privilege on a database.
    pub(super) fn require_on_database(
        &self,
        privilege: Privilege,
        database: &DatabaseDescriptor,
        span: Span,
    ) -> Result {
        if self.catalog.allows(self.context.user, privilege, Object::Database(database.id)) {
            return Ok(());
        }
        Err(self.lacks(&format!("{privilege} privilege on database {}", database.name), span))
    }

    /// Returns whether the user has any privilege on a table.
    pub(super) fn sees(&self, table: &TableDescriptor) -> bool {
        self.sees_relation(table.id)
    }

    /// Returns whether the user has any privilege on a table or sequence.
    pub(super) fn sees_relation(&self, id: TableId) -> bool {
        self.is_root()
            || self
                .catalog
                .privileges(Object::Table(id), self.context.user)
                .is_some_and(|set| !set.is_empty())
    }

    /// Requires any privilege on a table, as looking at its definition does.
    pub(super) fn require_any(&self, table: &TableDescriptor, span: Span) -> Result {
        self.require_any_on((table.id, &table.name), span)
    }

    /// Requires any privilege on a table or sequence.
    pub(super) fn require_any_on(&self, (id, name): (TableId, &str), span: Span) -> Result {
        if self.sees_relation(id) {
            return Ok(());
        }
        Err(self.lacks(&format!("any privilege on relation {name}"), span))
    }

    fn lacks(&self, what: &str, span: Span) -> Error {
        let user = self.context.user;
        Error::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("user {user} does not have {what}"))
            .at(span)
    }
}
