//! Any bytes as a file of predictions: scored or refused, never a panic. Shared by `corpus.rs` and by the fuzz target,
//! which names this file by its path.

use std::fs;
use std::sync::LazyLock;

use emomm_dataset::build::{BuildOptions, Curation, build};
use emomm_dataset::readers::{FolderOptions, Speakers, read_folder};
use emomm_eval::score::{
    Answers, BenchTruth, OnBadRow, ReadOptions, ScoreFileError, ScoreOptions, read, read_beside, score,
};

const METADATA: &str = "video_id,clip_id,text,label,label_T,label_A,label_V\n\
    v1,1,a,0.8,0.8,1.0,0.8\nv2,1,c,0.8,0.8,-0.2,0.8\nv3,1,d,-0.4,-0.4,-0.4,\n";

/// A benchmark of three clips in a corpus `m`.
static TRUTH: LazyLock<BenchTruth> = LazyLock::new(|| {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("m");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("metadata.csv"), METADATA).unwrap();
    let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    let reading = read_folder(&folder, &FolderOptions::default()).unwrap();
    BenchTruth::of(&build(&[reading], &Speakers::default(), &options).unwrap().manifest)
});

/// True if the bytes were accepted, under either policy, with or without the benchmark.
pub(crate) fn predictions(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut is_read = false;
    for name in ["p", "p.csv", "p.tsv", "p.jsonl", "p.parquet"] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for on_bad_row in [OnBadRow::Error, OnBadRow::Skip] {
            let options = ReadOptions { on_bad_row, ..ReadOptions::default() };
            is_read |= is_scored(read(&path, &options));
            is_read |= is_scored(read_beside(&path, &options, &TRUTH));
        }
    }
    is_read
}

fn is_scored(read: Result<Answers, ScoreFileError>) -> bool {
    let Ok(answers) = read else { return false };
    let mut options = ScoreOptions::default();
    options.bootstrap.n_resamples = 2;
    let report = score(&answers, &options).unwrap();
    assert_eq!(report.n, answers.rows.len());
    assert!(report.n_parsed <= report.n && report.n > 0);
    for row in &report.rows {
        assert!(row.acc.is_none_or(|acc| (0.0..=1.0).contains(&acc.value)));
    }
    true
}
