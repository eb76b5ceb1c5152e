//! The token sets K_m of Eq. (5) as CHASE uses them: which keys count for which modality.

use emomm_dataset::{Modality, ModalitySet};
use emomm_models::layout::Layout;
use serde::{Deserialize, Serialize};

/// Which tokens are K_T. The paper does not say whether instruction and chat markers belong to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextScope {
    /// The transcript's own tokens; all others belong to no modality and get no bias.
    #[default]
    Transcript,
    /// Also everything after the last token of evidence: the instruction and the chat's closing markers. Only where a
    /// transcript is shown.
    WithInstruction,
    /// Every token that is neither audio nor video. Only where a transcript is shown.
    AllText,
}

impl TextScope {
    /// Its word in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transcript => "transcript",
            Self::WithInstruction => "with_instruction",
            Self::AllText => "all_text",
        }
    }
}

/// Ascending key positions of each modality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSets {
    sets: [Vec<usize>; 3],
    /// Keys of the decision row, itself included.
    n_keys: usize,
}

impl TokenSets {
    /// The sets of a prompt. The first `n_sinks` tokens are in none of them.
    pub fn of(layout: &Layout, scope: TextScope, n_sinks: usize) -> Self {
        let mut sets = Modality::ALL.map(|m| layout.spans(m).iter().cloned().flatten().collect::<Vec<_>>());
        let text = Modality::Text.index();
        if !sets[text].is_empty() {
            // What stands where a modality is withheld is no text either.
            let is_text = |token: &usize| {
                !matches!(layout.class(*token), Some(Modality::Audio | Modality::Video))
                    && !layout.is_blank(*token)
            };
            let last_evidence = sets.iter().filter_map(|s| s.last()).max().copied().unwrap_or(0);
            match scope {
                TextScope::Transcript => {}
                TextScope::WithInstruction => {
                    sets[text].extend((last_evidence + 1..layout.total()).filter(is_text));
                }
                TextScope::AllText => sets[text] = (0..layout.total()).filter(is_text).collect(),
            }
        }
        for set in &mut sets {
            set.retain(|token| *token >= n_sinks);
        }
        Self { sets, n_keys: layout.total() }
    }

    /// Keys of one modality.
    pub fn of_modality(&self, modality: Modality) -> &[usize] {
        &self.sets[modality.index()]
    }

    /// In the order T, A, V.
    pub fn all(&self) -> &[Vec<usize>; 3] {
        &self.sets
    }

    /// 𝓜ₓ: the modalities with at least one token.
    pub fn available(&self) -> ModalitySet {
        Modality::ALL.into_iter().filter(|m| !self.sets[m.index()].is_empty()).collect()
    }

    /// The same as flags in the order T, A, V.
    pub fn present(&self) -> [bool; 3] {
        [0, 1, 2].map(|m| !self.sets[m].is_empty())
    }

    /// Number of keys of the decision row, itself included.
    pub fn n_keys(&self) -> usize {
        self.n_keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(with_text: bool) -> Layout {
        let mut layout = Layout::default();
        layout.push(None, 2);
        layout.push(Some(Modality::Video), 3);
        layout.push(None, 1);
        layout.push(Some(Modality::Text), if with_text { 2 } else { 0 });
        layout.push(None, 4);
        layout
    }

    #[test]
    fn scopes_differ_in_the_text_alone() {
        let text = |scope| TokenSets::of(&layout(true), scope, 0).of_modality(Modality::Text).to_vec();
        assert_eq!(text(TextScope::Transcript), [6, 7]);
        assert_eq!(text(TextScope::WithInstruction), [6, 7, 8, 9, 10, 11]);
        assert_eq!(text(TextScope::AllText), [0, 1, 5, 6, 7, 8, 9, 10, 11]);
        let sinks = TokenSets::of(&layout(true), TextScope::AllText, 3);
        assert_eq!(sinks.of_modality(Modality::Text)[0], 5);
        assert_eq!(sinks.of_modality(Modality::Video), [3, 4]);
    }

    #[test]
    fn what_stands_for_a_withheld_modality_is_no_text() {
        let mut layout = Layout::default();
        layout.push(None, 1);
        layout.push(Some(Modality::Text), 2);
        layout.push_blank();
        layout.push(None, 1);
        let text = |scope| TokenSets::of(&layout, scope, 0).of_modality(Modality::Text).to_vec();
        assert_eq!(text(TextScope::AllText), [0, 1, 2, 4]);
        assert_eq!(text(TextScope::WithInstruction), [1, 2, 4]);
    }

    #[test]
    fn a_missing_transcript_is_not_replaced_by_the_instruction() {
        for scope in [TextScope::Transcript, TextScope::WithInstruction, TextScope::AllText] {
            let sets = TokenSets::of(&layout(false), scope, 0);
            assert_eq!(sets.available(), [Modality::Video].into_iter().collect());
        }
    }
}
