//! A clip whose labels are mapped: what curation and splits work on.

use crate::labels::Labels;

/// A full clip of the benchmark, before it has a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Name of the corpus.
    pub corpus: String,
    /// The video that the clip was cut from.
    pub video_id: String,
    /// The clip within the video.
    pub clip_id: String,
    /// The transcript, as found.
    pub text: String,
    /// Language tag of the transcript.
    pub language: String,
    /// Scores and classes.
    pub labels: Labels,
    /// The corpus's own split.
    pub official_split: Option<String>,
    /// Speaker named by the label file.
    pub speaker: Option<String>,
    /// File with the picture, relative to the root of the corpus.
    pub video_path: Option<String>,
    /// File with the sound, relative to the root of the corpus.
    pub audio_path: Option<String>,
    /// SHA-256 of the file with the picture.
    pub video_sha256: Option<String>,
    /// SHA-256 of the file with the sound.
    pub audio_sha256: Option<String>,
    /// Label file, relative to the root, for findings.
    pub file: String,
    /// Row of the label file, for findings.
    pub row: u64,
    /// Clips of one group are never in two splits.
    pub group: String,
}

impl Sample {
    /// The stable id `corpus/video/clip`. None of its parts contains a separator, so no two clips share one.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.corpus, self.video_id, self.clip_id)
    }

    /// Where the sample stands in a manifest: by corpus, video and clip.
    pub(crate) fn order(&self) -> [String; 3] {
        [self.corpus.clone(), self.video_id.clone(), self.clip_id.clone()]
    }
}
