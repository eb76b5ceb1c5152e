//! Gradient of one layer with respect to its input, activations only: weights are frozen and get none.
//!
//! Everything that the layer computed is computed again from its input, so that a caller keeps one tensor for each
//! layer and not a tape.

use candle_core::{DType, Result, Tensor};

use super::super::attention::{Mask, attend, attend_backward};
use super::super::prefill::LayerCache;
use super::super::rope::rotate_back;
use super::{CpuCache, Layer};
use crate::cpu::Numbers;

/// Rows of the feed-forward part that are taken at once: its inner width is the greatest of all, and this bounds it.
const FEED_FORWARD_ROWS: usize = 512;

/// The rows of a layer whose gradients are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackwardRows {
    /// First row whose output has a gradient; the rows from there to the last are its queries.
    pub(crate) from_output: usize,
    /// First row whose input needs a gradient; at most `from_output`.
    pub(crate) to_input: usize,
}

impl Layer {
    /// The layer's output on its last rows alone, given keys and values of all rows.
    ///
    /// # Shapes
    /// `resid_pre [tokens, hidden]` → `[tokens − first, hidden]`
    pub(crate) fn output_from(
        &self,
        resid_pre: &Tensor,
        cache: &LayerCache,
        rope: &(Tensor, Tensor),
        first: usize,
    ) -> Result<Tensor> {
        if let Some((layer, input)) = self.cpu_input(resid_pre, rope)? {
            let cache = CpuCache::of(cache)?;
            let resid = layer.output_from(&input.resid, &cache.slices(), input.rope(), first);
            return Tensor::from_vec(resid, ((), resid_pre.dim(1)?), resid_pre.device());
        }
        let (_, resid_mid) = self.queries_and_resid_mid(resid_pre, cache, rope, first)?;
        self.feed_forward(&resid_mid)
    }

    /// Rotated queries and the residual stream after attention, for the rows from `first` on.
    fn queries_and_resid_mid(
        &self,
        resid_pre: &Tensor,
        cache: &LayerCache,
        rope: &(Tensor, Tensor),
        first: usize,
    ) -> Result<(Tensor, Tensor)> {
        let rows = resid_pre.dim(0)? - first;
        let resid_pre = resid_pre.narrow(0, first, rows)?;
        let x = self.input_layernorm.forward(&resid_pre)?;
        let q = self.q(&x, &narrow_rope(rope, first, rows)?)?;
        let z = attend(&q, &cache.k, &cache.v, self.scale, Mask::Causal { past: first })?;
        let resid_mid = (&resid_pre + self.o_proj.forward(&z)?)?;
        Ok((q, resid_mid))
    }

    /// Gradient with respect to the layer's input, from the gradient with respect to its output.
    ///
    /// `rope` is in the model's type, the gradients are f32 whatever that type is.
    ///
    /// # Shapes
    /// `resid_pre [tokens, hidden]`, `grad [tokens − from_output, hidden]` → `[tokens − to_input, hidden]`
    pub(crate) fn backward(
        &self,
        resid_pre: &Tensor,
        cache: &LayerCache,
        rope: &(Tensor, Tensor),
        rows: BackwardRows,
        grad: &Tensor,
    ) -> Result<Tensor> {
        if let Some((layer, input)) = self.cpu_input(resid_pre, rope)? {
            let cache = CpuCache::of(cache)?;
            let grad = grad.contiguous()?;
            let grad = Numbers::of(&grad)?;
            let found = layer.backward(&input.resid, &cache.slices(), input.rope(), rows, &grad);
            return Tensor::from_vec(found, ((), resid_pre.dim(1)?), resid_pre.device());
        }
        let BackwardRows { from_output, to_input } = rows;
        let tokens = resid_pre.dim(0)?;
        let (queries, inputs) = (tokens - from_output, tokens - to_input);
        let (q, resid_mid) = self.queries_and_resid_mid(resid_pre, cache, rope, from_output)?;
        let d_mid = self.feed_forward_backward(&resid_mid, grad)?;

        let d_z = self.o_proj.backward(&d_mid)?;
        let wide = |x: &Tensor| x.to_dtype(DType::F32);
        let (d_q, d_k, d_v) =
            attend_backward(&wide(&q)?, &wide(&cache.k)?, &wide(&cache.v)?, &d_z, self.scale, to_input)?;
        let rope = (wide(&rope.0)?, wide(&rope.1)?);
        let query_rope = narrow_rope(&rope, from_output, queries)?;
        let key_rope = narrow_rope(&rope, to_input, inputs)?;
        let resid_in = resid_pre.narrow(0, to_input, inputs)?;
        let x = self.input_layernorm.forward(&resid_in)?;

        let mut d_q = rotate_back(&d_q, &query_rope)?.transpose(0, 1)?.contiguous()?;
        let mut d_k = rotate_back(&d_k, &key_rope)?.transpose(0, 1)?.contiguous()?;
        let d_v = d_v.transpose(0, 1)?.contiguous()?;
        if let Some(norm) = &self.q_norm {
            let x = x.narrow(0, from_output - to_input, queries)?;
            let before = self.q_proj.forward(&x)?.reshape((queries, self.n_heads, self.head_dim))?;
            d_q = norm.backward(&before, &d_q)?;
        }
        if let Some(norm) = &self.k_norm {
            let before = self.k_proj.forward(&x)?.reshape((inputs, self.n_kv_heads, self.head_dim))?;
            d_k = norm.backward(&before, &d_k)?;
        }
        let flat = |d: Tensor, rows: usize| d.reshape((rows, ()));
        let d_x =
            (self.k_proj.backward(&flat(d_k, inputs)?)? + self.v_proj.backward(&flat(d_v, inputs)?)?)?;
        let d_x = add_to_last(&d_x, &self.q_proj.backward(&flat(d_q, queries)?)?)?;
        let d_resid = self.input_layernorm.backward(&resid_in, &d_x)?;
        add_to_last(&d_resid, &d_mid)
    }

    /// Gradient with respect to the input of the feed-forward part, the residual way around it included.
    fn feed_forward_backward(&self, resid_mid: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let rows = resid_mid.dim(0)?;
        let mut parts = Vec::with_capacity(rows.div_ceil(FEED_FORWARD_ROWS));
        for start in (0..rows).step_by(FEED_FORWARD_ROWS) {
            let count = FEED_FORWARD_ROWS.min(rows - start);
            let (resid_mid, grad) = (resid_mid.narrow(0, start, count)?, grad.narrow(0, start, count)?);
            let y = self.post_attention_layernorm.forward(&resid_mid)?;
            let gate = self.gate_proj.forward(&y)?.to_dtype(DType::F32)?;
            let up = self.up_proj.forward(&y)?.to_dtype(DType::F32)?;
            let d_inner = self.down_proj.backward(&grad)?;
            // silu(g) = g σ(g), silu′(g) = σ(g) (1 + g (1 − σ(g)))
            let sigmoid = candle_nn::ops::sigmoid(&gate)?;
            let slope = (&sigmoid * ((&gate * (1.0 - &sigmoid)?)? + 1.0)?)?;
            let d_up = (&d_inner * (&gate * &sigmoid)?)?;
            let d_gate = ((d_inner * up)? * slope)?;
            let d_y = (self.gate_proj.backward(&d_gate)? + self.up_proj.backward(&d_up)?)?;
            parts.push((grad + self.post_attention_layernorm.backward(&resid_mid, &d_y)?)?);
        }
        Tensor::cat(&parts, 0)
    }
}

fn narrow_rope((cos, sin): &(Tensor, Tensor), first: usize, rows: usize) -> Result<(Tensor, Tensor)> {
    Ok((cos.narrow(0, first, rows)?.contiguous()?, sin.narrow(0, first, rows)?.contiguous()?))
}

/// Adds `part` to the last rows of `whole`.
fn add_to_last(whole: &Tensor, part: &Tensor) -> Result<Tensor> {
    let (all, last) = (whole.dim(0)?, part.dim(0)?);
    if all == last {
        return whole + part;
    }
    Tensor::cat(&[whole.narrow(0, 0, all - last)?, (whole.narrow(0, all - last, last)? + part)?], 0)
}
