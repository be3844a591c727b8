//! A `TableDescriptor` back to the CREATE TABLE that makes it, as SHOW CREATE TABLE prints it.
//!
//! The text parses back to the same descriptor but for ids, and names its tables by their bare names:
//! it is meant for the table's own database.

use crate::catalog::{
    Catalog, ColumnDescriptor, ColumnId, ForeignKey, IndexDescriptor, IndexKey, SequenceDescriptor,
    TableDescriptor,
};
use crate::syntax::quote_ident;
use crate::types::SqlType;

/// Returns the CREATE TABLE of a table: an element a line, in CockroachDB's manner.
pub fn create_table_text(table: &TableDescriptor, catalog: &dyn Catalog) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(column_text).collect();
    if let Some(key) = &table.primary_key {
        lines.push(index_text(table, key, "PRIMARY KEY"));
    }
    for index in &table.indexes {
        lines.push(index_text(table, index, "UNIQUE"));
    }
    for (name, columns) in &table.families {
        let columns: Vec<String> = columns.iter().map(|name| quote_ident(name)).collect();
        lines.push(format!("FAMILY {} ({})", quote_ident(name), columns.join(", ")));
    }
    for check in &table.checks {
        lines.push(format!("CONSTRAINT {} CHECK ({})", quote_ident(&check.name), check.expr));
    }
    for key in &table.foreign_keys {
        lines.push(foreign_key_text(table, key, catalog));
    }
    format!("CREATE TABLE {} (\n\t{}\n)", quote_ident(&table.name), lines.join(",\n\t"))
}

/// Returns the CREATE SEQUENCE of a sequence, with every option.
pub fn create_sequence_text(sequence: &SequenceDescriptor, catalog: &dyn Catalog) -> String {
    let mut text = format!(
        "CREATE SEQUENCE {} AS {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} CACHE {} {}",
        quote_ident(&sequence.name),
        sequence.sql_type,
        sequence.increment,
        sequence.minimum,
        sequence.maximum,
        sequence.start,
        sequence.cache,
        if sequence.cycle { "CYCLE" } else { "NO CYCLE" },
    );
    let owner = sequence.owner.and_then(|owner| {
        let table = catalog.table_by_id(owner.table)?;
        Some((table, table.column_by_id(owner.column)?))
    });
    if let Some((table, column)) = owner {
        let (table, column) = (quote_ident(&table.name), quote_ident(&column.name));
        text += &format!(" OWNED BY {table}.{column}");
    }
    text
}

fn column_text(column: &ColumnDescriptor) -> String {
    let (sql_type, collation) = without_collation(&column.sql_type);
    let mut text = format!("{} {sql_type}", quote_ident(&column.name));
    if let Some(name) = collation {
        text += &format!(" COLLATE \"{name}\"");
    }
    text += if column.nullable { " NULL" } else { " NOT NULL" };
    if let Some(expr) = &column.default {
        text += &format!(" DEFAULT {expr}");
    }
    if let Some(expr) = &column.computed {
        text += &format!(" AS ({expr}) STORED");
    }
    text
}

/// Returns the type without its collation, which stands behind the brackets of an array.
fn without_collation(sql_type: &SqlType) -> (SqlType, Option<String>) {
    match sql_type {
        SqlType::String { kind, length, collation } => {
            (SqlType::String { kind: *kind, length: *length, collation: None }, collation.clone())
        }
        SqlType::Array(element) => {
            let (element, collation) = without_collation(element);
            (SqlType::Array(Box::new(element)), collation)
        }
        other => (other.clone(), None),
    }
}

/// Returns an index, or the constraint that it belongs to, for which `constraint` are the words.
fn index_text(table: &TableDescriptor, index: &IndexDescriptor, constraint: &str) -> String {
    let name = quote_ident(&index.name);
    let key = key_text(table, &index.key);
    let mut text = match (index.constraint, index.unique) {
        (true, _) => format!("CONSTRAINT {name} {constraint} ({key})"),
        (false, true) => format!("UNIQUE INDEX {name} ({key})"),
        (false, false) => format!("INDEX {name} ({key})"),
    };
    if !index.storing.is_empty() {
        text += &format!(" STORING ({})", names(table, &index.storing));
    }
    text
}

fn key_text(table: &TableDescriptor, key: &[IndexKey]) -> String {
    let parts: Vec<String> = key
        .iter()
        .filter_map(|part| table.column_by_id(part.column).map(|column| (part, column)))
        .map(|(part, column)| {
            let direction = if part.descending { "DESC" } else { "ASC" };
            format!("{} {direction}", quote_ident(&column.name))
        })
        .collect();
    parts.join(", ")
}

fn foreign_key_text(table: &TableDescriptor, key: &ForeignKey, catalog: &dyn Catalog) -> String {
    let referenced = if key.references == table.id {
        table
    } else {
        catalog.table_by_id(key.references).unwrap_or(table)
    };
    let mut text = format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})",
        quote_ident(&key.name),
        names(table, &key.columns),
        quote_ident(&referenced.name),
        names(referenced, &key.referenced_columns),
    );
    if let Some(action) = &key.on_delete {
        text += &format!(" ON DELETE {action}");
    }
    if let Some(action) = &key.on_update {
        text += &format!(" ON UPDATE {action}");
    }
    text
}

fn names(table: &TableDescriptor, ids: &[ColumnId]) -> String {
    let names: Vec<String> = ids
        .iter()
        .filter_map(|id| table.column_by_id(*id))
        .map(|column| quote_ident(&column.name))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{catalog, table};

    /// Prints the table that `sql` makes; checks that the text makes the same table.
    fn printed(sql: &str) -> String {
        let table_made = table(sql);
        let text = create_table_text(&table_made, &catalog());
        assert_eq!(table(&text), table_made, "{text}");
        text
    }

    #[test]
    fn prints_an_element_a_line() {
        assert_eq!(
            printed(
                "CREATE TABLE t (id INT8 PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT 'x', \
                 up STRING AS (upper(name)) STORED, who INT8 REFERENCES customers ON DELETE RESTRICT, \
                 UNIQUE (name, id DESC), INDEX (who) STORING (name), UNIQUE INDEX u (up), \
                 FAMILY f (id, name), CHECK (id > 0))"
            ),
            "CREATE TABLE t (\n\
             \tid INT8 NOT NULL,\n\
             \tname VARCHAR(20) NOT NULL DEFAULT 'x',\n\
             \tup STRING NULL AS (upper(name)) STORED,\n\
             \twho INT8 NULL,\n\
             \tCONSTRAINT \"primary\" PRIMARY KEY (id ASC),\n\
             \tCONSTRAINT t_name_id_key UNIQUE (name ASC, id DESC),\n\
             \tINDEX t_who_idx (who ASC) STORING (name),\n\
             \tUNIQUE INDEX u (up ASC),\n\
             \tFAMILY f (id, name),\n\
             \tCONSTRAINT check_id CHECK (id > 0),\n\
             \tCONSTRAINT fk_who_ref_customers FOREIGN KEY (who) REFERENCES customers (id) \
             ON DELETE RESTRICT\n\
             )"
        );
    }

    #[test]
    fn prints_every_type_so_that_it_parses() {
        printed(
            "CREATE TABLE t (a BOOL, b INT2, c INT4, d INT8, e FLOAT4, f FLOAT8, g DECIMAL, \
             h DECIMAL(10,2), i STRING, j VARCHAR(20), k CHAR, l CHAR(3), m BYTES, n DATE, o TIME, \
             p TIMESTAMP, q TIMESTAMPTZ, r INTERVAL, s UUID, t INET, u JSONB, v INT8[], \
             w STRING COLLATE \"C\", x STRING[])",
        );
    }

    #[test]
    fn quotes_odd_names_and_keeps_self_references() {
        printed(
            "CREATE TABLE \"my Table\" (\"A b\" INT8 PRIMARY KEY, \"select\" INT8 REFERENCES \
             \"my Table\", SERIAL_ SERIAL, INDEX \"x\"\"y\" (\"select\"), CHECK (\"A b\" > 0))",
        );
    }
}
