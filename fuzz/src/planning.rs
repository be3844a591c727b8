//! A catalog to plan statements against: `t (a INT8 PRIMARY KEY, b STRING)` in `defaultdb`.

use wharf::catalog::{
    Catalog, DEFAULT_DATABASE, DatabaseDescriptor, DatabaseId, ROOT, Snapshot, TableId,
};
use wharf::error::Result;
use wharf::plan::{Absolute, Plan, PlanContext, Planned, Variables, default_variables, plan};
use wharf::syntax::ast::Statement;
use wharf::syntax::parse;

/// The database.
pub(crate) const DATABASE: DatabaseId = DatabaseId(1);

/// What statements are planned against.
pub(crate) struct Planning {
    pub(crate) catalog: Snapshot,
    variables: Variables,
}

impl Planning {
    pub(crate) fn new() -> Self {
        let mut catalog = Snapshot::default();
        let name = DEFAULT_DATABASE.to_owned();
        catalog.put_database(DatabaseDescriptor { id: DATABASE, name });
        catalog.settings.insert("experimental.importcsv.enabled".to_owned(), "true".to_owned());
        let mut planning = Self { catalog, variables: default_variables() };
        let made = parse("CREATE TABLE t (a INT8 PRIMARY KEY, b STRING)")
            .and_then(|statement| planning.plan(&statement));
        if let Ok(Planned { plan: Plan::CreateTable(mut table), .. }) = made {
            table.id = TableId(1);
            planning.catalog.put_table(*table);
        }
        assert!(planning.catalog.table(DATABASE, "t").is_some());
        planning
    }

    /// Plans a statement of root's.
    pub(crate) fn plan(&self, statement: &Statement) -> Result<Planned> {
        self.with_context(|context| plan(statement, &self.catalog, context))
    }

    pub(crate) fn with_context<T>(&self, run: impl FnOnce(&PlanContext<'_>) -> T) -> T {
        run(&PlanContext {
            user: ROOT,
            database: DEFAULT_DATABASE,
            in_transaction: false,
            transaction_failed: false,
            read_only: false,
            variables: &self.variables,
            file: None,
            absolute: Absolute(&str::to_owned),
        })
    }
}
