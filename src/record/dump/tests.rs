//! Whole small dumps through the scanner and the reader, in pieces of every size.

use std::sync::Arc;

use super::*;
use crate::record::Records;

/// Scans `text`, given `step` more bytes whenever more are wanted; returns what was found.
fn scan(text: &[u8], flavor: DumpFlavor, step: usize) -> Result<Vec<String>, DumpError> {
    let mut scanner = DumpScanner::new(Quoting::new(flavor));
    let (mut at, mut end, mut found) = (0, step.min(text.len()), Vec::new());
    let mut rows = 0;
    loop {
        let scanned = scanner.next(&text[..end], at, end == text.len(), u64::MAX)?;
        at = scanned.next;
        let show =
            |range: std::ops::Range<usize>| String::from_utf8_lossy(&text[range]).into_owned();
        match scanned.part {
            None if end == text.len() => return Ok(found),
            None => end = (end + step).min(text.len()),
            Some(DumpPart::Statement(range)) => found.push(show(range)),
            Some(DumpPart::Command(range)) => found.push(format!("command {}", show(range))),
            Some(DumpPart::Copy(range) | DumpPart::Insert(range)) => {
                found.push(format!("rows of {}", show(range)));
            }
            Some(DumpPart::Rows { count, .. }) => rows += count,
            Some(DumpPart::End) => found.push(std::mem::take(&mut rows).to_string()),
        }
    }
}

fn check(text: &str, flavor: DumpFlavor, expected: &[&str]) {
    for step in [1, 2, 3, 7, text.len()] {
        assert_eq!(scan(text.as_bytes(), flavor, step).unwrap(), expected, "{step}");
    }
}

#[test]
fn cuts_a_dump_of_postgres() {
    check(
        "-- head; \n\\restrict abc\nSET a = 'x;''y';\nCREATE FUNCTION f() AS $_$ ; $$ ' $_$;\n\
         CREATE FUNCTION g() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\n\
         COPY public.t (a, \"b;\") FROM stdin;\n1\t;\n2\t'\n\\.\n\n\
         INSERT INTO t VALUES (1, ';('), -- (\n (2, E'\\')');\nINSERT INTO t DEFAULT VALUES;\n\
         INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (3) ON CONFLICT DO NOTHING;\nend",
        DumpFlavor::Postgres,
        &[
            "command \\restrict abc",
            "SET a = 'x;''y'",
            "CREATE FUNCTION f() AS $_$ ; $$ ' $_$",
            "CREATE FUNCTION g() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "rows of COPY public.t (a, \"b;\") FROM stdin",
            "2",
            "rows of INSERT INTO t",
            "2",
            "INSERT INTO t DEFAULT VALUES",
            "rows of INSERT INTO t (a) OVERRIDING SYSTEM VALUE",
            "1",
            "end",
        ],
    );
}

#[test]
fn cuts_a_dump_of_mysql() {
    check(
        "/*M!999999\\- enable the sandbox mode */ \n-- x;\n# y;\n/*!40101 SET a='b;' */;\n\
         CREATE TABLE `a;b` (x int COMMENT 'it\\'s;');\nINSERT INTO `a;b` VALUES\n(1,'\\');'),\n(2,\"x\");\n\
         DELIMITER ;;\n/*!50003 CREATE */ TRIGGER t BEGIN a; b; END ;;\nDELIMITER ;\nUNLOCK TABLES;\n",
        DumpFlavor::MySql,
        &[
            "/*!40101 SET a='b;' */",
            "CREATE TABLE `a;b` (x int COMMENT 'it\\'s;')",
            "rows of INSERT INTO `a;b`",
            "2",
            "command DELIMITER ;;",
            "/*!50003 CREATE */ TRIGGER t BEGIN a; b; END",
            "command DELIMITER ;",
            "UNLOCK TABLES",
        ],
    );
}

#[test]
fn takes_a_word_inside_a_statement_for_no_command() {
    check("=\nDELIMITER ;;\na;\n", DumpFlavor::MySql, &["=\nDELIMITER", "a"]);
    check("DELIMITER\na;\n", DumpFlavor::MySql, &["command DELIMITER", "a"]);
}

#[test]
fn takes_copied_rows_as_they_are() {
    check(
        "COPY t FROM stdin;\r\na;b\\\r\n\\.\r\nx",
        DumpFlavor::Postgres,
        &["rows of COPY t FROM stdin", "1", "x"],
    );
    check("COPY t FROM stdin;\n1\n2", DumpFlavor::Postgres, &["rows of COPY t FROM stdin", "2"]);
    check("COPY t FROM stdin;\n\\.\n", DumpFlavor::Postgres, &["rows of COPY t FROM stdin", "0"]);
}

#[test]
fn says_where_a_dump_is_broken() {
    let fails = |text: &str, offset: usize, message: &str| {
        let error = scan(text.as_bytes(), DumpFlavor::Postgres, text.len()).unwrap_err();
        assert_eq!((error.offset, error.message), (offset, message), "{text}");
    };
    fails("SET a = 'x;\n", 8, "unterminated string, name or comment");
    fails("INSERT INTO t VALUES (1), ;", 26, "expected a row of values");
    fails("INSERT INTO t VALUES (1) RETURNING a;", 25, "expected a comma or the end of INSERT");
    fails("INSERT INTO t VALUES (1, 'x);", 25, "unterminated row of values");
}

/// Reads rows, `step` bytes more at a time; NULL is shown as `-`.
fn read(text: &[u8], format: &ValuesFormat, step: usize) -> Result<Vec<String>, String> {
    let mut reader = ValuesReader::new(format.clone());
    let mut records = Records::new();
    let (mut at, mut end, mut rows) = (0, step.min(text.len()), Vec::new());
    loop {
        let piece = &text[at..end];
        let read = reader.read(piece, 0, usize::MAX, usize::MAX, end == text.len(), &mut records);
        for record in 0..records.count {
            let fields = (0..records.fields).map(|field| match records.is_null(record, field) {
                true => "-".to_owned(),
                false => String::from_utf8_lossy(records.field(piece, record, field)).into_owned(),
            });
            rows.push(fields.collect::<Vec<_>>().join("|"));
        }
        match read {
            Err(error) => return Err(format!("{} {}", at + error.offset, error.message(1))),
            Ok(_) if end == text.len() => return Ok(rows),
            Ok(next) => at += next,
        }
        end = (end + step).min(text.len());
    }
}

fn format(flavor: DumpFlavor, kinds: &[FieldKind]) -> ValuesFormat {
    ValuesFormat { quoting: Quoting::new(flavor), kinds: Arc::from(kinds) }
}

#[test]
fn reads_rows_of_postgres() {
    let format =
        format(DumpFlavor::Postgres, &[FieldKind::Text, FieldKind::Text, FieldKind::Ignored]);
    let text = b"(1, 'it''s (\\', DEFAULT), -- )\n(-2.5e-3,NULL,f(1, 'x)'));\n\
                 INSERT INTO \"VALUES\" (\"VALUES\") VALUES (true, E'a\\n\\'\\x41\\u00e9\\101', 3) ON CONFLICT DO NOTHING;\n";
    let expected = ["1|it's (\\|-", "-2.5e-3|-|-", "true|a\n'A\u{e9}A|-"];
    for step in [1, 2, 5, text.len()] {
        assert_eq!(read(text, &format, step).unwrap(), expected, "{step}");
    }
}

#[test]
fn reads_rows_of_mysql() {
    let kinds = [FieldKind::Text, FieldKind::Bytes, FieldKind::Bits, FieldKind::Moment];
    let format = format(DumpFlavor::MySql, &kinds);
    let text = b"('a\\'\\n\\\\\"',_binary 'x\\0\xff',b'101','0000-00-00'),\n\
                 (\"q'\\\"\",0x4142,'\\0\\n','2024-01-01 00:00:00'),(X'41',NULL,0x0100,NULL);";
    let expected = ["a'\n\\\"|\\x7800ff|5|-", "q'\"|\\x4142|10|2024-01-01 00:00:00", "A|-|256|-"];
    for step in [1, 3, text.len()] {
        assert_eq!(read(text, &format, step).unwrap(), expected, "{step}");
    }
}

#[test]
fn refuses_rows_that_are_no_literals() {
    let format = format(DumpFlavor::Postgres, &[FieldKind::Text, FieldKind::Text]);
    let fails = |text: &str, message: &str| {
        let error = read(text.as_bytes(), &format, text.len()).unwrap_err();
        assert_eq!(error, message, "{text}");
    };
    fails("(1, now())", "4 only literals are supported as values of INSERT");
    fails("(1, DEFAULT)", "4 only literals are supported as values of INSERT");
    fails("(1, 2 + 3)", "6 only literals are supported as values of INSERT");
    fails("(1, 2, 3)", "8 expected 2 fields, got 3");
    fails("(1)", "2 expected 2 fields, got 1");
    fails("(1, 2", "0 unterminated row of values");
}
