//! Timestamps: microseconds from 1970-01-01, local or in UTC.

use crate::error::Result;

use super::civil::DAY_MICROS;
use super::datetime;
use super::fault::{self, Fault};
use super::zone::Zone;
use super::{date, time};

/// What a zone in the text means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// TIMESTAMP: the zone is ignored.
    Local,
    /// TIMESTAMPTZ: the time is told in the zone, or in UTC if there is none.
    Moment,
}

impl Kind {
    fn family(self) -> &'static str {
        match self {
            Self::Local => "timestamp",
            Self::Moment => "timestamptz",
        }
    }
}

/// Parses a timestamp; a date alone is its midnight.
#[inline]
pub(super) fn parse(bytes: &[u8], kind: Kind) -> Result<i64> {
    match fast(bytes, kind) {
        Some(micros) => Ok(micros),
        None => slow(bytes, kind),
    }
}

/// Parses `YYYY-MM-DD`, or with ` HH:MM:SS[.ffffff]` and perhaps a zone of hours and minutes.
#[inline]
fn fast(bytes: &[u8], kind: Kind) -> Option<i64> {
    let (date_text, rest) = bytes.split_first_chunk::<10>()?;
    let midnight = i64::from(date::fast(date_text)?) * DAY_MICROS;
    let [b' ' | b'T', rest @ ..] = rest else {
        return rest.is_empty().then_some(midnight);
    };
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let (fraction, zone) = time::fast_fraction(rest)?;
    let local = midnight + time::fast(*clock)? + fraction;
    let digit = |byte: u8| Some(i64::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z'] => return Some(local),
        [sign, a, b] => (sign, digit(a)? * 10 + digit(b)?, 0),
        [sign, a, b, b':', c, d] => (sign, digit(a)? * 10 + digit(b)?, digit(c)? * 10 + digit(d)?),
        _ => return None,
    };
    if hours > 15 || minutes > 59 {
        return None;
    }
    let east = (hours * 60 + minutes) * 60_000_000;
    match (sign, kind) {
        (b'+' | b'-', Kind::Local) => Some(local),
        (b'+', Kind::Moment) => Some(local - east),
        (b'-', Kind::Moment) => Some(local + east),
        _ => None,
    }
}

#[cold]
fn slow(bytes: &[u8], kind: Kind) -> Result<i64> {
    let text = fault::utf8(bytes)?;
    general(text, kind).map_err(|fault| fault.of(kind.family(), bytes))
}

fn general(text: &str, kind: Kind) -> Result<i64, Fault> {
    let moment = datetime::read(text, false)?;
    let date = moment.date.ok_or_else(Fault::datetime)?;
    let local = i64::from(date.days()) * DAY_MICROS + moment.time.unwrap_or(0);
    let zone = match kind {
        Kind::Local => Zone::Offset(0),
        Kind::Moment => moment.zone.unwrap_or(Zone::Offset(0)),
    };
    let east = zone.offset_at_local(local).ok_or_else(Fault::field_range)?;
    Ok(local - east * 1_000_000)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use crate::error::SqlState;

    use super::*;

    #[track_caller]
    fn check(text: &str, kind: Kind, rfc3339: &str) {
        let expected = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_micros();
        assert_eq!(parse(text.as_bytes(), kind).unwrap(), expected, "{text}");
        assert_eq!(slow(text.as_bytes(), kind).unwrap(), expected, "{text}");
    }

    #[test]
    fn reads_local_times_and_ignores_zones() {
        let check = |text, expected| check(text, Kind::Local, expected);
        check("2016-01-25", "2016-01-25T00:00:00Z");
        check("2016-01-25 10:10:10", "2016-01-25T10:10:10Z");
        check("2016-01-25T10:10:10", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10.555555", "2016-01-25T10:10:10.555555Z");
        check("2016-01-25 10:10:10.5555555", "2016-01-25T10:10:10.555556Z");
        check("2016-01-25 10:10:10.5", "2016-01-25T10:10:10.5Z");
        check("2016-01-25 10:10", "2016-01-25T10:10:00Z");
        check("2016-01-25 10:10:10-05:00", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10+05", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10 PST", "2016-01-25T10:10:10Z");
        check("20160125T101010", "2016-01-25T10:10:10Z");
        check("20160125101010", "2016-01-25T10:10:10Z");
        check("20160125 101010.25", "2016-01-25T10:10:10.25Z");
        check("Jan 25 10:10:10 2016", "2016-01-25T10:10:10Z");
        check("Mon Jan 25 10:10:10 2016", "2016-01-25T10:10:10Z");
        check("10:10:10 2016-01-25", "2016-01-25T10:10:10Z");
        check("2016-01-25 24:00:00", "2016-01-26T00:00:00Z");
        check("2016-12-31 23:59:60", "2017-01-01T00:00:00Z");
        check("2016-01-25 10:10 PM", "2016-01-25T22:10:00Z");
    }

    #[test]
    fn converts_zones() {
        let check = |text, expected| check(text, Kind::Moment, expected);
        check("2016-01-25 10:10:10", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10Z", "2016-01-25T10:10:10Z");
        check("2016-01-25T10:10:10z", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10 UTC", "2016-01-25T10:10:10Z");
        check("2016-01-25 10:10:10+05", "2016-01-25T10:10:10+05:00");
        check("2016-01-25 10:10:10.25-05:30", "2016-01-25T10:10:10.25-05:30");
        check("2016-01-25 10:10:10 +0530", "2016-01-25T10:10:10+05:30");
        check("2016-01-25 10:10:10 EST", "2016-01-25T10:10:10-05:00");
        check("2016-01-25 10:10:10 America/New_York", "2016-01-25T10:10:10-05:00");
        check("2016-07-25 10:10:10 america/new_york", "2016-07-25T10:10:10-04:00");
        check("2016-01-25 +05", "2016-01-25T00:00:00+05:00");
        // Skipped by the clock, and shown twice by it.
        check("2020-03-08 02:30 America/New_York", "2020-03-08T02:30:00-05:00");
        check("2020-11-01 01:30 America/New_York", "2020-11-01T01:30:00-05:00");
        check("epoch", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn refuses_the_rest() {
        for (text, code) in [
            ("", SqlState::INVALID_DATETIME_FORMAT),
            ("abc", SqlState::INVALID_DATETIME_FORMAT),
            ("10:00", SqlState::INVALID_DATETIME_FORMAT),
            ("2016-01-25 10:10:10 Mars/Base", SqlState::INVALID_DATETIME_FORMAT),
            ("2016-01-25 10:10:10 Z Z", SqlState::INVALID_DATETIME_FORMAT),
            ("infinity", SqlState::INVALID_DATETIME_FORMAT),
            ("now", SqlState::INVALID_DATETIME_FORMAT),
            ("2016-01-25 25:00", SqlState::DATETIME_FIELD_OVERFLOW),
            ("2016-01-25 10:10:10+16", SqlState::DATETIME_FIELD_OVERFLOW),
            ("2016-02-30 10:10:10", SqlState::DATETIME_FIELD_OVERFLOW),
        ] {
            assert_eq!(parse(text.as_bytes(), Kind::Moment).unwrap_err().code(), code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            for form in ["%Y-%m-%d %H:%M:%S%.6f", "%Y-%m-%dT%H:%M:%S%.6f%:z", "%Y-%m-%d %H:%M:%S%.f%z"] {
                let text = moment.format(form).to_string();
                prop_assert_eq!(parse(text.as_bytes(), Kind::Moment).unwrap(), micros);
                prop_assert_eq!(slow(text.as_bytes(), Kind::Local).unwrap(), micros);
            }
        }

        #[test]
        fn fast_and_general_reader_agree(text in "20[0-2][0-9]-0[1-9]-[0-2][0-9][ T][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,7})?(Z|[-+][01][0-9](:[0-6][0-9])?)?") {
            for kind in [Kind::Local, Kind::Moment] {
                if let Some(micros) = fast(text.as_bytes(), kind) {
                    prop_assert_eq!(slow(text.as_bytes(), kind).unwrap(), micros);
                }
            }
        }
    }
}
