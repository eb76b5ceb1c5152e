//! The one steerable decoder: `prefill` reads a prefix once, `decide` asks for the next token's logits as often and
//! in as many variants as wanted.
//!
//! Only the decision row is read and steered. Keys and values of a token depend on earlier tokens alone, so steering
//! the last row changes no other row: one prefill serves the plain answer, every ablation and every sweep point. The
//! decoder knows nothing of modalities, emotions or steering methods; it offers one hook between scores and softmax.

mod attention;
mod config;
mod gradient;
mod hook;
mod layer;
mod prefill;
mod rope;

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

pub(crate) use attention::{attend_batched, attend_equal_segments, attend_segments_of};
pub use config::DecoderConfig;
pub use gradient::{GradientPlace, InputGradient, Keep, TargetLogit};
pub use hook::{DecisionHook, DecisionLayer, HookError};
use layer::Layer;
pub use prefill::Prefill;
use prefill::{LayerCache, LayerInputs};
pub use rope::Positions;
use rope::Rope;

use crate::embedding::Embedding;
use crate::error::Result;
use crate::linear::Linear;
use crate::norm::RmsNorm;
use crate::weights::Weights;

/// A decoder with its embeddings and output matrix.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    embed_tokens: Embedding,
    dtype: DType,
    device: Device,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    rope: Rope,
    n_groups: usize,
}

/// Result of one decode step.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Logits of the next token: `[variant, vocab]`, f32.
    pub logits: Tensor,
    /// Output of the last layer before the final norm: `[variant, hidden]`, model type.
    pub resid_final: Tensor,
    /// Keys and values of the rows after the prefix.
    tail: Tail,
}

/// Each variant's own rows after the shared prefix; the prefix itself is not copied.
#[derive(Debug, Clone)]
struct Tail(Vec<LayerCache>);

impl Decoder {
    /// Loads `model.*` and `lm_head`. `n_groups` is the number of token groups whose layer inputs are pooled.
    pub fn load(weights: &Weights, config: DecoderConfig, n_groups: usize) -> Result<Self> {
        let (vocab, hidden) = (config.vocab_size, config.hidden_size);
        let layers = (0..config.n_layers)
            .map(|i| Layer::load(weights, &format!("model.layers.{i}"), &config))
            .collect::<Result<_>>()?;
        let norm = RmsNorm::load(weights, "model.norm", hidden, config.rms_norm_eps)?;
        let matrix = "model.embed_tokens";
        let (embed_tokens, lm_head) = if config.tied_embeddings && !weights.contains("lm_head.weight") {
            let lm_head = Linear::load(weights, matrix, hidden, vocab, false)?;
            (Embedding::Matrix(lm_head.clone()), lm_head)
        } else {
            let name = format!("{matrix}.weight");
            let table = if weights.is_in_blocks(&name, vocab, hidden) {
                Embedding::Matrix(Linear::load(weights, matrix, hidden, vocab, false)?)
            } else {
                Embedding::Table(weights.table(&name, vocab, hidden)?)
            };
            (table, Linear::load(weights, "lm_head", hidden, vocab, false)?)
        };
        let rope = Rope::new(&config);
        let (dtype, device) = (weights.dtype(), weights.device().clone());
        Ok(Self { config, embed_tokens, dtype, device, layers, norm, lm_head, rope, n_groups })
    }

    /// The decoder's shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Type of the residual stream.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Device of the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Rows of the embedding matrix.
    ///
    /// # Shapes
    /// → `[ids, hidden]`
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(self.embed_tokens.rows(ids, self.dtype)?)
    }

    /// The root of the tree: nothing read yet.
    pub fn root(&self) -> Prefill {
        Prefill::empty(self.n_groups)
    }

    /// As [`Decoder::root`]; what is read from here on also keeps the input of every layer, `layers · tokens · hidden` numbers, so that
    /// [`Decoder::input_gradient_after`] need not read the prompt again.
    pub fn root_keeping_inputs(&self) -> Prefill {
        Prefill { inputs: Some(LayerInputs::default()), ..self.root() }
    }

    /// Reads more tokens after `parent`, which stays as it is.
    ///
    /// `groups[g]` names the rows of `embeddings` that belong to group `g`.
    ///
    /// # Shapes
    /// `embeddings [tokens, hidden]`, one position triple for each token
    pub fn prefill(
        &self,
        parent: &Prefill,
        embeddings: &Tensor,
        positions: &[[u32; 3]],
        groups: &[Vec<Range<usize>>],
    ) -> Result<Prefill> {
        Ok(self.read(parent, embeddings, positions, groups, false)?.0)
    }

    /// Logits of the token after row `at` by one plain forward pass over all rows, without decision row, hook or tree:
    /// the form that every textbook implementation has, kept as the yardstick of [`Decoder::decide`].
    ///
    /// # Shapes
    /// → `[vocab]`, f32
    pub fn full_forward(&self, embeddings: &Tensor, positions: &[[u32; 3]], at: usize) -> Result<Tensor> {
        let no_groups = vec![Vec::new(); self.n_groups];
        let (_, resid) = self.read(&self.root(), embeddings, positions, &no_groups, true)?;
        Ok(self.unembed(&resid.narrow(0, at, 1)?)?.squeeze(0)?)
    }

    /// Reads tokens; the tensor is the output of the last layer if `output` asks for it, its input otherwise.
    fn read(
        &self,
        parent: &Prefill,
        embeddings: &Tensor,
        positions: &[[u32; 3]],
        groups: &[Vec<Range<usize>>],
        output: bool,
    ) -> Result<(Prefill, Tensor)> {
        let rope = self.rope.tables(positions, self.dtype(), self.device())?;
        let mut resid = embeddings.to_dtype(self.dtype())?.contiguous()?;
        let mut caches = Vec::with_capacity(self.layers.len());
        let mut pooled = parent.pooled.clone();
        let mut inputs = parent.inputs.clone();
        if let Some(inputs) = &mut inputs {
            inputs.positions.extend_from_slice(positions);
            inputs.resid_pre.resize(self.layers.len(), Vec::new());
        }
        for (i, layer) in self.layers.iter().enumerate() {
            pooled.add(&parent.pooled, i, &resid, groups)?;
            if let Some(inputs) = &mut inputs {
                inputs.resid_pre[i].push(resid.clone());
            }
            let past = parent.layers.as_ref().map(|layers| &layers[i]);
            if i + 1 == self.layers.len() && !output {
                caches.push(layer.cache(&resid, past, &rope)?);
                break;
            }
            let (next, cache) = layer.prefill(&resid, past, &rope)?;
            resid = next;
            caches.push(cache);
        }
        let shift = |s: &Range<usize>| s.start + parent.len..s.end + parent.len;
        let mut all_groups = parent.groups.clone();
        for (known, new) in all_groups.iter_mut().zip(groups) {
            known.extend(new.iter().map(shift));
        }
        let len = parent.len + embeddings.dim(0)?;
        Ok((Prefill { layers: Some(caches), pooled, groups: all_groups, len, inputs }, resid))
    }

    /// One decode step after `prefill` for a batch of variants of the decision row.
    ///
    /// Without a hook the result is bit for bit that of a hook that returns no bias.
    ///
    /// # Shapes
    /// `rows [variant, hidden]`
    pub fn decide(
        &self,
        prefill: &Prefill,
        rows: &Tensor,
        position: [u32; 3],
        hook: Option<&mut dyn DecisionHook>,
    ) -> Result<Decision> {
        self.step(prefill, None, rows, position, hook)
    }

    /// A further step after `before`, for example the token after the answer letter. The prefix is shared, each
    /// variant's own rows are carried along.
    pub fn resume(
        &self,
        prefill: &Prefill,
        before: &Decision,
        rows: &Tensor,
        position: [u32; 3],
        hook: Option<&mut dyn DecisionHook>,
    ) -> Result<Decision> {
        self.step(prefill, Some(&before.tail), rows, position, hook)
    }

    fn step(
        &self,
        prefill: &Prefill,
        tail: Option<&Tail>,
        rows: &Tensor,
        position: [u32; 3],
        mut hook: Option<&mut dyn DecisionHook>,
    ) -> Result<Decision> {
        let positions = vec![position; rows.dim(0)?];
        let rope = self.rope.tables(&positions, self.dtype(), self.device())?;
        let mut resid = rows.to_dtype(self.dtype())?;
        let mut caches = Vec::with_capacity(self.layers.len());
        let n_layers = self.layers.len();
        for (i, layer) in self.layers.iter().enumerate() {
            let tail = tail.map(|t| &t.0[i]);
            let hook = hook.as_mut().map(|h| &mut **h as &mut dyn DecisionHook);
            let (next, cache) = layer.decide((i, n_layers), &resid, prefill, tail, &rope, hook)?;
            resid = next;
            caches.push(cache);
        }
        Ok(Decision { logits: self.unembed(&resid)?, resid_final: resid, tail: Tail(caches) })
    }

    /// Logits of residuals, whichever layer they come from: the last norm and the head, so the logit lens.
    ///
    /// # Shapes
    /// `resid [row, hidden]` to `[row, vocabulary]`, f32
    pub fn unembed(&self, resid: &Tensor) -> Result<Tensor> {
        Ok(self.lm_head.forward(&self.norm.forward(resid)?)?.to_dtype(DType::F32)?)
    }
}
