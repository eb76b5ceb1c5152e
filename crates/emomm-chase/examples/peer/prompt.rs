//! A prompt with the parts of a clip, and its eight coalitions.

use emomm_dataset::{Modality, ModalitySet};
use emomm_models::decoder::Positions;
use emomm_models::layout::Layout;
use emomm_models::prompt_tree::{PromptRow, PromptToken};

/// Tokens before the video, of the sound, of the transcript, and of the instruction that ends the prompt; the rest is video.
const PARTS: [(Option<Modality>, usize); 4] =
    [(None, 20), (Some(Modality::Audio), 100), (Some(Modality::Text), 20), (None, 196)];

/// The prompt of one coalition out of a prompt of `tokens` tokens, in the order system, video, audio, transcript,
/// instruction.
pub(crate) fn row(tokens: usize, shown: ModalitySet, vocabulary: usize) -> PromptRow {
    let others: usize = PARTS.iter().map(|(_, n)| n).sum();
    let [system, audio, text, instruction] = PARTS;
    let video = (Some(Modality::Video), tokens.saturating_sub(others).max(1));
    let mut layout = Layout::default();
    let mut ids = Vec::new();
    // Each token has the id of its place in the whole prompt, whatever is left out before it.
    let mut place = 0;
    for (class, count) in [system, video, audio, text, instruction] {
        if class.is_none_or(|m| shown.contains(m)) {
            layout.push(class, count);
            ids.extend((place..place + count).map(|i| PromptToken::Id((i * 97 % vocabulary) as u32)));
        }
        place += count;
    }
    let positions = Positions::sequential(0, ids.len());
    PromptRow { tokens: ids, positions, layout }
}

/// The ids of a prompt.
pub(crate) fn ids(row: &PromptRow) -> Vec<u32> {
    let id = |token: &PromptToken| match token {
        PromptToken::Id(id) => Some(*id),
        PromptToken::Media(..) => None,
    };
    row.tokens.iter().filter_map(id).collect()
}
