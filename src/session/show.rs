//! SHOW: rows about the catalog, settings and jobs.

use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray,
};
use arrow::datatypes::{Field, Schema};

use super::{Outcome, Rows, Session};
use crate::catalog::{
    Catalog, DatabaseId, IndexDescriptor, Object, PUBLIC_SCHEMA, Privilege, ROOT, ROWID,
    TableDescriptor, TableId,
};
use crate::error::{Error, Result, SqlState};
use crate::plan::{
    CLUSTER_SETTINGS, Show, cluster_setting, create_sequence_text, create_table_text, variable_help,
};
use crate::store::View;
use crate::syntax::quote_ident;

/// A value of a result that the session makes itself.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// A moment, in microseconds since 1970.
    Time(i64),
    /// A text.
    Text(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Rows that the session makes itself.
pub(super) struct Table {
    names: Vec<&'static str>,
    columns: Vec<Vec<Cell>>,
    rows: usize,
}

impl Table {
    /// Returns an empty table with these columns.
    pub(super) fn new(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), columns: vec![Vec::new(); names.len()], rows: 0 }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.names.len());
        self.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        self.rows += 1;
    }

    /// Returns the rows as a result.
    pub(super) fn into_rows(self) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.columns.into_iter().map(array).collect();
        let fields: Vec<Field> = self
            .names
            .iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal(&error).caused_by(error))?;
        Ok(Rows::from_batch(batch))
    }
}

/// Returns a column's cells as an array; the first that is not NULL decides its type.
fn array(cells: Vec<Cell>) -> ArrayRef {
    /// Returns the array of what `value` finds in the cells.
    fn gathered<T, A>(cells: Vec<Cell>, value: impl Fn(Cell) -> Option<T>) -> ArrayRef
    where
        A: FromIterator<Option<T>> + Array + 'static,
    {
        Arc::new(cells.into_iter().map(value).collect::<A>())
    }
    macro_rules! gathered {
        ($array:ty, $kind:path) => {
            gathered::<_, $array>(cells, |cell| match cell {
                $kind(value) => Some(value),
                _ => None,
            })
        };
    }
    match cells.iter().find(|cell| !matches!(cell, Cell::Null)) {
        Some(Cell::Bool(_)) => gathered!(BooleanArray, Cell::Bool),
        Some(Cell::Int(_)) => gathered!(Int64Array, Cell::Int),
        Some(Cell::Float(_)) => gathered!(Float64Array, Cell::Float),
        Some(Cell::Time(_)) => gathered!(TimestampMicrosecondArray, Cell::Time),
        _ => gathered!(StringViewArray, Cell::Text),
    }
}

impl Session {
    pub(super) async fn run_show(&mut self, show: Show) -> Result<Outcome> {
        let view = self.view();
        let table = match show {
            Show::Databases => databases(&view),
            Show::Schemas => schemas(),
            Show::Tables(database) => Self::tables(&view, database)?,
            Show::Columns(table) => columns(require_table(&view, table)?),
            Show::Indexes(tables) => indexes(&view, &tables)?,
            Show::Constraints(table) => constraints(&view, require_table(&view, table)?),
            Show::CreateTable(table) => create_table(&view, require_table(&view, table)?),
            Show::Sequences(database) => self.sequences(&view, database),
            Show::CreateSequence(sequence) => create_sequence(&view, sequence)?,
            Show::Jobs { jobs, when_complete } => {
                return self.show_jobs(&jobs, when_complete).await;
            }
            Show::Rejects(id) => {
                return Ok(Outcome::Rows { rows: self.rejects(id)?, tag: "SHOW" });
            }
            Show::Users => users(&view),
            Show::Grants { objects, users } => grants(&view, &objects, &users),
            Show::ClusterSetting(name) => {
                let mut table = Table::new(&["value"]);
                table.row([cluster_setting(&*view.catalog, &name).into()]);
                table
            }
            Show::AllClusterSettings => cluster_settings(&view),
            Show::Variable(name) => {
                let mut table = Table::new(&["value"]);
                table.row([self.variable(&name).into()]);
                let rows = table.into_rows()?.renamed(&[name]);
                return Ok(Outcome::Rows { rows, tag: "SHOW" });
            }
            Show::AllVariables => self.all_variables(),
        };
        Ok(Outcome::Rows { rows: table.into_rows()?, tag: "SHOW" })
    }

    fn tables(view: &View, database: DatabaseId) -> Result<Table> {
        let mut result =
            Table::new(&["schema_name", "table_name", "type", "owner", "estimated_row_count"]);
        for table in view.catalog.tables(database) {
            let manifest = view.manifest(table.id)?;
            let rows: u64 = manifest.segments.iter().map(|segment| segment.rows).sum();
            result.row([
                PUBLIC_SCHEMA.into(),
                table.name.as_str().into(),
                "table".into(),
                owner(view, Object::Table(table.id)).into(),
                Cell::Int(rows.cast_signed()),
            ]);
        }
        Ok(result)
    }

    fn sequences(&self, view: &View, database: DatabaseId) -> Table {
        let mut result = Table::new(&[
            "schema_name",
            "sequence_name",
            "owner",
            "data_type",
            "increment",
            "last_value",
            "owned_by",
        ]);
        for sequence in view.catalog.sequences(database) {
            // Of a sequence that was dropped meanwhile nothing is known.
            let value = self.store.sequence_value(sequence.id).ok();
            let owner_column = sequence.owner.and_then(|owner| {
                let table = view.catalog.table_by_id(owner.table)?;
                let column = table.column_by_id(owner.column)?;
                Some(format!("{}.{}", quote_ident(&table.name), quote_ident(&column.name)))
            });
            result.row([
                PUBLIC_SCHEMA.into(),
                sequence.name.as_str().into(),
                owner(view, Object::Table(sequence.id)).into(),
                sequence.sql_type.to_string().into(),
                Cell::Int(sequence.increment),
                value.filter(|value| value.called).map_or(Cell::Null, |it| Cell::Int(it.last)),
                owner_column.into(),
            ]);
        }
        result
    }

    fn all_variables(&self) -> Table {
        let mut result = Table::new(&["variable", "value", "description"]);
        for help in variable_help() {
            result.row([help.name.into(), self.variable(help.name).into(), help.doc.into()]);
        }
        result
    }
}

/// Returns who owns an object: its creator is the user with all privileges, else root.
fn owner(view: &View, object: Object) -> String {
    view.catalog
        .grants(object)
        .into_iter()
        .find(|(_, set)| set.0.contains(&Privilege::All))
        .map_or(ROOT, |(user, _)| user)
        .to_owned()
}

fn require_table(view: &View, id: TableId) -> Result<&TableDescriptor> {
    view.catalog
        .table_by_id(id)
        .ok_or_else(|| Error::new(SqlState::UNDEFINED_TABLE, "relation does not exist"))
}

fn databases(view: &View) -> Table {
    let mut result = Table::new(&["database_name", "owner"]);
    for database in view.catalog.databases() {
        let owner = owner(view, Object::Database(database.id));
        result.row([database.name.as_str().into(), owner.into()]);
    }
    result
}

fn schemas() -> Table {
    let mut result = Table::new(&["schema_name"]);
    result.row([PUBLIC_SCHEMA.into()]);
    result
}

fn columns(table: &TableDescriptor) -> Table {
    let mut result = Table::new(&[
        "column_name",
        "data_type",
        "is_nullable",
        "column_default",
        "generation_expression",
        "indices",
        "is_hidden",
    ]);
    for column in &table.columns {
        let names = table.all_indexes().filter(|index| {
            index.key.iter().any(|part| part.column == column.id)
                || index.storing.contains(&column.id)
        });
        let names: Vec<&str> = names.map(|index| index.name.as_str()).collect();
        result.row([
            column.name.as_str().into(),
            column.sql_type.to_string().into(),
            Cell::Bool(column.nullable),
            column.default.clone().into(),
            column.computed.clone().unwrap_or_default().into(),
            format!("{{{}}}", names.join(",")).into(),
            Cell::Bool(false),
        ]);
    }
    if table.primary_key.is_none() {
        result.row([
            ROWID.into(),
            "INT8".into(),
            Cell::Bool(false),
            Cell::Null,
            "".into(),
            "{primary}".into(),
            Cell::Bool(true),
        ]);
    }
    result
}

fn indexes(view: &View, tables: &[TableId]) -> Result<Table> {
    let mut result = Table::new(&[
        "table_name",
        "index_name",
        "non_unique",
        "seq_in_index",
        "column_name",
        "direction",
        "storing",
        "implicit",
    ]);
    for id in tables {
        let table = require_table(view, *id)?;
        match &table.primary_key {
            Some(primary) => index_rows(&mut result, table, primary),
            None => result.row([
                table.name.as_str().into(),
                "primary".into(),
                Cell::Bool(false),
                Cell::Int(1),
                ROWID.into(),
                "ASC".into(),
                Cell::Bool(false),
                Cell::Bool(false),
            ]),
        }
        table.indexes.iter().for_each(|index| index_rows(&mut result, table, index));
    }
    Ok(result)
}

fn index_rows(result: &mut Table, table: &TableDescriptor, index: &IndexDescriptor) {
    let mut position = 0;
    let mut row = |column: &str, direction: &str, storing: bool, implicit: bool| {
        position += 1;
        result.row([
            table.name.as_str().into(),
            index.name.as_str().into(),
            Cell::Bool(!index.unique),
            Cell::Int(position),
            column.into(),
            direction.into(),
            Cell::Bool(storing),
            Cell::Bool(implicit),
        ]);
    };
    let direction = |descending| if descending { "DESC" } else { "ASC" };
    for part in &index.key {
        if let Some(column) = table.column_by_id(part.column) {
            row(&column.name, direction(part.descending), false, false);
        }
    }
    for column in index.storing.iter().filter_map(|id| table.column_by_id(*id)) {
        row(&column.name, "N/A", true, false);
    }
    let primary = table.primary_key.iter().filter(|primary| primary.id != index.id);
    for part in primary.flat_map(|primary| &primary.key) {
        if let Some(column) = table.column_by_id(part.column)
            && index.key.iter().all(|own| own.column != part.column)
        {
            row(&column.name, direction(part.descending), false, true);
        }
    }
}

fn constraints(view: &View, table: &TableDescriptor) -> Table {
    let mut result =
        Table::new(&["table_name", "constraint_name", "constraint_type", "details", "validated"]);
    let mut row = |name: &str, kind: &str, details: String| {
        result.row([
            table.name.as_str().into(),
            name.into(),
            kind.into(),
            details.into(),
            Cell::Bool(true),
        ]);
    };
    if let Some(primary) = &table.primary_key {
        let names = table.key_names(&primary.key).join(", ");
        row(&primary.name, "PRIMARY KEY", format!("PRIMARY KEY ({names})"));
    }
    for index in table.indexes.iter().filter(|index| index.unique) {
        let names = table.key_names(&index.key).join(", ");
        row(&index.name, "UNIQUE", format!("UNIQUE ({names})"));
    }
    for check in &table.checks {
        row(&check.name, "CHECK", format!("CHECK ({})", check.expr));
    }
    for key in &table.foreign_keys {
        let Some(referenced) = view.catalog.table_by_id(key.references) else { continue };
        let names = |table: &TableDescriptor, ids: &[crate::catalog::ColumnId]| {
            let names = ids.iter().filter_map(|id| table.column_by_id(*id));
            names.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let details = format!(
            "FOREIGN KEY ({}) REFERENCES {} ({})",
            names(table, &key.columns),
            referenced.name,
            names(referenced, &key.referenced_columns)
        );
        row(&key.name, "FOREIGN KEY", details);
    }
    result
}

fn create_table(view: &View, table: &TableDescriptor) -> Table {
    let mut result = Table::new(&["table_name", "create_statement"]);
    let text = create_table_text(table, &*view.catalog);
    result.row([table.name.as_str().into(), text.into()]);
    result
}

fn create_sequence(view: &View, id: TableId) -> Result<Table> {
    let Some(sequence) = view.catalog.sequence_by_id(id) else {
        return Err(Error::new(SqlState::UNDEFINED_TABLE, "relation does not exist"));
    };
    let mut result = Table::new(&["sequence_name", "create_statement"]);
    let text = create_sequence_text(sequence, &*view.catalog);
    result.row([sequence.name.as_str().into(), text.into()]);
    Ok(result)
}

fn users(view: &View) -> Table {
    let mut result = Table::new(&["user_name"]);
    view.catalog.users().into_iter().for_each(|user| result.row([user.into()]));
    result
}

fn grants(view: &View, objects: &[Object], users: &[String]) -> Table {
    let mut result =
        Table::new(&["database_name", "schema_name", "relation_name", "grantee", "privilege_type"]);
    let all: Vec<Object> = if objects.is_empty() {
        let databases = view.catalog.databases.keys().map(|id| Object::Database(*id));
        let relations = view.catalog.tables.keys().chain(view.catalog.sequences.keys());
        databases.chain(relations.map(|id| Object::Table(*id))).collect()
    } else {
        objects.to_vec()
    };
    for object in all {
        let (database, table) = match object {
            Object::Database(id) => (id, None),
            Object::Table(id) => {
                let table = view.catalog.table_by_id(id).map(|one| (one.database, &one.name));
                let sequence = view.catalog.sequence_by_id(id);
                match table.or_else(|| sequence.map(|one| (one.database, &one.name))) {
                    Some((database, name)) => (database, Some(name.as_str())),
                    None => continue,
                }
            }
        };
        let Some(database) = view.catalog.database_by_id(database) else { continue };
        let mut row = |user: &str, privilege: String| {
            if users.is_empty() || users.iter().any(|one| one == user) {
                result.row([
                    database.name.as_str().into(),
                    table.map(|_| PUBLIC_SCHEMA).into(),
                    table.into(),
                    user.into(),
                    privilege.into(),
                ]);
            }
        };
        row(ROOT, Privilege::All.to_string());
        for (user, set) in view.catalog.grants(object) {
            set.0.iter().for_each(|privilege| row(user, privilege.to_string()));
        }
    }
    result
}

fn cluster_settings(view: &View) -> Table {
    let mut result = Table::new(&["variable", "value", "setting_type", "description"]);
    for setting in CLUSTER_SETTINGS {
        result.row([
            setting.name.into(),
            cluster_setting(&*view.catalog, setting.name).into(),
            setting.kind.word().into(),
            setting.doc.into(),
        ]);
    }
    result
}
