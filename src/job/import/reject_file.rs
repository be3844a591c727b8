//! Files of the rows that an import left out, for the user: the rows as they stand in the data files, and
//! beside them why. They appear with the import's commit or not at all.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::sync::Mutex;

use super::input::InputFile;
use super::left_out::Placed;
use super::lock;
use super::record::JobLog;
use super::task::Shared;
use crate::catalog::{JobId, JobOutput};
use crate::error::{Error, Result, SqlState};
use crate::job::JobContext;
use crate::job::output::describe_outputs;
use crate::plan::RejectTarget;
use crate::record::CsvWriter;
use crate::source::{Location, OutputDirectory, OutputFile, io_error};

/// What follows the name of a data file in that of its rejects.
const REJECTED: &str = ".rejected";

/// What follows the name of the rows in that of the reasons.
const REASONS: &str = ".reasons.csv";

/// The columns of the reasons.
const HEADER: [&str; 7] = ["row", "line", "byte", "column", "SQLSTATE", "message", "file"];

/// Fails if files of rejects cannot be made where an import wants them, or are there already.
pub(crate) fn check_places(
    context: &JobContext,
    job: JobId,
    (target, files): (&RejectTarget, &[InputFile]),
) -> Result {
    let check = |location: &Location| {
        let (output, name) = open(context, job, location)?;
        [name.clone(), name + REASONS]
            .iter()
            .try_for_each(|name| output.require_absent(name))
            .map_err(without_overwrite)
    };
    match target {
        RejectTarget::None => Ok(()),
        RejectTarget::File(url) => check(&Location::parse(url)?),
        RejectTarget::BesideFiles => {
            let mut seen = BTreeSet::new();
            for file in files {
                let location = beside(file)?;
                check(&location)?;
                if !seen.insert(location) {
                    return Err(Error::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        format!("file \"{}\" is named twice", file.name()),
                    )
                    .detail("The rows of each file that are left out have one place.")
                    .hint("Name the file once, or use reject = 'url'."));
                }
            }
            Ok(())
        }
    }
}

fn open(
    context: &JobContext,
    job: JobId,
    location: &Location,
) -> Result<(OutputDirectory, String)> {
    context.access.output_file(location, job.0, &context.store.path().join("tmp"))
}

/// Returns the place of a data file's rejects.
fn beside(file: &InputFile) -> Result<Location> {
    let location = file.location.as_ref();
    let location = location.ok_or_else(|| Error::internal("a data file has no place"))?;
    location.with_suffix(REJECTED)
}

/// An import has no option to replace files.
fn without_overwrite(error: Error) -> Error {
    match error.code() {
        SqlState::DUPLICATE_FILE => error.hint("Name another file, or remove this one."),
        _ => error,
    }
}

/// The files of rejects of an import.
pub(crate) struct RejectFiles<'a> {
    context: &'a JobContext,
    log: &'a Mutex<JobLog>,
    job: JobId,
    target: &'a RejectTarget,
    /// The files that are being written, and the data file that they are of.
    open: Option<(usize, Writing)>,
    /// Files that are whole: they wait to be published.
    whole: Vec<(OutputDirectory, Vec<String>)>,
}

/// The two files of one place while they are written.
struct Writing {
    output: OutputDirectory,
    names: Vec<String>,
    rows: BufWriter<OutputFile>,
    reasons: CsvWriter<BufWriter<OutputFile>>,
}

impl<'a> RejectFiles<'a> {
    /// Returns no files so far.
    pub(crate) fn new(shared: &Shared<'a>, job: JobId, target: &'a RejectTarget) -> Self {
        let (context, log) = (shared.context, shared.log);
        Self { context, log, job, target, open: None, whole: Vec::new() }
    }

    /// Writes a row of `file`; rows come in the order of files.
    pub(crate) fn write(&mut self, file: &InputFile, placed: &Placed<'_>) -> Result {
        let location = match self.target {
            RejectTarget::None => return Ok(()),
            RejectTarget::File(url) => Location::parse(url),
            RejectTarget::BesideFiles => beside(file),
        };
        let number = match self.target {
            RejectTarget::BesideFiles => placed.number,
            _ => 0,
        };
        if self.open.as_ref().is_some_and(|(open, _)| *open != number) {
            self.close()?;
        }
        if self.open.is_none() {
            let (output, name) = open(self.context, self.job, &location?)?;
            // A crash that leaves the files leaves a trace of them, too.
            let mut outputs = self.outputs();
            outputs.extend(describe(&output, &[]));
            lock(self.log).note_outputs(self.context, outputs)?;
            self.open = Some((number, Writing::create(output, name)?));
        }
        match &mut self.open {
            Some((_, writing)) => writing.write(file, placed),
            None => Ok(()),
        }
    }

    /// Ends writing.
    pub(crate) fn close(&mut self) -> Result {
        if let Some((_, writing)) = self.open.take() {
            self.whole.push(writing.finish()?);
        }
        Ok(())
    }

    /// Returns what job records tell of files that are about to be published, so that those are found
    /// again if a crash comes between. What lies on another machine needs credentials to be removed.
    pub(crate) fn outputs(&self) -> Vec<JobOutput> {
        let open = self.open.iter().map(|(_, writing)| (&writing.output, [].as_slice()));
        let whole = self.whole.iter().map(|(output, names)| (output, names.as_slice()));
        whole.chain(open).filter_map(|(output, names)| describe(output, names)).collect()
    }

    /// Lets the files appear; none if one cannot.
    pub(crate) fn publish(&self) -> Result {
        for (count, (output, names)) in self.whole.iter().enumerate() {
            if let Err(error) = output.publish(names, false) {
                retract(&self.whole[..count]);
                return Err(without_overwrite(error));
            }
        }
        Ok(())
    }

    /// Takes the files away again, since nothing was imported.
    pub(crate) fn retract(&self) {
        retract(&self.whole);
    }
}

/// Returns what a job record tells of files, if they are on this machine.
fn describe(output: &OutputDirectory, names: &[String]) -> Option<JobOutput> {
    Some(describe_outputs(&output.temporary_path()?, names))
}

fn retract(files: &[(OutputDirectory, Vec<String>)]) {
    for (output, names) in files {
        output.retract(names);
    }
}

impl Writing {
    fn create(output: OutputDirectory, name: String) -> Result<Self> {
        let names = vec![name.clone(), name + REASONS];
        let rows = BufWriter::new(output.create(&names[0])?);
        let reasons = BufWriter::new(output.create(&names[1])?);
        let mut reasons = CsvWriter::comma_separated(reasons, String::new());
        let header = HEADER.map(Some);
        reasons.write_row(&header).map_err(|error| io_error("write", &names[1], &error))?;
        Ok(Self { output, names, rows, reasons })
    }

    fn write(&mut self, file: &InputFile, placed: &Placed<'_>) -> Result {
        let raw = &placed.reject.raw;
        let end = file.content.record_end();
        // The last row of a file may lack its end; another one may follow here.
        let missing: &[u8] = if raw.ends_with(&end) { &[] } else { &end };
        [raw.as_slice(), missing]
            .iter()
            .try_for_each(|bytes| self.rows.write_all(bytes))
            .map_err(|error| io_error("write", self.rows.get_ref().name(), &error))?;
        let numbers = [placed.row, placed.line, placed.byte].map(|number| number.to_string());
        self.reasons
            .write_row(&[
                Some(&numbers[0]),
                Some(&numbers[1]),
                Some(&numbers[2]),
                placed.reject.column.as_deref(),
                Some(&placed.reject.code),
                Some(&placed.message),
                Some(placed.file),
            ])
            .map_err(|error| io_error("write", &self.names[1], &error))
    }

    /// Ends writing: the files are on the disk when it returns.
    fn finish(self) -> Result<(OutputDirectory, Vec<String>)> {
        let Self { output, names, rows, reasons } = self;
        let failed = |name: &str, error: &std::io::Error| io_error("write", name, error);
        let reasons = reasons.finish().map_err(|error| failed(&names[1], &error))?;
        for (name, file) in names.iter().zip([rows, reasons]) {
            let file = file.into_inner().map_err(|error| failed(name, error.error()))?;
            file.finish()?;
        }
        Ok((output, names))
    }
}
