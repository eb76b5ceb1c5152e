//! Permutation tests and bootstrap intervals against scipy, and against an enumeration of all resamples.

use std::collections::BTreeMap;

use emomm_dataset::Sentiment;
use emomm_metrics::{
    BootstrapOptions, Clusters, PermutationOptions, Unparsed, cluster_bootstrap_many, five_class,
    sign_flip_test, swap_test,
};
use serde_json::Value;

use crate::{assert_close, cases, classes, index, indices, number};

/// Truth and the answers of two models.
struct Models {
    clusters: Clusters,
    truth: Vec<Sentiment>,
    a: Vec<Sentiment>,
    b: Vec<Sentiment>,
}

impl Models {
    fn read(case: &Value) -> Self {
        let [truth, a, b] = ["truth", "a", "b"].map(|key| classes(&case[key]));
        Self { clusters: Clusters::by_key(indices(&case["clusters"])), truth, a, b }
    }

    /// Which model is right, as 1, 0 and −1 for the first, both or none, and the second.
    fn differences(&self) -> Vec<f64> {
        let right = |model: &[Sentiment], i: usize| f64::from(u8::from(model[i] == self.truth[i]));
        (0..self.truth.len()).map(|i| right(&self.a, i) - right(&self.b, i)).collect()
    }

    fn f1_difference(&self, swapped: &[bool]) -> Option<f64> {
        let f1 = |first: bool| {
            let answer = |i: usize| if swapped[i] == first { self.b[i] } else { self.a[i] };
            let pairs = (0..self.truth.len()).map(|i| (self.truth[i], Some(answer(i))));
            five_class(pairs).macro_f1(Unparsed::Wrong).map(|f1| f1.value)
        };
        Some(f1(true)? - f1(false)?)
    }
}

#[test]
fn exact_permutation_tests_equal_scipy() {
    for case in cases("resampling.json", "permutation").iter().filter(|c| !c["macro_f1"].is_null()) {
        let models = Models::read(case);
        let options = PermutationOptions::default();
        let acc = sign_flip_test(&models.differences(), &models.clusters, options).unwrap().unwrap();
        let f1 = swap_test(&models.clusters, options, |s| models.f1_difference(s)).unwrap().unwrap();
        for (key, test) in [("acc", acc), ("macro_f1", f1)] {
            assert!(test.is_exact);
            assert_eq!(test.n_permutations, 1 << models.clusters.len());
            assert_close(test.observed, &case[key]["observed"], key);
            assert_close(test.p_value, &case[key]["p"], key);
        }
    }
}

/// Both sides draw 99,999 permutations. Each p-value has a standard error of √(p (1 − p) / 99999), and scipy
/// doubles one tail, which doubles its own at most.
#[test]
fn drawn_permutation_tests_agree_within_their_error() {
    for case in cases("resampling.json", "permutation").iter().filter(|c| c["macro_f1"].is_null()) {
        let models = Models::read(case);
        let options = PermutationOptions { n_permutations: 99_999, seed: 3 };
        let test = sign_flip_test(&models.differences(), &models.clusters, options).unwrap().unwrap();
        assert!(!test.is_exact);
        assert_close(test.observed, &case["acc"]["observed"], "observed");
        let expected = number(&case["acc"]["p"]);
        let error = (expected * (1.0 - expected) / 99_999.0).sqrt() * 5.0_f64.sqrt();
        assert!((test.p_value - expected).abs() < 5.0 * error, "{} against {expected}", test.p_value);
    }
}

/// An end of an interval from 2000 resamples varies with the seed. `deviation` is scipy's standard deviation over
/// ten seeds, `ends` their mean: ours must lie within six of them.
#[test]
fn bootstrap_intervals_agree_with_scipy_within_their_error() {
    for case in cases("resampling.json", "bootstrap") {
        let clusters = Clusters::by_key(indices(&case["clusters"]));
        let (truth, predicted) = (classes(&case["truth"]), classes(&case["predicted"]));
        let options = BootstrapOptions { n_resamples: index(&case["n_resamples"]), level: 0.95, seed: 11 };
        let estimates = cluster_bootstrap_many(&clusters, options, |samples| {
            let matrix = five_class(samples.iter().map(|i| (truth[*i], Some(predicted[*i]))));
            [
                matrix.accuracy(Unparsed::Wrong).map(|f| f.value),
                matrix.macro_f1(Unparsed::Wrong).map(|f| f.value),
            ]
        })
        .unwrap();
        for (key, estimate) in ["acc", "macro_f1"].into_iter().zip(estimates) {
            let (estimate, expected) = (estimate.unwrap(), &case[key]);
            assert_close(estimate.value, &expected["value"], key);
            assert_eq!((estimate.n_undefined, estimate.n_clusters), (0, clusters.len()));
            for (side, end) in [estimate.low, estimate.high].into_iter().enumerate() {
                let distance = (end.unwrap() - number(&expected["ends"][side])).abs();
                let deviation = number(&expected["deviation"][side]);
                assert!(distance < 6.0 * deviation, "{key}: {estimate:?}, expected {expected}");
            }
        }
    }
}

/// Four clusters have 4⁴ = 256 equally likely resamples. The sum of their values 1, 10, 100 and 1000 says how often
/// each was drawn; every such sum must come up as often as it should, within five standard deviations.
#[test]
fn resamples_have_the_enumerated_distribution() {
    const VALUES: [u32; 4] = [1, 10, 100, 1000];
    const N: usize = 51_200;
    let mut expected: BTreeMap<u32, f64> = BTreeMap::new();
    for draw in 0..256_usize {
        let sum = (0..4).map(|place| VALUES[draw >> (2 * place) & 3]).sum();
        *expected.entry(sum).or_insert(0.0) += 1.0 / 256.0;
    }
    let mut found: BTreeMap<u32, usize> = BTreeMap::new();
    let options = BootstrapOptions { n_resamples: N, level: 0.8, seed: 0 };
    let mut is_first = true;
    let estimate = emomm_metrics::cluster_bootstrap(&Clusters::singletons(4), options, |samples| {
        let sum = samples.iter().map(|i| VALUES[*i]).sum();
        // The first call is for the samples as they are.
        if !std::mem::replace(&mut is_first, false) {
            *found.entry(sum).or_insert(0) += 1;
        }
        Some(f64::from(sum))
    })
    .unwrap()
    .unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (sum, p) in &expected {
        let deviation = (N as f64 * p * (1.0 - p)).sqrt();
        let distance = (found[sum] as f64 - N as f64 * p).abs();
        assert!(distance < 5.0 * deviation, "{sum}: {} of {}", found[sum], N as f64 * p);
    }
    // The ends are the enumerated quantiles: no end lies near a jump of the distribution.
    let quantile = |level: f64| {
        let mut below = 0.0;
        expected
            .iter()
            .find(|(_, p)| {
                below += *p;
                below > level
            })
            .map(|(sum, _)| f64::from(*sum))
    };
    assert_eq!((estimate.low, estimate.high), (quantile(0.1), quantile(0.9)));
}
