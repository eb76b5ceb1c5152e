//! Attention of the prefill and of the towers: blocked over queries, so that no `[query, key]` matrix of the whole
//! sequence ever exists.
//!
//! Scores and softmax are taken in f32 and cast back, as the reference does. Grouped keys are never repeated: the
//! query heads of a group become rows of one product.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

/// Queries per block. Memory of a block is `heads × BLOCK × keys` f32.
const BLOCK: usize = 128;

/// Which keys a query may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All of them.
    Full,
    /// Query `i` sees keys `0..=past + i`.
    Causal {
        /// Number of keys before the first query.
        past: usize,
    },
}

/// `softmax(q kᵀ · scale) v`, block by block.
///
/// # Shapes
/// `q [heads, queries, dim]`, `k, v [kv_heads, keys, dim]` → `[queries, heads · dim]`
pub(crate) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Mask) -> Result<Tensor> {
    let (heads, queries, dim) = q.dims3()?;
    let kv_heads = k.dim(0)?;
    let group = heads / kv_heads;
    let q = q.reshape((kv_heads, group, queries, dim))?;
    let mut blocks = Vec::with_capacity(queries.div_ceil(BLOCK));
    for start in (0..queries).step_by(BLOCK) {
        let rows = BLOCK.min(queries - start);
        let keys = match mask {
            Mask::Full => k.dim(1)?,
            Mask::Causal { past } => past + start + rows,
        };
        let qb = q.narrow(2, start, rows)?.contiguous()?.reshape((kv_heads, group * rows, dim))?;
        let (kb, vb) = (k.narrow(1, 0, keys)?, v.narrow(1, 0, keys)?);
        let mut scores = (qb.matmul(&kb.transpose(1, 2)?)?.to_dtype(DType::F32)? * scale)?;
        if matches!(mask, Mask::Causal { .. }) && rows > 1 {
            let triangle = causal_block(rows, keys, q.device())?;
            let square = scores.reshape((kv_heads, group, rows, keys))?;
            scores = square.broadcast_add(&triangle)?.reshape((kv_heads, group * rows, keys))?;
        }
        let pattern = softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        let out = pattern.matmul(&vb)?.reshape((heads, rows, dim))?;
        blocks.push(out.transpose(0, 1)?.contiguous()?.reshape((rows, heads * dim))?);
    }
    if blocks.len() == 1 { Ok(blocks.remove(0)) } else { Tensor::cat(&blocks, 0) }
}

/// Additive mask of one block: row `i` of `rows` sees all but the last `rows − 1 − i` keys.
fn causal_block(rows: usize, keys: usize, device: &Device) -> Result<Tensor> {
    let first = keys - rows;
    let values: Vec<f32> = (0..rows)
        .flat_map(|i| (0..keys).map(move |j| if j > first + i { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(values, (rows, keys), device)
}

/// Attention inside each of several equally long blocks at once (windows of a picture, chunks of a sound).
///
/// # Shapes
/// `q, k, v [blocks, heads, tokens, dim]` → `[blocks, tokens, heads · dim]`
pub(crate) fn attend_batched(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64) -> Result<Tensor> {
    let (blocks, heads, tokens, dim) = q.dims4()?;
    let scores = (q.contiguous()?.matmul(&k.contiguous()?.transpose(2, 3)?)?.to_dtype(DType::F32)? * scale)?;
    let pattern = softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
    let out = pattern.matmul(&v.contiguous()?)?;
    out.transpose(1, 2)?.contiguous()?.reshape((blocks, tokens, heads * dim))
}
