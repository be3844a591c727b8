//! Runs sqllogictest files over a session in this process.
//!
//! Three things are added to the format: `file NAME` blocks and `copy PATH` lines as in block files,
//! and `connection NAME`, which runs the next record as the user of that name. They are hidden from
//! the parser as comments, so that its line numbers stay true.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::runner::update_record_with_output;
use sqllogictest::{
    AsyncDB, Condition, Connection, DBOutput, DefaultColumnType, MakeConnection, Normalizer,
    QueryExpect, Record, RecordOutput, Runner, StatementExpect, default_normalizer,
    default_validator, parse_with_name,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::fixture::Fixture;
use super::sandbox::{Restart, Sandbox};
use super::values;
use crate::error::{Error, Place, Report};
use crate::session::{Outcome, Session};
use crate::shell::splitter;

/// The names that `skipif` and `onlyif` know us by.
const ENGINE: &str = "wharf";
const ALSO: &str = "postgresql";

/// How many records that differ are shown.
const SHOWN: usize = 10;

/// Begins a line that the parser shall not see; its number in `Hidden` follows.
const MARK: char = '\u{1}';

type LogicRecord = Record<DefaultColumnType>;
type LogicRunner = Runner<Connected, Connector>;

/// Runs a sqllogictest file. Returns the file with what was seen if `rewrite`.
pub(super) fn run(
    path: &Path,
    text: &str,
    rewrite: bool,
    sqlite: bool,
    runtime: &Handle,
) -> Result<Option<String>, String> {
    let told = |text: String| format!("{}: {text}", path.display());
    let sandbox = Sandbox::new()?;
    let session = sandbox
        .open(runtime, &Restart::default())
        .map_err(|error| told(Report::new(&error).to_string()))?;
    let hidden = Hidden::cut(text).map_err(told)?;
    let records = parse_with_name(&hidden.text, path.display().to_string())
        .map_err(|error| error.to_string())?;
    let shared = Arc::new(Mutex::new(Shared { session, wanted: None }));
    let mut runner = Runner::new(Connector(Arc::clone(&shared)));
    runner.add_label(ALSO);
    if sqlite {
        runner.with_validator(in_rows_or_values);
    } else {
        runner.with_column_validator(same_types);
    }
    let mut file = File { runner, shared, hidden, sandbox, path, sqlite };
    let ran = if rewrite && !sqlite {
        runtime.block_on(file.rewrite(records)).map(Some)
    } else {
        runtime.block_on(file.check(records)).map(|()| None)
    };
    ran.map_err(|text| file.sandbox.neutral(&text))
}

/// A file that runs.
struct File<'a> {
    runner: LogicRunner,
    shared: Arc<Mutex<Shared>>,
    hidden: Hidden,
    sandbox: Sandbox,
    path: &'a Path,
    sqlite: bool,
}

impl File<'_> {
    /// Runs the records; tells of the first that differ, and how many do.
    async fn check(&mut self, records: Vec<LogicRecord>) -> Result<(), String> {
        let (mut ran, mut differences) = (0, Vec::new());
        for record in records {
            if matches!(record, Record::Halt { .. }) {
                break;
            }
            self.prepare(&record).await?;
            ran += usize::from(matches!(record, Record::Statement { .. } | Record::Query { .. }));
            if let Err(error) = self.runner.run_async(record).await {
                differences.push(error.to_string());
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        let count = differences.len();
        differences.truncate(SHOWN);
        Err(format!("{}\n{count} of {ran} records differ", differences.join("\n")))
    }

    /// Runs all records; returns the file with what was seen.
    async fn rewrite(&mut self, records: Vec<LogicRecord>) -> Result<String, String> {
        let mut out = String::new();
        let mut halted = false;
        for record in records {
            halted |= matches!(record, Record::Halt { .. });
            if halted {
                out += &format!("{record}\n");
                continue;
            }
            self.prepare(&record).await?;
            let output = self.runner.apply_record(record.clone()).await;
            let changed = keep_code(&record, &output).or_else(|| {
                let normalizer: Normalizer = default_normalizer;
                update_record_with_output(
                    &record,
                    &output,
                    " ",
                    default_validator,
                    normalizer,
                    same_types,
                )
            });
            out += &format!("{}\n", changed.unwrap_or(record));
        }
        let text = self.hidden.restore(&out);
        Ok(text.trim_end_matches('\n').to_owned() + "\n")
    }

    /// Does what the record says besides SQL, and tells the session how to answer.
    async fn prepare(&mut self, record: &LogicRecord) -> Result<(), String> {
        if let Record::Comment(lines) = record {
            for line in lines {
                if let Some(fixture) = self.hidden.fixture(line) {
                    fixture.place(self.sandbox.files(), self.path)?;
                }
            }
        }
        let (Record::Statement { connection, .. } | Record::Query { connection, .. }) = record
        else {
            return Ok(());
        };
        if self.sqlite {
            // SQLite's files may leave `hash-threshold` out: the answer says whether it is a hash.
            self.runner.with_hash_threshold(usize::from(expects_hash(record)));
        }
        let user = match connection {
            Connection::Default => "root",
            Connection::Named(name) => name,
        };
        let mut shared = self.shared.lock().await;
        shared.wanted = match record {
            Record::Query { expected: QueryExpect::Results { types, .. }, .. } if self.sqlite => {
                Some(types.clone())
            }
            _ => None,
        };
        if shared.session.user() == user {
            return Ok(());
        }
        shared.session.set_user(user).map_err(|error| Report::new(&error).to_string())
    }
}

/// What an error's record becomes if it names the SQLSTATE, or if it expected no error: it names the
/// SQLSTATE that was seen.
fn keep_code(
    record: &LogicRecord,
    output: &RecordOutput<DefaultColumnType>,
) -> Option<LogicRecord> {
    use sqllogictest::parser::ExpectedError;
    let (RecordOutput::Statement { error: Some(error), .. }
    | RecordOutput::Query { error: Some(error), .. }) = output
    else {
        return None;
    };
    let code = error.downcast_ref::<Refused>()?.0.code().to_string();
    let mut record = record.clone();
    match &mut record {
        Record::Statement { expected, .. }
            if !matches!(
                expected,
                StatementExpect::Error(ExpectedError::Inline(_) | ExpectedError::Multiline(_))
            ) =>
        {
            *expected = StatementExpect::Error(ExpectedError::SqlState(code));
        }
        Record::Query { expected, .. }
            if !matches!(
                expected,
                QueryExpect::Error(ExpectedError::Inline(_) | ExpectedError::Multiline(_))
            ) =>
        {
            *expected = QueryExpect::Error(ExpectedError::SqlState(code));
        }
        _ => return None,
    }
    Some(record)
}

/// Returns whether a query's answer is written as `30 values hashing to 3c13dee48d93...`.
fn expects_hash(record: &LogicRecord) -> bool {
    match record {
        Record::Query { expected: QueryExpect::Results { results, .. }, .. } => {
            matches!(results.as_slice(), [line] if line.contains(" values hashing to "))
        }
        _ => false,
    }
}

/// Accepts the types written, `?` standing for any; an integer is a number.
#[expect(clippy::ptr_arg, reason = "the runner asks for this signature")]
fn same_types(actual: &Vec<DefaultColumnType>, expected: &Vec<DefaultColumnType>) -> bool {
    use DefaultColumnType::{Any, FloatingPoint, Integer};
    let fits = |actual: &DefaultColumnType, expected: &DefaultColumnType| {
        actual == expected || *expected == Any || (*actual == Integer && *expected == FloatingPoint)
    };
    actual.len() == expected.len()
        && actual.iter().zip(expected).all(|(actual, expected)| fits(actual, expected))
}

/// Accepts a row per line, or a value per line as SQLite writes them.
fn in_rows_or_values(normalizer: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let values: Vec<_> = actual.iter().flatten().map(|value| vec![value.clone()]).collect();
    default_validator(normalizer, actual, expected)
        || default_validator(normalizer, &values, expected)
}

/// The session that all connections of a file share.
struct Shared {
    session: Session,
    /// The types that the next query shall answer in, by SQLite's rules.
    wanted: Option<Vec<DefaultColumnType>>,
}

/// Makes connections to the file's session.
struct Connector(Arc<Mutex<Shared>>);

impl MakeConnection for Connector {
    type Conn = Connected;
    type MakeFuture = std::future::Ready<Result<Connected, Refused>>;

    fn make(&mut self) -> Self::MakeFuture {
        std::future::ready(Ok(Connected(Arc::clone(&self.0))))
    }
}

/// A connection to the file's session.
struct Connected(Arc<Mutex<Shared>>);

/// An error of ours as the runner wants it: one line of everything that a test may look for.
#[derive(Debug)]
struct Refused(Error);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let report = match self.0.place() {
            // The statement stands in the test itself.
            Some(Place::Sql(_)) | None => {
                let mut text = format!("ERROR: {} SQLSTATE: {}", self.0, self.0.code());
                for (word, part) in [("DETAIL", self.0.detail_text()), ("HINT", self.0.hint_text())]
                {
                    text += &part.map_or_else(String::new, |part| format!(" {word}: {part}"));
                }
                text
            }
            Some(Place::Data(_)) => Report::new(&self.0).to_string(),
        };
        f.write_str(&report.replace('\n', " "))
    }
}

impl std::error::Error for Refused {}

#[async_trait]
impl AsyncDB for Connected {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let mut shared = self.0.lock().await;
        let mut output = DBOutput::StatementComplete(0);
        for piece in splitter::split(sql) {
            output = shared.run(piece.text).await.map_err(Refused)?;
        }
        Ok(output)
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        ENGINE
    }

    fn error_sql_state(error: &Refused) -> Option<String> {
        Some(error.0.code().to_string())
    }
}

impl Shared {
    async fn run(&mut self, text: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let outcome = self.session.execute(text, Arc::new(|_| ())).await?;
        let mut batches = match outcome {
            Outcome::Done { tag } => return Ok(DBOutput::StatementComplete(count_of(&tag))),
            Outcome::Rows { rows, .. } | Outcome::Copy { rows, .. } => rows,
        };
        let fields = batches.schema().fields().clone();
        let types = fields.iter().map(|field| values::column_type(field.data_type())).collect();
        let mut rows = Vec::new();
        while let Some(batch) = batches.next().await? {
            rows.extend(values::rows(&batch, self.wanted.as_deref()));
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

/// Returns the count at the end of a command tag: 5 of `INSERT 0 5`.
fn count_of(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The lines that the parser does not see.
struct Hidden {
    /// The file with them as comments.
    text: String,
    lines: Vec<String>,
    fixtures: Vec<(usize, Fixture)>,
}

impl Hidden {
    /// Hides `file` blocks, `copy` lines, conditions of `halt`, and what stands behind conditions.
    fn cut(text: &str) -> Result<Self, String> {
        let mut hidden = Self { text: String::new(), lines: Vec::new(), fixtures: Vec::new() };
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 0;
        while at < lines.len() {
            let words: Vec<&str> = lines[at].split_whitespace().collect();
            let told = |text: String| format!("line {}: {text}", at + 1);
            at = match words.as_slice() {
                ["file", words @ ..] => {
                    let rest = lines[at..].iter().position(|line| *line == "----");
                    let end = at + rest.ok_or_else(|| told("the block has no line ----".into()))?;
                    let fixture = Fixture::inline(words, &lines[at + 1..end]).map_err(told)?;
                    hidden.fixtures.push((hidden.lines.len(), fixture));
                    for line in &lines[at..=end] {
                        hidden.hide(line);
                    }
                    end + 1
                }
                ["copy", words @ ..] => {
                    let fixture = Fixture::copy(words).map_err(told)?;
                    hidden.fixtures.push((hidden.lines.len(), fixture));
                    hidden.hide(lines[at]);
                    at + 1
                }
                ["onlyif" | "skipif", _, ..] => hidden.cut_conditions(&lines, at),
                _ => {
                    hidden.keep(lines[at]);
                    at + 1
                }
            };
        }
        Ok(hidden)
    }

    /// Keeps conditions without the remarks behind them; a `halt` below them is kept if they hold,
    /// since the parser would hand them on to the next record. Returns the line behind.
    fn cut_conditions(&mut self, lines: &[&str], start: usize) -> usize {
        let condition = |line: &str| {
            let mut words = line.split_whitespace();
            let condition = match (words.next(), words.next()) {
                (Some("onlyif"), Some(label)) => Condition::OnlyIf { label: label.to_owned() },
                (Some("skipif"), Some(label)) => Condition::SkipIf { label: label.to_owned() },
                _ => return None,
            };
            Some(condition)
        };
        let conditions: Vec<_> = lines[start..].iter().map_while(|line| condition(line)).collect();
        let end = start + conditions.len();
        if lines.get(end).is_some_and(|line| line.trim() == "halt") {
            for line in &lines[start..end] {
                self.hide(line);
            }
            if conditions.iter().all(holds) {
                self.keep(lines[end]);
            } else {
                self.hide(lines[end]);
            }
            return end + 1;
        }
        for line in &lines[start..end] {
            let mut words = line.split_whitespace();
            let kept: Vec<_> = words.by_ref().take(2).collect();
            self.keep(&kept.join(" "));
        }
        end
    }

    fn keep(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    fn hide(&mut self, line: &str) {
        self.text += &format!("#{MARK}{}\n", self.lines.len());
        self.lines.push(line.to_owned());
    }

    /// Returns the fixture that begins in a comment's line.
    fn fixture(&self, comment: &str) -> Option<&Fixture> {
        let number: usize = comment.strip_prefix(MARK)?.parse().ok()?;
        self.fixtures.iter().find(|(at, _)| *at == number).map(|(_, fixture)| fixture)
    }

    /// Puts the hidden lines back.
    fn restore(&self, text: &str) -> String {
        let line = |line: &str| {
            let number = line.strip_prefix('#').and_then(|line| line.strip_prefix(MARK));
            let hidden = number.and_then(|number| self.lines.get(number.parse::<usize>().ok()?));
            hidden.map_or_else(|| line.to_owned(), Clone::clone) + "\n"
        };
        text.lines().map(line).collect()
    }
}

fn holds(condition: &Condition) -> bool {
    let is_us = |label: &str| label == ENGINE || label == ALSO;
    match condition {
        Condition::OnlyIf { label } => is_us(label),
        Condition::SkipIf { label } => !is_us(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_what_the_parser_does_not_know() {
        let text = "file a.csv\n1  \n\n2\n----\n\nonlyif mssql\nhalt\nskipif mssql # why\nstatement ok\nSELECT 1\n";
        let hidden = Hidden::cut(text).unwrap();
        assert_eq!(hidden.text.lines().count(), text.lines().count());
        let records = parse_with_name::<DefaultColumnType>(&hidden.text, "t").unwrap();
        assert!(!records.iter().any(|record| matches!(record, Record::Halt { .. })));
        let statement = records.iter().find_map(|record| match record {
            Record::Statement { conditions, loc, .. } => Some((conditions.len(), loc.line())),
            _ => None,
        });
        assert_eq!(statement, Some((1, 10)));
        assert!(hidden.restore(&hidden.text).starts_with("file a.csv\n1  \n\n2\n----\n"));
    }

    #[test]
    fn stops_at_a_halt_that_is_for_us() {
        for (text, kept) in [
            ("onlyif wharf\nhalt\n", true),
            ("skipif postgresql\nhalt\n", false),
            ("skipif mysql\nhalt\n", true),
            ("halt\n", true),
        ] {
            let hidden = Hidden::cut(text).unwrap();
            assert_eq!(hidden.text.lines().any(|line| line == "halt"), kept, "{text}");
        }
    }

    #[test]
    fn reads_the_count_of_a_tag() {
        assert_eq!(count_of("INSERT 0 5"), 5);
        assert_eq!(count_of("CREATE TABLE"), 0);
    }
}
