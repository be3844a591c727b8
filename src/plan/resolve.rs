//! Names to what they name: databases, schemas and tables of one to three parts.
//!
//! A two-part name is `schema.table` if that schema exists in the current database, else
//! `database.table`. The one schema of each database is `public`.

use super::Planner;
use super::suggestion::did_you_mean;
use crate::catalog::{
    DatabaseDescriptor, PUBLIC_SCHEMA, SequenceDescriptor, TableDescriptor, not_sequence, not_table,
};
use crate::error::{Error, Result, Span, SqlState};
use crate::syntax::ast::{Ident, ObjectName};

/// Schemas that other systems have in every database.
const SYSTEM_SCHEMAS: [&str; 2] = ["information_schema", "pg_catalog"];

/// A table's name with its database; whether the table exists is another question.
pub(super) struct Target<'a, 'n> {
    /// The database.
    pub database: &'a DatabaseDescriptor,
    /// The table's own name.
    pub name: &'n Ident,
}

impl<'a> Planner<'a> {
    /// Returns the current database.
    pub(super) fn current_database(&self) -> Result<&'a DatabaseDescriptor> {
        let name = self.context.database;
        self.catalog.database(name).ok_or_else(|| {
            missing_database(name).hint("Choose another database with USE, or create this one.")
        })
    }

    /// Returns the database called `name`.
    pub(super) fn require_database(&self, name: &Ident) -> Result<&'a DatabaseDescriptor> {
        self.catalog.database(&name.value).ok_or_else(|| {
            let known = self.catalog.databases();
            let known = known.iter().map(|database| database.name.as_str());
            did_you_mean(missing_database(&name.value).at(name.span), &name.value, known)
        })
    }

    /// Returns the database that `name` points into, and the table's own name.
    pub(super) fn resolve<'n>(&self, name: &'n ObjectName) -> Result<Target<'a, 'n>> {
        let (database, table) = match name.parts.as_slice() {
            [table] => (self.current_database()?, table),
            [schema, table] if schema.value == PUBLIC_SCHEMA => (self.current_database()?, table),
            [database, table] => (self.database_or_schema(database)?, table),
            [database, schema, table] => {
                let database = self.require_database(database)?;
                require_public(schema)?;
                (database, table)
            }
            _ => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("improper qualified name (too many dotted names): {}", written(name)),
                )
                .at(name.span));
            }
        };
        Ok(Target { database, name: table })
    }

    /// Returns the table that `name` names, or nothing if its database has no such table.
    pub(super) fn find_table(&self, name: &ObjectName) -> Result<Option<&'a TableDescriptor>> {
        let target = self.resolve(name)?;
        let found = self.catalog.table(target.database.id, &target.name.value);
        match self.catalog.sequence(target.database.id, &target.name.value) {
            Some(_) if found.is_none() => Err(not_table(&written(name)).at(name.span)),
            _ => Ok(found),
        }
    }

    /// Returns the table that `name` names.
    pub(super) fn require_table(&self, name: &ObjectName) -> Result<&'a TableDescriptor> {
        let target = self.resolve(name)?;
        let (database, table) = (target.database.id, &target.name.value);
        self.catalog.table(database, table).ok_or_else(|| {
            if self.catalog.sequence(database, table).is_some() {
                return not_table(&written(name)).at(name.span);
            }
            let error = undefined(name);
            let known = self.catalog.tables(target.database.id);
            let known = known.iter().map(|table| table.name.as_str());
            did_you_mean(error.at(name.span), &target.name.value, known)
        })
    }

    /// Returns the sequence that `name` names.
    pub(super) fn require_sequence(&self, name: &ObjectName) -> Result<&'a SequenceDescriptor> {
        let target = self.resolve(name)?;
        let (database, sequence) = (target.database.id, &target.name.value);
        self.catalog.sequence(database, sequence).ok_or_else(|| {
            if self.catalog.table(database, sequence).is_some() {
                return not_sequence(&written(name)).at(name.span);
            }
            let known = self.catalog.sequences(database);
            let known = known.iter().map(|sequence| sequence.name.as_str());
            did_you_mean(undefined(name).at(name.span), sequence, known)
        })
    }

    /// Returns the database called by the first of two parts, which is no schema that we have.
    fn database_or_schema(&self, name: &Ident) -> Result<&'a DatabaseDescriptor> {
        if SYSTEM_SCHEMAS.contains(&name.value.as_str())
            && self.catalog.database(&name.value).is_none()
        {
            return Err(missing_schema(name));
        }
        self.require_database(name)
    }
}

/// Requires a schema to be the one that each database has.
pub(super) fn require_public(schema: &Ident) -> Result {
    if schema.value == PUBLIC_SCHEMA { Ok(()) } else { Err(missing_schema(schema)) }
}

/// Returns the name as it was written, its parts unquoted.
pub(super) fn written(name: &ObjectName) -> String {
    let parts: Vec<&str> = name.parts.iter().map(|part| part.value.as_str()).collect();
    parts.join(".")
}

fn undefined(name: &ObjectName) -> Error {
    let name = written(name);
    Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}

/// Returns the error that a table or sequence exists already.
pub(super) fn relation_exists(name: &str, span: Span) -> Error {
    Error::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")).at(span)
}

fn missing_database(name: &str) -> Error {
    Error::new(SqlState::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
}

fn missing_schema(schema: &Ident) -> Error {
    let error = Error::new(
        SqlState::INVALID_SCHEMA_NAME,
        format!("schema \"{}\" does not exist", schema.value),
    )
    .at(schema.span);
    if SYSTEM_SCHEMAS.contains(&schema.value.as_str()) {
        return error.hint("SHOW TABLES, SHOW COLUMNS and their kin list what a database holds.");
    }
    error.hint("The one schema of each database is \"public\".")
}

#[cfg(test)]
mod tests {
    use crate::plan::fixture::{fails, plans};

    #[test]
    fn finds_tables_by_one_to_three_parts() {
        plans("SELECT * FROM customers");
        plans("SELECT * FROM public.customers");
        plans("SELECT * FROM defaultdb.customers");
        plans("SELECT * FROM shop.public.items");
    }

    #[test]
    fn names_what_is_missing() {
        fails("SELECT * FROM custmers", "42P01", "relation \"custmers\" does not exist");
        fails("SELECT * FROM shop.customers", "42P01", "relation \"shop.customers\"");
        fails("SELECT * FROM nope.t", "3D000", "database \"nope\" does not exist");
        fails("SELECT * FROM shop.other.items", "3F000", "schema \"other\" does not exist");
        fails("SELECT * FROM pg_catalog.pg_class", "3F000", "schema \"pg_catalog\"");
    }

    #[test]
    fn points_at_the_name_and_proposes_another() {
        let error = fails("SELECT * FROM custmers", "42P01", "custmers");
        assert_eq!(error.hint_text(), Some("Did you mean \"customers\"?"));
        assert_eq!(error.place(), Some(&crate::error::Place::Sql(crate::error::Span::new(14, 22))));
    }
}
