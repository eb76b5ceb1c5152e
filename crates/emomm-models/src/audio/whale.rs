//! The Whale speech encoder: filter-bank features, two strided convolutions, a transformer whose scores also depend on the
//! key's position, and an adapter that halves the rows.
//!
//! The positions are absolute sines behind a projection of each layer, although the scheme is called relative: the
//! shift that would make them so was left out by its authors. Scores are `(q + u) kᵀ + (q + v) pᵀ`, which is one product of
//! `[q + u, q + v]` with `[k, p]`, so plain attention serves.

use candle_core::{Device, Result, Tensor};

use crate::decoder::attend_segments_of;
use crate::linear::Linear;
use crate::norm::LayerNorm;
use crate::weights::Weights;

/// ε of the encoder's norms; the checkpoints do not store it.
const NORM_EPS: f64 = 1e-5;
/// ε of the adapter's norm; the checkpoints do not store it.
const ADAPTER_NORM_EPS: f64 = 1e-3;
/// Longest period of the positions.
const MAX_TIMESCALE: f32 = 10_000.0;

/// Which rows see which: a row sees its own chunk and some before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhaleChunks {
    /// Rows in a chunk.
    pub size: usize,
    /// Chunks before its own that a row sees; `None` for all.
    pub left: Option<usize>,
}

/// The norm between the adapter's convolution and its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterNorm {
    /// Over the channels of a row.
    Layer,
    /// By stored means and variances.
    Batch,
}

/// The adapter's activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterActivation {
    /// `x Φ(x)`
    Gelu,
    /// `max(x, 0)`
    Relu,
}

/// Shape of the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhaleConfig {
    /// Filters of the features.
    pub n_mels: usize,
    /// Channels of the convolutions, and width of their output.
    pub subsampling_dim: usize,
    /// Width of the transformer.
    pub d_model: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Width of the feed-forward layer.
    pub ffn_dim: usize,
    /// Chunks, or `None` if every row sees every row.
    pub chunks: Option<WhaleChunks>,
    /// Width of the adapter's convolution in rows.
    pub adapter_kernel: usize,
    /// Norm of the adapter.
    pub adapter_norm: AdapterNorm,
    /// Activation of the adapter.
    pub adapter_activation: AdapterActivation,
    /// Width of the decoder.
    pub output_dim: usize,
}

impl WhaleConfig {
    /// Tokens of a clip with `frames` feature frames, 12.5 for each second; 0 for a clip that is too short.
    pub fn tokens(frames: usize) -> usize {
        let halved = |n: usize| n.saturating_sub(1) / 2;
        halved(halved(frames)).div_ceil(2)
    }
}

/// The encoder.
#[derive(Debug)]
pub struct Whale {
    config: WhaleConfig,
    mean: Tensor,
    inverse_deviation: Tensor,
    convolutions: [Conv; 2],
    subsampled: Linear,
    embed: Linear,
    embed_norm: LayerNorm,
    layers: Vec<Layer>,
    after_norm: LayerNorm,
    adapter: Adapter,
}

#[derive(Debug)]
struct Conv {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    linear_q: Linear,
    linear_k: Linear,
    linear_v: Linear,
    linear_out: Linear,
    linear_pos: Linear,
    /// u and v, `[heads, dim]`
    pos_bias: [Tensor; 2],
    norm2: LayerNorm,
    w_1: Linear,
    w_2: Linear,
    n_heads: usize,
}

#[derive(Debug)]
struct Adapter {
    conv: Conv,
    kernel: usize,
    norm: Norm,
    activation: AdapterActivation,
    project: Linear,
}

#[derive(Debug)]
enum Norm {
    Layer(LayerNorm),
    /// As a factor and a summand for each channel.
    Batch {
        factor: Tensor,
        summand: Tensor,
    },
}

impl Whale {
    /// Loads the encoder from `name.encoder.*` and the adapter from `name.adpter.*`, as the checkpoints spell it.
    pub fn load(weights: &Weights, name: &str, config: WhaleConfig) -> crate::Result<Self> {
        let (d, channels) = (config.d_model, config.subsampling_dim);
        let encoder = format!("{name}.encoder");
        let conv = |part: &str, inputs: usize| -> crate::Result<Conv> {
            let name = format!("{encoder}.enc.0.core.conv.{part}");
            Ok(Conv {
                weight: weights.get(&format!("{name}.weight"), (channels, inputs, 3, 3))?,
                bias: weights.get(&format!("{name}.bias"), channels)?,
            })
        };
        let halved = |n: usize| n.saturating_sub(1) / 2;
        let bands = halved(halved(config.n_mels));
        let transformer = format!("{encoder}.enc.1");
        let mut layers = Vec::with_capacity(config.n_layers);
        for i in 0..config.n_layers {
            let name = format!("{transformer}.encoders.{i}");
            let linear =
                |part: &str, from, to, bias| Linear::load(weights, &format!("{name}.{part}"), from, to, bias);
            let norm = |part: &str| LayerNorm::load(weights, &format!("{name}.{part}"), d, NORM_EPS);
            let pos_bias = |part: &str| {
                weights.get(&format!("{name}.self_attn.{part}"), (config.n_heads, d / config.n_heads))
            };
            layers.push(Layer {
                norm1: norm("norm1")?,
                linear_q: linear("self_attn.linear_q", d, d, true)?,
                linear_k: linear("self_attn.linear_k", d, d, true)?,
                linear_v: linear("self_attn.linear_v", d, d, true)?,
                linear_out: linear("self_attn.linear_out", d, d, true)?,
                linear_pos: linear("self_attn.linear_pos", d, d, false)?,
                pos_bias: [pos_bias("pos_bias_u")?, pos_bias("pos_bias_v")?],
                norm2: norm("norm2")?,
                w_1: linear("feed_forward.w_1", d, config.ffn_dim, true)?,
                w_2: linear("feed_forward.w_2", config.ffn_dim, d, true)?,
                n_heads: config.n_heads,
            });
        }
        Ok(Self {
            mean: weights.get(&format!("{encoder}.global_cmvn.mean"), config.n_mels)?,
            inverse_deviation: weights.get(&format!("{encoder}.global_cmvn.istd"), config.n_mels)?,
            convolutions: [conv("0", 1)?, conv("2", channels)?],
            subsampled: Linear::load(
                weights,
                &format!("{encoder}.enc.0.core.out.0"),
                channels * bands,
                channels,
                true,
            )?,
            embed: Linear::load(weights, &format!("{transformer}.embed.0"), channels, d, true)?,
            embed_norm: LayerNorm::load(weights, &format!("{transformer}.embed.1"), d, NORM_EPS)?,
            layers,
            after_norm: LayerNorm::load(weights, &format!("{transformer}.after_norm"), d, NORM_EPS)?,
            adapter: Adapter::load(weights, &format!("{name}.adpter"), &config)?,
            config,
        })
    }

    /// The encoder's shape.
    pub fn config(&self) -> &WhaleConfig {
        &self.config
    }

    /// Encodes one clip.
    ///
    /// # Shapes
    /// `features [frames, n_mels]` → `[WhaleConfig::tokens(frames), output_dim]`
    ///
    /// # Errors
    /// A clip of fewer than seven frames has no tokens.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let (frames, _) = features.dims2()?;
        if WhaleConfig::tokens(frames) == 0 {
            candle_core::bail!("{frames} feature frames, expected at least 7");
        }
        let x = features.broadcast_sub(&self.mean)?.broadcast_mul(&self.inverse_deviation)?;
        let mut x = x.unsqueeze(0)?.unsqueeze(0)?;
        for conv in &self.convolutions {
            let y = x.conv2d(&conv.weight, 0, 2, 1, 1)?;
            x = y.broadcast_add(&conv.bias.reshape((1, (), 1, 1))?)?.relu()?;
        }
        // `[1, channels, rows, bands]` → one row for each time
        let (_, channels, rows, bands) = x.dims4()?;
        let x = x.squeeze(0)?.transpose(0, 1)?.contiguous()?.reshape((rows, channels * bands))?;
        let x = self.embed.forward(&self.subsampled.forward(&x)?)?;
        let d = self.config.d_model;
        let mut x = (self.embed_norm.forward(&x)?.relu()? * (d as f64).sqrt())?;
        let positions = sines(rows, d, x.device())?.to_dtype(x.dtype())?;
        for layer in &self.layers {
            x = layer.forward(&x, &positions, self.config.chunks)?;
        }
        self.adapter.forward(&self.after_norm.forward(&x)?)
    }
}

impl Layer {
    /// # Shapes
    /// `x, positions [rows, d]` → `[rows, d]`
    fn forward(&self, x: &Tensor, positions: &Tensor, chunks: Option<WhaleChunks>) -> Result<Tensor> {
        let (rows, d) = x.dims2()?;
        let (heads, dim) = (self.n_heads, d / self.n_heads);
        let by_head = |y: Tensor| y.reshape((rows, heads, dim));
        let y = self.norm1.forward(x)?;
        let q = by_head(self.linear_q.forward(&y)?)?;
        let [u, v] = [0, 1].map(|i| q.broadcast_add(&self.pos_bias[i]));
        let k = by_head(self.linear_k.forward(&y)?)?;
        let p = by_head(self.linear_pos.forward(positions)?)?;
        let values = by_head(self.linear_v.forward(&y)?)?;
        let q = Tensor::cat(&[u?, v?], 2)?;
        let k = Tensor::cat(&[k, p], 2)?;
        let wide = Tensor::cat(&[&values, &values.zeros_like()?], 2)?;
        let segments = segments(rows, chunks);
        let z = attend_segments_of([&q, &k, &wide], 1.0 / (dim as f64).sqrt(), &segments)?;
        let z = z.reshape((rows, heads, 2 * dim))?.narrow(2, 0, dim)?.contiguous()?.reshape((rows, d))?;
        let x = (x + self.linear_out.forward(&z)?)?;
        let y = self.w_1.forward(&self.norm2.forward(&x)?)?.relu()?;
        x + self.w_2.forward(&y)?
    }
}

/// Rows of queries with the rows that they see.
fn segments(
    rows: usize,
    chunks: Option<WhaleChunks>,
) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let Some(WhaleChunks { size, left }) = chunks else { return vec![(0..rows, 0..rows)] };
    let chunk = |start: usize| {
        let end = rows.min(start + size);
        (start..end, left.map_or(0, |left| start.saturating_sub(left * size))..end)
    };
    (0..rows).step_by(size.max(1)).map(chunk).collect()
}

impl Adapter {
    fn load(weights: &Weights, name: &str, config: &WhaleConfig) -> crate::Result<Self> {
        let (d, wide) = (config.d_model, 2 * config.d_model);
        let norm = match config.adapter_norm {
            AdapterNorm::Layer => {
                Norm::Layer(LayerNorm::load(weights, &format!("{name}.bn2"), wide, ADAPTER_NORM_EPS)?)
            }
            AdapterNorm::Batch => {
                weights.skip(&format!("{name}.bn2.num_batches_tracked"));
                let get = |part: &str| weights.get(&format!("{name}.bn2.{part}"), wide);
                let (mean, variance) = (get("running_mean")?, get("running_var")?);
                let factor = (get("weight")? / (variance + ADAPTER_NORM_EPS)?.sqrt()?)?;
                let summand = (get("bias")? - (mean * &factor)?)?;
                Norm::Batch { factor, summand }
            }
        };
        Ok(Self {
            conv: Conv {
                weight: weights.get(&format!("{name}.conv1d2.weight"), (wide, d, config.adapter_kernel))?,
                bias: weights.get(&format!("{name}.conv1d2.bias"), wide)?,
            },
            kernel: config.adapter_kernel,
            norm,
            activation: config.adapter_activation,
            project: Linear::load(weights, &format!("{name}.project"), wide, config.output_dim, true)?,
        })
    }

    /// # Shapes
    /// `[rows, d]` → `[ceil(rows / 2), output_dim]`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.t()?.pad_with_zeros(1, 0, self.kernel - 1)?.unsqueeze(0)?.contiguous()?;
        let y = x.conv1d(&self.conv.weight, 0, 2, 1, 1)?.squeeze(0)?.t()?.contiguous()?;
        let y = y.broadcast_add(&self.conv.bias)?;
        let y = match &self.norm {
            Norm::Layer(norm) => norm.forward(&y)?,
            Norm::Batch { factor, summand } => y.broadcast_mul(factor)?.broadcast_add(summand)?,
        };
        let y = match self.activation {
            AdapterActivation::Gelu => crate::cpu::gelu(&y)?,
            AdapterActivation::Relu => y.relu()?,
        };
        self.project.forward(&y)
    }
}

/// Sines on even channels, cosines on odd ones.
fn sines(rows: usize, channels: usize, device: &Device) -> Result<Tensor> {
    let step = -MAX_TIMESCALE.ln() / channels as f32;
    let value = |row: usize, channel: usize| {
        let angle = row as f32 * ((channel / 2 * 2) as f32 * step).exp();
        if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }
    };
    let values: Vec<f32> = (0..rows).flat_map(|r| (0..channels).map(move |c| value(r, c))).collect();
    Tensor::from_vec(values, (rows, channels), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published rule: the length of `ones[2::2][2::2][0::2]`.
    #[test]
    fn token_counts_follow_the_published_rule() {
        let strided = |n: usize, from: usize| n.saturating_sub(from).div_ceil(2);
        for frames in 0..2000 {
            let published = strided(strided(strided(frames, 2), 2), 0);
            assert_eq!(WhaleConfig::tokens(frames), published, "{frames} frames");
        }
        assert_eq!(WhaleConfig::tokens(498), 62);
    }

    #[test]
    fn chunks_see_themselves_and_some_before() {
        let chunks = |left| Some(WhaleChunks { size: 3, left });
        assert_eq!(segments(7, None), [(0..7, 0..7)]);
        assert_eq!(segments(7, chunks(None)), [(0..3, 0..3), (3..6, 0..6), (6..7, 0..7)]);
        assert_eq!(segments(7, chunks(Some(1))), [(0..3, 0..3), (3..6, 0..6), (6..7, 3..7)]);
        assert_eq!(segments(7, chunks(Some(0))), [(0..3, 0..3), (3..6, 3..6), (6..7, 6..7)]);
    }
}
