//! InternViT: a plain vision transformer on one square picture, with a class token, learned positions and a learned scale on
//! each branch.
//!
//! Weights have the names of the published InternViT checkpoints. The state after the last block is taken, without a final
//! norm and without the class token.

use candle_core::{Result, Tensor};

use crate::cpu;
use crate::decoder::attend_equal_segments;
use crate::linear::Linear;
use crate::norm::LayerNorm;
use crate::weights::Weights;

/// Shape of the tower.
#[derive(Debug, Clone, PartialEq)]
pub struct InternVitConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Colour channels of a picture.
    pub in_channels: usize,
    /// Side of a picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// ε of the norms.
    pub layer_norm_eps: f64,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
}

impl InternVitConfig {
    /// Numbers in one patch: channels × side².
    pub fn patch_dim(&self) -> usize {
        self.in_channels * self.patch_size * self.patch_size
    }

    /// Patches on a side.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Patches of a picture.
    pub fn patches(&self) -> usize {
        self.side() * self.side()
    }
}

/// The tower.
#[derive(Debug)]
pub struct InternVit {
    config: InternVitConfig,
    patch_embedding: Linear,
    class_embedding: Tensor,
    position_embedding: Tensor,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    ls1: Tensor,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    ls2: Tensor,
    n_heads: usize,
}

impl InternVit {
    /// Loads the tower from `name.embeddings.*` and `name.encoder.*`.
    pub fn load(weights: &Weights, name: &str, config: InternVitConfig) -> crate::Result<Self> {
        let (d, inner, side) = (config.hidden_size, config.intermediate_size, config.patch_size);
        let part = |part: &str| format!("{name}.embeddings.{part}");
        let kernel = weights.get_reshaped(
            &part("patch_embedding.weight"),
            (d, config.in_channels, side, side),
            (d, config.patch_dim()),
        )?;
        let patch_embedding = Linear::new(kernel, Some(weights.get(&part("patch_embedding.bias"), d)?))?;
        let class_embedding = weights.get(&part("class_embedding"), (1, 1, d))?;
        let position_embedding = weights.get(&part("position_embedding"), (1, config.patches() + 1, d))?;
        let mut blocks = Vec::with_capacity(config.depth);
        for i in 0..config.depth {
            let name = format!("{name}.encoder.layers.{i}");
            let linear =
                |part: &str, from, to, bias| Linear::load(weights, &format!("{name}.{part}"), from, to, bias);
            let norm =
                |part: &str| LayerNorm::load(weights, &format!("{name}.{part}"), d, config.layer_norm_eps);
            blocks.push(Block {
                norm1: norm("norm1")?,
                qkv: linear("attn.qkv", d, 3 * d, config.qkv_bias)?,
                proj: linear("attn.proj", d, d, true)?,
                ls1: weights.get(&format!("{name}.ls1"), d)?,
                norm2: norm("norm2")?,
                fc1: linear("mlp.fc1", d, inner, true)?,
                fc2: linear("mlp.fc2", inner, d, true)?,
                ls2: weights.get(&format!("{name}.ls2"), d)?,
                n_heads: config.n_heads,
            });
        }
        Ok(Self { config, patch_embedding, class_embedding, position_embedding, blocks })
    }

    /// The tower's shape.
    pub fn config(&self) -> &InternVitConfig {
        &self.config
    }

    /// Encodes pictures, each for itself.
    ///
    /// # Shapes
    /// `patches [pictures · patches, patch_dim]`, the patches of a picture in raster order, each `[channel, row, column]` →
    /// `[pictures, patches, hidden]`
    pub fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let (d, count) = (self.config.hidden_size, self.config.patches());
        let pictures = patches.dim(0)? / count;
        let x = self.patch_embedding.forward(patches)?.reshape((pictures, count, d))?;
        let class = self.class_embedding.broadcast_as((pictures, 1, d))?;
        let x = Tensor::cat(&[&class, &x], 1)?.broadcast_add(&self.position_embedding)?;
        let mut x = x.reshape((pictures * (count + 1), d))?;
        for block in &self.blocks {
            x = block.forward(&x, count + 1)?;
        }
        x.reshape((pictures, count + 1, d))?.narrow(1, 1, count)?.contiguous()
    }
}

impl Block {
    /// # Shapes
    /// `[pictures · tokens, d]` → the same
    fn forward(&self, x: &Tensor, tokens: usize) -> Result<Tensor> {
        let (rows, d) = x.dims2()?;
        let (heads, dim) = (self.n_heads, d / self.n_heads);
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?.reshape((rows, 3, heads, dim))?;
        let part = |i: usize| qkv.narrow(1, i, 1)?.squeeze(1)?.contiguous();
        let z = attend_equal_segments([&part(0)?, &part(1)?, &part(2)?], 1.0 / (dim as f64).sqrt(), tokens)?;
        let x = (x + self.proj.forward(&z)?.broadcast_mul(&self.ls1)?)?;
        let y = cpu::gelu(&self.fc1.forward(&self.norm2.forward(&x)?)?)?;
        x + self.fc2.forward(&y)?.broadcast_mul(&self.ls2)?
    }
}
