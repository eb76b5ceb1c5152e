//! The checkpoint's tokenizer, with the special tokens that the model needs.

use std::ops::Deref;
use std::path::Path;

use crate::chat_tokenizer::ChatTokenizer;
use crate::error::{ModelError, Result};

/// Opens a turn.
pub(super) const IM_START: &str = "<|im_start|>";
/// Closes a turn.
pub(super) const IM_END: &str = "<|im_end|>";
/// Ends a text.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";
/// Opens a video.
pub(super) const VISION_BOS: &str = "<|vision_bos|>";
/// Closes a video.
pub(super) const VISION_EOS: &str = "<|vision_eos|>";
/// Opens a sound.
pub(super) const AUDIO_BOS: &str = "<|audio_bos|>";
/// Closes a sound.
pub(super) const AUDIO_EOS: &str = "<|audio_eos|>";
/// Stands for a video in a rendered prompt.
pub(super) const VIDEO: &str = "<|VIDEO|>";
/// Stands for a sound in a rendered prompt.
pub(super) const AUDIO: &str = "<|AUDIO|>";

/// The tokenizer with this model's special tokens.
pub struct OmniTokenizer(ChatTokenizer);

impl Deref for OmniTokenizer {
    type Target = ChatTokenizer;

    fn deref(&self) -> &ChatTokenizer {
        &self.0
    }
}

impl OmniTokenizer {
    /// Reads `tokenizer.json` and checks that every special token is known and every id lies below `vocab_size`.
    pub fn read(path: &Path, vocab_size: usize) -> Result<Self> {
        let special =
            [IM_START, IM_END, END_OF_TEXT, VISION_BOS, VISION_EOS, AUDIO_BOS, AUDIO_EOS, VIDEO, AUDIO];
        Ok(Self(ChatTokenizer::read(path, vocab_size, &special, &[IM_END, END_OF_TEXT])?))
    }

    /// Refuses a tokenizer of another checkpoint: its placeholders have other ids than the config says.
    pub fn expect_placeholders(&self, audio: u32, video: u32) -> Result<()> {
        for (token, field, expected) in
            [(AUDIO, "audio_token_index", audio), (VIDEO, "video_token_index", video)]
        {
            let id = self.id(token)?;
            if id != expected {
                let message =
                    format!("token {token} has id {id}, expected {expected}, the config's `{field}`");
                return Err(ModelError::tokenizer(self.path(), message));
            }
        }
        Ok(())
    }
}
