//! Whether p means what it says: Brier score and expected calibration error.

use serde::{Deserialize, Serialize};

/// Equal-width bins of the calibration error.
const BINS: usize = 10;

/// How well probabilities of conflict fit what happened.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// Rows.
    pub n: usize,
    /// Share of rows with p* = 1.
    pub base_rate: f64,
    /// Share of rows in which p > 0.5 agrees with p*.
    pub accuracy: f64,
    /// Mean squared difference of p and p*.
    pub brier: f64,
    /// Expected calibration error in ten bins of equal width.
    pub ece: f64,
}

impl Calibration {
    /// `None` without rows. Pairs are (p, p*).
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let n = pairs.len();
        if n == 0 {
            return None;
        }
        let share = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n as f64;
        Some(Self {
            n,
            base_rate: share(&|(_, y)| *y),
            accuracy: share(&|(p, y)| f64::from(u8::from((*p > 0.5) == (*y > 0.5)))),
            brier: brier(pairs)?,
            ece: expected_calibration_error(pairs)?,
        })
    }
}

/// Mean of (p − y)². `None` without pairs.
pub fn brier(pairs: &[(f64, f64)]) -> Option<f64> {
    let sum: f64 = pairs.iter().map(|(p, y)| (p - y) * (p - y)).sum();
    (!pairs.is_empty()).then(|| sum / pairs.len() as f64)
}

/// Σ over bins of |mean p − mean y| weighted by the bin's share. A p on a border belongs to the upper bin, 1 to the last.
/// `None` without pairs.
pub fn expected_calibration_error(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut bins = [(0.0, 0.0); BINS];
    for (p, y) in pairs {
        let bin = ((p * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += p;
        bins[bin].1 += y;
    }
    let gap: f64 = bins.iter().map(|(p, y)| (p - y).abs()).sum();
    (!pairs.is_empty()).then(|| gap / pairs.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let pairs = [(0.9, 1.0), (0.95, 0.0), (0.2, 0.0), (0.25, 1.0)];
        // Upper bin: |1.85 − 1|; lower bin: |0.45 − 1|; over 4.
        assert!((expected_calibration_error(&pairs).unwrap() - (0.85 + 0.55) / 4.0).abs() < 1e-12);
        let expected = (0.01 + 0.9025 + 0.04 + 0.5625) / 4.0;
        assert!((brier(&pairs).unwrap() - expected).abs() < 1e-12);
        let all = Calibration::of(&pairs).unwrap();
        assert_eq!((all.n, all.base_rate, all.accuracy), (4, 0.5, 0.5));
        assert_eq!(Calibration::of(&[]), None);
    }
}
