//! Sequences: what one is, which value comes next, and how its name is written in `nextval('s')`.

use serde::{Deserialize, Serialize};

use super::{Catalog, ColumnId, DatabaseId, PUBLIC_SCHEMA, TableId};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// A sequence. Its id is one of a table, and its name stands among those of tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceDescriptor {
    /// Its id.
    pub id: TableId,
    /// The database it is in.
    pub database: DatabaseId,
    /// Its name.
    pub name: String,
    /// The type that bounds it: INT2, INT4 or INT8.
    pub sql_type: SqlType,
    /// The value that it starts with.
    pub start: i64,
    /// What is added each time; never 0.
    pub increment: i64,
    /// The smallest value.
    pub minimum: i64,
    /// The largest value.
    pub maximum: i64,
    /// How many values are set aside at once, at least.
    pub cache: i64,
    /// Whether it begins anew behind its last value.
    pub cycle: bool,
    /// The column with which it is dropped.
    pub owner: Option<SequenceOwner>,
}

/// A column that owns a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOwner {
    /// The table.
    pub table: TableId,
    /// The column.
    pub column: ColumnId,
}

/// How far a sequence has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceValue {
    /// The last value that was given, or the first that will be.
    pub last: i64,
    /// Whether `last` was given.
    pub called: bool,
}

/// Values of a sequence that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRun {
    /// The first.
    pub first: i64,
    /// How many there are; at least one.
    pub count: u64,
}

impl SequenceDescriptor {
    /// Returns the largest run of at most `count` values that come next; it ends where a cycle does.
    pub fn run(&self, value: SequenceValue, count: u64) -> Result<SequenceRun> {
        let (low, high) = (i128::from(self.minimum), i128::from(self.maximum));
        let increment = i128::from(self.increment);
        let mut first = i128::from(value.last);
        if value.called {
            first += increment;
        }
        if first > high && increment > 0 || first < low && increment < 0 {
            if !self.cycle {
                return Err(self.exhausted());
            }
            first = if increment > 0 { low } else { high };
        }
        let room = if increment > 0 { high - first } else { first - low };
        let count = i128::from(count.max(1)).min(room / increment.abs() + 1);
        let internal = |_| Error::internal("a value of a sequence is out of its bounds");
        Ok(SequenceRun {
            first: i64::try_from(first).map_err(internal)?,
            count: u64::try_from(count).map_err(internal)?,
        })
    }

    /// Returns the value at a position of a run.
    pub fn value_in(&self, run: SequenceRun, position: u64) -> i64 {
        let at = i128::from(run.first) + i128::from(self.increment) * i128::from(position);
        // Runs end within the bounds.
        i64::try_from(at).unwrap_or(run.first)
    }

    /// Returns the value of a sequence that has given none.
    pub fn initial(&self) -> SequenceValue {
        SequenceValue { last: self.start, called: false }
    }

    /// Fails if `value` is none of the values that the sequence can be set to.
    pub fn check_value(&self, value: i64) -> Result {
        if (self.minimum..=self.maximum).contains(&value) {
            return Ok(());
        }
        Err(Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                self.name, self.minimum, self.maximum
            ),
        ))
    }

    fn exhausted(&self) -> Error {
        let (end, bound) = match self.increment > 0 {
            true => ("maximum", self.maximum),
            false => ("minimum", self.minimum),
        };
        Error::new(
            SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
            format!("nextval: reached {end} value of sequence \"{}\" ({bound})", self.name),
        )
    }
}

/// Returns the parts of a name as `nextval('public."S"')` gives it: lower case unless quoted.
pub fn split_name(text: &str) -> Result<Vec<String>> {
    let invalid = || Error::new(SqlState::INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_part(quoted).ok_or_else(invalid)?
        } else {
            let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
            (rest[..end].to_lowercase(), &rest[end..])
        };
        if part.is_empty()
            || part.starts_with(|c: char| c.is_ascii_digit()) && !rest.starts_with('"')
        {
            return Err(invalid());
        }
        parts.push(part);
        let after = after.trim_start();
        match after.strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None if after.is_empty() && parts.len() <= 3 => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// Returns what stands before the closing quote, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// Returns the sequence that a text names, seen from `database`.
pub fn named_sequence<'c>(
    catalog: &'c dyn Catalog,
    database: &str,
    text: &str,
) -> Result<&'c SequenceDescriptor> {
    let parts = split_name(text)?;
    let (database, name) = match parts.as_slice() {
        [name] => (database, name),
        [schema, name] if schema == PUBLIC_SCHEMA => (database, name),
        [other, name] => (other.as_str(), name),
        [other, schema, name] if schema == PUBLIC_SCHEMA => (other.as_str(), name),
        _ => return Err(undefined(&parts)),
    };
    let Some(database) = catalog.database(database) else { return Err(undefined(&parts)) };
    if let Some(sequence) = catalog.sequence(database.id, name) {
        return Ok(sequence);
    }
    match catalog.table(database.id, name) {
        Some(_) => Err(not_sequence(name)),
        None => Err(undefined(&parts)),
    }
}

fn undefined(parts: &[String]) -> Error {
    let name = parts.join(".");
    Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}

/// Returns the error that a table stands where a sequence should.
pub fn not_sequence(name: &str) -> Error {
    Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a sequence"))
}

/// Returns the error that a sequence stands where a table should.
pub fn not_table(name: &str) -> Error {
    Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a table"))
        .detail("It is a sequence.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(increment: i64, minimum: i64, maximum: i64, cycle: bool) -> SequenceDescriptor {
        SequenceDescriptor {
            id: TableId(1),
            database: DatabaseId(1),
            name: "s".to_owned(),
            sql_type: SqlType::Int8,
            start: if increment > 0 { minimum } else { maximum },
            increment,
            minimum,
            maximum,
            cache: 1,
            cycle,
            owner: None,
        }
    }

    /// Returns the values of the next runs, at most `count` of them.
    fn values(sequence: &SequenceDescriptor, last: i64, called: bool, count: u64) -> Vec<i64> {
        let mut value = SequenceValue { last, called };
        let mut found = Vec::new();
        while (found.len() as u64) < count {
            let Ok(run) = sequence.run(value, count - found.len() as u64) else { break };
            found.extend((0..run.count).map(|at| sequence.value_in(run, at)));
            value = SequenceValue { last: found[found.len() - 1], called: true };
        }
        found
    }

    #[test]
    fn counts_up_and_down_to_its_ends() {
        let up = sequence(1, 1, 3, false);
        assert_eq!(values(&up, 1, false, 9), [1, 2, 3]);
        assert_eq!(values(&up, 2, true, 9), [3]);
        let error = up.run(SequenceValue { last: 3, called: true }, 1).unwrap_err();
        assert_eq!(error.code().as_str(), "2200H");
        assert_eq!(error.message(), "nextval: reached maximum value of sequence \"s\" (3)");
        let down = sequence(-2, -5, -1, false);
        assert_eq!(values(&down, -1, false, 9), [-1, -3, -5]);
        let error = down.run(SequenceValue { last: -5, called: true }, 1).unwrap_err();
        assert_eq!(error.message(), "nextval: reached minimum value of sequence \"s\" (-5)");
    }

    #[test]
    fn does_not_overflow_at_the_ends_of_int8() {
        let up = sequence(5, 1, i64::MAX, false);
        assert_eq!(values(&up, i64::MAX - 6, false, 9), [i64::MAX - 6, i64::MAX - 1]);
        let down = sequence(i64::MIN, i64::MIN, i64::MAX, false);
        assert_eq!(values(&down, i64::MAX, false, 9), [i64::MAX, -1]);
        let wide = sequence(i64::MAX, i64::MIN, i64::MAX, false);
        assert_eq!(values(&wide, i64::MIN, false, 9), [i64::MIN, -1, i64::MAX - 1]);
        let run = sequence(1, i64::MIN, i64::MAX, false);
        let run = run.run(SequenceValue { last: i64::MIN, called: false }, u64::MAX).unwrap();
        assert_eq!((run.first, run.count), (i64::MIN, u64::MAX));
    }

    #[test]
    fn begins_anew_if_it_cycles() {
        let up = sequence(2, 1, 4, true);
        assert_eq!(values(&up, 3, false, 5), [3, 1, 3, 1, 3]);
        let down = sequence(-1, -2, -1, true);
        assert_eq!(values(&down, -2, true, 4), [-1, -2, -1, -2]);
    }

    #[test]
    fn reads_names_as_postgresql_does() {
        let check = |text: &str, parts: &[&str]| assert_eq!(split_name(text).unwrap(), parts);
        check("s", &["s"]);
        check("Public.S_1", &["public", "s_1"]);
        check(" \"S\"\"x\" . t ", &["S\"x", "t"]);
        check("d.public.\"1\"", &["d", "public", "1"]);
        for wrong in ["", "1", "a.", ".a", "a b", "\"a", "a.b.c.d", "\"\""] {
            assert_eq!(split_name(wrong).unwrap_err().code().as_str(), "42602", "{wrong}");
        }
    }
}
