//! What was noticed while corpus files were read: typed records with file and row, and the policy that was applied.
//!
//! Nothing is repaired in silence. A reader reports what it saw; [`Policies`](crate::Policies) say whether the clip is
//! kept, left out, or the build refused; the record says which of the three happened.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::VocabularyError;

/// A kind of thing that can be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The file is not UTF-8 without a mark; `found` says what it was decoded from.
    Encoding,
    /// A column that no reader knows.
    UnknownColumn,
    /// A row that is not a clip: too few or too many fields, an id that cannot be part of a stable id.
    MalformedRow,
    /// An id that the file holds as a number: leading zeros may have been lost before we saw it.
    NumericId,
    /// Two rows of one clip that say the same.
    RepeatedRow,
    /// Rows of one clip that contradict each other.
    ContradictoryRows,
    /// No score where one is needed.
    MissingLabel,
    /// No label of a modality that other clips of the corpus have labelled. The clip's subset may be unknown.
    UnlabelledModality,
    /// Text that is not a number where a score stands.
    NotANumber,
    /// A score beyond the scale.
    OutOfRange,
    /// A score off the 0.2 grid.
    OffGrid,
    /// Scores written from single-precision floats; the short decimal was taken. One record for each file.
    SinglePrecision,
    /// `annotation` contradicts the sign of the score. The number counts.
    AnnotationDisagrees,
    /// A `mode` other than train, valid and test.
    UnknownMode,
    /// A blank transcript.
    BlankText,
    /// Two clips of one video with the same transcript. They share a group.
    DuplicateText,
    /// A media file that is not there.
    MissingMedia,
    /// A media file that is empty or cannot be opened.
    UnreadableMedia,
    /// A clip whose interval has no length, or that is known to hold other segments.
    FaultyClip,
    /// Unimodal labels of a clip that the corpus does not hold.
    UnmatchedLabels,
    /// A video that the file of speakers does not name. It is a group of its own.
    UnknownSpeaker,
}

impl FindingKind {
    /// All kinds, in the order in which they are told.
    pub const ALL: [Self; 21] = [
        Self::Encoding,
        Self::UnknownColumn,
        Self::MalformedRow,
        Self::NumericId,
        Self::RepeatedRow,
        Self::ContradictoryRows,
        Self::MissingLabel,
        Self::UnlabelledModality,
        Self::NotANumber,
        Self::OutOfRange,
        Self::OffGrid,
        Self::SinglePrecision,
        Self::AnnotationDisagrees,
        Self::UnknownMode,
        Self::BlankText,
        Self::DuplicateText,
        Self::MissingMedia,
        Self::UnreadableMedia,
        Self::FaultyClip,
        Self::UnmatchedLabels,
        Self::UnknownSpeaker,
    ];

    /// The word used in JSON, for example `off-grid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::UnknownColumn => "unknown-column",
            Self::MalformedRow => "malformed-row",
            Self::NumericId => "numeric-id",
            Self::RepeatedRow => "repeated-row",
            Self::ContradictoryRows => "contradictory-rows",
            Self::MissingLabel => "missing-label",
            Self::UnlabelledModality => "unlabelled-modality",
            Self::NotANumber => "not-a-number",
            Self::OutOfRange => "out-of-range",
            Self::OffGrid => "off-grid",
            Self::SinglePrecision => "single-precision",
            Self::AnnotationDisagrees => "annotation-disagrees",
            Self::UnknownMode => "unknown-mode",
            Self::BlankText => "blank-text",
            Self::DuplicateText => "duplicate-text",
            Self::MissingMedia => "missing-media",
            Self::UnreadableMedia => "unreadable-media",
            Self::FaultyClip => "faulty-clip",
            Self::UnmatchedLabels => "unmatched-labels",
            Self::UnknownSpeaker => "unknown-speaker",
        }
    }
}

impl FromStr for FindingKind {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let expected = "a kind as findings name it, for example numeric-id, duplicate-text or missing-media";
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| VocabularyError::new("kind of finding", word, expected))
    }
}

/// What was done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The clip stays; the finding is for information.
    Kept,
    /// The nearest value of the grid was taken.
    Snapped,
    /// The row or the label was left out.
    Dropped,
    /// The build was refused.
    Refused,
}

/// One thing that was noticed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The file, relative to the root of its corpus.
    pub file: String,
    /// Row or line in the file, counted from 1 with the header; `None` where the whole file is meant.
    pub row: Option<u64>,
    /// The clip as `video/clip`, where one is known.
    pub clip: Option<String>,
    /// What was found.
    pub found: String,
    /// What was done.
    pub action: Action,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(row) = self.row {
            write!(f, ":{row}")?;
        }
        if let Some(clip) = &self.clip {
            write!(f, " ({clip})")?;
        }
        let action = match self.action {
            Action::Kept => "kept",
            Action::Snapped => "snapped",
            Action::Dropped => "left out",
            Action::Refused => "refused",
        };
        write!(f, ": {}: {} [{action}]", self.kind.name(), self.found)
    }
}
