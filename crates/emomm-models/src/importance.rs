//! Importance of tokens by Gradient × Input, App. D.2: which video tokens carry the letter that the model chooses.

use candle_core::{D, DType};
use emomm_dataset::{Modality, Sentiment};

use crate::decoder::{Decoder, GradientPlace, InputGradient, Keep, Prefill, TargetLogit};
use crate::error::Result;
use crate::prompt_tree::{MediaEmbeddings, PromptRow, embed};

/// ε of Eq. (25). It keeps a prompt whose gradient is zero from dividing by zero and is far below any real sum.
pub const IMPORTANCE_EPS: f64 = 1e-8;

/// Importance of the tokens of one modality in one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenImportance {
    /// The letter ℓ* of Eq. (22), as the class that it stands for.
    pub letter: Sentiment,
    /// Logits of the letters A to E, by the way.
    pub letter_logits: [f32; 5],
    /// Place of each token in the prompt, ascending.
    pub tokens: Vec<usize>,
    /// I_k of Eq. (24): |⟨∂y/∂h_k, h_k⟩|, in the order of `tokens`.
    pub raw: Vec<f32>,
    /// Î_k of Eq. (25), over the tokens of the modality; sums to 1 as long as the gradient is not zero.
    pub normalised: Vec<f32>,
}

/// Importance of the tokens of `modality`, or `None` when the prompt has none of them. h_k of Eq. (24) is the input of
/// `layer`, counted from 0: that of layer 0 is the input embedding.
///
/// One pass forwards and one backwards through the decoder, apart from any prefill. The decision row is not steered: the
/// importance is that of the plain answer, as Algorithm 1 takes it before the first steered layer.
///
/// # Errors
/// The decoder's, a layer that it has not, and a letter that is no token of its vocabulary.
pub fn token_importance(
    decoder: &Decoder,
    letters: &[u32; 5],
    row: &PromptRow,
    media: &MediaEmbeddings,
    modality: Modality,
    (layer, keep): (usize, Keep),
) -> Result<Option<TokenImportance>> {
    let Some(place) = place_of(row, modality, layer) else { return Ok(None) };
    let embeddings = embed(decoder, &row.tokens, media)?;
    let target = TargetLogit::Greatest(letters);
    let found = decoder.input_gradient(&embeddings, row.positions.as_slice(), target, &place, keep)?;
    importance(&found, letters, row, modality, &place).map(Some)
}

/// As [`token_importance`], after `prefill` has read all tokens but the last and kept its layers' inputs: one decision step and
/// the way back.
///
/// # Errors
/// As there, and a prefill that did not keep its layers' inputs.
pub fn token_importance_after(
    decoder: &Decoder,
    letters: &[u32; 5],
    row: &PromptRow,
    prefill: &Prefill,
    media: &MediaEmbeddings,
    modality: Modality,
    layer: usize,
) -> Result<Option<TokenImportance>> {
    let Some(place) = place_of(row, modality, layer) else { return Ok(None) };
    let token = embed(decoder, &[row.decision_token()], media)?;
    let target = TargetLogit::Greatest(letters);
    let found = decoder.input_gradient_after(prefill, &token, row.decision_position(), target, &place)?;
    importance(&found, letters, row, modality, &place).map(Some)
}

/// From the first to the last token of a modality.
fn place_of(row: &PromptRow, modality: Modality, layer: usize) -> Option<GradientPlace> {
    let spans = row.layout.spans(modality);
    Some(GradientPlace { layer, rows: spans.first()?.start..spans.last()?.end })
}

/// Eq. (24) and (25).
fn importance(
    found: &InputGradient,
    letters: &[u32; 5],
    row: &PromptRow,
    modality: Modality,
    place: &GradientPlace,
) -> Result<TokenImportance> {
    let inputs = found.inputs.to_dtype(DType::F32)?;
    let products: Vec<f32> = (&found.gradient * inputs)?.sum(D::Minus1)?.abs()?.to_vec1()?;
    let tokens: Vec<usize> = row.layout.spans(modality).iter().cloned().flatten().collect();
    let raw: Vec<f32> = tokens.iter().map(|token| products[token - place.rows.start]).collect();
    let sum = raw.iter().map(|i| f64::from(*i)).sum::<f64>() + IMPORTANCE_EPS;
    let normalised = raw.iter().map(|i| (f64::from(*i) / sum) as f32).collect();

    let logits: Vec<f32> = found.logits.to_vec1()?;
    let letter_logits = letters.map(|id| logits[id as usize]);
    // The target is one of the letters, so its place is found.
    let place = letters.iter().position(|id| *id == found.token).unwrap_or_default();
    let letter = Sentiment::from_index(place).unwrap_or(Sentiment::Neutral);
    Ok(TokenImportance { letter, letter_logits, tokens, raw, normalised })
}
