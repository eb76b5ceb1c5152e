//! PSMV, the Performance Shapley Modality Value: Eq. (2) and its example, Eq. (16).

use emomm_dataset::{Modality, ModalitySet, PerModality};
use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::figure::Figure;

/// The average marginal contribution of each modality to a figure, by default accuracy.
///
/// Shares are what Fig. 3 (middle) shows. A share of the whole means something only where all three values are
/// positive; elsewhere the values themselves and the share of the positive part remain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Psmv {
    /// PSMV(m), in the unit of V; negative where a modality does harm.
    pub values: PerModality<f64>,
    /// V(TAV) − V(∅), the sum of the three values (efficiency of the Shapley value).
    pub total: f64,
    /// PSMV(m) / Σ PSMV, summing to 1; `None` unless all three are positive.
    pub shares: Option<PerModality<f64>>,
    /// max(PSMV(m), 0) / Σ max(PSMV, 0), summing to 1; `None` where none is positive.
    pub positive_shares: Option<PerModality<f64>>,
    /// Samples behind each of the eight values.
    pub n: usize,
}

impl Psmv {
    /// Computes Eq. (2) from V(𝓢) of all eight coalitions, V(∅) included.
    ///
    /// All eight must come from the same samples, which is why only full clips enter.
    ///
    /// # Errors
    /// Coalitions without a value are reported together; values of different numbers of samples are refused.
    ///
    /// ```
    /// use emomm_metrics::{Figure, Psmv};
    ///
    /// // Every modality adds 0.1 wherever it is added.
    /// let psmv = Psmv::of(|s| Some(Figure { value: 0.2 + 0.1 * s.len() as f64, n: 50 })).unwrap();
    /// assert!((psmv.values.video - 0.1).abs() < 1e-12);
    /// assert!((psmv.shares.unwrap().video - 1.0 / 3.0).abs() < 1e-12);
    /// ```
    pub fn of(value: impl FnMut(ModalitySet) -> Option<Figure>) -> Result<Self, MetricError> {
        let v = complete(value)?;
        let at = |s: ModalitySet| v[position(s)].value;
        let values = PerModality::from_fn(|m| {
            ModalitySet::ALL
                .into_iter()
                .filter(|s| s.contains(m))
                .map(|s| weight(s.len()) * (at(s) - at(s.without(m))))
                .sum()
        });
        let all_positive = values.iter().all(|(_, x)| *x > 0.0);
        let positive_shares = shares(values.map(|x: f64| x.max(0.0)));
        Ok(Self {
            values,
            total: at(ModalitySet::FULL) - at(ModalitySet::NONE),
            shares: positive_shares.filter(|_| all_positive),
            positive_shares,
            n: v[0].n,
        })
    }
}

/// w_𝓢 of Eq. (2): (|𝓢| − 1)! (|𝓜| − |𝓢|)! / |𝓜|!, that is 1/3, 1/6, 1/3 for one, two and three members.
fn weight(members: usize) -> f64 {
    let factorial = |k: usize| (1..=k).product::<usize>() as f64;
    let all = Modality::ALL.len();
    factorial(members - 1) * factorial(all - members) / factorial(all)
}

/// The eight values in the order of [`ModalitySet::ALL`].
fn complete(mut value: impl FnMut(ModalitySet) -> Option<Figure>) -> Result<[Figure; 8], MetricError> {
    let found = ModalitySet::ALL.map(|s| (s, value(s)));
    let missing: Vec<ModalitySet> = found.iter().filter(|(_, v)| v.is_none()).map(|(s, _)| *s).collect();
    if !missing.is_empty() {
        return Err(MetricError::MissingCoalitions { missing });
    }
    let values = found.map(|(_, v)| v.unwrap_or(Figure { value: f64::NAN, n: 0 }));
    MetricError::check_finite("value of coalition", &values.map(|v| v.value))?;
    match found.iter().zip(values).find(|(_, v)| v.n != values[0].n) {
        Some(((coalition, _), v)) => Err(MetricError::UnequalSamples {
            what: format!("V({coalition})"),
            found: v.n,
            reference: format!("V({})", ModalitySet::NONE),
            expected: values[0].n,
        }),
        None => Ok(values),
    }
}

fn position(coalition: ModalitySet) -> usize {
    ModalitySet::ALL.iter().position(|s| *s == coalition).expect("ALL holds every coalition")
}

fn shares(values: PerModality<f64>) -> Option<PerModality<f64>> {
    let sum: f64 = values.iter().map(|(_, x)| x).sum();
    (sum > 0.0).then(|| values.map(|x| x / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V in the order none, T, A, V, TA, TV, AV, TAV.
    fn psmv(values: [f64; 8]) -> Psmv {
        Psmv::of(|s| Some(Figure { value: values[position(s)], n: 10 })).unwrap()
    }

    /// Eq. (16), term by term.
    #[test]
    fn the_visual_modality_as_in_app_b1() {
        let [none, t, a, v, ta, tv, av, tav] = [0.2, 0.5, 0.4, 0.3, 0.6, 0.55, 0.35, 0.58];
        let by_hand = (v - none) / 3.0 + (tv - t) / 6.0 + (av - a) / 6.0 + (tav - ta) / 3.0;
        let psmv = psmv([none, t, a, v, ta, tv, av, tav]);
        assert!((psmv.values.video - by_hand).abs() < 1e-15);
        // 0.1/3 + 0.05/6 − 0.05/6 − 0.02/3 = 0.08/3
        assert!((psmv.values.video - 0.08 / 3.0).abs() < 1e-15);
        let sum: f64 = psmv.values.iter().map(|(_, x)| x).sum();
        assert!((sum - 0.38).abs() < 1e-15 && (psmv.total - 0.38).abs() < 1e-15);
        assert_eq!(psmv.shares, psmv.positive_shares);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "both sides are the nearest double")]
    fn the_weights_are_a_third_a_sixth_a_third() {
        assert_eq!([1, 2, 3].map(weight), [1.0 / 3.0, 1.0 / 6.0, 1.0 / 3.0]);
    }

    /// T and A contribute 0.2 each, V takes 0.1 away, additively.
    #[test]
    fn a_harmful_modality_leaves_only_shares_of_the_positive_part() {
        let psmv = psmv([0.2, 0.4, 0.4, 0.1, 0.6, 0.3, 0.3, 0.5]);
        assert!((psmv.values.video + 0.1).abs() < 1e-15);
        assert_eq!(psmv.shares, None);
        let shares = psmv.positive_shares.unwrap();
        assert!((shares.text - 0.5).abs() < 1e-12 && shares.video == 0.0);
    }

    #[test]
    fn without_contributions_there_are_no_shares() {
        let psmv = psmv([0.2; 8]);
        assert_eq!((psmv.shares, psmv.positive_shares, psmv.total), (None, None, 0.0));
    }

    #[test]
    fn missing_and_unequal_values_are_refused() {
        let error = Psmv::of(|s| (!s.is_empty()).then_some(Figure { value: 0.5, n: 3 })).unwrap_err();
        assert_eq!(error, MetricError::MissingCoalitions { missing: vec![ModalitySet::NONE] });
        let error = Psmv::of(|s| Some(Figure { value: 0.5, n: 3 + s.len() / 3 })).unwrap_err();
        assert_eq!(error.to_string(), "V(TAV) was computed from 4 samples, expected 3 as for V(none)");
    }
}
