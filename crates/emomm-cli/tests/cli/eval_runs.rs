//! `compare`, `retry`, `errors`, `rescore` and `merge` on runs of the fake.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::eval_stage::{CLIPS, eval, log, on_runs};
use crate::process::{emomm, finish};

/// A complete run with some words.
fn run_of(folder: &TempDir, name: &str, model: &str, words: &[&str]) -> PathBuf {
    let run = folder.path().join(name);
    let done = finish(eval(model, &run).args(words));
    assert!(matches!(done.code, Some(0 | 1)), "{done}");
    run
}

fn records(run: &Path) -> Vec<Value> {
    log(run).into_iter().filter(|l| l.get("key").is_some()).collect()
}

#[test]
fn two_runs_are_compared_on_the_rows_of_the_benchmark() {
    let folder = tempdir().unwrap();
    let a = run_of(&folder, "a", "fake:seed=1", &[]);
    let b = run_of(&folder, "b", "fake:seed=2,media=0001", &[]);
    let done = on_runs("compare", &[&a, &b], &["--json", "--permutations", "200", "--resamples", "100"]);
    let report = &done.objects()[0];
    // Full clips and three pairs each.
    assert_eq!(report["n"], json!(CLIPS * 4));
    for key in ["a", "b", "delta", "low", "high", "p"] {
        assert!(report["acc"][key].is_number(), "{key} in {}", report["acc"]);
    }
    let n = |name: &str| report["subsets"][name]["n"].as_u64().unwrap_or(0);
    assert_eq!(n("align") + n("conflict"), CLIPS as u64);
    assert_eq!(n("missing-align") + n("missing-conflict"), 3 * CLIPS as u64);
    let flips = &report["flips"];
    let flipped = flips["right_to_wrong"].as_u64().unwrap() + flips["wrong_to_right"].as_u64().unwrap();
    assert_eq!(report["flipped"].as_array().unwrap().len() as u64, flipped);
    let same = on_runs("compare", &[&a, &a], &["--json"]);
    assert_eq!(same.objects()[0]["acc"]["delta"], json!(0.0));
    assert!(on_runs("compare", &[&a, &b], &[]).stdout.contains("conflict"));
    // A run without any answer goes beside answers of either kind.
    let none = run_of(&folder, "none", "fake:media=/", &["--no-preflight"]);
    let report = on_runs("compare", &[&none, &a], &["--json"]);
    assert_eq!(report.objects()[0]["acc"]["a"], json!(0.0), "{report}");
}

#[test]
fn runs_on_other_samples_are_refused() {
    let folder = tempdir().unwrap();
    let a = run_of(&folder, "a", "fake:", &[]);
    let b = run_of(&folder, "b", "fake:", &["--limit", "5"]);
    on_runs("compare", &[&a, &b], &["--json"]).refused(3, &["the sample sets differ", "--common"]);
    let common = on_runs("compare", &[&a, &b], &["--json", "--common"]);
    assert_eq!(common.objects()[0]["n"], json!(20), "{common}");
    on_runs("compare", &[&a, folder.path()], &[]).refused(3, &["log.jsonl"]);
}

/// A benchmark that was built again under the same name has other labels, and figures that the run never had.
#[test]
fn labels_of_another_benchmark_are_told() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder, "run", "fake:", &["--limit", "3"]);
    let told =
        "the run was made with a benchmark of digest 000000000000, its labels are taken from one of digest";
    let commands = [("score", vec![&run]), ("rescore", vec![&run]), ("compare", vec![&run, &run])];
    let said = |command: &str, runs: &[&PathBuf]| {
        let runs: Vec<&Path> = runs.iter().map(|run| run.as_path()).collect();
        let done = on_runs(command, &runs, &["--json"]);
        assert_eq!((done.code, done.objects().len()), (Some(0), 1), "{done}");
        done.stderr.matches(told).count()
    };
    for (command, runs) in &commands {
        assert_eq!(said(command, runs), 0, "{command}");
    }
    let path = run.join("log.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let own = log(&run)[0]["plan"]["bench"]["manifest_sha256"].as_str().unwrap().to_owned();
    fs::write(&path, text.replacen(&own, &"0".repeat(own.len()), 1)).unwrap();
    for (command, runs) in &commands {
        assert_eq!(said(command, runs), runs.len(), "{command}");
    }
    let export = finish(emomm().args(["log", "export", "--csv"]).arg(&run));
    assert!(export.code == Some(0) && export.stderr.contains(told), "{export}");
}

#[test]
fn errors_are_grouped_and_retried() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder, "run", "fake:media=0001,panic=0002@TA", &["--coalitions", "TA,T"]);
    let done = on_runs("errors", &[&run], &["--json"]);
    let report = &done.objects()[0];
    let groups = report["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{report}");
    assert_eq!(groups[0]["status"], json!("media_error"));
    assert!(groups[0]["n"].as_u64() > groups[0]["n_clips"].as_u64());
    let n_panics = groups[1]["n"].as_u64().unwrap() as usize;
    assert_eq!(groups[1]["kind"], json!("panic"));
    assert!(on_runs("errors", &[&run], &[]).stdout.contains("made-up broken file"));

    // The faults are gone with other words, and the model is the same by its seed.
    let before = records(&run).len();
    let done = on_runs("retry", &[&run], &["--json", "--status", "error", "--model", "fake:media=0001"]);
    assert_eq!(done.code, Some(1), "{done}");
    assert_eq!(records(&run).len(), before + n_panics);
    let done = on_runs("retry", &[&run], &["--json", "--model", "fake:"]);
    assert_eq!(done.objects()[0]["statuses"], json!({ "ok": CLIPS * 2 }), "{done}");
    // Nothing is left to ask.
    let after = records(&run).len();
    assert_eq!(on_runs("retry", &[&run], &["--model", "fake:"]).code, Some(0));
    assert_eq!(records(&run).len(), after);
    on_runs("retry", &[&run], &["--model", "fake:seed=9"]).refused(2, &["not that of the run"]);
}

#[test]
fn replies_are_parsed_again() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder, "run", "fake:mute=0001", &["--generate", "--coalitions", "TAV"]);
    let path = run.join("log.jsonl");
    // As if an older parser had not understood this reply.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("I would rather not say.", "Answer: B")).unwrap();
    let dry = on_runs("rescore", &[&run], &["--json", "--dry-run"]);
    let n = dry.objects()[0]["n_changed"].as_u64().unwrap();
    assert!(n > 0 && !run.join("scores.json").exists(), "{dry}");
    let done = on_runs("rescore", &[&run], &["--json"]);
    let report = &done.objects()[0];
    assert_eq!(report["n_changed"], json!(n));
    assert_eq!(report["score"]["n"], json!(CLIPS));
    let written: Value = serde_json::from_slice(&fs::read(run.join("scores.json")).unwrap()).unwrap();
    assert_eq!(written, report["score"]);
    assert_eq!(on_runs("rescore", &[&run], &["--json"]).objects()[0]["n_changed"], json!(0));
}

#[test]
fn shards_are_merged_into_what_one_run_would_be() {
    let folder = tempdir().unwrap();
    let words = ["--coalitions", "TAV,V", "--attention", "full"];
    let whole = run_of(&folder, "whole", "fake:", &words);
    let shard = |i: usize, n: usize| {
        let part = format!("{i}/{n}");
        let more = [&words[..], &["--shard", &part]].concat();
        run_of(&folder, &format!("shard-{i}-{n}"), "fake:", &more)
    };
    let (first, second, third) = (shard(1, 3), shard(2, 3), shard(3, 3));
    let out = folder.path().join("merged");
    let merge = |runs: &[&Path], out: &Path| {
        finish(emomm().arg("merge").args(runs).arg("--out").arg(out).arg("--json"))
    };
    merge(&[&first, &third], &out).refused(3, &["gaps", "shard 2/3 is missing"]);
    merge(&[&first, &second, &third, &first], &out).refused(3, &["overlap"]);
    merge(&[&first, &second, &whole], &out).refused(3, &["no shard"]);
    merge(&[&first, &shard(2, 2)], &out).refused(3, &["another plan"]);
    assert!(!out.exists());
    let done = merge(&[&third, &first, &second], &out);
    assert_eq!(done.objects()[0]["n_records"], json!(CLIPS * 2), "{done}");
    let sorted = |run: &Path| {
        let mut all = records(run);
        for record in &mut all {
            record["attention"]["tensors"] = Value::Null;
        }
        all.sort_by_key(|r| format!("{} {}", r["sample"], r["coalition"]));
        all
    };
    assert_eq!(sorted(&out), sorted(&whole));
    let plan = |run: &Path| log(run)[0]["plan"].clone();
    assert_eq!(plan(&out), plan(&whole));
    for record in records(&out) {
        let file = record["attention"]["tensors"].as_str().unwrap().to_owned();
        assert!(out.join("attention").join(&file).is_file(), "{file}");
    }
    merge(&[&third, &first, &second], &out).refused(2, &["found a log"]);

    // A shard that is not complete is a gap.
    let log_of_second = second.join("log.jsonl");
    let text = fs::read_to_string(&log_of_second).unwrap();
    let cut: Vec<&str> = text.lines().take(3).collect();
    fs::write(&log_of_second, format!("{}\n", cut.join("\n"))).unwrap();
    merge(&[&first, &second, &third], &folder.path().join("other")).refused(3, &["gaps", "2 of"]);
}

/// Few clips in many shards: one without any clip is a whole run of nothing, so that an array of jobs ends well and can be merged.
#[test]
fn a_shard_may_hold_no_clip() {
    let folder = tempdir().unwrap();
    let shards: Vec<PathBuf> = (1..=6)
        .map(|i| {
            let run = folder.path().join(format!("shard-{i}"));
            let done =
                finish(eval("fake:", &run).args(["--limit", "2", "--shard", &format!("{i}/6"), "--json"]));
            assert_eq!(done.code, Some(0), "{done}");
            assert_eq!(done.objects()[0]["is_complete"], json!(true), "{done}");
            run
        })
        .collect();
    let empty: Vec<&PathBuf> = shards.iter().filter(|run| records(run).is_empty()).collect();
    assert!((4..6).contains(&empty.len()), "{} of 6 are empty", empty.len());
    assert_eq!(on_runs("errors", &[empty[0]], &["--json"]).objects()[0]["n_total"], json!(0));
    // Its table has heads and no row.
    let heads = |run: &Path| {
        let table = on_runs("log", &[Path::new("export"), run], &["--csv"]).stdout;
        (table.lines().next().unwrap().to_owned(), table.lines().count())
    };
    let full = shards.iter().find(|run| !records(run).is_empty()).unwrap();
    assert_eq!(heads(empty[0]), (heads(full).0, 1));
    let parquet = folder.path().join("empty.parquet");
    let wrote = on_runs(
        "log",
        &[Path::new("export"), empty[0], Path::new("--parquet"), Path::new("--out"), &parquet],
        &[],
    );
    assert_eq!(wrote.code, Some(0), "{wrote}");
    let out = folder.path().join("merged");
    let done = finish(emomm().arg("merge").args(&shards).arg("--out").arg(&out).arg("--json"));
    assert_eq!(done.objects()[0]["n_records"], json!(16), "{done}");
    // Without a shard an empty selection stays a mistake.
    finish(eval("fake:", &folder.path().join("none")).args(["--limit", "0"])).refused(2, &["no clip"]);
}

/// What is exported scores as the run does, in either form.
#[test]
fn a_run_scores_as_its_exports() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder, "run", "fake:media=0001", &["--generate", "--split", "test"]);
    let figures = |report: &Value| (report["rows"].clone(), report["psmv"].clone(), report["gtar"].clone());
    let few = ["--json", "--resamples", "20"];
    let own = on_runs("score", &[&run], &few);
    assert_eq!(own.code, Some(0), "{own}");
    let expected = &own.printed()[0];
    assert!(expected["rows"].as_array().unwrap().len() > 8);
    let by_log = on_runs("score", &[&run.join("log.jsonl")], &few);
    assert_eq!(&by_log.printed()[0], expected);
    for (form, name) in [("--csv", "export.csv"), ("--parquet", "export.parquet")] {
        let file = folder.path().join(name);
        let done = finish(emomm().args(["log", "export"]).arg(&run).arg(form).arg("--out").arg(&file));
        assert_eq!((done.code, done.stdout.trim()), (Some(0), file.to_str().unwrap()), "{done}");
        let bench = crate::eval_stage::bench().to_str().unwrap();
        let scored = on_runs("score", &[&file], &[&few[..], &["--bench", bench]].concat());
        assert_eq!(figures(&scored.printed()[0]), figures(expected), "{scored}");
    }
    let lines = finish(emomm().args(["log", "export"]).arg(&run).arg("--lmms-eval")).printed();
    assert_eq!(lines.len(), records(&run).len());
    let right = |l: &Value| l["acc"] == json!(1.0);
    assert!(lines.iter().all(|l| right(l) == (l["filtered_resps"][0] == l["target"])));
    finish(emomm().args(["log", "export"]).arg(&run)).misused("required");
}

/// The real thing once: the embedded model reads transcripts, which need no media.
#[test]
fn a_checkpoint_is_evaluated_and_goes_on() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let model = crate::checkpoint::golden();
    let words = ["--coalitions", "none,T", "--limit", "2", "--attention", "full", "--json"];
    let done = finish(eval(model.to_str().unwrap(), &run).args(words));
    let summary = &done.objects()[0];
    assert_eq!(summary["statuses"], json!({ "ok": 4 }), "{done}");
    let lines = log(&run);
    assert_eq!(lines[0]["plan"]["settings"]["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(lines[0]["plan"]["settings"]["media"]["sampling"], json!("qwen"));
    let record = &lines[1];
    assert_eq!(record["attention"]["nmas"]["text"].is_null(), record["coalition"] == json!("none"));
    // As `predict` answers.
    let of_text = lines.iter().find(|l| l["coalition"] == json!("T")).unwrap();
    assert!(of_text["tokens"]["text"].as_u64().unwrap() > 0);
    let again = finish(eval(model.to_str().unwrap(), &run).args(words));
    assert_eq!(again.objects()[0]["n_reused"], json!(4), "{again}");
}
