//! What the router is taught: conflict label p* and target gate g* of Eq. (9).

use emomm_dataset::{Modality, ModalitySet, Polarity, Sentiment};
use serde::{Deserialize, Serialize};

use crate::error::{ChaseError, Result};

/// Who says whether a modality is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The labels that annotators gave to each modality alone.
    #[default]
    UnimodalLabels,
    /// The frozen model's own answer to each modality alone, so that a corpus with multimodal labels suffices.
    SelfAnswers,
}

/// What must be equal for a modality to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelLevel {
    /// The class, as y in Eq. (9).
    #[default]
    Class,
    /// The polarity, as the subsets of the benchmark.
    Polarity,
    /// r_m = 1 − |Δy| / 4 over the five classes. For r_m only.
    Ordinal,
}

impl LabelLevel {
    /// Its word in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Polarity => "polarity",
            Self::Ordinal => "ordinal",
        }
    }
}

/// What Neutral is among polarities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeutralPolarity {
    /// A polarity of its own.
    #[default]
    Own,
    /// It agrees with every polarity.
    Wildcard,
}

/// What the gate is taught where no modality is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoneCorrect {
    /// Eq. (9) as written: uniform.
    #[default]
    Uniform,
    /// Nothing: the KL term is left out.
    Skip,
}

/// How targets are made from labels. Every field is a choice that the paper leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetRules {
    /// Level of r_m.
    pub correctness: LabelLevel,
    /// Level of p*.
    pub conflict: LabelLevel,
    /// Neutral among polarities.
    pub neutral: NeutralPolarity,
    /// Whether p* looks at all three labels even where a modality is masked.
    pub conflict_over_all: bool,
    /// ε of Eq. (9).
    pub epsilon: f64,
    /// Where no modality is right.
    pub none_correct: NoneCorrect,
}

impl Default for TargetRules {
    /// Class level over the modalities shown, ε = 0.1, uniform where none is right.
    fn default() -> Self {
        Self {
            correctness: LabelLevel::Class,
            conflict: LabelLevel::Class,
            neutral: NeutralPolarity::Own,
            conflict_over_all: false,
            epsilon: 0.1,
            none_correct: NoneCorrect::Uniform,
        }
    }
}

/// p* and g* of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// p*: 1 if a label of a modality disagrees with the ground truth, else 0.
    pub conflict: f64,
    /// g*, T, A, V: sums to 1 over what is shown, 0 elsewhere.
    pub gate: [f64; 3],
    /// Which modalities are right, at the level of r_m; with the ordinal level, where r_m = 1.
    pub correct: [bool; 3],
    /// Whether the gate is taught at all.
    pub has_gate: bool,
}

impl TargetRules {
    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(ChaseError::setting("gate_epsilon", self.epsilon, "a positive number"));
        }
        // A conflict is there or not.
        if self.conflict == LabelLevel::Ordinal {
            return Err(ChaseError::setting("conflict", "\"ordinal\"", "\"class\" or \"polarity\""));
        }
        Ok(())
    }

    /// p* and g* of Eq. (9). `None` if the label of a modality that counts is unknown, or nothing is shown.
    ///
    /// `unimodal` are the labels of T, A, V: those of annotators, or the model's own answers.
    pub fn target(
        &self,
        ground_truth: Sentiment,
        unimodal: [Option<Sentiment>; 3],
        shown: ModalitySet,
    ) -> Option<Target> {
        if shown.is_empty() {
            return None;
        }
        let (mut weights, mut correct) = ([0.0; 3], [false; 3]);
        for modality in shown.iter() {
            let label = unimodal[modality.index()]?;
            let right = self.correctness(label, ground_truth);
            weights[modality.index()] = right + self.epsilon;
            correct[modality.index()] = right >= 1.0;
        }
        let sum: f64 = weights.iter().sum();
        let looked_at = if self.conflict_over_all { ModalitySet::FULL } else { shown };
        let mut conflict = false;
        for modality in looked_at.iter() {
            conflict |= self.differs(unimodal[modality.index()]?, ground_truth);
        }
        let any = correct.iter().any(|c| *c);
        Some(Target {
            conflict: f64::from(u8::from(conflict)),
            gate: weights.map(|w| w / sum),
            correct,
            has_gate: any || self.none_correct == NoneCorrect::Uniform,
        })
    }

    /// r_m
    fn correctness(&self, label: Sentiment, truth: Sentiment) -> f64 {
        match self.correctness {
            LabelLevel::Class => f64::from(u8::from(label == truth)),
            LabelLevel::Polarity => f64::from(u8::from(self.same_polarity(label, truth))),
            LabelLevel::Ordinal => 1.0 - label.index().abs_diff(truth.index()) as f64 / 4.0,
        }
    }

    fn differs(&self, label: Sentiment, truth: Sentiment) -> bool {
        match self.conflict {
            LabelLevel::Class | LabelLevel::Ordinal => label != truth,
            LabelLevel::Polarity => !self.same_polarity(label, truth),
        }
    }

    fn same_polarity(&self, label: Sentiment, truth: Sentiment) -> bool {
        let (a, b) = (label.polarity(), truth.polarity());
        let wildcard =
            self.neutral == NeutralPolarity::Wildcard && (a == Polarity::Neutral || b == Polarity::Neutral);
        a == b || wildcard
    }
}

impl Target {
    /// Whether a gate's first choice among what is shown is a modality that is right. `None` where none is.
    pub fn hit(&self, gate: [f64; 3], shown: ModalitySet) -> Option<bool> {
        if !self.correct.iter().any(|c| *c) {
            return None;
        }
        let shown = shown.iter().map(Modality::index);
        let first = shown.fold(None, |best: Option<usize>, m| match best {
            Some(b) if gate[b] >= gate[m] => Some(b),
            _ => Some(m),
        });
        first.map(|m| self.correct[m])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyPositive};

    fn close(a: [f64; 3], b: [f64; 3]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3), "{a:?} {b:?}");
    }

    fn rules() -> TargetRules {
        TargetRules::default()
    }

    #[test]
    fn the_figures_of_epsilon_a_tenth() {
        let one =
            rules().target(Positive, [Some(Neutral), Some(Negative), Some(Positive)], ModalitySet::FULL);
        close(one.unwrap().gate, [0.077, 0.077, 0.846]);
        let two =
            rules().target(Positive, [Some(Positive), Some(Negative), Some(Positive)], ModalitySet::FULL);
        close(two.unwrap().gate, [0.478, 0.043, 0.478]);
        assert_eq!(two.unwrap().conflict.to_bits(), 1.0_f64.to_bits());
        let none = rules().target(Positive, [Some(Neutral); 3], ModalitySet::FULL).unwrap();
        close(none.gate, [1.0 / 3.0; 3]);
        assert!(none.has_gate && none.hit(none.gate, ModalitySet::FULL).is_none());
    }

    #[test]
    fn masked_modalities_neither_count_nor_conflict() {
        let labels = [Some(Positive), Some(Negative), Some(Positive)];
        let shown = "TV".parse().unwrap();
        let target = rules().target(Positive, labels, shown).unwrap();
        assert_eq!((target.conflict.to_bits(), target.gate[1].to_bits()), (0, 0));
        let all = TargetRules { conflict_over_all: true, ..rules() };
        assert_eq!(all.target(Positive, labels, shown).unwrap().conflict.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn levels_differ_where_the_polarity_is_the_same() {
        let labels = [Some(WeaklyPositive), Some(Positive), Some(Neutral)];
        let polarity = TargetRules {
            correctness: LabelLevel::Polarity,
            conflict: LabelLevel::Polarity,
            neutral: NeutralPolarity::Wildcard,
            ..rules()
        };
        assert_eq!(polarity.target(Positive, labels, ModalitySet::FULL).unwrap().conflict.to_bits(), 0);
        let class = rules().target(Positive, labels, ModalitySet::FULL).unwrap();
        assert_eq!(class.correct, [false, true, false]);
        let ordinal = TargetRules { correctness: LabelLevel::Ordinal, ..rules() };
        close(ordinal.target(Positive, labels, ModalitySet::FULL).unwrap().gate, [0.333, 0.431, 0.235]);
    }

    #[test]
    fn an_unknown_label_or_no_evidence_has_no_target() {
        assert!(rules().target(Positive, [None, Some(Positive), None], ModalitySet::FULL).is_none());
        assert!(rules().target(Positive, [Some(Positive); 3], ModalitySet::NONE).is_none());
        assert!(rules().target(Positive, [None, Some(Positive), None], "A".parse().unwrap()).is_some());
    }

    #[test]
    fn a_hit_is_any_right_modality() {
        let labels = [Some(Positive), Some(Negative), Some(Positive)];
        let target = rules().target(Positive, labels, ModalitySet::FULL).unwrap();
        assert_eq!(target.hit([0.4, 0.1, 0.5], ModalitySet::FULL), Some(true));
        assert_eq!(target.hit([0.3, 0.4, 0.3], ModalitySet::FULL), Some(false));
    }
}
