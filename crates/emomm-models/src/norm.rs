//! RMS normalisation and layer normalisation over the last dimension.

use candle_core::{D, DType, Result, Tensor};
use emomm_kernels::{Isa, RmsNormRows};

use crate::cpu;
use crate::weights::Weights;

/// `x / sqrt(mean(x²) + eps) · w`, the mean taken in f32.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor,
    /// The weight's numbers, where the processor's kernels take them.
    numbers: Option<Vec<f32>>,
    eps: f64,
}

impl RmsNorm {
    /// Loads `name.weight`.
    pub fn load(weights: &Weights, name: &str, size: usize, eps: f64) -> crate::Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), size)?;
        let numbers = cpu::takes(&weight).then(|| cpu::numbers(&weight)).transpose()?;
        Ok(Self { weight, numbers, eps })
    }

    /// The parameters for the processor's kernels.
    pub(crate) fn as_rows(&self) -> Option<RmsNormRows<'_>> {
        self.numbers.as_deref().map(|weight| RmsNormRows { weight, eps: self.eps as f32 })
    }

    /// # Shapes
    /// `x [.., size]` → `[.., size]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let (Some(norm), true) = (self.as_rows(), cpu::takes(x)) {
            let mut out = vec![0.0; x.elem_count()];
            cpu::with_numbers(x, |x| emomm_kernels::rms_norm(Isa::best(), norm, x, &mut out))?;
            return Tensor::from_vec(out, x.shape(), x.device());
        }
        let x = x.contiguous()?;
        if x.dtype() == DType::F32 {
            return candle_nn::ops::rms_norm(&x, &self.weight, self.eps as f32);
        }
        // The engine's kernels for half types round the row's norm itself.
        let wide = x.to_dtype(DType::F32)?;
        let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?.recip()?;
        wide.broadcast_mul(&scale)?.to_dtype(x.dtype())?.broadcast_mul(&self.weight)
    }

    /// Carries a gradient back to the input: with x̂ = x r and r = 1 / sqrt(mean(x²) + eps), `d_x = r (w d_y − x̂ mean(x̂ w
    /// d_y))`. Taken in f32.
    ///
    /// # Shapes
    /// `x [.., size]`, `d_y [.., size]` → `[.., size]`, f32
    pub fn backward(&self, x: &Tensor, d_y: &Tensor) -> Result<Tensor> {
        let x = x.to_dtype(DType::F32)?;
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?.recip()?;
        let normed = x.broadcast_mul(&scale)?;
        let d_normed = d_y.to_dtype(DType::F32)?.broadcast_mul(&self.weight.to_dtype(DType::F32)?)?;
        let along = (&normed * &d_normed)?.mean_keepdim(D::Minus1)?;
        (d_normed - normed.broadcast_mul(&along)?)?.broadcast_mul(&scale)
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
