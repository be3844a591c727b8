//! PAUSE, RESUME and CANCEL, and which jobs they and SHOW JOBS name.

use super::ast::{Ident, JobAction, Jobs, Statement};
use super::dialect::{Node, Rule};
use super::query::parse_query;
use super::scan::Scanned;
use crate::error::{Error, Result};

/// Reads a PAUSE, RESUME or CANCEL.
pub(super) fn control(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Statement> {
    let action = if node.has(Rule::kw_pause) {
        JobAction::Pause
    } else if node.has(Rule::kw_resume) {
        JobAction::Resume
    } else {
        JobAction::Cancel
    };
    let wanted = node.require(Rule::wanted_jobs)?;
    let jobs = match wanted.find(Rule::job_type) {
        Some(name) => {
            let words: Vec<&str> = name.text().split_whitespace().collect();
            let value = words.join(" ").to_ascii_uppercase();
            Jobs::Type(Ident { value, span: name.span() })
        }
        None if wanted.has(Rule::kw_job) => job(&wanted)?,
        None => query(scanned, &wanted)?,
    };
    let reason = match node.find(Rule::opt_reason).and_then(|clause| clause.find(Rule::string)) {
        Some(reason) => Some(reason.value()?),
        None => None,
    };
    Ok(Statement::ControlJobs { action, jobs, reason })
}

/// Returns the one job that is named below.
pub(super) fn job(node: &Node<'_>) -> Result<Jobs> {
    Ok(Jobs::One(node.require(Rule::job_id)?.value()?))
}

/// Returns the jobs whose ids the query below gives, or all jobs if there is none.
pub(super) fn query(scanned: &Scanned<'_>, node: &Node<'_>) -> Result<Jobs> {
    let Some(query) = node.find(Rule::job_query) else { return Ok(Jobs::All) };
    let text = query
        .children()
        .find(|child| matches!(child.rule(), Rule::inner_expression | Rule::rest))
        .ok_or_else(|| Error::internal("a query of jobs holds none").at(query.span()))?;
    let span = text.span();
    parse_query(scanned, span.start..span.end).map(Jobs::Query)
}
