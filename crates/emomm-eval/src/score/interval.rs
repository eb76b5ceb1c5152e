//! Figures with their intervals: whole clusters are drawn, and what is known of each is added up.

use std::collections::BTreeMap;

use emomm_metrics::{BootstrapOptions, Clusters, Figure, MetricError, cluster_bootstrap_many};
use serde::{Deserialize, Serialize};

use super::answers::AnswerRow;

/// What is drawn when resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterBy {
    /// All rows of a speaker or video: the column `group`.
    #[default]
    Group,
    /// All rows of a clip.
    Clip,
}

impl ClusterBy {
    /// Names the cluster of a row.
    pub(super) fn key(self, row: &AnswerRow) -> (&str, &str) {
        (&row.corpus.name, if self == Self::Group { &row.group } else { &row.id })
    }
}

/// A figure of the report. JSON: `value`, `low`, `high`, `n`, and `n_undefined` where it is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure of the rows as they are.
    pub value: f64,
    /// Lower end of the 95 % interval; null with fewer than two clusters.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Samples that entered the figure.
    pub n: usize,
    /// Resamples in which the figure is not defined, left out of the interval.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_undefined: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// The sums of each cluster, in the order of the clusters' keys.
pub(super) fn by_cluster<'a, T: Default>(
    rows: impl IntoIterator<Item = &'a AnswerRow>,
    by: ClusterBy,
    mut add: impl FnMut(&mut T, &'a AnswerRow),
) -> Vec<T> {
    let mut sums: BTreeMap<(&str, &str), T> = BTreeMap::new();
    for row in rows {
        add(sums.entry(by.key(row)).or_default(), row);
    }
    sums.into_values().collect()
}

/// The figures of the sum of all clusters, with intervals from sums over drawn clusters.
///
/// `clusters` holds what is known of each cluster, which are drawn as wholes. A resample costs O(clusters), however many rows
/// they hold.
///
/// # Errors
/// Options that no bootstrap can follow.
pub fn intervals<T: Default + for<'a> std::ops::AddAssign<&'a T>, const S: usize>(
    clusters: &[T],
    options: BootstrapOptions,
    figures: impl Fn(&T) -> [Option<Figure>; S],
) -> Result<[Option<Interval>; S], MetricError> {
    let sum = |drawn: &[usize]| {
        let mut sum = T::default();
        for cluster in drawn {
            sum += &clusters[*cluster];
        }
        sum
    };
    let all: Vec<usize> = (0..clusters.len()).collect();
    let as_they_are = figures(&sum(&all));
    // The unit that is drawn is the cluster: each stands for itself here.
    let estimates = cluster_bootstrap_many(&Clusters::singletons(clusters.len()), options, |drawn| {
        figures(&sum(drawn)).map(|figure| figure.map(|f| f.value))
    })?;
    let mut found = as_they_are.into_iter();
    Ok(estimates.map(|estimate| {
        let figure = found.next().flatten()?;
        let estimate = estimate?;
        Some(Interval {
            value: figure.value,
            low: estimate.low,
            high: estimate.high,
            n: figure.n,
            n_undefined: estimate.n_undefined,
        })
    }))
}
