//! The sequences of a dump: what its statements say of them, and what they are in the end.

use super::contents::{At, Found, Pass, default_of};
use crate::catalog::{Catalog, SequenceDescriptor, SequenceOwner, SequenceValue};
use crate::error::{Error, Result, SqlState};
use crate::syntax::ast::{ColumnConstraintKind, SequenceOption, SequenceOptionKind, TableElement};
use crate::syntax::{DumpSequence, parse_expr, quote_ident, quote_literal};

/// A sequence of the dump.
#[derive(Debug)]
pub(super) struct FoundSequence {
    pub(super) at: At,
    pub(super) name: String,
    /// Its options but for its owner.
    pub(super) options: Vec<SequenceOption>,
    /// The table and column that own it.
    pub(super) owner: Option<(String, String)>,
    /// Where it stands.
    pub(super) value: Option<SequenceValue>,
    /// Whether it goes on above the largest value of its column.
    pub(super) above: bool,
}

impl FoundSequence {
    fn new(at: At, name: String) -> Self {
        Self { at, name, options: Vec::new(), owner: None, value: None, above: false }
    }

    /// Takes over options; a later one takes the place of an earlier one of its kind.
    fn take(&mut self, options: Vec<SequenceOption>) {
        for option in options {
            match &option.kind {
                SequenceOptionKind::OwnedBy(owner) => {
                    self.owner = owner.as_ref().and_then(|(table, column)| {
                        Some((table.parts.last()?.value.clone(), column.value.clone()))
                    });
                }
                SequenceOptionKind::Restart(value) => {
                    let last = value.as_ref().and_then(|value| value.parse().ok());
                    self.value = last.map(|last| SequenceValue { last, called: false });
                }
                kind => {
                    let kind = std::mem::discriminant(kind);
                    self.options.retain(|one| std::mem::discriminant(&one.kind) != kind);
                    self.options.push(option);
                }
            }
        }
    }
}

/// A sequence to make.
pub(super) struct DescribedSequence {
    /// Its descriptor, with its id.
    pub(super) sequence: SequenceDescriptor,
    /// Where the dump says that it stands.
    pub(super) value: Option<SequenceValue>,
    /// Whether it goes on above the largest value of its column.
    pub(super) above: bool,
}

impl DescribedSequence {
    /// Settles where the sequence stands when the largest value of its column is known.
    pub(super) fn settle(&mut self, largest: Option<i64>) {
        if !self.above {
            return;
        }
        let told = self.value.map_or(1, |value| value.last);
        let free = largest.map_or(1, |largest| largest.saturating_add(1));
        let sequence = &mut self.sequence;
        let used_up = largest.is_some_and(|largest| largest >= sequence.maximum);
        sequence.start = told.max(free).clamp(sequence.minimum, sequence.maximum);
        self.value = Some(SequenceValue { last: sequence.start, called: used_up });
    }

    /// Returns the column that owns the sequence.
    pub(super) fn owner(&self) -> Option<SequenceOwner> {
        self.sequence.owner
    }
}

impl Pass<'_> {
    /// Takes what a statement says of a sequence.
    pub(super) fn take_sequence(&mut self, found: DumpSequence, text: &str, at: At) -> Result {
        match found {
            DumpSequence::Create { name, options } => {
                self.require_new_sequence(&name, at)?;
                let mut sequence = FoundSequence::new(at, name);
                sequence.take(options);
                self.contents.sequences.push(sequence);
            }
            DumpSequence::Change { name, options } => match self.sequence(&name) {
                Some(sequence) => sequence.take(options),
                None => return self.no_sequence(&name, text, at),
            },
            DumpSequence::Value { name, value, called } => match self.sequence(&name) {
                Some(sequence) => sequence.value = Some(SequenceValue { last: value, called }),
                None => return self.no_sequence(&name, text, at),
            },
            DumpSequence::Column { table, column, name, options } if self.is_wanted(&table) => {
                let name = name.unwrap_or_else(|| self.own_name(&table, &column));
                return self.number_column((&table, &column), (name, options), text, at);
            }
            DumpSequence::Next { table, value } => {
                let owned = |one: &&mut FoundSequence| {
                    one.owner.as_ref().is_some_and(|(owner, _)| *owner == table)
                };
                let sequence = self.contents.sequences.iter_mut().find(owned);
                if let Some(sequence) = sequence {
                    sequence.value = Some(SequenceValue { last: value, called: false });
                }
            }
            DumpSequence::Column { .. } => {}
        }
        Ok(())
    }

    /// Returns the name of the sequence of a column whose own is not told: PostgreSQL's, or the one that
    /// CockroachDB gives to what MySQL numbers.
    fn own_name(&self, table: &str, column: &str) -> String {
        match self.import.flavor {
            crate::record::DumpFlavor::Postgres => format!("{table}_{column}_seq"),
            crate::record::DumpFlavor::MySql => format!("{table}_auto_inc"),
        }
    }

    /// Makes a column take its values from a sequence of its own.
    fn number_column(
        &mut self,
        (table, column): (&str, &str),
        (name, options): (String, Vec<SequenceOption>),
        text: &str,
        at: At,
    ) -> Result {
        self.require_new_sequence(&name, at)?;
        let default = parse_expr(&format!("nextval({})", quote_literal(&quote_ident(&name))))?;
        let before = self.contents.ignored.count();
        let kind = ColumnConstraintKind::Default(default);
        self.change_column((table, column), kind, text, at)?;
        if self.contents.ignored.count() > before {
            return Ok(());
        }
        let mut sequence = FoundSequence::new(at, name);
        sequence.take(options);
        sequence.owner = Some((table.to_owned(), column.to_owned()));
        sequence.above = self.import.flavor == crate::record::DumpFlavor::MySql;
        if sequence.above
            && let Some(sql_type) = self.integer_type(table, column)
        {
            let kind = SequenceOptionKind::Type(sql_type);
            sequence.take(vec![SequenceOption { kind, span: crate::error::Span::default() }]);
        }
        self.contents.sequences.push(sequence);
        Ok(())
    }

    /// Returns the type of a column that is to be numbered; one that is no integer becomes INT8.
    fn integer_type(&mut self, table: &str, column: &str) -> Option<String> {
        let found = self.table(table)?;
        let element = found.columns.iter_mut().find_map(|element| match element {
            TableElement::Column(element) if element.name.value == column => Some(element),
            _ => None,
        })?;
        if !element.type_name.starts_with("INT") {
            "INT8".clone_into(&mut element.type_name);
        }
        Some(element.type_name.clone())
    }

    fn sequence(&mut self, name: &str) -> Option<&mut FoundSequence> {
        self.contents.sequences.iter_mut().find(|sequence| sequence.name == name)
    }

    fn no_sequence(&mut self, name: &str, text: &str, at: At) -> Result {
        // Of a dump from which one table is taken, the rest does not matter.
        if self.import.table.is_some() {
            return Ok(());
        }
        let reason = format!("sequence \"{name}\" is not defined in the dump");
        self.unsupported(text, at, Some(reason))
    }

    fn require_new_sequence(&mut self, name: &str, at: At) -> Result {
        let known = self.sequence(name).is_some();
        if !known && !self.contents.names.iter().any(|table| table == name) {
            return Ok(());
        }
        let message = format!("relation \"{name}\" already exists");
        let error = Error::new(SqlState::DUPLICATE_TABLE, message);
        Err(self.error(error.detail("The dump defines it twice."), at))
    }

    /// Leaves out the sequences that the tables do not use, if not all tables are wanted.
    pub(super) fn keep_used_sequences(&mut self) {
        if self.import.table.is_none() {
            return;
        }
        let used: Vec<String> = self.contents.tables.iter().flat_map(used_names).collect();
        let wanted = self.import.table.clone();
        self.contents.sequences.retain(|sequence| {
            let owned =
                sequence.owner.as_ref().is_some_and(|(table, _)| Some(table) == wanted.as_ref());
            owned || used.contains(&sequence.name)
        });
    }
}

/// Returns the names of the sequences that the defaults of a table use.
fn used_names(table: &Found) -> Vec<String> {
    let columns = table.columns.iter().filter_map(|element| match element {
        TableElement::Column(column) => default_of(column),
        _ => None,
    });
    let names = columns.flat_map(|default| &default.sequences);
    names.filter_map(|name| crate::catalog::split_name(&name.value).ok()?.pop()).collect()
}

/// Returns the largest value of an integer column in segments.
pub(super) fn largest<'s>(
    segments: impl Iterator<Item = &'s crate::store::Segment>,
    owner: SequenceOwner,
) -> Option<i64> {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Int64Type};
    let ranges = segments.filter_map(|segment| {
        let known = segment.statistics.iter().find(|one| one.column == owner.column)?;
        let range = known.range.as_ref()?;
        let range = arrow::compute::cast(range, &DataType::Int64).ok()?;
        range.as_primitive::<Int64Type>().iter().flatten().max()
    });
    ranges.max()
}

/// Fails if a table or sequence of this name is in the catalog.
pub(super) fn require_free(catalog: &dyn Catalog, sequence: &SequenceDescriptor) -> Result {
    if catalog.is_relation(sequence.database, &sequence.name) {
        return Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{}\" already exists", sequence.name),
        ));
    }
    Ok(())
}
