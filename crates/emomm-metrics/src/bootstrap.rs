//! Confidence intervals by the cluster bootstrap: whole clusters are drawn with replacement, percentiles are taken.
//!
//! B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; C. A. Field, A. H. Welsh,
//! "Bootstrapping clustered data", JRSS B 69 (2007).

use emomm_dataset::Seeded;
use serde::{Deserialize, Serialize};

use crate::clusters::Clusters;
use crate::error::MetricError;

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BootstrapOptions {
    /// Number of resamples, at least 1.
    pub n_resamples: usize,
    /// Share of resamples inside the interval, between 0 and 1.
    pub level: f64,
    /// Where all chance comes from. Statistics under the same seed and clusters see the same resamples.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    /// 2000 resamples, of which 50 lie on either side of a 95 % interval; seed 0.
    fn default() -> Self {
        Self { n_resamples: 2000, level: 0.95, seed: 0 }
    }
}

/// A value with its percentile interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The statistic of the samples as they are.
    pub value: f64,
    /// Lower end; `None` with fewer than two clusters, or where no resample has a value.
    pub low: Option<f64>,
    /// Upper end, as `low`.
    pub high: Option<f64>,
    /// Share of resamples inside the interval.
    pub level: f64,
    /// Samples that were given. A statistic that leaves some out, such as ACC-2, has its own n in its figure.
    pub n: usize,
    /// Clusters.
    pub n_clusters: usize,
    /// Resamples drawn.
    pub n_resamples: usize,
    /// Resamples in which the statistic is not defined. They are left out of the interval; where they are many, it
    /// should not be trusted.
    pub n_undefined: usize,
}

/// The interval of one statistic. `None` where it is not defined on the samples as they are.
///
/// The statistic gets the indices of a resample's samples, repeated as often as their cluster was drawn, and may be
/// anything that can be computed from them: accuracy, macro F1, a difference of two models, PSMV. O(resamples × n).
///
/// ```
/// use emomm_metrics::{BootstrapOptions, Clusters, cluster_bootstrap};
///
/// let right = [true, true, true, false, false, false];
/// let clusters = Clusters::by_key(["a", "a", "b", "b", "c", "c"]);
/// let accuracy = |samples: &[usize]| {
///     let hits = samples.iter().filter(|i| right[**i]).count();
///     (!samples.is_empty()).then(|| hits as f64 / samples.len() as f64)
/// };
/// let estimate = cluster_bootstrap(&clusters, BootstrapOptions::default(), accuracy).unwrap().unwrap();
/// assert_eq!((estimate.value, estimate.low, estimate.high), (0.5, Some(0.0), Some(1.0)));
/// ```
pub fn cluster_bootstrap(
    clusters: &Clusters,
    options: BootstrapOptions,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<Option<Estimate>, MetricError> {
    let [estimate] = cluster_bootstrap_many(clusters, options, |samples| [statistic(samples)])?;
    Ok(estimate)
}

/// The intervals of several statistics from the same resamples.
pub fn cluster_bootstrap_many<const S: usize>(
    clusters: &Clusters,
    options: BootstrapOptions,
    mut statistics: impl FnMut(&[usize]) -> [Option<f64>; S],
) -> Result<[Option<Estimate>; S], MetricError> {
    MetricError::check_open_unit("level of the interval", options.level)?;
    if options.n_resamples == 0 {
        return Err(MetricError::Length { what: "resamples", found: 0, expected: 1 });
    }
    let as_they_are: Vec<usize> = (0..clusters.n_samples()).collect();
    let values = statistics(&as_they_are);
    let mut resampled: [Vec<f64>; S] = std::array::from_fn(|_| Vec::with_capacity(options.n_resamples));
    if clusters.len() >= 2 {
        let mut samples = Vec::with_capacity(clusters.n_samples());
        for resample in 0..options.n_resamples {
            draw(clusters, &mut Seeded::stream(options.seed, resample), &mut samples);
            for (kept, value) in resampled.iter_mut().zip(statistics(&samples)) {
                kept.extend(value.filter(|v| v.is_finite()));
            }
        }
    }
    let mut resampled = resampled.into_iter();
    Ok(values.map(|value| {
        let mut kept = resampled.next().unwrap_or_default();
        kept.sort_by(f64::total_cmp);
        let tail = (1.0 - options.level) / 2.0;
        let n_drawn = if clusters.len() >= 2 { options.n_resamples } else { 0 };
        value.filter(|v| v.is_finite()).map(|value| Estimate {
            value,
            low: quantile(&kept, tail),
            high: quantile(&kept, 1.0 - tail),
            level: options.level,
            n: clusters.n_samples(),
            n_clusters: clusters.len(),
            n_resamples: n_drawn,
            n_undefined: n_drawn - kept.len(),
        })
    }))
}

/// Replaces `samples` by those of as many clusters as there are, drawn with replacement.
fn draw(clusters: &Clusters, rng: &mut Seeded, samples: &mut Vec<usize>) {
    samples.clear();
    for _ in 0..clusters.len() {
        samples.extend(&clusters.members()[rng.below(clusters.len())]);
    }
}

/// The `p`-quantile, p in [0, 1], of ascending numbers, interpolated linearly between order statistics (Hyndman and Fan's
/// type 7, the default of numpy); `None` without numbers.
pub fn quantile(ascending: &[f64], p: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = p.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let (low, high) = (ascending[below], ascending[(below + 1).min(last)]);
    Some(low + (high - low) * (position - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl Fn(&[usize]) -> Option<f64> {
        |samples| {
            let sum: f64 = samples.iter().map(|i| values[*i]).sum();
            (!samples.is_empty()).then(|| sum / samples.len() as f64)
        }
    }

    #[test]
    fn quantiles_interpolate_between_order_statistics() {
        let numbers = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&numbers, 0.0), Some(1.0));
        assert_eq!(quantile(&numbers, 0.75), Some(3.0));
        assert_eq!(quantile(&numbers, 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17)).collect();
        let clusters = Clusters::by_key((0..40).map(|i| i / 4));
        let run = |seed| {
            let options = BootstrapOptions { seed, ..BootstrapOptions::default() };
            cluster_bootstrap(&clusters, options, mean(&values)).unwrap().unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).low, run(2).low);
    }

    #[test]
    fn one_cluster_has_a_value_and_no_interval() {
        let estimate =
            cluster_bootstrap(&Clusters::by_key(["a", "a"]), BootstrapOptions::default(), mean(&[0.0, 1.0]))
                .unwrap()
                .unwrap();
        assert_eq!((estimate.value, estimate.low, estimate.n_resamples), (0.5, None, 0));
    }

    #[test]
    fn resamples_without_a_value_are_counted() {
        // Defined only where sample 0 was drawn: all but about (1/2)² of the resamples.
        let statistic = |samples: &[usize]| samples.contains(&0).then_some(1.0);
        let estimate = cluster_bootstrap(&Clusters::singletons(2), BootstrapOptions::default(), statistic)
            .unwrap()
            .unwrap();
        assert!((400..600).contains(&estimate.n_undefined), "{}", estimate.n_undefined);
        assert_eq!((estimate.low, estimate.high), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn nothing_gives_nothing_and_senseless_options_are_refused() {
        let none = Clusters::singletons(0);
        assert_eq!(cluster_bootstrap(&none, BootstrapOptions::default(), mean(&[])).unwrap(), None);
        for (level, n_resamples) in [(1.0, 10), (f64::NAN, 10), (0.95, 0)] {
            let options = BootstrapOptions { n_resamples, level, seed: 0 };
            assert!(cluster_bootstrap(&none, options, mean(&[])).is_err());
        }
    }
}
