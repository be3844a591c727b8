//! CREATE TABLE: elements to a `TableDescriptor`, and CREATE TABLE AS.
//!
//! Work goes in passes, so that a constraint may stand before the columns it names: columns, the
//! names that constraints were given, keys and indexes, CHECK and computed columns, families, and
//! foreign keys, which may reference the table itself.

use std::collections::BTreeSet;

use super::column::{self, require_column};
use super::constraint::Wanted;
use super::resolve::relation_exists;
use super::{Plan, Planner, constraint, foreign_key, query};
use crate::catalog::{
    ColumnDescriptor, ColumnId, DatabaseId, IndexId, Privilege, ROWID, TableDescriptor, TableId,
};
use crate::error::{Error, Notice, Result, SqlState};
use crate::syntax::ast::{self, Ident, TableElement};

/// The most columns that a table can have.
pub(super) const MOST_COLUMNS: usize = 1600;

/// A table in the making.
pub(super) struct Draft<'a> {
    /// What the statement may refer to.
    pub planner: &'a Planner<'a>,
    /// What there is so far.
    pub table: TableDescriptor,
    /// The constraints and indexes that were asked for, in the order written.
    pub wanted: Vec<Wanted<'a>>,
    /// The names of constraints.
    pub constraint_names: BTreeSet<String>,
    /// The names of indexes.
    pub index_names: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    /// Returns a draft that has no columns.
    pub(super) fn new(planner: &'a Planner<'a>, table: TableDescriptor) -> Self {
        Self {
            planner,
            table,
            wanted: Vec::new(),
            constraint_names: BTreeSet::new(),
            index_names: BTreeSet::new(),
        }
    }

    /// Returns the column called `name`.
    pub(super) fn require_column(&self, name: &Ident) -> Result<&ColumnDescriptor> {
        require_column(&self.table, name)
    }
}

/// Plans a CREATE TABLE.
pub(super) fn plan_create_table(
    planner: &mut Planner<'_>,
    create: &ast::CreateTable,
) -> Result<Plan> {
    let target = planner.resolve(&create.name)?;
    let database = target.database;
    planner.require_on_database(Privilege::Create, database, create.name.span)?;
    let name = &target.name.value;
    if planner.catalog.is_relation(database.id, name) {
        if !create.if_not_exists {
            return Err(relation_exists(name, create.name.span));
        }
        planner.notice(Notice::notice(format!("relation \"{name}\" already exists, skipping")));
        return Ok(Plan::Nothing { tag: "CREATE TABLE" });
    }
    if let Some(query) = &create.query {
        let query = query::plan_query(planner, query)?;
        return Ok(Plan::CreateTableAs { database: database.id, name: name.clone(), query });
    }
    let table = describe(planner, database.id, target.name, &create.elements)?;
    Ok(Plan::CreateTable(Box::new(table)))
}

/// Returns the descriptor of a new table: its own id is 0, column and index ids are set. A foreign
/// key that references the table itself references `TableId(0)`, until the table has its id.
pub(super) fn describe(
    planner: &Planner<'_>,
    database: DatabaseId,
    name: &Ident,
    elements: &[TableElement],
) -> Result<TableDescriptor> {
    let mut draft = Draft::new(planner, empty_table(database, &name.value));
    for element in elements {
        if let TableElement::Column(element) = element {
            column::add_column(&mut draft, element)?;
        }
    }
    check_width(&draft.table, name)?;
    for element in elements {
        constraint::collect(&mut draft, element)?;
    }
    constraint::reserve_names(&mut draft)?;
    constraint::add_primary_key(&mut draft)?;
    check_rowid(&draft, elements)?;
    constraint::add_indexes(&mut draft)?;
    constraint::add_checks(&mut draft)?;
    column::check_computed(&draft, elements)?;
    constraint::add_families(&mut draft, elements)?;
    foreign_key::add_foreign_keys(&mut draft)?;
    Ok(draft.table)
}

fn empty_table(database: DatabaseId, name: &str) -> TableDescriptor {
    TableDescriptor {
        id: TableId(0),
        database,
        name: name.to_owned(),
        columns: Vec::new(),
        primary_key: None,
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        next_column: ColumnId(1),
        next_index: IndexId(IndexId::PRIMARY.0 + 1),
        families: Vec::new(),
    }
}

fn check_width(table: &TableDescriptor, name: &Ident) -> Result {
    if table.columns.is_empty() {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            "a table needs at least one column",
        )
        .at(name.span));
    }
    if table.columns.len() > MOST_COLUMNS {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("tables can have at most {MOST_COLUMNS} columns"),
        )
        .at(name.span)
        .detail(format!("This one has {}.", table.columns.len())));
    }
    Ok(())
}

/// Refuses a column called `rowid` where the hidden one is.
fn check_rowid(draft: &Draft<'_>, elements: &[TableElement]) -> Result {
    if draft.table.primary_key.is_some() {
        return Ok(());
    }
    for element in elements {
        if let TableElement::Column(column) = element
            && column.name.value == ROWID
        {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{ROWID}\" conflicts with the hidden column of that name"),
            )
            .at(column.name.span)
            .detail("A table without a primary key has a hidden column \"rowid\".")
            .hint("Name the column otherwise, or declare a primary key."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned, table};

    #[test]
    fn numbers_columns_and_indexes() {
        let table = table("CREATE TABLE t (INDEX (b), a INT8 PRIMARY KEY, b STRING, UNIQUE (b))");
        assert_eq!(table.id, TableId(0));
        assert_eq!(table.database, DatabaseId(1));
        let ids: Vec<u32> = table.columns.iter().map(|column| column.id.0).collect();
        assert_eq!(ids, [1, 2]);
        assert_eq!(table.next_column, ColumnId(3));
        let indexes: Vec<(u32, &str)> =
            table.all_indexes().map(|index| (index.id.0, index.name.as_str())).collect();
        assert_eq!(indexes, [(1, "primary"), (2, "t_b_idx"), (3, "t_b_key")]);
        assert_eq!(table.next_index, IndexId(4));
    }

    #[test]
    fn makes_a_table_in_the_database_named() {
        assert_eq!(table("CREATE TABLE shop.t (a INT8)").database, DatabaseId(2));
        fails("CREATE TABLE nope.t (a INT8)", "3D000", "database \"nope\" does not exist");
        fails("CREATE TABLE shop.other.t (a INT8)", "3F000", "schema \"other\" does not exist");
    }

    #[test]
    fn refuses_a_table_that_exists() {
        fails("CREATE TABLE customers (a INT8)", "42P07", "relation \"customers\" already exists");
        let skipped = planned("CREATE TABLE IF NOT EXISTS customers (a INT8)");
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "CREATE TABLE" }));
        assert_eq!(skipped.notices[0].message, "relation \"customers\" already exists, skipping");
    }

    #[test]
    fn refuses_no_columns_and_too_many() {
        fails("CREATE TABLE t (CHECK (true))", "42P16", "a table needs at least one column");
        let columns: Vec<String> = (0..=MOST_COLUMNS).map(|at| format!("c{at} INT8")).collect();
        let sql = format!("CREATE TABLE t ({})", columns.join(", "));
        fails(&sql, "54011", "tables can have at most 1600 columns");
    }

    #[test]
    fn keeps_rowid_for_tables_without_primary_key() {
        fails("CREATE TABLE t (rowid INT8)", "42701", "column \"rowid\" conflicts");
        table("CREATE TABLE t (rowid INT8 PRIMARY KEY)");
    }

    #[test]
    fn makes_a_table_from_a_query() {
        let Plan::CreateTableAs { name, query, .. } =
            planned("CREATE TABLE t AS SELECT id FROM customers").plan
        else {
            panic!("create table as");
        };
        assert_eq!((name.as_str(), query.text.as_str()), ("t", "SELECT id FROM customers"));
        fails("CREATE TABLE t AS SELECT * FROM nope", "42P01", "relation \"nope\"");
    }

    #[test]
    fn requires_create() {
        Session::default().user("alice").planned("CREATE TABLE t (a INT8)");
        Session::default().user("testuser").fails(
            "CREATE TABLE t (a INT8)",
            "42501",
            "user testuser does not have CREATE privilege on database defaultdb",
        );
    }
}
