//! `emomm eval` as a process: what is written, resumed, refused.

use std::fs;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::eval_stage::{CLIPS, bench, eval, log};
use crate::process::{emomm, finish};

#[test]
fn a_run_has_a_header_and_one_record_for_each_clip_and_coalition() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let done = finish(eval("fake:", &run).arg("--json"));
    let summary = &done.objects()[0];
    assert_eq!(summary["n_records"], json!(CLIPS * 8), "{done}");
    assert_eq!((&summary["is_complete"], &summary["n_reused"]), (&json!(true), &json!(0)));
    assert_eq!(summary["statuses"], json!({ "ok": CLIPS * 8 }));
    let lines = log(&run);
    assert_eq!(lines.len(), 1 + CLIPS * 8);
    let header = &lines[0];
    assert_eq!(header["format_version"], json!(1));
    assert_eq!(header["plan"]["n_records"], json!(CLIPS * 8));
    assert_eq!(header["plan"]["settings"]["prompt"], json!("app-e-1"));
    assert_eq!(header["plan"]["settings"]["prompt_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(header["plan"]["bench"]["manifest_sha256"].as_str().unwrap().len(), 64);
    let keys = [
        "key",
        "sample",
        "coalition",
        "status",
        "letter_logits",
        "letter",
        "reply",
        "reply_letter",
        "reply_score",
        "tokens",
        "ms",
    ];
    for record in &lines[1..] {
        for key in keys {
            assert!(record.get(key).is_some(), "{key} in {record}");
        }
        assert_eq!(record["letter_logits"].as_object().unwrap().len(), 5);
    }

    // The same command again has nothing to do.
    let again = finish(eval("fake:", &run).arg("--json"));
    assert_eq!(again.objects()[0]["n_reused"], json!(CLIPS * 8));
    assert_eq!(log(&run).len(), lines.len());
}

#[test]
fn selections_and_shards_are_parts_of_the_whole() {
    let folder = tempdir().unwrap();
    let samples = |name: &str, words: &[&str]| {
        let run = folder.path().join(name);
        let done = finish(eval("fake:", &run).args(words));
        assert_eq!(done.code, Some(0), "{done}");
        let of =
            |r: &Value| format!("{} {}", r["sample"].as_str().unwrap(), r["coalition"].as_str().unwrap());
        let mut found: Vec<String> = log(&run)[1..].iter().map(of).collect();
        found.sort();
        found
    };
    let all = samples("all", &["--coalitions", "TAV,TA"]);
    assert_eq!(all.len(), CLIPS * 2);
    let shards: Vec<String> = (1..=3)
        .flat_map(|i| samples(&format!("s{i}"), &["--coalitions", "TA,TAV", "--shard", &format!("{i}/3")]))
        .collect();
    let mut joined = shards.clone();
    joined.sort();
    assert_eq!(joined, all);
    let conflict = samples("conflict", &["--subset", "conflict", "--coalitions", "TAV"]);
    assert!(!conflict.is_empty() && conflict.len() < CLIPS);
    let missing = samples("missing", &["--subset", "missing-conflict"]);
    assert!(missing.iter().all(|s| [" TA", " TV", " AV"].iter().any(|c| s.ends_with(c))), "{missing:?}");
    let test = samples("test", &["--split", "test", "--coalitions", "none"]);
    assert!(!test.is_empty() && test.len() < CLIPS / 2);
    assert_eq!(samples("limit", &["--limit", "3"]).len(), 24);
    let one = all[0].split(' ').next().unwrap();
    assert_eq!(samples("one", &["--sample-id", one, "--coalitions", "all"]).len(), 8);
}

#[test]
fn what_cannot_be_selected_is_refused() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    finish(eval("fake:", &run).args(["--sample-id", "ch-sims/x/y"])).refused(2, &["ch-sims/x/y"]);
    finish(eval("fake:", &run).args(["--shard", "4/3"])).misused("4/3");
    finish(eval("fake:", &run).args(["--coalitions", "TX"])).misused("TX");
    finish(&mut eval("fake:panik=1", &run)).refused(2, &["panik=1"]);
    finish(eval("fake:", &run).args(["--missing", "mask"])).refused(2, &["--missing mask", "made up"]);
    finish(eval("fake:", &run).args(["--missing", "zero"])).misused("omit, blank or mask");
    // Copies show pairs: without one of them a part of what was asked for would be left out in silence.
    finish(eval("fake:", &run).args(["--subset", "conflict,missing-align", "--coalitions", "T,TAV"]))
        .refused(2, &["missing-align: masked copies show two", "asked for are T, TAV", "TA, TV or AV"]);
    // A run that is there is held against its own plan alone.
    let there = folder.path().join("there");
    let made = finish(eval("fake:", &there).args(["--subset", "conflict", "--coalitions", "TAV"]));
    assert_eq!(made.code, Some(0), "{made}");
    finish(eval("fake:", &there).args(["--subset", "conflict,missing-align", "--coalitions", "TAV"]))
        .refused(2, &["the plan has changed"]);
    finish(emomm().args(["eval", "--model", "fake:", "--out", "x"])).refused(2, &["--bench is missing"]);
    finish(emomm().args(["eval", "--model", "fake:", "--bench"]).arg(folder.path()).args(["--out", "x"]))
        .refused(3, &["manifest.json"]);
    assert!(!run.exists());
}

#[test]
fn a_changed_plan_is_refused_with_a_diff_and_can_be_accepted() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    assert_eq!(finish(eval("fake:", &run).args(["--limit", "2"])).code, Some(0));
    let refused = finish(eval("fake:seed=2", &run).args(["--limit", "3"]));
    refused.refused(2, &["the plan has changed"]);
    for part in ["settings.model.sha256", "selection.limit: 2 in the log, 3 now", "--accept-changes"] {
        assert!(refused.stderr.contains(part), "{part}\n{refused}");
    }
    assert_eq!(log(&run).len(), 17);
    // A larger selection of the same settings keeps what is there.
    let larger = finish(eval("fake:", &run).args(["--limit", "3", "--accept-changes", "--json"]));
    assert_eq!(larger.objects()[0]["n_reused"], json!(16), "{larger}");
    // Of a smaller one the rest stays in the log and does not count.
    let smaller = finish(eval("fake:", &run).args(["--limit", "1", "--accept-changes", "--json"]));
    let object = &smaller.objects()[0];
    assert_eq!(
        (&object["n_reused"], &object["n_records"], &object["score"]["n"]),
        (&json!(8), &json!(8), &json!(8))
    );
    // Another model keeps nothing.
    let other = finish(eval("fake:seed=2", &run).args(["--limit", "3", "--accept-changes", "--json"]));
    assert_eq!(other.objects()[0]["n_reused"], json!(0), "{other}");
    assert_eq!(other.objects()[0]["n_records"], json!(24));
}

#[test]
fn failures_are_records_and_the_exit_code_says_so() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let done = finish(eval("fake:media=0001,panic=0002@TA", &run).args(["--json", "--jobs", "3"]));
    assert_eq!(done.code, Some(1), "{done}");
    let summary = &done.printed()[0];
    assert_eq!(summary["is_complete"], json!(true));
    assert!(summary["statuses"]["media_error"].as_u64().unwrap() >= 8);
    assert!(summary["statuses"]["error"].as_u64().unwrap() >= 1);
    let setup = folder.path().join("setup");
    finish(&mut eval("fake:setup=0", &setup)).one_error(2, &["made-up missing program"]);
}

#[test]
fn too_many_failures_end_the_run() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let done = finish(eval("fake:media=0,ms=10", &run).args(["--fail-on-error", "0.5", "--no-preflight"]));
    done.one_error(1, &["too many records failed", "--fail-on-error"]);
    assert!(log(&run).len() < 1 + CLIPS * 8);
}

#[test]
fn a_run_that_cannot_answer_ends_after_three_clips() {
    let folder = tempdir().unwrap();
    for (words, code, part) in
        [("fake:media=/", 3, "made-up broken file"), ("fake:nan=/", 4, "expected finite")]
    {
        let run = folder.path().join(code.to_string());
        let done = finish(eval(words, &run).arg("--json"));
        done.one_error(code, &[part, "24 records that were tried first", "--no-preflight"]);
        assert_eq!(log(&run).len(), 1 + 3 * 8, "{words}");
        assert_eq!(done.printed()[0]["is_complete"], json!(false));
        // Few clips are asked without a trial, and so is everything without a preflight.
        let few = finish(eval(words, &folder.path().join(format!("{code}-few"))).args(["--limit", "5"]));
        assert_eq!(few.code, Some(1), "{few}");
        let all = finish(eval(words, &run).args(["--no-preflight", "--json"]));
        assert_eq!(all.code, Some(1), "{all}");
        assert_eq!(all.printed()[0]["n_reused"], json!(24));
        assert_eq!(log(&run).len(), 1 + CLIPS * 8);
    }
}

#[test]
fn a_dry_run_computes_nothing() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let done = finish(eval("fake:", &run).args(["--dry-run", "--json", "--coalitions", "TAV"]));
    let summary = &done.objects()[0];
    assert_eq!((&summary["n_clips"], &summary["n_records"]), (&json!(CLIPS), &json!(CLIPS)));
    assert!(summary["missing_files"].as_u64().unwrap() > 0);
    assert!(!run.exists());
}

#[test]
fn an_experiment_file_gives_the_same_run_as_its_words() {
    let folder = tempdir().unwrap();
    let (file, by_file, by_words) =
        (folder.path().join("e.toml"), folder.path().join("a"), folder.path().join("b"));
    let text = format!(
        "about = 'Table 0'\nmodel = 'fake:'\nbench = {:?}\ncoalitions = ['TAV', 'T']\nsplit = ['test']\nlimit = 9\n",
        bench()
    );
    fs::write(&file, text).unwrap();
    let arguments = ["--limit", "4"];
    let done = finish(emomm().args(["eval", "--plan"]).arg(&file).arg("--out").arg(&by_file).args(arguments));
    assert_eq!(done.code, Some(0), "{done}");
    let words = ["--coalitions", "T,TAV", "--split", "test", "--limit", "4"];
    assert_eq!(finish(eval("fake:", &by_words).args(words)).code, Some(0));
    assert_eq!(log(&by_file)[0]["plan"], log(&by_words)[0]["plan"]);
    fs::write(&file, "colour = 'red'\n").unwrap();
    finish(emomm().args(["eval", "--plan"]).arg(&file)).refused(2, &["e.toml", "colour"]);
}

#[test]
fn generated_replies_are_kept() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let done =
        finish(eval("fake:mute=0001", &run).args(["--generate", "--attention", "summary", "--limit", "4"]));
    assert_eq!(done.code, Some(1), "{done}");
    for record in &log(&run)[1..] {
        match record["status"].as_str().unwrap() {
            "ok" => assert_eq!(record["reply_letter"], record["letter"]),
            "parse_error" => assert!(record["reply"].is_string() && record["letter"].is_null()),
            other => panic!("{other}"),
        }
        assert!(record["attention"]["share"].is_object());
    }
}
