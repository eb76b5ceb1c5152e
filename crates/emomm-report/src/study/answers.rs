//! Records as the answers that `emomm_eval::score` understands: the same functions score a run and a file made elsewhere.

use emomm_dataset::ModalitySet;
use emomm_eval::run::{Record, RecordStatus};
use emomm_eval::score::{AnswerRow, Answers};

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
    answers(study, run, |_| true)
}

/// The pairs alone: the subset Missing.
pub fn missing_answers(study: &Study, run: &StudyRun) -> Answers {
    answers(study, run, |coalition| coalition.len() == 2)
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

fn answers(study: &Study, run: &StudyRun, keep: impl Fn(ModalitySet) -> bool) -> Answers {
    let rows = run
        .records()
        .filter(|(_, record)| keep(record.coalition))
        .enumerate()
        .map(|(at, (index, record))| row(at, &study.clips[index], record))
        .collect();
    Answers { rows, skipped: Vec::new(), answer_column: run.source().name(), notes: Vec::new() }
}

fn row(at: usize, clip: &StudyClip, record: &Record) -> AnswerRow {
    let is_ok = record.status == RecordStatus::Ok;
    // A single modality or none is no sample of the benchmark, so it has no subset of its own.
    let subset = clip.subset(record.coalition).filter(|_| record.coalition.len() >= 2);
    AnswerRow {
        row: at + 1,
        line: 0,
        corpus: clip.corpus.clone(),
        id: clip.id.clone(),
        coalition: record.coalition,
        answer: record.label.filter(|_| is_ok),
        stated: record.reply_score.filter(|_| is_ok),
        labels: clip.labels,
        truth_score: clip.scores[0],
        group: clip.group.clone(),
        subset,
        clip_subset: clip.subset(ModalitySet::FULL),
    }
}
