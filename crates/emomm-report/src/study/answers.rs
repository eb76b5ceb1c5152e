//! Records as the answers that `emomm_eval::score` understands: the same functions score a run and a file made elsewhere.

use emomm_dataset::ModalitySet;
use emomm_eval::run::{Record, RecordStatus};
use emomm_eval::score::{AnswerRow, Answers, RowSubset};

use super::{Study, StudyClip, StudyRun};

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerSource {
    /// The letter of the greatest logit (Eq. 22).
    Letter,
    /// The letter that the model wrote.
    ReplyLetter,
}

impl AnswerSource {
    /// The name of the record's field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::ReplyLetter => "reply_letter",
        }
    }
}

/// Every record. A record that ended without an answer counts as an answer that is missing.
pub fn all_answers(study: &Study, run: &StudyRun) -> Answers {
    answers(study, run, |_| true, |clip, coalition| clip.subset(coalition))
}

/// The pairs alone: the subset Missing.
pub fn missing_answers(study: &Study, run: &StudyRun) -> Answers {
    answers(study, run, |coalition| coalition.len() == 2, |clip, coalition| clip.subset(coalition))
}

/// Every record under the subset of its whole clip, so that Align and Conflict hold the same clips under every coalition
/// (Figure 3).
pub fn answers_by_clip_subset(study: &Study, run: &StudyRun) -> Answers {
    answers(study, run, |_| true, |clip, _| clip.subset(ModalitySet::FULL))
}

/// Every record with its language in the place of the corpus.
pub(crate) fn answers_by_language(study: &Study, run: &StudyRun) -> Answers {
    let mut answers = all_answers(study, run);
    for (row, (clip, _)) in answers.rows.iter_mut().zip(run.records()) {
        row.corpus.name.clone_from(&study.clips[clip].language);
    }
    answers.rows.sort_by(|a, b| (&a.corpus.name, &a.id).cmp(&(&b.corpus.name, &b.id)));
    answers
}

fn answers(
    study: &Study,
    run: &StudyRun,
    keep: impl Fn(ModalitySet) -> bool,
    subset: impl Fn(&StudyClip, ModalitySet) -> RowSubset,
) -> Answers {
    let rows = run
        .records()
        .filter(|(_, record)| keep(record.coalition))
        .enumerate()
        .map(|(at, (index, record))| {
            let clip = &study.clips[index];
            row(at, clip, record, subset(clip, record.coalition))
        })
        .collect();
    Answers { rows, skipped: Vec::new(), answer_column: run.source().name(), notes: Vec::new() }
}

fn row(at: usize, clip: &StudyClip, record: &Record, subset: RowSubset) -> AnswerRow {
    let is_ok = record.status == RecordStatus::Ok;
    AnswerRow {
        row: at + 1,
        line: at + 1,
        corpus: clip.corpus.clone(),
        id: clip.id.clone(),
        coalition: record.coalition,
        answer: record.label.filter(|_| is_ok),
        stated: record.reply_score.filter(|_| is_ok),
        labels: clip.labels,
        truth_score: clip.scores[0],
        group: clip.group.clone(),
        subset,
    }
}
