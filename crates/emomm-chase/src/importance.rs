//! Importance of the video tokens of a decision row, Eq. (24) and (25), or its gradient-free stand-in.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use emomm_dataset::Modality;
use emomm_models::decoder::{DecisionHook, DecisionLayer, Keep};
use emomm_models::importance::token_importance;
use emomm_models::white_box::DecisionPoint;

use crate::config::ImportanceKind;
use crate::error::Result;

/// Where the importance of a sample's video tokens comes from. Variants of the same source share one computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportanceSource {
    /// Gradient × Input at the input of a layer, counted from 0; that of layer 0 is the input embedding.
    Gradient(usize),
    /// [`attention_importance`].
    Attention {
        /// Whether attention is taken times the length of values.
        by_value: bool,
    },
}

impl ImportanceSource {
    /// Where the settings' importance comes from on a model whose router reads from `router_first` on, counted from 0.
    pub fn of(kind: ImportanceKind, router_first: usize) -> Self {
        match kind {
            ImportanceKind::GradientInput => Self::Gradient(0),
            ImportanceKind::GradientLayerInput => Self::Gradient(router_first),
            ImportanceKind::Attention => Self::Attention { by_value: false },
            ImportanceKind::AttentionValue => Self::Attention { by_value: true },
        }
    }

    /// Computes it. `None` without video.
    pub fn compute(self, point: &DecisionPoint<'_>) -> Result<Option<Vec<f64>>> {
        match self {
            Self::Gradient(layer) => gradient_importance(point, layer),
            Self::Attention { by_value } => attention_importance(point, by_value),
        }
    }
}

/// Î_k of Eq. (25) by Gradient × Input at the input of `layer`, counted from 0; that of layer 0 is the input embedding. One
/// pass forwards and one backwards to that layer. `None` without video.
pub fn gradient_importance(point: &DecisionPoint<'_>, layer: usize) -> Result<Option<Vec<f64>>> {
    let found = token_importance(
        point.decoder(),
        &point.letters(),
        point.row(),
        point.media(),
        Modality::Video,
        (layer, Keep::LayerInputs),
    )?;
    Ok(found.map(|f| f.normalised.into_iter().map(f64::from).collect()))
}

/// Mean attention of the clean decision row over layers and heads, as shares of the video; with `by_value` each attention
/// times the length of the token's value, which is what it can add to the row. `None` without video.
pub fn attention_importance(point: &DecisionPoint<'_>, by_value: bool) -> Result<Option<Vec<f64>>> {
    let tokens: Vec<usize> = point.layout().spans(Modality::Video).iter().cloned().flatten().collect();
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut hook = SummedAttention { sum: vec![0.0; point.layout().total()], by_value };
    point.decide(1, Some(&mut hook))?;
    let values: Vec<f64> = tokens.iter().map(|t| hook.sum[*t]).collect();
    let sum: f64 = values.iter().sum();
    Ok(Some(values.into_iter().map(|v| if sum > 0.0 { v / sum } else { 0.0 }).collect()))
}

struct SummedAttention {
    sum: Vec<f64>,
    by_value: bool,
}

impl DecisionHook for SummedAttention {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let pattern = softmax_last_dim(&layer.attn_scores.get(0)?)?.to_vec2::<f32>()?;
        let norms = if self.by_value { layer.prefill.value_norms(layer.layer)? } else { None };
        let group = norms.as_ref().map_or(1, |norms| pattern.len() / norms.len().max(1));
        for (head, row) in pattern.iter().enumerate() {
            let norms = norms.as_ref().map(|norms| &norms[head / group.max(1)]);
            for (key, (sum, weight)) in self.sum.iter_mut().zip(row).enumerate() {
                // The row's own value is not in the prefix; it is no video token.
                let length = norms.map_or(1.0, |norms| norms.get(key).copied().unwrap_or(0.0));
                *sum += f64::from(*weight) * f64::from(length);
            }
        }
        Ok(None)
    }
}
