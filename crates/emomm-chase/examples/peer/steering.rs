//! What CHASE does on a decision row, with an untrained router that steers every layer from its first on: the dearest case.

use std::sync::Arc;

use candle_core::DType;
use emomm_chase::{
    CleanReading, ConflictSource, Features, LoadedRouter, Router, RouterCard, RouterShape, SampleContext,
    SteeringHook, TextScope, TokenSets, VariantRun, preset,
};
use emomm_dataset::Modality;
use emomm_models::white_box::{DecisionPoint, DecoderShape};

use crate::measure::Failure;

/// The rows of Table 2 that steer, and the two-pass form.
pub(crate) const ABLATION: [&str; 5] = ["paper", "no_router", "no_inter", "no_intra", "two_pass"];

/// An untrained router of the paper's form.
pub(crate) fn router(shape: DecoderShape) -> Result<LoadedRouter, Failure> {
    let router_shape = RouterShape::paper(shape.hidden_size);
    let router = Router::random(router_shape, 1, DType::F32)?;
    let card = RouterCard::untrained(router_shape, shape.n_layers, shape.n_heads);
    Ok(Arc::new((router, card)))
}

/// Runs these presets as one batch of decision rows. The importance of video tokens is made up: saliency is measured apart.
/// Those that read a clean step get one.
pub(crate) fn steer(
    point: &DecisionPoint<'_>,
    router: &LoadedRouter,
    presets: &[&str],
    clean: bool,
) -> Result<(), Failure> {
    let sets = Arc::new(TokenSets::of(point.layout(), TextScope::Transcript, 0));
    let read = if clean {
        let features = Features::read(point, &sets)?;
        let reading = CleanReading::of(&features, &router.0, &router.1)?;
        Some((features, reading))
    } else {
        None
    };
    let video: Vec<usize> = point.layout().spans(Modality::Video).iter().cloned().flatten().collect();
    let importance: Vec<f64> = video.iter().map(|token| (token * 31 % 101) as f64).collect();
    let mut variants = Vec::new();
    for name in presets {
        let mut config = preset(name)?;
        config.conflict_threshold = 0.0;
        if config.conflict == ConflictSource::Random {
            config.conflict = ConflictSource::Always;
        }
        let context = SampleContext {
            name: "peer/TAV",
            shape: point.shape(),
            sets: Arc::clone(&sets),
            router: Some(Arc::clone(router)),
            clean: read.as_ref().map(|(features, reading)| (features, reading)),
            target: None,
            other: None,
            mean_gate: None,
            importance: Some((&video, &importance)),
        };
        variants.push(VariantRun::new(Arc::new(config), &context)?);
    }
    let count = variants.len();
    let mut hook = SteeringHook::new(variants, Some(Arc::clone(router))).without_after();
    let decision = point.decide(count, Some(&mut hook))?;
    point.letter_logits(&decision)?;
    for variant in hook.variants() {
        let steered = variant.trace("").layers.iter().filter(|l| l.steered).count();
        if steered == 0 {
            return Err("nothing was steered".into());
        }
    }
    Ok(())
}
