//! What the rows of one clip must agree on, and what one of them may say for all.

use emomm_dataset::{Modality, ModalitySet};

use super::answers::AnswerRow;
use super::error::{self, Fault};

/// Names a row: corpus, clip, coalition.
pub(super) fn key(row: &AnswerRow) -> (&str, &str, ModalitySet) {
    (&row.corpus.name, &row.id, row.coalition)
}

/// Names a clip.
pub(super) fn clip_key(row: &AnswerRow) -> (&str, &str) {
    (&row.corpus.name, &row.id)
}

/// Goes over the clips of sorted rows: repeated rows and contradictions become faults, labels and groups that stand
/// on one row of a clip hold for all of them. A clip without a group is a group of its own.
pub(super) fn settle(rows: &mut [AnswerRow]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for clip in rows.chunk_by_mut(|a, b| clip_key(a) == clip_key(b)) {
        let before = faults.len();
        repeated(clip, &mut faults);
        if faults.len() == before {
            contradictions(clip, &mut faults);
        }
        if faults.len() == before {
            share(clip);
        }
    }
    faults
}

fn repeated(clip: &[AnswerRow], faults: &mut Vec<Fault>) {
    for same in clip.chunk_by(|a, b| a.coalition == b.coalition).filter(|same| same.len() > 1) {
        for (i, row) in same.iter().enumerate() {
            let other = if i == 0 { &same[1] } else { &same[0] };
            faults.push(fault(
                row,
                "id",
                format!(
                    "found `{}` with coalition {} again in {}, expected each pair once",
                    row.id,
                    row.coalition,
                    place(other)
                ),
                "remove one of the rows, or give the runs files of their own",
            ));
        }
    }
}

fn contradictions(clip: &[AnswerRow], faults: &mut Vec<Fault>) {
    let before = faults.len();
    let mut compare = |column: &str, word: &dyn Fn(&AnswerRow) -> Option<String>| {
        let mut stated = clip.iter().filter_map(|row| word(row).map(|w| (row, w)));
        let Some((first, expected)) = stated.next() else { return };
        if let Some((other, found)) = stated.find(|(_, w)| *w != expected) {
            let message = |found: &str, expected: &str, there: &AnswerRow| {
                format!("found {found} for `{}`, expected {expected} as in {}", there.id, place(there))
            };
            let hint =
                "give all rows of a clip the same labels and the same group, whatever the model was shown";
            faults.push(fault(other, column, message(&found, &expected, first), hint));
        }
    };
    compare("ground_truth", &|row| Some(row.labels.ground_truth.to_string()));
    compare("ground_truth", &|row| row.truth_score.map(|s| s.to_string()));
    for m in Modality::ALL {
        let column = format!("label_{}", m.letter());
        compare(&column, &|row| row.labels.modality(m).map(|s| s.to_string()));
    }
    compare("group", &|row| (!row.group.is_empty()).then(|| row.group.clone()));
    // Nobody knows which row is right: none of the clip's is kept.
    if let Some(first) = faults.get(before).cloned() {
        for row in
            clip.iter().filter(|r| !faults[before..].iter().any(|f| f.row == r.row)).collect::<Vec<_>>()
        {
            let message = format!("its clip `{}` contradicts itself in row {}", row.id, first.row);
            faults.push(fault(row, first.column.as_deref().unwrap_or("id"), message, &first.hint));
        }
    }
}

fn share(clip: &mut [AnswerRow]) {
    let Some(mut known) = clip.first().cloned() else { return };
    for row in clip.iter() {
        known.truth_score = known.truth_score.or(row.truth_score);
        for m in Modality::ALL {
            let label = known.labels.modalities.get_mut(m);
            *label = label.or(row.labels.modality(m));
        }
        if known.group.is_empty() {
            known.group.clone_from(&row.group);
        }
    }
    if known.group.is_empty() {
        known.group.clone_from(&known.id);
    }
    for row in clip {
        row.labels = known.labels;
        row.truth_score = known.truth_score;
        row.group.clone_from(&known.group);
    }
}

fn place(row: &AnswerRow) -> String {
    error::place(row.row, row.line)
}

fn fault(row: &AnswerRow, column: &str, message: String, hint: &str) -> Fault {
    Fault {
        row: row.row,
        line: row.line,
        column: Some(column.to_owned()),
        message,
        hint: hint.to_owned(),
        skippable: true,
    }
}
