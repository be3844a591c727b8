//! PAUSE, RESUME and CANCEL, and which jobs a statement is about.
//!
//! Who may control a job is decided where its record is read, in `session`.

use super::{JobSelection, Plan, Planner, query};
use crate::error::{Error, Result, SqlState};
use crate::syntax::ast::{JobAction, Jobs, Value, ValueKind};

/// The types of jobs.
const TYPES: &[&str] = &["IMPORT", "EXPORT", "CREATE INDEX"];

/// Plans a PAUSE, RESUME or CANCEL.
pub(super) fn plan_control(
    planner: &Planner<'_>,
    action: JobAction,
    jobs: &Jobs,
    reason: Option<&Value>,
) -> Result<Plan> {
    let jobs = select(planner, jobs)?;
    Ok(Plan::ControlJobs { action, jobs, reason: reason.map(|reason| reason.text.clone()) })
}

/// Returns the jobs that a statement is about.
pub(super) fn select(planner: &Planner<'_>, jobs: &Jobs) -> Result<JobSelection> {
    Ok(match jobs {
        Jobs::All => JobSelection::All,
        Jobs::One(id) => JobSelection::One(job_id(id)?),
        Jobs::Query(text) => JobSelection::Query(query::plan_query(planner, text)?),
        Jobs::Type(name) if TYPES.contains(&name.value.as_str()) => {
            JobSelection::Type(name.value.clone())
        }
        Jobs::Type(name) => {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("there are no jobs of type \"{}\"", name.value),
            )
            .at(name.span)
            .hint("Use IMPORT, EXPORT or CREATE INDEX."));
        }
    })
}

/// Returns the id of a job.
pub(super) fn job_id(value: &Value) -> Result<u64> {
    if value.kind == ValueKind::Placeholder {
        return Err(super::option::placeholder(value));
    }
    value.text.parse().map_err(|_| {
        Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid job id \"{}\"", value.text))
            .at(value.span)
            .hint("SHOW JOBS lists the ids.")
    })
}

#[cfg(test)]
mod tests {
    use crate::plan::fixture::{Session, fails, planned};
    use crate::plan::{JobSelection, Plan};

    fn selection(sql: &str) -> JobSelection {
        match planned(sql).plan {
            Plan::ControlJobs { jobs, .. } => jobs,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn selects_jobs() {
        assert!(matches!(selection("PAUSE JOB 7"), JobSelection::One(7)));
        assert!(matches!(selection("RESUME JOB '7'"), JobSelection::One(7)));
        assert!(matches!(selection("CANCEL ALL import JOBS"), JobSelection::Type(_)));
        let JobSelection::Type(name) = selection("pause all create  index jobs") else {
            panic!("a type");
        };
        assert_eq!(name, "CREATE INDEX");
        let JobSelection::Query(query) = selection("CANCEL JOBS (SELECT id FROM customers)") else {
            panic!("a query");
        };
        assert_eq!((query.text.as_str(), query.offset), ("SELECT id FROM customers", 13));
    }

    #[test]
    fn refuses_what_names_no_job() {
        fails("PAUSE JOB 1.5", "22023", "invalid job id \"1.5\"");
        fails("CANCEL JOBS (SELECT id FROM nope)", "42P01", "relation \"nope\"");
        fails("RESUME ALL CHANGEFEED JOBS", "22023", "no jobs of type \"CHANGEFEED\"");
        Session::default().read_only().fails("CANCEL JOB 1", "25006", "cannot execute CANCEL JOB");
    }
}
