//! IMPORT PGDUMP and MYSQLDUMP: the tables of a dump, all or none.
//!
//! The dump is read twice. The first pass (`contents`) gathers the statements and where rows stand; the
//! tables are then described as CREATE TABLE would (`describe`). The second pass reads the rows of each
//! table like those of data files: a block of rows is an `InputFile`. Foreign keys are checked when
//! all tables are in, and one commit publishes everything.

mod contents;
mod describe;
mod ignored;
mod log;
mod sequences;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use self::contents::{Block, Contents};
use self::describe::{Defined, Described, Describer};
use self::log::Logs;
use self::sequences::DescribedSequence;
use super::convert::{Converter, NullRule};
use super::dump_file::{DumpFile, Left, Section};
use super::input::{ColumnSource, InputFile};
use super::record::JobLog;
use super::schedule::split_size;
use super::stored::Stored;
use super::task::Shared;
use super::temp::{close_temp, make_temp, try_temp};
use super::{Imported, MOST_FILES, Made, Work, lock, next_rowid};
use crate::catalog::{Catalog, JobId, TableDescriptor};
use crate::error::{Error, Notice, Result, SqlState};
use crate::job::JobContext;
use crate::job::constraint::RowRules;
use crate::job::event::{Event, Progress};
use crate::job::foreign_key::Reference;
use crate::job::run::RunSpace;
use crate::job::table::Layout;
use crate::plan::ImportDump;
use crate::query::QueryContext;
use crate::record::{DumpFlavor, FieldKind, PgCopyFormat, TextFormat, ValuesFormat};
use crate::source::TempDirectory;
use crate::store::Manifest;
use crate::types::SqlType;

/// Imports the tables of a dump; blocks until they are published or the import has failed.
pub fn run_dump(context: &JobContext, import: &ImportDump) -> Result<Imported> {
    let file = DumpFile::open(context, &import.file, import.decompress)?;
    let job = context.store.reserve_job()?;
    let size = file.stored_size();
    super::require_space(context, size)?;
    let temp = make_temp(context, (import.temp.as_deref(), false), job)?;
    let log = Mutex::new(JobLog::start_dump(context, job, &import.description, &temp)?);
    let work = Dump { context, import, file: &file, temp: &temp, job };
    let imported =
        try_temp(context, import.temp.as_deref(), &temp, size).and_then(|()| work.run(&log));
    if let Err(error) = &imported {
        lock(&log).fail(context, error, &temp);
    }
    imported
}

/// The import of a dump.
struct Dump<'a> {
    context: &'a JobContext,
    import: &'a ImportDump,
    file: &'a DumpFile,
    temp: &'a Arc<TempDirectory>,
    job: JobId,
}

/// A table that is ready to take rows.
struct Ready {
    layout: Layout,
    rules: RowRules,
    files: Vec<InputFile>,
}

impl Dump<'_> {
    fn run(&self, log: &Mutex<JobLog>) -> Result<Imported> {
        let tell = |bytes| self.tell("reading", 0, bytes);
        let contents = contents::read(self.context, self.import, self.file, &tell)?;
        self.check_contents(&contents)?;
        let notices = contents_notices(&contents);
        let describer = Describer::new(self.context, self.import, self.file);
        let Defined { tables, sequences, ignored, catalog } = describer.describe(contents)?;
        let mut query = self.context.query.clone();
        query.view = Arc::new(query.view.with_catalog(catalog));
        let mut lent = Lent { context: self.context, sequences };
        lent.lend()?;
        let prepared = tables.into_iter().map(|table| self.prepare(&query, table));
        let tables: Vec<Ready> = prepared.collect::<Result<_>>()?;
        let spaces: Vec<Arc<RunSpace>> = tables
            .iter()
            .map(|_| RunSpace::new(Arc::clone(self.temp), self.context.memory / 4))
            .collect();
        let shared: Vec<Shared<'_>> = tables
            .iter()
            .zip(&spaces)
            .map(|(table, space)| self.shared(table, space, log))
            .collect();
        let works: Vec<Work<'_>> =
            shared.iter().map(|shared| Work::new(shared, self.temp, self.job)).collect();
        let mut made: Vec<Made> = Vec::with_capacity(works.len());
        let imported = self.fill(&works, &mut made).and_then(|()| {
            let logs = match &self.import.log_ignored {
                Some(place) => Logs::write(self.context, self.job, place, &ignored)?,
                None => Logs::default(),
            };
            notices.into_iter().chain(ignored.notice()).for_each(|notice| {
                (self.context.events)(Event::Notice(notice));
            });
            lent.settle(&works, &made);
            let published = self.commit((&works, &made), &lent.sequences, log);
            published.inspect_err(|_| logs.retract())
        });
        if imported.is_err() {
            works.iter().zip(&made).for_each(|(work, made)| work.discard(made));
        }
        imported
    }

    /// Fails if the dump holds none of the tables that were asked for.
    fn check_contents(&self, contents: &Contents) -> Result {
        if !contents.tables.is_empty() {
            return Ok(());
        }
        let Some(table) = &self.import.table else { return Ok(()) };
        let names = &contents.names;
        let error = Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("table \"{table}\" not found in the dump"),
        );
        let list = |names: &[String]| names.join(", ");
        Err(match names.len() {
            0 => error.detail("The dump defines no table."),
            1..=20 => error.detail(format!("The dump defines: {}.", list(names))),
            many => error.detail(format!(
                "The dump defines: {}, and {} more.",
                list(&names[..20]),
                many - 20
            )),
        })
    }

    /// Makes a table ready to take its rows.
    fn prepare(&self, query: &QueryContext, described: Described) -> Result<Ready> {
        let at = described.at();
        let Described { table, bits, blocks, .. } = described;
        if table.primary_key.is_none() && blocks.len() > MOST_FILES {
            let message = format!(
                "the rows of table \"{}\", which has no primary key, stand at more than 32,768 places",
                table.name
            );
            let error = Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message);
            return Err(self.file.error(error, at.line, at.byte));
        }
        let files = blocks
            .into_iter()
            .enumerate()
            .map(|(index, block)| self.section((&table, &bits), index, block))
            .collect::<Result<_>>()?;
        let table = Arc::new(table);
        let rules = RowRules::compile(&table, &self.context.engine, query)?;
        let layout = Layout::new(Arc::clone(&table))?;
        Ok(Ready { layout, rules, files })
    }

    /// Returns a block of rows as a file to read.
    fn section(
        &self,
        (table, bits): (&TableDescriptor, &[String]),
        index: usize,
        block: Block,
    ) -> Result<InputFile> {
        let names: Vec<&str> = match &block.columns {
            Some(names) => names.iter().map(String::as_str).collect(),
            None if block.copy => table
                .columns
                .iter()
                .filter(|column| column.computed.is_none())
                .map(|column| column.name.as_str())
                .collect(),
            None => table.columns.iter().map(|column| column.name.as_str()).collect(),
        };
        let mysql = self.import.flavor == DumpFlavor::MySql;
        let mut columns: Vec<ColumnSource> = table
            .columns
            .iter()
            .map(|column| match column.computed {
                Some(_) => ColumnSource::Computed,
                None => ColumnSource::Default,
            })
            .collect();
        let mut kinds = Vec::with_capacity(names.len());
        for (field, name) in names.iter().enumerate() {
            let Some(position) = table.columns.iter().position(|column| column.name == *name)
            else {
                let message =
                    format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
                let error = Error::new(SqlState::UNDEFINED_COLUMN, message);
                return Err(self.file.error(error, block.at.line, block.at.byte));
            };
            let computed = columns[position] == ColumnSource::Computed;
            let bit = bits.iter().any(|bit| bit == name);
            kinds.push(field_kind(&table.columns[position].sql_type, (mysql, bit, computed)));
            if !computed {
                columns[position] = ColumnSource::Field(field);
            }
        }
        let fields = kinds.len();
        let format = match block.copy {
            true => TextFormat::PgCopy(PgCopyFormat {
                delimiter: '\t',
                null: "\\N".to_owned(),
                max_row_size: usize::MAX,
            }),
            false => {
                TextFormat::Values(ValuesFormat { quoting: block.quoting, kinds: kinds.into() })
            }
        };
        let section = Section {
            start: block.start,
            end: block.end,
            line: block.line,
            cuts: block.cuts,
            left: Left::default(),
        };
        Ok(self.file.section(
            u32::try_from(index).unwrap_or(u32::MAX),
            section,
            (columns, fields),
            format,
        ))
    }

    fn shared<'s>(
        &'s self,
        ready: &'s Ready,
        space: &'s Arc<RunSpace>,
        log: &'s Mutex<JobLog>,
    ) -> Shared<'s> {
        Shared {
            context: self.context,
            files: &ready.files,
            layout: &ready.layout,
            converter: Converter {
                layout: &ready.layout,
                rules: &ready.rules,
                nulls: NullRule::Text(None),
                parse_words: "parse",
                plain_bytes: false,
            },
            row_limit: None,
            split: split_size(self.context).max(1),
            space,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            stored: Stored::new(&ready.files, None),
            unsorted: AtomicBool::new(false),
            stop_after: AtomicUsize::new(usize::MAX),
            log,
            tolerated: None,
            temp: self.temp,
            excluded: Mutex::default(),
        }
    }

    /// Reads the rows of all tables, builds their indexes and checks their references.
    fn fill(&self, works: &[Work<'_>], made: &mut Vec<Made>) -> Result {
        for work in works {
            self.context.cancellation.check()?;
            let of_table = |error: Error| about_table(error, &work.shared.layout.table.name);
            let segments = work.read().map_err(of_table)?;
            made.push(Made { segments, indexes: BTreeMap::new() });
            if let Some(last) = made.last_mut() {
                work.build_indexes(last).map_err(of_table)?;
            }
        }
        for (work, own) in works.iter().zip(made.iter()) {
            self.check_references(work, own, works, made)?;
        }
        Ok(())
    }

    fn check_references(
        &self,
        work: &Work<'_>,
        own: &Made,
        works: &[Work<'_>],
        made: &[Made],
    ) -> Result {
        let table = &work.shared.layout.table;
        for key in &table.foreign_keys {
            let new = works
                .iter()
                .zip(made)
                .find(|(other, _)| other.shared.layout.table.id == key.references);
            let reference = match new {
                Some((other, made)) => {
                    Reference::to(table, key, &other.shared.layout.table, &made.segments)?
                }
                None => Reference::new(self.context, table, key, &own.segments)?,
            };
            work.check_reference(key, &reference, &own.segments).map_err(|error| {
                about_table(error, &table.name)
                    .hint("Import WITH skip_foreign_keys to leave foreign keys out.")
            })?;
        }
        Ok(())
    }

    /// Publishes the tables and sequences in one commit.
    fn commit(
        &self,
        (works, made): (&[Work<'_>], &[Made]),
        sequences: &[DescribedSequence],
        log: &Mutex<JobLog>,
    ) -> Result<Imported> {
        self.tell("publishing", 0, 0);
        self.file.require_unchanged()?;
        let tables = || works.iter().map(|work| &work.shared.layout.table);
        tables().try_for_each(|table| self.context.store.sync_table_directory(table.id))?;
        self.context.cancellation.check()?;
        let mut imported =
            Imported { job: self.job, rows: 0, index_entries: 0, bytes: 0, trial: None };
        for made in made {
            imported.rows += made.segments.iter().map(|segment| segment.rows).sum::<u64>();
            let indexes = || made.indexes.values().flatten();
            imported.index_entries += indexes().map(|segment| segment.rows).sum::<u64>();
            let all = made.segments.iter().chain(indexes());
            imported.bytes += all.map(|segment| segment.bytes).sum::<u64>();
        }
        let left = close_temp(self.context, self.temp);
        let mut log = lock(log);
        self.context.store.update(|changes| {
            for table in tables() {
                super::require_absent(changes.catalog, table)?;
            }
            for (table, made) in tables().zip(made) {
                changes.put_table(table)?;
                let manifest = Manifest {
                    segments: made.segments.clone(),
                    indexes: made.indexes.clone(),
                    next_rowid: next_rowid(&made.segments),
                };
                changes.put_manifest(table.id, manifest)?;
            }
            for DescribedSequence { sequence, value, .. } in sequences {
                sequences::require_free(changes.catalog, sequence)?;
                changes.put_sequence(sequence)?;
                let value = match value {
                    Some(value) => *value,
                    None => self.context.store.sequence_value(sequence.id)?,
                };
                changes.put_sequence_value(sequence.id, value);
            }
            let mut keys = tables().flat_map(|table| &table.foreign_keys);
            if keys.any(|key| changes.catalog.table_by_id(key.references).is_none()) {
                let message = "a referenced table was dropped meanwhile";
                return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
            }
            log.succeed(self.context, changes, left)
        })?;
        Ok(imported)
    }

    fn tell(&self, phase: &'static str, rows: u64, bytes: u64) {
        let total = self.file.plain_size();
        let progress = Progress { job: self.job, phase, rows, bytes, total_bytes: total };
        (self.context.events)(Event::Progress(progress));
    }
}

/// The sequences of a dump, whose values rows can take before they are committed.
struct Lent<'a> {
    context: &'a JobContext,
    sequences: Vec<DescribedSequence>,
}

impl Lent<'_> {
    fn lend(&self) -> Result {
        let mut sequences = self.sequences.iter();
        sequences.try_for_each(|one| self.context.store.lend_sequence(&one.sequence))
    }

    /// Settles where sequences stand that go on above the values of their columns.
    fn settle(&mut self, works: &[Work<'_>], made: &[Made]) {
        for described in &mut self.sequences {
            let Some(owner) = described.owner() else { continue };
            let own = |work: &Work<'_>| work.shared.layout.table.id == owner.table;
            let Some(at) = works.iter().position(own) else { continue };
            let segments = made[at].segments.iter().map(AsRef::as_ref);
            described.settle(sequences::largest(segments, owner));
        }
    }
}

impl Drop for Lent<'_> {
    /// Forgets sequences that were not committed.
    fn drop(&mut self) {
        self.sequences.iter().for_each(|one| self.context.store.forget_sequence(one.sequence.id));
    }
}

/// Says which table the error is about.
fn about_table(error: Error, table: &str) -> Error {
    let line = format!("The row is one of table \"{table}\".");
    let detail = match error.detail_text() {
        Some(detail) => format!("{detail}\n{line}"),
        None => line,
    };
    match error.place() {
        Some(_) => error.detail(detail),
        None => error,
    }
}

/// Returns what becomes of a field's values.
fn field_kind(sql_type: &SqlType, (mysql, bit, computed): (bool, bool, bool)) -> FieldKind {
    match sql_type {
        _ if computed => FieldKind::Ignored,
        _ if !mysql => FieldKind::Text,
        _ if bit => FieldKind::Bits,
        SqlType::Bytes => FieldKind::Bytes,
        SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz => FieldKind::Moment,
        _ => FieldKind::Text,
    }
}

/// Returns what to tell of things that a dump holds and Wharf has not.
fn contents_notices(contents: &Contents) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !contents.left_out.is_empty() {
        let counts: Vec<String> = contents
            .left_out
            .iter()
            .map(|(what, count)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        notices.push(Notice::notice(format!("left out: {}", counts.join(", "))));
    }
    notices
}
