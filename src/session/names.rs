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
    /// Users.
    pub users: Vec<String>,
    /// Cluster settings and session variables.
    pub settings: Vec<String>,
}

impl Session {
    /// Returns names for completion; only of tables that the user has some privilege on.
    pub fn names(&self) -> Names {
        let view = self.view();
        let catalog = &view.catalog;
        let tables = catalog.database(&self.database).map_or_else(Vec::new, |database| {
            catalog
                .tables(database.id)
                .into_iter()
                .filter(|table| {
                    self.user == crate::catalog::ROOT
                        || catalog.privileges(Object::Table(table.id), &self.user).is_some()
                })
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
            users: catalog.users().into_iter().map(str::to_owned).collect(),
            settings: settings.chain(self.variables.keys().cloned()).collect(),
        }
    }
}
