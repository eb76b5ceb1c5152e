//! Modality preference π of a head, Eq. (6).

use emomm_dataset::ModalitySet;
use serde::{Deserialize, Serialize};

use crate::error::{ChaseError, Result};
use crate::token_sets::TokenSets;

/// How attention becomes a distribution over modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreferenceForm {
    /// nMAS_m over the sum of nMAS, which is softmax(log nMAS). The literal form below is nearly uniform, since nMAS is of
    /// the order of 1e-4.
    #[default]
    Share,
    /// softmax(nMAS), Eq. (6) to the letter.
    SoftmaxRaw,
    /// softmax(nMAS · N / temperature) with N keys.
    SoftmaxScaled,
    /// Attention mass of the modality over the mass of all: the sum over its tokens instead of the mean.
    MassShare,
}

/// Form and temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PreferenceOptions {
    /// The form.
    pub form: PreferenceForm,
    /// Divides the exponent of [`PreferenceForm::SoftmaxScaled`].
    pub temperature: f64,
}

impl Default for PreferenceOptions {
    fn default() -> Self {
        Self { form: PreferenceForm::Share, temperature: 1.0 }
    }
}

impl PreferenceOptions {
    /// Checks the temperature.
    pub fn check(self) -> Result<()> {
        if self.temperature > 0.0 && self.temperature.is_finite() {
            return Ok(());
        }
        Err(ChaseError::setting("preference_temperature", self.temperature, "a positive number"))
    }

    /// π from a head's nMAS and mass: a distribution over `present`, 0 elsewhere.
    ///
    /// Where no attention at all falls on any modality, or none is present, the answer is uniform over what is present.
    pub fn of_scores(self, nmas: [f64; 3], mass: [f64; 3], present: [bool; 3], n_keys: usize) -> [f64; 3] {
        match self.form {
            PreferenceForm::Share => shares(nmas, present),
            PreferenceForm::MassShare => shares(mass, present),
            PreferenceForm::SoftmaxRaw => softmax(nmas, present),
            PreferenceForm::SoftmaxScaled => {
                softmax(nmas.map(|x| x * n_keys as f64 / self.temperature), present)
            }
        }
    }
}

/// Sum and mean of a head's attention over the tokens of each modality; 0 where it has none.
///
/// # Shapes
/// `pattern [key]` → mass, nMAS
pub(crate) fn scores(pattern: &[f32], sets: &TokenSets) -> ([f64; 3], [f64; 3]) {
    let mass = [0, 1, 2].map(|m| sets.all()[m].iter().map(|k| f64::from(pattern[*k])).sum::<f64>());
    let nmas = [0, 1, 2].map(|m| mass[m] / sets.all()[m].len().max(1) as f64);
    (mass, nmas)
}

/// π^{ℓ,h} of one head's attention row, Eq. (6).
///
/// # Shapes
/// `pattern [key]` → T, A, V; sums to 1 over what is present
pub fn preference(pattern: &[f32], sets: &TokenSets, options: PreferenceOptions) -> [f64; 3] {
    let (mass, nmas) = scores(pattern, sets);
    options.of_scores(nmas, mass, sets.present(), sets.n_keys())
}

/// π^ℓ: the mean over heads.
pub fn mean_preference(heads: &[[f64; 3]]) -> [f64; 3] {
    let n = heads.len().max(1) as f64;
    [0, 1, 2].map(|m| heads.iter().map(|p| p[m]).sum::<f64>() / n)
}

/// Flags in the order T, A, V.
pub(crate) fn flags(set: ModalitySet) -> [bool; 3] {
    emomm_dataset::Modality::ALL.map(|m| set.contains(m))
}

fn shares(scores: [f64; 3], present: [bool; 3]) -> [f64; 3] {
    let kept = [0, 1, 2].map(|m| if present[m] { scores[m] } else { 0.0 });
    let sum: f64 = kept.iter().sum();
    if sum > 0.0 { kept.map(|x| x / sum) } else { uniform(present) }
}

/// softmax over what is present; 0 elsewhere.
pub(crate) fn softmax(scores: [f64; 3], present: [bool; 3]) -> [f64; 3] {
    let greatest = (0..3).filter(|m| present[*m]).map(|m| scores[m]).fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return uniform(present);
    }
    let exp = [0, 1, 2].map(|m| if present[m] { (scores[m] - greatest).exp() } else { 0.0 });
    let sum: f64 = exp.iter().sum();
    exp.map(|x| x / sum)
}

fn uniform(present: [bool; 3]) -> [f64; 3] {
    let n = present.iter().filter(|p| **p).count().max(1) as f64;
    present.map(|p| if p { 1.0 / n } else { 0.0 })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that are exact")]
mod tests {
    use emomm_dataset::Modality;
    use emomm_models::layout::Layout;

    use super::*;
    use crate::token_sets::TextScope;

    fn sets() -> TokenSets {
        let mut layout = Layout::default();
        layout.push(None, 1);
        layout.push(Some(Modality::Video), 4);
        layout.push(Some(Modality::Text), 2);
        layout.push(None, 1);
        TokenSets::of(&layout, TextScope::Transcript, 0)
    }

    const PATTERN: [f32; 8] = [0.2, 0.05, 0.05, 0.05, 0.05, 0.1, 0.2, 0.3];

    fn pi(form: PreferenceForm) -> [f64; 3] {
        preference(&PATTERN, &sets(), PreferenceOptions { form, temperature: 1.0 })
    }

    #[test]
    fn forms_by_hand() {
        let close = |a: [f64; 3], b: [f64; 3]| {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-7), "{a:?} {b:?}");
        };
        // nMAS: T 0.15, V 0.05; mass: T 0.3, V 0.2.
        close(pi(PreferenceForm::Share), [0.75, 0.0, 0.25]);
        close(pi(PreferenceForm::MassShare), [0.6, 0.0, 0.4]);
        let e = 0.1_f64.exp();
        close(pi(PreferenceForm::SoftmaxRaw), [e / (e + 1.0), 0.0, 1.0 / (e + 1.0)]);
        let e = 0.8_f64.exp();
        close(pi(PreferenceForm::SoftmaxScaled), [e / (e + 1.0), 0.0, 1.0 / (e + 1.0)]);
    }

    #[test]
    fn no_attention_on_any_modality_is_uniform_over_what_is_present() {
        let options = PreferenceOptions::default();
        assert_eq!(preference(&[0.0; 8], &sets(), options), [0.5, 0.0, 0.5]);
    }
}
