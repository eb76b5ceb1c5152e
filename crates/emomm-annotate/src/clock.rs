//! Time as it is stored: milliseconds since 1970 in UTC, and how it is shown.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in milliseconds since 1970.
pub type Millis = i64;

/// Milliseconds of a minute.
pub const MINUTE: Millis = 60_000;
/// Milliseconds of a day.
pub const DAY: Millis = 24 * 60 * MINUTE;

/// The time now; 0 on a machine whose clock stands before 1970.
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// `2026-11-28T22:15:03Z`.
///
/// ```
/// assert_eq!(emomm_annotate::clock::iso(1_000_000_000_000), "2001-09-09T01:46:40Z");
/// ```
pub fn iso(at: Millis) -> String {
    let (y, m, d) = date(at);
    let s = at.rem_euclid(DAY) / 1000;
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

/// `2026-11-28 22:15`, in UTC, as pages show it.
pub fn short(at: Millis) -> String {
    iso(at)[..16].replace('T', " ")
}

/// Year, month and day by the proleptic Gregorian calendar.
///
/// Days are counted from 1 March of year 0, so that the leap day is the last of its year; 146,097 days are 400 years.
fn date(at: Millis) -> (i64, i64, i64) {
    let days = at.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds by `date -u -d … +%s`.
    #[test]
    fn known_moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(iso(seconds * 1000), text);
        }
        assert_eq!(short(0), "1970-01-01 00:00");
    }
}
