//! What is left of a prompt that is laid out for everything where modalities are withheld: their places are blank, or no
//! other token attends to them.
//!
//! Tokens that hold a part of the transcript beside other text (a full stop and the line break after it) tell something of the
//! transcript, so they are withheld with it.

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::Missingness;

use crate::decoder::Positions;
use crate::error::Result;
use crate::layout::Layout;
use crate::prompt_tree::{PromptRow, PromptToken};

/// How modalities are withheld from a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withhold {
    /// Their tokens are left out of the sequence, and all others keep their positions: the same as an attention mask that hides
    /// the tokens from all later rows in all layers.
    Mask,
    /// Their tokens are replaced one by one, so that nothing moves. Blank rows of a medium follow its real ones in
    /// [`crate::prompt_tree::MediaEmbeddings`].
    Blank {
        /// Stands for each token of the transcript.
        token: u32,
    },
}

impl PromptRow {
    /// The prompt, laid out for some modalities, as a coalition of them is shown it. `blank` gives the token that stands for
    /// those of a blank transcript.
    pub(crate) fn shown_to(
        self,
        coalition: ModalitySet,
        laid_out: ModalitySet,
        missing: Missingness,
        blank: impl FnOnce() -> Result<u32>,
    ) -> Result<Self> {
        let withheld: ModalitySet = laid_out.iter().filter(|m| !coalition.contains(*m)).collect();
        Ok(match missing {
            Missingness::Omit => self,
            Missingness::Mask => self.withholding(withheld, Withhold::Mask),
            Missingness::Blank => self.withholding(withheld, Withhold::Blank { token: blank()? }),
        })
    }

    /// The prompt with some modalities withheld. Their places belong to no modality.
    #[must_use]
    pub fn withholding(&self, withheld: ModalitySet, how: Withhold) -> Self {
        if withheld.is_empty() {
            return self.clone();
        }
        let (mut tokens, mut positions, mut layout) = (Vec::new(), Vec::new(), Layout::default());
        for (at, (token, position)) in self.tokens.iter().zip(self.positions.as_slice()).enumerate() {
            let part_of = self.layout.class(at).or(self.layout.straddles(at).then_some(Modality::Text));
            let is_withheld = part_of.is_some_and(|m| withheld.contains(m));
            match how {
                _ if !is_withheld => {
                    tokens.push(*token);
                    layout.push_as(&self.layout, at);
                }
                Withhold::Mask => continue,
                Withhold::Blank { token: blank } => {
                    tokens.push(match token {
                        PromptToken::Media(modality, row) => {
                            PromptToken::Media(*modality, self.layout.count(*modality) + row)
                        }
                        PromptToken::Id(_) => PromptToken::Id(blank),
                    });
                    layout.push_blank();
                }
            }
            positions.push(*position);
        }
        Self { tokens, positions: Positions::new(positions), layout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marker, three video rows, marker, two words, a straddling full stop, an end.
    fn row() -> PromptRow {
        let mut layout = Layout::default();
        layout.push(None, 1);
        layout.push(Some(Modality::Video), 3);
        layout.push(None, 1);
        layout.push(Some(Modality::Text), 2);
        layout.push_straddling();
        layout.push(None, 1);
        let video = (0..3).map(|i| PromptToken::Media(Modality::Video, i));
        let mut tokens = vec![PromptToken::Id(10)];
        tokens.extend(video);
        tokens.extend([11, 12, 13, 14, 15].map(PromptToken::Id));
        PromptRow { tokens, positions: Positions::sequential(0, 9), layout }
    }

    fn ids(row: &PromptRow) -> Vec<u32> {
        let id = |t: &PromptToken| match t {
            PromptToken::Id(id) => *id,
            PromptToken::Media(_, row) => 100 + *row as u32,
        };
        row.tokens.iter().map(id).collect()
    }

    fn places(row: &PromptRow) -> Vec<u32> {
        row.positions.as_slice().iter().map(|p| p[0]).collect()
    }

    #[test]
    fn a_masked_modality_is_gone_and_nothing_else_moves() {
        let masked = row().withholding("T".parse().unwrap(), Withhold::Mask);
        assert_eq!(ids(&masked), [10, 100, 101, 102, 11, 15]);
        assert_eq!(places(&masked), [0, 1, 2, 3, 4, 8]);
        assert_eq!(masked.layout.count(Modality::Text), 0);
        assert_eq!(masked.layout.spans(Modality::Video), std::slice::from_ref(&(1..4)));
        let both = row().withholding("TV".parse().unwrap(), Withhold::Mask);
        assert_eq!(ids(&both), [10, 11, 15]);
    }

    #[test]
    fn a_blank_modality_keeps_its_length_and_belongs_to_nobody() {
        let how = Withhold::Blank { token: 7 };
        let blank = row().withholding("TV".parse().unwrap(), how);
        assert_eq!(ids(&blank), [10, 103, 104, 105, 11, 7, 7, 7, 15]);
        assert_eq!(places(&blank), (0..9).collect::<Vec<_>>());
        let counts = blank.layout.token_counts();
        assert_eq!((counts.text, counts.video, counts.other, counts.total), (0, 0, 9, 9));
        let is_blank: Vec<bool> = (0..9).map(|at| blank.layout.is_blank(at)).collect();
        assert_eq!(is_blank, [false, true, true, true, false, true, true, true, false]);
        let kept = row().withholding(ModalitySet::NONE, how);
        assert_eq!((ids(&kept), kept.layout), (ids(&row()), row().layout));
    }
}
