//! The checkpoint's tokenizer, with the special tokens that the model needs.

use std::ops::Range;
use std::path::{Path, PathBuf};

use emomm_dataset::Sentiment;
use tokenizers::Tokenizer;

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

/// Tokenizer and ids.
pub struct OmniTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    /// Ids of the bare letters A to E, id(ℓ) of Eq. (22).
    pub letters: [u32; 5],
    /// Ids that end a reply.
    pub stop: Vec<u32>,
}

/// A token of running text and the bytes that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextToken {
    /// Token id.
    pub id: u32,
    /// Byte range in the text.
    pub bytes: Range<usize>,
}

impl OmniTokenizer {
    /// Reads `tokenizer.json` and checks that every special token is known and every id lies below `vocab_size`.
    pub fn read(path: &Path, vocab_size: usize) -> Result<Self> {
        if let Err(e) = std::fs::metadata(path) {
            return Err(ModelError::io(path, e));
        }
        let mut tokenizer =
            Tokenizer::from_file(path).map_err(|e| ModelError::tokenizer(path, e.to_string()))?;
        // A transcript that spells a special token stays text.
        tokenizer.set_encode_special_tokens(true);
        let special =
            [IM_START, IM_END, END_OF_TEXT, VISION_BOS, VISION_EOS, AUDIO_BOS, AUDIO_EOS, VIDEO, AUDIO];
        let missing: Vec<&str> = special.into_iter().filter(|t| tokenizer.token_to_id(t).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("special tokens missing: {}", missing.join(", "));
            return Err(ModelError::tokenizer(path, message));
        }
        let greatest = tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
        if let Some((token, id)) = greatest.filter(|(_, id)| *id as usize >= vocab_size) {
            let message =
                format!("token {token:?} has id {id}, expected less than the vocabulary size {vocab_size}");
            return Err(ModelError::tokenizer(path, message));
        }
        let mut this = Self { path: path.to_owned(), tokenizer, letters: [0; 5], stop: Vec::new() };
        for (slot, class) in Sentiment::ALL.into_iter().enumerate() {
            this.letters[slot] = this.letter_id(class.letter())?;
        }
        this.stop = vec![this.id(IM_END)?, this.id(END_OF_TEXT)?];
        Ok(this)
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
                return Err(ModelError::tokenizer(&self.path, message));
            }
        }
        Ok(())
    }

    fn letter_id(&self, letter: char) -> Result<u32> {
        match self.encode(&letter.to_string())?.as_slice() {
            [token] => Ok(token.id),
            tokens => {
                let message = format!("the letter {letter} is {} tokens, expected 1", tokens.len());
                Err(ModelError::tokenizer(&self.path, message))
            }
        }
    }

    /// Id of a special token.
    pub fn id(&self, token: &str) -> Result<u32> {
        self.tokenizer
            .token_to_id(token)
            .ok_or_else(|| ModelError::tokenizer(&self.path, format!("special token missing: {token}")))
    }

    /// Tokens of a text without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<TextToken>> {
        let encoding = self
            .tokenizer
            .encode(text, false)
            .map_err(|e| ModelError::tokenizer(&self.path, e.to_string()))?;
        let offsets = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
        Ok(encoding.get_ids().iter().zip(offsets).map(|(id, bytes)| TextToken { id: *id, bytes }).collect())
    }

    /// Text of generated tokens, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, true).map_err(|e| ModelError::tokenizer(&self.path, e.to_string()))
    }
}
