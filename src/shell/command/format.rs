//! How results look: `\pset`, `\x`, `\t`, `\a`.

use super::general::{on_or_off, say, switch};
use super::{Words, missing, not_allowed};
use crate::error::Error;
use crate::shell::console::Console;
use crate::shell::flow::Flow;
use crate::shell::settings::{Expanded, Format, Settings};

/// An option of `\pset`.
struct PsetOption {
    name: &'static str,
    show: fn(&Settings) -> String,
    /// Sets the option; without a value a switch is turned.
    set: fn(&mut Settings, Option<&str>) -> Flow,
}

/// The options of `\pset`, in the order in which they are listed.
const OPTIONS: &[PsetOption] = &[
    PsetOption {
        name: "expanded",
        show: |settings| expanded_name(settings.expanded).to_owned(),
        set: |settings, value| {
            settings.expanded = parse_expanded(value, settings.expanded)?;
            Ok(())
        },
    },
    PsetOption {
        name: "footer",
        show: |settings| on_or_off(settings.footer).to_owned(),
        set: |settings, value| {
            settings.footer = switch(r"\pset footer", value, settings.footer)?;
            Ok(())
        },
    },
    PsetOption {
        name: "format",
        show: |settings| settings.format.name().to_owned(),
        set: |settings, value| {
            if let Some(value) = value {
                settings.format = Format::named(value).ok_or_else(|| no_format(value))?;
            }
            Ok(())
        },
    },
    PsetOption {
        name: "null",
        show: |settings| match &settings.null {
            Some(null) => format!("'{null}'"),
            None => "the format's own".to_owned(),
        },
        set: |settings, value| {
            settings.null = value.map(str::to_owned);
            Ok(())
        },
    },
    PsetOption {
        name: "pager",
        show: |settings| on_or_off(settings.pager).to_owned(),
        set: |settings, value| {
            settings.pager = switch(r"\pset pager", value, settings.pager)?;
            Ok(())
        },
    },
    PsetOption {
        name: "tuples_only",
        show: |settings| on_or_off(settings.tuples_only).to_owned(),
        set: |settings, value| {
            settings.tuples_only = switch(r"\pset tuples_only", value, settings.tuples_only)?;
            Ok(())
        },
    },
];

/// Returns the names of the options of `\pset`.
pub(crate) fn option_names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|option| option.name)
}

/// `\pset [NAME [VALUE]]`
pub(super) fn set(console: &mut Console, words: &Words) -> Flow {
    let Some(name) = words.get(0) else {
        let mut text = String::new();
        for option in OPTIONS {
            text += &format!("{:<12} {}\n", option.name, (option.show)(&console.settings));
        }
        return Ok(console.output.standard_rows(&text)?);
    };
    // psql knows `t`, `x` and others by short names.
    let full = match name {
        "x" | "vertical" => "expanded",
        "t" => "tuples_only",
        name => name,
    };
    let option = OPTIONS.iter().find(|option| option.name == full).ok_or_else(|| {
        not_allowed(r"option of \pset", name, &option_names().collect::<Vec<_>>())
    })?;
    (option.set)(&mut console.settings, words.get(1))?;
    say(console, &format!("{full} is {}.", (option.show)(&console.settings)));
    Ok(())
}

/// Returns the error of a format that does not exist.
pub(super) fn no_format(name: &str) -> Error {
    let names: Vec<_> = Format::NAMES.iter().map(|(name, _)| *name).collect();
    not_allowed("format", name, &names)
}

fn expanded_name(expanded: Expanded) -> &'static str {
    match expanded {
        Expanded::Off => "off",
        Expanded::On => "on",
        Expanded::Auto => "auto",
    }
}

fn parse_expanded(value: Option<&str>, current: Expanded) -> Flow<Expanded> {
    match value.map(|value| value.trim_end_matches(';')) {
        None if current == Expanded::Off => Ok(Expanded::On),
        None => Ok(Expanded::Off),
        Some("on") => Ok(Expanded::On),
        Some("off") => Ok(Expanded::Off),
        Some("auto") => Ok(Expanded::Auto),
        Some(value) => Err(not_allowed(r"value of \x", value, &["on", "off", "auto"]).into()),
    }
}

/// `\x [on|off|auto]`
pub(super) fn expanded(console: &mut Console, words: &Words) -> Flow {
    let expanded = parse_expanded(words.get(0), console.settings.expanded)?;
    console.settings.expanded = expanded;
    say(console, &format!("Expanded display is {}.", expanded_name(expanded)));
    Ok(())
}

/// `\t [on|off]`
pub(super) fn tuples_only(console: &mut Console, words: &Words) -> Flow {
    let only = switch(r"\t", words.get(0), console.settings.tuples_only)?;
    console.settings.tuples_only = only;
    say(console, &format!("Tuples only is {}.", on_or_off(only)));
    Ok(())
}

/// `\a`
#[expect(clippy::unnecessary_wraps, reason = "commands share a signature")]
pub(super) fn aligned(console: &mut Console, _words: &Words) -> Flow {
    let format = if console.settings.format == Format::Table { Format::Tsv } else { Format::Table };
    console.settings.format = format;
    say(console, &format!("The format is {}.", format.name()));
    Ok(())
}

/// `.mode FORMAT`
pub(super) fn mode(console: &mut Console, words: &Words) -> Flow {
    let name = words.get(0).ok_or_else(|| missing(".mode"))?;
    console.settings.format = Format::named(name).ok_or_else(|| no_format(name))?;
    Ok(())
}

/// `.nullvalue TEXT`
pub(super) fn null_text(console: &mut Console, words: &Words) -> Flow {
    console.settings.null = Some(words.get(0).ok_or_else(|| missing(".nullvalue"))?.to_owned());
    Ok(())
}
