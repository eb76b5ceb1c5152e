//! Gradient of one logit of the decision row with respect to input embeddings, Eq. (24): backwards through the layers by
//! hand, without a tape and without gradients of weights.
//!
//! Two facts make it cheaper than a general backward pass. In the last layer only the decision row has a gradient, so
//! there is one query. And no row before the first one asked for is needed: what comes later never acts on it.

use std::num::NonZeroUsize;
use std::ops::Range;

use candle_core::{DType, Tensor};

use super::Decoder;
use super::layer::BackwardRows;
use super::prefill::LayerCache;
use crate::error::{ModelError, Result};

/// What is kept of the forward pass. The gradient is the same; memory is paid for with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The input, keys and values of every layer: `layers · tokens · (hidden + 2 · kv_heads · head_dim)` numbers.
    LayerInputs,
    /// The input of every k-th layer. The layers between are read once more, k at a time; with k = √layers the memory
    /// is least.
    EveryNthInput(NonZeroUsize),
}

/// Which logit the gradient is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetLogit<'a> {
    /// The logit of this token.
    Token(u32),
    /// The greatest logit among these tokens, Eq. (22) and (23); ties go to the earlier one.
    Greatest(&'a [u32]),
}

/// A gradient with respect to input embeddings.
#[derive(Debug, Clone)]
pub struct InputGradient {
    /// The token whose logit it is.
    pub token: u32,
    /// All logits of the decision row: `[vocab]`, f32.
    pub logits: Tensor,
    /// ∂y/∂h_k for the rows asked for: `[rows, hidden]`, f32.
    pub gradient: Tensor,
}

/// A layer as the forward pass leaves it.
struct Kept {
    resid_pre: Tensor,
    cache: LayerCache,
}

impl Decoder {
    /// Gradient of a logit of the last row with respect to the embeddings of `rows`.
    ///
    /// Nothing is shared with [`Decoder::prefill`]: the prompt is read once more.
    ///
    /// # Shapes
    /// `embeddings [tokens, hidden]`, one position triple for each token
    ///
    /// # Errors
    /// Rows that are empty or beyond the prompt, and a target that is no token of the vocabulary.
    pub fn input_gradient(
        &self,
        embeddings: &Tensor,
        positions: &[[u32; 3]],
        target: TargetLogit<'_>,
        rows: Range<usize>,
        keep: Keep,
    ) -> Result<InputGradient> {
        let tokens = embeddings.dim(0)?;
        if rows.is_empty() || rows.end > tokens {
            let message = format!("gradient of the rows {rows:?}, expected a part of 0..{tokens}");
            return Err(ModelError::request(message, "give rows that are tokens of the prompt"));
        }
        let rope = self.rope.tables(positions, self.dtype(), self.device())?;
        let n_layers = self.layers.len();
        let stride = match keep {
            Keep::LayerInputs => 1,
            Keep::EveryNthInput(stride) => stride.get(),
        };

        // Forward: the input of every `stride`-th layer, and of all layers of the last stretch.
        let mut resid = embeddings.to_dtype(self.dtype())?.contiguous()?;
        let last_start = (n_layers - 1) / stride * stride;
        let mut inputs = Vec::with_capacity(last_start / stride);
        let mut stretches = Vec::with_capacity(last_start / stride);
        for start in (0..last_start).step_by(stride) {
            inputs.push(resid.clone());
            let (stretch, next) = self.read_stretch(resid, start..start + stride, &rope)?;
            // With a stride of one nothing is read twice.
            stretches.push((stride == 1).then_some(stretch));
            resid = next;
        }
        let mut stretch = self.read_all_but_last(resid, last_start, &rope)?;
        let top = stretch.last().ok_or_else(no_layers)?;
        let resid_final =
            self.layers[n_layers - 1].output_from(&top.resid_pre, &top.cache, &rope, tokens - 1)?;
        let logits = self.unembed(&resid_final)?.squeeze(0)?;
        let token = target.token(&logits)?;

        // Backward: the final norm and one row of the output matrix, then layer by layer.
        let d_normed = self.lm_head.row(token)?.unsqueeze(0)?;
        let mut grad = self.norm.backward(&resid_final, &d_normed)?;
        let mut from_output = tokens - 1;
        let mut start = last_start;
        loop {
            while let Some(kept) = stretch.pop() {
                let layer = &self.layers[start + stretch.len()];
                let rows = BackwardRows { from_output, to_input: rows.start };
                grad = layer.backward(&kept.resid_pre, &kept.cache, &rope, rows, &grad)?;
                from_output = rows.to_input;
            }
            let (Some(input), Some(known)) = (inputs.pop(), stretches.pop()) else { break };
            start -= stride;
            stretch = match known {
                Some(stretch) => stretch,
                None => self.read_stretch(input, start..start + stride, &rope)?.0,
            };
        }
        let gradient = grad.narrow(0, 0, rows.len())?.contiguous()?;
        Ok(InputGradient { token, logits, gradient })
    }

    /// Runs a stretch of layers; gives what each of them needs to be read backwards, and the last one's output.
    fn read_stretch(
        &self,
        mut resid: Tensor,
        layers: Range<usize>,
        rope: &(Tensor, Tensor),
    ) -> Result<(Vec<Kept>, Tensor)> {
        let mut kept = Vec::with_capacity(layers.len());
        for layer in &self.layers[layers] {
            let (next, cache) = layer.prefill(&resid, None, rope)?;
            kept.push(Kept { resid_pre: std::mem::replace(&mut resid, next), cache });
        }
        Ok((kept, resid))
    }

    /// Runs the layers from `start` on; the very last one's output is not computed, since one row of it is read.
    fn read_all_but_last(&self, resid: Tensor, start: usize, rope: &(Tensor, Tensor)) -> Result<Vec<Kept>> {
        let last = self.layers.len() - 1;
        let (mut kept, resid) = self.read_stretch(resid, start..last, rope)?;
        let cache = self.layers[last].cache(&resid, None, rope)?;
        kept.push(Kept { resid_pre: resid, cache });
        Ok(kept)
    }
}

impl TargetLogit<'_> {
    /// The token, given all logits.
    fn token(self, logits: &Tensor) -> Result<u32> {
        let vocab = logits.dim(0)?;
        let unknown = |token: u32| {
            let message = format!("token {token} as target of a gradient, expected an id below {vocab}");
            ModelError::request(message, "give ids of the model's vocabulary")
        };
        match self {
            Self::Token(token) if (token as usize) < vocab => Ok(token),
            Self::Token(token) => Err(unknown(token)),
            Self::Greatest(tokens) => {
                let values: Vec<f32> = logits.to_dtype(DType::F32)?.to_vec1()?;
                let mut best: Option<(u32, f32)> = None;
                for token in tokens {
                    let value = *values.get(*token as usize).ok_or_else(|| unknown(*token))?;
                    if best.is_none_or(|(_, most)| value > most) {
                        best = Some((*token, value));
                    }
                }
                let nothing = || ModelError::request("no target of the gradient".to_owned(), "give a token");
                Ok(best.ok_or_else(nothing)?.0)
            }
        }
    }
}

fn no_layers() -> ModelError {
    ModelError::request(
        "a decoder without layers has no gradient".to_owned(),
        "load a checkpoint with layers",
    )
}
