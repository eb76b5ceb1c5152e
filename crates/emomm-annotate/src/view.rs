//! What an annotator is shown at a time: one modality, or in an optional last pass all of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::AnnotateError;

/// What one pass shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The transcript.
    Text,
    /// The sound without the picture.
    Audio,
    /// The picture without the sound.
    Video,
    /// Picture, sound and transcript together: the ground truth of a new corpus.
    Multimodal,
}

impl View {
    /// The three modalities in the paper's order.
    pub const UNIMODAL: [Self; 3] = [Self::Text, Self::Audio, Self::Video];
    /// All four.
    pub const ALL: [Self; 4] = [Self::Text, Self::Audio, Self::Video, Self::Multimodal];

    /// The word in the database, in files and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Multimodal => "multimodal",
        }
    }

    /// The letter in column names: T, A, V, and M for all together.
    pub fn letter(self) -> char {
        match self {
            Self::Text => 'T',
            Self::Audio => 'A',
            Self::Video => 'V',
            Self::Multimodal => 'M',
        }
    }

    /// Whether it is one modality alone.
    pub fn is_unimodal(self) -> bool {
        self != Self::Multimodal
    }

    /// Whether something has to be played.
    pub fn has_media(self) -> bool {
        self != Self::Text
    }

    /// Whether there is something to hear.
    pub fn has_sound(self) -> bool {
        matches!(self, Self::Audio | Self::Multimodal)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for View {
    type Err = AnnotateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|v| v.name() == word).ok_or_else(|| AnnotateError::Option {
            option: "modality".to_owned(),
            found: word.to_owned(),
            expected: "text, audio, video or multimodal".to_owned(),
        })
    }
}

impl rusqlite::types::FromSql for View {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|_| rusqlite::types::FromSqlError::InvalidType)
    }
}

impl rusqlite::ToSql for View {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}
