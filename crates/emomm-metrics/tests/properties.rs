//! What holds of every input.

use emomm_dataset::{Labels, Modality, ModalitySet, PerModality, Sentiment, Source};
use emomm_metrics::{
    Acc2, AlphaLevel, BootstrapOptions, Classification, Clusters, ConsistencyMatrix, Figure, Flips, Gtar,
    GtarOptions, GtarSample, KappaWeights, PermutationOptions, Psmv, Ratings, Unparsed, cluster_bootstrap,
    fleiss_kappa, holm, krippendorff_alpha, mcnemar, pairwise_agreement, pearson, sign_flip_test,
};
use proptest::prelude::*;

fn class() -> impl Strategy<Value = Sentiment> {
    (0_usize..5).prop_map(|i| Sentiment::from_index(i).unwrap())
}

fn pairs() -> impl Strategy<Value = Vec<(Sentiment, Option<Sentiment>)>> {
    prop::collection::vec((class(), prop::option::weighted(0.9, class())), 0..60)
}

fn labels() -> impl Strategy<Value = Labels<Sentiment>> {
    let label = || prop::option::weighted(0.9, class());
    (class(), label(), label(), label()).prop_map(|(ground_truth, text, audio, video)| Labels {
        ground_truth,
        modalities: PerModality { text, audio, video },
    })
}

fn gtar_samples() -> impl Strategy<Value = Vec<GtarSample>> {
    let sample = (prop::sample::select(ModalitySet::ALL.to_vec()), labels(), prop::option::of(class()))
        .prop_map(|(available, labels, predicted)| GtarSample { available, labels, predicted });
    prop::collection::vec(sample, 0..60)
}

fn ratings() -> impl Strategy<Value = Vec<Vec<Option<i32>>>> {
    prop::collection::vec(prop::collection::vec(prop::option::weighted(0.9, -1_i32..=1), 4), 1..40)
}

fn psmv_of(values: &[f64]) -> Psmv {
    let position = |s: ModalitySet| ModalitySet::ALL.iter().position(|x| *x == s).unwrap();
    Psmv::of(|s| Some(Figure { value: values[position(s)], n: 1 })).unwrap()
}

fn is_close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * (1.0 + a.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

proptest! {
    /// Σ PSMV(m) = V(TAV) − V(∅).
    #[test]
    fn psmv_is_efficient(values in prop::collection::vec(-1.0_f64..1.0, 8)) {
        let psmv = psmv_of(&values);
        let sum: f64 = psmv.values.iter().map(|(_, x)| x).sum();
        prop_assert!((sum - psmv.total).abs() < 1e-12);
        prop_assert!((psmv.total - (values[7] - values[0])).abs() < 1e-15);
        for shares in [psmv.shares, psmv.positive_shares].into_iter().flatten() {
            let sum: f64 = shares.iter().map(|(_, x)| x).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    /// Two modalities that add the same to every coalition have the same value; one that adds nothing has 0.
    #[test]
    fn psmv_is_symmetric_and_ignores_dummies(values in prop::collection::vec(0.0_f64..1.0, 6)) {
        let psmv = |value: &dyn Fn(bool, bool, bool) -> f64| {
            Psmv::of(|s| {
                let [t, a, v] = Modality::ALL.map(|m| s.contains(m));
                Some(Figure { value: value(t, a, v), n: 1 })
            })
            .unwrap()
        };
        // Depends on T and on how many of A and V there are.
        let symmetric = psmv(&|t, a, v| values[3 * usize::from(t) + usize::from(a) + usize::from(v)]);
        prop_assert!((symmetric.values.audio - symmetric.values.video).abs() < 1e-12);
        let without_video = psmv(&|t, a, _| values[2 * usize::from(t) + usize::from(a)]);
        prop_assert!(without_video.values.video.abs() < 1e-12);
    }

    #[test]
    fn figures_of_classes_do_not_depend_on_the_order_and_lie_in_their_range(pairs in pairs(), by in 0_usize..60) {
        for unparsed in [Unparsed::Wrong, Unparsed::Excluded] {
            let row = Classification::of(&pairs, unparsed, Acc2::NegativePositive);
            let mut turned = pairs.clone();
            turned.rotate_left(by % pairs.len().max(1));
            turned.reverse();
            prop_assert_eq!(&row, &Classification::of(&turned, unparsed, Acc2::NegativePositive));
            for figure in [row.acc, row.macro_f1, row.weighted_f1, row.uar, row.acc3, row.acc2].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&figure.value) && figure.n > 0 && figure.n <= pairs.len());
            }
            prop_assert_eq!(row.acc.is_none(), row.macro_f1.is_none());
        }
    }

    #[test]
    fn right_answers_have_the_figure_one(truth in prop::collection::vec(class(), 1..40)) {
        let pairs: Vec<_> = truth.iter().map(|t| (*t, Some(*t))).collect();
        let row = Classification::of(&pairs, Unparsed::Wrong, Acc2::HasZero);
        for figure in [row.acc, row.macro_f1, row.weighted_f1, row.uar, row.acc3, row.acc2] {
            prop_assert!((figure.unwrap().value - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn consistency_is_symmetric_with_unit_diagonal(labels in prop::collection::vec(labels(), 1..40)) {
        let matrix = ConsistencyMatrix::of(&labels);
        for i in Source::ALL {
            prop_assert!(matrix.get(i, i).is_none_or(|c| (c.value - 1.0).abs() < 1e-15));
            for j in Source::ALL {
                prop_assert_eq!(matrix.get(i, j), matrix.get(j, i));
                prop_assert!(matrix.get(i, j).is_none_or(|c| (0.0..=1.0).contains(&c.value)));
            }
        }
        prop_assert_eq!(matrix.get(Source::GroundTruth, Source::GroundTruth).unwrap().n, labels.len());
    }

    #[test]
    fn gtar_does_not_depend_on_the_order_and_counts_what_it_says(samples in gtar_samples()) {
        let gtar = Gtar::of(samples.iter().copied(), GtarOptions::default());
        let reversed = Gtar::of(samples.iter().rev().copied(), GtarOptions::default());
        prop_assert_eq!(gtar, reversed);
        prop_assert!(gtar.n_conflict + gtar.n_unlabelled <= samples.len());
        for m in Modality::ALL {
            let rate = gtar.rates.get(m);
            prop_assert!(rate.numerator <= rate.denominator && rate.denominator <= gtar.n_conflict);
            prop_assert!(gtar.get(m).is_none_or(|f| (0.0..=1.0).contains(&f.value)));
        }
    }

    #[test]
    fn identical_ratings_agree_perfectly(values in prop::collection::vec(-1_i32..=1, 2..30)) {
        let ratings = Ratings::complete(values.iter().map(|v| [*v; 3]));
        let varies = values.iter().any(|v| *v != values[0]);
        let one = varies.then_some(1.0);
        prop_assert!(is_close(fleiss_kappa(&ratings).map(|k| k.value), one));
        for level in [AlphaLevel::Nominal, AlphaLevel::Ordinal, AlphaLevel::Interval] {
            prop_assert!(is_close(krippendorff_alpha(&ratings, level).map(|a| a.value), one));
        }
        let pairwise = pairwise_agreement(&ratings, KappaWeights::Quadratic);
        prop_assert!(is_close(pairwise.mean_kappa.map(|k| k.value), one));
        prop_assert!(is_close(pairwise.agreement.map(|a| a.value), Some(1.0)));
    }

    /// Neither the order of the items nor who is called first annotator matters.
    #[test]
    fn agreement_does_not_depend_on_order(items in ratings(), by in 0_usize..4) {
        let turned: Vec<Vec<_>> = items
            .iter()
            .rev()
            .map(|item| { let mut item = item.clone(); item.rotate_left(by); item })
            .collect();
        let (a, b) = (Ratings::new(4, items).unwrap(), Ratings::new(4, turned).unwrap());
        prop_assert!(is_close(fleiss_kappa(&a).map(|k| k.value), fleiss_kappa(&b).map(|k| k.value)));
        for level in [AlphaLevel::Nominal, AlphaLevel::Ordinal, AlphaLevel::Interval] {
            let alpha = |ratings| krippendorff_alpha(ratings, level).map(|a| a.value);
            prop_assert!(is_close(alpha(&a), alpha(&b)));
            prop_assert!(alpha(&a).is_none_or(|v| v <= 1.0));
        }
        let kappa = |r| pairwise_agreement(r, KappaWeights::Linear).mean_kappa.map(|k| k.value);
        prop_assert!(is_close(kappa(&a), kappa(&b)));
    }

    #[test]
    fn holm_is_monotone_and_never_below_the_p_value(p_values in prop::collection::vec(0.0_f64..=1.0, 0..20)) {
        let adjusted = holm(&p_values).unwrap();
        for (i, p) in p_values.iter().enumerate() {
            prop_assert!(adjusted[i] >= *p && adjusted[i] <= 1.0);
            for (j, q) in p_values.iter().enumerate() {
                prop_assert!(p > q || adjusted[i] <= adjusted[j]);
            }
        }
    }

    #[test]
    fn mcnemar_is_a_symmetric_probability(b in 0_usize..500, c in 0_usize..500) {
        let p = |right_to_wrong, wrong_to_right| {
            mcnemar(Flips { right_to_wrong, wrong_to_right, n: 1000 }).unwrap()
        };
        prop_assert!(p(b, c) > 0.0 && p(b, c) <= 1.0);
        prop_assert_eq!(p(b, c).to_bits(), p(c, b).to_bits());
    }

    /// With one sample in a cluster and differences of 1, 0 and −1, the sign-flip test is McNemar's.
    #[test]
    fn the_sign_flip_test_of_single_flips_is_mcnemar_s(differences in prop::collection::vec(-1_i8..=1, 1..11)) {
        let count = |sign| differences.iter().filter(|d| **d == sign).count();
        let flips = Flips { right_to_wrong: count(1), wrong_to_right: count(-1), n: differences.len() };
        let differences: Vec<f64> = differences.iter().map(|d| f64::from(*d)).collect();
        let clusters = Clusters::singletons(differences.len());
        let test = sign_flip_test(&differences, &clusters, PermutationOptions::default()).unwrap().unwrap();
        prop_assert!((test.p_value - mcnemar(flips).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn an_interval_is_in_order_and_inside_the_range(
        samples in prop::collection::vec((0_u8..6, 0.0_f64..1.0), 1..40),
        seed in any::<u64>(),
    ) {
        let clusters = Clusters::by_key(samples.iter().map(|(key, _)| key));
        let options = BootstrapOptions { n_resamples: 50, level: 0.8, seed };
        let mean = |indices: &[usize]| {
            let sum: f64 = indices.iter().map(|i| samples[*i].1).sum();
            (!indices.is_empty()).then(|| sum / indices.len() as f64)
        };
        let estimate = cluster_bootstrap(&clusters, options, mean).unwrap().unwrap();
        prop_assert_eq!(estimate.low.is_some(), clusters.len() > 1);
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            prop_assert!(0.0 <= low && low <= high && high <= 1.0);
        }
    }

    #[test]
    fn correlation_is_symmetric_and_bounded(pairs in prop::collection::vec((-1e6_f64..1e6, -1e6_f64..1e6), 0..40)) {
        let swapped: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (*y, *x)).collect();
        let r = pearson(&pairs).unwrap().map(|f| f.value);
        prop_assert!(r.is_none_or(|r| (-1.0..=1.0).contains(&r)));
        prop_assert!(is_close(r, pearson(&swapped).unwrap().map(|f| f.value)));
    }
}
