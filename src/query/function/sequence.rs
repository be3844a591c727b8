//! Functions of sequences: `nextval`, `currval`, `setval`, `lastval`.
//!
//! A value is taken from the store for each row that is evaluated, and never given back.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::Result as QueryResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::catalog::{
    Catalog, Object, Privilege, SequenceDescriptor, SequenceValue, TableId, named_sequence,
};
use crate::error::{Error, Result, SqlState};
use crate::query::cast::cast_array;
use crate::query::error::external;
use crate::query::sql_types::sql_type_of_field;
use crate::store::{Store, View};
use crate::types::SqlType;

/// The names of the functions here.
pub(super) const NAMES: &[&str] = &["nextval", "currval", "setval", "lastval"];

/// What a session remembers of the values that its sequences gave.
#[derive(Debug, Default)]
pub struct SequenceMemory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    values: BTreeMap<TableId, i64>,
    last: Option<TableId>,
}

impl SequenceMemory {
    fn locked(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sequences that a statement may use, and as whom.
#[derive(Clone, Debug)]
pub(in crate::query) struct Sequences {
    /// Where values are taken.
    pub(in crate::query) store: Arc<Store>,
    /// The catalog that names them.
    pub(in crate::query) view: Arc<View>,
    /// The database in which names are looked up.
    pub(in crate::query) database: String,
    /// The user.
    pub(in crate::query) user: String,
    /// The table whose expression is evaluated: it may use the sequences that its columns own.
    pub(in crate::query) table: Option<TableId>,
    /// What the session remembers.
    pub(in crate::query) memory: Arc<SequenceMemory>,
}

impl Sequences {
    /// Returns the sequence that a text names, if the user may do this to it.
    fn find(&self, name: &str, privilege: Privilege) -> Result<SequenceDescriptor> {
        let catalog: &dyn Catalog = &*self.view.catalog;
        let sequence = named_sequence(catalog, &self.database, name)?;
        let owned = self.table.is_some() && sequence.owner.map(|owner| owner.table) == self.table;
        if !owned && !catalog.allows(&self.user, privilege, Object::Table(sequence.id)) {
            let (user, name) = (&self.user, &sequence.name);
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("user {user} does not have {privilege} privilege on relation {name}"),
            ));
        }
        Ok(sequence.clone())
    }

    /// Adds the next `count` values.
    fn next(&self, name: &str, count: usize, values: &mut Vec<Option<i64>>) -> Result {
        let sequence = self.find(name, Privilege::Update)?;
        let mut left = count as u64;
        while left > 0 {
            let run = self.store.next_values(&sequence, left)?;
            values.extend((0..run.count).map(|at| Some(sequence.value_in(run, at))));
            left = left.saturating_sub(run.count);
        }
        if let Some(Some(last)) = values.last() {
            let mut memory = self.memory.locked();
            memory.values.insert(sequence.id, *last);
            memory.last = Some(sequence.id);
        }
        Ok(())
    }

    fn current(&self, name: &str) -> Result<i64> {
        let sequence = self.find(name, Privilege::Select)?;
        self.memory.locked().values.get(&sequence.id).copied().ok_or_else(|| {
            let name = &sequence.name;
            not_yet(format!("currval of sequence \"{name}\" is not yet defined in this session"))
        })
    }

    fn last(&self) -> Result<i64> {
        let memory = self.memory.locked();
        let value = memory.last.and_then(|id| memory.values.get(&id).copied());
        value.ok_or_else(|| not_yet("lastval is not yet defined in this session".to_owned()))
    }

    fn set(&self, name: &str, value: i64, called: bool) -> Result<i64> {
        let sequence = self.find(name, Privilege::Update)?;
        sequence.check_value(value)?;
        self.store.set_sequence_value(sequence.id, SequenceValue { last: value, called })?;
        if called {
            let mut memory = self.memory.locked();
            memory.values.insert(sequence.id, value);
        }
        Ok(value)
    }
}

fn not_yet(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("nextval gives the first value.")
}

/// Returns the function with this name.
pub(super) fn scalar(name: &str, sequences: Option<&Sequences>) -> Option<Arc<ScalarUDF>> {
    let (name, counts) = match name {
        "nextval" => ("nextval", vec![TypeSignature::Any(1)]),
        "currval" => ("currval", vec![TypeSignature::Any(1)]),
        "setval" => ("setval", vec![TypeSignature::Any(2), TypeSignature::Any(3)]),
        "lastval" => ("lastval", vec![TypeSignature::Nullary]),
        _ => return None,
    };
    let signature = Signature::one_of(counts, Volatility::Volatile);
    let function = SequenceFunction { name, sequences: sequences.cloned(), signature };
    Some(Arc::new(ScalarUDF::new_from_impl(function)))
}

#[derive(Debug)]
struct SequenceFunction {
    name: &'static str,
    sequences: Option<Sequences>,
    signature: Signature,
}

impl PartialEq for SequenceFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SequenceFunction {}

impl Hash for SequenceFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl SequenceFunction {
    /// Returns the function's value for each row, given its arguments.
    fn run(&self, arguments: &[ArrayRef], one_name: bool, rows: usize) -> Result<Int64Array> {
        let Some(sequences) = &self.sequences else {
            return Err(Error::internal("a function of sequences without sequences"));
        };
        let Some(names) = arguments.first().map(AsArray::as_string_view) else {
            return sequences.last().map(|last| Int64Array::from(vec![last; rows]));
        };
        let mut values = Vec::with_capacity(rows);
        match self.name {
            "nextval" if one_name && rows > 0 && names.is_valid(0) => {
                sequences.next(names.value(0), rows, &mut values)?;
            }
            "nextval" => {
                for name in names {
                    match name {
                        Some(name) => sequences.next(name, 1, &mut values)?,
                        None => values.push(None),
                    }
                }
            }
            "setval" => {
                let numbers = arguments[1].as_primitive::<Int64Type>();
                let called = arguments.get(2).map(AsArray::as_boolean);
                for (row, name) in names.iter().enumerate() {
                    let known = called.is_none_or(|called| called.is_valid(row));
                    values.push(match name.filter(|_| known && numbers.is_valid(row)) {
                        None => None,
                        Some(name) => {
                            let called = called.is_none_or(|called| called.value(row));
                            Some(sequences.set(name, numbers.value(row), called)?)
                        }
                    });
                }
            }
            _ => {
                for name in names {
                    values.push(name.map(|name| sequences.current(name)).transpose()?);
                }
            }
        }
        Ok(values.into())
    }
}

impl ScalarUDFImpl for SequenceFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> QueryResult<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> QueryResult<FieldRef> {
        Ok(Arc::new(Field::new(self.name, DataType::Int64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> QueryResult<ColumnarValue> {
        let takes = [SqlType::STRING, SqlType::Int8, SqlType::Bool];
        let mut arrays = Vec::with_capacity(args.args.len());
        for (position, value) in args.args.iter().enumerate() {
            let source = sql_type_of_field(&args.arg_fields[position]);
            let array = value.to_array(args.number_rows)?;
            let cast = cast_array(&array, source.as_ref(), &takes[position]);
            arrays.push(cast.map_err(external)?);
        }
        let one_name = matches!(args.args.first(), Some(ColumnarValue::Scalar(_)));
        let values = self.run(&arrays, one_name, args.number_rows).map_err(external)?;
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}
