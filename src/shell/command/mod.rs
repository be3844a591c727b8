//! Backslash commands: one table of names, arguments and help, from which they are run, completed,
//! listed by `\?` and documented in docs/shell.md.

mod buffer;
mod copy;
mod describe;
mod files;
mod format;
mod general;
mod list;
mod words;

use strsim::damerau_levenshtein;

pub(crate) use format::option_names;
pub(crate) use words::Words;

use super::console::Console;
use super::flow::Flow;
use crate::error::{Error, SqlState};

/// A backslash command.
pub(crate) struct Command {
    /// How it is called, with its backslash or dot.
    pub(crate) name: &'static str,
    /// Its arguments, as the help writes them.
    pub(crate) arguments: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
    /// What completes its first argument.
    pub(crate) takes: Takes,
    run: fn(&mut Console, &Words) -> Flow,
}

/// What the first argument of a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing that could be completed.
    Nothing,
    /// A table.
    Table,
    /// A sequence.
    Sequence,
    /// A database.
    Database,
    /// A file or directory.
    File,
    /// A statement's first words.
    Statement,
    /// A name of `\pset`.
    Option,
    /// A result format.
    Format,
    /// `on` or `off`.
    Switch,
}

/// A group of commands in `\?`.
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Its commands.
    pub(crate) commands: &'static [Command],
}

macro_rules! commands {
    ($($name:literal $arguments:literal $takes:ident $run:path: $help:literal;)+) => {
        &[$(Command {
            name: $name,
            arguments: $arguments,
            help: $help,
            takes: Takes::$takes,
            run: $run,
        },)+]
    };
}

/// Every command, in the order of the help.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        title: "General",
        commands: commands! {
            r"\q" "" Nothing general::quit: "leave the script or the shell";
            r"\?" "" Nothing general::help: "list the commands";
            r"\h" "[STATEMENT]" Statement general::statement_help: "help on a statement";
            r"\c" "[DB [USER]]" Database general::connect: "use another database or user";
            r"\conninfo" "" Nothing general::connection: "say what the shell is connected to";
            r"\timing" "[on|off]" Switch general::timing: "print how long each statement took";
            r"\!" "[COMMAND]" Nothing general::shell: "run a command of the operating system";
            r"\cd" "[DIR]" File general::change_directory: "change where relative paths start";
            r"\set" "[NAME [VALUE]]" Nothing general::set: "set a variable, or list them";
            r"\unset" "NAME" Nothing general::unset: "forget a variable";
        },
    },
    Section {
        title: "Statement buffer",
        commands: commands! {
            r"\e" "[FILE]" File buffer::edit: "edit the statement (or a file) with $EDITOR and run it";
            r"\p" "" Nothing buffer::print: "print the statement";
            r"\r" "" Nothing buffer::reset: "clear the statement";
            r"\w" "FILE" File buffer::write: "write the statement to a file";
            r"\g" "[FILE]" File buffer::go: "run the statement, rows to FILE or |COMMAND";
            r"\gx" "[FILE]" File buffer::go_expanded: r"as \g, one value per line";
        },
    },
    Section {
        title: "Input and output",
        commands: commands! {
            r"\i" "FILE" File files::include: "run a script";
            r"\ir" "FILE" File files::include_relative: r"as \i, relative to the running script";
            r"\copy" "TABLE|(QUERY) FROM|TO FILE [OPTIONS]" Table copy::copy: "copy rows from or to a file, as COPY does";
            r"\o" "[FILE]" File files::output: "send rows to FILE or |COMMAND, or back";
            r"\echo" "[-n] [TEXT]" Nothing files::echo: "write text to standard output";
            r"\qecho" "[-n] [TEXT]" Nothing files::echo_rows: "write text to where rows go";
            r"\warn" "[-n] [TEXT]" Nothing files::warn: "write text to standard error";
        },
    },
    Section {
        title: "Descriptions",
        commands: commands! {
            r"\d" "[NAME]" Table describe::describe: "list tables, or describe one or a sequence";
            r"\dt" "[PATTERN]" Table list::tables: "list tables";
            r"\di" "[TABLE]" Table list::indexes: "list indexes";
            r"\ds" "[PATTERN]" Sequence list::sequences: "list sequences";
            r"\dn" "[PATTERN]" Nothing list::schemas: "list schemas";
            r"\dp" "[TABLE]" Table list::privileges: "list privileges";
            r"\du" "[PATTERN]" Nothing list::users: "list users";
            r"\l" "[PATTERN]" Nothing list::databases: "list databases";
        },
    },
    Section {
        title: "Format",
        commands: commands! {
            r"\pset" "[NAME [VALUE]]" Option format::set: "set a format option, or list them";
            r"\x" "[on|off|auto]" Switch format::expanded: "one value per line";
            r"\t" "[on|off]" Switch format::tuples_only: "rows only, without header and footer";
            r"\a" "" Nothing format::aligned: "switch between the formats table and tsv";
        },
    },
    Section {
        title: "Habits from other shells",
        commands: commands! {
            ".tables" "[PATTERN]" Table list::tables: r"as \dt";
            ".schema" "[TABLE]" Table describe::definitions: "print CREATE TABLE statements";
            ".databases" "" Nothing list::databases: r"as \l";
            ".indexes" "[TABLE]" Table list::indexes: r"as \di";
            ".read" "FILE" File files::include: r"as \i";
            ".output" "[FILE]" File files::output: r"as \o";
            ".mode" "FORMAT" Format format::mode: r"as \pset format";
            ".nullvalue" "TEXT" Nothing format::null_text: r"as \pset null";
            ".timer" "on|off" Switch general::timing: r"as \timing";
            ".shell" "COMMAND" Nothing general::shell: r"as \!";
            ".cd" "DIR" File general::change_directory: r"as \cd";
            ".help" "" Nothing general::help: r"as \?; also: help";
            ".quit" "" Nothing general::quit: r"as \q; also: quit";
            ".exit" "" Nothing general::quit: r"as \q; also: exit";
        },
    },
];

/// Returns every command.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    SECTIONS.iter().flat_map(|section| section.commands)
}

/// Returns the command of that name; `+` behind it, which asks for more detail in psql, is passed
/// over.
pub(crate) fn named(name: &str) -> Option<&'static Command> {
    let exact = |name: &str| all().find(|command| command.name == name);
    exact(name).or_else(|| exact(name.trim_end_matches('+')))
}

/// Runs a command line, such as `\d customers`.
pub(crate) fn run(console: &mut Console, text: &str) -> Flow {
    let (name, rest) = words::cut_name(text);
    let command = named(name).ok_or_else(|| not_a_command(name))?;
    let rest = if matches!(name, r"\!" | ".shell") {
        rest.to_owned()
    } else {
        console.substitute(rest)?
    };
    (command.run)(console, &Words::new(&rest))
}

fn not_a_command(name: &str) -> Error {
    let closest = all()
        .map(|command| (damerau_levenshtein(command.name, name), command.name))
        // A name of one letter is close to every other.
        .filter(|(distance, known)| *distance <= 2 && *distance + 2 < known.len().max(name.len()))
        .min();
    let hint = match closest {
        Some((_, known)) => format!("Did you mean \"{known}\"?"),
        None => r"Type \? for the list of commands.".to_owned(),
    };
    Error::new(SqlState::SYNTAX_ERROR, format!("invalid command \"{name}\"")).hint(hint)
}

/// Returns the error of a command that lacks an argument.
fn missing(command: &str) -> Error {
    let usage = named(command).map_or_else(String::new, |command| {
        format!("The usage is: {} {}", command.name, command.arguments)
    });
    Error::new(SqlState::SYNTAX_ERROR, format!("\"{command}\" needs an argument")).hint(usage)
}

/// Returns the error of an argument that is none of `allowed`.
fn not_allowed(what: &str, value: &str, allowed: &[&str]) -> Error {
    let closest = allowed.iter().map(|known| (damerau_levenshtein(known, value), *known)).min();
    let hint = match closest {
        Some((distance, known)) if distance <= 2 => format!("Did you mean \"{known}\"?"),
        _ => format!("Use one of: {}.", allowed.join(", ")),
    };
    Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid {what} \"{value}\"")).hint(hint)
}

/// Returns the text of `\?`.
fn list_text() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        text += &format!("{}\n", section.title);
        for command in section.commands {
            let call = format!("{} {}", command.name, command.arguments);
            text += &format!("  {:<24} {}\n", call.trim_end(), command.help);
        }
        text.push('\n');
    }
    text + "Statements end with a semicolon. \\h lists them.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().map(|command| command.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn finds_a_command_with_or_without_plus() {
        assert_eq!(named(r"\dt+").map(|command| command.name), Some(r"\dt"));
        assert!(named(r"\nothing").is_none());
    }

    #[test]
    fn suggests_the_closest_name() {
        let hint = |name| not_a_command(name).hint_text().unwrap_or_default().to_owned();
        assert_eq!(hint(r"\timming"), "Did you mean \"\\timing\"?");
        assert_eq!(hint(".table"), "Did you mean \".tables\"?");
        assert_eq!(hint(r"\z"), r"Type \? for the list of commands.");
    }

    #[test]
    fn every_command_is_documented() {
        let mut table = String::from("| command | what it does |\n|---|---|\n");
        for command in all() {
            let call = format!("{} {}", command.name, command.arguments);
            let call = call.trim_end().replace('|', "\\|");
            table += &format!("| `{call}` | {} |\n", command.help.replace('|', "\\|"));
        }
        let document = include_str!("../../../docs/shell.md");
        assert!(document.contains(&table), "docs/shell.md must hold this table:\n{table}");
    }
}
