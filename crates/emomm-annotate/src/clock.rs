//! Time as it is stored: milliseconds since 1970 in UTC, and how it is shown.

use std::time::{SystemTime, UNIX_EPOCH};

use emomm_dataset::civil_date;

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
    let (y, m, d) = civil_date(at.div_euclid(DAY));
    let s = at.rem_euclid(DAY) / 1000;
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

/// `2026-11-28 22:15`, in UTC, as pages show it.
pub fn short(at: Millis) -> String {
    iso(at)[..16].replace('T', " ")
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
