//! The paper's prompt in the model's chat format: rendered for people, and as rows for the decoder.
//!
//! A message's parts are joined without separator, media parts as begin marker, placeholder, end marker; this is
//! what the checkpoint's own chat template does. Text between special tokens is tokenised in one go, so that word
//! pieces fall as they do in the reference.

use std::ops::Range;

use emomm_dataset::Modality;
use emomm_eval::prompt::{Part, Prompt};

use super::positions::{Run, tmrope};
use super::tokenizer::{
    AUDIO, AUDIO_BOS, AUDIO_EOS, IM_END, IM_START, OmniTokenizer, VIDEO, VISION_BOS, VISION_EOS,
};
use crate::error::Result;
use crate::layout::Layout;
use crate::prompt_tree::{PromptRow, PromptToken};
use crate::vision::Grid;

/// A run of the chat between two special tokens, or such a token.
enum Piece {
    Special(&'static str),
    Video,
    Audio,
    Text { text: String, transcript: Option<Range<usize>> },
}

fn plain(text: impl Into<String>) -> Piece {
    Piece::Text { text: text.into(), transcript: None }
}

fn pieces(prompt: &Prompt) -> Vec<Piece> {
    let mut pieces = vec![
        Piece::Special(IM_START),
        plain(format!("system\n{}", prompt.system)),
        Piece::Special(IM_END),
        plain("\n"),
        Piece::Special(IM_START),
    ];
    // Text waits here until a special token ends the run.
    let mut text = "user\n".to_owned();
    let mut transcript = None;
    for part in &prompt.parts {
        match part {
            Part::Video | Part::Audio => {
                pieces.push(Piece::Text { text: std::mem::take(&mut text), transcript: transcript.take() });
                pieces.extend(match part {
                    Part::Video => [Piece::Special(VISION_BOS), Piece::Video, Piece::Special(VISION_EOS)],
                    _ => [Piece::Special(AUDIO_BOS), Piece::Audio, Piece::Special(AUDIO_EOS)],
                });
            }
            Part::Transcript { heading, text: words, terminator } => {
                text.push_str(heading);
                let start = text.len();
                text.push_str(words);
                transcript = Some(start..text.len());
                text.push_str(terminator);
            }
            Part::Instruction(instruction) => text.push_str(instruction),
        }
    }
    pieces.push(Piece::Text { text, transcript });
    pieces.extend([Piece::Special(IM_END), plain("\n"), Piece::Special(IM_START), plain("assistant\n")]);
    pieces
}

/// The chat as text, with one placeholder for each medium.
pub fn render(prompt: &Prompt) -> String {
    pieces(prompt)
        .into_iter()
        .map(|piece| match piece {
            Piece::Special(token) => token.to_owned(),
            Piece::Video => VIDEO.to_owned(),
            Piece::Audio => AUDIO.to_owned(),
            Piece::Text { text, .. } => text,
        })
        .collect()
}

/// What the chat needs to know of a clip's media.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MediaShape {
    /// Patches of the video, before merging.
    pub grid: Option<Grid>,
    /// Side of a merge group.
    pub merge: usize,
    /// Seconds between two temporal patches.
    pub seconds_per_grid: f64,
    /// Audio tokens.
    pub audio_tokens: usize,
    /// Position ids for each second.
    pub position_id_per_seconds: u32,
}

/// The chat as tokens, positions and token classes.
pub fn prompt_row(prompt: &Prompt, tokenizer: &OmniTokenizer, media: &MediaShape) -> Result<PromptRow> {
    let mut tokens = Vec::new();
    let mut layout = Layout::default();
    let mut runs = Vec::new();
    for piece in pieces(prompt) {
        match piece {
            Piece::Special(token) => {
                tokens.push(PromptToken::Id(tokenizer.id(token)?));
                layout.push(None, 1);
                runs.push(Run::Text(1));
            }
            Piece::Video => {
                let grid = media.grid.unwrap_or(Grid { t: 0, h: 0, w: 0 });
                let count = grid.patches() / (media.merge * media.merge);
                tokens.extend((0..count).map(|i| PromptToken::Media(Modality::Video, i)));
                layout.push(Some(Modality::Video), count);
                runs.push(Run::Video { grid, merge: media.merge, seconds_per_grid: media.seconds_per_grid });
            }
            Piece::Audio => {
                let count = media.audio_tokens;
                tokens.extend((0..count).map(|i| PromptToken::Media(Modality::Audio, i)));
                layout.push(Some(Modality::Audio), count);
                runs.push(Run::Audio(count));
            }
            Piece::Text { text, transcript } => {
                let encoded = tokenizer.encode(&text)?;
                for token in &encoded {
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
                runs.push(Run::Text(encoded.len()));
            }
        }
    }
    let positions = tmrope(&runs, media.position_id_per_seconds);
    Ok(PromptRow { tokens, positions, layout })
}
