//! EXPORT, then IMPORT, gives the same table: random tables of every type, with NULLs, quotes, line
//! breaks and other scripts, in random layouts, from a fixed seed.
//!
//! `WHARF_ROUND_TRIPS` says how many tables; a few by default.

use std::path::Path;
use std::sync::Arc;

use super::{Options, Outcome, Session};
use crate::types::print_value;

/// How many tables are tried in the suite.
const TABLES: u64 = 12;

/// Every type that a table can have.
const TYPES: &[&str] = &[
    "BOOL",
    "INT2",
    "INT4",
    "INT8",
    "FLOAT4",
    "FLOAT8",
    "DECIMAL",
    "DECIMAL(12,3)",
    "STRING",
    "VARCHAR(40)",
    "CHAR(9)",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "INTERVAL",
    "UUID",
    "INET",
    "JSONB",
    "INT8[]",
    "STRING[]",
    "BOOL[]",
    "DATE[]",
];

/// Texts that are hard to write and read.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "NULL",
    "null",
    "\"",
    "\"\"",
    "a\"b",
    "'",
    ",",
    "a,b",
    "|",
    "\t",
    "\n",
    "\r\n",
    "a\nb",
    "\r",
    "\\",
    "\\N",
    "\\.",
    "#",
    "#a",
    "\u{e9}",
    "\u{2713}",
    "\u{1f600}",
    "\u{feff}",
    "<null>",
    "{}",
    "{1,2}",
    "x\u{a0}y",
    "  lead",
    "trail ",
    "\"quoted\"",
    "a|b,c;d",
];

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn signed(&mut self, most: u64) -> i64 {
        let value = self.below(most).cast_signed();
        if self.below(2) == 0 { -value } else { value }
    }

    fn text(&mut self) -> String {
        (0..=self.below(3)).map(|_| self.pick(TEXTS)).collect()
    }

    /// Returns the text of an array.
    fn array(&mut self, element: &str) -> String {
        let elements: Vec<String> = (0..self.below(4))
            .map(|_| {
                if self.below(4) == 0 {
                    return "NULL".to_owned();
                }
                let text = self.value(element).replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{text}\"")
            })
            .collect();
        format!("{{{}}}", elements.join(","))
    }

    /// Returns the text of a value of a type.
    fn value(&mut self, sql_type: &str) -> String {
        if let Some(element) = sql_type.strip_suffix("[]") {
            return self.array(element);
        }
        let day = |random: &mut Self| {
            let year = 1 + random.below(9998);
            format!("{year:04}-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28))
        };
        let time = |random: &mut Self| {
            let (hour, minute) = (random.below(24), random.below(60));
            format!("{hour:02}:{minute:02}:{:02}.{:06}", random.below(60), random.below(1_000_000))
        };
        match sql_type {
            "BOOL" => self.pick(&["true", "false"]).to_owned(),
            "INT2" => self.signed(32_768).to_string(),
            "INT4" => self.signed(1 << 31).to_string(),
            "INT8" => {
                self.pick(&["9223372036854775807", "-9223372036854775808", "0", "7"]).to_owned()
            }
            "FLOAT4" => self.pick(&["0", "-1.5", "3.4e38", "1e-45", "NaN", "Infinity"]).to_owned(),
            "FLOAT8" => {
                self.pick(&["0.1", "-1e300", "5e-324", "NaN", "-Infinity", "12"]).to_owned()
            }
            "DECIMAL" => format!("{}.{:020}", self.signed(1 << 62), self.below(1 << 62)),
            "DECIMAL(12,3)" => format!("{}.{:03}", self.signed(1_000_000_000), self.below(1000)),
            "STRING" => self.text(),
            "VARCHAR(40)" | "CHAR(9)" => {
                let most = if sql_type == "CHAR(9)" { 9 } else { 40 };
                self.text().chars().take(most).collect()
            }
            "BYTES" => (0..self.below(6))
                .fold("\\x".to_owned(), |text, _| format!("{text}{:02x}", self.below(256))),
            "DATE" => day(self),
            "TIME" => time(self),
            "TIMESTAMP" => format!("{} {}", day(self), time(self)),
            "TIMESTAMPTZ" => format!("{} {}+00", day(self), time(self)),
            "INTERVAL" => format!(
                "{} months {} days {} seconds",
                self.signed(50),
                self.signed(50),
                self.signed(90_000)
            ),
            "UUID" => {
                format!("{:08x}-0000-4000-8000-{:012x}", self.below(1 << 32), self.below(1 << 31))
            }
            "INET" => {
                format!("10.{}.0.{}/{}", self.below(256), self.below(256), 16 + self.below(17))
            }
            "JSONB" => {
                let text = serde_json::Value::String(self.text());
                format!("{{\"k\": [{}, {text}, null]}}", self.signed(1000))
            }
            other => panic!("no values of {other}"),
        }
    }
}

fn open(directory: &Path) -> Session {
    Session::open(Options::for_tests(directory, 64 << 20)).unwrap()
}

/// Runs a statement; returns its rows as text, NULL as nothing.
async fn rows(session: &mut Session, sql: &str) -> Vec<Vec<Option<String>>> {
    let outcome = session.execute(sql, Arc::new(|_| {})).await;
    let Outcome::Rows { rows, .. } = outcome.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    else {
        return Vec::new();
    };
    let mut texts = Vec::new();
    for batch in rows.collect().await.unwrap_or_else(|error| panic!("{sql}: {error:?}")) {
        for row in 0..batch.num_rows() {
            let cell = |values: &arrow::array::ArrayRef| {
                let mut text = String::new();
                print_value(values, row, &mut text);
                values.is_valid(row).then_some(text)
            };
            texts.push(batch.columns().iter().map(cell).collect());
        }
    }
    texts
}

/// Makes a random table, exports it, imports that, and compares.
async fn round_trip(session: &mut Session, random: &mut Random, number: u64) {
    let types: Vec<&str> = (0..=random.below(6)).map(|_| random.pick(TYPES)).collect();
    let columns: Vec<String> =
        types.iter().enumerate().map(|(at, sql_type)| format!("c{at} {sql_type}")).collect();
    let columns = format!("row INT8 PRIMARY KEY, {}", columns.join(", "));
    rows(session, &format!("CREATE TABLE t{number} ({columns})")).await;
    let count = random.below(40);
    let mut values = Vec::new();
    for row in 0..count {
        let cells: Vec<String> = types
            .iter()
            .map(|sql_type| match random.below(5) {
                0 => "NULL".to_owned(),
                _ => format!("'{}'", random.value(sql_type).replace('\'', "''")),
            })
            .collect();
        values.push(format!("({row}, {})", cells.join(", ")));
    }
    if count > 0 {
        rows(session, &format!("INSERT INTO t{number} VALUES {}", values.join(", "))).await;
    }
    let delimiter = random.pick(&["','", "'|'", "e'\\t'", "'\u{2713}'"]);
    let compression = random.pick(&["none", "gzip", "zstd"]);
    let header = random.below(2) == 0;
    let chunk = 1 + random.below(50);
    let with = format!(
        "nullas = '<null>', delimiter = {delimiter}, compression = '{compression}', \
         chunk_rows = '{chunk}'{}",
        if header { ", header" } else { "" }
    );
    let export = format!("EXPORT INTO CSV 'out{number}' WITH {with} FROM SELECT * FROM t{number}");
    rows(session, &export).await;
    let header = if header { "skip" } else { "none" };
    let import = format!(
        "IMPORT TABLE u{number} ({columns}) CSV DATA ('out{number}/export*-n*.*.csv*') WITH \
         temp = 'tmp', nullif = '<null>', delimiter = {delimiter}, header = '{header}'"
    );
    rows(session, &import).await;
    let before = rows(session, &format!("SELECT * FROM t{number} ORDER BY row")).await;
    let after = rows(session, &format!("SELECT * FROM u{number} ORDER BY row")).await;
    assert_eq!(before.len() as u64, count);
    // Text that looks like nullas is NULL to IMPORT TABLE, quoted or not.
    let expected: Vec<Vec<Option<String>>> = before
        .into_iter()
        .map(|row| row.into_iter().map(|cell| cell.filter(|text| text != "<null>")).collect())
        .collect();
    assert_eq!(after, expected, "table {number}: {columns}; {with}");
    rows(session, &format!("DROP TABLE t{number}, u{number}")).await;
    std::fs::remove_dir_all(session.working_directory().join(format!("out{number}"))).unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be asked for more")]
fn what_is_exported_is_imported_as_it_was() {
    let count = std::env::var("WHARF_ROUND_TRIPS").ok().and_then(|text| text.parse().ok());
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut session = open(directory.path());
        rows(&mut session, "SET CLUSTER SETTING experimental.importcsv.enabled = true").await;
        let mut random = Random(2026);
        for number in 0..count.unwrap_or(TABLES) {
            round_trip(&mut session, &mut random, number).await;
        }
    });
}
