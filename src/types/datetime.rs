//! The general reader of dates and times: the forms that PostgreSQL takes with
//! `DateStyle` set to `ISO, MDY`.
//!
//! `date`, `time` and `timestamp` try their own fast forms first and come here for the rest. What
//! comes out is a date, a time of day and a zone, each if it was written. There is no clock here, so
//! `now` and `today` are refused.

use crate::error::SqlState;

use super::civil::{YEARS, days_from_civil, days_in_month};
use super::fault::Fault;
use super::zone::{Zone, parse_offset};

/// A year, a month and a day that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    year: i32,
    month: u32,
    day: u32,
}

impl Civil {
    /// Returns the date if it exists and its year is in range.
    pub(super) fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let exists = YEARS.contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// Returns the number of days from 1970-01-01.
    pub(super) fn days(self) -> i32 {
        days_from_civil(self.year, self.month, self.day)
    }
}

/// What a text says.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// The date, if there is one.
    pub(super) date: Option<Civil>,
    /// Microseconds from midnight, up to a second more than a day, if a time is given.
    pub(super) time: Option<i64>,
    /// The zone, if one is given.
    pub(super) zone: Option<Zone>,
}

/// Reads a date, a time, or both; `time_first` takes six digits for a time rather than a date.
pub(super) fn read(text: &str, time_first: bool) -> Result<Moment, Fault> {
    let mut reader = Reader { rest: text.trim(), time_first, ..Reader::default() };
    if reader.rest.is_empty() {
        return Err(Fault::datetime());
    }
    while let Some(next) = reader.rest.bytes().next() {
        match next {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => reader.rest = &reader.rest[1..],
            b'0'..=b'9' => reader.number()?,
            b'+' | b'-' => reader.offset()?,
            b'a'..=b'z' | b'A'..=b'Z' => reader.word()?,
            _ => return Err(Fault::datetime()),
        }
    }
    reader.finish()
}

/// The parts seen so far.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    time_first: bool,
    year: Option<&'a str>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<i64>,
    zone: Option<Zone>,
    afternoon: Option<bool>,
    before_christ: Option<bool>,
}

impl<'a> Reader<'a> {
    /// Takes the longest prefix of such characters.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn dated(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }

    /// Reads what starts with a digit: a time, a date, or a part of one.
    fn number(&mut self) -> Result<(), Fault> {
        let all = self.rest;
        let digits = self.take(|c| c.is_ascii_digit());
        let mut after = self.rest.bytes();
        match (after.next(), after.next()) {
            (Some(b':'), _) => {
                self.rest = all;
                let text = self.take(|c| c.is_ascii_digit() || c == ':' || c == '.');
                self.set_time(clock(text)?)
            }
            (Some(b'.'), _) if digits.len() == 6 && self.expects_time() => {
                self.rest = all;
                let text = self.take(|c| c.is_ascii_digit() || c == '.');
                self.set_time(compact_clock(text)?)
            }
            (Some(mark @ (b'-' | b'/' | b'.')), Some(next))
                if !self.dated() && next.is_ascii_alphanumeric() && digits.len() < 8 =>
            {
                self.rest = all;
                self.parts(char::from(mark))
            }
            _ => self.digits(digits),
        }
    }

    fn expects_time(&self) -> bool {
        self.time.is_none() && (self.dated() || self.time_first)
    }

    /// Reads digits without a mark between them.
    fn digits(&mut self, digits: &'a str) -> Result<(), Fault> {
        match digits.len() {
            4 | 6 if self.expects_time() => self.set_time(compact_clock(digits)?),
            _ if self.dated() => Err(Fault::datetime()),
            6 | 8 | 14 if self.year.is_none() && self.month.is_none() && self.day.is_none() => {
                let (date, time) = digits.split_at(digits.len().min(8));
                let (year, rest) = date.split_at(date.len() - 4);
                self.set_date(year, &rest[..2], &rest[2..])?;
                if time.is_empty() { Ok(()) } else { self.set_time(compact_clock(time)?) }
            }
            1 | 2 if self.day.is_none() => {
                self.day = Some(small(digits)?);
                Ok(())
            }
            1..=7 if self.year.is_none() => {
                self.year = Some(digits);
                Ok(())
            }
            _ => Err(Fault::datetime()),
        }
    }

    /// Reads the parts of a date between marks: year, month, day; month, day, year; or with a word
    /// for the month.
    fn parts(&mut self, mark: char) -> Result<(), Fault> {
        let all = self.rest;
        self.take(|c| c.is_ascii_digit() || c == mark);
        let digits_end = all.len() - self.rest.len();
        // Behind a mark a word may be the month, as in 8-Jan-1999; a `T` after digits starts the time.
        if all[..digits_end].ends_with(mark) {
            self.take(|c| c.is_ascii_alphabetic());
            self.take(|c| c.is_ascii_digit() || c == mark);
        }
        let text = &all[..all.len() - self.rest.len()];
        let mut parts = text.split(mark);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(first), Some(second), Some(third), None) if self.month.is_none() => {
                if first.len() >= 3 {
                    self.set_date(first, second, third)
                } else if month_by_name(second).is_some() {
                    self.set_date(third, second, first)
                } else {
                    self.set_date(third, first, second)
                }
            }
            _ => Err(Fault::datetime()),
        }
    }

    fn set_date(&mut self, year: &'a str, month: &str, day: &str) -> Result<(), Fault> {
        if self.year.is_some() || self.month.is_some() || self.day.is_some() {
            return Err(Fault::datetime());
        }
        self.year = Some(year);
        self.month = Some(month_by_name(month).map_or_else(|| small(month), Ok)?);
        self.day = Some(small(day)?);
        Ok(())
    }

    fn set_time(&mut self, time: i64) -> Result<(), Fault> {
        if self.time.replace(time).is_some() { Err(Fault::datetime()) } else { Ok(()) }
    }

    fn set_zone(&mut self, zone: Zone) -> Result<(), Fault> {
        if self.zone.replace(zone).is_some() { Err(Fault::datetime()) } else { Ok(()) }
    }

    fn offset(&mut self) -> Result<(), Fault> {
        let (sign, rest) = self.rest.split_at(1);
        if rest.to_ascii_lowercase().starts_with("inf") {
            return Err(infinite());
        }
        self.rest = rest;
        let digits = self.take(|c| c.is_ascii_digit() || c == ':');
        if self.time.is_none() && !self.dated() {
            return Err(Fault::datetime());
        }
        let offset = parse_offset(&format!("{sign}{digits}")).ok_or_else(|| {
            Fault::new(SqlState::DATETIME_FIELD_OVERFLOW, "time zone displacement out of range")
        })?;
        self.set_zone(Zone::Offset(offset))
    }

    fn word(&mut self) -> Result<(), Fault> {
        let all = self.rest;
        let word = self.take(|c| c.is_ascii_alphabetic());
        if self.rest.starts_with(['/', '_']) {
            self.rest = all;
            let name =
                self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'));
            return self.set_zone(Zone::find(name).ok_or_else(|| no_zone(name))?);
        }
        if let Some(month) = month_by_name(word) {
            if self.month.replace(month).is_some() {
                return Err(Fault::datetime());
            }
            // In Jan-08-1999 a hyphen only separates.
            if !self.dated() && self.rest.starts_with('-') {
                return self.after_month();
            }
            return Ok(());
        }
        let repeated = match word.to_ascii_lowercase().as_str() {
            "am" => self.afternoon.replace(false).is_some(),
            "pm" => self.afternoon.replace(true).is_some(),
            "ad" => self.before_christ.replace(false).is_some(),
            "bc" => self.before_christ.replace(true).is_some(),
            "t" if self.dated() && self.time.is_none() => false,
            "epoch" => {
                self.set_date("1970", "01", "01")?;
                self.set_time(0)?;
                self.zone.replace(Zone::Offset(0)).is_some()
            }
            "inf" | "infinity" => return Err(infinite()),
            "now" | "today" | "tomorrow" | "yesterday" => {
                return Err(Fault::new(
                    SqlState::INVALID_DATETIME_FORMAT,
                    "a date must be written out",
                )
                .hint("Use now() or current_date in an expression."));
            }
            other if is_day_name(other) => false,
            _ => {
                let zone = Zone::find(word).ok_or_else(|| no_zone(word))?;
                return self.set_zone(zone);
            }
        };
        if repeated { Err(Fault::datetime()) } else { Ok(()) }
    }

    /// Reads `-08-1999` or `-1999` behind the name of a month.
    fn after_month(&mut self) -> Result<(), Fault> {
        let parts = self.take(|c| c.is_ascii_digit() || c == '-');
        for part in parts[1..].split('-') {
            match part.len() {
                0 => return Err(Fault::datetime()),
                1 | 2 if self.day.is_none() => self.day = Some(small(part)?),
                _ if self.year.replace(part).is_none() => {}
                _ => return Err(Fault::datetime()),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Moment, Fault> {
        let time = self.time_of_day()?;
        let date = match (self.year, self.month, self.day) {
            (None, None, None) if self.before_christ.is_none() && time.is_some() => None,
            (Some(year), Some(month), Some(day)) => {
                let year = full_year(year, self.before_christ)?;
                Some(Civil::new(year, month, day).ok_or_else(Fault::field_range)?)
            }
            _ => return Err(Fault::datetime()),
        };
        Ok(Moment { date, time, zone: self.zone })
    }

    /// Returns the time of day with `am` and `pm` applied.
    fn time_of_day(&self) -> Result<Option<i64>, Fault> {
        const HOUR: i64 = 3_600_000_000;
        let Some(time) = self.time else {
            return if self.afternoon.is_some() { Err(Fault::datetime()) } else { Ok(None) };
        };
        let (hour, rest) = (time / HOUR, time % HOUR);
        match self.afternoon {
            None => Ok(Some(time)),
            Some(_) if !(1..=12).contains(&hour) => Err(Fault::field_range()),
            Some(afternoon) => Ok(Some((hour % 12 + if afternoon { 12 } else { 0 }) * HOUR + rest)),
        }
    }
}

/// Returns the astronomical year: two digits mean 1970 to 2069, and 1 BC is 0.
fn full_year(digits: &str, before_christ: Option<bool>) -> Result<i32, Fault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::datetime());
    }
    let year: i32 = digits.parse().map_err(|_| Fault::field_range())?;
    match before_christ {
        _ if year == 0 && digits.len() > 2 => Err(Fault::field_range()),
        Some(true) if year == 0 => Err(Fault::field_range()),
        Some(true) => Ok(1 - year),
        Some(false) => Ok(year),
        None if digits.len() <= 2 => Ok(if year < 70 { year + 2000 } else { year + 1900 }),
        None => Ok(year),
    }
}

/// Reads a month or day of up to two digits.
fn small(digits: &str) -> Result<u32, Fault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::datetime());
    }
    if digits.len() > 2 {
        return Err(Fault::field_range());
    }
    digits.parse().map_err(|_| Fault::datetime())
}

/// Reads `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff` into microseconds.
pub(super) fn clock(text: &str) -> Result<i64, Fault> {
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(hours), Some(minutes), seconds, None) => {
            let seconds = seconds.unwrap_or("00");
            let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            assemble(small(hours)?, small(minutes)?, small(seconds)?, fraction)
        }
        _ => Err(Fault::datetime()),
    }
}

/// Reads `HHMM`, `HHMMSS` or `HHMMSS.ffffff` into microseconds.
fn compact_clock(text: &str) -> Result<i64, Fault> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    match digits.len() {
        4 => assemble(small(&digits[..2])?, small(&digits[2..])?, 0, fraction),
        6 => assemble(small(&digits[..2])?, small(&digits[2..4])?, small(&digits[4..])?, fraction),
        _ => Err(Fault::datetime()),
    }
}

/// Adds up a time of day; as in PostgreSQL a second 60 and the time 24:00:00 are taken.
fn assemble(hours: u32, minutes: u32, seconds: u32, fraction: &str) -> Result<i64, Fault> {
    let micros = micros_of(fraction).ok_or_else(Fault::datetime)?;
    let rest = i64::from(minutes * 60 + seconds) * 1_000_000 + micros;
    if hours > 24 || minutes > 59 || seconds > 60 || (hours == 24 && rest > 0) {
        return Err(Fault::field_range());
    }
    Ok(i64::from(hours) * 3_600_000_000 + rest)
}

/// Returns the digits behind the point of seconds as microseconds, rounded.
pub(super) fn micros_of(fraction: &str) -> Option<i64> {
    let mut micros = 0;
    let mut unit = 100_000;
    for (at, byte) in fraction.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(byte - b'0');
        if at == 6 && digit >= 5 {
            micros += 1;
        }
        micros += digit * unit;
        unit /= 10;
    }
    Some(micros)
}

fn month_by_name(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let short = word.eq_ignore_ascii_case("sept");
    let named =
        |month: &&str| word.eq_ignore_ascii_case(month) || word.eq_ignore_ascii_case(&month[..3]);
    let at =
        MONTHS.iter().position(|month| named(month) || (short && month.starts_with("sept")))?;
    u32::try_from(at + 1).ok()
}

fn is_day_name(word: &str) -> bool {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let short = ["tues", "wednes", "thur", "thurs"];
    short.contains(&word) || DAYS.iter().any(|day| word == *day || word == &day[..3])
}

fn infinite() -> Fault {
    Fault::new(SqlState::INVALID_DATETIME_FORMAT, "infinite dates are not supported")
}

fn no_zone(name: &str) -> Fault {
    Fault::new(
        SqlState::INVALID_DATETIME_FORMAT,
        format!("\"{}\" is neither a word of dates nor a time zone", crate::error::shorten(name)),
    )
}
