//! nMAS and attention mass of the decision row: a hook that looks and changes nothing.

use candle_core::{Result, Tensor};
use emomm_dataset::Modality;
use emomm_eval::{AttentionSummary, PerModality};

use crate::decoder::{DecisionHook, DecisionLayer};
use crate::layout::Layout;

/// Attention mass on a modality: Σ_{k ∈ K_m} A_{q,k}. `None` when the modality has no tokens.
pub fn mass(pattern: &[f32], layout: &Layout, modality: Modality) -> Option<f32> {
    let spans = layout.spans(modality);
    let sum: f64 = spans.iter().flat_map(|s| &pattern[s.clone()]).map(|a| f64::from(*a)).sum();
    (!spans.is_empty()).then_some(sum as f32)
}

/// Normalised mean attention score, Eq. (5): the attention that the decision row pays to a modality, per token.
///
/// `pattern` is one head's row of attention weights, at least as long as the prompt. The value lies in [0, 1/|K_m|].
/// `None` when the modality has no tokens.
pub fn nmas(pattern: &[f32], layout: &Layout, modality: Modality) -> Option<f32> {
    mass(pattern, layout, modality).map(|m| m / layout.count(modality) as f32)
}

/// Records the attention of variant 0 in every layer of a decode step.
#[derive(Debug)]
pub struct AttentionRecorder<'a> {
    layout: &'a Layout,
    /// `[layer][head][key]`
    patterns: Vec<Vec<Vec<f32>>>,
}

impl<'a> AttentionRecorder<'a> {
    /// Records with respect to the prompt's layout.
    pub fn new(layout: &'a Layout) -> Self {
        Self { layout, patterns: Vec::new() }
    }

    /// The attention weights, `[layer][head][key]`.
    pub fn patterns(&self) -> &[Vec<Vec<f32>>] {
        &self.patterns
    }

    /// nMAS and mass by layer and head; `None` for modalities that are not in the prompt.
    pub fn summary(&self) -> AttentionSummary {
        let table = |value: fn(&[f32], &Layout, Modality) -> Option<f32>, m: Modality| {
            self.patterns
                .iter()
                .map(|heads| heads.iter().map(|row| value(row, self.layout, m)).collect::<Option<Vec<f32>>>())
                .collect()
        };
        AttentionSummary {
            nmas: PerModality::from_fn(|m| table(nmas, m)),
            mass: PerModality::from_fn(|m| table(mass, m)),
        }
    }
}

impl DecisionHook for AttentionRecorder<'_> {
    fn attn_bias(&mut self, _layer: &DecisionLayer<'_>) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn observe_pattern(&mut self, _layer: usize, pattern: &Tensor) -> Result<()> {
        self.patterns.push(pattern.get(0)?.to_vec2()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_sum_over_the_tokens_of_a_modality() {
        let mut layout = Layout::default();
        layout.push(None, 1);
        layout.push(Some(Modality::Video), 2);
        layout.push(Some(Modality::Text), 1);
        let pattern = [0.5, 0.125, 0.25, 0.125];
        assert_eq!(mass(&pattern, &layout, Modality::Video), Some(0.375));
        assert_eq!(nmas(&pattern, &layout, Modality::Video), Some(0.1875));
        assert_eq!(nmas(&pattern, &layout, Modality::Text), Some(0.125));
        assert_eq!(nmas(&pattern, &layout, Modality::Audio), None);
    }
}
