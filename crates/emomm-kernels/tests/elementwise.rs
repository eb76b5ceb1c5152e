//! Norms, rotation and the gated unit against f64, forwards and backwards.

use emomm_kernels::{
    Isa, RmsNormRows, add_into, gelu, rms_norm, rms_norm_backward, rotate, rotate_back, swiglu,
    swiglu_backward,
};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2.0 * ((state >> 40) as f32 / (1_u64 << 23) as f32) - 2.0
    };
    (0..count).map(|_| next()).collect()
}

fn close(ours: f32, theirs: f64, what: &str) {
    let error = (f64::from(ours) - theirs).abs() / theirs.abs().max(1.0);
    assert!(error < 2e-6, "{what}: {ours}, expected {theirs}");
}

#[test]
fn the_gated_unit_and_its_gradient_equal_f64_s() {
    // From where the sigmoid vanishes to where it is 1.
    let gate: Vec<f32> = (-4000..4000).map(|i| i as f32 / 40.0).collect();
    let (up, d_out) = (numbers(gate.len(), 1), numbers(gate.len(), 2));
    for isa in Isa::available() {
        let mut out = gate.clone();
        swiglu(isa, &mut out, &up);
        let (mut d_gate, mut d_up) = (gate.clone(), up.clone());
        swiglu_backward(isa, &mut d_gate, &mut d_up, &d_out);
        for i in 0..gate.len() {
            let [g, u, d] = [gate[i], up[i], d_out[i]].map(f64::from);
            let s = 1.0 / (1.0 + (-g).exp());
            close(out[i], g * s * u, "silu(g) u");
            close(d_gate[i], d * u * s * (1.0 + g * (1.0 - s)), "by the gate");
            close(d_up[i], d * g * s, "by the other factor");
        }
    }
}

#[test]
fn the_gaussian_unit_equals_an_integral() {
    // Φ(x) by Simpson's rule from 0 on, in f64.
    let phi = |x: f64| {
        let (steps, end) = (4000, x.abs());
        let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let width = end / f64::from(steps);
        let inner: f64 =
            (1..steps).map(|i| density(f64::from(i) * width) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        let half = (density(0.0) + inner + density(end)) * width / 3.0;
        if x < 0.0 { 0.5 - half } else { 0.5 + half }
    };
    let values: Vec<f32> = (-800..=800).map(|i| i as f32 / 100.0).chain([-40.0, 40.0]).collect();
    for isa in Isa::available() {
        let mut out = values.clone();
        gelu(isa, &mut out);
        for (x, y) in values.iter().zip(&out) {
            let x = f64::from(*x);
            let error = (f64::from(*y) - x * phi(x)).abs();
            assert!(error < 1e-6 * x.abs().max(0.1), "{isa:?} at {x}: {error}");
        }
    }
}

#[test]
fn the_norm_and_its_gradient_equal_f64_s() {
    for width in [1, 7, 16, 40, 896] {
        let rows = 5;
        let (x, weight) = (numbers(rows * width, 3), numbers(width, 4));
        let (d_y, before) = (numbers(rows * width, 5), numbers(rows * width, 6));
        let norm = RmsNormRows { weight: &weight, eps: 1e-5 };
        for isa in Isa::available() {
            let mut out = vec![0.0; x.len()];
            rms_norm(isa, norm, &x, &mut out);
            let mut d_x = before.clone();
            rms_norm_backward(isa, norm, &x, &d_y, &mut d_x);
            for row in 0..rows {
                let at = |v: &[f32], i: usize| f64::from(v[row * width + i]);
                let square = (0..width).map(|i| at(&x, i).powi(2)).sum::<f64>() / width as f64;
                let r = 1.0 / (square + f64::from(1e-5_f32)).sqrt();
                let along =
                    (0..width).map(|i| at(&x, i) * r * at(&d_y, i) * f64::from(weight[i])).sum::<f64>();
                for i in 0..width {
                    let w = f64::from(weight[i]);
                    close(out[row * width + i], at(&x, i) * r * w, "norm");
                    let slope = r * (w * at(&d_y, i) - at(&x, i) * r * along / width as f64);
                    close(d_x[row * width + i], at(&before, i) + slope, "norm backwards");
                }
            }
        }
    }
}

#[test]
fn a_rotation_equals_f64_s_and_is_undone() {
    let (tokens, heads, dim) = (9, 3, 10);
    let x = numbers(tokens * heads * dim, 7);
    let angles = numbers(tokens * dim / 2, 8);
    let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
    for isa in Isa::available() {
        let mut turned = x.clone();
        rotate(isa, &mut turned, (heads, dim), &cos, &sin);
        for (token, head, i) in
            (0..tokens).flat_map(|t| (0..heads).flat_map(move |h| (0..5).map(move |i| (t, h, i))))
        {
            let at = (token * heads + head) * dim + i;
            let [a, b, c, s] = [x[at], x[at + 5], cos[token * 5 + i], sin[token * 5 + i]].map(f64::from);
            close(turned[at], a * c - b * s, "first half");
            close(turned[at + 5], b * c + a * s, "second half");
        }
        rotate_back(isa, &mut turned, (heads, dim), &cos, &sin);
        for (ours, theirs) in turned.iter().zip(&x) {
            close(*ours, f64::from(*theirs), "back");
        }
    }
}

#[test]
fn sums_are_added_in_place() {
    let mut into = vec![1.0, 2.0];
    add_into(&mut into, &[0.5, -2.0]);
    assert_eq!(into, [1.5, 0.0]);
}
