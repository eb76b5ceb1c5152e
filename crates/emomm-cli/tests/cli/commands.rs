//! `demo`, `doctor`, `models`, help, and a reader that goes away.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::checkpoint::{Checkpoint, golden};
use crate::process::{emomm, finish, run};

#[test]
fn the_demo_goes_from_world_to_figures_and_does_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (out, cache) = (folder.path().join("demo"), folder.path().join("cache"));
    let demo = || {
        let mut command = emomm();
        command.env("EMOMM_CACHE", &cache).args(["demo", "--clips", "8", "--json", "--out"]).arg(&out);
        let outcome = finish(&mut command);
        let found = outcome.objects();
        assert_eq!(found.len(), 1, "{outcome}");
        found[0].clone()
    };
    let first = demo();
    assert_eq!(first["synthetic"], Value::Bool(true));
    let run = Path::new(first["run"].as_str().unwrap()).join("log.jsonl");
    // A header, and sixteen clips under eight coalitions.
    let log = std::fs::read_to_string(&run).unwrap();
    assert_eq!(log.lines().count(), 1 + 16 * 8);
    let page = std::fs::read_to_string(first["report"].as_str().unwrap()).unwrap();
    for id in ["figure-chase-gain", "figure-chase-trace", "table-chase-variants", "table-chase-detection"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert!(page.contains("is no evidence"), "a demo's figures are called what they are");
    assert!(Path::new(first["router"].as_str().unwrap()).join("router.safetensors").is_file());
    let steered = first["steering"]["rows"].as_array().unwrap();
    assert!(steered.iter().any(|r| r["variant"] == "two_pass" && r["acc"].is_number()), "{first}");
    let rows = first["figures"]["accuracy"].as_array().unwrap();
    assert!(rows.iter().any(|r| r["subset"] == "conflict" && r["n"].as_u64() > Some(0)), "{first}");
    let second = demo();
    assert_eq!(first["figures"], second["figures"]);
    assert_eq!(first["steering"], second["steering"]);
    assert_eq!(std::fs::read_to_string(&run).unwrap(), log);
    assert!(!cache.exists(), "the demo wrote outside of its folder");
}

#[test]
fn the_demo_needs_a_folder_that_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let outcome = finish(emomm().args(["demo", "--quick", "--out"]).arg(&file));
    outcome.refused(2, &[&file.display().to_string(), "--out"]);
}

#[test]
fn the_embedded_model_is_written_once_and_said_to_know_synthetic_clips_only() {
    let cache = tempfile::tempdir().unwrap();
    let predict = || {
        let mut command = emomm();
        command.env("EMOMM_CACHE", cache.path().join("deep/cache"));
        command.args(["predict", "--model", "embedded", "--text", "hi", "--json"]);
        finish(&mut command)
    };
    let first = predict();
    assert!(first.stderr.contains("only synthetic clips"), "{first}");
    assert_eq!(first.answers(), predict().answers());
    let folders: Vec<_> = std::fs::read_dir(cache.path().join("deep/cache")).unwrap().collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
}

#[test]
fn the_cache_folder_must_be_writable() {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let mut command = emomm();
    command.env("EMOMM_CACHE", &file).args(["predict", "--model", "embedded", "--text", "hi"]);
    finish(&mut command).one_error(2, &[&file.display().to_string(), "set EMOMM_CACHE"]);
    let mut command = emomm();
    command.env_remove("EMOMM_CACHE").env_remove("HOME").env_remove("LOCALAPPDATA");
    command.args(["predict", "--model", "embedded", "--text", "hi"]);
    finish(&mut command).one_error(2, &["no cache folder", "set EMOMM_CACHE"]);
}

/// The keys of a table of the contract whose heading is given.
fn contract_keys(heading: &str) -> Vec<String> {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let contract = std::fs::read_to_string(contract).unwrap();
    let section = contract.split(&format!("## `{heading}`")).nth(1).expect("the contract has the command");
    let table = section.split("| key | value |").nth(1).expect("the command has a table of keys");
    let rows = table.lines().skip(2).take_while(|l| l.starts_with('|'));
    let mut keys: Vec<String> = rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
    keys.sort();
    keys
}

fn keys(object: &Value) -> Vec<String> {
    let mut keys: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn the_doctor_reports_what_the_contract_says() {
    let objects = run(["doctor", "--json"]).objects();
    assert_eq!(objects.len(), 1);
    assert_eq!(keys(&objects[0]), contract_keys("emomm doctor"));
    assert_eq!(objects[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(objects[0]["ffmpeg"]["version"].is_string() && objects[0]["ffmpeg"]["problem"].is_null());
    assert_eq!(objects[0]["devices"][0], "cpu");
    assert!(objects[0]["model"].is_null());
}

#[test]
fn the_doctor_weighs_a_checkpoint() {
    let objects = finish(emomm().args(["doctor", "--json", "--model"]).arg(golden())).objects();
    let model = &objects[0]["model"];
    assert_eq!(
        (&model["layers"], &model["heads"], &model["hidden_size"]),
        (&4.into(), &4.into(), &64.into())
    );
    let parameters = model["parameters"].as_u64().unwrap();
    assert_eq!(model["stored_bytes"], parameters * 4);
    assert_eq!(model["weight_bytes"]["f32"], parameters * 4);
    assert_eq!(model["gpu_weight_bytes"]["bf16"], parameters * 2);
    // On the processor only matrices become smaller.
    let smaller = model["weight_bytes"]["bf16"].as_u64().unwrap();
    assert!(smaller > parameters * 2 && smaller < parameters * 3, "{model}");
    // Keys and values, four layers, two heads of 16; four bytes on the processor, two on a GPU.
    assert_eq!(model["cache_bytes_2000_tokens"]["f16"], 2 * 4 * 2 * 16 * 4 * 2000);
    assert_eq!(model["gpu_cache_bytes_2000_tokens"]["f16"], 2 * 4 * 2 * 16 * 2 * 2000);
    let plain = finish(emomm().args(["doctor", "--model"]).arg(golden()));
    assert!(plain.stdout.contains(&parameters.to_string()), "{plain}");
}

/// What is stored in two bytes stays so: f32 takes no more than bf16.
#[test]
fn the_doctor_knows_that_two_bytes_stay_two() {
    let objects = finish(emomm().args(["doctor", "--json", "--model", "embedded"])).objects();
    let (model, weights) = (&objects[0]["model"], &objects[0]["model"]["weight_bytes"]);
    assert_eq!(model["stored_bytes"], model["parameters"].as_u64().unwrap() * 2);
    assert_eq!(weights["f32"], weights["bf16"]);
    assert!(weights["f32"].as_u64().unwrap() < model["gpu_weight_bytes"]["f32"].as_u64().unwrap(), "{model}");
}

#[test]
fn the_doctor_ends_with_1_without_ffmpeg() {
    let outcome = finish(emomm().args(["doctor", "--json"]).env("EMOMM_FFMPEG", "/nonexistent/ffmpeg"));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let ffmpeg = &outcome.printed()[0]["ffmpeg"];
    assert!(ffmpeg["version"].is_null() && ffmpeg["libx264"].is_null(), "{ffmpeg}");
    assert!(ffmpeg["problem"].as_str().unwrap().contains("/nonexistent/ffmpeg"), "{ffmpeg}");
    assert!(ffmpeg["hint"].is_string(), "{ffmpeg}");
}

#[test]
fn the_doctor_ends_with_1_for_a_checkpoint_that_cannot_be_used() {
    let checkpoint = Checkpoint::copy();
    checkpoint.write("model.safetensors", b"not weights");
    let missing = checkpoint.path("missing");
    for (folder, problem) in [
        (checkpoint.folder(), "model.safetensors: not a valid safetensors file"),
        (&missing, "found nothing, expected a checkpoint folder"),
    ] {
        let outcome = finish(emomm().args(["doctor", "--json", "--model"]).arg(folder));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""), "{outcome}");
        let report = &outcome.printed()[0];
        assert_eq!(keys(&report["model"]), ["folder", "hint", "problem"], "{outcome}");
        assert!(report["model"]["problem"].as_str().unwrap().contains(problem), "{outcome}");
        assert!(report["ffmpeg"]["version"].is_string(), "{outcome}");
    }
}

#[test]
fn models_lists_what_can_be_loaded() {
    let objects = run(["models", "--json"]).objects();
    let types: Vec<&str> = objects.iter().map(|o| o["model_type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["qwen2_5_omni", "qwen2_5_omni_thinker", "vita-Qwen2", "gemini:MODEL", "openai:BASE_URL#MODEL"]
    );
    assert!(objects.iter().all(|o| o["name"].is_string() && o["access"].is_string()));
    let plain = run(["models"]);
    assert!(types.iter().all(|t| plain.stdout.contains(t)), "{plain}");
}

#[test]
fn help_goes_to_stdout_and_misuse_to_stderr() {
    for arguments in [&["--help"][..], &["predict", "--help"], &["--version"]] {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
        assert!(outcome.stdout.contains("emomm"), "{outcome}");
    }
    let none: [&str; 0] = [];
    let outcome = run(none);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{outcome}");
    run(["predikt"]).misused("predikt");
    run(["predict", "--text", "hi"]).misused("required arguments");
    run(["doctor", "--moddel", "x"]).misused("--moddel");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let golden = golden();
    let golden = golden.to_str().unwrap();
    let long = ["predict", "--model", golden, "--text", "hi", "--all-coalitions", "--json"];
    for arguments in [&long[..], &["models"], &["models", "--json"], &["doctor"], &["--help"]] {
        let mut child =
            emomm().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}
