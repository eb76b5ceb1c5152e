//! The layer on the processor: the same steps on slices, with packed weights, blocked attention and few buffers.

use emomm_kernels::{
    Attended, AttentionShape, Heads, Isa, Output, RmsNormRows, Segment, attend, attend_backward, rms_norm,
    rms_norm_backward, rotate, rotate_back, swiglu, swiglu_backward,
};

use super::{BackwardRows, Layer};
use crate::linear::Packed;
use crate::norm::RmsNorm;

/// Rows of the feed-forward part that are taken at once: its inner width is the greatest of all, and this bounds it.
const FEED_FORWARD_ROWS: usize = 512;

/// A layer whose weights are packed.
pub(super) struct CpuLayer<'a> {
    q_proj: &'a Packed,
    k_proj: &'a Packed,
    v_proj: &'a Packed,
    o_proj: &'a Packed,
    gate_proj: &'a Packed,
    up_proj: &'a Packed,
    down_proj: &'a Packed,
    q_norm: Option<RmsNormRows<'a>>,
    k_norm: Option<RmsNormRows<'a>>,
    input_layernorm: RmsNormRows<'a>,
    post_attention_layernorm: RmsNormRows<'a>,
    shape: AttentionShape,
    isa: Isa,
}

/// Cosines and sines of a run of tokens, `[tokens, head_dim / 2]`.
#[derive(Clone, Copy)]
pub(super) struct RopeRows<'a> {
    pub(super) cos: &'a [f32],
    pub(super) sin: &'a [f32],
}

impl RopeRows<'_> {
    /// The tables from one token on.
    fn from(self, first: usize, head_dim: usize) -> Self {
        let at = first * head_dim / 2;
        Self { cos: &self.cos[at..], sin: &self.sin[at..] }
    }
}

/// Keys and values, `[kv_heads, tokens, head_dim]`.
pub(super) struct KeysValues<'a> {
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
}

impl Layer {
    /// The layer for the processor's kernels, or `None` if its weights lie elsewhere.
    pub(super) fn on_cpu(&self) -> Option<CpuLayer<'_>> {
        let q_norm = self.q_norm.as_ref().map(RmsNorm::as_rows);
        let k_norm = self.k_norm.as_ref().map(RmsNorm::as_rows);
        Some(CpuLayer {
            q_proj: self.q_proj.as_packed()?,
            k_proj: self.k_proj.as_packed()?,
            v_proj: self.v_proj.as_packed()?,
            o_proj: self.o_proj.as_packed()?,
            gate_proj: self.gate_proj.as_packed()?,
            up_proj: self.up_proj.as_packed()?,
            down_proj: self.down_proj.as_packed()?,
            q_norm: if let Some(norm) = q_norm { Some(norm?) } else { None },
            k_norm: if let Some(norm) = k_norm { Some(norm?) } else { None },
            input_layernorm: self.input_layernorm.as_rows()?,
            post_attention_layernorm: self.post_attention_layernorm.as_rows()?,
            shape: AttentionShape {
                heads: self.n_heads,
                kv_heads: self.n_kv_heads,
                dim: self.head_dim,
                scale: self.scale as f32,
            },
            isa: Isa::best(),
        })
    }
}

impl CpuLayer<'_> {
    fn hidden(&self) -> usize {
        self.input_layernorm.weight.len()
    }

    fn normed(&self, norm: RmsNormRows<'_>, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        rms_norm(self.isa, norm, x, &mut out);
        out
    }

    /// Queries or keys, normed per head where the model does, and rotated: `[tokens, heads · head_dim]`.
    fn rotated(
        &self,
        weight: &Packed,
        norm: Option<RmsNormRows<'_>>,
        x: &[f32],
        rows: usize,
        rope: RopeRows<'_>,
    ) -> Vec<f32> {
        let dim = self.shape.dim;
        let mut y = weight.product(x, rows);
        if let Some(norm) = norm {
            y = self.normed(norm, &y);
        }
        let table = rows * dim / 2;
        rotate(self.isa, &mut y, (weight.outputs() / dim, dim), &rope.cos[..table], &rope.sin[..table]);
        y
    }

    /// Keys and values of past and run.
    pub(super) fn cache(
        &self,
        resid_pre: &[f32],
        past: Option<KeysValues<'_>>,
        rope: RopeRows<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        self.keys_values(&self.normed(self.input_layernorm, resid_pre), past, rope)
    }

    fn keys_values(
        &self,
        x: &[f32],
        past: Option<KeysValues<'_>>,
        rope: RopeRows<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        let rows = x.len() / self.hidden();
        let k = self.rotated(self.k_proj, self.k_norm, x, rows, rope);
        let v = self.v_proj.product(x, rows);
        let (past_k, past_v) = past.map_or((&[][..], &[][..]), |p| (p.k, p.v));
        (self.joined(past_k, &k), self.joined(past_v, &v))
    }

    /// `past [kv_heads, past, head_dim]`, `new [tokens, kv_heads · head_dim]` → `[kv_heads, past + tokens, head_dim]`
    fn joined(&self, past: &[f32], new: &[f32]) -> Vec<f32> {
        let AttentionShape { kv_heads, dim, .. } = self.shape;
        let one_past = past.len() / kv_heads;
        let mut all = Vec::with_capacity(past.len() + new.len());
        for head in 0..kv_heads {
            all.extend_from_slice(&past[head * one_past..][..one_past]);
            for token in new.chunks_exact(kv_heads * dim) {
                all.extend_from_slice(&token[head * dim..][..dim]);
            }
        }
        all
    }

    /// Reads a run of tokens after `past`: the layer's output, keys and values.
    pub(super) fn prefill(
        &self,
        resid_pre: &[f32],
        past: Option<KeysValues<'_>>,
        rope: RopeRows<'_>,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let rows = resid_pre.len() / self.hidden();
        let x = self.normed(self.input_layernorm, resid_pre);
        let q = self.rotated(self.q_proj, self.q_norm, &x, rows, rope);
        let (k, v) = self.keys_values(&x, past, rope);
        let z = self.attended(&q, rows, &KeysValues { k: &k, v: &v }, None);
        let mut resid = resid_pre.to_vec();
        self.o_proj.forward_onto(&z, rows, &mut resid);
        self.feed_forward(&mut resid);
        (resid, k, v)
    }

    /// The layer's output on its last rows alone.
    pub(super) fn output_from(
        &self,
        resid_pre: &[f32],
        cache: &KeysValues<'_>,
        rope: RopeRows<'_>,
        first: usize,
    ) -> Vec<f32> {
        let mut resid = self.through_attention(resid_pre, cache, rope, first).resid_mid;
        self.feed_forward(&mut resid);
        resid
    }

    /// The last `rows` queries on all keys: `[rows, heads · head_dim]`.
    fn attended(
        &self,
        q: &[f32],
        rows: usize,
        cache: &KeysValues<'_>,
        log_sums: Option<&mut [f32]>,
    ) -> Vec<f32> {
        let AttentionShape { heads, kv_heads, dim, .. } = self.shape;
        let keys = cache.k.len() / kv_heads / dim;
        let mut z = vec![0.0; rows * heads * dim];
        attend(
            self.isa,
            self.shape,
            Heads::by_token(q, heads, dim),
            Heads::by_head(cache.k, keys, dim),
            Heads::by_head(cache.v, keys, dim),
            &[Segment { queries: 0..rows, keys: 0..keys, causal: true }],
            &mut z,
            log_sums,
        );
        z
    }

    /// Adds the feed-forward part, some rows at a time.
    fn feed_forward(&self, resid: &mut [f32]) {
        let (hidden, inner) = (self.hidden(), self.gate_proj.outputs());
        let most = FEED_FORWARD_ROWS.min(resid.len() / hidden);
        let (mut gate, mut up) = (vec![0.0; most * inner], vec![0.0; most * inner]);
        for resid in resid.chunks_mut(FEED_FORWARD_ROWS * hidden) {
            let rows = resid.len() / hidden;
            let x = self.normed(self.post_attention_layernorm, resid);
            let (gate, up) = (&mut gate[..rows * inner], &mut up[..rows * inner]);
            self.gate_proj.forward(&x, rows, gate);
            self.up_proj.forward(&x, rows, up);
            swiglu(self.isa, gate, up);
            self.down_proj.forward_onto(gate, rows, resid);
        }
    }

    /// The rows from `first` on up to the residual stream after attention.
    fn through_attention(
        &self,
        resid_pre: &[f32],
        cache: &KeysValues<'_>,
        rope: RopeRows<'_>,
        first: usize,
    ) -> Attending {
        let resid_pre = &resid_pre[first * self.hidden()..];
        let rows = resid_pre.len() / self.hidden();
        let x = self.normed(self.input_layernorm, resid_pre);
        let q = self.rotated(self.q_proj, self.q_norm, &x, rows, rope.from(first, self.shape.dim));
        let mut log_sums = vec![0.0; rows * self.shape.heads];
        let z = self.attended(&q, rows, cache, Some(&mut log_sums));
        let mut resid_mid = resid_pre.to_vec();
        self.o_proj.forward_onto(&z, rows, &mut resid_mid);
        Attending { q, z, log_sums, resid_mid }
    }

    /// Gradient with respect to the layer's input, as [`Layer::backward`].
    pub(super) fn backward(
        &self,
        resid_pre: &[f32],
        cache: &KeysValues<'_>,
        rope: RopeRows<'_>,
        rows: BackwardRows,
        grad: &[f32],
    ) -> Vec<f32> {
        let BackwardRows { from_output, to_input } = rows;
        let AttentionShape { heads, kv_heads, dim, .. } = self.shape;
        let hidden = self.hidden();
        let tokens = resid_pre.len() / hidden;
        let (queries, inputs) = (tokens - from_output, tokens - to_input);
        let Attending { q, z, log_sums, resid_mid } =
            self.through_attention(resid_pre, cache, rope, from_output);
        let d_mid = self.feed_forward_backward(&resid_mid, grad);

        let mut d_z = vec![0.0; queries * heads * dim];
        self.o_proj.backward(&d_mid, queries, &mut d_z, Output::Set);
        let attended = Attended {
            queries,
            keys: tokens,
            q: Heads::by_token(&q, heads, dim),
            k: Heads::by_head(cache.k, tokens, dim),
            v: Heads::by_head(cache.v, tokens, dim),
            z: &z,
            log_sums: &log_sums,
        };
        let found = attend_backward(self.isa, self.shape, &attended, &d_z, to_input);
        let (mut d_q, mut d_k) = (found.d_q, found.d_k);
        let turn = |d: &mut [f32], n: usize, first: usize| {
            let rope = rope.from(first, dim);
            rotate_back(self.isa, d, (n, dim), rope.cos, rope.sin);
        };
        turn(&mut d_q, heads, from_output);
        turn(&mut d_k, kv_heads, to_input);
        let resid_in = &resid_pre[to_input * hidden..];
        if self.q_norm.is_some() || self.k_norm.is_some() {
            let x = self.normed(self.input_layernorm, resid_in);
            let queried = &x[(from_output - to_input) * hidden..];
            self.through_head_norm(self.q_norm, self.q_proj, queried, queries, &mut d_q);
            self.through_head_norm(self.k_norm, self.k_proj, &x, inputs, &mut d_k);
        }

        let mut d_x = vec![0.0; inputs * hidden];
        self.k_proj.backward(&d_k, inputs, &mut d_x, Output::Set);
        self.v_proj.backward(&found.d_v, inputs, &mut d_x, Output::Add);
        let last = (from_output - to_input) * hidden;
        self.q_proj.backward(&d_q, queries, &mut d_x[last..], Output::Add);
        let mut d_resid = vec![0.0; inputs * hidden];
        d_resid[last..].copy_from_slice(&d_mid);
        rms_norm_backward(self.isa, self.input_layernorm, resid_in, &d_x, &mut d_resid);
        d_resid
    }

    /// Through the norm of each head, if there is one.
    fn through_head_norm(
        &self,
        norm: Option<RmsNormRows<'_>>,
        weight: &Packed,
        x: &[f32],
        rows: usize,
        d: &mut Vec<f32>,
    ) {
        if let Some(norm) = norm {
            let before = weight.product(x, rows);
            let mut through = vec![0.0; d.len()];
            rms_norm_backward(self.isa, norm, &before, d, &mut through);
            *d = through;
        }
    }

    /// Gradient with respect to the input of the feed-forward part, the residual way around it included.
    fn feed_forward_backward(&self, resid_mid: &[f32], grad: &[f32]) -> Vec<f32> {
        let (hidden, inner) = (self.hidden(), self.gate_proj.outputs());
        let most = FEED_FORWARD_ROWS.min(grad.len() / hidden);
        let [mut gate, mut up, mut d_inner] = [(); 3].map(|()| vec![0.0; most * inner]);
        let mut d_y = vec![0.0; most * hidden];
        let mut d_mid = grad.to_vec();
        let size = FEED_FORWARD_ROWS * hidden;
        for ((resid_mid, grad), d_mid) in
            resid_mid.chunks(size).zip(grad.chunks(size)).zip(d_mid.chunks_mut(size))
        {
            let rows = grad.len() / hidden;
            let [gate, up, d_inner] = [&mut gate, &mut up, &mut d_inner].map(|x| &mut x[..rows * inner]);
            let d_y = &mut d_y[..rows * hidden];
            let y = self.normed(self.post_attention_layernorm, resid_mid);
            self.gate_proj.forward(&y, rows, gate);
            self.up_proj.forward(&y, rows, up);
            self.down_proj.backward(grad, rows, d_inner, Output::Set);
            swiglu_backward(self.isa, gate, up, d_inner);
            self.gate_proj.backward(gate, rows, d_y, Output::Set);
            self.up_proj.backward(up, rows, d_y, Output::Add);
            rms_norm_backward(self.isa, self.post_attention_layernorm, resid_mid, d_y, d_mid);
        }
        d_mid
    }
}

/// What the first half of a layer leaves behind.
struct Attending {
    q: Vec<f32>,
    z: Vec<f32>,
    log_sums: Vec<f32>,
    resid_mid: Vec<f32>,
}
