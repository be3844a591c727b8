//! The statement that is being typed, or that ran last: edit, print, clear, write, run.

use std::fs;
use std::io::Write;
use std::process::Command as Process;

use super::files::{Target, open_target};
use super::{Words, missing};
use crate::error::{Error, SqlState};
use crate::shell::console::Console;
use crate::shell::flow::{Flow, Stop, io_error};
use crate::shell::script::{Origin, expand_home};
use crate::shell::settings::Expanded;

/// Returns the statement in the buffer, or else the one that ran last.
fn statement(console: &Console) -> Flow<String> {
    let buffer = console.buffer.trim();
    if !buffer.is_empty() {
        return Ok(buffer.to_owned());
    }
    if console.previous.is_empty() {
        return Err(no_statement().into());
    }
    Ok(console.previous.clone())
}

fn no_statement() -> Error {
    Error::new(SqlState::SYNTAX_ERROR, "there is no statement yet")
        .hint("Type a statement first, or end it with a semicolon.")
}

/// `\p`
pub(super) fn print(console: &mut Console, _words: &Words) -> Flow {
    let text = format!("{};\n", statement(console)?);
    Ok(console.output.standard_rows(&text)?)
}

/// `\r`
#[expect(clippy::unnecessary_wraps, reason = "commands share a signature")]
pub(super) fn reset(console: &mut Console, _words: &Words) -> Flow {
    console.buffer.clear();
    super::general::say(console, "The statement was cleared.");
    Ok(())
}

/// `\w FILE`
pub(super) fn write(console: &mut Console, words: &Words) -> Flow {
    let name = words.get(0).ok_or_else(|| missing(r"\w"))?;
    let text = format!("{};\n", statement(console)?);
    fs::write(console.directory.join(expand_home(name)), text)
        .map_err(|error| io_error(format!("could not write \"{name}\""), error).into())
}

/// `\g [FILE]`
pub(super) fn go(console: &mut Console, words: &Words) -> Flow {
    let text = statement(console)?;
    console.buffer.clear();
    if words.raw().is_empty() {
        return console.execute(&text);
    }
    let target: Target = open_target(console, words)?;
    let previous = console.output.swap(Some(target));
    let ran = console.execute(&text);
    let flushed = console.output.flush();
    console.output.swap(previous);
    ran?;
    Ok(flushed?)
}

/// `\gx [FILE]`
pub(super) fn go_expanded(console: &mut Console, words: &Words) -> Flow {
    let expanded = std::mem::replace(&mut console.settings.expanded, Expanded::On);
    let ran = go(console, words);
    console.settings.expanded = expanded;
    ran
}

/// `\e [FILE]`
pub(super) fn edit(console: &mut Console, words: &Words) -> Flow {
    let scratch = tempfile::Builder::new()
        .prefix("wharf-")
        .suffix(".sql")
        .tempfile()
        .map_err(|error| io_error("could not make a file to edit", error))?;
    let path = if let Some(name) = words.get(0) {
        console.directory.join(expand_home(name))
    } else {
        let text = statement(console).map(|text| text + ";\n").unwrap_or_default();
        scratch
            .as_file()
            .write_all(text.as_bytes())
            .map_err(|error| io_error("could not write the file to edit", error))?;
        scratch.path().to_path_buf()
    };
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|editor| !editor.is_empty()))
        .unwrap_or_else(|| "vi".into());
    // The editor may hold arguments, such as `code --wait`; the shell cuts them.
    let status = Process::new("sh")
        .arg("-c")
        .arg(r#"eval "$WHARF_EDITOR \"\$1\"""#)
        .arg("sh")
        .arg(&path)
        .env("WHARF_EDITOR", &editor)
        .status()
        .map_err(|error| io_error("could not start the editor", error))?;
    if !status.success() {
        let text = format!("the editor \"{}\" failed", editor.to_string_lossy());
        return Err(Stop::Error(Error::new(SqlState::IO_ERROR, text)));
    }
    let bytes = fs::read(&path)
        .map_err(|error| io_error(format!("could not read \"{}\"", path.display()), error))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    console.buffer.clear();
    console.output.standard_rows(&text)?;
    console.run_text(&text, &Origin::unnamed(), 1)
}
