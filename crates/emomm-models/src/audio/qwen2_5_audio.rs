//! The audio encoder of Qwen2.5-Omni: a Whisper-like transformer that sees two seconds at a time.
//!
//! The mel spectrogram is cut into chunks of `2 · n_window` frames; convolutions, positions and attention restart in
//! every chunk. Full chunks form one batch, the shorter last chunk a batch of its own: the reference pads and masks
//! it, which gives the same values.

use candle_core::{Device, Result, Tensor};

use crate::cpu;
use crate::decoder::attend_equal_segments;
use crate::linear::Linear;
use crate::norm::LayerNorm;
use crate::weights::Weights;

/// ε of the tower's norms; the checkpoints do not store it.
const NORM_EPS: f64 = 1e-5;
/// Longest period of the sinusoid positions.
const MAX_TIMESCALE: f32 = 10_000.0;

/// Shape of the tower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioConfig {
    /// Mel bands.
    pub num_mel_bins: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Width of the feed-forward layer.
    pub ffn_dim: usize,
    /// Width.
    pub d_model: usize,
    /// Half a chunk, in mel frames.
    pub n_window: usize,
    /// Width of the decoder.
    pub output_dim: usize,
}

impl AudioConfig {
    /// Tokens of a spectrogram of `frames` mel frames: 25 for each second.
    pub fn tokens(frames: usize) -> usize {
        let after_conv = frames.div_ceil(2);
        after_conv / 2
    }
}

/// The tower.
#[derive(Debug)]
pub struct Qwen2_5Audio {
    config: AudioConfig,
    conv1: Conv,
    conv2: Conv,
    layers: Vec<Layer>,
    ln_post: LayerNorm,
    proj: Linear,
}

#[derive(Debug)]
struct Conv {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
}

#[derive(Debug)]
struct Layer {
    self_attn_layer_norm: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    final_layer_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    n_heads: usize,
}

impl Qwen2_5Audio {
    /// Loads the tower from `audio_tower.*`.
    pub fn load(weights: &Weights, config: AudioConfig) -> crate::Result<Self> {
        let d = config.d_model;
        let conv = |name: &str, inputs: usize, stride: usize| -> crate::Result<Conv> {
            Ok(Conv {
                weight: weights.get(&format!("audio_tower.{name}.weight"), (d, inputs, 3))?,
                bias: weights.get(&format!("audio_tower.{name}.bias"), d)?,
                stride,
            })
        };
        let mut layers = Vec::with_capacity(config.n_layers);
        for i in 0..config.n_layers {
            let name = format!("audio_tower.layers.{i}");
            let linear =
                |part: &str, from, to, bias| Linear::load(weights, &format!("{name}.{part}"), from, to, bias);
            let norm = |part: &str| LayerNorm::load(weights, &format!("{name}.{part}"), d, NORM_EPS);
            layers.push(Layer {
                self_attn_layer_norm: norm("self_attn_layer_norm")?,
                q_proj: linear("self_attn.q_proj", d, d, true)?,
                k_proj: linear("self_attn.k_proj", d, d, false)?,
                v_proj: linear("self_attn.v_proj", d, d, true)?,
                out_proj: linear("self_attn.out_proj", d, d, true)?,
                final_layer_norm: norm("final_layer_norm")?,
                fc1: linear("fc1", d, config.ffn_dim, true)?,
                fc2: linear("fc2", config.ffn_dim, d, true)?,
                n_heads: config.n_heads,
            });
        }
        // Stored by the released checkpoints, used by none of the reference's forward passes.
        weights.skip("audio_tower.audio_bos_eos_token.weight");
        Ok(Self {
            conv1: conv("conv1", config.num_mel_bins, 1)?,
            conv2: conv("conv2", d, 2)?,
            layers,
            ln_post: LayerNorm::load(weights, "audio_tower.ln_post", d, NORM_EPS)?,
            proj: Linear::load(weights, "audio_tower.proj", d, config.output_dim, true)?,
            config,
        })
    }

    /// The tower's shape.
    pub fn config(&self) -> &AudioConfig {
        &self.config
    }

    /// Encodes one clip.
    ///
    /// # Shapes
    /// `mel [num_mel_bins, frames]` → `[AudioConfig::tokens(frames), output_dim]`
    pub fn forward(&self, mel: &Tensor) -> Result<Tensor> {
        let (bins, frames) = mel.dims2()?;
        let chunk = 2 * self.config.n_window;
        let (full, rest) = (frames / chunk, frames % chunk);
        let mut parts = Vec::with_capacity(2);
        if full > 0 {
            let chunks = mel.narrow(1, 0, full * chunk)?.reshape((bins, full, chunk))?;
            parts.push(self.encode_chunks(&chunks.transpose(0, 1)?.contiguous()?)?);
        }
        if rest > 0 {
            let last = mel.narrow(1, full * chunk, rest)?.unsqueeze(0)?.contiguous()?;
            parts.push(self.encode_chunks(&last)?);
        }
        let x = Tensor::cat(&parts, 0)?;
        // Pairs are averaged over the whole clip; an odd last row is dropped.
        let pairs = AudioConfig::tokens(frames);
        let paired = x.narrow(0, 0, 2 * pairs)?.reshape((pairs, 2, self.config.d_model))?;
        let pooled = ((paired.narrow(1, 0, 1)? + paired.narrow(1, 1, 1)?)? * 0.5)?.squeeze(1)?;
        self.proj.forward(&self.ln_post.forward(&pooled)?)
    }

    /// # Shapes
    /// `[chunks, num_mel_bins, frames]` → `[chunks · ceil(frames / 2), d_model]`
    fn encode_chunks(&self, mel: &Tensor) -> Result<Tensor> {
        let x = cpu::gelu(&self.conv1.forward(mel)?)?;
        let x = cpu::gelu(&self.conv2.forward(&x)?)?.transpose(1, 2)?.contiguous()?;
        let (chunks, tokens, d) = x.dims3()?;
        let positions = sinusoids(tokens, d, x.device())?.to_dtype(x.dtype())?;
        let mut x = x.broadcast_add(&positions)?.reshape((chunks * tokens, d))?;
        for layer in &self.layers {
            x = layer.forward(&x, chunks)?;
        }
        Ok(x)
    }
}

impl Conv {
    /// Kernel 3, padding 1.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.conv1d(&self.weight, 1, self.stride, 1, 1)?;
        y.broadcast_add(&self.bias.reshape((1, (), 1))?)
    }
}

impl Layer {
    /// # Shapes
    /// `[chunks · tokens, d]` → the same
    fn forward(&self, x: &Tensor, chunks: usize) -> Result<Tensor> {
        let (rows, d) = x.dims2()?;
        let (heads, dim) = (self.n_heads, d / self.n_heads);
        let y = self.self_attn_layer_norm.forward(x)?;
        let [q, k, v] = [self.q_proj.forward(&y)?, self.k_proj.forward(&y)?, self.v_proj.forward(&y)?];
        let (scale, tokens) = (1.0 / (dim as f64).sqrt(), rows / chunks);
        let by_head = |y: &Tensor| y.reshape((rows, heads, dim));
        let z = attend_equal_segments([&by_head(&q)?, &by_head(&k)?, &by_head(&v)?], scale, tokens)?;
        let x = (x + self.out_proj.forward(&z)?)?;
        let y = cpu::gelu(&self.fc1.forward(&self.final_layer_norm.forward(&x)?)?)?;
        x + self.fc2.forward(&y)?
    }
}

/// Sines in the first half of the channels, cosines in the second.
fn sinusoids(length: usize, channels: usize, device: &Device) -> Result<Tensor> {
    let half = channels / 2;
    let step = f64::from(MAX_TIMESCALE).ln() / (half.max(2) - 1) as f64;
    let timescales: Vec<f32> = (0..half).map(|i| (-(step as f32) * i as f32).exp()).collect();
    let angles: Vec<f32> = (0..length).flat_map(|t| timescales.iter().map(move |s| t as f32 * s)).collect();
    let angles = Tensor::from_vec(angles, (length, half), device)?;
    Tensor::cat(&[angles.sin()?, angles.cos()?], 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published rule: ((L − 1) // 2 + 1 − 2) // 2 + 1.
    #[test]
    fn token_counts_follow_the_published_rule() {
        let published = |frames: i64| ((frames - 1).div_euclid(2) + 1 - 2).div_euclid(2) + 1;
        for frames in 1..2000_i64 {
            assert_eq!(AudioConfig::tokens(frames as usize) as i64, published(frames), "{frames} frames");
        }
        assert_eq!(AudioConfig::tokens(500), 125);
    }
}
