//! Scoring files of predictions: reading, faults, figures by hand and against scikit-learn.

mod bench;
mod by_hand;
mod compare;
mod faults;
mod golden;
mod properties;
mod reading;

use std::path::PathBuf;

use emomm_eval::score::{
    Answers, ReadOptions, ScoreFileError, ScoreOptions, ScoreReport, ScoreRow, read, score,
};

/// A file of that name in a folder of its own, which lives as long as the first value.
fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn read_as(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Answers, ScoreFileError> {
    let (_folder, path) = file(name, content);
    read(&path, options)
}

fn answers(name: &str, content: impl AsRef<[u8]>) -> Answers {
    read_as(name, content, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Scored with few resamples: most tests look at values only.
fn scored(answers: &Answers) -> ScoreReport {
    let mut options = ScoreOptions::default();
    options.bootstrap.n_resamples = 20;
    score(answers, &options).unwrap()
}

/// The row of a corpus, a coalition and a subset.
#[track_caller]
fn row<'a>(report: &'a ScoreReport, corpus: &str, coalition: &str, subset: &str) -> &'a ScoreRow {
    let mut found = report
        .rows
        .iter()
        .filter(|r| r.corpus == corpus && r.coalition == coalition && r.subset_name() == subset);
    let row = found.next().unwrap_or_else(|| panic!("no row {corpus} {coalition} {subset}"));
    assert!(found.next().is_none(), "two rows {corpus} {coalition} {subset}");
    row
}
