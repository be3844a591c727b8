//! Time zones: offsets, abbreviations and names of the tz database.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

/// Abbreviations that PostgreSQL knows and the tz database lacks or reads otherwise, with their hours
/// and minutes east of UTC.
const ABBREVIATIONS: &[(&str, i32, i32)] = &[
    ("z", 0, 0),
    ("zulu", 0, 0),
    ("utc", 0, 0),
    ("ut", 0, 0),
    ("gmt", 0, 0),
    ("wet", 0, 0),
    ("west", 1, 0),
    ("bst", 1, 0),
    ("cet", 1, 0),
    ("mez", 1, 0),
    ("cest", 2, 0),
    ("mesz", 2, 0),
    ("eet", 2, 0),
    ("eest", 3, 0),
    ("msk", 3, 0),
    ("jst", 9, 0),
    ("kst", 9, 0),
    ("ast", -4, 0),
    ("adt", -3, 0),
    ("est", -5, 0),
    ("edt", -4, 0),
    ("cst", -6, 0),
    ("cdt", -5, 0),
    ("mst", -7, 0),
    ("mdt", -6, 0),
    ("pst", -8, 0),
    ("pdt", -7, 0),
    ("akst", -9, 0),
    ("akdt", -8, 0),
    ("hst", -10, 0),
    ("nst", -3, -30),
    ("aest", 10, 0),
    ("aedt", 11, 0),
    ("acst", 9, 30),
    ("awst", 8, 0),
    ("nzst", 12, 0),
    ("nzdt", 13, 0),
];

/// Where a time was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// So many seconds east of UTC.
    Offset(i32),
    /// A place, whose offset depends on the time.
    Named(Tz),
}

impl Zone {
    /// Finds a zone by its name or abbreviation, in any case.
    pub(super) fn find(name: &str) -> Option<Self> {
        let short = ABBREVIATIONS.iter().find(|(short, ..)| short.eq_ignore_ascii_case(name));
        if let Some((_, hours, minutes)) = short {
            return Some(Self::Offset(hours * 3600 + minutes * 60));
        }
        let exact = name.parse().ok();
        exact
            .or_else(|| TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name)))
            .map(Self::Named)
    }

    /// Returns the seconds east of UTC at a local time in microseconds, if the calendar reaches it.
    ///
    /// As in PostgreSQL, a time that the clock skipped or showed twice is read as standard time.
    pub(super) fn offset_at_local(self, local: i64) -> Option<i64> {
        let zone = match self {
            Self::Offset(seconds) => return Some(i64::from(seconds)),
            Self::Named(zone) => zone,
        };
        let local = DateTime::from_timestamp_micros(local)?.naive_utc();
        let at = |local: &NaiveDateTime| zone.offset_from_local_datetime(local).latest();
        let offset = match at(&local) {
            Some(offset) => offset,
            // The hour before the gap is in the time that the clock left.
            None => at(&local.checked_sub_signed(chrono::TimeDelta::hours(3))?)?,
        };
        Some(i64::from(offset.fix().local_minus_utc()))
    }
}

/// Parses `+05`, `-05:30`, `+0530` or `+05:30:15` into seconds east of UTC.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let mut parts = [0_i32; 3];
    if digits.contains(':') {
        let mut texts = digits.split(':');
        for (part, text) in parts.iter_mut().zip(texts.by_ref()) {
            *part = number(text, 2)?;
        }
        if texts.next().is_some() {
            return None;
        }
    } else {
        let whole = number(digits, 6)?;
        parts = match digits.len() {
            1 | 2 => [whole, 0, 0],
            3 | 4 => [whole / 100, whole % 100, 0],
            _ => [whole / 10_000, whole / 100 % 100, whole % 100],
        };
    }
    let [hours, minutes, seconds] = parts;
    let valid = hours <= 15 && minutes < 60 && seconds < 60;
    valid.then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}

fn number(text: &str, longest: usize) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.len() <= longest).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets() {
        for (text, seconds) in [
            ("+05", 18_000),
            ("-5", -18_000),
            ("-05:30", -19_800),
            ("+0530", 19_800),
            ("+530", 19_800),
            ("+00:00:15", 15),
        ] {
            assert_eq!(parse_offset(text), Some(seconds), "{text}");
        }
        for text in ["", "05", "+", "+16", "+05:60", "+05:", "+1:2:3:4", "+1234567", "+a"] {
            assert_eq!(parse_offset(text), None, "{text}");
        }
    }

    #[test]
    fn finds_names_in_any_case() {
        assert_eq!(Zone::find("america/new_york"), Some(Zone::Named(Tz::America__New_York)));
        assert_eq!(Zone::find("PST"), Some(Zone::Offset(-28_800)));
        assert_eq!(Zone::find("Nowhere/Atall"), None);
    }
}
