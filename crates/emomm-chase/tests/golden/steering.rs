//! Every golden setting under every coalition: what the router reads, which heads are chosen, which biases are added, and
//! which letters follow.
//!
//! Tolerance 1e-4 on all of it. Both sides compute scores in f32 and preferences, divergences and biases in f64; what
//! remains is the order of sums, which is of the order of 1e-6 here and grows where a bias depends on a small share.

use std::cell::RefCell;
use std::rc::Rc;

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use emomm_chase::{
    ImportanceKind, ImportanceSource, PreferenceOptions, SteeringHook, TextScope, TokenSets,
    attention_importance, divergences, preference,
};
use emomm_dataset::{Modality, ModalitySet, PerModality};
use emomm_models::decoder::{DecisionHook, DecisionLayer};

use super::case::{Case, read_json, setting, worst};

const CLOSE: f32 = 1e-4;

fn list(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn shown(values: &PerModality<Option<f64>>) -> Vec<f32> {
    values.iter().map(|(_, v)| v.unwrap_or(0.0) as f32).collect()
}

#[test]
fn every_setting_agrees_under_every_coalition_as_one_batch() {
    let settings = read_json("chase/settings.json");
    let settings = settings.as_object().unwrap();
    for case in Case::all() {
        let mut steered_layers = 0;
        case.visit(|point| {
            let coalition = point.coalition();
            let column = ModalitySet::ALL.iter().position(|c| *c == coalition).unwrap();
            let configs: Vec<_> = settings.values().map(setting).collect();
            let runs = configs.iter().map(|config| case.variant(config, point)).collect();
            let mut hook = SteeringHook::new(runs, Some(case.router(TextScope::Transcript, 0)));
            let decision = point.decide(configs.len(), Some(&mut hook)).unwrap();
            let logits = point.letter_logits(&decision).unwrap();
            for (i, (name, run)) in settings.keys().zip(hook.variants()).enumerate() {
                let label = format!("{} {coalition} {name}", case.name);
                let at = |what: &str| case.chase[what].get(i).unwrap().get(column).unwrap();
                let difference = worst(&logits[i], &list(&at("logits")));
                assert!(difference < CLOSE, "{label}: letters differ by {difference}");
                let conflict = list(&at("p"));
                let trace = run.trace(name);
                let read: Vec<usize> = (1..=conflict.len()).filter(|l| conflict[l - 1] >= 0.0).collect();
                let ours: Vec<usize> =
                    trace.layers.iter().filter(|l| l.conflict_prob.is_some()).map(|l| l.layer).collect();
                assert_eq!(ours, read, "{label}: layers read");
                for layer in &trace.layers {
                    let label = format!("{label} layer {}", layer.layer);
                    let at = |what: &str| list(&at(what).get(layer.layer - 1).unwrap());
                    if let Some(p) = layer.conflict_prob {
                        assert!((p as f32 - conflict[layer.layer - 1]).abs() < CLOSE, "{label}: p {p}");
                        assert!(worst(&shown(&layer.gate), &at("g")) < CLOSE, "{label}: g");
                    }
                    let heads: Vec<usize> =
                        (0..case.shape().n_heads).filter(|h| at("heads")[*h] > 0.5).collect();
                    assert_eq!(layer.heads, heads, "{label}: heads");
                    assert_eq!(layer.steered, at("steered")[0] > 0.5, "{label}: steered");
                    assert!(
                        worst(&shown(&layer.preference_before), &at("before")) < CLOSE,
                        "{label}: before"
                    );
                    assert!(worst(&shown(&layer.preference_after), &at("after")) < CLOSE, "{label}: after");
                    steered_layers += usize::from(layer.steered);
                }
            }
        });
        assert!(steered_layers > 100, "{}: only {steered_layers} layers were steered", case.name);
    }
}

/// Scores of a layer, and the bias that was added.
type Seen = (Tensor, Option<Tensor>);

/// Keeps scores and biases of the one variant that it lets act.
struct Spy {
    inner: SteeringHook,
    seen: Rc<RefCell<Vec<Seen>>>,
}

impl DecisionHook for Spy {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        let bias = self.inner.attn_bias(layer)?;
        self.seen
            .borrow_mut()
            .push((layer.attn_scores.get(0)?, bias.as_ref().map(|b| b.get(0)).transpose()?));
        Ok(bias)
    }
}

#[test]
fn preferences_divergences_and_biases_agree() {
    let settings = read_json("chase/settings.json");
    let config = setting(&settings["low_threshold"]);
    for case in Case::all() {
        case.visit(|point| {
            let coalition = point.coalition();
            let column = ModalitySet::ALL.iter().position(|c| *c == coalition).unwrap();
            let run = case.variant(&config, point);
            let significant = run.significant().to_vec();
            let seen = Rc::new(RefCell::new(Vec::new()));
            let inner = SteeringHook::new(vec![run], Some(case.router(TextScope::Transcript, 0)));
            let mut spy = Spy { inner, seen: Rc::clone(&seen) };
            point.decide(1, Some(&mut spy)).unwrap();
            let trace = spy.inner.variants()[0].trace("low_threshold");
            let sets = TokenSets::of(point.layout(), TextScope::Transcript, 0);
            for (layer, (scores, bias)) in seen.borrow().iter().enumerate() {
                let at = |what: &str| {
                    list(
                        &case.chase[&format!("low_threshold.{what}")]
                            .get(column)
                            .unwrap()
                            .get(layer)
                            .unwrap(),
                    )
                };
                let label = format!("{} {coalition} layer {layer}", case.name);
                let rows: Vec<Vec<f32>> = softmax_last_dim(scores).unwrap().to_vec2().unwrap();
                let pi: Vec<[f64; 3]> =
                    rows.iter().map(|row| preference(row, &sets, PreferenceOptions::default())).collect();
                let flat: Vec<f32> = pi.iter().flatten().map(|v| *v as f32).collect();
                assert!(worst(&flat, &at("pi")) < CLOSE, "{label}: π");
                if let Some(read) =
                    trace.layers.iter().find(|l| l.layer == layer + 1 && !coalition.is_empty())
                {
                    let gate = [0, 1, 2].map(|m| read.gate.get(Modality::ALL[m]).unwrap_or(0.0));
                    let jsd: Vec<f32> =
                        divergences(&pi, gate, &config).into_iter().map(|v| v as f32).collect();
                    assert!(worst(&jsd, &at("jsd")) < CLOSE, "{label}: JSD");
                }
                let bias: Vec<Vec<f32>> = match bias {
                    Some(bias) => bias.to_vec2().unwrap(),
                    None => vec![vec![0.0; sets.n_keys()]; rows.len()],
                };
                let (mut inter, mut intra) = (Vec::new(), Vec::new());
                for row in &bias {
                    let plain = |m: Modality| {
                        let keys = sets.of_modality(m).iter().find(|k| !significant.contains(k));
                        keys.map_or(0.0, |k| row[*k])
                    };
                    inter.extend(Modality::ALL.map(plain));
                    intra.push(significant.first().map_or(0.0, |k| row[*k] - plain(Modality::Video)));
                }
                assert!(worst(&inter, &at("b")) < CLOSE, "{label}: b");
                assert!(worst(&intra, &at("delta")) < CLOSE, "{label}: δ");
            }
        });
    }
}

#[test]
fn importance_by_gradient_agrees() {
    for case in Case::all() {
        case.visit(|point| {
            for kind in [ImportanceKind::GradientInput, ImportanceKind::GradientLayerInput] {
                // l_r = 2 in the setting `layer_input`.
                let source = ImportanceSource::of(kind, 1);
                let ours = source.compute(point).unwrap();
                let theirs = case.importance(point.coalition(), kind);
                assert_eq!(ours.is_some(), theirs.is_some());
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    let narrow = |v: &[f64]| v.iter().map(|x| *x as f32).collect::<Vec<f32>>();
                    assert!(worst(&narrow(&ours), &narrow(&theirs)) < CLOSE, "{kind:?}");
                    assert!((ours.iter().sum::<f64>() - 1.0).abs() < 1e-4);
                }
            }
        });
    }
}

#[test]
fn importance_without_a_gradient_agrees() {
    for case in Case::all() {
        case.visit(|point| {
            for (name, by_value) in [("attention", false), ("attention_value", true)] {
                let ours = attention_importance(point, by_value).unwrap();
                let theirs = case.chase.get(&format!("{name}.{}", point.coalition()));
                assert_eq!(ours.is_some(), theirs.is_some());
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    let ours: Vec<f32> = ours.iter().map(|v| *v as f32).collect();
                    assert!(worst(&ours, &list(theirs)) < CLOSE, "{} {name}", point.coalition());
                }
            }
        });
    }
}
