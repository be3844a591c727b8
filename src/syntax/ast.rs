//! The syntax tree: what was written, with names, spans and texts, and nothing decided.
//!
//! Spans are byte ranges in the text of the one statement that was parsed. Expressions and queries
//! are sqlparser's business; they travel as text that it has accepted.

use crate::error::Span;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `IMPORT TABLE t ... CSV DATA (...)`.
    ImportTable(ImportTable),
    /// `IMPORT INTO t ... CSV DATA (...)`.
    ImportInto(ImportInto),
    /// `IMPORT [TABLE t FROM] PGDUMP 'url'`.
    ImportDump(ImportDump),
    /// `EXPORT INTO CSV 'url' [WITH ...] FROM query`.
    Export(Export),
    /// `COPY t FROM 'file' [WITH (...)]`, `COPY t | (query) TO 'file' [WITH (...)]`.
    Copy(Copy),
    /// `CREATE TABLE [IF NOT EXISTS] t (...)`.
    CreateTable(CreateTable),
    /// `DROP TABLE [IF EXISTS] t, ... [CASCADE | RESTRICT]`.
    DropTable(DropTable),
    /// `CREATE [UNIQUE] INDEX [IF NOT EXISTS] [i] ON t (a) [STORING (b)]`.
    CreateIndex(CreateIndex),
    /// `DROP INDEX [IF EXISTS] t@i, ... [CASCADE | RESTRICT]`.
    DropIndex(DropIndex),
    /// `CREATE SEQUENCE [IF NOT EXISTS] s options`.
    CreateSequence(CreateSequence),
    /// `ALTER SEQUENCE [IF EXISTS] s options`.
    AlterSequence(AlterSequence),
    /// `DROP SEQUENCE [IF EXISTS] s, ... [CASCADE | RESTRICT]`.
    DropSequence(DropTable),
    /// `CREATE DATABASE [IF NOT EXISTS] d`.
    CreateDatabase {
        /// The name.
        name: Ident,
        /// Whether an existing database is no error.
        if_not_exists: bool,
    },
    /// `DROP DATABASE [IF EXISTS] d [CASCADE | RESTRICT]`.
    DropDatabase {
        /// The name.
        name: Ident,
        /// Whether a missing database is no error.
        if_exists: bool,
        /// What happens to its tables.
        behavior: DropBehavior,
    },
    /// `USE d` or `SET DATABASE = d`.
    Use {
        /// The database.
        name: Ident,
    },
    /// `INSERT INTO t [(columns)] query` or `INSERT INTO t DEFAULT VALUES`.
    Insert(Insert),
    /// `SELECT`, `VALUES`, `TABLE t`, `WITH ...`.
    Query(Query),
    /// `EXPLAIN [ANALYZE | VERBOSE] query` or `EXPLAIN statement`.
    Explain {
        /// Whether to run the statement and show what happened.
        analyze: bool,
        /// Whether to show every plan.
        verbose: bool,
        /// The statement to explain.
        statement: Box<Statement>,
    },
    /// `CREATE USER [IF NOT EXISTS] u`.
    CreateUser {
        /// The user.
        name: Ident,
        /// Whether an existing user is no error.
        if_not_exists: bool,
    },
    /// `DROP USER [IF EXISTS] u, ...`.
    DropUser {
        /// The users.
        names: Vec<Ident>,
        /// Whether a missing user is no error.
        if_exists: bool,
    },
    /// `GRANT privileges ON target TO users`.
    Grant(Grant),
    /// `REVOKE privileges ON target FROM users`.
    Revoke(Grant),
    /// `{PAUSE | RESUME | CANCEL} {JOB id | JOBS query | ALL type JOBS} [WITH REASON = 'text']`.
    ControlJobs {
        /// What to do.
        action: JobAction,
        /// To which jobs.
        jobs: Jobs,
        /// Why, for PAUSE.
        reason: Option<Value>,
    },
    /// `BEGIN [TRANSACTION]` or `START TRANSACTION`.
    Begin,
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT`.
    Rollback,
    /// `SET CLUSTER SETTING name = value` (`None`: DEFAULT).
    SetClusterSetting {
        /// The dotted name, lower case.
        name: Ident,
        /// The value.
        value: Option<Value>,
    },
    /// `RESET CLUSTER SETTING name`.
    ResetClusterSetting {
        /// The dotted name, lower case.
        name: Ident,
    },
    /// `SET [SESSION | LOCAL] name = value` (`None`: DEFAULT). Several values are one text joined by `, `.
    SetVariable {
        /// The name, lower case; may be dotted.
        name: Ident,
        /// The value.
        value: Option<Value>,
    },
    /// `RESET name` or `RESET ALL` (named `all`).
    ResetVariable {
        /// The name, lower case.
        name: Ident,
    },
    /// Any `SHOW`.
    Show(Show),
    /// A statement that a later version may know: `UPDATE`, `DELETE`, `ALTER TABLE`, ... refused when planned.
    Unsupported {
        /// The statement's first words in upper case, such as `ALTER TABLE`.
        name: String,
        /// Whether it would write.
        writes: bool,
    },
}

/// A name as written: case-folded unless quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The name after folding and unquoting.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

/// A dotted name: `table`, `schema.table` or `database.table`, `database.schema.table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// One to three parts, the table last.
    pub parts: Vec<Ident>,
    /// Where it stands, all parts.
    pub span: Span,
}

/// A literal or word given as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it says, after unescaping; a bare word is lower-cased.
    pub text: String,
    /// How it was written.
    pub kind: ValueKind,
    /// Where it stands.
    pub span: Span,
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A string literal of any form.
    String,
    /// A bare or double-quoted word, including true, false, on, off.
    Word,
    /// A number.
    Number,
    /// `$1`; `text` holds the digits.
    Placeholder,
}

/// `IMPORT TABLE name schema CSV DATA (files) [WITH options]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportTable {
    /// The table to make.
    pub table: ObjectName,
    /// Where its definition comes from.
    pub schema: ImportSchema,
    /// The format word, upper case: `CSV`.
    pub format: Ident,
    /// The data files, as written.
    pub files: Vec<Value>,
    /// The options in the order written; keys are lower case unless quoted.
    pub options: Vec<OptionPair>,
}

/// `IMPORT INTO name [(columns)] CSV DATA (files) [WITH options]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportInto {
    /// The table that gets the rows.
    pub table: ObjectName,
    /// The columns that the files hold, in their order; empty if none are listed.
    pub columns: Vec<Ident>,
    /// The format word, upper case: `CSV`.
    pub format: Ident,
    /// The data files, as written.
    pub files: Vec<Value>,
    /// The options in the order written; keys are lower case unless quoted.
    pub options: Vec<OptionPair>,
}

/// `IMPORT [TABLE name FROM] PGDUMP 'url' [WITH options]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportDump {
    /// The one table to take out of the dump, if not all.
    pub table: Option<ObjectName>,
    /// The word for the kind of dump, upper case: `PGDUMP`, `MYSQLDUMP`.
    pub bundle: Ident,
    /// The files, as written; there should be one.
    pub files: Vec<Value>,
    /// The options in the order written.
    pub options: Vec<OptionPair>,
}

/// The definition of the table that an IMPORT makes.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportSchema {
    /// `CREATE USING 'url'`.
    File(Value),
    /// `( elements )`.
    Elements(Vec<TableElement>),
}

/// `key [= value]` of a WITH clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionPair {
    /// The key.
    pub key: Ident,
    /// The value, if one was given.
    pub value: Option<Value>,
}

/// `EXPORT INTO format 'url' [WITH options] FROM query`.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The format word, upper case: `CSV`.
    pub format: Ident,
    /// Where the files go, as written.
    pub destination: Value,
    /// The options in the order written; keys are lower case unless quoted.
    pub options: Vec<OptionPair>,
    /// The rows.
    pub query: Query,
}

/// `COPY source FROM | TO place [WITH (options)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub source: CopySource,
    /// Whether rows come from the place; otherwise they go there.
    pub from: bool,
    /// The place.
    pub place: CopyPlace,
    /// The options in the order written.
    pub options: Vec<CopyOption>,
}

/// What COPY copies.
#[derive(Clone, Debug, PartialEq)]
pub enum CopySource {
    /// A table.
    Table {
        /// Its name.
        name: ObjectName,
        /// The columns named, in order; empty means all that are not computed.
        columns: Vec<Ident>,
    },
    /// `(query)`.
    Query(Query),
}

/// Where COPY reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyPlace {
    /// A file.
    File(Value),
    /// `PROGRAM 'command'`: parsed; refused when planned.
    Program(Span),
    /// `STDIN`.
    Stdin(Span),
    /// `STDOUT`.
    Stdout(Span),
}

/// An option of COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOption {
    /// Its name, lower case, with underscores: `force_quote`.
    pub name: Ident,
    /// What stands behind it.
    pub value: CopyValue,
}

/// What stands behind an option of COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyValue {
    /// Nothing.
    None,
    /// A value.
    Value(Value),
    /// `(a, b)`.
    Columns(Vec<Ident>),
    /// `*`.
    All,
}

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// The table to make.
    pub name: ObjectName,
    /// Whether an existing table is no error.
    pub if_not_exists: bool,
    /// Columns, constraints, indexes and families in the order written.
    pub elements: Vec<TableElement>,
    /// `CREATE TABLE t AS query`: the query. Then `elements` is empty.
    pub query: Option<Query>,
}

/// An element of a table definition.
#[derive(Clone, Debug, PartialEq)]
pub enum TableElement {
    /// A column.
    Column(ColumnElement),
    /// A constraint of the table, with its name if given.
    Constraint {
        /// `CONSTRAINT name`.
        name: Option<Ident>,
        /// What it demands.
        constraint: TableConstraint,
        /// Where it stands.
        span: Span,
    },
    /// `INDEX` or `UNIQUE INDEX`.
    Index(IndexElement),
    /// `FAMILY [name] (columns)`: accepted, without effect.
    Family {
        /// The name, if given.
        name: Option<Ident>,
        /// The columns.
        columns: Vec<Ident>,
    },
    /// `INVERTED INDEX [name] (columns)`: parsed; refused when planned.
    InvertedIndex {
        /// The name, if given.
        name: Option<Ident>,
        /// The columns.
        columns: Vec<IndexColumn>,
        /// Where it stands.
        span: Span,
    },
}

/// A column definition.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnElement {
    /// The name.
    pub name: Ident,
    /// The type as written, without collation, such as `varchar(20)` or `INT[]`.
    pub type_name: String,
    /// Where the type stands.
    pub type_span: Span,
    /// `COLLATE name`.
    pub collation: Option<Ident>,
    /// The other clauses, in the order written.
    pub constraints: Vec<ColumnConstraint>,
    /// Where the whole definition stands.
    pub span: Span,
}

/// A clause of a column definition, with its `CONSTRAINT name` if given.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<Ident>,
    /// What it says.
    pub kind: ColumnConstraintKind,
    /// Where it stands.
    pub span: Span,
}

/// What a clause of a column definition says.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraintKind {
    /// `NULL`.
    Null,
    /// `NOT NULL`.
    NotNull,
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `UNIQUE`.
    Unique,
    /// `DEFAULT expr`.
    Default(Expr),
    /// `AS (expr) STORED`, also `GENERATED ALWAYS AS (expr) STORED`.
    Computed(Expr),
    /// `CHECK (expr)`.
    Check(Expr),
    /// `REFERENCES table [(column)] actions`.
    References(References),
    /// `FAMILY f`, `CREATE FAMILY f`, `CREATE IF NOT EXISTS FAMILY f`: accepted, without effect.
    Family(Option<Ident>),
    /// `GENERATED ... AS IDENTITY`.
    Identity,
}

/// A constraint of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum TableConstraint {
    /// `PRIMARY KEY (columns)`.
    PrimaryKey(Vec<IndexColumn>),
    /// `UNIQUE (columns)`.
    Unique(Vec<IndexColumn>),
    /// `CHECK (expr)`.
    Check(Expr),
    /// `FOREIGN KEY (columns) REFERENCES ...`.
    ForeignKey {
        /// The referencing columns.
        columns: Vec<Ident>,
        /// What they reference.
        references: References,
    },
}

/// `REFERENCES table [(columns)] [ON DELETE action] [ON UPDATE action]`.
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// The referenced table.
    pub table: ObjectName,
    /// The referenced columns; empty means its primary key.
    pub columns: Vec<Ident>,
    /// `ON DELETE`, upper case, such as `CASCADE`, if given.
    pub on_delete: Option<String>,
    /// `ON UPDATE`, if given.
    pub on_update: Option<String>,
    /// `MATCH`, if given.
    pub match_type: Option<String>,
}

/// A column of a key, with its direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// The column.
    pub name: Ident,
    /// Whether it is sorted downwards.
    pub descending: bool,
}

/// `[UNIQUE] INDEX [name] (columns) [STORING (columns)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexElement {
    /// The name, if given.
    pub name: Option<Ident>,
    /// Whether keys must differ.
    pub unique: bool,
    /// The key.
    pub columns: Vec<IndexColumn>,
    /// `STORING`, `COVERING` or `INCLUDE` columns.
    pub storing: Vec<Ident>,
    /// Where it stands.
    pub span: Span,
}

/// `CREATE INDEX`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// The table.
    pub table: ObjectName,
    /// Whether an existing index is no error.
    pub if_not_exists: bool,
    /// The index.
    pub index: IndexElement,
    /// The options in the order written; keys are lower case unless quoted.
    pub options: Vec<OptionPair>,
}

/// `DROP INDEX`.
#[derive(Clone, Debug, PartialEq)]
pub struct DropIndex {
    /// The indexes.
    pub names: Vec<IndexName>,
    /// Whether a missing index is no error.
    pub if_exists: bool,
    /// What happens to what depends on it.
    pub behavior: DropBehavior,
}

/// The name of an index: `t@i`, or `i` alone.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexName {
    /// The table, if it is named.
    pub table: Option<ObjectName>,
    /// The index: one part behind a table, else with its database and schema if they are named.
    pub index: ObjectName,
}

/// An expression that sqlparser has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// Its text as sqlparser prints it.
    pub text: String,
    /// Where it stands in the statement.
    pub span: Span,
    /// The column names in it, outside strings and function names, each once.
    pub columns: Vec<Ident>,
    /// The function names in it, lower case, each once.
    pub functions: Vec<String>,
    /// The names of sequences in it: the texts that `nextval`, `currval` and `setval` are given.
    pub sequences: Vec<Ident>,
    /// Whether it holds a subquery.
    pub has_subquery: bool,
}

/// A query that sqlparser has accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Its text: verbatim from the statement, or rewritten where sqlparser lacks a form (`TABLE t`).
    pub text: String,
    /// Where it stands in the statement.
    pub span: Span,
    /// The tables it names, through subqueries, with CTE names left out, each once.
    pub tables: Vec<ObjectName>,
    /// The files that stand in place of tables, each once.
    pub files: Vec<Value>,
    /// Whether a `VALUES` row holds the word DEFAULT in place of a value.
    pub values: Option<Vec<Vec<InsertValue>>>,
}

/// A value of an INSERT's VALUES row.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertValue {
    /// `DEFAULT`.
    Default(Span),
    /// An expression.
    Expr(Expr),
}

/// `INSERT INTO t [(columns)] source`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: ObjectName,
    /// The columns named, in order; empty means all visible ones.
    pub columns: Vec<Ident>,
    /// The rows; `None` is `DEFAULT VALUES`. For a plain `VALUES` list, `Query::values` holds its cells.
    pub source: Option<Query>,
}

/// `CREATE SEQUENCE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSequence {
    /// The sequence to make.
    pub name: ObjectName,
    /// Whether an existing one is no error.
    pub if_not_exists: bool,
    /// The options in the order written.
    pub options: Vec<SequenceOption>,
}

/// `ALTER SEQUENCE`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSequence {
    /// The sequence to change.
    pub name: ObjectName,
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// The options in the order written.
    pub options: Vec<SequenceOption>,
}

/// An option of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceOption {
    /// What it says.
    pub kind: SequenceOptionKind,
    /// Where it stands.
    pub span: Span,
}

/// What an option of a sequence says; a number is its digits with their sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceOptionKind {
    /// `AS type`, as written.
    Type(String),
    /// `INCREMENT [BY] n`.
    Increment(String),
    /// `MINVALUE n` or `NO MINVALUE`.
    Minimum(Option<String>),
    /// `MAXVALUE n` or `NO MAXVALUE`.
    Maximum(Option<String>),
    /// `START [WITH] n`.
    Start(String),
    /// `RESTART [[WITH] n]`.
    Restart(Option<String>),
    /// `CACHE n`.
    Cache(String),
    /// `CYCLE` or `NO CYCLE`.
    Cycle(bool),
    /// `OWNED BY table.column` or `OWNED BY NONE`.
    OwnedBy(Option<(ObjectName, Ident)>),
}

/// `DROP TABLE` or `DROP SEQUENCE`.
#[derive(Clone, Debug, PartialEq)]
pub struct DropTable {
    /// The tables or sequences.
    pub names: Vec<ObjectName>,
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// What happens to what depends on it.
    pub behavior: DropBehavior,
}

/// `CASCADE`, `RESTRICT` or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DropBehavior {
    /// Neither was written.
    #[default]
    Default,
    /// Drop what depends on it.
    Cascade,
    /// Refuse if something depends on it.
    Restrict,
}

/// The body of GRANT and REVOKE.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The privileges as upper-case words (`ALL` for `ALL PRIVILEGES`).
    pub privileges: Vec<Ident>,
    /// On what.
    pub target: GrantTarget,
    /// To or from whom.
    pub users: Vec<Ident>,
}

/// What privileges are about.
#[derive(Clone, Debug, PartialEq)]
pub enum GrantTarget {
    /// `ON [TABLE | SEQUENCE] t, ...`; a last part `*` means every table and sequence.
    Tables(Vec<ObjectName>),
    /// `ON DATABASE d, ...`.
    Databases(Vec<Ident>),
}

/// Which jobs a statement is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Jobs {
    /// All.
    All,
    /// The one with this id.
    One(Value),
    /// Those whose ids a query gives.
    Query(Query),
    /// All of a type, in upper case: `ALL IMPORT JOBS`.
    Type(Ident),
}

/// What PAUSE, RESUME and CANCEL do to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Stop, to go on later.
    Pause,
    /// Go on.
    Resume,
    /// Stop for good and leave nothing.
    Cancel,
}

/// What SHOW shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW TABLES [FROM d[.s]]`.
    Tables {
        /// The database, if given.
        database: Option<Ident>,
    },
    /// `SHOW COLUMNS FROM t`, `DESCRIBE t`.
    Columns(ObjectName),
    /// `SHOW INDEXES | INDEX | KEYS FROM t` (`None`: of the whole database, for `\di`).
    Indexes(Option<ObjectName>),
    /// `SHOW CONSTRAINTS FROM t`.
    Constraints(ObjectName),
    /// `SHOW CREATE [TABLE] t`.
    CreateTable(ObjectName),
    /// `SHOW SEQUENCES [FROM d[.s]]`.
    Sequences {
        /// The database, if given.
        database: Option<Ident>,
    },
    /// `SHOW CREATE SEQUENCE s`.
    CreateSequence(ObjectName),
    /// `SHOW JOBS [WHEN COMPLETE] [query]`, `SHOW JOB [WHEN COMPLETE] id`.
    Jobs {
        /// Which.
        jobs: Jobs,
        /// Whether to wait until they have ended.
        when_complete: bool,
    },
    /// `SHOW REJECTS FOR JOB id`.
    Rejects(Value),
    /// `SHOW USERS`.
    Users,
    /// `SHOW GRANTS [ON target] [FOR users]`.
    Grants {
        /// `ON`.
        target: Option<GrantTarget>,
        /// `FOR`.
        users: Vec<Ident>,
    },
    /// `SHOW CLUSTER SETTING name`.
    ClusterSetting(Ident),
    /// `SHOW ALL CLUSTER SETTINGS` or `SHOW CLUSTER SETTINGS`.
    AllClusterSettings,
    /// `SHOW name`, `SHOW ALL` (named `all`).
    Variable(Ident),
    /// `SHOW SCHEMAS`.
    Schemas,
}
