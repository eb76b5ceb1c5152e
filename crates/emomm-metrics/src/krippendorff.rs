//! Krippendorff's alpha: agreement of any number of annotators, with gaps, on three levels of measurement.
//!
//! K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};

use crate::ratings::{Agreement, Ratings, value_counts};

/// How far apart two ratings are, δ²(c, k).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlphaLevel {
    /// Equal or not: 0 or 1.
    Nominal,
    /// By rank: the square of the number of ratings between c and k, those equal to c or k counted half.
    Ordinal,
    /// By value: (c − k)².
    Interval,
}

/// Krippendorff's alpha, 1 − Dₒ / Dₑ.
///
/// 1 is perfect agreement, 0 what chance gives, negative values systematic disagreement. An item needs two ratings
/// to be compared; others are left out and counted in `n_skipped`.
///
/// `None` where no item has two ratings, or where all ratings are equal: nothing then could disagree. O(items ×
/// annotators + v²) for v distinct values.
///
/// ```
/// use emomm_metrics::{AlphaLevel, Ratings, krippendorff_alpha};
///
/// let ratings = Ratings::complete([[0, 0], [1, 1], [2, 1]]);
/// let nominal = krippendorff_alpha(&ratings, AlphaLevel::Nominal).unwrap();
/// let interval = krippendorff_alpha(&ratings, AlphaLevel::Interval).unwrap();
/// assert!(interval.value > nominal.value); // 2 against 1 is a near miss
/// ```
pub fn krippendorff_alpha(ratings: &Ratings, level: AlphaLevel) -> Option<Agreement> {
    let mut totals: BTreeMap<i32, usize> = BTreeMap::new();
    let mut coincidences: BTreeMap<(i32, i32), f64> = BTreeMap::new();
    let mut n_items = 0;
    for item in ratings.items() {
        let counts = value_counts(item);
        let m: usize = counts.values().sum();
        if m < 2 {
            continue;
        }
        n_items += 1;
        for (c, n_c) in &counts {
            *totals.entry(*c).or_insert(0) += n_c;
            // Pairs of equal ratings are at distance 0 and do not matter.
            for (k, n_k) in counts.range((Excluded(c), Unbounded)) {
                *coincidences.entry((*c, *k)).or_insert(0.0) += (n_c * n_k) as f64 / (m - 1) as f64;
            }
        }
    }
    if totals.len() < 2 {
        return None;
    }
    let distances = Distances::new(&totals, level);
    let observed: f64 = coincidences.iter().map(|((c, k), o)| o * distances.between(*c, *k)).sum();
    let mut expected = 0.0;
    for (c, n_c) in &totals {
        for (k, n_k) in totals.range((Excluded(c), Unbounded)) {
            expected += *n_c as f64 * *n_k as f64 * distances.between(*c, *k);
        }
    }
    let n_ratings: usize = totals.values().sum();
    Some(Agreement {
        value: 1.0 - (n_ratings - 1) as f64 * observed / expected,
        n_items,
        n_ratings,
        n_skipped: ratings.n_items() - n_items,
    })
}

/// δ² of all pairs of values that occur.
struct Distances {
    level: AlphaLevel,
    /// Ratings below a value, plus half of those equal to it: the ordinal position.
    positions: BTreeMap<i32, f64>,
}

impl Distances {
    fn new(totals: &BTreeMap<i32, usize>, level: AlphaLevel) -> Self {
        let mut below = 0;
        let mut positions = BTreeMap::new();
        for (value, count) in totals {
            positions.insert(*value, below as f64 + *count as f64 / 2.0);
            below += count;
        }
        Self { level, positions }
    }

    /// δ²(c, k). On the ordinal level Σ_{g=c…k} n_g − (n_c + n_k) / 2 is the difference of two positions.
    fn between(&self, c: i32, k: i32) -> f64 {
        match self.level {
            AlphaLevel::Nominal => f64::from(u8::from(c != k)),
            AlphaLevel::Ordinal => (self.positions[&c] - self.positions[&k]).powi(2),
            AlphaLevel::Interval => (f64::from(c) - f64::from(k)).powi(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of Krippendorff (2011), part C: four observers, twelve units, five values. The unit with one
    /// rating is left out. Published: nominal 0.743, ordinal 0.815, interval 0.849.
    #[test]
    fn the_published_example() {
        const GAP: Option<i32> = None;
        let observers = [
            [Some(1), Some(2), Some(3), Some(3), Some(2), Some(1), Some(4), Some(1), Some(2), GAP, GAP, GAP],
            [
                Some(1),
                Some(2),
                Some(3),
                Some(3),
                Some(2),
                Some(2),
                Some(4),
                Some(1),
                Some(2),
                Some(5),
                GAP,
                Some(3),
            ],
            [
                GAP,
                Some(3),
                Some(3),
                Some(3),
                Some(2),
                Some(3),
                Some(4),
                Some(2),
                Some(2),
                Some(5),
                Some(1),
                GAP,
            ],
            [
                Some(1),
                Some(2),
                Some(3),
                Some(3),
                Some(2),
                Some(4),
                Some(4),
                Some(1),
                Some(2),
                Some(5),
                Some(1),
                GAP,
            ],
        ];
        let items = (0..12).map(|unit| observers.iter().map(|o| o[unit]).collect()).collect();
        let ratings = Ratings::new(4, items).unwrap();
        for (level, published) in
            [(AlphaLevel::Nominal, 0.743), (AlphaLevel::Ordinal, 0.815), (AlphaLevel::Interval, 0.849)]
        {
            let alpha = krippendorff_alpha(&ratings, level).unwrap();
            assert!((alpha.value - published).abs() < 5e-4, "{level:?}: {}", alpha.value);
            assert_eq!((alpha.n_items, alpha.n_ratings, alpha.n_skipped), (11, 40, 1));
        }
    }

    #[test]
    fn nothing_to_compare_gives_nothing() {
        let alone = Ratings::new(2, vec![vec![Some(1), None], vec![None, Some(2)]]).unwrap();
        assert_eq!(krippendorff_alpha(&alone, AlphaLevel::Nominal), None);
        assert_eq!(krippendorff_alpha(&Ratings::complete([[1, 1], [1, 1]]), AlphaLevel::Ordinal), None);
    }

    #[test]
    fn extreme_values_do_not_overflow() {
        let ratings = Ratings::complete([[i32::MIN, i32::MIN], [i32::MAX - 1, i32::MAX]]);
        assert!(krippendorff_alpha(&ratings, AlphaLevel::Interval).unwrap().value > 0.99);
    }
}
