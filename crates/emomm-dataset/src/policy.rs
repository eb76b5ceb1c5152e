//! What is done about each kind of finding: the clip is kept, left out, or the build refused.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::VocabularyError;
use crate::finding::{Action, Finding, FindingKind};
use crate::score::OffGrid;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Report and keep the clip.
    Keep,
    /// Report and leave the clip, the row or the label out.
    Drop,
    /// Report all and refuse the build.
    Error,
}

impl Policy {
    /// The word in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Error => "error",
        }
    }

    /// The action that follows from the policy.
    pub fn action(self) -> Action {
        match self {
            Self::Keep => Action::Kept,
            Self::Drop => Action::Dropped,
            Self::Error => Action::Refused,
        }
    }
}

impl FromStr for Policy {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Keep, Self::Drop, Self::Error]
            .into_iter()
            .find(|policy| policy.name() == word)
            .ok_or_else(|| VocabularyError::new("policy", word, "keep, drop or error"))
    }
}

/// A policy for each kind of finding. The fields are named after the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// A file that was decoded from something else than plain UTF-8: `Keep` or `Error`.
    pub encoding: Policy,
    /// A column that no reader knows: ignored (`Keep`) or `Error`.
    pub unknown_column: Policy,
    /// A row that is not a clip: `Drop` or `Error`.
    pub malformed_row: Policy,
    /// An id that the file holds as a number.
    pub numeric_id: Policy,
    /// A row that says what another said: `Drop` or `Error`.
    pub repeated_row: Policy,
    /// Rows of one clip that contradict each other. `Keep` keeps the one that sorts first by its content.
    pub contradictory_rows: Policy,
    /// A row without a ground truth: `Drop` or `Error`.
    pub missing_label: Policy,
    /// A clip without the label of a modality that others have.
    pub unlabelled_modality: Policy,
    /// Text where a score stands. `Keep` keeps the clip without that label, as long as it is not the ground truth's.
    pub not_a_number: Policy,
    /// A score beyond the scale; `Keep` as for text.
    pub out_of_range: Policy,
    /// A score off the 0.2 grid.
    pub off_grid: OffGrid,
    /// Scores written from single-precision floats: `Keep` or `Error`.
    pub single_precision: Policy,
    /// `annotation` against the sign of the score.
    pub annotation_disagrees: Policy,
    /// A `mode` other than train, valid and test.
    pub unknown_mode: Policy,
    /// A blank transcript.
    pub blank_text: Policy,
    /// A transcript that another clip of the video has. `Drop` leaves out all clips but the first by id.
    pub duplicate_text: Policy,
    /// Media that are not there.
    pub missing_media: Policy,
    /// Media that are empty, damaged, or cannot be opened.
    pub unreadable_media: Policy,
    /// Clips that are known to hold other segments, or whose interval has no length.
    pub faulty_clip: Policy,
    /// Unimodal labels of unknown clips: ignored (`Drop`) or `Error`.
    pub unmatched_labels: Policy,
    /// A video without a speaker: a group of its own (`Keep`) or `Error`.
    pub unknown_speaker: Policy,
}

impl Policies {
    /// The policies of a build from label files alone: what is wrong with media does not matter there.
    pub fn for_labels_only() -> Self {
        Self { faulty_clip: Policy::Keep, ..Self::default() }
    }

    /// Sets the policy of one kind.
    ///
    /// # Errors
    /// A policy that the kind cannot have: a row that is no clip cannot be kept.
    pub fn set(&mut self, kind: FindingKind, policy: Policy) -> Result<(), VocabularyError> {
        let (allowed, expected): (&[Policy], _) = match kind {
            FindingKind::Encoding
            | FindingKind::UnknownColumn
            | FindingKind::SinglePrecision
            | FindingKind::UnknownSpeaker => (&[Policy::Keep, Policy::Error], "keep or error for this kind"),
            FindingKind::MalformedRow
            | FindingKind::RepeatedRow
            | FindingKind::MissingLabel
            | FindingKind::UnmatchedLabels => (&[Policy::Drop, Policy::Error], "drop or error for this kind"),
            _ => (&[Policy::Keep, Policy::Drop, Policy::Error], "keep, drop or error"),
        };
        if !allowed.contains(&policy) {
            return Err(VocabularyError::new("policy", policy.name(), expected));
        }
        match self.field(kind) {
            Some(field) => *field = policy,
            None => {
                self.off_grid = match policy {
                    Policy::Keep => OffGrid::Snap,
                    Policy::Drop => OffGrid::Drop,
                    Policy::Error => OffGrid::Error,
                }
            }
        }
        Ok(())
    }

    /// The field of a kind; `None` for the grid's, which has words of its own.
    fn field(&mut self, kind: FindingKind) -> Option<&mut Policy> {
        Some(match kind {
            FindingKind::Encoding => &mut self.encoding,
            FindingKind::UnknownColumn => &mut self.unknown_column,
            FindingKind::MalformedRow => &mut self.malformed_row,
            FindingKind::NumericId => &mut self.numeric_id,
            FindingKind::RepeatedRow => &mut self.repeated_row,
            FindingKind::ContradictoryRows => &mut self.contradictory_rows,
            FindingKind::MissingLabel => &mut self.missing_label,
            FindingKind::UnlabelledModality => &mut self.unlabelled_modality,
            FindingKind::NotANumber => &mut self.not_a_number,
            FindingKind::OutOfRange => &mut self.out_of_range,
            FindingKind::OffGrid => return None,
            FindingKind::SinglePrecision => &mut self.single_precision,
            FindingKind::AnnotationDisagrees => &mut self.annotation_disagrees,
            FindingKind::UnknownMode => &mut self.unknown_mode,
            FindingKind::BlankText => &mut self.blank_text,
            FindingKind::DuplicateText => &mut self.duplicate_text,
            FindingKind::MissingMedia => &mut self.missing_media,
            FindingKind::UnreadableMedia => &mut self.unreadable_media,
            FindingKind::FaultyClip => &mut self.faulty_clip,
            FindingKind::UnmatchedLabels => &mut self.unmatched_labels,
            FindingKind::UnknownSpeaker => &mut self.unknown_speaker,
        })
    }

    /// The policy of a kind.
    pub fn of(mut self, kind: FindingKind) -> Policy {
        match self.field(kind) {
            Some(policy) => *policy,
            None => match self.off_grid {
                OffGrid::Snap => Policy::Keep,
                OffGrid::Drop => Policy::Drop,
                OffGrid::Error => Policy::Error,
            },
        }
    }

    /// What is done about a kind whose fault lies in a clip.
    pub(crate) fn action(self, kind: FindingKind) -> Action {
        match (kind, self.of(kind)) {
            (FindingKind::OffGrid, Policy::Keep) => Action::Snapped,
            (_, policy) => policy.action(),
        }
    }

    /// Turns a finding into a refusal where the policy says so.
    pub(crate) fn refuse(self, finding: &mut Finding) {
        if self.of(finding.kind) == Policy::Error {
            finding.action = Action::Refused;
        }
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            encoding: Policy::Keep,
            unknown_column: Policy::Keep,
            malformed_row: Policy::Drop,
            numeric_id: Policy::Keep,
            repeated_row: Policy::Drop,
            contradictory_rows: Policy::Drop,
            missing_label: Policy::Drop,
            unlabelled_modality: Policy::Keep,
            not_a_number: Policy::Drop,
            out_of_range: Policy::Drop,
            off_grid: OffGrid::Snap,
            single_precision: Policy::Keep,
            annotation_disagrees: Policy::Keep,
            unknown_mode: Policy::Keep,
            blank_text: Policy::Drop,
            duplicate_text: Policy::Keep,
            missing_media: Policy::Drop,
            unreadable_media: Policy::Drop,
            faulty_clip: Policy::Drop,
            unmatched_labels: Policy::Drop,
            unknown_speaker: Policy::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_refused_and_keeps_its_word() {
        for kind in FindingKind::ALL {
            let mut policies = Policies::default();
            policies.set(kind, Policy::Error).unwrap();
            assert_eq!(policies.of(kind), Policy::Error, "{}", kind.name());
            assert_eq!(kind.name().parse::<FindingKind>().unwrap(), kind);
            let others = FindingKind::ALL.into_iter().filter(|other| *other != kind);
            assert!(others.into_iter().all(|other| policies.of(other) == Policies::default().of(other)));
        }
    }

    #[test]
    fn what_is_no_clip_cannot_be_kept() {
        let mut policies = Policies::default();
        let error = policies.set(FindingKind::MalformedRow, Policy::Keep).unwrap_err();
        assert_eq!(error.to_string(), "unknown policy `keep`, expected drop or error for this kind");
        assert!(policies.set(FindingKind::Encoding, Policy::Drop).is_err());
        policies.set(FindingKind::OffGrid, Policy::Drop).unwrap();
        assert_eq!(policies.off_grid, OffGrid::Drop);
    }
}
