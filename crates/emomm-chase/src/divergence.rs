//! Divergences between distributions over modalities, Eq. (19) and (21).

use serde::{Deserialize, Serialize};

/// Where ε stands in Eq. (19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smoothing {
    /// In the denominator alone, as written: KL(P‖P) is slightly negative.
    #[default]
    Denominator,
    /// In numerator and denominator: KL(P‖P) is 0.
    Symmetric,
}

/// D_KL(P‖Q), Eq. (19), with 0 log 0 = 0. At least about −ε with smoothing of the denominator alone.
pub fn kl(p: [f64; 3], q: [f64; 3], epsilon: f64, smoothing: Smoothing) -> f64 {
    (0..3)
        .filter(|m| p[*m] > 0.0)
        .map(|m| {
            let above = match smoothing {
                Smoothing::Denominator => p[m],
                Smoothing::Symmetric => p[m] + epsilon,
            };
            p[m] * (above / (q[m] + epsilon)).ln()
        })
        .sum()
}

/// JSD(P‖Q), Eq. (21), kept within [0, ln 2]: ε would push it a little below 0 where P = Q.
pub fn jsd(p: [f64; 3], q: [f64; 3], epsilon: f64, smoothing: Smoothing) -> f64 {
    let middle = [0, 1, 2].map(|m| f64::midpoint(p[m], q[m]));
    let sum = kl(p, middle, epsilon, smoothing) + kl(q, middle, epsilon, smoothing);
    (sum / 2.0).clamp(0.0, std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_distributions_do_not_diverge_and_disjoint_ones_do_by_ln_2() {
        let (p, q) = ([0.5, 0.5, 0.0], [0.0, 0.0, 1.0]);
        for smoothing in [Smoothing::Denominator, Smoothing::Symmetric] {
            assert_eq!(jsd(p, p, 1e-8, smoothing).to_bits(), 0);
            assert!((jsd(p, q, 1e-8, smoothing) - std::f64::consts::LN_2).abs() < 1e-7);
        }
        assert!(kl(p, p, 1e-3, Smoothing::Denominator) < 0.0);
        assert_eq!(kl(p, p, 1e-3, Smoothing::Symmetric).to_bits(), 0);
    }

    #[test]
    fn jsd_by_hand() {
        // M = (0.6, 0.4): ½ (0.8 ln(0.8/0.6) + 0.2 ln(0.2/0.4)) + ½ (0.4 ln(0.4/0.6) + 0.6 ln(0.6/0.4))
        let expected = 0.5 * (0.8 * (4.0_f64 / 3.0).ln() + 0.2 * 0.5_f64.ln())
            + 0.5 * (0.4 * (2.0_f64 / 3.0).ln() + 0.6 * 1.5_f64.ln());
        let found = jsd([0.8, 0.2, 0.0], [0.4, 0.6, 0.0], 0.0, Smoothing::Denominator);
        assert!((found - expected).abs() < 1e-12);
    }
}
