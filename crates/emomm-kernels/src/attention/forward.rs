//! Softmax of scores times values, with a running maximum and sum.

use std::ops::Range;

use rayon::prelude::*;

use super::{AttentionShape, Heads, KEY_BLOCK, QUERY_BLOCK, Segment, panels_of_tokens, panels_of_width};
use crate::elementwise::exp;
use crate::isa::{Isa, dispatch};
use crate::tile::{Left, PANEL, rows_of_tile, tile};

/// A segment with at most this many keys is one task for each group of heads, which packs its own keys.
const SMALL: usize = 512;

/// `out = softmax(q kᵀ · scale) v`, segment by segment; rows that belong to no segment are left alone. If `log_sums` is given, it
/// receives log Σ exp(score · scale) of each query and head, which [`super::attend_backward`] takes.
///
/// # Panics
/// If a slice is too short for its shape, or a causal segment has more queries than keys.
///
/// # Shapes
/// `out [queries, heads · dim]`, `log_sums [queries, heads]`
#[expect(clippy::too_many_arguments, reason = "the pieces of one attention")]
pub fn attend(
    isa: Isa,
    shape: AttentionShape,
    q: Heads<'_>,
    k: Heads<'_>,
    v: Heads<'_>,
    segments: &[Segment],
    out: &mut [f32],
    log_sums: Option<&mut [f32]>,
) {
    assert!(shape.heads.is_multiple_of(shape.kv_heads), "whole groups of heads");
    let queries = segments.iter().map(|s| s.queries.end).max().unwrap_or(0);
    let keys = segments.iter().map(|s| s.keys.end).max().unwrap_or(0);
    q.check(queries, shape.heads, shape.dim);
    k.check(keys, shape.kv_heads, shape.dim);
    v.check(keys, shape.kv_heads, shape.dim);
    assert!(out.len() >= queries * shape.heads * shape.dim, "room for {queries} rows");
    if let Some(sums) = &log_sums {
        assert!(sums.len() >= queries * shape.heads, "room for {queries} rows of logarithms");
    }
    segments.iter().for_each(Segment::check);
    let job = Job {
        isa,
        shape,
        q,
        out: Place(out.as_mut_ptr()),
        log_sums: log_sums.map(|s| Place(s.as_mut_ptr())),
    };

    let (small, large): (Vec<&Segment>, Vec<&Segment>) =
        segments.iter().filter(|s| !s.queries.is_empty()).partition(|s| s.keys.len() <= SMALL);
    let groups = small.len() * shape.kv_heads;
    (0..groups).into_par_iter().for_each_init(Default::default, |(scratch, packed_k, packed_v), i| {
        let (segment, group) = (small[i / shape.kv_heads], i % shape.kv_heads);
        panels_of_tokens(k, segment.keys.clone(), group, shape.dim, packed_k);
        panels_of_width(v, segment.keys.clone(), group, shape.dim, packed_v);
        for head in shape.heads_of(group) {
            for block in blocks(segment.queries.len()) {
                job.block(segment, head, block, packed_k, packed_v, scratch);
            }
        }
    });
    for segment in large {
        let packed: Vec<(Vec<f32>, Vec<f32>)> = (0..shape.kv_heads)
            .into_par_iter()
            .map(|group| {
                let (mut packed_k, mut packed_v) = Default::default();
                panels_of_tokens(k, segment.keys.clone(), group, shape.dim, &mut packed_k);
                panels_of_width(v, segment.keys.clone(), group, shape.dim, &mut packed_v);
                (packed_k, packed_v)
            })
            .collect();
        // The last blocks see the most keys: the longest tasks first.
        let blocks: Vec<Range<usize>> = blocks(segment.queries.len()).rev().collect();
        (0..blocks.len() * shape.heads).into_par_iter().with_max_len(1).for_each_init(
            Scratch::default,
            |scratch, i| {
                let (block, head) = (blocks[i / shape.heads].clone(), i % shape.heads);
                let (packed_k, packed_v) = &packed[head / shape.group()];
                job.block(segment, head, block, packed_k, packed_v, scratch);
            },
        );
    }
}

impl AttentionShape {
    /// Query heads for each key head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    fn heads_of(&self, group: usize) -> Range<usize> {
        group * self.group()..(group + 1) * self.group()
    }
}

/// Blocks of queries, evenly long.
pub(super) fn blocks(queries: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..queries.div_ceil(QUERY_BLOCK)).map(move |i| i * QUERY_BLOCK..queries.min((i + 1) * QUERY_BLOCK))
}

/// An output that several tasks write, each its own rows and heads.
#[derive(Clone, Copy)]
struct Place(*mut f32);

// SAFETY: the tasks of `attend` write different rows or heads.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    sums: Vec<f32>,
    state: Vec<RowState>,
    visible: Vec<usize>,
}

/// The softmax of a row so far.
#[derive(Debug, Clone, Copy)]
struct RowState {
    /// Greatest score, unscaled.
    most: f32,
    /// Σ exp((score − most) · scale)
    sum: f32,
    /// What sums so far are to be multiplied with.
    shrink: f32,
}

struct Job<'a> {
    isa: Isa,
    shape: AttentionShape,
    q: Heads<'a>,
    out: Place,
    log_sums: Option<Place>,
}

impl Job<'_> {
    /// One block of queries of one head against all keys that they see.
    fn block(
        &self,
        segment: &Segment,
        head: usize,
        block: Range<usize>,
        packed_k: &[f32],
        packed_v: &[f32],
        scratch: &mut Scratch,
    ) {
        let AttentionShape { heads, dim, scale, .. } = self.shape;
        let (isa, rows, padded) = (self.isa, block.len(), dim.next_multiple_of(PANEL));
        let all_keys = segment.keys.len();
        let seen = segment.visible(block.end - 1);
        scratch.scores.resize(rows * KEY_BLOCK, 0.0);
        scratch.sums.clear();
        scratch.sums.resize(rows * padded, 0.0);
        scratch.state.clear();
        scratch.state.resize(rows, RowState { most: f32::NEG_INFINITY, sum: 0.0, shrink: 1.0 });
        let first_query = segment.queries.start + block.start;
        let q = Left { a: self.q.at(first_query, head).as_ptr(), row: self.q.token, step: 1 };
        for first_key in (0..seen).step_by(KEY_BLOCK) {
            let keys = KEY_BLOCK.min(seen - first_key);
            let panels = packed_k[first_key * dim..].chunks_exact(PANEL * dim).take(keys.div_ceil(PANEL));
            for (p, panel) in panels.enumerate() {
                for row in (0..rows).step_by(rows_of_tile(isa)) {
                    let count = rows_of_tile(isa).min(rows - row);
                    let q = Left { a: q.a.wrapping_add(row * q.row), ..q };
                    let scores = scratch.scores[row * KEY_BLOCK + p * PANEL..].as_mut_ptr();
                    // SAFETY: `check` has seen the queries; a panel has `dim` lines; scores have `count` rows of a block.
                    unsafe { tile(isa, (count, dim), q, panel.as_ptr(), scores, KEY_BLOCK, false) };
                }
            }
            scratch.visible.clear();
            let visible = |i: usize| segment.visible(block.start + i).saturating_sub(first_key).min(keys);
            scratch.visible.extend((0..rows).map(visible));
            let (scores, visible, state) = (&mut scratch.scores, &scratch.visible, &mut scratch.state);
            dispatch!(isa, soften(scores: &mut [f32], visible: &[usize], keys: usize, scale: f32, state: &mut [RowState]));
            for (row, state) in scratch.sums.chunks_exact_mut(padded).zip(&scratch.state) {
                if state.shrink < 1.0 {
                    for x in row {
                        *x *= state.shrink;
                    }
                }
            }
            for p in 0..padded / PANEL {
                let panel = &packed_v[(p * all_keys + first_key) * PANEL..][..keys * PANEL];
                for row in (0..rows).step_by(rows_of_tile(isa)) {
                    let count = rows_of_tile(isa).min(rows - row);
                    let a = Left { a: scratch.scores[row * KEY_BLOCK..].as_ptr(), row: KEY_BLOCK, step: 1 };
                    let sums = scratch.sums[row * padded + p * PANEL..].as_mut_ptr();
                    // SAFETY: weights have `count` rows of `keys`, the panel has `keys` lines, sums have `padded` columns.
                    unsafe { tile(isa, (count, keys), a, panel.as_ptr(), sums, padded, true) };
                }
            }
        }
        for (i, (sums, state)) in scratch.sums.chunks_exact(padded).zip(&scratch.state).enumerate() {
            let query = first_query + i;
            // SAFETY: `attend` has seen that the row is inside; row and head belong to this task.
            let out =
                unsafe { std::slice::from_raw_parts_mut(self.out.0.add((query * heads + head) * dim), dim) };
            let inverse = 1.0 / state.sum;
            for (out, x) in out.iter_mut().zip(sums) {
                *out = x * inverse;
            }
            if let Some(log_sums) = self.log_sums {
                // SAFETY: as above.
                unsafe { *log_sums.0.add(query * heads + head) = state.most * scale + state.sum.ln() };
            }
        }
    }
}

/// Turns a block of scores into weights relative to the greatest score so far; what a row does not see becomes 0.
#[inline(always)]
fn soften<const FUSED: bool>(
    scores: &mut [f32],
    visible: &[usize],
    keys: usize,
    scale: f32,
    state: &mut [RowState],
) {
    const LANES: usize = 16;
    for ((row, visible), state) in scores.chunks_exact_mut(KEY_BLOCK).zip(visible).zip(state) {
        let (seen, unseen) = row[..keys].split_at_mut(*visible);
        unseen.fill(0.0);
        let mut most = [state.most; LANES];
        let chunks = seen.chunks_exact(LANES);
        for x in chunks.remainder() {
            most[0] = if *x > most[0] { *x } else { most[0] };
        }
        for chunk in chunks {
            for (most, x) in most.iter_mut().zip(chunk) {
                *most = if *x > *most { *x } else { *most };
            }
        }
        let most = most.into_iter().fold(state.most, f32::max);
        let shift = most * scale;
        let mut sums = [0_f32; LANES];
        let mut chunks = seen.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *x = exp::<FUSED>(*x * scale - shift);
                *sum += *x;
            }
        }
        let mut sum: f32 = sums.iter().sum();
        for x in chunks.into_remainder() {
            *x = exp::<FUSED>(*x * scale - shift);
            sum += *x;
        }
        state.shrink = if most > state.most { exp::<FUSED>(state.most * scale - shift) } else { 1.0 };
        state.sum = state.sum * state.shrink + sum;
        state.most = most;
    }
}
