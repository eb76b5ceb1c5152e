//! `report` on a log made by hand over an invented benchmark: what it prints, what it writes, what it refuses.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::ModalitySet;
use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{Places, Plan, RunHeader};
use serde_json::json;

use crate::invented_corpora::{N, write_ch_sims};
use crate::process::{Outcome, run};

/// A benchmark of one corpus and the log of a run over it that always answers C.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_ch_sims(&folder.path().join("ch-sims"), false);
        let place = Self(folder);
        let arguments = ["build", "--curate", "all", "--labels-only", "--ch-sims"].map(OsString::from);
        let paths = [place.path("ch-sims").into(), "--out".into(), place.path("bench").into()];
        let built = run(arguments.into_iter().chain(paths));
        assert_eq!(built.code, Some(0), "{built}");
        place.write_log();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write_log(&self) {
        let manifest = Manifest::read(&self.path("bench")).unwrap();
        let mut plan = Plan { coalitions: vec![ModalitySet::FULL], n_records: N, ..Plan::default() };
        plan.bench.manifest_sha256.clone_from(&manifest.header.parquet_sha256);
        let places = Places { bench: self.path("bench"), ..Places::default() };
        let header = RunHeader::new(plan, places, None);
        let mut log = serde_json::to_string(&header).unwrap() + "\n";
        for row in manifest.rows.iter().filter(|row| row.source_id.is_none()).skip(1) {
            let record = json!({
                "key": header.key(&row.id, ModalitySet::FULL, []),
                "sample": row.id,
                "coalition": "TAV",
                "status": "ok",
                "letter_logits": { "A": 0.0, "B": 0.0, "C": 1.0, "D": 0.0, "E": 0.0 },
                "letter": "C",
                "label": "neutral",
                "centre_score": 0.0,
                "reply": null,
                "reply_letter": null,
                "reply_score": null,
                "tokens": null,
                "grid_thw": null,
                "media": null,
                "ms": 1.0,
                "error": null,
                "attention": null,
                "steering": null,
            });
            log.push_str(&(record.to_string() + "\n"));
        }
        fs::create_dir_all(self.path("run")).unwrap();
        fs::write(self.path("run/log.jsonl"), log).unwrap();
    }

    fn report(&self, runs: &[&str], out: &Path, more: &[&str]) -> Outcome {
        let runs = runs.iter().map(|r| OsString::from(self.path(r)));
        let out = [OsString::from("--out"), out.into()];
        let more = ["--resamples", "50"].iter().chain(more).map(OsString::from);
        run(std::iter::once(OsString::from("report")).chain(runs).chain(out).chain(more))
    }
}

#[test]
fn a_run_becomes_a_page_and_incomplete_ones_say_n_of_n() {
    let place = Place::new();
    let page = place.path("out/report.html");
    let written = place.report(&["run"], &page, &["--json"]);
    let object = &written.objects()[0];
    let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["page", "page_bytes", "files", "runs", "clips", "n", "planned", "n_failed", "synthetic"]
    );
    assert_eq!((&object["n"], &object["planned"]), (&json!(N - 1), &json!(N)));
    assert_eq!((&object["synthetic"], &object["runs"]), (&json!(false), &json!(["run"])));
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains(&format!("{} of {N}", N - 1)), "n of N stands in the page");

    let written = place.report(&["run", "run"], &place.path("folder"), &["--title", "Two & two"]);
    assert_eq!(written.code, Some(0), "{written}");
    assert!(written.stdout.ends_with("index.html\n"), "{written}");
    let html = fs::read_to_string(place.path("folder/index.html")).unwrap();
    assert!(html.contains("Two &amp; two") && html.contains("run (2)"));
    let table = format!("folder/tables/table1.partial-{}-of-{}.csv", 2 * (N - 1), 2 * N);
    assert!(place.path(&table).is_file(), "{table}");
}

#[test]
fn what_is_no_run_is_refused() {
    let place = Place::new();
    place.report(&["bench"], &place.path("a.html"), &[]).refused(3, &["log.jsonl"]);
    let elsewhere = place.path("nowhere");
    let elsewhere = elsewhere.to_str().unwrap();
    place.report(&["run"], &place.path("a.html"), &["--bench", elsewhere]).refused(3, &["nowhere"]);
    assert!(!place.path("a.html").exists());
}

/// Caveats of `chase eval` stand on the page wherever its folder stands among the runs, and where its variants are named singly.
#[test]
fn caveats_of_variants_are_told_however_they_are_named() {
    let place = Place::new();
    let log = fs::read_to_string(place.path("run/log.jsonl")).unwrap();
    let (header, records) = log.split_once('\n').unwrap();
    let trace = r#""steering":{"variant":"two_pass","layers":[]}"#;
    let steered = format!("{header}\n{}", records.replace(r#""steering":null"#, trace));
    assert!(steered.contains(trace), "{log}");
    for (name, log) in [("baseline", &log), ("two_pass", &steered)] {
        fs::create_dir_all(place.path("ev").join(name)).unwrap();
        fs::write(place.path("ev").join(name).join("log.jsonl"), log).unwrap();
    }
    let index = json!({ "variants": ["baseline", "two_pass"], "caveats": ["made up for this test"] });
    fs::write(place.path("ev/chase.json"), index.to_string()).unwrap();
    let page = place.path("page.html");
    let told = |runs: &[&str], more: &[&str]| {
        let done = place.report(runs, &page, more);
        assert_eq!(done.code, Some(0), "{done}");
        fs::read_to_string(&page).unwrap().matches("Caveat: made up for this test.").count()
    };
    let chase = place.path("ev");
    let chase = chase.to_str().unwrap();
    for (runs, more) in [
        (&["ev"][..], &[][..]),
        (&["run", "ev"], &[]),
        (&["ev/baseline", "ev/two_pass"], &[]),
        (&["run"], &["--chase", chase]),
    ] {
        assert_eq!(told(runs, more), 1, "{runs:?} {more:?}");
    }
}
