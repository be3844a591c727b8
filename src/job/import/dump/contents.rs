//! What a dump holds: its tables and where their rows stand, found in one pass over the file.

use std::collections::BTreeMap;

use super::ignored::{Ignored, Reason};
use super::sequences::FoundSequence;
use crate::error::{DataPlace, Error, Result, SqlState};
use crate::job::JobContext;
use crate::job::import::dump_file::DumpFile;
use crate::job::import::input::{ByteStream, PIECE_BYTES};
use crate::plan::ImportDump;
use crate::record::{DumpFlavor, DumpPart, DumpScanner, Quoting, count_lines};
use crate::syntax::ast::{
    ColumnConstraint, ColumnConstraintKind, ColumnElement, Expr, TableElement,
};
use crate::syntax::{
    DumpElement, DumpSequence, DumpStatement, DumpTable, Enums, RowsHead, read_mysql,
    read_postgres, read_rows_head,
};

/// The longest statement that is no row, in bytes.
const LONGEST_STATEMENT: usize = 64 << 20;

/// After how many bytes of rows another thread may go on.
const CUT_BYTES: u64 = 8 << 20;

/// Encodings that are UTF-8 or parts of it.
const UTF8: &[&str] =
    &["utf8", "utf-8", "unicode", "utf8mb4", "utf8mb3", "sql_ascii", "ascii", "us-ascii", "binary"];

/// Where a statement stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: u64,
    pub(super) byte: u64,
}

/// Rows that stand together.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) at: At,
    /// The statement up to FROM or VALUES.
    pub(super) head: String,
    pub(super) columns: Option<Vec<String>>,
    /// Whether these are lines of COPY.
    pub(super) copy: bool,
    pub(super) quoting: Quoting,
    /// Where the rows start and end.
    pub(super) start: u64,
    pub(super) end: u64,
    /// The line of `start`.
    pub(super) line: u64,
    /// Where other threads may go on.
    pub(super) cuts: Vec<u64>,
}

/// A table of the dump.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) at: At,
    pub(super) name: String,
    pub(super) columns: Vec<TableElement>,
    /// Constraints and indexes with their places.
    pub(super) elements: Vec<(At, TableElement)>,
    pub(super) bits: Vec<String>,
    pub(super) blocks: Vec<Block>,
    rows: u64,
}

/// What a dump holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The tables in the order of the dump.
    pub(super) tables: Vec<Found>,
    /// The names of all tables that were seen, also of those that are not wanted.
    pub(super) names: Vec<String>,
    /// Statements that were passed over because they cannot be done.
    pub(super) ignored: Ignored,
    /// The sequences in the order of the dump.
    pub(super) sequences: Vec<FoundSequence>,
    /// What was left out: views, triggers, ...
    pub(super) left_out: BTreeMap<&'static str, u64>,
}

/// Reads the dump from its start to its end.
pub(super) fn read(
    context: &JobContext,
    import: &ImportDump,
    file: &DumpFile,
    tell: &dyn Fn(u64),
) -> Result<Contents> {
    let mut pass = Pass {
        import,
        file,
        scanner: DumpScanner::new(Quoting::new(import.flavor)),
        enums: Enums::new(),
        contents: Contents::default(),
        window: Window::new(file.bytes_from(0)?),
        open: None,
        last: None,
    };
    pass.window.more()?;
    let bom = crate::record::strip_bom(&pass.window.bytes);
    pass.window.pass_over(bom);
    loop {
        context.cancellation.check()?;
        if !pass.step()? {
            break;
        }
        tell(pass.window.base);
    }
    pass.keep_used_sequences();
    Ok(pass.contents)
}

/// The bytes of the dump that are looked at.
struct Window {
    stream: ByteStream,
    bytes: Vec<u8>,
    /// Where `bytes` start in the dump.
    base: u64,
    /// What of `bytes` is done with.
    done: usize,
    at_end: bool,
    /// The line of the byte `counted`.
    line: u64,
    counted: usize,
}

impl Window {
    fn new(stream: ByteStream) -> Self {
        Self { stream, bytes: Vec::new(), base: 0, done: 0, at_end: false, line: 1, counted: 0 }
    }

    /// Reads more bytes: as many again as are not done with.
    fn more(&mut self) -> Result {
        self.place(self.done);
        self.bytes.drain(..self.done);
        self.base += self.done as u64;
        (self.done, self.counted) = (0, 0);
        let want = PIECE_BYTES.max(self.bytes.len());
        self.at_end = self.stream.fill(&mut self.bytes, want)?;
        Ok(())
    }

    fn pass_over(&mut self, to: usize) {
        self.done = to;
    }

    /// Returns the place of an offset, which is behind all asked for before.
    fn place(&mut self, offset: usize) -> At {
        if offset > self.counted {
            self.line += count_lines(&self.bytes[self.counted..offset]);
            self.counted = offset;
        }
        At { line: self.line, byte: self.base + offset as u64 }
    }
}

pub(super) struct Pass<'a> {
    pub(super) import: &'a ImportDump,
    file: &'a DumpFile,
    scanner: DumpScanner,
    enums: Enums,
    pub(super) contents: Contents,
    window: Window,
    /// The table whose rows are being passed over, and whether they are wanted.
    open: Option<(Option<usize>, Block)>,
    /// The table that the last block belongs to, if nothing else followed.
    last: Option<usize>,
}

impl Pass<'_> {
    /// Takes in the next part; returns false at the end of the dump.
    fn step(&mut self) -> Result<bool> {
        let most = self.rows_left();
        let window = &mut self.window;
        let at_end = window.at_end;
        let scanned =
            self.scanner.next(&window.bytes, window.done, at_end, most).map_err(|error| {
                let at = window.place(error.offset);
                let message = format!("malformed dump: {}", error.message);
                self.file.error(
                    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message),
                    at.line,
                    at.byte,
                )
            })?;
        let start = window.done;
        let Some(part) = scanned.part else {
            window.pass_over(scanned.next);
            if window.at_end {
                return Ok(false);
            }
            let most = self.import.max_row_size.map_or(LONGEST_STATEMENT as u64, |most| most + 1);
            if (window.bytes.len() - window.done) as u64 > most.max(PIECE_BYTES as u64) {
                return Err(self.too_long(start));
            }
            window.more()?;
            return Ok(true);
        };
        match part {
            DumpPart::Statement(range) => {
                self.last = None;
                let at = window.place(range.start);
                self.check_size(range.len(), at)?;
                let text = self.text(range, at)?;
                self.statement(&text, at)?;
            }
            DumpPart::Command(range) => {
                self.last = None;
                let at = window.place(range.start);
                let text = self.text(range, at)?;
                self.command(&text, at)?;
            }
            DumpPart::Copy(range) => self.open_block(range, scanned.next, true)?,
            DumpPart::Insert(range) => self.open_block(range, scanned.next, false)?,
            DumpPart::Rows { count, longest } => {
                if self.import.max_row_size.is_some_and(|most| longest as u64 > most) {
                    return Err(self.too_long(start));
                }
                self.rows(count, scanned.next);
            }
            DumpPart::End => self.close_block(),
        }
        self.window.pass_over(scanned.next);
        Ok(true)
    }

    /// Returns the text of a statement.
    fn text(&self, range: std::ops::Range<usize>, at: At) -> Result<String> {
        std::str::from_utf8(&self.window.bytes[range]).map(str::to_owned).map_err(|_| {
            let code = SqlState::CHARACTER_NOT_IN_REPERTOIRE;
            self.error(Error::new(code, "statement of the dump is not UTF-8"), at)
        })
    }

    pub(super) fn error(&self, error: Error, at: At) -> Error {
        self.file.error(error, at.line, at.byte)
    }

    fn check_size(&mut self, bytes: usize, at: At) -> Result {
        match self.import.max_row_size {
            Some(most) if bytes as u64 > most => Err(self.line_too_long(at)),
            _ => Ok(()),
        }
    }

    fn too_long(&mut self, offset: usize) -> Error {
        let at = self.window.place(offset);
        self.line_too_long(at)
    }

    fn line_too_long(&self, at: At) -> Error {
        let error = Error::new(SqlState::BAD_COPY_FILE_FORMAT, "line too long");
        self.error(error.hint("A larger max_row_size allows longer rows and statements."), at)
    }

    /// Returns whether the import is about this table.
    pub(super) fn is_wanted(&self, table: &str) -> bool {
        self.import.table.as_ref().is_none_or(|wanted| wanted == table)
    }

    pub(super) fn table(&mut self, name: &str) -> Option<&mut Found> {
        self.contents.tables.iter_mut().find(|table| table.name == name)
    }

    /// Takes a line for the client.
    fn command(&mut self, text: &str, at: At) -> Result {
        let word = text.split_whitespace().next().unwrap_or_default();
        match word {
            "\\connect" | "\\c" if !self.contents.tables.is_empty() => {
                self.unsupported(text, at, Some("the dump holds several databases".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn statement(&mut self, text: &str, at: At) -> Result {
        let found = match self.import.flavor {
            DumpFlavor::Postgres => read_postgres(text, &self.enums),
            DumpFlavor::MySql => read_mysql(text),
        };
        match found {
            Ok(statements) => {
                statements.into_iter().try_for_each(|statement| self.take(statement, text, at))
            }
            // What is wrong with other tables does not matter.
            Err(_) if self.import.table.is_some() && !self.names_wanted(text) => Ok(()),
            Err(error) => self.refuse(text, at, Reason::NotParsed, error.message()),
        }
    }

    /// Returns whether a statement that was not understood names the one table that is wanted.
    fn names_wanted(&self, text: &str) -> bool {
        self.import.table.as_ref().is_some_and(|name| text.contains(name.as_str()))
    }

    fn take(&mut self, statement: DumpStatement, text: &str, at: At) -> Result {
        match statement {
            DumpStatement::PassedOver => {}
            DumpStatement::Sequence(found) => return self.take_sequence(found, text, at),
            DumpStatement::LeftOut(what) => {
                *self.contents.left_out.entry(what).or_default() += 1;
            }
            DumpStatement::Backslash(backslash) => self.scanner.set_backslash(backslash),
            DumpStatement::Encoding(name) => return self.check_encoding(&name, at),
            DumpStatement::Enum { name, labels } => {
                self.enums.insert(name, labels);
            }
            DumpStatement::Table(table) => return self.take_table(table, at),
            DumpStatement::Element { table, element } if self.is_wanted(&table) => {
                return self.take_element(&table, element, text, at);
            }
            DumpStatement::Default { table, column, default } if self.is_wanted(&table) => {
                let kind = ColumnConstraintKind::Default(default);
                return self.change_column((&table, &column), kind, text, at);
            }
            DumpStatement::NotNull { table, column } if self.is_wanted(&table) => {
                let kind = ColumnConstraintKind::NotNull;
                return self.change_column((&table, &column), kind, text, at);
            }
            // Of a dump from which one table is taken, the rest does not matter.
            DumpStatement::Unsupported(_) if self.import.table.is_some() => {}
            DumpStatement::Unsupported(reason) => return self.unsupported(text, at, reason),
            DumpStatement::Element { .. }
            | DumpStatement::Default { .. }
            | DumpStatement::NotNull { .. } => {}
        }
        Ok(())
    }

    fn check_encoding(&self, name: &str, at: At) -> Result {
        if name.is_empty() || UTF8.contains(&name.to_lowercase().as_str()) {
            return Ok(());
        }
        let message = format!("the dump is written in {name}, not in UTF-8");
        let hint = match self.import.flavor {
            DumpFlavor::Postgres => "Dump with pg_dump --encoding=UTF8.",
            DumpFlavor::MySql => "Dump with mysqldump --default-character-set=utf8mb4.",
        };
        Err(self.error(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).hint(hint), at))
    }

    fn take_table(&mut self, table: DumpTable, at: At) -> Result {
        self.contents.names.push(table.name.clone());
        if !self.is_wanted(&table.name) {
            return Ok(());
        }
        let sequence = self.contents.sequences.iter().any(|one| one.name == table.name);
        if sequence || self.table(&table.name).is_some() {
            let message = format!("relation \"{}\" already exists", table.name);
            let error = Error::new(SqlState::DUPLICATE_TABLE, message);
            return Err(self.error(error.detail("The dump defines it twice."), at));
        }
        self.contents.tables.push(Found {
            at,
            name: table.name.clone(),
            columns: table.columns,
            elements: Vec::new(),
            bits: table.bits,
            blocks: Vec::new(),
            rows: 0,
        });
        for element in table.elements {
            self.take_element(&table.name, element, "", at)?;
        }
        self.number_columns(&table.name, (table.numbered, table.next_number), at)
    }

    /// Gives the columns of a table that number their rows their sequences.
    fn number_columns(
        &mut self,
        table: &str,
        (numbered, next): (Option<String>, Option<i64>),
        at: At,
    ) -> Result {
        let Some(found) = self.table(table) else { return Ok(()) };
        let mut columns: Vec<String> = numbered.into_iter().collect();
        for element in &mut found.columns {
            let TableElement::Column(element) = element else { continue };
            let before = element.constraints.len();
            element.constraints.retain(|one| one.kind != ColumnConstraintKind::Identity);
            if element.constraints.len() < before {
                set_clause(element, ColumnConstraintKind::NotNull);
                columns.push(element.name.value.clone());
            }
        }
        let text = format!("CREATE TABLE {table}");
        for column in columns {
            let (table, name, options) = (table.to_owned(), None, Vec::new());
            let sequence = DumpSequence::Column { table, column, name, options };
            self.take_sequence(sequence, &text, at)?;
        }
        match next {
            Some(value) => {
                let next = DumpSequence::Next { table: table.to_owned(), value };
                self.take_sequence(next, &text, at)
            }
            None => Ok(()),
        }
    }

    /// Takes a constraint or index; `statement` is empty if it stands in its CREATE TABLE.
    fn take_element(
        &mut self,
        table: &str,
        element: DumpElement,
        statement: &str,
        at: At,
    ) -> Result {
        match element {
            DumpElement::Unknown { text, reason } => {
                let text = if statement.is_empty() { text.as_str() } else { statement };
                self.unsupported(text, at, Some(reason))
            }
            DumpElement::Known(element) => match self.table(table) {
                Some(found) => {
                    found.elements.push((at, element));
                    Ok(())
                }
                None => self.no_table(table, statement, at),
            },
        }
    }

    pub(super) fn change_column(
        &mut self,
        (table, column): (&str, &str),
        kind: ColumnConstraintKind,
        text: &str,
        at: At,
    ) -> Result {
        let Some(found) = self.table(table) else { return self.no_table(table, text, at) };
        let element = found.columns.iter_mut().find_map(|element| match element {
            TableElement::Column(element) if element.name.value == column => Some(element),
            _ => None,
        });
        let Some(element) = element else {
            let reason = format!("column \"{column}\" does not exist");
            return self.unsupported(text, at, Some(reason));
        };
        set_clause(element, kind);
        Ok(())
    }

    fn no_table(&mut self, table: &str, text: &str, at: At) -> Result {
        self.unsupported(text, at, Some(format!("relation \"{table}\" is not defined in the dump")))
    }

    pub(super) fn unsupported(&mut self, text: &str, at: At, reason: Option<String>) -> Result {
        self.refuse(text, at, Reason::Unsupported, &reason.unwrap_or_default())
    }

    fn refuse(&mut self, text: &str, at: At, reason: Reason, why: &str) -> Result {
        let place = self.place(at);
        self.contents.ignored.take(self.import, (text, reason, why), place)
    }

    fn place(&self, at: At) -> DataPlace {
        self.file.place(at.line, at.byte)
    }

    /// Opens a block of rows, which start at `next`.
    fn open_block(&mut self, range: std::ops::Range<usize>, next: usize, copy: bool) -> Result {
        let at = self.window.place(range.start);
        let head = self.text(range, at)?;
        let quoting = self.scanner.quoting();
        let again = self.last.take().filter(|_| !copy);
        if let Some(table) = again
            && let Some(block) = self.contents.tables[table].blocks.pop()
        {
            if !block.copy && block.head == head && block.quoting == quoting {
                self.open = Some((Some(table), block));
                return Ok(());
            }
            self.contents.tables[table].blocks.push(block);
        }
        let start = self.window.place(next);
        let mysql = self.import.flavor == DumpFlavor::MySql;
        let RowsHead { table, columns } = match read_rows_head(&head, mysql) {
            Ok(found) => found,
            Err(error) => {
                self.refuse(&head, at, Reason::NotParsedRows, error.message())?;
                RowsHead { table: None, columns: None }
            }
        };
        let mut block = Block {
            at,
            head,
            columns,
            copy,
            quoting,
            start: start.byte,
            end: start.byte,
            line: start.line,
            cuts: Vec::new(),
        };
        let index = match &table {
            Some(name) => self.contents.tables.iter().position(|table| table.name == *name),
            None => None,
        };
        let wanted = table.as_ref().is_none_or(|name| self.is_wanted(name));
        if index.is_none() && wanted && self.import.table.is_none() {
            let why = match &table {
                Some(name) => format!("relation \"{name}\" is not defined in the dump"),
                None => String::new(),
            };
            let head = std::mem::take(&mut block.head);
            self.refuse(&head, at, Reason::UnsupportedRows, &why)?;
        }
        self.open = Some((index, block));
        Ok(())
    }

    /// Returns how many rows of the open block are wanted.
    fn rows_left(&self) -> u64 {
        let (Some(limit), Some((Some(table), _))) = (self.import.row_limit, &self.open) else {
            return u64::MAX;
        };
        match limit.saturating_sub(self.contents.tables[*table].rows) {
            // The rest is passed over, however many there are.
            0 => u64::MAX,
            left => left,
        }
    }

    fn rows(&mut self, count: u64, next: usize) {
        let end = self.window.base + next as u64;
        let limit = self.import.row_limit.unwrap_or(u64::MAX);
        let Some((Some(table), block)) = &mut self.open else { return };
        let table = &mut self.contents.tables[*table];
        if table.rows >= limit {
            return;
        }
        table.rows += count;
        block.end = end;
        if end - block.cuts.last().copied().unwrap_or(block.start) >= CUT_BYTES {
            block.cuts.push(end);
        }
    }

    fn close_block(&mut self) {
        let Some((Some(table), block)) = self.open.take() else { return };
        self.last = Some(table);
        if block.end > block.start {
            self.contents.tables[table].blocks.push(block);
        }
    }
}

/// Adds a clause to a column; another default takes the place of the one before.
fn set_clause(column: &mut ColumnElement, kind: ColumnConstraintKind) {
    let is_default = |kind: &ColumnConstraintKind| matches!(kind, ColumnConstraintKind::Default(_));
    if is_default(&kind) {
        column.constraints.retain(|constraint| !is_default(&constraint.kind));
    }
    let span = column.span;
    column.constraints.push(ColumnConstraint { name: None, kind, span });
}

/// Returns the default of a column.
pub(super) fn default_of(column: &ColumnElement) -> Option<&Expr> {
    column.constraints.iter().find_map(|constraint| match &constraint.kind {
        ColumnConstraintKind::Default(default) => Some(default),
        _ => None,
    })
}
