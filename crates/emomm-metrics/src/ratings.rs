//! What annotators said: a table of items × annotators with gaps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// Ratings of items by annotators. A rating is a whole number: the annotation guide's −1, 0, 1 (App. A.2), or the
/// index of a class. `None` where an annotator did not rate an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratings {
    n_raters: usize,
    /// `[item][rater]`
    items: Vec<Vec<Option<i32>>>,
}

/// An agreement and what it was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The coefficient.
    pub value: f64,
    /// Items that entered.
    pub n_items: usize,
    /// Ratings that entered.
    pub n_ratings: usize,
    /// Items left out because they have too few ratings.
    pub n_skipped: usize,
}

impl Ratings {
    /// A table `[item][rater]`; every item has a place for every annotator.
    pub fn new(n_raters: usize, items: Vec<Vec<Option<i32>>>) -> Result<Self, MetricError> {
        for item in &items {
            MetricError::check_length("ratings of an item", item.len(), n_raters)?;
        }
        Ok(Self { n_raters, items })
    }

    /// A table without gaps.
    ///
    /// ```
    /// let ratings = emomm_metrics::Ratings::complete([[-1, -1, 0], [1, 1, 1]]);
    /// assert_eq!((ratings.n_items(), ratings.n_raters()), (2, 3));
    /// ```
    pub fn complete<const R: usize>(items: impl IntoIterator<Item = [i32; R]>) -> Self {
        Self { n_raters: R, items: items.into_iter().map(|item| item.map(Some).to_vec()).collect() }
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Number of annotators.
    pub fn n_raters(&self) -> usize {
        self.n_raters
    }

    /// The ratings of every item, `[item][rater]`.
    pub fn items(&self) -> &[Vec<Option<i32>>] {
        &self.items
    }

    /// The items at `indices`, repetitions included: a resample for the bootstrap.
    ///
    /// # Panics
    /// If an index is out of range.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self { n_raters: self.n_raters, items: indices.iter().map(|i| self.items[*i].clone()).collect() }
    }
}

/// How often each value occurs among the ratings of an item.
pub(crate) fn value_counts(item: &[Option<i32>]) -> BTreeMap<i32, usize> {
    let mut counts = BTreeMap::new();
    for value in item.iter().flatten() {
        *counts.entry(*value).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_a_place_for_every_annotator() {
        let error = Ratings::new(2, vec![vec![Some(1), None], vec![Some(1)]]).unwrap_err();
        assert_eq!(error.to_string(), "ratings of an item: found 1, expected 2");
    }

    #[test]
    fn selection_repeats_items() {
        let ratings = Ratings::complete([[0, 1], [1, 1]]);
        assert_eq!(ratings.select(&[1, 1, 0]), Ratings::complete([[1, 1], [1, 1], [0, 1]]));
        assert_eq!(value_counts(&[Some(1), None, Some(1), Some(-1)]), BTreeMap::from([(-1, 1), (1, 2)]));
    }
}
