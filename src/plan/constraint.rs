//! Constraints and indexes of a new table: primary key, UNIQUE, INDEX, CHECK and families, with the
//! names that they get if none is given (CockroachDB's: `primary`, `t_a_key`, `t_a_idx`, `check_a`).

use std::collections::BTreeSet;

use super::column::{refuse_sequences, refuse_subquery};
use super::create_table::Draft;
use crate::catalog::{Check, ColumnDescriptor, ColumnId, IndexDescriptor, IndexId, IndexKey};
use crate::error::{Error, Result, Span, SqlState};
use crate::syntax::ast::{
    ColumnConstraintKind, ColumnElement, Expr, Ident, IndexElement, References, TableConstraint,
    TableElement,
};
use crate::types::SqlType;

/// The name of a primary key whose constraint has none.
const PRIMARY: &str = "primary";

/// A constraint or index that was asked for.
#[derive(Clone)]
pub(super) struct Wanted<'a> {
    /// Its name, if given.
    pub name: Option<&'a Ident>,
    /// What it is.
    pub kind: WantedKind<'a>,
    /// Where it stands.
    pub span: Span,
}

/// What was asked for.
#[derive(Clone)]
pub(super) enum WantedKind<'a> {
    /// `PRIMARY KEY`.
    PrimaryKey(Vec<KeyPart<'a>>),
    /// `UNIQUE`.
    Unique(Vec<KeyPart<'a>>),
    /// `INDEX` or `UNIQUE INDEX`.
    Index(&'a IndexElement),
    /// `CHECK`.
    Check(&'a Expr),
    /// `FOREIGN KEY`.
    ForeignKey(Vec<&'a Ident>, &'a References),
}

/// A column of a key, and whether it is sorted downwards.
pub(super) type KeyPart<'a> = (&'a Ident, bool);

/// Collects the constraints and indexes of one element.
pub(super) fn collect<'a>(draft: &mut Draft<'a>, element: &'a TableElement) -> Result {
    match element {
        TableElement::Column(column) => collect_column(draft, column),
        TableElement::Constraint { name, constraint, span } => {
            let parts = |columns: &'a [crate::syntax::ast::IndexColumn]| {
                columns.iter().map(|column| (&column.name, column.descending)).collect()
            };
            let kind = match constraint {
                TableConstraint::PrimaryKey(columns) => WantedKind::PrimaryKey(parts(columns)),
                TableConstraint::Unique(columns) => WantedKind::Unique(parts(columns)),
                TableConstraint::Check(expr) => WantedKind::Check(expr),
                TableConstraint::ForeignKey { columns, references } => {
                    WantedKind::ForeignKey(columns.iter().collect(), references)
                }
            };
            draft.wanted.push(Wanted { name: name.as_ref(), kind, span: *span });
        }
        TableElement::Index(index) => draft.wanted.push(Wanted {
            name: index.name.as_ref(),
            kind: WantedKind::Index(index),
            span: index.span,
        }),
        TableElement::InvertedIndex { span, .. } => {
            return Err(Error::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "inverted indexes are not supported yet",
            )
            .at(*span));
        }
        TableElement::Family { .. } => {}
    }
    Ok(())
}

/// Collects the constraints that stand in a column's definition.
fn collect_column<'a>(draft: &mut Draft<'a>, column: &'a ColumnElement) {
    for constraint in &column.constraints {
        let kind = match &constraint.kind {
            ColumnConstraintKind::PrimaryKey => WantedKind::PrimaryKey(vec![(&column.name, false)]),
            ColumnConstraintKind::Unique => WantedKind::Unique(vec![(&column.name, false)]),
            ColumnConstraintKind::Check(expr) => WantedKind::Check(expr),
            ColumnConstraintKind::References(references) => {
                WantedKind::ForeignKey(vec![&column.name], references)
            }
            ColumnConstraintKind::Null
            | ColumnConstraintKind::NotNull
            | ColumnConstraintKind::Default(_)
            | ColumnConstraintKind::Computed(_)
            | ColumnConstraintKind::Family(_)
            | ColumnConstraintKind::Identity => continue,
        };
        let name = constraint.name.as_ref();
        draft.wanted.push(Wanted { name, kind, span: constraint.span });
    }
}

/// Takes the names that were given, so that made-up ones keep clear of them. Names of constraints
/// differ from each other, and so do names of indexes; a key is both.
pub(super) fn reserve_names(draft: &mut Draft<'_>) -> Result {
    let unnamed_key = draft
        .wanted
        .iter()
        .any(|wanted| matches!(wanted.kind, WantedKind::PrimaryKey(_)) && wanted.name.is_none());
    if unnamed_key {
        draft.constraint_names.insert(PRIMARY.to_owned());
        draft.index_names.insert(PRIMARY.to_owned());
    }
    for wanted in &draft.wanted {
        let Some(name) = wanted.name else { continue };
        let (constraint, index) = match &wanted.kind {
            WantedKind::PrimaryKey(_) | WantedKind::Unique(_) => (true, true),
            WantedKind::Index(index) => (index.unique, true),
            WantedKind::Check(_) | WantedKind::ForeignKey(..) => (true, false),
        };
        let taken = |what: &str| {
            Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!(
                    "{what} \"{}\" for relation \"{}\" already exists",
                    name.value, draft.table.name
                ),
            )
            .at(name.span)
        };
        if constraint && !draft.constraint_names.insert(name.value.clone()) {
            return Err(taken("constraint"));
        }
        if index && !draft.index_names.insert(name.value.clone()) {
            return Err(taken("index"));
        }
    }
    Ok(())
}

/// Returns `base`, or `base1`, `base2`, ..., whichever is free first, and takes it.
pub(super) fn free_name(names: &mut BTreeSet<String>, base: &str) -> String {
    let mut name = base.to_owned();
    let mut number = 0;
    while !names.insert(name.clone()) {
        number += 1;
        name = format!("{base}{number}");
    }
    name
}

/// Sets the primary key, whose columns become NOT NULL.
pub(super) fn add_primary_key(draft: &mut Draft<'_>) -> Result {
    let mut keys = draft.wanted.iter().filter_map(|wanted| match &wanted.kind {
        WantedKind::PrimaryKey(parts) => Some((wanted, parts)),
        _ => None,
    });
    let Some((wanted, parts)) = keys.next() else { return Ok(()) };
    if let Some((second, _)) = keys.next() {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("multiple primary keys for table \"{}\" are not allowed", draft.table.name),
        )
        .at(second.span));
    }
    let key = checked_key(draft, parts, "primary key")?;
    let name = wanted.name.map_or(PRIMARY, |name| &name.value).to_owned();
    for part in &key {
        for column in &mut draft.table.columns {
            if column.id == part.column {
                column.nullable = false;
            }
        }
    }
    draft.table.primary_key = Some(IndexDescriptor {
        id: IndexId::PRIMARY,
        name,
        unique: true,
        constraint: true,
        key,
        storing: Vec::new(),
    });
    Ok(())
}

/// Adds the secondary indexes, those of UNIQUE included, in the order written.
pub(super) fn add_indexes(draft: &mut Draft<'_>) -> Result {
    for wanted in draft.wanted.clone() {
        match &wanted.kind {
            WantedKind::Unique(parts) => {
                let key = checked_key(draft, parts, "unique constraint")?;
                let parts: Vec<&Ident> = parts.iter().map(|(name, _)| *name).collect();
                let name = index_name(draft, wanted.name, &parts, true);
                push_index(
                    draft,
                    IndexDescriptor {
                        id: IndexId::default(),
                        name,
                        unique: true,
                        constraint: true,
                        key,
                        storing: Vec::new(),
                    },
                );
            }
            WantedKind::Index(index) => add_index(draft, index)?,
            _ => {}
        }
    }
    Ok(())
}

/// Adds a secondary index, whose name is free if it has one.
pub(super) fn add_index(draft: &mut Draft<'_>, index: &IndexElement) -> Result {
    let parts: Vec<KeyPart<'_>> =
        index.columns.iter().map(|column| (&column.name, column.descending)).collect();
    let key = checked_key(draft, &parts, "index")?;
    let mut storing: Vec<ColumnId> = Vec::new();
    for name in &index.storing {
        let id = draft.require_column(name)?.id;
        if storing.contains(&id) || key.iter().any(|part| part.column == id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("index already contains column \"{}\"", name.value),
            )
            .at(name.span));
        }
        storing.push(id);
    }
    let columns: Vec<&Ident> = index.columns.iter().map(|column| &column.name).collect();
    let name = index_name(draft, index.name.as_ref(), &columns, index.unique);
    push_index(
        draft,
        IndexDescriptor {
            id: IndexId::default(),
            name,
            unique: index.unique,
            constraint: false,
            key,
            storing,
        },
    );
    Ok(())
}

fn push_index(draft: &mut Draft<'_>, mut index: IndexDescriptor) {
    index.id = draft.table.next_index;
    draft.table.next_index = IndexId(index.id.0 + 1);
    draft.table.indexes.push(index);
}

/// Returns the name given, or `t_a_b_key` if keys must differ, or `t_a_b_idx`.
fn index_name(
    draft: &mut Draft<'_>,
    given: Option<&Ident>,
    columns: &[&Ident],
    unique: bool,
) -> String {
    if let Some(name) = given {
        return name.value.clone();
    }
    let columns: Vec<&str> = columns.iter().map(|name| name.value.as_str()).collect();
    let ending = if unique { "key" } else { "idx" };
    let base = format!("{}_{}_{ending}", draft.table.name, columns.join("_"));
    let name = free_name(&mut draft.index_names, &base);
    if unique {
        draft.constraint_names.insert(name.clone());
    }
    name
}

/// Returns a key whose columns exist, stand there once, and have types that sort.
fn checked_key(draft: &Draft<'_>, parts: &[KeyPart<'_>], place: &str) -> Result<Vec<IndexKey>> {
    let mut key: Vec<IndexKey> = Vec::with_capacity(parts.len());
    for (name, descending) in parts {
        let column = draft.require_column(name)?;
        if key.iter().any(|part| part.column == column.id) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{}\" appears twice in {place}", name.value),
            )
            .at(name.span));
        }
        refuse_unsorted(column, name)?;
        key.push(IndexKey { column: column.id, descending: *descending });
    }
    Ok(key)
}

/// Refuses columns of types that have no order in keys.
fn refuse_unsorted(column: &ColumnDescriptor, name: &Ident) -> Result {
    if !matches!(column.sql_type, SqlType::Jsonb | SqlType::Interval | SqlType::Array(_)) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("column \"{}\" of type {} cannot be part of a key", column.name, column.sql_type),
    )
    .at(name.span))
}

/// Adds the CHECK constraints.
pub(super) fn add_checks(draft: &mut Draft<'_>) -> Result {
    for wanted in draft.wanted.clone() {
        let WantedKind::Check(expr) = wanted.kind else { continue };
        refuse_subquery(expr, "check constraint")?;
        refuse_sequences(expr, "CHECK constraint")?;
        let mut base = "check".to_owned();
        for reference in &expr.columns {
            let column = draft.require_column(reference)?;
            base.push('_');
            base.push_str(&column.name);
        }
        let name = match wanted.name {
            Some(name) => name.value.clone(),
            None => free_name(&mut draft.constraint_names, &base),
        };
        draft.table.checks.push(Check { name, expr: expr.text.clone() });
    }
    Ok(())
}

/// Keeps the families, which have no effect: each column in one at most.
pub(super) fn add_families(draft: &mut Draft<'_>, elements: &[TableElement]) -> Result {
    let mut placed: BTreeSet<ColumnId> = BTreeSet::new();
    for element in elements {
        let TableElement::Family { name, columns } = element else { continue };
        for column in columns {
            place_in_family(draft, &mut placed, column)?;
        }
        let columns: Vec<String> = columns.iter().map(|name| name.value.clone()).collect();
        let name = match name {
            None => unused_family_name(draft, &columns),
            Some(name) if draft.table.families.iter().any(|(each, _)| *each == name.value) => {
                return Err(Error::new(
                    SqlState::DUPLICATE_OBJECT,
                    format!("family \"{}\" already exists", name.value),
                )
                .at(name.span));
            }
            Some(name) => name.value.clone(),
        };
        draft.table.families.push((name, columns));
    }
    for element in elements {
        let TableElement::Column(column) = element else { continue };
        for constraint in &column.constraints {
            let ColumnConstraintKind::Family(name) = &constraint.kind else { continue };
            place_in_family(draft, &mut placed, &column.name)?;
            let columns = vec![column.name.value.clone()];
            let name = match name {
                Some(name) => name.value.clone(),
                None => unused_family_name(draft, &columns),
            };
            let families = &mut draft.table.families;
            match families.iter_mut().find(|(each, _)| *each == name) {
                Some((_, members)) => members.extend(columns),
                None => families.push((name, columns)),
            }
        }
    }
    Ok(())
}

fn place_in_family(draft: &Draft<'_>, placed: &mut BTreeSet<ColumnId>, name: &Ident) -> Result {
    if placed.insert(draft.require_column(name)?.id) {
        return Ok(());
    }
    Err(Error::new(
        SqlState::DUPLICATE_COLUMN,
        format!("column \"{}\" appears in more than one family", name.value),
    )
    .at(name.span))
}

/// Returns `primary` for the first family, `fam_1_a_b` for a later one.
fn unused_family_name(draft: &Draft<'_>, columns: &[String]) -> String {
    let families = &draft.table.families;
    let mut names: BTreeSet<String> = families.iter().map(|(name, _)| name.clone()).collect();
    let base = match families.len() {
        0 => PRIMARY.to_owned(),
        number => format!("fam_{number}_{}", columns.join("_")),
    };
    free_name(&mut names, &base)
}

#[cfg(test)]
mod tests {
    use crate::catalog::TableDescriptor;
    use crate::plan::fixture::{fails, table};

    fn create(elements: &str) -> TableDescriptor {
        table(&format!("CREATE TABLE t ({elements})"))
    }

    fn refused(elements: &str, code: &str, message: &str) {
        fails(&format!("CREATE TABLE t ({elements})"), code, message);
    }

    fn index_names(elements: &str) -> Vec<String> {
        create(elements).all_indexes().map(|index| index.name.clone()).collect()
    }

    #[test]
    fn primary_key_columns_become_not_null() {
        let table = create("a INT8, b INT8, PRIMARY KEY (b DESC, a)");
        assert!(table.columns.iter().all(|column| !column.nullable));
        let key = table.primary_key.as_ref().expect("a primary key");
        assert_eq!(table.key_names(&key.key), ["b", "a"]);
        assert!(key.key[0].descending && !key.key[1].descending);
        assert!(key.unique && key.constraint);
        let named = create("a INT8, CONSTRAINT k PRIMARY KEY (a)");
        assert_eq!(named.primary_key.expect("a primary key").name, "k");
    }

    #[test]
    fn makes_up_names_that_are_free() {
        assert_eq!(
            index_names("a INT8, b INT8, INDEX (a), INDEX (a), INDEX (a, b)"),
            ["t_a_idx", "t_a_idx1", "t_a_b_idx"]
        );
        assert_eq!(
            index_names("a INT8 UNIQUE, UNIQUE (a), UNIQUE INDEX (a)"),
            ["t_a_key", "t_a_key1", "t_a_key2"]
        );
        assert_eq!(index_names("a INT8, INDEX (a), INDEX t_a_idx (a)"), ["t_a_idx1", "t_a_idx"]);
    }

    #[test]
    fn tells_unique_constraints_from_indexes() {
        let table = create("a INT8, UNIQUE (a), UNIQUE INDEX i (a), INDEX j (a)");
        let kinds: Vec<(bool, bool)> =
            table.indexes.iter().map(|index| (index.unique, index.constraint)).collect();
        assert_eq!(kinds, [(true, true), (true, false), (false, false)]);
    }

    #[test]
    fn names_checks_after_their_columns() {
        let table = create(
            "a INT8 CHECK (a > 0) CHECK (a < 9), b INT8, CHECK (a < b), CONSTRAINT c CHECK (true)",
        );
        let names: Vec<&str> = table.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["check_a", "check_a1", "check_a_b", "c"]);
        assert_eq!(table.checks[0].expr, "a > 0");
    }

    #[test]
    fn keeps_storing_columns() {
        let table = create("a INT8, b INT8, INDEX (a) STORING (b)");
        assert_eq!(table.indexes[0].storing, [table.columns[1].id]);
        refused("a INT8, b INT8, INDEX (a) STORING (a)", "42701", "already contains column \"a\"");
        refused("a INT8, INDEX (a) STORING (c)", "42703", "column \"c\" does not exist");
    }

    #[test]
    fn refuses_wrong_keys() {
        let text = "multiple primary keys for table \"t\" are not allowed";
        refused("a INT8 PRIMARY KEY, b INT8 PRIMARY KEY", "42P16", text);
        refused("a INT8 PRIMARY KEY, PRIMARY KEY (a)", "42P16", text);
        refused("a INT8, PRIMARY KEY (b)", "42703", "column \"b\" does not exist");
        refused("a INT8, UNIQUE (b)", "42703", "column \"b\" does not exist");
        refused("a INT8, INDEX (b)", "42703", "column \"b\" does not exist");
        refused("a INT8, PRIMARY KEY (a, a)", "42701", "\"a\" appears twice in primary key");
        refused("a INT8, UNIQUE (a, a)", "42701", "\"a\" appears twice in unique constraint");
    }

    #[test]
    fn refuses_types_that_do_not_sort() {
        for name in ["JSONB", "INTERVAL", "INT8[]"] {
            let message = format!("column \"a\" of type {name} cannot be part of a key");
            refused(&format!("a {name} PRIMARY KEY"), "0A000", &message);
            refused(&format!("a {name} UNIQUE"), "0A000", &message);
            refused(&format!("a {name}, INDEX (a)"), "0A000", &message);
        }
        refused("a JSONB, INVERTED INDEX (a)", "0A000", "inverted indexes are not supported yet");
    }

    #[test]
    fn refuses_names_given_twice() {
        refused(
            "a INT8, CONSTRAINT c CHECK (a > 0), CONSTRAINT c UNIQUE (a)",
            "42710",
            "constraint \"c\" for relation \"t\" already exists",
        );
        refused(
            "a INT8, INDEX i (a), INDEX i (a)",
            "42710",
            "index \"i\" for relation \"t\" already exists",
        );
        refused("a INT8 PRIMARY KEY, INDEX \"primary\" (a)", "42710", "index \"primary\"");
        create("a INT8, INDEX c (a), CONSTRAINT c CHECK (a > 0)");
    }

    #[test]
    fn refuses_checks_on_missing_columns_and_subqueries() {
        refused("a INT8, CHECK (b > 0)", "42703", "column \"b\" does not exist");
        refused("a INT8, CHECK (a > (SELECT 1))", "0A000", "cannot use subquery in check");
    }

    #[test]
    fn keeps_families() {
        let table = create("a INT8 FAMILY f, b INT8, c INT8, FAMILY (b), FAMILY g (c)");
        let families: Vec<(&str, String)> = table
            .families
            .iter()
            .map(|(name, columns)| (name.as_str(), columns.join(",")))
            .collect();
        assert_eq!(families, [("primary", "b".into()), ("g", "c".into()), ("f", "a".into())]);
        refused("a INT8, FAMILY (b)", "42703", "column \"b\" does not exist");
        refused("a INT8, FAMILY f (a), FAMILY g (a)", "42701", "more than one family");
        refused(
            "a INT8, b INT8, FAMILY f (a), FAMILY f (b)",
            "42710",
            "family \"f\" already exists",
        );
    }
}
