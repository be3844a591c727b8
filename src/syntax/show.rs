//! SHOW and DESCRIBE: what is to be shown, and of what.

use super::ast::{Ident, Show};
use super::dialect::{Node, Rule};
use super::grant::{target, users};
use super::job::{job, query};
use super::scan::Scanned;
use super::setting::{setting_name, time_zone};
use crate::error::{Error, Result};

/// Reads a SHOW.
pub(super) fn show(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Show> {
    let node = node
        .children()
        .find(|child| child.rule() != Rule::kw_show)
        .ok_or_else(|| Error::internal("SHOW shows nothing"))?;
    let table = || node.find(Rule::table_name).map(|name| name.object_name()).transpose();
    Ok(match node.rule() {
        Rule::show_all_settings => Show::AllClusterSettings,
        Rule::show_setting => {
            Show::ClusterSetting(setting_name(&node.require(Rule::setting_name)?))
        }
        Rule::show_databases => Show::Databases,
        Rule::show_schemas => Show::Schemas,
        // Behind a database its schema may be named; there is one only.
        Rule::show_tables => {
            Show::Tables { database: table()?.and_then(|name| name.parts.into_iter().next()) }
        }
        Rule::show_columns => Show::Columns(node.table_name()?),
        Rule::show_indexes => Show::Indexes(table()?),
        Rule::show_constraints => Show::Constraints(node.table_name()?),
        Rule::show_create => Show::CreateTable(node.table_name()?),
        Rule::show_create_sequence => Show::CreateSequence(node.table_name()?),
        Rule::show_sequences => {
            Show::Sequences { database: table()?.and_then(|name| name.parts.into_iter().next()) }
        }
        Rule::show_jobs => {
            let when_complete = node.has(Rule::kw_complete);
            Show::Jobs { jobs: query(scanned, &node)?, when_complete }
        }
        Rule::show_job => {
            Show::Jobs { jobs: job(&node)?, when_complete: node.has(Rule::kw_complete) }
        }
        Rule::show_rejects => Show::Rejects(node.require(Rule::job_id)?.value()?),
        Rule::show_users => Show::Users,
        Rule::show_grants => grants(&node)?,
        Rule::show_isolation => variable("transaction_isolation", &node),
        Rule::show_status => variable("transaction_status", &node),
        _ => match node.find(Rule::setting_name) {
            Some(name) => Show::Variable(setting_name(&name)),
            None => Show::Variable(time_zone(&node)),
        },
    })
}

fn variable(name: &str, node: &Node<'_>) -> Show {
    Show::Variable(Ident { value: name.to_owned(), span: node.span() })
}

fn grants(node: &Node<'_>) -> Result<Show> {
    let target = node.find(Rule::grant_target).map(|node| target(&node)).transpose()?;
    let users = node.find(Rule::user_list).map(|list| users(&list)).transpose()?;
    Ok(Show::Grants { target, users: users.unwrap_or_default() })
}
