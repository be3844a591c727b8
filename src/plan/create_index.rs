//! CREATE INDEX: which index of which table, and under which name.

use super::constraint;
use super::create_table::Draft;
use super::import::{described_options, full_name};
use super::suggestion::did_you_mean;
use super::{Plan, Planner};
use crate::catalog::{IndexDescriptor, Privilege, TableDescriptor};
use crate::error::{Error, Notice, Result, SqlState};
use crate::source::redact;
use crate::syntax;
use crate::syntax::ast::{self, Ident, OptionPair, Statement};

/// The option of CREATE INDEX.
const DETACHED: &str = "detached";

/// An index to build.
#[derive(Clone, Debug)]
pub struct CreateIndex {
    /// The table, without the index.
    pub table: TableDescriptor,
    /// The index, whose id the table gives next.
    pub index: IndexDescriptor,
    /// The statement, printed canonically: for the job record.
    pub description: String,
    /// Whether the statement returns when the job has begun.
    pub detached: bool,
}

impl CreateIndex {
    /// Returns the table with the index.
    pub fn with_index(&self) -> TableDescriptor {
        let mut table = self.table.clone();
        table.next_index.0 = table.next_index.0.max(self.index.id.0 + 1);
        table.indexes.push(self.index.clone());
        table
    }
}

/// Plans a CREATE INDEX.
pub(super) fn plan_create_index(
    planner: &mut Planner<'_>,
    create: &ast::CreateIndex,
) -> Result<Plan> {
    if planner.context.in_transaction {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            "CREATE INDEX cannot be used inside a transaction",
        )
        .hint("COMMIT or ROLLBACK first."));
    }
    let detached = check_options(&create.options)?;
    let table = planner.require_table(&create.table)?;
    planner.require_on_table(Privilege::Create, table, create.table.span)?;
    let mut draft = Draft::new(planner, table.clone());
    take_names(&mut draft, table);
    if let Some(name) = &create.index.name {
        if create.if_not_exists && draft.index_names.contains(&name.value) {
            let told = format!("index \"{}\" already exists, skipping", name.value);
            planner.notice(Notice::notice(told));
            return Ok(Plan::Nothing { tag: "CREATE INDEX" });
        }
        require_free(&mut draft, name, create.index.unique)?;
    }
    constraint::add_index(&mut draft, &create.index)?;
    let Some(index) = draft.table.indexes.pop() else {
        return Err(Error::internal("an index was planned and is not there"));
    };
    let description = description(planner, create, (table, &index));
    let table = table.clone();
    Ok(Plan::CreateIndex(Box::new(CreateIndex { table, index, description, detached })))
}

/// Checks the options; returns whether the statement is not to wait.
fn check_options(options: &[OptionPair]) -> Result<bool> {
    for (at, option) in options.iter().enumerate() {
        let key = &option.key;
        let error = |message: String| Error::new(SqlState::SYNTAX_ERROR, message);
        if key.value != DETACHED {
            let error = error(format!("invalid option \"{}\"", key.value)).at(key.span);
            return Err(did_you_mean(error, &key.value, [DETACHED]));
        }
        if at > 0 {
            return Err(error(format!("option \"{DETACHED}\" given twice")).at(key.span));
        }
        if let Some(value) = &option.value {
            return Err(
                error(format!("option \"{DETACHED}\" does not take a value")).at(value.span)
            );
        }
    }
    Ok(!options.is_empty())
}

/// Takes the names of the table's constraints and indexes.
fn take_names(draft: &mut Draft<'_>, table: &TableDescriptor) {
    let indexes = table.all_indexes().map(|index| index.name.clone());
    draft.index_names.extend(indexes);
    let unique = table.all_indexes().filter(|index| index.unique).map(|index| &index.name);
    let checks = table.checks.iter().map(|check| &check.name);
    let foreign_keys = table.foreign_keys.iter().map(|key| &key.name);
    draft.constraint_names.extend(unique.chain(checks).chain(foreign_keys).cloned());
}

/// Refuses a name that the table has for another index, or for another constraint if keys must differ.
fn require_free(draft: &mut Draft<'_>, name: &Ident, unique: bool) -> Result {
    if !draft.index_names.insert(name.value.clone()) {
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("index with name \"{}\" already exists", name.value),
        )
        .at(name.span));
    }
    if unique && !draft.constraint_names.insert(name.value.clone()) {
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!(
                "constraint \"{}\" for relation \"{}\" already exists",
                name.value, draft.table.name
            ),
        )
        .at(name.span));
    }
    Ok(())
}

/// Prints the statement for the job record: the table's full name and the index's name.
fn description(
    planner: &Planner<'_>,
    create: &ast::CreateIndex,
    (table, index): (&TableDescriptor, &IndexDescriptor),
) -> String {
    let database = planner.catalog.database_by_id(table.database);
    let name = Ident { value: index.name.clone(), span: create.index.span };
    let statement = Statement::CreateIndex(ast::CreateIndex {
        table: full_name(database.map_or("", |database| &database.name), &table.name),
        if_not_exists: false,
        index: ast::IndexElement { name: Some(name), ..create.index.clone() },
        options: described_options(&create.options, planner.context.absolute),
    });
    syntax::print(&statement, &redact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ColumnId, IndexId};
    use crate::plan::fixture::{Session, fails, planned};

    fn created(sql: &str) -> CreateIndex {
        match planned(sql).plan {
            Plan::CreateIndex(create) => *create,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn names_and_numbers_the_index() {
        let create = created("CREATE INDEX ON customers (age DESC, name) STORING (email)");
        let index = &create.index;
        assert_eq!((index.name.as_str(), index.id), ("customers_age_name_idx", IndexId(3)));
        assert_eq!((index.unique, index.constraint), (false, false));
        assert!(index.key[0].descending && !index.key[1].descending);
        assert_eq!(index.storing, [ColumnId(3)]);
        let table = create.with_index();
        assert_eq!((table.indexes.len(), table.next_index), (2, IndexId(4)));
        let unique = created("CREATE UNIQUE INDEX ON customers (email)");
        assert_eq!(unique.index.name, "customers_email_key1");
        let named =
            created("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON customers USING btree (id)");
        assert_eq!(named.index.name, "i");
    }

    #[test]
    fn describes_itself_with_all_names() {
        let create = created(
            "create unique index if not exists on_age on customers (age desc nulls last, id) \
             include (name) with (detached)",
        );
        assert_eq!(
            create.description,
            "CREATE UNIQUE INDEX on_age ON defaultdb.public.customers (age DESC, id) \
             STORING (name) WITH detached"
        );
        assert!(create.detached);
    }

    #[test]
    fn refuses_names_that_are_taken() {
        let message = "index with name \"customers_email_key\" already exists";
        fails("CREATE INDEX customers_email_key ON customers (age)", "42P07", message);
        fails("CREATE INDEX \"primary\" ON customers (age)", "42P07", "already exists");
        let constraint = "constraint \"fk_customer_ref_customers\" for relation \"orders\"";
        let sql = "CREATE UNIQUE INDEX fk_customer_ref_customers ON orders (note)";
        fails(sql, "42710", constraint);
        let sql = "CREATE INDEX IF NOT EXISTS customers_email_key ON customers (age)";
        let skipped = planned(sql);
        assert!(matches!(skipped.plan, Plan::Nothing { tag: "CREATE INDEX" }));
        let told = "index \"customers_email_key\" already exists, skipping";
        assert_eq!(skipped.notices[0].message, told);
    }

    #[test]
    fn refuses_what_is_not_there_and_what_cannot_be() {
        fails("CREATE INDEX ON nope (a)", "42P01", "relation \"nope\" does not exist");
        fails("CREATE INDEX ON customers (nope)", "42703", "column \"nope\" does not exist");
        fails("CREATE INDEX ON customers (age, age)", "42701", "appears twice in index");
        fails("CREATE INDEX ON customers (age) STORING (age)", "42701", "already contains");
        fails("CREATE INDEX ON customers (age) WITH fast", "42601", "invalid option \"fast\"");
        fails("CREATE INDEX ON customers (age) WITH detached = 'x'", "42601", "not take a value");
        fails("CREATE INDEX ON customers (age) WITH detached, detached", "42601", "given twice");
        let open = Session::default().in_transaction();
        let message = "CREATE INDEX cannot be used inside a transaction";
        open.fails("CREATE INDEX ON customers (age)", "25001", message);
        let closed = Session::default().read_only();
        closed.fails("CREATE INDEX ON customers (age)", "25006", "cannot execute CREATE INDEX");
    }

    #[test]
    fn requires_create_on_the_table() {
        let sql = "CREATE INDEX ON customers (age)";
        let message = "user alice does not have CREATE privilege on relation customers";
        Session::default().user("alice").fails(sql, "42501", message);
    }
}
