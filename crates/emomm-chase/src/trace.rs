//! Where does the evidence enter the decision row? Attention knock-out by window of layers and modality, as one batch.

use std::sync::Arc;

use candle_core::Tensor;
use emomm_dataset::Modality;
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use serde::{Deserialize, Serialize};

use crate::token_sets::TokenSets;

/// What happens inside a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceMode {
    /// The modality is blocked in the window and free elsewhere.
    #[default]
    Block,
    /// The modality is blocked everywhere but in the window.
    Restore,
}

/// One variant of a trace: a modality and a window of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnockOut {
    /// Position of the modality in T, A, V.
    pub modality: usize,
    /// First layer of the window, counted from 0.
    pub first: usize,
    /// Layers of the window.
    pub width: usize,
}

impl KnockOut {
    /// Every window of `width` layers for every modality that is present.
    pub fn all(n_layers: usize, width: usize, present: [bool; 3]) -> Vec<Self> {
        let width = width.clamp(1, n_layers.max(1));
        (0..3)
            .filter(|m| present[*m])
            .flat_map(|modality| (0..=n_layers - width).map(move |first| Self { modality, first, width }))
            .collect()
    }

    fn blocks(self, layer: usize, mode: TraceMode) -> bool {
        let inside = (self.first..self.first + self.width).contains(&layer);
        match mode {
            TraceMode::Block => inside,
            TraceMode::Restore => !inside,
        }
    }
}

/// Removes a modality's tokens from the decision row's attention. Variant 0 is left alone; the others follow in order.
pub struct TraceHook {
    sets: Arc<TokenSets>,
    variants: Vec<KnockOut>,
    mode: TraceMode,
}

impl TraceHook {
    /// A hook for `1 + variants.len()` decision rows.
    pub fn new(sets: Arc<TokenSets>, variants: Vec<KnockOut>, mode: TraceMode) -> Self {
        Self { sets, variants, mode }
    }

    /// Rows of the batch: the plain one and the variants.
    pub fn n_rows(&self) -> usize {
        1 + self.variants.len()
    }

    /// The variants after the plain row.
    pub fn variants(&self) -> &[KnockOut] {
        &self.variants
    }
}

impl DecisionHook for TraceHook {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let (rows, heads, keys) = layer.attn_scores.dims3()?;
        let blocked = |v: &KnockOut| v.blocks(layer.layer, self.mode);
        if !self.variants.iter().any(blocked) {
            return Ok(None);
        }
        // One row of keys for each variant: the heads share it.
        let mut bias = vec![0_f32; rows * keys];
        for (i, variant) in self.variants.iter().enumerate().filter(|(_, v)| blocked(v)) {
            for key in self.sets.of_modality(Modality::ALL[variant.modality]) {
                if key + 1 < keys {
                    bias[(i + 1) * keys + key] = f32::NEG_INFINITY;
                }
            }
        }
        let bias = Tensor::from_vec(bias, (rows, 1, keys), layer.attn_scores.device())?;
        Ok(Some(bias.broadcast_as((rows, heads, keys))?.contiguous()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_layer_of_every_modality_shown() {
        let all = KnockOut::all(4, 2, [true, false, true]);
        assert_eq!(all.len(), 6);
        assert_eq!(all[0], KnockOut { modality: 0, first: 0, width: 2 });
        assert!(all[0].blocks(1, TraceMode::Block) && !all[0].blocks(2, TraceMode::Block));
        assert!(!all[0].blocks(1, TraceMode::Restore) && all[0].blocks(2, TraceMode::Restore));
        assert_eq!(KnockOut::all(3, 99, [true; 3]).len(), 3);
    }
}
