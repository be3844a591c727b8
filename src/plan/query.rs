//! Queries: every table that one names must exist and be readable by the user.

use super::{Planner, Query};
use crate::catalog::Privilege;
use crate::error::Result;
use crate::syntax::ast;

/// Checks the tables of a query.
pub(super) fn plan_query(planner: &Planner<'_>, query: &ast::Query) -> Result<Query> {
    for name in &query.tables {
        let table = planner.require_table(name)?;
        planner.require_on_table(Privilege::Select, table, name.span)?;
    }
    Ok(Query { text: query.text.clone(), offset: query.span.start })
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::plan::fixture::{Session, fails, planned};

    #[test]
    fn keeps_the_text_and_its_place() {
        let Plan::Query(query) = planned("SELECT * FROM customers").plan else { panic!("a query") };
        assert_eq!(query.text, "SELECT * FROM customers");
        assert_eq!(query.offset, 0);
    }

    #[test]
    fn checks_every_table_in_subqueries_too() {
        fails("SELECT (SELECT count(*) FROM nope) FROM customers", "42P01", "relation \"nope\"");
        fails("SELECT 1 FROM customers JOIN nope ON true", "42P01", "relation \"nope\"");
    }

    #[test]
    fn requires_select_on_each() {
        let testuser = Session::default().user("testuser");
        testuser.planned("SELECT * FROM customers");
        testuser.planned("SELECT 1");
        testuser.fails(
            "SELECT * FROM customers, orders",
            "42501",
            "user testuser does not have SELECT privilege on relation orders",
        );
    }
}
