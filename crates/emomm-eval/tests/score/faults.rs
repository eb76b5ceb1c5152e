//! Bad files: the message names file, row, column, what was found and what was expected; the hint says what to do.

use std::fmt::Write;

use emomm_eval::score::{OffGrid, OnBadRow, ReadOptions, ScoreFileError};

use crate::{read_as, row, scored};

fn error(name: &str, content: impl AsRef<[u8]>) -> ScoreFileError {
    read_as(name, content, &ReadOptions::default()).expect_err("the file is bad")
}

#[track_caller]
fn assert_says(name: &str, content: impl AsRef<[u8]>, parts: &[&str]) {
    let error = error(name, content);
    let text = format!("{error} | {}", error.hint());
    assert!(!error.hint().is_empty());
    for part in [&[name], parts].concat() {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn bad_cells() {
    let head = "id,coalition,label,score,ground_truth,label_T,label_A,label_V,group,subset,corpus\n";
    for (cells, parts) in [
        ("a,,Q,,A,,,,,,", ["row 2 (line 3), column label: found `Q`", "a letter A to E"]),
        ("a,,5,,A,,,,,,", ["column label: found `5`", "0 to 4"]),
        ("a,,0.4,,A,,,,,,", ["column label: found `0.4`", "scores go into the column `score`"]),
        ("a,,nan,,A,,,,,,", ["column label: found `nan`", "leave the cell empty"]),
        ("a,,A or B,,A,,,,,,", ["column label: found `A or B`", "a letter A to E"]),
        ("a,TX,A,,A,,,,,,", ["column coalition: found `TX`", "TA, TV, AV, TAV"]),
        ("a,,A,1.5,A,,,,,,", ["column score: found `1.5`", "a number from -1 to 1"]),
        ("a,,A,inf,A,,,,,,", ["column score: found `inf`", "a number from -1 to 1"]),
        ("a,,A,,,,,,,,", ["column ground_truth: found nothing", "give the true label"]),
        ("a,,A,,2.4,,,,,,", ["column ground_truth: found the score 2.4", "divide scores of CMU-MOSI by 3"]),
        ("a,,A,,0.3,,,,,,", ["column ground_truth: found the score 0.3", "--off-grid snap"]),
        ("a,,A,,A,x,,,,,", ["column label_T: found `x`", "a score with a decimal point"]),
        ("a,,A,,A,,0.3,,,,", ["column label_A: found the score 0.3", "a point of the grid"]),
        ("a,,A,,A,,,9,,,", ["column label_V: found `9`", "an empty cell"]),
        ("a,,A,,A,,,,,aligned,", ["column subset: found `aligned`", "one of align, conflict"]),
        ("a,,A,,A,,,,,missing-align,", ["column subset: found `missing-align` beside", "lacks a modality"]),
        ("a,,A,,A,,,,,,all", ["column corpus: found `all`", "name another"]),
        (",,A,,A,,,,,,", ["column id: found nothing", "the id of a clip"]),
        ("a,,A", ["row 2 (line 3): found 3 fields", "expected 11 as in the header"]),
    ] {
        assert_says("p.csv", format!("{head}ok,,A,,A,,,,,,\n{cells}\n"), &parts);
    }
}

#[test]
fn rows_that_contradict_each_other_are_both_named() {
    for (rows, parts) in [
        (
            "a,TAV,A,A,,s\nb,TAV,A,A,,\na,,B,A,,s\n",
            [
                "row 3 (line 4), column id: found `a` with coalition TAV again in row 1 (line 2)",
                "remove one of the rows",
            ],
        ),
        (
            "a,TAV,A,A,,\na,TA,A,B,,\n",
            [
                "column ground_truth: found negative for `a`, expected weakly-negative as in row 2 (line 3)",
                "same labels",
            ],
        ),
        ("a,TAV,A,A,A,\na,TA,A,A,B,\n", ["column label_T: found negative", "row 2 (line 3)"]),
        ("a,TAV,A,A,,s\na,TA,A,A,,t\n", ["column group: found s", "expected t as in row 2 (line 3)"]),
    ] {
        assert_says("p.csv", format!("id,coalition,label,ground_truth,label_T,group\n{rows}"), &parts);
    }
}

/// Is `1` the class weakly negative or the score 1.0? Beside a −0.8 nobody knows.
#[test]
fn numbers_of_classes_and_scores_are_not_mixed() {
    let file = "id,label,ground_truth\na,A,-0.8\nb,A,1\n";
    let parts = [
        "row 2 (line 3), column ground_truth: found `1`, a class, and `-0.8` in row 1 (line 2)",
        "(1.0, not 1)",
    ];
    assert_says("p.csv", file, &parts);
    let skip = ReadOptions { on_bad_row: OnBadRow::Skip, ..ReadOptions::default() };
    let error = read_as("p.csv", file, &skip).unwrap_err();
    assert!(!error.hint().contains("--on-bad-row"), "{}", error.hint());
    // Another corpus may be written in another way.
    let file = "id,label,ground_truth,corpus\na,A,-0.8,ch-sims\nb,A,1,cmu-mosi\n";
    assert!(read_as("p.csv", file, &skip).is_ok());
}

#[test]
fn bad_files() {
    let head = "id,label,ground_truth\n";
    for (name, content, parts) in [
        ("p.parquet", b"PAR1....".to_vec(), ["a Parquet file that cannot be read", "to_parquet"]),
        ("p.csv", b"PAR1....".to_vec(), ["a Parquet file that cannot be read", "to_parquet"]),
        ("p.csv", b"\xff\xfei\0d\0".to_vec(), ["found UTF-16", "iconv"]),
        (
            "p.csv",
            [head.as_bytes(), b"\xc4\xe3,A,A\n"].concat(),
            ["bytes on line 2 that are not UTF-8", "iconv"],
        ),
        ("p.csv", b"id\0".to_vec(), ["a binary file", "text file"]),
        ("p.csv", b"".to_vec(), ["found no row", "one row for each answer"]),
        ("p.csv", head.as_bytes().to_vec(), ["found no row", "one row for each answer"]),
        ("p.csv", b"id;label;ground_truth\na;A;A\n".to_vec(), ["separated by semicolons", "by commas"]),
        ("p.csv", b"id\tlabel\na\tA\n".to_vec(), ["separated by tabs", "`.tsv`"]),
        ("p.json", b"[{\"id\": 1}]".to_vec(), ["a JSON array", "lines=True"]),
        ("p.csv", b"label,ground_truth\nA,A\n".to_vec(), ["no column `id`", "names the clip"]),
        ("p.csv", b"id,ground_truth\na,A\n".to_vec(), ["no column holds the answers", "`label`"]),
        (
            "p.csv",
            b"id,label\na,A\n".to_vec(),
            ["no column `ground_truth`; found the columns id, label", "add a column"],
        ),
        (
            "p.csv",
            b"id,label,Label,ground_truth\na,A,A,A\n".to_vec(),
            ["two columns are named `label`", "rename"],
        ),
        ("p.jsonl", b"{\"id\": \"a\"}\n{\"id\": \n".to_vec(), ["no column holds the answers", "`label`"]),
        (
            "p.jsonl",
            b"not json\n".to_vec(),
            ["row 1 (line 1): found text that is not JSON", "one JSON object"],
        ),
        (
            "p.jsonl",
            b"{\"id\": \"a\", \"label\": \"A\", \"ground_truth\": \"A\"}\n[1]\n".to_vec(),
            ["row 2 (line 2): found an array, expected an object", "one JSON object"],
        ),
        (
            "p.jsonl",
            b"{\"id\": \"a\", \"label\": {\"x\": 1}, \"ground_truth\": \"A\"}\n".to_vec(),
            ["column label: found `{\"x\":1}`", "a letter A to E"],
        ),
        (
            "p.jsonl",
            b"{\"id\": \"a\", \"label\": true, \"ground_truth\": \"A\"}\n".to_vec(),
            ["column label: found `true`", "a letter A to E"],
        ),
    ] {
        assert_says(name, content, &parts);
    }
}

#[test]
fn a_file_that_is_not_there_and_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("gone.csv"), folder.path().to_owned()] {
        let error = emomm_eval::score::read(&path, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, ScoreFileError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
}

#[test]
fn all_faults_are_found_together_and_the_many_are_counted() {
    let mut file = "id,label,ground_truth\n".to_owned();
    for i in 0..15 {
        let _ = writeln!(file, "c{i},X,Y");
    }
    let ScoreFileError::Rows { faults, .. } = error("p.csv", &file) else { panic!("faults of rows") };
    assert_eq!(faults.len(), 30);
    let text = error("p.csv", &file).to_string();
    assert!(text.contains("column label: found `X`") && text.contains("column ground_truth: found `Y`"));
    assert!(text.ends_with("and 20 more"), "{text}");
}

/// Of rows that contradict each other all are left out: which comes first in the file decides nothing.
#[test]
fn bad_rows_may_be_left_out_and_are_reported() {
    let file = "id,coalition,label,ground_truth\n\
                a,TAV,A,A\nb,TAV,Q,A\nc,TAV,A,A\nc,TAV,B,A\nd,TAV,A,A\nd,TA,A,B\ne,TAV,A\n";
    let skip = ReadOptions { on_bad_row: OnBadRow::Skip, ..ReadOptions::default() };
    let answers = read_as("p.csv", file, &skip).unwrap();
    assert_eq!(answers.rows.iter().map(|r| r.row).collect::<Vec<_>>(), [1]);
    assert_eq!(answers.skipped.iter().map(|f| f.row).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
    let report = scored(&answers);
    assert_eq!((report.n, report.n_skipped, row(&report, "all", "TAV", "all").n), (1, 6, 1));
    // Nothing left to score is an error under either policy.
    assert!(read_as("p.csv", "id,label,ground_truth\nb,Q,A\n", &skip).is_err());
}

#[test]
fn scores_off_the_grid_may_be_snapped() {
    let snap = ReadOptions { off_grid: OffGrid::Snap, ..ReadOptions::default() };
    let answers = read_as("p.csv", "id,label,ground_truth\na,D,0.5\nb,D,0.33\n", &snap).unwrap();
    let scores: Vec<f64> = answers.rows.iter().map(|r| r.truth_score.unwrap().value()).collect();
    assert_eq!(scores, [0.4, 0.4]);
}
