//! The command line: what `wharf` accepts, and the actions in the order they were given.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::color::ColorWhen;
use super::settings::Format;

const EXAMPLES: &str = "\
Examples:
  wharf                             a shell on a temporary database
  wharf shop                        a shell on the database in the directory shop/
  wharf shop -e 'SHOW TABLES'       run one statement
  wharf shop -f load.sql            run a script; stop at the first error
  wharf shop --format json -e 'SELECT * FROM customers'
  wharf shop < load.sql             run standard input
  wharf test sql-tests              run golden SQL tests

Exit codes:
  0    done (an interactive shell always)
  1    a statement given with -e failed, or the database could not be opened
  2    wrong arguments
  3    a statement of a script (-f) or of standard input failed
  4    a golden test differed
  130  interrupted

A word equal to a subcommand is the subcommand: write ./test to open a database named test.";

/// An embedded SQL shell that lands data.
///
/// With no database named here or in `WHARF_DB`, the database is a temporary one that is removed at
/// the end. On a terminal wharf is interactive; otherwise it runs standard input.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Arguments {
    #[arg(help = "The database directory; made if it is absent or empty [env: WHARF_DB]")]
    #[arg(value_name = "DATABASE", conflicts_with = "db", value_hint = clap::ValueHint::DirPath)]
    database: Option<PathBuf>,

    /// Another way to name the database directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    db: Option<PathBuf>,

    /// Run SQL or backslash commands and exit (repeatable; mixes with -f in order)
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    execute: Vec<String>,

    /// Run a script and exit ("-" is standard input; repeatable)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) session: SessionArguments,

    /// How results are printed [default: table on a terminal, tsv otherwise]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<Format>,

    /// Set a session variable (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) set: Vec<(String, String)>,

    /// Do not run the init file
    #[arg(long)]
    pub(crate) no_init: bool,

    /// Print each statement to standard error before it runs
    #[arg(long)]
    pub(crate) echo_sql: bool,

    /// Stop at the first error (the default unless interactive)
    #[arg(long, overrides_with = "no_errexit")]
    errexit: bool,

    /// Go on after an error (the default when interactive)
    #[arg(long, overrides_with = "errexit")]
    no_errexit: bool,

    /// When to use colors
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,

    /// Print no banner, command tags or progress
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommands>,
}

/// How the session is opened.
#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    /// The session's user; must exist
    #[arg(long, value_name = "NAME", default_value = "root")]
    pub(crate) user: String,

    /// Refuse every statement that writes
    #[arg(long)]
    pub(crate) read_only: bool,

    /// What batches, runs, caches and queries may hold, such as 512MiB or 2GB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    pub(crate) memory: u64,

    /// How many threads convert, sort and query [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// Where nodelocal: points, or "disabled" for no local files at all [default: extern/ in the
    /// database]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) external_io_dir: Option<PathBuf>,

    /// A host that may be reached (repeatable) [default: any but private metadata addresses]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) allow_host: Vec<String>,

    /// The most that temporary files may take [default: unlimited]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_disk_temp_storage: Option<u64>,

    /// How many milliseconds a server may send nothing
    #[arg(long, hide = true, env = "WHARF_NETWORK_TIMEOUT", default_value_t = 30_000)]
    #[arg(hide_env = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) network_timeout: u64,

    /// For how many milliseconds failed requests are tried again while no byte comes
    #[arg(long, hide = true, env = "WHARF_NETWORK_PATIENCE", default_value_t = 60_000)]
    #[arg(hide_env = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) network_patience: u64,
}

/// What can be done besides running SQL.
#[derive(Debug, Subcommand)]
pub(crate) enum Subcommands {
    /// Run golden SQL tests (.slt and .txt)
    Test {
        /// Write what was seen as what is expected
        #[arg(long)]
        rewrite: bool,
        /// Files, and directories searched for .slt and .txt files
        #[arg(value_name = "PATH", required = true, value_hint = clap::ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },
    /// Print a completion script for a command-line shell
    Completions {
        /// The command-line shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Import files without SQL (not available yet)
    #[command(hide = true)]
    Import(Later),
    /// Export tables without SQL (not available yet)
    #[command(hide = true)]
    Export(Later),
    /// Back a database up (not available yet)
    #[command(hide = true)]
    Backup(Later),
    /// Work with the Normalized Data Format (not available yet)
    #[command(hide = true)]
    Ndf(Later),
    /// Be an Airbyte destination (not available yet)
    #[command(hide = true)]
    Airbyte(Later),
    /// Serve a database over the network (not available yet)
    #[command(hide = true)]
    Serve(Later),
}

/// The arguments of a subcommand that does not exist yet: anything.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Later {
    /// Ignored
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Something to run, from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The text of `-e`.
    Execute(String),
    /// The script of `-f`; `-` is standard input.
    File(PathBuf),
}

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// Options and subcommand.
    pub(crate) arguments: Arguments,
    /// `-e` and `-f`, in the order given.
    pub(crate) actions: Vec<Action>,
}

impl CommandLine {
    /// Parses the arguments; the error prints itself and may be a request for help.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let matches = Arguments::command().try_get_matches_from(arguments)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        if let Some((name, _)) = matches.subcommand() {
            refuse_shell_options(&matches, name)?;
        }
        let actions = actions(&arguments, &matches);
        Ok(Self { arguments, actions })
    }
}

impl Arguments {
    /// Returns the database directory that was named, here or in the environment.
    pub(crate) fn database(&self) -> Option<PathBuf> {
        self.database.clone().or_else(|| self.db.clone()).or_else(|| {
            std::env::var_os("WHARF_DB").filter(|path| !path.is_empty()).map(PathBuf::from)
        })
    }

    /// Returns whether to stop at the first error, if that was said.
    pub(crate) fn errexit(&self) -> Option<bool> {
        match (self.errexit, self.no_errexit) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// Refuses options of the shell beside a subcommand, which would have no effect there.
fn refuse_shell_options(matches: &ArgMatches, subcommand: &str) -> Result<(), clap::Error> {
    let given = matches.ids().map(clap::Id::as_str).find(|id| {
        let typed = matches.try_contains_id(id).is_ok()
            && matches.value_source(id) == Some(ValueSource::CommandLine);
        typed && !matches!(*id, "color" | "quiet" | "SessionArguments" | "Arguments")
    });
    let Some(id) = given else { return Ok(()) };
    let option = match id {
        "database" => "a database before it".to_owned(),
        id => format!("'--{}'", id.replace('_', "-")),
    };
    Err(Arguments::command().error(
        ErrorKind::ArgumentConflict,
        format!("the subcommand '{subcommand}' cannot be used with {option}"),
    ))
}

/// Returns `-e` and `-f` in the order in which they stand on the command line.
fn actions(arguments: &Arguments, matches: &ArgMatches) -> Vec<Action> {
    let places = |id| matches.indices_of(id).into_iter().flatten();
    let texts = arguments.execute.iter().cloned().map(Action::Execute);
    let files = arguments.file.iter().cloned().map(Action::File);
    let mut actions: Vec<(usize, Action)> =
        places("execute").zip(texts).chain(places("file").zip(files)).collect();
    actions.sort_by_key(|(place, _)| *place);
    actions.into_iter().map(|(_, action)| action).collect()
}

/// Parses `NAME=VALUE`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Parses a size in bytes: `1048576`, `64KiB`, `256MiB`, `1.5GB`. `K`, `M`, `G`, `T` alone are
/// binary, as in CockroachDB and PostgreSQL.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err("expected a size such as 256MiB or 1GB".to_owned()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(|| "the size is too large".to_owned());
    }
    let number: f64 =
        number.parse().map_err(|_| "expected a size such as 256MiB or 1GB".to_owned())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a fraction of a unit is rounded down, and the number holds no sign"
    )]
    Ok((number * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn is_a_consistent_definition() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn keeps_e_and_f_in_order() {
        let line = parse("wharf shop -e one -f two -e three -f -").unwrap();
        assert_eq!(
            line.actions,
            [
                Action::Execute("one".into()),
                Action::File("two".into()),
                Action::Execute("three".into()),
                Action::File("-".into()),
            ]
        );
        assert_eq!(line.arguments.database(), Some("shop".into()));
    }

    #[test]
    fn takes_a_subcommand_for_what_it_is() {
        assert!(matches!(
            parse("wharf test a b").unwrap().arguments.subcommand,
            Some(Subcommands::Test { rewrite: false, .. })
        ));
        assert_eq!(
            parse("wharf ./test").unwrap().arguments.database(),
            Some("./test".into()),
            "a path is a database"
        );
        assert!(matches!(
            parse("wharf import --x y").unwrap().arguments.subcommand,
            Some(Subcommands::Import(_))
        ));
    }

    #[test]
    fn refuses_shell_options_beside_a_subcommand() {
        assert_eq!(parse("wharf -e x test a").unwrap_err().exit_code(), 2);
        assert!(parse("wharf --quiet test a").is_ok());
    }

    #[test]
    fn takes_the_last_of_errexit_and_no_errexit() {
        assert_eq!(parse("wharf --errexit --no-errexit").unwrap().arguments.errexit(), Some(false));
        assert_eq!(parse("wharf --no-errexit --errexit").unwrap().arguments.errexit(), Some(true));
        assert_eq!(parse("wharf").unwrap().arguments.errexit(), None);
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("10b", 10),
            ("1KB", 1000),
            ("1K", 1024),
            ("256MiB", 256 << 20),
            ("1.5GiB", 3 << 29),
            ("2 GB", 2_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "x", "1X", "-1", "1.2.3", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_a_pair_without_a_name() {
        assert!(parse("wharf --set =x").is_err());
        assert_eq!(parse("wharf --set a=b=c").unwrap().arguments.set, [("a".into(), "b=c".into())]);
    }
}
