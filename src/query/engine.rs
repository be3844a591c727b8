//! `Engine`: plans queries on a thread of their own and runs them within a memory limit.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use datafusion::common::Result as QueryResult;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{AnalyzerRule, Optimizer};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::SqlToRel;

use super::analyze::Meaning;
use super::error::{IntoOurs, Origin, from_query};
use super::file::FileProvider;
use super::function::{Sequences, Session};
use super::in_order::in_order;
use super::known::answer;
use super::planner::{Names, Tables, parser_options, reference};
use super::planning::{Planning, STACK};
use super::provider::StoredTable;
use super::rewrite::parse_query;
use super::{ExplainOptions, Home, QueryContext, Rows, compile, explain};
use crate::catalog::{Catalog, TableDescriptor};
use crate::error::{Error, Result};
use crate::query::CompiledExpr;
use crate::types::SqlType;

/// Rows of a batch between operators.
const BATCH_ROWS: usize = 8192;

/// The directory in the database where large queries put temporary files, if it exists.
const TEMPORARY: &str = "tmp";

/// Runs queries and compiles expressions, within a memory limit.
#[derive(Debug)]
pub struct Engine {
    states: Arc<States>,
    pool: Arc<dyn MemoryPool>,
    planning: Planning,
    /// The context of running queries, for the directory of their temporary files.
    task: Mutex<Option<(Option<PathBuf>, Arc<TaskContext>)>>,
}

/// What DataFusion plans with.
#[derive(Debug)]
struct States {
    /// For queries that are worth several threads.
    parallel: SessionState,
    /// For queries over few rows: they start sooner, and their rows come in one order every time.
    serial: SessionState,
}

/// The most rows in all tables of a query that runs on one thread.
const FEW_ROWS: u64 = 50_000;

/// A query that is ready to run.
pub(super) struct Plan {
    /// The optimized logical plan.
    pub(super) logical: LogicalPlan,
    /// The physical plan.
    pub(super) physical: Arc<dyn ExecutionPlan>,
}

impl Engine {
    /// Returns an engine that uses at most `memory` bytes and `threads` threads.
    pub fn new(memory: usize, threads: usize) -> Result<Self> {
        let threads = threads.max(1);
        let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(memory));
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        // What a sort keeps for merging its spilled runs must leave room for the runs themselves.
        let merge = &mut config.options_mut().execution.sort_spill_reservation_bytes;
        *merge = (*merge).min(memory / threads / 4);
        let runtime =
            RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).build_arc().ours()?;
        // That rule sums sums again, of which ours has another type than what it sums.
        let rules = Optimizer::new().rules.into_iter();
        let rules: Vec<_> =
            rules.filter(|rule| rule.name() != "single_distinct_aggregation_to_group_by").collect();
        let state = |config| {
            SessionStateBuilder::new()
                .with_config(config)
                .with_runtime_env(Arc::clone(&runtime))
                .with_default_features()
                .with_optimizer_rules(rules.clone())
                .build()
        };
        let serial = state(config.clone().with_target_partitions(1));
        let states = States { parallel: state(config), serial };
        let states = Arc::new(states);
        Ok(Self { states, pool, planning: Planning::default(), task: Mutex::default() })
    }

    /// Runs a query. Spans in errors are shifted by `offset`, the place of `sql` in the statement.
    pub async fn run(&self, context: &QueryContext, sql: &str, offset: usize) -> Result<Rows> {
        let tables: Arc<dyn Tables + Send + Sync> = Arc::new(context.clone());
        let plan = self.plan(tables, context.session(), sql, offset).await?;
        self.execute(&plan, Some(context))
    }

    /// Runs a query as `run` does; returns also how many rows it gives, if that is known before.
    pub async fn run_counted(
        &self,
        context: &QueryContext,
        sql: &str,
        offset: usize,
    ) -> Result<(Rows, Option<u64>)> {
        let tables: Arc<dyn Tables + Send + Sync> = Arc::new(context.clone());
        let plan = self.plan(tables, context.session(), sql, offset).await?;
        let count = row_count(&plan);
        Ok((self.execute(&plan, Some(context))?, count))
    }

    /// Returns the plan of a query as lines of text; runs it if `analyze`.
    pub async fn explain(
        &self,
        context: &QueryContext,
        sql: &str,
        offset: usize,
        options: ExplainOptions,
    ) -> Result<Vec<String>> {
        let tables: Arc<dyn Tables + Send + Sync> = Arc::new(context.clone());
        let plan = self.plan(tables, context.session(), sql, offset).await?;
        if options.analyze {
            let mut rows = self.execute(&plan, Some(context))?;
            while rows.next().await?.is_some() {}
        }
        Ok(explain::lines(&plan, options))
    }

    /// Compiles an expression over `columns`. With a `target`, the value is cast to its query form by the
    /// rules of assignment, and an expression that cannot be is refused (42804).
    pub fn compile(
        &self,
        context: &QueryContext,
        expr: &str,
        columns: &[(String, SqlType)],
        target: Option<&SqlType>,
    ) -> Result<CompiledExpr> {
        self.compile_for(&context.session(), expr, columns, target)
    }

    /// Compiles an expression for a session.
    pub(super) fn compile_for(
        &self,
        session: &Session,
        expr: &str,
        columns: &[(String, SqlType)],
        target: Option<&SqlType>,
    ) -> Result<CompiledExpr> {
        let state = &self.states.serial;
        thread::scope(|scope| {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, || {
                    guarded(|| compile::compile(state, session, expr, columns, target))
                })
                .map_err(no_thread)?
                .join()
                .unwrap_or_else(|_| Err(Error::internal("a panic while an expression was planned")))
        })
    }

    /// Plans a query on a thread with a stack for deep ones.
    pub(super) async fn plan(
        &self,
        tables: Arc<dyn Tables + Send + Sync>,
        session: Session,
        sql: &str,
        offset: usize,
    ) -> Result<Plan> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let states = Arc::clone(&self.states);
        let sql = sql.to_owned();
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let _entered = runtime.enter();
            let origin = Origin { sql: &sql, offset };
            let plan = guarded(|| plan_query(&states, tables.as_ref(), &session, origin));
            // Nobody waits any more if the query was cancelled.
            let _ = sender.send(plan);
        };
        self.planning.start(work).map_err(no_thread)?;
        receiver.await.unwrap_or_else(|_| Err(Error::internal("the planning thread ended early")))
    }

    /// Starts a planned query.
    pub(super) fn execute(&self, plan: &Plan, context: Option<&QueryContext>) -> Result<Rows> {
        let task = self.task(context);
        let stream = execute_stream(Arc::clone(&plan.physical), task).ours()?;
        Ok(Rows::from_stream(stream))
    }

    /// Returns the context of a running query; its temporary files go into the database directory
    /// if that has a place for them.
    fn task(&self, context: Option<&QueryContext>) -> Arc<TaskContext> {
        let directory = context
            .map(|context| context.store.path().join(TEMPORARY))
            .filter(|directory| directory.is_dir());
        let mut last = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, task)) = &*last
            && *known == directory
        {
            return Arc::clone(task);
        }
        let task = Arc::new(self.new_task(directory.clone()));
        *last = Some((directory, Arc::clone(&task)));
        task
    }

    fn new_task(&self, directory: Option<PathBuf>) -> TaskContext {
        let task = TaskContext::from(&self.states.parallel);
        let Some(directory) = directory else { return task };
        let disk =
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![directory]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&self.pool))
            .with_disk_manager_builder(disk)
            .build_arc();
        // A database that is open read-only has its directory, but not for us to write to.
        match runtime {
            Ok(runtime) => task.with_runtime(runtime),
            Err(_) => task,
        }
    }
}

impl QueryContext {
    /// Returns what functions may know.
    fn session(&self) -> Session {
        Session {
            database: self.database.clone(),
            user: self.user.clone(),
            now: self.now,
            time_zone: self.time_zone.clone(),
            sequences: Some(Sequences {
                store: Arc::clone(&self.store),
                view: Arc::clone(&self.view),
                database: self.home.as_ref().map_or(&self.database, |home| &home.database).clone(),
                user: self.user.clone(),
                table: self.home.as_ref().map(|home| home.table),
                memory: Arc::clone(&self.sequences),
            }),
        }
    }

    /// Returns the context of the expressions of a table: their names of sequences are those of its
    /// database.
    pub fn for_table(&self, table: &TableDescriptor) -> Self {
        let database = self.view.catalog.database_by_id(table.database);
        let home =
            database.map(|database| Home { database: database.name.clone(), table: table.id });
        Self { home, ..self.clone() }
    }
}

fn no_thread(error: std::io::Error) -> Error {
    Error::new(crate::error::SqlState::OUT_OF_MEMORY, "could not start a thread").caused_by(error)
}

/// Turns a panic into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Returns the error of a panic.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic");
    Error::internal(text)
}

fn plan_query(
    states: &States,
    tables: &dyn Tables,
    session: &Session,
    origin: Origin<'_>,
) -> Result<Plan> {
    let has_rowid = |parts: &[String]| reference(parts).is_some_and(|name| tables.has_rowid(&name));
    let prepared = parse_query(origin, &has_rowid)?;
    let names = Names::new(&states.serial, tables, session, prepared.rowid);
    let ours = |error| from_query(error, origin);
    let planner = SqlToRel::new_with_options(&names, parser_options());
    let plan = planner.sql_statement_to_plan(prepared.statement).map_err(ours)?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(ours)?;
    let few = stored_rows(&plan).ours()? <= FEW_ROWS;
    let state = if few { &states.serial } else { &states.parallel };
    let meaning = Meaning { time_zone: session.time_zone.clone() };
    let plan = meaning.analyze(plan, state.config_options()).map_err(ours)?;
    if let Some(physical) = answer(&plan) {
        return Ok(Plan { logical: plan, physical });
    }
    let logical = state.optimize(&plan).map_err(ours)?;
    let physical = state.query_planner().create_physical_plan(&logical, state);
    let physical = futures::executor::block_on(physical).map_err(ours)?;
    // Partitions of a plan for one thread come from UNION alone, so that none waits for another.
    let physical = if few { in_order(physical).map_err(ours)? } else { physical };
    Ok(Plan { logical, physical })
}

/// Returns how many rows a plan gives, if that is certain.
fn row_count(plan: &Plan) -> Option<u64> {
    let statistics = StatisticsContext::new();
    let known = statistics.compute(plan.physical.as_ref(), &StatisticsArgs::new()).ok()?;
    match known.num_rows {
        Precision::Exact(rows) => u64::try_from(rows).ok(),
        Precision::Inexact(_) | Precision::Absent => None,
    }
}

/// Returns the rows of all tables and files that a plan reads, about.
fn stored_rows(plan: &LogicalPlan) -> QueryResult<u64> {
    let mut rows = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
        {
            let table = table.as_ref() as &dyn Any;
            let stored = table.downcast_ref::<StoredTable>().map(StoredTable::rows);
            let file = || table.downcast_ref::<FileProvider>().map(FileProvider::rows);
            rows += stored.or_else(file).unwrap_or(0);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(rows)
}
