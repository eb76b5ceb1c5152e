//! Encoder outputs that runs share: the same records with and without them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::checkpoint::golden;
use crate::eval_stage::log;
use crate::invented_corpora::write_ch_sims;
use crate::process::{emomm, finish};

/// A benchmark whose first two clips are real.
fn bench(folder: &Path) -> std::path::PathBuf {
    let (corpus, bench) = (folder.join("ch-sims"), folder.join("bench"));
    write_ch_sims(&corpus, true);
    for clip in ["0000", "0001"] {
        let to = corpus.join(format!("Raw/video_0000/{clip}.mp4"));
        fs::copy(crate::media::file("clip.mp4"), to).unwrap();
    }
    let built =
        finish(emomm().args(["build", "--curate", "all", "--ch-sims"]).arg(&corpus).arg("--out").arg(&bench));
    assert_eq!(built.code, Some(0), "{built}");
    bench
}

/// Records by sample and coalition, without their times; and the tokens of the session.
fn records(bench: &Path, out: &Path, words: &[&str]) -> (Vec<Value>, Value) {
    let done = finish(
        emomm()
            .args(["eval", "--json", "--coalitions", "TAV,AV,V,A,none"])
            .args(["--sample-id", "ch-sims/video_0000/0000", "--sample-id", "ch-sims/video_0000/0001"])
            .arg("--model")
            .arg(golden())
            .arg("--bench")
            .arg(bench)
            .arg("--out")
            .arg(out)
            .args(words),
    );
    let summary = done.objects().remove(0);
    assert_eq!(summary["statuses"], json!({ "ok": 10 }), "{done}");
    let mut records = log(out);
    records.remove(0);
    for record in &mut records {
        record["ms"] = Value::Null;
    }
    records.sort_by_key(|r| format!("{} {}", r["sample"], r["coalition"]));
    (records, summary["tokens"]["session"].clone())
}

/// The files on the shelves of a store.
fn entries(store: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(store).unwrap().map(|e| e.unwrap().path());
    let shelves = all.filter(|p| p.file_name().is_some_and(|n| n.len() == 2));
    let mut files: Vec<_> =
        shelves.flat_map(|s| fs::read_dir(s).unwrap().map(|e| e.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn records_are_the_same_with_and_without_the_cache() {
    let folder = tempdir().unwrap();
    let bench = bench(folder.path());
    let cache = folder.path().join("cache");
    let run = |name: &str, words: &[&str]| records(&bench, &folder.path().join(name), words);
    let (without, tokens) = run("without", &["--cache", "off"]);
    let kept = ["--cache", cache.to_str().unwrap()];
    let (first, _) = run("first", &kept);
    // The two clips are one file: a picture and a sound.
    assert_eq!(entries(&cache).len(), 2);
    let before: Vec<_> = entries(&cache).iter().map(|p| fs::read(p).unwrap()).collect();
    let (second, _) = run("second", &[&kept[..], &["--jobs", "1"]].concat());
    assert_eq!(entries(&cache).iter().map(|p| fs::read(p).unwrap()).collect::<Vec<_>>(), before);
    assert_eq!((&first, &second), (&without, &without));
    let n = |key: &str| tokens[key].as_u64().unwrap();
    assert!(n("floor") <= n("read") && n("read") * 10 <= n("floor") * 11, "{tokens}");
    assert!(n("read") < n("separate"), "{tokens}");
}

/// A plan says what its prompts take before the model is loaded, and the run takes just that.
#[test]
fn a_dry_run_measures_the_prompts_of_clips_that_nobody_has_read() {
    let folder = tempdir().unwrap();
    let bench = bench(folder.path());
    let (out, off) = (folder.path().join("run"), ["--cache", "off"]);
    let dry = |words: &[&str]| {
        let done = finish(
            emomm()
                .args(["eval", "--json", "--dry-run", "--coalitions", "TAV,AV,V,A,none"])
                .args(["--sample-id", "ch-sims/video_0000/0000", "--sample-id", "ch-sims/video_0000/0001"])
                .arg("--model")
                .arg(golden())
                .arg("--bench")
                .arg(&bench)
                .arg("--out")
                .arg(&out)
                .args(words),
        );
        assert_eq!(done.code, Some(0), "{done}");
        done.objects().remove(0)["tokens"].clone()
    };
    let before = dry(&off);
    assert!(!out.exists());
    let (_, session) = records(&bench, &out, &off);
    assert_eq!((&before["from_clips"], &before["from_records"]), (&json!(2), &json!(0)));
    for (key, spent) in [("prompts", "separate"), ("floor", "floor")] {
        let (said, spent) = (before[key].as_f64().unwrap(), session[spent].as_f64().unwrap());
        // Means and shares of whole numbers.
        assert!((said - spent).abs() < 1e-6 * spent, "{key}: {said} and {spent}");
    }
    let after = dry(&off);
    assert_eq!((&after["from_clips"], &after["from_records"]), (&json!(0), &json!(10)));
    assert!((after["floor"].as_f64().unwrap() - before["floor"].as_f64().unwrap()).abs() < 1e-3);
}

/// Two processes that begin at once fill one cache: each has the records of an undisturbed run, and no half entry stays.
#[test]
fn two_processes_share_a_cache_at_the_same_time() {
    let folder = tempdir().unwrap();
    let bench = bench(folder.path());
    let (undisturbed, _) = records(&bench, &folder.path().join("alone"), &["--cache", "off"]);
    let cache = folder.path().join("cache");
    let kept = ["--cache", cache.to_str().unwrap()];
    let outs = ["first", "second", "third"].map(|name| folder.path().join(name));
    let found = std::thread::scope(|scope| {
        let started = outs.each_ref().map(|out| scope.spawn(|| records(&bench, out, &kept).0));
        started.map(|process| process.join().unwrap())
    });
    for records in &found {
        assert_eq!(records, &undisturbed);
    }
    let (mut files, media) = (entries(&cache), entries(&cache.join("media")));
    // A scan, the frames, the sound.
    assert_eq!((files.len(), media.len()), (2, 3), "{files:?} {media:?}");
    files.extend(media);
    assert!(files.iter().all(|f| f.extension().is_some_and(|e| e == "safetensors")), "{files:?}");
    assert!(cache.join("digests.json").is_file());
}

/// What one run decoded, another run that treats the picture otherwise only reads: it needs no ffmpeg for it.
#[test]
fn decoded_media_serve_runs_that_treat_the_picture_otherwise() {
    let folder = tempdir().unwrap();
    let bench = bench(folder.path());
    let cache = folder.path().join("cache");
    let kept = ["--cache", cache.to_str().unwrap()];
    let crop = ["--subtitle-band", "crop"];
    let run = |name: &str, words: &[&str]| records(&bench, &folder.path().join(name), words).0;
    let without = run("without", &[&crop[..], &["--cache", "off"]].concat());
    let plain = run("plain", &kept);
    let decoded = entries(&cache.join("media"));
    let before: Vec<_> = decoded.iter().map(|p| fs::read(p).unwrap()).collect();
    let treated = run("treated", &[&kept[..], &crop].concat());
    assert_eq!(treated, without);
    assert_ne!(treated, plain);
    // Nothing was decoded again, and the treated picture has an encoding of its own.
    assert_eq!(entries(&cache.join("media")), decoded);
    assert_eq!(decoded.iter().map(|p| fs::read(p).unwrap()).collect::<Vec<_>>(), before);
    assert_eq!(entries(&cache).len(), 4);
}
