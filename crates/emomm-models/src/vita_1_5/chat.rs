//! The paper's prompt in VITA's chat format: rendered for people, and as rows for the decoder.
//!
//! Every frame is an `<image>`, and a line break follows the last one; a sound is an `<audio>`. Text between them is tokenised piece
//! by piece, as the authors do. After the assistant's marker stands the sign that opens an answer, so that the next token is
//! the letter.

use std::ops::Range;

use emomm_dataset::Modality;
use emomm_eval::prompt::{Part, Prompt};

use super::config::{AudioPlace, VitaSettings};
use crate::chat_tokenizer::ChatTokenizer;
use crate::decoder::Positions;
use crate::error::Result;
use crate::layout::Layout;
use crate::prompt_tree::{PromptRow, PromptToken};

/// Opens a turn.
pub(super) const IM_START: &str = "<|im_start|>";
/// Closes a turn.
pub(super) const IM_END: &str = "<|im_end|>";
/// Ends a text.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";
/// Stands for the frames in a rendered prompt.
const IMAGE: &str = "<image>";
/// Stands for the sound in a rendered prompt.
const AUDIO: &str = "<audio>";

/// A run of the chat between two special tokens or media, or one of those.
enum Piece {
    Special(&'static str),
    Media(Modality),
    Text { text: String, transcript: Option<Range<usize>> },
}

/// Text that waits for what ends its run.
#[derive(Default)]
struct Waiting {
    text: String,
    transcript: Option<Range<usize>>,
}

impl Waiting {
    fn end(&mut self, pieces: &mut Vec<Piece>) {
        let Self { text, transcript } = std::mem::take(self);
        if !text.is_empty() {
            pieces.push(Piece::Text { text, transcript });
        }
    }
}

fn pieces(prompt: &Prompt, settings: VitaSettings) -> Vec<Piece> {
    let plain = |text: String| Piece::Text { text, transcript: None };
    let mut pieces = vec![
        Piece::Special(IM_START),
        plain(format!("system\n{}", prompt.system)),
        Piece::Special(IM_END),
        plain("\n".to_owned()),
        Piece::Special(IM_START),
    ];
    let mut waiting = Waiting { text: "user\n".to_owned(), transcript: None };
    for part in &prompt.parts {
        match part {
            Part::Video => {
                waiting.end(&mut pieces);
                pieces.push(Piece::Media(Modality::Video));
                waiting.text.push('\n');
            }
            Part::Audio if settings.audio_place == AudioPlace::BeforeText => {
                waiting.end(&mut pieces);
                pieces.push(Piece::Media(Modality::Audio));
            }
            Part::Audio => {}
            Part::Transcript { heading, text, terminator } => {
                waiting.text.push_str(heading);
                let start = waiting.text.len();
                waiting.text.push_str(text);
                waiting.transcript = Some(start..waiting.text.len());
                waiting.text.push_str(terminator);
            }
            Part::Instruction(instruction) => waiting.text.push_str(instruction),
        }
    }
    waiting.end(&mut pieces);
    if settings.audio_place == AudioPlace::Last && prompt.parts.contains(&Part::Audio) {
        pieces.push(Piece::Media(Modality::Audio));
    }
    pieces.extend([Piece::Special(IM_END), plain("\n".to_owned()), Piece::Special(IM_START)]);
    pieces.push(plain(format!("assistant\n{}", settings.state_token.sign())));
    pieces
}

/// The chat as text, with one placeholder for each medium.
pub fn render(prompt: &Prompt, settings: VitaSettings) -> String {
    pieces(prompt, settings)
        .into_iter()
        .map(|piece| match piece {
            Piece::Special(token) => token.to_owned(),
            Piece::Media(Modality::Video) => IMAGE.to_owned(),
            Piece::Media(_) => AUDIO.to_owned(),
            Piece::Text { text, .. } => text,
        })
        .collect()
}

/// Tokens of a clip's media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MediaTokens {
    /// Tokens of all frames.
    pub video: usize,
    /// Tokens of the sound.
    pub audio: usize,
}

/// The chat as tokens, positions and token classes.
pub fn prompt_row(
    prompt: &Prompt,
    tokenizer: &ChatTokenizer,
    media: MediaTokens,
    settings: VitaSettings,
) -> Result<PromptRow> {
    let mut tokens = Vec::new();
    let mut layout = Layout::default();
    for piece in pieces(prompt, settings) {
        match piece {
            Piece::Special(token) => {
                tokens.push(PromptToken::Id(tokenizer.id(token)?));
                layout.push(None, 1);
            }
            Piece::Media(modality) => {
                let count = if modality == Modality::Video { media.video } else { media.audio };
                tokens.extend((0..count).map(|i| PromptToken::Media(modality, i)));
                layout.push(Some(modality), count);
            }
            Piece::Text { text, transcript } => {
                for token in tokenizer.encode(&text)? {
                    // A token that straddles the transcript's border belongs to no modality.
                    let range = &token.bytes;
                    tokens.push(PromptToken::Id(token.id));
                    match &transcript {
                        Some(t) if t.start <= range.start && range.end <= t.end => {
                            layout.push(Some(Modality::Text), 1);
                        }
                        Some(t) if t.start < range.end && range.start < t.end => layout.push_straddling(),
                        _ => layout.push(None, 1),
                    }
                }
            }
        }
    }
    Ok(PromptRow { positions: Positions::sequential(0, tokens.len()), tokens, layout })
}
