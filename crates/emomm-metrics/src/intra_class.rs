//! Intra-class correlation: agreement of annotators on a scale, as shares of variance.
//!
//! P. E. Shrout, J. L. Fleiss, "Intraclass correlations: uses in assessing rater reliability", Psychological Bulletin 86
//! (1979): ICC(2,1) and ICC(2,k), items and annotators both drawn at random, absolute agreement.

use serde::{Deserialize, Serialize};

use crate::ratings::Ratings;

/// Intra-class correlations and what they were computed from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IntraClass {
    /// ICC(2,1): how well one annotator's rating can be relied on. At most 1; may be negative.
    pub single: f64,
    /// ICC(2,k): the same of the mean over the k annotators.
    pub average: f64,
    /// Items that entered.
    pub n_items: usize,
    /// Annotators, k.
    pub n_raters: usize,
    /// Items left out because somebody did not rate them.
    pub n_skipped: usize,
}

/// ICC(2,1) and ICC(2,k) over the items that every annotator has rated.
///
/// `None` with fewer than two annotators or complete items, or where the ratings do not vary.
///
/// ```
/// use emomm_metrics::{Ratings, intra_class};
///
/// // The same order, but the second is always one higher: consistent, not in absolute agreement.
/// let icc = intra_class(&Ratings::complete([[1, 2], [2, 3], [3, 4]])).unwrap();
/// assert!((icc.single - 2.0 / 3.0).abs() < 1e-12);
/// ```
pub fn intra_class(ratings: &Ratings) -> Option<IntraClass> {
    let k = ratings.n_raters();
    let complete: Vec<Vec<f64>> = ratings
        .items()
        .iter()
        .filter_map(|item| item.iter().map(|r| r.map(f64::from)).collect::<Option<Vec<f64>>>())
        .collect();
    let n = complete.len();
    if k < 2 || n < 2 {
        return None;
    }
    let (n_f, k_f) = (n as f64, k as f64);
    let grand = complete.iter().flatten().sum::<f64>() / (n_f * k_f);
    let of_items: f64 =
        complete.iter().map(|item| (item.iter().sum::<f64>() / k_f - grand).powi(2)).sum::<f64>() * k_f;
    let of_raters: f64 = (0..k)
        .map(|rater| (complete.iter().map(|item| item[rater]).sum::<f64>() / n_f - grand).powi(2))
        .sum::<f64>()
        * n_f;
    let total: f64 = complete.iter().flatten().map(|r| (r - grand).powi(2)).sum();
    // Differences of sums may fall below zero by rounding.
    let residual = (total - of_items - of_raters).max(0.0);
    let ms_items = of_items / (n_f - 1.0);
    let ms_raters = of_raters / (k_f - 1.0);
    let ms_error = residual / ((n_f - 1.0) * (k_f - 1.0));
    let single_scale = ms_items + (k_f - 1.0) * ms_error + k_f * (ms_raters - ms_error) / n_f;
    let average_scale = ms_items + (ms_raters - ms_error) / n_f;
    if total <= 0.0 || single_scale == 0.0 || average_scale == 0.0 {
        return None;
    }
    Some(IntraClass {
        single: (ms_items - ms_error) / single_scale,
        average: (ms_items - ms_error) / average_scale,
        n_items: n,
        n_raters: k,
        n_skipped: ratings.n_items() - n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six targets, four judges: the table of Shrout and Fleiss (1979). Published: ICC(2,1) 0.29, ICC(2,4) 0.62.
    #[test]
    fn the_published_example() {
        let ratings = Ratings::complete([
            [9, 2, 5, 8],
            [6, 1, 3, 2],
            [8, 4, 6, 8],
            [7, 1, 2, 6],
            [10, 5, 6, 9],
            [6, 2, 4, 7],
        ]);
        let icc = intra_class(&ratings).unwrap();
        assert!((icc.single - 0.29).abs() < 5e-3 && (icc.average - 0.62).abs() < 5e-3, "{icc:?}");
        assert_eq!((icc.n_items, icc.n_raters, icc.n_skipped), (6, 4, 0));
    }

    #[test]
    fn gaps_are_counted_and_nothing_gives_nothing() {
        let items = vec![vec![Some(1), Some(1)], vec![Some(0), Some(0)], vec![Some(1), None]];
        let icc = intra_class(&Ratings::new(2, items).unwrap()).unwrap();
        assert_eq!((icc.single, icc.n_skipped), (1.0, 1));
        assert_eq!(intra_class(&Ratings::complete([[1, 1], [1, 1]])), None);
        assert_eq!(intra_class(&Ratings::complete([[1], [2]])), None);
        assert_eq!(intra_class(&Ratings::complete::<3>([])), None);
    }
}
