//! Answers made of the letter logits of several coalitions: comparators that touch no attention.

use emomm_dataset::{Modality, ModalitySet};
use serde::{Deserialize, Serialize};

/// How an answer is made from answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fusion {
    /// The single-modality letters' probabilities, weighted by the router's mean gate of the clean step.
    LateFusion,
    /// z_C + (z_C − z_{C without V}): what the video adds counts twice. Coalitions without video, or of video alone, stay.
    Contrast,
    /// z_C − z_∅: calibrated by the answer to no evidence.
    Calibration,
}

impl Fusion {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("late_fusion", Self::LateFusion), ("contrast", Self::Contrast), ("calibration", Self::Calibration)];

    /// The fusion of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, fusion)| fusion)
    }

    /// The coalitions whose logits it needs beside `coalition`.
    pub fn needs(self, coalition: ModalitySet) -> Vec<ModalitySet> {
        match self {
            Self::LateFusion => coalition.iter().map(|m| ModalitySet::NONE.with(m)).collect(),
            Self::Contrast if is_contrasted(coalition) => vec![coalition.without(Modality::Video)],
            Self::Contrast => Vec::new(),
            Self::Calibration => vec![ModalitySet::NONE],
        }
    }

    /// The fused letter logits; `None` where something that is needed is missing.
    pub fn logits(
        self,
        coalition: ModalitySet,
        gate: Option<[f64; 3]>,
        logits_of: &dyn Fn(ModalitySet) -> Option<[f32; 5]>,
    ) -> Option<[f32; 5]> {
        let own = logits_of(coalition)?;
        match self {
            Self::LateFusion if coalition.is_empty() => Some(own),
            Self::LateFusion => {
                let gate = gate?;
                let mut mixed = [0.0_f64; 5];
                for modality in coalition.iter() {
                    let single = probabilities(logits_of(ModalitySet::NONE.with(modality))?);
                    for (sum, p) in mixed.iter_mut().zip(single) {
                        *sum += gate[modality.index()] * p;
                    }
                }
                Some(mixed.map(|p| p.max(f64::MIN_POSITIVE).ln() as f32))
            }
            Self::Contrast if is_contrasted(coalition) => {
                let without = logits_of(coalition.without(Modality::Video))?;
                Some(std::array::from_fn(|i| 2.0 * own[i] - without[i]))
            }
            Self::Contrast => Some(own),
            Self::Calibration => {
                let nothing = logits_of(ModalitySet::NONE)?;
                Some(std::array::from_fn(|i| own[i] - nothing[i]))
            }
        }
    }
}

fn is_contrasted(coalition: ModalitySet) -> bool {
    coalition.contains(Modality::Video) && coalition.len() > 1
}

fn probabilities(logits: [f32; 5]) -> [f64; 5] {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp = logits.map(|l| f64::from(l - greatest).exp());
    let sum: f64 = exp.iter().sum();
    exp.map(|e| e / sum)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that are exact")]
mod tests {
    use super::*;

    fn table(coalition: ModalitySet) -> Option<[f32; 5]> {
        Some(match coalition.to_string().as_str() {
            "none" => [1.0, 0.0, 0.0, 0.0, 0.0],
            "T" => [9.0, 0.0, 0.0, 0.0, 0.0],
            "V" => [0.0, 9.0, 0.0, 0.0, 0.0],
            "TV" => [2.0, 1.5, 0.0, 0.0, 0.0],
            _ => return None,
        })
    }

    #[test]
    fn by_hand() {
        let tv = "TV".parse().unwrap();
        let best = |logits: [f32; 5]| emomm_models::white_box::greatest(&logits);
        let late = Fusion::LateFusion.logits(tv, Some([0.2, 0.0, 0.8]), &table).unwrap();
        assert_eq!(best(late), 1);
        assert_eq!(Fusion::LateFusion.logits(tv, None, &table), None);
        assert_eq!(Fusion::Calibration.logits(tv, None, &table).unwrap(), [1.0, 1.5, 0.0, 0.0, 0.0]);
        assert_eq!(Fusion::Contrast.logits(tv, None, &table).unwrap()[0], 2.0 * 2.0 - 9.0);
        assert_eq!(Fusion::Contrast.needs(tv), ["T".parse().unwrap()]);
        assert_eq!(Fusion::Contrast.logits("V".parse().unwrap(), None, &table).unwrap()[1], 9.0);
    }
}
