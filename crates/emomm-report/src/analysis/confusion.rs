//! Confusion matrices: true class × answer, with a column for records without an answer.

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_eval::run::RecordStatus;

use super::paired::Part;
use crate::study::{Study, StudyRun};

/// Counts `[true class][answer]`; the last column counts records without an answer.
pub type Counts = [[usize; 6]; 5];

/// The matrix of a part of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartConfusion {
    /// `overall`, `align`, `conflict` or `missing`.
    pub part: &'static str,
    /// The counts.
    pub counts: Counts,
}

/// The matrices of the parts that occur.
pub fn confusions(study: &Study, run: &StudyRun) -> Vec<PartConfusion> {
    let parts = [Part::Overall, Part::Align, Part::Conflict, Part::Missing];
    let mut found: Vec<PartConfusion> =
        parts.iter().map(|p| PartConfusion { part: p.name(), counts: [[0; 6]; 5] }).collect();
    for (index, clip) in study.clips.iter().enumerate() {
        for coalition in ModalitySet::ALL.into_iter().filter(|s| s.len() >= 2) {
            let Some(record) = run.record(index, coalition) else { continue };
            let answer = record.label.filter(|_| record.status == RecordStatus::Ok);
            let column = answer.map_or(5, Sentiment::index);
            for (part, matrix) in parts.iter().zip(&mut found) {
                if part.holds(clip, coalition) {
                    matrix.counts[clip.truth().index()][column] += 1;
                }
            }
        }
    }
    found.retain(|m| m.counts.iter().flatten().any(|n| *n > 0));
    found
}

/// How the answers of one run became those of another, on full clips: right or wrong in each.
pub fn flips(study: &Study, first: &StudyRun, second: &StudyRun) -> [[usize; 2]; 2] {
    let mut counts = [[0; 2]; 2];
    for (index, clip) in study.clips.iter().enumerate() {
        for coalition in ModalitySet::ALL.into_iter().filter(|s| s.len() >= 2) {
            let (Some(a), Some(b)) = (first.record(index, coalition), second.record(index, coalition)) else {
                continue;
            };
            let side = |record| usize::from(!crate::study::is_right(clip, record));
            counts[side(a)][side(b)] += 1;
        }
    }
    counts
}
