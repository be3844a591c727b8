//! Logs of the statements of a dump that were passed over.

use std::io::Write;

use super::ignored::Ignored;
use crate::catalog::JobId;
use crate::error::Result;
use crate::job::JobContext;
use crate::source::{Location, OutputDirectory, io_error};

/// How many statements stand in a file.
const STATEMENTS: usize = 1024;

/// Log files that were written; `retract` takes them away again.
#[derive(Default)]
pub(super) struct Logs(Vec<(OutputDirectory, Vec<String>)>);

impl Logs {
    /// Writes the logs below `place`; files without statements are not made.
    pub(super) fn write(
        context: &JobContext,
        job: JobId,
        place: &str,
        ignored: &Ignored,
    ) -> Result<Self> {
        let mut logs = Self::default();
        let spool = context.store.path().join("tmp");
        let end = place.find('?').filter(|_| place.contains("://")).unwrap_or(place.len());
        let (path, parameters) = place.split_at(end);
        for (name, data) in [("unsupported_schema_stmts", false), ("unsupported_data_stmts", true)]
        {
            let lines = ignored.log(data);
            if lines.is_empty() {
                continue;
            }
            let directory =
                format!("{}/import{job}/{name}{parameters}", path.trim_end_matches('/'));
            let directory = Location::parse(&directory)?;
            let directory = context.access.output_directory(&directory, job.0, &spool)?;
            let written = write_files(&directory, &lines)
                .and_then(|names| directory.publish(&names, true).map(|()| names));
            match written {
                Ok(names) => logs.0.push((directory, names)),
                Err(error) => {
                    logs.retract();
                    return Err(error);
                }
            }
        }
        Ok(logs)
    }

    /// Takes the files away again, since nothing was imported.
    pub(super) fn retract(&self) {
        self.0.iter().for_each(|(directory, names)| directory.retract(names));
    }
}

/// Writes the lines to files; returns their names.
fn write_files(directory: &OutputDirectory, lines: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (number, lines) in lines.chunks(STATEMENTS).enumerate() {
        let name = format!("{number}.log");
        let mut file = directory.create(&name)?;
        file.write_all(lines.concat().as_bytes())
            .map_err(|error| io_error("write", file.name(), &error))?;
        file.finish()?;
        names.push(name);
    }
    Ok(names)
}
