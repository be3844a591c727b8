//! Leaving, help, connection, timing, variables, and the operating system.

use std::process::Command as Process;

use super::{Words, list_text, missing, not_allowed};
use crate::error::{Error, SqlState};
use crate::shell::console::Console;
use crate::shell::flow::{Flow, Stop, io_error};
use crate::shell::pager::Paging;
use crate::shell::script::expand_home;
use crate::shell::settings::{Format, parse_switch};
use crate::shell::{help, variables};

/// `\q`
pub(super) fn quit(_console: &mut Console, _words: &Words) -> Flow {
    Err(Stop::Quit)
}

/// `\?`
pub(super) fn help(console: &mut Console, _words: &Words) -> Flow {
    page(console, &list_text())
}

/// `\h [STATEMENT]`
pub(super) fn statement_help(console: &mut Console, words: &Words) -> Flow {
    let text = help::text(words.object())?;
    page(console, &text)
}

/// Shows text, in the pager if it is long.
fn page(console: &Console, text: &str) -> Flow {
    let usable = console.settings.pager && console.settings.interactive;
    let lines = console.settings.screen.filter(|_| usable).map(|(_, lines)| lines);
    let mut paging = Paging::new(console.output.clone(), lines);
    match paging.write(text) {
        Err(_) if paging.is_started() => {}
        written => written?,
    }
    Ok(paging.finish()?)
}

/// `\c [DB [USER]]`
pub(super) fn connect(console: &mut Console, words: &Words) -> Flow {
    let argument = |at| words.get(at).map(|word: &str| word.trim_end_matches(';')).filter(keeps);
    if let Some(user) = argument(1) {
        console.session.set_user(user)?;
    }
    if let Some(database) = argument(0) {
        let quiet = std::mem::replace(&mut console.settings.quiet, true);
        let ran = console.execute(&format!("USE {database}"));
        console.settings.quiet = quiet;
        ran?;
    }
    if !console.settings.quiet {
        let text = format!(
            "You are now connected to database \"{}\" as user \"{}\".",
            console.session.database(),
            console.session.user()
        );
        console.output.message(&text);
    }
    Ok(())
}

/// `-` in place of a name keeps what is.
fn keeps(word: &&str) -> bool {
    !word.is_empty() && *word != "-"
}

/// `\conninfo`
pub(super) fn connection(console: &mut Console, _words: &Words) -> Flow {
    let session = &console.session;
    let place = if session.is_temporary() {
        "a temporary directory, removed at the end".to_owned()
    } else {
        format!("\"{}\"", session.path().display())
    };
    let text = format!(
        "You are connected to database \"{}\" as user \"{}\", in {place}.\n",
        session.database(),
        session.user()
    );
    Ok(console.output.standard_rows(&text)?)
}

/// `\timing [on|off]`
pub(super) fn timing(console: &mut Console, words: &Words) -> Flow {
    let timing = switch(r"\timing", words.get(0), console.settings.timing)?;
    console.settings.timing = timing;
    say(console, &format!("Timing is {}.", on_or_off(timing)));
    Ok(())
}

/// Returns what a switch is after a command: what was said, or the other one.
pub(super) fn switch(command: &str, word: Option<&str>, current: bool) -> Flow<bool> {
    let Some(word) = word else { return Ok(!current) };
    let word = word.trim_end_matches(';');
    parse_switch(word)
        .ok_or_else(|| not_allowed(&format!("value of {command}"), word, &["on", "off"]).into())
}

/// Returns `on` or `off`.
pub(super) fn on_or_off(switch: bool) -> &'static str {
    if switch { "on" } else { "off" }
}

/// Says something, unless the shell is quiet.
pub(super) fn say(console: &Console, text: &str) {
    if !console.settings.quiet {
        console.output.message(text);
    }
}

/// `\! [COMMAND]`
pub(super) fn shell(console: &mut Console, words: &Words) -> Flow {
    console.output.flush()?;
    let mut process = if words.raw().is_empty() {
        Process::new(std::env::var_os("SHELL").unwrap_or_else(|| "sh".into()))
    } else {
        let mut process = Process::new("sh");
        process.arg("-c").arg(words.raw());
        process
    };
    process.current_dir(&console.directory);
    let told = |error| io_error("could not run the command", error);
    let status = if console.output.is_captured() {
        let output = process.output().map_err(told)?;
        for stream in [&output.stdout, &output.stderr] {
            console.output.standard_rows(&String::from_utf8_lossy(stream))?;
        }
        output.status
    } else {
        process.status().map_err(told)?
    };
    console.variables.set("SHELL_EXIT_CODE", status.code().unwrap_or(-1).to_string());
    console.variables.set("SHELL_ERROR", (!status.success()).to_string());
    Ok(())
}

/// `\cd [DIR]`
pub(super) fn change_directory(console: &mut Console, words: &Words) -> Flow {
    let directory = match words.get(0) {
        Some(word) => Some(expand_home(word)),
        None => crate::shell::directories::home(),
    };
    let directory = directory.ok_or_else(|| missing(r"\cd"))?;
    let directory = console.directory.join(directory);
    let full = directory.canonicalize().map_err(|error| {
        io_error(format!("could not change to \"{}\"", directory.display()), error)
    })?;
    if !full.is_dir() {
        let text = format!("\"{}\" is not a directory", directory.display());
        return Err(Error::new(SqlState::UNDEFINED_FILE, text).into());
    }
    console.session.set_working_directory(&full);
    console.directory = full;
    Ok(())
}

/// `\set [NAME [VALUE]]`
pub(super) fn set(console: &mut Console, words: &Words) -> Flow {
    let Some((name, values)) = words.list().split_first() else {
        let mut text = String::new();
        for (name, value) in console.variables.iter() {
            text += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        return Ok(console.output.standard_rows(&text)?);
    };
    if !variables::is_name(name) {
        let text = format!("invalid variable name \"{name}\"");
        return Err(Error::new(SqlState::INVALID_NAME, text)
            .hint("A variable's name holds letters, digits and underscores.")
            .into());
    }
    let value = values.concat();
    obey(console, name, &value)?;
    console.variables.set(name, value);
    Ok(())
}

/// `\unset NAME`
pub(super) fn unset(console: &mut Console, words: &Words) -> Flow {
    let name = words.get(0).ok_or_else(|| missing(r"\unset"))?;
    if console.variables.unset(name) {
        obey(console, name, "off")?;
    }
    Ok(())
}

/// Does what variables of psql and `cockroach sql` do there.
fn obey(console: &mut Console, name: &str, value: &str) -> Flow {
    let word = if value.is_empty() { "on" } else { value };
    let settings = &mut console.settings;
    match name {
        "errexit" | "ON_ERROR_STOP" => settings.errexit = switch(name, Some(word), false)?,
        "show_times" => settings.timing = switch(name, Some(word), false)?,
        "QUIET" => settings.quiet = switch(name, Some(word), false)?,
        "echo" => settings.echo = switch(name, Some(word), false)?,
        "ECHO" => settings.echo = matches!(word, "all" | "queries"),
        "display_format" if word != "off" => {
            settings.format = Format::named(word).ok_or_else(|| super::format::no_format(word))?;
        }
        _ => {}
    }
    Ok(())
}
