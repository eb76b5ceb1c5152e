//! What must hold whatever the weights are.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use emomm_chase::{
    AllHeads, CleanReading, ClipKnowledge, Features, GateSource, HeadCount, PreferenceOptions, Steerer,
    SteeringConfig, SteeringHook, TextScope, TokenSets, Variant, VariantKind, preference, preset,
    with_overrides,
};
use emomm_dataset::{Corpus, Modality, ModalitySet};
use emomm_eval::Clip;
use emomm_models::ModelError;
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use emomm_models::white_box::DecisionPoint;

use super::case::{Case, worst};

/// Sums in another order: a batch of rows against a single one.
const SAME: f32 = 1e-5;

fn full(name: &'static str, mut check: impl FnMut(&Case, &DecisionPoint<'_>)) {
    let case = Case::open(name);
    case.visit(|point| {
        if point.coalition() == ModalitySet::FULL {
            check(&case, point);
        }
    });
}

fn steered(case: &Case, point: &DecisionPoint<'_>, configs: &[SteeringConfig]) -> Vec<[f32; 5]> {
    let runs = configs.iter().map(|c| case.variant(c, point)).collect();
    let mut hook = SteeringHook::new(runs, Some(case.router(TextScope::Transcript, 0)));
    let decision = point.decide(configs.len(), Some(&mut hook)).unwrap();
    point.letter_logits(&decision).unwrap()
}

fn with(base: &str, overrides: &str) -> SteeringConfig {
    with_overrides(&preset(base).unwrap(), &overrides.parse().unwrap()).unwrap()
}

/// Steers every layer that the paper's settings would read.
fn paper() -> SteeringConfig {
    with("paper", "conflict_threshold = 0.0\ntarget_mass = 0.4\nn_heads_steered = 2")
}

#[test]
fn a_steering_without_strength_is_no_steering_bit_for_bit() {
    full("gqa", |case, point| {
        let plain = point.letter_logits(&point.decide(1, None).unwrap()).unwrap()[0].map(f32::to_bits);
        let nothing = [
            preset("baseline").unwrap(),
            with("paper", "conflict_threshold = 1.0"),
            with("paper", "conflict_threshold = 0.0\nmax_steering = 0.0\nintra_strength = 0.0"),
            with("paper", "conflict_threshold = 0.0\ninter_strength = 0.0\nintra_strength = 0.0"),
            with("paper", "conflict_threshold = 0.0\ninter_strength = 0.0\ntarget_mass = 1e-9"),
        ];
        for config in nothing {
            let logits = steered(case, point, std::slice::from_ref(&config))[0];
            assert_eq!(logits.map(f32::to_bits), plain, "{config:?}");
        }
        let acts = steered(case, point, &[paper()])[0];
        assert!(worst(&acts, &plain.map(f32::from_bits)) > 1e-4);
    });
}

#[test]
fn strength_zero_of_a_part_is_that_part_absent() {
    full("gqa", |case, point| {
        let parts = [
            with("no_inter", "conflict_threshold = 0.0\ntarget_mass = 0.4\nn_heads_steered = 2"),
            SteeringConfig { max_steering: 0.0, ..paper() },
        ];
        let logits = steered(case, point, &parts);
        assert!(worst(&logits[0], &logits[1]) < SAME, "{logits:?}");
    });
}

#[test]
fn a_batch_of_variants_equals_each_alone() {
    full("full_prefixed", |case, point| {
        let configs = [
            paper(),
            preset("baseline").unwrap(),
            with("two_pass", "conflict_threshold = 0.0"),
            with("random_gate", "conflict_threshold = 0.0"),
            with("always_on", "n_heads_steered = \"all\""),
            preset("video_boost").unwrap(),
        ];
        let batch = steered(case, point, &configs);
        for (config, together) in configs.iter().zip(batch) {
            let alone = steered(case, point, std::slice::from_ref(config))[0];
            assert!(worst(&together, &alone) < SAME, "{}", config.preset);
        }
    });
}

/// Keeps the preference of every head before and after.
struct Watch {
    inner: SteeringHook,
    sets: TokenSets,
    before: Vec<Vec<[f64; 3]>>,
    after: Vec<Vec<[f64; 3]>>,
}

impl Watch {
    fn preferences(&self, rows: &Tensor) -> candle_core::Result<Vec<[f64; 3]>> {
        let rows: Vec<Vec<f32>> = rows.to_vec2()?;
        Ok(rows.iter().map(|row| preference(row, &self.sets, PreferenceOptions::default())).collect())
    }
}

impl DecisionHook for Watch {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let pattern = candle_nn::ops::softmax_last_dim(&layer.attn_scores.get(0)?)?;
        self.before.push(self.preferences(&pattern)?);
        self.inner.attn_bias(layer)
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        self.after.push(self.preferences(&pattern.get(0)?)?);
        self.inner.observe_pattern(layer, pattern)
    }
}

/// γ = 1, ε_a = 0, β = 0 with shares: every steered head's preference becomes π̂ of Eq. (12).
#[test]
fn the_exact_bias_reaches_the_target_preference_in_every_head() {
    full("gqa", |case, point| {
        let config = SteeringConfig {
            inter_strength: 1.0,
            epsilon_a: 0.0,
            intra_strength: 0.0,
            n_heads_steered: HeadCount::All(AllHeads::All),
            ..paper()
        };
        let inner = SteeringHook::new(
            vec![case.variant(&config, point)],
            Some(case.router(TextScope::Transcript, 0)),
        );
        let sets = TokenSets::of(point.layout(), TextScope::Transcript, 0);
        let mut watch = Watch { inner, sets, before: Vec::new(), after: Vec::new() };
        point.decide(1, Some(&mut watch)).unwrap();
        let trace = watch.inner.variants()[0].trace("exact");
        assert!(trace.layers.iter().filter(|l| l.steered).count() >= 3);
        for layer in &trace.layers {
            let gate = Modality::ALL.map(|m| layer.gate.get(m).unwrap());
            assert!((gate.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let strength = config.max_steering * layer.conflict_prob.unwrap();
            let heads = watch.before[layer.layer - 1].iter().zip(&watch.after[layer.layer - 1]);
            for (before, after) in heads {
                for m in 0..3 {
                    let target = (1.0 - strength) * before[m] + strength * gate[m];
                    assert!((after[m] - target).abs() < 1e-6, "{} {}", after[m], target);
                }
            }
        }
    });
}

#[test]
fn one_modality_has_no_preference_to_move_and_none_is_left_alone() {
    let case = Case::open("gqa");
    case.visit(|point| {
        let plain = point.letter_logits(&point.decide(1, None).unwrap()).unwrap()[0];
        let inter = SteeringConfig { intra_strength: 0.0, ..paper() };
        let both = paper();
        let logits = steered(&case, point, &[inter, both]);
        let n = point.coalition().len();
        assert_eq!(worst(&logits[0], &plain) < SAME, n <= 1, "{}: inter", point.coalition());
        let acts = n > 1 || point.coalition().contains(Modality::Video);
        assert_eq!(worst(&logits[1], &plain) >= SAME, acts, "{}: both", point.coalition());
    });
}

#[test]
fn placebos_depend_on_seed_and_sample_alone() {
    full("gqa", |case, point| {
        let random = |seed: u64| SteeringConfig { gate: GateSource::Random, seed, ..paper() };
        let a = steered(case, point, &[random(1)])[0];
        let b = steered(case, point, &[paper(), random(1)])[1];
        let c = steered(case, point, &[random(2)])[0];
        assert!(worst(&a, &b) < SAME);
        assert!(worst(&a, &c) > 1e-6);
    });
}

#[test]
fn an_attention_that_is_no_number_is_an_error() {
    full("gqa", |case, point| {
        let run = case.variant(&paper(), point);
        let mut hook = SteeringHook::new(vec![run], Some(case.router(TextScope::Transcript, 0)));
        let keys = point.layout().total();
        let mut scores = vec![0_f32; 4 * keys];
        scores[3 * keys + 7] = f32::NAN;
        let scores = Tensor::from_vec(scores, (1, 4, keys), &Device::Cpu).unwrap();
        let layer = DecisionLayer {
            layer: 2,
            n_layers: 4,
            resid_pre: point.embedding(),
            attn_scores: &scores,
            prefill: point.prefill(),
        };
        // What failed is named, and the engine is not blamed for it.
        let error = ModelError::from(hook.attn_bias(&layer).unwrap_err());
        let expected = "attention of the decision row in layer 3, head 3 is NaN, expected a finite number";
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some_and(|hint| hint.contains("--dtype f32")), "{:?}", error.hint());
        let two = Tensor::zeros((2, 4, keys), candle_core::DType::F32, &Device::Cpu).unwrap();
        let error =
            ModelError::from(hook.attn_bias(&DecisionLayer { attn_scores: &two, ..layer }).unwrap_err());
        assert_eq!(error.to_string(), "layer 3: 2 decision rows, expected one for each of 1 variants");
    });
}

/// A bias of the user's own moves what the router reads: clean p that stay below τ do not mean that nothing is steered.
#[test]
fn a_layer_that_only_an_intervention_makes_a_conflict_gets_its_intra_modality_bias() {
    let mut n_steered = 0;
    full("gqa", |case, point| {
        let router = case.router(TextScope::Transcript, 0);
        let sets = TokenSets::of(point.layout(), TextScope::Transcript, 0);
        let clean = CleanReading::of(&Features::read(point, &sets).unwrap(), &router.0, &router.1).unwrap();
        let read = &clean.layers[router.1.first_layer - 1..];
        let above_all = read.iter().map(|l| l.conflict_prob).fold(0.0, f64::max) + 1e-6;
        let text = Some("words".to_owned());
        let clip = Clip { id: "clip".to_owned(), text, audio: None, video: None, corpus: Corpus::ChSims };
        let knowledge = ClipKnowledge { target: &|_| None, other: &|_| None };
        for (modality, bias) in
            ["text", "audio", "video"].into_iter().flat_map(|m| [-8, -4, 4, 8].map(|b| (m, b)))
        {
            let overrides = format!(
                "conflict_threshold = {above_all}\ntarget_mass = 0.9\nn_heads_steered = 2\n[[intervention]]\n\
                 layers = [1]\nmodality = \"{modality}\"\nbias = {bias}"
            );
            let kind = VariantKind::Steered(Arc::new(with("paper", &overrides)));
            let variant = Variant { name: "own".to_owned(), kind };
            let steerer = Steerer::new(vec![variant], Some(Arc::clone(&router))).unwrap();
            let (mut hook, trace) = steerer.hook(point, &clip, &knowledge).unwrap().unwrap();
            point.decide(1, Some(hook.as_mut())).unwrap();
            let trace = trace.lock().unwrap().take().unwrap();
            for layer in trace.layers.iter().filter(|l| l.steered) {
                n_steered += 1;
                let n = layer.heads_below_target;
                assert!(n.is_some_and(|n| n > 0), "{modality} {bias}, layer {}: {n:?}", layer.layer);
            }
        }
    });
    assert!(n_steered > 0);
}

#[test]
fn a_variant_that_lacks_something_says_what() {
    full("gqa", |case, point| {
        let sets = Arc::new(TokenSets::of(point.layout(), TextScope::Transcript, 0));
        let context = emomm_chase::SampleContext {
            name: "clip",
            shape: point.shape(),
            sets,
            router: Some(case.router(TextScope::Transcript, 0)),
            clean: None,
            target: None,
            other: None,
            mean_gate: None,
            importance: None,
        };
        for (name, needs, hint) in [
            ("oracle_gate", "labels", "with labels of the modalities"),
            ("shuffled_router", "other samples", "select more clips"),
            ("constant_gate", "mean gate", "on masked copies, too"),
            ("two_pass", "clean decision step", "train a router"),
        ] {
            let made = emomm_chase::VariantRun::new(Arc::new(preset(name).unwrap()), &context);
            let error = made.err().unwrap();
            assert!(error.to_string().contains(needs), "{name}: {error}");
            assert!(error.hint().unwrap().contains(hint), "{name}: {:?}", error.hint());
        }
        let without = emomm_chase::SampleContext { router: None, ..context };
        let error = emomm_chase::VariantRun::new(Arc::new(preset("paper").unwrap()), &without).err().unwrap();
        assert!(error.to_string().contains("needs a router"), "{error}");
    });
}
