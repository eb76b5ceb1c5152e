//! Routers of one corpus on another: what `emomm chase diagnose` found, a row for each router, corpus and split.

use serde_json::Value;

use crate::table::{Cell, Column, Form, Table};

/// The table; empty without diagnoses. Full clips only: copies with a modality missing stand in the files.
pub(super) fn across(diagnoses: &[(String, Value)]) -> Table {
    let mut table = Table::new(
        "router-across-corpora",
        "The router on each corpus, by the corpora that it was trained on",
        vec![
            Column::plain("targets", "Targets"),
            Column::plain("trained_on", "Trained on"),
            Column::plain("corpora", "Measured on"),
            Column::plain("split", "Split"),
            Column::number("threshold", "τ", Form::Plain),
            Column::plain("n", "Clips"),
            Column::plain("n_conflict", "Conflicts"),
            Column::number("recall", "Recall", Form::Decimals(4)),
            Column::number("false_positive_rate", "False-positive rate", Form::Decimals(4)),
            Column::number("auroc", "AUROC", Form::Decimals(4)),
            Column::number("top1_class", "Greatest g right, class", Form::Decimals(4)),
            Column::number("top1_polarity", "Greatest g right, polarity", Form::Decimals(4)),
        ],
    )
    .with_note(
        "Clean decision steps over full clips. Conflicts, recall, false positives and AUROC of the mean p by class: a modality's \
         class differs from the ground truth's; a clip counts as found where p exceeds τ in some layer. Greatest g right: over \
         found conflicts that have a right modality, by the mean gate, with labels by class and by polarity.",
    );
    for (_, diagnosis) in diagnoses {
        for split in splits(diagnosis) {
            let found = |level: &str| {
                rows(diagnosis).find(|r| {
                    r["split"] == split.as_str() && r["samples"] == "full" && r["diagnosis"]["level"] == level
                })
            };
            let Some(class) = found("class").map(|r| &r["diagnosis"]) else { continue };
            let count = |name: &str| class[name].as_u64().map_or(Cell::Absent, |n| Cell::Count(n as usize));
            let number = |name: &str| Cell::number(class[name].as_f64());
            table.push(vec![
                Cell::text(diagnosis["targets"].as_str().unwrap_or("-")),
                Cell::text(corpora(&diagnosis["trained_on"])),
                Cell::text(corpora(&diagnosis["corpora"])),
                Cell::text(split.as_str()),
                Cell::number(diagnosis["threshold"].as_f64()),
                count("n"),
                count("n_conflict"),
                number("recall"),
                number("false_positive_rate"),
                number("auroc"),
                number("top1_by_mean_gate"),
                Cell::number(found("polarity").and_then(|r| r["diagnosis"]["top1_by_mean_gate"].as_f64())),
            ]);
        }
    }
    table
}

fn rows(diagnosis: &Value) -> impl Iterator<Item = &Value> {
    diagnosis["rows"].as_array().into_iter().flatten()
}

/// The splits in the order of the file, once each.
fn splits(diagnosis: &Value) -> Vec<String> {
    let mut splits: Vec<String> = Vec::new();
    for split in rows(diagnosis).filter_map(|r| r["split"].as_str()) {
        if !splits.iter().any(|s| s == split) {
            splits.push(split.to_owned());
        }
    }
    splits
}

/// Names of corpora; an empty list is the whole benchmark.
fn corpora(list: &Value) -> String {
    let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "all".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_router_and_corpus_is_a_row() {
        let row = |split: &str, samples: &str, level: &str, top1: f64| {
            json!({ "split": split, "samples": samples, "diagnosis": {
                "level": level, "n": 179, "n_conflict": 133, "recall": 0.75, "false_positive_rate": 0.25,
                "auroc": 0.5, "top1_by_mean_gate": top1 } })
        };
        let diagnosis = json!({ "targets": "self_answers", "trained_on": ["ch-sims"], "corpora": [], "threshold": 0.7, "rows": [
            row("valid", "full", "class", 0.875),
            row("valid", "full", "polarity", 0.625),
            row("valid", "missing", "class", 0.1),
        ]});
        let table = across(&[("diagnose".to_owned(), diagnosis)]);
        assert_eq!(table.rows.len(), 1);
        let csv = table.csv();
        assert!(
            csv.contains("self_answers,ch-sims,all,valid,0.7,179,133,0.75,0.25,0.5,0.875,0.625"),
            "{csv}"
        );
        assert!(across(&[("diagnose".to_owned(), json!({ "rows": 3 }))]).rows.is_empty());
    }
}
