//! Reading Rust well enough to judge it: code without comments, strings and tests, at its own offsets.

use std::ops::Range;
use std::path::Path;

/// Returns the text of a file of the project, if there is one.
#[expect(clippy::disallowed_methods, reason = "tests look at the project's own files")]
pub(super) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Returns the files under a directory of the project that end in one of `suffixes` (any if there are
/// none), sorted, as paths from the project's root.
pub(super) fn files(directory: &str, suffixes: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&path, suffixes));
        } else if suffixes.is_empty() || suffixes.iter().any(|s| path.ends_with(&format!(".{s}"))) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the lines of a text with their numbers from 1.
pub(super) fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// A Rust file, and the same with everything blanked that is no code.
pub(super) struct SourceText {
    /// The path from the project's root.
    pub(super) path: String,
    /// The text as it is.
    pub(super) original: String,
    /// The text with comments and strings blanked.
    code: String,
    /// Where the test items are.
    tests: Vec<Range<usize>>,
}

impl SourceText {
    pub(super) fn read(path: &str) -> Self {
        Self::new(path, read(path).expect("a file that was listed can be read"))
    }

    fn new(path: &str, original: String) -> Self {
        let code = blank(&original);
        let tests = test_items(&code);
        Self { path: path.to_owned(), original, code, tests }
    }

    /// Returns `path:line` of an offset.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.original[..at].matches('\n').count() + 1)
    }

    /// Returns the files of modules that are declared under `#[cfg(test)]`.
    pub(super) fn test_files(&self) -> Vec<String> {
        let directory = match self.path.strip_suffix("/mod.rs") {
            Some(directory) => directory,
            None if ["src/lib.rs", "src/main.rs"].contains(&self.path.as_str()) => "src",
            None => self.path.trim_end_matches(".rs"),
        };
        let names = self.tests.iter().filter_map(|range| {
            let item = self.code[range.clone()].trim_end().strip_suffix(';')?;
            item.rsplit_once("mod ").map(|(_, name)| name.trim().to_owned())
        });
        names.map(|name| format!("{directory}/{name}.rs")).collect()
    }

    /// Returns the test items, strings included.
    pub(super) fn test_code(&self) -> String {
        self.tests.iter().map(|range| &self.original[range.clone()]).collect()
    }

    /// Returns where `word` stands in code that is no test, not as the end of a longer name or path.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let before = self.code[..at].chars().next_back();
            let tested = self.tests.iter().any(|range| range.contains(&at));
            let inside = before.is_some_and(|c| c.is_alphanumeric() || "_:.$".contains(c));
            !tested && (!inside || word.ends_with(')') || word.ends_with('('))
        })
    }

    /// Returns what is named behind `crate::`, also in braces, and behind enough `super::` to be at the
    /// crate's root.
    pub(super) fn crate_names(&self) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for at in self.words("crate::") {
            names.extend(first_names(&self.code, at + "crate::".len()));
        }
        let inner = self.path.trim_start_matches("src/").trim_end_matches("/mod.rs");
        let to_root = "super::".repeat(inner.split('/').count());
        for at in self.words(&to_root) {
            let end = at + to_root.len();
            if !self.code[end..].starts_with("super::") {
                names.extend(first_names(&self.code, end));
            }
        }
        names
    }

    /// Returns where the crate `name` is named, unless a module of ours of that name is in scope.
    pub(super) fn uses_of_crate(&self, name: &str) -> Vec<usize> {
        let ours = self.code.split(';').any(|item| {
            let item = item.trim_start().trim_start_matches("pub ");
            let local = ["use crate::", "use super::", "use self::", "mod "];
            local.iter().any(|start| item.starts_with(start))
                && item.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
        });
        if ours {
            return Vec::new();
        }
        let path = format!("{name}::");
        let import = format!("use {name};");
        self.words(&path).chain(self.words(&import)).collect()
    }

    /// Returns the literal messages of errors and notices.
    pub(super) fn messages(&self) -> Vec<(usize, String)> {
        let mut messages = Vec::new();
        for (start, skip_code) in
            [("Error::new(", true), ("Notice::notice(", false), ("Notice::warning(", false)]
        {
            for at in self.words(start) {
                let arguments = at + start.len();
                let foreign = self.code[..at].ends_with("io::");
                let message = if skip_code {
                    self.code[arguments..].find(',').map(|comma| arguments + comma + 1)
                } else {
                    Some(arguments)
                };
                if let Some(text) = message.filter(|_| !foreign).and_then(|at| self.literal(at)) {
                    messages.push((at, text));
                }
            }
        }
        messages
    }

    /// Returns the string at `at`, also as the first argument of `format!`.
    fn literal(&self, at: usize) -> Option<String> {
        let rest = self.original[at..].trim_start();
        let rest = rest.strip_prefix("format!(").map_or(rest, str::trim_start);
        let mut text = String::new();
        let mut characters = rest.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => return Some(text),
                '\\' => match characters.next()? {
                    '\n' => {
                        let trimmed = characters.as_str().trim_start();
                        characters = trimmed.chars();
                    }
                    escaped => text.push(escaped),
                },
                other => text.push(other),
            }
        }
    }
}

/// Returns the first name at `at`, or the first name of each path in braces there.
fn first_names(code: &str, at: usize) -> Vec<(usize, String)> {
    let name_at = |at: usize| -> (usize, String) {
        let at = at + code[at..].len() - code[at..].trim_start().len();
        let end = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_');
        (at, code[at..end.map_or(code.len(), |end| at + end)].to_owned())
    };
    if !code[at..].starts_with('{') {
        return vec![name_at(at)];
    }
    let mut names = vec![name_at(at + 1)];
    let mut depth = 0;
    for (offset, character) in code[at..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name_at(at + offset + 1)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Returns where the items behind `#[cfg(test)]` are, attribute included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .map(|(start, _)| {
            let mut depth = 0_usize;
            for (offset, character) in code[start..].char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 1 => return start..start + offset + 1,
                    '}' => depth = depth.saturating_sub(1),
                    ';' if depth == 0 => return start..start + offset + 1,
                    _ => {}
                }
            }
            start..code.len()
        })
        .collect()
}

/// Blanks comments and the content of strings and characters; offsets and lines stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                at + text[at..].find('\n').unwrap_or(text.len() - at)
            }
            b'/' if bytes[at..].starts_with(b"/*") => {
                at + text[at..].find("*/").map_or(text.len() - at, |end| end + 2)
            }
            b'r' if raw_string(bytes, at).is_some() => {
                let hashes = raw_string(bytes, at).unwrap_or_default();
                let close = format!("\"{}", "#".repeat(hashes));
                let content = at + hashes + 2;
                content + text[content..].find(&close).map_or(0, |end| end + close.len())
            }
            b'"' => string_end(bytes, at, b'"'),
            b'\'' if is_character(text, at) => string_end(bytes, at, b'\''),
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.clamp(at + 1, bytes.len());
        for byte in out[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end;
    }
    // What is not ASCII stands in comments and strings only, and is blank by now.
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the number of hashes if a raw string begins at `at`.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let named = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let named = named && bytes[at - 1] != b'b';
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (!named && bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn string_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Returns whether the quote at `at` begins a character, not a lifetime.
fn is_character(text: &str, at: usize) -> bool {
    let mut characters = text[at + 1..].chars();
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(original: &str) -> SourceText {
        SourceText::new("src/plan/x.rs", original.to_owned())
    }

    fn check_names(original: &str, expected: &[&str]) {
        let names: Vec<_> =
            text(original).crate_names().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, expected, "{original}");
    }

    #[test]
    fn finds_imports_of_every_form() {
        check_names("use crate::error::Result;", &["error"]);
        check_names("use crate::{error::{A, b}, types, source::c};", &["error", "types", "source"]);
        check_names("fn f() { crate::job::run() }", &["job"]);
        check_names("use super::super::job; use super::y;", &["job"]);
        check_names("// crate::job\nlet s = \"crate::job\"; /* crate::job */", &[]);
        check_names("let s = r#\"\"crate::job\"#; let c = '\"'; crate::a", &["a"]);
        check_names("#[cfg(test)]\nmod tests { use crate::job; }\nuse crate::a;", &["a"]);
        check_names("fn f<'a>(x: &'a str) { crate::a }", &["a"]);
    }

    #[test]
    fn tells_a_crate_from_a_module_of_ours() {
        assert_eq!(text("use csv::Reader;").uses_of_crate("csv"), [4]);
        assert_eq!(text("let x = csv::f();").uses_of_crate("csv"), [8]);
        assert!(text("use crate::record::csv; csv::f();").uses_of_crate("csv").is_empty());
        assert!(text("record::csv::f();").uses_of_crate("csv").is_empty());
        assert!(text("let my_csv::x;").uses_of_crate("csv").is_empty());
    }

    #[test]
    fn finds_messages() {
        let check = |original: &str, expected: &[&str]| {
            let found: Vec<_> = text(original).messages().into_iter().map(|(_, m)| m).collect();
            assert_eq!(found, expected, "{original}");
        };
        check("Error::new(SqlState::X, \"a \\\"b\\\"\")", &["a \"b\""]);
        check("Error::new(SqlState::X,\n format!(\n \"a \\\n   b\", c))", &["a b"]);
        check("Error::new(code, message)", &[]);
        check("io::Error::new(kind, \"Oh.\")", &[]);
        check("Notice::warning(\"w\")", &["w"]);
        check("#[cfg(test)]\nfn f() { Error::new(SqlState::X, \"X.\"); }", &[]);
    }

    #[test]
    fn finds_the_files_of_test_modules() {
        let text = SourceText::new("src/plan/mod.rs", "#[cfg(test)]\nmod attack;\nmod b;".into());
        assert_eq!(text.test_files(), ["src/plan/attack.rs"]);
    }
}
