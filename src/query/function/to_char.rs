//! The pictures of PostgreSQL's `to_char` for dates and timestamps.

use chrono::{Datelike, NaiveDateTime, Timelike};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The patterns, the longer before those that begin alike.
const PATTERNS: &[&str] = &[
    "HH24", "HH12", "HH", "MI", "MS", "US", "SSSS", "SS", "AM", "PM", "am", "pm", "A.M.", "P.M.",
    "a.m.", "p.m.", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IW", "BC", "AD", "MONTH", "Month",
    "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DDD", "DD", "DY", "Dy", "dy", "D",
    "ID", "WW", "W", "CC", "J", "Q", "TH", "th",
];

/// Returns `moment` as `picture` describes. What is no pattern stands for itself, as does text in
/// double quotes.
pub(super) fn format(moment: &NaiveDateTime, picture: &str) -> String {
    let mut out = String::new();
    let mut rest = picture;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, tail) = quoted.split_once('"').unwrap_or((quoted, ""));
            out += text;
            rest = tail;
            continue;
        }
        let (pad, body) = match rest.strip_prefix("FM") {
            Some(body) => (false, body),
            None => (true, rest),
        };
        if let Some(pattern) = PATTERNS.iter().find(|pattern| body.starts_with(**pattern)) {
            let text = field(moment, pattern, &out);
            out += if pad { text.as_str() } else { unpadded(&text) };
            rest = &body[pattern.len()..];
        } else {
            let mut chars = body.chars();
            out.extend(chars.next());
            rest = chars.as_str();
        }
    }
    out
}

/// Takes the filling off a field, as FM asks.
fn unpadded(text: &str) -> &str {
    let text = text.trim_end();
    let bare = text.trim_start_matches('0');
    if bare.is_empty() && !text.is_empty() { "0" } else { bare }
}

fn field(moment: &NaiveDateTime, pattern: &str, before: &str) -> String {
    let hour12 = moment.hour12().1;
    let month = MONTHS[moment.month0() as usize];
    let weekday = moment.weekday().num_days_from_sunday();
    let day = DAYS[weekday as usize];
    let micros = moment.nanosecond() / 1000;
    let year = moment.year();
    match pattern {
        "HH24" => format!("{:02}", moment.hour()),
        "HH12" | "HH" => format!("{hour12:02}"),
        "MI" => format!("{:02}", moment.minute()),
        "SS" => format!("{:02}", moment.second()),
        "MS" => format!("{:03}", micros / 1000),
        "US" => format!("{micros:06}"),
        "SSSS" => moment.num_seconds_from_midnight().to_string(),
        "AM" | "PM" => if moment.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        "am" | "pm" => if moment.hour() < 12 { "am" } else { "pm" }.to_owned(),
        "A.M." | "P.M." => if moment.hour() < 12 { "A.M." } else { "P.M." }.to_owned(),
        "a.m." | "p.m." => if moment.hour() < 12 { "a.m." } else { "p.m." }.to_owned(),
        "BC" | "AD" => if year > 0 { "AD" } else { "BC" }.to_owned(),
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => format!("{year:04}"),
        "YYY" => format!("{:03}", year.rem_euclid(1000)),
        "YY" => format!("{:02}", year.rem_euclid(100)),
        "Y" => year.rem_euclid(10).to_string(),
        "IYYY" => format!("{:04}", moment.iso_week().year()),
        "IW" => format!("{:02}", moment.iso_week().week()),
        "MONTH" => format!("{:<9}", month.to_uppercase()),
        "Month" => format!("{month:<9}"),
        "month" => format!("{:<9}", month.to_lowercase()),
        "MON" => month[..3].to_uppercase(),
        "Mon" => month[..3].to_owned(),
        "mon" => month[..3].to_lowercase(),
        "MM" => format!("{:02}", moment.month()),
        "DAY" => format!("{:<9}", day.to_uppercase()),
        "Day" => format!("{day:<9}"),
        "day" => format!("{:<9}", day.to_lowercase()),
        "DY" => day[..3].to_uppercase(),
        "Dy" => day[..3].to_owned(),
        "dy" => day[..3].to_lowercase(),
        "DDD" => format!("{:03}", moment.ordinal()),
        "DD" => format!("{:02}", moment.day()),
        "D" => (weekday + 1).to_string(),
        "ID" => moment.weekday().number_from_monday().to_string(),
        "WW" => format!("{:02}", moment.ordinal0() / 7 + 1),
        "W" => (moment.day0() / 7 + 1).to_string(),
        "CC" => format!("{:02}", (year + 99).div_euclid(100)),
        "J" => (moment.num_days_from_ce() + 1_721_425).to_string(),
        "Q" => (moment.month0() / 3 + 1).to_string(),
        "TH" => ordinal(before).to_uppercase(),
        "th" => ordinal(before).to_owned(),
        _ => String::new(),
    }
}

/// Returns the ending of the ordinal number at the end of `before`.
fn ordinal(before: &str) -> &'static str {
    let mut digits = before.chars().rev();
    match (digits.next(), digits.next()) {
        (_, Some('1')) => "th",
        (Some('1'), _) => "st",
        (Some('2'), _) => "nd",
        (Some('3'), _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn check(picture: &str, expected: &str) {
        let moment = NaiveDate::from_ymd_opt(2024, 3, 5)
            .unwrap()
            .and_hms_micro_opt(15, 4, 9, 12_345)
            .unwrap();
        assert_eq!(format(&moment, picture), expected, "{picture}");
    }

    #[test]
    fn formats_as_postgresql_does() {
        check("YYYY-MM-DD HH24:MI:SS", "2024-03-05 15:04:09");
        check("HH12:MI am", "03:04 pm");
        check("Mon FMDDth, YY", "Mar 5th, 24");
        check("FMDay \"of\" FMMonth", "Tuesday of March");
        check("Day|", "Tuesday  |");
        check("US MS", "012345 012");
        check("Q DDD IW J", "1 065 10 2460375");
    }
}
