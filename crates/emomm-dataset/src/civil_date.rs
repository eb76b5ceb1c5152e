//! Dates by the proleptic Gregorian calendar. Logs, price tables and audit trails name days; the clock is theirs.

/// Year, month and day of a day counted from 1 January 1970.
///
/// Days are counted from 1 March of year 0, so that the leap day is the last of its year; 146,097 days are 400 years.
///
/// ```
/// assert_eq!(emomm_dataset::civil_date(19_782), (2024, 2, 29));
/// ```
pub fn civil_date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1 January 1970 to a day of the years 0 to 9999; `None` where the calendar has no such day.
///
/// ```
/// assert_eq!(emomm_dataset::days_since_1970(2024, 2, 29), Some(19_782));
/// assert_eq!(emomm_dataset::days_since_1970(2023, 2, 29), None);
/// ```
pub fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let days = y * 365 + leap_days + (153 * m + 2) / 5 + day - 1 - 719_468;
    (civil_date(days) == (year, month, day)).then_some(days)
}

/// As [`days_since_1970`], of a day as it is written in files, `YYYY-MM-DD`; `None` of what is written otherwise.
///
/// ```
/// assert_eq!(emomm_dataset::day_of("2024-02-29"), Some(19_782));
/// assert_eq!(emomm_dataset::day_of("2024-2-29"), None);
/// ```
pub fn day_of(text: &str) -> Option<i64> {
    let numbers: Option<Vec<i64>> = text.split('-').map(|part| part.parse().ok()).collect();
    let &[year, month, day] = numbers?.as_slice() else { return None };
    days_since_1970(year, month, day).filter(|_| format!("{year:04}-{month:02}-{day:02}") == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_other_s_inverse() {
        for days in (-719_468 + 60..2_932_896).step_by(61) {
            let (year, month, day) = civil_date(days);
            assert_eq!(days_since_1970(year, month, day), Some(days), "{year} {month} {day}");
        }
        assert_eq!(days_since_1970(1970, 1, 1), Some(0));
        for (year, month, day) in
            [(2026, 2, 29), (1900, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0)]
        {
            assert_eq!(days_since_1970(year, month, day), None, "{year} {month} {day}");
        }
        assert!(days_since_1970(2000, 2, 29).is_some());
        assert_eq!(days_since_1970(i64::MAX, 1, 1), None);
    }
}
