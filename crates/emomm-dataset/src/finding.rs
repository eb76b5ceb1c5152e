//! What was noticed while corpus files were read: typed records with file and row, and the policy that was applied.
//!
//! Nothing is repaired in silence. A reader reports what it saw; [`Policies`] say whether the clip is kept, left
//! out, or the build refused; the record says which of the three happened.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::score::OffGrid;

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

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Report and keep the clip.
    Keep,
    /// Report and leave the clip out.
    Drop,
    /// Report all and refuse the build.
    Error,
}

impl Policy {
    /// The action that follows from the policy.
    pub fn action(self) -> Action {
        match self {
            Self::Keep => Action::Kept,
            Self::Drop => Action::Dropped,
            Self::Error => Action::Refused,
        }
    }
}

/// A policy for each kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// A score off the 0.2 grid.
    pub off_grid: OffGrid,
    /// A score beyond the scale or that is no number. `Keep` keeps the clip without that label, as long as it is
    /// not the ground truth's.
    pub bad_score: Policy,
    /// A row without a ground truth. `Keep` cannot be kept to: such a clip is left out.
    pub missing_label: Policy,
    /// Rows of one clip that contradict each other. `Keep` keeps the one that sorts first by its content.
    pub contradictory_rows: Policy,
    /// A row that is not a clip. `Keep` leaves it out too.
    pub malformed_row: Policy,
    /// A column that no reader knows. `Drop` and `Keep` both ignore it.
    pub unknown_column: Policy,
    /// `annotation` against the sign of the score.
    pub annotation: Policy,
    /// A blank transcript.
    pub blank_text: Policy,
    /// Media that are missing, empty, cannot be opened, or are known to be faulty.
    pub media: Policy,
    /// Unimodal labels of unknown clips. `Drop` and `Keep` both ignore them.
    pub unmatched_labels: Policy,
}

impl Policies {
    /// The policy of a kind; `None` for kinds that are for information only.
    fn of(&self, kind: FindingKind) -> Option<Policy> {
        match kind {
            FindingKind::OffGrid => Some(match self.off_grid {
                OffGrid::Snap => Policy::Keep,
                OffGrid::Drop => Policy::Drop,
                OffGrid::Error => Policy::Error,
            }),
            FindingKind::NotANumber | FindingKind::OutOfRange => Some(self.bad_score),
            FindingKind::MissingLabel => Some(self.missing_label),
            FindingKind::ContradictoryRows => Some(self.contradictory_rows),
            FindingKind::MalformedRow => Some(self.malformed_row),
            FindingKind::UnknownColumn => Some(self.unknown_column),
            FindingKind::AnnotationDisagrees => Some(self.annotation),
            FindingKind::BlankText => Some(self.blank_text),
            FindingKind::MissingMedia | FindingKind::UnreadableMedia | FindingKind::FaultyClip => {
                Some(self.media)
            }
            FindingKind::UnmatchedLabels => Some(self.unmatched_labels),
            FindingKind::Encoding
            | FindingKind::NumericId
            | FindingKind::RepeatedRow
            | FindingKind::SinglePrecision
            | FindingKind::UnknownMode
            | FindingKind::DuplicateText
            | FindingKind::UnknownSpeaker => None,
        }
    }

    /// What is done about a kind whose fault lies in a clip.
    pub(crate) fn action(&self, kind: FindingKind) -> Action {
        match (kind, self.of(kind)) {
            (FindingKind::OffGrid, Some(Policy::Keep)) => Action::Snapped,
            (_, policy) => policy.map_or(Action::Kept, Policy::action),
        }
    }

    /// Turns a reader's finding into a refusal where the policy says so.
    pub(crate) fn refuse(&self, finding: &mut Finding) {
        if self.of(finding.kind) == Some(Policy::Error) {
            finding.action = Action::Refused;
        }
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            off_grid: OffGrid::Snap,
            bad_score: Policy::Drop,
            missing_label: Policy::Drop,
            contradictory_rows: Policy::Drop,
            malformed_row: Policy::Drop,
            unknown_column: Policy::Keep,
            annotation: Policy::Keep,
            blank_text: Policy::Drop,
            media: Policy::Drop,
            unmatched_labels: Policy::Drop,
        }
    }
}
