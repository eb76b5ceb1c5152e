//! The records of a run and the labels of its benchmark as rows to score.
//!
//! A record of a pair is one row: it belongs to the Missing subset of what it shows, and enters PSMV as the value of that
//! coalition. So nothing is computed twice, and nothing counts twice in one figure.

use emomm_dataset::Sentiment;
use emomm_dataset::manifest::Manifest;
use serde::{Deserialize, Serialize};

use super::answers::{Answers, OnBadRow};
use super::bench::{BenchTruth, GivenAnswer, join};
use super::error::ScoreFileError;
use crate::run::{LOG_FILE, Record, RecordStatus, Run};

/// Which answer of a record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordColumn {
    /// The letter of the greatest logit where any record has one, else the reply's.
    #[default]
    Auto,
    /// The letter of the greatest logit.
    Letter,
    /// The letter read from the reply.
    ReplyLetter,
}

/// One row for each record of the run, with the labels of the manifest. A record without an answer is a row without one.
///
/// # Errors
/// A run without a record, and clips that the benchmark does not know.
pub fn of_run(run: &Run, manifest: &Manifest, column: RecordColumn) -> Result<Answers, ScoreFileError> {
    let uses_letter = match column {
        RecordColumn::Letter => true,
        RecordColumn::ReplyLetter => false,
        RecordColumn::Auto => run.records().iter().any(|r| r.letter.is_some()),
    };
    let given: Vec<GivenAnswer> =
        run.records().iter().enumerate().map(|(at, record)| given(at, record, uses_letter)).collect();
    let answer_column = if uses_letter { "letter" } else { "reply_letter" };
    let path = run.folder().join(LOG_FILE);
    let mut answers = join(&path, &given, &BenchTruth::of(manifest), answer_column, OnBadRow::Error)?;
    answers.notes.clear();
    if !run.is_complete() {
        answers.notes.push(format!("the run is not complete: {}", run.n_of_n()));
    }
    let failed = run.records().iter().filter(|r| r.status != RecordStatus::Ok).count();
    if failed > 0 {
        answers.notes.push(format!("{failed} records have no answer; see `emomm errors`"));
    }
    Ok(answers)
}

fn given(at: usize, record: &Record, uses_letter: bool) -> GivenAnswer {
    let letter = if uses_letter { record.letter } else { record.reply_letter };
    let answer = letter.and_then(Sentiment::from_letter).filter(|_| record.status == RecordStatus::Ok);
    GivenAnswer {
        row: at + 1,
        line: 0,
        id: record.sample.clone(),
        corpus: String::new(),
        coalition: Some(record.coalition),
        answer,
        stated: record.reply_score.filter(|_| answer.is_some()),
    }
}
