//! The labels of a sample by source: ground truth, T, A and V.

use std::fmt;

use emomm_dataset::{Modality, ModalitySet, PerModality, Sentiment};
use serde::{Deserialize, Serialize};

/// The labels of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLabels {
    /// The multimodal label, GT.
    pub ground_truth: Sentiment,
    /// The label of each modality on its own; `None` where it was not annotated.
    pub unimodal: PerModality<Option<Sentiment>>,
}

impl SourceLabels {
    /// The label of a source, if there is one.
    pub fn get(&self, source: Source) -> Option<Sentiment> {
        match source {
            Source::GroundTruth => Some(self.ground_truth),
            Source::Unimodal(m) => *self.unimodal.get(m),
        }
    }

    /// a_x^m of Eq. (3): whether the modality is available and its polarity is that of the ground truth.
    ///
    /// `None` where the modality is available and has no label: then nobody knows.
    pub fn is_aligned(&self, modality: Modality, available: ModalitySet) -> Option<bool> {
        if !available.contains(modality) {
            return Some(false);
        }
        self.unimodal.get(modality).map(|label| label.polarity() == self.ground_truth.polarity())
    }
}

/// Where a label comes from: i, j ∈ {GT, T, A, V} of Eq. (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The multimodal label.
    GroundTruth,
    /// The label given to one modality alone.
    Unimodal(Modality),
}

impl Source {
    /// All four, in the paper's order GT, T, A, V.
    pub const ALL: [Self; 4] = [
        Self::GroundTruth,
        Self::Unimodal(Modality::Text),
        Self::Unimodal(Modality::Audio),
        Self::Unimodal(Modality::Video),
    ];

    /// Position in [`Source::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::GroundTruth => 0,
            Self::Unimodal(m) => 1 + m.index(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GroundTruth => f.pad("GT"),
            Self::Unimodal(m) => f.pad(m.letter().encode_utf8(&mut [0; 4])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_compares_polarities_of_what_is_available() {
        let labels = SourceLabels {
            ground_truth: Sentiment::Positive,
            unimodal: PerModality { text: Some(Sentiment::WeaklyPositive), audio: None, video: None },
        };
        let available: ModalitySet = "TA".parse().unwrap();
        assert_eq!(labels.is_aligned(Modality::Text, available), Some(true));
        assert_eq!(labels.is_aligned(Modality::Audio, available), None);
        assert_eq!(labels.is_aligned(Modality::Video, available), Some(false));
    }

    #[test]
    fn sources_have_the_paper_s_names() {
        let names = Source::ALL.map(|s| s.to_string());
        assert_eq!(names, ["GT", "T", "A", "V"]);
        assert_eq!(Source::ALL.map(Source::index), [0, 1, 2, 3]);
    }
}
