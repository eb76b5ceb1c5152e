//! Random weights: an untrained model of any shape.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Shape, Tensor};

/// Tensors drawn from a seeded generator, kept so that they can be saved.
pub(super) struct Drawn {
    state: u64,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl Drawn {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, tensors: BTreeMap::new() }
    }

    pub(super) fn draw(&mut self, name: &str, shape: &Shape) -> candle_core::Result<Tensor> {
        let is_norm = shape.rank() == 1 && name.ends_with(".weight");
        let tensor = if is_norm {
            Tensor::ones(shape, DType::F32, &Device::Cpu)?
        } else {
            let fan_in: usize = shape.dims().iter().skip(1).product::<usize>().max(1);
            let scale = if shape.rank() == 1 { 0.02 } else { 1.0 / (fan_in as f64).sqrt() };
            let values: Vec<f32> = (0..shape.elem_count()).map(|_| (self.normal() * scale) as f32).collect();
            Tensor::from_vec(values, shape, &Device::Cpu)?
        };
        self.tensors.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// A standard normal number by Box and Muller's method.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A number in [0, 1) by SplitMix64.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
