//! McNemar's exact test: do two models err on the same number of samples?
//!
//! Q. McNemar, Psychometrika 12 (1947). It takes the samples as independent: use it only where every cluster holds
//! one pair ([`Clusters::are_singletons`](crate::Clusters::are_singletons)), else a
//! [`swap_test`](crate::swap_test).

use serde::{Deserialize, Serialize};

/// How the answers to the same samples changed from one model to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flips {
    /// Samples that only the first model got right.
    pub right_to_wrong: usize,
    /// Samples that only the second model got right.
    pub wrong_to_right: usize,
    /// All samples.
    pub n: usize,
}

impl Flips {
    /// Counts pairs (first model is right, second model is right).
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut flips = Self::default();
        for (first, second) in pairs {
            flips.right_to_wrong += usize::from(first && !second);
            flips.wrong_to_right += usize::from(!first && second);
            flips.n += 1;
        }
        flips
    }
}

/// The two-sided p-value, min(1, 2 P(X ≤ min(b, c))) for X binomial with b + c trials of probability 1/2.
///
/// 1 where nothing flipped; `None` without samples. Accurate to about 1e-16 × (b + c) relative. O(min(b, c)).
///
/// ```
/// use emomm_metrics::{Flips, mcnemar};
///
/// // One of six flips goes the other way: 2 (1 + 6) / 2⁶.
/// let p = mcnemar(Flips { right_to_wrong: 1, wrong_to_right: 5, n: 40 }).unwrap();
/// assert!((p - 14.0 / 64.0).abs() < 1e-12);
/// ```
pub fn mcnemar(flips: Flips) -> Option<f64> {
    if flips.n == 0 {
        return None;
    }
    let k = flips.right_to_wrong.min(flips.wrong_to_right);
    let trials = (flips.right_to_wrong + flips.wrong_to_right) as f64;
    let ln_factorial = |x: f64| libm::lgamma(x + 1.0);
    let ln_choose = ln_factorial(trials) - ln_factorial(k as f64) - ln_factorial(trials - k as f64);
    // From the largest term downwards, each from the one before: C(n, i − 1) / C(n, i) = i / (n − i + 1).
    let mut term = (ln_choose - trials * std::f64::consts::LN_2).exp();
    let mut sum = term;
    for i in (1..=k).rev() {
        term *= i as f64 / (trials - i as f64 + 1.0);
        sum += term;
    }
    Some((2.0 * sum).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_counted_by_direction() {
        let flips = Flips::of([(true, true), (true, false), (false, true), (false, true), (false, false)]);
        assert_eq!(flips, Flips { right_to_wrong: 1, wrong_to_right: 2, n: 5 });
        assert_eq!(mcnemar(flips), Some(1.0));
    }

    #[test]
    fn no_flips_are_no_evidence() {
        assert_eq!(mcnemar(Flips { n: 7, ..Flips::default() }), Some(1.0));
        assert_eq!(mcnemar(Flips::default()), None);
    }

    #[test]
    fn many_flips_do_not_overflow() {
        let p = mcnemar(Flips { right_to_wrong: 50_000, wrong_to_right: 51_000, n: 200_000 }).unwrap();
        // Normal approximation with continuity correction: z = 999 / √101000.
        let z = 999.0 / 101_000_f64.sqrt();
        assert!((p - libm::erfc(z / 2.0_f64.sqrt())).abs() < 1e-6, "{p}");
    }
}
