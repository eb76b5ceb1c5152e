//! Agreement of annotators two by two: the share of equal ratings, and Cohen's weighted kappa.
//!
//! J. Cohen, "Weighted kappa", Psychological Bulletin 70 (1968).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::ratings::Ratings;

/// What a disagreement of two ratings weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KappaWeights {
    /// Every disagreement weighs 1: the unweighted kappa.
    #[default]
    Unweighted,
    /// |a − b|
    Linear,
    /// (a − b)²
    Quadratic,
}

impl KappaWeights {
    fn of(self, a: i32, b: i32) -> f64 {
        let distance = (f64::from(a) - f64::from(b)).abs();
        match self {
            Self::Unweighted => f64::from(u8::from(a != b)),
            Self::Linear => distance,
            Self::Quadratic => distance * distance,
        }
    }
}

/// Cohen's weighted kappa of pairs of ratings, 1 − Σ w·observed / Σ w·expected, at most 1.
///
/// `None` without pairs, or where both annotators gave one and the same value throughout: nothing could disagree.
///
/// ```
/// use emomm_metrics::{KappaWeights, cohen_kappa};
///
/// // Agreement 1/2, by chance 1/2.
/// let kappa = cohen_kappa(&[(0, 0), (0, 1), (1, 0), (1, 1)], KappaWeights::Unweighted).unwrap();
/// assert_eq!((kappa.value, kappa.n), (0.0, 4));
/// ```
pub fn cohen_kappa(pairs: &[(i32, i32)], weights: KappaWeights) -> Option<Figure> {
    let n = pairs.len();
    let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
    let mut observed = 0.0;
    for (a, b) in pairs {
        *first.entry(*a).or_insert(0_usize) += 1;
        *second.entry(*b).or_insert(0_usize) += 1;
        observed += weights.of(*a, *b);
    }
    let mut expected = 0.0;
    for (a, n_a) in &first {
        for (b, n_b) in &second {
            expected += weights.of(*a, *b) * *n_a as f64 * *n_b as f64;
        }
    }
    (expected > 0.0).then(|| Figure { value: 1.0 - n as f64 * observed / expected, n })
}

/// Agreement of two annotators on the items that both have rated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairAgreement {
    /// Positions of the two annotators.
    pub raters: [usize; 2],
    /// Share of equal ratings, in [0, 1]; `None` where they share no item.
    pub agreement: Option<Figure>,
    /// Cohen's kappa; `None` where it is not defined.
    pub kappa: Option<Figure>,
}

/// Agreement of all pairs of annotators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairwiseAgreement {
    /// Every pair, (0, 1), (0, 2), …
    pub pairs: Vec<PairAgreement>,
    /// Share of equal ratings over all pairs of ratings of an item; n counts such pairs.
    pub agreement: Option<Figure>,
    /// Mean of the pairs' kappas; n counts the pairs that have one.
    pub mean_kappa: Option<Figure>,
}

/// Compares all pairs of annotators. O(items × annotators²).
pub fn pairwise_agreement(ratings: &Ratings, weights: KappaWeights) -> PairwiseAgreement {
    let r = ratings.n_raters();
    let mut pairs = Vec::with_capacity(r * r.saturating_sub(1) / 2);
    let (mut equal, mut compared) = (0, 0);
    for a in 0..r {
        for b in a + 1..r {
            let shared: Vec<(i32, i32)> =
                ratings.items().iter().filter_map(|item| Some((item[a]?, item[b]?))).collect();
            let agreeing = shared.iter().filter(|(x, y)| x == y).count();
            equal += agreeing;
            compared += shared.len();
            pairs.push(PairAgreement {
                raters: [a, b],
                agreement: Figure::mean(agreeing as f64, shared.len()),
                kappa: cohen_kappa(&shared, weights),
            });
        }
    }
    let kappas: Vec<f64> = pairs.iter().filter_map(|p| p.kappa.map(|k| k.value)).collect();
    PairwiseAgreement {
        agreement: Figure::mean(equal as f64, compared),
        mean_kappa: Figure::mean(kappas.iter().sum(), kappas.len()),
        pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ratings (0,0), (0,1), (2,2): observed Σ|a−b| = 1. Marginals first {0: 2, 2: 1}, second {0: 1, 1: 1, 2: 1};
    /// expected Σ = (2·(0+1+2) + 1·(2+1+0)) = 9. κ = 1 − 3·1/9.
    #[test]
    fn weighted_kappa_by_hand() {
        let kappa = cohen_kappa(&[(0, 0), (0, 1), (2, 2)], KappaWeights::Linear).unwrap();
        assert!((kappa.value - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(cohen_kappa(&[(1, 1), (1, 1)], KappaWeights::Linear), None);
        assert_eq!(cohen_kappa(&[], KappaWeights::Quadratic), None);
    }

    #[test]
    fn pairs_are_compared_on_shared_items() {
        let items =
            vec![vec![Some(1), Some(1), None], vec![Some(0), Some(1), None], vec![Some(0), Some(0), Some(0)]];
        let agreement = pairwise_agreement(&Ratings::new(3, items).unwrap(), KappaWeights::Unweighted);
        assert_eq!(agreement.pairs.len(), 3);
        assert_eq!(agreement.pairs[0].agreement, Some(Figure { value: 2.0 / 3.0, n: 3 }));
        assert_eq!(agreement.pairs[1].raters, [0, 2]);
        assert_eq!(
            (agreement.pairs[1].agreement, agreement.pairs[1].kappa),
            (Some(Figure { value: 1.0, n: 1 }), None)
        );
        assert_eq!(agreement.agreement, Some(Figure { value: 0.8, n: 5 }));
        assert_eq!(agreement.mean_kappa.unwrap().n, 1);
    }

    #[test]
    fn one_annotator_has_no_pairs() {
        let agreement = pairwise_agreement(&Ratings::complete([[1]]), KappaWeights::Unweighted);
        assert_eq!((agreement.pairs.len(), agreement.agreement, agreement.mean_kappa), (0, None, None));
    }
}
