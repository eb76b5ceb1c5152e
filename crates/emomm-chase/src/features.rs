//! What one clean decision step tells (Sec. 5.1): per layer the query's state, the pooled summaries of the modalities, and
//! the attention that each head pays to each modality.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use emomm_dataset::ModalitySet;
use emomm_models::decoder::{Decision, DecisionHook, DecisionLayer};
use emomm_models::white_box::DecisionPoint;

use crate::error::{ChaseError, Result};
use crate::preference::{PreferenceOptions, scores};
use crate::token_sets::TokenSets;

/// One layer of a clean decision step.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerFeatures {
    /// h_q: the layer's input at the decision row, before its norm.
    pub query: Vec<f32>,
    /// h_T, h_A, h_V: means of the layer's input over the modality's tokens; `None` where it is missing.
    pub means: [Option<Vec<f32>>; 3],
    /// nMAS of each head, T, A, V.
    pub nmas: Vec<[f64; 3]>,
    /// Attention mass of each head, T, A, V.
    pub mass: Vec<[f64; 3]>,
}

impl LayerFeatures {
    /// π of each head, Eq. (6).
    pub fn preference(&self, options: PreferenceOptions, present: [bool; 3], n_keys: usize) -> Vec<[f64; 3]> {
        let heads = self.nmas.iter().zip(&self.mass);
        heads.map(|(nmas, mass)| options.of_scores(*nmas, *mass, present, n_keys)).collect()
    }

    /// The pooled summaries as slices.
    pub fn pooled(&self) -> [Option<&[f32]>; 3] {
        [0, 1, 2].map(|m| self.means[m].as_deref())
    }
}

/// A clean decision step.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The modalities with tokens.
    pub shown: ModalitySet,
    /// All layers, first to last.
    pub layers: Vec<LayerFeatures>,
    /// Logits of the letters A to E.
    pub letter_logits: [f32; 5],
    /// Keys of the decision row.
    pub n_keys: usize,
}

impl Features {
    /// Runs one decode step without steering and keeps what the router reads.
    pub fn read(point: &DecisionPoint<'_>, sets: &TokenSets) -> Result<Self> {
        Ok(Self::of_step(point, sets)?.0)
    }

    /// The same, with the step itself.
    pub(crate) fn of_step(point: &DecisionPoint<'_>, sets: &TokenSets) -> Result<(Self, Decision)> {
        let mut hook = FeatureHook::new(sets);
        let decision = point.decide(1, Some(&mut hook))?;
        let letter_logits = point.letter_logits(&decision)?[0];
        check_logits(letter_logits)?;
        let this =
            Self { shown: point.coalition(), layers: hook.layers, letter_logits, n_keys: sets.n_keys() };
        Ok((this, decision))
    }
}

/// Collects the features of variant 0 and steers nothing.
#[derive(Debug)]
pub struct FeatureHook<'a> {
    sets: &'a TokenSets,
    /// Layers seen so far.
    pub layers: Vec<LayerFeatures>,
}

impl<'a> FeatureHook<'a> {
    /// Collects with respect to these token sets.
    pub fn new(sets: &'a TokenSets) -> Self {
        Self { sets, layers: Vec::new() }
    }
}

impl DecisionHook for FeatureHook<'_> {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let query = layer.resid_pre.get(0)?.to_dtype(candle_core::DType::F32)?.to_vec1()?;
        let pattern = softmax_last_dim(&layer.attn_scores.get(0)?)?.to_vec2::<f32>()?;
        check_finite(layer.layer, &pattern)?;
        let (mass, nmas) = pattern.iter().map(|row| scores(row, self.sets)).unzip();
        self.layers.push(LayerFeatures { query, means: pooled(layer)?, nmas, mass });
        Ok(None)
    }
}

/// h_T, h_A, h_V of a layer.
pub(crate) fn pooled(layer: &DecisionLayer<'_>) -> candle_core::Result<[Option<Vec<f32>>; 3]> {
    let mut means: [Option<Vec<f32>>; 3] = [None, None, None];
    for (group, mean) in means.iter_mut().enumerate().take(layer.prefill.groups().len()) {
        *mean = layer.prefill.pooled(layer.layer, group)?.map(|p| p.to_vec1()).transpose()?;
    }
    Ok(means)
}

/// Attention of every head must be numbers.
pub(crate) fn check_finite(layer: usize, pattern: &[Vec<f32>]) -> Result<()> {
    let heads = pattern.iter().enumerate();
    match heads.flat_map(|(head, row)| row.iter().map(move |a| (head, *a))).find(|(_, a)| !a.is_finite()) {
        Some((head, found)) => {
            let place = format!("attention of the decision row in layer {}, head {head}", layer + 1);
            Err(ChaseError::NotFinite { place, found })
        }
        None => Ok(()),
    }
}

/// Letters' logits must be numbers.
pub(crate) fn check_logits(logits: [f32; 5]) -> Result<()> {
    match logits.iter().zip('A'..='E').find(|(logit, _)| !logit.is_finite()) {
        Some((found, letter)) => {
            Err(ChaseError::NotFinite { place: format!("the logit of letter {letter}"), found: *found })
        }
        None => Ok(()),
    }
}
