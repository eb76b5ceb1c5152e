//! Gradient of one logit of the decision row with respect to input embeddings, or to the input of a later layer, Eq. (24):
//! backwards through the layers by hand, without a tape and without gradients of weights.
//!
//! Three facts make it cheaper than a general backward pass. In the last layer only the decision row has a gradient, so
//! there is one query. No row before the first one asked for is needed: what comes later never acts on it. And the way back
//! ends at the layer whose input is asked for.

use std::num::NonZeroUsize;
use std::ops::Range;

use candle_core::{DType, Tensor};

use super::Decoder;
use super::layer::BackwardRows;
use super::prefill::{LayerCache, Prefill};
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

/// With respect to what a gradient is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GradientPlace {
    /// The layer whose input it is, counted from 0; that of layer 0 are the input embeddings.
    pub layer: usize,
    /// The tokens.
    pub rows: Range<usize>,
}

impl GradientPlace {
    /// The input embeddings of some tokens.
    pub fn embeddings(rows: Range<usize>) -> Self {
        Self { layer: 0, rows }
    }

    /// The rows that are asked for, of a layer's whole input.
    fn of(&self, resid_pre: &Tensor) -> Result<Tensor> {
        Ok(resid_pre.narrow(0, self.rows.start, self.rows.len())?)
    }
}

/// A gradient with respect to input embeddings or a layer's input.
#[derive(Debug, Clone)]
pub struct InputGradient {
    /// The token whose logit it is.
    pub token: u32,
    /// All logits of the decision row: `[vocab]`, f32.
    pub logits: Tensor,
    /// ∂y/∂h_k for the rows asked for: `[rows, hidden]`, f32.
    pub gradient: Tensor,
    /// h_k itself: `[rows, hidden]`, model type.
    pub inputs: Tensor,
}

/// A layer as the forward pass leaves it.
struct Kept {
    resid_pre: Tensor,
    cache: LayerCache,
}

impl Decoder {
    /// Gradient of a logit of the last row with respect to `place`. Layers before it are read and not kept.
    ///
    /// Nothing is shared with [`Decoder::prefill`]: the prompt is read once more. [`Decoder::input_gradient_after`] shares it.
    ///
    /// # Shapes
    /// `embeddings [tokens, hidden]`, one position triple for each token
    ///
    /// # Errors
    /// Rows that are empty or beyond the prompt, a layer that does not exist, and a target that is no token of the vocabulary.
    pub fn input_gradient(
        &self,
        embeddings: &Tensor,
        positions: &[[u32; 3]],
        target: TargetLogit<'_>,
        place: &GradientPlace,
        keep: Keep,
    ) -> Result<InputGradient> {
        let tokens = embeddings.dim(0)?;
        self.check_place(place, tokens)?;
        let rope = self.rope.tables(positions, self.dtype(), self.device())?;
        let n_layers = self.layers.len();
        let stride = match keep {
            Keep::LayerInputs => 1,
            Keep::EveryNthInput(stride) => stride.get(),
        };

        // Forward: the input of every `stride`-th layer from the first one asked for, and of all layers of the last stretch.
        let mut resid = embeddings.to_dtype(self.dtype())?.contiguous()?;
        for layer in &self.layers[..place.layer] {
            resid = layer.prefill(&resid, None, &rope)?.0;
        }
        let wanted = place.of(&resid)?;
        let last_start = place.layer + (n_layers - 1 - place.layer) / stride * stride;
        let mut inputs = Vec::with_capacity(last_start / stride);
        let mut stretches = Vec::with_capacity(last_start / stride);
        for start in (place.layer..last_start).step_by(stride) {
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

        let mut back = self.backward_start(&resid_final, token, tokens, place)?;
        let mut start = last_start;
        loop {
            while let Some(kept) = stretch.pop() {
                self.backward_step(&mut back, start + stretch.len(), &kept, &rope)?;
            }
            let (Some(input), Some(known)) = (inputs.pop(), stretches.pop()) else { break };
            start -= stride;
            stretch = match known {
                Some(stretch) => stretch,
                None => self.read_stretch(input, start..start + stride, &rope)?.0,
            };
        }
        back.found(token, logits, wanted)
    }

    /// As [`Decoder::input_gradient`], for a prompt of which `prefill` has read all but the last token: only that token's
    /// decision step is computed, and the way back. The importance of a prompt that is answered anyway costs less so.
    ///
    /// # Shapes
    /// `row [1, hidden]`, the decision token's embedding
    ///
    /// # Errors
    /// As there, and a prefill that did not keep its layers' inputs.
    pub fn input_gradient_after(
        &self,
        prefill: &Prefill,
        row: &Tensor,
        position: [u32; 3],
        target: TargetLogit<'_>,
        place: &GradientPlace,
    ) -> Result<InputGradient> {
        let tokens = prefill.len() + 1;
        self.check_place(place, tokens)?;
        let (Some(inputs), Some(caches)) = (&prefill.inputs, &prefill.layers) else {
            let message = "a gradient after a prefix whose layer inputs were not kept".to_owned();
            return Err(ModelError::request(message, "begin at a root that keeps inputs, and read a prefix"));
        };
        let own_rope = self.rope.tables(&[position], self.dtype(), self.device())?;
        let mut resid = row.to_dtype(self.dtype())?.contiguous()?;
        let mut own = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let at = (i, self.layers.len());
            let (next, cache) = layer.decide(at, &resid, prefill, None, &own_rope, None)?;
            own.push((std::mem::replace(&mut resid, next), cache));
        }
        let logits = self.unembed(&resid)?.squeeze(0)?;
        let token = target.token(&logits)?;

        let mut positions = inputs.positions.clone();
        positions.push(position);
        let rope = self.rope.tables(&positions, self.dtype(), self.device())?;
        let with_own = |layer: usize, own: &Tensor| {
            Tensor::cat(&inputs.resid_pre[layer].iter().chain([own]).collect::<Vec<_>>(), 0)
        };
        let mut back = self.backward_start(&resid, token, tokens, place)?;
        let wanted = place.of(&with_own(place.layer, &own[place.layer].0)?)?;
        while let Some((own_input, own_cache)) = own.pop() {
            let layer = own.len();
            if layer < place.layer {
                break;
            }
            let joined = |past: &Tensor, own: &Tensor| Tensor::cat(&[past, &own.squeeze(0)?], 1);
            let cache = LayerCache {
                k: joined(&caches[layer].k, &own_cache.k)?,
                v: joined(&caches[layer].v, &own_cache.v)?,
            };
            let kept = Kept { resid_pre: with_own(layer, &own_input)?, cache };
            self.backward_step(&mut back, layer, &kept, &rope)?;
        }
        back.found(token, logits, wanted)
    }

    /// Through one row of the output matrix and the final norm.
    fn backward_start(
        &self,
        resid_final: &Tensor,
        token: u32,
        tokens: usize,
        place: &GradientPlace,
    ) -> Result<Backward> {
        let d_normed = self.lm_head.row(token)?.unsqueeze(0)?;
        let grad = self.norm.backward(resid_final, &d_normed)?;
        Ok(Backward { grad, from_output: tokens - 1, rows: place.rows.clone() })
    }

    fn check_place(&self, place: &GradientPlace, tokens: usize) -> Result<()> {
        let GradientPlace { layer, rows } = place;
        if rows.is_empty() || rows.end > tokens {
            let message = format!("gradient of the rows {rows:?}, expected a part of 0..{tokens}");
            return Err(ModelError::request(message, "give rows that are tokens of the prompt"));
        }
        let n_layers = self.layers.len();
        if *layer >= n_layers {
            let message = format!("gradient at the input of layer {layer}, expected one below {n_layers}");
            return Err(ModelError::request(message, "give a layer of the model, counted from 0"));
        }
        Ok(())
    }

    /// Through one layer.
    fn backward_step(
        &self,
        back: &mut Backward,
        layer: usize,
        kept: &Kept,
        rope: &(Tensor, Tensor),
    ) -> Result<()> {
        let rows = BackwardRows { from_output: back.from_output, to_input: back.rows.start };
        back.grad = self.layers[layer].backward(&kept.resid_pre, &kept.cache, rope, rows, &back.grad)?;
        back.from_output = rows.to_input;
        Ok(())
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

/// How far a backward pass has come.
struct Backward {
    /// Gradient at the rows from `from_output` on.
    grad: Tensor,
    from_output: usize,
    /// The rows that are wanted.
    rows: Range<usize>,
}

impl Backward {
    fn found(self, token: u32, logits: Tensor, inputs: Tensor) -> Result<InputGradient> {
        let gradient = self.grad.narrow(0, 0, self.rows.len())?.contiguous()?;
        Ok(InputGradient { token, logits, gradient, inputs })
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
