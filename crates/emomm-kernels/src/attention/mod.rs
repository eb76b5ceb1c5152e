//! Attention with grouped keys, in blocks of queries and keys with a running softmax: no matrix of the whole sequence, and
//! blocks that lie in the future of all their queries are never touched.
//!
//! Forwards as in Dao's FlashAttention-2, backwards likewise from the logarithms of the softmax's denominators. Queries,
//! keys and values are read where they lie, by a stride for tokens and one for heads.

mod backward;
mod forward;

use std::ops::Range;

pub use backward::{Attended, Gradients, attend_backward};
pub use forward::attend;

use crate::pack::interleave;
use crate::tile::PANEL;

/// Queries of a block: whole tiles with every instruction set.
const QUERY_BLOCK: usize = 84;
/// Keys of a block; a multiple of a panel.
const KEY_BLOCK: usize = 256;

/// The shape of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub dim: usize,
    /// Factor of the scores.
    pub scale: f32,
}

/// Rows of heads inside a slice: the numbers of one head of one token lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// All numbers.
    pub data: &'a [f32],
    /// From one token to the next.
    pub token: usize,
    /// From one head to the next.
    pub head: usize,
}

impl<'a> Heads<'a> {
    /// `[tokens, heads, dim]`
    pub fn by_token(data: &'a [f32], heads: usize, dim: usize) -> Self {
        Self { data, token: heads * dim, head: dim }
    }

    /// `[heads, tokens, dim]`
    pub fn by_head(data: &'a [f32], tokens: usize, dim: usize) -> Self {
        Self { data, token: dim, head: tokens * dim }
    }

    fn at(self, token: usize, head: usize) -> &'a [f32] {
        &self.data[token * self.token + head * self.head..]
    }

    /// Panics unless the last row is inside.
    fn check(self, tokens: usize, heads: usize, dim: usize) {
        if tokens > 0 && heads > 0 {
            let end = (tokens - 1) * self.token + (heads - 1) * self.head + dim;
            assert!(end <= self.data.len(), "{tokens} tokens of {heads} heads of {dim}");
        }
    }
}

/// Queries that see the same keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the queries.
    pub queries: Range<usize>,
    /// Rows of the keys and values.
    pub keys: Range<usize>,
    /// Whether a query sees only the keys up to its own; the last query belongs to the last key.
    pub causal: bool,
}

impl Segment {
    /// Number of keys that the segment's query `i` sees.
    fn visible(&self, i: usize) -> usize {
        if self.causal { self.keys.len() - self.queries.len() + i + 1 } else { self.keys.len() }
    }

    fn check(&self) {
        let causal = !self.causal || self.queries.len() <= self.keys.len();
        assert!(
            causal,
            "{} queries on {} keys, but each has a key of its own",
            self.queries.len(),
            self.keys.len()
        );
        assert!(!self.keys.is_empty() || self.queries.is_empty(), "queries without keys");
    }
}

/// One head's rows as panels of 32 tokens: for each number of a head, those of 32 tokens side by side. What scores are
/// computed with.
fn panels_of_tokens(x: Heads<'_>, tokens: Range<usize>, head: usize, dim: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(tokens.len().next_multiple_of(PANEL) * dim, 0.0);
    for (panel, first) in out.chunks_exact_mut(PANEL * dim).zip((tokens.start..tokens.end).step_by(PANEL)) {
        let count = PANEL.min(tokens.end - first);
        interleave(x.at(first, head), x.token, count, dim, panel);
    }
}

/// One head's rows as panels of 32 numbers of a head: for each token, those 32 side by side. What weights of tokens are
/// multiplied with.
fn panels_of_width(x: Heads<'_>, tokens: Range<usize>, head: usize, dim: usize, out: &mut Vec<f32>) {
    out.clear();
    out.resize(dim.next_multiple_of(PANEL) * tokens.len(), 0.0);
    if tokens.is_empty() {
        return;
    }
    for (p, panel) in out.chunks_exact_mut(PANEL * tokens.len()).enumerate() {
        let width = PANEL.min(dim - p * PANEL);
        for (line, token) in panel.chunks_exact_mut(PANEL).zip(tokens.clone()) {
            line[..width].copy_from_slice(&x.at(token, head)[p * PANEL..][..width]);
        }
    }
}
