//! The steps between products: norms, rotation, the gated unit, sums; forwards and backwards, over rows in parallel.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch, fma};

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 14;
/// Partial sums of a row, in one order whatever the instructions are.
const LANES: usize = 16;

/// e^x to about one unit in the last place; 0 below −87.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // 355 / 512, so that n · LN_2_HIGH is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bounded = x.clamp(-88.0, 88.0);
    let shifted = fma::<FUSED>(bounded, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FUSED>(n, -LN_2_LOW, fma::<FUSED>(n, -LN_2_HIGH, bounded));
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = fma::<FUSED>(p, r, coefficient);
    }
    let p = fma::<FUSED>(p * r, r, r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { p * power }
}

#[inline(always)]
fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// `gate` becomes `silu(gate) · up`.
///
/// # Panics
/// If the lengths differ.
pub fn swiglu(isa: Isa, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "two slices of one length");
    gate.par_chunks_mut(CHUNK)
        .zip(up.par_chunks(CHUNK))
        .for_each(|(gate, up)| dispatch!(isa, swiglu_chunk(gate: &mut [f32], up: &[f32])));
}

#[inline(always)]
fn swiglu_chunk<const FUSED: bool>(gate: &mut [f32], up: &[f32]) {
    for (gate, u) in gate.iter_mut().zip(up) {
        *gate = *gate * sigmoid::<FUSED>(*gate) * u;
    }
}

/// Carries a gradient back through [`swiglu`]: `gate` becomes ∂/∂gate and `up` becomes ∂/∂up, with
/// silu′(g) = σ(g) (1 + g (1 − σ(g))).
///
/// # Panics
/// If the lengths differ.
pub fn swiglu_backward(isa: Isa, gate: &mut [f32], up: &mut [f32], d_out: &[f32]) {
    assert!(gate.len() == d_out.len() && up.len() == d_out.len(), "three slices of one length");
    gate.par_chunks_mut(CHUNK).zip(up.par_chunks_mut(CHUNK)).zip(d_out.par_chunks(CHUNK)).for_each(
        |((gate, up), d)| dispatch!(isa, swiglu_backward_chunk(gate: &mut [f32], up: &mut [f32], d: &[f32])),
    );
}

#[inline(always)]
fn swiglu_backward_chunk<const FUSED: bool>(gate: &mut [f32], up: &mut [f32], d_out: &[f32]) {
    for ((gate, up), d) in gate.iter_mut().zip(up).zip(d_out) {
        let (g, u) = (*gate, *up);
        let s = sigmoid::<FUSED>(g);
        *up = d * g * s;
        *gate = d * u * s * fma::<FUSED>(g, 1.0 - s, 1.0);
    }
}

/// `x` becomes `x Φ(x)`, the Gaussian unit with the error function.
pub fn gelu(isa: Isa, x: &mut [f32]) {
    x.par_chunks_mut(CHUNK).for_each(|x| dispatch!(isa, gelu_chunk(x: &mut [f32])));
}

#[inline(always)]
fn gelu_chunk<const FUSED: bool>(x: &mut [f32]) {
    for x in x {
        let tail = erfc::<FUSED>(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
        // 2 Φ(x) = erfc(−x / √2): the tail itself on the left, so that nothing cancels there.
        *x *= 0.5 * if *x < 0.0 { tail } else { 2.0 - tail };
    }
}

/// 1 − erf(z) for z of at least 0, with a relative error of at most 2e-6 where it is above 1e-30: a polynomial in
/// t = 1 / (1 + z / 2) inside the exponent (Press et al., Numerical Recipes, section 6.2).
#[inline(always)]
fn erfc<const FUSED: bool>(z: f32) -> f32 {
    let t = 1.0 / fma::<FUSED>(z, 0.5, 1.0);
    let mut p = 0.170_872_77;
    for coefficient in [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
    ] {
        p = fma::<FUSED>(p, t, coefficient);
    }
    let exponent = fma::<FUSED>(p, t, fma::<FUSED>(-z, z, -1.265_512_2));
    t * exp::<FUSED>(exponent)
}

/// `into += part`.
///
/// # Panics
/// If the lengths differ.
pub fn add_into(into: &mut [f32], part: &[f32]) {
    assert_eq!(into.len(), part.len(), "two slices of one length");
    into.par_chunks_mut(CHUNK).zip(part.par_chunks(CHUNK)).for_each(|(into, part)| {
        for (into, part) in into.iter_mut().zip(part) {
            *into += part;
        }
    });
}

/// The parameters of an RMS norm over rows.
#[derive(Debug, Clone, Copy)]
pub struct RmsNormRows<'a> {
    /// One factor for each column.
    pub weight: &'a [f32],
    /// Added to the mean of squares.
    pub eps: f32,
}

/// `out = x / sqrt(mean(x²) + eps) · w`, row by row.
///
/// # Panics
/// If the lengths differ or are no whole number of rows.
pub fn rms_norm(isa: Isa, norm: RmsNormRows<'_>, x: &[f32], out: &mut [f32]) {
    let width = norm.weight.len();
    assert!(x.len() == out.len() && x.len().is_multiple_of(width), "whole rows of {width}");
    let rows = (CHUNK / width).max(1) * width;
    out.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(
        |(out, x)| dispatch!(isa, rms_norm_rows(norm: RmsNormRows<'_>, x: &[f32], out: &mut [f32])),
    );
}

#[inline(always)]
fn rms_norm_rows<const FUSED: bool>(norm: RmsNormRows<'_>, x: &[f32], out: &mut [f32]) {
    let width = norm.weight.len();
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let scale = inverse_rms::<FUSED>(x, norm.eps);
        for ((out, x), w) in out.iter_mut().zip(x).zip(norm.weight) {
            *out = x * scale * w;
        }
    }
}

#[inline(always)]
fn inverse_rms<const FUSED: bool>(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot::<FUSED>(x, x) / x.len() as f32 + eps).sqrt()
}

/// A scalar product in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0_f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = fma::<FUSED>(*a, *b, *lane);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Carries a gradient back through [`rms_norm`] and adds it: with x̂ = x r and r = 1 / sqrt(mean(x²) + eps),
/// `d_x += r (w d_y − x̂ mean(x̂ w d_y))`.
///
/// # Panics
/// If the lengths differ or are no whole number of rows.
pub fn rms_norm_backward(isa: Isa, norm: RmsNormRows<'_>, x: &[f32], d_y: &[f32], d_x: &mut [f32]) {
    let width = norm.weight.len();
    assert!(x.len() == d_x.len() && d_y.len() == d_x.len(), "three slices of one length");
    assert!(x.len().is_multiple_of(width), "whole rows of {width}");
    let rows = (CHUNK / width).max(1) * width;
    d_x.par_chunks_mut(rows).zip(x.par_chunks(rows)).zip(d_y.par_chunks(rows)).for_each(|((d_x, x), d_y)| {
        dispatch!(isa, rms_norm_backward_rows(norm: RmsNormRows<'_>, x: &[f32], d_y: &[f32], d_x: &mut [f32]));
    });
}

#[inline(always)]
fn rms_norm_backward_rows<const FUSED: bool>(norm: RmsNormRows<'_>, x: &[f32], d_y: &[f32], d_x: &mut [f32]) {
    let width = norm.weight.len();
    let mut weighted = vec![0.0; width];
    let rows = x.chunks_exact(width).zip(d_y.chunks_exact(width)).zip(d_x.chunks_exact_mut(width));
    for ((x, d_y), d_x) in rows {
        for ((weighted, d), w) in weighted.iter_mut().zip(d_y).zip(norm.weight) {
            *weighted = d * w;
        }
        let scale = inverse_rms::<FUSED>(x, norm.eps);
        let along = dot::<FUSED>(x, &weighted) * scale * scale * scale / width as f32;
        for ((d_x, x), weighted) in d_x.iter_mut().zip(x).zip(&weighted) {
            *d_x += fma::<FUSED>(*weighted, scale, -x * along);
        }
    }
}

/// Rotates the two halves of each head, in place.
///
/// # Panics
/// If the lengths do not fit.
///
/// # Shapes
/// `x [tokens, heads · dim]`, `cos, sin [tokens, dim / 2]`
pub fn rotate(isa: Isa, x: &mut [f32], (heads, dim): (usize, usize), cos: &[f32], sin: &[f32]) {
    turn(isa, x, heads, dim / 2, cos, sin, 1.0);
}

/// The inverse of [`rotate`], which carries a gradient back.
///
/// # Panics
/// If the lengths do not fit.
///
/// # Shapes
/// as [`rotate`]
pub fn rotate_back(isa: Isa, x: &mut [f32], (heads, dim): (usize, usize), cos: &[f32], sin: &[f32]) {
    turn(isa, x, heads, dim / 2, cos, sin, -1.0);
}

fn turn(isa: Isa, x: &mut [f32], heads: usize, half: usize, cos: &[f32], sin: &[f32], sign: f32) {
    assert!(cos.len() == sin.len() && cos.len().is_multiple_of(half), "tables of rows of {half}");
    assert_eq!(x.len(), 2 * heads * cos.len(), "{heads} heads for each token");
    let at_once = (CHUNK / (2 * half * heads)).max(1);
    let tables = cos.par_chunks(at_once * half).zip(sin.par_chunks(at_once * half));
    x.par_chunks_mut(at_once * 2 * half * heads).zip(tables).for_each(|(x, (cos, sin))| {
        dispatch!(isa, turn_rows(x: &mut [f32], heads: usize, half: usize, cos: &[f32], sin: &[f32], sign: f32));
    });
}

#[inline(always)]
fn turn_rows<const FUSED: bool>(
    x: &mut [f32],
    heads: usize,
    half: usize,
    cos: &[f32],
    sin: &[f32],
    sign: f32,
) {
    for ((row, cos), sin) in
        x.chunks_exact_mut(2 * half * heads).zip(cos.chunks_exact(half)).zip(sin.chunks_exact(half))
    {
        for head in row.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let (s, x, y) = (s * sign, *a, *b);
                *a = fma::<FUSED>(x, *c, -y * s);
                *b = fma::<FUSED>(y, *c, x * s);
            }
        }
    }
}
