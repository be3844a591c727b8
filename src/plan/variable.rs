//! Session variables: one table of names, defaults and accepted values, and SET and RESET of them.

use super::setting::{parse_bool, parse_duration};
use super::suggestion::did_you_mean;
use super::{Plan, Planner, Variables, database};
use crate::catalog::{DEFAULT_DATABASE, PUBLIC_SCHEMA};
use crate::error::{Error, Result, Span, SqlState};
use crate::syntax::ast::{Ident, Value, ValueKind};

/// A session variable.
pub(super) struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value at first.
    default: &'static str,
    /// What it does.
    doc: &'static str,
    /// What it accepts.
    accepts: Accepts,
}

/// Which values a variable accepts.
enum Accepts {
    /// Those for which this returns the canonical form; else the error has this hint.
    Checked(fn(&str) -> Option<String>, &'static str),
    /// The name of a database.
    Database,
    /// None: it cannot be set.
    Nothing,
}

/// What the reference says of a session variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableHelp {
    /// Its name.
    pub name: &'static str,
    /// Its value at first.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// Every session variable, by name.
const VARIABLES: &[Variable] = &[
    Variable {
        name: "application_name",
        default: "wharf",
        doc: "any text that names the program",
        accepts: Accepts::Checked(|text| Some(text.to_owned()), ""),
    },
    Variable {
        name: "bytea_output",
        default: "hex",
        doc: "how BYTES are printed; hex alone",
        accepts: Accepts::Checked(|text| word(text, &["hex"]), "Use hex."),
    },
    Variable {
        name: "client_encoding",
        default: "UTF8",
        doc: "the encoding of text; UTF8 alone",
        accepts: Accepts::Checked(encoding, "Use UTF8."),
    },
    Variable {
        name: "database",
        default: DEFAULT_DATABASE,
        doc: "the current database, as USE sets it",
        accepts: Accepts::Database,
    },
    Variable {
        name: "datestyle",
        default: "ISO, MDY",
        doc: "how dates are printed and read; ISO alone",
        accepts: Accepts::Checked(datestyle, "Use ISO."),
    },
    Variable {
        name: "extra_float_digits",
        default: "1",
        doc: "accepted from -15 to 3; floats are always printed in their shortest exact form",
        accepts: Accepts::Checked(
            |text| {
                let number = text.parse::<i8>().ok()?;
                (-15..=3).contains(&number).then(|| number.to_string())
            },
            "Use a whole number from -15 to 3.",
        ),
    },
    Variable {
        name: "intervalstyle",
        default: "postgres",
        doc: "how INTERVALs are printed; postgres alone",
        accepts: Accepts::Checked(|text| word(text, &["postgres"]), "Use postgres."),
    },
    Variable {
        name: "search_path",
        default: PUBLIC_SCHEMA,
        doc: "where tables without a schema are sought; public alone",
        accepts: Accepts::Checked(search_path, "Use public."),
    },
    Variable {
        name: "server_version",
        default: concat!("16.0 (Wharf ", env!("CARGO_PKG_VERSION"), ")"),
        doc: "the version of PostgreSQL whose manners Wharf keeps, and its own; cannot be set",
        accepts: Accepts::Nothing,
    },
    Variable {
        name: "sql_safe_updates",
        default: "off",
        doc: "accepted for CockroachDB's scripts; no effect yet",
        accepts: Accepts::Checked(on_off, "Use on or off."),
    },
    Variable {
        name: "standard_conforming_strings",
        default: "on",
        doc: "whether a backslash in '...' is an ordinary character; on alone",
        accepts: Accepts::Checked(|text| on_off(text).filter(|value| value == "on"), "Use on."),
    },
    Variable {
        name: "statement_timeout",
        default: "0",
        doc: "the most milliseconds that a statement may take, or text such as '5s' or '2min'; 0 is \
              no limit",
        accepts: Accepts::Checked(
            |text| parse_duration(text, 1).map(|milliseconds| milliseconds.to_string()),
            "Use milliseconds, such as 5000, or text such as '5s' or '2min'.",
        ),
    },
    Variable {
        name: "timezone",
        default: "UTC",
        doc: "the zone in which TIMESTAMPTZ is read and printed; a name such as Europe/Oslo or an \
              offset such as +02:00",
        accepts: Accepts::Checked(
            timezone,
            "Use a name such as Europe/Oslo, or an offset such as +02:00.",
        ),
    },
    Variable {
        name: "transaction_isolation",
        default: "serializable",
        doc: "how transactions are kept apart; serializable alone",
        accepts: Accepts::Checked(|text| word(text, &["serializable"]), "Use serializable."),
    },
    Variable {
        name: "transaction_status",
        default: "NoTxn",
        doc: "NoTxn, Open or Aborted; cannot be set",
        accepts: Accepts::Nothing,
    },
];

/// Returns every session variable with its value at first.
pub fn default_variables() -> Variables {
    VARIABLES
        .iter()
        .map(|variable| (variable.name.to_owned(), variable.default.to_owned()))
        .collect()
}

/// Returns what the reference says of each session variable, by name.
pub fn variable_help() -> Vec<VariableHelp> {
    VARIABLES
        .iter()
        .map(|variable| VariableHelp {
            name: variable.name,
            default: variable.default,
            doc: variable.doc,
        })
        .collect()
}

/// Returns the variable called `name`.
pub(super) fn require(name: &Ident) -> Result<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name.value).ok_or_else(|| {
        let error = Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("unrecognized configuration parameter \"{}\"", name.value),
        )
        .hint("SHOW ALL lists them.");
        let known = VARIABLES.iter().map(|variable| variable.name);
        did_you_mean(error.at(name.span), &name.value, known)
    })
}

/// Plans SET; without a value, the variable's default.
pub(super) fn plan_set(planner: &Planner<'_>, name: &Ident, value: Option<&Value>) -> Result<Plan> {
    plan_change(planner, name, value, "SET")
}

/// Plans RESET of one variable, or of all but the database.
pub(super) fn plan_reset(planner: &Planner<'_>, name: &Ident) -> Result<Plan> {
    if name.value != "all" {
        return plan_change(planner, name, None, "RESET");
    }
    let values = VARIABLES
        .iter()
        .filter(|variable| matches!(variable.accepts, Accepts::Checked(..)))
        .map(|variable| (variable.name.to_owned(), variable.default.to_owned()))
        .collect();
    Ok(Plan::SetVariables { values, tag: "RESET" })
}

fn plan_change(
    planner: &Planner<'_>,
    name: &Ident,
    value: Option<&Value>,
    tag: &'static str,
) -> Result<Plan> {
    let variable = require(name)?;
    if let Some(value) = value.filter(|value| value.kind == ValueKind::Placeholder) {
        return Err(super::option::placeholder(value));
    }
    let (text, span) = match value {
        Some(value) => (value.text.as_str(), value.span),
        None => (variable.default, name.span),
    };
    match &variable.accepts {
        Accepts::Database => database::plan_use(planner, &Ident { value: text.to_owned(), span }),
        Accepts::Nothing => Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("parameter \"{}\" cannot be changed", variable.name),
        )
        .at(name.span)),
        Accepts::Checked(check, hint) => {
            let value = check(text).ok_or_else(|| invalid(variable, text, span).hint(*hint))?;
            Ok(Plan::SetVariables { values: vec![(variable.name.to_owned(), value)], tag })
        }
    }
}

fn invalid(variable: &Variable, text: &str, span: Span) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{}\": \"{text}\"", variable.name),
    )
    .at(span)
}

/// Returns the one of `words` that `text` is, in any case.
fn word(text: &str, words: &[&str]) -> Option<String> {
    let text = text.trim();
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| (*word).to_owned())
}

fn on_off(text: &str) -> Option<String> {
    parse_bool(text).map(|on| if on { "on" } else { "off" }.to_owned())
}

fn encoding(text: &str) -> Option<String> {
    word(text, &["utf8", "utf-8", "unicode", "utf_8"]).map(|_| "UTF8".to_owned())
}

/// Accepts ISO, with the order MDY or without one.
fn datestyle(text: &str) -> Option<String> {
    let mut parts = text.split(',').map(str::trim);
    parts.all(|part| word(part, &["iso", "mdy", "us"]).is_some()).then(|| "ISO, MDY".to_owned())
}

/// Accepts `public`, with the user's own schema and the system's beside it.
fn search_path(text: &str) -> Option<String> {
    let mut parts = text.split(',').map(|part| part.trim().trim_matches('"'));
    let known = [PUBLIC_SCHEMA, "$user", "pg_catalog"];
    parts.all(|part| known.contains(&part)).then(|| PUBLIC_SCHEMA.to_owned())
}

/// Returns the IANA name in its own spelling, or the offset as `+HH:MM`.
fn timezone(text: &str) -> Option<String> {
    let text = text.trim();
    if ["default", "local", "utc", "z", "zulu"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Some("UTC".to_owned());
    }
    let named = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text));
    match named {
        Some(zone) => Some(zone.name().to_owned()),
        None => offset(text),
    }
}

/// Returns an offset from UTC such as `2`, `-5`, `+02:00` or `+0530` as `+HH:MM`; east is positive.
fn offset(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => ('+', &text[1..]),
        b'-' => ('-', &text[1..]),
        _ => ('+', text),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let number = |part: &str| {
        let short = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if short { part.parse::<u8>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 15 && minutes <= 59).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{fails, planned};

    fn check(sql: &str, expected: &str) {
        let Plan::SetVariables { values, .. } = planned(sql).plan else { panic!("{sql}") };
        assert_eq!(values[0].1, expected, "{sql}");
    }

    #[test]
    fn defaults_are_canonical_and_names_sorted() {
        for variable in VARIABLES {
            if let Accepts::Checked(check, _) = &variable.accepts {
                assert_eq!(check(variable.default).as_deref(), Some(variable.default));
            }
        }
        assert!(VARIABLES.is_sorted_by_key(|variable| variable.name));
        assert_eq!(default_variables()["database"], "defaultdb");
    }

    #[test]
    fn makes_values_canonical() {
        check("SET application_name = 'My Loader'", "My Loader");
        check("SET timezone = 'europe/oslo'", "Europe/Oslo");
        check("SET timezone = 'utc'", "UTC");
        check("SET timezone = '+2'", "+02:00");
        check("SET timezone = '-05:30'", "-05:30");
        check("SET timezone = '+0530'", "+05:30");
        check("SET client_encoding = 'utf-8'", "UTF8");
        check("SET datestyle = 'ISO'", "ISO, MDY");
        check("SET statement_timeout = 5000", "5000");
        check("SET statement_timeout = '5s'", "5000");
        check("SET search_path = public", "public");
        check("SET sql_safe_updates = true", "on");
        check("SET extra_float_digits = 3", "3");
        check("SET timezone = DEFAULT", "UTC");
        check("RESET statement_timeout", "0");
    }

    #[test]
    fn resets_all_but_the_database() {
        let Plan::SetVariables { values, tag } = planned("RESET ALL").plan else { panic!("reset") };
        assert_eq!(tag, "RESET");
        assert_eq!(values.len(), VARIABLES.len() - 3);
        assert!(values.iter().all(|(name, _)| name != "database" && name != "server_version"));
    }

    #[test]
    fn sets_the_database_as_use_does() {
        assert!(
            matches!(planned("SET database = shop").plan, Plan::Use { name } if name == "shop")
        );
        fails("SET database = nope", "3D000", "database \"nope\" does not exist");
    }

    #[test]
    fn refuses_wrong_names_and_values() {
        let error = fails("SET timezon = 'UTC'", "42704", "unrecognized configuration parameter");
        assert_eq!(error.hint_text(), Some("Did you mean \"timezone\"?"));
        for (name, value) in [
            ("timezone", "Mars/Olympus"),
            ("timezone", "+99:00"),
            ("client_encoding", "LATIN1"),
            ("datestyle", "German"),
            ("statement_timeout", "-1"),
            ("extra_float_digits", "4"),
            ("sql_safe_updates", "perhaps"),
            ("search_path", "other"),
            ("standard_conforming_strings", "off"),
            ("transaction_isolation", "snapshot"),
            ("bytea_output", "escape"),
            ("intervalstyle", "iso_8601"),
        ] {
            let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
            fails(&format!("SET {name} = '{value}'"), "22023", &message);
        }
        fails(
            "SET server_version = '17'",
            "55000",
            "parameter \"server_version\" cannot be changed",
        );
    }
}
