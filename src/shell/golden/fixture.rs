//! Files that a golden test brings along: `file NAME` blocks and `copy PATH` lines.

use std::fs;
use std::path::{Component, Path};

/// A file to put into the scratch directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fixture {
    /// A file of the bytes that stand in the block.
    Inline {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A copy of a file beside the test, or beside one of the directories above it.
    Copy {
        /// Its path, from one of those directories.
        path: String,
        /// Its name in the scratch directory.
        name: String,
    },
}

impl Fixture {
    /// Returns the fixture of the words `file NAME [escaped]` and the lines below them.
    pub(super) fn inline(words: &[&str], lines: &[&str]) -> Result<Self, String> {
        // A name may hold blanks.
        let (name, escaped) = match words {
            [] => return Err("expected: file NAME [escaped]".to_owned()),
            [name @ .., "escaped"] if !name.is_empty() => (name.join(" "), true),
            name => (name.join(" "), false),
        };
        let bytes = if escaped {
            unescape(&lines.concat())?
        } else {
            lines.iter().flat_map(|line| line.bytes().chain([b'\n'])).collect()
        };
        Ok(Self::Inline { name, bytes })
    }

    /// Returns the fixture of the words `copy PATH [NAME]`.
    pub(super) fn copy(words: &[&str]) -> Result<Self, String> {
        let (path, name) = match words {
            [path] => (*path, path.rsplit('/').next().unwrap_or(path)),
            [path, name] => (*path, *name),
            _ => return Err("expected: copy PATH [NAME]".to_owned()),
        };
        Ok(Self::Copy { path: path.to_owned(), name: name.to_owned() })
    }

    /// Writes the file into `scratch`; `test` is the golden file that asks for it.
    pub(super) fn place(&self, scratch: &Path, test: &Path) -> Result<(), String> {
        match self {
            Self::Inline { name, bytes } => write(scratch, name, bytes),
            Self::Copy { path, name } => {
                let found = test
                    .ancestors()
                    .skip(1)
                    .map(|directory| directory.join(path))
                    .find(|candidate| candidate.is_file())
                    .ok_or_else(|| format!("there is no \"{path}\" beside or above the test"))?;
                let bytes = fs::read(&found).map_err(|error| format!("{path}: {error}"))?;
                write(scratch, name, &bytes)
            }
        }
    }
}

fn write(scratch: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(format!("\"{name}\" would not stand in the scratch directory"));
    }
    let path = scratch.join(name);
    let told = |error: std::io::Error| format!("{name}: {error}");
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(told)?;
    }
    fs::write(path, bytes).map_err(told)
}

/// Decodes `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let value = digit().and_then(|high| Some(high * 16 + digit()?));
                value
                    .and_then(|value| u8::try_from(value).ok())
                    .ok_or(r"expected two hexadecimal digits behind \x")?
            }
            _ => return Err(r"expected \r, \n, \t, \0, \xNN or \\".to_owned()),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_escapes() {
        assert_eq!(unescape(r"a\r\n\t\\\xff\0").unwrap(), b"a\r\n\t\\\xff\0");
        assert!(unescape(r"\q").is_err());
        assert!(unescape(r"\x1").is_err());
    }

    #[test]
    fn joins_lines_of_an_escaped_file_only() {
        let plain = Fixture::inline(&["f"], &["1,a", "2,b"]).unwrap();
        assert_eq!(plain, Fixture::Inline { name: "f".into(), bytes: b"1,a\n2,b\n".to_vec() });
        let escaped = Fixture::inline(&["f", "escaped"], &["1,a\\r\\n", "2"]).unwrap();
        assert_eq!(escaped, Fixture::Inline { name: "f".into(), bytes: b"1,a\r\n2".to_vec() });
    }

    #[test]
    fn stays_in_the_scratch_directory() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["../out", "/out", "a/../../out"] {
            let file = Fixture::inline(&[name], &[]).unwrap();
            assert!(file.place(scratch.path(), Path::new("t")).is_err(), "{name}");
        }
        Fixture::inline(&["a/b"], &["x"]).unwrap().place(scratch.path(), Path::new("t")).unwrap();
        assert_eq!(fs::read(scratch.path().join("a/b")).unwrap(), b"x\n");
    }
}
