//! A statement's first words: which rule of the grammar reads it, or that it is not supported.

use super::ast::{Ident, Show, Statement, Value, ValueKind};
use super::dialect::{self, Node, Rule, not_supported};
use super::error::{alternatives, nearest, syntax_error};
use super::query::parse_query;
use super::scan::Scanned;
use super::{copy, element, export, grant, import, index, insert, job, sequence, setting, show};
use crate::error::{Error, Result};

/// The words that a statement can start with, for messages and completion.
#[rustfmt::skip]
pub const STATEMENT_WORDS: &[&str] = &[
    "ABORT", "ALTER", "BEGIN", "CANCEL", "COMMIT", "COPY", "CREATE", "DESC", "DESCRIBE", "DROP",
    "END", "EXPLAIN", "EXPORT", "GRANT", "IMPORT", "INSERT", "PAUSE", "RESET", "RESUME", "REVOKE",
    "ROLLBACK", "SELECT", "SET", "SHOW", "START", "TABLE", "USE", "VALUES", "WITH",
];

/// What CREATE makes and DROP removes.
const MADE: &[&str] = &["TABLE", "INDEX", "SEQUENCE", "DATABASE", "USER"];

/// Statements that parse by their first words alone and are refused later, and whether they would
/// write. Where one is the beginning of another, the longer one stands first.
#[rustfmt::skip]
const UNSUPPORTED: &[(&str, bool)] = &[
    ("ALTER DATABASE", true), ("ALTER DEFAULT PRIVILEGES", true), ("ALTER INDEX", true),
    ("ALTER ROLE", true), ("ALTER SCHEMA", true), ("ALTER TABLE", true), ("ALTER TYPE", true),
    ("ALTER USER", true), ("ALTER VIEW", true),
    ("ANALYSE", true), ("ANALYZE", true), ("BACKUP", false), ("CALL", true), ("CANCEL QUERY", true),
    ("CHECKPOINT", true), ("CLOSE", false), ("COMMENT", true),
    ("CREATE AGGREGATE", true), ("CREATE CHANGEFEED", true), ("CREATE EXTENSION", true),
    ("CREATE EXTERNAL TABLE", true), ("CREATE FUNCTION", true),
    ("CREATE INVERTED INDEX", true), ("CREATE MATERIALIZED VIEW", true),
    ("CREATE OR REPLACE", true), ("CREATE PROCEDURE", true), ("CREATE ROLE", true),
    ("CREATE SCHEMA", true), ("CREATE STATISTICS", true),
    ("CREATE TEMPORARY", true), ("CREATE TEMP", true), ("CREATE TRIGGER", true),
    ("CREATE TYPE", true), ("CREATE UNLOGGED TABLE", true),
    ("CREATE VIEW", true), ("DEALLOCATE", false), ("DECLARE", false), ("DELETE", true),
    ("DISCARD", false), ("DROP FUNCTION", true), ("DROP MATERIALIZED VIEW", true),
    ("DROP PROCEDURE", true), ("DROP ROLE", true), ("DROP SCHEMA", true), ("DROP TRIGGER", true),
    ("DROP TYPE", true), ("DROP VIEW", true), ("EXECUTE", true), ("FETCH", false),
    ("IMPORT AVRO", true), ("IMPORT CSV", true), ("IMPORT DELIMITED", true),
    ("IMPORT MYSQLOUTFILE", true), ("IMPORT PARQUET", true),
    ("IMPORT PGCOPY", true), ("LISTEN", false), ("LOCK", true),
    ("MERGE", true), ("MOVE", false), ("NOTIFY", false), ("PREPARE", false),
    ("REASSIGN OWNED", true), ("REFRESH", true), ("REINDEX", true), ("RELEASE", false),
    ("RESTORE", true), ("ROLLBACK TO", false), ("SAVEPOINT", false), ("SET CONSTRAINTS", false),
    ("SET ROLE", false), ("SET SESSION AUTHORIZATION", false),
    ("SET SESSION CHARACTERISTICS", false), ("SET TRACING", false), ("SET TRANSACTION", false),
    ("SHOW AUTOMATIC JOBS", false), ("SHOW BACKUP", false), ("SHOW FUNCTIONS", false),
    ("SHOW PARTITIONS", false), ("SHOW QUERIES", false), ("SHOW RANGES", false),
    ("SHOW ROLES", false), ("SHOW SESSIONS", false), ("SHOW STATISTICS", false), ("SHOW TYPES", false),
    ("SHOW ZONE CONFIGURATIONS", false), ("TRUNCATE", true), ("UNLISTEN", false), ("UPDATE", true),
    ("UPSERT", true), ("VACUUM", true),
];

/// Parses the statement that begins at token `index`.
pub(super) fn parse(scanned: &Scanned<'_>, index: usize) -> Result<Statement> {
    let start = scanned.start_of(index);
    if let Some((name, writes)) = unsupported(scanned, index) {
        return Ok(Statement::Unsupported { name, writes });
    }
    let read = |rule| dialect::parse(scanned, rule, start);
    let second = scanned.word(index + 1).to_ascii_uppercase();
    match (scanned.word(index).to_ascii_uppercase().as_str(), second.as_str()) {
        ("IMPORT", _) if import::is_dump(scanned, index) => {
            import::import_dump(scanned, &read(Rule::import_dump)?)
        }
        ("IMPORT", "INTO") => import::import_into(scanned, &read(Rule::import_into)?),
        ("IMPORT", _) => import::import_table(scanned, &read(Rule::import_table)?),
        ("COPY", _) => copy::copy(scanned, &read(Rule::copy)?),
        ("EXPORT", _) => export::export(scanned, &read(Rule::export)?),
        ("CREATE", "DATABASE") => create_database(&read(Rule::create_database)?),
        ("CREATE", "USER") => grant::create_user(&read(Rule::create_user)?),
        ("CREATE", "TABLE") => element::create_table(scanned, &read(Rule::create_table)?),
        ("CREATE", "INDEX" | "UNIQUE") => index::create_index(scanned, &read(Rule::create_index)?),
        ("CREATE", "SEQUENCE") => sequence::create(&read(Rule::create_sequence)?),
        ("CREATE", _) => Err(expected(scanned, index + 1, MADE)),
        ("ALTER", "SEQUENCE") => sequence::alter(&read(Rule::alter_sequence)?),
        ("ALTER", _) => Ok(Statement::Unsupported { name: "ALTER".to_owned(), writes: true }),
        ("DROP", "DATABASE") => drop_database(&read(Rule::drop_database)?),
        ("DROP", "USER") => grant::drop_user(&read(Rule::drop_user)?),
        ("DROP", "TABLE") => {
            element::drop_tables(&read(Rule::drop_table)?).map(Statement::DropTable)
        }
        ("DROP", "SEQUENCE") => {
            element::drop_tables(&read(Rule::drop_sequence)?).map(Statement::DropSequence)
        }
        ("DROP", "INDEX") => index::drop_index(&read(Rule::drop_index)?),
        ("DROP", _) => Err(expected(scanned, index + 1, MADE)),
        ("USE", _) => use_database(&read(Rule::use_database)?),
        ("INSERT", _) => insert::insert(scanned, &read(Rule::insert)?),
        ("GRANT", _) => grant::grant(&read(Rule::grant)?).map(Statement::Grant),
        ("REVOKE", _) => grant::grant(&read(Rule::revoke)?).map(Statement::Revoke),
        ("BEGIN" | "START", _) => begin(&read(Rule::begin)?),
        ("COMMIT" | "END", _) => read(Rule::commit).map(|_| Statement::Commit),
        ("ROLLBACK" | "ABORT", _) => read(Rule::rollback).map(|_| Statement::Rollback),
        ("SET", "CLUSTER") => setting::set_cluster(&read(Rule::set_cluster_setting)?),
        ("SET", _) => setting::set_variable(&read(Rule::set_variable)?),
        ("RESET", "CLUSTER") => setting::reset_cluster(&read(Rule::reset_cluster_setting)?),
        ("RESET", _) => Ok(setting::reset_variable(&read(Rule::reset_variable)?)),
        ("SHOW", _) => show::show(scanned, &read(Rule::show)?).map(Statement::Show),
        ("PAUSE" | "RESUME" | "CANCEL", _) => job::control(scanned, &read(Rule::control_jobs)?),
        ("DESCRIBE" | "DESC", _) => {
            let table = read(Rule::describe)?.table_name()?;
            Ok(Statement::Show(Show::Columns(table)))
        }
        ("EXPLAIN", _) => explain(scanned, &read(Rule::explain)?),
        ("SELECT" | "VALUES" | "TABLE" | "WITH" | "(", _) => {
            parse_query(scanned, start..scanned.end()).map(Statement::Query)
        }
        _ => Err(no_statement(scanned, index)),
    }
}

/// Returns the name of the unsupported statement that begins at token `index`, and whether it would
/// write.
fn unsupported(scanned: &Scanned<'_>, index: usize) -> Option<(String, bool)> {
    let starts = |words: &str| {
        words.split(' ').enumerate().all(|(at, word)| scanned.is_word(index + at, word))
    };
    let found = UNSUPPORTED.iter().find(|(words, _)| starts(words));
    // A variable may have the name of one of these statements.
    let assigns = starts("SET")
        && (matches!(scanned.word(index + 2), "=" | ".") || scanned.is_word(index + 2, "TO"));
    if let Some((words, writes)) = found.filter(|_| !assigns) {
        return Some(((*words).to_owned(), *writes));
    }
    grant::unsupported_name(scanned, index).map(|name| (name, true))
}

/// Returns the error for a statement whose word at token `index` is none of `words`.
fn expected(scanned: &Scanned<'_>, index: usize, words: &[&str]) -> Error {
    let list: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let error = syntax_error(scanned, scanned.start_of(index), &alternatives(&list));
    match nearest(scanned.word(index), words.iter().copied()) {
        Some(word) => error.hint(format!("Did you mean {word}?")),
        None => error,
    }
}

/// Returns the error for a text that starts no statement.
fn no_statement(scanned: &Scanned<'_>, index: usize) -> Error {
    let error = syntax_error(scanned, scanned.start_of(index), "a statement");
    let supported = STATEMENT_WORDS.iter().copied();
    let others = UNSUPPORTED.iter().filter_map(|(words, _)| words.split(' ').next());
    match nearest(scanned.word(index), supported.chain(others)) {
        Some(word) => error.hint(format!("Did you mean {word}?")),
        None => {
            error.hint(format!("A statement starts with one of {}.", STATEMENT_WORDS.join(", ")))
        }
    }
}

fn create_database(node: &Node<'_>) -> Result<Statement> {
    let if_not_exists = node.has_clause(Rule::opt_if_not_exists);
    Ok(Statement::CreateDatabase { name: node.inner_ident(Rule::name)?, if_not_exists })
}

fn drop_database(node: &Node<'_>) -> Result<Statement> {
    Ok(Statement::DropDatabase {
        name: node.inner_ident(Rule::name)?,
        if_exists: node.has_clause(Rule::opt_if_exists),
        behavior: element::drop_behavior(node),
    })
}

fn use_database(node: &Node<'_>) -> Result<Statement> {
    let named = node.children().find(|child| matches!(child.rule(), Rule::string | Rule::name));
    let named = named.ok_or_else(|| Error::internal("USE names nothing"))?;
    Ok(Statement::Use { name: user_ident(&named)? })
}

/// Returns the name that a word or a string literal gives.
pub(super) fn user_ident(node: &Node<'_>) -> Result<Ident> {
    let Value { text, kind, span } = node.value()?;
    Ok(match kind {
        ValueKind::String => Ident { value: text, span },
        _ => node.ident(),
    })
}

fn begin(node: &Node<'_>) -> Result<Statement> {
    match node.all(Rule::transaction_mode).find(|mode| mode.has(Rule::kw_only)) {
        Some(mode) => Err(not_supported("a read-only transaction", mode.span())),
        None => Ok(Statement::Begin),
    }
}

fn explain(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let options = node.all(Rule::explain_option).flat_map(|option| option.children());
    let words: Vec<Rule> = node.children().chain(options).map(|child| child.rule()).collect();
    let start = node.require(Rule::rest)?.span().start;
    let index = scanned.index_at(start);
    if scanned.is_word(index, "EXPLAIN") {
        return Err(syntax_error(scanned, start, "a statement to explain"));
    }
    Ok(Statement::Explain {
        analyze: words.contains(&Rule::kw_analyze) || words.contains(&Rule::kw_analyse),
        verbose: words.contains(&Rule::kw_verbose),
        statement: Box::new(parse(scanned, index)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::print;

    #[test]
    fn every_unsupported_statement_is_found_by_its_name() {
        for (words, writes) in UNSUPPORTED {
            let parsed = crate::syntax::parse(words).unwrap();
            let expected = Statement::Unsupported { name: (*words).to_owned(), writes: *writes };
            assert_eq!(parsed, expected);
            assert_eq!(print(&parsed, &str::to_owned), *words);
        }
    }
}
