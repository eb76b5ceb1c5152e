//! The one seam for matrix products with weights: `y = x Wᵀ + b`.
//!
//! Every weight of every tower and of the decoder goes through [`Linear::forward`], so that a packed, quantised or
//! device-specific product replaces one function.

use candle_core::{DType, Result, Tensor};

use crate::weights::Weights;

/// A linear layer; the weight is `[out, in]` as in the checkpoint.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// From tensors at hand.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// Loads `name.weight` and, if `bias`, `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> crate::Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), (outputs, inputs))?;
        let bias = if bias { Some(weights.get(&format!("{name}.bias"), outputs)?) } else { None };
        Ok(Self { weight, bias })
    }

    /// # Shapes
    /// `x [rows, in]` → `[rows, out]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }

    /// Carries a gradient back: `d_x = d_y W`. The weight itself gets none.
    ///
    /// # Shapes
    /// `d_y [rows, out]` → `[rows, in]`, f32
    pub fn backward(&self, d_y: &Tensor) -> Result<Tensor> {
        d_y.to_dtype(self.weight.dtype())?.matmul(&self.weight)?.to_dtype(DType::F32)
    }

    /// One row of the weight, the gradient of one output.
    ///
    /// # Shapes
    /// → `[in]`, f32
    pub fn row(&self, output: u32) -> Result<Tensor> {
        self.weight.get(output as usize)?.to_dtype(DType::F32)
    }
}
