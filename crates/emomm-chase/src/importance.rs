//! Importance of the video tokens of a decision row, Eq. (24) and (25), or its gradient-free stand-in.

use candle_core::Tensor;
use candle_nn::ops::softmax_last_dim;
use emomm_dataset::Modality;
use emomm_models::decoder::{DecisionHook, DecisionLayer, Keep};
use emomm_models::importance::token_importance;
use emomm_models::white_box::DecisionPoint;

use crate::error::Result;

/// Î_k of Eq. (25) by Gradient × Input at the input embeddings: one pass forwards and backwards. `None` without video.
pub fn gradient_importance(point: &DecisionPoint<'_>) -> Result<Option<Vec<f64>>> {
    let found = token_importance(
        point.decoder(),
        &point.letters(),
        point.row(),
        point.media(),
        Modality::Video,
        Keep::LayerInputs,
    )?;
    Ok(found.map(|f| f.normalised.into_iter().map(f64::from).collect()))
}

/// Mean attention of the clean decision row over layers and heads, as shares of the video. `None` without video.
pub fn attention_importance(point: &DecisionPoint<'_>) -> Result<Option<Vec<f64>>> {
    let tokens: Vec<usize> = point.layout().spans(Modality::Video).iter().cloned().flatten().collect();
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut hook = MeanAttention { sum: vec![0.0; point.layout().total()] };
    point.decide(1, Some(&mut hook))?;
    let values: Vec<f64> = tokens.iter().map(|t| hook.sum[*t]).collect();
    let sum: f64 = values.iter().sum();
    Ok(Some(values.into_iter().map(|v| if sum > 0.0 { v / sum } else { 0.0 }).collect()))
}

struct MeanAttention {
    sum: Vec<f64>,
}

impl DecisionHook for MeanAttention {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let pattern = softmax_last_dim(&layer.attn_scores.get(0)?)?.mean(0)?.to_vec1::<f32>()?;
        for (sum, weight) in self.sum.iter_mut().zip(pattern) {
            *sum += f64::from(weight);
        }
        Ok(None)
    }
}
