//! Dumps of PostgreSQL and MySQL: whatever the bytes and the pieces, the same statements and rows are
//! found, and every statement is understood or refused.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use wharf::error::Result;
use wharf::plan::describe_dumped;
use wharf::record::{
    DumpFlavor, DumpPart, DumpScanner, FieldKind, PgCopyFormat, Quoting, Records, TextFormat,
    ValuesFormat,
};
use wharf::syntax::{
    DumpElement, DumpStatement, DumpTable, Enums, read_mysql, read_postgres, read_rows_head,
};

use super::choices::Choices;
use super::planning::{DATABASE, Planning};
use super::sql::require_sound;

static PLANNING: LazyLock<Planning> = LazyLock::new(Planning::new);

/// The longest row of COPY that is read.
const LONGEST_ROW: usize = 1000;

/// A part of a dump, by offsets from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Statement(Range<usize>),
    Command(Range<usize>),
    /// The head of a block of rows, whether they are those of COPY, and how strings are written.
    Head(Range<usize>, bool, Quoting),
    /// The rows of the block: where they lie, how many they are, and how long the longest is.
    Rows(Range<usize>, u64, usize),
    Fault(usize, &'static str),
}

/// Checks a dump.
pub fn dump(data: &[u8]) {
    let mut choices = Choices::new(data);
    let flavor = choices.one_of(&[DumpFlavor::Postgres, DumpFlavor::MySql]);
    let (size, most) = (choices.size(), choices.size() as u64);
    let kinds = [FieldKind::Text, FieldKind::Bytes, FieldKind::Bits, FieldKind::Moment];
    let kinds: Vec<FieldKind> = (0..=choices.below(4)).map(|_| choices.one_of(&kinds)).collect();
    let text = choices.rest();
    let parts = scan(text, flavor, usize::MAX, u64::MAX);
    assert_eq!(scan(text, flavor, size, most), parts);
    let mut head = None;
    for part in parts {
        match part {
            Part::Head(range, copied, quoting) => {
                if let Ok(head) = std::str::from_utf8(&text[range]) {
                    let _ = read_rows_head(head, flavor == DumpFlavor::MySql);
                }
                head = Some((copied, quoting));
            }
            Part::Rows(range, count, _) => {
                let Some((copied, quoting)) = head.take() else { panic!("rows without a head") };
                let format = match copied {
                    false => {
                        TextFormat::Values(ValuesFormat { quoting, kinds: Arc::from(&*kinds) })
                    }
                    true => TextFormat::PgCopy(PgCopyFormat {
                        delimiter: '\t',
                        null: "\\N".to_owned(),
                        max_row_size: LONGEST_ROW,
                    }),
                };
                let rows = &text[range];
                let whole = read(rows, &format, kinds.len(), usize::MAX);
                assert_eq!(read(rows, &format, kinds.len(), size), whole);
                assert!(whole.1.is_some() || whole.0.len() as u64 == count, "{count}: {whole:?}");
            }
            Part::Statement(_) | Part::Command(_) | Part::Fault(..) => {}
        }
    }
}

/// Cuts a dump into parts, given more bytes whenever more are wanted, and `most` rows at once.
fn scan(text: &[u8], flavor: DumpFlavor, size: usize, most: u64) -> Vec<Part> {
    let mut scanner = DumpScanner::new(Quoting::new(flavor));
    let mut enums = Enums::new();
    let (mut at, mut end, mut parts) = (0, size.min(text.len()), Vec::new());
    let (mut count, mut longest, mut rows) = (0, 0, 0..0);
    loop {
        let scanned = match scanner.next(&text[..end], at, end == text.len(), most) {
            Ok(scanned) => scanned,
            Err(error) => {
                parts.push(Part::Fault(error.offset, error.message));
                return parts;
            }
        };
        assert!(scanned.next >= at && scanned.next <= end);
        let wanted = (end - scanned.next).max(size);
        let quoting = scanner.quoting();
        match scanned.part {
            None if end == text.len() => return parts,
            None => end = end.saturating_add(wanted).min(text.len()),
            Some(DumpPart::Statement(range)) => {
                let backslash = understand(&text[range.clone()], flavor, &mut enums);
                if let Some(backslash) = backslash {
                    scanner.set_backslash(backslash);
                }
                parts.push(Part::Statement(range));
            }
            Some(DumpPart::Command(range)) => parts.push(Part::Command(range)),
            Some(DumpPart::Copy(range)) => {
                (count, longest, rows) = (0, 0, scanned.next..scanned.next);
                parts.push(Part::Head(range, true, quoting));
            }
            Some(DumpPart::Insert(range)) => {
                (count, longest, rows) = (0, 0, scanned.next..scanned.next);
                parts.push(Part::Head(range, false, quoting));
            }
            Some(DumpPart::Rows { count: more, longest: length }) => {
                assert!(more > 0 && more <= most);
                (count, longest) = (count + more, longest.max(length));
                rows.end = scanned.next;
            }
            Some(DumpPart::End) => parts.push(Part::Rows(rows.clone(), count, longest)),
        }
        at = scanned.next;
    }
}

/// Reads a statement; returns whether backslashes escape from here on, if it says so.
fn understand(text: &[u8], flavor: DumpFlavor, enums: &mut Enums) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?;
    let found: Result<Vec<DumpStatement>> = match flavor {
        DumpFlavor::Postgres => read_postgres(text, enums),
        DumpFlavor::MySql => read_mysql(text),
    };
    let mut backslash = None;
    for statement in found.unwrap_or_default() {
        match statement {
            DumpStatement::Backslash(escapes) => backslash = Some(escapes),
            DumpStatement::Enum { name, labels } => drop(enums.insert(name, labels)),
            DumpStatement::Table(table) => describe(text, table),
            _ => {}
        }
    }
    backslash
}

/// Makes the descriptor of a table, as CREATE TABLE would.
fn describe(text: &str, table: DumpTable) {
    let mut elements = table.columns;
    elements.extend(table.elements.into_iter().filter_map(|element| match element {
        DumpElement::Known(element) => Some(element),
        DumpElement::Unknown { .. } => None,
    }));
    let described = PLANNING.with_context(|context| {
        describe_dumped(&PLANNING.catalog, context, (DATABASE, &table.name), &elements)
    });
    if let Err(error) = described {
        // Its places are those of the statement that the dump's was rewritten to.
        let error = error.map_span(|_| wharf::error::Span::default());
        require_sound(error, text);
    }
}

/// Rows of cells, where nothing is NULL, and what ended the reading early.
type Rows = (Vec<Vec<Option<Vec<u8>>>>, Option<String>);

/// Reads a block of rows piece by piece.
fn read(text: &[u8], format: &TextFormat, fields: usize, size: usize) -> Rows {
    let mut reader = format.reader(fields);
    let mut records = Records::new();
    let (mut from, mut length, mut rows) = (0_usize, size, Vec::new());
    loop {
        let to = from.saturating_add(length).min(text.len());
        let (piece, at_end) = (&text[from..to], to == text.len());
        let read = reader.read(piece, 0, usize::MAX, usize::MAX, at_end, &mut records);
        for record in 0..records.count {
            let cell = |field| {
                let cell = records.field(piece, record, field).to_vec();
                (!records.is_null(record, field)).then_some(cell)
            };
            rows.push((0..records.fields).map(cell).collect());
        }
        let next = match read {
            Ok(next) => next,
            Err(error) => return (rows, Some(error.message(1))),
        };
        if at_end {
            return (rows, None);
        }
        length = if next == 0 { length.saturating_mul(2) } else { size };
        from += next;
    }
}
