//! Unimodal labels from a file of their own: what our annotators, or anyone's, give to CMU-MOSI (Sec. 3.1, App. A.2).
//!
//! One row a clip: `seq,clip,label_T,label_A,label_V`, or votes `T_1…T_5,A_1…A_5,V_1…V_5` in {−1, 0, 1}; CSV or XLSX.
//! `clip` is `<video>_<clip>`; `video_id` and `clip_id` in columns of their own are read too.

use std::collections::BTreeMap;
use std::path::Path;

use super::clip::{Reading, SourceFile};
use super::plain::read_by_ending;
use super::table::{Row, Table, malformed};
use crate::error::DatasetError;
use crate::finding::{Action, Finding, FindingKind};
use crate::score::ScoreScale;
use crate::votes::mean_of_votes;

const LABELS: [&str; 3] = ["label_T", "label_A", "label_V"];
const LETTERS: [char; 3] = ['T', 'A', 'V'];

/// Most annotators of one modality.
const MAX_VOTES: usize = 9;

/// Endings of media files, which some lists carry along in `clip`.
const ENDINGS: [&str; 4] = [".mp4", ".wav", ".avi", ".mkv"];

/// Reads `path` and puts its labels on the clips of `reading`, in place of any that they had.
pub fn add_unimodal_labels(reading: &mut Reading, path: &Path) -> Result<(), DatasetError> {
    let file =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let mut table = read_by_ending(path, &file, false)?;
    let columns = Columns::of(&table, path)?;
    table.report_unknown_columns(&columns.known.iter().map(String::as_str).collect::<Vec<_>>());
    let mut findings = std::mem::take(&mut table.findings);
    let keys = keys_of(reading);

    // Labels of each clip, with the rows that state them.
    let mut stated: BTreeMap<usize, Vec<(u64, [String; 3])>> = BTreeMap::new();
    for row in &table.rows {
        let key = columns.key(row);
        let found = |kind, found: String, action| Finding {
            kind,
            file: file.clone(),
            row: Some(row.number),
            clip: Some(key.clone()),
            found,
            action,
        };
        match keys.get(&key) {
            Some(Some(index)) => {
                let (labels, faults) = columns.labels(&table, row);
                findings.extend(faults.into_iter().map(|(kind, text)| found(kind, text, Action::Dropped)));
                stated.entry(*index).or_default().push((row.number, labels));
            }
            Some(None) => findings.push(found(
                FindingKind::UnmatchedLabels,
                "more than one clip has this name; give video_id and clip_id".to_owned(),
                Action::Dropped,
            )),
            None if key.is_empty() => findings.push(malformed(&file, row.number, "no clip".to_owned())),
            None => {
                findings.push(found(
                    FindingKind::UnmatchedLabels,
                    "no such clip".to_owned(),
                    Action::Dropped,
                ));
            }
        }
    }
    for clip in &mut reading.clips {
        clip.modalities = Default::default();
    }
    for (index, rows) in stated {
        let clip = &mut reading.clips[index];
        let agree = rows.iter().all(|(_, labels)| *labels == rows[0].1);
        for (row, labels) in &rows[1..] {
            findings.push(Finding {
                kind: if agree { FindingKind::RepeatedRow } else { FindingKind::ContradictoryRows },
                file: file.clone(),
                row: Some(*row),
                clip: Some(clip.name()),
                found: labels.join(", "),
                action: Action::Dropped,
            });
        }
        if agree {
            clip.modalities.clone_from(&rows[0].1);
        }
    }
    reading.findings.extend(findings);
    reading.sources.push(SourceFile { corpus: reading.corpus.name.clone(), file, digest: table.digest });
    reading.corpus.modality_scale = ScoreScale::Unit;
    reading.corpus.has_votes = true;
    Ok(())
}

/// Clips by `video_clip` and by `video/clip`; `None` where a name fits several.
fn keys_of(reading: &Reading) -> BTreeMap<String, Option<usize>> {
    let mut keys: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (index, clip) in reading.clips.iter().enumerate() {
        for key in [format!("{}_{}", clip.video_id, clip.clip_id), clip.name()] {
            keys.entry(key)
                .and_modify(|seen| {
                    // Repeated rows of one clip are dealt with when labels are mapped; the first takes the labels.
                    let same = seen.is_some_and(|i: usize| reading.clips[i].name() == clip.name());
                    *seen = if same { *seen } else { None };
                })
                .or_insert(Some(index));
        }
    }
    keys
}

/// Where the table holds what.
struct Columns {
    clip: Option<usize>,
    ids: Option<(usize, usize)>,
    labels: [Option<usize>; 3],
    votes: [Vec<usize>; 3],
    known: Vec<String>,
}

impl Columns {
    fn of(table: &Table, path: &Path) -> Result<Self, DatasetError> {
        let clip = table.column("clip");
        let ids = table.column("video_id").zip(table.column("clip_id"));
        if clip.is_none() && ids.is_none() {
            return Err(DatasetError::Columns { path: path.to_owned(), missing: vec!["clip".to_owned()] });
        }
        let labels = LABELS.map(|name| table.column(name));
        let mut known: Vec<String> =
            ["seq", "clip", "video_id", "clip_id", "text"].map(String::from).to_vec();
        let mut missing = Vec::new();
        let votes: [Vec<usize>; 3] = std::array::from_fn(|m| {
            if labels[m].is_some() {
                known.push(LABELS[m].to_owned());
                return Vec::new();
            }
            let names = (1..=MAX_VOTES).map(|n| format!("{}_{n}", LETTERS[m]));
            let found: Vec<(String, usize)> =
                names.filter_map(|name| table.column(&name).map(|column| (name, column))).collect();
            if found.is_empty() {
                missing.push(LABELS[m].to_owned());
            }
            known.extend(found.iter().map(|(name, _)| name.clone()));
            found.into_iter().map(|(_, column)| column).collect()
        });
        if missing.len() == LABELS.len() {
            return Err(DatasetError::Columns { path: path.to_owned(), missing });
        }
        Ok(Self { clip, ids, labels, votes, known })
    }

    fn key(&self, row: &Row) -> String {
        if let Some((video, clip)) = self.ids {
            return format!("{}/{}", row.cell(Some(video)).text(), row.cell(Some(clip)).text());
        }
        let name = row.cell(self.clip).text();
        let ending = ENDINGS.iter().find(|e| name.ends_with(*e));
        ending.map_or(name, |e| &name[..name.len() - e.len()]).to_owned()
    }

    /// Score texts of T, A, V, and what is wrong with the votes.
    fn labels(&self, table: &Table, row: &Row) -> ([String; 3], Vec<(FindingKind, String)>) {
        let mut faults = Vec::new();
        let labels = std::array::from_fn(|m| {
            if self.labels[m].is_some() {
                return row.cell(self.labels[m]).text().to_owned();
            }
            let mut votes: Vec<i8> = Vec::new();
            for column in &self.votes[m] {
                let text = row.cell(Some(*column)).text().trim();
                let name = &table.columns[*column];
                match text {
                    "" => faults.push((FindingKind::MissingLabel, format!("no vote under {name}"))),
                    "-1" | "-1.0" => votes.push(-1),
                    "0" | "0.0" | "-0" | "-0.0" => votes.push(0),
                    "1" | "1.0" | "+1" => votes.push(1),
                    _ => faults.push((FindingKind::OutOfRange, format!("vote {text} under {name}"))),
                }
            }
            mean_of_votes(&votes).map(|score| score.to_string()).unwrap_or_default()
        });
        (labels, faults)
    }
}
