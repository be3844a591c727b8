//! Tests of the program as a whole: on a terminal, in a pipe, and by its exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rexpect::session::{PtySession, spawn_command};
use tempfile::TempDir;

/// How long an answer may take, in milliseconds.
const PATIENCE: u64 = 30_000;

fn wharf(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("TERM", "xterm")
        .env("WHARF_HISTORY", home.join("history"));
    command
}

fn run(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = wharf(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that has ended reads nothing more.
    let _ = child.stdin.take().expect("its input is a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks the exit code, standard output, and how standard error begins.
fn check(arguments: &[&str], input: &str, expected: (i32, &str, &str)) {
    let home = home();
    let output = run(home.path(), arguments, input);
    let (code, rows, messages) = expected;
    let seen = (output.status.code(), text(&output.stdout), text(&output.stderr));
    assert_eq!((seen.0, seen.1.as_str()), (Some(code), rows), "{arguments:?}: {seen:?}");
    assert!(seen.2.starts_with(messages), "{arguments:?}: {seen:?}");
}

#[test]
fn tells_how_it_ended_by_its_exit_code() {
    check(&["-e", "SELECT 1 AS a"], "", (0, "a\n1\n", ""));
    check(&["-e", "SELECT * FROM missing"], "", (1, "", "ERROR: "));
    check(&["--bad"], "", (2, "", "error: "));
    check(&["import", "x", "--y"], "", (2, "", "error: \"wharf import\" is not available yet"));
    check(&[], "SELECT 1 AS a;\nSELECT 2 AS b", (0, "a\n1\nb\n2\n", ""));
    check(&[], "\nSELECT * FROM missing;\nSELECT 1;", (3, "", "<stdin>:2: ERROR: "));
    check(&["--no-errexit"], "x;\nSELECT 1 AS a;", (3, "a\n1\n", "<stdin>:1: ERROR: "));
    check(&["--no-errexit", "-e", "x", "-e", "SELECT 1 AS a"], "", (1, "a\n1\n", "ERROR: "));
    check(&["-f", "absent.sql"], "", (3, "", "ERROR: could not read \"absent.sql\": no such file"));
    check(&["--user", "nobody", "-e", "SELECT 1"], "", (1, "", "ERROR: "));
}

#[test]
fn runs_actions_in_order() {
    let home = home();
    std::fs::write(home.path().join("two.sql"), "\\echo two\nSELECT 2 AS b\n").expect("written");
    let arguments = ["-e", "SELECT 1 AS a", "-f", "two.sql", "-e", "\\echo :x", "-f", "-"];
    let output = run(home.path(), &arguments, "SELECT 4 AS d;");
    assert_eq!(text(&output.stdout), "a\n1\ntwo\nb\n2\n:x\nd\n4\n", "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn names_the_script_and_line_of_an_error() {
    let home = home();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text);
    std::fs::create_dir(home.path().join("sub")).expect("made");
    write("outer.sql", "\\echo outer\n\\i sub/inner.sql\n").expect("written");
    write("sub/inner.sql", "\\ir deep.sql\n").expect("written");
    write("sub/deep.sql", "SELECT 1 AS a;\n\nSELECT\n  *\nFROM missing;\n").expect("written");
    let output = run(home.path(), &["-f", "outer.sql"], "");
    assert_eq!(text(&output.stdout), "outer\na\n1\n");
    let messages = text(&output.stderr);
    assert!(messages.starts_with("sub/deep.sql:3: ERROR: "), "{messages}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn stops_scripts_that_include_themselves() {
    let home = home();
    std::fs::write(home.path().join("loop.sql"), "\\i loop.sql\n").expect("written");
    let output = run(home.path(), &["-f", "loop.sql"], "");
    assert!(text(&output.stderr).contains("more than 64 deep"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn keeps_a_database_in_a_directory() {
    let home = home();
    let create = run(home.path(), &["shop", "-e", "CREATE TABLE t (a INT)"], "");
    assert_eq!(
        (text(&create.stdout), text(&create.stderr)),
        (String::new(), "CREATE TABLE\n".into())
    );
    let insert = run(home.path(), &["shop", "-q", "-e", "INSERT INTO t VALUES (1)"], "");
    assert_eq!(text(&insert.stderr), "");
    let select = run(home.path(), &["shop", "--format", "json", "-e", "TABLE t"], "");
    assert_eq!(text(&select.stdout), "[\n{\"a\":1}\n]\n");
}

#[test]
fn ends_quietly_when_its_reader_goes_away() {
    let home = home();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("\"$WHARF\" -e 'SELECT * FROM generate_series(1, 200000)' | head -n 1; exit ${PIPESTATUS:-0}")
        .env("WHARF", env!("CARGO_BIN_EXE_wharf"))
        .current_dir(home.path());
    let output = command.output().expect("the shell runs");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn prints_completions_and_a_manual() {
    let home = home();
    for arguments in [&["completions", "bash"][..], &["man"], &["--help"], &["--version"]] {
        let output = run(home.path(), arguments, "");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("wharf"), "{arguments:?}");
    }
}

#[test]
fn runs_and_rewrites_golden_files() {
    let home = home();
    let golden = home.path().join("one.txt");
    std::fs::write(&golden, "# Claim.\nrun\nSELECT 1 AS a;\n----\nwrong\n").expect("written");
    let differs = run(home.path(), &["test", "one.txt"], "");
    assert_eq!(differs.status.code(), Some(4));
    assert!(text(&differs.stdout).contains("-wrong\n+  a\n"), "{}", text(&differs.stdout));
    let rewritten = run(home.path(), &["test", "--rewrite", "one.txt"], "");
    assert_eq!(rewritten.status.code(), Some(0));
    let now = std::fs::read(&golden).expect("readable");
    assert_eq!(
        text(&now),
        // The line below the header is a fence too; only the first one ends the input.
        "# Claim.\nrun\nSELECT 1 AS a;\n----\n  a\n----\n  1\n(1 row)\n"
    );
    assert_eq!(run(home.path(), &["test", "one.txt"], "").status.code(), Some(0));
}

fn terminal(home: &Path, arguments: &[&str]) -> PtySession {
    let mut command = wharf(home);
    command.args(["--color", "never"]).args(arguments);
    let mut session = spawn_command(command, Some(PATIENCE)).expect("the program starts");
    expect(&mut session, "> ");
    session
}

fn expect(session: &mut PtySession, text: &str) -> String {
    session.exp_string(text).unwrap_or_else(|error| panic!("waiting for {text:?}: {error}"))
}

fn send(session: &mut PtySession, line: &str) {
    session.send_line(line).expect("the terminal takes a line");
}

#[test]
fn talks_on_a_terminal() {
    let home = home();
    let mut session = terminal(home.path(), &["shop"]);
    send(&mut session, "SELECT 1 AS one,");
    expect(&mut session, "                  -> ");
    send(&mut session, "'it");
    expect(&mut session, "                  '> ");
    send(&mut session, "s' AS two;");
    expect(&mut session, "one | two");
    expect(&mut session, "(1 row)");
    expect(&mut session, "root@shop/defaultdb> ");
    send(&mut session, "\\timming");
    expect(&mut session, "Did you mean \"\\timing\"?");
    expect(&mut session, "root@shop/defaultdb> ");
    send(&mut session, "BEGIN;");
    expect(&mut session, "root@shop/defaultdb*> ");
    send(&mut session, "ROLLBACK;");
    expect(&mut session, "root@shop/defaultdb> ");
    send(&mut session, "exit");
    session.exp_eof().expect("the shell ends");
    let history = std::fs::read(home.path().join("history")).expect("a history");
    assert!(text(&history).contains("SELECT 1 AS one,"), "{}", text(&history));
}

#[test]
fn says_that_a_database_is_temporary() {
    let home = home();
    let mut command = wharf(home.path());
    command.args(["--color", "never"]);
    let mut session = spawn_command(command, Some(PATIENCE)).expect("the program starts");
    expect(&mut session, "This database is temporary");
    expect(&mut session, "root@temporary/defaultdb> ");
    session.send_control('d').expect("sent");
    session.exp_eof().expect("the shell ends");
}

#[test]
fn clears_what_was_typed_on_interrupt() {
    let home = home();
    let mut session = terminal(home.path(), &["shop"]);
    session.send("SELECT wrong").expect("sent");
    session.flush().expect("sent");
    expect(&mut session, "SELECT wrong");
    session.send_control('c').expect("sent");
    expect(&mut session, "root@shop/defaultdb> ");
    send(&mut session, "SELECT 7 AS x;");
    expect(&mut session, "(1 row)");
    expect(&mut session, "root@shop/defaultdb> ");
    session.send_control('c').expect("sent");
    expect(&mut session, "press Ctrl-D to leave");
}

#[test]
fn cancels_a_statement_and_keeps_the_session() {
    let home = home();
    let mut session = terminal(home.path(), &["shop"]);
    send(
        &mut session,
        "SELECT count(*) FROM generate_series(1, 200000) a, generate_series(1, 200000) b;",
    );
    // The statement must have started before it can be canceled.
    std::thread::sleep(std::time::Duration::from_secs(2));
    session.send_control('c').expect("sent");
    expect(&mut session, "57014");
    expect(&mut session, "root@shop/defaultdb> ");
    send(&mut session, "SELECT 8 AS x;");
    expect(&mut session, "(1 row)");
}

#[test]
fn takes_rows_that_are_typed() {
    const PROMPT: &str = "root@shop/defaultdb> ";
    let home = home();
    let mut session = terminal(home.path(), &["shop"]);
    let copy = |session: &mut PtySession| {
        send(session, "COPY t (a, b) FROM STDIN CSV;");
        expect(session, "with Ctrl-D.");
        expect(session, ">> ");
    };
    let count = |session: &mut PtySession, rows: &str| {
        send(session, "SELECT 'rows: ' || count(*) AS c FROM t;");
        expect(session, rows);
        expect(session, PROMPT);
    };
    send(&mut session, "CREATE TABLE t (a INT8 PRIMARY KEY, b STRING);");
    expect(&mut session, PROMPT);
    // Ctrl-C takes back the rows so far, and the line that is begun.
    copy(&mut session);
    send(&mut session, "1,one");
    expect(&mut session, ">> ");
    session.send("2,DROP").expect("sent");
    session.flush().expect("sent");
    expect(&mut session, "2,DROP");
    session.send_control('c').expect("sent");
    expect(&mut session, PROMPT);
    count(&mut session, "rows: 0");
    // A line of \. ends them.
    copy(&mut session);
    send(&mut session, "1,one");
    expect(&mut session, ">> ");
    send(&mut session, "2,SELECT 1;");
    expect(&mut session, ">> ");
    send(&mut session, "\\.");
    expect(&mut session, "COPY 2");
    expect(&mut session, PROMPT);
    // So does Ctrl-D, which does not end the shell.
    copy(&mut session);
    send(&mut session, "3,three");
    expect(&mut session, ">> ");
    session.send_control('d').expect("sent");
    expect(&mut session, "COPY 1");
    expect(&mut session, PROMPT);
    // In a transaction they go with it.
    send(&mut session, "BEGIN;");
    expect(&mut session, "root@shop/defaultdb*> ");
    copy(&mut session);
    send(&mut session, "4,four");
    expect(&mut session, ">> ");
    send(&mut session, "\\.");
    expect(&mut session, "COPY 1");
    send(&mut session, "ROLLBACK;");
    expect(&mut session, PROMPT);
    count(&mut session, "rows: 3");
}

#[test]
fn runs_the_init_file() {
    let home = home();
    let directory = home.path().join(".config/wharf");
    std::fs::create_dir_all(&directory).expect("made");
    std::fs::write(directory.join("rc.sql"), "\\set greeting hello\n").expect("written");
    let mut session = terminal(home.path(), &["shop"]);
    send(&mut session, "\\echo :greeting you");
    expect(&mut session, "hello you");
    let mut session = terminal(home.path(), &["other", "--no-init"]);
    send(&mut session, "\\echo :greeting you");
    expect(&mut session, "\n:greeting you");
}
