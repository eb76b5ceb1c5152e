//! RMS normalisation and layer normalisation over the last dimension.

use candle_core::{D, DType, Result, Tensor};

use crate::weights::Weights;

/// `x / sqrt(mean(x²) + eps) · w`, the mean taken in f32.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// Loads `name.weight`.
    pub fn load(weights: &Weights, name: &str, size: usize, eps: f64) -> crate::Result<Self> {
        Ok(Self { weight: weights.get(&format!("{name}.weight"), size)?, eps })
    }

    /// # Shapes
    /// `x [.., size]` → `[.., size]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        if x.dtype() == DType::F32 {
            return candle_nn::ops::rms_norm(&x, &self.weight, self.eps as f32);
        }
        // The engine's kernels for half types round the row's norm itself.
        let wide = x.to_dtype(DType::F32)?;
        let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?.recip()?;
        wide.broadcast_mul(&scale)?.to_dtype(x.dtype())?.broadcast_mul(&self.weight)
    }
}

/// `(x − mean) / sqrt(var + eps) · w + b`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Loads `name.weight` and `name.bias`.
    pub fn load(weights: &Weights, name: &str, size: usize, eps: f64) -> crate::Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), size)?;
        let bias = weights.get(&format!("{name}.bias"), size)?;
        Ok(Self { weight, bias, eps })
    }

    /// # Shapes
    /// `x [.., size]` → `[.., size]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.eps as f32)
    }
}
