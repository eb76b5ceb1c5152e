//! What the router is given: the same in the steered step as in the clean one, for every form of its input.

use std::sync::Arc;

use candle_core::DType;
use emomm_chase::{
    CleanReading, Features, LoadedRouter, Router, RouterCard, RouterShape, RouterTiming, SampleContext,
    SteeringHook, TextScope, TokenSets, VariantRun, preset, with_overrides,
};
use emomm_dataset::Modality;
use emomm_models::white_box::DecisionPoint;

use super::case::Case;

/// A batch of one row against one row: sums in another order.
const SAME: f64 = 1e-5;

fn router(case: &Case, layer_embedding: usize, timing: RouterTiming) -> LoadedRouter {
    let shape = case.shape();
    let router_shape =
        RouterShape { inner_size: 8, layer_embedding, timing, ..RouterShape::paper(shape.hidden_size) };
    let card = RouterCard::untrained(router_shape, shape.n_layers, shape.n_heads);
    Arc::new((Router::random(router_shape, 3, DType::F32).unwrap(), card))
}

/// p and g of every layer that is read online in a step that is never steered, and those of the clean step.
fn online_and_clean(point: &DecisionPoint<'_>, router: &LoadedRouter) -> (Vec<[f64; 4]>, Vec<[f64; 4]>) {
    let sets = Arc::new(TokenSets::of(point.layout(), TextScope::Transcript, 0));
    let features = Features::read(point, &sets).unwrap();
    let reading = CleanReading::of(&features, &router.0, &router.1).unwrap();
    let never = with_overrides(&preset("paper").unwrap(), &"conflict_threshold = 1.0".parse().unwrap());
    let context = SampleContext {
        name: "clip",
        shape: point.shape(),
        sets,
        router: Some(Arc::clone(router)),
        clean: None,
        target: None,
        other: None,
        mean_gate: None,
        importance: None,
    };
    let run = VariantRun::new(Arc::new(never.unwrap()), &context).unwrap();
    let mut hook = SteeringHook::new(vec![run], Some(Arc::clone(router)));
    point.decide(1, Some(&mut hook)).unwrap();
    let trace = hook.variants()[0].trace("never");
    let online = trace.layers.iter().map(|l| {
        let gate = Modality::ALL.map(|m| l.gate.get(m).unwrap_or(0.0));
        [l.conflict_prob.unwrap(), gate[0], gate[1], gate[2]]
    });
    let clean = trace.layers.iter().map(|l| {
        let read = &reading.layers[l.layer - 1];
        [read.conflict_prob, read.gate[0], read.gate[1], read.gate[2]]
    });
    (online.collect(), clean.collect())
}

#[test]
fn a_step_that_is_never_steered_reads_what_the_clean_step_reads() {
    for case in Case::all() {
        let n_layers = case.shape().n_layers;
        for timing in [RouterTiming::SameLayer, RouterTiming::OneLayerLag] {
            for layer_embedding in [0, n_layers] {
                let router = router(&case, layer_embedding, timing);
                case.visit(|point| {
                    let (online, clean) = online_and_clean(point, &router);
                    assert_eq!(online.is_empty(), point.coalition().is_empty());
                    for (online, clean) in online.iter().zip(&clean) {
                        let worst = (0..4).map(|i| (online[i] - clean[i]).abs()).fold(0.0, f64::max);
                        assert!(worst < SAME, "{} {timing:?}: {online:?} {clean:?}", point.coalition());
                    }
                });
            }
        }
    }
}

/// A lag of one layer reads another preference and a layer embedding another input: neither is ignored.
#[test]
fn lag_and_layer_embedding_change_what_is_read() {
    let case = Case::open("gqa");
    let n_layers = case.shape().n_layers;
    let read = |layer_embedding: usize, timing: RouterTiming| {
        let router = router(&case, layer_embedding, timing);
        let mut first = Vec::new();
        case.visit(|point| {
            if point.coalition() == emomm_dataset::ModalitySet::FULL {
                first = online_and_clean(point, &router).1;
            }
        });
        first
    };
    let differ = |a: &[[f64; 4]], b: &[[f64; 4]]| {
        a.iter().zip(b).flat_map(|(a, b)| (0..4).map(|i| (a[i] - b[i]).abs())).fold(0.0, f64::max) > 1e-6
    };
    let plain = read(0, RouterTiming::SameLayer);
    assert!(differ(&plain, &read(0, RouterTiming::OneLayerLag)));
    assert!(differ(&plain, &read(n_layers, RouterTiming::SameLayer)));
}
