//! Where p and g of a steering come from, and what τ is tested on: the router, or what stands in for it in placebos, controls
//! and bounds.

use serde::{Deserialize, Serialize};

/// Where p and g come from in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterRead {
    /// In each layer of the steered step itself, as Algorithm 1.
    #[default]
    Online,
    /// Of the same layer in a clean decision step before.
    CleanLayer,
    /// Their mean over the router's layers in a clean decision step; τ is tested on the mean p.
    CleanMean,
}

/// What τ is tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdScope {
    /// p of each layer.
    #[default]
    Layer,
    /// The mean of the clean p over the router's layers: a sample is steered or it is not.
    Sample,
}

/// Where the gate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateSource {
    /// g of the router.
    #[default]
    Router,
    /// A point of Dirichlet(1).
    Random,
    /// The router's g for another sample.
    Shuffled,
    /// The mean g* of the training conflicts of the same coalition.
    Constant,
    /// g* of this sample.
    Oracle,
}

/// Where the conflict probability comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictSource {
    /// p of the router.
    #[default]
    Router,
    /// Uniform in (0, 1).
    Random,
    /// The router's p for another sample.
    Shuffled,
    /// 1.
    Always,
    /// p* of this sample.
    Oracle,
}

/// How often random gates and probabilities are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomUnit {
    /// Once for a sample, since the router's gates agree across layers.
    #[default]
    Sample,
    /// In each layer anew.
    Layer,
}
