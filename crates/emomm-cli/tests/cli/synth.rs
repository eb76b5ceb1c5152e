//! `synth`, and what `build`, `verify`, `stats` and `predict` make of its world.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use emomm_dataset::manifest::{Manifest, ManifestRow};
use serde_json::Value;

use crate::process::{Outcome, emomm, finish, run};

fn synth(folder: &Path, clips: &str, more: &[&str]) -> Outcome {
    let first = [OsString::from("synth"), folder.into(), "--clips".into(), clips.into()];
    run(first.into_iter().chain(more.iter().map(OsString::from)))
}

fn on(command: &str, path: &Path, more: &[OsString]) -> Outcome {
    let first = [OsString::from(command), path.into(), "--json".into()];
    run(first.into_iter().chain(more.iter().cloned()))
}

#[test]
fn a_world_is_written_built_verified_described_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (world, bench) = (folder.path().join("world"), folder.path().join("bench"));
    let written = synth(&world, "10", &["--seed", "6", "--json"]);
    let object = &written.objects()[0];
    let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "out",
        "synthetic",
        "clips",
        "made",
        "kept",
        "seed",
        "ch_sims",
        "cmu_mosi",
        "cmu_mosi_original",
        "cmu_mosi_labels",
        "speakers",
        "truth",
        "world",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&object["clips"], &object["made"], &object["kept"]), (&20.into(), &20.into(), &0.into()));
    for key in ["ch_sims", "cmu_mosi", "cmu_mosi_labels", "speakers", "truth", "world"] {
        assert!(Path::new(object[key].as_str().unwrap()).exists(), "{key}");
    }

    let named = [("--ch-sims", "ch_sims"), ("--mosi", "cmu_mosi"), ("--mosi-labels", "cmu_mosi_labels")];
    let options = named.iter().flat_map(|(o, key)| [OsString::from(o), object[key].as_str().unwrap().into()]);
    let first = ["build", "--json", "--curate", "all", "--out"].map(OsString::from);
    let built = run(first.into_iter().chain([bench.clone().into()]).chain(options));
    assert_eq!(built.objects()[0]["counts"]["clips"], 20);
    assert_eq!(on("verify", &bench, &["--media".into()]).objects()[0]["holds"], true);
    let stats = &on("stats", &bench, &[]).objects()[0];
    for corpus in ["ch-sims", "cmu-mosi"] {
        let subsets = &stats[corpus]["subsets"];
        // 46.3, 25.8 and 27.9 % of 10.
        assert_eq!((&subsets["conflict"], &subsets["equal"]), (&5.into(), &2.into()), "{corpus}");
        assert_eq!(subsets["same-polarity"], 3, "{corpus}");
    }

    let again = synth(&world, "10", &["--seed", "6"]);
    assert!(again.stdout.contains("(0 made, 20 kept)"), "{again}");
    let refused = synth(&world, "10", &["--seed", "7"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("with seed 6, asked for was 7"), "{refused}");
    assert!(refused.stderr.contains("hint: "), "{refused}");
}

/// Codec, rate and length of each stream, as ffprobe has them.
fn probe(path: &Path) -> Vec<(String, String, f64)> {
    let mut command = std::process::Command::new("ffprobe");
    let output = command.args(["-v", "error", "-of", "json", "-show_streams"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |stream: &Value, key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    found["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (word(s, "codec_name"), word(s, "sample_rate"), word(s, "duration").parse().unwrap()))
        .collect()
}

/// From label files to letters, in the layout of MMSA and in the original one. Their sound differs by what AAC costs, so
/// that one letter of six may.
#[test]
fn both_layouts_of_mosi_are_probed_built_verified_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    let written = synth(&world, "6", &["--seed", "12", "--original-layout", "--json"]);
    let object = &written.objects()[0];
    let mut answers = Vec::new();
    for (layout, audio) in [("cmu_mosi", ""), ("cmu_mosi_original", ".wav")] {
        let bench = folder.path().join(layout);
        let named = [("--mosi", layout), ("--mosi-labels", "cmu_mosi_labels"), ("--speakers", "speakers")];
        let options =
            named.iter().flat_map(|(o, key)| [OsString::from(o), object[key].as_str().unwrap().into()]);
        let first = ["build", "--json", "--curate", "all", "--out"].map(OsString::from);
        let built = run(first.into_iter().chain([bench.clone().into()]).chain(options));
        assert_eq!(built.objects()[0]["counts"]["clips"], 6, "{built}");
        assert_eq!(on("verify", &bench, &["--media".into()]).objects()[0]["holds"], true);
        let root = Path::new(object[layout].as_str().unwrap());
        for row in Manifest::read(&bench).unwrap().rows.into_iter().filter(ManifestRow::is_full) {
            let (video, sound) = (root.join(row.video_path.unwrap()), root.join(row.audio_path.unwrap()));
            assert!(sound.to_str().unwrap().ends_with(audio));
            let (seen, heard) = (probe(&video), probe(&sound));
            assert_eq!((&*seen[0].0, &*seen[1].0, &*seen[1].1), ("h264", "aac", "16000"));
            assert!((1.9..3.1).contains(&seen[0].2), "{seen:?}");
            let last = heard.last().unwrap();
            assert!(last.1 == "16000" && (last.2 - seen[0].2).abs() < 0.07, "{heard:?} {seen:?}");
            let mut predict = emomm();
            predict.args(["predict", "--model", "embedded", "--corpus", "cmu-mosi", "--json", "--text"]);
            predict
                .arg(row.text.unwrap().to_lowercase())
                .arg("--video")
                .arg(&video)
                .arg("--audio")
                .arg(&sound);
            let answer = finish(&mut predict).objects().remove(0);
            assert_eq!(answer["coalition"], "TAV");
            assert!(answer["tokens"]["video"].as_u64().unwrap() > 50, "{answer}");
            answers.push((layout, row.id, answer["letter"].clone()));
        }
    }
    assert_eq!(answers.len(), 12);
    let letters = |layout: &str| -> BTreeMap<&str, &Value> {
        answers.iter().filter(|a| a.0 == layout).map(|a| (a.1.as_str(), &a.2)).collect()
    };
    let (a, b) = (letters("cmu_mosi"), letters("cmu_mosi_original"));
    assert!(a.keys().eq(b.keys()));
    assert!(a.iter().filter(|(id, letter)| b[*id] == **letter).count() >= 5, "{a:?} {b:?}");
}

/// Files below a folder with their bytes, but for `world.lock`, which names a process.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().unwrap() != "world.lock" {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn processes_that_write_one_folder_at_once_or_are_killed_leave_one_world() {
    let folder = tempfile::tempdir().unwrap();
    let (world, alone) = (folder.path().join("world"), folder.path().join("alone"));
    let start = || {
        let mut command = emomm();
        command.arg("synth").arg(&world).args(["--clips", "8", "--seed", "5", "--jobs", "1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // One that is killed in the middle, then three at once.
    let mut killed = start();
    thread::sleep(Duration::from_millis(400));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let ended: Vec<_> =
        [start(), start(), start()].into_iter().map(|c| c.wait_with_output().unwrap()).collect();
    for output in &ended {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success()
                || output.status.code() == Some(2)
                    && stderr.contains("writes into")
                    && stderr.contains("hint: "),
            "{stderr}"
        );
    }
    assert!(ended.iter().any(|output| output.status.success()));
    assert!(synth(&world, "8", &["--seed", "5"]).stdout.contains("(0 made, 16 kept)"));
    assert_eq!(synth(&alone, "8", &["--seed", "5"]).code, Some(0));
    assert!(contents(&world) == contents(&alone));
}

#[test]
fn wrong_options_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    let wrong: [&[&str]; 5] = [
        &["--seed", "1", "--mix", "conflict=-1"],
        &["--seed", "1", "--mix", "opposite=1"],
        &["--seed", "1", "--mix", "equal=1", "--aligned-only"],
        &["--seed", "1", "--jobs", "0"],
        &[],
    ];
    for options in wrong {
        let outcome = synth(&world, "3", options);
        assert_eq!(outcome.code, Some(2), "{options:?}: {outcome}");
    }
    assert_eq!(synth(&world, "0", &["--seed", "1"]).code, Some(2));
    assert!(!world.exists());
}
