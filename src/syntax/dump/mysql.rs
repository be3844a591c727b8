//! Statements that `mysqldump` and `mariadb-dump` write.

use super::super::literal::always_quote;
use super::mysql_column::{Column, column};
use super::rewrite::{element, known_element, unknown_element};
use super::tokens::{Item, Tokens, ansi, closing, elements, is, join, unexpected};
use super::{DumpElement, DumpSequence, DumpStatement, DumpTable};
use crate::error::Result;

/// Beginnings of statements that mean nothing for an import.
const PASSED_OVER: &[&str] = &[
    "SET",
    "USE",
    "DROP",
    "LOCK",
    "UNLOCK",
    "CREATE DATABASE",
    "ALTER DATABASE",
    "COMMIT",
    "BEGIN",
    "START TRANSACTION",
    "FLUSH",
    "GRANT",
    "REVOKE",
    "ANALYZE",
    "CHANGE MASTER",
    "CHANGE REPLICATION",
    "CREATE USER",
    "CREATE ROLE",
];

/// What a CREATE that is left out makes.
const LEFT_OUT: &[&str] = &["VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"];

/// Reads a statement.
pub(super) fn read(text: &str) -> Result<Vec<DumpStatement>> {
    let conditional = text.starts_with("/*!") || text.starts_with("/*M!");
    let tokens = Tokens::new(&ansi(text));
    let one = |statement| Ok(vec![statement]);
    if tokens.starts(0, "SET NAMES") {
        let value = tokens.0.get(2).and_then(|item| item.string().or_else(|| item.name()));
        return one(DumpStatement::Encoding(value.unwrap_or_default()));
    }
    if tokens.0.is_empty() || PASSED_OVER.iter().any(|words| tokens.starts(0, words)) {
        return one(DumpStatement::PassedOver);
    }
    if tokens.starts(0, "CREATE TABLE") {
        // Old dumps show views as tables first.
        return match conditional {
            true => one(DumpStatement::LeftOut("view")),
            false => create_table(&tokens).map(|statement| vec![statement]),
        };
    }
    if tokens.starts(0, "ALTER TABLE") {
        return alter_table(&tokens);
    }
    if tokens.is(0, "CREATE") {
        let mut head = tokens.0.iter().take(24);
        let what = head.find_map(|item| LEFT_OUT.iter().find(|word| item.is(word)));
        return one(match what {
            Some(what) if conditional || *what != "VIEW" => DumpStatement::LeftOut(lower(what)),
            _ => DumpStatement::Unsupported(None),
        });
    }
    match conditional {
        true => one(DumpStatement::PassedOver),
        false => one(DumpStatement::Unsupported(None)),
    }
}

fn lower(what: &str) -> &'static str {
    match what {
        "VIEW" => "view",
        "TRIGGER" => "trigger",
        "EVENT" => "event",
        _ => "routine",
    }
}

fn create_table(tokens: &Tokens) -> Result<DumpStatement> {
    let at = if tokens.starts(2, "IF NOT EXISTS") { 5 } else { 2 };
    let (parts, open) = tokens.dotted(at)?;
    if !tokens.is(open, "(") {
        return Ok(DumpStatement::Unsupported(None));
    }
    let close = tokens.closing(open)?;
    let name = parts.last().cloned().unwrap_or_default();
    let mut table = DumpTable::new(name);
    table.next_number = next_number(&tokens.0[close + 1..]);
    for items in elements(&tokens.0[open + 1..close]) {
        if let Some(element) = table_element(items) {
            table.elements.push(element);
            continue;
        }
        let Column { name, text, bit, numbered } = column(items)?;
        table.columns.push(element(&text)?);
        if bit {
            table.bits.push(name.clone());
        }
        if numbered {
            table.numbered = Some(name);
        }
    }
    Ok(DumpStatement::Table(table))
}

/// Returns the number of `AUTO_INCREMENT = 5` among options.
fn next_number(items: &[Item]) -> Option<i64> {
    let at = items.iter().position(|item| item.is("AUTO_INCREMENT"))? + 1;
    items.get(at + usize::from(is(items, at, "=")))?.text.parse().ok()
}

/// Reads a key or constraint; nothing if the element is a column.
fn table_element(items: &[Item]) -> Option<DumpElement> {
    let starts = |words: &str| words.split(' ').enumerate().all(|(at, word)| is(items, at, word));
    let first = items.first()?;
    if first.kind == super::super::token::TokenKind::QuotedIdentifier {
        return None;
    }
    if starts("FULLTEXT") || starts("SPATIAL") || starts("VECTOR") {
        let what = first.text.to_lowercase();
        return Some(unknown_element(items, format!("a {what} index is not supported")));
    }
    if starts("PRIMARY KEY") {
        return Some(key(items, "PRIMARY KEY", 2));
    }
    if starts("UNIQUE") {
        let named = 1 + usize::from(is(items, 1, "KEY") || is(items, 1, "INDEX"));
        return Some(key(items, "UNIQUE", named));
    }
    if starts("KEY") || starts("INDEX") {
        return Some(key(items, "INDEX", 1));
    }
    if starts("CONSTRAINT") {
        return Some(constraint(items));
    }
    (starts("FOREIGN KEY") || starts("CHECK")).then(|| constraint(items))
}

/// Reads a key whose name, if it has one, stands at `at`.
fn key(items: &[Item], what: &str, at: usize) -> DumpElement {
    let mut open = at;
    while open < items.len() && !is(items, open, "(") {
        open += 1;
    }
    let Some(close) = closing(items, open) else {
        return unknown_element(items, unexpected(items.get(open)).message());
    };
    let name =
        items.get(at).filter(|_| at < open).and_then(Item::name).filter(|_| what != "PRIMARY KEY");
    let Some(columns) = key_columns(&items[open + 1..close]) else {
        return unknown_element(items, "an index on an expression is not supported");
    };
    let name = name.map(|name| always_quote(&name)).unwrap_or_default();
    known_element(
        items,
        &match what {
            "UNIQUE" if !name.is_empty() => format!("CONSTRAINT {name} UNIQUE ({columns})"),
            "INDEX" => format!("INDEX {name} ({columns})"),
            _ => format!("{what} ({columns})"),
        },
    )
}

/// Returns the columns of a key, without the lengths of their prefixes.
fn key_columns(items: &[Item]) -> Option<String> {
    let columns: Option<Vec<String>> = elements(items)
        .into_iter()
        .map(|column| {
            let name = always_quote(&column.first()?.name()?);
            let descending = column.last().is_some_and(|item| item.is("DESC"));
            Some(if descending { format!("{name} DESC") } else { name })
        })
        .collect();
    columns.map(|columns| columns.join(", "))
}

fn constraint(items: &[Item]) -> DumpElement {
    let enforced = |at: usize| is(items, at, "NOT") && is(items, at + 1, "ENFORCED");
    if items.len().checked_sub(2).is_some_and(enforced) {
        return unknown_element(items, "a constraint that is not enforced is not supported");
    }
    // `CONSTRAINT name UNIQUE KEY (a)`
    let at = if is(items, 0, "CONSTRAINT") { 2 } else { 0 };
    if is(items, at, "UNIQUE") || is(items, at, "PRIMARY") {
        let open = items.iter().position(|item| item.is("(")).unwrap_or(items.len());
        let what = if is(items, at, "UNIQUE") { "UNIQUE" } else { "PRIMARY KEY" };
        let mut named = vec![items[at - usize::from(at > 0)].clone()];
        named.extend_from_slice(&items[open..]);
        return key(&named, what, 0);
    }
    let mut text = Vec::with_capacity(items.len());
    let mut index = 0;
    while index < items.len() {
        // An index of its own name: `FOREIGN KEY name (a)`.
        let named = index > 1 && is(items, index - 1, "KEY") && is(items, index - 2, "FOREIGN");
        if named && !is(items, index, "(") {
            index += 1;
            continue;
        }
        if !is_introducer(items, index) {
            text.push(items[index].clone());
        }
        index += 1;
    }
    known_element(items, &join(&text))
}

/// Tells whether a character set stands before a string: `_utf8mb4'x'`.
pub(super) fn is_introducer(items: &[Item], at: usize) -> bool {
    items[at].text.starts_with('_') && items.get(at + 1).is_some_and(|next| next.string().is_some())
}

/// Reads what phpMyAdmin puts keys into: `ALTER TABLE t ADD PRIMARY KEY (id), MODIFY ...`.
fn alter_table(tokens: &Tokens) -> Result<Vec<DumpStatement>> {
    let (parts, next) = tokens.dotted(2)?;
    let table = parts.last().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for items in elements(&tokens.0[next..]) {
        let harmless = ["DISABLE", "ENABLE", "COMMENT", "ENGINE", "ORDER"];
        if let (true, Some(value)) = (is(items, 0, "AUTO_INCREMENT"), next_number(items)) {
            let next = DumpSequence::Next { table: table.clone(), value };
            found.push(DumpStatement::Sequence(next));
        } else if harmless.iter().any(|word| is(items, 0, word)) {
            found.push(DumpStatement::PassedOver);
        } else if is(items, 0, "ADD") {
            found.push(match table_element(&items[1..]) {
                Some(element) => DumpStatement::Element { table: table.clone(), element },
                None => DumpStatement::Unsupported(None),
            });
        } else if is(items, 0, "MODIFY") && items.iter().any(|item| item.is("AUTO_INCREMENT")) {
            let at = 1 + usize::from(is(items, 1, "COLUMN"));
            let column = items.get(at).and_then(Item::name);
            let column = column.ok_or_else(|| unexpected(items.get(at)))?;
            let table = table.clone();
            let (name, options) = (None, Vec::new());
            let numbered = DumpSequence::Column { table, column, name, options };
            found.push(DumpStatement::Sequence(numbered));
        } else {
            found.push(DumpStatement::Unsupported(None));
        }
    }
    Ok(found)
}
