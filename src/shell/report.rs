//! The report of an error as the shell prints it: with the place that it comes from.

use crate::error::{Error, Report};

/// Returns the report of `error`, which `origin`, such as `load.sql:12`, caused. The session has taken
/// secrets out of it.
pub(crate) fn text(error: &Error, origin: Option<&str>) -> String {
    let report = Report::new(error);
    match origin {
        Some(origin) => report.from_origin(origin).to_string(),
        None => report.to_string(),
    }
}
