//! Queries: every table that one names must exist and be readable by the user.

use super::{Planner, Query};
use crate::catalog::Privilege;
use crate::error::Result;
use crate::source::{Location, redact};
use crate::syntax::ast;

/// Checks the tables of a query.
pub(super) fn plan_query(planner: &Planner<'_>, query: &ast::Query) -> Result<Query> {
    for name in &query.tables {
        let table = planner.require_table(name)?;
        planner.require_on_table(Privilege::Select, table, name.span)?;
    }
    for file in &query.files {
        super::option::location(file)?;
        // Places of other machines have rules of their own, which `source` keeps.
        if !planner.is_root() && !Location::parse(&file.text)?.is_remote() {
            let place = redact(&file.text);
            let refused = planner.require_root(&format!("read \"{place}\""));
            refused.map_err(|error| error.at(file.span))?;
        }
    }
    let files = query.files.iter().map(|file| file.text.clone()).collect();
    Ok(Query { text: query.text.clone(), offset: query.span.start, files })
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
    fn lets_root_alone_read_files_of_this_machine() {
        let sql = "SELECT * FROM 'a.csv' JOIN 'b''s.csv' ON true JOIN 'a.csv' AS c ON true";
        let Plan::Query(query) = planned(sql).plan else { panic!("a query") };
        assert_eq!(query.files, ["a.csv", "b's.csv"]);
        let testuser = Session::default().user("testuser");
        testuser.fails(sql, "42501", "only root is allowed to read \"a.csv\"");
        testuser.planned("SELECT * FROM 'https://example.com/a.csv'");
        fails("SELECT * FROM 'ftp://example.com/a.csv'", "22023", "unsupported storage scheme");
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
