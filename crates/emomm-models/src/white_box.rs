//! The way to the decision rows of a loaded model, whichever model it is: one prefill tree for the coalitions of a clip, and
//! at each leaf a point at which the decision row can be run as often and in as many variants as wanted.
//!
//! Research methods stand on this seam: they see token spans, scores, residuals and letters, and never a model's name.

use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;
use emomm_dataset::{Corpus, ModalitySet, Sentiment};
use emomm_eval::{
    Clip, Deliver, LetterMass, MediaRecord, Missingness, PredictError, PredictOptions, Prediction, Predictor,
    TokenPlaces,
};

use crate::decoder::{Decision, DecisionHook, DecisionLayer, Decoder, Prefill};
use crate::encoder_cache::EncoderCache;
use crate::error::{ModelError, Result};
use crate::layout::Layout;
use crate::media_cache::MediaCache;
use crate::prompt_tree::{MediaEmbeddings, PromptRow, embed};

/// Sizes of a model's decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderShape {
    /// Layers L.
    pub n_layers: usize,
    /// Query heads H.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width d of the residual stream.
    pub hidden_size: usize,
}

impl DecoderShape {
    /// The shape of a decoder.
    pub fn of(decoder: &Decoder) -> Self {
        let config = decoder.config();
        Self {
            n_layers: config.n_layers,
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            hidden_size: config.hidden_size,
        }
    }
}

/// Gives the hook that acts on the decision row of one coalition, or `None` to leave it alone. It may run decision steps
/// of its own before it answers.
pub type Steering<'a> = dyn FnMut(&DecisionPoint<'_>) -> Result<Option<Box<dyn DecisionHook>>> + 'a;

/// Looks at one coalition's decision row, and may run it.
pub type Visit<'a> = dyn FnMut(&DecisionPoint<'_>) -> Result<()> + 'a;

/// A model that lets its decision rows be read and steered.
pub trait WhiteBox: Predictor {
    /// As [`Predictor::another`], open as this one is.
    fn another_white_box(&self) -> Option<Box<dyn WhiteBox + Send>> {
        None
    }

    /// Keeps what the towers make of files in a folder that runs share.
    fn keep_encodings(&mut self, _cache: Arc<EncoderCache>) {}

    /// Keeps decoded media in a folder that runs share, whatever their model.
    fn keep_media(&mut self, _cache: MediaCache) {}

    /// Puts a line of its own into every prompt from now on, or takes it out again.
    fn set_hint(&mut self, hint: Option<&str>);

    /// How modalities that a coalition lacks are kept from the model from now on.
    fn set_missing(&mut self, missing: Missingness);

    /// Sizes of the decoder.
    fn shape(&self) -> DecoderShape;

    /// The checkpoint folder.
    fn folder(&self) -> &Path;

    /// Reads the coalitions of a clip as one tree and calls `visit` at each, in the order of the tree. One result for each
    /// coalition, in the order of `coalitions`: the reason why it could not be shown, or the error that `visit` returned.
    fn visit(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        visit: &mut Visit<'_>,
    ) -> Vec<Result<(), PredictError>>;

    /// As [`Predictor::predict_each`], with a hook on the decision row of each coalition. Attention is recorded as the steered
    /// row really used it.
    fn predict_steered_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        steering: &mut Steering<'_>,
        deliver: &mut Deliver<'_>,
    );
}

/// The decision row of one coalition after its prefix was read.
pub struct DecisionPoint<'a> {
    coalition: ModalitySet,
    decoder: &'a Decoder,
    row: &'a PromptRow,
    prefill: &'a Prefill,
    media: &'a MediaEmbeddings,
    letters: [u32; 5],
    /// Ids of the letters with a space before them, as far as the tokenizer has them.
    pub spaced_letters: [Option<u32>; 5],
    embedding: Tensor,
    /// What was decoded, for the record of a prediction.
    pub evidence: EvidenceRecord,
    /// Tokens to which no decision row of this point attends, whatever its hook says.
    pub suppressed: Vec<usize>,
}

/// What a prediction says of the evidence that it saw.
#[derive(Debug, Clone, Default)]
pub struct EvidenceRecord {
    /// Patches of the video before merging.
    pub grid_thw: Option<[usize; 3]>,
    /// What was decoded and how.
    pub media: MediaRecord,
    /// Where the visual tokens lie in the picture.
    pub token_places: Option<TokenPlaces>,
}

impl<'a> DecisionPoint<'a> {
    /// The point after `prefill`, which holds all tokens of `row` but the last.
    pub fn new(
        coalition: ModalitySet,
        decoder: &'a Decoder,
        row: &'a PromptRow,
        prefill: &'a Prefill,
        media: &'a MediaEmbeddings,
        letters: [u32; 5],
    ) -> Result<Self> {
        let embedding = embed(decoder, &[row.decision_token()], media)?;
        let evidence = EvidenceRecord::default();
        let suppressed = Vec::new();
        Ok(Self {
            coalition,
            decoder,
            row,
            prefill,
            media,
            letters,
            spaced_letters: [None; 5],
            embedding,
            evidence,
            suppressed,
        })
    }

    /// The modalities that the prompt shows.
    pub fn coalition(&self) -> ModalitySet {
        self.coalition
    }

    /// Sizes of the decoder.
    pub fn shape(&self) -> DecoderShape {
        DecoderShape::of(self.decoder)
    }

    /// The decoder, for what goes beyond decision steps: logit lens, continuation, gradients.
    pub fn decoder(&self) -> &'a Decoder {
        self.decoder
    }

    /// Tokens and positions of the prompt.
    pub fn row(&self) -> &'a PromptRow {
        self.row
    }

    /// Class of every token.
    pub fn layout(&self) -> &'a Layout {
        &self.row.layout
    }

    /// The prefix, with the pooled summaries of each modality.
    pub fn prefill(&self) -> &'a Prefill {
        self.prefill
    }

    /// Embeddings of the clip's media.
    pub fn media(&self) -> &'a MediaEmbeddings {
        self.media
    }

    /// Ids of the bare letters A to E, id(ℓ) of Eq. (22).
    pub fn letters(&self) -> [u32; 5] {
        self.letters
    }

    /// Embedding of the decision token: `[1, hidden]`.
    pub fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    /// One decode step of `variants` copies of the decision row. All share the prefix; the hook sees them as the first
    /// axis of scores and residuals.
    pub fn decide(&self, variants: usize, hook: Option<&mut dyn DecisionHook>) -> Result<Decision> {
        let width = self.embedding.dim(1)?;
        let rows = match variants {
            0 => {
                let message = "0 variants of a decision row, expected at least 1";
                return Err(ModelError::request(message, "name a variant"));
            }
            1 => self.embedding.clone(),
            n => self.embedding.broadcast_as((n, width))?.contiguous()?,
        };
        let position = self.row.decision_position();
        if self.suppressed.is_empty() {
            return self.decoder.decide(self.prefill, &rows, position, hook);
        }
        let mut without = WithoutKeys { inner: hook, keys: &self.suppressed };
        self.decoder.decide(self.prefill, &rows, position, Some(&mut without))
    }

    /// Logits of the letters A to E, one row for each variant.
    pub fn letter_logits(&self, decision: &Decision) -> Result<Vec<[f32; 5]>> {
        let ids = Tensor::new(&self.letters, decision.logits.device())?;
        let rows: Vec<Vec<f32>> = decision.logits.index_select(&ids, 1)?.to_vec2()?;
        Ok(rows.into_iter().map(|r| [r[0], r[1], r[2], r[3], r[4]]).collect())
    }

    /// What part of the next token's probability the letters have, for each variant.
    pub fn letter_masses(&self, decision: &Decision) -> Result<Vec<LetterMass>> {
        let rows: Vec<Vec<f32>> = decision.logits.to_vec2()?;
        Ok(rows.iter().map(|row| LetterMass::of(row, &self.letters, &self.spaced_letters)).collect())
    }

    /// The prediction that these letter logits make, without mass of the letters, reply and attention.
    pub fn prediction(&self, letter_logits: [f32; 5], corpus: Corpus, ms: f64) -> Prediction {
        let label = Sentiment::from_index(greatest(&letter_logits));
        Prediction {
            coalition: self.coalition,
            tokens: Some(self.layout().token_counts()),
            grid_thw: self.evidence.grid_thw,
            letter_logits: Some(letter_logits),
            letter_mass: None,
            letter: label.map(Sentiment::letter),
            label,
            centre_score: label.map(|l| corpus.centre_score(l)),
            reply: None,
            attention: None,
            token_maps: None,
            steering: None,
            served: None,
            media: self.evidence.media.clone(),
            ms,
        }
    }
}

/// Another hook, or none, and no attention to some keys.
struct WithoutKeys<'h, 'k> {
    inner: Option<&'h mut (dyn DecisionHook + 'h)>,
    keys: &'k [usize],
}

impl DecisionHook for WithoutKeys<'_, '_> {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let (variants, heads, n_keys) = layer.attn_scores.dims3()?;
        let mut bias = vec![0.0_f32; n_keys];
        for key in self.keys {
            bias[*key] = f32::NEG_INFINITY;
        }
        let bias = Tensor::from_vec(bias, (1, 1, n_keys), layer.attn_scores.device())?;
        let bias = bias.broadcast_as((variants, heads, n_keys))?.contiguous()?;
        let inner = self.inner.as_mut().map_or(Ok(None), |hook| hook.attn_bias(layer))?;
        Ok(Some(match inner {
            Some(inner) => (inner + bias)?,
            None => bias,
        }))
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        self.inner.as_mut().map_or(Ok(()), |hook| hook.observe_pattern(layer, pattern))
    }
}

/// ℓ* of Eq. (22): index of the greatest letter logit; ties go to the earlier letter.
pub fn greatest(letter_logits: &[f32; 5]) -> usize {
    (0..5).fold(0, |best, i| if letter_logits[i] > letter_logits[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_earlier_letter() {
        assert_eq!(greatest(&[0.0; 5]), 0);
        assert_eq!(greatest(&[-1.0, 2.0, 2.0, -3.0, 1.0]), 1);
        assert_eq!(greatest(&[-5.0, -4.0, -3.0, -2.0, -1.0]), 4);
    }
}
