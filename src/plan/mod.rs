//! A `Statement` and the catalog to a checked `Plan`: names resolved, privileges and options checked,
//! nothing executed, no file touched.
//!
//! Where a rule needs the file of CREATE USING, the plan is `Plan::NeedsFile`; `session` reads the
//! file and plans again with its text. Expressions are checked as far as their names go; their types
//! are the query engine's business.

mod column;
mod constraint;
mod copy;
mod copy_option;
mod create_index;
mod create_table;
mod database;
#[cfg(test)]
mod documentation;
mod drop;
mod drop_index;
mod dump;
mod explain;
mod export;
mod export_option;
#[cfg(test)]
mod fixture;
mod foreign_key;
mod format;
mod grant;
mod import;
mod import_into;
mod insert;
mod job;
mod option;
mod option_dump;
mod option_format;
mod privilege;
mod query;
mod resolve;
mod sequence;
mod setting;
mod show;
mod show_create;
mod suggestion;
mod transaction;
mod user;
mod variable;

pub use copy_option::COPY_OPTIONS;
pub use create_index::CreateIndex;
pub use dump::{ImportDump, describe_dumped};
pub use export::{Export, ExportFormat, ExportResult, ExportTarget, ForceQuote};
pub use export_option::{OutputCompression, export_option_help};
pub use format::{
    AvroFormat, CsvFormat, DataFormat, Decompress, DelimitedFormat, FormatKind, FormatName, Header,
    NamedFormat, PgCopyFormat,
};
pub use import_into::require_values;
pub use option::{OptionHelp, option_help};
pub use option_dump::dump_option_help;
pub use sequence::{SequenceChange, describe_dumped_sequence};
pub use setting::{CLUSTER_SETTINGS, ClusterSetting, SettingKind, cluster_setting};
pub use show_create::{create_sequence_text, create_table_text};
pub use variable::{VariableHelp, default_variables, variable_help};

use crate::catalog::{
    Catalog, ColumnId, DatabaseId, IndexId, Object, PrivilegeSet, SequenceDescriptor,
    TableDescriptor, TableId,
};
use crate::error::{Error, Notice, Result, SqlState};
use crate::record::TextFormat;
use crate::syntax::ast;

/// What planning knows besides the statement and the catalog.
#[derive(Clone, Debug)]
pub struct PlanContext<'a> {
    /// The session's user.
    pub user: &'a str,
    /// The current database's name.
    pub database: &'a str,
    /// Whether a transaction is open.
    pub in_transaction: bool,
    /// Whether the open transaction has failed.
    pub transaction_failed: bool,
    /// Whether the database is open read-only.
    pub read_only: bool,
    /// Reads a session variable.
    pub variables: &'a crate::plan::Variables,
    /// The text of the file that a plan asked for by `NeedsFile`.
    pub file: Option<&'a str>,
    /// Makes the name of a place absolute, for job records.
    pub absolute: Absolute<'a>,
}

/// Makes the name of a place absolute, secrets redacted; a name that is none stays.
#[derive(Clone, Copy)]
pub struct Absolute<'a>(pub &'a dyn Fn(&str) -> String);

impl std::fmt::Debug for Absolute<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Absolute")
    }
}

/// Session variables by name, with their values; every known one is present.
pub type Variables = std::collections::BTreeMap<String, String>;

/// A checked statement, and what to tell the user before it runs.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What to do.
    pub plan: Plan,
    /// Notices, such as an option without effect.
    pub notices: Vec<Notice>,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Planning needs the text of this file (CREATE USING): read it and plan again.
    NeedsFile(String),
    /// Make a table from data files, or add their rows to one.
    Import(Box<Import>),
    /// Make tables from a dump.
    ImportDump(Box<ImportDump>),
    /// Write rows to files.
    Export(Box<Export>),
    /// Add the rows of a file to a table, and tell how many.
    CopyFrom(Box<Import>),
    /// Write rows to standard output.
    CopyOut {
        /// The rows.
        query: Query,
        /// How they are written.
        format: ExportFormat,
    },
    /// Make an empty table; ids of the table itself are still 0, column and index ids are set.
    CreateTable(Box<TableDescriptor>),
    /// Make a table from a query's rows.
    CreateTableAs {
        /// The database.
        database: DatabaseId,
        /// The table's name.
        name: String,
        /// The query.
        query: Query,
    },
    /// Drop tables.
    DropTables(Dropped),
    /// Build an index.
    CreateIndex(Box<CreateIndex>),
    /// Drop indexes.
    DropIndexes {
        /// The indexes with their tables.
        indexes: Vec<(TableId, IndexId)>,
        /// Foreign keys that fall with them: table and constraint name.
        foreign_keys: Vec<(TableId, String)>,
    },
    /// Make a sequence; its id is still 0.
    CreateSequence(Box<SequenceDescriptor>),
    /// Change a sequence.
    AlterSequence(Box<SequenceChange>),
    /// Drop sequences.
    DropSequences(Dropped),
    /// Make a database.
    CreateDatabase {
        /// Its name.
        name: String,
    },
    /// Drop a database and its tables.
    DropDatabase {
        /// The database.
        database: DatabaseId,
        /// What it holds, and what falls with that.
        dropped: Dropped,
    },
    /// Make a database the current one.
    Use {
        /// Its name.
        name: String,
    },
    /// Add rows.
    Insert(Box<Insert>),
    /// Run a query.
    Query(Query),
    /// Explain a query.
    Explain {
        /// Run it and show what happened.
        analyze: bool,
        /// Show every plan.
        verbose: bool,
        /// The query.
        query: Query,
    },
    /// Explain a statement that is no query: these lines.
    ExplainLines(Vec<String>),
    /// Make a user.
    CreateUser {
        /// Its name.
        name: String,
    },
    /// Drop users, none of which is root.
    DropUsers {
        /// Their names.
        names: Vec<String>,
    },
    /// Set privileges to these sets.
    SetGrants {
        /// Object, user and the whole new set.
        grants: Vec<(Object, String, PrivilegeSet)>,
        /// `GRANT` or `REVOKE`.
        tag: &'static str,
    },
    /// Pause, resume or cancel jobs.
    ControlJobs {
        /// What to do.
        action: ast::JobAction,
        /// To which jobs.
        jobs: JobSelection,
        /// Why, as the jobs will tell.
        reason: Option<String>,
    },
    /// Begin a transaction.
    Begin,
    /// End it.
    Commit,
    /// Abandon it.
    Rollback,
    /// Set (`Some`) or reset a cluster setting; the value is checked and canonical.
    SetClusterSetting {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// Set session variables; values are checked and canonical.
    SetVariables {
        /// Names and values.
        values: Vec<(String, String)>,
        /// `SET` or `RESET`.
        tag: &'static str,
    },
    /// Show something of the catalog.
    Show(Show),
    /// Nothing to do, such as CREATE TABLE IF NOT EXISTS of a table that exists.
    Nothing {
        /// The command tag.
        tag: &'static str,
    },
}

/// What a DROP removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Tables.
    pub tables: Vec<TableId>,
    /// Sequences, also those that columns of the tables own.
    pub sequences: Vec<TableId>,
    /// Foreign keys of other tables that fall with them: table and constraint name.
    pub foreign_keys: Vec<(TableId, String)>,
    /// Columns of other tables whose defaults fall with them.
    pub defaults: Vec<(TableId, ColumnId)>,
}

/// A query whose tables the user may read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub text: String,
    /// Its place in the statement.
    pub offset: usize,
    /// The files that stand in place of tables, as written.
    pub files: Vec<String>,
}

/// Rows to add to a table.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The table.
    pub table: TableId,
    /// The target columns, in the order of the source's columns.
    pub columns: Vec<ColumnId>,
    /// Where the rows come from.
    pub source: InsertSource,
}

/// Where inserted rows come from.
#[derive(Clone, Debug)]
pub enum InsertSource {
    /// A query.
    Query(Query),
    /// `VALUES`: rows of cells, each SQL text with its offset in the statement, or `None` for DEFAULT.
    Values(Vec<Vec<Option<(String, usize)>>>),
    /// One row of defaults.
    Defaults,
    /// Rows of text that follow the statement.
    Data(CopyData),
}

/// How the rows of COPY FROM STDIN are written.
#[derive(Clone, Debug)]
pub struct CopyData {
    /// The format.
    pub format: TextFormat,
    /// The text that means NULL where it is not in quotes, in CSV.
    pub null: String,
    /// Whether the first row is to be passed over.
    pub header: bool,
}

/// Which jobs a statement is about.
#[derive(Clone, Debug)]
pub enum JobSelection {
    /// All.
    All,
    /// The one with this id.
    One(u64),
    /// Those whose ids a query gives in its first column.
    Query(Query),
    /// All of a type, such as `IMPORT`.
    Type(String),
}

/// What to show, with names resolved.
#[derive(Clone, Debug)]
pub enum Show {
    /// Databases.
    Databases,
    /// Schemas of the current database.
    Schemas,
    /// Tables of a database.
    Tables(DatabaseId),
    /// Columns of a table.
    Columns(TableId),
    /// Indexes of tables.
    Indexes(Vec<TableId>),
    /// Constraints of a table.
    Constraints(TableId),
    /// CREATE TABLE of a table.
    CreateTable(TableId),
    /// Sequences of a database.
    Sequences(DatabaseId),
    /// CREATE SEQUENCE of a sequence.
    CreateSequence(TableId),
    /// Jobs.
    Jobs {
        /// Which.
        jobs: JobSelection,
        /// Whether to wait until they have ended.
        when_complete: bool,
    },
    /// The rows that a job left out.
    Rejects(u64),
    /// Users.
    Users,
    /// Grants on objects (all if empty), for users (all if empty).
    Grants {
        /// The objects.
        objects: Vec<Object>,
        /// The users.
        users: Vec<String>,
    },
    /// A cluster setting.
    ClusterSetting(String),
    /// All cluster settings.
    AllClusterSettings,
    /// A session variable.
    Variable(String),
    /// All session variables.
    AllVariables,
}

/// Rows of data files for a table.
#[derive(Clone, Debug)]
pub struct Import {
    /// The table.
    pub target: ImportTarget,
    /// The data files, as URLs or paths, as written.
    pub files: Vec<String>,
    /// Where temporary files go; in the database directory if nothing is said.
    pub temp: Option<String>,
    /// How the files are written.
    pub format: DataFormat,
    /// What becomes of rows that cannot be imported.
    pub tolerance: Tolerance,
    /// The statement, printed canonically with secrets redacted, options sorted: for the job record.
    pub description: String,
    /// Whether the statement returns when the job has begun.
    pub detached: bool,
}

/// What an import does about rows that cannot be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// What it does about the row.
    pub on_error: OnError,
    /// Where the row goes that is left out.
    pub reject: RejectTarget,
    /// The most rows that may be left out: of each file if each has its own place for them, else of all.
    pub max_errors: Option<u64>,
    /// Whether the import only tells what it would do.
    pub dry_run: bool,
}

/// What an import does about a row that cannot be imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The import fails.
    #[default]
    Fail,
    /// The row is left out and told.
    Skip,
}

/// Where an import writes the rows that it leaves out, besides what SHOW REJECTS shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RejectTarget {
    /// Nowhere.
    #[default]
    None,
    /// Into this file.
    File(String),
    /// Into a file beside each data file.
    BesideFiles,
}

/// What an import fills.
#[derive(Clone, Debug)]
pub enum ImportTarget {
    /// A table to make; its own id is still 0.
    New(TableDescriptor),
    /// A table that exists.
    Into(ImportInto),
}

/// A table that exists and gets rows.
#[derive(Clone, Debug)]
pub struct ImportInto {
    /// The table.
    pub table: TableDescriptor,
    /// The columns that the files hold, in their order; nothing if the statement lists none.
    pub columns: Option<Vec<ColumnId>>,
    /// What happens to rows whose key exists.
    pub mode: ImportMode,
}

/// What IMPORT INTO does with rows of the table and of the files that have one primary key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// It fails.
    #[default]
    Insert,
    /// The new row takes the place of the old one.
    Upsert,
    /// The old row stays, the new one is left out.
    Skip,
    /// All old rows go, whatever their keys.
    Replace,
}

impl Import {
    /// Returns the table.
    pub fn table(&self) -> &TableDescriptor {
        match &self.target {
            ImportTarget::New(table) => table,
            ImportTarget::Into(into) => &into.table,
        }
    }
}

/// Checks `statement` against `catalog`.
pub fn plan(
    statement: &ast::Statement,
    catalog: &dyn Catalog,
    context: &PlanContext<'_>,
) -> Result<Planned> {
    let mut planner = Planner { catalog, context, notices: Vec::new() };
    let plan = planner.plan(statement)?;
    Ok(Planned { plan, notices: planner.notices })
}

/// What the planning of one statement reads and gathers.
struct Planner<'a> {
    /// What exists.
    catalog: &'a dyn Catalog,
    /// Who asks, and in which state the session is.
    context: &'a PlanContext<'a>,
    /// What to tell the user.
    notices: Vec<Notice>,
}

impl Planner<'_> {
    /// Checks that the statement may run in this session at all, then plans it.
    fn plan(&mut self, statement: &ast::Statement) -> Result<Plan> {
        transaction::check_state(self, statement)?;
        self.plan_statement(statement)
    }

    /// Plans a statement whose session state has been checked: one arm per statement.
    fn plan_statement(&mut self, statement: &ast::Statement) -> Result<Plan> {
        use ast::Statement as S;
        match statement {
            S::ImportTable(import) => import::plan_import(self, import),
            S::ImportInto(import) => import_into::plan_import_into(self, import),
            S::ImportDump(import) => dump::plan_import_dump(self, import),
            S::Copy(copy) => copy::plan_copy(self, copy),
            S::Export(export) => {
                export::plan_export(self, export).map(|export| Plan::Export(Box::new(export)))
            }
            S::CreateTable(create) => create_table::plan_create_table(self, create),
            S::DropTable(drop) => drop::plan_drop_table(self, drop),
            S::CreateIndex(create) => create_index::plan_create_index(self, create),
            S::DropIndex(drop) => drop_index::plan_drop_index(self, drop),
            S::CreateSequence(create) => sequence::plan_create(self, create),
            S::AlterSequence(alter) => sequence::plan_alter(self, alter),
            S::DropSequence(drop) => sequence::plan_drop(self, drop),
            S::CreateDatabase { name, if_not_exists } => {
                database::plan_create_database(self, name, *if_not_exists)
            }
            S::DropDatabase { name, if_exists, behavior } => {
                database::plan_drop_database(self, name, *if_exists, *behavior)
            }
            S::Use { name } => database::plan_use(self, name),
            S::Insert(insert) => insert::plan_insert(self, insert),
            S::Query(query) => query::plan_query(self, query).map(Plan::Query),
            S::Explain { analyze, verbose, statement } => {
                explain::plan_explain(self, *analyze, *verbose, statement)
            }
            S::CreateUser { name, if_not_exists } => {
                user::plan_create_user(self, name, *if_not_exists)
            }
            S::DropUser { names, if_exists } => user::plan_drop_user(self, names, *if_exists),
            S::Grant(grant) => grant::plan_grant(self, grant, grant::Change::Grant),
            S::Revoke(grant) => grant::plan_grant(self, grant, grant::Change::Revoke),
            S::ControlJobs { action, jobs, reason } => {
                job::plan_control(self, *action, jobs, reason.as_ref())
            }
            S::Begin => Ok(transaction::plan_begin(self)),
            S::Commit => Ok(transaction::plan_commit(self)),
            S::Rollback => Ok(transaction::plan_rollback(self)),
            S::SetClusterSetting { name, value } => setting::plan_set(self, name, value.as_ref()),
            S::ResetClusterSetting { name } => setting::plan_set(self, name, None),
            S::SetVariable { name, value } => variable::plan_set(self, name, value.as_ref()),
            S::ResetVariable { name } => variable::plan_reset(self, name),
            S::Show(show) => show::plan_show(self, show).map(Plan::Show),
            S::Unsupported { name, .. } => Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("{name} is not supported yet"),
            )),
        }
    }

    /// Adds a notice to what the user is told.
    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}
