//! Statements printed as SQL that parses to the same statement, places aside.

use super::ast::{
    Copy, CopyPlace, CopySource, CopyValue, CreateIndex, CreateTable, DropBehavior, DropIndex,
    DropTable, Export, Grant, GrantTarget, Ident, ImportDump, ImportInto, ImportSchema,
    ImportTable, IndexName, Insert, JobAction, Jobs, ObjectName, OptionPair, Show, Statement,
    Value, ValueKind,
};
use super::literal::{quote_ident, quote_literal};
use super::print_element::{print_elements, print_index_columns};
use super::sequence::{print_alter_sequence, print_create_sequence};

/// Prints a statement as SQL that parses to itself. URLs go through `redact` first: the files, the
/// schema file and the option values of an import.
pub fn print(statement: &Statement, redact: &dyn Fn(&str) -> String) -> String {
    match statement {
        Statement::ImportTable(import) => print_import(import, redact),
        Statement::ImportInto(import) => print_import_into(import, redact),
        Statement::ImportDump(import) => print_import_dump(import, redact),
        Statement::Copy(copy) => print_copy(copy, redact),
        Statement::Export(export) => print_export(export, redact),
        Statement::CreateTable(create) => print_create_table(create),
        Statement::DropTable(drop) => print_drop("TABLE", drop),
        Statement::CreateSequence(create) => print_create_sequence(create),
        Statement::AlterSequence(alter) => print_alter_sequence(alter),
        Statement::DropSequence(drop) => print_drop("SEQUENCE", drop),
        Statement::CreateIndex(create) => print_create_index(create, redact),
        Statement::DropIndex(drop) => print_drop_index(drop),
        Statement::CreateDatabase { name, if_not_exists } => {
            format!("CREATE DATABASE {}{}", opt(*if_not_exists, "IF NOT EXISTS "), ident(name))
        }
        Statement::DropDatabase { name, if_exists, behavior } => format!(
            "DROP DATABASE {}{}{}",
            opt(*if_exists, "IF EXISTS "),
            ident(name),
            print_behavior(*behavior)
        ),
        Statement::Use { name } => format!("USE {}", ident(name)),
        Statement::Insert(insert) => print_insert(insert),
        Statement::Query(query) => query.text.clone(),
        Statement::Explain { analyze, verbose, statement } => format!(
            "EXPLAIN {}{}{}",
            opt(*analyze, "ANALYZE "),
            opt(*verbose, "VERBOSE "),
            print(statement, redact)
        ),
        Statement::CreateUser { name, if_not_exists } => {
            format!("CREATE USER {}{}", opt(*if_not_exists, "IF NOT EXISTS "), ident(name))
        }
        Statement::DropUser { names, if_exists } => {
            format!("DROP USER {}{}", opt(*if_exists, "IF EXISTS "), idents(names))
        }
        Statement::Grant(grant) => print_grant("GRANT", grant, "TO"),
        Statement::Revoke(grant) => print_grant("REVOKE", grant, "FROM"),
        Statement::ControlJobs { action, jobs, reason } => {
            print_control(*action, jobs, reason.as_ref())
        }
        Statement::Begin => "BEGIN".to_owned(),
        Statement::Commit => "COMMIT".to_owned(),
        Statement::Rollback => "ROLLBACK".to_owned(),
        Statement::SetClusterSetting { name, value } => {
            format!("SET CLUSTER SETTING {} = {}", setting(name), opt_value(value.as_ref()))
        }
        Statement::ResetClusterSetting { name } => {
            format!("RESET CLUSTER SETTING {}", setting(name))
        }
        Statement::SetVariable { name, value } => {
            format!("SET {} = {}", variable(name), opt_value(value.as_ref()))
        }
        Statement::ResetVariable { name } => format!("RESET {}", variable(name)),
        Statement::Show(show) => print_show(show),
        Statement::Unsupported { name, .. } => name.clone(),
    }
}

pub(super) fn opt(given: bool, words: &'static str) -> &'static str {
    if given { words } else { "" }
}

pub(super) fn ident(name: &Ident) -> String {
    quote_ident(&name.value)
}

/// Prints names with commas between them.
pub(super) fn idents(names: &[Ident]) -> String {
    names.iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// Prints a dotted name.
pub(super) fn object_name(name: &ObjectName) -> String {
    name.parts.iter().map(ident).collect::<Vec<_>>().join(".")
}

/// Prints ` WITH key = 'value', key`; nothing without options.
fn print_options(options: &[OptionPair], redact: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut lead = " WITH ";
    for option in options {
        out += lead;
        out += &ident(&option.key);
        if let Some(given) = &option.value {
            out += &format!(" = {}", location(given, redact));
        }
        lead = ", ";
    }
    out
}

fn print_copy(copy: &Copy, redact: &dyn Fn(&str) -> String) -> String {
    let source = match &copy.source {
        CopySource::Query(query) => format!("({})", query.text),
        CopySource::Table { name, columns } if columns.is_empty() => object_name(name),
        CopySource::Table { name, columns } => {
            format!("{} ({})", object_name(name), idents(columns))
        }
    };
    let place = match &copy.place {
        CopyPlace::File(file) => location(file, redact),
        CopyPlace::Program(_) => "PROGRAM ''".to_owned(),
        CopyPlace::Stdin(_) => "STDIN".to_owned(),
        CopyPlace::Stdout(_) => "STDOUT".to_owned(),
    };
    let options: Vec<String> = copy
        .options
        .iter()
        .map(|option| {
            let name = option.name.value.to_ascii_uppercase();
            match &option.value {
                CopyValue::None => name,
                CopyValue::Value(given) => format!("{name} {}", value(given)),
                CopyValue::Columns(columns) => format!("{name} ({})", idents(columns)),
                CopyValue::All => format!("{name} *"),
            }
        })
        .collect();
    let with = match options.as_slice() {
        [] => String::new(),
        options => format!(" WITH ({})", options.join(", ")),
    };
    let direction = if copy.from { "FROM" } else { "TO" };
    format!("COPY {source} {direction} {place}{with}")
}

fn print_export(export: &Export, redact: &dyn Fn(&str) -> String) -> String {
    format!(
        "EXPORT INTO {} {}{} FROM {}",
        export.format.value,
        location(&export.destination, redact),
        print_options(&export.options, redact),
        export.query.text
    )
}

fn print_import(import: &ImportTable, redact: &dyn Fn(&str) -> String) -> String {
    let mut out = format!("IMPORT TABLE {} ", object_name(&import.table));
    match &import.schema {
        ImportSchema::File(file) => out += &format!("CREATE USING {}", location(file, redact)),
        ImportSchema::Elements(elements) => out += &format!("({})", print_elements(elements)),
    }
    out + &print_data(&import.format, &import.files, &import.options, redact)
}

fn print_import_into(import: &ImportInto, redact: &dyn Fn(&str) -> String) -> String {
    let mut out = format!("IMPORT INTO {}", object_name(&import.table));
    if !import.columns.is_empty() {
        out += &format!("({})", idents(&import.columns));
    }
    out + &print_data(&import.format, &import.files, &import.options, redact)
}

/// Prints `IMPORT TABLE t FROM PGDUMP 'file' WITH options`.
fn print_import_dump(import: &ImportDump, redact: &dyn Fn(&str) -> String) -> String {
    let table = import.table.as_ref();
    let table = table.map(|name| format!("TABLE {} FROM ", object_name(name))).unwrap_or_default();
    let files: Vec<String> = import.files.iter().map(|file| location(file, redact)).collect();
    let files = match files.as_slice() {
        [file] => file.clone(),
        files => format!("({})", files.join(", ")),
    };
    let options = print_options(&import.options, redact);
    format!("IMPORT {table}{} {files}{options}", import.bundle.value)
}

/// Prints ` CSV DATA (files) WITH options`.
fn print_data(
    format: &Ident,
    files: &[Value],
    options: &[OptionPair],
    redact: &dyn Fn(&str) -> String,
) -> String {
    let files: Vec<String> = files.iter().map(|file| location(file, redact)).collect();
    let mut out = format!(" {} DATA ({})", format.value, files.join(", "));
    out += &print_options(options, redact);
    out
}

/// Prints a value that may be a URL.
fn location(location: &Value, redact: &dyn Fn(&str) -> String) -> String {
    match location.kind {
        ValueKind::Placeholder => value(location),
        _ => value(&Value { text: redact(&location.text), ..location.clone() }),
    }
}

fn print_create_table(create: &CreateTable) -> String {
    let head = format!(
        "CREATE TABLE {}{}",
        opt(create.if_not_exists, "IF NOT EXISTS "),
        object_name(&create.name)
    );
    match &create.query {
        Some(query) => format!("{head} AS {}", query.text),
        None => format!("{head} ({})", print_elements(&create.elements)),
    }
}

fn print_drop(what: &str, drop: &DropTable) -> String {
    let names: Vec<String> = drop.names.iter().map(object_name).collect();
    format!(
        "DROP {what} {}{}{}",
        opt(drop.if_exists, "IF EXISTS "),
        names.join(", "),
        print_behavior(drop.behavior)
    )
}

fn print_create_index(create: &CreateIndex, redact: &dyn Fn(&str) -> String) -> String {
    let index = &create.index;
    let name = index.name.as_ref().map(|name| ident(name) + " ");
    format!(
        "CREATE {}INDEX {}{}ON {} {}{}",
        opt(index.unique, "UNIQUE "),
        opt(create.if_not_exists, "IF NOT EXISTS "),
        name.unwrap_or_default(),
        object_name(&create.table),
        print_index_columns(index),
        print_options(&create.options, redact)
    )
}

fn print_drop_index(drop: &DropIndex) -> String {
    let name = |name: &IndexName| match &name.table {
        Some(table) => format!("{}@{}", object_name(table), object_name(&name.index)),
        None => object_name(&name.index),
    };
    let names: Vec<String> = drop.names.iter().map(name).collect();
    format!(
        "DROP INDEX {}{}{}",
        opt(drop.if_exists, "IF EXISTS "),
        names.join(", "),
        print_behavior(drop.behavior)
    )
}

fn print_behavior(behavior: DropBehavior) -> &'static str {
    match behavior {
        DropBehavior::Default => "",
        DropBehavior::Cascade => " CASCADE",
        DropBehavior::Restrict => " RESTRICT",
    }
}

fn print_insert(insert: &Insert) -> String {
    let columns = match insert.columns.as_slice() {
        [] => String::new(),
        columns => format!(" ({})", idents(columns)),
    };
    let source = insert.source.as_ref().map_or("DEFAULT VALUES", |query| query.text.as_str());
    format!("INSERT INTO {}{columns} {source}", object_name(&insert.table))
}

fn print_grant(verb: &str, grant: &Grant, preposition: &str) -> String {
    let privileges: Vec<&str> =
        grant.privileges.iter().map(|privilege| privilege.value.as_str()).collect();
    format!(
        "{verb} {} ON {} {preposition} {}",
        privileges.join(", "),
        print_target(&grant.target),
        idents(&grant.users)
    )
}

fn print_target(target: &GrantTarget) -> String {
    match target {
        GrantTarget::Databases(names) => format!("DATABASE {}", idents(names)),
        GrantTarget::Tables(names) => {
            let part = |part: &Ident| match part.value.as_str() {
                "*" => "*".to_owned(),
                _ => ident(part),
            };
            let names =
                names.iter().map(|name| name.parts.iter().map(part).collect::<Vec<_>>().join("."));
            format!("TABLE {}", names.collect::<Vec<_>>().join(", "))
        }
    }
}

fn print_control(action: JobAction, jobs: &Jobs, reason: Option<&Value>) -> String {
    let verb = match action {
        JobAction::Pause => "PAUSE",
        JobAction::Resume => "RESUME",
        JobAction::Cancel => "CANCEL",
    };
    let reason = reason.map(|reason| format!(" WITH REASON = {}", value(reason)));
    let jobs = match jobs {
        Jobs::One(id) => format!("JOB {}", value(id)),
        Jobs::Query(query) => format!("JOBS ({})", query.text),
        Jobs::Type(name) => format!("ALL {} JOBS", name.value),
        Jobs::All => "JOBS".to_owned(),
    };
    format!("{verb} {jobs}{}", reason.unwrap_or_default())
}

fn print_show(show: &Show) -> String {
    let from = |table: &ObjectName| format!("FROM {}", object_name(table));
    match show {
        Show::Databases => "SHOW DATABASES".to_owned(),
        Show::Tables { database: None } => "SHOW TABLES".to_owned(),
        Show::Tables { database: Some(database) } => {
            format!("SHOW TABLES FROM {}", ident(database))
        }
        Show::Columns(table) => format!("SHOW COLUMNS {}", from(table)),
        Show::Indexes(None) => "SHOW INDEXES".to_owned(),
        Show::Indexes(Some(table)) => format!("SHOW INDEXES {}", from(table)),
        Show::Constraints(table) => format!("SHOW CONSTRAINTS {}", from(table)),
        Show::CreateTable(table) => format!("SHOW CREATE TABLE {}", object_name(table)),
        Show::CreateSequence(name) => format!("SHOW CREATE SEQUENCE {}", object_name(name)),
        Show::Sequences { database: None } => "SHOW SEQUENCES".to_owned(),
        Show::Sequences { database: Some(database) } => {
            format!("SHOW SEQUENCES FROM {}", ident(database))
        }
        Show::Jobs { jobs, when_complete } => {
            let when = opt(*when_complete, " WHEN COMPLETE");
            match jobs {
                Jobs::One(id) => format!("SHOW JOB{when} {}", value(id)),
                Jobs::Query(query) => format!("SHOW JOBS{when} ({})", query.text),
                Jobs::All | Jobs::Type(_) => "SHOW JOBS".to_owned(),
            }
        }
        Show::Rejects(id) => format!("SHOW REJECTS FOR JOB {}", value(id)),
        Show::Users => "SHOW USERS".to_owned(),
        Show::Grants { target, users } => {
            let on = target.as_ref().map(|target| format!(" ON {}", print_target(target)));
            let users = (!users.is_empty()).then(|| format!(" FOR {}", idents(users)));
            format!("SHOW GRANTS{}{}", on.unwrap_or_default(), users.unwrap_or_default())
        }
        Show::ClusterSetting(name) => format!("SHOW CLUSTER SETTING {}", setting(name)),
        Show::AllClusterSettings => "SHOW ALL CLUSTER SETTINGS".to_owned(),
        Show::Variable(name) => format!("SHOW {}", show_variable(name)),
        Show::Schemas => "SHOW SCHEMAS".to_owned(),
    }
}

/// Prints the name of a cluster setting, whose dots separate parts.
fn setting(name: &Ident) -> String {
    name.value.split('.').map(quote_ident).collect::<Vec<_>>().join(".")
}

/// Prints the name of a session variable; some of them are also words of other statements.
fn variable(name: &Ident) -> String {
    match name.value.as_str() {
        "all" => "ALL".to_owned(),
        word @ ("cluster" | "session" | "local" | "time" | "names" | "transaction" | "tracing"
        | "role" | "constraints") => format!("\"{word}\""),
        _ => setting(name),
    }
}

fn show_variable(name: &Ident) -> String {
    let words = [
        "databases",
        "schemas",
        "tables",
        "columns",
        "fields",
        "indexes",
        "indices",
        "index",
        "keys",
        "constraints",
        "constraint",
        "create",
        "jobs",
        "job",
        "users",
        "grants",
        "public",
        "backup",
        "functions",
        "partitions",
        "queries",
        "ranges",
        "rejects",
        "roles",
        "sequences",
        "sessions",
        "statistics",
        "types",
    ];
    match name.value.as_str() {
        word if words.contains(&word) => format!("\"{word}\""),
        _ => variable(name),
    }
}

fn opt_value(given: Option<&Value>) -> String {
    given.map_or_else(|| "DEFAULT".to_owned(), value)
}

/// Prints a value as it was given: a string, a word, a number or a placeholder.
fn value(value: &Value) -> String {
    match value.kind {
        ValueKind::String => quote_literal(&value.text),
        // Words such as ON and TRUE are no names but stand here without quotes.
        ValueKind::Word => match value.text.as_str() {
            "on" | "true" | "false" | "all" | "none" | "user" | "local" => value.text.clone(),
            word => quote_ident(word),
        },
        ValueKind::Number => value.text.clone(),
        ValueKind::Placeholder => format!("${}", value.text),
    }
}
