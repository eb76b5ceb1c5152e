//! The exported tables against pandas, scikit-learn and scipy.
//!
//! Tolerance 1e-9: whole counts and short sums on both sides, which a table writes with all their digits.

use std::collections::BTreeMap;

use emomm_dataset::{Corpus, ModalitySet, PerModality, Sentiment};
use emomm_eval::run::{LayerAttention, Record, RecordStatus};
use emomm_report::analysis::Analysis;
use emomm_report::content::tables;
use emomm_report::table::Table;
use serde_json::Value;

use crate::by_hand::options;
use crate::made_up::{MadeUp, record, study};

const TOLERANCE: f64 = 1e-9;

fn data() -> Value {
    serde_json::from_str(include_str!("../../../../tests/golden/report/report.json")).unwrap()
}

fn clips(data: &Value) -> Vec<MadeUp> {
    let of = |clip: &Value| {
        let corpus = if clip["corpus"] == "ch-sims" { "ch-sims" } else { "cmu-mosi" };
        let steps: Vec<i8> =
            clip["steps"].as_array().unwrap().iter().map(|s| s.as_i64().unwrap() as i8).collect();
        MadeUp::new(
            corpus,
            clip["name"].as_str().unwrap(),
            clip["group"].as_str().unwrap(),
            steps.try_into().unwrap(),
        )
    };
    data["clips"].as_array().unwrap().iter().map(of).collect()
}

fn records(data: &Value, clips: &[MadeUp], run: &str) -> Vec<Record> {
    let all = data["records"].as_array().unwrap().iter().filter(|r| r["run"] == run);
    all.map(|r| {
        let clip = &clips[r["clip"].as_u64().unwrap() as usize];
        let coalition: ModalitySet = r["coalition"].as_str().unwrap().parse().unwrap();
        let said = r["answer"].as_u64().and_then(|a| Sentiment::from_index(a as usize));
        let base = record(clip, coalition, said.unwrap_or(Sentiment::Neutral));
        let status = if said.is_some() { RecordStatus::Ok } else { RecordStatus::Error };
        Record { status, attention: attention(r, coalition), ..base }
    })
    .collect()
}

fn attention(record: &Value, coalition: ModalitySet) -> Option<LayerAttention> {
    let table = |key: &str| -> Option<Vec<Vec<f64>>> { serde_json::from_value(record[key].clone()).ok() };
    let (nmas, share) = (table("nmas")?, table("share")?);
    let column = |rows: &[Vec<f64>], i: usize| rows.iter().map(|r| r[i]).collect::<Vec<f64>>();
    let of =
        |rows: &[Vec<f64>]| PerModality::from_fn(|m| coalition.contains(m).then(|| column(rows, m.index())));
    Some(LayerAttention {
        nmas: of(&nmas),
        mass: of(&nmas),
        share: of(&share).map(|s| s.map(|v| v.into_iter().map(Some).collect())),
        spatial: None,
        tensors: None,
    })
}

/// The rows of a table's CSV as maps from key to text.
fn rows(table: &Table) -> Vec<BTreeMap<String, String>> {
    let text = table.csv();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    reader
        .records()
        .map(|r| heads.iter().cloned().zip(r.unwrap().iter().map(str::to_owned)).collect())
        .collect()
}

fn find<'a>(rows: &'a [BTreeMap<String, String>], wanted: &[(&str, &str)]) -> &'a BTreeMap<String, String> {
    rows.iter()
        .find(|r| wanted.iter().all(|(k, v)| r[*k] == *v))
        .unwrap_or_else(|| panic!("no row {wanted:?}"))
}

fn near(row: &BTreeMap<String, String>, key: &str, expected: &Value) {
    let found: f64 = row[key].parse().unwrap_or_else(|_| panic!("{key} of {row:?}"));
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < TOLERANCE, "{key}: {found} is not {expected} in {row:?}");
}

#[test]
fn every_table_agrees_with_the_reference() {
    let data = data();
    let expected = &data["expected"];
    let clips = clips(&data);
    // What the reference takes for classes is what the vocabulary says.
    assert_eq!("cmu-mosi".parse::<Corpus>().unwrap(), Corpus::CmuMosi);
    let runs = ["first", "second"].map(|run| (run, records(&data, &clips, run)));
    let study = study(&clips, &runs);
    let analysis = Analysis::of(&study, options()).unwrap();
    let all = tables(&study, &analysis);
    let table =
        |name: &str| rows(all.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no table {name}")));

    let scores = table("scores");
    let keys = ["n", "n_parsed", "acc", "macro_f1", "weighted_f1", "uar", "acc2", "acc3", "mae", "pearson"];
    for row in expected["scores"].as_array().unwrap() {
        let of = |key: &str| row[key].as_str().unwrap();
        let wanted = [
            ("run", "first"),
            ("corpus", of("corpus")),
            ("coalition", of("coalition")),
            ("subset", of("subset")),
        ];
        for key in keys {
            near(find(&scores, &wanted), key, &row[key]);
        }
    }
    let main = table("table1");
    let first = find(&main, &[("model", "first")]);
    near(first, "missing_acc", &expected["missing"]["acc"]);
    near(first, "missing_f1", &expected["missing"]["macro_f1"]);
    near(first, "missing_mae", &expected["missing"]["mae"]);

    let coalitions = table("coalitions");
    for row in expected["coalitions"].as_array().unwrap() {
        let found = find(&coalitions, &[("run", "first"), ("coalition", row["coalition"].as_str().unwrap())]);
        for key in ["align", "conflict", "drop"] {
            near(found, key, &row[key]);
        }
    }
    let (psmv, gtar) = (table("psmv"), table("gtar"));
    for (letter, modality) in [("T", "text"), ("A", "audio"), ("V", "video")] {
        for subset in ["all", "align", "conflict"] {
            let found = find(&psmv, &[("run", "first"), ("subset", subset), ("modality", modality)]);
            near(found, "psmv", &expected["psmv"][subset][letter]);
        }
        for subset in ["conflict", "missing-conflict"] {
            let found = find(&gtar, &[("run", "first"), ("subset", subset), ("modality", modality)]);
            let row = &expected["gtar"][subset][letter];
            for key in ["numerator", "denominator", "gtar"] {
                near(found, key, &row[key]);
            }
        }
    }
    let attention = table("attention");
    for row in expected["attention"].as_array().unwrap() {
        let modality = match row["modality"].as_str().unwrap() {
            "T" => "text",
            "A" => "audio",
            _ => "video",
        };
        let layer = row["layer"].to_string();
        let wanted = [
            ("run", "first"),
            ("coalition", row["coalition"].as_str().unwrap()),
            ("subset", row["subset"].as_str().unwrap()),
            ("layer", layer.as_str()),
            ("modality", modality),
        ];
        for key in ["n", "share", "nmas"] {
            near(find(&attention, &wanted), key, &row[key]);
        }
    }
    let coupling = table("coupling");
    for (band, row) in expected["coupling"].as_object().unwrap() {
        let found = find(&coupling, &[("run", "first"), ("layers", band)]);
        for key in ["points", "spearman", "pearson"] {
            near(found, key, &row[key]);
        }
    }
    let delta = table("delta-v");
    for (key, reference) in [("acc5", "acc"), ("acc2", "acc2"), ("macro_f1", "macro_f1")] {
        near(find(&delta, &[("run", "first")]), key, &expected["delta_v"][reference]);
    }
    let confusion = table("confusion");
    for (truth, row) in ["N", "WN", "Neu", "WP", "P"].iter().zip(expected["confusion"].as_array().unwrap()) {
        let found = find(&confusion, &[("run", "first"), ("subset", "overall"), ("truth", truth)]);
        for (answer, n) in ["N", "WN", "Neu", "WP", "P", "none"].iter().zip(row.as_array().unwrap()) {
            near(found, answer, n);
        }
    }
    let tests = table("tests-runs");
    let found = find(&tests, &[("second", "second"), ("subset", "overall")]);
    let keys = ["n", "first_acc", "second_acc", "wrong_to_right", "right_to_wrong"];
    for key in keys {
        near(found, key, &expected["runs"][key]);
    }
}

/// `EMOMM_REPORT_OUT=DIR cargo test -p emomm-report --test report -- --ignored to_look_at`
#[test]
#[ignore = "writes a report for people to look at"]
fn a_report_to_look_at() {
    let Some(out) = std::env::var_os("EMOMM_REPORT_OUT").map(std::path::PathBuf::from) else { return };
    let data = data();
    let clips = clips(&data);
    let second = crate::chase::steered(records(&data, &clips, "second"));
    let runs = [("baseline", records(&data, &clips, "first")), ("tuned", second)];
    let mut one = study(&clips, &runs[..1]);
    one.origin.is_synthetic = true;
    crate::pages::written(&one, &out.join("one.html"));
    crate::pages::written(&study(&clips, &runs), &out.join("two"));
}
