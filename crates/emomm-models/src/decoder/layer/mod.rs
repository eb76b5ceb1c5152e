//! One decoder layer: pre-norm attention and a gated feed-forward part.

mod backward;
mod on_cpu;

pub(crate) use backward::BackwardRows;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use on_cpu::{CpuLayer, KeysValues, RopeRows};

use super::attention::{Mask, attend};
use super::config::DecoderConfig;
use super::hook::{DecisionHook, DecisionLayer};
use super::prefill::{LayerCache, Prefill};
use super::rope::rotate;
use crate::cpu::{self, Numbers};
use crate::linear::Linear;
use crate::norm::RmsNorm;
use crate::weights::Weights;

/// Weights of one layer under the names that Hugging Face's decoders give them.
#[derive(Debug)]
pub(crate) struct Layer {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    input_layernorm: RmsNorm,
    post_attention_layernorm: RmsNorm,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    scale: f64,
}

impl Layer {
    pub(crate) fn load(weights: &Weights, name: &str, config: &DecoderConfig) -> crate::Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (q_width, kv_width) = (config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim);
        let attn = |part: &str, outputs: usize| {
            Linear::load(weights, &format!("{name}.self_attn.{part}"), hidden, outputs, config.qkv_bias)
        };
        let head_norm = |part: &str| {
            let name = format!("{name}.self_attn.{part}");
            config
                .qk_norm
                .then(|| RmsNorm::load(weights, &name, config.head_dim, config.rms_norm_eps))
                .transpose()
        };
        let norm =
            |part: &str| RmsNorm::load(weights, &format!("{name}.{part}"), hidden, config.rms_norm_eps);
        Ok(Self {
            q_proj: attn("q_proj", q_width)?,
            k_proj: attn("k_proj", kv_width)?,
            v_proj: attn("v_proj", kv_width)?,
            o_proj: Linear::load(weights, &format!("{name}.self_attn.o_proj"), q_width, hidden, false)?,
            q_norm: head_norm("q_norm")?,
            k_norm: head_norm("k_norm")?,
            gate_proj: Linear::load(weights, &format!("{name}.mlp.gate_proj"), hidden, inner, false)?,
            up_proj: Linear::load(weights, &format!("{name}.mlp.up_proj"), hidden, inner, false)?,
            down_proj: Linear::load(weights, &format!("{name}.mlp.down_proj"), inner, hidden, false)?,
            input_layernorm: norm("input_layernorm")?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            scale: 1.0 / (config.head_dim as f64).sqrt(),
        })
    }

    /// # Shapes
    /// `[rows, heads · head_dim]` → `[heads, rows, head_dim]`
    fn split(&self, y: &Tensor, heads: usize, norm: Option<&RmsNorm>) -> Result<Tensor> {
        let y = y.reshape((y.dim(0)?, heads, self.head_dim))?;
        let y = if let Some(norm) = norm { norm.forward(&y)? } else { y };
        y.transpose(0, 1)
    }

    /// Rotated queries of a run of rows.
    ///
    /// # Shapes
    /// `x [rows, hidden]` → `[n_heads, rows, head_dim]`
    fn q(&self, x: &Tensor, rope: &(Tensor, Tensor)) -> Result<Tensor> {
        rotate(&self.split(&self.q_proj.forward(x)?, self.n_heads, self.q_norm.as_ref())?, rope)
    }

    /// Rotated keys and values of a run of rows.
    ///
    /// # Shapes
    /// `x [rows, hidden]` → twice `[n_kv_heads, rows, head_dim]`
    fn kv(&self, x: &Tensor, rope: &(Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
        let k = self.split(&self.k_proj.forward(x)?, self.n_kv_heads, self.k_norm.as_ref())?;
        let v = self.split(&self.v_proj.forward(x)?, self.n_kv_heads, None)?;
        Ok((rotate(&k, rope)?, v.contiguous()?))
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.post_attention_layernorm.forward(x)?;
        let gated = cpu::gated(&self.gate_proj.forward(&y)?, &self.up_proj.forward(&y)?)?;
        x + self.down_proj.forward(&gated)?
    }

    /// Keys and values of past and run, for the last layer of a prefix, whose output nobody reads.
    pub(crate) fn cache(
        &self,
        resid_pre: &Tensor,
        past: Option<&LayerCache>,
        rope: &(Tensor, Tensor),
    ) -> Result<LayerCache> {
        if let Some((layer, input)) = self.cpu_input(resid_pre, rope)? {
            let past = past.map(CpuCache::of).transpose()?;
            let (k, v) = layer.cache(&input.resid, past.as_ref().map(CpuCache::slices), input.rope());
            return self.cpu_cache(k, v);
        }
        let x = self.input_layernorm.forward(resid_pre)?;
        let (k, v) = self.kv(&x, rope)?;
        joined(past, k, v)
    }

    /// The layer and its input as slices, if the processor's kernels take them.
    fn cpu_input<'a>(
        &'a self,
        resid_pre: &'a Tensor,
        rope: &'a (Tensor, Tensor),
    ) -> Result<Option<(CpuLayer<'a>, CpuInput<'a>)>> {
        if !cpu::takes(resid_pre) {
            return Ok(None);
        }
        let Some(layer) = self.on_cpu() else { return Ok(None) };
        let [resid, cos, sin] = [resid_pre, &rope.0, &rope.1].map(Numbers::of);
        Ok(Some((layer, CpuInput { resid: resid?, cos: cos?, sin: sin? })))
    }

    fn cpu_cache(&self, k: Vec<f32>, v: Vec<f32>) -> Result<LayerCache> {
        let tensor = |x| Tensor::from_vec(x, (self.n_kv_heads, (), self.head_dim), &Device::Cpu);
        Ok(LayerCache { k: tensor(k)?, v: tensor(v)? })
    }

    /// Reads a run of tokens after `past`; returns the layer's output and the keys and values of past and run.
    ///
    /// # Shapes
    /// `resid_pre [tokens, hidden]` → `[tokens, hidden]`
    pub(crate) fn prefill(
        &self,
        resid_pre: &Tensor,
        past: Option<&LayerCache>,
        rope: &(Tensor, Tensor),
    ) -> Result<(Tensor, LayerCache)> {
        if let Some((layer, input)) = self.cpu_input(resid_pre, rope)? {
            let past = past.map(CpuCache::of).transpose()?;
            let past = past.as_ref().map(CpuCache::slices);
            let (resid, k, v) = layer.prefill(&input.resid, past, input.rope());
            let resid = Tensor::from_vec(resid, resid_pre.shape(), resid_pre.device())?;
            return Ok((resid, self.cpu_cache(k, v)?));
        }
        let x = self.input_layernorm.forward(resid_pre)?;
        let (q, (k, v)) = (self.q(&x, rope)?, self.kv(&x, rope)?);
        let cache = joined(past, k, v)?;
        let mask = Mask::Causal { past: cache.k.dim(1)? - q.dim(1)? };
        let z = attend(&q, &cache.k, &cache.v, self.scale, mask)?;
        let resid_mid = (resid_pre + self.o_proj.forward(&z)?)?;
        Ok((self.feed_forward(&resid_mid)?, cache))
    }

    /// One decode step for a batch of variants of a row: explicit f32 scores, the hook, softmax.
    ///
    /// `tail` holds each variant's own keys and values after the shared prefix, the present row's included on return.
    ///
    /// # Shapes
    /// `resid_pre [variant, hidden]` → `[variant, hidden]`; tail `[variant, n_kv_heads, rows, head_dim]`
    pub(crate) fn decide(
        &self,
        (layer, n_layers): (usize, usize),
        resid_pre: &Tensor,
        prefill: &Prefill,
        tail: Option<&LayerCache>,
        rope: &(Tensor, Tensor),
        hook: Option<&mut dyn DecisionHook>,
    ) -> Result<(Tensor, LayerCache)> {
        let variants = resid_pre.dim(0)?;
        let group = self.n_heads / self.n_kv_heads;
        let x = self.input_layernorm.forward(resid_pre)?;
        let (q, (k, v)) = (self.q(&x, rope)?, self.kv(&x, rope)?);
        // Keys and values of the rows after the prefix, one set for each variant.
        let own = |x: &Tensor| x.transpose(0, 1)?.unsqueeze(2)?.contiguous();
        let (k, v) = match tail {
            Some(tail) => (Tensor::cat(&[&tail.k, &own(&k)?], 2)?, Tensor::cat(&[&tail.v, &own(&v)?], 2)?),
            None => (own(&k)?, own(&v)?),
        };
        let tail_rows = k.dim(2)?;

        // Prefix scores: variants and query heads of a group are rows of one product with the shared keys.
        let q_shared = q.reshape((self.n_kv_heads, group, variants, self.head_dim))?.reshape((
            self.n_kv_heads,
            group * variants,
            self.head_dim,
        ))?;
        let to_variant = |x: Tensor, keys: usize| {
            let x = x.reshape((self.n_kv_heads, group, variants, keys))?.permute((2, 0, 1, 3))?;
            x.contiguous()?.reshape((variants, self.n_heads, keys))
        };
        // Tail scores: each variant against its own keys.
        let q_own =
            q.transpose(0, 1)?.contiguous()?.reshape((variants * self.n_kv_heads, group, self.head_dim))?;
        let k_own = k.reshape((variants * self.n_kv_heads, tail_rows, self.head_dim))?;
        let own_scores = f32_scores(&q_own, &k_own)?;
        let own_scores = own_scores.reshape((variants, self.n_heads, tail_rows))?;
        let past = prefill.layers.as_ref().map(|layers| &layers[layer]);
        let attn_scores = match past {
            Some(past) => {
                let shared = f32_scores(&q_shared, &past.k)?;
                Tensor::cat(&[&to_variant(shared, prefill.len)?, &own_scores], 2)?
            }
            None => own_scores,
        };
        let attn_scores = (attn_scores * self.scale)?;

        let pattern = match hook {
            None => softmax_last_dim(&attn_scores)?,
            Some(hook) => {
                let seen = DecisionLayer { layer, n_layers, resid_pre, attn_scores: &attn_scores, prefill };
                let steered = match hook.attn_bias(&seen)? {
                    Some(bias) => (&attn_scores + bias)?,
                    None => attn_scores,
                };
                let pattern = softmax_last_dim(&steered)?;
                hook.observe_pattern(layer, &pattern)?;
                pattern
            }
        };

        let pattern = pattern.to_dtype(v.dtype())?;
        let own_pattern = pattern.narrow(2, prefill.len, tail_rows)?.contiguous()?;
        let own_pattern = own_pattern.reshape((variants * self.n_kv_heads, group, tail_rows))?;
        let v_own = v.reshape((variants * self.n_kv_heads, tail_rows, self.head_dim))?;
        let mut z = own_pattern.matmul(&v_own)?.reshape((variants, self.n_heads * self.head_dim))?;
        if let Some(past) = past {
            let shared = pattern.narrow(2, 0, prefill.len)?;
            let shared = shared
                .reshape((variants, self.n_kv_heads, group, prefill.len))?
                .permute((1, 2, 0, 3))?
                .contiguous()?
                .reshape((self.n_kv_heads, group * variants, prefill.len))?;
            let from_prefix = to_variant(shared.matmul(&past.v)?, self.head_dim)?;
            z = (z + from_prefix.reshape((variants, self.n_heads * self.head_dim))?)?;
        }
        let resid_mid = (resid_pre + self.o_proj.forward(&z)?)?;
        Ok((self.feed_forward(&resid_mid)?, LayerCache { k, v }))
    }
}

/// A layer's input as slices.
struct CpuInput<'a> {
    resid: Numbers<'a>,
    cos: Numbers<'a>,
    sin: Numbers<'a>,
}

impl CpuInput<'_> {
    fn rope(&self) -> RopeRows<'_> {
        RopeRows { cos: &self.cos, sin: &self.sin }
    }
}

/// Keys and values as slices.
struct CpuCache<'a> {
    k: Numbers<'a>,
    v: Numbers<'a>,
}

impl<'a> CpuCache<'a> {
    fn of(cache: &'a LayerCache) -> Result<Self> {
        Ok(Self { k: Numbers::of(&cache.k)?, v: Numbers::of(&cache.v)? })
    }

    fn slices(&self) -> KeysValues<'_> {
        KeysValues { k: &self.k, v: &self.v }
    }
}

fn joined(past: Option<&LayerCache>, k: Tensor, v: Tensor) -> Result<LayerCache> {
    Ok(match past {
        Some(past) => LayerCache { k: Tensor::cat(&[&past.k, &k], 1)?, v: Tensor::cat(&[&past.v, &v], 1)? },
        None => LayerCache { k, v },
    })
}

/// `q kᵀ` with products and sums in f32, whatever the model's type.
fn f32_scores(q: &Tensor, k: &Tensor) -> Result<Tensor> {
    q.to_dtype(DType::F32)?.matmul(&k.to_dtype(DType::F32)?.transpose(1, 2)?)
}
