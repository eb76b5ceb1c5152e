//! Served models by the binary: runs, kills, exit codes, and logs of models that ran elsewhere.

#[path = "../../../emomm-api/tests/mock/mod.rs"]
mod mock;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::eval_stage::{CLIPS, bench, eval, log, on_runs};
use crate::process::{emomm, finish};
use mock::{Fault, Mock, PRICES, Skills};

/// Both forms: `--model` and what else is needed.
fn forms(mock: &Mock) -> [(String, Vec<String>); 2] {
    let url = ["--base-url".to_owned(), mock.base_url()];
    [(mock.openai(), Vec::new()), ("gemini:mock-omni".to_owned(), url.to_vec())]
}

fn prices(folder: &Path) -> PathBuf {
    let path = folder.join("prices.toml");
    fs::write(&path, PRICES).unwrap();
    path
}

/// `emomm eval` of a served model over the transcripts of the benchmark.
fn served(model: &str, more: &[String], folder: &Path, out: &str) -> Command {
    let mut command = eval(model, &folder.join(out));
    command.args(["--coalitions", "T,none", "--proxy", "off", "--prices"]).arg(prices(folder)).args(more);
    command
}

fn records(run: &Path) -> Vec<Value> {
    log(run).into_iter().filter(|l| l.get("key").is_some()).collect()
}

#[test]
fn a_run_is_like_any_other_and_white_box_fields_are_null() {
    let mock = Mock::new(Skills::default());
    for (number, (model, more)) in forms(&mock).into_iter().enumerate() {
        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        let done = finish(served(&model, &more, folder.path(), "run").args([
            "--limit",
            "6",
            "--repeats",
            "2",
            "--json",
        ]));
        let summary = &done.objects()[0];
        assert_eq!(summary["statuses"], json!({ "ok": 12 }), "{done}");
        assert!(summary["served"]["cost_usd"].as_f64().unwrap() > 0.0);
        assert_eq!(summary["served"]["repeats"][0]["flip_rate"], json!(0.0));
        assert_eq!(summary["score"]["answer_column"], "reply_letter");
        for record in records(&run) {
            for key in ["letter_logits", "letter", "tokens", "grid_thw", "attention", "steering"] {
                assert_eq!(record[key], Value::Null, "{key} in {record}");
            }
            assert!(record["reply_letter"].is_string() && record["served"]["usage"]["prompt"].is_number());
        }
        // The same command again asks nothing.
        let asked = mock.questions().len();
        let again = finish(served(&model, &more, folder.path(), "run").args([
            "--limit",
            "6",
            "--repeats",
            "2",
            "--json",
        ]));
        assert_eq!(again.objects()[0]["n_reused"], json!(12));
        assert_eq!(mock.questions().len(), asked);
        let page = folder.path().join("report");
        let report = finish(emomm().arg("report").arg(&run).arg("--out").arg(&page));
        assert_eq!(report.code, Some(0), "{report}");
        if number == 0 {
            finish(served(&model, &more, folder.path(), "x").args(["--attention", "full"]))
                .refused(2, &["--attention is not available"]);
            finish(served("openai:nonsense", &more, folder.path(), "x").arg("--json"))
                .refused(2, &["openai:nonsense"]);
            let plan = finish(served(&model, &more, folder.path(), "x").args(["--dry-run", "--json"]));
            let plan = &plan.objects()[0];
            assert_eq!(plan["n_records"], json!(2 * CLIPS));
            let most = plan["cost"]["most_usd"].as_f64().unwrap();
            assert_eq!(
                (&plan["cost"]["expected_usd"], &plan["cost"]["from_records"]),
                (&Value::Null, &json!(0))
            );
            // With records there, their mean is what is expected, and the bound holds what they cost.
            let words = ["--dry-run", "--json", "--repeats", "2", "--limit", "6"];
            let six = finish(served(&model, &more, folder.path(), "run").args(words));
            let cost = &six.objects()[0]["cost"];
            let spent: f64 = records(&run).iter().map(|r| r["served"]["cost_usd"].as_f64().unwrap()).sum();
            let expected = cost["expected_usd"].as_f64().unwrap();
            assert!((expected - spent).abs() < 1e-9 && cost["from_records"] == json!(12), "{cost} {spent}");
            assert!(cost["most_usd"].as_f64().unwrap() > expected && most > 0.0, "{cost}");
            let said =
                finish(served(&model, &more, folder.path(), "run").args(["--dry-run", "--limit", "6"]));
            assert!(said.stdout.contains("cost        at most about "), "{said}");
            assert_eq!(mock.questions().len(), asked);
        }
    }
}

/// The benchmark has labels alone, so that no picture can be sent.
#[test]
fn the_bound_of_a_cost_holds_for_plans_of_which_parts_cannot_be_sent() {
    let mock = Mock::new(Skills::default());
    for (model, more) in forms(&mock) {
        let folder = tempdir().unwrap();
        let most = |coalitions: &str| {
            let mut command = eval(&model, &folder.path().join("run"));
            command.args(["--coalitions", coalitions, "--proxy", "off", "--dry-run", "--json", "--prices"]);
            let plan = finish(command.arg(prices(folder.path())).args(&more));
            plan.objects()[0]["cost"].clone()
        };
        let (text, both, none) = (most("T"), most("T,V"), most("V"));
        assert!(text["most_usd"].as_f64().unwrap() > 0.0, "{text}");
        assert_eq!(both["most_usd"], text["most_usd"], "what cannot be sent costs nothing");
        assert_eq!((&none["most_usd"], &none["from_clips"]), (&Value::Null, &json!(0)));
        assert_eq!(mock.questions().len(), 0);
    }
}

#[test]
fn a_run_killed_at_random_instants_pays_for_no_reply_twice() {
    for form in 0..2 {
        let mock = Mock::with(Skills::default(), |_, _| Fault::Late(Duration::from_millis(20)));
        let (model, more) = forms(&mock)[form].clone();
        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        let more = [more, ["--max-cost", "50", "--jobs", "4"].map(str::to_owned).to_vec()].concat();
        let mut n_killed = 0;
        for kill in 0..200_u64 {
            let mut command = served(&model, &more, folder.path(), "run");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_millis(150 + kill * 97 % 400));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            n_killed += usize::from(!child.wait().unwrap().success());
            if n_killed == 8 {
                let done = finish(&mut served(&model, &more, folder.path(), "run"));
                assert_eq!(done.code, Some(0), "{done}");
                break;
            }
        }
        assert!(n_killed > 0);
        let keys: Vec<String> = records(&run).iter().map(|r| r["key"].as_str().unwrap().to_owned()).collect();
        let distinct: BTreeSet<&String> = keys.iter().collect();
        assert_eq!((keys.len(), distinct.len()), (2 * CLIPS, 2 * CLIPS));
        // What was asked and not answered when a kill came is asked again: at most one question of each worker.
        let n = mock.questions().len();
        assert!(n <= 2 * CLIPS + 4 * n_killed, "{n} questions, {n_killed} kills");
        let ledger = fs::read_to_string(run.join("served/ledger.jsonl")).unwrap();
        let of =
            |line: &str, key: &str| serde_json::from_str::<Value>(line).unwrap()[key].as_f64().unwrap_or(0.0);
        let spent: f64 = ledger.lines().map(|l| of(l, "cost_usd")).sum();
        assert!(spent <= mock.charged() + 1e-9, "{spent} in the ledger, {} charged", mock.charged());
        // With what was open at a kill, the sum is never below what was charged.
        let counted = finish(served(&model, &more, folder.path(), "run").arg("--json"));
        let counted = counted.objects()[0]["served"]["cost_usd"].as_f64().unwrap();
        assert!(counted >= mock.charged() - 1e-9, "{counted} counted, {} charged", mock.charged());
    }
}

#[test]
fn a_budget_ends_a_run_with_130_and_retry_asks_what_failed() {
    let folder = tempdir().unwrap();
    let mock = Mock::new(Skills::default());
    let model = mock.openai();
    let out = finish(served(&model, &[], folder.path(), "run").args(["--max-cost", "0.2"]));
    out.one_error(130, &["the budget is used up", "--max-cost"]);
    assert!(mock.charged() <= 0.2);
    let n = records(&folder.path().join("run")).len();
    assert!(n < 2 * CLIPS);
    mock.plan(|n, _| if n % 7 == 0 { Fault::Blocked } else { Fault::None });
    let done = finish(served(&model, &[], folder.path(), "run").args(["--max-cost", "100", "--json"]));
    assert_eq!(done.code, Some(1), "{done}");
    let statuses = &done.printed()[0]["statuses"];
    assert!(statuses["blocked"].as_u64().unwrap() > 0, "{done}");
    mock.plan(|_, _| Fault::None);
    let run = folder.path().join("run");
    let retried =
        finish(emomm().arg("retry").arg(&run).args(["--status", "blocked", "--proxy", "off", "--json"]));
    assert_eq!(retried.objects()[0]["statuses"], json!({ "ok": 2 * CLIPS }), "{retried}");
}

#[test]
fn predict_shows_replies_and_says_what_was_kept_back() {
    let mock = Mock::new(Skills::default());
    for (model, more) in forms(&mock) {
        let ask = |code: i32| {
            let done = finish(
                emomm()
                    .args(["predict", "--model", &model, "--text", "He is fine.", "--proxy", "off", "--json"])
                    .args(&more),
            );
            assert_eq!(done.code, Some(code), "{done}");
            done
        };
        let answer = &ask(0).objects()[0];
        assert!(
            answer["reply_letter"].is_string()
                && answer["letter"] == Value::Null
                && answer["label"].is_string()
        );
        mock.plan(|_, _| Fault::Blocked);
        assert!(ask(4).stderr.contains("kept the answer back"));
        mock.plan(|_, _| Fault::None);
    }
    let away = finish(emomm().args(["predict", "--model", "openai:https://192.0.2.1/v1#m", "--text", "x"]));
    away.refused(2, &["faces, voices and words leave this machine"]);
}

#[test]
fn a_cost_without_a_price_is_not_nought() {
    let mock = Mock::new(Skills::default());
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let asked = ["--coalitions", "T", "--limit", "1", "--proxy", "off", "--json"];
    let done = finish(eval(&mock.openai(), &run).args(asked));
    assert_eq!(done.objects()[0]["served"]["cost_usd"], Value::Null, "{done}");
    assert_eq!(records(&run)[0]["served"]["cost_usd"], Value::Null);
}

#[test]
fn a_server_on_this_machine_is_asked_past_the_environment_s_proxy() {
    let mock = Mock::new(Skills::default());
    for (model, more) in forms(&mock) {
        let mut command = emomm();
        command.args(["predict", "--model", &model, "--text", "He is fine.", "--json", "--retries", "0"]);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            // Nobody listens there.
            command.env(name, "http://127.0.0.1:9");
        }
        for name in ["NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        let done = finish(command.args(&more));
        assert_eq!(done.code, Some(0), "{done}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_question_leaves_no_file_on_the_server() {
    // Files that never get ready: the question is waiting when the interrupt comes.
    let mock = Mock::new(Skills { looks: usize::MAX, ..Skills::default() });
    let folder = tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=1"])
        .arg(&sound)
        .status();
    assert!(made.unwrap().success());
    let mut child = emomm()
        .args([
            "predict",
            "--model",
            "gemini:mock-omni",
            "--proxy",
            "off",
            "--inline-limit",
            "0",
            "--base-url",
        ])
        .arg(mock.base_url())
        .arg("--audio")
        .arg(&sound)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if !mock.stored().is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(mock.stored().len(), 1);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(mock.stored().is_empty(), "{:?}", mock.stored());
}

/// A complete run of the fake.
fn run_of(folder: &TempDir) -> PathBuf {
    let run = folder.path().join("run");
    let done =
        finish(eval("fake:seed=1,mute=0003,media=0005", &run).args(["--generate", "--coalitions", "TAV,TA"]));
    assert!(matches!(done.code, Some(0 | 1)), "{done}");
    run
}

#[test]
fn logs_go_out_and_come_back_in_every_form() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder);
    let few = ["--resamples", "50", "--json", "--answer", "reply_letter"];
    let expected = on_runs("score", &[&run], &few).printed()[0]["rows"].clone();
    for (form, name) in [
        ("--csv", "x.csv"),
        ("--parquet", "x.parquet"),
        ("--lmms-eval", "x.jsonl"),
        ("--inspect", "x.eval"),
        ("--folder", "x"),
    ] {
        let (file, back) = (folder.path().join(name), folder.path().join(format!("back{form}")));
        let out = finish(emomm().args(["log", "export"]).arg(&run).arg(form).arg("--out").arg(&file));
        assert_eq!(out.code, Some(0), "{out}");
        let came = finish(
            emomm()
                .args(["log", "import"])
                .arg(&file)
                .arg("--bench")
                .arg(bench())
                .arg("--out")
                .arg(&back)
                .arg("--json"),
        );
        let object = &came.objects()[0];
        assert_eq!(object["n_records"], json!(2 * CLIPS), "{came}");
        assert_eq!(object["coalitions"], json!(["TA", "TAV"]));
        let scored = on_runs("score", &[&back], &few).printed()[0]["rows"].clone();
        assert_eq!(scored, expected, "{form}");
        let statuses = |run: &Path| {
            records(run).iter().map(|r| r["status"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(statuses(&back), statuses(&run), "{form}");
        // What the model wrote comes back to the letter.
        let replies = |run: &Path| {
            let of = |r: &Value| (r["sample"].to_string() + &r["coalition"].to_string(), r["reply"].clone());
            records(run).iter().filter(|r| r["status"] == "ok").map(of).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(replies(&back), replies(&run), "{form}");
        let page = folder.path().join(format!("page{form}"));
        let page = finish(emomm().arg("report").arg(&back).arg("--out").arg(page));
        assert_eq!(page.code, Some(0), "{page}");
    }
}

#[test]
fn askings_go_out_and_come_back_where_a_form_has_room_for_them() {
    let folder = tempdir().unwrap();
    // A reply that a spreadsheet would take for a formula, and one that changes.
    let mock = Mock::with(Skills::default(), |n, _| {
        Fault::Text(if n % 3 == 1 { "-> B\nScore: -0.4" } else { "=A\nA\nScore: -0.8" }.to_owned())
    });
    let run = folder.path().join("run");
    let asked = ["--limit", "4", "--repeats", "3", "--jobs", "1"];
    let done = finish(served(&mock.openai(), &[], folder.path(), "run").args(asked));
    assert_eq!(done.code, Some(0), "{done}");
    let askings = |run: &Path| {
        let of = |r: &Value| {
            let replies: Vec<Value> =
                r["served"]["repeats"].as_array().into_iter().flatten().map(|r| r["reply"].clone()).collect();
            (r["sample"].to_string() + &r["coalition"].to_string(), (r["reply"].clone(), replies))
        };
        records(run).iter().map(of).collect::<BTreeMap<_, _>>()
    };
    for (form, name, all) in [
        ("--inspect", "x.eval", true),
        ("--lmms-eval", "x.jsonl", true),
        ("--csv", "x.csv", false),
        ("--parquet", "x.parquet", false),
    ] {
        let (file, back) = (folder.path().join(name), folder.path().join(format!("back{form}")));
        let out = finish(emomm().args(["log", "export"]).arg(&run).arg(form).arg("--out").arg(&file));
        assert_eq!(out.code, Some(0), "{out}");
        let mut import = emomm();
        import.args(["log", "import"]).arg(&file).arg("--bench").arg(bench()).arg("--out").arg(&back);
        assert_eq!(finish(&mut import).code, Some(0));
        let mut expected = askings(&run);
        if !all {
            for (_, further) in expected.values_mut() {
                further.clear();
            }
        }
        assert_eq!(askings(&back), expected, "{form}");
    }
}

#[test]
fn samples_files_without_documents_are_placed_by_the_rows_of_a_data_set() {
    let folder = tempdir().unwrap();
    let run = run_of(&folder);
    let (data, file) = (folder.path().join("data"), folder.path().join("samples.jsonl"));
    for (form, out) in [("--folder", &data), ("--lmms-eval", &file)] {
        let out = finish(emomm().args(["log", "export"]).arg(&run).arg(form).arg("--out").arg(out));
        assert_eq!(out.code, Some(0), "{out}");
    }
    // As newer versions of lmms-eval write them: no document, and `resps` only where the filter changed something.
    let mut kept = Vec::new();
    for line in fs::read_to_string(&file).unwrap().lines() {
        let mut sample: Value = serde_json::from_str(line).unwrap();
        sample.as_object_mut().unwrap().retain(|key, _| key != "doc" && key != "arguments");
        let written = sample["resps"][0].clone();
        if written != json!([""]) {
            sample["filtered_resps"] = written;
            sample.as_object_mut().unwrap().remove("resps");
        }
        kept.push(sample.to_string());
    }
    fs::write(&file, kept.join("\n") + "\n").unwrap();
    let import = |out: &str, docs: Option<PathBuf>| {
        let mut command = emomm();
        command.args(["log", "import"]).arg(&file).arg("--bench").arg(bench());
        command.arg("--out").arg(folder.path().join(out)).arg("--json");
        if let Some(docs) = docs {
            command.arg("--docs").arg(docs);
        }
        finish(&mut command)
    };
    let done = import("back", Some(data.join("metadata.jsonl")));
    assert_eq!(done.objects()[0]["format"], json!("lmms-eval"), "{done}");
    let few = ["--resamples", "50", "--json", "--answer", "reply_letter"];
    let rows = |run: &Path| on_runs("score", &[run], &few).printed()[0]["rows"].clone();
    assert_eq!(rows(&folder.path().join("back")), rows(&run));
    import("without", None).refused(3, &["--docs"]);
    import("bad", Some(folder.path().join("nothing.csv"))).refused(3, &["nothing.csv"]);
}

/// A letter and a score that stand in columns of the source, and not in the text, outlive another reading of the text.
#[test]
fn rescoring_keeps_what_an_import_has_from_its_source() {
    let folder = tempdir().unwrap();
    let table = folder.path().join("answers.jsonl");
    let import = |rows: &[Value], out: &str| {
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        fs::write(&table, lines.join("\n")).unwrap();
        let out = folder.path().join(out);
        finish(emomm().args(["log", "import"]).arg(&table).arg("--bench").arg(bench()).arg("--out").arg(out))
    };
    let first = records(&run_of(&folder))[0]["sample"].as_str().unwrap().to_owned();
    let row = json!({ "id": first, "reply": "The speaker smiles", "label": "D", "score": 0.4 });
    assert_eq!(import(&[row], "back").code, Some(0));
    let back = folder.path().join("back");
    let done = on_runs("rescore", &[&back], &["--json"]);
    assert_eq!(done.objects()[0]["n_changed"], json!(0), "{done}");
    let record = &records(&back)[0];
    assert_eq!(
        [&record["status"], &record["reply_letter"], &record["reply_score"]],
        [&json!("ok"), &json!("D"), &json!(0.4)]
    );
    // What stands behind the id is a coalition, or the id is another.
    let row = json!({ "id": format!("{first}@TAX"), "label": "D" });
    import(&[row], "bad").refused(3, &["@TAX", "TAX"]);
}

#[test]
fn a_folder_as_hugging_face_has_it_is_imported() {
    let folder = tempdir().unwrap();
    let samples = folder.path().join("samples");
    fs::create_dir(&samples).unwrap();
    let ids: Vec<String> = {
        let run = run_of(&folder);
        records(&run)
            .iter()
            .filter(|r| r["coalition"] == "TAV")
            .map(|r| r["sample"].as_str().unwrap().to_owned())
            .collect()
    };
    let lines: Vec<String> =
        ids.iter().map(|id| json!({ "file_name": id, "response": "D\nScore: 0.4" }).to_string()).collect();
    fs::write(samples.join("metadata.jsonl"), lines.join("\n")).unwrap();
    let import = |out: &str| {
        finish(
            emomm()
                .args(["log", "import"])
                .arg(&samples)
                .arg("--bench")
                .arg(bench())
                .arg("--out")
                .arg(folder.path().join(out))
                .arg("--json"),
        )
    };
    let done = import("a");
    assert_eq!(done.objects()[0]["n_answered"], json!(CLIPS), "{done}");
    assert!(
        records(&folder.path().join("a")).iter().all(|r| r["reply_letter"] == "D" && r["reply_score"] == 0.4)
    );
    // Twice the same clip, and an id that nobody knows.
    fs::write(samples.join("metadata.jsonl"), [lines.clone(), lines[..1].to_vec()].concat().join("\n"))
        .unwrap();
    import("b").refused(3, &["again"]);
    fs::write(samples.join("metadata.jsonl"), "{\"file_name\":\"nobody\",\"response\":\"A\"}").unwrap();
    import("b").refused(3, &["nobody"]);
    fs::write(samples.join("metadata.csv"), "id,reply\n").unwrap();
    import("b").refused(3, &["several metadata files"]);
}
