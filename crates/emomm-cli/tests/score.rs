//! `emomm score` as a process: streams and exit codes.

use std::path::Path;
use std::process::{Command, Output};

fn score(file: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.csv");
    std::fs::write(&path, file).unwrap();
    run(&path, options)
}

fn run(path: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emomm")).arg("score").arg(path).args(options).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn json_is_one_line_on_stdout_and_talk_is_on_stderr() {
    let output = score("id,label,ground_truth\na,A,A\nb,,E\n", &["--json", "--resamples", "10"]);
    assert_eq!(output.status.code(), Some(0));
    let json = text(&output.stdout);
    assert_eq!(json.lines().count(), 1);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["n"], &report["n_parsed"]), (&2.into(), &1.into()));
    assert_eq!(report["rows"][0]["acc"]["value"], 0.5);
    assert!(report["psmv"].is_null() && report["gtar"].is_null());
    let talk = text(&output.stderr);
    assert!(talk.contains("note: no PSMV") && talk.contains("note: no GTAR"), "{talk}");
}

#[test]
fn every_line_of_the_table_has_n_and_n_parsed() {
    let output = score("id,label,ground_truth\na,A,A\nb,,E\nc,B,B\n", &[]);
    let table = text(&output.stdout);
    let line = table.lines().find(|l| l.contains("TAV")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[..5], ["ch-sims", "TAV", "all", "3", "2"]);
}

#[test]
fn bad_data_ends_with_3_and_says_row_and_remedy() {
    let output = score("id,label,ground_truth\na,A,A\nb,Q,E\n", &["--json"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
    let talk = text(&output.stderr);
    for part in ["predictions.csv: row 2 (line 3), column label: found `Q`", "hint: ", "--on-bad-row skip"] {
        assert!(talk.contains(part), "{talk}");
    }
    assert_eq!(run(Path::new("no such file.csv"), &[]).status.code(), Some(3));
}

#[test]
fn rows_left_out_end_with_1_and_wrong_words_with_2() {
    let file = "id,label,ground_truth\na,A,A\nb,Q,E\n";
    let output = score(file, &["--on-bad-row", "skip"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("skipped: row 2 (line 3)"));
    assert_eq!(score(file, &["--on-bad-row", "guess"]).status.code(), Some(2));
    assert_eq!(score(file, &["--resamples", "0"]).status.code(), Some(2));
}
