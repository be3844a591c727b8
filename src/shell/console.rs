//! `Console`: a session with its output, settings and variables. Runs text: cuts it, puts variables
//! in, hands statements to the session and commands to `command`, and shows what comes back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use tokio::runtime::Handle;

use super::command;
use super::copy_in::CopyIn;
use super::flow::{Flow, Stop};
use super::interrupt::{Guarded, Interrupts};
use super::output::Output;
use super::pager::Paging;
use super::progress::Watcher;
use super::render::{self, Look};
use super::report;
use super::script::Origin;
use super::settings::{Expanded, Format, Settings};
use super::splitter;
use super::stream::RowStream;
use super::variables::Variables;
use crate::error::Error;
use crate::session::{CancelHandle, Outcome, RowFormatter, Rows, Session, redact_text};
use crate::syntax::{self, PieceKind};

/// A session and everything that a person sees of it.
pub(crate) struct Console {
    /// The session.
    pub(crate) session: Session,
    /// Where rows and messages go.
    pub(crate) output: Output,
    /// The shell's own settings.
    pub(crate) settings: Settings,
    /// Client-side variables.
    pub(crate) variables: Variables,
    /// The text of the statement that is not complete yet.
    pub(crate) buffer: String,
    /// The statement that ran last.
    pub(crate) previous: String,
    /// Where relative paths start.
    pub(crate) directory: PathBuf,
    /// The directories of the scripts that are running, the innermost last.
    pub(crate) directories: Vec<PathBuf>,
    /// Columns whose values are shown as `_`, for golden tests.
    pub(crate) hidden: Vec<String>,
    /// The COPY FROM STDIN whose rows are being gathered.
    pub(crate) copying: Option<CopyIn>,
    /// Whether rows for statements of the command line come from standard input.
    pub(crate) reads_rows: bool,
    /// Whether a progress bar may be drawn.
    pub(crate) progress: bool,
    /// Whether a statement or command has failed since this was last reset.
    pub(crate) failed: bool,
    /// Waits for futures and signals.
    pub(crate) interrupts: Interrupts,
    /// Runs futures.
    pub(crate) runtime: Handle,
    /// The line on which `buffer` starts.
    buffer_line: usize,
}

impl Console {
    /// Returns a console over `session`, whose relative paths start in `directory`.
    pub(crate) fn new(
        session: Session,
        output: Output,
        runtime: Handle,
        directory: PathBuf,
    ) -> Self {
        Self {
            session,
            directory,
            output,
            settings: Settings::default(),
            variables: Variables::default(),
            buffer: String::new(),
            previous: String::new(),
            directories: Vec::new(),
            hidden: Vec::new(),
            copying: None,
            reads_rows: false,
            progress: false,
            failed: false,
            interrupts: Interrupts::none(),
            runtime,
            buffer_line: 1,
        }
    }

    /// Runs the statements and commands of `text`, which starts on line `line` of `origin`. What has
    /// no end stays in the buffer.
    pub(crate) fn run_text(&mut self, text: &str, origin: &Origin, line: usize) -> Flow {
        let (mut rest, mut line) = (text, line);
        loop {
            let Some(taken) = self.take_rows(rest, origin)? else { return Ok(()) };
            line += rest[..taken].matches('\n').count();
            rest = &rest[taken..];
            let Some(left) = self.run_pieces(rest, origin, line)? else { return Ok(()) };
            let next = rest.len() - left;
            line += rest[..next].matches('\n').count();
            rest = &rest[next..];
        }
    }

    /// Runs the statements and commands of `text` up to one that reads rows; returns how many bytes
    /// stand behind the line of that one.
    fn run_pieces(&mut self, text: &str, origin: &Origin, line: usize) -> Flow<Option<usize>> {
        let mut first = line;
        let joined;
        let mut text = text;
        if !self.buffer.is_empty() {
            first = self.buffer_line;
            joined = std::mem::take(&mut self.buffer) + text;
            text = &joined;
        }
        let mut pieces = splitter::pieces(text).peekable();
        while let Some(piece) = pieces.next() {
            let mut line = first + piece.line - 1;
            let result = match piece.kind {
                // At the end, the text is kept to the byte: it may go on inside a string.
                PieceKind::Incomplete(_) if pieces.peek().is_none() => {
                    self.keep(&text[piece.start..], line);
                    Ok(())
                }
                PieceKind::Incomplete(_) => {
                    self.keep(&format!("{}\n", piece.text), line);
                    Ok(())
                }
                // The statement may have begun before a command.
                PieceKind::Statement if !self.buffer.is_empty() => {
                    line = self.buffer_line;
                    let statement = std::mem::take(&mut self.buffer) + piece.text;
                    self.run_statement(&statement)
                }
                PieceKind::Statement => self.run_statement(piece.text),
                PieceKind::Command => self.run_command(piece.text),
            };
            self.settle(result, origin, line)?;
            if self.copying.is_some() {
                let behind = &text[piece.start + piece.text.len()..];
                let end = behind.find('\n').map_or(behind.len(), |at| at + 1);
                self.place_copy(line, &behind[..end]);
                return Ok(Some(behind.len() - end));
            }
        }
        Ok(None)
    }

    /// Ends the text of `origin`: runs what is left in the buffer.
    pub(crate) fn finish(&mut self, origin: &Origin) -> Flow {
        self.end_copy(origin)?;
        let text = std::mem::take(&mut self.buffer);
        if text.trim().is_empty() {
            return Ok(());
        }
        let line = self.buffer_line;
        let result = self.run_statement(&text);
        self.settle(result, origin, line)?;
        self.place_copy(line, "");
        self.end_copy(origin)
    }

    fn keep(&mut self, text: &str, line: usize) {
        if self.buffer.is_empty() {
            self.buffer_line = line;
        }
        self.buffer.push_str(text);
    }

    /// Reports a failure, and ends the run if it shall end at the first one.
    pub(crate) fn settle(&mut self, result: Flow, origin: &Origin, line: usize) -> Flow {
        let Err(Stop::Error(error)) = result else { return result };
        self.report(&error, origin, line);
        self.failed = true;
        if self.settings.errexit { Err(Stop::Failed) } else { Ok(()) }
    }

    /// Prints an error with where it comes from.
    pub(crate) fn report(&self, error: &Error, origin: &Origin, line: usize) {
        self.output.report(&report::text(error, origin.place(line).as_deref()));
    }

    fn run_statement(&mut self, text: &str) -> Flow {
        match text.trim().to_ascii_lowercase().as_str() {
            "exit" | "quit" => return Err(Stop::Quit),
            "help" => return self.run_command("\\?"),
            _ => {}
        }
        self.execute(text)
    }

    fn run_command(&mut self, text: &str) -> Flow {
        if self.settings.echo {
            self.output.message(&format!("> {text}"));
        }
        command::run(self, text)
    }

    /// Runs one statement, variables put in, and shows what it gives.
    pub(crate) fn execute(&mut self, text: &str) -> Flow {
        let text = self.substitute(text.trim_end())?;
        if self.settings.echo {
            self.output.message(&redact_text(&format!("> {text};")));
        }
        self.previous.clone_from(&text);
        if let Some(copy) = CopyIn::of(&text) {
            self.start_copy(copy);
            return Ok(());
        }
        self.run_timed(&text)
    }

    /// Hands a statement to the session, and shows what it gives and how long it took.
    pub(super) fn run_timed(&mut self, text: &str) -> Flow {
        let started = Instant::now();
        let result = self.run_and_show(text);
        if self.settings.timing {
            self.output.message(&timing(started.elapsed()));
        }
        result
    }

    /// Puts variables into a text.
    pub(crate) fn substitute(&self, text: &str) -> Flow<String> {
        let value = |name: &str| self.variables.get(name).map(str::to_owned);
        Ok(syntax::substitute(text, &value)?)
    }

    fn run_and_show(&mut self, text: &str) -> Flow {
        let cancel = self.session.cancel_handle();
        match self.start(text, &cancel)? {
            Outcome::Done { tag } => {
                if !self.settings.quiet && !tag.is_empty() {
                    self.output.message(&tag);
                }
                Ok(())
            }
            Outcome::Rows { rows, .. } => self.show(rows, &cancel, None),
            Outcome::Copy { rows, formatter } => self.print_copy(rows, &formatter, &cancel),
        }
    }

    /// Hands a statement to the session and waits for its outcome.
    fn start(&mut self, text: &str, cancel: &CancelHandle) -> Flow<Outcome> {
        let watcher = Watcher::new(self.output.clone(), self.progress);
        let events = watcher.events();
        let work = self.session.execute(text, events);
        let guarded = self.runtime.block_on(self.interrupts.guard(cancel, work));
        watcher.clear();
        let Guarded { value, stopped } = guarded?;
        let outcome = self.unless_stopped(value, stopped)?;
        Ok(outcome)
    }

    /// Turns a cancellation into the end of a run that nobody can go on with.
    fn unless_stopped<T>(&self, value: Result<T, Error>, stopped: Option<Stop>) -> Flow<T> {
        match (value, stopped) {
            (value, None) => Ok(value?),
            (Err(error), Some(Stop::Interrupted)) if self.settings.interactive => Err(error.into()),
            (Ok(value), Some(Stop::Interrupted)) if self.settings.interactive => Ok(value),
            (Err(error), Some(stop)) => {
                self.output.report(&report::text(&error, None));
                Err(stop)
            }
            (Ok(_), Some(stop)) => Err(stop),
        }
    }

    /// Shows rows in the format of the settings, under `title` if one is given.
    pub(crate) fn show(
        &mut self,
        rows: Rows,
        cancel: &CancelHandle,
        title: Option<String>,
    ) -> Flow {
        let mut rows = RowStream::start(rows, &self.runtime);
        let schema = rows.schema().clone();
        let hidden = self.hidden_columns(&schema);
        let schema = hide_fields(&schema, &hidden);
        let look = Look { title, ..Look::of(&self.settings) };
        let mut renderer = render::renderer(&self.settings, &schema, look);
        let mut paging = Paging::new(self.output.clone(), self.pager_lines());
        let mut text = String::new();
        loop {
            let batch = match self.next(&mut rows, cancel) {
                Ok(batch) => batch,
                Err(stop) => {
                    paging.finish()?;
                    return Err(stop);
                }
            };
            match &batch {
                Some(batch) if hidden.is_empty() => renderer.batch(batch, &mut text),
                Some(batch) => renderer.batch(&hide_values(batch, &schema, &hidden)?, &mut text),
                None => renderer.finish(&mut text),
            }
            match paging.write(&text) {
                // The user has seen enough; the statement has not failed.
                Err(_) if paging.is_started() => return Ok(()),
                written => written?,
            }
            text.clear();
            if batch.is_none() {
                return Ok(paging.finish()?);
            }
        }
    }

    /// Prints rows as COPY writes them, and says how many they were.
    fn print_copy(&mut self, rows: Rows, formatter: &RowFormatter, cancel: &CancelHandle) -> Flow {
        let mut rows = RowStream::start(rows, &self.runtime);
        self.output.rows(&String::from_utf8_lossy(formatter.header()))?;
        let mut count = 0;
        while let Some(batch) = self.next(&mut rows, cancel)? {
            self.output.rows(&String::from_utf8_lossy(&formatter.text(&batch)?))?;
            count += batch.num_rows();
        }
        if !self.settings.quiet {
            self.output.message(&format!("COPY {count}"));
        }
        Ok(())
    }

    /// Waits until a detached job has stopped, and reports its error if it failed.
    pub(crate) fn wait_for_job(&mut self, job: u64) -> Flow {
        let cancel = self.session.cancel_handle();
        let work = self.session.wait_for_job(job);
        let Guarded { value, stopped } =
            self.runtime.block_on(self.interrupts.guard(&cancel, work))?;
        if let Some(stop) = stopped {
            return Err(stop);
        }
        if let Err(error) = value {
            self.output.message(&format!("job {job} failed"));
            self.report(&error, &Origin::unnamed(), 1);
            return Err(Stop::Failed);
        }
        Ok(())
    }

    /// Pauses the jobs that run, and says how they go on.
    pub(crate) fn leave_jobs(&mut self) {
        for job in self.session.pause_jobs() {
            self.output.message(&format!(
                "Job {job} is paused. \"RESUME JOB {job}\" lets it go on when you are back."
            ));
        }
    }

    fn next(&mut self, rows: &mut RowStream, cancel: &CancelHandle) -> Flow<Option<RecordBatch>> {
        let next = rows.next(&mut self.interrupts, cancel);
        let Guarded { value, stopped } = self.runtime.block_on(next)?;
        self.unless_stopped(value, stopped)
    }

    fn pager_lines(&self) -> Option<usize> {
        let usable =
            self.settings.pager && self.settings.interactive && !self.output.is_redirected();
        self.settings.screen.filter(|_| usable).map(|(_, lines)| lines)
    }

    /// Runs a query for the shell's own use and returns its rows as texts (`None` is NULL), with the
    /// columns' names.
    pub(crate) fn fetch(&mut self, text: &str) -> Flow<Fetched> {
        let cancel = self.session.cancel_handle();
        let Outcome::Rows { rows, .. } = self.start(text, &cancel).map_err(without_text)? else {
            return Ok(Fetched::default());
        };
        let mut rows = RowStream::start(rows, &self.runtime);
        let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut fetched = Fetched { names, rows: Vec::new() };
        while let Some(batch) = self.next(&mut rows, &cancel)? {
            fetched.add(&batch);
        }
        Ok(fetched)
    }

    /// Runs a query for the shell's own use and shows those rows whose `column` is wanted.
    pub(crate) fn show_matching(
        &mut self,
        text: &str,
        column: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Flow {
        let cancel = self.session.cancel_handle();
        let Outcome::Rows { rows, .. } = self.start(text, &cancel).map_err(without_text)? else {
            return Ok(());
        };
        let mut rows = RowStream::start(rows, &self.runtime);
        let schema = rows.schema().clone();
        let mut kept = Vec::new();
        while let Some(batch) = self.next(&mut rows, &cancel)? {
            let values = batch.column_by_name(column).unwrap_or(batch.column(0));
            let mask: BooleanArray = (0..batch.num_rows())
                .map(|row| {
                    let mut name = String::new();
                    crate::types::print_value(values.as_ref(), row, &mut name);
                    Some(wanted(&name))
                })
                .collect();
            kept.push(filter_record_batch(&batch, &mask).map_err(Error::internal)?);
        }
        let batch = concat_batches(&schema, &kept).map_err(Error::internal)?;
        self.show(Rows::from_batch(batch), &cancel, None)
    }

    /// Shows rows of texts that the shell made itself.
    pub(crate) fn show_table(&mut self, table: &Fetched, title: Option<String>) -> Flow {
        let rows = Rows::from_batch(table.batch()?);
        let settings = self.settings.clone();
        // A description is read by people; it stays a table without a count.
        if self.settings.format != Format::Vertical {
            self.settings.format = Format::Table;
        }
        self.settings.footer = false;
        self.settings.null = Some(String::new());
        self.settings.expanded = Expanded::Off;
        let cancel = self.session.cancel_handle();
        let shown = self.show(rows, &cancel, title);
        self.settings = settings;
        shown
    }

    fn hidden_columns(&self, schema: &Schema) -> Vec<usize> {
        let fields = schema.fields().iter().enumerate();
        fields
            .filter(|(_, field)| self.hidden.iter().any(|name| name == field.name()))
            .map(|(at, _)| at)
            .collect()
    }
}

/// Takes the statement out of an error: the user did not write it.
fn without_text(stop: Stop) -> Stop {
    let Stop::Error(error) = stop else { return stop };
    let mut plain = Error::new(error.code(), error.message());
    if let Some(detail) = error.detail_text() {
        plain = plain.detail(detail);
    }
    if let Some(hint) = error.hint_text() {
        plain = plain.hint(hint);
    }
    Stop::Error(plain)
}

/// Rows that the shell fetched for its own use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetched {
    /// The columns' names.
    pub(crate) names: Vec<String>,
    /// The rows; `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Fetched {
    /// Returns no rows of the given columns.
    pub(crate) fn with_columns(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Returns the value of a row's column by its name; NULL and missing columns are empty.
    pub(crate) fn get<'a>(&self, row: &'a [Option<String>], name: &str) -> &'a str {
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| row.get(at)?.as_deref()).unwrap_or_default()
    }

    fn add(&mut self, batch: &RecordBatch) {
        for row in 0..batch.num_rows() {
            let texts = batch.columns().iter().map(|values| {
                (!render::is_null(values.as_ref(), row)).then(|| {
                    let mut text = String::new();
                    crate::types::print_value(values.as_ref(), row, &mut text);
                    text
                })
            });
            self.rows.push(texts.collect());
        }
    }

    fn batch(&self) -> Flow<RecordBatch> {
        let fields: Vec<Field> =
            self.names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let columns = (0..self.names.len()).map(|at| {
            let texts = self.rows.iter().map(|row| row.get(at).cloned().flatten());
            std::sync::Arc::new(texts.collect::<StringArray>()) as ArrayRef
        });
        let schema = std::sync::Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new(schema, columns.collect()).map_err(Error::internal)?)
    }
}

/// Returns the schema with the hidden columns as text.
fn hide_fields(
    schema: &arrow::datatypes::SchemaRef,
    hidden: &[usize],
) -> arrow::datatypes::SchemaRef {
    if hidden.is_empty() {
        return std::sync::Arc::clone(schema);
    }
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        if hidden.contains(&at) {
            std::sync::Arc::new(Field::new(field.name(), DataType::Utf8, true))
        } else {
            std::sync::Arc::clone(field)
        }
    });
    std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns the rows with `_` in the hidden columns.
fn hide_values(
    batch: &RecordBatch,
    schema: &arrow::datatypes::SchemaRef,
    hidden: &[usize],
) -> Flow<RecordBatch> {
    let columns = batch.columns().iter().enumerate().map(|(at, values)| {
        if hidden.contains(&at) {
            let marks = (0..batch.num_rows())
                .map(|row| (!render::is_null(values.as_ref(), row)).then_some("_"));
            std::sync::Arc::new(marks.collect::<StringArray>()) as ArrayRef
        } else {
            std::sync::Arc::clone(values)
        }
    });
    let schema = std::sync::Arc::clone(schema);
    Ok(RecordBatch::try_new(schema, columns.collect()).map_err(Error::internal)?)
}

/// Returns `Time: 12.345 ms`, as psql prints it.
fn timing(elapsed: Duration) -> String {
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    if elapsed < Duration::from_secs(1) {
        return format!("Time: {milliseconds:.3} ms");
    }
    let seconds = elapsed.as_secs();
    let (minutes, rest) = (seconds / 60, elapsed.as_secs_f64() % 60.0);
    format!("Time: {milliseconds:.3} ms ({minutes:02}:{rest:06.3})")
}
