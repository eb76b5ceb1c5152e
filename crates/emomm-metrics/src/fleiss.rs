//! Fleiss' kappa: the agreement of several annotators on categories, corrected for chance (App. A.1 reports 0.54).
//!
//! J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971).

use std::collections::BTreeMap;

use crate::ratings::{Agreement, Ratings, value_counts};

/// Fleiss' kappa, (P̄ − P̄ₑ) / (1 − P̄ₑ), over the items that every annotator has rated.
///
/// 1 is perfect agreement, 0 what chance gives, negative values less than that. Items with a gap are left out and
/// counted in `n_skipped`; [`krippendorff_alpha`](crate::krippendorff_alpha) uses them.
///
/// `None` with fewer than two annotators, without a complete item, or where all ratings are the same category:
/// chance then agrees always, and the coefficient is 0/0.
///
/// ```
/// use emomm_metrics::{Ratings, fleiss_kappa};
///
/// let agree = Ratings::complete([[1, 1, 1], [-1, -1, -1]]);
/// assert_eq!(fleiss_kappa(&agree).unwrap().value, 1.0);
/// assert_eq!(fleiss_kappa(&Ratings::complete([[1, 1], [1, 1]])), None);
/// ```
pub fn fleiss_kappa(ratings: &Ratings) -> Option<Agreement> {
    let m = ratings.n_raters();
    let mut totals: BTreeMap<i32, usize> = BTreeMap::new();
    let mut n_items = 0;
    // Agreeing ordered pairs of ratings, over all items.
    let mut agreeing = 0;
    for item in ratings.items().iter().filter(|item| item.iter().all(Option::is_some)) {
        n_items += 1;
        for (value, count) in value_counts(item) {
            agreeing += count * (count - 1);
            *totals.entry(value).or_insert(0) += count;
        }
    }
    if m < 2 || n_items == 0 || totals.len() < 2 {
        return None;
    }
    let n_ratings = n_items * m;
    let observed = agreeing as f64 / (n_ratings * (m - 1)) as f64;
    let by_chance: f64 = totals.values().map(|c| (*c as f64 / n_ratings as f64).powi(2)).sum();
    Some(Agreement {
        value: (observed - by_chance) / (1.0 - by_chance),
        n_items,
        n_ratings,
        n_skipped: ratings.n_items() - n_items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two annotators, items (0,0), (0,1), (1,1), (1,1): P̄ = 3/4; categories 3/8 and 5/8, P̄ₑ = 34/64.
    /// κ = (48 − 34) / (64 − 34) = 7/15.
    #[test]
    fn four_items_by_hand() {
        let kappa = fleiss_kappa(&Ratings::complete([[0, 0], [0, 1], [1, 1], [1, 1]])).unwrap();
        assert!((kappa.value - 7.0 / 15.0).abs() < 1e-15);
        assert_eq!((kappa.n_items, kappa.n_ratings, kappa.n_skipped), (4, 8, 0));
    }

    #[test]
    fn items_with_gaps_are_counted() {
        let items = vec![vec![Some(0), Some(0)], vec![Some(1), Some(1)], vec![Some(1), None]];
        let kappa = fleiss_kappa(&Ratings::new(2, items).unwrap()).unwrap();
        assert_eq!((kappa.value, kappa.n_items, kappa.n_skipped), (1.0, 2, 1));
    }

    #[test]
    fn nothing_to_compare_gives_nothing() {
        assert_eq!(fleiss_kappa(&Ratings::complete::<3>([])), None);
        assert_eq!(fleiss_kappa(&Ratings::complete([[0], [1]])), None);
    }
}
