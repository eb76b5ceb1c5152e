//! The vision transformer of Qwen2.5: windowed attention in most blocks, full attention per frame in a few, 2-D
//! rotary positions, four neighbouring patches merged into one token.

use candle_core::{DType, Device, Result, Tensor};

use super::windows::{WindowOrder, window_order};
use crate::cpu;
use crate::decoder::{attend_batched, attend_segments_of};
use crate::linear::Linear;
use crate::norm::RmsNorm;
use crate::weights::Weights;

/// Base of the tower's rotary frequencies; the checkpoints do not store it.
const ROPE_THETA: f32 = 10_000.0;
/// ε of the tower's norms; the checkpoints do not store it.
const NORM_EPS: f64 = 1e-6;

/// Temporal, vertical and horizontal number of patches, before merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Temporal patches.
    pub t: usize,
    /// Rows of patches.
    pub h: usize,
    /// Columns of patches.
    pub w: usize,
}

impl Grid {
    /// Number of patches.
    pub fn patches(self) -> usize {
        self.t * self.h * self.w
    }
}

/// Shape of the tower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Colour channels of a frame.
    pub in_channels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
    /// Side of a merge group in patches.
    pub spatial_merge_size: usize,
    /// Side of a window in pixels.
    pub window_size: usize,
    /// Width of the decoder.
    pub out_hidden_size: usize,
    /// Blocks with full attention per frame.
    pub full_attention_blocks: Vec<usize>,
}

impl VitConfig {
    /// Numbers in one patch: channels × frames × side².
    pub fn patch_dim(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size * self.patch_size
    }

    /// Patches in one merge group.
    pub fn merge_unit(&self) -> usize {
        self.spatial_merge_size * self.spatial_merge_size
    }

    fn head_dim(&self) -> usize {
        self.hidden_size / self.n_heads
    }
}

/// The tower.
#[derive(Debug)]
pub struct Qwen2_5Vit {
    config: VitConfig,
    patch_embed: Linear,
    blocks: Vec<Block>,
    merger: Merger,
}

#[derive(Debug)]
struct Block {
    norm1: RmsNorm,
    norm2: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    full_attention: bool,
}

#[derive(Debug)]
struct Merger {
    ln_q: RmsNorm,
    fc1: Linear,
    fc2: Linear,
}

/// What every block of one clip shares.
struct Geometry {
    windows: WindowOrder,
    /// Patch order: from window order to frame order and back.
    to_frames: Tensor,
    to_windows: Tensor,
    rope: (Tensor, Tensor),
    frames: usize,
    merge_unit: usize,
}

impl Qwen2_5Vit {
    /// Loads the tower from `visual.*`.
    pub fn load(weights: &Weights, config: VitConfig) -> crate::Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let side = config.patch_size;
        let kernel = weights.get_reshaped(
            "visual.patch_embed.proj.weight",
            (width, config.in_channels, config.temporal_patch_size, side, side),
            (width, config.patch_dim()),
        )?;
        let patch_embed = Linear::new(kernel, None)?;
        let mut blocks = Vec::with_capacity(config.depth);
        for i in 0..config.depth {
            let name = format!("visual.blocks.{i}");
            let linear =
                |part: &str, from, to| Linear::load(weights, &format!("{name}.{part}"), from, to, true);
            blocks.push(Block {
                norm1: RmsNorm::load(weights, &format!("{name}.norm1"), width, NORM_EPS)?,
                norm2: RmsNorm::load(weights, &format!("{name}.norm2"), width, NORM_EPS)?,
                q: linear("attn.q", width, width)?,
                k: linear("attn.k", width, width)?,
                v: linear("attn.v", width, width)?,
                proj: linear("attn.proj", width, width)?,
                gate_proj: linear("mlp.gate_proj", width, inner)?,
                up_proj: linear("mlp.up_proj", width, inner)?,
                down_proj: linear("mlp.down_proj", inner, width)?,
                full_attention: config.full_attention_blocks.contains(&i),
            });
        }
        let merged = width * config.merge_unit();
        let merger = Merger {
            ln_q: RmsNorm::load(weights, "visual.merger.ln_q", width, NORM_EPS)?,
            fc1: Linear::load(weights, "visual.merger.mlp.0", merged, merged, true)?,
            fc2: Linear::load(weights, "visual.merger.mlp.2", merged, config.out_hidden_size, true)?,
        };
        Ok(Self { config, patch_embed, blocks, merger })
    }

    /// The tower's shape.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Encodes the patches of one clip.
    ///
    /// # Shapes
    /// `patches [grid.patches(), patch_dim]`, merge groups in raster order, the patches of a group side by side →
    /// `[grid.patches() / merge_unit, out_hidden_size]`
    pub fn forward(&self, patches: &Tensor, grid: Grid) -> Result<Tensor> {
        let geometry = self.geometry(grid, patches.device())?;
        let x = self.patch_embed.forward(patches)?;
        let mut x = x.index_select(&geometry.to_windows, 0)?;
        for block in &self.blocks {
            x = block.forward(&x, &self.config, &geometry)?;
        }
        let merged = self.merger.forward(&x, self.config.merge_unit())?;
        let inverse = &geometry.windows.inverse;
        merged.index_select(&Tensor::from_slice(inverse, inverse.len(), merged.device())?, 0)
    }

    fn geometry(&self, grid: Grid, device: &Device) -> Result<Geometry> {
        let merge = self.config.spatial_merge_size;
        let unit = self.config.merge_unit();
        let side = (self.config.window_size / merge / self.config.patch_size).max(1);
        let windows = window_order(grid, merge, side);
        let patch_order = |order: &[u32]| {
            let unit = unit as u32;
            let patches: Vec<u32> = order.iter().flat_map(|g| g * unit..(g + 1) * unit).collect();
            Tensor::from_slice(&patches, patches.len(), device)
        };
        let (to_windows, to_frames) = (patch_order(&windows.order)?, patch_order(&windows.inverse)?);
        let rope = self.rope(grid, &windows.order, device)?;
        Ok(Geometry { windows, to_frames, to_windows, rope, frames: grid.t, merge_unit: unit })
    }

    /// Cosines and sines in f32 for every patch in window order: a quarter of the head turns with the row, a quarter
    /// with the column, and both again in the other half.
    fn rope(&self, grid: Grid, order: &[u32], device: &Device) -> Result<(Tensor, Tensor)> {
        let merge = self.config.spatial_merge_size;
        let (rows, columns) = (grid.h / merge, grid.w / merge);
        let spatial = self.config.head_dim() / 2;
        let inv_freq: Vec<f32> =
            (0..spatial / 2).map(|i| 1.0 / ROPE_THETA.powf((2 * i) as f32 / spatial as f32)).collect();
        let mut angles = Vec::with_capacity(grid.patches() * spatial);
        for group in order {
            let in_frame = *group as usize % (rows * columns);
            let (row, column) = (in_frame / columns * merge, in_frame % columns * merge);
            for (dy, dx) in (0..merge).flat_map(|dy| (0..merge).map(move |dx| (dy, dx))) {
                angles.extend(inv_freq.iter().map(|f| (row + dy) as f32 * f));
                angles.extend(inv_freq.iter().map(|f| (column + dx) as f32 * f));
            }
        }
        let angles = Tensor::from_vec(angles, (grid.patches(), 2 * inv_freq.len()), device)?;
        Ok((angles.cos()?, angles.sin()?))
    }
}

impl Block {
    fn forward(&self, x: &Tensor, config: &VitConfig, geometry: &Geometry) -> Result<Tensor> {
        let x = (x + self.attention(&self.norm1.forward(x)?, config, geometry)?)?;
        let y = self.norm2.forward(&x)?;
        let gated = cpu::gated(&self.gate_proj.forward(&y)?, &self.up_proj.forward(&y)?)?;
        x + self.down_proj.forward(&gated)?
    }

    fn attention(&self, x: &Tensor, config: &VitConfig, geometry: &Geometry) -> Result<Tensor> {
        let (heads, dim) = (config.n_heads, config.head_dim());
        let scale = 1.0 / (dim as f64).sqrt();
        let patches = x.dim(0)?;
        let turn = |y: Tensor| {
            let y = y.reshape((1, patches, heads, dim))?.transpose(1, 2)?.contiguous()?;
            let turned =
                candle_nn::rotary_emb::rope(&y.to_dtype(DType::F32)?, &geometry.rope.0, &geometry.rope.1)?;
            turned.to_dtype(y.dtype())?.squeeze(0)?.transpose(0, 1)?.contiguous()
        };
        // All `[patches, heads, dim]`, in window order.
        let q = turn(self.q.forward(x)?)?;
        let k = turn(self.k.forward(x)?)?;
        let v = self.v.forward(x)?.reshape((patches, heads, dim))?;
        let z = if self.full_attention {
            full_attention([&q, &k, &v], scale, geometry)?
        } else {
            window_attention([&q, &k, &v], scale, geometry)?
        };
        self.proj.forward(&z)
    }
}

/// `[patches, heads, dim]` three times → `[patches, heads · dim]`
fn window_attention(qkv: [&Tensor; 3], scale: f64, geometry: &Geometry) -> Result<Tensor> {
    let (_, heads, dim) = qkv[0].dims3()?;
    let mut start = 0;
    if cpu::takes(qkv[0]) {
        let windows = geometry.windows.batches.iter().flat_map(|batch| {
            let tokens = batch.groups * geometry.merge_unit;
            std::iter::repeat_n(tokens, batch.windows)
        });
        let rows = windows.map(|tokens| {
            start += tokens;
            (start - tokens..start, start - tokens..start)
        });
        return cpu::attend_segments(qkv, scale, &rows.collect::<Vec<_>>());
    }
    let mut parts = Vec::with_capacity(geometry.windows.batches.len());
    for batch in &geometry.windows.batches {
        let tokens = batch.groups * geometry.merge_unit;
        let count = batch.windows * tokens;
        let part = |x: &Tensor| {
            x.narrow(0, start, count)?.reshape((batch.windows, tokens, heads, dim))?.transpose(1, 2)
        };
        let z = attend_batched(&part(qkv[0])?, &part(qkv[1])?, &part(qkv[2])?, scale)?;
        parts.push(z.reshape((count, heads * dim))?);
        start += count;
    }
    Tensor::cat(&parts, 0)
}

/// Each frame attends to itself; blocked over queries, since a frame may hold thousands of patches.
fn full_attention(qkv: [&Tensor; 3], scale: f64, geometry: &Geometry) -> Result<Tensor> {
    let in_frames = |x: &Tensor| x.index_select(&geometry.to_frames, 0);
    let [q, k, v] = [in_frames(qkv[0])?, in_frames(qkv[1])?, in_frames(qkv[2])?];
    let per_frame = q.dim(0)? / geometry.frames;
    let frames: Vec<_> = (0..geometry.frames)
        .map(|frame| frame * per_frame..(frame + 1) * per_frame)
        .map(|rows| (rows.clone(), rows))
        .collect();
    attend_segments_of([&q, &k, &v], scale, &frames)?.index_select(&geometry.to_windows, 0)
}

impl Merger {
    /// `[patches, width]` → `[patches / unit, out]`
    fn forward(&self, x: &Tensor, unit: usize) -> Result<Tensor> {
        let (patches, width) = x.dims2()?;
        let groups = self.ln_q.forward(x)?.reshape((patches / unit, unit * width))?;
        self.fc2.forward(&cpu::gelu(&self.fc1.forward(&groups)?)?)
    }
}
