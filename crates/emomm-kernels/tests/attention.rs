//! Blocked attention and its gradients against the textbook's formulas in f64.

use emomm_kernels::{Attended, AttentionShape, Heads, Isa, Segment, attend, attend_backward};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2.0 * ((state >> 40) as f32 / (1_u64 << 23) as f32) - 2.0
    };
    (0..count).map(|_| next()).collect()
}

struct Textbook {
    shape: AttentionShape,
    /// `[tokens, heads, dim]`
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Textbook {
    fn new(shape: AttentionShape, queries: usize, keys: usize) -> Self {
        let AttentionShape { heads, kv_heads, dim, .. } = shape;
        Self {
            shape,
            q: numbers(queries * heads * dim, 1),
            k: numbers(keys * kv_heads * dim, 2),
            v: numbers(keys * kv_heads * dim, 3),
        }
    }

    fn at(x: &[f32], heads: usize, dim: usize, token: usize, head: usize) -> Vec<f64> {
        x[(token * heads + head) * dim..][..dim].iter().map(|x| f64::from(*x)).collect()
    }

    fn q(&self, query: usize, head: usize) -> Vec<f64> {
        Self::at(&self.q, self.shape.heads, self.shape.dim, query, head)
    }

    fn k(&self, key: usize, head: usize) -> Vec<f64> {
        let group = self.shape.heads / self.shape.kv_heads;
        Self::at(&self.k, self.shape.kv_heads, self.shape.dim, key, head / group)
    }

    fn v(&self, key: usize, head: usize) -> Vec<f64> {
        let group = self.shape.heads / self.shape.kv_heads;
        Self::at(&self.v, self.shape.kv_heads, self.shape.dim, key, head / group)
    }

    /// Weights of the keys and log Σ exp.
    fn weights(&self, query: usize, head: usize, keys: std::ops::Range<usize>) -> (Vec<f64>, f64) {
        let q = self.q(query, head);
        let score = |key| dot(&q, &self.k(key, head)) * f64::from(self.shape.scale);
        let scores: Vec<f64> = keys.map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - most).exp()).sum();
        (scores.iter().map(|s| (s - most).exp() / sum).collect(), most + sum.ln())
    }

    fn heads(&self) -> (Heads<'_>, Heads<'_>, Heads<'_>) {
        let AttentionShape { heads, kv_heads, dim, .. } = self.shape;
        (
            Heads::by_token(&self.q, heads, dim),
            Heads::by_token(&self.k, kv_heads, dim),
            Heads::by_token(&self.v, kv_heads, dim),
        )
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn shape(heads: usize, kv_heads: usize, dim: usize) -> AttentionShape {
    AttentionShape { heads, kv_heads, dim, scale: 1.0 / (dim as f32).sqrt() }
}

/// Queries and keys around the borders of tiles, panels, blocks (84 queries, 256 keys) and the shared packing (512 keys).
const CAUSAL: [(usize, usize); 8] =
    [(1, 1), (7, 7), (84, 84), (90, 300), (1, 700), (257, 257), (85, 600), (600, 600)];

#[test]
fn causal_attention_equals_the_textbook_s() {
    for isa in Isa::available() {
        for (shape, (queries, keys)) in
            [shape(4, 2, 16), shape(3, 1, 40)].into_iter().flat_map(|s| CAUSAL.map(|c| (s, c)))
        {
            let book = Textbook::new(shape, queries, keys);
            let (q, k, v) = book.heads();
            let segments = [Segment { queries: 0..queries, keys: 0..keys, causal: true }];
            let mut z = vec![0.0; queries * shape.heads * shape.dim];
            let mut log_sums = vec![0.0; queries * shape.heads];
            attend(isa, shape, q, k, v, &segments, &mut z, Some(&mut log_sums));
            for (query, head) in (0..queries).flat_map(|q| (0..shape.heads).map(move |h| (q, h))) {
                if query > 90 && query % 84 > 1 && query + 3 < queries {
                    // The formula is slow; borders of blocks are enough.
                    continue;
                }
                let seen = keys - queries + query + 1;
                let (weights, log_sum) = book.weights(query, head, 0..seen);
                let place = query * shape.heads + head;
                let label = format!("{isa:?} {shape:?} {queries} on {keys}, query {query}, head {head}");
                assert!((f64::from(log_sums[place]) - log_sum).abs() < 1e-5, "{label}: log sum");
                for d in 0..shape.dim {
                    let expected: f64 = (0..seen).map(|key| weights[key] * book.v(key, head)[d]).sum();
                    let error = (f64::from(z[place * shape.dim + d]) - expected).abs();
                    assert!(error < 2e-6, "{label}, {d}: {error}");
                }
            }
        }
    }
}

#[test]
fn windows_of_any_length_see_only_themselves() {
    let shape = shape(2, 2, 24);
    let lengths = [5_usize, 64, 1, 130, 600, 40];
    let tokens: usize = lengths.iter().sum();
    let book = Textbook::new(shape, tokens, tokens);
    let (q, k, v) = book.heads();
    let mut start = 0;
    let segments: Vec<Segment> = lengths
        .iter()
        .map(|length| {
            let rows = start..start + length;
            start = rows.end;
            Segment { queries: rows.clone(), keys: rows, causal: false }
        })
        .collect();
    for isa in Isa::available() {
        let mut z = vec![0.0; tokens * 2 * 24];
        attend(isa, shape, q, k, v, &segments, &mut z, None);
        for segment in &segments {
            for query in [segment.queries.start, segment.queries.end - 1] {
                let (weights, _) = book.weights(query, 1, segment.keys.clone());
                for d in 0..24 {
                    let keys = segment.keys.clone().zip(&weights);
                    let expected: f64 = keys.map(|(key, w)| w * book.v(key, 1)[d]).sum();
                    let error = (f64::from(z[(query * 2 + 1) * 24 + d]) - expected).abs();
                    assert!(error < 2e-6, "{isa:?} {segment:?} query {query}, {d}: {error}");
                }
            }
        }
    }
}

/// Two layouts of the same numbers, and any number of threads: the same bits.
#[test]
fn layout_and_threads_change_nothing() {
    let shape = shape(4, 2, 16);
    let (queries, keys) = (130, 610);
    let book = Textbook::new(shape, queries, keys);
    let (q, k, v) = book.heads();
    let by_head = |x: &[f32], heads: usize, tokens: usize| -> Vec<f32> {
        let at = |head: usize, token: usize| &x[(token * heads + head) * 16..][..16];
        (0..heads).flat_map(|h| (0..tokens).flat_map(move |t| at(h, t).to_vec())).collect()
    };
    let (k2, v2) = (by_head(&book.k, 2, keys), by_head(&book.v, 2, keys));
    let segments = [Segment { queries: 0..queries, keys: 0..keys, causal: true }];
    let run = |threads: usize, k: Heads<'_>, v: Heads<'_>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut z = vec![0.0; queries * 64];
        pool.install(|| attend(Isa::best(), shape, q, k, v, &segments, &mut z, None));
        z
    };
    let one = run(1, k, v);
    assert_eq!(one, run(3, k, v));
    assert_eq!(one, run(2, Heads::by_head(&k2, keys, 16), Heads::by_head(&v2, keys, 16)));
}

#[test]
fn gradients_equal_the_textbook_s() {
    for isa in Isa::available() {
        for (shape, (queries, keys, first_key)) in [
            (shape(4, 2, 16), (9, 9, 0)),
            (shape(4, 2, 16), (1, 40, 7)),
            (shape(2, 1, 40), (100, 130, 30)),
            (shape(2, 2, 8), (90, 1300, 1210)),
            (shape(1, 1, 8), (600, 600, 0)),
        ] {
            let AttentionShape { heads, kv_heads, dim, .. } = shape;
            let scale = f64::from(shape.scale);
            let book = Textbook::new(shape, queries, keys);
            let (q, k, v) = book.heads();
            let segments = [Segment { queries: 0..queries, keys: 0..keys, causal: true }];
            let (mut z, mut log_sums) = (vec![0.0; queries * heads * dim], vec![0.0; queries * heads]);
            attend(isa, shape, q, k, v, &segments, &mut z, Some(&mut log_sums));
            let d_z = numbers(queries * heads * dim, 4);
            let attended = Attended { queries, keys, q, k, v, z: &z, log_sums: &log_sums };
            let found = attend_backward(isa, shape, &attended, &d_z, first_key);

            let mut d_q = vec![0.0; queries * heads * dim];
            let mut d_k = vec![0.0; keys * kv_heads * dim];
            let mut d_v = d_k.clone();
            for (query, head) in (0..queries).flat_map(|q| (0..heads).map(move |h| (q, h))) {
                let seen = keys - queries + query + 1;
                let (weights, _) = book.weights(query, head, 0..seen);
                let d_out = Textbook::at(&d_z, heads, dim, query, head);
                let d_weights: Vec<f64> = (0..seen).map(|key| dot(&d_out, &book.v(key, head))).collect();
                let along = dot(&weights, &d_weights);
                for key in 0..seen {
                    let d_score = weights[key] * (d_weights[key] - along) * scale;
                    let (q, k) = (book.q(query, head), book.k(key, head));
                    let at = (key * kv_heads + head / (heads / kv_heads)) * dim;
                    for d in 0..dim {
                        d_q[(query * heads + head) * dim + d] += d_score * k[d];
                        d_k[at + d] += d_score * q[d];
                        d_v[at + d] += weights[key] * d_out[d];
                    }
                }
            }
            let from = first_key * kv_heads * dim;
            for (what, ours, theirs) in [
                ("q", &found.d_q, &d_q[..]),
                ("k", &found.d_k, &d_k[from..]),
                ("v", &found.d_v, &d_v[from..]),
            ] {
                assert_eq!(ours.len(), theirs.len());
                let size = theirs.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
                for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    let error = (f64::from(*ours) - theirs).abs() / size;
                    assert!(error < 1e-5, "{isa:?} {shape:?} {queries} on {keys}: d_{what} {i} by {error}");
                }
            }
        }
    }
}
