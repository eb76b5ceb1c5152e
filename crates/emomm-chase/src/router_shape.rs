//! Sizes and form of the router, and its input x^ℓ (Sec. 5.1).

use serde::{Deserialize, Serialize};

use crate::error::{ChaseError, Result};

/// Width of the hidden layer in the paper.
const PAPER_INNER: usize = 128;
/// Inside the root of the block norms: keeps a block of zeros at zero.
const NORM_EPSILON: f64 = 1e-6;

/// Where Eq. (7) and (8) get their non-linearity. The text says a two-layer MLP of width 128, the equations are linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterForm {
    /// One hidden layer with GELU under two linear heads.
    #[default]
    SharedTrunk,
    /// A hidden layer for each head.
    SeparateTrunks,
    /// Eq. (7) and (8) to the letter.
    Linear,
}

/// How the four hidden-state blocks of the input are scaled. Residuals grow with depth, the preference does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockNorm {
    /// Each block over its root mean square.
    #[default]
    Rms,
    /// Each block to mean 0 and variance 1.
    LayerNorm,
    /// As they are.
    None,
}

/// Which attention the preference in a layer's input is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterTiming {
    /// Of the layer itself, whose scores are known before it is steered.
    #[default]
    SameLayer,
    /// Of the layer before: hidden states are then the output of the layer that the preference comes from, and steering
    /// follows one layer later. The first layer takes its own.
    OneLayerLag,
}

impl RouterTiming {
    /// The layer whose preference is read for a layer, both counted from 0.
    pub(crate) fn source(self, layer: usize) -> usize {
        match self {
            Self::SameLayer => layer,
            Self::OneLayerLag => layer.saturating_sub(1),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    fn is_default(&self) -> bool {
        *self == Self::SameLayer
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Sizes and form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterShape {
    /// Width d of the model.
    pub hidden_size: usize,
    /// Width of the hidden layer.
    pub inner_size: usize,
    /// Form.
    pub form: RouterForm,
    /// Scaling of the blocks.
    pub norm: BlockNorm,
    /// Factor on π, three numbers among 4 d.
    pub preference_scale: f64,
    /// Layers that the router is told apart by a one-hot at the end of its input, so that its first matrix holds an
    /// embedding of each; 0 where it is not told the layer. Left out of files where it is 0, as is the timing where it is the
    /// default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_embedding: usize,
    /// Which attention the preference is taken of.
    #[serde(default, skip_serializing_if = "RouterTiming::is_default")]
    pub timing: RouterTiming,
}

impl RouterShape {
    /// The paper's router on a model of width `hidden_size`.
    pub fn paper(hidden_size: usize) -> Self {
        Self {
            hidden_size,
            inner_size: PAPER_INNER,
            form: RouterForm::SharedTrunk,
            norm: BlockNorm::Rms,
            preference_scale: 1.0,
            layer_embedding: 0,
            timing: RouterTiming::SameLayer,
        }
    }

    /// Checks what a user may choose.
    pub fn check(&self) -> Result<()> {
        if self.inner_size == 0 {
            return Err(ChaseError::setting("width", self.inner_size, "at least 1"));
        }
        if !self.preference_scale.is_finite() {
            return Err(ChaseError::setting("preference_scale", self.preference_scale, "a finite number"));
        }
        Ok(())
    }

    /// 4 d + 3, and the one-hot of the layer where there is one.
    pub fn input_size(&self) -> usize {
        4 * self.hidden_size + 3 + self.layer_embedding
    }

    /// x^ℓ = [h_q; h_T; h_A; h_V; π], each block scaled, zeros where a modality is missing. `layer` counts from 0.
    pub fn input(
        &self,
        layer: usize,
        query: &[f32],
        pooled: [Option<&[f32]>; 3],
        preference: [f64; 3],
    ) -> Vec<f32> {
        let mut row = Vec::with_capacity(self.input_size());
        for block in [Some(query), pooled[0], pooled[1], pooled[2]] {
            match block {
                Some(values) => self.scaled(values, &mut row),
                None => row.resize(row.len() + self.hidden_size, 0.0),
            }
        }
        row.extend(preference.map(|p| (p * self.preference_scale) as f32));
        row.extend((0..self.layer_embedding).map(|at| if at == layer { 1.0 } else { 0.0 }));
        row
    }

    fn scaled(&self, values: &[f32], row: &mut Vec<f32>) {
        let n = values.len().max(1) as f64;
        let sum = |f: &dyn Fn(f64) -> f64| values.iter().map(|v| f(f64::from(*v))).sum::<f64>();
        let (mean, scale) = match self.norm {
            BlockNorm::None => (0.0, 1.0),
            BlockNorm::Rms => (0.0, 1.0 / (sum(&|v| v * v) / n + NORM_EPSILON).sqrt()),
            BlockNorm::LayerNorm => {
                let mean = sum(&|v| v) / n;
                (mean, 1.0 / (sum(&|v| (v - mean) * (v - mean)) / n + NORM_EPSILON).sqrt())
            }
        };
        row.extend(values.iter().map(|v| ((f64::from(*v) - mean) * scale) as f32));
    }

    /// Names and shapes of the parameters, in the order in which they are kept.
    pub fn parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (inputs, inner) = (self.input_size(), self.inner_size);
        let trunk = |weight, bias| [(weight, vec![inner, inputs]), (bias, vec![inner])];
        let mut all = match self.form {
            RouterForm::SharedTrunk => trunk("trunk.weight", "trunk.bias").to_vec(),
            RouterForm::SeparateTrunks => {
                let mut both = trunk("conflict_trunk.weight", "conflict_trunk.bias").to_vec();
                both.extend(trunk("gate_trunk.weight", "gate_trunk.bias"));
                both
            }
            RouterForm::Linear => Vec::new(),
        };
        let width = if self.form == RouterForm::Linear { inputs } else { inner };
        all.extend([
            ("conflict.weight", vec![1, width]),
            ("conflict.bias", vec![1]),
            ("gate.weight", vec![3, width]),
            ("gate.bias", vec![3]),
        ]);
        all
    }

    pub(crate) fn n_trunks(&self) -> usize {
        match self.form {
            RouterForm::SharedTrunk => 1,
            RouterForm::SeparateTrunks => 2,
            RouterForm::Linear => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(form: RouterForm) -> RouterShape {
        RouterShape { inner_size: 5, form, ..RouterShape::paper(2) }
    }

    #[test]
    fn the_paper_s_router_has_1_84_million_parameters_at_width_3584() {
        let count = |shape: RouterShape| -> usize {
            shape.parameters().iter().map(|(_, dims)| dims.iter().product::<usize>()).sum()
        };
        assert_eq!(count(RouterShape::paper(3584)), 14_339 * 128 + 128 + 4 * 128 + 4);
    }

    #[test]
    fn blocks_are_scaled_and_missing_ones_stay_zero() {
        let row =
            shape(RouterForm::Linear).input(1, &[3.0, 4.0], [None, Some(&[0.0, 0.0]), None], [1.0, 0.0, 0.0]);
        assert_eq!(row.len(), 11);
        let rms = 12.5_f32.sqrt();
        assert!((row[0] - 3.0 / rms).abs() < 1e-6 && (row[1] - 4.0 / rms).abs() < 1e-6);
        assert!(row[2..8].iter().all(|v| v.to_bits() == 0));
        assert_eq!(row[8..], [1.0, 0.0, 0.0]);
        let told = RouterShape { layer_embedding: 3, ..shape(RouterForm::Linear) };
        let row = told.input(1, &[3.0, 4.0], [None; 3], [1.0, 0.0, 0.0]);
        assert_eq!((row.len(), told.input_size()), (14, 14));
        assert_eq!(row[11..], [0.0, 1.0, 0.0]);
    }
}
