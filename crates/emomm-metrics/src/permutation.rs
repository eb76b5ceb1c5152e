//! Paired permutation tests by cluster: is a difference of two models larger than swapping their answers would
//! give?
//!
//! Under the null hypothesis the two answers to a sample are exchangeable. Within a cluster they are swapped
//! together, so that dependence inside clusters does not count as evidence. P. Good, "Permutation, Parametric and
//! Bootstrap Tests of Hypotheses" (2005), chapter 3.

use emomm_dataset::Seeded;
use serde::{Deserialize, Serialize};

use crate::clusters::Clusters;
use crate::error::MetricError;

/// Two statistics closer than this (relative to 1 + |observed|) are tied: sums of the same numbers in another order
/// differ by rounding.
const TIE: f64 = 1e-12;

/// How to permute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermutationOptions {
    /// Most permutations, at least 1. Where all 2^clusters are no more, they are enumerated and the p-value is
    /// exact.
    pub n_permutations: usize,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Default for PermutationOptions {
    /// 10,000 permutations: exact up to 13 clusters. Seed 0.
    fn default() -> Self {
        Self { n_permutations: 10_000, seed: 0 }
    }
}

/// The result of a two-sided test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The statistic of the answers as they are.
    pub observed: f64,
    /// Share of permutations with an absolute value at least as large. Drawn permutations count the observed one
    /// too: (hits + 1) / (permutations + 1), never 0.
    pub p_value: f64,
    /// Whether all permutations were enumerated.
    pub is_exact: bool,
    /// Permutations behind the p-value.
    pub n_permutations: usize,
    /// Permutations in which the statistic is not defined; they count as hits, against significance.
    pub n_undefined: usize,
    /// Samples.
    pub n: usize,
    /// Clusters.
    pub n_clusters: usize,
}

/// Tests any difference of two models, for example of their macro F1.
///
/// The statistic gets for every sample whether the two answers are swapped, and returns the difference that then
/// results. It must change its sign if all are swapped. O(permutations × n). `None` without samples, or where the
/// statistic is not defined on the answers as they are.
///
/// ```
/// use emomm_metrics::{Clusters, PermutationOptions, swap_test};
///
/// let a = [1.0, 1.0, 1.0];
/// let b = [0.0, 0.0, 0.0];
/// let difference = |swapped: &[bool]| {
///     let signed = |i: usize| if swapped[i] { b[i] - a[i] } else { a[i] - b[i] };
///     Some((0..3).map(signed).sum::<f64>() / 3.0)
/// };
/// // Of the 2³ permutations only two are as extreme.
/// let test = swap_test(&Clusters::singletons(3), PermutationOptions::default(), difference).unwrap().unwrap();
/// assert_eq!((test.p_value, test.is_exact), (0.25, true));
/// ```
pub fn swap_test(
    clusters: &Clusters,
    options: PermutationOptions,
    mut statistic: impl FnMut(&[bool]) -> Option<f64>,
) -> Result<Option<PermutationTest>, MetricError> {
    let mut by_sample = vec![false; clusters.n_samples()];
    permute(clusters, options, |by_cluster| {
        for (members, swapped) in clusters.members().iter().zip(by_cluster) {
            for i in members {
                by_sample[*i] = *swapped;
            }
        }
        statistic(&by_sample)
    })
}

/// Tests whether the mean of paired differences is 0, by flipping the signs of whole clusters.
///
/// The same as [`swap_test`] of a difference of means, in O(permutations × clusters).
pub fn sign_flip_test(
    differences: &[f64],
    clusters: &Clusters,
    options: PermutationOptions,
) -> Result<Option<PermutationTest>, MetricError> {
    MetricError::check_length("differences", differences.len(), clusters.n_samples())?;
    MetricError::check_finite("difference", differences)?;
    let sums = clusters.sums(differences);
    let n = clusters.n_samples() as f64;
    permute(clusters, options, |flipped| {
        let sum: f64 = sums.iter().zip(flipped).map(|(sum, flip)| if *flip { -sum } else { *sum }).sum();
        Some(sum / n)
    })
}

/// Runs over all or some assignments of `true` and `false` to clusters.
fn permute(
    clusters: &Clusters,
    options: PermutationOptions,
    mut statistic: impl FnMut(&[bool]) -> Option<f64>,
) -> Result<Option<PermutationTest>, MetricError> {
    if options.n_permutations == 0 {
        return Err(MetricError::Length { what: "permutations", found: 0, expected: 1 });
    }
    let k = clusters.len();
    let mut flips = vec![false; k];
    let Some(observed) = (k > 0).then(|| statistic(&flips)).flatten().filter(|v| v.is_finite()) else {
        return Ok(None);
    };
    let threshold = observed.abs() - TIE * (1.0 + observed.abs());
    let (mut hits, mut n_undefined) = (0_usize, 0_usize);
    let mut visit = |flips: &[bool]| {
        let value = statistic(flips).filter(|v| v.is_finite());
        n_undefined += usize::from(value.is_none());
        hits += usize::from(value.is_none_or(|v| v.abs() >= threshold));
    };
    let all =
        u32::try_from(k).ok().and_then(|k| 1_usize.checked_shl(k).filter(|n| *n <= options.n_permutations));
    let is_exact = all.is_some();
    if let Some(all) = all {
        for assignment in 0..all {
            for (cluster, flip) in flips.iter_mut().enumerate() {
                *flip = assignment >> cluster & 1 == 1;
            }
            visit(&flips);
        }
    } else {
        for permutation in 0..options.n_permutations {
            fill(&mut flips, &mut Seeded::stream(options.seed, permutation));
            visit(&flips);
        }
    }
    let n_permutations = all.unwrap_or(options.n_permutations);
    let unseen = usize::from(!is_exact);
    Ok(Some(PermutationTest {
        observed,
        p_value: (hits + unseen) as f64 / (n_permutations + unseen) as f64,
        is_exact,
        n_permutations,
        n_undefined,
        n: clusters.n_samples(),
        n_clusters: k,
    }))
}

/// One fair coin for each cluster, 64 from a draw.
fn fill(flips: &mut [bool], rng: &mut Seeded) {
    for chunk in flips.chunks_mut(64) {
        let bits = rng.next_u64();
        for (bit, flip) in chunk.iter_mut().enumerate() {
            *flip = bits >> bit & 1 == 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cluster sums 2 and −1: |±2 ± 1| is 1, 3, 3, 1, the observed value 1.
    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn clusters_flip_as_a_whole() {
        let clusters = Clusters::by_key(["a", "a", "b"]);
        let test =
            sign_flip_test(&[1.0, 1.0, -1.0], &clusters, PermutationOptions::default()).unwrap().unwrap();
        assert!((test.observed - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!((test.p_value, test.n_permutations, test.n_clusters), (1.0, 4, 2));
        // Alone, the three have 2³ permutations, of which all but none reach |1|.
        let alone = sign_flip_test(&[1.0, 1.0, 1.0], &Clusters::singletons(3), PermutationOptions::default());
        assert_eq!(alone.unwrap().unwrap().p_value, 0.25);
    }

    /// Twenty differences of one sign: 2 of 2²⁰ permutations are as extreme; none of 999 drawn ones is.
    #[test]
    fn drawn_permutations_never_give_zero() {
        let options = PermutationOptions { n_permutations: 999, seed: 5 };
        let test = sign_flip_test(&[0.1; 20], &Clusters::singletons(20), options).unwrap().unwrap();
        assert_eq!((test.p_value, test.is_exact), (0.001, false));
        assert!((test.observed - 0.1).abs() < 1e-15);
    }

    /// The exact p-value of these differences is known by enumeration; 20,000 draws have a standard error below
    /// 0.0036.
    #[test]
    fn drawing_approaches_the_enumeration() {
        let differences: Vec<f64> = (0..14).map(|i| f64::from(i * 7 % 5) - 1.5).collect();
        let clusters = Clusters::singletons(14);
        let p = |n_permutations| {
            let options = PermutationOptions { n_permutations, seed: 1 };
            sign_flip_test(&differences, &clusters, options).unwrap().unwrap()
        };
        let (exact, drawn) = (p(1 << 14), p((1 << 14) - 1));
        assert!(exact.is_exact && !drawn.is_exact);
        assert!((exact.p_value - drawn.p_value).abs() < 5.0 * 0.004, "{exact:?} {drawn:?}");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn without_a_difference_the_p_value_is_one() {
        let test = sign_flip_test(&[0.0; 5], &Clusters::singletons(5), PermutationOptions::default());
        assert_eq!(test.unwrap().unwrap().p_value, 1.0);
    }

    #[test]
    fn nothing_gives_nothing_and_undefined_permutations_are_hits() {
        let none = Clusters::singletons(0);
        assert_eq!(sign_flip_test(&[], &none, PermutationOptions::default()).unwrap(), None);
        let once = |swapped: &[bool]| (!swapped[0]).then_some(1.0);
        let test = swap_test(&Clusters::singletons(1), PermutationOptions::default(), once).unwrap().unwrap();
        assert_eq!((test.p_value, test.n_undefined), (1.0, 1));
        assert!(sign_flip_test(&[1.0], &none, PermutationOptions::default()).is_err());
        assert!(
            sign_flip_test(&[f64::NAN], &Clusters::singletons(1), PermutationOptions::default()).is_err()
        );
    }
}
