//! The labels of a clip by source: ground truth, T, A and V.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::modality::{Modality, ModalitySet};
use crate::per_modality::PerModality;
use crate::sentiment::{GridScore, Polarity, Sentiment};

/// A grid score, the class into which its corpus's map puts it, and its polarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The score.
    pub score: GridScore,
    /// Its class.
    pub class: Sentiment,
    /// The sign of the class, or that of the score before it was put on the grid ([`PolaritySource`]).
    pub polarity: Polarity,
}

impl Label {
    /// A label whose polarity is that of its class.
    pub fn new(score: GridScore, class: Sentiment) -> Self {
        Self { score, class, polarity: class.polarity() }
    }
}

/// From what the polarity of a label follows. In CMU-MOSI a score of 0.2 out of 3 is neutral on the grid of 0.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolaritySource {
    /// The class.
    #[default]
    Class,
    /// The score as it was written, before it was put on the grid.
    RawSign,
}

/// What is known of a label: its class at least.
pub trait Classed: Copy {
    /// The class.
    fn class(self) -> Sentiment;

    /// The polarity z of Eq. (3): that of the class where nothing else is known.
    fn polarity(self) -> Polarity {
        self.class().polarity()
    }

    /// The grid score; `None` where only the class is known.
    fn grid_score(self) -> Option<GridScore> {
        None
    }
}

impl Classed for Sentiment {
    fn class(self) -> Sentiment {
        self
    }
}

impl Classed for Label {
    fn class(self) -> Sentiment {
        self.class
    }

    fn polarity(self) -> Polarity {
        self.polarity
    }

    fn grid_score(self) -> Option<GridScore> {
        Some(self.score)
    }
}

/// The labels of a clip: with scores, or as classes alone (`Labels<Sentiment>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Labels<L = Label> {
    /// The multimodal label, GT.
    pub ground_truth: L,
    /// The label of each modality on its own; `None` where it was not annotated.
    pub modalities: PerModality<Option<L>>,
}

impl<L: Classed> Labels<L> {
    /// The label of one modality.
    pub fn modality(&self, modality: Modality) -> Option<L> {
        *self.modalities.get(modality)
    }

    /// The label of a source, if there is one.
    pub fn get(&self, source: Source) -> Option<L> {
        match source {
            Source::GroundTruth => Some(self.ground_truth),
            Source::Unimodal(m) => self.modality(m),
        }
    }

    /// The classes alone.
    pub fn classes(&self) -> Labels<Sentiment> {
        Labels {
            ground_truth: self.ground_truth.class(),
            modalities: self.modalities.map(|label| label.map(L::class)),
        }
    }

    /// a_x^m of Eq. (3): whether the modality is available and its polarity is that of the ground truth.
    ///
    /// `None` where the modality is available and has no label: then nobody knows.
    pub fn is_aligned(&self, modality: Modality, available: ModalitySet) -> Option<bool> {
        if !available.contains(modality) {
            return Some(false);
        }
        self.modality(modality).map(|label| label.polarity() == self.ground_truth.polarity())
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
        let labels = Labels {
            ground_truth: Sentiment::Positive,
            modalities: PerModality { text: Some(Sentiment::WeaklyPositive), audio: None, video: None },
        };
        let available: ModalitySet = "TA".parse().unwrap();
        assert_eq!(labels.is_aligned(Modality::Text, available), Some(true));
        assert_eq!(labels.is_aligned(Modality::Audio, available), None);
        assert_eq!(labels.is_aligned(Modality::Video, available), Some(false));
    }

    /// A score of 0.2 out of 3 is neutral on the grid and positive by its sign.
    #[test]
    fn a_label_may_have_the_polarity_of_its_raw_score() {
        let neutral = Label::new(GridScore::from_steps(0).unwrap(), Sentiment::Neutral);
        let raw = Label { polarity: Polarity::Positive, ..neutral };
        let modalities = PerModality { text: Some(neutral), audio: Some(raw), video: None };
        let labels = Labels { ground_truth: raw, modalities };
        assert_eq!(labels.is_aligned(Modality::Text, ModalitySet::FULL), Some(false));
        assert_eq!(labels.is_aligned(Modality::Audio, ModalitySet::FULL), Some(true));
        assert_eq!(labels.classes().is_aligned(Modality::Text, ModalitySet::FULL), Some(true));
    }

    #[test]
    fn sources_have_the_paper_s_names() {
        let names = Source::ALL.map(|s| s.to_string());
        assert_eq!(names, ["GT", "T", "A", "V"]);
        assert_eq!(Source::ALL.map(Source::index), [0, 1, 2, 3]);
    }
}
