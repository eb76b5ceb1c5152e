//! Rows of the manifest as columns of `manifest.parquet`, and back.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use super::row::ManifestRow;
use crate::error::{DatasetError, VocabularyError};
use crate::labels::{Label, Labels};
use crate::modality::Modality;
use crate::parquet_file::{Column, Values};
use crate::per_modality::PerModality;
use crate::sentiment::{GridScore, Polarity, Sentiment};

/// Ground truth and modalities, as column names end.
const SOURCES: [&str; 4] = ["ground_truth", "text", "audio", "video"];

/// Names of scores, classes and polarities in the order of [`SOURCES`].
const SCORES: [&str; 4] = ["score_ground_truth", "score_text", "score_audio", "score_video"];
const CLASSES: [&str; 4] = ["class_ground_truth", "class_text", "class_audio", "class_video"];
const POLARITIES: [&str; 4] = ["polarity_ground_truth", "polarity_text", "polarity_audio", "polarity_video"];

/// The label of a source, by its place in [`SOURCES`].
fn label(row: &ManifestRow, source: usize) -> Option<Label> {
    match source {
        0 => Some(row.labels.ground_truth),
        _ => row.labels.modality(Modality::ALL[source - 1]),
    }
}

/// The columns, in the order in which they stand in the file.
pub(super) fn columns_of(rows: &[ManifestRow]) -> Vec<(&'static str, Values)> {
    let text = |of: &dyn Fn(&ManifestRow) -> Option<String>| Values::Text(rows.iter().map(of).collect());
    let mut columns: Vec<(&'static str, Values)> = vec![
        ("id", text(&|r| Some(r.id.clone()))),
        ("source_id", text(&|r| r.source_id.clone())),
        ("corpus", text(&|r| Some(r.corpus.clone()))),
        ("video_id", text(&|r| Some(r.video_id.clone()))),
        ("clip_id", text(&|r| Some(r.clip_id.clone()))),
        ("coalition", text(&|r| Some(r.coalition.to_string()))),
        ("subset", text(&|r| r.subset.map(|s| s.to_string()))),
        ("agreement", text(&|r| r.agreement.map(|a| a.to_string()))),
        ("split", text(&|r| Some(r.split.to_string()))),
        ("group", text(&|r| Some(r.group.clone()))),
        ("language", text(&|r| Some(r.language.clone()))),
        ("official_split", text(&|r| r.official_split.clone())),
        ("text", text(&|r| r.text.clone())),
        ("video_path", text(&|r| r.video_path.clone())),
        ("audio_path", text(&|r| r.audio_path.clone())),
        ("video_sha256", text(&|r| r.video_sha256.clone())),
        ("audio_sha256", text(&|r| r.audio_sha256.clone())),
    ];
    for source in 0..SOURCES.len() {
        let scores = rows.iter().map(|r| label(r, source).map(|l| l.score.value())).collect();
        columns.push((SCORES[source], Values::Double(scores)));
        columns.push((CLASSES[source], text(&|r| label(r, source).map(|l| l.class.name().to_owned()))));
        let polarity = |r: &ManifestRow| label(r, source).map(|l| l.polarity.name().to_owned());
        columns.push((POLARITIES[source], text(&polarity)));
    }
    columns
}

/// The rows of a file. Columns are found by name; ones that are not ours are passed over.
pub(super) fn rows_of(path: &Path, columns: Vec<Column>) -> Result<Vec<ManifestRow>, DatasetError> {
    let mut columns: BTreeMap<String, Values> = columns.into_iter().map(|c| (c.name, c.values)).collect();
    let mut missing = Vec::new();
    let mut texts = |name: &str| {
        if let Some(Values::Text(values)) = columns.remove(name) {
            return values;
        }
        missing.push(name.to_owned());
        Vec::new()
    };
    let ids = texts("id");
    let n_rows = ids.len();
    let mut table = Texts { path, columns: BTreeMap::new() };
    for name in [
        "source_id",
        "corpus",
        "video_id",
        "clip_id",
        "coalition",
        "subset",
        "agreement",
        "split",
        "group",
        "language",
        "official_split",
        "text",
        "video_path",
        "audio_path",
        "video_sha256",
        "audio_sha256",
    ] {
        table.columns.insert(name, texts(name));
    }
    for name in CLASSES.into_iter().chain(POLARITIES) {
        table.columns.insert(name, texts(name));
    }
    let scores = SCORES.map(|name| match columns.remove(name) {
        Some(Values::Double(values)) if values.len() == n_rows => values,
        _ => {
            missing.push(name.to_owned());
            Vec::new()
        }
    });
    missing.extend(table.columns.iter().filter(|(_, v)| v.len() != n_rows).map(|(n, _)| (*n).to_owned()));
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        return Err(DatasetError::Columns { path: path.to_owned(), missing });
    }
    ids.into_iter()
        .enumerate()
        .map(|(row, id)| {
            let label = |source: usize| table.label(row, source, scores[source][row]);
            Ok(ManifestRow {
                id: id.ok_or_else(|| table.wrong(row, "an id", "none"))?,
                source_id: table.take(row, "source_id"),
                corpus: table.need(row, "corpus")?,
                video_id: table.need(row, "video_id")?,
                clip_id: table.need(row, "clip_id")?,
                coalition: table
                    .word(row, "coalition")?
                    .ok_or_else(|| table.wrong(row, "a coalition", "none"))?,
                subset: table.word(row, "subset")?,
                agreement: table.word(row, "agreement")?,
                split: table.word(row, "split")?.ok_or_else(|| table.wrong(row, "a split", "none"))?,
                group: table.need(row, "group")?,
                language: table.need(row, "language")?,
                official_split: table.take(row, "official_split"),
                text: table.take(row, "text"),
                video_path: table.take(row, "video_path"),
                audio_path: table.take(row, "audio_path"),
                video_sha256: table.take(row, "video_sha256"),
                audio_sha256: table.take(row, "audio_sha256"),
                labels: Labels {
                    ground_truth: label(0)?.ok_or_else(|| table.wrong(row, "a ground truth", "none"))?,
                    modalities: PerModality { text: label(1)?, audio: label(2)?, video: label(3)? },
                },
            })
        })
        .collect()
}

/// Columns of text on the way to rows.
struct Texts<'a> {
    path: &'a Path,
    columns: BTreeMap<&'static str, Vec<Option<String>>>,
}

impl Texts<'_> {
    fn take(&self, row: usize, name: &str) -> Option<String> {
        self.columns.get(name).and_then(|c| c.get(row)).cloned().flatten()
    }

    fn need(&self, row: usize, name: &str) -> Result<String, DatasetError> {
        self.take(row, name).ok_or_else(|| self.wrong(row, name, "none"))
    }

    fn word<T: FromStr<Err = VocabularyError>>(
        &self,
        row: usize,
        name: &str,
    ) -> Result<Option<T>, DatasetError> {
        self.take(row, name)
            .map(|word| word.parse().map_err(|e: VocabularyError| self.wrong(row, e.expected, &e.found)))
            .transpose()
    }

    fn label(&self, row: usize, source: usize, score: Option<f64>) -> Result<Option<Label>, DatasetError> {
        let (Some(score), Some(word)) = (score, self.take(row, CLASSES[source])) else { return Ok(None) };
        let steps = (5.0 * score).round();
        let grid = GridScore::from_steps(steps as i8).filter(|s| s.value().total_cmp(&score).is_eq());
        // A negative zero is a zero.
        let grid = grid.or_else(|| GridScore::from_steps(0).filter(|_| score == 0.0));
        let score = grid.ok_or_else(|| self.wrong(row, "a score of the 0.2 grid", &score.to_string()))?;
        let class = Sentiment::ALL
            .into_iter()
            .find(|s| s.name() == word)
            .ok_or_else(|| self.wrong(row, "a sentiment class", &word))?;
        let polarity = self.need(row, POLARITIES[source])?;
        let polarity = Polarity::ALL
            .into_iter()
            .find(|p| p.name() == polarity)
            .ok_or_else(|| self.wrong(row, "negative, neutral or positive", &polarity))?;
        Ok(Some(Label { score, class, polarity }))
    }

    fn wrong(&self, row: usize, expected: &str, found: &str) -> DatasetError {
        DatasetError::Table {
            path: self.path.to_owned(),
            row: row as u64 + 1,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}
