//! Scripts, output files and echoes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

use super::{Words, missing};
use crate::shell::console::Console;
use crate::shell::flow::{Flow, io_error};
use crate::shell::script::expand_home;

/// Where rows are sent.
pub(super) type Target = Box<dyn Write + Send>;

/// `\i FILE`
pub(super) fn include(console: &mut Console, words: &Words) -> Flow {
    let name = words.get(0).ok_or_else(|| missing(r"\i"))?;
    console.run_file(&expand_home(name))
}

/// `\ir FILE`
pub(super) fn include_relative(console: &mut Console, words: &Words) -> Flow {
    let name = expand_home(words.get(0).ok_or_else(|| missing(r"\ir"))?);
    let Some(base) = console.directories.last() else { return console.run_file(&name) };
    let path = base.join(name);
    // Files that the script names stand beside it too.
    let directory = console.directory.join(path.parent().unwrap_or(Path::new("")));
    console.session.set_working_directory(&directory);
    let ran = console.run_file(&path);
    console.session.set_working_directory(&console.directory);
    ran
}

/// `\o [FILE]`
pub(super) fn output(console: &mut Console, words: &Words) -> Flow {
    let target = if words.raw().is_empty() { None } else { Some(open_target(console, words)?) };
    Ok(console.output.redirect(target)?)
}

/// Opens the file, or starts the `|command`, that the words name.
pub(super) fn open_target(console: &Console, words: &Words) -> Flow<Target> {
    if let Some(command) = words.raw().strip_prefix('|') {
        let child = Process::new("sh")
            .arg("-c")
            .arg(command)
            .current_dir(&console.directory)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| io_error(format!("could not run \"{command}\""), error))?;
        return Ok(Box::new(Pipe(child)));
    }
    let name = words.get(0).unwrap_or_default();
    let file = File::create(console.directory.join(expand_home(name)))
        .map_err(|error| io_error(format!("could not write \"{name}\""), error))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// A command that reads what is written; waited for when dropped.
struct Pipe(Child);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stdin.as_mut().map_or(Ok(bytes.len()), |input| input.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// `\echo [-n] [TEXT]`
pub(super) fn echo(console: &mut Console, words: &Words) -> Flow {
    Ok(console.output.standard_rows(&echoed(words))?)
}

/// `\qecho [-n] [TEXT]`
pub(super) fn echo_rows(console: &mut Console, words: &Words) -> Flow {
    console.output.rows(&echoed(words))?;
    Ok(console.output.flush()?)
}

/// `\warn [-n] [TEXT]`
#[expect(clippy::unnecessary_wraps, reason = "commands share a signature")]
pub(super) fn warn(console: &mut Console, words: &Words) -> Flow {
    console.output.message(echoed(words).trim_end_matches('\n'));
    Ok(())
}

fn echoed(words: &Words) -> String {
    match words.list().split_first() {
        Some((first, rest)) if first == "-n" => rest.join(" "),
        _ => words.list().join(" ") + "\n",
    }
}
