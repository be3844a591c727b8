//! The life of one statement in a session: parsed, planned, done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Events, Outcome, Rows, Session, TransactionState};
use crate::catalog::ROOT;
use crate::error::{Error, Result, Span, SqlState};
use crate::job::Event;
use crate::job::file_table::open_file_table;
use crate::plan::{Absolute, Plan, PlanContext, Planned, Query, plan};
use crate::query::{ExplainOptions, QueryContext};
use crate::source::{Location, redact, redact_text};
use crate::store::View;
use crate::syntax::{self, ast::Statement};

/// The largest CREATE USING file, in bytes.
const LARGEST_SCHEMA_FILE: u64 = 1 << 20;

impl Session {
    /// Runs one statement, given without its semicolon. Errors carry the text.
    pub async fn execute(&mut self, text: &str, events: Events) -> Result<Outcome> {
        self.cancel.reset();
        self.transaction = self.transaction();
        self.rows_failed.store(false, Ordering::Relaxed);
        self.timer.start(self.variable("statement_timeout").as_deref(), &self.cancel);
        let mut outcome = self.run_text(text, &events).await;
        self.copy_input = None;
        if !matches!(outcome, Ok(Outcome::Rows { .. } | Outcome::Copy { .. })) {
            self.timer.stop();
            outcome = outcome.map_err(|error| match error.code() {
                SqlState::QUERY_CANCELED if self.cancel.is_cancelled() => self.cancel.error(),
                _ => error,
            });
        }
        if outcome.is_err() && self.transaction == TransactionState::Open {
            self.transaction = TransactionState::Failed;
        }
        outcome.map_err(|error| with_safe_text(error, text))
    }

    async fn run_text(&mut self, text: &str, events: &Events) -> Result<Outcome> {
        let statement = syntax::parse(text)?;
        // The record of a job has what is printed, from which more may be cut than from the text.
        let printed = |redact: &dyn Fn(&str) -> String| syntax::print(&statement, redact);
        self.secrets = redact_text(text) != text || printed(&redact) != printed(&str::to_owned);
        let planned = self.plan(&statement).await?;
        planned.notices.into_iter().for_each(|notice| events(Event::Notice(notice)));
        self.run_plan(planned.plan, events).await
    }

    /// Plans a statement; reads the CREATE USING file if planning asks for it.
    async fn plan(&self, statement: &Statement) -> Result<Planned> {
        let view = self.view();
        let planned = self.plan_on(&view, statement, None)?;
        let Plan::NeedsFile(url) = &planned.plan else { return Ok(planned) };
        let location = Location::parse(url)?;
        let access = Arc::clone(&self.access);
        // A server may take its time, in which the statement can be cancelled.
        let read = move || access.read_text(&location, LARGEST_SCHEMA_FILE);
        let text = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Error::internal("reading a file ended early").caused_by(error))??;
        let planned = self.plan_on(&view, statement, Some(&text))?;
        match planned.plan {
            Plan::NeedsFile(_) => Err(Error::internal("planning asked for a file twice")),
            _ => Ok(planned),
        }
    }

    /// Plans a statement on a view, with the text of the CREATE USING file if it has been read.
    fn plan_on(&self, view: &View, statement: &Statement, file: Option<&str>) -> Result<Planned> {
        let absolute = |text: &str| match Location::parse(text) {
            Ok(location) => self.access.absolute(&location),
            Err(_) => redact(text),
        };
        let context = PlanContext {
            user: &self.user,
            database: &self.database,
            in_transaction: self.transaction != TransactionState::Idle,
            transaction_failed: self.transaction == TransactionState::Failed,
            read_only: self.options.read_only,
            variables: &self.variables,
            file,
            absolute: Absolute(&absolute),
        };
        plan(statement, &*view.catalog, &context)
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind of plan")]
    async fn run_plan(&mut self, plan: Plan, events: &Events) -> Result<Outcome> {
        match plan {
            Plan::NeedsFile(_) => Err(Error::internal("a plan without its file")),
            Plan::ImportDump(import) => self.run_import_dump(*import, events).await,
            Plan::Import(import) => self.run_import(*import, events).await,
            Plan::Export(export) => self.run_export(export, events).await,
            Plan::CopyFrom(import) => self.run_copy_from(*import, events).await,
            Plan::CopyOut { query, format } => self.run_copy_out(&query, &format).await,
            Plan::CreateTable(table) => self.run_create_table(*table),
            Plan::CreateTableAs { database, name, query } => {
                self.run_create_table_as(database, &name, &query).await
            }
            Plan::DropTables(dropped) => self.run_drop(&dropped, "DROP TABLE"),
            Plan::DropSequences(dropped) => self.run_drop(&dropped, "DROP SEQUENCE"),
            Plan::CreateSequence(sequence) => self.run_create_sequence(*sequence),
            Plan::AlterSequence(change) => self.run_alter_sequence(&change),
            Plan::CreateIndex(create) => self.run_create_index(*create, events).await,
            Plan::DropIndexes { indexes, foreign_keys } => {
                self.run_drop_indexes(&indexes, &foreign_keys)
            }
            Plan::CreateDatabase { name } => self.run_create_database(&name),
            Plan::DropDatabase { database, dropped } => self.run_drop_database(database, &dropped),
            Plan::Use { name } => {
                self.use_database(&name);
                Ok(done("SET"))
            }
            Plan::Insert(insert) => self.run_insert(*insert).await,
            Plan::Query(query) => {
                let rows = self.run_query(&query).await?;
                Ok(Outcome::Rows { rows, tag: "SELECT" })
            }
            Plan::Explain { analyze, verbose, query } => {
                self.run_explain(&query, ExplainOptions { analyze, verbose }).await
            }
            Plan::ExplainLines(lines) => Ok(explained(lines)?),
            Plan::CreateUser { name } => {
                self.store.update(|changes| changes.put_user(&name))?;
                Ok(done("CREATE USER"))
            }
            Plan::DropUsers { names } => self.run_drop_users(&names),
            Plan::SetGrants { grants, tag } => {
                self.store.update(|changes| {
                    grants
                        .into_iter()
                        .filter(|(_, user, _)| user != ROOT)
                        .try_for_each(|(object, user, set)| changes.put_grant(object, &user, set))
                })?;
                Ok(done(tag))
            }
            Plan::ControlJobs { action, jobs, reason } => {
                self.run_control_jobs(action, &jobs, reason.as_deref()).await
            }
            Plan::Begin => Ok(self.set_transaction(TransactionState::Open, "BEGIN")),
            Plan::Commit => {
                // PostgreSQL ends a failed transaction by COMMIT as by ROLLBACK, and says so.
                let failed = self.transaction == TransactionState::Failed;
                let tag = if failed { "ROLLBACK" } else { "COMMIT" };
                let committed = if failed {
                    self.forget_written();
                    Ok(())
                } else {
                    self.commit_written()
                };
                self.end_pending(!failed && committed.is_ok());
                let ended = self.set_transaction(TransactionState::Idle, tag);
                committed.map(|()| ended)
            }
            Plan::Rollback => {
                self.end_pending(false);
                self.forget_written();
                Ok(self.set_transaction(TransactionState::Idle, "ROLLBACK"))
            }
            Plan::SetClusterSetting { name, value } => {
                self.store.update(|changes| changes.put_setting(&name, value.as_deref()))?;
                let tag =
                    if value.is_some() { "SET CLUSTER SETTING" } else { "RESET CLUSTER SETTING" };
                Ok(done(tag))
            }
            Plan::SetVariables { values, tag } => {
                for (name, value) in values {
                    if name == "database" {
                        self.use_database(&value);
                    } else {
                        self.variables.insert(name, value);
                    }
                }
                Ok(done(tag))
            }
            Plan::Show(show) => self.run_show(show).await,
            Plan::Nothing { tag } => Ok(done(tag)),
        }
    }

    /// Starts the jobs that waited for the end of the transaction, or forgets them.
    fn end_pending(&mut self, start: bool) {
        for waiting in std::mem::take(&mut self.pending) {
            if start {
                self.launch(waiting, true);
            } else {
                waiting.forget();
            }
        }
    }

    /// Plans a statement of another time, for its user in its database.
    pub(super) fn plan_for(
        &self,
        (user, database): (&str, &str),
        statement: &Statement,
    ) -> Result<Planned> {
        let absolute = |text: &str| text.to_owned();
        let context = PlanContext {
            user,
            database,
            in_transaction: false,
            transaction_failed: false,
            read_only: self.options.read_only,
            variables: &self.variables,
            file: None,
            absolute: Absolute(&absolute),
        };
        plan(statement, &*self.store.view().catalog, &context)
    }

    fn set_transaction(&mut self, state: TransactionState, tag: &str) -> Outcome {
        let open = state == TransactionState::Open;
        if !open {
            self.snapshot = None;
        } else if self.snapshot.is_none() {
            self.snapshot = Some(self.store.view());
        }
        let status = if open { "Open" } else { "NoTxn" };
        self.variables.insert("transaction_status".to_owned(), status.to_owned());
        self.transaction = state;
        done(tag)
    }

    /// Starts a query; its rows stop with 57014 when the statement is cancelled.
    pub(super) async fn run_query(&self, query: &Query) -> Result<Rows> {
        let context = self.query_context_of(query).await?;
        let running = self.engine.run(&context, &query.text, query.offset);
        let rows = tokio::select! {
            rows = running => rows?,
            () = self.cancel.cancelled() => return Err(self.cancel.error()),
        };
        let cancel = self.cancel.clone();
        let stopping = rows.until(Box::pin(async move {
            cancel.cancelled().await;
            cancel.error()
        }));
        Ok(stopping.noting_failure(Arc::clone(&self.rows_failed)))
    }

    /// Returns what a query may see, with the files that it names, opened.
    async fn query_context_of(&self, query: &Query) -> Result<QueryContext> {
        let mut context = self.query_context();
        if query.files.is_empty() {
            return Ok(context);
        }
        let (access, names) = (Arc::clone(&self.access), query.files.clone());
        let open = move || {
            names.iter().map(|name| open_file_table(&access, name)).collect::<Result<Vec<_>>>()
        };
        let opened = tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| Error::internal("opening a file ended early").caused_by(error))??;
        context.files = opened.into();
        Ok(context)
    }

    async fn run_explain(&self, query: &Query, options: ExplainOptions) -> Result<Outcome> {
        let context = self.query_context_of(query).await?;
        let running = self.engine.explain(&context, &query.text, query.offset, options);
        tokio::select! {
            lines = running => explained(lines?),
            () = self.cancel.cancelled() => Err(self.cancel.error()),
        }
    }

    fn run_drop_users(&mut self, names: &[String]) -> Result<Outcome> {
        if names.contains(&self.user) {
            return Err(Error::new(
                SqlState::OBJECT_IN_USE,
                format!("user \"{}\" is the session's user", self.user),
            ));
        }
        self.store.update(|changes| names.iter().try_for_each(|name| changes.remove_user(name)))?;
        Ok(done("DROP USER"))
    }
}

/// Attaches the statement's text to an error, secrets redacted; a span moves with its token.
pub(super) fn with_safe_text(error: Error, text: &str) -> Error {
    let safe = redact_text(text);
    if safe == text || error.text().is_some() {
        return error.with_text(&text.into());
    }
    let moved = |at: usize| text.get(..at).map_or(0, |before| redact_text(before).len());
    error.map_span(|span| Span::new(moved(span.start), moved(span.end))).with_text(&safe.into())
}

/// Returns the outcome that is only a command tag.
pub(super) fn done(tag: impl Into<String>) -> Outcome {
    Outcome::Done { tag: tag.into() }
}

fn explained(lines: Vec<String>) -> Result<Outcome> {
    let mut result = super::show::Table::new(&["info"]);
    for line in lines {
        result.row([line.into()]);
    }
    Ok(Outcome::Rows { rows: result.into_rows()?, tag: "" })
}
