//! An import larger than the memory it may use: many sorted runs go through temp and are merged, and
//! the table must be what sorting the lines of the file gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The rows of the data file.
const ROWS: u64 = 120_000;

/// Returns the rows of a file in no order, by key: keys of two columns, texts of many lengths.
fn rows() -> BTreeMap<(String, u64), String> {
    let mut state = 42_u64;
    let mut next = || {
        // Knuth's constants for a linear congruential generator; the high bits are good enough.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..ROWS)
        .map(|row| {
            let text = "abcdefghij".repeat(usize::try_from(next() % 20).expect("a small number"));
            ((format!("group {}", next() % 1000), row), format!("{}{text}", next()))
        })
        .collect()
}

/// Runs statements: an import with far less memory than its rows have, anything else with enough.
fn wharf(directory: &Path, statements: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.current_dir(directory).args(["--no-init", "--threads", "2", "--format", "csv", "shop"]);
    if statements.iter().any(|statement| statement.starts_with("IMPORT")) {
        command.args(["--memory", "8MiB"]);
    }
    for statement in statements {
        command.args(["-e", statement]);
    }
    command.output().expect("the program runs")
}

fn output(directory: &Path, statements: &[&str]) -> String {
    let output = wharf(directory, statements);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn import(table: &str, file: &str) -> String {
    format!(
        "IMPORT TABLE {table} (g STRING, id INT, t STRING, PRIMARY KEY (g, id), \
         UNIQUE INDEX by_id (id), INDEX by_text (t)) CSV DATA ('{file}') WITH temp = 'tmp', keep_temp"
    )
}

const GATE: &str = "SET CLUSTER SETTING experimental.importcsv.enabled = true";

/// Writes the rows in the order of their ids, which is none of their keys.
fn write(path: &Path, rows: &BTreeMap<(String, u64), String>, more: &str) {
    let mut lines: Vec<(u64, String)> =
        rows.iter().map(|((g, id), t)| (*id, format!("{g},{id},{t}\n"))).collect();
    lines.sort_unstable();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    fs::write(path, text + more).expect("a data file");
}

#[test]
fn merging_many_runs_gives_the_sorted_rows() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let rows = rows();
    write(&scratch.path().join("data.csv"), &rows, "");
    output(scratch.path(), &[GATE, &import("t", "data.csv")]);
    let runs: usize = fs::read_dir(scratch.path().join("tmp"))
        .expect("temp")
        .map(|job| fs::read_dir(job.expect("a job").path()).expect("its runs").count())
        .sum();
    assert!(runs >= 4, "{runs} runs went through temp");
    let found = output(scratch.path(), &["SELECT g, id, t FROM t ORDER BY g, id"]);
    let expected: String = std::iter::once("g,id,t\n".to_owned())
        .chain(rows.iter().map(|((g, id), t)| format!("{g},{id},{t}\n")))
        .collect();
    assert!(found == expected, "the rows differ");
    let by_text = output(scratch.path(), &["SELECT t FROM t ORDER BY t"]);
    let mut texts: Vec<&str> = rows.values().map(String::as_str).collect();
    texts.sort_unstable();
    assert!(by_text.lines().skip(1).eq(texts), "the index gives other texts");
}

#[test]
fn a_key_repeated_in_another_run_is_named_with_both_rows() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let rows = rows();
    let ((group, id), _) = rows.iter().next().expect("a first row");
    write(&scratch.path().join("key.csv"), &rows, &format!("{group},{id},again\n"));
    write(&scratch.path().join("unique.csv"), &rows, "new group,77,again\n");
    output(scratch.path(), &[GATE]);
    let check = |file: &str, expected: &str| {
        let output = wharf(scratch.path(), &[&import("t", file)]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("SQLSTATE: 23505"), "{told}");
    };
    let last = ROWS + 1;
    let first = id + 1;
    check("key.csv", &format!("duplicate key in primary index: row {last} has the key"));
    check("key.csv", &format!("of row {first}"));
    check("unique.csv", &format!("duplicate key in index \"by_id\": row {last} has the key"));
    check("unique.csv", "of row 78");
}
