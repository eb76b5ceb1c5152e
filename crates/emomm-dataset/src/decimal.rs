//! Decimal text as an exact fraction, so that no score passes through a binary float on its way to the grid.
//!
//! Label files hold scores as text. `0.3` and `1.5` are ties of the 0.2 grid (App. A.1); a double is only near
//! them, so the tie would be decided by its last bit. Here the text becomes an integer over a power of ten.

use std::cmp::Ordering;
use std::str::FromStr;

/// An exact decimal number, `mantissa` × 10^−`scale`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Digits kept after the point. More are cut off, which moves a score by less than 1e-24.
const MAX_SCALE: u32 = 24;

/// Significant digits that are read.
const MAX_DIGITS: usize = 30;

/// Magnitudes from here on are refused: scores are small, and products must not overflow.
const MAX_MAGNITUDE: i128 = 1_000_000_000;

/// Decimals of a score that a person or an average of annotators writes.
const SHORT_SCALE: u32 = 4;

/// Half a unit of the seventh decimal: the error of a single-precision number of magnitude up to 4.
const SINGLE_PRECISION_ERROR: i128 = 5;
const SINGLE_PRECISION_ERROR_SCALE: u32 = 7;

/// The text is not a finite decimal number of moderate size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADecimal;

impl Decimal {
    /// The non-negative `mantissa` × 10^−`scale`, `None` if it is too large.
    fn with_scale(mantissa: i128, scale: i64) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self { mantissa: 0, scale: 0 });
        }
        let kept = scale.clamp(0, i64::from(MAX_SCALE)) as u32;
        let power = |exponent: i64| u32::try_from(exponent).ok().and_then(|e| 10_i128.checked_pow(e));
        let mantissa = if scale < 0 {
            mantissa.checked_mul(power(-scale)?)?
        } else {
            // A power too large to hold leaves nothing of the number.
            power(scale - i64::from(kept)).map_or(0, |cut| mantissa / cut)
        };
        (mantissa / 10_i128.pow(kept) < MAX_MAGNITUDE).then_some(Self { mantissa, scale: kept })
    }

    /// Whether the magnitude is greater than the whole number `limit`.
    pub fn exceeds(self, limit: u32) -> bool {
        self.mantissa.abs() > i128::from(limit) * 10_i128.pow(self.scale)
    }

    /// −1, 0 or 1.
    pub fn signum(self) -> i8 {
        self.mantissa.signum() as i8
    }

    /// The number over a denominator of 5 steps a unit, divided by `divisor`: (whole steps, whether it was exact).
    ///
    /// Halves go to the even step, as `round_ties_even(5x)` does.
    pub fn steps(self, divisor: u32) -> (i128, bool) {
        let numerator = 5 * self.mantissa;
        let denominator = i128::from(divisor) * 10_i128.pow(self.scale);
        let floor = numerator.div_euclid(denominator);
        let rest = numerator.rem_euclid(denominator);
        let up = match (2 * rest).cmp(&denominator) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => floor % 2 != 0,
        };
        (floor + i128::from(up), rest == 0)
    }

    /// The number with at most four decimals of which this one is the single-precision image, if there is one
    /// and it differs: `-2.4000000953674316` gives −2.4. Files written from float arrays hold such numbers.
    pub fn without_single_precision_error(self) -> Option<Self> {
        if self.scale <= SINGLE_PRECISION_ERROR_SCALE {
            return None;
        }
        let unit = 10_i128.pow(self.scale - SHORT_SCALE);
        let floor = self.mantissa.div_euclid(unit);
        let nearest = floor + i128::from(2 * self.mantissa.rem_euclid(unit) >= unit);
        let error = (self.mantissa - nearest * unit).abs();
        let allowed = SINGLE_PRECISION_ERROR * 10_i128.pow(self.scale - SINGLE_PRECISION_ERROR_SCALE);
        (error != 0 && error <= allowed).then_some(Self { mantissa: nearest, scale: SHORT_SCALE })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let raised = |d: &Self| d.mantissa * 10_i128.pow(scale - d.scale);
        raised(self).cmp(&raised(other))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl FromStr for Decimal {
    type Err = NotADecimal;

    /// Reads an optional sign, digits with at most one point, and an optional exponent. Blanks around are ignored.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let text = text.trim();
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| NotADecimal)?),
            None => (text, 0),
        };
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotADecimal);
        }
        let significant = all.trim_start_matches('0');
        let kept = &significant[..significant.len().min(MAX_DIGITS)];
        let mantissa: i128 = if kept.is_empty() { 0 } else { kept.parse().map_err(|_| NotADecimal)? };
        let dropped = significant.len() - kept.len();
        let scale = fraction.len() as i64 - dropped as i64 - i64::from(exponent);
        let magnitude = Self::with_scale(mantissa, scale).ok_or(NotADecimal)?;
        Ok(if negative { Self { mantissa: -magnitude.mantissa, ..magnitude } } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str, divisor: u32) -> i128 {
        text.parse::<Decimal>().unwrap().steps(divisor).0
    }

    /// App. A.1 with ties to even: 5x/3 of 0.3, 0.9, 1.5, 2.1, 2.7 is a half each time.
    #[test]
    fn ties_of_mosi_go_to_the_even_step() {
        let texts = ["0.3", "0.9", "1.5", "2.1", "2.7", "-0.3", "-0.9", "-1.5"];
        assert_eq!(texts.map(|t| steps(t, 3)), [0, 2, 2, 4, 4, 0, -2, -2]);
    }

    #[test]
    fn ties_of_ch_sims_go_to_the_even_step() {
        assert_eq!(["-0.1", "0.1", "0.3", "0.5", "-0.7"].map(|t| steps(t, 1)), [0, 0, 2, 2, -4]);
    }

    #[test]
    fn every_spelling_of_a_number_is_the_same_number() {
        for text in ["0.8", "+0.8", " .8 ", "8e-1", "0.80000", "80E-2", "00.8", "0.08e1"] {
            assert_eq!(text.parse::<Decimal>().unwrap().steps(1), (4, true), "{text}");
        }
        assert_eq!("-0.0".parse::<Decimal>().unwrap().steps(1), (0, true));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", " ", ".", "-", "nan", "inf", "0,2", "1.2.3", "--1", "1e", "0x1", "１", "1e99", "9999999999"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(NotADecimal), "{text}");
        }
        assert_eq!("1e-99".parse::<Decimal>().unwrap().steps(1).0, 0);
    }

    #[test]
    fn the_image_of_a_float_array_is_recognised() {
        let exact = |t: &str| t.parse::<Decimal>().unwrap().without_single_precision_error();
        assert_eq!(exact("0.8999999761581421").unwrap().steps(3), (2, false));
        assert_eq!(exact("-2.4000000953674316").unwrap().steps(3), (-4, true));
        assert_eq!(exact("0.6000000000000001").unwrap().steps(1), (3, true));
        assert_eq!(exact("0.33333334"), None);
        assert_eq!(exact("0.6"), None);
    }

    #[test]
    fn limits_are_compared_exactly() {
        assert!(!"3.0".parse::<Decimal>().unwrap().exceeds(3));
        assert!("-3.000000000000000000001".parse::<Decimal>().unwrap().exceeds(3));
    }
}
