//! Rotary positions with three rows (time, height, width); a text model passes three equal rows.

use candle_core::{DType, Device, Result, Tensor};

use super::config::DecoderConfig;

/// Position ids of a run of tokens, three for each token: time, height, width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(Vec<[u32; 3]>);

impl Positions {
    /// From one triple per token.
    pub fn new(triples: Vec<[u32; 3]>) -> Self {
        Self(triples)
    }

    /// Plain one-dimensional positions `start..start + count` on all rows.
    pub fn sequential(start: u32, count: usize) -> Self {
        Self((start..).take(count).map(|p| [p; 3]).collect())
    }

    /// The triples.
    pub fn as_slice(&self) -> &[[u32; 3]] {
        &self.0
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Greatest id on any row.
    pub fn max(&self) -> Option<u32> {
        self.0.iter().flatten().copied().max()
    }
}

/// The rotation table of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Rope {
    /// θ^(−2i/d) for each of the `head_dim / 2` frequencies.
    inv_freq: Vec<f32>,
    /// The position row that each frequency follows.
    row_of_freq: Vec<usize>,
}

impl Rope {
    pub(crate) fn new(config: &DecoderConfig) -> Self {
        let half = config.head_dim / 2;
        let base = config.rope_theta as f32;
        let inv_freq = (0..half).map(|i| 1.0 / base.powf((2 * i) as f32 / config.head_dim as f32)).collect();
        let row_of_freq = config
            .rope_sections
            .iter()
            .enumerate()
            .flat_map(|(i, n)| std::iter::repeat_n(i % 3, *n))
            .collect();
        Self { inv_freq, row_of_freq }
    }

    /// Cosines and sines for a run of tokens, computed in f32 and cast to `dtype`.
    ///
    /// # Shapes
    /// two tensors `[tokens, head_dim / 2]`
    pub(crate) fn tables(
        &self,
        positions: &[[u32; 3]],
        dtype: DType,
        device: &Device,
    ) -> Result<(Tensor, Tensor)> {
        let angles: Vec<f32> = positions
            .iter()
            .flat_map(|p| self.inv_freq.iter().zip(&self.row_of_freq).map(|(f, row)| p[*row] as f32 * f))
            .collect();
        let angles = Tensor::from_vec(angles, (positions.len(), self.inv_freq.len()), device)?;
        Ok((angles.cos()?.to_dtype(dtype)?, angles.sin()?.to_dtype(dtype)?))
    }
}

/// Rotates the two halves of each head.
///
/// # Shapes
/// `x [heads, tokens, head_dim]`, tables `[tokens, head_dim / 2]` → `[heads, tokens, head_dim]`
pub(crate) fn rotate(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Result<Tensor> {
    candle_nn::rotary_emb::rope(&x.unsqueeze(0)?.contiguous()?, cos, sin)?.squeeze(0)
}

/// The inverse rotation, which carries a gradient back through [`rotate`].
///
/// # Shapes
/// as [`rotate`]
pub(crate) fn rotate_back(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Result<Tensor> {
    candle_nn::rotary_emb::rope(&x.unsqueeze(0)?.contiguous()?, cos, &sin.neg()?)?.squeeze(0)
}
