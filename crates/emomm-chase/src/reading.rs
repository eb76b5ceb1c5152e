//! What the router says of a clean decision step, layer by layer.

use emomm_models::white_box::DecisionPoint;

use crate::error::Result;
use crate::features::Features;
use crate::preference::{PreferenceOptions, flags, mean_preference};
use crate::router::{Router, RouterOutput};
use crate::router_file::RouterCard;
use crate::router_shape::RouterShape;
use crate::token_sets::TokenSets;

/// The router's outputs in every layer of a clean step, first to last. Layers before the router's own first one are read
/// too; who uses them says so.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanReading {
    /// p and g of each layer.
    pub layers: Vec<LayerReading>,
}

/// p and g of one layer.
pub type LayerReading = RouterOutput;

impl CleanReading {
    /// Reads features.
    pub fn of(features: &Features, router: &Router, card: &RouterCard) -> Result<Self> {
        let options = PreferenceOptions { form: card.preference, temperature: card.preference_temperature };
        let rows = router_inputs(features, router.shape(), options);
        Ok(Self { layers: router.read(&rows, &vec![flags(features.shown); rows.len()])? })
    }

    /// Runs a clean step and reads it.
    pub fn at(
        point: &DecisionPoint<'_>,
        sets: &TokenSets,
        router: &Router,
        card: &RouterCard,
    ) -> Result<(Features, Self)> {
        let features = Features::read(point, sets)?;
        let reading = Self::of(&features, router, card)?;
        Ok((features, reading))
    }

    /// Mean p and mean g from a layer on, counted from 0.
    pub fn mean(&self, first: usize) -> RouterOutput {
        let layers = &self.layers[first.min(self.layers.len().saturating_sub(1))..];
        let n = layers.len().max(1) as f64;
        RouterOutput {
            conflict_prob: layers.iter().map(|l| l.conflict_prob).sum::<f64>() / n,
            gate: [0, 1, 2].map(|m| layers.iter().map(|l| l.gate[m]).sum::<f64>() / n),
        }
    }
}

/// x^ℓ of every layer of a clean step, first to last.
pub(crate) fn router_inputs(
    features: &Features,
    shape: &RouterShape,
    options: PreferenceOptions,
) -> Vec<Vec<f32>> {
    let present = flags(features.shown);
    let layers = features.layers.iter().enumerate();
    layers
        .map(|(at, layer)| {
            let heads =
                features.layers[shape.timing.source(at)].preference(options, present, features.n_keys);
            shape.input(at, &layer.query, layer.pooled(), mean_preference(&heads))
        })
        .collect()
}
