//! WITH queries of subqueries, each under a name of its own.
//!
//! DataFusion has one space of names for all WITH queries of a statement, so that an inner one could
//! not shadow an outer one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut,
};

use super::names::{marked_name, normal};

/// Renames the WITH queries of a subquery. Subqueries inside it must have been done before, so that
/// a name that is still there is bound here.
pub(super) fn name_apart(query: &mut Query, renamed: &mut usize) {
    let Some(mut with) = query.with.take() else { return };
    for position in 0..with.cte_tables.len() {
        let name = normal(&with.cte_tables[position].alias.name);
        let fresh = marked_name(&name, *renamed);
        *renamed += 1;
        let mut renaming = Renaming { name: &name, fresh: &fresh };
        // The query of a plain WITH does not see its own name.
        let first = if with.recursive { position } else { position + 1 };
        for later in with.cte_tables.iter_mut().skip(first) {
            let _ = later.query.visit(&mut renaming);
        }
        let _ = query.visit(&mut renaming);
        with.cte_tables[position].alias.name = Ident::with_quote('"', fresh);
    }
    query.with = Some(with);
}

struct Renaming<'a> {
    name: &'a str,
    fresh: &'a str,
}

impl VisitorMut for Renaming<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        if normal(ident) == self.name {
            if alias.is_none() {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: ident.clone(),
                    columns: Vec::new(),
                    at: None,
                });
            }
            let fresh = Ident::with_quote('"', self.fresh);
            *name = ObjectName(vec![ObjectNamePart::Identifier(fresh)]);
        }
        ControlFlow::Continue(())
    }
}
