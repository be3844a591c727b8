//! Lists of things: `\dt`, `\di`, `\ds`, `\dn`, `\dp`, `\du`, `\l`. Each is a SHOW statement, perhaps
//! filtered by a pattern.

use super::Words;
use crate::shell::console::Console;
use crate::shell::flow::Flow;

/// `\dt [PATTERN]`
pub(super) fn tables(console: &mut Console, words: &Words) -> Flow {
    show(console, "SHOW TABLES", "table_name", words)
}

/// `\di [TABLE]`
pub(super) fn indexes(console: &mut Console, words: &Words) -> Flow {
    match words.object() {
        "" => show(console, "SHOW INDEXES", "table_name", words),
        table if is_pattern(table) => show(console, "SHOW INDEXES", "table_name", words),
        table => show_all(console, &format!("SHOW INDEXES FROM {table}")),
    }
}

/// `\ds [PATTERN]`
pub(super) fn sequences(console: &mut Console, words: &Words) -> Flow {
    show(console, "SHOW SEQUENCES", "sequence_name", words)
}

/// `\dn [PATTERN]`
pub(super) fn schemas(console: &mut Console, words: &Words) -> Flow {
    show(console, "SHOW SCHEMAS", "schema_name", words)
}

/// `\dp [TABLE]`
pub(super) fn privileges(console: &mut Console, words: &Words) -> Flow {
    match words.object() {
        "" => show_all(console, "SHOW GRANTS"),
        table if is_pattern(table) => show(console, "SHOW GRANTS", "relation_name", words),
        table => show_all(console, &format!("SHOW GRANTS ON {table}")),
    }
}

/// `\du [PATTERN]`
pub(super) fn users(console: &mut Console, words: &Words) -> Flow {
    show(console, "SHOW USERS", "user_name", words)
}

/// `\l [PATTERN]`
pub(super) fn databases(console: &mut Console, words: &Words) -> Flow {
    show(console, "SHOW DATABASES", "database_name", words)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Shows the rows of a statement, those whose `column` is like the words' pattern.
fn show(console: &mut Console, statement: &str, column: &str, words: &Words) -> Flow {
    let pattern = words.object();
    if pattern.is_empty() {
        return show_all(console, statement);
    }
    console.show_matching(statement, column, &|name| matches(pattern, name))
}

/// Shows the rows of a statement, without counting as the statement that ran last.
fn show_all(console: &mut Console, statement: &str) -> Flow {
    let previous = console.previous.clone();
    let ran = console.execute(statement);
    console.previous = previous;
    ran
}

/// Returns whether a name is like a pattern, in which `*` is any text and `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches(rest.as_str(), &name[at..]))
        }
        Some(c) => {
            let mut letters = name.chars();
            let alike = |letter: char| c == '?' || letter.to_lowercase().eq(c.to_lowercase());
            letters.next().is_some_and(alike) && matches(rest.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_patterns() {
        for (pattern, name, expected) in [
            ("cust*", "customers", true),
            ("*", "", true),
            ("c?t", "cat", true),
            ("c?t", "cart", false),
            ("*er*", "orders", true),
            ("CAT", "cat", true),
            ("cat", "cats", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
