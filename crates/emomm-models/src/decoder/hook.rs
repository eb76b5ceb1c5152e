//! The one seam of the decoder between scores and softmax, on the decision row only.
//!
//! Capture and control share it: a recorder, a feature collector and a steering method are three implementors.

use candle_core::{Result, Tensor};
use thiserror::Error;

use super::prefill::Prefill;

/// What a hook sees of one layer of a decode step.
pub struct DecisionLayer<'a> {
    /// 0-based layer index.
    pub layer: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Input of the layer, before its norm, one row for each variant: `[variant, hidden]`, model type.
    pub resid_pre: &'a Tensor,
    /// Scaled scores before softmax, without any bias: `[variant, head, key]`, f32. The last key is the row itself.
    pub attn_scores: &'a Tensor,
    /// The prefix that the row decides on, with its groups and pooled summaries.
    pub prefill: &'a Prefill,
}

/// What a hook found and cannot act on. It passes through the engine as it is, so that the engine is not blamed for it:
/// [`crate::ModelError::Hook`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct HookError {
    /// What was found, what was expected, in which layer and head.
    pub message: String,
    /// What to do about it, where something can be said.
    pub hint: Option<String>,
}

impl From<HookError> for candle_core::Error {
    fn from(error: HookError) -> Self {
        Self::WrappedContext { wrapped: Box::new(error), context: "a hook of the decision row".to_owned() }
    }
}

/// Called once in every layer of a decode step.
pub trait DecisionHook {
    /// Returns a bias that is added to the scores, or `None` to leave them alone.
    ///
    /// # Shapes
    /// `[variant, head, key]`, f32. A bias of −∞ removes the key, as long as one key is left.
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> Result<Option<Tensor>>;

    /// Whether the hook also acts on the rows of the tokens that are generated after the decision. Their keys are those of
    /// the prompt, followed by what was generated.
    fn continues(&self) -> bool {
        false
    }

    /// Sees the attention that the layer really used, after bias and softmax: `[variant, head, key]`, f32.
    fn observe_pattern(&mut self, _layer: usize, _pattern: &Tensor) -> Result<()> {
        Ok(())
    }
}
