//! All figures of a file against pandas, scikit-learn and scipy: `tests/golden/score/export.py`.

use std::path::{Path, PathBuf};

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::score::{ClusterBy, Interval, ReadOptions, ScoreOptions, read};
use emomm_metrics::{Clusters, cluster_bootstrap};
use serde_json::Value;

use crate::{row, scored};

/// Both sides compute exactly, up to the order of additions.
const EXACT: f64 = 1e-9;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/score")
}

fn expected(key: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[key].as_array().unwrap().clone()
}

#[track_caller]
fn assert_close(found: Option<f64>, expected: &Value, what: &str) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() <= EXACT, "{what}: found {found}, expected {expected}");
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

#[test]
fn every_row_equals_scikit_learn() {
    let answers = read(&folder().join("predictions.csv"), &ReadOptions::default()).unwrap();
    let report = scored(&answers);
    let cases = expected("rows");
    assert_eq!(report.rows.len(), cases.len());
    for case in &cases {
        let word = |key: &str| case[key].as_str().unwrap();
        let (corpus, coalition, subset) = (word("corpus"), word("coalition"), word("subset"));
        let row = row(&report, corpus, coalition, subset);
        let what = format!("{corpus} {coalition} {subset}");
        assert_eq!(Some(row.n as u64), case["n"].as_u64(), "{what}: n");
        assert_eq!(Some(row.n_parsed as u64), case["n_parsed"].as_u64(), "{what}: n_parsed");
        let figures: [(&str, Option<Interval>); 10] = [
            ("acc", row.acc),
            ("macro_f1", row.macro_f1),
            ("weighted_f1", row.weighted_f1),
            ("uar", row.uar),
            ("acc2", row.acc2),
            ("acc3", row.acc3),
            ("mae", row.mae),
            ("mae_reply", row.mae_reply),
            ("pearson", row.pearson),
            ("pearson_reply", row.pearson_reply),
        ];
        for (name, figure) in figures {
            assert_close(figure.map(|f| f.value), &case[name], &format!("{what}: {name}"));
        }
    }
}

#[test]
fn psmv_equals_the_mean_gain_over_all_orders() {
    let answers = read(&folder().join("predictions.csv"), &ReadOptions::default()).unwrap();
    let psmv = serde_json::to_value(scored(&answers).psmv.unwrap()).unwrap();
    for case in expected("psmv") {
        let found = match case["name"].as_str().unwrap() {
            "all" => &psmv,
            name @ ("align" | "conflict") => &psmv["subsets"][name],
            name => &psmv["corpora"][name],
        };
        assert_eq!(found["n"], case["n"], "{}", case["name"]);
        for m in Modality::ALL {
            let value = found[m.name()]["value"].as_f64();
            assert_close(value, &case[m.name()], &format!("{} {m}", case["name"]));
        }
    }
}

#[test]
fn gtar_equals_the_filtered_sums() {
    let answers = read(&folder().join("predictions.csv"), &ReadOptions::default()).unwrap();
    let gtar = serde_json::to_value(scored(&answers).gtar.unwrap()).unwrap();
    for case in expected("gtar") {
        let name = case["name"].as_str().unwrap();
        let found = match name.parse::<ModalitySet>() {
            Ok(_) => &gtar["coalitions"][name],
            Err(_) if name == "all" => &gtar,
            Err(_) if name.ends_with("conflict") => &gtar["subsets"][name],
            Err(_) => &gtar["corpora"][name],
        };
        assert_eq!(found["n_conflict"], case["n_conflict"], "{name}");
        for m in Modality::ALL {
            let sums = &case["sums"][m.letter().to_string()];
            assert_eq!(found["numerators"][m.name()], sums[0], "{name} {m}");
            assert_eq!(found["denominators"][m.name()], sums[1], "{name} {m}");
        }
    }
}

#[test]
fn both_formats_give_the_same_report() {
    let [csv, jsonl] = ["predictions.csv", "predictions.jsonl"]
        .map(|name| scored(&read(&folder().join(name), &ReadOptions::default()).unwrap()));
    assert_eq!(serde_json::to_string(&csv).unwrap(), serde_json::to_string(&jsonl).unwrap());
}

/// Adding up clusters draws the same resamples as drawing their rows one by one.
#[test]
fn intervals_are_those_of_the_cluster_bootstrap() {
    let answers = read(&folder().join("predictions.csv"), &ReadOptions::default()).unwrap();
    for cluster in [ClusterBy::Group, ClusterBy::Clip] {
        let mut options = ScoreOptions { cluster, ..ScoreOptions::default() };
        options.bootstrap.n_resamples = 200;
        options.bootstrap.seed = 7;
        let report = emomm_eval::score::score(&answers, &options).unwrap();
        let found = row(&report, "ch-sims", "overall", "all");
        let rows: Vec<_> =
            answers.rows.iter().filter(|r| r.corpus.name == "ch-sims" && r.coalition.len() >= 2).collect();
        let clusters =
            Clusters::by_key(rows.iter().map(|r| if cluster == ClusterBy::Group { &r.group } else { &r.id }));
        let expected = cluster_bootstrap(&clusters, options.bootstrap, |samples| {
            let right = samples.iter().filter(|i| rows[**i].answer == Some(rows[**i].labels.ground_truth));
            Some(right.count() as f64 / samples.len() as f64)
        });
        let (found, expected) = (found.acc.unwrap(), expected.unwrap().unwrap());
        assert_eq!((found.low, found.high), (expected.low, expected.high));
        assert!(found.low.unwrap() < found.value && found.value < found.high.unwrap());
    }
}

/// Every key, at any depth, stands in backticks in the contract; names of corpora and coalitions are no keys.
#[test]
fn the_contract_names_every_key() {
    fn collect(value: &Value, keys: &mut Vec<String>) {
        for (key, inner) in value.as_object().into_iter().flatten() {
            keys.push(key.clone());
            collect(inner, keys);
        }
        value.as_array().into_iter().flatten().for_each(|inner| collect(inner, keys));
    }
    let answers = read(&folder().join("predictions.csv"), &ReadOptions::default()).unwrap();
    let mut keys = Vec::new();
    collect(&serde_json::to_value(scored(&answers)).unwrap(), &mut keys);
    keys.sort();
    keys.dedup();
    assert!(keys.len() > 40, "{keys:?}");
    let contract = std::fs::read_to_string(folder().join("../../../docs/contract.md")).unwrap();
    let (_, section) = contract.split_once("## `emomm score`").unwrap();
    let words = section.split("\n## ").next().unwrap();
    for key in keys.iter().filter(|k| k.parse::<ModalitySet>().is_err()) {
        assert!(words.contains(&format!("`{key}`")), "the contract does not name `{key}`");
    }
}
