//! The one way in which a word of the vocabulary can fail to parse.

use thiserror::Error;

/// A word that is not part of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {kind} `{found}`, expected {expected}")]
pub struct VocabularyError {
    /// What was being read, for example `coalition`.
    pub kind: &'static str,
    /// The word as it was found.
    pub found: String,
    /// The words that would have been accepted.
    pub expected: &'static str,
}

impl VocabularyError {
    pub(crate) fn new(kind: &'static str, found: &str, expected: &'static str) -> Self {
        Self { kind, found: found.to_owned(), expected }
    }
}
