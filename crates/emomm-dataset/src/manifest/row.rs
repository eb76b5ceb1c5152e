//! One row of the manifest: a clip, or a masked copy of one.

use crate::build::{Sample, Split};
use crate::labels::Labels;
use crate::modality::{Modality, ModalitySet};
use crate::subset::{Agreement, Subset, SubsetRules};

/// A sample of the benchmark.
///
/// In `manifest.parquet` the columns have these names; scores, classes and polarities have four columns each, ending in
/// `ground_truth`, `text`, `audio` and `video`. Absent values are null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// `corpus/video/clip` of a full clip, `corpus/video/clip/TA` of a masked copy.
    pub id: String,
    /// The full clip of which this is a masked copy; null for a full clip.
    pub source_id: Option<String>,
    /// Name of the corpus, which is also the name of the root that paths are relative to.
    pub corpus: String,
    /// The video.
    pub video_id: String,
    /// The clip within the video.
    pub clip_id: String,
    /// What may be shown: `TAV`, or `TA`, `TV`, `AV`.
    pub coalition: ModalitySet,
    /// `align`, `conflict`, `missing-align` or `missing-conflict`; null where unimodal labels are unknown.
    pub subset: Option<Subset>,
    /// `equal` or `same-polarity` for a full clip in Align; else null.
    pub agreement: Option<Agreement>,
    /// `train`, `valid` or `test`.
    pub split: Split,
    /// Speaker or video group. No group is in two splits; it is also the cluster of the bootstrap.
    pub group: String,
    /// Language tag.
    pub language: String,
    /// The corpus's own split, which is not disjoint by video.
    pub official_split: Option<String>,
    /// The transcript, as found; null where T is masked.
    pub text: Option<String>,
    /// File with the picture, relative to the root; null where V is masked.
    pub video_path: Option<String>,
    /// File with the sound, relative to the root; null where A is masked.
    pub audio_path: Option<String>,
    /// SHA-256 of the file with the picture.
    pub video_sha256: Option<String>,
    /// SHA-256 of the file with the sound.
    pub audio_sha256: Option<String>,
    /// Scores and classes of the source, those of masked modalities included.
    pub labels: Labels,
}

impl ManifestRow {
    /// The row of a sample of which `coalition` is observed.
    pub(crate) fn of(sample: &Sample, split: Split, coalition: ModalitySet, rules: SubsetRules) -> Self {
        let source = sample.id();
        let is_full = coalition == ModalitySet::FULL;
        let shown = |modality: Modality, value: &Option<String>| {
            value.clone().filter(|_| coalition.contains(modality))
        };
        Self {
            id: if is_full { source.clone() } else { format!("{source}/{coalition}") },
            source_id: (!is_full).then_some(source),
            corpus: sample.corpus.clone(),
            video_id: sample.video_id.clone(),
            clip_id: sample.clip_id.clone(),
            coalition,
            subset: rules.subset(&sample.labels, coalition),
            agreement: if is_full { rules.agreement(&sample.labels) } else { None },
            split,
            group: sample.group.clone(),
            language: sample.language.clone(),
            official_split: sample.official_split.clone(),
            text: coalition.contains(Modality::Text).then(|| sample.text.clone()),
            video_path: shown(Modality::Video, &sample.video_path),
            audio_path: shown(Modality::Audio, &sample.audio_path),
            video_sha256: shown(Modality::Video, &sample.video_sha256),
            audio_sha256: shown(Modality::Audio, &sample.audio_sha256),
            labels: sample.labels,
        }
    }

    /// The narrowest subset: `equal` or `same-polarity` instead of `align` where it is known.
    pub fn narrowest_subset(&self) -> Option<Subset> {
        self.agreement.map(Subset::from).or(self.subset)
    }

    /// Whether this is a clip with all its modalities.
    pub fn is_full(&self) -> bool {
        self.coalition == ModalitySet::FULL
    }
}
