//! Gradients of causal attention with respect to queries, keys and values.
//!
//! A task is one query head and one run of keys. Keys and values of a run get their gradient from that task alone; the
//! queries' gradient is a sum over runs, taken in one order afterwards.

use std::ops::Range;

use rayon::prelude::*;

use super::forward::blocks;
use super::{AttentionShape, Heads, KEY_BLOCK, panels_of_tokens, panels_of_width};
use crate::elementwise::{dot, exp};
use crate::isa::{Isa, dispatch};
use crate::tile::{Left, PANEL, rows_of_tile, tile};

/// Keys of a run are at least this many, as long as there are no more runs than [`RUNS`].
const RUN: usize = 512;
/// Most runs: each costs a copy of the queries' gradient.
const RUNS: usize = 4;

/// What [`attend_backward`] gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradients {
    /// `[queries, heads · dim]`
    pub d_q: Vec<f32>,
    /// `[keys − first_key, kv_heads · dim]`
    pub d_k: Vec<f32>,
    /// `[keys − first_key, kv_heads · dim]`
    pub d_v: Vec<f32>,
}

/// The forward pass whose gradient is taken: causal, the last query belonging to the last key.
#[derive(Debug, Clone, Copy)]
pub struct Attended<'a> {
    /// Number of queries.
    pub queries: usize,
    /// Number of keys.
    pub keys: usize,
    /// Queries.
    pub q: Heads<'a>,
    /// Keys.
    pub k: Heads<'a>,
    /// Values.
    pub v: Heads<'a>,
    /// The output, `[queries, heads · dim]`.
    pub z: &'a [f32],
    /// Logarithms of the softmax's denominators, `[queries, heads]`.
    pub log_sums: &'a [f32],
}

/// Carries a gradient back through [`super::attend`]; gradients of keys and values are given from `first_key` on.
///
/// # Panics
/// If a slice is too short for its shape, or there are more queries than keys.
///
/// # Shapes
/// `d_z [queries, heads · dim]`
pub fn attend_backward(
    isa: Isa,
    shape: AttentionShape,
    attended: &Attended<'_>,
    d_z: &[f32],
    first_key: usize,
) -> Gradients {
    let AttentionShape { heads, kv_heads, dim, .. } = shape;
    let Attended { queries, keys, q, k, v, z, log_sums } = *attended;
    assert!(queries <= keys && first_key <= keys, "{queries} queries, {keys} keys, from key {first_key} on");
    q.check(queries, heads, dim);
    k.check(keys, kv_heads, dim);
    v.check(keys, kv_heads, dim);
    assert!(z.len() == queries * heads * dim && d_z.len() == z.len() && log_sums.len() == queries * heads);
    // ⟨d_z, z⟩ of each query and head.
    let along: Vec<f32> = z
        .par_chunks(dim)
        .zip(d_z.par_chunks(dim))
        .map(|(z, d_z)| dispatch!(isa, dot(z: &[f32], d_z: &[f32]) -> f32))
        .collect();
    let packed: Vec<Packed> = (0..kv_heads)
        .into_par_iter()
        .map(|group| {
            let mut packed = Packed::default();
            panels_of_tokens(k, 0..keys, group, dim, &mut packed.k_by_tokens);
            panels_of_width(k, 0..keys, group, dim, &mut packed.k_by_width);
            panels_of_tokens(v, 0..keys, group, dim, &mut packed.v_by_tokens);
            packed
        })
        .collect();

    let run = keys.div_ceil(RUNS).max(RUN).next_multiple_of(KEY_BLOCK);
    let runs: Vec<Range<usize>> = (0..keys).step_by(run).map(|start| start..keys.min(start + run)).collect();
    let job = Job {
        isa,
        shape,
        attended: *attended,
        d_z: Heads::by_token(d_z, heads, dim),
        along: &along,
        first_key,
    };
    let parts: Vec<Part> = (0..runs.len() * heads)
        .into_par_iter()
        .with_max_len(1)
        .map(|i| job.part(i % heads, runs[i / heads].clone(), &packed[i % heads / shape.group()]))
        .collect();

    let mut found = Gradients {
        d_q: vec![0.0; queries * heads * dim],
        d_k: vec![0.0; (keys - first_key) * kv_heads * dim],
        d_v: vec![0.0; (keys - first_key) * kv_heads * dim],
    };
    let padded = dim.next_multiple_of(PANEL);
    if queries > 0 {
        found.d_q.par_chunks_mut(heads * dim).enumerate().for_each(|(query, row)| {
            for part in &parts {
                if let Some(at) = query.checked_sub(part.first_query) {
                    let sum = &part.d_q[at * padded..][..dim];
                    let row = &mut row[part.head * dim..][..dim];
                    row.iter_mut().zip(sum).for_each(|(to, from)| *to += from);
                }
            }
        });
    }
    for (whole, of) in
        [(&mut found.d_k, (|p| &p.d_k) as fn(&Part) -> &Vec<f32>), (&mut found.d_v, |p| &p.d_v)]
    {
        whole.par_chunks_mut(kv_heads * dim).enumerate().for_each(|(i, row)| {
            let key = first_key + i;
            for part in parts.iter().filter(|part| part.keys.contains(&key)) {
                let sum = &of(part)[(key - part.keys.start) * padded..][..dim];
                let row = &mut row[part.head / shape.group() * dim..][..dim];
                row.iter_mut().zip(sum).for_each(|(to, from)| *to += from);
            }
        });
    }
    found
}

#[derive(Default)]
struct Packed {
    k_by_tokens: Vec<f32>,
    k_by_width: Vec<f32>,
    v_by_tokens: Vec<f32>,
}

/// What one head and one run of keys contribute; columns are filled up to whole panels.
struct Part {
    head: usize,
    keys: Range<usize>,
    first_query: usize,
    d_q: Vec<f32>,
    d_k: Vec<f32>,
    d_v: Vec<f32>,
}

struct Job<'a> {
    isa: Isa,
    shape: AttentionShape,
    attended: Attended<'a>,
    d_z: Heads<'a>,
    along: &'a [f32],
    first_key: usize,
}

impl Job<'_> {
    fn part(&self, head: usize, keys: Range<usize>, packed: &Packed) -> Part {
        let AttentionShape { heads, dim, scale, .. } = self.shape;
        let Attended { queries, keys: all_keys, q, log_sums, .. } = self.attended;
        let (isa, padded) = (self.isa, dim.next_multiple_of(PANEL));
        let past = all_keys - queries;
        // Earlier queries see none of these keys.
        let first_query = keys.start.saturating_sub(past);
        let wanted = keys.end > self.first_key;
        let mut part = Part {
            head,
            keys: keys.clone(),
            first_query,
            d_q: vec![0.0; (queries - first_query) * padded],
            d_k: vec![0.0; keys.len() * padded],
            d_v: vec![0.0; keys.len() * padded],
        };
        let (mut q_packed, mut d_z_packed) = (Vec::new(), Vec::new());
        let (mut pattern, mut d_scores) = (Vec::new(), Vec::new());
        for block in blocks(queries - first_query) {
            let (start, rows) = (first_query + block.start, block.len());
            panels_of_width(q, start..start + rows, head, dim, &mut q_packed);
            panels_of_width(self.d_z, start..start + rows, head, dim, &mut d_z_packed);
            pattern.resize(rows * KEY_BLOCK, 0.0);
            d_scores.resize(rows * KEY_BLOCK, 0.0);
            let seen = keys.end.min(past + start + rows);
            for first_key in (keys.start..seen).step_by(KEY_BLOCK) {
                let count = KEY_BLOCK.min(seen - first_key);
                let factors =
                    [(q, &packed.k_by_tokens, &mut pattern), (self.d_z, &packed.v_by_tokens, &mut d_scores)];
                for (left, right, out) in factors {
                    let left = Left { a: left.at(start, head).as_ptr(), row: left.token, step: 1 };
                    let right = &right[first_key * dim..][..count.next_multiple_of(PANEL) * dim];
                    products(isa, (rows, dim, count), left, right, out, KEY_BLOCK, false);
                }
                let lines = (0..rows).map(|i| {
                    let at = (start + i) * heads + head;
                    let visible = (past + start + i + 1).saturating_sub(first_key).min(count);
                    Line { log_sum: log_sums[at], along: self.along[at], visible }
                });
                let lines: Vec<Line> = lines.collect();
                let (p, d) = (&mut pattern[..], &mut d_scores[..]);
                let lines = &lines[..];
                dispatch!(isa, through_softmax(p: &mut [f32], d: &mut [f32], lines: &[Line], count: usize, scale: f32));

                let right = &packed.k_by_width;
                let d_q = &mut part.d_q[block.start * padded..][..rows * padded];
                for p in 0..padded / PANEL {
                    let panel = &right[(p * all_keys + first_key) * PANEL..][..count * PANEL];
                    let left = Left { a: d_scores.as_ptr(), row: KEY_BLOCK, step: 1 };
                    products(isa, (rows, count, PANEL), left, panel, &mut d_q[p * PANEL..], padded, true);
                }
                if !wanted {
                    continue;
                }
                let at = (first_key - keys.start) * padded;
                let sums = [(&d_scores, &q_packed, &mut part.d_k), (&pattern, &d_z_packed, &mut part.d_v)];
                for (left, right, out) in sums {
                    let left = Left { a: left.as_ptr(), row: 1, step: KEY_BLOCK };
                    products(isa, (count, rows, padded), left, right, &mut out[at..], padded, true);
                }
            }
        }
        part
    }
}

/// `out (+)= left · right` for `(rows, depth, columns)`; panels of `right` follow each other, columns of the last are written whole.
fn products(
    isa: Isa,
    (rows, depth, columns): (usize, usize, usize),
    left: Left,
    right: &[f32],
    out: &mut [f32],
    ldc: usize,
    add: bool,
) {
    let panels = columns.div_ceil(PANEL);
    assert!(right.len() >= panels * PANEL * depth, "{panels} panels of {depth} lines");
    assert!(out.len() >= (rows - 1) * ldc + panels * PANEL, "room for {rows} rows of {panels} panels");
    for (p, panel) in right.chunks_exact(PANEL * depth).take(panels).enumerate() {
        for row in (0..rows).step_by(rows_of_tile(isa)) {
            let count = rows_of_tile(isa).min(rows - row);
            let left = Left { a: left.a.wrapping_add(row * left.row), ..left };
            let out = out[row * ldc + p * PANEL..].as_mut_ptr();
            // SAFETY: the panel has `depth` lines and the output its rows, as asserted; the left factor's rows and depth are
            // those of a block of scores or of heads that `check` has seen.
            unsafe { tile(isa, (count, depth), left, panel.as_ptr(), out, ldc, add) };
        }
    }
}

/// What the softmax of one query was.
struct Line {
    log_sum: f32,
    along: f32,
    visible: usize,
}

/// Scores become weights P, gradients of weights become gradients of scores: dS = P ∘ (dP − ⟨dz, z⟩) · scale.
#[inline(always)]
fn through_softmax<const FUSED: bool>(
    scores: &mut [f32],
    d_pattern: &mut [f32],
    lines: &[Line],
    keys: usize,
    scale: f32,
) {
    let rows = scores.chunks_exact_mut(KEY_BLOCK).zip(d_pattern.chunks_exact_mut(KEY_BLOCK));
    for ((s, d), line) in rows.zip(lines) {
        let (s, s_unseen) = s[..keys].split_at_mut(line.visible);
        let (d, d_unseen) = d[..keys].split_at_mut(line.visible);
        s_unseen.fill(0.0);
        d_unseen.fill(0.0);
        for (s, d) in s.iter_mut().zip(d) {
            let p = exp::<FUSED>(*s * scale - line.log_sum);
            *s = p;
            *d = p * (*d - line.along) * scale;
        }
    }
}
