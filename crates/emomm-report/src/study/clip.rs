//! What the manifest says of a clip.

use std::collections::BTreeMap;

use emomm_dataset::manifest::ManifestRow;
use emomm_dataset::{Corpus, GridScore, Labels, ModalitySet, PerModality, Sentiment, Subset, SubsetRules};
use emomm_eval::score::CorpusName;

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
    pub labels: Labels<Sentiment>,
    /// Scores of the four sources: ground truth, then T, A, V.
    pub scores: [Option<GridScore>; 4],
    /// The narrowest subset under each coalition in the order of [`ModalitySet::ALL`]; `None` where there is none.
    pub subsets: [Option<Subset>; 8],
}

impl StudyClip {
    /// A full clip with its masked copies and the class map of its corpus.
    pub(crate) fn of(row: &ManifestRow, copies: &[&ManifestRow], map: Corpus) -> Self {
        let unimodal = row.labels.modalities;
        let labels = row.labels.classes();
        // The manifest's subsets follow the rules it was built with; what it has no row for follows the paper's.
        let subsets = ModalitySet::ALL.map(|coalition| {
            if coalition.len() < 2 {
                return None;
            }
            let stated = if coalition == row.coalition {
                Some(row)
            } else {
                copies.iter().copied().find(|copy| copy.coalition == coalition)
            };
            match stated {
                Some(stated) => stated.narrowest_subset(),
                None => SubsetRules::default().narrowest(&labels, coalition),
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

    /// The narrowest subset of what a coalition shows of the clip; `None` for less than two modalities, and where the
    /// labels do not say.
    pub fn subset(&self, coalition: ModalitySet) -> Option<Subset> {
        self.subsets[position(coalition)]
    }

    /// Align or Conflict of the whole clip; `None` where the labels do not say.
    pub fn is_conflict(&self) -> Option<bool> {
        match self.subset(ModalitySet::FULL)? {
            Subset::Conflict => Some(true),
            Subset::Align | Subset::Equal | Subset::SamePolarity => Some(false),
            Subset::MissingAlign | Subset::MissingConflict => None,
        }
    }

    /// The class of a right answer.
    pub fn truth(&self) -> Sentiment {
        self.labels.ground_truth
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
