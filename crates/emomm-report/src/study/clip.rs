//! What the manifest says of a clip.

use std::collections::BTreeMap;

use emomm_dataset::manifest::ManifestRow;
use emomm_dataset::{Agreement, Corpus, GridScore, Modality, ModalitySet, PerModality, Sentiment, Subset};
use emomm_eval::score::{CorpusName, RowSubset};
use emomm_metrics::SourceLabels;

use super::position;

/// A full clip of the benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyClip {
    /// Its id.
    pub id: String,
    /// Its corpus and the class map of that.
    pub corpus: CorpusName,
    /// Language tag.
    pub language: String,
    /// Speaker or video group.
    pub group: String,
    /// Its split.
    pub split: &'static str,
    /// The transcript.
    pub text: Option<String>,
    /// Files of picture and sound, relative to the corpus's root.
    pub media: PerModality<Option<String>>,
    /// Classes of the four sources.
    pub labels: SourceLabels,
    /// Scores of the four sources: ground truth, then T, A, V.
    pub scores: [Option<GridScore>; 4],
    /// The subset under each coalition in the order of [`ModalitySet::ALL`]; [`RowSubset::All`] where there is none.
    pub subsets: [RowSubset; 8],
}

impl StudyClip {
    /// A full clip with its masked copies and the class map of its corpus.
    pub(crate) fn of(row: &ManifestRow, copies: &[&ManifestRow], map: Corpus) -> Self {
        let unimodal = PerModality::from_fn(|m| row.labels.modality(m));
        let labels = SourceLabels {
            ground_truth: row.labels.ground_truth.class,
            unimodal: unimodal.map(|label| label.map(|l| l.class)),
        };
        // The manifest's subsets follow the rules it was built with; what it has no row for follows the paper's.
        let subsets = ModalitySet::ALL.map(|coalition| {
            let stated = if coalition == row.coalition {
                Some(row)
            } else {
                copies.iter().copied().find(|copy| copy.coalition == coalition)
            };
            match stated {
                Some(stated) => stated.subset.map_or(RowSubset::All, |s| subset_of(s, row.agreement)),
                None => RowSubset::of(labels, coalition).unwrap_or(RowSubset::All),
            }
        });
        Self {
            id: row.id.clone(),
            corpus: CorpusName { name: row.corpus.clone(), map },
            language: row.language.clone(),
            group: row.group.clone(),
            split: row.split.name(),
            text: row.text.clone(),
            media: PerModality { text: None, audio: row.audio_path.clone(), video: row.video_path.clone() },
            labels,
            subsets,
            scores: [
                Some(row.labels.ground_truth.score),
                unimodal.text.map(|l| l.score),
                unimodal.audio.map(|l| l.score),
                unimodal.video.map(|l| l.score),
            ],
        }
    }

    /// The subset of what a coalition shows of the clip; [`RowSubset::All`] where there is none.
    pub fn subset(&self, coalition: ModalitySet) -> RowSubset {
        self.subsets[position(coalition)]
    }

    /// Align or Conflict of the whole clip; `None` where the labels do not say.
    pub fn is_conflict(&self) -> Option<bool> {
        match self.subset(ModalitySet::FULL) {
            RowSubset::Conflict => Some(true),
            RowSubset::Align | RowSubset::Equal | RowSubset::SamePolarity => Some(false),
            _ => None,
        }
    }

    /// Whether exactly one shown modality contradicts the ground truth, and which: 𝓢_tc of Sec. 4.1.
    pub fn target_conflict(&self, coalition: ModalitySet) -> Option<Modality> {
        let mut differing = coalition.iter().filter(|m| self.labels.is_aligned(*m, coalition) == Some(false));
        let first = differing.next()?;
        let others_agree =
            coalition.iter().filter(|m| *m != first).all(|m| self.labels.is_aligned(m, coalition) == Some(true));
        (differing.next().is_none() && others_agree).then_some(first)
    }

    /// The class of a right answer.
    pub fn truth(&self) -> Sentiment {
        self.labels.ground_truth
    }
}

/// The narrowest subset of a row of the manifest.
fn subset_of(subset: Subset, agreement: Option<Agreement>) -> RowSubset {
    match (subset, agreement) {
        (Subset::Align, Some(Agreement::Equal)) => RowSubset::Equal,
        (Subset::Align, Some(Agreement::SamePolarity)) => RowSubset::SamePolarity,
        (Subset::Align, None) => RowSubset::Align,
        (Subset::Conflict, _) => RowSubset::Conflict,
        (Subset::MissingAlign, _) => RowSubset::MissingAlign,
        (Subset::MissingConflict, _) => RowSubset::MissingConflict,
    }
}

/// Whether languages divide clips as corpora do: then a table by language would repeat that by corpus.
pub(crate) fn languages_are_corpora(clips: &[StudyClip]) -> bool {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::new();
    let mut back: BTreeMap<&str, &str> = BTreeMap::new();
    clips.iter().all(|c| {
        *pairs.entry(&c.corpus.name).or_insert(&c.language) == c.language
            && *back.entry(&c.language).or_insert(&c.corpus.name) == c.corpus.name
    })
}
