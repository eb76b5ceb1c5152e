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
