//! The documentation is true: the README's transcript is what a person sees, and every SQL example of
//! the pages runs.
//!
//! In a `console` block, lines after a prompt are typed and the others are expected. The `sql` blocks
//! of a page run in order in one new database, beside copies of the files of `docs/examples/`; those marked
//! `sql error` must fail.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The directory of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block of a page.
struct Block {
    info: String,
    text: String,
    line: usize,
}

/// Returns the fenced blocks of a page.
#[expect(clippy::disallowed_methods, reason = "a test reads pages of the project")]
fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("the page is there");
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            if !open {
                blocks.push(Block { info: info.into(), text: String::new(), line: number + 1 });
            }
            open = !open;
        } else if open && let Some(block) = blocks.last_mut() {
            block.text += line;
            block.text += "\n";
        }
    }
    blocks
}

/// A new directory with a copy of the example files.
fn scratch() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let examples = directory.path().join("docs/examples");
    fs::create_dir_all(&examples).expect("a directory");
    for entry in fs::read_dir(project().join("docs/examples")).expect("examples").flatten() {
        fs::copy(entry.path(), examples.join(entry.file_name())).expect("a copy");
        fs::copy(entry.path(), directory.path().join(entry.file_name())).expect("a copy");
    }
    directory
}

fn wharf(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["--no-init", "--format", "table", "shop"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("the program runs")
}

/// Returns the transcript with each answer replaced by what the program says.
fn replayed(directory: &Path, transcript: &str) -> String {
    let mut seen = String::new();
    let mut typed = String::new();
    let mut lines = transcript.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((prompt, text)) = line.split_once("> ") else { continue };
        let continues = prompt.trim_start() == "-";
        if !continues {
            typed.clear();
        }
        typed += text;
        typed += "\n";
        writeln!(seen, "{line}").expect("text grows");
        let more = lines.peek().is_some_and(|next| next.trim_start().starts_with("-> "));
        if !more {
            let output = wharf(directory, &["-e", typed.trim_end()]);
            seen += &String::from_utf8_lossy(&output.stdout);
            seen += &String::from_utf8_lossy(&output.stderr);
        }
    }
    seen
}

#[test]
fn the_transcript_of_the_readme_is_what_a_person_sees() {
    let directory = scratch();
    let transcripts: Vec<Block> = blocks(&project().join("README.md"))
        .into_iter()
        .filter(|block| block.info == "console")
        .collect();
    assert!(!transcripts.is_empty(), "the README has a transcript");
    for block in transcripts {
        let seen = replayed(directory.path(), &block.text);
        assert_eq!(block.text, seen, "README.md:{}: the program says\n{seen}", block.line);
    }
}

#[test]
fn every_example_of_the_pages_runs() {
    let mut pages: Vec<PathBuf> = fs::read_dir(project().join("docs"))
        .expect("docs")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(project().join("README.md"));
    let mut failures = String::new();
    for page in pages {
        let directory = scratch();
        for block in blocks(&page) {
            let fails = match block.info.as_str() {
                "sql" => false,
                "sql error" => true,
                _ => continue,
            };
            fs::write(directory.path().join("example.sql"), &block.text).expect("a script");
            let output = wharf(directory.path(), &["-f", "example.sql"]);
            if output.status.success() == fails {
                let said = String::from_utf8_lossy(&output.stderr);
                writeln!(failures, "{}:{}: {said}", page.display(), block.line)
                    .expect("text grows");
            }
        }
    }
    assert!(failures.is_empty(), "examples do not run:\n{failures}");
}
