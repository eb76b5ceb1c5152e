//! Where p and g come from: the same p and g act alike, whichever source gives them, and random ones are those that Python
//! draws (`tests/golden/chase/random_gate.py`).

use std::sync::Arc;

use emomm_chase::{
    CleanReading, Features, GateSource, Rng, RouterOutput, SampleContext, SteeringConfig, SteeringHook,
    Target, TextScope, TokenSets, VariantRun, preset, with_overrides,
};
use emomm_dataset::{Modality, ModalitySet};
use emomm_models::white_box::DecisionPoint;

use super::case::{Case, read_json};

/// One gate for all sources.
const GATE: [f64; 3] = [0.1, 0.7, 0.2];

fn config(gate: &str, more: &str) -> SteeringConfig {
    let text = format!(
        "gate = \"{gate}\"\nconflict = \"always\"\nn_heads_steered = 2\nintra_strength = 0.0\n{more}"
    );
    with_overrides(&preset("paper").unwrap(), &text.parse().unwrap()).unwrap()
}

/// Runs one variant that is told the same gate in three ways; gives letters and the gates of its trace.
fn run(case: &Case, point: &DecisionPoint<'_>, config: SteeringConfig) -> ([u32; 5], Vec<[f64; 3]>) {
    let router = case.router(TextScope::Transcript, 0);
    let sets = Arc::new(TokenSets::of(point.layout(), TextScope::Transcript, 0));
    let clean = Features::read(point, &sets).unwrap();
    let reading = CleanReading::of(&clean, &router.0, &router.1).unwrap();
    let n_layers = point.shape().n_layers;
    let other = CleanReading { layers: vec![RouterOutput { conflict_prob: 1.0, gate: GATE }; n_layers] };
    let context = SampleContext {
        name: "clip/TAV",
        shape: point.shape(),
        sets,
        router: Some(Arc::clone(&router)),
        clean: Some((&clean, &reading)),
        target: Some(Target { conflict: 1.0, gate: GATE, ..target() }),
        other: Some(&other),
        mean_gate: Some(GATE),
        importance: None,
    };
    let run = VariantRun::new(Arc::new(config), &context).unwrap();
    let mut hook = SteeringHook::new(vec![run], Some(router));
    let decision = point.decide(1, Some(&mut hook)).unwrap();
    let letters = point.letter_logits(&decision).unwrap()[0].map(f32::to_bits);
    let trace = hook.variants()[0].trace("x");
    let gates = trace.layers.iter().map(|l| Modality::ALL.map(|m| l.gate.get(m).unwrap())).collect();
    (letters, gates)
}

fn target() -> Target {
    use emomm_chase::TargetRules;
    use emomm_dataset::Sentiment::{Negative, Positive};
    let labels = [Some(Negative), Some(Positive), Some(Negative)];
    TargetRules::default().target(Positive, labels, ModalitySet::FULL).unwrap()
}

#[test]
fn the_same_gate_acts_alike_from_the_labels_from_training_and_from_another_sample() {
    for case in Case::all() {
        case.visit(|point| {
            if point.coalition() != ModalitySet::FULL {
                return;
            }
            let plain = point.letter_logits(&point.decide(1, None).unwrap()).unwrap()[0].map(f32::to_bits);
            let (oracle, gates) = run(&case, point, config("oracle", ""));
            assert!(gates.iter().all(|g| *g == GATE) && gates.len() >= 2, "{gates:?}");
            assert_ne!(oracle, plain);
            for source in ["constant", "shuffled"] {
                assert_eq!(run(&case, point, config(source, "")), (oracle, gates.clone()), "{source}");
            }
            // A clean reading of the sample itself is another gate.
            assert_ne!(run(&case, point, config("router", "")).0, oracle);
        });
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "the same draw, bit for bit")]
fn a_random_gate_is_the_seed_s_and_the_sample_s() {
    let case = Case::open("gqa");
    case.visit(|point| {
        if point.coalition() != ModalitySet::FULL {
            return;
        }
        let drawn = Rng::named(7, "gate/clip/TAV").dirichlet([true; 3]);
        let (_, gates) = run(&case, point, config("random", "seed = 7"));
        assert!(gates.iter().all(|g| *g == drawn), "{gates:?} {drawn:?}");
        let (_, by_layer) = run(&case, point, config("random", "seed = 7\nrandom_unit = \"layer\""));
        assert!(by_layer.windows(2).all(|pair| pair[0] != pair[1]), "{by_layer:?}");
        assert_ne!(run(&case, point, config("random", "seed = 8")).1, gates);
    });
    assert_eq!(preset("random_gate").unwrap().gate, GateSource::Random);
}

#[test]
fn python_draws_the_same_gates() {
    for row in read_json("chase/random_gate.json").as_array().unwrap() {
        let seed: u64 = row["seed"].as_str().unwrap().parse().unwrap();
        let mut stream = Rng::named(seed, &format!("gate/{}", row["sample"].as_str().unwrap()));
        let present = [0, 1, 2].map(|m| row["present"][m].as_bool().unwrap());
        let gate = stream.dirichlet(present);
        for m in 0..3 {
            assert!((gate[m] - row["gate"][m].as_f64().unwrap()).abs() <= 1e-15, "{row} {gate:?}");
        }
        assert!((stream.unit() - row["p"].as_f64().unwrap()).abs() <= 1e-15, "{row}");
    }
}
