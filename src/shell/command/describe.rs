//! `\d NAME`: a table's columns, indexes and constraints, laid out as psql does; or a sequence.

use super::{Words, list};
use crate::error::SqlState;
use crate::shell::console::{Console, Fetched};
use crate::shell::flow::{Flow, Stop};

/// `\d [NAME]`
pub(super) fn describe(console: &mut Console, words: &Words) -> Flow {
    let name = words.object().to_owned();
    if name.is_empty() || name.contains(['*', '?']) {
        return list::tables(console, words);
    }
    let columns = match console.fetch(&format!("SHOW COLUMNS FROM {name}")) {
        Err(Stop::Error(error)) if error.code() == SqlState::WRONG_OBJECT_TYPE => {
            return sequence(console, name);
        }
        columns => columns?,
    };
    let indexes = console.fetch(&format!("SHOW INDEXES FROM {name}"))?;
    let constraints = console.fetch(&format!("SHOW CONSTRAINTS FROM {name}"))?;
    let title = if name.contains('"') { name } else { quoted(&name) };
    console.show_table(&column_table(&columns), Some(format!("Table {title}")))?;
    let footer = footer(&visible(indexes, &columns), &constraints);
    console.output.rows(&footer)?;
    Ok(console.output.flush()?)
}

/// Shows the definition of a sequence.
fn sequence(console: &mut Console, name: String) -> Flow {
    let created = console.fetch(&format!("SHOW CREATE SEQUENCE {name}"))?;
    let title = if name.contains('"') { name } else { quoted(&name) };
    let mut table = Fetched::with_columns(&["Definition"]);
    let texts = created.rows.into_iter().filter_map(|mut row| row.pop());
    table.rows.extend(texts.map(|text| vec![text]));
    console.show_table(&table, Some(format!("Sequence {title}")))?;
    Ok(console.output.flush()?)
}

/// `.schema [TABLE]`
pub(super) fn definitions(console: &mut Console, words: &Words) -> Flow {
    let name = words.object();
    let names = if name.is_empty() {
        let tables = console.fetch("SHOW TABLES")?;
        tables.rows.iter().map(|row| quoted(tables.get(row, "table_name"))).collect()
    } else {
        vec![name.to_owned()]
    };
    for name in names {
        let created = console.fetch(&format!("SHOW CREATE TABLE {name}"))?;
        for row in &created.rows {
            let text = row.last().cloned().flatten().unwrap_or_default();
            console.output.rows(&format!("{text};\n"))?;
        }
    }
    Ok(console.output.flush()?)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns the visible columns with type, nullability and default.
fn column_table(columns: &Fetched) -> Fetched {
    let mut table = Fetched::with_columns(&["Column", "Type", "Nullable", "Default"]);
    for row in &columns.rows {
        if is_true(columns.get(row, "is_hidden")) {
            continue;
        }
        let generated = columns.get(row, "generation_expression");
        let default = if generated.is_empty() {
            columns.get(row, "column_default").to_owned()
        } else {
            format!("generated always as ({generated}) stored")
        };
        let nullable = if is_true(columns.get(row, "is_nullable")) { "" } else { "not null" };
        table.rows.push(vec![
            Some(columns.get(row, "column_name").to_owned()),
            Some(columns.get(row, "data_type").to_owned()),
            Some(nullable.to_owned()),
            Some(default),
        ]);
    }
    table
}

fn is_true(text: &str) -> bool {
    matches!(text, "t" | "true" | "YES")
}

/// Leaves out the rows of indexes that are about hidden columns.
fn visible(mut indexes: Fetched, columns: &Fetched) -> Fetched {
    let is_hidden = |name: &str| {
        columns.rows.iter().any(|row| {
            columns.get(row, "column_name") == name && is_true(columns.get(row, "is_hidden"))
        })
    };
    let rows = std::mem::take(&mut indexes.rows);
    indexes.rows =
        rows.into_iter().filter(|row| !is_hidden(indexes.get(row, "column_name"))).collect();
    indexes
}

/// Returns the sections below the columns.
fn footer(indexes: &Fetched, constraints: &Fetched) -> String {
    let of_type = |wanted: &str| {
        constraints
            .rows
            .iter()
            .filter(|row| constraints.get(row, "constraint_type") == wanted)
            .map(|row| {
                let name = quoted(constraints.get(row, "constraint_name"));
                let valid = is_true(constraints.get(row, "validated"));
                let mark = if valid { "" } else { " NOT VALID" };
                format!("{name} {}{mark}", constraints.get(row, "details"))
            })
            .collect::<Vec<_>>()
    };
    let mut text = String::new();
    for (heading, lines) in [
        ("Indexes", index_lines(indexes, constraints)),
        ("Check constraints", of_type("CHECK")),
        ("Foreign-key constraints", of_type("FOREIGN KEY")),
    ] {
        if !lines.is_empty() {
            text += &format!("{heading}:\n");
            for line in lines {
                text += &format!("    {line}\n");
            }
        }
    }
    text
}

/// Returns a line per index: `"name" UNIQUE (a, b DESC) STORING (c)`.
fn index_lines(indexes: &Fetched, constraints: &Fetched) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for row in &indexes.rows {
        let name = indexes.get(row, "index_name");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| index_line(name, indexes, constraints)).collect()
}

fn index_line(name: &str, indexes: &Fetched, constraints: &Fetched) -> String {
    let rows: Vec<_> =
        indexes.rows.iter().filter(|row| indexes.get(row, "index_name") == name).collect();
    let explicit = rows.iter().filter(|row| !is_true(indexes.get(row, "implicit")));
    let (mut keys, mut stored) = (Vec::new(), Vec::new());
    for row in explicit {
        let column = indexes.get(row, "column_name");
        let descending = indexes.get(row, "direction") == "DESC";
        if is_true(indexes.get(row, "storing")) {
            stored.push(column.to_owned());
        } else {
            keys.push(if descending { format!("{column} DESC") } else { column.to_owned() });
        }
    }
    let primary = constraints.rows.iter().any(|row| {
        constraints.get(row, "constraint_type") == "PRIMARY KEY"
            && constraints.get(row, "constraint_name") == name
    });
    let unique = rows.first().is_some_and(|row| !is_true(indexes.get(row, "non_unique")));
    let kind = match (primary, unique) {
        (true, _) => "PRIMARY KEY ",
        (false, true) => "UNIQUE ",
        _ => "",
    };
    // The primary key holds every column; to name them says nothing.
    let storing = if stored.is_empty() || primary {
        String::new()
    } else {
        format!(" STORING ({})", stored.join(", "))
    };
    format!("{} {kind}({}){storing}", quoted(name), keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(names: &[&str], rows: &[&[&str]]) -> Fetched {
        let mut table = Fetched::with_columns(names);
        let texts = |row: &&[&str]| row.iter().map(|text| Some((*text).to_owned())).collect();
        table.rows = rows.iter().map(texts).collect();
        table
    }

    #[test]
    fn lays_out_indexes_and_constraints() {
        let indexes = fetched(
            &["index_name", "non_unique", "column_name", "direction", "storing", "implicit"],
            &[
                &["t_pkey", "f", "id", "ASC", "f", "f"],
                &["t_pkey", "f", "a", "ASC", "t", "f"],
                &["t_a_idx", "t", "a", "DESC", "f", "f"],
                &["t_a_idx", "t", "b", "ASC", "t", "f"],
                &["t_a_idx", "t", "id", "ASC", "f", "t"],
                &["t_b_key", "f", "b", "ASC", "f", "f"],
            ],
        );
        let constraints = fetched(
            &["constraint_name", "constraint_type", "details", "validated"],
            &[
                &["t_pkey", "PRIMARY KEY", "PRIMARY KEY (id ASC)", "t"],
                &["c", "CHECK", "CHECK (a > 0)", "t"],
                &["f", "FOREIGN KEY", "FOREIGN KEY (a) REFERENCES p (id)", "f"],
            ],
        );
        assert_eq!(
            footer(&indexes, &constraints),
            "Indexes:
    \"t_pkey\" PRIMARY KEY (id)
    \"t_a_idx\" (a DESC) STORING (b)
    \"t_b_key\" UNIQUE (b)
Check constraints:
    \"c\" CHECK (a > 0)
Foreign-key constraints:
    \"f\" FOREIGN KEY (a) REFERENCES p (id) NOT VALID
"
        );
    }

    #[test]
    fn shows_visible_columns() {
        let columns = fetched(
            &[
                "column_name",
                "data_type",
                "is_nullable",
                "column_default",
                "generation_expression",
                "is_hidden",
            ],
            &[
                &["id", "INT8", "f", "", "", "f"],
                &["d", "INT8", "t", "5", "", "f"],
                &["g", "INT8", "t", "", "id + 1", "f"],
                &["rowid", "INT8", "f", "", "", "t"],
            ],
        );
        let rows: Vec<String> = column_table(&columns)
            .rows
            .iter()
            .map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join("|"))
            .collect();
        assert_eq!(
            rows,
            ["id|INT8|not null|", "d|INT8||5", "g|INT8||generated always as (id + 1) stored",]
        );
    }
}
