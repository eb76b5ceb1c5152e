//! A clip as its label file states it, and the turning of table rows into clips.

use std::path::PathBuf;

use crate::corpus::Corpus;
use crate::finding::{Action, Finding, FindingKind};
use crate::score::ScoreScale;

use super::table::{Cell, Table, malformed};

/// The nine columns of CH-SIMS and of the MMSA layout.
pub(crate) const NINE_COLUMNS: [&str; 9] =
    ["video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode"];

/// Columns that no corpus has and that are read where somebody added them.
pub(crate) const OWN_COLUMNS: [&str; 2] = ["language", "speaker"];

/// A clip before its labels are mapped. Ids and scores are text, exactly as found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawClip {
    /// The video that the clip was cut from.
    pub video_id: String,
    /// The clip within the video.
    pub clip_id: String,
    /// The transcript.
    pub text: String,
    /// Score of the ground truth; empty if there is none.
    pub ground_truth: String,
    /// Scores of T, A, V; empty where there is none.
    pub modalities: [String; 3],
    /// Polarity in words, where the corpus has it.
    pub annotation: Option<String>,
    /// The corpus's own split: `train`, `valid` or `test`.
    pub official_split: Option<String>,
    /// The speaker, where the file names one.
    pub speaker: Option<String>,
    /// The language, where it differs from the corpus's.
    pub language: Option<String>,
    /// File with the picture, relative to the root.
    pub video_path: Option<String>,
    /// File with the sound, relative to the root; it may be the same file.
    pub audio_path: Option<String>,
    /// Label file, relative to the root.
    pub file: String,
    /// Row of the label file.
    pub row: u64,
}

impl RawClip {
    /// `video/clip`, as findings name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.video_id, self.clip_id)
    }

    /// A finding about this clip.
    pub(crate) fn finding(&self, kind: FindingKind, found: impl Into<String>, action: Action) -> Finding {
        Finding {
            kind,
            file: self.file.clone(),
            row: Some(self.row),
            clip: Some(self.name()),
            found: found.into(),
            action,
        }
    }
}

/// How a folder was laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `meta.csv` of CH-SIMS v2.
    ChSimsMeta,
    /// `label.csv` with nine columns, with or without a header.
    Mmsa,
    /// `OpinionLevelSentiment.csv` and transcripts of segments.
    MosiOriginal,
    /// `CMU_MOSI_Opinion_Labels.csd` and words of the CMU Multimodal SDK.
    MosiSequences,
    /// A folder with `metadata.csv`, `metadata.jsonl` or `metadata.parquet`.
    Folder,
}

/// What holds for all clips of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusInfo {
    /// First part of every stable id, and name of the root of its media.
    pub name: String,
    /// Folder that paths are relative to.
    pub root: PathBuf,
    /// How it is laid out.
    pub layout: Layout,
    /// Language tag of the transcripts, `zh` or `en` for the two corpora.
    pub language: String,
    /// Five-class map of the ground truth.
    pub class_map: Corpus,
    /// Scale of the ground truth.
    pub scale: ScoreScale,
    /// Scale of the unimodal scores.
    pub modality_scale: ScoreScale,
    /// True if the unimodal scores are averages of votes from a separate file, so that a vote map applies.
    pub has_votes: bool,
}

/// A file that a corpus was read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Name of the corpus.
    pub corpus: String,
    /// Path relative to the root, or the file's name if it lies elsewhere.
    pub file: String,
    /// SHA-256 of a text file's lines in the order of their bytes (`LC_ALL=C sort FILE | sha256sum`), and of the
    /// bytes of any other file.
    pub digest: String,
}

/// A corpus as read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What holds for all clips.
    pub corpus: CorpusInfo,
    /// The clips in the order of the file.
    pub clips: Vec<RawClip>,
    /// What was noticed. The policies are applied later, when the labels are mapped.
    pub findings: Vec<Finding>,
    /// The files that were read.
    pub sources: Vec<SourceFile>,
}

/// Whether a text can be one part of a stable id and of a path: not blank, no separators, no control characters.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text == text.trim()
        && text != "."
        && text != ".."
        && !text.contains(['/', '\\'])
        && !text.chars().any(char::is_control)
}

/// Clips of a table under the names of [`NINE_COLUMNS`], and what was noticed about the rows.
///
/// `paths` gives the video and the audio file of a clip.
pub(crate) fn clips_of(
    table: &Table,
    paths: impl Fn(&str, &str) -> (Option<String>, Option<String>),
) -> (Vec<RawClip>, Vec<Finding>) {
    let columns = NINE_COLUMNS.map(|name| table.column(name));
    let [language, speaker] = OWN_COLUMNS.map(|name| table.column(name));
    let mut clips = Vec::with_capacity(table.rows.len());
    let mut findings = Vec::new();
    for row in &table.rows {
        let cell = |index: usize| row.cell(columns[index]);
        let text = |index: usize| cell(index).text().to_owned();
        let optional = |cell: &Cell| Some(cell.text()).filter(|t| !t.is_empty()).map(ToOwned::to_owned);
        let (video_id, clip_id) = (text(0), text(1));
        if !is_id(&video_id) || !is_id(&clip_id) {
            findings.push(malformed(
                &table.file,
                row.number,
                format!("`{video_id}` and `{clip_id}` as ids of video and clip"),
            ));
            continue;
        }
        let (video_path, audio_path) = paths(&video_id, &clip_id);
        let mut clip = RawClip {
            video_id,
            clip_id,
            text: text(2),
            ground_truth: text(3),
            modalities: [text(4), text(5), text(6)],
            annotation: optional(cell(7)),
            official_split: optional(cell(8)),
            speaker: optional(row.cell(speaker)),
            language: optional(row.cell(language)),
            video_path,
            audio_path,
            file: table.file.clone(),
            row: row.number,
        };
        if matches!(cell(0), Cell::Number(_)) || matches!(cell(1), Cell::Number(_)) {
            findings.push(clip.finding(FindingKind::NumericId, clip.name(), Action::Kept));
        }
        if let Some(mode) = clip.official_split.take_if(|m| !["train", "valid", "test"].contains(&m.as_str()))
        {
            findings.push(clip.finding(FindingKind::UnknownMode, mode, Action::Kept));
        }
        clips.push(clip);
    }
    (clips, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_underscores_dashes_and_zeros_and_refuse_separators() {
        for id in ["0001", "00008_0", "-a_b-", "_dI--eQ6qVU", "video_0001", "aqgy3_0001", "中"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", " a", "a ", ".", "..", "a/b", "a\\b", "a\nb", "a\0"] {
            assert!(!is_id(id), "{id:?}");
        }
    }
}
