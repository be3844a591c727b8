//! Calendar arithmetic: the proleptic Gregorian calendar as days from 1970-01-01.
//!
//! Years are astronomical: 0 is 1 BC.

/// Microseconds in a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// The first and last year that a date can have: those of PostgreSQL and of the calendar library
/// that queries use.
pub(super) const YEARS: std::ops::RangeInclusive<i32> = -4712..=262_141;

/// Returns the number of days from 1970-01-01 to a date that exists.
///
/// The year starts in March, so that the leap day is its last; eras are of 400 years.
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "months and days are below 32")]
pub(super) const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let (month, day) = (month as i32, day as i32);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Returns the year, month and day of a number of days from 1970-01-01.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "months and days are below 32"
)]
pub(super) const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month as u32, day as u32)
}

/// Returns how many days a month has.
#[inline]
pub(super) const fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_chrono(days in -2_440_000i32..95_000_000) {
            let date = NaiveDate::from_epoch_days(days).unwrap();
            prop_assert_eq!(
                civil_from_days(i64::from(days)),
                (i64::from(date.year()), date.month(), date.day())
            );
            prop_assert_eq!(days_from_civil(date.year(), date.month(), date.day()), days);
            prop_assert!(date.day() <= days_in_month(date.year(), date.month()));
        }
    }
}
