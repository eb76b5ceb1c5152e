//! Answers beside a benchmark: labels, group and subset of a clip are those of the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use emomm_dataset::build::Split;
use emomm_dataset::manifest::Manifest;
use emomm_dataset::{GridScore, Labels, ModalitySet, Sentiment, Subset};

use super::answers::{AnswerRow, Answers, CorpusName, OnBadRow, settled};
use super::error::{Fault, ScoreFileError};

/// An answer for a clip of a benchmark, before it is known what is right.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenAnswer {
    /// Number of the row, counted from 1: faults name it.
    pub row: usize,
    /// Line of the file on which it begins, counted from 1; 0 where there are no lines.
    pub line: usize,
    /// A manifest's id, of a clip or of a masked copy; or `video/clip` beside `corpus`.
    pub id: String,
    /// The corpus, empty where the id names it.
    pub corpus: String,
    /// What the model was shown; `None` for all that the id stands for.
    pub coalition: Option<ModalitySet>,
    /// The answer; `None` where there is none.
    pub answer: Option<Sentiment>,
    /// The score that the model stated.
    pub stated: Option<f64>,
}

/// What a benchmark knows of its clips, by id.
#[derive(Debug, Clone)]
pub struct BenchTruth {
    clips: BTreeMap<String, Clip>,
    /// Ids of masked copies: the full clip, and what the copy shows.
    copies: BTreeMap<String, (String, ModalitySet)>,
}

#[derive(Debug, Clone)]
struct Clip {
    corpus: CorpusName,
    labels: Labels<Sentiment>,
    truth_score: GridScore,
    group: String,
    split: Split,
    /// Of the full clip.
    subset: Option<Subset>,
    /// Of its masked copies.
    masked: BTreeMap<ModalitySet, Option<Subset>>,
}

impl BenchTruth {
    /// Takes what is needed from a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let maps: BTreeMap<&str, _> =
            manifest.header.corpora.iter().map(|c| (c.name.as_str(), c.class_map)).collect();
        let mut clips = BTreeMap::new();
        for row in manifest.rows.iter().filter(|row| row.is_full()) {
            let known = CorpusName::of(&row.corpus);
            let map = maps.get(row.corpus.as_str()).copied().unwrap_or(known.map);
            let clip = Clip {
                corpus: CorpusName { name: row.corpus.clone(), map },
                labels: row.labels.classes(),
                truth_score: row.labels.ground_truth.score,
                group: row.group.clone(),
                split: row.split,
                subset: row.narrowest_subset(),
                masked: BTreeMap::new(),
            };
            clips.insert(row.id.clone(), clip);
        }
        let mut copies = BTreeMap::new();
        for row in &manifest.rows {
            if let Some(source) = &row.source_id {
                if let Some(clip) = clips.get_mut(source) {
                    clip.masked.insert(row.coalition, row.subset);
                }
                copies.insert(row.id.clone(), (source.clone(), row.coalition));
            }
        }
        Self { clips, copies }
    }

    /// The row of an answer.
    pub(super) fn row(&self, given: &GivenAnswer) -> Result<AnswerRow, Fault> {
        let (id, shown) = self.find(given).ok_or_else(|| self.unknown(given))?;
        let clip = &self.clips[id];
        let coalition = match (shown, given.coalition) {
            (Some(shown), Some(stated)) if shown != stated => {
                let message =
                    format!("found {stated} beside `{}`, which shows {shown}, expected the same", given.id);
                let hint =
                    "give the id of the full clip beside a coalition, or the id of a masked copy alone";
                return Err(fault(given, "coalition", message, hint));
            }
            (shown, stated) => stated.or(shown).unwrap_or(ModalitySet::FULL),
        };
        let subset = if coalition == ModalitySet::FULL {
            clip.subset
        } else {
            clip.masked.get(&coalition).copied().flatten()
        };
        Ok(AnswerRow {
            row: given.row,
            line: given.line,
            corpus: clip.corpus.clone(),
            id: id.to_owned(),
            coalition,
            answer: given.answer,
            stated: given.stated,
            labels: clip.labels,
            truth_score: Some(clip.truth_score),
            group: clip.group.clone(),
            subset,
            clip_subset: clip.subset,
        })
    }

    /// The full clip that an id means, and what a masked copy shows.
    fn find(&self, given: &GivenAnswer) -> Option<(&str, Option<ModalitySet>)> {
        let long = format!("{}/{}", given.corpus, given.id);
        [given.id.as_str(), &long].into_iter().find_map(|id| {
            let full = self.clips.get_key_value(id).map(|(id, _)| (id.as_str(), None));
            full.or_else(|| self.copies.get(id).map(|(source, shown)| (source.as_str(), Some(*shown))))
        })
    }

    fn unknown(&self, given: &GivenAnswer) -> Fault {
        let example = self.clips.keys().next().map_or("corpus/video/clip", String::as_str);
        let message = format!("found `{}`, expected an id of the benchmark such as `{example}`", given.id);
        let hint = "use the ids of manifest.parquet, or add a column `corpus` beside `video/clip`";
        fault(given, "id", message, hint)
    }

    /// How much of the benchmark is answered, and whether answers are of several splits.
    pub(super) fn notes(&self, rows: &[AnswerRow]) -> Vec<String> {
        let answered: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut of_split: BTreeMap<Split, (usize, usize)> = BTreeMap::new();
        for (id, clip) in &self.clips {
            let (found, all) = of_split.entry(clip.split).or_default();
            *found += usize::from(answered.contains(id.as_str()));
            *all += 1;
        }
        let parts: Vec<String> = of_split
            .into_iter()
            .filter(|(_, (found, _))| *found > 0)
            .map(|(split, (found, all))| format!("{found} of {all} clips of {split}"))
            .collect();
        vec![format!("the file answers {}", parts.join(", "))]
    }
}

/// Puts answers beside the benchmark. `path` is named in errors, `answer_column` in the report.
///
/// # Errors
/// Unknown ids, and two answers for the same clip and coalition; under [`OnBadRow::Skip`] these are left out.
pub fn join(
    path: &Path,
    given: &[GivenAnswer],
    truth: &BenchTruth,
    answer_column: &'static str,
    on_bad_row: OnBadRow,
) -> Result<Answers, ScoreFileError> {
    if given.is_empty() {
        return Err(ScoreFileError::Empty { path: path.to_owned() });
    }
    let mut rows = Vec::with_capacity(given.len());
    let mut faults = Vec::new();
    for answer in given {
        match truth.row(answer) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(fault),
        }
    }
    let mut answers = settled(path, rows, faults, answer_column, on_bad_row)?;
    answers.notes = truth.notes(&answers.rows);
    Ok(answers)
}

fn fault(given: &GivenAnswer, column: &str, message: String, hint: &str) -> Fault {
    Fault {
        row: given.row,
        line: given.line,
        column: Some(column.to_owned()),
        message,
        hint: hint.to_owned(),
        skippable: true,
    }
}
