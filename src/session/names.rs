//! Names of the catalog, for completion.

use super::Session;
use crate::catalog::{Catalog, Object};
use crate::plan::CLUSTER_SETTINGS;

/// Names for completion.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Databases.
    pub databases: Vec<String>,
    /// Tables of the current database with their columns.
    pub tables: Vec<(String, Vec<String>)>,
    /// Sequences of the current database.
    pub sequences: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Cluster settings and session variables.
    pub settings: Vec<String>,
}

impl Session {
    /// Returns names for completion; only of tables and sequences that the user has some privilege on.
    pub fn names(&self) -> Names {
        let view = self.view();
        let catalog = &view.catalog;
        let seen = |id| {
            self.user == crate::catalog::ROOT
                || catalog.privileges(Object::Table(id), &self.user).is_some()
        };
        let database = catalog.database(&self.database);
        let sequences = database.map_or_else(Vec::new, |it| catalog.sequences(it.id));
        let sequences = sequences.into_iter().filter(|sequence| seen(sequence.id));
        let tables = database.map_or_else(Vec::new, |database| {
            catalog
                .tables(database.id)
                .into_iter()
                .filter(|table| seen(table.id))
                .map(|table| {
                    let columns = table.columns.iter().map(|column| column.name.clone());
                    (table.name.clone(), columns.collect())
                })
                .collect()
        });
        let settings = CLUSTER_SETTINGS.iter().map(|setting| setting.name.to_owned());
        Names {
            databases: catalog.databases().iter().map(|database| database.name.clone()).collect(),
            tables,
            sequences: sequences.map(|sequence| sequence.name.clone()).collect(),
            users: catalog.users().into_iter().map(str::to_owned).collect(),
            settings: settings.chain(self.variables.keys().cloned()).collect(),
        }
    }
}
