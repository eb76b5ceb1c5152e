//! The one seam for matrix products with weights: `y = x Wᵀ + b`.
//!
//! Every weight of every tower and of the decoder goes through [`Linear`]. On the processor the weight is packed once when it is
//! loaded and may be stored in two bytes a number, while products and sums are f32; on other devices the tensor engine
//! multiplies.

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use emomm_kernels::{Isa, Output, PackedWeight};

use crate::cpu;
use crate::weights::{StoredMatrix, Weights};

/// A linear layer; the weight is `[out, in]` as in the checkpoint.
#[derive(Clone)]
pub struct Linear(Kind);

#[derive(Clone)]
enum Kind {
    Packed(Packed),
    Engine { weight: Tensor, bias: Option<Tensor> },
}

/// A packed weight with its bias, for callers that compute on slices.
#[derive(Clone)]
pub(crate) struct Packed {
    weight: Arc<PackedWeight>,
    bias: Option<Arc<[f32]>>,
}

impl Linear {
    /// From tensors at hand.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        // A tensor without numbers of its own stands for one that was not read yet.
        if !(cpu::takes(&weight) && weight.is_contiguous()) {
            return Ok(Self(Kind::Engine { weight, bias }));
        }
        let (outputs, inputs) = weight.dims2()?;
        let weight = cpu::with_numbers(&weight, |w| PackedWeight::from_f32(w, outputs, inputs))?;
        Self::packed(weight, bias)
    }

    fn packed(weight: PackedWeight, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|b| cpu::numbers(&b)).transpose()?.map(Arc::from);
        Ok(Self(Kind::Packed(Packed { weight: Arc::new(weight), bias })))
    }

    /// Loads `name.weight` and, if `bias`, `name.bias`.
    pub fn load(
        weights: &Weights,
        name: &str,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> crate::Result<Self> {
        let weight = weights.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = if bias { Some(weights.get(&format!("{name}.bias"), outputs)?) } else { None };
        Ok(match weight {
            StoredMatrix::Packed(weight) => Self::packed(weight, bias)?,
            StoredMatrix::Tensor(weight) => Self(Kind::Engine { weight, bias }),
        })
    }

    /// # Shapes
    /// `x [rows, in]` → `[rows, out]`
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Kind::Packed(packed) => {
                let rows = x.dim(0)?;
                let mut y = vec![0.0; rows * packed.weight.outputs()];
                cpu::with_numbers(x, |x| packed.forward(x, rows, &mut y))?;
                Tensor::from_vec(y, (rows, packed.weight.outputs()), &Device::Cpu)
            }
            Kind::Engine { weight, bias } => {
                let y = x.matmul(&weight.t()?)?;
                match bias {
                    Some(bias) => y.broadcast_add(bias),
                    None => Ok(y),
                }
            }
        }
    }

    /// Carries a gradient back: `d_x = d_y W`. The weight itself gets none.
    ///
    /// # Shapes
    /// `d_y [rows, out]` → `[rows, in]`, f32
    pub fn backward(&self, d_y: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Kind::Packed(packed) => {
                let rows = d_y.dim(0)?;
                let mut d_x = vec![0.0; rows * packed.weight.inputs()];
                cpu::with_numbers(d_y, |d_y| packed.backward(d_y, rows, &mut d_x, Output::Set))?;
                Tensor::from_vec(d_x, (rows, packed.weight.inputs()), &Device::Cpu)
            }
            Kind::Engine { weight, .. } => d_y.to_dtype(weight.dtype())?.matmul(weight)?.to_dtype(DType::F32),
        }
    }

    /// One row of the weight: the gradient of one output, or the embedding of one token where the matrices are tied.
    ///
    /// # Shapes
    /// → `[in]`, f32
    pub fn row(&self, output: u32) -> Result<Tensor> {
        match &self.0 {
            Kind::Packed(packed) if (output as usize) < packed.weight.outputs() => {
                Tensor::from_vec(packed.weight.row(output as usize), packed.weight.inputs(), &Device::Cpu)
            }
            Kind::Packed(packed) => {
                candle_core::bail!("row {output} of a weight with {} rows", packed.weight.outputs())
            }
            Kind::Engine { weight, .. } => weight.get(output as usize)?.to_dtype(DType::F32),
        }
    }

    /// The packed weight, if this layer has one.
    pub(crate) fn as_packed(&self) -> Option<&Packed> {
        match &self.0 {
            Kind::Packed(packed) => Some(packed),
            Kind::Engine { .. } => None,
        }
    }
}

impl fmt::Debug for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Packed(Packed { weight, .. }) => {
                write!(f, "Linear({} → {}, {:?})", weight.inputs(), weight.outputs(), weight.storage())
            }
            Kind::Engine { weight, .. } => write!(f, "Linear({:?})", weight.shape()),
        }
    }
}

impl Packed {
    /// Number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// `y = x Wᵀ + b`
    pub(crate) fn forward(&self, x: &[f32], rows: usize, y: &mut [f32]) {
        let output = match &self.bias {
            Some(bias) => {
                y.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
                Output::Add
            }
            None => Output::Set,
        };
        self.weight.multiply(Isa::best(), x, rows, y, output);
    }

    /// As [`Packed::forward`], into a new vector.
    pub(crate) fn product(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let mut y = vec![0.0; rows * self.outputs()];
        self.forward(x, rows, &mut y);
        y
    }

    /// `y += x Wᵀ`, for a layer without bias.
    pub(crate) fn forward_onto(&self, x: &[f32], rows: usize, y: &mut [f32]) {
        debug_assert!(self.bias.is_none());
        self.weight.multiply(Isa::best(), x, rows, y, Output::Add);
    }

    /// `d_x = d_y W`, or added to it.
    pub(crate) fn backward(&self, d_y: &[f32], rows: usize, d_x: &mut [f32], output: Output) {
        self.weight.multiply_back(Isa::best(), d_y, rows, d_x, output);
    }
}
