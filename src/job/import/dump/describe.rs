//! The tables and sequences of a dump as descriptors: each as CREATE TABLE and CREATE SEQUENCE would
//! make it, foreign keys last.

use std::sync::Arc;

use super::contents::{At, Block, Contents, Found};
use super::ignored::Ignored;
use super::sequences::{DescribedSequence, FoundSequence};
use crate::catalog::{Catalog, SequenceOwner, Snapshot, TableDescriptor, TableId};
use crate::error::{Error, Result, SqlState};
use crate::job::import::dump_file::DumpFile;
use crate::job::{JobContext, check_expressions};
use crate::plan::{
    Absolute, ImportDump, PlanContext, Variables, default_variables, describe_dumped,
    describe_dumped_sequence,
};
use crate::syntax::ast::{TableConstraint, TableElement};
use crate::syntax::print_elements;

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

/// What a dump defines.
pub(super) struct Defined {
    /// The tables.
    pub(super) tables: Vec<Described>,
    /// The sequences.
    pub(super) sequences: Vec<DescribedSequence>,
    /// What was passed over.
    pub(super) ignored: Ignored,
    /// The catalog with all of them.
    pub(super) catalog: Snapshot,
}

/// Describes the tables and sequences of a dump.
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

    /// Returns the tables and sequences, and what was passed over.
    pub(super) fn describe(mut self, contents: Contents) -> Result<Defined> {
        self.ignored = contents.ignored;
        for found in &contents.tables {
            self.require_new(found)?;
        }
        let mut sequences = Vec::with_capacity(contents.sequences.len());
        let mut owners = Vec::with_capacity(contents.sequences.len());
        for found in contents.sequences {
            let owner = found.owner.clone();
            if let Some(sequence) = self.sequence(found)? {
                sequences.push(sequence);
                owners.push(owner);
            }
        }
        let mut tables = Vec::with_capacity(contents.tables.len());
        for found in contents.tables {
            tables.extend(self.table(found)?);
        }
        for table in &mut tables {
            self.add_foreign_keys(table)?;
        }
        for (described, owner) in sequences.iter_mut().zip(owners) {
            described.sequence.owner = owner.and_then(|(table, column)| {
                let mut all = tables.iter().map(|one| &one.table);
                let table = all.find(|one| one.name == table)?;
                let column = table.column(&column)?.id;
                Some(SequenceOwner { table: table.id, column })
            });
        }
        Ok(Defined { tables, sequences, ignored: self.ignored, catalog: self.catalog })
    }

    /// Describes a sequence; nothing if it is passed over. The catalog has it without its owner.
    fn sequence(&mut self, found: FoundSequence) -> Result<Option<DescribedSequence>> {
        let FoundSequence { at, name, options, value, above, .. } = found;
        if self.catalog.is_relation(self.import.database, &name) {
            return Err(self.exists(&name, at, "sequences"));
        }
        let variables = default_variables();
        let context = self.plan_context(&variables);
        let target = (self.import.database, name.as_str());
        let described = describe_dumped_sequence(&self.catalog, &context, target, &options);
        let checked = described.and_then(|sequence| {
            value.filter(|_| !above).map_or(Ok(()), |value| sequence.check_value(value.last))?;
            Ok(sequence)
        });
        let mut sequence = match checked {
            Ok(sequence) => sequence,
            Err(error) => {
                self.refuse((format!("CREATE SEQUENCE {name}"), error), at)?;
                return Ok(None);
            }
        };
        sequence.id = self.context.store.reserve_table()?;
        self.catalog.put_sequence(sequence.clone());
        Ok(Some(DescribedSequence { sequence, value, above }))
    }

    fn require_new(&self, found: &Found) -> Result {
        if self.catalog.is_relation(self.import.database, &found.name) {
            return Err(self.exists(&found.name, found.at, "tables"));
        }
        Ok(())
    }

    /// Returns the error of a table or sequence that is there already.
    fn exists(&self, name: &str, at: At, what: &str) -> Error {
        let error =
            Error::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"));
        let hint = format!("IMPORT {} makes new {what}. Drop this one first.", self.import.word());
        self.file.error(error.hint(hint), at.line, at.byte)
    }

    /// Describes a table but for its foreign keys; nothing if it is passed over.
    fn table(&mut self, found: Found) -> Result<Option<Described>> {
        self.require_new(&found)?;
        let mut elements = found.columns;
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
        let context = self.plan_context(&variables);
        describe_dumped(&self.catalog, &context, (self.import.database, name), elements)
    }

    fn plan_context<'v>(&'v self, variables: &'v Variables) -> PlanContext<'v> {
        PlanContext {
            user: &self.context.query.user,
            database: &self.import.database_name,
            in_transaction: false,
            transaction_failed: false,
            read_only: false,
            variables,
            file: None,
            absolute: Absolute(&str::to_owned),
        }
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
