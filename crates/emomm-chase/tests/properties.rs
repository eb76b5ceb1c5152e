//! What holds of every input: distributions stay distributions, biases vanish where there is nothing to move and reach what
//! they aim at, and no sample or head depends on the order in which it comes.

use candle_core::DType;
use emomm_chase::{
    HeadCount, HeadSelection, IntraForm, JudgedSample, LabelLevel, NeutralPolarity, NoneCorrect,
    PreferenceForm, PreferenceOptions, Router, RouterForm, RouterShape, Smoothing, SteeringConfig,
    TargetRules, by_subset, head_bias, inter_bias, intra_bias, jsd, preset, select_heads, significant_tokens,
};
use emomm_dataset::{Corpus, GridScore, Modality, ModalitySet, Sentiment};
use proptest::prelude::*;

fn class() -> impl Strategy<Value = Sentiment> {
    (0_usize..5).prop_map(|i| Sentiment::from_index(i).unwrap())
}

/// At least one modality.
fn shown() -> impl Strategy<Value = ModalitySet> {
    prop::sample::select(ModalitySet::ALL.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>())
}

fn present(shown: ModalitySet) -> [bool; 3] {
    Modality::ALL.map(|m| shown.contains(m))
}

/// A distribution over what is shown, with zeros now and then.
fn distribution(shown: ModalitySet) -> impl Strategy<Value = [f64; 3]> {
    let weight = prop_oneof![1 => Just(0.0), 6 => 1e-6_f64..1.0];
    prop::array::uniform3(weight).prop_map(move |raw| {
        let here = present(shown);
        let kept = [0, 1, 2].map(|m| if here[m] { raw[m] } else { 0.0 });
        let sum: f64 = kept.iter().sum();
        if sum > 0.0 {
            kept.map(|w| w / sum)
        } else {
            let n = here.iter().filter(|h| **h).count() as f64;
            here.map(|h| if h { 1.0 / n } else { 0.0 })
        }
    })
}

/// Two distributions over the same modalities.
fn two() -> impl Strategy<Value = (ModalitySet, [f64; 3], [f64; 3])> {
    shown().prop_flat_map(|s| (Just(s), distribution(s), distribution(s)))
}

fn rules() -> impl Strategy<Value = TargetRules> {
    let level = || prop::sample::select(vec![LabelLevel::Class, LabelLevel::Polarity, LabelLevel::Ordinal]);
    let neutral = prop::sample::select(vec![NeutralPolarity::Own, NeutralPolarity::Wildcard]);
    let none = prop::sample::select(vec![NoneCorrect::Uniform, NoneCorrect::Skip]);
    (level(), level(), neutral, any::<bool>(), 1e-3_f64..1.0, none).prop_map(
        |(correctness, conflict, neutral, conflict_over_all, epsilon, none_correct)| TargetRules {
            correctness,
            conflict,
            neutral,
            conflict_over_all,
            epsilon,
            none_correct,
        },
    )
}

fn is_distribution(values: [f64; 3], over: [bool; 3]) -> bool {
    (values.iter().sum::<f64>() - 1.0).abs() < 1e-9
        && (0..3).all(|m| values[m] >= 0.0 && (over[m] || values[m].to_bits() == 0))
}

fn judged() -> impl Strategy<Value = Vec<(JudgedSample, Option<Sentiment>, Option<Sentiment>)>> {
    let sample =
        (class(), 0_usize..4, any::<bool>()).prop_map(|(ground_truth, group, conflict)| JudgedSample {
            group: format!("g{group}"),
            shown: ModalitySet::FULL,
            subsets: vec![if conflict { "conflict" } else { "align" }],
            ground_truth,
            score: GridScore::from_steps(ground_truth.index() as i8 * 2 - 4).unwrap(),
            corpus: Corpus::ChSims,
        });
    let answer = || prop::option::weighted(0.9, class());
    prop::collection::vec((sample, answer(), answer()), 1..25)
}

proptest! {
    #[test]
    fn a_divergence_is_between_0_and_ln_2_whichever_way_round(
        (_, p, q) in two(), epsilon in prop_oneof![Just(0.0), 1e-12_f64..1e-2],
        smoothing in prop::sample::select(vec![Smoothing::Denominator, Smoothing::Symmetric]),
    ) {
        let found = jsd(p, q, epsilon, smoothing);
        prop_assert!((0.0..=std::f64::consts::LN_2).contains(&found), "{found}");
        prop_assert!((found - jsd(q, p, epsilon, smoothing)).abs() < 1e-12);
        prop_assert!(jsd(p, p, epsilon, smoothing) <= 1e-9);
    }

    #[test]
    fn a_preference_is_a_distribution_over_what_is_shown(
        nmas in prop::array::uniform3(0.0_f64..1e-2), mass in prop::array::uniform3(0.0_f64..0.3), s in shown(),
        form in prop::sample::select(vec![
            PreferenceForm::Share, PreferenceForm::SoftmaxRaw, PreferenceForm::SoftmaxScaled, PreferenceForm::MassShare,
        ]),
        temperature in 0.1_f64..10.0,
    ) {
        let here = present(s);
        let of = |v: [f64; 3]| [0, 1, 2].map(|m| if here[m] { v[m] } else { 0.0 });
        let options = PreferenceOptions { form, temperature };
        prop_assert!(is_distribution(options.of_scores(of(nmas), of(mass), here, 500), here));
    }

    #[test]
    fn a_router_s_gate_sums_to_1_and_is_0_where_nothing_is_shown(
        seed in any::<u64>(), s in shown(), rows in prop::collection::vec(prop::array::uniform11(-3.0_f32..3.0), 1..4),
        form in prop::sample::select(vec![RouterForm::SharedTrunk, RouterForm::SeparateTrunks, RouterForm::Linear]),
    ) {
        let shape = RouterShape { inner_size: 4, form, ..RouterShape::paper(2) };
        let router = Router::random(shape, seed, DType::F32).unwrap();
        let rows: Vec<Vec<f32>> = rows.into_iter().map(|r| r.to_vec()).collect();
        let here = vec![present(s); rows.len()];
        for output in router.read(&rows, &here).unwrap() {
            prop_assert!(is_distribution(output.gate, present(s)), "{output:?}");
            prop_assert!((0.0..=1.0).contains(&output.conflict_prob));
        }
    }

    #[test]
    fn a_target_gate_is_a_distribution_and_no_conflict_means_that_all_agree(
        rules in rules(), truth in class(), labels in prop::array::uniform3(class()), s in shown(),
    ) {
        let target = rules.target(truth, labels.map(Some), s).unwrap();
        prop_assert!(is_distribution(target.gate, present(s)), "{target:?}");
        let differs = |m: Modality| match rules.conflict {
            LabelLevel::Polarity => {
                let (a, b) = (labels[m.index()].polarity(), truth.polarity());
                let neutral = emomm_dataset::Polarity::Neutral;
                a != b && !(rules.neutral == NeutralPolarity::Wildcard && (a == neutral || b == neutral))
            }
            _ => labels[m.index()] != truth,
        };
        let seen = if rules.conflict_over_all { ModalitySet::FULL } else { s };
        prop_assert_eq!(target.conflict > 0.5, seen.iter().any(differs));
    }

    /// γ = 1, ε_a = 0: weighting π by e^b gives π̂ of Eq. (12) wherever π leaves something to weigh.
    #[test]
    fn the_exact_bias_reaches_its_target((s, pi, g) in two(), strength in 0.0_f64..=1.0) {
        let here = present(s);
        prop_assume!((0..3).all(|m| !here[m] || pi[m] > 1e-6));
        let b = inter_bias(pi, g, strength, 0.0, here);
        // Where π̂ is 0 no finite bias reaches it.
        let target = [0, 1, 2].map(|m| (1.0 - strength) * pi[m] + strength * g[m]);
        prop_assume!((0..3).all(|m| !here[m] || target[m] > 0.0));
        let weighted = [0, 1, 2].map(|m| if here[m] { pi[m] * b[m].exp() } else { 0.0 });
        let sum: f64 = weighted.iter().sum();
        for m in 0..3 {
            prop_assert!((weighted[m] / sum - target[m]).abs() < 1e-6, "{weighted:?} {target:?}");
        }
    }

    #[test]
    fn there_is_no_bias_where_the_gate_is_the_preference(
        (s, pi, _) in two(), strength in 0.0_f64..=1.0, epsilon in prop_oneof![Just(0.0), 1e-6_f64..1e-2],
    ) {
        for b in inter_bias(pi, pi, strength, epsilon, present(s)) {
            prop_assert!(b.abs() < 1e-9, "{b}");
        }
        prop_assert_eq!(inter_bias(pi, [0.0; 3], 0.0, epsilon, present(s)).map(|b| b.abs() < 1e-9), [true; 3]);
    }

    #[test]
    fn the_bias_inside_the_video_only_ever_adds(mass in 0.0_f64..1.0, target in 1e-3_f64..0.999, epsilon in 0.0_f64..1e-2) {
        for form in [IntraForm::AsWritten, IntraForm::Exact] {
            prop_assume!(mass > 0.0 || epsilon > 0.0);
            let delta = intra_bias(mass, target, epsilon, form);
            prop_assert!(delta >= 0.0 && delta.is_finite());
            prop_assert_eq!(delta > 0.0, mass < target);
        }
    }

    #[test]
    fn heads_are_k_of_the_greatest_divergence_in_ascending_order(
        jsd in prop::collection::vec(0.0_f64..0.7, 1..12), k in 1_usize..14,
    ) {
        let config = SteeringConfig { n_heads_steered: HeadCount::Count(k), ..preset("paper").unwrap() };
        let heads = select_heads(&jsd, 0, "clip", 1, &config);
        prop_assert_eq!(heads.len(), k.min(jsd.len()));
        prop_assert!(heads.windows(2).all(|w| w[0] < w[1]));
        let least = heads.iter().map(|h| jsd[*h]).fold(f64::INFINITY, f64::min);
        let others = (0..jsd.len()).filter(|h| !heads.contains(h));
        prop_assert!(others.map(|h| jsd[h]).all(|v| v <= least));
        let random = SteeringConfig { head_selection: HeadSelection::Random, ..config };
        prop_assert_eq!(select_heads(&jsd, 0, "clip", 1, &random).len(), k.min(jsd.len()));
    }

    #[test]
    fn significant_tokens_are_the_most_important_ones(
        importance in prop::collection::vec(0.0_f64..1.0, 1..40), percentile in 0.0_f64..=100.0,
    ) {
        let tokens: Vec<usize> = (7..7 + importance.len()).collect();
        let chosen = significant_tokens(&tokens, &importance, percentile, None);
        prop_assert!(!chosen.is_empty());
        let least = chosen.iter().map(|t| importance[t - 7]).fold(f64::INFINITY, f64::min);
        prop_assert!(tokens.iter().filter(|t| !chosen.contains(t)).all(|t| importance[t - 7] < least));
    }
}

proptest! {
    // Each case draws some thousand resamples.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_order_of_samples_changes_no_figure(samples in judged(), seed in any::<u64>()) {
        let of = |list: &[(JudgedSample, Option<Sentiment>, Option<Sentiment>)]| {
            let judged: Vec<JudgedSample> = list.iter().map(|s| s.0.clone()).collect();
            let (steered, plain): (Vec<_>, Vec<_>) = list.iter().map(|s| (s.1, s.2)).unzip();
            by_subset(&judged, &steered, &plain, 1).unwrap()
        };
        let plain = of(&samples);
        let mut other = samples.clone();
        emomm_chase::Rng::new(seed).shuffle(&mut other);
        let shuffled = of(&other);
        prop_assert_eq!(plain.len(), shuffled.len());
        for (name, figures) in &plain {
            let again = &shuffled[name];
            prop_assert_eq!(
                (figures.n, figures.n_clusters, figures.right_to_wrong, figures.wrong_to_right),
                (again.n, again.n_clusters, again.right_to_wrong, again.wrong_to_right)
            );
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            prop_assert!(close(figures.acc, again.acc) && close(figures.macro_f1, again.macro_f1));
            prop_assert!(close(figures.mae, again.mae));
            let delta = |f: &emomm_chase::SubsetFigures| {
                f.delta.map_or([None; 4], |d| [Some(d.value), d.low, d.high, d.p])
            };
            for (a, b) in delta(figures).into_iter().zip(delta(again)) {
                prop_assert!(close(a, b), "{name}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_head_is_moved_towards_what_the_gate_trusts_and_away_from_the_rest() {
    let mut layout = emomm_models::layout::Layout::default();
    layout.push(Some(Modality::Video), 3);
    layout.push(Some(Modality::Text), 2);
    layout.push(None, 1);
    let sets = emomm_chase::TokenSets::of(&layout, emomm_chase::TextScope::Transcript, 0);
    let config = preset("paper").unwrap();
    let output = emomm_chase::RouterOutput { conflict_prob: 0.9, gate: [0.2, 0.0, 0.8] };
    let row = [0.01, 0.02, 0.03, 0.3, 0.3, 0.34];
    let pi = emomm_chase::preference(&row, &sets, PreferenceOptions::default());
    let bias = head_bias(&row, &sets, pi, output, &[1], &config);
    assert!(bias.modality[2] > 0.0 && bias.modality[0] < 0.0 && bias.modality[1].to_bits() == 0);
    assert!(bias.significant > 0.0);
}
