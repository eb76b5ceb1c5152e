//! Attention of the prefill and of the towers: blocked over queries, so that no `[query, key]` matrix of the whole
//! sequence ever exists.
//!
//! Scores and softmax are taken in f32 and cast back, as the reference does. Grouped keys are never repeated: the
//! query heads of a group become rows of one product.

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use crate::cpu;

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
    let triangle = match mask {
        Mask::Causal { .. } => Some(causal_block(BLOCK.min(queries), q.device())?),
        Mask::Full => None,
    };
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
        if let Some(triangle) = &triangle {
            // Only the block's own keys can lie in a row's future.
            let own = scores.narrow(2, keys - rows, rows)?.reshape((kv_heads, group, rows, rows))?;
            let own = own.broadcast_add(&triangle.narrow(0, 0, rows)?.narrow(1, 0, rows)?)?;
            let own = own.reshape((kv_heads, group * rows, rows))?;
            scores =
                if keys == rows { own } else { Tensor::cat(&[&scores.narrow(2, 0, keys - rows)?, &own], 2)? };
        }
        let pattern = softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        let out = pattern.matmul(&vb)?.reshape((heads, rows, dim))?;
        blocks.push(out.transpose(0, 1)?.contiguous()?.reshape((rows, heads * dim))?);
    }
    if blocks.len() == 1 { Ok(blocks.remove(0)) } else { Tensor::cat(&blocks, 0) }
}

/// Additive mask of a block against its own keys: row `i` sees the first `i + 1`.
fn causal_block(rows: usize, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> =
        (0..rows).flat_map(|i| (0..rows).map(move |j| if j > i { f32::NEG_INFINITY } else { 0.0 })).collect();
    Tensor::from_vec(values, (rows, rows), device)
}

/// Attention of rows to rows; a segment names queries and the keys that they see. Segments follow each other and cover all
/// queries.
///
/// # Shapes
/// `q, k, v [tokens, heads, dim]` → `[tokens, heads · dim]`
pub(crate) fn attend_segments_of(
    qkv: [&Tensor; 3],
    scale: f64,
    segments: &[(Range<usize>, Range<usize>)],
) -> Result<Tensor> {
    if cpu::takes(qkv[0]) {
        return cpu::attend_segments(qkv, scale, segments);
    }
    let mut parts = Vec::with_capacity(segments.len());
    for (queries, keys) in segments {
        let part = |x: &Tensor, rows: &Range<usize>| {
            x.narrow(0, rows.start, rows.len())?.transpose(0, 1)?.contiguous()
        };
        let [q, k, v] = [part(qkv[0], queries)?, part(qkv[1], keys)?, part(qkv[2], keys)?];
        parts.push(attend(&q, &k, &v, scale, Mask::Full)?);
    }
    Tensor::cat(&parts, 0)
}

/// Attention inside each of several equally long runs of rows.
///
/// # Shapes
/// `q, k, v [tokens, heads, dim]` → `[tokens, heads · dim]`
pub(crate) fn attend_equal_segments(qkv: [&Tensor; 3], scale: f64, length: usize) -> Result<Tensor> {
    let (tokens, heads, dim) = qkv[0].dims3()?;
    if cpu::takes(qkv[0]) {
        let runs: Vec<_> = (0..tokens / length)
            .map(|i| (i * length..(i + 1) * length, i * length..(i + 1) * length))
            .collect();
        return cpu::attend_segments(qkv, scale, &runs);
    }
    let split = |x: &Tensor| x.reshape((tokens / length, length, heads, dim))?.transpose(1, 2);
    let [q, k, v] = [split(qkv[0])?, split(qkv[1])?, split(qkv[2])?];
    attend_batched(&q, &k, &v, scale)?.reshape((tokens, heads * dim))
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

/// Gradients of causal attention with respect to queries, keys and values; scores and weights of a block of queries are
/// computed again, so that no matrix of the whole sequence is kept.
///
/// The queries are the last ones: query `i` sees keys `0..=past + i`, where `past` is keys − queries. Gradients of keys
/// and values are given from `first_key` on.
///
/// # Shapes
/// `q [heads, queries, dim]`, `k, v [kv_heads, keys, dim]`, `d_z [queries, heads · dim]`, all f32 → `d_q` as `q`, `d_k, d_v
/// [kv_heads, keys − first_key, dim]`
pub(crate) fn attend_backward(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    d_z: &Tensor,
    scale: f64,
    first_key: usize,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (heads, queries, dim) = q.dims3()?;
    let (kv_heads, all_keys, _) = k.dims3()?;
    let (group, past) = (heads / kv_heads, all_keys - queries);
    let q = q.reshape((kv_heads, group, queries, dim))?;
    let d_z = d_z.reshape((queries, kv_heads, group, dim))?.permute((1, 2, 0, 3))?;
    let triangle = causal_block(BLOCK.min(queries), q.device())?;
    let mut d_q = Vec::with_capacity(queries.div_ceil(BLOCK));
    let mut d_k = Tensor::zeros(k.shape(), DType::F32, k.device())?;
    let mut d_v = d_k.clone();
    for start in (0..queries).step_by(BLOCK) {
        let rows = BLOCK.min(queries - start);
        let keys = past + start + rows;
        let block =
            |x: &Tensor| x.narrow(2, start, rows)?.contiguous()?.reshape((kv_heads, group * rows, dim));
        let (qb, d_zb) = (block(&q)?, block(&d_z)?);
        let (kb, vb) = (k.narrow(1, 0, keys)?.contiguous()?, v.narrow(1, 0, keys)?.contiguous()?);
        let scores = (qb.matmul(&kb.transpose(1, 2)?)? * scale)?;
        let own = scores.narrow(2, keys - rows, rows)?.reshape((kv_heads, group, rows, rows))?;
        let own = own.broadcast_add(&triangle.narrow(0, 0, rows)?.narrow(1, 0, rows)?)?;
        let own = own.reshape((kv_heads, group * rows, rows))?;
        let scores =
            if keys == rows { own } else { Tensor::cat(&[&scores.narrow(2, 0, keys - rows)?, &own], 2)? };
        let pattern = softmax_last_dim(&scores)?;
        // Through the softmax: dS = P ∘ (dP − ⟨dP, P⟩).
        let d_pattern = d_zb.matmul(&vb.transpose(1, 2)?)?;
        let inner = (&d_pattern * &pattern)?.sum_keepdim(2)?;
        let d_scores = ((d_pattern.broadcast_sub(&inner)? * &pattern)? * scale)?;
        d_q.push(d_scores.matmul(&kb)?.reshape((kv_heads, group, rows, dim))?);
        d_k = add_to_first(&d_k, &d_scores.transpose(1, 2)?.matmul(&qb)?)?;
        d_v = add_to_first(&d_v, &pattern.transpose(1, 2)?.matmul(&d_zb)?)?;
    }
    let d_q = Tensor::cat(&d_q, 2)?.reshape((heads, queries, dim))?;
    let wanted = |d: Tensor| d.narrow(1, first_key, all_keys - first_key)?.contiguous();
    Ok((d_q, wanted(d_k)?, wanted(d_v)?))
}

/// Adds `part` to the first rows of `whole`, dimension 1.
fn add_to_first(whole: &Tensor, part: &Tensor) -> Result<Tensor> {
    let (all, first) = (whole.dim(1)?, part.dim(1)?);
    let sum = (whole.narrow(1, 0, first)? + part)?;
    if all == first { Ok(sum) } else { Tensor::cat(&[&sum, &whole.narrow(1, first, all - first)?], 1) }
}
