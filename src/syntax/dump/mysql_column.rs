//! Columns of MySQL's tables in our dialect.

use super::super::literal::always_quote;
use super::mysql::is_introducer;
use super::tokens::{Item, closing, elements, is, join, unexpected};
use crate::error::{Error, Result, SqlState};

/// A column in our dialect.
pub(super) struct Column {
    pub(super) name: String,
    /// Its definition.
    pub(super) text: String,
    /// Whether it was BIT.
    pub(super) bit: bool,
    /// Whether it has `AUTO_INCREMENT`.
    pub(super) numbered: bool,
}

/// A type in our dialect.
struct Type {
    text: String,
    bit: bool,
    number: bool,
    /// The texts that it is limited to, as a list of literals.
    labels: Option<String>,
}

/// What the clauses of a column say.
#[derive(Default)]
struct Clauses {
    text: String,
    numbered: bool,
    json: bool,
}

/// Reads the definition of a column.
pub(super) fn column(items: &[Item]) -> Result<Column> {
    let Some(name) = items.first().and_then(Item::name) else {
        return Err(unexpected(items.first()));
    };
    let quoted = always_quote(&name);
    let (mut sql_type, next) = column_type(items)?;
    let clauses = clauses(items, next, sql_type.number, sql_type.bit)?;
    if clauses.json {
        "JSONB".clone_into(&mut sql_type.text);
    }
    if clauses.numbered && !sql_type.text.starts_with("INT") {
        "INT8".clone_into(&mut sql_type.text);
    }
    let mut text = format!("{quoted} {} {}", sql_type.text, clauses.text);
    if let Some(labels) = sql_type.labels {
        text.push_str(&format!(" CHECK ({quoted} IN ({labels}))"));
    }
    Ok(Column { name, text, bit: sql_type.bit, numbered: clauses.numbered })
}

/// Reads the type of a column; returns the index behind it.
fn column_type(items: &[Item]) -> Result<(Type, usize)> {
    let Some(name) = items.get(1).and_then(Item::name) else {
        return Err(unexpected(items.get(1)));
    };
    let mut next = 2 + usize::from(is(items, 2, "PRECISION") || is(items, 2, "VARYING"));
    let mut arguments = String::new();
    if is(items, next, "(") {
        let end = closing(items, next).ok_or_else(|| unexpected(items.last()))?;
        arguments = join(&items[next + 1..end]);
        next = end + 1;
    }
    let mut unsigned = false;
    while ["UNSIGNED", "SIGNED", "ZEROFILL"].iter().any(|word| is(items, next, word)) {
        unsigned |= is(items, next, "UNSIGNED") || is(items, next, "ZEROFILL");
        next += 1;
    }
    let with = |name: &str| match arguments.as_str() {
        "" => name.to_owned(),
        arguments => format!("{name}({arguments})"),
    };
    let text = match (name.as_str(), unsigned) {
        ("tinyint" | "year" | "bool" | "boolean", _) | ("smallint" | "int2", false) => {
            "INT2".to_owned()
        }
        ("smallint" | "int2", true) | ("mediumint", _) | ("int" | "integer" | "int4", false) => {
            "INT4".to_owned()
        }
        // An unsigned BIGINT above 9223372036854775807 is refused row by row.
        ("int" | "integer" | "int4", true) | ("bigint" | "int8" | "bit", _) => "INT8".to_owned(),
        ("decimal" | "numeric" | "dec" | "fixed", _) if arguments.is_empty() => {
            "DECIMAL(10,0)".to_owned()
        }
        ("decimal" | "numeric" | "dec" | "fixed", _) => with("DECIMAL"),
        ("float", _) => "FLOAT4".to_owned(),
        ("double" | "real", _) => "FLOAT8".to_owned(),
        ("char" | "character" | "nchar", _) => with("CHAR"),
        ("varchar" | "nvarchar", _) => with("VARCHAR"),
        ("tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set", _) => {
            "STRING".to_owned()
        }
        ("binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob", _) => {
            "BYTES".to_owned()
        }
        ("json", _) => "JSONB".to_owned(),
        ("date", _) => "DATE".to_owned(),
        ("time", _) => "TIME".to_owned(),
        ("datetime", _) => "TIMESTAMP".to_owned(),
        ("timestamp", _) => "TIMESTAMPTZ".to_owned(),
        ("uuid", _) => "UUID".to_owned(),
        ("inet4" | "inet6", _) => "INET".to_owned(),
        _ => {
            let message = format!("type \"{name}\" is not supported");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
    };
    let number = ["INT", "DEC", "FLO"].iter().any(|start| text.starts_with(start));
    let labels = (name == "enum").then_some(arguments);
    Ok((Type { bit: name == "bit", number, text, labels }, next))
}

/// Clauses of a word and a value that mean nothing here.
const WITHOUT_EFFECT: &[&str] =
    &["CHARSET", "COLLATE", "COMMENT", "COLUMN_FORMAT", "STORAGE", "SRID"];

/// Reads the clauses of a column from `at` on.
fn clauses(items: &[Item], mut at: usize, number: bool, bit: bool) -> Result<Clauses> {
    let mut clauses = Clauses::default();
    while at < items.len() {
        if is(items, at, "CHARACTER") && is(items, at + 1, "SET") {
            at += 3;
        } else if WITHOUT_EFFECT.iter().any(|word| is(items, at, word)) {
            at += 2;
        } else if is(items, at, "INVISIBLE") || is(items, at, "VISIBLE") {
            at += 1;
        } else if is(items, at, "DEFAULT") {
            let end = end_of_value(items, at + 1);
            if let Some(value) = default(&items[at + 1..end], number, bit) {
                clauses.text.push_str(&format!(" DEFAULT {value}"));
            }
            at = end;
        } else if is(items, at, "ON") && is(items, at + 1, "UPDATE") {
            at = end_of_value(items, at + 2);
        } else if is(items, at, "AUTO_INCREMENT") {
            clauses.numbered = true;
            at += 1;
        } else if is(items, at, "CHECK") || is(items, at, "GENERATED") || is(items, at, "AS") {
            at = expression_clause(items, at, &mut clauses)?;
        } else if is(items, at, "UNIQUE") || is(items, at, "PRIMARY") {
            let word = if is(items, at, "UNIQUE") { "UNIQUE" } else { "PRIMARY KEY" };
            clauses.text.push_str(&format!(" {word}"));
            at += 1 + usize::from(is(items, at + 1, "KEY"));
        } else {
            // NULL and NOT NULL; what else there is, the parser refuses.
            clauses.text.push_str(&format!(" {}", items[at].text));
            at += 1;
        }
    }
    Ok(clauses)
}

/// Takes a CHECK or a computed value; returns the index behind it.
fn expression_clause(items: &[Item], at: usize, clauses: &mut Clauses) -> Result<usize> {
    let open = (at..items.len()).find(|index| is(items, *index, "("));
    let range = open.and_then(|open| closing(items, open).map(|close| (open, close)));
    let (open, close) = range.ok_or_else(|| unexpected(items.last()))?;
    let inner = without_introducers(&items[open + 1..close]);
    if is(items, at, "CHECK") {
        // MariaDB's JSON is a text with this check.
        if inner.first().is_some_and(|item| item.is("json_valid")) {
            clauses.json = true;
        } else {
            clauses.text.push_str(&format!(" CHECK ({})", join(&inner)));
        }
        return Ok(close + 1);
    }
    clauses.text.push_str(&format!(" AS ({}) STORED", join(&inner)));
    let stored = ["VIRTUAL", "STORED", "PERSISTENT"];
    let kind = stored.iter().any(|word| is(items, close + 1, word));
    Ok(close + 1 + usize::from(kind))
}

fn without_introducers(items: &[Item]) -> Vec<Item> {
    let kept = (0..items.len()).filter(|at| !is_introducer(items, *at));
    kept.map(|at| items[at].clone()).collect()
}

/// Returns the index behind a default: a literal, a name with arguments, or an expression in
/// parentheses.
fn end_of_value(items: &[Item], at: usize) -> usize {
    let sign = usize::from(is(items, at, "-") || is(items, at, "+"));
    let introduced = usize::from(items.get(at).is_some_and(|_| is_introducer(items, at)));
    let mut end = at + sign + introduced;
    if !is(items, end, "(") {
        end += 1;
    }
    if is(items, end, "(") {
        end = closing(items, end).unwrap_or(items.len()) + 1;
    }
    end.min(items.len())
}

/// Returns a default in our dialect; nothing if it says nothing.
fn default(items: &[Item], number: bool, bit: bool) -> Option<String> {
    let items = without_introducers(items);
    let first = items.first()?;
    if bit {
        let digits = first.text.strip_prefix(['b', 'B']).map(|rest| rest.trim_matches('\''));
        let value = digits.and_then(|digits| i64::from_str_radix(digits, 2).ok());
        return value.map(|value| value.to_string());
    }
    if let Some(text) = first.string().filter(|_| items.len() == 1) {
        let plain =
            number && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
        return match (text.starts_with("0000-00-00"), plain && !text.is_empty()) {
            (true, _) => None,
            (_, true) => Some(text),
            _ => Some(first.text.clone()),
        };
    }
    let call = |name: &str| first.is(name);
    if call("current_timestamp") || call("now") || call("localtimestamp") {
        return Some("current_timestamp".to_owned());
    }
    if call("curdate") || call("current_date") {
        return Some("current_date".to_owned());
    }
    if call("uuid") {
        return Some("gen_random_uuid()".to_owned());
    }
    // `DEFAULT (expression)`: one pair of parentheses, with what they hold translated alike.
    if first.is("(") && closing(&items, 0) == Some(items.len() - 1) {
        let inner = elements(&items[1..items.len() - 1]);
        if let [one] = inner.as_slice()
            && one.first().is_some_and(|item| item.is("uuid") || item.is("current_timestamp"))
        {
            return default(one, number, bit);
        }
    }
    Some(join(&items))
}
