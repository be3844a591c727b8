//! What names in a query stand for: tables, functions and types.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::catalog::{TableFunctionArgs, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as QueryResult, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::ParserOptions;

use super::error::{external, nearest};
use super::function::{self, Session, aggregate};
use super::operator::Operators;
use super::provider::StoredTable;
use super::sql_types::Types;
use super::{FileTable, QueryContext, analyze, checked, choice};
use crate::catalog::{Catalog, PUBLIC_SCHEMA, ROWID, TableDescriptor};
use crate::error::{Error, Result, SqlState};

/// Finds tables by name.
pub(super) trait Tables {
    /// Returns the table of this name, with its hidden row id if that is wanted.
    fn table(&self, name: &TableReference, rowid: bool) -> Result<Arc<dyn TableProvider>>;

    /// Returns whether the table of this name has a hidden row id.
    fn has_rowid(&self, name: &TableReference) -> bool;
}

impl QueryContext {
    /// Returns the table that a name in one, two or three parts means.
    fn find(&self, name: &TableReference) -> Option<&TableDescriptor> {
        let catalog = self.view.catalog.as_ref();
        let (database, table) = match name {
            TableReference::Bare { table } => (self.database.as_str(), table),
            // Each database has the one schema, so that any other first part is a database.
            TableReference::Partial { schema, table } if &**schema == PUBLIC_SCHEMA => {
                (self.database.as_str(), table)
            }
            TableReference::Partial { schema, table } => (&**schema, table),
            TableReference::Full { catalog, schema, table } => {
                if &**schema != PUBLIC_SCHEMA {
                    return None;
                }
                (&**catalog, table)
            }
        };
        let database = Catalog::database(catalog, database)?;
        Catalog::table(catalog, database.id, table)
    }

    fn no_table(&self, name: &TableReference) -> Error {
        let shown = match name {
            TableReference::Bare { table } => table.to_string(),
            TableReference::Partial { schema, table } => format!("{schema}.{table}"),
            TableReference::Full { catalog, schema, table } => {
                format!("{catalog}.{schema}.{table}")
            }
        };
        let error =
            Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist"));
        let catalog = self.view.catalog.as_ref();
        let Some(database) = Catalog::database(catalog, &self.database) else { return error };
        let tables = catalog.tables(database.id);
        match nearest(name.table(), tables.iter().map(|table| table.name.as_str())) {
            Some(near) if name.schema().is_none() => {
                error.hint(format!("Did you mean \"{near}\"?"))
            }
            _ => error,
        }
    }
}

impl Tables for QueryContext {
    fn table(&self, name: &TableReference, rowid: bool) -> Result<Arc<dyn TableProvider>> {
        if let Some(file) = FileTable::named(&self.files, name.table()) {
            return Ok(Arc::new(file.provider()));
        }
        let table = self.find(name).ok_or_else(|| self.no_table(name))?;
        Ok(Arc::new(StoredTable::new(&self.store, &self.view, table, rowid)?))
    }

    fn has_rowid(&self, name: &TableReference) -> bool {
        self.find(name)
            .is_some_and(|table| table.primary_key.is_none() && table.column(ROWID).is_none())
    }
}

/// Returns the name that parts written in a query make, if they can name a table.
pub(super) fn reference(parts: &[String]) -> Option<TableReference> {
    match parts {
        [table] => Some(TableReference::bare(table.as_str())),
        [schema, table] => Some(TableReference::partial(schema.as_str(), table.as_str())),
        [catalog, schema, table] => {
            Some(TableReference::full(catalog.as_str(), schema.as_str(), table.as_str()))
        }
        _ => None,
    }
}

/// How SQL is read.
pub(super) fn parser_options() -> ParserOptions {
    ParserOptions::new().with_parse_float_as_decimal(true).with_collect_spans(true)
}

/// What DataFusion's SQL planner asks for.
pub(super) struct Names<'a> {
    state: &'a SessionState,
    tables: &'a dyn Tables,
    session: &'a Session,
    rowid: bool,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl<'a> Names<'a> {
    /// Returns the names that are known in a query.
    pub(super) fn new(
        state: &'a SessionState,
        tables: &'a dyn Tables,
        session: &'a Session,
        rowid: bool,
    ) -> Self {
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators)];
        planners.extend(state.expr_planners().iter().cloned());
        Self { state, tables, session, rowid, planners }
    }
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> QueryResult<Arc<dyn TableSource>> {
        let table = self.tables.table(&name, self.rowid).map_err(external)?;
        Ok(provider_as_source(table))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> QueryResult<Arc<dyn TableSource>> {
        let Some(function) = self.state.table_functions().get(name) else {
            return Err(external(Error::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("function \"{name}\" does not exist"),
            )));
        };
        let schema = DFSchema::empty();
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let args = args
            .into_iter()
            .map(|arg| {
                let arg = analyze::rewrite(arg, &schema, &self.session.time_zone)?;
                simplifier.simplify(simplifier.coerce(arg, &schema)?)
            })
            .collect::<QueryResult<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> QueryResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let name = match name {
            "sign" => "signum",
            "mod" => return Some(Arc::new(checked::function(checked::Op::Modulo))),
            other => other,
        };
        function::scalar(name, self.session)
            .or_else(|| self.state.scalar_functions().get(name).cloned().map(choice::loose))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        aggregate::named(name).or_else(|| self.state.aggregate_functions().get(name).cloned())
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        let known = self.state.scalar_functions().keys().cloned();
        known.chain(function::names().map(str::to_owned)).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
