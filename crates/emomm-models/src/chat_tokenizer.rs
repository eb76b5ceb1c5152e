//! A checkpoint's tokenizer: special tokens by name, running text with byte ranges, the letters of the answer.

use std::ops::Range;
use std::path::{Path, PathBuf};

use emomm_dataset::Sentiment;
use tokenizers::Tokenizer;

use crate::error::{ModelError, Result};

/// Tokenizer and ids.
pub struct ChatTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    /// Ids of the bare letters A to E, id(ℓ) of Eq. (22).
    pub letters: [u32; 5],
    /// Ids of the letters A to E with a space before them; `None` for what is not one token.
    pub spaced_letters: [Option<u32>; 5],
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

impl ChatTokenizer {
    /// Reads `tokenizer.json` and checks that the tokens `special` are known and every id lies below `vocab_size`. A reply ends at
    /// one of `stop`.
    pub fn read(path: &Path, vocab_size: usize, special: &[&str], stop: &[&str]) -> Result<Self> {
        if let Err(e) = std::fs::metadata(path) {
            return Err(ModelError::io(path, e));
        }
        let mut tokenizer =
            Tokenizer::from_file(path).map_err(|e| ModelError::tokenizer(path, e.to_string()))?;
        // A transcript that spells a special token stays text.
        tokenizer.set_encode_special_tokens(true);
        let missing: Vec<&str> =
            special.iter().copied().filter(|t| tokenizer.token_to_id(t).is_none()).collect();
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
        let mut this = Self {
            path: path.to_owned(),
            tokenizer,
            letters: [0; 5],
            spaced_letters: [None; 5],
            stop: Vec::new(),
        };
        for (slot, class) in Sentiment::ALL.into_iter().enumerate() {
            this.letters[slot] = this.letter_id(class.letter())?;
            this.spaced_letters[slot] = this.only_token(&format!(" {}", class.letter()))?;
        }
        this.stop = stop.iter().map(|token| this.id(token)).collect::<Result<_>>()?;
        Ok(this)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id of a text that is one token; `None` for one that is none or several.
    fn only_token(&self, text: &str) -> Result<Option<u32>> {
        Ok(match self.encode(text)?.as_slice() {
            [token] => Some(token.id),
            _ => None,
        })
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

    /// The token that stands for each token of a transcript that is withheld: a space.
    ///
    /// # Errors
    /// A tokenizer for which a space is no token.
    pub fn blank(&self) -> Result<u32> {
        self.only_token(" ")?.ok_or_else(|| {
            let message = "a space is not one token, so a transcript cannot be blank; expected 1".to_owned();
            ModelError::tokenizer(&self.path, message)
        })
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
