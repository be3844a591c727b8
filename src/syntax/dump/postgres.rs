//! Statements that `pg_dump` writes.

use std::collections::BTreeMap;

use super::super::literal::{always_quote, quote_literal};
use super::super::token::TokenKind;
use super::rewrite::{element, expression, known_element};
use super::sequence::{identity, sequence};
use super::tokens::{Item, Tokens, closing, dotted, elements, is, join, unexpected};
use super::{DumpElement, DumpStatement, DumpTable};
use crate::error::Result;

/// The texts of each enumerated type.
pub type Enums = BTreeMap<String, Vec<String>>;

/// Beginnings of statements that mean nothing for an import.
const PASSED_OVER: &[&str] = &[
    "SET",
    "RESET",
    "COMMENT",
    "GRANT",
    "REVOKE",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "LOCK",
    "ANALYZE",
    "VACUUM",
    "DROP",
    "SECURITY LABEL",
    "ALTER DEFAULT PRIVILEGES",
    "CREATE EXTENSION",
    "ALTER EXTENSION",
    "CREATE DATABASE",
    "ALTER DATABASE",
    "CREATE ROLE",
    "ALTER ROLE",
    "CREATE SCHEMA public",
    "ALTER SCHEMA",
    "SELECT pg_catalog . set_config",
    "SELECT set_config",
];

/// What may follow the name in an ALTER TABLE that means nothing for an import.
const HARMLESS_CHANGES: &[&str] = &[
    "OWNER TO",
    "CLUSTER ON",
    "SET WITHOUT",
    "SET (",
    "RESET (",
    "SET TABLESPACE",
    "SET LOGGED",
    "SET UNLOGGED",
    "SET ACCESS METHOD",
    "ENABLE TRIGGER",
    "DISABLE TRIGGER",
    "REPLICA IDENTITY",
    "DROP CONSTRAINT",
    "NO FORCE",
];

/// Words that end the type of a column.
const CLAUSES: &[&str] = &[
    "COLLATE",
    "DEFAULT",
    "NOT",
    "NULL",
    "GENERATED",
    "CONSTRAINT",
    "CHECK",
    "PRIMARY",
    "UNIQUE",
    "REFERENCES",
];

/// Words that a table's constraint starts with.
const CONSTRAINTS: &[&str] =
    &["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE", "LIKE"];

/// Reads a statement.
pub(super) fn read(text: &str, enums: &Enums) -> Result<Vec<DumpStatement>> {
    let tokens = Tokens::new(text);
    let one = |statement| Ok(vec![statement]);
    if tokens.starts(0, "SET standard_conforming_strings") {
        return one(DumpStatement::Backslash(last_is(&tokens, "off")));
    }
    if tokens.starts(0, "SET client_encoding") {
        let value = tokens.0.last().and_then(|item| item.string().or_else(|| item.name()));
        return one(DumpStatement::Encoding(value.unwrap_or_default()));
    }
    if tokens.starts(0, "SET search_path") {
        return one(search_path(&tokens));
    }
    let owner = tokens.0.len().checked_sub(3).is_some_and(|at| tokens.starts(at, "OWNER TO"));
    if tokens.is(0, "ALTER") && owner || PASSED_OVER.iter().any(|words| tokens.starts(0, words)) {
        return one(DumpStatement::PassedOver);
    }
    if let Some(found) = sequence(&tokens) {
        return found.map(|statement| vec![statement]);
    }
    if tokens.starts(0, "CREATE TYPE") {
        return enum_type(&tokens).map(|statement| vec![statement]);
    }
    if tokens.starts(0, "ALTER TABLE") || tokens.starts(0, "ALTER FOREIGN TABLE") {
        return alter_table(&tokens, enums).map(|statement| vec![statement]);
    }
    for start in ["CREATE TABLE", "CREATE UNLOGGED TABLE"] {
        if tokens.starts(0, start) {
            let at = start.split(' ').count();
            return create_table(&tokens, at, enums).map(|statement| vec![statement]);
        }
    }
    for start in ["CREATE INDEX", "CREATE UNIQUE INDEX"] {
        if tokens.starts(0, start) {
            let at = start.split(' ').count();
            return create_index(&tokens, at).map(|statement| vec![statement]);
        }
    }
    one(DumpStatement::Unsupported(None))
}

fn last_is(tokens: &Tokens, word: &str) -> bool {
    let last = tokens.0.last();
    let string = last.and_then(Item::string);
    string.is_some_and(|text| text.eq_ignore_ascii_case(word)) || last.is_some_and(|it| it.is(word))
}

/// Reads `SET search_path = public, pg_catalog`: other schemas there are none.
fn search_path(tokens: &Tokens) -> DumpStatement {
    let first = tokens.0.get(3).map(|item| item.string().or_else(|| item.name()));
    match first.flatten().as_deref() {
        None | Some("" | "public" | "pg_catalog") => DumpStatement::PassedOver,
        Some(schema) => other_schema(schema),
    }
}

pub(super) fn other_schema(schema: &str) -> DumpStatement {
    DumpStatement::Unsupported(Some(format!("schema \"{schema}\" does not exist")))
}

/// Returns the refusal of a table that is not in `public`; `at` is where its name stands.
pub(super) fn not_public(tokens: &Tokens, at: usize) -> DumpStatement {
    match dotted(&tokens.0, at) {
        Some((parts, _)) if parts.len() > 1 => other_schema(&parts[parts.len() - 2]),
        _ => DumpStatement::Unsupported(None),
    }
}

fn enum_type(tokens: &Tokens) -> Result<DumpStatement> {
    let (mut parts, next) = tokens.dotted(2)?;
    if !tokens.starts(next, "AS ENUM (") {
        return Ok(DumpStatement::Unsupported(None));
    }
    let end = tokens.closing(next + 2)?;
    let labels = elements(&tokens.0[next + 3..end])
        .into_iter()
        .map(|label| label.first().and_then(Item::string).ok_or_else(|| unexpected(label.first())))
        .collect::<Result<_>>()?;
    Ok(DumpStatement::Enum { name: parts.pop().unwrap_or_default(), labels })
}

fn create_table(tokens: &Tokens, mut at: usize, enums: &Enums) -> Result<DumpStatement> {
    if tokens.starts(at, "IF NOT EXISTS") {
        at += 3;
    }
    let (table, open) = tokens.table(at)?;
    let Some(name) = table else { return Ok(not_public(tokens, at)) };
    if !tokens.is(open, "(") {
        return Ok(DumpStatement::Unsupported(None));
    }
    let close = tokens.closing(open)?;
    if let Some(word) = ["INHERITS", "PARTITION"].iter().find(|word| tokens.is(close + 1, word)) {
        return Ok(DumpStatement::Unsupported(Some(format!("{word} is not supported"))));
    }
    let mut table = DumpTable::new(name);
    for items in elements(&tokens.0[open + 1..close]) {
        if CONSTRAINTS.iter().any(|word| is(items, 0, word)) {
            table.elements.push(constraint(items, enums));
        } else {
            table.columns.push(element(&column(items, enums)?)?);
        }
    }
    Ok(DumpStatement::Table(table))
}

/// Returns the definition of a column in our dialect.
fn column(items: &[Item], enums: &Enums) -> Result<String> {
    let Some(name) = items.first().and_then(Item::name) else {
        return Err(unexpected(items.first()));
    };
    let mut end = 1;
    while end < items.len() && !CLAUSES.iter().any(|word| is(items, end, word)) {
        end = if is(items, end, "(") { closing(items, end).unwrap_or(end) + 1 } else { end + 1 };
    }
    let quoted = always_quote(&name);
    let (sql_type, labels) = column_type(&items[1..end], enums);
    let mut text = format!("{quoted} {sql_type} {}", expressions(&items[end..], enums));
    if let Some(labels) = labels {
        let labels: Vec<String> = labels.iter().map(|label| quote_literal(label)).collect();
        text.push_str(&format!(" CHECK ({quoted} IN ({}))", labels.join(", ")));
    }
    Ok(text)
}

/// Returns a type in our dialect, and the texts that it is limited to.
fn column_type<'e>(items: &[Item], enums: &'e Enums) -> (String, Option<&'e Vec<String>>) {
    let Some((parts, next)) = dotted(items, 0) else { return (join(items), None) };
    let name = parts.last().map_or("", String::as_str);
    let rest = join(without_precision(name, &items[next..]));
    match (enums.get(name), parts.len(), name) {
        (Some(labels), ..) if rest.is_empty() => ("STRING".to_owned(), Some(labels)),
        (Some(_), ..) => (format!("STRING{rest}"), None),
        (None, _, "bpchar" | "name") => (format!("STRING{rest}"), None),
        (None, 2, _) => (format!("{name} {rest}"), None),
        _ => (format!("{} {rest}", join(&items[..next])), None),
    }
}

/// Leaves out the precision of a time: values are held in microseconds, and those of the dump are
/// rounded already.
fn without_precision<'i>(name: &str, items: &'i [Item]) -> &'i [Item] {
    let is_time = ["time", "timestamp", "timestamptz", "timetz", "interval"].contains(&name);
    match closing(items, 0) {
        Some(end) if is_time && is(items, 0, "(") => &items[end + 1..],
        _ => items,
    }
}

/// Returns a constraint of a table in our dialect.
fn constraint(items: &[Item], enums: &Enums) -> DumpElement {
    let mut end = items.len();
    // What says when or how strictly the constraint is checked: here always, and at once.
    for tail in [
        ["NOT", "VALID"].as_slice(),
        &["INITIALLY", "DEFERRED"],
        &["INITIALLY", "IMMEDIATE"],
        &["NOT", "DEFERRABLE"],
        &["DEFERRABLE"],
        &["NO", "INHERIT"],
    ] {
        let start = end.saturating_sub(tail.len());
        if tail.iter().enumerate().all(|(index, word)| is(items, start + index, word)) {
            end = start;
        }
    }
    known_element(items, &expressions(&items[..end], enums))
}

fn create_index(tokens: &Tokens, mut at: usize) -> Result<DumpStatement> {
    let unique = tokens.is(1, "UNIQUE");
    if tokens.is(at, "CONCURRENTLY") {
        at += 1;
    }
    if tokens.starts(at, "IF NOT EXISTS") {
        at += 3;
    }
    let (name, mut next) = tokens.dotted(at)?;
    if !tokens.is(next, "ON") {
        return Err(tokens.unexpected(next));
    }
    next += 1 + usize::from(tokens.is(next + 1, "ONLY"));
    let (table, after) = tokens.table(next)?;
    let Some(table) = table else { return Ok(not_public(tokens, next)) };
    let mut open = after;
    let mut method = "btree".to_owned();
    if tokens.is(open, "USING") {
        method = tokens.0.get(open + 1).and_then(Item::name).unwrap_or_default();
        open += 2;
    }
    if !tokens.is(open, "(") {
        return Err(tokens.unexpected(open));
    }
    let close = tokens.closing(open)?;
    let name = name.last().map(|name| always_quote(name)).unwrap_or_default();
    let what = if unique { "UNIQUE INDEX" } else { "INDEX" };
    let columns = index_columns(&tokens.0[open + 1..close]);
    let tail = index_tail(&tokens.0[close + 1..]);
    let element = match (method.as_str(), columns) {
        ("btree" | "hash", Some(columns)) => {
            known_element(&tokens.0, &format!("{what} {name} ({columns}) {tail}"))
        }
        ("btree" | "hash", None) => {
            super::rewrite::unknown_element(&tokens.0, "an index on an expression is not supported")
        }
        _ => super::rewrite::unknown_element(
            &tokens.0,
            format!("an index by {method} is not supported"),
        ),
    };
    Ok(DumpStatement::Element { table, element })
}

/// Returns the columns of an index in our dialect; nothing if one is an expression.
fn index_columns(items: &[Item]) -> Option<String> {
    let columns: Option<Vec<String>> = elements(items)
        .into_iter()
        .map(|column| {
            let name = always_quote(&column.first()?.name()?);
            // Collations and operator classes order as we do, or are not missed.
            let expression = column.iter().skip(1).any(|item| item.is("(") || item.is("::"));
            let descending = column.iter().any(|item| item.is("DESC"));
            let call = is(column, 1, "(");
            (!expression && !call).then(|| if descending { format!("{name} DESC") } else { name })
        })
        .collect();
    columns.map(|columns| columns.join(", "))
}

/// Returns what follows the columns of an index, without its storage parameters.
fn index_tail(items: &[Item]) -> String {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < items.len() {
        if is(items, at, "WITH") && is(items, at + 1, "(") {
            at = closing(items, at + 1).unwrap_or(items.len()) + 1;
        } else if is(items, at, "TABLESPACE") {
            at += 2;
        } else {
            kept.push(items[at].clone());
            at += 1;
        }
    }
    join(&kept)
}

fn alter_table(tokens: &Tokens, enums: &Enums) -> Result<DumpStatement> {
    let mut at = 2 + usize::from(tokens.is(1, "FOREIGN"));
    if tokens.starts(at, "IF EXISTS") {
        at += 2;
    }
    at += usize::from(tokens.is(at, "ONLY"));
    let (table, next) = tokens.table(at)?;
    if HARMLESS_CHANGES.iter().any(|words| tokens.starts(next, words)) {
        return Ok(DumpStatement::PassedOver);
    }
    let Some(table) = table else { return Ok(not_public(tokens, at)) };
    if tokens.is(next, "ADD") && CONSTRAINTS.iter().any(|word| tokens.is(next + 1, word)) {
        let element = constraint(&tokens.0[next + 1..], enums);
        return Ok(DumpStatement::Element { table, element });
    }
    if !tokens.is(next, "ALTER") {
        return Ok(DumpStatement::Unsupported(None));
    }
    let name = next + 1 + usize::from(tokens.is(next + 1, "COLUMN"));
    let Some(column) = tokens.0.get(name).and_then(Item::name) else {
        return Err(tokens.unexpected(name));
    };
    let change = name + 1;
    if tokens.starts(change, "SET DEFAULT") {
        let default = expression(&expressions(&tokens.0[change + 2..], enums))?;
        return Ok(DumpStatement::Default { table, column, default });
    }
    if tokens.starts(change, "ADD GENERATED") {
        return identity(tokens, change, (table, column));
    }
    if tokens.starts(change, "SET NOT NULL") {
        return Ok(DumpStatement::NotNull { table, column });
    }
    let harmless = ["SET STATISTICS", "SET STORAGE", "SET COMPRESSION", "SET (", "RESET ("];
    match harmless.iter().any(|words| tokens.starts(change, words)) {
        true => Ok(DumpStatement::PassedOver),
        false => Ok(DumpStatement::Unsupported(None)),
    }
}

/// Returns clauses and expressions in our dialect: without schemas of functions and collations, and
/// with casts to types that we have.
fn expressions(items: &[Item], enums: &Enums) -> String {
    let mut out: Vec<String> = Vec::with_capacity(items.len());
    let mut at = 0;
    while let Some(item) = items.get(at) {
        if item.is("::") {
            at = cast(items, at + 1, enums, &mut out);
        } else if item.is("COLLATE") {
            let (parts, next) = dotted(items, at + 1).unwrap_or((Vec::new(), at + 1));
            if let Some(name) = parts.last().filter(|name| *name != "default") {
                out.extend(["COLLATE".to_owned(), always_quote(name)]);
            }
            at = next;
        } else if item.is("OPERATOR") && is(items, at + 1, "(") {
            // `OPERATOR(pg_catalog.=)`
            let end = closing(items, at + 1).unwrap_or(items.len());
            out.extend(items.get(end.saturating_sub(1)).map(|item| item.text.clone()));
            at = end + 1;
        } else if is_schema(item) && is(items, at + 1, ".") && is(items, at + 3, "(") {
            at += 2;
        } else {
            out.push(item.text.clone());
            at += 1;
        }
    }
    out.join(" ")
}

fn is_schema(item: &Item) -> bool {
    item.is("public") || item.is("pg_catalog")
}

/// Adds the cast to the type at `at`; returns the index behind the type.
fn cast(items: &[Item], at: usize, enums: &Enums, out: &mut Vec<String>) -> usize {
    let Some((parts, mut next)) = dotted(items, at) else { return at };
    let name = parts.last().map_or("", String::as_str);
    let mut words = vec![match name {
        _ if enums.contains_key(name) => "STRING".to_owned(),
        "bpchar" | "name" | "char"
            if parts.len() > 1 || items[at].kind == TokenKind::QuotedIdentifier =>
        {
            "STRING".to_owned()
        }
        "bpchar" | "name" => "STRING".to_owned(),
        _ => name.to_owned(),
    }];
    for word in ["varying", "precision"] {
        if is(items, next, word) {
            words.push(word.to_owned());
            next += 1;
        }
    }
    if is(items, next, "(") {
        let end = closing(items, next).unwrap_or(next);
        let kept = without_precision(name, &items[next..=end]);
        words.extend(kept.iter().map(|item| item.text.clone()));
        next = end + 1;
    }
    for zone in ["WITH TIME ZONE", "WITHOUT TIME ZONE"] {
        if zone.split(' ').enumerate().all(|(index, word)| is(items, next + index, word)) {
            words.push(zone.to_owned());
            next += 3;
        }
    }
    while is(items, next, "[") && is(items, next + 1, "]") {
        words.push("[]".to_owned());
        next += 2;
    }
    if name != "regclass" {
        out.push("::".to_owned());
        out.append(&mut words);
    }
    next
}
