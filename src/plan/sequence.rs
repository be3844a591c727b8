//! CREATE, ALTER and DROP SEQUENCE: PostgreSQL's options with their defaults and bounds.

use super::resolve::{relation_exists, written};
use super::{Dropped, Plan, PlanContext, Planner, drop};
use crate::catalog::{Catalog, DatabaseId, Privilege, SequenceDescriptor, SequenceOwner, TableId};
use crate::error::{Error, Notice, Result, Span, SqlState};
use crate::syntax::ast::{self, Ident, ObjectName, SequenceOption, SequenceOptionKind};
use crate::types::SqlType;

/// What becomes of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceChange {
    /// The sequence as it will be.
    pub sequence: SequenceDescriptor,
    /// The value that it gives next, if it starts anew.
    pub restart: Option<i64>,
}

/// The options of a statement, each at most once.
#[derive(Default)]
struct Options<'o> {
    sql_type: Option<(&'o str, Span)>,
    increment: Option<i64>,
    minimum: Clause<i64>,
    maximum: Clause<i64>,
    start: Option<i64>,
    restart: Clause<i64>,
    cache: Option<i64>,
    cycle: Option<bool>,
    owner: Clause<(&'o ObjectName, &'o Ident)>,
}

/// A clause that can do without its value: `NO MINVALUE`, `RESTART`, `OWNED BY NONE`.
#[derive(Clone, Copy, Default)]
enum Clause<T> {
    /// It is not given.
    #[default]
    Absent,
    /// It is given without a value.
    Bare,
    /// It is given with this value.
    Of(T),
}

impl<T> Clause<T> {
    /// Sets what is given; returns whether it was given before.
    fn give(&mut self, value: Option<T>) -> bool {
        let before = std::mem::replace(self, value.map_or(Self::Bare, Self::Of));
        !matches!(before, Self::Absent)
    }
}

/// Plans a CREATE SEQUENCE.
pub(super) fn plan_create(planner: &mut Planner<'_>, create: &ast::CreateSequence) -> Result<Plan> {
    let target = planner.resolve(&create.name)?;
    let database = target.database;
    planner.require_on_database(Privilege::Create, database, create.name.span)?;
    let name = &target.name.value;
    if planner.catalog.is_relation(database.id, name) {
        if !create.if_not_exists {
            return Err(relation_exists(name, create.name.span));
        }
        planner.notice(Notice::notice(format!("relation \"{name}\" already exists, skipping")));
        return Ok(Plan::Nothing { tag: "CREATE SEQUENCE" });
    }
    let sequence = describe(planner, (database.id, name), &create.options)?;
    Ok(Plan::CreateSequence(Box::new(sequence)))
}

/// Returns the descriptor of a new sequence; its id is 0.
pub(super) fn describe(
    planner: &Planner<'_>,
    (database, name): (DatabaseId, &str),
    options: &[SequenceOption],
) -> Result<SequenceDescriptor> {
    let given = read(options)?;
    if let Some(restart) =
        options.iter().find(|option| matches!(option.kind, SequenceOptionKind::Restart(_)))
    {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "RESTART is no option of CREATE SEQUENCE")
            .at(restart.span)
            .hint("START WITH gives the first value."));
    }
    let blank = SequenceDescriptor {
        id: TableId(0),
        database,
        name: name.to_owned(),
        sql_type: SqlType::Int8,
        start: 1,
        increment: 1,
        minimum: 1,
        maximum: i64::MAX,
        cache: 1,
        cycle: false,
        owner: None,
    };
    changed(planner, blank, &given, true)
}

/// Returns the descriptor of a sequence that a dump defines; its id is 0 and no column owns it.
pub fn describe_dumped_sequence(
    catalog: &dyn Catalog,
    context: &PlanContext<'_>,
    (database, name): (DatabaseId, &str),
    options: &[SequenceOption],
) -> Result<SequenceDescriptor> {
    let planner = Planner { catalog, context, notices: Vec::new() };
    describe(&planner, (database, name), options)
}

/// Plans an ALTER SEQUENCE.
pub(super) fn plan_alter(planner: &mut Planner<'_>, alter: &ast::AlterSequence) -> Result<Plan> {
    let found = match alter.if_exists {
        true => existing(planner, &alter.name)?,
        false => Some(planner.require_sequence(&alter.name)?),
    };
    let Some(sequence) = found else { return Ok(Plan::Nothing { tag: "ALTER SEQUENCE" }) };
    planner.require_on_sequence(Privilege::Drop, sequence, alter.name.span)?;
    let given = read(&alter.options)?;
    let sequence = changed(planner, sequence.clone(), &given, false)?;
    let restart = match given.restart {
        Clause::Absent => None,
        Clause::Bare => Some(sequence.start),
        Clause::Of(value) => Some(value),
    };
    if let Some(value) = restart {
        check_bounds("RESTART", value, &sequence)?;
    }
    Ok(Plan::AlterSequence(Box::new(SequenceChange { sequence, restart })))
}

/// Plans a DROP SEQUENCE.
pub(super) fn plan_drop(planner: &mut Planner<'_>, dropped: &ast::DropTable) -> Result<Plan> {
    let mut sequences: Vec<&SequenceDescriptor> = Vec::new();
    for name in &dropped.names {
        let found = match dropped.if_exists {
            true => existing(planner, name)?,
            false => Some(planner.require_sequence(name)?),
        };
        let Some(sequence) = found else { continue };
        planner.require_on_sequence(Privilege::Drop, sequence, name.span)?;
        if !sequences.iter().any(|each| each.id == sequence.id) {
            sequences.push(sequence);
        }
    }
    if sequences.is_empty() {
        return Ok(Plan::Nothing { tag: "DROP SEQUENCE" });
    }
    let ids: Vec<TableId> = sequences.iter().map(|sequence| sequence.id).collect();
    let defaults = drop::defaults_of(planner, &ids, &[]);
    let first = sequences.iter().find(|one| defaults.iter().any(|used| used.sequence.id == one.id));
    if let Some(first) = first {
        let what = format!("sequence \"{}\"", first.name);
        drop::allow(planner, dropped.behavior, &what, (&[], &defaults))?;
    }
    Ok(Plan::DropSequences(Dropped {
        sequences: ids,
        defaults: defaults.iter().map(drop::UsedSequence::column).collect(),
        ..Dropped::default()
    }))
}

/// Returns the sequence, or nothing and a notice if it or its database does not exist.
fn existing<'a>(
    planner: &mut Planner<'a>,
    name: &ObjectName,
) -> Result<Option<&'a SequenceDescriptor>> {
    match planner.require_sequence(name) {
        Err(error)
            if matches!(
                error.code(),
                SqlState::UNDEFINED_TABLE | SqlState::INVALID_CATALOG_NAME
            ) =>
        {
            let name = written(name);
            let notice = format!("relation \"{name}\" does not exist, skipping");
            planner.notice(Notice::notice(notice));
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn read(options: &[SequenceOption]) -> Result<Options<'_>> {
    use SequenceOptionKind as Kind;
    let mut given = Options::default();
    for option in options {
        let span = option.span;
        let number = |text: &str| number(text, span);
        let maybe = |text: &Option<String>| text.as_deref().map(number).transpose();
        let again = match &option.kind {
            Kind::Type(name) => given.sql_type.replace((name, span)).is_some(),
            Kind::Increment(text) => given.increment.replace(number(text)?).is_some(),
            Kind::Minimum(text) => given.minimum.give(maybe(text)?),
            Kind::Maximum(text) => given.maximum.give(maybe(text)?),
            Kind::Start(text) => given.start.replace(number(text)?).is_some(),
            Kind::Restart(text) => given.restart.give(maybe(text)?),
            Kind::Cache(text) => given.cache.replace(number(text)?).is_some(),
            Kind::Cycle(cycle) => given.cycle.replace(*cycle).is_some(),
            Kind::OwnedBy(owner) => {
                given.owner.give(owner.as_ref().map(|(table, column)| (table, column)))
            }
        };
        if again {
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, "conflicting or redundant options").at(span)
            );
        }
    }
    Ok(given)
}

fn number(text: &str, span: Span) -> Result<i64> {
    text.parse().map_err(|_| {
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type bigint"),
        )
        .at(span)
    })
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// Returns the sequence with the options; what is not given stays, or has its default if the sequence
/// is new.
fn changed(
    planner: &Planner<'_>,
    old: SequenceDescriptor,
    given: &Options<'_>,
    new: bool,
) -> Result<SequenceDescriptor> {
    let mut sequence = old.clone();
    if let Some((name, span)) = given.sql_type {
        sequence.sql_type = sequence_type(name, span)?;
    }
    sequence.increment = given.increment.unwrap_or(old.increment);
    if sequence.increment == 0 {
        return Err(refused("INCREMENT must not be zero"));
    }
    let up = sequence.increment > 0;
    let (lowest, highest) = range(&sequence.sql_type);
    let (old_lowest, old_highest) = range(&old.sql_type);
    // Another type takes the bounds along that were those of the old one.
    let moved = |bound: i64, of_type: i64| new || given.sql_type.is_some() && bound == of_type;
    sequence.maximum = match given.maximum {
        Clause::Of(maximum) => maximum,
        Clause::Absent if !moved(old.maximum, old_highest) => old.maximum,
        _ => {
            if up {
                highest
            } else {
                -1
            }
        }
    };
    sequence.minimum = match given.minimum {
        Clause::Of(minimum) => minimum,
        Clause::Absent if !moved(old.minimum, old_lowest) => old.minimum,
        _ => {
            if up {
                1
            } else {
                lowest
            }
        }
    };
    check_range(&sequence)?;
    sequence.start = match given.start {
        Some(start) => start,
        None if !new => old.start,
        None => {
            if up {
                sequence.minimum
            } else {
                sequence.maximum
            }
        }
    };
    check_bounds("START", sequence.start, &sequence)?;
    sequence.cache = given.cache.unwrap_or(old.cache);
    if sequence.cache < 1 {
        return Err(refused(format!("CACHE ({}) must be greater than zero", sequence.cache)));
    }
    sequence.cycle = given.cycle.unwrap_or(old.cycle);
    match given.owner {
        Clause::Absent => {}
        Clause::Bare => sequence.owner = None,
        Clause::Of((table, column)) => {
            sequence.owner = Some(owned_by(planner, &sequence, table, column)?);
        }
    }
    Ok(sequence)
}

fn sequence_type(name: &str, span: Span) -> Result<SqlType> {
    match SqlType::parse(name) {
        Ok(found @ (SqlType::Int2 | SqlType::Int4 | SqlType::Int8)) => Ok(found),
        _ => Err(refused("sequence type must be smallint, integer, or bigint").at(span)),
    }
}

fn range(sql_type: &SqlType) -> (i64, i64) {
    match sql_type {
        SqlType::Int2 => (i16::MIN.into(), i16::MAX.into()),
        SqlType::Int4 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

fn check_range(sequence: &SequenceDescriptor) -> Result {
    let (lowest, highest) = range(&sequence.sql_type);
    for (word, bound) in [("MAXVALUE", sequence.maximum), ("MINVALUE", sequence.minimum)] {
        if bound < lowest || bound > highest {
            return Err(refused(format!(
                "{word} ({bound}) is out of range for sequence data type {}",
                sequence.sql_type
            )));
        }
    }
    if sequence.minimum >= sequence.maximum {
        return Err(refused(format!(
            "MINVALUE ({}) must be less than MAXVALUE ({})",
            sequence.minimum, sequence.maximum
        )));
    }
    Ok(())
}

fn check_bounds(word: &str, value: i64, sequence: &SequenceDescriptor) -> Result {
    let (minimum, maximum) = (sequence.minimum, sequence.maximum);
    if value < minimum {
        let message = format!("{word} value ({value}) cannot be less than MINVALUE ({minimum})");
        return Err(refused(message));
    }
    if value > maximum {
        let message = format!("{word} value ({value}) cannot be greater than MAXVALUE ({maximum})");
        return Err(refused(message));
    }
    Ok(())
}

/// Returns the column that is to own a sequence.
fn owned_by(
    planner: &Planner<'_>,
    sequence: &SequenceDescriptor,
    table: &ObjectName,
    column: &Ident,
) -> Result<SequenceOwner> {
    let table_found = planner.require_table(table)?;
    planner.require_any(table_found, table.span)?;
    if table_found.database != sequence.database {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "sequence must be in same database as table it is linked to",
        )
        .at(table.span));
    }
    let found = super::column::require_column(table_found, column)?;
    Ok(SequenceOwner { table: table_found.id, column: found.id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    fn created(options: &str) -> SequenceDescriptor {
        match planned(&format!("CREATE SEQUENCE s {options}")).plan {
            Plan::CreateSequence(sequence) => *sequence,
            other => panic!("{other:?}"),
        }
    }

    fn check(options: &str, expected: (i64, i64, i64, i64)) {
        let made = created(options);
        let found = (made.minimum, made.maximum, made.start, made.increment);
        assert_eq!(found, expected, "{options}");
    }

    #[test]
    fn takes_postgresql_s_defaults() {
        check("", (1, i64::MAX, 1, 1));
        check("INCREMENT BY -1", (i64::MIN, -1, -1, -1));
        check("AS smallint INCREMENT 5 START 10", (1, 32767, 10, 5));
        check("AS INT4 MINVALUE -3 NO MAXVALUE NO CYCLE", (-3, i64::from(i32::MAX), -3, 1));
        check("MAXVALUE 9 INCREMENT -2", (i64::MIN, 9, 9, -2));
        assert!(created("CYCLE CACHE 7").cycle && created("CACHE 7").cache == 7);
        let owner = SequenceOwner { table: TableId(1), column: crate::catalog::ColumnId(1) };
        assert_eq!(created("OWNED BY public.customers.id").owner, Some(owner));
        assert_eq!(created("OWNED BY NONE").owner, None);
    }

    #[test]
    fn refuses_what_makes_no_sequence() {
        let refuses = |options: &str, code: &str, message: &str| {
            fails(&format!("CREATE SEQUENCE s {options}"), code, message);
        };
        refuses("INCREMENT 0", "22023", "INCREMENT must not be zero");
        refuses("AS text", "22023", "sequence type must be smallint, integer, or bigint");
        refuses("AS INT2 MAXVALUE 32768", "22023", "MAXVALUE (32768) is out of range for sequence");
        refuses("MINVALUE 5 MAXVALUE 5", "22023", "MINVALUE (5) must be less than MAXVALUE (5)");
        refuses("START 0", "22023", "START value (0) cannot be less than MINVALUE (1)");
        refuses("MAXVALUE 3 START 4", "22023", "START value (4) cannot be greater than MAXVALUE");
        refuses("CACHE 0", "22023", "CACHE (0) must be greater than zero");
        refuses("CYCLE NO CYCLE", "42601", "conflicting or redundant options");
        refuses("START 9223372036854775808", "22003", "value \"9223372036854775808\" is out of");
        refuses("RESTART", "42601", "RESTART is no option of CREATE SEQUENCE");
        refuses("OWNED BY nope.id", "42P01", "relation \"nope\" does not exist");
        refuses("OWNED BY customers.nope", "42703", "column \"nope\" does not exist");
        refuses("OWNED BY shop.items.sku", "55000", "sequence must be in same database");
        fails("CREATE SEQUENCE customers", "42P07", "relation \"customers\" already exists");
        fails("ALTER SEQUENCE customers RESTART", "42809", "\"customers\" is not a sequence");
        fails("DROP SEQUENCE nope", "42P01", "relation \"nope\" does not exist");
        let testuser = Session::default().user("testuser");
        testuser.fails("CREATE SEQUENCE s", "42501", "does not have CREATE privilege");
    }
}
