//! The subsets of the benchmark to which a row belongs: stated, or computed from its labels (Sec. 3.2, App. A.1).

use std::fmt;
use std::str::FromStr;

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_metrics::SourceLabels;
use serde::{Deserialize, Serialize};

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowSubset {
    /// Every row.
    All,
    /// Full clips whose modalities all share the polarity of the ground truth.
    Align,
    /// Full clips of which a modality has another polarity.
    Conflict,
    /// Align, and all classes are equal.
    Equal,
    /// Align, and a class differs.
    SamePolarity,
    /// Clips that lack a modality, whose observed ones share the polarity of the ground truth.
    MissingAlign,
    /// Clips that lack a modality, of which an observed one has another polarity.
    MissingConflict,
}

impl RowSubset {
    /// All, in the order of the rows.
    pub const ALL: [Self; 7] = [
        Self::All,
        Self::Align,
        Self::Conflict,
        Self::Equal,
        Self::SamePolarity,
        Self::MissingAlign,
        Self::MissingConflict,
    ];

    /// The word used in files and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Align => "align",
            Self::Conflict => "conflict",
            Self::Equal => "equal",
            Self::SamePolarity => "same-polarity",
            Self::MissingAlign => "missing-align",
            Self::MissingConflict => "missing-conflict",
        }
    }

    /// Whether only a clip that lacks a modality can be in it.
    pub(super) fn is_missing(self) -> bool {
        matches!(self, Self::MissingAlign | Self::MissingConflict)
    }

    /// The subset that the labels put a row into; `None` where they do not say, and for coalitions that are no
    /// part of the benchmark: single modalities and none.
    pub fn of(labels: SourceLabels, coalition: ModalitySet) -> Option<Self> {
        if coalition.len() < 2 {
            return None;
        }
        let observed = coalition.iter().map(|m| labels.is_aligned(m, coalition));
        let (mut differs, mut unknown) = (false, false);
        for aligned in observed {
            differs |= aligned == Some(false);
            unknown |= aligned.is_none();
        }
        // One modality that differs is enough, whatever the unknown ones say.
        match (coalition == ModalitySet::FULL, differs) {
            (true, true) => Some(Self::Conflict),
            (false, true) => Some(Self::MissingConflict),
            _ if unknown => None,
            (false, false) => Some(Self::MissingAlign),
            (true, false) => Some(Self::refined(labels)),
        }
    }

    /// Equal or not, of a full clip in Align.
    fn refined(labels: SourceLabels) -> Self {
        let is_equal = |class: Option<Sentiment>| class == Some(labels.ground_truth);
        if labels.unimodal.iter().all(|(_, class)| is_equal(*class)) {
            Self::Equal
        } else {
            Self::SamePolarity
        }
    }

    /// Whether a row whose narrowest subset is `self` belongs to `other`.
    pub fn is_within(self, other: Self) -> bool {
        self == other
            || other == Self::All
            || (other == Self::Align && matches!(self, Self::Equal | Self::SamePolarity))
    }
}

/// The narrowest subset of a row: the stated one, made narrower by the labels where they agree with it.
pub(super) fn narrowest(
    stated: Option<RowSubset>,
    labels: SourceLabels,
    coalition: ModalitySet,
) -> RowSubset {
    let computed = RowSubset::of(labels, coalition);
    match (stated, computed) {
        (Some(stated), Some(computed)) if computed.is_within(stated) => computed,
        (Some(stated), _) => stated,
        (None, computed) => computed.unwrap_or(RowSubset::All),
    }
}

impl fmt::Display for RowSubset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a file may state as a subset.
pub(super) const EXPECTED: &str =
    "one of align, conflict, equal, same-polarity, missing-align, missing-conflict";

impl FromStr for RowSubset {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or(EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyPositive};
    use emomm_dataset::PerModality;

    fn subset(unimodal: [Option<Sentiment>; 3], coalition: &str) -> Option<RowSubset> {
        let [text, audio, video] = unimodal;
        let labels = SourceLabels { ground_truth: Positive, unimodal: PerModality { text, audio, video } };
        RowSubset::of(labels, coalition.parse().unwrap())
    }

    #[test]
    fn subsets_follow_from_the_observed_labels() {
        let (p, wp, neu) = (Some(Positive), Some(WeaklyPositive), Some(Neutral));
        for (labels, coalition, expected) in [
            ([p, p, p], "TAV", Some(RowSubset::Equal)),
            ([p, wp, p], "TAV", Some(RowSubset::SamePolarity)),
            ([p, wp, neu], "TAV", Some(RowSubset::Conflict)),
            ([p, wp, neu], "TA", Some(RowSubset::MissingAlign)),
            ([p, wp, neu], "TV", Some(RowSubset::MissingConflict)),
            ([p, None, neu], "TAV", Some(RowSubset::Conflict)),
            ([p, None, p], "TAV", None),
            ([p, None, p], "TV", Some(RowSubset::MissingAlign)),
            ([p, None, p], "TA", None),
            ([p, p, p], "T", None),
            ([p, p, p], "none", None),
        ] {
            assert_eq!(subset(labels, coalition), expected, "{labels:?} {coalition}");
        }
    }

    #[test]
    fn a_stated_subset_is_kept_and_made_narrower_where_the_labels_agree() {
        let unimodal = PerModality { text: Some(Positive), audio: Some(Positive), video: Some(Positive) };
        let labels = SourceLabels { ground_truth: Positive, unimodal };
        let of = |stated| narrowest(stated, labels, ModalitySet::FULL);
        assert_eq!(of(None), RowSubset::Equal);
        assert_eq!(of(Some(RowSubset::Align)), RowSubset::Equal);
        assert_eq!(of(Some(RowSubset::Conflict)), RowSubset::Conflict);
        let without = SourceLabels { ground_truth: Negative, unimodal: PerModality::default() };
        assert_eq!(narrowest(Some(RowSubset::Align), without, ModalitySet::FULL), RowSubset::Align);
        assert_eq!(narrowest(None, without, ModalitySet::FULL), RowSubset::All);
    }

    #[test]
    fn equal_and_same_polarity_are_parts_of_align() {
        assert!(RowSubset::Equal.is_within(RowSubset::Align));
        assert!(RowSubset::SamePolarity.is_within(RowSubset::All));
        assert!(!RowSubset::Align.is_within(RowSubset::Equal));
        assert!(!RowSubset::MissingAlign.is_within(RowSubset::Align));
    }
}
