//! Align, Conflict and Missing: the relation between the ground truth and the observed modalities (Sec. 3.2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::VocabularyError;
use crate::labels::{Classed, Labels};
use crate::modality::{Modality, ModalitySet};

/// A subset of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subset {
    /// Every modality of a full clip agrees with the ground truth.
    Align,
    /// At least one modality of a full clip differs from the ground truth.
    Conflict,
    /// The part of Align in which all labels are equal.
    Equal,
    /// The part of Align in which they are not.
    SamePolarity,
    /// Every observed modality of a masked copy agrees.
    MissingAlign,
    /// At least one observed modality of a masked copy differs.
    MissingConflict,
}

impl Subset {
    /// All six, in the order of the paper.
    pub const ALL: [Self; 6] = [
        Self::Align,
        Self::Conflict,
        Self::Equal,
        Self::SamePolarity,
        Self::MissingAlign,
        Self::MissingConflict,
    ];

    /// The word used in JSON, for example `missing-align`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Align => "align",
            Self::Conflict => "conflict",
            Self::Equal => "equal",
            Self::SamePolarity => "same-polarity",
            Self::MissingAlign => "missing-align",
            Self::MissingConflict => "missing-conflict",
        }
    }

    /// Whether it holds masked copies.
    pub fn is_missing(self) -> bool {
        matches!(self, Self::MissingAlign | Self::MissingConflict)
    }

    /// Whether every sample of `self` is one of `other`: Align holds Equal and Same-polarity.
    pub fn is_within(self, other: Self) -> bool {
        self == other || (other == Self::Align && matches!(self, Self::Equal | Self::SamePolarity))
    }
}

impl From<Agreement> for Subset {
    fn from(agreement: Agreement) -> Self {
        match agreement {
            Agreement::Equal => Self::Equal,
            Agreement::SamePolarity => Self::SamePolarity,
        }
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Subset {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| {
            let expected = "align, conflict, equal, same-polarity, missing-align or missing-conflict";
            VocabularyError::new("subset", word, expected)
        })
    }
}

/// How close the modalities of a clip in Align are to the ground truth (App. A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// All classes are equal.
    Equal,
    /// The polarities are the same, the classes are not.
    SamePolarity,
}

impl Agreement {
    /// The word used in JSON: `equal` or `same-polarity`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::SamePolarity => "same-polarity",
        }
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Agreement {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Equal, Self::SamePolarity]
            .into_iter()
            .find(|a| a.name() == word)
            .ok_or_else(|| VocabularyError::new("agreement", word, "equal or same-polarity"))
    }
}

/// What must differ for a modality to contradict the ground truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictLevel {
    /// The polarity, Neutral being a polarity of its own.
    #[default]
    Polarity,
    /// The class.
    Class5,
}

impl FromStr for ConflictLevel {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "polarity" => Ok(Self::Polarity),
            "class5" => Ok(Self::Class5),
            _ => Err(VocabularyError::new("conflict level", word, "polarity or class5")),
        }
    }
}

/// What must be equal for a clip to count as Equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Equality {
    /// The classes.
    #[default]
    Class,
    /// The grid scores.
    Score,
}

impl FromStr for Equality {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "class" => Ok(Self::Class),
            "score" => Ok(Self::Score),
            _ => Err(VocabularyError::new("equality", word, "class or score")),
        }
    }
}

/// The definition of the subsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetRules {
    /// What makes a conflict.
    pub conflict: ConflictLevel,
    /// What makes equality.
    pub equality: Equality,
}

impl SubsetRules {
    /// The subset of a clip of which `observed` is seen: Align, Conflict, or one of Missing.
    ///
    /// One differing modality suffices for Conflict. Align needs the label of every observed modality: if one is
    /// unknown and none differs, or nothing is observed, the answer is `None`.
    pub fn subset<L: Classed>(self, labels: &Labels<L>, observed: ModalitySet) -> Option<Subset> {
        let truth = labels.ground_truth;
        let differs = |label: L| match self.conflict {
            ConflictLevel::Polarity => label.polarity() != truth.polarity(),
            ConflictLevel::Class5 => label.class() != truth.class(),
        };
        let is_full = observed == ModalitySet::FULL;
        if observed.iter().filter_map(|m| labels.modality(m)).any(differs) {
            return Some(if is_full { Subset::Conflict } else { Subset::MissingConflict });
        }
        let is_known = !observed.is_empty() && observed.iter().all(|m| labels.modality(m).is_some());
        is_known.then_some(if is_full { Subset::Align } else { Subset::MissingAlign })
    }

    /// The agreement of a clip that is in Align as a whole; `None` for all others, and where equality asks for scores
    /// and only classes are known.
    pub fn agreement<L: Classed>(self, labels: &Labels<L>) -> Option<Agreement> {
        if self.subset(labels, ModalitySet::FULL) != Some(Subset::Align) {
            return None;
        }
        let truth = labels.ground_truth;
        let mut is_equal = true;
        for label in Modality::ALL.into_iter().filter_map(|m| labels.modality(m)) {
            is_equal &= match self.equality {
                Equality::Class => label.class() == truth.class(),
                Equality::Score => label.grid_score()? == truth.grid_score()?,
            };
        }
        Some(if is_equal { Agreement::Equal } else { Agreement::SamePolarity })
    }

    /// The narrowest subset: Equal or Same-polarity instead of Align.
    pub fn narrowest<L: Classed>(self, labels: &Labels<L>, observed: ModalitySet) -> Option<Subset> {
        match self.subset(labels, observed)? {
            Subset::Align => Some(self.agreement(labels).map_or(Subset::Align, Subset::from)),
            subset => Some(subset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use crate::labels::Label;
    use crate::per_modality::PerModality;
    use crate::sentiment::{GridScore, Sentiment};

    /// Labels of CH-SIMS from steps of GT, T, A, V.
    fn labels(steps: [i8; 4]) -> Labels {
        let label = |s: i8| {
            let score = GridScore::from_steps(s).unwrap();
            Label::new(score, Corpus::ChSims.class_of(score))
        };
        Labels {
            ground_truth: label(steps[0]),
            modalities: PerModality::from_fn(|m| Some(label(steps[1 + m.index()]))),
        }
    }

    fn full(steps: [i8; 4]) -> (Option<Subset>, Option<Agreement>) {
        let rules = SubsetRules::default();
        let labels = labels(steps);
        (rules.subset(&labels, ModalitySet::FULL), rules.agreement(&labels))
    }

    #[test]
    fn zero_is_a_polarity_of_its_own() {
        assert_eq!(full([2, 2, 0, 2]), (Some(Subset::Conflict), None));
        assert_eq!(full([0, 0, 0, 1]), (Some(Subset::Conflict), None));
        assert_eq!(full([0, 0, 0, 0]), (Some(Subset::Align), Some(Agreement::Equal)));
    }

    #[test]
    fn align_divides_into_equal_and_same_polarity() {
        assert_eq!(full([1, 2, 3, 1]), (Some(Subset::Align), Some(Agreement::Equal)));
        assert_eq!(full([1, 2, 4, 1]), (Some(Subset::Align), Some(Agreement::SamePolarity)));
        let by_score = SubsetRules { equality: Equality::Score, ..SubsetRules::default() };
        assert_eq!(by_score.agreement(&labels([1, 2, 3, 1])), Some(Agreement::SamePolarity));
    }

    #[test]
    fn class_level_conflict_is_stricter() {
        let rules = SubsetRules { conflict: ConflictLevel::Class5, ..SubsetRules::default() };
        assert_eq!(rules.subset(&labels([1, 2, 4, 1]), ModalitySet::FULL), Some(Subset::Conflict));
        assert_eq!(rules.subset(&labels([1, 2, 3, 1]), ModalitySet::FULL), Some(Subset::Align));
    }

    /// Only what is observed counts: the conflict in A vanishes when A is masked.
    #[test]
    fn a_masked_copy_is_judged_by_what_it_shows() {
        let labels = labels([2, 2, -2, 2]);
        let subset = |word: &str| SubsetRules::default().subset(&labels, word.parse().unwrap());
        assert_eq!(subset("TAV"), Some(Subset::Conflict));
        assert_eq!(subset("TV"), Some(Subset::MissingAlign));
        assert_eq!(subset("TA"), Some(Subset::MissingConflict));
        assert_eq!(subset("AV"), Some(Subset::MissingConflict));
        assert_eq!(subset("none"), None);
    }

    #[test]
    fn an_unknown_label_never_counts_as_agreement() {
        let mut labels = labels([2, 2, 2, 2]);
        labels.modalities.video = None;
        let subset = |word: &str| SubsetRules::default().subset(&labels, word.parse().unwrap());
        assert_eq!(subset("TAV"), None);
        assert_eq!(subset("TA"), Some(Subset::MissingAlign));
        labels.modalities.text =
            Some(Label::new(GridScore::from_steps(-1).unwrap(), Sentiment::WeaklyNegative));
        assert_eq!(SubsetRules::default().subset(&labels, ModalitySet::FULL), Some(Subset::Conflict));
    }

    #[test]
    fn the_narrowest_subset_says_how_close_the_labels_are() {
        let rules = SubsetRules::default();
        let narrowest = |steps, word: &str| rules.narrowest(&labels(steps), word.parse().unwrap());
        assert_eq!(narrowest([1, 2, 3, 1], "TAV"), Some(Subset::Equal));
        assert_eq!(narrowest([1, 2, 4, 1], "TAV"), Some(Subset::SamePolarity));
        assert_eq!(narrowest([1, 2, 0, 1], "TAV"), Some(Subset::Conflict));
        assert_eq!(narrowest([1, 2, 0, 1], "TV"), Some(Subset::MissingAlign));
        assert!(Subset::Equal.is_within(Subset::Align) && !Subset::Align.is_within(Subset::Equal));
        assert!(!Subset::MissingAlign.is_within(Subset::Align));
        // Without scores nobody knows whether they are equal.
        let by_score = SubsetRules { equality: Equality::Score, ..rules };
        let classes = labels([1, 2, 3, 1]).classes();
        assert_eq!(by_score.narrowest(&classes, ModalitySet::FULL), Some(Subset::Align));
    }
}
