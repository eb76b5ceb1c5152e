//! `build`, `verify` and `stats` on invented corpora.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::build::Split;
use emomm_dataset::manifest::Manifest;
use serde_json::Value;

use crate::invented_corpora::{N, N_VIDEOS, write_ch_sims, write_mosi, write_mosi_labels};
use crate::process::{Outcome, run};

/// A folder with both corpora.
struct Corpora(tempfile::TempDir);

impl Corpora {
    fn new(with_media: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_ch_sims(&folder.path().join("ch-sims"), with_media);
        write_mosi(&folder.path().join("mosi"), with_media);
        write_mosi_labels(&folder.path().join("labels.csv"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Builds everything of both corpora.
    fn build(&self, out: &str, more: &[&str]) -> Outcome {
        let paths =
            [("--ch-sims", "ch-sims"), ("--mosi", "mosi"), ("--mosi-labels", "labels.csv"), ("--out", out)];
        let named = paths.iter().flat_map(|(o, name)| [OsString::from(o), self.path(name).into()]);
        let first = ["build", "--curate", "all"].map(OsString::from);
        run(first.into_iter().chain(named).chain(more.iter().map(OsString::from)))
    }
}

fn on(command: &str, bench: &Path, more: &[&str]) -> Outcome {
    let first = [OsString::from(command), bench.into()];
    run(first.into_iter().chain(more.iter().map(OsString::from)))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn labels_alone_are_built_verified_and_described() {
    let corpora = Corpora::new(false);
    let built = corpora.build("bench", &["--labels-only", "--json"]);
    let object = &built.objects()[0];
    assert_eq!(keys(object), ["out", "counts", "findings", "shortfalls", "table_matches"]);
    assert_eq!(object["counts"]["clips"], 2 * N);
    assert_eq!(object["counts"]["rows"], 8 * N);

    let bench = corpora.path("bench");
    let verified = &on("verify", &bench, &["--json"]).objects()[0];
    assert_eq!(keys(verified), ["holds", "checks"]);
    assert_eq!(verified["holds"], true);
    assert!(verified["checks"].as_array().unwrap().len() > 10);
    assert_eq!(keys(&verified["checks"][0]), ["name", "checked", "failed", "violations"]);

    let stats = &on("stats", &bench, &["--json"]).objects()[0];
    assert_eq!(keys(stats), ["ch-sims", "cmu-mosi", "all"]);
    let parts = ["n", "classes", "consistency", "subsets", "missing", "splits", "groups"];
    for corpus in ["ch-sims", "cmu-mosi", "all"] {
        let s = &stats[corpus];
        assert_eq!(keys(s), parts);
        assert_eq!(keys(&s["classes"]), ["ground_truth", "text", "audio", "video"]);
        let pairs = ["gt_text", "gt_audio", "gt_video", "text_audio", "text_video", "audio_video"];
        assert_eq!(keys(&s["consistency"]), pairs);
        let classes = s["classes"]["ground_truth"].as_array().unwrap();
        assert_eq!(classes.iter().map(|c| c.as_u64().unwrap()).sum::<u64>(), s["n"].as_u64().unwrap());
        let splits = s["splits"].as_object().unwrap();
        assert_eq!(splits.values().map(|c| c.as_u64().unwrap()).sum::<u64>(), s["n"].as_u64().unwrap());
        let of = |name: &str| s["subsets"][name].as_u64().unwrap();
        assert_eq!(of("align") + of("conflict") + of("unknown"), s["n"].as_u64().unwrap());
        assert_eq!(of("missing-align") + of("missing-conflict"), 3 * s["n"].as_u64().unwrap());
    }
    assert_eq!(stats["cmu-mosi"]["consistency"]["gt_text"], 1.0);
    assert_eq!(stats["cmu-mosi"]["subsets"]["equal"], N);
    assert_eq!(stats["cmu-mosi"]["groups"], N_VIDEOS);
    assert!(stats["ch-sims"]["subsets"]["conflict"].as_u64().unwrap() > 0);
}

/// Figures 2 and 6 to 8 beside the tables: drawing, picture and data of all corpora and of each.
#[test]
fn figures_are_written_beside_the_tables() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let folder = corpora.path("figures");
    let drawn = on("stats", &corpora.path("bench"), &["--json", "--figures", folder.to_str().unwrap()]);
    assert_eq!(drawn.code, Some(0), "{drawn}");
    assert_eq!(keys(&drawn.objects()[0]), ["ch-sims", "cmu-mosi", "all"]);
    for (name, rows) in [("fig2", 2 * 5), ("fig6", 20 + 16), ("fig7", 20 + 16), ("fig8", 20 + 16)] {
        let file = |extension: &str| fs::read(folder.join(format!("{name}.{extension}"))).unwrap();
        assert!(file("svg").starts_with(b"<svg "));
        assert!(file("png").starts_with(b"\x89PNG"));
        let data = String::from_utf8(file("csv")).unwrap();
        assert_eq!(data.lines().count(), 1 + rows, "{data}");
    }
}

#[test]
fn what_nobody_labelled_is_null() {
    let corpora = Corpora::new(false);
    let (mosi, bench) = (corpora.path("mosi"), corpora.path("bench"));
    let arguments = ["build", "--labels-only", "--mosi"].map(OsString::from);
    let built = run(arguments.into_iter().chain([mosi.into(), "--out".into(), bench.clone().into()]));
    assert_eq!(built.code, Some(0), "{built}");
    assert!(built.stderr.contains("shortfall: cmu-mosi negative: "), "{built}");
    assert!(built.stdout.contains("subset unknown"), "{built}");
    let stats = &on("stats", &bench, &["--json"]).objects()[0];
    assert_eq!(keys(stats), ["cmu-mosi", "all"]);
    assert_eq!(stats["all"]["classes"]["text"], Value::Null);
    assert_eq!(stats["all"]["consistency"]["gt_text"], Value::Null);
    assert_eq!(stats["all"]["subsets"]["unknown"], stats["all"]["n"]);
}

#[test]
fn media_are_hashed_and_a_changed_one_is_found() {
    let corpora = Corpora::new(true);
    let built = corpora.build("bench", &[]);
    assert_eq!(built.code, Some(0), "{built}");
    let bench = corpora.path("bench");
    assert_eq!(on("verify", &bench, &["--media"]).code, Some(0));
    fs::write(corpora.path("ch-sims/Raw/video_0003/0001.mp4"), "another").unwrap();
    let verified = on("verify", &bench, &["--media"]);
    assert_eq!(verified.code, Some(1), "{verified}");
    assert!(verified.stdout.contains("Raw/video_0003/0001.mp4"), "{verified}");
    assert_eq!(on("verify", &bench, &[]).code, Some(0));
}

#[test]
fn hashes_that_were_never_taken_are_not_verified() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    on("verify", &corpora.path("bench"), &["--media"]).refused(2, &["--labels-only"]);
}

#[test]
fn missing_media_are_grouped_and_counted() {
    let corpora = Corpora::new(true);
    for clip in 0..3 {
        fs::remove_file(corpora.path(&format!("ch-sims/Raw/video_0000/000{clip}.mp4"))).unwrap();
    }
    let built = corpora.build("bench", &["--json"]);
    let object = &built.objects()[0];
    assert_eq!(object["counts"]["clips"], 2 * N - 3);
    assert!(built.stderr.contains("finding: missing-media: "), "{built}");
    assert!(built.stderr.contains("meta.csv:2 (video_0000/0000)"), "{built}");
    assert!(object["findings"]["missing-media"].as_u64().unwrap() >= 3);
}

#[test]
fn scores_off_the_grid_refuse_the_build_if_asked() {
    let corpora = Corpora::new(false);
    let meta = corpora.path("ch-sims/meta.csv");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replacen(",1.0,1.0,", ",0.9,1.0,", 1)).unwrap();
    let built = corpora.build("bench", &["--labels-only", "--off-grid", "error"]);
    built.refused(3, &["refuse the build", "finding: off-grid: 1", "meta.csv:2"]);
    assert!(!corpora.path("bench").exists());
    let built = corpora.build("bench", &["--labels-only", "--off-grid", "drop", "--json"]);
    assert_eq!(built.objects()[0]["counts"]["clips"], 2 * N - 1);
}

#[test]
fn a_date_of_publication_is_the_one_that_was_given() {
    let corpora = Corpora::new(false);
    let description = || -> Value {
        let text = fs::read_to_string(corpora.path("bench/croissant.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    assert_eq!(description().get("datePublished"), None);
    let dated = corpora.build("bench", &["--labels-only", "--date-published", "2028-02-29"]);
    assert_eq!(dated.code, Some(0), "{dated}");
    assert_eq!(description()["datePublished"], "2028-02-29");
    for wrong in ["2026-02-29", "2026-2-1", "29.2.2028", "2026-01", "today"] {
        corpora.build("bench", &["--labels-only", "--date-published", wrong]).misused("expected a day");
    }
}

#[test]
fn folders_that_are_not_there_are_bad_data() {
    let corpora = Corpora::new(false);
    fs::remove_dir_all(corpora.path("ch-sims")).unwrap();
    corpora.build("bench", &["--labels-only"]).refused(3, &["ch-sims", "meta.csv"]);
    for command in ["verify", "stats"] {
        on(command, &corpora.path("nowhere"), &[]).refused(3, &["nowhere", "emomm build"]);
    }
}

/// The reader of Parquet files panics at this one, a page whose dictionary is said to be elsewhere.
#[test]
fn a_damaged_table_is_one_error_and_nothing_is_said_of_a_panic() {
    let corpus = tempfile::tempdir().unwrap();
    let mut bytes = include_bytes!("../../../emomm-dataset/tests/fixtures/metadata.parquet").to_vec();
    bytes[872] = 212;
    fs::write(corpus.path().join("metadata.parquet"), bytes).unwrap();
    let out = corpus.path().join("bench");
    let built = run([
        OsString::from("build"),
        "--labels-only".into(),
        "--folder".into(),
        corpus.path().into(),
        "--out".into(),
        out.into(),
    ]);
    built.refused(3, &["metadata.parquet: Parquet error: damaged", "write the file again"]);
    assert_eq!(built.stderr.lines().count(), 2, "an error and a hint\n{built}");
}

#[test]
fn a_damaged_manifest_is_refused() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let bench = corpora.path("bench");
    let parquet = bench.join("manifest.parquet");
    let mut bytes = fs::read(&parquet).unwrap();
    bytes[100] ^= 1;
    fs::write(&parquet, bytes).unwrap();
    for command in ["verify", "stats"] {
        on(command, &bench, &["--json"]).refused(3, &["manifest.parquet"]);
    }
    fs::write(bench.join("manifest.json"), "{").unwrap();
    on("verify", &bench, &[]).refused(3, &["manifest.json"]);
}

#[test]
fn a_clip_in_another_split_than_its_video_is_found() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let bench = corpora.path("bench");
    let mut manifest = Manifest::read(&bench).unwrap();
    let row = &mut manifest.rows[0];
    row.split = if row.split == Split::Test { Split::Train } else { Split::Test };
    manifest.write(&bench, &Manifest::read_roots(&bench).unwrap()).unwrap();
    let verified = on("verify", &bench, &[]);
    assert_eq!(verified.code, Some(1), "{verified}");
    assert!(verified.stdout.contains("FAILED"), "{verified}");
    let verified = on("verify", &bench, &["--json"]);
    assert_eq!(verified.code, Some(1), "{verified}");
    assert_eq!(verified.printed()[0]["holds"], false);
}

#[test]
fn printed_statistics_can_be_matched_again() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let tables = corpora.path("tables.json");
    fs::write(&tables, on("stats", &corpora.path("bench"), &["--json"]).stdout).unwrap();
    let matched =
        corpora.build("again", &["--labels-only", "--json", "--match-tables", tables.to_str().unwrap()]);
    let object = &matched.objects()[0];
    assert_eq!(object["table_matches"].as_array().unwrap().len(), 2);
    assert!(object["table_matches"].as_array().unwrap().iter().all(|m| m["is_exact"] == true), "{matched}");
}

/// Numbers of a table's rows that begin with `head`, in order.
fn cells<'a>(text: &'a str, head: &str, separators: &[char]) -> Vec<&'a str> {
    text.lines()
        .map(|line| line.split(|c: char| separators.contains(&c) || c == ' ').filter(|c| !c.is_empty()))
        .filter_map(|mut words| (words.next() == Some(head)).then(|| words.collect::<Vec<_>>()))
        .flatten()
        .filter(|word| word.parse::<f64>().is_ok())
        .collect()
}

#[test]
fn every_form_of_statistics_holds_the_same_values() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let bench = corpora.path("bench");
    let print = |form: &[&str]| {
        let printed = on("stats", &bench, form);
        assert_eq!(printed.code, Some(0), "{printed}");
        printed.stdout
    };
    let (terminal, latex) = (print(&[]), print(&["--latex"]));
    let (markdown, csv) = (print(&["--markdown"]), print(&["--csv"]));
    for head in ["GT", "A", "conflict", "TV", "train"] {
        let expected = cells(&terminal, head, &[]);
        // The second and later rows of a head come from the other corpora.
        assert!(expected.len() >= 3, "{terminal}");
        assert_eq!(cells(&latex, head, &['&', '\\']), expected, "{latex}");
        assert_eq!(cells(&markdown, head, &['|']), expected, "{markdown}");
        let of_csv: Vec<&str> = csv
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter_map(|fields| (fields[2] == head).then_some(fields[4]))
            .collect();
        assert_eq!(of_csv, expected, "{csv}");
    }
    assert!(latex.contains("\\toprule"), "{latex}");
    on("stats", &bench, &["--csv", "--latex"]).misused("--csv");
}

#[test]
fn wrong_use_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    run(["build", "--out", "nowhere"]).refused(2, &["no corpus"]);
    run(["build", "--out", out, "--mosi-labels", "x.csv"]).misused("required");
    run(["build", "--out", out, "--ch-sims", out, "--off-grid", "guess"]).misused("--off-grid");
    fs::write(folder.path().join("README.md"), "mine").unwrap();
    run(["build", "--out", out, "--ch-sims", out]).refused(2, &["--out"]);
    assert_eq!(fs::read_to_string(folder.path().join("README.md")).unwrap(), "mine");
}

#[test]
fn predictions_are_scored_beside_a_benchmark() {
    let corpora = Corpora::new(false);
    assert_eq!(corpora.build("bench", &["--labels-only"]).code, Some(0));
    let bench = corpora.path("bench");
    let rows = Manifest::read(&bench).unwrap().rows;
    let mut file = "id,coalition,label\n".to_owned();
    for row in &rows {
        let id = row.source_id.as_ref().unwrap_or(&row.id);
        let _ = writeln!(file, "{id},{},{}", row.coalition, row.labels.ground_truth.class.letter());
    }
    let path = corpora.path("predictions.csv");
    fs::write(&path, file).unwrap();
    let options = ["--bench", bench.to_str().unwrap(), "--json", "--resamples", "10"];
    let report = &on("score", &path, &options).objects()[0];
    assert_eq!(report["n"], 8 * N);
    let all = report["rows"].as_array().unwrap().iter().find(|r| {
        (&r["corpus"], &r["coalition"], &r["subset"]) == (&"all".into(), &"overall".into(), &"all".into())
    });
    assert_eq!(all.unwrap()["acc"]["value"], 1.0);
    assert_eq!(all.unwrap()["n_clusters"], 2 * N_VIDEOS);
    on("score", &path, &["--bench", "nowhere"]).refused(3, &["nowhere", "emomm build"]);
    on("score", &path, &["--bench", "x", "--corpus", "ch-sims"]).misused("--corpus");
}

#[test]
fn every_kind_of_finding_has_a_policy() {
    let corpora = Corpora::new(false);
    let table = corpora.path("ch-sims").join("meta.csv");
    let text = fs::read_to_string(&table).unwrap().replacen("invented 2,", "invented 1,", 1);
    fs::write(&table, text).unwrap();
    let clips = |out: &str, more: &[&str]| {
        let options = [&["--labels-only", "--json"], more].concat();
        corpora.build(out, &options).objects()[0]["counts"]["clips"].as_u64().unwrap() as usize
    };
    assert_eq!(clips("keep", &[]), 2 * N);
    assert_eq!(clips("drop", &["--policy", "duplicate-text=drop"]), 2 * N - 1);
    corpora
        .build("error", &["--labels-only", "--policy", "duplicate-text=error"])
        .refused(3, &["duplicate-text"]);
    corpora
        .build("no", &["--labels-only", "--policy", "missing-label=keep"])
        .refused(2, &["--policy missing-label=keep", "drop or error"]);
    corpora.build("no", &["--policy", "guess=drop"]).misused("kind of finding");
}
