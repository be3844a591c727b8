//! Cluster settings: one table of names, kinds, defaults and meanings, and SET and RESET of them.

use super::suggestion::did_you_mean;
use super::{Plan, Planner};
use crate::catalog::Catalog;
use crate::error::{Error, Result, SqlState};
use crate::source::redact;
use crate::syntax::ast::{Ident, Value, ValueKind};

/// A cluster setting.
#[derive(Clone, Copy, Debug)]
pub struct ClusterSetting {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: SettingKind,
    /// The value while none is set, in canonical form.
    pub default: &'static str,
    /// What it does, as the end of "sets ...".
    pub doc: &'static str,
}

/// What the value of a cluster setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `true` or `false`.
    Bool,
    /// Any text.
    Text,
    /// The URL or path of a directory, or nothing.
    Location,
    /// A duration, kept as a whole number of seconds.
    Duration,
    /// A whole number of bytes.
    Bytes,
}

/// Every cluster setting, by name.
pub const CLUSTER_SETTINGS: &[ClusterSetting] = &[
    ClusterSetting {
        name: "experimental.importcsv.enabled",
        kind: SettingKind::Bool,
        default: "false",
        doc: "whether IMPORT TABLE may run",
    },
    ClusterSetting {
        name: "feature.export.enabled",
        kind: SettingKind::Bool,
        default: "true",
        doc: "whether EXPORT and COPY TO may run",
    },
    ClusterSetting {
        name: "feature.import.enabled",
        kind: SettingKind::Bool,
        default: "true",
        doc: "whether IMPORT TABLE and IMPORT INTO may run at all",
    },
    ClusterSetting {
        name: "gc.ttl",
        kind: SettingKind::Duration,
        default: "0",
        doc: "how long files of dropped data stay on disk; seconds, or text such as '25h' or '90m'",
    },
    ClusterSetting {
        name: "import.checkpoint_interval",
        kind: SettingKind::Duration,
        default: "5",
        doc: "how often an import writes down what it has read, to go on from there; 0 is at each \
              finished split",
    },
    ClusterSetting {
        name: "import.default_temp",
        kind: SettingKind::Location,
        default: "",
        doc: "where imports keep temporary files if their temp option is not given",
    },
    ClusterSetting {
        name: "import.split_size",
        kind: SettingKind::Bytes,
        default: "0",
        doc: "how many bytes of a file a thread reads at a time; 0 is by the size of the files",
    },
];

impl SettingKind {
    /// Returns the word that the reference uses for the kind.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Location => "url",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
        }
    }

    /// Returns the canonical form of `text`, or what it should be instead.
    fn check(self, text: &str) -> Result<String, &'static str> {
        match self {
            Self::Bool => {
                parse_bool(text).map(|value| value.to_string()).ok_or("Use true or false.")
            }
            Self::Text | Self::Location => Ok(text.to_owned()),
            Self::Bytes => text
                .parse()
                .map(|bytes: u64| bytes.to_string())
                .map_err(|_| "Use a whole number, such as 67108864."),
            Self::Duration => parse_duration(text, 1000)
                .filter(|milliseconds| milliseconds % 1000 == 0)
                .map(|milliseconds| (milliseconds / 1000).to_string())
                .ok_or("Use seconds, such as 90, or text such as '90m', '25h' or '7d'."),
        }
    }
}

/// Returns the value of a cluster setting, its default if none was set; nothing if there is no
/// such setting.
pub fn cluster_setting<'a>(catalog: &'a dyn Catalog, name: &str) -> Option<&'a str> {
    let setting = CLUSTER_SETTINGS.iter().find(|setting| setting.name == name)?;
    Some(catalog.setting(name).unwrap_or(setting.default))
}

/// Returns the setting called `name`.
pub(super) fn require(name: &Ident) -> Result<&'static ClusterSetting> {
    let found = CLUSTER_SETTINGS.iter().find(|setting| setting.name == name.value);
    found.ok_or_else(|| {
        let error = Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("cluster setting \"{}\" does not exist", name.value),
        )
        .hint("SHOW ALL CLUSTER SETTINGS lists them.");
        let known = CLUSTER_SETTINGS.iter().map(|setting| setting.name);
        did_you_mean(error.at(name.span), &name.value, known)
    })
}

/// Plans SET CLUSTER SETTING; without a value, RESET.
pub(super) fn plan_set(planner: &Planner<'_>, name: &Ident, value: Option<&Value>) -> Result<Plan> {
    planner.require_root("SET CLUSTER SETTING")?;
    let setting = require(name)?;
    let value = match value {
        None => None,
        Some(value) => Some(checked(setting, value)?),
    };
    Ok(Plan::SetClusterSetting { name: setting.name.to_owned(), value })
}

/// Returns the canonical form of a value given to `setting`.
fn checked(setting: &ClusterSetting, value: &Value) -> Result<String> {
    if value.kind == ValueKind::Placeholder {
        return Err(super::option::placeholder(value));
    }
    if setting.kind == SettingKind::Location && !value.text.is_empty() {
        super::option::location(value)?;
        require_no_secret(setting, value)?;
    }
    setting.kind.check(&value.text).map_err(|hint| {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid value for cluster setting \"{}\": \"{}\"", setting.name, value.text),
        )
        .at(value.span)
        .hint(hint)
    })
}

/// Fails if a URL holds what is redacted: a setting is stored and shown as it is.
fn require_no_secret(setting: &ClusterSetting, value: &Value) -> Result {
    if redact(&value.text) == value.text {
        return Ok(());
    }
    Err(Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("cluster setting \"{}\" must not hold credentials", setting.name),
    )
    .at(value.span)
    .detail("They would be stored in the database and shown to its users.")
    .hint("Say AUTH=implicit in the URL, or name the place in the option temp of each import."))
}

/// Returns the truth that a word stands for.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "on" | "yes" | "1" | "t" | "y" => Some(true),
        "false" | "off" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// Returns the milliseconds of a duration such as `90`, `90s`, `1h30m` or `0.5s`; a bare number
/// counts `bare` milliseconds.
pub(super) fn parse_duration(text: &str, bare: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<u64>() {
        return number.checked_mul(bare);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit: u64 = match unit {
            "ms" => 1,
            "s" | "sec" => 1000,
            "m" | "min" => 60 * 1000,
            "h" => 3600 * 1000,
            "d" => 24 * 3600 * 1000,
            _ => return None,
        };
        total = total.checked_add(scaled(number, unit)?)?;
        rest = tail.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// Returns `number * unit` for a number with at most three decimals.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if decimals.len() > 3 || whole.is_empty() {
        return None;
    }
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(thousandths.checked_mul(unit)? / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Session, fails, planned};

    fn check(sql: &str, expected: Option<&str>) {
        let Plan::SetClusterSetting { value, .. } = planned(sql).plan else { panic!("{sql}") };
        assert_eq!(value.as_deref(), expected, "{sql}");
    }

    #[test]
    fn defaults_are_canonical_and_names_sorted() {
        for setting in CLUSTER_SETTINGS {
            assert_eq!(setting.kind.check(setting.default).as_deref(), Ok(setting.default));
        }
        assert!(CLUSTER_SETTINGS.is_sorted_by_key(|setting| setting.name));
    }

    #[test]
    fn takes_truth_in_many_words() {
        for word in ["true", "on", "yes", "1", "'TRUE'"] {
            let sql = format!("SET CLUSTER SETTING experimental.importcsv.enabled = {word}");
            check(&sql, Some("true"));
        }
        check("SET CLUSTER SETTING experimental.importcsv.enabled = off", Some("false"));
        check("SET CLUSTER SETTING experimental.importcsv.enabled = DEFAULT", None);
        check("RESET CLUSTER SETTING experimental.importcsv.enabled", None);
    }

    #[test]
    fn keeps_durations_in_seconds() {
        check("SET CLUSTER SETTING gc.ttl = 90", Some("90"));
        check("SET CLUSTER SETTING gc.ttl = '1h30m'", Some("5400"));
        check("SET CLUSTER SETTING gc.ttl = '25h'", Some("90000"));
        assert_eq!(parse_duration("0.5s", 1), Some(500));
        assert_eq!(parse_duration("5 min", 1), Some(300_000));
        assert_eq!(parse_duration("", 1), None);
        assert_eq!(parse_duration("5x", 1), None);
        assert_eq!(parse_duration("99999999999999999999d", 1), None);
    }

    #[test]
    fn refuses_wrong_names_and_values() {
        let error =
            fails("SET CLUSTER SETTING gc.tl = 1", "42704", "cluster setting \"gc.tl\" does not");
        assert_eq!(error.hint_text(), Some("Did you mean \"gc.ttl\"?"));
        fails(
            "SET CLUSTER SETTING experimental.importcsv.enabled = maybe",
            "22023",
            "invalid value for cluster setting \"experimental.importcsv.enabled\": \"maybe\"",
        );
        fails("SET CLUSTER SETTING gc.ttl = '-1'", "22023", "invalid value for cluster setting");
        Session::default().user("alice").fails(
            "SET CLUSTER SETTING gc.ttl = 1",
            "42501",
            "only root is allowed to SET CLUSTER SETTING",
        );
    }
}
