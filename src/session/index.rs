//! CREATE INDEX, whose job runs on a thread of its own while the session waits or goes on, and DROP
//! INDEX.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::execute::done;
use super::launch::Controls;
use super::show::{Cell, Table};
use super::table::drop_foreign_keys;
use super::{Events, Outcome, Session};
use crate::catalog::{Catalog, IndexId, TableId};
use crate::error::Result;
use crate::job::create_index::{self, Started};
use crate::job::import::Origin;
use crate::job::registry::JobStatement;
use crate::plan;
use crate::query::QueryContext;
use crate::store::{Changes, Manifest, View};

/// An index build that has begun and waits for a thread.
pub(super) struct Building {
    started: Started,
    create: plan::CreateIndex,
    controls: Controls,
}

impl Session {
    pub(super) async fn run_create_index(
        &mut self,
        create: plan::CreateIndex,
        events: &Events,
    ) -> Result<Outcome> {
        let detached = create.detached;
        let origin = Origin::Statement { secrets: false, pending: false };
        let asked = (self.query_context(), events, detached);
        let building = self.begin_index(create, origin, asked).await?;
        let job = building.started.job();
        let running = self.launch_index(building, detached);
        if !detached {
            self.wait_for_outcome(running).await?;
            return Ok(done("CREATE INDEX"));
        }
        let mut table = Table::new(&["job_id"]);
        table.row([Cell::Int(job.0.cast_signed())]);
        Ok(Outcome::Rows { rows: table.into_rows()?, tag: "" })
    }

    /// Takes hold of the table of an index, and records the build as a job.
    pub(super) async fn begin_index(
        &self,
        create: plan::CreateIndex,
        origin: Origin,
        asked: (QueryContext, &Events, bool),
    ) -> Result<Building> {
        let (context, controls) = self.controlled(asked)?;
        let again = create.clone();
        let begin = move || create_index::start(context, again, origin);
        let started = self.begin_job(&controls, begin).await?;
        Ok(Building { started, create, controls })
    }

    /// Builds an index on a thread of its own. If it is `detached`, its error is kept for whoever asks.
    pub(super) fn launch_index(
        &self,
        building: Building,
        detached: bool,
    ) -> JoinHandle<Option<Result<()>>> {
        let Building { started, create, controls } = building;
        let job = (started.job(), JobStatement::CreateIndex(Box::new(create)));
        self.run_job(job, controls, detached, move || started.run())
    }

    pub(super) fn run_drop_indexes(
        &mut self,
        indexes: &[(TableId, IndexId)],
        foreign_keys: &[(TableId, String)],
    ) -> Result<Outcome> {
        let store = Arc::clone(&self.store);
        self.store.update(|changes| {
            drop_foreign_keys(changes, foreign_keys)?;
            let tables: BTreeSet<TableId> = indexes.iter().map(|(table, _)| *table).collect();
            tables.into_iter().try_for_each(|table| {
                let dropped = |index| indexes.contains(&(table, index));
                drop_indexes(changes, &store.view(), (table, &dropped))
            })
        })?;
        Ok(done("DROP INDEX"))
    }
}

/// Takes indexes out of a table; their files go when nobody can read them any more.
fn drop_indexes(
    changes: &mut Changes<'_>,
    newest: &View,
    (id, dropped): (TableId, &dyn Fn(IndexId) -> bool),
) -> Result {
    let Some(mut table) = changes.catalog.table_by_id(id).cloned() else { return Ok(()) };
    let mut manifest = Manifest::clone(&*newest.manifest(id)?);
    table.indexes.retain(|index| !dropped(index.id));
    manifest.indexes.retain(|index, _| !dropped(*index));
    changes.put_table(&table)?;
    changes.put_manifest(id, manifest)
}

#[cfg(test)]
mod tests;
