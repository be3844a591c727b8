//! The house rules, one test each: imports, fences, words of messages, what must be documented.
//!
//! A failure names the place, the rule and the way out. `docs/style.md` gives the reasons. Test code is
//! free of all rules but those about names and ASCII.

mod dependencies;
mod scan;

use std::fmt::Write as _;

use scan::{SourceText, files, lines_of};

/// A module: its name, the modules that it may import, the names that only it may use.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The table of docs/architecture.md.
const MODULES: &[Row] = &[
    ("error", &[], &[]),
    ("types", &["error"], &[]),
    ("syntax", &["error"], &["pest", "pest_derive", "sqlparser"]),
    ("record", &["error"], &["csv"]),
    ("source", &["error"], &["object_store", "url", "reqwest", "encoding_rs"]),
    ("catalog", &["error", "types"], &[]),
    ("plan", &["error", "types", "syntax", "record", "source", "catalog"], &[]),
    ("store", &["error", "types", "catalog", "source"], &["redb", "parquet"]),
    ("query", &["error", "types", "catalog", "store"], &["datafusion"]),
    (
        "job",
        &["error", "types", "syntax", "record", "source", "catalog", "plan", "store", "query"],
        &[],
    ),
    (
        "session",
        &[
            "error", "types", "syntax", "record", "source", "catalog", "plan", "store", "query",
            "job",
        ],
        &[],
    ),
    (
        "shell",
        &["error", "types", "syntax", "record", "session"],
        &["clap", "clap_complete", "clap_mangen", "rustyline", "indicatif", "anstream"],
    ),
];

/// What writes to the terminal: for `shell` alone.
const TERMINAL: &[&str] =
    &["print!(", "println!(", "eprint!(", "eprintln!(", "stdout()", "stderr()"];

/// Words that say nothing or judge.
const EMPTY_WORDS: &[&str] = &["unable", "bad", "illegal", "unknown"];

/// Options of IMPORT that stand in no table of `src/plan/option.rs`.
const OTHER_OPTIONS: &[&str] = &[];

/// Names that say nothing of what a file holds.
const STRAY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// What broke a rule, with its place.
#[derive(Default)]
struct Faults(String);

impl Faults {
    fn add(&mut self, place: impl std::fmt::Display, what: impl std::fmt::Display) {
        writeln!(self.0, "  {place}: {what}").expect("a string takes all that is written");
    }

    fn report(self, rule: &str, fix: &str) {
        assert!(self.0.is_empty(), "\nrule: {rule}\n{}fix: {fix}\n", self.0);
    }
}

/// Returns the Rust files of the project.
fn sources() -> impl Iterator<Item = String> {
    ["src", "sql-tests", "fuzz/src", "fuzz/targets"]
        .iter()
        .flat_map(|folder| files(folder, &["rs"]))
}

/// Returns the row of the module that a file of `src/` belongs to.
fn row_of(path: &str) -> Option<&'static Row> {
    let first = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    MODULES.iter().find(|(name, ..)| *name == first)
}

/// Returns the Rust files of all modules, without those that are tests as a whole.
fn modules() -> Vec<SourceText> {
    let texts: Vec<_> = files("src", &["rs"]).iter().map(|path| SourceText::read(path)).collect();
    let tests: Vec<String> = texts.iter().flat_map(SourceText::test_files).collect();
    texts
        .into_iter()
        .filter(|text| row_of(&text.path).is_some() && !tests.contains(&text.path))
        .collect()
}

#[test]
fn imports_follow_the_table() {
    let mut faults = Faults::default();
    for text in modules() {
        let Some((name, allowed, _)) = row_of(&text.path) else { continue };
        for (at, imported) in text.crate_names() {
            let module = MODULES.iter().any(|(module, ..)| *module == imported);
            if module && imported != *name && !allowed.contains(&imported.as_str()) {
                faults.add(text.place(at), format!("\"{name}\" imports \"{imported}\""));
            }
        }
    }
    faults.report(
        "modules import by the table of docs/architecture.md",
        "move the code to the floor it belongs to, or pass the value in",
    );
}

#[test]
fn crates_stay_behind_their_fence() {
    let mut faults = Faults::default();
    for text in modules() {
        for (owner, _, fenced) in MODULES {
            if row_of(&text.path).is_some_and(|(name, ..)| name == owner) {
                continue;
            }
            for name in *fenced {
                for at in text.uses_of_crate(name) {
                    faults.add(text.place(at), format!("\"{name}\" is for \"{owner}\" alone"));
                }
            }
        }
        if row_of(&text.path).is_some_and(|(name, ..)| *name != "shell") {
            for (word, at) in
                TERMINAL.iter().flat_map(|word| text.words(word).map(move |at| (word, at)))
            {
                faults.add(text.place(at), format!("\"{word}\" is for \"shell\" alone"));
            }
        }
    }
    faults.report(
        "each foreign crate is named by one module",
        "let that module offer what is needed in words of ours",
    );
}

#[test]
fn every_file_opens_with_a_sentence() {
    let mut faults = Faults::default();
    for path in sources() {
        let text = SourceText::read(&path);
        let head: Vec<&str> =
            text.original.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let sentence = head.first().is_some_and(|line| line.starts_with(' ') && line.len() > 10)
            && head.iter().any(|line| line.trim_end().ends_with(['.', ':', '?']));
        if !sentence {
            faults.add(format!("{path}:1"), "no sentence that says what the file owns");
        }
    }
    faults.report("every file opens with //! and a sentence", "say what the file owns");
}

#[test]
fn messages_follow_the_guide() {
    let mut faults = Faults::default();
    for text in modules() {
        for (at, message) in text.messages() {
            for fault in message_faults(&message) {
                faults.add(text.place(at), format!("{fault}: {message:?}"));
            }
        }
    }
    faults.report(
        "messages start in lower case, end without a full stop and avoid empty words",
        "say what is wrong in plain words; put sentences into detail and hint",
    );
}

fn message_faults(message: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let first: String = message.chars().take_while(|c| c.is_alphanumeric()).collect();
    // Keywords of SQL are written in capitals wherever they stand.
    let keyword = first.len() > 1 && first.chars().all(|c| !c.is_lowercase());
    if first.starts_with(char::is_uppercase) && !keyword {
        faults.push("starts in upper case");
    }
    if message.ends_with('.') {
        faults.push("ends in a full stop");
    }
    let mut words = message.split(|c: char| !c.is_alphanumeric());
    if words.any(|word| EMPTY_WORDS.contains(&word.to_ascii_lowercase().as_str())) {
        faults.push("holds one of \"unable\", \"bad\", \"illegal\", \"unknown\"");
    }
    faults
}

#[test]
fn message_rules_find_what_they_should() {
    let check = |message: &str, faults: usize| {
        assert_eq!(message_faults(message).len(), faults, "{message}");
    };
    check("table \"t\" does not exist", 0);
    check("IMPORT needs a file", 0);
    check("{name} is a directory", 0);
    check("Table is gone", 1);
    check("it is gone.", 1);
    check("Unknown table.", 3);
}

#[test]
fn every_code_is_documented_and_tested() {
    let mut faults = Faults::default();
    let state = "src/error/state.rs";
    let documented = scan::read("docs/errors.md").unwrap_or_default();
    let tests = tests_text();
    for (line, text) in lines_of(&scan::read(state).unwrap_or_default()) {
        let Some((name, code)) = text.trim().trim_end_matches(';').split_once(" = \"") else {
            continue;
        };
        let code = code.trim_end_matches('"');
        if code.len() != 5 {
            continue;
        }
        if !documented.contains(code) {
            faults.add(format!("{state}:{line}"), format!("{code} is not in docs/errors.md"));
        }
        if !tests.contains(code) && !tests.contains(&format!("SqlState::{name}")) {
            faults.add(format!("{state}:{line}"), format!("{code} {name} is in no test"));
        }
    }
    faults.report(
        "each SQLSTATE is in docs/errors.md and in a test",
        "add a row there and a golden under sql-tests/, or remove the code",
    );
}

/// Returns all goldens and all test code.
fn tests_text() -> String {
    let mut all = String::new();
    for path in files("sql-tests", &["slt", "txt", "rs"]) {
        all += &scan::read(&path).unwrap_or_default();
    }
    let texts: Vec<_> = files("src", &["rs"]).iter().map(|path| SourceText::read(path)).collect();
    let whole: Vec<String> = texts.iter().flat_map(SourceText::test_files).collect();
    for text in &texts {
        if whole.contains(&text.path) {
            all += &text.original;
        } else {
            all += &text.test_code();
        }
    }
    all
}

#[test]
fn every_option_is_documented_and_tested() {
    let mut faults = Faults::default();
    let documented = scan::read("docs/sql.md").unwrap_or_default();
    let tables: Vec<(String, String)> = files("src/plan", &["rs"])
        .into_iter()
        .filter(|path| path.starts_with("src/plan/option"))
        .map(|path| (path.clone(), scan::read(&path).unwrap_or_default()))
        .collect();
    let named = tables.iter().flat_map(|(table, rows)| {
        lines_of(rows).filter_map(move |(line, text)| {
            let name = text.split_once("name: \"")?.1.split('"').next()?;
            Some((format!("{table}:{line}"), name))
        })
    });
    let others = OTHER_OPTIONS.iter().map(|name| ("src/tidy.rs:1".to_owned(), *name));
    for (place, name) in named.chain(others) {
        if !documented.contains(&format!("`{name}`")) {
            faults.add(&place, format!("\"{name}\" is not in docs/sql.md"));
        }
        let golden = format!("sql-tests/import/{name}.slt");
        if scan::read(&golden).is_none() {
            faults.add(&place, format!("\"{name}\" has no {golden}"));
        }
    }
    faults.report(
        "each option of IMPORT is in docs/sql.md and has a golden of its name",
        "add the row and the golden",
    );
}

#[test]
fn every_rule_has_a_comment() {
    let mut faults = Faults::default();
    for path in files("grammar", &["pest"]) {
        let text = scan::read(&path).unwrap_or_default();
        let mut before = "";
        for (line, current) in lines_of(&text) {
            let name = current.split([' ', '=']).next().unwrap_or_default();
            let rule = current.split_once('=').is_some_and(|(left, _)| left.trim() == name)
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if rule && !before.starts_with("///") {
                faults.add(format!("{path}:{line}"), format!("rule {name} has no comment"));
            }
            before = current;
        }
    }
    faults.report(
        "each rule of the grammar follows a /// comment",
        "show one statement that the rule reads",
    );
}

#[test]
fn no_stray_names() {
    let mut faults = Faults::default();
    for path in files("src", &[]).into_iter().chain(files("grammar", &[])).chain(sources()) {
        for element in path.split('/') {
            let name = element.split('.').next().unwrap_or_default();
            if STRAY_NAMES.contains(&name) {
                faults.add(&path, "the name does not say what is inside");
            }
        }
    }
    for path in sources() {
        for (line, text) in lines_of(&scan::read(&path).unwrap_or_default()) {
            if let Some(character) = text.chars().find(|c| !c.is_ascii()) {
                faults.add(format!("{path}:{line}"), format!("{character:?} is not ASCII"));
            }
        }
    }
    faults.report(
        "files are named by what they hold, and Rust is written in ASCII",
        "name the file by its thing; write \\u{e9} in strings",
    );
}
