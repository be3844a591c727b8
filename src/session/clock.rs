//! The clock; nothing below `session` reads it by itself.

use crate::job::Clock;

/// The system's clock.
pub(super) const SYSTEM: Clock = Clock(now);

/// Returns the time in microseconds since 1970 in UTC.
#[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
