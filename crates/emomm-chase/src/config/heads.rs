//! Which heads of a layer are steered, and how many.

use serde::{Deserialize, Serialize};

/// Which heads of a layer are steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadSelection {
    /// Eq. (11): the K heads of the greatest divergence in each layer; ties go to the lower head.
    #[default]
    TopK,
    /// K times the number of steered layers, chosen among all of them by the clean step.
    TopKGlobal,
    /// The groups of heads that share a key head, whole, by their mean divergence, until K heads are reached.
    KvGroups,
    /// Every head whose divergence is at least `head_threshold`.
    Threshold,
    /// `heads`, chosen beforehand.
    Fixed,
    /// K heads at random.
    Random,
}

/// K: a number, or the word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeadCount {
    /// So many.
    Count(usize),
    /// Every head.
    All(AllHeads),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllHeads {
    /// The word.
    #[serde(rename = "all")]
    All,
}

impl HeadCount {
    /// The number of heads out of H.
    pub fn of(self, n_heads: usize) -> usize {
        match self {
            Self::Count(k) => k.min(n_heads),
            Self::All(_) => n_heads,
        }
    }
}
