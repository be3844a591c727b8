//! The tables of a dump as descriptors: each as CREATE TABLE would make it, foreign keys last.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::contents::{At, Block, Contents, Found, default_of};
use super::ignored::Ignored;
use crate::catalog::{Catalog, ColumnDescriptor, ColumnId, Snapshot, TableDescriptor, TableId};
use crate::error::{Error, Notice, Result, SqlState};
use crate::job::import::dump_file::DumpFile;
use crate::job::{JobContext, check_expressions};
use crate::plan::{Absolute, ImportDump, PlanContext, default_variables, describe_dumped};
use crate::syntax::ast::{TableConstraint, TableElement};
use crate::syntax::print_elements;
use crate::types::SqlType;

/// The default of columns that a sequence numbered.
const ROW_ID: &str = "unique_rowid()";

/// A table to make.
pub(super) struct Described {
    /// Its descriptor, with its id.
    pub(super) table: TableDescriptor,
    /// Columns that were of MySQL's type BIT.
    pub(super) bits: Vec<String>,
    /// Where its rows stand.
    pub(super) blocks: Vec<Block>,
    at: At,
    elements: Vec<TableElement>,
    /// Foreign keys, until all tables are there.
    foreign_keys: Vec<(At, TableElement)>,
}

/// Describes the tables of a dump.
pub(super) struct Describer<'a> {
    pub(super) context: &'a JobContext,
    pub(super) import: &'a ImportDump,
    pub(super) file: &'a DumpFile,
    /// The catalog with the tables so far.
    catalog: Snapshot,
    ignored: Ignored,
}

impl<'a> Describer<'a> {
    /// Returns a describer that has seen no table.
    pub(super) fn new(context: &'a JobContext, import: &'a ImportDump, file: &'a DumpFile) -> Self {
        let catalog = (*context.query.view.catalog).clone();
        Self { context, import, file, catalog, ignored: Ignored::default() }
    }

    /// Returns the tables, and what was passed over.
    pub(super) fn describe(mut self, contents: Contents) -> Result<(Vec<Described>, Ignored)> {
        self.ignored = contents.ignored;
        let mut tables = Vec::with_capacity(contents.tables.len());
        for found in contents.tables {
            tables.extend(self.table(found)?);
        }
        for table in &mut tables {
            self.add_foreign_keys(table)?;
        }
        let widened = widen_references(&mut tables);
        if widened > 0 {
            let notice = Notice::notice(format!(
                "{widened} columns became INT8, because they refer to columns with unique_rowid()"
            ));
            (self.context.events)(crate::job::Event::Notice(notice));
        }
        Ok((tables, self.ignored))
    }

    /// Describes a table but for its foreign keys; nothing if it is passed over.
    fn table(&mut self, found: Found) -> Result<Option<Described>> {
        if self.catalog.table(self.import.database, &found.name).is_some() {
            let error = Error::new(
                SqlState::DUPLICATE_TABLE,
                format!("relation \"{}\" already exists", found.name),
            );
            let hint =
                format!("IMPORT {} makes new tables. Drop this one first.", self.import.word());
            return Err(self.file.error(error.hint(hint), found.at.line, found.at.byte));
        }
        let mut elements = found.columns;
        elements.iter_mut().for_each(widen_numbered);
        let described = self.try_describe(&found.name, &elements).and_then(|table| {
            check_expressions(&Arc::new(table.clone()), &self.context.engine, &self.context.query)?;
            Ok(table)
        });
        let mut table = match described {
            Ok(table) => table,
            Err(error) => {
                let text = format!("CREATE TABLE {}", found.name);
                self.refuse((text, error), found.at)?;
                return Ok(None);
            }
        };
        let (foreign_keys, others): (Vec<_>, Vec<_>) =
            found.elements.into_iter().partition(|(_, element)| is_foreign_key(element));
        for (at, element) in others {
            elements.push(element);
            match self.try_with(&found.name, &elements) {
                Ok(with) => table = with,
                Err(error) => self.drop_last((&found.name, &mut elements), error, at)?,
            }
        }
        table.id = self.context.store.reserve_table()?;
        self.catalog.put_table(table.clone());
        Ok(Some(Described {
            table,
            bits: found.bits,
            blocks: found.blocks,
            at: found.at,
            elements,
            foreign_keys: if self.import.skip_foreign_keys { Vec::new() } else { foreign_keys },
        }))
    }

    /// Describes the table with one more element, the last.
    fn try_with(&self, name: &str, elements: &[TableElement]) -> Result<TableDescriptor> {
        let table = self.try_describe(name, elements)?;
        let check = matches!(
            elements.last(),
            Some(TableElement::Constraint { constraint: TableConstraint::Check(_), .. })
        );
        if check {
            let (engine, query) = (&self.context.engine, &self.context.query);
            check_expressions(&Arc::new(table.clone()), engine, query)?;
        }
        Ok(table)
    }

    /// Passes over the last element, or refuses it.
    fn drop_last(
        &mut self,
        (name, elements): (&str, &mut Vec<TableElement>),
        error: Error,
        at: At,
    ) -> Result {
        let last: Vec<TableElement> = elements.pop().into_iter().collect();
        let text = format!("ALTER TABLE {name} ADD {}", print_elements(&last));
        self.refuse((text, error), at)
    }

    fn add_foreign_keys(&mut self, described: &mut Described) -> Result {
        let name = described.table.name.clone();
        for (at, element) in std::mem::take(&mut described.foreign_keys) {
            described.elements.push(element);
            match self.try_describe(&name, &described.elements) {
                Ok(mut with) => {
                    with.id = described.table.id;
                    described.table = with;
                }
                Err(error) => {
                    let error = error.hint("Or import WITH skip_foreign_keys.");
                    self.drop_last((&name, &mut described.elements), error, at)?;
                }
            }
        }
        let id = described.table.id;
        let own = described.table.foreign_keys.iter_mut();
        own.filter(|key| key.references == TableId(0)).for_each(|key| key.references = id);
        Ok(())
    }

    fn try_describe(&self, name: &str, elements: &[TableElement]) -> Result<TableDescriptor> {
        let variables = default_variables();
        let context = PlanContext {
            user: &self.context.query.user,
            database: &self.import.database_name,
            in_transaction: false,
            transaction_failed: false,
            read_only: false,
            variables: &variables,
            file: None,
            absolute: Absolute(&str::to_owned),
        };
        describe_dumped(&self.catalog, &context, (self.import.database, name), elements)
    }

    fn refuse(&mut self, (text, error): (String, Error), at: At) -> Result {
        let place = self.file.place(at.line, at.byte);
        let mut plain = Error::new(error.code(), error.message());
        plain = match error.detail_text() {
            Some(detail) => plain.detail(format!("{detail}\nThe statement is: {text}")),
            None => plain.detail(format!("The statement is: {text}")),
        };
        if let Some(hint) = error.hint_text() {
            plain = plain.hint(hint);
        }
        self.ignored.take_error(self.import, (text, plain), place)
    }
}

impl Described {
    /// Returns where the table is defined.
    pub(super) fn at(&self) -> At {
        self.at
    }
}

fn is_foreign_key(element: &TableElement) -> bool {
    matches!(
        element,
        TableElement::Constraint { constraint: TableConstraint::ForeignKey { .. }, .. }
    )
}

/// Makes a column INT8 that takes row ids, which fit no smaller type.
fn widen_numbered(element: &mut TableElement) {
    let TableElement::Column(column) = element else { return };
    let numbered = default_of(column).is_some_and(|default| default.text == ROW_ID);
    let small = matches!(SqlType::parse(&column.type_name), Ok(SqlType::Int2 | SqlType::Int4));
    if numbered && small {
        "INT8".clone_into(&mut column.type_name);
    }
}

/// A column of a table.
type Column = (TableId, ColumnId);

/// Makes columns INT8 that refer to columns with row ids; returns how many.
fn widen_references(tables: &mut [Described]) -> usize {
    let mut numbered: BTreeSet<Column> = tables
        .iter()
        .flat_map(|described| {
            let columns = described.table.columns.iter();
            let numbered = columns.filter(|column| column.default.as_deref() == Some(ROW_ID));
            numbered.map(|column| (described.table.id, column.id))
        })
        .collect();
    let mut widened = 0;
    loop {
        let before = numbered.len();
        for described in &mut *tables {
            let table = &mut described.table;
            let keys = table.foreign_keys.iter();
            let own: Vec<ColumnId> = keys
                .flat_map(|key| {
                    let pairs = key.columns.iter().zip(&key.referenced_columns);
                    pairs.map(|(own, other)| (*own, (key.references, *other)))
                })
                .filter(|(_, target)| numbered.contains(target))
                .map(|(own, _)| own)
                .collect();
            let small = |column: &&mut ColumnDescriptor| {
                own.contains(&column.id) && matches!(column.sql_type, SqlType::Int2 | SqlType::Int4)
            };
            for column in table.columns.iter_mut().filter(small) {
                column.sql_type = SqlType::Int8;
                numbered.insert((table.id, column.id));
                widened += 1;
            }
        }
        if numbered.len() == before {
            return widened;
        }
    }
}
