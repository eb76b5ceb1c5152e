//! The forms of the intra-modality bias, Eq. (14) and (15), and of the importance behind it.

use serde::{Deserialize, Serialize};

/// How Eq. (14) turns a gap of mass into a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraForm {
    /// As written: log of the ratio, which reaches ψ̂ / (1 − ψ + ψ̂) instead of ψ̂.
    #[default]
    AsWritten,
    /// Difference of log-odds, which reaches ψ̂.
    Exact,
}

/// What ψ̂ is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetMassForm {
    /// `target_mass` itself.
    #[default]
    Absolute,
    /// `target_mass` times the present mass ψ.
    Relative,
    /// g_V times the mass of all modalities.
    GateShare,
}

/// What scales the intra-modality bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraScale {
    /// β alone, as Algorithm 1.
    #[default]
    None,
    /// β times g_V, so that a video that is not trusted is not pushed.
    Gate,
}

/// Where the intra-modality bias acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraScope {
    /// On the steered heads of steered layers, as Algorithm 1.
    #[default]
    Steered,
    /// On every head of every layer from `steer_first_layer` on, conflict or not.
    Always,
}

/// Which importance chooses the significant video tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceKind {
    /// Gradient × Input at the input embeddings, Eq. (24).
    #[default]
    GradientInput,
    /// Gradient × Input at the input of layer l_r: h_k of Eq. (24) is that hidden state, and the way back ends there.
    GradientLayerInput,
    /// Mean attention of the clean decision step over layers and heads: no gradient.
    Attention,
    /// The same, each attention times the length of the value that it weighs: no gradient.
    AttentionValue,
}

impl ImportanceKind {
    /// Whether it needs a way back through the decoder.
    pub fn is_gradient(self) -> bool {
        matches!(self, Self::GradientInput | Self::GradientLayerInput)
    }
}
